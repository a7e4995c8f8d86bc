"""Dicts and sets by keys that the program computes: equal to plain Python, two sizes each, or refused."""

import copy
from collections import Counter, defaultdict, deque

import numpy as np
import pytest

import weft


def pairs(nums, target):
    seen, out = {}, []
    for i, v in enumerate(nums):
        if target - v in seen:
            out.append((seen[target - v], i))
        seen[v] = i
    return out


def counted(x):
    d = {}
    for v in x:
        d[v] = d.get(v, 0) + 1
    best = max(d, key=d.get)
    return d, best, d[best], len(d), sorted(d.items()), [k for k, v in d.items() if v > 1]


def counters(x):
    c, d = Counter(x), defaultdict(int)
    for v in x:
        d[int(v)] += 2
    c.update(x)
    return c, c.most_common(2), c[333], d, d[77], len(d)


def searched(grid, start):
    n, m = grid.shape
    visited, dist, queue = set(), {start: 0}, deque([start])
    visited.add(start)
    while queue:
        x, y = queue.popleft()
        for dx, dy in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            a, b = x + dx, y + dy
            if 0 <= a < n and 0 <= b < m and grid[a, b] == 0 and (a, b) not in visited:
                visited.add((a, b))
                dist[(a, b)] = dist[(x, y)] + 1
                queue.append((a, b))
    return dist, visited, bool(visited)


def taken_out(x):
    s, d, gone = set(), {0: 1}, 0
    for v in x:
        if v in s:
            s.remove(v)
            gone += d.pop(v, 5)
        else:
            s.add(v)
            d[v] = v * 3
        s.discard(4)
    while s and gone < 50:
        v = min(s)
        s.remove(v)
        gone += 7
    d.pop(2, None)
    return s, d, gone


def comprehensions(x, y):
    d = {int(v): k for k, v in enumerate(x)}
    s = {v % 7 for v in x}
    return d, s, {k: v for k, v in d.items() if k > 5}, sum(1 for v in y if v in s), sorted(set(y))


class Visitor:
    def __init__(self):
        self.seen, self.times = {0}, {}

    def visit(self, x):
        if x in self.seen:
            self.times[x] = self.times.setdefault(x, 10) + 1
        self.seen.add(x)


def in_objects(x):
    visitor = Visitor()
    other = visitor.seen
    for v in x:
        visitor.visit(v)
    other.add(100)
    return visitor.seen, visitor.times, other is visitor.seen


def in_loops(x):
    out, d = [], {}
    for i in range(len(x)):
        s = set()
        for j in range(i):
            s.add(x[j] % 5)
        out.append(len(s))
        if x[i] > 1000:
            d[x[i]] = 1
    return out, d, d.get(3), not d


def of_floats(x):
    d = {}
    for v in x:
        d[v] = v / 2
    e = d
    e[0.125] = 9.5
    return d, e, 1 in d, sum(d.values())


def views(x):
    d = {}
    items, values, keys = d.items(), d.values(), d.keys()
    for v in x:
        d[v] = v * 2
    t = 0
    for k, v in items:
        t += k + v
    return t, len(items), len(keys), sorted(items), 3 in keys, sum(values), max(d.items())


def argument(d, x):
    for v in x:
        d[v] = d.get(v, 0) + 1
    return len(d)


R = np.random.default_rng(0)
SMALL, LARGE = R.integers(0, 9, 12), R.integers(0, 3000, 300)
GRID = (R.random((9, 8)) < 0.3).astype(int)
CASES = [
    (pairs, (SMALL, 8), (LARGE, 2000)),
    (counted, (SMALL,), (LARGE,)),
    (counters, (SMALL,), (LARGE,)),
    (searched, (GRID[:5], (1, 1)), (GRID, (1, 1))),
    (taken_out, (SMALL,), (R.integers(0, 30, 90),)),
    (comprehensions, (SMALL, SMALL), (LARGE, SMALL)),
    (in_objects, (SMALL,), (LARGE,)),
    (in_loops, (SMALL,), (R.integers(0, 3000, 40),)),
    (of_floats, (SMALL / 4,), (LARGE / 8,)),
    (views, (SMALL,), (LARGE,)),
    (argument, ({1: 2}, SMALL), ({}, LARGE)),
]


@pytest.mark.parametrize(("fn", "small", "large"), CASES, ids=lambda v: getattr(v, "__name__", ""))
def test_keys_of_the_program(fn, small, large):
    compiled = weft.compile(fn)
    for args in (small, large):
        mine, theirs = copy.deepcopy(args), copy.deepcopy(args)
        found, wanted = compiled(*mine), fn(*theirs)
        assert repr_of(found) == repr_of(wanted)
        assert repr_of(mine) == repr_of(theirs)


def repr_of(value):
    """The items of sets in order, of dicts as they came."""
    if isinstance(value, set):
        return ("set", sorted(value))
    if isinstance(value, dict):
        return (type(value).__name__, list(value.items()))
    return [repr_of(one) for one in value] if isinstance(value, tuple) else repr(value)


def filled(x):
    d = {}
    for v in x:
        d[v] = 1
    return d


def test_a_key_that_is_not_there():
    compiled = weft.compile(lambda x: filled(x)[99])
    assert compiled(np.array([99, 2, 3])) == 1
    with pytest.raises(KeyError):
        compiled(np.array([9, 2, 3]))


REFUSED = [
    lambda x: {**filled(x), 5: 1},
    lambda x: filled(x) | {5: 1},
    lambda x: dict(filled(x)),
    lambda x: filled(x) == {1: 1},
    lambda x: f"{filled(x)}",
    lambda x: set(x) - {1},
    lambda x: {1} - set(x),
    lambda x: {1} <= set(x),
    lambda x: [v for v in set(x)],  # in an order that hangs on Python's table
    lambda x: np.array(list(set(x))),
]


def test_a_callback_gets_a_dict():
    def total(d):
        return sum(d) + len(d)

    compiled = weft.compile(lambda x: weft.callback(total, filled(x), result=0))
    assert compiled(np.array([5, 7, 5])) == 14


@pytest.mark.parametrize("fn", REFUSED)
def test_what_would_show_how_they_are_kept(fn):
    with pytest.raises(weft.UserError, match="E05"):
        weft.compile(fn)(SMALL)
