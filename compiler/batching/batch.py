"""A region written for one lane, rewritten for a stack of lanes.

What does not depend on a lane stays one op. Loops whose course all lanes share carry stacks. A branch or loop
that lanes decide for themselves, and any op that has no rule, runs lane by lane, in order: a lane that is
finished costs nothing more, a branch that no lane takes is not run and raises nothing. Not here: what one op
becomes (`rules.py`), how a function is traced for a lane (`weft.vmap`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from weft.compiler.batching.rules import Stacks, rule_of, shape_of
from weft.ir.builder import Builder
from weft.ir.dims import DimLike, Symbol, atom_dim, symbols_of
from weft.ir.errors import UnsupportedError
from weft.ir.expr import Expr
from weft.ir.node import Op, Region, Value
from weft.ir.rewrite import Cloner
from weft.ir.rules import tensor_operand
from weft.ir.types import IndexType, TensorType, Type
from weft.ir.walk import free_values


class Batcher:
    """Rewrites ops; a value of the lane maps to its stack if it is `batched`, else to the one of all lanes.

    `index()` gives a new symbol for the number of a lane.
    """

    def __init__(self, size: DimLike, index: Callable[[], Symbol]) -> None:
        self.size, self.index = size, index
        self.cloner = Cloner()
        self.batched: set[Value] = set()

    def bind(self, old: Value, stack: Value) -> None:
        """Let a stack stand for a value of the lane."""
        self.cloner.values[old] = stack
        self.batched.add(old)

    def ops(self, ops: Sequence[Op], builder: Builder, wanted: Iterable[Value]) -> None:
        """Write ops; those of `wanted` and of later ops are results of what runs lane by lane."""
        if not self._has_own_sizes(ops):
            for op in ops:
                builder.locations = op.locations
                self.op(op, builder)
            return
        known = set(self.batched)
        own = [op for op in ops if _spreads(op, known)]
        for op in ops:
            if op not in own:
                self.cloner.op(builder, op)
        self._lanes(own, list(dict.fromkeys(wanted)), builder)

    def _has_own_sizes(self, ops: Sequence[Op]) -> bool:
        """Whether lanes compute sizes for themselves."""
        known = set(self.batched)
        return any([op.name == "to_index" for op in ops if _spreads(op, known)])

    def op(self, op: Op, builder: Builder) -> None:
        """Write what stands for one op."""
        if not _reads(op, self.batched):
            self.cloner.op(builder, op)
            return
        match op.name:
            case "check":
                self._check(op, builder)
            case "known_gradient":
                operands = [self.stack(v, builder).value for v in op.operands]
                late: Any = _StackedPull(op.attributes["pull"], self.size, self.index)
                made = builder.emit(op.name, operands, {**op.attributes, "pull": late})
                for old, new in zip(op.results, made.results, strict=True):
                    self.bind(old, new)
            case "if" if op.operands[0] not in self.batched:
                self._branch(op, builder)
            case "for" if not any(v in self.batched for v in op.operands[:3]):
                self._loop(op, builder)
            case "while" if not self._condition_depends(op):
                self._loop(op, builder)
            case _:
                if op.regions or not self._rule(op, builder):
                    self._lanes([op], op.results, builder)

    def _rule(self, op: Op, builder: Builder) -> bool:
        rule = rule_of(op.name)
        if rule is None:
            return False
        operands = [builder.expr(self.cloner.value(v)) for v in op.operands]
        made = rule(Stacks(builder, self.size), op, operands, [v in self.batched for v in op.operands])
        if made is None:
            return False
        self.bind(op.result, made.value)
        return True

    def _check(self, op: Op, builder: Builder) -> None:
        """A condition that must hold in each lane."""
        every = builder.emit("all", [self.cloner.value(op.operands[0])], {"axis": 0}).result
        builder.emit("check", [every], op.attributes)

    def stack(self, value: Value, builder: Builder) -> Expr:
        """A value as a stack."""
        one = builder.expr(self.cloner.value(value))
        return Stacks(builder, self.size).stacked(one, value in self.batched)

    # ---------------------------------------------------------------- regions that all lanes take

    def _branch(self, op: Op, builder: Builder) -> None:
        regions = [self._region(region, region.terminator.operands, []) for region in op.regions]
        made = builder.emit("if", [self.cloner.value(op.operands[0])], op.attributes, regions)
        for old, new in zip(op.results, made.results, strict=True):
            self.bind(old, new)

    def _region(self, old: Region, stacked: Sequence[Value], params: Sequence[tuple[Value, bool]]) -> Region:
        """A region whose yielded values in `stacked` are stacks; `params` says which parameters are."""
        new = Region()
        for param, is_stack in params:
            ty = param.type
            if is_stack and isinstance(ty, TensorType):
                self.bind(param, new.add_param(TensorType(ty.dtype, (self.size, *ty.shape)), param.name))
            else:
                self.cloner.values[param] = new.add_param(ty, param.name)
        builder, yields, wanted = Builder(new), old.terminator.operands, set(stacked)
        self.ops(old.ops[:-1], builder, yields)
        values = [self.stack(v, builder).value if v in wanted else self.cloner.value(v) for v in yields]
        builder.emit("yield", values)
        return new

    def _loop(self, op: Op, builder: Builder) -> None:
        """A loop whose trips are the same for all lanes; it carries stacks where a lane's value enters."""
        first, skip = (3, 1) if op.name == "for" else (0, 0)
        initial = op.operands[first:]
        flags = self._carried(op, [v in self.batched for v in initial], skip)
        regions: list[Region] = []
        for number, old in enumerate(op.regions):
            is_condition = op.name == "while" and number == 0
            params = [(p, False) for p in old.params[:skip]]
            params += zip(old.params[skip:], flags, strict=True)
            ends = () if is_condition else old.terminator.operands
            regions.append(self._region(old, [v for v, f in zip(ends, flags, strict=False) if f], params))
        values = [
            self.stack(v, builder).value if f else self.cloner.value(v)
            for v, f in zip(initial, flags, strict=True)
        ]
        head = [self.cloner.value(v) for v in op.operands[:first]]
        made = builder.emit(op.name, [*head, *values], op.attributes, regions)
        for old, new, is_stack in zip(op.results, made.results, flags, strict=True):
            self.cloner.values[old] = new
            if is_stack:
                self.batched.add(old)

    def _carried(self, op: Op, flags: list[bool], skip: int) -> list[bool]:
        """Which carried values are stacks: those that a lane's value reaches in any iteration."""
        body = op.regions[-1]
        while True:
            known = self.batched | {p for p, f in zip(body.params[skip:], flags, strict=True) if f}
            for inner in body.ops[:-1]:
                _spreads(inner, known)
            found = [f or v in known for f, v in zip(flags, body.terminator.operands, strict=True)]
            if found == flags:
                return flags
            flags = found

    def _condition_depends(self, op: Op) -> bool:
        """Whether lanes end a loop at different times."""
        flags = self._carried(op, [v in self.batched for v in op.operands], 0)
        test = op.regions[0]
        known = self.batched | {p for p, f in zip(test.params, flags, strict=True) if f}
        for inner in test.ops[:-1]:
            _spreads(inner, known)
        return test.terminator.operands[0] in known

    # ---------------------------------------------------------------- lane by lane

    def _lanes(self, ops: Sequence[Op], wanted: Sequence[Value], builder: Builder) -> None:
        """A loop over lanes that runs `ops` on each and puts the wanted results into stacks."""
        made = {v for op in ops for v in op.results}
        results = [v for v in wanted if v in made]
        number = atom_dim(self.index())
        own = {s.name for v in made if isinstance(v.type, IndexType) for s in symbols_of(v.type.dim)}
        empty = [self._empty(builder, v, own) for v in results]
        region = Region([IndexType(number), *(e.value.type for e in empty)])
        inside = Builder(region)
        lane = Cloner(self.cloner.values)
        reads = [v for op in ops for v in (*op.operands, *(f for r in op.regions for f in free_values(r)))]
        for value in dict.fromkeys(reads):
            if value in self.batched and value not in made:
                lane.values[value] = _lane_of(inside, inside.expr(self.cloner.value(value)), number).value
        for op in ops:
            inside.locations = op.locations
            lane.op(inside, op)
        ends: list[Value] = []
        for param, value in zip(region.params[1:], results, strict=True):
            ends.append(_put(inside, inside.expr(param), inside.expr(lane.value(value)), number).value)
        inside.emit("yield", ends)
        bounds = [builder.emit("dim", [], {"dim": d}).result for d in (0, self.size, 1)]
        loop = builder.emit("for", [*bounds, *(e.value for e in empty)], {"kind": "serial"}, [region])
        for old, new in zip(results, loop.results, strict=True):
            self.bind(old, new)

    def _empty(self, builder: Builder, value: Value, own: set[str]) -> Expr:
        ty = value.type
        assert isinstance(ty, TensorType)
        if any(s.name in own for d in ty.shape for s in symbols_of(d)):
            raise UnsupportedError(
                f"lanes of vmap have values of different sizes, here {ty}",
                code="E050",
                fix="give all lanes one size, for example by np.where instead of a mask",
            )
        zero = builder.constant(0, TensorType(ty.dtype))
        return builder.broadcast(zero, (self.size, *ty.shape))


