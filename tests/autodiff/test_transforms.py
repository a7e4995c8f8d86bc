"""`weft.vjp`, `jvp`, `jacobian`, `hessian`, `hvp`: against differences, inside and outside of compile."""

import numpy as np
import pytest

import weft

RNG = np.random.default_rng(3)
STEP = 1e-6


def central(fn, x, direction):
    return (fn(x + STEP * direction) - fn(x - STEP * direction)) / (2 * STEP)


def with_loops(x):
    y, k = x * 1.0, 0
    while y.sum() < 30.0:
        for j in range(1, 3):
            y[j] = y[j] + 0.3 * y[j - 1] * y[0]
        if y[0] > 1:
            y = y * 1.01
        else:
            y = y * 1.02
        k += 1
    return y


def energy(x):
    return (with_loops(x) ** 2).sum()


def several(x, y):
    return {"a": np.sin(x) * y.sum(), "b": (x @ y[:3], len(x))}


X = np.array([0.5, 1.2, 0.8])
D = RNG.normal(size=3)
JACOBIAN = np.stack([central(with_loops, X, d) for d in np.eye(3)], 1)


def test_along_a_direction_and_back():
    x, y, dx, dy = (RNG.normal(size=n) for n in (3, 4, 3, 4))
    out, tangent = weft.jvp(several, (x, y), (dx, dy))
    assert out["b"][1] == 3
    assert tangent["b"][1] is None
    more, less = (several(x + s * dx, y + s * dy) for s in (STEP, -STEP))
    np.testing.assert_allclose(tangent["a"], (more["a"] - less["a"]) / (2 * STEP), rtol=1e-7)
    np.testing.assert_allclose(tangent["b"][0], (more["b"][0] - less["b"][0]) / (2 * STEP), rtol=1e-7)
    value, pull = weft.vjp(lambda x, y: several(x, y)["a"], x, y)
    np.testing.assert_allclose(value, out["a"])
    cotangent = RNG.normal(size=3)
    gx, gy = pull(cotangent)
    np.testing.assert_allclose(gx @ dx + gy @ dy, cotangent @ tangent["a"])


def test_through_loops():
    np.testing.assert_allclose(weft.jacobian(with_loops)(X), JACOBIAN, rtol=1e-6)
    np.testing.assert_allclose(weft.jvp(with_loops, (X,), (D,))[1], JACOBIAN @ D, rtol=1e-6)


def test_second_derivatives_agree_with_differences_of_the_gradient():
    gradient = weft.grad(energy)
    expected = np.stack([central(gradient, X, d) for d in np.eye(3)], 1)
    np.testing.assert_allclose(weft.hessian(energy)(X), expected, rtol=1e-6)
    np.testing.assert_allclose(weft.jacobian(gradient)(X), expected, rtol=1e-6)  # reverse over reverse
    np.testing.assert_allclose(weft.hvp(energy, (X,), (D,))[0], expected @ D, rtol=1e-6)


def test_inside_of_compile():
    @weft.compile
    def all_of_them(x, d):
        value, pull = weft.vjp(with_loops, x)
        (first,), (second,) = pull(d), pull(2 * d)
        return value, first, second, weft.jvp(with_loops, (x,), (d,))[1], weft.jacobian(with_loops)(x)

    value, first, second, along, jacobian = all_of_them(X, D)
    np.testing.assert_allclose(value, with_loops(X))
    np.testing.assert_allclose(first, D @ JACOBIAN, rtol=1e-6)
    np.testing.assert_allclose(second, 2 * first)
    np.testing.assert_allclose(along, JACOBIAN @ D, rtol=1e-6)
    np.testing.assert_allclose(jacobian, JACOBIAN, rtol=1e-6)


def test_structure_of_jacobians():
    def fn(x, p):
        return {"r": x[:, None] * p["w"], "s": p["w"].sum()}, len(x)

    x, w = RNG.normal(size=3), RNG.normal(size=2)
    found, aux = weft.jacobian(fn, wrt=[1, "x"], aux=True)(x, {"w": w})
    assert aux == 3
    by_p, by_x = found["r"]
    np.testing.assert_allclose(by_p["w"], np.einsum("i,jk->ijk", x, np.eye(2)))
    np.testing.assert_allclose(by_x, np.einsum("ik,j->ijk", np.eye(3), w))
    np.testing.assert_allclose(found["s"][0]["w"], np.ones(2))
    np.testing.assert_allclose(found["s"][1], np.zeros(3))
    blocks = weft.hessian(lambda x, y: (x * x * y).sum(), wrt=[0, 1])(x, x)
    np.testing.assert_allclose(blocks[0][0], np.diag(2 * x))
    np.testing.assert_allclose(blocks[0][1], blocks[1][0])
    np.testing.assert_allclose(blocks[1][1], np.zeros((3, 3)))


