"""Convolution and pooling in one, two and three dimensions: patches by slices, then one product.

Arrays are [batch, channels, ...], filters [outputs, inputs / groups, ...], as torch's. `padding` is a number
for each side, one for each axis, or "same" (with stride 1). Not here: a kernel of their own for convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy

from weft.ir import ShapeError, UserError

_type: Callable[[Any], Any] = type  # typed so: of a value of any type

np: Any = numpy  # typed so: arrays here may be traced

Sizes = int | Sequence[int]


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Any = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """Convolve along one axis."""
    return _conv(x, weight, bias, (1, stride, padding, dilation, groups))


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Any = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """Convolve along two axes."""
    return _conv(x, weight, bias, (2, stride, padding, dilation, groups))


def conv3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Any = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """Convolve along three axes."""
    return _conv(x, weight, bias, (3, stride, padding, dilation, groups))


def max_pool1d(x: Any, size: Sizes, stride: Any = None, padding: Sizes = 0) -> Any:
    """The largest of each window along one axis."""
    return _pool(x, (1, size, stride, padding), -np.inf, np.max)


def max_pool2d(x: Any, size: Sizes, stride: Any = None, padding: Sizes = 0) -> Any:
    """The largest of each window along two axes."""
    return _pool(x, (2, size, stride, padding), -np.inf, np.max)


def max_pool3d(x: Any, size: Sizes, stride: Any = None, padding: Sizes = 0) -> Any:
    """The largest of each window along three axes."""
    return _pool(x, (3, size, stride, padding), -np.inf, np.max)


def avg_pool1d(x: Any, size: Sizes, stride: Any = None, padding: Sizes = 0) -> Any:
    """The mean of each window along one axis; what is padded counts as zeros."""
    return _pool(x, (1, size, stride, padding), 0.0, np.mean)


def avg_pool2d(x: Any, size: Sizes, stride: Any = None, padding: Sizes = 0) -> Any:
    """The mean of each window along two axes; what is padded counts as zeros."""
    return _pool(x, (2, size, stride, padding), 0.0, np.mean)


def avg_pool3d(x: Any, size: Sizes, stride: Any = None, padding: Sizes = 0) -> Any:
    """The mean of each window along three axes; what is padded counts as zeros."""
    return _pool(x, (3, size, stride, padding), 0.0, np.mean)


def global_avg_pool(x: Any) -> Any:
    """The mean of each channel: [batch, channels]."""
    return np.mean(np.reshape(x, (x.shape[0], x.shape[1], -1)), axis=-1)


def _conv(x: Any, weight: Any, bias: Any, facts: tuple[int, Sizes, Any, Sizes, int]) -> Any:
    rank, stride, padding, dilation, groups = facts
    if x.ndim != rank + 2 or weight.ndim != rank + 2 or x.shape[1] != weight.shape[1] * groups:
        raise ShapeError(f"conv{rank}d of {_show(x)} with filters {_show(weight)} in {groups} groups",
                         fix="give [batch, channels, ...] and [outputs, channels / groups, ...]")  # fmt: skip
    kernel, steps, gaps = tuple(weight.shape[2:]), _each(stride, rank), _each(dilation, rank)
    if padding == "same":
        if any([s != 1 for s in steps]):
            raise UserError('padding="same" needs stride 1', code="E002", fix="give the padding as numbers")
        spans = [d * (k - 1) for k, d in zip(kernel, gaps)]  # noqa: B905 -- both have the rank
        sides = tuple([(span // 2, span - span // 2) for span in spans])
    else:
        sides = tuple([(p, p) for p in _each(padding, rank)])
    windows = _windows(_padded(x, sides, 0.0), (kernel, steps, gaps))  # [offsets, batch, channels, places...]
    batch, outputs, places = x.shape[0], weight.shape[0], tuple(windows.shape[3:])
    parts: list[Any] = []
    inputs, made = weight.shape[1], outputs // groups
    for g in tuple(range(groups)):
        columns = windows[:, :, g * inputs : (g + 1) * inputs]
        columns = np.reshape(np.moveaxis(columns, (1, 2, 0), (0, -2, -1)), (-1, inputs * _product(kernel)))
        filters = np.reshape(weight[g * made : (g + 1) * made], (made, -1))
        parts += [np.reshape(columns @ filters.T, (batch, *places, made))]
    found = np.moveaxis(parts[0] if groups == 1 else np.concatenate(parts, axis=-1), -1, 1)
    return found if bias is None else found + np.reshape(bias, (-1, *(1,) * rank))


def _pool(x: Any, facts: tuple[int, Sizes, Any, Sizes], border: float, reduce: Callable[..., Any]) -> Any:
    rank, size, stride, padding = facts
    if x.ndim != rank + 2:
        raise ShapeError(f"pooling along {rank} axes of {_show(x)}", fix="give [batch, channels, ...]")
    kernel = _each(size, rank)
    steps = kernel if stride is None else _each(stride, rank)
    sides = tuple([(p, p) for p in _each(padding, rank)])
    return reduce(_windows(_padded(x, sides, border), (kernel, steps, (1,) * rank)), axis=0)


def _padded(x: Any, sides: tuple[tuple[int, int], ...], value: float) -> Any:
    if all([side == (0, 0) for side in sides]):
        return x
    return np.pad(x, ((0, 0), (0, 0), *sides), constant_values=value)


def _windows(x: Any, facts: tuple[tuple[int, ...], ...]) -> Any:
    """The elements at each offset in the kernel, at all places: [offsets, batch, channels, places...]."""
    kernel, steps, gaps = facts
    axes = zip(x.shape[2:], kernel, steps, gaps)  # noqa: B905 -- all have the rank
    counts = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in axes]
    parts: list[Any] = []
    for offsets in tuple(product(*[tuple(range(k)) for k in kernel])):
        first = [o * d for o, d in zip(offsets, gaps)]  # noqa: B905
        cut = [slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(first, counts, steps)]  # noqa: B905
        parts += [x[(slice(None), slice(None), *cut)]]
    return np.stack(parts)


def _each(value: Any, rank: int) -> tuple[int, ...]:
    return tuple(value) if _type(value) in (tuple, list) else (value,) * rank


def _product(numbers: Any) -> Any:
    total = 1
    for n in tuple(numbers):
        total = total * n
    return total


def _show(x: Any) -> str:
    return f"[{', '.join([str(n) for n in x.shape])}]"
