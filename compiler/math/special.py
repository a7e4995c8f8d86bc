"""erf and erfc, logaddexp and logaddexp2, and fmod, remainder and floor_divide of floats, which are exact as NumPy's.

Not here: the same of integers, which are formulas in the op's record.
"""

from weft.compiler.math import coefficients as table
from weft.compiler.math.exponential import LN2, exp, exp2
from weft.compiler.math.logarithm import LOG2_E, log1p
from weft.compiler.math.parts import INFINITY, NAN, larger, magnitude, polynomial, repeat, sign_of, with_sign
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
    """log(e**x + e**y)."""
    if x.dtype == F32:
        return cast(logaddexp(cast(x, F64), cast(y, F64)), F32)
    most = larger(x, y)
    gap = magnitude(x - y)
    value = most + log1p(exp(-gap))
    return add_special(x, y, most, value, most + LN2["f64"][0])


def logaddexp2(x: Expr, y: Expr) -> Expr:
    """log2(2**x + 2**y)."""
    if x.dtype == F32:
        return cast(logaddexp2(cast(x, F64), cast(y, F64)), F32)
    most = larger(x, y)
    gap = magnitude(x - y)
    value = most + log1p(exp2(-gap)) * LOG2_E["f64"][0]
    return add_special(x, y, most, value, most + 1.0)


def add_special(x: Expr, y: Expr, most: Expr, value: Expr, doubled: Expr) -> Expr:
    """Equal operands (infinities too) give `doubled`, NaN gives NaN, an infinite gap the larger operand."""
    value = select(magnitude(most).eq(INFINITY), most, value)
    value = select(x.eq(y), doubled, value)
    return select(x.ne(x) | y.ne(y), x + y, value)


# ---------------------------------------------------------------- remainders


def modulo(x: Expr, y: Expr) -> Expr:
    """|x| modulo |y|, exact; NaN for an infinite x, y == 0 or NaN.

    Each step takes r - trunc(r / d) * d by one fma, which is exact: the result is a multiple of the last bit of d (or of
    that times the quotient's, if the quotient was rounded) and smaller than d times it. It may be below 0 by that rounding.
    d is |y|, or |y| * 2**k while the quotient would overflow.
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
