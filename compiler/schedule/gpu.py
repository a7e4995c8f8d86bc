"""What GPU schedules share: a grid of blocks, threads of a block, groups of threads that exchange values.

A kernel is loops of kind "grid" at its top, each of which is one launch; in it shared memory and one loop of
kind "thread". Not here: how elements are written (`element.py`), any backend's spelling.
"""

from collections.abc import Callable, Sequence

from weft.compiler.schedule.element import Writer
from weft.ir import Builder, Expr
from weft.ir.dims import Dim, DimLike, modulo

GROUP = 32
"""Threads that exchange values without memory; the first is a multiple of this."""
THREADS = 256
"""Threads of a block, where nothing asks for fewer."""
SHARED_BYTES = 48 * 1024
"""Shared memory that every block can have."""

Body = Callable[[Dim], None]


def grid(writer: Writer, blocks: DimLike, body: Body) -> None:
    """`body(block)` for every block, in any order; nothing that it writes moves out of it."""

    def write(builder: Builder, index: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
        with writer.scope(builder, floor=True):
            body(writer.bind(writer.fresh("block"), index, 0, blocks))
        return []

    attributes = {"extent": blocks}
    writer.builder.loop(
        writer.builder.index(0), writer.number(blocks), 1, [], write, kind="grid", attributes=attributes
    )


def threads(writer: Writer, count: int, body: Body) -> None:
    """`body(thread)` for all threads of a block at once."""

    def write(builder: Builder, index: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
        with writer.scope(builder, floor=True):
            body(writer.bind(writer.fresh("thread"), index, 0, count))
        return []

    writer.builder.loop(writer.builder.index(0), writer.builder.index(count), 1, [], write, kind="thread")


def barrier(writer: Writer) -> None:
    """All threads of the block wait for one another."""
    writer.builder.emit("barrier")


def exchange_down(e: Expr, distance: int) -> Expr:
    """The value of the thread `distance` further on in the group."""
    attributes = {"distance": distance, "group": GROUP}
    return Expr(e.builder, e.builder.emit("exchange_down", [e.value], attributes).result)


def exchange_from(e: Expr, thread: int) -> Expr:
    """The value of one thread of the group, in all of them."""
    return Expr(
        e.builder, e.builder.emit("exchange_from", [e.value], {"thread": thread, "group": GROUP}).result
    )


def bind(writer: Writer, prefix: str, value: DimLike, upper: DimLike) -> Dim:
    """An index of its own for an expression that is known to be in [0, upper)."""
    return writer.bind(writer.fresh(prefix), writer.number(value), 0, upper)


def guarded(writer: Writer, index: Dim, total: DimLike, unit: int, body: Callable[[], None]) -> None:
    """`body()` where the index is below the total, which is no question if `unit` divides the total."""
    if modulo(total, unit) == 0:
        body()
        return

    def inside(builder: Builder) -> Sequence[Expr]:
        with writer.scope(builder, floor=True):
            body()
        return []

    writer.builder.branch(writer.number(index).lt(writer.number(total)), inside, lambda builder: [])
