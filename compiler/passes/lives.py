"""Which ops read a value last, and whose memory it may take: the facts by which `bufferize` decides.

Facts of the program before it is changed. Not here: buffers (`bufferize`), what one kernel does in place
(`in_place`, `in_step`).
"""

from weft.compiler.passes.in_place import (
    are_apart,
    is_large_part,
    is_one_place,
    is_only_updated,
    is_row_by_row,
    is_within,
    value_before,
)
from weft.compiler.passes.in_step import reads_in_step, reads_only_written
from weft.ir import Func, IndexType, Op, Region, TensorType, Value
from weft.ir.dims import DimLike
from weft.ir.walk import free_values, has_effect, uses, values_of


def dim_of(value: Value) -> DimLike:
    """The expression of a size or index."""
    assert isinstance(value.type, IndexType)
    return value.type.dim


class Lives:
    """The order of a function's ops, and questions about values at an op."""

    def __init__(self, fn: Func) -> None:
        self.fn = fn
        self.last_use: dict[Value, int] = {}
        self.order: dict[Op, int] = {}
        self.end: dict[Op, int] = {}
        self.loop: dict[Op | Region, Region] = {}  # the innermost region around that repeats, or the body
        self.around: dict[Op | Region, Op | Region | None] = {fn.body: None}
        self.last_in: dict[Region, dict[Value, int]] = {}  # position of a region's last op that reads a value
        self.position: dict[Op, int] = {}
        self._turns: dict[Op, dict[int, int]] = {}
        self._uses = uses(fn)
        self._number(fn.body, fn.body)

    def _number(self, region: Region, loop: Region) -> None:
        """Positions of ops, for each value that of the last op of its region that reads it or holds one."""
        self.loop[region] = loop
        last = self.last_in[region] = dict[Value, int]()
        for number, op in enumerate(region.ops):
            self.position[op], self.around[op] = number, region
            self.around.update((inner, op) for inner in op.regions)
            self.order[op] = len(self.order)
            self.loop[op] = loop
            for inner in op.regions:
                self._number(inner, loop if op.name == "if" else inner)
            self.end[op] = end = len(self.order)
            for value in [*op.operands, *(v for r in op.regions for v in free_values(r))]:
                self.last_use[value] = max(self.last_use.get(value, -1), end)
                last[value] = number

    def owns(self, value: Value, op: Op) -> bool:
        """Whether nothing reads the value after `op`, and its memory is not a constant argument."""
        if not self.is_dead_after(value, op) or not self.in_same_loop(value, op):
            return False
        return value.op is not None or self.is_writable(value)

    def is_dead_after(self, value: Value, op: Op) -> bool:
        """Whether no op that may run after `op` reads a value, defined in the innermost loop around `op`."""
        home = value.owner if isinstance(value.owner, Region) else self.around[value.owner]
        here: Op | Region | None = op
        while isinstance(here, Op):
            region = self.around[here]
            assert isinstance(region, Region)
            if self.last_in[region].get(value, -1) > self.position[here]:
                return False
            here = None if region is home else self.around[region]
        return True

    def in_same_loop(self, value: Value, op: Op) -> bool:
        """Whether a value is made anew each time that `op` runs: one from outside of a loop is read again."""
        return self.loop.get(value.owner) is self.loop[op]

    def is_writable(self, param: Value) -> bool:
        """Whether the memory of a parameter, of the function or of a loop's body, may be written."""
        if param.owner is not self.fn.body:  # carried by a loop, in a buffer of the loop
            loop = self.around[param.owner]
            return not (isinstance(loop, Op) and loop.name == "while" and param.owner is loop.regions[0])
        return self.fn.params.index(param) in self.fn.into

    def is_carried_in_place(self, value: Value, op: Op) -> bool:
        """Whether a loop may work in the memory of an initial value: nothing else reads that."""
        if list(op.operands).count(value) != 1 or any(value in free_values(r) for r in op.regions):
            return False
        if value.owner is self.fn.body and self.fn.params.index(value) in self.fn.strided:
            return False
        return self.owns(value, op)

    def beginning(self, value: Value) -> Value:
        """The value whose memory `value` will live in, through kernels and regions that work in place."""
        while (before := self.before(value)) is not value:
            value = before
        return value

    def before(self, value: Value) -> Value:
        """One step back."""
        op = value.op
        if op is None:
            return value
        if op.name in ("for", "while"):
            first = 3 if op.name == "for" else 0
            initial = op.operands[first + value.index]
            stays = self.turns(op).get(value.index) == value.index or not self.needs_spare(
                op, value.index, first
            )
            turns = self.turns(op).get(value.index, value.index) != value.index
            return initial if stays and not turns and self.is_carried_in_place(initial, op) else value
        if op.name == "if":
            return self.shared_origin(op, value.index) or value
        return value_before(value)

    def shared_origin(self, op: Op, number: int) -> Value | None:
        """The outer value in whose memory both branches leave a result, if they may."""
        inside = {v for r in op.regions for v in values_of(r)}
        origins = [self.began_outside(region.terminator.operands[number], inside) for region in op.regions]
        value = origins[0]
        if value is None or value is not origins[1] or value.type != op.results[number].type:
            return None
        if value.owner is self.fn.body and self.fn.params.index(value) in self.fn.strided:
            return None
        return value if self.owns(value, op) else None

    def began_outside(self, value: Value, inside: set[Value]) -> Value | None:
        """The first value outside of a branch on the way back from `value`."""
        while value in inside:
            before = self.before(value)
            if before is value:
                return None
            value = before
        return value

    def turns(self, op: Op) -> dict[int, int]:
        """Places of a loop whose next value lives in the memory of a present one, with the place of that.

        The buffers of these places are turned around by the loop, each by itself in the simplest case.
        """
        if op in self._turns:
            return self._turns[op]
        region, skip = op.regions[-1], 1 if op.name == "for" else 0
        number_of = {p: k for k, p in enumerate(region.params[skip:]) if isinstance(p.type, TensorType)}
        found: dict[int, int] = {}
        for k, value in enumerate(region.terminator.operands):
            origin = self.beginning(value) if isinstance(value.type, TensorType) else value
            if self.written_aside(op, k) is not None:
                continue
            if origin in number_of and origin.type == value.type:
                found[k] = number_of[origin]
        while True:
            counts = list(found.values())
            kept = {k: p for k, p in found.items() if p == k or (p in found and counts.count(p) == 1)}
            if kept == found:
                break
            found = kept
        self._turns[op] = found
        return found

    def needs_spare(self, op: Op, number: int, first: int) -> bool:
        """Whether the next value cannot be written over the present one: its kernel reads that elsewhere."""
        region = op.regions[-1]
        param = region.params[number + (1 if op.name == "for" else 0)]
        if not isinstance(param.type, TensorType):
            return False
        value = region.terminator.operands[number]
        if self.written_aside(op, number) is not None:
            return True
        if number in self.turns(op):
            return False
        maker = value.op
        if maker is None or maker.name != "fusion" or maker not in set(region.ops):
            return True
        late = self.last_use.get(param, -1) > self.end[maker]
        reads = [p for p, o in zip(maker.regions[0].params, maker.operands, strict=True) if o is param]
        root = maker.regions[0].terminator.operands[value.index]
        return late or not all(reads_in_step(maker, p, root) for p in reads)

    def written_aside(self, op: Op, number: int) -> Value | None:
        """The first update of a carried value if it goes to a second buffer: a stencil that swaps arrays.

        That holds what the iteration before the last one left, but for what this update writes.
        """
        updates = self._updates(op, number)
        if not updates:
            return None
        (first, update), *later = updates.items()
        whole, part = update.operands[0].type, update.operands[1].type
        assert first.op is not None
        assert isinstance(whole, TensorType)
        assert isinstance(part, TensorType)
        is_safe = reads_only_written(first.op.regions[0], update.operands[0], update)
        if is_safe or not is_large_part(part.size, whole.size):
            return None
        clear = all(are_apart(update, one) or is_within(one, update) for _, one in later)
        return first if clear else None

    def is_filled(self, op: Op, number: int) -> bool:
        """Whether the iterations of a `for` write a carried array row by row, all rows, and none reads it."""
        region = op.regions[-1]
        if op.name != "for":
            return False
        param, value = region.params[number + 1], region.terminator.operands[number]
        readers, maker = uses(region).get(param, []), value.op
        if maker is None or [one for one, _ in readers] != [maker] or not is_only_updated(*readers[0]):
            return False
        update = maker.regions[0].terminator.operands[value.index].op
        if update is None or update.name != "update" or value_before(value) is not param:
            return False
        lower, upper, step = (dim_of(v) for v in op.operands[:3])
        return step == 1 and is_row_by_row(update, dim_of(region.params[0]), lower, upper)

    def is_unread(self, op: Op) -> bool:
        """Whether a kernel makes only what loops fill before they read it."""
        return (
            not op.attributes.get("in_place")
            and op.attributes["schedule"] == "pointwise"
            and not has_effect(op)
            and all(
                user.name == "for" and number >= 3 and self.is_filled(user, number - 3)
                for result in op.results
                for user, number in self._uses.get(result, [])
            )
        )

    def stale(self, op: Op, number: int) -> list[Op]:
        """Updates after the one that is written aside, whose places are read before they run."""
        updates = self._updates(op, number)
        (_, update), *later = updates.items()
        readers = uses(op.regions[-1])
        *between, _ = updates
        if all(is_only_updated(*use) for value in between for use in readers.get(value, [])):
            return []
        return [one for _, one in later if are_apart(update, one)]

    def _updates(self, op: Op, number: int) -> dict[Value, Op]:
        """The updates, in order, that make the next value, each of one place; empty if others do."""
        region = op.regions[-1]
        param = region.params[number + (1 if op.name == "for" else 0)]
        value, found = region.terminator.operands[number], dict[Value, Op]()
        while value is not param:
            maker = value.op
            before = value_before(value)
            if before is value or maker is None or self.around[maker] is not region:
                return {}
            update = maker.regions[0].terminator.operands[value.index].op
            if update is None or update.name != "update" or not is_one_place(update, self.fn.symbols):
                return {}
            found[value], value = update, before
        return dict(reversed(found.items()))
