"""The state of LLVM IR text while it is written: `Module` for a program, `Writer` for one function.

Holds names, types, constants, blocks, sizes. Text is written by f-strings, op by op, with no tree in between:
about 3 us per op. Not here: what any operation is in LLVM (`spell.py`, `access.py`, `control.py`), or what a
program looks like (`emit.py`).
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

import numpy as np

from weft.ir import (
    BufferType,
    DType,
    Func,
    IndexType,
    InternalError,
    Op,
    Region,
    Type,
    UnsupportedError,
    Value,
    VectorType,
)
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, Symbol, as_symbol, fold_dim
from weft.ir.node import Attribute
from weft.ir.target import Target
from weft.ir.walk import values_of, walk

Speller = Callable[["Writer", Op], None]

# fmt: off
_REGISTERS = {"bool": "i1", "i8": "i8", "i16": "i16", "i32": "i32", "i64": "i64", "f16": "i16",
              "u8": "i8", "u16": "i16", "u32": "i32", "u64": "i64", "f32": "float", "f64": "double"}
_SUFFIXES = {**_REGISTERS, "f32": "f32", "f64": "f64"}
# fmt: on

_FIRST_SCOPE = 10
"""The first metadata number of scopes; those below are of branches and stores."""

_PURE = (
    *("add ", "sub ", "mul ", "sdiv ", "icmp ", "select ", "getelementptr "),
    *("insertelement ", "shufflevector "),
)

FAILING = ("fail_if", "to_index")
"""The ops that have a site."""


def scalar_text(dtype: DType) -> str:
    """The LLVM type of one lane in a register. Raises UnsupportedError for others."""
    text = _REGISTERS.get(dtype.name)
    if text is None:
        raise UnsupportedError(f"the CPU backend does not compute with {dtype} yet", code="E051")
    return text


def memory_text(dtype: DType) -> str:
    """The LLVM type of one element in memory: a bool is a byte."""
    return "i8" if dtype.name == "bool" else scalar_text(dtype)


def lanes_text(scalar: str, lanes: int) -> str:
    """`scalar` in a vector, or alone for one lane."""
    return scalar if lanes == 1 else f"<{lanes} x {scalar}>"


def type_text(ty: Type) -> str:
    """The LLVM type of a value."""
    if isinstance(ty, VectorType):
        return lanes_text(scalar_text(ty.dtype), ty.lanes)
    if isinstance(ty, BufferType):
        return "ptr"
    if isinstance(ty, IndexType):
        return "i64"
    raise InternalError(f"a value of type {ty} at the loop level")


def suffix(ty: VectorType) -> str:
    """How an intrinsic's name says the type: `f32`, `v8f32`."""
    scalar = _SUFFIXES[ty.dtype.name]
    return scalar if ty.lanes == 1 else f"v{ty.lanes}{scalar}"


def literal(number: Attribute, dtype: DType) -> str:
    """One number as LLVM text."""
    if not isinstance(number, int | float):
        raise InternalError(f"{number!r} is not a number of {dtype}")
    if dtype.name == "bool":
        return "true" if number else "false"
    if not dtype.is_float:
        value = int(number) & ((1 << dtype.bits) - 1)
        return str(value - (1 << dtype.bits) if value >> (dtype.bits - 1) else value)
    if dtype.name == "f16":
        with np.errstate(all="ignore"):
            return str(int(np.float16(number).view(np.int16)))
    with np.errstate(all="ignore"):
        rounded = float(np.float32(number)) if dtype.bits == 32 else float(number)
    return f"0x{struct.unpack('<Q', struct.pack('<d', rounded))[0]:016X}"


def splat_text(number: str, scalar: str, lanes: int) -> str:
    """A constant in all lanes."""
    return number if lanes == 1 else f"splat ({scalar} {number})"


def vector_text(numbers: Sequence[str], scalar: str) -> str:
    """A constant with a number for each lane."""
    return f"<{', '.join(f'{scalar} {n}' for n in numbers)}>"


@dataclass(slots=True)
class Outlined:
    """A function made of a region: its symbol, and whether it can make the program stop."""

    name: str
    may_halt: bool


