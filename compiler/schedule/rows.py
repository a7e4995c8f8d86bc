"""Schedule of kernels that reduce the last axis and use the results along it: sums, softmax, layer norm.

A row is swept once for each level of reductions (those of one level share the sweep), then once for the
results. What is costly and needed by a later sweep is kept in scratch. Many rows run in parallel row by row;
of a few long rows the blocks do.
Not here: rows side by side (`row_groups.py`), the order within a reduction (`accumulate.py`).
"""

from collections.abc import Callable, Sequence

from weft.compiler.schedule.accumulate import (
    BLOCK,
    LANES,
    Accumulators,
    Partials,
    Reduction,
    fits_one_block,
    join_blocks,
    reduce_span,
)  # fmt: skip
from weft.compiler.schedule.kernel import (
    MAX_TASKS,
    Kernel,
    Root,
    ceil_divide,
    cost_of,
    parallel_chunks,
    serial,
    vectorized,
)
from weft.compiler.schedule.row_groups import GROUP, RowGroups
from weft.compiler.schedule.row_values import (
    COSTLY_FLOPS,
    flops_of,
    is_swept_by,
    kept_values,
    levels_of,
)
from weft.compiler.schedule.staged import staged_of, write_stage
from weft.ir import BufferType, Builder, Expr, TensorType, Value
from weft.ir.dims import Dim, DimLike, decide, maximum, minimum, product
from weft.ir.expr import select
from weft.ir.ops.shape import split_index

STACK_BYTES = 1 << 16  # of one row's kept value; a longer or unknown row is kept in the arena
FEW_ROWS = 8


def lower_rows(kernel: Kernel, builder: Builder) -> None:
    """Write the loops."""
    space = kernel.fusion.attributes["space"]
    assert isinstance(space, tuple)
    rows = Rows(kernel, builder, space)  # pyright: ignore[reportArgumentType]
    if any(d == 0 for d in rows.outer):
        return
    if rows.is_few and not fits_one_block(rows.length, BLOCK):
        rows.write_long()
    else:
        rows.write_rows()


