"""Edges of an image: Sobel's gradients, their strength and direction, and a threshold."""

import numpy as np

GROUP = "vector"
SIZES = (12, 17, 800)


def convolve(image, kernel):
    """The inner part of the correlation of an image with a small kernel."""
    rows, columns = image.shape
    k = kernel.shape[0]
    out = np.zeros((rows - k + 1, columns - k + 1), dtype=image.dtype)
    for i in range(k):
        for j in range(k):
            out += kernel[i, j] * image[i : i + rows - k + 1, j : j + columns - k + 1]
    return out


def run(image, threshold):
    """Strength and direction of the edges, and where they exceed a share of the strongest."""
    across = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=image.dtype)
    gx = convolve(image, across)
    gy = convolve(image, across.T)
    strength = np.hypot(gx, gy)
    return strength, np.arctan2(gy, gx), strength > threshold * strength.max()


def inputs(size, seed):
    """A grey image and a threshold."""
    return np.random.default_rng(seed).random((size, size + 4), dtype=np.float32), 0.5
