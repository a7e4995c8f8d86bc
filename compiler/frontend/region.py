"""Loops and branches as regions: the body is traced once, and storages that it writes are carried (D4).

What a body reads of outer storages is provisional while it is traced. When it closes, a storage that it
wrote, by whatever call, becomes a parameter, yielded at the end; of all others the value from before is read.
Not here: which Python statements become regions (`tracing.py`, later), and joins of names of different types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from weft.compiler.frontend.number import IR_TYPES, TracedNumber, as_expr, number, size_number
from weft.compiler.frontend.storage import Storage
from weft.compiler.frontend.trace import Frame, Trace
from weft.compiler.frontend.values import TracedArray, TracedScalar, elements, new_array
from weft.ir.builder import Builder
from weft.ir.dims import DimLike, atom_dim
from weft.ir.errors import Fact
from weft.ir.expr import Expr
from weft.ir.node import Region, Value
from weft.ir.rewrite import Cloner
from weft.ir.types import BOOL, IndexType, Type

Carried = Sequence[Any]


class Kind(NamedTuple):
    """How a carried value is put together again.

    Its Python class and, for a Python number, that of the number.
    """

    traced: type
    number: type | None = None

    def wrap(self, trace: Trace, value: Value) -> Any:
        """The user's value for one of the IR."""
        if self.number is not None:
            return number(trace, trace.expr(value), self.number)
        return (
            new_array(trace, trace.expr(value)) if self.traced is TracedArray else TracedScalar(trace, value)
        )


def kind_of(trace: Trace, value: Any) -> Kind:
    """The kind of a value that is carried; raises UnsupportedError for what cannot be."""
    if type(value) in (float, bool, complex):
        return Kind(TracedNumber, type(value))
    if type(value) is TracedNumber and value.dim is None:
        return Kind(TracedNumber, value.type)
    if type(value) is int or type(value) is TracedNumber:
        raise trace.refuse(
            "a Python int that a loop or branch changes is not built yet",
            "use a NumPy scalar such as np.int64(0), or a loop index",
            "E051",
        )
    return Kind(TracedArray if type(value) is TracedArray else TracedScalar)


def unwrap(trace: Trace, value: Any) -> Expr:
    """A carried value in the IR."""
    kind = kind_of(trace, value)
    return elements(trace, value) if kind.number is None else as_expr(trace, value, IR_TYPES[kind.number])


class Body(NamedTuple):
    """A closed region: its parameters, what it yields of carried values, and the last values of storages."""

    frame: Frame
    params: list[Value]
    values: list[Value]
    ends: dict[Storage, Value]


def _run(
    trace: Trace, types: Sequence[Type], part: Callable[[list[Value]], Sequence[Value]], *, repeats: bool
) -> Body:
    """Trace a body; `part` makes what is yielded from the parameters."""
    frame = trace.open(repeats=repeats)
    params = [frame.region.add_param(t) for t in types]
    try:
        values = list(part(params))
    finally:
        ends = trace.close(frame)
    return Body(frame, params, values, ends)


def for_loop(
    trace: Trace,
    lower: DimLike,
    upper: DimLike,
    step: int,
    carried: Carried,
    body: Callable[[Any, list[Any]], Carried],
    name: str = "i",
) -> list[Any]:
    """`for i in range(lower, upper, step)`: `body(i, carried)` gives the next carried values.

    The last are the result.
    """
    kinds, initial = _initial(trace, carried)
    symbol = trace.bind_index(name, *((lower, upper) if step > 0 else (upper + 1, lower + 1)))
    index = atom_dim(symbol)

    def part(params: list[Value]) -> list[Value]:
        return _yielded(
            trace, kinds, initial, body(size_number(trace, index), _wrapped(trace, kinds, params[1:]))
        )

    try:
        ran = _run(trace, [IndexType(index), *(v.type for v in initial)], part, repeats=True)
    finally:
        trace.release_index(symbol)
    written = _written(ran.frame.start, ran.ends)
    limits = [trace.emit("dim", [], {"dim": d}) for d in (lower, upper, step)]
    operands = [*limits, *initial, *(trace.current_value(s) for s in written)]
    results = trace.emit_op("for", operands, {"kind": "serial"}, [finish(ran, written)]).results
    return _results(trace, kinds, written, results)


