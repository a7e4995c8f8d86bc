"""A bilateral filter: neighbours count by their distance and by how alike they are."""

import numpy as np

GROUP = "vector"
SIZES = (9, 13, 300)


def run(image, radius, sigma_space, sigma_range):
    """The filtered image; its edges are continued outward."""
    rows, columns = image.shape
    padded = np.pad(image, radius, mode="edge")
    total = np.zeros_like(image)
    weight = np.zeros_like(image)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            shifted = padded[radius + dy : radius + dy + rows, radius + dx : radius + dx + columns]
            space = np.exp(-(dx**2 + dy**2) / (2 * sigma_space**2))
            w = space * np.exp(-((shifted - image) ** 2) / (2 * sigma_range**2))
            total += w * shifted
            weight += w
    return total / weight


def inputs(size, seed):
    """A noisy step, the radius and the two widths."""
    rng = np.random.default_rng(seed)
    image = np.where(np.arange(size) < size // 2, 0.2, 0.8)[None, :] + 0.05 * rng.standard_normal(
        (size, size)
    )
    return image, 2, 1.5, 0.2
