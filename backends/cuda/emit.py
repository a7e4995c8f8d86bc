"""Loop-level Funcs as CUDA C: each loop of kind "grid" at the top of a kernel is one `__global__` function.

    source = emit_program(fn)

A function takes the program's buffers and numbers that it uses, and the arena last if it uses memory of it.
Sizes that were computed before it are computed again in it. Not here: how ops are written (`spell.py`),
cubins (`nvrtc.py`), launches.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from weft.backends.cuda.spell import SPELLERS
from weft.backends.cuda.writer import INTEGER, Writer, memory_text, type_text
from weft.ir import BufferType, Func, InternalError, Op, Region, UnsupportedError, Value, remove_dead
from weft.ir.dims import Dim, DimLike, symbols_of
from weft.ir.walk import free_values, walk

SPELLED: frozenset[str] = frozenset({*SPELLERS, "kernel", "yield", "return"})
"""The loop-level operations that this backend spells."""
ARENA = -1
"""The argument of a launch that is the address of the arena."""
_HOST = frozenset({
    "constant", "alloc", "dim", "add", "subtract", "multiply", "divide_raw", "select", "minimum", "maximum",
    "less", "less_equal", "greater", "greater_equal", "equal", "not_equal",
})  # fmt: skip
"""What may stand around a grid: sizes, which it computes again, and memory of the arena."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to run one function: `blocks` (may be 0: then it is not launched) of `threads`.

    `arguments` are numbers of the program's parameters, or ARENA; buffers are passed as addresses, numbers as
    64-bit integers.
    """

    name: str
    kernel: str
    blocks: DimLike
    threads: int
    shared_bytes: int
    arguments: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A program: its text, which includes `prelude.cuh`, and its launches in order."""

    text: str
    launches: tuple[Launch, ...]


def emit_program(fn: Func) -> Source:
    """CUDA C of a program of stage "loops" without host control flow; the launches run it.

    Raises UnsupportedError for an op or dtype that the backend does not have.
    """
    fn = remove_dead(fn)
    writer = _Program(fn)
    for op in fn.body.ops[:-1]:
        if op.name == "kernel":
            writer.kernel(op)
        elif op.name not in _HOST:
            raise UnsupportedError(
                f"the CUDA backend does not spell {op.name} between kernels yet", code="E051"
            )
    tables = [f"static __device__ const {content.format(name)}" for content, name in writer.tables.items()]
    parts = ['#include "prelude.cuh"', *tables, *writer.functions]
    return Source("\n\n".join(parts) + "\n", tuple(writer.launches))


class _Program:
    """The functions of one program."""

    def __init__(self, fn: Func) -> None:
        self.params = fn.params
        self.symbols = {p.name: p for p in fn.params if not isinstance(p.type, BufferType)}
        self.tables: dict[str, str] = {}
        self.functions: list[str] = []
        self.launches: list[Launch] = []
        self.taken: set[str] = set()

    def kernel(self, op: Op) -> None:
        """One function for each grid."""
        for inner in op.regions[0].ops[:-1]:
            if inner.name == "for" and inner.attributes.get("kind") == "grid":
                self.grid(str(op.attributes.get("name", "kernel")), op, inner)
            elif inner.name not in _HOST:
                raise UnsupportedError(
                    f"the CUDA backend does not spell {inner.name} around a grid yet", code="E051"
                )

    def grid(self, kernel: str, owner: Op, loop: Op) -> None:
        """One function."""
        (region,) = loop.regions
        blocks = loop.attributes.get("extent")
        if not isinstance(blocks, int | Dim) or len(loop.operands) > 3:
            raise InternalError("a grid tells its extent and carries nothing")
        writer = Writer(SPELLERS, self.symbols, self.tables)
        before, used = self._before(region)
        params = {p: self._param_name(p) for p in self.params if p in used}
        writer.names.update(params)
        for op in before:
            writer.op(op)
        writer.names[region.params[0]] = writer.let(INTEGER, "blockIdx.x")
        writer.region(region)
        name = self._name(kernel)
        arguments = [self.params.index(p) for p in params]
        texts = [_param_text(p, text) for p, text in params.items()]
        if writer.uses_arena:
            arguments.append(ARENA)
            texts.append("unsigned char *arena")
        threads = max(writer.thread_count, 1)
        lines = [f"// {place}" for place in dict.fromkeys(map(str, owner.locations))]
        # at least 1 block to a multiprocessor: without the 1, ptxas spills to fit more of them
        head = f'extern "C" __global__ void __launch_bounds__({threads}, 1) {name}({", ".join(texts)}) {{'
        lines += [head, *writer.lines, "}"]
        self.functions.append("\n".join(lines))
        self.launches.append(Launch(name, kernel, blocks, threads, writer.shared_bytes, tuple(arguments)))

    def _before(self, region: Region) -> tuple[list[Op], set[Value]]:
        """What a grid needs of the ops before it, in order, and all values that these and the grid use."""
        ops: dict[Op, None] = {}
        used: set[Value] = set()

        def need(value: Value) -> None:
            if value in used:
                return
            used.add(value)
            if value.op is not None:
                for operand in [*value.op.operands, *self._sizes_of(value.op)]:
                    need(operand)
                ops[value.op] = None

        for op in walk(region):
            for value in self._sizes_of(op):
                need(value)
        for value in free_values(region):
            need(value)
        return list(ops), used

    def _sizes_of(self, op: Op) -> Iterator[Value]:
        """Parameters that the sizes in an op's attributes name."""
        for name in ("arena_offset", "dim"):
            size = op.attributes.get(name)
            if isinstance(size, Dim):
                yield from (self.symbols[s.name] for s in symbols_of(size) if s.name in self.symbols)

    def _param_name(self, param: Value) -> str:
        clean = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in param.name)
        return f"{clean or 'p'}_{self.params.index(param)}"

    def _name(self, hint: str) -> str:
        clean = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in hint)
        name, number = f"weft_{clean}", 1
        while name in self.taken:
            number += 1
            name = f"weft_{clean}_{number}"
        self.taken.add(name)
        return name


def _param_text(param: Value, name: str) -> str:
    if isinstance(param.type, BufferType):
        return f"{memory_text(param.type.dtype)} *{name}"
    return f"{type_text(param.type)} {name}"
