"""Lists as stacks: what slot their items have, how many these are, and how all of them get into one stack.

Not here: stacks and how they are written (`lists.py`), what reads them (`listed.py`).
"""

from __future__ import annotations

import typing
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from weft.compiler.frontend.arguments import ListSnapshot, children, is_node
from weft.compiler.frontend.control.joins import (
    Conflict,
    Extended,
    Frozen,
    Maybe,
    Nullable,
    Number,
    Possible,
    Scalar,
    Slot,
    Tree,
    by_value,
    is_listed,
    join,
    loosen,
)
from weft.compiler.frontend.control.lists import Content, Few, Position, Row, Stack, moved, pack, room
from weft.compiler.frontend.number import as_expr, number, size_number
from weft.compiler.frontend.storage import Storage
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray, new_array
from weft.ir.dims import DimLike
from weft.ir.expr import Expr
from weft.ir.types import I64


def item_slot(items: Sequence[Any], slot: Slot | None = None) -> Slot:
    """The slot of all items; raises Conflict if they have none in common."""
    for item in items:
        if isinstance(item, Few):
            slot = item_slot(item.items, slot)
        else:
            found = item.slot if isinstance(item, Stack) else _loosened(item)
            slot = found if slot is None else join(slot, found)
    if slot is None:
        raise Conflict("no items")
    return slot


def _loosened(item: Any) -> Slot:
    """The slot of one item: all its leaves may differ from those of others."""
    item = item.value if type(item) is Maybe else item
    if type(item) in (list, ListSnapshot):
        return row_of(typing.cast("list[Any]", item))
    if is_node(item):
        return Tree(item, tuple(_loosened(part) for _, part in children(item)))
    slot = loosen(item)
    return Nullable(by_value(slot.slot)) if isinstance(slot, Nullable) else by_value(slot)


def row_of(items: list[Any]) -> Row:
    """The slot of a list that is itself an item."""
    count = exact_length(items)
    if count is None:
        raise Conflict("a list of items whose number differs")
    return Row(item_slot(items), count)


def exact_length(items: Sequence[Any]) -> DimLike | None:
    """The number of items if it is a size that is known without running the program so far."""
    total: DimLike = 0
    for item in items:
        length = item.position if isinstance(item, Stack) else 1
        if isinstance(item, Few) or isinstance(length, Expr):
            return None
        total = total + length
    return total


class Again(BaseException):
    """A statement is to be traced again, once something is prepared.

    That happens before the outermost one at whose beginning `owner` was there. No Exception: user code must
    not catch it.
    """

    def __init__(self, owner: Any) -> None:
        super().__init__()
        self.owner = owner

    def prepare(self, trace: Trace) -> None:
        """Do what is needed."""
        raise NotImplementedError


class Restack(Again):
    """A statement needs a list as a stack from before it."""

    def __init__(self, owner: list[Any], slot: Slot | None) -> None:
        super().__init__(owner)
        self.slot = slot

    def prepare(self, trace: Trace) -> None:
        """Make it one."""
        settled(trace, self.owner, self.slot)


def can_stack(owner: Any) -> bool:
    """Whether a list can be taken by traced positions: its items are numbers, or rows or tuples of these."""
    rows = [item for item in owner if is_node(item) and not isinstance(item, tuple)]
    if type(owner) is not list or not owner or len(set(map(id, rows))) < len(rows):
        return False
    try:
        slot = item_slot(typing.cast("list[Any]", owner))
    except Conflict:
        return False
    return is_of_numbers(slot)


def is_of_numbers(slot: Slot) -> bool:
    """Whether items are numbers, or rows or tuples of these."""
    if isinstance(slot, Tree) and type(slot.like) is tuple:
        return all(map(is_of_numbers, slot.items))
    return is_of_numbers(slot.item) if isinstance(slot, Row) else _is_plain(slot)


def _is_plain(slot: Slot) -> bool:
    return isinstance(slot, Number | Scalar) or (isinstance(slot, Extended) and slot.is_plain)


def settled(trace: Trace, owner: list[Any], slot: Slot | None = None) -> Stack:
    """All items of a list as one stack, which the list then holds."""
    if len(owner) == 1 and isinstance(owner[0], Stack) and owner[0].is_detached:
        fix = "take it from the list again, as in `row = rows[k]`"
        raise trace.refuse("a row is used after rows of its list were replaced", fix, "E055")
    if len(owner) == 1 and isinstance(owner[0], Stack) and slot in (None, owner[0].slot):
        owner[0].holder = owner
        return owner[0]
    if not owner:
        raise trace.refuse(
            "an empty list is taken by a position that the program computes", "append first", "E055"
        )
    first = owner[0]
    _check_rows(trace, owner)
    capacity = first.capacity if isinstance(first, Stack) and first.elastic else room(owner)
    try:
        slot = item_slot(owner, slot)
        buffers, position = pack(trace, slot, capacity, Content(owner))
    except Conflict as conflict:
        raise trace.refuse(
            f"the items of a list have different types: {conflict}", "give all items one type", "E055"
        ) from None
    made = Stack(trace, slot, [new_array(trace, trace.expr(one)) for one in buffers], position, capacity)
    made.is_first = not is_listed(owner)
    if isinstance(first, Stack):
        made.extends(first, room(owner[1:]), is_exact=exact_length(owner[1:]) is not None)
    trace.note(owner)
    items, owner[:] = list(owner), [made]
    made.holder = owner
    if has_rows(slot):
        _adopt(trace, items, made)
    elif not is_of_numbers(slot):  # there are arrays among them
        times = storages_in(items)
        for storage in times:
            origins = [storage] if storage.depth <= len(trace.frames) else []
            link_items(trace, made, origins, is_one=times[storage] > 1)
    return made


