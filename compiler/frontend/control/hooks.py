"""The hooks for statements and for the expressions that branch, while a function is traced.

A test that is known while tracing leaves the statement to Python. Not here: loads, stores and calls
(`tracing.py`), how statements become ops (`statements.py`, `loops.py`).
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from functools import partial
from itertools import tee
from typing import TYPE_CHECKING, Any

from weft.compiler.frontend.assumption import Restart
from weft.compiler.frontend.code import all_code
from weft.compiler.frontend.control.conditions import truth
from weft.compiler.frontend.control.generated import Consumer, Generated, consumer_in
from weft.compiler.frontend.control.joins import UNDEFINED, Maybe, Possible, Undefined, given, is_listed
from weft.compiler.frontend.control.loops import Counted, for_node, variables_of
from weft.compiler.frontend.control.peeling import Iteration, Peeling, first_of
from weft.compiler.frontend.control.places import Place, cells
from weft.compiler.frontend.control.sequences import Range, as_sequence
from weft.compiler.frontend.control.sequences import Sequence as Items
from weft.compiler.frontend.control.settling import (
    Again,
)
from weft.compiler.frontend.control.statements import Raised, branch, unwrapped
from weft.compiler.frontend.control.undo import Undo, contents_of, is_of_numbers
from weft.compiler.frontend.control.while_loops import while_node
from weft.compiler.frontend.hooks import Thunk
from weft.compiler.frontend.location import is_caught
from weft.compiler.frontend.number import as_expr, number, size_number
from weft.compiler.frontend.plain import PlainHooks
from weft.compiler.frontend.text import fail_unless, is_made_later
from weft.ir.errors import DTypeError, UnsupportedError, WeftError
from weft.ir.expr import Expr
from weft.ir.types import BOOL
from weft.ir.walk import has_effect

if TYPE_CHECKING:
    from weft.compiler.frontend.tracing import TracingHooks

UNROLLED = 4
"""A loop over a constant range of at most so many items is unrolled if no loop is in it."""
MOST_COPIES = 16
"""Of one statement, by such loops in each other's functions."""
UNROLLED_IF_NEEDED = 256
"""One that cannot be a loop node, because Python must know its items, at most so many times."""
MOST_STOPS = 12
"""Iterations of such a `while` that the data may end, each of which is a branch of the last one."""
_NEEDS_ITEMS = ("E051", "E052", "E055", "E062", "E063", "E060", "E061", "E064")


Where = tuple[dict[str, Place], list[str]]
"""Variables that statements bind, and those of them that are read afterwards."""


class ResultPlace:
    """Where a thunk's value is kept, so that it can be joined as a variable is."""

    name = "expression"

    def __init__(self) -> None:
        self.value: Any = UNDEFINED

    def get(self) -> Any:
        """The value."""
        return self.value

    def set(self, value: Any) -> None:
        """Keep it."""
        self.value = value


