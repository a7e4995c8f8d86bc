"""Results whose sizes the program computes: elements at a mask, nonzero, unique, sets."""

import numpy as np
import pytest

import weft
from tests.breadth.native import check

RNG = np.random.default_rng(16)
X, V, K = RNG.normal(size=(4, 6)), RNG.normal(size=30), RNG.integers(0, 6, 30)


def kept_then_changed(x, v, k):
    y = v[v > 0]
    v[:] = 0
    return y


def written_back(x, v, k):
    y = v[v > 0]
    y += 1
    v[v > 0] = y * 2
    return y


def written_in_rows(x, v, k):
    x[x > 0] += 1
    x[x < 0] = x[x < 0] * 2
    x[:, x[0] > 0] = x[:, x[0] > 0] + 1
    return x[x > 0].shape


def as_many_as_the_mask(x, v, k):
    m, rows = np.zeros(30, bool), np.zeros((4, 6), bool)
    m[3:6] = True
    rows[1, :2] = True
    v[m], x[rows] = [1.0, 2.0, 3.0], (7, 8)
    m[0], m[3:5] = True, False
    v[~m] = v[m][0] * np.arange(28)
    x[rows[:, 1]] = x[0]
    return x, v


def parts(x, v, k):
    y = v[k > 2]
    return y[0], y[-1], y[:2], y[::-1], y.size, (y * y).max(), y[1:] - y[:-1]


def arithmetic(x, v, k):
    a = v[v > 0]
    b = a.copy()
    b[a > 1] = 0
    return (
        b,
        a - a.mean(),
        a / a.sum(),
        a.reshape(-1, 1) * np.arange(3),
        a[:, None] - a,
        np.zeros(a.shape),
        np.zeros_like(a),
    )


def in_a_loop(x, v, k):
    total = 0.0
    for i in range(x.shape[0]):
        total += x[i][x[i] > 0].sum()
    return total


@pytest.mark.parametrize(
    "fn",
    [
        kept_then_changed, written_back, written_in_rows, as_many_as_the_mask, parts, arithmetic, in_a_loop,
        lambda x, v, k: (v[v > 0], v[v > 0] * 2, v[v > 0].sum(), v[v > 100], v[v < 100]),
        lambda x, v, k: (x[x > 0], x[x[:, 0] > 0], x[:, x[0] > 0]),
        lambda x, v, k: (np.nonzero(x > 0), np.argwhere(x > 0), np.flatnonzero(v > 1), (x > 0).nonzero(),
            np.where(v > 0)[0]),
        lambda x, v, k: v[np.nonzero(v > 0)] + v[v > 0], lambda x, v, k: len(v) + v[v > 0].shape[0],
        lambda x, v, k: np.sort(v[v > 0]),
        lambda x, v, k: v[v > 0][v[v > 0] < 1], lambda x, v, k: v[v > 0] + k[v > 0],
        lambda x, v, k: np.cumsum(v[v > 0]),
        lambda x, v, k: (np.compress(v > 0, v), np.compress([True, False, True], x, axis=0),
            x.compress(x[0] > 0, axis=1), np.extract(x > 1, x)),
        lambda x, v, k: np.concatenate([v[v > 0], v[v <= 0]]),
        lambda x, v, k: (x[np.ix_(x[:, 0] > 0, [1, 2])], np.stack(np.nonzero(k == 3))),
        lambda x, v, k: np.place(x, x > 0, 5.0), lambda x, v, k: np.putmask(v, v > 0, 0.5),
        lambda x, v, k: np.median(v[v > 0]),
    ],
)  # fmt: skip
def test_masks(fn):
    check(fn, X, V, K, tolerance=1e-12)


@pytest.mark.parametrize(
    "fn",
    [
        lambda k: np.unique(k), lambda k: np.unique(k, True, True, True),
        lambda k: np.unique(k.reshape(5, 6), return_inverse=True),
        lambda k: np.unique(k, return_counts=True), lambda k: np.unique(k[:0], return_counts=True),
        lambda k: np.unique(k[:1]),
        lambda k: np.unique(np.where(k > 3, np.nan, k)),
        lambda k: np.unique(np.where(k > 3, np.nan, k), equal_nan=False), lambda k: np.unique(k > 2),
        lambda k: np.union1d(k, [1, 9]), lambda k: np.intersect1d(k, [1, 9, 3]),
        lambda k: np.setdiff1d(k, [1, 3]), lambda k: np.setxor1d(k, [1, 9]),
        lambda k: (np.isin(k, [1, 3]), np.isin(k, [], invert=True),
            np.isin(k.reshape(5, 6), k[:2], invert=True), np.isin(3, k)),
        lambda k: np.setdiff1d(k, k), lambda k: np.intersect1d(k, [77]), lambda k: np.isin(k * 0.5, [1, 2]),
    ],
)  # fmt: skip
def test_sets(fn):
    check(fn, K)


def test_sizes_of_arguments_are_symbolic():
    compiled = weft.compile(lambda x, y: (x[x > y], np.unique(np.round(x))))
    for n in (2, 3, 50, 4000):
        x, y = RNG.normal(size=n), RNG.normal(size=n)
        for ours, theirs in zip(compiled(x, y), (x[x > y], np.unique(np.round(x))), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert compiled.stats()["compiles"] <= 2


def test_results_own_their_memory():
    result = weft.compile(lambda x: x[x > 0])(V)
    assert result.base is None
    assert result.flags.writeable


def two_at_a_mask(v):
    v[v > 0] = [1.0, 2.0]


def test_errors():
    with pytest.raises(IndexError, match="boolean index did not match"):
        weft.compile(lambda v: v[np.ones(3, bool)])(V)
    with pytest.raises(ValueError, match="could not be broadcast"):
        weft.compile(lambda v: v[v > 0] + v[v < 0])(V)
    with pytest.raises(ValueError, match="could not be broadcast"):
        weft.compile(two_at_a_mask)(V.copy())
    with pytest.raises(IndexError):
        weft.compile(lambda v: v[v > 100][0])(V)
