"""A fast Fourier transform of radix 2 written out: bit reversal, then butterflies over complex arrays."""

import numpy as np

GROUP = "scalar"
SIZES = (16, 64, 4096)


def run(x):
    """The discrete Fourier transform of 2^k numbers."""
    n = x.shape[0]
    order = np.zeros(n, dtype=np.int64)
    bits = 1
    while bits < n:
        order[bits : 2 * bits] = order[:bits] + n // (2 * bits)
        bits *= 2
    y = x[order].astype(np.complex128)
    half = 1
    while half < n:
        turn = np.exp(-1j * np.pi * np.arange(n // 2) / half)
        for start in range(0, n, 2 * half):
            for k in range(half):
                a, b = y[start + k], y[start + k + half] * turn[k]
                y[start + k] = a + b
                y[start + k + half] = a - b
        half *= 2
    return y


def inputs(size, seed):
    """Complex numbers."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=size) + 1j * rng.normal(size=size),)
