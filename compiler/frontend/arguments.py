"""Arguments as trees: specs of leaves (arrays, numbers, static values) in containers and dataclasses.

A tree of specs has the structure of the arguments; a leaf is an `ArgumentSpec`. Here
specs are made from values, and trees are taken apart and put together. Not here: when two calls share a spec
(signatures of `weft.compile`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, Literal, TypeAlias, TypeGuard

import numpy as np

from weft.compiler.frontend.promote import element_type
from weft.compiler.frontend.source import Attribute, Item, Source
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike
from weft.ir.types import DType

_type: Callable[[Any], Any] = type  # typed so: of a value of any type

Layout: TypeAlias = Literal["C", "F", "strided"]


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """An array; sizes that leaves share are the same symbol.

    Leaves with one `alias` number are the same array.
    """

    dtype: DType
    shape: tuple[DimLike, ...]
    layout: Layout = "C"
    writeable: bool = True
    alias: int | None = None


@dataclass(frozen=True, slots=True)
class IntSpec:
    """A Python int: a constant, or a symbol."""

    value: DimLike


@dataclass(frozen=True, slots=True)
class FloatSpec:
    """A Python float or complex number, whose value is traced."""

    type: type = float


@dataclass(frozen=True, slots=True)
class ScalarSpec:
    """A NumPy scalar, whose value is traced."""

    dtype: DType


@dataclass(frozen=True, slots=True)
class StaticSpec:
    """A value known while tracing.

    The variant holds for values that are equal to it, or for the same object.
    """

    value: Any


ArgumentSpec: TypeAlias = ArraySpec | IntSpec | FloatSpec | ScalarSpec | StaticSpec
SPECS = (ArraySpec, IntSpec, FloatSpec, ScalarSpec, StaticSpec)


def is_array(value: object) -> TypeGuard[np.ndarray]:
    """Whether it is an array of NumPy's."""
    return isinstance(value, np.ndarray)


def is_scalar(value: object) -> TypeGuard[np.generic]:
    """Whether it is a scalar of NumPy's."""
    return isinstance(value, np.generic)


def layout_of(array: np.ndarray) -> Layout:
    """Class of an array's memory: dense by rows, dense by columns, or anything else."""
    if array.flags.c_contiguous:
        return "C"
    return "F" if array.flags.f_contiguous else "strided"


def spec_of(value: Any) -> Any:
    """The tree of specs of one argument, all sizes and ints constant.

    Raises DTypeError for arrays not held.
    """
    return map_tree(_leaf_spec, value)


def _leaf_spec(value: Any) -> ArgumentSpec:
    if is_array(value):
        return ArraySpec(element_type(value.dtype), value.shape, layout_of(value), value.flags.writeable)
    if is_scalar(value):
        return ScalarSpec(element_type(value.dtype))
    if type(value) is int:
        return IntSpec(value)
    kind: Any = _type(value)
    return FloatSpec(kind) if kind in (float, complex) else StaticSpec(value)


class ListSnapshot(list[Any]):
    """The items that a list had at the end of a path; `owner` is the list."""

    owner: list[Any]


class DictSnapshot(dict[Any, Any]):
    """What a dict held at the end of a path; `owner` is the dict."""

    owner: dict[Any, Any]


SNAPSHOTS = (ListSnapshot, DictSnapshot)


def is_made_text(value: Any) -> bool:
    """Whether it stands for a text that the program makes (`text.py`)."""
    return hasattr(value.__class__, "run_time_text")


def is_node(value: Any) -> bool:
    """Whether a value is a container that is looked into."""
    return type(value) in (tuple, list, dict, *SNAPSHOTS) or _is_record(value)


def _is_record(value: Any) -> bool:
    """A namedtuple or an instance of a dataclass; specs are leaves."""
    if isinstance(value, type) or type(value) in SPECS:
        return False
    return (hasattr(value, "_fields") and isinstance(value, tuple)) or is_dataclass(value)


def children(value: Any) -> Iterator[tuple[Any, Any]]:
    """Keys and items of a container; a record's keys are its field names."""
    if type(value) in (dict, DictSnapshot):
        yield from value.items()
    elif is_dataclass(value):
        yield from ((f.name, getattr(value, f.name)) for f in fields(value))
    elif hasattr(value, "_fields"):
        yield from zip(value._fields, value, strict=True)
    else:
        yield from enumerate(value)


def rebuild(like: Any, items: list[Any]) -> Any:
    """A container like `like` with other items, made without running the user's code."""
    kind: Any = _type(like)
    if kind in (dict, DictSnapshot):
        return dict(zip(like, items, strict=True))
    if kind is ListSnapshot:
        return items
    if is_dataclass(like):
        made = object.__new__(kind)
        for one, item in zip(fields(like), items, strict=True):
            object.__setattr__(made, one.name, item)
        return made
    if hasattr(like, "_fields"):
        return kind._make(items)  # pyright: ignore[reportAttributeAccessIssue] -- a namedtuple
    return kind(items)


def map_tree(change: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with each leaf changed."""
    if not is_node(tree):
        return change(tree)
    return rebuild(tree, [map_tree(change, item) for _, item in children(tree)])


def step(source: Source, container: Any, key: Any) -> Source:
    """The path to an item of the container at `source`."""
    by_name = is_dataclass(container) or hasattr(container, "_fields")
    return Attribute(source, key) if by_name else Item(source, key)


def map_paths(change: Callable[[Source, Any], Any], source: Source, tree: Any) -> Any:
    """The tree with each leaf changed, given the path to it."""
    if not is_node(tree):
        return change(source, tree)
    return rebuild(tree, [map_paths(change, step(source, tree, key), item) for key, item in children(tree)])