def test_third_derivative_of_a_number():
    third = weft.grad(weft.grad(weft.grad(lambda x: np.sin(x) * x)))
    assert np.isclose(third(0.7), -3 * np.sin(0.7) - 0.7 * np.cos(0.7))


def test_float32_and_symbolic_sizes():
    product = weft.compile(lambda x, d: weft.jvp(lambda x: np.tanh(x).sum() * x, (x,), (d,))[1])
    for n in (3, 4, 5):
        x = RNG.normal(size=n).astype("f4")
        found = product(x, x)
        assert found.dtype == np.float32
        expected = np.sum(x * (1 - np.tanh(x) ** 2)) * x + np.tanh(x).sum() * x
        np.testing.assert_allclose(found, expected, rtol=1e-4)
        np.testing.assert_allclose(weft.jacobian(np.square)(x), np.diag(2 * x), rtol=1e-6)


def test_effects_happen_once():
    @weft.compile
    def step(x, log):
        def loss(x):
            log[0] += x.sum()
            if x.sum() > 100:
                raise ValueError("too large")
            return (x * x).sum()

        return weft.hessian(loss)(x)

    log = np.zeros(2)
    np.testing.assert_allclose(step(np.ones(3), log), 2 * np.eye(3))
    assert log.tolist() == [3, 0]
    with pytest.raises(ValueError, match="too large"):
        step(np.full(3, 50.0), log)


def test_bad_input():
    x = np.ones(3)
    with pytest.raises(TypeError, match="needs an argument of floats"):
        weft.jvp(lambda x: x * 2, (np.arange(3),), (np.arange(3),))
    with pytest.raises(ValueError, match=r"a tangent is f64\[2\], its value f64\[3\]"):
        weft.jvp(lambda x: x * 2, (x,), (np.ones(2),))
    with pytest.raises(weft.UserError, match="a tuple of arguments and one of tangents"):
        weft.jvp(lambda x: x * 2, x, x)
    _, pull = weft.vjp(lambda x: (x, x * 2), x)
    with pytest.raises(ValueError, match="1 cotangents are given for 2 values"):
        pull(x)
    with pytest.raises(TypeError, match="a Jacobian needs results of floats"):
        weft.jacobian(lambda x: x > 0)(x)
    with pytest.raises(weft.UserError, match="takes a function"):
        weft.jacobian(3)


@pytest.mark.parametrize(("ufunc", "power"), [(np.logaddexp, np.exp), (np.logaddexp2, np.exp2)])
def test_running_sums_of_logarithms(ufunc, power):
    x = np.array([-800.0, -np.inf, 700, -5, 650, 702])
    assert weft.grad(lambda x: np.sum(ufunc.reduce(x)))(x) == pytest.approx(power(x - ufunc.reduce(x)))
    w, y = np.arange(6.0) - 2, ufunc.accumulate(x)
    wanted = [sum(w[k] * power(x[j] - y[k]) for k in range(j, 6)) for j in range(6)]
    assert weft.grad(lambda x: np.sum(ufunc.accumulate(x) * w))(x) == pytest.approx(wanted)
    z = np.linspace(-1, 2, 8).reshape(4, 2)
    second = weft.hessian(lambda z: np.sum(ufunc.accumulate(z, axis=0) ** 2))(z)
    step = 1e-6 * np.eye(8).reshape(8, 4, 2)
    slope = weft.compile(weft.grad(lambda z: np.sum(ufunc.accumulate(z, axis=0) ** 2)))
    differences = [(slope(z + d) - slope(z - d)) / 2e-6 for d in step]
    np.testing.assert_allclose(second.reshape(8, 4, 2), differences, atol=1e-7)


def test_what_is_given_twice_has_its_gradient_twice():
    v, x = weft.Variable(np.ones(2)), np.array([1.0, 2.0])
    for found in (
        weft.grad(lambda x: (v * v * x).sum(), wrt=[v, v])(x),
        weft.grad(lambda x, y: (x * x * y).sum(), wrt=[1, "y"])(np.ones(2), 2 * x),
    ):
        np.testing.assert_array_equal(found[0], found[1])
    assert found[0].tolist() == [1, 1]
    assert weft.grad(lambda x: (v * v * x).sum(), wrt=[v, 0, v])(x)[2].tolist() == [2, 4]


def test_none_among_parameters_stays():
    def loss(p, x):
        y = p["w"] * x
        return (y if p["b"] is None else y + p["b"]).sum()

    params, x = {"b": None, "w": np.ones(2)}, np.array([1.0, 2.0])
    found = weft.grad(loss)(params, x)
    assert found["b"] is None
    assert found["w"].tolist() == [1, 2]
    assert weft.grad(loss)({"b": np.zeros(2), "w": np.ones(2)}, x)["b"].tolist() == [1, 1]
    assert weft.jvp(loss, (params, x), (params, 0 * x))[1] == 3
    (back, _) = weft.vjp(loss, params, x)[1](2.0)
    assert (back["b"], back["w"].tolist()) == (None, [2, 4])
