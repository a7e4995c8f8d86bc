"""The pass `hoist`: what a kernel in a loop makes again from what the loop does not change is made before it.

    for t: pack(w) -> p; h = f(h @ p)      becomes      pack(w) -> p; for t: h = f(h @ p)

So a recurrent layer packs its weights once. Loop level to loop level: a part of a kernel is moved if it
writes scratch memory of the kernel, which no other part writes, from memory that the loop only reads. It may
then run for no iteration; it cannot fail. Not here: scalars, whole kernels, tensors (`cse`, the frontend).
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from weft.ir import REGISTRY, BufferType, Builder, Func, Op, Region, Value
from weft.ir.dataclass import dataclass
from weft.ir.dims import symbols_of
from weft.ir.rewrite import Cloner, prune, renewed, uses_any
from weft.ir.walk import values_of, walk

_READS = ("load", "gather_lanes", "prefetch")
"""Ops that read memory, their operand 0."""
_PARTS = ("load", "store", "for", "if", "yield")


def hoist(fn: Func) -> Func:
    """The program with invariant parts of kernels before their loops."""
    pass_ = _Hoist(fn)
    pass_.look(fn.body, ())
    return pass_.write(fn) if pass_.moved else fn


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a kernel, the memory that it fills and the scalars that it needs, in order."""

    kernel: Op
    memory: Op
    scalars: Sequence[Op]
    loop: Op


