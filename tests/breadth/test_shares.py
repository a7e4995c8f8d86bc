"""Bins that the values decide, weighted quantiles, parts of arrays of computed sizes; against NumPy."""

import numpy as np
import pytest

import weft
from tests.surface.check import check

RNG = np.random.default_rng(3)
X, COUNTS = RNG.normal(size=400), RNG.integers(0, 9, 90)
W = np.abs(X[:40]).reshape(5, 8)
A = W - 0.3
N = np.where(A < 0, np.nan, A)


@pytest.mark.parametrize("rule", ["auto", "doane", "fd", "rice", "scott", "sqrt", "stone", "sturges"])
def test_rules_for_bins(rule):
    for values, kwargs in ((X, {}), (COUNTS, {"range": (2, 20)}), (np.zeros(3), {})):
        assert check(np.histogram, [values, rule], kwargs) == "same"


def computed(x):
    return (
        np.histogram(x, int(x.max())),
        np.bincount(x)[:-1],
        np.diff(np.arange(int(x.max()) + 1) * 2),
        np.zeros(int(x.max()) + 3)[1:-1],
    )


def test_computed_numbers_of_bins_and_parts_of_computed_sizes():
    assert check(computed, [COUNTS], {}) == "same"


@pytest.mark.parametrize(("bins", "kwargs", "error"), [
    ("wrong", {}, ValueError),
    ("auto", {"weights": X}, TypeError),
])  # fmt: skip
def test_rules_that_are_refused(bins, kwargs, error):
    with pytest.raises(error):
        weft.compile(lambda x: np.histogram(x, bins, **kwargs))(X)


def weighted(a, w, n):
    cdf = {"method": "inverted_cdf"}
    return (
        np.quantile(a, 0.3, weights=w, **cdf),
        np.percentile(a, [0, 40, 100], weights=w, axis=1, **cdf),
        np.quantile(a, [[0.2], [0.9]], weights=w[0], axis=1, keepdims=True, **cdf),
        np.quantile(n, 0.5, weights=w, axis=0, **cdf),
        np.nanquantile(n, 0.5, weights=w, axis=0, **cdf),
    )


def test_weighted_quantiles():
    assert check(weighted, [A, W, N], {}) == "same"
    for weights, method in ((-W, "inverted_cdf"), (0 * W, "inverted_cdf"), (W, "linear")):
        with pytest.raises(ValueError, match=r"eights"):
            weft.compile(lambda a, w, m: np.quantile(a, 0.3, weights=w, method=m))(A, weights, method)
