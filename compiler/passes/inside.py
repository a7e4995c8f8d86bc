"""The pass `inside`: places that lie in an array by the way they were made are neither wrapped nor checked.

    gather(x, positions(mask))                       the mask has the length of x
    gather(x, minimum(search(line, v), n - 1))       at least 0, and below the size n of x

Such reads and writes cannot fail, which frees their kernels of tests, and the program of a stop after them.
Not here: indices of loops (`schedule/element.py` follows these).
"""

from collections.abc import Callable, Sequence

import numpy as np

from weft.compiler.passes.rules import number_of
from weft.ir import Builder, Func, Op, TensorType, Value
from weft.ir.dims import Dim, DimLike, decide
from weft.ir.ops.index import INSIDE, indexed_axes
from weft.ir.rewrite import rewrite
from weft.ir.types import BOOL, DType
from weft.ir.walk import walk

_DEPTH = 12
_SAME = ("reshape", "broadcast", "transpose", "slice", "hold")
"""Ops whose elements are all elements of their operand."""
_PARTS = (*_SAME, "concatenate", "select", "minimum", "gather")
_AT_LEAST_ZERO = frozenset({"positions", "argsort", "iota", "search"})


def inside(fn: Func) -> Func:
    """The program whose gathers and scatters say which indices need no test."""
    found = {op for op in walk(fn) if op.name in ("gather", "scatter") and _is_inside(op)}
    if not found:
        return fn

    def visit(builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        if op not in found:
            return None
        return builder.emit(op.name, operands, {**op.attributes, "checked": INSIDE}).results

    return rewrite(fn, visit)


def _is_inside(op: Op) -> bool:
    whole, axes = op.operands[0].type, indexed_axes(op.attributes)
    assert isinstance(whole, TensorType)
    indices = op.operands[-len(axes) :]
    return all(
        _is_positive(v, _DEPTH) and _is_below(v, whole.shape[a], _DEPTH)
        for v, a in zip(indices, axes, strict=True)
    )


def _known(value: Value) -> tuple[DimLike, DimLike] | None:
    """The least and the largest element, if a value is one number, one size, or a constant."""
    number = number_of(value)
    if number is not None:
        return (int(number), int(number)) if isinstance(number, int) else None
    op = value.op
    while op is not None and op.name in _SAME:
        op = op.operands[0].op
    if op is not None and op.name == "constant":
        numbers = np.asarray(op.attributes["value"])
        is_some = numbers.size and numbers.dtype.kind in "bui"
        return (int(numbers.min()), int(numbers.max())) if is_some else None
    if op is None or op.name != "from_index" or op.operands[0].op is None:
        return None
    dim = op.operands[0].op.attributes.get("dim")
    return (dim, dim) if isinstance(dim, int | Dim) else None


def _keeps_numbers(op: Op) -> bool:
    """Whether a cast is one of ints that keeps every number."""
    source, target = _dtype(op.operands[0]), _dtype(op.result)
    if target.kind != "i" or source.kind not in "bui":
        return False
    return source.bits + (source.kind == "u") <= target.bits


def _dtype(value: Value) -> DType:
    assert isinstance(value.type, TensorType)
    return value.type.dtype


def _is_positive(value: Value, depth: int) -> bool:
    """Whether no element is below 0."""
    op, known = value.op, _known(value)
    if known is not None:
        return decide(known[0], ">=", 0) is True
    if op is None or depth == 0:
        return False
    if op.name in _AT_LEAST_ZERO:
        return True
    if op.name == "remainder":
        divisor = _known(op.operands[1])
        return divisor is not None and decide(divisor[0], ">", 0) is True
    if op.name == "cast" and _dtype(op.operands[0]).kind in "bu":
        return _keeps_numbers(op)
    if op.name == "maximum":
        return any(_is_positive(v, depth - 1) for v in op.operands)
    return _has_parts(op) and all(_is_positive(v, depth - 1) for v in _parts(op))


def _has_parts(op: Op) -> bool:
    """Whether every element is one of the operands', as it is."""
    return op.name in _PARTS or (op.name == "cast" and _keeps_numbers(op))


def _parts(op: Op) -> Sequence[Value]:
    """The operands that all elements come from."""
    return op.operands[:1] if op.name == "gather" else op.operands[op.name == "select" :]


def _is_below(value: Value, size: DimLike, depth: int) -> bool:
    """Whether every element, none of which is below 0, is below `size`."""
    op, known = value.op, _known(value)
    if known is not None:
        return decide(known[1], "<", size) is True
    if op is None or depth == 0:
        return False
    if op.name in _LIMITS and decide(_LIMITS[op.name](op), "<=", size) is True:
        return True
    if op.name == "minimum":
        return any(_is_below(v, size, depth - 1) for v in op.operands)
    is_made_of = _has_parts(op) or op.name == "maximum"
    return is_made_of and all(_is_below(v, size, depth - 1) for v in _parts(op))


def _length(op: Op) -> DimLike:
    """The size of the axis that an op goes along, the first if it names none."""
    ty, axis = op.operands[0].type, op.attributes.get("axis", 0)
    assert isinstance(ty, TensorType)
    assert isinstance(axis, int)
    return ty.shape[axis]


def _length_of_result(op: Op) -> DimLike:
    assert isinstance(op.result.type, TensorType)
    return op.result.type.shape[0]


def _divisor(op: Op) -> DimLike:
    known = _known(op.operands[1])
    return known[1] if known is not None else 1 << 63


def _numbers(op: Op) -> DimLike:
    """How many numbers from 0 on the operand's type has."""
    dtype = _dtype(op.operands[0])
    return 1 << (dtype.bits if dtype.kind == "u" else 1 if dtype == BOOL else 63)


_LIMITS: dict[str, Callable[[Op], DimLike]] = {
    "positions": _length,
    "argsort": _length,
    "search": lambda op: _length(op) + 1,
    "iota": _length_of_result,
    "remainder": _divisor,
    "cast": _numbers,
}
"""What elements are below."""
