"""The pass `trim`: what loops and branches hand on and no one needs.

A carried value is needed if its result is, or if the body needs what it was; loops hand on more than that
since memory that iterations exchange (`bufferize.py`) becomes two scalars, of which the program reads one.
Loop level to loop level. Not here: other dead ops (`ir/rewrite.py`).
"""

from collections.abc import Iterator, Sequence

from weft.compiler.passes.promote_scalars import outside_kernels
from weft.ir import Builder, Func, Op, Region, Value
from weft.ir.rewrite import Cloner
from weft.ir.walk import has_effect, walk

_FIRST = {"for": 3, "while": 0, "if": 1}
"""Where operands begin that regions take as parameters."""


def trim(fn: Func) -> Func:
    """The program whose loops and branches hand on what is needed."""
    structures = [op for op in outside_kernels(fn.body) if op.name in _FIRST and op.results]
    if not structures:
        return fn
    needed = _needed(fn)
    kept = {op: _kept(op, needed) for op in structures}
    if all(len(places) == len(op.results) for op, places in kept.items()):
        return fn
    return _Trim(kept, needed).cloner.function(fn)


def _params(op: Op, place: int) -> Iterator[Value]:
    """The parameters of regions for a carried value; a `for` has its index before them."""
    if op.name != "if":
        yield from (r.params[place + (op.name == "for")] for r in op.regions)


def _ends(op: Op) -> Sequence[Region]:
    """Regions whose last op hands values on; the condition of a `while` ends with its answer."""
    return op.regions[1:] if op.name == "while" else op.regions


def _kept(op: Op, needed: set[Value]) -> list[int]:
    """Which of its results are needed, or their parameters."""
    return [k for k, r in enumerate(op.results) if r in needed or any(p in needed for p in _params(op, k))]


def _needed(fn: Func) -> set[Value]:
    """The values that effects hang on, at last."""
    needed: set[Value] = set()
    before = -1
    while len(needed) > before:
        before = len(needed)
        _mark(fn.body, needed)
    return needed


def _mark(region: Region, needed: set[Value]) -> None:
    """Add what is needed for what is already."""
    for op in reversed(region.ops):
        if op.name in _FIRST:
            first = _FIRST[op.name]
            needed.update(op.operands[:first])
            for k in _kept(op, needed):
                needed.update(op.operands[first + k : first + k + 1])
                needed.update(r.terminator.operands[k] for r in _ends(op))
            if op.name == "while":
                needed.update(op.regions[0].terminator.operands)
            for inner in op.regions:
                _mark(inner, needed)
        elif op.name != "yield" and (
            has_effect(op) or not op.results or any(r in needed for r in op.results)
        ):
            needed.update(op.operands)
            needed.update(v for inner in op.regions for o in walk(inner) for v in o.operands)


class _Trim:
    """Writes the program with fewer carried values, and without the ops that only those needed."""

    def __init__(self, kept: dict[Op, list[int]], needed: set[Value]) -> None:
        self.kept = kept
        self.needed = needed
        self.cloner = Cloner(rule=self.visit)

    def visit(self, builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        """What stands for structure that hands on too much: its results, those of others being nothing."""
        if op.name == "kernel":
            return Cloner(self.cloner.values).copy(builder.region, op, operands).results
        kept = self.kept.get(op)
        if (
            kept is None
            and op.results
            and not has_effect(op)
            and not any(r in self.needed for r in op.results)
        ):
            return op.results  # it may use what is no longer handed on
        if kept is None or len(kept) == len(op.results):
            return None
        first = _FIRST[op.name]
        carried = () if op.name == "if" else tuple(operands[first + k] for k in kept)
        types = [op.results[k].type for k in kept]
        regions = [self._region(op, region, kept) for region in op.regions]
        new = Op(op.name, (*operands[:first], *carried), types, op.attributes, regions, op.locations)
        builder.region.ops.append(new)
        left = iter(new.results)
        return [next(left) if k in kept else r for k, r in enumerate(op.results)]

    def _region(self, op: Op, old: Region, kept: Sequence[int]) -> Region:
        """A region that takes and ends with what is kept."""
        first = int(op.name == "for")
        params = [*old.params[:first], *(old.params[first + k] for k in kept)] if op.name != "if" else []
        new = Region([p.type for p in params], [p.name for p in params])
        self.cloner.values.update(zip(params, new.params, strict=True))
        inside = Builder(new)
        self.cloner.ops(old, inside, terminator=False)
        ends = self.cloner.operands(old.terminator)
        is_condition = op.name == "while" and old is op.regions[0]
        inside.emit("yield", ends if is_condition else [ends[k] for k in kept])
        return new
