"""Arrays that a path or an iteration makes, used after it, where a name may also be another array.

They get memory from before it: a branch some for each array that one of its paths made, a loop as many as it
carries names that may be such arrays; what an iteration makes goes where no name holds anything any more. Not
here: choices between arrays (`either.py`), arrays that are carried by value (`joins.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weft.compiler.frontend.arguments import children, is_node
from weft.compiler.frontend.control.either import (
    chosen,
    is_known_outside,
    is_number,
    is_same_view,
    possible_arrays,
)
from weft.compiler.frontend.control.joins import UNDEFINED, Frozen, Maybe, Possible, is_listed, label
from weft.compiler.frontend.storage import Storage, View, row_major
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray
from weft.ir.builder import Builder
from weft.ir.dataclass import dataclass
from weft.ir.expr import Expr, select
from weft.ir.node import Region, Value
from weft.ir.types import I64, TensorType

if TYPE_CHECKING:
    from weft.compiler.frontend.control.statements import Side
    from weft.compiler.frontend.control.variables import Traced, Variables


def frozen_in(value: Any) -> Iterator[Frozen]:
    """The arrays in a value at the end of a path, but for items that lie in arrays themselves."""
    if type(value) is Frozen:
        yield value
    elif type(value) in (Maybe, Possible):
        yield from frozen_in(value.value)
    elif is_node(value) and not is_listed(value):
        for _, item in children(value):
            yield from frozen_in(item)


def _is_made(trace: Trace, storage: Storage) -> bool:
    """Whether memory was made on a path, and outside would be as large."""
    if storage.depth <= len(trace.frames) or storage.origins or storage.parameter is not None:
        return False
    return is_known_outside(trace, storage.type.shape)


def _zeros(trace: Trace, ty: TensorType) -> Value:
    zero = trace.constant(0, ty.dtype).value
    return trace.emit("broadcast", [zero], {"shape": ty.shape}) if ty.shape else zero


def _on(storage: Storage, array: TracedArray) -> TracedArray:
    """What an array shows of its storage, of another one."""
    return TracedArray(array.trace, array.view.shown(View.of(storage)))


# ---------------------------------------------------------------- branches


def move_from_sides(trace: Trace, sides: Sequence[Side], names: Sequence[str]) -> None:
    """Give arrays of paths memory from before them, unless a name is a new array of its own on each."""
    alive = [side for side in sides if not side.raised]
    columns = [[list(frozen_in(side.values.get(name))) for side in alive] for name in names]
    used = [Counter(_storages(leaf for column in columns for leaf in column[k])) for k in range(len(alive))]
    wanted: list[dict[Storage, None]] = [{} for _ in alive]
    choosing = [c for c, n in zip(columns, names, strict=True) if trace.assumptions.chooses(label(n))]
    for row in (row for column in choosing for row in _rows(column)):
        if not all(_is_alone(trace, leaf, used[k]) for k, leaf in row):
            for k, leaf in row:
                wanted[k].update((s, None) for s in _storages([leaf]) if _is_made(trace, s))
    for k, side in enumerate(alive):
        moved = {storage: _move_from(trace, sides, side, storage) for storage in wanted[k]}
        arrays: dict[int, TracedArray] = {}
        for leaf in (leaf for column in columns if moved for leaf in column[k]):
            leaf.array = arrays.setdefault(id(leaf.array), _moved(trace, leaf.array, moved))


def _rows(column: Sequence[Sequence[Frozen]]) -> list[list[tuple[int, Frozen]]]:
    """The arrays of a name that meet, each with the number of its path; not those of other types."""
    if any(len(leaves) != len(column[0]) for leaves in column):
        return [[(k, leaf)] for k, leaves in enumerate(column) for leaf in leaves]
    rows = [list(enumerate(row)) for row in zip(*column, strict=True)]
    return [row for row in rows if all(_type_of(leaf) == _type_of(row[0][1]) for _, leaf in row)]


def _type_of(leaf: Frozen) -> TensorType:
    return TensorType(leaf.array.element, leaf.array.view.shape)


def _storages(leaves: Any) -> list[Storage]:
    return [one.view.storage for leaf in leaves for one in possible_arrays(leaf.array)]


def _is_alone(trace: Trace, leaf: Frozen, used: Counter[Storage]) -> bool:
    """Whether an array is new memory that nothing else shows."""
    view, storage = leaf.array.view, leaf.array.view.storage
    return view.base is None and storage.is_own(len(trace.frames) + 1) and used[storage] == 1


def _move_from(trace: Trace, sides: Sequence[Side], side: Side, storage: Storage) -> Storage:
    """Memory from before all paths that holds what one of them leaves in `storage`."""
    ty = storage.type
    value = Value(ty, trace.region, -1)
    made = Storage(value, row_major(ty.shape), name=storage.name, depth=len(trace.frames))
    for one in sides:
        one.frame.before[made] = made.value
        if one is side:
            one.ends[made] = storage.value
            continue
        with trace.reopen(one.frame):
            one.ends[made] = _zeros(trace, ty)
    return made


def _moved(trace: Trace, array: TracedArray, moved: Mapping[Storage, Storage]) -> TracedArray:
    """An array in the memory that its storages moved to."""
    found = [_in_place(one, moved) for one in possible_arrays(array)]
    choice = array.view.storage.choice
    return found[0] if choice is None else chosen(trace, choice.index, found)


def _in_place(array: TracedArray, moved: Mapping[Storage, Storage]) -> TracedArray:
    storage = moved.get(array.view.storage)
    return array if storage is None else _on(storage, array)


# ---------------------------------------------------------------- loops


@dataclass(slots=True)
class Held:
    """An array that a loop carries, at the end of an iteration: what it may be, and when it is each."""

    leaf: Frozen | None
    is_chosen: bool
    arrays: list[TracedArray]
    flags: list[Expr | None]
    """None: always."""

    def shows(self, storage: Storage) -> list[Expr | None]:
        """When it shows a storage."""
        return [f for one, f in zip(self.arrays, self.flags, strict=True) if one.view.storage is storage]


def move_from_body(trace: Trace, variables: Variables, done: Traced) -> None:
    """Give arrays that an iteration made memory from before the loop."""
    held = list(_held(trace, variables, done))
    made = {s: None for one in held for s in _made_in(trace, variables, one)}
    for ty in dict.fromkeys(storage.type for storage in made):
        fresh = [storage for storage in made if storage.type == ty]
        pool = variables.pool.setdefault(ty, [])
        known = {*fresh, *pool}
        users = [one for one in held if any(a.view.storage in known for a in one.arrays)]
        while len(pool) < len(users):
            pool.append(trace.new_storage(trace.expr(_zeros(trace, ty)).value))
        with trace.reopen(done.frame):
            places = {storage: _place(trace, done, storage, pool, users) for storage in fresh}
            for one in users:
                _move(trace, one, places)


def _held(trace: Trace, variables: Variables, done: Traced) -> Iterator[Held]:
    """All arrays that the names of a loop are at the end of an iteration."""
    found = {name: list(frozen_in(value)) for name, value in done.ends.items()}
    used = Counter(_storages(leaf for leaves in found.values() for leaf in leaves))
    with trace.reopen(done.frame):
        for name, value in done.ends.items():
            is_chosen = trace.assumptions.chooses(label(name))
            if value is variables.wrapped.get(name):
                for array in _arrays(value):
                    yield _held_of(trace, None, array, is_chosen=is_chosen)
                continue
            for leaf in found[name]:
                late = variables.before[name] is UNDEFINED
                if not (late and _is_alone(trace, leaf, used)):
                    yield _held_of(trace, leaf, leaf.array, is_chosen=is_chosen)


def _arrays(value: Any) -> Iterator[TracedArray]:
    if type(value) is TracedArray:
        yield value
    elif type(value) in (Maybe, Possible):
        yield from _arrays(value.value)
    elif is_node(value) and not is_listed(value):
        for _, item in children(value):
            yield from _arrays(item)


def _held_of(trace: Trace, leaf: Frozen | None, array: TracedArray, *, is_chosen: bool) -> Held:
    choice, arrays = array.view.storage.choice, possible_arrays(array)
    if choice is None:
        return Held(leaf, is_chosen, arrays, [None])
    return Held(leaf, is_chosen, arrays, [is_number(trace, choice, k) for k in range(len(arrays))])


def _made_in(trace: Trace, variables: Variables, one: Held) -> list[Storage]:
    """The storages that a body made and this array may show, if it can be moved."""
    if one.leaf is None or not one.is_chosen:
        return []
    inner = [a.view.storage for a in one.arrays if a.view.storage.depth > len(trace.frames)]
    if any(s in variables.params or not _is_made(trace, s) for s in inner):
        return []
    return inner


def _any(trace: Trace, flags: Sequence[Expr | None]) -> Expr | bool:
    """Whether one of some flags holds."""
    if None in flags:
        return True
    found: Expr | bool = False
    for flag in flags:
        assert flag is not None
        found = flag if found is False else found | flag
    return found


def _and(a: Expr | bool, b: Expr | bool) -> Expr | bool:
    if a is True or b is False:
        return b
    if b is True or a is False:
        return a
    return a & b


def _not(a: Expr | bool) -> Expr | bool:
    return not a if isinstance(a, bool) else a.apply("logical_not")


def _place(
    trace: Trace, done: Traced, storage: Storage, pool: Sequence[Storage], users: Sequence[Held]
) -> list[tuple[Storage, Expr | bool]]:
    """Write what an iteration made to memory that no name holds: which, and when."""
    needed = _any(trace, [flag for one in users for flag in one.shows(storage)])
    found: list[tuple[Storage, Expr | bool]] = []
    open_: Expr | bool = True
    for place in pool:
        used = _any(trace, [flag for one in users for flag in one.shows(place)])
        here = _and(open_, _not(used))
        if here is False:
            continue
        found.append((place, here))
        _put(trace, done, place, storage.value, _and(needed, here))
        open_ = _and(open_, used)
        if open_ is False:
            break
    for one in users:  # what comes next is not to go there
        for array, flag in list(zip(one.arrays, one.flags, strict=True)):
            if array.view.storage is storage:
                for place, here in found:
                    both = _and(True if flag is None else flag, here)
                    one.arrays.append(_on(place, array))
                    one.flags.append(None if both is True else both if not isinstance(both, bool) else None)
    return found


def _put(trace: Trace, done: Traced, place: Storage, value: Value, when: Expr | bool) -> None:
    """Write all of a storage at the end of an iteration."""
    frame = done.frame
    if place not in frame.start:
        frame.before[place] = place.value
        frame.start[place] = done.storages[place] = Value(place.type, frame.region, -1, place.name)
    if when is True:
        done.storages[place] = value
    elif when is not False:
        regions = [Region(), Region()]
        for region, one in zip(regions, (value, done.storages[place]), strict=True):
            Builder(region, (trace.location(),)).emit("yield", [one])
        done.storages[place] = trace.emit_op("if", [when.value], {}, regions).result


def _move(trace: Trace, one: Held, places: Mapping[Storage, Any]) -> None:
    """Let an array be where it was moved to."""
    if one.leaf is None or not any(a.view.storage in places for a in one.arrays):
        return
    kept = [(a, f) for a, f in zip(one.arrays, one.flags, strict=True) if a.view.storage not in places]
    arrays: list[TracedArray] = []
    index = None
    for array, flag in kept:
        known = [k for k, other in enumerate(arrays) if is_same_view(other.view, array.view)]
        if not known:
            arrays.append(array)
        here = trace.constant(known[0] if known else len(arrays) - 1, I64)
        index = here if index is None or flag is None else select(flag, here, index)
    assert index is not None
    one.leaf.array = chosen(trace, index.value, arrays)


__all__ = ["frozen_in", "move_from_body", "move_from_sides"]
