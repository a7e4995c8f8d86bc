"""Rules for the number of bins of a histogram: 'auto', 'doane', 'fd', 'rice' and so on.

Each gives a width of bins by NumPy's formula; the number of bins is one that the program computes. Not here:
the histograms (`statistics.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED

_STONE_BINS = 100
"""Up to so many bins are tried by 'stone', or the square root of the number of values."""


class _Values:
    """What the rules ask of the values: how many there are (a number, or traced), and what lies where.

    `keep` marks those that count, all if it is None.
    """

    def __init__(self, trace: Trace, values: Any, limits: tuple[Any, Any], keep: Any) -> None:
        self.trace = trace
        self.values = values
        self.limits = limits
        self.keep = keep
        self.count = values.size if keep is None else trace.call(np.count_nonzero, keep)
        self.where = {} if keep is None else {"where": keep}

    def __call__(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        return self.trace.call(fn, *args, **kwargs)

    @property
    def extent(self) -> Any:
        """The largest less the smallest."""
        low, high = self.limits
        if self.keep is not None:  # there may be none
            values = self.values.astype(np.float64)
            low, high = (
                self(fn, values, initial=first, where=self.keep)
                for fn, first in ((np.min, high), (np.max, low))
            )
        return high - low

    def percentile(self, q: float) -> Any:
        """One of those that count."""
        if self.keep is None:
            return self(np.percentile, self.values, q)
        return self(np.nanpercentile, self(np.where, self.keep, self.values.astype(np.float64), np.nan), q)

    def root(self, power: float) -> Any:
        """A power of the number of values."""
        return self(np.power, self(np.float64, self.count), power)


def _sqrt(v: _Values) -> Any:
    return v.extent / v(np.sqrt, v.count)


def _sturges(v: _Values) -> Any:
    return v.extent / (v(np.log2, v.count) + 1.0)


def _rice(v: _Values) -> Any:
    return v.extent / (2.0 * v.root(1.0 / 3))


def _scott(v: _Values) -> Any:
    return (24.0 * np.pi**0.5) ** (1.0 / 3.0) * v.root(-1.0 / 3.0) * v(np.std, v.values, **v.where)


def _fd(v: _Values) -> Any:
    high, low = (v.percentile(q) for q in (75, 25))
    return 2.0 * (high - low) * v.root(-1.0 / 3.0)


def _auto(v: _Values) -> Any:
    return v(np.minimum, v(np.maximum, _fd(v), _sqrt(v) / 2), _sturges(v))


def _doane(v: _Values) -> Any:
    n = v(np.float64, v.count)
    spread, deviation = v(np.sqrt, 6.0 * (n - 2) / ((n + 1.0) * (n + 3))), v(np.std, v.values, **v.where)
    third = v(np.mean, v(np.power, (v.values - v(np.mean, v.values, **v.where)) / deviation, 3), **v.where)
    width = v.extent / (1.0 + v(np.log2, n) + v(np.log2, 1.0 + v(np.absolute, third) / spread))
    return v(np.where, (n > 2) & (deviation > 0), width, 0.0)


def _stone(v: _Values) -> Any:
    """The number of bins with the least estimated loss: all numbers are tried at once."""
    trace, n = v.trace, v.count
    known = trace.pin(v.values.view.shape[0], "values of a histogram by the rule 'stone'")
    most = max(_STONE_BINS, int(np.sqrt(known)))
    bins, (low, high) = v(np.arange, 1, most + 1)[:, None], v.limits
    step = (high - low) / bins
    values = v.values.astype(np.float64)[None]
    safe = values if v.keep is None else v(np.where, v.keep, values, low)
    place = v(np.minimum, ((safe - low) / (high - low) * bins).astype(np.int64), bins - 1)
    place = place - v(np.where, safe < place * step + low, 1, 0)
    place = place + v(np.where, (safe >= (place + 1) * step + low) & (place != bins - 1), 1, 0)
    place = v(np.clip, place, 0, bins - 1)  # where all values are equal, it is none
    counts = v(np.zeros, (most, most))
    rows = v(np.broadcast_to, bins - 1, place.shape)
    v(np.add.at, counts, (rows, place), 1.0 if v.keep is None else v.keep.astype(np.float64)[None])
    shares = counts / n
    loss = (2 - (n + 1) * v(np.sum, shares * shares, axis=1)) / (v.extent / bins[:, 0])
    best = v(np.where, (v.extent == 0) | (n <= 1), 0.0, v.extent / (v(np.argmin, loss) + 1))
    return best


RULES: dict[str, Callable[[_Values], Any]] = {
    "auto": _auto, "doane": _doane, "fd": _fd, "rice": _rice, "scott": _scott, "sqrt": _sqrt,
    "stone": _stone, "sturges": _sturges,
}  # fmt: skip


def number_of_bins(trace: Trace, values: Any, rule: str, limits: tuple[Any, Any], *, is_cut: bool) -> Any:
    """How many bins a rule gives values between two limits; `is_cut`: those outside are to be left out."""
    if rule not in RULES:
        raise ValueError(f"{rule!r} is not a valid estimator for `bins`")
    is_whole, (low, high) = values.dtype.kind in "iu", limits
    low, high = (trace.call(np.float64, v) if is_whole or type(v) not in TRACED else v for v in (low, high))
    keep = (values >= low) & (values <= high) if is_cut else None
    asked = _Values(trace, values, (low, high), keep)
    if type(asked.count) not in TRACED and asked.count == 0:
        return 1
    width = RULES[rule](asked)
    if is_whole:
        width = trace.call(np.where, (width < 1) & (width != 0), 1.0, width)
    is_none = (width == 0) | (asked.count == 0)
    count = trace.call(np.ceil, (high - low) / trace.call(np.where, is_none, 1.0, width))
    return trace.call(np.where, is_none, 1.0, count).astype(np.int64)[()]
