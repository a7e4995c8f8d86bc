"""What a loop may carry, and one trace of its body. Not here: how it is decided (`loops.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any

from weft.compiler.frontend.control.contents import arrays_in
from weft.compiler.frontend.control.joins import UNDEFINED, Same, Slot, label
from weft.compiler.frontend.control.lists import (
    Content,
    Listed,
)
from weft.compiler.frontend.control.places import Mark, Place
from weft.compiler.frontend.control.settling import (
    has_rows,
)
from weft.compiler.frontend.control.slot_values import types, wrap
from weft.compiler.frontend.storage import Storage
from weft.compiler.frontend.trace import Frame, Trace
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike
from weft.ir.node import Value
from weft.ir.types import TensorType, Type


@dataclass(slots=True, eq=False)
class Variables:
    """What a loop may carry: places, their values before it, and the slots found so far."""

    places: dict[str, Place]
    before: dict[str, Any]
    slots: dict[str, Slot]
    flags: tuple[str, ...]
    late: set[str] = field(default_factory=set[str])  # without a value before, always bound by the body
    wrapped: dict[str, Any] = field(default_factory=dict[str, Any])
    given: set[str] = field(default_factory=set[str])  # those that had parameters in the last trace
    kept: set[str] = field(default_factory=set[str])  # not changed by the body after all
    params: dict[Storage, Value] = field(default_factory=dict[Storage, Value])  # what arrays begin as
    pool: dict[TensorType, list[Storage]] = field(default_factory=dict[TensorType, list[Storage]])
    """Memory for arrays that iterations make (`moving.py`)."""
    trips: DimLike | None = None  # how often a counted loop runs, unless it stops
    position: DimLike | None = None  # iterations before the one that is traced
    index: Any = None  # that of a counted loop whose body was traced
    sizes: dict[Any, Any] = field(default_factory=dict[Any, Any])  # those that differ, by what they were
    ends: dict[Any, DimLike] = field(default_factory=dict[Any, DimLike])  # what they are after the last trace

    def types(self) -> list[Type]:
        """Types of all carried values."""
        return [ty for slot in self.slots.values() for ty in types(slot)]

    def bind(self, trace: Trace, params: Sequence[Value]) -> None:
        """Give each place its value at the start of an iteration."""
        values = iter(params)
        self.given = {name for name, slot in self.slots.items() if types(slot)}
        for name, slot in self.slots.items():
            if isinstance(slot, Listed):
                given = slot.after(0 if self.position is None else self.position, elastic=True)
                self.wrapped[name] = made = wrap(trace, given, values)
                self._note_change(trace, slot, made, self.before[name])
                self.places[name].set(made)
                continue
            made = wrap(trace, slot, values)
            if not isinstance(slot, Same):
                self._note_params(trace, name, made)
            if name in self.flags:
                made = False
            elif name in self.late:
                made = UNDEFINED
            elif isinstance(slot, Same):
                made = self.before[name]
            self.wrapped[name] = made
            place: Any = self.places[name]
            place.set(made)

    def _note_params(self, trace: Trace, name: str, made: Any) -> None:
        """Note what arrays by value begin as: a write to one makes it differ from what was there before."""
        inside = len(trace.frames)
        for one in (array.view.storage for array in arrays_in(made)):
            if one.is_own(inside):
                self.params[one], one.is_carried, one.joined = one.value, True, label(name)
        for one, other in zip(arrays_in(made), arrays_in(self.before[name]), strict=False):
            if one.view.storage.is_own(inside):
                for origin in other.view.storage.memory():
                    origin.copies.append(one.view.storage)
                    origin.link(one.view.storage)
                one.view.storage.fixed |= other.view.storage.fixed

    def _note_change(self, trace: Trace, slot: Listed, made: Any, before: Any) -> None:
        """A list changes in the body: one that may be it does not see that."""
        for other in arrays_in(before):
            trace.leave_linked(other.view.storage)
        if not has_rows(slot.item):
            return
        for one, other in zip(arrays_in(made.items[0]), arrays_in(before), strict=False):
            for origin in other.view.storage.memory():
                origin.copies.append(one.view.storage)  # rows taken before do not see what it writes
            one.view.storage.fixed |= other.view.storage.fixed


@dataclass(slots=True, eq=False)
class Traced:
    """One traced body."""

    frame: Frame
    params: list[Value]
    ends: dict[str, Any]
    storages: dict[Storage, Value] = field(default_factory=dict[Storage, Value])
    yields: list[Value] = field(default_factory=list[Value])
    stops: bool = False
    mark: Mark | None = None
    lists: dict[int, Content] = field(default_factory=dict[int, Content])  # contents of lists that it changed
