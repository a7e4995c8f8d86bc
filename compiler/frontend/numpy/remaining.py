"""What remains of NumPy's pages: parts of floats, sliding windows, sets by other names, types.

Functions of NumPy called on traced arrays are those of the table. Not here: methods (`methods.py`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy
from numpy.lib import stride_tricks

from weft.compiler.frontend.bits import converted
from weft.compiler.frontend.known import fixed_number
from weft.compiler.frontend.number import as_dim, size_number
from weft.compiler.frontend.numpy.creation import as_shape, constant_array
from weft.compiler.frontend.numpy.manipulation import as_axis
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.numpy.written import each
from weft.compiler.frontend.promote import element_type
from weft.compiler.frontend.storage import Shape, Windows
from weft.compiler.frontend.text import text
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, TracedArray, TracedScalar, as_array, new_array, operand
from weft.ir.dims import DimLike, floor_divide, product

np: Any = numpy  # typed so: it is called with traced arrays


# ---------------------------------------------------------------- parts of floats


def _stored(result: Any, out: Any) -> Any:
    if out is not None:
        out[...] = result
        return out
    return result if result.ndim else result[()]


def _float(trace: Trace, x: Any) -> Any:
    array: Any = as_array(trace, x)
    if array.dtype.kind == "c":
        raise TypeError("ufunc not supported for the input types: complex numbers")
    return (
        array
        if array.dtype.kind == "f"
        else array.astype(np.result_type(array.dtype, np.float16).type(0).dtype)
    )


def _seen_as(trace: Trace, x: Any, dtype: Any) -> Any:
    """The same bits as a dtype that is as wide."""
    return new_array(trace, converted(as_array(trace, x).expr, element_type(dtype)))


@implements(np.frexp)
def frexp(trace: Trace, x: Any, out: Any = (None, None)) -> tuple[Any, Any]:
    """Decompose the elements of x into mantissa and twos exponent."""
    given = _float(trace, x)
    wide = np.dtype(np.float64 if given.dtype == np.float64 else np.float32)
    integer, fraction = (np.int64, 52) if wide == np.float64 else (np.int32, 23)
    ones = integer((1 << (wide.itemsize * 8 - 1 - fraction)) - 1)
    bias, value = int(ones) // 2 - 1, given.astype(wide)
    bits = _seen_as(trace, value, integer)
    is_tiny = (bits >> fraction) & ones == 0  # below the normal numbers, or 0
    bits = np.where(is_tiny, _seen_as(trace, value * wide.type(2.0**60), integer), bits)
    power = (bits >> fraction) & ones
    regular = (power != ones) & (value != 0)
    half = (bits & ~(ones << fraction)) | integer(bias << fraction)
    part = np.where(regular, _seen_as(trace, half, wide), value).astype(given.dtype)
    exponent = np.where(regular, power - bias - np.where(is_tiny, 60, 0), 0).astype(np.int32)
    return _stored(part, out[0]), _stored(exponent, out[1])


@implements(np.spacing)
def spacing(trace: Trace, x: Any, out: Any = None) -> Any:
    """Return the distance between x and the nearest adjacent number, with the sign of x."""
    value = _float(trace, x)
    if value.dtype == np.float16:  # the gap above, of negative numbers too
        gap = np.nextafter(value, np.float16(np.inf)) - value
        return _stored(np.where(np.isfinite(value), gap, np.nan).astype(value.dtype), out)
    size = np.abs(value)
    above = np.nextafter(size, np.inf)
    gap = np.where(np.isfinite(above), above - size, size - np.nextafter(size, 0.0))
    gap = np.where(np.isfinite(size), gap, np.nan).astype(value.dtype)
    return _stored(np.copysign(gap, np.where(np.isfinite(value), value, 1.0)).astype(value.dtype), out)


# ---------------------------------------------------------------- sets, in the names of the array API

_ALL, _COUNTS, _INVERSE = (
    type(fn(np.ones(1))) for fn in (np.unique_all, np.unique_counts, np.unique_inverse)
)


@implements(np.unique_all)
def unique_all(trace: Trace, x: Any) -> Any:
    """Find the unique elements of an array, and counts, inverse, and indices."""
    return _ALL(*np.unique(as_array(trace, x), True, True, True, equal_nan=False))


@implements(np.unique_counts)
def unique_counts(trace: Trace, x: Any) -> Any:
    """Find the unique elements and counts of an input array."""
    return _COUNTS(*np.unique(as_array(trace, x), return_counts=True, equal_nan=False))


@implements(np.unique_inverse)
def unique_inverse(trace: Trace, x: Any) -> Any:
    """Find the unique elements of an array and the indices that reconstruct it."""
    return _INVERSE(*np.unique(as_array(trace, x), return_inverse=True, equal_nan=False))


# ---------------------------------------------------------------- windows


@implements(stride_tricks.sliding_window_view)
def sliding_window_view(
    trace: Trace, x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """All windows of a shape: a view that is only read."""
    array: Any = as_array(trace, x)
    sizes = as_shape(trace, window_shape)
    named = axis if isinstance(axis, Sequence) else (axis,)
    axes = tuple(range(array.ndim)) if axis is None else tuple(as_axis(trace, k, array.ndim) for k in named)
    if len(sizes) != len(axes) and axis is None:
        raise ValueError(
            f"Since axis is None, must provide window_shape for all dimensions of `x`; got {len(sizes)} "
            f"window_shape elements and `x.ndim` is {array.ndim}."
        )
    if len(sizes) != len(axes):
        raise ValueError("Must provide matching length window_shape and axis")
    if writeable:
        raise trace.refuse("a window that may be written is not built", "write to the array", "E054")
    lengths = list(array.view.shape)
    for number, size in zip(axes, sizes, strict=True):
        if not trace.holds(lengths[number], ">=", size, "size of a window"):
            raise ValueError("window shape cannot be larger than input array shape")
        lengths[number] = lengths[number] - size + 1
    return TracedArray(trace, array.view.through(Windows(axes, sizes)))


@implements(stride_tricks.as_strided)
def as_strided(
    trace: Trace, x: Any, shape: Any = None, strides: Any = None, subok: bool = False, writeable: bool = True
) -> Any:
    """Elements of the memory from the first on, by steps in bytes: a view that is only read."""
    array: Any = as_array(trace, x)
    sizes = array.view.shape if shape is None else as_shape(trace, shape)
    own = [s for s in map(as_dim, array.strides) if s is not None]
    steps = own if strides is None else [s for s in map(as_dim, strides) if s is not None]
    if len(steps) != len(sizes):
        raise ValueError("mismatch in length of strides and shape")
    if trace.holds(product(sizes), "==", 0, "elements of as_strided"):
        return trace.call(np.zeros, shape, array.dtype)
    found = _jumping(trace, array, sizes, steps, own)
    return _along_memory(trace, array, sizes, steps) if found is None else found


def _jumping(trace: Trace, array: Any, sizes: Shape, steps: list[DimLike], own: list[DimLike]) -> Any:
    """Windows of the array, each some places from the one before; None if it is no such view."""
    count, what = array.ndim, "steps of as_strided"
    if len(sizes) != 2 * count or not all(
        trace.holds(a, "==", b, what) for a, b in zip(steps[count:], own, strict=True)
    ):
        return None
    windows, key = sizes[count:], list[slice]()
    for size, window, step, unit, whole in zip(sizes, windows, steps, own, array.view.shape, strict=False):
        jump = trace.pin(floor_divide(step, unit), what) if trace.holds(unit, ">", 0, what) else 0
        end = (size - 1) * jump + 1
        is_inside = trace.holds(end + window - 1, "<=", whole, what)
        if jump <= 0 or not is_inside or not trace.holds(step, "==", jump * unit, what):
            return None
        key.append(slice(0, size_number(trace, end), jump))
    return sliding_window_view(trace, array, tuple(size_number(trace, d) for d in windows))[tuple(key)]


def _along_memory(trace: Trace, array: Any, sizes: Shape, steps: list[DimLike]) -> Any:
    if not array.view.is_dense:
        raise trace.refuse("as_strided of an array with gaps is not built", "copy it first", "E054")
    width, known = array.dtype.itemsize, [trace.pin(s, "steps of as_strided") for s in steps]
    if any(s % width or s < 0 for s in known):
        raise trace.refuse("as_strided is built for steps of whole elements forward", "use slices", "E054")
    spans = [(n - 1) * (s // width) + 1 for n, s in zip(sizes, known, strict=True)]
    reach: DimLike = 0
    for span in spans:
        reach = reach + span - 1
    if not trace.holds(reach, "<", product(array.view.shape), "memory of as_strided"):
        raise ValueError("as_strided: the view would reach beyond the array")
    found = array.ravel()
    for n, span, step in zip(sizes, spans, known, strict=True):
        if step:
            found = sliding_window_view(trace, found, size_number(trace, span), 0)[..., :: step // width]
        else:
            found = trace.call(np.broadcast_to, found[..., None], (*found.shape, size_number(trace, n)))
    return found[0]


# ---------------------------------------------------------------- histograms of points


@implements(np.histogramdd)
def histogramdd(
    trace: Trace, sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, Any]:  # fmt: skip
    """Compute the multidimensional histogram of some data."""
    is_rows = operand(trace, sample).shape and not isinstance(sample, list | tuple)
    points: Any = (
        np.atleast_2d(as_array(trace, sample))
        if is_rows
        else np.stack([as_array(trace, s) for s in sample], axis=-1)
    )
    points = points[:, None] if points.ndim == 1 else points
    points = points.T if points.ndim == 2 and is_rows and as_array(trace, sample).ndim == 1 else points
    rank = trace.pin(points.view.shape[1], "axes of a histogram")
    each = list(bins) if isinstance(bins, list | tuple) else [bins] * rank
    if len(each) != rank:
        raise ValueError("The dimension of bins must be equal to the dimension of the sample x.")
    limits = [None] * rank if range is None else list(range)
    edges = [
        np.histogram_bin_edges(points[:, k], b, r) for k, (b, r) in enumerate(zip(each, limits, strict=True))
    ]
    inside: Any = True
    place: Any = 0
    for k, edge in enumerate(edges):
        line = points[:, k]
        at = np.searchsorted(edge, line, side="right") - np.where(line == edge[-1], 2, 1)
        inside = inside & (line >= edge[0]) & (line <= edge[-1])
        place = place * (edge.shape[0] - 1) + at
    shape = tuple(edge.shape[0] - 1 for edge in edges)
    total = 1
    for size in shape:
        total = total * size
    scale = (
        trace.call(np.ones, points.shape[0])
        if weights is None
        else as_array(trace, weights).astype(np.float64)
    )
    found = trace.call(np.zeros, total + 1, dtype=np.float64)
    trace.call(np.add.at, found, np.where(inside, place, total), scale)
    found = found[:-1].reshape(shape)
    if density:
        whole = np.sum(found)
        for k, edge in enumerate(edges):
            found = found / np.diff(edge).reshape(*(-1 if j == k else 1 for j in numpy.arange(rank).tolist()))
        found = found / whole
    return found, edges


# ---------------------------------------------------------------- functions of types


_REQUIREMENTS = {
    name: name[0]
    for name in (
        "C C_CONTIGUOUS CONTIGUOUS F F_CONTIGUOUS FORTRAN A ALIGNED W WRITEABLE O OWNDATA E ENSUREARRAY"
    ).split()
}
"""What may be asked of an array, by NumPy's names."""


