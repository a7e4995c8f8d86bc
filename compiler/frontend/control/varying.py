"""Lists of numbers whose lengths differ between paths or iterations: how they are carried.

Their items lie in arrays of the most that there can be, beside the number that there are. Not here: lists
that a body appends to (`lists.py`), which keep their identity; these are bound anew.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from weft.compiler.frontend.control.joins import Conflict, Extended, Number, Same, Scalar, Slot, Tree, join
from weft.compiler.frontend.control.lists import MOST_ITEMS, Content, Row, Stack, pack, room, stacked
from weft.compiler.frontend.control.settling import item_slot
from weft.compiler.frontend.number import size_number
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import new_array
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, maximum
from weft.ir.errors import UnsupportedError
from weft.ir.expr import Expr
from weft.ir.node import Value
from weft.ir.types import I64, TensorType, Type


@dataclass(frozen=True, slots=True)
class Varying(Extended):
    """A list of at most `capacity` items; where it `is_cut`, the program fails if there are more."""

    item: Slot
    capacity: DimLike
    is_cut: bool = False

    def types(self) -> list[Type]:
        """Those of its items, stacked, and of their number."""
        return [*stacked(self.item, self.capacity), TensorType(I64)]

    def lower(self, trace: Trace, value: Any) -> list[Value]:
        """The items of a list, and their number."""
        content = Content(typing.cast("list[Any]", value) if isinstance(value, list) else [])
        most = room(content.items)
        if not self.is_cut or trace.holds(most, "<=", self.capacity, "room for a list"):
            buffers, position = pack(trace, self.item, self.capacity, content)
            return [*buffers, _count(trace, position).value]
        buffers, position = pack(trace, self.item, most, content)
        count = _count(trace, position)
        full = trace.refuse(
            "a list got too many items in a loop that binds it anew",
            "append to it, or use an array of a known size",
            "E055",
        )
        trace.fail_unless(count.apply("less_equal", trace.size(self.capacity)), full)
        whole = [new_array(trace, trace.expr(one))[: size_number(trace, self.capacity)] for one in buffers]
        return [*(one.expr.value for one in whole), count.value]

    def wrap(self, trace: Trace, values: Iterator[Value]) -> Any:
        """The list."""
        parts = [new_array(trace, trace.expr(next(values))) for _ in stacked(self.item, self.capacity)]
        return [Stack(trace, self.item, parts, Expr(trace.builder, next(values)), self.capacity)]

    def join(self, other: Extended | Tree) -> Extended:
        """The slot of lists of this kind and another."""
        if isinstance(other, Tree) and type(other.like) is list:
            item = self.item
            for one in other.items:
                item = join(item, one)
            return self._with(item, len(other.items))
        if isinstance(other, Row):
            return self._with(join(self.item, other.item), other.count)
        if isinstance(other, Varying):
            wider = self if self.is_cut or not other.is_cut else other
            return wider._with(join(self.item, other.item), (other if wider is self else self).capacity)
        raise Conflict("a list and something else")

    def _with(self, item: Slot, count: DimLike) -> Varying:
        return Varying(item, self.capacity if self.is_cut else maximum(self.capacity, count), self.is_cut)

    def grown(self, trace: Trace, before: DimLike, trips: DimLike | None) -> Varying:
        """The slot of a list that an iteration makes longer."""
        try:
            more = None if trips is None else trace.most((self.capacity - before) * trips)
        except UnsupportedError:
            more = None
        return replace(self, capacity=before + (MOST_ITEMS if more is None else more), is_cut=True)

    def show(self) -> str:
        """In the user's words."""
        return "a list"


def varying(trace: Trace, item: Slot, most: DimLike) -> Varying:
    """The slot of a list of at most so many items; raises Conflict if none can carry it."""
    if not is_of_plain_numbers(item):
        raise Conflict("lists of lengths that the program computes")
    try:
        return Varying(item, trace.most(most))
    except UnsupportedError:
        raise Conflict("lists of lengths that nothing bounds") from None


def of_known(one: Tree, other: Tree) -> Slot:
    """The slot of two lists of other lengths."""
    items = [*one.items, *other.items]
    slot = item_slot([item.value for item in items if isinstance(item, Same)])
    if not is_of_plain_numbers(slot):
        raise Conflict("containers of different structure")
    return Varying(slot, max(len(one.items), len(other.items))).join(other).join(one)


def is_of_plain_numbers(item: Slot) -> bool:
    """Whether items are numbers, or tuples of them."""
    if isinstance(item, Tree) and type(item.like) is tuple:
        return all(map(is_of_plain_numbers, item.items))
    return isinstance(item, Number | Scalar)


def _count(trace: Trace, position: Any) -> Expr:
    return position if isinstance(position, Expr) else trace.size(position)
