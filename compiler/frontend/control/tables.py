"""Dicts and sets whose keys only the program knows: what stands for them while a function is traced.

A dict, or a `TracedSet`, is Python's own as long as its keys are known. The first change by a key that the
program computes makes it a `Table` of lists, which the same object then holds, so that all who hold it see
it. Lists grow in loops, and are joined, as any list of the user's. Not here: the operations (`keyed.py`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, cast

from weft.compiler.frontend.trace import Trace


class Table(NamedTuple):
    """The lists of a dict or set; `values` is None for a set, `of_ints` says whether keys have buckets."""

    keys: list[Any]
    links: list[Any]
    heads: list[Any]
    values: list[Any] | None
    of_ints: bool

    __hash__ = object.__hash__
    __eq__ = object.__eq__


class Held:
    """The only key of a dict that is a table."""

    def __repr__(self) -> str:
        return "<keys that the program computes>"


HELD = Held()
_DICTS: Any = dict  # typed so, what is tested stays a value of any type


class TracedSet(set[Any]):
    """A set made in a traced function; `table` holds its items once the program computes them."""

    table: Table | None = None
    trace: Trace

    def copy(self) -> TracedSet:
        """What a journal keeps."""
        made = TracedSet(set[Any].copy(self))
        made.trace, made.table = self.trace, self.table
        return made

    def _refused(self, *_: Any) -> Any:
        fix = "go over `sorted(s)`, or use an array of flags: `seen = np.zeros(n, bool)`"
        raise self.trace.refuse("a set of items that the program computes is taken apart", fix, "E055")


def _guarded(name: str) -> Callable[..., Any]:
    plain = getattr(set, name)

    def method(self: TracedSet, *args: Any) -> Any:
        if self.table is not None or any(table_of(one) is not None for one in args):
            self._refused()  # pyright: ignore[reportPrivateUsage] -- it is one of its methods
        return plain(self, *args)

    return method


for _name in (
    "__or__ __and__ __sub__ __xor__ __ror__ __rand__ __rsub__ __rxor__ __ior__ __iand__ __isub__ __ixor__ "
    "__lt__ __le__ __gt__ __ge__ __eq__ __ne__ __len__ __iter__ __contains__ union intersection difference "
    "issubset issuperset isdisjoint symmetric_difference"
).split():
    setattr(TracedSet, _name, _guarded(_name))


_OPAQUE: Any = (TracedSet, Counter, defaultdict)


class Items:
    """`d.items()`: what the dict holds when one goes over it."""

    def __init__(self, table: Table) -> None:
        self.table = table


def table_of(value: Any) -> Table | None:
    """The table of a dict or set; None for all else."""
    if isinstance(value, _DICTS):
        return dict[Any, Any].get(value, HELD)
    return value.table if type(value) is TracedSet else None


_NONE: Any = {}
_VIEWS: Any = (type(_NONE.keys()), type(_NONE.values()), type(_NONE.items()))


def seen_now(value: Any) -> Any:
    """What a view of a dict, made while its keys were known, shows now that it is a table."""
    if not isinstance(value, _VIEWS) or HELD not in value.mapping:
        return value
    table = value.mapping[HELD]
    if isinstance(value, _VIEWS[2]):
        return Items(table)
    return table.keys if isinstance(value, _VIEWS[0]) else table.values


def keys_of(value: Any) -> Any:
    """What a loop goes over: the keys of a dict that is a table, others as they are."""
    value = seen_now(value)
    table = table_of(value)
    if table is None:
        return value
    if type(value) is TracedSet:
        value._refused()  # pyright: ignore[reportPrivateUsage] -- the message is its own
    return table.keys


def unordered_keys(value: Any) -> Any:
    """The keys of a dict or set, where their order does not matter."""
    value = seen_now(value)
    table = table_of(value)
    return value if table is None else table.keys


def refuse_table(trace: Trace, value: Any, what: str) -> None:
    """Raise UnsupportedError for a dict or set that is a table, where only Python's own can be used."""
    if table_of(value) is not None:
        fix = "make lists of its keys and values: `list(d.items())`"
        raise trace.refuse(f"{what} of a dict or set whose keys the program computes", fix, "E055")


def is_opaque(value: Any) -> bool:
    """Whether it is a set made here, a Counter or a defaultdict, which are not looked into as dicts are."""
    return isinstance(value, _OPAQUE)


def known_parts(value: Any) -> tuple[Any, ...]:
    """What `dict_maker` takes of a set, Counter or defaultdict whose keys are known."""
    return (tuple(value),) if isinstance(value, TracedSet) else (list(value), list(value.values()))


def held_in(value: Any) -> Any:
    """What a set, Counter or defaultdict holds, as a container that is looked into; others as they are."""
    if not is_opaque(value):
        return value
    table = table_of(value)
    if table is not None:
        return table
    return value if isinstance(value, TracedSet) else tuple(value.values())


def dict_maker(owner: Any) -> Callable[..., Any]:
    """What makes a dict or set of this kind of lists of keys and values, when the program has run."""
    if isinstance(owner, defaultdict):
        return partial(_with_defaults, cast(Any, owner).default_factory)
    if isinstance(owner, Counter):
        return _counter
    return _dict if isinstance(owner, dict) else _set


def _with_defaults(factory: Any, keys: Any, values: Any) -> Any:
    return defaultdict(factory, zip(keys, values, strict=True))


def _counter(keys: Any, values: Any) -> Any:
    return Counter(dict(zip(keys, values, strict=True)))


def _set(keys: Any) -> Any:
    return set(keys)


def _dict(keys: Any, values: Any) -> Any:
    return dict(zip(keys, values, strict=True))
