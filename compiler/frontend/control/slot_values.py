"""The IR values that carry a slot: their types, how they are written, the user's value that they make.

Not here: what a name is where paths meet (`joins.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weft.compiler.frontend.arguments import children, rebuild
from weft.compiler.frontend.control.joins import (
    UNDEFINED,
    Array,
    Extended,
    Frozen,
    Maybe,
    Nullable,
    Number,
    Optional,
    Possible,
    Same,
    Scalar,
    Slot,
    Tree,
    thawed,
)
from weft.compiler.frontend.number import IR_TYPES, TracedNumber, as_expr, number
from weft.compiler.frontend.promote import numpy_dtype
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray, TracedScalar, new_array
from weft.ir.expr import Expr, cast
from weft.ir.node import Value
from weft.ir.types import BOOL, DType, TensorType, Type


def types(slot: Slot) -> list[Type]:
    """Types of the IR values that carry a slot."""
    match slot:
        case Same():
            return []
        case Number(kind):
            return [TensorType(IR_TYPES[kind])]
        case Scalar(dtype):
            return [TensorType(dtype)]
        case Array(ty):
            return [ty]
        case Tree(_, items):
            return [ty for item in items for ty in types(item)]
        case Optional(inner) | Nullable(inner):
            return [*types(inner), TensorType(BOOL)]
        case Extended():
            return slot.types()


def lower(trace: Trace, slot: Slot, value: Any) -> list[Value]:
    """The IR values that carry `value` in `slot`, written where the trace stands."""
    match slot:
        case Same():
            return []
        case Number() | Scalar() | Array():
            return [_lower_leaf(trace, slot, value).value]
        case Tree(_, items):
            parts = [UNDEFINED] * len(items) if value is UNDEFINED else [v for _, v in children(value)]
            return [v for item, part in zip(items, parts, strict=True) for v in lower(trace, item, part)]
        case Extended():
            return slot.lower(trace, value)
        case Optional(inner):
            value, flag = (
                (value.value, value.defined()) if type(value) is Maybe else (value, value is not UNDEFINED)
            )
            return [*lower(trace, inner, value), _scalar(trace, flag, BOOL).value]
        case Nullable(inner):
            value = UNDEFINED if value is None else value
            value, flag = (
                (value.value, value.present) if type(value) is Possible else (value, value is not UNDEFINED)
            )
            return [*lower(trace, inner, value), _scalar(trace, flag, BOOL).value]


def _lower_leaf(trace: Trace, slot: Number | Scalar | Array, value: Any) -> Expr:
    if isinstance(slot, Array):
        return _elements(trace, value, slot.type)
    return _scalar(trace, value, IR_TYPES[slot.type] if isinstance(slot, Number) else slot.dtype)


def _scalar(trace: Trace, value: Any, dtype: DType) -> Expr:
    if value is UNDEFINED:
        return trace.constant(0, dtype)
    if type(value) is TracedScalar:
        return cast(Expr(trace.builder, value.value), dtype)
    if type(value) is TracedNumber and value.value is not None:
        return cast(Expr(trace.builder, value.value), dtype)
    if type(value) is TracedNumber:
        return as_expr(trace, value, dtype)
    return trace.constant(numpy_dtype(dtype).type(value).item(), dtype)


def _elements(trace: Trace, value: Any, ty: TensorType) -> Expr:
    if type(value) is Frozen:
        return Expr(trace.builder, value.value)
    if type(value) is TracedArray:
        return value.expr
    filled = _scalar(trace, value, ty.dtype)
    if not ty.shape:
        return filled
    return trace.expr(trace.emit("broadcast", [filled.value], {"shape": ty.shape}))


def wrap(trace: Trace, slot: Slot, values: Iterator[Value]) -> Any:
    """The user's value for the IR values that carry a slot."""
    match slot:
        case Same(value):
            return thawed(value)
        case Number(kind):
            return number(trace, Expr(trace.builder, next(values)), kind)
        case Scalar():
            return TracedScalar(trace, next(values))
        case Array():
            return new_array(trace, Expr(trace.builder, next(values)))
        case Tree(like, items):
            return rebuild(like, [wrap(trace, item, values) for item in items])
        case Optional(inner):
            made = wrap(trace, inner, values)
            flag = number(trace, Expr(trace.builder, next(values)), bool)
            return Maybe(made, lambda: flag)
        case Extended():
            return slot.wrap(trace, values)
        case Nullable(inner):
            made = wrap(trace, inner, values)
            return Possible(trace, made, number(trace, Expr(trace.builder, next(values)), bool))
