"""Methods of lists whose items lie in arrays: `pop`, `insert`, `sort` and the like.

What changes the number of items gives the list another stack; what moves items writes the arrays. Not here:
`append` and `extend`, which Python does (`lists.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from weft.compiler.frontend.control.folding import count_of, itself, place_of
from weft.compiler.frontend.control.joins import Array, Number, Scalar, is_listed
from weft.compiler.frontend.control.listed import sort_by
from weft.compiler.frontend.control.lists import Stack, moved
from weft.compiler.frontend.control.settling import Restack, can_stack, has_rows, settled
from weft.compiler.frontend.number import as_dim, as_expr, number, size_number
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, TracedArray, TracedScalar, elements, new_array
from weft.ir.dims import DimLike
from weft.ir.expr import Expr, select
from weft.ir.expr import cast as cast_to
from weft.ir.types import I64

METHODS: dict[str, Callable[..., Any]] = {}
IN_PLACE = frozenset({"sort", "reverse", "index", "count"})
"""Those that leave the number of items as it is."""
COMPARING = frozenset({"sort", "index", "count", "remove"})


def method(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Note the meaning of a method by its name."""
    METHODS[fn.__name__.rstrip("_")] = fn
    return fn


def needs_stack(
    trace: Trace, owner: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
) -> bool:
    """Whether a method asks for items or positions that only the program knows: then the list is a stack.

    One that is sorted by a key becomes one if its keys are such.
    """
    if name not in METHODS or is_listed(owner):
        return is_listed(owner)
    if type(owner) is not list:
        return False
    if name == "sort" and kwargs and kwargs.get("key") is not None:
        return True
    items = cast("list[Any]", owner)
    asked = (*args, *items) if name in COMPARING else args[:1] if name in ("pop", "insert") else ()
    if not any(_is_computed(trace, value) for value in asked) or not can_stack(items):
        return False
    if trace.is_outer(items):
        raise Restack(items, None)
    settled(trace, items)
    return True


def _is_computed(trace: Trace, value: Any) -> bool:
    if type(value) is tuple:
        return any(_is_computed(trace, part) for part in cast("tuple[Any, ...]", value))
    return type(value) in TRACED and (as_dim(value) is None or trace.changes(as_dim(value) or 0))


def _plain(trace: Trace, owner: list[Any], name: str) -> Stack:
    """The stack of a list that holds no lists or arrays, which would have to stay the same objects."""
    stack = settled(trace, owner)
    if has_rows(stack.slot) or isinstance(stack.slot, Array):
        fix = "make a list of positions, or an array: `a = np.array(items)`"
        raise trace.refuse(f"list.{name} of a list that holds lists or arrays in arrays", fix, "E055")
    return stack


def _length(trace: Trace, stack: Stack) -> Any:
    if isinstance(stack.position, Expr):
        return number(trace, stack.position, int)
    return size_number(trace, stack.position)


def _position(trace: Trace, key: Any, length: Any, text: str) -> Any:
    """An index as one from the front; the program fails where there is no such item."""
    if type(key) in (TracedScalar, TracedArray):
        key = number(trace, cast_to(elements(trace, key), I64), int)
    place = key
    if type(key) is int and key < 0:
        place = length + key
    elif type(key) is not int:
        zero = trace.constant(0, I64)
        at, total = as_expr(trace, key, I64), as_expr(trace, length, I64)
        place = number(trace, select(at.apply("less", zero), at + total, at), int)
    at = as_expr(trace, place, I64)
    trace.fail_unless(at.apply("less", as_expr(trace, length, I64)), IndexError(text))
    trace.fail_unless(at.apply("greater", trace.constant(-1, I64)), IndexError(text))
    return place


def _set(trace: Trace, owner: list[Any], stack: Stack, parts: list[TracedArray], by: int) -> None:
    """Give a list its items in other arrays, with `by` more of them."""
    trace.note(owner)
    made = Stack(trace, stack.slot, parts, moved(trace, stack.position, by), stack.capacity)
    made.extends(stack, max(by, 0), is_exact=by > 0)
    owner[:] = [made]


def _taken(trace: Trace, part: TracedArray, places: Any) -> TracedArray:
    return new_array(trace, part[places].expr)


