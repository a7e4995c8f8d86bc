"""The rules of ops with regions: what the forward part becomes, and how cotangents go back through it.

An op that is not in the table is refused with the user's line if it lies on a path that is differentiated;
elsewhere it is copied. Not here: ops without regions, whose `vjp` stands in their record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from weft.compiler.autodiff import branches, checkpoint, custom, loops
from weft.ir import Builder, Expr, Op, Value
from weft.ir.dataclass import dataclass
from weft.ir.dims import symbols_of

if TYPE_CHECKING:
    from weft.compiler.autodiff.reverse import Reverse


@dataclass(frozen=True, slots=True)
class RegionRule:
    """How an op with regions is differentiated.

    forward(way, op): writes the op, extended by whatever the way back needs, and sets the new values of its
        results in `way.cloner`; what it keeps goes to `way.saved[op]`. The op that gives the results comes
        last, and they are its first ones.
    backward(way, op): reads the cotangents of the op's results with `way.cotangent` and adds those of its
        operands, and of the outer values that its regions use, with `way.add` or `way.set`.
    linear(builder, op, cotangents, taken): the cotangents of its operands, for an op that does no more.
    """

    forward: Callable[[Reverse, Op], None]
    backward: Callable[[Reverse, Op], None]
    linear: Callable[[Builder, Op, Sequence[Value], set[str]], Sequence[Expr | None]] | None = None


def _for_forward(way: Reverse, op: Op) -> None:
    (checkpoint if _keeps_little(way, op) else loops).forward(way, op)


def _for_backward(way: Reverse, op: Op) -> None:
    (checkpoint if _keeps_little(way, op) else loops).backward(way, op)


def _keeps_little(way: Reverse, op: Op) -> bool:
    """Whether a loop is to keep few states, and not something of each iteration."""
    limits = (loops.limit_of(op, k) for k in range(2))
    endless = any(s.name in way.names.unbounded for dim in limits for s in symbols_of(dim))
    return endless or bool(op.attributes.get("remat"))


RULES: Mapping[str, RegionRule] = {
    "if": RegionRule(branches.forward, branches.backward),
    "for": RegionRule(_for_forward, _for_backward),
    custom.NAME: RegionRule(custom.forward, custom.backward, custom.linear),
    "while": RegionRule(checkpoint.forward, checkpoint.backward),
}
"""By the name of the op."""

REASONS: Mapping[str, str] = {
    "callback": "a callback of Python has no derivative: give one with weft.custom_gradient",
    "fusion": "a fused program cannot be differentiated: differentiate it before it is fused",
    "kernel": "a lowered program cannot be differentiated: differentiate it before it is lowered",
}
"""What the message says of an op that has no rule."""
