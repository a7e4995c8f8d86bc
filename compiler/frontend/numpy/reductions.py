"""Reductions over any axes, as compositions of reductions over one.

Adjacent axes are joined, the last goes first. Not here: the order in which elements are combined
(`ir/ops/reduce.py`, DESIGN D19).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.compiler.frontend.number import size_number
from weft.compiler.frontend.numpy.broadcasting import broadcast_to, fit
from weft.compiler.frontend.numpy.manipulation import as_axes, integer_axis
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.numpy.ufuncs import truth
from weft.compiler.frontend.promote import element_type, numpy_dtype
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import (
    TracedArray,
    as_array,
    elements,
    new_array,
    operand,
    plain_int,
    shape_of,
    wrap,
)
from weft.ir.dims import DimLike, product
from weft.ir.errors import DTypeError, ShapeError
from weft.ir.expr import Expr, cast, constant, imag, real, select
from weft.ir.node import Attributes
from weft.ir.ops.shape import inverse_permutation
from weft.ir.types import BOOL, F16, F32, F64, I64, U64, DType

NONE = np._NoValue  # pyright: ignore[reportPrivateUsage] -- the default of public functions
_FIRST = {np.add: 0, np.multiply: 1}


def reduce_axes(
    trace: Trace, op: str, value: Expr, axes: Sequence[int], attributes: Attributes | None = None
) -> Expr:
    """Reduce over `axes`: each run of adjacent axes becomes one by a reshape, the last run goes first."""
    for first, last in reversed(_runs(sorted(axes))):
        shape = shape_of(value)
        joined = (*shape[:first], product(shape[first : last + 1]), *shape[last + 1 :])
        value = trace.builder.reshape(value, joined)
        value = trace.expr(trace.emit(op, [value.value], {"axis": first, **(attributes or {})}))
    return value


def _runs(axes: Sequence[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for axis in axes:
        if runs and runs[-1][1] == axis - 1:
            runs[-1] = (runs[-1][0], axis)
        else:
            runs.append((axis, axis))
    return runs


def chosen_axes(trace: Trace, axis: Any, rank: int, *, is_mean: bool = False) -> tuple[int, ...]:
    """The `axis` argument of a reduction: all axes for None; a number has none, but 0 and -1 may be named."""
    axis = plain_int(axis)
    if axis is None:
        return tuple(range(rank))
    if isinstance(axis, list | bool | np.bool_):
        raise TypeError(f"'{type(axis).__name__}' object cannot be interpreted as an integer")
    is_slip = not rank and not is_mean and not isinstance(axis, tuple) and axis in (0, -1)
    return () if is_slip else as_axes(trace, axis, rank)


def finish(
    trace: Trace, value: Expr, shape: tuple[DimLike, ...], axes: Sequence[int], keepdims: Any, out: Any,
    *, casts_any: bool = False,
) -> Any:  # fmt: skip
    """Put reduced axes back if asked, and store in `out` if given; reductions of ufuncs cast to any dtype."""
    if keepdims is not NONE and keepdims:
        value = trace.builder.reshape(value, tuple(1 if k in axes else d for k, d in enumerate(shape)))
    if out is None:
        return wrap(trace, value)
    if out is Ellipsis:
        return new_array(trace, value)
    if type(out) is tuple and len(out) == 1:
        out = out[0]
    if type(out) is not TracedArray:
        raise TypeError("return arrays must be of ArrayType")
    if len(out.view.shape) != len(shape_of(value)) or not all(
        trace.holds(p, "==", q, "sizes of an output")
        for p, q in zip(out.view.shape, shape_of(value), strict=True)
    ):
        raise ShapeError(
            f"the output {out!r} has another shape than the result {value.type}",
            code="E012",
            location=trace.location(),
            fix="give an output of the result's shape",
        )
    if not casts_any and not np.can_cast(numpy_dtype(value.dtype), out.dtype, "same_kind"):
        raise DTypeError(
            f"cannot store {value.dtype} in an output of {out.element}",
            code="E032",
            location=trace.location(),
            fix="give an output of a wider dtype",
        )
    out.write(fit(trace, _as_type(value, out.element), out.view.shape, "a result"))
    return out


def output_type(out: Any) -> Any:
    """The dtype of an output, None if there is none."""
    out = out[0] if type(out) is tuple and len(out) == 1 else out
    return out.dtype if type(out) is TracedArray else None


def with_output(value: DType, out: Any) -> DType | None:
    """What a ufunc reduces in that has an output: the wider of both dtypes; None if it has none."""
    given = output_type(out)
    return None if given is None else element_type(np.promote_types(numpy_dtype(value), given), None)


def widened(dtype: DType) -> DType:
    """What sums and products of small integers are computed in."""
    if dtype.kind in "bi":
        return I64
    return U64 if dtype.kind == "u" else dtype


def _masked(trace: Trace, value: Expr, where: Any, start: Any) -> Expr:
    """Elements outside of the mask become `start`."""
    if where is True or where is NONE:
        return value
    mask = broadcast_to(trace, elements(trace, where, BOOL), shape_of(value))
    return select(mask, value, constant(value, start))


def _fold(op: str, combine: np.ufunc, identity: int) -> Callable[..., Any]:
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
        ty = with_output(value.dtype, out) or widened(value.dtype)
        ty = ty if dtype is None else element_type(dtype, trace.location())
        value = _masked(trace, _as_type(value, ty), where, identity)
        axes = chosen_axes(trace, axis, len(shape_of(value)))
        result = _fold_in(trace, op, value, axes)
        if initial is not NONE:
            start = broadcast_to(trace, elements(trace, initial, result.dtype), shape_of(result))
            result = result.apply("add" if combine is np.add else "multiply", start)
        return finish(trace, _as_type(result, ty), shape_of(value), axes, keepdims, out, casts_any=True)

    return composition


def _as_type(value: Expr, dtype: DType) -> Expr:
    return truth(value) if dtype == BOOL else cast(value, dtype)


def _fold_in(trace: Trace, op: str, value: Expr, axes: Sequence[int]) -> Expr:
    """Of truth values (only with dtype=bool) sums are `any`, products `all`; of float16 in float32."""
    if value.dtype == F16:
        return cast(_fold_in(trace, op, cast(value, F32), axes), F16)
    if value.dtype == BOOL:
        return reduce_axes(trace, {"sum": "any", "prod": "all"}[op], value, axes)
    return reduce_axes(trace, op, value, axes)


def _ufunc_form(composition: Callable[..., Any], ufunc: np.ufunc) -> Callable[..., Any]:
    """`ufunc.reduce`, whose default axis is the first."""

    def reduce(
        trace: Trace,
        array: Any,
        axis: Any = 0,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = NONE,
        where: Any = True,
    ) -> Any:
        if dtype is not None and ufunc in (np.logical_and, np.logical_or) and np.dtype(dtype) != np.bool_:
            raise TypeError(f"No loop matching the specified signature was found for ufunc {ufunc.__name__}")
        if dtype is not None and ufunc in (np.maximum, np.minimum):
            array = new_array(trace, elements(trace, array)).astype(dtype)
        given = {"dtype": dtype} if dtype is not None and ufunc in (np.add, np.multiply) else {}
        return composition(
            trace, array, axis=axis, out=out, keepdims=keepdims, initial=initial, where=where, **given
        )

    return reduce


sum_ = implements(np.sum)(_fold("sum", np.add, 0))
prod = implements(np.prod)(_fold("prod", np.multiply, 1))


def _extreme(op: str) -> Callable[..., Any]:
    larger = op == "max"

    def composition(
        trace: Trace,
        a: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: Any = NONE,
        initial: Any = NONE,
        where: Any = True,
    ) -> Any:
        value = elements(trace, a)
        axes = chosen_axes(trace, axis, len(shape_of(value)))
        where = True if where is NONE else where
        if where is not True and initial is NONE:
            raise ValueError(
                f"reduction operation '{op}imum' has no identity, so with `where` it needs 'initial'"
            )
        if initial is NONE:
            refuse_empty(trace, op, value, axes)
            result = reduce_axes(trace, op, value, axes)
            return finish(trace, result, shape_of(value), axes, keepdims, out, casts_any=True)
        start = elements(trace, initial, value.dtype)
        if where is not True:
            mask = broadcast_to(trace, elements(trace, where, BOOL), shape_of(value))
            value = select(mask, value, broadcast_to(trace, start, shape_of(value)))
        result = reduce_axes(trace, op, value, axes)
        name = "maximum" if larger else "minimum"
        result = result.apply(name, broadcast_to(trace, start, shape_of(result)))
        return finish(trace, result, shape_of(value), axes, keepdims, out, casts_any=True)

    return composition


def refuse_empty(trace: Trace, op: str, value: Expr, axes: Sequence[int]) -> None:
    """Raise what NumPy does, here or in the program, for an extreme of no elements."""
    count = product(tuple(shape_of(value)[k] for k in axes))
    if trace.is_computed(count):
        what = f"zero-size array to reduction operation {op}imum which has no identity"
        trace.fail_unless(trace.size(count).gt(0), ValueError(what))
    if count == 0 and axes:
        raise ShapeError(
            f"zero-size array to reduction operation {op} which has no identity",
            code="E016",
            location=trace.location(),
            fix="give `initial`, or an array with elements",
        )


max_ = implements(np.max, np.amax)(_extreme("max"))
min_ = implements(np.min, np.amin)(_extreme("min"))


def _test(op: str) -> Callable[..., Any]:
    def composition(
        trace: Trace,
        a: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: Any = NONE,
        initial: Any = NONE,
        where: Any = True,
    ) -> Any:
        value = _masked(trace, truth(elements(trace, a)), where, op == "all")
        axes = chosen_axes(trace, axis, len(shape_of(value)))
        result = reduce_axes(trace, op, value, axes)
        return finish(trace, result, shape_of(value), axes, keepdims, out, casts_any=True)

    return composition


all_, any_ = _test("all"), _test("any")


def _without_initial(test: Callable[..., Any]) -> Callable[..., Any]:
    def composition(
        trace: Trace, a: Any, axis: Any = None, out: Any = None, keepdims: Any = NONE, *, where: Any = True
    ) -> Any:
        return test(trace, a, axis, out, keepdims, where=where)

    return composition


implements(np.all)(_without_initial(all_))
implements(np.any)(_without_initial(any_))

for _ufunc, _form in (
    (np.add, sum_), (np.multiply, prod), (np.maximum, max_), (np.minimum, min_), (np.logical_and, all_),
    (np.logical_or, any_),
):  # fmt: skip
    implements(_ufunc.reduce)(_ufunc_form(_form, _ufunc))


def _position(op: str) -> Callable[..., Any]:
    def composition(trace: Trace, a: Any, axis: Any = None, out: Any = None, keepdims: Any = NONE) -> Any:
        value = elements(trace, a)
        shape = shape_of(value)
        axis = plain_int(axis)
        is_number = not shape and not isinstance(axis, bool) and axis in (0, -1)
        whole = axis is None or is_number
        axes = tuple(range(len(shape))) if whole else (integer_axis(trace, axis, len(shape)),)
        count = product(tuple(shape[k] for k in axes))
        if trace.is_computed(count):
            empty = ValueError(f"attempt to get {op} of an empty sequence")
            trace.fail_unless(trace.size(count).gt(0), empty)
        if count == 0:
            what = f"attempt to get {op} of an empty sequence"
            raise ShapeError(what, code="E016", location=trace.location(), fix="give an array with elements")
        if not shape:
            return wrap(trace, trace.constant(0, I64))
        if op == "argmin" and value.dtype == BOOL:  # the first False: of bits the inverse costs nothing
            found = reduce_axes(trace, "argmax", value.apply("logical_not"), axes)
        else:
            found = reduce_axes(trace, op, value, axes)
        return finish(trace, found, shape, axes, keepdims, out)

    return composition


argmax = implements(np.argmax)(_position("argmax"))
argmin = implements(np.argmin)(_position("argmin"))


# ---------------------------------------------------------------- mean and variance


def _count(trace: Trace, value: Expr, axes: Sequence[int], dtype: DType) -> Expr:
    """Number of elements reduced, as a scalar."""
    return cast(trace.size(product(tuple(shape_of(value)[k] for k in axes))), dtype)


def _real(value: Expr, dtype: Any, trace: Trace) -> DType:
    """dtype in which means are computed."""
    if dtype is not None:
        return element_type(dtype, trace.location())
    if value.dtype == F16:
        return F32
    return value.dtype if value.dtype.kind in "fc" else F64


@implements(np.mean)
def mean(
    trace: Trace,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = NONE,
    where: Any = True,
) -> Any:
    """Compute the arithmetic mean along the specified axis."""
    value = elements(trace, a)
    axes = chosen_axes(trace, axis, len(shape_of(value)), is_mean=True)
    asked = dtype if dtype is not None else output_type(out)
    if asked is not None and np.dtype(asked).kind in "biu":
        counted = trace.call(np.broadcast_to, True if where is NONE else where, new_array(trace, value).shape)
        given = {"axis": axis, "keepdims": keepdims}
        exact = np.float64 if dtype is None and value.dtype.kind in "biu" else dtype
        total = trace.call(np.sum, a, dtype=exact, where=where, **given).astype(asked)
        found = trace.call(np.true_divide, total, trace.call(np.sum, counted, **given)).astype(asked)
        return found if out is None else stored(trace, found, out)
    given, ty = value.dtype, _real(value, dtype, trace)
    if where is True or where is NONE:
        count = _count(trace, value, axes, ty)
    else:
        held = broadcast_to(trace, elements(trace, where, BOOL), shape_of(value))
        count = reduce_axes(trace, "sum", cast(held, ty), axes)
    total = reduce_axes(trace, "sum", _masked(trace, cast(value, ty), where, 0), axes)
    result = total / broadcast_to(trace, count, shape_of(total))
    result = cast(result, given) if ty != given == F16 and dtype is None else result
    return finish(trace, result, shape_of(value), axes, keepdims, out, casts_any=True)


def _variance(trace: Trace, a: Any, axis: Any, dtype: Any, ddof: Any) -> tuple[Expr, Expr, tuple[int, ...]]:
    """Variance, the elements, and the axes; reduced axes are brought together so that one op sees them."""
    value = elements(trace, a)
    given, ty = value.dtype, _real(value, dtype, trace)
    value = cast(value, ty)
    rank = len(shape_of(value))
    axes = tuple(sorted(chosen_axes(trace, axis, rank, is_mean=True)))
    if not axes:
        nothing = real(value - value) if ty.is_complex else value - value
        nothing = nothing / max(1.0 - ddof, 0.0)
        return cast(nothing, given.part if dtype is None and given == F16 else ty.part), value, axes
    moved = value
    if len(_runs(axes)) > 1:
        order = (*(k for k in range(rank) if k not in axes), *axes)
        moved = trace.expr(trace.emit("transpose", [value.value], {"axes": order}))
        places: tuple[int, ...] = tuple(sorted(inverse_permutation(order)[k] for k in axes))
    else:
        places = axes
    if not isinstance(ddof, int | float):
        raise trace.refuse("ddof must be known when the program is compiled", "give a number", "E054")
    if ty.is_complex:  # that of both parts together
        parts = [reduce_axes(trace, "variance", part(moved), places, {"ddof": ddof}) for part in (real, imag)]
        return parts[0] + parts[1], value, axes
    result = reduce_axes(trace, "variance", moved, places, {"ddof": ddof})
    return cast(result, given) if given == F16 and dtype is None else result, value, axes


def _ddof(ddof: Any, correction: Any) -> Any:
    if correction is NONE:
        return plain_int(ddof)
    if not (type(ddof) is int and ddof == 0):
        raise ValueError("ddof and correction can't be provided simultaneously.")
    return correction


def _moment(where: Any, center: Any) -> Callable[..., tuple[Expr, Expr, tuple[int, ...]]]:
    """`_variance`, or the same of the elements where a mask holds, or about a mean that is given."""
    if center is NONE and (where is True or where is NONE):
        return _variance
    where = True if where is NONE else where

    def composition(
        trace: Trace, a: Any, axis: Any, dtype: Any, ddof: Any
    ) -> tuple[Expr, Expr, tuple[int, ...]]:
        given = elements(trace, a)
        ty = _real(given, dtype, trace)
        value: Any = wrap(trace, cast(given, ty))
        away = value - (mean(trace, value, axis, keepdims=True, where=where) if center is NONE else center)
        squares = away.real * away.real + away.imag * away.imag if ty.is_complex else away * away
        held = wrap(trace, broadcast_to(trace, elements(trace, where, BOOL), shape_of(given)))
        count = trace.call(np.maximum, sum_(trace, held, axis) - ddof, 0).astype(ty.part.numpy)
        result = elements(trace, trace.call(np.true_divide, sum_(trace, squares, axis, where=where), count))
        axes = chosen_axes(trace, axis, len(shape_of(given)))
        return cast(result, given.dtype if dtype is None and given.dtype == F16 else ty.part), given, axes

    return composition


@implements(np.var)
def var(
    trace: Trace,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = NONE,
    *,
    where: Any = True,
    correction: Any = NONE,
    mean: Any = NONE,
) -> Any:
    """Compute the variance along the specified axis."""
    ddof = _ddof(ddof, correction)
    if _is_apart(trace, a, dtype, out):
        found = _variance_apart(trace, a, axis, dtype, out, ddof, where, mean, keepdims)
        return found if out is None else stored(trace, found, out)
    result, value, axes = _moment(where, mean)(trace, a, axis, dtype, ddof)
    return finish(trace, result, shape_of(value), axes, keepdims, out, casts_any=True)


@implements(np.std)
def std(
    trace: Trace,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = NONE,
    *,
    where: Any = True,
    correction: Any = NONE,
    mean: Any = NONE,
) -> Any:
    """Compute the standard deviation along the specified axis."""
    ddof = _ddof(ddof, correction)
    if _is_apart(trace, a, dtype, out):
        found = _variance_apart(trace, a, axis, dtype, out, ddof, where, mean, keepdims)
        root = trace.call(np.sqrt, found)
        if (type(found) is TracedArray or out is not None) and found.dtype.kind in "biu":
            raise TypeError(f"cannot cast ufunc 'sqrt' output from {root.dtype} to {found.dtype}")
        root = root.astype(found.dtype)
        return root if out is None else stored(trace, root, out)
    result, value, axes = _moment(where, mean)(trace, a, axis, dtype, ddof)
    return finish(trace, result.apply("sqrt"), shape_of(value), axes, keepdims, out, casts_any=True)


def _is_apart(trace: Trace, a: Any, dtype: Any, out: Any) -> bool:
    """Whether a variance is asked for in what is no real type, or of complex numbers in any."""
    if dtype is None:
        asked = output_type(out)
        return asked is not None and asked.kind in "biu"
    return np.dtype(dtype).kind != "f" or operand(trace, a).dtype.kind == "c"


def _variance_apart(
    trace: Trace, a: Any, axis: Any, dtype: Any, out: Any, ddof: Any, where: Any, center: Any, keepdims: Any
) -> Any:
    """NumPy's steps with a cast to `dtype`, or to that of `out`, after each of the two sums."""
    x: Any = as_array(trace, a)
    where = True if where is NONE else where
    held = trace.call(np.broadcast_to, where, x.shape)
    exact = np.float64 if dtype is None and x.dtype.kind in "biu" else dtype

    def total(of: Any, keepdims: Any, dtype: Any) -> Any:
        return trace.call(np.sum, of, axis=axis, dtype=dtype, keepdims=keepdims, where=where)

    if center is NONE:
        center = total(x, True, exact) / total(held, True, None)
        center = center if dtype is None else center.astype(dtype)
    away = x - center
    squares = away.real * away.real + away.imag * away.imag if x.dtype.kind == "c" else away * away
    count = trace.call(np.maximum, total(held, keepdims, None) - ddof, 0)
    asked = output_type(out) if dtype is None else dtype
    return (total(squares, keepdims, exact).astype(asked) / count).astype(asked)


