"""`weft.name` and `f.run`: execute the part of a function that named values need, feeding others by name.

A run traces the function anew, for its names: a fed value takes the place of the one that was named, the
result is what was fetched, writes and effects are undone, and what nothing needs is left out. Not here: the
methods of compiled functions (`compiled.py`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from weft.compiler.frontend.arguments import is_node, map_tree
from weft.compiler.frontend.number import TracedNumber, as_expr
from weft.compiler.frontend.values import TracedArray, TracedScalar, elements, new_array
from weft.ir import ShapeError, UserError, Value
from weft.ir.types import F64
from weft.ir.walk import free_values

_SESSIONS: list[Session] = []


class Session:
    """One trace of a run: what is fed, and what was named so far."""

    def __init__(self, feed: Mapping[str, Any], fetch: Iterable[str]) -> None:
        self.feed, self.fetch = feed, set(fetch)
        self.found: dict[str, Any] = {}
        self.met: set[str] = set()


class Name:
    """`weft.name(value, "logits")`: the same value, which `f.run` can fetch and feed by this name."""

    __name__ = "name"

    def __call__(self, value: Any, name: str) -> Any:
        """Outside of a compiled function names mean nothing."""
        _checked(name)
        return value

    def trace_call(
        self,
        trace: Any,
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        effects: Any,
    ) -> Any:
        """Trace a call."""
        value, name = inspect.signature(self.__call__).bind(*args, **kwargs).args
        name = _checked(name)
        session = _SESSIONS[-1] if _SESSIONS else None
        if session is None:
            return value
        session.met.add(name)
        if name in session.feed:
            value = _fitting(trace, session.feed[name], value, name)
        if name in session.fetch:
            session.found[name] = _settled(trace, value)
        return value


name = Name()


class Run:
    """A function of what is fed, and of a function's arguments, that gives what is fetched."""

    def __init__(self, fn: Callable[..., Any], fetch: Any, feed: Sequence[str]) -> None:
        self.fn, self.fetch, self.names = fn, fetch, tuple(feed)
        self.__name__ = f"run_{getattr(fn, '__name__', 'function')}"
        self.__signature__ = inspect.signature(self.__call__)

    def __call__(self, feed: Any, args: Any, kwargs: Any) -> Any:
        """Only compiled."""
        raise UserError(
            "f.run is not available with WEFT_DISABLE or in weft.disabled()", fix="enable Weft for it"
        )

    def trace_call(
        self, trace: Any, call: Callable[..., Any], args: Sequence[Any], kwargs: Any, effects: list[Any]
    ) -> Any:
        """Trace the function, keep what is fetched."""
        feed, given, named = args
        wanted: list[str] = []
        map_tree(wanted.append, self.fetch)
        session = Session(feed, wanted)
        start = len(trace.region.ops)
        _SESSIONS.append(session)
        try:
            call(self.fn, *given, **named)
        finally:
            _SESSIONS.pop()
        for one in (*wanted, *feed):
            if one not in session.met:
                known = ", ".join(sorted(session.met)) or "none"
                raise UserError(f"no value has the name {one!r}; names: {known}", code="E002",
                                fix='name one in the function, as in x = weft.name(x, "x")')  # fmt: skip
        found = map_tree(lambda one: session.found[one], self.fetch)
        effects.clear()
        trace.forget_writes()
        _prune(trace, start, found)
        return found


def run(
    compiled: Any, args: Sequence[Any], kwargs: Mapping[str, Any], fetch: Any, feed: Mapping[str, Any]
) -> Any:
    """`f.run`: see `weft.calls.compiled`; one compiled function for each structure of names."""
    from weft.api import compile

    key = (repr(fetch), tuple(sorted(feed)))
    known: dict[Any, Any] = compiled.runs
    if key not in known:
        known[key] = compile(Run(compiled.fn, fetch, sorted(feed)))
    return known[key](dict(feed), tuple(args), dict(kwargs))


def _checked(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise UserError(
            f"a name is a text, not {name!r}", code="E002", fix='write weft.name(value, "logits")'
        )
    return name


def _fitting(trace: Any, fed: Any, value: Any, name: str) -> Any:
    """The fed value, if it has the type of the one that it replaces."""
    if is_node(value):
        raise UserError(
            f"{name!r} names a {type(value).__name__}", code="E002", fix="name each of its arrays"
        )
    old, new = elements(trace, value), elements(trace, fed)
    if str(old.type) != str(new.type):
        raise ShapeError(
            f"{name!r} is {old.type}, what is fed is {new.type}", fix="feed an array of this type"
        )
    if isinstance(value, TracedArray):
        return new_array(trace, new)
    return TracedScalar(trace, new.value)


def _settled(trace: Any, value: Any) -> Any:
    """A value as a result: what a name stands for now, whatever is written into it later."""
    if isinstance(value, TracedArray):
        return new_array(trace, elements(trace, value))
    return value


def _prune(trace: Any, start: int, found: Any) -> None:
    """Leave out the ops since `start` that the fetched values do not need, those with effects too."""
    needed: set[Value] = set()

    def need(value: Any) -> Any:
        if isinstance(value, TracedNumber):
            needed.add(
                as_expr(trace, value, F64).value if value.type is float else elements(trace, value).value
            )
        elif isinstance(value, TracedArray | TracedScalar):
            needed.add(elements(trace, value).value)
        return value

    map_tree(need, found)
    kept: list[Any] = []
    for op in reversed(trace.region.ops[start:]):
        if any(v in needed for v in op.results) or op.name == "to_index":
            kept.append(op)
            needed.update(op.operands)
            needed.update(v for region in op.regions for v in free_values(region))
    trace.region.ops[start:] = kept[::-1]
