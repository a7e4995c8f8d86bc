"""Indexing as NumPy does it: what a key selects of an array, to be read or written.

Slices, ints, new axes and the ellipsis make a view. Integer arrays gather and scatter; a mask in a write
selects. Not here: the lenses (`storage.py`) and the ops (`ir/ops/index.py`).
"""

from __future__ import annotations

import operator
import typing
from collections.abc import Sequence
from dataclasses import field
from typing import Any

import numpy as np

from weft.compiler.frontend.masks import at_mask, key_of, put_at_mask, size_at
from weft.compiler.frontend.number import TracedNumber, as_dim, size_number
from weft.compiler.frontend.numpy.broadcasting import broadcast_to, common_shape, fit, show_shape
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.storage import Flat, Pick, Reshape, Shape, Slice, Strides, View
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import (
    MaskedElements,
    Operand,
    TracedArray,
    TracedScalar,
    elements,
    new_array,
    operand,
    plain_int,
    shape_of,
)
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, floor_divide, maximum, minimum, product, show_dim
from weft.ir.errors import AxisError, Fact, IndexFault
from weft.ir.expr import Expr, cast, select
from weft.ir.types import BOOL, I64


@dataclass(slots=True)
class Selection:
    """What a key selects: a basic view, in which `axes` are then indexed by `indices`.

    A mask lies on the axes from `axes[0]`. `place` is where the indexed axes go in the result. `whole` says
    that there is an int for each axis, `picked` that the program computes some of the ints.
    """

    view: View
    axes: tuple[int, ...] = ()
    indices: tuple[Operand, ...] = ()
    mask: Operand | None = None
    place: int = 0
    whole: bool = False
    picked: bool = False


@dataclass(slots=True)
class _Walk:
    """The state of going through a key: the basic part so far, and the axes left for arrays."""

    start: list[DimLike] = field(default_factory=list[DimLike])
    size: list[DimLike] = field(default_factory=list[DimLike])
    step: list[DimLike] = field(default_factory=list[DimLike])
    kept: list[int | None] = field(
        default_factory=list[int | None]
    )  # source axis of each axis of the view; None: new
    arrays: list[tuple[int, Operand]] = field(
        default_factory=list[tuple[int, Operand]]
    )  # by axis of the view

    def take(self, start: DimLike, size: DimLike, step: DimLike, *, keep: bool = True) -> None:
        """Take part of the next source axis."""
        if keep:
            self.kept.append(len(self.start))
        self.start.append(start)
        self.size.append(size)
        self.step.append(step)


def _spelled_out(trace: Trace, array: TracedArray, key: Any) -> tuple[TracedArray, Any]:
    """The array and a key with positions for single truth values, and for masks beside other arrays."""
    parts = list(_parts(key))
    while True in (truths := [_is_truth(part) for part in parts]):
        place = truths.index(True)  # a new axis of one element, which is taken or not
        part: Any = parts[place]
        axes = _axes_before(trace, array, parts, place)
        array = trace.call(np.expand_dims, array, axes)
        is_known = type(part) in (bool, np.bool_)
        parts[place] = [0] * int(part) if is_known else trace.call(np.reshape, part, (1,))
        key = tuple(parts)
    if sum(map(_may_be_array, parts)) < 2 and not any(map(_is_known_mask, parts)):
        return array, key
    found = [_item(trace, part) if _may_be_array(part) else None for part in parts]
    arrays = [one for one in found if isinstance(one, Operand) and one.shape]
    if all(one.dtype.kind != "b" for one in arrays) or (
        len(arrays) < 2 and not any(map(_is_known_mask, parts))
    ):
        return array, key
    spelled: list[Any] = []
    for place, (part, one) in enumerate(zip(parts, found, strict=True)):
        if isinstance(one, Operand) and one.shape and one.dtype.kind == "b":
            axis = _axes_before(trace, array, parts, place)
            if axis + len(one.shape) <= array.ndim:  # else there are too many indices
                _check_mask(trace, one, array.view.shape, axis)
            known = [one.tolist() for one in np.nonzero(part)] if _is_known_mask(part) else None
            spelled.extend(trace.call(np.nonzero, part) if known is None else known)
        else:
            spelled.append(part)
    return array, tuple(spelled)


