"""The engine of rewrite rules, shared by canonicalize, fold, push_reshapes and autodiff.

A rule looks at one op before it is written, its operands being values of the new program, and gives the value
that stands for its result, or None. What a rule writes through `Rewriter.emit` is simplified in turn, so
operands are always in canonical form and one sweep is enough: linear in the number of ops.
Not here: the rules (`canonicalize.py`, `fold.py`). This file is no pass.
"""

from collections.abc import Callable, Mapping, Sequence

from weft.ir import REGISTRY, Builder, Func, Op, TensorType, Value
from weft.ir.dims import DimLike
from weft.ir.node import Attributes
from weft.ir.opdef import is_complex
from weft.ir.rewrite import remove_dead, rewrite

Rule = Callable[["Rewriter", Op], Value | None]
Rules = Mapping[str, Sequence[Rule]]
"""Rules by the name of the op; those under ANY are asked for every op, after its own."""

ANY = "*"
Number = bool | int | float  # rules of arithmetic are for real numbers: 1 * z is not z to the bit


class Rewriter:
    """Writes ops at a builder, each through the rules."""

    def __init__(self, *tables: Rules) -> None:
        names = {name for table in tables for name in table}
        joined = {name: tuple(rule for table in tables for rule in table.get(name, ())) for name in names}
        general = joined.pop(ANY, ())
        self.general = general
        self.rules = {name: (*rules, *general) for name, rules in joined.items()}
        self.builder: Builder | None = None

    def emit(self, name: str, operands: Sequence[Value], attributes: Attributes | None = None) -> Value:
        """What stands for this op: an existing value, or the result of a new op."""
        assert self.builder is not None
        attributes = attributes or {}
        types = REGISTRY[name].infer([v.type for v in operands], attributes, ())
        return self.place(Op(name, operands, types, attributes, (), self.builder.locations))

    def place(self, op: Op) -> Value:
        """What stands for an op of one result that is in no region yet."""
        assert self.builder is not None
        for rule in self.rules.get(op.name, self.general):
            found = rule(self, op)
            if found is not None:
                return found
        self.builder.region.ops.append(op)
        return op.result

    def broadcast(self, value: Value, shape: Sequence[DimLike]) -> Value:
        """`value` at a shape."""
        return self.emit("broadcast", [value], {"shape": tuple(shape)})

    def reshape(self, value: Value, shape: Sequence[DimLike]) -> Value:
        """`value` as a shape."""
        return self.emit("reshape", [value], {"shape": tuple(shape)})

    def visit(self, builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        """The rule that `rewrite` asks for each op of the old program."""
        if op.regions or len(op.results) != 1:
            return None
        self.builder = builder
        return (self.place(Op(op.name, operands, [op.result.type], op.attributes, (), op.locations)),)


def apply_rules(fn: Func, *tables: Rules) -> Func:
    """A new function in which every op went through the rules; ops that this left without use are gone."""
    return remove_dead(rewrite(fn, Rewriter(*tables).visit))


# ---------------------------------------------------------------- what rules ask


def shape_of(value: Value) -> tuple[DimLike, ...]:
    """The shape of a tensor."""
    assert isinstance(value.type, TensorType)
    return value.type.shape


def made_by(value: Value, name: str) -> Op | None:
    """The op that makes `value`, if it has this name."""
    op = value.op
    return op if op is not None and op.name == name else None


def scalar_of(value: Value) -> Value | None:
    """The scalar that is every element of `value`, if that is known."""
    if not isinstance(value.type, TensorType):
        return None
    if not value.type.shape:
        return value
    op = made_by(value, "broadcast")
    return op.operands[0] if op is not None and not shape_of(op.operands[0]) else None


def number_of(value: Value) -> Number | None:
    """The number that is every element of `value`, if that is known."""
    scalar = scalar_of(value)
    op = made_by(scalar, "constant") if scalar is not None else None
    if op is None or is_complex([value.type]):
        return None
    number = op.attributes["value"]
    return number if isinstance(number, bool | int | float) else None