@implements(np.require)
def require(trace: Trace, a: Any, dtype: Any = None, requirements: Any = None, *, like: Any = None) -> Any:
    """An array of a dtype; a new one where it lies in memory in another order than is asked for."""
    wanted = {_REQUIREMENTS[one.upper()] for one in requirements or ()}
    if wanted >= {"C", "F"}:
        raise ValueError('Cannot specify both "C" and "F" order')
    order = next((one for one in "CF" if one in wanted), None)
    return trace.call(np.asarray, a, dtype, order=order)


@implements(np.asarray_chkfinite)
def asarray_chkfinite(trace: Trace, a: Any, dtype: Any = None, order: Any = None) -> Any:
    """Convert the input to an array, checking for NaNs or Infs."""
    array: Any = trace.call(np.asarray, a, dtype)
    trace.fail_unless(np.all(np.isfinite(array)).expr, ValueError("array must not contain infs or NaNs"))
    return array


@implements(np.ndarray)
def ndarray(trace: Trace, shape: Any, dtype: Any = float) -> Any:
    """A new array; its elements are 0 until they are written."""
    return trace.call(np.zeros, shape, dtype)


def _of_types(fn: Any) -> None:
    """A function that asks for dtypes alone: traced arrays stand for theirs."""

    def composition(trace: Trace, *args: Any, **kwargs: Any) -> Any:
        return fn(*(a.dtype if type(a) in TRACED else a for a in args), **kwargs)

    implements(fn)(composition)


