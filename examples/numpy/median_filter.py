"""The median of 3 by 3 neighbours: removes salt and pepper from an image."""

import numpy as np

GROUP = "vector"
SIZES = (9, 13, 300)


def run(image):
    """The filtered image, and how many pixels it changed."""
    rows, columns = image.shape
    padded = np.pad(image, 1, mode="edge")
    neighbours = [padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    result = np.median(np.stack(neighbours), axis=0)
    return result, np.count_nonzero(result != image)


def inputs(size, seed):
    """An image with salt and pepper."""
    rng = np.random.default_rng(seed)
    image = np.linspace(0.2, 0.8, size)[:, None] * np.ones(size)
    noise = rng.random((size, size))
    image[noise < 0.05] = 0.0
    image[noise > 0.95] = 1.0
    return (image,)
