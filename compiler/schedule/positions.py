"""Schedule of `positions`: one walk over the mask, which writes each place where it holds after the last.

Not here: several threads; the places before a part are known only when they are counted.
"""

from collections.abc import Sequence

from weft.compiler.schedule.kernel import Kernel
from weft.ir import Builder, Expr, TensorType
from weft.ir.expr import select


def lower_positions(kernel: Kernel, builder: Builder) -> None:
    """Write the loop."""
    (root,) = kernel.roots
    op = root.value.op
    assert op is not None
    mask = op.operands[0]
    assert isinstance(mask.type, TensorType)
    (length,), (size,) = mask.type.shape, root.space
    if size == 0 or length == 0:
        return
    writer = kernel.writer(builder)

    def body(builder: Builder, number: Expr, held: Sequence[Expr]) -> Sequence[Expr]:
        with writer.scope(builder, floor=True):
            holds = writer.here(writer.element(mask, [writer.bind(writer.fresh("i"), number, 0, length)]))
            # written where it does not hold too, for the next to overwrite: no branch that is hard to foresee
            has_room = held[0].lt(writer.number(size))

            def write(inner: Builder) -> Sequence[Expr]:
                with writer.scope(inner, floor=True):
                    place = writer.bind(writer.fresh("place"), writer.here(held[0]), 0, size)
                    writer.store(writer.here(number), root.buffer, root.place([place]))
                return []

            writer.builder.branch(has_room, write, lambda inner: [])
            return [select(holds, held[0] + 1, held[0])]

    zero = writer.builder.index(0)
    writer.builder.loop(zero, writer.number(length), 1, [zero], body)
