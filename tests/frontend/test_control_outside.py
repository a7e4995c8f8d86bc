"""Objects that outlive a call and change inside of compiled loops and branches, against plain Python.

Results, arguments after the call, and that what is returned is the argument itself.
"""

import copy

import numpy as np
import pytest

import weft
from tests.frontend.test_control_rows import aliases

PROGRAMS = []


class State:
    def __init__(self, n=0):
        self.n, self.k, self.weights = n, 2, np.ones(3)
        self.history, self.named, self.rows = [], {"k": 0.0}, [[0.0, 1.0], [2.0, 3.0]]


def program(*cases):
    """Note a program with its arguments."""

    def add(fn):
        PROGRAMS.extend((fn, case) for case in cases)
        return fn

    return add


SMALL, LARGE = np.array([2.0, 0.5, 3.0]), np.linspace(-3, 3, 300)


@program((State(), SMALL), (State(4), LARGE))
def attributes(o, x):
    for v in x:
        if v > 1:
            o.n += 1
            o.history.append(v)
        else:
            o.k = o.k + v
        o.weights = o.weights * 0.5 + v
        o.named["k"] += v
    return o.n, o.k


@program((State(), SMALL), (State(4), LARGE))
def history_of_a_method(o, x):
    def step(o, v):
        o.n += 2
        o.history.append(v * o.n)

    o.history.append(1.5)
    for v in x:
        step(o, v)
    o.history.append(2.5)


@program((State(), SMALL), (State(4), LARGE))
def rows_of_an_object(o, x):
    first = o.rows[0]
    for i in range(len(x)):
        o.rows[i % 2][1] += x[i]
        first[0] += 1
    return o.rows, len(o.history)


@program(([1, 2, 3], 6), ([1.5, 2.5, 0.5], 300))
def items_of_an_argument(a, n):
    a[0] = 100
    b = a
    for i in range(n):
        b[i % 3] += i
    a[1] = 7
    return a, b is a


@program(([1, 2], np.ones(2)), ([1, 2], -np.ones(2)), ([1, 2], np.ones(300)))
def an_argument_that_grows(a, x):
    for v in x:
        if v > 0:
            a.append(5)
    return a


@program(([3, 1, 2], 4))
def methods_of_an_argument(a, n):
    a.reverse()
    a.insert(0, n)
    a.pop()
    a += [n]
    del a[0]
    a[1:2] = [5, 6]
    return len(a)


@program(([[1, 2, 3], [4, 5, 6]], 3), ([[1.5, 2.0], [4.5, 5.0]], 300))
def rows_of_an_argument(a, n):
    for k in range(n):
        for i in range(len(a)):
            for j in range(len(a[0])):
                a[i][j] = a[i][j] + i + k
    for row in a:
        row[0] += 1
    return a


@program(({"a": 1.0, "l": [1, 2]}, 3), ({"a": 1.0, "l": [1, 2]}, 300))
def dict_of_an_argument(d, n):
    for i in range(n):
        d["a"] += i
        d["l"][i % 2] += 1
    d.update(c=3.5)
    d["a"] = d.pop("c")
    return d


COUNT = 0


@program((6,), (300,))
def global_name(n):
    global COUNT
    COUNT = 0
    for i in range(n):
        COUNT += i
    return COUNT


def everything(value):
    if isinstance(value, State):
        return everything(vars(value))
    if isinstance(value, dict):
        return {key: everything(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(everything(item) for item in value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value if value is None else float(value)  # numbers in one list get one type: `docs/differences.md`


@pytest.mark.parametrize(
    ("fn", "args"), PROGRAMS, ids=[f"{fn.__name__}-{k}" for k, (fn, _) in enumerate(PROGRAMS)]
)
def test_program(fn, args):
    plain, ours = copy.deepcopy(args), copy.deepcopy(args)
    compiled = weft.compile(fn)
    for _ in range(2):
        expected, found = fn(*plain), compiled(*ours)
        assert repr(everything(found)) == repr(everything(expected))
        assert repr(everything(ours)) == repr(everything(plain))
        assert aliases((ours, found), {}, "", []) == aliases((plain, expected), {}, "", [])
