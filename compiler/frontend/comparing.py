"""Comparisons in traced code: of values, tuples, lists, dicts and sets.

Not here: what equality of containers means (`control/equality.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from weft.compiler.frontend.chosen import in_text
from weft.compiler.frontend.control.conditions import truth_value
from weft.compiler.frontend.control.contents import arrays_in
from weft.compiler.frontend.control.either import is_one
from weft.compiler.frontend.control.equality import contained, ordered
from weft.compiler.frontend.control.folding import contains
from weft.compiler.frontend.control.joins import Possible, given, is_listed
from weft.compiler.frontend.control.keyed import is_in_table
from weft.compiler.frontend.control.listed import equal_lists
from weft.compiler.frontend.control.settling import is_row
from weft.compiler.frontend.control.tables import refuse_table, seen_now, table_of
from weft.compiler.frontend.number import TracedNumber
from weft.compiler.frontend.plain import PlainHooks
from weft.compiler.frontend.special_methods import method_of
from weft.compiler.frontend.values import TracedArray, TracedScalar

if TYPE_CHECKING:
    from weft.compiler.frontend.capture import Inputs
    from weft.compiler.frontend.control.hooks import ControlHooks
    from weft.compiler.frontend.trace import Trace

NAMES = {
    "<": ("lt", "gt"), "<=": ("le", "ge"), ">": ("gt", "lt"), ">=": ("ge", "le"),
    "==": ("eq", "eq"), "!=": ("ne", "ne"),
}  # fmt: skip
"""Of the special methods of the left and, asked the other way round, of the right operand."""


def compared_fields(left: Any, right: Any, name: str) -> tuple[Any, Any] | None:
    """What the comparison that a dataclass made for itself compares."""
    if type(left) is not type(right) or not is_dataclass(left) or f"__{name}__" not in vars(type(left)):
        return None
    first, second = (tuple(getattr(one, f.name) for f in fields(one) if f.compare) for one in (left, right))
    return first, second


_ALONE = (TracedNumber, TracedScalar)


class Comparing:
    """The hook `compare`, a part of `TracingHooks`."""

    trace: Trace
    inputs: Inputs
    control: ControlHooks
    call: Callable[..., Any]
    ask: Callable[[Any, str, Any], Any]
    _plain: PlainHooks

    def compare(self, symbol: str, left: Any, right: Any, /) -> Any:
        """Look for an item in a container from outside as it is now, else as Python does."""
        is_asked = symbol in ("is", "is not")
        found = self._identity(symbol, left, right) if is_asked else self._by_methods(symbol, left, right)
        if found is not NotImplemented:
            return found
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

    def _identity(self, symbol: str, left: Any, right: Any) -> Any:
        """Whether two arrays are one object; NotImplemented for other things."""
        if type(left) is type(right) is TracedArray:
            return self._unless(is_one(self.trace, left, right), symbol)
        if type(left) is type(right) and type(left) in (list, dict):
            self._check_identity(left, right)
        return NotImplemented

    def _check_identity(self, left: Any, right: Any) -> None:
        """Raise UnsupportedError for containers that paths made anew and that may be one in Python."""
        if left is right:
            return
        shared = self.control.hooks.journal.shared
        ones, others = ({s for a in arrays_in(v) for s in a.view.storage.possible()} for v in (left, right))
        if shared.keys() & {id(left), id(right)} or (is_listed(left) and is_listed(right) and ones & others):
            text = "`is` asks whether two lists or dicts are one that the program may or may not make one"
            raise self.trace.refuse(text, "keep what decides it in a name, and ask for that", "E064")

    def _by_methods(self, symbol: str, left: Any, right: Any) -> Any:
        """By special methods of the user's classes; NotImplemented if there are none."""
        if symbol in ("in", "not in"):
            method = method_of(right, "contains")
            if method is None:
                return NotImplemented
            found = truth_value(self.trace, self.call(method, right, left))
            return found if symbol == "in" else self.control.not_(found)
        name, reflected = NAMES[symbol]
        if symbol == "!=" and method_of(left, "ne") is None and method_of(left, "eq") is not None:
            return self.control.not_(self._by_methods("==", left, right))
        if method_of(left, name) is None and method_of(right, reflected) is None:
            pair = compared_fields(left, right, name)
            return NotImplemented if pair is None else self.compare(symbol, *pair)
        for value, one, other in ((left, name, right), (right, reflected, left)):
            found = self.ask(value, one, other)
            if found is not NotImplemented:
                return found
        return NotImplemented

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
        found = in_text(self.trace, left, right)
        if found is not None:
            return found
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
