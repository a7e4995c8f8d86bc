"""Initial values of parameters, float32, drawn from a `weft.random` generator or NumPy's.

The shape is [inputs, outputs], or [outputs, inputs, ...] of a filter.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def glorot_uniform(rng: Any, shape: tuple[int, ...]) -> Any:
    """Uniform, with variance 2 / (inputs + outputs). Source: Glorot and Bengio 2010."""
    inputs, outputs = _fans(shape)
    bound = math.sqrt(6 / (inputs + outputs))
    return np.asarray(rng.uniform(-bound, bound, shape)).astype(np.float32)


def glorot_normal(rng: Any, shape: tuple[int, ...]) -> Any:
    """Normal, with variance 2 / (inputs + outputs)."""
    inputs, outputs = _fans(shape)
    return np.asarray(rng.normal(0.0, math.sqrt(2 / (inputs + outputs)), shape)).astype(np.float32)


def he_uniform(rng: Any, shape: tuple[int, ...]) -> Any:
    """Uniform, with variance 2 / inputs, for relu. Source: He et al. 2015."""
    bound = math.sqrt(6 / _fans(shape)[0])
    return np.asarray(rng.uniform(-bound, bound, shape)).astype(np.float32)


def he_normal(rng: Any, shape: tuple[int, ...]) -> Any:
    """Normal, with variance 2 / inputs, for relu."""
    return np.asarray(rng.normal(0.0, math.sqrt(2 / _fans(shape)[0]), shape)).astype(np.float32)


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Inputs and outputs of one unit."""
    first, *rest = shape
    if not rest:
        return first, first
    field = math.prod(rest[1:])
    return (rest[0] * field, first * field) if len(rest) > 1 else (first, rest[0])
