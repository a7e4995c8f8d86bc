"""Eigenvalues of matrices that need not be symmetric, and roots of polynomials: by NumPy, called at run time.

The results are complex, whatever the elements are: NumPy gives real ones where all imaginary parts are 0,
which no program can know before. Not here: symmetric matrices (`decompositions.py`), how a program calls
NumPy (`weft.compiler.frontend.callback`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.compiler.frontend.callback import Declared, call_python
from weft.compiler.frontend.number import as_expr, size_number
from weft.compiler.frontend.numpy.linear import as_matrix
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import as_array, new_array, operand, shape_of
from weft.ir import DTypeError
from weft.ir.dims import maximum
from weft.ir.expr import Expr, cast
from weft.ir.types import C64, C128, F16, F32, F64, I64, DType

_EIG: Any = type(np.linalg.eig(np.eye(1)))
_Array = np.ndarray[Any, Any]


def _matrix(trace: Trace, a: Any) -> Expr:
    value = as_matrix(trace, a)
    if value.dtype == F16:
        raise DTypeError("array type float16 is unsupported in linalg", location=trace.location())
    return value


def _complex(dtype: DType) -> DType:
    """The dtype of eigenvalues."""
    return C64 if dtype in (F32, C64) else C128


def _eig(matrix: _Array) -> tuple[_Array, _Array]:
    values, vectors = np.linalg.eig(matrix)
    dtype = np.result_type(matrix.dtype, np.complex64)
    return values.astype(dtype), vectors.astype(dtype)


def _eigvals(matrix: _Array) -> _Array:
    return np.linalg.eigvals(matrix).astype(np.result_type(matrix.dtype, np.complex64))


@implements(np.linalg.eig)
def eig(trace: Trace, a: Any) -> Any:
    """Compute the eigenvalues and right eigenvectors of a square array."""
    matrix = _matrix(trace, a)
    shape, dtype = shape_of(matrix), _complex(matrix.dtype)
    declared = (Declared("array", dtype, shape[:-1]), Declared("array", dtype, shape))
    return _EIG(*call_python(trace, _eig, [new_array(trace, matrix)], declared, "np.linalg.eig"))


@implements(np.linalg.eigvals)
def eigvals(trace: Trace, a: Any) -> Any:
    """Compute the eigenvalues of a general matrix."""
    matrix = _matrix(trace, a)
    declared = Declared("array", _complex(matrix.dtype), shape_of(matrix)[:-1])
    return call_python(trace, _eigvals, [new_array(trace, matrix)], declared, "np.linalg.eigvals")


def _roots(coefficients: _Array, room: int) -> tuple[_Array, int]:
    found = np.roots(coefficients)
    result = np.zeros(room, np.result_type(coefficients.dtype, np.complex64))
    result[: len(found)] = found
    return result, len(found)


@implements(np.roots)
def roots(trace: Trace, p: Any) -> Any:
    """Return the roots of a polynomial with coefficients given in p."""
    if not operand(trace, p).shape:
        raise TypeError("the coefficients are an array or a list")
    array: Any = as_array(trace, p)
    if array.ndim != 1:
        raise ValueError("Input must be a rank-1 array.")
    if array.dtype == np.float16 and trace.holds(array.view.shape[0], ">", 1, "coefficients of np.roots"):
        raise TypeError("array type float16 is unsupported in linalg")
    is_wide = array.expr.dtype.kind in "fc" and array.dtype != np.float16
    value = array.expr if is_wide else cast(array.expr, F64)
    room = maximum(array.view.shape[0] - 1, 0)
    declared = (Declared("array", _complex(value.dtype), (room,)), Declared("int", I64, ()))
    given = [new_array(trace, value), size_number(trace, room)]
    found, count = call_python(trace, _roots, given, declared, "np.roots")
    size = trace.bind_number(as_expr(trace, count, I64).value, "k", 0, room)
    return found[: size_number(trace, size)]
