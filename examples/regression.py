"""Logistic regression by Newton's method on scattered points. `python examples/regression.py [points]`.

The step has everything that NumPy programs are made of: a matrix product, a function of each element, sums
over an axis, and a small system solved outside of the compiled part.
"""

import sys

import numpy as np

import weft


@weft.compile
def derivatives(x, y, weights):
    """Loss, gradient and curvature of the logistic loss, in one program."""
    chance = 1 / (1 + np.exp(-(x @ weights)))
    loss = -np.mean(y * np.log(chance) + (1 - y) * np.log(1 - chance))
    gradient = x.T @ (chance - y) / len(y)
    curvature = (x * (chance * (1 - chance))[:, None]).T @ x / len(y)
    return loss, gradient, curvature


def points(count):
    """Two clouds of points that overlap: features with a constant one, and which cloud."""
    rng = np.random.default_rng(0)
    y = (rng.random(count) < 0.5).astype(np.float64)
    x = rng.normal(size=(count, 2)) + np.outer(y, [1.5, -1.0])
    return np.column_stack([np.ones(count), x]), y


def main(count=20_000):
    """Six steps are enough."""
    x, y = points(count)
    weights = np.zeros(3)
    assert derivatives.verify(x, y, weights)  # prints the first difference from plain Python, if there is one
    for step in range(6):
        loss, gradient, curvature = derivatives(x, y, weights)
        print(f"step {step}: loss {loss:.6f}, slope {np.abs(gradient).max():.1e}")
        weights -= np.linalg.solve(curvature, gradient)
    right = np.mean((x @ weights > 0) == y)
    print(f"weights {np.round(weights, 3)}, {right:.1%} of {count} points on the right side")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
