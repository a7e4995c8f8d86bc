"""Questions about index expressions: what is divided in one, how fast one grows with a symbol.

Not here: the expressions (`ir/dims.py`), what is known of loop symbols (`element.py`).
"""

from collections.abc import Iterator

from weft.ir import IndexType, Value
from weft.ir.dims import Compound, Dim, DimLike, symbols_of


def atom(atom: object) -> Dim:
    return Dim((((atom,), 1),))  # pyright: ignore[reportArgumentType]


def dividends(value: DimLike) -> Iterator[DimLike]:
    """What is divided anywhere in an expression."""
    for monomial, _ in value.terms if isinstance(value, Dim) else ():
        for atom in monomial:
            if isinstance(atom, Compound):
                if atom.kind in ("floordiv", "mod"):
                    yield atom.left
                yield from dividends(atom.left)
                yield from dividends(atom.right)


def index_dim(value: Value) -> DimLike:
    """The expression of a value of type index."""
    assert isinstance(value.type, IndexType)
    return value.type.dim


def slope(value: DimLike, name: str) -> DimLike | None:
    """Coefficient of a symbol in a polynomial; None if it is not linear in it."""
    if not isinstance(value, Dim):
        return 0
    total: DimLike = 0
    for monomial, factor in value.terms:
        inside = [a for a in monomial if name in {s.name for s in symbols_of(atom(a))}]
        if not inside:
            continue
        if len(inside) > 1 or isinstance(inside[0], Compound):
            return None
        rest: DimLike = factor
        for atom in monomial:
            if atom is not inside[0]:
                rest = rest * atom(atom)
        total = total + rest
    return total
