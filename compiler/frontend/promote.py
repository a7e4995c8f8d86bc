"""NumPy 2 promotion, asked of NumPy itself: which loop a ufunc runs and what dtype comes out.

Not here: what the loop computes (`numpy/ufuncs.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.ir.errors import DTypeError
from weft.ir.source import Location
from weft.ir.types import BF16, DTYPES, DType, dtype_of

Kind = np.dtype | type
"""A NumPy dtype, or the Python type of a weak number."""

BUILT = frozenset(DTYPES.values()) - {BF16}
"""The element types that programs can hold so far."""


def element_type(dtype: Any, location: Location | None = None) -> DType:
    """The IR's type for a NumPy dtype; raises DTypeError for objects, strings and what is not built yet."""
    dtype = np.dtype(dtype)
    found = dtype_of(dtype if dtype.isnative or dtype.kind not in "iufc" else dtype.newbyteorder("="))
    if found is None or found not in BUILT:
        fix = "use bool, an integer, floating or complex dtype of at most 64 bits a number"
        raise DTypeError(f"dtype {dtype} is not supported", code="E031", location=location, fix=fix)
    return found


def numpy_dtype(dtype: DType) -> np.dtype:
    """NumPy's name for an element type."""
    assert dtype.numpy is not None
    return dtype.numpy


def loop_signature(ufunc: np.ufunc, dtype: Any, signature: Any) -> tuple[Any, ...] | None:
    """What the keywords `dtype` and `signature` of a call fix of its loop's dtypes."""
    if signature is None:
        return None if dtype is None else (*(None,) * ufunc.nin, *(np.dtype(dtype),) * ufunc.nout)
    if dtype is not None:
        raise TypeError("cannot specify both 'signature' and 'dtype'")
    if isinstance(signature, str):
        inputs, arrow, outputs = signature.partition("->")
        if not arrow:
            raise TypeError("Use `dtype` or fill the tuple with more than one 'None'.")
        if (len(inputs), len(outputs)) != (ufunc.nin, ufunc.nout):
            raise ValueError(f"a type-string for {ufunc.__name__} has one letter for each operand")
        signature = (*inputs, *outputs)
    if len(signature) != ufunc.nargs:
        raise ValueError(f"a type-tuple for {ufunc.__name__} has {ufunc.nargs} entries")
    return tuple(None if one is None else np.dtype(one) for one in signature)


def loop_of(
    ufunc: np.ufunc,
    kinds: Sequence[Kind],
    outputs: Sequence[np.dtype | None],
    *,
    signature: tuple[Any, ...] | None,
    casting: str,
    location: Location | None,
) -> tuple[np.dtype, ...]:
    """dtypes of the inputs and outputs of the loop that NumPy chooses.

    Raises DTypeError where NumPy raises TypeError.
    """
    # NumPy crashes where it would say that a Python number is not of the loop's dtype
    is_weak = casting in ("equiv", "no") and any(isinstance(kind, type) for kind in kinds)
    wanted: dict[str, Any] = {"casting": "safe" if is_weak else casting}
    if signature is not None:
        wanted["signature"] = signature
    try:
        found = ufunc.resolve_dtypes((*kinds, *outputs), **wanted)
    except TypeError as error:
        code = "E032" if str(error).startswith("Cannot cast") else "E030"
        fix = "convert an operand with astype, or write to an array of a wider dtype"
        raise DTypeError(str(error), code=code, location=location, fix=fix) from None
    if is_weak and casting == "equiv":
        _check_strict(kinds, found, location)
    if np.dtype(object) in found and all(kind is int for kind in kinds):  # comparisons of Python's ints
        given = tuple(np.dtype(np.int64) for _ in kinds)
        found = ufunc.resolve_dtypes((*given, *outputs), **wanted)
    if np.dtype(np.float16) in found[ufunc.nin :] or any(isinstance(kind, type) for kind in kinds):
        return found  # a Python number is rounded to float16 before it is compared
    # a test of small integers, which NumPy does in float16: float32 holds them too
    return tuple(np.dtype(np.float32) if d == np.float16 else d for d in found)


def _check_strict(kinds: Sequence[Kind], found: Sequence[np.dtype], location: Location | None) -> None:
    for kind, dtype in zip(kinds, found, strict=False):
        if isinstance(kind, type) and np.dtype(kind) != dtype:
            what = f"cannot cast Python {kind.__name__} to {dtype} under the casting rule 'equiv'"
            raise DTypeError(what, code="E032", location=location, fix="use casting='safe'")


def common_dtype(kinds: Sequence[Kind]) -> np.dtype:
    """NumPy's result type of several operands."""
    return np.result_type(*((k(0) if isinstance(k, type) else k) for k in kinds))
