"""Products of arrays: matmul, dot, outer, inner, tensordot, norms.

Two matrices meet in the op `dot`. A product with a vector is the sum of the elementwise products (DESIGN
D19).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.compiler.frontend.numpy.broadcasting import broadcast_to, common_shape, fit
from weft.compiler.frontend.numpy.manipulation import as_axes
from weft.compiler.frontend.numpy.table import enter, implements
from weft.compiler.frontend.promote import common_dtype, element_type, loop_of, loop_signature, numpy_dtype
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray, as_array, elements, new_array, operand, shape_of, wrap
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


def _axes_of(ufunc: np.ufunc, axes: Any, axis: Any, ranks: Sequence[int]) -> list[Any]:
    """Core axes of the operands and the result, as the keywords `axes` and `axis` of a product give them."""
    if axis is not None:
        if axes is not None:
            raise TypeError("cannot specify both 'axis' and 'axes'")
        if ufunc is not np.vecdot:
            raise TypeError(f"{ufunc.__name__}: axis can only be used with a single shared core dimension")
        return [axis, axis, ()]
    if not isinstance(axes, list):
        raise TypeError("axes should be a list.")
    if len(axes) != 3 and not (len(axes) == 2 and ranks[2] == 0):
        raise ValueError(
            "axes should be a list with an entry for all 3 inputs and outputs; entries for outputs can only "
            "be omitted if none of them has core axes."
        )
    return axes if len(axes) == 3 else [*axes, ()]


def _core_ranks(ufunc: np.ufunc, ranks: tuple[int, int, int], operands: tuple[Any, Any]) -> list[int]:
    """How many axes of the operands and the result are multiplied: matrices of `matmul` may be vectors."""
    core = list(ranks)
    for k, one in enumerate(operands if ufunc is np.matmul else ()):
        if one.ndim == 1:
            core[k], core[2] = 1, core[2] - 1
    return core


def _generalized(ufunc: np.ufunc, ranks: tuple[int, int, int], multiply: Any) -> None:
    """Register a product of the last axes; `ranks` are the numbers of core axes of operands and result."""

    def composition(
        trace: Trace, x1: Any, x2: Any, /, out: Any = None, *, dtype: Any = None, signature: Any = None,
        casting: str = "same_kind", axes: Any = None, axis: Any = None, keepdims: bool = False,
        order: str = "K", subok: bool = True,
    ) -> Any:  # fmt: skip
        chosen = loop_signature(ufunc, dtype, signature)
        out = out[0] if isinstance(out, tuple) else out
        x, y = (as_array(trace, v) for v in (x1, x2))
        core = _core_ranks(ufunc, ranks, (x, y))
        if chosen is not None:
            at = trace.location()
            loop_of(ufunc, [x.dtype, y.dtype], [None], signature=chosen, casting=casting, location=at)
        places: list[Any] = []
        if axes is not None or axis is not None:
            for one, count in zip(_axes_of(ufunc, axes, axis, core), core, strict=True):
                places.append(one if isinstance(one, tuple) else (one,))
                if len(places[-1]) != count:
                    raise ValueError(f"{ufunc.__name__}: an operand has {count} core dimensions in `axes`")
            x, y = (_last(trace, v, at) for v, at in zip((x, y), places, strict=False))
        value: Any = multiply(trace, x, y, None if chosen is None else chosen[-1])
        if keepdims:
            if ufunc is not np.vecdot:
                raise TypeError(f"{ufunc.__name__} does not support keepdims: its results have core axes")
            value = as_array(trace, value)[..., None]
            places = places and [*places[:2], places[0]]
        if places and places[2]:
            value = trace.call(np.moveaxis, value, tuple(range(-len(places[2]), 0)), places[2])
        return value if out is None else store(trace, elements(trace, value), out)

    enter(ufunc, composition)


def _last(trace: Trace, value: Any, axes: tuple[int, ...]) -> Any:
    return trace.call(np.moveaxis, value, axes, tuple(range(-len(axes), 0)))


def matmul(trace: Trace, x1: Any, x2: Any, dtype: Any = None) -> Any:
    """Matrix product of two arrays."""
    return wrap(trace, _matmul(trace, *common_operands(trace, x1, x2, dtype=dtype)))


def store(trace: Trace, value: Expr, out: Any, *, casts_any: bool = False) -> Any:
    """A new result, or `out` with the result in it."""
    if out is None:
        return wrap(trace, value)
    if type(out) is not TracedArray:
        raise TypeError("return arrays must be of ArrayType")
    if not casts_any and not np.can_cast(numpy_dtype(value.dtype), out.dtype, "same_kind"):
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


def _vecdot(trace: Trace, x: Any, y: Any, dtype: Any) -> Any:
    """Vector dot product of two arrays, the first conjugated."""
    if not x.ndim or not y.ndim:
        raise ValueError("vecdot: an operand does not have enough dimensions")
    inner = x.view.shape[-1], y.view.shape[-1]
    if not trace.holds(inner[0], "==", inner[1], "lengths of vecdot"):
        raise ValueError(f"vecdot: the vectors have lengths {inner[0]} and {inner[1]}")
    dtype = np.result_type(x.dtype, y.dtype) if dtype is None else dtype
    return trace.call(np.sum, trace.call(np.multiply, x.conj(), y), axis=-1, dtype=dtype)


def _with_vectors(trace: Trace, matrix: Any, vector: Any, axis: int, dtype: Any) -> Any:
    """Sums of the products of matrices with vectors along their axis -1 or -2."""
    name = "matvec" if axis == -1 else "vecmat"
    if matrix.ndim < 2 or vector.ndim < 1:
        raise ValueError(f"{name}: an operand does not have enough dimensions")
    if not trace.holds(matrix.view.shape[axis], "==", vector.view.shape[-1], "sizes of a product"):
        raise ValueError(f"{name}: the sizes of the matrix and the vector differ")
    wide = vector[..., None, :] if axis == -1 else vector[..., :, None]
    dtype = trace.call(np.result_type, matrix, vector) if dtype is None else dtype
    return trace.call(np.sum, trace.call(np.multiply, wide, matrix), axis=axis, dtype=dtype)


_generalized(np.matmul, (2, 2, 2), matmul)
_generalized(np.vecdot, (1, 1, 0), _vecdot)
_generalized(np.matvec, (2, 1, 1), lambda trace, x, y, dtype: _with_vectors(trace, x, y, -1, dtype))
_generalized(np.vecmat, (1, 2, 1), lambda trace, x, y, dtype: _with_vectors(trace, y, x.conj(), -2, dtype))


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
