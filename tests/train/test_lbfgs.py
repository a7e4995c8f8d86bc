"""L-BFGS: one compiled loop that needs as many evaluations as SciPy's."""

from itertools import pairwise

import numpy as np
import pytest

import weft
from weft import optim

SCIPY_CALLS = {(2, 0): 45, (2, 1): 28, (10, 0): 91, (50, 0): 318}  # L-BFGS-B of SciPy 1.17, gtol 1e-5


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def start(size, seed):
    if (size, seed) == (2, 0):
        return np.array([-1.2, 1.0])
    return np.random.default_rng(seed).uniform(-2, 2, size)


@pytest.mark.parametrize(("size", "seed"), SCIPY_CALLS)
def test_rosenbrock_in_as_many_evaluations_as_scipy(size, seed):
    x = weft.Variable(start(size, seed))
    optimizer = optim.LBFGS([x], iterations=500, evaluations=1000, tolerance=1e-5)
    first = optimizer.minimize(lambda: rosenbrock(x))
    assert first == rosenbrock(start(size, seed))
    np.testing.assert_allclose(x.numpy(), 1, atol=1e-4)
    assert rosenbrock(x.numpy()) < 1e-10
    assert int(optimizer.calls) <= 1.2 * SCIPY_CALLS[size, seed]


def test_several_variables_of_float32_in_several_steps():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 5)).astype(np.float32), rng.standard_normal(60).astype(np.float32)
    weight, bias = weft.Variable(np.zeros((5,), np.float32)), weft.Variable(np.float32(0))
    optimizer = optim.LBFGS([weight, bias], iterations=4)

    def loss(x, y):
        return np.mean((x @ weight + bias - y) ** 2)

    step = weft.compile(lambda x, y: optimizer.minimize(loss, x, y))
    losses = [float(step(x, y)) for _ in range(6)]
    expected = np.linalg.lstsq(np.c_[x, np.ones(60)], y, rcond=None)[0]
    np.testing.assert_allclose([*weight.numpy(), float(bias)], expected, atol=1e-3)
    assert all(b <= a for a, b in pairwise(losses))
    assert int(optimizer.step) == 6
    assert step.stats()["compiles"] == 1


def test_at_a_minimum_nothing_moves():
    x = weft.Variable(np.array([1.0, 1.0]))
    optimizer = optim.LBFGS([x])
    optimizer.minimize(lambda: rosenbrock(x))
    np.testing.assert_array_equal(x.numpy(), [1, 1])
    assert int(optimizer.calls) == 1


def test_what_it_does_not_do_is_said():
    x = weft.Variable(np.ones(2))
    with pytest.raises(weft.UserError, match="does not clip"):
        optim.LBFGS([x], clip_norm=1.0)
    with pytest.raises(weft.UserError, match="needs the loss itself"):
        optim.LBFGS([x]).apply([np.ones(2)])
    with pytest.raises(weft.UserError, match="several times"):
        optim.LBFGS([x]).minimize(lambda: (rosenbrock(x), 1), aux=True)
