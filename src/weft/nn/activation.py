"""Activations and softmax, as plain NumPy. Not here: losses (`loss.py`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from weft.compiler.frontend.number import TracedNumber
from weft.compiler.frontend.values import TracedScalar, elements, wrap
from weft.transforms import stop_gradient

np: Any = numpy  # typed so: arrays here may be traced


class _Erf:
    """The error function, which NumPy lacks: of floats, elementwise."""

    def __call__(self, x: Any) -> Any:
        """Compute it with Python's `math.erf`."""
        given = np.asarray(x)
        return np.vectorize(math.erf, otypes=[given.dtype])(given)[()]

    def trace_call(
        self, trace: Any, call: Callable[..., Any], args: Sequence[Any], kwargs: Any, effects: list[Any]
    ) -> Any:
        """Trace a call."""
        value = trace.expr(trace.emit("erf", [elements(trace, args[0]).value]))
        return (
            TracedScalar(trace, value.value)
            if isinstance(args[0], TracedScalar | TracedNumber)
            else wrap(trace, value)
        )


erf = _Erf()


def relu(x: Any) -> Any:
    """max(x, 0); the derivative at 0 is 0."""
    return np.where(x <= 0, 0, x)


def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """X where it is positive, else slope * x."""
    return np.where(x > 0, x, x * slope)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """X where it is positive, else alpha * (exp(x) - 1)."""
    return np.where(x > 0, x, alpha * np.expm1(np.where(x > 0, 0, x)))


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), finite for all x; as exact, relatively, where it is near 0."""
    power = np.exp(np.where(x < 0, x, -x))
    return np.where(x < 0, power, 1) / (1 + power)


def silu(x: Any) -> Any:
    """X * sigmoid(x)."""
    return x * sigmoid(x)


def softplus(x: Any) -> Any:
    """log(1 + exp(x)), finite for all x; smooth at 0 in every order, as max and abs are not."""
    return np.logaddexp(x, 0)


def gelu(x: Any, approximate: bool = False) -> Any:
    """X times the normal distribution function of x; `approximate` uses tanh."""
    if approximate:
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1 + erf(x * math.sqrt(0.5)))


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) over its sum along an axis."""
    shifted = np.exp(x - stop_gradient(np.max(x, axis=axis, keepdims=True)))
    return shifted / np.sum(shifted, axis=axis, keepdims=True)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """The logarithm of softmax, finite for logits of any size."""
    shifted = x - stop_gradient(np.max(x, axis=axis, keepdims=True))
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
