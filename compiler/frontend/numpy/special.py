"""Functions of `scipy.special`, and `np.i0`: in float64, rounded to float32 where SciPy computes in that.

Entered when SciPy is loaded: Weft does not need it. Within a few units of float64's last place of the largest
value nearby. Source of the coefficients: Moshier, "Cephes Math Library" (erfc, gamma, gammaln, psi, i0). Not
here: `erf`, an operation of its own (`ir/ops/elementwise.py`).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy
from numpy.lib import _function_base_impl

from weft.compiler.frontend.numpy.table import LATER, enter, implements
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import as_array, new_array, operand, wrap
from weft.ir.expr import constant, select

np: Any = numpy  # typed so: it is called with traced arrays
_TABLES: Any = _function_base_impl
_I0: tuple[Sequence[float], Sequence[float]] = (_TABLES._i0A, _TABLES._i0B)

# fmt: off
_ERFC = (
    (2.461969814735305e-10, 0.5641895648310689, 7.463210564422699, 48.63719709856814,
     196.5208329560771, 526.4451949954773, 934.5285271719576, 1027.5518868951572,
     557.5353353693994),
    (1, 13.228195115474499, 86.70721408859897, 354.9377788878199, 975.7085017432055,
     1823.9091668790973, 2246.3376081871097, 1656.6630919416134, 557.5353408177277))
_ERFC_FAR = (
    (0.5641895835477551, 1.275366707599781, 5.019050422511805, 6.160210979930536,
     7.4097426995044895, 2.9788666537210022),
    (1, 2.2605286322011726, 9.396035249380015, 12.048953980809666, 17.08144507475659,
     9.608968090632859, 3.369076451000815))
_LOG_GAMMA = (
    (-1378.2515256912086, -38801.631513463784, -331612.9927388712, -1162370.974927623,
     -1721737.0082083966, -853555.6642457654),
    (1, -351.81570143652345, -17064.210665188115, -220528.59055385445,
     -1139334.4436798252, -2532523.0717758294, -2018891.4143353277))
_LOG_GAMMA_FAR = (0.0008116141674705085, -0.0005950619042843014, 0.0007936503404577169,
                  -0.002777777777300997, 0.08333333333333319)
_GAMMA = (
    (0.00016011952247675185, 0.0011913514700658638, 0.010421379756176158, 0.04763678004571372,
     0.20744822764843598, 0.4942148268014971, 1.0),
    (-2.3158187332412014e-05, 0.0005396055804933034, -0.004456419138517973, 0.011813978522206043,
     0.035823639860549865, -0.23459179571824335, 0.0714304917030273, 1.0))
_STIRLING = (0.0007873113957930937, -0.00022954996161337813, -0.0026813261780578124,
             0.0034722222160545866, 0.08333333333334822)
_PSI = (0.08333333333333333, -0.021092796092796094, 0.007575757575757576, -0.004166666666666667,
        0.003968253968253968, -0.008333333333333333, 0.08333333333333333)
# fmt: on


def _polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    total: Any = coefficients[0]
    for c in coefficients[1:]:
        total = total * x + c
    return total


def _ratio(x: Any, parts: Sequence[Sequence[float]]) -> Any:
    return _polynomial(x, parts[0]) / _polynomial(x, parts[1])


def _erf(x: Any) -> Any:
    return wrap(x.trace, x.expr.apply("erf"))


def _erfc(x: Any) -> Any:
    size = np.abs(x)
    part = np.minimum(size, 30.0)
    # x*x is split, so that its error does not become one of exp(-x*x)
    head = np.trunc(part * 64) / 64
    power = np.exp(-head * head) * np.exp(-(part - head) * (part + head))
    far = power * np.where(part < 8, _ratio(part, _ERFC), _ratio(part, _ERFC_FAR))
    far = np.where(x < 0, 2 - far, far)
    return np.where(x != x, x, np.where(size < 1, 1 - _erf(x), far))


def _size(x: Any) -> Any:
    """|x| of a function that is smooth at 0: its derivative there is that of one side, not abs's 0."""
    return np.where(x < 0, -x, x)


def _expit(x: Any) -> Any:
    power = np.exp(-_size(x))
    return np.where(x < 0, power, 1.0) / (1 + power)


def _logit(x: Any) -> Any:
    near = (x > 0.3) & (x < 0.65)
    middle = 2 * (np.where(near, x, 0.5) - 0.5)
    return np.where(near, np.log1p(middle) - np.log1p(-middle), np.log(x / (1 - x)))


