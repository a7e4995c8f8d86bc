"""Functions that rearrange the elements of one array: reshape, transpose, flip, repeat.

What NumPy gives as a view is a view here. Not here: indexing (`indexing.py`), creation (`creation.py`),
joining and splitting (`joining.py`).
"""

from __future__ import annotations

import operator
import typing
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np

from weft.compiler.frontend.control.either import chosen, possible_arrays
from weft.compiler.frontend.number import as_dim, size_number
from weft.compiler.frontend.numpy.broadcasting import common_shape, show_shape
from weft.compiler.frontend.numpy.creation import (
    as_shape,
    as_size,
    check_order,
    diagonal_mask,
    known_elements,
    shape_items,
)
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.storage import (
    Broadcast,
    Diagonal,
    Reshape,
    Shape,
    Transpose,
    reshape_strides,
    row_major,
)
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray, TracedScalar, as_array, elements, new_array, shape_of
from weft.ir.dims import DimLike, floor_divide, maximum, modulo, product, show_dim
from weft.ir.errors import AxisError, ShapeError
from weft.ir.expr import select


def as_axis(trace: Trace, axis: Any, rank: int) -> int:
    """An axis argument as a number from 0; raises AxisError."""
    number = operator.index(axis)
    if not -rank <= number < rank:
        raise AxisError.of(number, rank, trace.location())
    return number % rank


def integer_axis(trace: Trace, axis: Any, rank: int) -> int:
    """As `as_axis` for functions that take no truth value for an axis."""
    if isinstance(axis, bool | np.bool_):
        raise TypeError("an integer is required for the axis")
    return as_axis(trace, axis, rank)


def listed_axes(trace: Trace, axes: Any) -> Sequence[Any]:
    """An argument that is an axis or several, an array of known ones too, as a sequence."""
    known = known_elements(trace, axes) if isinstance(axes, TracedArray) else None
    if known is not None and known.ndim:
        return known.tolist()
    return axes if isinstance(axes, Sequence) else (axes,)


def as_axes(trace: Trace, axes: Any, rank: int) -> tuple[int, ...]:
    """One axis or several."""
    found = tuple(as_axis(trace, a, rank) for a in listed_axes(trace, axes))
    if len(set(found)) != len(found):
        raise ShapeError("repeated axis", code="E015", location=trace.location(), fix="name each axis once")
    return found


# ---------------------------------------------------------------- shape


@implements(np.reshape)
def reshape(trace: Trace, a: Any, shape: Any, order: str = "C", copy: bool | None = None) -> TracedArray:
    """Gives a new shape to an array without changing its data."""
    order = check_order(order) or "C"
    array = as_array(trace, a)
    if order == "A" and array.ndim > 1 and _in_memory_order(trace, array, order) is not array:
        order = "F"
    if order == "F":
        sizes = as_shape_with_gap(trace, shape)[::-1]
        return transpose(trace, reshape(trace, transpose(trace, array), sizes, copy=copy))
    return _reshaped(trace, array, _complete(trace, array, as_shape_with_gap(trace, shape)), copy)


def _reshaped(trace: Trace, array: TracedArray, target: Shape, copy: bool | None) -> TracedArray:
    strides = reshape_strides(array.view.shape, array.view.strides, target)
    choice = array.view.storage.choice
    if strides is None and choice is not None:  # a view of one, a copy of another, as their memory lies
        found = [_reshaped(trace, one, target, copy) for one in possible_arrays(array)]
        return chosen(trace, choice.index, found)
    if strides is None and copy is False:
        raise ValueError("Unable to avoid creating a copy while reshaping.")
    if strides is None or copy:
        made = new_array(trace, trace.builder.reshape(array.expr, target))
        if not copy and None in array.view.strides:  # of an argument with gaps, NumPy may have made a view
            trace.link(made.view.storage, array.view.storage)
        return made
    return TracedArray(trace, array.view.through(Reshape(target, strides)))


def as_shape_with_gap(trace: Trace, shape: Any) -> list[Any]:
    """The items of a shape argument, one of which may be -1."""
    items = shape_items(trace, shape)
    if len(items) == 1 and not np.isscalar(items[0]):  # `x.reshape(shape)` of an array of sizes
        items = shape_items(trace, items[0])
    return [-1 if isinstance(item, np.integer) and item == -1 else item for item in items]


