"""What loops and branches become: how many ops, how many copies, which errors."""

import numpy as np
import pytest

import weft
from tests.frontend.running import traced
from tests.frontend.test_control_programs import agree, ramp
from weft.ir.errors import WeftError
from weft.ir.walk import walk


def operations(fn, *args):
    """Names of the ops of the traced program."""
    return [op.name for op in walk(traced(fn, *args).func)]


def recurrence(x, n):
    s = 0.0
    for i in range(n):
        if i % 3 == 0:
            s += x[i % 5]
        else:
            s = s / 2
    return s


def sweep(x):
    for i in range(1, x.shape[0] - 1):
        for j in range(1, x.shape[1] - 1):
            x[i, j] = 0.25 * (x[i - 1, j] + x[i + 1, j] + x[i, j - 1] + x[i, j + 1])
    return x


def test_ops_do_not_depend_on_the_trip_count():
    assert operations(recurrence, ramp(5), 10) == operations(recurrence, ramp(5), 10000)


def test_a_write_at_a_computed_position_touches_no_more():
    def element(x, places):
        for i in places:
            x[i, 0] += 1
            x[0, i] = 2

    def part(x, places):
        for i in places:
            x[i, 1:3] = x[i, :2]

    def types(fn, x):
        func = traced(fn, x, np.array([1, 0, 1])).func
        return {str(op.result.type) for op in walk(func) if op.name in ("gather", "slice")} - {"i64[1]"}

    assert types(element, np.zeros((5, 4))) == {"f64[]"}
    assert types(part, np.zeros((5, 4))) == {"f64[4]", "f64[2]"}


def test_a_body_is_traced_once_if_its_types_stay():
    def body(x):
        s = 0.0
        for i in range(x.shape[0]):
            s += float(x[i])
        return s

    assert operations(body, ramp(9)).count("for") == 1


COPIES = []


def copies(expected, *args):
    def add(fn):
        COPIES.append((fn, args, expected))
        return fn

    return add


@copies(0, np.ones((9, 9)))
def in_place_stencil(x):
    return sweep(x)


@copies(1, np.ones((9, 9)))
def stencil_of_a_copy(x):
    return sweep(x.copy())


@copies(0, np.ones((9, 9)))
def writes_under_if(x):
    for i in range(9):
        for j in range(9):
            if x[i, j] > 0:
                x[i, j] = i - j
            else:
                x[j, i] = 1
    return x


@copies(0, np.ones(9))
def writes_in_while(x):
    k = 0
    while k < len(x):
        x[k] = x[k] + x[k - 1]
        k += 2


@pytest.mark.parametrize(("fn", "args", "expected"), COPIES)
def test_no_copies_inside_of_loops(fn, args, expected):
    compiled = agree(fn, *args)
    loops = compiled.ir("loops", *args)
    inside = [
        line for line in loops.splitlines() if line.startswith("    ") and " copy(" in f" {line.strip()}"
    ]
    assert not inside, loops


def test_swapped_arrays_are_not_copied_in_the_loop():
    def swap(x):
        u, v = x.copy(), np.zeros_like(x)
        for _ in range(50):
            v[1:-1] = (u[:-2] + u[2:]) / 2
            u, v = v, u
        return u

    loops = agree(swap, ramp(40)).ir("loops", ramp(40))
    assert loops.count("    copy(") == 0


# ---------------------------------------------------------------- errors


def read_in_first_iteration(x):
    s = 0.0
    for i in range(len(x)):
        if x[i] > 0:
            s += before  # noqa: F821 -- what the test is about
        before = x[i]  # noqa: F841 -- read in the next iteration
    return s


def branches_of_different_structure(x):
    if x[0] > 1:
        return x
    return x, x


def appends_different_things(x):
    found = []
    for i in range(1000):
        found.append(x[i % 3])
        found.append("text")
    return found


kept = {"calls": 0}


def changes_an_outer_object(x):
    for v in x:
        kept["calls"] = v
    return x


@pytest.mark.parametrize(
    ("fn", "args", "code"),
    [
        (branches_of_different_structure, (ramp(9),), "E061"),
        (appends_different_things, (ramp(9),), "E055"),
    ],
)
def test_errors(fn, args, code):
    with pytest.raises(WeftError) as caught:
        weft.compile(fn)(*args)
    assert caught.value.code == code
    assert caught.value.location is not None
    assert caught.value.fix


def test_an_error_in_a_late_iteration_names_line_and_index():
    def late(x, n):
        s = 0.0
        for i in range(n):
            s += x[i]
        return s

    with pytest.raises(IndexError, match="300"):
        weft.compile(late)(ramp(300), 1000)


def test_the_next_call_works_after_an_error():
    def checked(x):
        for v in x:
            assert v < 5, "five"
        return x.sum()

    compiled = weft.compile(checked)
    with pytest.raises(AssertionError, match="five"):
        compiled(ramp(9))
    assert compiled(ramp(9) - 9) == (ramp(9) - 9).sum()


def test_the_error_shows_the_types_of_what_a_tuple_holds():
    def f(x, n):
        s = (x, x)
        for _ in range(n):
            if s[0].sum() > 100:
                break
            s = (s[0] * np.ones(3), s[1])
        return s[0]

    compiled = weft.compile(f)
    assert compiled(np.ones(3, np.float32), 5).dtype == np.float64
    with pytest.raises(weft.DTypeError) as error:  # the break of the first iteration would give a float32
        compiled(np.full(3, 100, np.float32), 5)
    assert "(an array f64[3], an array f32[3])" in str(error.value)


def test_the_error_for_items_names_no_name_of_weft():
    def f(x):
        names = []
        for v in x:
            if v > 0:
                names.append("A")
            else:
                names.append(np.float64)
        return names

    with pytest.raises(weft.DTypeError, match="an item of a list has different types") as error:
        weft.compile(f)(np.ones(9))
    assert "__weft" not in str(error.value)
