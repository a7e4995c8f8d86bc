"""Questions about index expressions: what is divided in one, how fast one grows with a symbol.

Not here: the expressions (`ir/dims.py`), what is known of loop symbols (`element.py`).
"""

from collections.abc import Iterator

from weft.ir import IndexType, Value
from weft.ir.dims import Compound, Dim, DimLike, symbols_of


def atom_dim(part: object) -> Dim:
    """The expression of one factor."""
    return Dim((((part,), 1),))  # pyright: ignore[reportArgumentType]


def dividends(value: DimLike) -> Iterator[DimLike]:
    """What is divided anywhere in an expression."""
    for monomial, _ in value.terms if isinstance(value, Dim) else ():
        for part in monomial:
            if isinstance(part, Compound):
                if part.kind in ("floordiv", "mod"):
                    yield part.left
                yield from dividends(part.left)
                yield from dividends(part.right)


def index_dim(value: Value) -> DimLike:
    """The expression of a value of type index."""
    assert isinstance(value.type, IndexType)
    return value.type.dim


def slope_of(value: DimLike, name: str) -> DimLike | None:
    """Coefficient of a symbol in a polynomial; None if it is not linear in it."""
    if not isinstance(value, Dim):
        return 0
    total: DimLike = 0
    for monomial, factor in value.terms:
        inside = [a for a in monomial if name in {s.name for s in symbols_of(atom_dim(a))}]
        if not inside:
            continue
        if len(inside) > 1 or isinstance(inside[0], Compound):
            return None
        rest: DimLike = factor
        for other in monomial:
            if other is not inside[0]:
                rest = rest * atom_dim(other)
        total = total + rest
    return total
