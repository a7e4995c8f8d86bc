"""Large matrix products: both operands packed in the order in which register tiles read them.

Columns and k are cut so that a piece of the right operand fits the outer cache. It is packed once, in
parallel, chunk by chunk in panels of a tile's columns; then tasks, each with some rows and columns, pack
their rows of the left operand and run tiles: for each panel, for each chunk, down the rows, so that sums of
chunks wait in near memory, tile by tile. Not here: what a tile is (`dot_tile.py`).
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from weft.compiler.schedule.dot_direct import chunk_end
from weft.compiler.schedule.dot_tile import (
    CHUNK,
    Finish,
    Place,
    Product,
    Tile,
    add_sums,
    allocate,
    bound,
    ceiling,
    chunk_sums,
    fitting_tile,
    load_lanes,
    minimum,
    store_lanes,
    tail_mask,
)  # fmt: skip
from weft.compiler.schedule.element import Index, Writer
from weft.compiler.schedule.kernel import ceil_divide, serial, vectorized
from weft.ir import Builder, Expr, Value
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, decide, modulo, product
from weft.ir.dims import minimum as smaller
from weft.ir.expr import select
from weft.ir.ops.shape import split_index

PARALLEL_FLOPS = 2e6  # below this a second thread costs more than it brings
GROUP = 4  # panels that are packed together
TASK_ROWS = 8  # a task should have a share of at least this many in rows
TASK_COLUMNS = 512
TASK_FLOPS = 1e6  # of a task, where there are few: several times what sharing them costs
MOST_SMALL_TASKS = 8
CHUNKS = 4  # chunks of k at once, if these are all
PREFETCH_BYTES = 2560  # how far ahead a panel is brought near: what a tile reads while memory answers
SCRATCH_BYTES = 248 * 1024  # of a task's rows, at most


@dataclass(frozen=True, slots=True)
class Order:
    """How an operand lies in memory: along which of its axes (of the last two) neighbours are neighbours."""

    rows: bool
    columns: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of blocks.

    `depth` is the room of a chunk, `chunks` are packed at once, `rows` and `columns` are those of a task,
    `outer` columns at once.
    """

    tile: Tile
    depth: int
    chunks: int
    rows: int
    columns: int
    outer: int
    kind: str

    @property
    def panel(self) -> int:
        """Elements of a packed panel of the right operand."""
        return self.depth * self.tile.columns

    @property
    def steps(self) -> int:
        """Length of k that is packed at once."""
        return self.chunks * CHUNK


