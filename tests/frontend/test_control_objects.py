"""Python objects under control flow: names that may be None, classes, `math`: compiled against plain Python.

One small program per construct. Value, kind, arguments after the call and exceptions are compared, at two
sizes.
"""

import math

import numpy as np
import pytest

import weft
from tests.frontend.test_control_builtins import same
from tests.frontend.test_control_programs import agree, mixed, ramp

PROGRAMS = []


def program(*cases):
    """Note a program with the arguments of each case; none: one array of 7 numbers, and one of 12."""

    def add(fn):
        PROGRAMS.extend((fn, case) for case in cases or ((ramp(7),), (ramp(12),)))
        return fn

    return add


# ---------------------------------------------------------------- attributes


class Layer:
    """Keeps what its step saw, as attributes that it does not have before."""

    def __init__(self):
        self.steps = 0

    def step(self, x, k):
        self.seen = x * k
        self.steps += 1 if hasattr(self, "total") else 10
        self.total = self.seen.sum()
        return self.total


@program((ramp(4), 5), (ramp(4), 300))
def attributes_that_a_loop_gives(x, n):
    layer, cache, history = Layer(), {}, []
    for k in range(n):
        for j in range(2):
            cache["last"] = layer.step(x, k + j)
        history.append(cache["last"])
        if k % 5 == 0 and history[-1] > 1e6:
            break
    return layer.seen, layer.steps, cache, history


# ---------------------------------------------------------------- None


@program((mixed(30),), (mixed(7),))
def none_best(x):
    best = None
    for v in x:
        if best is None or v < best:
            best = v
    return best


@program((mixed(30),), (mixed(7),))
def none_index(x):
    best = None
    where = None
    for i in range(len(x)):
        if best is None or x[i] > best:
            best = x[i]
            where = i
    return best, where


@program((ramp(5),), (-ramp(5) - 1,))
def none_in_a_branch(x):
    r = None
    if x[1] > 0:
        r = x[1]
    if r is None:
        return x[2]
    return r * 2


@program((ramp(5),), (-ramp(5) - 1,))
def none_returned(x):
    for i in range(len(x)):
        if x[i] > 2:
            return i
    return None


@program((ramp(5),), (-ramp(5) - 1,))
def none_or_found(x):
    found = None
    for i in range(len(x)):
        if x[i] > 2:
            found = i
            break
    if found is not None:
        return found
    return -1


@program((mixed(30),), (mixed(7),))
def none_before_the_first(x):
    previous, s = None, 0.0
    for v in x:
        if previous is not None:
            s += abs(v - previous)
        previous = v
    return s


@program((ramp(5),), (-ramp(5) - 1,))
def none_is_false(x):
    y = None
    if x[1] > 0:
        y = x * 2
    return y if y is not None else -x


# ---------------------------------------------------------------- objects


class Account:
    def __init__(self, x):
        self.count, self.total, self.x = 0, 0.0, x

    def add(self, v):
        self.count += 1
        self.total += v


@program()
def objects_of_a_class(x):
    account = Account(x)
    for v in x:
        account.add(v)
    return account.count, account.total


# ---------------------------------------------------------------- math


@program((mixed(30),), (mixed(7),))
def functions_of_math(x):
    s = 0.0
    for v in x:
        s += math.sin(v) + math.exp(-abs(v)) * math.sqrt(v * v + 1) + math.floor(v)
        s += math.atan2(v, 2) + math.pow(abs(v), 0.5) + math.hypot(v, 1)
    a, b = x[0], x[1]
    numbers = math.ceil(b), math.trunc(b * 10), math.isnan(a), math.isfinite(a), math.gcd(int(b * 30), 18)
    floats = math.fabs(a), math.log(a**2), math.log10(abs(b)), math.log(abs(a), 2), math.copysign(1.0, a)
    return s, numbers, floats, math.degrees(b), math.fmod(a, 0.3), math.prod([1.0, a]), math.erf(a)


@program((ramp(3) + 1,), (ramp(3) - 1,), (ramp(3) * 1e10 + 2e6,))
def errors_of_math(x):
    return math.sqrt(x[0]) + math.log(x[2]) + math.exp(x[1])


@program((ramp(3), 0.5), (ramp(3), math.nan), (ramp(3), 2.0))
def error_of_asin(x, v):
    return x * math.asin(v)


# ---------------------------------------------------------------- walrus


@program()
def walrus_in_while(x):
    s, i = 0.0, 0
    while (v := x[i]) < 4:
        s += v
        i += 1
    return s, v


@program((mixed(7),), (mixed(30),))
def identity_of_truth_values(x):
    s = 0
    for i in range(len(x)):
        flag = bool(x[i] > 0)
        if (i % 2 == 0) is True:
            s += i
        if flag is False or flag is not True:
            s += 100
    return s, int(x[0]) is True


@pytest.mark.parametrize(
    ("fn", "args"), PROGRAMS, ids=[f"{fn.__name__}-{k}" for k, (fn, _) in enumerate(PROGRAMS)]
)
def test_program(fn, args):
    agree(fn, *args)


def test_an_argument_in_a_container_that_both_paths_return():
    def plain(x):
        if x[0] > 0:
            return (x, x * 2), {"a": x, "b": [x, x + 1]}
        return (x, x), {"a": x, "b": [x, x]}

    for x in (np.ones(3), -np.ones(3)):
        (first, _), rest = weft.compile(plain)(x)
        assert first is x
        assert rest["a"] is x
        assert rest["b"][0] is x


