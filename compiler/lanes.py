"""What is known of a loop whose body works element by element: which loops are so, and when a lane may stop.

A lane that runs by itself leaves such a loop earlier or later than the others. That is right if a loop
that goes on does not change the elements of a lane that could stop; it is proved here by simplifying the body
under the assumption that the lane's part of the condition does not hold.
Not here: making the op (`passes/interchange.py`), writing its loops (`schedule/each.py`).
"""

from collections.abc import Hashable, Mapping, Sequence

from weft.compiler.passes.cse import freeze
from weft.ir import Op, TensorType, Value
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike
from weft.ir.types import BOOL, IndexType

Shape = tuple[DimLike, ...]
FALSE, TRUE, ZERO = "false", "true", "zero"
_AND, _OR, _NOT = ("bitwise_and", "logical_and"), ("bitwise_or", "logical_or"), ("logical_not", "invert")


@dataclass(frozen=True, slots=True)
class Vote:
    """A question to all lanes: whether `mask` holds in one (`expected`), or fails in one (not `expected`)."""

    mask: Value
    expected: bool


def vote_of(value: Value) -> Vote | None:
    """`any(mask)` or `not all(mask)` of a whole tensor."""
    op, expected = value.op, True
    if op is not None and op.name in _NOT:
        op, expected = op.operands[0].op, False
    if op is None or op.name != ("any" if expected else "all") or value.type != TensorType(BOOL, ()):
        return None
    mask = whole(op.operands[0])
    return None if mask is None else Vote(mask, expected)


def whole(value: Value) -> Value | None:
    """The tensor before it was flattened for a reduction over all of it; None if that reduces a part only."""
    if isinstance(value.type, TensorType) and len(value.type.shape) != 1:
        return None
    while value.op is not None and value.op.name == "reshape":
        value = value.op.operands[0]
    return value


def conjuncts(value: Value) -> list[Value]:
    """What `and` joins; in Python's form `a and b` is `b if a else a`."""
    op = value.op
    if op is not None and (op.name in _AND or (op.name == "select" and op.operands[2] is op.operands[0])):
        return [part for v in op.operands[:2] for part in conjuncts(v)]
    return [value]


class Numbering:
    """Keys of values: equal ones compute the same. `leaves` are values whose key is given."""

    def __init__(self, leaves: Mapping[Value, Hashable]) -> None:
        self.keys: dict[Value, Hashable] = dict(leaves)
        self.known: dict[Hashable, int] = {}

    def join(self, op: Op, operands: Sequence[Hashable]) -> Hashable:
        """The key of an op with these operands."""
        attributes = tuple((name, freeze(a)) for name, a in sorted(op.attributes.items()))
        return self.known.setdefault((op.name, attributes, tuple(operands)), len(self.known))

    def key(self, value: Value, inside: "set[Value]") -> Hashable:
        """The key of a value; one from outside of the loop stands for itself."""
        found = self.keys.get(value)
        if found is None:
            op = value.op
            if isinstance(value.type, IndexType):
                found = ("index", value.type.dim)
            elif value not in inside or op is None or op.regions or len(op.results) != 1:
                found = ("value", id(value))
            else:
                found = self.join(op, [self.key(v, inside) for v in op.operands])
            self.keys[value] = found
        return found


class Frozen:
    """The body of a loop under the assumption that some masks are false (or true) in a lane."""

    def __init__(self, numbering: Numbering, inside: set[Value], assumed: Mapping[Hashable, str]) -> None:
        self.numbering = numbering
        self.inside = inside
        self.assumed = dict(assumed)
        self.known: dict[Value, Hashable] = {}

    def value(self, value: Value) -> Hashable:
        """The key that stands for a value."""
        if value not in self.known:
            self.known[value] = self._simplify(value)
        return self.known[value]

    def _simplify(self, value: Value) -> Hashable:
        key = self.numbering.key(value, self.inside)
        if key in self.assumed:
            return self.assumed[key]
        op = value.op
        if op is None or value not in self.inside or op.regions or len(op.results) != 1:
            return key
        parts = [self.value(v) for v in op.operands]
        joined = _rule(op, parts) or self.numbering.join(op, parts)
        return self.assumed.get(joined, joined)


def _rule(op: Op, parts: Sequence[Hashable]) -> Hashable | None:
    """What an op gives whose operands are known in part; None if nothing is to be said."""
    is_integer = isinstance(op.results[0].type, TensorType) and op.results[0].type.dtype.kind in "iu"
    is_truth = isinstance(op.results[0].type, TensorType) and op.results[0].type.dtype == BOOL
    if op.name == "select" and parts[0] in (TRUE, FALSE):
        return parts[1] if parts[0] == TRUE else parts[2]
    if is_truth and op.name in _AND and FALSE in parts:
        return FALSE
    if is_truth and op.name in (*_AND, *_OR):
        neutral = TRUE if op.name in _AND else FALSE
        rest = [p for p in parts if p != neutral]
        return rest[0] if len(rest) == 1 else TRUE if TRUE in parts else None
    if is_truth and op.name in _NOT and parts[0] in (TRUE, FALSE):
        return FALSE if parts[0] == TRUE else TRUE
    if is_integer and op.name == "cast" and parts[0] == FALSE:
        return ZERO
    if is_integer and op.name in ("add", "subtract") and parts[1] == ZERO:
        return parts[0]
    if is_integer and op.name == "add" and parts[0] == ZERO:
        return parts[1]
    return ZERO if is_integer and op.name == "multiply" and ZERO in parts else None


