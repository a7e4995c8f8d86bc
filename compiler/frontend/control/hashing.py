"""Dicts and sets whose keys the program computes, as functions traced as the user's are.

Keys, and the values of a dict, stand in lists in the order in which they came. Keys of one bucket are a
chain: `heads[at]` is the place of the last one, `links[place]` of the one before, or -1. Not here: what is
kept in a dict or set of Python's while tracing (`tables.py`).
"""

from __future__ import annotations

from typing import Any

BUCKETS = 1024


def find(table: Any, at: Any, key: Any) -> Any:
    """The place of a key, or -1."""
    place = table.heads[at]
    while place >= 0:
        if table.keys[place] == key:
            break
        place = table.links[place]
    return place


def contains_key(table: Any, at: Any, key: Any) -> Any:
    """`key in table`."""
    return find(table, at, key) >= 0


def add_key(table: Any, at: Any, key: Any) -> None:
    """Put a key behind all others."""
    table.links.append(table.heads[at])
    table.heads[at] = len(table.keys)
    table.keys.append(key)


def include(table: Any, at: Any, key: Any) -> None:
    """`table.add(key)`."""
    if find(table, at, key) < 0:
        add_key(table, at, key)


def store(table: Any, at: Any, key: Any, value: Any) -> None:
    """`table[key] = value`."""
    place = find(table, at, key)
    if place < 0:
        add_key(table, at, key)
        table.values.append(value)
    else:
        table.values[place] = value


def take(table: Any, at: Any, key: Any) -> Any:
    """`table[key]`."""
    place = find(table, at, key)
    if place < 0:
        raise KeyError("a key that the program computed")
    return table.values[place]


def take_or(table: Any, at: Any, key: Any, default: Any) -> Any:
    """`table.get(key, default)`."""
    place = find(table, at, key)
    found = default
    if place >= 0:
        found = table.values[place]
    return found


def take_or_store(table: Any, at: Any, key: Any, default: Any) -> Any:
    """`table.setdefault(key, default)`."""
    place = find(table, at, key)
    if place < 0:
        place = len(table.keys)
        add_key(table, at, key)
        table.values.append(default)
    return table.values[place]


def chain(table: Any, bucket: Any) -> None:
    """Make all chains anew."""
    for at in range(BUCKETS):
        table.heads[at] = -1
    for place in range(len(table.keys)):
        at = bucket(table, table.keys[place])
        table.links[place] = table.heads[at]
        table.heads[at] = place


def drop(table: Any, bucket: Any, key: Any) -> Any:
    """`del table[key]`; gives whether there was one."""
    place = find(table, bucket(table, key), key)
    there = place >= 0
    if there:
        table.keys.pop(place)
        table.links.pop(0)
        if table.values is not None:
            table.values.pop(place)
        chain(table, bucket)
    return there


def fill(table: Any, bucket: Any, keys: Any) -> None:
    """`table.update(keys)` of a set."""
    for key in keys:
        include(table, bucket(table, key), key)


def count_all(table: Any, bucket: Any, keys: Any) -> None:
    """`Counter.update`."""
    for key in keys:
        at = bucket(table, key)
        store(table, at, key, take_or(table, at, key, 0) + 1)


def negated_count(pair: Any) -> Any:
    """The order of `Counter.most_common`."""
    return -pair[1]