def test_integers_that_do_not_fit():
    def bytes_of(n):
        s = 0
        for k in range(n):
            s += int(np.uint8(k))
        return s

    assert weft.compile(bytes_of)(200) == bytes_of(200)
    with pytest.raises(OverflowError, match="out of bounds for uint8"):
        weft.compile(bytes_of)(300)
    number = weft.compile(lambda x: int(x[0]))
    assert number(np.array([5], np.uint64)) == 5
    with pytest.raises(OverflowError):
        number(np.array([2**63 + 5], np.uint64))


class Counted:
    """A number of a user's own, with the operators that its operands ask."""

    def __init__(self, value):
        self.value = value

    def __add__(self, other):
        return Counted(self.value + (other.value if isinstance(other, Counted) else other))

    def __rsub__(self, other):
        return Counted(other - self.value)

    def __lt__(self, other):
        return other > self.value

    __radd__ = __add__


class Preferred(Counted):
    __array_ufunc__ = None


def test_operators_of_a_user_s_class_on_the_right():
    def f(x):
        total = x[0] + Counted(x[1]) + 1
        return (x[2] - total).value, x[0] > Counted(x[1]), (x + Preferred(x)).value

    x = np.array([1.0, 2.0, 4.0])
    for found, wanted in zip(weft.compile(f)(x), f(x), strict=True):
        np.testing.assert_array_equal(found, wanted)
    for other in (object(), Counted):
        with pytest.raises(weft.DTypeError, match="is not an array or a number"):
            weft.compile(lambda x, other=other: x[0] + other)(x)


def test_attributes_of_traced_values_are_those_of_arrays():
    def f(x, n):
        s = x[0, 0]
        known = [hasattr(v, name) for v in (s, n) for name in ("value", "dim", "type", "trace", "view")]
        return known, getattr(s, "value", 7.0), getattr(n, "dim", 3), x.trace()

    x = np.arange(9.0).reshape(3, 3)
    assert weft.compile(f)(x, 5) == f(x, 5)
    with pytest.raises(AttributeError, match="no attribute 'value'"):
        weft.compile(lambda x: x[0, 0].value)(x)


def set_in_one_branch(x):
    a, b = Plain(), Plain()
    if x[0] > 0:
        a.v = x[1]
    else:
        b.row = x * 2
    found = (a.v, True) if hasattr(a, "v") else (np.float64(0.5), False)
    return *found, getattr(b, "row", x)


def best_of_a_loop(x):
    a = Plain()
    for k, v in enumerate(x):
        if v > 0.1:
            a.best, a.at = v, k
            setattr(a, "row", x * v)  # noqa: B010 -- the builtin is meant
        a.last = v
    return a.best, a.at, a.row, a.last


def from_the_first_iteration(x):
    a = Plain()
    for i in range(len(x)):
        if i > 0:
            a.s = a.s * 0.5 + x[i]
        else:
            a.s = x[i]
    return a.s


def taken_away(x):
    a = Plain()
    a.k, a.__dict__["q"] = np.float64(1.0), x[1]
    if x[0] > 0:
        del a.k
        a.__dict__["q"] = x[2]
    return hasattr(a, "k"), a.q


def held_in_one_branch(x):
    if x[0] > 0:
        rows, named = [x[1]], {"a": x[1]}
    if x[0] > 0:
        rows.append(x[2])
        named["a"] = x[3]
    return (rows[0] + rows[1] + named["a"]) if x[0] > 0 else x[0]


class Slotted:
    __slots__ = ("__hidden", "best", "count")

    def __init__(self, best):
        self.best, self.count, self.__hidden = best, 0, 1.0

    def add(self, v):
        self.__hidden += v
        return self.__hidden


def in_slots(x):
    s, t = Slotted(x[0]), Slotted(x[1])
    for v in x:
        s.add(v)
        if v > s.best:
            s.best, s.count = v, s.count + 1
    if x[0] > 0:
        del t.best
    return s.best, s.count, s.add(0.0), hasattr(t, "best")


class Plain:
    pass


@pytest.mark.parametrize(
    "program",
    [
        *(set_in_one_branch, best_of_a_loop, from_the_first_iteration, taken_away, held_in_one_branch),
        in_slots,
    ],
)
def test_attributes_of_some_paths(program):
    compiled = weft.compile(program)
    for first in (1.0, -1.0):
        x = np.array([first, 0.25, 0.5, -0.5, 0.125])
        same(compiled(x), program(x))


def test_a_missing_attribute():
    def f(x):
        a = Plain()
        if x[0] > 0:
            a.v = x[1]
        return a.v

    compiled = weft.compile(f)
    assert compiled(np.array([1.0, 2.0])) == 2.0
    with pytest.raises(AttributeError, match="'Plain' object has no attribute 'v'"):
        compiled(np.array([-1.0, 2.0]))


def test_objects_that_are_made_and_returned():
    """They are new at each call, with what the program computed, and one where they were one."""

    def f(x):
        a, b, c = Plain(), Plain(), Slotted(x[0])
        a.row, a.size, b.inner = x + 1, len(x), a
        b.both = [a, a.row, c]
        return b, a

    compiled = weft.compile(f)
    results = [compiled(np.arange(n, dtype=float)) for n in (3.0, 4.0)]
    for n, (b, a) in zip((3, 4), results, strict=True):
        assert b.inner is a
        assert b.both[0] is a
        assert b.both[1] is a.row
        assert b.both[2].best == 0.0
        same((a.row, a.size), (np.arange(n) + 1.0, n))

    def around(x):
        a = Plain()
        a.v, a.me = x, a
        return a

    with pytest.raises(weft.UnsupportedError, match="leads to itself"):
        weft.compile(around)(np.arange(3.0))


def test_an_attribute_from_outside_is_not_deleted():
    held = Plain()
    held.v = np.ones(3)

    def f(x):
        del held.v
        return x

    with pytest.raises(weft.UnsupportedError, match="is deleted"):
        weft.compile(f)(np.ones(2))
    assert held.v.sum() == 3
