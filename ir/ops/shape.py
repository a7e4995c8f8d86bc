"""Operations that create and re-index: constants, broadcast, reshape, transpose, slice, pad, concatenate, iota, update.

Shapes and positions in attributes are `DimLike`. A negative step walks backwards from `start`.
Not here: indexing by arrays (`index.py`), reductions.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import numpy as np

from weft.ir.dims import DimLike, decide, floor_divide, modulo, product, show_dim
from weft.ir.errors import ShapeError
from weft.ir.expr import Expr, cast
from weft.ir.node import Attributes, Op, Region
from weft.ir.opdef import Arrays, Context, Element, OpDef, define, random_array
from weft.ir.rules import axes_attribute, integer_attribute, shape_attribute, tensor_operand
from weft.ir.types import DType, TensorType, Type, VectorType, tensor

Index = Sequence[DimLike]


def _one_float(
    rng: "np.random.Generator", cases: Sequence[tuple[Attributes, tuple[int, ...]]]
) -> Iterator[tuple[Attributes, Arrays]]:
    for attributes, shape in cases:
        for dtype in ("float32", "float64", "int16"):
            yield attributes, (random_array(rng, dtype, shape),)


# ---------------------------------------------------------------- constant and iota


def _infer_constant(_t: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    ty = attributes["type"]
    assert isinstance(ty, TensorType | VectorType)
    return (ty,)


def _evaluate_constant(attributes: Attributes) -> np.ndarray:
    ty = attributes["type"]
    assert isinstance(ty, TensorType | VectorType)
    shape = ty.shape if isinstance(ty, TensorType) else (ty.lanes,)
    return np.broadcast_to(np.asarray(attributes["value"], ty.dtype.numpy), shape)  # pyright: ignore[reportArgumentType, reportCallIssue] -- a number or an array


def _constant_element(context: Context, op: Op, index: Index) -> Expr:
    raise NotImplementedError("constants are spelled by the lowering")


constant = define(
    OpDef("constant", "A compile-time `value` of `type`: one number everywhere, or an array.", _infer_constant,
          _evaluate_constant, lambda op, g, y, x: (), Element(_constant_element, aligned=True), 0,
          lambda rng: iter([({"value": 1.5, "type": tensor_f32(2, 3)}, ())]))
)  # fmt: skip


def tensor_f32(*shape: DimLike) -> TensorType:
    """For samples."""
    from weft.ir.types import F32

    return tensor(F32, *shape)


def _infer_iota(_t: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    dtype = attributes["dtype"]
    assert isinstance(dtype, DType)
    return (TensorType(dtype, (attributes["size"],)),)  # pyright: ignore[reportArgumentType] -- a size


iota = define(
    OpDef("iota", "0, 1, 2, ... of `dtype`, `size` of them.", _infer_iota,
          lambda a: np.arange(a["size"]).astype(a["dtype"].numpy), lambda op, g, y, x: (),
          Element(lambda context, op, index: cast(context.index_value(index[0]), _result_type(op).dtype), aligned=True), 1,
          lambda rng: iter([({"size": 7, "dtype": d}, ()) for d in _sample_dtypes()]))
)  # fmt: skip


def _sample_dtypes() -> Sequence[DType]:
    from weft.ir.types import F32, F64, I64, U8

    return (F32, F64, I64, U8)


def _result_type(op: Op) -> TensorType:
    ty = op.results[0].type
    assert isinstance(ty, TensorType)
    return ty


def _operand_type(op: Op, number: int = 0) -> TensorType:
    return tensor_operand([v.type for v in op.operands], number)


# ---------------------------------------------------------------- broadcast


def _infer_broadcast(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    ty, shape = tensor_operand(types), shape_attribute(attributes, "shape")
    tail = shape[len(shape) - ty.rank :] if ty.rank <= len(shape) else ()
    if ty.rank > len(shape) or any(d != 1 and d != t for d, t in zip(ty.shape, tail, strict=True)):
        raise ShapeError(f"cannot broadcast {ty} to [{','.join(map(show_dim, shape))}]", code="E012")
    return (TensorType(ty.dtype, shape),)


def _broadcast_element(context: Context, op: Op, index: Index) -> Expr:
    source, result = _operand_type(op), _result_type(op)
    skip = result.rank - source.rank
    return context.read(0, [0 if d == 1 else i for d, i in zip(source.shape, index[skip:], strict=True)])


def _broadcast_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    return (unbroadcast(g[0], _operand_type(op).shape),)


def unbroadcast(g: Expr, shape: tuple[DimLike, ...]) -> Expr:
    """Sum a cotangent over the axes that a broadcast from `shape` made or stretched."""
    ty = g.type
    assert isinstance(ty, TensorType)
    skip = ty.rank - len(shape)
    for axis in reversed(range(ty.rank)):
        if axis < skip or (shape[axis - skip] == 1 and ty.shape[axis] != 1):
            g = Expr(g.builder, g.builder.emit("sum", [g.value], {"axis": axis}).result)
    return g.builder.reshape(g, shape)


broadcast = define(
    OpDef("broadcast", "NumPy's broadcast to `shape`.", _infer_broadcast,
          lambda a, x: np.broadcast_to(x, a["shape"]), _broadcast_vjp, Element(_broadcast_element, aligned=True), 0,
          lambda rng: _one_float(rng, [({"shape": (4, 3, 5)}, (3, 1)), ({"shape": (2, 2)}, ()), ({"shape": (3,)}, (3,))]))
)  # fmt: skip


# ---------------------------------------------------------------- reshape


def _infer_reshape(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    ty, shape = tensor_operand(types), shape_attribute(attributes, "shape")
    if decide(product(ty.shape), "==", product(shape)) is False:
        raise ShapeError(f"cannot reshape {ty} to [{','.join(map(show_dim, shape))}]", code="E013")
    return (TensorType(ty.dtype, shape),)


def reshape_groups(source: Sequence[DimLike], target: Sequence[DimLike]) -> list[tuple[list[int], list[int]]]:
    """Split both shapes into the shortest runs of axes with equal products, outermost first."""
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(source) or j < len(target):
        left, right = [i] if i < len(source) else [], [j] if j < len(target) else []
        i, j = i + len(left), j + len(right)
        a, b = product(tuple(source[k] for k in left)), product(tuple(target[k] for k in right))
        while a != b and (i < len(source) or j < len(target)):
            grow_source = i < len(source) and (
                j >= len(target) or decide(a, "<", b) is True or b == 0 or a == 1
            )
            if not grow_source and j >= len(target):
                grow_source = True
            if not grow_source and i < len(source) and b != 1 and decide(a, ">", b) is None:
                left, right = (
                    list(range(left[0] if left else i, len(source))),
                    list(range(right[0] if right else j, len(target))),
                )
                i, j = len(source), len(target)
                break
            if grow_source:
                left.append(i)
                a, i = a * source[i], i + 1
            else:
                right.append(j)
                b, j = b * target[j], j + 1
        groups.append((left, right))
    return groups


def linear_index(index: Sequence[DimLike], shape: Sequence[DimLike]) -> DimLike:
    """Position in row-major order."""
    total: DimLike = 0
    for i, d in zip(index, shape, strict=True):
        total = total * d + i
    return total


def split_index(linear: DimLike, shape: Sequence[DimLike]) -> list[DimLike]:
    """Inverse of `linear_index`; the first size is not needed. Of an empty shape any index will do."""
    if 0 in shape:
        return [0] * len(shape)
    index: list[DimLike] = []
    for d in reversed(shape[1:]):
        known = d in (0, 1)  # of no elements any index will do
        index.append(0 if known else modulo(linear, d))
        linear = linear if known else floor_divide(linear, d)
    return [linear, *reversed(index)] if shape else []


def _reshape_element(context: Context, op: Op, index: Index) -> Expr:
    source, target = _operand_type(op).shape, _result_type(op).shape
    found: dict[int, DimLike] = dict.fromkeys(range(len(source)), 0)
    for left, right in reshape_groups(source, target):
        linear = linear_index([index[k] for k in right], [target[k] for k in right])
        wide = [
            k for k in left if source[k] != 1
        ]  # at an axis of size 1 the index is 0, whatever the others are
        found.update(zip(wide, split_index(linear, [source[k] for k in wide]), strict=True))
    return context.read(0, [found[k] for k in range(len(source))])


def _reshape_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    return (g[0].builder.reshape(g[0], _operand_type(op).shape),)


reshape = define(
    OpDef("reshape", "The same elements in row-major order as `shape`.", _infer_reshape,
          lambda a, x: np.reshape(x, a["shape"]), _reshape_vjp, Element(_reshape_element, aligned=True), 0,
          lambda rng: _one_float(rng, [({"shape": (6, 2)}, (3, 4)), ({"shape": (3, 1, 4)}, (3, 4)), ({"shape": ()}, (1, 1)),
                                       ({"shape": (2, 3, 4)}, (24,)), ({"shape": (24,)}, (2, 3, 4))]))
)  # fmt: skip


# ---------------------------------------------------------------- transpose


def _infer_transpose(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    ty, axes = tensor_operand(types), axes_attribute(attributes)
    if sorted(axes) != list(range(ty.rank)):
        raise ShapeError(f"axes {axes} do not permute those of {ty}", code="E015")
    return (TensorType(ty.dtype, tuple(ty.shape[k] for k in axes)),)


def _axes(op: Op) -> tuple[int, ...]:
    return axes_attribute(op.attributes)


def inverse_permutation(axes: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes `axes`."""
    return tuple(axes.index(k) for k in range(len(axes)))


