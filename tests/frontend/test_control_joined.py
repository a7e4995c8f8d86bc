"""Names that exchange arrays in a loop or branch inside of another one: what is written later is not lost."""

import numpy as np
import pytest

import weft


def branch_around_loop(x, y, m):
    z = np.zeros(3)
    if x.sum() > 1:
        y[1:] = y[:-1]
    else:
        for _ in range(m):
            y, z = z, y
    z[0] = 9
    return x


def loop_around_branch(x, y, m):
    z = np.zeros(3)
    for i in range(m):
        if i == 2:
            y, z = z, y
    z[0] = 9
    return x


@pytest.mark.parametrize("program", [branch_around_loop, loop_around_branch])
def test_a_write_to_what_may_be_an_argument_is_right(program):
    for count in (2, 5):
        plain, compiled = np.arange(3.0), np.arange(3.0)
        program(-np.ones(3), plain, count)
        weft.compile(program)(-np.ones(3), compiled, count)
        np.testing.assert_array_equal(compiled, plain)


def kept_best(x, c):
    best = [v for v in x if v > 0]
    for k in range(len(c)):
        new = [v * k for v in x if v * k > 2]
        if c[k] > 0:
            best = new[:]
    return best


def longer_in_each_iteration(x, c):
    a = [x[0]]
    for k in range(len(c)):
        b = [*a, c[k]]
        for j in range(1, k + 1):
            b[j] = a[j] + 0.5 * a[k - j]
        a = b
    return a


def queue_of_a_scan(x, c):
    a, k = [v for v in x if v > 0], 0
    while k < len(a) and k < 30:
        if a[k] > 2:
            more = [a[k] / 2, c[0]]
            a = a + more
        k += 1
    return a


def until_nothing_changes(x, c):
    changing, n = 1, 0
    while changing:
        changing = []
        for i in range(len(x)):
            if x[i] > n:
                changing.append((i, n))
        for i, _ in changing:
            x[i] -= 1
        n += 1
    return n, x


def smaller_in_each_iteration(x, c):
    a = [v for v in x if v > 0]
    for k in range(5):
        a = [v for v in a if v > k + c[k]]
    return a, len(a)


@pytest.mark.parametrize(
    "program",
    [kept_best, longer_in_each_iteration, queue_of_a_scan, until_nothing_changes, smaller_in_each_iteration],
)
def test_lists_of_lengths_that_the_data_decide(program):
    compiled = weft.compile(program)
    for n, c in ((9, np.ones(9)), (12, np.arange(12.0) % 2)):
        plain, mine = np.arange(float(n)), np.arange(float(n))
        expected, found = program(plain, c), compiled(mine, c)
        assert repr(found) == repr(expected)
        np.testing.assert_array_equal(mine, plain)


def one_list_grows(x, c):
    a = [v for v in x if v > 0]
    b = a
    for k in range(5):
        b.append(x[0])
        if c[k] > 0:
            b = [v for v in x if v < 5]
    return a, b


def one_list_grows_after_it(x, c):
    a = [v for v in x if v > 0]
    b = [v for v in x if v > 1]
    if c[0] > 0:
        b = a
    a.append(x[0])
    return b


@pytest.mark.parametrize("program", [one_list_grows, one_list_grows_after_it])
def test_a_list_that_grows_where_another_may_be_it(program):
    with pytest.raises(weft.UnsupportedError, match="both names would see it"):
        weft.compile(program)(np.arange(9.0), np.ones(9))


def doubled(n):
    points = np.array([0, 1], dtype=complex)
    for _ in range(n):
        points = np.concatenate([points, ((points - points[-1]) * 1j + points[-1])[::-1][1:]])
    return points


def mirrored(n):
    rows = [[0], [1]]
    for _ in range(n - 1):
        rows = [[0, *row] for row in rows] + [[1, *row] for row in reversed(rows)]
    return np.array(rows)


def halved(points, t):
    parts = list(points)
    while len(parts) > 1:
        parts = [(1 - t) * parts[i] + t * parts[i + 1] for i in range(len(parts) - 1)]
    return parts[0]


def path_or_none(x):
    if x[0] < 0:
        return x, []
    return x, [0]


def sums_of_parts(sizes):
    table = np.zeros((len(sizes) - 1, len(sizes) - 1))
    for length in range(2, len(sizes)):
        for i in range(len(sizes) - length):
            table[i, i + length - 1] = sizes[i] * sizes[i + length]
    return table


@pytest.mark.parametrize(
    ("program", "cases"),
    [
        (doubled, [(0,), (5,)]),
        (mirrored, [(1,), (4,)]),
        (halved, [(np.arange(10.0).reshape(5, 2), 0.3)]),
        (path_or_none, [(np.ones(2),), (-np.ones(2),)]),
        (sums_of_parts, [([3, 4, 5],), ([3, 4],)]),
    ],
)
def test_types_that_change_in_each_iteration_of_a_short_loop(program, cases):
    compiled = weft.compile(program)
    for case in cases:
        found, expected = compiled(*case), program(*case)
        assert type(found) is type(expected)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other)
