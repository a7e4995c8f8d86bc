"""erf, logaddexp, logaddexp2, and fmod, remainder and floor_divide of floats, which are bit-equal to NumPy's.

Not here: the same of integers, which are formulas in the op's record.
"""

from weft.compiler.math import coefficients as table
from weft.compiler.math.exponential import LN2, exp, exp2, scaled
from weft.compiler.math.logarithm import LOG2_E, log1p
from weft.compiler.math.parts import (
    INFINITY,
    NAN,
    exact_product,
    exact_sum,
    fast_sum,
    flip_sign,
    format_of,
    larger,
    magnitude,
    polynomial,
    repeat,
    sign_of,
    with_sign,
)
from weft.compiler.math.power import log2_sum
from weft.ir import Expr
from weft.ir.expr import cast, constant, floor, fma, select, trunc
from weft.ir.types import F32, F64

ERF = {"f32": table.ERF_F32, "f64": table.ERF_F64}
ERFC = {"f32": table.ERFC_F32, "f64": table.ERFC_F64}
# from here on erf is 1 in the format
ERF_LIMIT = {"f32": 4.0, "f64": 6.0}


def erf(x: Expr) -> Expr:
    """The error function: an odd polynomial below 1, and 1 - exp(q(|x| - 1)) above."""
    name = x.dtype.name
    a = magnitude(x)
    z = x * x
    near = fma(x, polynomial(z, ERF[name]), x)
    capped = select(a.gt(ERF_LIMIT[name]), constant(a, ERF_LIMIT[name]), a)
    far = with_sign(1.0 - exp(polynomial(capped - 1.0, ERFC[name])), sign_of(x))
    return select(a.lt(1.0), near, far)


def logaddexp(x: Expr, y: Expr) -> Expr:
    """log(e**x + e**y) = the larger + log(1 + e**-gap)."""
    if x.dtype == F32:
        u, v = cast(x, F64), cast(y, F64)
        most = larger(u, v)
        value = most + log1p(exp(-magnitude(u - v)))
        return cast(add_special(u, v, most, value, most + LN2["f64"][0]), F32)
    most = larger(x, y)
    gap, gap_low = gap_of(x, y)
    factor, factor_low = LOG2_E["f64"]
    exponent, error = exact_product(gap, constant(gap, factor))
    high, low = log2_of_one_plus(exponent, error + fma(gap, factor_low, gap_low * factor))
    first, second = LN2["f64"]
    product, error = exact_product(high, constant(high, first))
    low = error + fma(high, second, low * first)
    return add_special(x, y, most, sum_of_three(most, product, low), most + first)


def logaddexp2(x: Expr, y: Expr) -> Expr:
    """log2(2**x + 2**y) = the larger + log2(1 + 2**-gap)."""
    if x.dtype == F32:
        u, v = cast(x, F64), cast(y, F64)
        most = larger(u, v)
        value = most + log1p(exp2(-magnitude(u - v))) * LOG2_E["f64"][0]
        return cast(add_special(u, v, most, value, most + 1.0), F32)
    most = larger(x, y)
    high, low = log2_of_one_plus(*gap_of(x, y))
    return add_special(x, y, most, sum_of_three(most, high, low), most + 1.0)


def gap_of(x: Expr, y: Expr) -> tuple[Expr, Expr]:
    """-|x - y| as a sum of two, its low part 0 where it is too large to matter; at least -2**11."""
    gap, error = exact_sum(x, -y)
    flip = ~sign_of(gap) & (1 << 63)
    gap, error = flip_sign(gap, flip), flip_sign(error, flip)
    far = gap.lt(-2048.0)
    return select(far, constant(x, -2048.0), gap), select(far, 0.0, error)


def sum_of_three(most: Expr, high: Expr, low: Expr) -> Expr:
    """most + (high + low), where most and high may cancel."""
    total, error = exact_sum(most, high)
    return total + (error + low)


