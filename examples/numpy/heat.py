"""Heat in a plate: explicit steps of the heat equation on two buffers that are swapped."""

import numpy as np

GROUP = "vector"
SIZES = (12, 17, 700)
STEPS = "steps"


def run(u, steps, alpha):
    """The plate after `steps` steps, and the largest change of the last one."""
    new = u.copy()
    for _ in range(steps):
        new[1:-1, 1:-1] = u[1:-1, 1:-1] + alpha * (
            u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * u[1:-1, 1:-1]
        )
        u, new = new, u
    return u, np.abs(u - new).max()


def inputs(size, seed):
    """A plate with one hot edge, steps, and the diffusion number."""
    u = np.random.default_rng(seed).random((size, size + 3))
    u[0] = 100.0
    return u, 20, 0.2
