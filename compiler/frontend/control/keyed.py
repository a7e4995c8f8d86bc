"""What changes and asks dicts and sets by keys that the program computes.

Not here: what they hold (`tables.py`), what is done to their lists (`hashing.py`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from weft.compiler.frontend.chosen import is_text
from weft.compiler.frontend.control import hashing
from weft.compiler.frontend.control.joins import Conflict, Number, Scalar, Slot, Tree, is_listed
from weft.compiler.frontend.control.listed import item_of
from weft.compiler.frontend.control.lists import Stack, empty, stacked
from weft.compiler.frontend.control.places import Mark
from weft.compiler.frontend.control.settling import Again, is_of_numbers, item_slot, settled
from weft.compiler.frontend.control.tables import (
    HELD,
    Items,
    Table,
    TracedSet,
    refuse_table,
    table_of,
    unordered_keys,
)
from weft.compiler.frontend.number import TracedNumber, as_dim, as_expr
from weft.compiler.frontend.text import TracedText
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, TracedArray, TracedScalar, new_array
from weft.ir.types import BOOL

# ---------------------------------------------------------------- becoming a table


class Tabulate(Again):
    """A statement needs a dict or set as a table from before it."""

    def __init__(self, owner: Any, slot: Slot, values: Slot | None) -> None:
        super().__init__(owner)
        self.slot, self.values = slot, values

    def prepare(self, trace: Trace) -> None:
        """Make it one."""
        if table_of(self.owner) is None:
            _tabulate(trace, self.owner, self.slot, self.values)


def is_computed(trace: Trace, key: Any) -> bool:
    """Whether the program computes a key, or a part of it."""
    if type(key) is tuple:
        return any(is_computed(trace, part) for part in cast("tuple[Any, ...]", key))
    if isinstance(key, TracedText):
        return is_text(key)
    return type(key) in TRACED and (as_dim(key) is None or trace.changes(as_dim(key) or 0))


def table_for(trace: Trace, owner: Any, key: Any, value: Any = None) -> Table | None:
    """The table of a dict or set that changes by a key; None if Python can do it."""
    found = table_of(owner)
    if found is not None:
        return found
    if not (isinstance(owner, dict) or type(owner) is TracedSet) or not is_computed(trace, key):
        return None
    slot = _slot(trace, [*cast("Iterable[Any]", owner), key])
    values = None
    if isinstance(owner, dict):
        values = _slot(trace, [*cast("dict[Any, Any]", owner).values(), value])
    return _make_table(trace, owner, slot, values)


def _make_table(trace: Trace, owner: Any, slot: Slot, values: Slot | None) -> Table:
    if trace.is_outer(owner):
        raise Tabulate(owner, slot, values)
    return _tabulate(trace, owner, slot, values)


def tabulate_grown(mark: Mark, contents: Sequence[Mapping[int, Any]]) -> None:
    """Have a dict or set that gets keys on some paths as a table, if its keys and values are numbers."""
    for key, (owner, before) in mark.saved.items():
        if not (type(owner) is TracedSet or isinstance(owner, dict)) or table_of(owner) is not None:
            continue
        held = [before, *(one[key] for one in contents if key in one)]
        keys = [item for one in held for item in one]
        if len(set(keys)) == len(before):
            continue
        values = [item for one in held for item in one.values()] if isinstance(owner, dict) else None
        try:
            slots = [None if items is None else item_slot(items) for items in (keys, values)]
        except Conflict:
            continue
        if slots[0] is not None and all(slot is None or is_of_numbers(slot) for slot in slots):
            raise Tabulate(owner, slots[0], slots[1])


def _slot(trace: Trace, items: list[Any]) -> Slot:
    try:
        slot = item_slot(items)
    except Conflict as conflict:
        fix = "give all keys, and all values, one type"
        text = f"keys or values of a dict that the program computes differ: {conflict}"
        raise trace.refuse(text, fix, "E055") from None
    if not is_of_numbers(slot):
        fix = "use numbers or tuples of numbers"
        raise trace.refuse("a dict or set by computed keys holds other things than numbers", fix, "E055")
    return slot


def _typed(trace: Trace, slot: Slot, items: Iterable[Any] = ()) -> list[Any]:
    """A list of items of a type, which may be none yet."""
    parts = [new_array(trace, trace.expr(empty(trace, ty))) for ty in stacked(slot, 0)]
    return [Stack(trace, slot, parts, 0, 0), *items]


def _tabulate(trace: Trace, owner: Any, slot: Slot, values: Slot | None) -> Table:
    trace.note(owner)
    held: Any = owner
    before = [*held.items()] if isinstance(owner, dict) else [(key, None) for key in held]
    table = _empty(trace, slot, values)
    held.clear()
    if isinstance(owner, dict):
        held[HELD] = table
    else:
        held.table = table
    for key, value in before:
        _put(trace, table, key, value)
    return table


def _empty(trace: Trace, slot: Slot, values: Slot | None) -> Table:
    heads: list[Any] = [-1] * hashing.BUCKETS
    settled(trace, heads)
    kept = None if values is None else _typed(trace, values)
    return Table(_typed(trace, slot), _typed(trace, Number(int)), heads, kept, _is_of_ints(slot))


def _is_of_ints(slot: Slot) -> bool:
    match slot:
        case Number(kind):
            return kind is int
        case Scalar(dtype):
            return dtype.kind in "iu"
        case Tree(_, items):
            return all(map(_is_of_ints, items))
        case _:
            return False


def bucket(table: Table, key: Any) -> Any:
    """The bucket of a key: of ints their last bits, of others the first."""
    if not table.of_ints:
        return 0
    if isinstance(key, tuple):
        found: Any = 0
        for part in cast("tuple[Any, ...]", key):
            found = found * 37 + _bits(part)
        return found & (hashing.BUCKETS - 1)
    return _bits(key)


bucket.takes_traced = True  # pyright: ignore[reportFunctionMemberAccess] -- what marks a function of ours


def _bits(key: Any) -> Any:
    is_int = (type(key) is TracedNumber and key.type is int) or (
        type(key) is TracedScalar and key.dtype.kind in "iu"
    )
    if not is_int and (isinstance(key, bool) or not isinstance(key, int | np.integer)):
        raise TypeError("a key of another kind than those of the dict or set")
    return key & (hashing.BUCKETS - 1)


# ---------------------------------------------------------------- operations


def _put(trace: Trace, table: Table, key: Any, value: Any) -> None:
    if table.values is None:
        trace.run(hashing.include, table, _at(trace, table, key), key)
    else:
        trace.run(hashing.store, table, _at(trace, table, key), key, value)


def _at(trace: Trace, table: Table, key: Any) -> Any:
    try:
        return bucket(table, key)
    except TypeError as error:
        raise trace.refuse(str(error), "convert it, for example with int(...)", "E055") from None


def item_of_table(trace: Trace, owner: Any, table: Table, key: Any) -> Any:
    """`owner[key]`."""
    at = _at(trace, table, key)
    if isinstance(owner, Counter):
        return trace.run(hashing.take_or, table, at, key, 0)
    factory = cast(Any, owner).default_factory if isinstance(owner, defaultdict) else None
    if factory is None:
        return trace.run(hashing.take, table, at, key)
    return trace.run(hashing.take_or_store, table, at, key, trace.enter(factory))


def missing_item(trace: Trace, owner: Any, key: Any) -> Table | None:
    """The table that a dict with defaults becomes where a key that the program computes is asked for."""
    if not isinstance(owner, Counter | defaultdict) or not is_computed(trace, key):
        return None
    factory = cast(Any, owner).default_factory if isinstance(owner, defaultdict) else int
    return None if factory is None else table_for(trace, owner, key, trace.enter(factory))


def set_item_of_table(trace: Trace, table: Table, key: Any, value: Any) -> None:
    """`owner[key] = value`."""
    _put(trace, table, key, value)


def is_in_table(trace: Trace, table: Table, key: Any) -> Any:
    """`key in owner`."""
    return trace.run(hashing.contains_key, table, _at(trace, table, key), key)


def delete_from(trace: Trace, table: Table, key: Any) -> Any:
    """Take a key out; gives whether it was there."""
    return trace.run(hashing.drop, table, bucket, key)


_ASKING = frozenset({"get", "pop", "discard", "remove"})


def needs_table(trace: Trace, owner: Any, name: str, args: tuple[Any, ...]) -> bool:
    """Whether a method of a dict or set is one of a table, which it is made if it must be."""
    if table_of(owner) is not None:
        return True
    if name == "add" or (name == "setdefault" and len(args) == 2):
        return table_for(trace, owner, *args) is not None
    if name == "update" and len(args) == 1:
        return _table_for_all(trace, owner, args[0])
    if name not in _ASKING or not args or not is_computed(trace, args[0]):
        return False
    if len(owner) == 0:
        return True
    value: Any = next(iter(cast("dict[Any, Any]", owner).values())) if isinstance(owner, dict) else None
    return table_for(trace, owner, args[0], value) is not None


def _slot_of_items(trace: Trace, items: Any) -> Slot | None:
    """The slot of what the program computes; None for what is known."""
    if isinstance(items, TracedArray):
        return Scalar(items.element) if len(items.view.shape) == 1 else None
    if is_listed(items) or (type(items) in (list, tuple) and any(is_computed(trace, one) for one in items)):
        return _slot(trace, items)
    return None


def _table_for_all(trace: Trace, owner: Any, items: Any) -> bool:
    """Whether a Counter or set gets items that the program computes; then it is a table."""
    if not isinstance(owner, Counter) and type(owner) is not TracedSet:
        return False
    slot = _slot_of_items(trace, items)
    if slot is None:
        return False
    if table_of(owner) is None:
        _make_table(trace, owner, slot, Number(int) if isinstance(owner, Counter) else None)
    return True


def call_table(trace: Trace, owner: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A method of a dict or set that is a table."""
    table = table_of(owner)
    if table is None:  # it is empty
        if len(args) < 2 and name in ("pop", "remove"):
            trace.fail(KeyError("a key that the program computed"))
        return args[1] if len(args) > 1 else None
    method = _METHODS.get(name)
    if method is None or kwargs:
        refuse_table(trace, owner, f"{type(owner).__name__}.{name}")
    assert method is not None
    return method(trace, owner, table, *args)


