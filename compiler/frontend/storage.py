"""Memory as the tracer sees it.

Storages, whose SSA value changes, and views of them through chains of lenses (D3). A view reads by applying
its lenses to the storage's current value and writes by inverting them, innermost last. Strides are tracked in
elements, so that `reshape` knows whether NumPy gives a view; None is a stride not known. Not here: which
index makes which lens (`indexing.py`), what a user touches (`values.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, Protocol

from weft.compiler.frontend.bits import converted
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, floor_divide
from weft.ir.node import Region, Value
from weft.ir.ops.shape import inverse_permutation
from weft.ir.types import I64, DType, TensorType

if TYPE_CHECKING:
    from weft.compiler.frontend.trace import Trace

Shape = tuple[DimLike, ...]
Strides = tuple[DimLike | None, ...]


def row_major(shape: Sequence[DimLike]) -> Strides:
    """Strides of dense memory, last axis fastest."""
    strides: list[DimLike | None] = []
    step: DimLike = 1
    for size in reversed(shape):
        strides.insert(0, step)
        step = step * size
    return tuple(strides)


class Lens(Protocol):
    """One way to see part of a tensor, or all of it in another shape."""

    def shape(self, shape: Shape) -> Shape:
        """Shape of what is seen of a tensor of `shape`."""
        ...

    def strides(self, shape: Shape, strides: Strides) -> Strides:
        """Strides of what is seen."""
        ...

    def read(self, trace: Trace, whole: Value) -> Value:
        """What is seen of `whole`."""
        ...

    def write(self, trace: Trace, whole: Value, part: Value) -> Value:
        """`whole` with what is seen replaced by `part`."""
        ...


@dataclass(frozen=True, slots=True)
class Slice:
    """`size` elements of each axis from `start` in steps of `step`."""

    start: Shape
    size: Shape
    step: Shape

    def shape(self, shape: Shape) -> Shape:  # noqa: D102
        return self.size

    def strides(self, shape: Shape, strides: Strides) -> Strides:  # noqa: D102
        return tuple(None if s is None else s * step for s, step in zip(strides, self.step, strict=True))

    def read(self, trace: Trace, whole: Value) -> Value:  # noqa: D102
        places = {"start": self.start, "size": self.size, "step": self.step}
        return trace.emit("slice", [whole], places)

    def write(self, trace: Trace, whole: Value, part: Value) -> Value:  # noqa: D102
        return trace.emit("update", [whole, part], {"start": self.start, "step": self.step})


@dataclass(frozen=True, slots=True)
class Transpose:
    """Axis k of what is seen is axis `axes[k]`."""

    axes: tuple[int, ...]

    def shape(self, shape: Shape) -> Shape:  # noqa: D102
        return tuple(shape[k] for k in self.axes)

    def strides(self, shape: Shape, strides: Strides) -> Strides:  # noqa: D102
        return tuple(strides[k] for k in self.axes)

    def read(self, trace: Trace, whole: Value) -> Value:  # noqa: D102
        return trace.emit("transpose", [whole], {"axes": self.axes})

    def write(self, trace: Trace, whole: Value, part: Value) -> Value:  # noqa: D102
        return trace.emit("transpose", [part], {"axes": inverse_permutation(self.axes)})


@dataclass(frozen=True, slots=True)
class Reshape:
    """All elements in another shape; `seen` are the strides that the new axes have."""

    target: Shape
    seen: Strides

    def shape(self, shape: Shape) -> Shape:  # noqa: D102
        return self.target

    def strides(self, shape: Shape, strides: Strides) -> Strides:  # noqa: D102
        return self.seen

    def read(self, trace: Trace, whole: Value) -> Value:  # noqa: D102
        return trace.builder.reshape(trace.expr(whole), self.target).value

    def write(self, trace: Trace, whole: Value, part: Value) -> Value:  # noqa: D102
        assert isinstance(whole.type, TensorType)
        return trace.builder.reshape(trace.expr(part), whole.type.shape).value


@dataclass(frozen=True, slots=True)
class Flat(Reshape):
    """`x.flat`: what one reads of it by slices is a copy, as NumPy's iterator gives it."""