class _StackedPull:
    """The way back of an op that knows its derivative, for stacks of lanes."""

    def __init__(self, pull: object, size: DimLike, index: Callable[[], Symbol]) -> None:
        self.pull: Any = pull
        self.size, self.index = size, index
        self.floats: list[bool] = self.pull.floats

    def gradients(self, builder: Builder, values: Sequence[Value]) -> list[Expr | None]:
        """Write it for stacks of cotangents, results and arguments."""
        types = [tensor_operand([v.type]) for v in values]
        lane: Region = self.pull.region([TensorType(ty.dtype, ty.shape[1:]) for ty in types])
        batcher = Batcher(self.size, self.index)
        for old, new in zip(lane.params, values, strict=True):
            batcher.bind(old, new)
        batcher.ops(lane.ops[:-1], builder, lane.terminator.operands)
        found = iter([batcher.stack(v, builder) for v in lane.terminator.operands])
        return [next(found) if is_float else None for is_float in self.floats]

    def region(self, types: Sequence[Type]) -> Region:
        """The same as a region, for stacks of stacks."""
        made = Region(types)
        inner = Builder(made)
        inner.emit("yield", [e.value for e in self.gradients(inner, made.params) if e is not None])
        return made


def _reads(op: Op, known: set[Value]) -> bool:
    """Whether an op, or one in its regions, reads one of these values."""
    inner = (v for region in op.regions for v in free_values(region))
    return any(v in known for v in op.operands) or any(v in known for v in inner)


def _spreads(op: Op, known: set[Value]) -> bool:
    """The same; its results are then of these values too."""
    found = _reads(op, known)
    if found:
        known.update(op.results)
    return found


def _lane_of(builder: Builder, stack: Expr, number: DimLike) -> Expr:
    lane = shape_of(stack)[1:]
    rest = (0,) * len(lane)
    facts = {"start": (number, *rest), "size": (1, *lane), "step": (1,) * (len(lane) + 1)}
    return builder.reshape(builder.expr(builder.emit("slice", [stack.value], facts).result), lane)


def _put(builder: Builder, stack: Expr, value: Expr, number: DimLike) -> Expr:
    lane = shape_of(value)
    one = builder.reshape(value, (1, *lane))
    facts = {"start": (number, *(0 for _ in lane)), "step": (1,) * (len(lane) + 1)}
    return builder.expr(builder.emit("update", [stack.value, one.value], facts).result)
