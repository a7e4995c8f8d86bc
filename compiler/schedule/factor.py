"""Schedules of LU, Cholesky and triangular systems: matrices in parallel, rows in vectors, in place.

Not here: blocks for large matrices, nor one matrix shared by several threads.
"""

from collections.abc import Callable, Sequence

from weft.compiler.schedule.element import Writer
from weft.compiler.schedule.kernel import Kernel, Root, parallel_chunks, serial, vectorized
from weft.ir import Builder, Expr, TensorType, Value
from weft.ir.dims import Dim, DimLike, floor_divide, product
from weft.ir.expr import absolute, cast, imag, real, select, sqrt
from weft.ir.ops.shape import split_index
from weft.ir.rules import tensor_operand

FOUR = 4
Body = Callable[[DimLike], None]


class Matrix:
    """One matrix of the stack: the root's memory at `batch`, `rows` by `columns`."""

    def __init__(self, kernel: Kernel, writer: Writer, root: Root, batch: Sequence[DimLike]) -> None:
        self.writer, self.root, self.batch = writer, root, batch
        self.rows, self.columns = root.space[-2:]
        self.lanes = kernel.lanes(2)

    def get(self, i: DimLike, j: DimLike) -> Expr:
        """An element, or one for each lane."""
        return self.writer.load(self.root.buffer, self.root.place([*self.batch, i, j]))

    def put(self, i: DimLike, j: DimLike, e: Expr) -> None:
        """Write one."""
        self.writer.store(e, self.root.buffer, self.root.place([*self.batch, i, j]))

    def each(self, start: DimLike, stop: DimLike, body: Body) -> None:
        """For each index of a row or column, one after the other."""
        writer = self.writer
        serial(writer, "i", writer.number(start), writer.number(stop), (start, stop), body)

    def along(self, start: DimLike, stop: DimLike, body: Body) -> None:
        """For each place of a row, in vectors."""
        writer = self.writer
        vectorized(writer, writer.number(start), writer.number(stop), (start, stop), self.lanes, body)

    def wide(self, e: Expr) -> Expr:
        """A scalar in all lanes."""
        return self.writer.splat(self.writer.here(e), self.writer.lanes)

    def fill(self, value: Value, rows: DimLike) -> None:
        """Copy the operand's rows."""

        def row(i: DimLike) -> None:
            self.along(
                0,
                self.columns,
                lambda j: self.put(i, j, self.wide(self.writer.element(value, [*self.batch, i, j]))),
            )

        self.each(0, rows, row)

    def subtract_row(
        self, target: DimLike, source: DimLike, factor: Expr, start: DimLike, stop: DimLike | None = None
    ) -> None:
        """Take `factor` times one row off another from a column on."""

        def one(j: DimLike) -> None:
            self.put(
                target, j, self.wide(self.get(target, j)) - self.wide(factor) * self.wide(self.get(source, j))
            )

        self.along(start, self.columns if stop is None else stop, one)

    def subtract_square(self, target: DimLike, first: DimLike, start: DimLike) -> None:
        """Take multiples of four rows off four others, by the factors that these hold, from a column on."""
        writer = self.writer
        writer.scopes[-1].is_floor = True
        factors = [[writer.here(self.get(target + t, first + k)) for k in range(FOUR)] for t in range(FOUR)]

        def one(j: DimLike) -> None:
            rows = [self.wide(self.get(first + k, j)) for k in range(FOUR)]
            for t in range(FOUR):
                left = self.wide(self.get(target + t, j))
                for k in range(FOUR):
                    left = left - self.wide(factors[t][k]) * rows[k]
                self.put(target + t, j, left)

        self.along(start, self.columns, one)

    def subtract_rows(
        self,
        target: DimLike,
        first: DimLike,
        stop: DimLike,
        factor: Callable[[DimLike], Expr],
        start: DimLike,
    ) -> None:
        """Take multiples of rows [first, stop) off another, one after the other, four in each pass."""
        writer = self.writer
        whole = first + floor_divide(stop - first, FOUR) * FOUR

        def four(k: DimLike) -> None:
            factors = [writer.here(factor(k + n)) for n in range(FOUR)]

            def one(j: DimLike) -> None:
                left = self.wide(self.get(target, j))
                for n, e in enumerate(factors):
                    left = left - self.wide(e) * self.wide(self.get(k + n, j))
                self.put(target, j, left)

            self.along(start, self.columns, one)

        limits = (first, stop)
        serial(writer, "k", writer.number(first), writer.number(whole), limits, four, FOUR)
        serial(writer, "k", writer.number(whole), writer.number(stop), limits,
               lambda k: self.subtract_row(target, k, writer.here(factor(k)), start))  # fmt: skip


