"""Makes a failing case smaller while it fails the same way: drops results, cuts values, empties regions, shrinks sizes.

Not here: what it means to fail (a function that is given).
"""

from dataclasses import replace

import numpy as np

from weft.ir import Builder, Op, Region, TensorType
from weft.ir.dims import as_symbol, evaluate_dim
from weft.ir.errors import WeftError
from weft.ir.interp import Machine
from weft.ir.rewrite import copy_function, remove_dead
from weft.ir.types import IndexType
from weft.ir.verify import verify
from weft.ir.walk import uses, walk


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
    for make in (_fewer_results, _cuts, _unused, _plain, _inside, _sizes):
        for smaller in make(case):
            try:
                verify(smaller.fn)
            except WeftError:
                continue
            yield smaller


def _clone(case):
    fn = copy_function(case.fn)
    fn.into = fn.into or (-1,) * len(fn.results)
    return replace(case, fn=fn, arguments=list(case.arguments))


def _fewer_results(case):
    count = len(case.fn.results)
    if count < 2:
        return
    for k in range(count):
        new = _clone(case)
        new.fn.body.terminator.operands = tuple(r for n, r in enumerate(new.fn.results) if n != k)
        new.fn.into = tuple(t for n, t in enumerate(new.fn.into) if n != k)
        yield replace(new, fn=remove_dead(new.fn))


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


def _cuts(case):
    """Replace the results of an op by arguments, the last ops first."""
    known = _values(case)
    if known is None:
        return
    for k in reversed(range(len(case.fn.body.ops) - 1)):
        old = case.fn.body.ops[k]
        if not old.operands and not old.regions:
            continue
        if not all(isinstance(r.type, TensorType) for r in old.results):
            continue
        new = _clone(case)
        op = new.fn.body.ops[k]
        for r, before in zip(op.results, old.results, strict=True):
            _replace(new.fn, r, new.fn.body.add_param(r.type))
            new.arguments.append(np.array(known[before], r.type.dtype.numpy))
        new.fn.body.ops.remove(op)
        new = replace(new, fn=remove_dead(new.fn))
        yield next(_unused(new, every=True), new)


def _replace(fn, old, new):
    for op in walk(fn):
        if old in op.operands:
            op.operands = tuple(new if v is old else v for v in op.operands)


def _unused(case, *, every=False):
    """Drop arguments that nothing reads, unless they bind a symbol."""
    read = set(uses(case.fn))
    for k in range(len(case.fn.params)):
        new = _clone(case)
        gone = (
            [k]
            if not every
            else [n for n, p in enumerate(case.fn.params) if p not in read and n not in new.fn.into]
        )
        gone = [n for n in gone if case.fn.params[n] not in read and n not in new.fn.into]
        kept = [n for n in range(len(case.fn.params)) if n not in gone]
        bound = {as_symbol(d).name for n in kept for d in _bare(case.fn.params[n].type) if as_symbol(d)}
        if not gone or not bound >= set(case.fn.symbols):
            if every:
                return
            continue
        place = {n: i for i, n in enumerate(kept)}
        params = [new.fn.params[n] for n in kept]
        for i, p in enumerate(params):
            p.index = i
        new.fn.body.params[:] = params
        new.fn.into = tuple(place.get(t, -1) for t in new.fn.into)
        new.fn.strided = tuple(place[s] for s in new.fn.strided if s in place)
        yield replace(new, arguments=[case.arguments[n] for n in kept])
        if every:
            return


def _bare(ty):
    return (ty.dim,) if isinstance(ty, IndexType) else ty.shape


def _plain(case):
    """Constant sizes, dense arguments, new results."""
    if case.fn.symbols:
        fn = copy_function(case.fn, dict(case.sizes))
        kept = [k for k, p in enumerate(fn.params) if not isinstance(p.type, IndexType)]
        if len(kept) == len(fn.params):
            fn.symbols = {}
            yield replace(case, fn=fn, sizes={}, arguments=list(case.arguments))
    for k in case.fn.strided:
        new = _clone(case)
        new.fn.strided = tuple(s for s in new.fn.strided if s != k)
        new.arguments[k] = np.ascontiguousarray(new.arguments[k])
        yield new
    for k, t in enumerate(case.fn.into):
        if t >= 0:
            new = _clone(case)
            new.fn.into = tuple(-1 if n == k else s for n, s in enumerate(case.fn.into))
            yield new


def _inside(case):
    """Ops inside regions replaced by values of their type, branches by one side, loops by fewer turns."""
    ops = list(walk(case.fn))
    for number, old in enumerate(ops):
        if old.regions or old.name in ("return", "yield", "constant", "dim"):
            continue
        for candidate in _stand_ins(case, old):
            new = _clone(case)
            op = list(walk(new.fn))[number]
            value = candidate(new, op)
            if value is None:
                continue
            _replace(new.fn, op.result, value)
            yield replace(new, fn=remove_dead(new.fn))


def _stand_ins(case, old):
    ty = old.results[0].type if len(old.results) == 1 else None
    if not isinstance(ty, TensorType):
        return []
    found = []
    for k, operand in enumerate(old.operands):
        if operand.type == ty:
            found.append(lambda new, op, k=k: op.operands[k])
    if old not in case.fn.body.ops:

        def constant(new, op):
            region = _home(new.fn.body, op)
            scalar = Op("constant", (), [TensorType(ty.dtype)], {"value": 1, "type": TensorType(ty.dtype)})
            holder = Region()
            holder.ops.append(scalar)
            if ty.shape:
                Builder(holder).emit("broadcast", [scalar.result], {"shape": ty.shape})
            at = region.ops.index(op)
            region.ops[at:at] = holder.ops
            return holder.ops[-1].result

        found.append(constant)
    return found


def _home(region, op):
    if op in region.ops:
        return region
    for inner in region.ops:
        for r in inner.regions:
            home = _home(r, op)
            if home is not None:
                return home
    return None


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
            yield replace(_clone(case), sizes=sizes, arguments=arguments)
