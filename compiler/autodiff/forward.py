"""Forward mode: tangents beside values, op by op.

The rule of an op is its `vjp`, which is linear in the cotangent, transposed once more: so every op that has
one has the other. Loops and branches carry tangents beside what they carry. Not here: what a user passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from weft.compiler.autodiff.flow import Flow, carried_from, carried_params, flow_of, is_float, used_values
from weft.compiler.autodiff.regions import RULES
from weft.compiler.autodiff.reverse import Names, Reverse, location_of, unsupported
from weft.ir import REGISTRY, Builder, Expr, Op, Region, TensorType, Value, WeftError
from weft.ir.rewrite import Cloner


class Forward:
    """The ops of one region, and tangents of the old values that have some.

    With `in_place` the ops are taken over, not copied, and those with regions get the old results.
    """

    def __init__(
        self, ops: Sequence[Op], flow: Flow, cloner: Cloner, region: Region, names: Names, *, in_place: bool
    ) -> None:
        self.ops, self.flow, self.cloner, self.region = ops, flow, cloner, region
        self.names, self.in_place = names, in_place
        self.builder = Builder(region)
        self.tangents: dict[Value, Value] = {}

    def run(self) -> None:
        """Write the ops, each followed by those of its tangents."""
        for op in self.ops:
            self.builder.locations = op.locations
            if op.name in ("if", "for", "while") and any(v in self.flow.active for v in op.results):
                self._structure(op)
                continue
            if self.in_place:
                self.region.ops.append(op)
            else:
                self.cloner.op(self.builder, op)
            if op.name != "stop_gradient" and any(self.flow.counts(v) for v in op.results):
                self._push(op, self.region.ops[-1])
        self.builder.locations = ()

    def tangent(self, value: Value) -> Value:
        """The tangent of an old value, zeros if it has none."""
        found = self.tangents.get(value)
        if found is not None:
            return found
        ty = self.cloner.value(value).type
        assert isinstance(ty, TensorType)
        return self.builder.full_like(ty, 0.0, ty.dtype).value

    def _push(self, old: Op, op: Op) -> None:
        """The tangents of an op's results: the linear map of its `vjp`, transposed."""
        given = [(k, self.tangents[v]) for k, v in enumerate(old.operands) if v in self.tangents]
        wanted = [k for k, v in enumerate(old.results) if is_float(v.type)]
        if not given or not wanted:
            return
        scratch = Region()
        builder = Builder(scratch, op.locations)
        cotangents = [scratch.add_param(v.type) for v in op.results]
        parts = _pulled(builder, op, cotangents, self.names.taken)
        pairs = [(parts[k], t) for k, t in given if parts[k] is not None]
        region = Region()
        flow = flow_of(
            scratch.ops, [cotangents[k] for k in wanted], [p.value for p, _ in pairs if p is not None]
        )
        back = Reverse(scratch.ops, flow, Cloner(), region, self.names)
        back.run_forward()
        for part, tangent in pairs:
            assert part is not None
            back.add(part.value, back.builder.expr(tangent))
        back.builder.locations = op.locations
        back.run_backward()
        found = {k: back.cotangents[cotangents[k]].value for k in wanted if cotangents[k] in back.cotangents}
        for one in _needed(region.ops, found.values()):
            self.region.ops.append(one)
        self.tangents.update((old.results[k], v) for k, v in found.items())

    # ---------------------------------------------------------------- branches and loops

    def _structure(self, op: Op) -> None:
        rule = self._branch if op.name == "if" else self._loop
        operands = [self.cloner.value(v) for v in op.operands]
        more, regions, active = rule(op)
        new = self.builder.emit(op.name, [*operands, *more], op.attributes, regions)
        count = len(op.results)
        tangents = new.results[count:]
        if self.in_place:
            new.results = (*op.results, *tangents)
            for value in op.results:
                value.owner = new
        else:
            self.cloner.set(op.results, new.results[:count])
        self.tangents.update((op.results[k], t) for k, t in zip(active, tangents, strict=True))

    def _inside(self, body: Region, region: Region, tangents: dict[Value, Value]) -> Forward:
        inner = Forward(body.ops[:-1], self.flow, self.cloner, region, self.names, in_place=False)
        inner.tangents = {**self.tangents, **tangents}
        inner.run()
        return inner

    def _branch(self, op: Op) -> tuple[Sequence[Value], list[Region], list[int]]:
        active = [k for k, r in enumerate(op.results) if r in self.flow.active]
        regions: list[Region] = []
        for body in op.regions:
            inner = self._inside(body, region := Region(), {})
            ends = body.terminator.operands
            found = [inner.tangent(ends[k]) for k in active]
            inner.builder.emit("yield", [*(self.cloner.value(v) for v in ends), *found])
            regions.append(region)
        return (), regions, active

    def _loop(self, op: Op) -> tuple[Sequence[Value], list[Region], list[int]]:
        params = carried_params(op)
        active = [k for k, p in enumerate(params) if p in self.flow.active]
        initial = op.operands[carried_from(op) :]
        more = [self.tangent(initial[k]) for k in active]
        regions: list[Region] = []
        if op.name == "while":
            regions.append(self.cloner.region(op.regions[0]))
            for value in more:
                regions[0].add_param(value.type)
        body, region = op.regions[-1], Region()
        self.cloner.parameters(body, region)
        tangents = {params[k]: region.add_param(v.type) for k, v in zip(active, more, strict=True)}
        inner = self._inside(body, region, tangents)
        ends = body.terminator.operands
        found = [inner.tangent(ends[k]) for k in active]
        inner.builder.emit("yield", [*(self.cloner.value(v) for v in ends), *found])
        regions.append(region)
        return more, regions, active


def _pulled(builder: Builder, op: Op, cotangents: Sequence[Value], taken: set[str]) -> Sequence[Expr | None]:
    """What an op's `vjp` makes of cotangents of its results."""
    rule = RULES.get(op.name)
    if rule is not None and rule.linear is not None:
        return rule.linear(builder, op, cotangents, taken)
    vjp = REGISTRY[op.name].vjp
    if vjp is None:
        raise unsupported(op)
    groups = [[builder.expr(v) for v in values] for values in (cotangents, op.results, op.operands)]
    try:
        return vjp(op, *groups)
    except NotImplementedError as error:
        raise unsupported(op, str(error)) from None
    except WeftError as error:
        error.location = error.location or location_of(op)
        raise


def _needed(ops: Sequence[Op], values: Iterable[Value]) -> list[Op]:
    """The ops that some values are computed by."""
    live = set(values)
    kept: list[Op] = []
    for op in reversed(ops):
        if any(v in live for v in op.results):
            kept.append(op)
            live.update(used_values(op))
    return kept[::-1]
