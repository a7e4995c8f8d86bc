"""collections.deque in compiled functions: equal to plain Python."""

import copy
from collections import deque

import numpy as np
import pytest

import weft
from tests.frontend.test_control_builtins import same


def breadth_first(grid, start):
    rows, columns = grid.shape
    distance = -np.ones((rows, columns), dtype=int)
    queue = deque()
    queue.append(start)
    distance[start] = 0
    while queue:
        r, c = queue.popleft()
        for dr, dc in [(0, 1), (1, 0), (0, -1), (-1, 0)]:
            u, v = r + dr, c + dc
            if 0 <= u < rows and 0 <= v < columns and grid[u, v] == 0 and distance[u, v] == -1:
                distance[u, v] = distance[r, c] + 1
                queue.append((u, v))
    return distance


def both_ends(x):
    queue = deque(x)
    queue.appendleft(x[0])
    queue.append(x[1])
    queue.extendleft([x[2], x[3]])
    total = 0.0
    for i in range(5):
        total += queue.popleft() * i
    return total, len(queue), list(queue), queue[-1], queue.pop()


R = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("fn", "arguments"),
    [
        (breadth_first, lambda n: ((R.random((n, 7)) < 0.3).astype(int), (0, 0))),
        (both_ends, lambda n: (R.random(n),)),
    ],
)
def test_queues(fn, arguments):
    compiled = weft.compile(fn)
    for n in (6, 9):
        args = arguments(n)
        mine = copy.deepcopy(args)
        same(compiled(*mine), fn(*args))
        same(mine, args)


def test_a_deque_stays_inside():
    with pytest.raises(weft.UnsupportedError, match="deque"):
        weft.compile(lambda x: deque([x[0]]))(np.ones(3))
    with pytest.raises(weft.UnsupportedError, match="deque"):
        weft.compile(lambda x: len(deque(x, maxlen=2)))(np.ones(3))
