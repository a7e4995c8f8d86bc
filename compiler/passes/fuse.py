"""Group tensor ops into kernels: the decisions.

Each op joins the kernels that make its operands where one schedule can hold both, so that nothing is written
to memory that only the next op reads.

A group has a kind (the schedule that will lower it) and a space (the indices it loops over). Ops that only
re-index ("free" ops: broadcast, reshape, transpose, slice, constants) belong to no group; each reader gets
its own copy. Nothing that costs arithmetic is computed twice.
Not here: writing the fused program (`group.py`), nor how a kernel is lowered (`schedule/`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import field

from weft.compiler.schedule.turned import LEAST_EXTENT, MOST_TURNED
from weft.ir import Op, Region, TensorType, Value, record
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, decide, symbols_of
from weft.ir.opdef import Combine, Element, Expand, Scalar
from weft.ir.ops.custom import reads_of
from weft.ir.walk import calls_python, dims_of_attribute, dims_of_type, free_values, has_effect, walk

Shape = tuple[DimLike, ...]
MAX_OPS = 400  # of one kernel; compile time of LLVM grows faster than linearly beyond


MOST_PIECES = 6  # each writes what it reads once for every answer, and these multiply
_ASKING = ("concatenate", "pad", "update")
_PIECES = ("concatenate", "pad", "update", "gather")


@dataclass(eq=False, slots=True)
class Group:
    """Ops that become one kernel.

    kind "pointwise": `space` is the shape of every result. "rows": results have shape `space` or space[:-1]
    (with or without a last 1), reductions run over the last axis. "columns": reductions run over axis `axis`
    of `space`, results have the shape without it (or with 1), or `space`. "dot": `space` is the shape of the
    product. Others stand alone. `full` holds values computed at each index of `space`, `reduced` those that
    depend on a reduction.
    """

    kind: str
    space: Shape
    axis: int = -1
    ops: list[Op] = field(default_factory=list[Op])
    full: set[Value] = field(default_factory=set[Value])
    reduced: set[Value] = field(default_factory=set[Value])
    before: "set[Group]" = field(default_factory=set["Group"])
    is_closed: bool = False  # results can be read only by other kernels

    @property
    def short(self) -> Shape:
        """Shape of a reduction's result."""
        axis = self.axis % len(self.space) if self.space else 0
        return self.space[:axis] + self.space[axis + 1 :]

    @property
    def kept(self) -> Shape:
        """The same with keepdims."""
        axis = self.axis % len(self.space) if self.space else 0
        return (*self.space[:axis], 1, *self.space[axis + 1 :])


@dataclass(frozen=True, slots=True)
class Path:
    """How an operand reaches the op that computes it: through which free ops, nearest first."""

    source: Value
    chain: tuple[Op, ...]


def shape_of(value: Value) -> Shape:
    """Shape of a tensor value."""
    assert isinstance(value.type, TensorType)
    return value.type.shape


def is_free(op: Op) -> bool:
    """Whether the op only re-indexes, or is a constant, so that each reader may repeat it."""
    form = record(op).form
    return (isinstance(form, Element) and form.aligned) or op.name == "from_index"


def is_start(op: Op, value: Value) -> bool:
    """Whether the op is written into the memory of `value`, which must be there before."""
    return op.name == "scatter" and op.operands[0] is value


def path_of(value: Value) -> Path:
    """Follow free ops back from a value."""
    chain: list[Op] = []
    while (op := value.op) is not None and is_free(op) and op.operands:
        chain.append(op)
        value = op.operands[0]
    return Path(value, tuple(chain))