@dataclass(frozen=True, slots=True)
class Broadcast:
    """NumPy's broadcast; such a view is read-only."""

    target: Shape

    def shape(self, shape: Shape) -> Shape:  # noqa: D102
        return self.target

    def strides(self, shape: Shape, strides: Strides) -> Strides:  # noqa: D102
        skip = len(self.target) - len(shape)
        kept = [s if size != 1 else 0 for s, size in zip(strides, shape, strict=True)]
        return (*(0,) * skip, *kept)

    def read(self, trace: Trace, whole: Value) -> Value:  # noqa: D102
        ty = whole.type
        assert isinstance(ty, TensorType)
        ends = self.target[len(self.target) - len(ty.shape) :]
        same = tuple(d if d == 1 else t for d, t in zip(ty.shape, ends, strict=True))  # equal by a guard
        return trace.emit(
            "broadcast", [trace.emit("reshape", [whole], {"shape": same})], {"shape": self.target}
        )

    def write(self, trace: Trace, whole: Value, part: Value) -> Value:  # noqa: D102
        raise ValueError("assignment destination is read-only")


@dataclass(frozen=True, slots=True)
class Diagonal:
    """The first `size` elements whose indices on the last two axes are equal; read-only but for einsum's."""

    size: DimLike
    is_writeable: bool = False

    def shape(self, shape: Shape) -> Shape:
        return (*shape[:-2], self.size)

    def strides(self, shape: Shape, strides: Strides) -> Strides:
        *others, row, column = strides
        return (*others, None if row is None or column is None else row + column)

    def read(self, trace: Trace, whole: Value) -> Value:
        assert isinstance(whole.type, TensorType)
        rank = whole.type.rank
        places = trace.emit("iota", [], {"size": self.size, "dtype": I64})
        found = trace.emit("gather", [whole, places, places], {"axes": (rank - 2, rank - 1)})
        return trace.emit("transpose", [found], {"axes": (*range(1, rank - 1), 0)}) if rank > 2 else found

    def write(self, trace: Trace, whole: Value, part: Value) -> Value:
        if not self.is_writeable:
            raise ValueError("assignment destination is read-only")
        assert isinstance(whole.type, TensorType)
        rank = whole.type.rank
        places = trace.emit("iota", [], {"size": self.size, "dtype": I64})
        if rank > 2:
            part = trace.emit("transpose", [part], {"axes": (rank - 2, *range(rank - 2))})
        return trace.emit(
            "scatter", [whole, part, places, places], {"axes": (rank - 2, rank - 1), "mode": "set"}
        )


@dataclass(frozen=True, slots=True)
class Windows:
    """All windows of some sizes along `axes`, on new last axes; such a view is read-only."""

    axes: tuple[int, ...]
    sizes: Shape

    def shape(self, shape: Shape) -> Shape:  # noqa: D102
        found = list(shape)
        for axis, size in zip(self.axes, self.sizes, strict=True):
            found[axis] = found[axis] - size + 1
        return (*found, *self.sizes)

    def strides(self, shape: Shape, strides: Strides) -> Strides:  # noqa: D102
        return (*strides, *(strides[k] for k in self.axes))

    def read(self, trace: Trace, whole: Value) -> Value:  # noqa: D102
        builder = trace.builder
        for axis, size in zip(self.axes, self.sizes, strict=True):
            assert isinstance(whole.type, TensorType)
            rank = whole.type.rank
            shape = (whole.type.shape[axis] - size + 1, size)
            starts, steps = (trace.emit("iota", [], {"size": n, "dtype": I64}) for n in shape)
            column = builder.reshape(trace.expr(starts), (shape[0], 1))
            places = builder.broadcast(column, shape) + builder.broadcast(trace.expr(steps), shape)
            found = trace.emit("gather", [whole, places.value], {"axes": (axis,)})
            order = (*range(2, axis + 2), 0, *range(axis + 2, rank + 1), 1)
            whole = trace.emit("transpose", [found], {"axes": order})
        return whole

    def write(self, trace: Trace, whole: Value, part: Value) -> Value:  # noqa: D102
        raise ValueError("assignment destination is read-only")


