"""Where values live while a body is traced: variables as cells, items of containers, a journal that undoes.

A region may be traced more than once; what an abandoned trace did to lists, dicts and objects is taken back.
Not here: what values are (`joins.py`).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from types import BuiltinFunctionType, CellType, FunctionType, ModuleType
from typing import Any

import numpy as np

from weft.compiler.frontend.control.attributes import attributes, has_attributes
from weft.compiler.frontend.control.joins import UNDEFINED, Maybe, Possible, is_listed
from weft.compiler.frontend.control.lists import ListPlace
from weft.compiler.frontend.control.tables import TracedSet, table_of
from weft.compiler.frontend.hooks import variables
from weft.compiler.frontend.values import TRACED
from weft.ir.dataclass import dataclass

_type: Callable[[Any], Any] = type  # typed so: of a value of any type

MUTATORS = frozenset(
    {"append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "update", "setdefault",
     "popitem", "add", "discard", "appendleft", "popleft"}
)  # fmt: skip
_LEAVES = (*TRACED, str, bytes, int, float, complex, type, FunctionType, BuiltinFunctionType, ModuleType,
           np.ndarray, np.generic, np.dtype, type(None), CellType)  # fmt: skip
_MOST = 20000
TRACED_AS_USER_CODE = frozenset(
    f"weft.compiler.frontend.control.{name}" for name in ("folding", "hashing", "iterating")
)
"""Modules of Weft whose functions are traced as the user's are."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A local variable."""

    name: str
    cell: CellType

    def get(self) -> Any:
        """The value, or UNDEFINED."""
        try:
            return self.cell.cell_contents
        except ValueError:
            return UNDEFINED

    def set(self, value: Any) -> None:
        """Bind, or unbind."""
        if value is not UNDEFINED:
            self.cell.cell_contents = value
        elif self.get() is not UNDEFINED:
            del self.cell.cell_contents


@dataclass(frozen=True, slots=True)
class Part:
    """An item of a list or dict, or an attribute of an object."""

    name: str
    owner: Any
    key: Any

    def get(self) -> Any:
        """The value, or UNDEFINED where an object has no such attribute."""
        return held_in(_content(self.owner), self.key)

    def set(self, value: Any) -> None:
        """Replace it, or take it away."""
        if value is UNDEFINED:
            _content(self.owner).pop(self.key, None)
        else:
            _content(self.owner)[self.key] = value


Place = Cell | Part | ListPlace


def cells(names: Sequence[str], *bodies: Callable[..., Any] | None) -> dict[str, Place]:
    """The places of `names` that the bodies share with the function around them."""
    found = variables(*bodies)
    return {name: Cell(name, found[name]) for name in names if name in found}


_SEQUENCES: Any = (list, tuple, set)
_BUILTIN: Any = (list, dict, set)  # typed so, what is tested stays a value of any type


def _content(owner: Any) -> Any:
    return owner if isinstance(owner, _BUILTIN[:2]) else attributes(owner)


def held_in(content: Any, key: Any) -> Any:
    """An item of a container's content, or an attribute of an object's, which may lack it."""
    return content[key] if isinstance(content, _BUILTIN[0]) else content.get(key, UNDEFINED)


def key_of(owner: Any) -> int:
    """What tells containers apart: an object and its `__dict__` are one."""
    is_object = hasattr(owner, "__dict__") and not isinstance(owner, _BUILTIN)
    return id(owner.__dict__ if is_object else owner)


def _copy(owner: Any) -> Any:
    return owner.copy() if isinstance(owner, _BUILTIN) else dict(attributes(owner))


def _restore(owner: Any, content: Any) -> None:
    if isinstance(owner, _BUILTIN[0]):
        owner[:] = content
    else:
        target = owner if isinstance(owner, _BUILTIN) else attributes(owner)
        target.clear()
        target.update(content)
    if isinstance(owner, TracedSet):
        owner.table = content.table


@dataclass(slots=True)
class Mark:
    """What was there when a region began, and the old contents of what it has changed since."""

    outer: set[int]
    noted: dict[int, Any] = field(default_factory=dict[int, Any])
    saved: dict[int, tuple[Any, Any]] = field(default_factory=dict[int, "tuple[Any, Any]"])

    def undo(self) -> None:
        """Give everything its old content."""
        for owner, content in self.saved.values():
            _restore(owner, content)

    def contents(self) -> dict[int, Any]:
        """The present contents of what was changed."""
        return {key: _copy(owner) for key, (owner, _) in self.saved.items()}


