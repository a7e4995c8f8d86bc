"""The passes of a fast Fourier transform: radix 4, 2, 3, 5 and small primes, and the roots that they read.

Stockham's form: each pass reads one of two scratch lines and writes the other, the result comes out in order.
A line is two planes, of real and of imaginary parts. Lengths may be known only when the program runs. Not
here: which transforms there are, nor how rows come in and go out (`fft.py`). Sources: Stockham 1966; Van Loan
1992, "Computational frameworks for the fast Fourier transform", 1.7.
"""

import math
from collections.abc import Callable, Sequence
from functools import reduce

from weft.compiler.math import pair
from weft.compiler.math.pair import Pair
from weft.compiler.math.trigonometric import cos_of, sin_of
from weft.compiler.schedule.element import Writer
from weft.ir import BufferType, Expr, Region, Value, VectorType
from weft.ir.builder import Builder
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike
from weft.ir.expr import cast, fma, select
from weft.ir.types import F64

RADICES = (4, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31)
"""Lengths that are products of these are transformed in passes; the first that divides is taken."""
SPAN = 64  # roots that one coarse root and a table of fine ones make


@dataclass(frozen=True, slots=True)
class Roots:
    """Table of e^(sign 2 pi i k / count), its imaginary parts `plane` elements behind the real ones.

    `line` is the distance of the planes of the lines that are transformed with it.
    """

    buffer: Value
    plane: Expr
    line: Expr


