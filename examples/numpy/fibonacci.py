"""Fibonacci numbers modulo m, and how often each remainder by 16 occurs."""

import numpy as np

GROUP = "scalar"
SIZES = (30, 50, 10000)
STEPS = "count"


def run(count, modulus):
    """The first `count` numbers modulo `modulus`, and how often each remainder by 16 occurs."""
    numbers = np.zeros(count, dtype=np.int64)
    remainders = np.zeros(16, dtype=np.int64)
    a, b = 0, 1
    for i in range(count):
        numbers[i] = a
        remainders[a % 16] += 1
        a, b = b, (a + b) % modulus
    return numbers, remainders


def inputs(size, seed):
    """How many, and the modulus."""
    return size, 1000003 + seed
