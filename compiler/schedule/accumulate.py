"""The fixed order of reductions (DESIGN D19), written with the accumulators of `Combine` records.

Along the last axis: 64 interleaved lanes within blocks of 4096, lanes joined by halves, blocks pairwise.
Across rows: blocks of 64 in order, blocks pairwise. The order depends on the extent and the dtype alone,
not on vector width, threads or version.
Not here: which loops run in parallel (`rows.py`, `columns.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from weft.compiler.schedule.element import Writer
from weft.compiler.schedule.kernel import serial
from weft.ir import BufferType, Builder, Expr, Op, Region, TensorType, Value, VectorType, record
from weft.ir.dataclass import dataclass
from weft.ir.dims import Dim, DimLike, decide
from weft.ir.expr import Number, cast, select
from weft.ir.opdef import Combine
from weft.ir.types import I8, I16, I32, I64, DType
from weft.ir.walk import walk

LANES = 64
BLOCK = 4096
ROWS = 64
MANY_OPS = (
    20  # of one step for some lanes; beyond, they are written once in a loop, not for each group of lanes
)
MANY_COPIES = 8  # of a row shorter than one step of all lanes, as many as that many operations allow

Accumulators = list[Expr]


@dataclass(frozen=True, slots=True)
class Reduction:
    """One reduction op of a kernel."""

    op: Op
    combine: Combine
    initial: tuple[tuple[DType, Number], ...]

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
    return [
        [writer.builder.constant(number, VectorType(d, lanes)) for d, number in r.initial] for r in reductions
    ]


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


@dataclass(frozen=True, slots=True)
class _Span:
    """Up to 4096 elements from `low` on: how they are shared among lanes.

    `width` lanes are one group, `parts` groups are all lanes, `together` of them are swept at once. `extent`
    is the length where an expression is known.
    """

    writer: Writer
    reductions: Sequence[Reduction]
    low: Expr
    length: Expr
    extent: DimLike | None
    limits: tuple[DimLike, DimLike]
    index: Callable[[Dim], Sequence[DimLike]]
    width: int
    parts: int
    together: int

    @property
    def lanes(self) -> int:
        """Elements of one step."""
        return self.width * self.parts

    @property
    def shape(self) -> list[list[DType]]:
        """Types of the accumulators while sweeping."""
        return [[self.swept(r, k) for k in range(len(r.initial))] for r in self.reductions]

    def swept(self, r: Reduction, number: int) -> DType:
        """A position is the number of a step meanwhile, in an integer as wide as the elements."""
        dtype = r.initial[number][0]
        return self.counter(r) if needs_position(r) and number == 1 else dtype

    def counter(self, r: Reduction) -> DType:
        """Integers that count steps next to elements of a reduction."""
        least = 1 if BLOCK // self.lanes < 1 << 7 else 2
        return INTEGERS[max(r.initial[0][0].part.size_bytes, least)]

    def start(self) -> list[Accumulators]:
        """Accumulators that hold nothing."""
        builder = self.writer.builder
        numbers = [[number for _, number in r.initial] for r in self.reductions]
        return [
            [builder.constant(n, VectorType(d, self.width)) for d, n in zip(dtypes, group, strict=True)]
            for dtypes, group in zip(self.shape, numbers, strict=True)
        ]

    def take(
        self, held: Sequence[Accumulators], j: Expr, step: Expr, mask: Expr | None, builder: Builder
    ) -> list[Accumulators]:
        """`width` elements from j on, in the step with this number."""
        return take(
            self.writer,
            self.reductions,
            held,
            j,
            step + 1,
            self.limits,
            self.index,
            self.width,
            mask,
            builder,
            self.counter,
        )


def _ops_of_step(span: _Span) -> int:
    """How many operations one group of lanes takes for one step, written aside."""
    region = Region()
    builder = span.writer.builder.inside(region)
    with span.writer.scope(builder, floor=True):
        zero = span.writer.builder.index(0)
        span.take(span.start(), span.writer.here(span.low), zero, None, builder)
    return sum(3 * span.width if _is_scattered(op) else 1 for op in walk(region))


def _is_scattered(op: Op) -> bool:
    """Whether it reads lanes one by one."""
    return op.name == "gather_lanes" or (
        op.name == "load" and op.attributes.get("stride", 1) not in (0, 1, -1)
    )


INTEGERS = {1: I8, 2: I16, 4: I32, 8: I64}


def reduce_span(
    writer: Writer,
    reductions: Sequence[Reduction],
    low: Expr,
    length: Expr,
    extent: DimLike | None,
    limits: tuple[DimLike, DimLike],
    index: Callable[[Dim], Sequence[DimLike]],
    width: int,
    registers: int,
    *,
    is_costly: bool = False,
) -> list[Accumulators]:
    """Scalar accumulators of at most 4096 elements from `low` on; `extent` is the length where it is known.

    `index(j)` is the operand's index at place j of the axis; `width` lanes, two registers, are computed
    at once. Costly elements are written once and once more under a mask, as a loop over the groups of
    lanes; so are those whose accumulators need more than `registers`. The same lanes take the same elements
    in the same order.
    """  # fmt: skip
    exact = all(needs_position(r) for r in reductions)
    parts = min(2, LANES // width) if exact else LANES // width
    sizes = [d.size_bytes for r in reductions for d, _ in r.initial[: 1 if exact else None]] * (
        2 if exact else 1
    )
    needed = max(1, 2 * sum(sizes) // max(sizes))
    together = 1 if is_costly else max(1, min(parts, 1 << (registers // needed).bit_length() >> 1))
    span = _Span(writer, reductions, low, length, extent, limits, index, width, parts, together)
    is_short = isinstance(extent, int) and extent < span.lanes
    copies = -(-extent // width) if is_short and isinstance(extent, int) else MANY_COPIES
    if (together > 1 or is_short) and copies > 1 and _ops_of_step(span) * copies > MANY_OPS * MANY_COPIES:
        span, is_short = replace(span, together=1), False
    groups = (
        _sweep_short(span) if is_short else _sweep(span) if span.together == parts else _sweep_groups(span)
    )
    groups = [
        [_in_lane(span, r, a, p) for r, a in zip(reductions, group, strict=True)]
        for p, group in enumerate(groups)
    ]
    joined = _join_lanes(span, groups)
    for r, a in zip(reductions, joined, strict=True):
        if needs_position(r):
            a[1] = cast(a[1], I64) + writer.here(low)
    return joined


def _in_lane(span: _Span, r: Reduction, held: Accumulators, part: int) -> Accumulators:
    """Positions in the span, from numbers of steps."""
    if not needs_position(r):
        return held
    dtype = INTEGERS[max(2, span.counter(r).size_bytes)]
    builder = span.writer.builder
    if span.width == 1:
        return [held[0], cast(held[1], dtype) * span.lanes + part]
    lane = cast(builder.expr(builder.emit("lane_index", (), {"lanes": span.width}).result), dtype)
    return [held[0], cast(held[1], dtype) * span.lanes + (lane + part * span.width)]


def _sweep_short(span: _Span) -> list[list[Accumulators]]:
    """Less than one step, of a known number of elements."""
    assert isinstance(span.extent, int)
    live = max(1, -(-span.extent // span.width))
    return _remainder(
        span,
        [span.start() for _ in range(live)],
        span.writer.builder.index(0),
        span.writer.builder.index(0),
        span.extent,
    )


def _sweep(span: _Span, first: Expr | None = None) -> list[list[Accumulators]]:
    """The elements of `together` groups, the first of which is group number `first`."""
    writer, width, lanes = span.writer, span.width, span.lanes
    initial = [span.start() for _ in range(span.together)]
    low = writer.here(span.low) if first is None else writer.here(span.low) + first * width
    steps = writer.here(span.length).apply("divide_raw", span.length.like(lanes))

    def body(builder: Builder, step: Expr, values: Sequence[Expr]) -> Sequence[Expr]:
        with writer.scope(builder):
            held = [grouped(part, span.shape) for part in grouped(values, [flat(g) for g in initial])]
            j = writer.here(low) + step * lanes
            return flat(
                [
                    a
                    for p, group in enumerate(held)
                    for a in span.take(group, j + p * width, step, None, builder)
                ]
            )

    held = flat([a for g in initial for a in g])
    is_short = isinstance(span.extent, int) and span.extent < lanes
    results = held if is_short else writer.builder.loop(writer.builder.index(0), steps, 1, held, body)
    groups = [grouped(part, span.shape) for part in grouped(results, [flat(g) for g in initial])]
    if isinstance(span.extent, int) and span.extent % lanes == 0:
        return groups
    known = span.extent % lanes if isinstance(span.extent, int) and first is None else None
    return _remainder(span, groups, steps, writer.builder.index(0) if first is None else first, known)


def _sweep_groups(span: _Span) -> list[list[Accumulators]]:
    """All elements, as a loop over groups of lanes whose accumulators wait in memory."""
    writer = span.writer
    types = [[BufferType(d, (span.lanes,), False, "scratch") for d in dtypes] for dtypes in span.shape]
    buffers = [[writer.builder.emit("alloc", (), {"type": ty}).result for ty in group] for group in types]

    def body(builder: Builder, first: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
        with writer.scope(builder, floor=True):
            for p, group in enumerate(_sweep(span, first)):
                place = (writer.here(first) + p) * span.width
                for e, buffer in zip(flat(group), [b for row in buffers for b in row], strict=True):
                    writer.builder.emit("store", [writer.here(e).value, buffer, place.value])
        return []

    writer.builder.loop(writer.builder.index(0), writer.builder.index(span.parts), span.together, [], body)

    def load(buffer: Value, p: int) -> Expr:
        builder = writer.builder
        return builder.expr(
            builder.emit("load", [buffer, builder.index(p * span.width).value], {"lanes": span.width}).result
        )

    return [[[load(b, p) for b in group] for group in buffers] for p in range(span.parts)]


def _below(writer: Writer, free: Expr, width: int) -> Expr:
    """The mask of the first `free` lanes."""
    lane = writer.builder.expr(writer.builder.emit("lane_index", (), {"lanes": width}).result)
    return lane.lt(writer.splat(free, width))


def take(
    writer: Writer,
    reductions: Sequence[Reduction],
    accumulators: Sequence[Accumulators],
    j: Expr,
    count: Expr,
    limits: tuple[DimLike, DimLike],
    index: Callable[[Dim], Sequence[DimLike]],
    width: int,
    mask: Expr | None,
    builder: Builder,
    counter: Callable[[Reduction], DType] | None = None,
) -> list[Accumulators]:
    """Every reduction takes `width` elements from j on; `count` is how many each lane then holds.

    With `counter`, positions are numbers of steps in that type, else places along the axis.
    """  # fmt: skip
    with writer.scope(builder, mask=mask):
        name = writer.fresh("j")
        variable = writer.bind(name, j, *limits)
        with writer.over_lanes(name, width):
            place = index(variable)
            taken: list[Accumulators] = []
            for r, held in zip(reductions, accumulators, strict=True):
                x = writer.splat(writer.element(r.operand, place), width)
                number = writer.here(count) if counter is None else cast(writer.here(count), counter(r))
                number = writer.splat(number, width)
                position = (
                    number
                    if not needs_position(r)
                    else number - 1
                    if counter
                    else writer.lanes_of_index(variable)
                )
                held = [writer.here(h) for h in held]
                new = r.combine.step(held, x, position, number)
                if mask is not None:
                    new = [select(writer.here(mask), n, h) for n, h in zip(new, held, strict=True)]
                taken.append(list(new))
            return taken


def needs_position(r: Reduction) -> bool:
    """Whether its second accumulator is a position."""
    return r.op.name in ("argmax", "argmin")


def _remainder(
    span: _Span, groups: Sequence[Sequence[Accumulators]], steps: Expr, first: Expr, known: int | None
) -> list[list[Accumulators]]:
    """The last elements, fewer than a step, under masks, where a group has any; `known` is their number."""
    writer, width = span.writer, span.width
    done = steps * span.lanes
    result: list[list[Accumulators]] = []
    for p, group in enumerate(groups):
        if known is not None and known <= p * width:
            result.append(list(group))
            continue
        skipped = done + (first + p) * width
        if known is not None and known >= (p + 1) * width:
            result.append(span.take(group, writer.here(span.low) + skipped, steps, None, writer.builder))
            continue
        free = writer.here(span.length) - skipped

        def masked(
            builder: Builder,
            group: Sequence[Accumulators] = group,
            free: Expr = free,
            skipped: Expr = skipped,
        ) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                mask = _below(writer, writer.here(free), width) if width > 1 else None
                return flat(
                    span.take(group, writer.here(span.low) + skipped, writer.here(steps), mask, builder)
                )

        if known is not None:
            values: Sequence[Expr] = masked(writer.builder)
        else:
            values = writer.builder.branch(
                free.gt(0), masked, lambda builder, group=group: [Expr(builder, e.value) for e in flat(group)]
            )
        result.append(grouped([writer.here(v) for v in values], span.shape))
    return result


def _join_lanes(span: _Span, groups: list[list[Accumulators]]) -> list[Accumulators]:
    """All lanes to one, joining lane j with lane j + half for half = 32, 16, ..., 1."""
    writer, reductions, width, parts, lanes = span.writer, span.reductions, span.width, span.parts, span.lanes
    length = cast(writer.here(span.length), I32)
    lane = writer.builder.constant(0, VectorType(I32))
    if width > 1:
        lane = cast(writer.builder.expr(writer.builder.emit("lane_index", (), {"lanes": width}).result), I32)
    counts = [  # never below 0: a lane's number is less than `lanes`, a power of two
        (writer.splat(length, width) - (lane + p * width) + (lanes - 1)).apply(
            "shift_right_raw", lane.like(lanes.bit_length() - 1)
        )
        for p in range(len(groups))
    ]
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
    reductions: Sequence[Reduction],
    a: Sequence[Accumulators],
    b: Sequence[Accumulators],
    count_a: Expr,
    count_b: Expr,
) -> list[Accumulators]:
    """Every reduction joins its accumulators of two spans that hold so many elements, a's before b's."""
    return [list(r.combine.merge(x, y, count_a, count_b)) for r, x, y in zip(reductions, a, b, strict=True)]


# ---------------------------------------------------------------- blocks


class Partials:
    """Accumulators of blocks, kept in memory until they are joined. `shape` of each is (blocks, width...)."""

    def __init__(
        self, builder: Builder, reductions: Sequence[Reduction], shape: tuple[DimLike, ...], space: str
    ) -> None:
        self.reductions = reductions
        self.buffers = [
            [
                builder.emit("alloc", (), {"type": BufferType(d, shape, False, space)}).result
                for d, _ in r.initial
            ]
            for r in reductions
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
    writer: Writer,
    partials: Partials,
    blocks: Expr,
    size: int,
    total: Expr,
    index: Callable[[DimLike], Sequence[DimLike]],
    limit: DimLike,
) -> list[Accumulators]:
    """Join blocks pairwise in place: (0,1), (2,3), ..., an odd last one moves up; the accumulators of all.

    Each block holds `size` elements, the last what is left of `total`. `index(block)` is its place.
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
                lanes = max(
                    (e.type.lanes for group in a for e in group if isinstance(e.type, VectorType)), default=1
                )
                merged = merge(
                    partials.reductions,
                    a,
                    b,
                    writer.splat(middle - begin, lanes),
                    writer.splat(end - middle, lanes),
                )
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


def _while_above_one(
    writer: Writer, initial: Sequence[Expr], body: Callable[[Builder, Sequence[Expr]], Sequence[Expr]]
) -> None:
    from weft.ir import Region

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