def while_loop(
    trace: Trace,
    carried: Carried,
    condition: Callable[[list[Any]], Any],
    body: Callable[[list[Any]], Carried],
) -> list[Any]:
    """While `condition(carried)` holds, `body(carried)` gives the next carried values."""
    kinds, initial = _initial(trace, carried)
    types = [v.type for v in initial]
    tested = _run(
        trace, types, lambda p: [_condition(trace, condition(_wrapped(trace, kinds, p))).value], repeats=True
    )
    ran = _run(
        trace, types, lambda p: _yielded(trace, kinds, initial, body(_wrapped(trace, kinds, p))), repeats=True
    )
    if _written(tested.frame.start, tested.ends):
        raise trace.refuse("the condition of a loop writes an array", "write it in the body", "E050")
    written = _written(ran.frame.start, ran.ends)
    regions = [finish(tested, written, passes_on=False), finish(ran, written)]
    operands = [*initial, *(trace.current_value(s) for s in written)]
    return _results(trace, kinds, written, trace.emit_op("while", operands, {}, regions).results)


def branch(
    trace: Trace, condition: Any, then: Callable[[], Carried], otherwise: Callable[[], Carried]
) -> list[Any]:
    """One of two bodies, which give values of the same kinds and types."""
    test = _condition(trace, condition)
    found: list[list[Kind]] = []

    def part(side: Callable[[], Carried]) -> list[Value]:
        values = side()
        found.append([kind_of(trace, v) for v in values])
        return [unwrap(trace, v).value for v in values]

    sides = [_run(trace, [], lambda _, side=side: part(side), repeats=False) for side in (then, otherwise)]
    types = [[v.type for v in side.values] for side in sides]
    if found[0] != found[1] or types[0] != types[1]:
        raise _different(trace, *types)
    written = list(dict.fromkeys(s for side in sides for s in _written(side.frame.before, side.ends)))
    regions = [finish(side, written) for side in sides]
    return _results(trace, found[0], written, trace.emit_op("if", [test.value], {}, regions).results)


def _wrapped(trace: Trace, kinds: list[Kind], values: Sequence[Value]) -> list[Any]:
    return [kind.wrap(trace, v) for kind, v in zip(kinds, values, strict=True)]


def _initial(trace: Trace, carried: Carried) -> tuple[list[Kind], list[Value]]:
    return [kind_of(trace, v) for v in carried], [unwrap(trace, v).value for v in carried]


def _condition(trace: Trace, value: Any) -> Expr:
    """The truth of a scalar."""
    expr = as_expr(trace, value, BOOL) if type(value) in (bool, TracedNumber) else elements(trace, value)
    if expr.type.dtype != BOOL:
        expr = expr.ne(0)
    return expr


def _yielded(trace: Trace, kinds: list[Kind], initial: list[Value], values: Carried) -> list[Value]:
    """The values at the end of a body, which must have the types that they began with."""
    found = [unwrap(trace, v).value for v in values]
    expected = [v.type for v in initial]
    if [kind_of(trace, v) for v in values] != kinds or [v.type for v in found] != expected:
        raise _different(trace, expected, [v.type for v in found])
    return found


def _different(trace: Trace, first: list[Type], second: list[Type]) -> Exception:
    error = trace.refuse(
        "a value has different types where paths join",
        "convert it with astype or np.float64(...) on one path",
        "E061",
    )
    error.facts = (Fact("before", ", ".join(map(str, first))), Fact("after", ", ".join(map(str, second))))
    return error


def _written(start: dict[Storage, Value], ends: dict[Storage, Value]) -> list[Storage]:
    """The storages whose value at the end is not that of the start."""
    return [s for s, value in ends.items() if s in start and value is not start[s]]


def finish(
    body: Body,
    written: list[Storage],
    *,
    passes_on: bool = True,
    replaced: Mapping[Value, Value] | None = None,
) -> Region:
    """The region with a parameter for each written storage (if it repeats) that it passes on at the end.

    Provisional values of other storages become the values from before.
    """
    frame, region, cloner = body.frame, Region(), Cloner(replaced)
    for param in body.params:
        if param not in cloner.values:
            cloner.values[param] = region.add_param(param.type, param.name)
    for storage in written if frame.repeats else ():
        param = region.add_param(storage.type, storage.name)
        if storage in frame.start:
            cloner.values[frame.start[storage]] = param
    for storage, value in frame.start.items():
        if storage not in written:
            cloner.values[value] = frame.before[storage]
    builder = Builder(region, frame.region.ops[-1].locations if frame.region.ops else ())
    cloner.ops(frame.region, builder)
    passed = [body.ends.get(s, s.value) for s in written] if passes_on else []
    builder.emit("yield", [cloner.value(v) for v in (*body.values, *passed)])
    return region


def _results(trace: Trace, kinds: list[Kind], written: list[Storage], results: Sequence[Value]) -> list[Any]:
    """Give written storages their new values, and the carried values as the user has them."""
    for storage, value in zip(written, results[len(kinds) :], strict=True):
        trace.set_value(storage, value)
    return [kind.wrap(trace, v) for kind, v in zip(kinds, results, strict=False)]
