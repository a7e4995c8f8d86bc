"""Covariance, histograms, counting, statistics without NaN."""

import numpy as np
import pytest

import weft
from tests.breadth.native import check

RNG = np.random.default_rng(15)
X = RNG.normal(size=(3, 20))
N = np.where(RNG.random((4, 6)) < 0.3, np.nan, RNG.normal(size=(4, 6)))
K = RNG.integers(0, 7, 40)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: (np.cov(x), np.cov(x[0]), np.cov(x[0], x[1])),
        lambda x: np.cov(x.T, rowvar=False, bias=True), lambda x: np.cov(x, ddof=0),
        lambda x: (np.corrcoef(x), np.corrcoef(x[0], x[1])), lambda x: np.cov(x, aweights=np.arange(20.0)),
        lambda x: np.cov(x, fweights=np.arange(20)), lambda x: np.cov(x.astype("f4")),
        lambda x: np.cov(x, dtype="f4"),
    ],
)  # fmt: skip
def test_covariance(fn):
    check(fn, X, tolerance=1e-6)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: np.histogram(x), lambda x: np.histogram(x, 5),
        lambda x: np.histogram(x, bins=7, range=(-1, 1.5)),
        lambda x: np.histogram(x, [-2, -1, 0, 0.5, 3]), lambda x: np.histogram(x, 5, density=True),
        lambda x: np.histogram(x, 4, weights=x * x), lambda x: np.histogram_bin_edges(x, 6),
        lambda x: np.histogram(np.round(x * 4), 8, (-4, 4)),
        lambda x: np.histogram(np.zeros(5), 3), lambda x: np.histogram(np.zeros(0), 3),
        lambda x: np.histogram(x, [0.0, 1.0, 1.0, 2.0]),
        lambda x: np.histogram(x, np.linspace(-1, 1, 5), density=True)[0],
        lambda x: np.histogram((x * 10).astype(int), 9),
        lambda x: np.histogram2d(x[0], x[1], 4),
        lambda x: np.histogram2d(x[0], x[1], [3, 5], [[-1, 1], [-2, 2]]),
        lambda x: np.histogram2d(x[0], x[1], [np.linspace(-1, 1, 4), 3], density=True, weights=x[2] ** 2),
    ],
)  # fmt: skip
def test_histograms(fn):
    check(fn, X, tolerance=1e-12)


def test_histogram_counts_exactly():
    x = (RNG.normal(size=2000) * 3).astype("f4")
    check(lambda a: np.histogram(a, 13)[0], x)
    check(lambda a: np.histogram(a, np.sort(a[:20]))[0], x)


def test_bincount():
    check(lambda k: np.bincount(k, minlength=8), K)
    check(lambda k: np.bincount(k.astype("u1"), weights=k * 0.5, minlength=10), K)
    with pytest.raises(IndexError):
        weft.compile(lambda k: np.bincount(k, minlength=3))(K)


@pytest.mark.filterwarnings("ignore:Degrees of freedom")
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_without_nan(axis):
    for x in (N, N.astype("f4"), np.arange(6).reshape(2, 3)):
        check(
            lambda a: (
                np.nanvar(a, axis),
                np.nanstd(a, axis, ddof=1),
                np.nanvar(a, axis=axis, keepdims=True),
            ),
            x,
            tolerance=1e-6,
        )
        check(lambda a: (np.nanargmax(a, axis), np.nanargmin(a, axis)), x)


def test_errors():
    for fn, x, message in (
        (np.nanargmax, np.full(3, np.nan), "All-NaN"),
        (lambda a: np.histogram(a, a), -np.arange(3.0), "monotonically"),
        (np.histogram, np.array([np.nan, 1.0]), "not finite"),
        (lambda a: np.digitize(a, [0.0, 2.0, 1.0]), np.ones(2), "monotonically"),
        (lambda a: np.quantile(a, a + 1), np.ones(2), "range"),
        (lambda a: a[a > 1].max(), np.ones(2), "no identity"),
        (lambda a: a[a > 1].argmin(), np.ones(2), "empty sequence"),
        (lambda a: np.unravel_index(a.astype(int) * 9, (2, 2)), np.ones(2), "out of bounds"),
        (lambda a: np.ravel_multi_index((a.astype(int), a.astype(int) * 2), (2, 2)), np.ones(2), "invalid"),
    ):
        with pytest.raises(ValueError, match=message):
            weft.compile(fn)(x)


def test_edges_of_histograms():
    """The dtype of the range counts too; bins that do not differ are an error."""
    half = np.array([1.0], "f2")
    counts, edges = weft.compile(lambda x: np.histogram(x, 1, (np.float32(1.0000001), np.float32(2))))(half)
    assert counts[0] == 0
    assert edges.dtype == np.float32
    with pytest.raises(ValueError, match="Too many bins"):
        weft.compile(lambda x: np.histogram(x, 10))(np.array([1.0, 1.0 + 1e-15]))


@pytest.mark.parametrize("shape", [(2, 8, 0), (0, 2, 3)])
@pytest.mark.parametrize("axis", [(0, 1), 1])
def test_without_nan_of_no_elements(shape, axis):
    x = np.zeros(shape, int)
    check(lambda x: np.nanmedian(x, axis=axis), x)
    check(lambda x: np.nanquantile(x, [0.3, 0.5], axis=axis), x)