class _Hoist:
    """Asks for each loop outside of kernels, the outer ones first."""

    def __init__(self, fn: Func) -> None:
        self.fn = fn
        self.before: dict[Op, list[_Part]] = {}
        self.moved: set[Op] = set()
        self.inside: dict[Op, set[Value]] = {}
        self.changed: dict[Op, set[Value]] = {}
        self.cloner = Cloner(rule=self.visit)

    def look(self, region: Region, loops: Sequence[Op]) -> None:
        """Find the parts of a region's kernels that can be moved out of some of the loops around it."""
        for op in region.ops:
            if op.name == "kernel":  # in which there is no other
                if loops:
                    self._ask(op, loops)
            elif op.name in ("for", "while"):
                self.inside[op] = {value for inner in op.regions for value in values_of(inner)}
                self.changed[op] = _changed(op).union(*(_carried(outer) for outer in loops))
                for inner in op.regions:
                    self.look(inner, (*loops, op))
            else:  # a branch may not be taken: what is in it stays there
                for inner in op.regions:
                    self.look(inner, ())

    def _ask(self, kernel: Op, loops: Sequence[Op]) -> None:
        allocs = {op.result: op for op in kernel.regions[0].ops if op.name == "alloc"}
        for op in kernel.regions[0].ops:
            written = (
                {o.operands[1] for o in _with_inner(op) if o.name == "store"}
                if op.name == "for"
                else set[Value]()
            )
            memory = allocs.get(next(iter(written))) if len(written) == 1 else None
            if memory is None or not self._is_plain(kernel, op, memory):
                continue
            for loop in loops:
                scalars = self._scalars(kernel, op, memory, loop)
                if scalars is not None and self._is_known(loop, loops):
                    self.before.setdefault(loop, []).append(_Part(kernel, memory, scalars, op))
                    self.moved |= {op, memory}
                    break

    def _is_known(self, loop: Op, loops: Sequence[Op]) -> bool:
        """Whether all memory that the loop changes has a name, or is what a loop around it carries."""
        carried = {value for outer in loops for region in outer.regions for value in region.params}
        return all(map(self._is_memory, self.changed[loop] - self.inside[loop] - carried))

    def _is_plain(self, kernel: Op, part: Op, memory: Op) -> bool:
        """Whether the part does nothing else and the others read its memory, whose size is known."""
        ty = memory.result.type
        assert isinstance(ty, BufferType)
        others = [o for top in kernel.regions[0].ops if top is not part for o in _with_inner(top)]
        return (
            ty.space == "global"
            and all(o.name in _PARTS or _is_pure(o) for o in _with_inner(part))
            and not _reads_places(part)
            and all(o.name in _READS for o in others if memory.result in o.operands)
            and all(s.name in self.fn.symbols for d in ty.shape for s in symbols_of(d))
        )

    def _scalars(self, kernel: Op, part: Op, memory: Op, loop: Op) -> Sequence[Op] | None:
        """The ops of the kernel that make what the part uses, in order; None if it hangs on the loop."""
        own = {value for op in kernel.regions[0].ops for value in op.results}
        inner = {*values_of(part.regions[0]), memory.result}
        needed = {v for o in _with_inner(part) for v in o.operands} - inner
        scalars: list[Op] = []
        for op in reversed(kernel.regions[0].ops):
            if needed & set(op.results):
                if not _is_pure(op) or op.regions:
                    return None
                scalars.append(op)
                needed |= set(op.operands)
        outside = needed - own
        if outside & (self.inside[loop] | self.changed[loop]):
            return None
        return scalars[::-1] if all(self._is_known_before(v, outside) for v in outside) else None

    def _is_known_before(self, value: Value, used: AbstractSet[Value]) -> bool:
        """Whether a value is memory of its own, or a size of such: an index may not be checked yet."""
        if isinstance(value.type, BufferType):
            return self._is_memory(value)
        shapes = (v.type.shape for v in used if isinstance(v.type, BufferType))
        sizes = {symbol.name for shape in shapes for d in shape for symbol in symbols_of(d)}
        is_constant = value.op is not None and value.op.name == "constant"
        return is_constant or (value.owner is self.fn.body and value.name in sizes)

    def _is_memory(self, value: Value) -> bool:
        """Whether a buffer has memory of its own, as arguments and what is allocated have; others may."""
        is_own = value.owner is self.fn.body or (value.op is not None and value.op.name == "alloc")
        return is_own or not isinstance(value.type, BufferType)

    def write(self, fn: Func) -> Func:
        """The new program: what holds no part that moves stays as it is."""
        body = renewed(fn.body)
        builder = Builder(body)
        for op in fn.body.ops:
            if self.moved.isdisjoint(_with_inner(op)) and not uses_any(op, self.cloner.values):
                body.ops.append(op)
            else:
                self.cloner.op(builder, op)
        prune(body)
        return replace(fn, body=body, symbols=dict(fn.symbols))

    def visit(self, builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        """What stands for a loop, with the parts before it, and for a kernel, without them."""
        for part in self.before.get(op, ()):
            self._write(builder, part)
        if op in self.moved:
            return [self.cloner.value(value) for value in op.results]
        return None

    def _write(self, builder: Builder, part: _Part) -> None:
        """A kernel of its own, and its memory before it."""
        cloner = Cloner(self.cloner.values)
        cloner.op(builder, part.memory)
        self.cloner.values[part.memory.result] = cloner.value(part.memory.result)
        region = Region()
        inner = Builder(region)
        for op in (*part.scalars, part.loop):
            cloner.op(inner, op)
        inner.emit("yield")
        name = f"{part.kernel.attributes['name']}_packed"
        builder.region.ops.append(Op("kernel", (), (), {"name": name}, [region], part.kernel.locations))


def _with_inner(op: Op) -> Iterator[Op]:
    yield op
    for region in op.regions:
        yield from walk(region)


def _changed(loop: Op) -> set[Value]:
    """Buffers that a loop may change: all that it does more with than to load from them."""
    uses = ((o, place, v) for o in _with_inner(loop) for place, v in enumerate(o.operands))
    return {v for o, place, v in uses if isinstance(v.type, BufferType) and (o.name not in _READS or place)}


def _carried(loop: Op) -> set[Value]:
    """What its parameters may stand for."""
    return {*loop.operands, *(value for region in loop.regions for value in region.terminator.operands)}


def _reads_places(part: Op) -> bool:
    """Whether what is read decides what else is read: such a place may be outside of the memory."""
    read: set[Value] = set()
    for op in _with_inner(part):
        places = {"load": op.operands[1:], "store": op.operands[2:]}.get(
            op.name, op.operands if op.regions else ()
        )
        if read & set(places):
            return True
        if op.name == "load" or op.regions or read & set(op.operands):
            read.update(op.results)
            read.update(value for region in op.regions for value in region.params[1:])
    return False


def _is_pure(op: Op) -> bool:
    record = REGISTRY[op.name]
    return not (record.has("effect") or record.has("memory") or record.has("can_fail"))