def stored(trace: Trace, found: Any, out: Any) -> Any:
    """What was found, in an output of its shape."""
    value = elements(trace, found)
    return finish(trace, value, shape_of(value), (), NONE, out, casts_any=True)


# ---------------------------------------------------------------- compositions


@implements(np.ptp)
def ptp(trace: Trace, a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    """Range of values (maximum - minimum) along an axis."""
    high, low = max_(trace, a, axis, None, keepdims), min_(trace, a, axis, None, keepdims)
    found = trace.call(np.subtract, high, low)
    if out is not None and not np.can_cast(found.dtype, output_type(out), "same_kind"):
        return trace.call(np.subtract, high, low, out=out)  # which says so
    return found if out is None else stored(trace, found, out)


@implements(np.count_nonzero)
def count_nonzero(trace: Trace, a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Counts the number of non-zero values in the array ``a``."""
    return sum_(trace, trace.call(np.not_equal, a, 0), axis, keepdims=keepdims)


@implements(np.average)
def average(
    trace: Trace,
    a: Any,
    axis: Any = None,
    weights: Any = None,
    returned: bool = False,
    *,
    keepdims: Any = False,
) -> Any:
    """Compute the weighted average along the specified axis."""
    axis = tuple(axis) if isinstance(axis, list) else axis
    if weights is None:
        result = mean(trace, a, axis, keepdims=keepdims)
        if trace.holds(product(operand(trace, result).shape), "==", 0, "averages"):
            raise ZeroDivisionError("division by zero")  # elements by averages
        if not returned:
            return result
        sizes = [size_number(trace, product(operand(trace, v).shape)) for v in (a, result)]
        count = trace.call(np.full_like, result, trace.call(np.true_divide, *sizes))
        return result, count if type(result) is TracedArray else count[()]
    values, scales = trace.call(np.asarray, a), trace.call(np.asarray, weights)
    scales = weights_along(trace, scales, values, axis)
    dtype = np.result_type(values.dtype, scales.dtype, *([np.float64] if values.dtype.kind in "biu" else ()))
    scale = sum_(trace, scales, axis, dtype, keepdims=keepdims)
    whole = trace.call(np.all, trace.call(np.not_equal, scale, 0))
    trace.fail_unless(whole.expr, ZeroDivisionError("Weights sum to zero, can't be normalized"))
    result = sum_(trace, values.astype(dtype) * scales, axis, dtype, keepdims=keepdims) / scale
    if not returned:
        return result
    shape = operand(trace, result).shape
    wide = broadcast_to(trace, elements(trace, scale), shape)
    return result, wrap(trace, wide)


def weights_along(trace: Trace, scales: Any, values: Any, axis: Any) -> Any:
    """Weights as wide as the values; those of fewer axes lie along `axis`."""
    same = scales.ndim == values.ndim and all(
        trace.holds(p, "==", q, "sizes of weights")
        for p, q in zip(scales.view.shape, values.view.shape, strict=True)
    )
    if same:
        return scales
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    axes = chosen_axes(trace, axis, values.ndim)
    fits = scales.ndim == len(axes) and all(
        trace.holds(p, "==", values.view.shape[k], "sizes of weights")
        for p, k in zip(scales.view.shape, axes, strict=True)
    )
    if not fits:
        raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
    scales = trace.call(np.transpose, scales, tuple(int(k) for k in np.argsort(axes)))
    scales = scales[tuple(slice(None) if k in axes else None for k in range(values.ndim))]
    return trace.call(np.broadcast_to, scales, values.shape)
