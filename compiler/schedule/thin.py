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
from weft.ir.dims import DimLike, decide
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
        """Reads elements of rows that are lanes from a vector of all elements of the rows."""
        writer, builder, known = self.writer, self.writer.builder, dict[Index, list[Expr]]()
        ty, lanes = entry.buffer.type, self.writer.lanes
        assert isinstance(ty, BufferType)

        def rows(start: Expr) -> list[Expr]:
            found: list[Expr] = []
            buffer = bytes_of(writer, entry.buffer)
            for at in range(0, self.count * lanes, lanes):
                place = start + at if at else start
                operands = [buffer, place.value, *(m.value for m in self._mask(at, lanes))]
                op = builder.emit("load", operands, {"lanes": lanes, "stride": 1})
                found.append(builder.expr(op.result))
            return found

        def read(index: Index) -> Expr:
            first = (*index[:-1], 0)
            offset, k = writer.offset(first, ty.shape, None), index[-1]
            apart = writer.lane_coefficient(offset) if writer.is_spread(offset) else None
            if not isinstance(k, int) or apart != self.count or writer.builder is not builder:
                return writer.load(entry.buffer, index, entry.strides)
            if first not in known:
                known[first] = rows(writer.number(offset))
            e = picked(known[first], [divmod(k + self.count * j, lanes) for j in range(lanes)])
            return e.ne(0) if ty.dtype == BOOL else e

        return read

    def _mask(self, first: int, lanes: int) -> list[Expr]:
        """That of the rows, for some of their elements."""
        writer = self.writer
        if writer.mask is None:
            return []
        order = tuple((first + j) // self.count for j in range(lanes))
        return [shuffled([writer.here(writer.mask)], order)]


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
