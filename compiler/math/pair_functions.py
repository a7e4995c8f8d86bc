"""Complex exp, log, sqrt, power, trigonometric, hyperbolic functions and their inverses, on pairs of lanes.

In terms of real functions, which `lower_math` expands later. Special values are those of C99 (annex G), which
NumPy follows. Not here: arithmetic (`pair.py`).
"""

from collections.abc import Callable

from weft.compiler.math.pair import Pair, choose, multiply, reciprocal
from weft.compiler.math.parts import INFINITY, exact_product, format_of
from weft.ir import Expr
from weft.ir.expr import absolute, constant, copysign, fma, select, sqrt

LN2 = 0.6931471805599453
LOG2_E, LOG10_E = 1.4426950408889634, 0.4342944819032518
PI = 3.141592653589793
_LARGE = {"f32": 80.0, "f64": 700.0}  # beyond, e**x may overflow where e**x times a sine does not


def _times(size: Expr, factor: Expr) -> Expr:
    """size * factor, an infinite size times an exact 0 being 0."""
    return select(factor.eq(0.0), factor, size * factor)


def _scaled(x: Expr, factor: Expr) -> Expr:
    """e**x * factor without overflow in between; of e**-inf it is a zero whatever the factor."""
    half = (x * 0.5).apply("exp")
    usual = select(
        absolute(x).gt(_LARGE[x.dtype.name]),
        _times(half, _times(half, factor)),
        _times(x.apply("exp"), factor),
    )
    zero = copysign(constant(x, 0.0), factor)
    return select(x.eq(-INFINITY), zero, usual)


def exp(a: Pair) -> Pair:
    """e ** a."""
    cosine, sine = a.im.apply("cos"), a.im.apply("sin")
    re = _scaled(a.re, cosine)
    lost = a.re.eq(INFINITY) & ~absolute(a.im).lt(INFINITY)  # an infinity of no direction
    return Pair(select(lost, constant(re, INFINITY), re), select(a.im.eq(0.0), a.im, _scaled(a.re, sine)))


def exp2(a: Pair) -> Pair:
    """2 ** a."""
    return exp(Pair(a.re * LN2, a.im * LN2))


def expm1(a: Pair) -> Pair:
    """e ** a - 1, exact near 0."""
    half, power = (a.im * 0.5).apply("sin"), exp(a)
    re = a.re.apply("expm1") * a.im.apply("cos") - 2.0 * half * half
    return Pair(select(absolute(a.re).eq(INFINITY), power.re - 1.0, re), power.im)


# ---------------------------------------------------------------- logarithms


def _log_magnitude(a: Pair) -> Expr:
    """log |a|: near 1 by log1p of |a|**2 - 1, whose products are exact; else scaled to be in range."""
    x, y = absolute(a.re), absolute(a.im)
    swap = y.gt(x)
    big, small = select(swap, y, x), select(swap, x, y)
    size = big.apply("hypot", small)
    form = format_of(big)
    huge, tiny = 2.0 ** (form.bias - 2), 2.0 ** -(form.bias - form.fraction_bits - 2)
    up = 2.0 ** (2 * form.fraction_bits)
    is_huge, is_tiny = big.gt(huge) & big.lt(INFINITY), big.lt(tiny)
    factor = select(is_huge, constant(big, 0.25), select(is_tiny, constant(big, up), constant(big, 1.0)))
    shift = select(
        is_huge,
        constant(big, 2 * LN2),
        select(is_tiny, constant(big, -2 * form.fraction_bits * LN2), constant(big, 0.0)),
    )
    far = (big * factor).apply("hypot", small * factor).apply("log") + shift
    # big**2 + small**2 - 1 with the errors of both products and of the sums
    p, p_error = exact_product(big - 1.0, big + 1.0)
    q, q_error = exact_product(small, small)
    total = p + q
    part = total - p
    total_error = (p - (total - part)) + (q - part)
    near = (total + (total_error + (p_error + q_error))).apply("log1p") * 0.5
    return select(size.gt(0.5) & size.lt(2.0), near, far)


def log(a: Pair) -> Pair:
    """Natural logarithm, the imaginary part in [-pi, pi]."""
    return Pair(_log_magnitude(a), a.im.apply("arctan2", a.re))


