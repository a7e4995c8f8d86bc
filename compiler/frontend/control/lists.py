"""Lists that a compiled loop appends to: their items lie in arrays, one element of the first axis for each.

While a function is traced such a list is still a Python list, so that who holds it sees it grow; but it holds
segments: a `Stack` stands for many items, a `Few` for some that a branch may have appended. Not here: what
reads a list (`listed.py`), loops and branches themselves (`loops.py`, `statements.py`).
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from typing import Any
from weakref import ref

import numpy as np

from weft.compiler.frontend.arguments import rebuild
from weft.compiler.frontend.control.joins import (
    Array,
    Conflict,
    Extended,
    Frozen,
    Maybe,
    Nullable,
    Number,
    Possible,
    Same,
    Scalar,
    Segment,
    Slot,
    Tree,
    freeze,
    join,
)
from weft.compiler.frontend.control.slot_values import lower, types
from weft.compiler.frontend.number import TracedNumber, as_expr, number
from weft.compiler.frontend.promote import numpy_dtype
from weft.compiler.frontend.storage import Slice
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray, new_array
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike
from weft.ir.expr import Expr, cast
from weft.ir.node import Region, Value
from weft.ir.types import I64, TensorType, Type

MOST_ITEMS = 2**16
"""More items than this a list does not get in a `while` loop, whose number of iterations has no bound."""
Position = DimLike | Expr
"""How many items there are: a size, or an i64 scalar of the program."""


class Stack(Segment):
    """Items in arrays: `parts` hold one leaf of all items each, on their first axis, which has `capacity`.

    One that is `elastic` is carried by a loop, whose bound has room for all that one iteration appends.
    """

    def __init__(
        self, trace: Trace, slot: Slot, parts: Sequence[Any], position: Position, capacity: DimLike
    ) -> None:
        self.trace, self.slot, self.parts = trace, slot, list(parts)
        for part in self.parts:
            if type(part) is TracedArray:
                part.view.storage.in_list = True
        self.position, self.capacity = position, capacity
        self.key = object()
        self.elastic = False
        self.origin: Stack = self  # the stack that a loop carries, which this one extends by at most `more`
        self.more: DimLike = 0
        self.is_exact = True  # whether it is longer by just that
        self.room = capacity  # the most items, in sizes that hold where it is looked at
        self.outer: Stack | None = None  # that whose item it is: then its arrays are views of the other's
        self.is_first = False  # whether it holds what a list did that had no segments
        self.holder: list[Any] | None = None  # a list that it is all of
        self.is_detached = False
        self.region = trace.region
        self.shown_in: list[Any] | None = None  # a list that was its item before it was a stack
        self._rows: list[ref[Stack]] = []  # those whose `outer` it is
        self._bound: tuple[Region, DimLike] | None = None

    @property
    def length(self) -> DimLike:
        """The number of items, as a size."""
        if not isinstance(self.position, Expr):
            return self.position
        if self._bound is None or not self.trace.is_open(self._bound[0]):
            is_large = isinstance(self.capacity, int) and self.capacity > MOST_ITEMS
            if is_large and len(self.trace.frames) == 1:  # memory of what it is, not of what it might be
                dim = self.trace.computed_size(self.position)
            else:
                dim = self.trace.bind_number(self.position.value, "k", 0, self.capacity)
            self._bound = (self.trace.region, dim)
        return self._bound[1]

    def frozen(self, trace: Trace) -> Stack:
        """With the present elements of its arrays."""
        made = Stack(
            trace, self.slot, [freeze(trace, one) for one in self.parts], self.position, self.capacity
        )
        made.extends(self, 0, is_exact=True)
        made.key = self.key
        if trace.changes(self.more):
            made.more, made.is_exact = trace.most_items(self.more), False
        if trace.changes(self.capacity) and not self.elastic:
            made.room = trace.most_items(self.capacity)
        if not isinstance(self.position, Expr) and trace.changes(self.position) and not self.elastic:
            made.position = trace.size(self.position)
        return made

    def extends(self, other: Stack, more: DimLike, *, is_exact: bool) -> None:
        """Note that it holds the items of another and at most `more`."""
        self.elastic, self.origin, self.more = other.elastic, other.origin, other.more + more
        self.is_exact = other.is_exact and is_exact

    def values(self, slot: Slot) -> list[Value]:
        """The elements, as those of a slot that holds more."""
        wanted = types(slot)
        found = [one.value if type(one) is Frozen else one.expr.value for one in self.parts]
        if len(found) != len(wanted):
            raise Conflict("items of different structure")
        return [
            cast(Expr(self.trace.builder, one), ty.dtype).value if isinstance(ty, TensorType) else one
            for one, ty in zip(found, wanted, strict=True)
        ]

    def arrays(self) -> list[TracedArray]:
        """Each part as far as it is filled."""
        length = self.length
        return [_first(self.trace, part, length) for part in self.parts]

    def at(self, index: Any, arrays: Sequence[TracedArray] | None = None) -> Any:
        """The item at a position that the arrays take as an index."""
        leaves = iter([array[index] for array in (self.arrays() if arrays is None else arrays)])
        made = _item(self.trace, self.slot, leaves)
        if isinstance(self.slot, Row):
            made[0].outer, made[0].is_first = self, self.is_first
            self._rows.append(ref(made[0]))
        return made

    def detach_rows(self) -> None:
        """Let rows that were taken keep their items: one of them is about to be replaced.

        They can be stored in this list again, no more: who holds one would see what happens to its new place.
        Rows of an argument show what comes to their place.
        """
        alive = [row for row in (one() for one in self._rows) if row is not None and row.outer is self]
        kept = [row for row in alive if row.shown_in is not None and self.trace.is_opened(row.shown_in)]
        if any(self.trace.references(row.shown_in) > 1 for row in kept):
            fix = "take it from the list after that, as in `row = rows[k]`"
            raise self.trace.refuse("a row of an argument has a name while rows are replaced", fix, "E055")
        for row in alive:
            row.is_detached = row not in kept
            if row.is_detached and self.trace.is_open(row.region):
                row.parts = [new_array(self.trace, part.expr) for part in row.parts]
        self._rows = [ref(row) for row in kept]

    def slot_of(self, owner: list[Any]) -> Extended:
        """The slot of the list that it is all of."""
        if len(owner) > 1:
            raise Conflict("lists of lengths that the program computes")
        if isinstance(self.position, Expr):
            return _varying(self.trace, self.slot, self.room)
        return Row(self.slot, self.position, self.trace)

    def widen(self, slot: Slot) -> None:
        """Note that its items are of a kind that lies in memory as that which they had."""
        self.slot = slot
        if self.outer is not None and isinstance(self.outer.slot, Row):
            self.outer.widen(Row(slot, self.outer.slot.count))


def _first(trace: Trace, part: TracedArray, length: DimLike) -> TracedArray:
    shape = part.view.shape
    if shape[0] == length:
        return part
    zeros, ones = (0,) * len(shape), (1,) * len(shape)
    return TracedArray(trace, part.view.through(Slice(zeros, (length, *shape[1:]), ones)))


def _item(trace: Trace, slot: Slot, leaves: Iterator[Any]) -> Any:
    """One item, put together from an element of each part."""
    match slot:
        case Same(value):
            return value
        case Number(kind):
            return number(trace, next(leaves).expr, kind)
        case Scalar() | Array():
            return next(leaves)
        case Tree(like, items):
            made: Any = rebuild(like, [_item(trace, one, leaves) for one in items])
            if not isinstance(like, tuple):
                trace.share(made)  # a copy
            return made
        case Nullable(inner):
            value = _item(trace, inner, leaves)
            return Possible(trace, value, number(trace, next(leaves).expr, bool))
        case Row(inner, count):
            parts = [next(leaves) for _ in types(inner)]
            return [Stack(trace, inner, [_as_array(trace, part) for part in parts], count, count)]
        case Extended():
            return slot.at(trace, leaves)
        case _:
            raise Conflict("items that may be missing")


def _as_array(trace: Trace, value: Any) -> TracedArray:
    return value if type(value) is TracedArray else new_array(trace, value.expr)


class Few(Segment):
    """Some items, of which the first `count` are there."""

    def __init__(self, items: Sequence[Any], count: TracedNumber) -> None:
        self.items, self.count, self.key = list(items), count, object()

    def frozen(self, trace: Trace) -> Few:
        """With the present elements of arrays."""
        made = Few([freeze(trace, item) for item in self.items], self.count)
        made.key = self.key
        return made


class Content(Segment):
    """What a list holds."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items, self.key = tuple(items), object()

    def frozen(self, trace: Trace) -> Content:
        """With the present elements of arrays."""
        return Content([freeze(trace, one) for one in self.items])


