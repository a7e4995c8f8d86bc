"""Poisson's equation in a square by conjugate gradients without a matrix."""

import numpy as np

GROUP = "vector"
SIZES = (8, 11, 250)
STEPS = "limit"


def apply(u):
    """The negative five-point Laplacian with zeros around."""
    out = 4 * u
    out[1:] -= u[:-1]
    out[:-1] -= u[1:]
    out[:, 1:] -= u[:, :-1]
    out[:, :-1] -= u[:, 1:]
    return out


def run(f, tolerance, limit):
    """The solution, the number of steps, and the norm of the residual."""
    u = np.zeros_like(f)
    r = f - apply(u)
    p = r.copy()
    rr = np.sum(r * r)
    steps = 0
    for _ in range(limit):
        steps += 1
        ap = apply(p)
        alpha = rr / np.sum(p * ap)
        u += alpha * p
        r -= alpha * ap
        following = np.sum(r * r)
        if np.sqrt(following) < tolerance:
            break
        p = r + following / rr * p
        rr = following
    return u, steps, np.sqrt(np.sum(r * r))


def inputs(size, seed):
    """A right-hand side, a tolerance and a limit of steps."""
    return np.random.default_rng(seed).standard_normal((size, size)), 1e-6, 30
