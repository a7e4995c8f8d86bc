"""A character-level LSTM reads CPython's standard library: fewer bits per character than gzip -9.

    python examples/train/char_lstm.py             # five seeds, two minutes or so each on a quiet machine
    python examples/train/char_lstm.py --short     # one seed; 1 bit below the letters' frequencies

The recurrence is a loop in the compiled step, whose last state the next step goes on from, eight times; then
other places are read. Prints its progress, and fails above the bound.
"""

import argparse
import sys
from time import perf_counter

import numpy as np
from source_text import frequency_bits, gzip_bits, pieces, rate, texts

import weft
from weft import nn, optim
from weft.random import default_rng

RUN = 8  # pieces that are read one after the other


class Network(weft.Module):
    """A layer of LSTM over bytes."""

    def __init__(self, hidden, seed):
        rng = default_rng(seed)
        self.table = weft.Variable(0.5 * rng.standard_normal((256, 4 * hidden), dtype=np.float32), "table")
        self.state = weft.Variable(nn.glorot_uniform(rng, (hidden, 4 * hidden)), "state")
        forget = np.zeros(4 * hidden, np.float32)
        forget[hidden : 2 * hidden] = 1
        self.bias = weft.Variable(forget, "bias")
        self.output = weft.Variable(nn.glorot_uniform(rng, (hidden, 256)), "output")

    def read(self, x, y, state):
        """The mean of -log p(next character), and the state at the end; x and y are [length, batch]."""
        rows, state = nn.lstm(self.table[x], state, None, self.state, self.bias)
        flat = np.reshape(rows, (-1, self.output.shape[0]))
        return nn.cross_entropy(flat @ self.output, np.reshape(y, -1)), state

    def loss(self, x, y):
        """The same from the beginning."""
        return self.read(x, y, None)[0]

    def start(self, batch):
        """The first state."""
        return tuple(np.zeros((batch, self.output.shape[0]), np.float32) for _ in range(2))


def bits_per_character(network, text, batch, length):
    """The mean over a text that is cut into `batch` parts, each read from its start to its end."""
    read, state, losses = weft.compile(network.read), network.start(batch), []
    width = len(text) // batch
    for k in range(0, width - length, length):
        loss, state = read(*pieces(text, width * np.arange(batch) + k, length), state)
        losses.append(float(loss))
    return float(np.mean(losses)) / np.log(2)


def train(seed, steps, hidden, most, size, text, test):
    """Bits per character on the held-out text."""
    batch, length = size
    network = Network(hidden, seed)
    optimizer = optim.Adam(network, lr=lambda step: rate(step, steps, most), clip_norm=1.0, betas=(0.9, 0.99))
    step = weft.compile(lambda *batch: optimizer.minimize(network.read, *batch, aux=True))
    rng, start = np.random.default_rng(seed), perf_counter()
    for k in range(steps):
        if k % RUN == 0:
            places, state = rng.integers(0, len(text) - RUN * length - 1, batch), network.start(batch)
        loss, state = step(*pieces(text, places + k % RUN * length, length), state)
        if (k + 1) % max(1, steps // 10) == 0:
            print(
                f"  step {k + 1} of {steps}: {loss / np.log(2):.2f} bits, {perf_counter() - start:.0f} s",
                flush=True,
            )
    return bits_per_character(network, test, batch, length)


def main(arguments=None):
    """Train as the command line says; whether the bound is reached, as an exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="one seed and few steps")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds the full setting runs")
    options = parser.parse_args(arguments)
    text, test = texts(100_000 if options.short else 20_000_000)
    bound = frequency_bits(text, test) - 1 if options.short else gzip_bits(test)
    setting = (400, 64, 2e-2, (16, 32)) if options.short else (2000, 256, 2e-2, (32, 64))
    found = []
    for seed in range(1 if options.short else options.seeds):
        found.append(train(seed, *setting, text, test))
        print(f"seed {seed}: {found[-1]:.3f} bits per character", flush=True)
    mean = float(np.mean(found))
    print(f"mean {mean:.3f}, at most {bound:.3f} expected; gzip -9 has {gzip_bits(test):.3f}")
    return 0 if mean <= bound else 1


if __name__ == "__main__":
    sys.exit(main())