@dataclass(frozen=True, slots=True)
class ListPlace:
    """The content of a list."""

    name: str
    owner: list[Any]

    def get(self) -> Any:
        """What it holds: a `Content`."""
        return Content(self.owner)

    def set(self, value: Any) -> None:
        """Replace it by another `Content`."""
        self.owner[:] = value.items


@dataclass(frozen=True, slots=True)
class Row(Extended):
    """A list of `count` items, itself an item of a list."""

    item: Slot
    count: DimLike
    trace: Trace | None = field(default=None, compare=False)

    def types(self) -> list[Type]:
        """Those of its items, stacked."""
        return stacked(self.item, self.count)

    def lower(self, trace: Trace, value: Any) -> list[Value]:
        """The items of a list, stacked."""
        content = Content(typing.cast("list[Any]", value) if isinstance(value, list) else [])
        return pack(trace, self.item, self.count, content)[0]

    def wrap(self, trace: Trace, values: Iterator[Value]) -> Any:
        """The list."""
        parts = [new_array(trace, trace.expr(next(values))) for _ in types(self.item)]
        return [Stack(trace, self.item, parts, self.count, self.count)]

    def join(self, other: Extended | Tree) -> Slot:
        """The slot of rows of this kind and another."""
        if isinstance(other, Tree) and type(other.like) is list and len(other.items) == self.count:
            slot = self.item
            for one in other.items:
                slot = join(slot, one)
            return Row(slot, self.count)
        if isinstance(other, Row) and self.count == other.count:
            return Row(join(self.item, other.item), self.count, self.trace)
        if self.trace is None:
            raise Conflict("lists of different lengths")
        return _varying(self.trace, self.item, self.count).join(other)

    def show(self) -> str:
        """In the user's words."""
        return "a list"


