"""`del` in traced code, of attributes and items; containers that change otherwise than by an assignment.

Not here: assignments (`tracing.py`), methods of lists that compiled loops change (`control/methods.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft.compiler.frontend.control.contents import arrays_in
from weft.compiler.frontend.control.joins import given, given_key, is_listed, segment_of
from weft.compiler.frontend.control.keyed import remove_from
from weft.compiler.frontend.control.lists import Stack
from weft.compiler.frontend.control.settling import is_row
from weft.compiler.frontend.control.tables import table_of
from weft.compiler.frontend.values import TRACED

if TYPE_CHECKING:
    from weft.compiler.frontend.capture import Inputs
    from weft.compiler.frontend.control.places import Journal
    from weft.compiler.frontend.outside import Outside
    from weft.compiler.frontend.trace import Trace


class Deleting:
    """The hooks of `del`, a part of `TracingHooks`."""

    trace: Trace
    inputs: Inputs
    outside: Outside
    journal: Journal

    def delete_attribute(self, base: Any, name: str, /) -> None:
        """Do `del base.name` of what the trace made."""
        if self.inputs.path(base) is not None:
            fix, text = "set it to None", "an attribute of an object that outlives the call is deleted"
            raise self.trace.refuse(text, fix, "E055")
        self.journal.note(base)
        delattr(base, name)

    def delete_item(self, base: Any, key: Any, /) -> None:
        """Do `del base[key]` of what the trace made."""
        base, key = given(base), given_key(key)
        source = self.inputs.path(base)
        if source is not None and isinstance(base, list | dict):
            base = self.outside.opened(base, source)
        table = table_of(base)
        if table is not None:
            self.journal.check(base)
            return remove_from(self.trace, base, table, key)
        if is_listed(base) or type(key) in TRACED:
            fix = "make an array of what is left: `x = np.delete(x, k)`"
            raise self.trace.refuse("an item by a position of the program is deleted", fix, "E055")
        self.note_change(base, "del")
        del base[key]
        return None

    def note_change(self, owner: Any, what: str) -> None:
        """A container is about to change, not by an assignment to an item."""
        source = self.inputs.path(owner)
        if source is not None and self.outside.opened(owner, source) is not owner:
            fix = "assign to its items, use append, or return a new object"
            text = f"{what} of an object that outlives the call is not supported"
            raise self.trace.refuse(text, fix, "E055")
        if is_row(owner):
            fix = "make rows of their final length, or change a copy: `row = list(rows[i])`"
            raise self.trace.refuse("a row of a list changes its length in a compiled loop", fix, "E055")
        self.journal.note(owner)
        held = segment_of(owner)
        for array in arrays_in(owner) if held is not None else ():
            self.trace.leave_linked(array.view.storage)  # a list that may be this one does not see it
            array.view.storage.writes += type(held) is Stack and not held.elastic
