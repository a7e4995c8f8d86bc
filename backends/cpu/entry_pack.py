"""Guard tables in native memory: `weft.runtime.signature` records packed for the entry.

Packing checks what the native code relies on: items are taken only from registers whose type is known to be a
list or tuple, and array checks precede alias tests. Holds no native code.
"""

import ctypes
import math
import sys
from collections.abc import Sequence

from weft.backends.cpu.entry_records import (
    Code,
    OutputKind,
    OutputRecord,
    SizeMode,
    SizeRecord,
    StepRecord,
    TableRecord,
    TreeCode,
    TreeRecord,
)
from weft.runtime import signature
from weft.runtime.forks import Lock
from weft.runtime.signature import NewArray, Scalar, Symbol, Table, Tree
from weft.runtime.variant import Variant

_LAYOUT_FLAGS = {"C": 0x1, "F": 0x2, "strided": 0}
_WRITEABLE_FLAG = 0x400
_NUMBER_KINDS = {
    "int": OutputKind.INT,
    "float": OutputKind.FLOAT,
    "bool": OutputKind.BOOL,
    "complex": OutputKind.COMPLEX,
}


_MOST_FIXED = 1 << 40  # bytes of a result whose size is known; beyond, the entry reports what does not fit
_lock = Lock()  # of the counts that Python writes


class TableError(ValueError):
    """A table that the entry must not be given: it would read what it has not checked."""


