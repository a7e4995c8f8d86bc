"""Sorting, searching, medians and quantiles."""

import numpy as np
import pytest

import weft
from tests.breadth.native import arrays, check

RNG = np.random.default_rng(12)
LINE = np.array([-3.0, -1.0, -1.0, 0.5, 2.0, 2.0, 7.0])
SHAPES = ((0,), (1,), (3, 5), (2, 3, 33), (97,))


@pytest.mark.parametrize("dtype", ["f4", "f8", "i1", "i4", "i8", "u2", "u8", "?"])
def test_sort_and_argsort(dtype):
    for x in arrays(RNG, (dtype,), SHAPES):
        for axis in (None, *range(x.ndim))[-2:]:
            check(lambda a, axis=axis: (np.sort(a, axis), np.argsort(a, axis, kind="stable")), x)


def test_sizes_are_symbolic():
    compiled = weft.compile(lambda a: (np.sort(a, axis=0), np.argsort(a, axis=1)))
    for n in (2, 3, 50, 96, 97, 300):
        x = RNG.integers(0, 50, (n, n + 1)).astype("f4")
        values, places = compiled(x)
        np.testing.assert_array_equal(values, np.sort(x, axis=0))
        np.testing.assert_array_equal(places, np.argsort(x, axis=1, kind="stable"))
    assert compiled.stats()["compiles"] <= 2


def test_unique_rows_of_any_number():
    compiled = weft.compile(lambda a: np.unique(a, axis=0, return_counts=True))
    for n in (3, 2, 5, 40):
        x = RNG.integers(0, 2, (n, 3))
        for found, wanted in zip(compiled(x), np.unique(x, axis=0, return_counts=True), strict=True):
            np.testing.assert_array_equal(found, wanted)
    assert compiled.stats()["compiles"] == 2


def in_place(x):
    x.sort()
    x[0].sort()
    y = x.T
    y.sort(axis=1)
    return y


@pytest.mark.parametrize(
    "fn",
    [
        in_place, lambda x: np.sort(x * 2 + 1, axis=0)[::-1],
        lambda x: x[np.arange(4)[:, None], x.argsort(1, stable=True)],
        lambda x: np.partition(x, 2, axis=1)[:, 2],
        lambda x: np.take_along_axis(x, np.argpartition(x, 2, axis=0), 0)[2],
        lambda x: np.lexsort((np.round(x[0]), np.round(x[1] / 10))), lambda x: np.sort(x, kind="mergesort"),
        lambda x: np.sort(np.sort(x, axis=0), axis=1), lambda x: np.lexsort(np.round(x / 10)),
    ],
)  # fmt: skip
def test_kin(fn):
    check(fn, RNG.normal(size=(4, 9)) * 9)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u1"])
def test_searchsorted(dtype):
    values = np.concatenate([LINE, [np.nan, np.inf, -np.inf] if dtype[0] == "f" else [3.0]]).astype(dtype)
    for line in (LINE.astype(dtype), LINE[:1].astype(dtype), LINE[:0].astype(dtype), np.append(LINE, np.nan)):
        line = np.sort(line)
        check(
            lambda a, v: (
                np.searchsorted(a, v),
                a.searchsorted(v.reshape(-1, 1), side="right"),
                np.searchsorted(a, 1),
            ),
            line,
            values,
        )
    check(lambda a, v: np.digitize(v, a), LINE, values)
    check(
        lambda a, v: (np.digitize(v, a[::-1]), np.digitize(v, a, right=True), np.digitize(v[0], a)),
        LINE,
        values,
    )
    check(lambda a, v: np.searchsorted(a[::-1], v, sorter=np.argsort(a[::-1])), LINE, values)


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1)])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_median_and_quantiles(axis, dtype):
    for shape in ((3, 5), (2, 3, 4)):
        x = (RNG.normal(size=shape) * 20).astype(dtype)
        check(lambda a: (np.median(a, axis), np.median(a, axis, keepdims=True)), x)
        check(
            lambda a: (np.percentile(a, 30, axis), np.quantile(a, [0.0, 0.25, 0.5, 1.0], axis)),
            x,
            tolerance=1e-6,
        )
        check(
            lambda a, q: (
                np.quantile(a, q, axis, keepdims=True),
                np.percentile(a, np.array([[5, 50.0]]), axis),
            ),
            x,
            0.6,
            tolerance=1e-6,
        )


@pytest.mark.parametrize(
    "method",
    [
        "lower",
        "higher",
        "nearest",
        "midpoint",
        "hazen",
        "weibull",
        "median_unbiased",
        "interpolated_inverted_cdf",
    ],
)
def test_methods_of_quantiles(method):
    check(
        lambda a: np.quantile(a, [0.1, 0.5, 0.77], axis=1, method=method),
        RNG.normal(size=(3, 8)),
        tolerance=1e-12,
    )


