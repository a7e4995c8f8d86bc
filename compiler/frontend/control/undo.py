"""What an abandoned trace of a statement did, taken back; what lists held before it.

Not here: why a trace is abandoned (`settling.py`, `hooks.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from weft.compiler.frontend.arguments import is_node
from weft.compiler.frontend.control.places import Place
from weft.compiler.frontend.values import TracedArray

if TYPE_CHECKING:
    from weft.compiler.frontend.tracing import TracingHooks


class Undo:
    """Takes back what an abandoned trace of a statement did."""

    def __init__(self, hooks: TracingHooks, places: dict[str, Place]) -> None:
        self.hooks, self.places = hooks, places
        self.before = {name: place.get() for name, place in places.items()}
        self.effects, self.moves = len(hooks.effects), len(hooks.trace.moves)
        self.shared = len(hooks.journal.shared)
        self.ops = len(hooks.trace.region.ops)
        self.written = dict(hooks.written)

    def run(self) -> None:
        """Do it."""
        for name, place in self.places.items():
            place.set(self.before[name])
        del self.hooks.effects[self.effects :]
        self.hooks.trace.forget_moves(self.moves)
        self.hooks.journal.forget_shared(self.shared)
        del self.hooks.trace.region.ops[self.ops :]
        self.hooks.written.clear()
        self.hooks.written.update(self.written)


def contents_of(held: list[Any]) -> list[tuple[list[Any], list[Any]]]:
    """A list and those in it, with their items."""
    inner = [one for item in held if type(item) is list for one in contents_of(cast("list[Any]", item))]
    return [(held, held.copy()), *inner]


def is_of_numbers(items: Any) -> bool:
    """Whether a list holds numbers, or lists of these."""
    return bool(items) and all(
        is_of_numbers(item) if type(item) is list else not is_node(item) and type(item) is not TracedArray
        for item in items
    )
