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


def place_of(items: Any, value: Any) -> Any:
    """`items.index(value)`, or -1."""
    for place, item in enumerate(items):
        if item == value:
            return place
    return -1


def count_of(items: Any, value: Any) -> Any:
    """`items.count(value)`."""
    found = 0
    for item in items:
        if item == value:
            found += 1
    return found


def contains(items: Any, value: Any) -> Any:
    """`value in items`."""
    for item in items:
        if item == value:
            return True
    return False


def largest_by(items: Any, key: Any) -> Any:
    """`max(items, key=key)`."""
    best, found = None, None
    for item in items:
        value = key(item)
        if best is None or value > best:
            best, found = value, item
    if best is None:
        raise ValueError("max() arg is an empty sequence")
    return found


def smallest_by(items: Any, key: Any) -> Any:
    """`min(items, key=key)`."""
    best, found = None, None
    for item in items:
        value = key(item)
        if best is None or value < best:
            best, found = value, item
    if best is None:
        raise ValueError("min() arg is an empty sequence")
    return found


def mapped(items: Any, fn: Any) -> Any:
    """`[fn(item) for item in items]`."""
    made: list[Any] = []
    for item in items:
        made.append(fn(item))
    return made


def mapped_together(items: Any, fn: Any) -> Any:
    """`[fn(*item) for item in items]`."""
    made: list[Any] = []
    for item in items:
        made.append(fn(*item))
    return made


def each(items: Any) -> Any:
    """`list(items)`."""
    made: list[Any] = []
    for item in items:
        made.append(item)
    return made
