"""`Writer`: writes the expression of one element, or of a vector of neighbouring elements, at the loop level.

A schedule opens loops, each of which binds a symbol; an index is an expression over these symbols. The writer
evaluates a fused value at an index by the forms of the ops (DESIGN D9), placing every part in the outermost
loop that knows the symbols it depends on, once for each (value, index). One symbol may be spread over the
lanes of a vector. Not here: which loops there are (the schedules), what becomes a kernel (`fuse`).
"""

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import field

import numpy as np

from weft.compiler.schedule.context import OpContext
from weft.compiler.schedule.each import write_each
from weft.compiler.schedule.parts import atom_dim, dividends, index_dim, slope_of
from weft.ir import REGISTRY, BufferType, Builder, Expr, Op, TensorType, Value, VectorType, record
from weft.ir.dataclass import dataclass
from weft.ir.dims import (
    Compound,
    Dim,
    DimLike,
    Symbol,
    bounds,
    floor_divide,
    fold_dim,
    modulo,
    substitute,
    symbol,
    symbols_of,
)
from weft.ir.errors import InternalError
from weft.ir.expr import cast, lookup, select
from weft.ir.opdef import Element, Scalar, is_complex
from weft.ir.ops.shape import linear_index
from weft.ir.types import I32, I64

SMALL = 128  # more lanes than any vector has; n * ceil(2**16 / d) >> 16 is n // d up to twice this
MAX_NESTING = 40  # elements that wait for others; beyond, chains are written from their beginning
Index = tuple[DimLike, ...]
Read = Callable[[Index], Expr]
Ranges = dict[str, tuple[DimLike, DimLike]]  # symbol -> [lower, upper)


@dataclass(slots=True)
class Scope:
    """A region being written, with what it knows: symbols bound, values written, and lanes masked here."""

    builder: Builder
    known: dict[str, Expr] = field(default_factory=dict[str, Expr])
    values: dict[tuple[Value, Index], Expr] = field(default_factory=dict[tuple[Value, Index], Expr])
    sizes: dict[DimLike, Expr] = field(default_factory=dict[DimLike, Expr])
    vectors: dict[tuple[DimLike, str], Expr] = field(default_factory=dict[tuple[DimLike, str], Expr])
    places: dict[tuple[Op, int, Index], DimLike] = field(default_factory=dict[tuple[Op, int, Index], DimLike])
    mask: Expr | None = None
    is_floor: bool = False  # nothing may move out: this is under a condition, or uses what was defined here


@dataclass(frozen=True, slots=True)
class Access:
    """One read that the writer made: of which fused operand, at which index."""

    value: Value
    index: Index


class _Indices:
    """What the rule of an op that re-indexes reads, in place of a context."""

    def __init__(self, seen: list[Index]) -> None:
        self.seen = seen

    def read(self, _number: int, index: Sequence[DimLike]) -> None:
        """Keep where the operand is read."""
        self.seen.append(tuple(index))


