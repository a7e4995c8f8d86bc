"""Guard tables: what a call must look like for a variant to serve it, and how its results are made.

Holds the records that the frontend fills in and `match`, the reference meaning of a table in plain Python.
The native entry interprets the same records (`weft.backends.cpu.entry`). Does not trace, compile or call
anything.

A table is a small program. *Registers* hold Python objects: loads fill them from the call, from constants and
from other registers; checks look at them and bind *pointers* (addresses for the program) and *numbers*
(int64: sizes, strides, Python ints). Steps run in order; the first that fails ends the match. A register is
set before it is used, a number is bound before it is compared:

    Table(
        steps=(
            Argument(0, 0, "x"), Array(0, F32, (Symbol(0, 2),), pointer=0),
            Argument(1, 1, "y"), Array(1, F32, (Symbol(0, 2),), pointer=1),
        ),
        outputs=(NewArray(F32, (Number(0),), pointer=2),),
        tree=Output(0), registers=2, pointers=3, numbers=1, positional=(0, 2),
    )
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from weft.ir.dataclass import dataclass

# ---- loads: fill register `target` -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Argument:
    """A parameter: positional argument `index`, else keyword `name`, else register `default`, else no match.

    `index` None: by keyword only; `name` None: by position only. Every keyword of the call must be taken by
    some `Argument`.
    """

    target: int
    index: int | None
    name: str | None = None
    default: int | None = None


@dataclass(frozen=True, slots=True)
class Constant:
    """An object known when the table is made: a globals dict, a cell, a function whose defaults are read."""

    target: int
    value: object


@dataclass(frozen=True, slots=True)
class Item:
    """Item `index` of a list or tuple, whose exact type and length a check before this one has fixed."""

    target: int
    source: int
    index: int


@dataclass(frozen=True, slots=True)
class DictValue:
    """The value of `key` in a dict (exact type).

    Also a global, from the constant globals dict. No match when it is missing.
    """

    target: int
    source: int
    key: object


@dataclass(frozen=True, slots=True)
class Attribute:
    """Attribute `name`, as `getattr` finds it; an error is no match."""

    target: int
    source: int
    name: str


@dataclass(frozen=True, slots=True)
class CellContent:
    """What a closure's cell holds; empty is no match."""

    target: int
    source: int


# ---- checks: look at register `source` ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExactType:
    """`type(x) is value`."""

    source: int
    value: type


@dataclass(frozen=True, slots=True)
class Length:
    """The number of items of a list or tuple (exact type, or a subclass of it)."""

    source: int
    value: int


@dataclass(frozen=True, slots=True)
class Keys:
    """A dict has exactly these keys, in this order (the order is that of iteration, hence of the pytree)."""

    source: int
    value: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class KeyMissing:
    """A dict (exact type) lacks `key`.

    A name that is found in the builtins must not appear in the globals.
    """

    source: int
    key: object


@dataclass(frozen=True, slots=True)
class Identity:
    """`x is value`: None, bools, enum members, types, functions, modules."""

    source: int
    value: object


@dataclass(frozen=True, slots=True)
class Equal:
    """Same exact type and `==`.

    Strings, dtypes, slices, tuples of constants. An error of `==` is no match.
    """

    source: int
    value: object


@dataclass(frozen=True, slots=True)
class Symbol:
    """A size or int kept in number `slot`.

    The first that is met binds it and must be at least `minimum`, later ones must be equal.
    """

    slot: int
    minimum: int = 0


@dataclass(frozen=True, slots=True)
class Array:
    """An exact `numpy.ndarray` with this dtype, rank and sizes; its data becomes pointer `pointer`.

    Any alignment is taken. `layout` "C" and "F" need that contiguity; "strided" takes any and writes the
    strides, in bytes, to the numbers from `strides`.
    """

    source: int
    dtype: np.dtype[Any]
    dims: tuple[int | Symbol, ...]
    pointer: int
    layout: Literal["C", "F", "strided"] = "C"
    strides: int | None = None
    is_written: bool = False


@dataclass(frozen=True, slots=True)
class Integer:
    """An exact Python `int` with this value, or any of 64 bits under a symbol."""

    source: int
    value: int | Symbol


@dataclass(frozen=True, slots=True)
class Cell:
    """An exact Python `float` or `complex`, or NumPy scalar type.

    The address of its value becomes pointer `pointer`.
    """

    source: int
    type: type
    pointer: int


