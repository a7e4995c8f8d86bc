"""Comparisons in traced code: of values, tuples, lists, dicts and sets.

Not here: what equality of containers means (`control/equality.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft.compiler.frontend.control.equality import contained, ordered
from weft.compiler.frontend.control.folding import contains
from weft.compiler.frontend.control.joins import Possible, given, is_listed
from weft.compiler.frontend.control.keyed import is_in_table
from weft.compiler.frontend.control.listed import equal_lists
from weft.compiler.frontend.control.settling import is_row
from weft.compiler.frontend.control.tables import refuse_table, seen_now, table_of
from weft.compiler.frontend.number import TracedNumber
from weft.compiler.frontend.plain import PlainHooks
from weft.compiler.frontend.values import TracedScalar

if TYPE_CHECKING:
    from weft.compiler.frontend.capture import Inputs
    from weft.compiler.frontend.control.hooks import ControlHooks
    from weft.compiler.frontend.trace import Trace

_ALONE = (TracedNumber, TracedScalar)


class Comparing:
    """The hook `compare`, a part of `TracingHooks`."""

    trace: Trace
    inputs: Inputs
    control: ControlHooks
    _plain: PlainHooks

    def compare(self, symbol: str, left: Any, right: Any, /) -> Any:
        """Look for an item in a container from outside as it is now, else as Python does."""
        if symbol in ("in", "not in"):
            right = self.inputs.looked_at(seen_now(given(right)), items=True)
            found = self._contained(left, right)
            if found is not None:
                return found if symbol == "in" else self.control.not_(found)
        elif right is None and symbol in ("==", "!=") and type(left) in _ALONE:
            return symbol == "!="
        elif type(left) is Possible and right is None:
            return self.control.not_(left.present) if symbol == "is" else left.present
        elif symbol in ("is", "is not") and type(left) is TracedNumber and type(right) is bool:
            found = left if right else self.control.not_(left)
            return False ^ (symbol == "is not") if left.type is not bool else self._unless(found, symbol)
        elif is_listed(left) or is_listed(right):
            return self._compare_lists(symbol, left, right)
        elif symbol not in ("is", "is not"):
            return self._compare_values(symbol, left, right)
        return self._plain.compare(symbol, left, right)

    def _compare_values(self, symbol: str, left: Any, right: Any) -> Any:
        left, right = self.inputs.open(left), self.inputs.open(right)
        if symbol not in ("==", "!="):
            left, right = given(left), given(right)
        for side in (left, right):
            refuse_table(self.trace, side, "a comparison")
        found = ordered(self.trace, symbol, left, right)
        return self._plain.compare(symbol, left, right) if found is None else found

    def _contained(self, left: Any, right: Any) -> Any:
        table = table_of(right)
        if table is not None:
            return is_in_table(self.trace, table, left)
        if is_listed(right):
            return self.trace.run(contains, right, left)
        return contained(self.trace, left, right)

    def _unless(self, found: Any, symbol: str) -> Any:
        return self.control.not_(found) if symbol.endswith("not") else found

    def _compare_lists(self, symbol: str, left: Any, right: Any) -> Any:
        if symbol in ("==", "!="):
            found = equal_lists(self.trace, left, self.inputs.open(right))
            return found if symbol == "==" else self.control.not_(found)
        if symbol not in ("is", "is not") or (is_row(left) and left is not right and type(right) is list):
            fix = "compare their items, or arrays made of them"
            raise self.trace.refuse(f"`{symbol}` of lists whose items the program computes", fix, "E055")
        return self._plain.compare(symbol, left, right)
