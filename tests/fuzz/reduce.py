"""Makes a failing case smaller while it fails the same way: drops results, cuts values, empties regions, shrinks sizes.

Not here: what it means to fail (a function that is given).
"""

from dataclasses import replace

import numpy as np

from weft.compiler.debug.reduce import cuts, fewer_results, is_valid, plainer, simpler, unused
from weft.ir.dims import evaluate_dim
from weft.ir.interp import Machine
from weft.ir.rewrite import copy_function
from weft.ir.types import IndexType


def kind_of(error):
    """What two failures must share to count as one."""
    text = str(error).split("\n")[0]
    words = "".join(c for c in text if not c.isdigit()).split()
    return (type(error).__name__, " ".join(words[:5]))


def reduce(case, check, steps=400):
    """The smallest case found for which `check` raises as it does for this one."""
    wanted = _failure(case, check)
    if wanted is None:
        return case
    tried = 0
    progress = True
    while progress and tried < steps:
        progress = False
        for smaller in _smaller(case):
            tried += 1
            if tried >= steps:
                break
            if _failure(smaller, check) == wanted:
                case, progress = smaller, True
                break
    return case


def _failure(case, check):
    try:
        check(case)
    except Exception as error:  # any failure counts
        return kind_of(error)
    return None


def _smaller(case):
    """Valid cases that are a little smaller, the boldest first."""
    for make in (fewer_results, cuts, unused, _constant_sizes, plainer, simpler, _sizes):
        if make in (_constant_sizes, _sizes):
            found = make(case)
        else:
            found = (_with_arguments(case, smaller) for smaller in make(case.fn))
        yield from (one for one in found if one is not None and is_valid(one.fn))


def _with_arguments(case, smaller):
    """The case of a smaller program; None if what it needs cannot be computed."""
    known = _values(case) if smaller.added else {}
    if known is None:
        return None
    arguments = [case.arguments[n] for n in smaller.kept]
    arguments += [np.array(known[v], v.type.dtype.numpy) for v in smaller.added]
    for k in set(case.fn.strided) - set(smaller.fn.strided):
        if k < len(arguments) and len(smaller.kept) == len(case.arguments):
            arguments[k] = np.ascontiguousarray(arguments[k])
    return replace(case, fn=smaller.fn, arguments=arguments)


def _values(case):
    """What the interpreter makes of every tensor of the outer region."""
    machine = Machine()
    machine.known.update(case.sizes)
    try:
        machine.bind(case.fn, [np.asarray(a) for a in case.arguments])
        machine.run(case.fn.body)
    except Exception:  # what cannot be run cannot be cut
        return None
    return machine.values


def _constant_sizes(case):
    """Numbers in place of all symbols."""
    if case.fn.symbols:
        fn = copy_function(case.fn, dict(case.sizes))
        kept = [k for k, p in enumerate(fn.params) if not isinstance(p.type, IndexType)]
        if len(kept) == len(fn.params):
            fn.symbols = {}
            yield replace(case, fn=fn, sizes={}, arguments=list(case.arguments))


def _sizes(case):
    """Smaller sizes, the elements cut off."""
    for name, size in case.sizes.items():
        lower = case.fn.symbols[name].lower
        for smaller in sorted({lower, size // 2, size - 1}):
            if not lower <= smaller < size:
                continue
            sizes = {**case.sizes, name: smaller}
            arguments = []
            for p, a in zip(case.fn.params, case.arguments, strict=True):
                if isinstance(p.type, IndexType):
                    arguments.append(np.int64(evaluate_dim(p.type.dim, sizes)))
                else:
                    arguments.append(a[tuple(slice(0, evaluate_dim(d, sizes)) for d in p.type.shape)])
            yield replace(case, sizes=sizes, arguments=arguments)
