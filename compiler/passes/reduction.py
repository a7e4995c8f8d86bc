"""Carried values of which only the largest or smallest matters, so that iterations may come in another order.

    for i: for j: most = max(most, x[i, j])

Of integers the order never matters. Of floats it does for NaN and for zeros of two signs; not where the new
number has no sign and replaces the old one only if it is greater (or less). Not here: sums, which round.
"""

from collections.abc import Mapping, Sequence

from weft.ir import Builder, Op, Value, VectorType
from weft.ir.dataclass import dataclass
from weft.ir.rewrite import Cloner
from weft.ir.types import DType
from weft.ir.walk import Use

_COMPARISONS = ("less", "less_equal", "greater", "greater_equal")
_UNSIGNED = ("absolute", "absolute_raw")


@dataclass(frozen=True, slots=True)
class Reduction:
    """Which of two numbers stays: the carried one or that of an iteration."""

    ops: tuple[Op, ...]
    carried: Value
    new: Value

    @property
    def dtype(self) -> DType:
        """That of the numbers."""
        ty = self.carried.type
        assert isinstance(ty, VectorType)
        return ty.dtype

    def of(self, builder: Builder, carried: Value, new: Value) -> Value:
        """Which of two other numbers stays."""
        cloner = Cloner({self.carried: carried, self.new: new})
        for op in self.ops:
            cloner.op(builder, op)
        return cloner.value(self.ops[-1].result)


def reductions_of(outer: Op, inner: Op, uses: Mapping[Value, Sequence[Use]]) -> list[Reduction] | None:
    """What two nested loops carry, one of each value; None if one of them is something else."""
    if len(outer.operands) != len(inner.operands):
        return None
    found: list[Reduction] = []
    for k, first in enumerate(inner.operands[3:]):
        is_handed_on = first is outer.regions[0].params[1 + k] and len(uses[first]) == 1
        ends = (
            outer.regions[0].terminator.operands[k] is inner.results[k] and len(uses[inner.results[k]]) == 1
        )
        one = _reduction(inner, inner.regions[0].params[1 + k], inner.regions[0].terminator.operands[k], uses)
        if one is None or not is_handed_on or not ends:
            return None
        found.append(one)
    return found


def _reduction(loop: Op, carried: Value, end: Value, uses: Mapping[Value, Sequence[Use]]) -> Reduction | None:
    choice = end.op
    if choice is None or choice.name != "select" or choice not in loop.regions[0].ops:
        return None
    test = choice.operands[0].op
    if test is None or test.name not in _COMPARISONS or test not in loop.regions[0].ops:
        return None
    new = next((v for v in choice.operands[1:] if v is not carried), carried)
    is_choice = {*choice.operands[1:]} == {*test.operands} == {carried, new}
    if not is_choice or new is carried or {op for op, _ in uses.get(carried, ())} != {choice, test}:
        return None
    return Reduction((test, choice), carried, new) if _is_in_any_order(test, choice, carried, new) else None


def _is_in_any_order(test: Op, choice: Op, carried: Value, new: Value) -> bool:
    ty = carried.type
    if isinstance(ty, VectorType) and ty.dtype.is_integer:
        return True
    is_strict = test.name in ("less", "greater") and choice.operands[1] is new  # NaN does not win
    return is_strict and new.op is not None and new.op.name in _UNSIGNED
