"""The derivative of `for`: the way back is a loop in the opposite order.

What it needs of an iteration is written by the forward loop to stacks, one place for each iteration (in place
after bufferization). Cotangents of outer values that the body uses are carried and added to in place.
Not here: what is kept (`residuals.py`), `while` (`checkpoint.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from weft.compiler.autodiff.flow import carried_params
from weft.compiler.autodiff.residuals import Joint
from weft.ir import Builder, IndexType, Op, Region, TensorType, Value
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, Symbol, as_symbol, atom_dim, bounds, floor_divide, maximum
from weft.ir.rewrite import Cloner, fresh_name
from weft.ir.walk import free_values

if TYPE_CHECKING:
    from weft.compiler.autodiff.reverse import Reverse


@dataclass(frozen=True, slots=True)
class Pulled:
    """A loop's body with its way back in one region.

    Parameters of the region: those of the body, then cotangents of the carried values `carried` (their
    numbers), then those of the outer values `outer` so far. It yields the latter two.
    """

    region: Region
    split: int
    carried: list[int]
    outer: list[Value]


def pulled_body(way: Reverse, op: Op) -> Pulled:
    """Write the body of a loop and its way back, as a program of its own."""
    body, region = op.regions[-1], Region()
    params = carried_params(op)
    for param in body.params:
        way.cloner.set([param], [region.add_param(param.type, param.name)])
    inner = way.inside(body.ops[:-1], region)
    inner.run_forward()
    split = len(region.ops)
    carried = [k for k, p in enumerate(params) if way.flow.counts(p)]
    outer = [v for v in free_values(body) if way.flow.counts(v)]
    ends = body.terminator.operands
    seeds = [region.add_param(params[k].type) for k in carried]
    for value in outer:
        inner.set(value, inner.builder.expr(region.add_param(value.type)))
    for k, seed in zip(carried, seeds, strict=True):
        inner.add(ends[k], inner.builder.expr(seed))
    inner.run_backward()
    results = [inner.cotangent(v).value for v in (*(params[k] for k in carried), *outer)]
    inner.drop_unused(results)
    inner.builder.emit("yield", results)
    return Pulled(region, split, carried, outer)


@dataclass(frozen=True, slots=True)
class _Stack:
    """Memory of one value of each iteration; of a carried value (`carry`) also of that at the end.

    The value at the beginning of iteration i lies at i, one made in it too, or at i + 1 if it is carried.
    """

    value: Value
    carry: int | None
    type: TensorType


@dataclass(frozen=True, slots=True)
class _Saved:
    """What the forward part of a `for` leaves: the joint region, and where each kept value is."""

    pulled: Pulled
    joint: Joint
    places: dict[Value, tuple[Value, int]]  # a stack, and what to add to the iteration's number
    lower: DimLike
    step: DimLike
    count: DimLike


def trip_count(lower: DimLike, upper: DimLike, step: DimLike) -> DimLike:
    """How often a loop runs. The step is known."""
    assert isinstance(step, int)
    distance = upper - lower if step > 0 else lower - upper
    return maximum(floor_divide(distance + (abs(step) - 1), abs(step)), 0)


def limit_of(op: Op, number: int) -> DimLike:
    """The lower bound, upper bound or step of a `for`."""
    ty = op.operands[number].type
    assert isinstance(ty, IndexType)
    return ty.dim


def forward(way: Reverse, op: Op) -> None:
    """Write the loop, which fills the stacks."""
    lower, upper, step = (limit_of(op, k) for k in range(3))
    count = trip_count(lower, upper, step)
    pulled = pulled_body(way, op)
    body = op.regions[0]
    width = len(body.params)
    joint = Joint(pulled.region, pulled.split, pulled.region.params[:width], pulled.region.params[:1])
    joint.choose(at_ties=True)
    ends = [way.cloner.value(v) for v in body.terminator.operands]
    # of a loop that never runs the body is still a program: it needs a place
    stacks = _stacks(pulled.region.params[1:width], ends, list(joint.saved), 1 if count == 0 else count)
    initial = [way.cloner.value(v) for v in op.operands]
    empty = [way.builder.full_like(s.type, 0, s.type.dtype).value for s in stacks]
    begun = [
        e if s.carry is None else put(way.builder, e, initial[3 + s.carry], 0)
        for e, s in zip(empty, stacks, strict=True)
    ]
    region = Region()
    builder, cloner = Builder(region, op.locations), Cloner()
    for param in pulled.region.params[:width]:
        cloner.set([param], [region.add_param(param.type, param.name)])
    params = [region.add_param(s.type) for s in stacks]
    for one in joint.forward:
        cloner.op(builder, one)
    index = region.params[0].type
    assert isinstance(index, IndexType)
    place = floor_divide(index.dim - lower, step) if step != 1 else index.dim - lower
    filled = [
        put(builder, p, cloner.value(s.value), place + (s.carry is not None))
        for p, s in zip(params, stacks, strict=True)
    ]
    builder.emit("yield", [*(cloner.value(v) for v in ends), *filled])
    new = way.builder.emit("for", [*initial, *begun], op.attributes, [region])
    kept = len(op.results)
    way.cloner.set(op.results, new.results[:kept])
    places: dict[Value, tuple[Value, int]] = {}
    for stack, result in zip(stacks, new.results[kept:], strict=True):
        places[stack.value] = result, int(stack.carry is not None)
        if stack.carry is not None:
            places[pulled.region.params[1 + stack.carry]] = result, 0
    way.saved[op] = _Saved(pulled, joint, places, lower, step, count)


def _stacks(
    params: Sequence[Value], ends: Sequence[Value], saved: Sequence[Value], count: DimLike
) -> list[_Stack]:
    """The stacks of a loop: a carried value and the one that follows it share theirs."""
    stacks: list[_Stack] = []
    for value in saved:
        carry = params.index(value) if value in params else None
        behind = [k for k, end in enumerate(ends) if end is value and params[k] in saved]
        if carry is None and behind:
            continue
        assert isinstance(value.type, TensorType)
        length = count if carry is None else count + 1
        stacks.append(_Stack(value if carry is None else ends[carry], carry, _stacked(value.type, length)))
    return stacks


def _stacked(ty: TensorType, count: DimLike) -> TensorType:
    return TensorType(ty.dtype, (count, *ty.shape))


def put(builder: Builder, stack: Value, value: Value, place: DimLike) -> Value:
    """The stack with a value at its place."""
    ty = value.type
    assert isinstance(ty, TensorType)
    row = builder.reshape(builder.expr(value), (1, *ty.shape))
    facts = {"start": (place, *(0 for _ in ty.shape)), "step": (1,) * (1 + ty.rank)}
    return builder.emit("update", [stack, row.value], facts).result


def take(builder: Builder, stack: Value, ty: TensorType, place: DimLike) -> Value:
    """A value from its place in a stack."""
    facts = {
        "start": (place, *(0 for _ in ty.shape)), "size": (1, *ty.shape), "step": (1,) * (1 + ty.rank)
    }  # fmt: skip
    return builder.reshape(builder.expr(builder.emit("slice", [stack], facts).result), ty.shape).value


def backward(way: Reverse, op: Op) -> None:
    """Write the loop of the way back."""
    saved = way.saved[op]
    assert isinstance(saved, _Saved)
    pulled, joint, old = saved.pulled, saved.joint, saved.pulled.region
    width = len(op.regions[0].params)
    index_type = old.params[0].type
    symbol = as_symbol(index_type.dim) if isinstance(index_type, IndexType) else None
    assert symbol is not None
    most = bounds(saved.count)[1]
    place = atom_dim(
        Symbol(fresh_name(symbol.name, way.taken), 0, None if most is None else max(most - 1, 0))
    )
    region = Region([IndexType(place)], [symbol.name])
    builder = Builder(region, op.locations)
    index = saved.lower + place * saved.step
    cloner = Cloner(dims={symbol.name: index}, taken=way.taken)
    cloner.values[old.params[0]] = builder.emit("dim", (), {"dim": index}).result
    for param in old.params[width:]:
        cloner.set([param], [region.add_param(param.type)])
    for value in joint.saved:
        stack, offset = saved.places[value]
        assert isinstance(value.type, TensorType)
        cloner.values[value] = take(builder, stack, value.type, place + offset)
    joint.write_backward(cloner, builder)
    numbers = [way.builder.emit("dim", (), {"dim": d}).result for d in (saved.count - 1, -1, -1)]
    initial = [way.cotangent(op.results[k]).value for k in pulled.carried]
    initial += [way.cotangent(v).value for v in pulled.outer]
    results = [
        way.builder.expr(v)
        for v in way.builder.emit("for", [*numbers, *initial], op.attributes, [region]).results
    ]
    for value, cotangent in zip(pulled.outer, results[len(pulled.carried) :], strict=True):
        way.set(value, cotangent)
    for k, cotangent in zip(pulled.carried, results[: len(pulled.carried)], strict=True):
        way.add(op.operands[3 + k], cotangent)