def _get(trace: Trace, owner: Any, table: Table, key: Any, default: Any = None) -> Any:
    return trace.run(hashing.take_or, table, _at(trace, table, key), key, default)


def _setdefault(trace: Trace, owner: Any, table: Table, key: Any, default: Any = None) -> Any:
    return trace.run(hashing.take_or_store, table, _at(trace, table, key), key, default)


def _pop(trace: Trace, owner: Any, table: Table, key: Any, *default: Any) -> Any:
    if table.values is None:
        refuse_table(trace, owner, "set.pop")
    at = _at(trace, table, key)
    found = trace.run(hashing.take_or if default else hashing.take, table, at, key, *default)
    delete_from(trace, table, key)
    return found


def _add(trace: Trace, owner: Any, table: Table, key: Any) -> None:
    _put(trace, table, key, None)


def _discard(trace: Trace, owner: Any, table: Table, key: Any) -> None:
    delete_from(trace, table, key)


def remove_from(trace: Trace, owner: Any, table: Table, key: Any) -> None:
    """`owner.remove(key)` of a set, `del owner[key]` of a dict."""
    there = delete_from(trace, table, key)
    trace.fail_unless(as_expr(trace, there, BOOL), KeyError("a key that the program computed"))


def _update(trace: Trace, owner: Any, table: Table, items: Any = ()) -> None:
    if isinstance(owner, Counter):
        trace.run(hashing.count_all, table, bucket, items)
    elif table.values is None:
        trace.run(hashing.fill, table, bucket, unordered_keys(items))
    else:
        refuse_table(trace, owner, "dict.update")


