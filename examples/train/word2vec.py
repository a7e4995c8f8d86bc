"""Skip-gram word vectors of the words in CPython's standard library: neighbours are told from others.

    python examples/train/word2vec.py             # five seeds
    python examples/train/word2vec.py --short     # one seed, a few seconds

The metric is how often a pair of words that stood side by side in held-out files gets a higher product than
one with a random word in its place (0.5 by chance): at least 0.74, in the short setting 0.70. Only the rows
of words in a batch are touched by a step.
"""

import argparse
import re
import sys
from collections import Counter
from time import perf_counter

import numpy as np
from source_text import texts

import weft
from weft import nn, optim

WINDOW, NOISE = 3, 64


def pairs_of(text, numbers, rng, most):
    """Words and neighbours at a distance of at most WINDOW, as numbers."""
    words = np.array(
        [numbers.get(w, -1) for w in re.findall(r"[A-Za-z_]\w+", text.tobytes().decode("latin1"))]
    )
    words = words[words >= 0]
    centers = rng.integers(WINDOW, len(words) - WINDOW, most)
    offsets = rng.integers(1, WINDOW + 1, most) * rng.choice([-1, 1], most)
    return words[centers], words[centers + offsets]


def train(seed, steps, size, data):
    """The share of held-out pairs that win against a random word."""
    (centers, others), held, chances = data
    count, width, batch, rate = size
    rng = np.random.default_rng(seed)
    near = weft.Variable((rng.standard_normal((count, width)) * 0.1).astype(np.float32), "near")
    far = weft.Variable(np.zeros((count, width), np.float32), "far")
    optimizer = optim.Adagrad([near, far], lr=rate)

    def loss(c, o, noise):
        v = near[c]
        good, bad = np.sum(v * far[o], axis=1), v @ far[noise].T
        return np.mean(nn.softplus(-good)) + 5 * np.mean(nn.softplus(bad))

    step = weft.compile(lambda c, o, noise: optimizer.minimize(loss, c, o, noise))
    start = perf_counter()
    for k in range(steps):
        rows = rng.integers(0, len(centers), batch)
        value = step(centers[rows], others[rows], rng.choice(count, NOISE, p=chances))
        if (k + 1) % max(1, steps // 5) == 0:
            print(f"  step {k + 1} of {steps}: loss {value:.3f}, {perf_counter() - start:.0f} s", flush=True)
    c, o = held
    wrong = rng.choice(count, len(c), p=chances)
    n, f = near.numpy(), far.numpy()
    return float(np.mean(np.sum(n[c] * f[o], axis=1) > np.sum(n[c] * f[wrong], axis=1)))


def main(arguments=None):
    """Train as the command line says; whether the bound is reached, as an exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="one seed and few steps")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds the full setting runs")
    options = parser.parse_args(arguments)
    most, count, steps, bound = (
        (1_000_000, 1000, 6000, 0.70) if options.short else (20_000_000, 5000, 8000, 0.74)
    )
    text, test = texts(most)
    words = Counter(re.findall(r"[A-Za-z_]\w+", text.tobytes().decode("latin1"))).most_common(count)
    numbers = {word: k for k, (word, _) in enumerate(words)}
    chances = np.array([n for _, n in words]) ** 0.75
    rng = np.random.default_rng(0)
    data = (
        pairs_of(text, numbers, rng, 2_000_000 if options.short else 5_000_000),
        pairs_of(test, numbers, rng, 20_000),
        chances / chances.sum(),
    )
    found = []
    for seed in range(1 if options.short else options.seeds):
        found.append(train(seed, steps, (len(words), 64, 512, 0.3), data))
        print(f"seed {seed}: {found[-1]:.1%} of held-out pairs beat a random word", flush=True)
    mean = float(np.mean(found))
    print(f"mean {mean:.1%}, at least {bound:.0%} expected")
    return 0 if mean >= bound else 1


if __name__ == "__main__":
    sys.exit(main())
