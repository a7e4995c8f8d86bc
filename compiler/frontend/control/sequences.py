"""What a loop may go over: ranges and arrays by position, without Python asking for their lengths.

Not here: loops (`loops.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from weft.compiler.frontend.arguments import is_made_text
from weft.compiler.frontend.control.generated import Generated
from weft.compiler.frontend.control.iterating import enumerated, zipped
from weft.compiler.frontend.control.joins import Maybe, given, is_listed
from weft.compiler.frontend.control.settling import (
    settled,
)
from weft.compiler.frontend.control.tables import Items, keys_of, seen_now
from weft.compiler.frontend.number import TracedNumber, as_dim, as_expr, size_number
from weft.compiler.frontend.trace import UNBOUNDED, Trace
from weft.compiler.frontend.values import MaskedElements, TracedArray, TracedScalar, class_of, elements
from weft.ir.dims import DimLike, floor_divide, maximum
from weft.ir.expr import cast, select
from weft.ir.types import I64


class Sequence:
    """`length` items, made from their positions by `at`."""

    __slots__ = ("at", "length", "text", "trace")

    def __init__(self, trace: Trace, length: DimLike, at: Callable[[DimLike], Any], text: str) -> None:
        self.trace, self.length, self.at, self.text = trace, length, at, text

    def __repr__(self) -> str:
        return self.text

    def __len__(self) -> int:
        return self.trace.pin(self.length, f"length of {self.text}")

    def __iter__(self) -> Iterator[Any]:
        for k in range(len(self)):
            yield self.at(k)

    def after_first(self) -> Sequence:
        """All items but the first."""
        return Sequence(self.trace, self.length - 1, lambda k: self.at(k + 1), self.text)

    def __getitem__(self, key: Any) -> Any:
        if as_dim(key) is None or self.trace.changes(as_dim(key) or 0):
            raise self.trace.refuse(f"an item of {self.text} by a traced position", "compute it", "E051")
        dim = as_dim(key)
        assert dim is not None
        return self.at(dim if self.trace.holds(dim, ">=", 0, "index of a sequence") else dim + self.length)


class Range(Sequence):
    """Python's range with bounds that are sizes."""

    __slots__ = ("start", "step", "stop")

    def __init__(self, trace: Trace, start: DimLike, stop: DimLike, step: int) -> None:
        self.start, self.stop, self.step = start, stop, step
        span = stop - start if step > 0 else start - stop
        length = maximum(floor_divide(span + (abs(step) - 1), abs(step)), 0)
        super().__init__(trace, length, lambda k: size_number(trace, start + k * step), "range")

    def after_first(self) -> Range:
        """All items but the first."""
        return Range(self.trace, self.start + self.step, self.stop, self.step)


def as_bound(trace: Trace, value: Any) -> DimLike:
    """An int of any sort as a size; one that the program computes becomes a symbol."""
    value = given(value.value if type(value) is Maybe else value)
    dim = as_dim(value)
    if dim is not None:
        return dim
    if type(value) is bool:
        return int(value)
    if type(value) is TracedNumber and value.type is not float:
        return trace.number_as_size(as_expr(trace, value, I64).value)
    if (type(value) is TracedScalar and value.dtype.kind in "iub") or (
        type(value) is TracedArray and value.dtype.kind in "iu" and not value.view.shape
    ):
        return trace.number_as_size(cast(elements(trace, value), I64).value)
    return value.__index__()


def make_range(trace: Trace, *bounds: Any) -> Any:
    """`range(...)`: Python's own if everything is known."""
    if all(type(v) is int for v in bounds) or not 1 <= len(bounds) <= 3:
        return range(*bounds)
    dims = [as_bound(trace, v) for v in bounds]
    start, stop = (0, dims[0]) if len(dims) == 1 else (dims[0], dims[1])
    step = dims[2] if len(dims) == 3 else 1
    if not isinstance(step, int):
        return _range_by_step(trace, start, stop, step)
    if step == 0:
        raise ValueError("range() arg 3 must not be zero")
    return Range(trace, start, stop, step)


def _range_by_step(trace: Trace, start: DimLike, stop: DimLike, step: DimLike) -> Sequence:
    """A step that is a size: counted from 0."""
    up = trace.known(step, ">", 0, "sign of the step of a range")
    if up is None:
        return _range_of_any_sign(trace, start, stop, step)
    span, width = (stop - start, step) if up else (start - stop, -step)
    length = maximum(floor_divide(span + width - 1, width), 0)
    return Sequence(trace, length, lambda k: size_number(trace, start + k * step), "range")


