"""`ufunc.at`: by a scatter where an operation has one, else by a loop of the program.

Not here: what a key selects, and scatters (`indexing.py`).
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from weft.compiler.frontend.indexing import scatter, select_key
from weft.compiler.frontend.numpy.table import enter, implements
from weft.compiler.frontend.numpy.ufuncs import RULES
from weft.compiler.frontend.numpy.written import at_each
from weft.compiler.frontend.promote import loop_of
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import MaskedElements, TracedArray, as_array, elements, new_array, operand
from weft.ir.types import BOOL

_SCATTERS = {np.add: "add", np.multiply: "multiply", np.minimum: "minimum", np.maximum: "maximum"}


def _loop(trace: Trace, ufunc: np.ufunc, a: Any, others: tuple[Any, ...]) -> tuple[np.dtype, ...]:
    """dtypes of the loop; raises what NumPy does for operands that are none, or of no loop."""
    if type(a) is not TracedArray:
        raise TypeError("first operand must be array")
    if len(others) < ufunc.nin - 1:
        raise ValueError("second operand needed for ufunc")
    if not a.view.is_writeable:
        raise ValueError("assignment destination is read-only")
    kinds = [a.dtype, *(operand(trace, one).kind for one in others)]
    return loop_of(ufunc, kinds, [None], signature=None, casting="unsafe", location=trace.location())


def _by_steps(
    trace: Trace, ufunc: np.ufunc, a: Any, indices: Any, others: tuple[Any, ...], loop: Any
) -> None:
    """One place after the other: each step rounds to the array's dtype."""
    numbers: Any = trace.call(np.arange, a.size).reshape(a.shape)
    places = as_array(trace, numbers[indices])
    values = [
        trace.call(np.broadcast_to, one, places.shape).astype(dtype).ravel()
        for one, dtype in zip(others, loop[1:], strict=False)
    ]
    trace.run(at_each, ufunc, a.flat, places.ravel(), values)


def _is_direct(ufunc: np.ufunc, a: np.dtype, loop: np.dtype) -> bool:
    """Whether values may be converted to the array's dtype first.

    Integers wrap as they would at the end; floats lose digits of each value rather than of each step.
    """
    if a.kind in "iu" and loop.kind in "iu":
        return a == loop or ufunc not in (np.minimum, np.maximum)
    return a == loop or (a.kind in "fc" and loop.kind in "fc" and (a.kind == "c" or loop.kind == "f"))


def _scattering(ufunc: np.ufunc, mode: str) -> Any:
    def composition(trace: Trace, a: TracedArray, indices: Any, *others: Any) -> None:
        loop = _loop(trace, ufunc, a, others)
        if not _is_direct(ufunc, a.dtype, loop[0]):
            _by_steps(trace, ufunc, a, indices, others, loop)
            return
        selection = select_key(trace, a, indices)
        if not selection.indices:  # every element at most once
            part: Any = a[indices]
            if isinstance(part, MaskedElements):
                part = part.in_place(ufunc, others[0])
            else:
                part = trace.call(ufunc, part, others[0])
            trace.call(operator.setitem, a, indices, part)
            return
        # of truth values a sum is `or`, a product `and`
        how = {"add": "maximum", "multiply": "minimum"}.get(mode, mode) if a.element == BOOL else mode
        scatter(trace, selection, elements(trace, others[0], a.element), how)

    return composition


for _ufunc, _mode in _SCATTERS.items():
    implements(_ufunc.at)(_scattering(_ufunc, _mode))


@implements(np.subtract.at)
def subtract_at(trace: Trace, a: TracedArray, indices: Any, *others: Any) -> None:
    """Perform unbuffered in place subtraction for the elements of `a` given by `indices`."""
    loop = _loop(trace, np.subtract, a, others)
    if not _is_direct(np.subtract, a.dtype, loop[0]):
        _by_steps(trace, np.subtract, a, indices, others, loop)
        return
    trace.call(np.add.at, a, indices, new_array(trace, -elements(trace, others[0], a.element)))


def _stepping(ufunc: np.ufunc) -> Any:
    def composition(trace: Trace, a: Any, indices: Any, *others: Any) -> None:
        _by_steps(trace, ufunc, a, indices, others, _loop(trace, ufunc, a, others))

    return composition


for _ufunc in RULES:
    if _ufunc.nin <= 2 and _ufunc.nout == 1 and _ufunc not in (*_SCATTERS, np.subtract):
        enter(_ufunc.at, _stepping(_ufunc))