def _keys(trace: Trace, owner: Any, table: Table) -> Any:
    return table.keys


def _values(trace: Trace, owner: Any, table: Table) -> Any:
    return table.values


def _items(trace: Trace, owner: Any, table: Table) -> Any:
    return Items(table)


def _most_common(trace: Trace, owner: Any, table: Table, count: Any = None) -> Any:
    pairs = trace.enter(sorted, Items(table), key=hashing.negated_count)
    return pairs if count is None else item_of(trace, pairs, slice(None, count))


_METHODS: dict[str, Callable[..., Any]] = {
    "get": _get, "setdefault": _setdefault, "pop": _pop, "add": _add, "discard": _discard,
    "remove": remove_from, "update": _update, "keys": _keys, "values": _values, "items": _items,
    "most_common": _most_common,
}  # fmt: skip


# ---------------------------------------------------------------- making


def make_set(trace: Trace, items: Any = ()) -> TracedSet:
    """`set(items)`."""
    made = TracedSet()
    made.trace = trace
    items = unordered_keys(items)
    if _table_for_all(trace, made, items):
        trace.run(hashing.fill, made.table, bucket, items)
    else:
        made.update(items)
    return made


def make_counter(trace: Trace, items: Any = ()) -> Counter[Any]:
    """`Counter(items)`."""
    made: Counter[Any] = Counter()
    if _table_for_all(trace, made, items):
        trace.run(hashing.count_all, table_of(made), bucket, items)
    else:
        made.update(items)
    return made
