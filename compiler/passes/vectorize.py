"""The pass `vectorize`: the innermost independent loop of a scalar nest runs in vectors, with all inside it.

Loop level to loop level. A lane is an iteration: values that are one for all lanes stay scalars, integers
that grow with the lane stay a scalar and a step, so that memory is reached by whole vectors; a branch or
`while` that lanes decide differently runs under a mask until no lane is left in it. Loops inside keep their
order in every lane, so no sum is regrouped. Not here: which loops are independent (`compiler/affine.py`),
kernels, whose schedules write vectors themselves.
"""

from collections.abc import Sequence

from weft.compiler.affine import Facts, facts_of, is_independent, loops_of
from weft.ir import Builder, Expr, Func, Op, Region, Value, VectorType, record
from weft.ir.dataclass import dataclass
from weft.ir.expr import logical_not, select
from weft.ir.opdef import Scalar
from weft.ir.rewrite import Cloner
from weft.ir.target import Target
from weft.ir.types import BOOL, I64
from weft.ir.walk import walk

VECTORS = 2
"""Native vectors of the widest type that a step of the loop fills."""
MAX_OPS = 400
_INDEX = VectorType(I64)


def vectorize(fn: Func, target: Target) -> Func:
    """The program with its innermost independent scalar loops in vectors."""
    if target.kind != "cpu":
        return fn
    vectorizer = _Vectorize(facts_of(fn), target)
    vectorizer.look(fn.body)
    return vectorizer.cloner.function(fn) if vectorizer.chosen else fn


class _Refused(Exception):
    """What stands in a loop has no form in lanes."""


