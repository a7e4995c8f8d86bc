"""About how many operations a piece of the loop level takes: whole numbers, and values of the program.

Not here: what is done with that (`passes/spread.py`, `passes/beside.py`); flops and bytes of kernels
(`cost.py`).
"""

from collections.abc import Callable, Sequence

from weft.ir import Builder, Expr, Op, Value, record
from weft.ir.expr import select

SOME_TRIPS = 16
"""Iterations that a loop is taken to have if that is known only inside."""
MOST_WORK = 1 << 30

_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide_raw": lambda a, b: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1),
    "minimum": min,
    "maximum": max,
    "less": lambda a, b: int(a < b),
    "greater": lambda a, b: int(a > b),
}


def number(value: Value, known: dict[Value, int | None] | None = None) -> int | None:
    """A whole number that is known, also by arithmetic on such; `known` are those asked for before."""
    known = {} if known is None else known
    if value not in known:
        known[value] = _number(value.op, known)
    return known[value]


def _number(op: Op | None, known: dict[Value, int | None]) -> int | None:
    if op is None or op.name not in (*_ARITHMETIC, "select", "constant"):
        return None
    if op.name == "constant":
        found = op.attributes["value"]
        return int(found) if isinstance(found, int) else None
    operands: list[int] = []
    for operand in op.operands:
        one = number(operand, known)
        if one is None:
            return None
        operands.append(one)
    if op.name == "select":
        return operands[1] if operands[0] else operands[2]
    if op.name == "divide_raw" and not operands[1]:
        return None
    return _ARITHMETIC[op.name](operands[0], operands[1])


def trips(loop: Op) -> int | None:
    """How often a `for` runs, if that is known."""
    lower, upper, step = (number(v) for v in loop.operands[:3])
    if lower is None or upper is None or not step:
        return None
    return len(range(lower, upper, step))


def clamp(e: Expr, most: int) -> Expr:
    """At least 1, and at most so many."""
    e = select(e.lt(1), e.like(1), e)
    return select(e.lt(most), e, e.like(most))


def work_of(
    builder: Builder, ops: Sequence[Op], inside: set[Value], outer: Callable[[Value], Value]
) -> tuple[int, Expr | None]:
    """A number of operations, and one that depends on sizes.

    `inside` are the values that are not known yet where the builder writes; the others are `outer(value)`.
    """
    fixed = max(1, int(sum(record(op).flops + 1 for op in ops if not op.regions)))
    total: Expr | None = None
    for op in ops:
        for inner in op.regions:
            some, more = work_of(builder, inner.ops, inside, outer)
            times = trips(op) if op.name == "for" else None
            if times is None and op.name == "for" and not inside & set(op.operands[:2]):
                low, high = (builder.expr(outer(v)) for v in op.operands[:2])
                count = clamp(high - low, MOST_WORK)
                more = clamp(count * (some if more is None else more + some), MOST_WORK)
            else:
                times = 1 if op.name in ("if", "kernel") else SOME_TRIPS if times is None else times
                fixed = min(fixed + some * times, MOST_WORK)
                more = None if more is None else clamp(more * min(times, MOST_WORK), MOST_WORK)
            total = (more if total is None else total + more) if more is not None else total
    return fixed, total
