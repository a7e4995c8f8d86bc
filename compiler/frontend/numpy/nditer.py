"""`np.nditer`: elements, or rows of them, of arrays that are gone over together, with the index they have.

An iterator is an object with a position, for `while not it.finished`, and gives a loop a sequence. Not here:
the other iterators (`iterated.py`), loops (`control/loops.py`).
"""

from __future__ import annotations

from collections.abc import Sequence as Axes
from itertools import pairwise
from typing import Any

import numpy as np

from weft.compiler.frontend.control.sequences import Sequence
from weft.compiler.frontend.number import as_dim, size_number
from weft.compiler.frontend.numpy.broadcasting import common_shape
from weft.compiler.frontend.numpy.creation import as_shape
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.numpy.written import Walk
from weft.compiler.frontend.storage import Shape
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import as_array
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, product

_INDICES = ("multi_index", "c_index", "f_index")
_FLAGS = frozenset(
    "external_loop refs_ok zerosize_ok buffered reduce_ok common_dtype copy_if_overlap delay_bufalloc "
    "grow_inner growinner ranged".split()
).union(_INDICES)
_MODES = frozenset(
    "readonly readwrite writeonly copy nbo aligned contig allocate no_broadcast updateifcopy "
    "overlap_assume_elementwise arraymask virtual writemasked no_subtype".split()
)


@dataclass(slots=True)
class _Operand:
    """An array, and the axis of the iteration that each of its first axes is (None if it stays at 0)."""

    array: Any
    axes: tuple[int | None, ...]
    can_write: bool

    def at(self, trace: Trace, index: Axes[Any]) -> Any:
        """The element at an index of the iteration, as an array without axes."""
        found = self.array[(*(0 if k is None else index[k] for k in self.axes), ...)]
        return found if self.can_write else trace.call(np.broadcast_to, found, found.shape)


class Items:
    """What an iterator goes over; a call tells what there is at a position."""

    def __init__(
        self, trace: Trace, parts: list[_Operand], shape: Shape, order: str, flags: set[str], *, several: bool
    ) -> None:
        self.trace, self.parts, self.order, self.several, self.flags = trace, parts, order, several, flags
        self.shape = tuple(size_number(trace, d) for d in shape)
        self.operands: tuple[Any, ...] = ()
        self.dtypes: tuple[Any, ...] = ()
        self.walk: Any = None  # the iterator, which loops move if it has an index

    def trace_call(self, trace: Trace, call: Any, args: Any, kwargs: Any, effects: Any) -> Any:
        """What the code in `written.py` asks."""
        return self(*args)

    def __call__(self, name: str, position: Any) -> Any:
        """The items (`each`), or what `np.nditer` gives by that name."""
        if name == "shape":
            if "multi_index" in self.flags:
                return self.shape
            raise self.trace.refuse("axes of np.nditer without multi_index", "ask the arrays", "E054")
        index = self._index(position)
        if name == "multi_index" and name in self.flags:
            return index
        if name == "index" and self.flags & {"c_index", "f_index"}:
            return self._linear(index)
        if name not in ("value", "each"):
            raise ValueError(f"Iterator is not tracking an index by {name}")
        values = tuple(part.at(self.trace, index) for part in self.parts)
        return values if self.several or name == "each" else values[0]

    def at(self, position: DimLike) -> Any:
        """The items at a position of a loop."""
        number = size_number(self.trace, position)
        if self.flags.intersection(_INDICES):
            self.trace.enter(self.walk.go, number)
        return self("value", number)

    def _index(self, position: Any) -> tuple[Any, ...]:
        """Where a position lies, by the axes of the iteration."""
        found: list[Any] = []
        sizes = self.shape if self.order == "C" else self.shape[::-1]
        for axis in range(len(sizes) - 1, -1, -1):
            found.insert(0, position % sizes[axis] if axis else position)
            position = position // sizes[axis] if axis else position
        return tuple(found if self.order == "C" else found[::-1])

    def _linear(self, index: tuple[Any, ...]) -> Any:
        """The position in the order of the axes that a flag names."""
        position: Any = 0
        axes = range(len(index))
        for axis in axes if "c_index" in self.flags else reversed(axes):
            position = position * self.shape[axis] + index[axis]
        return position


