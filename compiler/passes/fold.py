"""Compute what is known: ops of small constants become constants.

Only ops whose bits are the same wherever they are computed: float arithmetic is correctly rounded, integers
and selections are exact. Mathematics (exp, sin...) and reductions of floats are left to the target, whose
bits are its own.
Not here: identities with one constant (`canonicalize.py`).
"""

import numpy as np

from weft.compiler.passes.rules import ANY, Rewriter, Rules, apply_rules, made_by
from weft.ir import REGISTRY, Func, Op, TensorType, Value
from weft.ir.dims import Dim, DimLike
from weft.ir.node import Attribute
from weft.ir.opdef import is_complex
from weft.ir.types import DType, IndexType, is_static

LIMIT_BYTES = 64
"""The largest array that is computed: up to here a constant is part of a program's text (DESIGN D25)."""

# fmt: off
EXACT = frozenset({
    "add", "subtract", "multiply", "divide", "negative", "absolute", "sign", "sqrt", "square", "reciprocal",
    "floor", "ceil", "trunc", "rint", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
    "logical_not", "isnan", "isinf", "isfinite", "signbit", "copysign", "select", "cast",
    "reshape", "transpose", "slice", "update", "pad", "concatenate",
})
"""Ops that give the same bits everywhere."""

EXACT_INTEGERS = frozenset({
    "floor_divide", "remainder", "fmod", "minimum", "maximum", "fmin", "fmax", "invert",
    "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "power",
    "sum", "prod", "max", "min", "all", "any", "argmax", "argmin", "dot",
})
"""Ops that give the same bits everywhere for integers and bools."""
EXACT_COMPLEX = frozenset({
    "add", "subtract", "negative", "conjugate", "real", "imag", "complex", "equal", "not_equal", "select",
    "cast",
    "reshape", "transpose", "slice", "update", "pad", "concatenate",
})
"""Ops that give the same bits everywhere for complex numbers: of a product that depends on NumPy's build."""
# fmt: on


def fold(fn: Func) -> Func:
    """The program with constants computed."""
    return apply_rules(fn, RULES)


def _fold(rewriter: Rewriter, op: Op) -> Value | None:
    # f(constants) == the constant that f gives
    ty = op.result.type
    if (
        not isinstance(ty, TensorType)
        or not op.operands
        or not _is_exact(op)
        or not _is_small(ty.shape, ty.dtype)
        or any(_has_symbols(value) for value in op.attributes.values())
    ):
        return None
    arrays = [array for array in map(_array, op.operands) if array is not None]
    evaluate = REGISTRY[op.name].evaluate
    if len(arrays) < len(op.operands) or evaluate is None:
        return None
    with np.errstate(all="ignore"):
        found = np.asarray(evaluate(op.attributes, *arrays))
    if ty.dtype.kind in "fc" and np.isnan(found).any():
        return None  # which NaN a program makes is the target's
    value = found.item() if not ty.shape else np.ascontiguousarray(found)
    return rewriter.emit("constant", [], {"value": value, "type": ty})


def _has_symbols(value: Attribute) -> bool:
    """Whether an attribute is known only when the program runs: a slice at the index of a loop."""
    return isinstance(value, Dim) or (isinstance(value, tuple) and any(map(_has_symbols, value)))


def _is_exact(op: Op) -> bool:
    if is_complex([v.type for v in (*op.operands, *op.results)]):
        return op.name in EXACT_COMPLEX
    if op.name in EXACT:
        return True
    return op.name in EXACT_INTEGERS and all(
        isinstance(v.type, TensorType) and not v.type.dtype.is_float for v in op.operands
    )


def _is_small(shape: tuple[DimLike, ...], dtype: DType) -> bool:
    """Whether an array of this type may be computed; of what has no element there is nothing to compute."""
    count = 1
    for size in shape:
        if not isinstance(size, int):
            return False
        count *= size
    return 0 < count * dtype.size_bytes <= LIMIT_BYTES


def _array(value: Value) -> np.ndarray | None:
    """The elements of a constant, or of a number that is broadcast to a small shape."""
    ty = value.type
    if not isinstance(ty, TensorType) or not is_static(ty.shape) or ty.dtype.numpy is None:
        return None
    spread = made_by(value, "broadcast")
    if spread is not None and not _is_small(ty.shape, ty.dtype):
        return None
    constant = made_by(spread.operands[0] if spread is not None else value, "constant")
    if constant is None:
        return None
    numbers = np.asarray(constant.attributes["value"], ty.dtype.numpy)
    shape = [d for d in ty.shape if isinstance(d, int)]  # all of them
    return np.broadcast_to(numbers, shape)


def _index_of_number(rewriter: Rewriter, op: Op) -> Value | None:
    # from_index(dim 5) == 5
    ty = op.operands[0].type
    if not isinstance(ty, IndexType) or not isinstance(ty.dim, int):
        return None
    return rewriter.emit("constant", [], {"value": ty.dim, "type": op.result.type})


RULES: Rules = {"from_index": (_index_of_number,), ANY: (_fold,)}
