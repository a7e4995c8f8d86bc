"""What tracing knows of a traced value: its attributes by name, and its number, if the call decides it.

Not here: the values (`values.py`).
"""

from __future__ import annotations

from typing import Any

from weft.compiler.frontend.number import TracedNumber, as_dim
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, BoundMethod, TracedArray, TracedScalar, class_of

HIDDEN = ("trace", "view")
"""Methods of arrays whose names attributes of traced values have."""


def attribute_of(value: Any, name: str) -> Any:
    """An attribute of a traced value as the user knows it: none of those that the tracer itself uses."""
    kind = class_of(value)
    if name in HIDDEN and kind in (TracedArray, TracedScalar):
        return BoundMethod(name, value)
    if kind in (TracedScalar, TracedNumber) and name in ("value", "dim", "type", *HIDDEN):
        own = "numpy scalar" if kind is TracedScalar else value.type.__name__
        raise AttributeError(f"'{own}' object has no attribute '{name}'")
    return getattr(value, name)


def fixed_number(trace: Trace, value: Any) -> Any:
    """A traced number or scalar that only sizes, ints and floats of the call decide, as a plain number.

    None for anything else that is traced; what decides it is fixed (`Trace.fix`).
    """
    if type(value) is TracedNumber and value.value is not None:
        return trace.fix(value.value)
    if (type(value) is TracedScalar or type(value) is TracedArray) and not value.ndim:
        return trace.fix(value.expr.value)
    return None if type(value) in TRACED and as_dim(value) is None else value


__all__ = ["attribute_of", "fixed_number"]
