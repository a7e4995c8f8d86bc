"""Lists in a list or dict, of lengths that the data decide, one of which is taken by a computed position.

Each of them is a list of its own: what is appended goes to the one whose place the program finds, and a list
that is read is a join of all. That is for few lists: their number is the length of the program. Not here:
rows of one length (`lists.py`), dicts whose keys the program computes (`keyed.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from weft.compiler.frontend.chosen import is_text, item_of_texts
from weft.compiler.frontend.control.folding import append_to, extend_one, from_front, picked
from weft.compiler.frontend.control.joins import given, is_listed
from weft.compiler.frontend.control.listed import is_computed_key
from weft.compiler.frontend.control.settling import can_stack
from weft.compiler.frontend.control.tables import table_of
from weft.compiler.frontend.text import TracedText
from weft.compiler.frontend.trace import Trace

if TYPE_CHECKING:
    from weft.compiler.frontend.capture import Inputs

MOST_LISTS = 32
"""So many lists of one list or dict may be taken by a computed position."""


class OneOf:
    """The list at a computed position of a list or dict, of which a method is called."""

    def __init__(self, trace: Trace, owner: Any, keys: tuple[Any, ...], key: Any) -> None:
        self.trace, self.owner, self.keys, self.key = trace, owner, keys, key

    def append(self, value: Any) -> None:
        """`owner[key].append(value)`."""
        self.trace.run(append_to, self.owner, self.keys, self.key, value, _missing(self.owner))

    def extend(self, values: Any) -> None:
        """`owner[key].extend(values)`."""
        self.trace.run(extend_one, self.owner, self.keys, self.key, values, _missing(self.owner))

    for _method in (append, extend):
        _method.takes_traced = True  # pyright: ignore[reportFunctionMemberAccess] -- what marks one of ours


def _missing(owner: Any) -> Exception:
    if isinstance(owner, dict):
        return KeyError("a key that the program computed")
    return IndexError("list index out of range")


class Grouping:
    """The hook `load_row`, a part of `TracingHooks`."""

    trace: Trace
    inputs: Inputs
    load_item: Callable[..., Any]

    def load_row(self, base: Any, key: Any, /) -> Any:
        """As `load_item`, where a method is called that makes a list longer."""
        held = self.inputs.open(given(base))
        keys = places_of_lists(self.trace, held, key)
        if keys is None or self.inputs.path(held) is not None:
            return self.load_item(base, key)
        return OneOf(self.trace, held, keys, _from_front(self.trace, held, key))


def one_of_many(trace: Trace, owner: Any, key: Any) -> Any:
    """`owner[key]` of lists of other lengths, of a text, or by a text; NotImplemented for others."""
    keys = places_of_lists(trace, owner, key)
    if keys is None:
        return item_of_texts(trace, owner, key)
    return trace.run(picked, owner, keys, _from_front(trace, owner, key), _missing(owner))


def places_of_lists(trace: Trace, owner: Any, key: Any) -> tuple[Any, ...] | None:
    """The positions or keys of lists one of which is taken by a computed one; None for all else."""
    is_text_key = isinstance(key, TracedText) and is_text(key)
    if type(owner) not in (list, dict) or not (is_text_key or is_computed_key(trace, key)):
        return None
    if is_listed(owner) or table_of(owner) is not None:
        return None
    items: list[Any] = [*(owner.values() if isinstance(owner, dict) else cast("list[Any]", owner))]
    if not 0 < len(items) <= MOST_LISTS or not all(type(item) is list for item in items):
        return None
    if isinstance(owner, list) and can_stack(owner):
        return None
    return tuple(cast("dict[Any, Any]", owner)) if isinstance(owner, dict) else tuple(range(len(items)))


def _from_front(trace: Trace, owner: Any, key: Any) -> Any:
    """A position from the front."""
    if isinstance(owner, dict):
        return key
    return trace.run(from_front, key, len(owner))
