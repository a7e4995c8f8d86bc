"""GPU schedule of kernels that reduce the last axis and use the results along it, in the order of DESIGN D19.

A group of 32 threads is the 64 lanes of a block of 4096 elements: thread t holds lanes t and t + 32, so that
joining lanes by halves is one step in the thread and five exchanges. A row of one such block has a group; of
a longer one the groups of a thread block take the blocks in turn and join them pairwise in memory. Not here:
which reductions there are (`rows.py`).
"""

from collections.abc import Callable, Sequence

from weft.compiler.schedule.accumulate import (
    BLOCK,
    LANES,
    Accumulators,
    Partials,
    Reduction,
    fits_one_block,
    flat,
    grouped,
    merge,
)
from weft.compiler.schedule.gpu import (
    GROUP,
    SHARED_BYTES,
    THREADS,
    barrier,
    bind,
    exchange_down,
    exchange_from,
    grid,
    guarded,
    threads,
)
from weft.compiler.schedule.kernel import Kernel, Root, ceil_divide, serial
from weft.compiler.schedule.row_values import is_swept_by, kept_values, levels_of
from weft.ir import BufferType, Builder, Expr, Region, TensorType, Value, VectorType
from weft.ir.dims import Dim, DimLike, floor_divide, modulo, product
from weft.ir.expr import select
from weft.ir.ops.shape import split_index

MOST_ROWS = 4  # of one thread block, if rows are short
MOST_PARTIALS = 256  # joined in shared memory; more than these in the arena

Place = Callable[[Dim], Sequence[DimLike]]


def lower_gpu_rows(kernel: Kernel, builder: Builder) -> None:
    """Write the grid."""
    space = kernel.fusion.attributes["space"]
    assert isinstance(space, tuple)
    rows = _Rows(kernel, builder, space)  # pyright: ignore[reportArgumentType] -- sizes
    if any(d == 0 for d in rows.outer):
        return
    if fits_one_block(rows.length, BLOCK):
        rows.write_short()
    else:
        rows.write_long()


