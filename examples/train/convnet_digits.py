"""A small convolutional network learns scikit-learn's digits: at least 98.5 % of images that it never saw.

    python examples/train/convnet_digits.py             # five seeds
    python examples/train/convnet_digits.py --short     # one seed, few epochs, at least 95 %

Prints the accuracy of each seed and their mean, and fails below the bound.
"""

import argparse
import sys
from time import perf_counter

import numpy as np

import weft
from weft import nn, optim
from weft.random import default_rng

BATCH, TEST = 64, 360


class Network(weft.Module):
    """Two convolutions, pooling, and a linear layer."""

    def __init__(self, seed):
        rng = default_rng(seed)
        shapes = {"first": (16, 1, 3, 3), "second": (32, 16, 3, 3)}
        self.filters = {name: weft.Variable(nn.he_normal(rng, shape), name) for name, shape in shapes.items()}
        self.biases = {name: weft.Variable(np.zeros(s[0], np.float32)) for name, s in shapes.items()}
        self.weight = weft.Variable(nn.glorot_uniform(rng, (32 * 16, 10)), "weight")
        self.bias = weft.Variable(np.zeros(10, np.float32), "bias")
        self.rng = rng

    def scores(self, x, training=False):
        """Ten logits for each image."""
        x = nn.relu(nn.conv2d(x, self.filters["first"], self.biases["first"], padding="same"))
        x = nn.relu(nn.conv2d(x, self.filters["second"], self.biases["second"], padding="same"))
        x = np.reshape(nn.max_pool2d(x, 2), (x.shape[0], -1))
        return nn.linear(nn.dropout(x, 0.4, self.rng, training), self.weight, self.bias)

    def loss(self, x, digits):
        """What a step makes smaller."""
        return nn.cross_entropy(self.scores(x, training=True), digits)


def digits():
    """Images in 0..1 and digits, to train and to test, split as in `weft demo`."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x, y = data.data.astype(np.float32).reshape(-1, 1, 8, 8) / 16, data.target.astype(np.int64)
    return x[order[:-TEST]], y[order[:-TEST]], x[order[-TEST:]], y[order[-TEST:]]


def train(seed, epochs, data):
    """Train one network; its accuracy on the test images, and steps per second."""
    x, y, test_x, test_y = data
    network = Network(seed)
    batches = len(x) // BATCH
    steps = epochs * batches

    def schedule(step):
        return 3e-3 * 0.5 * (1 + np.cos(np.minimum(step / steps, 1.0) * np.pi))

    optimizer = optim.AdamW(network, lr=schedule)
    step = weft.compile(lambda x, digits: optimizer.minimize(network.loss, x, digits))
    guess = weft.compile(lambda x: np.argmax(network.scores(x), axis=1))
    start, shuffle = perf_counter(), np.random.default_rng(seed)
    for _ in range(epochs):
        order = shuffle.permutation(len(x))
        for first in range(0, batches * BATCH, BATCH):
            rows = order[first : first + BATCH]
            step(x[rows], y[rows])
    return float(np.mean(guess(test_x) == test_y)), steps / (perf_counter() - start)


def main(arguments=None):
    """Train as the command line says; whether the bound is reached, as an exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="one seed and few epochs")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds the full setting runs")
    options = parser.parse_args(arguments)
    seeds, epochs, bound = (range(1), 4, 0.95) if options.short else (range(options.seeds), 30, 0.985)
    data = digits()
    found = []
    for seed in seeds:
        accuracy, speed = train(seed, epochs, data)
        found.append(accuracy)
        print(f"seed {seed}: {accuracy:.2%} of {TEST} images, {speed:,.0f} steps/s", flush=True)
    mean = float(np.mean(found))
    print(f"mean {mean:.2%}, at least {bound:.1%} expected")
    return 0 if mean >= bound else 1


if __name__ == "__main__":
    sys.exit(main())
