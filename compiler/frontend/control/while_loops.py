"""A `while` on traced values: a `while` op, whose body is traced as that of any loop (`loops.py`).

Holds the tracing of the condition, too, which runs before the loop where a name has a value only after an
iteration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from weft.compiler.frontend.control.aliases import written_in
from weft.compiler.frontend.control.conditions import truth
from weft.compiler.frontend.control.joins import Same
from weft.compiler.frontend.control.loops import bind_results, initial_values, settle, trace_body
from weft.compiler.frontend.control.places import Cell
from weft.compiler.frontend.control.rotation import count_turns, rotation_of
from weft.compiler.frontend.control.slot_values import types
from weft.compiler.frontend.control.variables import Traced, Variables
from weft.compiler.frontend.number import number
from weft.compiler.frontend.region import Body, finish
from weft.ir.expr import Expr
from weft.ir.node import Value
from weft.ir.types import BOOL, Type

if TYPE_CHECKING:
    from weft.compiler.frontend.tracing import TracingHooks


def while_node(
    hooks: TracingHooks,
    test: Callable[[], Any],
    body: Callable[[], Any],
    stop: Callable[[], Any] | None,
    variables: Variables,
) -> None:
    """Write the loop, and bind its places to what they hold after it."""
    trace = hooks.trace

    def run(types_: list[Type]) -> Traced:
        return trace_body(hooks, types_, body, stop, variables, 0)

    done = settle(hooks, variables, run)
    turns = rotation_of(variables, done.ends, done.frame.before)
    if turns is not None:
        body = count_turns(variables, body, turns.period)
        done = settle(hooks, variables, run)
        turns = rotation_of(variables, done.ends, done.frame.before)
    ran = _first_test(hooks, test, variables)
    tested, goes, forever = _trace_test(hooks, test, variables)
    initial, replaced, kept = initial_values(trace, variables, done, 0)
    written = written_in(done.frame, done.storages)
    if written_in(tested.frame, tested.storages):
        raise trace.refuse("the condition of a loop writes an array", "write it in the body", "E050")
    operands = [*initial, *(trace.current_value(s) for s in written)]
    outside = dict(zip(tested.params, (replaced.get(p) for p in done.params), strict=True))
    missing = {p: v for p, v in outside.items() if v is not None}
    with trace.reopen(tested.frame):
        value = goes
        for name in variables.flags:
            if name in variables.kept or isinstance(variables.slots[name], Same):
                continue
            flag = Expr(trace.builder, _param_of(variables, tested.params, name))
            value = value & flag.apply("logical_not")
    trace.seal(tested.frame)
    condition = finish(
        Body(tested.frame, tested.params, [value.value], tested.storages),
        written,
        passes_on=False,
        replaced=missing,
    )
    closed = Body(done.frame, done.params, done.yields, done.storages)
    region = finish(closed, written, replaced=replaced)
    results = trace.emit_op("while", operands, {}, [condition, region]).results
    bind_results(hooks, variables, kept, written, results, lambda: ran, done, turns)
    ways_out = [name for name in variables.flags if name not in variables.kept]
    if forever and len(ways_out) == 1:
        variables.places[ways_out[0]].set(True)


def _first_test(hooks: TracingHooks, test: Callable[[], Any], variables: Variables) -> Any:
    """Whether there is an iteration, if a name has a value only then: the condition before the loop."""
    trace = hooks.trace
    if all(name.startswith("__weft_") or name in variables.kept for name in variables.late):
        return True
    with hooks.journal.undone():
        found = truth(trace, test())
    return number(trace, found, bool) if isinstance(found, Expr) else found


def _trace_test(
    hooks: TracingHooks, test: Callable[[], Any], variables: Variables
) -> tuple[Traced, Expr, bool]:
    trace = hooks.trace
    frame = trace.open(repeats=True)
    params = [frame.region.add_param(ty) for ty in variables.types()]
    before, forever = dict(variables.wrapped), False
    try:
        variables.bind(trace, params)
        with hooks.journal.undone():
            found = truth(trace, test())
        if isinstance(found, bool):
            if not variables.flags or not found:
                raise trace.refuse(
                    "the condition of a loop is known while tracing", "use a traced value", "E063"
                )
            forever = True
            found = trace.constant(found, BOOL)
        for name, place in variables.places.items():
            if isinstance(place, Cell) and place.get() is not variables.wrapped[name]:
                raise trace.refuse(
                    "the condition of a loop assigns to a variable that it carries",
                    "assign in the body",
                    "E051",
                )
    except BaseException:
        trace.close(frame)
        raise
    finally:
        for name, place in variables.places.items():
            place.set(variables.before[name])
        variables.wrapped = before
    return Traced(frame, params, {}, trace.leave(frame)), found, forever


def _param_of(variables: Variables, params: Sequence[Value], name: str) -> Value:
    position = 0
    for other, slot in variables.slots.items():
        if other == name:
            return params[position]
        position += len(types(slot))
    raise KeyError(name)
