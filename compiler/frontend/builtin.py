"""Builtins of Python with a meaning for traced values.

`len`, `min`, `abs`, `isinstance`, `range` and the like. With ordinary arguments they are Python's own. Not
here: NumPy functions (`numpy/`).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.compiler.frontend.control.sequences import Sequence, make_enumerate, make_range, make_reversed, make_zip
from weft.compiler.frontend.number import TracedNumber, as_dim, extreme, forced, number, size_number
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, TracedArray, TracedScalar
from weft.runtime.variables import Variable

BUILTINS: dict[Any, Callable[..., Any]] = {}


def _means(fn: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(meaning: Callable[..., Any]) -> Callable[..., Any]:
        BUILTINS[fn] = meaning
        return meaning

    return register


@_means(len)
def _len(trace: Trace, value: Any) -> Any:
    if type(value) is TracedArray and value.view.shape:
        return size_number(trace, value.view.shape[0])
    if isinstance(value, Sequence):
        return size_number(trace, value.length)
    return len(value)


@_means(isinstance)
def _isinstance(trace: Trace, value: Any, kinds: Any) -> bool:
    if type(value) not in TRACED:
        return isinstance(value, kinds)
    return issubclass(_type_of(value), kinds)


@_means(type)
def _type(trace: Trace, value: Any, *rest: Any) -> Any:
    return type(value, *rest) if rest or type(value) not in TRACED else _type_of(value)


def _type_of(value: Any) -> type:
    if type(value) is TracedArray:
        return np.ndarray if value.view.storage.variable is None or value.view.base is not None else Variable
    return value.dtype.type if type(value) is TracedScalar else value.type


@_means(float)
def _float(trace: Trace, value: Any = 0.0) -> Any:
    if type(value) is TracedNumber:
        return value * 1.0 if value.type is not float else value
    return float(value)


@_means(int)
def _int(trace: Trace, value: Any = 0, *rest: Any) -> Any:
    return value if type(value) is TracedNumber and value.dim is not None else int(value, *rest)


def _extreme(fn: Callable[..., Any], *, largest: bool) -> None:
    def meaning(trace: Trace, *values: Any, **keywords: Any) -> Any:
        items = list(values[0]) if len(values) == 1 else list(values)
        sizes = [as_dim(v) for v in items]
        if not keywords and None not in sizes and any(type(v) is TracedNumber for v in items):
            return extreme(items, largest=largest)
        if not keywords and any(type(v) in TRACED for v in items):
            return functools.reduce(functools.partial(_of_two, trace, largest), items)
        return fn(items, **keywords)

    BUILTINS[fn] = meaning


def _of_two(trace: Trace, largest: bool, a: Any, b: Any) -> Any:
    """Python's rule: the first, unless the second compares as better. Both must be of one kind."""
    if any(type(v) is TracedArray and v.ndim for v in (a, b)) or (type(a), type(b)) == (
        TracedScalar,
        TracedScalar,
    ):
        if type(a) is TracedScalar and type(b) is TracedScalar and a.dtype == b.dtype:
            better = trace.call(np.greater if largest else np.less, b, a)
            return trace.call(np.where, better, b, a)[()]
    elif all(type(v) in (TracedNumber, float) and getattr(v, "type", float) is float for v in (a, b)):
        better = trace.call(np.greater if largest else np.less, b, a)
        return number(trace, trace.call(np.where, better, b, a)[()].expr, float)
    raise trace.refuse(
        "min or max of traced values of different kinds", "use np.minimum or np.maximum", "E052"
    )


_extreme(max, largest=True)
_extreme(min, largest=False)


@_means(sum)
def _sum(trace: Trace, values: Any, start: Any = 0) -> Any:
    return functools.reduce(operator.add, values, start)


def _text(fn: Any) -> None:
    def meaning(trace: Trace, *values: Any) -> str:
        for value in values:
            if type(value) in TRACED and not _is_size(value):
                raise forced(trace, f"a traced {value!r}", "text")
        return fn(*(value.__index__() if _is_size(value) else value for value in values))

    BUILTINS[fn] = meaning


_text(str)
_text(repr)
_text(format)


BUILTINS[range] = make_range
BUILTINS[enumerate] = make_enumerate
BUILTINS[zip] = make_zip
BUILTINS[reversed] = make_reversed


def _is_size(value: Any) -> bool:
    return type(value) is TracedNumber and value.dim is not None


_PLAIN = (
    abs, round, divmod, list, tuple, dict, set, frozenset, any, all, map, filter,
    sorted, hash, iter, next, getattr, hasattr, callable, id, slice, bool, complex, issubclass,
)  # fmt: skip
"""Builtins that ask their arguments, which answer by themselves."""


def _as_it_is(fn: Any) -> Callable[..., Any]:
    def meaning(trace: Trace, *args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    return meaning


BUILTINS.update({fn: _as_it_is(fn) for fn in _PLAIN})
