"""QR factors by Householder reflections."""

import numpy as np

GROUP = "vector"
BLAS = True
SIZES = (5, 8, 160)


def run(a):
    """q and r with q r = a."""
    m, n = a.shape
    r = a.copy()
    q = np.eye(m)
    for k in range(n):
        v = r[k:, k].copy()
        v[0] += np.copysign(np.linalg.norm(v), v[0])
        v /= np.linalg.norm(v)
        r[k:, k:] -= 2.0 * np.outer(v, v @ r[k:, k:])
        q[:, k:] -= 2.0 * np.outer(q[:, k:] @ v, v)
    return q, np.triu(r)


def inputs(size, seed):
    """A random matrix with a few rows more than columns."""
    return (np.random.default_rng(seed).standard_normal((size + 3, size)),)