class _Vectorize:
    """Asks for each loop outside of kernels."""

    def __init__(self, facts: Facts, target: Target) -> None:
        self.facts = facts
        self.target = target
        self.chosen: set[Op] = set()
        self.cloner = Cloner(rule=self.visit)

    def look(self, region: Region) -> None:
        """Find the loops that may run in vectors."""
        for op in loops_of(region):
            if op.attributes.get("kind") != "parallel" and self._is_chosen(op):
                self.chosen.add(op)

    def visit(self, builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        """What stands for a loop that can run in vectors."""
        if op.name == "kernel":
            return Cloner(self.cloner.values).copy(builder.region, op, operands).results
        if op not in self.chosen:
            return None
        lanes = _lanes(op, self.target)
        trial = Region()
        try:
            for masked in (False, True):
                _Lanes(self.cloner.values, lanes).body(Builder(trial), op, operands[0], masked=masked)
        except _Refused:
            return None
        self._write(builder, op, operands, lanes)
        return ()

    def _is_chosen(self, op: Op) -> bool:
        """Whether the loop is independent, none inside it is, and memory is reached by vectors mostly."""
        if self.facts.poly(op.operands[2]) != {(): 1} or not is_independent(self.facts, op):
            return False
        inner = list(walk(op.regions[0]))
        if len(inner) > MAX_OPS or any(o.name == "for" and self._is_chosen(o) for o in inner):
            return False
        cheap, dear = _traffic(self.facts, op.regions[0], op.regions[0].params[0], 1)
        return 2 * dear <= cheap

    def _write(self, builder: Builder, op: Op, operands: tuple[Value, ...], lanes: int) -> None:
        """A loop over whole vectors, and once what is left under a mask.

        One iteration with loops in it is left as it is: parts of a shared loop often have no more.
        """
        lower, upper = builder.expr(operands[0]), builder.expr(operands[1])
        span = upper - lower
        whole = lower + span.apply("divide_raw", span.like(lanes)) * lanes

        def main(inside: Builder, index: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
            _Lanes(self.cloner.values, lanes).body(inside, op, index.value, masked=False)
            return []

        def tail(inside: Builder) -> Sequence[Expr]:
            _Lanes(self.cloner.values, lanes, upper.value).body(inside, op, whole.value, masked=True)
            return []

        def last(inside: Builder) -> Sequence[Expr]:
            body = op.regions[0]
            Cloner({**self.cloner.values, body.params[0]: whole.value}).ops(body, inside, terminator=False)
            return []

        def rest(inside: Builder) -> Sequence[Expr]:
            inside.branch((whole + 1).eq(upper), last, tail)
            return []

        builder.loop(lower, whole, lanes, [], main)
        is_long = any(inner.name in ("for", "while") for inner in walk(op.regions[0]))
        builder.branch(whole.lt(upper), rest if is_long else tail, lambda _inside: [])


def _lanes(op: Op, target: Target) -> int:
    """Lanes that fill the vectors of the widest element type."""
    types = [v.type.dtype for o in walk(op.regions[0]) for v in o.results if isinstance(v.type, VectorType)]
    floats = [d for d in types if d.is_float] or types
    return max(2, VECTORS * target.vector_bytes * 8 // max((d.bits for d in floats), default=64))


def _traffic(facts: Facts, region: Region, index: Value, weight: int) -> tuple[int, int]:
    """(work that vectors speed up, accesses that reach each lane by itself), inner loops counting more."""
    cheap = dear = 0
    for op in region.ops:
        if op.name in ("load", "store"):
            offset = facts.poly(op.operands[1 if op.name == "load" else 2])
            slope = {p: c for p, c in offset.items() if index in p}
            is_dear = bool(slope) and slope != {(index,): 1}
            dear, cheap = dear + weight * is_dear, cheap + weight * (not is_dear)
        elif op.operands and len(op.results) == 1 and not op.regions:
            ty = op.result.type
            is_float = isinstance(ty, VectorType) and ty.dtype.is_float
            cheap += weight * int(1 + record(op).flops) if is_float else 0
        for inner in op.regions:
            more = _traffic(facts, inner, index, weight * (8 if op.name in ("for", "while") else 1))
            cheap, dear = cheap + more[0], dear + more[1]
    return cheap, dear


@dataclass(frozen=True, slots=True)
class _Linear:
    """An integer that grows by `step` from lane to lane; `base` is that of lane 0."""

    base: Value
    step: int


class _Lanes:
    """Writes one body in lanes: `values` are scalars of all lanes, `linear` integers, `spread` vectors."""

    def __init__(self, values: dict[Value, Value], lanes: int, stop: Value | None = None) -> None:
        self.values = dict(values)
        self.lanes = lanes
        self.stop = stop
        self.linear: dict[Value, _Linear] = {}
        self.spread: dict[Value, Value] = {}

    def body(self, builder: Builder, op: Op, index: Value, *, masked: bool) -> None:
        """The body of the loop at `index` and the iterations after it."""
        self.linear[op.regions[0].params[0]] = _Linear(index, 1)
        mask = None
        if masked:
            stop = builder.expr(
                self.stop if self.stop is not None else self.values.get(op.operands[1], op.operands[1])
            )
            rest = self._splat(builder, (stop - builder.expr(index)).value)
            mask = builder.expr(self._lane(builder)).lt(builder.expr(rest)).value
        self.ops(builder, op.regions[0], mask)

    # ---------------------------------------------------------------- values

    def is_shared(self, value: Value) -> bool:
        """Whether a value is one for all lanes."""
        return value not in self.linear and value not in self.spread

    def shared(self, value: Value) -> Value:
        """The scalar of a shared value."""
        return self.values.get(value, value)

    def vector(self, builder: Builder, value: Value) -> Value:
        """A value in lanes."""
        if value in self.spread:
            return self.spread[value]
        found = self.linear.get(value)
        if found is None:
            return self._splat(builder, self.shared(value))
        lane = builder.expr(self._lane(builder))
        step = lane if found.step == 1 else lane * found.step
        return (builder.expr(self._splat(builder, found.base)) + step).value

    def _splat(self, builder: Builder, value: Value) -> Value:
        return builder.emit("splat", [value], {"lanes": self.lanes}).result

    def _lane(self, builder: Builder) -> Value:
        return builder.emit("lane_index", (), {"lanes": self.lanes}).result

    # ---------------------------------------------------------------- ops

    def ops(self, builder: Builder, region: Region, mask: Value | None) -> None:
        """The ops of a region, without its end."""
        for op in region.ops[:-1]:
            builder.locations = op.locations
            match op.name:
                case "load":
                    self._load(builder, op, mask)
                case "store":
                    self._store(builder, op, mask)
                case "if":
                    self._if(builder, op, mask)
                case "for":
                    self._for(builder, op, mask)
                case "while":
                    self._while(builder, op, mask)
                case _:
                    self._plain(builder, op)

    def _plain(self, builder: Builder, op: Op) -> None:
        """Arithmetic: shared, an integer with a step, or in lanes."""
        if op.regions or len(op.results) != 1 or (op.operands and not isinstance(record(op).form, Scalar)):
            raise _Refused
        if all(map(self.is_shared, op.operands)):
            self.values[op.result] = builder.emit(
                op.name, [self.shared(v) for v in op.operands], op.attributes
            ).result
            return
        step = self._step(op)
        if step is not None:
            bases = [self.linear[v].base if v in self.linear else self.shared(v) for v in op.operands]
            self.linear[op.result] = _Linear(builder.emit(op.name, bases, op.attributes).result, step)
            return
        vectors = [self.vector(builder, v) for v in op.operands]
        self.spread[op.result] = builder.emit(op.name, vectors, op.attributes).result

    def _step(self, op: Op) -> int | None:
        """By how much a sum or product of integers grows from lane to lane, if that is one number."""
        if op.result.type != _INDEX or any(v in self.spread for v in op.operands) or len(op.operands) != 2:
            return None
        a, b = (self.linear[v].step if v in self.linear else 0 for v in op.operands)
        if op.name in ("add", "subtract"):
            return a + b if op.name == "add" else a - b
        if op.name == "multiply" and not (a and b):
            number = (op.operands[1] if a else op.operands[0]).op
            value = number.attributes["value"] if number is not None and number.name == "constant" else None
            return (a or b) * value if isinstance(value, int) else None
        return None

    def _load(self, builder: Builder, op: Op, mask: Value | None) -> None:
        buffer, offset = self.shared(op.operands[0]), op.operands[1]
        masks = [] if mask is None else [mask]
        if self.is_shared(offset):
            self.values[op.result] = builder.emit("load", [buffer, self.shared(offset)]).result
        elif offset in self.linear and self.linear[offset].step:
            place = self.linear[offset]
            facts = {"lanes": self.lanes, "stride": place.step}
            self.spread[op.result] = builder.emit("load", [buffer, place.base, *masks], facts).result
        else:
            offsets = self.vector(builder, offset)
            self.spread[op.result] = builder.emit("gather_lanes", [buffer, offsets, *masks]).result

    def _store(self, builder: Builder, op: Op, mask: Value | None) -> None:
        value, buffer, offset = op.operands[0], self.shared(op.operands[1]), op.operands[2]
        masks = [] if mask is None else [mask]
        if self.is_shared(offset):
            raise _Refused
        vector = self.vector(builder, value)
        if offset in self.linear and self.linear[offset].step:
            place = self.linear[offset]
            builder.emit("store", [vector, buffer, place.base, *masks], {"stride": place.step})
        else:
            builder.emit("scatter_lanes", [vector, buffer, self.vector(builder, offset), *masks])

    # ---------------------------------------------------------------- structure

    def _inside(self, region: Region, inner: Builder, mask: Value | None, *, scalar: Sequence[bool]) -> None:
        """Write a region and yield its values, in lanes unless `scalar`."""
        self.ops(inner, region, mask)
        ends = region.terminator.operands
        inner.emit(
            "yield",
            [self.shared(v) if s else self.vector(inner, v) for v, s in zip(ends, scalar, strict=True)],
        )

    def _if(self, builder: Builder, op: Op, mask: Value | None) -> None:
        """A branch that all lanes take alike stays one; else both sides run, each where a lane takes it."""
        if self.is_shared(op.operands[0]):
            regions = [Region(), Region()]
            for old, new in zip(op.regions, regions, strict=True):
                self._inside(old, builder.inside(new), mask, scalar=[False] * len(op.results))
            self._emit(builder, "if", [self.shared(op.operands[0])], op, regions)
            return
        holds = builder.expr(self.vector(builder, op.operands[0]))
        sides: list[list[Expr]] = []
        for old, taken in zip(op.regions, (holds, logical_not(holds)), strict=True):
            full = taken if mask is None else taken & builder.expr(mask)
            sides.append(self._side(builder, old, full.value))
        for result, a, b in zip(op.results, *sides, strict=True):
            self.spread[result] = select(holds, a, b).value

    def _side(self, builder: Builder, region: Region, mask: Value) -> list[Expr]:
        """One side under a mask, skipped if no lane takes it and it is more than a few ops."""
        ends = region.terminator.operands
        has_memory = any(o.name in ("load", "for", "while", "if") for o in region.ops)
        if not has_memory and len(region.ops) < 12:
            self.ops(builder, region, mask)
            return [builder.expr(self.vector(builder, v)) for v in ends]
        then, otherwise = Region(), Region()
        inner, outer = builder.inside(then), builder.inside(otherwise)
        self._inside(region, inner, mask, scalar=[False] * len(ends))
        types = [v.type for v in then.terminator.operands]
        zeros = [outer.constant(0, ty).value for ty in types]
        outer.emit("yield", zeros)
        some = builder.emit("any_lane", [mask]).result
        return [builder.expr(r) for r in builder.emit("if", [some], {}, [then, otherwise]).results]

    def _emit(
        self, builder: Builder, name: str, operands: Sequence[Value], op: Op, regions: Sequence[Region]
    ) -> None:
        new = builder.emit(name, operands, op.attributes, regions)
        self.spread.update(zip(op.results, new.results, strict=True))

    def _for(self, builder: Builder, op: Op, mask: Value | None) -> None:
        """A loop that all lanes run equally often."""
        if not all(map(self.is_shared, op.operands[:3])):
            raise _Refused
        initial = [self.vector(builder, v) for v in op.operands[3:]]
        (old,) = op.regions
        new = Region([_INDEX, *(v.type for v in initial)], [old.params[0].name])
        self.values[old.params[0]] = new.params[0]
        self.spread.update(zip(old.params[1:], new.params[1:], strict=True))
        self._inside(old, builder.inside(new), mask, scalar=[False] * len(initial))
        self._emit(builder, "for", [*(self.shared(v) for v in op.operands[:3]), *initial], op, [new])

    def _while(self, builder: Builder, op: Op, mask: Value | None) -> None:
        """Goes on while one lane does; the others keep what they have."""
        condition, body = op.regions
        initial = [self.vector(builder, v) for v in op.operands]
        goes_on = self._asked(builder, condition, initial, mask)
        types = [VectorType(BOOL, self.lanes), *(v.type for v in initial)]
        head, inside = Region(types), Region(types)
        asking = builder.inside(head)
        asking.emit("yield", [asking.emit("any_lane", [head.params[0]]).result])
        inner = builder.inside(inside)
        active, *old = inside.params
        self.spread.update(zip(body.params, old, strict=True))
        self.ops(inner, body, active)
        ends = [
            select(inner.expr(active), inner.expr(self.vector(inner, v)), inner.expr(before)).value
            for v, before in zip(body.terminator.operands, old, strict=True)
        ]
        inner.emit("yield", [self._asked(inner, condition, ends, active), *ends])
        new = builder.emit("while", [goes_on, *initial], op.attributes, [head, inside])
        self.spread.update(zip(op.results, new.results[1:], strict=True))

    def _asked(
        self, builder: Builder, condition: Region, carried: Sequence[Value], mask: Value | None
    ) -> Value:
        """The lanes of `mask` in which the condition of a `while` holds."""
        self.spread.update(zip(condition.params, carried, strict=True))
        self.ops(builder, condition, mask)
        holds = self.vector(builder, condition.terminator.operands[0])
        return holds if mask is None else (builder.expr(holds) & builder.expr(mask)).value
