"""GPU schedule of kernels whose results share one index space: one thread for each element.

The axes are those of the CPU's schedule (`pointwise.Nest`): neighbours that every access walks alike are one.
An element that is made of pieces (concatenate, pad) asks where it is. Not here: anything that combines
elements (`gpu_rows.py`).
"""

from weft.compiler.schedule.gpu import THREADS, bind, grid, guarded, threads
from weft.compiler.schedule.kernel import Kernel, ceil_divide
from weft.compiler.schedule.pointwise import Nest, spaces_of
from weft.ir import Builder
from weft.ir.dims import Dim, DimLike, product
from weft.ir.ops.shape import split_index


def lower_gpu_pointwise(kernel: Kernel, builder: Builder) -> None:
    """Write a grid for each index space."""
    for space, roots in spaces_of(kernel).items():
        _write(Nest(kernel, builder, space, roots))


def _write(nest: Nest) -> None:
    writer = nest.writer
    sizes = [axis.size for axis in nest.axes]
    total = product(tuple(sizes))

    def element(place: Dim) -> None:
        index: list[DimLike] = [
            bind(writer, "i", i, size) for i, size in zip(split_index(place, sizes), sizes, strict=True)
        ]
        nest.store(index)

    def block(number: Dim) -> None:
        def thread(t: Dim) -> None:
            place = bind(writer, "p", number * THREADS + t, total)
            guarded(writer, place, total, THREADS, lambda: element(place))

        threads(writer, THREADS, thread)

    grid(writer, ceil_divide(total, THREADS), block)
