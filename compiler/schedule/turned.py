"""Reads across memory: inputs of pointwise kernels with neighbours along the vector axis far apart (`x.T`).

The loops run over tiles; what a tile reads of such an input is first turned in registers and put in scratch,
whose rows are then read like any other. Not here: the loops of other kernels (`pointwise.py`).
"""

from collections.abc import Callable, Sequence

from weft.compiler.schedule.element import Access, Index, Writer
from weft.compiler.schedule.kernel import Input, Kernel, ceil_divide, parallel_chunks, serial, vectorized
from weft.ir import BufferType, Builder, Expr, Value, VectorType
from weft.ir.dataclass import dataclass
from weft.ir.dims import Dim, DimLike, product, substitute, symbols_of
from weft.ir.expr import select
from weft.ir.ops.shape import linear_index, split_index
from weft.ir.types import DType

PIECE_BYTES = 16  # registers are turned in pieces of this size, which every target has
TILE_BYTES = 128  # of a tile's row in the memory that is read, two cache lines
TILE_COLUMNS = 64
MOST_TURNED = 4  # inputs of one kernel
LEAST_EXTENT = 8  # of both axes; thinner arrays gain nothing

Coefficient = Callable[[DimLike, str], DimLike | None]


@dataclass(frozen=True, slots=True)
class Turned:
    """A read of `source` at `index`, in the probe's symbols, with neighbours along the tile's other axis."""

    source: Input
    index: Index

    @property
    def dtype(self) -> DType:
        """Type of its elements."""
        ty = self.source.buffer.type
        assert isinstance(ty, BufferType)
        return ty.dtype


@dataclass(frozen=True, slots=True)
class TilePlan:
    """Loops over tiles of axis `across` and the last axis."""

    across: int
    reads: tuple[Turned, ...]


def plan_tiles(
    kernel: Kernel,
    accesses: Sequence[Access],
    symbols: Sequence[str],
    sizes: Sequence[DimLike],
    coefficient: Coefficient,
) -> TilePlan | None:
    """The axis to tile besides the last, and the reads that it helps, if there are any."""
    if len(symbols) < 2 or _is_thin(sizes[-1]):
        return None
    inputs = {entry.value: entry for entry in kernel.inputs}
    found: dict[int, dict[tuple[Value, Index], Turned]] = {}
    for access in accesses:
        entry = inputs[access.value]
        axis = _axis_along(entry, access.index, symbols, coefficient)
        if axis is not None and not _is_thin(sizes[axis]):
            found.setdefault(axis, {})[access.value, access.index] = Turned(entry, access.index)
    if not found:
        return None
    across = max(found, key=lambda k: len(found[k]))
    reads = tuple(found[across].values())
    return TilePlan(across, reads) if len(reads) <= MOST_TURNED else None


def _is_thin(size: DimLike) -> bool:
    return isinstance(size, int) and size < LEAST_EXTENT


def _axis_along(entry: Input, index: Index, symbols: Sequence[str], coefficient: Coefficient) -> int | None:
    """The axis along which neighbours are neighbours in memory, if those along the last one are not."""
    ty = entry.buffer.type
    assert isinstance(ty, BufferType)
    if entry.strides is not None or ty.dtype.name == "bool":
        return None
    offset = linear_index(index, ty.shape)
    last = coefficient(offset, symbols[-1])
    if last is None or last in (0, 1, -1):
        return None
    factors = [coefficient(offset, name) for name in symbols[:-1]]
    return factors.index(1) if 1 in factors else None


