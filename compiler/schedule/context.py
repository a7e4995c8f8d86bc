"""`OpContext`: what the `element` rule of an op asks of the writer that writes it (`weft.ir.opdef.Context`).

Not here: the writer (`element.py`), the rules (`ir/ops`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from weft.ir import Builder, Expr, Op, Value, VectorType
from weft.ir.dims import DimLike, show_dim, symbols_of
from weft.ir.errors import InternalError
from weft.ir.expr import cast, select
from weft.ir.ops.index import INSIDE
from weft.ir.types import BOOL, I64

if TYPE_CHECKING:
    from weft.compiler.schedule.element import Writer


class OpContext:
    """The view of a writer that an `element` rule of one op gets (`weft.ir.opdef.Context`)."""

    __slots__ = ("op", "writer")

    def __init__(self, writer: Writer, op: Op) -> None:
        self.writer = writer
        self.op = op

    def read(self, number: int, index: Sequence[DimLike]) -> Expr:
        """The element of operand `number`."""
        return self.writer.element(self.op.operands[number], index)

    def element(self, value: Value) -> Expr:
        """The element of a tensor of rank 0 that ops outside of the fusion compute, at a place they name."""
        with self.writer.scope(floor=True):
            return self.writer.element(value, ())

    def index_value(self, index: DimLike) -> Expr:
        """An index as an i64 value."""
        self.writer.observed.append(index)
        return (
            self.writer.lanes_of_index(index) if self.writer.is_spread(index) else self.writer.number(index)
        )

    def as_index(self, value: Expr, lower: int, upper: DimLike) -> DimLike:
        """A value as an index."""
        name = self.writer.fresh("at")
        return self.writer.bind(name, cast(value, I64), lower, upper)

    def index_of(self, number: int, index: Sequence[DimLike], size: DimLike, axis: int) -> DimLike:
        """The element of operand `number` as a checked index, in the outermost scope that knows it."""
        counted = self.writer.counted(self.op.operands[number], tuple(index))
        if counted is not None and self.writer.decide(counted, "<", size):
            self.writer.observed.append(counted)
            return counted
        is_inside = self.op.attributes.get("checked") == INSIDE

        def make() -> DimLike:
            value = self.read(number, index)
            return self.as_index(value if is_inside else self.check_index(value, size, axis), 0, size)

        return self.writer.place(self.op, number, tuple(index), make)

    def piecewise(self, index: DimLike, pieces: Sequence[tuple[DimLike | None, Callable[[], Expr]]]) -> Expr:
        """The value of the first piece whose bound is above `index`."""
        writer = self.writer
        for k, (bound, piece) in enumerate(pieces):
            below = True if bound is None else writer.decide(index, "<", bound)
            if bound is not None:
                writer.decided.append(index)  # an answer from ranges, too, holds for these axes alone
            if below is True:
                return piece()
            if below is None:
                assert bound is not None
                writer.asked.append((index, bound))
                condition = self._below(index, bound)
                return self.where(condition, piece, lambda rest=pieces[k + 1 :]: self.piecewise(index, rest))
        raise InternalError(f"no piece of {self.op.name} holds index {show_dim(index)}")

    def place_in(
        self, index: DimLike, places: Sequence[tuple[DimLike, DimLike]], size: DimLike
    ) -> DimLike | None:
        """A choice between numbers, once for all elements that share it, unless the axis is that of lanes."""
        writer = self.writer
        bounds_known = all(writer.decide(index, "<", bound) is not None for bound, _ in places[:-1])
        if bounds_known or writer.is_spread(index) or any(s.name in writer.cut for s in symbols_of(index)):
            return None
        writer.observed.append(index)

        def choose() -> DimLike:
            found = writer.number(places[-1][1])
            for bound, place in reversed(places[:-1]):
                found = select(self._below(index, bound), writer.number(place), found)
            return self.as_index(found, 0, size)

        return writer.place(self.op, -1, (index,), choose)

    def _below(self, index: DimLike, bound: DimLike) -> Expr:
        writer = self.writer
        if writer.is_spread(index) or writer.is_spread(bound):
            return writer.lanes_of_index(index).lt(writer.lanes_of_index(bound))
        return writer.number(index).lt(writer.number(bound))

    def where(self, condition: Expr, then: Callable[[], Expr], otherwise: Callable[[], Expr]) -> Expr:
        """Each side in its own lanes, or a branch if the condition is one for all lanes."""
        writer = self.writer
        if isinstance(condition.type, VectorType) and condition.type.lanes == 1:
            return self._branch(condition, then, otherwise)
        sides: list[Expr] = []
        outer = writer.mask
        for mask, side in ((condition, then), (condition.apply("logical_not"), otherwise)):
            full = mask if outer is None else mask & writer.here(outer)
            with writer.scope(mask=full):
                sides.append(writer.splat(side(), writer.lanes))
        return select(writer.here(condition), writer.here(sides[0]), writer.here(sides[1]))

    def _branch(self, condition: Expr, then: Callable[[], Expr], otherwise: Callable[[], Expr]) -> Expr:
        writer = self.writer

        def region(side: Callable[[], Expr]) -> Callable[[Builder], Sequence[Expr]]:
            def write(builder: Builder) -> Sequence[Expr]:
                with writer.scope(builder, floor=True):
                    return [writer.splat(writer.here(side()), writer.lanes)]

            return write

        return writer.builder.branch(writer.here(condition), region(then), region(otherwise))[0]

    def check_index(self, value: Expr, size: DimLike, axis: int) -> Expr:
        """Wrap a negative index; record an IndexError and give 0 where it is outside."""
        writer = self.writer
        value = cast(value, I64)
        lanes = value.type.lanes if isinstance(value.type, VectorType) else 1
        n = writer.splat(writer.number(size), lanes)
        wrapped = select(value.lt(0), value + n, value)
        bad = wrapped.lt(0) | wrapped.ge(n)
        mask = writer.mask
        touched = bad if mask is None or lanes == 1 else bad & writer.here(mask)
        assert touched.dtype == BOOL
        facts = {"code": "index", "axis": axis}
        writer.builder.emit("fail_if", [touched.value, value.value, n.value], facts)
        return select(bad, value.like(0), wrapped)
