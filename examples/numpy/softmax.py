"""Softmax regression in minibatches, with derivatives by hand."""

import numpy as np

GROUP = "vector"
BLAS = True
SIZES = (40, 64, 2000)
STEPS = "epochs"


def run(x, labels, rate, epochs, batch=20):
    """The weights, and the share of points that they classify."""
    n, d = x.shape
    classes = 10
    w = np.zeros((d, classes), dtype=x.dtype)
    targets = np.eye(classes, dtype=x.dtype)[labels]
    for _ in range(epochs):
        for start in range(0, n - batch + 1, batch):
            xb = x[start : start + batch]
            logits = xb @ w
            logits -= logits.max(axis=1, keepdims=True)
            p = np.exp(logits)
            p /= p.sum(axis=1, keepdims=True)
            w -= rate * (xb.T @ (p - targets[start : start + batch])) / batch
    return w, np.mean(np.argmax(x @ w, axis=1) == labels)


def inputs(size, seed):
    """Points of ten classes in 32 dimensions, the rate, and the number of epochs."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((10, 32)).astype(np.float32)
    labels = rng.integers(0, 10, size)
    x = centers[labels] + 0.8 * rng.standard_normal((size, 32), dtype=np.float32)
    return x, labels, 0.1, 3
