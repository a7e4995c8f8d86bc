"""The pass `beside`: large independent parts of a program that use one core each run at once.

Loop level to loop level, after math is arithmetic. A part is heavy if much of it is serial: recurrences,
loops over small kernels, factors. In the ops of one region a heavy op begins a task; an op that depends on
one task alone joins it, one that depends on none moves before all, and the rest comes after. Tasks touch no
memory of one another that one writes. What can fail keeps its order: an error is that of the first task that
fails, and no argument is written that the program would not have written before. Not here: work that is
shared among threads already (`spread.py`, the schedules), the threads.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field

from weft.compiler.work import SOME_TRIPS, trips, work_of
from weft.ir import BufferType, Builder, Expr, Func, Op, Region, Value, record
from weft.ir.dataclass import dataclass
from weft.ir.expr import select
from weft.ir.rewrite import Cloner, renewed, uses_any
from weft.ir.walk import free_values, values_of, walk, walk_regions

WORTH = 1 << 17
"""Operations of a task that is worth a thread: some 100 microseconds."""
_UNKNOWN_TRIPS = 1 << 14
"""Iterations of a loop whose number is known only when the program runs: it is asked then."""
_FAILING = ("fail_if", "to_index")
_CONTROL = ("for", "while", "if")


def beside(fn: Func) -> Func:
    """The program with `beside` ops where they pay."""
    return _Beside(fn).run()


@dataclass(slots=True)
class _Weight:
    """Operations of some ops: on one thread, on several, and whether all trips are known."""

    serial: int = 0
    shared: int = 0
    known: bool = True

    @property
    def is_heavy(self) -> bool:
        """Whether it is worth a thread of its own."""
        return self.serial >= WORTH and self.shared <= self.serial // 8

    def add(self, other: "_Weight", times: int, *, is_shared: bool = False) -> None:
        """Count an inner one so often."""
        self.shared += times * (other.shared + (other.serial if is_shared else 0))
        self.serial += 0 if is_shared else times * other.serial
        self.known &= other.known


@dataclass(slots=True)
class _Part:
    """Some ops: what they touch, read and define."""

    ops: list[Op] = field(default_factory=list[Op])
    defines: set[Value] = field(default_factory=set[Value])
    takes: set[Value] = field(default_factory=set[Value])
    reads: set[Value] = field(default_factory=set[Value])
    writes: set[Value] = field(default_factory=set[Value])
    fails: bool = False
    writes_argument: bool = False
    weight: _Weight = field(default_factory=_Weight)

    def clashes(self, later: "_Part") -> bool:
        """Whether a part that is later in the program must stay after this one."""
        return bool(
            self.defines & later.takes
            or self.writes & (later.reads | later.writes)
            or self.reads & later.writes
        )

    def add(self, other: "_Part") -> None:
        """Append another part."""
        self.ops += other.ops
        self.defines |= other.defines
        self.takes |= other.takes
        self.reads |= other.reads
        self.writes |= other.writes
        self.fails |= other.fails
        self.writes_argument |= other.writes_argument


class _Beside:
    def __init__(self, fn: Func) -> None:
        self.fn = fn
        self.weights: dict[Op, _Weight] = {}
        self.parts: dict[Op, _Part] = {}
        self.parents: dict[Value, Value] = {}
        self.arguments: set[Value] | None = None
        self.found: dict[Region, list[Op | list[list[Op]]]] = {}

    def run(self) -> Func:
        """The new program; the old one if there is nothing to do."""
        self.look(self.fn.body)
        if not self.found:
            return self.fn
        self.cloner = Cloner(rule=self.visit)
        body = renewed(self.fn.body)
        self.write(self.fn.body, Builder(body))
        return Func(self.fn.name, body, dict(self.fn.symbols), self.fn.stage, self.fn.into, self.fn.strided)

    # ---------------------------------------------------------------- facts

    def weigh(self, ops: Iterable[Op]) -> _Weight:
        """The operations of some ops."""
        total = _Weight()
        for op in ops:
            if op.regions:
                total.add(self.weight(op), 1)
            else:
                total.serial += int(record(op).flops) + 1
        return total

    def weight(self, op: Op) -> _Weight:
        """The operations of an op with regions."""
        found = self.weights.get(op)
        if found is None:
            found = self.weights[op] = _Weight()
            sides = [self.weigh(region.ops) for region in op.regions]
            if op.name == "if":
                sides = [max(sides, key=lambda w: w.serial + w.shared)]
            times = trips(op) if op.name == "for" else SOME_TRIPS if op.name == "while" else 1
            found.known = times is not None
            is_shared = op.attributes.get("kind") == "parallel" and times != 1
            for side in sides:
                found.add(side, _UNKNOWN_TRIPS if times is None else times, is_shared=is_shared)
        return found

    def tie(self) -> None:
        """Find what may be one memory: views, and what loops and branches pass on."""
        for op in walk(self.fn):
            memory = [v for v in (*op.operands, *op.results) if isinstance(v.type, BufferType)]
            if op.name == "view":
                self.join(memory)
            elif op.regions:
                for region in op.regions:
                    memory += [v for v in region.params if isinstance(v.type, BufferType)]
                    memory += [v for v in region.terminator.operands if isinstance(v.type, BufferType)]
                self.join(memory)
        params = [p for p in self.fn.params if isinstance(p.type, BufferType) and p.name.startswith("a")]
        self.arguments = {self.root(p) for p in params}

    def join(self, memory: Sequence[Value]) -> None:
        """All of them are one."""
        for other in memory[1:]:
            a, b = self.root(memory[0]), self.root(other)
            if a is not b:
                self.parents[b] = a

    def root(self, value: Value) -> Value:
        """What stands for all memory that may be this."""
        while value in self.parents:
            value = self.parents[value]
        return value

    def part(self, op: Op) -> _Part:
        """The facts of one op."""
        if op in self.parts:
            return self.parts[op]
        part = self.parts[op] = _Part([op], set(op.results), set(op.operands))
        part.weight = self.weigh([op])
        for region in op.regions:
            part.takes.update(free_values(region))
        for inner in _all_of(op):
            part.fails |= inner.name in _FAILING
            for place, value in enumerate(inner.operands):
                if isinstance(value.type, BufferType) and not inner.regions:
                    is_written = place == 1 and inner.name in ("store", "scatter_lanes", "copy")
                    (part.writes if is_written else part.reads).add(self.root(value))
        part.writes_argument = not part.writes.isdisjoint(self.arguments or ())
        return part

    # ---------------------------------------------------------------- search

    def look(self, region: Region) -> None:
        """Arrange a region; where that gives nothing, the regions in it."""
        inner = [op for op in region.ops if op.regions]
        if sum(self.weight(op).is_heavy for op in inner) > 1:
            if self.arguments is None:
                self.tie()
            arranged = self.arrange(region.ops[:-1])
            if any(isinstance(item, list) for item in arranged):
                self.found[region] = arranged
        taken = {op for item in self.found.get(region, ()) if isinstance(item, list) for op in _ops_of(item)}
        for op in inner:
            if op.name in _CONTROL and op not in taken and op.attributes.get("kind") != "parallel":
                for below in op.regions:
                    self.look(below)

    def arrange(self, ops: Sequence[Op]) -> list[Op | list[list[Op]]]:
        """The ops in an order that does the same, with lists of tasks among them."""
        arranged: list[Op | list[list[Op]]] = []
        waiting: list[Op] = []
        for op in ops:
            if _is_barrier(op):
                arranged += [*self.stretch(waiting), op]
                waiting = []
            else:
                waiting.append(op)
        return arranged + self.stretch(waiting)

    def stretch(self, ops: Sequence[Op]) -> list[Op | list[list[Op]]]:
        """Arrange ops that may change places."""
        arranged: list[Op | list[list[Op]]] = []
        while True:
            heavy = [number for number, op in enumerate(ops) if op.regions and self.weight(op).is_heavy]
            if len(heavy) < 2:
                return [*arranged, *ops]
            before, tasks, after = self.sort(ops)
            if len(tasks) > 1:
                before, tasks, ops = _with_memory(ops, before, tasks, after)
                arranged += [*before, tasks]
            else:  # all that is heavy hangs on the first that is
                arranged += ops[: heavy[0] + 1]
                ops = ops[heavy[0] + 1 :]

    def sort(self, ops: Sequence[Op]) -> tuple[list[Op], list[list[Op]], list[Op]]:
        """What comes before, the tasks, what comes after; all in their old order."""
        first, tasks, last = _Part(), list[_Part](), _Part()
        for op in ops:
            if op.name == "alloc":
                continue
            part = self.part(op)
            depends = [number for number, task in enumerate(tasks) if task.clashes(part)]
            place = len(tasks) + 1
            if not last.clashes(part):
                if not depends:
                    place = len(tasks) if part.weight.is_heavy else -1
                elif len(depends) == 1 and part.weight.shared < WORTH:
                    place = depends[0]
            if not _keeps_order(part, place, tasks, last):
                place = len(tasks) + 1
            if place == len(tasks):
                tasks.append(_Part())
            target = first if place < 0 else tasks[place] if place < len(tasks) else last
            target.add(part)
        return first.ops, [task.ops for task in tasks], last.ops

    # ---------------------------------------------------------------- writing

    def visit(self, builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        """Ops whose regions may be arranged anew; others stay unless they use what is another value now."""
        if not self.holds(op) and not uses_any(op, self.cloner.values):
            builder.region.ops.append(op)
            return op.results
        if op.name not in _CONTROL:
            return (
                Cloner(self.cloner.values).copy(builder.region, op, operands).results if op.regions else None
            )
        regions: list[Region] = []
        for old in op.regions:
            new = Region()
            self.cloner.parameters(old, new)
            self.write(old, builder.inside(new))
            regions.append(new)
        made = Op(op.name, operands, [r.type for r in op.results], op.attributes, regions, op.locations)
        builder.region.ops.append(made)
        return made.results

    def holds(self, op: Op) -> bool:
        """Whether a region in an op is arranged anew."""
        inner = op.regions if op.name in _CONTROL else ()
        return any(below in self.found for region in inner for below in walk_regions(region))

    def write(self, region: Region, builder: Builder) -> None:
        """The ops of a region."""
        arranged = self.found.get(region)
        if arranged is None:
            self.cloner.ops(region, builder)
            return
        for number, item in enumerate(arranged):
            if isinstance(item, Op):
                self.cloner.op(builder, item)
            else:
                later = [op for more in arranged[number + 1 :] for op in _ops_of(more)]
                self.together(builder, item, [*later, region.terminator])
        self.cloner.op(builder, region.terminator)

    def together(self, builder: Builder, tasks: Sequence[Sequence[Op]], later: Sequence[Op]) -> None:
        """A `beside` op: its results are what later ops need of the tasks."""
        needed = {v for op in later for v in (*op.operands, *(w for r in op.regions for w in free_values(r)))}
        condition = self.is_worth(builder, tasks)
        regions: list[Region] = []
        passed: list[Value] = []
        for task in tasks:
            region = Region()
            inner = builder.inside(region)
            for op in task:
                self.cloner.op(inner, op)
            ends = [v for op in task for v in op.results if v in needed]
            inner.emit("yield", [self.cloner.value(v) for v in ends])
            passed += ends
            regions.append(region)
        operands = [] if condition is None else [condition.value]
        self.cloner.set(passed, builder.emit("beside", operands, {}, regions).results)

    def is_worth(self, builder: Builder, tasks: Sequence[Sequence[Op]]) -> Expr | None:
        """Whether two tasks have enough to do; None if that is known."""
        weights = [self.weigh(task) for task in tasks]
        if sum(weight.known and weight.serial >= WORTH for weight in weights) > 1:
            return None
        total: Expr | None = None
        for task in tasks:
            inside = {v for op in task for v in (*op.results, *(w for r in op.regions for w in values_of(r)))}
            fixed, more = work_of(builder, task, inside, self.cloner.value)
            work = builder.index(fixed) if more is None else more + fixed
            is_large = select(work.lt(WORTH), builder.index(0), builder.index(1))
            total = is_large if total is None else total + is_large
        return None if total is None else builder.index(1).lt(total)


def _all_of(op: Op) -> Iterator[Op]:
    """An op and all in it."""
    yield op
    for region in op.regions:
        yield from walk(region)


def _ops_of(item: Op | Sequence[Sequence[Op]]) -> list[Op]:
    return [item] if isinstance(item, Op) else [op for task in item for op in task]


def _is_barrier(op: Op) -> bool:
    """What binds sizes, calls Python or takes memory of the process stays where it is."""
    return op.name == "to_index" or any(
        inner.name == "callback" or "unbounded" in inner.attributes or "memory" in inner.attributes
        for inner in _all_of(op)
    )


def _keeps_order(part: _Part, place: int, tasks: Sequence[_Part], last: _Part) -> bool:
    """Whether errors and what they leave of the arguments stay as they are if a part goes to this place."""
    later = [*tasks[place + 1 :], last] if place < len(tasks) else [last] if place == len(tasks) else []
    sooner = tasks[: max(place, 0)] if place <= len(tasks) else ()
    if part.fails and any(other.fails or other.writes_argument for other in later):
        return False
    return not (part.writes_argument and any(other.fails for other in (*later, *sooner)))


def _with_memory(
    ops: Sequence[Op], before: list[Op], tasks: list[list[Op]], after: list[Op]
) -> tuple[list[Op], list[list[Op]], list[Op]]:
    """The same with the allocations among them, each as far inside as all of its users are."""
    home = {op: number for number, task in enumerate(tasks) for op in task} | {op: len(tasks) for op in after}
    homes = dict[Value, set[int]]()
    for op in (*before, *(op for task in tasks for op in task), *after):
        for value in (*op.operands, *(v for region in op.regions for v in free_values(region))):
            homes.setdefault(value, set()).add(home.get(op, -1))
    parts = [*tasks, after]
    made: list[list[Op]] = [[] for _ in parts]
    outer: list[Op] = []
    for op in ops:
        if op.name == "alloc":
            places = homes.get(op.result, {-1})
            (made[next(iter(places))] if len(places) == 1 and -1 not in places else outer).append(op)
    new = [_before_use(allocs, part) for allocs, part in zip(made, parts, strict=True)]
    return [*outer, *before], new[:-1], new[-1]


def _before_use(allocs: Sequence[Op], part: Sequence[Op]) -> list[Op]:
    """Allocations put before the ops that use them first."""
    waiting = {op.result: op for op in allocs}
    found: list[Op] = []
    for op in part:
        for value in (*op.operands, *(v for region in op.regions for v in free_values(region))):
            if value in waiting:
                found.append(waiting.pop(value))
        found.append(op)
    return found
