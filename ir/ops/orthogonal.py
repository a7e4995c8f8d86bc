"""Orthogonal factors: QR by reflections, and rows made orthogonal by rotations, of which singular values and eigenvectors are made.

Leading axes are a stack of matrices. Matrices are taken transposed: what is reflected or rotated lies in rows.
Not here: triangular factors (`factor.py`); what is made of these (frontend).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from weft.ir.errors import DTypeError, ShapeError, UnsupportedError
from weft.ir.expr import Expr, complex_of, constant, real, select
from weft.ir.matrices import (
    adjoint,
    column_minus_row,
    columns_between,
    conjugate,
    swapped,
    triangle,
    with_real_diagonal,
)
from weft.ir.node import Attributes, Op, Region
from weft.ir.opdef import Arrays, Expand, OpDef, define
from weft.ir.rules import tensor_operand
from weft.ir.types import TensorType, Type

MAX_SWEEPS = 40


def _matrix(types: Sequence[Type], name: str) -> TensorType:
    ty = tensor_operand(types)
    if ty.rank < 2:
        raise ShapeError(f"{name} needs matrices, got {ty}")
    if not (ty.dtype.is_float or ty.dtype.is_complex):
        raise DTypeError(f"{name} does not take {ty}")
    return ty


def _matrices(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    for dtype in ("float32", "float64"):
        for shape in ((1, 1), (3, 5), (2, 4, 4), (2, 19), (0, 3)):
            yield {}, (rng.normal(size=shape).astype(dtype),)
    yield {}, (rng.normal(size=(3, 5)) + 1j * rng.normal(size=(3, 5)),)


# ---------------------------------------------------------------- QR


def _infer_qr(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    ty, count = _matrix(types, "qr"), attributes["count"]
    return (TensorType(ty.dtype, (*ty.shape[:-2], count, ty.shape[-1] + ty.shape[-2])),)  # pyright: ignore[reportArgumentType]


def _evaluate_qr(attributes: Attributes, x: np.ndarray) -> np.ndarray:
    count = int(attributes["count"])  # pyright: ignore[reportArgumentType]
    result = np.zeros((*x.shape[:-2], count, x.shape[-1] + x.shape[-2]), x.dtype)
    q, r = np.linalg.qr(np.swapaxes(x, -1, -2), "complete")
    result[..., : x.shape[-1]] = np.swapaxes(q, -1, -2)[..., :count, :]
    result[..., x.shape[-1] :] = r[..., :count, :]
    return result


def _qr_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    """R^-1 (gQ + S Q^H), S the Hermitian matrix whose lower triangle is that of R gR^T - gQ Q. Source: Walter et al. 2010.

    The diagonal of R is real.
    """
    rows, length = tensor_operand([x[0].value.type]).shape[-2:]
    if op.attributes["count"] != rows:
        raise UnsupportedError(
            "no derivative of a QR factorization of more columns than rows, or with mode='complete'",
            code="E053",
            fix="factorize the transposed matrix, or use mode='reduced'",
        )
    q, r = columns_between(y[0], 0, length), columns_between(y[0], length, rows)
    wanted_q, wanted_r = columns_between(g[0], 0, length), columns_between(g[0], length, rows)
    inner = r.apply("dot", swapped(wanted_r)) - wanted_q.apply("dot", swapped(q))
    lower = with_real_diagonal(triangle(inner, lower=True))
    both = lower + adjoint(triangle(inner, lower=True, diagonal=False))
    whole = wanted_q + both.apply("dot", conjugate(q))
    solved = r.builder.emit("triangular", [r.value, whole.value], {"lower": False, "unit": False}).result
    return (r.builder.expr(solved),)


def _qr_samples(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    for _, (x,) in _matrices(rng):
        yield {"count": min(x.shape[-2:])}, (x,)


qr = define(
    OpDef("qr", "Of each matrix A^T: `count` rows, each a column of Q beside a row of R, with A = Q R as LAPACK has their signs.",
          _infer_qr, _evaluate_qr, _qr_vjp, Expand("qr"), 16, _qr_samples)
)  # fmt: skip


# ---------------------------------------------------------------- rotations


def _infer_rotate(types: Sequence[Type], _a: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    ty = _matrix(types, "rotate_rows")
    return (TensorType(ty.dtype, (*ty.shape[:-1], ty.shape[-1] + ty.shape[-2])),)


def _evaluate_rotate(_a: Attributes, x: np.ndarray) -> np.ndarray:
    rows, length = x.shape[-2:]
    eye = np.broadcast_to(np.eye(rows, dtype=x.dtype), (*x.shape[:-1], rows))
    result = np.concatenate([x, eye], axis=-1)
    with np.errstate(all="ignore"):
        for m in result.reshape(-1, rows, length + rows) if result.size else ():
            while any([_rotate(m, length, p, q) for p in range(rows) for q in range(p + 1, rows)]):
                pass
    return result


def _rotate(m: np.ndarray, length: int, p: int, q: int) -> bool:
    """Make two rows orthogonal; False if they are."""
    a, b, product = (m[i, :length] @ m[j, :length].conj() for i, j in ((p, p), (q, q), (p, q)))
    a, b, c, phase = np.real(a), np.real(b), product, product.dtype.type(1)
    if m.dtype.kind == "c":
        c = np.abs(product)
        phase = product / c if c else phase
    if not abs(c) > np.finfo(m.dtype).eps * np.sqrt(a) * np.sqrt(b):
        return False
    ratio = (b - a) / (2 * c)
    tangent = np.copysign(1, ratio) / (abs(ratio) + np.sqrt(1 + ratio * ratio))
    cosine = 1 / np.sqrt(1 + tangent * tangent)
    sine = cosine * tangent
    m[[p, q]] = cosine * m[p] - sine * (phase * m[q]), sine * (phase.conj() * m[p]) + cosine * m[q]
    return True


def _rotate_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    """V^T (gW + S W*), S = F o P + (F o P)^H, P = gW W^T + gV V^T, F_ij = 1 / (w_i^2 - w_j^2).

    From dV = E V with E antihermitian, and W W^H staying diagonal. Pairs of equal length get 0, as does the
    diagonal of E: what hangs on the phases of complex rows has no derivative.
    """
    rows, length = tensor_operand([x[0].value.type]).shape[-2:]
    w, v = columns_between(y[0], 0, length), columns_between(y[0], length, rows)
    wanted_w, wanted_v = columns_between(g[0], 0, length), columns_between(g[0], length, rows)
    squares = real(w.apply("dot", adjoint(w)))
    on_diagonal = column_minus_row(squares).eq(0)
    lengths = select(on_diagonal, squares, constant(squares, 0.0))
    ones = constant(squares, 1.0)
    gap = lengths.apply("dot", ones) - ones.apply("dot", lengths)
    apart = gap.ne(0.0)
    inverse = select(apart, 1.0 / select(apart, gap, ones), constant(gap, 0.0))
    pull = wanted_w.apply("dot", swapped(w)) + wanted_v.apply("dot", swapped(v))
    turned = (complex_of(inverse, 0) if pull.dtype.is_complex else inverse) * pull
    whole = wanted_w + (turned + adjoint(turned)).apply("dot", conjugate(w))
    return (swapped(v).apply("dot", whole),)


rotate_rows = define(
    OpDef("rotate_rows", "W = V A, with unitary V such that the rows of W are orthogonal; each row of W with that of V behind it.",
          _infer_rotate, _evaluate_rotate, _rotate_vjp, Expand("rotate_rows"), 200, _matrices)
)  # fmt: skip
