"""Recurrent layers, forward and gradients, against torch's results for random sizes and lengths."""

from pathlib import Path

import numpy as np
import pytest

import weft
from weft import nn

from .recurrent_cases import COUNT, case, digest, weights

RESULTS = {
    int(line.split()[0]): [float(v) for v in line.split()[1:]]
    for line in (Path(__file__).parent / "torch_recurrent.txt").read_text().splitlines()
    if not line.startswith("#")
}


def run(name, lengths, reverse, arrays):
    x, h, c, w_x, w_h, b_x, b_h = arrays
    options = {"lengths": lengths, "reverse": reverse}
    if name == "lstm":
        outputs, (h, c) = nn.lstm(x, (h, c), w_x, w_h, b_x + b_h, **options)
        return outputs, np.concatenate([h, c])
    if name == "rnn":
        return nn.rnn(x, h, w_x, w_h, b_x + b_h, **options)
    return nn.gru(x, h, w_x, w_h, b_x, b_h, **options)


@pytest.mark.parametrize("number", range(9))
def test_compiled(number):
    check(number, weft.compile)


def test_the_others_in_the_interpreter():
    with weft.options(interpret=True):
        for number in range(9, COUNT):
            check(number, weft.compile)


def check(number, transform):
    name, lengths, reverse, arrays = case(number)
    with weft.disabled():
        shapes = [np.shape(a) for a in run(name, lengths, reverse, arrays)]
    first, second = weights(number, *shapes)

    def total(*given):
        outputs, last = run(name, lengths, reverse, given)
        return np.sum(outputs * first) + np.sum(last * second), outputs

    def both(*given):
        return weft.value_and_grad(total, wrt=list(range(7)), aux=True)(*given)

    (_, outputs), gradients = transform(both)(*arrays)
    np.testing.assert_allclose(
        digest(number, outputs, gradients), RESULTS[number], rtol=1e-8, atol=1e-8, err_msg=f"{number} {name}"
    )


@pytest.mark.parametrize(("name", "gates"), [("rnn", 1), ("lstm", 4), ("gru", 3)])
def test_a_cell_is_a_step_of_its_layer(name, gates):
    rng = np.random.default_rng(0)
    x, h, c = rng.normal(size=(1, 2, 3)), rng.normal(size=(2, 4)), rng.normal(size=(2, 4))
    w_x, w_h, b = (rng.normal(size=s) for s in ((3, gates * 4), (4, gates * 4), (gates * 4,)))
    state = (h, c) if name == "lstm" else h
    cell, layer = getattr(nn, f"{name}_cell"), getattr(nn, name)
    found = weft.compile(lambda x: cell(x[0], state, w_x, w_h, b))(x)
    _, expected = weft.compile(lambda x: layer(x, state, w_x, w_h, b))(x)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_layer_is_one_loop_for_every_length():
    rng = np.random.default_rng(0)
    w_x, w_h = rng.normal(size=(3, 16)), rng.normal(size=(4, 16))
    layer = weft.compile(lambda x: nn.lstm(x, None, w_x, w_h)[0])
    for time in (5, 6, 9):
        x = rng.normal(size=(time, 2, 3))
        with weft.disabled():
            expected = nn.lstm(x, None, w_x, w_h)[0]
        np.testing.assert_allclose(layer(x), expected, rtol=1e-10)
    assert layer.stats()["compiles"] == 2
    assert layer.ir("tensor").count("= for(") == 1


def test_weights_that_do_not_fit_are_named():
    with pytest.raises(weft.ShapeError, match="inputs of size 3 meet weights for 5"):
        weft.compile(lambda x, w: nn.rnn(x, None, w, np.ones((4, 4))))(np.ones((2, 1, 3)), np.ones((5, 4)))