class Partition:
    """The groups of one region's ops."""

    def __init__(
        self, region: Region, in_place: set[Op], *, merge: bool = True, writes: Iterable[Op] = ()
    ) -> None:
        self.region = region
        self.merge = merge
        self.in_place = in_place
        self.writes = frozenset(writes)  # ops whose results go into memory of the caller
        self.failing: list[Op] = []  # ops so far that can fail
        self.group_of: dict[Op, Group] = {}
        self.used_by = _users(region)
        self.position = {op: k for k, op in enumerate(region.ops)}
        self.binders: dict[str, Group] = {}  # of symbols that ops of this region bind
        self.call: Group | None = None  # the last that calls Python, and ops with an effect since
        self.since: list[Op] = []
        for op in region.ops:
            if self._is_structural(op):
                self._place_structure(op)
            elif not is_free(op) or self._must_exist(op):
                self._place(op)
        if merge:
            self._join_siblings()

    # ---------------------------------------------------------------- facts

    def _must_exist(self, op: Op) -> bool:
        """Whether a free op's result has to be in memory.

        It is a result of the region, read by something that is no kernel, or what a scatter starts from.
        """
        value = op.results[0]
        return any(self._is_structural(user) or is_start(user, value) for user in self.used_by.get(value, ()))

    @staticmethod
    def _is_structural(op: Op) -> bool:
        return record(op).form is None and op.name != "from_index"

    def source_group(self, value: Value) -> Group | None:
        """The group that computes a value of this region."""
        op = value.op
        return self.group_of.get(op) if op is not None else None

    def readers(self, value: Value) -> list[Op]:
        """Ops that read a value, through free ops or directly."""
        found: list[Op] = []
        for user in self.used_by.get(value, ()):
            if not is_free(user):
                found.append(user)
                continue
            exists = self._must_exist(user)
            if exists:
                found.append(user)
            for reader in self.readers(user.result):  # kernels copy a free op even if its result is in memory
                if not exists or not (self._is_structural(reader) or is_start(reader, user.result)):
                    found.append(reader)
        return found

    def _is_private(self, group: Group, value: Value, reader: Op) -> bool:
        """Whether `value` is read once, by `reader`, and nothing else of the group is read from outside."""
        for op in group.ops:
            for result in op.results:
                outside = [r for r in self.readers(result) if self.group_of.get(r) is not group]
                if outside and (result is not value or outside != [reader]):
                    return False
        return True

    # ---------------------------------------------------------------- placing

    def _place(self, op: Op) -> None:
        group = self._new_group(op)
        self.group_of[op] = group
        paths = [Path(v, ()) if is_start(op, v) else path_of(v) for v in op.operands]
        for path in paths:
            source = self.source_group(path.source)
            if source is not None and source is not group:
                group.before.add(source)
        group.before.update(self._sizes_read([op, *(link for path in paths for link in path.chain)]))
        self._keep_order(op, group)
        if op in self.in_place:
            # the old value is overwritten: its other readers come first
            old = op.operands[0]
            readers = [
                self.group_of.get(r)
                for r in self.readers(old)
                if r is not op and self.position[r] < self.position[op]
            ]
            group.before.update(r for r in readers if r is not None)
        joined = self.merge
        while joined:
            joined = False
            for number, path in enumerate(paths):
                source = self.source_group(path.source)
                if (
                    source is None
                    or source is self.group_of[op]
                    or not self._is_acyclic(source, self.group_of[op])
                ):
                    continue
                merged = self._try(source, self.group_of[op], op, number, paths)
                if merged:
                    self._merge(source, self.group_of[op])
                    joined = True

    def _place_structure(self, op: Op) -> None:
        """Branches, loops and sizes keep their place: a group of their own that nothing joins."""
        group = Group("structure", (), ops=[op], is_closed=True)
        self.group_of[op] = group
        group.before.update(self._groups_read(op))
        self._keep_order(op, group)
        if self.binders:
            group.before.update(self._sizes_read([op, *(inner for r in op.regions for inner in walk(r))]))
            group.before.discard(group)
        if op.name == "to_index":
            self.binders.update({s.name: group for s in symbols_of(op.attributes["dim"])})  # pyright: ignore[reportArgumentType] -- a size

    def _keep_order(self, op: Op, group: Group) -> None:
        """What calls Python comes after all effects and failures before it, and before those after it.

        What the caller sees is written after all that may fail before.
        """
        is_call, fails = calls_python(op), has_effect(op)
        if op in self.writes:
            group.before.update({self.group_of[one] for one in self.failing} - {group})
        if fails:
            self.failing.append(op)
        if not is_call and not fails:
            return
        if self.call is not None:
            group.before.add(self.call)
        if is_call:
            group.before.update(self.group_of[one] for one in self.since)
            self.call, self.since = group, []
        else:
            self.since.append(op)

    def _sizes_read(self, ops: Iterable[Op]) -> "set[Group]":
        """Groups that bind sizes which ops use: in types of operands and results, or in attributes."""
        if not self.binders:
            return set()
        found: set[Group] = set()
        for op in [o for top in ops for o in (top, *(i for r in top.regions for i in walk(r)))]:
            types = [v.type for v in (*op.operands, *op.results)]
            dims = [d for ty in types for d in dims_of_type(ty)]
            dims += [d for attribute in op.attributes.values() for d in dims_of_attribute(attribute)]
            found.update(self.binders[s.name] for d in dims for s in symbols_of(d) if s.name in self.binders)
        return found

    def _groups_read(self, op: Op) -> set[Group]:
        """Groups of this region that an op, or the ops inside it, read from."""
        found: set[Group] = set()
        for value in [*op.operands, *(v for region in op.regions for v in free_values(region))]:
            for source in (value, path_of(value).source):
                group = self.source_group(source)
                if group is not None:
                    found.add(group)
        return found

    def _new_group(self, op: Op) -> Group:
        form = record(op).form
        if isinstance(form, Combine):
            shape, axis = shape_of(op.operands[0]), op.attributes["axis"]
            assert isinstance(axis, int)
            last = axis == len(shape) - 1
            group = Group("rows" if last else "columns", shape, axis)
            group.reduced.update(op.results)
        elif isinstance(form, Expand):
            group = Group(form.schedule, shape_of(op.result), is_closed=form.schedule != "dot")
            group.full.update(op.results)
        elif op in self.in_place:
            group = Group("pointwise", shape_of(op.operands[1]), is_closed=True)
        else:
            assert isinstance(form, Scalar | Element) or op.name == "from_index"
            group = Group("pointwise", shape_of(op.results[0]), is_closed=op.name == "each")
            group.full.update(op.results)
        group.ops.append(op)
        return group

    def _is_acyclic(self, source: Group, group: Group) -> bool:
        """Whether no third group lies between the two."""
        todo = [g for g in group.before if g is not source]
        seen: set[Group] = set(todo)
        while todo:
            current = todo.pop()
            if source in current.before:
                return False
            fresh = current.before - seen
            seen |= fresh
            todo.extend(fresh)
        return True

    def _merge(self, source: Group, group: Group) -> None:
        """Put the ops of `source` into `group`, whose kind and space were set by the rule."""
        group.ops = sorted({*source.ops, *group.ops}, key=self.position.__getitem__)
        group.before = (source.before | group.before) - {source, group}
        for op in source.ops:
            self.group_of[op] = group
        for other in set(self.group_of.values()):
            if source in other.before:
                other.before.discard(source)
                if other is not group:
                    other.before.add(group)

    # ---------------------------------------------------------------- rules

    def _try(self, source: Group, group: Group, op: Op, number: int, paths: Sequence[Path]) -> bool:
        """Whether `group`, whose op reads from `source`, can take it in; it gets the new kind."""
        ops = [*source.ops, *group.ops]
        if source.is_closed or len(ops) > MAX_OPS or self._pieces(ops) > MOST_PIECES:
            return False
        if op in self.in_place and number == 0:
            return False  # the memory that is written must be there before
        if self._try_inline(source, group, op, number, paths[number]):
            return True
        if any(self._repeats_any(inner, source) for inner in group.ops if inner.name == "custom"):
            return False  # what its rule reads often is computed once
        if source.kind != "pointwise":  # ops that were inlined into the group read the source too
            if self._moves(source, group):
                return False
            paths = [path_of(v) for inner in group.ops for v in inner.operands]
        from_source = [p for p in paths if self.source_group(p.source) is source]
        if source.kind != "pointwise" and op in self.in_place:
            return False
        if not isinstance(record(op).form, Scalar | Combine) and op not in self.in_place:
            return False
        if not any(p.source in source.full for p in from_source) and self._is_reduced_elsewhere(source, op):
            return False
        rule = {
            "pointwise": self._with_pointwise,
            "rows": self._with_rows,
            "columns": self._with_columns,
            "dot": self._with_dot,
        }
        return source.kind in rule and rule[source.kind](source, group, op, from_source)

    def _pieces(self, ops: Sequence[Op]) -> int:
        """How many ops that ask where an element lies read each other, one after the other."""
        if sum(op.name in _ASKING for op in ops) <= MOST_PIECES:
            return 0
        depth: dict[Op | None, int] = {}
        for op in sorted(set(ops), key=self.position.__getitem__):
            before = max((depth.get(path_of(v).source.op, 0) for v in op.operands), default=0)
            depth[op] = before + (op.name in _ASKING)
        return max(depth.values())

    def _moves(self, source: Group, group: Group) -> bool:
        """Whether an op of the group reads what the source makes at another place than its own."""
        made = {result for op in source.ops for result in op.results}
        for op in group.ops:
            if any(path_of(v).source in made for v in op.operands):
                if isinstance(record(op).form, Element) and not is_free(op):
                    return True
                made.update(op.results)
        return False

    def _is_reduced_elsewhere(self, source: Group, op: Op) -> bool:
        """Whether only reductions over axes that are not the source's read what the op makes in its space.

        In the source's kernel that would be written to memory; in theirs it is not.
        """
        for _ in range(MAX_OPS):
            if len(op.results) != 1:  # a loop that writes in place
                return False
            readers = self.readers(op.result)
            form = record(readers[0]).form if len(readers) == 1 else None
            if shape_of(op.result) != source.space or op.result not in (readers[0].operands if form else ()):
                return False
            if isinstance(form, Combine):
                return readers[0].attributes["axis"] != source.axis % len(source.space)
            if not isinstance(form, Scalar) or readers[0] in self.in_place:
                return False
            op = readers[0]
        return False

    def _try_inline(self, source: Group, group: Group, op: Op, number: int, path: Path) -> bool:
        """A private pointwise producer is computed where it is read, once per element."""
        if source.kind != "pointwise" or not self._is_private(source, path.source, op):
            return False
        if source.space == ():
            return True  # one number: the kernel computes it before its loops
        if op.name == "fft" and any(one.name in _PIECES for one in source.ops):
            return False  # loops of its own are cut where the pieces meet
        if group.kind == "pointwise" and _turns(path) and not self._is_turned_well(source):
            return False
        return not (any(link.name == "broadcast" for link in path.chain) or self._repeats(op, number))

    @staticmethod
    def _is_turned_well(source: Group) -> bool:
        """Whether all that a group reads can be turned tile by tile; else what it makes is."""
        if any(op.name in _PIECES for op in source.ops):
            return False
        made = {result for op in source.ops for result in op.results}
        read = {path_of(value).source for op in source.ops for value in op.operands} - made
        return sum(shape_of(value) != () for value in read) <= MOST_TURNED

    def _repeats_any(self, op: Op, source: Group) -> bool:
        """Whether the op reads elements of an operand that the group computes more than once."""
        numbers = [k for k, v in enumerate(op.operands) if self.source_group(path_of(v).source) is source]
        return any(self._repeats(op, k) for k in numbers)

    @staticmethod
    def _repeats(op: Op, number: int) -> bool:
        """Whether the op reads elements of this operand more than once, or in no order."""
        if op.name == "custom":
            return reads_of(op.attributes, number) > 1
        return op.name in ("dot", "scatter", "gather") or (op.name, number) in (
            ("pad", 1),
            ("search", 0),
            ("triangular", 0),
        )

    @staticmethod
    def _with_pointwise(source: Group, group: Group, op: Op, paths: Sequence[Path]) -> bool:
        if (
            any(p.chain for p in paths)
            or group.space != source.space
            or group.kind not in ("pointwise", "rows", "columns", "dot")
        ):
            return False
        group.full |= source.full
        return True

    @staticmethod
    def _with_rows(source: Group, group: Group, op: Op, paths: Sequence[Path]) -> bool:
        """Rows take in what has their space, and what has one element for each row."""
        if group.kind == "pointwise" and group.space in (source.short, source.kept):
            reads_rows = all(
                p.source in source.reduced and _keeps_rows(p, source, group.space) for p in paths
            )
            if not reads_rows or len(group.ops) > 1 or op.name == "update":
                return False
            group.reduced, group.full = source.reduced | set(op.results), set(source.full)
        elif group.space == source.space and group.kind in ("pointwise", "rows"):
            if not all((p.source in source.full and not p.chain) or _spreads(p, source) for p in paths):
                return False
            group.full |= source.full
            group.reduced |= source.reduced
        else:
            return False
        group.kind, group.space, group.axis = "rows", source.space, source.axis
        return True

    @staticmethod
    def _with_columns(source: Group, group: Group, op: Op, paths: Sequence[Path]) -> bool:
        """Columns take in what has the shape of their results, and other reductions of what they read."""
        if group.kind == "pointwise" and group.space in (source.short, source.kept):
            reads_results = all(
                p.source in source.reduced and _keeps_rows(p, source, group.space) for p in paths
            )
            if not reads_results or len(group.ops) > 1 or op.name == "update":
                return False
            group.reduced, group.full = source.reduced | set(op.results), set(source.full)
        elif group.kind in ("pointwise", "columns") and group.space == source.space:
            same_axis = group.kind == "pointwise" or group.axis == source.axis
            if not same_axis or not all(p.source in source.full and not p.chain for p in paths):
                return False
            group.full |= source.full
            group.reduced |= source.reduced
        else:
            return False
        group.kind, group.space, group.axis = "columns", source.space, source.axis
        return True

    @staticmethod
    def _with_dot(source: Group, group: Group, op: Op, paths: Sequence[Path]) -> bool:
        """An epilogue: elementwise ops of the product's shape."""
        if group.kind != "pointwise" or group.space != source.space or any(p.chain for p in paths):
            return False
        group.kind = "dot"
        group.full |= source.full
        return True

    # ---------------------------------------------------------------- siblings

    def _join_siblings(self) -> None:
        """Merge independent groups that loop over the same space and read the same memory."""
        by_space: dict[tuple[str, Shape, int], list[Group]] = {}
        for group in self.groups():
            if not group.is_closed and group.kind in ("pointwise", "rows", "columns") and group.space:
                by_space.setdefault((group.kind, group.space, group.axis), []).append(group)
        for groups in by_space.values():
            for k, first in enumerate(groups):
                for other in groups[k + 1 :]:
                    if self.group_of.get(other.ops[0]) is other and self.group_of.get(first.ops[0]) is first:
                        self._join_if_useful(first, other)

    def _join_if_useful(self, first: Group, other: Group) -> None:
        shares = self._large_inputs(first) & self._large_inputs(other)
        if not shares or len(first.ops) + len(other.ops) > MAX_OPS:
            return
        if self._reaches(first, other) or self._reaches(other, first):
            return
        other.full |= first.full
        other.reduced |= first.reduced
        self._merge(first, other)

    def _large_inputs(self, group: Group) -> set[Value]:
        """What the group reads at its whole space."""
        inside = {r for op in group.ops for r in op.results}
        found: set[Value] = set()
        for op in group.ops:
            for value in op.operands:
                path = path_of(value)
                if path.source not in inside and not path.chain and shape_of(path.source) == group.space:
                    found.add(path.source)
        return found

    def _reaches(self, source: Group, group: Group) -> bool:
        """Whether `group` depends on `source`."""
        todo, seen = [group], {group}
        while todo:
            current = todo.pop()
            if source in current.before:
                return True
            fresh = current.before - seen
            seen |= fresh
            todo.extend(fresh)
        return False

    def groups(self) -> list[Group]:
        """All groups, in the order of their first ops."""
        return list(dict.fromkeys(self.group_of[op] for op in self.region.ops if op in self.group_of))


