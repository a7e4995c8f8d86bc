"""How an array lies in memory: `x.strides`, `x.flags`, `x.base`, `np.shares_memory`, as far as it is known.

Results of operations lie in row-major order. Not here: views themselves (`storage.py`), `itemsize` and
`nbytes` (`methods.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.compiler.frontend.number import size_number
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.storage import View
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import METHODS, PROPERTIES, TracedArray
from weft.ir.dims import DimLike, product
from weft.ir.errors import UnsupportedError

FLAGS = {
    "C": "c_contiguous", "CONTIGUOUS": "c_contiguous", "F": "f_contiguous", "FORTRAN": "f_contiguous",
    "A": "aligned", "W": "writeable", "O": "owndata", "X": "writebackifcopy",
}  # fmt: skip
"""Short names of flags."""


class Flags:
    """`x.flags`: asked by attribute or by key; nothing can be set."""

    __slots__ = ("_array",)

    def __init__(self, array: TracedArray) -> None:
        object.__setattr__(self, "_array", array)

    def __getitem__(self, name: str) -> bool:
        found = FLAGS.get(name, name.lower() if name.isupper() else "")
        if found not in (*FLAGS.values(), "forc", "fnc", "behaved", "carray"):
            raise KeyError("Unknown flag")
        return bool(getattr(self, found))

    def __setattr__(self, name: str, value: Any) -> None:
        trace = self._array.trace
        raise trace.refuse("flags of traced arrays are not set", "leave it out, or write to a copy", "E053")

    def __setitem__(self, name: str, value: Any) -> None:
        self.__setattr__(name, value)

    @property
    def c_contiguous(self) -> bool:
        """Row-major without gaps."""
        return _is_dense(self._array, range(len(self._array.view.shape) - 1, -1, -1))

    @property
    def f_contiguous(self) -> bool:
        """Column-major without gaps."""
        return _is_dense(self._array, range(len(self._array.view.shape)))

    contiguous = c_contiguous

    @property
    def writeable(self) -> bool:
        """Whether NumPy lets one write to it."""
        return self._array.view.is_writeable

    @property
    def owndata(self) -> bool:
        """Whether the memory is its own; of an argument only its call knows."""
        return _base(self._array) is None

    @property
    def aligned(self) -> bool:
        """Elements lie at multiples of their size: the dtypes of the compiler always do."""
        return True

    @property
    def writebackifcopy(self) -> bool:
        """Whether it is a copy that is to be written back: never."""
        return False

    @property
    def forc(self) -> bool:
        """Without gaps."""
        return self.c_contiguous or self.f_contiguous

    @property
    def fnc(self) -> bool:
        """Column-major, and not row-major."""
        return self.f_contiguous and not self.c_contiguous

    @property
    def behaved(self) -> bool:
        """Aligned and to be written."""
        return self.writeable

    @property
    def carray(self) -> bool:
        """The same, row-major."""
        return self.writeable and self.c_contiguous


def _unknown(array: TracedArray, what: str) -> UnsupportedError:
    fix = "ask outside of the compiled function, or make it dense by np.ascontiguousarray"
    return array.trace.refuse(f"the {what} of this array are known only when the program runs", fix, "E053")


def _is_dense(array: TracedArray, axes: Sequence[int]) -> bool:
    """Whether the axes in this order, fastest first, leave no gaps."""
    trace, shape, strides = array.trace, array.view.shape, array.view.strides
    if any(trace.holds(d, "==", 0, "flags of an array") for d in shape):
        return True
    expected: DimLike = 1
    for axis in axes:
        stride = strides[axis]
        if trace.holds(shape[axis], "==", 1, "flags of an array"):
            continue
        if stride is None:
            raise _unknown(array, "strides")
        if not trace.holds(stride, "==", expected, "flags of an array"):
            return False
        expected = expected * shape[axis]
    return True


def _strides(array: TracedArray) -> tuple[Any, ...]:
    """Bytes from one element to the next along each axis."""
    trace, view = array.trace, array.view
    size = array.dtype.itemsize
    if any(trace.holds(d, "==", 0, "strides of an array") for d in view.shape):
        raise _unknown(array, "strides")  # NumPy's follow no rule
    found = [s for s in view.strides if s is not None]
    if len(found) < len(view.strides):
        raise _unknown(array, "strides")
    return tuple(size_number(trace, s * size) for s in found)


def _base(array: TracedArray) -> None:
    """`x.base` of an array with memory of its own."""
    if array.view.base is not None or array.view.storage.parameter is not None:
        fix = "ask outside of the compiled function; np.shares_memory compares two arrays"
        raise array.trace.refuse("whose memory a traced array is, is not told", fix, "E053")


_REFUSED = {
    "tobytes": "return the array and take its bytes outside, or use x.view(np.uint8)",
    "setflags": "set the flags of what the function returns outside, or of what it is given",
    **dict.fromkeys(("tofile", "dump", "dumps"), "save it by weft.callback"),
    **dict.fromkeys(("getfield", "setfield"), "use x.view(dtype)"),
}
"""What to use for methods that have no meaning for values that only a run knows."""


def _refusing(name: str, fix: str) -> Callable[..., Any]:
    def method(array: Any, *_: Any, **__: Any) -> Any:
        raise array.trace.refuse(f"the method {name!r} of traced arrays is not supported", fix, "E053")

    return method


METHODS.update({name: _refusing(name, fix) for name, fix in _REFUSED.items()})


@implements(np.shares_memory, np.may_share_memory)
def shares_memory(trace: Trace, a: Any, b: Any, max_work: Any = None) -> bool:
    """Whether two arrays are one memory, as far as it is known while tracing."""
    for one in (a, b):
        if type(one) is not TracedArray:
            raise TypeError(f"Array argument must be an array, not {type(one).__name__}")
    views: tuple[View, View] = a.view, b.view
    if any(trace.holds(product(view.shape), "==", 0, "elements of an array") for view in views):
        return False
    first, second = (view.storage for view in views)
    if first is not second and not (first.possible()[1:] or second.possible()[1:]):
        if first.parameter is None or second.parameter is None:
            return False
    elif first is second and any(len(view.lenses) == 0 for view in views):
        return True
    fix = "compare them outside of the compiled function"
    raise trace.refuse("whether these arrays share memory is not known while tracing", fix, "E053")


PROPERTIES["strides"] = lambda x: _strides(x) if type(x) is TracedArray else ()
PROPERTIES["flags"] = Flags
PROPERTIES["base"] = _base
