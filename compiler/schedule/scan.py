"""Schedule of `scan`: rows in parallel, each from first to last; of an inner axis, vectors of rows.

Not here: a scan of one row by several threads, which would add in another order than NumPy.
"""

from collections.abc import Callable, Sequence

from weft.compiler.schedule.element import Writer, combine
from weft.compiler.schedule.kernel import Kernel, Root, cost_of, parallel_chunks, serial, vectorized
from weft.ir import BufferType, Builder, Expr
from weft.ir.dims import Dim, DimLike, decide, product
from weft.ir.ops.scan import combined_by
from weft.ir.ops.shape import split_index
from weft.ir.rules import axis_of

Place = Callable[[DimLike], list[DimLike]]


def lower_scan(kernel: Kernel, builder: Builder) -> None:
    """Write the loops."""
    (root,) = kernel.roots
    op = root.value.op
    assert op is not None
    axis, space = axis_of(op.attributes), root.space
    if any(d == 0 for d in space):
        return
    writer = kernel.writer(builder)
    length = space[axis]
    moved = sum(b.type.dtype.size_bytes for b in kernel.fusion.operands if isinstance(b.type, BufferType))
    item = cost_of(kernel.ops, moved)
    depth = item * (length if isinstance(length, int) else 256)
    if axis == len(space) - 1:
        outer = space[:-1]

        def row(p: DimLike) -> None:
            index = split_index(p, outer)
            _along(writer, root, length, lambda i: [*index, i])

        _over(writer, product(outer), depth, row)
        return
    before, width = (*space[:axis], *space[axis + 1 : -1]), space[-1]
    lanes = kernel.lanes(4)

    def tile(q: DimLike, j: Dim) -> None:
        index = split_index(q, before)
        _along(writer, root, length, lambda i: [*index[:axis], i, *index[axis:], j])

    def columns(q: DimLike) -> None:
        vectorized(
            writer,
            writer.builder.index(0),
            writer.number(width),
            (0, width),
            lanes,
            lambda j: tile(q, j),
            width,
        )

    total = product(before)
    if total == 1:

        def chunk(a: Expr, b: Expr, _task: Expr) -> None:
            vectorized(writer, a, b, (0, width), lanes, lambda j: tile(0, j))

        parallel_chunks(writer, width, lanes, depth, chunk)
    else:
        _over(writer, total, depth * (width if isinstance(width, int) else 256), columns)


def _over(writer: Writer, total: DimLike, cost: float, body: Callable[[DimLike], None]) -> None:
    """`body` for each of `total`, in parallel."""
    if total == 1:
        body(0)
        return
    parallel_chunks(writer, total, 1, cost, lambda a, b, _task: serial(writer, "p", a, b, (0, total), body))


def _along(writer: Writer, root: Root, length: DimLike, place: Place) -> None:
    """One row, or a vector of them, from the first element on."""
    if decide(length, ">=", 1) is True:
        _sequence(writer, root, length, place)
        return

    def some(builder: Builder) -> Sequence[Expr]:
        with writer.scope(builder, floor=True):
            _sequence(writer, root, length, place)
        return []

    writer.builder.branch(writer.number(length).gt(0), some, lambda builder: [])


def _sequence(writer: Writer, root: Root, length: DimLike, place: Place) -> None:
    op = root.value.op
    assert op is not None
    operand, lanes = op.operands[0], writer.lanes

    def take(i: DimLike) -> Expr:
        return writer.splat(writer.here(writer.element(operand, place(i))), lanes)

    first = take(0)
    writer.store(first, root.buffer, root.place(place(0)))
    if length == 1:
        return

    def body(builder: Builder, number: Expr, held: Sequence[Expr]) -> Sequence[Expr]:
        with writer.scope(builder, floor=True):
            i = writer.bind(writer.fresh("i"), number, 1, length)
            combined = combine(combined_by(op.attributes), held[0], take(i))
            writer.store(combined, root.buffer, root.place(place(i)))
            return [writer.here(combined)]

    writer.builder.loop(writer.builder.index(1), writer.number(length), 1, [writer.here(first)], body)
