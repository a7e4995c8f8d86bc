"""The rows of `weft bench`: plain NumPy functions with their inputs. It knows nothing of Weft.

Loaded as a file of its own, as a user's would be. Not here: how rows are timed and checked.
"""

# Plain NumPy without types, as users write it.
# pyright: basic

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Row:
    """One benchmark: `bytes` or `flops` is what it must at least move or compute; neither: no limit."""

    name: str
    make: Callable
    fn: Callable
    bytes: int = 0
    flops: int = 0
    error: str = "relative"  # or "fraction" of results that differ
    tolerance: float = 1e-5

    def inputs(self):
        """The arguments, the same in every process."""
        return self.make(np.random.default_rng(int(hashlib.md5(self.name.encode()).hexdigest()[:8], 16)))


def normal(rng, *shape, scale=1.0):
    """Float32 numbers of a normal distribution."""
    return (rng.standard_normal(shape, np.float32) * np.float32(scale)).astype(np.float32)


def one(value):
    """A float32 array of one element: an argument whose value is not known when the function is compiled."""
    return np.full(1, value, np.float32)


def add(a, b):
    """Two small arrays: what a call costs."""
    return a + b


def weighted_sum(*arrays):
    """Fifty small arrays: what arguments cost."""
    return sum((k + 1) * array for k, array in enumerate(arrays))


def sigmoid(x):
    """The logistic function."""
    return 1 / (1 + np.exp(-x))


def chain(x, a, b):
    """Fifteen elementwise operations."""
    return np.tanh(x * a + b) * sigmoid(x) + np.exp(-x * x)


def softmax(x):
    """Over rows."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def layer_norm(x, gamma, beta):
    """Over rows."""
    centered = x - x.mean(-1, keepdims=True)
    return centered / np.sqrt((centered * centered).mean(-1, keepdims=True) + 1e-5) * gamma + beta


def logsumexp(x):
    """Over rows."""
    top = x.max(-1, keepdims=True)
    return (np.log(np.exp(x - top).sum(-1, keepdims=True)) + top)[:, 0]


def bias_gelu(x, bias):
    """The usual approximation by tanh."""
    x = x + bias
    return 0.5 * x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3)))


def column_statistics(x):
    """Mean and variance over axis 0."""
    return x.mean(0), x.var(0)


def argmax(x):
    """Over rows."""
    return x.argmax(-1)


def stencil(x):
    """Five points, into a fresh array."""
    out = np.zeros_like(x)
    out[1:-1, 1:-1] = (x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:]) * 0.25
    return out


def product(a, b):
    """Of matrices."""
    return a @ b


def dense(x, w, b):
    """A layer of a network."""
    return np.maximum(x @ w + b, 0)


def product_row(n):
    """The row of a square product."""
    return Row(f"mm_{n}", lambda r: [normal(r, n, n), normal(r, n, n)], product, flops=2 * n**3)


# fmt: off
# ruff: noqa: E501 -- one row, one line
CORE = (
    Row("disp_add8", lambda r: [normal(r, 8), normal(r, 8)], add),
    Row("disp_50params", lambda r: [normal(r, 8) for _ in range(50)], weighted_sum),
    Row("ew_4k", lambda r: [normal(r, 4096), one(1.3), one(0.2)], chain, bytes=8 * 4096),
    Row("ew_16m", lambda r: [normal(r, 1 << 24), one(1.3), one(0.2)], chain, bytes=8 << 24),
    Row("softmax_4096x1000", lambda r: [normal(r, 4096, 1000, scale=3)], softmax, bytes=8 * 4096 * 1000),
    Row("layernorm_4096x1024", lambda r: [normal(r, 4096, 1024), normal(r, 1024), normal(r, 1024)], layer_norm, bytes=8 * 4096 * 1024),
    Row("logsumexp_4096x1000", lambda r: [normal(r, 4096, 1000, scale=3)], logsumexp, bytes=4 * 4096 * 1000),
    Row("bias_gelu_4096x4096", lambda r: [normal(r, 4096, 4096), normal(r, 4096)], bias_gelu, bytes=8 * 4096 * 4096),
    Row("meanvar0_8192x1024", lambda r: [normal(r, 8192, 1024) + np.float32(1)], column_statistics, bytes=4 * 8192 * 1024),
    Row("argmax_4096x1000", lambda r: [normal(r, 4096, 1000)], argmax, bytes=4 * 4096 * 1000, error="fraction"),
    Row("stencil_2048x2048", lambda r: [normal(r, 2048, 2048)], stencil, bytes=8 * 2048 * 2048),
    product_row(64), product_row(256), product_row(1024),
    Row("mm_bias_relu", lambda r: [normal(r, 64, 784), normal(r, 784, 512, scale=0.05), normal(r, 512)], dense, flops=2 * 64 * 784 * 512),
)
# fmt: on

SUITES = {"core": CORE}
