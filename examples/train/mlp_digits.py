"""A network of two layers learns scikit-learn's handwritten digits: at least 97.5 % of unseen images.

    python examples/train/mlp_digits.py             # five seeds, about a minute
    python examples/train/mlp_digits.py --short     # one seed, a few seconds, at least 96 %

Prints the accuracy of each seed and their mean, and fails below the bound. With `--save FILE` it keeps the
last training in a file, and goes on from there when run again.
"""

import argparse
import sys
from pathlib import Path
from time import perf_counter

import numpy as np

import weft
from weft import nn, optim
from weft.random import default_rng

BATCH, HIDDEN, TEST = 64, 256, 360


class Network(weft.Module):
    """Two layers with dropout between them."""

    def __init__(self, seed):
        rng = default_rng(seed)
        self.w1 = weft.Variable(nn.he_normal(rng, (64, HIDDEN)), "w1")
        self.b1 = weft.Variable(np.zeros(HIDDEN, np.float32), "b1")
        self.w2 = weft.Variable(nn.glorot_uniform(rng, (HIDDEN, 10)), "w2")
        self.b2 = weft.Variable(np.zeros(10, np.float32), "b2")
        self.rng = rng

    def scores(self, x, training=False):
        """Ten logits for each image."""
        hidden = nn.relu(nn.linear(x, self.w1, self.b1))
        hidden = nn.dropout(hidden, 0.3, self.rng, training)
        return nn.linear(hidden, self.w2, self.b2)

    def loss(self, x, digits):
        """What a step makes smaller."""
        return nn.cross_entropy(self.scores(x, training=True), digits)


class Training:
    """A network, its optimizer, and the two compiled functions that a training needs."""

    def __init__(self, seed, steps):
        self.network = Network(seed)
        rate = 2e-3

        def schedule(step):  # a cosine, traced like everything else
            return rate * 0.5 * (1 + np.cos(np.minimum(step / steps, 1.0) * np.pi))

        self.optimizer = optim.AdamW(self.network, lr=schedule, weight_decay=1e-2)
        self.step = weft.compile(lambda x, digits: self.optimizer.minimize(self.network.loss, x, digits))
        self.guess = weft.compile(lambda x: np.argmax(self.network.scores(x), axis=1))


def digits():
    """Images in 0..1 and digits, to train and to test, split as in `weft demo`."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x, y = data.data.astype(np.float32) / 16, data.target.astype(np.int64)
    return x[order[:-TEST]], y[order[:-TEST]], x[order[-TEST:]], y[order[-TEST:]]


def train(seed, epochs, data, file=None):
    """Train one network; its accuracy on the test images, and steps per second."""
    x, y, test_x, test_y = data
    batches = len(x) // BATCH
    training = Training(seed, epochs * batches)
    if file is not None and file.exists():
        weft.load(file, into=training)
    start, count = perf_counter(), 0
    shuffle = np.random.default_rng(seed)
    while int(training.optimizer.step) < epochs * batches:
        order = shuffle.permutation(len(x))
        for first in range(0, batches * BATCH, BATCH):
            rows = order[first : first + BATCH]
            training.step(x[rows], y[rows])
            count += 1
    seconds = perf_counter() - start
    if file is not None:
        weft.save(file, training)
    return float(np.mean(training.guess(test_x) == test_y)), count / seconds


def main(arguments=None):
    """Train as the command line says; gives the mean accuracy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="one seed and few epochs")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds the full setting runs")
    parser.add_argument("--save", type=Path, help="a .safetensors file to keep the training in")
    options = parser.parse_args(arguments)
    seeds, epochs, bound = (range(1), 15, 0.96) if options.short else (range(options.seeds), 60, 0.975)
    data = digits()
    found = []
    for seed in seeds:
        accuracy, speed = train(seed, epochs, data, options.save)
        found.append(accuracy)
        print(f"seed {seed}: {accuracy:.2%} of {TEST} images, {speed:,.0f} steps/s")
    mean = float(np.mean(found))
    print(f"mean {mean:.2%}, at least {bound:.1%} expected")
    return 0 if mean >= bound else 1


if __name__ == "__main__":
    sys.exit(main())
