"""What is left of NumPy's manipulation, logic and bit pages: block, insert, piecewise, gcd and others.

Not here: padding (`padding.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.compiler.frontend.number import TracedNumber, as_dim, size_number
from weft.compiler.frontend.numpy.broadcasting import common_shape
from weft.compiler.frontend.numpy.creation import as_shape, items_of, known_elements
from weft.compiler.frontend.numpy.manipulation import as_axis
from weft.compiler.frontend.numpy.selection import array_equal
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.numpy.written import each_line
from weft.compiler.frontend.promote import loop_of
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, TracedArray, TracedScalar, as_array, elements, operand, wrap
from weft.ir.dims import product
from weft.ir.errors import AxisError, ShapeError

# ---------------------------------------------------------------- real numbers seen as complex ones


@implements(np.angle)
def angle(trace: Trace, z: Any, deg: bool = False) -> Any:
    """Return the angle of the complex argument: that of real numbers is 0 or pi."""
    value = as_array(trace, z)
    imaginary = value.imag if value.dtype.kind == "c" else 0
    result = trace.call(np.arctan2, imaginary, value.real)
    result = result * (180 / np.pi) if deg else result
    return result if operand(trace, z).shape else result[()]


@implements(np.imag)
def imag(trace: Trace, val: Any) -> Any:
    """Return the imaginary part of the complex argument."""
    return val.imag if hasattr(val, "imag") else trace.call(np.asarray, val).imag


def _constantly(known: bool) -> Callable[..., Any]:
    def composition(trace: Trace, x: Any) -> Any:
        one = operand(trace, x)
        if one.kind is int or one.kind is float:  # of Python's; a dtype equals such a class, too
            return known
        if one.dtype.kind == "c":
            imaginary = trace.call(np.imag, x)
            return imaginary == 0 if known else imaginary != 0
        sizes = tuple(size_number(trace, d) for d in one.shape)
        return (
            trace.call(np.full, sizes, known) if one.shape else wrap(trace, elements(trace, np.bool_(known)))
        )

    return composition


implements(np.isreal)(_constantly(known=True))
implements(np.iscomplex)(_constantly(known=False))


@implements(np.real_if_close)
def real_if_close(trace: Trace, a: Any, tol: float = 100) -> TracedArray:
    """If input is complex with all imaginary parts close to zero, return real parts."""
    array = as_array(trace, a)
    if array.element.is_complex:
        raise trace.refuse(
            "whether parts are close to zero is known only when the program runs", "use np.real", "E052"
        )
    return array


@implements(np.array_equiv)
def array_equiv(trace: Trace, a1: Any, a2: Any) -> Any:
    """Returns True if input arrays are shape consistent and all elements equal."""
    try:
        shapes = [operand(trace, v).shape for v in (a1, a2)]
        shape = tuple(size_number(trace, d) for d in common_shape(trace, shapes))
    except ShapeError:
        return False
    wide = [trace.call(np.broadcast_to, as_array(trace, v), shape) for v in (a1, a2)]
    return array_equal(trace, *wide)


# ---------------------------------------------------------------- shape and copies


@implements(np.asfortranarray)
def asfortranarray(trace: Trace, a: Any, dtype: Any = None) -> Any:
    """The elements as an array; the order of memory of new ones is C."""
    return trace.call(np.asarray, np.atleast_1d(as_array(trace, a)), dtype, order="F")  # pyright: ignore[reportArgumentType, reportCallIssue] -- a traced one


@implements(np.astype)
def astype(trace: Trace, x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """Copies an array to a specified data type."""
    return x if not copy and x.dtype == np.dtype(dtype) else x.astype(dtype)


@implements(np.broadcast_shapes)
def broadcast_shapes(trace: Trace, *args: Any) -> tuple[Any, ...]:
    """Broadcast the input shapes into a single shape."""
    return tuple(size_number(trace, d) for d in common_shape(trace, [as_shape(trace, s) for s in args]))


@implements(np.rollaxis)
def rollaxis(trace: Trace, a: Any, axis: int, start: int = 0) -> Any:
    """Roll the specified axis backwards, until it lies in a given position."""
    array = as_array(trace, a)
    number = as_axis(trace, axis, array.ndim)
    place = start + array.ndim if start < 0 else start
    if not 0 <= place <= array.ndim:
        raise AxisError(
            f"'start' arg requires {-array.ndim} <= start < {array.ndim + 1}, but {start} was passed in",
            location=trace.location(),
            fix="use an axis of the array",
        )
    return trace.call(np.moveaxis, array, number, place - 1 if number < place else place)


@implements(np.hsplit)
def hsplit(trace: Trace, ary: Any, indices_or_sections: Any) -> Any:
    """Split an array into multiple sub-arrays horizontally (column-wise)."""
    if not as_array(trace, ary).ndim:
        raise ValueError("hsplit only works on arrays of 1 or more dimensions")
    return trace.call(np.split, ary, indices_or_sections, 0 if as_array(trace, ary).ndim == 1 else 1)


@implements(np.vsplit)
def vsplit(trace: Trace, ary: Any, indices_or_sections: Any) -> Any:
    """Split an array into multiple sub-arrays vertically (row-wise)."""
    if as_array(trace, ary).ndim < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return trace.call(np.split, ary, indices_or_sections, 0)


@implements(np.dsplit)
def dsplit(trace: Trace, ary: Any, indices_or_sections: Any) -> Any:
    """Split array into multiple sub-arrays along the 3rd axis (depth)."""
    if as_array(trace, ary).ndim < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return trace.call(np.split, ary, indices_or_sections, 2)


@implements(np.diagflat)
def diagflat(trace: Trace, v: Any, k: int = 0) -> Any:
    """Create a two-dimensional array with the flattened input as a diagonal."""
    return trace.call(np.diag, as_array(trace, v).ravel(), k)


@implements(np.block)
def block(trace: Trace, arrays: Any) -> Any:
    """Assemble an nd-array from nested lists of blocks."""
    arrays = _plain_lists(trace, arrays)
    depth = _depth(arrays)
    rank = max(depth, *(a.ndim for a in _leaves(trace, arrays)))

    def build(node: Any, level: int) -> Any:
        if not isinstance(node, list):
            array = as_array(trace, node)
            return array[(*(None,) * (rank - array.ndim), ...)]
        parts = [build(item, level + 1) for item in node]
        return trace.call(np.concatenate, parts, axis=rank - depth + level)

    result = build(arrays, 0)
    return result if isinstance(arrays, list) else result.copy()


def _plain_lists(trace: Trace, node: Any) -> Any:
    return [_plain_lists(trace, item) for item in items_of(trace, node)] if isinstance(node, list) else node


def _depth(node: Any) -> int:
    if not isinstance(node, list):
        return 0
    if not node:
        raise ValueError("List at arrays cannot be empty")
    depths = {_depth(item) for item in node}
    if len(depths) > 1:
        raise ValueError("List depths are mismatched.")
    return 1 + depths.pop()


def _leaves(trace: Trace, node: Any) -> list[TracedArray]:
    return (
        [a for item in node for a in _leaves(trace, item)]
        if isinstance(node, list)
        else [as_array(trace, node)]
    )


# ---------------------------------------------------------------- insertion and deletion at known places


def _is_place(obj: Any) -> bool:
    """Whether it is one int that the program computes."""
    if type(obj) is TracedNumber:
        return obj.type is int and obj.dim is None
    return type(obj) in (TracedScalar, TracedArray) and obj.ndim == 0 and obj.dtype.kind in "iu"


def _placed(trace: Trace, obj: Any, size: Any, axis: int, *, last: int) -> Any:
    """The place counted from the front, checked when the program runs; `last` is the last beyond the size."""
    place: Any = trace.call(np.where, trace.call(np.less, obj, 0), trace.call(np.add, obj, size), obj)
    inside: Any = (place >= 0) & (place < trace.call(np.add, size, last))
    wrong = IndexError(f"an index is out of bounds for axis {axis}")
    trace.fail_unless(trace.call(np.all, inside).expr, wrong)
    return place


def _known_places(trace: Trace, obj: Any, size: Any, what: str) -> Any:
    """Places as a plain array or int if they are known, else as a traced array or a place."""
    if isinstance(obj, bool | np.bool_):
        raise ValueError(f"a boolean obj of {what} must be one dimensional and match the axis length")
    known = known_elements(trace, obj) if type(obj) in TRACED else None
    if known is not None:
        return known
    if _is_place(obj):
        return obj
    if isinstance(obj, slice):
        return np.arange(trace.pin(size, what))[obj]
    if as_dim(obj) is not None:
        return obj.__index__()
    if type(obj) in TRACED or any(type(item) in TRACED for item in obj):
        found = as_array(trace, obj)
        if found.dtype.kind not in "iub":
            raise IndexError("arrays used as indices must be of integer (or boolean) type")
        return found
    return np.asarray(obj) if len(obj) else np.zeros(0, np.intp)


MOST_RUNS = 8
"""Ranges of known places; of more, each element is read at a place from a table."""


@implements(np.delete)
def delete(trace: Trace, arr: Any, obj: Any, axis: Any = None) -> Any:
    """Return a new array with sub-arrays along an axis deleted."""
    array = as_array(trace, arr)
    if axis is None:
        array, axis = array.ravel(), 0
    number = as_axis(trace, axis, array.ndim)
    front = (slice(None),) * number
    size = array.view.shape[number]
    if type(obj) is TracedArray and obj.dtype == np.bool_:
        return array[(*front, ~obj)]
    places = _known_places(trace, obj, size, "np.delete")
    if type(places) is TracedArray and places.ndim:
        kept = trace.call(np.ones, size_number(trace, size), dtype=bool)
        kept[places.ravel()] = False
        return array[(*front, kept)]
    if _is_place(places):
        if trace.holds(size, "==", 0, "np.delete"):
            raise IndexError(f"index is out of bounds for axis {number} with size 0")
        place = _placed(trace, places, size_number(trace, size), number, last=0)
        left: Any = trace.call(np.arange, size_number(trace, size) - 1)
        return array[(*front, left + (left >= place))]
    if isinstance(places, int):
        cut = size_number(trace, size)
        place = places + cut if places < 0 else places
        if place < 0 or place >= cut:
            raise IndexError(f"index {places} is out of bounds for axis {number} with size {size}")
        return trace.call(
            np.concatenate,
            [array[(*front, slice(0, place))], array[(*front, slice(place + 1, None))]],
            axis=number,
        )
    kept = np.delete(np.arange(trace.pin(size, "np.delete")), places)
    runs = _runs(kept)
    if runs is None:
        return array[(*front, kept)]
    return trace.call(np.concatenate, [array[(*front, slice(a, b))] for a, b in runs], axis=number)


def _runs(places: np.ndarray) -> list[tuple[int, int]] | None:
    """Known places as ranges [first, last), None if they are not a few."""
    ends = [*np.flatnonzero(np.diff(places) != 1).tolist(), len(places) - 1]
    if not len(places) or len(ends) > MOST_RUNS:
        return None
    firsts = [0, *(end + 1 for end in ends[:-1])]
    return [(int(places[a]), int(places[b]) + 1) for a, b in zip(firsts, ends, strict=True)]


@implements(np.insert)
def insert(trace: Trace, arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """Insert values along the given axis before the given indices."""
    array = as_array(trace, arr)
    if axis is None:
        array, axis = array.ravel(), 0
    number = as_axis(trace, axis, array.ndim)
    size = trace.pin(array.view.shape[number], "np.insert")
    places = _known_places(trace, obj, size, "np.insert")
    old = np.arange(size)  # NumPy itself says where old and new elements go
    new = as_array(trace, values).astype(array.dtype)
    is_int = isinstance(places, int) or _is_place(places)
    if type(places) is TracedArray and places.ndim:
        if places.dtype == np.bool_ or places.ndim > 1:
            what = "np.insert at places of a mask, or of several axes,"
            raise trace.refuse(f"{what} is not built", "use np.flatnonzero(mask), or ravel()", "E051")
        if trace.pin(places.view.shape[0], "np.insert") != 1:
            return _inserted(trace, array, places, new, number)
        places = places[0] + 0
    is_place = _is_place(places)
    if is_place or isinstance(places, int) or (len(places) == 1 and places.dtype != bool):
        new = new[(*(None,) * (array.ndim - new.ndim), ...)]
        new = trace.call(np.moveaxis, new, 0, number) if is_int else new
        count = trace.pin(new.view.shape[number], "np.insert")
        if is_place:
            order = _order_at(trace, _placed(trace, places, size, number, last=1), size, count)
            return _with_new(trace, array, new, number, count, order)
        place = places if isinstance(places, int) else int(places[0])
        np.insert(old, [place], 0)  # raises for a place outside
        marked = np.insert(old, [place] * count, -1 - np.arange(count))
    else:
        places = np.flatnonzero(places) if places.dtype == bool else places
        count = len(places)
        marked = np.insert(old, places, -1 - np.arange(count))
    order = np.where(marked < 0, size - 1 - marked, marked)
    runs = _runs(order)
    if runs is None:
        return _with_new(trace, array, new, number, count, order)
    wide = _widened(trace, array, new, number, count)
    parts: list[Any] = []
    for a, b in (piece for run in runs for piece in _cut(run, size)):
        one, shift = (wide, size) if a >= size else (array, 0)
        parts.append(one[(*(slice(None),) * number, slice(a - shift, b - shift))])
    return trace.call(np.concatenate, parts, axis=number)


def _cut(run: tuple[int, int], place: int) -> list[tuple[int, int]]:
    """A range as those before a place and from there on."""
    first, last = run
    return [run] if last <= place or first >= place else [(first, place), (place, last)]


def _inserted(trace: Trace, array: TracedArray, places: Any, new: Any, axis: int) -> Any:
    """With new elements at places of the program: each moves on by those that come before it."""
    size, count = size_number(trace, array.view.shape[axis]), places.shape[0]
    outside = IndexError(f"an index is out of bounds for axis {axis} of np.insert")
    trace.fail_unless(elements(trace, trace.call(np.all, (places >= -size) & (places <= size))), outside)
    places = trace.call(np.where, places < 0, places + size, places).astype(np.int64)
    order = trace.call(np.argsort, places, stable=True)
    target = trace.call(np.zeros, count, dtype=np.int64)
    target[order] = places[order] + trace.call(np.arange, count)
    is_old = trace.call(np.ones, size + count, dtype=bool)
    is_old[target] = False
    source = trace.call(np.cumsum, is_old) - 1
    source[target] = size + trace.call(np.arange, count)
    return _with_new(trace, array, new, axis, count, source)


def _order_at(trace: Trace, place: Any, size: int, count: int) -> Any:
    """Where old elements and the new ones behind them go, if these come to a place of the program."""
    at: Any = trace.call(np.arange, size + count)
    behind = trace.call(np.where, at < place + count, size + at - place, at - count)
    return trace.call(np.where, at < place, at, behind)


def _with_new(trace: Trace, array: TracedArray, new: Any, axis: int, count: int, order: Any) -> Any:
    both = trace.call(np.concatenate, [array, _widened(trace, array, new, axis, count)], axis=axis)
    return both[(*(slice(None),) * axis, order)]


def _widened(trace: Trace, array: TracedArray, new: Any, axis: int, count: int) -> Any:
    """What is inserted, as many places wide as it takes."""
    shape = [*array.shape]
    shape[axis] = count
    return trace.call(np.broadcast_to, new, tuple(shape))


_FEW_SLICES = 8


@implements(np.apply_along_axis)
def apply_along_axis(
    trace: Trace, func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any
) -> Any:
    """Apply a function to 1-D slices along the given axis: few are traced one by one, many as a loop."""
    array = as_array(trace, arr)
    number = as_axis(trace, axis, array.ndim)
    moved = trace.call(np.moveaxis, array, number, -1)
    outer = moved.shape[:-1]
    size = product(moved.view.shape[:-1])
    if trace.holds(size, "==", 0, "slices of np.apply_along_axis"):
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    lines = moved.reshape(size_number(trace, size), moved.shape[-1])
    if trace.holds(size, "<=", _FEW_SLICES, "slices of np.apply_along_axis"):
        count = trace.pin(size, "np.apply_along_axis")
        found = [as_array(trace, func1d(lines[k], *args, **kwargs)) for k in range(count)]
        result = trace.call(np.stack, found)
    else:
        result = trace.run(each_line, func1d, lines, args, kwargs)
    inner = result.ndim - 1
    return trace.call(
        np.moveaxis,
        result.reshape(*outer, *result.shape[1:]),
        tuple(range(len(outer), len(outer) + inner)),
        tuple(range(number, number + inner)),
    )


@implements(np.apply_over_axes)
def apply_over_axes(trace: Trace, func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """Apply a function repeatedly over multiple axes."""
    value = as_array(trace, a)
    rank = value.ndim
    for axis in axes if isinstance(axes, Sequence) else (axes,):
        number = as_axis(trace, axis, rank)
        result = as_array(trace, func(value, number))
        value = result if result.ndim == rank else trace.call(np.expand_dims, result, number)
    return value


@implements(np.piecewise)
def piecewise(trace: Trace, x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """Evaluate a piecewise-defined function."""
    array = as_array(trace, x)
    conditions = list(condlist) if isinstance(condlist, Sequence) else [condlist]
    if isinstance(condlist, np.ndarray | TracedArray) and condlist.ndim > 1:
        rows = as_array(trace, condlist)
        conditions = [rows[k] for k in range(trace.pin(rows.view.shape[0], "conditions"))]
    if conditions and array.ndim and not isinstance(conditions[0], Sequence | np.ndarray | TracedArray):
        conditions = [condlist]  # truth values, which are one condition
    conditions = [_fitting(trace, as_array(trace, one).astype(bool), array) for one in conditions]
    pieces = list(funclist)
    result: Any = trace.call(np.zeros_like, array)
    if len(pieces) == len(conditions) + 1:
        last = pieces.pop()
        result = _piece(trace, last, array, args, kw)
    if len(pieces) != len(conditions):
        raise ValueError(
            f"with {len(conditions)} condition(s), either {len(conditions)} or "
            f"{len(conditions) + 1} functions are expected"
        )
    for condition, piece in zip(conditions, pieces, strict=True):
        result = trace.call(np.where, condition, _piece(trace, piece, array, args, kw), result).astype(
            array.dtype
        )
    return result


def _fitting(trace: Trace, condition: TracedArray, array: TracedArray) -> TracedArray:
    """A condition, whose axes are the first ones of the array."""
    sizes = array.view.shape[: condition.ndim]
    if len(sizes) < condition.ndim or not all(
        trace.holds(p, "==", q, "sizes of a condition")
        for p, q in zip(condition.view.shape, sizes, strict=True)
    ):
        raise IndexError("boolean index did not match indexed array")
    return condition.reshape(*condition.shape, *(1,) * (array.ndim - condition.ndim))


def _piece(trace: Trace, piece: Any, array: TracedArray, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
    value = piece(array, *args, **kw) if callable(piece) else piece
    return trace.call(np.broadcast_to, as_array(trace, value).astype(array.dtype), array.shape)


# ---------------------------------------------------------------- concatenation by `[]`


BY_INDEX: tuple[Any, ...] = (np.r_, np.c_, np.mgrid, np.ogrid)
"""NumPy's objects that make arrays by `[]`."""


