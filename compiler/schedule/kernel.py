"""What a schedule starts from: a bufferized fusion, its memory, its sizes, the target; and loops over ranges.

Not here: how elements are written (`element.py`), nor the schedules themselves.
"""

import math
from collections.abc import Callable, Sequence

from weft.compiler.schedule.element import Writer
from weft.ir import BufferType, Builder, Expr, Op, Region, TensorType, Value, VectorType
from weft.ir.dataclass import dataclass
from weft.ir.dims import Dim, DimLike, bounds, decide, floor_divide, modulo
from weft.ir.expr import select
from weft.ir.ops.shape import linear_index
from weft.ir.target import Target
from weft.ir.types import INDEX, DType

MAX_TASKS = 64  # indices of one parallel loop: enough to balance, few enough to cost nothing
GRAIN_BYTES = 1 << 16  # a task should move about this much, or do as much arithmetic
SERIAL_BYTES = 1 << 20  # up to here one thread is done before another is awake
SERIAL_BYTES_IN_LOOPS = 1 << 17  # where the others are awake: they wait for the next iteration's work


@dataclass(frozen=True, slots=True)
class Root:
    """A result of the kernel: `value` at index i of `space` is written to `buffer` at start + step * i.

    `joined` says which axes of the space became so many axes of the buffer, in order; () is one for one.
    """

    value: Value
    buffer: Value
    space: tuple[DimLike, ...]
    start: tuple[DimLike, ...]
    step: tuple[DimLike, ...]
    joined: tuple[tuple[tuple[int, ...], int], ...] = ()

    def place(self, index: Sequence[DimLike]) -> list[DimLike]:
        """Where in the buffer the element at `index` goes."""
        if self.joined:
            places: list[DimLike] = []
            for axes, count in self.joined:
                linear = linear_index([index[k] for k in axes], [self.space[k] for k in axes])
                places += [0] * (count - 1) + [linear] * min(count, 1)  # the last axis goes on into the next
            return places
        return [a + i * s for a, i, s in zip(self.start, index, self.step, strict=True)]


@dataclass(frozen=True, slots=True)
class Input:
    """An operand of the fusion: the region's parameter, its memory, byte strides unless dense."""

    value: Value
    buffer: Value
    strides: tuple[DimLike, ...] | None


