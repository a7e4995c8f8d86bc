"""The rules of ops with regions: what the forward part becomes, and how cotangents go back through it.

A rule that is built gets a file of its own here and its line in `RULES`. An op that is not in the table is
refused with the user's line if it lies on a path that is differentiated; elsewhere it is copied.
Not here: ops without regions, whose `vjp` stands in their record.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from weft.ir import Builder, Expr, Op, Value
from weft.ir.dataclass import dataclass
from weft.ir.rewrite import Cloner


class Way(Protocol):
    """What a rule sees of the differentiation that is under way (`reverse.Reverse`)."""

    cloner: Cloner
    builder: Builder
    saved: dict[Op, object]

    def cotangent(self, value: Value) -> Expr:
        """The cotangent of an old value; zeros if nothing has reached it."""
        ...

    def add(self, value: Value, cotangent: Expr | None) -> None:
        """Count a cotangent toward an old value; None is zeros."""
        ...


@dataclass(frozen=True, slots=True)
class RegionRule:
    """How an op with regions is differentiated.

    forward(way, op): writes the op, extended by whatever the way back needs (residuals, a tape), and sets the
        new values of its results in `way.cloner`; what it keeps goes to `way.saved[op]`.
    backward(way, op): reads the cotangents of the op's results with `way.cotangent` and adds those of its
        operands, and of the outer values that its regions use, with `way.add`.
    """

    forward: Callable[[Way, Op], None]
    backward: Callable[[Way, Op], None]


RULES: Mapping[str, RegionRule] = {}
"""By the name of the op. `if`, `for` and `while` come with control flow."""

REASONS: Mapping[str, str] = {
    "if": "a branch on a value is not differentiated yet",
    "for": "a loop is not differentiated yet",
    "while": "a loop is not differentiated yet",
    "fusion": "a fused program cannot be differentiated: differentiate it before it is fused",
    "kernel": "a lowered program cannot be differentiated: differentiate it before it is lowered",
}
"""What the message says of an op that has no rule."""
