"""Gradients with respect to variables."""

import numpy as np
import pytest

import weft


def make():
    w, b, count = (
        weft.Variable(np.array([[1.0, 2.0], [3.0, 4.0]])),
        weft.Variable(np.zeros(2)),
        weft.Variable(0),
    )

    def loss(x):
        count.assign(count + 1)
        return np.sum((x @ w + b) ** 2)

    return w, b, count, loss, np.array([[1.0, 2.0], [0.5, -1.0]])


def by_hand(w, b, x):
    error = 2 * (x @ w + b)
    return x.T @ error, error.sum(0), error @ w.T


def test_the_result_has_the_structure_of_wrt():
    w, b, count, loss, x = make()
    gw, gb, gx = by_hand(w.value, b.value, x)
    np.testing.assert_allclose(weft.grad(loss, wrt=w)(x), gw)
    found = weft.grad(loss, wrt=[b, 0, w])(x)
    assert type(found) is list
    for a, e in zip(found, (gb, gx, gw), strict=True):
        np.testing.assert_allclose(a, e)
    value, found = weft.value_and_grad(loss, wrt=(w,))(x)
    assert type(found) is tuple
    assert np.isclose(value, np.sum((x @ w.value) ** 2))
    assert int(count) == 3, "what the function writes is written once"


def test_inside_of_a_compiled_function():
    w, b, _, loss, x = make()
    parameters = [w, b]

    @weft.compile
    def step(x):
        value, grads = weft.value_and_grad(loss, wrt=parameters)(x)
        for p, g in zip(parameters, grads, strict=True):
            p -= 0.01 * g
        return value

    gw, gb, _ = by_hand(w.value, b.value, x)
    expected = w.value - 0.01 * gw, b.value - 0.01 * gb
    step(x)
    np.testing.assert_allclose(w.value, expected[0])
    np.testing.assert_allclose(b.value, expected[1])
    losses = [step(x) for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert step.stats()["compiles"] == 1


def test_a_variable_that_takes_no_part_has_zeros():
    _, _, _, loss, x = make()
    other = weft.Variable(np.ones(3, np.float32))
    found = weft.grad(loss, wrt=[other])(x)[0]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.zeros(3))


def test_a_variable_written_in_the_function():
    v = weft.Variable(np.array([1.0, 2.0]))

    def loss(x):
        before = v * x
        v.assign(v * 10)
        return np.sum(before * v)

    x = np.array([3.0, 5.0])
    np.testing.assert_allclose(weft.grad(loss, wrt=v)(x), 20 * np.array([1.0, 2.0]) * x)
    np.testing.assert_allclose(v.value, [10, 20])


def test_second_order():
    v = weft.Variable(np.array([1.0, 2.0]))
    slope = weft.grad(lambda: np.sum(v**3), wrt=v)
    np.testing.assert_allclose(weft.grad(lambda: np.sum(slope()), wrt=v)(), 6 * v.value)


def test_stop_gradient():
    v = weft.Variable(np.array([1.0, 2.0]))
    found = weft.grad(
        lambda x: np.sum(weft.stop_gradient(v) * v * weft.stop_gradient({"x": x})["x"]), wrt=[v, 0]
    )(np.array([3.0, 4.0]))
    np.testing.assert_allclose(found[0], [3, 8])
    np.testing.assert_allclose(found[1], [0, 0])


def test_bad_input():
    _, _, count, loss, x = make()
    with pytest.raises(weft.DTypeError, match="variables of floats"):
        weft.grad(loss, wrt=count)(x)
    with pytest.raises(weft.UserError):
        weft.grad(loss, wrt=np.ones(2))
