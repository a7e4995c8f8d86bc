"""The pass `wavefront`: two loops in which each element waits for its neighbours run in parallel tiles.

    for i: for j: a[i, j] = f(a[i - 1, j], a[i, j - 1])

Element (i, j) waits for those above and to its left, and so does a tile of them: all tiles on one
anti-diagonal may run at once.

    for diagonal:                                   serial
        for band of the diagonal's tiles:           parallel
            for i of the tile: for j of the tile    as before

Where an element also waits for one above and to its right (`a[i - 1, j + 1]`), columns are counted from a
border that moves to the left with each row: j + skew * i. Tiles depend on the work alone, never on the number
of threads, and each element is computed from the same numbers as before. What is largest or smallest of all
elements (`reduction.py`) is found for each band of rows, then of the bands. Loop level to loop level, after
scalars became registers and before recurrences do. Not here: loops whose iterations are independent
(`spread.py`, `vectorize.py`), distances (`compiler/distance.py`).
"""

from collections.abc import Mapping, Sequence

from weft.compiler.affine import (
    Access,
    Facts,
    Range,
    accesses,
    constant,
    facts_of,
    has_own_memory,
    is_independent,
    loops_of,
    plus,
    unknowns,
    written,
)
from weft.compiler.distance import Pair, distances
from weft.compiler.passes.reduction import Reduction, reductions_of
from weft.compiler.work import MOST_WORK, clamp, work_of
from weft.ir import BufferType, Builder, Expr, Func, Op, Region, Value
from weft.ir.dataclass import dataclass
from weft.ir.expr import maximum, minimum, number_of, select
from weft.ir.rewrite import Cloner
from weft.ir.walk import Use, uses, values_of, walk

TILE = 1 << 14
"""Operations of a tile at least: some 10 microseconds."""
BANDS = (4, 8, 16, 32)
"""Tiles along either side: the most for which a tile has enough to do; fewer than the first do not pay."""
NARROWEST = 32
"""Columns of a tile at least: each of its rows has a start and an end."""


def wavefront(fn: Func) -> Func:
    """The program with its recurrences over two indices in parallel tiles."""
    if not any(_only_loop(op) for op in loops_of(fn.body)):
        return fn
    facts, users = facts_of(fn), uses(fn)
    nests: dict[Op, _Nest] = {}
    for op in loops_of(fn.body):
        nest = _nest(facts, op, users)
        if nest is not None:
            nests[op] = nest
    return _Wavefront(nests).cloner.function(fn) if nests else fn


@dataclass(frozen=True, slots=True)
class _Nest:
    """Two loops that can run in tiles, and by how many columns a row's border moves to the left."""

    outer: Op
    inner: Op
    pair: Pair
    skew: int
    reductions: Sequence[Reduction]


