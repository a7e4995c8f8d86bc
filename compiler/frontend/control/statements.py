"""Branches of traced conditions: both bodies are traced, and what names hold after them is joined.

Small pure bodies become selections of their values, others an `if` op with two regions. Not here: loops
(`loops.py`), joins of values (`joins.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING, Any

from weft.compiler.frontend.arguments import children, is_node
from weft.compiler.frontend.control.contents import arrays_in, joined_content
from weft.compiler.frontend.control.joins import (
    UNDEFINED,
    Array,
    Conflict,
    Frozen,
    Maybe,
    Optional,
    Same,
    Segment,
    Slot,
    by_value,
    carried,
    freeze,
    if_known,
    is_same,
    join,
    label,
    loosen,
    show,
    thawed,
)
from weft.compiler.frontend.control.keyed import tabulate_grown
from weft.compiler.frontend.control.lists import Content, Few
from weft.compiler.frontend.control.moving import move_from_sides
from weft.compiler.frontend.control.places import (
    Mark,
    Part,
    Place,
    changed_parts,
    grown_lists,
    held_in,
    key_of,
)
from weft.compiler.frontend.control.resized import Size, of_paths, sized_inside
from weft.compiler.frontend.control.sharing import share_joined
from weft.compiler.frontend.control.slot_values import lower, wrap
from weft.compiler.frontend.number import TracedNumber
from weft.compiler.frontend.region import Body, finish
from weft.compiler.frontend.storage import Storage
from weft.compiler.frontend.text import TracedText, fail
from weft.compiler.frontend.trace import Frame, Trace
from weft.compiler.frontend.values import TracedArray, TracedScalar
from weft.ir.dataclass import dataclass
from weft.ir.dims import symbols_of
from weft.ir.errors import DTypeError, Fact, WeftError
from weft.ir.expr import Expr, select
from weft.ir.node import Op, Region, Value
from weft.ir.opdef import Scalar as ScalarForm
from weft.ir.opdef import record
from weft.ir.source import Location
from weft.ir.types import IndexType, TensorType

if TYPE_CHECKING:
    from weft.compiler.frontend.tracing import TracingHooks

SMALL = 16
"""Bodies of at most so many scalar ops are computed both, and their values selected."""
_FREE = frozenset({"constant", "dim", "from_index"})


USUAL = (LookupError, ArithmeticError, ValueError)
"""What user code raises on a path of values that are known while tracing: the program raises it there."""


FLAGS = ("__weft_break_", "__weft_returned__")


class Raised(BaseException):
    """The path being traced ends in an exception of the user's; no Exception: user code must not catch it."""

    def __init__(self, exception: Any, location: Location | None = None) -> None:
        super().__init__()
        self.exception, self.location = exception, location


@dataclass(slots=True, eq=False)
class Side:
    """One traced path: its region, what places and containers held at its end."""

    frame: Frame
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    contents: dict[int, Any] = field(default_factory=dict[int, Any])
    ends: dict[Storage, Value] = field(default_factory=dict[Storage, Value])
    raised: bool = False
    facts: Mapping[Value, bool] = field(default_factory=dict[Value, bool])  # what is known on it
    moves: list[Storage] = field(default_factory=list[Storage])  # what must not be used after it

    @contextmanager
    def at_end(self, trace: Trace) -> Generator[None, None, None]:
        """Go on where it ends, to read what its arrays held there."""
        count, values = len(trace.moves), {storage: storage.value for storage in self.ends}
        for storage in self.moves:
            trace.leave_storage(storage)
        self._hold(self.ends)
        try:
            with trace.reopen(self.frame):
                yield
        finally:
            self._hold(values)
            trace.forget_moves(count)

    def _hold(self, values: Mapping[Storage, Value]) -> None:
        for storage, value in values.items():
            storage.value = value
            storage.version += 1


