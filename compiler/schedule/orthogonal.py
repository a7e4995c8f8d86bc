"""Schedules of QR by reflections and of the rotation of rows: matrices in parallel, rows in vectors.

Sources: Golub and Van Loan, "Matrix Computations", 5.2.2 (Householder) and 8.6.3 (one-sided Jacobi). Not
here: blocks for large matrices, nor one matrix shared by several threads.
"""

from collections.abc import Callable, Sequence

from weft.compiler.schedule.factor import (
    Matrix,
    conjugate,
    like_matrix,
    operands_of,
    over_stack,
    real_part,
)
from weft.compiler.schedule.kernel import Kernel
from weft.ir import BufferType, Builder, Expr, Value, VectorType
from weft.ir.dims import Dim, DimLike, minimum
from weft.ir.expr import absolute, copysign, imag, real, select, sqrt
from weft.ir.ops.orthogonal import MAX_SWEEPS
from weft.ir.rules import tensor_operand
from weft.ir.types import F32

Rows = Sequence[tuple[Callable[[DimLike], Expr], Callable[[DimLike], Expr]]]


def _products(m: Matrix, start: DimLike, stop: DimLike, pairs: Rows) -> list[Expr]:
    """Sums of products of pairs of rows from a column on, the second conjugated.

    Whole vectors, lane by lane, then the rest.
    """
    writer, lanes = m.writer, m.lanes
    first, last = writer.number(start), writer.number(stop)
    whole = first + (last - first).apply("divide_raw", first.like(lanes)) * lanes
    dtype = tensor_operand([m.root.value.type]).dtype

    def sweep(low: Expr, high: Expr, step: int, initial: Sequence[Expr]) -> list[Expr]:
        def body(builder: Builder, index: Expr, held: Sequence[Expr]) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                name = writer.fresh("j")
                j = writer.bind(name, index, start, stop)
                with writer.over_lanes(name, step):
                    found = [(m.wide(a(j)), conjugate(m.wide(b(j)))) for a, b in pairs]
                    return [h + a * b for h, (a, b) in zip(held, found, strict=True)]

        return writer.builder.loop(writer.here(low), writer.here(high), step, initial, body)

    zeros = [writer.builder.constant(0.0, VectorType(dtype, lanes)) for _ in pairs]
    totals = [_lane_sum(e, lanes) for e in sweep(first, whole, lanes, zeros)]
    return sweep(whole, last, 1, totals)


def _lane_sum(e: Expr, lanes: int) -> Expr:
    while lanes > 1:
        lanes //= 2
        halves = [
            e.builder.expr(e.builder.emit("shuffle", [e.value], {"order": tuple(order)}).result)
            for order in (range(lanes), range(lanes, 2 * lanes))
        ]
        e = halves[0] + halves[1]
    return e


# ---------------------------------------------------------------- QR


def lower_qr(kernel: Kernel, builder: Builder) -> None:
    """Reflect row by row on a copy of the operand, then copy R and reflect the rows of the identity."""
    (operand,) = operands_of(kernel)
    over_stack(kernel, builder, lambda m: _Reflections(m, operand).write())


