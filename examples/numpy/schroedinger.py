"""A wave packet in a well: Schroedinger's equation by the split-step Fourier method."""

import numpy as np

GROUP = "vector"
SIZES = (24, 37, 1024)
STEPS = "steps"


def run(psi, potential, length, dt, steps):
    """The wave after the steps, and where its middle was at each."""
    n = psi.shape[0]
    k = 2 * np.pi * np.fft.fftfreq(n, length / n)
    kinetic = np.exp(-0.5j * dt * k**2)
    half = np.exp(-0.5j * dt * potential)
    x = np.linspace(0.0, length, n)
    path = np.empty(steps)
    for step in range(steps):
        psi = half * np.fft.ifft(kinetic * np.fft.fft(half * psi))
        weight = np.abs(psi) ** 2
        path[step] = np.sum(x * weight) / np.sum(weight)
    return psi, path


def inputs(size, seed):
    """A packet in a parabolic well, the length of the box, a time step and the number of steps."""
    x = np.linspace(0.0, 10.0, size)
    packet = np.exp(-((x - 3.0 - 0.1 * seed) ** 2) + 2j * x)
    return packet, 0.5 * (x - 5.0) ** 2, 10.0, 0.01, 20
