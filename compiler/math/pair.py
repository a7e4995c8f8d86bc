"""Complex arithmetic on pairs of real lanes: sums, products, quotients, comparisons, choice.

The bits are those of NumPy's loops over arrays on x86-64-v3: products are two fused multiply-adds, quotients
Smith's. Written for lanes of any width, without branches. Not here: exp, log and their kin
(`pair_functions.py`), nor where pairs come from (`compiler/passes/split_complex.py`).
"""

from collections.abc import Callable
from typing import NamedTuple

from weft.compiler.math.parts import INFINITY, NAN
from weft.ir import Expr
from weft.ir.expr import absolute, constant, fma, select


class Pair(NamedTuple):
    """The real and the imaginary part of complex lanes."""

    re: Expr
    im: Expr


def choose(mask: Expr, a: Pair, b: Pair) -> Pair:
    """`a` where the mask holds, else `b`."""
    return Pair(select(mask, a.re, b.re), select(mask, a.im, b.im))


def is_nan(a: Pair) -> Expr:
    """Whether a part is NaN."""
    return a.re.ne(a.re) | a.im.ne(a.im)


# ---------------------------------------------------------------- arithmetic


def add(a: Pair, b: Pair) -> Pair:
    """Sum."""
    return Pair(a.re + b.re, a.im + b.im)


def subtract(a: Pair, b: Pair) -> Pair:
    """Difference."""
    return Pair(a.re - b.re, a.im - b.im)


def negative(a: Pair) -> Pair:
    """Both parts with the other sign."""
    return Pair(-a.re, -a.im)


def conjugate(a: Pair) -> Pair:
    """Minus the imaginary part."""
    return Pair(a.re, -a.im)


def multiply(a: Pair, b: Pair) -> Pair:
    """Product, each part with one rounding less than by four products."""
    return Pair(fma(a.re, b.re, -(a.im * b.im)), fma(a.re, b.im, a.im * b.re))


def multiply_add(a: Pair, b: Pair, c: Pair) -> Pair:
    """a * b + c, as dot adds products: four fused multiply-adds."""
    return Pair(fma(-a.im, b.im, fma(a.re, b.re, c.re)), fma(a.im, b.re, fma(a.re, b.im, c.im)))


def square(a: Pair) -> Pair:
    """a * a."""
    return multiply(a, a)


def divide(a: Pair, b: Pair) -> Pair:
    """Quotient. Source: Smith 1962, with one division for the scale, as NumPy does it.

    By 0: both parts by +0.0.
    """
    size_re, size_im = absolute(b.re), absolute(b.im)
    by_real = size_re.ge(size_im)
    large, small = select(by_real, b.re, b.im), select(by_real, b.im, b.re)
    ratio = small / large
    scale = 1.0 / (large + small * ratio)
    re = select(by_real, a.re + a.im * ratio, a.re * ratio + a.im) * scale
    im = select(by_real, a.im - a.re * ratio, a.im * ratio - a.re) * scale
    is_zero = size_re.eq(0.0) & size_im.eq(0.0)
    return Pair(select(is_zero, a.re / size_re, re), select(is_zero, a.im / size_re, im))


def reciprocal(a: Pair) -> Pair:
    """1 / a. Source: Smith 1962."""
    by_real = absolute(a.im).le(absolute(a.re))
    large, small = select(by_real, a.re, a.im), select(by_real, a.im, a.re)
    ratio = small / large
    divisor = large + small * ratio
    return Pair(
        select(by_real, 1.0 / divisor, ratio / divisor),
        select(by_real, -ratio, constant(ratio, -1.0)) / divisor,
    )


def magnitude(a: Pair) -> Expr:
    """sqrt(re**2 + im**2) without overflow."""
    return a.re.apply("hypot", a.im)


def sign(a: Pair) -> Pair:
    """a / |a|; 0 for 0, the unit along the axis for one infinite part, NaN for two."""
    size = magnitude(a)
    infinite, zero = size.eq(INFINITY), size.eq(0.0)
    safe = select(infinite | zero, constant(size, 1.0), size)
    inf_re, inf_im = absolute(a.re).eq(INFINITY), absolute(a.im).eq(INFINITY)
    nothing, one, nan = constant(size, 0.0), constant(size, 1.0), constant(size, NAN)
    unit_re = select(inf_re, select(a.re.gt(0.0), one, -one), nothing)
    unit_im = select(inf_im, select(a.im.gt(0.0), one, -one), nothing)
    both = inf_re & inf_im
    re = select(both, nan, select(infinite, unit_re, select(zero, nothing, a.re / safe)))
    im = select(both, nan, select(infinite, unit_im, select(zero, nothing, a.im / safe)))
    lost = size.ne(size)
    return Pair(select(lost, nan, re), select(lost, nan, im))


# ---------------------------------------------------------------- comparison


def equal(a: Pair, b: Pair) -> Expr:
    """Whether both parts are equal."""
    return a.re.eq(b.re) & a.im.eq(b.im)


def not_equal(a: Pair, b: Pair) -> Expr:
    """Whether a part differs."""
    return a.re.ne(b.re) | a.im.ne(b.im)


def ordered(strict: str, last: str) -> Callable[[Pair, Pair], Expr]:
    """The lexicographic order: by real parts, unless an imaginary part is NaN, then by imaginary ones."""

    def rule(a: Pair, b: Pair) -> Expr:
        known = a.im.eq(a.im) & b.im.eq(b.im)
        return (a.re.apply(strict, b.re) & known) | (a.re.eq(b.re) & a.im.apply(last, b.im))

    return rule


LESS_EQUAL, GREATER_EQUAL = ordered("less", "less_equal"), ordered("greater", "greater_equal")


def extreme(relation: Callable[[Pair, Pair], Expr]) -> Callable[[Pair, Pair], Pair]:
    """The one that stands in the relation; with NaN in either, the first such."""
    return lambda a, b: choose(relation(a, b) | is_nan(a), a, b)


def extreme_ignoring_nan(relation: Callable[[Pair, Pair], Expr]) -> Callable[[Pair, Pair], Pair]:
    """The one that stands in the relation; with NaN in one, the other."""
    return lambda a, b: choose(relation(a, b) | is_nan(b), a, b)


def is_infinite(a: Pair) -> Expr:
    """Whether a part is infinite."""
    return absolute(a.re).eq(INFINITY) | absolute(a.im).eq(INFINITY)


def is_finite(a: Pair) -> Expr:
    """Whether both parts are numbers and finite."""
    return absolute(a.re).lt(INFINITY) & absolute(a.im).lt(INFINITY)
