"""tanh, sinh, cosh and their inverses.

Not here: the exponentials and logarithms that they are made of.
"""

from weft.compiler.math import coefficients as table
from weft.compiler.math.exponential import LN2, LOG2_E, expm1_parts
from weft.compiler.math.logarithm import log_of_sum
from weft.compiler.math.parts import (
    INFINITY,
    NAN,
    exact_sum,
    fast_sum,
    format_of,
    magnitude,
    polynomial,
    power_of_two,
    sign_of,
    with_sign,
)
from weft.ir import Expr
from weft.ir.expr import constant, fma, select, sqrt

# tanh is 1 in the format from here on
TANH_LIMIT = {"f32": 9.25, "f64": 20.0}
# sinh and cosh overflow before
SINH_LIMIT = {"f32": 89.5, "f64": 710.5}
EXP_DOUBLE = {"f32": table.EXP_DOUBLE_F32, "f64": table.EXP_DOUBLE_F64}
TANH = {"f32": table.TANH_F32, "f64": table.TANH_F64}
SINH = {"f32": table.SINH_F32, "f64": table.SINH_F64}


def tanh(x: Expr) -> Expr:
    """Hyperbolic tangent: a polynomial below 0.55, and 1 - 2 / (e**(2 a) + 1) above, a = |x|.

    The error of e**(2 a) counts less than half, so that a short reduction by one constant is enough.
    """
    form = format_of(x)
    a = magnitude(x)
    capped = below(a, TANH_LIMIT[form.name])
    shifter = form.shifter + form.bias
    shifted = fma(capped, 2 * LOG2_E, shifter)
    rest = fma(shifted - shifter, -LN2[form.name][0] / 2, capped)
    power = fma(polynomial(rest, EXP_DOUBLE[form.name]), rest, 1.0)
    above = 1.0 - 2.0 / fma(power, power_of_two(shifted), 1.0)
    z = a * a
    near = fma(a * z, polynomial(z, TANH[form.name]), a)
    return with_sign(select(a.lt(0.55), near, above), sign_of(x))


def sinh(x: Expr) -> Expr:
    """Hyperbolic sine: a polynomial below 1, and 2 h - 1 / (8 h) above with h = e**|x| / 4."""
    form = format_of(x)
    a = magnitude(x)
    grown, scale = expm1_parts(below(a, SINH_LIMIT[form.name]), -2)
    h = fma(grown, scale, scale)
    z = a * a
    near = fma(a * z, polynomial(z, SINH[form.name]), a)
    return with_sign(select(a.lt(1.0), near, fma(h, 2.0, -0.125 / h)), sign_of(x))


def cosh(x: Expr) -> Expr:
    """Hyperbolic cosine: 2 h + 1 / (8 h) with h = e**|x| / 4."""
    a = magnitude(x)
    grown, scale = expm1_parts(below(a, SINH_LIMIT[format_of(x).name]), -2)
    h = fma(grown, scale, scale)
    return fma(h, 2.0, 0.125 / h)


def below(a: Expr, limit: float) -> Expr:
    """The smaller of `a` and a number; NaN stays."""
    return select(a.gt(limit), constant(a, limit), a)


def arcsinh(x: Expr) -> Expr:
    """Inverse hyperbolic sine: log(a + sqrt(a * a + 1)) of a = |x|, the sum in two parts."""
    form = format_of(x)
    a = magnitude(x)
    huge = a.gt(2.0 ** (form.fraction_bits + 3))
    b = select(huge, constant(a, 1.0), a)
    square = b * b
    error = fma(b, b, -square)
    total, more = exact_sum(square, constant(b, 1.0))
    root, low = root_of_sum(total, more + error)
    high, rest = exact_sum(b, root)
    value = log_of_sum(select(huge, a, high), select(huge, 0.0, rest + low), twice=huge)
    same = a.lt(2.0 ** (-form.fraction_bits // 2 - 2)) | a.eq(INFINITY)
    return with_sign(select(same, a, value), sign_of(x))


def root_of_sum(high: Expr, low: Expr) -> tuple[Expr, Expr]:
    """sqrt(high + low) as a sum; 0 for 0."""
    root = sqrt(high)
    twice = root + root
    rest = (fma(-root, root, high) + low) / select(twice.gt(0.0), twice, 1.0)
    return root, rest


def arccosh(x: Expr) -> Expr:
    """Inverse hyperbolic cosine: log(1 + t + sqrt(t * t + 2 t)) with t = x - 1."""
    form = format_of(x)
    huge = x.gt(2.0 ** (form.fraction_bits + 3))
    t = select(huge, constant(x, 1.0), x) - 1.0
    # t * t + 2 t in two parts
    twice = t + t
    square = t * t
    total, error = exact_sum(twice, square)
    root, low = root_of_sum(total, error + fma(t, t, -square))
    inner, more = exact_sum(t, root)
    high, rest = exact_sum(inner, constant(x, 1.0))
    value = log_of_sum(select(huge, x, high), select(huge, 0.0, rest + (more + low)), twice=huge)
    value = select(x.ge(1.0), value, NAN)
    return select(x.eq(INFINITY), x, value)


def arctanh(x: Expr) -> Expr:
    """Inverse hyperbolic tangent: log(1 + 2 a / (1 - a)) / 2 of a = |x|."""
    form = format_of(x)
    a = magnitude(x)
    twice = a + a
    below, error = fast_sum(constant(a, 1.0), -a)
    quotient = twice / below
    low = (fma(-quotient, below, twice) - quotient * error) / below
    high, rest = exact_sum(constant(a, 1.0), quotient)
    value = log_of_sum(high, rest + low) * 0.5
    value = select(a.lt(1.0), value, select(a.eq(1.0), constant(a, INFINITY), NAN))
    return with_sign(select(a.lt(2.0 ** (-form.fraction_bits // 2 - 2)), a, value), sign_of(x))
