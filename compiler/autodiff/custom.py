"""`custom_gradient`: an op that hands on its first operands; in its region is the user's own derivative.

It lives while a function is traced; at its end what it hands on is put in its place.
Not here: how the region is traced (`several.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from weft.ir import Builder, Expr, Op, Value
from weft.ir.rewrite import inline

if TYPE_CHECKING:
    from weft.compiler.autodiff.reverse import Reverse

NAME = "custom_gradient"


def forward(way: Reverse, op: Op) -> None:
    """Write the op."""
    way.cloner.op(way.builder, op)
    way.saved[op] = way.region.ops[-1]


def backward(way: Reverse, op: Op) -> None:
    """Write what the user gave."""
    written = way.saved[op]
    assert isinstance(written, Op)
    cotangents = [way.cotangent(v).value for v in op.results]
    found = inline(way.builder, written.regions[0], cotangents, taken=way.taken)
    for value, cotangent in zip(op.operands[len(op.results) :], found, strict=True):
        way.add(value, way.builder.expr(cotangent))


def linear(builder: Builder, op: Op, cotangents: Sequence[Value], taken: set[str]) -> Sequence[Expr | None]:
    """The cotangents of the operands."""
    found = inline(builder, op.regions[0], cotangents, taken=taken)
    return [*(None for _ in op.results), *(builder.expr(v) for v in found)]