class ControlHooks:
    """Statements of one trace; all else is `PlainHooks`."""

    def __init__(self, hooks: TracingHooks) -> None:
        self.hooks, self.trace = hooks, hooks.trace
        self._plain = PlainHooks()
        self._copies = 1  # of the statements that are traced now, by small loops around them
        self.peeling = Peeling(self.trace, self.branch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    # ---- names

    def load_local(self, name: str, value: Any, /) -> Any:
        """Check, when the program runs, that a name has a value if it may have none."""
        if isinstance(value, Undefined):
            raise UnboundLocalError(
                f"cannot access local variable '{name}' where it is not associated with a value"
            )
        if type(value) is not Maybe:
            return value
        text = f"cannot access local variable '{name}' where it is not associated with a value"
        return self.certain(value, UnboundLocalError(text))

    def certain(self, value: Maybe, error: Exception) -> Any:
        """The value that a name or attribute has; the program fails where it has none."""
        defined = truth(self.trace, value.defined())
        if defined is False:
            raise error
        if isinstance(defined, Expr):
            self.trace.fail_unless(defined, error)
        return value.value

    # ---- expressions

    def truth(self, value: Any, /) -> bool:
        """Give the truth of a condition on which Python itself branches."""
        return bool(self.hooks.inputs.looked_at(value))

    def _known(self, value: Any) -> bool | Expr:
        return truth(self.trace, self.hooks.inputs.looked_at(value))

    def not_(self, value: Any, /) -> Any:
        """Evaluate `not value`."""
        found = self._known(value)
        if isinstance(found, bool):
            return not found
        return number(self.trace, found.apply("logical_not"), bool)

    def and_(self, first: Any, /, *others: Thunk) -> Any:
        """Evaluate `a and b and c`."""
        return self._chain(first, others, stop_at=False)

    def or_(self, first: Any, /, *others: Thunk) -> Any:
        """Evaluate `a or b or c`."""
        return self._chain(first, others, stop_at=True)

    def _chain(self, first: Any, others: Sequence[Thunk], *, stop_at: bool) -> Any:
        value = first
        for k, other in enumerate(others):
            found = self._known(value)
            if isinstance(found, bool):
                if found is stop_at:
                    return value
                value = other()
                continue
            rest = others[k + 1 :]

            def further(other: Thunk = other, rest: Sequence[Thunk] = rest) -> Any:
                return self._chain(other(), rest, stop_at=stop_at)

            def stay(value: Any = value) -> Any:
                return value

            return self._choose(found, stay if stop_at else further, further if stop_at else stay)
        return value

    def if_expression(self, test: Any, then: Thunk, orelse: Thunk, /) -> Any:
        """Evaluate `then if test else orelse`."""
        found = self._known(test)
        if isinstance(found, bool):
            return then() if found else orelse()
        return self._choose(found, then, orelse)

    def _choose(self, condition: Expr, then: Thunk, orelse: Thunk) -> Any:
        place = ResultPlace()
        places: dict[str, Any] = {"the expression": place, **cells_of(then, orelse)}

        def run(thunk: Thunk) -> Callable[[], None]:
            return lambda: place.set(thunk())

        self.branch(condition, [run(then), run(orelse)], places, list(places))
        return place.value

    def branch(
        self, condition: Expr, parts: Sequence[Thunk | None], places: dict[str, Place], live: Sequence[str]
    ) -> None:
        """Trace both parts, again where a list has to be a stack before."""
        undo = Undo(self.hooks, places)
        try:
            branch(self.hooks, condition, parts, places, live)
        except Again as wanted:
            self._restack(wanted, undo)
            self.branch(condition, parts, places, live)

    def compare_chain(self, symbols: Sequence[str], first: Any, /, *others: Thunk) -> Any:
        """Compare neighbours until one is false."""
        right = others[0]()
        value = self.hooks.compare(symbols[0], first, right)
        if len(others) == 1:
            return value

        def further() -> Any:
            return self.compare_chain(symbols[1:], right, *others[1:])

        return self._chain(value, [further], stop_at=False)

    def comprehension(
        self, source: Any, loop: Callable[..., Any], plain: Callable[..., Any], chooses: bool, /
    ) -> Any:
        """Evaluate a list comprehension: as a loop over a long range or array, or if it chooses."""
        source = self.hooks.gone_over(source)
        items = self._long(source)
        if items is None and not chooses:
            return plain(self._by_item(source))
        return unwrapped(loop(self._by_item(source) if items is None else items))

    def collection(self, source: Any, loop: Callable[..., Any], plain: Callable[..., Any], /) -> Any:
        """Evaluate a comprehension of a set or dict: as it stands if it is short and its keys are known."""
        source = self.hooks.gone_over(source)
        items = self._long(source)
        undo = Undo(self.hooks, {})
        if items is None or (
            isinstance(items, Items) and isinstance(items.length, int) and items.length <= UNROLLED_IF_NEEDED
        ):
            try:
                return plain(self._by_item(source))
            except UnsupportedError as error:
                if items is None or error.code != "E052":
                    raise
                undo.run()
        return unwrapped(loop(items))

    def _by_item(self, source: Any) -> Any:
        """What Python goes over: a list whose items lie in arrays item by item."""
        return as_sequence(self.trace, source) if is_listed(source) else source

    def _long(self, source: Any) -> Items | Generated | None:
        """What a loop goes over that is not unrolled."""
        if isinstance(source, Generated):
            return source if source.is_function else None
        items = as_sequence(self.trace, given(source))
        return (
            None if items is None or (isinstance(items.length, int) and items.length <= UNROLLED) else items
        )

    def reduction(
        self,
        fn: Any,
        source: Any,
        loop: Callable[..., Any],
        plain: Callable[..., Any],
        chooses: bool,
        /,
        *rest: Any,
    ) -> Any:
        """Evaluate `sum(... for ...)` and its kin: as a loop over a long range or array, or if it chooses."""
        source = self.hooks.gone_over(source)
        items = self._long(source)
        if fn not in (sum, any, all, min, max) or (items is None and not chooses):
            made = plain(self._by_item(source))
            return self.hooks.call(fn, [*made] if fn in (min, max) else made, *rest)
        items = self._by_item(source) if items is None else items
        found = unwrapped(loop(items, *(rest or (0,))) if fn is sum else loop(items))
        if fn in (min, max) and type(found) is Possible:
            empty = ValueError(f"{fn.__name__}() arg is an empty sequence")
            self.trace.fail_unless(as_expr(self.trace, found.present, BOOL), empty)
            return found.value
        return found

    # ---- statements

    def if_(
        self,
        test: Any,
        then: Thunk,
        orelse: Thunk | None,
        /,
        *,
        written: tuple[str, ...],
        live: tuple[str, ...],
    ) -> None:
        """Run one of two bodies, or trace both."""
        found = self._known(test)
        if isinstance(found, bool):
            if found:
                then()
            elif orelse is not None:
                orelse()
            return
        places, _, after = self._places((written, live, live), None, then, *((orelse,) if orelse else ()))
        self.branch(found, [then, orelse], places, after)

    def _places(
        self,
        names: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]],
        stop: Thunk | None,
        *bodies: Callable[..., Any],
    ) -> tuple[dict[str, Place], dict[str, Place], tuple[str, ...]]:
        """The places that a loop binds, those of them that it keeps, and the names that are read after it.

        In a generator, with those of the function that goes over it.
        """
        written, carried, live = names
        flags = _flag_names(stop)
        places = cells(sorted({*written, *flags}), *bodies, stop)
        consumer = consumer_in(*bodies)
        others, further = ({}, []) if consumer is None else consumer.inside()
        read = {*carried, *live, *flags}
        kept = {name: place for name, place in places.items() if name in read}
        kept.update((name, others[name]) for name in further)
        return {**places, **others}, kept, (*live, *further)

    def while_(
        self,
        test: Thunk,
        body: Thunk,
        stop: Thunk | None,
        /,
        *,
        written: tuple[str, ...],
        carried: tuple[str, ...],
        live: tuple[str, ...],
    ) -> None:
        """Trace a loop; one whose condition is known in each iteration and cannot be traced runs now."""
        places, kept, after = self._places((written, carried, live), stop, test, body)
        names = list(kept)
        first, undo = None, Undo(self.hooks, places)
        try:
            first = self._try_test(test)
            if first is False:
                self.truth(test())
                return
            while_node(self.hooks, test, body, stop, variables_of(self.hooks, kept, stop))
        except Again as wanted:
            self._restack(wanted, undo)
            self.while_(test, body, stop, written=written, carried=carried, live=live)
        except (DTypeError, UnsupportedError) as error:
            undo.run()
            rest = partial(self.while_, test, body, stop, written=written, carried=carried, live=live)
            loop = Iteration(lambda: self._known(test()), body, stop, rest, places, after)
            if self.peeling.peel(error, loop, undo.run):
                return
            if error.code not in _NEEDS_ITEMS or not isinstance(first, bool):
                raise
            self._run_while(test, body, stop, (places, names), error)

    def _restack(
        self, wanted: Again, undo: Undo, stacked: list[tuple[list[Any], list[Any]]] | None = None
    ) -> None:
        """Give a list a stack before a statement is traced again; raise where it is to be earlier.

        A list of numbers, or of rows of these, is noted in `stacked`, with its items.
        """
        undo.run()
        if self.hooks.journal.is_outer(wanted.owner):
            raise wanted
        held: Any = wanted.owner
        if stacked is not None and type(held) is list and is_of_numbers(held):
            stacked += contents_of(typing.cast("list[Any]", held))
        wanted.prepare(self.trace)

    def _try_test(self, test: Thunk) -> bool | None:
        """The truth of a loop's condition before it, if it is known."""
        with self.hooks.journal.undone():
            frame = self.trace.open(repeats=False)
            try:
                found = truth(self.trace, test())
            finally:
                self.trace.close(frame)
        return found if isinstance(found, bool) else None

    def _run_while(
        self, test: Thunk, body: Thunk, stop: Thunk | None, where: Where, error: WeftError, depth: int = 0
    ) -> None:
        for _ in range(UNROLLED_IF_NEEDED):
            found = self._known(test())
            if found is False:
                return
            if found is not True:
                raise error
            body()
            if stop is None:
                continue
            stopped = self._known(stop())
            if stopped is True:
                return
            if stopped is not False and depth == MOST_STOPS:
                raise error
            if stopped is not False:
                going = stopped.apply("logical_not")

                def rest() -> None:
                    self._run_while(test, body, stop, where, error, depth + 1)

                return self.branch(going, [rest, None], *where)
        raise error

    def for_(
        self,
        iterable: Any,
        body: Callable[[Any], Any],
        stop: Thunk | None,
        /,
        *,
        written: tuple[str, ...],
        carried: tuple[str, ...],
        live: tuple[str, ...],
    ) -> None:
        """Trace a loop over a range, an array or a generator; Python goes over other things."""
        iterable = self.hooks.gone_over(iterable)
        if isinstance(iterable, Generated):
            places, kept, _ = self._places((written, carried, live), stop, body)
            return self._generate(iterable, Consumer(body, stop, places, list(kept)))
        return self._for(iterable, body, stop, (written, carried, live), [])

    def _for(
        self,
        iterable: Any,
        body: Callable[[Any], Any],
        stop: Thunk | None,
        names_of: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]],
        stacked: list[tuple[list[Any], list[Any]]],
    ) -> None:
        """`stacked`: lists of numbers that became stacks for this loop, with the items that they had."""
        written, carried, live = names_of
        places, kept, after = self._places(names_of, stop, body)
        names = list(kept)
        items = as_sequence(self.trace, iterable)
        if items is None:
            return self._unroll(iter(self.hooks.iterate(iterable)), body, stop, (places, names))
        count = items.length
        if count == 0:  # what the body does need not fit
            return None
        if isinstance(count, int) and count <= UNROLLED and not _holds_loop(body):
            if self._copies * max(count, 1) <= MOST_COPIES:
                return self._unroll_small(count, iter(items), body, stop, (places, names))
        undo = Undo(self.hooks, places)
        try:
            counted = _counted(self.trace, items)
            for_node(self.hooks, counted, body, stop, variables_of(self.hooks, kept, stop))
        except Again as wanted:
            try:
                self._restack(wanted, undo, stacked)
            except UnsupportedError as error:
                return self._unroll_instead(error, items, body, stop, (places, names))
            self._for(items, body, stop, names_of, stacked)
        except (DTypeError, UnsupportedError) as error:
            undo.run()
            rest = partial(
                self.for_, items.after_first(), body, stop, written=written, carried=carried, live=live
            )
            loop = Iteration(first_of(items), lambda: body(items.at(0)), stop, rest, places, after)
            if not self.peeling.peel(error, loop, undo.run):
                for held, numbers in stacked:  # Python knows them again
                    held[:] = numbers
                self._unroll_instead(error, items, body, stop, (places, names))
        return None

    def _generate(self, items: Generated, consumer: Consumer) -> None:
        """Go over a generator: by its own statements, with the consumer's for each `yield`."""
        stepped, where = self.trace.assumptions.stepped, (consumer.places, consumer.kept)
        items.check()
        if not items.is_function:
            items.begun = True
            steps = _limited(items.iterator, stepped.get(items.place))
            self._unroll(steps, consumer.body, consumer.stop and partial(self._noted, items, consumer), where)
            return
        assert items.run is not None
        try:
            items.run(consumer)
        except (DTypeError, UnsupportedError) as error:
            if error.code not in _NEEDS_ITEMS:
                raise
            stepped[items.place] = error  # Python may know what the program does not
            raise Restart from None
        items.close()
        items.left = consumer.stopped

    def _noted(self, items: Generated, consumer: Consumer) -> Any:
        """Whether a loop over a generator that Python runs ends: the program may say so."""
        assert consumer.stop is not None
        found = consumer.stop()
        items.left |= not isinstance(self._known(found), bool)
        return found

    def consume(self, consumer: Consumer, value: Any, /) -> Any:
        """Run the body of the loop over a generator with what it yields; whether the loop ends."""
        consumer.body(value)
        if consumer.stop is None:
            return False
        found = consumer.stop()
        consumer.stopped |= self._known(found) is not False
        return found

    def _unroll_instead(
        self,
        error: WeftError,
        items: Items,
        body: Callable[[Any], Any],
        stop: Thunk | None,
        where: Where,
    ) -> None:
        """Let Python go over a loop that cannot be one of the program, if it is short."""
        if self.trace.changes(items.length):
            raise error
        now = self.trace.assumptions.now(items.length)
        if now > (UNROLLED_IF_NEEDED if error.code in _NEEDS_ITEMS else UNROLLED):
            raise error
        self.trace.log.append(f"a loop of {now} iterations is unrolled: {error.sentence}")
        self._unroll(iter(items), body, stop, where)

    def _unroll_small(
        self,
        count: int,
        items: Iterator[Any],
        body: Callable[[Any], Any],
        stop: Thunk | None,
        where: Where,
    ) -> None:
        before, self._copies = self._copies, self._copies * max(count, 1)
        try:
            self._unroll(items, body, stop, where)
        finally:
            self._copies = before

    def _unroll(
        self, items: Iterator[Any], body: Callable[[Any], Any], stop: Thunk | None, where: Where
    ) -> None:
        for item in items:
            body(item)
            if stop is None:
                continue
            stopped = self._known(stop())
            if stopped is True:
                return
            if stopped is not False:
                going, (rest,) = stopped.apply("logical_not"), tee(items, 1)  # that may be traced again
                further = partial(self._further, rest, body, stop, where)
                return self.branch(going, [further, None], *where)

    def _further(self, items: Any, body: Callable[[Any], Any], stop: Thunk, where: Where) -> None:
        self._unroll(copy(items), body, stop, where)

    def assert_(self, test: Any, message: Thunk | None, /) -> None:
        """Do `assert test, message`."""
        found = self._known(test)
        if found is True:
            return
        arguments = () if message is None else (message(),)
        exception = AssertionError(*arguments)
        if found is False:
            if len(self.trace.frames) > 1 or is_made_later(exception):
                raise Raised(exception, self.trace.location())
            raise exception
        fail_unless(self.trace, found, exception)

    def tries(self) -> None:
        """Note that a handler may want what the program raises."""
        self.trace.tries = True

    def raise_(self, exception: Any, /) -> Any:
        """Give the exception that Python raises, or end the path that is being traced."""
        if len(self.trace.frames) == 1 and not self._comes_later(exception):
            return exception
        made = exception() if isinstance(exception, type) else exception
        raise Raised(made, self.trace.location())

    def _comes_later(self, exception: Any) -> bool:
        """Whether an exception on all paths is the program's: it holds values, or something comes before."""
        if not isinstance(exception, type) and is_made_later(exception):
            return True
        return any(map(has_effect, self.trace.region.ops)) and not is_caught()


