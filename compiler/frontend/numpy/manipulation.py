"""Functions that rearrange elements: reshape, transpose, join, split, flip, roll, repeat.

What NumPy gives as a view is a view here. Not here: indexing (`indexing.py`), creation (`creation.py`).
"""

from __future__ import annotations

import operator
import typing
from collections.abc import Sequence
from itertools import pairwise, permutations
from typing import Any

import numpy as np

from weft.compiler.frontend.number import as_dim, size_number
from weft.compiler.frontend.numpy.broadcasting import common_shape, show_shape
from weft.compiler.frontend.numpy.creation import as_shape, as_size, diagonal_mask, known_elements
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.promote import common_dtype, element_type
from weft.compiler.frontend.storage import (
    Broadcast,
    Diagonal,
    Reshape,
    Shape,
    Slice,
    Transpose,
    reshape_strides,
    row_major,
)
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray, as_array, elements, new_array, operand, shape_of
from weft.ir.dims import DimLike, floor_divide, modulo, product, show_dim
from weft.ir.errors import ShapeError
from weft.ir.expr import Expr, select


def as_axis(trace: Trace, axis: Any, rank: int) -> int:
    """An axis argument as a number from 0; raises ShapeError (NumPy's AxisError is a ValueError)."""
    number = operator.index(axis)
    if not -rank <= number < rank:
        raise ShapeError(
            f"axis {number} is out of bounds for array of dimension {rank}",
            code="E015",
            location=trace.location(),
            fix=f"use an axis from {-rank} to {rank - 1}",
        )
    return number % rank


def as_axes(trace: Trace, axes: Any, rank: int) -> tuple[int, ...]:
    """One axis or several."""
    found = tuple(as_axis(trace, a, rank) for a in (axes if isinstance(axes, Sequence) else (axes,)))
    if len(set(found)) != len(found):
        raise ShapeError("repeated axis", code="E015", location=trace.location(), fix="name each axis once")
    return found


# ---------------------------------------------------------------- shape


@implements(np.reshape)
def reshape(trace: Trace, a: Any, shape: Any, order: str = "C", copy: bool | None = None) -> TracedArray:
    """Gives a new shape to an array without changing its data."""
    array = as_array(trace, a)
    if order == "A" and array.ndim > 1 and _in_memory_order(trace, array, order) is not array:
        order = "F"
    if order == "F":
        return transpose(trace, reshape(trace, transpose(trace, array), as_shape_with_gap(shape)[::-1]))
    target = _complete(trace, array, as_shape_with_gap(shape))
    strides = reshape_strides(array.view.shape, array.view.strides, target)
    if strides is None and copy is False:
        raise ValueError("Unable to avoid creating a copy while reshaping.")
    if strides is None or copy:
        made = new_array(trace, trace.builder.reshape(array.expr, target))
        if not copy and None in array.view.strides:  # of an argument with gaps, NumPy may have made a view
            trace.link(made.view.storage, array.view.storage)
        return made
    return TracedArray(trace, array.view.through(Reshape(target, strides)))


def as_shape_with_gap(shape: Any) -> list[Any]:
    """The items of a shape argument, one of which may be -1."""
    return list(shape) if isinstance(shape, Sequence) else [shape]


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
        target[gaps[0]] = floor_divide(total, known)
    return tuple(target)


def _rest(trace: Trace, total: DimLike, known: DimLike) -> DimLike:
    return modulo(total, known) if isinstance(known, int) else total - known * floor_divide(total, known)


@implements(np.ravel)
def ravel(trace: Trace, a: Any, order: str = "C") -> TracedArray:
    """Return a contiguous flattened array."""
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
def squeeze(trace: Trace, a: Any, axis: Any = None) -> TracedArray:
    """Remove axes of length one from `a`."""
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
def transpose(trace: Trace, a: Any, axes: Any = None) -> TracedArray:
    """Returns an array with axes transposed."""
    array = as_array(trace, a)
    order = tuple(reversed(range(array.ndim))) if axes is None else as_axes(trace, tuple(axes), array.ndim)
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
    if common_shape(trace, [one.view.shape, target]) != target:
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
        made = [_padded(as_array(trace, a), count) for a in arrays]
        return made[0] if len(made) == 1 else tuple(made)

    return composition


def _padded(array: TracedArray, count: int) -> TracedArray:
    if array.ndim >= count:
        return array
    front = (count - array.ndim + 1) // 2 if count == 3 and array.ndim < 2 else count - array.ndim
    keys = {(3, 2): (..., None), (3, 1): (None, ..., None), (3, 0): (None, None, None, ...)}
    return array[keys.get((count, array.ndim), (*(None,) * front, ...))]


for _count, _fn in ((1, np.atleast_1d), (2, np.atleast_2d), (3, np.atleast_3d)):
    implements(_fn)(_at_least(_count))


# ---------------------------------------------------------------- joining


