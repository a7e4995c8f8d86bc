"""Convolution and pooling in one, two and three dimensions.

Arrays are [batch, channels, ...], filters [outputs, inputs / groups, ...], as torch's. `padding` is a number
for each side, one for each axis, or "same" (with stride 1). Inside, channels are
last. Not here: how a convolution becomes a product (`weft.ir.ops.conv`, the pass `lower_conv`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy

from weft.compiler.frontend.numpy.products import common_operands
from weft.compiler.frontend.values import TracedArray, new_array
from weft.ir import REGISTRY, ShapeError, UserError

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


def conv_transpose1d(
    x: Any, weight: Any, bias: Any = None, stride: Sizes = 1, padding: Sizes = 0,
    output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Any:  # fmt: skip
    """Convolve backwards along one axis; filters are [inputs, outputs / groups, ...], as torch's."""
    return _conv_transpose(x, weight, bias, (1, stride, padding, output_padding, groups, dilation))


def conv_transpose2d(
    x: Any, weight: Any, bias: Any = None, stride: Sizes = 1, padding: Sizes = 0,
    output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Any:  # fmt: skip
    """Convolve backwards along two axes; filters are [inputs, outputs / groups, ...], as torch's."""
    return _conv_transpose(x, weight, bias, (2, stride, padding, output_padding, groups, dilation))


def conv_transpose3d(
    x: Any, weight: Any, bias: Any = None, stride: Sizes = 1, padding: Sizes = 0,
    output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Any:  # fmt: skip
    """Convolve backwards along three axes; filters are [inputs, outputs / groups, ...], as torch's."""
    return _conv_transpose(x, weight, bias, (3, stride, padding, output_padding, groups, dilation))


def max_pool1d(
    x: Any,
    size: Sizes,
    stride: Any = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Any:
    """The largest of each window along one axis; with `ceil_mode` also of those over the end."""
    return _pool(x, (1, size, stride, padding, dilation, ceil_mode), None)


def max_pool2d(
    x: Any,
    size: Sizes,
    stride: Any = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Any:
    """The largest of each window along two axes; with `ceil_mode` also of those over the end."""
    return _pool(x, (2, size, stride, padding, dilation, ceil_mode), None)


def max_pool3d(
    x: Any,
    size: Sizes,
    stride: Any = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Any:
    """The largest of each window along three axes; with `ceil_mode` also of those over the end."""
    return _pool(x, (3, size, stride, padding, dilation, ceil_mode), None)


def avg_pool1d(
    x: Any,
    size: Sizes,
    stride: Any = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window along one axis; what is padded counts as zeros, or not at all."""
    return _pool(x, (1, size, stride, padding, 1, ceil_mode), count_include_pad)


def avg_pool2d(
    x: Any,
    size: Sizes,
    stride: Any = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window along two axes; what is padded counts as zeros, or not at all."""
    return _pool(x, (2, size, stride, padding, 1, ceil_mode), count_include_pad)


def avg_pool3d(
    x: Any,
    size: Sizes,
    stride: Any = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window along three axes; what is padded counts as zeros, or not at all."""
    return _pool(x, (3, size, stride, padding, 1, ceil_mode), count_include_pad)


def adaptive_avg_pool(x: Any, sizes: Sequence[int]) -> Any:
    """The means of as many windows along each axis as `sizes` says: [batch, channels, *sizes]."""
    return _adaptive(x, sizes, lambda part, axis: np.mean(part, axis=axis))


def adaptive_max_pool(x: Any, sizes: Sequence[int]) -> Any:
    """The largest of as many windows along each axis as `sizes` says: [batch, channels, *sizes]."""
    return _adaptive(x, sizes, lambda part, axis: np.max(part, axis=axis))


def global_avg_pool(x: Any) -> Any:
    """The mean of each channel: [batch, channels]."""
    return np.mean(np.reshape(x, (x.shape[0], x.shape[1], -1)), axis=-1)


class _Convolve:
    """`conv` of the IR: channels last, filters [*kernel, channels, outputs], no padding."""

    def __call__(self, x: Any, weight: Any, facts: dict[str, Any]) -> Any:
        """Compute it with NumPy, or trace it where the caller has no source and is not rewritten."""
        for given in (x, weight):
            if isinstance(given, TracedArray):
                return self.trace_call(given.trace, self.__call__, (x, weight, facts), {}, [])
        common = np.result_type(x, weight)
        return REGISTRY["conv"].evaluate(facts, np.asarray(x, common), np.asarray(weight, common))  # pyright: ignore[reportOptionalCall]

    def trace_call(
        self, trace: Any, call: Callable[..., Any], args: Sequence[Any], kwargs: Any, effects: list[Any]
    ) -> Any:
        """Trace a call."""
        x, weight, facts = args
        values = [v.value for v in common_operands(trace, x, weight)]
        return new_array(trace, trace.expr(trace.emit("conv", values, facts)))


_convolve = _Convolve()


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
    last = np.moveaxis(x, 1, -1)
    _check_window(last, sides, [d * (k - 1) + 1 for k, d in zip(kernel, gaps)])  # noqa: B905
    padded = _padded(last, sides, 0.0)
    filters = np.moveaxis(weight, (0, 1), (-1, -2))
    found = _convolve(padded, filters, {"stride": steps, "dilation": gaps, "groups": groups})
    if bias is not None:  # on rows, where it is the end of the product's kernel and its gradient one sum
        shape = found.shape
        found = np.reshape(np.reshape(found, (-1, shape[-1])) + bias, shape)
    return np.moveaxis(found, -1, 1)


def _conv_transpose(x: Any, weight: Any, bias: Any, facts: tuple[Any, ...]) -> Any:
    """A convolution, with turned filters, of the input with zeros between its elements and around them."""
    rank, stride, padding, more, groups, dilation = facts
    if x.ndim != rank + 2 or weight.ndim != rank + 2 or x.shape[1] != weight.shape[0]:
        raise ShapeError(f"conv_transpose{rank}d of {_show(x)} with filters {_show(weight)}",
                         fix="give [batch, channels, ...] and [channels, outputs / groups, ...]")  # fmt: skip
    steps, gaps, extra = _each(stride, rank), _each(dilation, rank), _each(more, rank)
    for e, s, d in zip(extra, steps, gaps):  # noqa: B905 -- all have the rank
        if e >= max(s, d):
            raise UserError(f"output_padding {e} is not below stride {s} or dilation {d}", code="E002",
                            fix="add what is missing as zeros with np.pad")  # fmt: skip
    last = np.moveaxis(x, 1, -1)
    counts = [(n - 1) * s + 1 for n, s in zip(last.shape[1:-1], steps)]  # noqa: B905
    if any([s != 1 for s in steps]):
        spread = np.zeros((last.shape[0], *counts, last.shape[-1]), x.dtype)
        spread[(slice(None), *[slice(None, None, s) for s in steps], slice(None))] = last
        last = spread
    spans = [d * (k - 1) for k, d in zip(weight.shape[2:], gaps)]  # noqa: B905
    sides = [(p - q, p - q + e) for p, q, e in zip(spans, _each(padding, rank), extra)]  # noqa: B905
    cut = tuple([slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(counts, sides)])  # noqa: B905
    grown = tuple([(max(a, 0), max(b, 0)) for a, b in sides])
    padded = _padded(last[(slice(None), *cut, slice(None))], grown, 0.0)
    inputs, outputs = weight.shape[:2]
    parts = np.reshape(weight, (groups, inputs // groups, outputs, *weight.shape[2:]))
    turned = parts[(slice(None), slice(None), slice(None), *[slice(None, None, -1)] * rank)]
    ordered = np.transpose(turned, (*range(3, rank + 3), 1, 0, 2))
    filters = np.reshape(ordered, (*ordered.shape[:-2], groups * outputs))
    found = _convolve(padded, filters, {"stride": (1,) * rank, "dilation": gaps, "groups": groups})
    if bias is not None:
        shape = found.shape
        found = np.reshape(np.reshape(found, (-1, shape[-1])) + bias, shape)
    return np.moveaxis(found, -1, 1)


def _pool(x: Any, facts: tuple[int, Sizes, Any, Sizes, Sizes, bool], counts_border: bool | None) -> Any:
    """Means, of the border too or not; with None the largest."""
    rank, size, stride, padding, dilation, is_ceiled = facts
    if x.ndim != rank + 2:
        raise ShapeError(f"pooling along {rank} axes of {_show(x)}", fix="give [batch, channels, ...]")
    kernel, gaps, around = _each(size, rank), _each(dilation, rank), _each(padding, rank)
    steps = kernel if stride is None else _each(stride, rank)
    last = np.moveaxis(x, 1, -1)
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, gaps)]  # noqa: B905 -- all have the rank
    axes = list(zip(last.shape[1:-1], spans, steps, around))  # noqa: B905
    more = [_over_the_end(*axis) if is_ceiled else 0 for axis in axes]
    sides = tuple([(p, p + m) for p, m in zip(around, more)])  # noqa: B905
    _check_window(last, sides, spans)
    largest, join = counts_border is None, _larger if counts_border is None else np.add
    found = _joined(_padded(last, sides, -np.inf if largest else 0.0), (kernel, steps, gaps), join)
    if largest:
        return np.moveaxis(found, -1, 1)
    if any(more) or (not counts_border and any(around)):
        inner = tuple([(p, p) for p in around]) if counts_border else ((0, 0),) * rank
        ones = _padded(np.ones((1, *last.shape[1:-1], 1), x.dtype), inner, 1.0)
        outer = tuple([(a - p, b - q) for (a, b), (p, q) in zip(sides, inner)])  # noqa: B905
        return np.moveaxis(found / _joined(_padded(ones, outer, 0.0), (kernel, steps, gaps), np.add), -1, 1)
    count = 1
    for k in kernel:
        count *= k
    return np.moveaxis(found, -1, 1) * (1 / count)


def _over_the_end(size: Any, span: int, step: int, padding: int) -> Any:
    """What a last window needs beyond the end if it begins before that."""
    whole = size + 2 * padding - span
    windows = (whole + step - 1) // step
    return windows * step - whole if windows * step < size + padding and windows * step > whole else 0


def _joined(x: Any, facts: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]], join: Any) -> Any:
    parts = _offsets(x, *facts)
    found = parts[0]
    for part in parts[1:]:
        found = join(found, part)
    return found


def _adaptive(x: Any, sizes: Sequence[int], reduce: Callable[[Any, int], Any]) -> Any:
    if x.ndim != len(sizes) + 2:
        raise ShapeError(f"pooling of {_show(x)} to {tuple(sizes)}", fix="give a size for each axis")
    for axis in range(2, x.ndim):
        n, count = x.shape[axis], sizes[axis - 2]
        lead = (slice(None),) * axis
        cuts = [(k * n // count, ((k + 1) * n + count - 1) // count) for k in range(count)]
        x = np.stack([reduce(x[(*lead, slice(a, b))], axis) for a, b in cuts], axis=axis)
    return x


def _larger(a: Any, b: Any) -> Any:
    """The larger, NaN if there is one; of equals the first, which alone gets the gradient, as in torch."""
    return np.where((b > a) | (b != b), b, a)


def _padded(x: Any, sides: tuple[tuple[int, int], ...], value: float) -> Any:
    if all([side == (0, 0) for side in sides]):
        return x
    return np.pad(x, ((0, 0), *sides, (0, 0)), constant_values=value)


def _check_window(x: Any, sides: tuple[tuple[Any, Any], ...], spans: list[Any]) -> None:
    """Raise ShapeError if no window fits."""
    for n, (a, b), span in zip(x.shape[1:-1], sides, spans):  # noqa: B905 -- all have the rank
        if n + a + b < span:
            raise ShapeError(f"a window of {span} does not fit in {n} elements with a border of {a} and {b}",
                             fix="make the window smaller, or add padding")  # fmt: skip


def _offsets(x: Any, kernel: tuple[int, ...], steps: tuple[int, ...], gaps: tuple[int, ...]) -> list[Any]:
    """The elements at each offset in the window, at all places: [batch, places..., channels] each."""
    axes = zip(x.shape[1:-1], kernel, steps, gaps)  # noqa: B905 -- all have the rank
    counts = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in axes]
    parts: list[Any] = []
    for offsets in tuple(product(*[tuple([i * d for i in range(k)]) for k, d in zip(kernel, gaps)])):  # noqa: B905
        cut = [slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(offsets, counts, steps)]  # noqa: B905
        parts += [x[(slice(None), *cut, slice(None))]]
    return parts


def _each(value: Any, rank: int) -> tuple[int, ...]:
    return tuple(value) if _type(value) in (tuple, list) else (value,) * rank


def _show(x: Any) -> str:
    return f"[{', '.join([str(n) for n in x.shape])}]"
