"""Calls before the native entry is there: matched in Python, run by native code that is quick to build.

Building the entry takes LLVM longer than compiling a program, so it is not on the way to the first result:
until it is built, an instance's vectorcall hands each call to `EarlyCall`. Programs run serially then, which
gives the same bits; Ctrl-C ends them as ever. Holds the native functions of that time; they become part of
the type's object (`entry_type.py`). Not here: when the entry is built (`later.py`).
"""

import ctypes
from collections.abc import Callable
from typing import Any, Protocol

from weft.backends.cpu.elf import LoadedObject
from weft.backends.cpu.entry_pack import PackedTable, Published
from weft.backends.cpu.entry_portable import PortableCall
from weft.backends.cpu.entry_records import EntryObject, Frame, TableRecord
from weft.backends.cpu.entry_run import (
    bad_call,
    entry_poll,
    entry_serial_for,
    pthread_self,
    restore_thread,
    save_thread,
    vectorcall,
)
from weft.backends.cpu.native import address_of, invoke, invoke_int, native_cold, static
from weft.runtime.layout import Pointer, Struct, i64


class Dispatch(Struct):
    """Where calls go: the address of the native entry, 0 before it is there."""

    call: Pointer


dispatch = static("weft_entry_dispatch", Dispatch)


@native_cold
def entry_early_call(callable_: Pointer, arguments: Pointer, count_and_flag: i64, names: Pointer) -> Pointer:
    """The first vectorcall of an instance; it replaces itself when the native entry is there."""
    entry = EntryObject.at(callable_)
    if dispatch.call != 0:
        entry.vectorcall = dispatch.call
        return invoke(dispatch.call, callable_, arguments, count_and_flag, names)
    if entry.slow == 0:
        bad_call()
        return 0
    return vectorcall(entry.slow, arguments, count_and_flag, names)


@native_cold
def entry_dispatch() -> Pointer:
    """Where the address of the native entry is written."""
    return address_of(dispatch)


@native_cold
def entry_early_run(frame: Frame) -> i64:
    """Run the program of a frame whose context is filled but for what is native; gives its code."""
    table = TableRecord.at(frame.table)
    frame.parallel_for = address_of(entry_serial_for)
    frame.poll = address_of(entry_poll)
    frame.thread = pthread_self()
    frame.keeps_gil = table.keeps_gil
    if not frame.keeps_gil:
        frame.thread_state = save_thread()
    code = invoke_int(table.program, address_of(frame), frame.pointers, frame.numbers)
    if not frame.keeps_gil:
        restore_thread(frame.thread_state)
    return code


EXPORTS = (entry_early_call, entry_dispatch, entry_early_run)


# ---- the Python side ---------------------------------------------------------------------------------------


class EarlyEntries(Protocol):
    """What early calls ask of the entries."""

    is_native: bool

    def published(self, entry: object) -> Published | None:
        """The tables of an entry."""
        ...

    def run_early(self, frame: int, /) -> int:
        """Run a frame; raises what a signal's handler raised."""
        ...


class EarlyCall:
    """The slow path of an entry as long as the native one is not there: variants first, then the real one."""

    def __init__(self, entries: EarlyEntries, entry: object, slow: Callable[..., object]) -> None:
        self.entries, self.entry, self.slow = entries, entry, slow

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Serve a call by a variant, else by the slow path."""
        published = None if self.entries.is_native else self.entries.published(self.entry)
        for table in published.in_order() if published else ():
            call = _Call(table, self.entries)
            if call.prepare(args, kwargs):
                assert published is not None
                published.note(table)
                try:
                    return call.run()
                finally:
                    call.kept.clear()  # the callbacks in it refer to the call
        return self.slow(*args, **kwargs)


class _Call(PortableCall):
    """A portable call whose program runs by `entry_early_run`."""

    def __init__(self, table: PackedTable, entries: EarlyEntries) -> None:
        super().__init__(table.variant, 0)
        self.table, self.entries = table, entries

    def invoke(self, context: dict[str, int], pointers: int, numbers: int) -> tuple[int, dict[str, int]]:
        """See `PortableCall`."""
        packed = Frame.pack(**context, table=self.table.address, pointers=pointers, numbers=numbers)
        frame = ctypes.create_string_buffer(packed, len(packed))
        code = self.entries.run_early(ctypes.addressof(frame))
        return code, Frame.unpack(bytes(frame))


def run_function(code: LoadedObject) -> Callable[[int], int]:
    """`entry_early_run` for Python: called with the GIL held; a Python error that it leaves is raised."""
    made: Any = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(code.address("entry_early_run"))
    return made
