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


class Walk:
    """`np.nditer` as an object: `ask(name, position)` tells of its items, `items` is a sequence of them."""

    def __init__(self, items: Any, ask: Any, size: Any) -> None:
        self.items = items
        self.ask = ask
        self.size = size
        self.at = 0

    def loop_items(self) -> Any:
        """What a loop goes over."""
        return self.items

    def __iter__(self) -> Any:
        return iter(self.items)

    def go(self, position: Any) -> None:
        """To an item."""
        self.at = position

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        """Nothing was held."""

    def __getitem__(self, key: Any) -> Any:
        return self.ask("each", self.at)[key]

    def iternext(self) -> Any:
        """One further; whether there is an item."""
        self.at = min(self.at + 1, self.size)
        return self.at < self.size

    def reset(self) -> None:
        """To the first."""
        self.at = 0

    def close(self) -> None:
        """Nothing was held."""

    finished = property(lambda self: self.at >= self.size)
    multi_index = property(lambda self: self.ask("multi_index", self.at))
    index = property(lambda self: self.ask("index", self.at))
    value = property(lambda self: self.ask("value", self.at))
    iterindex = property(lambda self: self.at)
    itersize = property(lambda self: self.size)
    operands = property(lambda self: self.ask.operands)
    shape = property(lambda self: self.ask("shape", self.at))
    ndim = property(lambda self: len(self.ask("shape", self.at)))
    nop = property(lambda self: len(self.ask.operands))
    dtypes = property(lambda self: self.ask.dtypes)


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


def each_line(fn: Callable[..., Any], lines: Any, args: Any, kwargs: Any) -> Any:
    """`fn` of each row, one below the other, with the first result's dtype."""
    first = np.asarray(fn(lines[0], *args, **kwargs))
    result = np.empty((len(lines), *first.shape), first.dtype)
    result[0] = first
    for k in range(1, len(lines)):
        result[k] = fn(lines[k], *args, **kwargs)
    return result


def divided(rest: Any, divisor: Any, steps: Any) -> Any:
    """The quotient of polynomials by long division; `rest` becomes the remainder."""
    scale = 1.0 / divisor[0]
    quotient = np.empty(steps, rest.dtype)
    for k in range(steps):
        quotient[k] = scale * rest[k]
        rest[k : k + len(divisor)] -= quotient[k] * divisor
    return quotient


def from_roots(roots: Any) -> Any:
    """The coefficients of the product of x - root over all roots."""
    result = np.zeros(len(roots) + 1, roots.dtype)
    result[0] = 1
    for k in range(len(roots)):
        result[1 : k + 2] = result[1 : k + 2] - result[: k + 1] * roots[k]
    return result


def horner(total: Any, at: Any, coefficients: Any) -> Any:
    """A polynomial's values, from the first coefficient's on."""
    for k in range(1, len(coefficients)):
        total = total * at + coefficients[k]
    return total


def order_of_rows(rows: Any) -> Any:
    """The order of rows by their first elements, then their second ones, and so on."""
    order = np.arange(len(rows))
    for k in range(rows.shape[1] - 1, -1, -1):
        order = order[np.argsort(rows[order, k], kind="stable")]
    return order
