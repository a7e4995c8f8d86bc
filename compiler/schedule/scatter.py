"""Schedule of `scatter`: elements are set or combined in program order, in the memory of the result.

Where whole rows are written, each is written by vectors. Not here: scatters whose order does not matter run
in parallel only where a later pass can prove it.
"""

from collections.abc import Sequence
from functools import reduce

from weft.compiler.schedule.context import OpContext
from weft.compiler.schedule.element import combine
from weft.compiler.schedule.kernel import Kernel, serial, vectorized
from weft.ir import BufferType, Builder, Expr, TensorType
from weft.ir.dims import DimLike
from weft.ir.ops.index import indexed_axes


def lower_scatter(kernel: Kernel, builder: Builder) -> None:
    """The destination holds the old value already."""
    _Scatter(kernel, builder).axis(0, [])


class _Scatter:
    """One kernel."""

    def __init__(self, kernel: Kernel, builder: Builder) -> None:
        (self.root,) = kernel.roots
        op = self.root.value.op
        assert op is not None
        self.writer = kernel.writer(builder)
        part, first, whole = op.operands[1].type, op.operands[2].type, self.root.buffer.type
        assert isinstance(part, TensorType)
        assert isinstance(first, TensorType)
        assert isinstance(whole, BufferType)
        self.part, self.shape, self.rank = part, whole.shape, first.rank
        self.axes, self.mode = indexed_axes(op.attributes), str(op.attributes["mode"])
        self.context = OpContext(self.writer, op)
        is_row = part.rank > first.rank and len(whole.shape) - 1 not in self.axes and part.dtype.kind in "fiu"
        self.lanes = kernel.target.lanes(part.dtype.size_bytes) if is_row and part.dtype.bits >= 32 else 1

    def axis(self, k: int, index: list[DimLike]) -> None:
        """Loops over the axes of the values from `k` on."""
        writer, part = self.writer, self.part
        if k == part.rank:
            self._write(index)
            return
        start, stop, limits = writer.builder.index(0), writer.number(part.shape[k]), (0, part.shape[k])
        if k == part.rank - 1 and self.lanes > 1:
            vectorized(
                writer, start, stop, limits, self.lanes, lambda i: self._write([*index, i]), part.shape[k]
            )
            return
        serial(writer, "i", start, stop, limits, lambda i: self.axis(k + 1, [*index, i]))

    def _write(self, index: list[DimLike]) -> None:
        """One element, or vector: its place is checked also where there is no memory to write."""
        writer, (place, rest) = self.writer, (index[: self.rank], index[self.rank :])
        full: list[DimLike] = []
        for axis, size in enumerate(self.shape):
            if axis in self.axes:
                full.append(self.context.index_of(2 + self.axes.index(axis), place, size, axis))
            else:
                full.append(rest.pop(0))
        if 0 in self.shape:
            return
        uncertain = [d for d in self.shape if writer.decide(0, "<", d) is not True]
        if not uncertain:
            self._put(index, full)
            return

        def inside(builder: Builder) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                self._put(index, full)
            return []

        some = reduce(Expr.__and__, [writer.number(d).gt(0) for d in uncertain])
        writer.builder.branch(writer.here(some), inside, lambda _: [])

    def _put(self, index: list[DimLike], full: list[DimLike]) -> None:
        writer, buffer = self.writer, self.root.buffer
        new = writer.splat(self.context.read(1, index), writer.lanes)
        if self.mode != "set":
            new = combine(self.mode, writer.splat(writer.load(buffer, full), writer.lanes), writer.here(new))
        writer.store(new, buffer, full)
