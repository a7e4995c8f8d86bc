"""The pass `interchange`: a loop over whole tensors that works element by element becomes one `each` op.

    for i: x = f(x, a)      each element of x runs its own loop, its values in registers

Loops qualify whose body computes every element from the elements at the same place and from numbers: a
`for`, or a `while` that asks with one `any` or `all` whether a lane goes on, if a lane that could stop is not
changed by the iterations that others still need (`compiler/lanes.py` proves it). A `break` under such a
question is part of the condition. Not here: the loops of lanes (`schedule/each.py`).
"""

from collections.abc import Mapping, Sequence

from weft.compiler.lanes import (
    FALSE,
    TRUE,
    Frozen,
    LaneLoop,
    Numbering,
    Shape,
    Vote,
    conjuncts,
    vote_of,
    whole,
)
from weft.ir import Builder, Func, IndexType, Op, Region, TensorType, Value, record
from weft.ir.dims import DimLike, as_symbol, symbols_of
from weft.ir.opdef import Scalar
from weft.ir.rewrite import Cloner
from weft.ir.walk import dims_of_attribute, dims_of_type, free_values, uses, walk

MAX_OPS = 300
"""Of a body: more would not stay in registers."""


def interchange(fn: Func) -> Func:
    """The program with its elementwise loops turned inside out."""
    if not any(op.name in ("for", "while") for op in walk(fn)):
        return fn
    return _Interchange(uses(fn)).cloner.function(fn)


