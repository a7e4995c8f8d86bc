"""Running sums, products and extremes: cumsum and its kin, `ufunc.accumulate`; differences.

Reductions by ufuncs that have no tree of their own are the last element of their scan. Not here: sums and the
like (`reductions.py`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.compiler.frontend.numpy.broadcasting import broadcast_to
from weft.compiler.frontend.numpy.joining import concatenate
from weft.compiler.frontend.numpy.manipulation import as_axes, as_axis, integer_axis
from weft.compiler.frontend.numpy.products import store
from weft.compiler.frontend.numpy.reductions import NONE, chosen_axes, finish, widened, with_output
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.numpy.ufuncs import truth
from weft.compiler.frontend.promote import element_type
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray, as_array, elements, new_array, plain_int, shape_of
from weft.ir.dims import product
from weft.ir.errors import ShapeError
from weft.ir.expr import Expr, cast, constant, select
from weft.ir.types import BOOL, DType


def scan(trace: Trace, by: str, value: Expr, axis: int) -> Expr:
    """Elements combined with all before them along an axis."""
    return trace.expr(trace.emit("scan", [value.value], {"axis": axis, "by": by}))


def _converted(trace: Trace, value: Expr, dtype: Any, default: Any) -> Expr:
    ty = default if dtype is None else element_type(dtype, trace.location())
    return truth(value) if ty == BOOL else cast(value, ty)


def _flattened(trace: Trace, value: Expr, axis: Any) -> tuple[Expr, int]:
    """The elements and the axis that is walked: all of them in one row for None."""
    axis = plain_int(axis)
    if axis is None or (not shape_of(value) and axis in (0, -1)):
        return trace.builder.reshape(value, (product(shape_of(value)),)), 0
    return value, integer_axis(trace, axis, len(shape_of(value)))


def _cumulative(by: str, on_bools: str, skipped: float | None = None) -> Callable[..., Any]:
    def composition(trace: Trace, a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        value = elements(trace, a)
        if skipped is not None and (value.dtype.is_float or value.dtype.is_complex):
            value = select(value.ne(value), constant(value, skipped), value)
        default = with_output(value.dtype, out) or widened(value.dtype)
        value, number = _flattened(trace, _converted(trace, value, dtype, default), axis)
        result = scan(trace, on_bools if value.dtype == BOOL else by, value, number)
        return _stored(trace, result, out)

    return composition


def _stored(trace: Trace, result: Expr, out: Any) -> Any:
    """A new array, or `out`, which must have its shape."""
    out = out[0] if isinstance(out, tuple) else out
    if out is None:
        return new_array(trace, result)
    if out.ndim != len(shape_of(result)) or not all(
        trace.holds(p, "==", q, "sizes of an output")
        for p, q in zip(out.view.shape, shape_of(result), strict=True)
    ):
        raise ValueError("provided out is the wrong size for the accumulation.")
    return store(trace, result, out, casts_any=True)


cumsum = implements(np.cumsum)(_cumulative("add", "bitwise_or"))
cumprod = implements(np.cumprod)(_cumulative("multiply", "bitwise_and"))
implements(np.nancumsum)(_cumulative("add", "bitwise_or", 0.0))
implements(np.nancumprod)(_cumulative("multiply", "bitwise_and", 1.0))


def _standard(fold: Callable[..., Any], start: int) -> Callable[..., Any]:
    """The array-API form."""

    def composition(
        trace: Trace,
        x: Any,
        /,
        *,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        include_initial: bool = False,
    ) -> Any:
        array = trace.call(np.asarray, x)
        if axis is None:
            if array.ndim > 1:
                raise ShapeError(
                    "For arrays which have more than one dimension ``axis`` argument is required.",
                    code="E015",
                    location=trace.location(),
                    fix="name the axis",
                )
            axis = 0
        result = fold(trace, array, axis, dtype, None if include_initial else out)
        if not include_initial:
            return result
        number = as_axis(trace, axis, result.ndim)
        shape = list(result.shape)
        shape[number] = 1
        first = trace.call(np.full, tuple(shape), start, dtype=result.dtype)
        return trace.call(np.concatenate, [first, result], axis=number, out=out)

    return composition


implements(np.cumulative_sum)(_standard(cumsum, 0))
implements(np.cumulative_prod)(_standard(cumprod, 1))


# ---------------------------------------------------------------- differences


def _end(trace: Trace, array: TracedArray, axis: int, value: Any) -> TracedArray | None:
    """What is put before or behind an axis: one number stands for a slice of size 1."""
    if value is None or value is np._NoValue:  # pyright: ignore[reportPrivateUsage] -- the public default
        return None
    one = as_array(trace, value)
    if one.ndim:
        return one
    return trace.call(np.broadcast_to, one, tuple(1 if k == axis else d for k, d in enumerate(array.shape)))


@implements(np.diff)
def diff(trace: Trace, a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Calculate the n-th discrete difference along the given axis."""
    n = operator.index(n)
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n!r}")
    if not n:
        return a  # a list, too
    array = as_array(trace, a)
    number = as_axis(trace, axis, array.ndim)
    ends = [_end(trace, array, number, v) for v in (prepend, append)]
    if any(e is not None for e in ends):
        parts = [v for v in (ends[0], array, ends[1]) if v is not None]
        array = concatenate(trace, parts, number)
    front = (slice(None),) * number
    for _ in range(n):
        combine = np.not_equal if array.dtype == np.bool_ else np.subtract
        array = trace.call(combine, array[(*front, slice(1, None))], array[(*front, slice(None, -1))])
    return array