def _is_known_mask(part: Any) -> bool:
    """Whether a part of a key is a list of truth values that Python knows, or of such lists."""
    if not isinstance(part, _SEQUENCES):
        return False
    return len(part) > 0 and all(isinstance(one, bool | np.bool_) or _is_known_mask(one) for one in part)


def _is_truth(part: Any) -> bool:
    """Whether a part of a key is a single truth value, known or not."""
    if type(part) is TracedNumber:
        return part.type is bool
    if type(part) in (TracedScalar, TracedArray, np.ndarray):
        return part.dtype.kind == "b" and not part.ndim
    return isinstance(part, bool | np.bool_)


def _may_be_array(part: Any) -> bool:
    return type(part) is TracedArray or isinstance(part, np.ndarray | list | tuple)


def _axes_before(trace: Trace, array: TracedArray, parts: Sequence[Any], place: int) -> int:
    """The axis of the array at which a part of a key stands."""

    def count(some: Sequence[Any]) -> int:
        rest = [part for part in some if part is not ... and not _is_truth(part)]
        return sum(_consumed(_item(trace, part)) for part in rest)

    behind = any(part is ... for part in parts[:place])
    return array.ndim - count(parts[place:]) if behind else count(parts[:place])


def select_key(trace: Trace, array: TracedArray, key: Any) -> Selection:
    """Say what `key` selects; raises IndexError as NumPy does where the key does not fit."""
    array, key = _spelled_out(trace, array, key)
    items = _expand(trace, array, _items(trace, key))
    walk = _Walk()
    shape = array.view.shape
    for item in items:
        _walk_item(trace, walk, item, shape)
    masks = [one for _, one in walk.arrays if one.dtype.kind == "b"]
    picked = any(not one.shape for _, one in walk.arrays)
    if picked and all(not one.shape or one.dtype.kind == "b" for _, one in walk.arrays):
        view, walk = _picked_view(trace, array.view, walk)
    else:
        view, picked = _basic_view(array.view, walk), False
    if not walk.arrays:
        return Selection(view, whole=not view.shape and not _has_ellipsis(key), picked=picked)
    axes = tuple(axis for axis, _ in walk.arrays)
    place = _place(items, walk, axes)
    if masks:
        return Selection(view, axes, mask=masks[0], place=place)
    return Selection(view, axes, tuple(one for _, one in walk.arrays), place=place)


_SLICE: Any = slice
_SEQUENCES: Any = (list, tuple)


def _parts(key: Any) -> tuple[Any, ...]:
    return typing.cast("tuple[Any, ...]", key) if isinstance(key, tuple) else (key,)


def _items(trace: Trace, key: Any) -> list[Any]:
    """The parts of a key, arrays of any sort as operands."""
    return [_item(trace, part) for part in _parts(key)]


def _item(trace: Trace, part: Any) -> Any:
    if part is None or part is ... or isinstance(part, _SLICE) or as_dim(part) is not None:
        return part
    if type(part) is TracedNumber and part.type is int:
        return Operand(np.dtype(np.int64), (), part.value)
    if isinstance(part, _SEQUENCES) and not part:
        part = trace.call(np.zeros, 0, dtype=np.int64)
    try:
        one = operand(trace, part)
    except TypeError:
        one = None
    if one is None or isinstance(one.kind, type) or one.dtype.kind not in "iub":
        raise IndexFault(
            "only integers, slices, ellipsis, None and integer or boolean arrays are valid indices",
            location=trace.location(),
            facts=[Fact("index", repr(part))],
            fix="convert the index with astype(int)",
        )
    return one


def _has_ellipsis(key: Any) -> bool:
    return any(part is ... for part in _parts(key))


def _consumed(item: Any) -> int:
    if item is None:
        return 0
    return len(item.shape) if isinstance(item, Operand) and item.dtype.kind == "b" else 1


