"""Joins: what a name is where paths meet, as a slot that says which IR values carry it and how it is rebuilt.

A value that is the same on both paths stays what it is. A weak number takes the other side's type, two strong
types must be equal, arrays are joined by value. Not here: when paths meet (`statements.py`, `loops.py`).
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from weft.compiler.frontend.arguments import (
    SNAPSHOTS,
    DictSnapshot,
    ListSnapshot,
    children,
    is_made_text,
    is_node,
    rebuild,
)
from weft.compiler.frontend.number import IR_TYPES, TracedNumber, as_expr
from weft.compiler.frontend.promote import element_type, numpy_dtype
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import Forwarded, MaskedElements, TracedArray, TracedScalar
from weft.ir.dataclass import dataclass
from weft.ir.node import Value
from weft.ir.types import BOOL, DType, TensorType, Type


class Undefined:
    """Stands for a name without a value."""

    def __repr__(self) -> str:
        return "no value"


UNDEFINED = Undefined()


class Maybe:
    """A value of a name that may have none: `defined()` says whether it has one."""

    __slots__ = ("defined", "value")

    def __init__(self, value: Any, defined: Callable[[], Any]) -> None:
        self.value, self.defined = value, defined


class Possible(Forwarded):
    """A value that may be None, as the program decides; anything but a test for None asks for the value."""

    __slots__ = ("present", "trace", "value")

    def __init__(self, trace: Trace, value: Any, present: TracedNumber) -> None:
        self.trace, self.value, self.present = trace, value, present

    def __repr__(self) -> str:
        return f"{self.value!r} or None"

    @property
    def elements(self) -> Any:
        """The value; where the program does not know that there is one, it fails as Python does with None."""
        flag = as_expr(self.trace, self.present, BOOL)
        if self.trace.facts.get(flag.value) is not True:
            text = "a value is None where a number or an array is needed"
            self.trace.fail_unless(flag, TypeError(text))
        return self.value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what Weft itself asks of any value
            raise AttributeError(name)
        return getattr(self.elements, name)


def if_known(trace: Trace, value: Any) -> Any:
    """The value of what is known not to be None on this path; others as they are."""
    if type(value) is Possible and value.present.value is not None:
        return value.value if trace.facts.get(value.present.value) else value
    return value


def given(value: Any) -> Any:
    """What a value is where it must not be None."""
    return value.elements if type(value) is Possible else value


def given_key(key: Any) -> Any:
    """A key whose parts must not be None, but for slices' own."""
    if type(key) is tuple:
        return tuple(given_key(part) for part in typing.cast("tuple[Any, ...]", key))
    if type(key) is slice and Possible in (type(key.start), type(key.stop), type(key.step)):
        return slice(given(key.start), given(key.stop), given(key.step))
    return given(key)


class Frozen:
    """The elements that an array had at the end of a path."""

    __slots__ = ("array", "value")

    def __init__(self, array: TracedArray, value: Value) -> None:
        self.array, self.value = array, value


class Conflict(Exception):
    """Two values cannot be joined."""


@dataclass(frozen=True, slots=True, eq=False)
class Same:
    """One value on all paths."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and is_same(self.value, other.value)

    __hash__ = None  # pyright: ignore[reportAssignmentType]


@dataclass(frozen=True, slots=True)
class Number:
    """A Python number."""

    type: type


@dataclass(frozen=True, slots=True)
class Scalar:
    """A NumPy scalar."""

    dtype: DType


@dataclass(frozen=True, slots=True)
class Array:
    """An array by value."""

    type: TensorType


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A container made anew on each path."""

    like: Any
    items: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class Optional:
    """A value that may be missing."""

    slot: Slot


@dataclass(frozen=True, slots=True)
class Nullable:
    """A value, or None."""

    slot: Slot


