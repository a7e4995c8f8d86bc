"""Why a variant was compiled: the parts of its key, the first that differs, and what to do about it.

Not here: when to compile (`function.py`), the text of `f.explain()` (`compiled.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from weft.calls.binding import leaves
from weft.calls.checks import show_spec
from weft.compiler.frontend.arguments import ArraySpec, IntSpec, StaticSpec, is_node
from weft.compiler.frontend.entry import Traced
from weft.compiler.frontend.source import Argument, Source
from weft.ir.dims import DimLike


class Part(NamedTuple):
    """What a key says of one thing: `kind` of fact, the value in words, and the number now of a size."""

    kind: str
    text: str
    now: int | None = None


Key: TypeAlias = Mapping[str, Part]


def key_of_variant(traced: Traced, trees: Sequence[tuple[Argument, Any]], present: Mapping[str, int]) -> Key:
    """The parts, in the order in which they are looked at: arguments, captured things, guards."""
    parts: dict[str, Part] = {}
    for path, tree in trees:
        if is_node(tree):
            parts[f"the structure of {path}"] = Part(
                "structure", ", ".join(str(p) for p, _ in leaves(path, tree)) or "empty"
            )
        for place, leaf in leaves(path, tree):
            _leaf_parts(parts, place, leaf, traced, present)
    for parameter in traced.hidden:
        _leaf_parts(parts, parameter.source, parameter.spec, traced, present)
    _guard_parts(parts, traced)
    return parts


def _guard_parts(parts: dict[str, Part], traced: Traced) -> None:
    for guard in traced.guards:
        if guard.kind in ("equals", "is", "length", "keys"):
            parts.setdefault(
                f"{guard.source}" + ("" if guard.kind in ("equals", "is") else f" ({guard.kind})"),
                Part("value", _short(guard.value)),
            )
        elif guard.kind == "same":
            parts[f"{guard.source} and {guard.value}"] = Part("same", "one array")
    for guard in traced.sizes:
        if not guard.is_pin:
            parts[f"the guard on {guard.left - guard.right}"] = Part(
                "guard", f"{guard} ({guard.reason}, {guard.location})"
            )
    written = [str(traced.parameters[p].source) for p in traced.func.into if p >= 0]
    if written:
        parts["written arguments"] = Part("written", ", ".join(written))


def _leaf_parts(
    parts: dict[str, Part], path: Source, leaf: Any, traced: Traced, present: Mapping[str, int]
) -> None:
    match leaf:
        case ArraySpec():
            parts[f"the type of {path}"] = Part("type", "array")
            parts[f"the dtype of {path}"] = Part("dtype", leaf.dtype.name)
            parts[f"the rank of {path}"] = Part("rank", str(len(leaf.shape)))
            parts[f"the layout of {path}"] = Part(
                "layout", {"C": "C order", "F": "columns first"}.get(leaf.layout, leaf.layout)
            )
            if not leaf.writeable:
                parts[f"the memory of {path}"] = Part("writeable", "read-only")
            for axis, dim in enumerate(leaf.shape):
                parts[f"{path}.shape[{axis}]"] = _size_part("size", dim, traced, present)
        case IntSpec():
            parts[f"the type of {path}"] = Part("type", "int")
            parts[str(path)] = _size_part("int", leaf.value, traced, present)
        case StaticSpec():
            parts[f"the type of {path}"] = Part("type", type(leaf.value).__name__)
            parts[str(path)] = Part("value", _short(leaf.value))
        case _:
            parts[f"the type of {path}"] = Part("type", show_spec(leaf))


def _size_part(kind: str, dim: DimLike, traced: Traced, present: Mapping[str, int]) -> Part:
    value = traced.replaced.get(str(dim), dim)
    now = present.get(str(dim), dim if isinstance(dim, int) else None)
    return Part(kind, str(value), now)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# ---------------------------------------------------------------- differences


def nearest(key: Key, others: Sequence[Key]) -> Key | None:
    """The key that differs in the fewest parts; of several the latest."""
    return min(others, key=lambda other: len(differences(other, key)), default=None)


def differences(old: Key, new: Key) -> list[str]:
    """The names of the parts that differ."""
    names = [*new, *(name for name in old if name not in new)]
    return [name for name in names if _text(old, name) != _text(new, name)]


def _text(key: Key, name: str) -> str | None:
    return key[name].text if name in key else None


def describe_difference(old: Key, new: Key) -> str:
    """The first part that differs, in words."""
    found = differences(old, new)
    if not found:
        return "a guard on memory or on captured objects failed"
    name = found[0]
    before, after = old.get(name), new.get(name)
    if after is not None and after.kind in ("size", "int") and not after.text.lstrip("-").isdigit():
        was = f"{before.text}" if before is not None else "unknown"
        return f"{name} varies ({was}, now {after.now}): it is a symbol from now on"
    if before is None or after is None:
        return f"{name} is {after.text if after else 'absent'} and was {before.text if before else 'absent'}"
    now = after.text if after.now is None or after.text == str(after.now) else f"{after.text} ({after.now})"
    return f"{name} is {now} and was {before.text}"


_ADVICE = {
    "type": "pass one type there, or use one compiled function for each",
    "structure": "pass containers of one structure, or stack what varies in number into one array",
    "dtype": "convert it to one dtype, as in x.astype(np.float32)",
    "rank": "pass one rank, as in x[None], or use one compiled function for each",
    "layout": "pass np.ascontiguousarray(...) of it",
    "writeable": "pass arrays that are all writeable or all read-only",
    "size": "sizes 0 and 1 have variants of their own: avoid them, or pad",
    "int": "keep it out of axis=, range and other places that need a number, or pass it as an array or float",
    "value": "it is compiled in: pass an array or a number, or use one compiled function for each value",
    "same": "pass copies where the function writes an argument",
    "guard": "the answer of a comparison of sizes is compiled in: keep sizes on one side of it",
    "written": "pass arguments that are always or never one array",
}


def advice(traced: Traced, old: Key | None, new: Key) -> str:
    """How to avoid further variants."""
    pins = [f"{pin.left} is pinned to {pin.right} by {pin.reason} ({pin.location})" for pin in traced.pins]
    if pins:
        return f"{'; '.join(pins)}: {_ADVICE['int']}"
    found = differences(old, new) if old is not None else []
    kind = (new.get(found[0]) or (old or {}).get(found[0])) if found else None
    return _ADVICE.get(kind.kind, "see f.explain()") if kind is not None else "see f.explain()"