@implements(np.concatenate)
def concatenate(
    trace: Trace, arrays: Any, axis: Any = 0, out: Any = None, dtype: Any = None, casting: str = "same_kind"
) -> TracedArray:
    """Join a sequence of arrays along an existing axis."""
    operands = [operand(trace, a) for a in arrays]
    if axis is None:
        operands, axis = [operand(trace, ravel(trace, a)) for a in arrays], 0
    if not operands or not operands[0].shape:
        what = (
            "need at least one array to concatenate"
            if not operands
            else "zero-dimensional arrays cannot be concatenated"
        )
        raise ShapeError(what, location=trace.location(), fix="use np.stack for scalars")
    kinds = [o.dtype for o in operands]
    ty = element_type(common_dtype(kinds) if dtype is None else dtype, trace.location())
    number = as_axis(trace, axis, len(operands[0].shape))
    first = operands[0].shape
    for one in operands[1:]:
        _check_joined(trace, first, one.shape, number)
    values = [
        trace.builder.reshape(o.expr(trace, ty), (*first[:number], o.shape[number], *first[number + 1 :]))
        for o in operands
    ]
    joined = values[0] if len(values) == 1 else join(trace, values, number)
    if out is None:
        return new_array(trace, joined)
    out[...] = new_array(trace, joined)
    return out


def join(trace: Trace, values: list[Expr], axis: int) -> Expr:
    """One after the other."""
    return trace.expr(trace.emit("concatenate", [v.value for v in values], {"axis": axis}))


def _check_joined(trace: Trace, first: Shape, other: Shape, axis: int) -> None:
    if len(first) == len(other) and all(
        k == axis or trace.holds(a, "==", b, "sizes in concatenate")
        for k, (a, b) in enumerate(zip(first, other, strict=True))
    ):
        return
    raise ShapeError(
        f"all sizes except along the concatenation axis must match exactly: {show_shape(first)} and "
        f"{show_shape(other)} along axis {axis}",
        location=trace.location(),
        fix="make the other sizes equal",
    )


@implements(np.stack)
def stack(trace: Trace, arrays: Any, axis: int = 0, out: Any = None, dtype: Any = None) -> TracedArray:
    """Join a sequence of arrays along a new axis."""
    given = [as_array(trace, a) for a in arrays]
    if not given:
        raise ShapeError("need at least one array to stack", location=trace.location())
    number = as_axis(trace, axis, given[0].ndim + 1)
    return concatenate(trace, [expand_dims(trace, a, number) for a in given], number, out, dtype)


@implements(np.vstack)
def vstack(trace: Trace, tup: Any, dtype: Any = None) -> TracedArray:
    """Stack arrays in sequence vertically (row wise)."""
    return concatenate(trace, [_padded(as_array(trace, a), 2) for a in tup], 0, dtype=dtype)


@implements(np.hstack)
def hstack(trace: Trace, tup: Any, dtype: Any = None) -> TracedArray:
    """Stack arrays in sequence horizontally (column wise)."""
    given = [_padded(as_array(trace, a), 1) for a in tup]
    return concatenate(trace, given, 0 if given and given[0].ndim == 1 else 1, dtype=dtype)


@implements(np.dstack)
def dstack(trace: Trace, tup: Any) -> TracedArray:
    """Stack arrays in sequence depth wise (along third axis)."""
    return concatenate(trace, [_padded(as_array(trace, a), 3) for a in tup], 2)


@implements(np.column_stack)
def column_stack(trace: Trace, tup: Any) -> TracedArray:
    """Stack 1-D arrays as columns into a 2-D array."""
    given = [as_array(trace, a) for a in tup]
    return concatenate(trace, [a if a.ndim > 1 else _padded(a, 1)[:, None] for a in given], 1)


@implements(np.append)
def append(trace: Trace, arr: Any, values: Any, axis: Any = None) -> TracedArray:
    """Append values to the end of an array."""
    return concatenate(trace, [as_array(trace, arr), as_array(trace, values)], axis)


# ---------------------------------------------------------------- splitting


@implements(np.split)
def split(trace: Trace, ary: Any, indices_or_sections: Any, axis: int = 0) -> list[TracedArray]:
    """Split an array into multiple sub-arrays as views into `ary`, of equal size."""
    count = as_dim(indices_or_sections)
    if isinstance(count, int) and count > 0:
        array = as_array(trace, ary)
        size = array.view.shape[as_axis(trace, axis, array.ndim)]
        if not trace.holds(modulo(size, count), "==", 0, "sections of split"):
            raise ValueError("array split does not result in an equal division")
    return array_split(trace, ary, indices_or_sections, axis)


