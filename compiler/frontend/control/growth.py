"""Lists that a loop's body appends to: how they grow, and that the arrays in them stay what they were.

Not here: what a list holds then (`lists.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from weft.compiler.frontend.control.aliases import written_in
from weft.compiler.frontend.control.contents import arrays_in, grown_slot
from weft.compiler.frontend.control.joins import Conflict, Segment
from weft.compiler.frontend.control.lists import (
    Listed,
    ListPlace,
)
from weft.compiler.frontend.control.settling import (
    Restack,
    can_stack,
    has_rows,
    link_items,
    storages_in,
)
from weft.compiler.frontend.control.sharing import containers_in
from weft.compiler.frontend.control.variables import Traced, Variables
from weft.compiler.frontend.trace import Trace

if TYPE_CHECKING:
    from weft.compiler.frontend.tracing import TracingHooks


def grow_lists(
    hooks: TracingHooks, variables: Variables, grown: Mapping[str, list[Any]], traced: Traced
) -> bool:
    """Find how the lists grow that the body appends to; whether one is new, or grows in another way."""
    trace, again = hooks.trace, False
    for name, owner in grown.items():
        if name not in variables.places:
            hooks.journal.note(owner)
            _settle_rows(trace, owner)
            place = ListPlace(name, owner)
            variables.places[name], variables.before[name] = place, place.get()
            traced.ends[name] = traced.lists[id(owner)]
    for name, place in variables.places.items():
        if not isinstance(place, ListPlace):
            continue
        before, known = variables.before[name], variables.slots.get(name)
        try:
            found = grown_slot(before, traced.ends[name], variables.trips, known, stops=traced.stops)
        except Conflict as conflict:
            raise trace.refuse(
                f"a list gets items in a loop that have no common type: {conflict}",
                "append arrays of one shape, numbers, or tuples of these",
                "E055",
            ) from None
        trace.most_items(found.capacity)
        again, variables.slots[name] = again or found != known, found
    return again


def _settle_rows(trace: Trace, owner: list[Any]) -> None:
    """Have the rows of a list in one stack before a loop in which it grows: who holds one sees it change."""
    rows = [item for item in owner if not isinstance(item, Segment) and any(containers_in(item))]
    if not rows:
        return
    if can_stack(owner):
        raise Restack(owner, None)
    if any(type(one) is list for item in rows for one in containers_in(item)):
        fix = "begin with an empty list, or make the loop's items a list of their own"
        raise trace.refuse("a list that holds lists gets items in a loop", fix, "E055")
    trace.share(*(one for item in rows for one in containers_in(item)))


def check_items(trace: Trace, variables: Variables, done: Traced, results: Mapping[str, Any]) -> None:
    """Raise UnsupportedError if an array in a list is written after it was appended, or may be.

    Python's list holds the very array. From now on, a write to one that was appended is an error, too.
    """
    written = set(written_in(done.frame, done.storages))
    ends = {
        array.view.storage: name
        for name, slot in variables.slots.items()
        if not isinstance(slot, Listed)
        for array in arrays_in(done.ends[name])
    }
    added = [item for name in variables.slots for item in _added(variables, done, name)]
    times = storages_in(added)
    for name, slot in variables.slots.items():
        if not isinstance(slot, Listed):
            continue
        stack = variables.places[name].get().items[0]
        _leave_before(trace, variables, done, name, stack)
        begun = [item for item in variables.before[name].items if not isinstance(item, Segment)]
        for storage in storages_in((*begun, *_added(variables, done, name))):
            if storage in written:
                raise trace.refuse_alias()
            other = ends.get(storage)
            params = arrays_in(variables.wrapped[other]) if other is not None else []
            if any(one.view.storage.writes for one in params):
                raise trace.refuse_alias()
            is_outer = storage.depth <= len(trace.frames)
            origins = [storage] if is_outer else []
            if other is not None and other in results:
                origins += [one.view.storage for one in arrays_in(results[other])]
            # items that are one array
            is_one = times[storage] > 1 or (is_outer and times[storage] == 1)
            link_items(trace, stack, origins, is_one=is_one)


def _added(variables: Variables, done: Traced, name: str) -> list[Any]:
    """What an iteration appends to a list."""
    return done.ends[name].items[1:] if isinstance(variables.slots[name], Listed) else []


def _leave_before(trace: Trace, variables: Variables, done: Traced, name: str, stack: Any) -> None:
    """Refuse rows that were taken before a loop, and are used where it has written the list."""
    slot = variables.slots[name]
    if not isinstance(slot, Listed) or not has_rows(slot.item):
        return
    begin = [array.view.storage for array in arrays_in(variables.wrapped[name].items[0])]
    before = [array.view.storage for array in arrays_in(variables.before[name])]
    for param, one, part in zip(begin, before, stack.parts, strict=False):
        trace.link(part.view.storage, one)
        if param.writes and one in done.frame.before:
            raise trace.refuse_alias()
        if param.writes:
            trace.leave_storage(one)
        part.view.storage.fixed |= param.fixed
