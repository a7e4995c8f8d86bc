"""Programs that are a little smaller: fewer results, ops cut off, simpler values, smaller sizes.

A failing program is minimized by taking the first of them that still fails, again and again. Not here: what
it means to fail (`weft reduce`, the random programs of the tests).
"""

from collections.abc import Callable, Iterator

from weft.ir import Builder, Func, Op, Region, TensorType, Value, WeftError
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, as_symbol
from weft.ir.rewrite import copy_function, remove_dead
from weft.ir.types import BufferType, IndexType, Type
from weft.ir.verify import verify
from weft.ir.walk import uses, walk


@dataclass(frozen=True, slots=True)
class Smaller:
    """A smaller program: the old parameters that it keeps, the old values that are parameters behind them."""

    fn: Func
    kept: tuple[int, ...]
    added: tuple[Value, ...] = ()


def smaller_programs(fn: Func) -> Iterator[Smaller]:
    """Valid programs a little smaller than `fn`, the boldest first."""
    for make in (fewer_results, cuts, unused, plainer, simpler, smaller_sizes):
        for one in make(fn):
            if is_valid(one.fn):
                yield one


def is_valid(fn: Func) -> bool:
    """Whether the verifier takes a program."""
    try:
        verify(fn)
    except WeftError:
        return False
    return True


def minimize(fn: Func, fails: Callable[[Func], bool], most: int = 1000) -> tuple[Func, int]:
    """The smallest program found for which `fails` holds, and how many were tried, at most `most`."""
    tried = 0
    progress = True
    while progress and tried < most:
        progress = False
        for one in smaller_programs(fn):
            tried += 1
            if fails(one.fn):
                fn, progress = one.fn, True
                break
            if tried >= most:
                break
    return fn, tried


def _copy(fn: Func) -> Func:
    new = copy_function(fn)
    new.into = new.into or (-1,) * len(new.results)
    return new


def _all(fn: Func) -> tuple[int, ...]:
    return tuple(range(len(fn.params)))


def fewer_results(fn: Func) -> Iterator[Smaller]:
    """Without one of the results."""
    count = len(fn.results)
    for k in range(count if count > 1 else 0):
        new = _copy(fn)
        new.body.terminator.operands = tuple(r for n, r in enumerate(new.results) if n != k)
        new.into = tuple(t for n, t in enumerate(new.into) if n != k)
        yield Smaller(remove_dead(new), _all(fn))


def cuts(fn: Func) -> Iterator[Smaller]:
    """With parameters in place of the results of an op, the last ops first, and without those not read."""
    for k in reversed(range(len(fn.body.ops) - 1)):
        old = fn.body.ops[k]
        if not (old.operands or old.regions) or not old.results:
            continue
        if not all(isinstance(r.type, TensorType) for r in old.results):
            continue
        new = _copy(fn)
        op = new.body.ops[k]
        for result in op.results:
            _replace(new, result, new.body.add_param(result.type))
        new.body.ops.remove(op)
        new = remove_dead(new)
        read = set(uses(new))
        gone = [n for n, p in enumerate(new.params) if p not in read and n not in new.into]
        kept = [n for n in range(len(new.params)) if n not in gone]
        shorter = _with_params(new, kept) or new
        kept = kept if shorter is not new else list(range(len(new.params)))
        count = len(fn.params)
        added = [old.results[n - count] for n in kept if n >= count]
        yield Smaller(shorter, tuple(n for n in kept if n < count), tuple(added))


def unused(fn: Func) -> Iterator[Smaller]:
    """Without a parameter that nothing reads, unless it binds a symbol."""
    read = set(uses(fn))
    for k, param in enumerate(fn.params):
        if param in read or k in fn.into:
            continue
        kept = [n for n in range(len(fn.params)) if n != k]
        new = _with_params(_copy(fn), kept)
        if new is not None:
            yield Smaller(new, tuple(kept))


