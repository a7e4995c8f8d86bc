"""The pass `carry`: an element that a loop wrote one or two iterations ago is in a register, not read again.

    for i: a[i] = f(a[i - 1])       carries a[i - 1], so that no iteration waits for memory

Only in loops whose one store to that memory is in every iteration. Loop level to loop level, outside of
kernels. Not here: scalars (`promote_scalars.py`), elements that are only read.
"""

from collections.abc import Mapping, Sequence

from weft.compiler.affine import (
    Facts,
    Poly,
    constant,
    facts_of,
    loops_of,
    plus,
    split,
    times,
    unknowns,
    written,
)
from weft.ir import BufferType, Builder, Expr, Func, Op, Region, Value, VectorType
from weft.ir.dataclass import dataclass
from weft.ir.rewrite import Cloner
from weft.ir.walk import values_of, walk

FARTHEST = 2
"""Iterations that an element is kept for."""


def carry(fn: Func) -> Func:
    """The program with recurrences through memory in registers."""
    pass_ = _Carry(facts_of(fn))
    pass_.look(fn.body)
    return pass_.cloner.function(fn) if pass_.found else fn


@dataclass(frozen=True, slots=True)
class _Recurrence:
    """The one store of a loop to its memory, and the loads of what it wrote so many iterations ago."""

    store: Op
    loads: Mapping[Op, int]
    slope: Poly

    @property
    def depth(self) -> int:
        """Elements to carry."""
        return max(self.loads.values())


class _Carry:
    """Asks for each loop outside of kernels."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.found: dict[Op, list[_Recurrence]] = {}
        self.taken: dict[Op, Value] = {}
        self.cloner = Cloner(rule=self.visit)

    def look(self, region: Region) -> None:
        """Find the loops with recurrences."""
        for op in loops_of(region):
            if op.attributes.get("kind", "serial") == "serial" and (recurrences := self._recurrences(op)):
                self.found[op] = recurrences

    def visit(self, builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        """What stands for a loop with recurrences, and for a load of what is carried."""
        if op.name == "kernel":
            return Cloner(self.cloner.values).copy(builder.region, op, operands).results
        if op in self.taken:
            return (self.taken[op],)
        return self._write(builder, op, operands, self.found[op]) if op in self.found else None

    def _recurrences(self, op: Op) -> list[_Recurrence]:
        """What the loop can carry: stores at the top of its body, each the only one to its memory."""
        region = op.regions[0]
        index = region.params[0]
        inner = list(walk(region))
        if self.facts.poly(op.operands[2]) != {(): 1} or any(
            o.name in ("kernel", "copy", "for", "while") for o in inner
        ):
            return []
        inside = set(values_of(region)) - {index}
        found: list[_Recurrence] = []
        for store in (o for o in region.ops if o.name == "store" and self._is_plain(o, 1)):
            buffer = store.operands[1]
            others = [o for o in inner if o is not store and buffer in o.operands]
            parts = split(self.facts.poly(store.operands[2]), index)
            is_known = buffer in self.facts.params or (buffer.op is not None and buffer.op.name == "alloc")
            if (
                parts is None
                or not is_known
                or any(o.name != "load" or not self._is_plain(o, 0) for o in others)
            ):
                continue
            slope = parts[0]
            offset = self.facts.poly(store.operands[2])
            if unknowns(offset) & inside or unknowns(slope) & {index} or not self.facts.is_positive(slope, 1):
                continue
            loads = {
                o: d for o in others if (d := self._distance(offset, o, slope)) and self._is_safe(o, region)
            }
            if loads:
                found.append(_Recurrence(store, loads, slope))
        return found

    @staticmethod
    def _is_plain(op: Op, place: int) -> bool:
        """Whether an access is of one element, without a mask."""
        lanes = [v.type.lanes for v in (*op.operands, *op.results) if isinstance(v.type, VectorType)]
        ty = op.operands[place].type
        plain = isinstance(ty, BufferType) and not ty.strided
        return plain and max(lanes) == 1 and len(op.operands) == place + 2

    def _distance(self, offset: Poly, load: Op, slope: Poly) -> int:
        """How many iterations ago the element was written that a load reads; 0 for none."""
        gap = plus(offset, self.facts.poly(load.operands[1]), -1)
        return next((d for d in range(1, FARTHEST + 1) if dict(gap) == dict(times(constant(d), slope))), 0)

    @staticmethod
    def _is_safe(load: Op, region: Region) -> bool:
        """Whether the first iteration reads it: what a condition guards may lie outside of the memory."""
        return load in region.ops

    def _write(
        self, builder: Builder, op: Op, operands: tuple[Value, ...], found: Sequence[_Recurrence]
    ) -> Sequence[Value]:
        """The loop with the elements among what it carries."""
        first: list[Value] = []
        for r in found:
            first += [e.value for e in self._before(builder, op, operands, r)]
        old = op.regions[0]
        new = Region([v.type for v in (*old.params, *first)], [p.name for p in old.params])
        self.cloner.values.update(zip(old.params, new.params, strict=False))
        kept = new.params[len(old.params) :]
        place = 0
        for r in found:
            self.taken.update((load, kept[place + d - 1]) for load, d in r.loads.items())
            place += r.depth
        inside = Builder(new)
        self.cloner.ops(old, inside, terminator=False)
        ends = list(self.cloner.operands(old.terminator))
        place = 0
        for r in found:
            ends += [self.cloner.value(r.store.operands[0]), *kept[place : place + r.depth - 1]]
            place += r.depth
        inside.emit("yield", ends)
        done = builder.emit("for", [*operands, *first], op.attributes, [new])
        return done.results[: len(op.results)]

    def _before(
        self, builder: Builder, op: Op, operands: tuple[Value, ...], r: _Recurrence
    ) -> Sequence[Expr]:
        """The elements before the first iteration, if there is one."""
        offset = self.facts.poly(r.store.operands[2])
        parts = split(offset, op.regions[0].params[0])
        assert parts is not None
        buffer = self.cloner.value(r.store.operands[1])
        start = plus(times(parts[0], self.facts.poly(op.operands[0])), parts[1])

        def load(inside: Builder) -> Sequence[Expr]:
            places = [plus(start, times(constant(-d), r.slope)) for d in range(1, r.depth + 1)]
            offsets = [written(inside, place, self.cloner.value).value for place in places]
            return [inside.expr(inside.emit("load", [buffer, o]).result) for o in offsets]

        def nothing(inside: Builder) -> Sequence[Expr]:
            value = r.store.operands[0].type
            return [inside.constant(0, value) for _ in range(r.depth)]

        runs = builder.expr(operands[0]).lt(builder.expr(operands[1]))
        return builder.branch(runs, load, nothing)
