"""The rank of pages by power iteration on the matrix of links."""

import numpy as np

GROUP = "vector"
BLAS = True
SIZES = (8, 12, 500)


def run(links, damping=0.85, tolerance=1e-10):
    """The rank of each page, and the pages in the order of their ranks."""
    n = links.shape[0]
    outgoing = links.sum(axis=0)
    transition = np.where(outgoing > 0, links / np.maximum(outgoing, 1), 1.0 / n)
    rank = np.full(n, 1.0 / n)
    while True:
        following = damping * (transition @ rank) + (1 - damping) / n
        change = np.abs(following - rank).sum()
        rank = following
        if change < tolerance:
            break
    return rank, np.argsort(-rank, kind="stable")


def inputs(size, seed):
    """Which page (column) links to which (row)."""
    return ((np.random.default_rng(seed).random((size, size)) < 0.2).astype(float),)