class _Interchange:
    """Asks for each loop, an outer one first."""

    def __init__(self, used: Mapping[Value, Sequence[object]]) -> None:
        self.used = used
        self.cloner = Cloner(rule=self.visit)

    def visit(self, builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        """What stands for a loop that qualifies."""
        if op.name == "each":
            return Cloner().copy(builder.region, op, operands).results
        space = _space(op) if op.name in ("for", "while") else None
        if space is None:
            return None
        if any(self.used.get(r) and not _has_shape(r, space) for r in op.results):
            return None  # a number that depends on when all lanes have stopped
        loop = _joined(op, space)
        if loop is None or not _qualifies(LaneLoop(loop, space)):
            return None
        return self._close(builder, op, loop, space)

    def _close(self, builder: Builder, op: Op, loop: Op, space: Shape) -> Sequence[Value]:
        """Write the `each` op: the loop, with a parameter for every tensor from outside."""
        region = Region()
        inside = Cloner()
        operands: list[Value] = []
        for value in dict.fromkeys([*loop.operands, *(v for r in loop.regions for v in free_values(r))]):
            if isinstance(value.type, IndexType):
                inside.values[value] = Builder(region).emit("dim", (), {"dim": value.type.dim}).result
            else:
                operands.append(self.cloner.value(value))
                inside.values[value] = region.add_param(value.type, value.name)
        inside.op(Builder(region), loop)
        kept = [k for k, r in enumerate(op.results) if _has_shape(r, space)]
        Builder(region).emit("yield", [inside.value(loop.results[k]) for k in kept])
        results: list[Value] = list(op.results)  # numbers among them have no readers
        for k, new in zip(kept, builder.emit("each", operands, {}, [region]).results, strict=True):
            results[k] = new
        return results


def _space(op: Op) -> Shape | None:
    """The one shape of what a loop carries, numbers aside."""
    carried = op.operands[3 if op.name == "for" else 0 :]
    if not all(isinstance(v.type, TensorType) for v in carried):
        return None
    shapes = {v.type.shape for v in carried if isinstance(v.type, TensorType) and v.type.shape}
    step = op.operands[2].type if op.name == "for" else None
    if len(shapes) != 1 or (isinstance(step, IndexType) and not isinstance(step.dim, int)):
        return None
    (space,) = shapes
    bound = {s.name for s in (as_symbol(d) for r in op.regions for d in _bound(r)) if s is not None}
    return None if bound & {s.name for d in space for s in symbols_of(d)} else space


def _bound(region: Region) -> list[DimLike]:
    """Symbols that a loop's body binds."""
    values = [*region.params, *(v for op in region.ops for v in op.results)]
    return [v.type.dim for v in values if isinstance(v.type, IndexType)]


def _has_shape(value: Value, space: Shape) -> bool:
    return isinstance(value.type, TensorType) and value.type.shape == space


# ---------------------------------------------------------------- break


def _joined(op: Op, space: Shape) -> Op | None:
    """The loop with a `break` under a question to all lanes made part of its flag; None for others."""
    if not any(inner.regions for region in op.regions for inner in region.ops):
        return op
    if any(inner.regions for inner in op.regions[0].ops) and op.name == "while":
        return None
    body, cloner = op.regions[-1], Cloner()
    new = Region()
    for param in body.params:
        cloner.values[param] = new.add_param(param.type, param.name)
    builder = Builder(new)
    for inner in body.ops:
        builder.locations = inner.locations
        if not inner.regions:
            cloner.op(builder, inner)
        elif inner.name != "if" or not _join(builder, inner, cloner, space):
            return None
    types = [r.type for r in op.results]
    return Op(op.name, op.operands, types, op.attributes, [*op.regions[:-1], new], op.locations)


def _join(builder: Builder, op: Op, cloner: Cloner, space: Shape) -> bool:
    """Write the side of an `if` where lanes go on, if the other keeps all as it is; whether that is so."""
    vote, turned = vote_of(op.operands[0]), False
    if vote is None and op.operands[0].op is not None and op.operands[0].op.name == "logical_not":
        vote, turned = vote_of(op.operands[0].op.operands[0]), True
    if vote is None:
        return False
    going, still = (op.regions[1], op.regions[0]) if turned else op.regions
    if any(o.name != "constant" for o in still.ops[:-1]) or any(o.regions for o in going.ops):
        return False
    cloner.ops(still, builder, terminator=False)
    cloner.ops(going, builder, terminator=False)
    ends: list[Value] = []
    for result, new, old in zip(
        op.results, going.terminator.operands, still.terminator.operands, strict=True
    ):
        new, old = cloner.value(new), cloner.value(old)
        if _has_shape(result, space):
            if not _is_kept(cloner, vote, new, old):
                return False
            ends.append(new)
        elif new is old:
            ends.append(new)
        elif not _has_shape(result, ()):
            return False
        else:
            holds = cloner.value(op.operands[0])
            first, second = (old, new) if turned else (new, old)
            ends.append(builder.emit("select", [holds, first, second]).result)
    cloner.set(op.results, ends)
    return True


def _is_kept(cloner: Cloner, vote: Vote, new: Value, old: Value) -> bool:
    """Whether a lane that does not go on has the same element on both sides."""
    inside = {v for v in cloner.values.values() if v.op is not None}
    numbering = Numbering({})
    mask = numbering.key(cloner.value(vote.mask), inside)
    frozen = Frozen(numbering, inside, {mask: FALSE if vote.expected else TRUE})
    return frozen.value(new) == frozen.value(old)


# ---------------------------------------------------------------- conditions


def _qualifies(loop: LaneLoop) -> bool:
    """Whether the lanes of a loop may run by themselves."""
    op = loop.op
    if sum(len(region.ops) for region in op.regions) > MAX_OPS or not any(map(loop.is_lane, loop.params)):
        return False
    direct = _asked(loop)
    for o in (o for region in op.regions for o in region.ops if o.name in ("any", "all")):
        name = None if direct is None else "any" if direct.expected else "all"
        if direct is None or o.name != name or whole(o.operands[0]) is not direct.mask:
            return False
    if direct is not None and not loop.stops(direct.mask, expected=direct.expected):
        return False
    voting = _voting(loop)
    return all(_is_allowed(o, loop, voting) for region in op.regions for o in region.ops[:-1])


def _asked(loop: LaneLoop) -> Vote | None:
    """The one question on which a `while` goes on only if the answer is yes."""
    if loop.op.name == "for":
        return None
    condition = loop.op.regions[0]
    for part in conjuncts(condition.terminator.operands[0]):
        vote = vote_of(part)
        if vote is not None:
            return vote
        flag = part.op.operands[0] if part.op is not None and part.op.name == "logical_not" else None
        if flag is not None and flag in condition.params:
            vote = _stops_by(loop.yields[flag.index])
            if vote is not None:
                return vote
    return None


def _stops_by(flag: Value) -> Vote | None:
    """The question for which a flag becomes true when the answer is no."""
    op = flag.op
    if op is None:
        return None
    if op.name == "logical_not":
        return vote_of(op.operands[0])
    if op.name == "select" and _truth(op.operands[1]) is True:
        return _stops_by(op.operands[0])
    if op.name == "select" and _truth(op.operands[2]) is True:
        return vote_of(op.operands[0])
    return None


def _truth(value: Value) -> bool | None:
    op = value.op
    return bool(op.attributes["value"]) if op is not None and op.name == "constant" else None


def _voting(loop: LaneLoop) -> set[Value]:
    """Numbers that depend on what lanes answer."""
    found: set[Value] = set()
    while True:
        size = len(found)
        for region in loop.op.regions:
            for o in region.ops:
                if o.name in ("any", "all") or any(v in found for v in o.operands):
                    found.update(o.results)
        for region in loop.op.regions:
            skip = len(region.params) - len(loop.params)
            found.update(region.params[skip + k] for k, end in enumerate(loop.yields) if end in found)
        if len(found) == size:
            return found


def _is_allowed(op: Op, loop: LaneLoop, voting: set[Value]) -> bool:
    """Whether an op of the body computes elements from those at their place, or numbers."""
    if op.name == "to_index":
        return _binds_counter(op, loop)
    if op.name in ("any", "all"):
        mask = whole(op.operands[0])
        return mask is not None and loop.is_lane(mask)
    if op.name == "reshape":
        return _only_votes(op, loop)
    if len(op.results) != 1:
        return False
    result = op.results[0]
    if op.name == "constant":
        return isinstance(result.type, TensorType) and result.type.shape == ()
    if op.name in ("dim", "from_index"):
        return True
    if record(op).has("can_fail") or record(op).has("effect"):
        return False
    if op.name == "broadcast":
        source = op.operands[0]
        return loop.is_lane(result) and source not in voting and _is_number(source)
    if not isinstance(record(op).form, Scalar) or op.regions:
        return False
    return all(loop.is_lane(v) for v in (*op.operands, result)) or all(
        map(_is_number, (*op.operands, result))
    )


def _only_votes(op: Op, loop: LaneLoop) -> bool:
    """Whether a reshape only flattens a mask for a question."""
    readers = [o for region in loop.op.regions for o in region.ops if op.result in o.operands]
    return all(o.name in ("any", "all") for o in readers)


def _is_number(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.shape == ()


def _binds_counter(op: Op, loop: LaneLoop) -> bool:
    """Whether an index is used as a number alone."""
    symbol = as_symbol(op.attributes["dim"])  # pyright: ignore[reportArgumentType] -- a size
    if symbol is None:
        return False
    for inner in walk(loop.body):
        if inner.name in ("to_index", "dim", "from_index"):
            continue
        dims = [d for v in inner.results for d in dims_of_type(v.type)]
        dims += [d for a in inner.attributes.values() for d in dims_of_attribute(a)]
        if any(s.name == symbol.name for d in dims for s in symbols_of(d)):
            return False
    return True
