"""What all versions of a matrix product share: the product, register tiles, and storing results.

A tile of results is a list of vectors, row after row. It is computed by one loop over a chunk of k that
carries all of it, each result from zero by fma in order, and chunk sums are added in order (DESIGN D19), so
every version gives the same bits. Not here: which loops lead to a tile (`dot_direct.py`, `dot_packed.py`),
which version runs (`dot.py`).
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from weft.compiler.schedule.element import Index, Writer
from weft.compiler.schedule.kernel import Kernel, serial
from weft.ir import BufferType, Builder, Expr, Op, TensorType, Value, VectorType
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, as_symbol, decide
from weft.ir.expr import cast, fma, select
from weft.ir.target import Target
from weft.ir.types import BOOL, F32, DType

CHUNK = 256  # of k: DESIGN D19
UNROLLED_OPS = 160  # an epilogue of so many ops in a tile is written out, a longer one is a loop over rows;
UNROLLED_OPS_OF_DEEP = 24  # of a tile of long sums, beside which its way through memory is little


@dataclass(frozen=True, slots=True)
class Tile:
    """Results that are held in registers: `rows` times `vectors` of so many lanes."""

    rows: int
    vectors: int
    lanes: int

    @property
    def columns(self) -> int:
        """Number of result columns."""
        return self.vectors * self.lanes

    @property
    def size(self) -> int:
        """Number of results."""
        return self.rows * self.columns


@dataclass(frozen=True, slots=True)
class Product:
    """The product of a kernel: result [*batch, m, n], summed over k in `dtype`."""

    kernel: Kernel
    op: Op
    batch: tuple[DimLike, ...]
    m: DimLike
    n: DimLike
    k: DimLike
    dtype: DType

    @property
    def target(self) -> Target:
        """The machine."""
        return self.kernel.target

    @property
    def lanes(self) -> int:
        """Lanes of a register of sums."""
        return self.target.lanes(self.dtype.size_bytes)

    @property
    def is_one_chunk(self) -> bool:
        """Whether k is known to fit one chunk."""
        return decide(self.k, "<=", CHUNK) is True

    def left(self, writer: Writer, batch: Sequence[DimLike], row: DimLike, depth: DimLike) -> Expr:
        """An element of the left operand."""
        return cast(writer.element(self.op.operands[0], (*batch, row, depth)), self.dtype)

    def right(self, writer: Writer, batch: Sequence[DimLike], depth: DimLike, column: DimLike) -> Expr:
        """An element of the right operand."""
        return cast(writer.element(self.op.operands[1], (*batch, depth, column)), self.dtype)


def product_of(kernel: Kernel) -> Product:
    """Read the only dot of a kernel."""
    (op,) = (o for o in kernel.ops if o.name == "dot")
    a, b = (o.type for o in op.operands)
    assert isinstance(a, TensorType)
    assert isinstance(b, TensorType)
    dtype = F32 if a.dtype.is_float and a.dtype.bits < F32.bits else a.dtype
    return Product(kernel, op, a.shape[:-2], a.shape[-2], b.shape[-1], a.shape[-1], dtype)


def largest_tile(target: Target, dtype: DType) -> Tile:
    """The tile of a loop that reads rows and holds one step's columns; sums take most registers."""
    lanes = target.lanes(dtype.size_bytes)
    if lanes == 1:
        return Tile(4, 1, 1)
    if target.vector_registers >= 32:
        return Tile(14, 2, lanes) if target.vector_bytes >= 64 else Tile(8, 2 if lanes > 2 else 3, lanes)
    return Tile(6, 2, lanes) if target.vector_registers >= 16 else Tile(2, 2, lanes)


FEW_TILES = 8


