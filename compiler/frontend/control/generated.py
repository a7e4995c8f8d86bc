"""Generators of the user's while a function is traced: a loop over one is the generator's own statements.

A generator is called when it is gone over, as a function that hands each value on to the body of the loop
(`consuming.py`). It runs as Python's own, whose loops are unrolled, where that cannot be: a `yield` in a
`try` or inside of an expression, `next` again and again. Not here: what goes over it (`hooks.py`,
`folding.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from inspect import CO_GENERATOR
from itertools import count
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, cast

from weft.compiler.frontend.consuming import CONSUMER
from weft.compiler.frontend.control.iterating import first_item
from weft.compiler.frontend.control.places import Journal, Place
from weft.compiler.frontend.hooks import Hooks, variables
from weft.compiler.frontend.rewrite import rewrite, rewrite_consuming
from weft.compiler.frontend.trace import Trace
from weft.ir.dataclass import dataclass
from weft.ir.errors import WeftError

if TYPE_CHECKING:
    from weft.compiler.frontend.control.places import Mark

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


@dataclass(slots=True, eq=False)
class Generated:
    """A generator: gone over by `run` with a consumer, or as Python's own `iterator`."""

    trace: Trace
    journal: Journal
    name: str
    code: CodeType
    iterator: Generator[Any, Any, None]
    run: Callable[[Consumer], Any] | None
    marks: list[Mark] = field(default_factory=list["Mark"])
    begun: bool = False
    left: bool = False
    """Whether a loop over it may have ended before its end."""

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
    def place(self) -> tuple[str, int]:
        """Where it stands."""
        return self.code.co_filename, self.code.co_firstlineno

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


class Generating:
    """The hooks that make generators."""

    trace: Trace
    journal: Journal

    @property
    def hooks(self) -> Hooks:
        """The hooks themselves."""
        raise NotImplementedError

    def _generated(self, function: FunctionType, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Generated:
        """What a call of a generator gives."""
        plain = rewrite(function, self.hooks) or function
        handing = rewrite_consuming(function, self.hooks)

        def run(consumer: Consumer) -> None:
            assert handing is not None
            with self.inside(function):
                handing(*args, **kwargs, **{CONSUMER: consumer})

        return self._made(
            f"the generator {function.__name__!r}",
            function.__code__,
            plain(*args, **kwargs),
            None if handing is None else run,
        )

    def generate(self, source: Any, run: FunctionType, plain: Callable[[Any], Any], /) -> Generated:
        """Make the generator of an expression."""

        def gone_over(consumer: Consumer) -> None:
            run(source, **{CONSUMER: consumer})

        return self._made("a generator expression", run.__code__, _lazily(plain, source), gone_over)

    def call_next(self, fn: Any, items: Any, /, *default: Any) -> Any:
        """The first item of a generator that nothing else holds, by a loop; else as any call."""
        if fn is next and isinstance(items, Generated) and items.is_function and len(default) <= 1:
            return self.trace.run(first_item, items, default)
        return self.hooks.call(fn, items, *default)

    def check_iterators(self, values: Iterable[Any]) -> None:
        """Raise UnsupportedError for Python's iterators from before the statement that is traced.

        It runs more than once or not at all, and is traced once.
        """
        for value in values:
            kind = cast(Any, type(value))
            if kind.__module__ in ("builtins", "itertools") and hasattr(kind, "__next__"):
                if self.journal.is_outer(value):
                    raise outside_refused(self.trace, f"a {kind.__name__}")

    def _made(self, name: str, code: CodeType, iterator: Any, run: Any) -> Generated:
        return Generated(self.trace, self.journal, name, code, iterator, run, list(self.journal.marks))

    def inside(self, function: FunctionType) -> AbstractContextManager[None]:
        """Note a call of a function, until it ends."""
        raise NotImplementedError


def _lazily(plain: Callable[[Any], Any], source: Any) -> Generator[Any, Any, None]:
    yield from plain(source)


def outside_refused(trace: Trace, name: str) -> WeftError:
    """The error for an iterator that was there before a compiled loop or branch which goes on with it."""
    return trace.refuse(
        f"{name} is an iterator from outside of a compiled loop or branch that takes items from it",
        "make it inside, or count positions: `x[k]` in place of `next(it)`", "E055",
    )  # fmt: skip


def is_generator(function: Any) -> bool:
    """Whether calling a function gives a generator."""
    return isinstance(function, FunctionType) and bool(function.__code__.co_flags & CO_GENERATOR)
