"""Convolutions with channels last, and the windows that they are products of.

`conv` is "valid": padding is an op of its own. Before kernels are chosen the pass `lower_conv` writes it as
`windows`, which only re-indexes, and `dot`, so that patches are packed where the product packs its operand and
never stand in memory. Attributes: `stride` and `dilation` for each spatial axis, `groups` of channels.
"""

from collections.abc import Iterator, Sequence
from itertools import product as cases

import numpy as np

from weft.ir.dims import DimLike, decide, floor_divide
from weft.ir.errors import ShapeError
from weft.ir.expr import Expr
from weft.ir.node import Attributes, Op, Region
from weft.ir.opdef import Arrays, Context, Element, Expand, OpDef, define
from weft.ir.rules import axes_attribute, integer_attribute, shape_attribute, tensor_operand
from weft.ir.types import TensorType, Type

Sizes = tuple[DimLike, ...]


def places_of(size: DimLike, kernel: DimLike, stride: int, dilation: int) -> DimLike:
    """How many windows fit along an axis."""
    return floor_divide(size - dilation * (kernel - 1) - 1, stride) + 1


def _counts(ty: TensorType, kernel: Sizes, attributes: Attributes) -> Sizes:
    steps, gaps = axes_attribute(attributes, "stride"), axes_attribute(attributes, "dilation")
    spatial = ty.shape[1:-1]
    if not len(spatial) == len(kernel) == len(steps) == len(gaps):
        raise ShapeError(f"windows of {len(kernel)} axes in {ty}, which has {len(spatial)} spatial ones")
    found = [places_of(n, k, s, d) for n, k, s, d in zip(spatial, kernel, steps, gaps, strict=True)]
    if any(decide(count, "<", 1) is True for count in found):
        raise ShapeError(f"the window does not fit into {ty}", code="E011")
    return tuple(found)


# ---------------------------------------------------------------- windows


