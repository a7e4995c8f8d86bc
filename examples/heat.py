"""Heat in a plate: a five-point stencil, stepped in NumPy and compiled. `python examples/heat.py [size]`."""

import sys
from time import perf_counter

import numpy as np

import weft


def spread(old):
    """One step of time: each inner point becomes the mean of its neighbours; the edge stays."""
    new = old.copy()
    new[1:-1, 1:-1] = (old[:-2, 1:-1] + old[2:, 1:-1] + old[1:-1, :-2] + old[1:-1, 2:]) / 4
    return new


def simulate(step, size, steps):
    """The plate after so many steps, one edge held at 100 degrees, and the seconds they took."""
    plate = np.zeros((size, size), np.float32)
    plate[0] = 100
    step(plate)  # compiles, and warms up NumPy as well
    began = perf_counter()
    for _ in range(steps):
        plate = step(plate)
    return plate, perf_counter() - began


def main(size=1000, steps=50):
    """Compare the two and show the plate."""
    plain, plain_s = simulate(spread, size, steps)
    ours, ours_s = simulate(weft.compile(spread), size, steps)
    assert np.array_equal(plain, ours)  # sums and quotients are equal to the bit
    print(f"{steps} steps on {size} x {size} points: NumPy {plain_s:.3f} s, compiled {ours_s:.3f} s")
    rows = ours[: max(8, steps // 4) : max(1, steps // 32), :: max(1, size // 60)]
    for row in rows:
        print("".join(" .:-=+*#%@"[min(9, int(value / 10))] for value in row))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
