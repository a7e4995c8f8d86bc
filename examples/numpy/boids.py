"""A flock of birds: each flies to the middle of its neighbours, along with them, not too near."""

import numpy as np

GROUP = "vector"
SIZES = (7, 11, 250)
STEPS = "steps"


def run(position, velocity, steps, radius=0.4, near=0.1):
    """Move the flock in place; the mean heading at each step."""
    heading = np.zeros((steps, 2))
    for t in range(steps):
        offset = position[np.newaxis] - position[:, np.newaxis]
        distance = np.sqrt((offset**2).sum(axis=2))
        close = (distance < radius) & (distance > 0)
        count = np.maximum(close.sum(axis=1), 1)[:, np.newaxis]
        cohesion = (offset * close[..., np.newaxis]).sum(axis=1) / count
        alignment = close.astype(float) @ velocity / count - velocity * close.any(axis=1)[:, np.newaxis]
        crowd = close & (distance < near)
        separation = -(offset * crowd[..., np.newaxis]).sum(axis=1)
        velocity += 0.05 * cohesion + 0.1 * alignment + 0.5 * separation
        speed = np.linalg.norm(velocity, axis=1, keepdims=True)
        velocity *= np.clip(speed, 0.01, 0.05) / np.maximum(speed, 1e-12)
        position += velocity
        position %= 1.0
        heading[t] = velocity.mean(axis=0)
    return heading


def inputs(size, seed):
    """Places and velocities of birds, and how many steps."""
    rng = np.random.default_rng(seed)
    return rng.random((size, 2)), 0.05 * rng.standard_normal((size, 2)), 10
