"""What NumPy functions mean, written in NumPy: traced like a user's function, loops and all.

Not here: compositions of operations, which need no loop of the program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def each(fn: Callable[..., Any], size: Any, arrays: Any) -> Any:
    """`fn` of the elements at each place of flat arrays, as Python numbers."""
    first = np.asarray(fn(*[a[0].item() for a in arrays]))
    result = np.empty(size, first.dtype)
    result[0] = first
    for k in range(1, size):
        result[k] = fn(*[a[k].item() for a in arrays])
    return result


def at_each(ufunc: Any, flat: Any, places: Any, values: Any) -> None:
    """`ufunc.at` of a flat array: one place after the other, which may come again."""
    for k in range(len(places)):
        flat[places[k]] = ufunc(flat[places[k]], *[value[k] for value in values])


def windows_dot(x: Any, taps: Any, count: Any, size: Any, whole: Any) -> Any:
    """Dot products of `taps` with each window of `x`: `whole` passes of eight taps, then one by one."""
    total = np.zeros(count, x.dtype)
    for j in range(whole):
        k = 8 * j
        low = x[k : k + count] * taps[k] + x[k + 1 : k + 1 + count] * taps[k + 1]
        low = low + x[k + 2 : k + 2 + count] * taps[k + 2] + x[k + 3 : k + 3 + count] * taps[k + 3]
        high = x[k + 4 : k + 4 + count] * taps[k + 4] + x[k + 5 : k + 5 + count] * taps[k + 5]
        high = high + x[k + 6 : k + 6 + count] * taps[k + 6] + x[k + 7 : k + 7 + count] * taps[k + 7]
        total += low + high
    for k in range(8 * whole, size):
        total += x[k : k + count] * taps[k]
    return total


def without_outside(found: Any, x: Any, taps: Any, count: Any, size: Any, front: Any, length: Any) -> Any:
    """`windows_dot` where taps are not finite: what lies outside of x[front:][:length] counts nothing."""
    if not np.all(np.isfinite(taps)):
        places = np.arange(count) - front
        found = np.zeros(count, x.dtype)
        for k in range(size):
            inside = (places + k >= 0) & (places + k < length)
            found += np.where(inside, x[k : k + count] * taps[k], 0)
    return found