# ---------------------------------------------------------------- ufunc.accumulate

_SCANS: dict[np.ufunc, tuple[str, str]] = {
    np.add: ("add", "bitwise_or"),
    np.multiply: ("multiply", "bitwise_and"),
    np.subtract: ("subtract", ""),
    np.true_divide: ("divide", ""),
    np.floor_divide: ("floor_divide", ""),
    np.maximum: ("maximum", "maximum"),
    np.minimum: ("minimum", "minimum"),
    np.fmax: ("fmax", "fmax"),
    np.fmin: ("fmin", "fmin"),
    np.bitwise_and: ("bitwise_and", "bitwise_and"),
    np.bitwise_or: ("bitwise_or", "bitwise_or"),
    np.bitwise_xor: ("bitwise_xor", "bitwise_xor"),
    np.hypot: ("hypot", ""),
    np.logaddexp: ("logaddexp", ""),
    np.logaddexp2: ("logaddexp2", ""),
    np.arctan2: ("arctan2", ""),
    np.power: ("power", ""),
    np.fmod: ("fmod", ""),
    np.remainder: ("remainder", ""),
    np.float_power: ("power", ""),
    np.gcd: ("gcd", ""),
    np.copysign: ("copysign", ""),
    np.nextafter: ("nextafter", ""),
    np.left_shift: ("left_shift", ""),
    np.right_shift: ("right_shift", ""),
    np.equal: ("", "equal"),
    np.not_equal: ("", "not_equal"),
    np.less: ("", "less"),
    np.less_equal: ("", "less_equal"),
    np.greater: ("", "greater"),
    np.greater_equal: ("", "greater_equal"),
    np.logical_and: ("", "bitwise_and"),
    np.logical_or: ("", "bitwise_or"),
    np.logical_xor: ("", "bitwise_xor"),
}
_IDENTITIES: dict[np.ufunc, Any] = {
    np.bitwise_and: -1, np.bitwise_or: 0, np.bitwise_xor: 0, np.logical_xor: 0, np.hypot: 0,
    np.logaddexp: -np.inf, np.logaddexp2: -np.inf, np.gcd: 0,
}  # fmt: skip
_IN_ANY_ORDER = {*_IDENTITIES, np.fmax, np.fmin}
_COMPARISONS = (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)


def _scanned(trace: Trace, ufunc: np.ufunc, value: Expr, dtype: Any, axis: int) -> Expr:
    by, on_bools = _SCANS[ufunc]
    default = value.dtype
    if ufunc in _COMPARISONS and default != BOOL and (dtype is None or np.dtype(dtype) != np.bool_):
        raise TypeError(f"The resolved dtypes are not compatible with {ufunc.__name__}.accumulate.")
    if ufunc in (np.add, np.multiply) and dtype is None:
        default = widened(value.dtype)
    elif dtype is None:  # the loop of the ufunc whose operands and result are of one type
        default = _loop_type(trace, ufunc, value.dtype)
    if not by and dtype is not None and np.dtype(dtype) != np.bool_:
        raise TypeError(f"No loop matching the specified signature was found for ufunc {ufunc.__name__}")
    value = _converted(trace, value, dtype if by else None, default if by else BOOL)
    if value.dtype == BOOL and not on_bools:
        raise TypeError(
            f"numpy boolean {ufunc.__name__} is not supported; use the bitwise or logical functions"
        )
    return scan(trace, on_bools if value.dtype == BOOL else by, value, axis)


