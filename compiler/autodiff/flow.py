"""Which values depend on what is differentiated by, and which count for what is differentiated.

Both ways through regions: what a loop carries is followed around until nothing is added. Not here: rules.
"""

from collections.abc import Iterable, Sequence

from weft.ir import Op, TensorType, Type, Value
from weft.ir.dataclass import dataclass
from weft.ir.walk import free_values


def is_float(ty: Type) -> bool:
    """Whether values of this type have a derivative."""
    return isinstance(ty, TensorType) and ty.dtype.kind in "fc"


def carried_from(op: Op) -> int:
    """The number of the first operand that a loop carries."""
    return 3 if op.name == "for" else 0


def carried_params(op: Op) -> Sequence[Value]:
    """The parameters of a loop's body that stand for what it carries."""
    return op.regions[-1].params[1 if op.name == "for" else 0 :]


@dataclass(frozen=True, slots=True)
class Flow:
    """`active`: values that depend on a source. `wanted`: values that an output depends on."""

    active: set[Value]
    wanted: set[Value]

    def counts(self, value: Value) -> bool:
        """Whether a cotangent of this value is to be known."""
        return value in self.active and value in self.wanted

    def on_path(self, op: Op) -> bool:
        """Whether cotangents go back through this op."""
        return any(self.counts(v) for v in op.results)


def flow_of(ops: Sequence[Op], sources: Iterable[Value], outputs: Iterable[Value]) -> Flow:
    """The flow from float values `sources` to `outputs` through `ops`."""
    flow = Flow(set(sources), set(outputs))
    _spread(ops, flow.active)
    _demand(ops, flow.wanted)
    return flow


def _spread(ops: Sequence[Op], active: set[Value]) -> None:
    for op in ops:
        if op.name == "stop_gradient":
            continue
        if op.name == "if":
            for region in op.regions:
                _spread(region.ops[:-1], active)
                ends = region.terminator.operands
                active.update(r for r, y in zip(op.results, ends, strict=True) if y in active)
        elif op.name in ("for", "while"):
            _spread_loop(op, active)
        elif any(v in active for v in used_values(op)):
            active.update(v for v in op.results if is_float(v.type))


def _spread_loop(op: Op, active: set[Value]) -> None:
    region, params = op.regions[-1], carried_params(op)
    ends = region.terminator.operands
    initial = op.operands[carried_from(op) :]
    active.update(p for p, v in zip(params, initial, strict=True) if v in active)
    while True:
        _spread(region.ops[:-1], active)
        late = [p for p, y in zip(params, ends, strict=True) if y in active and p not in active]
        if not late:
            break
        active.update(late)
    active.update(r for r, p in zip(op.results, params, strict=True) if p in active)


def _demand(ops: Sequence[Op], wanted: set[Value]) -> None:
    for op in reversed(ops):
        if op.name == "stop_gradient" or not any(v in wanted for v in op.results):
            continue
        if op.name == "if":
            for region in op.regions:
                ends = region.terminator.operands
                wanted.update(y for r, y in zip(op.results, ends, strict=True) if r in wanted)
                _demand(region.ops[:-1], wanted)
        elif op.name in ("for", "while"):
            _demand_loop(op, wanted)
        else:
            wanted.update(used_values(op))


def _demand_loop(op: Op, wanted: set[Value]) -> None:
    region, params = op.regions[-1], carried_params(op)
    ends = region.terminator.operands
    wanted.update(p for r, p in zip(op.results, params, strict=True) if r in wanted)
    while True:
        count = len(wanted)
        wanted.update(y for p, y in zip(params, ends, strict=True) if p in wanted)
        _demand(region.ops[:-1], wanted)
        if len(wanted) == count:
            break
    wanted.update(v for p, v in zip(params, op.operands[carried_from(op) :], strict=True) if p in wanted)


def used_values(op: Op) -> Sequence[Value]:
    """The operands of an op and the outer values that its regions use."""
    if not op.regions:
        return op.operands
    return [*op.operands, *(v for region in op.regions for v in free_values(region))]