def by_index(trace: Trace, base: Any, key: Any) -> Any:
    """What one of these gives."""
    if base is np.mgrid or base is np.ogrid:
        return grid(trace, key, is_open=base is np.ogrid)
    return joined(trace, base, key)


def _line(trace: Trace, part: slice) -> Any:
    """The numbers that a slice stands for: an imaginary step is how many, the last among them."""
    start = 0 if part.start is None else part.start
    if isinstance(part.step, complex):
        return trace.call(np.linspace, start, part.stop, int(abs(part.step)))
    return trace.call(np.arange, start, part.stop, 1 if part.step is None else part.step)


def grid(trace: Trace, key: Any, *, is_open: bool) -> Any:
    """`np.mgrid[...]` and `np.ogrid[...]`."""
    if isinstance(key, slice):
        return _line(trace, key)
    lines = [_line(trace, part) for part in key]
    common = np.result_type(*(line.dtype for line in lines))
    lines = [line.astype(common) for line in lines]
    made = trace.call(np.meshgrid, *lines, indexing="ij", sparse=is_open)
    return tuple(made) if is_open else trace.call(np.stack, made)


def joined(trace: Trace, base: Any, key: Any) -> Any:
    """`np.r_[...]` and `np.c_[...]` of arrays, numbers and slices, after a text with axis, axes, place."""
    items = list(key) if type(key) is tuple else [key]
    axis, least, place = (-1, 2, 0) if base is np.c_ else (0, 1, -1)
    if items and isinstance(items[0], str):
        text = items.pop(0)
        if text in ("r", "c"):
            raise trace.refuse("np.r_ as a matrix is not built", "use np.atleast_2d of it, and .T", "E054")
        try:
            axis, *rest = map(int, text.split(","))
        except ValueError:
            raise ValueError("unknown special directive") from None
        least, place = (*rest[:2], *(least, place)[len(rest[:2]) :])
    if any(isinstance(item, str) for item in items):
        raise ValueError("special directives must be the first entry.")
    parts = [_raised(trace, item, least, place) for item in items]
    numbers = [item for item in items if isinstance(item, int | float | complex | np.generic)]
    if numbers:
        kinds = (p.dtype for p, i in zip(parts, items, strict=True) if not any(i is n for n in numbers))
        common = np.result_type(*numbers, *kinds)
        parts = [p.astype(common) for p in parts]
    return trace.call(np.concatenate, parts, axis=axis)


