"""Functions whose result's size the program computes: nonzero, argwhere, compress, unique, set operations.

Not here: how such a size is bound (`masks.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weft.compiler.frontend.masks import positions, unravelled
from weft.compiler.frontend.number import size_number
from weft.compiler.frontend.numpy.manipulation import as_axis, integer_axis
from weft.compiler.frontend.numpy.order import along, argsort, search, sort
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.numpy.ufuncs import truth
from weft.compiler.frontend.numpy.written import order_of_rows
from weft.compiler.frontend.promote import common_dtype, element_type
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import (
    TRACED,
    TracedArray,
    as_array,
    elements,
    new_array,
    operand,
    shape_of,
)
from weft.ir.dims import show_dim
from weft.ir.expr import Expr, cast


@implements(np.nonzero)
def nonzero(trace: Trace, a: Any) -> tuple[TracedArray, ...]:
    """Return the indices of the elements that are non-zero."""
    mask = truth(elements(trace, a))
    shape = shape_of(mask)
    if not shape:
        raise ValueError(
            "Calling nonzero on 0d arrays is not allowed. Use np.atleast_1d(scalar).nonzero() instead."
        )
    return tuple(new_array(trace, e) for e in unravelled(trace, positions(trace, mask), shape))


@implements(np.flatnonzero)
def flatnonzero(trace: Trace, a: Any) -> TracedArray:
    """Return indices that are non-zero in the flattened version of a."""
    return nonzero(trace, as_array(trace, a).ravel())[0]


@implements(np.argwhere)
def argwhere(trace: Trace, a: Any) -> TracedArray:
    """Find the indices of array elements that are non-zero, grouped by element."""
    if not as_array(trace, a).ndim:
        return trace.call(np.stack, nonzero(trace, as_array(trace, a)[None]), axis=1)[:, :0]
    return trace.call(np.stack, nonzero(trace, a), axis=1)


@implements(np.compress)
def compress(trace: Trace, condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    """Return selected slices of an array along given axis."""
    array = as_array(trace, a)
    if axis is None:
        array, axis = array.ravel(), 0
    mask = truth(elements(trace, condition))
    if len(shape_of(mask)) != 1:
        raise ValueError("condition must be a 1-d array")
    number = integer_axis(trace, axis, array.ndim)
    size = array.view.shape[number]
    if not trace.holds(shape_of(mask)[0], "<=", size, "length of a condition"):
        held: Any = new_array(trace, mask)
        inside = trace.call(np.logical_not, trace.call(np.any, held[size_number(trace, size) :]))
        what = f"a condition holds beyond axis {number} with size {show_dim(size)}"
        trace.fail_unless(elements(trace, inside), IndexError(what))
        mask = elements(trace, held[: size_number(trace, size)])
    found = array[(*(slice(None),) * number, new_array(trace, positions(trace, mask)))]
    if out is not None:
        if out.ndim != found.ndim:
            raise ValueError("output array does not match result of np.compress")
        out[...] = found
        return out
    return found


@implements(np.extract)
def extract(trace: Trace, condition: Any, arr: Any) -> Any:
    """Return the elements of an array that satisfy some condition."""
    return compress(trace, as_array(trace, condition).ravel(), arr)


def _written(*, by_place: bool) -> Callable[..., Any]:
    """Values, repeated as often as needed, where a mask holds: the next there, or that of the same place."""

    def composition(trace: Trace, arr: TracedArray, mask: Any, vals: Any) -> None:
        values, held = as_array(trace, vals).ravel(), as_array(trace, mask).astype(bool)
        if type(arr) is not TracedArray:
            raise TypeError("argument 1 must be numpy.ndarray")
        if type(vals) in TRACED and not np.can_cast(values.dtype, arr.dtype, "safe"):
            what = f"Cannot cast array data from dtype('{values.dtype}') to dtype('{arr.dtype}') safely"
            raise TypeError(what)
        if held.size != arr.size:
            raise ValueError("mask and data must be the same size")
        count = values.view.shape[0]
        if count == 0:
            if not by_place:
                nothing = trace.call(np.logical_not, trace.call(np.any, held))
                trace.fail_unless(nothing.expr, ValueError("Cannot insert from an empty array!"))
            return
        held = held.reshape(arr.shape)
        if count == 1:
            trace.call(np.copyto, arr, values[0], where=held, casting="unsafe")
            return
        places = trace.call(np.arange, arr.size) if by_place else trace.call(np.cumsum, held.ravel()) - 1
        taken = values[places % size_number(trace, count)].reshape(arr.shape)
        trace.call(np.copyto, arr, taken, where=held, casting="unsafe")

    return composition


implements(np.place)(_written(by_place=False))
_put = _written(by_place=True)


@implements(np.putmask)
def putmask(trace: Trace, a: Any, mask: Any, values: Any) -> None:
    """Changes elements of an array based on conditional and input values."""
    _put(trace, a, mask, values)


# ---------------------------------------------------------------- unique


def _starts(trace: Trace, line: Expr, *, equal_nan: bool) -> TracedArray:
    """Where a sorted array has another element than before."""
    array = new_array(trace, line)
    differ = trace.call(np.not_equal, array[1:], array[:-1])
    if line.dtype.is_float and equal_nan:
        differ = differ & ~(trace.call(np.isnan, array[1:]) & trace.call(np.isnan, array[:-1]))
    return trace.call(np.concatenate, [trace.call(np.ones, 1, dtype=bool), differ])


def _unique(trace: Trace, flat: TracedArray, *, equal_nan: bool, wants_order: bool) -> dict[str, Any]:
    """Sorted elements without repetition, and what is asked of where they were."""
    if flat.view.shape[0] == 0:
        none = trace.call(np.zeros, 0, dtype=np.int64)
        return {"values": flat.copy(), "index": none, "inverse": none, "counts": none.copy()}
    order = argsort(trace, flat) if wants_order else None
    line = flat[order] if order is not None else sort(trace, flat)
    starts = _starts(trace, line.expr, equal_nan=equal_nan)
    at = new_array(trace, positions(trace, starts.expr, 1))
    found: dict[str, Any] = {"values": line[at], "at": at, "length": flat.shape[0]}
    if order is not None:
        found["index"] = order[at]
        numbers = trace.call(np.cumsum, starts) - 1
        inverse = trace.call(np.empty_like, numbers)
        inverse[order] = numbers
        found["inverse"] = inverse
    ends = trace.call(np.concatenate, [at[1:], trace.call(np.full, 1, flat.shape[0], dtype=np.int64)])
    found["counts"] = ends - at
    return found


def _unique_slices(trace: Trace, array: TracedArray, axis: int) -> dict[str, Any]:
    """As `_unique`, of the slices along an axis, in the order of their elements."""
    moved = trace.call(np.moveaxis, array, axis, 0)
    count = moved.view.shape[0]
    rows = moved.reshape(moved.shape[0], -1) if trace.holds(count, ">", 0, "slices of np.unique") else None
    width = 0 if rows is None else rows.view.shape[1]
    if rows is None or trace.holds(width, "==", 0, "elements of a slice of np.unique"):
        raise trace.refuse("np.unique of slices without elements is not built", "use a flat array", "E054")
    order = trace.run(order_of_rows, rows)
    line = rows[order]
    differ = trace.call(np.any, line[1:] != line[:-1], axis=1)
    starts = trace.call(np.concatenate, [trace.call(np.ones, 1, dtype=bool), differ])
    at = new_array(trace, positions(trace, starts.expr, 1))
    numbers = trace.call(np.cumsum, starts) - 1
    inverse = trace.call(np.empty_like, numbers)
    inverse[order] = numbers
    ends = trace.call(np.concatenate, [at[1:], trace.call(np.full, 1, moved.shape[0], dtype=np.int64)])
    values = trace.call(np.moveaxis, moved[order[at]], 0, axis)
    return {"values": values, "index": order[at], "inverse": inverse, "counts": ends - at}


@implements(np.unique)
def unique(
    trace: Trace,
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Any = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """Find the unique elements of an array."""
    array = as_array(trace, ar)
    number = None if axis is None else as_axis(trace, axis, array.ndim)
    if number is not None and array.ndim != 1:
        found = _unique_slices(trace, array, number)
        return_inverse, shape = bool(return_inverse), (-1,)
    else:
        wants_order = bool(return_index or return_inverse)
        found = _unique(trace, array.ravel(), equal_nan=equal_nan, wants_order=wants_order)
        shape = array.shape
    wanted = [("index", return_index), ("inverse", return_inverse), ("counts", return_counts)]
    if return_inverse:
        found["inverse"] = found["inverse"].reshape(shape)
    results = [found["values"], *(found[name] for name, is_wanted in wanted if is_wanted)]
    return results[0] if len(results) == 1 else tuple(results)


@implements(np.unique_values)
def unique_values(trace: Trace, x: Any) -> Any:
    """Returns the unique elements of an input array."""
    return unique(trace, x, equal_nan=False)


def _joined(trace: Trace, a: Any, b: Any) -> TracedArray:
    parts, kinds = [as_array(trace, v).ravel() for v in (a, b)], [operand(trace, v).kind for v in (a, b)]
    if sum(isinstance(kind, type) for kind in kinds) == 1:  # a Python number takes the other's dtype
        dtype = np.result_type(*(kind(0) if isinstance(kind, type) else kind for kind in kinds))
        parts = [part.astype(dtype) for part in parts]
    return trace.call(np.concatenate, parts)


@implements(np.union1d)
def union1d(trace: Trace, ar1: Any, ar2: Any) -> Any:
    """Find the union of two arrays."""
    return unique(trace, _joined(trace, ar1, ar2))


@implements(np.isin)
def isin(
    trace: Trace,
    element: Any,
    test_elements: Any,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: Any = None,
) -> Any:
    """Calculates element in test_elements, broadcasting over element only."""
    if kind not in (None, "sort", "table"):
        raise ValueError(f"Invalid kind: {kind!r}. Please use None, 'sort' or 'table'.")
    one, tests = operand(trace, element), as_array(trace, test_elements).ravel()
    ty = element_type(common_dtype([one.kind, tests.dtype]), trace.location())
    values = one.expr(trace, ty)
    size = tests.view.shape[0]
    if size == 0:
        return trace.call(np.full, as_array(trace, element).shape, bool(invert))
    if kind == "table":
        _check_table(trace, one.dtype, tests)
    line = along(trace, "sort", cast(tests.expr, ty), 0)
    at = search(trace, line, values, right=False)
    last = trace.builder.broadcast(trace.size(size - 1), shape_of(at))
    near = new_array(trace, line)[new_array(trace, at.apply("minimum", last))]
    result = trace.call(np.not_equal if invert else np.equal, near, new_array(trace, values))
    return result if one.shape else trace.call(np.asarray, result)


def _check_table(trace: Trace, dtype: np.dtype, tests: TracedArray) -> None:
    """Raise what NumPy does where it cannot make a table of all numbers in the range of the tests."""
    if dtype.kind not in "biu" or tests.dtype.kind not in "biu":
        raise ValueError(
            "The 'table' method is only supported for boolean or integer arrays. "
            "Please select 'sort' or None for kind."
        )
    if tests.dtype.kind == "b":
        return
    high, low = (trace.call(np.uint64, trace.call(fn, tests)) for fn in (np.max, np.min))
    error = RuntimeError(
        "You have specified kind='table', but the range of values in `ar2` or `ar1` exceed the maximum "
        "integer of the datatype. Please set `kind` to None or 'sort'."
    )
    greatest = np.uint64(np.iinfo(tests.dtype).max)  # the difference is right modulo 2**64, so in uint64
    trace.fail_unless((high - low <= greatest).expr, error)


def _set(choose: Callable[[Trace, Any, Any], Any]) -> Callable[..., Any]:
    def composition(trace: Trace, ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
        first, second = (as_array(trace, v).ravel() for v in (ar1, ar2))
        return choose(trace, first if assume_unique else unique(trace, first), second)

    return composition


implements(np.setdiff1d)(_set(lambda trace, one, other: one[isin(trace, one, other, invert=True)]))


@implements(np.intersect1d)
def intersect1d(
    trace: Trace, ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    """Find the intersection of two arrays."""
    if return_indices:
        return _met(trace, as_array(trace, ar1).ravel(), as_array(trace, ar2).ravel(), assume_unique)
    dtype = trace.call(np.result_type, as_array(trace, ar1), as_array(trace, ar2))
    first = as_array(trace, ar1).ravel().astype(dtype)
    first = sort(trace, first) if assume_unique else unique(trace, first)
    return first[isin(trace, first, ar2)]


def _met(trace: Trace, one: TracedArray, other: TracedArray, assume_unique: bool) -> tuple[Any, Any, Any]:
    """What two arrays have in common, and where it is in each."""
    given: list[Any] = [one, other]
    firsts: list[Any] = [None, None]
    if not assume_unique:
        for k in range(2):
            given[k], firsts[k] = unique(trace, given[k], return_index=True)
    both = trace.call(np.concatenate, given)
    order = argsort(trace, both)
    line = both[order]
    held = trace.call(np.nonzero, line[1:] == line[:-1])[0]
    places: list[Any] = [order[held], order[held + 1] - given[0].shape[0]]
    places = [at if first is None else first[at] for at, first in zip(places, firsts, strict=True)]
    return line[held], *places


@implements(np.setxor1d)
def setxor1d(trace: Trace, ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """Find the set exclusive-or of two arrays."""
    pair: list[Any] = [as_array(trace, v).ravel() for v in (ar1, ar2)]
    both = trace.call(np.concatenate, pair)
    if trace.holds(both.view.shape[0], "==", 0, "elements of setxor1d"):
        return both
    if assume_unique:
        line = sort(trace, both)
    else:  # each element once of each array
        order: Any = argsort(trace, both + 0.0 if both.dtype.kind in "fc" else both)  # -0.0 is no other
        line, side = both[order], order >= pair[0].shape[0]
        starts: Any = _starts(trace, line.expr, equal_nan=True)
        starts = starts | trace.call(np.concatenate, [starts[:1], side[1:] != side[:-1]])
        line = line[new_array(trace, positions(trace, starts.expr, 1))]
    alone: Any = _starts(trace, line.expr, equal_nan=False)
    return line[alone & trace.call(np.concatenate, [alone[1:], trace.call(np.ones, 1, dtype=bool)])]


__all__ = ["isin", "nonzero", "unique"]
