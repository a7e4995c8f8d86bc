"""Pieces of in-place writing: what a fusion leaves where, parts computed aside, and how large they are.

Not here: whether writes may go over reads (`in_step.py`), decisions (`bufferize.py`). This file is no pass.
"""

from collections.abc import Collection, Mapping

from weft.ir import Builder, Op, Region, Value
from weft.ir.dims import DimLike, evaluate_dim, symbols_of
from weft.ir.rewrite import Cloner
from weft.ir.walk import dims_of_attribute, dims_of_type

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
