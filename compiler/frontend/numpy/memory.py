"""How an array lies in memory: `x.strides`, `x.flags`, `x.base`, as far as it is known while tracing.

Results of operations lie in row-major order. Not here: views themselves (`storage.py`), `itemsize` and
`nbytes` (`methods.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft.compiler.frontend.number import size_number
from weft.compiler.frontend.values import PROPERTIES, TracedArray
from weft.ir.dims import DimLike
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


PROPERTIES["strides"] = lambda x: _strides(x) if type(x) is TracedArray else ()
PROPERTIES["flags"] = Flags
PROPERTIES["base"] = _base
