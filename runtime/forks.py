"""A lock that is safe in programs that fork while other threads run."""

from __future__ import annotations

import os
import threading
import weakref


class Lock:
    """A lock for `with`, reentrant; free in the child of a fork, whoever held it in the parent.

    What it guards must be usable wherever a fork may cut another thread's work short.
    """

    def __init__(self) -> None:
        self._held = threading.RLock()
        _locks.add(self)

    def __enter__(self) -> None:
        self._held.acquire()

    def __exit__(self, *_: object) -> None:
        self._held.release()

    def free(self) -> None:
        """Begin anew: whoever held it is gone."""
        self._held = threading.RLock()


_locks: weakref.WeakSet[Lock] = weakref.WeakSet()


def _free_all() -> None:
    for lock in list(_locks):
        lock.free()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_all)

__all__ = ["Lock"]
