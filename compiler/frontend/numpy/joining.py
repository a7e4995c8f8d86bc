"""Functions that join arrays and split them: concatenate, the stacks, append, split, roll, tile.

Not here: what rearranges one array (`manipulation.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from weft.compiler.frontend.number import as_dim, size_number
from weft.compiler.frontend.numpy.broadcasting import show_shape
from weft.compiler.frontend.numpy.creation import as_shape, known_elements
from weft.compiler.frontend.numpy.manipulation import (
    as_axis,
    expand_dims,
    integer_axis,
    moveaxis,
    padded,
    ravel,
)
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.promote import common_dtype, element_type, numpy_dtype
from weft.compiler.frontend.storage import (
    Shape,
    Slice,
)
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import (
    TracedArray,
    TracedScalar,
    as_array,
    elements,
    new_array,
    operand,
    shape_of,
)
from weft.ir.dims import DimLike, floor_divide, modulo
from weft.ir.errors import DTypeError, ShapeError
from weft.ir.expr import Expr


@implements(np.concatenate)
def concatenate(
    trace: Trace, arrays: Any, axis: Any = 0, out: Any = None, dtype: Any = None, casting: str = "same_kind"
) -> TracedArray:
    """Join a sequence of arrays along an existing axis."""
    operands = [operand(trace, a) for a in arrays]
    flat = axis is None
    if flat:
        operands, axis = [operand(trace, ravel(trace, a)) for a in arrays], 0
    if not operands or not operands[0].shape:
        what = (
            "need at least one array to concatenate"
            if not operands
            else "zero-dimensional arrays cannot be concatenated"
        )
        raise ShapeError(what, location=trace.location(), fix="use np.stack for scalars")
    kinds = [o.dtype for o in operands]
    # NumPy takes Python numbers among flattened operands as weak ones
    weak = [operand(trace, a).kind for a in arrays] if flat else kinds
    ty = element_type(common_dtype(weak) if dtype is None else dtype, trace.location())
    if out is not None and dtype is not None:
        raise TypeError("concatenate() only takes `out` or `dtype` as an argument, but both were provided.")
    for kind in weak:
        if not isinstance(kind, type):
            _check_cast(trace, kind, out.dtype if out is not None else numpy_dtype(ty), casting)
    number = integer_axis(trace, axis, len(operands[0].shape))
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
    if out.ndim != len(first):
        raise ValueError("Output array has wrong dimensionality")
    out[...] = new_array(trace, joined)
    return out


def _check_cast(trace: Trace, given: np.dtype, target: np.dtype, casting: Any) -> None:
    """Raise TypeError for elements that a rule of casting does not let go into the result."""
    if not np.can_cast(given, target, casting):
        raise DTypeError(
            f"Cannot cast array data from {given!r} to {target!r} according to the rule {casting!r}",
            code="E032",
            location=trace.location(),
            fix="use casting='unsafe'",
        )


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
def stack(
    trace: Trace,
    arrays: Any,
    axis: int = 0,
    out: Any = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> TracedArray:
    """Join a sequence of arrays along a new axis."""
    given = [as_array(trace, a) for a in arrays]
    if not given:
        raise ShapeError("need at least one array to stack", location=trace.location())
    number = as_axis(trace, axis, given[0].ndim + 1)
    return concatenate(trace, [expand_dims(trace, a, number) for a in given], number, out, dtype, casting)


@implements(np.vstack)
def vstack(trace: Trace, tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> TracedArray:
    """Stack arrays in sequence vertically (row wise)."""
    return concatenate(trace, [padded(as_array(trace, a), 2) for a in tup], 0, dtype=dtype, casting=casting)


@implements(np.hstack)
def hstack(trace: Trace, tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> TracedArray:
    """Stack arrays in sequence horizontally (column wise)."""
    given = [padded(as_array(trace, a), 1) for a in tup]
    return concatenate(trace, given, 0 if given and given[0].ndim == 1 else 1, dtype=dtype, casting=casting)


@implements(np.dstack)
def dstack(trace: Trace, tup: Any) -> TracedArray:
    """Stack arrays in sequence depth wise (along third axis)."""
    return concatenate(trace, [padded(as_array(trace, a), 3) for a in tup], 2)


@implements(np.column_stack)
def column_stack(trace: Trace, tup: Any) -> TracedArray:
    """Stack 1-D arrays as columns into a 2-D array."""
    given = [as_array(trace, a) for a in tup]
    return concatenate(trace, [a if a.ndim > 1 else padded(a, 1)[:, None] for a in given], 1)


@implements(np.append)
def append(trace: Trace, arr: Any, values: Any, axis: Any = None) -> TracedArray:
    """Append values to the end of an array."""
    return concatenate(trace, [as_array(trace, arr), as_array(trace, values)], axis)


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
        shift = as_dim(amount)
        if shift is None or trace.changes(shift):
            value = _turned(trace, value, amount, number)
        else:
            value = _rolled(trace, value, shift, number)
    return new_array(trace, value)


def _turned(trace: Trace, value: Expr, shift: Any, axis: int) -> Expr:
    """Rolled by what the program computes: elements taken by position."""
    size = size_number(trace, shape_of(value)[axis])
    shift = shift.astype(np.int64) if type(shift) is TracedScalar and shift.dtype.kind in "iu" else shift
    places = (trace.call(np.arange, size) - shift) % trace.call(np.maximum, size, 1)
    return trace.call(np.take, new_array(trace, value), places, axis=axis).expr


def _rolled(trace: Trace, value: Expr, shift: DimLike, axis: int) -> Expr:
    size = shape_of(value)[axis]
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
