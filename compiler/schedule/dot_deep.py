"""Matrix products with few results and long sums: a lane for each chunk of k.

The sums of chunks do not wait for each other (DESIGN D19), so as many as there are lanes are made at once:
lane number c walks chunk c. The rest of k, and the sums of chunks, are added in order, number by number.
Not here: more results than registers (`dot_direct.py`, `dot_packed.py`).
"""

from collections.abc import Sequence

from weft.compiler.schedule.dot_tile import (
    CHUNK,
    Product,
    Tile,
    add_sums,
    allocate,
    bound,
    chunk_sums,
    minimum,
    multiply_add,
    store_lanes,
    store_results,
    zero_sum,
    zero_total,
)  # fmt: skip
from weft.compiler.schedule.element import Index, Writer
from weft.compiler.schedule.kernel import parallel_chunks, serial
from weft.ir import Builder, Expr, Value
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, product
from weft.ir.ops.shape import split_index

FLOPS_PER_BYTE = 16  # as in `dot_direct.py`
UNROLL = 4  # steps of k: reads of other steps wait for memory beside those of this one


def is_deep(problem: Product) -> bool:
    """Whether the results of one product fit half of the registers, the operands of a step beside them."""
    m, n, target = problem.m, problem.n, problem.target
    if not (isinstance(m, int) and isinstance(n, int) and problem.dtype.kind in "fiu" and problem.lanes > 1):
        return False
    return m * n <= target.vector_registers // 2


def depth_of(problem: Product) -> int:
    """A chunk for each lane."""
    return problem.lanes * CHUNK


def lower_deep(problem: Product, builder: Builder) -> None:
    """One product after the other."""
    writer = problem.kernel.writer(builder)
    count = product(problem.batch)
    m, n = problem.m, problem.n
    assert isinstance(m, int)
    assert isinstance(n, int)
    depth = problem.k if isinstance(problem.k, int) else 2 * depth_of(problem)
    flops = 2.0 * m * n * depth

    def task(start: Expr, stop: Expr, _number: Expr) -> None:
        results = m * n
        sums = allocate(writer, problem.dtype, results * problem.lanes, "scratch")
        totals = allocate(writer, problem.dtype, results, "scratch")
        deep = _Deep(writer, problem, m, n, sums, totals)
        serial(writer, "p", start, stop, (0, count), lambda p: deep.write(split_index(p, problem.batch)))

    parallel_chunks(writer, count, 1, flops / FLOPS_PER_BYTE, task)


@dataclass(frozen=True, slots=True)
class _Deep:
    """One product; `sums` holds those of chunks side by side, `totals` the results."""

    writer: Writer
    problem: Product
    m: int
    n: int
    sums: Value
    totals: Value

    def write(self, index: Sequence[DimLike]) -> None:
        """Chunks as many as lanes at once, those that are left one by one, then the results."""
        writer, problem = self.writer, self.problem
        batch = bound(writer, index, problem.batch)
        zero = writer.builder.index(0)
        for r in range(self.m * self.n):
            writer.store(zero_total(writer.builder, problem.dtype, 1), self.totals, [r])
        step = problem.lanes * CHUNK
        end = writer.number(problem.k)
        whole = end.apply("divide_raw", end.like(step)) * step

        def group(builder: Builder, start: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                self._group(batch, start)
            return []

        def chunk(builder: Builder, start: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                self._chunk(batch, start, minimum(start + CHUNK, writer.here(end)))
            return []

        writer.builder.loop(zero, whole, step, [], group)
        writer.builder.loop(whole, end, CHUNK, [], chunk)
        self._finish(batch)

    def _group(self, batch: Index, start: Expr) -> None:
        """A chunk in each lane, from `start` on."""
        writer, problem, lanes = self.writer, self.problem, self.problem.lanes
        name = writer.fresh("c")
        first = start.apply("divide_raw", start.like(CHUNK))
        number = writer.bind(name, first, 0, 1 << 62)

        def steps(builder: Builder, index: Expr, sums: Sequence[Expr]) -> Sequence[Expr]:
            with writer.scope(builder, floor=True), writer.over_lanes(name, lanes):
                inside = writer.bind(writer.fresh("k"), index, 0, CHUNK - UNROLL + 1)
                found = list(sums)
                for u in range(UNROLL):
                    depth = number * CHUNK + inside + u
                    rows = [self._lanes(problem.left(writer, batch, r, depth)) for r in range(self.m)]
                    columns = [self._lanes(problem.right(writer, batch, depth, v)) for v in range(self.n)]
                    pairs = [(a, b) for a in rows for b in columns]
                    found = [multiply_add(a, b, c) for (a, b), c in zip(pairs, found, strict=True)]
            return found

        builder = writer.builder
        nothing = zero_sum(builder, problem.dtype, lanes)
        none, all_of = builder.index(0), builder.index(CHUNK)
        sums = builder.loop(none, all_of, UNROLL, [nothing] * (self.m * self.n), steps)
        for r, e in enumerate(sums):
            store_lanes(writer, e, self.sums, r * lanes)
        serial(writer, "r", none, builder.index(self.m * self.n), (0, self.m * self.n), self._add_lanes)

    def _lanes(self, e: Expr) -> Expr:
        return self.writer.splat(self.writer.here(e), self.problem.lanes)

    def _add_lanes(self, r: DimLike) -> None:
        """The sums of chunks of one result to its total, in their order."""
        writer = self.writer
        total = writer.load(self.totals, [r])
        for lane in range(self.problem.lanes):
            total = add_sums(total, writer.load(self.sums, [r * self.problem.lanes + lane]))
        writer.store(total, self.totals, [r])

    def _chunk(self, batch: Index, start: Expr, stop: Expr) -> None:
        """One chunk, all results at once."""
        writer, problem = self.writer, self.problem
        sums = chunk_sums(
            writer, Tile(self.m, self.n, 1), problem.dtype, (start, stop),
            lambda r, depth: problem.left(writer, batch, r, depth),
            lambda v, depth: problem.right(writer, batch, depth, v),
        )  # fmt: skip
        for r, e in enumerate(sums):
            writer.store(add_sums(writer.load(self.totals, [r]), writer.here(e)), self.totals, [r])

    def _finish(self, batch: Index) -> None:
        writer = self.writer

        def row(i: DimLike) -> None:
            def column(j: DimLike) -> None:
                store_results(
                    writer, self.problem, (*batch, i, j), writer.load(self.totals, [i * self.n + j])
                )

            serial(writer, "j", writer.builder.index(0), writer.builder.index(self.n), (0, self.n), column)

        serial(writer, "i", writer.builder.index(0), writer.builder.index(self.m), (0, self.m), row)


__all__ = ["depth_of", "is_deep", "lower_deep"]
