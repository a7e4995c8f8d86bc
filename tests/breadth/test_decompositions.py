"""QR, singular values, eigenvectors of symmetric matrices and what is made of them, native, against NumPy."""

import numpy as np
import pytest

import weft
from tests.breadth.native import check

RNG = np.random.default_rng(23)
SHAPES = [((1, 1), "f8"), ((5, 2), "f4"), ((2, 5), "f8"), ((2, 3, 4), "f4"), ((33, 17), "f8"), ((0, 3), "f8")]


@pytest.mark.parametrize(("shape", "dtype"), SHAPES, ids=str)
def test_qr(shape, dtype):
    a = RNG.normal(size=shape).astype(dtype)
    check(
        lambda a: (np.linalg.qr(a), np.linalg.qr(a, "complete"), np.linalg.qr(a, mode="r")),
        a,
        tolerance=1e-11 if dtype == "f8" else 1e-4,
    )


@pytest.mark.parametrize(("shape", "dtype"), SHAPES, ids=str)
def test_svd(shape, dtype):
    a = RNG.normal(size=shape).astype(dtype)
    tolerance = 1e-12 if dtype == "f8" else 1e-5
    both = weft.compile(lambda a: (np.linalg.svd(a, False), np.linalg.svd(a)))(a)
    for full, (u, s, vh) in enumerate(both):
        want = np.linalg.svd(a, bool(full))
        assert [v.shape for v in (u, s, vh)] == [v.shape for v in want]
        assert [v.dtype for v in (u, s, vh)] == [v.dtype for v in want]
        np.testing.assert_allclose(s, want.S, rtol=tolerance * 10, atol=tolerance)
        for square in (u.mT @ u, vh @ vh.mT):
            np.testing.assert_allclose(square - np.eye(square.shape[-1]), 0, atol=tolerance * 10)
        if a.size:
            k = s.shape[-1]
            np.testing.assert_allclose(
                (u[..., :k] * s[..., None, :]) @ vh[..., :k, :], a, atol=tolerance * 20
            )
    check(lambda a: (np.linalg.svdvals(a), np.linalg.matrix_rank(a)), a, tolerance=tolerance * 20)


def test_deficient_matrices():
    a = RNG.normal(size=(6, 2)) @ RNG.normal(size=(2, 5))
    for one in (a, np.zeros((3, 4)), np.ones((4, 4)) * 1e200):
        u, s, vh = weft.compile(np.linalg.svd)(one)
        np.testing.assert_allclose(u @ u.T, np.eye(len(u)), atol=1e-13)
        np.testing.assert_allclose(vh @ vh.T, np.eye(len(vh)), atol=1e-13)
        np.testing.assert_allclose(s, np.linalg.svd(one)[1], rtol=1e-12, atol=1e-13 * max(1, s[0]))
    check(lambda a: (np.linalg.pinv(a, 1e-10), np.linalg.matrix_rank(a)), a, tolerance=1e-12)


@pytest.mark.parametrize("n", [1, 7, 40])
def test_eigh(n):
    a = RNG.normal(size=(2, n, n))
    values, vectors = weft.compile(np.linalg.eigh)(a)
    low = np.tril(a)
    whole = low + np.tril(a, -1).mT
    np.testing.assert_allclose(whole @ vectors, vectors * values[:, None], atol=1e-12 * n)
    np.testing.assert_allclose(vectors.mT @ vectors - np.eye(n), 0, atol=1e-13 * n)
    check(lambda a: (np.linalg.eigvalsh(a), np.linalg.eigvalsh(a, "U")), a, tolerance=1e-12 * n)


@pytest.mark.parametrize(
    "fn",
    [
        lambda a, b, v: np.linalg.lstsq(a, b),
        lambda a, b, v: (np.linalg.lstsq(a, v), np.linalg.lstsq(a.T, b[:3])),
        lambda a, b, v: (np.linalg.pinv(a), np.linalg.pinv(a.T), np.linalg.pinv(a, rtol=None)),
        lambda a, b, v: (np.linalg.cond(a), np.linalg.cond(a[:3], 1), np.linalg.cond(a[:3], -2)),
        lambda a, b, v: (np.linalg.norm(a, 2), np.linalg.norm(a, "nuc"), np.linalg.norm(a, -2)),
        lambda a, b, v: (np.linalg.matrix_rank(a, 1e-3), np.linalg.matrix_rank(v)),
        lambda a, b, v: np.linalg.tensorinv((np.outer(v[:6], v[:6]) + np.eye(6)).reshape(2, 3, 6)),
        lambda a, b, v: np.linalg.tensorsolve(np.eye(6).reshape(6, 2, 3), v[:6]),
    ],
)
def test_made_of_these(fn):
    check(fn, RNG.normal(size=(7, 3)), RNG.normal(size=(7, 2)), RNG.normal(size=7), tolerance=1e-11)