def branch(
    hooks: TracingHooks,
    condition: Expr,
    parts: Sequence[Callable[[], Any] | None],
    places: Mapping[str, Place],
    live: Sequence[str],
) -> None:
    """Trace both parts, and bind each live place to the join of what it holds after them."""
    trace = hooks.trace
    before = {name: place.get() for name, place in places.items()}
    mark = hooks.journal.begin()
    sides: list[Side] = []
    known = trace.facts
    try:
        for part, holds in zip(parts, (True, False), strict=True):
            trace.facts = {**known, **implied(condition.value, holds=holds)}
            sides.append(_trace_side(hooks, part, places, before, live, mark))
            sides[-1].facts = trace.facts
            for name, place in places.items():
                place.set(before[name])
            mark.undo()
    except BaseException:
        mark.undo()
        raise
    finally:
        trace.facts = known
        hooks.journal.end(mark)
    if all(side.raised for side in sides):
        _emit(trace, condition, sides, [], {})
        raise Raised(None)
    try:
        _join_all(hooks, condition, places, live, before, mark, sides)
    except DTypeError as error:
        leaving = [side for side in sides if not side.raised and _leaves_loop(side)]
        if error.code != "E061" or len(leaving) != 1 or not hooks.control.peeling.is_first:
            raise
        with leaving[0].at_end(trace):  # names have their type from the second iteration on
            fail(trace, error, None)
        leaving[0].raised = True
        _join_all(hooks, condition, places, live, before, mark, sides)


def _leaves_loop(side: Side) -> bool:
    """Whether a path ends in a break or return."""
    flags = [value for name, value in side.values.items() if name.startswith(FLAGS)]
    return any(one is True or side.facts.get(getattr(one, "value", None)) for one in flags)  # pyright: ignore[reportArgumentType] -- of no value nothing is known


def _join_all(
    hooks: TracingHooks,
    condition: Expr,
    places: Mapping[str, Place],
    live: Sequence[str],
    before: Mapping[str, Any],
    mark: Mark,
    sides: Sequence[Side],
) -> None:
    """Write the op, and bind names, items of containers and lists to what they hold after it."""
    trace = hooks.trace
    grown = grown_lists(mark, [side.contents for side in sides if not side.raised])
    after = [side.contents for side in sides]
    parts_changed = changed_parts(mark, after, list(grown.values()), gains=True)
    if parts_changed is None:
        tabulate_grown(mark, [side.contents for side in sides])
        raise hooks.trace.refuse(
            "a list, dict or set changes its length in a branch of a traced condition",
            "change it outside of the branch, or use an array",
            "E055",
        )
    for side in sides:
        for name, place in parts_changed.items():
            assert isinstance(place, Part)
            key = key_of(place.owner)
            content = side.contents.get(key, mark.saved[key][1])
            side.values[name] = freeze_in(trace, side, held_in(content, place.key))
    growth = [Growth(trace, owner, mark.saved[id(owner)][1], sides) for owner in grown.values()]
    joined = {**{name: places[name] for name in live if name in places}, **parts_changed}
    for one in growth:
        joined.update(one.places)
    if trace.assumptions.chosen:
        move_from_sides(trace, sides, list(joined))  # pyright: ignore[reportArgumentType] -- of this very class
    sizes: dict[Any, Size] = {}
    slots = {name: _join_sides(trace, name, sides, sizes) for name in joined}
    results = _emit(trace, condition, sides, list(slots.items()), before)
    for storage in (one for side in sides for one in side.moves):
        trace.leave_storage(storage)
    for name, value in results.items():
        joined[name].set(value)
        for side in sides:
            link_arrays(trace, name, slots[name], value, side.values.get(name))
    made = {name: value for name, value in results.items() if not isinstance(slots[name], Same)}
    share_joined(hooks.journal, mark.outer, made, [side.values for side in sides if not side.raised])
    for one in growth:
        one.finish()


@dataclass(slots=True)
class Kept:
    """Where a joined value is kept that no name of the user's holds."""

    name: str
    value: Any = UNDEFINED

    def get(self) -> Any:
        """The value."""
        return self.value

    def set(self, value: Any) -> None:
        """Keep it."""
        self.value = value