@method
def pop(trace: Trace, owner: list[Any], key: Any = -1) -> Any:
    """Take an item out."""
    stack = settled(trace, owner)
    length = _length(trace, stack)
    trace.fail_unless(
        as_expr(trace, length, I64).apply("greater", trace.constant(0, I64)),
        IndexError("pop from empty list"),
    )
    place = _position(trace, key, length, "pop index out of range")
    item = stack.at(place, stack.parts)
    if type(key) is int and key == -1:
        _set(trace, owner, stack, stack.parts, -1)
        return item
    _plain(trace, owner, "pop")
    places = trace.call(np.arange, size_number(trace, stack.capacity))
    after = trace.call(np.minimum, places + 1, size_number(trace, stack.capacity) - 1)
    places = trace.call(np.where, places < place, places, after)
    _set(trace, owner, stack, [_taken(trace, part, places) for part in stack.parts], -1)
    return item


@method
def insert(trace: Trace, owner: list[Any], key: Any, value: Any) -> None:
    """Put an item in front of another."""
    length = _length(trace, _plain(trace, owner, "insert"))
    trace.note(owner)
    owner.append(value)
    stack = settled(trace, owner)
    place = length + key if type(key) is int and key < 0 else key
    place = trace.call(np.clip, as_array(trace, place), 0, as_array(trace, length))
    numbers = trace.call(np.arange, size_number(trace, stack.capacity))
    before = trace.call(np.maximum, numbers - 1, 0)
    places = trace.call(np.where, numbers > place, before, numbers)
    places = trace.call(np.where, trace.call(np.equal, numbers, place), as_array(trace, length), places)
    _set(trace, owner, stack, [_taken(trace, part, places) for part in stack.parts], 0)


def as_array(trace: Trace, value: Any) -> Any:
    """A number as an int64 of NumPy."""
    return new_array(trace, as_expr(trace, value, I64))


@method
def remove(trace: Trace, owner: list[Any], value: Any) -> None:
    """Take the first item out that equals a value."""
    pop(trace, owner, _found(trace, owner, value, "list.remove(x): x not in list"))


@method
def index(trace: Trace, owner: list[Any], value: Any) -> Any:
    """Give the position of the first item that equals a value."""
    text = ""
    try:
        list[Any]().index(value)
    except ValueError as error:  # its text differs between versions
        text = str(error)
    return _found(trace, owner, value, text)


def _found(trace: Trace, owner: list[Any], value: Any, text: str) -> Any:
    place = trace.run(place_of, owner, value)
    there = as_expr(trace, place, I64).apply("greater", trace.constant(-1, I64))
    trace.fail_unless(there, ValueError(text))
    return place


@method
def count(trace: Trace, owner: list[Any], value: Any) -> Any:
    """Give the number of items that equal a value."""
    return trace.run(count_of, owner, value)


@method
def clear(trace: Trace, owner: list[Any]) -> None:
    """Take all items out."""
    stack = settled(trace, owner)
    trace.note(owner)
    made = Stack(trace, stack.slot, stack.parts, 0, stack.capacity)
    made.extends(stack, 0, is_exact=False)
    owner[:] = [made]


@method
def reverse(trace: Trace, owner: list[Any]) -> None:
    """Turn the order of the items."""
    for part in _plain(trace, owner, "reverse").arrays():
        part[...] = trace.call(np.copy, part[::-1])


@method
def sort(trace: Trace, owner: list[Any], *, key: Any = None, reverse: bool = False) -> None:
    """Sort the items."""
    if key is not None or not isinstance(settled(trace, owner).slot, Number | Scalar):
        ordered = sort_by(trace, list(owner), itself if key is None else key, reverse=reverse)
        if is_listed(ordered) and not is_listed(owner) and trace.is_outer(owner):
            raise Restack(owner, None)
        trace.note(owner)
        owner[:] = ordered
        return
    part = settled(trace, owner).arrays()[0]
    ordered = trace.call(np.sort, part)
    part[...] = ordered[::-1] if reverse else ordered


def listed_array(trace: Trace, array: TracedArray, slot: Any) -> list[Any]:
    """A list of the items of an array, of its first axis."""
    length: DimLike = array.view.shape[0]
    return [Stack(trace, slot, [new_array(trace, array.expr)], length, length)]