def _expand(trace: Trace, array: TracedArray, items: list[Any]) -> list[Any]:
    """Replace the ellipsis, or the missing end, by full slices."""
    places = [k for k, item in enumerate(items) if item is ...]
    if len(places) > 1:
        raise IndexFault("an index can only have a single ellipsis ('...')", location=trace.location())
    count = sum(_consumed(item) for item in items if item is not ...)
    missing = array.ndim - count
    if missing < 0:
        raise IndexFault(
            f"too many indices for array: array is {array.ndim}-dimensional, but {count} were indexed",
            code="E021",
            location=trace.location(),
            facts=[Fact("array", repr(array))],
            fix="remove an index, or add an axis",
        )
    place = places[0] if places else len(items)
    return [*items[:place], *[slice(None)] * missing, *items[place + len(places) :]]


def _walk_item(trace: Trace, walk: _Walk, item: Any, shape: Shape) -> None:
    axis = len(walk.start)
    dim = as_dim(item)
    if item is None:
        walk.kept.append(None)
    elif dim is not None:
        position = _position(trace, dim, shape[axis], axis)
        if position is None:  # it is checked when the program runs
            walk.arrays.append((len(walk.kept), operand(trace, size_number(trace, dim))))
            walk.take(0, shape[axis], 1)
        else:
            walk.take(position, 1, 1, keep=False)
    elif isinstance(item, _SLICE):
        walk.take(*slice_part(trace, item, shape[axis]))
    else:
        walk.arrays.append((len(walk.kept), item))
        for size in shape[axis : axis + _consumed(item)]:
            walk.take(0, size, 1)


def _position(trace: Trace, index: DimLike, size: DimLike, axis: int) -> DimLike | None:
    """An int index as a position in [0, size), None where that depends on a loop; raises IndexFault.

    Not in a loop or branch: the program may never come there.
    """
    reason = "index within its axis"
    below = trace.known(index, "<", 0, reason)
    position = index + size if below else index
    fits = (trace.known(position, ">=", 0, reason), trace.known(position, "<", size, reason))
    if below is None or (None in fits and False not in fits) or (False in fits and len(trace.frames) > 1):
        return None
    if False in fits:
        raise IndexFault(
            f"index {show_dim(index)} is out of bounds for axis {axis} with size {show_dim(size)}",
            location=trace.location(),
            fix="use an index between -size and size - 1",
        )
    return position


def slice_part(trace: Trace, part: slice, size: DimLike) -> tuple[DimLike, DimLike, DimLike]:
    """Start, number of elements and step of a slice of an axis of `size`."""
    step = _bound(trace, part.step, 1)
    if not isinstance(step, int):
        if trace.holds(step, ">", 0, "step of a slice"):
            return _in_traced_steps(trace, part, size, step)
        step = trace.pin(step, "step of a slice")
    if step == 0:
        raise ValueError("slice step cannot be zero")
    low, high = (0, size) if step > 0 else (-1, size - 1)
    first, last = (low, high) if step > 0 else (high, low)
    start = first if part.start is None else _limit(trace, part.start, size, low, high)
    stop = last if part.stop is None else _limit(trace, part.stop, size, low, high)
    span = stop - start if step > 0 else start - stop
    positive = trace.known(span, ">", 0, "bounds of a slice")
    if positive is False:
        return 0, 0, 1
    if positive is None and not trace.known(span, ">=", 0, "bounds of a slice"):
        dim = as_dim(part.start)
        from_start = (
            step > 0 and part.stop is None and dim is not None and trace.known(dim, ">=", 0, "sign") is True
        )
        # size - min(start, size), in the form that other slices of the same length have
        span = maximum(size - dim if from_start and dim is not None else span, 0)
    return start, floor_divide(span + (abs(step) - 1), abs(step)), step


