"""Schedules of LU, Cholesky and triangular systems: matrices in parallel, rows in vectors, in place.

Not here: blocks for large matrices, nor one matrix shared by several threads.
"""

from collections.abc import Callable, Sequence

from weft.compiler.schedule.element import Writer
from weft.compiler.schedule.kernel import Kernel, Root, parallel_chunks, serial, vectorized
from weft.ir import Builder, Expr, TensorType, Value
from weft.ir.dims import Dim, DimLike, floor_divide, minimum, product
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
        extent = stop - start if isinstance(start, int) and isinstance(stop, int) else None
        vectorized(writer, writer.number(start), writer.number(stop), (start, stop), self.lanes, body, extent)

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

    def subtract_square(
        self,
        target: DimLike,
        first: DimLike,
        factor: Callable[[DimLike, DimLike], Expr],
        start: DimLike,
    ) -> None:
        """Take multiples of four rows off four others, `factor` of each pair, from a column on."""
        writer = self.writer
        writer.scopes[-1].is_floor = True
        factors = [[writer.here(factor(target + t, first + k)) for k in range(FOUR)] for t in range(FOUR)]

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
        *,
        few: bool = False,
    ) -> None:
        """Take multiples of rows [first, stop) off another, one after the other, four in each pass.

        `few` says that so few are met here that passes of four are not worth their code.
        """
        writer, limits = self.writer, (first, stop)
        whole = first if few else first + floor_divide(stop - first, FOUR) * FOUR

        def four(k: DimLike) -> None:
            factors = [writer.here(factor(k + n)) for n in range(FOUR)]

            def one(j: DimLike) -> None:
                left = self.wide(self.get(target, j))
                for n, e in enumerate(factors):
                    left = left - self.wide(e) * self.wide(self.get(k + n, j))
                self.put(target, j, left)

            self.along(start, self.columns, one)

        if not few:
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

        serial(writer, "k", writer.number(0), writer.number(n), (0, n),
               lambda k: _panel(m, k, minimum(k + FOUR, n)), FOUR)  # fmt: skip

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
            m.each(k + 1, stop, lambda j: m.put(i, j, m.get(i, j) - writer.here(factor) * m.get(k, j)))

        m.each(k + 1, n, row)

    def beside(i: DimLike) -> None:
        writer.scopes[-1].is_floor = True
        m.subtract_rows(i, start, i, lambda k: m.get(i, k), stop, few=True)

    m.each(start, stop, column)
    m.each(start + 1, stop, beside)
    whole = stop + floor_divide(n - stop, FOUR) * FOUR

    def below(i: DimLike) -> None:
        writer.scopes[-1].is_floor = True
        m.subtract_rows(i, start, stop, lambda k: m.get(i, k), stop, few=True)

    limits = (stop, n)  # there are none where the panel is not of four columns
    serial(writer, "i", writer.number(stop), writer.number(whole), limits,
           lambda i: m.subtract_square(i, start, m.get, stop), FOUR)  # fmt: skip
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
    """Four rows after four from the corner: less what the rows before say, then by the diagonal."""
    matrix, right = operands_of(kernel)
    op = kernel.roots[0].value.op
    assert op is not None
    lower, unit = bool(op.attributes["lower"]), bool(op.attributes["unit"])

    def one(m: Matrix) -> None:
        writer, n = m.writer, m.rows
        whole = floor_divide(n, FOUR) * FOUR
        m.fill(right, n)

        def factor(i: DimLike, k: DimLike) -> Expr:
            return writer.element(matrix, [*m.batch, i, k])

        def finish(i: DimLike, first: DimLike, stop: DimLike, *, few: bool = True) -> None:
            writer.scopes[-1].is_floor = True
            m.subtract_rows(i, first, stop, lambda k: factor(i, k), 0, few=few)
            if unit:
                return
            pivot = writer.here(factor(i, i))
            m.along(0, m.columns, lambda j: m.put(i, j, m.wide(m.get(i, j)) / m.wide(pivot)))

        def four(step: DimLike) -> None:
            i = step if lower else whole - FOUR - step
            first, stop = (0, i) if lower else (i + FOUR, whole)
            serial(writer, "k", writer.number(first), writer.number(stop), (first, stop),
                   lambda k: m.subtract_square(i, k, factor, 0), FOUR)  # fmt: skip

            def row(t: DimLike) -> None:
                own = i + t if lower else i + FOUR - 1 - t
                if lower:
                    finish(own, i, own)
                    return
                # of the rows behind the last four rows that are full
                writer.scopes[-1].is_floor = True
                m.subtract_rows(own, whole, n, lambda k: factor(own, k), 0, few=True)
                finish(own, own + 1, i + FOUR)

            m.each(0, FOUR, row)

        def rest(step: DimLike) -> None:
            i = whole + step if lower else n - 1 - step
            finish(i, *((0, i) if lower else (i + 1, n)), few=not lower)

        parts = [
            lambda: serial(writer, "i", writer.number(0), writer.number(whole), (0, n), four, FOUR),
            lambda: m.each(0, n - whole, rest),
        ]
        for part in parts if lower else reversed(parts):
            part()

    over_stack(kernel, builder, one)


def lower_cholesky(kernel: Kernel, builder: Builder) -> None:
    """Four rows after four: less multiples of the rows above, then divided by the diagonal's root."""
    (operand,) = operands_of(kernel)
    assert isinstance(operand.type, TensorType)

    def one(m: Matrix) -> None:
        writer, n = m.writer, m.columns
        whole = floor_divide(n, FOUR) * FOUR
        m.fill(operand, n)

        def factor(k: DimLike, above: DimLike) -> Expr:
            return conjugate(m.get(above, k))

        def finish(k: DimLike, first: DimLike, *, few: bool) -> None:
            writer.scopes[-1].is_floor = True
            m.subtract_rows(k, first, k, lambda above: factor(k, above), k, few=few)
            scale = like_matrix(sqrt(real_part(m.get(k, k))), m.get(k, k))
            m.along(k, n, lambda j: m.put(k, j, m.wide(m.get(k, j)) / m.wide(scale)))
            m.along(0, k, lambda j: m.put(k, j, m.wide(m.get(k, j)).like(0.0)))

        def four(i: DimLike) -> None:
            serial(writer, "a", writer.number(0), writer.number(i), (0, i),
                   lambda above: m.subtract_square(i, above, factor, i), FOUR)  # fmt: skip
            m.each(0, FOUR, lambda t: finish(i + t, i, few=True))

        serial(writer, "i", writer.number(0), writer.number(whole), (0, n), four, FOUR)
        m.each(whole, n, lambda k: finish(k, 0, few=False))

    over_stack(kernel, builder, one)
