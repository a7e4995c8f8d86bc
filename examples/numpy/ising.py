"""The Ising model on a torus: checkerboard Metropolis sweeps with uniform numbers that are given."""

import numpy as np

GROUP = "vector"
SIZES = (6, 10, 256)


def run(spins, uniform, beta):
    """Sweep `spins` in place, once for each plane of `uniform`; the magnetization after each sweep."""
    n, m = spins.shape
    colour = (np.arange(n)[:, None] + np.arange(m)[None, :]) % 2
    magnetization = np.zeros(len(uniform))
    for sweep in range(len(uniform)):
        for parity in range(2):
            neighbours = (
                np.roll(spins, 1, axis=0)
                + np.roll(spins, -1, axis=0)
                + np.roll(spins, 1, axis=1)
                + np.roll(spins, -1, axis=1)
            )
            cost = 2 * spins * neighbours
            flip = (colour == parity) & (uniform[sweep] < np.exp(-beta * cost))
            spins[flip] *= -1
        magnetization[sweep] = spins.mean()
    return magnetization


def inputs(size, seed):
    """Spins, uniform numbers for each sweep, and the inverse temperature."""
    rng = np.random.default_rng(seed)
    return rng.choice([-1, 1], (size, size)), rng.random((8, size, size)), 0.4
