"""The functions of `math` and `cmath` on traced values: they give Python numbers and raise as Python's do.

With ordinary arguments they are Python's. Not here: builtins (`builtin.py`), NumPy functions (`numpy/`).
"""

from __future__ import annotations

import cmath
import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.compiler.frontend.number import TracedNumber, as_expr, number
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, TracedScalar, elements
from weft.ir.dims import product
from weft.ir.expr import Expr, cast, complex_of, imag, real
from weft.ir.types import BOOL, C128, F64, I64

MATHEMATICS: dict[Any, Callable[..., Any]] = {}

_SMOOTH = "atan tanh asinh fabs erf radians degrees copysign atan2"
_FAILING = (
    "sin cos tan asin acos sinh cosh acosh atanh exp exp2 expm1 log2 log10 log1p sqrt cbrt fmod hypot pow"
)
_UFUNCS = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh",
    "atanh": "arctanh", "atan2": "arctan2", "pow": "power", "gcd": "gcd", "lcm": "lcm",
}  # fmt: skip
_DOMAIN = frozenset({"atanh", "log", "log2", "log10", "log1p", "pow"})
"""Those whose poles are errors of the domain; an infinite result of others is one of the range."""


def _has_traced(values: tuple[Any, ...]) -> bool:
    return any(type(value) in TRACED for value in values)


def _one(trace: Trace, value: Any) -> Expr:
    """What `float(value)` is, as a scalar of the program."""
    if type(value) is TracedNumber or type(value) not in TRACED:
        return as_expr(trace, value if type(value) is TracedNumber else float(value), F64)
    expr = elements(trace, value)
    if not isinstance(value, TracedScalar) and not trace.holds(
        product(value.view.shape), "==", 1, "size of an array that becomes a number"
    ):
        raise TypeError("only length-1 arrays can be converted to Python scalars")
    return cast(trace.builder.reshape(expr, ()), F64)


def _error(name: str, *values: float) -> Exception:
    """Python's own error of `math.name` for such values, whose text differs between versions.

    Without the value that Python 3.14 adds: it is known only when the program runs.
    """
    try:
        getattr(math, name)(*values)
    except (ValueError, OverflowError) as error:
        return type(error)(str(error).partition(", got ")[0])
    return ValueError("math domain error")


_SAMPLES: dict[str, tuple[float, ...]] = {"fmod": (1.0, 0.0), "pow": (-1.0, 0.5), "acosh": (0.0,)}
_LARGE: dict[str, tuple[float, ...]] = {"pow": (1e300, 2.0), "hypot": (1e308, 1e308)}


def _checked(trace: Trace, name: str, result: Expr, operands: list[Expr]) -> None:
    """Fail as CPython does: NaN of no NaN is outside the domain, infinity of finite values out of range."""
    known = result.apply("equal", result)
    for one in operands:
        known = known | one.ne(one)
    outside = _SAMPLES.get(name, (math.inf,) if name in ("sin", "cos", "tan") else (-2.0,))
    trace.fail_unless(known, _error(name, *outside))
    if name in ("sin", "cos", "tan", "asin", "acos", "acosh", "sqrt", "cbrt", "fmod"):
        return
    finite = result.apply("absolute").apply("less", trace.constant(math.inf, F64))
    for one in operands:
        finite = finite | one.apply("absolute").apply("equal", trace.constant(math.inf, F64)) | one.ne(one)
    at_pole = _DOMAIN - {"pow"}
    values = ((1.0,) if name == "atanh" else (-1.0,)) if name in at_pole else _LARGE.get(name, (1e6,))
    trace.fail_unless(finite, _error(name, *values))


def _register(name: str, *, fails: bool) -> None:
    fn = getattr(math, name, None)
    ufunc = getattr(np, _UFUNCS.get(name, name), None)
    if fn is None:  # a later Python has it
        return

    def meaning(trace: Trace, *values: Any) -> Any:
        if not _has_traced(values):
            return fn(*values)
        operands = [_one(trace, value) for value in values]
        if ufunc is None:
            result = operands[0].apply(name)
        else:
            result = trace.call(ufunc, *(TracedScalar(trace, one.value) for one in operands)).expr
        if fails:
            _checked(trace, name, result, operands)
        return number(trace, result, float)

    MATHEMATICS[fn] = meaning


for _name in _SMOOTH.split():
    _register(_name, fails=False)
for _name in _FAILING.split():
    _register(_name, fails=True)


