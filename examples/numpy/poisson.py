"""Poisson's equation on a torus by a Fourier transform of both axes."""

import numpy as np

GROUP = "vector"
SIZES = (8, 15, 256)


def run(density):
    """The potential whose Laplacian is the density less its mean."""
    rows, columns = density.shape
    ky = 2 * np.pi * np.fft.fftfreq(rows)[:, None]
    kx = 2 * np.pi * np.fft.rfftfreq(columns)[None, :]
    eigenvalues = 2 * np.cos(kx) + 2 * np.cos(ky) - 4
    eigenvalues[0, 0] = 1.0
    spectrum = np.fft.rfft2(density - density.mean()) / eigenvalues
    return np.fft.irfft2(spectrum, s=density.shape)


def inputs(size, seed):
    """A density."""
    return (np.random.default_rng(seed).normal(size=(size, size + 2)),)