class Extended:
    """A slot of another file, which says itself what carries it."""

    __slots__ = ()
    is_plain = False  # whether it is as a number, which nobody changes

    def types(self) -> list[Type]:
        """Types of the IR values that carry it."""
        raise NotImplementedError

    def lower(self, trace: Trace, value: Any) -> list[Value]:
        """The IR values that carry a value."""
        raise NotImplementedError

    def wrap(self, trace: Trace, values: Iterator[Value]) -> Any:
        """The value that they carry."""
        raise NotImplementedError

    def at(self, trace: Trace, leaves: Iterator[Any]) -> Any:
        """One item of arrays that hold many."""
        raise Conflict(f"{self.show()} as an item")

    def join(self, other: Extended | Tree) -> Slot:
        """The slot that takes values of both; raises Conflict if there is none."""
        raise Conflict(f"{self.show()} and {show(other)} differ")

    def by_value(self) -> Slot:
        """The slot that carries what it is now."""
        return self

    def show(self) -> str:
        """In the user's words."""
        raise NotImplementedError


class Segment:
    """What a list holds, while a function is traced, that stands for many items (`lists.py`).

    Those of one `key` are one, with their elements at different times.
    """

    key: object

    def frozen(self, trace: Trace) -> Segment:
        """With the present elements of arrays."""
        raise NotImplementedError

    def slot_of(self, owner: list[Any]) -> Extended:
        """The slot of the list that it is in; raises Conflict if that cannot be carried."""
        raise Conflict("lists of lengths that the program computes")


def is_listed(value: Any) -> bool:
    """Whether a value is a list that a compiled loop or branch appended to."""
    return segment_of(value) is not None


def segment_of(value: Any) -> Segment | None:
    """The first segment in a list."""
    if type(value) not in (list, ListSnapshot):
        return None
    return next((item for item in typing.cast("list[Any]", value) if isinstance(item, Segment)), None)


Slot: TypeAlias = Same | Number | Scalar | Array | Tree | Optional | Nullable | Extended


def freeze(trace: Trace, value: Any) -> Any:
    """A value at the end of a path, arrays with their present elements."""
    if type(value) is MaskedElements:
        value = value.elements
    if type(value) is TracedArray:
        return Frozen(value, value.view.read(trace))
    if type(value) is Maybe:
        return Maybe(freeze(trace, value.value), value.defined)
    if type(value) is Possible:
        return Possible(trace, freeze(trace, value.value), value.present)
    if isinstance(value, Segment):
        return value.frozen(trace)
    if type(value) is list:
        return _snapshot(trace, typing.cast("list[Any]", value))
    if type(value) is dict:
        named = typing.cast("dict[Any, Any]", value)
        held = DictSnapshot({key: freeze(trace, item) for key, item in named.items()})
        held.owner = named
        return held
    if type(value) is tuple or (is_node(value) and type(value) not in SNAPSHOTS and _holds_arrays(value)):
        return rebuild(value, [freeze(trace, item) for _, item in children(value)])
    return value


def _snapshot(trace: Trace, owner: list[Any]) -> ListSnapshot:
    if is_listed(owner):
        trace.gather(owner)
    made = ListSnapshot(freeze(trace, item) for item in owner)
    made.owner = owner
    return made


def thawed(value: Any) -> Any:
    """The arrays and containers themselves of which a value holds what they had at the end of a path."""
    if type(value) is Frozen:
        return value.array
    if type(value) in SNAPSHOTS:
        return value.owner
    if type(value) is tuple:
        return tuple(map(thawed, typing.cast("tuple[Any, ...]", value)))
    return value


def _holds_arrays(value: Any) -> bool:
    return any(type(item) is TracedArray or is_node(item) for _, item in children(value))


def is_same(a: Any, b: Any) -> bool:
    """Whether two values are one, so that nothing needs to be carried."""
    a, b = (thawed(v) if type(v) is Frozen or type(v) in SNAPSHOTS else v for v in (a, b))
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    match a:
        case TracedNumber():
            return a.type is b.type and (a.dim == b.dim if a.dim is not None else a.value is b.value)
        case TracedScalar():
            return a.value is b.value
        case TracedArray():
            return a.view is b.view
        case bool() | int() | float() | complex() | str() | bytes() | np.generic() | np.dtype():
            return bool(a == b) and repr(typing.cast(object, a)) == repr(b)
        case tuple():
            left, right = typing.cast("tuple[Any, ...]", a), typing.cast("tuple[Any, ...]", b)
            return len(left) == len(right) and all(map(is_same, left, right))
        case slice() | range():
            return a == b
        case Segment():
            return a.key is b.key
        case _:
            return False


