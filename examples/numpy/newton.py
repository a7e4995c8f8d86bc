"""Kepler's equation for many orbits by Newton's method, until all have converged."""

import numpy as np

GROUP = "vector"
SIZES = (20, 33, 100_000)


def run(mean_anomaly, eccentricity, tolerance):
    """The eccentric anomalies, places on the orbits, and how many steps it took."""
    e = np.where(eccentricity < 0.8, mean_anomaly, np.pi)
    count = 0
    while True:
        change = (e - eccentricity * np.sin(e) - mean_anomaly) / (1 - eccentricity * np.cos(e))
        e = e - change
        count += 1
        if np.max(np.abs(change)) < tolerance or count == 50:
            break
    return e, np.cos(e) - eccentricity, np.sqrt(1 - eccentricity**2) * np.sin(e), count


def inputs(size, seed):
    """Mean anomalies, eccentricities and a tolerance."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 2 * np.pi, size), rng.uniform(0, 0.95, size), 1e-10
