"""The pass `plan_memory`: give each arena buffer its offset (DESIGN D21).

Buffers that do not live together share bytes; those of regions that run beside each other do.

Attribute `arena_offset` of an `alloc` is in bytes, a multiple of 64; the total is `arena_bytes(fn)`. Scratch
of a kernel is not planned: it is on the stack of the thread. Method: slots taken in order of first use; a
slot is free again after the last use of its buffer.
"""

from collections.abc import Sequence

from weft.ir import BufferType, Func, Op, Region, UnsupportedError, Value
from weft.ir.dims import DimLike, decide, floor_divide, maximum, symbols_of
from weft.ir.types import is_static
from weft.ir.walk import walk, walk_regions

ALIGNMENT = 64


def plan_memory(fn: Func) -> Func:
    """Stage "loops"; sets attributes of the alloc ops of `fn`, which the caller owns.

    Those of sizes that only the program knows are moved to where these are known.
    """
    _place_unbounded(fn)
    lives = _Lives(fn)
    slots: list[tuple[DimLike, int]] = []  # bytes, end of the present life
    tracks: list[set[_Track]] = []  # of all that lived there
    placed: list[tuple[Op, int]] = []
    for op in lives.allocs:
        begin, end = lives.span(op.result)
        size = _bytes(op)
        track = lives.tracks[op.result]
        others = {(o, n) for o, number in track for n in range(len(o.regions)) if n != number}
        usable = [k for k in range(len(slots)) if others.isdisjoint(tracks[k])]
        slot = _free_slot(slots, usable, size, begin)
        if slot is None:
            slots.append((size, end))
            tracks.append(set())
            slot = len(slots) - 1
        else:
            slots[slot] = (maximum(slots[slot][0], size), end)
        tracks[slot].update(track)
        placed.append((op, slot))
    offsets: list[DimLike] = [0]
    for size, _ in slots:
        offsets.append(offsets[-1] + size)
    for op, slot in placed:
        op.attributes["arena_offset"] = offsets[slot]
    fn.body.terminator.attributes["arena_bytes"] = offsets[-1]
    return fn


def _place_unbounded(fn: Func) -> None:
    """Memory of a size without a bound is taken while the program runs, once: where its size is known."""
    found = [op for op in walk(fn) if op.name == "to_index"]
    binders = {s.name: op for op in found for s in symbols_of(op.attributes["dim"])}  # pyright: ignore[reportArgumentType] -- a size
    if not binders:
        return
    around: dict[Op | Region, Op | Region] = {}
    for region in walk_regions(fn):
        for op in region.ops:
            around[op] = region
            around.update((inner, op) for inner in op.regions)
    for alloc in [op for op in walk(fn) if op.name == "alloc"]:
        unknown = [binders[s.name] for s in symbols_of(_count(alloc)) if s.name in binders]
        if unknown:
            _move(fn, alloc, unknown, around)


def _move(fn: Func, alloc: Op, binders: Sequence[Op], around: dict[Op | Region, Op | Region]) -> None:
    """Put an alloc op behind the last of the ops that bind its sizes, out of all loops and kernels."""
    chain: list[Op | Region] = [alloc]
    while chain[-1] is not fn.body:
        chain.append(around[chain[-1]])
    homes = [chain.index(around[b]) for b in binders if around[b] in chain]
    known = len(homes) == len(binders)
    inside, outside = (chain[: min(homes)], chain[min(homes) + 1 :]) if known else ([], chain)
    repeats = any(isinstance(o, Op) and o.name != "if" for o in outside)
    if repeats or any(isinstance(o, Op) and o.attributes.get("kind") == "parallel" for o in inside):
        raise UnsupportedError(
            "an array in a loop has a size that the loop computes, which has no bound",
            location=alloc.locations[0] if alloc.locations else None,
            fix="make it before the loop, or use a size that is known when the program starts",
        )
    alloc.attributes["unbounded"] = True
    old, region, before = around[alloc], chain[min(homes)], chain[min(homes) - 1]
    if before is not alloc:
        assert isinstance(old, Region)
        assert isinstance(region, Region)
        old.ops.remove(alloc)
        region.ops.insert(region.ops.index(before), alloc)  # pyright: ignore[reportArgumentType] -- an op
        around[alloc] = region


def _count(op: Op) -> DimLike:
    """The elements of an alloc op: the most, if that is known."""
    ty = op.result.type
    assert isinstance(ty, BufferType)
    return op.attributes.get("most", ty.size)  # pyright: ignore[reportReturnType] -- a size


