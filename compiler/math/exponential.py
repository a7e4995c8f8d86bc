"""exp, exp2, expm1 and the parts of them that other functions use.

Results are within 1 ulp; overflow gives inf, underflow rounds once to a denormal or 0, without a case for
either.
"""

from weft.compiler.math import coefficients as table
from weft.compiler.math.parts import clamp, format_of, from_bits, magnitude, polynomial, power_of_two, to_bits
from weft.ir import Expr
from weft.ir.expr import fma, select

LOG2_E = 1.4426950408889634
# log(2) = high + low, high rounded to the format: n * high is subtracted exactly by fma.
LN2 = {"f32": (0.693147182464599609375, -1.904654299957767878541823432e-9),
       "f64": (0.6931471805599453094, 2.319046813846299558417771099e-17)}  # fmt: skip
EXP2 = {"f32": table.EXP2_F32, "f64": table.EXP2_F64}
EXPM1 = {"f32": table.EXPM1_F32, "f64": table.EXPM1_F64}
# beyond these the result is 0 or inf; the exponents stay in the range of the bit tricks
EXP_BOUNDS = {"f32": (-104.0, 89.0), "f64": (-746.0, 710.0)}
EXP2_BOUNDS = {"f32": (-151.0, 129.0), "f64": (-1076.0, 1025.0)}
EXPM1_BOUNDS = {"f32": (-20.0, 89.0), "f64": (-40.0, 710.0)}


def exp(x: Expr) -> Expr:
    """e**x: x = n * log(2) + r, |r| <= log(2) / 2, and e**r * 2**n."""
    form = format_of(x)
    x = clamp(x, *EXP_BOUNDS[form.name])
    high, low = LN2[form.name]
    shifter = form.shifter + 2 * form.bias
    shifted = fma(x, LOG2_E, shifter)
    count = shifted - shifter
    rest = fma(count, -low, fma(count, -high, x))
    # 1 + (r + r*r*q), not Horner to the end: the rounding of the inner sum is then half as large
    return scaled(fma(rest * rest, polynomial(rest, EXPM1[form.name]), rest) + 1.0, shifted)


def exp2(x: Expr) -> Expr:
    """2**x, exact for integers."""
    form = format_of(x)
    x = clamp(x, *EXP2_BOUNDS[form.name])
    shifter = form.shifter + 2 * form.bias
    shifted = x + shifter
    rest = x - (shifted - shifter)
    return scaled(fma(rest, polynomial(rest, EXP2[form.name]), 1.0), shifted)


def scaled(power: Expr, shifted: Expr) -> Expr:
    """power * 2**n, where `shifted` is n + 2 * bias + shifter.

    In two factors, as 2**n may be no normal number; the first product is exact, so that a denormal is rounded
    once.
    """
    form = format_of(power)
    bits = to_bits(shifted)
    first = bits >> 1
    second = bits - first
    return (
        power * from_bits(first << form.fraction_bits, form) * from_bits(second << form.fraction_bits, form)
    )


def expm1_parts(x: Expr, shift: int) -> tuple[Expr, Expr]:
    """e**r - 1 and 2**(n + shift), where x = n * log(2) + r."""
    form = format_of(x)
    high, low = LN2[form.name]
    shifter = form.shifter + form.bias + shift
    shifted = fma(x, LOG2_E, shifter)
    count = shifted - shifter
    rest = fma(count, -low, fma(count, -high, x))
    return fma(rest * rest, polynomial(rest, EXPM1[form.name]), rest), power_of_two(shifted)


def expm1(x: Expr) -> Expr:
    """e**x - 1, by halves so that 2**n does not overflow before the result."""
    form = format_of(x)
    grown, scale = expm1_parts(clamp(x, *EXPM1_BOUNDS[form.name]), -1)
    result = fma(grown, scale, scale - 0.5) * 2.0
    # keeps -0 and the last bit of denormals
    return select(magnitude(x).lt(2.0 ** (-form.fraction_bits - 2)), x, result)
