"""A Kalman filter of position and velocity with small matrices, step by step."""

import numpy as np

GROUP = "scalar"
SIZES = (20, 35, 1500)


def run(measured, dt, process_noise, measurement_noise):
    """The estimated states at all times, and the logarithm of the likelihood."""
    transition = np.array([[1.0, dt], [0.0, 1.0]])
    observe = np.array([[1.0, 0.0]])
    noise = process_noise * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
    state = np.zeros(2)
    covariance = np.eye(2) * 10.0
    estimates = np.zeros((len(measured), 2))
    likelihood = 0.0
    for t, z in enumerate(measured):
        state = transition @ state
        covariance = transition @ covariance @ transition.T + noise
        innovation = z - (observe @ state)[0]
        spread = (observe @ covariance @ observe.T)[0, 0] + measurement_noise
        gain = (covariance @ observe.T)[:, 0] / spread
        state = state + gain * innovation
        covariance = (np.eye(2) - np.outer(gain, observe[0])) @ covariance
        likelihood -= 0.5 * (np.log(2 * np.pi * spread) + innovation**2 / spread)
        estimates[t] = state
    return estimates, likelihood


def inputs(size, seed):
    """Noisy places of something that moves, the step of time, and two variances."""
    rng = np.random.default_rng(seed)
    return 0.5 * np.arange(size) * 0.1 + rng.standard_normal(size), 0.1, 0.05, 1.0
