"""Sorting and what follows: sort, argsort, partition, lexsort, searchsorted, digitize, median, quantiles.

Not here: the order of elements (`ir/ops/sort.py`), sets (`sets.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.compiler.frontend.number import as_dim, size_number
from weft.compiler.frontend.numpy.broadcasting import broadcast_to
from weft.compiler.frontend.numpy.manipulation import as_axes, as_axis, integer_axis
from weft.compiler.frontend.numpy.products import store
from weft.compiler.frontend.numpy.reductions import NONE, finish, weights_along
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.promote import common_dtype, element_type, numpy_dtype
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import (
    Operand,
    TracedArray,
    as_array,
    elements,
    new_array,
    operand,
    shape_of,
    wrap,
)
from weft.ir.dims import DimLike, floor_divide, product, show_dim
from weft.ir.errors import IndexFault, ShapeError
from weft.ir.expr import Expr, cast
from weft.ir.types import BOOL, F64, I64

_FEW = 2  # places of a partition that take less than sorting


def along(trace: Trace, op: str, value: Expr, axis: int, kth: Sequence[DimLike] = ()) -> Expr:
    """`sort` or `argsort` along an axis; with `kth` a partition, of few places by one after the other."""
    if value.dtype.is_complex:
        return _along_pairs(trace, op, value, axis)
    if not kth or len(kth) > _FEW or (op == "argsort" and len(kth) > 1):
        return trace.expr(trace.emit(op, [value.value], {"axis": axis}))
    for place in kth:  # a later one leaves equal first bytes in their order, so that an earlier one stays
        value = trace.expr(trace.emit(op, [value.value], {"axis": axis, "kth": place}))
    return value


def _along_pairs(trace: Trace, op: str, value: Expr, axis: int) -> Expr:
    """Complex numbers in lexicographic order: by parts that are NaN, then real, then imaginary parts."""
    array = new_array(trace, value)
    re, im = array.real, array.imag
    no_re, no_im = trace.call(np.isnan, re), trace.call(np.isnan, im)
    late = trace.call(np.where, no_re, np.int8(2), no_im.astype(np.int8))
    order = lexsort(trace, [im, re, late], axis)
    return elements(trace, order if op == "argsort" else trace.call(np.take_along_axis, array, order, axis))


def _axis(trace: Trace, value: Expr, axis: Any, check: Callable[..., int] = as_axis) -> tuple[Expr, int]:
    if axis is None:
        return trace.builder.reshape(value, (product(shape_of(value)),)), 0
    return value, check(trace, axis, len(shape_of(value)))


def _check_kind(trace: Trace, kind: Any, stable: Any, order: Any) -> None:
    if order is not None:
        raise ValueError("Cannot specify order when the array has no fields.")
    if kind is not None and stable is not None:
        raise ValueError(
            "`kind` and `stable` parameters can't be provided at the same time. Use only one of them."
        )
    if kind is not None and str(kind)[:1].lower() not in "qmhs":
        raise ValueError(f"sort kind must be one of 'quick', 'heap', or 'stable' (got {kind!r})")


@implements(np.sort)
def sort(
    trace: Trace, a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> TracedArray:
    """Return a sorted copy of an array."""
    _check_kind(trace, kind, stable, order)
    return new_array(trace, along(trace, "sort", *_axis(trace, elements(trace, a), axis)))


@implements(np.argsort)
def argsort(
    trace: Trace, a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> TracedArray:
    """Returns the indices that would sort an array; equal elements keep their order."""
    _check_kind(trace, kind, stable, order)
    value = elements(trace, a)
    if not shape_of(value):
        as_axis(trace, 0 if axis is None else axis, 1)
        return new_array(trace, trace.builder.broadcast(trace.constant(0, I64), (1,)))
    return new_array(trace, along(trace, "argsort", *_axis(trace, value, axis, integer_axis)))


@implements(np.sort_complex)
def _sort_complex(trace: Trace, a: Any) -> Any:
    """Sort a complex array using the real part first, then the imaginary part."""
    array = as_array(trace, a)
    narrow = array.dtype.char in "bhBH" or array.dtype == np.complex64
    return sort(trace, array.astype(np.complex64 if narrow else np.complex128))


@implements(np.partition)
def partition(
    trace: Trace, a: Any, kth: Any, axis: Any = -1, kind: Any = "introselect", order: Any = None
) -> TracedArray:
    """Return a partitioned copy of an array; of more than two places the sorted one."""
    value, number = _axis(trace, elements(trace, a), axis)
    places = _check_kth(trace, kth, shape_of(value)[number], kind)
    return new_array(trace, along(trace, "sort", value, number, places))


@implements(np.argpartition)
def argpartition(
    trace: Trace, a: Any, kth: Any, axis: Any = -1, kind: Any = "introselect", order: Any = None
) -> TracedArray:
    """Indices that partition; for more than one place those that sort."""
    value, number = _axis(trace, elements(trace, a), axis, integer_axis)
    places = _check_kth(trace, kth, shape_of(value)[number], kind)
    return new_array(trace, along(trace, "argsort", value, number, places))


def _check_kth(trace: Trace, kth: Any, size: DimLike, kind: Any) -> Sequence[DimLike]:
    """The places, from the beginning; none if all are to be sorted, which serves any."""
    if not isinstance(kind, str):
        raise TypeError(f"select kind must be str, not {type(kind).__name__}")
    if kind != "introselect":
        raise ValueError(f"select kind must be 'introselect' (got {kind!r})")
    if size == 0:
        return []
    found: list[DimLike] = []
    for one in kth if isinstance(kth, Sequence) else (kth,):
        place = as_dim(one)
        if place is None:
            return _computed_kth(trace, as_array(trace, kth), size)
        if trace.holds(place, "<", 0, "sign of kth"):
            place = place + size
        if trace.holds(place, "<", 0, "kth within its axis") or trace.holds(
            place, ">=", size, "kth within its axis"
        ):
            raise ValueError(f"kth(={one}) out of bounds ({size})")
        found.append(place)
    return found


def _computed_kth(trace: Trace, kth: TracedArray, size: DimLike) -> Sequence[DimLike]:
    if kth.dtype.kind == "b":
        raise ValueError("Booleans unacceptable as partition index")
    if kth.dtype.kind not in "iu":
        raise TypeError("Partition index must be integer")
    total = size_number(trace, size)
    fits = trace.call(np.all, (kth >= -total) & (kth < total))
    trace.fail_unless(fits.expr, ValueError(f"kth out of bounds ({show_dim(size)})"))
    return ()


@implements(np.lexsort)
def lexsort(trace: Trace, keys: Any, axis: Any = -1) -> Any:
    """Indirect stable sort by several keys, of which the last is the first in rank."""
    rows = list(keys) if isinstance(keys, Sequence) else list(as_array(trace, keys))
    if not rows:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    if not any(operand(trace, row).shape for row in rows):
        return wrap(trace, trace.constant(0, I64))
    order: Any = None
    for row in rows:
        if order is None:
            order = argsort(trace, row, axis)
            continue
        taken = trace.call(np.take_along_axis, as_array(trace, row), order, axis)
        order = trace.call(np.take_along_axis, order, argsort(trace, taken, axis), axis)
    return order


# ---------------------------------------------------------------- places in sorted arrays


def search(trace: Trace, line: Expr, values: Expr, *, right: bool) -> Expr:
    """How many elements of a sorted array come before each value."""
    return trace.expr(trace.emit("search", [line.value, values.value], {"right": right}))


def _checked_sorter(trace: Trace, sorter: TracedArray, size: DimLike) -> TracedArray:
    if sorter.dtype.kind not in "iu":
        raise TypeError("sorter must only contain integers")
    if sorter.ndim != 1 or not trace.holds(sorter.view.shape[0], "==", size, "size of a sorter"):
        raise ValueError("sorter.size must equal a.size")
    fits = (sorter >= 0) & (sorter < size_number(trace, size))
    trace.fail_unless(trace.call(np.all, fits).expr, ValueError("Sorter index out of range."))
    return sorter


@implements(np.searchsorted)
def searchsorted(trace: Trace, a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Find indices where elements should be inserted to maintain order."""
    if side not in ("left", "right"):
        raise ValueError(f"search side must be 'left' or 'right' (got '{side}')")
    line = as_array(trace, a)
    if line.ndim != 1:
        raise ShapeError(
            "object too deep for desired array",
            code="E011",
            location=trace.location(),
            fix="pass a 1-D array",
        )
    if sorter is not None:
        line = line[_checked_sorter(trace, as_array(trace, sorter), line.view.shape[0])]
    value = operand(trace, v)
    ty = element_type(common_dtype([line.dtype, value.dtype]), trace.location())
    return wrap(trace, search(trace, cast(line.expr, ty), value.expr(trace, ty), right=side == "right"))


