"""The fixed order of reductions (DESIGN D19), written with the accumulators of `Combine` records.

Along the last axis: 64 interleaved lanes within blocks of 4096, lanes joined by halves, blocks pairwise. Across rows: blocks of
64 in order, blocks pairwise. The order depends on the extent and the dtype alone, not on vector width, threads or version.
Not here: which loops run in parallel (`rows.py`, `columns.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from weft.compiler.schedule.element import Writer
from weft.compiler.schedule.kernel import serial
from weft.ir import Builder, BufferType, Expr, Op, TensorType, Value, VectorType, record
from weft.ir.dims import Dim, DimLike, decide
from weft.ir.expr import select
from weft.ir.opdef import Combine
from weft.ir.types import DType

LANES = 64
BLOCK = 4096
ROWS = 64

Accumulators = list[Expr]


@dataclass(frozen=True, slots=True)
class Reduction:
    """One reduction op of a kernel."""

    op: Op
    combine: Combine
    initial: tuple[tuple[DType, int | float | bool], ...]

    @property
    def operand(self) -> Value:
        """What is reduced."""
        return self.op.operands[0]


def reduction_of(op: Op) -> Reduction:
    """The reduction that an op is."""
    form = record(op).form
    assert isinstance(form, Combine)
    ty = op.operands[0].type
    assert isinstance(ty, TensorType)
    return Reduction(op, form, tuple(form.initial(ty.dtype)))


def start(writer: Writer, reductions: Sequence[Reduction], lanes: int) -> list[Accumulators]:
    """Accumulators that hold nothing."""
    return [[writer.builder.constant(number, VectorType(d, lanes)) for d, number in r.initial] for r in reductions]


def flat(groups: Sequence[Sequence[Expr]]) -> list[Expr]:
    """All accumulators in one list, as loops carry them."""
    return [e for group in groups for e in group]


def grouped(values: Sequence[Expr], like: Sequence[Sequence[object]]) -> list[Accumulators]:
    """Inverse of `flat`."""
    result: list[Accumulators] = []
    at = 0
    for group in like:
        result.append(list(values[at : at + len(group)]))
        at += len(group)
    return result


def reduce_span(
    writer: Writer, reductions: Sequence[Reduction], low: Expr, length: Expr, extent: DimLike | None, limits: tuple[DimLike, DimLike],
    index: Callable[[Dim], Sequence[DimLike]], width: int, *, is_costly: bool = False,
) -> list[Accumulators]:
    """Scalar accumulators of at most 4096 elements from `low` on; `extent` is the length where an expression is known.

    `index(j)` is the operand's index at place j of the axis; `width` lanes are computed at once. Costly elements are written once,
    under a mask that is full but in the last step; cheap ones a second time for the last step.
    """  # fmt: skip
    parts = LANES // width
    shape = [r.initial for r in reductions]
    most = extent if isinstance(extent, int) else BLOCK
    live = max(1, min(parts, -(-most // width)))
    groups = [start(writer, reductions, width) for _ in range(live)]
    whole = length.apply("divide_raw", length.like(LANES))
    has_rest = not (isinstance(extent, int) and extent % LANES == 0)
    is_single = has_rest and is_costly and width > 1 and not (isinstance(extent, int) and extent < LANES)
    end = low + length if is_single else low + whole * LANES
    if most >= LANES:
        carried = flat([a for g in groups for a in g])

        def body(builder: Builder, j: Expr, values: Sequence[Expr]) -> Sequence[Expr]:
            with writer.scope(builder):
                count = (j - writer.here(low)).apply("divide_raw", j.like(LANES)) + 1
                accumulators = [grouped(part, shape) for part in grouped(values, [[0] * sum(map(len, shape))] * live)]
                taken: list[Accumulators] = []
                for p in range(live):
                    mask = _below(writer, writer.here(end) - j - p * width, width) if is_single else None
                    taken += take(writer, reductions, accumulators[p], j + p * width, count, limits, index, width, mask, builder)
                return flat(taken)

        results = writer.builder.loop(low, end, LANES, carried, body)
        groups = [grouped(part, shape) for part in grouped(results, [[0] * sum(map(len, shape))] * live)]
    if has_rest and not is_single:
        span = whole * LANES
        groups = _remainder(writer, reductions, groups, low + span, length - span, whole + 1, limits, index, width, extent)
    return _join_lanes(writer, reductions, groups, length, width)


def _below(writer: Writer, free: Expr, width: int) -> Expr:
    """The mask of the first `free` lanes."""
    lane = writer.builder.expr(writer.builder.emit("lane_index", (), {"lanes": width}).result)
    return lane.lt(writer.splat(free, width))


def take(
    writer: Writer, reductions: Sequence[Reduction], accumulators: Sequence[Accumulators], j: Expr, count: Expr,
    limits: tuple[DimLike, DimLike], index: Callable[[Dim], Sequence[DimLike]], width: int, mask: Expr | None, builder: Builder,
) -> list[Accumulators]:
    """Every reduction takes `width` elements."""  # fmt: skip
    with writer.scope(builder, mask=mask):
        name = writer.fresh("j")
        variable = writer.bind(name, j, *limits)
        with writer.over_lanes(name, width):
            place = index(variable)
            taken: list[Accumulators] = []
            for r, held in zip(reductions, accumulators, strict=True):
                x = writer.splat(writer.element(r.operand, place), width)
                position = writer.lanes_of_index(variable) if _needs_position(r) else writer.splat(writer.number(variable), width)
                held = [writer.here(h) for h in held]
                new = r.combine.step(held, x, position, writer.splat(writer.here(count), width))
                if mask is not None:
                    new = [select(writer.here(mask), n, h) for n, h in zip(new, held, strict=True)]
                taken.append(list(new))
            return taken


def _needs_position(r: Reduction) -> bool:
    return r.op.name in ("argmax", "argmin")


def _remainder(
    writer: Writer, reductions: Sequence[Reduction], groups: Sequence[Sequence[Accumulators]], low: Expr, rest: Expr, count: Expr,
    limits: tuple[DimLike, DimLike], index: Callable[[Dim], Sequence[DimLike]], width: int, extent: DimLike | None,
) -> list[list[Accumulators]]:
    """The last elements, fewer than 64, under masks; vectors that hold none are skipped."""  # fmt: skip
    shape = [r.initial for r in reductions]
    left = extent % LANES if isinstance(extent, int) else None
    result: list[list[Accumulators]] = []
    for p, group in enumerate(groups):
        if left is not None and left <= p * width:
            result.append(list(group))
            continue
        if left is not None and left >= (p + 1) * width:
            result.append(take(writer, reductions, group, low + p * width, count, limits, index, width, None, writer.builder))
            continue
        free = rest - p * width

        def masked(builder: Builder, p: int = p, group: Sequence[Accumulators] = group, free: Expr = free) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                mask = _below(writer, writer.here(free), width) if width > 1 else None
                step = take(writer, reductions, group, writer.here(low) + p * width, count, limits, index, width,
                             mask, builder)  # fmt: skip
                return flat(step)

        if left is not None:
            values: Sequence[Expr] = masked(writer.builder)
        else:
            values = writer.builder.branch(free.gt(0), masked, lambda builder, group=group: [Expr(builder, e.value) for e in flat(group)])
        result.append(grouped([writer.here(v) for v in values], shape))
    return result


def _join_lanes(
    writer: Writer, reductions: Sequence[Reduction], groups: list[list[Accumulators]], length: Expr, width: int
) -> list[Accumulators]:
    """64 lanes to one, joining lane j with lane j + half for half = 32, 16, ..., 1."""
    parts = LANES // width
    lane = writer.builder.expr(writer.builder.emit("lane_index", (), {"lanes": width}).result) if width > 1 else writer.builder.index(0)
    counts = [(writer.splat(length, width) - (lane + p * width) + (LANES - 1)).apply("divide_raw", lane.like(LANES)) for p in range(len(groups))]
    counts = [select(c.lt(0), c.like(0), c) for c in counts]
    while parts > 1:
        half = parts // 2
        for p in range(half):
            if p + half < len(groups):
                groups[p] = merge(reductions, groups[p], groups[p + half], counts[p], counts[p + half])
                counts[p] = counts[p] + counts[p + half]
        groups, counts, parts = groups[:half], counts[:half], half
    accumulators, count = groups[0], counts[0]
    while width > 1:
        width //= 2
        low, high = tuple(range(width)), tuple(range(width, 2 * width))
        left = [[_shuffle(e, low) for e in a] for a in accumulators]
        right = [[_shuffle(e, high) for e in a] for a in accumulators]
        count_left, count_right = _shuffle(count, low), _shuffle(count, high)
        accumulators = merge(reductions, left, right, count_left, count_right)
        count = count_left + count_right
    return accumulators


def _shuffle(e: Expr, order: tuple[int, ...]) -> Expr:
    return Expr(e.builder, e.builder.emit("shuffle", [e.value], {"order": order}).result)


def merge(
    reductions: Sequence[Reduction], a: Sequence[Accumulators], b: Sequence[Accumulators], count_a: Expr, count_b: Expr
) -> list[Accumulators]:
    """Every reduction joins its accumulators of two spans that hold so many elements, a's before b's."""
    return [list(r.combine.merge(x, y, count_a, count_b)) for r, x, y in zip(reductions, a, b, strict=True)]


# ---------------------------------------------------------------- blocks


class Partials:
    """Accumulators of blocks, kept in memory until they are joined. `shape` of each is (blocks, width...)."""

    def __init__(self, builder: Builder, reductions: Sequence[Reduction], shape: tuple[DimLike, ...], space: str) -> None:
        self.reductions = reductions
        self.buffers = [
            [builder.emit("alloc", (), {"type": BufferType(d, shape, False, space)}).result for d, _ in r.initial] for r in reductions
        ]

    def store(self, writer: Writer, accumulators: Sequence[Accumulators], index: Sequence[DimLike]) -> None:
        """Keep a block's accumulators."""
        for buffers, group in zip(self.buffers, accumulators, strict=True):
            for buffer, e in zip(buffers, group, strict=True):
                writer.store(e, buffer, index)

    def load(self, writer: Writer, index: Sequence[DimLike]) -> list[Accumulators]:
        """A block's accumulators."""
        return [[writer.load(buffer, index) for buffer in buffers] for buffers in self.buffers]


