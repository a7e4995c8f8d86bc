"""Schedule of `search`: each value halves the sorted array until its place is found, in vectors of values.

Not here: sorting (`sort.py`).
"""

from collections.abc import Sequence

from weft.compiler.schedule.kernel import Kernel, parallel_chunks, vectorized
from weft.ir import Builder, Expr, TensorType, VectorType
from weft.ir.dims import Dim, product
from weft.ir.expr import imag, real, select
from weft.ir.ops.shape import split_index
from weft.ir.types import BOOL, I64

VECTORS = 4  # of values at once: a step waits for memory, and those of other values need not


def lower_search(kernel: Kernel, builder: Builder) -> None:
    """Write the loops: each step halves what is left; ceil(log2(size + 1)) of them."""
    (root,) = kernel.roots
    op = root.value.op
    assert op is not None
    line, values = op.operands
    assert isinstance(line.type, TensorType)
    (size,) = line.type.shape
    right = bool(op.attributes["right"])
    writer, space = kernel.writer(builder), root.space
    total = product(space)
    if total == 0:
        return

    def is_before(element: Expr, value: Expr) -> Expr:
        """Whether the sorted element lies before the value's place; NaN is above all numbers."""
        if element.dtype == BOOL:
            return ~element | value if right else ~element & value
        if element.dtype.is_complex:
            return ~_is_less(value, element) if right else _is_less(element, value)
        if not element.dtype.is_float:
            return element.le(value) if right else element.lt(value)
        if right:
            return element.le(value) | value.ne(value)
        return element.lt(value) | (value.ne(value) & element.eq(element))

    def some(p: Dim, steps: Expr) -> None:
        lanes = writer.lanes
        index = split_index(p, space)
        value = writer.splat(writer.here(writer.element(values, index)), lanes)
        below, left = writer.builder.constant(0, VectorType(I64, lanes)), writer.number(size)

        def step(builder: Builder, _number: Expr, held: Sequence[Expr]) -> Sequence[Expr]:
            # The place lies among `rest` elements from `below` on, as many in all lanes.
            with writer.scope(builder, floor=True), writer.unmasked():
                below, rest = held
                half = (rest + 1) >> 1
                wide = writer.splat(half, lanes)
                place = writer.bind(writer.fresh("at"), below + wide - 1, 0, size)
                element = writer.splat(writer.element(line, [place]), lanes)
                before = is_before(element, writer.here(value))
                return [select(before, below + wide, below), rest - half]

        found = writer.builder.loop(writer.builder.index(0), writer.here(steps), 1, [below, left], step)[0]
        writer.scopes[-1].is_floor = True
        writer.store(writer.here(found), root.buffer, root.place(index))

    lanes = max(1, VECTORS * kernel.target.vector_bytes // 8) if total != 1 else 1

    def chunk(first: Expr, stop: Expr, _task: Expr) -> None:
        steps = _bit_length(writer.here(writer.number(size)))
        vectorized(writer, first, stop, (0, total), lanes, lambda p: some(p, steps))

    parallel_chunks(writer, total, lanes, 200.0, chunk)


def _is_less(a: Expr, b: Expr) -> Expr:
    """Whether a complex number comes before another as NumPy sorts them: by real parts, NaN above numbers."""
    (re, im), (other_re, other_im) = ((real(x), imag(x)) for x in (a, b))
    nan, other_nan = im.ne(im), other_im.ne(other_im)
    by_imag = im.lt(other_im) | (other_nan & ~nan)
    same = re.eq(other_re) | (re.ne(re) & other_re.ne(other_re))
    rest = select(same, by_imag, other_re.ne(other_re))
    return select(re.lt(other_re), ~nan | other_nan, select(re.gt(other_re), other_nan & ~nan, rest))


def _bit_length(number: Expr) -> Expr:
    """How often a positive number can be halved until it is 0."""
    builder = number.builder

    def step(inner: Builder, _index: Expr, held: Sequence[Expr]) -> Sequence[Expr]:
        rest, count = held
        return [rest >> 1, select(rest.gt(0), count + 1, count)]

    return builder.loop(builder.index(0), builder.index(63), 1, [number, builder.index(0)], step)[1]
