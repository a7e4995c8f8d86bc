"""Sizes and indices as symbolic integer expressions.

A `DimLike` is an int or a `Dim`: a polynomial with integer coefficients over atoms. An atom is a `Symbol` or
a `Compound` (floor division, remainder, minimum, maximum). Polynomials are kept in canonical form, so equal
expressions are equal objects by `==`, and anything constant is a plain int.
Not here: where a symbol gets its value (types of arguments, index-typed values).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from functools import reduce
from math import inf
from typing import TypeVar

from weft.ir.dataclass import dataclass

T = TypeVar("T")


class _Kept:
    """Keeps what is asked of an expression again and again: its hash and its text."""

    __slots__ = ("_hash", "_text")

    def kept(self, name: str, make: Callable[[], T]) -> T:
        """The value of a slot, made at the first request."""
        try:
            return getattr(self, name)
        except AttributeError:
            value = make()
            object.__setattr__(self, name, value)
            return value


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named integer in [lower, upper]; upper None is unbounded.

    Names are unique in a Func and alone decide equality.
    """

    name: str
    lower: int = field(default=0, compare=False)
    upper: int | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.name

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(frozen=True, slots=True)
class Compound(_Kept):
    """`kind` is floordiv, mod (divisor positive), min or max."""

    kind: str
    left: "DimLike"
    right: "DimLike"

    def __str__(self) -> str:
        return self.kept("_text", lambda: f"{self.kind}({show_dim(self.left)},{show_dim(self.right)})")

    def __hash__(self) -> int:
        return self.kept("_hash", lambda: hash((self.kind, self.left, self.right)))


Atom = Symbol | Compound
Monomial = tuple[Atom, ...]  # sorted by text; () is the constant term
Bounds = tuple[int | None, int | None]


def _atom_key(atom: Atom) -> str:
    return str(atom)


@dataclass(frozen=True, slots=True)
class Dim(_Kept):
    """A polynomial that is not constant: sorted (monomial, coefficient) pairs without zeros."""

    terms: tuple[tuple[Monomial, int], ...]

    def __hash__(self) -> int:
        return self.kept("_hash", lambda: hash(self.terms))

    def __add__(self, other: "DimLike") -> "DimLike":
        if isinstance(other, int):
            return self._plus(other)
        return _collect(_terms(self) + _terms(other))

    def _plus(self, number: int) -> "Dim":
        """The constant term is the last one, and has no part in how others are written."""
        *others, (last, constant) = self.terms
        if last:
            return Dim((*self.terms, ((), number))) if number else self
        return Dim((*others, ((), constant + number))) if constant + number else Dim(tuple(others))

    def __neg__(self) -> "Dim":
        return Dim(tuple([(m, -c) for m, c in self.terms]))

    def __sub__(self, other: "DimLike") -> "DimLike":
        if isinstance(other, int):
            return self._plus(-other)
        return _collect(_terms(self) + [(m, -c) for m, c in _terms(other)])

    def __rsub__(self, other: int) -> "DimLike":
        return -self + other

    def __mul__(self, other: "DimLike") -> "DimLike":
        if isinstance(other, int):
            return Dim(tuple([(m, c * other) for m, c in self.terms])) if other else 0
        return _collect(
            [(tuple(sorted(a + b, key=_atom_key)), x * y) for a, x in self.terms for b, y in _terms(other)]
        )

    __radd__ = __add__
    __rmul__ = __mul__

    def __str__(self) -> str:
        return show_dim(self)


DimLike = int | Dim


def _terms(value: DimLike) -> list[tuple[Monomial, int]]:
    return list(value.terms) if isinstance(value, Dim) else [((), value)]


def _monomial_key(term: tuple[Monomial, int]) -> tuple[int, str]:
    return (-len(term[0]), "*".join(map(str, term[0])))


def _collect(terms: list[tuple[Monomial, int]]) -> DimLike:
    total: dict[Monomial, int] = {}
    for monomial, coefficient in terms:
        total[monomial] = total.get(monomial, 0) + coefficient
    if any(_is_remainder(atom) for monomial in total for atom in monomial):
        _rejoin(total)
    kept = sorted(((m, c) for m, c in total.items() if c), key=_monomial_key)
    if not kept:
        return 0
    if len(kept) == 1 and not kept[0][0]:
        return kept[0][1]
    return Dim(tuple(kept))


def _is_remainder(atom: Atom) -> bool:
    return isinstance(atom, Compound) and atom.kind == "mod"