class LaneLoop:
    """A `for` or `while` whose tensors have one shape or none, seen lane by lane."""

    def __init__(self, op: Op, space: Shape) -> None:
        self.op = op
        self.space = space
        self.skip = 1 if op.name == "for" else 0
        self.first = 3 if op.name == "for" else 0
        self.body = op.regions[-1]
        self.params = self.body.params[self.skip :]
        self.yields = self.body.terminator.operands
        self.initial = op.operands[self.first :]
        self.inside = {v for region in op.regions for o in region.ops for v in o.results}
        self.inside.update(p for region in op.regions for p in region.params)
        self.numbering = Numbering({})
        self.numbering.keys.update(self._leaves())

    def is_lane(self, value: Value) -> bool:
        """Whether a value has an element for each lane."""
        return isinstance(value.type, TensorType) and value.type.shape == self.space

    def _leaves(self) -> dict[Value, Hashable]:
        """Keys of what is carried.

        A value that at the start and after each iteration is one expression of others is that expression.
        """
        starts: dict[Value, Hashable] = {}
        for k, v in enumerate(self.initial):
            starts.setdefault(v, ("carried", k))
        ends = {v: ("carried", k) for k, v in enumerate(self.yields) if list(self.yields).count(v) == 1}
        before, after = Numbering(starts), Numbering(ends)
        before.known = after.known = self.numbering.known
        leaves: dict[Value, Hashable] = {}
        for k, value in enumerate(self.initial):
            key: Hashable = ("carried", k)
            if value.op is not None and self.is_lane(value) and self.yields[k] in self.inside:
                start = before.join(value.op, [before.key(v, set()) for v in value.op.operands])
                end_op = self.yields[k].op
                if end_op is not None and not end_op.regions and not value.op.regions:
                    end = after.join(end_op, [after.key(v, self.inside) for v in end_op.operands])
                    key = start if start == end and _depends(value.op, starts) else key
            for region in self.op.regions:
                skip = self.skip if region is self.body else len(region.params) - len(self.initial)
                leaves[region.params[skip + k]] = key
        return leaves

    def stops(self, mask: Value, *, expected: bool) -> bool:
        """Whether a lane in which `mask` is not as `expected` stays as it is from then on."""
        key = self.numbering.key(mask, self.inside)
        frozen = Frozen(self.numbering, self.inside, {key: FALSE if expected else TRUE})
        return all(
            frozen.value(param) == frozen.value(end)
            for param, end in zip(self.params, self.yields, strict=True)
            if self.is_lane(param)
        ) and self._is_steady(mask)

    def _is_steady(self, mask: Value) -> bool:
        """Whether a mask depends on elements and values from outside alone, so that a still lane keeps it."""
        return not self._moving() & self._sources(mask)

    def _moving(self) -> set[Value]:
        """Parameters that change by themselves: the index and carried numbers."""
        params = [p for region in self.op.regions for p in region.params]
        return {p for p in params if not self.is_lane(p)}

    def _sources(self, value: Value) -> set[Value]:
        found: set[Value] = set()
        todo = [value]
        while todo:
            current = todo.pop()
            if current in found or current not in self.inside:
                continue
            found.add(current)
            if current.op is not None:
                todo.extend(current.op.operands)
                bound = current.type.dim if isinstance(current.type, IndexType) else None
                if bound is not None and not isinstance(bound, int):
                    found.update(self._moving())  # an index expression of the loop
        return found

    def is_autonomous(self) -> bool:
        """Whether the next elements depend on the present ones alone, not on how often the loop has run."""
        moving = self._moving()
        lanes = [end for param, end in zip(self.params, self.yields, strict=True) if self.is_lane(param)]
        return not any(moving & self._sources(end) for end in lanes)

    def stopping_mask(self) -> Value | None:
        """A mask of the body such that a lane where it does not hold stays as it is from then on."""
        masks = [
            v
            for o in self.body.ops
            for v in o.results
            if self.is_lane(v) and isinstance(v.type, TensorType) and v.type.dtype == BOOL
        ]
        masks += [p for p in self.params if isinstance(p.type, TensorType) and p.type.dtype == BOOL]
        return next((m for m in masks if self.is_lane(m) and self.stops(m, expected=True)), None)


def _depends(op: Op, leaves: Mapping[Value, Hashable]) -> bool:
    return any(v in leaves for v in op.operands)
