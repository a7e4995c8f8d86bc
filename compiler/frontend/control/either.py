"""Arrays that are one of several where paths meet: what the program carries is which of them.

Reading one reads all that it may be and selects; writing one writes that which it is, in place. A function is
traced so once it turns out that joins by value do not serve (`Trace.refuse_alias`): these are faster where
nothing is written. Not here: joins themselves (`joins.py`), arrays that paths make (`moving.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from weft.compiler.frontend.control.joins import Array, Conflict, Extended, Frozen, Slot, Tree, show
from weft.compiler.frontend.number import number
from weft.compiler.frontend.region import branch
from weft.compiler.frontend.storage import (
    Choice,
    Lens,
    Pick,
    Shape,
    Storage,
    View,
    dims_of,
)
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray
from weft.ir.dataclass import dataclass
from weft.ir.dims import symbols_of
from weft.ir.expr import Expr, select
from weft.ir.node import Region, Value
from weft.ir.types import BOOL, I64, TensorType, Type

MOST = 16
"""An array that may be one of more than so many is joined by value."""


@dataclass(frozen=True, slots=True, eq=False)
class Either(Extended):
    """One of some arrays that were there before paths parted."""

    arrays: tuple[TracedArray, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Either) and list(map(_view, self.arrays)) == list(map(_view, other.arrays))

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    @property
    def type(self) -> TensorType:
        """That of each of them."""
        return TensorType(self.arrays[0].element, self.arrays[0].view.shape)

    def types(self) -> list[Type]:
        """That of the number which says which one."""
        return [TensorType(I64)]

    def lower(self, trace: Trace, value: Any) -> list[Value]:
        """The number of an array."""
        array = value.array if type(value) is Frozen else value
        if type(array) is not TracedArray:  # of a path that is not taken
            return [trace.constant(0, I64).value]
        choice = array.view.storage.choice
        numbers = [self._number(one.view) for one in possible_arrays(array)]
        found = trace.constant(numbers[0], I64)
        if choice is None:
            return [found.value]
        if numbers == list(range(len(numbers))):
            return [choice.index]
        for k, own in enumerate(numbers):
            if own != numbers[0]:
                is_it = Expr(trace.builder, choice.index).apply("equal", trace.constant(k, I64))
                found = select(is_it, trace.constant(own, I64), found)
        return [found.value]

    def _number(self, view: View) -> int:
        return next(k for k, array in enumerate(self.arrays) if is_same_view(array.view, view))

    def wrap(self, trace: Trace, values: Iterator[Value]) -> TracedArray:
        """The array."""
        return chosen(trace, next(values), self.arrays)

    def join(self, other: Extended | Tree) -> Slot:
        """The slot of an array that is one of these or of the others."""
        if not isinstance(other, Either) or other.type != self.type:
            raise Conflict(f"{self.show()} and {show(other)} differ")
        known = [array.view for array in self.arrays]
        more = [a for a in other.arrays if not any(is_same_view(a.view, view) for view in known)]
        if len(known) + len(more) > MOST:
            return self.by_value()
        return Either((*self.arrays, *more)) if more else self

    def by_value(self) -> Slot:
        """The slot of its elements."""
        return Array(self.type)

    def show(self) -> str:
        """In the user's words."""
        return f"an array {self.type}"


def choose_arrays(trace: Trace) -> None:
    """Have arrays be choices where paths meet."""
    trace.choose = partial(_slot_of, trace)
    trace.read_chosen, trace.write_chosen = partial(_read, trace), partial(_write, trace)


def chosen(trace: Trace, index: Value, arrays: Sequence[TracedArray]) -> TracedArray:
    """The array that is one of several."""
    if len(arrays) == 1:
        return arrays[0]
    views = tuple(array.view for array in arrays)
    types = TensorType(arrays[0].element, views[0].shape)
    columns = zip(*(view.strides for view in views), strict=True)
    strides = tuple(column[0] if all(s == column[0] for s in column) else None for column in columns)
    storage = Storage(Value(types, trace.region, -1), strides, depth=len(trace.frames))
    storage.choice = Choice(index, tuple(arrays))
    storage.writeable = any(view.is_writeable for view in views)
    storage.origins = list(dict.fromkeys(view.storage for view in views))
    return TracedArray(trace, View.of(storage))


def _slot_of(trace: Trace, array: TracedArray) -> Either | None:
    """The slot of an array that was there before paths parted; None for others."""
    found = possible_arrays(array)
    if not trace.assumptions.chooses(trace.joining) or not all(_is_outer(trace, one.view) for one in found):
        return None
    return Either(tuple(found))


