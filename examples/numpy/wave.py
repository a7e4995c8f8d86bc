"""Waves on a membrane: leapfrog with three time levels, a source in the middle."""

import numpy as np

GROUP = "vector"
SIZES = (12, 17, 600)
STEPS = "steps"


def laplacian(u):
    """The five-point Laplacian of the inner points."""
    return u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * u[1:-1, 1:-1]


def run(u, speed, dt, steps):
    """The membrane and its energy after `steps` steps."""
    previous = u.copy()
    n, m = u.shape
    for t in range(steps):
        following = np.zeros_like(u)
        following[1:-1, 1:-1] = (
            2 * u[1:-1, 1:-1] - previous[1:-1, 1:-1] + (speed[1:-1, 1:-1] * dt) ** 2 * laplacian(u)
        )
        following[n // 2, m // 2] += np.sin(0.3 * t) * dt
        previous, u = u, following
    energy = 0.5 * np.sum(((u - previous) / dt) ** 2)
    return u, energy


def inputs(size, seed):
    """A bump, the speed of waves at each point, the step of time and the number of steps."""
    rng = np.random.default_rng(seed)
    x = np.linspace(-1, 1, size)
    u = np.exp(-20 * (x[:, None] ** 2 + x[None, :] ** 2))
    u[0] = u[-1] = u[:, 0] = u[:, -1] = 0
    return u, 0.5 + 0.5 * rng.random((size, size)), 0.5, 20