class _Reflections:
    """One matrix: `rows` columns of A of `length` elements.

    The reflection of row k stands behind its diagonal.
    """

    def __init__(self, m: Matrix, operand: Value) -> None:
        self.m, self.operand = m, operand
        ty = tensor_operand([operand.type])
        self.dtype = ty.dtype
        self.rows, self.length = ty.shape[-2:]
        self.steps = minimum(self.rows, self.length)
        self.work = self._alloc((self.rows, self.length))
        self.scale = self._alloc((self.rows,))

    def _alloc(self, shape: tuple[DimLike, ...]) -> Value:
        ty = BufferType(self.dtype, shape, False, "scratch")
        return self.m.writer.builder.emit("alloc", (), {"type": ty}).result

    def _row(self, i: DimLike) -> Callable[[DimLike], Expr]:
        return lambda j: self.m.writer.load(self.work, [i, j])

    def write(self) -> None:
        """All steps."""
        m = self.m
        m.each(0, self.rows, self._copy)
        m.each(0, self.steps, self._step)
        m.each(0, m.rows, self._result)

    def _copy(self, i: DimLike) -> None:
        m, writer = self.m, self.m.writer

        def one(j: DimLike) -> None:
            writer.store(m.wide(writer.element(self.operand, [*m.batch, i, j])), self.work, [i, j])

        m.along(0, self.length, one)

    def _step(self, k: DimLike) -> None:
        """Make the reflection of row k and apply it to the rows behind."""
        m, writer = self.m, self.m.writer
        writer.scopes[-1].is_floor = True
        own = self._row(k)
        (rest,) = (real_part(e) for e in _products(m, k + 1, self.length, [(own, own)]))
        first = own(k)
        size, none = real_part(first), rest.eq(0.0)
        if self.dtype.is_complex:
            none = none & imag(first).eq(0.0)
            rest = rest + imag(first) * imag(first)
        length = select(none, size, -copysign(sqrt(size * size + rest), size))
        beta = like_matrix(length, first)
        tau = select(none, first.like(0.0), (beta - first) / select(none, first.like(1.0), beta))
        factor = select(none, first.like(0.0), first.like(1.0) / select(none, first.like(1.0), first - beta))
        m.along(
            k + 1,
            self.length,
            lambda j: writer.store(m.wide(own(j)) * m.wide(factor), self.work, [k, j]),
        )
        writer.store(beta, self.work, [k, k])
        writer.store(tau, self.scale, [k])
        m.each(k + 1, self.rows, lambda i: self._reflect(self.work, [], i, k, is_back=True))

    def _reflect(
        self, buffer: Value, before: Sequence[DimLike], i: DimLike, k: DimLike, *, is_back: bool = False
    ) -> None:
        """Row i less its part along the reflection of row k, twice; `is_back` is its inverse."""
        m, writer = self.m, self.m.writer
        writer.scopes[-1].is_floor = True
        own = self._row(k)
        place = [*before, i]
        (along,) = _products(m, k + 1, self.length, [(lambda j: writer.load(buffer, [*place, j]), own)])
        here = writer.load(buffer, [*place, k])
        scale = writer.load(self.scale, [k])
        part = (along + here) * (conjugate(scale) if is_back else scale)
        writer.store(here - part, buffer, [*place, k])

        def one(j: DimLike) -> None:
            left = m.wide(writer.load(buffer, [*place, j])) - m.wide(part) * m.wide(own(j))
            writer.store(left, buffer, [*place, j])

        m.along(k + 1, self.length, one)

    def _result(self, i: DimLike) -> None:
        """Column i of Q, and row i of R behind it."""
        m, writer = self.m, self.m.writer
        writer.scopes[-1].is_floor = True
        number = writer.number(i)
        zero = writer.builder.constant(0.0, VectorType(self.dtype))
        m.along(0, self.length, lambda j: m.put(i, j, m.wide(zero)))
        m.put(i, i, zero.like(1.0))
        last = writer.number(self.steps) - 1
        count = select(number.lt(last), number, last) + 1
        reach = writer.bind(writer.fresh("reach"), count, 0, self.steps + 1)
        m.each(0, reach, lambda k: self._reflect(m.root.buffer, m.batch, i, reach - 1 - k))

        def entry(j: DimLike) -> None:
            value = writer.load(self.work, [j, i])
            is_below = writer.number(j).lt(writer.here(number))
            m.put(i, self.length + j, select(is_below, value.like(0.0), value))

        m.each(0, self.rows, entry)


# ---------------------------------------------------------------- rotations


