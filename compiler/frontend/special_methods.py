"""Special methods that users write for their classes, which are traced instead of being called by Python.

Not here: when Python asks which of them (`operators.py`, `comparing.py`).
"""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable
from types import FunctionType
from typing import Any

from weft.compiler.frontend.location import is_user_code
from weft.compiler.frontend.rewrite import is_rewritten
from weft.compiler.frontend.values import TRACED, class_of

CALLED: dict[Callable[..., Any], tuple[str, ...]] = {
    abs: ("abs",), round: ("round",), divmod: ("divmod",), pow: ("pow",), float: ("float",),
    int: ("int", "trunc"), complex: ("complex",), len: ("len",),
    str: ("str", "repr"), repr: ("repr",), format: ("format",),
    reversed: ("reversed",), math.floor: ("floor",), math.ceil: ("ceil",), math.trunc: ("trunc",),
    operator.index: ("index",), next: ("next",), iter: ("iter",),
}  # fmt: skip
"""Builtins that ask a special method, or the second if there is no first."""


def method_of(value: Any, *names: str) -> FunctionType | None:
    """The first of these special methods that the user wrote for a value's class."""
    kind = class_of(value)
    if kind.__module__ in ("builtins", "numpy") or kind in TRACED:
        return None
    for name in names:
        found = inspect.getattr_static(kind, f"__{name}__", None)
        if isinstance(found, FunctionType) and (is_rewritten(found) or is_user_code(found)):
            return found
    return None