class _Rows:
    """One kernel."""

    def __init__(self, kernel: Kernel, builder: Builder, space: tuple[DimLike, ...]) -> None:
        self.kernel = kernel
        self.space = space
        self.outer, self.length = space[:-1], space[-1]
        self.total = product(self.outer)
        self.writer = kernel.writer(builder)
        self.levels = levels_of(kernel.ops)
        self.kept = kept_values(kernel, self.levels, space)

    # ---------------------------------------------------------------- a group for each row

    def write_short(self) -> None:
        """Rows of at most 4096 elements; no thread waits for another group."""
        writer = self.writer
        fitting = SHARED_BYTES // self._kept_bytes() if self._kept_bytes() else MOST_ROWS
        count = max(1, min(MOST_ROWS, fitting))
        keeps = fitting > 0

        def block(number: Dim) -> None:
            scratch = self._shared((count,)) if keeps else {}

            def thread(t: Dim) -> None:
                group, lane = (
                    bind(writer, "group", floor_divide(t, GROUP), count),
                    bind(writer, "lane", modulo(t, GROUP), GROUP),
                )
                row = bind(writer, "row", number * count + group, self.total)
                guarded(writer, row, self.total, count, lambda: self._short_row(row, group, lane, scratch))

            threads(writer, count * GROUP, thread)

        grid(writer, ceil_divide(self.total, count), block)

    def _short_row(self, row: Dim, group: Dim, lane: Dim, scratch: dict[Value, Value]) -> None:
        writer, outer = self.writer, self._outer_index(row)
        saved = dict(writer.sources)
        for level in self.levels:
            place = self._place(level, outer, scratch, [group])
            size = writer.number(self.length)
            held = self._join_lanes(
                level, self._sweep(level, writer.builder.index(0), size, self.length, lane, place), size, lane
            )
            self._finish(level, [[exchange_from(e, 0) for e in a] for a in held], outer)
            self._read_kept(level, scratch, [group])
        self._store(outer, lane, GROUP)
        writer.sources = saved

    # ---------------------------------------------------------------- a block of threads for each row

    def write_long(self) -> None:
        """Rows of more than 4096 elements, or of a length that the run knows."""
        writer = self.writer
        count = ceil_divide(self.length, BLOCK)
        is_small = isinstance(count, int) and count <= MOST_PARTIALS
        arena = (
            None
            if is_small
            else [Partials(writer.builder, level, (self.total, count), "global") for level in self.levels]
        )
        taken = self._partial_bytes() * count if isinstance(count, int) and is_small else 0
        keeps = 0 < self._kept_bytes() <= SHARED_BYTES - taken

        def block(row: Dim) -> None:
            partials = arena or [Partials(writer.builder, level, (count,), "shared") for level in self.levels]
            scratch = self._shared(()) if keeps else {}
            line = [row] if arena else []
            threads(writer, THREADS, lambda t: self._long_row(row, t, partials, line, scratch))

        grid(writer, self.total, block)

    def _long_row(
        self,
        row: Dim,
        t: Dim,
        partials: Sequence[Partials],
        line: Sequence[DimLike],
        scratch: dict[Value, Value],
    ) -> None:
        writer, outer = self.writer, self._outer_index(row)
        group, lane = (
            bind(writer, "group", floor_divide(t, GROUP), THREADS // GROUP),
            bind(writer, "lane", modulo(t, GROUP), GROUP),
        )
        count = ceil_divide(self.length, BLOCK)
        saved = dict(writer.sources)
        for level, memory in zip(self.levels, partials, strict=True):
            place = self._place(level, outer, scratch, [])

            def part(
                number: Dim,
                level: Sequence[Reduction] = level,
                memory: Partials = memory,
                place: Place = place,
            ) -> None:
                self._part(level, memory, line, number, lane, place)

            first, last = writer.number(group), writer.number(count)
            serial(writer, "part", first, last, (0, count), part, THREADS // GROUP)
            barrier(writer)
            self._join_parts(level, memory, line, count, t)
            self._finish(level, memory.load(writer, [*line, 0]), outer)
            self._read_kept(level, scratch, [])
        self._store(outer, t, THREADS)
        writer.sources = saved

    def _part(
        self,
        level: Sequence[Reduction],
        memory: Partials,
        line: Sequence[DimLike],
        part: Dim,
        lane: Dim,
        place: Place,
    ) -> None:
        """One block of 4096 elements, by one group."""
        writer = self.writer
        low = writer.number(part * BLOCK)
        rest = writer.number(self.length) - low
        size = select(rest.lt(BLOCK), rest, rest.like(BLOCK))
        extent = BLOCK if isinstance(self.length, int) and self.length % BLOCK == 0 else None
        held = self._join_lanes(level, self._sweep(level, low, size, extent, lane, place), size, lane)

        def first(builder: Builder) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                memory.store(writer, held, [*line, part])
            return []

        writer.builder.branch(writer.number(lane).eq(0), first, lambda builder: [])

    def _join_parts(
        self, level: Sequence[Reduction], memory: Partials, line: Sequence[DimLike], count: DimLike, t: Dim
    ) -> None:
        """Join parts pairwise: at distance d = 1, 2, 4, ... part 2 k d takes part 2 k d + d."""
        writer = self.writer

        def step(builder: Builder, distance: Expr, left: Expr) -> list[Expr]:
            with writer.scope(builder, floor=True):
                pairs = left.apply("divide_raw", left.like(2))
                serial(
                    writer,
                    "pair",
                    writer.number(t),
                    pairs,
                    (0, count),
                    lambda k: self._join_pair(level, memory, line, count, k, distance),
                    THREADS,
                )
                barrier(writer)
                return [distance * 2, left - pairs]

        _halving(writer.builder, writer.number(count), step)

    def _join_pair(
        self,
        level: Sequence[Reduction],
        memory: Partials,
        line: Sequence[DimLike],
        count: DimLike,
        k: Dim,
        distance: Expr,
    ) -> None:
        writer = self.writer
        span = writer.here(distance)
        left = writer.bind(writer.fresh("left"), writer.number(k) * 2 * span, 0, count)
        right = writer.bind(writer.fresh("right"), writer.number(left) + span, 0, count)
        begin, middle = writer.number(left) * BLOCK, writer.number(right) * BLOCK
        end, total = (writer.number(right) + span) * BLOCK, writer.number(self.length)
        end = select(end.lt(total), end, total)
        joined = merge(
            level,
            memory.load(writer, [*line, left]),
            memory.load(writer, [*line, right]),
            middle - begin,
            end - middle,
        )
        memory.store(writer, joined, [*line, left])

    # ---------------------------------------------------------------- 64 lanes in 32 threads

    def _sweep(
        self,
        level: Sequence[Reduction],
        low: Expr,
        size: Expr,
        extent: DimLike | None,
        lane: Dim,
        place: Place,
    ) -> list[list[Accumulators]]:
        """Accumulators of lanes `lane` and `lane` + 32 over `size` elements from `low` on."""
        writer = self.writer
        shape = [r.initial for r in level]
        width = sum(map(len, shape))
        held = [self._start(level) for _ in range(2)]
        whole = size.apply("divide_raw", size.like(LANES))
        first = low + writer.number(lane)

        def body(builder: Builder, j: Expr, carried: Sequence[Expr]) -> Sequence[Expr]:
            with writer.scope(builder):
                count = (j - writer.here(first)).apply("divide_raw", j.like(LANES)) + 1
                taken = [
                    self._take(level, grouped(half, shape), j + number * GROUP, count, place)
                    for number, half in enumerate(grouped(carried, [range(width)] * 2))
                ]
                return flat([a for half in taken for a in half])

        if not isinstance(extent, int) or extent >= LANES:
            ends = writer.builder.loop(
                first, first + whole * LANES, LANES, flat([a for half in held for a in half]), body
            )
            held = [grouped(half, shape) for half in grouped(ends, [range(width)] * 2)]
        left = extent % LANES if isinstance(extent, int) else None
        for number in range(2):
            if left is None or left > number * GROUP:
                held[number] = self._rest(
                    level, held[number], first + whole * LANES + number * GROUP, low + size, whole + 1, place
                )
        return held

    def _start(self, level: Sequence[Reduction]) -> list[Accumulators]:
        """Accumulators that hold nothing."""
        constant = self.writer.builder.constant
        return [[constant(number, VectorType(dtype)) for dtype, number in r.initial] for r in level]

    def _rest(
        self,
        level: Sequence[Reduction],
        held: list[Accumulators],
        j: Expr,
        end: Expr,
        count: Expr,
        place: Place,
    ) -> list[Accumulators]:
        """The element past the last whole 64, if this lane has one."""
        writer, shape = self.writer, [r.initial for r in level]

        def one(builder: Builder) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                return flat(self._take(level, held, writer.here(j), writer.here(count), place))

        values = writer.builder.branch(
            j.lt(end), one, lambda builder: [Expr(builder, e.value) for e in flat(held)]
        )
        return grouped(values, shape)

    def _take(
        self, level: Sequence[Reduction], held: Sequence[Accumulators], j: Expr, count: Expr, place: Place
    ) -> list[Accumulators]:
        """Every reduction takes the element at j, as that of so many in this lane."""
        writer = self.writer
        with writer.scope():
            index = place(variable := writer.bind(writer.fresh("j"), j, 0, self.length))
            taken: list[Accumulators] = []
            for r, accumulators in zip(level, held, strict=True):
                x, before = writer.element(r.operand, index), [writer.here(e) for e in accumulators]
                taken.append(list(r.combine.step(before, x, writer.number(variable), writer.here(count))))
            return taken

    def _join_lanes(
        self, level: Sequence[Reduction], held: list[list[Accumulators]], size: Expr, lane: Dim
    ) -> list[Accumulators]:
        """64 lanes to one, in the first thread of the group; the others hold what no one reads."""
        writer = self.writer
        here = writer.number(lane)

        def count(place: Expr, width: int) -> Expr:
            """How many elements are in the lanes that were joined to `width`."""
            number = (size - place + (width - 1)).apply("divide_raw", size.like(width))
            return select(number.lt(0), number.like(0), number)

        joined = merge(level, held[0], held[1], count(here, LANES), count(here + GROUP, LANES))
        width = GROUP
        while width > 1:
            half = width // 2
            other = [[exchange_down(e, half) for e in a] for a in joined]
            joined = merge(level, joined, other, count(here, width), count(here + half, width))
            width = half
        return joined

    # ---------------------------------------------------------------- a row

    def _outer_index(self, row: DimLike) -> list[DimLike]:
        return [0 if d == 1 else i for i, d in zip(split_index(row, self.outer), self.outer, strict=True)]

    def _finish(
        self, level: Sequence[Reduction], held: Sequence[Accumulators], outer: Sequence[DimLike]
    ) -> None:
        writer = self.writer
        for r, accumulators in zip(level, held, strict=True):
            results = r.combine.finish(r.op.attributes, accumulators, writer.number(self.length))
            for value, e in zip(r.op.results, results, strict=True):
                writer.define(value, outer, e)

    def _store(self, outer: list[DimLike], t: Dim, count: int) -> None:
        """Results of the row by the first thread, results along it by all."""
        writer = self.writer
        rows = [r for r in self.kernel.roots if r.space != self.space]
        full = [r for r in self.kernel.roots if r.space == self.space]

        def first(builder: Builder) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                for root in rows:
                    self._store_one(root, outer if len(root.space) == len(self.outer) else [*outer, 0])
            return []

        def element(j: Dim) -> None:
            for root in full:
                self._store_one(root, [*outer, j])

        if rows:
            writer.builder.branch(writer.number(t).eq(0), first, lambda builder: [])
        if full:
            serial(
                writer, "j", writer.number(t), writer.number(self.length), (0, self.length), element, count
            )

    def _store_one(self, root: Root, index: Sequence[DimLike]) -> None:
        self.writer.store(self.writer.element(root.value, index), root.buffer, root.place(index))

    # ---------------------------------------------------------------- values kept for a later sweep

    def _kept_bytes(self) -> int:
        """Of one row; 0 if nothing is kept or its length is not known."""
        sizes = [v.type.dtype.size_bytes for v in self.kept if isinstance(v.type, TensorType)]
        return sum(sizes) * self.length if isinstance(self.length, int) else 0

    def _partial_bytes(self) -> int:
        return sum(dtype.size_bytes for level in self.levels for r in level for dtype, _ in r.initial)

    def _shared(self, outer: tuple[int, ...]) -> dict[Value, Value]:
        made: dict[Value, Value] = {}
        for value in self.kept if self._kept_bytes() else ():
            assert isinstance(value.type, TensorType)
            ty = BufferType(value.type.dtype, (*outer, self.length), False, "shared")
            made[value] = self.writer.builder.emit("alloc", (), {"type": ty}).result
        return made

    def _place(
        self,
        level: Sequence[Reduction],
        outer: Sequence[DimLike],
        scratch: dict[Value, Value],
        line: Sequence[DimLike],
    ) -> Place:
        """The operand's index at place j; on the way there, what later sweeps need is kept."""
        fresh = [v for v in scratch if v not in self.writer.sources and is_swept_by(v, level)]

        def place(j: Dim) -> Sequence[DimLike]:
            index = (*outer, j)
            for value in fresh:
                self.writer.store(self.writer.element(value, index), scratch[value], [*line, j])
            return index

        return place

    def _read_kept(
        self, level: Sequence[Reduction], scratch: dict[Value, Value], line: Sequence[DimLike]
    ) -> None:
        """From now on what the level kept is read, not computed."""
        for value, buffer in scratch.items():
            if value not in self.writer.sources and is_swept_by(value, level):
                self.writer.sources[value] = lambda index, buffer=buffer: self.writer.load(
                    buffer, [*line, index[-1]]
                )


def _halving(builder: Builder, count: Expr, body: Callable[[Builder, Expr, Expr], list[Expr]]) -> None:
    """`body(distance, left)` gives the next of both, from 1 and `count` on, while more than one is left.

    Both are carried since a division by a number that only the run knows is a call on a GPU.
    """
    initial = [builder.index(1), count]
    types = [e.value.type for e in initial]
    condition, inside = Region(types), Region(types)
    test = builder.inside(condition)
    test.emit("yield", [test.expr(condition.params[1]).gt(1).value])
    inner = builder.inside(inside)
    results = body(inner, *map(inner.expr, inside.params))
    inner.emit("yield", [e.value for e in results])
    builder.emit("while", [e.value for e in initial], {}, [condition, inside])
