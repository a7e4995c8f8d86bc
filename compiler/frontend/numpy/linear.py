"""`numpy.linalg` by factors: solve, inv, det, slogdet, cholesky, powers, norms, and what `numpy` has too.

Not here: orthogonal factors (`decompositions.py`); the factors themselves (`ir/ops/factor.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from weft.compiler.frontend.number import size_number
from weft.compiler.frontend.numpy.broadcasting import broadcast_to, common_shape
from weft.compiler.frontend.numpy.manipulation import as_axes
from weft.compiler.frontend.numpy.reductions import reduce_axes
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.promote import element_type
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray, as_array, new_array, shape_of, wrap
from weft.ir.dims import DimLike, floor_divide
from weft.ir.expr import Expr, cast, constant, real, select
from weft.ir.matrices import swapped, triangle, with_real_diagonal
from weft.ir.ops.factor import factors_of, permuted_rows
from weft.ir.types import F64, I64


def supported(trace: Trace, a: Any) -> TracedArray:
    """An operand of linear algebra; raises TypeError for float16, as NumPy does."""
    array = as_array(trace, a)
    if array.dtype == np.float16:
        raise TypeError("array type float16 is unsupported in linalg")
    return array


def as_matrix(trace: Trace, a: Any, *, square: bool = True) -> Expr:
    """The elements as floats or complex numbers, checked to be matrices."""
    array = supported(trace, a)
    if array.ndim < 2:
        raise LinAlgError(f"{array.ndim}-dimensional array given. Array must be at least two-dimensional")
    value = array.expr
    rows, columns = shape_of(value)[-2:]
    if square and not trace.holds(rows, "==", columns, "square matrices"):
        raise LinAlgError("Last 2 dimensions of the array must be square")
    if square and rows != columns:
        value = trace.builder.reshape(value, (*shape_of(value)[:-2], rows, rows))
    return value if value.dtype.is_float or value.dtype.is_complex else cast(value, F64)


def adjoint(value: Expr) -> Expr:
    """The matrices transposed and conjugated."""
    return swapped(value.apply("conjugate") if value.dtype.is_complex else value)


def _diagonal(trace: Trace, value: Expr) -> Expr:
    """The diagonal, as the last axis."""
    array = trace.call(np.diagonal, new_array(trace, value), axis1=-2, axis2=-1)
    return array.expr


def _all(trace: Trace, condition: Expr) -> Expr:
    return reduce_axes(trace, "all", condition, range(len(shape_of(condition))))


def _lu(trace: Trace, value: Expr) -> tuple[Expr, Expr]:
    return factors_of(trace.expr(trace.emit("lu", [value.value])))


_BLOCK = 256  # matrices from twice this on are halved, so that products do most of the work
_DEPTH = 3


def _block(value: Expr, rows: tuple[DimLike, DimLike], columns: tuple[DimLike, DimLike]) -> Expr:
    """Part of the matrices from a row and column on: (start, size) of each."""
    stack = shape_of(value)[:-2]
    start, size = (*(0 for _ in stack), rows[0], columns[0]), (*stack, rows[1], columns[1])
    facts = {"start": start, "size": size, "step": (1,) * len(size)}
    return value.builder.expr(value.builder.emit("slice", [value.value], facts).result)


def _stacked(trace: Trace, parts: Sequence[Expr], axis: int) -> Expr:
    rank = len(shape_of(parts[0]))
    return trace.expr(trace.emit("concatenate", [p.value for p in parts], {"axis": rank + axis}))


def _is_large(trace: Trace, size: DimLike, depth: int) -> bool:
    return depth > 0 and trace.holds(size, ">=", 2 * _BLOCK, "size of a matrix that is worth halving")


def _triangular(
    trace: Trace, matrix: Expr, right: Expr, *, lower: bool, unit: bool = False, depth: int = _DEPTH
) -> Expr:
    """X with T X = B: of large T by halves, the first of which is taken off the other's right side."""
    size, columns = shape_of(matrix)[-1], shape_of(right)[-1]
    if _is_large(trace, size, depth) and trace.holds(columns, ">=", 8, "columns of a linear system"):
        half = floor_divide(size, 2)
        low, high, wide = (0, half), (half, size - half), (0, columns)
        first, last = (low, high) if lower else (high, low)
        top = _block(right, first, wide)
        x = _triangular(trace, _block(matrix, first, first), top, lower=lower, unit=unit, depth=depth - 1)
        rest = _block(right, last, wide) - _block(matrix, last, first).apply("dot", x)
        y = _triangular(trace, _block(matrix, last, last), rest, lower=lower, unit=unit, depth=depth - 1)
        return _stacked(trace, (x, y) if lower else (y, x), -2)
    return trace.expr(trace.emit("triangular", [matrix.value, right.value], {"lower": lower, "unit": unit}))


