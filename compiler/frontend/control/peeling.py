"""The first iteration of a loop by itself, for names that get their type, or their first value, in it.

`v = np.array([1, 1])` before a loop of `v = A @ v` is an array of ints in the first iteration and one of
floats in all others. What a loop carries has one type, so the first iteration is written before the loop.
Not here: loops themselves (`loops.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weft.compiler.frontend.control.conditions import truth
from weft.compiler.frontend.control.places import Place
from weft.compiler.frontend.control.sequences import Sequence
from weft.compiler.frontend.control.statements import Raised
from weft.compiler.frontend.number import size_number
from weft.compiler.frontend.trace import Trace
from weft.ir.dataclass import dataclass
from weft.ir.errors import DTypeError, UnsupportedError, WeftError
from weft.ir.expr import Expr

PEELED = ("E061", "E062")
"""Errors of a loop whose first iteration differs from the others."""
DEEPEST = 2
"""Of loops in each other, so many get a first iteration of their own: each doubles what is traced."""


@dataclass(frozen=True, slots=True)
class Iteration:
    """The first iteration of a loop, and what else the loop is."""

    goes: Callable[[], bool | Expr]
    """Whether there is one."""
    body: Callable[[], Any]
    stop: Callable[[], Any] | None
    rest: Callable[[], None]
    """The loop of the other iterations."""
    places: dict[str, Place]
    live: tuple[str, ...]
    """Names that are read after the loop."""


def first_of(items: Sequence) -> Callable[[], Any]:
    """What tells whether a sequence has an item."""

    def goes() -> bool | Expr:
        trace = items.trace
        found = trace.known(items.length, ">=", 1, "iterations of a loop")
        return truth(trace, size_number(trace, items.length) >= 1) if found is None else found

    return goes


@dataclass(slots=True)
class Peeling:
    """Splits loops; knows how many around the present statement were split, and what was tried in vain."""

    trace: Trace
    branch: Callable[..., None]
    """Traces two paths of a condition, as `ControlHooks.branch`."""
    depth: int = 0
    failed: WeftError | None = None
    is_first: bool = False
    """Whether statements of such a first iteration are traced."""

    def peel(self, error: WeftError, loop: Iteration, undo: Callable[[], None]) -> bool:
        """Trace a first iteration and a loop of the others; False, with all undone, if that is in vain."""
        if error.code not in PEELED or error is self.failed or self.depth == DEEPEST:
            return False
        self.depth += 1
        try:
            found = loop.goes()
            if found is True:
                self._first(loop)
            elif found is not False:
                self._branch_of(loop, found, error, undo)
        except (DTypeError, UnsupportedError) as other:
            if other.code not in PEELED:
                raise
            undo()
            self.failed = error
            return False
        finally:
            self.depth -= 1
        return True

    def _first(self, loop: Iteration) -> None:
        before, self.is_first = self.is_first, True
        try:
            loop.body()
        finally:
            self.is_first = before
        stopped = False if loop.stop is None else truth(self.trace, loop.stop())
        if stopped is False:
            loop.rest()
        elif stopped is not True:
            self.is_first = True  # of which what follows the loop goes on, too
            going, paths = stopped.apply("logical_not"), [self._others(loop), None]
            try:
                self.branch(going, paths, loop.places, _names(loop))
            finally:
                self.is_first = before

    def _others(self, loop: Iteration) -> Callable[[], None]:
        """The other iterations, to be traced as one path."""

        def run() -> None:
            self.is_first = False
            loop.rest()
            self.is_first = True

        return run

    def _branch_of(self, loop: Iteration, found: Expr, error: WeftError, undo: Callable[[], None]) -> None:
        """A loop that may have no iteration: if the types then differ from the others', the program fails."""

        def nothing() -> None:
            raise Raised(error)

        def first() -> None:
            self._first(loop)

        try:
            self.branch(found, [first, None], loop.places, _names(loop))
        except DTypeError as other:
            if other.code != "E061" or error.code != "E061":
                raise
            undo()
            again = loop.goes()
            assert isinstance(again, Expr)
            self.branch(again, [first, nothing], loop.places, _names(loop))


def _names(loop: Iteration) -> list[str]:
    return [name for name in loop.places if name in loop.live or name.startswith("__weft_")]