def loosen(value: Any) -> Slot:
    """The slot for any value of the same type; raises Conflict for what cannot be carried."""
    match value:
        case bool() | int() | float() | complex() if type(value) in IR_TYPES:
            return Number(type(value))
        case TracedNumber():
            return Number(value.type)
        case TracedScalar():
            return Scalar(value.element)
        case np.generic():
            return Scalar(element_type(typing.cast("np.generic[Any]", value).dtype))
        case TracedArray() | Frozen():
            array = value.array if isinstance(value, Frozen) else value
            return array.trace.choose(array) or Array(TensorType(array.element, array.view.shape))
        case Maybe():
            return Optional(carried(value.value))
        case Possible():
            return Nullable(carried(value.value))
        case _ if is_listed(value) or type(value) is str or is_made_text(value):
            return _extended_slot(value)
        case _ if is_node(value):
            return Tree(_plain(value), tuple(Same(item) for _, item in children(value)))
        case _:
            raise Conflict(f"{value!r} is known only while tracing")


def _extended_slot(value: Any) -> Slot:
    if not is_listed(value):
        from weft.compiler.frontend import chosen  # which imports this module

        made: Any = chosen.Chosen()
        return made
    segment = segment_of(value)
    assert segment is not None
    return segment.slot_of(value)


def _plain(value: Any) -> Any:
    return rebuild(value, [item for _, item in children(value)]) if type(value) in SNAPSHOTS else value


def carried(value: Any) -> Slot:
    """The slot of a value that only some paths have: it stays what it is unless the program computes it."""
    if is_listed(value):
        return _extended_slot(value)
    if is_node(value):
        return Tree(_plain(value), tuple(carried(item) for _, item in children(value)))
    traced = (TracedNumber, TracedScalar, TracedArray, Frozen, Possible)
    return loosen(value) if type(value) in traced or is_made_text(value) else Same(value)


def join(a: Slot, b: Slot) -> Slot:
    """The slot that takes values of both; raises Conflict if there is none."""
    if isinstance(a, Same) and isinstance(b, Same):
        return _join_same(a, b)
    if isinstance(a, Optional) or isinstance(b, Optional):
        return _join_optional(a, b)
    if isinstance(a, Nullable) or isinstance(b, Nullable):
        return _join_nullable(a, b)
    if isinstance(a, Same):
        return _with_none(b) if a.value is None else join(loosen(a.value), b)
    if isinstance(b, Same):
        return _with_none(a) if b.value is None else join(a, loosen(b.value))
    if isinstance(a, Tree) and isinstance(b, Tree):
        return _join_trees(a, b)
    if a == b:
        return a
    if isinstance(a, Extended) and isinstance(b, Extended | Tree):
        return a.join(b)
    if isinstance(b, Extended) and isinstance(a, Tree):
        return b.join(a)
    return _join_numbers(a, b)


def label(name: str) -> str:
    """A name without what differs between traces of one program."""
    is_item = name.startswith("__weft_list_") or (" " in name and name[-1].isdigit())
    return name.partition(" ")[0].rstrip("0123456789") if is_item else name


def by_value(slot: Slot) -> Slot:
    """The slot of values as they are now, not of which array one is."""
    return slot.by_value() if isinstance(slot, Extended) else slot


def _join_same(a: Same, b: Same) -> Slot:
    if is_same(a.value, b.value):
        return a
    if a.value is UNDEFINED or b.value is UNDEFINED:
        other = b.value if a.value is UNDEFINED else a.value
        return loosen(other) if type(other) is Maybe else Optional(carried(other))
    if a.value is None or b.value is None:
        return _with_none(_loose(b.value if a.value is None else a.value))
    return join(loosen(a.value), loosen(b.value))


def _loose(value: Any) -> Slot:
    """As `loosen`; what is known only while tracing stays what it is."""
    return carried(value) if isinstance(value, str | bytes) or is_node(value) else loosen(value)


