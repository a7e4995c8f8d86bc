"""Eigenvalues of general matrices and roots of polynomials, through NumPy at run time; always complex."""

import numpy as np
import pytest

import weft

RANDOM = np.random.default_rng(5)
MATRICES = [
    RANDOM.normal(size=(4, 4)),
    np.diag([3.0, 1.0, 2.0]),  # NumPy's result is real
    RANDOM.normal(size=(2, 3, 3)).astype("f4"),
    RANDOM.normal(size=(3, 3)) * (1 + 2j),
    np.array([[0, -1], [1, 0]]),
    np.empty((0, 0)),
]


@pytest.mark.parametrize("a", MATRICES, ids=lambda a: f"{a.dtype}{list(a.shape)}")
def test_eig(a):
    expected = np.linalg.eig(a)
    found = weft.compile(np.linalg.eig)(a)
    dtype = np.result_type(np.linalg.eigvals(a).dtype, np.complex64)
    assert (type(found), found[0].dtype, found[1].dtype) == (type(expected), dtype, dtype)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(weft.compile(lambda a: np.linalg.eigvals(a + 0))(a), expected[0])


def test_eigenvalues_in_a_loop():
    def radius(a, n):
        largest = 0.0
        for i in range(n):
            largest = max(largest, float(np.abs(np.linalg.eigvals(a * i)).max()))
        return largest

    a = MATRICES[0]
    assert weft.compile(radius)(a, 3) == pytest.approx(radius(a, 3), rel=1e-15)


POLYNOMIALS = [
    np.array([1.0, -6, 11, -6]),
    np.array([0.0, 0, 2, 1, 3, 0, 0]),
    np.array([0.0, 0, 5]),
    np.zeros(3),
    np.array([1, 2, 3]),
    np.array([1, 2j, 3], "c8"),
    np.empty(0),
]


@pytest.mark.parametrize("p", POLYNOMIALS, ids=str)
def test_roots(p):
    fn = weft.compile(np.roots)
    found, expected = fn(p), np.roots(p)
    assert found.dtype.kind == "c"
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(weft.compile(lambda p: np.roots(p) * 2)(p), expected * 2)


def test_roots_of_several_sizes():
    fn = weft.compile(lambda p: np.sort(np.roots(p).real))
    for size in (3, 4, 5, 6):
        p = np.poly(np.arange(1.0, size))
        np.testing.assert_allclose(fn(p), np.arange(1.0, size), rtol=1e-10)
    assert fn.stats()["compiles"] == 2


def test_characteristic_polynomials():
    for a in (MATRICES[0], MATRICES[1], MATRICES[4]):
        found = weft.compile(np.poly)(a)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, np.poly(a), rtol=1e-12, atol=1e-12)


def test_bad_matrices():
    with pytest.raises(np.linalg.LinAlgError, match="square"):
        weft.compile(np.linalg.eig)(np.ones((2, 3)))
    with pytest.raises(np.linalg.LinAlgError, match="infs or NaNs"):
        weft.compile(np.linalg.eigvals)(np.full((2, 2), np.nan))
    with pytest.raises(TypeError, match="float16"):
        weft.compile(np.linalg.eig)(np.eye(2, dtype="f2"))
    with pytest.raises(ValueError, match="rank-1"):
        weft.compile(np.roots)(np.ones((2, 2)))
    with pytest.raises(weft.UnsupportedError, match="custom_gradient"):
        weft.grad(lambda a: np.abs(np.linalg.eigvals(a)).sum())(np.eye(2) + 1)
