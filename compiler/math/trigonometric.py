"""sin, cos, tan and their inverses, for arguments of any size.

x is reduced to r = x - n * pi/2, |r| <= pi/4, with r a sum high + low: by three fma where n is small, and
otherwise, if any lane is large, by products with the bits of 2/pi (Payne and Hanek 1983).
"""

from weft.compiler.math import coefficients as table
from weft.compiler.math.parts import (
    FORMATS,
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
    where_any,
    with_sign,
)
from weft.compiler.math.two_over_pi import TWO_OVER_PI_LIMBS, TWO_OVER_PI_ROWS
from weft.ir import Expr
from weft.ir.dataclass import dataclass
from weft.ir.expr import cast, constant, fma, lookup, rint, select, sqrt
from weft.ir.types import F32, F64, I32, I64, U64

TWO_OVER_PI = 0.6366197723675814
# pi/2 as a sum of numbers of the format
HALF_PI = {"f32": (1.5707963705062866211, -4.3711388286737928865e-8, -1.7151245100058818728e-15),
           "f64": (1.570796326794896558, 6.1232339957367660359e-17, -1.4973849048591698329e-33)}  # fmt: skip
# above, n * pi/2 loses bits that the result needs, or n may be too far from the nearest integer
LARGE = {"f32": 2.0**15, "f64": 2.0**30}
LIMB_BITS = 28
LIMB_MASK = (1 << LIMB_BITS) - 1
LIMBS = 7  # of x * 2/pi: one of the integer part and 168 bits of the fraction; 62 may cancel


@dataclass(frozen=True, slots=True)
class Reduced:
    """x = quadrant * pi/2 + high + low; the quadrant is an unsigned integer, to be taken modulo 4."""

    high: Expr
    low: Expr
    quadrant: Expr


def reduce_angle(x: Expr) -> Reduced:
    """`x` reduced to |high| <= pi/4, for any x; NaN if x is not finite."""
    form = format_of(x)
    first, second, third = HALF_PI[form.name]
    shifted = fma(x, TWO_OVER_PI, form.shifter)
    count = shifted - form.shifter
    rest = fma(count, -first, x)
    product, beyond = exact_product(count, constant(x, second))
    high, error = exact_sum(rest, -product)
    low = error - fma(count, third, beyond)
    slow = reduce_large_single if form.name == "f32" else reduce_large_double
    large = magnitude(x).gt(LARGE[form.name])
    return Reduced(*where_any(large, (x,), slow, (high, low, to_bits(shifted))))


