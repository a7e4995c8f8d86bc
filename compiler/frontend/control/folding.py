"""Builtins that go over items, as loops in Python: traced as a function of the user's would be.

Not here: when they are (`builtin.py`).
"""

from __future__ import annotations

from typing import Any


def add_up(items: Any, total: Any) -> Any:
    """`sum(items, total)`."""
    for item in items:
        total = total + item
    return total


def smallest(items: Any) -> Any:
    """`min(items)`."""
    best = None
    for item in items:
        if best is None or item < best:
            best = item
    if best is None:
        raise ValueError("min() arg is an empty sequence")
    return best


def largest(items: Any) -> Any:
    """`max(items)`."""
    best = None
    for item in items:
        if best is None or item > best:
            best = item
    if best is None:
        raise ValueError("max() arg is an empty sequence")
    return best


def any_of(items: Any) -> Any:
    """`any(items)`."""
    for item in items:
        if item:
            return True
    return False


def all_of(items: Any) -> Any:
    """`all(items)`."""
    for item in items:
        if not item:
            return False
    return True


def contains(items: Any, value: Any) -> Any:
    """`value in items`."""
    for item in items:
        if item == value:
            return True
    return False