class Growth:
    """A list that some paths of a branch appended to: what they did becomes values to be joined."""

    def __init__(self, trace: Trace, owner: list[Any], before: list[Any], sides: Sequence[Side]) -> None:
        self.trace, self.owner, self.before = trace, owner, before
        self.places: dict[str, Any] = {}
        self.items: list[Kept] = []
        self.count: Kept | None = None
        self.whole: Kept | None = None
        alive = [side for side in sides if not side.raised]
        contents: list[Content] = []
        added: list[tuple[list[Any], Any] | None] = []
        for side in alive:
            with side.at_end(trace):
                content = Content(side.contents.get(id(owner), before)).frozen(trace)
                contents.append(content)
                added.append(_few(content, before))
        trace.note(owner)
        if None in added:
            self.whole = self._place("", alive, contents)
            return
        counts = [one[1] for one in added if one is not None]
        most = max(len(one[0]) for one in added if one is not None)
        for k in range(most):
            values = [one[0][k] if k < len(one[0]) else UNDEFINED for one in added if one is not None]
            self.items.append(self._place(f" item {k}", alive, values))
        if any(type(count) is not int or count != most for count in counts):
            self.count = self._place(" count", alive, counts)

    def _place(self, name: str, alive: Sequence[Side], values: Sequence[Any]) -> Kept:
        place = Kept(f"__weft_list_{id(self.owner)}{name}")
        self.places[place.name] = place
        for side, value in zip(alive, values, strict=True):
            side.values[place.name] = value
        return place

    def finish(self) -> None:
        """Give the list its content."""
        if self.whole is not None:
            self.owner[:] = self.whole.value.items
            return
        items = [place.value for place in self.items]
        if self.count is not None and type(self.count.value) is TracedNumber:
            items = [Few(items, self.count.value)]
        self.owner[:] = [*self.before, *items]


def _few(content: Content, before: list[Any]) -> tuple[list[Any], Any] | None:
    """The items that a path appended and their number; None if they are not a few, or others changed."""
    items, start = list(content.items), len(before)
    same = len(items) >= start and all(map(is_same, items, before))
    added = items[start:]
    if not same or any(isinstance(one, Segment) for one in added[:-1]):
        return None
    if added and isinstance(added[-1], Segment):
        last = added[-1]
        if not isinstance(last, Few):
            return None
        more = len(added) - 1
        return [*added[:-1], *last.items], last.count + more if more else last.count
    return added, len(added)


def implied(condition: Value, *, holds: bool) -> dict[Value, bool]:
    """What other truth values are where a condition holds or does not: the operands of `not`, `and`, `or`."""
    found, op = {condition: holds}, condition.op
    if op is None:
        return found
    if op.name == "logical_not":
        found.update(implied(op.operands[0], holds=not holds))
    elif op.name == ("bitwise_and" if holds else "bitwise_or"):
        for operand in op.operands:
            found.update(implied(operand, holds=holds))
    elif op.name == "select":
        test, yes, no = op.operands
        if holds and (no is test or _is_constant(no, value=False)):
            found.update({**implied(test, holds=True), **implied(yes, holds=True)})
        if not holds and (yes is test or _is_constant(yes, value=True)):
            found.update({**implied(test, holds=False), **implied(no, holds=False)})
    return found


def _is_constant(one: Value, *, value: bool) -> bool:
    return one.op is not None and one.op.name == "constant" and one.op.attributes["value"] == value


def link_arrays(trace: Trace, name: str, slot: Slot, joined: Any, value: Any) -> None:
    """Note which arrays an array joined by value may be: those that a path made may have other names, too."""
    if isinstance(slot, Same):
        return
    made, given = arrays_in(joined), arrays_in(value)
    for one in made:
        one.view.storage.joined = one.view.storage.joined or label(name)
    if len(made) == len(given):
        for one, other in zip(made, given, strict=True):
            for origin in other.view.storage.possible():  # also what a loop or branch inside of a side joined
                trace.link(one.view.storage, origin)


def freeze_in(trace: Trace, side: Side, value: Any) -> Any:
    """Freeze a value of a path at its end."""
    with side.at_end(trace):
        return freeze(trace, value) if type(value) is not Frozen else value


