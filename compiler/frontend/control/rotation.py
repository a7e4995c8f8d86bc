"""Arrays that a loop exchanges, as `u, new = new, u` does: which name holds whose memory after it.

Inside the body each is memory of its own. After the loop the number of iterations decides: where that is a
size, the variant holds for those that leave the same remainder, else the program counts turns and selects.
Not here: other arrays that two names may share, which are refused (`loops.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import lcm
from typing import Any

from weft.compiler.frontend.control.contents import arrays_in
from weft.compiler.frontend.control.either import Either
from weft.compiler.frontend.control.joins import UNDEFINED, Array, Extended, Frozen, Number, Slot, is_listed
from weft.compiler.frontend.control.places import Part, Place
from weft.compiler.frontend.control.variables import Variables
from weft.compiler.frontend.number import TracedNumber
from weft.compiler.frontend.storage import Storage
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, floor_divide, maximum, modulo
from weft.ir.expr import Expr, select
from weft.ir.types import I64

TURNS = "(turns)"
"""The name of the counter, which no variable can have."""
_LONGEST = 6


@dataclass(frozen=True, slots=True)
class Rotation:
    """From each name to the one whose array it gets at the end of an iteration."""

    sources: Mapping[str, str]
    period: int

    def after(self, iterations: int) -> dict[str, str]:
        """The name whose array from before the loop each one holds."""
        held = {name: name for name in self.sources}
        for _ in range(iterations % self.period):
            held = {name: held[source] for name, source in self.sources.items()}
        return held


def rotation_of(
    variables: Variables, ends: Mapping[str, Any], touched: Mapping[Storage, Any]
) -> Rotation | None:
    """The exchange that a traced body makes, if it writes to one of the arrays; it uses none of `touched`."""
    owner: dict[Storage, str] = {}
    for name, slot in variables.slots.items():
        is_held = isinstance(slot, Array | Extended) and not isinstance(slot, Either)
        if is_held and _whole(variables.before[name]) is not None:
            param = _whole(variables.wrapped[name])
            if param is not None:
                owner[param] = name
    sources: dict[str, str] = {}
    for name in owner.values():
        storage = _whole(ends[name])
        if storage in owner and owner[storage] != name:
            sources[name] = owner[storage]
    sources = _permuted(sources)
    before = [_whole(variables.before[name]) for name in sources]
    if len(set(before)) < len(before) or any(one in touched for one in before):
        return None
    if not any(param.writes for param, name in owner.items() if name in sources):
        return None
    period = lcm(*(_cycle(sources, name) for name in sources))
    return Rotation(sources, period) if period <= _LONGEST else None


def _whole(value: Any) -> Storage | None:
    """The storage that an array shows all of."""
    array = _only_array(value)
    return array.view.storage if array is not None and array.view.base is None else None


def _only_array(value: Any) -> TracedArray | None:
    """The array that a value is, or a list holds its items in."""
    if type(value) in (TracedArray, Frozen) or is_listed(value):
        found = arrays_in(value)
        return found[0] if len(found) == 1 else None
    return None


def _permuted(sources: dict[str, str]) -> dict[str, str]:
    """Those that exchange arrays among themselves alone."""
    while True:
        given = list(sources.values())
        kept = {name: one for name, one in sources.items() if one in sources and given.count(one) == 1}
        if kept == sources:
            return kept
        sources = kept


def _cycle(sources: Mapping[str, str], name: str) -> int:
    """After how many iterations a name has its own array again."""
    length, here = 1, sources[name]
    while here != name:
        length, here = length + 1, sources[here]
    return length


def count_turns(variables: Variables, body: Callable[..., Any], period: int) -> Callable[..., Any]:
    """A body that counts iterations in a variable of its own."""
    place: Place = Part(TURNS, {TURNS: 0}, TURNS)
    variables.places[TURNS], variables.before[TURNS] = place, 0
    slot: Slot = Number(int)
    variables.slots[TURNS] = slot

    def counting(*item: Any) -> None:
        body(*item)
        here = place.get()
        assert here is not UNDEFINED
        place.set((here + 1) % period)

    return counting


def trips(lower: DimLike, upper: DimLike, step: int) -> DimLike:
    """How many indices a range has."""
    span = upper - lower if step > 0 else lower - upper
    return maximum(0, floor_divide(span + abs(step) - 1, abs(step)))


def bind_exactly(
    trace: Trace, variables: Variables, turns: Rotation, found: Mapping[str, Any], count: DimLike
) -> None:
    """Give each name the array that it holds after `count` iterations, with what that holds then."""
    rest = modulo(count, turns.period)
    reason = "which array a name holds after a loop that exchanges them"
    which = next((k for k in range(turns.period - 1) if trace.holds(rest, "==", k, reason)), turns.period - 1)
    for name, other in turns.after(which).items():
        trace.set_value(_storage(variables.before[other]), _storage(found[name]).value)
        _bind(variables, name, variables.before[other])


def bind_selected(
    trace: Trace, variables: Variables, turns: Rotation, found: Mapping[str, Any], count: TracedNumber
) -> None:
    """Give the arrays what they hold after a loop that counted its turns; a name may be any of them."""
    assert count.value is not None
    values = {name: Expr(trace.builder, _storage(array).value) for name, array in found.items()}
    contents = dict(values)
    for k in range(1, turns.period):
        here = Expr(trace.builder, count.value).apply("equal", trace.constant(k, I64))
        shown = {other: name for name, other in turns.after(k).items()}
        for name, value in contents.items():
            mask = trace.expr(
                trace.emit("broadcast", [here.value], {"shape": _storage(found[name]).type.shape})
            )
            contents[name] = select(mask, values[shown[name]], value)
    for name, value in contents.items():
        trace.set_value(_storage(variables.before[name]), value.value)
    for name, array in found.items():
        for other in turns.sources:
            trace.link(_storage(array), _storage(variables.before[other]))
        _bind(variables, name, array)


def _storage(value: Any) -> Storage:
    found = _whole(value)
    assert found is not None
    return found


def _bind(variables: Variables, name: str, array: Any) -> None:
    place: Any = variables.places[name]  # of a kind that holds arrays
    place.set(array)