@pytest.mark.parametrize(
    "fn",
    [
        lambda a: np.linalg.svdvals(a).sum() + np.linalg.pinv(a)[0, 1],
        lambda a: np.abs(np.linalg.svd(a, full_matrices=False)[0]).sum(),
        lambda a: np.abs(np.linalg.qr(a)[0]).sum() + (np.linalg.qr(a)[1] ** 2)[0, 1],
        lambda a: (np.linalg.eigh(a.T @ a)[0] ** 2)[1] + np.abs(np.linalg.eigh(a.T @ a)[1]).sum(),
    ],
)
def test_gradients(fn):
    a, direction = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))
    gradient = weft.grad(fn)(a)
    slope = (fn(a + 1e-6 * direction) - fn(a - 1e-6 * direction)) / 2e-6
    np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=1e-5)


def test_sizes_are_symbolic():
    compiled = weft.compile(lambda a: np.linalg.svdvals(a).sum() + np.linalg.qr(a)[1].shape[0])
    for n in (3, 9, 30):
        a = RNG.normal(size=(n, 2))
        np.testing.assert_allclose(compiled(a), np.linalg.svdvals(a).sum() + 2)
    assert compiled.stats()["compiles"] <= 2


def test_errors():
    with pytest.raises(np.linalg.LinAlgError, match="converge"):
        weft.compile(np.linalg.svd)(np.full((2, 2), np.nan))
    with pytest.raises(np.linalg.LinAlgError, match="two-dimensional"):
        weft.compile(np.linalg.qr)(np.ones(3))
    with pytest.raises(np.linalg.LinAlgError, match="Incompatible"):
        weft.compile(np.linalg.lstsq)(np.ones((3, 2)), np.ones(4))
    with pytest.raises(np.linalg.LinAlgError, match="square"):
        weft.compile(np.linalg.eigh)(np.ones((2, 3)))


# ---------------------------------------------------------------- complex matrices


def _adjoint(a):
    return np.swapaxes(a.conj(), -1, -2)


def _complex(*shape):
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


@pytest.mark.parametrize(("shape", "dtype"), [((4, 4), "c16"), ((2, 5, 3), "c8"), ((3, 6), "c16")], ids=str)
def test_complex_factors(shape, dtype):
    a = _complex(*shape).astype(dtype)
    tolerance = 1e-12 if dtype == "c16" else 1e-4
    check(lambda a: (np.linalg.qr(a), np.linalg.qr(a, "complete")), a, tolerance=tolerance * 10)
    u, s, vh = weft.compile(lambda a: np.linalg.svd(a))(a)
    k = s.shape[-1]
    assert s.dtype == np.linalg.svdvals(a).dtype
    np.testing.assert_allclose(s, np.linalg.svdvals(a), rtol=tolerance * 10)
    np.testing.assert_allclose((u[..., :k] * s[..., None, :]) @ vh[..., :k, :], a, atol=tolerance * 10)
    for unitary in (u, vh):
        found = _adjoint(unitary) @ unitary
        np.testing.assert_allclose(found - np.eye(found.shape[-1]), 0, atol=tolerance * 10)
    check(np.linalg.pinv, a, tolerance=tolerance * 100)


@pytest.mark.parametrize("dtype", ["c16", "c8"])
def test_hermitian_matrices(dtype):
    tolerance = 1e-12 if dtype == "c16" else 1e-4
    basis = np.linalg.qr(_complex(6, 6))[0]
    a = ((basis * [1, 1, 2, 2, 2, 3]) @ _adjoint(basis)).astype(dtype)
    values, vectors = weft.compile(np.linalg.eigh)(a)
    np.testing.assert_allclose(values, [1, 1, 2, 2, 2, 3], atol=tolerance * 10)
    np.testing.assert_allclose(a @ vectors, vectors * values, atol=tolerance * 10)
    np.testing.assert_allclose(_adjoint(vectors) @ vectors, np.eye(6), atol=tolerance * 10)
    both = weft.compile(lambda a: (np.linalg.cholesky(a), np.linalg.cholesky(a, upper=True)))(a)
    np.testing.assert_allclose(both[0], np.linalg.cholesky(a), atol=tolerance * 10)
    np.testing.assert_allclose(both[1], _adjoint(both[0]), atol=tolerance * 10)
    right = _complex(6, 2).astype(dtype)
    found, want = (
        f(a[:, :4], right) for f in (weft.compile(lambda a, b: np.linalg.lstsq(a, b)), np.linalg.lstsq)
    )
    for one, other in zip(found, want, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, atol=tolerance * 100)