@implements(np.array_split)
def array_split(trace: Trace, ary: Any, indices_or_sections: Any, axis: int = 0) -> list[TracedArray]:
    """Split an array into multiple sub-arrays as views into `ary`."""
    array = as_array(trace, ary)
    number = as_axis(trace, axis, array.ndim)
    size = array.view.shape[number]
    known = known_elements(trace, indices_or_sections)
    if known is not None or isinstance(indices_or_sections, Sequence):
        places = [0, *(indices_or_sections if known is None else known.tolist()), None]
    else:
        places = _sections(trace, size, indices_or_sections.__index__())
    front = (slice(None),) * number
    return [array[(*front, slice(a, b))] for a, b in pairwise(places)]


def _sections(trace: Trace, size: DimLike, count: int) -> list[Any]:
    if count <= 0:
        raise ValueError("number sections must be larger than 0.")
    if not trace.holds(modulo(size, count), "==", 0, "sections of split"):
        known = trace.pin(size, "split into unequal sections")
        lengths = [known // count + (k < known % count) for k in range(count)]
        return [sum(lengths[:k]) for k in range(count + 1)]
    from_dim = floor_divide(size, count)
    return [size_number(trace, from_dim * k) for k in range(count + 1)]


@implements(np.unstack)
def unstack(trace: Trace, x: Any, axis: int = 0) -> tuple[Any, ...]:
    """Split an array into a sequence of arrays along the given axis."""
    return tuple(moveaxis(trace, x, axis, 0))


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


@implements(np.roll)
def roll(trace: Trace, a: Any, shift: Any, axis: Any = None) -> TracedArray:
    """Roll array elements along a given axis."""
    array = as_array(trace, a)
    if axis is None:
        flat = ravel(trace, array)
        return new_array(trace, trace.builder.reshape(roll(trace, flat, shift, 0).expr, array.view.shape))
    axes = [as_axis(trace, k, array.ndim) for k in (axis if isinstance(axis, Sequence) else (axis,))]
    shifts = list(shift) if isinstance(shift, Sequence) else [shift] * len(axes)
    axes = axes * len(shifts) if len(axes) == 1 else axes
    if len(axes) != len(shifts):
        raise ValueError("'shift' and 'axis' should be scalars or 1D sequences of one length")
    value = array.expr
    for number, amount in zip(axes, shifts, strict=True):
        value = _rolled(trace, value, as_dim(amount), number)
    return new_array(trace, value)


def _rolled(trace: Trace, value: Expr, shift: DimLike | None, axis: int) -> Expr:
    size = shape_of(value)[axis]
    if shift is None:
        raise trace.refuse(
            "the shift of roll must be known when the program starts", "use an int or a size", "E051"
        )
    if size == 0:
        return value
    if isinstance(size, int) and isinstance(shift, int):
        shift = shift % size
    elif trace.holds(shift, "<", 0, "sign of a shift"):
        shift = shift + size
    reason = "shift within the axis"
    if trace.holds(shift, "<", 0, reason) or trace.holds(shift, ">=", size, reason):
        shift = trace.pin(shift, reason) % trace.pin(size, reason)
    if shift == 0 or trace.holds(shift, "==", 0, reason):
        return value
    tail = _cut(trace, value, axis, size - shift, shift)
    return join(trace, [tail, _cut(trace, value, axis, 0, size - shift)], axis)


def _cut(trace: Trace, value: Expr, axis: int, start: DimLike, size: DimLike) -> Expr:
    shape = shape_of(value)
    starts = tuple(start if k == axis else 0 for k in range(len(shape)))
    sizes = tuple(size if k == axis else d for k, d in enumerate(shape))
    return trace.expr(Slice(starts, sizes, (1,) * len(shape)).read(trace, value.value))


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
    number = as_axis(trace, axis, array.ndim)
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


_FEW_COPIES = 8  # joined without an index of each element to compute


@implements(np.tile)
def tile(trace: Trace, A: Any, reps: Any) -> TracedArray:  # noqa: N803
    """Construct an array by repeating A the number of times given by reps."""
    counts = list(as_shape(trace, reps))
    value = elements(trace, A)
    rank = max(len(counts), len(shape_of(value)))
    counts = [1] * (rank - len(counts)) + counts
    shape = (1,) * (rank - len(shape_of(value))) + shape_of(value)
    pairs = [(n, d) for n, d in zip(counts, shape, strict=True)]
    if sum(n != 1 for n, _ in pairs) == 1 and len(shape_of(value)) == rank:
        axis, times = next((k, n) for k, (n, _) in enumerate(pairs) if n != 1)
        if isinstance(times, int) and 1 < times <= _FEW_COPIES:
            return concatenate(trace, [new_array(trace, value)] * times, axis)
    value = trace.builder.reshape(value, tuple(d for _, size in pairs for d in (1, size)))
    value = trace.builder.broadcast(value, tuple(d for pair in pairs for d in pair))
    return new_array(trace, trace.builder.reshape(value, tuple(n * d for n, d in pairs)))


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
    array = _padded(trace.call(np.asarray, a, dtype), 1)
    return array if array.view.is_dense else array.copy()
