"""The passes `fuse` and `separate`: the kernels that `fuse.py` decided become `fusion` ops, their ops inside.

Attribute `schedule` of a fusion names how it is lowered, `in_place` lists results that are written into the
memory of the value they update. Not here: which ops go together.
"""

from collections.abc import Sequence
from dataclasses import replace
from heapq import heapify, heappop, heappush

from weft.compiler.passes.fuse import Group, Partition, is_free, is_start, path_of
from weft.compiler.passes.overwritten import set_aside
from weft.ir import Builder, Func, IndexType, Op, Region, Value, record
from weft.ir.node import Attribute
from weft.ir.opdef import Combine, Expand
from weft.ir.rewrite import Cloner
from weft.ir.walk import walk_regions


def fuse(fn: Func) -> Func:
    """The program with every tensor op inside a fusion, together with others. Stage "tensor" to "fused"."""
    return _group(fn, merge=True)


def separate(fn: Func) -> Func:
    """The program with every tensor op in a fusion of its own, unless it is fused already."""
    return fn if fn.stage == "fused" else _group(fn, merge=False)


def _group(fn: Func, *, merge: bool) -> Func:
    fn = set_aside(fn)
    in_place = updates_in_place(fn)
    cloner = _Fuser(in_place, _writes(fn), merge=merge)
    body = Region([p.type for p in fn.params], [p.name for p in fn.params])
    cloner.values.update(zip(fn.params, body.params, strict=True))
    cloner.fill(fn.body, body)
    return replace(fn, body=body, stage="fused", symbols=dict(fn.symbols))


def updates_in_place(fn: Func) -> set[Op]:
    """Updates that may write into the memory of the value they change.

    The old value must not be read later, and its memory must be ours to change: an argument that receives the
    result, a value that a loop carries, or one that a kernel of its own wrote.
    """
    owned: set[Value] = set()
    for result, target in zip(fn.results, fn.into or (-1,) * len(fn.results), strict=True):
        if target >= 0 and _first(result) is fn.params[target]:
            owned.add(fn.params[target])
    found: set[Op] = set()
    inherited: dict[Region, set[Value]] = {}
    for region in walk_regions(fn):
        carried = {p for p in region.params if region is not fn.body} | inherited.get(region, set())
        position = {op: k for k, op in enumerate(region.ops)}
        last: dict[Value, int] = {}
        for op in region.ops:
            for value in _read_by(op):
                last[value] = position[op]
        for op in region.ops:
            if op.name == "if":  # what ends with a branch belongs to each of its sides
                ends = {v for v, place in last.items() if place == position[op]}
                ours = {v for v in ends if v in owned or v in carried or _is_written_by_kernel(v, region)}
                inherited.update((inner, ours) for inner in op.regions)
            if op.name not in ("update", "scatter"):
                continue
            old = op.operands[0]
            final = last.get(old, -1) <= position[op] and last.get(op.operands[0], -1) == position[op]
            if final and (old in owned or old in carried or _is_written_by_kernel(old, region)):
                found.add(op)
    return found


def _writes(fn: Func) -> set[Op]:
    """Ops of the body that make what arguments and variables hold, in the end or on the way there."""
    found: set[Op] = set()
    for result, target in zip(fn.results, fn.into or (-1,) * len(fn.results), strict=True):
        value: Value | None = path_of(result).source if target >= 0 else None
        while value is not None and value.op is not None:
            found.add(value.op)
            value = _updated(value)
    return found


def _first(value: Value) -> Value:
    """The value that a chain of updates began with, also through loops and branches."""
    while (before := _updated(value)) is not None:
        value = before
    return value


def _updated(value: Value) -> Value | None:
    """The value that an update, a loop or a branch made this one of."""
    match value.op:
        case Op(name="update" | "scatter") as op:
            return op.operands[0]
        case Op(name="for" | "while" as name) as op:
            return op.operands[value.index + (3 if name == "for" else 0)]
        case Op(name="if") as op:
            return op.regions[0].terminator.operands[value.index]
        case _:
            return None


def _read_by(op: Op) -> Sequence[Value]:
    """Values read by an op and the ops inside it, also through free ops.

    A branch, a loop or a yield reads no memory through free ops: what these give is put into memory where
    they stand.
    """
    values: list[Value] = []
    for region in [None, *op.regions]:
        ops = [op] if region is None else [o for r in _nested(region) for o in r.ops]
        for inner in ops:
            for value in inner.operands:
                values.append(value)
                if record(inner).form is not None:
                    values.append(path_of(value).source)
    return values


def _nested(region: Region) -> list[Region]:
    return [region, *(inner for op in region.ops for r in op.regions for inner in _nested(r))]


def _is_written_by_kernel(value: Value, region: Region) -> bool:
    """Whether a value has memory that only this region uses: that of a kernel that cannot be fused on."""
    op = value.op
    if op is None or op not in region.ops or is_free(op):
        return False
    return op.name in ("update", "for", "while", "if") or isinstance(record(op).form, Combine | Expand)


