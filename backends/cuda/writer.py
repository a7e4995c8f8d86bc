"""The state of CUDA C text while it is written: `Writer` for one kernel, spelling of types and numbers.

Not here: what any operation is in CUDA C (`spell.py`), or what a kernel looks like (`emit.py`).
"""

import math
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from weft.ir import (
    BufferType,
    DType,
    IndexType,
    InternalError,
    Location,
    Op,
    Region,
    Type,
    UnsupportedError,
    Value,
    VectorType,
)
from weft.ir.dims import DimLike, Symbol, fold_dim

Speller = Callable[["Writer", Op], None]

# fmt: off
_TYPES = {
    "bool": "bool", "i8": "signed char", "i16": "short", "i32": "int", "i64": "long long",
    "u8": "unsigned char", "u16": "unsigned short", "u32": "unsigned int", "u64": "unsigned long long",
    "f32": "float", "f64": "double",
}
_SUFFIXES = {"i32": "", "i64": "ll", "u32": "u", "u64": "ull"}
# fmt: on
INTEGER = "long long"
_ZEROS = re.compile(r"\.?0+(?=p)")


def scalar_text(dtype: DType) -> str:
    """The C type of a value in a register. Raises UnsupportedError for what is not computed with yet."""
    text = _TYPES.get(dtype.name)
    if text is None:
        raise UnsupportedError(f"the CUDA backend does not compute with {dtype} yet", code="E051")
    return text


def memory_text(dtype: DType) -> str:
    """The C type of an element in memory: a bool is a byte."""
    return "unsigned char" if dtype.name == "bool" else scalar_text(dtype)


def type_text(ty: Type) -> str:
    """The C type of a value. Raises UnsupportedError for a vector: threads are the lanes."""
    if isinstance(ty, VectorType):
        if ty.lanes != 1:
            raise UnsupportedError(f"the CUDA backend has no vectors, got {ty}", code="E051")
        return scalar_text(ty.dtype)
    if isinstance(ty, BufferType):
        return f"{memory_text(ty.dtype)} *"
    if isinstance(ty, IndexType):
        return INTEGER
    raise InternalError(f"a value of type {ty} at the loop level")


def literal(number: object, dtype: DType) -> str:
    """One number as C text, exact to the bit."""
    if dtype.name == "bool":
        return "true" if number else "false"
    if dtype.is_float:
        with np.errstate(all="ignore"):
            rounded = float(np.float32(number)) if dtype.bits == 32 else float(number)  # pyright: ignore[reportArgumentType] -- the verifier saw a number
        return _float_text(rounded, dtype.bits)
    value = int(number) & ((1 << dtype.bits) - 1)  # pyright: ignore[reportArgumentType] -- the verifier saw a number
    if dtype.kind == "i" and value >> (dtype.bits - 1):
        value -= 1 << dtype.bits
    if value == -(1 << 63):
        return "(-9223372036854775807ll - 1)"  # C has no literal for it
    text = f"{value}{_SUFFIXES.get(dtype.name, '')}"
    return text if dtype.name in _SUFFIXES else f"({scalar_text(dtype)}){text}"


def _float_text(number: float, bits: int) -> str:
    if math.isfinite(number):
        return _ZEROS.sub("", number.hex()) + ("f" if bits == 32 else "")
    sign = math.copysign(1, number) < 0
    if bits == 32:
        return (
            f"as_float({'0x7fc00000u' if math.isnan(number) else '0xff800000u' if sign else '0x7f800000u'})"
        )
    top = "0x7ff8" if math.isnan(number) else "0xfff0" if sign else "0x7ff0"
    return f"as_double({top}000000000000ull)"


@dataclass(slots=True)
class Writer:
    """One kernel: its lines, the text of each value, the constant tables that it reads.

    `symbols` are the values that sizes are made of. `thread_count` is the number of threads of a block, once
    a loop over them was seen.
    """

    spellers: Mapping[str, Speller]
    symbols: Mapping[str, Value]
    tables: dict[str, str]
    lines: list[str] = field(default_factory=list[str])
    names: dict[Value, str] = field(default_factory=dict[Value, str])
    thread_count: int = 0
    shared_bytes: int = 0
    in_threads: bool = False
    uses_arena: bool = False
    _depth: int = 1
    _count: int = 0
    _location: Location | None = None

    def fresh(self) -> str:
        """A new name."""
        self._count += 1
        return f"v{self._count}"

    def line(self, text: str) -> None:
        """Write a line."""
        self.lines.append("    " * self._depth + text)

    def let(self, ty: str, text: str) -> str:
        """Write a value of this type; gives its name."""
        name = self.fresh()
        self.line(f"{ty}{name} = {text};" if ty.endswith("*") else f"const {ty} {name} = {text};")
        return name

    def set(self, op: Op, text: str) -> None:
        """Write the result of `op`."""
        value = op.results[0]
        self.names[value] = self.let(type_text(value.type), text)

    @contextmanager
    def block(self, head: str) -> Generator[None]:
        """Lines in braces."""
        self.line(f"{head} {{")
        self._depth += 1
        yield
        self._depth -= 1
        self.line("}")

    def use(self, value: Value) -> str:
        """The text of a value."""
        text = self.names.get(value)
        if text is None:
            raise InternalError(f"{value!r} is used before it is defined")
        return text

    def region(self, region: Region) -> list[str]:
        """Write the ops of a region; gives the text of what its terminator passes on."""
        for op in region.ops[:-1]:
            self.op(op)
        return [self.use(v) for v in region.ops[-1].operands]

    def op(self, op: Op) -> None:
        """Write one op, under the user's line if that is another than before."""
        speller = self.spellers.get(op.name)
        if speller is None:
            raise UnsupportedError(f"the CUDA backend does not spell {op.name}", code="E051")
        if op.locations and op.locations[0] != self._location and not op.regions:
            self._location = op.locations[0]
            self.line(f"// {self._location}".replace("\\", "/"))
        speller(self, op)

    def table(self, ty: str, numbers: list[str]) -> str:
        """The name of constant memory; equal contents share it."""
        content = f"{ty} {{}}[{len(numbers)}] = {{{{{', '.join(numbers)}}}}};"
        return self.tables.setdefault(content, f"table{len(self.tables)}")

    # ---- sizes

    def dim(self, value: DimLike) -> str:
        """A size."""
        return fold_dim(value, lambda n: f"{n}ll", self._symbol, _combine)

    def _symbol(self, symbol: Symbol) -> str:
        value = self.symbols.get(symbol.name)
        if value is None:
            raise InternalError(f"the size {symbol.name} has no value")
        return self.use(value)


_WORDS = {"floordiv": "floor_divide", "mod": "floor_modulo", "min": "smaller", "max": "larger"}


def _combine(kind: str, a: str, b: str) -> str:
    if kind in ("add", "mul"):
        return f"({a} {'+' if kind == 'add' else '*'} {b})"
    return f"{_WORDS[kind]}({a}, {b})"