@implements(np.nditer)
def nditer(
    trace: Trace, op: Any, flags: Any = None, op_flags: Any = None, op_dtypes: Any = None, order: str = "K",
    casting: str = "safe", op_axes: Any = None, itershape: Any = None, buffersize: int = 0,
) -> Any:  # fmt: skip
    """Elements as arrays without axes: of one array, or tuples of several that broadcast together."""
    several = isinstance(op, list | tuple)
    given: list[Any] = [None if one is None else as_array(trace, one) for one in (op if several else [op])]
    flags = set(flags or ())
    if unknown := flags - _FLAGS:
        raise ValueError(f'Unexpected iterator global flag "{min(unknown)}"')
    modes = _modes(op_flags, given)
    arrays = _cast_arrays(trace, given, modes, op_dtypes, casting, flags)
    maps = _maps(trace, arrays, op_axes)
    shape = _shape(trace, arrays, maps, itershape)
    for k, one in enumerate(arrays):
        if one is None:
            arrays[k], maps[k] = _allocated(trace, arrays, maps[k], shape, op_dtypes and op_dtypes[k])
    parts = [
        _operand(trace, array, axes, shape, mode, flags)
        for array, axes, mode in zip(arrays, maps, modes, strict=True)
    ]
    if any(trace.holds(d, "==", 0, "elements of np.nditer") for d in shape):
        if "zerosize_ok" not in flags:
            raise ValueError("Iteration of zero-sized operands is not enabled")
    order = _order(trace, parts, order)
    if "external_loop" in flags:
        if flags & {*_INDICES}:
            raise ValueError("Iterator flag EXTERNAL_LOOP cannot be used where an index is tracked")
        parts, shape, order = *_rows(trace, parts, shape, order), "C"
    items, size = Items(trace, parts, shape, order, flags, several=several), product(shape)
    items.operands, items.dtypes = tuple(arrays), tuple(one.dtype for one in arrays)
    sequence = Sequence(trace, size, items.at, "np.nditer")
    items.walk = trace.enter(Walk, sequence, items, size_number(trace, size))
    return items.walk


def _modes(op_flags: Any, given: list[Any]) -> list[set[str]]:
    """The flags of each operand."""
    if op_flags is None:
        modes = [{"readonly"} if one is not None else {"writeonly", "allocate"} for one in given]
    elif all(isinstance(one, str) for one in op_flags):
        modes = [set(op_flags) for _ in given]
    else:
        modes = [set(one) for one in op_flags]
    if len(modes) == 1:
        modes = modes * len(given)
    if len(modes) != len(given) or any(mode - _MODES for mode in modes):
        raise ValueError(f"Unexpected iterator op_flags {op_flags!r}")
    for one, mode in zip(given, modes, strict=True):
        if len(mode & {"readonly", "readwrite", "writeonly"}) != 1:
            raise ValueError("one of readwrite, readonly, writeonly is to be given for each operand")
        if one is None and "allocate" not in mode and mode != {"writeonly"}:
            raise ValueError("Iterator operand was NULL, but automatic allocation was not requested")
    return modes


def _cast_arrays(
    trace: Trace, given: list[Any], modes: list[set[str]], dtypes: Any, casting: Any, flags: set[str]
) -> list[Any]:
    """Operands in the dtypes asked for."""
    if "common_dtype" in flags:
        dtypes = [trace.call(np.result_type, *(one for one in given if one is not None))] * len(given)
    found: list[Any] = []
    for one, mode, dtype in zip(given, modes, dtypes or [None] * len(given), strict=True):
        if one is None or dtype is None or one.dtype == np.dtype(dtype):
            found.append(one)
            continue
        if not np.can_cast(one.dtype, dtype, casting):
            raise TypeError(
                f"Iterator operand could not be cast from {one.dtype!r} to {np.dtype(dtype)!r} "
                f"according to the rule '{casting}'"
            )
        if not ("buffered" in flags or "copy" in mode):
            raise TypeError("Iterator operand required copying or buffering, but neither was enabled")
        if "readonly" not in mode:
            raise trace.refuse("np.nditer that casts what it writes", "cast before and after", "E054")
        found.append(one.astype(dtype))
    return found


def _maps(trace: Trace, arrays: list[Any], op_axes: Any) -> list[Any]:
    """Of each operand, its own axis for each of the iteration, -1 for none; None for the last ones."""
    if op_axes is None:
        return [None] * len(arrays)
    rank = next(len(one) for one in op_axes if one is not None)
    maps: list[Any] = [None if one is None else [-1 if k is None else int(k) for k in one] for one in op_axes]
    for array, axes in zip(arrays, maps, strict=True):
        if axes is not None and len(axes) != rank:
            raise ValueError("Each entry of op_axes must have the same size")
        if array is not None and axes is not None and any(k >= array.ndim for k in axes):
            raise ValueError(
                f"Iterator input op_axes is not a valid axis of an operand of {array.ndim} dimensions"
            )
    return [
        list(range(-(rank - array.ndim), array.ndim)) if axes is None and array is not None else axes
        for array, axes in zip(arrays, maps, strict=True)
    ]


