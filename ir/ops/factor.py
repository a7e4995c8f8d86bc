"""Factors of square matrices: LU with row exchanges, Cholesky, and systems with a triangle.

Leading axes are a stack of matrices. Not here: products (`linalg.py`); what is made of factors (inverse, determinant: frontend).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from weft.ir.errors import DTypeError, ShapeError
from weft.ir.expr import Expr, cast, constant, select
from weft.ir.matrices import (
    adjoint,
    apply_op,
    column_minus_row,
    conjugate,
    swapped,
    triangle,
    with_real_diagonal,
)
from weft.ir.node import Attributes, Op, Region
from weft.ir.opdef import Arrays, Expand, OpDef, define
from weft.ir.rules import tensor_operand
from weft.ir.types import I64, TensorType, Type


def _square(types: Sequence[Type], name: str) -> TensorType:
    ty = tensor_operand(types)
    if ty.rank < 2 or ty.shape[-1] != ty.shape[-2]:
        raise ShapeError(f"{name} needs square matrices, got {ty}")
    if not (ty.dtype.is_float or ty.dtype.is_complex):
        raise DTypeError(f"{name} does not take {ty}")
    return ty


def _on_diagonal(x: Expr, number: float) -> Expr:
    """x with its diagonal replaced by a number."""
    return select(column_minus_row(x).eq(0), constant(x, number), x)


# ---------------------------------------------------------------- LU


def _infer_lu(types: Sequence[Type], _a: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    ty = _square(types, "lu")
    return (TensorType(ty.dtype, (*ty.shape[:-2], ty.shape[-2] + 1, ty.shape[-1])),)


def _evaluate_lu(_a: Attributes, x: np.ndarray) -> np.ndarray:
    n = x.shape[-1]
    result = np.concatenate([x, np.broadcast_to(np.arange(n, dtype=x.dtype), (*x.shape[:-2], 1, n))], axis=-2)
    for m in result.reshape(int(np.prod(x.shape[:-2])), n + 1, n):
        for k in range(n):
            column = m[k:n, k]
            at = k + int(np.argmax(np.abs(np.real(column)) + np.abs(np.imag(column))))
            m[[k, at]] = m[[at, k]]
            m[n, [k, at]] = m[n, [at, k]]
            if m[k, k] != 0:
                m[k + 1 : n, k] /= m[k, k]
            m[k + 1 : n, k + 1 :] -= m[k + 1 : n, k : k + 1] * m[k, k + 1 :]
    return result


def _rows(x: Expr, start: int, size: object) -> Expr:
    shape = tensor_operand([x.value.type]).shape
    first = (*(0 for _ in shape[:-2]), start, 0)
    return apply_op(x, "slice", start=first, size=(*shape[:-2], size, shape[-1]), step=(1,) * len(shape))


def factors_of(packed: Expr) -> tuple[Expr, Expr]:
    """The rows that hold both triangles, and where each row came from."""
    shape = tensor_operand([packed.value.type]).shape
    n = shape[-1]
    start = (*(0 for _ in shape[:-2]), n, 0)
    order = apply_op(packed, "slice", start=start, size=(*shape[:-2], 1, n), step=(1,) * len(shape))
    return _rows(packed, 0, n), cast(packed.builder.reshape(order, (*shape[:-2], n)), I64)


def permuted_rows(x: Expr, order: Expr) -> Expr:
    """Row k of the result is row order[k]."""
    return apply_op(
        x, "gather", *_row_index(x, order), axes=tuple(range(tensor_operand([x.value.type]).rank))
    )


def _row_index(x: Expr, order: Expr) -> list[Expr]:
    b, shape = x.builder, tensor_operand([x.value.type]).shape
    found: list[Expr] = []
    for k, size in enumerate(shape):
        if k == len(shape) - 2:
            one = b.reshape(order, (*tensor_operand([order.value.type]).shape, 1))
        else:
            line = b.expr(b.emit("iota", [], {"size": size, "dtype": I64}).result)
            one = b.reshape(line, (size, *(1,) * (len(shape) - 1 - k)))
        found.append(b.broadcast(one, shape))
    return found


def _lu_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    """P^T L^-T (lower part of L^T gL + upper part of gU U^T) U^-1."""
    (both, order), (wanted, _) = factors_of(y[0]), factors_of(g[0])
    left = _on_diagonal(triangle(both, lower=True, diagonal=False), 1.0)
    right = triangle(both, lower=False)
    lower = triangle(
        swapped(left).apply("dot", triangle(wanted, lower=True, diagonal=False)), lower=True, diagonal=False
    )
    upper = triangle(triangle(wanted, lower=False).apply("dot", swapped(right)), lower=False)
    inner = apply_op(swapped(left), "triangular", lower + upper, lower=False, unit=True)
    outer = swapped(apply_op(right, "triangular", swapped(inner), lower=False, unit=False))
    zero = constant(x[0], 0.0)
    facts = {"axes": tuple(range(tensor_operand([x[0].value.type]).rank)), "mode": "set"}
    places = _row_index(x[0], order)
    return (apply_op(zero, "scatter", outer, *places, **facts),)


def _matrices(rng: "np.random.Generator") -> Iterator[np.ndarray]:
    for dtype in ("float32", "float64"):
        for shape in ((1, 1), (3, 3), (2, 5, 5), (0, 0)):
            yield rng.normal(size=shape).astype(dtype)


lu = define(
    OpDef("lu", "Both triangles of L U = P A in one matrix, L's diagonal of ones left out; one more row says where each row of P A was.",
          _infer_lu, _evaluate_lu, _lu_vjp, Expand("lu"), 8, lambda rng: (({}, (x,)) for x in _matrices(rng)))
)  # fmt: skip


# ---------------------------------------------------------------- systems with a triangle


def _infer_triangular(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    matrix, right = _square(types, "triangular"), tensor_operand(types, 1)
    if right.rank != matrix.rank or right.shape[:-1] != matrix.shape[:-1] or right.dtype != matrix.dtype:
        raise ShapeError(f"triangular system of {matrix} and {right}")
    return (right,)


def _evaluate_triangular(attributes: Attributes, t: np.ndarray, b: np.ndarray) -> np.ndarray:
    result, n = np.array(b, order="C"), t.shape[-1]
    with np.errstate(all="ignore"):
        for k in range(n) if attributes["lower"] else reversed(range(n)):
            before = slice(0, k) if attributes["lower"] else slice(k + 1, n)
            result[..., k, :] -= np.einsum("...k,...kj->...j", t[..., k, before], result[..., before, :])
            if not attributes["unit"]:
                result[..., k, :] /= t[..., k, k, None]
    return result


def _triangular_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    lower, unit = bool(op.attributes["lower"]), bool(op.attributes["unit"])
    right = apply_op(swapped(x[0]), "triangular", g[0], lower=not lower, unit=unit)
    return -triangle(right.apply("dot", swapped(y[0])), lower=lower, diagonal=not unit), right


def _triangular_samples(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    for x in _matrices(rng):
        for lower in (False, True):
            n = x.shape[-1]
            b = rng.normal(size=(*x.shape[:-1], 4)).astype(x.dtype)
            yield {"lower": lower, "unit": lower}, (x + 3 * np.eye(n, dtype=x.dtype), b)


triangular = define(
    OpDef("triangular", "X with T X = B, of which only the `lower` or upper triangle of T is read, not its diagonal if `unit`.",
          _infer_triangular, _evaluate_triangular, _triangular_vjp, Expand("triangular"), 8, _triangular_samples)
)  # fmt: skip


# ---------------------------------------------------------------- Cholesky


def _evaluate_cholesky(_a: Attributes, x: np.ndarray) -> np.ndarray:
    n, result = x.shape[-1], np.triu(x)
    with np.errstate(all="ignore"):
        for k in range(n):
            result[..., k, k:] /= np.sqrt(np.real(result[..., k, k, None]))
            row = result[..., k, k + 1 :]
            result[..., k + 1 :, k + 1 :] -= np.triu(row.conj()[..., :, None] * row[..., None, :])
    return np.asarray(result, order="C")


def _cholesky_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    """U^-1 Phi(U g^T) U^-H, both triangles added into the upper one. Source: Murray 2016, "Differentiation of the Cholesky..."."""
    inner = triangle(y[0].apply("dot", swapped(triangle(g[0], lower=False))), lower=True)
    inner = with_real_diagonal(select(column_minus_row(inner).eq(0), inner * 0.5, inner))
    left = apply_op(y[0], "triangular", inner, lower=False, unit=False)
    both = adjoint(apply_op(y[0], "triangular", adjoint(left), lower=False, unit=False))
    whole = both + adjoint(both)
    whole = triangle(select(column_minus_row(whole).eq(0), with_real_diagonal(both), whole), lower=False)
    return (conjugate(whole),)


def _positive(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    for x in _matrices(rng):
        n = x.shape[-1]
        yield {}, (np.asarray(np.matmul(x, np.swapaxes(x, -1, -2)) + 2 * np.eye(n), x.dtype),)
    z = rng.normal(size=(5, 5)) + 1j * rng.normal(size=(5, 5))
    yield {}, (z @ z.conj().T + 2 * np.eye(5),)


cholesky = define(
    OpDef("cholesky", "Upper U with U^H U = A, of which only the upper triangle is read; NaN where A is not positive definite.",
          lambda types, _a, _r: (_square(types, "cholesky"),), _evaluate_cholesky, _cholesky_vjp, Expand("cholesky"), 8, _positive)
)  # fmt: skip
