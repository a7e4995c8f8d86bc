"""An integral by Romberg's triangle: trapezoids, halved and extrapolated."""

import numpy as np

GROUP = "scalar"
SIZES = (4, 6, 14)
STEPS = "levels"


def integrand(x, a):
    """What is integrated."""
    return np.exp(-a * x) * np.cos(3 * x)


def run(a, low, high, levels):
    """The integral and the triangle."""
    table = np.zeros((levels, levels))
    h = high - low
    table[0, 0] = 0.5 * h * (integrand(low, a) + integrand(high, a))
    points = 1
    for i in range(1, levels):
        h *= 0.5
        total = 0.0
        for k in range(points):
            total += integrand(low + (2 * k + 1) * h, a)
        table[i, 0] = 0.5 * table[i - 1, 0] + h * total
        points *= 2
        factor = 1.0
        for j in range(1, i + 1):
            factor *= 4.0
            table[i, j] = table[i, j - 1] + (table[i, j - 1] - table[i - 1, j - 1]) / (factor - 1)
    return table[-1, -1], table


def inputs(size, seed):
    """The decay, the interval, and how many rows the triangle has."""
    return 0.5 + 0.1 * seed, 0.0, 2.0, size
