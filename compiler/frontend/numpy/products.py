"""Products of arrays: matmul, dot, outer, inner, tensordot, norms.

Two matrices meet in the op `dot`. A product with a vector is the sum of the elementwise products (DESIGN
D19).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.compiler.frontend.numpy.broadcasting import broadcast_to, common_shape, fit
from weft.compiler.frontend.numpy.manipulation import as_axes, as_axis
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.promote import common_dtype, element_type, numpy_dtype
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import as_array, new_array, operand, shape_of, wrap
from weft.ir.dims import DimLike, product
from weft.ir.errors import DTypeError, Fact, ShapeError
from weft.ir.expr import Expr, cast
from weft.ir.types import BOOL, F16, F32, I64


def common_operands(trace: Trace, *values: Any, dtype: Any = None) -> list[Expr]:
    """Operands in their common dtype."""
    read = [operand(trace, v) for v in values]
    common = common_dtype([o.dtype for o in read]) if dtype is None else dtype
    ty = element_type(common, trace.location())
    return [o.expr(trace, ty) for o in read]


def _summed(trace: Trace, value: Expr, axis: int) -> Expr:
    """Sum, or `any` of truth values; of float16 in float32."""
    if value.dtype == F16:
        return cast(_summed(trace, cast(value, F32), axis), F16)
    return trace.expr(trace.emit("any" if value.dtype == BOOL else "sum", [value.value], {"axis": axis}))


def _times(a: Expr, b: Expr) -> Expr:
    return a & b if a.dtype == BOOL else a * b


def _check_inner(trace: Trace, a: Expr, b: Expr, inner_a: DimLike, inner_b: DimLike) -> None:
    wrong = ValueError("matmul: inner sizes that the program computes differ")
    if not trace.agree(inner_a, inner_b, "inner sizes of a product", wrong):
        facts = [Fact("left", str(a.type)), Fact("right", str(b.type))]
        raise ShapeError(
            f"matmul: the inner sizes {inner_a} and {inner_b} differ",
            location=trace.location(),
            facts=facts,
            fix="transpose an operand, or check which axis is summed over",
        )


def multiply_matrices(trace: Trace, a: Expr, b: Expr) -> Expr:
    """`a @ b` for operands of rank 2 and more: batch axes broadcast."""
    left, right = shape_of(a), shape_of(b)
    _check_inner(trace, a, b, left[-1], right[-2])
    batch = common_shape(trace, [left[:-2], right[:-2]])
    if a.dtype == BOOL:
        counted = multiply_matrices(trace, cast(a, I64), cast(b, I64))
        return counted.ne(0)
    a = broadcast_to(trace, a, (*batch, *left[-2:]))
    b = broadcast_to(trace, b, (*batch, left[-1], right[-1]))
    return a.apply("dot", b)


def _matmul(trace: Trace, a: Expr, b: Expr) -> Expr:
    if a.dtype == F16:
        return cast(_matmul(trace, cast(a, F32), cast(b, F32)), F16)
    left: tuple[DimLike, ...] = shape_of(a)
    right: tuple[DimLike, ...] = shape_of(b)
    if len(left) == 0 or len(right) == 0:
        raise ShapeError(
            "matmul: an operand does not have enough dimensions (a scalar)",
            code="E011",
            location=trace.location(),
            fix="use `*` with scalars",
        )
    if len(left) > 1 and len(right) > 1:
        return multiply_matrices(trace, a, b)
    if len(right) == 1:
        _check_inner(trace, a, b, left[-1], right[0])
        columns = _transposed(a)
        if columns is not None:  # rows of what lies in memory are read in their order
            return _matmul(trace, b, columns)
        return _summed(trace, _times(a, broadcast_to(trace, b, left)), len(left) - 1)
    _check_inner(trace, a, b, left[0], right[-2])
    rows = _transposed(b)
    if rows is not None:
        return _matmul(trace, rows, a)
    column = trace.builder.reshape(a, (left[0], 1))
    return _summed(trace, _times(broadcast_to(trace, column, right), b), len(right) - 2)


def _transposed(value: Expr) -> Expr | None:
    """What a matrix is the transpose of, where it is one."""
    op = value.value.op
    if op is None or op.name != "transpose" or op.attributes["axes"] != (1, 0):
        return None
    return value.builder.expr(op.operands[0])


@implements(np.matmul)
def matmul(trace: Trace, x1: Any, x2: Any, out: Any = None, dtype: Any = None) -> Any:
    """Matrix product of two arrays."""
    return store(trace, _matmul(trace, *common_operands(trace, x1, x2, dtype=dtype)), out)


def store(trace: Trace, value: Expr, out: Any) -> Any:
    """A new result, or `out` with the result in it."""
    if out is None:
        return wrap(trace, value)
    if not np.can_cast(numpy_dtype(value.dtype), out.dtype, "same_kind"):
        raise DTypeError(
            f"cannot store {value.dtype} in an output of {out.element}",
            code="E032",
            location=trace.location(),
            fix="give an output of a wider dtype",
        )
    out.write(fit(trace, cast(value, out.element), out.view.shape, "a result"))
    return out


@implements(np.dot)
def dot(trace: Trace, a: Any, b: Any, out: Any = None) -> Any:
    """Dot product of two arrays."""
    x, y = common_operands(trace, a, b)
    left, right = shape_of(x), shape_of(y)
    if not left or not right:
        return trace.call(np.multiply, as_array(trace, a), as_array(trace, b), out=out)
    if (len(left) <= 2 and len(right) <= 2) or len(right) == 1:
        return store(trace, _matmul(trace, x, y), out)
    axis = len(right) - 2
    return store(trace, _contract(trace, x, y, [len(left) - 1], [axis]), out)


def _contract(trace: Trace, a: Expr, b: Expr, axes_a: Sequence[int], axes_b: Sequence[int]) -> Expr:
    """Sum over pairs of axes: both become matrices."""
    left, right = shape_of(a), shape_of(b)
    for k, j in zip(axes_a, axes_b, strict=True):
        _check_inner(trace, a, b, left[k], right[j])
    free_a = [k for k in range(len(left)) if k not in axes_a]
    free_b = [k for k in range(len(right)) if k not in axes_b]
    inner = product(tuple(left[k] for k in axes_a))
    rows, columns = tuple(left[k] for k in free_a), tuple(right[k] for k in free_b)
    x = trace.builder.reshape(_permuted(trace, a, [*free_a, *axes_a]), (product(rows), inner))
    y = trace.builder.reshape(_permuted(trace, b, [*axes_b, *free_b]), (inner, product(columns)))
    if not rows or not columns:
        x = trace.builder.reshape(x, (inner,)) if not rows else x
        y = trace.builder.reshape(y, (inner,)) if not columns else y
    return trace.builder.reshape(_matmul(trace, x, y), (*rows, *columns))


def _permuted(trace: Trace, value: Expr, axes: list[int]) -> Expr:
    if axes == list(range(len(axes))):
        return value
    return trace.expr(trace.emit("transpose", [value.value], {"axes": tuple(axes)}))


@implements(np.tensordot)
def tensordot(trace: Trace, a: Any, b: Any, axes: Any = 2) -> Any:
    """Compute tensor dot product along specified axes."""
    x, y = common_operands(trace, a, b)
    rank_a, rank_b = len(shape_of(x)), len(shape_of(y))
    if isinstance(axes, Sequence):
        first, second = (as_axes(trace, one, rank) for one, rank in zip(axes, (rank_a, rank_b), strict=True))
    else:
        count = axes.__index__()
        first, second = tuple(range(rank_a - count, rank_a)), tuple(range(count))
    if not first:
        return as_array(trace, trace.call(np.multiply.outer, a, b))
    return new_array(trace, _contract(trace, x, y, first, second))


@implements(np.inner)
def inner(trace: Trace, a: Any, b: Any) -> Any:
    """Inner product of two arrays."""
    x, y = common_operands(trace, a, b)
    if not shape_of(x) or not shape_of(y):
        return trace.call(np.multiply, as_array(trace, a), as_array(trace, b))
    return wrap(trace, _contract(trace, x, y, [len(shape_of(x)) - 1], [len(shape_of(y)) - 1]))


@implements(np.vdot)
def vdot(trace: Trace, a: Any, b: Any) -> Any:
    """Return the dot product of two vectors, the first conjugated."""
    first = as_array(trace, a).ravel().conj()
    return wrap(trace, _matmul(trace, *common_operands(trace, first, as_array(trace, b).ravel())))


@implements(np.vecdot)
def vecdot(trace: Trace, x1: Any, x2: Any, axis: int = -1) -> Any:
    """Vector dot product of two arrays, the first conjugated."""
    x, y = as_array(trace, x1), as_array(trace, x2)
    places = [as_axis(trace, axis, v.ndim) for v in (x, y)]
    inner = [v.view.shape[k] for v, k in zip((x, y), places, strict=True)]
    if not trace.holds(inner[0], "==", inner[1], "lengths of vecdot"):
        raise ValueError(f"vecdot: the vectors have lengths {inner[0]} and {inner[1]}")
    x, y = (trace.call(np.moveaxis, v, k, -1) for v, k in zip((x, y), places, strict=True))
    dtype = np.result_type(x.dtype, y.dtype)
    return trace.call(np.sum, trace.call(np.multiply, x.conj(), y), axis=-1, dtype=dtype)


@implements(np.outer)
def outer(trace: Trace, a: Any, b: Any, out: Any = None) -> Any:
    """Compute the outer product of two vectors."""
    x, y = as_array(trace, a).ravel(), as_array(trace, b).ravel()
    return trace.call(np.multiply, x[:, None], y[None, :], out=out)


@implements(np.kron)
def kron(trace: Trace, a: Any, b: Any) -> Any:
    """Kronecker product of two arrays."""
    x, y = as_array(trace, a), as_array(trace, b)
    rank = max(x.ndim, y.ndim)
    x, y = (v[(*(None,) * (rank - v.ndim), ...)] for v in (x, y))
    left = x[(slice(None), None) * rank]
    right = y[(None, slice(None)) * rank]
    result = left * right
    return result.reshape(*(m * n for m, n in zip(x.shape, y.shape, strict=True))) if rank else result[()]


__all__ = ["matmul", "multiply_matrices", "store"]
