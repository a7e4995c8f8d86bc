"""Sizes computed from floats and sizes: what decides them is fixed, another value is another variant."""

import numpy as np
import pytest

import weft
from tests.frontend.test_control_programs import agree

STEP = 0.25


def euler(start, first, last, step):
    n = int(np.ceil((last - first) / step))
    y = np.zeros(n + 1)
    y[0] = start
    for k in range(n):
        y[k + 1] = y[k] - step * y[k]
    return y


def by_global(x):
    return np.zeros((int(2 / STEP), len(x))) + x


def by_logarithm(z):
    n = int(np.log2(min(z.shape)))
    return 2 ** np.arange(n, 1, -1), np.arange(0.0, n / 2, 0.5)


@pytest.mark.parametrize(
    ("fn", "calls"),
    [
        (euler, [(1.0, 0.0, 1.0, 0.1), (3.0, 0.0, 1.0, 0.1), (1.0, 0.0, 1.5, 0.1)]),
        (by_global, [(np.arange(3.0),), (np.arange(5.0),)]),
        (by_logarithm, [(np.ones((9, 20)),), (np.ones((40, 33)),)]),
    ],
    ids=["floats", "global", "sizes"],
)
def test_sizes_from_numbers_of_the_call(fn, calls):
    compiled = weft.compile(fn)
    for args in calls:
        agree(compiled, *args)


def test_the_value_that_decides_no_size_is_not_fixed():
    compiled = weft.compile(euler)
    for start in (1.0, 2.0, 3.0):
        agree(compiled, start, 0.0, 1.0, 0.1)
    assert compiled.stats()["compiles"] == 1


@pytest.mark.parametrize("axis", [0, 1])
def test_reduceat_at_computed_positions(axis):
    def blocks(z, step):
        at = np.arange(0, z.shape[axis], step)
        return np.add.reduceat(z, at, axis=axis), np.maximum.reduceat(z, np.flip(at), axis=axis)

    compiled = weft.compile(blocks)
    for n in (8, 11):
        agree(compiled, np.random.default_rng(n).random((n, n + 1)), 3)


def test_reduceat_beyond_the_end():
    compiled = weft.compile(np.add.reduceat)
    with pytest.raises(IndexError):
        compiled(np.ones(4), np.array([0, 4]))


def group_means(groups, values):
    counts = np.bincount(groups)
    return np.bincount(groups, values) / np.maximum(counts, 1), counts.argmax()


def sorted_by_counting(a):
    counts = np.zeros(a.max() + 1, dtype=int)
    for v in a:
        counts[v] += 1
    return np.repeat(np.arange(len(counts)), counts), np.arange(a.max() + 1) * counts


def without_diagonal(c, v):
    n = len(c)
    other = ~np.eye(n, dtype=bool)
    return c[other].reshape(-1, n - 1) * v[np.where(other)[1].reshape(-1, n - 1)]


def picked_twice(x, y):
    a, b = x[x > 0.3], y[y > 0.3]
    return a[a < 0.9], a * b, a @ b


@pytest.mark.parametrize(
    ("fn", "make"),
    [
        (group_means, lambda r, n: (r.integers(0, 5, n), r.random(n))),
        (sorted_by_counting, lambda r, n: (r.integers(0, 9, n),)),
        (without_diagonal, lambda r, n: (r.random((n, n)), r.random(n))),
        (picked_twice, lambda r, n: (x := r.random(n), r.permutation(x))),
    ],
    ids=["group_means", "sorted_by_counting", "without_diagonal", "picked_twice"],
)
def test_sizes_that_elements_decide(fn, make):
    generator = np.random.default_rng(5)
    compiled = weft.compile(fn)
    for n in (5, 9, 14):
        agree(compiled, *make(generator, n))
    assert compiled.stats()["compiles"] == 2


@pytest.mark.parametrize(
    ("fn", "args", "error"),
    [
        (lambda x: np.zeros(x[0]), (np.array([-1]),), ValueError),
        (np.repeat, (np.ones(2), np.array([1, -1])), ValueError),
        (np.bincount, (np.array([1, -1]),), ValueError),
        (lambda x, n: x[x > 0].reshape(-1, n), (np.arange(6.0), 2), ValueError),
    ],
    ids=["zeros", "repeat", "bincount", "reshape"],
)
def test_sizes_that_do_not_fit(fn, args, error):
    with pytest.raises(error):
        fn(*args)
    with pytest.raises(error):
        weft.compile(fn)(*args)


def bound_in_a_while(x):
    while x[0] > 100:
        last, x = x[0], x / 2
    return last


def deleted_on_one_path(x):
    y = x[0]
    if x[1] > 0:
        del y
    return y


@pytest.mark.parametrize("fn", [bound_in_a_while, deleted_on_one_path])
def test_a_name_without_a_value_on_the_path_that_is_taken(fn):
    compiled = weft.compile(fn)
    for x in (np.array([1.0, 2.0]), np.array([400.0, -1.0]), np.array([1.0, -1.0])):
        try:
            expected = fn(x)
        except UnboundLocalError:
            with pytest.raises(UnboundLocalError):
                compiled(x)
        else:
            assert compiled(x) == expected
