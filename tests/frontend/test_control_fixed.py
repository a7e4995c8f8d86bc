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


def test_a_size_from_elements_is_refused():
    with pytest.raises(weft.UnsupportedError, match="must be known when the program starts"):
        weft.compile(lambda x: np.zeros(int(x[0])))(np.ones(2))


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