@implements(np.digitize)
def digitize(trace: Trace, x: Any, bins: Any, right: bool = False) -> Any:
    """Return the indices of the bins to which each value belongs; bins may fall as well as rise."""
    if "c" in (operand(trace, x).dtype.kind, as_array(trace, bins).dtype.kind):
        raise TypeError("x may not be complex, nor bins")
    edges = as_array(trace, bins)
    if edges.ndim != 1:
        raise ValueError(f"object {'too deep' if edges.ndim else 'of too small depth'} for desired array")
    side = "left" if right else "right"
    if edges.view.shape[0] == 0:
        return searchsorted(trace, edges, x, side)
    falls = edges[0] > edges[-1]
    rising = searchsorted(trace, trace.call(np.where, falls, edges[::-1], edges), x, side)
    rises = trace.call(np.all, edges[:-1] <= edges[1:]) | trace.call(np.all, edges[:-1] >= edges[1:])
    trace.fail_unless(rises.expr, ValueError("bins must be monotonically increasing or decreasing"))
    count = trace.call(np.subtract, edges.shape[0], rising)
    result = trace.call(np.where, falls, count, rising)
    return result if operand(trace, x).shape else result[()]


# ---------------------------------------------------------------- median and quantiles


def _rows(
    trace: Trace, a: Any, axis: Any, *, skips_nan: bool
) -> tuple[Expr, tuple[DimLike, ...], tuple[int, ...]]:
    """The elements with the axes that are reduced as one last axis, the whole shape, and the axes."""
    value = elements(trace, a)
    shape = shape_of(value)
    axes = tuple(range(len(shape))) if axis is None else tuple(sorted(as_axes(trace, axis, len(shape))))
    kept = tuple(k for k in range(len(shape)) if k not in axes)
    if not skips_nan and len(axes) > 1 and isinstance(axis, Sequence) and any(shape[k] == 0 for k in kept):
        raise ValueError("cannot reshape array of size 0 into shape (0,newaxis)")
    order = (*kept, *axes)
    if order != tuple(range(len(shape))):
        value = trace.expr(trace.emit("transpose", [value.value], {"axes": order}))
    joined = (*(shape[k] for k in kept), product(tuple(shape[k] for k in axes)))
    return trace.builder.reshape(value, joined), shape, axes


