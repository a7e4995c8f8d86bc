"""power, cbrt, hypot.

power of float32 is computed in float64. That of float64 takes log2 |x| as a sum of two numbers (about 70
bits), as y times it may be near 1024.
"""

from weft.compiler.math import coefficients as table
from weft.compiler.math.exponential import EXP2_BOUNDS, scaled
from weft.compiler.math.logarithm import LOG2_E, split_exponent
from weft.compiler.math.parts import (
    INFINITY,
    NAN,
    clamp,
    exact_product,
    exact_sum,
    fast_sum,
    flip_sign,
    format_of,
    from_bits,
    larger,
    magnitude,
    polynomial,
    sign_of,
    smaller,
    to_bits,
)
from weft.ir import Expr
from weft.ir.expr import cast, constant, floor, fma, select, sqrt
from weft.ir.types import F32, F64

# 2/3, 2/5 and 2/7 as sums of two float64
TERMS = ((0.6666666666666666, 3.700743415417188e-17), (0.4, -2.2204460492503132e-17),
         (0.2857142857142857, 1.586032892321652e-17))  # fmt: skip
CBRT = {"f32": table.CBRT_F32, "f64": table.CBRT_F64}
CBRT_2, CBRT_4 = 1.2599210498948732, 1.5874010519681994


def power(x: Expr, y: Expr) -> Expr:
    """x ** y."""
    result = single_power(x, y) if x.dtype == F32 else double_power(x, y)
    return special_powers(x, y, result)


def special_powers(x: Expr, y: Expr, result: Expr) -> Expr:
    """|x| ** y with the sign of x ** y, and 1 and NaN where C says so."""
    whole = floor(y).eq(y)
    half = y * 0.5
    odd = whole & floor(half).ne(half)
    result = select(magnitude(x).eq(1.0), constant(x, 1.0), result)
    result = flip_sign(result, select(odd, sign_of(x), 0))
    result = select(x.lt(0.0) & x.gt(-INFINITY) & ~whole, constant(x, NAN), result)
    result = select(x.ne(x) | y.ne(y), x + y, result)
    return select(x.eq(1.0) | y.eq(0.0), constant(x, 1.0), result)


def logarithm_limits(a: Expr, value: Expr) -> Expr:
    """log2(a): -inf for 0 and inf for inf."""
    value = select(a.eq(0.0), constant(a, -INFINITY), value)
    return select(a.eq(INFINITY), a, value)


def single_power(x: Expr, y: Expr) -> Expr:
    """|x| ** y of float32, log2 and its product in float64."""
    a = cast(magnitude(x), F64)  # a denormal float32 is a normal float64
    mantissa, exponent, _ = split_exponent(a)
    f = mantissa - 1.0
    s = f / (f + 2.0)
    z = s * s
    value = fma(fma(z, polynomial(z, table.LOG_WIDE_F64), 2.0) * s, LOG2_E["f64"][0], exponent)
    target = clamp(logarithm_limits(a, value) * cast(y, F64), *EXP2_BOUNDS["f32"])
    form = format_of(x)
    count = (target + format_of(a).shifter) - format_of(a).shifter
    rest = cast(target - count, F32)
    shifted = cast(count, F32) + (form.shifter + 2 * form.bias)
    return scaled(fma(rest, polynomial(rest, table.EXP2_F32), 1.0), shifted)


def log2_sum(a: Expr) -> tuple[Expr, Expr]:
    """log2(a) = high + low of a positive float64, about 2**-68 of it.

    log(m) = 2 s + s z (2/3 + z (2/5 + z (2/7 + z q(z)))) with s = (m - 1) / (m + 1), z = s * s, s and the
    outer sums in two parts.
    """
    mantissa, exponent, _ = split_exponent(a, denormal=True)
    f = mantissa - 1.0
    divisor, more = fast_sum(constant(f, 2.0), f)
    s = f / divisor
    s_low = (fma(-s, divisor, f) - s * more) / divisor
    z, z_low = exact_product(s, s)
    z_low = fma(s + s, s_low, z_low)
    high, low = fast_sum(constant(z, TERMS[2][0]), z * polynomial(z, table.LOG_TAIL_F64))
    low = low + TERMS[2][1]
    for first, second in (TERMS[1], TERMS[0], (2.0, 0.0)):
        product, error = exact_product(high, z)
        error = error + fma(high, z_low, low * z)
        high, low = fast_sum(constant(z, first), product)
        low = low + (error + second if second else error)
    product, error = exact_product(high, s)
    error = error + fma(high, s_low, low * s)
    # times log2(e), and the exponent
    high, low = exact_product(product, constant(z, LOG2_E["f64"][0]))
    low = low + fma(product, LOG2_E["f64"][1], error * LOG2_E["f64"][0])
    total, rest = exact_sum(exponent, high)
    return total, rest + low


