"""How an `each` op is written: the loop of one element, or of the elements in the lanes of a vector.

What the loop carries stays in registers. A vector leaves it when no lane of it goes on; a counted loop also
when its lanes will not change any more, which is seen from the mask they are written under, or from four
iterations that give back the bits they began with. Not here: which loops may run so (`compiler/lanes.py`).
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from weft.compiler.lanes import LaneLoop, whole
from weft.ir import (
    Builder,
    DType,
    Expr,
    IndexType,
    InternalError,
    Op,
    Region,
    TensorType,
    Value,
    VectorType,
)
from weft.ir.dims import DimLike, as_symbol, decide
from weft.ir.expr import bitcast, logical_not, select
from weft.ir.node import Attributes
from weft.ir.types import BOOL, U8, U16, U32, U64

if TYPE_CHECKING:
    from weft.compiler.schedule.element import Writer

PERIOD = 4
"""Iterations between two looks at what has changed: also lanes that go in circles of 1, 2 or 4 stop."""
ROUND = 256
"""Iterations between two questions whether the program is to stop, which cost registers."""
FEW_TRIPS = 12
"""A loop of so few iterations is not worth a look."""
_UNSIGNED: dict[int, DType] = {8: U8, 16: U16, 32: U32, 64: U64}


def write_each(writer: "Writer", value: Value, index: tuple[DimLike, ...]) -> Expr:
    """The element of a result of `each`, of a loop in it, or the answer of its lanes to a question."""
    op = value.op
    assert op is not None
    if op.name in ("any", "all"):
        return _answer(writer, op)
    if op.name == "each":
        (region,) = op.regions
        writer.aliases.update(zip(region.params, op.operands, strict=True))
        writer.space = index
        ends = [writer.element(v, index) for v in region.terminator.operands]
        _keep(writer, op.results, ends, index)
        return ends[value.index]
    results = _Loop(writer, op, index).write()
    _keep(writer, op.results, results, index)
    return results[value.index]


def _keep(
    writer: "Writer", values: Sequence[Value], elements: Sequence[Expr], index: tuple[DimLike, ...]
) -> None:
    for value, e in zip(values, elements, strict=True):
        writer.scopes[-1].values[(value, _place(value, index))] = e


def _place(value: Value, index: tuple[DimLike, ...]) -> tuple[DimLike, ...]:
    """The index of a value: that of the lanes, none for a number."""
    return index if isinstance(value.type, TensorType) and value.type.shape else ()


def _answer(writer: "Writer", op: Op) -> Expr:
    """Whether a mask holds in one lane of this vector, or in all."""
    mask = whole(op.operands[0])
    if mask is None:
        raise InternalError(f"{op.name} of a part of the lanes in an each")
    lanes = writer.element(mask, writer.space)
    wanted = lanes if op.name == "any" else logical_not(lanes)
    found = _any(writer, wanted)
    return found if op.name == "any" else logical_not(found)


def _any(writer: "Writer", mask: Expr) -> Expr:
    """Whether the mask holds in a lane that is really there."""
    if writer.mask is not None and isinstance(mask.type, VectorType) and mask.type.lanes > 1:
        mask = mask & writer.here(writer.mask)
    if isinstance(mask.type, VectorType) and mask.type.lanes == 1:
        return mask
    return mask.builder.expr(mask.builder.emit("any_lane", [mask.value]).result)


class _Loop:
    """One loop at one index."""

    def __init__(self, writer: "Writer", op: Op, index: tuple[DimLike, ...]) -> None:
        self.writer = writer
        self.op = op
        self.index = index
        assert isinstance(op.results[0].type, TensorType)
        space = next(r.type.shape for r in op.results if isinstance(r.type, TensorType) and r.type.shape)
        self.loop = LaneLoop(op, space)

    def write(self) -> list[Expr]:
        """Write it where the writer stands; what is carried in the end."""
        writer, loop = self.writer, self.loop
        self._prepare()
        initial = [self._spread(v, writer.element(v, _place(v, self.index))) for v in loop.initial]
        if self.op.name == "while":
            return self._while(initial)
        lower, upper, step = (_dim(v) for v in self.op.operands[:3])
        assert isinstance(step, int)
        mask = loop.stopping_mask()
        few = decide(upper - lower, "<", FEW_TRIPS * step) if step > 0 else None
        plain = all(not loop.is_lane(p) or _has_plain_bits(p) for p in loop.params)
        if mask is None and step == 1 and few is not True and plain and loop.is_autonomous():
            return self._periodic(lower, upper, initial)
        return self._counted(lower, upper, step, initial, mask)

    def _prepare(self) -> None:
        """Read what does not change before the loop."""
        writer, index = self.writer, self.index
        for region in self.op.regions:
            for op in region.ops:
                for v in op.operands:
                    if v in writer.aliases and self.loop.is_lane(v):
                        writer.element(v, index)

    def _spread(self, value: Value, e: Expr) -> Expr:
        e = self.writer.here(e)
        return self.writer.splat(e, self.writer.lanes) if self.loop.is_lane(value) else e

    def _enter(self, region: Region, carried: Sequence[Expr]) -> None:
        """Say what the parameters are, in the innermost scope."""
        params = region.params[len(region.params) - len(carried) :]
        for param, e in zip(params, carried, strict=True):
            self.writer.scopes[-1].values[(param, _place(param, self.index))] = e

    def _ends(self, region: Region) -> list[Expr]:
        for op in region.ops:
            if op.name == "to_index":
                self._bind(op)
        values = region.terminator.operands
        return [self._spread(v, self.writer.element(v, _place(v, self.index))) for v in values]

    def _bind(self, op: Op) -> None:
        """A counter that is used as an index."""
        symbol = as_symbol(_dim(op.results[0]))
        assert symbol is not None
        lower, upper = symbol.lower, symbol.upper
        counter = self.writer.element(op.operands[0], ())
        self.writer.bind(symbol.name, counter, lower, upper + 1 if upper is not None else 1 << 62)

    def _repeat(
        self,
        initial: Sequence[Expr],
        goes_on: "Callable[[Builder, Sequence[Expr]], Expr]",
        step: "Callable[[Builder, Sequence[Expr]], Sequence[Expr]]",
    ) -> list[Expr]:
        """Loops of the loop level: rounds that do not ask whether to stop the program, in one that does."""
        writer, builder = self.writer, self.writer.builder

        def rounds(outer: Builder, state: Sequence[Expr]) -> Sequence[Expr]:
            count = outer.index(0)
            goes = outer.constant(True, VectorType(BOOL))
            return _while(outer, [count, goes, *state], {"polls": False}, is_inside, one)[1:]

        def is_inside(inner: Builder, carried: Sequence[Expr]) -> Expr:
            return carried[0].lt(ROUND) & carried[1]

        def one(inner: Builder, carried: Sequence[Expr]) -> Sequence[Expr]:
            with writer.scope(inner, floor=True):
                state = [writer.here(e) for e in step(inner, carried[2:])]
                return [carried[0] + 1, writer.here(goes_on(inner, state)), *state]

        initial = [writer.here(e) for e in initial]
        with writer.scope(floor=True):
            first = writer.here(goes_on(builder, initial))
        found = _while(builder, [first, *initial], {}, lambda _b, e: e[0], lambda b, e: rounds(b, e[1:]))
        return found[1:]

    def _while(self, initial: Sequence[Expr]) -> list[Expr]:
        condition, body = self.op.regions

        def goes_on(_builder: Builder, carried: Sequence[Expr]) -> Expr:
            self._enter(condition, carried)
            return self._ends(condition)[0]

        def step(_builder: Builder, carried: Sequence[Expr]) -> Sequence[Expr]:
            self._enter(body, carried)
            return self._ends(body)

        return self._repeat(initial, goes_on, step)

    def _at(self, index: Expr, limits: tuple[DimLike, DimLike], carried: Sequence[Expr]) -> None:
        """Bind the index and the parameters of a counted loop's body."""
        symbol = as_symbol(_dim(self.loop.body.params[0]))
        assert symbol is not None
        self.writer.bind(symbol.name, index, *limits)
        self._enter(self.loop.body, carried)

    def _counted(
        self, lower: DimLike, upper: DimLike, step: int, initial: Sequence[Expr], mask: Value | None
    ) -> list[Expr]:
        """A `for`, left when the mask holds in no lane."""
        writer = self.writer
        stop = writer.number(upper)
        limits = (lower, upper) if step > 0 else (upper + 1, lower + 1)

        def goes_on(_builder: Builder, carried: Sequence[Expr]) -> Expr:
            index = carried[0]
            inside = index.lt(writer.here(stop)) if step > 0 else index.gt(writer.here(stop))
            return inside & carried[1]

        def body(_builder: Builder, carried: Sequence[Expr]) -> Sequence[Expr]:
            index, goes, *state = carried
            self._at(index, limits, state)
            if mask is not None:
                goes = _any(writer, writer.element(mask, self.index))
            return [index + step, goes, *self._ends(self.loop.body)]

        first = [writer.number(lower), writer.builder.constant(True, VectorType(BOOL)), *initial]
        return self._repeat(first, goes_on, body)[2:]

    def _periodic(self, lower: DimLike, upper: DimLike, initial: Sequence[Expr]) -> list[Expr]:
        """A `for` in rounds of a few iterations; one that gives back what it got ends it."""
        writer, stop = self.writer, self.writer.number(upper)

        def goes_on(_builder: Builder, carried: Sequence[Expr]) -> Expr:
            return carried[0].lt(writer.here(stop))

        def turn(builder: Builder, carried: Sequence[Expr]) -> Sequence[Expr]:
            index, *state = carried
            rest = writer.here(stop) - index
            count = select(rest.lt(PERIOD), rest, PERIOD)

            def body(inner: Builder, k: Expr, old: Sequence[Expr]) -> Sequence[Expr]:
                with writer.scope(inner, floor=True):
                    self._at(writer.here(index) + k, (lower, upper), old)
                    return self._ends(self.loop.body)

            new = builder.loop(builder.index(0), count, 1, state, body)
            left = rest - count
            jump = select(self._differs(state, new), count, count + _rounded(left))
            return [index + jump, *new]

        return self._repeat([writer.number(lower), *initial], goes_on, turn)[1:]

    def _differs(self, old: Sequence[Expr], new: Sequence[Expr]) -> Expr:
        """Whether a bit of a lane has changed."""
        found: Expr | None = None
        for param, a, b in zip(self.loop.params, old, new, strict=True):
            if self.loop.is_lane(param):
                unequal = _bits(a).apply("not_equal", _bits(b))
                found = unequal if found is None else found | unequal
        assert found is not None
        return _any(self.writer, found)