class Tiles:
    """The loops of one index space over tiles. `store(index)` writes the results at an index of the loops."""

    def __init__(
        self, kernel: Kernel, writer: Writer, plan: TilePlan, symbols: Sequence[str], others: Sequence[str],
        sizes: Sequence[DimLike], store: Callable[[list[DimLike]], None],
    ) -> None:  # fmt: skip
        self.kernel = kernel
        self.writer = writer
        self.plan = plan
        self.symbols = symbols
        self.zeros: dict[str, DimLike] = dict.fromkeys(
            others, 0
        )  # axes that were merged into their neighbours
        self.sizes = sizes
        self.store = store
        widest = max(read.dtype.size_bytes for read in plan.reads)
        self.rows = TILE_BYTES // widest
        self.lanes = kernel.lanes()
        self.columns = max(TILE_COLUMNS, self.lanes)

    def write(self, item_cost: float) -> None:
        """Tiles in parallel."""
        writer, across = self.writer, self.plan.across
        outer = [d for k, d in enumerate(self.sizes[:-1]) if k != across]
        counts = [
            *outer,
            ceil_divide(self.sizes[across], self.rows),
            ceil_divide(self.sizes[-1], self.columns),
        ]
        total = product(tuple(counts))

        def tile(p: Dim) -> None:
            *others, i, j = split_index(p, counts) if len(counts) > 1 else [p]
            self._tile(list(others), i, j)

        def chunk(start: Expr, stop: Expr, _task: Expr) -> None:
            serial(writer, "tile", start, stop, (0, total), tile)

        parallel_chunks(writer, total, 1, item_cost * self.rows * self.columns, chunk)

    def _tile(self, others: Sequence[DimLike], i: DimLike, j: DimLike) -> None:
        writer = self.writer
        rows, columns = (
            self._edges(i, self.rows, self.sizes[self.plan.across]),
            self._edges(j, self.columns, self.sizes[-1]),
        )
        scratch: dict[Turned, Value] = {}
        for read in self.plan.reads:
            ty = BufferType(read.dtype, (self.rows, self.columns), False, "scratch")
            scratch[read] = writer.builder.emit("alloc", (), {"type": ty}).result
            self._fill(read, scratch[read], others, rows, columns)

        def line(row: Dim) -> None:
            vectorized(
                writer,
                columns.start,
                columns.stop,
                (0, columns.size),
                self.lanes,
                lambda k: element(row, k),
                columns.extent,
            )

        def element(row: Dim, column: Dim) -> None:
            saved = dict(writer.sources)
            place = [row - rows.first, column - columns.first]
            for read, memory in scratch.items():
                index = self._index_of(read, others, row, column)
                writer.sources[read.source.value] = self._reader(
                    writer.sources[read.source.value], index, memory, place
                )
            self.store(self._index(others, row, column))
            writer.sources = saved

        serial(writer, "row", rows.start, rows.stop, (0, rows.size), line)

    def _edges(self, number: DimLike, step: int, size: DimLike) -> "_Edges":
        """Range number `number` of an axis cut into ranges of `step`."""
        writer = self.writer
        start = writer.number(number * step)
        stop, end = start + step, writer.number(size)
        extent = step if isinstance(size, int) and size % step == 0 else None
        first = writer.bind(writer.fresh("first"), start, 0, size)
        return _Edges(first, start, stop if extent else select(stop.lt(end), stop, end), size, step, extent)

    def _reader(
        self, before: Callable[[Index], Expr], index: Index, memory: Value, place: Sequence[DimLike]
    ) -> Callable[[Index], Expr]:
        """Reads the scratch where the input was asked for at `index`."""
        return lambda asked: self.writer.load(memory, place) if asked == index else before(asked)

    def _index(self, others: Sequence[DimLike], row: DimLike, column: DimLike) -> list[DimLike]:
        """The loops' index."""
        return [*others[: self.plan.across], row, *others[self.plan.across :], column]

    def _index_of(self, read: Turned, others: Sequence[DimLike], row: DimLike, column: DimLike) -> Index:
        """The index of the input that a read asks for."""
        known = {**self.zeros, **dict(zip(self.symbols, self._index(others, row, column), strict=True))}
        return tuple(substitute(d, known) for d in read.index)

    # ---------------------------------------------------------------- turning

    def _fill(
        self, read: Turned, scratch: Value, others: Sequence[DimLike], rows: "_Edges", columns: "_Edges"
    ) -> None:
        """Put a tile of the input into scratch, by blocks where at least one fits; the last ones overlap."""
        writer, builder = self.writer, self.writer.builder
        high = PIECE_BYTES // read.dtype.size_bytes
        wide = high * max(1, self.kernel.target.vector_bytes // PIECE_BYTES)

        def blocks(_builder: Builder) -> Sequence[Expr]:
            with writer.scope(_builder, floor=True):
                columns.over(
                    writer,
                    wide,
                    lambda j: rows.over(
                        writer,
                        high,
                        lambda i: self._block(read, scratch, others, (rows, i), (columns, j), wide),
                    ),
                )
            return []

        def elements(_builder: Builder) -> Sequence[Expr]:
            with writer.scope(_builder, floor=True):
                columns.over(
                    writer,
                    1,
                    lambda j: rows.over(
                        writer, 1, lambda i: self._element(read, scratch, others, (rows, i), (columns, j))
                    ),
                )
            return []

        if rows.has(high) and columns.has(wide):
            blocks(builder)
        else:
            fits = (rows.stop - rows.start).ge(high) & (columns.stop - columns.start).ge(wide)
            builder.branch(fits, blocks, elements)

    def _element(
        self,
        read: Turned,
        scratch: Value,
        others: Sequence[DimLike],
        row: tuple["_Edges", Dim],
        column: tuple["_Edges", Dim],
    ) -> None:
        value = self.writer.load(read.source.buffer, self._index_of(read, others, row[1], column[1]))
        self.writer.store(value, scratch, [row[1] - row[0].first, column[1] - column[0].first])

    def _block(
        self,
        read: Turned,
        scratch: Value,
        others: Sequence[DimLike],
        row: tuple["_Edges", Dim],
        column: tuple["_Edges", Dim],
        wide: int,
    ) -> None:
        """`wide` vectors along the rows become vectors along the columns: side by side, then interleaved."""
        writer, high = self.writer, PIECE_BYTES // read.dtype.size_bytes
        (name,) = (s.name for s in symbols_of(row[1]))
        with writer.over_lanes(name, high):
            pieces = [
                writer.load(read.source.buffer, self._index_of(read, others, row[1], column[1] + k))
                for k in range(wide)
            ]
        vectors = [_beside(pieces[k::high]) for k in range(high)]
        half = high // 2
        low_order, high_order = _interleaved(high, wide, 0), _interleaved(high, wide, half)
        for _ in range(high.bit_length() - 1):
            pairs = [(vectors[k], vectors[k + half]) for k in range(half)]
            vectors = [_shuffle(pair, order) for pair in pairs for order in (low_order, high_order)]
        ty = scratch.type
        assert isinstance(ty, BufferType)
        for k, e in enumerate(vectors):
            place = linear_index([row[1] + k - row[0].first, column[1] - column[0].first], ty.shape)
            writer.builder.emit("store", [e.value, scratch, writer.number(place).value])


@dataclass(frozen=True, slots=True)
class _Edges:
    """A tile's range [start, stop) of an axis of `size`, at most `step` long; `first` is the start."""

    first: Dim
    start: Expr
    stop: Expr
    size: DimLike
    step: int
    extent: int | None

    def has(self, least: int) -> bool:
        """Whether every tile is known to be at least so long."""
        return (
            isinstance(self.size, int)
            and self.size >= least
            and (self.size % self.step == 0 or self.size % self.step >= least)
        )

    def over(self, writer: Writer, width: int, body: Callable[[Dim], None]) -> None:
        """`body(i)` for blocks of `width` from i on; the last one reaches back to end with the range."""
        if width == 1 or self.extent is not None:
            serial(writer, "block", self.start, self.stop, (0, self.size), body, width)
            return
        last = writer.here(self.stop) - width

        def at(builder: Builder, place: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
            with writer.scope(builder):
                end = writer.here(last)
                body(writer.bind(writer.fresh("block"), select(place.lt(end), place, end), 0, self.size))
            return []

        writer.builder.loop(writer.here(self.start), writer.here(self.stop), width, [], at)


def _beside(pieces: Sequence[Expr]) -> Expr:
    """Vectors of equal length as one."""
    while len(pieces) > 1:
        order = tuple(range(2 * _lanes(pieces[0])))
        pieces = [_shuffle(pair, order) for pair in zip(pieces[::2], pieces[1::2], strict=True)]
    return pieces[0]


def _interleaved(high: int, wide: int, first: int) -> tuple[int, ...]:
    """Half of the lanes of two vectors in turn, from lane `first` of each piece of `high` lanes."""
    return tuple(
        lane
        for piece in range(0, wide, high)
        for k in range(high // 2)
        for lane in (piece + first + k, wide + piece + first + k)
    )


def _lanes(e: Expr) -> int:
    assert isinstance(e.type, VectorType)
    return e.type.lanes


def _shuffle(pair: Sequence[Expr], order: tuple[int, ...]) -> Expr:
    return Expr(
        pair[0].builder, pair[0].builder.emit("shuffle", [e.value for e in pair], {"order": order}).result
    )


__all__ = ["TilePlan", "Tiles", "plan_tiles"]
