"""Objects that outlive the call and change inside of compiled statements: one effect each, what they end as.

A change outside of such statements is an effect of its own, in order. Inside of one the trace changes its own
copy of a list or dict, or its note of an attribute or name, which paths join like any variable; what that is
at the end goes to the object. Not here: how effects are replayed (`replay.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from typing import TYPE_CHECKING, Any, cast

from weft.compiler.frontend.control.joins import is_listed
from weft.compiler.frontend.control.listed import copied
from weft.compiler.frontend.control.settling import Again, has_rows, settled
from weft.compiler.frontend.result import Effect
from weft.compiler.frontend.source import Source
from weft.ir.dataclass import dataclass

if TYPE_CHECKING:
    from weft.compiler.frontend.capture import Inputs
    from weft.compiler.frontend.control.places import Journal
    from weft.compiler.frontend.trace import Trace


class Prepare(Again):
    """A statement changes what the trace must know before the outermost one."""

    def __init__(self, owner: Any, do: Callable[[], Any]) -> None:
        super().__init__(owner)
        self.do = do

    def prepare(self, trace: Trace) -> None:
        """Make it known."""
        self.do()


@dataclass(slots=True, eq=False)
class Outside:
    """What is changed inside of statements. `written` holds attributes and names by their owner's id."""

    trace: Trace
    inputs: Inputs
    journal: Journal
    written: dict[tuple[int, Any], Any]
    containers: dict[int, tuple[Any, Source]] = field(default_factory=dict[int, "tuple[Any, Source]"])
    tails: dict[int, tuple[list[Any], Source]] = field(default_factory=dict[int, "tuple[list[Any], Source]"])
    names: dict[tuple[int, Any], tuple[Effect, Any]] = field(
        default_factory=dict[tuple[int, Any], "tuple[Effect, Any]"]
    )

    @property
    def in_statement(self) -> bool:
        """Whether a compiled statement is being traced."""
        return bool(self.journal.marks)

    def roots(self) -> list[Any]:
        """What the trace holds that no variable leads to."""
        return [self.written, *self.inputs.copies(), *(tail for tail, _ in self.tails.values())]

    def before_copy(self, owner: Any) -> None:
        """Have a container opened before the outermost statement."""
        if self.in_statement and not isinstance(owner, tuple):
            raise Prepare(self.written, lambda: self.inputs.open(owner))

    def opened(self, owner: Any, source: Source) -> Any:
        """The trace's copy of a container, which is about to change."""
        held = self.inputs.open(owner)
        self.containers[id(held)] = (held, source)
        return held

    def tail(self, owner: list[Any], source: Source) -> list[Any] | None:
        """The items that a list gets inside of statements, if its own need not be known."""
        if self.inputs.opened(owner) is not None:
            return None
        tail = self.inputs.appended(owner)
        if self.in_statement and id(owner) not in self.tails:
            raise Prepare(self.written, lambda: self.tails.setdefault(id(owner), (tail, source)))
        return tail

    def assign(self, key: tuple[int, Any], effect: Effect, value: Any, load: Callable[[], Any]) -> None:
        """Note the new value of an attribute or a name, of which `load` gives that at entry."""
        if key not in self.names:
            before = self.written.get(key)

            def note() -> None:
                held = load() if key not in self.written else self.written[key]
                self.written[key] = held
                self.names[key] = (effect, held if before is None else None)

            raise Prepare(self.written, note)
        self.journal.note(self.written)
        self.written[key] = value

    def effects(self, done: list[Effect]) -> list[Effect]:
        """All effects, `done` among them, in an order that gives every object what it ends as."""
        appended = [str(source) for _, source in self.tails.values()]
        kept = [e for e in done if e.kind != "append" or str(e.source) not in appended]
        for tail, source in self.tails.values():
            if self.inputs.is_tail(tail):
                kept.append(Effect("extend", source, None, tail))
        for held, source in [*self.containers.values(), *self._stacked()]:
            kept += self._content(held, source)
        for key, (effect, before) in self.names.items():
            if self.written.get(key, before) is not before:
                kept.append(Effect(effect.kind, effect.source, effect.key, self.written[key]))
        return kept

    def _content(self, held: Any, source: Source) -> list[Effect]:
        if isinstance(held, dict):
            return [Effect("content", source, None, dict(cast("dict[Any, Any]", held)))]
        items = cast("list[Any]", held)
        if not is_listed(items):
            return [Effect("content", source, None, list(items))]
        stack = settled(self.trace, items)
        if has_rows(stack.slot) and stack.is_first:
            return []  # rows are what they were, and have effects of their own
        if has_rows(stack.slot):
            fix = "make a new list, and return it"
            text = "a list of lists that outlives the call changes its rows in a compiled statement"
            raise self.trace.refuse(text, fix, "E055")
        return [Effect("content", source, None, copied(self.trace, items))]

    def _stacked(self) -> Iterator[tuple[Any, Source]]:
        """Lists whose items lie in arrays that were written."""
        for held in self.inputs.copies():
            source = self.inputs.path(held)
            if source is None or id(held) in self.containers or not is_listed(held):
                continue
            is_new = len(held) > 1 or not held[0].is_first
            if is_new or any(part.view.storage.writes for part in held[0].parts):
                yield held, source