def _with_params(fn: Func, kept: list[int]) -> Func | None:
    """The function with these parameters alone; None if a symbol would not be bound."""
    symbols = [as_symbol(d) for n in kept for d in _bare(fn.params[n].type)]
    if not {s.name for s in symbols if s is not None} >= set(fn.symbols):
        return None
    place = {n: k for k, n in enumerate(kept)}
    params = [fn.params[n] for n in kept]
    for k, param in enumerate(params):
        param.index = k
    fn.body.params[:] = params
    fn.into = tuple(place.get(t, -1) for t in fn.into)
    fn.strided = tuple(place[s] for s in fn.strided if s in place)
    return fn


def _bare(ty: Type) -> tuple[DimLike, ...]:
    if isinstance(ty, IndexType):
        return (ty.dim,)
    return ty.shape if isinstance(ty, TensorType | BufferType) else ()


def plainer(fn: Func) -> Iterator[Smaller]:
    """With a dense argument, with a result that is new."""
    for k in fn.strided:
        new = _copy(fn)
        new.strided = tuple(s for s in new.strided if s != k)
        yield Smaller(new, _all(fn))
    for k, target in enumerate(fn.into):
        if target >= 0:
            new = _copy(fn)
            new.into = tuple(-1 if n == k else t for n, t in enumerate(fn.into))
            yield Smaller(new, _all(fn))


def simpler(fn: Func) -> Iterator[Smaller]:
    """With an operand or a number in place of what an op computes, without an op that gives nothing."""
    for number, old in enumerate(walk(fn)):
        if old.name in ("return", "yield", "constant", "dim"):
            continue
        if not old.results and not old.regions:
            new = _copy(fn)
            op = list(walk(new))[number]
            _home(new.body, op).ops.remove(op)
            yield Smaller(remove_dead(new), _all(fn))
        if len(old.results) != 1:
            continue
        for stand_in in _stand_ins(fn, old):
            new = _copy(fn)
            op = list(walk(new))[number]
            _replace(new, op.result, stand_in(new, op))
            yield Smaller(remove_dead(new), _all(fn))


def _stand_ins(fn: Func, old: Op) -> list[Callable[[Func, Op], Value]]:
    ty = old.result.type
    found: list[Callable[[Func, Op], Value]] = [
        lambda _fn, op, k=k: op.operands[k] for k, operand in enumerate(old.operands) if operand.type == ty
    ]
    if isinstance(ty, TensorType) and old not in fn.body.ops:
        found.append(lambda new, op: _one(_home(new.body, op), op, ty))
    return found


def _one(region: Region, op: Op, ty: TensorType) -> Value:
    """A constant of ones before an op."""
    holder = Region()
    builder = Builder(holder)
    value = builder.constant(1, TensorType(ty.dtype)).value
    if ty.shape:
        value = builder.emit("broadcast", [value], {"shape": ty.shape}).result
    at = region.ops.index(op)
    region.ops[at:at] = holder.ops
    return value


def _home(region: Region, op: Op) -> Region:
    """The region that holds an op."""
    found = [region] if op in region.ops else []
    for inner in region.ops if not found else ():
        found += [home for r in inner.regions for home in [_home(r, op)] if op in home.ops]
    return found[0] if found else region


def _replace(fn: Func, old: Value, new: Value) -> None:
    for op in walk(fn):
        if old in op.operands:
            op.operands = tuple(new if v is old else v for v in op.operands)


def smaller_sizes(fn: Func) -> Iterator[Smaller]:
    """With a number for a symbol that no argument is itself; the caller's arguments must fit."""
    given = {as_symbol(p.type.dim) for p in fn.params if isinstance(p.type, IndexType)}
    for name, one in fn.symbols.items():
        for size in sorted({max(one.lower, 2), max(one.lower, 5)} if one not in given else ()):
            yield Smaller(copy_function(fn, {name: size}), _all(fn))
