"""Operators in traced code: of values, lists and texts, and of objects of the user's classes.

Special methods that a user wrote are traced as other methods are. Not here: comparisons (`comparing.py`), the
operators of traced values (`values.py`, `number.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from weft.compiler.frontend.control.joins import given, is_listed
from weft.compiler.frontend.control.listed import copied
from weft.compiler.frontend.control.tables import refuse_table
from weft.compiler.frontend.number import TracedNumber
from weft.compiler.frontend.plain import BINARY_NAMES, UNARY_NAMES, PlainHooks
from weft.compiler.frontend.special_methods import method_of
from weft.compiler.frontend.values import TRACED, class_of, leaves_to_other

if TYPE_CHECKING:
    from weft.compiler.frontend.capture import Inputs
    from weft.compiler.frontend.trace import Trace


class Operating:
    """The hook `operate`, a part of `TracingHooks`."""

    trace: Trace
    inputs: Inputs
    call: Callable[..., Any]
    _plain: PlainHooks

    def operate(self, symbol: str, /, *operands: Any) -> Any:
        """As Python does; lists whose items lie in arrays are copied."""
        operands = tuple(map(given, operands))
        if len(operands) == 1:
            method = method_of(operands[0], UNARY_NAMES[symbol])
            return self._plain.operate(symbol, *operands) if method is None else self.call(method, *operands)
        left: Any = operands[0]
        right: Any = operands[1]
        if symbol == "+" and type(left) is list and type(right) is list:
            left, right = self._joined(left), self._joined(right)
        elif symbol == "*" and (is_listed(left) or is_listed(right)):
            items, count = cast(Any, (left, right) if is_listed(left) else (right, left))
            return self._multiplied(items, count)
        elif symbol == "|":
            refuse_table(self.trace, left, "`|`")
            refuse_table(self.trace, right, "`|`")
        name = BINARY_NAMES[symbol]
        if method_of(left, name) is None and method_of(right, f"r{name}") is None:
            return self._plain.operate(symbol, left, right)
        return self._of_objects(symbol, left, right)

    def operate_in_place(self, symbol: str, left: Any, right: Any) -> Any:
        """`left += right` of objects of the user's classes; NotImplemented for others."""
        name = BINARY_NAMES[symbol]
        method = method_of(left, f"i{name}")
        found = NotImplemented if method is None else self.call(method, left, right)
        if found is not NotImplemented or (
            method_of(left, name) is None and method_of(right, f"r{name}") is None
        ):
            return found
        return self._of_objects(symbol, left, right)

    def _of_objects(self, symbol: str, left: Any, right: Any) -> Any:
        """Ask the left operand, then the right one; the right one first if its class is derived."""
        name, kinds = BINARY_NAMES[symbol], (class_of(left), class_of(right))
        asked = [(left, name, right), (right, f"r{name}", left)]
        is_array = kinds[0] in TRACED and kinds[0] is not TracedNumber
        if is_array and not leaves_to_other(left, right, f"__r{name}__"):
            return self._plain.operate(symbol, left, right)
        if kinds[0] in TRACED or isinstance(left, np.generic):
            asked = asked[1:]
        elif kinds[0] is kinds[1]:
            asked = asked[:1]
        elif issubclass(kinds[1], kinds[0]):
            asked.reverse()
        for value, method, other in asked:
            found = self.ask(value, method, other)
            if found is not NotImplemented:
                return found
        names = f"'{kinds[0].__name__}' and '{kinds[1].__name__}'"
        raise TypeError(f"unsupported operand type(s) for {symbol}: {names}")

    def ask(self, value: Any, name: str, other: Any) -> Any:
        """What a special method of a value answers; NotImplemented if there is none."""
        method = method_of(value, name)
        if method is not None:
            return self.call(method, value, other)
        native = getattr(class_of(value), f"__{name}__", None)
        return NotImplemented if native is None else native(value, other)

    def _joined(self, items: Any) -> list[Any]:
        items = self.inputs.open(items)
        return copied(self.trace, items) if is_listed(items) else items

    def _multiplied(self, items: list[Any], count: Any) -> list[Any]:
        made: list[Any] = []
        for _ in range(count.__index__()):
            made += copied(self.trace, items)
        return made
