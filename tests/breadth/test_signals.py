"""Gradients, integrals, convolutions, interpolation, polynomials, windows."""

import numpy as np
import pytest

import weft
from tests.breadth.native import check

RNG = np.random.default_rng(14)
X = RNG.normal(size=(6, 7))
V = np.cumsum(RNG.random(9))


@pytest.mark.parametrize(
    "fn",
    [
        lambda x, v: np.gradient(x), lambda x, v: np.gradient(x, axis=0),
        lambda x, v: np.gradient(x, 2.0, 0.5),
        lambda x, v: np.gradient(v * v, v), lambda x, v: np.gradient(v * v, v, edge_order=2),
        lambda x, v: np.gradient(x, edge_order=2, axis=(1, 0)),
        lambda x, v: np.gradient((x * 9).astype(int), axis=1), lambda x, v: np.gradient(x.astype("f4")[0]),
        lambda x, v: (np.trapezoid(x), np.trapezoid(x, dx=0.5, axis=0), np.trapezoid(v, v),
            np.trapezoid(x, v[:7])),
        lambda x, v: (np.ediff1d(x), np.ediff1d(v, to_end=[1.0, 2.0], to_begin=0.0)),
        lambda x, v: (np.unwrap(x * 9), np.unwrap(x * 9, axis=0), np.unwrap((x * 9).astype(int), period=4)),
        lambda x, v: (np.polyval([1.0, 2.0, -3.0], x), np.polyval(x[0], 2.0), np.polyval([1, 2], 3)),
        lambda x, v: (np.polyadd(x[0], [1.0, 2.0]), np.polysub([1.0], x[0]), np.polymul(x[0], [1, 2.0, 3])),
        lambda x, v: (np.polyder(x[0]), np.polyder([1, 2, 3, 4], 2), np.polyint(x[0]),
            np.polyint([3, 2, 1], 2, [1.0, 2.0])),
        lambda x, v: (np.vander(v), np.vander(v, 3), np.vander([1, 2, 3], 4, increasing=True)),
        lambda x, v: (np.hanning(8), np.hamming(5), np.blackman(6), np.bartlett(7), np.kaiser(6, 2.0),
            np.hanning(1)),
        lambda x, v: (np.logspace(0, 2, 5), np.geomspace(1, 1000, 4), np.logspace(0, v[1], 4, base=2.0)),
    ],
)  # fmt: skip
def test_functions(fn):
    check(fn, X, V, tolerance=1e-12)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("sizes", [(9, 3), (3, 9), (8, 4), (1, 1), (5, 5), (40, 21), (21, 40)], ids=str)
def test_convolutions(mode, sizes):
    a, b = (RNG.normal(size=n) for n in sizes)
    check(lambda a, b: (np.convolve(a, b, mode), np.correlate(a, b, mode)), a, b, tolerance=1e-12)


def test_convolution_of_integers_and_symbolic_sizes():
    check(lambda a: (np.convolve(a, [1, 2]), np.convolve(a, [0.5, 1, 2, 4], "same")), np.arange(7))
    compiled = weft.compile(lambda a, w: np.convolve(a, w, "same"))
    for n, m in ((20, 3), (30, 5), (41, 8), (9, 9)):
        a, w = RNG.normal(size=n), RNG.normal(size=m)
        np.testing.assert_allclose(compiled(a, w), np.convolve(a, w, "same"), rtol=1e-12, atol=1e-12)


def test_interp():
    at = np.concatenate([RNG.uniform(-1, 8, 20), V, [np.nan, np.inf, -np.inf]])
    check(
        lambda x, v: (
            np.interp(x, v, v * v),
            np.interp(x, v, v * v, left=-1.0, right=np.nan),
            np.interp(2.0, v, v),
        ),
        at,
        V,
        tolerance=1e-12,
    )
    check(
        lambda x, v: (np.interp(x, v, v * v, period=3.0), np.interp(x.astype("f4"), v[:1], v[:1])),
        at[:20],
        V,
        tolerance=1e-6,
    )


def test_errors():
    with pytest.raises(ValueError, match="too small"):
        weft.compile(np.gradient)(np.ones(1))
    with pytest.raises(ValueError, match="empty"):
        weft.compile(lambda a: np.convolve(a, a[:0]))(np.ones(3))
    with pytest.raises(ValueError, match="same length"):
        weft.compile(lambda a: np.interp(1.0, a, a[1:]))(np.ones(3))


@pytest.mark.parametrize("taps", [17, 31, 64])
def test_many_taps(taps):
    rng = np.random.default_rng(taps)
    x, w = rng.normal(size=200), rng.normal(size=taps)
    check(
        lambda x, w: [np.convolve(x, w, m) for m in ("full", "same", "valid")] + [np.correlate(w, x)],
        x,
        w,
        tolerance=1e-12,
    )
