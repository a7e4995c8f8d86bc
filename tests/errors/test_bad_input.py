"""Follows the table in docs/bad-input.md, row by row; after each bad call a good one works."""

import re
from pathlib import Path

import numpy as np
import pytest

import weft

DOCUMENT = Path(__file__).parents[2] / "docs" / "bad-input.md"
X = np.arange(6.0)
CASES = {}


def bad(error, code=None, *, place=True, good=(X,)):
    """A case that must raise: the function gives (compiled function, arguments)."""

    def take(make):
        CASES[make.__name__] = lambda: refused(make, error, code, place=place, good=good)
        return make

    return take


def right(make):
    """A case whose result must be that of plain Python, arguments included, twice and with a warm call."""
    CASES[make.__name__] = lambda: agrees(make)
    return make


def refused(make, error, code, *, place, good):
    fn, args = make()
    f = weft.compile(fn)
    with pytest.raises(error) as caught:
        f(*args)
    if code is not None:
        assert isinstance(caught.value, weft.WeftError)
        assert caught.value.code in code.split(), str(caught.value)
        assert caught.value.fix
    if code is not None and place:
        assert Path(__file__).name in str(caught.value), str(caught.value)
        assert caught.value.location is not None
    with pytest.raises(error):
        f(*args)
    stats = f.stats()["compiles"]
    assert np.allclose(f(*good), fn(*good), equal_nan=True)
    assert f.stats()["compiles"] <= stats + 1


def agrees(make):
    fn, _ = make()
    f = weft.compile(fn)
    for _ in range(2):
        _, ours = make()
        _, theirs = make()
        found, expected = f(*ours), fn(*theirs)
        assert type(found) is type(expected)
        assert np.allclose(found, expected)
        assert getattr(found, "dtype", None) == getattr(expected, "dtype", None)
        for a, b in zip(ours, theirs, strict=True):
            if isinstance(a, np.ndarray):
                assert np.array_equal(a, b)


# ---- shapes


@bad(weft.ShapeError, "E010 E011", good=(np.ones((2, 2)),))
def wrong_rank():
    return lambda x: x @ np.ones((2, 2)) if x.ndim == 2 else x @ np.ones((2, 2, 2)), (np.ones(3),)


@bad(weft.ShapeError, "E012", good=(X, X))
def incompatible_shapes():
    return lambda x, y: x + y, (np.ones(3), np.ones(4))


@bad(weft.ShapeError, "E010", good=(np.ones((2, 3)), np.ones((3, 2))))
def incompatible_products():
    return lambda x, y: x @ y, (np.ones((2, 3)), np.ones((2, 3)))


@bad(weft.ShapeError, "E013")
def wrong_reshape():
    return lambda x: x.reshape(2, 3), (np.ones(5),)


@bad(np.exceptions.AxisError, "E015", good=(np.ones((2, 2)),))
def wrong_axis():
    return lambda x: x.sum(axis=1), (np.ones(5),)


@bad(weft.IndexFault, "E020")
def index_out_of_range():
    return lambda x: x[5], (np.ones(3),)


@bad(weft.IndexFault, "E020", good=(X, np.array([0, -6])))
def gather_out_of_range():
    return lambda x, i: x[i], (X, np.array([0, 6]))


@bad(weft.IndexFault, "E021", good=(np.ones((2, 2)),))
def too_many_indices():
    return lambda x: x[0, 0], (np.ones(3),)


@bad(weft.ShapeError, "E016", good=(4,))
def overflowing_sizes():
    return lambda n: np.zeros((n, n)), (2**33,)


@bad(MemoryError, good=(4,))
def too_large():
    return lambda n: np.zeros((n, n)) + 1, (2**23,)


@bad(ValueError, good=(4,))
def negative_size():
    return lambda n: np.zeros(n), (-3,)


@bad(weft.ShapeError, "E016")
def maximum_of_nothing():
    return lambda x: x.max(), (np.zeros(0),)


# ---- dtypes


@bad(weft.DTypeError, "E031")
def object_array():
    return lambda x: x + 1, (np.array([1, None]),)


