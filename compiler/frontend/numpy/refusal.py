"""What NumPy itself raises for a call that fails while it is traced: users catch builtin classes.

NumPy is asked with arrays of the same shapes and dtypes. Not here: what is only known when the program runs.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from types import BuiltinMethodType
from typing import Any

import numpy as np

from weft.compiler.frontend.number import TracedNumber
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import Forwarded, TracedArray, TracedScalar, class_of
from weft.ir.errors import UnsupportedError, WeftError

MISTAKES = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError)
"""What a composition raises for arguments that do not fit."""

_KINDS = (
    np.exceptions.AxisError,
    TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError, AttributeError, KeyError,
    RuntimeError, NotImplementedError, MemoryError,
)  # fmt: skip
_MOST_ELEMENTS = 1 << 16  # of an array that is made only to ask


class _Unknown(Exception):
    """A value that nothing stands for."""


def as_numpy_raises(trace: Trace, fn: Any, args: Any, kwargs: Any, error: Exception) -> Exception:
    """`error`, or what NumPy raises in its place if that is of another builtin class."""
    if isinstance(error, UnsupportedError):
        return error
    found: dict[int, Any] = {}
    try:
        given, named = (_stand_in(trace, one, found) for one in (list(args), kwargs))
    except (_Unknown, *MISTAKES):
        return error
    failure = _asked(fn, given, named)
    kind = next((k for k in _KINDS if isinstance(failure, k)), None)
    if failure is None or kind is None or isinstance(error, kind):
        return error
    if isinstance(error, WeftError):
        failure.add_note(str(error))
    return failure.with_traceback(None)


def _asked(fn: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Exception | None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            fn(*args, **kwargs)
        except Exception as failure:
            return failure
    return None


def _stand_in(trace: Trace, value: Any, found: dict[int, Any]) -> Any:
    """An ordinary value of the same type; one for one object, so that `out=x` is x."""
    if id(value) not in found:
        found[id(value)] = _made(trace, value, found)
    return found[id(value)]


def _made(trace: Trace, value: Any, found: dict[int, Any]) -> Any:
    def inner(one: Any) -> Any:
        return _stand_in(trace, one, found)

    kind: Any = class_of(value)
    match value:
        case TracedArray():
            return _zeros(trace, value)
        case TracedScalar():
            return value.dtype.type(1)
        case TracedNumber():
            return value.type(1 if value.dim is None else trace.assumptions.now(value.dim))
        case Forwarded():
            return inner(value.elements)
        case np.ndarray():
            return value.copy()
        case slice():
            return slice(*map(inner, (value.start, value.stop, value.step)))
        case _ if kind in (list, tuple, dict):
            return {key: inner(x) for key, x in value.items()} if kind is dict else kind(map(inner, value))
        case _:
            pass
    module = str(getattr(value, "__module__", None) or kind.__module__).partition(".")[0]
    if module not in ("builtins", "numpy") or isinstance(value, BuiltinMethodType):
        raise _Unknown
    return value


def _zeros(trace: Trace, value: TracedArray) -> Any:
    shape = [trace.assumptions.now(d) for d in value.view.shape]
    if math.prod(shape) > _MOST_ELEMENTS:
        raise _Unknown
    made = np.zeros(shape, value.dtype)
    made.flags.writeable = value.view.is_writeable
    return made
