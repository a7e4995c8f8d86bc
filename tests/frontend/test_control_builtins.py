"""map, keys of max, min and sorted, tuples by position, shapes in arrays, rolls: equal to plain Python."""

import colorsys
import copy
from dataclasses import dataclass, replace

import numpy as np
import pytest

import weft


def same(found, wanted):
    assert type(found) is type(wanted)
    if isinstance(wanted, list | tuple):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            same(one, other)
    elif isinstance(wanted, dict):
        same(list(found.items()), list(wanted.items()))
    elif isinstance(wanted, str | type(None)):
        assert found == wanted
    else:
        assert getattr(found, "dtype", None) == getattr(wanted, "dtype", None)
        np.testing.assert_allclose(found, wanted, rtol=1e-13)


def tridiagonal(a, b, c, d):
    """Copies made by `map(np.array, ...)`."""
    ac, bc, cc, dc = map(np.array, (a, b, c, d))
    for k in range(1, len(d)):
        m = ac[k - 1] / bc[k - 1]
        bc[k] = bc[k] - m * cc[k - 1]
        dc[k] = dc[k] - m * dc[k - 1]
    bc[-1] = dc[-1] / bc[-1]
    for k in range(len(d) - 2, -1, -1):
        bc[k] = (dc[k] - cc[k] * bc[k + 1]) / bc[k]
    return bc


def pivots(m):
    """The row of the largest element, as Rosetta's LU has it."""
    n = len(m)
    return [max(range(j, n), key=lambda i: abs(m[i][j])) for j in range(n)]


def by_keys(x, points):
    numbers = list(map(float, x))
    return (
        sorted(numbers, key=lambda v: -v),
        sorted(points, key=lambda p: p[1]),
        sorted(points, key=lambda p: (p[0] > 0.5, p[1]), reverse=True),
        min(points, key=lambda p: p[0]),
        sum(map(abs, x)),
        list(map(lambda a, b: a - b, x, numbers[::-1])),
    )


def moves(steps):
    """A table of tuples, by what the data say."""
    directions = [(0, -1), (0, 1), (-1, 0), (1, 0)]
    x, y, path = 0, 0, []
    for s in steps:
        dx, dy = directions[s]
        x, y = x + dx, y + directions[s][1]
        path.append((x, y, dy))
    return path


def streamed(f, shifts, w):
    """Lattice Boltzmann: each population moves by its own shift; shapes in arrays."""
    for i, c in zip(range(len(shifts)), shifts, strict=True):
        f[:, i] = np.roll(f[:, i], c) * w
    return (
        np.roll(f, shifts[0], axis=1),
        f.reshape(np.array([-1, 2])).sum(0),
        f.reshape(np.array(f.shape)[::-1]),
    )


R = np.random.default_rng(0)


def arguments(n):
    return {
        tridiagonal: (R.random(n - 1), 4 + R.random(n), R.random(n - 1), R.random(n)),
        pivots: (R.random((n, n)),),
        by_keys: (R.random(n) - 0.5, R.random((n, 2)).tolist()),
        moves: (R.integers(0, 4, n),),
        streamed: (R.random((n, 6)), R.integers(-9, 9, 6), 0.5),
    }


SMALL, LARGE = arguments(6), arguments(9)


@pytest.mark.parametrize("fn", SMALL, ids=lambda fn: fn.__name__)
def test_builtins(fn):
    compiled = weft.compile(fn)
    for args in (SMALL[fn], LARGE[fn]):
        mine = copy.deepcopy(args)
        same(compiled(*mine), fn(*args))
        same(mine, args)


def test_limits_of_types():
    """Properties of NumPy's own objects are asked as they are."""
    compiled = weft.compile(lambda x: np.minimum(x, np.iinfo(np.int32).max) + np.finfo(float).eps)
    same(compiled(np.array([1.0, 1e18])), np.array([1.0 + np.finfo(float).eps, 2.0**31 - 1]))


@dataclass(frozen=True)
class State:
    x: np.ndarray
    time: float = 0.0


def test_the_standard_library_in_plain_python():
    def steps(state, n):
        for i in range(n):
            state = replace(state, x=state.x * 0.5 + i, time=state.time + 0.1)
        return state

    def turned(image):
        out = np.empty_like(image)
        for i in range(len(image)):
            hue, saturation, value = colorsys.rgb_to_hsv(*image[i])
            out[i] = colorsys.hsv_to_rgb((hue + 0.5) % 1.0, saturation, value)
        return out

    found, wanted = (f(State(np.arange(3.0)), 5) for f in (weft.compile(steps), steps))
    same((found.x, found.time), (wanted.x, wanted.time))
    image = np.random.default_rng(0).random((20, 3))
    image[3] = 0.5
    same(weft.compile(turned)(image), turned(image))
