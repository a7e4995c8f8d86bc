"""The rules of ops with regions: for each name, what its forward part becomes and how cotangents go back through it.

A rule that is built gets a file of its own here and its line in `RULES`. An op that is not in the table is refused
with the user's line if it lies on a path that is differentiated; elsewhere it is copied like any other op.
Not here: ops without regions, whose `vjp` stands in their record.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weft.ir import Op

if TYPE_CHECKING:
    from weft.compiler.autodiff.reverse import Reverse


@dataclass(frozen=True, slots=True)
class RegionRule:
    """How an op with regions is differentiated.

    forward(reverse, op): writes the op, extended by whatever the way back needs (residuals, a tape), and sets the new
        values of its results in `reverse.cloner`; what it keeps goes to `reverse.saved[op]`.
    backward(reverse, op): reads the cotangents of the op's results with `reverse.cotangent` and adds those of its
        operands, and of the outer values that its regions use, with `reverse.add`.
    """

    forward: "Callable[[Reverse, Op], None]"
    backward: "Callable[[Reverse, Op], None]"


RULES: Mapping[str, RegionRule] = {}
"""By the name of the op. `if`, `for`, `while` come with control flow; `fusion` is made after differentiation only."""

REASONS: Mapping[str, str] = {
    "if": "a branch on a value is not differentiated yet",
    "for": "a loop is not differentiated yet",
    "while": "a loop is not differentiated yet",
    "fusion": "a fused program cannot be differentiated: differentiate it before it is fused",
    "kernel": "a lowered program cannot be differentiated: differentiate it before it is lowered",
}
"""What the message says of an op that has no rule."""
