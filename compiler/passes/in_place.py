"""Pieces of in-place writing: what a fusion leaves where, parts computed aside, and how large they are.

Not here: whether writes may go over reads (`in_step.py`), decisions (`bufferize.py`). This file is no pass.
"""

from collections.abc import Collection, Mapping

from weft.ir import Builder, Op, Region, TensorType, Value
from weft.ir.dims import DimLike, decide, evaluate_dim, symbols_of
from weft.ir.rewrite import Cloner
from weft.ir.rules import shape_attribute
from weft.ir.walk import dims_of_attribute, dims_of_type, uses

GUESS = 1000
"""A size for a symbol where only proportions matter."""


def is_large_part(part: DimLike, whole: DimLike) -> bool:
    """Whether a part is a good piece of the whole, at a guess."""
    names = {s.name: GUESS for d in (part, whole) for s in symbols_of(d)}
    return 4 * evaluate_dim(part, names) >= evaluate_dim(whole, names)


def is_one_place(update: Op, symbols: Collection[str]) -> bool:
    """Whether an update writes the same elements whenever it runs: its place is made of these symbols."""
    dims = [d for a in update.attributes.values() for d in dims_of_attribute(a)]
    dims += dims_of_type(update.operands[1].type)
    return all(s.name in symbols for d in dims for s in symbols_of(d))


def is_row_by_row(update: Op, index: DimLike, lower: DimLike, upper: DimLike) -> bool:
    """Whether an update in a loop with an index from `lower` to `upper` writes row after row, all of them."""
    whole, part = (v.type for v in update.operands)
    assert isinstance(whole, TensorType)
    assert isinstance(part, TensorType)
    (first, *others), steps = shape_attribute(update.attributes, "start"), update.attributes["step"]
    return (
        part.shape == (1, *whole.shape[1:])
        and all(start == 0 for start in others)
        and steps == (1,) * whole.rank
        and lower + (first - index) == 0
        and upper + (first - index) == whole.shape[0]
    )


def _extent(update: Op) -> list[tuple[DimLike, DimLike, bool]]:
    """First and last index of what an update writes along each axis, and whether that is all between."""
    part = update.operands[1].type
    assert isinstance(part, TensorType)
    start, step = (shape_attribute(update.attributes, k) for k in ("start", "step"))
    ends = [(a, a + (n - 1) * s, s) for a, n, s in zip(start, part.shape, step, strict=True)]
    return [(a, b, s in (1, -1)) if decide(s, ">", 0) is True else (b, a, s in (1, -1)) for a, b, s in ends]


def are_apart(one: Op, other: Op) -> bool:
    """Whether two updates write no element in common."""
    return any(
        decide(b, "<", c) is True or decide(d, "<", a) is True
        for (a, b, _), (c, d, _) in zip(_extent(one), _extent(other), strict=True)
    )


def is_within(one: Op, other: Op) -> bool:
    """Whether an update writes only elements that another writes."""
    return all(
        dense and decide(a, ">=", c) is True and decide(b, "<=", d) is True
        for (a, b, _), (c, d, dense) in zip(_extent(one), _extent(other), strict=True)
    )


def is_only_updated(reader: Op, number: int) -> bool:
    """Whether a kernel does nothing with an operand but write over a part of it."""
    if reader.name != "fusion":
        return False
    inner = uses(reader.regions[0]).get(reader.regions[0].params[number], [])
    return all(op.name == "update" and place == 0 for op, place in inner)


def returning_parts(region: Region, numbers: Mapping[int, Value]) -> Region:
    """The same ops, but these results are the parts instead of the updated wholes."""
    new = Region([p.type for p in region.params], [p.name for p in region.params])
    cloner = Cloner(dict(zip(region.params, new.params, strict=True)))
    cloner.ops(region, Builder(new), terminator=False)
    results = [
        v.op.operands[1] if k in numbers and v.op is not None else v
        for k, v in enumerate(region.terminator.operands)
    ]
    Builder(new).emit("return", [cloner.value(v) for v in results])
    return new


def value_before(value: Value) -> Value:
    """The value in whose memory an in-place fusion leaves `value`; that itself if there is none."""
    op = value.op
    if op is None or op.name != "fusion":
        return value
    partial = op.attributes.get("in_place", ())
    assert isinstance(partial, tuple)
    inner = op.regions[0].terminator.operands[value.index].op
    if (value.index not in partial and op.attributes["schedule"] != "scatter") or inner is None:
        return value
    old = inner.operands[0]
    return op.operands[old.index] if isinstance(old.owner, Region) else value
