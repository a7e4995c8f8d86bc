"""Products of matrices.

Not here: products with a vector, which are sums of elementwise products (DESIGN D19), and factorizations.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from weft.ir.errors import ShapeError
from weft.ir.expr import Expr
from weft.ir.node import Attributes, Op, Region
from weft.ir.opdef import Arrays, Expand, OpDef, define
from weft.ir.types import TensorType, Type


def _infer_dot(types: Sequence[Type], _a: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    a, b = types
    if not isinstance(a, TensorType) or not isinstance(b, TensorType) or a.rank < 2 or a.rank != b.rank:
        raise ShapeError(f"dot needs two matrices or two stacks of them, got {a} and {b}")
    if a.shape[:-2] != b.shape[:-2] or a.shape[-1] != b.shape[-2] or a.dtype != b.dtype:
        raise ShapeError(f"dot of {a} and {b}")
    return (TensorType(a.dtype, (*a.shape[:-1], b.shape[-1])),)


def _swap(x: Expr) -> Expr:
    ty = x.type
    assert isinstance(ty, TensorType)
    axes = (*range(ty.rank - 2), ty.rank - 1, ty.rank - 2)
    return x.builder.expr(x.builder.emit("transpose", [x.value], {"axes": axes}).result)


def _dot_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    return g[0].apply("dot", _swap(x[1])), _swap(x[0]).apply("dot", g[0])


def _dot_samples(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    for dtype in ("float32", "float64", "int32"):
        for a, b in (((3, 5), (5, 4)), ((2, 3, 70), (2, 70, 9)), ((1, 300), (300, 33)), ((17, 1), (1, 19))):
            yield {}, ((rng.normal(size=a) * 4).astype(dtype), (rng.normal(size=b) * 4).astype(dtype))


dot = define(
    OpDef("dot", "Matrix product of the last two axes: [..., m, k] and [..., k, n], equal leading axes.", _infer_dot,
          lambda attributes, a, b: np.matmul(a, b), _dot_vjp, Expand("dot"), 0, _dot_samples)
)  # fmt: skip