def _in_traced_steps(
    trace: Trace, part: slice, size: DimLike, step: DimLike
) -> tuple[DimLike, DimLike, DimLike]:
    """A slice whose positive step only a run knows: so is the number of its elements."""
    start = 0 if part.start is None else _limit(trace, part.start, size, 0, size)
    stop = size if part.stop is None else _limit(trace, part.stop, size, 0, size)
    key = (start, stop, step, size)
    known = trace.limits.get(key)
    if known is None or not trace.is_open(known[1]):
        span = (trace.size(stop) - trace.size(start)).apply("maximum", trace.size(0))
        by = trace.size(step)
        count = (span + by - 1).apply("floor_divide", by)
        trace.limits[key] = known = trace.bind_number(count.value, "c", 0, size), trace.region
    return start, known[0], step


def _limit(trace: Trace, value: Any, size: DimLike, low: DimLike, high: DimLike) -> DimLike:
    """A bound of a slice between `low` and `high`; one that the program computes is cut when it runs."""
    if type(value) in (TracedScalar, TracedArray) or (type(value) is TracedNumber and value.dim is None):
        return _computed_limit(trace, elements(trace, value, I64), size, low, high)
    dim = _bound(trace, value, 0)
    found = _clamp(trace, dim, size, low, high)
    return _computed_limit(trace, trace.size(dim), size, low, high) if found is None else found


def _computed_limit(trace: Trace, value: Expr, size: DimLike, low: DimLike, high: DimLike) -> DimLike:
    key = (key_of(value.value), size, low, high)
    known = trace.limits.get(key)
    if known is not None and trace.is_open(known[1]):
        return known[0]
    wrapped = select(value.lt(0), value + trace.size(size), value)
    cut = wrapped.apply("maximum", trace.size(low)).apply("minimum", trace.size(high))
    trace.limits[key] = trace.bind_number(cut.value, "b", low, high), trace.region
    return trace.limits[key][0]


def _bound(trace: Trace, value: Any, default: int) -> DimLike:
    if value is None:
        return default
    dim = as_dim(value)
    return operator.index(value) if dim is None else dim


def _clamp(trace: Trace, value: DimLike, size: DimLike, low: DimLike, high: DimLike) -> DimLike | None:
    """A bound as a position; None if that depends on a loop."""
    reason = "bounds of a slice"
    negative = trace.known(value, "<", 0, reason)
    if negative is None:
        return None
    if negative:
        value = value + size
        below = trace.known(value, "<", low, reason)
        return maximum(value, low) if below is None else low if below else value
    above = trace.known(value, ">", high, reason)
    return minimum(value, high) if above is None else high if above else value


def _basic_view(view: View, walk: _Walk) -> View:
    """The view that the slices, ints and new axes of a key make."""
    full = tuple(walk.size) == view.shape and all(s == 1 for s in walk.step)
    sliced = view if full else view.through(Slice(tuple(walk.start), tuple(walk.size), tuple(walk.step)))
    if full or walk.kept != list(range(len(view.shape))):
        shape: Shape = tuple(1 if k is None else sliced.shape[k] for k in walk.kept)
        strides: Strides = tuple(0 if k is None else sliced.strides[k] for k in walk.kept)
        return sliced.through(Reshape(shape, strides))
    return sliced


def _picked_view(trace: Trace, view: View, walk: _Walk) -> tuple[View, _Walk]:
    """The view that a key with ints which the program computes makes, and what is left of the key.

    What all its ints pick comes first: a write then touches no more than that, and in a loop nothing but what
    Python writes there.
    """
    values = {walk.kept[axis]: one.expr(trace, I64) for axis, one in walk.arrays if not one.shape}
    for axis, place in enumerate(walk.start):
        if axis not in walk.kept:
            values[axis] = trace.size(place)
    axes = tuple(axis for axis in range(len(walk.start)) if axis in values)
    rest = [axis for axis in range(len(walk.start)) if axis not in values]
    start, size, step = ([part[axis] for axis in rest] for part in (walk.start, walk.size, walk.step))
    shown = _Walk(start, size, step)
    shown.kept = [None if k is None else rest.index(k) for k in walk.kept if k not in values]
    before = [sum(k not in values for k in walk.kept[:axis]) for axis, _ in walk.arrays]
    shown.arrays = [(k, one) for k, (_, one) in zip(before, walk.arrays, strict=True) if one.shape]
    positions = [values[axis] for axis in axes]
    _check_of_nothing(trace, shown.size, [view.shape[axis] for axis in axes], positions)
    picked = view.through(Pick(axes, tuple(one.value for one in positions)))
    return _basic_view(picked, shown) if rest or shown.kept else picked, shown


