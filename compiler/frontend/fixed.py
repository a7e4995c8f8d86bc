"""Numbers of the program that only sizes, ints and floats of the call decide, fixed to what they are.

Not here: how a variant is made again once something is fixed (`assumption.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from weft.ir import REGISTRY
from weft.ir.dims import Dim, DimLike
from weft.ir.node import Op, Value
from weft.ir.types import TensorType

if TYPE_CHECKING:
    from weft.compiler.frontend.trace import Trace

_MOST_FIXED = 200
"""So many operations a number may be made of that is fixed to its present value."""


def fixed_number(trace: Trace, value: Value) -> Any:
    """The number that a scalar is, if only what the call fixes decides it; else None."""
    sizes: list[DimLike] = []
    floats: dict[str, Any] = {}
    ops: dict[Op, None] = {}
    todo = [value]
    while todo:
        one = todo.pop()
        op = one.op
        if one in trace.numbers:
            path, floats[path] = trace.numbers[one]
        elif op is None or op.regions or len(ops) > _MOST_FIXED or getattr(one.type, "shape", ()):
            return None
        elif op not in ops:
            ops[op] = None
            todo += op.operands
            dim = op.attributes.get("dim", 0)
            if not isinstance(dim, int | Dim) or trace.changes(dim):
                return None
            sizes.append(dim)
    trace.assumptions.fix(sizes, floats, trace.location())
    found: dict[Value, Any] = {}

    def number(one: Value) -> Any:
        if one not in found:
            assert one.op is not None
            found[one] = _computed(one.op, [number(v) for v in one.op.operands])
        return found[one]

    return number(value)


def _computed(op: Op, operands: Sequence[Any]) -> Any:
    """What an op of scalars gives."""
    if op.name in ("dim", "from_index"):
        return operands[0] if operands else op.attributes["dim"]
    if op.name == "constant":
        return op.attributes["value"]
    evaluate = REGISTRY[op.name].evaluate
    assert evaluate is not None
    types = (v.type for v in op.operands)
    given = [
        np.asarray(v, ty.dtype.numpy)
        for v, ty in zip(operands, types, strict=True)
        if isinstance(ty, TensorType)
    ]
    return np.asarray(evaluate(op.attributes, *given)).item()
