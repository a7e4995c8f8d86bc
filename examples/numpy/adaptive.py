"""Van der Pol's oscillator by a Runge-Kutta pair of Bogacki and Shampine with step control."""

import numpy as np

GROUP = "scalar"
SIZES = (3, 5, 100)


def slope(y, mu):
    """The derivative of place and velocity."""
    return np.array([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])


def run(y, mu, end, tolerance):
    """The state at time `end`, the steps taken and the steps refused."""
    t, h = 0.0, 1e-3
    taken = refused = 0
    k1 = slope(y, mu)
    while t < end:
        h = min(h, end - t)
        k2 = slope(y + h * 0.5 * k1, mu)
        k3 = slope(y + h * 0.75 * k2, mu)
        new = y + h * (2 * k1 + 3 * k2 + 4 * k3) / 9
        k4 = slope(new, mu)
        error = np.abs(h * (-5 * k1 / 72 + k2 / 12 + k3 / 9 - k4 / 8)).max()
        if error <= tolerance:
            t += h
            y = new
            k1 = k4
            taken += 1
        else:
            refused += 1
        h *= min(5.0, max(0.2, 0.9 * (tolerance / (error + 1e-16)) ** (1 / 3)))
    return y, taken, refused


def inputs(size, seed):
    """A first state, the strength of damping, the end, and a tolerance."""
    return np.array([2.0, 0.0]) + 0.01 * np.random.default_rng(seed).random(2), 2.0, float(size), 1e-5