for _fn in (np.isdtype, np.can_cast, np.issubdtype, np.promote_types):
    _of_types(_fn)


@implements(np.mintypecode)
def mintypecode(trace: Trace, typechars: Any, typeset: Any = "GDFgdf", default: Any = "d") -> str:
    """The character of the smallest type to which all of these can be cast."""
    chars = [one.dtype.char if type(one) in (TracedArray, TracedScalar) else one for one in typechars]
    return np.mintypecode(chars, typeset, default)


@implements(np.iterable)
def iterable(trace: Trace, y: Any) -> bool:
    """Whether something has items to go over."""
    return y.ndim > 0 if type(y) is TracedArray else type(y) not in TRACED and bool(np.iterable(y))


@implements(np.lib.array_utils.normalize_axis_index)
def normalize_axis_index(trace: Trace, axis: Any, ndim: Any, msg_prefix: str | None = None) -> int:
    """The number of an axis from the front."""
    return np.lib.array_utils.normalize_axis_index(operator.index(axis), operator.index(ndim), msg_prefix)


@implements(np.lib.array_utils.normalize_axis_tuple)
def normalize_axis_tuple(
    trace: Trace, axis: Any, ndim: Any, argname: str | None = None, allow_duplicate: bool = False
) -> tuple[int, ...]:
    """The numbers of axes from the front."""
    return np.lib.array_utils.normalize_axis_tuple(axis, operator.index(ndim), argname, allow_duplicate)


