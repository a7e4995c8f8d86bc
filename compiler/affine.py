"""Integers of the loop level as polynomials, and whether two iterations of a loop touch the same memory.

A polynomial is a map from products of values to whole factors; values that are not sums and products of
others are its unknowns. Iterations i and i' of a loop are independent if no address that one of them writes
is touched by the other: written c * i + r with one c, addresses differ if |r - r'| < c, as elements of a row
are, or if |r - r'| is more than the whole loop walks, as rows are. Not here: what is done with independent
loops (`passes/spread.py`, `passes/vectorize.py`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field

from weft.ir import BufferType, Builder, Expr, Func, Op, Region, Value, VectorType, record
from weft.ir.dataclass import dataclass
from weft.ir.types import I64
from weft.ir.walk import values_of

Product = tuple[Value, ...]
Poly = Mapping[Product, int]
SCALAR = VectorType(I64)


def constant(number: int) -> Poly:
    """A number."""
    return {(): number} if number else {}


def plus(a: Poly, b: Poly, factor: int = 1) -> Poly:
    """a + factor * b."""
    found = dict(a)
    for product, count in b.items():
        found[product] = found.get(product, 0) + factor * count
    return {p: c for p, c in found.items() if c}


def times(a: Poly, b: Poly) -> Poly:
    """a * b."""
    found: dict[Product, int] = {}
    for p, c in a.items():
        for q, d in b.items():
            product = tuple(sorted((*p, *q), key=id))
            found[product] = found.get(product, 0) + c * d
    return {p: c for p, c in found.items() if c}


def split(a: Poly, value: Value) -> tuple[Poly, Poly] | None:
    """(factor of `value`, rest); None if it is not linear in it."""
    slope: dict[Product, int] = {}
    rest: dict[Product, int] = {}
    for product, count in a.items():
        if product.count(value) > 1:
            return None
        if value in product:
            slope[tuple(v for v in product if v is not value)] = count
        else:
            rest[product] = count
    return slope, rest


def written(builder: Builder, a: Poly, value: Callable[[Value], Value]) -> Expr:
    """A polynomial as an i64 of a program in which `value` gives what stands for its unknowns."""
    total = builder.index(a.get((), 0))
    for product, factor in a.items():
        if product:
            part = builder.index(factor)
            for unknown in product:
                part = part * builder.expr(value(unknown))
            total = total + part
    return total


def unknowns(a: Poly) -> set[Value]:
    """The values in it."""
    return {v for product in a for v in product}


@dataclass(frozen=True, slots=True)
class Range:
    """The first and last index of a loop, as polynomials."""

    low: Poly
    high: Poly


@dataclass(frozen=True, slots=True)
class Access:
    """One access of memory: where, and the loops around it inside of the loop asked about."""

    op: Op
    buffer: Value
    offset: Poly
    is_store: bool
    loops: tuple[Value, ...]


@dataclass(slots=True)
class Facts:
    """What is known of the integers of a function: their polynomials, sizes' lower bounds, loops' ranges."""

    params: frozenset[Value] = frozenset()
    lower: dict[Value, int] = field(default_factory=dict[Value, int])
    ranges: dict[Value, Range] = field(default_factory=dict[Value, Range])
    known: dict[Value, Poly] = field(default_factory=dict[Value, Poly])

    def poly(self, value: Value) -> Poly:
        """A value as a polynomial."""
        found = self.known.get(value)
        if found is None:
            found = self.known[value] = self._poly(value)
        return found

    def _poly(self, value: Value) -> Poly:
        op = value.op
        if op is None or value.type != SCALAR:
            return {(value,): 1}
        match op.name:
            case "constant":
                number = op.attributes["value"]
                return constant(int(number)) if isinstance(number, int) else {(value,): 1}
            case "add":
                return plus(self.poly(op.operands[0]), self.poly(op.operands[1]))
            case "subtract":
                return plus(self.poly(op.operands[0]), self.poly(op.operands[1]), -1)
            case "multiply":
                return times(self.poly(op.operands[0]), self.poly(op.operands[1]))
            case _:
                return {(value,): 1}

    def is_positive(self, a: Poly, least: int = 0) -> bool:
        """Whether a >= least for all values that are possible; False if that is not plain."""
        shifted: Poly = constant(-least)
        for product, count in a.items():
            part: Poly = constant(count)
            for value in product:
                if value not in self.lower:
                    return False
                part = times(part, plus({(value,): 1}, constant(self.lower[value])))
            shifted = plus(shifted, part)
        return all(count >= 0 for count in shifted.values())

    def extreme(self, a: Poly, indices: Sequence[Value], *, highest: bool) -> Poly | None:
        """The largest or smallest value over the ranges of loop indices, the innermost last."""
        for index in reversed(indices):
            parts = split(a, index)
            if parts is None:
                return None
            slope, rest = parts
            if not slope:
                continue
            rises = self.is_positive(slope)
            if not rises and not self.is_positive(plus({}, slope, -1)):
                return None
            limits = self.ranges[index]
            end = limits.high if rises == highest else limits.low
            a = plus(rest, times(slope, end))
        return a


def facts_of(fn: Func) -> Facts:
    """What is known at the start: sizes by their symbols, ranges of the loops outside of kernels."""
    facts = Facts(frozenset(fn.params))
    for param in fn.params:
        symbol = fn.symbols.get(param.name)
        if symbol is not None and param.type == SCALAR:
            facts.lower[param] = symbol.lower
    for op in loops_of(fn.body):
        step = facts.poly(op.operands[2])
        if not step or set(step) != {()}:
            continue
        low, high = facts.poly(op.operands[0]), facts.poly(op.operands[1])
        if step[()] < 0:
            low, high = plus(high, constant(1)), low
        else:
            high = plus(high, constant(-1))
        facts.ranges[op.regions[0].params[0]] = Range(low, high)
    return facts


def loops_of(region: Region) -> Iterator[Op]:
    """Every `for` that stands outside of kernels, at any depth, an outer one first."""
    for op in region.ops:
        if op.regions and op.name != "kernel":
            if op.name == "for":
                yield op
            for inner in op.regions:
                yield from loops_of(inner)


PLAIN = ("for", "while", "if", "yield", "load", "store", "constant")


def accesses(facts: Facts, region: Region, loops: tuple[Value, ...] = ()) -> Iterator[Access | None]:
    """Every access of a region; None for what may do anything."""
    for op in region.ops:
        rule = record(op)
        if op.name in ("load", "store"):
            place = 1 if op.name == "store" else 0
            lanes = [v.type.lanes for v in (*op.operands, *op.results) if isinstance(v.type, VectorType)]
            if max(lanes) > 1 or len(op.operands) > place + 2:
                yield None
            else:
                offset = facts.poly(op.operands[place + 1])
                yield Access(op, op.operands[place], offset, op.name == "store", loops)
        elif op.name not in PLAIN and (rule.has("effect") or rule.has("memory") or rule.has("can_fail")):
            yield None
        elif any(isinstance(v.type, BufferType) for v in (*op.operands, *op.results)):
            yield None
        for inner in op.regions:
            more = (*loops, inner.params[0]) if op.name == "for" else loops
            yield from accesses(facts, inner, more)


def is_independent(facts: Facts, loop: Op) -> bool:
    """Whether the iterations of a loop that carries nothing may run in any order, or at once."""
    if len(loop.operands) > 3 or loop.regions[0].params[0] not in facts.ranges:
        return False
    found: list[Access] = []
    for access in accesses(facts, loop.regions[0]):
        if access is None or not has_own_memory(access.buffer, facts):
            return False
        found.append(access)
    stores = [a for a in found if a.is_store]
    index = loop.regions[0].params[0]
    inside = set(values_of(loop.regions[0])) - {index}
    return all(
        _apart(facts, index, inside, store, other)
        for store in stores
        for other in found
        if other.buffer is store.buffer
    )


def has_own_memory(buffer: Value, facts: Facts) -> bool:
    """Whether memory is an argument's or one allocation's: what a loop carries may be any."""
    return buffer in facts.params or (buffer.op is not None and buffer.op.name == "alloc")


def _apart(facts: Facts, index: Value, inside: set[Value], a: Access, b: Access) -> bool:
    """Whether a and b touch different places in different iterations."""
    first, second = split(a.offset, index), split(b.offset, index)
    if first is None or second is None or dict(first[0]) != dict(second[0]):
        return False
    slope = first[0]
    if unknowns(slope) & inside or not facts.is_positive(slope, 1):
        return False
    ends: list[tuple[Poly | None, Poly | None]] = []
    for (_, rest), access in ((first, a), (second, b)):
        around = [index, *(v for v in access.loops if v in facts.ranges)]
        ends.append((facts.extreme(rest, around, highest=False), facts.extreme(rest, around, highest=True)))
    (low, high), (other_low, other_high) = ends
    if low is None or high is None or other_low is None or other_high is None:
        return False
    if any(unknowns(p) & inside for p in (low, high, other_low, other_high)):
        return False
    above, below = plus(high, other_low, -1), plus(other_high, low, -1)  # the most that a is past b, b past a
    room, limits = plus(slope, constant(-1)), facts.ranges[index]
    if facts.is_positive(plus(room, above, -1)) and facts.is_positive(plus(room, below, -1)):
        return True
    longest = times(slope, plus(limits.high, limits.low, -1))  # between the first and the last iteration
    return any(facts.is_positive(plus(plus({}, past, -1), longest, -1), 1) for past in (above, below))