def arena_bytes(fn: Func) -> DimLike:
    """Bytes of the arena that a planned program needs."""
    return fn.body.terminator.attributes.get("arena_bytes", 0)  # pyright: ignore[reportReturnType]


def _bytes(op: Op) -> DimLike:
    ty = op.result.type
    assert isinstance(ty, BufferType)
    return floor_divide(_count(op) * ty.dtype.size_bytes + (ALIGNMENT - 1), ALIGNMENT) * ALIGNMENT


def _free_slot(
    slots: list[tuple[DimLike, int]], usable: Sequence[int], size: DimLike, begin: int
) -> int | None:
    """A slot that is free at `begin`: the smallest known to be large enough, else the last free one."""
    free = [k for k in usable if slots[k][1] < begin]
    enough = [k for k in free if decide(slots[k][0], ">=", size) is True]
    if enough:
        return min(enough, key=lambda k: str(slots[k][0]))
    static = [k for k in free if isinstance(slots[k][0], int) and isinstance(size, int)]
    return static[-1] if static else None


def _is_in_arena(op: Op, *, is_task: bool) -> bool:
    """All but the scratch of a task, which has a known size and is on the stack of its thread."""
    ty = op.result.type
    assert isinstance(ty, BufferType)
    if "unbounded" in op.attributes:
        return False
    return ty.space == "global" or not is_static(ty.shape) or not is_task


_Track = tuple[Op, int]
"""A `beside` op, and the number of one of its regions."""


class _Lives:
    """When each arena buffer is used, in positions of the whole program, and in which tracks it is made."""

    def __init__(self, fn: Func) -> None:
        self.allocs: list[Op] = []
        self.first: dict[Value, int] = {}
        self.last: dict[Value, int] = {}
        self.parent: dict[Value, Value] = {}
        self.position = 0
        self.tracks: dict[Value, tuple[_Track, ...]] = {}
        self._visit(fn.body, ())
        for op in walk(fn):
            if op.name in ("for", "while", "beside"):
                self._tie(op)
        for value in list(self.last):
            root = self._root(value)
            self.last[root] = max(self.last.get(root, 0), self.last[value])

    def span(self, value: Value) -> tuple[int, int]:
        """First and last position."""
        return self.first[value], self.last.get(self._root(value), self.first[value])

    def _visit(
        self, region: Region, tracks: tuple[_Track, ...], *, is_task: bool = False, is_kernel: bool = False
    ) -> set[Value]:
        """Ops of a region; a task is what lies in a loop of a kernel. Gives the buffers that they use."""
        used = set[Value]()
        for op in region.ops:
            self.position += 1
            start = self.position
            if op.name == "alloc" and _is_in_arena(op, is_task=is_task):
                self.allocs.append(op)
                self.first[op.result] = start
                self.tracks[op.result] = tracks
            if op.regions:
                below = set[Value]()
                for number, inner in enumerate(op.regions):
                    in_task = is_task or (is_kernel and op.name != "if")
                    kernel = is_kernel or op.name == "kernel"
                    below_tracks = (*tracks, (op, number)) if op.name == "beside" else tracks
                    below |= self._visit(inner, below_tracks, is_task=in_task, is_kernel=kernel)
                # what its regions use from outside lives to its end: they may run again
                self.last.update((v, self.position) for v in below if self.first.get(v, start) < start)
                used |= below
            for value in op.operands:
                if isinstance(value.type, BufferType):
                    self.last[value] = self.position
                    used.add(value)
        return used

    def _tie(self, op: Op) -> None:
        """A loop's operand, parameter, yield and result are one memory, or memories that are swapped.

        What the regions of a `beside` op yield counts as one memory too: it lives until the last use of any.
        """
        skip = 3 if op.name == "for" else 0
        buffers = [v for v in op.operands[skip:] if isinstance(v.type, BufferType)]
        tied = [*buffers, *(v for v in op.results if isinstance(v.type, BufferType))]
        for region in op.regions:
            tied += [v for v in region.params if isinstance(v.type, BufferType)]
            tied += [v for v in region.terminator.operands if isinstance(v.type, BufferType)]
        for other in tied[1:]:
            a, b = self._root(tied[0]), self._root(other)
            if a is not b:
                self.parent[b] = a

    def _root(self, value: Value) -> Value:
        while value in self.parent:
            value = self.parent[value]
        return value
