"""Arrays that two names of a loop may share: what is refused because the value of one would be stale.

A name that a body binds anew is carried by value, though in Python it may be the memory of another. That
is right as long as no one reads one of them after the other was written. Not here: exchanges (`rotation.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weft.compiler.frontend.control.contents import arrays_in
from weft.compiler.frontend.control.joins import Same
from weft.compiler.frontend.control.lists import Listed
from weft.compiler.frontend.control.rotation import Rotation
from weft.compiler.frontend.control.variables import Traced, Variables
from weft.compiler.frontend.storage import Storage
from weft.compiler.frontend.trace import Frame, Trace
from weft.ir.node import Value
from weft.ir.walk import walk


def check_aliases(
    trace: Trace, variables: Variables, done: Traced, turns: Rotation | None
) -> dict[str, list[list[Storage]]]:
    """The storages from before a loop that each array carried by value may be.

    Raises UnsupportedError if one that the body writes may be one that is used by another name, too.
    """
    found: dict[str, list[Storage]] = {}
    inside = len(trace.frames) + 1
    starts: list[tuple[Storage, Storage]] = []  # what a parameter begins as or gets at the end; the parameter
    for name, slot in variables.slots.items():
        if isinstance(slot, Same | Listed) or name in variables.kept or name in variables.late:
            continue
        params = found[name] = [a.view.storage for a in arrays_in(variables.wrapped[name])]
        for value in (variables.before[name], done.ends[name]):
            given = [a.view.storage.possible() for a in arrays_in(value)]
            if len(given) == len(params):
                pairs = [(one, param) for ones, param in zip(given, params, strict=True) for one in ones]
                pairs = [(one, param) for one, param in pairs if param.is_own(inside)]
                starts += [(one, param) for one, param in pairs if one is not param]
    pairs = _through_iterations(starts)
    for one, param in pairs:
        one.link(param)
    turning = set[Storage]() if turns is None else {one for name in turns.sources for one in found[name]}
    _refuse_stale(trace, variables, done, [pair for pair in pairs if pair[1] not in turning])
    outer = [(one, param) for one, param in pairs if one.depth <= len(trace.frames)]
    return {
        name: [[one for one, other in outer if other is param] for param in params]
        for name, params in found.items()
    }


def _refuse_stale(
    trace: Trace, variables: Variables, done: Traced, pairs: Sequence[tuple[Storage, Storage]]
) -> None:
    """Raise UnsupportedError if a name may show an array of another name that the body writes."""
    read = {v for op in walk(done.frame.region) for v in op.operands}
    params = {param for _, param in pairs}
    for one, param in pairs:
        shared = any(other is one and owner is not param for other, owner in pairs)
        outside = one.depth <= len(trace.frames)
        if param.writes and (shared or (outside and (one in done.frame.before or one.parameter is not None))):
            raise trace.refuse_alias(one, param)
        writes = one.writes if one in variables.params else one in written_in(done.frame, done.storages)
        if writes and variables.params.get(param) in read:
            raise trace.refuse_alias(one, param)
        if param.writes and variables.params.get(one) in read:
            raise trace.refuse_alias(one, param)
        if param.writes and outside and one not in params:
            trace.leave_storage(one)


def _through_iterations(starts: Sequence[tuple[Storage, Storage]]) -> list[tuple[Storage, Storage]]:
    """What each parameter may be, also what another had that it gets at the end of an earlier iteration."""
    pairs = dict.fromkeys(starts)
    while True:
        further = [(one, param) for between, param in pairs for one, other in pairs if other is between]
        fresh = [pair for pair in further if pair not in pairs and pair[0] is not pair[1]]
        if not fresh:
            return list(pairs)
        pairs.update(dict.fromkeys(fresh))


def written_in(frame: Frame, ends: Mapping[Storage, Value]) -> list[Storage]:
    """The storages from before a body that it changes."""
    return [s for s, value in ends.items() if s in frame.start and value is not frame.start[s]]