def _accumulate(ufunc: np.ufunc) -> Callable[..., Any]:
    def composition(trace: Trace, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        value = elements(trace, array)
        if not shape_of(value):
            raise TypeError("cannot accumulate on a scalar")
        rank = len(shape_of(value))
        if isinstance(axis, list | bool | np.bool_):
            raise TypeError(f"'{type(axis).__name__}' object cannot be interpreted as an integer")
        axes = tuple(range(rank)) if axis is None else as_axes(trace, axis, rank)
        if len(axes) != 1:
            raise ValueError("accumulate does not allow multiple axes")
        return _stored(trace, _scanned(trace, ufunc, value, dtype, axes[0]), out)

    return composition


def _reduce(ufunc: np.ufunc) -> Callable[..., Any]:
    """`ufunc.reduce`, the last element of the scan."""

    def composition(
        trace: Trace,
        array: Any,
        axis: Any = 0,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = NONE,
        where: Any = True,
    ) -> Any:
        value = elements(trace, array)
        shape = shape_of(value)
        axes = chosen_axes(trace, axis, len(shape))
        if len(axes) > 1 and ufunc not in _IN_ANY_ORDER:
            raise ValueError(
                f"reduction operation '{ufunc.__name__}' is not reorderable, "
                "so at most one axis may be specified"
            )
        if where is not True:
            raise trace.refuse(
                f"np.{ufunc.__name__}.reduce with `where` or several axes is not built",
                "reduce one axis",
                "E054",
            )
        if initial is not NONE and len(axes) == 1 and ufunc not in _IN_ANY_ORDER:
            return _from_first(trace, ufunc, value, initial, axes[0], dtype, keepdims, out)
        signed = ufunc in (np.hypot, np.gcd) and value.dtype.kind in "if"
        result = value.apply("absolute") if signed else value  # what the identity makes of one
        for number in sorted(axes, reverse=True):
            result = _last(trace, ufunc, result, dtype, number)
        if not axes:
            result = _converted(trace, result, dtype, _loop_type(trace, ufunc, value.dtype))
        if initial is not NONE:
            start = trace.call(ufunc, initial, new_array(trace, result))
            result = elements(trace, start, result.dtype)
        return finish(trace, result, shape, axes, keepdims, out, casts_any=True)

    return composition


def _loop_type(trace: Trace, ufunc: np.ufunc, given: DType) -> DType:
    """What a ufunc makes of two operands of a type."""
    found = ufunc.resolve_dtypes((given.numpy, given.numpy, None))
    return element_type(found[2], trace.location())


def _from_first(
    trace: Trace, ufunc: np.ufunc, value: Expr, initial: Any, axis: int, dtype: Any, keepdims: Any, out: Any
) -> Any:
    """As `reduce` of the elements with `initial` before them, from which a difference takes them, say."""
    array: Any = new_array(trace, value)
    shape = tuple(1 if k == axis else d for k, d in enumerate(array.shape))
    first = trace.call(np.full, shape, initial, dtype=array.dtype)
    both = trace.call(np.concatenate, [first, array], axis=axis)
    return trace.call(ufunc.reduce, both, axis=axis, dtype=dtype, keepdims=keepdims, out=out)


def _last(trace: Trace, ufunc: np.ufunc, value: Expr, dtype: Any, axis: int) -> Expr:
    shape = shape_of(value)
    rest = (*shape[:axis], *shape[axis + 1 :])
    if shape[axis] == 0:
        given = value.dtype.numpy
        loop = ufunc.resolve_dtypes((given, given, None))[2] if dtype is None else dtype
        if ufunc not in _IDENTITIES:
            raise ShapeError(
                f"zero-size array to reduction operation {ufunc.__name__} which has no identity",
                code="E016", location=trace.location(), fix="give an array with elements",
            )  # fmt: skip
        dtype = BOOL if ufunc is np.logical_xor else element_type(loop, trace.location())
        return broadcast_to(trace, trace.constant(_IDENTITIES[ufunc], dtype), rest)
    scanned = _scanned(trace, ufunc, value, dtype, axis)
    start = tuple(d - 1 if k == axis else 0 for k, d in enumerate(shape))
    size = tuple(1 if k == axis else d for k, d in enumerate(shape))
    places = {"start": start, "size": size, "step": (1,) * len(shape)}
    return trace.builder.reshape(trace.expr(trace.emit("slice", [scanned.value], places)), rest)


def _each(ufunc: Any, rows: Any, out: Any) -> Any:
    """The rows of `ufunc.accumulate`, as a user would write them."""
    for k in range(1, len(rows)):
        out[k] = ufunc(out[k - 1], rows[k])
    return out


def _by_steps(ufunc: np.ufunc, *, is_total: bool) -> Callable[..., Any]:
    """`accumulate`, or `reduce` along one axis, of a ufunc that is no operation of its own."""

    def composition(trace: Trace, array: Any, axis: Any = 0, dtype: Any = None, keepdims: Any = False) -> Any:
        given = as_array(trace, array)
        number = as_axis(trace, axis, given.ndim)
        kind = ufunc.resolve_dtypes((given.dtype, given.dtype, None))[2] if dtype is None else dtype
        rows = trace.call(np.moveaxis, given, number, 0).astype(kind)
        if rows.view.shape[0] == 0 and is_total:
            raise ValueError(f"zero-size array to reduction operation {ufunc.__name__} which has no identity")
        found = trace.run(_each, ufunc, rows, rows.copy())
        if not is_total:
            return trace.call(np.moveaxis, found, 0, number)
        return trace.call(np.expand_dims, found[-1], number) if keepdims else found[-1]

    return composition


_HAVE_TREES = (np.add, np.multiply, np.maximum, np.minimum, np.logical_and, np.logical_or)
for _ufunc in _SCANS:
    implements(_ufunc.accumulate)(_accumulate(_ufunc))
    if _ufunc not in _HAVE_TREES:
        implements(_ufunc.reduce)(_reduce(_ufunc))

for _ufunc in (np.lcm, np.heaviside):
    implements(_ufunc.reduce)(_by_steps(_ufunc, is_total=True))
    implements(_ufunc.accumulate)(_by_steps(_ufunc, is_total=False))

__all__ = ["cumprod", "cumsum", "scan"]
