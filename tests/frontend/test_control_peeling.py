"""Loops whose first iteration gives names their type or value: equal to plain Python, two sizes each."""

import copy

import numpy as np
import pytest

import weft


def agree(compiled, fn, *args):
    """Results, and arguments after the call, are those of plain Python."""
    mine, theirs = copy.deepcopy(args), copy.deepcopy(args)
    for found, wanted in ((compiled(*mine), fn(*theirs)), (mine, theirs)):
        found, wanted = (v if isinstance(v, tuple) else (v,) for v in (found, wanted))
        for one, other in zip(found, wanted, strict=True):
            assert type(one) is type(other)
            assert getattr(one, "dtype", None) == getattr(other, "dtype", None)
            np.testing.assert_allclose(one, other, rtol=1e-13)


def power(a, n, eps):
    """Integers before the loop, floats in it; a way out."""
    v, largest = np.array([1, 1, 1]), 0
    for _ in range(n):
        w = a @ v
        new = abs(w).max()
        v = w / new
        if abs(new - largest) < eps:
            break
        largest = new
    return v, largest


def horner(coefficients, x):
    """A number that becomes an array."""
    p = coefficients[0]
    for c in coefficients[1:]:
        p = p * x + c
    return p


def walked_back(prev, state):
    """A NumPy int that becomes a NumPy float."""
    out = np.zeros(len(prev))
    last = np.argmax(state)
    for i in range(len(prev) - 1, -1, -1):
        last = prev[i, int(last)]
        out[i] = last
    return out, last


def until_small(x, tol):
    """A `while` on data; the integers before it are converted in it."""
    count = 0
    while abs(x).max() > tol:
        x = x / 2
        count += 1
    return x, count


def nested(x, n, m):
    """The inner loop converts, and so the outer one."""
    for _ in range(n):
        for j in range(m):
            x = x * 0.5 + j
    return x


def with_before(x, tol):
    """A name that the first iteration does not read."""
    a, n = x, 0
    while n < 100:
        if n > 0 and abs(a - last) < tol:  # noqa: F821 -- bound in the iteration before
            break
        last = a  # noqa: F841 -- read in the next iteration
        a = 0.5 * (a + 2.0 / a)
        n += 1
    return a, n


def rows(up, n):
    """A list of lists that is made anew in each iteration."""
    for _ in range(n):
        new = [[0.0] * len(up[0]) for _ in range(len(up))]
        for i in range(len(up)):
            for j in range(len(up[0])):
                new[i][j] = up[i][j] * 0.5 + i
        up = new
    return up


R = np.random.default_rng(0)
CASES = [
    (power, (R.random((3, 3)), 10, 1e-9), (R.random((3, 3)), 40, 1e-9)),
    (horner, (R.random(5), R.random(4)), (R.random(9), R.random(4))),
    (
        walked_back,
        (R.integers(0, 3, (6, 3)) * 1.0, R.random(3)),
        (R.integers(0, 3, (9, 3)) * 1.0, R.random(3)),
    ),
    (until_small, (np.array([5, 9]), 0.1), (np.array([50, 9, 1]), 0.01)),
    (nested, (np.array([5, 9]), 5, 6), (np.array([5, 9]), 7, 8)),
    (with_before, (1.0, 1e-9), (3.0, 1e-3)),
    (rows, ([[1.0, 2.0], [3.0, 4.0]], 6), ([[1.0, 2.0], [3.0, 4.0]], 9)),
]


@pytest.mark.parametrize(("fn", "small", "large"), CASES, ids=lambda v: getattr(v, "__name__", ""))
def test_first_iterations(fn, small, large):
    compiled = weft.compile(fn)
    agree(compiled, fn, *small)
    agree(compiled, fn, *large)


def test_no_iteration():
    """A number of iterations that the call decides: another variant; one that data decide: an error."""
    compiled = weft.compile(power)
    a = R.random((3, 3))
    agree(compiled, power, a, 8, 0.0)
    agree(compiled, power, a, 0, 0.0)
    compiled = weft.compile(until_small)
    agree(compiled, until_small, np.array([5, 9]), 0.1)
    with pytest.raises(weft.UserError, match="'x' has different types") as error:
        compiled(np.array([5, 9]), 100.0)
    assert "E061" in str(error.value)
    agree(compiled, until_small, np.array([5, 9]), 0.1)


def stops_early(x, n):
    """Ints after a break at once, floats later."""
    for _ in range(n):
        y = x * 0.5
        if y.sum() < 1:
            break
        x = y
    return x


def returns_early(a, v, tol, n):
    """The same with a return, and a second way out."""
    for k in range(n):
        w = a @ v
        if k > 2 and abs(w - v).max() < tol:
            return w, k
        if abs(w - v).max() < tol / 2:
            break
        v = w / np.linalg.norm(w)
    return v, k


def test_ways_out_of_a_first_iteration():
    """A name that would keep its type where the data end the first iteration: an error then, not before."""
    compiled = weft.compile(stops_early)
    agree(compiled, stops_early, np.array([5, 9]), 9)
    with pytest.raises(weft.UserError, match="'x' has different types") as error:
        compiled(np.array([0, 1]), 9)
    assert "E061" in str(error.value)
    agree(compiled, stops_early, np.array([50, 9]), 9)
    compiled = weft.compile(returns_early)
    agree(compiled, returns_early, R.random((2, 2)), np.array([1, 1]), 1e-3, 30)
    with pytest.raises(weft.DTypeError, match="'v' has different types"):
        compiled(np.eye(2), np.array([1, 0]), 1e-3, 30)
