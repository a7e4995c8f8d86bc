"""`weft.spec`: the one notation for the type of an argument, with named sizes.

    spec("f32[n,784]")   an array; n is any size from 1 up, the same wherever it is named
    spec("f32[]")        an array of rank 0
    spec("f32")          a NumPy scalar
    spec("int"), spec("float")   Python numbers
    spec("f32[n+1,2*n]") sizes may be expressions of names

Specs nest in tuples, lists, dicts and dataclasses; a static argument is given as its value. Not here: how
sizes become symbols of calls that were seen (`history.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from weft.calls.history import LEAST_INT
from weft.compiler.frontend.arguments import (
    ArgumentSpec,
    ArraySpec,
    FloatSpec,
    IntSpec,
    ScalarSpec,
    StaticSpec,
    children,
    is_node,
    map_tree,
    spec_of,
)
from weft.ir import UserError
from weft.ir.dims import DimLike, symbol, symbols_of
from weft.ir.parse import ParseError, is_symbol_name, parse_dim
from weft.ir.types import DTYPES, DType

_ARRAY = re.compile(r"\s*(\w+)\s*(\[(.*)\])?\s*$")
_NAME = re.compile(r"[A-Za-z_]\w*")
_FUNCTIONS = ("min", "max")
_EXAMPLES = (
    1009,
    1013,
    1019,
    1021,
    1031,
    1033,
    1039,
    1049,
)  # sizes to trace with that no program treats specially


class Spec:
    """The type of one argument: an array (`shape` is a tuple), a NumPy scalar, or a Python number."""

    __slots__ = ("dtype", "name", "shape")

    def __init__(self, name: str, dtype: DType | None, shape: tuple[DimLike, ...] | None) -> None:
        self.name, self.dtype, self.shape = name, dtype, shape

    def __str__(self) -> str:
        """Return the notation."""
        return self.name

    def __repr__(self) -> str:
        """Return the call that makes it."""
        return f"weft.spec({self.name!r})"

    def __eq__(self, other: object) -> bool:
        """Whether two specs say the same."""
        return isinstance(other, Spec) and (self.dtype, self.shape, self._kind) == (
            other.dtype,
            other.shape,
            other._kind,
        )

    def __hash__(self) -> int:
        """Return a hash that is equal for equal specs."""
        return hash((self.dtype, self.shape, self._kind))

    @property
    def _kind(self) -> str:
        return self.name if self.dtype is None else ""


def spec(text: str | Spec) -> Spec:
    """Return the type that `text` names, as in "f32[n,784]"; raises UserError [E003] if it cannot be read."""
    if isinstance(text, Spec):
        return text
    match = _ARRAY.match(text) if type(text) is str else None
    if match is None:
        raise _unreadable(text)
    name, bracket, inside = match.groups()
    if name in ("int", "float", "complex") and bracket is None:
        return Spec(name, None, None)
    if name not in DTYPES:
        raise _unreadable(text)
    if bracket is None:
        return Spec(name, DTYPES[name], None)
    parts = _split(inside) if inside.strip() else []
    sizes = tuple(_size(p, text) for p in parts)
    return Spec(f"{name}[{','.join(str(d) for d in sizes)}]", DTYPES[name], sizes)


def _split(text: str) -> list[str]:
    """Split at the commas outside of parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _size(part: str, text: str) -> DimLike:
    """A size expression; every name is a size of at least 1."""
    names = {n for n in _NAME.findall(part) if n not in _FUNCTIONS}
    if not part.strip() or not all(map(is_symbol_name, names)):
        raise _unreadable(text)
    known = {n: next(iter(symbols_of(symbol(n, 1)))) for n in names}
    try:
        size = parse_dim(part.strip(), known)
    except ParseError:
        raise _unreadable(text) from None
    if isinstance(size, int) and size < 0:
        raise _unreadable(text)
    return size


def _unreadable(text: object) -> UserError:
    return UserError(
        f"{text!r} is not a type",
        code="E003",
        fix=f'write dtype[sizes], as in "f32[n,784]", with dtype one of {" ".join(DTYPES)}; or int, float',
    )


def argument_spec(value: Any, name: str = "") -> Any:
    """A tree of `Spec`s, texts and static values as the tracer's specs; arrays stand for their own types.

    `name` tells the ints of one argument from those of others.
    """
    count = 0

    def leaf(item: Any) -> ArgumentSpec:
        nonlocal count
        if isinstance(item, str):
            try:
                item = spec(item)
            except UserError:
                if "[" in item:
                    raise
                return StaticSpec(item)
        if not isinstance(item, Spec):
            made = spec_of(item)
            assert not is_node(made)
            return made
        if item.dtype is None:
            count += 1
            plain = "".join(c if c.isalnum() else "_" for c in name)
            kind = {"float": float, "complex": complex}.get(item.name)
            return FloatSpec(kind) if kind else IntSpec(symbol(f"int_{plain}_{count}", LEAST_INT))
        return ScalarSpec(item.dtype) if item.shape is None else ArraySpec(item.dtype, item.shape)

    return map_tree(leaf, value)


def has_specs(value: Any) -> bool:
    """Whether a tree holds a spec, or a text that is one."""
    if is_node(value):
        return any(has_specs(item) for _, item in children(value))
    if isinstance(value, str):
        try:
            spec(value)
        except UserError:
            return False
        return True
    return isinstance(value, Spec)


def examples(trees: Iterable[Any]) -> dict[str, int]:
    """Sizes to trace with where specs name them: different ones, and none that a program treats specially."""
    names: dict[str, None] = {}

    def visit(tree: Any) -> None:
        if is_node(tree):
            for _, item in children(tree):
                visit(item)
        else:
            dims = (
                tree.shape
                if isinstance(tree, ArraySpec)
                else (tree.value,)
                if isinstance(tree, IntSpec)
                else ()
            )
            names.update((s.name, None) for d in dims for s in symbols_of(d))

    for tree in trees:
        visit(tree)
    return {name: _EXAMPLES[k % len(_EXAMPLES)] + 100 * (k // len(_EXAMPLES)) for k, name in enumerate(names)}
