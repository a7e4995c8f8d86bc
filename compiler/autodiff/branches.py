"""The derivative of `if`: the way back is an `if` on the same condition.

What a branch keeps for it becomes further results, zeros from the other branch.
Not here: what is kept (`residuals.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.compiler.autodiff.residuals import Joint, room_of
from weft.ir import Builder, Op, Region, TensorType, Value
from weft.ir.dataclass import dataclass
from weft.ir.rewrite import Cloner
from weft.ir.walk import free_values

if TYPE_CHECKING:
    from weft.compiler.autodiff.reverse import Reverse


@dataclass(frozen=True, slots=True)
class _Side:
    """One branch and its way back in one region, whose parameters are cotangents: of results, of `outer`."""

    region: Region
    joint: Joint
    ends: list[Value]


@dataclass(frozen=True, slots=True)
class _Saved:
    sides: list[_Side]
    results: list[int]  # those that have cotangents
    outer: list[Value]
    kept: list[dict[Value, Value]]  # of each side: what a value of its region is after the branch


def forward(way: Reverse, op: Op) -> None:
    """Write the branch, extended by what its ways back keep."""
    results = [k for k, r in enumerate(op.results) if way.flow.counts(r)]
    used = dict.fromkeys(v for region in op.regions for v in free_values(region))
    outer = [v for v in used if way.flow.counts(v)]
    sides = [_side(way, op, number, results, outer) for number in range(2)]
    types, places = _share([list(side.joint.saved) for side in sides])
    regions: list[Region] = []
    for side, place in zip(sides, places, strict=True):
        region = Region()
        builder, cloner = Builder(region, op.locations), Cloner()
        for one in side.joint.forward:
            cloner.op(builder, one)
        kept = {place[v]: cloner.value(v) for v in side.joint.saved}
        more = [
            kept[k] if k in kept else builder.full_like(ty, 0, ty.dtype).value for k, ty in enumerate(types)
        ]
        builder.emit("yield", [*(cloner.value(v) for v in side.ends), *more])
        regions.append(region)
    new = way.builder.emit("if", [way.cloner.value(v) for v in op.operands], op.attributes, regions)
    way.cloner.set(op.results, new.results[: len(op.results)])
    extra = new.results[len(op.results) :]
    kept_in = [{value: extra[k] for value, k in place.items()} for place in places]
    way.saved[op] = _Saved(sides, results, outer, kept_in)


def _share(saved: list[list[Value]]) -> tuple[list[TensorType], list[dict[Value, int]]]:
    """Results for what the branches keep, shared by type; of each branch the number of each value."""
    types: list[TensorType] = []
    places: list[dict[Value, int]] = []
    for values in saved:
        place: dict[Value, int] = {}
        for value in values:
            ty = value.type
            assert isinstance(ty, TensorType)
            free = [k for k, other in enumerate(types) if other == ty and k not in place.values()]
            if not free:
                types.append(ty)
            place[value] = free[0] if free else len(types) - 1
        places.append(place)
    return types, places


def _side(way: Reverse, op: Op, number: int, results: list[int], outer: list[Value]) -> _Side:
    body, region = op.regions[number], Region()
    inner = way.inside(body.ops[:-1], region)
    inner.run_forward()
    split = len(region.ops)
    seeds = [inner.builder.expr(region.add_param(op.results[k].type)) for k in results]
    for value in outer:
        inner.set(value, inner.builder.expr(region.add_param(value.type)))
    ends = body.terminator.operands
    for k, seed in zip(results, seeds, strict=True):
        inner.add(ends[k], seed)
    inner.run_backward()
    found = [inner.cotangent(v).value for v in outer]
    inner.drop_unused(found)
    inner.builder.emit("yield", found)
    joint = Joint(region, split, ())
    # outside of loops what the branch reads is there anyway; in a loop using it means keeping it
    joint.choose(at_ties=False, outer_room=_room if way.depth else lambda _: 0)
    return _Side(region, joint, [way.cloner.value(v) for v in ends])


def _room(value: Value) -> int:
    return room_of(value.type) if isinstance(value.type, TensorType) else 0


def backward(way: Reverse, op: Op) -> None:
    """Write the branch of the way back."""
    saved = way.saved[op]
    assert isinstance(saved, _Saved)
    cotangents = [way.cotangent(op.results[k]).value for k in saved.results]
    cotangents += [way.cotangent(v).value for v in saved.outer]
    regions: list[Region] = []
    for side, kept in zip(saved.sides, saved.kept, strict=True):
        region = Region()
        cloner = Cloner({**kept, **dict(zip(side.region.params, cotangents, strict=True))}, taken=way.taken)
        side.joint.write_backward(cloner, Builder(region, op.locations))
        regions.append(region)
    new = way.builder.emit("if", [way.cloner.value(op.operands[0])], op.attributes, regions)
    for value, result in zip(saved.outer, new.results, strict=True):
        way.set(value, way.builder.expr(result))