def _finish(
    trace: Trace, value: Expr, shape: tuple[DimLike, ...], axes: Sequence[int], keepdims: Any, out: Any,
    *, casts_any: bool = True,
) -> Any:  # fmt: skip
    """As `finish`; of no axes, kept, these functions give an array."""
    if not shape and keepdims is not NONE and keepdims and out is None:
        return new_array(trace, value)
    return finish(trace, value, shape, axes, keepdims, out, casts_any=casts_any)


def _median(*, skips_nan: bool) -> Callable[..., Any]:
    def composition(
        trace: Trace,
        a: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        keepdims: Any = False,
    ) -> Any:
        value, shape, axes = _rows(trace, a, axis, skips_nan=skips_nan)
        if value.dtype.kind not in "fc":
            value = cast(value, F64)
        size = shape_of(value)[-1]
        if size == 0:
            result = broadcast_to(trace, trace.constant(float("nan"), value.dtype), shape_of(value)[:-1])
            return _finish(trace, result, shape, axes, keepdims, out)
        places = () if skips_nan else (floor_divide(size, 2),)
        line = new_array(trace, along(trace, "sort", value, len(shape_of(value)) - 1, places))
        if skips_nan:
            count = trace.call(np.sum, line == line, axis=-1, keepdims=True)
            high, low = count // 2, trace.call(np.maximum, (count - 1) // 2, 0)
            ends = [trace.call(np.take_along_axis, line, k, -1)[..., 0] for k in (low, high)]
            # of no elements at all both ends are the first, NaN
            middle = trace.call(np.where, (count % 2 == 1)[..., 0], ends[1], (ends[0] + ends[1]) / 2)
        else:
            middle = _middle(trace, line, value.dtype.is_complex)
        return _finish(trace, elements(trace, middle), shape, axes, keepdims, out)

    return composition


