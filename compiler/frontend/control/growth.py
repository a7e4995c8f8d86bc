"""Lists that a loop's body appends to: how they grow, and that the arrays in them stay what they were.

Not here: what a list holds then (`lists.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from weft.compiler.frontend.control.aliases import written_in
from weft.compiler.frontend.control.contents import grown_slot
from weft.compiler.frontend.control.joins import Conflict
from weft.compiler.frontend.control.lists import Listed, ListPlace
from weft.compiler.frontend.control.statements import arrays_in
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
            place = ListPlace(name, owner)
            variables.places[name], variables.before[name] = place, place.get()
            traced.ends[name] = traced.lists[id(owner)]
    for name, place in variables.places.items():
        if not isinstance(place, ListPlace):
            continue
        if variables.trips is None:
            raise trace.refuse(
                "a list gets items in a `while` loop, whose number of iterations has no bound",
                "use `for ... in range(most)` with `break`, or an array of a known size",
                "E055",
            )
        before, known = variables.before[name], variables.slots.get(name)
        try:
            found = grown_slot(before, traced.ends[name], variables.trips, known, stops=traced.stops)
        except Conflict as conflict:
            raise trace.refuse(
                f"a list gets items in a loop that have no common type: {conflict}",
                "append arrays of one shape, numbers, or tuples of these",
                "E055",
            ) from None
        trace.most(found.capacity)
        again, variables.slots[name] = again or found != known, found
    return again


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
    for name, slot in variables.slots.items():
        if not isinstance(slot, Listed):
            continue
        stack = variables.places[name].get().items[0]
        for array in (a for item in done.ends[name].items[1:] for a in arrays_in(item)):
            storage = array.view.storage
            if storage in written:
                raise trace.refuse_alias()
            other = ends.get(storage)
            params = arrays_in(variables.wrapped[other]) if other is not None else []
            if any(one.view.storage.writes for one in params):
                raise trace.refuse_alias()
            origins = [storage] if storage.depth <= len(trace.frames) else []
            if other is not None and other in results:
                origins += [one.view.storage for one in arrays_in(results[other])]
            for part in stack.parts:
                for origin in origins:
                    trace.link(part.view.storage, origin)