class _Fuser(Cloner):
    """Copies regions, grouping their ops on the way."""

    def __init__(self, in_place: set[Op], writes: set[Op], *, merge: bool) -> None:
        super().__init__()
        self.in_place = in_place
        self.writes = writes
        self.merge = merge

    def fill(self, old: Region, new: Region) -> None:
        """Write the ops of `old`, grouped, into `new`; its parameters must have values."""
        ops = set(old.ops)
        partition = Partition(old, self.in_place & ops, merge=self.merge, writes=self.writes & ops)
        builder = Builder(new)
        for group in _in_order(partition):
            if group.kind == "structure":
                self._structure(builder, group.ops[0])
            else:
                self._fusion(builder, partition, group)

    def _structure(self, builder: Builder, op: Op) -> None:
        regions: list[Region] = []
        for old in op.regions:
            new = Region([p.type for p in old.params], [p.name for p in old.params])
            self.values.update(zip(old.params, new.params, strict=True))
            self.fill(old, new)
            regions.append(new)
        types = [r.type for r in op.results]
        new_op = Op(op.name, self.operands(op), types, op.attributes, regions, op.locations)
        builder.region.ops.append(new_op)
        self.set(op.results, new_op.results)

    def _attributes(self, group: Group, outputs: Sequence[Value]) -> dict[str, Attribute]:
        """How a kernel is lowered, and which results update memory in place."""
        attributes: dict[str, Attribute] = {"schedule": group.kind}
        if group.kind in ("rows", "columns"):
            attributes["space"], attributes["axis"] = group.space, group.axis
        updates = {op for op in self.in_place if op.name == "update"}
        partial = tuple(k for k, r in enumerate(outputs) if r.op in updates)
        if partial:
            attributes["in_place"] = partial
        return attributes

    def _fusion(self, builder: Builder, partition: Partition, group: Group) -> None:
        inside = set(group.ops)
        region = Region()
        local: dict[Value, Value] = {}
        operands: list[Value] = []

        def take(value: Value) -> Value:
            """The value inside the fusion: computed there, copied with its free ops, or a parameter."""
            if value in local:
                return local[value]
            op = value.op
            if isinstance(value.type, IndexType):
                region.ops.append(Op("dim", (), [value.type], {"dim": value.type.dim}))
                local[value] = region.ops[-1].result
                return local[value]
            if op is not None and op not in inside and is_free(op):
                return copy(op).results[value.index]
            outer = self.value(value)
            operands.append(outer)
            local[value] = region.add_param(value.type, value.name)
            return local[value]

        def copy(op: Op) -> Op:
            new = Op(
                op.name,
                [take(v) for v in op.operands],
                [r.type for r in op.results],
                op.attributes,
                [Cloner().region(r) for r in op.regions],  # closed over nothing
                op.locations,
            )
            region.ops.append(new)
            for before, after in zip(op.results, new.results, strict=True):
                after.name = before.name
                local[before] = after
            return new

        for op in group.ops:
            if op.operands and is_start(op, op.operands[0]):
                outer = self.value(op.operands[0])
                operands.append(outer)
                local[op.operands[0]] = region.add_param(outer.type, op.operands[0].name)
            copy(op)
        outputs = [r for op in group.ops for r in op.results if _is_read_outside(partition, r, inside)]
        attributes = self._attributes(group, outputs)
        builder_inside = Builder(region)
        builder_inside.emit("return", [local[r] for r in outputs])
        locations = tuple(dict.fromkeys(loc for op in group.ops for loc in op.locations))
        types = [r.type for r in outputs]
        fusion = Op("fusion", operands, types, attributes, [region], locations)
        builder.region.ops.append(fusion)
        self.set(outputs, fusion.results)


def _is_read_outside(partition: Partition, value: Value, inside: set[Op]) -> bool:
    """Whether a value is read elsewhere; what can fail is computed even if nothing reads it."""
    readers = partition.readers(value)
    return any(reader not in inside for reader in readers) or (
        not readers and value.op is not None and record(value.op).has("can_fail")
    )


def _in_order(partition: Partition) -> list[Group]:
    """Groups so that each comes after those it depends on, otherwise by the place of its last op."""
    groups = partition.groups()
    rank = {g: (partition.position[g.ops[-1]], k) for k, g in enumerate(groups)}
    known = set(groups)
    waits = {g: {b for b in g.before if b in known} for g in groups}
    ready = [rank[g] for g in groups if not waits[g]]
    by_rank = {rank[g]: g for g in groups}
    after: dict[Group, list[Group]] = {}
    for g in groups:
        for b in waits[g]:
            after.setdefault(b, []).append(g)
    heapify(ready)
    ordered: list[Group] = []
    while ready:
        group = by_rank[heappop(ready)]
        ordered.append(group)
        for follower in after.get(group, ()):
            waits[follower].discard(group)
            if not waits[follower]:
                heappush(ready, rank[follower])
    assert len(ordered) == len(groups), "groups depend on each other in a circle"
    return ordered