class PackedTable:
    """A variant in native memory. `address` is that of its TableRecord, which lives as long as this."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.kept: list[object] = []  # objects and buffers that the memory points to
        self.address = self._pack(variant)

    @property
    def calls(self) -> int:
        """Calls served so far."""
        return ctypes.c_int64.from_address(self.address + TableRecord.offset("calls")).value

    def add_call(self) -> None:
        """Count a call that the native entry did not serve."""
        ctypes.c_int64.from_address(self.address + TableRecord.offset("calls")).value += 1

    def _pack(self, variant: Variant) -> int:
        table, program = variant.table, variant.program
        packer = _Steps(self, may_borrow=_may_borrow(variant))
        steps = packer.pack(table)
        slots = sorted(packer.bound)
        outputs = b"".join(self._output(output) for output in table.outputs)
        is_first = table.tree == signature.Output(0) and table.finish is None
        tree = [] if table.tree is None or is_first else self._tree(table.tree)
        owned = sum(isinstance(step, _OWNING) for step in table.steps)
        words = table.registers + table.numbers + len(table.outputs) + table.pointers + owned + len(tree)
        words += len(table.locks)
        start = self.place(steps)
        return self.place(
            TableRecord.pack(
                positional_least=table.positional[0],
                positional_most=table.positional[1],
                steps=start,
                steps_end=start + len(steps),
                outputs=self.place(outputs),
                output_count=len(table.outputs),
                cell_count=sum(not isinstance(output, NewArray) for output in table.outputs),
                tree=self.place(b"".join(tree)),
                tree_count=len(tree),
                finish=self.keep(table.finish),
                register_count=table.registers,
                pointer_count=table.pointers,
                number_count=table.numbers,
                owned_count=owned,
                frame_bytes=8 * words + 16 * len(table.outputs),
                program=program.address,
                prepare=program.prepare,
                arena_bytes=program.arena_bytes,
                arena_slot=-1 if program.arena_slot is None else program.arena_slot,
                keeps_gil=program.is_short,
                short_size=program.short_size,
                size_slots=self.place(b"".join(slot.to_bytes(8, "little") for slot in slots)),
                size_count=len(slots),
                driver=program.driver,
                on_error=self.keep(variant.on_error),
                on_callback=self.keep(variant.on_callback),
                locks=self.place(b"".join(n.to_bytes(8, "little") for pair in table.locks for n in pair)),
                lock_count=len(table.locks),
            )
        )

    def place(self, data: bytes) -> int:
        """Copy bytes into native memory of this table."""
        buffer = ctypes.create_string_buffer(data, len(data) + 8)
        self.kept.append(buffer)
        return ctypes.addressof(buffer)

    def keep(self, item: object) -> int:
        """The address of an object that lives as long as this table; 0 for None."""
        if item is None:
            return 0
        self.kept.append(item)
        return id(item)

    def hold(self, item: object) -> int:
        """The same for an object that may be None."""
        self.kept.append(item)
        return id(item)

    def _output(self, output: signature.RawOutput) -> bytes:
        if isinstance(output, NewArray):
            sizes = [dim for dim in output.dims if isinstance(dim, int)]
            total = math.prod(sizes) * output.dtype.itemsize
            is_fixed = len(sizes) == len(output.dims) and min(sizes, default=0) >= 0 and total <= _MOST_FIXED
            pairs = [(0, dim) if isinstance(dim, int) else (1, dim.slot) for dim in output.dims]
            words = sizes if is_fixed else [word for pair in pairs for word in pair]
            return OutputRecord.pack(
                kind=OutputKind.ARRAY,
                pointer=output.pointer,
                rank=len(output.dims),
                descr=self.keep(output.dtype),
                words=self.place(b"".join(word.to_bytes(8, "little", signed=True) for word in words)),
                fixed_bytes=total if is_fixed else -1,
            )
        if isinstance(output, Scalar):
            return OutputRecord.pack(
                kind=OutputKind.SCALAR, pointer=output.pointer, descr=self.keep(output.dtype)
            )
        return OutputRecord.pack(kind=_NUMBER_KINDS[output.kind], pointer=output.pointer)

    def _tree(self, tree: Tree) -> list[bytes]:
        """Steps in postfix order."""
        match tree:
            case signature.Output(index):
                return [TreeRecord.pack(code=TreeCode.OUTPUT, number=index)]
            case signature.Register(index):
                return [TreeRecord.pack(code=TreeCode.REGISTER, number=index)]
            case signature.ConstantResult(value):
                return [TreeRecord.pack(code=TreeCode.CONSTANT, object=self.hold(value))]
            case signature.Items(kind, items):
                code = TreeCode.LIST if kind == "list" else TreeCode.TUPLE
                return [*self._trees(items), TreeRecord.pack(code=code, number=len(items))]
            case signature.Entries(keys, values):
                last = TreeRecord.pack(code=TreeCode.DICT, number=len(values), object=self.hold(keys))
                return [*self._trees(values), last]

    def _trees(self, trees: Sequence[Tree]) -> list[bytes]:
        return [record for tree in trees for record in self._tree(tree)]


_OWNING = (signature.Item, signature.DictValue, signature.Attribute, signature.CellContent)
_RUN_NO_PYTHON = (
    signature.Argument,
    signature.Constant,
    signature.Item,
    signature.ExactType,
    signature.Length,
    signature.Identity,
    signature.Array,
    signature.Integer,
    signature.Cell,
    signature.Alias,
)


def _may_borrow(variant: Variant) -> bool:
    """Whether nobody can change a list while the call needs its items: GIL kept, no Python code run."""
    table = variant.table
    return (
        variant.program.is_short
        and variant.on_callback is None
        and table.finish is None
        and isinstance(table.tree, signature.Output)
        and all(isinstance(step, _RUN_NO_PYTHON) for step in table.steps)
    )


_FUSED = {Code.ARGUMENT: Code.ARGUMENT_ARRAY, Code.LIST_ITEM: Code.LIST_ITEM_ARRAY}


def _registers(step: signature.Step) -> set[int]:
    """What a step reads and sets."""
    found = (getattr(step, name, None) for name in ("target", "source", "first", "second", "default"))
    return {register for register in found if register is not None}


def _late_arguments(steps: Sequence[signature.Step]) -> list[signature.Step]:
    """The steps with each argument taken just before it is looked at, so that both are done at once."""
    ordered: list[signature.Step] = []
    waiting: list[signature.Step] = []
    for step in steps:
        for argument in [one for one in waiting if _registers(one) & _registers(step)]:
            waiting.remove(argument)
            ordered.append(argument)
        (waiting if isinstance(step, signature.Argument) else ordered).append(step)
    return ordered + waiting


def _fuse(steps: Sequence[signature.Step], records: list[bytes]) -> list[bytes]:
    """Mark loads that an array check of their target follows, as most do: the entry does both at once."""
    fused = list(records)
    for i, following in enumerate(steps[1:]):
        record = StepRecord.unpack(records[i])
        code = _FUSED.get(Code(record["code"]))
        if (
            code is not None
            and isinstance(following, signature.Array)
            and following.source == record["target"]
        ):
            fused[i] = StepRecord.pack(**{**record, "code": code})
    return fused


class _Steps:
    """Packs the steps of one table; a method per step, named after it."""

    def __init__(self, packed: PackedTable, *, may_borrow: bool) -> None:
        self.packed = packed
        self.may_borrow = may_borrow
        self.types: dict[int, type] = {}
        self.set: set[int] = set()
        self.arrays: set[int] = set()
        self.bound: set[int] = set()

    def pack(self, table: Table) -> bytes:
        steps, records = _late_arguments(table.steps), list[bytes]()
        for step in steps:
            for name in ("source", "first", "second", "default"):
                register = getattr(step, name, None)
                if register is not None and register not in self.set:
                    raise TableError(f"{step} reads a register that no step has set")
            records.append(getattr(self, "pack_" + type(step).__name__)(step))
            target = getattr(step, "target", None)
            if target is not None:
                self.set.add(target)
                self.types.pop(target, None)
        return b"".join(_fuse(steps, records))

    def is_list(self, step: signature.Item | signature.Length) -> bool:
        """Whether the source is a list; False means a tuple."""
        found = self.types.get(step.source, object)
        if not issubclass(found, (list, tuple)):
            raise TableError(f"{step} needs an ExactType of a list or tuple before it")
        return issubclass(found, list)

    def size(self, expected: int | Symbol) -> bytes:
        if isinstance(expected, int):
            return SizeRecord.pack(mode=SizeMode.EXACT, value=expected)
        mode = SizeMode.SAME if expected.slot in self.bound else SizeMode.BIND
        self.bound.add(expected.slot)
        return SizeRecord.pack(mode=mode, value=expected.minimum, slot=expected.slot)

    def pack_Argument(self, step: signature.Argument) -> bytes:  # noqa: N802 (named after the step, like all below)
        return StepRecord.pack(
            code=Code.ARGUMENT,
            target=step.target,
            number=-1 if step.index is None else step.index,
            object=self.packed.keep(step.name and sys.intern(step.name)),
            source=-1 if step.default is None else step.default,
        )

    def pack_Constant(self, step: signature.Constant) -> bytes:  # noqa: N802
        return StepRecord.pack(code=Code.CONSTANT, target=step.target, object=self.packed.hold(step.value))

    def pack_Item(self, step: signature.Item) -> bytes:  # noqa: N802
        code = Code.LIST_ITEM if self.is_list(step) else Code.TUPLE_ITEM
        return StepRecord.pack(
            code=code, target=step.target, source=step.source, number=step.index, flags=not self.may_borrow
        )

    def pack_DictValue(self, step: signature.DictValue) -> bytes:  # noqa: N802
        return StepRecord.pack(
            code=Code.DICT_VALUE, target=step.target, source=step.source, object=self.packed.hold(step.key)
        )

    def pack_Attribute(self, step: signature.Attribute) -> bytes:  # noqa: N802
        name = self.packed.hold(sys.intern(step.name))
        return StepRecord.pack(code=Code.ATTRIBUTE, target=step.target, source=step.source, object=name)

    def pack_CellContent(self, step: signature.CellContent) -> bytes:  # noqa: N802
        return StepRecord.pack(code=Code.CELL_CONTENT, target=step.target, source=step.source)

    def pack_ExactType(self, step: signature.ExactType) -> bytes:  # noqa: N802
        self.types[step.source] = step.value
        return StepRecord.pack(code=Code.EXACT_TYPE, source=step.source, object=self.packed.hold(step.value))

    def pack_Length(self, step: signature.Length) -> bytes:  # noqa: N802
        self.is_list(step)
        return StepRecord.pack(code=Code.LENGTH, source=step.source, number=step.value)

    def pack_Keys(self, step: signature.Keys) -> bytes:  # noqa: N802
        return StepRecord.pack(code=Code.KEYS, source=step.source, object=self.packed.hold(step.value))

    def pack_KeyMissing(self, step: signature.KeyMissing) -> bytes:  # noqa: N802
        return StepRecord.pack(code=Code.KEY_MISSING, source=step.source, object=self.packed.hold(step.key))

    def pack_Identity(self, step: signature.Identity) -> bytes:  # noqa: N802
        return StepRecord.pack(code=Code.IDENTITY, source=step.source, object=self.packed.hold(step.value))

    def pack_Equal(self, step: signature.Equal) -> bytes:  # noqa: N802
        return StepRecord.pack(code=Code.EQUAL, source=step.source, object=self.packed.hold(step.value))

    def pack_Array(self, step: signature.Array) -> bytes:  # noqa: N802
        self.arrays.add(step.source)
        return StepRecord.pack(
            code=Code.ARRAY,
            source=step.source,
            target=step.pointer,
            object=self.packed.hold(step.dtype),
            count=len(step.dims),
            words=self.packed.place(b"".join(self.size(dim) for dim in step.dims)),
            flags=_LAYOUT_FLAGS[step.layout] | (_WRITEABLE_FLAG if step.is_written else 0),
            number=-1 if step.strides is None else step.strides,
        )

    def pack_Integer(self, step: signature.Integer) -> bytes:  # noqa: N802
        return StepRecord.pack(
            code=Code.INTEGER, source=step.source, words=self.packed.place(self.size(step.value))
        )

    def pack_Cell(self, step: signature.Cell) -> bytes:  # noqa: N802
        return StepRecord.pack(
            code=Code.CELL, source=step.source, target=step.pointer, object=self.packed.hold(step.type)
        )

    def pack_Alias(self, step: signature.Alias) -> bytes:  # noqa: N802
        if not {step.first, step.second} <= self.arrays:
            raise TableError(f"{step} needs an Array check of both before it")
        code = Code.IDENTICAL if step.identical else Code.DISJOINT
        return StepRecord.pack(code=code, source=step.first, target=step.second)


class Published:
    """The tables of an entry as it tries them.

    A count, then addresses, the most recent first. The entry holds this as their owner.
    """

    def __init__(self, tables: Sequence[PackedTable]) -> None:
        self.tables = {table.address: table for table in tables}
        self.memory = (ctypes.c_int64 * (len(tables) + 1))(len(tables), *[table.address for table in tables])
        self.address = ctypes.addressof(self.memory)

    def in_order(self) -> list[PackedTable]:
        """The tables, the one that served the latest call first: the entry moves it to the front."""
        return [self.tables[address] for address in list(self.memory)[1:]]

    def note(self, table: PackedTable) -> None:
        """What the native entry does for a call that a table serves: count it, try it first from now on."""
        with _lock:
            table.add_call()
            others = [one.address for one in self.in_order() if one is not table]
            self.memory[1:] = [table.address, *others]
