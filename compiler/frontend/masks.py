"""Elements at a mask: where it holds, and how often, as a size that the program computes (D7).

The same mask has the same size wherever it is used. Not here: writes at a mask, which need no size
(`indexing.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from weft.compiler.frontend.storage import Shape
from weft.compiler.frontend.trace import Trace
from weft.ir.dims import DimLike, product
from weft.ir.expr import Expr, cast
from weft.ir.node import Value
from weft.ir.types import BOOL, I64, TensorType


def positions(trace: Trace, mask: Expr, least: int = 0) -> Expr:
    """Where a mask holds, counted through all its axes; at least `least` places."""
    assert mask.dtype == BOOL
    ty = mask.value.type
    assert isinstance(ty, TensorType)
    key = key_of(mask.value)
    for region, found in trace.masks.get(key, ()):
        if trace.is_open(region):
            return trace.expr(found)
    length = product(ty.shape)
    flat = trace.builder.reshape(mask, (length,))
    size: DimLike = 0
    if length != 0:
        count = trace.emit("sum", [cast(flat, I64).value], {"axis": 0})
        size = trace.bind_number(count, "k", least, length)
    found = trace.emit("positions", [flat.value], {"size": size})
    trace.masks.setdefault(key, []).append((trace.region, found))
    return trace.expr(found)


def key_of(value: Value, depth: int = 12) -> object:
    """What a value is: the ops it is made of, so that an expression written twice has one key."""
    op = value.op
    if op is None or depth == 0 or op.regions or op.name in ("scatter", "positions"):
        return id(value)
    parts = tuple(key_of(v, depth - 1) for v in op.operands)
    return (op.name, value.index, parts, repr(sorted(op.attributes.items(), key=lambda item: item[0])))


def at_mask(trace: Trace, whole: Expr, mask: Expr, axis: int) -> Expr:
    """The elements at a mask that lies on the axes from `axis` on; its axes become one in their place."""
    shape, count = _shape(whole), len(_shape(mask))
    length = product(shape[axis : axis + count])
    joined = trace.builder.reshape(whole, (*shape[:axis], length, *shape[axis + count :]))
    places = positions(trace, mask)
    found = trace.expr(trace.emit("gather", [joined.value, places.value], {"axes": (axis,)}))
    if axis == 0:
        return found
    order = (*range(1, axis + 1), 0, *range(axis + 1, len(_shape(found))))
    return trace.expr(trace.emit("transpose", [found.value], {"axes": order}))


def put_at_mask(trace: Trace, whole: Expr, part: Expr, mask: Expr, axis: int) -> Expr:
    """`whole` with the elements at a mask replaced; `part` has one axis for those of the mask."""
    shape, count = _shape(whole), len(_shape(mask))
    length = product(shape[axis : axis + count])
    joined = trace.builder.reshape(whole, (*shape[:axis], length, *shape[axis + count :]))
    places = positions(trace, mask)
    if axis:
        order = (axis, *range(axis), *range(axis + 1, len(_shape(part))))
        part = trace.expr(trace.emit("transpose", [part.value], {"axes": order}))
    facts = {"axes": (axis,), "mode": "set"}
    written = trace.emit("scatter", [joined.value, part.value, places.value], facts)
    return trace.builder.reshape(trace.expr(written), shape)


def size_at(trace: Trace, mask: Expr) -> DimLike:
    """How many elements a mask holds."""
    return _shape(positions(trace, mask))[0]


def _shape(value: Expr) -> Shape:
    assert isinstance(value.type, TensorType)
    return value.type.shape


def unravelled(trace: Trace, places: Expr, shape: Sequence[DimLike]) -> list[Expr]:
    """Places counted through all axes, as a place on each axis."""
    found: list[Expr] = []
    rest = places
    for size in reversed(shape[1:]):
        wide = trace.builder.broadcast(trace.size(size), _shape(places))
        found.append(rest.apply("remainder", wide))
        rest = rest.apply("floor_divide", wide)
    return [rest, *reversed(found)]