def _times_log(log: Any) -> Callable[[Any, Any], Any]:
    def rule(x: Any, y: Any) -> Any:
        zero = (x == 0) & (y == y)
        return np.where(zero, 0.0, x * log(np.where(zero, 1.0, y)))

    return rule


def _entr(x: Any) -> Any:
    return np.where(
        x > 0, -x * np.log(np.where(x > 0, x, 1.0)), np.where(x == 0, 0.0, np.where(x < 0, -np.inf, x))
    )


def _lowered(x: Any, steps: int) -> tuple[Any, Any]:
    """A number in [2, 3) that is whole steps away from x, and by what gamma of it is to be multiplied."""
    factor = np.where(x < 2, 1.0, 1.0)
    for _ in range(steps):
        above = x >= 3
        x = np.where(above, x - 1, x)
        factor = np.where(above, factor * x, factor)
    for _ in range(2):
        below = x < 2
        factor = np.where(below, factor / x, factor)
        x = np.where(below, x + 1, x)
    return x, factor


def _gamma_above(x: Any) -> Any:
    """Gamma from 0 up."""
    near, factor = _lowered(np.clip(x, 1e-300, 33.0), 31)
    small = factor * _ratio(near - 2, _GAMMA)
    far = np.clip(x, 33.0, 171.7)
    inverse = 1 / far
    power = np.exp(0.5 * (far - 0.5) * np.log(far))
    stirling = (
        math.sqrt(2 * math.pi)
        * (power * (power * np.exp(-far)))
        * (1 + inverse * _polynomial(inverse, _STIRLING))
    )
    return np.where(x > 171.62437695630272, np.inf, np.where(x < 33, small, stirling))


def _gamma(x: Any) -> Any:
    size = np.abs(x)
    whole = np.floor(size)
    rest = size - whole
    sine = np.sin(math.pi * np.where(rest > 0.5, 1 - rest, rest))
    sign = np.where(whole % 2 == 0, -1.0, 1.0)
    mirrored = sign * math.pi / (size * sine * _gamma_above(size))
    pole = (x < 0) & (rest == 0) | (x == -np.inf)
    result = np.where(x < 0, np.where(pole, np.nan, mirrored), _gamma_above(x))
    tiny = (size < 1e-300) & (size > 0)
    result = np.where(tiny, 1 / np.where(tiny, x, 1.0), result)
    return np.where(x == 0, np.copysign(np.inf, x), np.where(x != x, x, result))


def _log_gamma_above(x: Any) -> Any:
    near, factor = _lowered(np.clip(x, 1e-300, 13.0), 11)
    at = near - 2
    small = np.log(np.abs(factor)) + at * _ratio(at, _LOG_GAMMA)
    far = np.maximum(x, 13.0)
    inverse = 1 / (far * far)
    large = (
        (far - 0.5) * np.log(far)
        - far
        + 0.5 * math.log(2 * math.pi)
        + _polynomial(inverse, _LOG_GAMMA_FAR) / far
    )
    return np.where(x == np.inf, np.inf, np.where(x < 13, small, large))


def _gammaln(x: Any) -> Any:
    size = np.abs(x)
    rest = size - np.floor(size)
    sine = size * np.sin(math.pi * np.where(rest > 0.5, 1 - rest, rest))
    mirrored = math.log(math.pi) - np.log(np.where(sine > 0, sine, 1.0)) - _log_gamma_above(size)
    below = np.where(rest == 0, np.inf, mirrored)
    result = np.where(x == 0, np.inf, np.where(x < 0, below, _log_gamma_above(x)))
    return np.where(x != x, x, result)


def _psi(x: Any) -> Any:
    is_low = x < 0
    rest = x - np.floor(x)
    at = np.where(is_low, 1 - x, x)
    total = np.where(is_low, 0.0, 0.0)
    moved = at
    for _ in range(10):
        below = moved < 10
        total = np.where(below, total - 1 / moved, total)
        moved = np.where(below, moved + 1, moved)
    inverse = 1 / (moved * moved)
    tail = inverse * _polynomial(inverse, _PSI)
    result = total + np.log(moved) - 0.5 / moved - tail
    turn = np.where(rest == 0, 0.25, rest)
    result = np.where(is_low, np.where(rest == 0, np.nan, result - math.pi / np.tan(math.pi * turn)), result)
    return np.where(x == 0, np.copysign(np.inf, -x), np.where(x == np.inf, np.inf, result))


