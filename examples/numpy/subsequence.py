"""The longest common subsequence of two strings: the whole table and the way back through it."""

import numpy as np

GROUP = "scalar"
SIZES = (9, 14, 300)


def run(a, b):
    """The length of the longest common subsequence, and where it lies in `a`."""
    n, m = len(a), len(b)
    table = np.zeros((n + 1, m + 1), dtype=np.int64)
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            if a[i - 1] == b[j - 1]:
                table[i, j] = table[i - 1, j - 1] + 1
            else:
                table[i, j] = max(table[i - 1, j], table[i, j - 1])
    used = np.zeros(n, dtype=bool)
    i, j = n, m
    while i > 0 and j > 0:
        if a[i - 1] == b[j - 1]:
            used[i - 1] = True
            i -= 1
            j -= 1
        elif table[i - 1, j] >= table[i, j - 1]:
            i -= 1
        else:
            j -= 1
    return table[n, m], used


def inputs(size, seed):
    """Two strings as arrays of letters."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 5, size), rng.integers(0, 5, size + 3)
