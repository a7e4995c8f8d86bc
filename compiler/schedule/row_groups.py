"""Rows side by side: what a row has one of is computed for many rows at once, a lane each.

A group of rows takes three steps: their reductions, row by row; what follows for each row (`exp` of a sum),
in lanes; the elements of the rows, row by row, which read that. Rows of a few elements are reduced in lanes,
too. It pays where what follows is costly, or rows are short. Not here: one row (`rows.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from weft.compiler.schedule.accumulate import Reduction
from weft.compiler.schedule.kernel import ceil_divide, serial, vectorized
from weft.compiler.schedule.row_values import flops_of, needs_of
from weft.ir import BufferType, Expr, TensorType, Value, VectorType, record
from weft.ir.dims import Dim, DimLike, decide, product
from weft.ir.expr import select
from weft.ir.opdef import Combine
from weft.ir.ops.shape import linear_index, split_index

if TYPE_CHECKING:
    from weft.compiler.schedule.rows import Rows

GROUP = 64
"""Rows of a group."""
COSTLY = 12
"""Arithmetic of a row besides its reductions, from which on a group pays."""
SHORT = 8
"""Elements of a row that a lane reduces by itself."""
JOINED_IN_LANES = ("sum", "prod", "max", "min", "any", "all")
"""Reductions with one accumulator, which one that holds nothing does not change."""


class RowGroups:
    """The groups of one kernel."""

    def __init__(self, rows: "Rows") -> None:
        self.rows = rows
        self.writer = rows.writer
        roots = rows.kernel.roots
        self.full = [r.value for r in roots if rows.is_full(r)]
        self.handed_on = list(dict.fromkeys(v for full in self.full for v in self._row_values(full, {})))
        self.results = [r.value for r in roots if not rows.is_full(r)] + self.handed_on

    @property
    def pay(self) -> bool:
        """Whether there are many rows, and enough to do for each."""
        rows = self.rows
        if (
            not rows.outer
            or (rows.kept and self.full)
            or decide(rows.outer[-1], "<", rows.kernel.lanes()) is True
        ):
            return False
        cache: dict[Value, set[Value]] = {}
        return self.is_short or sum(flops_of(v, cache) for v in self.results) >= COSTLY

    @property
    def is_short(self) -> bool:
        """Whether each lane reduces a row of its own."""
        length, levels = self.rows.length, self.rows.levels
        is_few = isinstance(length, int) and 0 < length <= SHORT and len(levels) == 1
        return is_few and not self.rows.kept and all(r.op.name in JOINED_IN_LANES for r in levels[0])

    @property
    def counts(self) -> tuple[DimLike, ...]:
        """How many groups there are along each axis: a group is rows of the last one."""
        return (*self.rows.outer[:-1], ceil_divide(self.rows.outer[-1], GROUP))

    def _row_values(self, value: Value, seen: dict[Value, bool]) -> Iterator[Value]:
        """The values of a row, behind its reductions, that elements of the row are computed from."""
        op = value.op
        if op is None or value in seen:
            return
        seen[value] = True
        if self._is_of_row(value) and _is_reduced(value):
            yield value
        elif not isinstance(record(op).form, Combine):
            for operand in op.operands:
                yield from self._row_values(operand, seen)

    def _is_of_row(self, value: Value) -> bool:
        outer = self.rows.outer
        return isinstance(value.type, TensorType) and value.type.shape in (outer, (*outer, 1))

    def _alloc(self, values: Sequence[Value]) -> dict[Value, Value]:
        """Memory with a number for each row of a group."""
        made: dict[Value, Value] = {}
        for value in values:
            assert isinstance(value.type, TensorType)
            ty = BufferType(value.type.dtype, (GROUP,), False, "scratch")
            made[value] = self.writer.builder.emit("alloc", (), {"type": ty}).result
        return made

    def write(self, start: Expr, stop: Expr, reduce: Callable[[DimLike, list[DimLike]], None]) -> None:
        """The groups from start to stop; `reduce(p, outer)` writes the reductions of row p."""
        cache: dict[Value, set[Value]] = {}
        wanted = set[Value]().union(*(needs_of(v, cache) for v in self.results))
        reduced = [v for level in self.rows.levels for r in level for v in r.op.results if v in wanted]
        held = {} if self.is_short else self._alloc(reduced)
        handed_on = self._alloc(self.handed_on)
        serial(
            self.writer, "group", start, stop, (0, product(self.counts)),
            lambda q: self._group(split_index(q, self.counts), held, handed_on, reduce),
        )  # fmt: skip

    def _group(
        self,
        place: Sequence[DimLike],
        held: dict[Value, Value],
        handed_on: dict[Value, Value],
        reduce: Callable[[DimLike, list[DimLike]], None],
    ) -> None:
        """The steps of one group."""
        rows, writer = self.rows, self.writer
        *before, number = place
        low, last = number * GROUP, rows.outer[-1]
        rest = writer.number(last) - writer.number(low)
        count = select(rest.lt(GROUP), rest, rest.like(GROUP))

        def outer(k: DimLike) -> list[DimLike]:
            index = [*before, low + k]
            return [0 if d == 1 else i for i, d in zip(index, rows.outer, strict=True)]

        def reductions(k: Dim) -> None:
            reduce(linear_index([*before, low + k], rows.outer), outer(k))
            for value, buffer in held.items():
                writer.store(writer.element(value, self._index(value, outer(k))), buffer, [k])

        def results(k: Dim) -> None:
            for r in rows.levels[0] if self.is_short else ():
                self._reduce_in_lanes(r, outer(k))
            self._read(held, k)
            for value, buffer in handed_on.items():
                writer.store(writer.element(value, self._index(value, outer(k))), buffer, [k])
            rows.store_rows(outer(k))

        def elements(k: Dim) -> None:
            self._read(handed_on, k)
            rows.store_full(outer(k), None)

        zero = writer.builder.index(0)
        if not self.is_short:
            serial(writer, "row", zero, count, (0, GROUP), self._apart(reductions))
        extent = GROUP if isinstance(last, int) and last % GROUP == 0 else None
        vectorized(writer, zero, count, (0, GROUP), rows.kernel.lanes(), self._apart(results), extent)
        if self.full:
            serial(writer, "row", zero, count, (0, GROUP), self._apart(elements))

    def _apart(self, body: Callable[[Dim], None]) -> Callable[[Dim], None]:
        """A body after which values come from where they came before."""

        def run(k: Dim) -> None:
            saved = dict(self.writer.sources)
            body(k)
            self.writer.sources = saved

        return run

    def _index(self, value: Value, outer: list[DimLike]) -> list[DimLike]:
        """The index of a row's value; a reduction may have kept its axis."""
        assert isinstance(value.type, TensorType)
        return outer if len(value.type.shape) == len(outer) else [*outer, 0]

    def _read(self, values: dict[Value, Value], k: Dim) -> None:
        """From now on values of row k are read."""
        for value, buffer in values.items():
            self.writer.sources[value] = lambda _index, buffer=buffer: self.writer.load(buffer, [k])

    def _reduce_in_lanes(self, r: Reduction, outer: list[DimLike]) -> None:
        """A short row for each lane, its elements joined in the order of one row's (`_join_lanes`)."""
        writer, builder, length = self.writer, self.writer.builder, self.rows.length
        assert isinstance(length, int)
        lanes = writer.lanes
        one = writer.splat(builder.index(1), lanes)
        ((dtype, number),) = r.initial
        found: list[Sequence[Expr]] = []
        for k in range(length):
            x = writer.splat(writer.element(r.operand, [*outer, k]), lanes)
            nothing = builder.constant(number, VectorType(dtype, lanes))
            found.append(r.combine.step([nothing], x, one, one))
        half = 1 << (length - 1).bit_length()
        while len(found) > 1:
            half //= 2
            joined = [r.combine.merge(a, b, one, one) for a, b in zip(found, found[half:], strict=False)]
            found = [*joined, *found[len(joined) : half]]
        results = r.combine.finish(r.op.attributes, found[0], writer.number(length))
        for value, e in zip(r.op.results, results, strict=True):
            writer.define(value, self._index(value, outer), e)


def _is_reduced(value: Value) -> bool:
    """Whether a reduction lies behind a value."""
    waiting, seen = [value], set[Value]()
    while waiting:
        one = waiting.pop()
        if one.op is None or one in seen:
            continue
        if isinstance(record(one.op).form, Combine):
            return True
        seen.add(one)
        waiting += one.op.operands
    return False
