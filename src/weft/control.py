"""Explicit control flow, with the signatures of `jax.lax`: `cond`, `while_loop`, `fori_loop`, `scan`.

Each is the Python that it stands for, written once: inside a compiled function it becomes the same op as the
statement would, outside it runs as plain Python. Not here: how statements become ops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_type: Callable[[Any], Any] = type  # typed so: of a value of any type


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """`true_fun(*operands)` if `pred` holds, else `false_fun(*operands)`."""
    if pred:
        result = true_fun(*operands)
    else:
        result = false_fun(*operands)
    return result


def while_loop(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any) -> Any:
    """Replace `value` by `body_fun(value)` while `cond_fun(value)` holds."""
    value = init_val
    while cond_fun(value):
        value = body_fun(value)
    return value


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """Replace `value` by `body_fun(i, value)` for i from `lower` to before `upper`."""
    value = init_val
    for i in range(lower, upper):
        value = body_fun(i, value)
    return value


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: Any = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Carry a value over the first axis of `xs`, and stack what `f(carry, x)` gives beside it.

    `xs` and what is stacked are an array or a tuple, list or dict of arrays; None stands for nothing, and is
    what is stacked of no elements.
    """
    count = _length(xs) if length is None else length
    if count == 0:
        return init, None
    first = count - 1 if reverse else 0
    carry, y = f(init, _at(xs, first))
    stacked = _room(y, count)
    _put(stacked, first, y)
    for k in range(1, count):
        place = count - 1 - k if reverse else k
        carry, y = f(carry, _at(xs, place))
        _put(stacked, place, y)
    return carry, stacked


_DICT: Any = dict  # typed so, what is tested stays a value of any type
_SEQUENCES: Any = (tuple, list)


def _length(tree: Any) -> Any:
    if isinstance(tree, _DICT):
        return _length(next(iter(tree.values())))
    return _length(tree[0]) if isinstance(tree, _SEQUENCES) else len(tree)


def _at(tree: Any, place: Any) -> Any:
    if tree is None:
        return None
    if isinstance(tree, _DICT):
        return {key: _at(item, place) for key, item in tree.items()}
    if isinstance(tree, _SEQUENCES):
        return _type(tree)([_at(item, place) for item in tree])
    return tree[place]


def _room(tree: Any, count: Any) -> Any:
    if tree is None:
        return None
    if isinstance(tree, _DICT):
        return {key: _room(item, count) for key, item in tree.items()}
    if isinstance(tree, _SEQUENCES):
        return _type(tree)([_room(item, count) for item in tree])
    one = np.asarray(tree)
    return np.zeros((count, *one.shape), one.dtype)


def _put(tree: Any, place: Any, value: Any) -> None:
    if isinstance(tree, _DICT):
        for key in tree:
            _put(tree[key], place, value[key])
    elif isinstance(tree, _SEQUENCES):
        for item, one in zip(tree, value, strict=True):
            _put(item, place, one)
    elif tree is not None:
        tree[place] = value