@dataclass(slots=True)
class Module:
    """What the functions of a program share. `sites` number the ops that can fail.

    Code that is not `is_hosted` is never asked to stop; without `has_threads` it has no pool.
    """

    name: str
    target: Target
    spellers: Mapping[str, Speller]
    flags: str = ""
    functions: list[str] = field(default_factory=list[str])
    globals: dict[str, str] = field(default_factory=dict[str, str])
    declarations: set[str] = field(default_factory=set[str])
    outlined: dict[str, Outlined] = field(default_factory=dict[str, Outlined])
    taken: set[str] = field(default_factory=set[str])
    sites: dict[Op, int] = field(default_factory=dict[Op, int])
    symbols: dict[str, Value] = field(default_factory=dict[str, Value])
    helpers: set[str] = field(default_factory=set[str])
    is_hosted: bool = True
    has_threads: bool = True
    params: frozenset[Value] = frozenset()
    scopes: dict[Value | str, int] = field(default_factory=dict["Value | str", int])

    def scan(self, fn: Func) -> None:
        """Number the sites of `fn` and find the values of its symbols."""
        for op in walk(fn):
            if op.name in FAILING or "unbounded" in op.attributes:
                self.sites[op] = len(self.sites)
        for value in values_of(fn):
            symbol = as_symbol(value.type.dim) if isinstance(value.type, IndexType) else None
            if symbol is not None:
                self.symbols[symbol.name] = value
        self.symbols |= {p.name: p for p in fn.params if not isinstance(p.type, BufferType)}
        self.params = frozenset(fn.params)

    def symbol_name(self, hint: str) -> str:
        """A new function name from a hint that may hold anything."""
        clean = "".join(c if c.isalnum() or c in "_." else "_" for c in hint)
        name, number = f"{self.name}.{clean}", 1
        while name in self.taken:
            number += 1
            name = f"{self.name}.{clean}.{number}"
        self.taken.add(name)
        return name

    def function(self, result: str, hint: str, body: str, *, may_halt: bool = False) -> Outlined:
        """The function with these parameters and lines, written at the first request."""
        if body not in self.outlined:
            self.outlined[body] = Outlined(self.symbol_name(hint), may_halt)
            self.functions.append(f'define internal {result} @"{self.outlined[body].name}"{body}')
        return self.outlined[body]

    def scope(self, root: Value) -> str:
        """Metadata that says in whose memory an access of the program lies: each argument's, or the arena.

        No two of them overlap if one is written: the entry has compared the arguments (DESIGN D20).
        """
        is_arena = root.op is not None and root.op.name == "alloc" and "arena_offset" in root.op.attributes
        if not is_arena and root not in self.params:
            return ""
        number = self.scopes.setdefault("arena" if is_arena else root, len(self.scopes))
        return f", !alias.scope !{_FIRST_SCOPE + 3 * number + 1}, !noalias !{_FIRST_SCOPE + 3 * number + 2}"

    def scope_texts(self) -> list[str]:
        """What the metadata of all accesses stands for."""
        first = {number: _FIRST_SCOPE + 3 * number for number in self.scopes.values()}
        texts = [f"!{_FIRST_SCOPE - 1} = distinct !{{!{_FIRST_SCOPE - 1}}}"] if first else []
        for name in first.values():
            others = ", ".join(f"!{other}" for other in first.values() if other != name)
            texts.append(f"!{name} = distinct !{{!{name}, !{_FIRST_SCOPE - 1}}}")
            texts += [f"!{name + 1} = !{{!{name}}}", f"!{name + 2} = !{{{others}}}"]
        return texts

    def constant_table(self, content: str) -> str:
        """The address of constant memory; equal contents share it."""
        return self.globals.setdefault(content, f"@{self.name}.table{len(self.globals)}")


