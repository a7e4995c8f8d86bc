"""After a call: views of real arrays through the lenses of a trace, changes of Python objects made in order.

Not here: how results are described (`result.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, itemgetter, methodcaller
from types import FunctionType
from typing import Any

import numpy as np

from weft.compiler.frontend.result import Effect
from weft.compiler.frontend.source import Cell, Global
from weft.compiler.frontend.storage import (
    Bits,
    Broadcast,
    Diagonal,
    Lens,
    Part,
    Reshape,
    Slice,
    Transpose,
    Windows,
)
from weft.ir.dims import DimLike, evaluate_dim


def view_of(base: Any, lenses: Sequence[Lens], sizes: Mapping[str, int]) -> np.ndarray:
    """The view of `base` that the lenses show; `sizes` gives the symbols in them."""

    def number(dim: DimLike) -> int:
        return evaluate_dim(dim, sizes)

    for lens in lenses:
        match lens:
            case Slice():
                places = zip(lens.start, lens.size, lens.step, strict=True)
                base = base[tuple(_slice(number(a), number(n), number(s)) for a, n, s in places)]
            case Transpose():
                base = base.transpose(lens.axes)
            case Reshape():
                base = base.reshape(tuple(number(d) for d in lens.target))
            case Broadcast():
                base = np.broadcast_to(base, tuple(number(d) for d in lens.target))
            case Diagonal() | Windows():
                base = _read_only(base, lens, number)
            case Bits():
                base = base.view(lens.dtype.numpy)
            case Part():
                base = getattr(base, lens.name)
            case _:
                raise TypeError(f"{type(lens).__name__} cannot be shown outside of a program")
    return base


def fixed_lens(lens: Lens) -> Callable[[Any], Any] | None:
    """What shows an array through a lens in which every number is known; None if one is not."""
    match lens:
        case Slice():
            places = list(zip(lens.start, lens.size, lens.step, strict=True))
            if not all(isinstance(d, int) for place in places for d in place):
                return None
            return itemgetter(tuple(_slice(*place) for place in places))  # pyright: ignore[reportArgumentType] -- ints
        case Transpose():
            return methodcaller("transpose", lens.axes)
        case Reshape() if all(isinstance(d, int) for d in lens.target):
            return methodcaller("reshape", lens.target)
        case Bits():
            return methodcaller("view", lens.dtype.numpy)
        case Part():
            return attrgetter(lens.name)
        case _:
            return None


def _read_only(base: np.ndarray, lens: Diagonal | Windows, number: Callable[[DimLike], int]) -> np.ndarray:
    if isinstance(lens, Windows):
        sizes = tuple(number(d) for d in lens.sizes)
        return np.lib.stride_tricks.sliding_window_view(base, sizes, lens.axes)
    whole = np.einsum("...ii->...i", base) if lens.is_writeable else base.diagonal(0, -2, -1)
    return whole[..., : number(lens.size)]


def _slice(start: int, size: int, step: int) -> slice:
    """The slice of `size` elements from `start`; an end before the first element is None."""
    if size == 0:
        return slice(0, 0)
    stop = start + size * step
    return slice(start, stop if stop >= 0 else None, step)


def replay(effect: Effect, value: Any, target: Any, function: FunctionType | None) -> None:
    """Make one change again. `target` is the object at the effect's source, but for names."""
    match effect.kind:
        case "setitem":
            target[effect.key] = value
        case "extend":
            target.extend(value)
        case "content" if isinstance(target, list):
            target[:] = value
        case "content":
            target.clear()
            target.update(value)
        case "setattr":
            setattr(target, effect.key, value)
        case "append":
            target.append(value)
        case "delitem":
            del target[effect.key]
        case "delattr":
            delattr(target, effect.key)
        case "global":
            assert isinstance(effect.source, Global)
            holder: Any = effect.source.owner or function
            assert holder is not None
            holder.__globals__[effect.source.name] = value
        case _:
            assert isinstance(effect.source, Cell)
            assert function is not None or effect.source.owner is not None
            owner = effect.source.owner or function
            effect.source.cell(owner).cell_contents = value  # pyright: ignore[reportArgumentType]