def _ufunc(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A composition on float64; the result is float32 where all operands are that narrow."""

    def composition(trace: Trace, *inputs: Any, out: Any = None) -> Any:
        kinds = [operand(trace, x).kind for x in inputs]
        joined = np.result_type(*(np.zeros(1, k) if not isinstance(k, type) else k(0) for k in kinds))
        narrow = joined in (np.float32, np.bool_, np.int8, np.uint8, np.int16, np.uint16)
        result = rule(*(as_array(trace, x).astype(np.float64) for x in inputs))
        result = result.astype(np.float32) if narrow else result
        if out is not None:
            out[...] = result
            return out
        return result if result.ndim else result[()]

    return composition


def _logsumexp(
    trace: Trace, a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """Compute the log of the sum of exponentials of input elements."""
    array: Any = as_array(trace, a)
    array = array if array.dtype.kind == "f" else array.astype(np.float64)
    most = np.max(array, axis=axis, keepdims=True)
    most = np.where(np.isfinite(most), most, 0.0).astype(array.dtype)
    terms = np.exp(array - most)
    terms = terms if b is None else np.where(trace.call(np.equal, b, 0), 0.0, terms * b)
    total = np.sum(terms, axis=axis, keepdims=True)
    result = np.log(np.abs(total) if return_sign else total) + most
    sign = np.sign(total)
    if not keepdims:
        result, sign = np.squeeze(result, axis=axis)[()], np.squeeze(sign, axis=axis)[()]
    return (result, sign) if return_sign else result


def _shares(trace: Trace, x: Any, axis: Any) -> tuple[Any, Any]:
    array: Any = as_array(trace, x)
    array = array if array.dtype.kind == "f" else array.astype(np.float64)
    shifted = array - np.max(array, axis=axis, keepdims=True)
    return shifted, np.sum(np.exp(shifted), axis=axis, keepdims=True)


def _softmax(trace: Trace, x: Any, axis: Any = None) -> Any:
    """Compute the softmax function."""
    shifted, total = _shares(trace, x, axis)
    return np.exp(shifted) / total


def _log_softmax(trace: Trace, x: Any, axis: Any = None) -> Any:
    """Compute the logarithm of the softmax function."""
    shifted, total = _shares(trace, x, axis)
    return shifted - np.log(total)


@implements(np.i0)
def i0(trace: Trace, x: Any) -> Any:
    """Modified Bessel function of the first kind, order 0: the coefficients are NumPy's own."""
    array: Any = as_array(trace, x)
    if array.dtype.kind == "c":
        raise TypeError("i0 not supported for complex values")
    size = _size(array.astype(np.float64) if array.dtype.kind != "f" else array).expr
    near = size.le(8.0)
    far = select(near, constant(size, 8.0), size)
    at = select(near, size / 2.0, 32.0 / far) - 2.0
    missing = len(_I0[0]) - len(_I0[1])  # leading terms of the second series, which is shorter
    first, second, third = (constant(size, 0.0),) * 3
    for left, right in zip(_I0[0], (*(0.0,) * missing, *_I0[1]), strict=True):
        value = select(near, constant(size, left), constant(size, right))
        first, second, third = at * first - second + value, first, second
    total = size.apply("exp") * (0.5 * (first - third))
    return new_array(trace, total / select(near, constant(size, 1.0), far.apply("sqrt")))


RULES: dict[str, Callable[..., Any]] = {
    "erf": _erf, "erfc": _erfc, "gamma": _gamma, "gammaln": _gammaln, "psi": _psi,
    "expit": _expit, "logit": _logit,
    "log_expit": lambda x: np.where(x < 0, x, 0.0) - np.log1p(np.exp(-_size(x))),
    "xlogy": _times_log(np.log), "xlog1py": _times_log(np.log1p), "entr": _entr, "log1p": np.log1p,
    "expm1": np.expm1, "exp2": np.exp2, "cbrt": np.cbrt, "exp10": lambda x: np.power(10.0, x),
    "ndtr": lambda x: 0.5 * _erfc(-x * math.sqrt(0.5)), "rel_entr": lambda x, y: _times_log(np.log)(x, x / y),
}  # fmt: skip


def enter_scipy() -> None:
    """Enter the functions of `scipy.special`, which has been loaded."""
    module: Any = sys.modules["scipy.special"]
    for name, rule in RULES.items():
        if isinstance(getattr(module, name, None), numpy.ufunc):
            enter(getattr(module, name), _ufunc(rule))
    for name, composition in (
        ("logsumexp", _logsumexp),
        ("softmax", _softmax),
        ("log_softmax", _log_softmax),
    ):
        enter(getattr(module, name), composition)


LATER["scipy.special"] = enter_scipy

__all__ = ["enter_scipy", "i0"]
