"""Versions for jax of some of the programs: scans, `where` for writes, trip counts that are static.

Each returns the results of `run`, then what `run` leaves in its arguments. Not here: that they are right,
which `weft bench --suite programs` checks before it times them.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax


@partial(jax.jit, static_argnums=1)
def heat(u, steps, alpha):
    """Two buffers, the first of them the argument."""

    def step(_, pair):
        u, _ = pair
        inner = u[1:-1, 1:-1] + alpha * (
            u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * u[1:-1, 1:-1]
        )
        return u.at[1:-1, 1:-1].set(inner), u

    last, before = lax.fori_loop(0, steps, step, (u, u))
    return last, jnp.abs(last - before).max(), last if steps % 2 == 0 else before


@partial(jax.jit, static_argnums=3)
def wave(u, speed, dt, steps):
    """Three time levels."""
    n, m = u.shape
    previous = u

    def step(t, pair):
        previous, u = pair
        laplacian = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * u[1:-1, 1:-1]
        inner = 2 * u[1:-1, 1:-1] - previous[1:-1, 1:-1] + (speed[1:-1, 1:-1] * dt) ** 2 * laplacian
        following = jnp.zeros_like(u).at[1:-1, 1:-1].set(inner)
        return u, following.at[n // 2, m // 2].add(jnp.sin(0.3 * t) * dt)

    previous, u = lax.fori_loop(0, steps, step, (previous, u))
    return u, 0.5 * jnp.sum(((u - previous) / dt) ** 2)


@partial(jax.jit, static_argnums=4)
def shallow_water(h, hu, hv, ratio, steps):
    """Lax-Friedrichs."""

    def mean(q):
        return 0.25 * (jnp.roll(q, 1, 0) + jnp.roll(q, -1, 0) + jnp.roll(q, 1, 1) + jnp.roll(q, -1, 1))

    def slope(q, axis):
        return 0.5 * (jnp.roll(q, -1, axis) - jnp.roll(q, 1, axis))

    def step(_, state):
        h, hu, hv = state
        u, v = hu / h, hv / h
        pressure = 0.5 * 9.81 * h * h
        return (
            mean(h) - ratio * (slope(hu, 0) + slope(hv, 1)),
            mean(hu) - ratio * (slope(hu * u + pressure, 0) + slope(hu * v, 1)),
            mean(hv) - ratio * (slope(hv * u, 0) + slope(hv * v + pressure, 1)),
        )

    h, hu, hv = lax.fori_loop(0, steps, step, (h, hu, hv))
    return h, hu, hv, h


@jax.jit
def floyd_warshall(distance):
    """One sweep for each node."""
    n = len(distance)
    following = jnp.where(jnp.isinf(distance), -1, jnp.arange(n)[None, :])

    def step(k, state):
        distance, following = state
        through = distance[:, k, None] + distance[None, k, :]
        shorter = through < distance
        return jnp.where(shorter, through, distance), jnp.where(shorter, following[:, k, None], following)

    distance, following = lax.fori_loop(0, n, step, (distance, following))
    return following, distance


@jax.jit
def viterbi(start, transition, emission, observed):
    """Forward and backward scans."""
    log_transition, log_emission = jnp.log(transition), jnp.log(emission)
    first = jnp.log(start) + log_emission[:, observed[0]]

    def forward(score, seen):
        candidates = score[:, None] + log_transition
        return candidates.max(axis=0) + log_emission[:, seen], candidates.argmax(axis=0)

    score, back = lax.scan(forward, first, observed[1:])
    last = score.argmax()
    _, path = lax.scan(lambda state, row: (row[state], row[state]), last, back, reverse=True)
    return jnp.concatenate([path, last[None]]), score.max()


@partial(jax.jit, static_argnums=4)
def nbody(position, velocity, mass, dt, steps):
    """All pairs."""
    softening = 0.1

    def acceleration(position):
        separation = position[None, :, :] - position[:, None, :]
        distance2 = (separation**2).sum(axis=-1) + softening**2
        return (separation * (mass[None, :] * distance2**-1.5)[:, :, None]).sum(axis=1)

    def step(_, state):
        position, velocity, force = state
        velocity = velocity + 0.5 * dt * force
        position = position + dt * velocity
        force = acceleration(position)
        return position, velocity + 0.5 * dt * force, force

    position, velocity, _ = lax.fori_loop(0, steps, step, (position, velocity, acceleration(position)))
    kinetic = 0.5 * jnp.sum(mass * jnp.sum(velocity**2, axis=1))
    separation = position[:, None] - position[None]
    distance = jnp.sqrt(jnp.sum(separation**2, axis=-1) + softening**2)
    return kinetic, -0.5 * jnp.sum(jnp.outer(mass, mass) / distance), position, velocity


@partial(jax.jit, static_argnums=1)
def lorenz(state, steps, dt):
    """A scan that stacks the states."""
    sigma, rho, beta = 10.0, 28.0, 8.0 / 3.0

    def slope(s):
        return jnp.array([sigma * (s[1] - s[0]), s[0] * (rho - s[2]) - s[1], s[0] * s[1] - beta * s[2]])

    def step(s, _):
        k1 = slope(s)
        k2 = slope(s + 0.5 * dt * k1)
        k3 = slope(s + 0.5 * dt * k2)
        k4 = slope(s + dt * k3)
        s = s + dt / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)
        return s, s

    _, path = lax.scan(step, state, length=steps)
    return jnp.concatenate([state[None], path])


@jax.jit
def ising(spins, uniform, beta):
    """A scan over sweeps, both colours in each."""
    n, m = spins.shape
    colour = (jnp.arange(n)[:, None] + jnp.arange(m)[None, :]) % 2

    def sweep(spins, uniform):
        for parity in range(2):
            neighbours = (
                jnp.roll(spins, 1, 0)
                + jnp.roll(spins, -1, 0)
                + jnp.roll(spins, 1, 1)
                + jnp.roll(spins, -1, 1)
            )
            flip = (colour == parity) & (uniform < jnp.exp(-beta * 2 * spins * neighbours))
            spins = jnp.where(flip, -spins, spins)
        return spins, spins.mean()

    spins, magnetization = lax.scan(sweep, spins, uniform)
    return magnetization, spins


@partial(jax.jit, static_argnums=1)
def bilateral(image, radius, sigma_space, sigma_range):
    """The window is unrolled."""
    rows, columns = image.shape
    padded = jnp.pad(image, radius, mode="edge")
    total, weight = jnp.zeros_like(image), jnp.zeros_like(image)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            shifted = padded[radius + dy : radius + dy + rows, radius + dx : radius + dx + columns]
            space = jnp.exp(-(dx**2 + dy**2) / (2 * sigma_space**2))
            w = space * jnp.exp(-((shifted - image) ** 2) / (2 * sigma_range**2))
            total, weight = total + w * shifted, weight + w
    return total / weight


@jax.jit
def median_filter(image):
    """A stack of shifted images."""
    rows, columns = image.shape
    padded = jnp.pad(image, 1, mode="edge")
    stack = jnp.stack([padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)])
    result = jnp.median(stack, axis=0)
    return result, jnp.count_nonzero(result != image)


@partial(jax.jit, static_argnums=2)
def mandelbrot(x, y, limit):
    """All points in each step."""
    c = x[None, :] + 1j * y[:, None]

    def step(k, state):
        z, times, inside = state
        z = jnp.where(inside, z**2 + c, z)
        escaped = inside & (jnp.abs(z) > 2)
        return z, jnp.where(escaped, k, times), inside & ~escaped

    start = (jnp.zeros_like(c), jnp.full(c.shape, limit), jnp.ones(c.shape, bool))
    return lax.fori_loop(0, limit, step, start)[1]


@partial(jax.jit, static_argnums=1)
def life(board, generations):
    """A scan over generations."""

    def step(board, _):
        neighbours = sum(
            jnp.roll(board, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)
        )
        board = ((neighbours == 3) | ((board == 1) & (neighbours == 2))).astype(board.dtype)
        return board, board.sum(dtype=jnp.int64)

    return lax.scan(step, board, length=generations)


@jax.jit
def newton(mean_anomaly, eccentricity, tolerance):
    """A while loop over all orbits."""

    def step(state):
        e, _, count = state
        change = (e - eccentricity * jnp.sin(e) - mean_anomaly) / (1 - eccentricity * jnp.cos(e))
        return e - change, jnp.max(jnp.abs(change)), count + 1

    first = jnp.where(eccentricity < 0.8, mean_anomaly, jnp.pi)
    e, _, count = lax.while_loop(lambda s: (s[1] >= tolerance) & (s[2] < 50), step, (first, jnp.inf, 0))
    return e, jnp.cos(e) - eccentricity, jnp.sqrt(1 - eccentricity**2) * jnp.sin(e), count


@jax.jit
def bisection(coefficients, low, high, tolerance):
    """A while loop over all cubics."""

    def value(x):
        result = jnp.zeros_like(x)
        for c in coefficients:
            result = result * x + c
        return result

    sign = jnp.sign(value(low))

    def step(state):
        low, high, count = state
        middle = 0.5 * (low + high)
        same = jnp.sign(value(middle)) == sign
        return jnp.where(same, middle, low), jnp.where(same, high, middle), count + 1

    low, high, count = lax.while_loop(lambda s: jnp.any(s[1] - s[0] > tolerance), step, (low, high, 0))
    return 0.5 * (low + high), count


@jax.jit
def pagerank(links):
    """A while loop until it converges."""
    damping, tolerance, n = 0.85, 1e-10, links.shape[0]
    outgoing = links.sum(axis=0)
    transition = jnp.where(outgoing > 0, links / jnp.maximum(outgoing, 1), 1.0 / n)

    def step(state):
        rank, _ = state
        following = damping * (transition @ rank) + (1 - damping) / n
        return following, jnp.abs(following - rank).sum()

    rank, _ = lax.while_loop(lambda s: s[1] >= tolerance, step, (jnp.full(n, 1.0 / n), jnp.inf))
    return rank, jnp.argsort(-rank, stable=True)


@partial(jax.jit, static_argnums=4)
def logistic(x, y, rate, decay, epochs):
    """A scan over epochs."""
    n, d = x.shape

    def epoch(state, _):
        w, b = state
        p = 1.0 / (1.0 + jnp.exp(-(x @ w + b)))
        loss = -jnp.mean(y * jnp.log(p + 1e-12) + (1 - y) * jnp.log(1 - p + 1e-12))
        error = p - y
        return (w - rate * (x.T @ error / n + decay * w), b - rate * error.mean()), loss

    (w, b), losses = lax.scan(epoch, (jnp.zeros(d), 0.0), length=epochs)
    return w, b, losses
