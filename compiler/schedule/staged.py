"""Elements of several axes reduced as one: a block of them is written side by side, then swept.

`max` of a window or of a sum of rows and columns asks for element number j of all axes together, which takes
a division for each vector, and neighbours that lie apart. So what lies along the last axis is computed as it
lies, row by row, into near memory of one block, and the sweep reads that. Not here: the sweep
(`accumulate.py`).
"""

from collections.abc import Callable, Sequence

from weft.compiler.schedule.accumulate import BLOCK, Reduction
from weft.compiler.schedule.element import Writer
from weft.compiler.schedule.kernel import Kernel, serial, vectorized
from weft.compiler.schedule.pointwise import coefficient
from weft.ir import BufferType, Expr, TensorType, Value
from weft.ir.dataclass import dataclass
from weft.ir.dims import Dim, DimLike, decide, product
from weft.ir.expr import select
from weft.ir.ops.shape import reshape_groups, split_index

LEAST = 16
"""Elements of a row from which on it is computed by itself, if their number is known."""


@dataclass(frozen=True, slots=True)
class Staged:
    """The operands of some reductions, each with what it is a reshape of, whose last `axes` became one."""

    operands: dict[Value, Value]
    axes: tuple[DimLike, ...]

    @property
    def length(self) -> DimLike:
        """Elements of a row."""
        return self.axes[-1]


def staged_of(kernel: Kernel, level: Sequence[Reduction]) -> Staged | None:
    """How the operands of a level are written, None if they are swept where they are."""
    found: dict[Value, Value] = {}
    shapes = set[tuple[DimLike, ...]]()
    for r in level:
        op = r.operand.op
        if op is None or op.name != "reshape" or any(e.value is r.operand for e in kernel.inputs):
            return None
        source, target = op.operands[0].type, r.operand.type
        assert isinstance(source, TensorType)
        assert isinstance(target, TensorType)
        left, right = reshape_groups(source.shape, target.shape)[-1]
        axes = tuple(d for d in (source.shape[k] for k in left) if d != 1)
        if right != [target.rank - 1] or len(axes) < 2 or left[-1] != len(source.shape) - 1:
            return None
        if source.shape[: left[0]] != target.shape[:-1] or source.shape[left[0] :] != axes:
            return None
        found[r.operand] = op.operands[0]
        shapes.add(axes)
    if len(shapes) != 1 or not all(_is_scattered(kernel, v) for v in found):
        return None
    (axes,) = shapes
    return Staged(found, axes) if decide(axes[-1], "<", LEAST) is not True else None


def _is_scattered(kernel: Kernel, value: Value) -> bool:
    """Whether neighbours of the last axis are read at places that are not equally far from each other."""
    assert isinstance(value.type, TensorType)
    probe = kernel.probe()
    names = [probe.fresh("at") for _ in value.type.shape]
    index = [kernel.unknown(probe, n, d) for n, d in zip(names, value.type.shape, strict=True)]
    probe.element(value, index)
    entries = {entry.value: entry for entry in kernel.inputs}
    offsets: list[DimLike] = [*probe.observed]
    for access in probe.accesses:
        ty = entries[access.value].buffer.type
        assert isinstance(ty, BufferType)
        offsets.append(probe.offset(access.index, ty.shape, entries[access.value].strides))
    return any(coefficient(offset, names[-1]) is None for offset in offsets)


def write_stage(
    writer: Writer, staged: Staged, outer: Sequence[DimLike], low: Expr, size: Expr, lanes: int
) -> dict[Value, Callable[[tuple[DimLike, ...]], Expr]]:
    """Write elements [low, low + size) of the operands; what reads them from now on."""
    builder = writer.builder
    buffers: dict[Value, Value] = {}
    for operand in staged.operands:
        assert isinstance(operand.type, TensorType)
        ty = BufferType(operand.type.dtype, (BLOCK,), False, "scratch")
        buffers[operand] = builder.emit("alloc", (), {"type": ty}).result
    n = writer.number(staged.length)
    n = select(n.lt(1), n.like(1), n)
    stop = writer.here(low) + size
    first, last = writer.here(low).apply("divide_raw", n), (stop + (n - 1)).apply("divide_raw", n)
    count = product(staged.axes[:-1])

    def row(p: Dim) -> None:
        begin = writer.number(p) * writer.here(n)
        ahead, behind = writer.here(low) - begin, writer.here(stop) - begin
        start = select(ahead.gt(0), ahead, ahead.like(0))
        end = select(behind.lt(writer.here(n)), behind, writer.here(n))
        base = writer.bind(writer.fresh("base"), begin - writer.here(low), -(1 << 62), BLOCK)
        rows = split_index(p, staged.axes[:-1])

        def some(j: Dim) -> None:
            for operand, buffer in buffers.items():
                e = writer.element(staged.operands[operand], [*outer, *rows, j])
                writer.store(e, buffer, [base + j])

        vectorized(writer, start, end, (0, staged.length), lanes, some)

    serial(writer, "p", first, last, (0, count), row)
    place = writer.bind(writer.fresh("low"), writer.here(low), 0, count * staged.length + 1)
    return {
        operand: lambda index, buffer=buffer: writer.load(buffer, [index[-1] - place])
        for operand, buffer in buffers.items()
    }
