"""Parts of an array that are read after it was written are set aside, so that it is written in place.

`old = u[i, j]; u[i, j] = new; change = new - old`: a slice costs nothing until it is read, by then the
element is another, and without this the whole array would be copied. Not here: which updates are in place
(`group.py`), memory (`bufferize`).
"""

from weft.compiler.passes.fuse import is_free
from weft.ir import Builder, Func, Op, Region, Value
from weft.ir.rewrite import Cloner
from weft.ir.walk import uses, walk_regions

_WRITES = ("update", "scatter")


def set_aside(fn: Func) -> Func:
    """The program with a value of its own for each slice that is read after its source is overwritten."""
    users = {value: [op for op, _ in found] for value, found in uses(fn).items()}
    kept: set[Op] = set()
    for region in walk_regions(fn):
        kept |= _late_slices(region, users)
    return _Keeper(kept).function(fn) if kept else fn


def _late_slices(region: Region, users: dict[Value, list[Op]]) -> set[Op]:
    """Slices of a region that are taken before a write to what they show, and read after it."""
    writes = [op for op in region.ops if op.name in _WRITES]
    if not writes:
        return set()
    position: dict[Op, int] = {}
    _place(region, position, None)
    found: set[Op] = set()
    for write in writes:
        for part in _slices(write.operands[0], users, position):
            late = any(position.get(reader, 0) > position[write] for reader in _readers(part.result, users))
            if late and position.get(part, 0) < position[write]:
                found.add(part)
    return found


def _place(region: Region, position: dict[Op, int], around: int | None) -> None:
    """The position of each op; those of inner regions have that of the op around them."""
    for number, op in enumerate(region.ops):
        position[op] = number if around is None else around
        for inner in op.regions:
            _place(inner, position, position[op])


def _slices(value: Value, users: dict[Value, list[Op]], position: dict[Op, int]) -> list[Op]:
    """The slices, among ops with a position, that show a value, also through other free ops."""
    found: list[Op] = []
    for op in users.get(value, ()):
        if op.name == "slice" and op in position:
            found.append(_number(op, users))
        elif is_free(op) and op.name != "broadcast":
            found += _slices(op.result, users, position)
    return found


def _number(part: Op, users: dict[Value, list[Op]]) -> Op:
    """What a slice is read as if that is one reshape alone, as that of one element to a number is."""
    found = users.get(part.result, [])
    return found[0] if len(found) == 1 and found[0].name == "reshape" else part


def _readers(value: Value, users: dict[Value, list[Op]]) -> list[Op]:
    """Ops that read a value, through free ops or directly."""
    found: list[Op] = []
    for op in users.get(value, ()):
        found += _readers(op.result, users) if is_free(op) else [op]
    return found


class _Keeper(Cloner):
    """Copies a program; what these slices show is computed where they stand."""

    def __init__(self, kept: set[Op]) -> None:
        super().__init__()
        self.kept = kept

    def op(self, builder: Builder, op: Op) -> None:
        """Write what stands for `op`."""
        super().op(builder, op)
        if op in self.kept:
            before, builder.locations = builder.locations, op.locations
            self.values[op.result] = builder.emit("stop_gradient", [self.values[op.result]]).result
            builder.locations = before
