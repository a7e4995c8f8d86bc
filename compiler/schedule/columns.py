"""Schedule of kernels that reduce an axis which is not the last: one sweep, vectors along the last axis.

A block is swept a few rows at a time along a stretch of columns, whose accumulators are in scratch: memory is
read as it lies.
Not here: the order within a reduction (`accumulate.py`).
"""

from collections.abc import Callable, Sequence

from weft.compiler.schedule.accumulate import (
    INTEGERS,
    ROWS,
    Accumulators,
    Partials,
    Reduction,
    fits_one_block,
    join_blocks,
    needs_position,
    reduction_of,
)  # fmt: skip
from weft.compiler.schedule.kernel import (
    Kernel,
    Root,
    ceil_divide,
    cost_of,
    parallel_chunks,
    serial,
    vectorized,
)
from weft.ir import BufferType, Builder, Expr, Value, VectorType, record
from weft.ir.dims import Dim, DimLike, decide, maximum, product
from weft.ir.expr import cast, select
from weft.ir.opdef import Combine
from weft.ir.ops.shape import split_index
from weft.ir.types import I64, DType

SCRATCH_BYTES = 1 << 14  # of the accumulators of a stretch
MOST_COLUMNS = 1 << 10  # of a stretch
COSTLY_FLOPS = 8  # of an element, from where on code is written once for a row


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
    """One kernel: axes `before`, the reduced axis of size `rows`, axes `after`, the last in vectors."""

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
        self.outer = (*self.before, *self.after[:-1])
        self.width = self.after[-1]
        self.lanes = _lanes_for(kernel.lanes(), self.width)
        self.item = cost_of(
            kernel.ops,
            sum(b.type.dtype.size_bytes for b in kernel.fusion.operands if isinstance(b.type, BufferType)),
        )
        each = max(1, sum(d.size_bytes for r in self.reductions for d in self.swept(r)))
        self.stretch = max(self.lanes, min(MOST_COLUMNS, SCRATCH_BYTES // each) // self.lanes * self.lanes)
        self.together = (
            7 if sum(record(op).flops for op in kernel.ops) < COSTLY_FLOPS else 3
        )  # both divide 63, the rows after the first

    def swept(self, r: Reduction) -> list[DType]:
        """Types of the accumulators of a block: of positions, integers as wide as the elements."""
        return [
            INTEGERS[r.initial[0][0].part.size_bytes] if needs_position(r) and d == I64 and k else d
            for k, (d, _) in enumerate(r.initial)
        ]

    def index(self, q: DimLike, b: DimLike) -> list[DimLike]:
        """Index of a result: outer position q, place b along the last axis; 0 on axes of size 1."""
        outer = split_index(q, self.outer)
        return [0 if d == 1 else i for i, d in zip([*outer, b], (*self.outer, self.width), strict=True)]

    def write_one_block(self) -> None:
        """At most 64 rows: results are ready after one block."""
        total = product(self.outer)
        stretches = ceil_divide(self.width, self.stretch)

        def item(p: Dim) -> None:
            q, number = split_index(p, (total, stretches))
            done = _Block(self, q, 0, number)
            done.sweep(lambda held, b: self._finish(held, q, b))

        cost = self.item * (self.rows if isinstance(self.rows, int) else ROWS) * self.columns_of_stretch()
        self._over(total * stretches, cost, item)

    def write_blocks(self) -> None:
        """Blocks in parallel, then their accumulators joined for each column."""
        writer, total = self.writer, product(self.outer)
        blocks = maximum(ceil_divide(self.rows, ROWS), 1)
        stretches = ceil_divide(self.width, self.stretch)
        partials = Partials(writer.builder, self.reductions, (total, blocks, self.width), "scratch")

        def item(p: Dim) -> None:
            q, block, number = split_index(p, (total, blocks, stretches))
            _Block(self, q, block, number).sweep(lambda held, b: partials.store(writer, held, [q, block, b]))

        self._over(total * blocks * stretches, self.item * ROWS * self.columns_of_stretch(), item)

        def join(q: DimLike, b: Dim) -> None:
            held = join_blocks(
                writer,
                partials,
                writer.number(blocks),
                ROWS,
                writer.number(self.rows),
                lambda k: [q, k, b],
                blocks,
            )
            self._finish(held, q, b)

        self._over_tiles(join, blocks)

    def columns_of_stretch(self) -> int:
        """How many columns a stretch has, about."""
        return min(self.width, self.stretch) if isinstance(self.width, int) else self.stretch

    def _over(self, total: DimLike, cost: float, body: Callable[[Dim], None]) -> None:
        """`body(p)` for every p below `total`, in parallel."""
        writer = self.writer
        parallel_chunks(
            writer, total, 1, cost, lambda a, b, _task: serial(writer, "p", a, b, (0, total), body)
        )

    def _over_tiles(self, tile: Callable[[DimLike, Dim], None], depth: DimLike) -> None:
        """`tile(q, b)` for every outer position and vector of the last axis, in parallel."""
        writer, total = self.writer, product(self.outer)
        cost = self.item * (depth if isinstance(depth, int) else 64)

        def whole(q: DimLike) -> None:
            vectorized(
                writer,
                writer.builder.index(0),
                writer.number(self.width),
                (0, self.width),
                self.lanes,
                lambda b: tile(q, b),
                self.width,
            )

        if total == 1:
            extent = self.width if isinstance(self.width, int) and self.width <= self.lanes else None

            def part(a: Expr, b: Expr, _task: Expr) -> None:
                vectorized(writer, a, b, (0, self.width), self.lanes, lambda j: tile(0, j), extent)

            parallel_chunks(writer, self.width, self.lanes, cost, part)
            return
        width = self.width if isinstance(self.width, int) else 1024
        parallel_chunks(
            writer, total, 1, cost * width, lambda a, b, _task: serial(writer, "q", a, b, (0, total), whole)
        )

    def take(
        self, held: Sequence[Accumulators], index: list[DimLike], row: DimLike, step: Expr, count: Expr
    ) -> list[Accumulators]:
        """Accumulators with one more row, number `step` of a block; `count` is 1 for the first, else more."""
        writer, lanes = self.writer, self.writer.lanes
        place = [*index[: self.axis], row, *index[self.axis :]]
        taken: list[Accumulators] = []
        for r, accumulators in zip(self.reductions, held, strict=True):
            x = writer.splat(writer.element(r.operand, place), lanes)
            number = INTEGERS[r.initial[0][0].part.size_bytes]
            position = writer.splat(cast(writer.here(step), number), lanes)
            taken.append(
                list(
                    r.combine.step(
                        accumulators, x, position, writer.splat(cast(writer.here(count), number), lanes)
                    )
                )
            )
        for root in self.kernel.roots:
            if self._is_full(root):
                writer.store(writer.element(root.value, place), root.buffer, root.place(place))
        return taken

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


class _Block:
    """Rows of one block at a stretch of columns."""

    def __init__(self, columns: _Columns, q: DimLike, block: DimLike, number: DimLike) -> None:
        self.columns = columns
        self.writer = writer = columns.writer
        self.q = q
        self.low, self.high = self._range(block, ROWS, columns.rows)
        self.left, self.right = self._range(number, columns.stretch, columns.width)
        self.first = writer.bind(writer.fresh("left"), self.left, 0, columns.width)
        self.types = [columns.swept(r) for r in columns.reductions]
        self.scratch = [[self._alloc(d) for d in types] for types in self.types]
        whole = isinstance(columns.width, int) and (
            columns.width <= columns.stretch or columns.width % columns.stretch == 0
        )
        self.extent = columns.columns_of_stretch() if whole else None

    def _alloc(self, dtype: DType) -> Value:
        ty = BufferType(dtype, (self.columns.stretch,), False, "scratch")
        return self.writer.builder.emit("alloc", (), {"type": ty}).result

    def _range(self, number: DimLike, step: int, size: DimLike) -> tuple[Expr, Expr]:
        """Part `number` of an axis cut into parts of `step`."""
        writer = self.writer
        start, end = writer.number(number * step), writer.number(size)
        if isinstance(size, int) and size > 0 and size % step == 0:
            return start, start + step
        return start, select((start + step).lt(end), start + step, end)

    def sweep(self, use: Callable[[list[Accumulators], Dim], None]) -> None:
        """Take all rows; then `use(accumulators, b)` for each vector of columns."""
        writer, columns = self.writer, self.columns
        one = writer.builder.index(1)
        start = self.low
        if decide(columns.rows, ">=", 1) is True:
            row = writer.bind(writer.fresh("r"), self.low, 0, columns.rows)
            self._along(lambda b: self._rows(b, [row], first=True))
            start = self.low + one
        else:
            self._along(lambda b: self._store(self._start(), b))
        groups = (self.high - start).apply("divide_raw", one.like(columns.together)) * columns.together
        middle = start + groups
        self._loop(start, middle, columns.together)
        if not (isinstance(columns.rows, int) and columns.rows >= 1 and self._has_no_rest(columns.rows)):
            self._loop(middle, self.high, 1)
        self._along(lambda b: use(self._wide(self._load(b)), b))

    def _has_no_rest(self, rows: int) -> bool:
        together = self.columns.together
        return (rows % ROWS - 1) % together == 0 if rows % ROWS else (ROWS - 1) % together == 0

    def _loop(self, start: Expr, stop: Expr, step: int) -> None:
        def some(r: Dim) -> None:
            self._along(lambda b: self._rows(b, [r + k for k in range(step)], first=False))

        serial(self.writer, "r", start, stop, (0, self.columns.rows), some, step)

    def _along(self, body: Callable[[Dim], None]) -> None:
        columns = self.columns
        vectorized(self.writer, self.left, self.right, (0, columns.width), columns.lanes, body, self.extent)

    def _rows(self, b: Dim, rows: Sequence[DimLike], *, first: bool) -> None:
        """Take some rows at the columns from b on."""
        writer, columns = self.writer, self.columns
        held = self._start() if first else self._load(b)
        index = columns.index(self.q, b)
        known = decide(columns.rows, ">=", 1) is True
        for row in rows:
            step = writer.builder.index(0) if first else writer.number(row) - writer.here(self.low)
            count = writer.builder.index(1 if first else 2) if known else step + 1
            held = columns.take(held, index, row, step, count)
        self._store(held, b)

    def _start(self) -> list[Accumulators]:
        """Accumulators that hold nothing."""
        builder, lanes = self.writer.builder, self.writer.lanes
        return [
            [
                builder.constant(number, VectorType(d, lanes))
                for d, (_, number) in zip(types, r.initial, strict=True)
            ]
            for types, r in zip(self.types, self.columns.reductions, strict=True)
        ]

    def _load(self, b: Dim) -> list[Accumulators]:
        return [[self.writer.load(buffer, [b - self.first]) for buffer in group] for group in self.scratch]

    def _store(self, held: Sequence[Accumulators], b: Dim) -> None:
        for group, buffers in zip(held, self.scratch, strict=True):
            for e, buffer in zip(group, buffers, strict=True):
                self.writer.store(e, buffer, [b - self.first])

    def _wide(self, held: list[Accumulators]) -> list[Accumulators]:
        """Rows of the block become rows of the axis."""
        writer = self.writer
        for r, group in zip(self.columns.reductions, held, strict=True):
            if needs_position(r):
                group[1] = cast(group[1], I64) + writer.splat(writer.here(self.low), writer.lanes)
        return held


def _lanes_for(lanes: int, width: DimLike) -> int:
    """Fewer lanes if there are fewer columns."""
    return min(lanes, 1 << (width - 1).bit_length()) if isinstance(width, int) else lanes
