"""The hooks that make generators while a function is traced, and what loops go over in place of iterators.

Not here: generators themselves (`generated.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import CodeType, FunctionType
from typing import Any, cast

from weft.compiler.frontend.consuming import CONSUMER
from weft.compiler.frontend.control.generated import Consumer, Generated, outside_refused
from weft.compiler.frontend.control.iterating import Stepping, first_item, remaining, stepwise
from weft.compiler.frontend.control.places import Journal
from weft.compiler.frontend.control.statements import Raised
from weft.compiler.frontend.hooks import Hooks
from weft.compiler.frontend.rewrite import rewrite, rewrite_consuming
from weft.compiler.frontend.special_methods import method_of
from weft.compiler.frontend.trace import Trace


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

    def gone_over(self, value: Any) -> Any:
        """What a loop or builtin goes over in place of an iterator, or of an object with an `__iter__`."""
        if isinstance(value, Stepping):
            made = self.trace.run(remaining, value, _Check(self.trace))
            made.iterator = self.trace.run(stepwise, value).iterator
            return made
        method = method_of(value, "iter")
        if method is None or hasattr(value, "keys"):
            return value
        made = self.hooks.call(method, value)
        return _by_next(self.hooks, self.trace, value) if made is value else self.gone_over(made)

    def call_next(self, fn: Any, items: Any, /, *default: Any) -> Any:
        """The first item of a generator that nothing else holds, by a loop; else as any call."""
        if fn is next and isinstance(items, Generated) and items.is_function and len(default) <= 1:
            return self.trace.run(first_item, items, default)
        return self.hooks.call(fn, items, *default)

    def next_of(self, items: Any, *default: Any) -> Any:
        """`next(items, *default)` of an object of the user's."""
        item = _next_of(self.hooks, self.trace, items)
        if item is not _END:
            return item
        if default:
            return default[0]
        raise StopIteration

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
        place = code.co_filename, code.co_firstlineno, str(self.trace.location())
        return Generated(self.trace, self.journal, name, place, iterator, run)

    def inside(self, function: FunctionType) -> AbstractContextManager[None]:
        """Note a call of a function, until it ends."""
        raise NotImplementedError


class _Check:
    """Raises where an iterator moves within a loop over it."""

    takes_traced = True

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def __call__(self, position: Any, expected: Any) -> None:
        if position is not expected:
            raise self.trace.refuse(
                "an iterator is gone on with inside of a loop over it", "count positions: `x[k]`", "E055"
            )


_type: Any = type  # typed so: of a value of any type
_END = object()


def _by_next(hooks: Hooks, trace: Trace, value: Any) -> Iterator[Any]:
    """The items of an object that is its own iterator; its method is traced for each."""
    while True:
        item = _next_of(hooks, trace, value)
        if item is _END:
            return
        yield item


def _next_of(hooks: Hooks, trace: Trace, value: Any) -> Any:
    raised = len(trace.raises)
    try:
        item = hooks.call(_type(value).__next__, value)
    except StopIteration:
        return _END
    except Raised as error:  # what it raises where a statement is traced
        if isinstance(error.exception, StopIteration):
            return _END
        raise
    if any(isinstance(one, StopIteration) for one in trace.raises[raised:]):
        fix = "write a generator in place of `__next__`"
        raise trace.refuse("whether an iterator ends is known only when the program runs", fix, "E055")
    return item


def _lazily(plain: Callable[[Any], Any], source: Any) -> Generator[Any, Any, None]:
    yield from plain(source)