def over_stack(kernel: Kernel, builder: Builder, body: Callable[[Matrix], None]) -> None:
    """`body` for each matrix of the stack."""
    (root,) = kernel.roots
    if any(d == 0 for d in root.space):
        return
    writer, stack = kernel.writer(builder), root.space[:-2]
    total = product(stack)

    def one(p: DimLike) -> None:
        body(Matrix(kernel, writer, root, split_index(p, stack)))

    if total == 1:
        with writer.scope(floor=True):
            one(0)
        return
    size = product(root.space[-2:])
    cost = float(size) * 64 if isinstance(size, int) else 1e6
    parallel_chunks(writer, total, 1, cost, lambda a, b, _task: serial(writer, "p", a, b, (0, total), one))


def operands_of(kernel: Kernel) -> Sequence[Value]:
    """Of the op that the kernel is."""
    op = kernel.roots[0].value.op
    assert op is not None
    return op.operands


def lower_lu(kernel: Kernel, builder: Builder) -> None:
    """Four columns, then what they take off all columns behind them, and so on.

    Every element loses its multiples in the order of the columns, as it would column by column.
    """
    (operand,) = operands_of(kernel)

    def one(m: Matrix) -> None:
        n, writer = m.columns, m.writer
        m.fill(operand, n)
        dtype = tensor_operand([m.root.value.type]).dtype
        m.each(0, n, lambda i: m.put(n, i, cast(writer.number(i), dtype)))

        whole = floor_divide(n, FOUR) * FOUR
        limits = (0, n)
        serial(
            writer,
            "k",
            writer.number(0),
            writer.number(whole),
            limits,
            lambda k: _panel(m, k, k + FOUR),
            FOUR,
        )
        _panel(m, whole, n)

    over_stack(kernel, builder, one)


def _panel(m: Matrix, start: DimLike, stop: DimLike) -> None:
    """Pivots and factors of some columns, then the rows beside these, then all below."""
    n, writer = m.columns, m.writer

    def column(k: DimLike) -> None:
        at = writer.bind(writer.fresh("pivot"), _pivot(m, k), 0, n)
        writer.scopes[-1].is_floor = True
        _swap_rows(m, k, at)
        own, other = m.get(n, k), m.get(n, at)
        m.put(n, k, other)
        m.put(n, at, own)
        pivot = m.get(k, k)
        safe = select(pivot.eq(0.0), pivot.like(1.0), pivot)

        def row(i: DimLike) -> None:
            factor = m.get(i, k) / writer.here(safe)
            m.put(i, k, factor)
            m.subtract_row(i, k, factor, k + 1, stop)

        m.each(k + 1, n, row)

    def beside(i: DimLike) -> None:
        writer.scopes[-1].is_floor = True
        m.subtract_rows(i, start, i, lambda k: m.get(i, k), stop)

    m.each(start, stop, column)
    m.each(start + 1, stop, beside)
    whole = stop + floor_divide(n - stop, FOUR) * FOUR

    def below(i: DimLike) -> None:
        writer.scopes[-1].is_floor = True
        m.subtract_rows(i, start, stop, lambda k: m.get(i, k), stop)

    if stop == n:
        return
    limits = (stop, n)
    serial(writer, "i", writer.number(stop), writer.number(whole), limits,
           lambda i: m.subtract_square(i, start, stop), FOUR)  # fmt: skip
    serial(writer, "i", writer.number(whole), writer.number(n), limits, below)


