"""Schedule of kernels that reduce an axis which is not the last: one sweep in blocks of 64 rows, vectors along the last axis.

Not here: the order within a reduction (`accumulate.py`).
"""

from collections.abc import Callable, Sequence

from weft.compiler.schedule.accumulate import (
    ROWS, Accumulators, Partials, Reduction, fits_one_block, flat, grouped, join_blocks, reduction_of, start,
)  # fmt: skip
from weft.compiler.schedule.kernel import Kernel, Root, cost_of, parallel_chunks, serial, vectorized
from weft.ir import Builder, BufferType, Expr, record
from weft.ir.dims import Dim, DimLike, floor_divide, product
from weft.ir.expr import select
from weft.ir.opdef import Combine
from weft.ir.ops.shape import split_index


def lower_columns(kernel: Kernel, builder: Builder) -> None:
    """Write the loops."""
    columns = _Columns(kernel, builder)
    if any(d == 0 for d in (*columns.before, *columns.after)):
        return
    if fits_one_block(columns.rows, ROWS):
        columns.write_one_block()
    else:
        columns.write_blocks()


class _Columns:
    """One kernel: axes `before`, the reduced axis of size `rows`, axes `after` of which the last runs in vectors."""

    def __init__(self, kernel: Kernel, builder: Builder) -> None:
        space, axis = kernel.fusion.attributes["space"], kernel.fusion.attributes["axis"]
        assert isinstance(space, tuple)
        assert isinstance(axis, int)
        self.kernel = kernel
        self.axis = axis
        self.space: tuple[DimLike, ...] = space  # pyright: ignore[reportAttributeAccessIssue]
        self.before, self.rows, self.after = self.space[:axis], self.space[axis], self.space[axis + 1 :]
        self.writer = kernel.writer(builder)
        self.reductions = [reduction_of(op) for op in kernel.ops if isinstance(record(op).form, Combine)]
        self.lanes = kernel.lanes(4) if self.after[-1] != 1 else 1
        self.outer = (*self.before, *self.after[:-1])
        self.width = self.after[-1]
        self.item = cost_of(kernel.ops, sum(b.type.dtype.size_bytes for b in kernel.fusion.operands if isinstance(b.type, BufferType)))

    def index(self, q: DimLike, b: DimLike) -> list[DimLike]:
        """Index of a result: outer position q, place b along the last axis; 0 on axes of size 1."""
        outer = split_index(q, self.outer)
        return [0 if d == 1 else i for i, d in zip([*outer, b], (*self.outer, self.width), strict=True)]

    def write_one_block(self) -> None:
        """At most 64 rows: results are ready after one block."""
        writer = self.writer

        def tile(q: DimLike, b: Dim) -> None:
            zero, rows = writer.builder.index(0), writer.number(self.rows)
            self._finish(self._sweep(self.index(q, b), zero, rows), q, b)

        self._over_tiles(tile, self.rows)

    def write_blocks(self) -> None:
        """Blocks in parallel, then their accumulators joined for each column."""
        writer = self.writer
        blocks = floor_divide(self.rows + (ROWS - 1), ROWS)
        total = product(self.outer)
        partials = Partials(writer.builder, self.reductions, (total, blocks, self.width), "scratch")

        def block_of(p: Dim) -> None:
            q, block = split_index(p, (total, blocks)) if total != 1 else (0, p)
            low = writer.number(block * ROWS)
            rest = writer.number(self.rows) - low
            high = low + select(rest.lt(ROWS), rest, rest.like(ROWS))

            def tile(b: Dim) -> None:
                partials.store(writer, self._sweep(self.index(q, b), low, high), [q, block, b])

            vectorized(writer, writer.builder.index(0), writer.number(self.width), (0, self.width), self.lanes, tile, self.width)

        def chunk(first: Expr, last: Expr, _task: Expr) -> None:
            serial(writer, "block", first, last, (0, total * blocks), block_of)

        width = self.width if isinstance(self.width, int) else 1024
        parallel_chunks(writer, total * blocks, 1, self.item * ROWS * width, chunk)

        def join(q: DimLike, b: Dim) -> None:
            held = join_blocks(writer, partials, writer.number(blocks), ROWS, writer.number(self.rows), lambda k: [q, k, b], blocks)
            self._finish(held, q, b)

        self._over_tiles(join, blocks)

    def _over_tiles(self, tile: Callable[[DimLike, Dim], None], depth: DimLike) -> None:
        """`tile(q, b)` for every outer position and vector of the last axis, in parallel."""
        writer, total = self.writer, product(self.outer)
        cost = self.item * (depth if isinstance(depth, int) else 64)

        def whole(q: DimLike) -> None:
            vectorized(writer, writer.builder.index(0), writer.number(self.width), (0, self.width), self.lanes, lambda b: tile(q, b), self.width)

        if total == 1:
            extent = self.width if isinstance(self.width, int) and self.width <= self.lanes else None
            parallel_chunks(writer, self.width, self.lanes, cost,
                            lambda a, b, _task: vectorized(writer, a, b, (0, self.width), self.lanes, lambda j: tile(0, j), extent))  # fmt: skip
            return
        width = self.width if isinstance(self.width, int) else 1024
        parallel_chunks(writer, total, 1, cost * width, lambda a, b, _task: serial(writer, "q", a, b, (0, total), whole))

    def _sweep(self, index: list[DimLike], low: Expr, high: Expr) -> list[Accumulators]:
        """Accumulators of rows [low, high) for the lanes at `index`."""
        writer = self.writer
        lanes = writer.lanes
        held = start(writer, self.reductions, lanes)

        def body(builder: Builder, r: Expr, values: Sequence[Expr]) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                row = writer.bind(writer.fresh("r"), r, 0, self.rows)
                place = [*index[: self.axis], row, *index[self.axis :]]
                count = writer.splat(r - writer.here(low) + 1, lanes)
                taken: list[Sequence[Expr]] = []
                for reduction, accumulators in zip(self.reductions, grouped(values, held), strict=True):
                    x = writer.splat(writer.element(reduction.operand, place), lanes)
                    taken.append(reduction.combine.step(accumulators, x, writer.splat(r, lanes), count))
                for root in self.kernel.roots:
                    if self._is_full(root):
                        writer.store(writer.element(root.value, place), root.buffer, root.place(place))
                return flat(taken)

        return grouped(writer.builder.loop(writer.here(low), writer.here(high), 1, flat(held), body), held)

    def _is_full(self, root: Root) -> bool:
        return root.space == self.space and self.rows != 1

    def _finish(self, held: Sequence[Accumulators], q: DimLike, b: DimLike) -> None:
        writer = self.writer
        index = self.index(q, b)
        for r, accumulators in zip(self.reductions, held, strict=True):
            count = writer.splat(writer.number(self.rows), writer.lanes)
            results = r.combine.finish(r.op.attributes, [writer.here(e) for e in accumulators], count)
            for value, e in zip(r.op.results, results, strict=True):
                writer.define(value, index, e)
        for root in self.kernel.roots:
            if not self._is_full(root):
                short = len(root.space) == len(self.space) - 1
                place = index if short else [*index[: self.axis], 0, *index[self.axis :]]
                writer.store(writer.element(root.value, place), root.buffer, root.place(place))