def _trace_side(
    hooks: TracingHooks,
    part: Callable[[], Any] | None,
    places: Mapping[str, Place],
    before: Mapping[str, Any],
    live: Sequence[str],
    mark: Mark,
) -> Side:
    trace = hooks.trace
    effects, moves = len(hooks.effects), len(trace.moves)
    frame = trace.open(repeats=False)
    side = Side(frame)
    try:
        if part is not None:
            part()
    except Raised as raised:
        side.raised = True
        if raised.exception is not None:
            fail(trace, raised.exception, raised.location)
    except BaseException as error:
        if not isinstance(error, USUAL) or isinstance(error, WeftError):
            trace.close(frame)
            raise
        side.raised = True
        trace.fail(error)
    if len(hooks.effects) > effects:
        error = effect_refused(hooks, effects)
        trace.close(frame)
        raise error
    try:
        for name in live:
            if name in places:
                value = places[name].get()
                side.values[name] = freeze(trace, value if value is before[name] else if_known(trace, value))
    except BaseException:
        trace.close(frame)
        raise
    side.contents = mark.contents()
    side.ends, side.moves = trace.leave(frame), trace.take_moves(moves)
    return side


def effect_refused(hooks: TracingHooks, before: int) -> WeftError:
    """The error for an effect on an object that outlives the call, inside of a compiled statement."""
    del hooks.effects[before:]
    return hooks.trace.refuse(
        "an object that outlives the call is changed inside of a compiled branch or loop",
        "assign to a local name there, and to the object after it",
        "E055",
    )


def _join_sides(trace: Trace, name: str, sides: Sequence[Side], sizes: dict[Any, Size]) -> Slot:
    alive = [side for side in sides if not side.raised]
    trace.joining = label(name)
    if name.startswith("__weft_"):  # read only where it has a value
        for side in alive:
            side.values[name] = unwrapped(side.values.get(name, UNDEFINED))
    first = alive[0].values.get(name)
    if type(first) is Content:
        return _join_contents(trace, [side.values[name] for side in alive])
    try:
        resized = of_paths(trace, [side.values.get(name) for side in alive], sizes)
    except Conflict:  # which the join below names
        resized = None
    if resized is not None:
        return resized
    slot: Slot = Same(alive[0].values.get(name, UNDEFINED))
    for side in alive[1:]:
        slot = join_named(trace, name, slot, side.values.get(name, UNDEFINED))
    if isinstance(slot, Same):
        slot = _alone(trace, alive[0], slot.value) if len(alive) < len(sides) else Same(thawed(slot.value))
    if isinstance(slot, Optional) and name.startswith("__weft_"):  # read only where it has a value
        slot = slot.slot if not isinstance(slot.slot, Same) else slot
    return sized_inside(trace, slot, lambda dim: any(trace.is_left(s.name) for s in symbols_of(dim)))


def _alone(trace: Trace, side: Side, value: Any) -> Slot:
    """The slot of what a name holds on the only path that goes on: what was made there is carried out."""
    if _is_made_in(trace, value, set(side.frame.region.ops)):
        return carried(value)
    return Same(thawed(value))


def _is_made_in(trace: Trace, value: Any, ops: set[Op]) -> bool:
    if type(value) in (TracedScalar, TracedNumber):
        return value.value is not None and value.value.op in ops
    if isinstance(value, TracedText):
        return any(_is_made_in(trace, item, ops) for item in value.parts)
    if is_node(value):
        return any(_is_made_in(trace, item, ops) for _, item in children(value))
    return any(array.view.storage.depth > len(trace.frames) for array in arrays_in(value))


def _join_contents(trace: Trace, contents: Sequence[Content]) -> Slot:
    """The slot of a list whose content paths give in arrays."""
    try:
        return joined_content(contents)
    except Conflict as conflict:
        raise trace.refuse(
            f"a list gets items of different types in a branch: {conflict}", "give all items one type", "E055"
        ) from None


def join_named(trace: Trace, name: str, slot: Slot, value: Any) -> Slot:
    """Join, with the error that names the variable."""
    try:
        return join(slot, Same(value))
    except Conflict as conflict:
        raise different(trace, name, slot, value, str(conflict)) from None


def different(trace: Trace, name: str, slot: Slot, value: Any, reason: str) -> WeftError:
    """The error for a name that has two types where paths meet."""
    what = named(name)
    one, other = _array_type(slot), _array_type(Same(value))
    is_shape = one is not None and other is not None and one.dtype == other.dtype
    convert = f"convert {what} on one path, for example with np.float64(...) or astype"
    keep = f"keep {what} in one shape, for example by writing a part of an array made before: `v[:n] = ...`"
    return DTypeError(
        f"{what} has different types where paths meet: {reason}",
        code="E061",
        location=trace.location(),
        facts=[
            Fact("one path", show(slot), _made(slot)),
            Fact("other path", show(Same(value)), _made(Same(value))),
        ],
        fix=keep if is_shape else convert,
    )