def _pivot(m: Matrix, k: DimLike) -> Expr:
    """The row from k on with the largest element of column k, the first of several; NaN is never larger."""
    writer = m.writer

    def body(builder: Builder, number: Expr, held: Sequence[Expr]) -> Sequence[Expr]:
        with writer.scope(builder, floor=True):
            i = writer.bind(writer.fresh("i"), number, k, m.columns)
            size = _size(m.get(i, k))
            larger = size.gt(writer.here(held[0]))
            return [select(larger, size, held[0]), select(larger, number, held[1])]

    first = writer.number(k)
    best = _size(m.get(k, k))
    return writer.builder.loop(
        writer.number(k + 1), writer.number(m.columns), 1, [writer.here(best), writer.here(first)], body
    )[1]


def conjugate(x: Expr) -> Expr:
    """Of real numbers themselves."""
    return x.apply("conjugate") if x.dtype.is_complex else x


def real_part(x: Expr) -> Expr:
    """Of real numbers themselves."""
    return real(x) if x.dtype.is_complex else x


def like_matrix(x: Expr, like: Expr) -> Expr:
    """A real number in the dtype of another number."""
    return x.apply("complex", x.like(0.0)) if like.dtype.is_complex else x


def _size(x: Expr) -> Expr:
    """What pivots are compared by: of complex numbers |re| + |im|, as LAPACK does."""
    return absolute(real(x)) + absolute(imag(x)) if x.dtype.is_complex else absolute(x)


def _swap_rows(m: Matrix, a: DimLike, b: Dim) -> None:
    def one(j: DimLike) -> None:
        x, y = m.wide(m.get(a, j)), m.wide(m.get(b, j))
        m.put(a, j, y)
        m.put(b, j, x)

    m.along(0, m.columns, one)


def lower_triangular(kernel: Kernel, builder: Builder) -> None:
    """Row by row from the triangle's corner: less what the rows before say, then divided by the diagonal."""
    matrix, right = operands_of(kernel)
    op = kernel.roots[0].value.op
    assert op is not None
    lower, unit = bool(op.attributes["lower"]), bool(op.attributes["unit"])

    def one(m: Matrix) -> None:
        writer, n = m.writer, m.rows
        m.fill(right, n)

        def row(step: DimLike) -> None:
            i = step if lower else n - 1 - step

            def factor(k: DimLike) -> Expr:
                return writer.element(matrix, [*m.batch, i, k])

            writer.scopes[-1].is_floor = True
            m.subtract_rows(i, *((0, i) if lower else (i + 1, n)), factor, 0)
            if unit:
                return
            pivot = writer.here(writer.element(matrix, [*m.batch, i, i]))
            m.along(0, m.columns, lambda j: m.put(i, j, m.wide(m.get(i, j)) / m.wide(pivot)))

        m.each(0, n, row)

    over_stack(kernel, builder, one)


def lower_cholesky(kernel: Kernel, builder: Builder) -> None:
    """Row by row: less the multiples of the rows above, then divided by the root of its diagonal."""
    (operand,) = operands_of(kernel)
    assert isinstance(operand.type, TensorType)

    def one(m: Matrix) -> None:
        writer, n = m.writer, m.columns
        m.fill(operand, n)
        m.each(0, n, lambda i: m.along(0, i, lambda j: m.put(i, j, m.wide(m.get(i, j)).like(0.0))))

        def row(k: DimLike) -> None:
            writer.scopes[-1].is_floor = True
            m.subtract_rows(k, 0, k, lambda above: conjugate(m.get(above, k)), k)
            scale = sqrt(real_part(m.get(k, k)))
            scale = like_matrix(scale, m.get(k, k))
            m.along(k, n, lambda j: m.put(k, j, m.wide(m.get(k, j)) / m.wide(scale)))

        m.each(0, n, row)

    over_stack(kernel, builder, one)
