"""Containers with traced values: `in` and comparisons, tables by computed keys, lists without a bound."""

import copy
from cmath import exp, pi

import numpy as np
import pytest

import weft
from tests.frontend.test_control_builtins import same


def among(x):
    """Membership in lists, sets, tuples, ranges, keys and arrays."""
    names = {1: 10.0, 2: 20.0}
    return (
        [1 if v in [1, 2] else 0 for v in x],
        x[0] not in {1, 2, 0},
        int(x[1]) in range(0, 9, 2),
        [v in names for v in x],
        3 in x,
        x[2] in [x[0], x[1]],
        x[0] == None,  # noqa: E711 -- what the test is about
    )


def compared(x):
    """Tuples item by item, in order."""
    a, b = (x[0], x[1]), (x[2], x[3])
    first, last = (int(x[0]), int(x[1])), (int(x[2]), int(x[3]))
    order = first < last, first <= last, first > last, first >= first, first[:1] < first
    return a == b, a != (x[0], x[1]), [x[0], 1] == [x[0], 1], *order


def visited(x):
    """Pairs that were seen."""
    seen, u, v = [(0, 0)], 0, 0
    for step in x:
        u, v = u + int(step % 2), v - int(step // 2)
        if (u, v) not in seen:
            seen.append((u, v))
    return seen


def tables(x):
    """A tuple and a dict of constant keys by what the data say."""
    moves, weights = ((0, -1), (0, 1), (-1, 0), (1, 0)), {0: 0.5, 1: 2.0, 2: 0.25, 3: 8.0}
    total, y = 0.0, 0
    for v in x:
        y += moves[v][1]
        total += weights[v]
    return total, y


def simpson(n):
    """Lists that a `while` reads as it appends."""
    x, f, k = [], [], 0
    while k <= n:
        x.append(k * 0.5)
        f.append(x[k] ** 2)
        k += 1
    return sum(f), x


def julia(width, most):
    """Axes made by `while`, their pairs in lists."""
    xs, ys, y = [], [], 1.8
    while y > -1.8:
        ys.append(y)
        y -= 3.6 / width
    x = -1.8
    while x < 1.8:
        xs.append(x)
        x += 3.6 / width
    points = []
    for y in ys:
        for x in xs:
            points.append(complex(x, y))
    output = [0] * len(points)
    for k in range(len(points)):
        n, z = 0, points[k]
        while abs(z) < 2 and n < most:
            z = z * z - 0.6j
            n += 1
        output[k] = n
    return output, points


def counted(x):
    """A range of a length that the data say, and sums of what a mask leaves."""
    squares, sums = [], []
    n = int(x.max())
    for i in range(n):
        for j in range(n):
            squares.append(i * j)
    for v in x:
        sums.append(np.int64(sum(x[x < v])))
    return squares, sums, np.bincount(x[x != 2]).max()


def fft(x):
    """Rosetta's: a list of complex numbers."""
    n = len(x)
    if n <= 1:
        return x
    even, odd = fft(x[0::2]), fft(x[1::2])
    t = [exp(-2j * pi * k / n) * odd[k] for k in range(n // 2)]
    return [even[k] + t[k] for k in range(n // 2)] + [even[k] - t[k] for k in range(n // 2)]


def sudoku(board):
    """Returns from loops in loops; sizes that an index and a mask decide."""
    for i in range(9):
        row = []
        for j in range(9):
            if board[i][j] != 0:
                if board[i][j] in row:
                    return False
                row.append(board[i][j])
    for i in range(0, 9, 3):
        for j in range(0, 9, 3):
            block = board[i : i + 3, j : j + 3].flatten()
            block = block[block > 0]
            if len(np.unique(block)) != len(block):
                return False
    return True


def guarded(x, n):
    """Tests of values of several kinds; an index that is not there, where the program does not come."""
    found = []
    for v in x:
        root = v * 2 if v > 0.3 else None
        if (root and root < 1.5) or not n:
            found.append(1)
        else:
            found.append(0)
    for _ in range(5):
        found[0] += int(100 * x[0]) if n else int(x[40])
    return found


R = np.random.default_rng(0)


BOARD = np.array([[(3 * (i % 3) + i // 3 + j) % 9 + 1 for j in range(9)] for i in range(9)])


def arguments(n):
    return {
        among: (R.integers(0, 4, n),),
        compared: (R.integers(0, 2, n),),
        visited: (R.integers(0, 4, n),),
        tables: (R.integers(0, 4, n),),
        simpson: (n,),
        julia: (n, 20),
        counted: (R.integers(0, 5, n),),
        fft: (R.random(16).tolist(),),
        sudoku: (BOARD * (n < 9 or R.random((9, 9)) < 0.8),),
        guarded: (R.random(n), n),
    }


SMALL, LARGE = arguments(6), arguments(9)


@pytest.mark.parametrize("fn", SMALL, ids=lambda fn: fn.__name__)
def test_containers(fn):
    compiled = weft.compile(fn)
    for args in (SMALL[fn], LARGE[fn]):
        mine = copy.deepcopy(args)
        same(compiled(*mine), fn(*args))
        same(mine, args)


def test_a_key_that_is_not_there():
    weights = {0: 0.5, 1: 2.0}
    compiled = weft.compile(lambda x: sum(weights[v] for v in x))
    assert compiled(np.array([0, 1, 1, 0, 1])) == 7.0
    with pytest.raises(KeyError):
        compiled(np.array([0, 1, 7, 0, 1]))
