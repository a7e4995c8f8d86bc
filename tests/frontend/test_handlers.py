"""`try` around what the program raises when it runs: handlers, results and arguments are those of Python."""

import copy

import numpy as np
import pytest

import weft


class Flat(Exception):
    pass


def newton(f, slope, x):
    for _ in range(20):
        d = slope(x)
        if abs(d) < 1e-12:
            raise Flat("no slope")
        x, before = x - f(x) / d, x
        if abs(x - before) < 1e-10:
            return x
    raise Flat("too many")


def roots(starts):
    """Raised in a helper, caught in a loop."""
    found = []
    for x in starts:
        try:
            found.append(newton(lambda t: t**3 - 2 * t + 2, lambda t: 3 * t * t - 2, x))
        except Flat:
            found.append(np.nan)
    return np.array(found)


def outside(grid, coordinates):
    total = 0
    for y, x in coordinates:
        try:
            total += grid[y, x]
        except IndexError:
            total -= 1
    return total


def ratios(a, b):
    out = []
    for x, y in zip(a, b, strict=True):
        try:
            out.append(x / y)
        except ZeroDivisionError:
            out.append(0.0)
    return out


def solved(a, b):
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        return np.zeros(2)


def described(x):
    """A message of the program, `else` and `finally`."""
    try:
        if x.sum() < 0:
            raise ValueError(f"negative {x.sum():.2f}")
        r = np.sqrt(x)
    except ValueError as error:
        return str(error), x
    else:
        r = r + 1
    finally:
        n = len(x)
    return r, n


def written(x):
    """What was written before it failed is written once."""
    try:
        x[0] += 5.0
        if x[1] < 0:
            raise ValueError
    except ValueError:
        x[2] = -1.0
    finally:
        x[0] *= 2.0
    return x


def not_caught(x):
    try:
        x[0] = 1.0
        if x[1] < 0:
            raise KeyError("no")
    except ValueError:
        x[2] = 7.0
    finally:
        x[1] = 9.0


CASES = {
    roots: [(np.array([0.5, -1.0, 2.0, 0.0]),)],
    outside: [(np.arange(6).reshape(2, 3), np.array([[0, 0], [1, 2], [2, 1]]))],
    ratios: [([1, 2, 3], [1, 2, 4]), ([1, 2, 3], [1, 0, 4])],
    solved: [(np.eye(2), np.ones(2)), (np.zeros((2, 2)), np.ones(2))],
    described: [(np.ones(3),), (-np.ones(3),)],
    written: [(np.ones(3),), (-np.ones(3),)],
    not_caught: [(np.ones(3),), (-np.ones(3),)],
}


def outcome(fn, args):
    try:
        result = fn(*args)
    except (KeyError, ValueError) as error:
        result = repr(error)
    return repr((result, args))


@pytest.mark.parametrize("fn", CASES, ids=lambda fn: fn.__name__)
def test_handlers_run(fn):
    compiled = weft.compile(fn)
    for args in CASES[fn] * 2:
        assert outcome(compiled, copy.deepcopy(args)) == outcome(fn, copy.deepcopy(args))


def test_one_is_told_once(caplog):
    compiled = weft.compile(solved)
    for _ in range(3):
        compiled(np.zeros((2, 2)), np.ones(2))
    told = [record.message for record in caplog.records if "plain Python" in record.message]
    assert len(told) == 1
    assert "Singular matrix" in told[0]
