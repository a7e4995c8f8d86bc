"""Lloyd's algorithm: points go to the nearest centre, centres to the mean of their points."""

import numpy as np

GROUP = "vector"
SIZES = (20, 33, 5000)
STEPS = "limit"


def run(points, centers, limit):
    """Move `centers` in place; the centre of each point, and the sum of squared distances."""
    k = len(centers)
    labels = np.zeros(len(points), dtype=np.int64)
    distance2 = np.zeros((len(points), k))
    for _ in range(limit):
        distance2 = ((points[:, None, :] - centers[None, :, :]) ** 2).sum(axis=2)
        new_labels = distance2.argmin(axis=1)
        if (new_labels == labels).all():
            break
        labels = new_labels
        for c in range(k):
            mine = labels == c
            if mine.any():
                centers[c] = points[mine].mean(axis=0)
    return labels, distance2.min(axis=1).sum()


def inputs(size, seed):
    """Points around four places, and four of them as first centres."""
    rng = np.random.default_rng(seed)
    places = np.array([[0.0, 0.0], [4.0, 0.5], [0.0, 5.0], [4.0, 4.5]])
    points = places[rng.integers(0, 4, size)] + 0.6 * rng.standard_normal((size, 2))
    return points, points[:4].copy(), 20