@dataclass(frozen=True, slots=True)
class Alias:
    """Two checked arrays, one of them written: the same memory, sizes and strides, or no byte in common.

    Byte ranges are compared: from the lowest to the highest byte of each.
    """

    first: int
    second: int
    identical: bool = False


Step: TypeAlias = (
    Argument | Constant | Item | DictValue | Attribute | CellContent
    | ExactType | Length | Keys | KeyMissing | Identity | Equal | Array | Integer | Cell | Alias
)  # fmt: skip


# ---- results -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    """The value of number `slot` after `prepare`."""

    slot: int


@dataclass(frozen=True, slots=True)
class NewArray:
    """A new C-contiguous array, made before the program runs; its data is pointer `pointer`."""

    dtype: np.dtype[Any]
    dims: tuple[int | Number, ...]
    pointer: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A NumPy scalar, made from a 16-byte cell that is pointer `pointer`."""

    dtype: np.dtype[Any]
    pointer: int


@dataclass(frozen=True, slots=True)
class PythonNumber:
    """A Python number from a 16-byte cell: int64, double, one byte for bool, two doubles for complex."""

    kind: Literal["int", "float", "bool", "complex"]
    pointer: int


RawOutput: TypeAlias = NewArray | Scalar | PythonNumber


@dataclass(frozen=True, slots=True)
class Output:
    """Raw output `index` of the table."""

    index: int


@dataclass(frozen=True, slots=True)
class Register:
    """What register `index` holds: an argument that is returned, the same object."""

    index: int


@dataclass(frozen=True, slots=True)
class ConstantResult:
    """A constant object, None among them."""

    value: object


@dataclass(frozen=True, slots=True)
class Items:
    """A new list or tuple."""

    kind: Literal["list", "tuple"]
    items: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class Entries:
    """A new dict."""

    keys: tuple[object, ...]
    values: tuple["Tree", ...]


Tree: TypeAlias = Output | Register | ConstantResult | Items | Entries


# ---- the table ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Table:
    """Guards and results of one variant.

    `positional` is the least and the largest number of positional arguments. `registers`, `pointers` and
    `numbers` are counts; numbers that no step binds are zero until `prepare` and the program write them. The
    result is `tree`, or, for what a tree cannot say (views, counts that the program returns, dataclasses,
    replay of effects), what `finish(results, registers, numbers)` returns, given lists of the raw outputs, of
    the registers (None where none is set) and of the numbers after the program. `locks` are the pointers that
    are memory of variables, and whether the program writes them: their locks are held while it runs.
    """

    steps: tuple[Step, ...]
    outputs: tuple[RawOutput, ...]
    tree: Tree | None
    registers: int
    pointers: int
    numbers: int
    positional: tuple[int, int]
    finish: Callable[[list[object], list[object], list[int]], object] | None = None
    locks: tuple[tuple[int, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Binding:
    """A match.

    Registers (None where no step has set one), and for each pointer the object whose memory it is (None: an
    output).
    """

    registers: list[object]
    pointers: list[object]
    numbers: list[int]


class _Mismatch(Exception):
    """The call is not what the table describes."""


def match(table: Table, args: Sequence[object], kwargs: Mapping[str, object]) -> Binding | None:
    """What `table` binds for the call `f(*args, **kwargs)`, or None if it does not describe it.

    The meaning of tables.
    """
    if not table.positional[0] <= len(args) <= table.positional[1]:
        return None
    state = _Matcher(table, args, kwargs)
    try:
        for step in table.steps:
            getattr(state, type(step).__name__)(step)
    except _Mismatch:
        return None
    if state.taken != len(kwargs):
        return None
    return Binding(state.registers, state.pointers, state.numbers)


_INT64 = np.iinfo(np.int64)


class _Matcher:
    """One match under way; a method per step, named after it."""

    def __init__(self, table: Table, args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        self.args, self.kwargs, self.taken = args, kwargs, 0
        self.registers: list[Any] = [None] * table.registers
        self.pointers: list[object] = [None] * table.pointers
        self.numbers = [0] * table.numbers
        self.bound: set[int] = set()

    def need(self, condition: object) -> None:
        if not condition:
            raise _Mismatch

    # -- loads

    def Argument(self, step: Argument) -> None:  # noqa: N802 (named after the step, like all below)
        if step.index is not None and step.index < len(self.args):
            self.registers[step.target] = self.args[step.index]
        elif step.name is not None and step.name in self.kwargs:
            self.taken += 1
            self.registers[step.target] = self.kwargs[step.name]
        else:
            self.need(step.default is not None)
            self.registers[step.target] = self.registers[step.default or 0]

    def Constant(self, step: Constant) -> None:  # noqa: N802
        self.registers[step.target] = step.value

    def Item(self, step: Item) -> None:  # noqa: N802
        self.need(step.index < len(self.registers[step.source]))
        self.registers[step.target] = self.registers[step.source][step.index]

    def DictValue(self, step: DictValue) -> None:  # noqa: N802
        self.need(step.key in self.registers[step.source])
        self.registers[step.target] = self.registers[step.source][step.key]

    def Attribute(self, step: Attribute) -> None:  # noqa: N802
        try:
            self.registers[step.target] = getattr(self.registers[step.source], step.name)
        except Exception:
            raise _Mismatch from None

    def CellContent(self, step: CellContent) -> None:  # noqa: N802
        try:
            self.registers[step.target] = self.registers[step.source].cell_contents
        except ValueError:
            raise _Mismatch from None

    # -- checks

    def ExactType(self, step: ExactType) -> None:  # noqa: N802
        self.need(type(self.registers[step.source]) is step.value)

    def Length(self, step: Length) -> None:  # noqa: N802
        self.need(len(self.registers[step.source]) == step.value)

    def Keys(self, step: Keys) -> None:  # noqa: N802
        keys = tuple(self.registers[step.source])
        self.need(len(keys) == len(step.value) and all(map(_same, keys, step.value)))

    def KeyMissing(self, step: KeyMissing) -> None:  # noqa: N802
        self.need(step.key not in self.registers[step.source])

    def Identity(self, step: Identity) -> None:  # noqa: N802
        self.need(self.registers[step.source] is step.value)

    def Equal(self, step: Equal) -> None:  # noqa: N802
        self.need(_same(self.registers[step.source], step.value))

    def Array(self, step: Array) -> None:  # noqa: N802
        x = self.registers[step.source]
        self.need(type(x) is np.ndarray and x.dtype == step.dtype and x.ndim == len(step.dims))
        self.need(step.layout == "strided" or x.flags[step.layout + "_CONTIGUOUS"])
        self.need(x.flags.writeable or not step.is_written)
        for size, dim in zip(x.shape, step.dims, strict=True):
            self.bind(size, dim)
        if step.strides is not None:
            self.numbers[step.strides : step.strides + x.ndim] = x.strides
        self.pointers[step.pointer] = x

    def Integer(self, step: Integer) -> None:  # noqa: N802
        value = self.registers[step.source]
        self.need(type(value) is int and _INT64.min <= value <= _INT64.max)
        self.bind(value, step.value)

    def Cell(self, step: Cell) -> None:  # noqa: N802
        self.need(type(self.registers[step.source]) is step.type)
        self.pointers[step.pointer] = self.registers[step.source]

    def Alias(self, step: Alias) -> None:  # noqa: N802
        first, second = self.registers[step.first], self.registers[step.second]
        if step.identical:
            self.need(first.__array_interface__["data"][0] == second.__array_interface__["data"][0])
            self.need(first.shape == second.shape and first.strides == second.strides)
        else:
            self.need(not np.may_share_memory(first, second))

    def bind(self, value: int, expected: int | Symbol) -> None:
        if isinstance(expected, int):
            self.need(value == expected)
        elif expected.slot in self.bound:
            self.need(value == self.numbers[expected.slot])
        else:
            self.need(value >= expected.minimum)
            self.bound.add(expected.slot)
            self.numbers[expected.slot] = value


def _same(value: object, expected: object) -> bool:
    if value is expected:
        return True
    try:
        return type(value) is type(expected) and bool(operator.eq(value, expected))
    except Exception:
        return False


# ---- results in plain Python -------------------------------------------------------------------------------


def build(tree: Tree, outputs: Sequence[object], registers: Sequence[object]) -> object:
    """The result that `tree` describes. The meaning of trees."""
    match tree:
        case Output(index):
            return outputs[index]
        case Register(index):
            return registers[index]
        case ConstantResult(value):
            return value
        case Items(kind, items):
            made = [build(item, outputs, registers) for item in items]
            return made if kind == "list" else tuple(made)
        case Entries(keys, values):
            return {key: build(value, outputs, registers) for key, value in zip(keys, values, strict=True)}