def _varying(trace: Trace, item: Slot, most: DimLike) -> Extended:
    from weft.compiler.frontend.control.varying import varying  # which imports this module

    return varying(trace, item, most)


@dataclass(frozen=True, slots=True)
class Listed(Extended):
    """The content of a list that a loop appends to: at most `capacity` items.

    Where every iteration appends `each`, after `start` items, their number is known (`count`), else carried.
    """

    item: Slot
    capacity: DimLike
    start: DimLike | None = None
    each: DimLike = 0
    count: DimLike | None = field(default=None, compare=False)
    extends: Stack | None = field(default=None, compare=False)
    elastic: bool = field(default=False, compare=False)
    margin: DimLike | None = None  # room that is left at the end of an iteration, or the program fails

    def after(self, iterations: DimLike, *, elastic: bool = False) -> Listed:
        """The slot after so many iterations."""
        count = None if self.start is None else self.start + self.each * iterations
        return replace(self, count=count, elastic=elastic)

    def types(self) -> list[Type]:
        """Those of its items, stacked, and the number of items if it is not known."""
        return [*stacked(self.item, self.capacity), *([TensorType(I64)] if self.start is None else ())]

    def lower(self, trace: Trace, value: Any) -> list[Value]:
        """The arrays that hold a content."""
        buffers, position = pack(trace, self.item, self.capacity, value)
        if self.start is not None:
            return buffers
        count = position if isinstance(position, Expr) else trace.size(position)
        if self.margin is not None:
            room = trace.size(self.capacity - self.margin)
            full = trace.refuse(
                "a list got too many items in a `while` loop, whose number of iterations has no bound",
                "use `for ... in range(most)` with `break`, or an array of a known size",
                "E055",
            )
            trace.fail_unless(count.apply("less_equal", room), full)
        return [*buffers, count.value]

    def wrap(self, trace: Trace, values: Iterator[Value]) -> Content:
        """The content."""
        parts = [new_array(trace, trace.expr(next(values))) for _ in types(self.item)]
        position = Expr(trace.builder, next(values)) if self.count is None else self.count
        made = Stack(trace, self.item, parts, position, self.capacity)
        made.elastic = self.elastic
        if self.extends is not None and not self.elastic:  # not where it is itself what a loop carries
            made.extends(self.extends, 0, is_exact=True)
        return Content([made])

    def show(self) -> str:
        """In the user's words."""
        return "a list"


def stacked(item: Slot, count: DimLike) -> list[Type]:
    """Types of the arrays that hold `count` items."""
    return [TensorType(ty.dtype, (count, *ty.shape)) for ty in types(item) if isinstance(ty, TensorType)]


def room(items: Sequence[Any]) -> DimLike:
    """The most items that there can be."""
    total: DimLike = 0
    for item in items:
        if isinstance(item, Stack):
            total = total + item.room
        else:
            total = total + (len(item.items) if isinstance(item, Few) else 1)
    return total


# ---------------------------------------------------------------- writing