@dataclass(frozen=True, slots=True)
class Pick:
    """One position, computed while the program runs, on each of some axes, which vanish."""

    axes: tuple[int, ...]
    positions: tuple[Value, ...]

    def shape(self, shape: Shape) -> Shape:  # noqa: D102
        return tuple(d for k, d in enumerate(shape) if k not in self.axes)

    def strides(self, shape: Shape, strides: Strides) -> Strides:  # noqa: D102
        return tuple(s for k, s in enumerate(strides) if k not in self.axes)

    def read(self, trace: Trace, whole: Value) -> Value:  # noqa: D102
        return trace.emit("gather", [whole, *self.positions], {"axes": self.axes})

    def write(self, trace: Trace, whole: Value, part: Value) -> Value:  # noqa: D102
        facts = {"axes": self.axes, "mode": "set"}
        return trace.emit("scatter", [whole, part, *self.positions], facts)


def dims_of(lens: Lens) -> Shape:
    """The sizes and positions in a lens."""
    match lens:
        case Slice():
            return (*lens.start, *lens.size, *lens.step)
        case Reshape() | Broadcast():
            return lens.target
        case Diagonal():
            return (lens.size,)
        case Windows():
            return lens.sizes
        case _:
            return ()


@dataclass(frozen=True, slots=True)
class Part:
    """The real or the imaginary parts of complex elements, which lie two apart."""

    name: Literal["real", "imag"]

    def shape(self, shape: Shape) -> Shape:  # noqa: D102
        return shape

    def strides(self, shape: Shape, strides: Strides) -> Strides:  # noqa: D102
        return tuple(None if s is None else s * 2 for s in strides)

    def read(self, trace: Trace, whole: Value) -> Value:  # noqa: D102
        return trace.emit(self.name, [whole])

    def write(self, trace: Trace, whole: Value, part: Value) -> Value:  # noqa: D102
        other = trace.emit("imag" if self.name == "real" else "real", [whole])
        return trace.emit("complex", [part, other] if self.name == "real" else [other, part])


