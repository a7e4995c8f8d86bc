"""The derivative of a loop that keeps only some of its states: of every `while`, and of `for` under `remat`.

The forward part counts iterations. The way back visits them last first; the state before each is computed
again from the nearest one that is kept. A fixed number of places for states is used by the binomial schedule,
which is the best there is: with s places, C(s + r, r) iterations are each computed again at most r times. So
the memory has a bound that is known when a program starts, whatever the data say, and a program needs no
memory that grows: it is deterministic and can be exported.
Source: Griewank and Walther 2000, "Revolve".
Not here: loops that keep what they need of each iteration (`loops.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from weft.compiler.autodiff.flow import carried_from, carried_params
from weft.compiler.autodiff.loops import Pulled, limit_of, pulled_body, put, take, trip_count
from weft.compiler.autodiff.residuals import room_of, without_checks, without_zeros
from weft.ir import Builder, Expr, IndexType, Op, Region, TensorType, Value
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, Symbol, as_symbol, atom_dim
from weft.ir.expr import select
from weft.ir.rewrite import Cloner, fresh_name
from weft.ir.types import I64

if TYPE_CHECKING:
    from weft.compiler.autodiff.reverse import Reverse

FEWEST, MOST, ROOM = 32, 4096, 1 << 20
"""Places for states: as many as lie in so many bytes, within limits. Under `remat` the fewest."""

_NUMBER = TensorType(I64)


@dataclass(frozen=True, slots=True)
class _Saved:
    """The loop with its way back, its body in new values, and how often it ran (None: a `for` knows)."""

    pulled: Pulled
    body: Region
    count: Value | None


def forward(way: Reverse, op: Op) -> None:
    """Write the loop; a `while` counts its iterations."""
    body = way.cloner.region(op.regions[-1])
    operands = [way.cloner.value(v) for v in op.operands]
    count = None
    if op.name == "for":
        new = way.builder.emit("for", operands, op.attributes, [Cloner().region(body)])
    else:
        condition, repeated = way.cloner.region(op.regions[0]), Cloner().region(body)
        condition.add_param(_NUMBER)
        before = repeated.add_param(_NUMBER)
        end = repeated.ops.pop()
        inside = Builder(repeated, op.locations)
        inside.emit("yield", [*end.operands, (inside.expr(before) + 1).value])
        zero = way.builder.constant(0, _NUMBER)
        new = way.builder.emit("while", [*operands, zero.value], op.attributes, [condition, repeated])
        count = new.results[-1]
    pulled = pulled_body(way, op)
    way.cloner.set(op.results, new.results[: len(op.results)])
    way.saved[op] = _Saved(pulled, body, count)


def backward(way: Reverse, op: Op) -> None:
    """Write the loop of the way back, and in it that which computes states again."""
    saved = way.saved[op]
    assert isinstance(saved, _Saved)
    pulled, b = saved.pulled, way.builder
    states = [way.cloner.value(v) for v in op.operands[carried_from(op) :]]
    room = sum(room_of(v.type) for v in states if isinstance(v.type, TensorType))
    places = FEWEST if op.attributes.get("remat") else min(max(ROOM // max(room, 1), FEWEST), MOST)
    steps = _Steps(way, op, saved.body, pulled, places)
    kept = [_first(b, v, places) for v in states]
    seeds = [way.cotangent(op.results[k]).value for k in pulled.carried]
    seeds += [way.cotangent(v).value for v in pulled.outer]
    none = b.constant(0, _NUMBER)
    numbers = b.broadcast(none, (places,))
    count = steps.count(b) if saved.count is None else b.expr(saved.count)
    initial = [(count - 1).value, none.value, numbers.value, *kept, *seeds]
    results = _while(b, initial, lambda inner, v: inner.expr(v[0]).ge(0), steps.back)
    found = [b.expr(v) for v in results[3 + len(kept) :]]
    for value, cotangent in zip(pulled.outer, found[len(pulled.carried) :], strict=True):
        way.set(value, cotangent)
    for k, cotangent in zip(pulled.carried, found[: len(pulled.carried)], strict=True):
        way.add(op.operands[carried_from(op) + k], cotangent)


def _first(b: Builder, state: Value, places: int) -> Value:
    """Places for a value of the state, the first holding the one at the beginning."""
    ty = state.type
    assert isinstance(ty, TensorType)
    empty = b.full_like(TensorType(ty.dtype, (places, *ty.shape)), 0, ty.dtype)
    return put(b, empty.value, state, 0)


def _while(
    b: Builder,
    initial: Sequence[Value],
    goes: Callable[[Builder, Sequence[Value]], Expr],
    body: Callable[[Builder, Sequence[Value]], Sequence[Value]],
) -> Sequence[Value]:
    """A `while` of the tensor level."""
    condition, repeated = (Region([v.type for v in initial]) for _ in range(2))
    inside = b.inside(condition)
    inside.emit("yield", [goes(inside, condition.params).value])
    inside = b.inside(repeated)
    inside.emit("yield", body(inside, repeated.params))
    return b.emit("while", initial, {}, [condition, repeated]).results


class _Steps:
    """The parts of the way back of one loop."""

    def __init__(self, way: Reverse, op: Op, body: Region, pulled: Pulled, places: int) -> None:
        self.way, self.op, self.body, self.pulled, self.places = way, op, body, pulled, places
        self.width = len(carried_params(op))

    def count(self, b: Builder) -> Expr:
        """How often a `for` runs."""
        dim = trip_count(*(limit_of(self.op, k) for k in range(3)))
        return b.expr(b.emit("from_index", b.emit("dim", (), {"dim": dim}).results).result)

    def back(self, b: Builder, values: Sequence[Value]) -> Sequence[Value]:
        """One iteration of the way back.

        Values: the iteration to be visited, the last place that is used, the iteration that each place
        holds the state before, the places, and cotangents.
        """
        t, width = b.expr(values[0]), self.width
        place = self._place(b, b.expr(values[1]))
        state = [take(b, v, _without_places(v), place) for v in values[3 : 3 + width]]
        start = take(b, values[2], _NUMBER, place)
        moved = _while(
            b,
            [start, *values[1 : 3 + width], *state],
            lambda inner, v: inner.expr(v[0]).lt(inner.expr(t.value)),
            lambda inner, v: self._approach(inner, inner.expr(t.value), v),
        )
        top, numbers = b.expr(moved[1]), moved[2]
        cotangents = self._pull(b, t, moved[3 + width :], values[3 + width :])
        here = b.expr(take(b, numbers, _NUMBER, self._place(b, top)))
        last = select(here.eq(t), top - 1, top)
        return [(t - 1).value, last.value, *moved[2 : 3 + width], *cotangents]

    def _approach(self, b: Builder, t: Expr, values: Sequence[Value]) -> Sequence[Value]:
        """Go on from a state toward that before iteration t, and keep the one that is reached on the way."""
        position, top, numbers, rest = b.expr(values[0]), b.expr(values[1]), values[2], values[3:]
        goal = position + _stride(b, t - position, (self.places - 1) - top)
        reached = _while(
            b,
            [position.value, *rest[self.width :]],
            lambda inner, v: inner.expr(v[0]).lt(inner.expr(goal.value)),
            lambda inner, v: self._forward(inner, v),
        )
        state = reached[1:]

        def keep(inner: Builder) -> list[Expr]:
            following = inner.expr(top.value) + 1
            place = self._place(inner, following)
            kept = [
                put(inner, stack, v, place)
                for stack, v in zip((numbers, *rest), (goal.value, *state), strict=False)
            ]
            return [following, *(inner.expr(v) for v in kept)]

        def leave(inner: Builder) -> list[Expr]:
            return [inner.expr(v) for v in (top.value, numbers, *rest[: self.width])]

        kept = b.branch(goal.lt(t), keep, leave)
        return [goal.value, *(e.value for e in kept), *state]

    def _forward(self, b: Builder, values: Sequence[Value]) -> Sequence[Value]:
        """One iteration of the loop."""
        number = b.expr(values[0])
        cloner = self._cloner(b, self.body, number, values[1:])
        cloner.rule = without_checks
        for op in self.body.ops[:-1]:
            cloner.op(b, op)
        return [(number + 1).value, *cloner.operands(self.body.terminator)]

    def _pull(
        self, b: Builder, t: Expr, state: Sequence[Value], cotangents: Sequence[Value]
    ) -> Sequence[Value]:
        """The cotangents before an iteration, from those after it and the state before it."""
        region, split = self.pulled.region, self.pulled.split
        cloner = self._cloner(b, region, t, [*state, *cotangents])
        for number, op in enumerate(region.ops[:-1]):
            cloner.rule = without_checks if number < split else without_zeros
            cloner.op(b, op)
        return cloner.operands(region.terminator)

    def _cloner(self, b: Builder, region: Region, number: Expr, values: Sequence[Value]) -> Cloner:
        """Writes the ops of a region with parameters for those of iteration `number`."""
        dims: dict[str, DimLike] = {}
        params = region.params
        cloner = Cloner(taken=self.way.taken)
        if self.op.name == "for":
            ty = params[0].type
            symbol = as_symbol(ty.dim) if isinstance(ty, IndexType) else None
            assert symbol is not None
            lower, _, step = (limit_of(self.op, k) for k in range(3))
            assert isinstance(step, int)
            first = b.expr(b.emit("from_index", b.emit("dim", (), {"dim": lower}).results).result)
            index = atom_dim(Symbol(fresh_name(symbol.name, self.way.taken), symbol.lower, symbol.upper))
            cloner.values[params[0]] = b.emit(
                "to_index", [(number * step + first).value], {"dim": index, **self._bound()}
            ).result
            dims[symbol.name] = index
            params = params[1:]
        cloner.dims.update(dims)
        cloner.values.update(zip(params, values, strict=True))
        return cloner

    def _bound(self) -> dict[str, DimLike]:
        """The last index of a `for`, in what is known before it."""
        lower, upper, step = (limit_of(self.op, k) for k in range(3))
        assert isinstance(step, int)
        return {"bound": upper - 1 if step > 0 else lower}

    def _place(self, b: Builder, number: Expr) -> DimLike:
        """An integer as the index of a place."""
        place = atom_dim(Symbol(fresh_name("place", self.way.taken), 0, self.places - 1))
        b.emit("to_index", [number.value], {"dim": place, "bound": self.places - 1})
        return place


def _without_places(stack: Value) -> TensorType:
    ty = stack.type
    assert isinstance(ty, TensorType)
    return TensorType(ty.dtype, ty.shape[1:])


def _stride(b: Builder, left: Expr, free: Expr) -> Expr:
    """How far to go before the next state is kept, with so many iterations ahead and places free.

    With r the least number such that C(free + r, r) >= left, all but the C(free - 1 + r, r) last ones.
    """
    one = b.constant(1, _NUMBER)

    def goes(inner: Builder, v: Sequence[Value]) -> Expr:
        return inner.expr(v[1]).lt(inner.expr(left.value)) & inner.expr(free.value).gt(0)

    def grow(inner: Builder, v: Sequence[Value]) -> Sequence[Value]:
        repeats = inner.expr(v[0]) + 1
        reach = (inner.expr(v[1]) * (repeats + inner.expr(free.value))).apply("floor_divide", repeats)
        return [repeats.value, reach.value]

    repeats, reach = (b.expr(v) for v in _while(b, [(one - 1).value, one.value], goes, grow))
    rest = (reach * free).apply("floor_divide", free + repeats)
    return select(free.gt(0), (left - rest).apply("maximum", 1), left)
