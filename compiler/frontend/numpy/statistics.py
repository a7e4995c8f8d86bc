"""Statistics beyond reductions: cov, corrcoef, histograms, bincount of a known length, nan-versions.

Not here: sums, means (`reductions.py`), medians and quantiles (`order.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.compiler.frontend.number import TracedNumber, as_dim, size_number
from weft.compiler.frontend.numpy.bins import RULES, number_of_bins
from weft.compiler.frontend.numpy.creation import as_size
from weft.compiler.frontend.numpy.missing import check_inexact
from weft.compiler.frontend.numpy.reductions import NONE, stored
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, TracedArray, TracedScalar, as_array, elements
from weft.ir.expr import cast
from weft.ir.types import I64


@implements(np.cov)
def cov(
    trace: Trace,
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """Estimate a covariance matrix, given data and weights."""
    rows = as_array(trace, m)
    if rows.ndim > 2:
        raise ValueError("m has more than 2 dimensions")
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    kinds = [rows, np.float64] if y is None else [rows, as_array(trace, y), np.float64]
    dtype = trace.call(np.result_type, *kinds) if dtype is None else dtype
    if np.dtype(dtype).kind not in "fc":
        raise TypeError(f"Cannot cast ufunc 'subtract' output from float64 to {np.dtype(dtype)!r}")
    x = _observations(trace, rows, dtype, rowvar)
    if trace.holds(x.view.shape[0], "==", 0, "variables of cov"):
        return trace.call(np.zeros, (0, 0))
    if y is not None:
        x = trace.call(np.concatenate, [x, _observations(trace, as_array(trace, y), dtype, rowvar)], axis=0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    weights: Any = None
    for name, one in (("fweights", fweights), ("aweights", aweights)):
        if one is not None:
            scale = _checked_weights(trace, name, as_array(trace, one), x)
            weights = scale if weights is None else weights * scale
    average = trace.call(np.average, x, axis=1, weights=weights)
    if weights is None:
        divisor: Any = x.shape[1] - ddof
    else:
        total = trace.call(np.sum, weights)
        divisor = total - ddof
        if ddof and aweights is not None:
            divisor = total - ddof * trace.call(np.sum, weights * as_array(trace, aweights)) / total
    centered = x - average[:, None]
    scaled = centered if weights is None else centered * weights
    product = trace.call(np.matmul, centered, scaled.T.conj())
    result = product / (trace.call(np.maximum, divisor, 0) if type(divisor) in TRACED else max(divisor, 0))
    return trace.call(np.squeeze, result)


def _checked_weights(trace: Trace, name: str, given: TracedArray, x: Any) -> TracedArray:
    if name == "fweights" and given.dtype.kind not in "biu":
        whole = trace.call(np.all, given == trace.call(np.rint, given))
        trace.fail_unless(whole.expr, TypeError("fweights must be integer"))
    if given.ndim > 1:
        raise RuntimeError(f"cannot handle multidimensional {name}")
    if not trace.holds(given.view.shape[0], "==", x.view.shape[1], f"number of {name}"):
        raise RuntimeError(f"incompatible numbers of samples and {name}")
    trace.fail_unless(trace.call(np.all, given >= 0).expr, ValueError(f"{name} cannot be negative"))
    return given.astype(np.float64)


def _observations(trace: Trace, array: TracedArray, dtype: Any, rowvar: bool) -> Any:
    one = trace.call(np.atleast_2d, array).astype(dtype)
    return one if rowvar or array.ndim < 2 else one.T


@implements(np.corrcoef)
def corrcoef(trace: Trace, x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """Return Pearson product-moment correlation coefficients."""
    matrix = cov(trace, x, y, rowvar, dtype=dtype)
    if matrix.ndim == 0:
        return matrix / matrix
    deviation = trace.call(np.sqrt, trace.call(np.diagonal, matrix).real)
    scaled = matrix / deviation[:, None] / deviation[None, :]
    if scaled.dtype.kind != "c":
        return trace.call(np.clip, scaled, -1, 1)
    for part in (scaled.real, scaled.imag):
        part[...] = trace.call(np.clip, part, -1, 1)
    return scaled


# ---------------------------------------------------------------- counting


@implements(np.bincount)
def bincount(trace: Trace, x: Any, weights: Any = None, minlength: Any = 0) -> Any:
    """Count number of occurrences of each value; one from `minlength` on, if given, is an IndexError."""
    values = as_array(trace, np.zeros(0, np.int64) if isinstance(x, list | tuple) and not x else x)
    if values.ndim != 1:
        raise ValueError("object too deep for desired array")
    if values.dtype.kind not in "biu":
        raise TypeError(
            f"Cannot cast array data from dtype('{values.dtype}') to dtype('int64') "
            "according to the rule 'safe'"
        )
    if values.dtype.kind == "b" or values.dtype == np.uint64:
        values = values.astype(np.int64)
    size = as_size(trace, minlength)
    if weights is not None:
        count = as_array(trace, weights).view.shape
        if len(count) != 1 or not trace.holds(count[0], "==", values.view.shape[0], "number of weights"):
            raise ValueError("The weights and list don't have the same length.")
    is_empty = trace.known(values.view.shape[0], "==", 0, "elements of bincount")
    if is_empty:
        return trace.call(np.zeros, size_number(trace, size), dtype=np.int64)
    negative = "'list' argument must have no negative elements"
    if values.dtype.kind == "i":
        trace.fail_unless(trace.call(np.all, values >= 0).expr, ValueError(negative))
    if not trace.holds(size, "==", 0, "minlength of bincount"):
        return _counted(trace, values, weights, size_number(trace, size))
    if is_empty is None:
        values = values.astype(np.int64)
    largest = trace.call(np.max, values, **({"initial": -1} if is_empty is None else {}))
    room = trace.computed_size(cast(largest.expr, I64) + 1)
    return _counted(trace, values, weights, size_number(trace, room))


def _counted(trace: Trace, places: Any, weights: Any, size: Any) -> Any:
    """How often each place comes, or the sums of weights there."""
    if weights is None:
        total = trace.call(np.zeros, size, dtype=np.int64)
        trace.call(np.add.at, total, places, 1)
    else:
        scale = as_array(trace, weights)
        kind = np.complex128 if scale.dtype.kind == "c" else np.float64
        total = trace.call(np.zeros, size, dtype=kind)
        trace.call(np.add.at, total, places, scale.astype(kind))
    return total


def _check_bins(trace: Trace, values: TracedArray, bins: Any) -> None:
    if values.dtype.kind == "c":
        raise trace.refuse("a histogram of complex numbers is not built", "use their parts", "E054")


def _outer_edges(trace: Trace, values: TracedArray, range_: Any) -> tuple[Any, Any]:
    """Where the first bin begins and the last one ends, before bins of no width are widened."""
    if range_ is not None:
        low, high = range_
        if not any(type(v) in TRACED for v in (low, high)) and low > high:
            raise ValueError("max must be larger than min in range parameter.")
        return low, high
    if values.view.shape[0] == 0:
        return 0.0, 1.0
    return trace.call(np.min, values), trace.call(np.max, values)


def _edges(trace: Trace, values: TracedArray, bins: Any, range_: Any) -> tuple[Any, bool]:
    """Edges of the bins, and whether all bins are equally wide."""
    _check_bins(trace, values, bins)
    if isinstance(bins, str):
        low, high = _outer_edges(trace, values, range_)
        found = number_of_bins(trace, values, bins, (low, high), is_cut=range_ is not None)
        if type(found) in TRACED:
            found = size_number(trace, trace.computed_size(found.expr))
        bins = found
    is_computed = type(bins) is TracedNumber or (type(bins) is TracedScalar and bins.dtype.kind in "iu")
    count = as_size(trace, bins) if is_computed else as_dim(bins)
    if count is None:
        edges = as_array(trace, bins)
        if not edges.ndim:
            raise TypeError("`bins` must be an integer, a string, or an array")
        if edges.ndim != 1:
            raise ValueError("`bins` must be 1d, when an array")
        falls = trace.call(np.any, edges[:-1] > edges[1:])
        what = ValueError("`bins` must increase monotonically, when an array")
        trace.fail_unless(elements(trace, ~falls), what)
        return edges, False
    positive = ValueError("`bins` must be positive, when an integer")
    is_none = trace.known(count, "<", 1, "bins of a histogram")
    if is_none:
        raise positive
    if is_none is None:
        trace.fail_unless(trace.size(count).apply("greater_equal", 1), positive)
    low, high = _outer_edges(trace, values, range_)
    typed = [v for v in (low, high) if type(v) in TRACED or isinstance(v, np.generic)]
    common = trace.call(np.result_type, *typed, values)
    dtype = common if common.kind == "f" else np.dtype(np.float64)
    low, high = (
        v if common.kind == "f" or type(v) not in TRACED else trace.call(np.float64, v) for v in (low, high)
    )
    low, high = (v if type(v) in TRACED else dtype.type(v) if v in typed else float(v) for v in (low, high))
    if any(type(v) in TRACED for v in (low, high)) and values.dtype.kind == "f":
        finite = trace.call(np.isfinite, low) & trace.call(np.isfinite, high)
        trace.fail_unless(finite.expr, ValueError("the range of a histogram is not finite"))
    same = trace.call(np.equal, low, high)
    low, high = (
        trace.call(np.where, same, low - 0.5, low)[()],
        trace.call(np.where, same, high + 0.5, high)[()],
    )
    return trace.call(np.linspace, low, high, bins + 1, endpoint=True, dtype=dtype), True


def _rising_edges(
    trace: Trace, values: TracedArray, bins: Any, range_: Any, weights: Any
) -> tuple[Any, bool]:
    """The same; raises ValueError where bins are too many to differ, TypeError for a rule with weights."""
    if isinstance(bins, str) and bins in RULES and weights is not None:
        raise TypeError("Automated estimation of the number of bins is not supported for weighted data")
    edges, is_even = _edges(trace, values, bins, range_)
    if is_even:
        count = bins if isinstance(bins, int) else "so many"
        text = f"Too many bins for data range. Cannot create {count} finite-sized bins."
        trace.fail_unless(trace.call(np.all, edges[:-1] < edges[1:]).expr, ValueError(text))
    return edges, is_even


@implements(np.histogram_bin_edges)
def histogram_bin_edges(trace: Trace, a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """Function to calculate only the edges of the bins used by the `histogram` function."""
    return _rising_edges(trace, as_array(trace, a).ravel(), bins, range, weights)[0]


@implements(np.histogram)
def histogram(
    trace: Trace, a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, Any]:  # fmt: skip
    """Compute the histogram of a dataset."""
    values = as_array(trace, a).ravel()
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    scale = None if weights is None else as_array(trace, weights).ravel()
    edges, is_even = _rising_edges(trace, values, bins, range, weights)
    count = edges.shape[0] - 1
    place, inside = (_even_place if is_even else _place)(trace, values, edges, count)
    # what lies outside is counted in one more bin, which is dropped
    place = trace.call(np.where, inside, place, count)
    found = _counted(trace, place, scale, count + 1)[:-1].copy()
    if scale is not None and scale.dtype != np.float64:
        found = found.astype(scale.dtype)
    if density:
        widths = trace.call(np.diff, edges).astype(np.float64)
        return found / widths / trace.call(np.sum, found), edges
    return found, edges


def _even_place(trace: Trace, values: Any, edges: Any, count: Any) -> tuple[Any, Any]:
    """The bin of each value by arithmetic, set right by one where rounding missed."""
    low, high = edges[0], edges[-1]
    inside = (values >= low) & (values <= high)
    safe = trace.call(np.where, inside, values, low)
    scaled = (safe.astype(edges.dtype) - low) / (high - low) * count
    place = trace.call(np.minimum, scaled.astype(np.int64), count - 1)
    place = place - trace.call(np.where, safe < edges[place], 1, 0)
    up = (safe >= edges[place + 1]) & (place != count - 1)
    return place + trace.call(np.where, up, 1, 0), inside


def _place(trace: Trace, values: Any, edges: Any, count: Any) -> tuple[Any, Any]:
    """The bin of each value by search; the last bin holds its upper edge too."""
    inside = (values >= edges[0]) & (values <= edges[-1])
    place = trace.call(np.searchsorted, edges, values, side="right") - 1
    last = values == edges[-1]
    place = trace.call(np.where, last, count - 1, place)
    return trace.call(np.clip, place, 0, count), inside


@implements(np.histogram2d)
def histogram2d(
    trace: Trace, x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Compute the bi-dimensional histogram of two data samples."""
    given = [as_array(trace, v) for v in (x, y)]
    if not all(v.ndim for v in given):
        raise TypeError("len() of unsized object")
    if any(v.ndim != 1 for v in given):
        raise ValueError("x and y must have the same length.")
    if not trace.holds(given[0].view.shape[0], "==", given[1].view.shape[0], "lengths of x and y"):
        raise ValueError("x and y must have the same length.")
    common = trace.call(np.result_type, *given)
    columns = [v.astype(common) for v in given]
    both = isinstance(bins, Sequence) and len(bins) == 2
    each = list(bins) if both else [bins, bins]
    ranges = [None, None] if range is None else list(range)
    edges = [_edges(trace, c, b, r)[0] for c, b, r in zip(columns, each, ranges, strict=True)]
    counts = [e.shape[0] - 1 for e in edges]
    total: Any = None
    inside: Any = None
    for column, edge, count in zip(columns, edges, counts, strict=True):
        place, fits = _place(trace, column, edge, count)
        total = place if total is None else total * count + place
        inside = fits if inside is None else inside & fits
    size = counts[0] * counts[1]
    total = trace.call(np.where, inside, total, size)
    scale = trace.call(np.ones, columns[0].shape[0]) if weights is None else weights
    found = _counted(trace, total, scale, size + 1)[:-1].reshape(counts[0], counts[1])
    if density:
        for axis, edge in enumerate(edges):
            width = trace.call(np.diff, edge)
            found = found / (width[:, None] if axis == 0 else width)
        found = found / trace.call(np.sum, _counted(trace, total, scale, size + 1)[:-1])
    return found.copy(), edges[0], edges[1]


