"""Loops of traced programs: a body is traced once, again only if the type of what it carries changes.

A `for` over a range or an array is a `for` op; with a traced break or return a `while` op that counts. Not
here: a `while` of the user's (`while_loops.py`), what may be iterated (`sequences.py`), unrolling
(`statements of the hooks`), joins (`joins.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weft.compiler.frontend.arguments import is_node
from weft.compiler.frontend.control.aliases import check_aliases, written_in
from weft.compiler.frontend.control.conditions import truth
from weft.compiler.frontend.control.contents import arrays_in
from weft.compiler.frontend.control.growth import check_items, grow_lists
from weft.compiler.frontend.control.joins import (
    UNDEFINED,
    Conflict,
    Extended,
    Maybe,
    Same,
    Slot,
    Tree,
    carried,
    freeze,
    is_same,
    label,
    loosen,
)
from weft.compiler.frontend.control.keyed import tabulate_grown
from weft.compiler.frontend.control.lists import Content, Listed
from weft.compiler.frontend.control.moving import move_from_body
from weft.compiler.frontend.control.places import Mark, Place, changed_parts, gains_names, grown_lists
from weft.compiler.frontend.control.resized import Resized, of_loop, sized_inside
from weft.compiler.frontend.control.rotation import (
    TURNS,
    Rotation,
    bind_exactly,
    bind_selected,
    count_turns,
    rotation_of,
    trips,
)
from weft.compiler.frontend.control.sharing import share_carried, share_results
from weft.compiler.frontend.control.slot_values import lower, types, wrap
from weft.compiler.frontend.control.statements import (
    FLAGS,
    Raised,
    different,
    effect_refused,
    join_named,
    link_arrays,
    lower_any,
    named,
)
from weft.compiler.frontend.control.variables import Traced, Variables
from weft.compiler.frontend.control.varying import Varying
from weft.compiler.frontend.number import TracedNumber
from weft.compiler.frontend.region import Body, finish
from weft.compiler.frontend.storage import Storage
from weft.compiler.frontend.text import fail
from weft.compiler.frontend.trace import Frame, Trace
from weft.compiler.frontend.values import TracedScalar
from weft.ir.builder import Builder
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, atom_dim, floor_divide, symbols_of
from weft.ir.errors import UnsupportedError
from weft.ir.expr import Expr
from weft.ir.node import Region, Value
from weft.ir.rewrite import Cloner
from weft.ir.types import I64, IndexType, TensorType, Type

if TYPE_CHECKING:
    from weft.compiler.frontend.tracing import TracingHooks

_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Counted:
    """The indices lower, lower + step, ... before upper; `item` makes what the body gets of one."""

    lower: DimLike
    upper: DimLike
    step: int
    item: Callable[[DimLike], Any]


def first_slot(name: str, value: Any) -> Slot:
    """What is expected of a name before its body was traced."""
    if name.startswith("__weft_") or type(value) is bool:
        return Same(value)
    if type(value) in (int, float) or type(value) in (TracedNumber, TracedScalar):
        return loosen(value)
    return Same(value)


def variables_of(
    hooks: TracingHooks, places: Mapping[str, Place], stop: Callable[..., Any] | None
) -> Variables:
    """The variables of a loop before its first trace."""
    names = () if stop is None else stop.__code__.co_freevars
    flags = tuple(name for name in names if name.startswith(FLAGS) and name in places)
    before = {name: place.get() for name, place in places.items()}
    slots = {name: first_slot(name, value) for name, value in before.items()}
    return Variables(dict(places), before, slots, flags)


def for_node(
    hooks: TracingHooks,
    counted: Counted,
    body: Callable[[Any], Any],
    stop: Callable[[], Any] | None,
    variables: Variables,
    name: str = "i",
) -> None:
    """Write the loop, and bind its places to what they hold after it."""
    trace = hooks.trace
    lower_bound, upper = counted.lower, counted.upper
    width = abs(counted.step)
    variables.trips = trips(lower_bound, upper, counted.step)
    span = (lower_bound, upper) if counted.step > 0 else (upper + 1, lower_bound + 1)

    def run(types_: list[Type]) -> Traced:
        symbol = trace.bind_index(name, *span)
        index = atom_dim(symbol)
        passed = index - lower_bound if counted.step > 0 else lower_bound - index
        variables.position = passed if width == 1 else floor_divide(passed, width)
        try:
            return trace_body(
                hooks, [IndexType(index), *types_], lambda: body(counted.item(index)), stop, variables, 1
            )
        finally:
            variables.index = trace.release_index(symbol)

    done = settle(hooks, variables, run)
    turns = rotation_of(variables, done.ends, done.frame.before)
    count = trips(lower_bound, upper, counted.step) if turns is not None and not done.stops else None
    if turns is not None and (count is None or trace.changes(count)):
        body, count = count_turns(variables, body, turns.period), None
        done = settle(hooks, variables, run)
        turns = rotation_of(variables, done.ends, done.frame.before)
    initial, replaced, kept = initial_values(trace, variables, done, 1)
    written = written_in(done.frame, done.storages)
    operands = [*initial, *(trace.current_value(s) for s in written)]
    closed = Body(done.frame, done.params, done.yields, done.storages)
    if done.stops:
        results = _counting_while(trace, counted, variables, closed, written, replaced, operands)
    else:
        limits = [trace.emit("dim", [], {"dim": d}) for d in (counted.lower, upper, counted.step)]
        region = finish(closed, written, replaced=replaced)
        results = trace.emit_op("for", [*limits, *operands], {"kind": "serial"}, [region]).results
    low, high = (lower_bound, upper) if counted.step > 0 else (upper, lower_bound)
    bind_results(
        hooks,
        variables,
        kept,
        written,
        results,
        lambda: TracedNumber(trace, int, dim=low) < size(trace, high),
        done,
        turns,
        count,
    )


def size(trace: Trace, dim: DimLike) -> TracedNumber:
    """A size as a number."""
    return TracedNumber(trace, int, dim=dim)


def settle(hooks: TracingHooks, variables: Variables, run: Callable[[list[Type]], Traced]) -> Traced:
    """Trace until the slots are those that the body gives back."""
    trace = hooks.trace
    for _ in range(_ROUNDS):
        mark, moves, shared = hooks.journal.begin(), len(trace.moves), len(hooks.journal.shared)
        try:
            traced = run(variables.types())
            contents = mark.contents()
            if trace.assumptions.chosen:
                move_from_body(trace, variables, traced)
        finally:
            hooks.journal.end(mark)
            mark.undo()
            for name, place in variables.places.items():
                place.set(variables.before[name])
        if not _grow(hooks, variables, mark, contents, traced):
            _add_params(variables, traced)
            with trace.reopen(traced.frame):
                for name, slot in variables.slots.items():
                    traced.yields += lower_any(trace, slot, traced.ends[name])
            trace.seal(traced.frame)
            return traced
        trace.seal(traced.frame)
        trace.forget_moves(moves)
        hooks.journal.forget_shared(shared)
    raise trace.refuse("the types of what a loop carries do not settle", "give each name one type", "E061")


def _grow(
    hooks: TracingHooks, variables: Variables, mark: Mark, contents: dict[int, Any], traced: Traced
) -> bool:
    """Join what the body gave with what it began with; whether a slot changes, so that it is traced again."""
    trace = hooks.trace
    grown = grown_lists(mark, [contents])
    again = grow_lists(hooks, variables, grown, traced)
    parts = changed_parts(mark, [contents], list(grown.values()))
    if parts is None:
        tabulate_grown(mark, [contents])
        raise trace.refuse(
            "a list, dict or set changes its length inside of a compiled loop",
            "use an array of the final size and assign to its items",
            "E062" if gains_names(mark, contents, list(grown.values())) else "E055",
        )
    for name, place in parts.items():
        if name not in variables.places:
            variables.places[name] = place
            variables.before[name] = place.get()
            variables.slots[name] = first_slot(name, place.get())
            again = True
    if again:
        return True
    variables.ends = {}
    for name in list(variables.slots):
        again = _settle_name(trace, variables, name, traced.ends[name]) or again
    return again


def _settle_name(trace: Trace, variables: Variables, name: str, value: Any) -> bool:
    """Join what the body gave a name with what it began with; whether the body must be traced again."""
    slot, trace.joining = variables.slots[name], label(name)
    if isinstance(slot, Listed) or is_same(value, variables.wrapped[name]):
        return False
    if value is UNDEFINED and name in variables.late:
        return False
    is_first = isinstance(slot, Same) and slot.value is UNDEFINED
    is_late = is_first or (name in variables.late and isinstance(slot, Resized | Tree))
    if type(value) is not Maybe and is_late:
        last = _last_value(trace, variables, name, value)
        if last is not None:
            variables.late.add(name)
            variables.slots[name] = last
        return not is_first and last is not None and types(last) != types(slot)
    joined = _joined(trace, variables, name, slot, value)
    if not isinstance(joined, Extended) and any(map(_of_body(trace, variables.index), _dims(joined))):
        raise trace.refuse(
            f"{named(name)} is an array whose size hangs on the iteration, and is used after the loop",
            "give it one size, or make it after the loop from what the loop leaves",
            "E060",
        )
    if not _differ(joined, slot):
        return False
    variables.slots[name] = joined
    return name not in variables.flags


def _joined(trace: Trace, variables: Variables, name: str, slot: Slot, value: Any) -> Slot:
    joined = of_loop(trace, variables, name, slot, value)
    if joined is None and isinstance(slot, Resized):
        before = Same(variables.before[name])
        raise different(trace, name, before, value, "nothing bounds how large it grows")
    joined = joined or join_named(trace, name, slot, value)
    if isinstance(joined, Varying) and isinstance(slot, Varying) and joined.capacity != slot.capacity:
        return joined.grown(trace, slot.capacity, variables.trips)
    return joined


def _dims(slot: Slot) -> list[DimLike]:
    return [d for ty in types(slot) if isinstance(ty, TensorType) for d in ty.shape]


def _of_body(trace: Trace, index: Any) -> Callable[[DimLike], bool]:
    """Says whether a size is known only in the body that was traced."""
    own = None if index is None else index[0]
    return lambda dim: any(s.name == own or trace.is_left(s.name) for s in symbols_of(dim))


def _last_value(trace: Trace, variables: Variables, name: str, value: Any) -> Slot | None:
    """The slot of a name that the body always binds, where the last iteration's size is its own.

    None if nothing bounds that: then the name has no value after the loop.
    """
    slot = _always(trace, name, value)
    try:
        with trace.index_again(variables.index):
            return sized_inside(trace, slot, _of_body(trace, variables.index))
    except UnsupportedError:
        if name.startswith("__weft_"):
            raise
        return None


def _add_params(variables: Variables, traced: Traced) -> None:
    """Give parameters to what was found to be carried by the last trace, which does not read it."""
    names = [n for n in variables.slots if n in variables.late or n in variables.flags]
    for name in names:
        if name not in variables.given:
            slot = variables.slots[name] = variables.slots.pop(name)
            traced.params += [traced.frame.region.add_param(ty) for ty in types(slot)]


def _always(trace: Trace, name: str, value: Any) -> Slot:
    """The slot of a name that the body always binds."""
    if isinstance(value, str) or value is None:
        return Same(value)
    try:
        return carried(value) if is_node(value) else loosen(value)
    except Conflict as conflict:
        raise different(trace, name, Same(UNDEFINED), value, str(conflict)) from None


def _differ(a: Slot, b: Slot) -> bool:
    if isinstance(a, Same) and isinstance(b, Same):
        return not is_same(a.value, b.value)
    return a != b


def trace_body(
    hooks: TracingHooks,
    types_: list[Type],
    body: Callable[[], Any],
    stop: Callable[[], Any] | None,
    variables: Variables,
    skip: int,
) -> Traced:
    """Trace one iteration; the region is left open for what it yields."""
    trace, effects = hooks.trace, len(hooks.effects)
    frame = trace.open(repeats=True)
    params = [frame.region.add_param(ty) for ty in types_]
    stops = False
    try:
        variables.bind(trace, params[skip:])
        for name, made in variables.wrapped.items():
            if type(made) is not Content:
                share_carried(hooks.journal, variables.before[name], made)
        try:
            body()
            found = False if stop is None else truth(trace, stop())
            stops = found is not False
        except Raised as raised:
            if raised.exception is not None:
                fail(trace, raised.exception, raised.location)
        if len(hooks.effects) > effects:
            raise effect_refused(hooks, effects)
        ends = {name: _end(trace, variables, name, place) for name, place in variables.places.items()}
        changed: list[Any] = [o for o, _ in hooks.journal.marks[-1].saved.values() if type(o) is list]
        lists = {id(owner): Content(owner).frozen(trace) for owner in changed}
    except (NameError, AttributeError) as error:
        trace.close(frame)
        if isinstance(error, AttributeError) and not hooks.is_made(error.obj):
            raise
        raise trace.refuse(
            f"{error}: it has no value in the first iteration", "give it a value before the loop", "E062"
        ) from None
    except BaseException:
        trace.close(frame)
        raise
    mark = hooks.journal.marks[-1]
    return Traced(frame, params, ends, trace.leave(frame), stops=stops, lists=lists, mark=mark)


def _end(trace: Trace, variables: Variables, name: str, place: Place) -> Any:
    value = place.get()
    return value if value is variables.wrapped.get(name) else freeze(trace, value)


def initial_values(
    trace: Trace, variables: Variables, done: Traced, skip: int
) -> tuple[list[Value], dict[Value, Value], list[bool]]:
    """Initial values of what is carried; parameters for what the body does not change; which are kept."""
    initial: list[Value] = []
    replaced: dict[Value, Value] = {}
    flags: list[bool] = []
    place = skip
    for name, slot in variables.slots.items():
        values = lower(trace, slot, False if name in variables.flags else variables.before[name])
        ends = done.ends[name]
        unchanged = is_same(ends, variables.wrapped[name]) and name not in variables.flags
        if unchanged:
            variables.kept.add(name)
        for value in values:
            if unchanged:
                replaced[done.params[place]] = value
            else:
                initial.append(value)
            flags.append(not unchanged)
            place += 1
    done.yields = [v for v, kept in zip(done.yields, flags, strict=True) if kept]
    return initial, replaced, flags


def bind_results(
    hooks: TracingHooks,
    variables: Variables,
    flags: list[bool],
    written: list[Storage],
    results: Sequence[Value],
    ran: Callable[[], Any],
    done: Traced,
    turns: Rotation | None,
    trip_count: DimLike | None = None,
) -> None:
    """Bind places to what they hold after the loop; `ran` tells whether there was an iteration."""
    trace = hooks.trace
    sources = check_aliases(trace, variables, done, turns)
    count = len(results) - len(written)
    for storage, value in zip(written, results[count:], strict=True):
        trace.set_value(storage, value)
    values = iter(results[:count])
    turned: dict[str, Any] = {}
    bound: dict[str, Any] = {}
    for name, slot in variables.slots.items():
        place = variables.places[name]
        if name in variables.kept:
            place.set(variables.before[name])
            continue
        if isinstance(slot, Listed):
            place.set(wrap(trace, slot.after(variables.trips or 0), values))
            continue
        made = wrap(trace, slot, values)
        if turns is not None and name in turns.sources:
            turned[name] = made
            continue
        _link_all(trace, made, sources.get(name, []))
        link_arrays(trace, name, slot, made, done.ends[name])
        trace.carries_arrays |= any(array.view.storage.choice is None for array in arrays_in(made))
        bound[name] = made
        if name in variables.late:
            made = Maybe(made, ran)
        place.set(made)
    if turns is not None and trip_count is not None:
        bind_exactly(trace, variables, turns, turned, trip_count)
    elif turns is not None:
        bind_selected(trace, variables, turns, turned, variables.places[TURNS].get())
    check_items(trace, variables, done, bound)
    share_results(trace, hooks.journal, variables, done)


def _link_all(trace: Trace, made: Any, sources: Sequence[Sequence[Storage]]) -> None:
    """Note what was there before a loop that the arrays in a value may be."""
    for one, origins in zip(arrays_in(made), sources, strict=False):
        for origin in origins:
            trace.link(one.view.storage, origin)


def _counting_while(
    trace: Trace,
    counted: Counted,
    variables: Variables,
    body: Body,
    written: list[Storage],
    replaced: dict[Value, Value],
    operands: list[Value],
) -> Sequence[Value]:
    """A `for` that may stop: a `while` that carries the index beside the flags."""
    number_type = TensorType(I64)
    index_param = body.params[0]
    start = trace.size(counted.lower).value
    carried_types = [number_type, *(v.type for v in operands)]
    positions = _flag_positions(variables)
    condition = Region(carried_types)
    with _inside(trace, condition):
        here = Expr(trace.builder, condition.params[0])
        goes = here.apply("less" if counted.step > 0 else "greater", trace.size(counted.upper))
        for place in positions:
            flag = Expr(trace.builder, condition.params[1 + place])
            goes = goes & flag.apply("logical_not")
        trace.emit_op("yield", [goes.value])
    region = Region()
    counter = region.add_param(number_type)
    with _inside(trace, region):
        assert isinstance(index_param.type, IndexType)
        last = counted.upper - 1 if counted.step > 0 else counted.lower
        bound = {"bound": trace.most(last)} if trace.has_bound(last) else {}
        index = trace.emit("to_index", [counter], {"dim": index_param.type.dim, **bound})
    rest = finish(body, written, replaced={**replaced, index_param: index})
    _append(region, rest)
    values = region.ops.pop().operands
    with _inside(trace, region):
        following = Expr(trace.builder, counter) + trace.constant(counted.step, I64)
        trace.emit_op("yield", [following.value, *values])
    return trace.emit_op("while", [start, *operands], {}, [condition, region]).results[1:]


def _flag_positions(variables: Variables) -> list[int]:
    """Positions of the stop flags among the carried values."""
    found: list[int] = []
    position = 0
    for name, slot in variables.slots.items():
        width = 0 if name in variables.kept else len(types(slot))
        if name in variables.flags and width:
            found.append(position)
        position += width
    return found


def _append(region: Region, other: Region) -> None:
    """Move parameters and ops of another region to the end of this one."""
    values = {param: region.add_param(param.type, param.name) for param in other.params}
    Cloner(values).ops(other, Builder(region))


class _inside:  # noqa: N801 -- used as a function
    """Write ops into a region that stands by itself."""

    def __init__(self, trace: Trace, region: Region) -> None:
        self.trace, self.frame = trace, Frame(region)

    def __enter__(self) -> None:
        self.trace.frames.append(self.frame)

    def __exit__(self, *_: object) -> None:
        assert self.trace.frames.pop() is self.frame
