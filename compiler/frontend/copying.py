"""`copy.copy`, `copy.deepcopy`, `dataclasses.asdict` and `astuple` of traced values and what holds them."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.compiler.frontend.arguments import children, is_array, is_node, rebuild
from weft.compiler.frontend.control.joins import is_listed
from weft.compiler.frontend.control.listed import copied
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, TracedArray, class_of

_ATOMS: Any = (int, float, complex, bool, str, bytes, type(None), np.generic, type)


def _shallow(trace: Trace, value: Any) -> Any:
    if type(value) is TracedArray:
        return trace.call(np.copy, value)
    return copied(trace, value) if is_listed(value) else copy.copy(value)


def _deep(trace: Trace, value: Any, memo: dict[int, Any] | None = None) -> Any:
    """What is reached twice is copied once."""
    memo = {} if memo is None else memo
    made: Any
    if id(value) in memo:
        return memo[id(value)][1]
    if type(value) in TRACED or is_listed(value):
        made = _shallow(trace, value)
    elif is_node(value):
        made = rebuild(value, [_deep(trace, item, memo) for _, item in children(value)])
    elif isinstance(value, _ATOMS) or not hasattr(value, "__dict__"):
        made = copy.deepcopy(value)
    elif is_array(value) or any(map(is_array, _attributes(value).values())):
        raise trace.refuse(
            "copy.deepcopy of an object from outside would keep its arrays as they are now",
            "copy the arrays that change, with np.copy", "E053",
        )  # fmt: skip
    else:
        made = object.__new__(class_of(value))
        _attributes(made).update({n: _deep(trace, item, memo) for n, item in _attributes(value).items()})
    memo[id(value)] = value, made  # the value lives as long as its number
    return made


def _attributes(value: Any) -> dict[str, Any]:
    return value.__dict__


def _fields(trace: Trace, value: Any, of_record: Callable[[Any, list[Any]], Any]) -> Any:
    """Of dataclasses at any depth what `of_record` makes of one and its changed items."""
    if not is_node(value) or is_listed(value):
        return _deep(trace, value)
    items = [_fields(trace, item, of_record) for _, item in children(value)]
    return of_record(value, items) if dataclasses.is_dataclass(value) else rebuild(value, items)


def _as_dict(trace: Trace, obj: Any, *, dict_factory: Any = dict) -> Any:
    return _fields(
        trace, obj, lambda one, items: dict_factory(zip([k for k, _ in children(one)], items, strict=True))
    )


def _as_tuple(trace: Trace, obj: Any, *, tuple_factory: Any = tuple) -> Any:
    return _fields(trace, obj, lambda _, items: tuple_factory(items))


COPYING: dict[Any, Callable[..., Any]] = {
    copy.copy: _shallow,
    copy.deepcopy: _deep,
    dataclasses.asdict: _as_dict,
    dataclasses.astuple: _as_tuple,
}
"""Their meanings."""
