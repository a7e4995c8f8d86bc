"""Indexing by integer arrays.

Index operands are i64 tensors of one shape S; attribute `axes` names the axis each one indexes, ascending. The indexed
part has shape S followed by the other axes in order. A negative index counts from the end; outside, the program fails
with an IndexError.
Not here: NumPy's rules for where the indexed axes go (frontend), slices (`shape.py`).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from weft.ir.dims import DimLike
from weft.ir.errors import ShapeError
from weft.ir.expr import Expr, cast
from weft.ir.node import Attributes, Op, Region
from weft.ir.opdef import Arrays, Context, Element, Expand, OpDef, define
from weft.ir.types import BOOL, I64, TensorType, Type

INSIDE = "inside"
"""Attribute `checked` of indices known to be in the array, none below 0; True: another op has tested them."""


def indexed_axes(attributes: Attributes) -> tuple[int, ...]:
    """The axes that index operands walk."""
    axes = attributes["axes"]
    assert isinstance(axes, tuple)
    return axes  # pyright: ignore[reportReturnType]


def part_shape(whole: TensorType, indices: Sequence[Type], axes: Sequence[int]) -> tuple[DimLike, ...]:
    """Shape of the indexed part."""
    first = indices[0]
    if any(t != first for t in indices) or not isinstance(first, TensorType) or first.dtype != I64:
        raise ShapeError(f"index arrays need one shape and dtype i64, got {', '.join(map(str, indices))}")
    if len(axes) != len(indices) or any(not 0 <= a < whole.rank for a in axes):
        raise ShapeError(f"{whole} cannot be indexed on axes {tuple(axes)}", code="E015")
    return (*first.shape, *(d for k, d in enumerate(whole.shape) if k not in axes))


def _infer_gather(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    whole = types[0]
    assert isinstance(whole, TensorType)
    return (TensorType(whole.dtype, part_shape(whole, types[1:], indexed_axes(attributes))),)


def numpy_index(
    rank: int, axes: Sequence[int], indices: Sequence[np.ndarray]
) -> tuple[np.ndarray | slice, ...]:
    """The index that NumPy takes for an array whose indexed axes were moved to the front."""
    return (*indices, *[slice(None)] * (rank - len(axes)))


def moved_to_front(x: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """View of x with `axes` first, the others in order."""
    return np.moveaxis(x, axes, range(len(axes)))


def _evaluate_gather(attributes: Attributes, x: np.ndarray, *indices: np.ndarray) -> np.ndarray:
    axes = indexed_axes(attributes)
    return np.asarray(moved_to_front(x, axes)[numpy_index(x.ndim, axes, indices)], order="C")


def _gather_element(context: Context, op: Op, index: Sequence[DimLike]) -> Expr:
    whole, first, axes = op.operands[0].type, op.operands[1].type, indexed_axes(op.attributes)
    assert isinstance(whole, TensorType)
    assert isinstance(first, TensorType)
    place, rest = index[: first.rank], list(index[first.rank :])
    full: list[DimLike] = []
    for axis, size in enumerate(whole.shape):
        if axis in axes:
            full.append(context.index_of(1 + axes.index(axis), place, size, axis))
        else:
            full.append(rest.pop(0))
    return context.read(0, full)


def _gather_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    b = g[0].builder
    whole = x[0].type
    assert isinstance(whole, TensorType)
    zero = b.full_like(whole, 0.0, whole.dtype)
    attributes = {"axes": op.attributes["axes"], "mode": "add", "checked": True}  # by the gather
    total = b.emit("scatter", [zero.value, g[0].value, *(i.value for i in x[1:])], attributes).result
    return b.expr(total), *(None for _ in x[1:])


def _samples(rng: "np.random.Generator") -> Iterator[tuple[tuple[int, ...], np.ndarray, Arrays]]:
    cases = (((5, 3), (0,), (7,)), ((5, 3), (1,), (2, 4)), ((4, 5, 6), (0, 2), (3,)), ((4, 5), (0, 1), ()))
    for shape, axes, part in cases:
        for dtype in ("float32", "int16"):
            x = (rng.normal(size=shape) * 9).astype(dtype)
            yield axes, x, tuple(rng.integers(-shape[a], shape[a], part) for a in axes)


gather = define(
    OpDef("gather", "Elements of the first operand at the index operands.", _infer_gather, _evaluate_gather, _gather_vjp,
          Element(_gather_element), 0, lambda rng: (({"axes": a}, (x, *i)) for a, x, i in _samples(rng)),
          frozenset({"can_fail"}))
)  # fmt: skip


_UFUNCS = {"add": np.add, "multiply": np.multiply, "minimum": np.minimum, "maximum": np.maximum}


def _infer_scatter(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    whole, part = types[0], types[1]
    assert isinstance(whole, TensorType)
    expected = TensorType(whole.dtype, part_shape(whole, types[2:], indexed_axes(attributes)))
    if part != expected:
        raise ShapeError(f"scatter into {whole} needs {expected}, got {part}")
    return (whole,)


def _evaluate_scatter(
    attributes: Attributes, x: np.ndarray, part: np.ndarray, *indices: np.ndarray
) -> np.ndarray:
    axes, mode = indexed_axes(attributes), attributes["mode"]
    result = np.array(x)
    part, *indices_in_order = (np.array(a, order="C") for a in (part, *indices))  # NumPy follows their memory
    view, place = moved_to_front(result, axes), numpy_index(x.ndim, axes, indices_in_order)
    if mode == "set":
        view[place] = part
    else:
        assert isinstance(mode, str)
        with np.errstate(all="ignore"):
            _UFUNCS[mode].at(view, place, part)  # pyright: ignore[reportArgumentType] -- slices are taken
    return result


def _scatter_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    b, indices = g[0].builder, [i.value for i in x[2:]]
    part = b.expr(b.emit("gather", [g[0].value, *indices], {"axes": op.attributes["axes"]}).result)
    none = [None for _ in indices]
    if op.attributes["mode"] == "add":
        return g[0], part, *none
    if op.attributes["mode"] in ("minimum", "maximum"):
        whole, taken = _scatter_extreme(op, g[0], y[0], x)
        return whole, taken, *none
    if op.attributes["mode"] != "set":
        raise NotImplementedError(f"scatter by {op.attributes['mode']} has no derivative")
    zero = b.full_like(part.type, 0.0, part.dtype)
    part = part.apply("hold")  # nothing is to read g after it was written over
    kept = b.emit("scatter", [g[0].value, zero.value, *indices], op.attributes).result
    if x[2].type == TensorType(I64):  # one index meets no other
        return b.expr(kept), part, *none
    # of elements written twice only the last counts: mark each place with the number of its last writer
    ty = part.type
    assert isinstance(ty, TensorType)
    order = b.reshape(b.expr(b.emit("iota", [], {"size": ty.size, "dtype": I64}).result), ty.shape)
    none_yet = b.full_like(g[0].type, -1, I64)
    writer = b.emit("scatter", [none_yet.value, order.value, *indices], op.attributes).result
    last = b.expr(b.emit("gather", [writer, *indices], {"axes": op.attributes["axes"]}).result)
    mine = b.expr(b.emit("select", [last.eq(order).value, part.value, zero.value]).result)
    return b.expr(kept), mine, *none


def _scatter_extreme(op: Op, g: Expr, y: Expr, x: Sequence[Expr]) -> tuple[Expr, Expr]:
    """The cotangent goes to the old element and the written ones that reach the extreme, in equal shares."""
    b, indices, axes = g.builder, [i.value for i in x[2:]], {"axes": op.attributes["axes"]}

    def gathered(value: Expr) -> Expr:
        return b.expr(b.emit("gather", [value.value, *indices], axes).result)

    old, new = cast(x[0].eq(y), g.dtype), cast(x[1].eq(gathered(y)), g.dtype)
    count = b.expr(b.emit("scatter", [old.value, new.value, *indices], {**axes, "mode": "add"}).result)
    share = g / count
    return share * old, gathered(share) * new


def _scatter_samples(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    for axes, x, indices in _samples(rng):
        shape = moved_to_front(x, axes)[numpy_index(x.ndim, axes, indices)].shape
        part = (rng.normal(size=shape) * 9).astype(x.dtype)
        for mode in ("set", "add", "maximum"):
            yield {"axes": axes, "mode": mode}, (x, part, *indices)


scatter = define(
    OpDef("scatter", "The first operand with elements at the indices set to, or combined by `mode` with, the second, in order.",
          _infer_scatter, _evaluate_scatter, _scatter_vjp, Expand("scatter"), 1, _scatter_samples,
          frozenset({"can_fail"}))
)  # fmt: skip


# ---------------------------------------------------------------- places of a mask


def _infer_positions(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    mask = types[0]
    if not isinstance(mask, TensorType) or mask.rank != 1 or mask.dtype != BOOL:
        raise ShapeError(f"positions of {mask}, which is no mask of one axis")
    return (TensorType(I64, (attributes["size"],)),)  # pyright: ignore[reportArgumentType] -- a size


def _positions_samples(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    for size in (0, 1, 7, 40):
        mask = rng.random(size) < 0.5
        yield {"size": int(mask.sum())}, (mask,)


positions = define(
    OpDef("positions", "Where the mask holds, of which there are `size` places.", _infer_positions,
          lambda attributes, mask: np.flatnonzero(mask).astype(np.int64), lambda op, g, y, x: (None,), Expand("positions"), 1,
          _positions_samples)
)  # fmt: skip
