"""Choice and comparison.

Where, clip, isclose, nan_to_num, rounding to decimals, and other small elementwise functions.
"""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

import numpy as np

from weft.compiler.frontend.number import TracedNumber, as_dim, is_number, number, size_number
from weft.compiler.frontend.numpy.broadcasting import broadcast_to, common_shape, fit
from weft.compiler.frontend.numpy.creation import items_of
from weft.compiler.frontend.numpy.manipulation import as_axes
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.numpy.ufuncs import truth
from weft.compiler.frontend.promote import common_dtype, element_type, numpy_dtype
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import (
    TracedArray,
    TracedScalar,
    as_array,
    elements,
    new_array,
    operand,
    shape_of,
    wrap,
)
from weft.ir.dims import product
from weft.ir.expr import Expr, cast, select
from weft.ir.types import BOOL

NONE = np._NoValue  # pyright: ignore[reportPrivateUsage] -- the default of public functions


@implements(np.where)
def where(trace: Trace, condition: Any, x: Any = None, y: Any = None) -> Any:
    """Return elements chosen from `x` or `y` depending on `condition`."""
    if x is None or y is None:
        if x is None and y is None:
            return trace.call(np.nonzero, condition)
        raise ValueError("either both or neither of x and y should be given")
    mask = operand(trace, condition)
    sides = [operand(trace, v) for v in (x, y)]
    wrapping = [replace(s, kind=np.dtype(np.int64)) if s.kind is int else s for s in sides]  # as NumPy
    shape = common_shape(trace, [mask.shape, *(s.shape for s in sides)])
    ty = element_type(common_dtype([s.kind for s in sides]), trace.location())
    flag = truth(mask.expr(trace, element_type(mask.dtype)))
    parts = [broadcast_to(trace, e, shape) for e in (flag, *(s.expr(trace, ty) for s in wrapping))]
    # np.where gives an array even of rank 0
    return new_array(trace, select(*parts))


@implements(np.select)
def select_(trace: Trace, condlist: Any, choicelist: Any, default: Any = 0) -> TracedArray:
    """Return an array drawn from elements in choicelist, depending on conditions."""
    condlist, choicelist = items_of(trace, condlist), items_of(trace, choicelist)
    kinds = [operand(trace, c).kind for c in (*choicelist, default)]
    ty = element_type(common_dtype(kinds), trace.location())
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if not len(condlist):
        raise ValueError("select with an empty condition list is not possible")
    for k, condition in enumerate(condlist):
        if operand(trace, condition).dtype != np.bool_:
            raise TypeError(f"invalid entry {k} in condlist: should be boolean ndarray")
    result: Any = wrap(trace, elements(trace, default, ty))
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        result = where(trace, condition, wrap(trace, elements(trace, choice, ty)), result)
    return result


