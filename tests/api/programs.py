"""The table of programs that people write: how one is noted, and makers of what they take.

Not here: the programs (`programs_numeric.py`, `programs_loops.py`, `programs_objects.py`) and the comparison
(`test_programs.py`).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Program:
    """A plain function, makers of its calls' arguments, and the tolerance in ulp of the largest value."""

    fn: object
    calls: tuple
    tolerance: float


@dataclass(frozen=True)
class Keywords:
    """Arguments of a call, some by keyword."""

    args: tuple
    named: dict


PROGRAMS: dict[str, Program] = {}


def program(*calls, tol=64):
    """Note a function, with a maker of the arguments for each call."""

    def note(fn):
        PROGRAMS[fn.__name__] = Program(fn, calls, tol)
        return fn

    return note


def keywords(*args, **named):
    return Keywords(args, named)


def random(seed=0):
    return np.random.default_rng(100 + seed)


def image(height, width, seed=0):
    return random(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def graph(n, seed=0):
    """Distances between n points, some of them infinite."""
    w = random(seed).random((n, n)) * 10
    w[random(seed + 1).random((n, n)) < 0.4] = np.inf
    np.fill_diagonal(w, 0)
    return w
