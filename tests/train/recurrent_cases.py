"""Random recurrent layers, the same for Weft and torch: `case(number)`. Not here: what torch says of them."""

import numpy as np

COUNT = 36


def case(number):
    """(layer, lengths, reverse, arrays): arrays x, h, c, w_x, w_h, b_x, b_h, all differentiated."""
    rng = np.random.default_rng(number)
    name = ("rnn", "lstm", "gru")[number % 3]
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[name]
    time, batch, inputs, hidden = (int(n) for n in rng.integers(1, 7, 4))
    lengths = rng.integers(1, time + 1, batch)
    lengths[rng.integers(batch)] = time
    shapes = ((time, batch, inputs), (batch, hidden), (batch, hidden), (inputs, gates * hidden),
              (hidden, gates * hidden), (gates * hidden,), (gates * hidden,))  # fmt: skip
    return name, lengths, bool(rng.integers(2)), [rng.normal(size=s) for s in shapes]


def weights(number, *shapes):
    """What results are multiplied with before they are summed and differentiated."""
    rng = np.random.default_rng(30_000 + number)
    return [rng.normal(size=s) for s in shapes]


def digest(number, outputs, gradients):
    """A few numbers that stand for the outputs and all gradients."""
    rng = np.random.default_rng(40_000 + number)
    return [float(np.sum(np.asarray(a) * rng.normal(size=np.shape(a)))) for a in (outputs, *gradients)]
