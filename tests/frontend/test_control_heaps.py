"""heapq, bisect, lists whose rows or tuples are exchanged by computed positions: equal to plain Python."""

import bisect
import copy
import heapq

import numpy as np
import pytest

import weft
from tests.frontend.test_control_builtins import same


def heap_sorted(x):
    heap, out = [], []
    for v in x:
        heapq.heappush(heap, v)
    while heap:
        out.append(heapq.heappop(heap))
    return out


def heaped(x):
    heap = [float(v) for v in x]
    heapq.heapify(heap)
    least = heapq.heappop(heap)
    heapq.heappush(heap, 0.25)
    return least, heap


def dijkstra(weights):
    n = len(weights)
    distance = [float("inf")] * n
    distance[0] = 0.0
    queue = [(0.0, 0)]
    while queue:
        d, u = heapq.heappop(queue)
        if d > distance[u]:
            continue
        for v in range(n):
            if weights[u][v] > 0 and d + weights[u][v] < distance[v]:
                distance[v] = d + weights[u][v]
                heapq.heappush(queue, (distance[v], v))
    return distance


def placed(x, q):
    kept = []
    for v in x:
        bisect.insort(kept, v)
    return kept, [bisect.bisect(kept, v) for v in q], bisect.bisect_left(kept, x[0])


def eliminated(a):
    """Rows are exchanged, those of the argument."""
    n = len(a)
    for k in range(n):
        best = k
        for i in range(k + 1, n):
            if abs(a[i][k]) > abs(a[best][k]):
                best = i
        a[k], a[best] = a[best], a[k]
        for i in range(k + 1, n):
            f = a[i][k] / a[k][k]
            for j in range(k, n):
                a[i][j] -= f * a[k][j]
    return a


def turned(a):
    """Three statements for an exchange, then a write to what came."""
    for i in range(len(a) - 1):
        row = a[i]
        a[i] = a[i + 1]
        a[i + 1] = row
        a[i][0] = 0.5 * a[i][1]
    a[0][0] = 9.0
    return [[v + 1 for v in row] for row in a]


def bubbled(points):
    """Tuples are exchanged."""
    points = [tuple(p) for p in points]
    for i in range(len(points)):
        for j in range(len(points) - 1 - i):
            if points[j][0] > points[j + 1][0]:
                points[j], points[j + 1] = points[j + 1], points[j]
    return points


def columns(a):
    """zip of rows beside tuples."""
    turned = list(zip(*a, strict=True))
    return [[sum(u * v for u, v in zip(row, column, strict=True)) for column in turned] for row in a]


R = np.random.default_rng(0)


def arguments(n):
    return {
        heap_sorted: (R.random(n),),
        heaped: (R.random(n),),
        dijkstra: ((R.random((n, n)) * (R.random((n, n)) < 0.6)).tolist(),),
        placed: (R.random(n).tolist(), [0.1, 0.5, 0.7]),
        eliminated: (R.random((n, n)).tolist(),),
        turned: (R.random((n, 3)).tolist(),),
        bubbled: (R.random((n, 2)).tolist(),),
        columns: (R.random((3, 3)).tolist(),),
    }


SMALL, LARGE = arguments(6), arguments(8)


@pytest.mark.parametrize("fn", SMALL, ids=lambda fn: fn.__name__)
def test_heaps_and_rows(fn):
    compiled = weft.compile(fn)
    for args in (SMALL[fn], LARGE[fn]):
        mine = copy.deepcopy(args)
        same(compiled(*mine), fn(*args))
        same(mine, args)


def uses_a_moved_row(a):
    for i in range(len(a) - 1):
        row = a[i]
        if a[i][0] < a[i + 1][0]:
            a[i], a[i + 1] = a[i + 1], a[i]
        row[0] = 5.0
    return a


def test_a_row_that_was_moved():
    """Who holds a row would see what happens to it at its new place."""
    with pytest.raises(weft.UnsupportedError, match="row"):
        weft.compile(uses_a_moved_row)(R.random((6, 3)).tolist())
