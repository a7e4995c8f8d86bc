"""Reader-writer locks of variables, in the header before their memory (DESIGN D28).

A lock is one word: 0 is free, n > 0 is read by n, -1 is written by one. Whoever takes several takes them in
the order of their addresses, so no two wait for each other. The word only changes under the GIL: a native
program takes its locks before it releases the GIL and gives them back after; Python takes them by native
functions, or, where there are none, under a lock of its own. Nobody waits for a lock while holding the GIL.
Not here: the native side (`backends/cpu/entry_lock.py`).
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any

import numpy as np

from weft.ir.errors import RuntimeFault
from weft.runtime.forks import Lock

HEADER_BYTES = 64
_WAIT_SECONDS = 1e-5
_PATIENCE = 4  # how often one who comes new lets others go first
_python = Lock()

Take = Callable[[int, int, int], int]
Give = Callable[[int, int], int]


def _try_in_python(address: int, is_exclusive: int, is_waiting: int) -> int:
    word, waiting = ctypes.c_int64.from_address(address), ctypes.c_int64.from_address(address + 8)
    is_own = _is_own(address)
    with _python:
        if waiting.value and not is_waiting and not is_own:
            return 2
        if word.value != 0 if is_exclusive else word.value < 0:
            waiting.value = 1
            return 0
        word.value = -1 if is_exclusive else word.value + 1
        if is_waiting:
            waiting.value = 0
        return 1


def _give_in_python(address: int, is_exclusive: int) -> int:
    word = ctypes.c_int64.from_address(address)
    with _python:
        word.value = 0 if is_exclusive else word.value - 1
    return 0


_take: list[Take] = [_try_in_python]
_give: list[Give] = [_give_in_python]


def use_native(take: Take, give: Give) -> None:
    """Change locks by these functions from now on."""
    _take[0], _give[0] = take, give


@contextmanager
def held(*memories: np.ndarray[Any, Any], exclusive: bool) -> Generator[None, None, None]:
    """Hold the locks of variables' memories, shared or alone, for the duration of a block."""
    with taken((m.ctypes.data, exclusive) for m in memories):
        yield


@contextmanager
def taken(wanted: Iterable[tuple[int, bool]]) -> Generator[None, None, None]:
    """Hold the locks of the memories at some addresses, each shared or alone."""
    locks: dict[int, int] = {}
    for address, exclusive in wanted:
        locks[address - HEADER_BYTES] = int(exclusive) | locks.get(address - HEADER_BYTES, 0)
    done: list[tuple[int, int]] = []
    try:
        for lock in sorted(locks.items()):
            _wait_for(*lock)
            done.append(lock)
        yield
    finally:
        for lock in reversed(done):
            _give[0](*lock)


def _is_own(address: int) -> bool:
    """Whether a program of this thread, which holds the lock, calls Python now."""
    return ctypes.c_int64.from_address(address + 16).value == threading.get_ident()


def own_lock(name: str = "") -> RuntimeFault:
    """The error for Python code, called by a program, that would wait for what this program holds."""
    calls = f"calls {name}, which " if name else ""
    return RuntimeFault(
        f"a callback {calls}uses a variable that the program around it holds",
        fix="pass the variable as an argument of weft.callback, or use it after the call",
    )


def mark(memories: Iterable[int], thread: int) -> None:
    """Note for variables' memories, which this thread has locked, that it calls Python (0: no more)."""
    for address in memories:
        ctypes.c_int64.from_address(address - HEADER_BYTES + 16).value = thread


def _wait_for(address: int, is_exclusive: int) -> None:
    rounds = is_waiting = 0
    while (answer := _take[0](address, is_exclusive, is_waiting)) != 1:
        if _is_own(address):
            raise own_lock()
        rounds += 1
        if answer == 0 or rounds >= _PATIENCE:
            is_waiting = 1
        time.sleep(_WAIT_SECONDS)
