"""Gravity between all pairs of bodies, leapfrog steps, energy at the end."""

import numpy as np

GROUP = "vector"
SIZES = (6, 9, 200)
STEPS = "steps"


def acceleration(position, mass, softening):
    """The acceleration of each body by all others."""
    separation = position[None, :, :] - position[:, None, :]
    distance2 = (separation**2).sum(axis=-1) + softening**2
    return (separation * (mass[None, :] * distance2**-1.5)[:, :, None]).sum(axis=1)


def run(position, velocity, mass, dt, steps):
    """Move the bodies in place; their kinetic and potential energy."""
    softening = 0.1
    force = acceleration(position, mass, softening)
    for _ in range(steps):
        velocity += 0.5 * dt * force
        position += dt * velocity
        force = acceleration(position, mass, softening)
        velocity += 0.5 * dt * force
    kinetic = 0.5 * np.sum(mass * np.sum(velocity**2, axis=1))
    separation = position[:, None] - position[None]
    distance = np.sqrt(np.sum(separation**2, axis=-1) + softening**2)
    potential = -0.5 * np.sum(np.outer(mass, mass) / distance)
    return kinetic, potential


def inputs(size, seed):
    """Bodies, the step of time and the number of steps."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((size, 3)), 0.1 * rng.standard_normal((size, 3)), rng.random(size), 0.01, 10
