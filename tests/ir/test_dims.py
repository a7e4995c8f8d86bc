"""Sizes against plain integers: arithmetic, canonical form, bounds, decisions, substitution, text."""

import operator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.ir.dims import (
    Symbol,
    as_symbol,
    atom_dim,
    bounds,
    decide,
    evaluate_dim,
    floor_divide,
    maximum,
    minimum,
    modulo,
    product,
    range_over,
    show_dim,
    substitute,
    symbol,
    symbols_of,
)
from weft.ir.text import is_symbol_name, parse_dim

SYMBOLS = {
    s.name: s
    for s in (Symbol("n", 2), Symbol("m", 0, 9), Symbol("k", -5, 5), Symbol("j", 1, 4), Symbol("u", 0))
}
RELATIONS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _leaf(name):
    return atom_dim(SYMBOLS[name]), lambda known: known[name]


def _number(value):
    return value, lambda known: value


def _combine(pair):
    kind, (a, f), (b, g) = pair
    match kind:
        case "+":
            return a + b, lambda known: f(known) + g(known)
        case "-":
            return a - b, lambda known: f(known) - g(known)
        case "*":
            return a * b, lambda known: f(known) * g(known)
        case "min":
            return minimum(a, b), lambda known: min(f(known), g(known))
        case "max":
            return maximum(a, b), lambda known: max(f(known), g(known))


def _divide(pair):
    kind, (a, f), (b, g) = pair
    b, positive = maximum(b, 1), lambda known: max(g(known), 1)
    if kind == "//":
        return floor_divide(a, b), lambda known: f(known) // positive(known)
    return modulo(a, b), lambda known: f(known) % positive(known)


leaves = st.one_of(st.sampled_from(list(SYMBOLS)).map(_leaf), st.integers(-7, 7).map(_number))
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["+", "-", "*", "min", "max"]), inner, inner).map(_combine),
        st.tuples(st.sampled_from(["//", "%"]), inner, inner).map(_divide),
        st.tuples(st.sampled_from(["//", "%"]), inner, st.integers(1, 8).map(_number)).map(_divide),
        st.tuples(st.sampled_from(["//", "%"]), inner, st.sampled_from(["n", "j"]).map(_leaf)).map(_divide),
    ),
    max_leaves=8,
)


@st.composite
def assignments(draw):
    return {s.name: draw(st.integers(s.lower, 12 if s.upper is None else s.upper)) for s in SYMBOLS.values()}


@settings(max_examples=400, deadline=None)
@given(expressions, assignments())
def test_expressions_are_what_they_say(expression, known):
    dim, meaning = expression
    assert evaluate_dim(dim, known) == meaning(known)


@settings(max_examples=400, deadline=None)
@given(expressions, assignments())
def test_value_lies_in_bounds(expression, known):
    dim, meaning = expression
    low, high = bounds(dim)
    assert low is None or low <= meaning(known)
    assert high is None or meaning(known) <= high
    narrow = {name: (value, value) for name, value in known.items()}
    low, high = bounds(dim, narrow)
    assert low is None or low <= meaning(known)
    assert high is None or meaning(known) <= high


@settings(max_examples=300, deadline=None)
@given(expressions, st.sampled_from(["k", "j", "m"]), assignments(), st.integers(-5, 9), st.integers(0, 4))
def test_value_lies_in_its_range_over_a_symbol(expression, name, known, low, width):
    dim, meaning = expression
    low = max(low, SYMBOLS[name].lower)
    high = min(low + width, SYMBOLS[name].upper)
    if low > high:
        return
    least, most = (evaluate_dim(end, known) for end in range_over(dim, name, low, high))
    for value in range(low, high + 1):
        assert least <= meaning({**known, name: value}) <= most


def test_ranges_with_one_open_end():
    n = symbol("n", -1)
    assert bounds(n + 1) == (0, None)
    assert bounds(-2 * n) == (None, 2)
    assert decide(n + 1, ">=", 0) is True