def _means(fn: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register what `fn` is for traced arguments."""

    def register(meaning: Callable[..., Any]) -> Callable[..., Any]:
        def chosen(trace: Trace, *values: Any, **keywords: Any) -> Any:
            parts: list[Any] = []
            for value in values:
                parts += value if isinstance(value, list | tuple) else (value,)
            traced = _has_traced((*parts, *keywords.values()))
            return (meaning if traced else fn)(*((trace,) if traced else ()), *values, **keywords)

        MATHEMATICS[fn] = chosen
        return meaning

    return register


@_means(math.log)
def _log(trace: Trace, value: Any, base: Any = None) -> Any:
    operands = [_one(trace, value)]
    result = trace.call(np.log, TracedScalar(trace, operands[0].value)).expr
    _checked(trace, "log", result, operands)
    made = number(trace, result, float)
    if base is None:
        return made
    return made / (_log(trace, base) if type(base) in TRACED else math.log(base))


def _rounding(fn: Any, name: str) -> None:
    def meaning(trace: Trace, value: Any) -> Any:
        if type(value) not in TRACED:
            return fn(value)
        if type(value) is TracedNumber and value.type is not float:
            return value + 0
        expr = _one(trace, value).apply(name)
        small = expr.apply("absolute").apply("less", trace.constant(2.0**63, F64))
        trace.fail_unless(small, OverflowError("a float that does not fit 64 bits was converted to an int"))
        return number(trace, cast(expr, I64), int)

    MATHEMATICS[fn] = meaning


_rounding(math.floor, "floor")
_rounding(math.ceil, "ceil")
_rounding(math.trunc, "trunc")


def _test(fn: Any, ufunc: Any) -> None:
    @_means(fn)
    def meaning(trace: Trace, value: Any) -> Any:
        found = trace.call(ufunc, TracedScalar(trace, _one(trace, value).value))
        return number(trace, cast(found.expr, BOOL), bool)


_test(math.isnan, np.isnan)
_test(math.isinf, np.isinf)
_test(math.isfinite, np.isfinite)


@_means(math.isclose)
def _isclose(trace: Trace, a: Any, b: Any, *, rel_tol: Any = 1e-9, abs_tol: Any = 0.0) -> Any:
    x, y = (number(trace, _one(trace, value), float) for value in (a, b))
    largest = trace.call(np.maximum, abs(x), abs(y))
    near = trace.call(np.less_equal, abs(x - y), trace.call(np.maximum, rel_tol * largest, abs_tol))
    infinite = trace.call(np.isinf, x) | trace.call(np.isinf, y)
    return number(trace, ((near & ~infinite) | trace.call(np.equal, x, y)).expr, bool)


@_means(math.prod)
def _prod(_trace: Trace, values: Any, *, start: Any = 1) -> Any:
    return functools.reduce(operator.mul, values, start)


@_means(math.dist)
def _dist(trace: Trace, p: Any, q: Any) -> Any:
    total: Any = sum((a - b) ** 2 for a, b in zip(p, q, strict=True))
    return number(trace, trace.call(np.sqrt, total).expr, float)


def _of_ints(fn: Any, ufunc: Any) -> None:
    @_means(fn)
    def meaning(trace: Trace, *values: Any) -> Any:
        exprs = [
            as_expr(trace, v, I64) if type(v) in (int, bool, TracedNumber) else cast(elements(trace, v), I64)
            for v in values
        ]
        found = trace.call(ufunc, *(TracedScalar(trace, one.value) for one in exprs))
        return number(trace, found.expr, int)


_of_ints(math.gcd, np.gcd)
_of_ints(math.lcm, np.lcm)


# ---------------------------------------------------------------- complex numbers

_COMPLEX = "sqrt exp log10 sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh".split()
_COMPLEX_POLES: dict[str, complex] = {"log": 0, "log10": 0, "atan": 1j, "atanh": 1}


def _complex_one(trace: Trace, value: Any) -> Expr:
    """What `complex(value)` is, as a scalar of the program."""
    if type(value) is TracedNumber or type(value) not in TRACED:
        return as_expr(trace, value if type(value) is TracedNumber else complex(value), C128)
    return cast(trace.builder.reshape(elements(trace, value), ()), C128)


def _complex_error(name: str, value: complex) -> Exception:
    """Python's own error of `cmath.name`."""
    try:
        getattr(cmath, name)(value)
    except (ValueError, OverflowError) as error:
        return error
    return ValueError("math domain error")


def _complex_checked(trace: Trace, name: str, result: Expr, value: Expr) -> None:
    """Fail as CPython does where a finite number gives none: at a pole, or out of range."""
    if name in _COMPLEX_POLES or name in ("exp", "sinh", "cosh"):
        fine = result.apply("isfinite") | value.apply("isfinite").apply("logical_not")
        trace.fail_unless(fine, _complex_error(name, _COMPLEX_POLES.get(name, 1000)))


def _complex_function(trace: Trace, name: str, value: Any) -> Any:
    one = _complex_one(trace, value)
    result = one.apply(_UFUNCS.get(name, name))
    _complex_checked(trace, name, result, one)
    return number(trace, result, complex)


def _register_complex(name: str) -> None:
    @_means(getattr(cmath, name))
    def meaning(trace: Trace, value: Any) -> Any:
        return _complex_function(trace, name, value)


for _name in _COMPLEX:
    _register_complex(_name)


@_means(cmath.log)
def _complex_log(trace: Trace, value: Any, base: Any = None) -> Any:
    made = _complex_function(trace, "log", value)
    return made if base is None else made / _complex_function(trace, "log", base)


@_means(cmath.phase)
def _phase(trace: Trace, value: Any) -> Any:
    one = _complex_one(trace, value)
    return number(trace, imag(one).apply("arctan2", real(one)), float)


@_means(cmath.polar)
def _polar(trace: Trace, value: Any) -> tuple[Any, Any]:
    one = _complex_one(trace, value)
    return number(trace, real(one).apply("hypot", imag(one)), float), _phase(trace, value)


@_means(cmath.rect)
def _rect(trace: Trace, r: Any, phi: Any) -> Any:
    size, angle = (_one(trace, v) for v in (r, phi))
    return number(trace, complex_of(size * angle.apply("cos"), size * angle.apply("sin")), complex)


def _complex_test(fn: Any, name: str) -> None:
    @_means(fn)
    def meaning(trace: Trace, value: Any) -> Any:
        return number(trace, _complex_one(trace, value).apply(name), bool)


_complex_test(cmath.isnan, "isnan")
_complex_test(cmath.isinf, "isinf")
_complex_test(cmath.isfinite, "isfinite")
