"""Objects of the user's classes that a function makes and gives back: made anew at each call.

Not here: how results are described (`result.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from weft.compiler.frontend.arguments import is_node
from weft.compiler.frontend.control.attributes import attributes, has_attributes
from weft.compiler.frontend.trace import Trace
from weft.ir.source import is_user_module

_new: Callable[[Any], Any] = object.__new__
_type: Any = type  # typed so: of a value of any type


def attributes_of(trace: Trace, value: Any) -> dict[str, Any] | None:
    """What an object of a user's class holds that the trace made; None for any other value."""
    kind = _type(value)
    if not has_attributes(value) or isinstance(value, type) or kind.__new__ is not object.__new__:
        return None
    if not is_user_module(str(kind.__module__)) or is_node(value) or trace.is_outside(value):
        return None
    return dict(attributes(value))


def instance(kind: Any, names: Sequence[str], *values: Any) -> Any:
    """An object of a class with these attributes, made without running the user's code."""
    made = _new(kind)
    attributes(made).update(zip(names, values, strict=True))
    return made
