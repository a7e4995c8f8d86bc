"""Reader-writer locks of variables, in the header before their memory (DESIGN D28).

A lock is one word: 0 is free, n > 0 is read by n, -1 is written by one. Whoever takes several takes them in
the order of their addresses, so no two wait for each other. The word is only changed under the GIL (a native
program takes its locks before it releases the GIL and gives them back after); nobody waits for a lock while
holding it. Not here: the native entry's side (`backends/cpu/entry_lock.py`).
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

HEADER_BYTES = 64
_WAIT_SECONDS = 5e-5

_local = threading.local()
_python = threading.Lock()


def _word(memory: np.ndarray) -> ctypes.c_int64:
    return ctypes.c_int64.from_address(memory.ctypes.data - HEADER_BYTES)


@contextmanager
def held(*memories: np.ndarray, exclusive: bool) -> Generator[None, None, None]:
    """Hold the locks of variables' memories, shared or alone, for the duration of a block."""
    words = [_word(m) for _, m in sorted({m.ctypes.data: m for m in memories}.items())]
    taken: list[ctypes.c_int64] = []
    try:
        for word in words:
            while not _take(word, exclusive=exclusive):
                time.sleep(_WAIT_SECONDS)
            taken.append(word)
        yield
    finally:
        with _python:
            for word in reversed(taken):
                word.value = 0 if exclusive else word.value - 1


def _take(word: ctypes.c_int64, *, exclusive: bool) -> bool:
    with _python:
        if exclusive and word.value == 0:
            word.value = -1
            return True
        if not exclusive and word.value >= 0:
            word.value += 1
            return True
    return False
