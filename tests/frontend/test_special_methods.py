"""Special methods, properties, copies and records of the user's classes: as in plain Python."""

import copy
import dataclasses
import functools
import math

import numpy as np
import pytest

import weft
from tests.frontend.test_control_builtins import same


class Point:
    """Every method asks what only the program knows, or calls what plain Python would take a number for."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __abs__(self):
        return math.hypot(self.x, self.y)

    def __neg__(self):
        return Point(-self.x if self.x > 0 else self.x, self.y)

    def __add__(self, other):
        if isinstance(other, (int, float)):
            return Point(self.x + other, self.y)
        return Point(math.hypot(self.x, other.x), self.y)

    __radd__ = __add__

    def __iadd__(self, other):
        self.x += math.sqrt(abs(other))
        return self

    def __lt__(self, other):
        if self.x < other.x:
            return True
        return False

    def __eq__(self, other):
        return self.x == other.x

    def __bool__(self):
        return bool(self.x > 0)

    def __contains__(self, value):
        return value == self.x or value == self.y

    def __getitem__(self, place):
        return self.x if self.y > 0 else self.y

    def __setitem__(self, place, value):
        self.x = math.sqrt(value)

    def __float__(self):
        return float(self.x)

    def __round__(self):
        return math.floor(self.x)

    def __divmod__(self, other):
        return math.hypot(self.x, other.x), 1

    def __format__(self, specification):
        return f"<{self.x:.2f}{specification}>"

    def __repr__(self):
        return f"Point({self.x:.3f})"

    @property
    def norm(self):
        return abs(self)

    @norm.setter
    def norm(self, value):
        self.x *= value / abs(self)


class Farther(Point):
    def __radd__(self, other):
        return Point(math.hypot(self.y, other.x) * 2, self.y)


@dataclasses.dataclass
class Record:
    a: float
    b: list
    inner: object = None


@functools.singledispatch
def kind_of(x):
    return "other"


@kind_of.register
def _(x: np.ndarray):
    return x * 2


@kind_of.register
def _(x: float):
    return x + 1


def operators(x):
    p, q = Point(x[0], x[1]), Point(x[1], x[2])
    return abs(p), (-p).x, (p + q).x, (p + 1).x, (float(x[2]) + p).x, (p + Farther(x[1], x[2])).x


def compared(x):
    p, q = Point(x[0], x[1]), Point(x[1], x[2])
    return (
        1 if p < q else 2, 1 if p > q else 2, 1 if p == q else 2, 1 if p != q else 2, 1 if p else 2,
        bool(q), not p, 3 if x[0] in p else 4, 3 if x[2] not in p else 4, p == p and q == q,
    )  # fmt: skip


def conversions(x):
    p = Point(x[0], x[1])
    return p[0], float(p), round(p), divmod(p, p), f"{p}", f"{p:!}", f"{p!r}", str(p), p.norm


def changes(x):
    p = Point(x[0], x[1])
    p += x[2]
    p[0] = p.x * p.x
    p.norm = 2.0
    return p.x, p.y


def copies(x):
    y, rows = copy.deepcopy(x), [x[:2], x[:2]]
    y[0] = 9
    again = copy.deepcopy({"rows": rows, "p": Point(x[0], x)})
    again["p"].y[1] = 5
    return x, y, copy.copy(rows), again["rows"], again["p"].y


def records(x):
    one = Record(x[0], [x[1]], Record(2.0, [x]))
    made = dataclasses.asdict(one), dataclasses.astuple(one)
    return made, one.b == [x[1]], Record(x[0], [1]) == Record(x[0], [1]), kind_of(x), kind_of(float(x[0]))


@pytest.mark.parametrize("program", [operators, compared, conversions, changes, copies, records])
def test_programs(program):
    x = np.array([0.5, -1.25, 2.0])
    compiled = weft.compile(program)
    for values in (x, -x):
        same(compiled(values.copy()), program(values.copy()))
