"""Schedule of `fft`: rows in parallel, each in passes over scratch lines of float64, also for complex64.

Lengths with a large prime factor become convolutions of a power of two (Bluestein 1970). A length that only
the program knows is looked at when it runs. Not here: the passes (`fft_passes.py`).
"""

from collections.abc import Callable, Sequence

from weft.compiler.math import pair
from weft.compiler.math.pair import Pair
from weft.compiler.schedule.fft_passes import RADICES, Passes, Roots
from weft.compiler.schedule.kernel import Kernel, parallel_chunks, serial, vectorized
from weft.ir import Builder, Expr, TensorType, Value, VectorType
from weft.ir.dims import Dim, DimLike, minimum, product
from weft.ir.expr import cast, complex_of, imag, real, select
from weft.ir.ops.shape import split_index
from weft.ir.types import F64

MAX_LINES = 16  # rows transformed at once; each needs memory


def lower_fft(kernel: Kernel, builder: Builder) -> None:
    """Write the loops."""
    (root,) = kernel.roots
    if any(d == 0 for d in root.space):
        return
    rows = _Rows(kernel, builder)
    if isinstance(rows.size, int):
        radices, rest = _radices(rows.size)
        (rows.by_passes if rest == 1 else rows.by_convolution)(radices)
        return
    rest = rows.passes.writer.number(rows.size)
    for prime in RADICES[1:]:
        (rest,) = rows.passes.repeat([rest], _divisible(prime), _divided(prime))
    rows.passes.choose(rest.eq(1), lambda: rows.by_passes(RADICES), lambda: rows.by_convolution(RADICES))


def _radices(size: int) -> tuple[tuple[int, ...], int]:
    """The radices that a length takes, and the factor that it leaves."""
    found: list[int] = []
    for radix in RADICES:
        while size % radix == 0:
            size //= radix
            found += [radix] if radix not in found else []
    return tuple(found or (2,)), size


def _divisible(prime: int) -> Callable[[Expr], Expr]:
    return lambda rest: (rest.apply("divide_raw", rest.like(prime)) * prime).eq(rest)


def _divided(prime: int) -> Callable[[Expr], list[Expr]]:
    return lambda rest: [rest.apply("divide_raw", rest.like(prime))]