def _shape(trace: Trace, arrays: list[Any], maps: list[Any], itershape: Any) -> Shape:
    """The sizes of the iteration."""
    shapes: list[Shape] = []
    for array, axes in zip(arrays, maps, strict=True):
        if array is not None:
            own = array.view.shape
            shapes.append(own if axes is None else tuple(1 if k < 0 else own[k] for k in axes))
    if itershape is not None:
        wanted = [1 if as_dim(n) == -1 else n for n in itershape]
        shapes.append(as_shape(trace, wanted))
    return common_shape(trace, shapes)


def _allocated(trace: Trace, arrays: list[Any], axes: Any, shape: Shape, dtype: Any) -> tuple[Any, Any]:
    """An operand that is made here, and its axes."""
    if dtype is None:
        dtype = trace.call(np.result_type, *(one for one in arrays if one is not None))
    axes = list(range(len(shape))) if axes is None else axes
    sizes: dict[int, Any] = {k: size_number(trace, d) for k, d in zip(axes, shape, strict=True) if k >= 0}
    return trace.call(np.zeros, tuple(sizes[k] for k in sorted(sizes)), dtype=dtype), axes


def _operand(trace: Trace, array: Any, axes: Any, shape: Shape, mode: set[str], flags: set[str]) -> _Operand:
    """How the axes of an operand lie in the iteration."""
    can_write = "readonly" not in mode
    own: Shape = array.view.shape
    axes = [-1] * (len(shape) - len(own)) + list(range(len(own))) if axes is None else axes
    places: list[int | None] = [None] * len(own)
    reduced = False
    for number, k in enumerate(axes):
        is_one = k < 0 or trace.holds(own[k], "==", 1, "sizes of np.nditer")
        reduced = reduced or (is_one and not trace.holds(shape[number], "==", 1, "sizes of np.nditer"))
        if not is_one:
            places[k] = number
    if can_write and reduced and "reduce_ok" not in flags:
        raise ValueError(
            "output operand requires a reduction along dimension, but the reduction is not enabled"
        )
    if can_write and not array.view.is_writeable:
        raise ValueError("output array is read-only")
    return _Operand(array, tuple(places), can_write)


def _order(trace: Trace, parts: list[_Operand], order: str) -> str:
    """C or F: for "K" as the operands lie in memory."""
    if order in ("C", "F"):
        return order
    if order not in ("K", "A"):
        raise ValueError(f"order must be one of 'C', 'F', 'A', or 'K' (got '{order}')")
    arrays = [part.array for part in parts]
    if all(_lies(one, range(one.ndim)) for one in arrays):
        return "C"
    if all(_lies(one, range(one.ndim - 1, -1, -1)) for one in arrays):
        return "F"
    if order == "A":
        return "C"
    raise trace.refuse("np.nditer of arrays in another order of memory", "give it order='C'", "E054")


def _lies(array: Any, axes: Axes[int]) -> bool:
    """Whether steps along these axes, slowest first, get smaller."""
    if array.ndim < 2:
        return True
    steps = [array.view.strides[k] for k in axes]
    if any(not isinstance(s, int) for s in steps):
        return array.view.is_dense and list(axes) == sorted(axes)
    return all(p >= q > 0 for p, q in pairwise(steps))


def _rows(trace: Trace, parts: list[_Operand], shape: Shape, order: str) -> tuple[list[_Operand], Shape]:
    """Operands as rows, each of which is one item: all of it, if nothing else lies between."""
    turned = [trace.call(np.transpose, one.array) if order == "F" else one.array for one in parts]
    if any(one.axes != tuple(range(len(shape))) for one in parts):
        raise trace.refuse("np.nditer of rows of arrays that broadcast", "broadcast them before", "E054")
    if all(one.view.is_dense for one in turned):
        rows = [one.reshape(1, -1) for one in turned]
    elif len(shape) == 2:
        rows = turned
    else:
        raise trace.refuse("np.nditer of rows in another order of memory", "give it order='C'", "E054")
    made = [_Operand(row, (0,), one.can_write) for row, one in zip(rows, parts, strict=True)]
    return made, (rows[0].view.shape[0],)