@dataclass(frozen=True, slots=True)
class Kernel:
    """One fusion to be lowered."""

    fusion: Op
    target: Target
    sizes: dict[str, Expr]
    inputs: tuple[Input, ...]
    roots: tuple[Root, ...]
    layouts: dict[Value, tuple[DimLike, ...]]
    in_loop: bool = False

    def writer(self, builder: Builder) -> Writer:
        """A writer that finds the inputs in their buffers."""
        writer = Writer(builder, {name: Expr(builder, e.value) for name, e in self.sizes.items()})
        for entry in self.inputs:
            bind_input(writer, entry)
        writer.layouts.update(self.layouts)
        return writer

    def probe(self) -> Writer:
        """A writer into nowhere, to learn what is read and asked."""
        return self.writer(Builder(Region()))

    @staticmethod
    def unknown(probe: Writer, name: str, size: DimLike) -> DimLike:
        """A symbol of a probe for an index below `size`: a number would answer what the probe asks."""
        return probe.bind(name, probe.builder.expr(Region([INDEX]).params[0]), 0, size)

    @property
    def ops(self) -> list[Op]:
        """The fused ops, in order, without the return."""
        return self.fusion.regions[0].ops[:-1]

    @property
    def widest(self) -> DType:
        """The widest element type that vectors compute or move: not what there is one of for each row."""
        types = (
            [r.value.type for r in self.roots]
            + [i.value.type for i in self.inputs]
            + [o.type for op in self.ops for o in op.results]
        )
        tensors = [t for t in types if isinstance(t, TensorType)]
        space = self.fusion.attributes.get("space")
        dtypes = [t.dtype for t in tensors if t.shape == space] or [t.dtype for t in tensors]
        floats = [d for d in dtypes if d.is_float]
        return max(floats or dtypes, key=lambda d: d.bits)

    def lanes(self, vectors: int = 2) -> int:
        """Lanes of `vectors` native vectors of the widest type."""
        widest = self.widest
        part_bytes = widest.size_bytes
        if widest.is_complex and any(op.name == "each" for op in self.ops):
            part_bytes //= 2  # a loop waits for its own results: two vectors of each part
        return max(1, vectors * self.target.vector_bytes // part_bytes)


def bind_input(writer: Writer, entry: Input) -> None:
    """Let the writer read an operand from its buffer."""
    writer.sources[entry.value] = lambda index: writer.load(entry.buffer, index, entry.strides)


def kernel_of(
    fusion: Op,
    target: Target,
    sizes: dict[str, Expr],
    strides: Callable[[Value], tuple[DimLike, ...] | None],
    *,
    in_loop: bool = False,
) -> Kernel:
    """Read the parts off a fusion of stage "buffers"; `strides` tells those of strided arguments."""
    count = fusion.attributes["outputs"]
    assert isinstance(count, int)
    region = fusion.regions[0]
    buffers = fusion.operands[len(fusion.operands) - count :]
    in_place = fusion.attributes.get("in_place", ())
    assert isinstance(in_place, tuple)
    roots: list[Root] = []
    for number, (value, buffer) in enumerate(zip(region.terminator.operands, buffers, strict=True)):
        roots.append(_root(value, buffer, partial=number in in_place))
    inputs = tuple(Input(p, b, strides(b)) for p, b in zip(region.params, fusion.operands, strict=False))
    layouts = {b: found for b in fusion.operands if (found := strides(b)) is not None}
    return Kernel(fusion, target, sizes, inputs, tuple(roots), layouts, in_loop)


def _root(value: Value, buffer: Value, *, partial: bool) -> Root:
    op = value.op
    if partial and op is not None and op.name == "update":
        part = op.operands[1]
        assert isinstance(part.type, TensorType)
        return Root(part, buffer, part.type.shape, op.attributes["start"], op.attributes["step"])  # pyright: ignore[reportArgumentType]
    ty = buffer.type
    assert isinstance(ty, BufferType)
    assert isinstance(value.type, TensorType)
    shape = value.type.shape
    return Root(value, buffer, shape, (0,) * len(shape), (1,) * len(shape))


# ---------------------------------------------------------------- loops

Body = Callable[[Dim], None]


def ceil_divide(a: DimLike, b: int) -> DimLike:
    """ceil(a / b)."""
    return floor_divide(a + (b - 1), b)


def parallel_chunks(
    writer: Writer,
    total: DimLike,
    unit: int,
    item_cost: float,
    body: Callable[[Expr, Expr, Expr], None],
    most: int = MAX_TASKS,
    serial_bytes: int = SERIAL_BYTES,
) -> None:
    """Run `body(start, stop, task)` over [0, total) in tasks of equal size, a multiple of `unit`.

    There are at `most` so many; `item_cost` is in bytes moved, up to `serial_bytes` of them are one task. The
    cut depends on the total alone, never on the number of threads.
    """
    grain = max(unit, int(GRAIN_BYTES / max(item_cost, 0.01)) // unit * unit)
    few = max(grain, int(serial_bytes / max(item_cost, 0.01)))
    if decide(total, "<=", few) is True:
        body(writer.builder.index(0), writer.number(total), writer.builder.index(0))
        return
    upper = writer.number(total)
    some = select(upper.lt(1), upper.like(1), upper)  # nothing to do is one task of nothing
    wanted = upper.like((some + (grain - 1)).apply("divide_raw", upper.like(grain)))
    tasks = select(wanted.lt(most), wanted, upper.like(most))
    tasks = select(upper.le(few), tasks.like(1), tasks)
    share = (some + (tasks * unit - 1)).apply("divide_raw", tasks * unit) * unit
    count = (some + (share - 1)).apply("divide_raw", share)

    def task(builder: Builder, number: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
        with writer.scope(builder, floor=True):
            start = number * writer.here(share)
            stop = start + writer.here(share)
            end = writer.here(upper)
            body(start, select(stop.lt(end), stop, end), number)
        return []

    writer.builder.loop(writer.builder.index(0), count, 1, [], task, kind="parallel")


def serial(
    writer: Writer,
    prefix: str,
    start: Expr,
    stop: Expr,
    limits: tuple[DimLike, DimLike],
    body: Body,
    step: int = 1,
) -> None:
    """`body(i)` for i = start, start + step, ... before stop; `limits` are what is known of i."""

    def write(builder: Builder, index: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
        with writer.scope(builder):
            body(writer.bind(writer.fresh(prefix), index, *limits))
        return []

    writer.builder.loop(writer.here(start), writer.here(stop), step, [], write)


def vectorized(
    writer: Writer,
    start: Expr,
    stop: Expr,
    limits: tuple[DimLike, DimLike],
    lanes: int,
    body: Body,
    extent: DimLike | None = None,
    multiple: int = 1,
) -> None:
    """`body(j)` over [start, stop) with j spread over lanes; what is left over runs once under a mask.

    `extent` is stop - start where an expression for it is known: it spares the part that never runs. `start`
    is some multiple of `multiple`.
    """
    if lanes == 1:
        serial(writer, "j", start, stop, limits, body)
        return
    start, stop = writer.here(start), writer.here(stop)
    span = stop - start
    whole = start + span.apply("divide_raw", span.like(lanes)) * lanes
    low, high = bounds(extent) if extent is not None else (0, None)
    if high is None or high >= lanes:

        def main(builder: Builder, index: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
            _spread(writer, builder, index, limits, lanes, body, multiple)
            return []

        writer.builder.loop(start, whole, lanes, [], main)
    if extent is not None and modulo(extent, lanes) == 0:
        return

    def tail(builder: Builder) -> Sequence[Expr]:
        with writer.scope(builder):
            _tail(writer, builder, whole, stop, limits, lanes, body, multiple)
        return []

    if low is not None and low == high and isinstance(extent, int):
        with writer.scope():
            _tail(writer, writer.builder, whole, stop, limits, lanes, body, multiple)
        return
    writer.builder.branch(whole.lt(stop), tail, lambda builder: [])


def _tail(
    writer: Writer,
    builder: Builder,
    whole: Expr,
    stop: Expr,
    limits: tuple[DimLike, DimLike],
    lanes: int,
    body: Body,
    multiple: int,
) -> None:
    rest = writer.splat(writer.here(stop) - writer.here(whole), lanes)
    mask = builder.expr(builder.emit("lane_index", (), {"lanes": lanes}).result).lt(rest)
    with writer.scope(builder, mask=mask):
        _spread(writer, builder, writer.here(whole), limits, lanes, body, multiple)


def _spread(
    writer: Writer,
    builder: Builder,
    index: Expr,
    limits: tuple[DimLike, DimLike],
    lanes: int,
    body: Body,
    multiple: int,
) -> None:
    with writer.scope(builder):
        name = writer.fresh("j")
        variable = writer.bind(name, index, *limits, math.gcd(multiple, lanes))
        with writer.over_lanes(name, lanes):
            body(variable)


def cost_of(ops: Sequence[Op], bytes_moved: float) -> float:
    """Cost of one element in bytes moved: memory traffic, and arithmetic at four operations a byte."""
    from weft.ir import record

    return bytes_moved + sum(record(op).flops for op in ops) / 4


def is_lanes(e: Expr) -> bool:
    """Whether an expression has more than one lane."""
    return isinstance(e.type, VectorType) and e.type.lanes > 1
