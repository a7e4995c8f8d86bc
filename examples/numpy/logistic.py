"""Logistic regression by gradient descent, with derivatives by hand."""

import numpy as np

GROUP = "vector"
BLAS = True
SIZES = (20, 33, 2000)
STEPS = "epochs"


def sigmoid(x):
    """The logistic function."""
    return 1.0 / (1.0 + np.exp(-x))


def run(x, y, rate, decay, epochs):
    """Weights, bias, and the loss of each epoch."""
    n, d = x.shape
    w = np.zeros(d)
    b = 0.0
    losses = np.zeros(epochs)
    for epoch in range(epochs):
        p = sigmoid(x @ w + b)
        losses[epoch] = -np.mean(y * np.log(p + 1e-12) + (1 - y) * np.log(1 - p + 1e-12))
        error = p - y
        w -= rate * (x.T @ error / n + decay * w)
        b -= rate * error.mean()
    return w, b, losses


def inputs(size, seed):
    """Points of two classes in 20 dimensions, the rate, the decay, and the number of epochs."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((size, 20))
    y = (x @ rng.standard_normal(20) + 0.3 * rng.standard_normal(size) > 0).astype(float)
    return x, y, 0.5, 1e-3, 30
