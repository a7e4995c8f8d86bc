"""The Mandelbrot set: escape times on a grid, with a mask of the points still inside."""

import numpy as np

GROUP = "vector"
SIZES = (9, 13, 256)
STEPS = "limit"


def run(x, y, limit):
    """After how many steps each point of the grid escapes, `limit` if it does not."""
    c = x[None, :] + 1j * y[:, None]
    z = np.zeros_like(c)
    times = np.full(c.shape, limit)
    inside = np.ones(c.shape, dtype=bool)
    for step in range(limit):
        z[inside] = z[inside] ** 2 + c[inside]
        escaped = inside & (np.abs(z) > 2)
        times[escaped] = step
        inside &= ~escaped
    return times


def inputs(size, seed):
    """The coordinates of the grid and the limit of steps."""
    return np.linspace(-2.0, 0.6, size) + 1e-3 * seed, np.linspace(-1.2, 1.2, size), 40