def _turns(path: Path) -> bool:
    """Whether neighbours along the last axis are far apart in the memory that a path leads to."""
    for link in path.chain:
        axes = link.attributes.get("axes")
        if link.name == "transpose" and isinstance(axes, tuple) and axes[-1] != len(axes) - 1:
            ends = shape_of(link.result)[-1], shape_of(link.operands[0])[-1]
            if all(decide(end, "<", LEAST_EXTENT) is not True for end in ends):
                return True
    return False


def _without_ones(shape: Shape) -> Shape:
    return tuple(d for d in shape if d != 1)


def _keeps_rows(path: Path, group: Group, shape: Shape) -> bool:
    """Whether the path only adds or drops axes of size 1, and ends at `shape`, one element per reduction."""
    if any(
        op.name not in ("reshape", "broadcast")
        or _without_ones(shape_of(op.result)) != _without_ones(group.short)
        for op in path.chain
    ):
        return False
    return _without_ones(shape) == _without_ones(group.short)


def _spreads(path: Path, group: Group) -> bool:
    """Whether the path puts a row's value at every element of the row."""
    if path.source not in group.reduced or not path.chain or path.chain[0].name != "broadcast":
        return False
    if shape_of(path.chain[0].result) != group.space or not _keeps_rows(
        Path(path.source, path.chain[1:]), group, group.short
    ):
        return False
    below = shape_of(path.chain[0].operands[0])
    padded = (1,) * (len(group.space) - len(below)) + below
    return padded == group.kept


def _users(region: Region) -> dict[Value, list[Op]]:
    """Ops of this region that use a value, once for each use; what holds a region stands for those in it."""
    found: dict[Value, list[Op]] = {}

    def visit(ops: Iterable[Op], holder: Op | None) -> None:
        for op in ops:
            for value in op.operands:
                copied = holder is not None and not is_start(op, value) and record(op).form is not None
                # a kernel inside a region copies the free ops that it reads
                found.setdefault(path_of(value).source if copied else value, []).append(holder or op)
            for inner in op.regions:
                visit(inner.ops, holder or op)

    visit(region.ops, None)
    return found
