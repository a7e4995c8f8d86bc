"""Points that are not smooth, and what JAX 0.10 gives there; its numbers stand here as they came."""

import numpy as np
import pytest

import weft

X = np.array([0.0, 1.0, 1.0, -0.0, 2.0])

CASES = {
    "maximum": (lambda x: np.maximum(x, 0).sum(), [0.5, 1, 1, 0.5, 1]),
    "relu": (lambda x: weft.nn.relu(x).sum(), [0, 1, 1, 0, 1]),
    "max": (lambda x: np.max(x[:4]), [0, 0.5, 0.5, 0, 0]),
    "clip": (lambda x: np.clip(x, 0.0, 1.0).sum(), [0.5, 0.5, 0.5, 0.5, 0]),
    "prod": (np.prod, [0, 0, 0, 0, 0]),
    "sqrt": (lambda x: np.sqrt(x).sum(), [np.inf, 0.5, 0.5, -np.inf, 0.5 / np.sqrt(2)]),
    "power": (lambda x: (x**2.0).sum(), [0, 2, 2, 0, 4]),
    "median": (np.median, [0, 1, 0, 0, 0]),
    "remainder": (lambda x: np.remainder(x, 0.7).sum(), [1, 1, 1, 1, 1]),
    "floor": (lambda x: np.floor(x).sum(), [0, 0, 0, 0, 0]),
    # where its element went: -0.0 goes before 0.0 here, in JAX both keep their order
    "sort": (lambda x: (np.sort(x) * np.arange(5.0)).sum(), [1, 2, 3, 0, 4]),
    "logaddexp": (lambda x: np.logaddexp(x, x).sum(), [1, 1, 1, 1, 1]),
}


@pytest.mark.parametrize("name", CASES)
def test_as_jax(name):
    fn, expected = CASES[name]
    np.testing.assert_allclose(weft.grad(fn)(X), expected)


def test_running_maximum():
    found = weft.grad(lambda x: (np.maximum.accumulate(x) * np.arange(5.0)).sum())(X)
    assert found.tolist() == [0, 1, 5, 0, 4]  # JAX: 0, 3.5, 2.5, 0, 4


def test_triangles():
    a = np.random.default_rng(0).normal(size=(4, 4))
    a = a @ a.T + np.eye(4)
    for fn in (np.linalg.cholesky, np.linalg.eigvalsh):
        found = weft.grad(lambda a, fn=fn: np.sin(fn(a)).sum())(a)
        assert np.all(np.triu(found, 1) == 0)
        for k in range(4):
            for j in range(k + 1):
                step = np.zeros((4, 4))
                step[k, j] = step[j, k] = 1e-6
                change = (np.sin(fn(a + step)).sum() - np.sin(fn(a - step)).sum()) / 2e-6
                np.testing.assert_allclose(found[k, j], change, rtol=1e-5, atol=1e-8)


def test_what_has_no_derivative():
    x = np.ones(3)
    with pytest.raises(ValueError, match="needs a result that is one number"):
        weft.grad(lambda x: x * 2)(x)
    with pytest.raises(TypeError, match="needs a result of floats"):
        weft.grad(lambda x: np.argmax(x))(x)
    with pytest.raises(TypeError, match="needs an argument of floats"):
        weft.grad(lambda x: x.sum())(np.arange(3))
    with pytest.raises(TypeError, match="holds a Python int"):
        weft.grad(lambda n: n * 2.0)(3)
    with pytest.raises(weft.UnsupportedError, match=r"test_conventions\.py:\d+") as caught:
        weft.grad(lambda x: np.nextafter(x, 1.0).sum())(x)
    assert "nextafter has no derivative" in str(caught.value)
    found = weft.grad(lambda x, y: (x * x).sum(), wrt=[1, 0])(x, x)
    assert found[0].tolist() == [0, 0, 0]


# A formula with abs, max or a case for 0 is not smooth there, though the function is: both derivatives at 0
SMOOTH = {
    "softplus": (weft.nn.softplus, 1 / 2, 1 / 4),
    "elu": (weft.nn.elu, 1, 1),
    "sinc": (np.sinc, 0, -(np.pi**2) / 3),
    "i0": (np.i0, 0, 1 / 2),
    "cumprod": (lambda x: np.cumprod(np.stack([x, x + 1]))[1], 1, 2),
    "prod": (lambda x: np.prod(np.stack([x, x, x + 1])), 0, 2),
    "logaddexp": (lambda x: np.logaddexp(x, 0.0), 1 / 2, 1 / 4),
}


def both_at_zero(functions):
    def total(x):
        return sum(fn(x[k]) for k, fn in enumerate(functions))

    x = np.zeros(len(functions))
    return weft.jvp(weft.grad(total), (x,), (x + 1,))


def test_smooth_functions_at_zero():
    first, second = both_at_zero([fn for fn, _, _ in SMOOTH.values()])
    np.testing.assert_allclose(first, [row[1] for row in SMOOTH.values()], atol=1e-12)
    np.testing.assert_allclose(second, [row[2] for row in SMOOTH.values()], atol=1e-12)


def test_smooth_functions_of_scipy_at_zero():
    special = pytest.importorskip("scipy.special")
    first, second = both_at_zero([special.expit, special.log_expit])
    np.testing.assert_allclose([first, second], [[1 / 4, 1 / 2], [0, -1 / 4]], atol=1e-15)


def test_newton_from_zero_weights():
    x, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.0, 1.0])
    found = weft.hessian(lambda w: weft.nn.binary_cross_entropy(x @ w, y))(np.zeros(2))
    np.testing.assert_allclose(found, x.T @ x / 8)