# ---------------------------------------------------------------- without NaN


def _nan_moment(fn: Callable[..., Any]) -> Callable[..., Any]:
    def composition(
        trace: Trace,
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        ddof: Any = 0,
        keepdims: Any = NONE,
        *,
        correction: Any = NONE,
        mean: Any = NONE,
        where: Any = True,
    ) -> Any:
        if correction is not NONE and ddof != 0:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = ddof if correction is NONE else correction
        array = as_array(trace, a)
        wanted = bool(keepdims) and keepdims is not NONE
        check_inexact(trace, array, dtype, out)
        if array.dtype.kind not in "fc":
            given = {"axis": axis, "dtype": dtype, "out": out, "ddof": ddof, "keepdims": wanted, "mean": mean}
            given["where"] = where
            return trace.call(fn, array, **given)
        if dtype is not None:
            array = array.astype(dtype)
        held, ty = array == array, array.real.dtype
        held = held if where is True else held & as_array(trace, where)
        count = trace.call(np.sum, held, axis=axis, keepdims=True).astype(ty)
        clean = trace.call(np.where, held, array, 0)
        center = trace.call(np.sum, clean, axis=axis, keepdims=True) / count if mean is NONE else mean
        distance = trace.call(np.where, held, array - center, 0)
        squared = distance.real * distance.real + distance.imag * distance.imag
        squared = squared if array.dtype.kind == "c" else distance * distance
        squares = trace.call(np.sum, squared, axis=axis, keepdims=wanted)
        rest = (count if wanted else trace.call(np.sum, held, axis=axis)).astype(ty) - ddof
        rest = trace.call(np.where, rest > 0, rest, np.nan)
        result = squares / rest
        result = trace.call(np.sqrt, result) if fn is np.std else result
        result = result.astype(ty if dtype is None else dtype)
        return result if out is None else stored(trace, result, out)

    return composition


implements(np.nanvar)(_nan_moment(np.var))
implements(np.nanstd)(_nan_moment(np.std))


def _nan_position(fn: Callable[..., Any], worst: float) -> Callable[..., Any]:
    """The position of an extreme among the elements that are not NaN."""

    def composition(trace: Trace, a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = NONE) -> Any:
        array = as_array(trace, a)
        if array.dtype.kind in "fc":
            some = trace.call(np.all, trace.call(np.any, array == array, axis=axis))
            trace.fail_unless(some.expr, ValueError("All-NaN slice encountered"))
            array = trace.call(np.where, array != array, worst, array)
        return trace.call(fn, array, axis=axis, out=out, keepdims=keepdims)

    return composition


implements(np.nanargmax)(_nan_position(np.argmax, -np.inf))
implements(np.nanargmin)(_nan_position(np.argmin, np.inf))
