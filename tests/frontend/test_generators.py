"""Generators over traced data: loops over them are the generator's own, and do what plain Python does."""

import itertools

import numpy as np
import pytest

import weft
from tests.frontend.test_control_builtins import same


def windows(x, k):
    for i in range(len(x) - k + 1):
        yield x[i : i + k]


def positions(h, w):
    for i in range(h):
        for j in range(w):
            yield i, j


def rising(items):
    last = -9.0
    for v in items:
        if v > last:
            yield v
            last = v


def doubled_for_ever(n):
    while True:
        yield n
        n = n * 2


class Batches:
    def __init__(self, x, size):
        self.x, self.size = x, size

    def __iter__(self):
        for i in range(0, len(self.x), self.size):
            yield self.x[i : i + self.size]


def convolution(x, w):
    out = np.zeros((x.shape[0] - 1, x.shape[0] - 1))
    y = np.outer(x, x)
    for i, j in positions(*out.shape):
        out[i, j] = np.sum(y[i : i + 2, j : j + 2] * w)
    return out


def jumps(x, w):
    s, count = np.float64(0.0), 0
    for v in windows(x, 3):
        if v[0] > 0.9:
            break
        if v[1] < 0:
            continue
        s, count = s + v.sum(), count + 1
    else:
        s = np.float64(-1.0)
    return s, count


def returned(x, w):
    for k, v in ((a, x[a : a + 2]) for a in range(len(x) - 1)):
        if v.sum() > 1.0:
            return k, v.max()
    return -1, np.float64(0.0)


def piped(x, w):
    found = []
    for v in rising(v.max() for v in windows(x, 2)):
        found.append(v)
    return np.array(found)


def without_end(x, w):
    s = 0
    for v in doubled_for_ever(int(abs(x[0]) * 3) + 1):
        if v > 100:
            break
        s += v
    return s


def used_up(x, w):
    def parts():
        yield x[0]
        if x[1] > 0:
            yield x[1]
        yield from x[2:]
        yield from (v * v for v in x)

    s = np.float64(0.0)
    for v in parts():
        s = s * 0.5 + v
    return s, sum(parts()), max(parts()), list(parts()), [v + 1 for v in parts()], np.array([*parts()])


def together(x, w):
    out = np.zeros(len(x))
    for i, v in enumerate(windows(x, 3)):
        out[i] = v.mean()
    for a, v in zip(x, windows(x, 3), strict=False):
        out[-1] += a * v[0]
    for v, a in zip(windows(x, 3), x, strict=False):
        out[-2] += a * v[0]
    kept = list(map(np.max, filter(lambda v: v[0] > 0, windows(x, 3))))
    return out, kept, [b.sum() for b in Batches(x, 2)]


def firsts(x, w):
    found = next((i for i in range(len(x)) if x[i] > 0.5), -1)
    never = next((i for i in range(len(x)) if x[i] > 99), None)
    return found, never is None, next(windows(x, 2)), next(iter(x))


def one_after_the_other(x, w):
    it = windows(x, 2)
    a, b = next(it), next(it)
    rows = iter(x)
    last, s = next(rows), np.float64(0.0)
    for v in rows:
        s, last = s + abs(v - last), v
    return a, b, s


def from_outside(x, w):
    it, s = iter(x), np.float64(0.0)
    squares = (v * v for v in x)
    for i in range(len(x) // 2):
        s += next(it) * (i + 1) + next(squares)
    return s


def around_yield(x, w):
    def guarded():
        try:
            yield from x[:3]
        finally:
            s.append(1)

    s = []
    for v in guarded():
        s.append(v)
    return s


def sent(x, w):
    def total():
        s = 0.0
        while True:
            s += yield s

    it = total()
    next(it)
    return [it.send(v) for v in (x[0], x[1])]


class Counter:
    def __init__(self, x):
        self.x, self.at = x, 0

    def __iter__(self):
        self.at = 0
        return self

    def __next__(self):
        if self.at >= len(self.x):
            raise StopIteration
        self.at += 1
        return self.x[self.at - 1]


class Rows:
    def __init__(self, x):
        self.x = x

    def __iter__(self):
        return iter(self.x)


def own_iterators(x, w):
    it = Counter(x)
    found = [v * 2 for v in it], next(it, -1.0), sum(Rows(x)), [*Rows(x)], max(Rows(x))
    s = np.float64(0.0)
    for i in range(3):
        for k, v in enumerate(it):
            s += v * k + i
    it.at = 1
    for _ in range(3):
        s += next(it)
    return found, s, it.at


def by_position(x, w):
    it, s = iter(x), np.float64(0.0)
    s = s + next(it)
    for i in range(len(x) // 2):
        s += next(it) * i
        if x[i] > 0:
            s += next(it)
    left = [v for v in it]
    tokens = iter(range(9))
    read = []
    for t in tokens:
        if t % 3 == 1:
            t += 10 * next(tokens)
        read.append(t)
    pairs = iter(x[:6])
    return s, len(left), read, list(zip(pairs, pairs, strict=False)), next(it, None) is None


PROGRAMS = [
    *(convolution, jumps, returned, piped, without_end, used_up, together, firsts),
    *(own_iterators, by_position),
    *(one_after_the_other, from_outside, around_yield, sent),
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs(program):
    compiled = weft.compile(program)
    generator = np.random.default_rng(5)
    for size in (7, 12):
        x, w = generator.normal(size=size), generator.normal(size=(2, 2))
        same(compiled(x, w), program(x, w))


def test_loops_stay_loops():
    def f(x):
        s = 0.0
        for v in windows(x, 3):
            s += v.max()
        return s

    compiled = weft.compile(f)
    for size in (1000, 1001, 3000):
        x = np.random.default_rng(5).normal(size=size)
        same(compiled(x), f(x))
    assert compiled.stats()["compiles"] == 2


def test_used_after_a_loop_that_may_have_ended():
    def f(x):
        it = windows(x, 2)
        for v in it:
            if v[0] > 0.5:
                break
        return [v.sum() for v in it]

    with pytest.raises(weft.UnsupportedError, match="ended before its end"):
        weft.compile(f)(np.arange(9.0))


@pytest.mark.parametrize("make", [lambda x: windows(x, 1), itertools.cycle])
def test_iterators_from_outside_of_long_loops(make):
    """An iterator that a compiled loop goes on with is in one place only while the loop is traced."""

    def f(x):
        it, s = make(x), 0.0
        for _ in range(len(x)):
            s += np.sum(next(it))
        return s

    with pytest.raises(weft.UnsupportedError, match="iterator from outside"):
        weft.compile(f)(np.arange(600.0))
