"""`weft.remat` and `weft.custom_gradient`: the values, the memory, nesting, and what is refused."""

import resource

import numpy as np
import pytest

import weft

RNG = np.random.default_rng(9)


def layer(x, w):
    return np.tanh(x @ w) * np.sin(x @ w)


def network(one):
    def loss(x, w):
        for _ in (1, 2, 3, 4, 5, 6, 7, 8):
            x = one(x, w)
        return (x * x).sum()

    return loss


def steps(x, n):
    y = x[0] * 1.0
    for _ in range(n):
        y = y + np.sin(y) * x[1] / n
    return y


def test_layers_are_computed_again():
    x, w = RNG.normal(size=(300, 64)), RNG.normal(size=(64, 64)) * 0.2
    again = weft.grad(network(weft.remat(layer)), wrt=[0, 1])
    kept = weft.grad(network(layer), wrt=[0, 1])
    for one, other in zip(again(x, w), kept(x, w), strict=True):
        np.testing.assert_array_equal(one, other)
    assert again._compiled.stats()["arena_bytes"] < 0.7 * kept._compiled.stats()["arena_bytes"]


def test_long_loop_needs_little_memory():
    x = np.array([1.0, 0.7])
    gradient = weft.grad(weft.remat(steps))
    np.testing.assert_allclose(gradient(x, 1000), weft.grad(steps)(x, 1000), rtol=1e-12)
    gradient(x, 1001)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = gradient(x, 1_000_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB
    np.testing.assert_allclose(found[0], np.sin(steps(x, 1000)) / np.sin(1.0), rtol=1e-3)


def test_index_arrays_and_writes_under_remat():
    @weft.remat
    def fn(x):
        y = x.copy()
        for i in range(len(x) - 2, 0, -1):
            y[i] = y[i + 1] * np.sin(y[i - 1]) + i * y[i]
        return (y**2).sum()

    x = RNG.normal(size=100)
    np.testing.assert_allclose(weft.grad(fn)(x), weft.grad(fn.fn)(x), rtol=1e-12)
    np.testing.assert_allclose(weft.hvp(fn, (x,), (x,))[0], weft.hvp(fn.fn, (x,), (x,))[0], rtol=1e-10)


@weft.custom_gradient
def scaled(x, scale):
    y = np.exp(x) * scale
    return y, lambda g: (g * y * 10, None)


def test_derivative_of_ones_own():
    x = RNG.normal(size=4)
    np.testing.assert_allclose(scaled(x, 2.0), np.exp(x) * 2)
    by_x, by_scale = weft.grad(lambda x, s: scaled(x, s).sum(), wrt=[0, 1])(x, 2.0)
    np.testing.assert_allclose(by_x, 20 * np.exp(x))
    assert by_scale == 0
    np.testing.assert_allclose(weft.jvp(lambda x: scaled(x, 2.0), (x,), (x,))[1], 20 * np.exp(x) * x)
    twice = weft.grad(lambda x: weft.grad(lambda x: scaled(x, 2.0).sum())(x).sum())
    np.testing.assert_allclose(twice(x), 20 * np.exp(x))  # of what pull computes


def test_in_a_loop_and_in_compiled_code():
    def fn(x, n):
        s = 1.0
        for _ in range(n):
            s = s + scaled(x * s, 0.5).sum() * 0.1
        return s

    x = RNG.normal(size=3)
    s, ds = 1.0, np.zeros(3)
    for _ in range(3):
        e = np.exp(x * s) * 0.5
        s, ds = s + e.sum() * 0.1, ds + e * s + (e * x).sum() * ds
    np.testing.assert_allclose(weft.compile(fn)(x, 3), s)
    np.testing.assert_allclose(weft.compile(weft.grad(fn))(x, 3), ds)


def test_bad_custom_gradients():
    x = np.ones(3)
    with pytest.raises(TypeError, match="returns a tuple of two"):
        weft.custom_gradient(lambda x: x * 2)(x)
    with pytest.raises(ValueError, match="a gradient is f64"):
        weft.custom_gradient(lambda x: (x * 2, lambda g: g.sum()))(x)
    with pytest.raises(ValueError, match="2 gradients are given for 1 values"):
        weft.custom_gradient(lambda x: (x * 2, lambda g: (g, g)))(x)