@pytest.mark.filterwarnings("ignore:All-NaN")
def test_nan():
    x = RNG.normal(size=(5, 7))
    x[0, 2] = x[1, :3] = x[2] = np.nan
    check(
        lambda a: (
            np.median(a, axis=1),
            np.median(a),
            np.nanmedian(a, axis=1),
            np.nanmedian(a, axis=0, keepdims=True),
        ),
        x,
    )
    check(
        lambda a: (
            np.quantile(a, 0.3, axis=1),
            np.nanquantile(a, 0.3, axis=1),
            np.nanpercentile(a, [10, 90]),
        ),
        x,
        tolerance=1e-12,
    )


def test_gradient():
    x, weights = RNG.normal(size=9), RNG.normal(size=9)
    gradient = weft.grad(lambda a: (np.sort(a) * weights).sum())(x)
    expected = np.zeros(9)
    expected[np.argsort(x)] = weights
    np.testing.assert_array_equal(gradient, expected)
    gradient = weft.grad(lambda a: np.median(a))(x)
    assert gradient.sum() == 1
    assert gradient[np.argsort(x)[4]] == 1


def test_errors():
    with pytest.raises(ValueError, match="range"):
        weft.compile(lambda a: np.percentile(a, 101))(np.ones(3))
    with pytest.raises(ValueError, match="out of bounds"):
        weft.compile(lambda a: np.partition(a, 3))(np.ones(3))
    with pytest.raises(ValueError, match="axis"):
        weft.compile(lambda a: np.sort(a, axis=1))(np.ones(3))


@pytest.mark.parametrize("dtype", ["f8", "f4", "i2", "u1"])
def test_partitions(dtype):
    """The places asked for hold what they would if sorted, and none before them is larger."""
    for shape, axis in (((1000,), 0), ((3, 301), 1), ((150, 3), 0), ((50,), 0)):
        n = shape[axis]
        x = RNG.normal(size=shape) * 50
        x = (
            np.where(RNG.random(shape) < 0.1, RNG.choice([0.0, -0.0, np.nan, np.inf], shape), x)
            if dtype[0] == "f"
            else abs(x)
        )
        x, k = x.astype(dtype), n // 2
        found = weft.compile(
            lambda a, k=k, axis=axis, n=n: (
                np.partition(a, k, axis),
                np.argpartition(a, k, axis),
                np.partition(a, (k, n // 3), axis),
            )
        )(x)
        line, order, two = found
        for part, place in ((line, k), (two, k), (two, n // 3), (np.take_along_axis(x, order, axis), k)):
            np.testing.assert_array_equal(np.sort(part, axis), np.sort(x, axis))
            np.testing.assert_array_equal(np.take(part, place, axis), np.take(np.sort(x, axis), place, axis))
            before, smaller = (np.take(v, range(place), axis) for v in (part, np.sort(x, axis)))
            np.testing.assert_array_equal(np.sort(before, axis), smaller)


def test_a_partition_at_a_place_that_sizes_say():
    compiled = weft.compile(lambda a: (np.partition(a, a.shape[0] // 2), np.median(a)))
    for n in (500, 700, 801, 50, 2):
        x = RNG.normal(size=n)
        line, middle = compiled(x)
        assert line[n // 2] == np.sort(x)[n // 2]
        assert middle == np.median(x)
    assert np.isnan(compiled(np.where(np.arange(500) == 3, np.nan, 1.0))[1])


def test_derivative_of_a_partition():
    x = np.concatenate([RNG.normal(size=300), [0.0, -0.0, -0.0, 0.0, -1e-300]])
    line, weights = weft.compile(lambda a: np.partition(a, 151))(x), np.arange(305.0)
    (found,) = weft.vjp(lambda a: np.partition(a, 151), x)[1](weights)
    for value, weight in zip(line[line != 0], weights[line != 0], strict=True):
        assert found[x == value] == weight


@pytest.mark.parametrize("place", [np.int64(3), np.array(-2), np.array([1, 4]), np.longlong(5)])
def test_partition_by_a_computed_place(place):
    x = np.random.default_rng(3).normal(size=9)
    found = weft.compile(lambda x, place: (np.partition(x, place), x[np.argpartition(x, place)]))(x, place)
    for one in found:
        places = np.atleast_1d(place)
        np.testing.assert_array_equal(one[places], np.sort(x)[places])
        assert all(one[:k].max(initial=-9) <= one[k] <= one[k:].min() for k in places % 9)


def test_a_computed_place_outside_of_the_axis():
    f = weft.compile(lambda x, place: np.partition(x, place))
    with pytest.raises(ValueError, match="out of bounds"):
        f(np.ones(4), np.int64(4))
    with pytest.raises(TypeError, match="must be integer"):
        f(np.ones(4), np.float64(1))
    with pytest.raises(ValueError, match="Booleans"):
        f(np.ones(4), np.bool_(True))
