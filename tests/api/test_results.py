"""Results as NumPy would return them: objects, views, kinds, containers."""

import collections
import dataclasses

import numpy as np
import pytest

import weft

Pair = collections.namedtuple("Pair", "a b")


@dataclasses.dataclass
class Record:
    a: object
    b: object


def both(fn, *args):
    """The compiled function's result, twice: from the call that compiles and from a warm one."""
    f = weft.compile(fn)
    return f(*args), f(*args)


def test_returned_arguments_are_the_same_objects():
    x, pair, record, items = np.arange(4.0), Pair(np.ones(2), 1), Record(np.ones(2), 2), [np.ones(3)]
    for result in both(lambda x, pair, record, items: (x, pair, record, items, x), x, pair, record, items):
        assert result[0] is x
        assert result[4] is x
        assert result[1] is pair
        assert result[2] is record
        assert result[3] is items


def test_a_new_array_returned_twice_is_one_object():
    def f(x):
        y = x + 1
        return y, [y]

    for first, (second,) in both(f, np.ones(3)):
        assert first is second


def test_views_of_arguments():
    x = np.arange(24.0).reshape(4, 6)

    def f(x):
        return x[1:], x.T, x[::2, ::-1], x.reshape(-1), x[2], x[:, None]

    for result in both(f, x):
        for ours, theirs in zip(result, f(x), strict=True):
            assert np.shares_memory(ours, x)
            assert ours.shape == theirs.shape
            assert all(
                a == b for a, b, n in zip(ours.strides, theirs.strides, ours.shape, strict=True) if n > 1
            )
            assert np.array_equal(ours, theirs)
        result[0][0, 0] = 100
        assert x[1, 0] == 100


@pytest.mark.parametrize(
    "make", [np.asfortranarray, lambda x: np.repeat(x, 2, 0)[::2], lambda x: x[::-1], lambda x: x.T.copy().T]
)
def test_views_of_arguments_in_other_layouts(make):
    x = make(np.arange(24.0).reshape(4, 6))

    def f(x):
        return x[1:3], x.T, x[:, 2], x + 1

    for result in both(f, x):
        for ours, theirs in zip(result, f(x), strict=True):
            assert np.array_equal(ours, theirs)
        assert all(np.shares_memory(view, x) for view in result[:3])


def test_views_of_results():
    def f(x):
        y = x * 2
        return y, y[1:], y.T

    for y, tail, turned in both(f, np.ones((3, 2))):
        y[1, 0] = 50
        assert tail[0, 0] == 50
        assert turned[0, 1] == 50


def test_containers_and_kinds():
    def f(x):
        return {
            "tuple": (x + 1, x.shape), "list": [x.sum(), len(x)], "pair": Pair(x * 2, 3),
            "record": Record(x[0], None),
            "kinds": (x.sum(), x.ndim, x.size * 2, True, "text", 2.5, x.dtype, np.float32(1) * x[0]),
        }  # fmt: skip

    x = np.arange(4.0)
    expected = f(x)
    for result in both(f, x):
        assert list(result) == list(expected)
        assert type(result["pair"]) is Pair
        assert type(result["record"]) is Record
        assert type(result["tuple"][1]) is tuple
        assert result["tuple"][1] == (4,)
        assert [type(v) for v in result["kinds"]] == [type(v) for v in expected["kinds"]]
        assert result["kinds"] == expected["kinds"]
        assert result["list"] == expected["list"]
        assert [type(v) for v in result["list"]] == [np.float64, int]


def test_sizes_in_results_are_ints_in_every_variant():
    @weft.compile
    def f(x, n):
        return len(x) + 1, n * 2, x.shape

    for n in (2, 3, 4, 9):
        result = f(np.ones((n, 2)), n + 7)
        assert result == (n + 1, 2 * (n + 7), (n, 2))
        assert all(type(v) is int for v in (*result[:2], *result[2]))


def test_dtypes_of_small_things():
    for dtype in ("?", "i1", "u2", "i8", "f4", "f8"):
        x = np.ones(3, dtype)
        for result in both(lambda x: (x.sum(), x[0], x + x, x.max()), x):
            theirs = (x.sum(), x[0], x + x, x.max())
            assert [v.dtype for v in result] == [v.dtype for v in theirs]
            assert [type(v) for v in result] == [type(v) for v in theirs]


def test_rank_0_and_empty():
    for x in (np.array(2.0), np.zeros(0), np.zeros((0, 3)), np.zeros((3, 0))):
        for result in both(lambda x: (x + 1, x.sum(), x), x):
            assert np.array_equal(result[0], x + 1)
            assert type(result[0]) is type(x + 1)
            assert result[1] == x.sum()
            assert result[2] is x


def test_new_results_never_share_memory_with_constants():
    table = np.arange(3.0)
    f = weft.compile(lambda x: table * 1 + 0 * x)
    first = f(np.zeros(3))
    first[:] = 9
    assert f(np.zeros(3)).tolist() == [0, 1, 2]


def test_nothing_is_returned():
    def f(x):
        x += 1

    x = np.zeros(2)
    assert both(f, x) == (None, None)
    assert x.tolist() == [2, 2]