def _nest(facts: Facts, outer: Op, users: Mapping[Value, Sequence[Use]]) -> _Nest | None:
    """A loop of one other, if each iteration of the two waits for earlier rows and columns alone."""
    inner = _only_loop(outer)
    if inner is None or not _is_plain(facts, outer) or not _is_plain(facts, inner):
        return None
    pair, reductions = _pair(facts, outer, inner), reductions_of(outer, inner, users)
    if pair is None or reductions is None:
        return None
    found: list[Access] = []
    for access in accesses(facts, outer.regions[0]):
        if access is None or not has_own_memory(access.buffer, facts):
            return None
        found.append(access)
    stored = {a.buffer for a in found if a.is_store}
    beside = set(outer.regions[0].ops)
    if any(a.op in beside and (a.is_store or a.buffer in stored) for a in found):
        return None
    apart = distances(facts, pair, found)
    if apart is None or is_independent(facts, outer):
        return None
    if not reductions and not any(down == 0 < along for down, along in apart):
        return None  # the iterations of the inner loop are independent: they are lanes
    skew = max((-(along // down) for down, along in apart if down > 0 > along), default=0)
    return _Nest(outer, inner, pair, skew, reductions)


def _only_loop(outer: Op) -> Op | None:
    """The one loop in a loop, everything else in whose body is arithmetic or a load."""
    loops = [op for op in outer.regions[0].ops if op.regions]
    if len(loops) != 1 or loops[0].name != "for" or any(op.name == "kernel" for op in walk(outer.regions[0])):
        return None
    return loops[0]


def _is_plain(facts: Facts, op: Op) -> bool:
    """Whether a loop is serial and goes up or down by one."""
    step = facts.poly(op.operands[2])
    return (
        op.attributes.get("kind", "serial") == "serial"
        and op.regions[0].params[0] in facts.ranges
        and step in ({(): 1}, {(): -1})
    )


def _pair(facts: Facts, outer: Op, inner: Op) -> Pair | None:
    """The two loops, the range of the inner one over all iterations of the outer."""
    index = outer.regions[0].params[0]
    inside = frozenset(values_of(outer.regions[0])) - {index}
    limits = facts.ranges[inner.regions[0].params[0]]
    low = facts.extreme(limits.low, [index], highest=False)
    high = facts.extreme(limits.high, [index], highest=True)
    if low is None or high is None or (unknowns(low) | unknowns(high)) & (inside | {index}):
        return None
    return Pair(
        index,
        inner.regions[0].params[0],
        facts.ranges[index],
        Range(low, high),
        facts.poly(outer.operands[2])[()],
        facts.poly(inner.operands[2])[()],
        inside,
    )


@dataclass(frozen=True, slots=True)
class _Tiles:
    """A nest in tiles: its first row and column, its rows, and rows and columns of a tile, tiles each way."""

    first_row: Value
    first_column: Value
    rows: Value
    height: Value
    width: Value
    bands: Value
    strips: Value


class _Wavefront:
    """Writes the program with the chosen loops in tiles."""

    def __init__(self, nests: dict[Op, _Nest]) -> None:
        self.nests = nests
        self.cloner = Cloner(rule=self.visit)

    def visit(self, builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        """What stands for a nest."""
        if op.name == "kernel":
            return Cloner(self.cloner.values).copy(builder.region, op, operands).results
        if op not in self.nests:
            return None
        tiles = self._tiles(builder, self.nests[op])
        if number_of(builder.expr(tiles.bands)) == 1:
            return None
        return self._diagonals(builder, self.nests[op], tiles, operands[3:])

    def _tiles(self, builder: Builder, nest: _Nest) -> _Tiles:
        """How large tiles are: as many along each side as have enough to do."""
        pair = nest.pair
        lower, upper = (builder.expr(self.cloner.value(v)) for v in nest.outer.operands[:2])
        rows = (upper - lower) * pair.outer_step
        limits = pair.inner_range
        first = written(builder, limits.low if pair.inner_step > 0 else limits.high, self.cloner.value)
        columns = written(builder, plus(pair.extent(limits), constant(1)), self.cloner.value)
        body = nest.inner.regions[0]
        fixed, _ = work_of(builder, body.ops, set(values_of(body)), self.cloner.value)
        elements = clamp(clamp(rows, MOST_WORK) * clamp(columns, MOST_WORK), MOST_WORK)
        sides = builder.index(1)
        for count in BANDS:
            sides = select((elements * fixed).lt(count * count * TILE), sides, sides.like(count))
        some = maximum(rows, 1)
        height = _divided_up(some, sides)
        columns = maximum(columns, 1) + (some - 1) * nest.skew
        width = maximum(_divided_up(columns, sides), NARROWEST)
        bands, strips = _divided_up(some, height), _divided_up(columns, width)
        found = (lower, first, rows, height, width, bands, strips)
        return _Tiles(*[e.value for e in found])

    def _diagonals(
        self, builder: Builder, nest: _Nest, tiles: _Tiles, initial: Sequence[Value]
    ) -> Sequence[Value]:
        """The loop over diagonals, and in it one over bands, of which each diagonal has one tile at most."""
        types = [BufferType(r.dtype, (BANDS[-1],)) for r in nest.reductions]
        partial = [builder.emit("alloc", (), {"type": ty}).result for ty in types]  # of each band

        def diagonal(inside: Builder, number: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
            first = maximum(number - inside.expr(tiles.strips) + 1, 0)
            stop = minimum(number + 1, inside.expr(tiles.bands))

            def tile(innermost: Builder, count: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
                band = innermost.expr(first.value) + count
                self._tile(innermost, nest, tiles, partial, (band, innermost.expr(number.value) - band))
                return []

            inside.loop(inside.index(0), stop - first, 1, [], tile, kind="parallel")
            return []

        def begin(inside: Builder, band: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
            for value, memory in zip(initial, partial, strict=True):
                inside.emit("store", [value, memory, band.value])
            return []

        def end(inside: Builder, band: Expr, carried: Sequence[Expr]) -> Sequence[Expr]:
            found = [inside.emit("load", [memory, band.value]).result for memory in partial]
            each = zip(nest.reductions, carried, found, strict=True)
            return [inside.expr(r.of(inside, one.value, other)) for r, one, other in each]

        zero, bands = builder.index(0), builder.expr(tiles.bands)
        if initial:
            builder.loop(zero, bands, 1, [], begin)
        builder.loop(zero, bands + builder.expr(tiles.strips) - 1, 1, [], diagonal)
        if not initial:
            return ()
        return [e.value for e in builder.loop(zero, bands, 1, [builder.expr(v) for v in initial], end)]

    def _tile(
        self,
        builder: Builder,
        nest: _Nest,
        tiles: _Tiles,
        partial: Sequence[Value],
        place: tuple[Expr, Expr],
    ) -> None:
        """The two loops over the elements of the tile of a band and a strip."""
        band, strip = place
        step = nest.pair.outer_step
        first, height = builder.expr(tiles.first_row), builder.expr(tiles.height)
        start = band * height
        stop = minimum(start + height, builder.expr(tiles.rows))
        border = strip * builder.expr(tiles.width)
        old = nest.outer.regions[0]
        new = Region([p.type for p in old.params], [p.name for p in old.params])

        def visit(body: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
            if op is not nest.inner:
                return None
            row = (body.expr(new.params[0]) - body.expr(first.value)) * step
            limits = _columns(body, nest, tiles, operands, body.expr(border.value) - row * nest.skew)
            region = cloner.region(op.regions[0])
            return body.emit("for", [*limits, *operands[2:]], op.attributes, [region]).results

        cloner = Cloner({**self.cloner.values, **dict(zip(old.params, new.params, strict=True))}, rule=visit)
        cloner.ops(old, Builder(new))
        bounds = [(first + edge * step).value for edge in (start, stop)]
        before = [builder.emit("load", [memory, band.value]).result for memory in partial]
        limits = [*bounds, builder.index(step).value]
        done = builder.emit("for", [*limits, *before], nest.outer.attributes, [new])
        for value, memory in zip(done.results, partial, strict=True):
            builder.emit("store", [value, memory, band.value])


def _columns(
    builder: Builder, nest: _Nest, tiles: _Tiles, operands: Sequence[Value], border: Expr
) -> tuple[Value, Value]:
    """The columns of a row that lie in a tile, whose first has this number in the row."""
    step = nest.pair.inner_step
    start = builder.expr(tiles.first_column) + border * step
    stop = start + builder.expr(tiles.width) * step
    lower, upper = (builder.expr(v) for v in operands[:2])
    if step > 0:
        return maximum(lower, start).value, minimum(upper, stop).value
    return minimum(lower, start).value, maximum(upper, stop).value


def _divided_up(a: Expr, b: Expr) -> Expr:
    """The least whole number that is not below a / b, both positive."""
    return (a + (b - 1)).apply("divide_raw", b)
