"""`np.pad` in its modes: constant, empty, edge, reflect, symmetric, wrap, linear ramps, statistics.

One axis after the other, as NumPy does it. Not here: the op that pads with one number (`ir/ops/shape.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.compiler.frontend.number import as_dim, size_number
from weft.compiler.frontend.numpy.creation import known_elements
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, TracedArray, as_array, elements, new_array, plain_int
from weft.ir.dims import DimLike

_STATISTICS: dict[str, Any] = {"maximum": np.max, "minimum": np.min, "mean": np.mean, "median": np.median}
_KEYWORDS = {
    "constant": {"constant_values"},
    "linear_ramp": {"end_values"},
    "reflect": {"reflect_type"},
    "symmetric": {"reflect_type"},
    **{name: {"stat_length"} for name in _STATISTICS},
}


def _pairs(values: Any, rank: int) -> list[tuple[Any, Any]]:
    """(before, after) for each axis, from a number, a pair, a pair for each axis, or a dict of axes."""
    if isinstance(values, dict):
        found = [(0, 0)] * rank
        for axis, pair in values.items():
            found[axis] = pair if isinstance(pair, tuple | list) else (pair, pair)
        return [tuple(p) for p in found]  # pyright: ignore[reportReturnType]
    if not isinstance(values, tuple | list | np.ndarray):
        return [(values, values)] * rank
    items = list(values)
    if items and not isinstance(items[0], tuple | list | np.ndarray):
        pair = (items[0], items[0]) if len(items) == 1 else tuple(items)
        if len(pair) == 2:
            return [pair] * rank  # pyright: ignore[reportReturnType]
        raise ValueError("operands could not be broadcast together with remapped shapes")
    rows = [(p[0], p[0]) if len(p) == 1 else tuple(p) for p in items]
    rows = rows * rank if len(rows) == 1 else rows
    if len(rows) != rank:
        raise ValueError("operands could not be broadcast together with remapped shapes")
    return rows  # pyright: ignore[reportReturnType]


def _check_counts(pairs: Sequence[tuple[Any, Any]]) -> None:
    if any(isinstance(n, int) and n < 0 for pair in pairs for n in pair):
        raise ValueError("index can't contain negative values")


def _widths(trace: Trace, pad_width: Any, rank: int) -> list[tuple[DimLike | None, ...]]:
    """How many elements each axis gets before and after its own."""
    pad_width = plain_int(pad_width)
    known = known_elements(trace, pad_width) if type(pad_width) in TRACED else None
    pad_width = pad_width if known is None else known.tolist()
    if type(pad_width) in TRACED:
        raise trace.refuse(
            "np.pad by widths that are computed has a result of unknown size", "use ints", "E051"
        )
    widths = [tuple(as_dim(n) for n in pair) for pair in _pairs(pad_width, rank)]
    if any(n is None for pair in widths for n in pair):
        raise TypeError("`pad_width` must be of integral type.")
    _check_counts(widths)  # pyright: ignore[reportArgumentType] -- pairs
    return widths


@implements(np.pad)
def pad(trace: Trace, array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> TracedArray:
    """Pad an array."""
    value = as_array(trace, array)
    widths = _widths(trace, pad_width, value.ndim)
    _check_counts(_pairs(kwargs.get("stat_length"), value.ndim))
    if callable(mode):
        raise trace.refuse("np.pad by a function is not built", "use a mode by name", "E054")
    known = {*_KEYWORDS, *_STATISTICS, "edge", "wrap", "empty"}
    if mode not in known:
        raise ValueError(f"mode '{mode}' is not supported")
    if unknown := kwargs.keys() - _KEYWORDS.get(mode, set()):
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {unknown}")
    if mode in ("constant", "empty"):
        return _constant(trace, value, widths, kwargs.get("constant_values", 0))
    for axis, (before, after) in enumerate(widths):
        if before != 0 or after != 0:
            assert before is not None
            assert after is not None
            value = _one_axis(trace, value, axis, before, after, mode, kwargs)
    return value if any(n != 0 for pair in widths for n in pair) else value.copy()


def _constant(trace: Trace, value: TracedArray, widths: list[Any], numbers: Any) -> TracedArray:
    fills = _pairs(numbers, value.ndim)
    if all(a is fills[0][0] and b is fills[0][0] for a, b in fills):
        fill = elements(trace, fills[0][0] if fills else 0, value.element)
        facts = {"low": tuple(a for a, _ in widths), "high": tuple(b for _, b in widths)}
        return new_array(trace, trace.expr(trace.emit("pad", [value.expr.value, fill.value], facts)))
    for axis, ((before, after), (low, high)) in enumerate(zip(widths, fills, strict=True)):
        for count, number, is_low in ((before, low, True), (after, high, False)):
            fill = elements(trace, number, value.element)
            zero = (0,) * value.ndim
            some = tuple(count if k == axis else 0 for k in range(value.ndim))
            facts = {"low": some if is_low else zero, "high": zero if is_low else some}
            value = new_array(trace, trace.expr(trace.emit("pad", [value.expr.value, fill.value], facts)))
    return value


def _part(value: TracedArray, axis: int, part: Any) -> Any:
    return value[(*(slice(None),) * axis, part)]


def _one_axis(
    trace: Trace, value: TracedArray, axis: int, before: DimLike, after: DimLike, mode: str, kwargs: Any
) -> TracedArray:
    size = value.view.shape[axis]
    if size == 0:
        raise ValueError(f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'")
    counts = [size_number(trace, n) for n in (before, after)]
    n = size_number(trace, size)
    is_odd = kwargs.get("reflect_type", "even") == "odd"
    if is_odd:
        least = size if mode == "symmetric" else size - 1
        if not all(trace.holds(count, "<=", least, "widths of np.pad") for count in (before, after)):
            fix = "use reflect_type='even', or pad twice"
            raise trace.refuse(
                "np.pad with reflect_type='odd' by more than the array is not built", fix, "E054"
            )
    if mode in _INSIDE:
        ends = None if is_odd else _ends(trace, value, axis, before, after, mode)
        if ends is not None:
            return trace.call(np.concatenate, [ends[0], value, ends[1]], axis=axis)
        place = (
            trace.call(np.arange, -counts[0], n + counts[1])
            if counts[0]
            else trace.call(np.arange, n + counts[1])
        )
        found = _part(value, axis, _INSIDE[mode](trace, place, n)).copy()
        return _turned_over(trace, value, found, axis, counts) if is_odd else found
    if mode in _STATISTICS:
        return _statistics(trace, value, axis, counts, mode, kwargs.get("stat_length"))
    if mode == "linear_ramp":
        return _ramps(trace, value, axis, counts, _pairs(kwargs.get("end_values", 0), value.ndim)[axis])
    raise trace.refuse(f"np.pad with mode={mode!r} is not built", "use another mode", "E054")


def _turned_over(
    trace: Trace, value: TracedArray, padded: TracedArray, axis: int, counts: Sequence[Any]
) -> TracedArray:
    """What is reflected at an end goes on beyond it as it came: twice the end less what is reflected."""
    before, n = counts[0], value.shape[axis]
    low = 2 * _part(value, axis, slice(None, 1)) - _part(padded, axis, slice(None, before))
    high = 2 * _part(value, axis, slice(-1, None)) - _part(padded, axis, slice(before + n, None))
    return trace.call(np.concatenate, [low, value, high], axis=axis)


def _ends(
    trace: Trace, value: TracedArray, axis: int, before: DimLike, after: DimLike, mode: str
) -> tuple[Any, Any] | None:
    """What comes before and after, as parts of the array; None if it comes round more than once."""
    size = value.view.shape[axis]
    least = size if mode in ("wrap", "symmetric") else size - 1
    if not isinstance(before, int) or not isinstance(after, int):
        return None
    if mode != "edge" and not all(trace.holds(c, "<=", least, "widths of np.pad") for c in (before, after)):
        return None
    if mode == "edge":
        sides = [
            (count, _part(value, axis, part))
            for count, part in ((before, slice(1)), (after, slice(-1, None)))
        ]
        shapes = [(*value.shape[:axis], count, *value.shape[axis + 1 :]) for count, _ in sides]
        low, high = (
            trace.call(np.broadcast_to, one, shape) for (_, one), shape in zip(sides, shapes, strict=True)
        )
        return low, high
    skip = 1 if mode == "reflect" else 0
    end = size_number(trace, size)
    if mode == "wrap":
        return _part(value, axis, slice(end - before, None)), _part(value, axis, slice(after))
    low = _part(value, axis, slice(skip, skip + before))
    high = _part(value, axis, slice(end - skip - after, end - skip))
    return trace.call(np.flip, low, axis), trace.call(np.flip, high, axis)


def _reflected(trace: Trace, place: Any, n: Any) -> Any:
    """Places beyond an end go back from it, the end itself not repeated."""
    if as_dim(n) == 1:
        return place * 0
    period = 2 * n - 2
    inside = place % period
    return trace.call(np.minimum, inside, period - inside)


def _mirrored(trace: Trace, place: Any, n: Any) -> Any:
    inside = place % (2 * n)
    return trace.call(np.minimum, inside, 2 * n - 1 - inside)


_INSIDE: dict[str, Callable[[Trace, Any, Any], Any]] = {
    "edge": lambda trace, place, n: trace.call(np.clip, place, 0, n - 1),
    "wrap": lambda trace, place, n: place % n,
    "reflect": _reflected,
    "symmetric": _mirrored,
}


def _statistics(
    trace: Trace, value: TracedArray, axis: int, counts: list[Any], mode: str, lengths: Any
) -> TracedArray:
    given = (None, None) if lengths is None else _pairs(lengths, value.ndim)[axis]
    parts: list[Any] = [value]
    for is_low, (count, length) in enumerate(zip(reversed(counts), reversed(given), strict=True)):
        chosen = value
        if length is not None:
            from_end = slice(value.shape[axis] if length == 0 else -length, None)
            chosen = _part(value, axis, slice(None, length) if is_low else from_end)
        found = trace.call(_STATISTICS[mode], chosen, axis=axis, keepdims=True)
        if value.dtype.kind in "iu" and mode in ("mean", "median"):
            found = trace.call(np.rint, found)
        shape = [*value.shape]
        shape[axis] = count
        wide = trace.call(np.broadcast_to, found.astype(value.dtype), tuple(shape))
        parts = [wide, *parts] if is_low else [*parts, wide]
    return trace.call(np.concatenate, parts, axis=axis)


def _ramps(
    trace: Trace, value: TracedArray, axis: int, counts: list[Any], ends: tuple[Any, Any]
) -> TracedArray:
    parts: list[Any] = [value]
    for is_low, (count, end) in enumerate(zip(reversed(counts), reversed(ends), strict=True)):
        if as_dim(count) == 0:
            continue
        edge = _part(value, axis, slice(None, 1) if is_low else slice(-1, None)).astype(np.float64)
        steps = trace.call(np.arange, count).reshape(-1, *(1,) * (value.ndim - 1 - axis)) * 1.0
        ramp = end + steps * ((edge - end) / count)
        ramp = trace.call(np.floor, ramp) if value.dtype.kind in "iu" else ramp
        ramp = ramp.astype(value.dtype)
        parts = [ramp, *parts] if is_low else [*parts, trace.call(np.flip, ramp, axis)]
    return trace.call(np.concatenate, parts, axis=axis)