def scaled_log(factor: float) -> Callable[[Pair], Pair]:
    """Logarithm of another base."""

    def rule(a: Pair) -> Pair:
        re, im = log(a)
        return Pair(re * factor, im * factor)

    return rule


def log1p(a: Pair) -> Pair:
    """log(1 + a), exact near 0."""
    x, y = a
    shifted = x + 1.0
    small = fma(x, x + 2.0, y * y)  # |1 + a|**2 - 1
    near = absolute(x).lt(0.5) & absolute(y).lt(0.5)
    re = select(near, small.apply("log1p") * 0.5, _log_magnitude(Pair(shifted, y)))
    return Pair(re, y.apply("arctan2", shifted))


# ---------------------------------------------------------------- powers


def sqrt_(a: Pair) -> Pair:
    """Square root with a real part that is not negative, scaled so that |a| stays in range."""
    form = format_of(a.re)
    x, y = absolute(a.re), absolute(a.im)
    big = select(x.gt(y), x, y)
    huge = big.gt(2.0 ** (form.bias - 2))
    tiny = big.lt(form.smallest_normal * 4.0)
    even = form.fraction_bits + form.fraction_bits % 2 + 2
    factor = select(huge, constant(x, 0.25), select(tiny, constant(x, 2.0**even), constant(x, 1.0)))
    back = select(huge, constant(x, 2.0), select(tiny, constant(x, 2.0 ** (-even // 2)), constant(x, 1.0)))
    u, v = x * factor, y * factor
    root = sqrt((u.apply("hypot", v) + u) * 0.5)
    safe = select(root.eq(0.0), constant(root, 1.0), root)
    other = (v / safe) * 0.5
    positive = ~a.re.lt(0.0)
    re, im = select(positive, root, other) * back, select(positive, other, root) * back
    infinite, infinity = y.eq(INFINITY), constant(x, INFINITY)
    down = a.re.eq(-INFINITY)
    re = select(
        infinite | a.re.eq(INFINITY), infinity, select(down, select(y.eq(y), constant(x, 0.0), y), re)
    )
    im = select(infinite | down, infinity, select(a.re.eq(INFINITY) & y.eq(y), constant(x, 0.0), im))
    return Pair(re, copysign(im, a.im))


def power(a: Pair, b: Pair) -> Pair:
    """a ** b: integers below 100 by squaring, as NumPy; else e ** (b log a)."""
    whole = b.im.eq(0.0) & b.re.apply("rint").eq(b.re) & absolute(b.re).lt(100.0)
    one, nothing = constant(a.re, 1.0), constant(a.re, 0.0)
    rest = select(whole, absolute(b.re), nothing)
    result, base = Pair(one, nothing), a
    for bit in range(7):
        half = (rest * 0.5).apply("floor")
        result = choose((rest - half * 2.0).eq(1.0), multiply(result, base), result)
        rest, base = half, multiply(base, base) if bit < 6 else base
    result = choose(absolute(b.re).eq(1.0), a, result)
    small = choose(b.re.lt(0.0), reciprocal(result), result)
    general = exp(multiply(log(a), b))
    zero_base = a.re.eq(0.0) & a.im.eq(0.0)
    nan = constant(a.re, float("nan"))
    vanishing = b.re.gt(0.0)
    of_zero = Pair(select(vanishing, nothing, nan), select(vanishing, nothing, nan))
    result = choose(whole, small, general)
    result = choose(zero_base, of_zero, result)
    return choose(b.re.eq(0.0) & b.im.eq(0.0), Pair(one, nothing), result)


# ---------------------------------------------------------------- hyperbolic and trigonometric


def _hyperbolic(a: Pair) -> tuple[Expr, Expr, Expr, Expr]:
    """sinh x cos y, cosh x sin y, cosh x cos y, sinh x sin y, without overflow where e**x alone overflows."""
    x, y = a
    cosine, sine = y.apply("cos"), y.apply("sin")
    sine = select(y.eq(0.0), y, sine)
    size = absolute(x)
    large = size.gt(_LARGE[x.dtype.name])
    half = (size * 0.5).apply("exp")

    def grown(factor: Expr, of_x: Expr) -> Expr:
        return (
            _times(half, _times(half, factor * 0.5))
            if of_x is size
            else copysign(constant(x, 1.0), x) * _times(half, _times(half, factor * 0.5))
        )

    high, low = x.apply("cosh"), x.apply("sinh")
    return (
        select(
            large,
            grown(cosine, x),
            select(low.eq(0.0) & (cosine.eq(cosine)), low * cosine, _times(low, cosine)),
        ),
        select(large, grown(sine, size), _times(high, sine)),
        select(large, grown(cosine, size), _times(high, cosine)),
        select(
            large,
            grown(sine, x),
            _times(low, sine) * select(sine.eq(0.0), copysign(constant(x, 1.0), x), constant(x, 1.0)),
        ),
    )


def _sine(y: Expr) -> Expr:
    """Sine, or `y` itself where it has none: for a sign."""
    return select(absolute(y).lt(INFINITY), y.apply("sin"), y)


def sinh(a: Pair) -> Pair:
    """Hyperbolic sine."""
    low_cosine, high_sine, _, _ = _hyperbolic(a)
    vague = ~absolute(a.im).lt(INFINITY)
    re = select(vague & a.re.eq(0.0), a.re, low_cosine)
    return Pair(select(vague & absolute(a.re).eq(INFINITY), a.re, re), high_sine)


def cosh(a: Pair) -> Pair:
    """Hyperbolic cosine."""
    _, _, high_cosine, low_sine = _hyperbolic(a)
    vague = ~absolute(a.im).lt(INFINITY)
    re = select(vague & absolute(a.re).eq(INFINITY), constant(a.re, INFINITY), high_cosine)
    still = a.re.eq(0.0) | a.im.eq(0.0)
    zero = copysign(constant(a.re, 0.0), a.re) * copysign(constant(a.re, 1.0), _sine(a.im))
    return Pair(re, select(still & (a.re.eq(0.0) | a.re.eq(a.re)), zero, low_sine))


def tanh(a: Pair) -> Pair:
    """Hyperbolic tangent. Source: Kahan 1987; beyond 20 the real part is 1 and the imaginary one tiny."""
    x, y = a
    size = absolute(x)
    far = size.gt(20.0)
    near = select(far, constant(x, 0.0), x)
    cosine, sine = y.apply("cos"), y.apply("sin")
    s, c = near.apply("sinh"), near.apply("cosh")
    divisor = fma(s, s, cosine * cosine)  # |cosh|**2
    re, im = s * c / divisor, sine * cosine / divisor
    decay = (size * -2.0).apply("exp") * 4.0
    finite = absolute(y).lt(INFINITY)
    direction = copysign(constant(x, 1.0), x)
    small = select(finite, sine * cosine * decay, copysign(constant(x, 0.0), y))
    small = select(size.eq(INFINITY), copysign(constant(x, 0.0), select(finite, sine * cosine, y)), small)
    no_number = y - y  # where y is not finite
    re = select(far, select(finite | size.eq(INFINITY), direction, no_number), re)
    im = select(far, select(finite | size.eq(INFINITY), small, no_number), im)
    still = y.eq(0.0)
    return Pair(select(near.eq(0.0) & ~far, x, re), select(still, y, im))


def _turned(function: Callable[[Pair], Pair]) -> Callable[[Pair], Pair]:
    """f(a) = -i g(i a): sin from sinh, tan from tanh, and their inverses."""

    def rule(a: Pair) -> Pair:
        re, im = function(Pair(-a.im, a.re))
        return Pair(im, -re)

    return rule


def cos(a: Pair) -> Pair:
    """cosh(i a)."""
    return cosh(Pair(-a.im, a.re))


sin, tan = _turned(sinh), _turned(tanh)


# ---------------------------------------------------------------- inverses


def _inverse(a: Pair) -> tuple[Expr, Expr, Expr]:
    """Of |re| and |im|: arcsin's and arccos's real parts and the imaginary part of both.

    Source: Hull, Fairgrieve, Tang 1997, without its cases for sizes near the ends of the range, where both
    are logarithms of the scaled size.
    """
    x, y = absolute(a.re), absolute(a.im)
    form = format_of(x)
    r, s = (x + 1.0).apply("hypot", y), (x - 1.0).apply("hypot", y)
    middle = (r + s) * 0.5
    share = x / middle
    sum_x = middle + x
    inside = x.le(1.0)
    y_square = y * y
    first, second = y_square / (r + (x + 1.0)), s + (1.0 - x)
    other = s + (x - 1.0)
    other_safe = select(other.eq(0.0), constant(x, 1.0), other)
    second_safe = select(second.eq(0.0), constant(x, 1.0), second)
    near = sqrt(0.5 * sum_x * (first + second))
    out = y * sqrt(0.5 * (sum_x / (r + (x + 1.0)) + sum_x / other_safe))
    across = select(inside, near, out)
    steep = share.gt(0.6417)
    sine = select(steep, x.apply("arctan2", across), share.apply("arcsin"))
    cosine = select(steep, across.apply("arctan2", x), share.apply("arccos"))
    above = (
        select(
            x.lt(1.0), first + select(second.eq(0.0), constant(x, 0.0), y_square / second_safe), first + other
        )
        * 0.5
    )
    height = select(
        middle.le(1.5),
        (above + sqrt(above * (middle + 1.0))).apply("log1p"),
        (middle + sqrt(middle * middle - 1.0)).apply("log"),
    )
    # x = 1 and tiny y: y**2 vanishes, but its root does not
    edge = x.eq(1.0) & y.lt(2.0 ** -(form.fraction_bits // 2 + 2))
    height = select(edge, sqrt(y), height)
    flat = x.lt(1.0) & y.lt(form.smallest_normal * 2.0**form.fraction_bits)
    height = select(flat, y / sqrt((1.0 - x) * (1.0 + x)), height)
    limit = 2.0 ** (form.fraction_bits + 4)
    far = ~(x.lt(limit) & y.lt(limit))
    far_height = _log_magnitude(Pair(x, y)) + LN2
    infinite = x.eq(INFINITY) | y.eq(INFINITY)
    far_height = select(infinite, constant(x, INFINITY), far_height)
    return (
        select(far, x.apply("arctan2", y), sine),
        select(far, y.apply("arctan2", x), cosine),
        select(far, far_height, height),
    )


def arcsin(a: Pair) -> Pair:
    """Inverse sine."""
    sine, _, height = _inverse(a)
    sine = select(a.re.eq(0.0) & a.im.ne(a.im), constant(sine, 0.0), sine)
    return Pair(copysign(sine, a.re), copysign(height, a.im))


def arccos(a: Pair) -> Pair:
    """Inverse cosine."""
    _, cosine, height = _inverse(a)
    re = select(a.re.lt(0.0), PI - cosine, cosine)
    re = select(a.re.eq(0.0) & ~absolute(a.im).eq(INFINITY), constant(re, PI / 2), re)
    return Pair(re, copysign(height, -a.im))


arcsinh = _turned(lambda a: arcsin(Pair(a.re, a.im)))


def arccosh(a: Pair) -> Pair:
    """Inverse hyperbolic cosine: that of cosine turned into the right half plane."""
    re, im = arccos(a)
    lost = re.ne(re)
    return Pair(absolute(im), select(lost, re, copysign(re, a.im)))


def arctanh(a: Pair) -> Pair:
    """Inverse hyperbolic tangent. Source: Kahan 1987, with log1p for the real part."""
    x, y = absolute(a.re), absolute(a.im)
    form = format_of(x)
    limit = 2.0 ** (form.fraction_bits + 4)
    far = ~(x.lt(limit) & y.lt(limit))
    gap = 1.0 - x
    squares = fma(gap, gap, y * y)
    safe = select(squares.eq(0.0), constant(x, 1.0), squares)
    near_re = select(squares.eq(0.0), constant(x, INFINITY), (4.0 * x / safe).apply("log1p") * 0.25)
    tiny = x.eq(1.0) & y.lt(2.0 ** -(form.fraction_bits + 2)) & y.gt(0.0)
    near_re = select(tiny, -0.5 * (y.apply("log") - LN2), near_re)
    near_im = (2.0 * y).apply("arctan2", fma(gap, 1.0 + x, -(y * y))) * 0.5
    infinite = x.eq(INFINITY) | y.eq(INFINITY)
    far_re = select(infinite, constant(x, 0.0), reciprocal(Pair(x, y)).re)
    re = copysign(select(far, far_re, near_re), a.re)
    im = copysign(select(far & y.eq(y) & (x.eq(x) | y.eq(INFINITY)), constant(x, PI / 2), near_im), a.im)
    return Pair(select(a.re.eq(0.0) & y.ne(y), a.re, re), im)


arctan = _turned(arctanh)
