"""Recursion whose end the program decides: functions that end in calls of themselves are loops."""

import copy

import numpy as np
import pytest

import weft


def divisor(a, b):
    return a if b == 0 else divisor(b, a % b)


def divisors(x):
    g = x[0]
    for v in x[1:]:
        g = divisor(g, v)
    return g


def place(a, target, low, high):
    """Of a number in a sorted array."""
    if low > high:
        return -1
    middle = (low + high) // 2
    if a[middle] == target:
        return middle
    if a[middle] < target:
        return place(a, target, middle + 1, high)
    return place(a, target, low, high=middle - 1)


def places(a, targets):
    return [place(a, t, 0, len(a) - 1) for t in targets]


def sink(u, index, n):
    largest, left, right = index, 2 * index + 1, 2 * index + 2
    if left < n and u[left] > u[largest]:
        largest = left
    if right < n and u[right] > u[largest]:
        largest = right
    if largest != index:
        u[largest], u[index] = u[index], u[largest]
        sink(u, largest, n)


def heap_sort(u):
    n = len(u)
    for i in range(n // 2 - 1, -1, -1):
        sink(u, i, n)
    for i in range(n - 1, 0, -1):
        u[0], u[i] = u[i], u[0]
        sink(u, 0, i)
    return u


def root(x, y, k):
    z = (x + y / x) / 2
    if abs(z - x) < 1e-12 or k > 50:
        return z, k
    else:
        return root(z, y, k + 1)


def roots(y):
    return root(y, y, 0)


R = np.random.default_rng(0)
CASES = [
    (divisors, (np.array([12, 18, 30, 42, 6]),), (np.arange(1, 20) * 14,)),
    (places, (np.arange(0, 30, 2), np.arange(12)), (np.arange(0, 300, 2), np.arange(40))),
    (heap_sort, (R.random(9),), (R.random(60),)),
    (roots, (2.0,), (9.5,)),
    (divisor, (np.int64(48), np.int64(36)), (np.int64(17), np.int64(5))),
]


@pytest.mark.parametrize(("fn", "small", "large"), CASES, ids=lambda v: getattr(v, "__name__", ""))
def test_calls_that_come_last(fn, small, large):
    compiled = weft.compile(fn)
    for args in (small, large):
        mine, theirs = copy.deepcopy(args), copy.deepcopy(args)
        assert repr(compiled(*mine)) == repr(fn(*theirs))
        assert repr(mine) == repr(theirs)


def powers(x, n):
    """A recursion that sizes end is taken apart, as always."""
    return 1.0 if n == 0 else x * powers(x, n - 1)


def swapped(a, b, n):
    if n <= a[0]:
        return a - b
    return swapped(b, a, n - 1)


def test_other_recursion():
    assert weft.compile(powers)(1.5, 12) == powers(1.5, 12)
    compiled, a, b = weft.compile(swapped), np.arange(3.0), np.ones(3)
    for n in (np.float64(9), np.float64(4)):
        np.testing.assert_array_equal(compiled(a, b, n), swapped(a, b, n))