def _solve(trace: Trace, matrix: Expr, right: Expr) -> Expr:
    """X with A X = B; raises LinAlgError where a pivot is 0."""
    both, order = _lu(trace, matrix)
    trace.fail_unless(_all(trace, _diagonal(trace, both).ne(0.0)), LinAlgError("Singular matrix"))
    return _substituted(trace, both, order, right)


def _substituted(trace: Trace, both: Expr, order: Expr, right: Expr) -> Expr:
    first = _triangular(trace, both, permuted_rows(right, order), lower=True, unit=True)
    return _triangular(trace, both, first, lower=False)


def inverse_or_nan(trace: Trace, a: Any) -> TracedArray:
    """The inverses of a stack of matrices, NaN in the place of one that is singular."""
    matrix = as_matrix(trace, a)
    both, order = _lu(trace, matrix)
    inverse: Any = new_array(trace, _substituted(trace, both, order, _identity(trace, matrix)))
    diagonal: Any = new_array(trace, _diagonal(trace, both))
    regular = np.all(diagonal != 0, axis=-1)[..., None, None]
    kept: Any = np.where(regular, inverse, np.nan)
    return kept.astype(inverse.dtype)


def _identity(trace: Trace, like: Expr) -> Expr:
    size = shape_of(like)[-1]
    eye = trace.call(np.eye, size_number(trace, size), dtype=like.dtype.numpy)
    return broadcast_to(trace, eye.expr, shape_of(like))


@implements(np.linalg.solve)
def solve(trace: Trace, a: Any, b: Any) -> Any:
    """Solve a linear matrix equation, or system of linear scalar equations."""
    matrix, right = as_matrix(trace, a), supported(trace, b)
    is_vector = right.ndim == 1
    if not right.ndim:
        raise ValueError("solve: Input operand 1 does not have enough dimensions")
    value = right.expr if right.dtype.kind in "fc" else cast(right.expr, F64)
    value = trace.builder.reshape(value, (*shape_of(value), 1)) if is_vector else value
    common = element_type(np.result_type(matrix.dtype.numpy, value.dtype.numpy), trace.location())
    matrix, value = cast(matrix, common), cast(value, common)
    size = shape_of(matrix)[-1]
    if not trace.holds(shape_of(value)[-2], "==", size, "rows of a linear system"):
        raise ValueError(f"solve: the matrix has {size} rows and the right side {shape_of(value)[-2]}")
    stack = common_shape(trace, [shape_of(matrix)[:-2], shape_of(value)[:-2]])
    matrix = broadcast_to(trace, matrix, (*stack, size, size))
    value = broadcast_to(trace, value, (*stack, size, shape_of(value)[-1]))
    found = _solve(trace, matrix, value)
    return wrap(trace, trace.builder.reshape(found, shape_of(found)[:-1]) if is_vector else found)


@implements(np.linalg.inv)
def inv(trace: Trace, a: Any) -> Any:
    """Compute the inverse of a matrix."""
    matrix = as_matrix(trace, a)
    return new_array(trace, _solve(trace, matrix, _identity(trace, matrix)))


