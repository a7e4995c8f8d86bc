"""Matrix products that read their operands where they are: small ones in tiles, skinny ones row by row.

Both ask that neighbouring columns of the right operand are neighbours in memory. Not here: large products and
other orders of memory (`dot_packed.py`).
"""

from collections.abc import Callable, Sequence

from weft.compiler.schedule.dot_tile import (
    CHUNK,
    Finish,
    Place,
    Product,
    Tile,
    add_sums,
    allocate,
    bound,
    chunk_sums,
    largest_tile,
    load_lanes,
    minimum,
    multiply_add,
    store_lanes,
    store_results,
    tail_mask,
    zero_sum,
    zero_total,
)  # fmt: skip
from weft.compiler.schedule.element import Index, Writer
from weft.compiler.schedule.kernel import ceil_divide, parallel_chunks, serial, vectorized
from weft.ir import Builder, Expr, Value
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, decide, modulo, product
from weft.ir.expr import select
from weft.ir.ops.shape import split_index

FLOPS_PER_BYTE = 16  # a tile does this much arithmetic in the time that one byte moves
BLOCK_TILES = 8  # tiles of columns in one task where there are few rows
SKINNY_ROWS = 8  # of a skinny product
SKINNY_SYMBOLIC_ROWS = 4  # where their number is not known: fewer are computed as so many
SKINNY_BYTES = 8192  # sums of one task of a skinny product, over all rows
UNROLL = 4  # steps of k for one load and store of a skinny product's sums


# ---------------------------------------------------------------- small


