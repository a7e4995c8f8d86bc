"""LU factors with partial pivoting, in place, as in a textbook."""

import numpy as np

GROUP = "vector"
SIZES = (6, 9, 200)


def run(a):
    """Leave both factors in `a`; the permutation and its sign."""
    n = len(a)
    order = np.arange(n)
    sign = 1.0
    for k in range(n - 1):
        pivot = k + np.argmax(np.abs(a[k:, k]))
        if a[pivot, k] == 0:
            raise ValueError("the matrix is singular")
        if pivot != k:
            a[[k, pivot]] = a[[pivot, k]]
            order[[k, pivot]] = order[[pivot, k]]
            sign = -sign
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k, k + 1 :])
    return order, sign


def inputs(size, seed):
    """A random matrix."""
    return (np.random.default_rng(seed).standard_normal((size, size)),)
