"""The edit distance of two strings, on two rows of the table."""

import numpy as np

GROUP = "scalar"
SIZES = (9, 14, 400)


def run(a, b):
    """How many insertions, deletions and substitutions make `b` of `a`."""
    previous = np.arange(len(b) + 1)
    for i in range(len(a)):
        current = np.zeros_like(previous)
        current[0] = i + 1
        for j in range(len(b)):
            cost = 0 if a[i] == b[j] else 1
            current[j + 1] = min(previous[j + 1] + 1, current[j] + 1, previous[j] + cost)
        previous = current
    return previous[-1]


def inputs(size, seed):
    """Two strings as arrays of letters."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, size), rng.integers(0, 4, size + 2)