def _range_of_any_sign(trace: Trace, start: DimLike, stop: DimLike, step: DimLike) -> Sequence:
    """A step whose sign the program computes: so is the number of items."""
    by, span = trace.size(step), trace.size(stop) - trace.size(start)
    zero, one = trace.constant(0, I64), trace.constant(1, I64)
    trace.fail_unless(by.apply("not_equal", zero), ValueError("range() arg 3 must not be zero"))
    up = by.apply("greater", zero)
    divisor = select(by.apply("equal", zero), one, by)
    count = (span + by - select(up, one, zero - one)).apply("floor_divide", divisor)
    count = select(count.apply("greater", zero), count, zero)
    most = maximum(stop - start, start - stop) if not trace.changes(stop - start) else UNBOUNDED
    length = trace.bind_number(count.value, "k", 0, most)
    return Sequence(trace, length, lambda k: size_number(trace, start + k * step), "range")


def as_sequence(trace: Trace, value: Any) -> Sequence | None:
    """A sequence that a loop can go over by position; None for what Python iterates."""
    if isinstance(value, Sequence):
        return value
    if hasattr(class_of(value), "loop_items"):
        return value.loop_items()
    if is_made_text(value):
        length = as_bound(trace, value.asked(len, "int"))
        return Sequence(trace, length, lambda k: value[size_number(trace, k)], "a str")
    value = seen_now(value)
    if isinstance(value, Items):
        return make_zip(trace, value.table.keys, value.table.values)
    value = value.elements if type(value) is MaskedElements else keys_of(value)
    if is_listed(value):
        stack = settled(trace, value)
        arrays = stack.arrays()
        return Sequence(trace, stack.length, lambda k: stack.at(size_number(trace, k), arrays), "a list")
    if type(value) is range:
        return Range(trace, value.start, value.stop, value.step)
    if type(value) is TracedArray:
        if not value.view.shape:
            raise TypeError("iteration over a 0-d array")
        return Sequence(trace, value.view.shape[0], lambda k: value[size_number(trace, k)], "an array")
    return None


def in_order(trace: Trace, value: Any) -> Any:
    """As `as_sequence`; what Python iterates stays what it is."""
    found = as_sequence(trace, value)
    return value if found is None else found


def _lengths(trace: Trace, parts: list[Any]) -> list[Sequence] | None:
    """All parts by position, if at least one is traced or a range and none is a container."""
    found = [as_sequence(trace, part) for part in parts]
    return [one for one in found if one is not None] if found and None not in found else None


def make_enumerate(trace: Trace, value: Any, start: Any = 0) -> Any:
    """`enumerate(...)`."""
    if isinstance(value, Generated):
        return trace.run(enumerated, value, start)
    one, first = as_sequence(trace, value), as_dim(start)
    if one is None or first is None:
        return enumerate(value, start)
    return Sequence(trace, one.length, lambda k: (size_number(trace, k + first), one.at(k)), "enumerate")


def make_zip(trace: Trace, *values: Any, strict: bool = False) -> Any:
    """`zip(...)`: as long as the shortest."""
    parts = _lengths(trace, list(values))
    if parts is None:
        return _zip_generator(trace, values, strict=strict)
    length = _least(trace, parts)
    return Sequence(trace, length, lambda k: tuple(part.at(k) for part in parts), "zip")


def _zip_generator(trace: Trace, values: tuple[Any, ...], *, strict: bool) -> Any:
    """`zip(...)` of one generator and what is taken by position; Python's own of others."""
    places = [k for k, value in enumerate(values) if isinstance(value, Generated)]
    others = _lengths(trace, [value for value in values if not isinstance(value, Generated)])
    if len(places) != 1 or others is None or strict:
        return zip(*values, strict=strict)
    place, length = places[0], size_number(trace, _least(trace, others))
    before, after = (tuple(map(ByPosition, part)) for part in (others[:place], others[place:]))
    return trace.run(zipped, before, values[place], after, length)


class ByPosition:
    """A sequence of which any item is taken, also by a position that the program computes."""

    __slots__ = ("items",)

    def __init__(self, items: Sequence) -> None:
        self.items = items

    def __getitem__(self, key: Any) -> Any:
        return self.items.at(as_bound(self.items.trace, key))


def _least(trace: Trace, parts: list[Sequence]) -> DimLike:
    """The length of the shortest."""
    length = parts[0].length
    for part in parts[1:]:
        is_shorter = trace.known(part.length, "<", length, "lengths of zip")
        if is_shorter is None:
            least = trace.size(part.length).apply("minimum", trace.size(length))
            most = trace.most(length) if trace.has_bound(length) else UNBOUNDED
            length = trace.bind_number(least.value, "k", 0, most)
        elif is_shorter:
            length = part.length
    return length


def make_reversed(trace: Trace, value: Any) -> Any:
    """`reversed(...)`."""
    one = as_sequence(trace, value)
    if one is None:
        return reversed(value)
    if isinstance(one, Range):
        last = one.start + (one.length - 1) * one.step
        if abs(one.step) == 1:
            return Range(trace, last, one.start - one.step, -one.step)
    return Sequence(trace, one.length, lambda k: one.at(one.length - 1 - k), "reversed")