def double_power(x: Expr, y: Expr) -> Expr:
    """|x| ** y of float64."""
    a = magnitude(x)
    high, low = log2_sum(a)
    high = logarithm_limits(a, high)
    target, error = exact_product(high, y)
    error = fma(low, y, error)
    bounded = clamp(target, *EXP2_BOUNDS["f64"])
    error = select(bounded.eq(target), error, 0.0)
    form = format_of(x)
    shifted = bounded + (form.shifter + 2 * form.bias)
    rest = bounded - (shifted - (form.shifter + 2 * form.bias))
    # 2**(rest + error) = 2**rest * (1 + error * log(2))
    grown = polynomial(rest, table.EXP2_F64)
    most = fma(rest, grown, 1.0)
    return scaled(fma(most, error * 0.6931471805599453, fma(rest, grown, 1.0 - most)) + most, shifted)


def cbrt(x: Expr) -> Expr:
    """Cube root: a polynomial for the mantissa, then Halley's and Newton's steps."""
    form = format_of(x)
    wide = form.name == "f64"
    a = magnitude(x)
    tiny = a.lt(form.smallest_normal)
    b = select(tiny, a * 2.0**54, a)
    bits = to_bits(b)
    biased = from_bits(
        (bits >> form.fraction_bits) | ((form.bias + form.fraction_bits) << form.fraction_bits), form
    )
    # biased exponent plus what makes it a multiple of 3 above 0: exact thirds by floor of a product
    exponent = biased - (form.shifter / 1.5 + form.bias)
    third = floor(fma(exponent, 1.0 / 3.0, 1.0 / 6.0))
    rest = fma(third, -3.0, exponent)
    mantissa = from_bits((bits & form.fraction_mask) | form.one_bits, form)
    one, two = rest.eq(1.0), rest.eq(2.0)
    m = mantissa * select(one, constant(x, 2.0), select(two, constant(x, 4.0), 1.0))
    guess = polynomial(mantissa, CBRT[form.name])
    guess = guess * select(one, constant(x, CBRT_2), select(two, constant(x, CBRT_4), 1.0))
    cube = guess * guess * guess
    if wide:  # Halley: the error is cubed
        guess = guess - guess * (cube - m) / fma(cube, 2.0, m)
    # Newton with the exact residual guess**3 - m
    square, error = exact_product(guess, guess)
    residual = fma(square, guess, -m) + error * guess
    root = guess - residual / (square * 3.0)
    shifted = third + (form.shifter + form.bias)
    scale = from_bits(to_bits(shifted) << form.fraction_bits, form)
    result = root * scale * select(tiny, constant(x, 2.0**-18), 1.0)
    result = select(a.eq(0.0) | ~a.lt(INFINITY), a, result)
    return from_bits(to_bits(result) | sign_of(x), form)


def hypot(x: Expr, y: Expr) -> Expr:
    """sqrt(x * x + y * y); inf if either is, even beside NaN."""
    a, b = magnitude(x), magnitude(y)
    infinite = a.eq(INFINITY) | b.eq(INFINITY)
    if x.dtype == F32:
        c, d = cast(a, F64), cast(b, F64)
        result = cast(sqrt(fma(c, c, d * d)), F32)
    else:
        most, least = larger(a, b), smaller(b, a)
        scale = select(
            most.gt(2.0**500), constant(x, 2.0**-600), select(most.lt(2.0**-400), constant(x, 2.0**600), 1.0)
        )
        back = select(
            most.gt(2.0**500), constant(x, 2.0**600), select(most.lt(2.0**-400), constant(x, 2.0**-600), 1.0)
        )
        c, d = most * scale, least * scale
        result = sqrt(fma(c, c, d * d)) * back
    return select(infinite, constant(x, INFINITY), result)