class Passes:
    """Writes loops over memory by offsets, in the innermost region of a writer."""

    def __init__(self, writer: Writer, lanes: int) -> None:
        self.writer, self.lanes = writer, lanes

    # ---------------------------------------------------------------- structure

    def here(self, *values: Expr) -> list[Expr]:
        """Values, continued in the innermost region."""
        return [self.writer.here(e) for e in values]

    def loop(self, stop: Expr, step: int, body: Callable[[Expr], None], start: Expr | None = None) -> None:
        """`body(i)` for i = start, start + step, ... before stop."""

        def write(builder: Builder, index: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
            with self.writer.scope(builder, floor=True):
                body(index)
            return []

        first = self.writer.builder.index(0) if start is None else self.writer.here(start)
        self.writer.builder.loop(first, self.writer.here(stop), step, [], write)

    def along(self, count: Expr, body: Callable[[Expr, int, Expr | None], None]) -> None:
        """`body(place, lanes, mask)` for [0, count) in vectors, the rest under a mask."""
        (count,) = self.here(count)
        whole = count.apply("divide_raw", count.like(self.lanes)) * self.lanes
        self.loop(whole, self.lanes, lambda i: body(i, self.lanes, None))

        def rest() -> None:
            start, stop = self.here(whole, count)
            b = self.writer.builder
            number = b.expr(b.emit("lane_index", (), {"lanes": self.lanes}).result)
            body(start, self.lanes, number.lt(self.writer.splat(stop - start, self.lanes)))

        self.choose(whole.lt(count), rest)

    def choose(
        self, condition: Expr, then: Callable[[], None], otherwise: Callable[[], None] | None = None
    ) -> None:
        """One of two, by a condition."""

        def side(body: Callable[[], None] | None) -> Callable[[Builder], Sequence[Expr]]:
            def write(builder: Builder) -> Sequence[Expr]:
                with self.writer.scope(builder, floor=True):
                    if body is not None:
                        body()
                return []

            return write

        self.writer.builder.branch(self.writer.here(condition), side(then), side(otherwise))

    def repeat(
        self, state: Sequence[Expr], test: Callable[..., Expr], step: Callable[..., Sequence[Expr]]
    ) -> list[Expr]:
        """`state = step(*state)` while `test(*state)` holds."""
        state, outer = self.here(*state), self.writer.builder
        types = [e.value.type for e in state]
        condition, body = Region(types), Region(types)
        inside = outer.inside(condition)
        inside.emit("yield", [test(*map(inside.expr, condition.params)).value])
        inner = outer.inside(body)
        with self.writer.scope(inner, floor=True):
            results = step(*map(inner.expr, body.params))
            inner.emit("yield", [self.writer.here(e).value for e in results])
        op = outer.emit("while", [e.value for e in state], {}, [condition, body])
        return [outer.expr(r) for r in op.results]

    # ---------------------------------------------------------------- memory

    def allocate(self, size: DimLike) -> Value:
        """Scratch of so many float64."""
        ty = BufferType(F64, (size,))
        return self.writer.builder.emit("alloc", (), {"type": ty}).result

    def load(self, buffer: Value, at: Expr, lanes: int, mask: Expr | None = None, stride: int = 1) -> Expr:
        """Elements from an offset on."""
        operands = [buffer, at.value, *([mask.value] if mask is not None and stride else [])]
        facts = {"lanes": lanes, "stride": stride} if lanes > 1 else {}
        return self.writer.builder.expr(self.writer.builder.emit("load", operands, facts).result)

    def store(self, e: Expr, buffer: Value, at: Expr, mask: Expr | None = None) -> None:
        """Write neighbouring elements."""
        operands = [e.value, buffer, at.value, *([mask.value] if mask is not None else [])]
        lanes = e.type.lanes if isinstance(e.type, VectorType) else 1
        self.writer.builder.emit("store", operands, {"stride": 1} if lanes > 1 else {})

    def load_pair(
        self, buffer: Value, plane: Expr, at: Expr, lanes: int, mask: Expr | None = None, stride: int = 1
    ) -> Pair:
        """Complex elements from two planes."""
        return Pair(*(self.load(buffer, place, lanes, mask, stride) for place in (at, at + plane)))

    def store_pair(self, value: Pair, buffer: Value, plane: Expr, at: Expr, mask: Expr | None = None) -> None:
        """Write to two planes."""
        self.store(value.re, buffer, at, mask)
        self.store(value.im, buffer, at + plane, mask)

    # ---------------------------------------------------------------- roots

    def roots(self, count: Expr, bound: DimLike, sign: int, line: Expr) -> Roots:
        """The roots of unity of order `count`, at most `bound`: products of a coarse and a fine one."""
        size = bound + 2 * SPAN
        parts = self.allocate(2 * size + 2 * SPAN)  # the fine ones, then the coarse ones, in two planes
        table, plane = self.allocate(2 * size), self.writer.number(size)
        far = plane + SPAN
        width = self.lanes
        (count,) = self.here(count)
        blocks = count.apply("divide_raw", count.like(SPAN)) + 1
        index = self.writer.builder.index

        def part(is_coarse: Expr) -> None:
            stop = select(is_coarse.ne(0), self.writer.here(blocks), is_coarse.like(SPAN))

            def body(first: Expr) -> None:
                order, distance, coarse = self.here(count, far, is_coarse)
                b = self.writer.builder
                lane = b.expr(b.emit("lane_index", (), {"lanes": width}).result)
                step = self.writer.splat(coarse * (SPAN - 1) + 1, width)
                number = (self.writer.splat(first, width) + lane) * step
                value = _root(number, self.writer.splat(order, width), sign)
                self.store_pair(value, parts, distance, first + coarse * SPAN)

            self.loop(stop, width, body)

        self.loop(index(2), 1, part)

        def block(number: Expr) -> None:
            first = self.load_pair(parts, self.writer.here(far), number + SPAN, width, stride=0)

            def some(place: Expr) -> None:
                at, distance = self.here(number, far)
                second = self.load_pair(parts, distance, place, width)
                value = pair.multiply(Pair(*self.here(*first)), second)
                self.store_pair(value, table, self.here(plane)[0], at * SPAN + place)

            self.loop(self.writer.builder.index(SPAN), width, some)

        self.loop(blocks, 1, block)
        return Roots(table, plane, self.writer.here(line))

    # ---------------------------------------------------------------- passes

    def transform(
        self, length: Expr, roots: Roots, work: Value, base: Expr, sign: int, radices: Sequence[int]
    ) -> Expr:
        """Transform the line at `base` of `work`; where the result lies. The second line is two planes on."""
        plane = self.here(roots.line)[0]
        second = base + plane * 2

        def step(rest: Expr, stride: Expr, source: Expr, target: Expr) -> Sequence[Expr]:
            one = _Pass(self, length, rest, stride, source, target, roots, work, plane, sign)
            radix = rest.like(radices[-1])
            for some in reversed(radices[:-1]):
                radix = select(_divides(rest, some), rest.like(some), radix)
            one.write(radix, radices)
            return rest.apply("divide_raw", radix), stride * radix, target, source

        one = self.writer.builder.index(1)
        state = self.repeat([length, one, base, second], _is_left, step)
        return state[2]


def _is_left(rest: Expr, *_others: Expr) -> Expr:
    return rest.gt(1)


def _divides(number: Expr, divisor: int) -> Expr:
    quotient = number.apply("divide_raw", number.like(divisor))
    return (quotient * divisor).eq(number)


def _root(number: Expr, count: Expr, sign: int) -> Pair:
    """e^(sign 2 pi i number / count), from an angle below an eighth of a turn, found without rounding."""
    eight = number * 8
    octant = eight.apply("divide_raw", count)
    rest = eight - octant * count
    is_odd = (octant & 1).ne(0)
    rest = select(is_odd, count - rest, rest)
    angle = cast(rest, F64) / cast(count, F64) * (math.pi / 4)
    cosine, sine = cos_of(angle, angle.like(0.0)), sin_of(angle, angle.like(0.0))  # needs no reduction
    is_swapped = ((octant + 1) & 2).ne(0)
    re, im = select(is_swapped, sine, cosine), select(is_swapped, cosine, sine)
    re = select(((octant + 2) & 4).ne(0), -re, re)
    im = select((octant & 4).ne(0), -im, im)
    return Pair(re, im if sign > 0 else -im)


@dataclass(frozen=True, slots=True)
class _Pass:
    """One pass: `rest` is the length still to be transformed, `stride` the number of such, side by side."""

    passes: Passes
    length: Expr
    rest: Expr
    stride: Expr
    source: Expr
    target: Expr
    roots: Roots
    work: Value
    plane: Expr
    sign: int

    def write(self, radix: Expr, radices: Sequence[int]) -> None:
        """The pass of the radix that the program found, one of `radices`."""
        p = self.passes
        fixed = [r for r in radices if r in _BUTTERFLIES]

        def chain(cases: Sequence[int]) -> None:
            if not cases:
                self._any(p.writer.here(radix))
                return
            if len(cases) == 1 and len(fixed) == len(radices):
                self._fixed(cases[0])
                return
            found = p.writer.here(radix).eq(cases[0])
            p.choose(found, lambda: self._fixed(cases[0]), lambda: chain(cases[1:]))

        chain(fixed)

    def _fixed(self, radix: int) -> None:
        if radix != 4:
            self._side_by_side(radix)
            return
        self.passes.choose(
            self.passes.writer.here(self.stride).eq(1), self._first, lambda: self._side_by_side(radix)
        )

    def _side_by_side(self, radix: int) -> None:
        """Vectors over neighbouring transforms; the roots are the same in all lanes."""
        p = self.passes

        def group(number: Expr) -> None:
            rest, stride, plane = p.here(self.rest, self.stride, self.roots.plane)
            places = [number * stride * j for j in range(1, radix)]
            turns = [p.load_pair(self.roots.buffer, plane, at, p.lanes, stride=0) for at in places]
            step = rest.apply("divide_raw", rest.like(radix)) * stride

            def some(place: Expr, lanes: int, mask: Expr | None) -> None:
                source, target, far, wide, gap, n = p.here(
                    self.source, self.target, self.plane, stride, step, number
                )
                first = source + place + n * wide
                values = [p.load_pair(self.work, far, first + gap * k, lanes, mask) for k in range(radix)]
                results = _BUTTERFLIES[radix](values, self.sign)
                to = target + place + n * wide * radix
                for j, value in enumerate(results):
                    turned = _times(value, Pair(*p.here(*turns[j - 1]))) if j else value
                    p.store_pair(turned, self.work, far, to + wide * j, mask)

            p.along(stride, some)

        (rest,) = p.here(self.rest)
        p.loop(rest.apply("divide_raw", rest.like(radix)), 1, group)

    def _first(self) -> None:
        """Radix 4 with one transform: vectors over its elements, results put between one another."""
        p, lanes = self.passes, self.passes.lanes
        (rest,) = p.here(self.rest)
        step = rest.apply("divide_raw", rest.like(4))
        whole = step.apply("divide_raw", step.like(lanes)) * lanes

        def some(width: int) -> Callable[[Expr], None]:
            def body(place: Expr) -> None:
                source, target, far, gap, plane = p.here(
                    self.source, self.target, self.plane, step, self.roots.plane
                )
                values = [p.load_pair(self.work, far, source + place + gap * k, width) for k in range(4)]
                results = list(_BUTTERFLIES[4](values, self.sign))
                for j in range(1, 4):
                    turn = p.load_pair(self.roots.buffer, plane, place * j, width, stride=j)
                    results[j] = _times(results[j], turn)
                joined = Pair(_between([r.re for r in results]), _between([r.im for r in results]))
                p.store_pair(joined, self.work, far, target + place * 4)

            return body

        p.loop(whole, lanes, some(lanes))
        p.loop(step, 1, some(1), start=whole)

    def _any(self, radix: Expr) -> None:
        """A prime radix known to the program alone: two results at once are sums over pairs of elements.

        With sums and differences of elements k and radix - k, results j and radix - j are
        x0 + sum c t(k) +- i sum s u(k), c + i s being root j k.
        """
        p = self.passes
        rest, stride, length = p.here(self.rest, self.stride, self.length)
        groups = rest.apply("divide_raw", radix)
        step, unit = groups * stride, length.apply("divide_raw", radix)
        half = (radix - 1).apply("divide_raw", radix.like(2)) + 1

        def group(number: Expr) -> None:
            one = p.writer.builder.index(1)
            p.loop(half, 1, lambda k: self._fold(number, k, radix, step), start=one)
            self._total(number, radix, half, step)
            p.loop(half, 1, lambda j: self._sums(number, j, radix, half, step, unit), start=one)

        p.loop(groups, 1, group)

    def _fold(self, number: Expr, k: Expr, radix: Expr, step: Expr) -> None:
        """Elements k and radix - k become their sum and their difference."""
        p = self.passes

        def some(place: Expr, lanes: int, mask: Expr | None) -> None:
            start, far, wide, n, gap, one, prime = p.here(
                self.source, self.plane, self.stride, number, step, k, radix
            )
            first = start + place + n * wide
            places = [first + gap * one, first + gap * (prime - one)]
            low, high = (p.load_pair(self.work, far, at, lanes, mask) for at in places)
            p.store_pair(pair.add(low, high), self.work, far, places[0], mask)
            p.store_pair(pair.subtract(low, high), self.work, far, places[1], mask)

        p.along(p.here(self.stride)[0], some)

    def _total(self, number: Expr, radix: Expr, half: Expr, step: Expr) -> None:
        """Result 0: the sum."""
        p = self.passes

        def some(place: Expr, lanes: int, mask: Expr | None) -> None:
            start, target, far, wide, n, prime = p.here(
                self.source, self.target, self.plane, self.stride, number, radix
            )
            first = start + place + n * wide

            def add(builder: Builder, k: Expr, held: Sequence[Expr]) -> Sequence[Expr]:
                with p.writer.scope(builder, floor=True):
                    origin, distance, plane = p.here(first, step, far)
                    masked = None if mask is None else p.writer.here(mask)
                    value = p.load_pair(self.work, plane, origin + distance * k, lanes, masked)
                    return list(pair.add(Pair(*held), value))

            begin = p.load_pair(self.work, far, first, lanes, mask)
            one, stop = p.writer.builder.index(1), p.here(half)[0]
            total = p.writer.builder.loop(one, stop, 1, list(begin), add)
            p.store_pair(Pair(*total), self.work, far, target + place + wide * (n * prime), mask)

        p.along(p.here(self.stride)[0], some)

    def _sums(self, number: Expr, j: Expr, radix: Expr, half: Expr, step: Expr, unit: Expr) -> None:
        """Results j and radix - j."""
        p = self.passes

        def some(place: Expr, lanes: int, mask: Expr | None) -> None:
            source, target, far, wide, n, row, prime = p.here(
                self.source, self.target, self.plane, self.stride, number, j, radix
            )
            first = source + place + n * wide
            zero = p.writer.builder.constant(0.0, VectorType(F64, lanes))

            def add(builder: Builder, k: Expr, held: Sequence[Expr]) -> Sequence[Expr]:
                with p.writer.scope(builder, floor=True):
                    origin, distance, plane, root_plane, order, line, turn = p.here(
                        first, step, far, self.roots.plane, prime, row, unit
                    )
                    masked = None if mask is None else p.writer.here(mask)
                    root = p.load_pair(self.roots.buffer, root_plane, held[4] * turn, lanes, stride=0)
                    low = p.load_pair(self.work, plane, origin + distance * k, lanes, masked)
                    high = p.load_pair(self.work, plane, origin + distance * (order - k), lanes, masked)
                    after = held[4] + line  # (j k) modulo the radix
                    return [
                        fma(root.re, low.re, held[0]),
                        fma(root.re, low.im, held[1]),
                        fma(root.im, high.re, held[2]),
                        fma(root.im, high.im, held[3]),
                        select(after.lt(order), after, after - order),
                    ]

            begin = p.load_pair(self.work, far, first, lanes, mask)
            one, stop = p.writer.builder.index(1), p.here(half)[0]
            re, im, side_re, side_im, _ = p.writer.builder.loop(one, stop, 1, [*begin, zero, zero, row], add)
            for line, value in (
                (row, Pair(re - side_im, im + side_re)),
                (prime - row, Pair(re + side_im, im - side_re)),
            ):
                turned = p.load_pair(
                    self.roots.buffer, p.here(self.roots.plane)[0], n * wide * line, lanes, stride=0
                )
                p.store_pair(
                    _times(value, turned), self.work, far, target + place + wide * (n * prime + line), mask
                )

        p.along(p.here(self.stride)[0], some)


def _between(vectors: Sequence[Expr]) -> Expr:
    """Four vectors, their lanes put between one another."""
    b, (first, *_) = vectors[0].builder, vectors
    lanes = first.type.lanes if isinstance(first.type, VectorType) else 1

    def join(a: Expr, c: Expr, width: int) -> Expr:
        order = tuple(k + side * width for k in range(width) for side in (0, 1))
        return b.expr(b.emit("shuffle", [a.value, c.value], {"order": order}).result)

    return join(join(vectors[0], vectors[2], lanes), join(vectors[1], vectors[3], lanes), 2 * lanes)


# ---------------------------------------------------------------- butterflies


def _times(a: Pair, b: Pair) -> Pair:
    return Pair(fma(-a.im, b.im, a.re * b.re), fma(a.im, b.re, a.re * b.im))


def _scaled(a: Pair, number: float) -> Pair:
    return Pair(a.re * number, a.im * number)


def _quarter(a: Pair, sign: int) -> Pair:
    """A quarter of a turn."""
    return Pair(a.im, -a.re) if sign < 0 else Pair(-a.im, a.re)


def _two(a: Sequence[Pair], _sign: int) -> Sequence[Pair]:
    return pair.add(a[0], a[1]), pair.subtract(a[0], a[1])


def _three(a: Sequence[Pair], sign: int) -> Sequence[Pair]:
    total = pair.add(a[1], a[2])
    middle = Pair(fma(total.re, -0.5, a[0].re), fma(total.im, -0.5, a[0].im))
    side = _quarter(_scaled(pair.subtract(a[1], a[2]), math.sqrt(0.75)), sign)
    return pair.add(a[0], total), pair.add(middle, side), pair.subtract(middle, side)


def _four(a: Sequence[Pair], sign: int) -> Sequence[Pair]:
    even, odd = _two([a[0], a[2]], sign), _two([a[1], a[3]], sign)
    side = _quarter(odd[1], sign)
    return (
        pair.add(even[0], odd[0]),
        pair.add(even[1], side),
        pair.subtract(even[0], odd[0]),
        pair.subtract(even[1], side),
    )


def _five(a: Sequence[Pair], sign: int) -> Sequence[Pair]:
    sums, gaps = _two([a[1], a[4]], sign), _two([a[2], a[3]], sign)
    cosines = [math.cos(2 * math.pi * k / 5) for k in (1, 2)]
    sines = [math.sin(2 * math.pi * k / 5) for k in (1, 2)]

    def mixed(x: Pair, y: Pair, c: float, d: float) -> Pair:
        return Pair(fma(x.re, c, y.re * d), fma(x.im, c, y.im * d))

    results = [reduce(pair.add, (a[0], sums[0], gaps[0]))]
    middle = [pair.add(a[0], mixed(sums[0], gaps[0], cosines[k], cosines[1 - k])) for k in (0, 1)]
    sides = [_quarter(mixed(sums[1], gaps[1], sines[0], sines[1]), sign),
             _quarter(mixed(sums[1], gaps[1], sines[1], -sines[0]), sign)]  # fmt: skip
    results += [pair.add(m, s) for m, s in zip(middle, sides, strict=True)]
    return [*results, pair.subtract(middle[1], sides[1]), pair.subtract(middle[0], sides[0])]


_BUTTERFLIES: dict[int, Callable[[Sequence[Pair], int], Sequence[Pair]]] = {
    2: _two,
    3: _three,
    4: _four,
    5: _five,
}
