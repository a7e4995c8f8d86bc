"""What the values of a fusion that reduces rows are: in which sweep, for a row or each element, at what cost.

Not here: loops (`rows.py`, `row_groups.py`, `gpu_rows.py`).
"""

from collections.abc import Sequence

from weft.compiler.schedule.accumulate import Reduction, reduction_of
from weft.compiler.schedule.kernel import Kernel
from weft.ir import Op, TensorType, Value, record
from weft.ir.dims import DimLike
from weft.ir.opdef import Combine

COSTLY_FLOPS = 4  # what is cheaper is computed again


def levels_of(ops: Sequence[Op]) -> list[list[Reduction]]:
    """Reductions by how many others lie behind them."""
    depth: dict[Value, int] = {}
    levels: list[list[Reduction]] = []
    for op in ops:
        below = max((depth.get(v, 0) for v in op.operands), default=0)
        if isinstance(record(op).form, Combine):
            if below == len(levels):
                levels.append([])
            levels[below].append(reduction_of(op))
            below += 1
        depth.update(dict.fromkeys(op.results, below))
    return levels


def needs_of(value: Value, cache: dict[Value, set[Value]]) -> set[Value]:
    """Values that one sweep computes for `value`: back to reductions and inputs."""
    if value not in cache:
        found = {value}
        op = value.op
        if op is not None and not isinstance(record(op).form, Combine):
            for operand in op.operands:
                found |= needs_of(operand, cache)
        cache[value] = found
    return cache[value]


def is_swept_by(value: Value, level: Sequence[Reduction]) -> bool:
    """Whether the sweep of these reductions computes `value`."""
    cache: dict[Value, set[Value]] = {}
    return any(value in needs_of(r.operand, cache) for r in level)


def kept_values(
    kernel: Kernel, levels: Sequence[Sequence[Reduction]], space: tuple[DimLike, ...]
) -> list[Value]:
    """Costly values of the whole row that more than one sweep needs, outermost only."""
    cache: dict[Value, set[Value]] = {}
    sweeps = [set[Value]().union(*(needs_of(r.operand, cache) for r in level)) for level in levels]
    full_roots = [r.value for r in kernel.roots if r.space == space]
    sweeps.append(set[Value]().union(*(needs_of(v, cache) for v in full_roots)) if full_roots else set())
    kept: list[Value] = []
    hidden: set[Value] = set()
    for op in reversed(kernel.ops):
        for value in op.results:
            if (
                not isinstance(value.type, TensorType)
                or value.type.shape != space
                or isinstance(record(op).form, Combine)
                or value in hidden
            ):
                continue
            if sum(value in s for s in sweeps) > 1 and flops_of(value, cache) >= COSTLY_FLOPS:
                kept.append(value)
                hidden |= needs_of(value, cache)
    return kept


def flops_of(value: Value, cache: dict[Value, set[Value]]) -> float:
    """Arithmetic of one element."""
    return sum(
        record(v.op).flops
        for v in needs_of(value, cache)
        if v.op is not None and not isinstance(record(v.op).form, Combine)
    )