def _sign_of(trace: Trace, order: Expr, like: Expr) -> Expr:
    """-1 for an odd number of exchanged pairs, else 1."""
    shape = shape_of(order)
    pairs = (*shape, shape[-1])
    row = broadcast_to(trace, trace.builder.reshape(order, (*shape, 1)), pairs)
    column = broadcast_to(trace, trace.builder.reshape(order, (*shape[:-1], 1, shape[-1])), pairs)
    inverted = triangle(cast(row.gt(column), F64), lower=False, diagonal=False)
    each = reduce_axes(trace, "sum", inverted, (len(shape),))  # row by row: no index is to be divided
    count = cast(reduce_axes(trace, "sum", each, (len(shape) - 1,)), I64)
    odd = (count & 1).eq(1)
    one = cast(constant(count, 1), like.dtype)
    return select(odd, -one, one)


def _determinant(trace: Trace, a: Any) -> tuple[Expr, Expr]:
    """The diagonal of U and the sign of the row exchanges."""
    matrix = as_matrix(trace, a)
    both, order = _lu(trace, matrix)
    diagonal = _diagonal(trace, both)
    return diagonal, _sign_of(trace, order, diagonal)


@implements(np.linalg.det)
def det(trace: Trace, a: Any) -> Any:
    """Compute the determinant of an array."""
    diagonal, sign = _determinant(trace, a)
    return wrap(trace, reduce_axes(trace, "prod", diagonal, (len(shape_of(diagonal)) - 1,)) * sign)


@implements(np.linalg.slogdet)
def slogdet(trace: Trace, a: Any) -> Any:
    """Compute the sign and (natural) logarithm of the determinant of an array."""
    diagonal, sign = _determinant(trace, a)
    axis = (len(shape_of(diagonal)) - 1,)
    each: Any = new_array(trace, diagonal)
    signs = reduce_axes(trace, "prod", trace.call(np.sign, each).expr, axis) * sign
    logarithm = reduce_axes(trace, "sum", trace.call(np.log, trace.call(np.abs, each)).expr, axis)
    made = type(np.linalg.slogdet(np.eye(1)))
    return made(wrap(trace, signs), wrap(trace, logarithm))


def _cholesky(trace: Trace, matrix: Expr, depth: int = _DEPTH) -> Expr:
    """Upper U with U^H U = A; of large A by halves: U11, U12 = U11^-H A12, and that of A22 - U12^H U12."""
    size = shape_of(matrix)[-1]
    if not _is_large(trace, size, depth):
        return trace.expr(trace.emit("cholesky", [matrix.value]))
    half = floor_divide(size, 2)
    low, high = (0, half), (half, size - half)
    first = _cholesky(trace, _block(matrix, low, low), depth - 1)
    beside = _triangular(trace, adjoint(first), _block(matrix, low, high), lower=True, depth=depth - 1)
    rest = _block(matrix, high, high) - adjoint(beside).apply("dot", beside)
    last = _cholesky(trace, rest, depth - 1)
    none = constant(swapped(beside), 0.0)
    return _stacked(trace, [_stacked(trace, [first, beside], -1), _stacked(trace, [none, last], -1)], -2)


@implements(np.linalg.cholesky)
def cholesky(trace: Trace, a: Any, /, *, upper: bool = False) -> Any:
    """Cholesky decomposition."""
    matrix = as_matrix(trace, a)
    matrix = matrix if upper else adjoint(matrix)
    found = _cholesky(trace, matrix)
    diagonal = _diagonal(trace, found)
    good = _all(trace, (real(diagonal) if diagonal.dtype.is_complex else diagonal).gt(0.0))
    trace.fail_unless(good, LinAlgError("Matrix is not positive definite"))
    found = found if upper else adjoint(found)
    if found.dtype.is_complex:  # what fused multiply-adds leave, and the signs of zeros
        found = triangle(with_real_diagonal(found), lower=not upper)
    return new_array(trace, found)


# ---------------------------------------------------------------- compositions


