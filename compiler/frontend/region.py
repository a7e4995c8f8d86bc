"""Loops and branches as regions: the body is traced once, and storages that it writes are carried (D4).

What a body reads of outer storages is provisional while it is traced. When it closes, a storage that it wrote, by
whatever call, becomes a parameter, yielded at the end; of all others the value from before is read.
Not here: which Python statements become regions (`tracing.py`, later), and joins of names of different types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    """How a carried value is put together again: its Python class and, for a Python number, that of the number."""

    traced: type
    number: type | None = None

    def wrap(self, trace: Trace, value: Value) -> Any:
        """The user's value for one of the IR."""
        if self.number is not None:
            return number(trace, trace.expr(value), self.number)
        return new_array(trace, trace.expr(value)) if self.traced is TracedArray else TracedScalar(trace, value)


def kind_of(trace: Trace, value: Any) -> Kind:
    """The kind of a value that is carried; raises UnsupportedError for what cannot be."""
    if type(value) in (float, bool):
        return Kind(TracedNumber, type(value))
    if type(value) is TracedNumber and value.dim is None:
        return Kind(TracedNumber, value.type)
    if type(value) is int or type(value) is TracedNumber:
        raise trace.refuse(
            "a Python int that a loop or branch changes is not built yet",
            "use a NumPy scalar such as np.int64(0), or a loop index", "E051",
        )  # fmt: skip
    return Kind(TracedArray if type(value) is TracedArray else TracedScalar)


def unwrap(trace: Trace, value: Any) -> Expr:
    """A carried value in the IR."""
    kind = kind_of(trace, value)
    return elements(trace, value) if kind.number is None else as_expr(trace, value, IR_TYPES[kind.number])


def for_loop(
    trace: Trace,
    lower: DimLike,
    upper: DimLike,
    step: int,
    carried: Carried,
    body: Callable[[Any, list[Any]], Carried],
    name: str = "i",
) -> list[Any]:
    """`for i in range(lower, upper, step)`: `body(i, carried)` gives the next carried values; the last are the result."""
    kinds, initial = _initial(trace, carried)
    first, last = (lower, upper) if step > 0 else (upper + 1, lower + 1)
    symbol = trace.bind_index(name, first, last)
    index = atom_dim(symbol)
    frame = trace.open(repeats=True)
    params = [frame.region.add_param(t) for t in (IndexType(index), *(e.value.type for e in initial))]
    try:
        given = [kind.wrap(trace, p) for kind, p in zip(kinds, params[1:], strict=True)]
        yielded = _yielded(trace, kinds, initial, body(size_number(trace, index), given))
    finally:
        ends = trace.close(frame)
        trace.release_index(symbol)
    written = _written(frame.start, ends)
    region = _finish(frame, params, written, [*yielded, *(ends[s] for s in written)])
    limits = [trace.emit("dim", [], {"dim": d}) for d in (lower, upper, step)]
    operands = [*limits, *(e.value for e in initial), *(trace.current_value(s) for s in written)]
    results = trace.emit_op("for", operands, {"kind": "serial"}, [region]).results
    return _results(trace, kinds, written, results)


def while_loop(
    trace: Trace, carried: Carried, condition: Callable[[list[Any]], Any], body: Callable[[list[Any]], Carried]
) -> list[Any]:
    """While `condition(carried)` holds, `body(carried)` gives the next carried values."""
    kinds, initial = _initial(trace, carried)
    types = [e.value.type for e in initial]

    def run(part: Callable[[list[Any]], Sequence[Expr]]) -> tuple[Frame, list[Value], list[Value], dict[Storage, Value]]:
        frame = trace.open(repeats=True)
        params = [frame.region.add_param(t) for t in types]
        try:
            given = [kind.wrap(trace, p) for kind, p in zip(kinds, params, strict=True)]
            return frame, params, [e.value for e in part(given)], (ends := trace.close(frame))
        except BaseException:
            if trace.is_open(frame.region):
                trace.close(frame)
            raise
        finally:
            del frame

    tested = run(lambda given: [_condition(trace, condition(given))])
    ran = run(lambda given: [trace.expr(v) for v in _yielded(trace, kinds, initial, body(given))])
    if _written(tested[0].start, tested[3]):
        raise trace.refuse("the condition of a loop writes an array", "write it in the body", "E050")
    written = _written(ran[0].start, ran[3])
    regions = [
        _finish(tested[0], tested[1], written, tested[2]),
        _finish(ran[0], ran[1], written, [*ran[2], *(ran[3][s] for s in written)]),
    ]
    operands = [*(e.value for e in initial), *(trace.current_value(s) for s in written)]
    results = trace.emit_op("while", operands, {}, regions).results
    return _results(trace, kinds, written, results)