def _raised(trace: Trace, item: Any, least: int, place: int) -> Any:
    """One piece with at least so many axes; its own begin at `place` among them, -1: are the last."""
    made = _line(trace, item) if isinstance(item, slice) else trace.call(np.asarray, item)
    missing = least - made.ndim
    if missing <= 0:
        return made
    first = place + missing + 1 if place < 0 else place
    if isinstance(item, slice):  # which NumPy swaps
        wide = made[(None,) * missing]
        return wide if place == -1 else trace.call(np.swapaxes, wide, -1, place)
    return made[(None,) * first + (slice(None),) * made.ndim + (None,) * (missing - first)]


# ---------------------------------------------------------------- numbers and bits


@implements(np.ldexp)
def ldexp(trace: Trace, x1: Any, x2: Any, out: Any = None) -> Any:
    """Returns x1 * 2**x2, element-wise; both steps keep all bits that the result can hold."""
    kinds = [operand(trace, x).kind for x in (x1, x2)]
    loop = loop_of(np.ldexp, kinds, [None], signature=None, casting="same_kind", location=trace.location())
    one = as_array(trace, x1).astype(loop[-1])
    power = trace.call(np.clip, as_array(trace, x2), -2200, 2200).astype(np.int64)
    steps = [power // 2, power - power // 2]
    halves = [step // 2 for step in steps] + [step - step // 2 for step in steps]
    result: Any = one.astype(np.float64)
    for half in halves:
        result = result * trace.call(np.exp2, half.astype(np.float64))
    result = result.astype(one.dtype)
    if out is not None:
        out[...] = result
        return out
    return result if result.ndim else result[()]


def _check_order(bitorder: Any) -> None:
    if not isinstance(bitorder, str):
        raise TypeError(f"bitorder must be str, not {type(bitorder).__name__}")
    if bitorder not in ("little", "big"):
        raise ValueError("'order' must be either 'little' or 'big'")


def _packed(trace: Trace, bits: Any, bitorder: str) -> Any:
    """The bits of bytes, of which the last axis has a whole number."""
    total: Any = None
    for k in range(8):
        one = bits[..., k::8].astype(np.uint8) << np.uint8(7 - k if bitorder == "big" else k)
        total = one if total is None else total | one
    return total


@implements(np.packbits)
def packbits(trace: Trace, a: Any, /, axis: Any = None, bitorder: str = "big") -> Any:
    """Packs the elements of a binary-valued array into bits in a uint8 array."""
    array = as_array(trace, a)
    if array.dtype.kind not in "biu":
        raise TypeError("Expected an input array of integer or boolean data type")
    _check_order(bitorder)
    if axis is None:
        array, axis = array.ravel(), 0
    number = as_axis(trace, axis, array.ndim)
    bits = trace.call(np.moveaxis, array.astype(np.bool_), number, -1)
    size = size_number(trace, bits.view.shape[-1])
    whole = size - size % 8
    parts = [_packed(trace, bits[..., :whole], bitorder)]
    if as_dim(size % 8) != 0:
        rest = bits[..., whole:]
        empty = trace.call(np.zeros, (*bits.shape[:-1], -size % 8), dtype=np.bool_)
        parts.append(_packed(trace, trace.call(np.concatenate, [rest, empty], axis=-1), bitorder))
    packed = trace.call(np.concatenate, parts, axis=-1)
    return trace.call(np.moveaxis, packed, -1, number).copy()


@implements(np.unpackbits)
def unpackbits(trace: Trace, a: Any, /, axis: Any = None, count: Any = None, bitorder: str = "big") -> Any:
    """Unpacks elements of a uint8 array into a binary-valued output array."""
    array = as_array(trace, a)
    if array.dtype != np.uint8:
        raise TypeError("Expected an input array of unsigned byte data type")
    _check_order(bitorder)
    if axis is None:
        array, axis = array.ravel(), 0
    number = as_axis(trace, axis, array.ndim)
    moved = trace.call(np.moveaxis, array, number, -1)
    shifts = np.arange(8, dtype=np.uint8)
    bits = (moved[..., None] >> (shifts[::-1] if bitorder == "big" else shifts)) & 1
    flat = bits.reshape(*moved.shape[:-1], moved.shape[-1] * 8)
    if count is not None:
        total = size_number(trace, flat.view.shape[-1])
        if count < 0 and total + count < 0:
            raise ValueError("-count larger than number of elements")
        flat = flat[..., :count]
        if count > total:
            rest = trace.call(np.zeros, (*flat.shape[:-1], count - total), dtype=np.uint8)
            flat = trace.call(np.concatenate, [flat, rest], axis=-1)
    return trace.call(np.moveaxis, flat, -1, number).copy()
