"""Truth: what Python's tests mean for traced values; tests, and the expressions that branch.

Not here: statements.
"""

from __future__ import annotations

from typing import Any

from weft.compiler.frontend.arguments import is_made_text
from weft.compiler.frontend.control.joins import Maybe, Possible, is_listed
from weft.compiler.frontend.control.settling import (
    exact_length,
    settled,
)
from weft.compiler.frontend.control.tables import unordered_keys
from weft.compiler.frontend.number import TracedNumber, as_expr, number, size_number
from weft.compiler.frontend.number import truth as truth_of_number
from weft.compiler.frontend.special_methods import method_of
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, TracedArray, TracedScalar
from weft.ir.dims import product
from weft.ir.expr import Expr
from weft.ir.types import BOOL


def truth(trace: Trace, value: Any) -> bool | Expr:
    """The truth of a value: plain if it is known while tracing, else a scalar of the program."""
    if type(value) is Maybe:
        value = value.value
    if type(value) is Possible:
        present, found = as_expr(trace, value.present, BOOL), truth(trace, value.value)
        return (present if found else False) if isinstance(found, bool) else present & found
    if is_made_text(value):
        return truth(trace, value.asked(bool, "bool"))
    value = unordered_keys(value)
    if is_listed(value):
        known = exact_length(value)
        length = settled(trace, value).length if known is None else known
        return bool(length) if isinstance(length, int) else truth_of_number(trace, size_number(trace, length))
    if type(value) not in TRACED:
        method = method_of(value, "bool", "len")
        return bool(value) if method is None else truth(trace, trace.run(method, value))
    if type(value) is TracedNumber:
        return truth_of_number(trace, value)
    if type(value) is TracedArray:
        size = product(value.view.shape)
        if not trace.holds(size, "==", 1, "truth of an array"):
            raise ValueError(
                "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"
            )
        expr = trace.builder.reshape(value.expr, ())
    else:
        assert type(value) is TracedScalar
        expr = value.expr
    return expr if expr.type.dtype == BOOL else expr.ne(0)


def truth_value(trace: Trace, value: Any) -> Any:
    """As Python's `bool(value)`: a plain or traced bool."""
    found = truth(trace, value)
    return found if isinstance(found, bool) else number(trace, found, bool)