@bad(weft.DTypeError, "E031")
def string_array():
    return lambda x: x[1:] * 2, (np.array(["a", "b"]),)


@bad(weft.DTypeError, "E031")
def date_array():
    return lambda x: x[1:] * 2, (np.array(["2020-01-01"], "M8[D]"),)


@bad(weft.DTypeError, "E031")
def record_array():
    return lambda x: x[1:] * 2, (np.zeros(2, [("a", "f4")]),)


@bad(weft.ShapeError, "E017", good=([[1.0, 2.0], [3.0, 4.0]],))
def ragged_list():
    return lambda x: np.array(x) + 1, ([[1.0, 2.0], [3.0]],)


@right
def list_of_arrays():
    return lambda x: sum(a.sum() for a in x), ([np.ones(2), np.ones(3)],)


# ---- forced to Python


@bad(weft.UnsupportedError, "E052 E053", good=())
def forced_text():
    value = np.ones(2)
    return lambda x=None: 1.0 if x is None else str(x.sum()).split(), (value,)


@bad(weft.UnsupportedError, "E052 E053", good=())
def forced_index():
    return lambda x=None: 1.0 if x is None else [max, min][x.sum()], (np.array([1, 0]),)


@bad(weft.UnsupportedError, "E052 E053", good=())
def forced_save():
    return lambda x=None: 1.0 if x is None else np.save("/nowhere/x.npy", x), (X,)


# ---- memory


@right
def strided():
    return lambda x: (x * 2 + x[::-1]).sum(axis=0), (np.arange(48.0).reshape(6, 8)[::2, 1::3],)


@right
def negative_strides():
    return lambda x: x * 2 + 1, (np.arange(12.0).reshape(3, 4)[::-1, ::-2],)


@right
def zero_strides():
    return lambda x: x * 2, (np.broadcast_to(np.arange(3.0), (4, 3)),)


@right
def columns_first():
    return lambda x: x @ x.T + x.sum(), (np.asfortranarray(np.arange(12.0).reshape(3, 4)),)


def read_only_array():
    x = np.arange(4.0)
    x.flags.writeable = False
    return x


@right
def read_only_read():
    return lambda x: x + 1, (read_only_array(),)


@bad(ValueError)
def read_only_written():
    def f(x):
        x[0] = 1
        return x

    return f, (read_only_array(),)


def misaligned_array():
    x = np.zeros(8 * 6 + 1, "u1")[1:].view("f8")
    x[:] = np.arange(6)
    return x


@right
def misaligned():
    def f(x):
        x += 1
        return x * 2

    return f, (misaligned_array(),)


@right
def byte_swapped():
    def f(x, y):
        x[0] = y[1]
        return x * 2 + y.sum()

    return f, (np.arange(4).astype(">f8"), np.arange(3, dtype=">i4"))


@right
def identical_arguments():
    def f(x, y):
        x += 1
        return x * y

    x = np.arange(4.0)
    return f, (x, x)


@right
def overlap_read():
    x = np.arange(5.0)
    return lambda x, y: x * y, (x[1:], x[:-1])


@bad(weft.AliasError, "E040", good=(np.ones(4), np.ones(4)))
def overlap_written():
    def f(x, y):
        x[:] = y + 1
        return x

    x = np.arange(5.0)
    return f, (x[1:], x[:-1])


# ---- other kinds of arrays


@bad(weft.UnsupportedError, "E031")
def masked_array():
    return lambda x: x + 1, (np.ma.array([1.0, 2.0], mask=[True, False]),)


@bad(weft.UnsupportedError, "E031", good=(np.ones((2, 2)),))
def matrix():
    return lambda x: x * x, (np.matrix([[1.0, 2.0], [3.0, 4.0]]),)


class Special(np.ndarray):
    pass


@bad(weft.UnsupportedError, "E031")
def subclass():
    return lambda x: x * x, (np.ones(3).view(Special),)