def _middle(trace: Trace, line: TracedArray, is_sorted: bool) -> Any:
    """The median of rows that are sorted, or partitioned at their middle; NaN of those that have one."""
    high = line.shape[-1] // 2
    low = (line.shape[-1] - 1) // 2
    upper = line[..., high]
    last = line[..., -1] if is_sorted else trace.call(np.max, line[..., high:], axis=-1)
    lower = upper
    if low is not high:
        lower = line[..., low] if is_sorted else trace.call(np.max, line[..., : low + 1], axis=-1)
    middle = trace.call(np.where, lower == upper, upper, (lower + upper) / 2)
    return trace.call(np.where, last != last, last, middle)


median = implements(np.median)(_median(skips_nan=False))
nanmedian = implements(np.nanmedian)(_median(skips_nan=True))

# alpha and beta of the methods that place a quantile at n q + alpha + q (1 - alpha - beta) - 1
_CONTINUOUS = {
    "linear": (1.0, 1.0), "interpolated_inverted_cdf": (0.0, 1.0), "hazen": (0.5, 0.5), "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3), "normal_unbiased": (3 / 8, 3 / 8),
}  # fmt: skip


_EXACT = ("inverted_cdf", "closest_observation", "lower", "higher", "nearest")
_DISCRETE = ("inverted_cdf", "averaged_inverted_cdf", "closest_observation")


def _discrete_position(trace: Trace, method: str, place: Any) -> tuple[Any, Any, Any]:
    """An element at or above the place; the mean of two, or the nearest even one, where both are as near."""
    if method == "closest_observation":
        place = place - 0.5
    low = trace.call(np.floor, place)
    exact = place == low
    if method == "averaged_inverted_cdf":
        return low, low + 1, trace.call(np.where, exact, 0.5, 1.0)
    if method == "closest_observation":
        exact = exact & (low % 2 == 1)
    found = trace.call(np.where, exact, low, low + 1)
    return found, found, 0.0


def _position(trace: Trace, method: str, count: Any, q: Any) -> tuple[Any, Any, Any]:
    """The places between which a quantile lies, not yet within the axis, and how far on from the first."""
    if method in _CONTINUOUS:
        alpha, beta = _CONTINUOUS[method]
        place = (count - 1) * q if method == "linear" else count * q + (alpha + q * (1 - alpha - beta)) - 1
        low = trace.call(np.floor, place)
        return low, low + 1, place - low
    if method in _DISCRETE:
        return _discrete_position(trace, method, count * q - 1)
    place = (count - 1) * q
    match method:
        case "lower":
            low = trace.call(np.floor, place)
            return low, low, 0.0
        case "higher":
            high = trace.call(np.ceil, place)
            return high, high, 0.0
        case "nearest":
            near = trace.call(np.rint, place)
            return near, near, 0.0
        case "midpoint":
            low, high = trace.call(np.floor, place), trace.call(np.ceil, place)
            return low, high, trace.call(np.where, low == high, 0.0, 0.5)
        case _:
            pass
    known = ", ".join((*_DISCRETE, *_CONTINUOUS, "lower", "higher", "midpoint", "nearest"))
    raise ValueError(f"{method!r} is not a valid method. Use one of: {known}")


def _checked_shares(trace: Trace, a: Any, q: Any) -> Operand:
    """The shares of a quantile; raises what NumPy does for those, or elements, that it does not take."""
    if operand(trace, a).dtype.kind == "c":
        raise TypeError("a must be an array of real numbers")
    shares = operand(trace, q)
    if shares.dtype.kind == "c":
        raise TypeError("ufunc 'floor' not supported for the input types")
    if len(shares.shape) > 2:
        raise ValueError("q must be a scalar or 1d")
    return shares


