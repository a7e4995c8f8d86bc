"""Order: sorting along an axis, the permutation that sorts, and places in a sorted array.

NaN comes last, as in NumPy; equal elements keep their order, but `sort` puts -0.0 before 0.0. With an attribute `kth`, only that element is where it
would be sorted, and no smaller one behind it. Not here: what is made of these (median, unique, histogram...).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from weft.ir.errors import DTypeError, ShapeError
from weft.ir.expr import Expr
from weft.ir.node import Attributes, Op, Region
from weft.ir.opdef import Arrays, Expand, OpDef, define, random_array
from weft.ir.rules import axis_of, places_along, tensor_operand
from weft.ir.types import I64, TensorType, Type


def _infer(types: Sequence[Type], attributes: Attributes) -> TensorType:
    ty = tensor_operand(types)
    if not 0 <= axis_of(attributes) < ty.rank:
        raise ShapeError(f"sort of {ty} has no axis {axis_of(attributes)}", code="E015")
    if ty.dtype.kind not in "biuf":
        raise DTypeError(f"{ty} has no order")
    return ty


def _infer_sort(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    return (_infer(types, attributes),)


def _infer_argsort(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    return (TensorType(I64, _infer(types, attributes).shape),)


def _sort_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    """Each cotangent goes back to where its element came from."""
    b, ty, axis = g[0].builder, tensor_operand([op.operands[0].type]), axis_of(op.attributes)
    order = b.emit("argsort", [x[0].value], {**op.attributes, "apart": True}).result
    zero = b.full_like(ty, 0.0, ty.dtype)
    facts = {"axes": tuple(range(ty.rank)), "mode": "set"}
    return (
        b.expr(b.emit("scatter", [zero.value, g[0].value, *places_along(x[0], axis, order)], facts).result),
    )


SHORT = 96
"""Rows up to this are sorted even where one place alone is asked for."""


def key_bits(x: np.ndarray, *, zeros_equal: bool) -> np.ndarray:
    """Elements as unsigned integers of the same order: NaN above all, -0.0 below 0.0 unless they are to be equal."""
    if x.dtype.kind in "bu":
        return x.astype(f"u{x.dtype.itemsize}")
    top = np.array(1 << (8 * x.dtype.itemsize - 1), f"u{x.dtype.itemsize}")
    if x.dtype.kind == "i":
        return x.view(top.dtype) ^ top
    bits = (x + 0.0 if zeros_equal else x).view(top.dtype)
    return np.where(x != x, ~(top ^ top), np.where(bits >= top, ~bits, bits ^ top))


def _partition(a: Attributes, x: np.ndarray, *, zeros_equal: bool) -> np.ndarray:
    """The order of elements of a partition: by bytes from the first on, as far as these are those of element `kth`."""
    axis, kth = axis_of(a), a["kth"]
    keys = key_bits(np.ascontiguousarray(np.moveaxis(x, axis, -1)), zeros_equal=zeros_equal)
    if x.shape[axis] <= SHORT:
        return np.moveaxis(np.argsort(keys, -1, kind="stable"), -1, axis)
    chosen = np.sort(keys, -1)[..., kth : kth + 1]  # pyright: ignore[reportOperatorIssue] -- a number by now
    known, here = np.zeros_like(keys), np.ones(keys.shape, bool)
    for byte in reversed(range(keys.dtype.itemsize)):
        digits = keys.dtype.type(255 << (8 * byte))
        known |= np.where(here, keys & digits, 0).astype(keys.dtype)
        here &= (keys & digits) == (chosen & digits)
    return np.moveaxis(np.argsort(known, -1, kind="stable"), -1, axis)


def _evaluate_sort(a: Attributes, x: np.ndarray) -> np.ndarray:
    order = _partition(a, x, zeros_equal=False) if "kth" in a else _evaluate_argsort({**a, "apart": True}, x)
    return np.take_along_axis(x, order, axis_of(a))


def _evaluate_argsort(a: Attributes, x: np.ndarray) -> np.ndarray:
    zeros_equal = "apart" not in a
    if "kth" in a:
        return _partition(a, x, zeros_equal=zeros_equal).astype(np.int64)
    keys = x if zeros_equal else key_bits(x, zeros_equal=False)
    return np.argsort(keys, axis_of(a), kind="stable").astype(np.int64)


def _samples(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    for dtype in ("float32", "float64", "int16", "uint8", "int64", "bool"):
        for shape, axis in (((3, 5), 1), ((6, 4), 0), ((2, 40, 3), 1), ((100,), 0), ((2, 0), 1)):
            x = random_array(rng, dtype, shape)
            if dtype == "float64":  # away from ties, for derivatives
                x = rng.normal(size=shape)
            yield {"axis": axis}, (x,)
            if shape == (100,):
                yield {"axis": axis, "kth": 37}, (x,)


sort = define(
    OpDef("sort", "Elements along `axis` in ascending order, -0.0 before 0.0.", _infer_sort,
          _evaluate_sort, _sort_vjp, Expand("sort"), 16, _samples)
)  # fmt: skip

argsort = define(
    OpDef("argsort", "Positions along `axis` of the elements in ascending order; equal ones keep theirs, but -0.0 is less if `apart`.", _infer_argsort,
          _evaluate_argsort, lambda op, g, y, x: (None,),
          Expand("sort"), 16, _samples)
)  # fmt: skip


# ---------------------------------------------------------------- places in a sorted array


def _infer_search(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    line, values = tensor_operand(types), tensor_operand(types, 1)
    if line.rank != 1 or line.dtype != values.dtype:
        raise ShapeError(f"search in {line} for {values}")
    return (TensorType(I64, values.shape),)


def _evaluate_search(attributes: Attributes, line: np.ndarray, values: np.ndarray) -> np.ndarray:
    side = "right" if attributes["right"] else "left"
    return np.asarray(np.searchsorted(line, values, side=side), np.int64)


def _search_samples(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    for dtype in ("float32", "float64", "int16", "bool", "complex64"):
        for count, shape in ((5, (3, 4)), (1, (7,)), (0, (3,)), (64, ()), (33, (40,))):
            line = np.sort(random_array(rng, dtype, (count,)))
            values = random_array(rng, dtype, shape)
            values = np.where(rng.random(shape) < 0.5, rng.choice(line, shape) if count else values, values)
            for right in (False, True):
                yield {"right": right}, (line, np.asarray(values, dtype))


search = define(
    OpDef("search", "How many elements of the sorted first operand lie before each of the second, equal ones too if `right`.",
          _infer_search, _evaluate_search, lambda op, g, y, x: (None, None), Expand("search"), 20, _search_samples)
)  # fmt: skip