def test_memory_map(tmp_path):
    x = np.memmap(tmp_path / "x", "f8", "w+", shape=(4,))

    @weft.compile
    def f(x):
        x += 1
        return x.sum()

    assert f(x) == 4
    assert f(x) == 8
    assert x.tolist() == [2] * 4
    assert f.stats()["compiles"] == 1


def test_array_protocol():
    class Holder:
        def __init__(self, value):
            self.value = value

        def __array__(self, dtype=None, copy=None):
            return self.value

    @weft.compile
    def f(x):
        x += 1
        return x.sum()

    holder = Holder(np.zeros(3))
    assert f(holder) == 3
    assert f(holder) == 6
    assert holder.value.tolist() == [2] * 3
    assert f.stats()["compiles"] == 1


@right
def rank_0():
    return lambda x: x + 1, (np.array(2.5),)


@right
def numpy_scalar():
    return lambda x: x * 2, (np.float32(2.5),)


@right
def empty():
    return lambda x: (x * 2).sum(axis=0), (np.zeros((0, 3)),)


@bad((OverflowError, weft.UserError), good=(np.ones(3), 2))
def huge_int():
    return lambda x, n: x.astype(np.int64) + n, (np.ones(3), 2**70)


# ---- arguments


@bad(TypeError, good=(X, X))
def missing_argument():
    return lambda x, y: x + y, (X,)


def test_other_structure():
    f = weft.compile(lambda p: p[0] + p[1] if isinstance(p, tuple) else p["a"])
    assert f((X, X))[1] == 2
    assert f({"a": X})[1] == 1
    assert f((X, 3))[1] == 4
    assert f((X, X))[1] == 2
    with pytest.raises(IndexError):
        f((X,))
    assert f((X, X))[1] == 2


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    CASES[name]()


def test_table_is_complete():
    rows = [
        line
        for line in DOCUMENT.read_text().splitlines()
        if line.startswith("| ") and "`" in line.split("|")[-2]
    ]
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[-2])}
    tested = set(CASES) | {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert listed == tested - {"case", "table_is_complete"}


def test_nothing_after_a_failure_is_written():
    @weft.compile
    def fails_first(x, i, count):
        y = x[i]
        count += 1
        return (y * 2).sum()

    @weft.compile
    def fails_last(x, i, count):
        count += 1
        y = x[i]
        return (y * 2).sum()

    for fn, expected in ((fails_first, 0), (fails_last, 1)):
        count = np.zeros(2)
        with pytest.raises(weft.IndexFault):
            fn(np.ones(3), np.array([1, 5]), count)
        assert count.tolist() == [expected] * 2, fn


def by_elements(x, idx, seen):
    for i in idx:
        x[i, 1] = x[i, 0] + x[2, 1]
        x[i, 1:] += 1
        seen[i] += 1


def by_raising(x, idx, seen):
    for k in range(len(idx)):
        x[:, 0] += 1
        if idx[k] > 3:
            raise IndexError("late")
        seen[idx[k]] += 1


def in_registers(x, idx, seen):
    view = x[:, 1]
    for i in idx:
        seen[0] += x[i, 0] + 1
        view[i] = 2


def merged(x, idx, seen):
    seen += 1
    x[:, 1] = x[idx, 0]
    seen += 1


def test_iterations_before_a_failure_are_written():
    def results(fn, idx):
        x, seen = np.ones((4, 3)), np.zeros(4)
        if max(idx) < len(x):
            fn(x, idx, seen)
        else:
            with pytest.raises(IndexError):
                fn(x, idx, seen)
        return x, seen

    good, bad = np.array([0, 2, 1, 1]), np.array([3, 2, 9, 1])
    for fn in (by_elements, by_raising, in_registers, merged):
        compiled = weft.compile(fn)
        for idx in (good, bad, good):
            x, seen = results(compiled, idx)
            expected = results(fn, idx)
            if idx is good:
                np.testing.assert_array_equal(x, expected[0])
            if idx is bad and fn is by_elements:  # x[0] may be what the failing statement wrote
                np.testing.assert_array_equal(x[1:], expected[0][1:])
            if idx is good or fn in (by_elements, by_raising):
                np.testing.assert_array_equal(seen, expected[1])