def _of_numbers(value: Expr, *, is_exact: bool) -> Expr:
    """Elements to choose of, or to compute with; raises TypeError for those without quantiles."""
    if is_exact and value.dtype.kind in "iu":
        return value
    if value.dtype == BOOL and not is_exact:
        raise TypeError(
            "numpy boolean subtract, the `-` operator, is not supported, "
            "use the bitwise_xor, the `^` operator, or the logical_xor function instead."
        )
    return value if value.dtype.is_float else cast(value, F64)


def _weight_rows(trace: Trace, a: Any, weights: Any, axis: Any, method: str) -> TracedArray:
    """Weights of all elements, by rows as these are."""
    if method != "inverted_cdf":
        raise ValueError(f"Only method 'inverted_cdf' supports weights. Got: {method}.")
    wide = weights_along(trace, trace.call(np.asarray, weights), trace.call(np.asarray, a), axis)
    scales, _, _ = _rows(trace, wide.astype(np.float64), axis, skips_nan=True)
    return new_array(trace, scales)


def _check_shares(trace: Trace, q: Any, shares: Operand, scale: float) -> None:
    """Raise ValueError, while tracing or when the program runs, for a share outside of its range."""
    what = ValueError(
        "Percentiles must be in the range [0, 100]" if scale > 1 else "Quantiles must be in the range [0, 1]"
    )
    if shares.constant is None:
        if len(shares.shape) > 1 and trace.holds(product(shares.shape), "==", 0, "shares of a quantile"):
            raise ValueError("zero-size array to reduction operation minimum which has no identity")
        inside = trace.call(np.greater_equal, q, 0) & trace.call(np.less_equal, q, scale)
        trace.fail_unless(trace.call(np.all, inside).expr, what)
    elif isinstance(shares.constant, complex) or not 0 <= shares.constant <= scale:
        raise what


def _quantile(scale: float, *, skips_nan: bool) -> Callable[..., Any]:
    def composition(
        trace: Trace,
        a: Any,
        q: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: Any = False,
        *,
        weights: Any = None,
    ) -> Any:
        shares = _checked_shares(trace, a, q)
        value, shape, axes = _rows(trace, a, axis, skips_nan=skips_nan)
        if skips_nan and 0 in shape:  # of each row, without an axis for several shares
            return trace.call(np.nanmean, a, axis, out=out, keepdims=keepdims)
        is_empty = trace.holds(shape_of(value)[-1], "==", 0, "quantile of no elements")
        if is_empty and not skips_nan:
            raise IndexFault("index -1 is out of bounds for axis 0 with size 0", location=trace.location())
        exact = method in _EXACT or (method == "linear" and scale == 1 and shares.dtype.kind in "biu")
        given = value.dtype
        value = _of_numbers(value, is_exact=exact)
        _check_shares(trace, q, shares, scale)
        share = (
            trace.call(np.true_divide, trace.call(np.asarray, q), scale)
            if scale > 1
            else trace.call(np.asarray, q)
        )
        share = share.astype(np.float64) if share.dtype.kind != "f" else share

        if is_empty:
            empty = (*shape_of(value)[:-1], 1)
            value = broadcast_to(
                trace, trace.constant(float("nan"), value.dtype if value.dtype.is_float else F64), empty
            )
        if weights is None:
            line = new_array(trace, along(trace, "sort", value, len(shape_of(value)) - 1))
            is_weak = isinstance(shares.kind, type)
            result = _interpolated(
                trace, line, share, method, is_weak=is_weak, skips_nan=skips_nan, is_exact=exact
            )
        else:
            scales = _weight_rows(trace, a, weights, axis, method)
            result = _weighted(trace, value, scales, share, skips_nan=skips_nan)
        if exact:  # one of the elements
            result = result.astype(numpy_dtype(given))
        rank = len(shape_of(share.expr))
        if not rank and out is not None and not exact and out.ndim and not result.ndim:
            out[...] = result  # by a ufunc, which spreads it
            return out
        if not rank:
            final = _finish(trace, elements(trace, result), shape, axes, keepdims, out, casts_any=False)
            return final if weights is None else trace.call(np.asarray, final)
        moved = trace.call(np.moveaxis, result, tuple(range(-rank, 0)), tuple(range(rank)))
        found = elements(trace, moved)
        lead = shape_of(found)[:rank]
        if keepdims is not NONE and keepdims:
            kept = tuple(1 if k in axes else d for k, d in enumerate(shape))
            found = trace.builder.reshape(found, (*lead, *kept))
        return wrap(trace, found) if out is None else store(trace, found, out)

    return composition


