"""The Lorenz attractor by the classical Runge-Kutta method, on arrays of three."""

import numpy as np

GROUP = "scalar"
SIZES = (30, 50, 2000)
STEPS = "steps"


def slope(state, sigma, rho, beta):
    """The derivative of the state."""
    x, y, z = state
    return np.array([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


def run(state, steps, dt, sigma=10.0, rho=28.0, beta=8.0 / 3.0):
    """The states at all steps, the first one included."""
    path = np.empty((steps + 1, 3))
    path[0] = state
    for i in range(steps):
        s = path[i]
        k1 = slope(s, sigma, rho, beta)
        k2 = slope(s + 0.5 * dt * k1, sigma, rho, beta)
        k3 = slope(s + 0.5 * dt * k2, sigma, rho, beta)
        k4 = slope(s + dt * k3, sigma, rho, beta)
        path[i + 1] = s + dt / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)
    return path


def inputs(size, seed):
    """A first state, steps and their length."""
    return 1 + 0.1 * np.random.default_rng(seed).random(3), size, 0.005