class Journal:
    """Notes changes of containers and objects while regions are traced."""

    def __init__(self, refusal: Callable[[], Exception]) -> None:
        self.marks: list[Mark] = []
        self.shared: dict[int, Any] = {}  # containers that may be others, or copies of what others hold
        self.refusal = refusal  # the error for a change of one
        self.roots: Callable[[], list[Any]] = list  # what else leads to containers

    def begin(self) -> Mark:
        """A region begins."""
        mark = Mark(set(self.references()))
        self.marks.append(mark)
        return mark

    def end(self, mark: Mark) -> None:
        """It ends; what happens to its changes is the caller's business."""
        assert self.marks.pop() is mark

    @contextmanager
    def undone(self) -> Generator[None, None, None]:
        """Takes back what happens to containers in a test, which may only be arranged otherwise by it."""
        mark = self.begin()
        try:
            yield
        finally:
            mark.undo()
            self.end(mark)

    def is_outer(self, owner: Any) -> bool:
        """Whether an object was there when a loop or branch began whose body is traced."""
        return any(id(owner) in mark.outer for mark in self.marks)

    def began_empty(self, owner: Any) -> bool:
        """Whether a list had no items when a loop or branch began whose body is traced."""
        kept = [mark.saved[id(owner)][1] for mark in self.marks if id(owner) in mark.saved]
        return not all(kept)

    def share(self, *owners: Any) -> None:
        """From now on, changing these is an error."""
        self.shared.update((id(one), one) for one in owners)

    def forget_shared(self, length: int) -> None:
        """Take back what was shared since there were so many."""
        for key in list(self.shared)[length:]:
            del self.shared[key]

    def references(self) -> Counter[int]:
        """How many variables and items lead to each container, by id."""
        return _references(self.roots())

    def check(self, owner: Any) -> None:
        """Raise UnsupportedError for a change of what others may hold that would not see it."""
        if id(owner) in self.shared:
            raise self.refusal()

    def note(self, owner: Any) -> None:
        """`owner` is about to change."""
        self.check(owner)
        for mark in self.marks:
            mark.noted[id(owner)] = owner
            key = key_of(owner)
            if key in mark.outer and key not in mark.saved:
                mark.saved[key] = (owner, _copy(owner))


def grown_lists(mark: Mark, contents: Sequence[Mapping[int, Any]]) -> dict[str, list[Any]]:
    """The lists that some paths appended to, or that hold segments and changed."""
    found: dict[str, list[Any]] = {}
    for key, (owner, before) in mark.saved.items():
        if type(owner) is not list:
            continue
        for after in contents:
            now: list[Any] = after.get(key, before)
            grown = len(now) > len(before) and all(a is b for a, b in zip(now, before, strict=False))
            changed = len(now) != len(before) or any(a is not b for a, b in zip(now, before, strict=True))
            if grown or len(now) != len(before) or (changed and (is_listed(now) or is_listed(before))):
                found[f"list {key}"] = owner
    return found


def changed_parts(
    mark: Mark,
    contents: Sequence[Mapping[int, Any]],
    lists: Sequence[list[Any]] = (),
    *,
    gains: bool = False,
) -> dict[str, Place] | None:
    """The items and attributes that differ after some paths, not those of `lists`.

    None if keys or a length do; objects may get attributes where `gains`.
    """
    found: dict[str, Place] = {}
    for key, (owner, before) in mark.saved.items():
        if any(owner is one for one in lists):
            continue
        for after in contents:
            one = after.get(key, before)
            if isinstance(owner, set):
                if table_of(one) is not table_of(before) or not set[Any].__eq__(one, before):
                    return None
                continue
            if _keys(one) != _keys(before) and (isinstance(owner, _BUILTIN) or not gains):
                return None
            for part in dict.fromkeys([*_keys(before), *_keys(one)]):
                if held_in(one, part) is not held_in(before, part):
                    name = f"{type(owner).__name__}[{part!r}] {key}"
                    found[name] = Part(name, owner, part)
    return found


def gains_names(mark: Mark, contents: Mapping[int, Any], lists: Sequence[list[Any]]) -> bool:
    """Whether what gets longer are objects and dicts that get attributes, or texts as keys, for good."""
    for key, (owner, before) in mark.saved.items():
        if any(owner is one for one in lists):
            continue
        old, new = _keys(before), _keys(contents.get(key, before))
        is_named = not isinstance(owner, list | set) and new[: len(old)] == old
        if new != old and not (is_named and all(type(one) is str for one in new[len(old) :])):
            return False
    return True


def _keys(content: Any) -> list[Any]:
    return list(range(len(content))) if isinstance(content, _BUILTIN[0]) else list(content)


def _references(stack: list[Any]) -> Counter[int]:
    found: Counter[int] = Counter()
    seen: set[tuple[str, int]] = set()  # variables that functions share
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None and frame.f_code.co_name != "_attempt":
        name, code = str(frame.f_globals.get("__name__", "")), frame.f_code
        if not name.startswith("weft.") or name in TRACED_AS_USER_CODE:
            inner = {*code.co_freevars, *code.co_cellvars}
            held = frame.f_locals.items()
            stack += [value for key, value in held if key not in inner or (key, id(value)) not in seen]
            seen.update((key, id(value)) for key, value in held if key in inner)
        frame = frame.f_back
    while stack and len(found) < _MOST:
        value: Any = stack.pop()
        while _type(value) in (Maybe, Possible):
            value = value.value
        if isinstance(value, _LEAVES):
            continue
        found[id(value)] += 1
        if found[id(value)] > 1:
            continue
        if key_of(value) != id(value):
            found[key_of(value)] += 1
        stack += _held_by(value)
    return found


def _held_by(value: Any) -> Iterable[Any]:
    """What a container or an object leads to."""
    table = table_of(value)
    if table is not None:
        return (table,)
    if isinstance(value, _SEQUENCES):
        return value
    if isinstance(value, _BUILTIN[1]):
        return value.values()
    is_ours = str(_type(value).__module__).startswith("weft.")
    return () if is_ours or not has_attributes(value) else attributes(value).values()
