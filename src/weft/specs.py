"""`weft.spec`: the one notation for the type of an argument, with named sizes.

    spec("f32[n,784]")   an array; n is any size from 1 up, the same wherever it is named
    spec("f32[]")        an array of rank 0
    spec("f32")          a NumPy scalar
    spec("int"), spec("float")   Python numbers
    spec("f32[n+1,2*n]") sizes may be expressions of names

Specs nest in tuples, lists, dicts and dataclasses; a static argument is given as its value. Not here: how sizes become symbols of
calls that were seen (`function.py`).
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from weft.compiler.frontend.arguments import (
    ArgumentSpec,
    ArraySpec,
    FloatSpec,
    IntSpec,
    ScalarSpec,
    StaticSpec,
    is_node,
    map_tree,
    spec_of,
)  # fmt: skip
from weft.ir import UserError
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, symbol
from weft.ir.types import DTYPES, DType

_ARRAY = re.compile(r"\s*(\w+)\s*(\[(.*)\])?\s*$")
_TERM = re.compile(r"\s*(?:(\d+)\s*\*\s*)?([A-Za-z_]\w*|\d+)\s*$")


@dataclass(frozen=True, slots=True)
class Spec:
    """The type of one argument: an array (`shape` is a tuple), a NumPy scalar (None), or a Python "int" or "float"."""

    name: str
    dtype: DType | None
    shape: tuple[DimLike, ...] | None

    def __str__(self) -> str:
        return self.name


def spec(text: str) -> Spec:
    """The type that `text` names; raises UserError [E003] if it cannot be read."""
    if isinstance(text, Spec):
        return text
    match = _ARRAY.match(text) if isinstance(text, str) else None
    if match is None:
        raise _unreadable(text)
    name, bracket, inside = match.groups()
    if name in ("int", "float") and bracket is None:
        return Spec(name, None, None)
    if name not in DTYPES:
        raise _unreadable(text)
    if bracket is None:
        return Spec(text.strip(), DTYPES[name], None)
    parts = [p for p in inside.split(",")] if inside.strip() else []
    return Spec(text.strip(), DTYPES[name], tuple(_size(p, text) for p in parts))


def _size(part: str, text: str) -> DimLike:
    """A sum of numbers, names and number * name."""
    total: DimLike = 0
    for sign, term in re.findall(r"([+-]?)([^+-]+)", part):
        match = _TERM.match(term)
        if match is None:
            raise _unreadable(text)
        factor, atom = match.groups()
        value: DimLike = int(atom) if atom.isdigit() else symbol(atom, 1)
        value = value * int(factor or 1)
        total = total - value if sign == "-" else total + value
    if not part.strip():
        raise _unreadable(text)
    return total


def _unreadable(text: object) -> UserError:
    return UserError(
        f"{text!r} is not a type", code="E003",
        fix=f"write dtype[sizes], as in \"f32[n,784]\", with dtype one of {' '.join(DTYPES)}; or int, float",
    )  # fmt: skip


def argument_spec(value: Any) -> Any:
    """A tree of `Spec`s, texts and static values as the tracer's specs; arrays and numbers stand for their own types."""

    def leaf(item: Any) -> ArgumentSpec:
        if isinstance(item, str):
            try:
                item = spec(item)
            except UserError:
                return StaticSpec(item)
        if not isinstance(item, Spec):
            made = spec_of(item)
            assert not is_node(made)
            return made
        if item.dtype is None:
            return FloatSpec() if item.name == "float" else IntSpec(symbol(f"int{id(item)}", -(2**63)))
        return ScalarSpec(item.dtype) if item.shape is None else ArraySpec(item.dtype, item.shape)

    return map_tree(leaf, value)


def example(value: Any) -> dict[str, int]:
    """Sizes to trace with where a spec names them: any will do that tells a size from 1 and from other sizes."""
    return {}


__all__ = ["Spec", "argument_spec", "example", "np", "spec"]
