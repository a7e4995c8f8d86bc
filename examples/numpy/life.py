"""Conway's game of life on a torus."""

import numpy as np

GROUP = "vector"
SIZES = (8, 11, 500)
STEPS = "generations"


def run(board, generations):
    """The board after so many generations, and how many cells lived in each."""
    living = np.zeros(generations, dtype=np.int64)
    for t in range(generations):
        neighbours = sum(
            np.roll(np.roll(board, dy, 0), dx, 1)
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
            if (dy, dx) != (0, 0)
        )
        board = ((neighbours == 3) | ((board == 1) & (neighbours == 2))).astype(board.dtype)
        living[t] = board.sum()
    return board, living


def inputs(size, seed):
    """A random board and the number of generations."""
    return (np.random.default_rng(seed).random((size, size + 1)) < 0.3).astype(np.int8), 10
