"""Whether a program is so short that a call keeps the GIL (DESIGN D17): a bound of its time, from sizes.

Not here: how a call asks (`weft.backends.cpu.entry_run`).
"""

from __future__ import annotations

from weft.compiler.cost import op_flops, size_bytes
from weft.ir import Func
from weft.ir.dims import DimLike, bounds
from weft.ir.walk import walk

LIMIT_NS = 5000
_FLOPS_PER_NS, _BYTES_PER_NS = 8, 4  # of one core, rather too few
_SIZES = (4096, 1024, 256, 64, 16)
_UNBOUNDED = frozenset({"for", "while", "callback"})


def short_size(fn: Func) -> int:
    """The program is short while every size and int that it binds lies in [-n, n], n the result; 0 for never.

    A program that binds none is short for any n, or for none.
    """
    if any(op.name in _UNBOUNDED for op in walk(fn)):
        return 0
    work: list[tuple[DimLike, int]] = [(op_flops(op), _FLOPS_PER_NS) for op in walk(fn)]
    work += [(size_bytes(value), _BYTES_PER_NS) for value in (*fn.params, *fn.results)]
    symbolic = [(amount, rate) for amount, rate in work if not isinstance(amount, int)]
    constant = sum(amount / rate for amount, rate in work if isinstance(amount, int))
    if constant > LIMIT_NS:
        return 0
    for size in _SIZES:
        facts = {name: (-size, size) for name in fn.symbols}
        tops = [(bounds(amount, facts)[1], rate) for amount, rate in symbolic]
        known = [top / rate for top, rate in tops if top is not None]
        if len(known) == len(tops) and constant + sum(known) <= LIMIT_NS:
            return size
    return 0