class Writer:
    """Writes elements of fused values; see the module."""

    def __init__(self, builder: Builder, sizes: dict[str, Expr]) -> None:
        self.scopes = [Scope(builder, dict(sizes))]
        self.sources: dict[Value, Read] = {}
        self.aliases: dict[Value, Value] = {}  # parameters of ops with regions
        self.space: Index = ()  # index of the lanes of an op with a region
        self.layouts: dict[Value, Sequence[DimLike]] = {}  # byte strides of buffers that are not dense
        self.ranges: Ranges = {}
        self.multiples: dict[str, int] = {}  # of what number the bound value of a symbol is known to be
        self.lane_symbol = ""
        self.lanes = 1
        self.counter = 0
        self.nesting = 0
        self.accesses: list[Access] = []
        self.asked: list[
            tuple[DimLike, DimLike]
        ] = []  # conditions `index < bound` that ranges could not decide
        self.cut: Sequence[str] = ()  # the symbols whose axes may be cut at borders, in a probe for cuts
        self.observed: list[DimLike] = []  # indices whose value matters, not only the memory they reach
        self.decided: list[DimLike] = []  # those that were compared with a bound

    # ---------------------------------------------------------------- scopes

    @property
    def builder(self) -> Builder:
        """Of the innermost region."""
        return self.scopes[-1].builder

    @property
    def mask(self) -> Expr | None:
        """Lanes that may be touched, None for all."""
        return next((s.mask for s in reversed(self.scopes) if s.mask is not None), None)

    @contextmanager
    def scope(
        self, builder: Builder | None = None, *, mask: Expr | None = None, floor: bool = False
    ) -> Generator[None, None, None]:
        """A nested region, or the same region with a mask."""
        self.scopes.append(Scope(builder or self.builder, mask=mask, is_floor=floor or mask is not None))
        try:
            yield
        finally:
            self.scopes.pop()

    @contextmanager
    def unmasked(self) -> Generator[None, None, None]:
        """All lanes, where indices lie inside of memory in each."""
        masks = [(scope, scope.mask) for scope in self.scopes]
        for scope in self.scopes:
            scope.mask = None
        try:
            yield
        finally:
            for scope, mask in masks:
                scope.mask = mask

    @contextmanager
    def over_lanes(self, name: str, lanes: int) -> Generator[None, None, None]:
        """Spread the symbol over lanes: its bound value is that of lane 0."""
        self.lane_symbol, self.lanes = (name, lanes) if lanes > 1 else ("", 1)
        try:
            yield
        finally:
            self.lane_symbol, self.lanes = "", 1

    def fresh(self, prefix: str) -> str:
        """A symbol name not used in this kernel."""
        self.counter += 1
        return f"{prefix}.{self.counter}"

    def bind(self, name: str, value: Expr, lower: DimLike, upper: DimLike, multiple: int = 1) -> Dim:
        """Bind a symbol in the innermost scope; its expression. The value is some multiple of `multiple`."""
        self.scopes[-1].known[name] = value
        self.multiples[name] = multiple
        self.ranges[name] = (lower, upper)
        low, high = bounds(lower)[0], bounds(upper)[1]
        return symbol(name, low if low is not None else 0, None if high is None else high - 1)

    def _depth(self, dims: Sequence[DimLike]) -> int:
        """The outermost scope that knows all symbols, but not outside of a floor."""
        names = {s.name for d in dims for s in symbols_of(d)}
        floor = max((k for k, s in enumerate(self.scopes) if s.is_floor), default=0)
        for depth in range(len(self.scopes) - 1, -1, -1):
            if depth == floor or not names.isdisjoint(self.scopes[depth].known):
                return depth
        return 0

    @contextmanager
    def _at(self, depth: int) -> Generator[None, None, None]:
        inner = self.scopes[depth + 1 :]
        del self.scopes[depth + 1 :]
        try:
            yield
        finally:
            self.scopes.extend(inner)

    def here(self, e: Expr) -> Expr:
        """The same value, continued in the innermost region."""
        return Expr(self.builder, e.value)

    # ---------------------------------------------------------------- indices

    def _known(self, name: str) -> Expr:
        for scope in reversed(self.scopes):
            if name in scope.known:
                return self.here(scope.known[name])
        raise InternalError(f"symbol {name} is not bound in this kernel")

    def is_spread(self, index: DimLike) -> bool:
        """Whether the index differs between lanes."""
        return any(s.name == self.lane_symbol or self._lanes_of(s.name) > 1 for s in symbols_of(index))

    def _lanes_of(self, name: str) -> int:
        value = next((s.known[name] for s in reversed(self.scopes) if name in s.known), None)
        return value.type.lanes if value is not None and isinstance(value.type, VectorType) else 1

    def number(self, index: DimLike) -> Expr:
        """The index in lane 0, as an i64 scalar."""
        depth = self._depth([index])
        for scope in reversed(self.scopes[: depth + 1]):
            if index in scope.sizes:
                return self.here(scope.sizes[index])
        fixed = 0 if isinstance(index, int) else sum(f for monomial, f in index.terms if not monomial)
        with self._at(depth):
            outer, inner = self._split(index - fixed, depth)
            if fixed and not isinstance(inner, int):  # neighbours share the rest
                result = self.number(inner) + fixed
            else:
                inner = inner + fixed
                result = fold_dim(
                    inner, self.builder.index, lambda s: self._known(s.name), self._combine_of(inner)
                )
            if not isinstance(outer, int):
                result = self.number(outer) + result
            self.scopes[-1].sizes[index] = result
        return self.here(result)

    def _split(self, index: DimLike, depth: int) -> tuple[DimLike, DimLike]:
        """The divisions in an index that a scope outside of `depth` can do (0: none), and the rest."""
        if not isinstance(index, Dim) or len(index.terms) == 1:
            return 0, index
        outer: DimLike = 0
        for monomial, factor in index.terms:
            term = Dim(((monomial, factor),))
            if any(isinstance(a, Compound) for a in monomial) and self._depth([term]) < depth:
                outer = outer + term
        return outer, index - outer

    def lanes_of_index(self, index: DimLike) -> Expr:
        """The index in every lane: base + coefficient * lane where that is so, else computed lane by lane."""
        if not self.is_spread(index):
            return self.splat(self.number(index), self.lanes)
        coefficient = self.lane_coefficient(index)
        if coefficient is not None:
            lane = self.builder.expr(self.builder.emit("lane_index", (), {"lanes": self.lanes}).result)
            step = lane if coefficient == 1 else lane * self.splat(self.number(coefficient), self.lanes)
            return self.splat(self.number(index), self.lanes) + step
        depth = self._depth([index])
        for scope in reversed(self.scopes[: depth + 1]):
            if (index, self.lane_symbol) in scope.vectors:
                return self.here(scope.vectors[index, self.lane_symbol])
        with self._at(depth):
            outer, inner = self._split(index, depth)
            result = self._lane_by_lane(inner)
            if not isinstance(outer, int):
                result = self.lanes_of_index(outer) + result
            self.scopes[-1].vectors[index, self.lane_symbol] = result
        return self.here(result)

    def _lane_by_lane(self, index: DimLike) -> Expr:
        lane = self.builder.expr(self.builder.emit("lane_index", (), {"lanes": self.lanes}).result)
        return fold_dim(
            index, lambda n: self.splat(self.builder.index(n), self.lanes),
            lambda s: self._lanes_of_symbol(s.name, lane),
            self._combine_of(index), lambda part: self._divided_once(part, lane),
        )  # fmt: skip

    def _divided_once(self, part: Compound, lane: Expr) -> Expr | None:
        """A quotient or remainder of neighbours by one division; by less than the lanes, of small numbers."""
        if part.kind not in ("floordiv", "mod") or self.is_spread(part.right):
            return None
        least = self._extreme(part.right, highest=False)
        is_small = isinstance(part.right, int) and part.right < self.lanes < SMALL
        if least is None or self.lane_coefficient(part.left) != 1 or not (is_small or least >= self.lanes):
            return None
        first = self.splat(self.number(floor_divide(part.left, part.right)), self.lanes)
        rest = self.number(modulo(part.left, part.right))
        if is_small:
            assert isinstance(part.right, int)
            near = self.splat(cast(rest, I32), self.lanes) + cast(lane, I32)  # less than 2 * SMALL
            inverse = -(-(1 << 16) // part.right)
            quotient = (near * inverse).apply("shift_right_raw", near.like(16))
            return (
                first + cast(quotient, I64)
                if part.kind == "floordiv"
                else cast(near - quotient * part.right, I64)
            )
        divisor, near = self.splat(self.number(part.right), self.lanes), self.splat(rest, self.lanes) + lane
        is_behind = near.ge(divisor)
        if part.kind == "mod":
            return select(is_behind, near - divisor, near)
        return select(is_behind, first + 1, first)

    def _lanes_of_symbol(self, name: str, lane: Expr) -> Expr:
        value = self.splat(self._known(name), self.lanes)
        return value + lane if name == self.lane_symbol else value

    def lane_coefficient(self, index: DimLike) -> DimLike | None:
        """How much the index grows from lane to lane; None if that is not the same everywhere."""
        if not isinstance(index, Dim):
            return 0
        total: DimLike = 0
        for monomial, factor in index.terms:
            slopes = {a: self._slope_over_lanes(a) for a in monomial if self.is_spread(atom_dim(a))}
            spread = [a for a, slope in slopes.items() if slope != 0]
            if not spread:
                continue
            if len(spread) > 1 or len(spread) < monomial.count(spread[0]) or slopes[spread[0]] is None:
                return None
            rest: DimLike = factor
            for atom in monomial:
                if atom is not spread[0]:
                    rest = rest * atom_dim(atom)
            total = total + rest
        return total

    def _slope_over_lanes(self, atom: Symbol | Compound) -> int | None:
        """0: the same in all lanes, 1: one more from lane to lane, None: neither is known.

        Lanes that begin at a multiple of their number lie between two multiples of the divisor.
        """
        if isinstance(atom, Symbol):
            return 1 if atom.name == self.lane_symbol else None
        inner = self.lane_coefficient(atom.left)
        if self.is_spread(atom.right) or not isinstance(inner, int):
            return None
        if inner == 0:
            return 0
        divides = isinstance(atom.right, int) and atom.right % self.lanes == 0
        if inner != 1 or not divides or self._multiple_of(atom.left) % self.lanes:
            return None
        return {"floordiv": 0, "mod": 1}.get(atom.kind)

    def _multiple_of(self, index: DimLike) -> int:
        """A number that the index in lane 0 is known to be a multiple of."""
        if not isinstance(index, Dim):
            return index
        found = 0
        for monomial, factor in index.terms:
            names = [a.name for a in monomial if isinstance(a, Symbol)]
            found = math.gcd(found, factor * math.prod(self.multiples.get(name, 1) for name in names))
        return found

    def _combine_of(self, index: DimLike) -> Callable[[str, Expr, Expr], Expr]:
        """How parts of an index are put together; only dividends that may be negative cost a floor."""
        may_be_negative = any(self._may_be_negative(d) for d in dividends(index))
        return lambda kind, a, b: self._combine(kind, a, b, floors=may_be_negative)

    def _may_be_negative(self, value: DimLike) -> bool:
        low = self._extreme(value, highest=False)
        return low is None or low < 0

    def _combine(self, kind: str, a: Expr, b: Expr, *, floors: bool) -> Expr:
        match kind:
            case "add":
                return a + b
            case "mul":
                return a * b
            case "floordiv" | "mod":
                quotient = a.apply("divide_raw", b)  # divisors are positive
                if floors:
                    quotient = select((a - quotient * b).lt(0), quotient - 1, quotient)
                return quotient if kind == "floordiv" else a - quotient * b
            case "min":
                return select(a.le(b), a, b)
            case _:
                return select(a.ge(b), a, b)

    def splat(self, e: Expr, lanes: int) -> Expr:
        """A scalar in all lanes; lanes stay."""
        if lanes == 1 or (isinstance(e.type, VectorType) and e.type.lanes == lanes):
            return e
        return Expr(self.builder, self.builder.emit("splat", [e.value], {"lanes": lanes}).result)

    def decide(self, a: DimLike, relation: str, b: DimLike) -> bool | None:
        """Whether the relation (< or >=) holds for all values of the symbols in their ranges, or for none."""
        low, high = self._extreme(a - b, highest=False), self._extreme(a - b, highest=True)
        below = True if high is not None and high < 0 else (False if low is not None and low >= 0 else None)
        return below if relation == "<" or below is None else not below

    def _extreme(self, value: DimLike, *, highest: bool) -> int | None:
        """A bound of an expression: symbols with ranges take the end to which the value grows or falls."""
        for name in sorted({s.name for s in symbols_of(value)} & self.ranges.keys(), reverse=True):
            slope = slope_of(value, name)
            if slope is None:
                return None
            sign = bounds(slope)
            rising = sign[0] is not None and sign[0] >= 0
            if not rising and not (sign[1] is not None and sign[1] <= 0):
                return None
            lower, upper = self.ranges[name]
            value = substitute(value, {name: upper - 1 if rising == highest else lower})
        return bounds(value)[1 if highest else 0]

    # ---------------------------------------------------------------- elements

    def element(self, value: Value, index: Sequence[DimLike]) -> Expr:
        """The element of a fused value at an index: a scalar, or one for each lane if the index is spread."""
        key = (value, tuple(index))
        found = self._written(key)
        if found is not None:
            return self.here(found)
        self.nesting += 1
        try:
            if self.nesting > MAX_NESTING:
                self._write_operands(value, key[1])
            with self._at(self._depth(index)):
                result = self._write(value, key[1])
                self.scopes[-1].values[key] = result
        finally:
            self.nesting -= 1
        return self.here(result)

    def _written(self, key: tuple[Value, Index]) -> Expr | None:
        return next((scope.values[key] for scope in reversed(self.scopes) if key in scope.values), None)

    def _write_operands(self, value: Value, index: Index) -> None:
        """Write what an elementwise op reads, first what that reads: a long chain is no deep recursion."""
        todo = [value]
        while todo:
            op, operands = todo[-1].op, tuple[Value, ...]()
            if op is not None and todo[-1] not in self.sources and isinstance(record(op).form, Scalar):
                operands = op.operands
            waiting = [o for o in operands if self._written((o, index)) is None]
            if waiting:
                todo += reversed(waiting)
                continue
            ready = todo.pop()
            if ready is not value:
                self.element(ready, index)

    def counted(self, value: Value, index: Index) -> DimLike | None:
        """The element at an index where it is a place along an axis, by `iota` and ops that re-index it."""
        value = self.aliases.get(value, value)
        while value not in self.sources and (op := value.op) is not None:
            if op.name == "iota":
                return index[0]
            if op.name not in ("broadcast", "reshape", "transpose", "slice"):
                return None
            form, seen = record(op).form, list[Index]()
            assert isinstance(form, Element)
            form.rule(_Indices(seen), op, index)  # pyright: ignore[reportArgumentType] -- such rules only read
            value, index = op.operands[0], seen[0]
        return None

    def place(self, op: Op, number: int, index: Index, make: Callable[[], DimLike]) -> DimLike:
        """An index read from memory, made once in the outermost scope that knows what it depends on."""
        key = (op, number, index)
        for scope in reversed(self.scopes):
            if key in scope.places:
                return scope.places[key]
        with self._at(self._depth(index)):
            self.scopes[-1].places[key] = result = make()
        return result

    def define(self, value: Value, index: Sequence[DimLike], e: Expr) -> None:
        """Say what a value is at an index, for the innermost scope.

        What is written from now on may use it, so it stays inside.
        """
        self.scopes[-1].values[(value, tuple(index))] = e
        self.scopes[-1].is_floor = True

    def _write(self, value: Value, index: Index) -> Expr:
        if value in self.sources:
            self.accesses.append(Access(value, index))
            return self.sources[value](index)
        op = value.op
        if value in self.aliases:
            return self.element(self.aliases[value], index)
        if op is None:
            raise InternalError(f"value {value!r} of a fusion has no source")
        if op.regions or op.name in ("any", "all"):
            return write_each(self, value, index)  # pyright: ignore[reportArgumentType] -- the checker sees this class twice
        if op.name == "constant":
            return self._constant(op, index)
        if op.name == "from_index":
            return self.number(index_dim(op.operands[0]))
        form = record(op).form
        if isinstance(form, Element):
            return form.rule(OpContext(self, op), op, index)  # pyright: ignore[reportArgumentType] -- as above
        if isinstance(form, Scalar):
            return self.scalar(op, [self.element(o, index) for o in op.operands], form)
        raise InternalError(f"op {op.name} reached by an index that its schedule did not foresee")

    def scalar(self, op: Op, operands: Sequence[Expr], form: Scalar) -> Expr:
        """An elementwise op on lanes: by its rule, or as it stands."""
        lanes = max((e.type.lanes for e in operands if isinstance(e.type, VectorType)), default=1)
        operands = [self.splat(self.here(e), lanes) for e in operands]
        if form.rule is not None and not is_complex([*(e.type for e in operands), op.results[0].type]):
            return form.rule(op.attributes, *operands)
        return self.builder.expr(
            self.builder.emit(op.name, [e.value for e in operands], op.attributes).result
        )

    def _constant(self, op: Op, index: Index) -> Expr:
        number = op.attributes["value"]
        ty = op.results[0].type
        assert isinstance(ty, TensorType)
        if isinstance(number, np.ndarray) and number.size > 1:
            linear = linear_index(index, ty.shape)
            self.observed.append(linear)
            place = self.lanes_of_index(linear) if self.is_spread(linear) else self.number(linear)
            if self.mask is not None and self.is_spread(
                linear
            ):  # lanes that are left out may lie outside of the table
                place = select(self.here(self.mask), place, place.like(0))
            return lookup(number.ravel().tolist(), ty.dtype, place)
        if isinstance(number, np.ndarray) and number.size == 0:
            number = 0
        if isinstance(number, np.ndarray | np.generic):
            number = number.item()
        assert isinstance(number, bool | int | float | complex)
        return self.builder.constant(number, VectorType(ty.dtype))

    # ---------------------------------------------------------------- memory

    def load(self, buffer: Value, index: Sequence[DimLike], strides: Sequence[DimLike] | None = None) -> Expr:
        """Elements of a buffer: dense ones in row-major order, strided ones by byte `strides`."""
        ty = buffer.type
        assert isinstance(ty, BufferType)
        strides = strides or self.layouts.get(buffer)
        offset = self.offset(index, ty.shape, strides)
        if ty.size == 0:
            return self.builder.constant(0, VectorType(ty.dtype))
        if not self.is_spread(offset):
            return self.builder.expr(self.builder.emit("load", [buffer, self.number(offset).value]).result)
        mask = [] if self.mask is None else [self.here(self.mask).value]
        coefficient = self._element_step(offset, ty, strides)
        if isinstance(coefficient, int):
            attributes = {"lanes": self.lanes, "stride": coefficient}
            return self.builder.expr(
                self.builder.emit("load", [buffer, self.number(offset).value, *mask], attributes).result
            )
        offsets = self.lanes_of_index(offset)
        return self.builder.expr(self.builder.emit("gather_lanes", [buffer, offsets.value, *mask]).result)

    def _element_step(
        self, offset: DimLike, ty: BufferType, strides: Sequence[DimLike] | None
    ) -> DimLike | None:
        """How many elements lie from lane to lane, where that is known."""
        coefficient = self.lane_coefficient(offset)
        if strides is None or not isinstance(coefficient, int):
            return coefficient if strides is None else None
        return coefficient // ty.dtype.size_bytes if coefficient % ty.dtype.size_bytes == 0 else None

    def offset(
        self, index: Sequence[DimLike], shape: Sequence[DimLike], strides: Sequence[DimLike] | None
    ) -> DimLike:
        """Position in memory: elements, or bytes if strides are given."""
        if strides is None:
            return linear_index(index, shape)
        total: DimLike = 0
        for i, stride in zip(index, strides, strict=True):
            total = total + i * stride
        return total

    def store(
        self,
        e: Expr,
        buffer: Value,
        index: Sequence[DimLike],
        strides: Sequence[DimLike] | None = None,
        *,
        streamed: bool = False,
    ) -> None:
        """Write an element, or one for each lane if the index is spread; `streamed` past the caches."""
        ty = buffer.type
        assert isinstance(ty, BufferType)
        strides = strides or self.layouts.get(buffer)
        offset = self.offset(index, ty.shape, strides)
        if not self.is_spread(offset):
            if isinstance(e.type, VectorType) and e.type.lanes > 1:
                raise InternalError(f"{e.type.lanes} lanes stored at one place of {ty}")
            self.builder.emit("store", [self.here(e).value, buffer, self.number(offset).value])
            return
        mask = [] if self.mask is None else [self.here(self.mask).value]
        lanes = self.splat(self.here(e), self.lanes)
        coefficient = self._element_step(offset, ty, strides)
        if isinstance(coefficient, int):
            operands = [lanes.value, buffer, self.number(offset).value, *mask]
            facts = {"streamed": True} if streamed and coefficient == 1 and not mask else {}
            self.builder.emit("store", operands, {"stride": coefficient, **facts})
        else:
            offsets = self.lanes_of_index(offset)
            self.builder.emit("scatter_lanes", [lanes.value, buffer, offsets.value, *mask])


def combine(name: str, a: Expr, b: Expr) -> Expr:
    """One elementwise op of two lanes: by its rule, or, of complex numbers, as it stands."""
    form = REGISTRY[name].form
    assert isinstance(form, Scalar)
    return a.apply(name, b) if form.rule is None or a.dtype.is_complex else form.rule({}, a, b)