def _complete(trace: Trace, array: TracedArray, items: list[Any]) -> Shape:
    """The shape with -1 replaced, checked against the number of elements."""
    total = product(array.view.shape)
    gaps = [k for k, item in enumerate(items) if type(item) is int and item == -1]
    if len(gaps) > 1:
        raise ShapeError("can only specify one unknown dimension", code="E013", location=trace.location())
    target = [1 if k in gaps else as_size(trace, item) for k, item in enumerate(items)]
    known = product(tuple(target))
    reason = "number of elements in reshape"
    wrong = ValueError("cannot reshape an array of a size that the program computes: it does not fit")
    fits = (
        known != 0 and trace.agree(_rest(trace, total, known), 0, reason, wrong)
        if gaps
        else (total == known or trace.agree(total, known, reason, wrong))
    )
    if not fits:
        raise ShapeError(
            f"cannot reshape array of size {total} into shape {show_shape(target)}",
            code="E013",
            location=trace.location(),
            fix="give a shape with as many elements, or -1 for one size",
        )
    if gaps:
        target[gaps[0]] = floor_divide(total, _divisor(trace, known))
    return tuple(target)


def _divisor(trace: Trace, size: DimLike) -> DimLike:
    """A size as a divisor: nothing is divided by one that the program computes as 0."""
    return maximum(size, 1) if trace.is_computed(size) else size


def _rest(trace: Trace, total: DimLike, known: DimLike) -> DimLike:
    if isinstance(known, int):
        return modulo(total, known)
    return total - known * floor_divide(total, _divisor(trace, known))


@implements(np.ravel)
def ravel(trace: Trace, a: Any, order: str = "C") -> TracedArray:
    """Return a contiguous flattened array."""
    order = check_order(order) or "C"
    array = as_array(trace, a)
    if order in ("A", "K") and array.ndim > 1:
        array, order = _in_memory_order(trace, array, order), "C"
    if order == "F":
        return ravel(trace, transpose(trace, array))
    flat = (product(array.view.shape),)
    if array.view.is_dense:
        return TracedArray(trace, array.view.through(Reshape(flat, row_major(flat))))
    return new_array(trace, trace.builder.reshape(array.expr, flat))


def _in_memory_order(trace: Trace, array: TracedArray, order: str) -> TracedArray:
    """The axes in the order in which memory has them; for "A" only if that is the reverse of C's."""
    view = array.view
    if None in view.strides:
        what = f"order {order!r} of an array whose order in memory is not known"
        raise trace.refuse(what, "use order='C'", "E054")
    if view.is_dense:
        return array
    turned = tuple(reversed(range(array.ndim)))
    for axes in [turned] if order == "A" else permutations(range(array.ndim)):
        found = transpose(trace, array, axes)
        if found.view.is_dense:
            return found
    if order == "K" and any(isinstance(lens, Transpose) for lens in view.lenses):
        raise trace.refuse("order 'K' of a transposed view with gaps is not built", "copy it first", "E054")
    return array


@implements(np.expand_dims)
def expand_dims(trace: Trace, a: Any, axis: Any) -> TracedArray:
    """Expand the shape of an array."""
    array = as_array(trace, a)
    axes = as_axes(trace, axis, array.ndim + (len(axis) if isinstance(axis, Sequence) else 1))
    return array[tuple(None if k in axes else slice(None) for k in range(array.ndim + len(axes)))]


@implements(np.squeeze)
def squeeze(trace: Trace, a: Any, axis: Any = None) -> Any:
    """Remove axes of length one from `a`."""
    if type(a) is TracedScalar and axis is None:
        return a
    array = as_array(trace, a)
    shape = array.view.shape
    axes = (
        tuple(k for k, d in enumerate(shape) if d == 1) if axis is None else as_axes(trace, axis, array.ndim)
    )
    for k in axes:
        if not trace.holds(shape[k], "==", 1, "squeezed axis"):
            raise ShapeError(
                "cannot select an axis to squeeze out which has size not equal to one",
                code="E015",
                location=trace.location(),
                fix="leave the axis out",
            )
    return array[(*(0 if k in axes else slice(None) for k in range(array.ndim)), ...)] if axes else array


@implements(np.transpose, np.permute_dims)
def transpose(trace: Trace, a: Any, axes: Any = None) -> Any:
    """Returns an array with axes transposed."""
    if type(a) is TracedScalar and axes is None:
        return a
    array = as_array(trace, a)
    order = tuple(reversed(range(array.ndim))) if axes is None else as_axes(trace, axes, array.ndim)
    if len(order) != array.ndim:
        raise ShapeError(
            "axes don't match array", code="E015", location=trace.location(), fix="name each axis once"
        )
    return TracedArray(trace, array.view.through(Transpose(order)))


@implements(np.swapaxes)
def swapaxes(trace: Trace, a: Any, axis1: int, axis2: int) -> TracedArray:
    """Interchange two axes of an array."""
    array = as_array(trace, a)
    first, second = as_axis(trace, axis1, array.ndim), as_axis(trace, axis2, array.ndim)
    order = list(range(array.ndim))
    order[first], order[second] = order[second], order[first]
    return transpose(trace, array, order)


