"""Arrays whose sizes differ between iterations or paths (`x = x[keep]`, `v = v[1:]`): how they are carried.

They lie at the start of an array of the largest sizes, beside the sizes that they have. Arrays that are cut
alike share their sizes, so that `x[keep]` and `y[keep]` still fit each other in the next iteration. Not here:
lists (`lists.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field, replace
from functools import reduce
from typing import TYPE_CHECKING, Any

from weft.compiler.frontend.control.joins import (
    Array,
    Extended,
    Frozen,
    Nullable,
    Optional,
    Same,
    Slot,
    Tree,
    by_value,
    join,
    loosen,
)
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray, new_array
from weft.ir.dataclass import dataclass
from weft.ir.dims import Dim, DimLike, maximum, show_dim, symbols_of
from weft.ir.expr import Expr
from weft.ir.node import Value
from weft.ir.types import I64, DType, TensorType, Type

if TYPE_CHECKING:
    from weft.compiler.frontend.control.variables import Variables


class Key:
    """Tells sizes, and slots, from others that look the same."""


@dataclass(frozen=True, slots=True)
class Size:
    """A size that differs: at most `most`; the body of a loop makes it larger by at most `step`."""

    most: DimLike
    step: DimLike = 0
    key: Key = field(default_factory=Key)


@dataclass(frozen=True, slots=True)
class Resized(Extended):
    """An array of which some sizes differ."""

    dtype: DType
    sizes: tuple[DimLike | Size, ...]
    key: Key = field(default_factory=Key)

    @property
    def room(self) -> TensorType:
        """The type of the array that holds it."""
        return TensorType(self.dtype, tuple(s.most if isinstance(s, Size) else s for s in self.sizes))

    def types(self) -> list[Type]:
        """That of the array that holds it, and its sizes."""
        return [self.room, *(TensorType(I64) for s in self.sizes if isinstance(s, Size))]

    def whole(self, held: Value) -> Value | None:
        """What already has an array at its start, with the room for it: no one reads what is behind it."""
        op, rank = held.op, len(self.sizes)
        if op is None or op.name != "slice" or op.operands[0].type != self.room:
            return None
        is_start = op.attributes["start"] == (0,) * rank and op.attributes["step"] == (1,) * rank
        return op.operands[0] if is_start else None

    def lower(self, trace: Trace, value: Any) -> list[Value]:
        """The array that holds an array, and its sizes."""
        zero = trace.constant(0, self.dtype).value
        if type(value) not in (Frozen, TracedArray):  # of a path that is not taken
            whole = trace.emit("broadcast", [zero], {"shape": self.room.shape})
            return [whole, *(trace.size(0).value for s in self.sizes if isinstance(s, Size))]
        held: Value = value.value if type(value) is Frozen else value.expr.value
        whole = self.whole(held)
        if whole is None:
            rooms = (trace.rooms.get((frame.region, self.key)) for frame in reversed(trace.frames))
            room = next((room for room in rooms if room is not None), None)
            if room is None:
                room = trace.emit("broadcast", [zero], {"shape": self.room.shape})
            rank = len(self.sizes)
            whole = trace.emit("update", [room, held], {"start": (0,) * rank, "step": (1,) * rank})
        assert isinstance(held.type, TensorType)
        shape = held.type.shape
        varied = [d for s, d in zip(self.sizes, shape, strict=True) if isinstance(s, Size)]
        return [whole, *(trace.size(d).value for d in varied)]

    def wrap(self, trace: Trace, values: Iterator[Value]) -> TracedArray:
        """The array."""
        room = trace.rooms[trace.region, self.key] = next(values)
        shape = tuple(_bound(trace, s, next(values)) if isinstance(s, Size) else s for s in self.sizes)
        facts = {"start": (0,) * len(shape), "size": shape, "step": (1,) * len(shape)}
        return new_array(trace, Expr(trace.builder, trace.emit("slice", [room], facts)))

    def show(self) -> str:
        """In the user's words."""
        sizes = ",".join("..." if isinstance(s, Size) else show_dim(s) for s in self.sizes)
        return f"an array {self.dtype}[{sizes}]"


def _bound(trace: Trace, size: Size, value: Value) -> DimLike:
    """A size in the region where it is carried as `value`; arrays that share it get the same."""
    place = (trace.region, size.key)
    if place not in trace.widths:
        trace.widths[place] = trace.bind_number(value, "w", 0, size.most)
    return trace.widths[place]


def _shape_of(value: Any) -> TensorType | None:
    return _type_of(loosen(value)) if type(value) in (Frozen, TracedArray) else None


def _type_of(slot: Slot) -> TensorType | None:
    slot = by_value(slot)
    return slot.type if isinstance(slot, Array) else None


# ---------------------------------------------------------------- branches


def of_paths(trace: Trace, values: Sequence[Any], sizes: dict[Any, Size]) -> Slot | None:
    """The slot of a name that holds arrays of other sizes on each path, or tuples with such arrays.

    None if it holds something else. `sizes` are those that names of the same branch share.
    """
    if all(type(value) is tuple and len(value) == len(values[0]) for value in values):
        found = [of_paths(trace, column, sizes) for column in zip(*values, strict=True)]
        if not any(found):
            return None
        columns = zip(found, zip(*values, strict=True), strict=True)
        return Tree(values[0], tuple(slot or reduce(join, map(Same, column)) for slot, column in columns))
    return _of_arrays(trace, values, sizes)


