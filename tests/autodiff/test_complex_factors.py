"""Derivatives of complex linear algebra, against differences: df/dre - i df/dim, as JAX has it."""

import numpy as np
import pytest

import weft

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


A, B, W = normal(3, 3) + 3 * np.eye(3), normal(3, 2), normal(3, 3)
R = RNG.normal(size=(3, 3))


def real_part(x):
    return np.sum(np.real(x * W))


def hermitian(x):
    return x @ np.conj(x).T + np.eye(3)


LOSSES = {
    "det": lambda x: np.real(np.linalg.det(x) * (1 + 2j)),
    "cholesky": lambda x: real_part(np.linalg.cholesky(hermitian(x))),
    "qr": lambda x: real_part(np.linalg.qr(x)[0]) + real_part(np.linalg.qr(x)[1]),
    "eigh": lambda x: np.sum(np.abs(np.linalg.eigh(hermitian(x))[1]) ** 2 * R),
    "svd": lambda x: np.sum(np.abs(np.linalg.svd(x)[0]) ** 2 * R) + np.sum(np.linalg.svd(x)[1] * R[0]),
    "lstsq": lambda x: np.sum(np.abs(np.linalg.lstsq(x, B)[0]) ** 2),
}


def differences(fn, x):
    found, step = np.zeros(x.shape, complex), 1e-6
    for place in np.ndindex(x.shape):
        for way, factor in ((1, 1), (1j, -1j)):
            ahead, behind = x.copy(), x.copy()
            ahead[place] += step * way
            behind[place] -= step * way
            found[place] += factor * (fn(ahead) - fn(behind)) / (2 * step)
    return found


@pytest.mark.parametrize("name", LOSSES)
def test_derivatives_of_complex_factors(name):
    fn = LOSSES[name]
    expected = differences(fn, A)
    assert np.abs(weft.grad(fn)(A) - expected).max() < 1e-6 * np.abs(expected).max()


def test_derivatives_of_singular_values_of_no_square():
    x = normal(2, 4)

    def fn(x):
        u, s, v = np.linalg.svd(x, full_matrices=False)
        return np.sum(np.abs((u * np.log(s)) @ v) ** 2)

    expected = differences(fn, x)
    assert np.abs(weft.grad(fn)(x) - expected).max() < 1e-6 * np.abs(expected).max()
