"""The most likely path of a hidden Markov model."""

import numpy as np

GROUP = "vector"
SIZES = (5, 8, 120)


def run(start, transition, emission, observed):
    """The most likely states of what was observed, and the logarithm of their probability."""
    steps, states = len(observed), len(start)
    score = np.log(start) + np.log(emission[:, observed[0]])
    back = np.zeros((steps, states), dtype=np.int64)
    log_transition = np.log(transition)
    log_emission = np.log(emission)
    for t in range(1, steps):
        candidates = score[:, None] + log_transition
        back[t] = candidates.argmax(axis=0)
        score = candidates.max(axis=0) + log_emission[:, observed[t]]
    path = np.zeros(steps, dtype=np.int64)
    path[-1] = score.argmax()
    for t in range(steps - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return path, score.max()


def inputs(size, seed):
    """The model, with so many states, and twice as many observations."""
    rng = np.random.default_rng(seed)
    start = rng.dirichlet(np.ones(size))
    transition = rng.dirichlet(np.ones(size), size)
    emission = rng.dirichlet(np.ones(4), size)
    return start, transition, emission, rng.integers(0, 4, 2 * size)
