"""A small GPT reads CPython's standard library: fewer bits per character than gzip -9 on files it never saw.

    python examples/train/gpt.py             # five seeds, a minute or two each on a quiet machine
    python examples/train/gpt.py --short     # one seed; 1.2 bits below the letters' frequencies

A character comes with rows of a table for the last three, four and five, which spares the blocks learning
what often follows what. Prints its progress, and fails above the bound.
"""

import argparse
import sys
from time import perf_counter

import numpy as np
from source_text import contexts, frequency_bits, gzip_bits, pieces, rate, texts

import weft
from weft import nn, optim
from weft.random import default_rng


def table(rng, shape, scale):
    """A variable of normally distributed numbers."""
    return weft.Variable(scale * rng.standard_normal(shape, dtype=np.float32))


def weights(rng, inputs, outputs, scale=1.0):
    """A variable of weights that keep the size of what they multiply, times `scale`."""
    return table(rng, (inputs, outputs), scale * float(inputs) ** -0.5)


class Block(weft.Module):
    """Attention and two layers, each after a norm and beside what comes in."""

    def __init__(self, rng, width, heads, scale):
        self.heads = heads
        self.mix = weights(rng, width, 3 * width)
        self.out = weights(rng, width, width, scale=scale)
        self.up = weights(rng, width, 4 * width)
        self.down = weights(rng, 4 * width, width, scale=scale)
        self.norms = [weft.Variable(np.ones(width, np.float32), f"norm{k}") for k in range(2)]

    def __call__(self, x):
        """[batch, length, width] to the same."""
        batch, length, width = x.shape
        h = nn.rms_norm(x, self.norms[0])
        before = np.concatenate([np.zeros_like(h[:, :1]), h[:, :-1]], axis=1)
        h = np.concatenate([before[:, :, : width // 2], h[:, :, width // 2 :]], axis=2)  # two characters
        parts = np.transpose(np.reshape(h @ self.mix, (batch, length, 3, self.heads, -1)), (2, 0, 3, 1, 4))
        seen = nn.attention(parts[0], parts[1], parts[2], is_causal=True)
        x = x + np.reshape(np.transpose(seen, (0, 2, 1, 3)), (batch, length, width)) @ self.out
        return x + nn.gelu(nn.rms_norm(x, self.norms[1]) @ self.up, approximate=True) @ self.down


class Network(weft.Module):
    """A stack of blocks over embedded bytes, positions and last characters."""

    def __init__(self, seed, layers, width, length, rows=1 << 14):
        rng = default_rng(seed)
        self.table = table(rng, (256, width), 1.0)
        self.places = table(rng, (length, width), 0.3)
        self.contexts = table(rng, (rows, width), 0.5)
        self.blocks = [Block(rng, width, 4, float(2 * layers) ** -0.5) for _ in range(layers)]
        self.output = weights(rng, width, 256, scale=0.5)

    def losses(self, x, y):
        """-log p(next character) at each place; x and y are [length, batch], the result [batch, length]."""
        h = self.table[x.T] + self.places[: x.shape[0]]
        for numbers in contexts(x, self.contexts.shape[0], (3, 4, 5)):
            h = h + self.contexts[numbers.T]
        for block in self.blocks:
            h = block(h)
        flat = np.reshape(nn.rms_norm(h), (-1, h.shape[-1]))
        found = nn.cross_entropy(flat @ self.output, np.reshape(y.T, -1), reduction="none")
        return np.reshape(found, (x.shape[1], x.shape[0]))

    def loss(self, x, y):
        """Their mean."""
        return np.mean(self.losses(x, y))


def bits_per_character(network, text, batch, length):
    """The mean over a text in windows that overlap by half, of the second half of each."""
    losses = weft.compile(network.losses)
    starts = np.arange(0, len(text) - length - 1, length // 2)
    starts = starts[: len(starts) // batch * batch].reshape(-1, batch)
    found = [losses(*pieces(text, row, length))[:, length // 2 :].mean() for row in starts]
    return float(np.mean(found)) / np.log(2)


def train(seed, steps, sizes, text, test):
    """Bits per character on the held-out text."""
    layers, width, batch, length = sizes
    network = Network(seed, layers, width, length)
    optimizer = optim.AdamW(
        network, lr=lambda step: rate(step, steps, 8e-3), clip_norm=1.0, betas=(0.9, 0.99)
    )
    step = weft.compile(lambda x, y: optimizer.minimize(network.loss, x, y))
    rng, start = np.random.default_rng(seed), perf_counter()
    for k in range(steps):
        loss = step(*pieces(text, rng.integers(0, len(text) - length - 1, batch), length))
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
    bound = frequency_bits(text, test) - 1.2 if options.short else gzip_bits(test)
    setting = (250, (1, 64, 8, 32)) if options.short else (2400, (2, 128, 8, 128))
    found = []
    for seed in range(1 if options.short else options.seeds):
        found.append(train(seed, *setting, text, test))
        print(f"seed {seed}: {found[-1]:.3f} bits per character", flush=True)
    mean = float(np.mean(found))
    print(f"mean {mean:.3f}, at most {bound:.3f} expected; gzip -9 has {gzip_bits(test):.3f}")
    return 0 if mean <= bound else 1


if __name__ == "__main__":
    sys.exit(main())
