"""How far apart, in iterations of two nested loops, the accesses lie that touch one place.

An address is written c * i + d * j + r, i and j the indices of the loops. Two accesses with one c and one d
meet where c * (i' - i) + d * (j' - j) is the difference of their r: that equation's only solution within the
loops is their distance. Not here: what is done with distances (`passes/wavefront.py`).
"""

from collections.abc import Iterator, Sequence

from weft.compiler.affine import Access, Facts, Poly, Range, constant, plus, split, times, unknowns
from weft.ir import Value
from weft.ir.dataclass import dataclass

FARTHEST = 4
"""The longest distance that is looked for, in iterations of either loop."""

Distance = tuple[int, int]
"""Iterations of the outer and of the inner loop from an access to one that must come after it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two nested loops: indices, ranges (the inner's over all of the outer), steps, values in the outer."""

    outer: Value
    inner: Value
    outer_range: Range
    inner_range: Range
    outer_step: int
    inner_step: int
    inside: frozenset[Value]

    def extent(self, limits: Range) -> Poly:
        """The most iterations between two of a loop."""
        return plus(limits.high, limits.low, -1)


def distances(facts: Facts, pair: Pair, accesses: Sequence[Access]) -> set[Distance] | None:
    """Of all accesses that must keep their order, one a store; None if they are not plain."""
    found: set[Distance] = set()
    for number, store in enumerate(accesses):
        if not store.is_store:
            continue
        for other in (
            a for k, a in enumerate(accesses) if a.buffer is store.buffer and (not a.is_store or k >= number)
        ):
            some = _between(facts, pair, store, other)
            if some is None:
                return None
            found.update(some)
    return found


def _between(facts: Facts, pair: Pair, a: Access, b: Access) -> Iterator[Distance] | None:
    """The distances of two accesses to one buffer."""
    first, second = _slopes(pair, a), _slopes(pair, b)
    if first is None or second is None:
        return None
    (outer, inner, rest), (other_outer, other_inner, other_rest) = first, second
    if dict(outer) != dict(other_outer) or dict(inner) != dict(other_inner):
        return None
    if not facts.is_positive(inner, 1) or (outer and not facts.is_positive(outer, 1)):
        return None
    gap = plus(rest, other_rest, -1)
    solution = _solution(gap, outer, inner)
    if solution is None or not _is_only(facts, pair, outer, inner, solution):
        return None
    down, along = solution[0] * pair.outer_step, solution[1] * pair.inner_step
    # without the outer index in the address, each iteration of it comes to the place again
    return iter([_forward(down, along)] if outer else [(0, abs(along)), (1, along), (1, -along)])


def _forward(down: int, along: int) -> Distance:
    return (down, along) if (down, along) >= (0, 0) else (-down, -along)


def _slopes(pair: Pair, access: Access) -> tuple[Poly, Poly, Poly] | None:
    """Factors of the two indices and the rest of an address, all of them known before the loops."""
    parts = split(access.offset, pair.inner)
    if parts is None or pair.outer in unknowns(parts[0]):
        return None
    more = split(parts[1], pair.outer)
    if more is None:
        return None
    known = (more[0], parts[0], more[1])
    return None if any(unknowns(p) & pair.inside for p in known) else known


def _solution(gap: Poly, outer: Poly, inner: Poly) -> Distance | None:
    """Small whole numbers with outer * down + inner * along = gap."""
    for down in sorted(range(-FARTHEST, FARTHEST + 1), key=abs) if outer else (0,):
        rest = plus(gap, times(constant(down), outer), -1)
        for along in range(-FARTHEST, FARTHEST + 1):
            if dict(rest) == dict(times(constant(along), inner)):
                return down, along
    return None


def _is_only(facts: Facts, pair: Pair, outer: Poly, inner: Poly, solution: Distance) -> bool:
    """Whether no other iterations solve it: a step of one loop is longer than all of the other."""
    if not outer:
        return True
    along = times(inner, plus(pair.extent(pair.inner_range), constant(abs(solution[1]))))
    down = times(outer, plus(pair.extent(pair.outer_range), constant(abs(solution[0]))))
    return facts.is_positive(plus(outer, along, -1), 1) or facts.is_positive(plus(inner, down, -1), 1)