def _bounds_within(trace: Trace, a: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """The bounds, without Python ints that lie beyond the range of an array's integers."""
    dtype = operand(trace, a).dtype
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        low_dim, high_dim = (as_dim(v) if is_number(v) else None for v in (low, high))
        reason = "a bound within the range of the elements"
        if low_dim is not None and trace.holds(low_dim, "<=", int(info.min), reason):
            low = None
        if high_dim is not None and trace.holds(high_dim, ">=", int(info.max), reason):
            high = None
    return low, high


@implements(np.clip)
def clip(
    trace: Trace,
    a: Any,
    a_min: Any = NONE,
    a_max: Any = NONE,
    out: Any = None,
    *,
    min: Any = NONE,
    max: Any = NONE,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    """Clip (limit) the values in an array."""
    if a_min is NONE and a_max is NONE:
        a_min, a_max = (None if v is NONE else v for v in (min, max))
    elif a_min is NONE or a_max is NONE:
        missing = "a_min" if a_min is NONE else "a_max"
        raise TypeError(f"clip() missing 1 required positional argument: '{missing}'")
    elif min is not NONE or max is not NONE:
        raise ValueError(
            "Passing `min` or `max` keyword argument when `a_min` and `a_max` are provided is forbidden."
        )
    low, high = _bounds_within(trace, a, a_min, a_max)
    if low is None and high is None:
        return trace.call(np.positive, a, out=out, casting=casting)
    if low is None:
        return trace.call(np.minimum, a, high, out=out, dtype=dtype, casting=casting)
    if high is None:
        return trace.call(np.maximum, a, low, out=out, dtype=dtype, casting=casting)
    if dtype is None:
        dtype = common_dtype([operand(trace, v).kind for v in (a, low, high)])
    bounded = trace.call(np.maximum, a, low, dtype=dtype, casting="unsafe")
    return trace.call(np.minimum, bounded, high, out=out, dtype=dtype, casting=casting)


@implements(np.isclose)
def isclose(trace: Trace, a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    """Returns a boolean array where two arrays are element-wise equal within a tolerance."""
    x, y = (v if is_number(v) else as_array(trace, v) for v in (a, b))
    if is_number(y):
        y = y * 1.0
    elif y.dtype.kind not in "fc":
        y = y.astype(np.float64)
    near = trace.call(np.less_equal, abs(trace.call(np.subtract, x, y)), atol + rtol * abs(y))
    close = (near & trace.call(np.isfinite, y)) | trace.call(np.equal, x, y)
    close = close | (trace.call(np.isnan, x) & trace.call(np.isnan, y)) if equal_nan else close
    return close if operand(trace, close).shape else trace.call(np.asarray, close)[()]


def _as_float(trace: Trace, value: Any) -> Any:
    one = elements(trace, value)
    return wrap(trace, one) if one.dtype.is_float else trace.call(np.float64, value)


@implements(np.allclose)
def allclose(
    trace: Trace, a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False
) -> Any:
    """Returns True if two arrays are element-wise equal within a tolerance."""
    return number(
        trace, elements(trace, trace.call(np.all, isclose(trace, a, b, rtol, atol, equal_nan))), bool
    )


@implements(np.array_equal)
def array_equal(trace: Trace, a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """True if two arrays have the same shape and elements, False otherwise."""
    try:
        x, y = operand(trace, a1), operand(trace, a2)
    except ValueError:  # lists of several lengths
        return False
    same = len(x.shape) == len(y.shape) and all(
        trace.holds(p, "==", q, "shapes in array_equal") for p, q in zip(x.shape, y.shape, strict=True)
    )
    if not same:
        return False
    equal = trace.call(np.equal, a1, a2)
    if equal_nan and x.dtype.kind in "fc" and y.dtype.kind in "fc":
        equal = equal | (trace.call(np.isnan, a1) & trace.call(np.isnan, a2))
    return number(trace, elements(trace, trace.call(np.all, equal)), bool)


@implements(np.nan_to_num)
def nan_to_num(
    trace: Trace, x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """Replace NaN and infinities with finite numbers."""
    value = elements(trace, x)
    if value.dtype.is_complex:
        found = x if not copy and type(x) is TracedArray else as_array(trace, x).copy()
        for part in (found.real, found.imag):
            part[...] = nan_to_num(trace, part, True, nan, posinf, neginf)
        return found if shape_of(value) else found[()]
    if value.dtype.is_float:
        info = np.finfo(value.dtype.numpy)  # pyright: ignore[reportArgumentType]
        high, low = (info.max if posinf is None else posinf), (info.min if neginf is None else neginf)
        given = value
        value = _replaced(trace, value, given.ne(given), nan)
        value = _replaced(trace, value, given.eq(float("inf")), high)
        value = _replaced(trace, value, given.eq(float("-inf")), low)
    if copy or type(x) is not TracedArray:
        return wrap(trace, value)
    x.write(value)
    return x


def _replaced(trace: Trace, value: Expr, mask: Expr, other: Any) -> Expr:
    return select(mask, broadcast_to(trace, elements(trace, other, value.dtype), shape_of(value)), value)


@implements(round)
def python_round(trace: Trace, value: Any, digits: Any = None) -> Any:
    """Python's `round` of a NumPy scalar: an int without digits; arrays have none."""
    if type(value) is not TracedScalar or value.dtype.kind in "bc":
        name = f"numpy.{value.dtype.type.__name__}" if type(value) is TracedScalar else "numpy.ndarray"
        raise TypeError(f"type {name} doesn't define __round__ method")
    return round(value.item()) if digits is None else round_(trace, value, digits)


@implements(np.round, np.around)
def round_(trace: Trace, a: Any, decimals: int = 0, out: Any = None) -> Any:
    """Evenly round to the given number of decimals."""
    decimals = operator.index(decimals)
    value = elements(trace, a)
    if value.dtype.is_complex:
        found = trace.call(np.zeros_like, a) if out is None else out
        for part in ("real", "imag"):
            getattr(found, part)[...] = round_(trace, getattr(as_array(trace, a), part), decimals)
        return found if shape_of(value) or out is not None else found[()]
    if value.dtype == BOOL and decimals == 0:
        return trace.call(np.rint, a, out=out)
    if not value.dtype.is_float:
        if value.dtype == BOOL:
            raise TypeError("Cannot cast ufunc output from dtype('float64') to dtype('bool') safely")
        if decimals < 0:
            tens = round_(trace, trace.call(np.true_divide, a, 1.0), decimals).astype(
                numpy_dtype(value.dtype)
            )
            return tens if out is None else trace.call(np.positive, tens, out=out)
        return trace.call(np.positive, a, out=out)
    if decimals == 0:
        return trace.call(np.rint, a, out=out)
    scale = 10.0 ** abs(decimals)
    first, second = (np.multiply, np.true_divide) if decimals > 0 else (np.true_divide, np.multiply)
    return trace.call(second, trace.call(np.rint, trace.call(first, a, scale)), scale, out=out)


@implements(np.fix)
def fix(trace: Trace, x: Any, out: Any = None) -> Any:
    """Round to nearest integer towards zero."""
    return trace.call(np.trunc, x, out=out)


@implements(np.copyto)
def copyto(trace: Trace, dst: TracedArray, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Copies values from one array to another, broadcasting as necessary."""
    one = operand(trace, src)
    weak = isinstance(one.kind, type) and np.result_type(one.constant or 0, dst.dtype) == dst.dtype
    if not weak and not np.can_cast(one.dtype, dst.dtype, casting):  # pyright: ignore[reportArgumentType]
        what = f"Cannot cast array data from {one.dtype!r} to {dst.dtype!r} according to the rule {casting!r}"
        raise TypeError(what)
    value = cast(elements(trace, src), dst.element)
    value = truth(elements(trace, src)) if dst.element == BOOL else value
    value = fit(trace, value, dst.view.shape, "a source")
    if where is not True:
        mask = elements(trace, where)
        if mask.dtype != BOOL:
            raise TypeError(f"Cannot cast array data from {mask.dtype.numpy!r} to dtype('bool') safely")
        value = select(fit(trace, mask, dst.view.shape, "a mask"), value, dst.expr)
    dst.write(value)


@implements(np.sinc)
def sinc(trace: Trace, x: Any) -> Any:
    """Return the normalized sinc function."""
    value = np.pi * (as_array(trace, x) if operand(trace, x).dtype.kind in "fc" else _as_float(trace, x))
    least = np.finfo(value.dtype).eps if value.dtype.kind == "f" else 1.0e-20
    angle = trace.call(np.where, value == 0, value.dtype.type(least), value)
    result = trace.call(np.sin, angle) / angle
    square = value * value  # the series has the value at 0, and the derivatives
    result = trace.call(np.where, value == 0, 1 - square / 6 + square * square / 120, result)
    return result if operand(trace, x).shape else result[()]


def _infinity(sign: float) -> Any:
    def composition(trace: Trace, x: Any, out: Any = None) -> Any:
        if operand(trace, x).dtype.kind == "c":
            raise TypeError("This operation is not supported for complex values: it would be ambiguous.")
        return trace.call(np.equal, x, sign * np.inf, out=out)

    return composition


implements(np.isposinf)(_infinity(1.0))
implements(np.isneginf)(_infinity(-1.0))


@implements(np.isscalar)
def isscalar(trace: Trace, element: Any) -> bool:
    """Returns True if the type of `element` is a scalar type."""
    return type(element) in (TracedScalar, TracedNumber) or bool(np.isscalar(element))


@implements(np.ndim)
def ndim(trace: Trace, a: Any) -> int:
    """Return the number of dimensions of an array."""
    return len(operand(trace, a).shape)


@implements(np.shape)
def shape(trace: Trace, a: Any) -> tuple[Any, ...]:
    """Return the shape of an array."""
    return a.shape if type(a) is TracedArray else trace.call(np.asarray, a).shape


@implements(np.size)
def size(trace: Trace, a: Any, axis: Any = None) -> Any:
    """Return the number of elements along a given axis, or several."""
    array = trace.call(np.asarray, a)
    if axis is None:
        return array.size
    axes = as_axes(trace, axis, array.ndim)
    return size_number(trace, product(tuple(array.view.shape[k] for k in axes)))


@implements(np.result_type)
def result_type(trace: Trace, *arrays_and_dtypes: Any) -> np.dtype:
    """The type that promotion gives."""

    def kind(value: Any) -> Any:
        if isinstance(value, np.dtype | type | str):
            return np.dtype(value)
        return operand(trace, value).kind

    return common_dtype([kind(value) for value in arrays_and_dtypes])


@implements(np.iscomplexobj)
def iscomplexobj(trace: Trace, x: Any) -> bool:
    """Check for a complex type or an array of complex numbers."""
    return operand(trace, x).dtype.kind == "c"


@implements(np.isrealobj)
def isrealobj(trace: Trace, x: Any) -> bool:
    """Return True if x is a not complex type or an array of complex numbers."""
    return not iscomplexobj(trace, x)


@implements(np.real)
def real(trace: Trace, val: Any) -> Any:
    """Return the real part of the complex argument."""
    return val.real if hasattr(val, "real") else trace.call(np.asarray, val).real