def _rejoin(total: dict[Monomial, int]) -> None:
    """b * (x // b) + x mod b == x: an index that was split and put together again is what it was."""
    for monomial, coefficient in list(total.items()):
        for atom in monomial if coefficient else ():
            if not isinstance(atom, Compound) or atom.kind != "mod":
                continue
            rest = list(monomial)
            rest.remove(atom)
            quotient = Compound("floordiv", atom.left, atom.right)
            pairs = [
                (tuple(sorted((*rest, *m, quotient), key=_atom_key)), c * coefficient)
                for m, c in _terms(atom.right)
            ]
            if any(total.get(m) != c for m, c in pairs):
                continue
            for m in (monomial, *(m for m, _ in pairs)):
                del total[m]
            for m, c in _terms(atom.left):
                whole = tuple(sorted((*rest, *m), key=_atom_key))
                total[whole] = total.get(whole, 0) + c * coefficient
            return _rejoin(total)
    return None


def symbol(name: str, lower: int = 0, upper: int | None = None) -> Dim:
    """The expression that is just a symbol."""
    return Dim((((Symbol(name, lower, upper),), 1),))


def atom_dim(atom: Atom) -> Dim:
    """The expression that is just this atom."""
    return Dim((((atom,), 1),))


def as_symbol(value: DimLike) -> Symbol | None:
    """The symbol, if `value` is one and nothing else."""
    if isinstance(value, Dim) and len(value.terms) == 1:
        (monomial, coefficient) = value.terms[0]
        if coefficient == 1 and len(monomial) == 1 and isinstance(monomial[0], Symbol):
            return monomial[0]
    return None


def floor_divide(a: DimLike, b: DimLike) -> DimLike:
    """floor(a / b) for b > 0. (q*b + r) // b == q + r // b."""
    if b == 1:
        return a
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    quotient, rest = _split(a, b)
    low, high = bounds(rest)
    bound_b = bounds(b)[0]
    if low is not None and low >= 0 and high is not None and bound_b is not None and high < bound_b:
        return quotient
    if isinstance(rest, Dim) and decide(rest, "<", b) is True and low is not None and low >= 0:
        return quotient
    if isinstance(rest, int) and isinstance(b, int):
        return quotient + rest // b
    return quotient + atom_dim(Compound("floordiv", rest, b))


def modulo(a: DimLike, b: DimLike) -> DimLike:
    """a - b * floor(a / b) for b > 0."""
    if b == 1:
        return 0
    if isinstance(a, int) and isinstance(b, int):
        return a % b
    _, rest = _split(a, b)
    low = bounds(rest)[0]
    if isinstance(rest, int) and isinstance(b, int):
        return rest % b
    if low is not None and low >= 0 and decide(rest, "<", b) is True:
        return rest
    return atom_dim(Compound("mod", rest, b))


