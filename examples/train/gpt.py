"""A small GPT reads CPython's standard library: fewer bits per character than gzip -9 on files it never saw.

    python examples/train/gpt.py             # five seeds, at most 20 minutes
    python examples/train/gpt.py --short     # one seed; 0.7 bits below the letters' frequencies

Prints its progress, and fails above the bound.
"""

import argparse
import sys
from time import perf_counter

import numpy as np
from source_text import batches, bits_per_character, frequency_bits, gzip_bits, texts

import weft
from weft import nn, optim
from weft.random import default_rng


class Block(weft.Module):
    """Attention and two layers, each after a norm and beside what comes in."""

    def __init__(self, rng, width, heads):
        self.heads = heads
        shapes = {
            "mix": (width, 3 * width),
            "out": (width, width),
            "up": (width, 4 * width),
            "down": (4 * width, width),
        }
        self.weights = {
            name: weft.Variable(nn.glorot_uniform(rng, shape), name) for name, shape in shapes.items()
        }
        self.norms = [weft.Variable(np.ones(width, np.float32), f"norm{k}") for k in range(2)]

    def __call__(self, x):
        """[batch, length, width] to the same."""
        batch, length, width = x.shape
        parts = np.reshape(
            nn.rms_norm(x, self.norms[0]) @ self.weights["mix"], (batch, length, 3, self.heads, -1)
        )
        parts = np.transpose(parts, (2, 0, 3, 1, 4))
        seen = nn.attention(parts[0], parts[1], parts[2], is_causal=True)
        x = x + np.reshape(np.transpose(seen, (0, 2, 1, 3)), (batch, length, width)) @ self.weights["out"]
        hidden = nn.gelu(nn.rms_norm(x, self.norms[1]) @ self.weights["up"], approximate=True)
        return x + hidden @ self.weights["down"]


class Network(weft.Module):
    """A stack of blocks over embedded bytes and positions."""

    def __init__(self, seed, layers, width, length):
        rng = default_rng(seed)
        self.table = weft.Variable(0.1 * nn.glorot_uniform(rng, (256, width)), "table")
        self.places = weft.Variable(0.1 * nn.glorot_uniform(rng, (length, width)), "places")
        self.blocks = [Block(rng, width, 4) for _ in range(layers)]
        self.output = weft.Variable(nn.glorot_uniform(rng, (width, 256)), "output")

    def loss(self, x, y):
        """The mean of -log p(next character); x and y are [length, batch]."""
        h = self.table[x.T] + self.places[: x.shape[0]]
        for block in self.blocks:
            h = block(h)
        flat = np.reshape(nn.rms_norm(h), (-1, h.shape[-1]))
        return nn.cross_entropy(flat @ self.output, np.reshape(y.T, -1))


def train(seed, steps, sizes, text, test):
    """Bits per character on the held-out text."""
    layers, width, batch, length = sizes
    network = Network(seed, layers, width, length)

    def schedule(step):
        return (
            2e-3
            * np.minimum((step + 1) / 40, 1.0)
            * 0.5
            * (1.02 + np.cos(np.minimum(step / steps, 1.0) * np.pi))
        )

    optimizer = optim.AdamW(network, lr=schedule, clip_norm=1.0)
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
    bound = frequency_bits(text, test) - 0.7 if options.short else gzip_bits(test)
    setting = (250, (1, 64, 8, 32)) if options.short else (2000, (4, 128, 32, 128))
    found = []
    for seed in range(1 if options.short else options.seeds):
        found.append(train(seed, *setting, text, test))
        print(f"seed {seed}: {found[-1]:.3f} bits per character", flush=True)
    mean = float(np.mean(found))
    print(f"mean {mean:.3f}, at most {bound:.3f} expected; gzip -9 has {gzip_bits(test):.3f}")
    return 0 if mean <= bound else 1


if __name__ == "__main__":
    sys.exit(main())