def _infer_windows(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    ty, kernel = tensor_operand(types), shape_attribute(attributes, "kernel")
    places = _counts(ty, kernel, attributes)
    return (TensorType(ty.dtype, (ty.shape[0], *places, *kernel, ty.shape[-1])),)


def _windows_element(context: Context, op: Op, index: Sequence[DimLike]) -> Expr:
    steps, gaps = axes_attribute(op.attributes, "stride"), axes_attribute(op.attributes, "dilation")
    rank = len(steps)
    places, offsets = index[1 : 1 + rank], index[1 + rank : -1]
    at = [p * s + o * d for p, s, o, d in zip(places, steps, offsets, gaps, strict=True)]
    return context.read(0, [index[0], *at, index[-1]])


def _evaluate_windows(attributes: Attributes, x: np.ndarray) -> np.ndarray:
    kernel = axes_attribute(attributes, "kernel")
    steps, gaps = axes_attribute(attributes, "stride"), axes_attribute(attributes, "dilation")
    spans = tuple((k - 1) * d + 1 for k, d in zip(kernel, gaps, strict=True))
    rank = len(kernel)
    found = np.lib.stride_tricks.sliding_window_view(x, spans, tuple(range(1, 1 + rank)))  # [b, *p, c, *k]
    found = found[(slice(None), *(slice(None, None, s) for s in steps), slice(None),
                   *(slice(None, None, d) for d in gaps))]  # fmt: skip
    return np.ascontiguousarray(np.moveaxis(found, 1 + rank, -1))


def _windows_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    """Each element is in some windows: the sum over the offsets in the kernel."""
    b, ty = g[0].builder, tensor_operand([op.operands[0].type])
    kernel = axes_attribute(op.attributes, "kernel")
    steps, gaps = axes_attribute(op.attributes, "stride"), axes_attribute(op.attributes, "dilation")
    whole = tensor_operand([g[0].value.type]).shape
    rank, total = len(kernel), None
    zero = b.full_like(ty, 0.0, ty.dtype)
    for offset in cases(*(range(k) for k in kernel)):
        places = {"start": (*(0,) * (1 + rank), *offset, 0), "step": (1,) * (2 * rank + 2),
                  "size": (*whole[: 1 + rank], *(1,) * rank, whole[-1])}  # fmt: skip
        part = b.reshape(
            b.expr(b.emit("slice", [g[0].value], places).result), (*whole[: 1 + rank], whole[-1])
        )
        at = {"start": (0, *(o * d for o, d in zip(offset, gaps, strict=True)), 0), "step": (1, *steps, 1)}
        spread = b.expr(b.emit("update", [zero.value, part.value], at).result)
        total = spread if total is None else total + spread
    return (total,)


_CASES: list[tuple[Attributes, tuple[int, ...], tuple[int, ...]]] = [
    ({"stride": (1, 1), "dilation": (1, 1)}, (2, 5, 6, 3), (2, 3)),
    ({"stride": (2, 1), "dilation": (1, 2)}, (1, 6, 5, 2), (3, 2)),
    ({"stride": (3,), "dilation": (1,)}, (2, 8, 2), (3,)),
]


windows = define(
    OpDef("windows", "All windows of a [batch, ..., channels] array: [batch, *places, *kernel, channels].",
          _infer_windows, _evaluate_windows, _windows_vjp, Element(_windows_element, aligned=True), 0,
          lambda rng: iter([({**a, "kernel": kernel}, (rng.normal(size=shape).astype(np.float32),))
                            for a, shape, kernel in _CASES]))
)  # fmt: skip


# ---------------------------------------------------------------- conv


def _kernel_of(attributes: Attributes, filters: TensorType) -> Sizes:
    return filters.shape[:-2]


def _infer_conv(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    x, w = tensor_operand(types), tensor_operand(types, 1)
    groups = integer_attribute(attributes, "groups")
    if x.dtype != w.dtype or x.rank != w.rank or x.shape[-1] != w.shape[-2] * groups:
        raise ShapeError(f"conv of {x} with filters {w} in {groups} groups", code="E011")
    return (
        TensorType(x.dtype, (x.shape[0], *_counts(x, _kernel_of(attributes, w), attributes), w.shape[-1])),
    )


def _grouped(attributes: Attributes, x: np.ndarray, kernel: tuple[int, ...]) -> np.ndarray:
    """Patches [batch, *places, *kernel, group, channels]."""
    found = _evaluate_windows({**attributes, "kernel": kernel}, x)
    return _parted(found, integer_attribute(attributes, "groups"))


def _parted(x: np.ndarray, groups: int) -> np.ndarray:
    """The last axis parted into groups; it may be empty."""
    return x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)


def _letters(rank: int) -> tuple[str, str]:
    return "xyz"[:rank], "uvw"[:rank]


def _evaluate_conv(attributes: Attributes, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    groups = integer_attribute(attributes, "groups")
    p, k = _letters(x.ndim - 2)
    filters = _parted(w, groups)
    found = np.einsum(f"b{p}{k}gc,{k}cgo->b{p}go", _grouped(attributes, x, w.shape[:-2]), filters)
    return found.reshape(*found.shape[:-2], found.shape[-2] * found.shape[-1]).astype(x.dtype)


def _evaluate_filters(attributes: Attributes, x: np.ndarray, g: np.ndarray) -> np.ndarray:
    groups = integer_attribute(attributes, "groups")
    p, k = _letters(x.ndim - 2)
    patches = _grouped(attributes, x, axes_attribute(attributes, "kernel"))
    found = np.einsum(f"b{p}{k}gc,b{p}go->{k}cgo", patches, _parted(g, groups))
    return found.reshape(*found.shape[:-2], found.shape[-2] * found.shape[-1]).astype(x.dtype)


def transposed(g: Expr, w: Expr, like: TensorType, attributes: Attributes) -> Expr:
    """The cotangent of a convolution's input: g spread by the stride, convolved with the turned filters."""
    b, groups = g.builder, integer_attribute(attributes, "groups")
    steps, gaps = axes_attribute(attributes, "stride"), axes_attribute(attributes, "dilation")
    gs, ws = tensor_operand([g.value.type]).shape, tensor_operand([w.value.type]).shape
    rank, low, high, spread = len(steps), [0], [0], [gs[0]]
    for n, count, k, s, d in zip(like.shape[1:-1], gs[1:-1], ws[:-2], steps, gaps, strict=True):
        spread.append((count - 1) * s + 1)
        low.append(d * (k - 1))  # pyright: ignore[reportArgumentType] -- sizes of filters
        high.append(n - spread[-1])  # pyright: ignore[reportArgumentType]
    if any(s != 1 for s in steps):
        zero = b.full_like(TensorType(like.dtype, (*spread, gs[-1])), 0.0, like.dtype)
        places = {"start": (0,) * (rank + 2), "step": (1, *steps, 1)}
        g = b.expr(b.emit("update", [zero.value, g.value], places).result)
    nothing = b.constant(0.0, TensorType(like.dtype, ()))
    g = b.expr(b.emit("pad", [g.value, nothing.value], {"low": (*low, 0), "high": (*high, 0)}).result)
    turned = {"start": (*(k - 1 for k in ws[:-2]), 0, 0), "size": ws, "step": (*(-1,) * rank, 1, 1)}
    w = b.expr(b.emit("slice", [w.value], turned).result)  # [*k, c, (group, o)] -> [*k, o, (group, c)]
    w = b.reshape(w, (*ws[:-1], groups, floor_divide(ws[-1], groups)))
    axes = (*range(rank), rank + 2, rank + 1, rank)
    w = b.expr(b.emit("transpose", [w.value], {"axes": axes}).result)
    w = b.reshape(w, (*ws[:-2], floor_divide(ws[-1], groups), ws[-2] * groups))
    facts = {"stride": (1,) * rank, "dilation": gaps, "groups": groups}
    return b.expr(b.emit("conv", [g.value, w.value], facts).result)


def _conv_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    b, like = g[0].builder, tensor_operand([x[0].value.type])
    kernel = tensor_operand([x[1].value.type]).shape[:-2]
    filters = b.emit("conv_filters", [x[0].value, g[0].value], {**op.attributes, "kernel": kernel}).result
    return transposed(g[0], x[1], like, op.attributes), b.expr(filters)


def _infer_filters(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    x, g = tensor_operand(types), tensor_operand(types, 1)
    kernel, groups = shape_attribute(attributes, "kernel"), integer_attribute(attributes, "groups")
    if x.dtype != g.dtype or g.shape[:-1] != (x.shape[0], *_counts(x, kernel, attributes)):
        raise ShapeError(f"filters of {x} and {g} for a kernel of {kernel}", code="E011")
    return (TensorType(x.dtype, (*kernel, floor_divide(x.shape[-1], groups), g.shape[-1])),)


def _filters_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    facts = {k: op.attributes[k] for k in ("stride", "dilation", "groups")}
    back = g[0].builder.emit("conv", [x[0].value, g[0].value], facts).result
    return transposed(x[1], g[0], tensor_operand([x[0].value.type]), facts), g[0].builder.expr(back)


def _conv_samples(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    for attributes, shape, kernel in _CASES:
        for groups in (1, 2):
            shapes = ((*shape[:-1], shape[-1] * groups), (*kernel, shape[-1], 4))
            yield (
                {**attributes, "groups": groups},
                tuple(rng.normal(size=s).astype(np.float32) for s in shapes),
            )


def _filters_samples(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    for attributes, (x, w) in _conv_samples(rng):
        facts = {**attributes, "kernel": w.shape[:-2]}
        yield facts, (x, rng.normal(size=_evaluate_conv(attributes, x, w).shape).astype(np.float32))


conv = define(
    OpDef("conv", "[batch, ..., channels] with filters [*kernel, channels / groups, outputs], without padding.",
          _infer_conv, _evaluate_conv, _conv_vjp, Expand("conv"), 0, _conv_samples)
)  # fmt: skip


conv_filters = define(
    OpDef("conv_filters", "The cotangent of `conv`'s filters from its input and the cotangent of its result.",
          _infer_filters, _evaluate_filters, _filters_vjp, Expand("conv"), 0, _filters_samples)
)  # fmt: skip
