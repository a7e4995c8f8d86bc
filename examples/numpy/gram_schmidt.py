"""QR factors by the modified Gram-Schmidt process."""

import numpy as np

GROUP = "vector"
BLAS = True
SIZES = (5, 8, 200)


def run(a):
    """q with orthonormal columns and r with q r = a."""
    m, n = a.shape
    q = np.zeros((m, n))
    r = np.zeros((n, n))
    v = a.copy()
    for k in range(n):
        r[k, k] = np.sqrt(v[:, k] @ v[:, k])
        q[:, k] = v[:, k] / r[k, k]
        r[k, k + 1 :] = q[:, k] @ v[:, k + 1 :]
        v[:, k + 1 :] -= q[:, k, None] * r[k, k + 1 :]
    return q, r


def inputs(size, seed):
    """A random matrix with twice as many rows as columns."""
    return (np.random.default_rng(seed).standard_normal((2 * size, size)),)