def storages_in(items: Iterable[Any]) -> Counter[Storage]:
    """What the arrays in a list may be, and how often."""
    found: Counter[Storage] = Counter()
    for item in items:
        if isinstance(item, Few | Stack):
            found.update(storages_in(item.items if isinstance(item, Few) else item.parts))
        elif type(item) in (Maybe, Possible):
            found.update(storages_in([item.value]))
        elif type(item) in (TracedArray, Frozen):
            array = item.array if type(item) is Frozen else item
            found.update(array.view.storage.possible())
        elif is_node(item):
            found.update(storages_in(part for _, part in children(item)))
    return found


def link_items(trace: Trace, stack: Stack, origins: Sequence[Storage], *, is_one: bool) -> None:
    """Note which arrays the items of a list may be; if several are one array, these are not written there."""
    for part in stack.parts:
        part.view.storage.fixed |= is_one
        for origin in origins:
            trace.link(part.view.storage, origin)


def is_row(owner: Any) -> bool:
    """Whether a list shows a part of what another holds."""
    return is_listed(owner) and any(isinstance(item, Stack) and item.outer is not None for item in owner)


def _check_rows(trace: Trace, owner: list[Any]) -> None:
    """Raise UnsupportedError for a list that has one row twice, or is a row itself that becomes longer."""
    rows = [id(typing.cast("list[Any]", item)) for item in owner if type(item) is list]
    if len(set(rows)) < len(rows):
        text, fix = "a list holds the same list twice", "hold copies: `[list(row) for row in rows]`"
        raise trace.refuse(text, fix, "E055")
    if len(owner) > 1 and is_row(owner):
        fix = "make rows of their final length, or append to a copy: `row = list(rows[i])`"
        raise trace.refuse("a row of a list changes its length in a compiled loop", fix, "E055")


def has_rows(slot: Slot) -> bool:
    """Whether items are lists or other containers, or hold some: who holds one sees it change."""
    if isinstance(slot, Tree):
        return not isinstance(slot.like, tuple) or any(map(has_rows, slot.items))
    return isinstance(slot, Row)


def _adopt(trace: Trace, items: Sequence[Any], made: Stack) -> None:
    """Let rows that were lists of their own show what the stack holds: who has one sees it change.

    Those that lie in another stack are copied: once one of the two is written, the other is not to be used.
    """
    position: Position = 0
    for item in items:
        if isinstance(item, Stack):
            link_stacks(trace, made, item)
            position = moved(trace, position, item.position)
        elif isinstance(item, Few):
            for row in (row for one in item.items for row in _stacks_in(one)):
                link_stacks(trace, made, row)
            position = moved(trace, position, as_expr(trace, item.count, I64))
        else:
            at = number(trace, position, int) if isinstance(position, Expr) else size_number(trace, position)
            show_in(trace, item.value if type(item) is Maybe else item, made.at(at))
            position = moved(trace, position, 1)


def link_stacks(trace: Trace, made: Stack, origin: Stack) -> None:
    """Note that a stack holds rows that another one held."""
    for new in made.parts:
        for old in origin.parts:
            trace.link(new.view.storage, old.view.storage)


def _stacks_in(value: Any) -> Iterator[Stack]:
    if isinstance(value, Stack):
        yield value
    elif is_node(value):
        for _, item in children(value):
            yield from _stacks_in(item)


def show_in(trace: Trace, item: Any, shown: Any) -> None:
    """Give the lists in an item the content that they have in a stack."""
    if type(item) is list:
        row, stack = typing.cast("list[Any]", item), shown[0]
        if is_listed(row) and len(row) == 1:
            link_stacks(trace, stack, row[0])
        if trace.is_outer(row):
            if not is_listed(row):
                raise Restack(row, None)
            return
        trace.note(row)
        parts, row[:] = list(row), [stack]
        stack.shown_in = row
        if has_rows(stack.slot):
            _adopt(trace, parts, stack)
    elif is_node(item):
        if not isinstance(item, tuple):
            trace.share(item)
        for (_, one), (_, other) in zip(children(item), children(shown), strict=True):
            show_in(trace, one, other)


def stack_of(trace: Trace, value: Any) -> Stack | None:
    """The items of a list with segments; None for anything else."""
    return settled(trace, value) if is_listed(value) else None