@settings(max_examples=400, deadline=None)
@given(expressions, expressions, st.sampled_from(sorted(RELATIONS)), assignments())
def test_decisions_hold(left, right, relation, known):
    answer = decide(left[0], relation, right[0])
    if answer is not None:
        assert answer == RELATIONS[relation](left[1](known), right[1](known))


@settings(max_examples=300, deadline=None)
@given(expressions)
def test_text_round_trip(expression):
    dim, _ = expression
    again = parse_dim(show_dim(dim), SYMBOLS)
    assert again == dim
    assert hash(again) == hash(dim)


@settings(max_examples=200, deadline=None)
@given(expressions, expressions, st.sampled_from(list(SYMBOLS)), assignments())
def test_substitution_is_evaluation_in_two_steps(outer, inner, name, known):
    s = SYMBOLS[name]
    value = inner[1](known)
    if value < s.lower or (s.upper is not None and value > s.upper):
        return  # an expression out of the symbol's range has no meaning
    replaced = substitute(outer[0], {name: inner[0]})
    assert evaluate_dim(replaced, known) == outer[1]({**known, name: value})


@settings(max_examples=200, deadline=None)
@given(expressions, expressions, expressions)
def test_polynomials_are_canonical(a, b, c):
    a, b, c = a[0], b[0], c[0]
    assert a + b == b + a
    assert a * b == b * a
    assert (a + b) + c == a + (b + c)
    assert (a * b) * c == a * (b * c)
    assert a * (b + c) == a * b + a * c
    assert a - a == 0
    assert minimum(a, b) == minimum(b, a)
    assert maximum(a, b) == maximum(b, a)


def test_division_simplifies():
    n, m = symbol("n", 1), symbol("m", 0, 9)
    assert floor_divide(4 * n, 4) == n
    assert floor_divide(n * m, n) == m
    assert floor_divide(4 * n + 3, 4) == n
    assert modulo(4 * n + 3, 4) == 3
    assert modulo(n * m + n, n) == 0
    assert floor_divide(m, 10) == 0
    assert modulo(m, 10) == m


def test_constants_are_plain_numbers():
    n = symbol("n")
    assert type(n - n) is int
    assert type(n * 0) is int
    assert product(()) == 1
    assert product((n, 4, n)) == 4 * n * n
    assert show_dim(2 * n * n + n - 1) == "2*n*n+n-1"
    assert as_symbol(n) == Symbol("n")
    assert as_symbol(n + 1) is None
    assert sorted({s.name for s in symbols_of(minimum(n * symbol("m"), 3))}) == ["m", "n"]


def test_ranges_decide():
    n = symbol("n", 2)
    assert decide(n, ">=", 2) is True
    assert decide(n, ">", 2) is None
    assert decide(n, "==", 1) is False
    assert decide(n - 2, "==", n - 2) is True
    assert minimum(n, 1) == 1
    assert maximum(n, 2) == n
    with pytest.raises(ValueError, match="relation"):
        decide(n, "~", 1)


def test_unknown_symbols_are_named():
    with pytest.raises(KeyError, match="m"):
        evaluate_dim(symbol("n") + symbol("m"), {"n": 1})


@pytest.mark.parametrize("name", ["f32", "f32x8", "min", "true", "index", "in", "2n", ""])
def test_names_that_symbols_cannot_have(name):
    assert not is_symbol_name(name)


def test_split_indices_join_again():
    """b * (x // b) + x mod b == x, in any depth, so that a reshape there and back costs no division."""
    from weft.ir.ops.shape import linear_index, split_index

    p, m, n = symbol("p"), symbol("m", 2), symbol("n", 2)
    for shape in [(4, 5, 6), (m, n), (3, m, n), (3, m + 1, n)]:
        assert linear_index(split_index(p, shape), shape) == p
        assert linear_index(split_index(3 * p + 1, shape), shape) == 3 * p + 1
    assert modulo(p, 5) + 4 * floor_divide(p, 5) != p
