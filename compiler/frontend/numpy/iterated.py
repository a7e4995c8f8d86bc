"""What goes over elements or indices: `np.ndindex`, `np.ndenumerate`, `np.broadcast`, `np.fromiter`.

Each is a sequence by position, which a compiled loop goes over. Not here: `np.nditer` (`nditer.py`), loops
(`control/loops.py`).
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


class Broadcasted(Sequence):
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


@implements(np.fromiter)
def fromiter(trace: Trace, iter: Any, dtype: Any, count: Any = -1, *, like: Any = None) -> Any:
    """A new array of the items."""
    if type(iter) is TracedArray:
        made: Any = iter
    else:
        items = iter if is_listed(iter) else trace.enter(list, iter)
        made = array_of(trace, items) if is_listed(items) else trace.call(np.array, items or [], dtype)
    if operand(trace, made).shape == () or made.ndim != 1:
        raise ValueError("setting an array element with a sequence.")
    size = made.view.shape[0]
    if count is not None and not (isinstance(count, int) and count < 0):
        if not trace.holds(size, ">=", as_shape(trace, count)[0], "items of np.fromiter"):
            raise ValueError(f"iterator too short: Expected {count} but iterator had only {size} items.")
        made = made[:count]
    return made.astype(dtype)
