"""What a list holds after the iterations of a loop, or after the two paths of a branch.

Not here: the items themselves (`lists.py`), whose lists these are (`growth.py`, `statements.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft.compiler.frontend.arguments import children, is_node
from weft.compiler.frontend.control.joins import Conflict, Frozen, Maybe, Possible, Slot, is_same
from weft.compiler.frontend.control.lists import (
    MOST_ITEMS,
    Content,
    Few,
    Listed,
    Stack,
    room,
)
from weft.compiler.frontend.control.settling import (
    exact_length,
    item_slot,
)
from weft.compiler.frontend.values import TracedArray
from weft.ir.dims import DimLike, maximum


def arrays_in(value: Any) -> list[TracedArray]:
    """The arrays in a value, frozen or not, in order."""
    if type(value) is Frozen:
        return [value.array]
    if type(value) is TracedArray:
        return [value]
    if type(value) in (Maybe, Possible):
        return arrays_in(value.value)
    if isinstance(value, Stack):
        return [array for part in value.parts for array in arrays_in(part)]
    if isinstance(value, Content | Few):
        return [array for item in value.items for array in arrays_in(item)]
    if is_node(value):
        return [array for _, item in children(value) for array in arrays_in(item)]
    return []


def grown_slot(before: Content, after: Content, trips: DimLike | None, known: Any, *, stops: bool) -> Listed:
    """The slot of a list that a body gives the content `after`; `before` is what the loop begins with.

    Where nothing bounds the iterations (`trips` is None), a list that grows has room for `MOST_ITEMS` more.
    """
    items = list(after.items)
    slot: Slot | None = known.item if isinstance(known, Listed) else None
    more: DimLike
    if isinstance(known, Listed):
        first = items[0]
        assert isinstance(first, Stack)
        exact = first.is_exact and exact_length(items[1:]) is not None
        more = first.more + room(items[1:])
    elif len(items) >= len(before.items) and all(map(is_same, before.items, items)):
        added = items[len(before.items) :]
        exact, more = exact_length(added) is not None, room(added)
    else:  # the body has made them one stack
        exact = len(items) > 0 and isinstance(items[0], Stack) and items[0].is_exact
        exact = exact and exact_length(items) is not None and exact_length(before.items) is not None
        more = maximum(room(items) - room(before.items), 0)
    slot = item_slot([*before.items, *items], slot)
    exact = exact and not stops and trips is not None
    start = exact_length(before.items) if exact else None
    base = before.items[0] if before.items else None
    if trips is None:
        return _unbounded(before, slot, more)
    if isinstance(base, Stack) and base.elastic:
        kept = Stack(base.trace, slot, (), 0, base.capacity)
        kept.extends(base, room(before.items[1:]) + more * trips, is_exact=start is not None)
        return Listed(slot, base.capacity, start, more if start is not None else 0, extends=kept)
    return Listed(slot, room(before.items) + more * trips, start, more if start is not None else 0)


def _unbounded(before: Content, slot: Slot, more: DimLike) -> Listed:
    """The slot of a list that a `while` loop changes, by at most `more` items in an iteration."""
    base = before.items[0] if before.items else None
    if isinstance(base, Stack) and base.elastic:
        if more != 0:
            raise Conflict("their number has no bound in a loop inside of another that carries the list")
        kept = Stack(base.trace, slot, (), 0, base.capacity)
        kept.extends(base, room(before.items[1:]), is_exact=False)
        return Listed(slot, base.capacity, extends=kept)
    if more == 0:
        return Listed(slot, room(before.items))
    return Listed(slot, room(before.items) + more + MOST_ITEMS, margin=more)


def joined_content(contents: Sequence[Content]) -> Listed:
    """The slot of a list that two paths give different contents."""
    slot: Slot | None = None
    for content in contents:
        slot = item_slot(content.items, slot) if content.items else slot
    if slot is None:
        raise Conflict("no items")
    lengths = [exact_length(content.items) for content in contents]
    exact = lengths[0] if all(one is not None and one == lengths[0] for one in lengths) else None
    stacks = [one.items[0] for one in contents if one.items and isinstance(one.items[0], Stack)]
    if len(stacks) == len(contents) and stacks[0].elastic:
        return Listed(slot, stacks[0].capacity, exact, 0, exact, branch_of(contents))
    rooms = [room(content.items) for content in contents]
    most = rooms[0]
    for one in rooms[1:]:
        most = maximum(most, one)
    return Listed(slot, most, exact, 0, exact)


def branch_of(contents: Sequence[Content]) -> Stack:
    """What a stack that is one of several contents extends."""
    firsts = [content.items[0] for content in contents]
    made = Stack(firsts[0].trace, firsts[0].slot, (), 0, firsts[0].capacity)
    more: DimLike = 0
    exact: list[DimLike | None] = []
    for first, content in zip(firsts, contents, strict=True):
        more = maximum(more, first.more + room(content.items[1:]))
        exact.append(exact_length(content.items[1:]) if first.is_exact else None)
    made.extends(firsts[0], 0, is_exact=None not in exact and len(set(map(str, exact))) == 1)
    made.more = more
    return made
