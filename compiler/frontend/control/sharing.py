"""Lists, dicts and objects that two names may hold, where one of them got a copy: neither may change.

A container that paths meet in is made anew, as what each path gives differs. That is right as long as the one
it was made from is held by nobody else, or neither is changed. Not here: arrays, and lists whose items lie in
arrays, of which a write is seen by what was written last (`aliases.py`, `Trace.link`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from weft.compiler.frontend.arguments import children, is_node
from weft.compiler.frontend.control.contents import arrays_in
from weft.compiler.frontend.control.joins import Maybe, Possible, Same, is_listed, segment_of, thawed
from weft.compiler.frontend.control.lists import Content, Few, Listed, Stack
from weft.compiler.frontend.control.variables import Traced, Variables

if TYPE_CHECKING:
    from weft.compiler.frontend.control.places import Journal
    from weft.compiler.frontend.trace import Trace


def containers_in(value: Any) -> Iterator[Any]:
    """The lists, dicts and objects in a value, frozen or not."""
    if type(value) in (Maybe, Possible):
        yield from containers_in(value.value)
    elif isinstance(value, Content | Few):
        for item in value.items:
            yield from containers_in(item)
    elif is_node(value):
        if not isinstance(value, tuple):
            yield thawed(value)
        for _, item in children(value):
            yield from containers_in(item)


def pairs(made: Any, value: Any) -> Iterator[tuple[Any, Any]]:
    """The containers in what was made of a value, each with the one that it was made from."""
    made, value = (v.value if type(v) in (Maybe, Possible) else v for v in (made, value))
    if not is_node(made) or not is_node(value):
        return
    if is_listed(value):
        if not _has_links(value) and made is not thawed(value):
            yield made, thawed(value)
        return
    if not isinstance(made, tuple) and made is not thawed(value):
        yield made, thawed(value)
    for (_, one), (_, other) in zip(children(made), children(value), strict=False):
        yield from pairs(one, other)


def _has_links(value: Any) -> bool:
    """Whether a list lies in arrays that are there where paths have met, so that writes and changes show."""
    stack, arrays = segment_of(value), arrays_in(value)
    return isinstance(stack, Stack) and all(
        array.view.storage.depth <= len(stack.trace.frames) for array in arrays
    )


def count(values: Iterable[Any]) -> Counter[int]:
    """How often each container occurs in values."""
    return Counter(id(one) for value in values for one in containers_in(value))


def share_joined(
    journal: Journal, outer: set[int], results: Mapping[str, Any], sides: Iterable[Mapping[str, Any]]
) -> None:
    """Note which containers that a branch's results were made from may be held by others."""
    for values in sides:
        given = {name: values[name] for name in results if name in values}
        times = count(given.values())
        for name, value in given.items():
            for made, one in pairs(results[name], value):
                if id(one) in outer or times[id(one)] > 1:
                    journal.share(made, one)


def share_carried(journal: Journal, before: Any, made: Any) -> None:
    """Note that an iteration begins with a copy of a container that others hold."""
    found = list(pairs(made, before))
    if found:
        references = journal.references()
        for one, other in found:
            if references[id(other)] > 1:
                journal.share(one, other)


def share_results(trace: Trace, journal: Journal, variables: Variables, done: Traced) -> None:
    """Note what the results of a loop may be; raise UnsupportedError if its body changes a stale copy."""
    mark, times = done.mark, count(done.ends.values())
    assert mark is not None
    for name, slot in variables.slots.items():
        if isinstance(slot, Same) or name in variables.kept:
            continue
        end, begin, result = done.ends[name], variables.wrapped[name], variables.places[name].get()
        kept = [
            one
            for one in containers_in(end)
            if id(one) in mark.outer or times[id(one)] > 1 or id(one) in journal.shared  # by a branch in it
        ]
        if isinstance(slot, Listed):
            if kept:
                journal.share(*kept)
                fix_rows(trace, [begin], [result])
            continue
        held = {id(one) for one in kept}
        for made, one in pairs(begin, end):
            changed = {id(made), *({id(one)} & mark.outer)}  # one that an iteration made is what it holds
            if id(one) in held and changed & mark.noted.keys():
                raise journal.refusal()
        for made, one in pairs(result, end):
            if id(one) in held:
                journal.share(made, one)
        share_carried(journal, variables.before[name], result)


def fix_rows(trace: Trace, begins: Iterable[Any], results: Iterable[Any]) -> None:
    """Make writing what a list holds in arrays an error; raise UnsupportedError if it was written."""
    for one in begins:
        if any(array.view.storage.writes for array in arrays_in(one)):
            raise trace.refuse_alias(*(array.view.storage for array in arrays_in(one)))
    for one in results:
        for array in arrays_in(one):
            array.view.storage.fixed = True
