"""Welch's estimate of a power spectrum: windowed, overlapping segments, real transforms, their mean."""

import numpy as np

GROUP = "vector"
SIZES = (300, 701, 100_000)


def run(signal, length):
    """Frequencies and power."""
    count = (signal.shape[0] - length) // (length // 2) + 1
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    rows = np.arange(count)[:, None] * (length // 2) + np.arange(length)
    spectra = np.fft.rfft((signal[rows] - signal.mean()) * window)
    return np.fft.rfftfreq(length), (spectra.real**2 + spectra.imag**2).mean(0) / (window**2).sum()


def inputs(size, seed):
    """Noise with a tone in it, and the length of a segment."""
    rng = np.random.default_rng(seed)
    return np.sin(0.3 * np.arange(size)) + rng.normal(size=size), 64