def branch(
    trace: Trace, condition: Any, then: Callable[[], Carried], otherwise: Callable[[], Carried]
) -> list[Any]:
    """One of two bodies, which give values of the same types."""
    test = _condition(trace, condition)
    sides = [_run_side(trace, side) for side in (then, otherwise)]
    (_, left, ends_left), (_, right, ends_right) = sides
    kinds = [kind_of(trace, v) for v in left[0]]
    if kinds != [kind_of(trace, v) for v in right[0]] or [v.type for v in left[1]] != [v.type for v in right[1]]:
        raise _different(trace, [v.type for v in left[1]], [v.type for v in right[1]])
    written = _written({s: s.value for s in (*ends_left, *ends_right)}, ends_left)
    written += [s for s in _written({s: s.value for s in ends_right}, ends_right) if s not in written]
    regions: list[Region] = []
    for frame, values, ends in sides:
        regions.append(_finish(frame, [], [], [*values[1], *(ends.get(s, s.value) for s in written)]))
    results = trace.emit_op("if", [test.value], {}, regions).results
    return _results(trace, kinds, written, results)


def _run_side(
    trace: Trace, side: Callable[[], Carried]
) -> tuple[Frame, tuple[Carried, list[Value]], dict[Storage, Value]]:
    frame = trace.open(repeats=False)
    try:
        values = side()
        yielded = [unwrap(trace, v).value for v in values]
    finally:
        ends = trace.close(frame)
    return frame, (values, yielded), ends


def _initial(trace: Trace, carried: Carried) -> tuple[list[Kind], list[Expr]]:
    return [kind_of(trace, v) for v in carried], [unwrap(trace, v) for v in carried]


def _condition(trace: Trace, value: Any) -> Expr:
    """The truth of a scalar."""
    expr = as_expr(trace, value, BOOL) if type(value) in (bool, TracedNumber) else elements(trace, value)
    if expr.type.dtype != BOOL:
        expr = expr.ne(0)
    return expr


def _yielded(trace: Trace, kinds: list[Kind], initial: list[Expr], values: Carried) -> list[Value]:
    """The values at the end of a body, which must have the types that they began with."""
    found = [unwrap(trace, v).value for v in values]
    expected = [e.value.type for e in initial]
    if [kind_of(trace, v) for v in values] != kinds or [v.type for v in found] != expected:
        raise _different(trace, expected, [v.type for v in found])
    return found


def _different(trace: Trace, first: list[Type], second: list[Type]) -> Exception:
    error = trace.refuse(
        "a value has different types where paths join", "convert it with astype or np.float64(...) on one path", "E061"
    )
    error.facts = (Fact("before", ", ".join(map(str, first))), Fact("after", ", ".join(map(str, second))))
    return error


def _written(start: dict[Storage, Value], ends: dict[Storage, Value]) -> list[Storage]:
    """The storages whose value at the end is not that of the start."""
    return [s for s, value in ends.items() if s in start and value is not start[s]]


def _finish(frame: Frame, params: list[Value], written: list[Storage], yielded: list[Value]) -> Region:
    """The region with a parameter for each written storage; other provisional values become those from before."""
    region = Region()
    cloner = Cloner()
    for param in params:
        cloner.values[param] = region.add_param(param.type, param.name)
    for storage in written:
        param = region.add_param(storage.type, storage.name)
        if storage in frame.start:
            cloner.values[frame.start[storage]] = param
    for storage, value in frame.start.items():
        if storage not in written:
            cloner.values[value] = frame.before[storage]
    builder = Builder(region, frame.region.ops[-1].locations if frame.region.ops else ())
    cloner.ops(frame.region, builder, terminator=True)
    builder.emit("yield", [cloner.value(v) for v in yielded])
    return region


def _results(trace: Trace, kinds: list[Kind], written: list[Storage], results: Sequence[Value]) -> list[Any]:
    """Give written storages their new values, and the carried values as the user has them."""
    for storage, value in zip(written, results[len(kinds) :], strict=True):
        trace.set_value(storage, value)
    return [kind.wrap(trace, v) for kind, v in zip(kinds, results, strict=False)]