def pack(trace: Trace, slot: Slot, capacity: DimLike, content: Content) -> tuple[list[Value], Position]:
    """Arrays of `capacity` that hold all items of a content, and how many these are."""
    items = list(content.items)
    position: Position = 0
    if items and isinstance(items[0], Stack):
        first = items.pop(0)
        buffers = [_widened(trace, one, first.capacity, capacity) for one in first.values(slot)]
        position = first.position
        if isinstance(position, Expr):
            position = Expr(trace.builder, position.value)
    else:
        known = _constants(items, slot)
        if known is not None:
            position, items = known.size, items[known.size :]
            buffers = [_widened(trace, _constant(trace, known, slot), known.size, capacity)]
        else:
            buffers = [empty(trace, ty) for ty in stacked(slot, capacity)]
    for item in items:
        if isinstance(position, int) and isinstance(capacity, int) and position >= capacity:
            position = trace.size(position)  # there is room once it is known how the list grows
        if isinstance(item, Few):
            for k, one in enumerate(item.items):
                value = one.value if type(one) is Maybe else one
                buffers = _written(trace, buffers, moved(trace, position, k), lower(trace, slot, value))
            position = moved(trace, position, as_expr(trace, item.count, I64))
        elif isinstance(item, Stack):
            buffers, position = _joined(trace, buffers, position, item, slot, capacity)
        else:
            value = item.value if type(item) is Maybe else item
            buffers = _written(trace, buffers, position, lower(trace, slot, value))
            position = moved(trace, position, 1)
    return buffers, position


def _constants(items: Sequence[Any], slot: Slot) -> Any:
    """The numbers known while tracing that a content begins with, as an array; None if there are few."""
    count = next((k for k, item in enumerate(items) if not _is_known(item)), len(items))
    return np.array(items[:count]) if count > 1 and isinstance(slot, Number | Scalar) else None


def _is_known(item: Any) -> bool:
    return type(item) in (bool, int, float) or isinstance(item, np.bool | np.number)


def _constant(trace: Trace, known: Any, slot: Slot) -> Value:
    ty = types(slot)[0]
    assert isinstance(ty, TensorType)
    held = TensorType(ty.dtype, known.shape)
    return trace.builder.constant(known.astype(numpy_dtype(ty.dtype)), held).value


def empty(trace: Trace, ty: Type) -> Value:
    """Zeros."""
    assert isinstance(ty, TensorType)
    zero = trace.constant(0, ty.dtype)
    return trace.emit("broadcast", [zero.value], {"shape": ty.shape})


def _widened(trace: Trace, value: Value, held: DimLike, capacity: DimLike) -> Value:
    if held == capacity:
        return value
    assert isinstance(value.type, TensorType)
    zero = trace.constant(0, value.type.dtype).value
    rest = (0,) * (value.type.rank - 1)
    wide = trace.emit("pad", [value, zero], {"low": (0, *rest), "high": (capacity - held, *rest)})
    return trace.builder.reshape(Expr(trace.builder, wide), (capacity, *value.type.shape[1:])).value


def moved(trace: Trace, position: Position, by: Position) -> Position:
    """A position further on."""
    if not isinstance(position, Expr) and not isinstance(by, Expr):
        return position + by
    left = position if isinstance(position, Expr) else trace.size(position)
    return left + (by if isinstance(by, Expr) else trace.size(by))


def _written(
    trace: Trace, buffers: Sequence[Value], position: Position, item: Sequence[Value]
) -> list[Value]:
    """The arrays with one item written."""
    if isinstance(position, Expr):
        facts = {"axes": (0,), "mode": "set"}
        return [
            trace.emit("scatter", [buffer, one, position.value], facts)
            for buffer, one in zip(buffers, item, strict=True)
        ]
    return [
        _update(
            trace, buffer, trace.builder.reshape(Expr(trace.builder, one), (1, *_shape(one))).value, position
        )
        for buffer, one in zip(buffers, item, strict=True)
    ]


def _update(trace: Trace, buffer: Value, part: Value, position: DimLike) -> Value:
    rank = len(_shape(buffer))
    facts = {"start": (position, *(0,) * (rank - 1)), "step": (1,) * rank}
    return trace.emit("update", [buffer, part], facts)


def _shape(value: Value) -> tuple[DimLike, ...]:
    assert isinstance(value.type, TensorType)
    return value.type.shape


def _joined(
    trace: Trace, buffers: list[Value], position: Position, stack: Stack, slot: Slot, capacity: DimLike
) -> tuple[list[Value], Position]:
    """The arrays with the items of another stack after their own."""
    length = stack.length
    start = (
        trace.bind_number(position.value, "p", 0, capacity - trace.most(length))
        if isinstance(position, Expr)
        else position
    )
    parts = [new_array(trace, Expr(trace.builder, one)) for one in stack.values(slot)]
    filled = [_first(trace, part, length).expr.value for part in parts]
    made = [_update(trace, a, b, start) for a, b in zip(buffers, filled, strict=True)]
    return made, moved(trace, position, stack.position)
