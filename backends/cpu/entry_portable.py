"""The portable call entry: guard tables matched in Python, programs called through ctypes.

For interpreters whose object layouts the native entry does not know (free-threaded builds, versions to come).
Same meaning, some tens of microseconds a call. Programs are not interrupted by Ctrl-C before they end, since
a poll from native code is not given.
"""

import ctypes
import struct
import threading
import types
from collections.abc import Callable, Sequence
from typing import Any, Self, cast

import numpy as np

from weft.runtime.context import Context
from weft.runtime.forks import Lock
from weft.runtime.locks import mark, taken
from weft.runtime.signature import Binding, NewArray, RawOutput, Scalar, build, match
from weft.runtime.variant import Variant

_CELL_BYTES = 16
_ALIGNMENT = 64


class PortableEntry:
    """A callable that serves calls by compiled variants, and others by a Python function."""

    slow: Callable[..., object] | None
    variants: list[Variant]
    calls: dict[Variant, int]

    def __new__(cls, *_args: object, **_kwargs: object) -> Self:
        """Make what an `__init__` would: subclasses need not call one."""
        self = super().__new__(cls)
        self.slow, self.variants, self.calls = None, [], {}
        return self

    def __get__(self, instance: object, owner: type | None = None) -> object:
        """Bind as a method, as functions do."""
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Serve a call by a variant, else by the slow path."""
        entries: PortableEntries = _entries[0]
        for variant in list(self.variants):
            call = PortableCall(variant, entries.parallel_for)
            if call.prepare(args, kwargs):
                entries.count(self, variant)
                try:
                    return call.run()
                finally:
                    call.kept.clear()  # the callbacks in it refer to the call
        if self.slow is None:
            raise SystemError("the entry has no slow path")
        return self.slow(*args, **kwargs)


_entries: list[Any] = []


class PortableEntries:
    """Entries as plain Python objects."""

    def __init__(self, parallel_for: int) -> None:
        self.type: type[Any] = PortableEntry
        self.parallel_for = parallel_for
        self._lock = Lock()
        _entries[:] = [self]

    def set_slow(self, entry: object, slow: Callable[..., object]) -> None:
        """See `Entries`."""
        cast(PortableEntry, entry).slow = slow

    def publish(self, entry: object, variants: Sequence[Variant]) -> None:
        """See `Entries`."""
        with self._lock:
            made = cast(PortableEntry, entry)
            made.variants = list(variants)
            made.calls = {variant: made.calls.get(variant, 0) for variant in variants}

    def variants(self, entry: object) -> list[tuple[Variant, int]]:
        """See `Entries`."""
        with self._lock:
            made = cast(PortableEntry, entry)
            return [(variant, made.calls[variant]) for variant in made.variants]

    def settle(self) -> None:
        """See `Entries`; there is nothing to build."""

    def count(self, entry: PortableEntry, variant: Variant) -> None:
        """Note that a variant serves a call; it is tried first from now on."""
        with self._lock:
            if variant in entry.calls:
                entry.calls[variant] += 1
                entry.variants = [variant, *(other for other in entry.variants if other is not variant)]


class PortableCall:
    """One call of one variant."""

    def __init__(self, variant: Variant, parallel_for: int) -> None:
        self.variant, self.parallel_for = variant, parallel_for
        self.kept: list[Any] = []
        self.locked: list[int] = []

    def prepare(self, args: Sequence[object], kwargs: dict[str, object]) -> bool:
        """Whether the variant serves the call."""
        binding = match(self.variant.table, args, kwargs)
        if binding is None:
            return False
        self.binding: Binding = binding
        self.numbers = np.array([*binding.numbers, 0], np.int64)
        address = self.variant.program.prepare
        return not address or not ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(address)(
            self.numbers.ctypes.data
        )

    def run(self) -> object:
        """The call's result."""
        table = self.variant.table
        outputs = [self._output(output) for output in table.outputs]
        pointers = [self._address(item) for item in self.binding.pointers]
        for output, memory in zip(table.outputs, outputs, strict=True):
            pointers[output.pointer] = memory.ctypes.data
        words = (ctypes.c_int64 * (len(pointers) + 1))(*pointers)
        self.locked = [pointers[pointer] for pointer, _ in table.locks]
        with taken((pointers[pointer], is_exclusive) for pointer, is_exclusive in table.locks):
            code, record = self.invoke(self._context(), ctypes.addressof(words), self.numbers.ctypes.data)
        if self.raised:
            raise self.raised[0]
        if code:
            facts = [record[f"error_fact{i}"] for i in range(3)]
            return self.variant.on_error(code, record["error_location"], *facts)
        made = [_result(output, memory) for output, memory in zip(table.outputs, outputs, strict=True)]
        if table.finish is not None:
            return table.finish(made, self.binding.registers, self.numbers[:-1].tolist())
        return None if table.tree is None else build(table.tree, made, self.binding.registers)

    def invoke(self, context: dict[str, int], pointers: int, numbers: int) -> tuple[int, dict[str, int]]:
        """Run the program; its code, and the context that it leaves."""
        packed = Context.pack(**context)
        memory = ctypes.create_string_buffer(packed, len(packed))
        run = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(
            self.variant.program.address
        )
        return run(ctypes.addressof(memory), pointers, numbers), Context.unpack(bytes(memory))

    def _memory(self, size_bytes: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        raw = np.empty(size_bytes + _ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % _ALIGNMENT
        self.kept.append(raw)
        return raw[start : start + size_bytes]

    def _output(self, output: RawOutput) -> np.ndarray[Any, Any]:
        if isinstance(output, NewArray):
            return np.empty(
                [d if isinstance(d, int) else int(self.numbers[d.slot]) for d in output.dims], output.dtype
            )
        memory = self._memory(_CELL_BYTES)
        memory[:] = 0
        return memory

    def _address(self, item: object) -> int:
        if isinstance(item, np.ndarray):
            return item.ctypes.data
        if isinstance(item, float | complex) and not isinstance(item, np.generic):
            cell: np.ndarray[Any, Any] = np.array(item)
        elif isinstance(item, np.generic):
            cell = np.asarray(cast(Any, item))
        else:
            return 0
        self.kept.append(cell)
        return cell.ctypes.data

    def _context(self) -> dict[str, int]:
        program = self.variant.program
        slot = program.arena_slot
        size = program.arena_bytes if slot is None else int(self.numbers[slot])
        self.raised: list[BaseException] = []
        callback = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_int64] * 4)(self._callback)
        allocate = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(self._allocate)
        poll = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64)(_never)
        self.kept += [callback, allocate, poll]
        return {
            "arena": self._memory(size).ctypes.data if size else 0,
            "arena_bytes": size,
            "parallel_for": self.parallel_for,
            "poll": ctypes.cast(poll, ctypes.c_void_p).value or 0,
            "callback": ctypes.cast(callback, ctypes.c_void_p).value or 0,
            "allocate": ctypes.cast(allocate, ctypes.c_void_p).value or 0,
            "driver": program.driver,
        }

    def _allocate(self, _context: int, size_bytes: int) -> int:
        if size_bytes < 0:  # more than a number holds
            return 0
        try:
            return self._memory(size_bytes).ctypes.data
        except MemoryError:  # it must not pass through native code
            return 0

    def _callback(self, _context: int, site: int, pointers: int, numbers: int) -> int:
        try:
            if self.variant.on_callback is None:
                raise SystemError("the variant has no callbacks")
            mark(self.locked, threading.get_ident())
            try:
                self.variant.on_callback(site, pointers, numbers)
            finally:
                mark(self.locked, 0)
        except BaseException as error:  # it must not pass through native code
            self.raised.append(error)
            return 1
        return 0


def _never(_context: int) -> int:
    return 0


def _result(output: RawOutput, memory: np.ndarray[Any, Any]) -> object:
    if isinstance(output, NewArray):
        return memory
    cell = memory.tobytes()
    if isinstance(output, Scalar):
        return np.frombuffer(cell, output.dtype, 1)[0]
    if output.kind == "complex":
        return complex(*struct.unpack("<dd", cell))
    return struct.unpack_from({"int": "<q", "float": "<d", "bool": "<?"}[output.kind], cell)[0]
