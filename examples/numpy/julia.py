"""A Julia set, point by point: the escape time of each point with scalar complex arithmetic."""

import numpy as np

GROUP = "scalar"
SIZES = (7, 11, 200)
STEPS = "limit"


def run(x, y, c, limit):
    """After how many steps each point escapes."""
    times = np.zeros((y.shape[0], x.shape[0]), dtype=np.int64)
    for i in range(y.shape[0]):
        for j in range(x.shape[0]):
            z = complex(x[j], y[i])
            n = 0
            while abs(z) <= 2.0 and n < limit:
                z = z * z + c
                n += 1
            times[i, j] = n
    return times


def inputs(size, seed):
    """The coordinates of the grid, the constant, the limit of steps."""
    return np.linspace(-1.6, 1.6, size), np.linspace(-1.0, 1.0, size), -0.8 + 0.156j + 0.01 * seed, 30
