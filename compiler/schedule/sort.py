"""Schedule of `sort` and `argsort`: rows in parallel; short ones by counting the smaller, others by digits.

Elements become unsigned integers in the same order, NaN above all. Eight bits are a digit; digits that all
elements share are passed over. Both ways keep equal elements in their order. Source of the second: least
significant digit first, Knuth 5.2.5. Not here: one row shared by several threads.
"""

from collections.abc import Sequence

from weft.compiler.schedule.element import Writer
from weft.compiler.schedule.kernel import Body, Kernel, parallel_chunks, serial, vectorized
from weft.ir import BufferType, Builder, Expr, TensorType, Value, VectorType
from weft.ir.dims import Dim, DimLike, decide, minimum, product
from weft.ir.expr import bitcast, cast, constant, logical_not, select
from weft.ir.ops.shape import split_index
from weft.ir.ops.sort import SHORT
from weft.ir.rules import axis_of
from weft.ir.types import BOOL, I64, U8, U16, U32, U64, DType

MAX_LINES = 16  # rows sorted at once; each needs memory
_KEYS = {8: U8, 16: U16, 32: U32, 64: U64}


def key_type(dtype: DType) -> DType:
    """Unsigned integers as wide as the elements."""
    return U8 if dtype == BOOL else _KEYS[dtype.bits]


def key_of(x: Expr, *, zeros_equal: bool) -> Expr:
    """Elements as unsigned integers of the same order; -0.0 is below 0.0 unless they are to be equal."""
    dtype, key = x.dtype, key_type(x.dtype)
    if dtype.kind in "bu":
        return cast(x, key)
    top = 1 << (key.bits - 1)
    if dtype.is_integer:
        return bitcast(x, key) ^ top
    if zeros_equal:
        x = x + 0.0
    bits = bitcast(x, key)
    ordered = select(bits.ge(top), ~bits, bits ^ top)
    return select(x.eq(x), ordered, constant(bits, (1 << key.bits) - 1))


def element_of(key: Expr, dtype: DType) -> Expr:
    """Inverse of `key_of`; each NaN is the same."""
    if dtype.kind in "bu":
        return cast(key, dtype) if dtype != BOOL else key.ne(0)
    top = 1 << (key.dtype.bits - 1)
    if dtype.is_integer:
        return bitcast(key ^ top, dtype)
    return bitcast(select(key.ge(top), key ^ top, ~key), dtype)


def lower_sort(kernel: Kernel, builder: Builder) -> None:
    """Write the loops."""
    rows = _Rows(kernel, builder)
    if not any(d == 0 for d in rows.space):
        rows.write()


