"""How shapes meet: NumPy's broadcasting over sizes that may be expressions.

Not here: the op that broadcasts (`ir/ops/shape.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from weft.compiler.frontend.storage import Shape
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import shape_of
from weft.ir.dims import DimLike, show_dim
from weft.ir.errors import Fact, ShapeError
from weft.ir.expr import Expr


def show_shape(shape: Sequence[DimLike]) -> str:
    """`[n,4]`."""
    return f"[{','.join(map(show_dim, shape))}]"


def common_shape(trace: Trace, shapes: Sequence[Shape]) -> Shape:
    """The shape that operands of `shapes` have together; raises ShapeError."""
    rank = max(map(len, shapes), default=0)
    result: list[DimLike] = []
    for axis in range(-rank, 0):
        size: DimLike = 1
        for shape in shapes:
            if -axis <= len(shape):
                joined = _join(trace, size, shape[axis])
                if joined is None:
                    raise _mismatch(trace, shapes)
                size = joined
        result.append(size)
    return tuple(result)


def _mismatch(trace: Trace, shapes: Sequence[Shape]) -> ShapeError:
    facts = [Fact(f"operand {k}", show_shape(shape)) for k, shape in enumerate(shapes, 1)]
    return ShapeError(
        f"operands could not be broadcast together: {' and '.join(map(show_shape, shapes))}",
        code="E012",
        location=trace.location(),
        facts=facts,
        fix="reshape an operand, or add an axis with None",
    )


_DIFFER = ValueError("operands could not be broadcast together: sizes that the program computes differ")


def _join(trace: Trace, a: DimLike, b: DimLike) -> DimLike | None:
    if a == b or b == 1:
        return a
    if a == 1:
        return b
    reason = "broadcasting of sizes"
    if trace.agree(a, b, reason, _DIFFER):
        return a
    if trace.holds(a, "==", 1, reason):
        return b
    return a if trace.holds(b, "==", 1, reason) else None


def broadcast_to(trace: Trace, value: Expr, shape: Shape) -> Expr:
    """`value` at `shape`, with which it is known to fit; sizes proved equal by a guard are renamed."""
    have = shape_of(value)
    skip = len(shape) - len(have)
    renamed = tuple(d if d == 1 and t != 1 else t for d, t in zip(have, shape[skip:], strict=True))
    return trace.builder.broadcast(trace.builder.reshape(value, renamed), shape)


def fit(trace: Trace, value: Expr, shape: Shape, what: str) -> Expr:
    """`value` broadcast to `shape` for an assignment; leading axes of size 1 are dropped as NumPy does."""
    have = shape_of(value)
    while len(have) > len(shape) and have[0] == 1:
        have = have[1:]
        value = trace.builder.reshape(value, have)
    reason = "shape of an assignment"
    fits = len(have) <= len(shape) and all(
        d == 1 or d == t or trace.agree(d, t, reason, _DIFFER) or trace.holds(d, "==", 1, reason)
        for d, t in zip(have, shape[len(shape) - len(have) :], strict=True)
    )
    if not fits:
        raise ShapeError(
            f"could not broadcast {what} of shape {show_shape(have)} into shape {show_shape(shape)}",
            code="E012",
            location=trace.location(),
            fix="make the shapes equal, or one of each pair of sizes 1",
        )
    return broadcast_to(trace, value, shape)