def reduce_large_single(x: Expr) -> tuple[Expr, Expr, Expr]:
    """High, low, quadrant of a large float32.

    |x| = m * 2**k with an integer m below 2**24; row k of the table holds 2**k * 2/pi modulo 4 as a float64
    of 29 bits, so that its product with m is exact, and another of the 53 bits below.
    """
    form = FORMATS["f32"]
    bits = to_bits(x)
    whole = from_bits((bits & form.fraction_mask) | ((form.bias + 23) << 23), form)
    scaled = with_sign(whole, bits & form.sign_mask)
    m = cast(scaled, F64)
    row = cast((bits >> 23) & 0xFF, I64) - (form.bias + 15)
    row = select(row.lt(0), constant(row, 0), row)
    row = (
        select(row.gt(len(TWO_OVER_PI_ROWS) // 2 - 1), constant(row, len(TWO_OVER_PI_ROWS) // 2 - 1), row)
        << 1
    )
    product = m * lookup(TWO_OVER_PI_ROWS, F64, row)
    below = m * lookup(TWO_OVER_PI_ROWS, F64, row + 1)
    count = rint(product + below)
    angle = ((product - count) + below) * (HALF_PI["f64"][0])
    high = cast(angle, F32)
    low = cast(angle - cast(high, F64), F32)
    return high + (x - x), low, to_bits(cast(count, I32))


def reduce_large_double(x: Expr) -> tuple[Expr, Expr, Expr]:
    """High, low, quadrant of a large float64, in limbs of 28 bits.

    |x| = m * 2**(28 * q + s) with s < 28: the limbs of m * 2**s times a window of 2/pi, of which limb j is
    the bits from 2**(-28 * j) down. Products whose weight is a multiple of 2**28 are left out: they are whole
    turns.
    """
    form = FORMATS["f64"]
    bits = to_bits(x)
    biased = (bits >> 52) & 0x7FF
    # exponent of the last bit of m, plus 28 so that it is positive; (e * 2341) >> 16 is e // 28 below 1024
    exponent = biased - (form.bias + 52 - LIMB_BITS)
    exponent = select(exponent.gt(1023), constant(exponent, 0), exponent)  # small x and inf: any row
    row = (exponent * 2341) >> 16
    shift = exponent - row * LIMB_BITS
    m = (bits & form.fraction_mask) | (1 << 52)
    lower = (m & LIMB_MASK) << shift
    upper = ((m >> LIMB_BITS) << shift) + (lower >> LIMB_BITS)
    parts = (lower & LIMB_MASK, upper & LIMB_MASK, upper >> LIMB_BITS)
    index = cast(row, I64)
    window = [lookup(TWO_OVER_PI_LIMBS, U64, index + i) for i in range(LIMBS + 2)]
    # limb i of the product has weight 2**(-28 * i)
    sums = [parts[0] * window[i] + parts[1] * window[i + 1] + parts[2] * window[i + 2] for i in range(LIMBS)]
    for i in range(LIMBS - 1, 0, -1):
        sums[i - 1] = sums[i - 1] + (sums[i] >> LIMB_BITS)
    limbs = [s & LIMB_MASK for s in sums]
    up = limbs[1] >> (LIMB_BITS - 1)
    quadrant = limbs[0] + up
    high, low = fraction_to_angle(limbs[1:], up)
    sign = bits & form.sign_mask
    negative = sign.ne(0)
    quadrant = select(negative, constant(quadrant, 0) - quadrant, quadrant)
    return flip_sign(high, sign) + (x - x), flip_sign(low, sign), quadrant


def fraction_to_angle(limbs: list[Expr], up: Expr) -> tuple[Expr, Expr]:
    """(0.limbs - up) * pi/2 as high + low."""
    form = FORMATS["f64"]

    def to_float(limb: Expr, scale: float) -> Expr:
        return (from_bits(limb | ((form.bias + 52) << 52), form) - 2.0**52) * scale

    total = to_float(limbs[0], 2.0**-LIMB_BITS) - to_float(up, 1.0)
    low = constant(total, 0.0)
    for i, limb in enumerate(limbs[1:-1], start=2):
        total, error = fast_sum(total, to_float(limb, 2.0 ** (-LIMB_BITS * i)))
        low = low + error
    low = low + to_float(limbs[-1], 2.0 ** (-LIMB_BITS * len(limbs)))
    first, second, _ = HALF_PI["f64"]
    high = total * first
    return high, fma(total, first, -high) + fma(total, second, low * first)


# ---------------------------------------------------------------- sin, cos, tan


def sin_of(r: Expr, low: Expr) -> Expr:
    """Sine of r + low, for |r| <= pi/4 and a tiny low."""
    z = r * r
    odd = table.SIN_F32 if r.dtype == F32 else table.SIN_F64
    if r.dtype == F32:
        return r + fma(r * z, polynomial(z, odd), low)
    # low * cos(r) with cos(r) = 1 - z/2
    return r + fma(r * z, polynomial(z, odd), fma(z * -0.5, low, low))


def cos_of(r: Expr, low: Expr) -> Expr:
    """Cosine of r + low, for |r| <= pi/4 and a tiny low."""
    z = r * r
    half = z * 0.5
    even = table.COS_F32 if r.dtype == F32 else table.COS_F64
    # 1 - z/2 in two parts, so that its rounding error is not lost
    most = 1.0 - half
    error = (1.0 - most) - half
    return most + fma(z * z, polynomial(z, even), fma(-r, low, error))


def sin(x: Expr, angle: Reduced | None = None) -> Expr:
    """Sine; `angle` is `reduce_angle(x)`, if that is there."""
    turned = by_quadrant(angle or reduce_angle(x), 0)
    return select(x.eq(0.0), x, turned)  # -0


def cos(x: Expr, angle: Reduced | None = None) -> Expr:
    """Cosine."""
    return by_quadrant(angle or reduce_angle(x), 1)


def by_quadrant(angle: Reduced, turn: int) -> Expr:
    """sin of the angle plus `turn` quadrants."""
    form = format_of(angle.high)
    quadrant = angle.quadrant + turn if turn else angle.quadrant
    odd = (quadrant & 1).ne(0)
    value = select(odd, cos_of(angle.high, angle.low), sin_of(angle.high, angle.low))
    return flip_sign(value, (quadrant & 2) << (form.dtype.bits - 2))


def tan(x: Expr, angle: Reduced | None = None) -> Expr:
    """Tangent: that of r, or minus its reciprocal in odd quadrants."""
    angle = angle or reduce_angle(x)
    odd = (angle.quadrant & 1).ne(0)
    r, low = angle.high, angle.low
    if x.dtype == F32:
        z = r * r
        part = r * z * polynomial(z, table.TAN_F32)
        rough = r + part
        # tan(r + low) = tan(r) + low * (1 + tan(r)**2)
        value = r + (part + fma(low, rough * rough, low))
        result = select(odd, constant(x, -1.0), value) / select(odd, value, constant(x, 1.0))
    else:
        s, c = sin_of(r, low), cos_of(r, low)
        result = select(odd, -c, s) / select(odd, s, c)
    return select(x.eq(0.0), x, result)


# ---------------------------------------------------------------- inverses


def arcsin_tail(s: Expr) -> Expr:
    """arcsin(s) - s for 0 <= s <= 1/2."""
    z = s * s
    return s * z * polynomial(z, table.ASIN_F32 if s.dtype == F32 else table.ASIN_F64)


def root_of_rest(a: Expr, large: Expr) -> tuple[Expr, Expr]:
    """(s, low): sqrt((1 - a) / 2) in two parts where `large`, else a and 0."""
    half = fma(a, -0.5, 0.5)
    root = sqrt(half)
    low = fma(-root, root, half) / larger(root + root, constant(root, format_of(a).smallest_normal))
    return select(large, root, a), select(large, low, 0.0)


def arcsin(x: Expr) -> Expr:
    """Inverse sine; above 1/2 it is pi/2 minus twice that of sqrt((1 - |x|) / 2)."""
    first, second, _ = HALF_PI[x.dtype.name]
    a = magnitude(x)
    large = a.gt(0.5)
    s, low = root_of_rest(a, large)
    tail = arcsin_tail(s)
    rough = fma(s, -2.0, first)
    # with the rounding error of pi/2 - 2 * s
    outer = rough + (fma(s, -2.0, first - rough) + fma(tail + low, -2.0, second))
    return with_sign(select(large, outer, s + tail), sign_of(x))


def arccos(x: Expr) -> Expr:
    """Inverse cosine: pi/2 - arcsin(x), or 2 * arcsin(sqrt((1 - |x|) / 2)), pi minus it for a negative x."""
    first, second, _ = HALF_PI[x.dtype.name]
    a = magnitude(x)
    large = a.gt(0.5)
    s, low = root_of_rest(a, large)
    tail = arcsin_tail(s) + low
    negative = x.lt(0.0)
    # base - sign * (s + tail), doubled where large: base is pi/2, 0 or pi/2 (half of pi)
    base = select(large & ~negative, constant(x, 0.0), first)
    below = select(large & ~negative, constant(x, 0.0), second)
    outward = select(negative ^ large, s, -s)
    tail = select(negative ^ large, tail, -tail)
    total = base + outward
    error = (base - total) + outward
    result = total + (error + (tail + below))
    return select(large, result + result, result)


def arctan_between(least: Expr, most: Expr) -> tuple[Expr, Expr]:
    """arctan(least / most) for 0 <= least <= most, as high + low; 0 if both are 0, pi/4 if both are inf."""
    t = least / most
    t = select(least.eq(most), select(most.eq(0.0), most, 1.0), t)
    z = t * t
    return t, t * z * polynomial(z, table.ATAN_F32 if t.dtype == F32 else table.ATAN_F64)


def arctan(x: Expr) -> Expr:
    """Inverse tangent."""
    a = magnitude(x)
    one = constant(x, 1.0)
    steep = a.gt(1.0)
    t, tail = arctan_between(select(steep, one, a), select(steep, a, one))
    return with_sign(fold(t, tail, steep), sign_of(x))


def fold(t: Expr, tail: Expr, steep: Expr) -> Expr:
    """pi/2 - (t + tail) where steep, else t + tail."""
    first, second, _ = HALF_PI[t.dtype.name]
    rough = first - t
    upper = rough + (((first - rough) - t) + (second - tail))
    return select(steep, upper, t + tail)


def arctan2(y: Expr, x: Expr) -> Expr:
    """Angle of the point (x, y) in (-pi, pi]; signs of zeros count as in C."""
    first, second, _ = HALF_PI[x.dtype.name]
    form = format_of(x)
    a, b = magnitude(y), magnitude(x)
    steep = a.gt(b)
    t, tail = arctan_between(smaller(a, b), larger(b, a))
    # the angle is base + sign * (t + tail), base 0, pi/2 or pi
    left = to_bits(x).ge(form.sign_mask)
    base = select(steep, constant(x, first), select(left, constant(x, 2 * first), 0.0))
    below = select(steep, constant(x, second), select(left, constant(x, 2 * second), 0.0))
    minus = steep ^ left
    turned, rest = select(minus, -t, t), select(minus, -tail, tail)
    total = base + turned
    result = total + (((base - total) + turned) + (rest + below))
    result = select(x.ne(x) | y.ne(y), x + y, result)
    return from_bits((to_bits(result) & (form.sign_mask - 1)) | sign_of(y), form)
