"""The pass `lower_math`: loop-level ops that no target has become others that all have (DESIGN D11).

Mathematics becomes polynomials (`compiler/math`), elementwise ops with a `Scalar` rule are written out. Not
here: the table of polynomials (`lower_math.py`).
"""

from collections.abc import Mapping

from weft.compiler.math.trigonometric import Reduced, reduce_angle
from weft.compiler.passes.lower_math import ANGLES, MATH
from weft.ir import REGISTRY, Builder, Expr, Func, Op, Region, Value, VectorType, record
from weft.ir.opdef import Scalar
from weft.ir.rewrite import renewed, uses_any
from weft.ir.walk import walk


def lower_math(fn: Func) -> Func:
    """Loop level to loop level."""
    body = renewed(fn.body)
    _Expander().region(fn.body, body)
    return Func(fn.name, body, dict(fn.symbols), fn.stage, fn.into, fn.strided)


_RULED = frozenset(
    name
    for name, op in REGISTRY.items()
    if name in MATH or (isinstance(op.form, Scalar) and op.form.rule is not None)
)
"""The ops that may be written out."""


class _Expander:
    """Rewrites one program. `values` are those that are others now; what uses none of them may stay."""

    def __init__(self) -> None:
        self.values: dict[Value, Value] = {}
        self.angles: dict[Value, tuple[Value, ...]] = {}  # what `reduce_angle` made of a value seen from here

    def region(self, old: Region, new: Region) -> None:
        """Write the ops of `old`, expanded, into `new`; its parameters have values."""
        builder = Builder(new)
        known = dict(self.angles)
        for op in old.ops:
            if self.stays(op):
                new.ops.append(op)
                continue
            builder.locations = op.locations
            self.op(builder, op, self.values)
        self.angles = known

    def stays(self, op: Op) -> bool:
        """Whether nothing in an op of the program has a rule or uses what is another value now."""
        if not op.regions:
            return not (op.name in _RULED and op.results) and not uses_any(op, self.values)
        return not any([inner.name in _RULED for region in op.regions for inner in walk(region)]) and not (
            self.values and uses_any(op, self.values)
        )

    def op(self, builder: Builder, op: Op, values: Mapping[Value, Value]) -> None:
        """One op, of the program or written by a rule."""
        operands = [values.get(v, v) for v in op.operands]
        if op.results and isinstance(op.results[0].type, VectorType) and self.expand(builder, op, operands):
            return
        regions: list[Region] = []
        for old in op.regions:
            new = Region([p.type for p in old.params], [p.name for p in old.params])
            self.values.update(zip(old.params, new.params, strict=True))
            self.region(old, new)
            regions.append(new)
        new_op = Op(op.name, operands, [r.type for r in op.results], op.attributes, regions, op.locations)
        builder.region.ops.append(new_op)
        self.values.update(zip(op.results, new_op.results, strict=True))

    def expand(self, builder: Builder, op: Op, operands: list[Value]) -> bool:
        """Write what stands for `op` if it has a rule; what the rule writes is expanded in turn."""
        form = record(op).form
        math = MATH.get(op.name)
        if math is None and not (isinstance(form, Scalar) and form.rule is not None):
            return False
        draft = Builder(Region(), op.locations)
        parts = [draft.expr(v) for v in operands]
        if op.name in ANGLES and parts[0].dtype.bits > 16:
            result = ANGLES[op.name](*parts, self.angle(builder, operands[0], draft))
        elif math is not None:
            result = math(*parts)
        else:
            assert isinstance(form, Scalar)
            assert form.rule is not None
            result: Expr = form.rule(op.attributes, *parts)
        if len(draft.region.ops) == 1 and draft.region.ops[0].name == op.name:
            return False  # the rule says that this case stands as it is
        for inner in draft.region.ops:
            self.op(builder, inner, self.values)
        self.values[op.results[0]] = self.values.get(result.value, result.value)
        return True

    def angle(self, builder: Builder, value: Value, draft: Builder) -> Reduced:
        """The reduced angle of a value, written once for all that ask for it, in words of a draft."""
        if value not in self.angles:
            own = Builder(Region(), draft.locations)
            angle = reduce_angle(own.expr(value))
            for inner in own.region.ops:
                self.op(builder, inner, self.values)
            made = (angle.high, angle.low, angle.quadrant)
            self.angles[value] = tuple(self.values.get(e.value, e.value) for e in made)
        return Reduced(*map(draft.expr, self.angles[value]))