def _while(
    builder: Builder,
    initial: Sequence[Expr],
    attributes: Attributes,
    goes_on: Callable[[Builder, Sequence[Expr]], Expr],
    step: Callable[[Builder, Sequence[Expr]], Sequence[Expr]],
) -> list[Expr]:
    """A `while` of the loop level."""
    regions = [Region([e.value.type for e in initial]) for _ in range(2)]
    head, body = (builder.inside(region) for region in regions)
    head.emit("yield", [goes_on(head, [head.expr(p) for p in regions[0].params]).value])
    body.emit("yield", [e.value for e in step(body, [body.expr(p) for p in regions[1].params])])
    op = builder.emit("while", [e.value for e in initial], attributes, regions)
    return [builder.expr(r) for r in op.results]


def _rounded(e: Expr) -> Expr:
    """Down to whole rounds."""
    return e.apply("bitwise_and", e.like(-PERIOD))


def _has_plain_bits(value: Value) -> bool:
    """Whether one op compares elements by their bits: a complex number is two, a half part of a float."""
    dtype = value.type.dtype if isinstance(value.type, TensorType) else None
    return dtype is not None and (dtype.kind in "biu" or (dtype.kind == "f" and dtype.bits >= 32))


def _bits(e: Expr) -> Expr:
    """Something to be compared by its bits."""
    dtype = e.dtype
    return bitcast(e, _UNSIGNED[dtype.bits]) if dtype.is_float else e


def _dim(value: Value) -> DimLike:
    assert isinstance(value.type, IndexType)
    return value.type.dim