def _split(a: DimLike, b: DimLike) -> tuple[DimLike, DimLike]:
    """(q, r) with a == q*b + r: r holds the terms of `a` that `b`, a number or monomial, does not divide."""
    divisor = _terms(b)
    if len(divisor) != 1:
        return (1, 0) if a == b else (0, a)
    monomial, coefficient = divisor[0]
    quotient: list[tuple[Monomial, int]] = []
    rest: list[tuple[Monomial, int]] = []
    for m, c in _terms(a):
        left = _remove(m, monomial)
        if left is not None and c % coefficient == 0:
            quotient.append((left, c // coefficient))
        else:
            rest.append((m, c))
    return _collect(quotient), _collect(rest)


def _remove(monomial: Monomial, factor: Monomial) -> Monomial | None:
    remaining = list(monomial)
    for atom in factor:
        if atom not in remaining:
            return None
        remaining.remove(atom)
    return tuple(remaining)


def minimum(a: DimLike, b: DimLike) -> DimLike:
    """The smaller of two expressions."""
    a, b = sorted((a, b), key=show_dim)
    if decide(a, "<=", b) is True:
        return a
    if decide(b, "<=", a) is True:
        return b
    return atom_dim(Compound("min", a, b))


def maximum(a: DimLike, b: DimLike) -> DimLike:
    """The larger of two expressions."""
    a, b = sorted((a, b), key=show_dim)
    if decide(a, ">=", b) is True:
        return a
    if decide(b, ">=", a) is True:
        return b
    return atom_dim(Compound("max", a, b))


def product(values: tuple[DimLike, ...]) -> DimLike:
    """The product of sizes; 1 for none."""
    return reduce(lambda a, b: a * b, values, 1)


def bounds(value: DimLike, facts: Mapping[str, Bounds] | None = None) -> Bounds:
    """Interval of `value` from its symbols' ranges; None is unbounded. `facts` narrow symbols by name."""
    if isinstance(value, int):
        return value, value
    low: int | None = 0
    high: int | None = 0
    for monomial, coefficient in value.terms:
        interval: Bounds = (coefficient, coefficient)
        for atom in monomial:
            interval = _multiply_bounds(interval, _atom_bounds(atom, facts))
        low = None if low is None or interval[0] is None else low + interval[0]
        high = None if high is None or interval[1] is None else high + interval[1]
    return low, high


def _atom_bounds(atom: Atom, facts: Mapping[str, Bounds] | None) -> Bounds:
    if isinstance(atom, Symbol):
        return facts[atom.name] if facts is not None and atom.name in facts else (atom.lower, atom.upper)
    left, right = bounds(atom.left, facts), bounds(atom.right, facts)
    match atom.kind:
        case "floordiv":
            return _divide_bounds(left, right)
        case "mod":
            return 0, (None if right[1] is None else right[1] - 1)
        case "min":
            low = None if left[0] is None or right[0] is None else min(left[0], right[0])
            highs = [h for h in (left[1], right[1]) if h is not None]
            return low, (min(highs) if highs else None)
        case _:
            lows = [x for x in (left[0], right[0]) if x is not None]
            high = None if left[1] is None or right[1] is None else max(left[1], right[1])
            return (max(lows) if lows else None), high


def _divide_bounds(a: Bounds, b: Bounds) -> Bounds:
    b_low = b[0] if b[0] is not None and b[0] > 0 else 1
    low = None if a[0] is None else (a[0] // b_low if a[0] < 0 else (0 if b[1] is None else a[0] // b[1]))
    high = None if a[1] is None else (a[1] // b_low if a[1] >= 0 else -1)
    return low, high


def _multiply_bounds(a: Bounds, b: Bounds) -> Bounds:
    lefts = (-inf if a[0] is None else a[0], inf if a[1] is None else a[1])
    rights = (-inf if b[0] is None else b[0], inf if b[1] is None else b[1])
    corners = [x * y if x and y else 0 for x in lefts for y in rights]
    low, high = min(corners), max(corners)
    return (low if isinstance(low, int) else None), (high if isinstance(high, int) else None)


def range_over(value: DimLike, name: str, low: DimLike, high: DimLike) -> tuple[DimLike, DimLike]:
    """Bounds of `value`, in the other symbols, while the symbol `name` goes from `low` to `high`."""
    if all(s.name != name for s in symbols_of(value)):
        return value, value
    assert isinstance(value, Dim)
    ends = _at_end(value, name, low), _at_end(value, name, high)
    one = next(s for s in symbols_of(value) if s.name == name)
    step = substitute(value, {name: atom_dim(one) + 1}) - value
    if decide(step, ">=", 0):
        return ends
    if decide(step, "<=", 0):
        return ends[1], ends[0]
    least: DimLike = 0
    most: DimLike = 0
    for monomial, coefficient in value.terms:
        term: tuple[DimLike, DimLike] = (coefficient, coefficient)
        for atom in monomial:
            term = _corners(term, _atom_range(atom, name, low, high), _multiply)
        least, most = least + term[0], most + term[1]
    return least, most


def _at_end(value: DimLike, name: str, end: DimLike) -> DimLike:
    try:
        return substitute(value, {name: end})
    except ZeroDivisionError:  # no program gets to where it would divide by a size that is 0
        return substitute(value, {name: 1})


def _atom_range(atom: Atom, name: str, low: DimLike, high: DimLike) -> tuple[DimLike, DimLike]:
    if isinstance(atom, Symbol):
        return (low, high) if atom.name == name else (atom_dim(atom), atom_dim(atom))
    left, right = range_over(atom.left, name, low, high), range_over(atom.right, name, low, high)
    if atom.kind == "mod":
        return 0, right[1] - 1
    if atom.kind == "floordiv":
        first, last = (1 if end == 0 else end for end in right)  # nothing is divided by 0
        return _corners(left, (first, last), floor_divide)
    return tuple(_PYTHON[atom.kind](a, b) for a, b in zip(left, right, strict=True))  # pyright: ignore[reportReturnType]


def _multiply(a: DimLike, b: DimLike) -> DimLike:
    return a * b


def _corners(
    a: tuple[DimLike, DimLike], b: tuple[DimLike, DimLike], combine: Callable[[DimLike, DimLike], DimLike]
) -> tuple[DimLike, DimLike]:
    """The extremes of a combination that grows or falls in each of its operands.

    That of a number, which says itself which end is which, is not written as both: such ends would double
    with each operation.
    """
    (low, high), (first, last) = a, b
    if first == last and isinstance(first, int) and first > 0 and combine is floor_divide:
        return combine(low, first), combine(high, first)
    if low == high and isinstance(low, int) and combine is _multiply:
        return (low * first, low * last) if low >= 0 else (low * last, low * first)
    found = list(dict.fromkeys(combine(x, y) for x in a for y in b))
    return reduce(minimum, found), reduce(maximum, found)


def decide(a: DimLike, relation: str, b: DimLike, facts: Mapping[str, Bounds] | None = None) -> bool | None:
    """Whether `a relation b` (== != < <= > >=) holds for all values of the symbols; None if it depends."""
    low, high = bounds(a - b, facts)
    match relation:
        case "==" | "!=":
            answer = True if low == high == 0 else (False if (low or 0) > 0 or (high or 0) < 0 else None)
            return answer if relation == "==" or answer is None else not answer
        case "<":
            return (
                True if high is not None and high < 0 else (False if low is not None and low >= 0 else None)
            )
        case "<=":
            return (
                True if high is not None and high <= 0 else (False if low is not None and low > 0 else None)
            )
        case ">":
            return decide(b, "<", a, facts)
        case ">=":
            return decide(b, "<=", a, facts)
        case _:
            raise ValueError(f"unknown relation {relation!r}")


def symbols_of(value: DimLike) -> Iterator[Symbol]:
    """Every symbol in `value`, repeated if it occurs again."""
    if isinstance(value, Dim):
        for monomial, _ in value.terms:
            for atom in monomial:
                if isinstance(atom, Symbol):
                    yield atom
                else:
                    yield from symbols_of(atom.left)
                    yield from symbols_of(atom.right)


def fold_dim(
    value: DimLike,
    number: Callable[[int], T],
    leaf: Callable[[Symbol], T],
    combine: Callable[[str, T, T], T],
    whole: Callable[[Compound], T | None] = lambda part: None,
) -> T:
    """Evaluate an expression in another domain; `combine` gets "add", "mul" or a compound's kind.

    `whole` may give the value of a compound as it stands.
    """
    if isinstance(value, int):
        return number(value)
    total: T | None = None
    for monomial, coefficient in value.terms:
        term: T | None = None if coefficient == 1 and monomial else number(coefficient)
        for atom in monomial:
            factor = leaf(atom) if isinstance(atom, Symbol) else whole(atom)
            if factor is None:
                assert isinstance(atom, Compound)
                left, right = (fold_dim(d, number, leaf, combine, whole) for d in (atom.left, atom.right))
                factor = combine(atom.kind, left, right)
            term = factor if term is None else combine("mul", term, factor)
        assert term is not None
        total = term if total is None else combine("add", total, term)
    assert total is not None
    return total


_PYTHON: dict[str, Callable[[DimLike, DimLike], DimLike]] = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "floordiv": floor_divide,
    "mod": modulo,
    "min": minimum,
    "max": maximum,
}


def substitute(value: DimLike, known: Mapping[str, DimLike]) -> DimLike:
    """Replace symbols by name; the rest stays."""
    if isinstance(value, int):
        return value
    return fold_dim(
        value,
        lambda n: n,
        lambda s: known[s.name] if s.name in known else atom_dim(s),
        lambda kind, a, b: _PYTHON[kind](a, b),
    )


def evaluate_dim(value: DimLike, known: Mapping[str, int]) -> int:
    """The number that `value` is; every symbol must be known."""
    result = substitute(value, known)
    if not isinstance(result, int):
        raise KeyError(f"size {show_dim(result)} has unknown symbols")
    return result


def show_dim(value: DimLike) -> str:
    """Text that `text.parse_dim` reads back: `2*n*m+n-1`."""
    return str(value) if isinstance(value, int) else value.kept("_text", lambda: _text(value))


def _text(value: Dim) -> str:
    text = ""
    for monomial, coefficient in value.terms:
        factors = [str(a) for a in monomial]
        if abs(coefficient) != 1 or not factors:
            factors.insert(0, str(abs(coefficient)))
        text += ("-" if coefficient < 0 else "+" if text else "") + "*".join(factors)
    return text