@implements(np.linalg.matrix_power)
def matrix_power(trace: Trace, a: Any, n: Any) -> Any:
    """Raise a square matrix to the (integer) power n."""
    if not hasattr(n, "__index__"):
        raise TypeError("exponent must be an integer")
    array, power = as_array(trace, a), n.__index__()
    if array.ndim < 2 or not trace.holds(array.view.shape[-1], "==", array.view.shape[-2], "square matrices"):
        raise LinAlgError("Last 2 dimensions of the array must be square")
    if power < 0:
        array, power = inv(trace, array), -power
    if power == 0:
        size = size_number(trace, array.view.shape[-1])
        return trace.call(np.broadcast_to, trace.call(np.eye, size, dtype=array.dtype), array.shape).copy()
    result: Any = None
    while power:
        if power & 1:
            result = array if result is None else trace.call(np.matmul, result, array)
        power >>= 1
        array = trace.call(np.matmul, array, array) if power else array
    return result


@implements(np.linalg.multi_dot)
def multi_dot(trace: Trace, arrays: Any, *, out: Any = None) -> Any:
    """The product of several matrices, in the order of fewest operations where sizes are known."""
    values = [as_array(trace, a) for a in arrays]
    if len(values) < 2:
        raise ValueError("Expecting at least two arrays.")
    first, last = values[0].ndim == 1, values[-1].ndim == 1
    values[0] = values[0][None] if first else values[0]
    values[-1] = values[-1][:, None] if last else values[-1]
    for one in values:
        if one.ndim != 2:
            raise LinAlgError(f"{one.ndim}-dimensional array given. Array must be two-dimensional")
    while len(values) > 1:
        k = min(range(len(values) - 1), key=lambda k: _cost(values[k], values[k + 1]))
        values[k : k + 2] = [trace.call(np.matmul, values[k], values[k + 1])]
    result = values[0][(0 if first else slice(None), 0 if last else slice(None))]
    if out is not None:
        out[...] = result
        return out
    return result.copy() if type(result) is TracedArray else result


def _cost(a: TracedArray, b: TracedArray) -> int:
    sizes = (*a.view.shape, b.view.shape[1])
    known = [d for d in sizes if isinstance(d, int)]
    return math.prod(known) if len(known) == len(sizes) else 1 << 62


