"""Results whose last axis has a few elements: lanes are rows, what rows have of each element is interleaved.

`np.stack([x, y], -1)`, points plus an offset, `np.repeat(x, 3)`: a loop over the last axis would fill a few
lanes of a vector. So an element of each of many rows is computed in lanes, all elements of a row one after
another, and written side by side; inputs of the same form are read so. Not here: the loops (`pointwise.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from weft.compiler.schedule.element import Index, Writer
from weft.compiler.schedule.kernel import Input, Kernel, Root
from weft.ir import BufferType, Expr, TensorType, Value
from weft.ir.dims import Dim, DimLike, decide
from weft.ir.expr import cast
from weft.ir.types import BOOL, U8

MOST = 8
"""Elements of a row."""
LEAST = 16
"""Rows."""

Coefficient = Callable[[DimLike, str], DimLike | None]


def is_thin(
    kernel: Kernel,
    roots: Sequence[Root],
    offsets: Sequence[DimLike],
    symbols: Sequence[str],
    sizes: Sequence[DimLike],
    coefficient: Coefficient,
) -> bool:
    """Whether rows of every result are dense and side by side; `offsets` begin with those of the results."""
    if len(symbols) < 2 or not isinstance(sizes[-1], int) or not 2 <= sizes[-1] <= MOST:
        return False
    if kernel.lanes(1) < 2 or any(op.regions for op in kernel.ops) or decide(sizes[-2], "<", LEAST) is True:
        return False
    steps = ((symbols[-2], sizes[-1]), (symbols[-1], 1))
    dense = all(coefficient(o, name) == step for o in offsets[: len(roots)] for name, step in steps)
    return dense and not any(r.buffer in kernel.layouts for r in roots)


class Thin:
    """Elements of rows in lanes."""

    def __init__(self, kernel: Kernel, writer: Writer, count: int) -> None:
        self.kernel = kernel
        self.writer = writer
        self.count = count

    def store(self, roots: Sequence[Root], place: Callable[[int], Index], streamed: Sequence[bool]) -> None:
        """Write all elements of the rows that are lanes; `place(k)` is the index of element k of a row."""
        writer = self.writer
        if writer.lanes == 1:
            raise AssertionError("rows are lanes")
        saved = dict(writer.sources)
        for entry in self.kernel.inputs:
            if self._has_rows(entry):
                writer.sources[entry.value] = self._reader(entry)
        found = [[writer.element(root.value, place(k)) for root in roots] for k in range(self.count)]
        writer.sources = saved
        for number, root in enumerate(roots):
            parts = [writer.splat(writer.here(row[number]), writer.lanes) for row in found]
            ty = root.buffer.type
            assert isinstance(ty, BufferType)
            first = writer.number(writer.offset(root.place(place(0)), ty.shape, None))
            at, buffer = 0, bytes_of(writer, root.buffer)
            parts = [cast(e, U8) for e in parts] if ty.dtype == BOOL else parts
            for e in interleaved(parts):
                mask = self._mask(at, lanes_of(e))
                facts = {"streamed": True} if streamed[number] and not mask else {}
                start = first + at if at else first
                operands = [e.value, buffer, start.value, *(m.value for m in mask)]
                writer.builder.emit("store", operands, {"stride": 1, **facts})
                at += lanes_of(e)

    def _has_rows(self, entry: Input) -> bool:
        ty = entry.value.type
        assert isinstance(ty, TensorType)
        return not entry.strides and ty.rank > 1 and ty.shape[-1] == self.count

    def _reader(self, entry: Input) -> Callable[[Index], Expr]:
        """Reads elements of rows that are lanes from vectors of all elements of the rows."""
        return reader_of(self.writer, entry, self.count, lambda index, _offset: index[-1])

    def _mask(self, first: int, lanes: int) -> list[Expr]:
        return mask_of(self.writer, self.count, first, lanes)


def reader_of(
    writer: Writer, entry: Input, count: int, number: Callable[[Index, DimLike], DimLike]
) -> Callable[[Index], Expr]:
    """Reads lanes that are `count` elements apart as parts of vectors that hold all of these.

    `number` says which of `count` elements that lie side by side, and are all in memory, an index means.
    """
    builder, known = writer.builder, dict[tuple[DimLike, Value | None], list[Expr]]()
    ty, lanes = entry.buffer.type, writer.lanes
    assert isinstance(ty, BufferType)

    def rows(start: Expr) -> list[Expr]:
        found: list[Expr] = []
        buffer = bytes_of(writer, entry.buffer)
        for at in range(0, count * lanes, lanes):
            place = start + at if at else start
            operands = [buffer, place.value, *(m.value for m in mask_of(writer, count, at, lanes))]
            op = builder.emit("load", operands, {"lanes": lanes, "stride": 1})
            found.append(builder.expr(op.result))
        return found

    def read(index: Index) -> Expr:
        offset = writer.offset(index, ty.shape, None)
        k = number(index, offset)
        apart = writer.lane_coefficient(offset) if writer.is_spread(offset) else None
        if not isinstance(k, int) or not 0 <= k < count or apart != count or writer.builder is not builder:
            return writer.load(entry.buffer, index, entry.strides)
        first, mask = offset - k, writer.mask
        key = first, None if mask is None else mask.value
        if key not in known:
            known[key] = rows(writer.number(first))
        e = picked(known[key], [divmod(k + count * j, lanes) for j in range(lanes)])
        return e.ne(0) if ty.dtype == BOOL else e

    return read


def mask_of(writer: Writer, count: int, first: int, lanes: int) -> list[Expr]:
    """The mask of lanes, for `count` elements of each, from element `first` of them on."""
    if writer.mask is None:
        return []
    order = tuple((first + j) // count for j in range(lanes))
    return [shuffled([writer.here(writer.mask)], order)]


def neighbours_of(
    kernel: Kernel, reads: Sequence[tuple[Value, DimLike]], symbol: str, coefficient: Coefficient
) -> dict[Value, tuple[int, int]]:
    """Inputs that are read at all of some places side by side: how many, and the least constant of an offset.

    `x[0::2] + x[1::2]`, the colours of a picture: neighbours of lanes are elements of other lanes. Where some
    are read under a condition alone, others may lie outside of memory.
    """
    found: dict[Value, tuple[int, int]] = {}
    if any(op.name in ("update", "gather") or op.regions for op in kernel.ops):
        return found
    for entry in kernel.inputs:
        offsets = [offset for value, offset in reads if value is entry.value]
        steps = {coefficient(offset, symbol) for offset in offsets}
        step = steps.pop() if len(steps) == 1 else None
        constants = {constant_of(offset) for offset in offsets}
        is_one = len({offset - constant_of(offset) for offset in offsets}) == 1
        if entry.strides or not isinstance(step, int) or not 2 <= step <= MOST or not is_one:
            continue
        if constants == set(range(min(constants), min(constants) + step)):
            found[entry.value] = step, min(constants)
    return found


def constant_of(offset: DimLike) -> int:
    """The part of an offset that is a number."""
    if not isinstance(offset, Dim):
        return offset
    return sum(factor for monomial, factor in offset.terms if not monomial)


def bytes_of(writer: Writer, buffer: Value) -> Value:
    """Memory of bools as bytes: vectors of these are put together at less cost."""
    ty = buffer.type
    assert isinstance(ty, BufferType)
    if ty.dtype != BOOL:
        return buffer
    return writer.builder.emit("view", [buffer], {"type": replace(ty, dtype=U8)}).result


def interleaved(parts: Sequence[Expr]) -> list[Expr]:
    """Lane j of each part in turn, for each j: one vector, or one for each part unless they halve to one."""
    count, lanes = len(parts), lanes_of(parts[0])
    if count == 1:
        return [parts[0]]
    if count & (count - 1):
        places = [(p % count, p // count) for p in range(count * lanes)]
        return [picked(parts, places[at : at + lanes]) for at in range(0, count * lanes, lanes)]
    (first,), (second,) = interleaved(parts[::2]), interleaved(parts[1::2])
    half = lanes_of(first)
    return [shuffled([first, second], tuple(k + side * half for k in range(half) for side in (0, 1)))]


def picked(vectors: Sequence[Expr], places: Sequence[tuple[int, int]]) -> Expr:
    """Lanes of vectors of one length: which vector, which lane."""
    lanes = lanes_of(vectors[0])
    first, *others = sorted({number for number, _ in places})
    found = shuffled([vectors[first]], tuple(lane if n == first else 0 for n, lane in places))
    for other in others:
        order = tuple(lanes + lane if n == other else j for j, (n, lane) in enumerate(places))
        found = shuffled([found, vectors[other]], order)
    return found


def lanes_of(e: Expr) -> int:
    """How many lanes a vector has."""
    lanes = getattr(e.type, "lanes", 1)
    assert isinstance(lanes, int)
    return lanes


def shuffled(pair: Sequence[Expr], order: tuple[int, ...]) -> Expr:
    """Lanes of one or two vectors in an order."""
    builder = pair[0].builder
    return Expr(builder, builder.emit("shuffle", [e.value for e in pair], {"order": order}).result)