@implements(np.moveaxis)
def moveaxis(trace: Trace, a: Any, source: Any, destination: Any) -> TracedArray:
    """Move axes of an array to new positions."""
    array = as_array(trace, a)
    origins, targets = as_axes(trace, source, array.ndim), as_axes(trace, destination, array.ndim)
    order = [k for k in range(array.ndim) if k not in origins]
    for target, origin in sorted(zip(targets, origins, strict=True)):
        order.insert(target, origin)
    return transpose(trace, array, order)


@implements(np.matrix_transpose)
def matrix_transpose(trace: Trace, a: Any) -> TracedArray:
    """Transposes a matrix (or a stack of matrices) ``x``."""
    return swapaxes(trace, a, -1, -2)


@implements(np.broadcast_to)
def broadcast_to(trace: Trace, array: Any, shape: Any, subok: bool = False) -> TracedArray:
    """Broadcast an array to a new shape."""
    one = as_array(trace, array)
    target = as_shape(trace, shape)
    if common_shape(trace, [target, one.view.shape]) != target:  # of two equal sizes it takes the first
        raise ShapeError(
            f"cannot broadcast {one!r} to {show_shape(target)}",
            code="E012",
            location=trace.location(),
            fix="sizes must be equal, or 1 in the array",
        )
    return TracedArray(trace, one.view.through(Broadcast(target)))


@implements(np.broadcast_arrays)
def broadcast_arrays(trace: Trace, *arrays: Any, subok: bool = False) -> tuple[TracedArray, ...]:
    """Broadcast any number of arrays against each other."""
    given = [as_array(trace, a) for a in arrays]
    target = common_shape(trace, [a.view.shape for a in given])
    return tuple(
        a if a.view.shape == target else TracedArray(trace, a.view.through(Broadcast(target))) for a in given
    )


def _at_least(count: int) -> Any:
    def composition(trace: Trace, *arrays: Any) -> Any:
        made = [padded(as_array(trace, a), count) for a in arrays]
        return made[0] if len(made) == 1 else tuple(made)

    return composition


def padded(array: TracedArray, count: int) -> TracedArray:
    """The array with axes of one element added, as `np.atleast_1d`, `2d` and `3d` do."""
    if array.ndim >= count:
        return array
    front = (count - array.ndim + 1) // 2 if count == 3 and array.ndim < 2 else count - array.ndim
    keys = {(3, 2): (..., None), (3, 1): (None, ..., None), (3, 0): (None, None, None, ...)}
    return array[keys.get((count, array.ndim), (*(None,) * front, ...))]


for _count, _fn in ((1, np.atleast_1d), (2, np.atleast_2d), (3, np.atleast_3d)):
    implements(_fn)(_at_least(_count))


# ---------------------------------------------------------------- joining


# ---------------------------------------------------------------- splitting


# ---------------------------------------------------------------- order of elements


@implements(np.flip)
def flip(trace: Trace, m: Any, axis: Any = None) -> Any:
    """Reverse the order of elements in an array along the given axis."""
    array = as_array(trace, m)
    axes = range(array.ndim) if axis is None else as_axes(trace, axis, array.ndim)
    return array[tuple(slice(None, None, -1 if k in axes else None) for k in range(array.ndim))]


@implements(np.flipud)
def flipud(trace: Trace, m: Any) -> TracedArray:
    """Reverse the order of elements along axis 0 (up/down)."""
    return flip(trace, m, 0)


@implements(np.fliplr)
def fliplr(trace: Trace, m: Any) -> TracedArray:
    """Reverse the order of elements along axis 1 (left/right)."""
    return flip(trace, m, 1)


@implements(np.rot90)
def rot90(trace: Trace, m: Any, k: int = 1, axes: Any = (0, 1)) -> TracedArray:
    """Rotate an array by 90 degrees in the plane specified by axes."""
    array = as_array(trace, m)
    first, second = as_axes(trace, axes, array.ndim)
    match k % 4:
        case 0:
            return array[...]
        case 2:
            return flip(trace, array, (first, second))
        case 1:
            return swapaxes(trace, flip(trace, array, second), first, second)
        case _:
            return flip(trace, swapaxes(trace, array, first, second), second)


