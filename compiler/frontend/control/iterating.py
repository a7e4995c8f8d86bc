"""Iterators over generators and positions, as generators in Python: traced as those of the user are.

Not here: when they are used (`builtin.py`), generators while a function is traced (`generated.py`).
"""

from __future__ import annotations

from typing import Any


def enumerated(items: Any, start: Any) -> Any:
    """`enumerate(items, start)`."""
    place = start
    for item in items:
        yield place, item
        place += 1


def zipped(before: Any, items: Any, after: Any, length: Any) -> Any:
    """`zip(*before, items, *after)`, of which all but `items` are taken by position."""
    place = 0
    if before and place >= length:
        return
    for item in items:
        if place >= length:
            return
        yield (*[one[place] for one in before], item, *[one[place] for one in after])
        place += 1
        if before and place >= length:
            return


def mapped_later(items: Any, fn: Any) -> Any:
    """`map(fn, items)`."""
    for item in items:
        yield fn(item)


def filtered_later(items: Any, fn: Any) -> Any:
    """`filter(fn, items)`."""
    for item in items:
        if fn(item):
            yield item


def sliced(items: Any, start: Any, stop: Any, step: Any) -> Any:
    """`itertools.islice(items, start, stop, step)`; it takes no item that it need not."""
    place = 0
    if place >= stop:
        return
    for item in items:
        if place >= start and (place - start) % step == 0:
            yield item
        place += 1
        if place >= stop:
            return


def taken_while(fn: Any, items: Any) -> Any:
    """`itertools.takewhile(fn, items)`."""
    for item in items:
        if not fn(item):
            return
        yield item


def chained(*parts: Any) -> Any:
    """`itertools.chain(*parts)`."""
    for part in parts:
        yield from part


def first_item(items: Any, default: Any) -> Any:
    """`next(items)` of what nothing else goes over; `default` holds what none gives, or nothing."""
    for item in items:
        return item
    if len(default) == 1:
        return default[0]
    raise StopIteration


class Stepping:
    """`iter(items)` of what is taken by position: where it stands is an attribute, which loops carry."""

    def __init__(self, items: Any, length: Any) -> None:
        self.items = items
        self.length = length
        self.position = 0

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return step(self, ())


def step(it: Any, default: Any) -> Any:
    """`next(it, *default)`."""
    if it.position >= it.length:
        if len(default) == 1:
            return default[0]
        raise StopIteration
    place = it.position
    it.position = place + 1
    return it.items[place]


def remaining(it: Any, check: Any) -> Any:
    """What is left of an iterator that nothing else goes on with meanwhile: `check` raises if it does."""
    for place in range(it.position, it.length):
        following = place + 1
        it.position = following
        yield it.items[place]
        check(it.position, following)


def stepwise(it: Any) -> Any:
    """As `remaining`, whatever else goes on with it."""
    while it.position < it.length:
        place = it.position
        it.position = place + 1
        yield it.items[place]
