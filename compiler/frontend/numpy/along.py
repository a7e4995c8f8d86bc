"""Positions, along an axis and as lists: take_along_axis, put_along_axis, indices, triangles.

Not here: indexing by `[]` (`indexing.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.compiler.frontend.indexing import clip_mode
from weft.compiler.frontend.number import TracedNumber, as_dim, size_number
from weft.compiler.frontend.numpy.broadcasting import broadcast_to, common_shape
from weft.compiler.frontend.numpy.creation import as_shape, as_size, check_order, constant_array, items_of
from weft.compiler.frontend.numpy.manipulation import as_axis
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import (
    TracedArray,
    as_array,
    elements,
    new_array,
    operand,
    plain_int,
)
from weft.ir.dims import floor_divide, modulo, product
from weft.ir.errors import IndexFault


def _places(trace: Trace, array: TracedArray, indices: Any, axis: int) -> tuple[Any, ...]:
    """An index for each axis: `indices` on one, the place itself on the others."""
    rank = array.ndim
    index = as_array(trace, indices)
    if index.ndim != rank:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    if index.dtype.kind not in "iu":
        raise IndexFault("`indices` must be an integer array", location=trace.location())
    key: list[Any] = []
    for k in range(rank):
        if k == axis:
            key.append(index)
            continue
        line = trace.call(np.arange, array.shape[k])
        key.append(line.reshape(-1, *(1,) * (rank - 1 - k)))
    return tuple(key)


def _flat(trace: Trace, arr: Any, indices: Any, axis: Any) -> tuple[TracedArray, Any, int]:
    array = as_array(trace, arr)
    if axis is None:
        if operand(trace, indices).shape and len(operand(trace, indices).shape) != 1:
            raise ValueError("when axis=None, `indices` must have a single dimension.")
        return array.ravel(), indices, 0
    return array, indices, as_axis(trace, axis, array.ndim)


@implements(np.take_along_axis)
def take_along_axis(trace: Trace, arr: Any, indices: Any, axis: Any = -1) -> Any:
    """Take values from the input array by matching 1d index and data slices."""
    array, index, number = _flat(trace, arr, indices, axis)
    return array[_places(trace, array, index, number)]


@implements(np.put_along_axis)
def put_along_axis(trace: Trace, arr: Any, indices: Any, values: Any, axis: Any) -> None:
    """Put values into the destination array by matching 1d index and data slices."""
    array, index, number = _flat(trace, arr, indices, axis)
    array[_places(trace, array, index, number)] = values


# ---------------------------------------------------------------- grids


@implements(np.meshgrid)
def meshgrid(
    trace: Trace, *xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Any, ...]:
    """Return a tuple of coordinate matrices from coordinate vectors."""
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    rank = len(xi)
    lines = [as_array(trace, x).reshape(*(1,) * k, -1, *(1,) * (rank - 1 - k)) for k, x in enumerate(xi)]
    if indexing == "xy" and rank > 1:
        order = (1, 0, *range(2, rank))
        lines = [line.transpose(*order) for line in lines]
    if not sparse:
        shape = common_shape(trace, [line.view.shape for line in lines])
        return tuple(new_array(trace, broadcast_to(trace, line.expr, shape)) for line in lines)
    return tuple(line.copy() for line in lines) if copy else tuple(lines)


@implements(np.indices)
def indices(trace: Trace, dimensions: Any, dtype: Any = int, sparse: bool = False) -> Any:
    """Return an array representing the indices of a grid."""
    if isinstance(dimensions, int | np.integer):
        raise TypeError(f"'{type(dimensions).__name__}' object is not iterable")
    sizes = [size_number(trace, d) for d in as_shape(trace, dimensions)]
    lines = [trace.call(np.arange, size, dtype=dtype) for size in sizes]
    lines = [line.reshape(*(1,) * k, -1, *(1,) * (len(sizes) - 1 - k)) for k, line in enumerate(lines)]
    if sparse:
        return tuple(lines)
    if not lines:
        return trace.call(np.zeros, (0,), dtype=dtype)
    return trace.call(np.stack, [trace.call(np.broadcast_to, line, tuple(sizes)) for line in lines])


@implements(np.ix_)
def ix_(trace: Trace, *args: Any) -> tuple[Any, ...]:
    """Construct an open mesh from multiple sequences."""
    made: list[Any] = []
    for k, one in enumerate(args):
        line = as_array(trace, one)
        if line.ndim != 1:
            raise ValueError("Cross index must be 1 dimensional")
        if line.dtype == np.bool_:
            (line,) = trace.call(np.nonzero, line)
        elif line.view.shape[0] == 0 and not isinstance(one, TracedArray):
            line = line.astype(np.intp)
        made.append(line.reshape(*(1,) * k, -1, *(1,) * (len(args) - 1 - k)))
    return tuple(made)


@implements(np.fromfunction)
def fromfunction(
    trace: Trace,
    function: Callable[..., Any],
    shape: Any,
    *,
    dtype: Any = float,
    like: None = None,
    **kwargs: Any,
) -> Any:
    """Construct an array by executing a function over each coordinate."""
    grid = indices(trace, shape, dtype)
    return function(*(grid[k] for k in range(grid.view.shape[0])), **kwargs)


# ---------------------------------------------------------------- triangles and diagonals of known sizes


def _known(trace: Trace, value: Any, what: str) -> int:
    """A size whose value decides how long a result is."""
    dim = as_dim(plain_int(value))
    if dim is None:
        raise trace.refuse(f"{what} must be known when the program starts", "use ints and sizes", "E051")
    return trace.pin(dim, what)


def _triangle(fn: Callable[..., Any]) -> Callable[..., Any]:
    def composition(trace: Trace, n: Any, k: Any = 0, m: Any = None) -> tuple[Any, ...]:
        rows = _known(trace, n, f"n of {fn.__name__}")
        columns = None if m is None else _known(trace, m, f"m of {fn.__name__}")
        found = fn(rows, _known(trace, k, f"k of {fn.__name__}"), columns)
        return tuple(constant_array(trace, one) for one in found)

    return composition


tril_indices = implements(np.tril_indices)(_triangle(np.tril_indices))
triu_indices = implements(np.triu_indices)(_triangle(np.triu_indices))


@implements(np.tril_indices_from)
def tril_indices_from(trace: Trace, arr: Any, k: Any = 0) -> Any:
    """Return the indices for the lower-triangle of arr."""
    if as_array(trace, arr).ndim != 2:
        raise ValueError("input array must be 2-d")
    return tril_indices(trace, arr.shape[-2], k, arr.shape[-1])


@implements(np.triu_indices_from)
def triu_indices_from(trace: Trace, arr: Any, k: Any = 0) -> Any:
    """Return the indices for the upper-triangle of arr."""
    if as_array(trace, arr).ndim != 2:
        raise ValueError("input array must be 2-d")
    return triu_indices(trace, arr.shape[-2], k, arr.shape[-1])


@implements(np.mask_indices)
def mask_indices(trace: Trace, n: Any, mask_func: Any, k: Any = 0) -> tuple[Any, ...]:
    """Indices of a triangle, named by its function."""
    table = {np.tril: tril_indices, np.triu: triu_indices}
    if mask_func not in table:
        raise trace.refuse(
            "np.mask_indices takes np.tril or np.triu alone", "use np.nonzero of a mask", "E054"
        )
    return table[mask_func](trace, n, k)


@implements(np.diag_indices)
def diag_indices(trace: Trace, n: Any, ndim: int = 2) -> tuple[Any, ...]:
    """Return the indices to access the main diagonal of an array."""
    return (trace.call(np.arange, n),) * ndim


@implements(np.diag_indices_from)
def diag_indices_from(trace: Trace, arr: Any) -> tuple[Any, ...]:
    """Return the indices to access the main diagonal of an n-dimensional array."""
    if arr.ndim < 2:
        raise ValueError("input array must be at least 2-d")
    first, *rest = arr.view.shape
    if not all(trace.holds(d, "==", first, "sizes of diag_indices_from") for d in rest):
        raise ValueError("All dimensions of input must be of equal length")
    return diag_indices(trace, arr.shape[0], arr.ndim)


@implements(np.fill_diagonal)
def fill_diagonal(trace: Trace, a: TracedArray, val: Any, wrap: bool = False) -> None:
    """Fill the main diagonal of the given array of any dimensionality."""
    if a.ndim < 2:
        raise ValueError("array must be at least 2-d")
    value = new_array(trace, elements(trace, val, a.element))
    shape = a.view.shape
    value = value.ravel() if value.ndim > 1 else value
    if a.ndim == 2 and (wrap or trace.holds(shape[0], "<=", shape[1], "length of a diagonal")):
        _fill_steps(trace, a, value, wrap=wrap)
        return
    if a.ndim > 2 and not all(trace.holds(d, "==", shape[0], "sizes in fill_diagonal") for d in shape):
        raise ValueError("All dimensions of input must be of equal length")
    places = trace.call(np.arange, size_number(trace, shape[0] if a.ndim > 2 else shape[1]))
    a[(places,) * a.ndim] = _repeated(trace, value, places.shape[0])


def _repeated(trace: Trace, value: TracedArray, count: Any) -> Any:
    """As many values as needed, from the first again at the end."""
    return trace.call(np.resize, value, count) if value.ndim == 1 and value.view.shape[0] != 1 else value


def _fill_steps(trace: Trace, a: TracedArray, value: TracedArray, *, wrap: bool) -> None:
    """Each element that comes columns + 1 after the last, of all or of the first square."""
    step = a.shape[1] + 1
    total = a.size if wrap else a.shape[0] * a.shape[1]
    places = trace.call(np.arange, (total + step - 1) // step) * step
    row, column = places // a.shape[1], places % a.shape[1]
    a[row, column] = _repeated(trace, value, places.shape[0])


# ---------------------------------------------------------------- positions in flat memory


def _check_integers(trace: Trace, indices: Any, kinds: str) -> None:
    """Raise TypeError for places that are no integers."""
    if isinstance(indices, list | tuple) and not indices:
        raise TypeError("indices must be integral: the provided empty sequence was inferred as float.")
    if operand(trace, indices).dtype.kind not in kinds:
        raise TypeError("only int indices permitted")


def _too_many(sizes: Sequence[Any]) -> bool:
    """Whether known sizes are those of more elements than an index can count."""
    return all(isinstance(d, int) for d in sizes) and math.prod(sizes) > np.iinfo(np.int64).max


@implements(np.unravel_index)
def unravel_index(trace: Trace, indices: Any, shape: Any, order: str = "C") -> tuple[Any, ...]:
    """Converts a flat index or array of flat indices into a tuple of coordinate arrays."""
    order = check_order(order) or "C"
    sizes = as_shape(trace, shape)
    if _too_many(sizes):
        raise ValueError(
            "dimensions are too large; arrays and shapes with a total size greater than 'intp' "
            "are not supported."
        )
    if order != "C":
        return unravel_index(trace, indices, tuple(reversed([size_number(trace, d) for d in sizes])))[::-1]
    place = as_dim(indices)
    if place is not None and type(indices) is TracedNumber:
        found: list[Any] = []
        for size in reversed(sizes[1:]):
            found.append(size_number(trace, modulo(place, size)))
            place = floor_divide(place, size)
        return tuple(reversed([*found, size_number(trace, place)]))
    if isinstance(indices, int | np.integer | np.ndarray) and all(isinstance(d, int) for d in sizes):
        return np.unravel_index(indices, sizes)  # pyright: ignore[reportReturnType, reportArgumentType, reportCallIssue] -- numbers
    _check_integers(trace, indices, "biu")
    if not sizes and operand(trace, indices).shape:
        raise ValueError("multiple indices are not supported for 0d arrays")
    rest: Any = trace.call(np.int64, indices)
    total = size_number(trace, product(sizes))
    inside = trace.call(np.greater_equal, rest, 0) & trace.call(np.less, rest, total)
    outside = ValueError(f"an index is out of bounds for array with size {total}")
    trace.fail_unless(elements(trace, trace.call(np.all, inside)), outside)
    parts: list[Any] = []
    for size in reversed(sizes[1:]):
        number = size_number(trace, size)
        parts.append(trace.call(np.remainder, rest, number))
        rest = trace.call(np.floor_divide, rest, number)
    return tuple(reversed([*parts, rest]))


@implements(np.ravel_multi_index)
def ravel_multi_index(
    trace: Trace, multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C"
) -> Any:
    """Converts a tuple of index arrays into an array of flat indices."""
    sizes = [size_number(trace, d) for d in as_shape(trace, dims)]
    places = list(multi_index)
    modes = [mode] * len(sizes) if isinstance(mode, str) else list(mode)
    if check_order(order) == "F":
        sizes, places, modes = sizes[::-1], places[::-1], modes[::-1]
    total: Any = 0
    if _too_many(sizes):
        raise ValueError("invalid dims: array size defined by dims is larger than the maximum possible size.")
    if len(places) != len(sizes):
        raise ValueError(f"parameter multi_index must be a sequence of length {len(sizes)}")
    for size, given, how in zip(sizes, places, modes, strict=True):
        _check_integers(trace, given, "iu")
        if (
            how != "raise"
            and trace.holds(as_size(trace, size), "==", 0, "size in ravel_multi_index")
            and not trace.holds(product(operand(trace, given).shape), "==", 0, "elements to ravel")
        ):
            raise ValueError("cannot unravel if shape has zero entries (is empty).")
        place = given if as_dim(given) is not None else trace.call(np.int64, given)
        inside = place
        if how == "raise":
            fits = trace.call(np.greater_equal, place, 0) & trace.call(np.less, place, size)
            trace.fail_unless(
                elements(trace, trace.call(np.all, fits)), ValueError("invalid entry in coordinates array")
            )
        elif how == "wrap":
            inside = trace.call(np.remainder, place, size)
        elif how == "clip":
            inside = trace.call(np.clip, place, 0, size - 1)
        total = (
            inside
            if type(total) is int and total == 0
            else trace.call(np.add, trace.call(np.multiply, total, size), inside)
        )
    return total


@implements(np.put)
def put(trace: Trace, a: TracedArray, ind: Any, v: Any, mode: str = "raise") -> None:
    """Replaces specified elements of an array with given values, which are repeated as often as needed."""
    mode = clip_mode(mode)
    index = as_array(trace, ind).ravel()
    if operand(trace, ind).kind is float or index.dtype == np.bool_:
        index = index.astype(np.int64)
    if not np.can_cast(index.dtype, np.int64, "safe"):
        raise TypeError(f"Cannot cast array data from {index.dtype!r} to dtype('int64')")
    if mode != "raise":
        total = size_number(trace, product(a.view.shape))
        index = index % total if mode == "wrap" else trace.call(np.clip, index, 0, total - 1)
    values = new_array(trace, elements(trace, v, a.element)).ravel()
    if values.view.shape[0] != 1:
        values = trace.call(np.resize, values, index.shape)
    flat = a.ravel()
    if a.view.is_dense:
        flat[index] = values
        return
    changed = flat.copy()
    changed[index] = values
    a[...] = changed.reshape(a.shape)


@implements(np.resize)
def resize(trace: Trace, a: Any, new_shape: Any) -> Any:
    """Return a new array with the specified shape, filled with repeated copies."""
    flat = as_array(trace, a).ravel()
    shape = as_shape(trace, new_shape)
    total, have = product(shape), flat.view.shape[0]
    if have == 0 or total == 0:
        return trace.call(np.zeros, tuple(size_number(trace, d) for d in shape), dtype=flat.dtype)
    sizes = tuple(size_number(trace, d) for d in shape)
    if trace.holds(total, "<=", have, "size of a resized array"):
        return flat[: size_number(trace, total)].copy().reshape(sizes)
    if isinstance(total, int) and isinstance(have, int):
        times, rest = divmod(total, have)
        whole = trace.call(np.tile, flat, times)
        return (trace.call(np.concatenate, [whole, flat[:rest]]) if rest else whole).reshape(sizes)
    place = trace.call(np.arange, size_number(trace, total)) % size_number(trace, have)
    return flat[place].reshape(sizes)


@implements(np.choose)
def choose(trace: Trace, a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """Construct an array from an index array and a list of arrays to choose from."""
    mode = clip_mode(mode)
    rows = items_of(trace, choices) if isinstance(choices, Sequence) else list(as_array(trace, choices))
    index = as_array(trace, a)
    index = index.astype(np.int64) if index.dtype == np.bool_ else index
    if not np.can_cast(index.dtype, np.int64, "safe"):
        raise TypeError(f"Cannot cast array data from {index.dtype!r} to dtype('int64')")
    shape = common_shape(trace, [index.view.shape, *(operand(trace, r).shape for r in rows)])
    sizes = tuple(size_number(trace, d) for d in shape)
    if mode != "raise":
        index = index % len(rows) if mode == "wrap" else trace.call(np.clip, index, 0, len(rows) - 1)
    elif index.dtype.kind in "iu":
        inside = trace.call(np.all, (index >= 0) & (index < len(rows)))
        trace.fail_unless(elements(trace, inside), ValueError("invalid entry in choice array"))
    dtype = trace.call(np.result_type, *rows)
    table = trace.call(
        np.stack, [trace.call(np.broadcast_to, as_array(trace, r).astype(dtype), sizes) for r in rows]
    )
    wide = trace.call(np.broadcast_to, index, sizes)
    result = take_along_axis(trace, table, wide[None], 0)[0]
    if out is None:
        return result if shape else result[()]
    if out.ndim != len(shape) or not all(
        trace.holds(p, "==", q, "sizes of an output") for p, q in zip(out.view.shape, shape, strict=True)
    ):
        raise TypeError("choose: invalid shape for output array.")
    out[...] = result
    return out
