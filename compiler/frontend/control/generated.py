"""Generators of the user's while a function is traced: a loop over one is the generator's own statements.

A generator is called when it is gone over, as a function that hands each value on to the body of the loop
(`consuming.py`). It runs as Python's own, whose loops are unrolled, where that cannot be: a `yield` in a
`try` or inside of an expression, `next` again and again. Not here: what makes one
(`generating.py`), what goes over it (`hooks.py`, `folding.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from inspect import CO_GENERATOR
from itertools import count
from types import FunctionType
from typing import Any

from weft.compiler.frontend.consuming import CONSUMER
from weft.compiler.frontend.control.places import Journal, Place
from weft.compiler.frontend.hooks import variables
from weft.compiler.frontend.trace import Trace
from weft.ir.dataclass import dataclass
from weft.ir.errors import WeftError

_serials = count(1)


@dataclass(slots=True, eq=False)
class Consumer:
    """The body of a loop over a generator, and the variables of the function around it."""

    body: Callable[[Any], Any]
    stop: Callable[[], Any] | None
    places: dict[str, Place]
    kept: list[str]
    """Names of those places that are read after an iteration."""
    stopped: bool = False
    """Whether the body may have ended the loop."""

    def inside(self) -> tuple[dict[str, Place], list[str]]:
        """The places as a statement of the generator has them beside its own, and which of them it keeps."""
        mark = f" {next(_serials)}"
        return {name + mark: place for name, place in self.places.items()}, [n + mark for n in self.kept]


def consumer_in(*bodies: Callable[..., Any] | None) -> Consumer | None:
    """The consumer to which statements hand on what they yield."""
    cell = variables(*bodies).get(CONSUMER)
    return None if cell is None else cell.cell_contents


class Generated:
    """A generator: gone over by `run` with a consumer, or as Python's own `iterator`.

    No dataclass: those are containers, which are looked into.
    """

    def __init__(
        self,
        trace: Trace,
        journal: Journal,
        name: str,
        place: Any,
        iterator: Generator[Any, Any, None],
        run: Callable[[Consumer], Any] | None,
    ) -> None:
        self.trace, self.journal, self.name, self.iterator, self.run = trace, journal, name, iterator, run
        self.place = place  # tells it from others: its code, and the line that made it
        self.marks = list(journal.marks)
        self.begun = False
        self.left = False  # whether a loop over it may have ended before its end

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self.check()
        self.begun = True
        return next(self.iterator)

    def send(self, value: Any) -> Any:
        """Go on, with the value of a `yield`."""
        self.check()
        self.begun = True
        return self.iterator.send(value)

    send.takes_traced = True  # pyright: ignore[reportFunctionMemberAccess] -- asked of what is called

    def close(self) -> None:
        """End it."""
        self.iterator.close()
        self.begun, self.left = True, False

    def __repr__(self) -> str:
        return self.name

    @property
    def is_function(self) -> bool:
        """Whether a loop over it can be its own statements."""
        return self.run is not None and not self.begun and self.place not in self.trace.assumptions.stepped

    def check(self) -> None:
        """Raise UnsupportedError where it is gone on with in another statement than it was made in."""
        if self.left:
            raise self.trace.refuse(
                f"{self.name} is used after a loop that may have ended before its end",
                "go over it in one loop, or make it anew", "E055",
            )  # fmt: skip
        if any(all(one is not other for other in self.marks) for one in self.journal.marks):
            raise outside_refused(self.trace, self.name)


def outside_refused(trace: Trace, name: str) -> WeftError:
    """The error for an iterator that was there before a compiled loop or branch which goes on with it."""
    return trace.refuse(
        f"{name} is an iterator from outside of a compiled loop or branch that takes items from it",
        "make it inside, or count positions: `x[k]` in place of `next(it)`", "E055",
    )  # fmt: skip


def is_generator(function: Any) -> bool:
    """Whether calling a function gives a generator."""
    return isinstance(function, FunctionType) and bool(function.__code__.co_flags & CO_GENERATOR)
