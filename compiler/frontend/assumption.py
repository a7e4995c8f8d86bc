"""What a trace takes for granted about sizes, with the reason: the guards of a variant.

A question that the symbols leave open is answered as the present call answers it. An answer that narrows one
symbol (n == 5, n >= 2, n == m) starts the trace again with the symbol replaced, so that types hold it; all
others are kept as relations to check. Not here: guards on objects (`capture.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Any

from weft.ir.dataclass import dataclass
from weft.ir.dims import (
    Dim,
    DimLike,
    Symbol,
    as_symbol,
    atom_dim,
    decide,
    evaluate_dim,
    substitute,
    symbol,
    symbols_of,
)
from weft.ir.source import Location

_OPERATIONS: dict[str, Callable[[int, int], bool]] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip
INVERSE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
"""What holds if a relation does not."""
_MIRROR = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
EVERY = "*"
"""Stands for all names."""
_MOST_CHOSEN = 24
_EXAMPLE_SIZE = 1009  # stands for a size of which no call is known


class Restart(BaseException):
    """The trace must begin again under what `Assumptions` now holds.

    Not an Exception: user code must not catch it.
    """


@dataclass(frozen=True, slots=True)
class SizeGuard:
    """`left relation right` holds in this variant.

    `reason` says what needed it. A pin fixes a symbol to a number.
    """

    left: DimLike
    relation: str
    right: DimLike
    reason: str
    location: Location | None = None

    @property
    def is_pin(self) -> bool:
        """Whether it fixes a symbol to one number."""
        return self.relation == "==" and as_symbol(self.left) is not None and isinstance(self.right, int)

    def __str__(self) -> str:
        return f"{self.left} {self.relation} {self.right}"


_FAR = 2**62
"""No size or number of a call reaches so far; a guard on the difference would not fit in 64 bits."""


@dataclass(slots=True)
class Assumptions:
    """Everything assumed so far; it outlives restarts. `present` holds the sizes of the call at hand."""

    present: Mapping[str, int] = field(default_factory=dict[str, int])
    replaced: dict[str, DimLike] = field(default_factory=dict[str, DimLike])
    guards: list[SizeGuard] = field(default_factory=list[SizeGuard])
    fixed: dict[str, Any] = field(default_factory=dict[str, Any])  # floats that decide sizes, by their paths
    stepped: dict[Any, Any] = field(default_factory=dict[Any, Any])  # generators that Python runs, and why
    chosen: frozenset[str] = frozenset()
    """Names whose arrays are, where paths meet, a choice of those that they may be; others by value."""
    by_value: Assumptions | None = None  # what was assumed before that
    is_final: bool = False  # whether choices were tried in vain
    _known: set[tuple[DimLike, str]] = field(default_factory=set[tuple[DimLike, str]])

    def apply(self, dim: DimLike) -> DimLike:
        """`dim` with symbols replaced as assumed."""
        return substitute(dim, self.replaced)

    def apply_all(self, dims: Iterable[DimLike]) -> tuple[DimLike, ...]:
        """Several at once."""
        return tuple(self.apply(d) for d in dims)

    def now(self, dim: DimLike) -> int:
        """What `dim` is in the present call; a size that no call gave is an example."""
        known = {s.name: self._example(s) for s in symbols_of(dim)}
        return evaluate_dim(dim, known)

    def _example(self, one: Symbol) -> int:
        value = self.present.get(one.name, max(one.lower, _EXAMPLE_SIZE))
        return value if one.upper is None else min(value, one.upper)

    def holds(
        self, left: DimLike, relation: str, right: DimLike, reason: str, location: Location | None
    ) -> bool:
        """Whether the relation holds; what the symbols leave open becomes a guard. May raise Restart."""
        certain = decide(left, relation, right)
        if certain is not None:
            return certain
        if isinstance(right, int) and abs(right) >= _FAR:
            return compare(0, relation, right)
        difference = left - right
        for one, answer in ((relation, True), (INVERSE[relation], False)):
            if (difference, one) in self._known:
                return answer
        answer = compare(self.now(left), relation, self.now(right))
        fact = relation if answer else INVERSE[relation]
        guard = SizeGuard(left, fact, right, reason, location)
        if not self._narrow(difference, fact, guard):
            self._known.add((difference, fact))
            self.guards.append(guard)
            return answer
        raise Restart

    def pin(self, dim: DimLike, reason: str, location: Location | None) -> int:
        """The number that `dim` is in the present call, from now on fixed. May raise Restart."""
        if isinstance(dim, int):
            return dim
        changed = False
        for one in set(symbols_of(dim)):
            guard = SizeGuard(atom_dim(one), "==", self.now(atom_dim(one)), reason, location)
            changed |= self._replace(one, guard.right, guard)
        assert changed
        raise Restart

    def join_by_choice(self, names: Iterable[str]) -> None:
        """Have arrays of these names be choices from the start; if they are, all. May raise Restart."""
        more = self.chosen.union(name for name in names if name)
        if more == self.chosen or len(more) > _MOST_CHOSEN:
            more = self.chosen | {EVERY}
        if self.is_final or more == self.chosen:
            return
        if self.by_value is None:
            kept = dict(self.replaced), list(self.guards), dict(self.fixed), dict(self.stepped)
            self.by_value = Assumptions(self.present, *kept, is_final=True, _known=set(self._known))
        self.chosen = more
        raise Restart

    def chooses(self, name: str) -> bool:
        """Whether arrays of a name are choices."""
        return name in self.chosen or EVERY in self.chosen

    def fix(self, sizes: Iterable[DimLike], floats: Mapping[str, Any], location: Location | None) -> None:
        """Fix sizes and floats to what they are in the present call. Raises Restart if any was open."""
        dims = [d for d in sizes if isinstance(d, Dim)]
        fresh = {path: value for path, value in floats.items() if path not in self.fixed}
        self.fixed.update(fresh)
        for dim in dims:
            for one in set(symbols_of(dim)):
                reason = "a size that is computed from it"
                guard = SizeGuard(atom_dim(one), "==", self.now(atom_dim(one)), reason, location)
                self._replace(one, guard.right, guard)
        if dims or fresh:
            raise Restart

    def _replace(self, one: Symbol, value: DimLike, guard: SizeGuard) -> bool:
        self.replaced = {name: substitute(d, {one.name: value}) for name, d in self.replaced.items()}
        self.replaced[one.name] = value
        self.guards.append(guard)
        return True

    def _narrow(self, difference: DimLike, fact: str, guard: SizeGuard) -> bool:
        """Turn `difference fact 0` into a replacement of one symbol, if it says something about one alone."""
        assert isinstance(difference, Dim)
        if fact == "==":
            return self._solve(difference, guard)
        terms = [(m, c) for m, c in difference.terms if m]
        constant = sum(c for m, c in difference.terms if not m)
        if len(terms) != 1 or len(terms[0][0]) != 1 or not isinstance(terms[0][0][0], Symbol):
            return False
        one, factor = terms[0][0][0], terms[0][1]
        if factor < 0:
            factor, constant, fact = -factor, -constant, _MIRROR[fact]
        return self._bound(one, factor, -constant, fact, guard)

    def _bound(self, one: Symbol, factor: int, limit: int, fact: str, guard: SizeGuard) -> bool:
        """Narrow the range of `one` by `factor * one fact limit`, factor positive."""
        lower, upper = one.lower, one.upper
        match fact:
            case ">=":
                lower = max(lower, -(-limit // factor))
            case ">":
                lower = max(lower, limit // factor + 1)
            case "<=":
                upper = limit // factor
            case "<":
                upper = -(-limit // factor) - 1
            case _:
                if limit != factor * one.lower:
                    return False
                lower += 1
        if (lower, upper) == (one.lower, one.upper):
            return False
        return self._replace(one, symbol(one.name, lower, upper), guard)

    def _solve(self, difference: Dim, guard: SizeGuard) -> bool:
        """Replace a symbol that occurs once, linearly; of several the one that comes last."""
        everywhere = [s.name for s in symbols_of(difference)]
        for monomial, factor in reversed(difference.terms):
            if len(monomial) != 1 or not isinstance(monomial[0], Symbol):
                continue
            one = monomial[0]
            rest = difference - factor * atom_dim(one)
            value = _divided(rest, -factor)
            if everywhere.count(one.name) == 1 and value is not None:
                plain = isinstance(value, int)
                kept = SizeGuard(atom_dim(one), "==", value, guard.reason, guard.location) if plain else guard
                return self._replace(one, value, kept)
        return False


def compare(left: int, relation: str, right: int) -> bool:
    """A relation of two numbers."""
    return _OPERATIONS[relation](left, right)


def _divided(dim: DimLike, divisor: int) -> DimLike | None:
    """dim / divisor if it has integer coefficients."""
    terms = dim.terms if isinstance(dim, Dim) else (((), dim),)
    if any(c % divisor for _, c in terms):
        return None
    total: DimLike = 0
    for monomial, factor in terms:
        total = total + _monomial(monomial) * (factor // divisor)
    return total


def _monomial(atoms: tuple[object, ...]) -> DimLike:
    result: DimLike = 1
    for atom in atoms:
        result = result * atom_dim(atom)  # pyright: ignore[reportArgumentType] -- monomials hold atoms
    return result
