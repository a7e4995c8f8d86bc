"""Parts of one program, compiled beside each other by a thread each.

llvmlite takes one lock around every call of LLVM. LLVM asks for less: that threads share no context, module
and target machine. So the two calls that take nearly all of the time, passes and emission, are made through
functions of the same library that take no lock. Not here: how a program is cut (`emit.py`), how its objects
are put together (`elf.py`).
"""

import ctypes
import functools
import importlib
import os
import threading
from collections.abc import Sequence
from typing import Any

from weft.backends.cpu.link import PROGRAM_PASSES, Machine, compile_text, exclusive, prepared

_MOST_THREADS = 8


def useful_threads() -> int:
    """How many parts can be compiled at the same time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_THREADS)


def compile_parts(texts: Sequence[str], machine: Machine) -> list[bytes]:
    """The object of each text. Raises RuntimeError with LLVM's message when one is not valid."""
    if len(texts) == 1:
        return [compile_text(texts[0], machine)]
    made: list[bytes | BaseException] = [b""] * len(texts)
    waiting = iter(range(len(texts)))  # `next` is one step under the GIL

    def work(thread: int) -> None:
        for part in waiting:
            try:
                made[part] = _object(texts[part], machine, thread)
            except BaseException as problem:
                made[part] = problem

    with exclusive():
        count = min(len(texts), useful_threads())
        threads = [threading.Thread(target=work, args=(number,)) for number in range(1, count)]
        for thread in threads:
            thread.start()
        try:
            work(0)
        finally:
            for thread in threads:
                thread.join()
    for each in made:
        if isinstance(each, BaseException):
            raise each
    return [each for each in made if isinstance(each, bytes)]


def _object(text: str, machine: Machine, thread: int) -> bytes:
    ffi, run, emit = _unlocked()
    target, module, manager, builder = prepared(text, machine, 2, PROGRAM_PASSES, thread)
    run(manager, module, builder)
    with ffi.OutputString() as message:
        buffer = emit(target, module, 1, message)
        if not buffer:
            raise RuntimeError(str(message))
    try:
        return ctypes.string_at(ffi.lib.LLVMPY_GetBufferStart(buffer), ffi.lib.LLVMPY_GetBufferSize(buffer))
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(buffer)


@functools.cache
def _unlocked() -> tuple[Any, Any, Any]:
    """llvmlite's `ffi`, then LLVM's running of passes and its emission of code without llvmlite's lock."""
    ffi: Any = importlib.import_module("llvmlite.binding.ffi")
    library = ctypes.CDLL(ffi.lib._name)
    found: list[Any] = []
    for name in ("LLVMPY_RunNewModulePassManager", "LLVMPY_TargetMachineEmitToMemory"):
        function, locked = getattr(library, name), getattr(ffi.lib, name)
        function.argtypes, function.restype = locked.argtypes, locked.restype
        found.append(function)
    return ffi, *found