class Writer:
    """One function: its lines, the text of each value, the block that is being written.

    `participant` is the number of the thread in the pool, `key` what orders failures, `roots` the value
    whose memory a buffer lies in.
    """

    def __init__(
        self, module: Module, *, participant: str = "0", key: str = str(-(1 << 63)), is_program: bool = False
    ) -> None:
        self.module = module
        self.participant = participant
        self.key = key
        self.is_program = is_program
        self.in_parallel = participant != "0"
        self.lines: list[str] = []
        self.entry: list[str] = []
        self.names: dict[Value, str] = {}
        self.roots: dict[Value, Value] = {}
        self.label = "entry"
        self.can_halt = False
        self.is_streaming = False
        self.loop_depth = 0
        self.scratch: list[Op] | None = None  # of a kernel: its memory in the arena, given by the caller
        self._known: dict[str, str] = {}  # of this block
        self._count = 0

    # ---- lines

    def fresh(self) -> str:
        """A new name."""
        self._count += 1
        return f"%v{self._count}"

    def line(self, text: str) -> None:
        """Write an instruction without a result."""
        self.lines.append(f"  {text}")

    def let(self, text: str) -> str:
        """Write an instruction; gives the name of its result. A block has index arithmetic once."""
        known = self._known.get(text)
        if known is not None:
            return known
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"  {name} = {text}")
        if text.startswith(_PURE):
            self._known[text] = name
        return name

    def set(self, op: Op, text: str) -> None:
        """Write an instruction that makes the result of `op`."""
        self.names[op.results[0]] = self.let(text)

    def at_entry(self, text: str) -> str:
        """Write an instruction into the first block, as stack memory wants it."""
        name = self.fresh()
        self.entry.append(f"  {name} = {text}")
        return name

    # ---- blocks

    def new_label(self) -> str:
        """A name for a block."""
        self._count += 1
        return f"b{self._count}"

    def start(self, label: str) -> None:
        """Begin a block."""
        self.lines.append(f"{label}:")
        self.label = label
        self._known.clear()

    def jump(self, label: str) -> None:
        """End the block."""
        self.lines.append(f"  br label %{label}")

    def branch(self, condition: str, then: str, otherwise: str, *, weights: str = "") -> None:
        """End the block by a condition; `weights` may be `, !prof !0` for one that is hardly ever true."""
        self.lines.append(f"  br i1 {condition}, label %{then}, label %{otherwise}{weights}")

    def rarely(self, condition: str, then: str, otherwise: str) -> None:
        """End the block by a condition that is hardly ever true."""
        self.branch(condition, then, otherwise, weights=", !prof !0")

    def hole(self) -> int:
        """A place for lines that are known later."""
        self.lines.append("")
        return len(self.lines) - 1

    def fill(self, hole: int, lines: Sequence[str]) -> None:
        """Write the lines of a hole."""
        self.lines[hole] = "\n".join(f"  {line}" for line in lines)

    def halt(self) -> str:
        """The block that leaves this function since the program stops."""
        self.can_halt = True
        return "halt"

    # ---- values

    def use(self, value: Value) -> str:
        """The text of a value."""
        text = self.names.get(value)
        if text is None:
            raise InternalError(f"{value!r} is used before it is defined")
        return text

    def typed(self, value: Value) -> str:
        """The text of a value behind its type."""
        return f"{type_text(value.type)} {self.use(value)}"

    def root(self, value: Value) -> Value:
        """The value whose memory a buffer lies in."""
        return self.roots.get(value, value)

    def scope(self, buffer: Value) -> str:
        """Metadata of an access of the program itself; kernels are shared."""
        return self.module.scope(self.root(buffer)) if self.is_program else ""

    def region(self, region: Region) -> list[str]:
        """Write the ops of a region; gives the text of what its terminator passes on."""
        spellers = self.module.spellers
        for op in region.ops[:-1]:
            speller = spellers.get(op.name)
            if speller is None:
                raise UnsupportedError(f"the CPU backend does not spell {op.name}", code="E051")
            speller(self, op)
        return [self.use(v) for v in region.ops[-1].operands]

    # ---- sizes

    def dim(self, value: DimLike) -> str:
        """A size as an i64; `prepare` has checked that it fits."""
        return fold_dim(value, str, self.symbol, self._combine)

    def symbol(self, symbol: Symbol) -> str:
        """The text of a symbol."""
        value = self.module.symbols.get(symbol.name)
        if value is None:
            raise InternalError(f"the size {symbol.name} has no value")
        return self.use(value)

    def _combine(self, kind: str, a: str, b: str) -> str:
        match kind:
            case "add":
                return self.let(f"add i64 {a}, {b}")
            case "mul":
                return self.let(f"mul i64 {a}, {b}")
            case "min" | "max":
                return self.let(f"call i64 @llvm.s{kind}.i64(i64 {a}, i64 {b})")
            case _:
                return self.floor(kind, a, b)

    def floor(self, kind: str, a: str, b: str) -> str:
        """`floordiv` or `mod` by b > 0."""
        rest = self.let(f"srem i64 {a}, {b}")
        is_low = self.let(f"icmp slt i64 {rest}, 0")
        if kind == "mod":
            above = self.let(f"add i64 {rest}, {b}")
            return self.let(f"select i1 {is_low}, i64 {above}, i64 {rest}")
        quotient = self.let(f"sdiv i64 {a}, {b}")
        low = self.let(f"sext i1 {is_low} to i64")
        return self.let(f"add i64 {quotient}, {low}")
