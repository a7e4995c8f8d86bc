"""Layers as functions of input and parameters, in NumPy: linear, norms, dropout, embedding, attention."""

from __future__ import annotations

from typing import Any

import numpy

from weft.ir import UserError
from weft.nn.activation import softmax

np: Any = numpy  # typed so: arrays here may be traced


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """X @ weight + bias; `weight` is [inputs, outputs]."""
    product = x @ weight
    return product if bias is None else product + bias


def embedding(table: Any, indices: Any) -> Any:
    """The rows of a table at whole numbers. Raises IndexFault beyond its end."""
    return table[indices]


def dropout(x: Any, rate: float, rng: Any, training: bool = True) -> Any:
    """Zeros with probability `rate`, the rest scaled up, drawn from `rng`; x itself without `training`."""
    if not training:
        return x
    if type(rate) in (int, float) and not 0 <= rate < 1:
        raise UserError(f"dropout takes a rate from 0 to below 1, got {rate}", code="E002",
                        fix="give the part that becomes zero")  # fmt: skip
    keep = rng.random(x.shape, dtype=np.float32) >= rate
    return np.where(keep, x * (1 / (1 - rate)), 0)


def layer_norm(x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, axis: Any = -1) -> Any:
    """X less its mean, over the root of its variance, along one or several axes."""
    centred = x - np.mean(x, axis=axis, keepdims=True)
    variance = np.mean(centred * centred, axis=axis, keepdims=True)
    return _affine(centred / np.sqrt(variance + eps), weight, bias)


def rms_norm(x: Any, weight: Any = None, eps: float = 1e-6, axis: Any = -1) -> Any:
    """X over the root of its mean square."""
    return _affine(x / np.sqrt(np.mean(x * x, axis=axis, keepdims=True) + eps), weight, None)


def group_norm(x: Any, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Layer norm over groups of channels (axis 1) and all axes after them."""
    shape = x.shape
    parts = np.reshape(x, (shape[0], groups, -1))
    normal = np.reshape(layer_norm(parts, eps=eps), shape)
    return _affine(normal, _by_channel(weight, x), _by_channel(bias, x))


def instance_norm(x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Layer norm of each channel (axis 1) of each example, over all axes after it."""
    normal = layer_norm(x, eps=eps, axis=tuple(range(2, x.ndim)))
    return _affine(normal, _by_channel(weight, x), _by_channel(bias, x))


def batch_norm(
    x: Any, mean: Any, variance: Any, weight: Any = None, bias: Any = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    """X less the mean of each channel (axis 1), over the root of its variance.

    With `training` those are of the batch, and the variables `mean` and `variance` move towards them by
    `momentum`.
    """
    if not training:
        found, spread = mean, variance
    else:
        axes = (0, *range(2, x.ndim))
        found = np.mean(x, axis=axes)
        centred = x - _by_channel(found, x)
        spread = np.mean(centred * centred, axis=axes)
        count = x.size // x.shape[1]
        mean[...] = (1 - momentum) * mean + momentum * found
        variance[...] = (1 - momentum) * variance + (momentum * count / max(count - 1, 1)) * spread
    normal = (x - _by_channel(found, x)) / np.sqrt(_by_channel(spread, x) + eps)
    return _affine(normal, _by_channel(weight, x), _by_channel(bias, x))


def attention(
    query: Any, key: Any, value: Any, mask: Any = None, is_causal: bool = False, scale: float | None = None
) -> Any:
    """softmax(query @ key.T * scale) @ value over the last two axes, `scale` 1 / sqrt(size) by default.

    A `mask` of bools says which pairs count, one of floats is added. `is_causal` lets a position see itself
    and those before. A position that may see nothing gives zeros.
    """
    factor = 1 / np.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query @ np.swapaxes(key, -1, -2)) * np.asarray(factor, query.dtype)
    allowed: Any = None
    if is_causal:
        allowed = np.arange(query.shape[-2])[:, None] >= np.arange(key.shape[-2])[None, :]
    if mask is not None and mask.dtype == np.bool_:
        allowed = mask if allowed is None else allowed & mask
    elif mask is not None:
        scores = scores + mask
    if allowed is None:
        return softmax(scores) @ value
    chances = softmax(np.where(allowed, scores, np.asarray(-1e30, scores.dtype)))
    return np.where(allowed, chances, 0) @ value


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    scaled = x if weight is None else x * weight
    return scaled if bias is None else scaled + bias


def _by_channel(values: Any, like: Any) -> Any:
    """One value for each channel, in a shape that broadcasts along axis 1."""
    if values is None:
        return None
    return np.reshape(values, (-1, *(1 for _ in like.shape[2:])))
