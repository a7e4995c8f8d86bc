"""Numbers of the program that only sizes, ints and floats of the call decide, fixed to what they are.

And arrays of whole numbers that nothing decides. Not here: how a variant is made again once something is
fixed (`assumption.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from weft.ir import REGISTRY
from weft.ir.dims import Dim, DimLike, decide
from weft.ir.node import Op, Value
from weft.ir.types import TensorType
from weft.ir.walk import dims_of_attribute, dims_of_type, has_effect

if TYPE_CHECKING:
    from weft.compiler.frontend.trace import Trace

_MOST_FIXED = 200
"""So many operations a number may be made of that is fixed to its present value."""
_MOST_ELEMENTS = 1 << 20
"""So many elements an array may have that is computed while a function is traced."""


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


def known_array(value: Value) -> np.ndarray[Any, Any] | None:
    """The elements of an array of whole numbers or truth values that no argument decides; None for others."""
    ty = value.type
    if not isinstance(ty, TensorType) or ty.dtype.kind not in "iub":
        found = value.op.attributes["value"] if value.op is not None and value.op.name == "constant" else None
        return found if isinstance(found, np.ndarray) else None
    return _evaluated(value, {})


def _evaluated(value: Value, known: dict[Value, np.ndarray[Any, Any] | None]) -> np.ndarray[Any, Any] | None:
    """The elements of a tensor that is made of constants by few operations."""
    if value not in known:
        known[value] = None
        op = value.op
        if op is not None and len(known) <= _MOST_FIXED and _is_small_and_fixed(op):
            operands = [_evaluated(one, known) for one in op.operands]
            evaluate = REGISTRY[op.name].evaluate
            if evaluate is not None and not any(one is None for one in operands):
                assert isinstance(value.type, TensorType)
                known[value] = np.asarray(evaluate(op.attributes, *operands)).astype(value.type.dtype.numpy)
    return known[value]


def _is_small_and_fixed(op: Op) -> bool:
    """Whether one result of known size, without regions and effects, is all that an op has."""
    if op.regions or len(op.results) != 1 or has_effect(op):
        return False
    ty = op.result.type
    dims = (*dims_of_type(ty), *(d for a in op.attributes.values() for d in dims_of_attribute(a)))
    return (
        isinstance(ty, TensorType)
        and all(isinstance(d, int) for d in dims)
        and decide(ty.size, "<=", _MOST_ELEMENTS) is True
    )


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
