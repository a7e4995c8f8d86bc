"""Nearest neighbours: which of some centers each point is closest to. `python examples/nearest.py [points]`.

A matrix product with its epilogue, then one sweep over rows for minimum and position. One program
serves every size.
"""

import sys
from time import perf_counter

import numpy as np

import weft


def nearest(points, centers):
    """The number of the closest center of each point, and its distance."""
    squares = (points**2).sum(axis=1)[:, None] - 2 * (points @ centers.T) + (centers**2).sum(axis=1)
    closest = squares.argmin(axis=1)
    return closest, np.sqrt(np.maximum(squares.min(axis=1), 0))


def seconds(fn, *arguments):
    """The shortest of a few calls."""
    best = float("inf")
    for _ in range(5):
        began = perf_counter()
        fn(*arguments)
        best = min(best, perf_counter() - began)
    return best


def main(count=20_000):
    """Compare for three sizes."""
    compiled = weft.compile(nearest)
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(50, 16)).astype(np.float32)
    for size in (count // 4, count // 2, count):
        points = rng.normal(size=(size, 16)).astype(np.float32)
        plain, ours = nearest(points, centers), compiled(points, centers)
        assert np.mean(plain[0] == ours[0]) > 0.999  # a tie may fall either way
        np.testing.assert_allclose(ours[1], plain[1], rtol=1e-3, atol=1e-3)
        print(f"{size:>7} points: NumPy {seconds(nearest, points, centers) * 1e3:7.2f} ms, "
              f"compiled {seconds(compiled, points, centers) * 1e3:7.2f} ms")  # fmt: skip
    stats = compiled.stats()
    names = ", ".join(kernel["name"] for kernel in stats["kernels"])
    print(f"{stats['compiles']} compiles for three sizes; kernels: {names}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