def cells_of(*bodies: Any) -> dict[str, Place]:
    """The places of names that thunks bind (by walrus)."""
    names = {
        name
        for body in bodies
        if hasattr(body, "__code__") and body.__code__.co_name.startswith("__weft_thunk")
        for name in body.__code__.co_freevars
    }
    return cells(sorted(n for n in names if not n.startswith("__weft__")), *bodies)


def _flag_names(stop: Thunk | None) -> tuple[str, ...]:
    function: Any = stop  # typed so, checkers take it for a function
    names: tuple[str, ...] = () if stop is None else function.__code__.co_freevars
    return tuple(n for n in names if n.startswith(("__weft_break_", "__weft_returned__")))


def _limited(items: Iterator[Any], error: WeftError | None) -> Iterator[Any]:
    """What a generator gives that Python runs; raises `error`, if there is one, where it is too much."""
    for passed, item in enumerate(items):
        if error is not None and passed == UNROLLED_IF_NEEDED:
            raise error
        yield item


def _counted(trace: Any, items: Items) -> Counted:
    if isinstance(items, Range):
        return Counted(items.start, items.stop, items.step, lambda index: size_number(trace, index))
    return Counted(0, items.length, 1, items.at)


def _holds_loop(body: Callable[..., Any]) -> bool:
    """Whether there is a loop in the statements of a body, by the hooks that its code names."""
    code = getattr(body, "__code__", None)
    return code is not None and any({"for_", "while_"} & set(one.co_names) for one in all_code(code))
