"""What goes over elements or indices: `np.ndindex`, `np.ndenumerate`, plain `np.nditer`, `np.fromiter`.

Each is a sequence by position, which a compiled loop goes over. Not here: loops (`control/loops.py`).
"""

from __future__ import annotations

from collections.abc import Sequence as Items
from typing import Any

import numpy as np

from weft.compiler.frontend.control.joins import is_listed
from weft.compiler.frontend.control.listed import array_of
from weft.compiler.frontend.control.sequences import Sequence
from weft.compiler.frontend.number import size_number
from weft.compiler.frontend.numpy.creation import as_shape
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.storage import Shape
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray, as_array, operand
from weft.ir.dims import DimLike, floor_divide, modulo, product


def _place(trace: Trace, position: DimLike, shape: Shape) -> tuple[Any, ...]:
    """The index of element `position` in row-major order."""
    found: list[Any] = []
    for axis in range(len(shape) - 1, -1, -1):
        found.insert(0, size_number(trace, modulo(position, shape[axis]) if axis else position))
        position = floor_divide(position, shape[axis]) if axis else position
    return tuple(found)


def _counted(trace: Trace, shape: Shape, give: Any, text: str) -> Sequence:
    """`give(index)` of every index of a shape, in order."""
    if any(trace.holds(d, "==", 0, f"items of {text}") for d in shape):
        return Sequence(trace, 0, lambda k: None, text)
    return Sequence(trace, product(shape), lambda k: give(_place(trace, k, shape)), text)


@implements(np.ndindex)
def ndindex(trace: Trace, *shape: Any) -> Any:
    """All indices of a shape, the last axis fastest."""
    given = shape[0] if len(shape) == 1 and isinstance(shape[0], Items) else shape
    return _counted(trace, as_shape(trace, given), lambda index: index, "np.ndindex")


@implements(np.ndenumerate)
def ndenumerate(trace: Trace, arr: Any) -> Any:
    """Pairs of index and element."""
    array: Any = as_array(trace, arr)
    return _counted(trace, array.view.shape, lambda index: (index, array[index]), "np.ndenumerate")


class Iterated(Sequence):
    """`np.nditer` as a sequence: what it goes over, also in a `with`."""

    __slots__ = ()

    def __enter__(self) -> Iterated:
        return self

    def __exit__(self, *_: Any) -> None:
        """Nothing was held."""


class Broadcasted(Iterated):
    """`np.broadcast`: tuples of elements of arrays that broadcast together, and the shape that they have."""

    __slots__ = ("ndim", "shape", "size")

    def __init__(self, trace: Trace, *arrays: Any) -> None:
        whole: Any = trace.call(np.broadcast_arrays, *arrays)
        one = whole[0]
        self.shape, self.size, self.ndim = one.shape, one.size, one.ndim
        super().__init__(
            trace,
            product(one.view.shape),
            lambda k: tuple(part[_place(trace, k, one.view.shape)] for part in whole),
            "np.broadcast",
        )

    nd = property(lambda self: self.ndim)


@implements(np.broadcast)
def broadcast(trace: Trace, *arrays: Any) -> Any:
    """What arrays give that broadcast together."""
    return Broadcasted(trace, *(as_array(trace, one) for one in arrays))


_READ = ("readonly", "readwrite", "writeonly", "copy", "nbo", "aligned", "contig")


@implements(np.nditer)
def nditer(
    trace: Trace, op: Any, flags: Any = None, op_flags: Any = None, op_dtypes: Any = None, order: str = "K",
    casting: str = "safe", op_axes: Any = None, itershape: Any = None, buffersize: int = 0,
) -> Any:  # fmt: skip
    """Elements as arrays without axes: of one array, or tuples of several that broadcast together."""
    wanted = set(flags or ()) - {"external_loop", "refs_ok", "zerosize_ok", "buffered"}
    is_plain = not wanted and op_dtypes is None and op_axes is None and itershape is None
    several = isinstance(op, list | tuple)
    arrays: list[Any] = [as_array(trace, one) for one in (op if several else [op]) if one is not None]
    if not is_plain or "external_loop" in (flags or ()) or (several and len(arrays) < len(op)):
        fix = "use a loop over np.ndindex(x.shape), or np.ndenumerate(x)"
        raise trace.refuse("np.nditer is built for plain reading and writing", fix, "E054")
    modes = [
        set(one) if isinstance(one, list | tuple) else set(op_flags) for one in op_flags or [["readonly"]]
    ]
    modes = modes * len(arrays) if len(modes) == 1 else modes
    if any(mode - set(_READ) for mode in modes):
        raise ValueError(f"Unexpected iterator op_flags {op_flags!r}")
    order = "C" if order == "K" and all(one.view.is_dense for one in arrays) else order
    whole: Any = trace.call(np.broadcast_arrays, *arrays) if len(arrays) > 1 else arrays
    whole = [_in_order(trace, one, order, is_alone=len(arrays) == 1) for one in whole]
    can_write = [bool(mode & {"readwrite", "writeonly"}) for mode in modes]
    shape = whole[0].view.shape
    if any(trace.holds(d, "==", 0, "elements of np.nditer") for d in shape):
        raise ValueError("Iteration of zero-sized operands is not enabled")
    if not several or len(whole) == 1:
        return Iterated(
            trace, product(shape), lambda k: _element(trace, whole[0], k, can_write[0]), "np.nditer"
        )
    parts = list(zip(whole, can_write, strict=True))
    return Iterated(
        trace,
        product(shape),
        lambda k: tuple(_element(trace, one, k, write) for one, write in parts),
        "np.nditer",
    )


def _in_order(trace: Trace, array: Any, order: str, *, is_alone: bool) -> Any:
    """The axes in the order in which they are gone over: for "K" as they lie in memory."""
    if order == "C" or array.ndim < 2:
        return array
    turned = trace.call(np.transpose, array)
    if order == "F" or (is_alone and turned.view.is_dense):
        return turned
    raise trace.refuse("np.nditer of arrays in another order of memory", "give it order='C'", "E054")


def _element(trace: Trace, array: Any, position: DimLike, can_write: bool) -> Any:
    found = array[(*_place(trace, position, array.view.shape), ...)]
    return found if can_write else trace.call(np.broadcast_to, found, ())


@implements(np.fromiter)
def fromiter(trace: Trace, iter: Any, dtype: Any, count: Any = -1, *, like: Any = None) -> Any:
    """A new array of the items."""
    if type(iter) is TracedArray:
        made: Any = iter
    else:
        items = iter if is_listed(iter) else list(iter)
        made = array_of(trace, items) if is_listed(items) else trace.call(np.array, items or [], dtype)
    if operand(trace, made).shape == () or made.ndim != 1:
        raise ValueError("setting an array element with a sequence.")
    size = made.view.shape[0]
    if count is not None and not (isinstance(count, int) and count < 0):
        if not trace.holds(size, ">=", as_shape(trace, count)[0], "items of np.fromiter"):
            raise ValueError(f"iterator too short: Expected {count} but iterator had only {size} items.")
        made = made[:count]
    return made.astype(dtype)