def plan_of(problem: Product) -> Plan:
    """For the caches: a panel in the first, a task's rows in the second, packed columns in the third."""
    target, size = problem.target, problem.dtype.size_bytes
    tile = fitting_tile(target, problem.dtype, problem.m)
    depth = CHUNK if not isinstance(problem.k, int) else min(CHUNK, -(-problem.k // tile.lanes) * tile.lanes)
    chunks = max(1, -(-problem.k // CHUNK)) if isinstance(problem.k, int) else CHUNKS + 1
    if chunks > CHUNKS:
        chunks = CHUNKS // 2
    near = min(target.l2_bytes // (4 if chunks > 2 else 8), SCRATCH_BYTES)
    most = max(1, near // (chunks * CHUNK * size) // tile.rows)
    if isinstance(problem.m, int):
        tiles = -(-problem.m // tile.rows)
        blocks = max(-(-tiles // most), min(TASK_ROWS, -(-tiles // 4)))
        rows = -(-tiles // blocks)
    else:
        rows = min(most, 8)
    group = GROUP * tile.columns
    outer = max(1, target.l3_bytes // 4 // (chunks * CHUNK * size) // group) * group
    columns = -(-TASK_COLUMNS // tile.columns) * tile.columns
    if isinstance(problem.n, int) and problem.n <= outer:
        panels = -(-problem.n // tile.columns)
        columns = -(-panels // -(-problem.n // columns)) * tile.columns
    if isinstance(problem.m, int) and isinstance(problem.n, int) and isinstance(problem.k, int):
        rows, columns = _shared(problem.m, problem.n, problem.k, tile, rows, columns)
    flops = product((problem.m, problem.n, problem.k))
    kind = "serial" if isinstance(flops, int) and 2 * flops < PARALLEL_FLOPS else "parallel"
    return Plan(tile, depth, chunks, rows * tile.rows, columns, outer, kind)


def _shared(m: int, n: int, k: int, tile: Tile, rows: int, columns: int) -> tuple[int, int]:
    """Tiles of rows and columns of a task, fewer where a small product would else be one task or two.

    Threads begin with equal numbers of neighbouring tasks, the same ones each time: if these are equal work,
    none takes what another has in its cache. A panel in the first cache should serve two tiles, and a task
    should not pack its rows for one panel alone.
    """
    wanted = min(MOST_SMALL_TASKS, int(2 * m * n * k // TASK_FLOPS))
    tiles, panels = -(-m // tile.rows), -(-n // tile.columns)
    if -(-tiles // rows) * -(-n // columns) >= wanted:
        return rows, columns

    def cost(share: tuple[int, int]) -> float:
        high, wide = share
        sizes = [
            min(high, tiles - i) * min(wide, panels - j)
            for i in range(0, tiles, high)
            for j in range(0, panels, wide)
        ]
        slowest = 0
        for threads in (2, 4):
            each, more = divmod(len(sizes), threads)
            starts = [p * each + min(p, more) for p in range(threads + 1)]
            slowest += threads * max(sum(sizes[a:b]) for a, b in pairwise(starts))
        return slowest / sum(sizes) + (high == 1) / 10 + -(-panels // wide) / 100 + 0.1 / wide

    most = 2 * MOST_SMALL_TASKS
    shares = [
        (-(-tiles // down), -(-panels // across))
        for down in range(1, min(tiles, most) + 1)
        for across in range(1, min(panels, most // down) + 1)
        if down * across >= min(wanted, tiles * panels) and -(-tiles // down) <= rows
    ]
    if not shares:
        return rows, columns
    high, wide = min(dict.fromkeys(shares), key=cost)
    return high, wide * tile.columns


def lower_packed(problem: Product, left: Order, right: Order, builder: Builder) -> None:
    """Loops over batches, blocks of columns and chunks."""
    writer = problem.kernel.writer(builder)
    plan = plan_of(problem)
    tile = plan.tile
    panels = ceil_divide(smaller(problem.n, plan.outer), tile.columns)
    packed = allocate(writer, problem.dtype, panels * (plan.chunks * plan.panel), "global")
    partial = None
    if decide(problem.k, "<=", plan.steps) is not True:
        partial = allocate(
            writer, problem.dtype, ceil_divide(problem.m, tile.rows) * panels * tile.size, "global"
        )
    packing = _Packed(writer, problem, plan, left, right, packed, partial, panels)

    def columns(batch: Index) -> None:
        if decide(problem.n, "<=", plan.outer) is True:
            packing.block(batch, writer.builder.index(0), writer.number(problem.n))
            return
        end = writer.number(problem.n)

        def block(j: DimLike) -> None:
            first = writer.number(j)
            packing.block(batch, first, minimum(writer.here(end) - first, plan.outer))

        serial(writer, "c", writer.builder.index(0), end, (0, problem.n), block, plan.outer)

    count = product(problem.batch)
    if count == 1:
        columns((0,) * len(problem.batch))
    else:
        start, stop = writer.builder.index(0), writer.number(count)
        serial(
            writer,
            "b",
            start,
            stop,
            (0, count),
            lambda b: columns(bound(writer, split_index(b, problem.batch), problem.batch)),
        )


@dataclass(frozen=True, slots=True)
class _Block:
    """A batch, columns [first, first + count), k in [start, start + steps), chunk `number` of some."""

    batch: Index
    first: Expr
    count: Expr
    start: Expr
    steps: Expr
    number: Expr


@dataclass(frozen=True, slots=True)
class _Packed:
    """The loops of one kernel."""

    writer: Writer
    problem: Product
    plan: Plan
    left: Order
    right: Order
    packed: Value
    partial: Value | None
    panels: DimLike

    def block(self, batch: Index, first: Expr, count: Expr) -> None:
        """Some columns of the result, chunk by chunk."""
        writer, problem = self.writer, self.problem
        end, zero = writer.number(problem.k), writer.builder.index(0)
        if decide(problem.k, "<=", self.plan.steps) is True:
            self._piece(_Block(batch, first, count, zero, end, zero))
            return

        def piece(builder: Builder, start: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
            with writer.scope(builder):
                steps = minimum(writer.here(end) - start, self.plan.steps)
                self._piece(
                    _Block(batch, writer.here(first), writer.here(count), start, steps, writer.here(zero))
                )
            return []

        writer.builder.loop(zero, chunk_end(writer, problem), self.plan.steps, [], piece)

    def _piece(self, block: _Block) -> None:
        """Chunks that are packed at once."""
        writer, plan = self.writer, self.plan
        panels = ceiling(writer, block.count, plan.tile.columns)
        groups = ceiling(writer, panels, GROUP)
        chunks = ceiling(writer, block.steps, CHUNK)

        def pack(builder: Builder, number: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                chunk = number.apply("divide_raw", writer.here(groups))
                group = number - chunk * writer.here(groups)
                self._pack_right(self._chunk(block, chunk), group * GROUP)
            return []

        writer.builder.loop(writer.builder.index(0), groups * chunks, 1, [], pack, kind=plan.kind)
        across = ceiling(writer, block.count, plan.columns)
        down = ceiling(writer, writer.number(self.problem.m), plan.rows)

        def task(builder: Builder, number: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                row_block = number.apply("divide_raw", writer.here(across))
                column_block = number - row_block * writer.here(across)
                self._task(block, row_block * plan.rows, column_block * (plan.columns // plan.tile.columns))
            return []

        writer.builder.loop(writer.builder.index(0), down * across, 1, [], task, kind=plan.kind)

    def _chunk(self, block: _Block, number: Expr) -> _Block:
        """One chunk of a piece."""
        if self.plan.chunks == 1:
            return block
        writer, distance = self.writer, number * CHUNK
        steps = minimum(writer.here(block.steps) - distance, CHUNK)
        return _Block(
            block.batch, block.first, block.count, writer.here(block.start) + distance, steps, number
        )

    def _slot(self, block: _Block, panel: Expr) -> Expr:
        """Which packed panel holds a panel of a chunk."""
        writer = self.writer
        return panel * self.plan.chunks + writer.here(block.number) if self.plan.chunks > 1 else panel

    def _each_chunk(self, block: _Block, body: Callable[[_Block], None]) -> None:
        writer = self.writer
        if self.plan.chunks == 1:
            body(block)
            return
        count = ceiling(writer, block.steps, CHUNK)
        if decide(self.problem.k, ">", 0) is not True:
            count = select(count.lt(1), count.like(1), count)
        zero = writer.builder.index(0)
        serial(
            writer,
            "h",
            zero,
            count,
            (0, self.plan.chunks),
            lambda h: body(self._chunk(block, writer.number(h))),
        )

    # ---------------------------------------------------------------- the right operand

    def _pack_right(self, block: _Block, panel: Expr) -> None:
        """A group of panels, [panel][k][column]; what is over the end holds anything."""
        if not self.right.columns and self.right.rows:
            self._pack_right_turned(block, panel)
            return
        writer, problem, tile = self.writer, self.problem, self.plan.tile
        whole = modulo(problem.n, GROUP * tile.columns) == 0 and self.plan.outer % (GROUP * tile.columns) == 0

        def full(builder: Builder) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                self._copy_panels(block, writer.here(panel), GROUP, is_whole=True)
            return []

        def part(builder: Builder) -> Sequence[Expr]:
            def one(builder: Builder, number: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
                with writer.scope(builder, floor=True):
                    self._copy_panels(block, number, 1, is_whole=False)
                return []

            with writer.scope(builder, floor=True):
                end = minimum(writer.here(panel) + GROUP, ceiling(writer, block.count, tile.columns))
                writer.builder.loop(writer.here(panel), end, 1, [], one)
            return []

        if whole:
            self._copy_panels(block, panel, GROUP, is_whole=True)
        else:
            fits = ((panel + GROUP) * tile.columns).le(writer.here(block.count))
            writer.builder.branch(fits, full, part)

    def _copy_panels(self, block: _Block, panel: Expr, panels: int, *, is_whole: bool) -> None:
        """Panels whose columns are read as vectors."""
        writer, problem, plan, tile = self.writer, self.problem, self.plan, self.plan.tile
        first = writer.here(block.first) + panel * tile.columns
        names: list[tuple[str, DimLike]] = []
        masks: list[Expr | None] = []
        for u in range(panels * tile.vectors):
            name = writer.fresh("j")
            names.append((name, writer.bind(name, first + u * tile.lanes, 0, problem.n, tile.lanes)))
            rest = None if is_whole else writer.number(problem.n) - (first + u * tile.lanes)
            masks.append(None if rest is None else tail_mask(writer, rest, tile.lanes))
        base = writer.bind(writer.fresh("t"), self._slot(block, panel) * plan.panel, 0, 1 << 62)
        start = writer.here(block.start)

        def step(k: DimLike) -> None:
            row = writer.bind(
                writer.fresh("t"), (writer.number(k) - writer.here(start)) * tile.columns, 0, plan.panel
            )
            for u, (name, column) in enumerate(names):
                with writer.scope(mask=masks[u]), writer.over_lanes(name, tile.lanes):
                    e = writer.splat(problem.right(writer, block.batch, k, column), tile.lanes)
                place = u // tile.vectors * (plan.chunks * plan.panel) + u % tile.vectors * tile.lanes
                store_lanes(writer, e, self.packed, base + row + place)

        serial(writer, "k", start, start + writer.here(block.steps), (0, problem.k), step)

    def _pack_right_turned(self, block: _Block, panel: Expr) -> None:
        """Panels whose columns lie along k in memory: squares of lanes are read along k and transposed."""
        writer, problem, plan, tile = self.writer, self.problem, self.plan, self.plan.tile
        end = minimum(panel + GROUP, ceiling(writer, block.count, tile.columns))
        last = writer.number(problem.n - 1)

        def columns(u: DimLike) -> None:
            number = writer.number(u)
            first = writer.here(block.first) + number * tile.lanes
            names = [
                writer.bind(writer.fresh("j"), minimum(first + c, writer.here(last)), 0, problem.n)
                for c in range(tile.lanes)
            ]
            own = number.apply("divide_raw", tile.vectors)
            offset = self._slot(block, own) * plan.panel + (number - own * tile.vectors) * tile.lanes
            base = writer.bind(writer.fresh("t"), offset, 0, 1 << 62)

            def square(k: DimLike) -> None:
                row = writer.bind(
                    writer.fresh("t"),
                    (writer.number(k) - writer.here(block.start)) * tile.columns,
                    0,
                    plan.panel,
                )
                vectors = [writer.splat(problem.right(writer, block.batch, k, j), tile.lanes) for j in names]
                for c, e in enumerate(transposed(vectors)):
                    store_lanes(writer, e, self.packed, base + row + c * tile.columns)

            start = writer.here(block.start)
            stop = start + writer.here(block.steps)
            vectorized(writer, start, stop, (0, problem.k), tile.lanes, square, self._extent())

        vectors = tile.vectors
        serial(writer, "u", panel * vectors, end * vectors, (0, 1 << 62), columns)

    def _extent(self) -> DimLike | None:
        """What is known of the length of a chunk."""
        k = self.problem.k
        return k if isinstance(k, int) and (k <= CHUNK or k % CHUNK == 0) else None

    # ---------------------------------------------------------------- the left operand

    @property
    def _is_left_turned(self) -> bool:
        """Whether packed rows of a panel are neighbours, because they are in memory."""
        return self.left.rows and not self.left.columns and self.plan.tile.lanes > 1

    def _pack_left(self, block: _Block, first: Expr, rows: Expr) -> Value:
        """Some rows, [row][k] or [panel][k][row]; those over the end are the last one again, or anything."""
        writer, plan = self.writer, self.plan
        size = plan.chunks * plan.rows * plan.depth + plan.tile.lanes
        buffer = allocate(writer, self.problem.dtype, size, "scratch")
        copy = self._copy_turned if self._is_left_turned else self._copy_rows
        self._each_chunk(block, lambda chunk: copy(chunk, buffer, first, rows))
        return buffer

    def _copy_rows(self, block: _Block, buffer: Value, first: Expr, rows: Expr) -> None:
        writer, problem, plan = self.writer, self.problem, self.plan
        last = writer.number(problem.m - 1)

        def row(r: DimLike) -> None:
            number = writer.number(r)
            source = minimum(writer.here(first) + number, writer.here(last))
            i = writer.bind(writer.fresh("i"), source, 0, problem.m)
            place = writer.here(block.number) * (plan.rows * plan.depth) + number * plan.depth
            base = writer.bind(writer.fresh("t"), place - writer.here(block.start), 0, 1 << 62)

            def copy(k: DimLike) -> None:
                e = writer.splat(problem.left(writer, block.batch, i, k), plan.tile.lanes)
                place = writer.bind(writer.fresh("t"), writer.number(k), 0, 1 << 62)
                store_lanes(writer, e, buffer, base + place)

            start = writer.here(block.start)
            stop = start + writer.here(block.steps)
            vectorized(writer, start, stop, (0, problem.k), plan.tile.lanes, copy, self._extent(), CHUNK)

        padded = ceiling(writer, rows, plan.tile.rows) * plan.tile.rows
        serial(writer, "r", writer.builder.index(0), padded, (0, plan.rows), row)

    def _copy_turned(self, block: _Block, buffer: Value, first: Expr, rows: Expr) -> None:
        """A store writes more than the rows of a panel; those of the next k and panel write over it."""
        writer, problem, plan, tile = self.writer, self.problem, self.plan, self.plan.tile

        def panel(p: DimLike) -> None:
            number = writer.number(p)
            names: list[tuple[str, DimLike, Expr]] = []
            for v in range(-(-tile.rows // tile.lanes)):
                name = writer.fresh("i")
                at = writer.here(first) + number * tile.rows + v * tile.lanes
                mask = tail_mask(writer, writer.number(problem.m) - at, tile.lanes)
                names.append((name, writer.bind(name, at, 0, problem.m), mask))
            place = writer.here(block.number) * (plan.rows * plan.depth) + number * (tile.rows * plan.depth)
            base = writer.bind(writer.fresh("t"), place, 0, 1 << 62)

            def step(k: DimLike) -> None:
                at = writer.bind(
                    writer.fresh("t"), (writer.number(k) - writer.here(block.start)) * tile.rows, 0, 1 << 62
                )
                for v, (name, i, mask) in enumerate(names):
                    with writer.scope(mask=mask), writer.over_lanes(name, tile.lanes):
                        e = writer.splat(problem.left(writer, block.batch, i, k), tile.lanes)
                    store_lanes(writer, e, buffer, base + at + v * tile.lanes)

            start = writer.here(block.start)
            serial(writer, "k", start, start + writer.here(block.steps), (0, problem.k), step)

        serial(writer, "p", writer.builder.index(0), ceiling(writer, rows, tile.rows), (0, plan.rows), panel)

    # ---------------------------------------------------------------- tiles

    def _task(self, block: _Block, first: Expr, panel: Expr) -> None:
        """Rows from `first` and panels from `panel` on: those of one task."""
        writer, problem, plan, tile = self.writer, self.problem, self.plan, self.plan.tile
        rows = minimum(writer.number(problem.m) - first, plan.rows)
        packed = self._pack_left(block, first, rows)
        finish = Finish(writer, problem, tile)
        waiting = self.partial
        if waiting is None and plan.chunks > 1:
            waiting = allocate(writer, problem.dtype, plan.rows * tile.columns, "scratch")
        end = minimum(panel + plan.columns // tile.columns, ceiling(writer, block.count, tile.columns))
        tiles = ceiling(writer, rows, tile.rows)

        def column(p: DimLike) -> None:
            self._each_chunk(block, lambda chunk: down(p, chunk))

        def down(p: DimLike, chunk: _Block) -> None:
            base = writer.bind(
                writer.fresh("t"), self._slot(chunk, writer.number(p)) * plan.panel, 0, 1 << 62
            )
            state = _Down(chunk, first, packed, finish, waiting, p, base)
            limits = (0, plan.rows // tile.rows)
            serial(
                writer,
                "q",
                writer.builder.index(0),
                writer.here(tiles),
                limits,
                lambda q: self._tile(state, q),
            )

        serial(writer, "p", panel, end, (0, 1 << 62), column)

    def _tile(self, down: "_Down", q: DimLike) -> None:
        """One tile of one chunk."""
        writer, problem, plan, tile = self.writer, self.problem, self.plan, self.plan.tile
        block, right = down.block, down.right
        number = writer.number(q)
        offset = writer.here(block.number) * (plan.rows * plan.depth) + number * (tile.rows * plan.depth)
        left = writer.bind(writer.fresh("t"), offset, 0, 1 << 62)

        def element(r: int, k: DimLike) -> Expr:
            offset = left + k * tile.rows + r if self._is_left_turned else left + k + r * plan.depth
            op = writer.builder.emit("load", [down.packed, writer.number(offset).value])
            return writer.builder.expr(op.result)

        def vector(v: int, k: DimLike) -> Expr:
            offset = right + k * tile.columns + v * tile.lanes
            self._prefetch(offset, v)
            return load_lanes(writer, self.packed, offset, tile.lanes)

        limits = (writer.builder.index(0), writer.here(block.steps))
        sums = chunk_sums(writer, tile, problem.dtype, limits, element, vector)
        first = writer.here(down.first) + number * tile.rows
        place = Place(block.batch, first, writer.here(block.first) + writer.number(down.panel) * tile.columns)
        if down.waiting is None:
            self._store(down.finish, place, sums)
        else:
            self._add(down, place, sums, q)

    def _prefetch(self, offset: DimLike, vector: int) -> None:
        """Bring near what follows, once for each line; behind a panel is the one that is read next."""
        writer, target, size = self.writer, self.problem.target, self.problem.dtype.size_bytes
        if "prefetch" in target.ops and vector * target.vector_bytes % target.line_bytes == 0:
            place = writer.number(offset + PREFETCH_BYTES // size)
            writer.builder.emit("prefetch", [self.packed, place.value])

    def _store(self, finish: Finish, place: Place, sums: Sequence[Expr]) -> None:
        problem, tile = self.problem, self.plan.tile
        rows_fit = True if modulo(problem.m, tile.rows) == 0 else None
        columns_fit = True if modulo(problem.n, tile.columns) == 0 else None
        finish.store(place, sums, tile, rows_fit=rows_fit, columns_fit=columns_fit)

    def _add(self, down: "_Down", place: Place, sums: Sequence[Expr], q: DimLike) -> None:
        """Add a chunk to those before it; the last one gives results."""
        writer, problem, tile, block = self.writer, self.problem, self.plan.tile, down.block
        waiting = down.waiting
        assert waiting is not None
        number = writer.number(q)
        if self.partial is not None:
            row = place.row.apply("divide_raw", tile.rows)
            number = row * writer.number(self.panels) + writer.number(down.panel)
        base = writer.bind(writer.fresh("t"), number * tile.size, 0, 1 << 62)
        offsets = [base + s * tile.lanes for s in range(len(sums))]

        def added(builder: Builder) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                return [
                    add_sums(load_lanes(writer, waiting, o, tile.lanes), writer.here(s))
                    for o, s in zip(offsets, sums, strict=True)
                ]

        totals = writer.builder.branch(
            writer.here(block.start).eq(0), lambda b: [Expr(b, s.value) for s in sums], added
        )

        def results(builder: Builder) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                self._store(down.finish, place, totals)
            return []

        def keep(builder: Builder) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                for o, t in zip(offsets, totals, strict=True):
                    store_lanes(writer, t, waiting, o)
            return []

        is_last = (writer.here(block.start) + CHUNK).ge(writer.number(problem.k))
        writer.builder.branch(is_last, results, keep)


@dataclass(frozen=True, slots=True)
class _Down:
    """A walk down a task's rows: one chunk and panel, packed at `right`; sums of chunks are `waiting`."""

    block: _Block
    first: Expr
    packed: Value
    finish: Finish
    waiting: Value | None
    panel: DimLike
    right: DimLike


def transposed(rows: Sequence[Expr]) -> list[Expr]:
    """A square of lanes, rows and columns exchanged, by swapping blocks of 1, 2, 4... lanes between rows."""
    square = list(rows)
    lanes = len(square)
    distance = 1
    while distance < lanes:
        low = tuple(i if not i & distance else lanes + i - distance for i in range(lanes))
        high = tuple(i + distance if not i & distance else lanes + i for i in range(lanes))
        for i in range(lanes):
            if not i & distance:
                a, b = square[i], square[i + distance]
                square[i], square[i + distance] = shuffled(a, b, low), shuffled(a, b, high)
        distance *= 2
    return square


def shuffled(a: Expr, b: Expr, order: tuple[int, ...]) -> Expr:
    """Lanes of two vectors, those of the second numbered after those of the first."""
    return a.builder.expr(a.builder.emit("shuffle", [a.value, b.value], {"order": order}).result)
