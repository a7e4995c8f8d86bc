"""Losses, as plain NumPy. `reduction` is "mean" (over all examples), "sum" or "none".

Targets have the shape of what they are compared with, or broadcast to it; any other is a ShapeError, as
[n, 1] for [n], which NumPy would make [n, n].
"""

from __future__ import annotations

from typing import Any

import numpy

from weft.ir import IndexFault, ShapeError, UserError
from weft.nn.activation import log_softmax, softplus

np: Any = numpy  # typed so: arrays here may be traced


def cross_entropy(
    logits: Any,
    labels: Any,
    axis: int = -1,
    reduction: str = "mean",
    *,
    ignore: int | None = None,
    smoothing: float = 0.0,
) -> Any:
    """Minus the logarithm of the probability that softmax of `logits` gives to `labels`.

    Labels are whole numbers, of the shape of the logits without `axis`, or probabilities of their whole
    shape. Those that are `ignore` count nothing, nor in the mean. `smoothing` is the part of the weight that
    all classes share. Raises IndexFault for a label that is not in [0, classes), ShapeError for labels of
    another shape.
    """
    labels = np.asarray(labels)
    is_whole = labels.dtype.kind in "iu"
    apart = axis % logits.ndim
    expected = logits.shape[:apart] + logits.shape[apart:][1:] if is_whole else logits.shape
    if len(labels.shape) != len(expected) or labels.shape != expected:
        raise ShapeError(
            f"labels of {labels.dtype} have shape {list(labels.shape)}, logits {list(logits.shape)}",
            fix="give whole numbers of the logits' shape without the classes, or probabilities of all of it",
        )
    chances = log_softmax(logits, axis)
    if smoothing:
        chances = (1 - smoothing) * chances + smoothing * np.mean(chances, axis=axis, keepdims=True)
    if ignore is not None:
        counts = labels != ignore
        losses = cross_entropy_of(chances, np.where(counts, labels, 0), axis)
        kept = np.where(counts, losses, 0)
        return (
            np.sum(kept) / np.sum(counts, dtype=kept.dtype)
            if reduction == "mean"
            else _reduced(kept, reduction)
        )
    return _reduced(cross_entropy_of(chances, labels, axis), reduction)


def cross_entropy_of(chances: Any, labels: Any, axis: int = -1) -> Any:
    """The same for logarithms of probabilities, one number for each label."""
    if labels.dtype.kind in "iu":
        # -1 is no class, so it must not count from the end
        whole: Any = np.asarray(labels, np.int64)
        chosen: Any = np.where(whole < 0, whole - IndexFault.apart, whole)
        classes: Any = np.arange(chances.shape[axis])
        places = np.reshape(classes, (-1, *(1 for _ in chances.shape[axis:][1:])))
        is_chosen = np.expand_dims(classes[chosen], axis) == places  # the index checks the labels
        return -np.sum(np.where(is_chosen, chances, 0), axis=axis)
    return -np.sum(labels * chances, axis=axis)


def binary_cross_entropy(logits: Any, targets: Any, reduction: str = "mean") -> Any:
    """Cross-entropy of yes or no: `targets` in [0, 1], `logits` before the sigmoid."""
    return _reduced(softplus(logits) - logits * _fitting(targets, logits), reduction)


def mean_squared_error(x: Any, target: Any, reduction: str = "mean") -> Any:
    """(x - target) squared."""
    difference = x - _fitting(target, x)
    return _reduced(difference * difference, reduction)


def mean_absolute_error(x: Any, target: Any, reduction: str = "mean") -> Any:
    """|x - target|."""
    return _reduced(np.abs(x - _fitting(target, x)), reduction)


def huber(x: Any, target: Any, delta: float = 1.0, reduction: str = "mean") -> Any:
    """Half the square of the difference up to `delta`, linear beyond."""
    size = np.abs(x - _fitting(target, x))
    near = np.minimum(size, delta)
    return _reduced(near * (size - 0.5 * near), reduction)


def kl_divergence(log_chances: Any, target: Any, axis: int = -1, reduction: str = "mean") -> Any:
    """Sum of target * (log(target) - log_chances) along an axis; a target of 0 counts 0."""
    target = _fitting(target, log_chances)
    safe = np.where(target > 0, target, 1)
    return _reduced(np.sum(target * (np.log(safe) - log_chances), axis=axis), reduction)


def _fitting(target: Any, x: Any) -> Any:
    """The target, if it broadcasts to the shape of x."""
    shape, whole = np.shape(target), np.shape(x)
    if shape == whole or shape == ():
        return target
    if len(shape) > len(whole) or any(n not in (1, m) for n, m in zip(shape[::-1], whole[::-1])):  # noqa: B905
        raise ShapeError(
            f"a target of shape {list(shape)} is compared with values of shape {list(whole)}",
            fix="give both one shape, as in target.reshape(x.shape)",
        )
    return target


def _reduced(values: Any, reduction: str) -> Any:
    if reduction == "mean":
        return np.mean(values)
    if reduction == "sum":
        return np.sum(values)
    if reduction == "none":
        return values
    raise UserError(f"reduction={reduction!r} is unknown", code="E002", fix='use "mean", "sum" or "none"')
