"""`weft.name` and `f.run`: parts of a function, with values fed by name."""

import numpy as np
import pytest

import weft

counted = weft.Variable(np.zeros(2))


@weft.compile
def model(x, w, v):
    hidden = weft.name(np.tanh(x @ w), "hidden")
    logits = weft.name(hidden @ v, "logits")
    counted[0] += 1
    assert np.max(logits) < 100, "too large"
    return weft.name(np.sum(logits**2), "loss")


X, W, V = np.ones((3, 4)), np.full((4, 5), 0.1), np.full((5, 2), 0.2)


def test_a_name_changes_nothing():
    before = counted.numpy().copy()
    assert model(X, W, V) == pytest.approx(np.sum((np.tanh(X @ W) @ V) ** 2))
    assert counted.numpy()[0] == before[0] + 1
    assert weft.name(X, "x") is X


def test_what_is_fetched_is_computed_and_nothing_else_happens():
    before = counted.numpy().copy()
    found = model.run(X, W, V, fetch={"all": ["hidden", "loss"], "one": "logits"})
    np.testing.assert_allclose(found["all"][0], np.tanh(X @ W))
    np.testing.assert_allclose(found["one"], np.tanh(X @ W) @ V)
    assert found["all"][1] == pytest.approx(np.sum(found["one"] ** 2))
    np.testing.assert_array_equal(counted.numpy(), before)


def test_what_is_fed_takes_the_place_and_what_led_to_it_is_left_out():
    hidden = np.arange(15.0).reshape(3, 5)
    found = model.run(X, W, V, fetch="logits", feed={"hidden": hidden})
    np.testing.assert_allclose(found, hidden @ V)
    (part,) = [one for key, one in model._weft.runs.items() if key[1] == ("hidden",)]
    kernels = part.stats()["kernels"]
    assert len(kernels) == 1
    assert "tanh" not in part.ir("tensor")


def test_what_no_fetch_needs_is_not_checked():
    with pytest.raises(AssertionError, match="too large"):
        model(X, W, V * 1e4)
    found = model.run(X, W, V * 1e4, fetch="logits")
    np.testing.assert_allclose(found, np.tanh(X @ W) @ (V * 1e4))


def test_errors_name_what_is_wrong():
    with pytest.raises(weft.UserError, match="no value has the name 'logit'; names: hidden, logits, loss"):
        model.run(X, W, V, fetch="logit")
    with pytest.raises(weft.ShapeError, match=r"'hidden' is f64\[3,5\], what is fed is f64\[3,4\]"):
        model.run(X, W, V, fetch="loss", feed={"hidden": X})
    with pytest.raises(weft.UserError, match="a name is a text"):
        weft.name(X, 3)


def test_a_fetch_sees_the_value_at_its_name():
    @weft.compile
    def change(x):
        y = x * 2
        weft.name(y, "before")
        y[0] = 7
        return y

    np.testing.assert_array_equal(change.run(np.ones(2), fetch="before"), [2, 2])
