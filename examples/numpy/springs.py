"""A cloth of points and springs, hung up along one edge: forces are scattered to the ends of each spring."""

import numpy as np

GROUP = "vector"
SIZES = (4, 6, 60)
STEPS = "steps"


def run(position, ends, rest, stiffness, dt, steps):
    """Let the cloth fall; where its points are, and the longest spring."""
    velocity = np.zeros_like(position)
    fixed = position[:, 1] >= position[:, 1].max() - 1e-9
    a, b = ends[:, 0], ends[:, 1]
    length = rest
    for _ in range(steps):
        along = position[b] - position[a]
        length = np.sqrt(np.sum(along**2, axis=1))
        pull = (stiffness * (length - rest) / length)[:, None] * along
        force = np.zeros_like(position)
        np.add.at(force, a, pull)
        np.subtract.at(force, b, pull)
        force[:, 1] -= 9.81
        velocity += dt * (force - 0.1 * velocity)
        velocity[fixed] = 0.0
        position = position + dt * velocity
    return position, length.max()


def inputs(size, seed):
    """A square cloth: points, the springs between neighbours, their length, stiffness and steps."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    position = np.stack([x.ravel(), y.ravel()], axis=1).astype(float)
    number = np.arange(size * size).reshape(size, size)
    across = np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], axis=1)
    down = np.stack([number[:-1].ravel(), number[1:].ravel()], axis=1)
    ends = np.concatenate([across, down])
    return position, ends, np.ones(len(ends)), 50 + rng.random(len(ends)), 0.01, 20
