"""The one data structure of every level: Func > Region > Op > Value.

A Region is one block: parameters, then ops, the last of which is a terminator. Regions see the values of the
regions around them. Passes build new ops rather than change old ones; only this module and `Builder` mutate.
Not here: what an op means (`opdef.py`, `ops/`), text (`text.py`), checks (`verify.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field

import numpy as np

from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, Symbol
from weft.ir.source import Location
from weft.ir.types import DType, Type

# Attributes are compile-time facts of an op. Arrays are constants' values.
Attribute = (
    bool | int | float | complex | str | None | DType | Type | DimLike | np.ndarray | tuple["Attribute", ...]
)
Attributes = Mapping[str, Attribute]


class Value:
    """The result of an op or the parameter of a region; `name` is the user's, for people only."""

    __slots__ = ("index", "name", "owner", "type")

    def __init__(self, type: Type, owner: "Op | Region", index: int, name: str = "") -> None:
        self.type = type
        self.owner = owner
        self.index = index
        self.name = name

    def __repr__(self) -> str:
        return f"<Value {self.name or self.index} : {self.type}>"

    @property
    def op(self) -> "Op | None":
        """The op that makes this value; None for a region's parameter."""
        return self.owner if isinstance(self.owner, Op) else None


class Op:
    """One operation: `results = name(operands) {attributes} regions`.

    `locations` are the user's lines, innermost first.
    """

    __slots__ = ("attributes", "locations", "name", "operands", "regions", "results")

    def __init__(
        self,
        name: str,
        operands: Sequence[Value],
        result_types: Sequence[Type],
        attributes: Attributes | None = None,
        regions: Sequence["Region"] = (),
        locations: tuple[Location, ...] = (),
    ) -> None:
        self.name = name
        self.operands = tuple(operands)
        self.attributes: dict[str, Attribute] = dict(attributes or {})
        self.regions = tuple(regions)
        self.locations = locations
        self.results = tuple([Value(t, self, i) for i, t in enumerate(result_types)])

    def __repr__(self) -> str:
        return f"<Op {self.name}>"

    @property
    def result(self) -> Value:
        """The only result."""
        (value,) = self.results
        return value


class Region:
    """A block of ops with parameters."""

    __slots__ = ("ops", "params")

    def __init__(self, param_types: Iterable[Type] = (), names: Sequence[str] = ()) -> None:
        self.params: list[Value] = []
        self.ops: list[Op] = []
        for i, t in enumerate(param_types):
            self.add_param(t, names[i] if i < len(names) else "")

    def add_param(self, type: Type, name: str = "") -> Value:
        """Append a parameter."""
        self.params.append(Value(type, self, len(self.params), name))
        return self.params[-1]

    @property
    def terminator(self) -> Op:
        """The last op."""
        return self.ops[-1]


@dataclass(slots=True)
class Func:
    """A program at one stage: "tensor", "fused", "buffers" or "loops".

    `symbols` lists those that parameters bind, with their ranges: a symbol is bound by the first parameter
    whose type is `index(symbol)` or has it as a bare size. `into[i]` is the parameter whose memory result i
    is written to, or -1.
    """

    name: str
    body: Region
    symbols: dict[str, Symbol] = field(default_factory=dict[str, Symbol])
    stage: str = "tensor"
    into: tuple[int, ...] = ()
    strided: tuple[int, ...] = ()

    @property
    def params(self) -> list[Value]:
        """Parameters of the body."""
        return self.body.params

    @property
    def results(self) -> tuple[Value, ...]:
        """Operands of the return."""
        return self.body.terminator.operands
