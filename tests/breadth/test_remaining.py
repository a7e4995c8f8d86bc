"""What NumPy's pages hold beside the large groups: each function native, against NumPy and SciPy."""

import numpy as np
import pytest

import weft
from tests.breadth.native import check

A = np.arange(12.0).reshape(3, 4) + 0.5


def reshaped(a):
    b = a.copy()
    b.shape = (4, 3)
    c = b[:2]
    c.shape = 6
    c[1] = 9
    return b, c


def flat(a):
    b = a.T.copy().T
    b.flat[3] = 7
    b.flat[1:3] = 1
    total = 0.0
    for x in a.flat:
        total = total + x
    return b, b.flat[5], total, np.sum(a.flat)


def assigned_flat(a):
    b = a.copy()
    b.flat = [1.0, 2.0, 3.0]
    return b


def made(a):
    b = np.ndarray((2, 2), np.float64)
    b[...] = a[:2, :2]
    c = a[0].copy()
    c.resize((2, 3))
    return b, c


def at(a):
    b = a[0].copy()
    np.subtract.at(b, [0, 0, 1], 2.0)
    return b


doubled = np.vectorize(lambda x, y: x if x > y else y * 2)


@pytest.mark.parametrize("fn", [
    reshaped, flat, assigned_flat, made, at,
    lambda a: (a.trace(), a.view(), a.to_device("cpu")),
    lambda a: (np.add.reduceat(a, [0, 2, 3], axis=1), np.maximum.reduceat(a, [0, 2, 1])),
    lambda a: (np.frexp(a - 5), np.spacing(a - 5), np.i0(a)),
    lambda a: (np.unique_all(a), np.unique_counts(a), np.unique_inverse(a)),
    lambda a: (np.poly(a[0]), np.polydiv(a[0], a[1, :2]), np.trim_zeros(np.trunc(a[0]) - 1)),
    lambda a: (np.polyfit(a[0], a[1] ** 2, 2), np.polyfit(a[0], a.T, 1, w=a[1])),
    lambda a: np.polyfit(np.arange(12.0), a.ravel() ** 1.5, 2, cov=True),
    lambda a: np.histogramdd(np.sin(a).T, bins=3, density=True),
    lambda a: [np.quantile(a, [0.1, 0.5, 0.75], axis=1, method=m)
        for m in ("inverted_cdf", "averaged_inverted_cdf", "closest_observation")],
    lambda a: np.polynomial.polynomial.polyval(a, [1.0, 2, 3]) + np.polynomial.chebyshev.chebval(a, [1.0, 2]),
    lambda a: np.lib.stride_tricks.sliding_window_view(a, (2, 2)),
    lambda a: (a * np.isdtype(a.dtype, "bool"), a.astype(np.common_type(a)), np.asarray_chkfinite(a)),
    lambda a: (np.take(a, [5, -7], mode="wrap"),
        np.take(a, [5, -7], 1, mode="clip"), np.add(a, a, order="F")),
    lambda a: (doubled(a, 3.0), np.vectorize(lambda x: x > 2)(a)),
])  # fmt: skip
def test_native(fn):
    check(fn, A.copy(), tolerance=1e-9)


def test_frompyfunc_gives_numbers():
    found = weft.compile(lambda a: np.frompyfunc(lambda x: x + 1, 1, 1)(a))(A)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, A + 1)


def test_errors():
    with pytest.raises(AttributeError, match="Incompatible"):
        weft.compile(lambda a: setattr(a.T, "shape", (12,)) or a)(A)
    with pytest.raises(weft.UnsupportedError, match="outlives"):
        weft.compile(lambda a: setattr(a, "shape", (12,)) or a)(A)
    with pytest.raises(ValueError, match="valid method"):
        weft.compile(lambda a: np.quantile(a, 0.5, method="best"))(A)
    with pytest.raises(TypeError, match="same length"):
        weft.compile(lambda a: np.polyfit(a[0], a[:, 0], 1))(A)


# ---------------------------------------------------------------- scipy.special

POINTS = np.concatenate(
    [
        np.linspace(-30, 30, 601),
        np.linspace(0.01, 3, 300),
        10.0 ** np.arange(-300, 300, 40),
        [0.0, np.inf, np.nan],
    ]
)


@pytest.mark.parametrize(
    "name", ["erf", "erfc", "expit", "log_expit", "logit", "entr", "ndtr", "gamma", "gammaln", "psi"]
)
def test_scipy_functions(name):
    special = pytest.importorskip("scipy.special")
    fn = getattr(special, name)
    x = POINTS if name not in ("gamma", "psi") else POINTS + 0.001  # away from the poles
    with np.errstate(all="ignore"):
        want = fn(x)
        found = weft.compile(lambda x: fn(x))(x)
        narrow = weft.compile(lambda x: fn(x))(x.astype(np.float32))
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(found, want, rtol=4e-13 if name in ("gamma", "psi") else 1e-13, atol=3e-14)


@pytest.mark.parametrize("case", [
    lambda s, a: (s.logsumexp(a, axis=1), s.logsumexp(a), s.logsumexp(a, axis=0, b=a, keepdims=True)),
    lambda s, a: (s.softmax(a, axis=0), s.log_softmax(a, axis=1), s.softmax(a)),
    lambda s, a: (s.xlogy(a - 0.5, a), s.xlog1py(a, a), s.rel_entr(a, a + 1)),
])  # fmt: skip
def test_scipy_reductions(case):
    special = pytest.importorskip("scipy.special")
    check(lambda a: case(special, a), A.copy(), tolerance=1e-13)


def test_all_that_is_missing_is_said_at_once():
    def fn(x):
        y = np.loadtxt(x)
        return y, np.save("never.npy", x)

    with pytest.raises(weft.UnsupportedError) as caught:
        weft.compile(fn)(np.ones(3))
    assert "np.loadtxt, line" in str(caught.value)
    assert "save it by weft.callback" in str(caught.value)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: np.asfortranarray(x),
        lambda x: np.asarray(x, order="F"),
        lambda x: np.array(x, order="C", copy=None),
        lambda x: np.require(x, requirements=["F", "W"]),
        lambda x: x.astype(x.dtype, order="F", copy=False),
    ],
)
def test_another_order_of_memory_is_a_copy(fn):
    """What is written to the result reaches the argument where NumPy has no copy either."""

    def write(x):
        y = fn(x)
        y[0] = -1.0
        return x.sum(), y.sum()

    whole = np.arange(24.0).reshape(4, 6)
    for make in (
        lambda: whole.copy(),
        lambda: whole.copy()[:, ::2],
        lambda: np.asfortranarray(whole),
        lambda: whole.copy()[0],
    ):
        assert weft.compile(write)(make()) == write(make())


def test_wrong_requirements():
    for wrong, error in ((["Q"], KeyError), ("CF", ValueError)):
        with pytest.raises(error):
            weft.compile(lambda x, wrong=wrong: np.require(x, requirements=wrong))(np.ones((2, 3)))
