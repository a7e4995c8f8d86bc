"""Reductions that leave out NaN: sums, products, means, extremes.

Not here: their kin that sort (`order.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weft.compiler.frontend.numpy.reductions import (
    NONE,
    chosen_axes,
    finish,
    max_,
    mean,
    min_,
    output_type,
    prod,
    reduce_axes,
    refuse_empty,
    sum_,
)
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import (
    TracedArray,
    elements,
    new_array,
    operand,
    plain_int,
    shape_of,
    wrap,
)
from weft.ir.expr import constant, select


def _ignoring_nan(reduce: Callable[..., Any], start: float) -> Callable[..., Any]:
    """NaN counts as `start`."""

    def composition(
        trace: Trace,
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = NONE,
        initial: Any = NONE,
        where: Any = True,
    ) -> Any:
        value = elements(trace, a)
        if value.dtype.kind in "fc":
            value = select(value.ne(value), constant(value, start), value)
        where = True if where is NONE else where
        return reduce(trace, wrap(trace, value), axis, dtype, out, keepdims, initial, where)

    return composition


implements(np.nansum)(_ignoring_nan(sum_, 0.0))
implements(np.nanprod)(_ignoring_nan(prod, 1.0))


@implements(np.nanmean)
def nanmean(
    trace: Trace,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = NONE,
    *,
    where: Any = True,
) -> Any:
    """Compute the arithmetic mean along the specified axis, ignoring NaNs."""
    check_inexact(trace, a, dtype, out)
    one = operand(trace, a)
    axis = None if not one.shape and one.dtype.kind in "fc" and plain_int(axis) in (0, -1) else axis
    held = trace.call(np.logical_not, trace.call(np.isnan, a))
    if where is not True and where is not NONE:
        held = trace.call(np.logical_and, held, where)
    clean = (
        trace.call(np.where, held, a, 0)
        if operand(trace, a).dtype.kind not in "fc"
        else _without_nan(trace, a)
    )
    return mean(trace, clean, axis, dtype, out, keepdims, where=held)


def check_inexact(trace: Trace, a: Any, dtype: Any, out: Any) -> None:
    """Moments of floats that skip NaN are floats."""
    if operand(trace, a).dtype.kind in "fc":
        for name, one in (("dtype", dtype and np.dtype(dtype)), ("out", output_type(out))):
            if one is not None and one.kind not in "fc":
                raise TypeError(f"If a is inexact, then {name} must be inexact")


def _without_nan(trace: Trace, a: Any) -> TracedArray:
    value = elements(trace, a)
    return new_array(trace, select(value.ne(value), constant(value, 0.0), value))


def _extreme_ignoring_nan(op: str) -> Callable[..., Any]:
    """Extreme of the elements that are not NaN; NaN where all are."""

    def composition(
        trace: Trace,
        a: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: Any = NONE,
        initial: Any = NONE,
        where: Any = True,
    ) -> Any:
        if isinstance(initial, float) and initial != initial:
            a = trace.call(np.where, True if where is NONE else where, a, initial)
            initial, where = NONE, True
        if initial is not NONE:  # which counts as NaN does, and as what the mask leaves out
            array = trace.call(np.asarray, a)
            held = trace.call(np.logical_and, array == array, True if where is NONE else where)
            clean = trace.call(np.where, held, array, initial).astype(array.dtype)
            return (max_ if op == "max" else min_)(trace, clean, axis, out, keepdims, initial)
        if where is not True and where is not NONE:
            raise ValueError(
                f"reduction operation 'f{op}' does not have an identity, so to use a where mask one has to "
                "specify 'initial'"
            )
        value = elements(trace, a)
        axes = chosen_axes(trace, axis, len(shape_of(value)))
        refuse_empty(trace, op, value, axes)
        if value.dtype.kind not in "fc":
            result = reduce_axes(trace, op, value, axes)
            return finish(trace, result, shape_of(value), axes, keepdims, out, casts_any=True)
        missing = value.ne(value)
        start = float("-inf") if op == "max" else float("inf")
        result = reduce_axes(trace, op, select(missing, constant(value, start), value), axes)
        nothing = reduce_axes(trace, "all", missing, axes)
        result = select(nothing, constant(result, float("nan")), result)
        return finish(trace, result, shape_of(value), axes, keepdims, out, casts_any=True)

    return composition


implements(np.nanmax)(_extreme_ignoring_nan("max"))
implements(np.nanmin)(_extreme_ignoring_nan("min"))
