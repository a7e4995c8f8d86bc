"""Locks of variables, the native side: a call takes those that its program uses, for its whole run.

A lock is the word 64 bytes before a variable's memory: 0 free, n > 0 read by n, -1 written by one
(`weft.runtime.locks`). The third word is the thread whose program, which holds the lock, calls Python now:
what that calls must not wait for it. They only change under the GIL, so that plain stores do. Locks are taken
in the order of their addresses, and nobody waits for one while it holds the GIL. Written in the subset of
`native.py`.
"""

import ctypes
from collections.abc import Callable

from weft.backends.cpu.elf import LoadedObject
from weft.backends.cpu.entry_records import Frame, TableRecord
from weft.backends.cpu.native import external, native_cold
from weft.runtime.layout import Pointer, Words, i64

WAIT_US = 50
PATIENCE = 4  # how often one who comes new lets others go first
LATER = 2
HEADER_BYTES = 64

usleep = external("usleep", 1, bits=32)
save_thread = external("PyEval_SaveThread", 0)
restore_thread = external("PyEval_RestoreThread", 1)
check_signals = external("PyErr_CheckSignals", 0, bits=32)
pthread_self = external("pthread_self", 0)
OWN = 2


@native_cold
def entry_try_lock(lock: Pointer, is_exclusive: i64, is_waiting: i64) -> i64:
    """Take one lock: 1 if it was taken, 0 if it is busy, LATER if others have waited longer. The GIL is held.

    The word after the lock says that someone waits; who comes new lets those go first, so that a thread that
    takes a lock again and again does not keep it.
    """
    word = Words.at(lock)
    if word[1] != 0 and not is_waiting and word[2] != pthread_self():
        return LATER
    is_free = word[0] == 0 if is_exclusive else word[0] >= 0
    if not is_free:
        word[1] = 1
        return 0
    word[0] = -1 if is_exclusive else word[0] + 1
    if is_waiting:
        word[1] = 0
    return 1


@native_cold
def entry_give_lock(lock: Pointer, is_exclusive: i64) -> i64:
    """Give one lock back. The GIL is held."""
    word = Words.at(lock)
    word[0] = 0 if is_exclusive else word[0] - 1
    return 0


@native_cold
def entry_sort_locks(frame: Frame, table: TableRecord) -> i64:
    """Write the locks of this call in the order of their addresses; the lowest bit: exclusive."""
    locks = Words.at(frame.locks)
    wanted = Words.at(table.locks)
    for i in range(table.lock_count):
        lock = Words.at(frame.pointers)[wanted[2 * i]] - HEADER_BYTES + wanted[2 * i + 1]
        k = i
        while k > 0:
            if locks[k - 1] < lock:
                break
            locks[k] = locks[k - 1]
            k -= 1
        locks[k] = lock
    return 0


@native_cold
def entry_give_some(locks: Words, count: i64) -> i64:
    """Give the first locks back."""
    for k in range(count):
        entry_give_lock(locks[k] - (locks[k] & 1), locks[k] & 1)
    return 0


@native_cold
def entry_take_locks(frame: Frame, table: TableRecord) -> i64:
    """Take the locks of a call, and give 1; else none of them.

    0 with a Python error if a signal's handler raised meanwhile, OWN if this thread's own program holds one.
    """
    entry_sort_locks(frame, table)
    locks = Words.at(frame.locks)
    for i in range(table.lock_count):
        is_exclusive = locks[i] & 1
        rounds = 0
        is_waiting = 0
        while 1:
            answer = entry_try_lock(locks[i] - is_exclusive, is_exclusive, is_waiting)
            if answer == 1:
                break
            if Words.at(locks[i] - is_exclusive)[2] == pthread_self():
                entry_give_some(locks, i)
                return OWN
            rounds += 1
            if answer == 0 or rounds >= PATIENCE:
                is_waiting = 1
            state = save_thread()
            usleep(WAIT_US)
            restore_thread(state)
            if check_signals() != 0:
                entry_give_some(locks, i)
                return 0
    return 1


@native_cold
def entry_mark_locks(frame: Frame, table: TableRecord, thread: i64) -> i64:
    """Say which thread calls Python while it holds the locks of a call; 0 when it is back."""
    locks = Words.at(frame.locks)
    for i in range(table.lock_count):
        Words.at(locks[i] - (locks[i] & 1))[2] = thread
    return 0


@native_cold
def entry_give_locks(frame: Frame, table: TableRecord) -> i64:
    """Give the locks of a call back."""
    return entry_give_some(Words.at(frame.locks), table.lock_count)


EXPORTS = (entry_try_lock, entry_give_lock)


def lock_functions(code: LoadedObject) -> tuple[Callable[[int, int, int], int], Callable[[int, int], int]]:
    """`entry_try_lock` and `entry_give_lock` for Python: called with the GIL held."""
    words = [ctypes.c_int64] * 2
    take = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, *words)(code.address("entry_try_lock"))
    give = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)
    return take, give(code.address("entry_give_lock"))
