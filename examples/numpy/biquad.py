"""A recursive filter of second order, direct form II transposed, channel by channel."""

import numpy as np

GROUP = "scalar"
SIZES = (30, 50, 4000)


def run(signal, b, a):
    """The filtered channels of `signal`, an array of channels by samples."""
    out = np.empty_like(signal)
    for channel in range(signal.shape[0]):
        z1 = 0.0
        z2 = 0.0
        for n in range(signal.shape[1]):
            x = signal[channel, n]
            y = b[0] * x + z1
            z1 = b[1] * x - a[1] * y + z2
            z2 = b[2] * x - a[2] * y
            out[channel, n] = y
    return out


def inputs(size, seed):
    """Two channels of noise and the coefficients of a low pass."""
    rng = np.random.default_rng(seed)
    b = np.array([0.0675, 0.1349, 0.0675])
    a = np.array([1.0, -1.1430, 0.4128])
    return rng.standard_normal((2, size)), b, a