def _place(items: Sequence[Any], walk: _Walk, axes: tuple[int, ...]) -> int:
    """Where indexed axes go.

    In front if a slice or new axis lies between index arrays or ints, else where they were.
    """
    indexed = [k for k, item in enumerate(items) if isinstance(item, Operand) or as_dim(item) is not None]
    between = items[indexed[0] : indexed[-1] + 1]
    if any(item is None or isinstance(item, slice) for item in between):
        return 0
    return axes[0]


# ---------------------------------------------------------------- reading


@implements(operator.getitem)
def get_item(trace: Trace, value: Any, key: Any) -> Any:
    """`value[key]`."""
    if type(value) is TracedScalar:
        return _scalar_item(trace, value, key)
    selection = select_key(trace, value, key)
    if selection.mask is not None:
        return _at_mask(trace, value, selection)
    if selection.whole:
        return TracedScalar(trace, selection.view.read(trace))
    if not selection.indices:
        found = TracedArray(trace, selection.view)
        if selection.picked:
            found.view.read(trace)  # reading now makes it fail where it stands
        return new_array(trace, found.expr) if type(value.view.lens) is Flat else found
    return new_array(trace, _gather(trace, selection))


def _at_mask(trace: Trace, array: TracedArray, selection: Selection) -> MaskedElements:
    mask, whole = selection.mask, selection.view.read(trace)
    assert mask is not None
    axis = selection.axes[0]
    if selection.place != axis:
        raise trace.refuse("a mask after a slice after an int is not supported", "index in two steps", "E050")
    _check_mask(trace, mask, selection.view.shape, axis)

    def make() -> TracedArray:
        return new_array(trace, at_mask(trace, trace.expr(whole), mask.expr(trace, BOOL), axis))

    return MaskedElements(array, mask.value, make)


def _check_mask(trace: Trace, mask: Operand, shape: Shape, axis: int) -> None:
    """Whether the mask has the sizes of the axes that it lies on."""
    for k, size in enumerate(mask.shape):
        wrong = IndexError("boolean index did not match indexed array: computed sizes differ")
        if not trace.agree(size, shape[axis + k], "shape of a mask", wrong):
            raise IndexFault(
                f"boolean index did not match indexed array along axis {axis + k}; size of axis is "
                f"{show_dim(shape[axis + k])} but that of the mask is {show_dim(size)}",
                location=trace.location(),
                fix="make the mask from the array that it indexes",
            )


def _scalar_item(trace: Trace, value: TracedScalar, key: Any) -> Any:
    if type(key) is tuple and not key:
        return value
    parts = _parts(key)
    if all(part is None or part is ... or _is_truth(part) for part in parts):
        return get_item(trace, new_array(trace, value.expr), key)
    raise IndexFault("invalid index to scalar variable.", location=trace.location(), fix="remove the index")


def _index_values(trace: Trace, selection: Selection) -> tuple[list[Expr], Shape]:
    """The positions along each indexed axis, broadcast, and their shape."""
    shape = common_shape(trace, [one.shape for one in selection.indices])
    values = [broadcast_to(trace, one.expr(trace, I64), shape) for one in selection.indices]
    sizes = selection.view.shape
    others = [d for k, d in enumerate(sizes) if k not in selection.axes]
    _check_of_nothing(trace, others, [sizes[axis] for axis in selection.axes], values)
    return values, shape