def _of_arrays(trace: Trace, values: Sequence[Any], sizes: dict[Any, Size]) -> Resized | None:
    types = [_shape_of(value) for value in values]
    first = types[0]
    if first is None or not first.shape or any(t is None for t in types):
        return None
    known = [t for t in types if t is not None]
    alike = all(t.dtype == first.dtype and t.rank == first.rank for t in known)
    if not alike or all(t.shape == first.shape for t in known):
        return None
    found: list[DimLike | Size] = []
    for dims in zip(*(t.shape for t in known), strict=True):
        if all(d == dims[0] for d in dims):
            found.append(dims[0])
            continue
        if dims not in sizes:
            sizes[dims] = Size(maximum(*map(trace.most, dims)))
        found.append(sizes[dims])
    slot = Resized(first.dtype, tuple(found))
    for value in values:  # a path that leaves it as it was knows where all of them may put theirs
        whole = slot.whole(value.value if type(value) is Frozen else value.expr.value)
        if whole is not None and any(
            room is whole and trace.is_open(region) for (region, _), room in trace.rooms.items()
        ):
            trace.rooms[trace.region, slot.key] = whole
    return slot


# ---------------------------------------------------------------- loops


def of_loop(trace: Trace, variables: Variables, name: str, slot: Slot, value: Any) -> Slot | None:
    """The slot of an array that a body gives other sizes; None if it is not one, or has no bound."""
    end = _shape_of(value)
    if end is None:
        return None
    if isinstance(slot, Resized):
        if end.dtype != slot.dtype or end.rank != len(slot.sizes):
            return None
        here = variables.wrapped[name].view.shape
        return _kept(trace, variables, slot, here, end.shape)
    if isinstance(slot, Same):
        begin = _shape_of(slot.value)
    else:
        begin = _type_of(slot)
    if begin is None or begin.dtype != end.dtype or begin.rank != end.rank or begin.shape == end.shape:
        return None
    found: list[DimLike | Size] = []
    for one, other in zip(begin.shape, end.shape, strict=True):
        size = one if one == other else _first_size(trace, variables, one, other)
        if size is None:
            return None
        found.append(size)
    return Resized(begin.dtype, tuple(found))


def sized_inside(trace: Trace, slot: Slot, is_inner: Callable[[DimLike], bool]) -> Slot:
    """The slot, outside of a path or loop, of arrays whose sizes only what is inside of it knows."""
    if isinstance(slot, Tree):
        return Tree(slot.like, tuple(sized_inside(trace, item, is_inner) for item in slot.items))
    if isinstance(slot, Optional | Nullable):
        return type(slot)(sized_inside(trace, slot.slot, is_inner))
    if not isinstance(slot, Array) or not any(map(is_inner, slot.type.shape)):
        return slot
    return Resized(slot.type.dtype, tuple(Size(trace.most(d)) if is_inner(d) else d for d in slot.type.shape))


def _first_size(trace: Trace, variables: Variables, begin: DimLike, end: DimLike) -> Size | None:
    if (begin, end) not in variables.sizes:
        size = _grown(trace, variables, Size(trace.most(begin)), begin, end)
        if size is None:
            return None
        variables.sizes[begin, end] = size
    return variables.sizes[begin, end]


def _kept(
    trace: Trace, variables: Variables, slot: Resized, here: Sequence[DimLike], end: Sequence[DimLike]
) -> Resized | None:
    """A slot after another trace of the body: sizes that were thought to be shared may not be."""
    found: list[DimLike | Size] = []
    for size, one, other in zip(slot.sizes, here, end, strict=True):
        made: DimLike | Size | None
        if not isinstance(size, Size):
            made = size if size == other else _first_size(trace, variables, size, other)
        else:
            made = _grown(trace, variables, size, one, other)
            if made is not None:
                made = _shared(variables.ends, variables.sizes, made, other)
        if made is None:
            return None
        found.append(made)
    sizes = tuple(found)
    return slot if sizes == slot.sizes else replace(slot, sizes=sizes)


def _shared(ends: dict[Key, DimLike], made: dict[Any, Size], size: Size, end: DimLike) -> Size:
    """The size, or another one for those whose sizes at the end differ from the first's."""
    first = ends.setdefault(size.key, end)
    if first == end:
        return size
    if (size.key, end) not in made:
        made[size.key, end] = replace(size, key=Key())
    return made[size.key, end]


def _grown(trace: Trace, variables: Variables, size: Size, here: DimLike, end: DimLike) -> Size | None:
    """The size with room for what the body gives, which begins with `here`; None if there is no bound."""
    reason = "room for an array whose size a loop changes"
    more = end - here
    with trace.index_again(variables.index):
        if not _has(end, here):
            most = trace.most(end)
            fits = trace.holds(most, "<=", size.most, reason)
            return size if fits else replace(size, most=maximum(size.most, most), step=size.step)
        if trace.holds(trace.most(end), "<=", size.most, reason):
            return size
        if _has(more, here):
            return None
        step = trace.most(more)
    if trace.holds(step, "<=", size.step, reason):
        return size
    if variables.trips is None:
        return None
    return replace(size, most=size.most + (step - size.step) * variables.trips, step=step)


def _has(dim: DimLike, other: DimLike) -> bool:
    """Whether a size depends on another."""
    if not isinstance(dim, Dim) or not isinstance(other, Dim):
        return False
    names = {s.name for s in symbols_of(other)}
    return any(s.name in names for s in symbols_of(dim))
