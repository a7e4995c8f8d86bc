"""What `==`, `<` and `in` mean for tuples, lists and other containers that hold traced values.

Python compares such items one by one, and asks for the truth of each comparison; here these are values of the
program. Not here: lists whose items lie in arrays (`listed.py`, `folding.py`).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from weft.compiler.frontend.arguments import is_made_text
from weft.compiler.frontend.control.conditions import truth, truth_value
from weft.compiler.frontend.control.joins import is_listed
from weft.compiler.frontend.number import number
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, Forwarded, TracedArray
from weft.ir.expr import Expr

_CONTAINERS: Any = (list, tuple, set, frozenset, dict, range)
_ROWS: Any = (list, tuple)  # typed so, what is tested stays a value of any type
Truth = bool | Expr


def holds_traced(value: Any) -> bool:
    """Whether a value is traced, or a tuple or list with one that is."""
    if type(value) in _ROWS:
        return any(map(holds_traced, value))
    return type(value) in TRACED or isinstance(value, Forwarded) or is_made_text(value)


def contained(trace: Trace, left: Any, right: Any) -> Any:
    """`left in right` if it has to do with traced values; None for what Python can tell."""
    if type(right) is TracedArray:
        return truth_value(trace, trace.call(np.any, right == left))
    if not isinstance(right, _CONTAINERS) or not (holds_traced(left) or holds_traced(_items(right))):
        return None
    if isinstance(right, range):
        low, high = min(right, default=1), max(right, default=0)
        tests = (left >= low, left <= high, (left - right.start) % right.step == 0)
        return _value(trace, functools.reduce(_both, [truth(trace, test) for test in tests]))
    found = False
    for item in right:
        found = _either(found, equal(trace, item, left))
    return _value(trace, found)


def _items(right: Any) -> Any:
    return list(right) if type(right) in _ROWS else ()


def ordered(trace: Trace, symbol: str, left: Any, right: Any) -> Any:
    """A comparison of two tuples or lists that hold traced values; None for what Python can do."""
    if type(left) not in _ROWS or type(right) is not type(left) or is_listed(left) or is_listed(right):
        return None
    if not holds_traced(left) and not holds_traced(right):
        return None
    if symbol in ("==", "!="):
        found = equal(trace, left, right)
        return _value(trace, found if symbol == "==" else _negated(found))
    if symbol in (">", ">="):
        left, right = right, left
    return _value(trace, _less(trace, left, right, or_equal=symbol in ("<=", ">=")))


def equal(trace: Trace, left: Any, right: Any) -> Truth:
    """Whether two values are equal, as an item of a container is."""
    if type(left) in _ROWS or type(right) in _ROWS:
        if type(left) is not type(right) or len(left) != len(right):
            return False
        found: Truth = True
        for a, b in zip(left, right, strict=True):
            found = _both(found, equal(trace, a, b))
        return found
    if is_made_text(left) or is_made_text(right):
        return truth(trace, left == right)
    if left is None or right is None or isinstance(left, str) or isinstance(right, str):
        return left is right or (isinstance(left, str) and isinstance(right, str) and left == right)
    return truth(trace, left == right)


def _less(trace: Trace, left: Any, right: Any, *, or_equal: bool) -> Truth:
    """The order of tuples: that of the first items that differ."""
    if not left or not right:
        return len(left) < len(right) or (or_equal and len(left) == len(right))
    a, b = left[0], right[0]
    rest = _both(equal(trace, a, b), _less(trace, left[1:], right[1:], or_equal=or_equal))
    if type(a) in _ROWS:
        return _either(_less(trace, a, b, or_equal=False), rest)
    return _either(truth(trace, a < b), rest)


def _both(a: Truth, b: Truth) -> Truth:
    if isinstance(a, bool):
        return b if a else False
    return a & b if isinstance(b, Expr) else (a if b else False)


def _either(a: Truth, b: Truth) -> Truth:
    if isinstance(a, bool):
        return True if a else b
    return a | b if isinstance(b, Expr) else (True if b else a)


def _negated(a: Truth) -> Truth:
    return not a if isinstance(a, bool) else a.apply("logical_not")


def _value(trace: Trace, found: Truth) -> Any:
    return number(trace, found, bool) if isinstance(found, Expr) else found
