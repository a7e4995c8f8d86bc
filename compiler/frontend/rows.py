"""Gradients of tables of which few rows were read: known by these rows, as long as nothing else adds to them.

Not here: the steps of optimizers on rows (`weft.optim`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from weft.compiler.frontend.values import TracedArray, new_array
from weft.compiler.passes.rules import number_of
from weft.ir import Value


class RowsOf:
    """The (indices, rows) whose sum is a gradient, if that is how it was traced; else None."""

    def __call__(self, grad: Any) -> None:
        """Outside of a trace gradients are arrays."""

    def trace_call(
        self, trace: Any, call: Callable[..., Any], args: Sequence[Any], kwargs: Any, effects: list[Any]
    ) -> list[tuple[Any, Any]] | None:
        """Look at the ops that made it."""
        if not isinstance(args[0], TracedArray):
            return None
        parts = _row_parts(args[0].view.read(trace))
        if parts is None:
            return None
        return [(new_array(trace, trace.expr(i)), new_array(trace, trace.expr(r))) for i, r in parts]


rows_of = RowsOf()


def _row_parts(value: Value) -> list[tuple[Value, Value]] | None:
    op = value.op
    if op is not None and op.name == "add":
        left, right = _row_parts(op.operands[0]), _row_parts(op.operands[1])
        return None if left is None or right is None else left + right
    if (
        op is None
        or op.name != "scatter"
        or not op.attributes.get("checked")
        or op.attributes["axes"] != (0,)
    ):
        return None
    return [(op.operands[2], op.operands[1])] if number_of(op.operands[0]) == 0 else None