@implements(np.linalg.vector_norm)
def vector_norm(trace: Trace, x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Computes the vector norm of a vector (or batch of vectors) `x`."""
    array = as_array(trace, x)
    if isinstance(axis, list):
        raise TypeError("'axis' must be None, an integer or a tuple of integers")
    axes = tuple(range(array.ndim)) if axis is None else as_axes(trace, axis, array.ndim)
    return _vector_norm(trace, array, axes, ord, keepdims=keepdims)


def _vector_norm(trace: Trace, array: TracedArray, axes: Sequence[int], order: Any, *, keepdims: bool) -> Any:
    if isinstance(order, str):
        raise ValueError(f"Invalid norm order '{order}' for vectors")
    array = array if array.dtype.kind in "fc" else array.astype(np.float64)
    size = trace.call(np.absolute, array)

    def over(fn: Callable[..., Any], value: Any, **least: Any) -> Any:
        return trace.call(fn, value, axis=tuple(axes), keepdims=keepdims, **least)

    if order is None or order == 2:
        squares = array * array if array.dtype.kind == "f" else array.real**2 + array.imag**2
        return trace.call(np.sqrt, over(np.sum, squares))
    if order == np.inf:
        return over(np.max, size, initial=0)
    if order == -np.inf:
        return over(np.min, size)
    if order == 0:
        return over(np.sum, trace.call(np.not_equal, array, 0).astype(size.dtype))
    if order == 1:
        return over(np.sum, size)
    return trace.call(np.power, over(np.sum, trace.call(np.power, size, order)), 1.0 / order)


@implements(np.linalg.matrix_norm)
def matrix_norm(trace: Trace, x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Computes the matrix norm of a matrix (or a stack of matrices) `x`."""
    array = as_array(trace, x)
    return _matrix_norm(trace, array, (array.ndim - 2, array.ndim - 1), ord, keepdims=keepdims)


def _matrix_norm(trace: Trace, array: TracedArray, axes: Sequence[int], order: Any, *, keepdims: bool) -> Any:
    if order in (None, "fro"):
        return _vector_norm(trace, array, axes, 2, keepdims=keepdims)
    if order in (2, -2, "nuc"):
        moved = trace.call(np.moveaxis, array, tuple(axes), (-2, -1))
        fold = {2: np.max, -2: np.min, "nuc": np.sum}[order]
        least = {} if order == -2 else {"initial": 0}
        result = trace.call(fold, trace.call(np.linalg.svdvals, moved), axis=-1, **least)
        return trace.call(np.expand_dims, result, tuple(sorted(axes))) if keepdims else result
    if order not in (1, -1, np.inf, -np.inf):
        raise ValueError("Invalid norm order for matrices.")
    array = array if array.dtype.kind in "fc" else array.astype(np.float64)
    summed, rest = (axes[0], axes[1]) if abs(order) == 1 else (axes[1], axes[0])
    totals = trace.call(np.sum, trace.call(np.absolute, array), axis=summed, keepdims=True)
    fold, least = (np.max, {"initial": 0}) if order > 0 else (np.min, {})
    result = trace.call(fold, totals, axis=rest, keepdims=True, **least)
    return result if keepdims else trace.call(np.squeeze, result, axis=tuple(axes))[()]


@implements(np.linalg.norm)
def norm(trace: Trace, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Matrix or vector norm."""
    array = as_array(trace, x)
    if axis is None and (ord is None or array.ndim == 1):
        return _vector_norm(trace, array, tuple(range(array.ndim)), ord, keepdims=keepdims)
    if axis is None and array.ndim != 2:
        raise ValueError("Improper number of dimensions to norm.")
    axes = (0, 1) if axis is None else as_axes(trace, axis, array.ndim)
    if len(axes) == 1:
        return _vector_norm(trace, array, axes, ord, keepdims=keepdims)
    if len(axes) != 2:
        raise ValueError("Improper number of dimensions to norm.")
    return _matrix_norm(trace, array, axes, ord, keepdims=keepdims)


@implements(np.linalg.matmul)
def matmul(trace: Trace, x1: Any, x2: Any, /) -> Any:
    """Computes the matrix product."""
    return trace.call(np.matmul, x1, x2)


@implements(np.linalg.matrix_transpose)
def matrix_transpose(trace: Trace, x: Any, /) -> Any:
    """Transposes a matrix (or a stack of matrices) ``x``."""
    return trace.call(np.matrix_transpose, x)


@implements(np.linalg.outer)
def outer(trace: Trace, x1: Any, x2: Any, /) -> Any:
    """Compute the outer product of two vectors."""
    for one in (x1, x2):
        if as_array(trace, one).ndim != 1:
            raise ValueError("Input arrays must be one-dimensional")
    return trace.call(np.outer, x1, x2)


@implements(np.linalg.tensordot)
def tensordot(trace: Trace, x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """Compute tensor dot product along specified axes."""
    return trace.call(np.tensordot, x1, x2, axes)


@implements(np.linalg.vecdot)
def vecdot(trace: Trace, x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Computes the vector dot product, the first conjugated."""
    return trace.call(np.vecdot, x1, x2, axis=axis)


@implements(np.linalg.diagonal)
def diagonal(trace: Trace, x: Any, /, *, offset: int = 0) -> Any:
    """Returns specified diagonals of a matrix (or a stack of matrices) ``x``."""
    return trace.call(np.diagonal, x, offset, axis1=-2, axis2=-1)


@implements(np.linalg.trace)
def trace_of(trace: Trace, x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Returns the sum along the specified diagonals of a matrix (or a stack of matrices) ``x``."""
    return trace.call(np.trace, x, offset, axis1=-2, axis2=-1, dtype=dtype)


__all__ = ["det", "inv", "norm", "solve"]
