"""Cholesky's factor, column by column, and the solution of a system with it."""

import numpy as np

GROUP = "vector"
BLAS = True
SIZES = (6, 9, 250)


def run(a, b):
    """The lower factor of `a` and x with a x = b."""
    n = a.shape[0]
    factor = np.zeros_like(a)
    for j in range(n):
        column = a[j:, j] - factor[j:, :j] @ factor[j, :j]
        factor[j:, j] = column / np.sqrt(column[0])
    y = np.zeros_like(b)
    for i in range(n):
        y[i] = (b[i] - factor[i, :i] @ y[:i]) / factor[i, i]
    x = np.zeros_like(b)
    for i in range(n - 1, -1, -1):
        x[i] = (y[i] - factor[i + 1 :, i] @ x[i + 1 :]) / factor[i, i]
    return factor, x


def inputs(size, seed):
    """A positive definite matrix and a right-hand side."""
    rng = np.random.default_rng(seed)
    m = rng.standard_normal((size, size))
    return m @ m.T + size * np.eye(size), rng.standard_normal(size)
