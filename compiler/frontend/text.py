"""Texts of traced values, prints, and exceptions whose arguments are known only when the program runs.

A `TracedText` remembers what it is made of; the program makes it where it prints it, raises it, gives it to a
callback or returns it. All else that asks for the characters is refused. Not here: how Python is called
(`callback.py`), which syntax makes texts (`tracing.py`).
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from weft.compiler.frontend.arguments import children, is_node, map_tree, rebuild
from weft.compiler.frontend.callback import call_python
from weft.compiler.frontend.control.joins import is_listed
from weft.compiler.frontend.number import TracedNumber, forced
from weft.compiler.frontend.plain import CONVERSIONS
from weft.compiler.frontend.source import UserValue
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, Forwarded, TracedArray, new_array
from weft.ir.builder import Builder
from weft.ir.expr import Expr
from weft.ir.node import Region
from weft.ir.source import Location
from weft.ir.types import BOOL

_type: Callable[[Any], Any] = type  # typed so: of a value of any type
METHODS = frozenset(
    "format join replace ljust rjust center zfill strip lstrip rstrip upper lower title capitalize "
    "swapcase".split()
)
"""Methods of str that give a text of their arguments."""
ASKING = {
    **dict.fromkeys(("find", "rfind", "index", "rindex", "count"), "int"),
    **dict.fromkeys("startswith endswith isdigit isalpha isalnum isupper islower isspace".split(), "bool"),
}
"""Methods of str that give a number."""


class TracedText:
    """A str that the program makes: `make(*parts)`."""

    __slots__ = ("make", "parts", "trace")
    run_time_text = True

    def __init__(self, trace: Trace, make: Callable[..., str], parts: Sequence[Any]) -> None:
        self.trace, self.make, self.parts = trace, make, [_now(trace, part) for part in parts]

    def __repr__(self) -> str:
        return "<traced str>"

    # fmt: off
    def __add__(self, other: Any) -> Any: return TracedText(self.trace, operator.add, (self, other))
    def __radd__(self, other: Any) -> Any: return TracedText(self.trace, operator.add, (other, self))
    def __mul__(self, count: Any) -> Any: return TracedText(self.trace, operator.mul, (self, count))
    def __rmul__(self, count: Any) -> Any: return TracedText(self.trace, operator.mul, (self, count))
    def __mod__(self, values: Any) -> Any: return TracedText(self.trace, operator.mod, (self, values))
    # fmt: on

    def __getattr__(self, name: str) -> Any:
        if name in METHODS or name in ASKING:
            return partial(method, self.trace, self, name)
        if name.startswith("__") or not hasattr(str, name):
            raise AttributeError(f"'str' object has no attribute {name!r}")
        return self._forced()

    def __getitem__(self, key: Any) -> Any:
        return TracedText(self.trace, operator.getitem, (self, key))

    # fmt: off
    def __eq__(self, other: Any) -> Any: return _chosen().equal_texts(self, other)
    def __ne__(self, other: Any) -> Any: return _chosen().differing_texts(self, other)
    def __lt__(self, other: Any) -> Any: return self.asked(operator.lt, "bool", other)
    def __le__(self, other: Any) -> Any: return self.asked(operator.le, "bool", other)
    def __gt__(self, other: Any) -> Any: return self.asked(operator.gt, "bool", other)
    def __ge__(self, other: Any) -> Any: return self.asked(operator.ge, "bool", other)
    # fmt: on

    def asked(self, function: Callable[..., Any], kind: str, *parts: Any) -> Any:
        """What a function gives of the text when the program runs: a Python number."""
        if not _chosen().is_text(self):
            self._forced()
        return _chosen().asked(self.trace, function, kind, self, *parts)

    def _forced(self, *_: Any) -> Any:
        raise forced(self.trace, "the text of a traced value", "characters that tracing depends on")

    __str__ = __format__ = __hash__ = _forced
    __len__ = __bool__ = __iter__ = __contains__ = __index__ = __int__ = __float__ = _forced


def _chosen() -> Any:
    from weft.compiler.frontend import chosen  # which imports this module

    return chosen


def _now(trace: Trace, value: UserValue) -> Any:
    """What a value is at this time: arrays may be written later."""
    if isinstance(value, Forwarded):
        value = value.elements
    if _type(value) is TracedArray:
        return new_array(trace, value.expr)
    if is_listed(value):
        from weft.compiler.frontend.control.listed import copied  # which imports this module

        return copied(trace, value)
    if is_node(value) and at_run_time(value):
        return rebuild(value, [_now(trace, item) for _, item in children(value)])
    return value


def at_run_time(value: UserValue) -> bool:
    """Whether a value, or one in it, is known only when the program runs."""
    if is_listed(value):
        return True
    if is_node(value):
        return any(at_run_time(item) for _, item in children(value))
    return _type(value) in TRACED or isinstance(value, Forwarded | TracedText)


def with_known_sizes(trace: Trace, value: UserValue) -> Any:
    """The value with sizes pinned to what they are now, but for those that the program computes."""

    def pinned(leaf: Any) -> Any:
        is_size = _type(leaf) is TracedNumber and leaf.dim is not None and not trace.changes(leaf.dim)
        return leaf.__index__() if is_size else leaf

    return value if is_listed(value) or not at_run_time(value) else map_tree(pinned, value)


def text(trace: Trace, make: Callable[..., str], *parts: UserValue) -> Any:
    """`make(*parts)`, now if all is known; sizes are pinned then, as they are names more often than not."""
    known = [with_known_sizes(trace, part) for part in parts]
    return TracedText(trace, make, parts) if any(map(at_run_time, known)) else make(*known)


def formatted(trace: Trace, value: UserValue, conversion: str, specification: Any) -> Any:
    """One value of an f-string."""
    return text(trace, _formatted, value, conversion, specification)


def _formatted(value: UserValue, conversion: str, specification: str) -> str:
    return format(CONVERSIONS[conversion](value), specification)


def method(trace: Trace, owner: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    """`owner.name(*args, **kwargs)`, a method that gives a text, or a number."""
    if name in ASKING and any(map(at_run_time, (owner, *args))):
        return _chosen().asked(trace, _method, ASKING[name], name, owner, args, kwargs)
    if name in ASKING:
        return _method(name, owner, args, kwargs)
    return text(trace, _method, name, owner, args, kwargs)


def _method(name: str, owner: str, args: Any, kwargs: Any) -> str:
    return getattr(owner, name)(*args, **kwargs)


def joined(trace: Trace, *parts: Any) -> Any:
    """An f-string of its parts."""
    return text(trace, _joined, *parts)


def _joined(*parts: str) -> str:
    return "".join(parts)


def percent(trace: Trace, left: Any, right: UserValue) -> Any:
    """`"..." % right`."""
    return text(trace, operator.mod, left, right)


def print_later(
    trace: Trace,
    *values: UserValue,
    sep: Any = " ",
    end: Any = "\n",
    file: Any = None,
    flush: Any = False,
) -> None:
    """`print` when the program runs."""
    streams = [name for name in ("stdout", "stderr") if file is getattr(sys, name)]
    named = streams[0] if streams and file is not None else ""
    call_python(trace, _print, ([*values], sep, end, None if named else file, flush, named), name="print")


def _print(values: Sequence[Any], sep: Any, end: Any, file: Any, flush: Any, named: str) -> None:
    print(*values, sep=sep, end=end, file=getattr(sys, named) if named else file, flush=flush)


def fail_unless(
    trace: Trace, condition: Expr, exception: BaseException, location: Location | None = None
) -> None:
    """Raise the user's exception, its arguments as they are then, where the condition does not hold.

    `location` is the line of the `raise`, if it is not the present one.
    """
    if not is_made_later(exception):
        trace.fail_unless(condition, exception)
        check = trace.region.ops[-1]
        check.locations = check.locations if location is None else (location,)
        return
    frame = trace.open(repeats=False)
    given = (type(exception), list(exception.args), dict(vars(exception)))
    call_python(trace, _raise, given, name="raise", location=location)
    trace.close(frame)
    regions = [Region(), frame.region]
    for region in regions:
        Builder(region).emit("yield", [])
    trace.emit_op("if", [condition.value], {}, regions)


def fail(trace: Trace, exception: BaseException, location: Location | None) -> None:
    """Raise the user's exception when the program comes here."""
    fail_unless(trace, trace.constant(0, BOOL), exception, location)


def is_made_later(exception: BaseException) -> bool:
    """Whether an exception holds values of the program."""
    return at_run_time([*exception.args, *vars(exception).values()])


def _raise(kind: type[BaseException], args: Sequence[Any], attributes: dict[str, Any]) -> None:
    error = kind.__new__(kind, *args)
    error.args = tuple(args)
    vars(error).update(attributes)
    raise error
