"""How a value outside the arguments is reached: paths that are printed, hashed, and read again at each call.

Holds the path records only. Who meets a value, and what becomes of it, is the tracer's business.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from types import CellType, FunctionType, ModuleType
from typing import Any, Protocol, TypeAlias

from weft.ir.dataclass import dataclass

UserValue: TypeAlias = Any  # whatever the user's program handles: nothing is known of it


class Source(Protocol):
    """A path from one call of a function to a value."""

    def read(
        self, function: FunctionType, args: Sequence[UserValue], kwargs: Mapping[str, UserValue]
    ) -> UserValue:
        """Give the value as it is now, for a call of `function`; raises as the user's load would."""
        ...


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument: `key` is its index or the keyword it is given by, `name` the parameter's."""

    key: int | str
    name: str = ""

    def read(
        self, function: FunctionType, args: Sequence[UserValue], kwargs: Mapping[str, UserValue]
    ) -> UserValue:
        """Give the argument of this call."""
        return args[self.key] if isinstance(self.key, int) else kwargs[self.key]

    def __str__(self) -> str:
        return self.name or (self.key if isinstance(self.key, str) else f"argument {self.key}")


@dataclass(frozen=True, slots=True)
class Global:
    """A global or builtin name of `owner`, or of the called function if that is None."""

    name: str
    owner: FunctionType | None = None

    def read(
        self, function: FunctionType, args: Sequence[UserValue], kwargs: Mapping[str, UserValue]
    ) -> UserValue:
        """Give the value that the name has now, in the module or among the builtins."""
        namespace: dict[str, UserValue] = _owner(self.owner, function).__globals__
        if self.name in namespace:
            return namespace[self.name]
        found: UserValue = namespace.get("__builtins__", builtins)
        values: dict[str, UserValue] = vars(found) if isinstance(found, ModuleType) else found
        if self.name not in values:
            raise NameError(f"name {self.name!r} is not defined", name=self.name)
        return values[self.name]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Cell:
    """A variable of an enclosing function, held by the closure of `owner` (None: of the called function)."""

    name: str
    owner: FunctionType | None = None

    def cell(self, function: FunctionType) -> CellType:
        """Give the cell itself."""
        return closure_cell(_owner(self.owner, function), self.name)

    def read(
        self, function: FunctionType, args: Sequence[UserValue], kwargs: Mapping[str, UserValue]
    ) -> UserValue:
        """Give what the cell holds now."""
        try:
            return self.cell(function).cell_contents
        except ValueError:
            place = "where it is not associated with a value in enclosing scope"
            raise NameError(f"cannot access free variable {self.name!r} {place}", name=self.name) from None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Default:
    """The default value of a parameter of `owner` (None: of the called function)."""

    name: str
    owner: FunctionType | None = None

    def read(
        self, function: FunctionType, args: Sequence[UserValue], kwargs: Mapping[str, UserValue]
    ) -> UserValue:
        """Give the default that a call without this argument would take now."""
        owner = _owner(self.owner, function)
        keyword_only: Mapping[str, UserValue] = owner.__kwdefaults__ or {}
        if self.name in keyword_only:
            return keyword_only[self.name]
        code, defaults = owner.__code__, owner.__defaults__ or ()
        return defaults[code.co_varnames.index(self.name) - code.co_argcount + len(defaults)]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of another path's value."""

    base: Source
    name: str

    def read(
        self, function: FunctionType, args: Sequence[UserValue], kwargs: Mapping[str, UserValue]
    ) -> UserValue:
        """Give the attribute as it is now."""
        return getattr(self.base.read(function, args, kwargs), self.name)

    def __str__(self) -> str:
        return f"{self.base}.{self.name}"


@dataclass(frozen=True, slots=True)
class Item:
    """An item of another path's value; `key` is hashable."""

    base: Source
    key: UserValue

    def read(
        self, function: FunctionType, args: Sequence[UserValue], kwargs: Mapping[str, UserValue]
    ) -> UserValue:
        """Give the item as it is now."""
        return self.base.read(function, args, kwargs)[self.key]

    def __str__(self) -> str:
        return f"{self.base}[{self.key!r}]"


@dataclass(frozen=True, slots=True, eq=False)
class Pinned:
    """An object that the program is compiled for, whatever path leads to it."""

    value: UserValue

    def read(
        self, function: FunctionType, args: Sequence[UserValue], kwargs: Mapping[str, UserValue]
    ) -> UserValue:
        """Give the object."""
        return self.value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pinned) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)

    def __repr__(self) -> str:
        return f"Pinned({id(self.value)})"

    def __str__(self) -> str:
        return str(getattr(self.value, "name", type(self.value).__name__))


def closure_cell(function: FunctionType, name: str) -> CellType:
    """Give the cell of the free variable `name` of `function`; raises ValueError if there is none."""
    return (function.__closure__ or ())[function.__code__.co_freevars.index(name)]


def _owner(owner: UserValue, function: FunctionType) -> FunctionType:
    """Give `owner` if there is one (a field that holds a function is a method to type checkers)."""
    return function if owner is None else owner
