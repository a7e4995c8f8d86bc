"""log, log2, log10, log1p, and the logarithm of a sum high + low that the inverse hyperbolic functions need.

Zero gives -inf, negative numbers NaN, inf gives inf.
"""

from weft.compiler.math import coefficients as table
from weft.compiler.math.exponential import LN2
from weft.compiler.math.parts import INFINITY, NAN, Format, format_of, from_bits, polynomial, to_bits
from weft.ir import Expr
from weft.ir.expr import constant, fma, select

# bits of sqrt(1/2): mantissas are taken from [sqrt(1/2), sqrt(2))
ROOT_HALF_BITS = {"f32": 0x3F3504F3, "f64": 0x3FE6A09E667F3BCD}
# 1 / log(base) and log(2) / log(base), each high + low with high rounded to the format
LOG2_E = {"f32": (1.44269502162933349609375, 1.92596299112661756490e-8),
          "f64": (1.442695040888963387, 2.0355273740931032983e-17)}  # fmt: skip
LOG10_E = {"f32": (0.434294492006301879882812, -1.010305005223168e-8),
           "f64": (0.43429448190325181667, 1.0983196502167651e-17)}  # fmt: skip
LOG10_2 = {"f32": (0.301030009984970092773437, -1.432098889755970e-8),
           "f64": (0.30102999566398119802, -2.8037281277851702e-18)}  # fmt: skip


def split_exponent(x: Expr, *, denormal: bool = False) -> tuple[Expr, Expr, Expr]:
    """(m, e, b): x = m * 2**e with m in [sqrt(1/2), sqrt(2)), e a float, b that plus the bias, an integer.

    For positive finite x; `denormal` says that x may be one.
    """
    form = format_of(x)
    offset = form.shifter / 1.5 + form.bias
    shift: Expr | float = offset
    if denormal:
        tiny = x.lt(form.smallest_normal)
        x = select(tiny, x * 2.0**32 * 2.0**32 if form.name == "f64" else x * 2.0**32, x)
        shift = select(tiny, constant(x, offset + (64.0 if form.name == "f64" else 32.0)), offset)
    root = ROOT_HALF_BITS[form.name]
    bits = to_bits(x) + (form.one_bits - root)
    biased = bits >> form.fraction_bits
    mantissa = from_bits((bits & form.fraction_mask) + root, form)
    # the integer becomes the low bits of 2**fraction_bits
    exponent = from_bits(biased | ((form.bias + form.fraction_bits) << form.fraction_bits), form) - shift
    return mantissa, exponent, biased


def log1p_parts(f: Expr) -> Expr:
    """log(1 + f) - f for f in [sqrt(1/2) - 1, sqrt(2) - 1]."""
    if format_of(f).name == "f32":
        return f * f * polynomial(f, table.LOG_F32)
    s = f / (f + 2.0)
    z = s * s
    half = f * f * 0.5
    return fma(s, fma(z, polynomial(z, table.LOG_F64), half), -half)


def assemble(f: Expr, exponent: Expr) -> Expr:
    """log((1 + f) * 2**exponent)."""
    high, low = LN2[format_of(f).name]
    rest = log1p_parts(f)
    lower = fma(exponent, low, rest)
    return fma(exponent, high, f + lower)


def finish(x: Expr, result: Expr) -> Expr:
    """The results for 0, negative numbers, inf and NaN."""
    result = select(x.gt(0.0), result, select(x.eq(0.0), constant(x, -INFINITY), NAN))
    return select(x.eq(INFINITY), x, result)


def log(x: Expr) -> Expr:
    """Natural logarithm."""
    mantissa, exponent, _ = split_exponent(x, denormal=True)
    return finish(x, assemble(mantissa - 1.0, exponent))


def log2(x: Expr) -> Expr:
    """Logarithm of base 2, exact for powers of 2."""
    mantissa, exponent, _ = split_exponent(x, denormal=True)
    return finish(x, exponent + _scaled(mantissa - 1.0, *LOG2_E[format_of(x).name]))


def log10(x: Expr) -> Expr:
    """Logarithm of base 10, exact for powers of 10."""
    form = format_of(x)
    mantissa, exponent, _ = split_exponent(x, denormal=True)
    high, low = LOG10_2[form.name]
    lower = fma(exponent, low, _scaled(mantissa - 1.0, *LOG10_E[form.name]))
    return finish(x, fma(exponent, high, lower))


def _scaled(f: Expr, high: float, low: float) -> Expr:
    """log(1 + f) * (high + low)."""
    return fma(f, high, fma(f, low, log1p_parts(f) * high))


def log1p(x: Expr) -> Expr:
    """log(1 + x)."""
    one = constant(x, 1.0)
    total = x + 1.0
    part = total - one
    error = (one - (total - part)) + (x - part)
    result = log_of_sum(total, error)
    result = select(x.gt(-1.0), result, select(x.eq(-1.0), constant(x, -INFINITY), NAN))
    return select(x.eq(INFINITY) | x.eq(0.0), x, result)


def log_of_sum(high: Expr, low: Expr, *, twice: Expr | None = None) -> Expr:
    """log(high + low), or log(2 * (high + low)) in the lanes of `twice`.

    For a normal high >= 2**-60 and |low| up to some ulp of it; exact near 1 if high - 1 + low is.
    """
    form = format_of(high)
    mantissa, exponent, biased = split_exponent(high)
    if twice is not None:
        exponent = select(twice, exponent + 1.0, exponent)
    return assemble((mantissa - 1.0) + scaled_down(high, low, biased, form), exponent)


def scaled_down(high: Expr, low: Expr, biased: Expr, form: Format) -> Expr:
    """low * 2**-e; 0 for a high so large that 2**-e is no normal number (low is then too small to matter)."""
    inverse = from_bits((constant(biased, 2 * form.bias) - biased) << form.fraction_bits, form)
    return select(high.ge(2.0 ** (form.bias - 2)), 0.0, low * inverse)
