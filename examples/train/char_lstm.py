"""A character-level LSTM reads CPython's standard library: fewer bits per character than gzip -9.

    python examples/train/char_lstm.py             # five seeds, at most 20 minutes
    python examples/train/char_lstm.py --short     # one seed; 0.25 bits below the letters' frequencies

The recurrence is a loop in the compiled step. Prints its progress, and fails above the bound.
"""

import argparse
import sys
from time import perf_counter

import numpy as np
from source_text import batches, bits_per_character, frequency_bits, gzip_bits, texts

import weft
from weft import nn, optim
from weft.random import default_rng


class Network(weft.Module):
    """Two layers of LSTM over bytes."""

    def __init__(self, hidden, seed):
        rng = default_rng(seed)
        self.table = weft.Variable(5 * nn.glorot_normal(rng, (256, 4 * hidden)), "table")
        self.input = weft.Variable(nn.glorot_uniform(rng, (hidden, 4 * hidden)), "input")
        self.states = [
            weft.Variable(nn.glorot_uniform(rng, (hidden, 4 * hidden)), f"state{k}") for k in range(2)
        ]
        forget = np.zeros(4 * hidden, np.float32)
        forget[hidden : 2 * hidden] = 1
        self.biases = [weft.Variable(forget, f"bias{k}") for k in range(2)]
        self.output = weft.Variable(nn.glorot_uniform(rng, (hidden, 256)), "output")

    def loss(self, x, y):
        """The mean of -log p(next character)."""
        rows, _ = nn.lstm(self.table[x], None, None, self.states[0], self.biases[0])
        rows, _ = nn.lstm(rows, None, self.input, self.states[1], self.biases[1])
        flat = np.reshape(rows, (-1, self.output.shape[0]))
        return nn.cross_entropy(flat @ self.output, np.reshape(y, -1))


def train(seed, steps, hidden, rate, size, text, test):
    """Bits per character on the held-out text."""
    batch, length = size
    network = Network(hidden, seed)

    def schedule(step):
        return rate * 0.5 * (1.02 + np.cos(np.minimum(step / steps, 1.0) * np.pi))

    optimizer = optim.Adam(network, lr=schedule, clip_norm=1.0)
    step = weft.compile(lambda x, y: optimizer.minimize(network.loss, x, y))
    rng, start = np.random.default_rng(seed), perf_counter()
    for k in range(steps):
        loss = step(*batches(text, rng, batch, length))
        if (k + 1) % max(1, steps // 10) == 0:
            print(
                f"  step {k + 1} of {steps}: {loss / np.log(2):.2f} bits, {perf_counter() - start:.0f} s",
                flush=True,
            )
    return bits_per_character(weft.compile(network.loss), test, batch, length)


def main(arguments=None):
    """Train as the command line says; whether the bound is reached, as an exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="one seed and few steps")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds the full setting runs")
    options = parser.parse_args(arguments)
    text, test = texts(100_000 if options.short else 20_000_000)
    bound = frequency_bits(text, test) - 0.25 if options.short else gzip_bits(test)
    setting = (400, 64, 1e-2, (16, 32)) if options.short else (2500, 256, 4e-3, (64, 64))
    found = []
    for seed in range(1 if options.short else options.seeds):
        found.append(train(seed, *setting, text, test))
        print(f"seed {seed}: {found[-1]:.3f} bits per character", flush=True)
    mean = float(np.mean(found))
    print(f"mean {mean:.3f}, at most {bound:.3f} expected; gzip -9 has {gzip_bits(test):.3f}")
    return 0 if mean <= bound else 1


if __name__ == "__main__":
    sys.exit(main())