def join_blocks(
    writer: Writer, partials: Partials, blocks: Expr, size: int, total: Expr, index: Callable[[DimLike], Sequence[DimLike]], limit: DimLike
) -> list[Accumulators]:
    """Join blocks pairwise in place: (0,1), (2,3), ..., an odd last one moves up; the accumulators of all.

    Each block holds `size` elements, the last what is left of `total`. `index(block)` is its place in the partials.
    """
    def level(builder: Builder, carried: Sequence[Expr]) -> Sequence[Expr]:
        count, reach = carried
        with writer.scope(builder, floor=True):
            half = count.apply("divide_raw", count.like(2))

            def pair(i: Dim) -> None:
                number = writer.number(i)
                a = partials.load(writer, index(2 * i))
                b = partials.load(writer, index(2 * i + 1))
                span = writer.here(reach)
                begin = number * 2 * span
                middle, end = begin + span, begin + span * 2
                full = writer.here(total)
                end = select(end.lt(full), end, full)
                lanes = max((e.type.lanes for group in a for e in group if isinstance(e.type, VectorType)), default=1)
                merged = merge(partials.reductions, a, b, writer.splat(middle - begin, lanes), writer.splat(end - middle, lanes))
                partials.store(writer, merged, index(i))

            serial(writer, "pair", builder.index(0), half, (0, limit), pair)
            odd = (count - half * 2).eq(1)

            def move(inner: Builder) -> Sequence[Expr]:
                with writer.scope(inner, floor=True):
                    last = writer.bind(writer.fresh("last"), writer.here(count) - 1, 0, limit)
                    to = writer.bind(writer.fresh("to"), writer.here(half), 0, limit)
                    partials.store(writer, partials.load(writer, index(last)), index(to))
                return []

            writer.builder.branch(odd, move, lambda inner: [])
            return [half + (count - half * 2), writer.here(reach) * 2]

    _while_above_one(writer, [writer.here(blocks), writer.builder.index(size)], level)
    return partials.load(writer, index(0))


def _while_above_one(writer: Writer, initial: Sequence[Expr], body: Callable[[Builder, Sequence[Expr]], Sequence[Expr]]) -> None:
    from weft.ir import Region  # noqa: PLC0415

    types = [e.value.type for e in initial]
    condition, inside = Region(types), Region(types)
    test = writer.builder.inside(condition)
    test.emit("yield", [test.expr(condition.params[0]).gt(1).value])
    inner = writer.builder.inside(inside)
    results = body(inner, [inner.expr(p) for p in inside.params])
    inner.emit("yield", [e.value for e in results])
    writer.builder.emit("while", [e.value for e in initial], {}, [condition, inside])


def fits_one_block(extent: DimLike, size: int) -> bool:
    """Whether the extent is known to be at most one block."""
    return decide(extent, "<=", size) is True
