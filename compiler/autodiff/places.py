"""Sums of cotangents that are zero but for places: what slices of one array hand back.

Not here: the rules of slices (their op records), the way back (`reverse.py`).
"""

from collections.abc import Sequence
from typing import NamedTuple

from weft.compiler.autodiff.residuals import is_zero
from weft.ir import Builder, Expr, Op, TensorType, Value
from weft.ir.dims import DimLike, decide
from weft.ir.ops.shape import inverse_permutation
from weft.ir.rules import axes_attribute, shape_attribute

_MOST_PIECES = 16


class _Piece(NamedTuple):
    """A value at a place of an array that is zero elsewhere."""

    value: Value
    start: tuple[DimLike, ...]
    size: tuple[DimLike, ...]
    whole: tuple[DimLike, ...]


def accumulate(total: Expr, more: Expr, *, is_region: bool) -> Expr:
    """A sum of two cotangents.

    Pieces side by side that are all of an array are concatenated, whether they came one by one or not. In a
    region, which runs often, what is zero but for one place is added to that place alone.
    """
    if is_zero(total.value) and is_region:
        return more
    whole = _whole(total.builder, total.value, more.value)
    if whole is not None:
        return whole
    if not is_region:
        return total + more
    for whole, part in ((total, more), (more, total)):
        if _is_one_place(part.value):
            return _add_to_place(whole, part.value)
    return total + more


def _is_one_place(value: Value) -> bool:
    """Whether a value is zero but for one place, perhaps of an array in other axes."""
    op = value.op
    if op is None:
        return False
    if op.name in ("reshape", "transpose"):
        return _is_one_place(op.operands[0])
    is_sum = op.name == "update" or (op.name == "scatter" and op.attributes["mode"] == "add")
    return is_sum and is_zero(op.operands[0])


def _add_to_place(whole: Expr, part: Value) -> Expr:
    op, b = part.op, whole.builder
    assert op is not None
    if op.name == "scatter":
        return b.expr(b.emit("scatter", [whole.value, *op.operands[1:]], op.attributes).result)
    if op.name == "update":
        pieces = _pieces(whole.value)
        if pieces is not None and _axis_apart([*pieces, _piece(op)]) is not None:
            return b.expr(b.emit("update", [whole.value, op.operands[1]], op.attributes).result)
        size = _tensor(op.operands[1].type).shape
        before = b.expr(b.emit("slice", [whole.value], {**op.attributes, "size": size}).result)
        put = (before + b.expr(op.operands[1])).value
        return b.expr(b.emit("update", [whole.value, put], op.attributes).result)
    inner = op.operands[0]
    if op.name == "reshape":
        added = _add_to_place(b.reshape(whole, _tensor(inner.type).shape), inner)
        return b.reshape(added, _tensor(part.type).shape)
    axes = axes_attribute(op.attributes, "axes")
    back = inverse_permutation(axes)
    added = _add_to_place(b.expr(b.emit("transpose", [whole.value], {"axes": back}).result), inner)
    return b.expr(b.emit("transpose", [added.value], {"axes": axes}).result)


def _whole(builder: Builder, total: Value, more: Value) -> Expr | None:
    """The sum of the two as a concatenation, if their pieces lie side by side and are all there is."""
    a, b = total.op, more.op
    if a is not None and b is not None and a.name == b.name and a.name in ("reshape", "transpose"):
        if a.operands[0].type != b.operands[0].type or a.attributes != b.attributes:
            return None
        inner = _whole(builder, a.operands[0], b.operands[0])
        return (
            None if inner is None else builder.expr(builder.emit(a.name, [inner.value], a.attributes).result)
        )
    before, last = _pieces(total), _pieces(more)
    if before is None or last is None or len(before) + len(last) > _MOST_PIECES:
        return None
    pieces = [*before, *last]
    axis = _axis_apart(pieces)
    if axis is None:
        return None
    pieces = sorted(pieces, key=lambda piece: sum(_is_before(other, piece, axis) for other in pieces))
    end: DimLike = 0
    for piece in pieces:
        if decide(piece.start[axis], "==", end) is not True:
            return None
        end = end + piece.size[axis]
    if decide(end, "==", pieces[0].whole[axis]) is not True:
        return None
    values = [piece.value for piece in pieces]
    return builder.expr(builder.emit("concatenate", values, {"axis": axis}).result)


def _pieces(value: Value) -> list[_Piece] | None:
    """What a value is made of, if it is a sum of zeros with pieces at different places; later ones first."""
    op = value.op
    if op is None:
        return None
    if op.name == "update" and any(step != 1 for step in shape_attribute(op.attributes, "step")):
        return None
    if op.name == "update" and is_zero(op.operands[0]):
        return [_piece(op)]
    if op.name == "update":
        before, last = _pieces(op.operands[0]), _piece(op)
        if before is None:
            return None
        kept = [piece for piece in before if (piece.start, piece.size) != (last.start, last.size)]
        return [last, *kept] if _axis_apart([last, *kept]) is not None else None
    if op.name == "add":
        parts = [_pieces(operand) for operand in op.operands]
        found = [piece for part in parts if part is not None for piece in part]
        return found if None not in parts and _axis_apart(found) is not None else None
    return None


def _piece(op: Op) -> _Piece:
    """What an update puts, and where."""
    whole, part = (_tensor(v.type).shape for v in op.operands)
    return _Piece(op.operands[1], shape_attribute(op.attributes, "start"), part, whole)


def _axis_apart(pieces: Sequence[_Piece]) -> int | None:
    """The one axis along which the pieces are parts of the array, none over another."""
    first = pieces[0]
    axes = [k for k, (a, b) in enumerate(zip(first.size, first.whole, strict=True)) if a != b]
    if len(axes) != 1:
        return None
    (axis,) = axes
    for number, one in enumerate(pieces):
        others = [(a, b) for k, (a, b) in enumerate(zip(one.size, one.whole, strict=True)) if k != axis]
        if any(a != b for a, b in others):
            return None
        if not all(_is_before(one, p, axis) or _is_before(p, one, axis) for p in pieces[:number]):
            return None
    return axis


def _is_before(one: _Piece, other: _Piece, axis: int) -> bool:
    return decide(one.start[axis] + one.size[axis], "<=", other.start[axis]) is True


def _tensor(ty: object) -> TensorType:
    assert isinstance(ty, TensorType)
    return ty
