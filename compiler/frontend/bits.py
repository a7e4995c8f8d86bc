"""Elements of one dtype seen as those of another: the meaning of `x.view(dtype)`, little end first.

Not here: the view (`storage.py`).
"""

from __future__ import annotations

from weft.ir.dims import DimLike, floor_divide
from weft.ir.expr import Expr, cast, imag, real
from weft.ir.types import BOOL, DTYPES, U8, DType, TensorType


def converted(x: Expr, dtype: DType) -> Expr:
    """The same bytes as elements of `dtype`; the last axis grows or shrinks as elements differ."""
    if x.dtype == dtype:
        return x
    if dtype.is_complex:
        pairs = converted(x, dtype.part)
        return _item(pairs, 0, 2).apply("complex", _item(pairs, 1, 2))
    if x.dtype.is_complex:
        if dtype.size_bytes == x.dtype.part.size_bytes:
            return _as(_joined([real(x), imag(x)]), dtype)
        return converted(converted(x, x.dtype.part), dtype)
    x = cast(x, U8) if x.dtype == BOOL else x
    wide, narrow = x.dtype.bits, U8.bits if dtype == BOOL else dtype.bits
    if wide == narrow:
        return _as(x, dtype)
    target, source = DTYPES[f"u{narrow}"], _as(x, DTYPES[f"u{wide}"])
    if wide > narrow:
        parts = [
            cast(source.apply("right_shift", source.like(k * narrow)), target) for k in range(wide // narrow)
        ]
        return _as(_joined(parts), dtype)
    count = narrow // wide
    total = cast(_item(source, 0, count), target)
    for k in range(1, count):
        part = cast(_item(source, k, count), target)
        total = total | part.apply("left_shift", part.like(k * wide))
    return _as(total, dtype)


def _as(x: Expr, dtype: DType) -> Expr:
    """Elements of one size."""
    if dtype == BOOL:
        return _as(x, U8).ne(0)
    return (
        x
        if x.dtype == dtype
        else x.builder.expr(x.builder.emit("reinterpret", [x.value], {"dtype": dtype}).result)
    )


def _shape(x: Expr) -> tuple[DimLike, ...]:
    assert isinstance(x.type, TensorType)
    return x.type.shape


def _joined(parts: list[Expr]) -> Expr:
    """Element k of each part in turn, along the last axis."""
    builder, shape = parts[0].builder, _shape(parts[0])
    columns = [builder.reshape(p, (*shape, 1)).value for p in parts]
    joined = builder.expr(builder.emit("concatenate", columns, {"axis": len(shape)}).result)
    return builder.reshape(joined, (*shape[:-1], shape[-1] * len(parts)))


def _item(x: Expr, number: int, count: int) -> Expr:
    """Element `number` of each `count` along the last axis."""
    builder, shape = x.builder, _shape(x)
    size = floor_divide(shape[-1], count)
    grouped = builder.reshape(x, (*shape[:-1], size, count))
    rank = len(shape)
    places = {"start": (*(0,) * rank, number), "size": (*shape[:-1], size, 1), "step": (1,) * (rank + 1)}
    found = builder.expr(builder.emit("slice", [grouped.value], places).result)
    return builder.reshape(found, (*shape[:-1], size))


__all__ = ["converted"]
