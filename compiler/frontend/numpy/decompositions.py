"""`numpy.linalg` by orthogonal factors: qr, svd, eigh; pinv, lstsq, rank of these.

Singular vectors and eigenvectors may differ from LAPACK's by a sign, or a rotation where values are equal.
Functions of NumPy called on traced arrays are those of the table. Not here: factors (`ir/ops/orthogonal.py`),
triangular ones (`linear.py`), eigenvalues of matrices that are not symmetric.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy
from numpy.linalg import LinAlgError

from weft.compiler.frontend.number import number, size_number
from weft.compiler.frontend.numpy.linear import as_matrix, inverse_or_nan, supported
from weft.compiler.frontend.numpy.manipulation import as_axes
from weft.compiler.frontend.numpy.reductions import NONE
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import as_array, new_array, shape_of
from weft.ir.dims import DimLike, product
from weft.ir.expr import Expr
from weft.ir.matrices import columns_between, swapped

np: Any = numpy  # typed so: it is called with traced arrays
_SQUARE = np.eye(1)
_QR, _SVD, _EIGH = (type(fn(_SQUARE)) for fn in (np.linalg.qr, np.linalg.svd, np.linalg.eigh))


def _check_finite(trace: Trace, largest: Any, message: str) -> None:
    """Of the largest magnitude, which is NaN or infinite where any element is."""
    trace.fail_unless(np.all(np.isfinite(largest)).expr, LinAlgError(message))


# ---------------------------------------------------------------- QR


def _orthogonal(trace: Trace, rows: Expr, count: DimLike) -> tuple[Any, Any]:
    """Of A^T in rows: `count` columns of Q as rows, and rows of R."""
    packed = trace.expr(trace.emit("qr", [rows.value], {"count": count}))
    length, columns = shape_of(rows)[-1], shape_of(rows)[-2]
    q, r = columns_between(packed, 0, length), columns_between(packed, length, columns)
    return new_array(trace, q), new_array(trace, r)


@implements(np.linalg.qr)
def qr(trace: Trace, a: Any, mode: str = "reduced") -> Any:
    """Compute the qr factorization of a matrix."""
    if mode in ("raw", "full", "f", "economic", "e"):
        raise trace.refuse(f"qr with mode={mode!r} is not built", "use 'reduced', 'complete' or 'r'", "E054")
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"Unrecognized mode '{mode}'")
    matrix = as_matrix(trace, a, square=False)
    rows, columns = shape_of(matrix)[-2:]
    is_tall = trace.holds(rows, ">=", columns, "rows and columns of a QR factorization")
    count = columns if is_tall and mode != "complete" else rows
    q, r = _orthogonal(trace, swapped(matrix), count)
    return r if mode == "r" else _QR(q.mT.copy(), r)


# ---------------------------------------------------------------- singular values


class _Singular(NamedTuple):
    """Of A = V^H W with orthogonal rows of W: these, V, and the lengths of the rows of W, largest first.

    Of the transposed A if that has fewer rows (`is_wide` is False).
    """

    w: Any
    v: Any
    values: Any
    is_wide: bool


def _rotated(trace: Trace, matrix: Expr) -> tuple[Any, Any]:
    """V A, whose rows are orthogonal, and V."""
    packed = trace.expr(trace.emit("rotate_rows", [matrix.value]))
    rows, columns = shape_of(matrix)[-2:]
    w, v = columns_between(packed, 0, columns), columns_between(packed, columns, rows)
    return new_array(trace, w), new_array(trace, v)


def _squares(x: Any) -> Any:
    return x.real * x.real + x.imag * x.imag if x.dtype.kind == "c" else x * x


def _singular(trace: Trace, a: Any) -> _Singular:
    matrix = as_matrix(trace, a, square=False)
    rows, columns = shape_of(matrix)[-2:]
    is_wide = trace.holds(rows, "<=", columns, "rows and columns of a matrix with singular values")
    turned: Any = new_array(trace, matrix if is_wide else swapped(matrix))
    largest: Any = np.max(np.abs(turned), axis=(-2, -1), keepdims=True, initial=0)
    _check_finite(trace, largest, "SVD did not converge")
    largest = np.where(largest == 0, largest + 1, largest)  # squares neither overflow nor vanish
    w, v = _rotated(trace, (turned / largest).expr)
    lengths = np.sqrt(np.sum(_squares(w), axis=-1))
    order = np.argsort(-lengths, axis=-1)
    values = np.take_along_axis(lengths, order, -1) * largest[..., 0]
    w, v = (np.take_along_axis(one, order[..., None], -2) for one in (w, v))
    return _Singular(w * largest, v, values, is_wide)


def _unit_rows(trace: Trace, found: _Singular, *, full: bool) -> Any:
    """Rows of W of length 1, made anew where W has none; if `full` all rows of a square matrix."""
    lengths = found.values[..., None]
    good = lengths > lengths[..., :1, :] * (4 * np.finfo(found.values.dtype).eps)
    units = np.where(good, found.w / np.where(good, lengths, 1), 0).astype(found.w.dtype)
    few, many = shape_of(units.expr)[-2:]
    rest, r = _orthogonal(trace, units.expr, many if full else few)
    sign = np.where(np.diagonal(r.real, axis1=-2, axis2=-1)[..., None] < 0, -1, 1).astype(r.dtype)
    count = size_number(trace, few)
    first = np.where(good, units, sign * rest[..., :count, :])
    return np.concatenate([first, rest[..., count:, :]], axis=-2) if full else first


@implements(np.linalg.svdvals)
def svdvals(trace: Trace, x: Any, /) -> Any:
    """Returns the singular values of a matrix (or a stack of matrices) ``x``."""
    return _singular(trace, x).values


@implements(np.linalg.svd)
def svd(
    trace: Trace, a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """Singular Value Decomposition."""
    found = _singular(trace, a)
    if not compute_uv:
        return found.values
    small, large = found.v, _unit_rows(trace, found, full=full_matrices)
    left, right = (small.conj(), large) if found.is_wide else (large, small.conj())
    return _SVD(left.mT.copy(), found.values, right)


@implements(np.linalg.pinv)
def pinv(trace: Trace, a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = NONE) -> Any:
    """Compute the (Moore-Penrose) pseudo-inverse of a matrix."""
    if rcond is not None and rtol is not NONE:
        raise ValueError("`rtol` and `rcond` can't be both set.")
    found = _singular(trace, a)
    share = (1e-15 if rtol is NONE else _relative(found)) if rcond is None and rtol in (NONE, None) else rtol
    return _inverse(found, share if rcond is None else rcond)


def _relative(found: _Singular) -> Any:
    """The smallest singular value that counts, as a share of the largest, by the size of the matrix."""
    return np.finfo(found.values.dtype).eps * found.w.shape[-1]


def _inverse(found: _Singular, share: Any) -> Any:
    """The pseudo-inverse W^T S^-2 V, or its transpose; values up to `share` of the largest count as 0."""
    largest = np.max(found.values, axis=-1, keepdims=True, initial=0)
    limit = share[..., None] * largest if np.ndim(share) else share * largest
    good = found.values > limit
    inverse = np.where(good, 1 / np.where(good, found.values, 1), 0).astype(found.w.dtype)[..., None]
    left = (found.w * inverse).mT.conj()
    result = left @ (found.v * inverse)
    return result if found.is_wide else result.mT.copy()


@implements(np.linalg.matrix_rank)
def matrix_rank(
    trace: Trace,
    A: Any,  # noqa: N803
    tol: Any = None,
    hermitian: bool = False,
    *,
    rtol: Any = None,
) -> Any:
    """Return matrix rank of array using SVD method."""
    if rtol is not None and tol is not None:
        raise ValueError("`tol` and `rtol` can't be both set.")
    array: Any = as_array(trace, A)
    if array.ndim < 2:
        return number(trace, np.any(array != 0).astype(np.int64).expr, int)
    found = _singular(trace, array)
    if tol is None:
        share = _relative(found) if rtol is None else trace.call(np.asarray, rtol)[..., None]
        limit = np.max(found.values, axis=-1, keepdims=True, initial=0) * share
    else:
        limit = trace.call(np.asarray, tol)[..., None]
    return np.sum(found.values > limit, axis=-1)


@implements(np.linalg.cond)
def cond(trace: Trace, x: Any, p: Any = None) -> Any:
    """Compute the condition number of a matrix."""
    array: Any = as_array(trace, x)
    if trace.holds(product(array.view.shape[-2:]), "==", 0, "condition number of an empty matrix"):
        raise LinAlgError("cond is not defined on empty arrays")
    if p in (None, 2, -2):
        values = svdvals(trace, array)
        low, high = values[..., -1], values[..., 0]
        found = low / high if p == -2 else high / low
    else:
        inverse = inverse_or_nan(trace, array)
        found = trace.call(np.linalg.norm, array, p, axis=(-2, -1))
        found = found * trace.call(np.linalg.norm, inverse, p, axis=(-2, -1))
    nothing = found != found  # of zeros and singular matrices, unless the matrix has NaN
    nothing = nothing & ~np.any(array != array, axis=(-2, -1))
    return np.where(nothing, np.inf, found).astype(found.dtype)[()]


@implements(np.linalg.lstsq)
def lstsq(trace: Trace, a: Any, b: Any, rcond: Any = None) -> tuple[Any, Any, Any, Any]:
    """Return the least-squares solution to a linear matrix equation."""
    matrix: Any = new_array(trace, as_matrix(trace, a, square=False))
    right: Any = supported(trace, b)
    is_vector = right.ndim == 1
    right = right[:, None] if is_vector else right
    if matrix.ndim != 2 or right.ndim != 2:
        raise LinAlgError(
            f"{max(matrix.ndim, right.ndim)}-dimensional array given. Array must be two-dimensional"
        )
    rows, columns = matrix.view.shape
    if not trace.holds(right.view.shape[0], "==", rows, "rows of a least-squares problem"):
        raise LinAlgError("Incompatible dimensions")
    dtype = np.result_type(matrix.dtype, right.dtype, np.float32)
    right = right.astype(dtype)
    matrix = matrix.astype(dtype if matrix.dtype.kind == "c" else np.finfo(dtype).dtype)
    found = _singular(trace, matrix)
    share = (
        _relative(found)
        if rcond is None
        else np.finfo(dtype).eps
        if isinstance(rcond, int | float) and not 0 < rcond < 1  # as LAPACK has it
        else rcond
    )
    x = _inverse(found, share) @ right
    good = found.values > share * np.max(found.values, initial=0)
    rank = np.sum(good).astype(np.int32)
    rest = right - matrix @ x
    residual = np.sum(_squares(rest), axis=0)
    if trace.holds(rows, "<=", columns, "rows and columns of a least-squares problem"):
        residual = residual[:0]
    else:  # given only of a matrix of full rank
        residual = residual[np.broadcast_to(np.all(good), residual.shape)]
    return x[:, 0] if is_vector else x, residual, rank, found.values


# ---------------------------------------------------------------- symmetric matrices


def _symmetric(trace: Trace, a: Any, which: str) -> tuple[Any, Any]:
    """Eigenvalues in ascending order, and eigenvectors in rows.

    A matrix that is moved by the largest sum of a row has no negative eigenvalue: its rows, rotated to be
    orthogonal, are multiples of eigenvectors.
    """
    which = which.upper()
    if which not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    matrix = as_matrix(trace, a)
    half: Any = new_array(trace, matrix)
    half = np.tril(half) if which == "L" else np.triu(half)
    eye: Any = trace.call(np.eye, half.shape[-1], dtype=half.real.dtype)
    beside = half * (1 - eye)
    whole = beside + beside.mT.conj() + half.real * eye
    most = np.max(np.sum(np.abs(whole), axis=-1, keepdims=True), axis=-2, keepdims=True, initial=0)
    _check_finite(trace, most, "Eigenvalues did not converge")
    most = trace.expr(trace.emit("stop_gradient", [most.expr.value]))
    _, v = _rotated(trace, (whole + new_array(trace, most) * eye).expr)
    values = np.sum((v @ whole) * v.conj(), axis=-1).real
    order = np.argsort(values, axis=-1)
    return np.take_along_axis(values, order, -1), np.take_along_axis(v, order[..., None], -2).conj()


@implements(np.linalg.eigh)
def eigh(trace: Trace, a: Any, UPLO: str = "L") -> Any:  # noqa: N803
    """Return the eigenvalues and eigenvectors of a symmetric matrix."""
    values, vectors = _symmetric(trace, a, UPLO)
    return _EIGH(values, vectors.mT.copy())


@implements(np.linalg.eigvalsh)
def eigvalsh(trace: Trace, a: Any, UPLO: str = "L") -> Any:  # noqa: N803
    """Compute the eigenvalues of a real symmetric matrix."""
    return _symmetric(trace, a, UPLO)[0]


# ---------------------------------------------------------------- tensors


@implements(np.linalg.tensorinv)
def tensorinv(trace: Trace, a: Any, ind: int = 2) -> Any:
    """Compute the 'inverse' of an N-dimensional array."""
    array: Any = as_array(trace, a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    if not array.ndim:
        raise TypeError("reshape() takes exactly 1 argument (0 given)")
    shape = array.shape
    rows = size_number(trace, product(array.view.shape[ind:]))
    return np.linalg.inv(array.reshape(rows, -1)).reshape(*shape[ind:], *shape[:ind])


@implements(np.linalg.tensorsolve)
def tensorsolve(trace: Trace, a: Any, b: Any, axes: Any = None) -> Any:
    """Solve the tensor equation ``a x = b`` for x."""
    array, right = as_array(trace, a), as_array(trace, b)
    if axes is not None:
        if isinstance(axes, int):
            raise TypeError("'int' object is not iterable")
        last = as_axes(trace, axes, array.ndim)
        order = (*(k for k in range(array.ndim) if k not in last), *last)
        array = trace.call(np.transpose, array, order)
    rest = array.shape[right.ndim :]
    flat = right.ravel()
    count = flat.shape[0]
    entries = flat.view.shape[0] * flat.view.shape[0]
    if not trace.holds(product(array.view.shape), "==", entries, "tensorsolve"):
        raise LinAlgError(
            "Input arrays must satisfy the requirement prod(a.shape[b.ndim:]) == prod(a.shape[:b.ndim])"
        )
    return trace.call(np.linalg.solve, array.reshape(count, count), flat).reshape(rest)


__all__ = ["eigh", "lstsq", "pinv", "qr", "svd"]