def small_tile(problem: Product) -> Tile:
    """A tile that wastes few rows and columns."""
    best = largest_tile(problem.target, problem.dtype)
    if not isinstance(problem.m, int) or best.lanes == 1:
        return best
    count = -(-problem.m // best.rows)
    rows = -(-problem.m // count)
    registers = problem.target.vector_registers
    vectors = max(best.vectors, min((registers - 2) // (rows + 1), 4))
    if isinstance(problem.n, int):
        needed = max(1, -(-problem.n // best.lanes))
        vectors = min(vectors, -(-needed // -(-needed // vectors)))
    return Tile(rows, vectors, best.lanes)


def lower_small(problem: Product, builder: Builder) -> None:
    """Tiles of results straight from memory, in parallel over batches and rows of tiles."""
    writer = problem.kernel.writer(builder)
    tile = small_tile(problem)
    row_tiles = ceil_divide(problem.m, tile.rows)
    strips = _strips(problem, tile, row_tiles)
    sizes = (
        *problem.batch,
        row_tiles,
        ceil_divide(ceil_divide(problem.n, tile.columns), strips) if strips else 1,
    )
    width = strips * tile.columns if strips else problem.n
    flops = 2.0 * tile.rows * _magnitude(width) * _magnitude(problem.k)

    def task(start: Expr, stop: Expr, _number: Expr) -> None:
        finish = Finish(writer, problem, tile)
        total = product(sizes)
        serial(
            writer,
            "p",
            start,
            stop,
            (0, total),
            lambda p: _Strip(writer, problem, tile, finish, strips).write(split_index(p, sizes)),
        )

    parallel_chunks(writer, product(sizes), 1, flops / FLOPS_PER_BYTE, task)


def _magnitude(size: DimLike) -> int:
    return size if isinstance(size, int) else 256


def _strips(problem: Product, tile: Tile, row_tiles: DimLike) -> int:
    """Tiles of columns in one piece of work; 0: all of them."""
    rows = product((*problem.batch, row_tiles))
    few = isinstance(rows, int) and rows < 16
    return BLOCK_TILES if few and decide(problem.n, "<=", BLOCK_TILES * tile.columns) is not True else 0


@dataclass(frozen=True, slots=True)
class _Strip:
    """Some rows of tiles."""

    writer: Writer
    problem: Product
    tile: Tile
    finish: Finish
    strips: int

    def write(self, index: Sequence[DimLike]) -> None:
        """Loops over the columns of one row of tiles."""
        writer, problem, tile = self.writer, self.problem, self.tile
        *around, row_tile, strip = index
        batch = bound(writer, around, problem.batch)
        start = writer.number(row_tile) * tile.rows
        rows = self._rows(start)
        first, end = writer.builder.index(0), writer.number(problem.n)
        if self.strips:
            width = self.strips * tile.columns
            first = writer.number(strip) * width
            end = minimum(first + width, end)
        count = (end - first).apply("divide_raw", tile.columns)
        whole = first + count * tile.columns
        rest = modulo(problem.n, tile.columns)

        def column(j: DimLike) -> None:
            self._tile(batch, start, rows, writer.number(j), tile, None)

        if decide(problem.n, "<", tile.columns) is not True:
            serial(writer, "c", first, whole, (0, problem.n), column, tile.columns)
        if rest == 0:
            return
        tail = tile if not isinstance(rest, int) else Tile(tile.rows, -(-rest // tile.lanes), tile.lanes)

        def last(builder: Builder) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                self._tile(batch, start, rows, writer.here(whole), tail, rest)
            return []

        if isinstance(rest, int) and not self.strips:
            with writer.scope(floor=True):
                self._tile(batch, start, rows, writer.here(whole), tail, rest)
        else:
            writer.builder.branch(writer.here(whole).lt(writer.here(end)), last, lambda builder: [])

    def _rows(self, start: Expr) -> list[DimLike]:
        """Rows to read: those over the end are the last one again."""
        writer, m = self.writer, self.problem.m
        fits = modulo(m, self.tile.rows) == 0
        last = None if fits else writer.number(m - 1)
        rows: list[DimLike] = []
        for r in range(self.tile.rows):
            row = start + r if r else start
            rows.append(writer.bind(writer.fresh("r"), row if last is None else minimum(row, last), 0, m))
        return rows

    def _tile(
        self,
        batch: Index,
        start: Expr,
        rows: Sequence[DimLike],
        first: Expr,
        tile: Tile,
        rest: DimLike | None,
    ) -> None:
        """One tile; `rest` is the number of columns left if they may be fewer than it has."""
        writer, problem = self.writer, self.problem
        names: list[tuple[str, DimLike]] = []
        masks: list[Expr | None] = []
        for v in range(tile.vectors):
            name = writer.fresh("j")
            names.append((name, writer.bind(name, first + v * tile.lanes, 0, problem.n)))
            fits = rest is None or (isinstance(rest, int) and rest >= (v + 1) * tile.lanes)
            masks.append(
                None
                if fits
                else tail_mask(writer, writer.number(problem.n) - (first + v * tile.lanes), tile.lanes)
            )

        def row(r: int, depth: DimLike) -> Expr:
            return problem.left(writer, batch, rows[r], depth)

        def column(v: int, depth: DimLike) -> Expr:
            name, j = names[v]
            with writer.scope(mask=masks[v]), writer.over_lanes(name, tile.lanes):
                e = problem.right(writer, batch, depth, j)
            return writer.here(e)

        sums = _all_chunks(writer, problem, tile, row, column)
        rows_fit = True if modulo(problem.m, tile.rows) == 0 else None
        columns_fit = rest is None or (False if not isinstance(rest, int) else rest == tile.columns)
        self.finish.store(Place(batch, start, first), sums, tile, rows_fit=rows_fit, columns_fit=columns_fit)


def _all_chunks(
    writer: Writer,
    problem: Product,
    tile: Tile,
    row: Callable[[int, DimLike], Expr],
    column: Callable[[int, DimLike], Expr],
) -> Sequence[Expr]:
    """The sum over all of k."""
    end = writer.number(problem.k)
    if problem.is_one_chunk:
        return chunk_sums(writer, tile, problem.dtype, (writer.builder.index(0), end), row, column)

    def chunk(builder: Builder, start: Expr, totals: Sequence[Expr]) -> Sequence[Expr]:
        with writer.scope(builder):
            stop = minimum(start + CHUNK, writer.here(end))
            sums = chunk_sums(writer, tile, problem.dtype, (start, stop), row, column)
            return [add_sums(t, s) for t, s in zip(totals, sums, strict=True)]

    return writer.builder.loop(
        writer.builder.index(0), chunk_end(writer, problem), CHUNK, _totals(writer, problem, tile), chunk
    )


def _totals(writer: Writer, problem: Product, tile: Tile) -> list[Expr]:
    return [zero_total(writer.builder, problem.dtype, tile.lanes)] * (tile.rows * tile.vectors)


def chunk_end(writer: Writer, problem: Product) -> Expr:
    """Where a loop over chunks ends: there is one even if k is 0."""
    end = writer.number(problem.k)
    return end if decide(problem.k, ">", 0) is True else select(end.lt(1), end.like(1), end)


# ---------------------------------------------------------------- skinny


def skinny_rows(problem: Product) -> int:
    """Rows that a skinny product may have."""
    return SKINNY_ROWS if isinstance(problem.m, int) else SKINNY_SYMBOLIC_ROWS


def lower_skinny(problem: Product, builder: Builder) -> None:
    """Few rows: walk the right operand once, in the order of memory, sums in near memory."""
    writer = problem.kernel.writer(builder)
    rows = problem.m if isinstance(problem.m, int) else SKINNY_SYMBOLIC_ROWS
    width = max(
        problem.lanes, SKINNY_BYTES // (rows * problem.dtype.size_bytes) // problem.lanes * problem.lanes
    )
    sizes = (*problem.batch, ceil_divide(problem.n, width))
    moved = min(_magnitude(problem.n), width) * _magnitude(problem.k) * problem.dtype.size_bytes

    def task(start: Expr, stop: Expr, _number: Expr) -> None:
        skinny = _Skinny(
            writer,
            problem,
            rows,
            width,
            allocate(writer, problem.dtype, rows * width, "scratch"),
            _second(writer, problem, rows * width),
        )
        serial(writer, "p", start, stop, (0, product(sizes)), lambda p: skinny.write(split_index(p, sizes)))

    parallel_chunks(writer, product(sizes), 1, moved, task)


def _second(writer: Writer, problem: Product, size: int) -> Value | None:
    return None if problem.is_one_chunk else allocate(writer, problem.dtype, size, "scratch")


@dataclass(frozen=True, slots=True)
class _Skinny:
    """All rows of some columns; `sums` of a chunk and `totals` hold `width` columns of each row."""

    writer: Writer
    problem: Product
    rows: int
    width: int
    sums: Value
    totals: Value | None

    def write(self, index: Sequence[DimLike]) -> None:
        """Chunk by chunk, then the results."""
        writer, problem = self.writer, self.problem
        *around, block = index
        batch = bound(writer, around, problem.batch)
        first = writer.number(block) * self.width
        count = minimum(writer.number(problem.n) - first, self.width)
        span = (first, first + count)
        last = None if isinstance(problem.m, int) else writer.number(problem.m - 1)
        rows = [self._row(r, last) for r in range(self.rows)]
        end = writer.number(problem.k)
        if self.totals is None:
            self._chunk(batch, rows, span, (writer.builder.index(0), end))
        else:
            self._fill(self.totals, zero_total)

            def chunk(builder: Builder, start: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
                with writer.scope(builder):
                    self._chunk(batch, rows, span, (start, minimum(start + CHUNK, writer.here(end))))
                    self._add()
                return []

            writer.builder.loop(writer.builder.index(0), chunk_end(writer, problem), CHUNK, [], chunk)
        self._finish(batch, span)

    def _row(self, r: int, last: Expr | None) -> DimLike:
        writer = self.writer
        if last is None:
            return r
        return writer.bind(writer.fresh("r"), minimum(writer.builder.index(r), last), 0, self.problem.m)

    def _each(self, body: Callable[[DimLike], None]) -> None:
        """Every vector of the sums."""
        writer = self.writer
        end = self.rows * self.width
        serial(
            writer,
            "t",
            writer.builder.index(0),
            writer.builder.index(end),
            (0, end),
            body,
            self.problem.lanes,
        )

    def _fill(self, buffer: Value, zero: Callable[..., Expr]) -> None:
        writer, problem = self.writer, self.problem
        self._each(
            lambda t: store_lanes(writer, zero(writer.builder, problem.dtype, problem.lanes), buffer, t)
        )

    def _add(self) -> None:
        """Totals plus the sums of a chunk."""
        writer, totals, lanes = self.writer, self.totals, self.problem.lanes
        assert totals is not None
        self._each(
            lambda t: store_lanes(
                writer,
                add_sums(load_lanes(writer, totals, t, lanes), load_lanes(writer, self.sums, t, lanes)),
                totals,
                t,
            )
        )

    def _chunk(
        self, batch: Index, rows: Sequence[DimLike], span: tuple[Expr, Expr], depths: tuple[Expr, Expr]
    ) -> None:
        """Sums over k in `depths`, several steps at once as long as there are so many."""
        writer = self.writer
        self._fill(self.sums, zero_sum)
        lower, upper = depths
        whole = lower + (upper - lower).apply("divide_raw", UNROLL) * UNROLL
        limits = (0, self.problem.k)
        serial(writer, "k", lower, whole, limits, lambda k: self._steps(batch, rows, span, k, UNROLL), UNROLL)
        serial(writer, "k", whole, upper, limits, lambda k: self._steps(batch, rows, span, k, 1))

    def _steps(
        self, batch: Index, rows: Sequence[DimLike], span: tuple[Expr, Expr], depth: DimLike, steps: int
    ) -> None:
        writer, problem = self.writer, self.problem
        depths = [
            writer.bind(writer.fresh("k"), writer.number(depth) + u, 0, problem.k) for u in range(steps)
        ]
        left = [
            [writer.splat(problem.left(writer, batch, r, d), problem.lanes) for d in depths] for r in rows
        ]

        def columns(j: DimLike) -> None:
            base = writer.bind(writer.fresh("t"), writer.number(j) - writer.here(span[0]), 0, self.width)
            right = [writer.splat(problem.right(writer, batch, d, j), problem.lanes) for d in depths]
            for r in range(self.rows):
                total = load_lanes(writer, self.sums, base + r * self.width, problem.lanes)
                for u, e in enumerate(right):
                    total = multiply_add(writer.here(left[r][u]), e, total)
                store_lanes(writer, total, self.sums, base + r * self.width)

        vectorized(writer, *span, (0, problem.n), problem.lanes, columns, self._extent())

    def _extent(self) -> DimLike | None:
        """What is known of the number of columns."""
        n = self.problem.n
        return n if isinstance(n, int) and n % self.problem.lanes == 0 else None

    def _finish(self, batch: Index, span: tuple[Expr, Expr]) -> None:
        writer, problem = self.writer, self.problem
        buffer = self.sums if self.totals is None else self.totals

        def row(i: DimLike) -> None:
            def columns(j: DimLike) -> None:
                offset = writer.number(i) * self.width + (writer.number(j) - writer.here(span[0]))
                base = writer.bind(writer.fresh("t"), offset, 0, self.rows * self.width)
                store_results(
                    writer, problem, (*batch, i, j), load_lanes(writer, buffer, base, problem.lanes)
                )

            vectorized(writer, *span, (0, problem.n), problem.lanes, columns, self._extent())

        serial(writer, "i", writer.builder.index(0), writer.number(problem.m), (0, problem.m), row)
