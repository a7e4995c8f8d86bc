"""`weft.grad` and `weft.value_and_grad` of straight-line programs."""

import numpy as np
import pytest

import weft


def loss(w, x):
    return np.sum(np.tanh(x @ w) ** 2)


def numeric(fn, x, step=1e-6):
    out = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        change = np.zeros_like(x)
        change[place] = step
        out[place] = (fn(x + change) - fn(x - change)) / (2 * step)
    return out


RNG = np.random.default_rng(0)
W0, X0 = RNG.normal(size=(3, 2)), RNG.normal(size=(4, 3))


def test_outside_of_compile():
    found = weft.grad(loss)(W0, X0)
    assert found.dtype == np.float64
    assert np.allclose(found, numeric(lambda w: loss(w, X0), W0), atol=1e-6)
    assert np.allclose(weft.grad(loss, wrt=1)(W0, X0), numeric(lambda x: loss(W0, x), X0), atol=1e-6)
    assert np.array_equal(weft.grad(loss, wrt="x")(W0, x=X0), weft.grad(loss, wrt=-1)(W0, X0))
    assert weft.grad(loss)(W0.astype("f4"), X0.astype("f4")).dtype == np.float32


def test_structure_of_wrt():
    one, two = weft.grad(loss, wrt=[1, "w"])(W0, X0)
    assert one.shape == X0.shape
    assert two.shape == W0.shape
    assert type(weft.grad(loss, wrt=(0,))(W0, X0)) is tuple
    assert type(weft.grad(loss, wrt=[0])(W0, X0)) is list

    def of_tree(p):
        return np.sum(p["w"] * p["b"][0]) + p["b"][1] ** 2

    found = weft.grad(of_tree)({"w": np.arange(3.0), "b": (np.full(3, 2.0), 3.0)})
    assert found["w"].tolist() == [2, 2, 2]
    assert found["b"][0].tolist() == [0, 1, 2]
    assert found["b"][1] == 6
    assert type(found["b"]) is tuple


def test_value_and_aux():
    value, found = weft.value_and_grad(loss)(W0, X0)
    assert np.isclose(value, loss(W0, X0))
    assert type(value) is np.float64

    def with_aux(w):
        return np.sum(w * w), {"mean": w.mean(), "w": w + 1, "n": len(w)}

    found, aux = weft.grad(with_aux, aux=True)(np.arange(3.0))
    assert found.tolist() == [0, 2, 4]
    assert aux["mean"] == 1
    assert aux["w"].tolist() == [1, 2, 3]
    assert aux["n"] == 3
    (value, aux), found = weft.value_and_grad(with_aux, aux=True)(np.arange(3.0))
    assert value == 5
    assert found.tolist() == [0, 2, 4]


def test_inside_of_compile():
    @weft.compile
    def step(p, x):
        value, found = weft.value_and_grad(lambda p: loss(p["w"], x) + np.sum(p["b"] ** 2))(p)
        p["w"] -= 0.1 * found["w"]
        p["b"] -= 0.1 * found["b"]
        return value

    p = {"w": W0.copy(), "b": np.ones(3)}
    expected = W0 - 0.1 * weft.grad(loss)(W0, X0)
    value = step(p, X0)
    assert np.isclose(value, loss(W0, X0) + 3)
    assert np.allclose(p["w"], expected, atol=1e-12)
    assert np.allclose(p["b"], 0.8)
    values = [step(p, X0) for _ in range(20)]
    assert values[-1] < values[0] < value
    assert step.stats()["compiles"] == 1


def test_higher_orders_and_numbers():
    cube = lambda a: a * a * a  # noqa: E731
    assert weft.grad(cube)(2.0) == 12
    assert weft.grad(weft.grad(cube))(2.0) == 12
    assert weft.grad(weft.grad(weft.grad(cube)))(2.0) == 6
    assert weft.grad(cube)(np.float32(2)).dtype == np.float32
    assert weft.grad(weft.compile(cube))(np.array(3.0)) == 27
    assert weft.grad(lambda a, b: a * 1.0)(2.0, 5.0) == 1
    assert weft.grad(lambda a, b: a * 1.0, wrt=1)(2.0, 5.0) == 0


def test_captured_arrays_are_constants():
    w = np.ones(3)
    g = weft.grad(lambda x: np.sum(x * w * x))
    assert g(w).tolist() == [2, 2, 2]
    w[0] = 5
    assert g(np.ones(3)).tolist() == [10, 2, 2]
    assert g(np.ones(3)).tolist() == [10, 2, 2]


def test_writes_and_effects_happen_once():
    log, total = [], np.zeros(1)

    def f(x):
        log.append(x.max())
        total[0] += 1
        x *= 2
        return np.sum(x * x)

    x = np.ones(2)
    assert weft.grad(f)(x).tolist() == [8, 8]
    assert log == [1]
    assert total[0] == 1
    assert x.tolist() == [2, 2]


def test_symbolic_sizes():
    g = weft.grad(lambda x: np.mean(np.exp(x)))
    for n in (3, 4, 9, 17):
        x = np.linspace(0, 1, n)
        assert np.allclose(g(x), np.exp(x) / n)
    assert g._compiled.stats()["compiles"] == 2


def test_disabled_still_gives_gradients():
    with weft.disabled():
        assert weft.grad(lambda x: np.sum(x * x))(np.ones(2)).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: weft.grad(lambda a: a * 2)(np.ones(3)), weft.ShapeError),
        (lambda: weft.grad(lambda a: a.sum())(np.ones(3, int)), weft.DTypeError),
        (lambda: weft.grad(lambda a: a.sum(), wrt="b"), weft.UserError),
        (lambda: weft.grad(lambda a: a.sum(), wrt=3), weft.UserError),
        (lambda: weft.grad(lambda a: a.sum(), wrt=None), weft.UserError),
        (lambda: weft.grad(lambda a: (a.sum(), 1))(np.ones(2)), weft.DTypeError),
        (lambda: weft.grad(lambda a: a.sum(), aux=True)(np.ones(2)), weft.UnsupportedError),
        (lambda: weft.grad(lambda a, b: a.sum(), wrt=1)(np.ones(2), 3), weft.DTypeError),
        (lambda: weft.grad(lambda a, b=1.0: a.sum(), wrt=1)(np.ones(2)), weft.UserError),
        (lambda: weft.grad(3), weft.UserError),
    ],
)
def test_mistakes(make, error):
    with pytest.raises(error) as caught:
        make()
    assert caught.value.fix
