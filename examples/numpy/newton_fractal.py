"""The basins of z^3 = 1: Newton's method for all points of a grid, each with the root that it finds."""

import numpy as np

GROUP = "vector"
SIZES = (9, 14, 256)
STEPS = "steps"


def run(x, y, steps):
    """The number of the nearest root for each point, and whether it came there."""
    z = x[None, :] + 1j * y[:, None]
    for _ in range(steps):
        z = z - (z**3 - 1) / (3 * z**2)
    roots = np.exp(2j * np.pi * np.arange(3) / 3)
    distance = np.abs(z[..., None] - roots)
    return distance.argmin(-1), distance.min(-1) < 1e-6


def inputs(size, seed):
    """The coordinates of the grid, none of them 0, and the number of steps."""
    return np.linspace(-1.5, 1.4, size) + 1e-3 * (seed + 1), np.linspace(-1.3, 1.5, size), 25
