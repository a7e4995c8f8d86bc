"""Roots of many cubics at once by bisection."""

import numpy as np

GROUP = "vector"
SIZES = (20, 33, 100_000)


def value(coefficients, x):
    """The cubics at x, by Horner's rule."""
    result = np.zeros_like(x)
    for c in coefficients:
        result = result * x + c
    return result


def run(coefficients, low, high, tolerance):
    """One root of each cubic between `low` and `high`, and how many halvings it took."""
    sign = np.sign(value(coefficients, low))
    count = 0
    while np.any(high - low > tolerance):
        middle = 0.5 * (low + high)
        same = np.sign(value(coefficients, middle)) == sign
        low = np.where(same, middle, low)
        high = np.where(same, high, middle)
        count += 1
    return 0.5 * (low + high), count


def inputs(size, seed):
    """Coefficients of x^3, x^2, x, 1 in rows, an interval for each, and a tolerance."""
    coefficients = np.random.default_rng(seed).uniform(-1, 1, (4, size))
    coefficients[0] = 1.0
    return coefficients, np.full(size, -4.0), np.full(size, 4.0), 1e-9