class _Rows:
    """One kernel."""

    def __init__(self, kernel: Kernel, builder: Builder) -> None:
        (self.root,) = kernel.roots
        op = self.root.value.op
        assert op is not None
        self.operand = op.operands[0]
        ty = self.operand.type
        assert isinstance(ty, TensorType)
        self.dtype, self.key, self.space = ty.dtype, key_type(ty.dtype), ty.shape
        self.axis = axis_of(op.attributes)
        self.by_place = op.name == "argsort"
        self.zeros_equal = self.by_place and "apart" not in op.attributes
        self.kth: DimLike | None = op.attributes.get("kth")  # pyright: ignore[reportAttributeAccessIssue] -- a size
        self.by_parts = self._by_digits if self.kth is None else self._by_selecting
        self.length = self.space[self.axis]
        self.outer = (*self.space[: self.axis], *self.space[self.axis + 1 :])
        self.lanes = max(1, kernel.target.vector_bytes // self.key.size_bytes)
        self.count_lanes = kernel.target.vector_bytes // I64.size_bytes
        self.writer: Writer = kernel.writer(builder)

    def write(self) -> None:
        """All rows."""
        writer, total = self.writer, product(self.outer)
        lines = minimum(total, MAX_LINES)
        is_short = decide(self.length, "<=", SHORT)
        double: DimLike = self.length if is_short else self.length * 2
        keys = self._alloc(self.key, (lines, double))
        places = self._alloc(I64, (lines, double)) if self.by_place and not is_short else None
        cost = 64.0 * self.key.size_bytes * (self.length if isinstance(self.length, int) else 256)

        def chunk(start: Expr, stop: Expr, task: Expr) -> None:
            line = writer.bind(writer.fresh("line"), task, 0, lines)
            serial(writer, "row", start, stop, (0, total), lambda p: self._row(p, line, keys, places))

        parallel_chunks(writer, total, 1, cost, chunk, MAX_LINES)

    def _alloc(self, dtype: DType, shape: tuple[DimLike, ...]) -> Value:
        ty = BufferType(dtype, shape, False, "scratch")
        return self.writer.builder.emit("alloc", (), {"type": ty}).result

    def _row(self, p: Dim, line: Dim, keys: Value, places: Value | None) -> None:
        writer = self.writer
        outer = split_index(p, self.outer)
        self._fill(outer, line, keys)
        is_short = decide(self.length, "<=", SHORT)
        if is_short is not None:
            (self._by_counting if is_short else self.by_parts)(outer, line, keys, places)
            return

        def side(inner: Builder, *, short: bool) -> Sequence[Expr]:
            with writer.scope(inner, floor=True):
                (self._by_counting if short else self.by_parts)(outer, line, keys, places)
            return []

        writer.builder.branch(
            writer.number(self.length).le(SHORT),
            lambda b: side(b, short=True),
            lambda b: side(b, short=False),
        )

    def _place(self, outer: Sequence[DimLike], i: DimLike) -> list[DimLike]:
        return [*outer[: self.axis], i, *outer[self.axis :]]

    def _each(self, body: Body, lanes: int | None = None) -> None:
        """`body(i)` for each place of a row, in vectors."""
        writer = self.writer
        zero, end = writer.builder.index(0), writer.number(self.length)
        vectorized(writer, zero, end, (0, self.length), lanes or self.lanes, body, self.length)

    def _fill(self, outer: Sequence[DimLike], line: Dim, keys: Value) -> None:
        writer = self.writer

        def one(i: Dim) -> None:
            x = writer.splat(writer.here(writer.element(self.operand, self._place(outer, i))), writer.lanes)
            writer.store(key_of(x, zeros_equal=self.zeros_equal), keys, [line, i])

        self._each(one)

    # ---------------------------------------------------------------- short rows

    def _by_counting(self, outer: Sequence[DimLike], line: Dim, keys: Value, places: Value | None) -> None:
        """Each element goes to the number of those that come before it."""
        writer = self.writer

        def some(i: Dim) -> None:
            lanes = writer.lanes
            mine = writer.splat(writer.load(keys, [line, i]), lanes)
            own = writer.lanes_of_index(i) if lanes > 1 else writer.number(i)
            none = writer.builder.constant(0, VectorType(I64, lanes))

            def count(builder: Builder, j: Expr, held: Sequence[Expr]) -> Sequence[Expr]:
                with writer.scope(builder, floor=True):
                    place = writer.bind(writer.fresh("other"), j, 0, self.length)
                    other = writer.splat(writer.load(keys, [line, place]), lanes)
                    me = writer.here(mine)
                    before = other.lt(me) | (other.eq(me) & writer.splat(j, lanes).lt(writer.here(own)))
                    return [held[0] + cast(before, I64)]

            zero, end = writer.builder.index(0), writer.number(self.length)
            (rank,) = writer.builder.loop(zero, end, 1, [none], count)
            place = writer.bind(writer.fresh("rank"), writer.here(rank), 0, self.length)
            writer.scopes[-1].is_floor = True
            value = writer.here(own) if self.by_place else element_of(writer.here(mine), self.dtype)
            writer.store(value, self.root.buffer, self.root.place(self._place(outer, place)))

        self._each(some)

    # ---------------------------------------------------------------- long rows

    def _by_digits(self, outer: Sequence[DimLike], line: Dim, keys: Value, places: Value | None) -> None:
        """One pass for each digit, from one half of the memory to the other."""
        writer, count = self.writer, self.key.size_bytes
        table = self._alloc(I64, (count, 256))
        builder = writer.builder

        self._clear(table, count)
        serial(writer, "i", writer.builder.index(0), writer.number(self.length), (0, self.length),
               lambda i: self._count_digits(line, i, keys, places, table))  # fmt: skip

        def each(inner: Builder, digit: Expr, held: Sequence[Expr]) -> Sequence[Expr]:
            with writer.scope(inner, floor=True):
                number = writer.bind(writer.fresh("number"), digit, 0, count)
                return [self._pass(number, held[0], line, keys, places, table)]

        zero = builder.index(0)
        (base,) = builder.loop(zero, builder.index(count), 1, [zero], each)
        self._out(builder.index(0), writer.number(self.length), base, outer, line, keys, places)

    def _clear(self, table: Value, count: int) -> None:
        """Counts of digits begin at 0."""
        builder = self.writer.builder
        lanes = max(1, self.count_lanes)
        zero, facts = builder.constant(0, VectorType(I64, lanes)), {"stride": 1} if lanes > 1 else {}

        def some(inner: Builder, z: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
            inner.emit("store", [zero.value, table, z.value], facts)
            return []

        builder.loop(builder.index(0), builder.index(count * 256), lanes, [], some)

    def _out(
        self,
        start: Expr,
        stop: Expr,
        base: Expr,
        outer: Sequence[DimLike],
        line: Dim,
        keys: Value,
        places: Value | None,
    ) -> None:
        """Write results from one half of the memory."""
        writer = self.writer
        half = writer.bind(writer.fresh("half"), writer.here(base), 0, self.length + 1)
        writer.scopes[-1].is_floor = True

        def out(i: Dim) -> None:
            source = places if self.by_place and places is not None else keys
            found = writer.load(source, [line, half + i])
            value = found if self.by_place else element_of(found, self.dtype)
            writer.store(value, self.root.buffer, self.root.place(self._place(outer, i)))

        vectorized(writer, start, stop, (0, self.length), self.lanes, out)

    def _count_digits(self, line: Dim, i: Dim, keys: Value, places: Value | None, table: Value) -> None:
        writer = self.writer
        key = writer.load(keys, [line, i])
        if places is not None:
            writer.store(writer.number(i), places, [line, i])
        for number in range(self.key.size_bytes):
            entry: list[DimLike] = [number, self._digit(key, number)]
            writer.store(writer.load(table, entry) + 1, table, entry)

    def _digit(self, key: Expr, number: DimLike) -> Dim:
        writer = self.writer
        by = cast(writer.number(number * 8), self.key)
        shifted = writer.here(key).apply("shift_right_raw", by) if self.key != U8 else writer.here(key)
        digit = cast(shifted if self.key == U8 else shifted & 255, I64)
        return writer.bind(writer.fresh("digit"), digit, 0, 256)

    def _pass(
        self, number: DimLike, base: Expr, line: Dim, keys: Value, places: Value | None, table: Value
    ) -> Expr:
        """Move all elements by one digit, unless they share it; gives where they are then."""
        writer = self.writer
        length = writer.number(self.length)
        start = writer.bind(writer.fresh("start"), writer.here(base), 0, self.length + 1)
        writer.scopes[-1].is_floor = True
        first = writer.load(keys, [line, start])
        same = writer.load(table, [number, self._digit(first, number)]).eq(length)

        def move(builder: Builder) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                self._starts(number, table)
                target = writer.here(length) - writer.here(base)
                end = writer.bind(writer.fresh("end"), target, 0, self.length + 1)
                serial(writer, "i", writer.builder.index(0), writer.number(self.length), (0, self.length),
                       lambda i: self._move(number, start + i, end, line, keys, places, table))  # fmt: skip
                return [writer.here(target)]

        return writer.builder.branch(logical_not(same), move, lambda builder: [Expr(builder, base.value)])[0]

    def _starts(self, number: DimLike, table: Value) -> None:
        """Counts of digits become where each digit begins."""
        writer = self.writer

        def one(builder: Builder, d: Expr, held: Sequence[Expr]) -> Sequence[Expr]:
            with writer.scope(builder, floor=True):
                entry: list[DimLike] = [number, writer.bind(writer.fresh("d"), d, 0, 256)]
                count = writer.load(table, entry)
                writer.store(held[0], table, entry)
                return [held[0] + count]

        builder = writer.builder
        builder.loop(builder.index(0), builder.index(256), 1, [builder.index(0)], one)

    def _move(
        self,
        number: DimLike,
        place: DimLike,
        end: DimLike,
        line: Dim,
        keys: Value,
        places: Value | None,
        table: Value,
        *,
        row: DimLike | None = None,
    ) -> None:
        writer = self.writer
        key = writer.load(keys, [line, place])
        entry: list[DimLike] = [number if row is None else row, self._digit(key, number)]
        where = writer.load(table, entry)
        writer.store(where + 1, table, entry)
        target = end + writer.bind(writer.fresh("to"), where, 0, self.length)
        writer.store(key, keys, [line, target])
        if places is not None:
            writer.store(writer.load(places, [line, place]), places, [line, target])

    # ---------------------------------------------------------------- one place

    def _by_selecting(self, outer: Sequence[DimLike], line: Dim, keys: Value, places: Value | None) -> None:
        """From the first digit on, only elements that share the digits of the one at `kth` are moved on."""
        writer, count = self.writer, self.key.size_bytes
        builder, length = writer.builder, writer.number(self.length)
        table = self._alloc(I64, (1, 256))
        if places is not None:
            serial(writer, "i", builder.index(0), length, (0, self.length),
                   lambda i: writer.store(writer.number(i), places, [line, i]))  # fmt: skip

        def each(inner: Builder, step: Expr, held: Sequence[Expr]) -> Sequence[Expr]:
            with writer.scope(inner, floor=True):
                number = writer.bind(writer.fresh("number"), step.like(count - 1) - step, 0, count)
                return self._narrowed(number, held, outer, line, keys, places, table)

        zero = builder.index(0)
        low, high, base = builder.loop(zero, builder.index(count), 1, [zero, length, zero], each)
        self._out(low, high, base, outer, line, keys, places)

    def _narrowed(
        self,
        number: Dim,
        held: Sequence[Expr],
        outer: Sequence[DimLike],
        line: Dim,
        keys: Value,
        places: Value | None,
        table: Value,
    ) -> Sequence[Expr]:
        """One digit: the elements [low, high) in order of it; where those that share that of `kth` are then.

        What lies beside these goes out.
        """
        assert self.kth is not None
        writer, kth = self.writer, self.writer.number(self.kth)
        low, high, base = held
        start = writer.bind(writer.fresh("start"), base, 0, self.length + 1)
        self._clear(table, 1)

        def tally(i: Dim) -> None:
            entry: list[DimLike] = [0, self._digit(writer.load(keys, [line, start + i]), number)]
            writer.store(writer.load(table, entry) + 1, table, entry)

        serial(writer, "i", low, high, (0, self.length), tally)

        def begin(inner: Builder, digit: Expr, parts: Sequence[Expr]) -> Sequence[Expr]:
            with writer.scope(inner, floor=True):
                entry: list[DimLike] = [0, writer.bind(writer.fresh("d"), digit, 0, 256)]
                at, first, last = parts
                end = at + writer.load(table, entry)
                writer.store(at, table, entry)
                inside = writer.here(kth).ge(at) & writer.here(kth).lt(end)
                return [end, select(inside, at, first), select(inside, end, last)]

        builder = writer.builder
        _, first, last = builder.loop(
            builder.index(0), builder.index(256), 1, [writer.here(e) for e in (low, low, high)], begin
        )

        def move(inner: Builder) -> Sequence[Expr]:
            with writer.scope(inner, floor=True):
                target = writer.number(self.length) - writer.here(base)
                end = writer.bind(writer.fresh("end"), target, 0, self.length + 1)

                def one(i: Dim) -> None:
                    self._move(number, start + i, end, line, keys, places, table, row=0)

                serial(writer, "i", writer.here(low), writer.here(high), (0, self.length), one)
                for part in ((low, first), (last, high)):
                    self._out(writer.here(part[0]), writer.here(part[1]), target, outer, line, keys, places)
                return [writer.here(target)]

        is_all = first.eq(low) & last.eq(high)
        moved = builder.branch(logical_not(is_all), move, lambda inner: [Expr(inner, base.value)])[0]
        return [first, last, moved]
