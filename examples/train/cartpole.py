"""A policy learns to balance a pole on a cart: at least 475 of 500 steps in the mean of 100 episodes.

    python examples/train/cartpole.py             # five seeds
    python examples/train/cartpole.py --short     # one seed, a few seconds, at least 100 steps

Physics, policy, the stop of each episode, gradient and update are one compiled function: a `while` that ends
when the last pole has fallen. Source of the physics: Barto, Sutton and Anderson 1983, as in OpenAI Gym.
"""

import argparse
import sys

import numpy as np

import weft
from weft import nn, optim
from weft.random import default_rng

CARTS, LIMIT = 32, 500


class Policy(weft.Module):
    """The logit of pushing to the right."""

    def __init__(self, seed):
        rng = default_rng(seed)
        self.w1 = weft.Variable(nn.glorot_uniform(rng, (4, 32)), "w1")
        self.b1 = weft.Variable(np.zeros(32, np.float32), "b1")
        self.w2 = weft.Variable(nn.glorot_uniform(rng, (32, 1)), "w2")

    def __call__(self, states):
        """[n, 4] to [n]."""
        return (np.tanh(states @ self.w1 + self.b1) @ self.w2)[:, 0]


def moved(s, force):
    """States [n, 4] of place, speed, angle, turn after 0.02 seconds under forces [n]."""
    x, v, angle, turn = s[:, 0], s[:, 1], s[:, 2], s[:, 3]
    sine, cosine = np.sin(angle), np.cos(angle)
    push = (force + 0.05 * turn * turn * sine) / 1.1
    fall = (9.8 * sine - cosine * push) / (0.5 * (4 / 3 - 0.1 * cosine * cosine / 1.1))
    speed = push - 0.05 * fall * cosine / 1.1
    return np.stack([x + 0.02 * v, v + 0.02 * speed, angle + 0.02 * turn, turn + 0.02 * fall], axis=1)


def episodes(policy, start, chances):
    """States, actions and which carts stood, at all times, and how long each did; `chances` None: no dice."""
    carts = start.shape[0]
    states, actions = np.zeros((LIMIT, carts, 4), np.float32), np.zeros((LIMIT, carts), np.float32)
    stood = np.zeros((LIMIT, carts), np.float32)
    s, stands, t = start, np.ones(carts, bool), 0
    while t < LIMIT and np.any(stands):
        edge = 0.5 if chances is None else chances[t]
        right = nn.sigmoid(policy(s)) > edge
        states[t], actions[t], stood[t] = s, right, stands
        s = moved(s, np.where(right, np.float32(10), np.float32(-10)))
        stands = stands & (np.abs(s[:, 0]) < 2.4) & (np.abs(s[:, 2]) < 0.2095)
        t += 1
    return states, actions, stood, np.sum(stood, axis=0)


def train(seed, rounds):
    """The mean length of 100 episodes after training."""
    policy, rng = Policy(seed), np.random.default_rng(seed)
    optimizer = optim.Adam(policy, lr=1e-2)

    def loss(states, actions, stood, worth):
        logits = np.reshape(policy(np.reshape(states, (-1, 4))), actions.shape)
        chance = -nn.softplus(np.where(actions > 0, -logits, logits))  # the logarithm
        return -np.sum(chance * worth * stood) / np.sum(stood)

    @weft.compile
    def learn(start, chances):
        states, actions, stood, lengths = episodes(policy, start, chances)
        ahead = (
            lengths - np.arange(LIMIT, dtype=np.float32)[:, None]
        ) * stood  # steps that are still to come
        mean = np.sum(ahead) / np.sum(stood)
        spread = np.sqrt(np.sum((ahead - mean) ** 2 * stood) / np.sum(stood)) + 1e-6
        optimizer.minimize(loss, states, actions, stood, (ahead - mean) / spread)
        return np.mean(lengths)

    test = weft.compile(lambda start: np.mean(episodes(policy, start, None)[3]))
    for k in range(rounds):
        start = rng.uniform(-0.05, 0.05, (CARTS, 4)).astype(np.float32)
        mean = learn(start, rng.random((LIMIT, CARTS), np.float32))
        if (k + 1) % max(1, rounds // 5) == 0:
            print(f"  round {k + 1} of {rounds}: {mean:.0f} steps", flush=True)
    return float(test(rng.uniform(-0.05, 0.05, (100, 4)).astype(np.float32)))


def main(arguments=None):
    """Train as the command line says; whether the bound is reached, as an exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="one seed and few rounds")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds the full setting runs")
    options = parser.parse_args(arguments)
    seeds, rounds, bound = (1, 30, 100) if options.short else (options.seeds, 250, 475)
    found = [train(seed, rounds) for seed in range(seeds)]
    mean = float(np.mean(found))
    print(f"lengths {', '.join(f'{n:.0f}' for n in found)}; mean {mean:.0f}, at least {bound} expected")
    return 0 if mean >= bound else 1


if __name__ == "__main__":
    sys.exit(main())