def lower_rotate_rows(kernel: Kernel, builder: Builder) -> None:
    """Go over all pairs of rows, with the identity behind them, until a sweep finds none to rotate."""
    (operand,) = operands_of(kernel)
    length = tensor_operand([operand.type]).shape[-1]

    def one(m: Matrix) -> None:
        writer = m.writer

        def start(i: DimLike) -> None:
            m.along(0, length, lambda j: m.put(i, j, m.wide(writer.element(operand, [*m.batch, i, j]))))
            zero = m.get(i, 0).like(0.0)
            m.along(length, m.columns, lambda j: m.put(i, j, m.wide(zero)))
            m.put(i, length + i, zero.like(1.0))

        m.each(0, m.rows, start)

        def sweep(builder: Builder, _number: Expr, held: Sequence[Expr]) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                rows = writer.bind(writer.fresh("rows"), held[0], 0, m.rows + 1)
                none = writer.builder.index(0)

                def first(builder: Builder, number: Expr, before: Sequence[Expr]) -> Sequence[Expr]:
                    with writer.scope(builder, floor=True):
                        p = writer.bind(writer.fresh("p"), number, 0, m.rows)

                        def second(builder: Builder, number: Expr, before: Sequence[Expr]) -> Sequence[Expr]:
                            with writer.scope(builder, floor=True):
                                q = writer.bind(writer.fresh("q"), number, 1, m.rows)
                                return [_rotate(m, p, q, length, before[0])]

                        following = writer.number(p + 1)
                        return writer.builder.loop(following, writer.number(rows), 1, before, second)

                (found,) = writer.builder.loop(none, writer.number(rows), 1, [none], first)
                return [select(found.gt(0), writer.number(m.rows), found.like(0))]

        builder = writer.builder
        builder.loop(builder.index(0), builder.index(MAX_SWEEPS), 1, [writer.number(m.rows)], sweep)

    over_stack(kernel, builder, one)


def _turned(product: Expr) -> tuple[Expr, Expr | None]:
    """A product of rows as a real number, and what the second row is multiplied by for that."""
    if not product.dtype.is_complex:
        return product, None
    size = real(product).apply("hypot", imag(product))
    none = size.eq(0.0)
    divisor = select(none, size.like(1.0), size)
    parts = (real(product) / divisor, imag(product) / divisor)
    return size, select(none, parts[0].like(1.0), parts[0]).apply("complex", parts[1])


def _scaled(number: Expr, x: Expr) -> Expr:
    """A real number times another."""
    if not x.dtype.is_complex:
        return number * x
    return (number * real(x)).apply("complex", number * imag(x))


def _rotate(m: Matrix, p: Dim, q: Dim, length: DimLike, found: Expr) -> Expr:
    """Make rows p and q orthogonal, if they are not; how many pairs were not so far."""
    writer = m.writer

    def x(j: DimLike) -> Expr:
        return m.get(p, j)

    def y(j: DimLike) -> Expr:
        return m.get(q, j)

    a, b, product = _products(m, 0, length, [(x, x), (y, y), (x, y)])
    a, b = real_part(a), real_part(b)
    c, phase = _turned(product)
    least = 2.0**-23 if a.dtype == F32 else 2.0**-52
    needs = absolute(c).gt(sqrt(a) * sqrt(b) * least)

    def turn(builder: Builder) -> Sequence[Expr]:
        with writer.scope(builder, floor=True):
            low, high, both = (writer.here(e) for e in (a, b, c))
            ratio = (high - low) / (both * 2.0)
            tangent = copysign(1.0 / (absolute(ratio) + sqrt(ratio * ratio + 1.0)), ratio)
            cosine = 1.0 / sqrt(tangent * tangent + 1.0)
            sine = cosine * tangent

            def one(j: DimLike) -> None:
                u, v = m.wide(m.get(p, j)), m.wide(m.get(q, j))
                turned_u, turned_v = u, v
                if phase is not None:  # given back to the second row: a small product turns little
                    turned_u, turned_v = conjugate(m.wide(phase)) * u, m.wide(phase) * v
                s, t = m.wide(cosine), m.wide(sine)
                m.put(p, j, _scaled(s, u) - _scaled(t, turned_v))
                m.put(q, j, _scaled(t, turned_u) + _scaled(s, v))

            m.along(0, m.columns, one)
            return [writer.here(found) + 1]

    return writer.builder.branch(needs, turn, lambda builder: [Expr(builder, found.value)])[0]
