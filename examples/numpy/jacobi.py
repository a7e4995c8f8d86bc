"""A linear system by Jacobi iteration, until it converges."""

import numpy as np

GROUP = "vector"
BLAS = True
SIZES = (8, 12, 400)
STEPS = "limit"


def run(a, b, tolerance, limit):
    """x with a x = b, the number of steps, and whether it converged."""
    diagonal = np.diag(a)
    rest = a - np.diagflat(diagonal)
    x = np.zeros_like(b)
    for step in range(limit):
        following = (b - rest @ x) / diagonal
        if np.linalg.norm(following - x, np.inf) < tolerance:
            return following, step + 1, True
        x = following
    return x, limit, False


def inputs(size, seed):
    """A system with a heavy diagonal, a tolerance and a limit."""
    rng = np.random.default_rng(seed)
    a = rng.random((size, size))
    a += np.diag(1.5 * a.sum(axis=1))
    return a, rng.random(size), 1e-10, 100
