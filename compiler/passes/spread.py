"""The pass `spread`: outer iterations of scalar loops that are independent are dealt out to threads.

Loop level to loop level, after scalars became registers: a loop that carries nothing and whose iterations
touch different memory (`compiler/affine.py`) becomes a parallel loop over shares of it. The shares depend on
the work alone, never on the number of threads, and a loop with little of it is one share. Not here: loops of
kernels, which their schedules make parallel.
"""

from collections.abc import Sequence

from weft.compiler.affine import Facts, facts_of, is_independent, loops_of
from weft.compiler.work import MOST_WORK, clamp, work_of
from weft.ir import Builder, Expr, Func, Op, Value
from weft.ir.expr import select
from weft.ir.rewrite import Cloner
from weft.ir.walk import values_of

SHARE = 1 << 16
"""Operations of a share: some 50 microseconds."""
MOST_SHARES = 64


def spread(fn: Func) -> Func:
    """The program with its independent scalar loops shared out."""
    facts = facts_of(fn)
    chosen = {op for op in loops_of(fn.body) if _can_be_shared(facts, op)}
    return _Spread(chosen).cloner.function(fn) if chosen else fn


def _can_be_shared(facts: Facts, op: Op) -> bool:
    """Whether iterations are independent, and more than one run through memory."""
    if not any(inner.regions for inner in op.regions[0].ops):
        return False
    return facts.poly(op.operands[2]) == {(): 1} and is_independent(facts, op)


class _Spread:
    """Writes the program with the chosen loops shared out, an outer one before those in it."""

    def __init__(self, chosen: set[Op]) -> None:
        self.chosen = chosen
        self.cloner = Cloner(rule=self.visit)

    def visit(self, builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        """What stands for a loop that can be shared out."""
        if op.name == "kernel":
            return Cloner(self.cloner.values).copy(builder.region, op, operands).results
        if op not in self.chosen:
            return None
        self._share(builder, op, operands)
        return ()

    def _share(self, builder: Builder, op: Op, operands: tuple[Value, ...]) -> None:
        lower, upper = builder.expr(operands[0]), builder.expr(operands[1])
        total = upper - lower
        some = clamp(total, MOST_WORK)
        body = op.regions[0]
        fixed, more = work_of(builder, body.ops, set(values_of(body)), self.cloner.value)
        work = builder.index(fixed) if more is None else clamp(more + fixed, MOST_WORK)
        shares = clamp((some * work).apply("divide_raw", some.like(SHARE)), MOST_SHARES)
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