class Rows:
    """One kernel."""

    def __init__(self, kernel: Kernel, builder: Builder, space: tuple[DimLike, ...]) -> None:
        self.kernel = kernel
        self.space = space
        self.outer, self.length = space[:-1], space[-1]
        self.writer = kernel.writer(builder)
        self.levels = levels_of(kernel.ops)
        self.kept = kept_values(kernel, self.levels, space)
        self.lanes = min(kernel.lanes(), LANES)
        inputs = {entry.value for entry in kernel.inputs}
        is_plain = all(r.op.name == "sum" and r.operand in inputs for level in self.levels for r in level)
        self.registers = (
            kernel.target.vector_registers * (4 if is_plain else 3) // 4
        )  # for accumulators; plain sums need no others

    @property
    def is_few(self) -> bool:
        """Whether there are too few rows to share among threads."""
        return decide(product(self.outer), "<=", FEW_ROWS) is True

    def write_rows(self) -> None:
        """Rows in parallel."""
        writer = self.writer
        item = cost_of(self.kernel.ops, self._bytes()) * (
            self.length if isinstance(self.length, int) else 1024
        )
        blocks = (
            None if fits_one_block(self.length, BLOCK) else self._partials((product(self.outer), self.blocks))
        )
        tasks = minimum(product(self.outer), MAX_TASKS)
        shared = self._alloc((tasks, self.length)) if not self._fits_stack else {}

        def own(task: Expr) -> tuple[dict[Value, Value], list[DimLike]]:
            if self._fits_stack:
                return self._alloc((self.length,)), []
            return shared, [writer.bind(writer.fresh("task"), task, 0, tasks)]

        def chunk(start: Expr, stop: Expr, task: Expr) -> None:
            scratch, line = own(task)

            def row(p: Dim) -> None:
                outer = self.outer_index(p)
                saved = dict(writer.sources)
                self.reduce_row(p, outer, scratch, line, blocks)
                self.store_rows(outer)
                self.store_full(outer, None)
                writer.sources = saved

            serial(writer, "row", start, stop, (0, product(self.outer)), row)

        groups = RowGroups(self)  # pyright: ignore[reportArgumentType] -- the link farm shows this class twice
        if not groups.pay:
            parallel_chunks(writer, product(self.outer), 1, item, chunk)
            return

        def some(start: Expr, stop: Expr, task: Expr) -> None:
            scratch, line = own(task)

            def row(p: DimLike, outer: list[DimLike]) -> None:
                self.reduce_row(p, outer, scratch, line, blocks)

            groups.write(start, stop, row)

        parallel_chunks(writer, product(groups.counts), 1, item * GROUP, some)

    @property
    def blocks(self) -> DimLike:
        """How many blocks a row has; no elements are one block of nothing."""
        return maximum(ceil_divide(self.length, BLOCK), 1)

    @property
    def _fits_stack(self) -> bool:
        widest = max(
            (v.type.dtype.size_bytes for v in self.kept if isinstance(v.type, TensorType)), default=1
        )
        return isinstance(self.length, int) and self.length * widest <= STACK_BYTES

    def _alloc(self, shape: tuple[DimLike, ...]) -> dict[Value, Value]:
        """Memory for the kept values."""
        made: dict[Value, Value] = {}
        for value in self.kept:
            assert isinstance(value.type, TensorType)
            ty = BufferType(value.type.dtype, shape, False, "scratch")
            made[value] = self.writer.builder.emit("alloc", (), {"type": ty}).result
        return made

    def _partials(self, shape: tuple[DimLike, ...]) -> list[Partials]:
        return [Partials(self.writer.builder, level, shape, "scratch") for level in self.levels]

    def _bytes(self) -> float:
        return sum(
            b.type.dtype.size_bytes for b in self.kernel.fusion.operands if isinstance(b.type, BufferType)
        )

    # ---------------------------------------------------------------- one row

    def outer_index(self, p: DimLike) -> list[DimLike]:
        """Index of row p; 0 on axes of size 1, as broadcasts ask for them."""
        return [0 if d == 1 else i for i, d in zip(split_index(p, self.outer), self.outer, strict=True)]

    def reduce_row(
        self,
        p: DimLike,
        outer: list[DimLike],
        scratch: dict[Value, Value],
        line: list[DimLike],
        blocks: list[Partials] | None,
    ) -> None:
        """The reductions of row p."""
        writer = self.writer
        for number, level in enumerate(self.levels):
            fresh = self._fresh(level, scratch)
            index = self._index(outer, fresh, scratch, line)
            if blocks is None:
                zero, length = writer.builder.index(0), writer.number(self.length)
                held = self._span(level, fresh, outer, zero, length, self.length, index)
            else:
                held = self._blocks_in_row(level, fresh, outer, blocks[number], p, index)
            self._finish(level, held, outer)
            self._read_kept(fresh, scratch, line)

    def _fresh(self, level: Sequence[Reduction], scratch: dict[Value, Value]) -> list[Value]:
        """Kept values that the sweep of a level computes first."""
        return [v for v in scratch if v not in self.writer.sources and is_swept_by(v, level)]

    def _read_kept(self, values: Sequence[Value], scratch: dict[Value, Value], line: list[DimLike]) -> None:
        """From now on kept values are read, not computed."""
        for value in values:
            self.writer.sources[value] = self._reader(scratch[value], line)

    def _is_costly(self, level: Sequence[Reduction]) -> bool:
        cache: dict[Value, set[Value]] = {}
        return sum(flops_of(r.operand, cache) for r in level) >= 2 * COSTLY_FLOPS

    def _reader(self, buffer: Value, line: list[DimLike]) -> Callable[[tuple[DimLike, ...]], Expr]:
        return lambda index: self.writer.load(buffer, [*line, index[-1]])

    def _index(
        self, outer: list[DimLike], fresh: Sequence[Value], scratch: dict[Value, Value], line: list[DimLike]
    ) -> Callable[[Dim], Sequence[DimLike]]:
        """The operand's index at place j; on the way there, what later sweeps need is kept."""

        def index(j: Dim) -> Sequence[DimLike]:
            place = (*outer, j)
            for value in fresh:
                self.writer.store(self.writer.element(value, place), scratch[value], [*line, j])
            return place

        return index

    def _blocks_in_row(
        self,
        level: Sequence[Reduction],
        fresh: Sequence[Value],
        outer: Sequence[DimLike],
        partials: Partials,
        p: DimLike,
        index: Callable[[Dim], Sequence[DimLike]],
    ) -> list[Accumulators]:
        writer = self.writer
        count = self.blocks

        def one(block: Dim) -> None:
            self._block(level, fresh, outer, partials, [p, block], block, index)

        serial(writer, "block", writer.builder.index(0), writer.number(count), (0, count), one)
        return join_blocks(
            writer, partials, writer.number(count), BLOCK, writer.number(self.length), lambda b: [p, b], count
        )

    def _block(
        self,
        level: Sequence[Reduction],
        fresh: Sequence[Value],
        outer: Sequence[DimLike],
        partials: Partials,
        place: Sequence[DimLike],
        block: Dim,
        index: Callable[[Dim], Sequence[DimLike]],
    ) -> None:
        writer = self.writer
        low = writer.number(block * BLOCK)
        rest = writer.number(self.length) - low
        size = select(rest.lt(BLOCK), rest, rest.like(BLOCK))
        extent = BLOCK if isinstance(self.length, int) and self.length % BLOCK == 0 else None
        held = self._span(level, fresh, outer, low, size, extent, index)
        partials.store(writer, held, place)

    def _span(
        self,
        level: Sequence[Reduction],
        fresh: Sequence[Value],
        outer: Sequence[DimLike],
        low: Expr,
        size: Expr,
        extent: DimLike | None,
        index: Callable[[Dim], Sequence[DimLike]],
    ) -> list[Accumulators]:
        """At most a block of elements, side by side in near memory if they are not where they are."""
        writer = self.writer
        staged = None if fresh else staged_of(self.kernel, level)
        saved = dict(writer.sources)
        if staged is not None:
            writer.sources.update(write_stage(writer, staged, outer, low, size, self.lanes))
        held = reduce_span(
            writer,
            level,
            low,
            size,
            extent,
            (0, self.length),
            index,
            self.lanes,
            self.registers,
            is_costly=staged is None and self._is_costly(level),
        )
        writer.sources = saved
        return held

    def _finish(
        self, level: Sequence[Reduction], held: Sequence[Accumulators], outer: Sequence[DimLike]
    ) -> None:
        writer = self.writer
        for r, accumulators in zip(level, held, strict=True):
            results = r.combine.finish(r.op.attributes, accumulators, writer.number(self.length))
            for value, e in zip(r.op.results, results, strict=True):
                writer.define(value, outer, e)

    def is_full(self, root: Root) -> bool:
        """Whether a result has an element for each of a row."""
        return root.space == self.space

    def store_rows(self, outer: list[DimLike]) -> None:
        """Write the results of which a row has one."""
        for root in self.kernel.roots:
            if not self.is_full(root):
                index = outer if len(root.space) == len(self.outer) else [*outer, 0]
                self.writer.store(self.writer.element(root.value, index), root.buffer, root.place(index))

    def store_full(self, outer: list[DimLike], limits: tuple[Expr, Expr] | None) -> None:
        """Write the results of which each element of a row has one, or those within limits."""
        roots = [r for r in self.kernel.roots if self.is_full(r)]
        if not roots:
            return
        writer = self.writer

        def store(j: Dim) -> None:
            for root in roots:
                index = [*outer, j]
                writer.store(writer.element(root.value, index), root.buffer, root.place(index))

        start, stop = limits if limits is not None else (writer.builder.index(0), writer.number(self.length))
        extent = self.length if limits is None else None
        vectorized(writer, start, stop, (0, self.length), self.kernel.lanes(), store, extent)

    # ---------------------------------------------------------------- few long rows

    def write_long(self) -> None:
        """One row after the other, its blocks in parallel."""
        writer, total = self.writer, product(self.outer)
        partials = self._partials((self.blocks,))
        scratch = self._alloc((self.length,))
        if total == 1:
            self._long_row(0, partials, scratch)
        else:
            serial(
                writer,
                "row",
                writer.builder.index(0),
                writer.number(total),
                (0, total),
                lambda p: self._long_row(p, partials, scratch),
            )

    def _long_row(self, p: DimLike, partials: Sequence[Partials], scratch: dict[Value, Value]) -> None:
        writer, outer = self.writer, self.outer_index(p)
        count = self.blocks
        cost = cost_of(self.kernel.ops, self._bytes())
        saved = dict(writer.sources)
        for level, place in zip(self.levels, partials, strict=True):
            fresh = self._fresh(level, scratch)
            index = self._index(outer, fresh, scratch, [])

            def chunk(
                start: Expr,
                stop: Expr,
                _task: Expr,
                level: Sequence[Reduction] = level,
                place: Partials = place,
                index: Callable[[Dim], Sequence[DimLike]] = index,
                fresh: Sequence[Value] = fresh,
            ) -> None:
                serial(
                    writer,
                    "block",
                    start,
                    stop,
                    (0, count),
                    lambda b: self._block(level, fresh, outer, place, [b], b, index),
                )

            parallel_chunks(writer, count, 1, cost * BLOCK, chunk)
            held = join_blocks(
                writer, place, writer.number(count), BLOCK, writer.number(self.length), lambda b: [b], count
            )
            self._finish(level, held, outer)
            self._read_kept(fresh, scratch, [])
        self.store_rows(outer)
        if any(self.is_full(r) for r in self.kernel.roots):
            parallel_chunks(
                writer,
                self.length,
                self.kernel.lanes(),
                cost,
                lambda a, b, _task: self.store_full(outer, (a, b)),
            )
        writer.sources = saved