def _weighted(trace: Trace, value: Expr, weights: TracedArray, share: Any, *, skips_nan: bool) -> Any:
    """The first element of each row up to which the weights reach a share of their sum; shapes as below."""
    places, line = share.ravel(), new_array(trace, value)
    trace.fail_unless(trace.call(np.all, weights >= 0).expr, ValueError("Weights must be non-negative."))
    order = trace.call(np.argsort, line, -1)
    line, weights = (trace.call(np.take_along_axis, v, order, -1) for v in (line, weights))
    if skips_nan:
        weights = trace.call(np.where, line == line, weights, 0.0)
    reached = trace.call(np.cumsum, weights, -1)
    reached = reached / reached[..., -1:]
    wrong = ValueError("Weights included NaN, inf or were all zero.")
    trace.fail_unless(trace.call(np.all, reached[..., -1] == reached[..., -1]).expr, wrong)
    reached = trace.call(np.where, reached == 0, -1.0, reached.astype(share.dtype))  # 0 % has a weight, too
    before = trace.call(np.sum, reached[..., None, :] < places[:, None], axis=-1)
    last = trace.call(np.sum, line == line, axis=-1, keepdims=True) if skips_nan else line.shape[-1]
    index = trace.call(np.maximum, trace.call(np.minimum, before, last - 1), 0)
    result = trace.call(np.take_along_axis, line, index, -1)
    if not skips_nan:
        result = trace.call(np.where, line[..., -1:] != line[..., -1:], line[..., -1:], result)
    return result.reshape((*line.shape[:-1], *share.shape))


def _interpolated(
    trace: Trace,
    line: TracedArray,
    share: Any,
    method: str,
    *,
    is_weak: bool,
    skips_nan: bool,
    is_exact: bool,
) -> Any:
    """Quantiles of sorted rows: shape of the rows, then that of `share`."""
    rank = share.ndim
    places = share.ravel() if rank else share.reshape(1)
    size = line.shape[-1]
    if skips_nan:
        count = trace.call(np.sum, line == line, axis=-1, keepdims=True)
        count = count.astype(places.dtype)
    else:
        count = trace.call(np.full, (1,), size, dtype=places.dtype)
    low, high, rest = _position(trace, method, count, places)
    last = count - 1
    ends: list[Any] = []
    for place in (low, high):
        inside = (
            trace.call(np.clip, place, 0, last)
            if not skips_nan
            else trace.call(np.minimum, trace.call(np.maximum, place, 0), trace.call(np.maximum, last, 0))
        )
        index = inside.astype(np.int64)
        index = trace.call(np.broadcast_to, index, (*line.shape[:-1], index.shape[-1]))
        ends.append(trace.call(np.take_along_axis, line, index, -1))
    if is_exact:
        result = ends[0]
    else:
        rest = trace.call(np.where, low < 0, 0.0, rest) if method in _CONTINUOUS else rest
        rest = trace.call(np.asarray, rest).astype(places.dtype)
        result = _on_the_way(trace, ends[0], ends[1], rest, is_weak=is_weak)
    if not skips_nan:
        final = line[..., -1:]
        result = trace.call(np.where, final != final, final, result)
    shape = (*line.shape[:-1], *share.shape)
    return result.reshape(shape)


def _on_the_way(trace: Trace, low: Any, high: Any, weight: Any, *, is_weak: bool) -> Any:
    """What lies the part `weight` of the way from low to high."""
    step, other = high - low, 1 - weight
    if is_weak:  # NumPy computes it in float64, but the result keeps the dtype of the elements
        weight, other = weight.astype(step.dtype), other.astype(step.dtype)
    is_near = trace.call(np.greater_equal, weight, 0.5)
    return trace.call(np.where, is_near, high - step * other, low + step * weight)


implements(np.quantile)(_quantile(1.0, skips_nan=False))
implements(np.percentile)(_quantile(100.0, skips_nan=False))
implements(np.nanquantile)(_quantile(1.0, skips_nan=True))
implements(np.nanpercentile)(_quantile(100.0, skips_nan=True))

__all__ = ["along", "argsort", "search", "searchsorted", "sort"]