def named(name: str) -> str:
    """A variable in the user's words."""
    known = {"__weft_result__": "the returned value", "the expression": name}
    if name.startswith("__weft_list_"):
        known[name] = "an item of a list"
    return known.get(name) or f"{name.partition(' ')[0]!r}"


def _array_type(slot: Slot) -> TensorType | None:
    if isinstance(slot, Same) and type(slot.value) in (TracedArray, Frozen):
        slot = loosen(slot.value)
    slot = by_value(slot)
    return slot.type if isinstance(slot, Array) else None


def _made(slot: Slot) -> Any:
    value = getattr(slot, "value", None)
    inner = getattr(value, "value", None)
    op = getattr(inner, "op", None)
    return op.locations[0] if op is not None and op.locations else None


# ---------------------------------------------------------------- ops


def _emit(
    trace: Trace,
    condition: Expr,
    sides: Sequence[Side],
    slots: Sequence[tuple[str, Slot]],
    before: Mapping[str, Any],
) -> dict[str, Any]:
    """Write the op, or the selections, and give the value of each slot."""
    lowered: list[list[Value]] = []
    for side in sides:
        with side.at_end(trace):
            values: list[Value] = []
            for name, slot in slots:
                given = UNDEFINED if side.raised else side.values.get(name, UNDEFINED)
                values += lower_any(trace, slot, given)
            lowered.append(values)
    written = list(dict.fromkeys(s for side in sides for s in _written(side)))
    if not written and all(is_small(side.frame.region) for side in sides):
        results = _selected(trace, condition, sides, lowered)
    else:
        for side in sides:
            trace.seal(side.frame)
        regions = [
            finish(Body(side.frame, [], values, side.ends), written)
            for side, values in zip(sides, lowered, strict=True)
        ]
        results = trace.emit_op("if", [condition.value], {}, regions).results
        count = len(results) - len(written)
        for storage, value in zip(written, results[count:], strict=True):
            trace.set_value(storage, value)
    wanted = iter(results)
    return {name: wrap(trace, slot, wanted) for name, slot in slots}


def lower_any(trace: Trace, slot: Slot, value: Any) -> list[Value]:
    """As `lower`; a value that may be missing counts as there where the slot does not ask."""
    if type(value) is Maybe and not isinstance(slot, Optional):
        value = value.value
    return lower(trace, slot, value)


def _written(side: Side) -> list[Storage]:
    return [s for s, value in side.ends.items() if value is not side.frame.before[s]]


def is_small(region: Region) -> bool:
    """Whether a region holds a few scalar ops that cannot fail."""
    counted = [op for op in region.ops if op.name not in _FREE]
    return len(counted) <= SMALL and all(_is_scalar(op) for op in counted)


def _is_scalar(op: Op) -> bool:
    if op.regions or not isinstance(record(op).form, ScalarForm) or record(op).has("can_fail"):
        return False
    return all(
        isinstance(v.type, IndexType) or v.type == TensorType(v.type.dtype)
        for v in op.results
        if isinstance(v.type, TensorType | IndexType)
    )


def _selected(
    trace: Trace, condition: Expr, sides: Sequence[Side], lowered: Sequence[Sequence[Value]]
) -> list[Value]:
    for side in sides:
        trace.region.ops.extend(side.frame.region.ops)
    results: list[Value] = []
    for a, b in zip(*lowered, strict=True):
        x, y = Expr(trace.builder, a), Expr(trace.builder, b)
        if isinstance(a.type, TensorType) and a.type.shape:
            shape = {"shape": a.type.shape}
            wide = Expr(trace.builder, trace.emit("broadcast", [condition.value], shape))
            results.append(select(wide, x, y).value)
        else:
            results.append(a if a is b else select(condition, x, y).value)
    return results


def unwrapped(value: Any) -> Any:
    """What a function returns that may have ended without a value on paths that are not taken."""
    return value.value if type(value) is Maybe else value
