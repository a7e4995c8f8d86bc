"""Calls whose result depends on more than their arguments: refused while tracing, with what to write instead.

Not here: `print`, which runs at its place (`text.py`).
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

_type: Callable[[Any], Any] = type  # typed so: of a value of any type

_OUTSIDE = "call it by weft.callback, or outside of the compiled function and pass the result as an argument"
_RANDOM = "use `weft.random.default_rng`, or draw outside of the compiled function and pass the array"
_MODULES = {
    "random": _RANDOM,
    "numpy.random": _RANDOM,
    "secrets": _RANDOM,
    "uuid": _OUTSIDE,
    "time": _OUTSIDE,
    "datetime": _OUTSIDE,
    "logging": "log by weft.callback, or outside of the compiled function",
    "io": _OUTSIDE,
    "_io": _OUTSIDE,
    "os": _OUTSIDE,
    "posix": _OUTSIDE,
    "socket": _OUTSIDE,
    "subprocess": _OUTSIDE,
    "threading": _OUTSIDE,
    "pathlib": _OUTSIDE,
    "sys": _OUTSIDE,
}
_FUNCTIONS = {
    builtins.input: _OUTSIDE,
    builtins.open: _OUTSIDE,
}


def advice(fn: Any) -> str | None:
    """What to do instead of calling `fn`, or None if it may be called."""
    try:
        if fn in _FUNCTIONS:
            return _FUNCTIONS[fn]
    except TypeError:
        return None
    owner = getattr(fn, "__self__", None)
    if isinstance(owner, np.random.Generator | np.random.RandomState):
        return _RANDOM
    home: Any = _type(owner) if owner is not None and not isinstance(owner, type) else owner or fn
    module = getattr(home, "__module__", None) or ""
    if getattr(owner, "__name__", None) in _MODULES and not isinstance(owner, type):
        module = owner.__name__  # pyright: ignore[reportOptionalMemberAccess] -- a module has a name
    return _MODULES.get(module) or next(
        (text for name, text in _MODULES.items() if module.startswith(name + ".")), None
    )
