"""The rules of ops with regions: what the forward part becomes, and how cotangents go back through it.

An op that is not in the table is refused with the user's line if it lies on a path that is differentiated;
elsewhere it is copied. Not here: ops without regions, whose `vjp` stands in their record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from weft.compiler.autodiff import branches, loops
from weft.ir import Op
from weft.ir.dataclass import dataclass

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
    """

    forward: Callable[[Reverse, Op], None]
    backward: Callable[[Reverse, Op], None]


RULES: Mapping[str, RegionRule] = {
    "if": RegionRule(branches.forward, branches.backward),
    "for": RegionRule(loops.forward, loops.backward),
}
"""By the name of the op."""

REASONS: Mapping[str, str] = {
    "fusion": "a fused program cannot be differentiated: differentiate it before it is fused",
    "kernel": "a lowered program cannot be differentiated: differentiate it before it is lowered",
}
"""What the message says of an op that has no rule."""