def possible_arrays(array: TracedArray) -> list[TracedArray]:
    """What an array may be."""
    choice, view = array.view.storage.choice, array.view
    if choice is None:
        return [array]
    if view.base is None:
        return list(choice.arrays)
    return [TracedArray(array.trace, view.shown(one)) for one in choice.views]


def is_one(trace: Trace, left: TracedArray, right: TracedArray) -> Any:
    """Whether two arrays are one object."""
    ones, others = left.view.storage, right.view.storage
    if left.view is right.view or ones is others:
        return left.view is right.view
    if ones.choice is None and others.choice is None:
        if set(ones.possible()) & set(others.possible()) or _was_carried(ones, others):
            raise _of_unknown_identity(trace, ones, others)
        return False
    found = trace.constant(0, BOOL)
    for one, when in _when(trace, left):
        for other, too in _when(trace, right):
            if one.view is other.view:
                found = found | (when & too)
            elif is_same_view(one.view, other.view):
                raise _of_unknown_identity(trace, ones, others)
    return number(trace, found, bool)


def _was_carried(one: Storage, other: Storage) -> bool:
    """Whether one is, by value, what a name was before an iteration, and the other was there, too."""
    pairs = ((one, other), (other, one))
    return any(a.is_carried and (b.is_carried or b.depth < a.depth or bool(b.origins)) for a, b in pairs)


def _when(trace: Trace, array: TracedArray) -> list[tuple[TracedArray, Expr]]:
    """What an array may be, and when."""
    choice = array.view.storage.choice
    if choice is None:
        return [(array, trace.constant(1, BOOL))]
    return [(one, is_number(trace, choice, k)) for k, one in enumerate(possible_arrays(array))]


def _of_unknown_identity(trace: Trace, *storages: Storage) -> Exception:
    trace.choose_names(*storages)
    text = "`is` asks whether two arrays are one that the program may or may not make one"
    return trace.refuse(text, "keep what decides it in a name, and ask for that", "E064")


def _view(array: TracedArray) -> int:
    return id(array.view)


def is_same_view(one: View, other: View) -> bool:
    """Whether two views show the same elements of the same memory."""
    return one is other or (one.storage is other.storage and one.lenses == other.lenses)


def _is_outer(trace: Trace, view: View) -> bool:
    """Whether a view means something where the trace stands."""
    if view.storage.depth > len(trace.frames):
        return False
    return all(_is_known(trace, lens) for lens in view.lenses)


def _is_known(trace: Trace, lens: Lens) -> bool:
    if isinstance(lens, Pick):
        return all(_is_open(trace, position) for position in lens.positions)
    return is_known_outside(trace, dims_of(lens))


def is_known_outside(trace: Trace, dims: Shape) -> bool:
    """Whether sizes mean something where the trace stands."""
    names = {s.name for dim in dims for s in symbols_of(dim)}
    return not any(name in trace.released or trace.is_left(name) for name in names)


def _is_open(trace: Trace, value: Value) -> bool:
    """Whether a value is in scope."""
    if isinstance(value.owner, Region):
        return trace.is_open(value.owner)
    return any(value.owner in frame.region.ops for frame in trace.frames)


# ---------------------------------------------------------------- elements


def _read(trace: Trace, view: View) -> Value:
    """The elements of a view of a choice."""
    choice = view.storage.choice
    assert choice is not None
    found: Expr | None = None
    for k, one in reversed(list(enumerate(choice.views))):
        value = trace.expr(view.shown(one).read(trace))
        if found is None:
            found = value
            continue
        is_it = is_number(trace, choice, k)
        if view.shape:
            is_it = trace.expr(trace.emit("broadcast", [is_it.value], {"shape": view.shape}))
        found = select(is_it, value, found)
    assert found is not None
    return found.value


def _write(trace: Trace, view: View, part: Value) -> None:
    """Replace the elements that a view shows of the array which a choice is."""
    choice = view.storage.choice
    assert choice is not None
    _write_one(trace, choice, view, part, 0)


def _write_one(trace: Trace, choice: Choice, view: View, part: Value, k: int) -> None:
    def write() -> list[Any]:
        if not choice.views[k].is_writeable:
            trace.fail(ValueError("assignment destination is read-only"))
        else:
            view.shown(choice.views[k]).write(trace, part)
        return []

    def others() -> list[Any]:
        _write_one(trace, choice, view, part, k + 1)
        return []

    if k + 1 == len(choice.views):
        write()
    else:
        branch(trace, number(trace, is_number(trace, choice, k), bool), write, others)


def is_number(trace: Trace, choice: Choice, k: int) -> Expr:
    """Whether a choice is its array `k`."""
    return trace.expr(choice.index).apply("equal", trace.constant(k, I64))