def _check_of_nothing(
    trace: Trace, others: Sequence[DimLike], sizes: Sequence[DimLike], values: Sequence[Expr]
) -> None:
    """Check positions on axes of `sizes` if each is that of no elements; else each element finds out."""
    if any(trace.assumptions.now(d) == 0 and trace.known(d, "==", 0, "elements of a part") for d in others):
        for dim, value in zip(sizes, values, strict=True):
            at: Any = new_array(trace, value)
            size = size_number(trace, dim)
            inside: Any = trace.call(np.all, (at >= -size) & (at < size))
            text = f"index is out of bounds for an axis of size {show_dim(dim)}"
            trace.fail_unless(inside.expr, IndexError(text))


def _gather(trace: Trace, selection: Selection) -> Expr:
    values, shape = _index_values(trace, selection)
    whole = selection.view.read(trace)
    found = trace.expr(trace.emit("gather", [whole, *(v.value for v in values)], {"axes": selection.axes}))
    return _transpose(trace, found, moved_back(len(shape), selection.place, len(shape_of(found))))


def moved_back(count: int, place: int, rank: int) -> tuple[int, ...]:
    """The permutation that moves the first `count` axes to `place`."""
    others = list(range(count, rank))
    return (*others[:place], *range(count), *others[place:])


def _transpose(trace: Trace, value: Expr, axes: tuple[int, ...]) -> Expr:
    if axes == tuple(range(len(axes))):
        return value
    return trace.expr(trace.emit("transpose", [value.value], {"axes": axes}))


# ---------------------------------------------------------------- writing


@implements(operator.setitem)
def set_item(trace: Trace, array: TracedArray, key: Any, value: Any) -> None:
    """`array[key] = value`."""
    if not array.view.is_writeable:
        raise ValueError("assignment destination is read-only")
    selection = select_key(trace, array, key)
    if isinstance(value, MaskedElements) and _is_same_place(value, array, selection):
        _write_masked(trace, selection, value.other, value.operation)
    elif selection.mask is not None:
        _write_masked(trace, selection, value, None)
    elif not selection.indices:
        if _is_seen(value, selection.view):
            return
        part = fit(trace, elements(trace, value, array.element), selection.view.shape, "a value")
        selection.view.write(trace, part.value)
    else:
        scatter(trace, selection, elements(trace, value, array.element), "set")


def _is_seen(value: Any, place: View) -> bool:
    """Whether a value is what a place holds, as at the end of `x[i, 1:] += other`."""
    if type(value) is not TracedArray or value.view.storage is not place.storage:
        return False
    return value.view.lenses == place.lenses


def _is_same_place(value: MaskedElements, array: TracedArray, selection: Selection) -> bool:
    """Whether this is the end of `x[mask] += other`."""
    return (
        value.operation is not None
        and value.array is array
        and selection.mask is not None
        and selection.mask.value is value.mask
    )


def scatter(trace: Trace, selection: Selection, value: Expr, mode: str) -> None:
    """Write to the positions of index arrays."""
    indices, shape = _index_values(trace, selection)
    whole = selection.view.read(trace)
    others = tuple(d for k, d in enumerate(selection.view.shape) if k not in selection.axes)
    place = selection.place
    part = fit(trace, value, (*others[:place], *shape, *others[place:]), "a value")
    back = moved_back(len(shape), place, len(shape) + len(others))
    part = _transpose(trace, part, tuple(back.index(k) for k in range(len(back))))
    facts = {"axes": selection.axes, "mode": mode}
    selection.view.write(
        trace, trace.emit("scatter", [whole, part.value, *(i.value for i in indices)], facts)
    )


