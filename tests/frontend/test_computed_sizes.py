"""Arrays of sizes that only the program knows, without a bound: as in NumPy, compiled and interpreted."""

import numpy as np
import pytest

import weft

X = np.array([1, 2, 2, 5])


def zeros(x):
    return (
        np.zeros(int(x.max()) + 1),
        np.ones((x[0], 3)),
        np.zeros(x[3]) + np.ones(x[3]),
        len(np.eye(int(x[1]))),
    )


def counts(x):
    n = int(x.max()) + 1
    found = np.zeros(n, int)
    for v in x:
        found[v] += 1
    return found, found.sum(), n


def ranges(x):
    n = int(x[3])
    a = np.arange(n) + np.ones(n)
    return (
        a,
        np.arange(x[0], x[3]),
        np.arange(x[3], x[0], -2),
        np.arange(-x[0]),
        np.arange(x[1] * 0.25, 2, 0.3),
    )


def repeats(x):
    return np.repeat(x, x), np.repeat(x.reshape(2, 2), x[:2], axis=0), np.repeat(x * 0.5, x - 1)


def bins(x):
    return np.bincount(x), np.bincount(x, weights=x * 0.5), np.bincount(x[:0])


def later_sizes(x):
    y = np.repeat(x, x)
    part = y[y > 1]
    return np.unique(y), part, part[::-1].copy(), np.sort(-y), np.cumsum(y)


def in_loops(x):
    n, s = int(x.max()), 0.0
    y = np.ones(n)
    for i in range(4):
        s += np.ones(int(x[i])).sum()
        z = y * 2 + i
        y = np.cumsum(z) / z.sum()
    return y, s


def branches(x):
    y = np.ones(int(x[3])).sum() if x[0] > 0 else 0.0
    z = np.ones((int(x[3]), 70)) @ np.ones((70, int(x[1])))
    return y, z, z.T, (z, z)


PROGRAMS = [zeros, counts, ranges, repeats, bins, later_sizes, in_loops, branches]


@pytest.mark.parametrize("program", PROGRAMS)
def test_as_in_numpy(program):
    compiled = weft.compile(program)
    for x in (X, X[::-1] + 1, np.array([1, 3, 7, 400])):
        expected = program(x)
        with weft.options(interpret=True):
            interpreted = compiled(x)
        for found in (compiled(x), interpreted):
            compare(found, expected)


def compare(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, tuple):
        for one, other in zip(found, expected, strict=True):
            compare(one, other)
        return
    if isinstance(expected, np.ndarray):
        assert (found.dtype, found.shape, found.flags.writeable) == (expected.dtype, expected.shape, True)
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_steps_of_time():
    def simulate(end, step):
        t = np.arange(0, end, step)
        y = np.zeros(len(t))
        y[0] = 1
        for i in range(1, len(t)):
            y[i] = y[i - 1] * (1 - step) + np.sin(t[i]) * step
        return t, y

    compiled = weft.compile(simulate)
    for end, step in ((1.0, 0.1), (0.5, 0.05), (3.0, 0.007)):
        compare(compiled(end, step), simulate(end, step))
        np.testing.assert_array_equal(compiled(end, step)[0], np.arange(0, end, step))


def test_results_of_one_array_are_one():
    def twice(x):
        y = np.repeat(x, x)
        return y, y

    a, b = weft.compile(twice)(X)
    assert a is b
    assert a.base is None or a.flags.writeable


def loops_make_it(x):
    total = 0.0
    for i in range(1000):
        y = np.cumsum(np.ones(int(x[i % 4])))
        total += np.sort(y)[0] + y.sum()
    return total


ERRORS = [
    (lambda x: np.zeros(-x[0]), ValueError, "negative dimensions"),
    (lambda x: np.zeros(x.sum() / 2), TypeError, "cannot be interpreted as an integer"),
    (lambda x: np.zeros(x[0] * 10**13), MemoryError, "no memory"),
    (lambda x: np.zeros(x[0] * 2**61), MemoryError, "no memory"),
    (lambda x: np.zeros((x[0] * 2**32, x[0] * 2**32, 2)).sum(axis=1), MemoryError, "no memory"),
    (lambda x: np.bincount(-x), ValueError, "no negative elements"),
    (lambda x: np.repeat(x, -x), ValueError, "may not contain negative"),
    (lambda x: np.arange(0, x[0], x[0] * 0), ZeroDivisionError, "division by zero"),
    (lambda x: np.arange(0, x[0] * np.nan), ValueError, "cannot compute length"),
    (loops_make_it, weft.UnsupportedError, "make it before the loop"),
]


@pytest.mark.parametrize(("fn", "kind", "message"), ERRORS)
def test_errors(fn, kind, message):
    compiled = weft.compile(fn)
    with pytest.raises(kind, match=message):
        compiled(X)


def test_derivatives_and_exports(tmp_path):
    def loss(w, x):
        n = int(x.max()) + 1
        return (np.ones(n) * w.sum()).sum() + np.repeat(w, x).sum()

    w = np.arange(4.0)
    np.testing.assert_allclose(weft.grad(loss)(w, X), 6 + X)
    with pytest.raises(weft.UnsupportedError):
        weft.export(lambda x: np.cumsum(np.arange(x[0])), ["i64[4]"], tmp_path / "libf.so", name="f")


def test_repeated_as_often_as_a_loop_says():
    def spread(x, count, y):
        for i in range(count):
            y[:] += np.repeat(np.reshape(x[: 2**i], (2**i, 1)), 2 ** (count - i), axis=1).ravel()
        return y

    compiled = weft.compile(spread)
    for count in (2, 3, 4):
        x = np.arange(2.0**count)
        expected = spread(x, count, np.zeros(2**count))
        np.testing.assert_array_equal(compiled(x, count, np.zeros(2**count)), expected)
