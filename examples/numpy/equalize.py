"""Histogram equalization of a grey image of bytes."""

import numpy as np

GROUP = "vector"
SIZES = (12, 17, 700)


def run(image):
    """The image with its greys spread evenly, and the histogram from before."""
    histogram = np.bincount(image.ravel(), minlength=256)
    cumulative = histogram.cumsum()
    lowest = cumulative[cumulative > 0].min()
    scale = (cumulative - lowest) / (image.size - lowest)
    table = np.clip(np.round(scale * 255), 0, 255).astype(np.uint8)
    return table[image], histogram


def inputs(size, seed):
    """A dark image."""
    return ((np.random.default_rng(seed).random((size, size)) ** 2 * 200).astype(np.uint8),)