def _with_none(slot: Slot) -> Slot:
    return slot if isinstance(slot, Nullable) else Nullable(slot)


def _join_nullable(a: Slot, b: Slot) -> Slot:
    inside: list[Slot] = []
    for slot in (a, b):
        if isinstance(slot, Nullable):
            inside.append(slot.slot)
        elif isinstance(slot, Same) and type(slot.value) is Possible:
            inside.append(carried(slot.value.value))
        elif not isinstance(slot, Same):
            inside.append(slot)
        elif slot.value is not None:
            inside.append(_loose(slot.value))
    if len(inside) == 1 or inside[0] == inside[1]:
        return Nullable(inside[0])
    return Nullable(join(inside[0], inside[1]))


def _join_numbers(a: Slot, b: Slot) -> Slot:
    if by_value(a) is not a or by_value(b) is not b:
        return join(by_value(a), by_value(b))
    if isinstance(a, Number) and isinstance(b, Number):
        order = (bool, int, float, complex)
        return a if order.index(a.type) > order.index(b.type) else b
    if isinstance(a, Number) and isinstance(b, Scalar | Array):
        return _take(a, b)
    if isinstance(b, Number) and isinstance(a, Scalar | Array):
        return _take(b, a)
    raise Conflict(f"{show(a)} and {show(b)} differ")


def _join_optional(a: Slot, b: Slot) -> Slot:
    inside: list[Slot] = []
    for slot in (a, b):
        if isinstance(slot, Optional):
            inside.append(slot.slot)
        elif isinstance(slot, Same) and type(slot.value) is Maybe:
            inside.append(carried(slot.value.value))
        elif not isinstance(slot, Same):
            inside.append(slot)
        elif slot.value is not UNDEFINED:
            inside.append(carried(slot.value))
    return Optional(inside[0] if len(inside) == 1 else join(inside[0], inside[1]))


def _join_trees(a: Tree, b: Tree) -> Slot:
    same = type(a.like) is type(b.like) and [k for k, _ in children(a.like)] == [
        k for k, _ in children(b.like)
    ]
    if not same and _are_lists(a, b):
        from weft.compiler.frontend.control import varying  # which imports this module

        join_lists: Any = varying.of_known
        return join_lists(a, b)
    if not same:
        raise Conflict("containers of different structure")
    items = tuple(join(x, y) for x, y in zip(a.items, b.items, strict=True))
    return a if items == a.items else Tree(a.like, items)


def _are_lists(*trees: Tree) -> bool:
    return all(type(one.like) is list for one in trees)


def _take(weak: Number, strong: Scalar | Array) -> Slot:
    """A weak number takes the other side's type if NumPy would compute in that type."""
    dtype = strong.dtype if isinstance(strong, Scalar) else strong.type.dtype
    ours = numpy_dtype(dtype)
    fits = weak.type is bool or np.result_type(ours, weak.type(0)) == ours
    if not fits:
        raise Conflict(f"a Python {weak.type.__name__} does not fit {show(strong)}")
    return strong


def show(slot: Slot) -> str:
    """A slot in the user's words."""
    match slot:
        case Same(value):
            return _show_value(value)
        case Number(kind):
            return f"a Python {kind.__name__}"
        case Scalar(dtype):
            return f"a NumPy scalar {dtype}"
        case Array(ty):
            return f"an array {ty}"
        case Tree(like):
            return f"a {type(like).__name__}"
        case Optional(inner) | Nullable(inner):
            return f"{show(inner)} or {'nothing' if isinstance(slot, Optional) else 'None'}"
        case Extended():
            return slot.show()


def _show_value(value: Any) -> str:
    match value:
        case Maybe():
            return f"{_show_value(value.value)} or nothing"
        case tuple():
            return f"({', '.join(map(_show_value, typing.cast('tuple[Any, ...]', value)))})"
        case list():
            return f"[{', '.join(map(_show_value, typing.cast('list[Any]', value)))}]"
        case _ if type(value) in (TracedNumber, TracedScalar, TracedArray, Frozen):
            return show(loosen(value))
        case _:
            return repr(value)