@implements(np.repeat)
def repeat(trace: Trace, a: Any, repeats: Any, axis: Any = None) -> TracedArray:
    """Repeat each element of an array after themselves."""
    array = as_array(trace, a)
    known, count = known_elements(trace, repeats), as_dim(repeats)
    if count is None and known is None:
        if type(repeats) is TracedArray and repeats.ndim > 0:
            return _repeat_computed(trace, array, repeats, axis)
        count = as_size(trace, repeats)
    if axis is None:
        array, axis = ravel(trace, array), 0
    number = integer_axis(trace, axis, array.ndim)
    shape = array.view.shape
    if known is not None and known.size != 1:
        places = np.repeat(np.arange(trace.pin(shape[number], "np.repeat")), known)
        return array[(*(slice(None),) * number, places)]
    if count is None:
        count = int(typing.cast(np.ndarray, known).item())
    value = trace.builder.reshape(array.expr, (*shape[: number + 1], 1, *shape[number + 1 :]))
    value = trace.builder.broadcast(value, (*shape[: number + 1], count, *shape[number + 1 :]))
    return new_array(
        trace, trace.builder.reshape(value, (*shape[:number], shape[number] * count, *shape[number + 1 :]))
    )


def _repeat_computed(trace: Trace, array: Any, repeats: Any, axis: Any) -> Any:
    """`np.repeat` by numbers that only a run knows: each element from where the numbers before it end."""
    if repeats.dtype.kind not in "biu":
        raise TypeError(
            f"Cannot cast array data from dtype('{repeats.dtype}') to dtype('int64') "
            "according to the rule 'safe'"
        )
    if axis is None:
        array, axis = ravel(trace, array), 0
    number = as_axis(trace, axis, array.ndim)
    size = array.view.shape[number]
    counts: Any = trace.call(np.ravel, repeats).astype(np.int64)
    if not trace.holds(counts.view.shape[0], "==", size, "numbers of np.repeat"):
        if not trace.holds(counts.view.shape[0], "==", 1, "numbers of np.repeat"):
            raise ValueError(
                f"operands could not be broadcast together with shape ({show_dim(size)},) "
                f"({show_dim(counts.view.shape[0])},)"
            )
        counts = trace.call(np.broadcast_to, counts, (size_number(trace, size),))
    few = ValueError("repeats may not contain negative values.")
    trace.fail_unless(trace.call(np.all, counts >= 0).expr, few)
    ends = trace.call(np.cumsum, counts)
    total = trace.computed_size(elements(trace, trace.call(np.sum, counts)))
    places = trace.call(np.searchsorted, ends, trace.call(np.arange, size_number(trace, total)), side="right")
    return array[(*(slice(None),) * number, places)]


# ---------------------------------------------------------------- diagonals and padding


def _triangle(relation: str) -> Any:
    def composition(trace: Trace, m: Any, k: Any = 0) -> TracedArray:
        value = elements(trace, m)
        if len(shape_of(value)) == 1:
            value = trace.builder.broadcast(value, (*shape_of(value), *shape_of(value)))
        shape = shape_of(value)
        mask = trace.builder.broadcast(diagonal_mask(trace, shape[-2], shape[-1], k, relation), shape)
        zero = trace.builder.broadcast(trace.constant(0, value.dtype), shape)
        return new_array(trace, select(mask, value, zero))

    return composition


implements(np.tril)(_triangle("less_equal"))
implements(np.triu)(_triangle("greater_equal"))


@implements(np.diagonal)
def diagonal(trace: Trace, a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> TracedArray:
    """Return specified diagonals."""
    array = moveaxis(trace, a, (axis1, axis2), (-2, -1))
    part = array[..., max(-offset, 0) :, max(offset, 0) :]
    rows, columns = part.view.shape[-2:]
    count = rows if trace.holds(rows, "<=", columns, "length of a diagonal") else columns
    return TracedArray(trace, part.view.through(Diagonal(count)))


@implements(np.diag)
def diag(trace: Trace, v: Any, k: int = 0) -> TracedArray:
    """Extract a diagonal or construct a diagonal array."""
    array = as_array(trace, v)
    if array.ndim == 2:
        return diagonal(trace, array, k)
    size = array.view.shape[0] + abs(k)
    mask = diagonal_mask(trace, size, size, k, "equal")
    low = max(k, 0)
    padded = trace.emit(
        "pad",
        [array.expr.value, trace.constant(0, array.element).value],
        {"low": (low,), "high": (abs(k) - low,)},
    )
    wide = trace.builder.broadcast(trace.expr(padded), (size, size))
    return new_array(
        trace, select(mask, wide, trace.builder.broadcast(trace.constant(0, array.element), (size, size)))
    )


@implements(np.trace)
def trace_of(
    trace: Trace, a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    """Return the sum along diagonals of the array."""
    return trace.call(np.sum, diagonal(trace, a, offset, axis1, axis2), axis=-1, dtype=dtype, out=out)


@implements(np.ascontiguousarray)
def ascontiguousarray(trace: Trace, a: Any, dtype: Any = None) -> TracedArray:
    """Return a contiguous array (ndim >= 1) in memory (C order)."""
    array = padded(trace.call(np.asarray, a, dtype), 1)
    return array if array.view.is_dense else array.copy()