def fitting_tile(target: Target, dtype: DType, rows: DimLike) -> Tile:
    """The largest tile, or a lower one where the last of the largest would hold few of so many `rows`."""
    largest = largest_tile(target, dtype)
    if not isinstance(rows, int):
        return largest

    def cost(height: int) -> int:
        """Of a step of all tiles, each of which loads its columns once; few tiles are two equal shares."""
        tiles = -(-rows // height)
        return (tiles + (tiles % 2 if 1 < tiles < FEW_TILES else 0)) * (height + 1)

    heights = range(largest.rows, largest.rows * 2 // 3, -1)
    return Tile(min(heights, key=cost), largest.vectors, largest.lanes)


def multiply_add(a: Expr, b: Expr, c: Expr) -> Expr:
    """a * b + c in the arithmetic of a dot."""
    if c.dtype == BOOL:
        return (a & b) | c
    return fma(a, b, c) if c.dtype.kind in "fc" else a * b + c


def zero_sum(builder: Builder, dtype: DType, lanes: int) -> Expr:
    """The start of a chunk."""
    return builder.constant(0.0 if dtype.is_float else 0, VectorType(dtype, lanes))


def zero_total(builder: Builder, dtype: DType, lanes: int) -> Expr:
    """The start of a sum of chunks: -0.0 + x == x for every x."""
    return builder.constant(
        {"f": -0.0, "c": complex(-0.0, -0.0)}.get(dtype.kind, 0), VectorType(dtype, lanes)
    )


def add_sums(a: Expr, b: Expr) -> Expr:
    """The sum of two chunks, the earlier first."""
    return a | b if a.dtype == BOOL else a + b


Row = Callable[[int, DimLike], Expr]  # (row of the tile, k) -> scalar
Column = Callable[[int, DimLike], Expr]  # (vector of the tile, k) -> lanes


def chunk_sums(
    writer: Writer, tile: Tile, dtype: DType, limits: tuple[Expr, Expr], row: Row, column: Column
) -> list[Expr]:
    """The tile summed over k in [lower, upper)."""

    def step(builder: Builder, index: Expr, sums: Sequence[Expr]) -> Sequence[Expr]:
        with writer.scope(builder):
            depth = writer.bind(writer.fresh("k"), index, 0, 1 << 62)
            columns = [writer.splat(column(v, depth), tile.lanes) for v in range(tile.vectors)]
            added: list[Expr] = []
            for r in range(tile.rows):
                element = writer.splat(row(r, depth), tile.lanes)
                for v, vector in enumerate(columns):
                    added.append(multiply_add(element, vector, sums[r * tile.vectors + v]))
        return added

    zero = zero_sum(writer.builder, dtype, tile.lanes)
    lower, upper = (writer.here(e) for e in limits)
    return writer.builder.loop(lower, upper, 1, [zero] * (tile.rows * tile.vectors), step)


def bound(writer: Writer, index: Sequence[DimLike], sizes: Sequence[DimLike]) -> Index:
    """The same index as symbols, so that a loop inside does not divide again."""
    found: list[DimLike] = []
    for i, size in zip(index, sizes, strict=True):
        is_simple = isinstance(i, int) or as_symbol(i) is not None
        found.append(i if is_simple else writer.bind(writer.fresh("b"), writer.number(i), 0, size))
    return tuple(found)


def load_lanes(writer: Writer, buffer: Value, offset: DimLike, lanes: int) -> Expr:
    """Neighbouring elements of dense memory."""
    op = writer.builder.emit("load", [buffer, writer.number(offset).value], {"lanes": lanes, "stride": 1})
    return writer.builder.expr(op.result)


def store_lanes(writer: Writer, e: Expr, buffer: Value, offset: DimLike) -> None:
    """Write neighbouring elements of dense memory."""
    writer.builder.emit("store", [writer.here(e).value, buffer, writer.number(offset).value], {"stride": 1})


def allocate(writer: Writer, dtype: DType, size: DimLike, space: str) -> Value:
    """Memory in the present region."""
    return writer.builder.emit("alloc", (), {"type": BufferType(dtype, (size,), space=space)}).result


def minimum(a: Expr, b: Expr | int) -> Expr:
    """The smaller of two i64 scalars."""
    return select(a.le(b), a, b)


def ceiling(writer: Writer, a: Expr, unit: int) -> Expr:
    """ceil(a / unit) for a >= 0."""
    return (writer.here(a) + (unit - 1)).apply("divide_raw", unit)


# ---------------------------------------------------------------- results


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tile of results goes: its batch, first row and first column."""

    batch: Index
    row: Expr
    column: Expr


class Finish:
    """Stores tiles of sums: applies what the kernel does with the product, element by element."""

    def __init__(self, writer: Writer, product: Product, tile: Tile) -> None:
        self.writer = writer
        self.product = product
        self.tile = tile
        self.scratch = allocate(writer, product.dtype, tile.size, "scratch")
        cost = len(product.kernel.ops) * tile.rows * tile.vectors
        is_deep = isinstance(product.k, int) and product.k >= CHUNK
        self.is_written_out = cost <= (UNROLLED_OPS_OF_DEEP if is_deep else UNROLLED_OPS)

    def store(
        self,
        place: Place,
        sums: Sequence[Expr],
        tile: Tile,
        *,
        rows_fit: bool | None,
        columns_fit: bool | None,
    ) -> None:
        """Store a tile; whether all its rows and columns are results is known, or None: asked at run time."""
        writer, product = self.writer, self.product
        if not self.is_written_out or rows_fit is False or columns_fit is False:
            self._by_rows(place, sums, tile, is_whole=columns_fit is True)
            return
        if rows_fit and columns_fit:
            self._written_out(place, sums, tile)
            return
        row_end = writer.here(place.row) + tile.rows
        column_end = writer.here(place.column) + tile.columns
        fits = row_end.le(writer.number(product.m)) & column_end.le(writer.number(product.n))

        def whole(builder: Builder) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                self._written_out(place, sums, tile)
            return []

        def part(builder: Builder) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                self._by_rows(place, sums, tile, is_whole=columns_fit is True)
            return []

        writer.builder.branch(fits, whole, part)

    def _written_out(self, place: Place, sums: Sequence[Expr], tile: Tile) -> None:
        """A whole tile, from registers."""
        writer, start = self.writer, self.writer.here(place.row)
        rows = [writer.bind(writer.fresh("i"), start + r, 0, self.product.m) for r in range(tile.rows)]
        columns = [self._column(place, v, tile) for v in range(tile.vectors)]
        for r, row in enumerate(rows):
            for v, (name, column) in enumerate(columns):
                with writer.over_lanes(name, tile.lanes):
                    store_results(
                        writer, self.product, (*place.batch, row, column), sums[r * tile.vectors + v]
                    )

    def _by_rows(self, place: Place, sums: Sequence[Expr], tile: Tile, *, is_whole: bool) -> None:
        """Through memory, row by row, columns under masks unless all of them are there."""
        writer, product = self.writer, self.product
        for number, e in enumerate(sums):
            store_lanes(writer, e, self.scratch, number * tile.lanes)
        names = [self._column(place, v, tile) for v in range(tile.vectors)]
        masks = [None if is_whole else self._mask(place, v, tile) for v in range(tile.vectors)]
        start = writer.here(place.row)
        stop = minimum(start + tile.rows, writer.number(product.m))

        def row(i: DimLike) -> None:
            first = writer.number(i) - writer.here(place.row)
            base = writer.bind(writer.fresh("t"), first * tile.columns, 0, tile.size)
            for v, (name, column) in enumerate(names):
                e = load_lanes(writer, self.scratch, base + v * tile.lanes, tile.lanes)
                with masked(writer, masks[v]), writer.over_lanes(name, tile.lanes):
                    store_results(writer, product, (*place.batch, i, column), e)

        serial(writer, "i", start, stop, (0, product.m), row)

    def _column(self, place: Place, vector: int, tile: Tile) -> tuple[str, DimLike]:
        """The symbol of a vector's columns."""
        writer = self.writer
        name = writer.fresh("j")
        first = writer.here(place.column) + vector * tile.lanes
        return name, writer.bind(name, first, 0, self.product.n)

    def _mask(self, place: Place, vector: int, tile: Tile) -> Expr | None:
        """Lanes of a vector that are results; None without lanes to mask."""
        writer = self.writer
        rest = writer.number(self.product.n) - (writer.here(place.column) + vector * tile.lanes)
        return tail_mask(writer, rest, tile.lanes)


def store_results(writer: Writer, problem: Product, index: Index, e: Expr) -> None:
    """Store every result of the kernel at one index of the product, whose value there is `e`.

    All are computed before the first is written: a result may lie over an operand of another.
    """
    ty = problem.op.result.type
    assert isinstance(ty, TensorType)
    writer.define(problem.op.result, index, cast(writer.here(e), ty.dtype))
    roots = problem.kernel.roots
    elements = [writer.element(root.value, index) for root in roots]
    for root, element in zip(roots, elements, strict=True):
        writer.store(element, root.buffer, root.place(index))


def masked(writer: Writer, mask: Expr | None) -> AbstractContextManager[None]:
    """A scope only if there is a mask: what is defined for an index must be in the scope that binds it."""
    return nullcontext() if mask is None else writer.scope(mask=mask)


def tail_mask(writer: Writer, rest: Expr, lanes: int) -> Expr:
    """Lanes 0 to `rest` - 1."""
    lane = writer.builder.expr(writer.builder.emit("lane_index", (), {"lanes": lanes}).result)
    return lane.lt(writer.splat(writer.here(rest), lanes))
