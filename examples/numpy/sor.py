"""Laplace's equation by successive over-relaxation: each point at once sees its new neighbours."""

import numpy as np

GROUP = "scalar"
SIZES = (8, 11, 120)
STEPS = "sweeps"


def run(u, omega, sweeps, tolerance):
    """Relax `u` in place; how many sweeps it took and the last change."""
    rows, columns = u.shape
    change = 0.0
    count = 0
    for _ in range(sweeps):
        change = 0.0
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                old = u[i, j]
                mean = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1])
                u[i, j] = old + omega * (mean - old)
                change = max(change, abs(u[i, j] - old))
        count += 1
        if change < tolerance:
            break
    return count, change


def inputs(size, seed):
    """A plate with a warm edge, the relaxation factor, a limit of sweeps and a tolerance."""
    u = np.zeros((size, size + 2))
    u[0] = np.random.default_rng(seed).random(size + 2)
    return u, 1.5, 15, 1e-4
