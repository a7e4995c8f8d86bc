"""Common subexpressions: of equal ops the first one stays.

Ops are equal if they have the same name, operands, attributes (to the bit) and result types; the order of
operands does not count where swapping them keeps the bits. Ops that have effects or regions, touch memory or
bind a symbol are left alone; one that can fail fails the same way twice, so it counts. A region sees the ops
around it.
Not here: removal of the ops that lose their uses (`dce.py`); those that this pass found are not
written at all.
"""

import struct
from collections.abc import Hashable, Sequence

import numpy as np

from weft.ir import REGISTRY, Builder, Func, Op, Region, Value
from weft.ir.node import Attribute
from weft.ir.opdef import elements_of
from weft.ir.rewrite import Cloner
from weft.ir.types import TensorType, VectorType

KEPT = ("effect", "memory", "terminator", "loop")
EXACTLY_COMMUTATIVE = ("add", "multiply")
"""Commutative to the bit for floats; minimum and maximum are not: of two zeros they keep the first."""


def cse(fn: Func) -> Func:
    """The program with each of its expressions written once."""
    return _Numbering().function(fn)


class _Numbering:
    """The expressions seen in the regions around the present op, innermost last."""

    def __init__(self) -> None:
        self.seen: dict[Hashable, Value] = {}
        self.scope: list[Hashable] = []
        self.cloner = Cloner(rule=self.visit)

    def function(self, fn: Func) -> Func:
        return self.cloner.function(fn)

    def visit(self, builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        if op.regions:
            return self._enter(builder, op, operands)
        if len(op.results) != 1 or op.name == "to_index" or any(REGISTRY[op.name].has(t) for t in KEPT):
            return None
        key = _key(op, operands)
        known = self.seen.get(key)
        if known is not None:
            return (known,)
        new = self.cloner.copy(builder.region, op, operands)
        self.seen[key] = new.result
        self.scope.append(key)
        return new.results

    def _enter(self, builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value]:
        """Copy an op with regions; what was seen inside of one is forgotten at its end."""
        regions: list[Region] = []
        for region in op.regions:
            outer, self.scope = self.scope, []
            regions.append(self.cloner.region(region))
            for key in self.scope:
                del self.seen[key]
            self.scope = outer
        new = Op(op.name, operands, [v.type for v in op.results], op.attributes, regions, op.locations)
        builder.region.ops.append(new)
        return new.results


def _key(op: Op, operands: tuple[Value, ...]) -> Hashable:
    order = [id(v) for v in operands]
    if REGISTRY[op.name].has("commutative") and _commutes_exactly(op):
        order.sort()
    attributes = tuple([(name, freeze(op.attributes[name])) for name in sorted(op.attributes)])
    return op.name, tuple(order), attributes, op.result.type


def _commutes_exactly(op: Op) -> bool:
    ty = op.operands[0].type
    assert isinstance(ty, TensorType | VectorType)
    dtype = elements_of(ty)  # a complex product is two fused multiply-adds, in which the operands differ
    return op.name in EXACTLY_COMMUTATIVE if dtype.is_float else dtype.kind != "c" or op.name == "add"


def freeze(attribute: Attribute) -> Hashable:
    """A key that is equal for attributes equal to the bit: 1, 1.0 and true differ, and so do 0.0 and -0.0."""
    if isinstance(attribute, np.ndarray):
        return "array", attribute.dtype.str, attribute.shape, attribute.tobytes()
    if isinstance(attribute, tuple):
        return tuple([freeze(item) for item in attribute])
    if isinstance(attribute, float):
        return "float", struct.pack("<d", attribute)
    if isinstance(attribute, complex):
        return "complex", struct.pack("<dd", attribute.real, attribute.imag)
    return type(attribute).__name__, attribute