@implements(np.min_scalar_type)
def min_scalar_type(trace: Trace, a: Any, /) -> Any:
    """Of an array its dtype, of a number the smallest that holds it."""
    if type(a) is TracedArray and a.ndim:
        return a.dtype
    return np.min_scalar_type(fixed_number(trace, a))


def _as_text(fn: Any) -> None:
    """A function that gives a text, now or when the program runs."""

    def composition(trace: Trace, *args: Any, **kwargs: Any) -> Any:
        return text(trace, partial(fn, **kwargs), *args)

    implements(fn)(composition)


for _fn in (np.array2string, np.array_str, np.array_repr):
    _as_text(_fn)


def _quadrature(fn: Any) -> None:
    """Points and weights of a degree that is known."""

    def composition(trace: Trace, deg: Any) -> Any:
        return tuple(constant_array(trace, one) for one in fn(operator.index(deg)))

    implements(fn)(composition)


for _fn in (
    np.polynomial.legendre.leggauss, np.polynomial.chebyshev.chebgauss, np.polynomial.laguerre.laggauss,
    np.polynomial.hermite.hermgauss, np.polynomial.hermite_e.hermegauss,
):  # fmt: skip
    _quadrature(_fn)


@implements(np.common_type)
def common_type(trace: Trace, *arrays: Any) -> Any:
    """Return a scalar type which is common to the input arrays."""
    return np.common_type(*(np.empty(0, a.dtype) if type(a) in TRACED else a for a in arrays))


# ---------------------------------------------------------------- Python functions of elements


class Vectorized:
    """What `np.vectorize` and `np.frompyfunc` give: a loop over elements, with the first result's dtype."""

    def __init__(self, fn: Callable[..., Any], otypes: Any = None) -> None:
        self.fn, self.otypes = fn, otypes

    def trace_call(self, trace: Trace, call: Callable[..., Any], args: Any, kwargs: Any, effects: Any) -> Any:
        """Apply it to arrays that broadcast together."""
        if kwargs:
            raise trace.refuse(
                "a vectorized function called with keywords is not built", "pass positions", "E054"
            )
        arrays: Any = trace.call(np.broadcast_arrays, *args) if len(args) > 1 else [as_array(trace, args[0])]
        shape, size = arrays[0].shape, arrays[0].size
        if trace.holds(product(arrays[0].view.shape), "==", 0, "elements of a vectorized function"):
            if self.otypes is None:
                raise ValueError("cannot call `vectorize` on size 0 inputs unless `otypes` is set")
            return trace.call(np.zeros, shape, self.otypes[0])
        result = call(each, self.fn, size, [a.ravel() for a in arrays]).reshape(shape)
        result = result if self.otypes is None else result.astype(self.otypes[0])
        return result if result.ndim else result[()]


@implements(np.vectorize)
def vectorize(
    trace: Trace, pyfunc: Any, otypes: Any = None, doc: Any = None, excluded: Any = None, cache: bool = False,
    signature: Any = None,
) -> Any:  # fmt: skip
    """A function of arrays from one of numbers."""
    if excluded or signature is not None:
        raise trace.refuse("np.vectorize with `excluded` or a signature is not built", "write a loop", "E054")
    return Vectorized(pyfunc, None if otypes is None else list(otypes))


@implements(np.frompyfunc)
def frompyfunc(trace: Trace, func: Any, /, nin: int, nout: int, *, identity: Any = None) -> Any:
    """A function of arrays from one of numbers; its results are numbers of one dtype, not objects."""
    if nout != 1:
        raise trace.refuse("np.frompyfunc of several results is not built", "make one for each", "E054")
    return Vectorized(func)


__all__ = ["frexp", "spacing"]
