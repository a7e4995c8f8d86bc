"""Schedule of `scatter`: elements are set or combined in program order, in the memory of the result.

Where whole rows are written, each is written by vectors. Not here: scatters whose order does not matter run
in parallel only where a later pass can prove it.
"""

from weft.compiler.schedule.context import OpContext
from weft.compiler.schedule.element import combine
from weft.compiler.schedule.kernel import Kernel, serial, vectorized
from weft.ir import BufferType, Builder, TensorType
from weft.ir.dims import DimLike
from weft.ir.ops.index import indexed_axes


def lower_scatter(kernel: Kernel, builder: Builder) -> None:
    """The destination holds the old value already."""
    (root,) = kernel.roots
    op = root.value.op
    assert op is not None
    writer = kernel.writer(builder)
    part, first, axes = op.operands[1].type, op.operands[2].type, indexed_axes(op.attributes)
    assert isinstance(part, TensorType)
    assert isinstance(first, TensorType)
    whole = root.buffer.type
    assert isinstance(whole, BufferType)
    context = OpContext(writer, op)
    is_row = part.rank > first.rank and len(whole.shape) - 1 not in axes and part.dtype.kind in "fiu"
    lanes = kernel.target.lanes(part.dtype.size_bytes) if is_row and part.dtype.bits >= 32 else 1

    def write(index: list[DimLike]) -> None:
        place, rest = index[: first.rank], index[first.rank :]
        full: list[DimLike] = []
        for axis, size in enumerate(whole.shape):
            if axis in axes:
                full.append(context.index_of(2 + axes.index(axis), place, size, axis))
            else:
                full.append(rest.pop(0))
        new = writer.splat(context.read(1, index), writer.lanes)
        if op.attributes["mode"] != "set":
            name = op.attributes["mode"]
            assert isinstance(name, str)
            old = writer.splat(writer.load(root.buffer, full), writer.lanes)  # of no elements it is one 0
            new = combine(name, old, writer.here(new))
        writer.store(new, root.buffer, full)

    def axis(k: int, index: list[DimLike]) -> None:
        if k == part.rank:
            write(index)
            return
        size = part.shape[k]
        if k == part.rank - 1 and lanes > 1:
            start, stop = writer.builder.index(0), writer.number(size)
            vectorized(writer, start, stop, (0, size), lanes, lambda i: write([*index, i]), size)
            return
        serial(
            writer,
            "i",
            writer.builder.index(0),
            writer.number(size),
            (0, size),
            lambda i: axis(k + 1, [*index, i]),
        )

    axis(0, [])
