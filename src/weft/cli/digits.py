"""The network that `weft demo` trains. `step` is what any user of NumPy could have written, without Weft.

`descend` does the same with the derivatives found by Weft. Not here: how they are timed (`demo.py`).
"""

# Plain NumPy without types, as users write it.
# pyright: basic

import numpy as np

import weft


def step(parameters, x, y, rate):
    """One step of gradient descent, the derivatives worked out by hand."""
    w1, b1, w2, b2 = parameters
    rows = np.arange(len(y))

    hidden = np.maximum(x @ w1 + b1, 0)
    scores = hidden @ w2 + b2
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances = scores / scores.sum(axis=1, keepdims=True)
    loss = -np.log(chances[rows, y]).mean()

    chances[rows, y] -= 1
    error = chances / len(y)
    back = error @ w2.T
    back[hidden <= 0] = 0

    w2 -= rate * (hidden.T @ error)
    b2 -= rate * error.sum(axis=0)
    w1 -= rate * (x.T @ back)
    b1 -= rate * back.sum(axis=0)
    return loss


def loss(parameters, x, y):
    """The loss alone: what is left to write when `weft.grad` finds the derivatives."""
    w1, b1, w2, b2 = parameters
    hidden = np.maximum(x @ w1 + b1, 0)
    scores = hidden @ w2 + b2
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances = scores / scores.sum(axis=1, keepdims=True)
    return -np.log(chances[np.arange(len(y)), y]).mean()


def descend(parameters, x, y, rate):
    """One step of gradient descent, the derivatives found by Weft."""
    value, gradients = weft.value_and_grad(loss)(parameters, x, y)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter -= rate * gradient
    return value


def start(seed=0, width=64):
    """Fresh parameters: weights and biases of two layers, for 64 pixels and 10 digits."""
    rng = np.random.default_rng(seed)
    w1 = rng.normal(size=(64, width)) * np.sqrt(2 / 64)
    w2 = rng.normal(size=(width, 10)) * np.sqrt(2 / width)
    return [a.astype(np.float32) for a in (w1, np.zeros(width), w2, np.zeros(10))]


def accuracy(parameters, x, y):
    """The share of the images in `x` that are read as the digits `y`."""
    w1, b1, w2, b2 = parameters
    scores = np.maximum(x @ w1 + b1, 0) @ w2 + b2
    return np.mean(scores.argmax(axis=1) == y)