@dataclass(frozen=True, slots=True)
class Bits:
    """The bytes as elements of another dtype; `given` is what they are of."""

    dtype: DType
    given: DType

    def shape(self, shape: Shape) -> Shape:  # noqa: D102
        if not shape:
            return shape
        length = floor_divide(shape[-1] * self.given.size_bytes, self.dtype.size_bytes)
        return (*shape[:-1], length)

    def strides(self, shape: Shape, strides: Strides) -> Strides:  # noqa: D102
        given, wanted = self.given.size_bytes, self.dtype.size_bytes
        if given == wanted or not shape:
            return strides
        others = [None if s is None or given < wanted else s * (given // wanted) for s in strides[:-1]]
        if strides == row_major(shape):
            return row_major(self.shape(shape))
        return (*others, 1)

    def read(self, trace: Trace, whole: Value) -> Value:  # noqa: D102
        return converted(trace.expr(whole), self.dtype).value

    def write(self, trace: Trace, whole: Value, part: Value) -> Value:  # noqa: D102
        return converted(trace.expr(part), self.given).value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several arrays of a type, as the i64 scalar `index` says (`control/either.py`)."""

    index: Value
    arrays: tuple[Any, ...]

    @property
    def views(self) -> tuple[View, ...]:
        """What they show."""
        return tuple(array.view for array in self.arrays)

    @property
    def version(self) -> int:
        """How often any of them was written."""
        return sum(view.storage.version for view in self.views)


@dataclass(slots=True, eq=False)
class Storage:
    """Memory of one array: its current value, and how often it was written.

    `parameter` is the number of the parameter that it came in by, None for what the program made itself.
    `depth` is the number of regions that were open when it came to be, `variable` the Variable whose memory
    it is. Names are for messages.
    """

    value: Value
    strides: Strides
    parameter: int | None = None
    writeable: bool = True
    name: str = ""
    depth: int = 0
    version: int = 0
    writes: int = 0
    origins: list[Storage] = field(default_factory=list["Storage"])  # what it is a join of, by value
    copies: list[Storage] = field(default_factory=list["Storage"])  # joins that it is part of
    left: bool = False  # written as a part of a join, or a join whose part was written: not to be used
    variable: object = None
    in_list: bool = False  # holds the items of a list
    of_items: bool = False  # made of a list: NumPy gives one without items one axis, and float64
    fixed: bool = False  # not to be written: parts of it may be one and the same list or array in Python
    joined: str = ""  # the name for which it is a join by value
    linked: list[Storage] = field(default_factory=list["Storage"])  # those that are it, or may be, in Python
    is_carried: bool = False  # what a name is at the start of an iteration, by value
    choice: Choice | None = None  # no memory of its own: one of several arrays

    @property
    def type(self) -> TensorType:
        """Element type and shape."""
        assert isinstance(self.value.type, TensorType)
        return self.value.type

    def is_own(self, depth: int) -> bool:
        """Whether it is memory that came to be in the innermost of so many regions."""
        return self.choice is None and self.depth >= depth

    def link(self, other: Storage) -> None:
        """Note that both may be one in Python."""
        if other not in self.linked:
            self.linked.append(other)
            other.linked.append(self)

    def memory(self) -> list[Storage]:
        """Itself, or the storages one of which it is."""
        return [self] if self.choice is None else [view.storage for view in self.choice.views]

    def possible(self) -> list[Storage]:
        """Itself and all that it may be in Python, if it is a join."""
        found: list[Storage] = [self]
        for one in found:
            found += [other for other in one.origins if other not in found]
        return found


@dataclass(slots=True, eq=False)
class View:
    """A storage seen through the lenses of the views it was made from, `lens` last; a root has neither."""

    storage: Storage
    shape: Shape
    strides: Strides
    base: View | None = None
    lens: Lens | None = None
    _seen: tuple[int, Region, Value] | None = field(default=None, repr=False)

    @staticmethod
    def of(storage: Storage) -> View:
        """All of it."""
        return View(storage, storage.type.shape, storage.strides)

    def through(self, lens: Lens) -> View:
        """What `lens` shows of this view."""
        return View(self.storage, lens.shape(self.shape), lens.strides(self.shape, self.strides), self, lens)

    @property
    def lenses(self) -> tuple[Lens, ...]:
        """From the storage outwards."""
        if self.base is None or self.lens is None:
            return ()
        return (*self.base.lenses, self.lens)

    @property
    def dtype(self) -> DType:
        """Type of the elements that are seen."""
        dtype = self.storage.type.dtype
        for lens in self.lenses:
            if isinstance(lens, Part):
                dtype = dtype.part
            elif isinstance(lens, Bits):
                dtype = lens.dtype
        return dtype

    @property
    def is_writeable(self) -> bool:
        """Whether NumPy lets one write to it."""
        return self.storage.writeable and not any(map(_is_read_only, self.lenses))

    @property
    def is_dense(self) -> bool:
        """Whether its elements lie in row-major order without gaps."""
        expected = row_major(self.shape)
        return all(d == 1 or a == b for d, a, b in zip(self.shape, self.strides, expected, strict=True))

    def shown(self, view: View) -> View:
        """What the lenses of this view show of another."""
        for lens in self.lenses:
            view = view.through(lens)
        return view

    def read(self, trace: Trace) -> Value:
        """The elements now; remembered until the storage changes."""
        choice = self.storage.choice
        if choice is not None:
            return self._read_chosen(trace, choice)
        if self.base is None or self.lens is None:
            return trace.current_value(self.storage)  # pyright: ignore[reportArgumentType] -- this very class, found by two paths
        # a region that reads it for the first time starts a new version
        trace.current_value(self.storage)  # pyright: ignore[reportArgumentType] -- this very class, found by two paths
        if self._seen is not None and self._seen[0] == self.storage.version and trace.is_open(self._seen[1]):
            return self._seen[2]
        value = self.lens.read(trace, self.base.read(trace))
        self._seen = (self.storage.version, trace.region, value)
        return value

    def _read_chosen(self, trace: Trace, choice: Choice) -> Value:
        for view in choice.views:
            trace.current_value(view.storage)  # pyright: ignore[reportArgumentType] -- this very class, found by two paths
        if self._seen is None or self._seen[0] != choice.version or not trace.is_open(self._seen[1]):
            value = trace.read_chosen(self)  # pyright: ignore[reportArgumentType] -- this very class, found by two paths
            self._seen = (choice.version, trace.region, value)
        return self._seen[2]

    def write(self, trace: Trace, part: Value) -> None:
        """Replace the elements; `part` has this view's type."""
        if self.storage.choice is not None:
            trace.write_chosen(self, part)  # pyright: ignore[reportArgumentType] -- this very class, found by two paths
            return
        if self.base is None or self.lens is None:
            trace.set_value(self.storage, part)  # pyright: ignore[reportArgumentType] -- this very class, found by two paths
            return
        self.base.write(trace, self.lens.write(trace, self.base.read(trace), part))
        self._seen = (self.storage.version, trace.region, part)


def _is_read_only(lens: Lens) -> bool:
    return isinstance(lens, Broadcast | Windows) or (isinstance(lens, Diagonal) and not lens.is_writeable)


def reshape_strides(shape: Shape, strides: Strides, target: Shape) -> Strides | None:
    """Strides of a view in the shape `target`, or None where NumPy would have to copy.

    Method: NumPy's `_attempt_nocopy_reshape`, with sizes that may be expressions.
    """
    old = [(d, s) for d, s in zip(shape, strides, strict=True) if d != 1]
    result: list[DimLike | None] = []
    taken = 0
    k = 0
    while k < len(target):
        if target[k] == 1:
            result.append(old[taken - 1][1] if taken else 1)
            k += 1
            continue
        if taken == len(old):
            return None
        end, stop = _group(old, taken, target, k)
        inner = _merged(old[taken:end])
        if inner is None and not (end - taken == 1 and stop - k == 1):
            return None
        part = list(row_major(target[k:stop]))
        result += [None if inner is None else s * inner for s in part if s is not None]
        taken, k = end, stop
    return tuple(result)


def _group(
    old: list[tuple[DimLike, DimLike | None]], taken: int, target: Shape, first: int
) -> tuple[int, int]:
    """The shortest runs of axes from both sides with products known to be equal: where they end."""
    for end in range(taken + 1, len(old) + 1):
        total: DimLike = 1
        for size, _ in old[taken:end]:
            total = total * size
        product: DimLike = 1
        for stop in range(first, len(target)):
            product = product * target[stop]
            if product == total:
                return end, stop + 1
    return len(old), len(target)


def _merged(axes: list[tuple[DimLike, DimLike | None]]) -> DimLike | None:
    """Stride of the last of some axes if all of them together are one, else None."""
    for (_, outer), (size, inner) in pairwise(axes):
        if outer is None or inner is None or outer != size * inner:
            return None
    return axes[-1][1]


__all__ = [
    "Bits",
    "Broadcast",
    "Flat",
    "Lens",
    "Part",
    "Pick",
    "Reshape",
    "Shape",
    "Slice",
    "Storage",
    "Strides",
    "Transpose",
    "View",
    "Windows",
    "reshape_strides",
    "row_major",
]  # fmt: skip