class _Rows:
    """One kernel."""

    def __init__(self, kernel: Kernel, builder: Builder) -> None:
        (self.root,) = kernel.roots
        op = self.root.value.op
        assert op is not None
        self.operand = op.operands[0]
        ty = self.operand.type
        assert isinstance(ty, TensorType)
        self.outer, self.size = self.root.space[:-1], self.root.space[-1]
        self.sign = 1 if op.attributes.get("inverse") else -1
        self.scale = op.attributes.get("scale", "none")
        self.part = ty.dtype.part
        lanes = max(1, kernel.target.vector_bytes // F64.size_bytes)
        self.passes = Passes(kernel.writer(builder), lanes)
        self.lines = minimum(product(self.outer), MAX_LINES)

    def by_passes(self, radices: Sequence[int]) -> None:
        """Lengths of small primes."""
        passes = self.passes
        writer = passes.writer
        work = passes.allocate(self.lines * self.size * 4)
        length = writer.number(self.size)
        roots = passes.roots(length, self.size, self.sign, length)

        def row(index: list[DimLike], line: Expr) -> None:
            count, plane = passes.here(length, length)
            base = line * plane * 4

            def put(e: Pair, at: Expr, mask: Expr | None) -> None:
                far, first = passes.here(plane, base)
                passes.store_pair(e, work, far, first + at, mask)

            self.take(index, put)
            found = passes.transform(count, roots, work, base, self.sign, radices)
            self.give(index, lambda at, lanes, mask: self._line(work, plane, found, at, lanes, mask))

        self._each_row(row)

    def by_convolution(self, _radices: Sequence[int]) -> None:
        """x[k] w[k] convolved with 1 / w[k], times w[k], where w[k] = e^(sign pi i k^2 / n)."""
        passes, bound = self.passes, self.size * 4
        writer = passes.writer
        work = passes.allocate(self.lines * bound * 4)
        filter_ = passes.allocate(bound * 2)
        count = writer.number(self.size)
        (length,) = passes.repeat([writer.builder.index(1)], _below(count), _twice)
        plane = writer.number(bound)
        chirp = passes.roots(count * 2, self.size * 2, self.sign, plane)
        roots = passes.roots(length, bound, -1, plane)
        one = _Convolution(self, count, length, chirp, roots, work, filter_)
        one.prepare()
        self._each_row(one.row)

    # ---------------------------------------------------------------- rows

    def _each_row(self, row: Callable[[list[DimLike], Expr], None]) -> None:
        """`row(index, line)` for each row, `line` being the number of the scratch that it may use."""
        writer, total = self.passes.writer, product(self.outer)
        cost = 64.0 * F64.size_bytes * (self.size if isinstance(self.size, int) else 256)

        def chunk(start: Expr, stop: Expr, task: Expr) -> None:
            def one(p: Dim) -> None:
                with writer.scope(floor=True):
                    row(list(split_index(p, self.outer)), writer.here(task))

            serial(writer, "row", start, stop, (0, total), one)

        if total == 1:
            with writer.scope(floor=True):
                row([0] * len(self.outer), writer.builder.index(0))
            return
        parallel_chunks(writer, total, 1, cost, chunk, MAX_LINES)

    def take(self, index: list[DimLike], put: Callable[[Pair, Expr, Expr | None], None]) -> None:
        """Read the row in vectors."""
        writer = self.passes.writer

        def some(j: Dim) -> None:
            e = writer.splat(writer.here(writer.element(self.operand, [*index, j])), writer.lanes)
            mask = None if writer.mask is None else writer.here(writer.mask)
            put(Pair(cast(real(e), F64), cast(imag(e), F64)), writer.here(writer.number(j)), mask)

        zero, stop = writer.builder.index(0), writer.number(self.size)
        vectorized(writer, zero, stop, (0, self.size), self.passes.lanes, some, self.size)

    def give(self, index: list[DimLike], get: Callable[[Expr, int, Expr | None], Pair]) -> None:
        """Write the row in vectors, scaled."""
        writer = self.passes.writer
        factor = self._factor()

        def some(j: Dim) -> None:
            mask = None if writer.mask is None else writer.here(writer.mask)
            value = get(writer.here(writer.number(j)), writer.lanes, mask)
            if factor is not None:
                wide = writer.splat(writer.here(factor), writer.lanes)
                value = Pair(value.re * wide, value.im * wide)
            narrow = complex_of(cast(value.re, self.part), cast(value.im, self.part))
            writer.store(narrow, self.root.buffer, self.root.place([*index, j]))

        zero, stop = writer.builder.index(0), writer.number(self.size)
        vectorized(writer, zero, stop, (0, self.size), self.passes.lanes, some, self.size)

    def _factor(self) -> Expr | None:
        """What results are multiplied by."""
        if self.scale == "none":
            return None
        size = cast(self.passes.writer.number(self.size), F64)
        size = size.apply("sqrt") if self.scale == "root" else size
        return 1.0 / size

    def _line(self, work: Value, plane: Expr, start: Expr, at: Expr, lanes: int, mask: Expr | None) -> Pair:
        far, first = self.passes.here(plane, start)
        return self.passes.load_pair(work, far, first + at, lanes, mask)


def _twice(m: Expr) -> list[Expr]:
    return [m * 2]


def _below(count: Expr) -> Callable[[Expr], Expr]:
    """Whether a length is too short for a convolution of `count`."""
    return lambda m: m.lt(Expr(m.builder, count.value) * 2 - 1)


class _Convolution:
    """Bluestein's algorithm for the rows of one kernel."""

    def __init__(
        self, rows: _Rows, count: Expr, length: Expr, chirp: Roots, roots: Roots, work: Value, filter_: Value
    ) -> None:
        self.rows, self.passes = rows, rows.passes
        self.count, self.length, self.plane = count, length, roots.line
        self.chirp, self.roots, self.work, self.filter = chirp, roots, work, filter_

    def _turns(self, at: Expr, lanes: int, mask: Expr | None) -> Pair:
        """w[k] for k from `at` on."""
        p = self.passes
        (count, plane) = p.here(self.count, self.chirp.plane)
        b = p.writer.builder
        lane = b.expr(b.emit("lane_index", (), {"lanes": lanes}).result) if lanes > 1 else at.like(0)
        place = p.writer.splat(at, lanes) + lane
        order = p.writer.splat(count * 2, lanes)
        square = place * place
        place = square - square.apply("divide_raw", order) * order
        parts = [place, place + p.writer.splat(plane, lanes)]
        masks = [] if mask is None else [mask.value]
        found = [b.expr(b.emit("gather_lanes", [self.chirp.buffer, e.value, *masks]).result) for e in parts]
        return Pair(*found)

    def _clear(self, base: Expr) -> None:
        """Zeros in a whole line."""
        p = self.passes
        zero = VectorType(F64, p.lanes)

        def some(at: Expr, lanes: int, mask: Expr | None) -> None:
            (far, first) = p.here(self.plane, base)
            nothing = p.writer.builder.constant(0.0, zero)
            p.store_pair(Pair(nothing, nothing), self.work, far, first + at, mask)

        p.along(self.length, some)

    def _transform(self, base: Expr) -> Expr:
        p = self.passes
        return p.transform(p.here(self.length)[0], self.roots, self.work, base, -1, RADICES[:2])

    def prepare(self) -> None:
        """The transform of 1 / w, around 0."""
        p = self.passes
        base = p.writer.builder.index(0)
        self._clear(base)

        def one(k: Expr) -> None:
            far, length = p.here(self.plane, self.length)
            turn = pair.conjugate(self._turns(k, 1, None))
            p.store_pair(turn, self.work, far, k)
            p.store_pair(turn, self.work, far, select(k.eq(0), k, length - k))

        p.loop(self.count, 1, one)
        found = self._transform(base)

        def some(at: Expr, lanes: int, mask: Expr | None) -> None:
            far, first = p.here(self.plane, found)
            p.store_pair(p.load_pair(self.work, far, first + at, lanes, mask), self.filter, far, at, mask)

        p.along(self.length, some)

    def row(self, index: list[DimLike], line: Expr) -> None:
        """One row."""
        p = self.passes
        base = line * p.here(self.plane)[0] * 4
        self._clear(base)

        def put(e: Pair, at: Expr, mask: Expr | None) -> None:
            far, first = p.here(self.plane, base)
            lanes = e.re.type.lanes if isinstance(e.re.type, VectorType) else 1
            p.store_pair(pair.multiply(e, self._turns(at, lanes, mask)), self.work, far, first + at, mask)

        self.rows.take(index, put)
        found = self._transform(base)
        back = self._back(base, found)

        def get(at: Expr, lanes: int, mask: Expr | None) -> Pair:
            far, first, length = p.here(self.plane, back, self.length)
            value = p.load_pair(self.work, far, first + at, lanes, mask)
            share = p.writer.splat(1.0 / cast(length, F64), lanes)
            value = Pair(value.re * share, -value.im * share)
            return pair.multiply(value, self._turns(at, lanes, mask))

        self.rows.give(index, get)

    def _back(self, base: Expr, found: Expr) -> Expr:
        """Times the filter and transformed back, as the conjugate of the transform of the conjugate."""
        p = self.passes

        def some(at: Expr, lanes: int, mask: Expr | None) -> None:
            far, first, to = p.here(self.plane, found, base)
            value = p.load_pair(self.work, far, first + at, lanes, mask)
            factor = p.load_pair(self.filter, far, at, lanes, mask)
            p.store_pair(pair.conjugate(pair.multiply(value, factor)), self.work, far, to + at, mask)

        p.along(self.length, some)
        return self._transform(base)
