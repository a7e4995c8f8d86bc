"""What reads a list that a compiled loop appended to: as an array, by position, in a loop, as a result.

Not here: what such a list holds (`lists.py`).
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.compiler.frontend.arguments import is_node
from weft.compiler.frontend.chosen import holds_texts
from weft.compiler.frontend.control.conditions import truth_value
from weft.compiler.frontend.control.folding import itself, mapped
from weft.compiler.frontend.control.joins import (
    Array,
    Conflict,
    Number,
    Scalar,
    Slot,
    Tree,
    is_listed,
    join,
    loosen,
)
from weft.compiler.frontend.control.lists import (
    Row,
    Stack,
)
from weft.compiler.frontend.control.sequences import as_bound, in_order
from weft.compiler.frontend.control.settling import (
    Restack,
    can_stack,
    exact_length,
    has_rows,
    is_of_numbers,
    item_slot,
    link_stacks,
    row_of,
    settled,
    show_in,
)
from weft.compiler.frontend.control.slot_values import lower, types  # fmt: skip
from weft.compiler.frontend.number import as_dim, size_number
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, TracedArray, new_array
from weft.ir.dims import maximum
from weft.ir.expr import Expr


def array_of(trace: Trace, owner: list[Any]) -> TracedArray:
    """`np.array(owner)`."""
    stack = settled(trace, owner)
    parts = stack.arrays()
    if not isinstance(stack.position, Expr) and not trace.changes(stack.position):
        if not trace.holds(stack.position, ">=", 1, "length of a list"):
            return trace.call(np.zeros, 0)  # as NumPy makes of no items
    made = _joined_parts(trace, stack.slot, parts)
    made = trace.call(np.copy, made) if any(made is part for part in parts) else made
    made.view.storage.of_items = True
    return made


def _joined_parts(trace: Trace, slot: Slot, parts: Sequence[TracedArray]) -> TracedArray:
    match slot:
        case Number() | Scalar() | Array():
            return parts[0]
        case Tree(like, items) if isinstance(like, list | tuple):
            taken, columns = 0, list[TracedArray]()
            for item in items:
                width = len(types(item))
                columns.append(_joined_parts(trace, item, parts[taken : taken + width]))
                taken += width
            return trace.call(np.stack, columns, axis=1)
        case Row(Number() | Scalar() | Array()):
            return parts[0]
        case _:
            raise trace.refuse(
                "an array of such items is not supported",
                "append arrays, numbers, or tuples of numbers",
                "E055",
            )


def joined(trace: Trace, fn: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """`np.stack(owner)` and its kin."""
    whole = array_of(trace, args[0])
    if fn in (np.stack, np.concatenate):
        axis = kwargs.get("axis", args[1] if len(args) > 1 else 0)
        made = _ALONG[fn](trace, whole, axis)
    else:
        made = _JOINS[fn](trace, whole)
    dtype = kwargs.get("dtype")
    return trace.call(np.copy, made) if dtype is None else made.astype(dtype)


def _stacked(trace: Trace, whole: TracedArray, axis: int) -> TracedArray:
    return trace.call(np.moveaxis, whole, 0, axis)


def _concatenated(trace: Trace, whole: TracedArray, axis: int | None) -> TracedArray:
    if axis is None:
        return whole.reshape(-1)
    if whole.ndim < 2:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    axis = axis + whole.ndim - 1 if axis < 0 else axis
    turned = trace.call(np.moveaxis, whole, 0, axis)
    shape = turned.shape
    return turned.reshape((*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]))


def _vertical(trace: Trace, whole: TracedArray) -> TracedArray:
    if whole.ndim == 1:
        return whole[:, None]
    return whole if whole.ndim == 2 else _concatenated(trace, whole, 0)


def _horizontal(trace: Trace, whole: TracedArray) -> TracedArray:
    return whole if whole.ndim == 1 else _concatenated(trace, whole, 0 if whole.ndim == 2 else 1)


def _columns(trace: Trace, whole: TracedArray) -> TracedArray:
    if whole.ndim == 1:
        return whole[None, :]
    return whole.T if whole.ndim == 2 else _concatenated(trace, whole, 1)


def _deep(trace: Trace, whole: TracedArray) -> TracedArray:
    if whole.ndim == 1:
        return whole[None, None, :]
    return whole.T[None] if whole.ndim == 2 else trace.call(np.moveaxis, whole, 0, 2)


_ALONG: dict[Any, Callable[..., TracedArray]] = {np.stack: _stacked, np.concatenate: _concatenated}
_JOINS: dict[Any, Callable[[Trace, TracedArray], TracedArray]] = {
    np.vstack: _vertical, np.hstack: _horizontal, np.column_stack: _columns, np.dstack: _deep,
}  # fmt: skip
JOINING = frozenset({*_ALONG, *_JOINS})
"""Functions that take the items of a sequence apart."""


def item_of(trace: Trace, owner: list[Any], key: Any) -> Any:
    """`owner[key]`."""
    if type(key) is int and key < 0 and all(_is_plain(one) for one in owner[key:]) and -key <= len(owner):
        return owner[key]
    if type(key) is int and key >= 0 and all(_is_plain(one) for one in owner[: key + 1]) and key < len(owner):
        return owner[key]
    stack = settled(trace, owner)
    arrays = stack.arrays()
    if isinstance(key, slice):
        cut = [array[key] for array in arrays]
        count = cut[0].view.shape[0]
        return [Stack(trace, stack.slot, [trace.call(np.copy, one) for one in cut], count, count)]
    return stack.at(key, arrays)


def copied(trace: Trace, owner: list[Any]) -> list[Any]:
    """A list of the same items; if these are lists, writing one of them makes the other not to be used."""
    stack = settled(trace, owner)
    parts = [new_array(trace, part.expr) for part in stack.arrays()]
    made = Stack(trace, stack.slot, parts, stack.length, stack.length)
    if has_rows(stack.slot):
        link_stacks(trace, made, stack)
    return [made]


def kept(trace: Trace, value: Any, name: str) -> Any:
    """What a list gets that a value is appended to; it extends a list by items of its own."""
    if name == "extend":
        return copied(trace, value) if is_listed(value) else value
    for one in _lists_in(value):
        if not trace.is_outer(one) or (is_listed(one) and len(one) == 1):
            continue
        if can_stack(one):
            raise Restack(one, None)
        fix = "append a copy: `rows.append(list(row))`"
        raise trace.refuse("a list from before a compiled loop or branch is appended in it", fix, "E055")
    return value


def spread(trace: Trace, value: Any) -> Any:
    """The items of a list of which Python must know how many there are; other values as they are."""
    if not is_listed(value):
        return value
    stack = settled(trace, value)
    arrays = stack.arrays()
    count = trace.pin(stack.length, "the number of items of a list that is taken apart")
    return [stack.at(k, arrays) for k in range(count)]


def equal_lists(trace: Trace, left: Any, right: Any) -> Any:
    """`left == right`, at least one of them with items in arrays."""
    if type(left) is not list or type(right) is not list:
        return False
    left, right = typing.cast("list[Any]", left), typing.cast("list[Any]", right)
    if not left or not right:
        known = [exact_length(one) for one in (left, right)]
        if None in known:
            raise trace.refuse("a list is compared with an empty one", "use `not items`", "E055")
        return all(trace.holds(length or 0, "==", 0, "length of lists") for length in known)
    one, other = settled(trace, left), settled(trace, list(right))
    if not trace.holds(one.length, "==", other.length, "length of lists that are compared"):
        return False
    if len(one.parts) != len(other.parts) or isinstance(one.slot, Array) or isinstance(other.slot, Array):
        raise trace.refuse("lists of different structure are compared", "compare arrays of them", "E055")
    pairs = zip(one.arrays(), other.arrays(), strict=True)
    found = [truth_value(trace, trace.call(np.array_equal, a, b)) for a, b in pairs]
    both = found[0]
    for more in found[1:]:
        both = both & more
    return both


def _lists_in(value: Any) -> list[list[Any]]:
    """The lists in a value, those in lists not."""
    if type(value) is list:
        return [typing.cast("list[Any]", value)]
    if type(value) is tuple:
        return [one for item in typing.cast("tuple[Any, ...]", value) for one in _lists_in(item)]
    return []


def _is_plain(item: Any) -> bool:
    return not is_listed([item])


def set_item(trace: Trace, owner: list[Any], key: Any, value: Any) -> None:
    """`owner[key] = value`: the arrays are written."""
    stack = settled(trace, owner)
    if isinstance(key, slice):
        return _set_slice(trace, owner, stack, typing.cast("slice", key), value)
    try:
        found = row_of(value) if _is_filled_list(value) else loosen(value)
        slot: Slot | None = join(stack.slot, found)
    except Conflict:
        slot = None
    if isinstance(slot, Array) and slot == stack.slot:
        return _set_array(trace, owner, stack, key, value)
    if slot is None or not is_of_numbers(slot):
        raise _replaced(trace)
    if types(slot) != types(stack.slot):
        stack = _widened(trace, owner, stack, slot)
    stack.widen(slot)
    if isinstance(slot, Row):
        return _set_row(trace, stack, key, typing.cast("list[Any]", value))
    for array, leaf in zip(stack.arrays(), lower(trace, slot, value), strict=True):
        array[key] = new_array(trace, trace.expr(leaf))
    return None


def _is_filled_list(value: Any) -> bool:
    return type(value) is list and value != []


def _set_row(trace: Trace, stack: Stack, key: Any, value: list[Any]) -> None:
    """Replace a list in a list: rows that were taken before are the lists that they were."""
    if not is_listed(value) and trace.is_outer(value):
        fix = "store a copy: `rows[k] = list(row)`"
        raise trace.refuse("a list from before a compiled loop or branch is stored in another", fix, "E055")
    stack.detach_rows()
    leaves = lower(trace, stack.slot, value)
    for array, leaf in zip(stack.arrays(), leaves, strict=True):
        array[key] = new_array(trace, trace.expr(leaf))
    if not is_listed(value):
        show_in(trace, value, stack.at(key))
    elif not (isinstance(value[0], Stack) and value[0].is_detached and value[0].outer is stack):
        link_stacks(trace, stack, settled(trace, value))


def _set_slice(trace: Trace, owner: list[Any], stack: Stack, key: slice, value: Any) -> None:
    """`owner[a:b] = items`: as many as before, and numbers."""
    items = list(typing.cast("list[Any]", value)) if type(value) in (list, tuple) else None
    if not items or not isinstance(stack.slot, Number | Scalar):
        raise _replaced(trace)
    given = settled(trace, items)
    target = stack.arrays()[0][key]
    if not trace.holds(target.view.shape[0], "==", given.length, "lengths of a slice and what it gets"):
        raise _replaced(trace)
    try:
        slot = join(stack.slot, given.slot)
    except Conflict:
        raise _replaced(trace) from None
    if types(slot) != types(stack.slot):
        stack = _widened(trace, owner, stack, slot)
    stack.widen(slot)
    stack.arrays()[0][key] = trace.call(np.copy, given.arrays()[0])


def _replaced(trace: Trace) -> Exception:
    return trace.refuse(
        "an item of a list that a compiled loop indexes or appended to is replaced by something else",
        "make it an array first: `a = np.array(items)`",
        "E055",
    )


def _widened(trace: Trace, owner: list[Any], stack: Stack, slot: Slot) -> Stack:
    """The items of a list in arrays of another dtype, with those of the lists that it is a row of."""
    rows = [stack]
    while rows[-1].outer is not None:
        outer = rows[-1].outer
        if not isinstance(outer.slot, Row):
            fix = "begin with numbers of the kind that is stored, as in [0.0] * n"
            raise trace.refuse("a list in a tuple gets a number of another kind", fix, "E055")
        slot = Row(slot, outer.slot.count)
        rows.append(outer)
    whole = rows[-1].holder if len(rows) > 1 else owner
    assert whole is not None
    if trace.is_outer(whole):
        raise Restack(whole, slot)
    made = settled(trace, whole, slot)
    for row in rows[:-1][::-1]:
        assert isinstance(slot, Row)
        slot = row.slot = slot.item
        row.parts = [_seen_in(part, new) for part, new in zip(row.parts, made.parts, strict=True)]
    return stack if len(rows) > 1 else made


def _seen_in(part: TracedArray, whole: TracedArray) -> TracedArray:
    """What a view shows, in other memory."""
    view = whole.view
    for lens in part.view.lenses:
        view = view.through(lens)
    return TracedArray(part.trace, view)


def _set_array(trace: Trace, owner: list[Any], stack: Stack, key: Any, value: TracedArray) -> None:
    """Replace an array: memory of its own for all, as the one that was there stays what it is."""
    part = stack.parts[0]
    base = None if value.view.base is None else value.view.base.storage
    if base is part.view.storage and _is_same_item(stack.arrays()[0][key], value):
        return  # `items[k] += v` has written it
    made = new_array(trace, part.expr)
    following = Stack(trace, stack.slot, [made], stack.position, stack.capacity)
    following.extends(stack, 0, is_exact=True)
    following.arrays()[0][key] = value
    trace.link(made.view.storage, part.view.storage)
    trace.note(owner)
    owner[:] = [following]


def _is_same_item(a: TracedArray, b: TracedArray) -> bool:
    return a.view.lenses == b.view.lenses


def repeated(trace: Trace, items: Any, count: Any) -> list[Any] | None:
    """`items * count` of one number, where the count is a size that may vary; None for all else."""
    if type(items) is not list or is_listed(items):
        return None
    alone = typing.cast("list[Any]", items)
    if len(alone) != 1:
        return None
    item = alone[0]
    number = as_bound(trace, count)
    if isinstance(number, int) or is_node(item):
        return None
    if item is None or isinstance(item, str):
        return None
    slot = loosen(item)
    if not isinstance(slot, Number | Scalar):
        return None
    length = number if trace.known(number, ">=", 0, "length of a list") else maximum(number, 0)
    trace.most_items(length)
    value = lower(trace, slot, item)[0]
    filled = trace.expr(trace.emit("broadcast", [value], {"shape": (length,)}))
    return [Stack(trace, slot, [new_array(trace, filled)], length, length)]


def is_computed_key(trace: Trace, key: Any) -> bool:
    """Whether only the program knows a position."""
    return type(key) in TRACED and (as_dim(key) is None or trace.changes(as_dim(key) or 0))


def as_listed(trace: Trace, owner: Any, key: Any) -> tuple[Any, Any]:
    """The items of a tuple or dict as a list, and a position, if only the program knows which is taken.

    Others, and their keys, as they are. The program raises KeyError where the dict has no such key.
    """
    if type(owner) not in (tuple, dict) or not is_computed_key(trace, key):
        return owner, key
    held: Any = owner  # which the tests below do not narrow
    named: dict[Any, Any] | None = held if type(owner) is dict else None
    items: list[Any] = [*held] if named is None else [*named.values()]
    if not can_stack(items) or has_rows(item_slot(items)):
        return held, key
    if named is not None:
        if not all(type(one) in (int, float) for one in named):
            return held, key
        found = trace.call(np.equal, trace.call(np.array, list(named)), key)
        trace.fail_unless(trace.call(np.any, found).expr, KeyError("a key that the program computed"))
        key = trace.call(np.argmax, found)
    settled(trace, items)
    return items, key


def by_position(trace: Trace, owner: Any, key: Any) -> bool:
    """Whether a list is taken by a position that only the program knows: then it holds a stack."""
    if not is_computed_key(trace, key) or type(owner) is not list or not can_stack(owner):
        return False
    found = typing.cast("list[Any]", owner)
    if trace.is_outer(found):
        raise Restack(found, None)
    settled(trace, found)
    return True


def sort(trace: Trace, owner: list[Any], *, reverse: bool = False) -> list[Any]:
    """`sorted(owner)`."""
    stack = settled(trace, owner)
    if isinstance(stack.slot, Tree) and is_of_numbers(stack.slot):
        return sort_by(trace, owner, itself, reverse=reverse)
    if not isinstance(stack.slot, Number | Scalar):
        raise trace.refuse("items that are not numbers are sorted", "sort an array", "E055")
    ordered = trace.call(np.sort, stack.arrays()[0])
    ordered = trace.call(np.copy, ordered[::-1]) if reverse else ordered
    return [Stack(trace, stack.slot, [ordered], stack.length, stack.length)]


def sort_by(trace: Trace, items: list[Any], key: Any, *, reverse: bool = False) -> list[Any]:
    """`sorted(items, key=key)`, where the program may compute the keys."""
    keys = trace.run(mapped, in_order(trace, items), key)
    if not is_listed(items) and not is_listed(keys) and not any(map(_is_computed, keys)):
        order = sorted(range(len(items)), key=keys.__getitem__, reverse=reverse)
        return [items[k] for k in order]
    columns = settled(trace, keys).arrays()
    if holds_texts(settled(trace, keys).slot) or any(column.ndim != 1 for column in columns):
        raise trace.refuse("items are sorted by keys that are no numbers", "let `key` give numbers", "E055")
    last = columns[0].view.shape[0] - 1
    columns = [column[::-1] for column in columns] if reverse else columns
    places = trace.call(np.lexsort, tuple(columns[::-1]))
    if reverse:  # equal keys keep their order
        places = size_number(trace, last) - places[::-1]
    stack = settled(trace, items)
    parts = [trace.call(np.take, part, places, axis=0) for part in stack.arrays()]
    made = Stack(trace, stack.slot, parts, stack.length, stack.length)
    if has_rows(stack.slot):
        link_stacks(trace, made, stack)
    return [made]


def _is_computed(value: Any) -> bool:
    """Whether the program computes a number, or one in a tuple."""
    if isinstance(value, tuple):
        return any(map(_is_computed, typing.cast("tuple[Any, ...]", value)))
    return type(value) in TRACED