def log2_of_one_plus(exponent: Expr, low: Expr) -> tuple[Expr, Expr]:
    """log2(1 + 2**(exponent + low)) of float64 as a sum of two, for exponent <= 0: about 2**-68 of it.

    So precise because the larger operand may cancel it; the result of logaddexp is within 4 ulp down to about
    1e-5.
    """
    form = format_of(exponent)
    shifter = form.shifter + 2 * form.bias
    bounded = select(exponent.lt(-1076.0), constant(exponent, -1076.0), exponent)
    shifted = bounded + shifter
    rest = bounded - (shifted - shifter)
    high = polynomial(rest, table.EXP2_TAIL_F64) * rest
    high_low = constant(rest, 0.0)
    for first, second in (*reversed(table.EXP2_HEAD_F64), (1.0, 0.0)):
        high, error = fast_sum(constant(rest, first), high)
        high_low = high_low + (error + second)
        if first != 1.0:
            product, error = exact_product(high, rest)
            high, high_low = product, fma(high_low, rest, error)
    # the low part of the exponent: times 1 + low * log(2)
    power_low = fma(high, low * LN2["f64"][0], high_low)
    power, power_low = scaled(high, shifted), scaled(power_low, shifted)
    total, error = fast_sum(constant(power, 1.0), power)
    error = error + power_low
    log_high, log_low = log2_sum(total)
    added = error / total
    # log2(total + error) = log2(total) + log2(e) * (error / total)
    return exact_sum(log_high, fma(added, LOG2_E["f64"][0], log_low))


def add_special(x: Expr, y: Expr, most: Expr, value: Expr, doubled: Expr) -> Expr:
    """Equal operands (infinities too) give `doubled`, NaN gives NaN, infinite operands the larger one."""
    value = select(magnitude(most).eq(INFINITY), most, value)
    value = select(x.eq(y), doubled, value)
    return select(x.ne(x) | y.ne(y), x + y, value)


# ---------------------------------------------------------------- remainders


def modulo(x: Expr, y: Expr) -> Expr:
    """|x| modulo |y|, exact; NaN for an infinite x, y == 0 or NaN.

    Each step takes r - trunc(r / d) * d by one fma, which is exact: the result is a multiple of the last bit
    of d (or of that times the quotient's, if the quotient was rounded) and smaller than d times it. It may be
    below 0 by that rounding. d is |y|, or |y| * 2**k while the quotient would overflow.
    """
    a, b = magnitude(x), magnitude(y)
    valid = a.lt(INFINITY) & b.gt(0.0)
    b = select(valid, b, 1.0)
    step = 2.0 ** (100 if x.dtype == F32 else 1000)

    def going(rest: Expr, divisor: Expr) -> Expr:
        return magnitude(rest).ge(divisor)

    def reduce(rest: Expr, divisor: Expr) -> tuple[Expr, Expr]:
        shifted = divisor
        for _ in range(2):
            larger_divisor = shifted * step
            shifted = select(larger_divisor.le(magnitude(rest)), larger_divisor, shifted)
        return fma(-trunc(rest / shifted), shifted, rest), divisor

    rest, _ = repeat((select(valid, a, 0.0), b), going, reduce)
    rest = select(rest.lt(0.0), rest + b, rest)
    return select(valid, rest, NAN)


def fmod(x: Expr, y: Expr) -> Expr:
    """Remainder with the sign of x."""
    return with_sign(modulo(x, y), sign_of(x))


def toward_divisor(rest: Expr, y: Expr) -> tuple[Expr, Expr]:
    """(whether it moved, the remainder of y's sign) from that of x's sign."""
    move = rest.ne(0.0) & (y.lt(0.0) ^ rest.lt(0.0))
    moved = select(move, rest + y, rest)
    return move, select(rest.eq(0.0), with_sign(magnitude(rest), sign_of(y)), moved)


def remainder(x: Expr, y: Expr) -> Expr:
    """x - y * floor(x / y), with the sign of y."""
    _, rest = toward_divisor(fmod(x, y), y)
    return rest


def floor_divide(x: Expr, y: Expr) -> Expr:
    """floor(x / y), in the steps of NumPy (and Python), so that it agrees with `remainder`."""
    rest = fmod(x, y)
    plain = x / y
    quotient = (x - rest) / y
    move, _ = toward_divisor(rest, y)
    quotient = select(move, quotient - 1.0, quotient)
    whole = floor(quotient)
    whole = select((quotient - whole).gt(0.5), whole + 1.0, whole)
    whole = select(quotient.eq(0.0), with_sign(magnitude(quotient), sign_of(plain)), whole)
    return select(y.eq(0.0), plain, whole)