def _write_masked(trace: Trace, selection: Selection, value: Any, operation: Any) -> None:
    """Write where a mask holds; `operation` combines with the old elements first."""
    mask = selection.mask
    assert mask is not None
    view, axis, count = selection.view, selection.axes[0], len(mask.shape)
    if selection.place != axis:
        raise trace.refuse("a mask after a slice after an int is not supported", "index in two steps", "E050")
    _check_mask(trace, mask, view.shape, axis)
    old = trace.expr(view.read(trace))
    after = len(view.shape) - axis - count
    wide = trace.builder.reshape(mask.expr(trace, BOOL), (*view.shape[axis : axis + count], *(1,) * after))
    wide = broadcast_to(trace, wide, view.shape)
    new = elements(trace, value, None if operation else old.dtype)
    if product(shape_of(new)) == 0 and operation is None and product(view.shape) != 0:
        wrong = ValueError("NumPy boolean array indexing assignment cannot assign 0 input values")
        trace.fail_unless(~trace.call(np.any, new_array(trace, wide)).expr, wrong)
        return
    place = len(shape_of(new)) - after - 1
    if operation is None and place >= 0 and _are_many(trace, shape_of(new)[place]):
        _write_at_mask(trace, selection, old, new)
        return
    new = _aligned(trace, new, after, count)
    if operation is not None:
        combined = new_array(trace, old)
        trace.call(operation, combined, new_array(trace, new) if shape_of(new) else value, out=combined)
        new = combined.expr
    view.write(trace, select(wide, fit(trace, cast(new, old.dtype), view.shape, "a value"), old).value)


def _are_many(trace: Trace, size: DimLike) -> bool:
    """Whether there is a value for each element at a mask, not one for all."""
    return trace.is_computed(size) or not trace.holds(size, "==", 1, "values that are written at a mask")


def _write_at_mask(trace: Trace, selection: Selection, old: Expr, new: Expr) -> None:
    """Write as many elements as the mask holds."""
    mask, axis = selection.mask, selection.axes[0]
    assert mask is not None
    flag = mask.expr(trace, BOOL)
    rest = shape_of(old)
    shape = (*rest[:axis], size_at(trace, flag), *rest[axis + len(mask.shape) :])
    part = fit(trace, new, shape, "a value")
    selection.view.write(trace, put_at_mask(trace, old, part, flag, axis).value)


def _aligned(trace: Trace, value: Expr, after: int, count: int) -> Expr:
    """A value for the elements at a mask, whose one axis of unknown size becomes `count` axes of size 1."""
    shape = shape_of(value)
    place = len(shape) - after - 1
    if place < 0:
        return value
    if shape[place] != 1:
        raise trace.refuse(
            f"writing a value of shape {show_shape(shape)} at a mask is not built yet",
            "write a scalar, or use np.where(mask, value, x) with a value of the array's shape",
            "E051",
        )
    return trace.builder.reshape(value, (*shape[:place], *(1,) * count, *shape[place + 1 :]))


_CLIP_MODES = ("clip", "wrap", "raise")


def clip_mode(mode: Any) -> str:
    """What is done to positions outside of an array, by its name or NumPy's number for it."""
    number = plain_int(mode)
    if isinstance(mode, str) or not isinstance(number, int):
        if mode not in _CLIP_MODES:
            raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
        return mode
    return _CLIP_MODES[number]


@implements(np.take)
def take(
    trace: Trace, a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise"
) -> Any:
    """Elements at positions along an axis."""
    array = trace.call(np.asarray, a)
    mode = clip_mode(mode)
    if isinstance(axis, bool | np.bool_):
        raise TypeError("an integer is required for the axis")
    axis = None if axis is None else operator.index(axis)
    if axis is None or (not array.ndim and axis in (0, -1)):
        array, axis = array.ravel(), 0
    if not -array.ndim <= axis < array.ndim:
        raise AxisError.of(axis, array.ndim, trace.location())
    if operand(trace, indices).kind is float:
        indices = trace.call(np.int64, indices)
    if isinstance(indices, list | tuple):
        indices = trace.call(np.asarray, indices)
    if type(indices) is TracedArray and indices.dtype == np.bool_:
        indices = indices.astype(np.int64)
    if mode != "raise":
        size = array.shape[axis]
        wrapped = mode == "wrap"
        indices = (
            trace.call(np.remainder, indices, size) if wrapped else trace.call(np.clip, indices, 0, size - 1)
        )
    place = axis + array.ndim if axis < 0 else axis
    made = array[(*(slice(None),) * place, indices)]
    if out is not None:
        out[...] = made
        return out
    return made.copy() if type(made) is TracedArray else made
