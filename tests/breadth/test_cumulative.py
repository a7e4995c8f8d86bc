"""Running sums, products, extremes, and reductions by ufuncs that have no tree."""

import numpy as np
import pytest

import weft
from tests.breadth.native import arrays, check

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u1", "?"])
def test_along_each_axis(dtype):
    for x in arrays(RNG, (dtype,), ((0,), (1,), (3, 5), (2, 3, 33))):
        for axis in (None, *range(x.ndim))[-3:]:
            check(lambda a, axis=axis: (np.cumsum(a, axis=axis), a.cumprod(axis)), x)


def test_order_is_that_of_numpy():
    x = (RNG.normal(size=5000) * 10.0 ** RNG.integers(-6, 6, 5000)).astype("f4")
    check(lambda a: (np.cumsum(a), np.cumprod(a), a.reshape(50, 100).cumsum(0), np.add.accumulate(-a)), x)
    assert np.signbit(weft.compile(np.cumsum)(np.array([-0.0, -0.0]))).all()


def test_sizes_are_symbolic():
    compiled = weft.compile(lambda a: np.cumsum(a, axis=0))
    for n in (2, 3, 5, 64, 129):
        x = RNG.normal(size=(n, n + 1))
        np.testing.assert_array_equal(compiled(x), np.cumsum(x, axis=0))
    assert compiled.stats()["compiles"] <= 2


@pytest.mark.parametrize(
    "fn",
    [
        lambda x, n: np.cumsum(x, axis=1, dtype="f4"),
        lambda x, n: np.cumsum(x, axis=0, out=np.zeros_like(x)),
        lambda x, n: (np.nancumsum(n, axis=1), np.nancumprod(n)),
        lambda x, n: np.cumsum(x * 2 + 1, axis=1) * 3,
        lambda x, n: (np.maximum.accumulate(n, axis=1), np.minimum.accumulate(x), np.fmax.accumulate(n)),
        lambda x, n: (np.subtract.accumulate(x), np.true_divide.accumulate(x, axis=1)),
        lambda x, n: (np.logical_and.accumulate(x > 0), np.logical_xor.accumulate(x),
            np.logical_or.accumulate(x, axis=1)),
        lambda x, n: np.add.accumulate(x.astype("i1"), axis=-1),
        lambda x, n: np.multiply.accumulate(x.astype("i1"), dtype="i2"),
        lambda x, n: np.bitwise_xor.accumulate(x.astype("i4")),
        lambda x, n: np.cumulative_sum(x, axis=1, include_initial=True),
        lambda x, n: np.cumulative_prod(x, axis=0),
        lambda x, n: (np.bitwise_and.reduce(x.astype(int)), np.bitwise_or.reduce(x > 0)),
        lambda x, n: (np.logical_xor.reduce(x > 0), np.subtract.reduce(x, axis=1),
            np.fmax.reduce(n, axis=1, keepdims=True)),
        lambda x, n: np.bitwise_xor.reduce(x.astype("u2"), axis=(0, 1)),
        lambda x, n: np.bitwise_or.reduce(x.astype(int)[:0]),
        lambda x, n: np.cumsum(x.T, axis=0) - np.cumsum(np.ones(4)), lambda x, n: x.cumsum(),
        lambda x, n: np.cumsum(2.5),
    ],
)  # fmt: skip
def test_keywords(fn):
    x = RNG.normal(size=(4, 3)) * 9
    check(fn, x, np.where(RNG.random((4, 3)) < 0.3, np.nan, x))


def test_logaddexp_reduce():
    check(lambda x: (np.logaddexp.reduce(x), np.hypot.reduce(x)), RNG.normal(size=9), tolerance=1e-12)


@pytest.mark.parametrize("by", [np.cumsum, np.cumprod, np.maximum.accumulate])
def test_gradient(by):
    x = RNG.normal(size=7)
    weights = RNG.normal(size=7)
    if by is np.cumprod:
        x[3] = 0.0
    gradient = weft.grad(lambda a: (by(a) * weights).sum())(x)
    for k in range(7):
        step = np.zeros(7)
        step[k] = 1e-6
        slope = ((by(x + step) - by(x - step)) * weights).sum() / 2e-6
        assert abs(gradient[k] - slope) < 1e-6


def test_errors():
    with pytest.raises(ValueError, match="axis 2 is out of bounds"):
        weft.compile(lambda a: np.cumsum(a, axis=2))(np.ones((2, 2)))
    with pytest.raises(TypeError, match="cannot accumulate on a scalar"):
        weft.compile(lambda a: np.add.accumulate(a))(np.array(1.0))
