"""The pass `spread`: outer iterations of scalar loops that are independent are dealt out to threads.

Loop level to loop level, after scalars became registers: a loop that carries nothing and whose iterations
touch different memory (`compiler/affine.py`) becomes a parallel loop over shares of it. The shares depend on
the work alone, never on the number of threads, and a loop with little of it is one share. Not here: loops of
kernels, which their schedules make parallel.
"""

from collections.abc import Sequence

from weft.compiler.affine import Facts, facts_of, has_loops, is_independent
from weft.ir import Builder, Expr, Func, Op, Region, Value, record
from weft.ir.expr import select
from weft.ir.rewrite import Cloner
from weft.ir.walk import values_of

SHARE = 1 << 16
"""Operations of a share: some 50 microseconds."""
MOST_SHARES = 64
_TRIPS = 16
"""Iterations that a loop is taken to have if that is known only inside."""
_MOST_WORK = 1 << 30


def spread(fn: Func) -> Func:
    """The program with its independent scalar loops shared out."""
    if not has_loops(fn.body):
        return fn
    return _Spread(facts_of(fn)).cloner.function(fn)


class _Spread:
    """Asks for each loop outside of kernels, an outer one first."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.cloner = Cloner(rule=self.visit)

    def visit(self, builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        """What stands for a loop that can be shared out."""
        if op.name == "kernel":
            return Cloner(self.cloner.values).copy(builder.region, op, operands).results
        if (
            op.name != "for"
            or self.facts.poly(op.operands[2]) != {(): 1}
            or not is_independent(self.facts, op)
        ):
            return None
        if not any(inner.regions for inner in op.regions[0].ops):
            return None  # its work is one run through memory
        self._share(builder, op, operands)
        return ()

    def _share(self, builder: Builder, op: Op, operands: tuple[Value, ...]) -> None:
        lower, upper = builder.expr(operands[0]), builder.expr(operands[1])
        total = upper - lower
        some = _clamp(total, _MOST_WORK)
        work = self._work(builder, op.regions[0], set(values_of(op.regions[0])))
        shares = _clamp((some * work).apply("divide_raw", some.like(SHARE)), MOST_SHARES)
        share = (some + (shares - 1)).apply("divide_raw", shares)
        count = (total + (share - 1)).apply("divide_raw", share)

        def task(inside: Builder, number: Expr, _carried: Sequence[Expr]) -> Sequence[Expr]:
            start = inside.expr(lower.value) + number * inside.expr(share.value)
            stop = start + inside.expr(share.value)
            end = inside.expr(upper.value)
            stop = select(stop.lt(end), stop, end)
            cloner = Cloner(self.cloner.values)
            body = cloner.region(op.regions[0])
            inside.emit("for", [start.value, stop.value, inside.index(1).value], op.attributes, [body])
            return []

        builder.loop(builder.index(0), count, 1, [], task, kind="parallel")

    def _work(self, builder: Builder, region: Region, inside: set[Value]) -> Expr:
        """About how many operations a region takes, as far as that is known before its loop."""
        fixed, known = self._parts(builder, region, inside)
        return _clamp(known + fixed, _MOST_WORK) if known is not None else builder.index(fixed)

    def _parts(self, builder: Builder, region: Region, inside: set[Value]) -> tuple[int, Expr | None]:
        """A number of operations, and one that depends on sizes."""
        fixed = max(1, int(sum(record(op).flops + 1 for op in region.ops if not op.regions)))
        total: Expr | None = None
        for op in region.ops:
            for inner in op.regions:
                some, more = self._parts(builder, inner, inside)
                if op.name == "for" and not inside & set(op.operands[:2]):
                    low, high = (builder.expr(self.cloner.value(v)) for v in op.operands[:2])
                    trips = _clamp(high - low, _MOST_WORK)
                    more = _clamp(trips * (some if more is None else more + some), _MOST_WORK)
                else:
                    trips = 1 if op.name == "if" else _TRIPS
                    fixed = min(fixed + some * trips, _MOST_WORK)
                    more = None if more is None else _clamp(more * trips, _MOST_WORK)
                total = (more if total is None else total + more) if more is not None else total
        return fixed, total


def _clamp(e: Expr, most: int) -> Expr:
    """At least 1, and at most so many."""
    e = select(e.lt(1), e.like(1), e)
    return select(e.lt(most), e, e.like(most))
