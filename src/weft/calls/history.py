"""What was seen of sizes and Python ints in earlier calls: which vary, which were always equal.

A first call's sizes and ints are constants; one that is seen with a second value becomes a symbol. Not here:
paths of arguments (`binding.py`), what a variant was compiled for (`function.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import NamedTuple

from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, symbol
from weft.ir.parse import is_symbol_name

LEAST_INT = -(2**63)
MOST_INT = 2**62  # larger ones are constants


class Place(NamedTuple):
    """A size of an array (`axis` from 0), or a Python int (-1), at a path."""

    path: str
    axis: int

    def __str__(self) -> str:
        return self.path if self.axis < 0 else f"{self.path}.shape[{self.axis}]"


@dataclass(slots=True)
class History:
    """The calls of one class: same structure, dtypes, ranks, compile-time values, and sizes 0 and 1."""

    last: dict[Place, int] = field(default_factory=dict[Place, int])
    varies: set[Place] = field(default_factory=set[Place])
    group: dict[Place, int] = field(default_factory=dict[Place, int])
    names: dict[Place, str] = field(default_factory=dict[Place, str])

    def note(self, values: Mapping[Place, int]) -> None:
        """Note one more call: places stay in a group as long as their values are equal in every call."""
        numbers: dict[tuple[int, int], int] = {}
        for place, value in values.items():
            self.note_one(place, value)
            key = (self.group.get(place, -1), value)
            self.group[place] = numbers.setdefault(key, len(numbers))

    def note_one(self, place: Place, value: int) -> None:
        """Note the value of a place that shares no symbol with others."""
        if self.last.setdefault(place, value) != value:
            self.varies.add(place)
            self.last[place] = value

    def dim(self, place: Place, value: int) -> DimLike:
        """The number, if every call had it; else a symbol, shared by places that were always equal."""
        if place not in self.varies or (place.axis >= 0 and value in (0, 1)):
            return value
        number = self.group.get(place)
        same = [p for p, n in self.group.items() if n == number] if number is not None else [place]
        sizes = [p for p in same if p.axis >= 0]
        least = 2 if sizes and value >= 2 else LEAST_INT
        return symbol(self._name(min(sizes or same)), least)

    def _name(self, place: Place) -> str:
        """A name for the symbol that tells where it comes from."""
        if place not in self.names:
            text = place.path if place.axis < 0 else f"{place.path}_{place.axis}"
            plain = "_".join(filter(None, "".join(c if c.isalnum() else "_" for c in text).split("_"))) or "n"
            if not is_symbol_name(plain):
                plain = f"n_{plain}"
            while plain in self.names.values():
                plain += "_"
            self.names[place] = plain
        return self.names[place]