def _transpose_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    b = g[0].builder
    return (b.expr(b.emit("transpose", [g[0].value], {"axes": inverse_permutation(_axes(op))}).result),)


transpose = define(
    OpDef("transpose", "Axis k of the result is axis `axes[k]` of the operand.", _infer_transpose,
          lambda a, x: np.transpose(x, a["axes"]), _transpose_vjp,
          Element(lambda context, op, index: context.read(0, [index[k] for k in inverse_permutation(_axes(op))]), aligned=True), 0,
          lambda rng: _one_float(rng, [({"axes": (1, 0)}, (3, 5)), ({"axes": (2, 0, 1)}, (2, 3, 4))]))
)  # fmt: skip


# ---------------------------------------------------------------- slice and update


def _infer_slice(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    ty = tensor_operand(types)
    start, size, step = (shape_attribute(attributes, k) for k in ("start", "size", "step"))
    if not ty.rank == len(start) == len(size) == len(step):
        raise ShapeError(f"slice of {ty} needs {ty.rank} starts, sizes and steps", code="E011")
    for d, a, n, s in zip(ty.shape, start, size, step, strict=True):
        last = a + (n - 1) * s
        outside = decide(n, ">", 0) is True and (decide(last, ">=", d) is True or decide(a, ">=", d) is True)
        if outside or decide(a, "<", 0) is True:
            raise ShapeError(
                f"slice from {show_dim(a)}, {show_dim(n)} elements, leaves axis of size {show_dim(d)}"
            )
    return (TensorType(ty.dtype, size),)


def _positions(attributes: Attributes) -> list[tuple[DimLike, DimLike, DimLike]]:
    return list(zip(*(shape_attribute(attributes, k) for k in ("start", "size", "step")), strict=True))


def _numpy_slice(start: int, size: int, step: int) -> slice:
    stop = start + size * step
    return slice(start, None if step < 0 and stop < 0 else stop, step) if size else slice(0, 0)


def _evaluate_slice(attributes: Attributes, x: np.ndarray) -> np.ndarray:
    return x[tuple(_numpy_slice(*p) for p in _positions(attributes))]  # pyright: ignore[reportArgumentType] -- sizes are bound here


def _slice_element(context: Context, op: Op, index: Index) -> Expr:
    return context.read(0, [a + i * s for (a, _, s), i in zip(_positions(op.attributes), index, strict=True)])


def _slice_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    b = g[0].builder
    zero = b.full_like(_operand_type(op), 0.0, g[0].dtype)
    places = {k: op.attributes[k] for k in ("start", "step")}
    return (b.expr(b.emit("update", [zero.value, g[0].value], places).result),)


_SLICES: list[tuple[Attributes, tuple[int, ...]]] = [
    ({"start": (1, 0), "size": (2, 3), "step": (1, 2)}, (4, 6)),
    ({"start": (3, 5), "size": (4, 3), "step": (-1, -2)}, (4, 6)),
    ({"start": (0,), "size": (0,), "step": (1,)}, (5,)),
]
slice_ = define(
    OpDef("slice", "`size` elements of each axis from `start` in steps of `step`.", _infer_slice, _evaluate_slice,
          _slice_vjp, Element(_slice_element, aligned=True), 0, lambda rng: _one_float(rng, _SLICES))
)  # fmt: skip


def _infer_update(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    whole, part = tensor_operand(types), tensor_operand(types, 1)
    _infer_slice([whole], {**attributes, "size": part.shape}, ())
    if whole.dtype != part.dtype:
        raise ShapeError(f"update of {whole} with {part}", code="E014")
    return (whole,)


def _evaluate_update(attributes: Attributes, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    result = np.array(x)
    places = zip(
        shape_attribute(attributes, "start"), y.shape, shape_attribute(attributes, "step"), strict=True
    )
    result[tuple(_numpy_slice(*p) for p in places)] = y  # pyright: ignore[reportArgumentType] -- sizes are bound here
    return result


def _update_element(context: Context, op: Op, index: Index) -> Expr:
    """y where the index lies in the written part, else x."""
    part = _operand_type(op, 1).shape
    start, step = (shape_attribute(op.attributes, k) for k in ("start", "step"))

    def outside() -> Expr:
        return context.read(0, index)

    def axis(k: int, inner: list[DimLike]) -> Expr:
        if k == len(part):
            return context.read(1, inner)
        if part[k] == _result_type(op).shape[k] and start[k] == 0 and step[k] == 1:
            return axis(k + 1, [*inner, index[k]])
        first, stride = (
            (start[k], step[k]) if decide(step[k], ">", 0) else (start[k] + (part[k] - 1) * step[k], -step[k])
        )
        offset = index[k] - first
        place = floor_divide(offset, stride)
        position = place if step[k] == stride else part[k] - 1 - place

        def inside() -> Expr:
            if stride == 1:
                return axis(k + 1, [*inner, position])
            on = context.index_value(modulo(offset, stride)).eq(0)
            return context.where(on, lambda: axis(k + 1, [*inner, position]), outside)

        return context.piecewise(
            index[k], [(first, outside), (first + part[k] * stride, inside), (None, outside)]
        )

    return axis(0, [])


def _update_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    b = g[0].builder
    part = _operand_type(op, 1)
    zero = b.full_like(part, 0.0, g[0].dtype)
    # held, and first: so that nothing reads g after it was written over
    taken = b.emit(
        "hold", b.emit("slice", [g[0].value], {**op.attributes, "size": part.shape}).results
    ).result
    kept = b.emit("update", [g[0].value, zero.value], op.attributes).result
    return b.expr(kept), b.expr(taken)


def _update_samples(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    for attributes, shape in _SLICES:
        part = tuple(n for n in shape_attribute(attributes, "size") if isinstance(n, int))
        places = {k: attributes[k] for k in ("start", "step")}
        yield places, (random_array(rng, "float32", shape), random_array(rng, "float32", part))


update = define(
    OpDef("update", "The first operand with the slice at `start`, `step` replaced by the second.", _infer_update,
          _evaluate_update, _update_vjp, Element(_update_element), 1, _update_samples)
)  # fmt: skip


# ---------------------------------------------------------------- pad and concatenate


def _infer_pad(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    ty = tensor_operand(types)
    low, high = (shape_attribute(attributes, k) for k in ("low", "high"))
    return (TensorType(ty.dtype, tuple(a + d + b for a, d, b in zip(low, ty.shape, high, strict=True))),)


def _pad_element(context: Context, op: Op, index: Index) -> Expr:
    source, low = _operand_type(op).shape, shape_attribute(op.attributes, "low")

    def fill() -> Expr:
        return context.read(1, [])

    def axis(k: int, inner: list[DimLike]) -> Expr:
        if k == len(source):
            return context.read(0, inner)
        if low[k] == 0 and source[k] == _result_type(op).shape[k]:
            return axis(k + 1, [*inner, index[k]])
        inside: Callable[[], Expr] = lambda: axis(k + 1, [*inner, index[k] - low[k]])  # noqa: E731
        return context.piecewise(index[k], [(low[k], fill), (low[k] + source[k], inside), (None, fill)])

    return axis(0, [])


def _pad_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    b = g[0].builder
    source = _operand_type(op)
    places = {"start": op.attributes["low"], "size": source.shape, "step": (1,) * source.rank}
    inner = b.expr(b.emit("slice", [g[0].value], places).result)
    # the fill gets the sum of the border; a difference of two sums would cancel
    border = {"start": places["start"], "step": places["step"]}
    border_only = b.emit("update", [g[0].value, b.full_like(source, 0.0, source.dtype).value], border).result
    return inner, unbroadcast(b.expr(border_only), ())


pad = define(
    OpDef("pad", "The scalar second operand around the first: `low` before and `high` after on each axis.", _infer_pad,
          lambda a, x, v: np.pad(x, list(zip(a["low"], a["high"], strict=True)), constant_values=v), _pad_vjp,
          Element(_pad_element), 1,
          lambda rng: iter([({"low": (1, 0), "high": (2, 3)}, (random_array(rng, t, (3, 4)), random_array(rng, t, ())))
                            for t in ("float32", "int64")]))
)  # fmt: skip


def _infer_concatenate(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    axis, first = integer_attribute(attributes, "axis"), tensor_operand(types)
    total: DimLike = 0
    for k in range(len(types)):
        ty = tensor_operand(types, k)
        if (
            ty.dtype != first.dtype
            or ty.shape[:axis] + ty.shape[axis + 1 :] != first.shape[:axis] + first.shape[axis + 1 :]
        ):
            raise ShapeError(f"cannot concatenate {first} and {ty} along axis {axis}")
        total = total + ty.shape[axis]
    return (TensorType(first.dtype, (*first.shape[:axis], total, *first.shape[axis + 1 :])),)


def concatenate_starts(op: Op) -> list[DimLike]:
    """Where each operand begins along the axis; one more for the end."""
    axis = integer_attribute(op.attributes, "axis")
    return [
        0,
        *accumulate((_operand_type(op, k).shape[axis] for k in range(len(op.operands))), lambda a, b: a + b),
    ]


def _concatenate_element(context: Context, op: Op, index: Index) -> Expr:
    axis, starts = integer_attribute(op.attributes, "axis"), concatenate_starts(op)

    def part(k: int) -> Callable[[], Expr]:
        return lambda: context.read(k, [i - starts[k] if a == axis else i for a, i in enumerate(index)])

    last = len(op.operands) - 1
    rolled, first = _rolled(op, axis), op.operands[0].op
    if rolled is not None and first is not None:
        places = [(starts[k + 1], start + (index[axis] - starts[k])) for k, start in enumerate(rolled)]
        place = context.place_in(index[axis], places, _operand_type(first).shape[axis])
        if place is not None:
            return context.read(0, [place - rolled[0] if a == axis else i for a, i in enumerate(index)])
    return context.piecewise(
        index[axis], [(starts[k + 1] if k < last else None, part(k)) for k in range(last + 1)]
    )


def _rolled(op: Op, axis: int) -> list[DimLike] | None:
    """Where the operands begin in one array of which all are slices that differ along the axis alone."""
    parts = [v.op for v in op.operands]
    found: list[DimLike] = []
    for part in parts:
        if part is None or part.name != "slice" or part.operands != (parts[0] or part).operands:
            return None
        whole = [(0, size, 1) for size in _operand_type(part).shape]
        places = _positions(part.attributes)
        if places[axis][2] != 1 or places[:axis] + places[axis + 1 :] != whole[:axis] + whole[axis + 1 :]:
            return None
        found.append(places[axis][0])
    return found


def _concatenate_vjp(
    op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]
) -> Sequence[Expr | None]:
    b, axis, starts = g[0].builder, integer_attribute(op.attributes, "axis"), concatenate_starts(op)
    parts: list[Expr | None] = []
    for k in range(len(op.operands)):
        ty = _operand_type(op, k)
        start = tuple(starts[k] if a == axis else 0 for a in range(ty.rank))
        places = {"start": start, "size": ty.shape, "step": (1,) * ty.rank}
        parts.append(b.expr(b.emit("slice", [g[0].value], places).result))
    return parts


concatenate = define(
    OpDef("concatenate", "Operands one after the other along `axis`.", _infer_concatenate,
          lambda a, *x: np.concatenate(x, a["axis"]), _concatenate_vjp, Element(_concatenate_element), 0,
          lambda rng: iter([({"axis": k}, tuple(random_array(rng, "float32", s) for s in shapes)) for k, shapes in
                            ((0, ((2, 3), (4, 3), (1, 3))), (1, ((2, 3), (2, 5))))]))
)  # fmt: skip
