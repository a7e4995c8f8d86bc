"""The 0/1 knapsack: the best value for every capacity, item by item, and the items chosen."""

import numpy as np

GROUP = "vector"
SIZES = (6, 9, 200)


def run(values, weights, capacity):
    """The best value within `capacity`, and which items give it."""
    n = len(values)
    best = np.zeros(capacity + 1)
    taken = np.zeros((n, capacity + 1), dtype=bool)
    for i in range(n):
        w = weights[i]
        with_item = best[: capacity + 1 - w] + values[i]
        taken[i, w:] = with_item > best[w:]
        best[w:] = np.maximum(best[w:], with_item)
    chosen = np.zeros(n, dtype=bool)
    room = capacity
    for i in range(n - 1, -1, -1):
        if taken[i, room]:
            chosen[i] = True
            room -= weights[i]
    return best[capacity], chosen


def inputs(size, seed):
    """Values, weights, and the capacity."""
    rng = np.random.default_rng(seed)
    return rng.random(size), rng.integers(1, 20, size), 20 * size
