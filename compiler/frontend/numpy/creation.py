"""Functions that make arrays: zeros, arange, eye, array and the like, casts and copies.

New arrays are fresh storages. Not here: functions that rearrange existing ones (`manipulation.py`).
"""

from __future__ import annotations

import math
import operator
import typing
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from weft.compiler.frontend.control.joins import is_listed
from weft.compiler.frontend.control.listed import array_of, item_of
from weft.compiler.frontend.control.settling import settled
from weft.compiler.frontend.fixed import known_array
from weft.compiler.frontend.known import fixed_number
from weft.compiler.frontend.number import TracedNumber, as_dim, is_number
from weft.compiler.frontend.numpy.broadcasting import broadcast_to, show_shape
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.promote import common_dtype, element_type, numpy_dtype
from weft.compiler.frontend.storage import Shape
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import (
    TRACED,
    TracedArray,
    TracedScalar,
    elements,
    new_array,
    operand,
    shape_of,
)
from weft.ir.dims import DimLike, floor_divide, maximum, product
from weft.ir.errors import AxisError, DTypeError, ShapeError
from weft.ir.expr import Expr, cast, select
from weft.ir.types import F64, I64, DType, TensorType


def check_order(order: Any) -> str | None:
    """The order as one of NumPy's letters, which may be given in lower case; raises as NumPy does."""
    if not isinstance(order, str | None):
        raise TypeError(f"order must be str, not {type(order).__name__}")
    if order is not None and order.upper() not in ("C", "F", "A", "K"):
        raise ValueError(f"order must be one of 'C', 'F', 'A', or 'K' (got '{order}')")
    return order if order is None else order.upper()


def as_shape(trace: Trace, shape: Any) -> Shape:
    """A shape argument: an int or a sequence of ints, some of which may be sizes."""
    return tuple(as_size(trace, item) for item in shape_items(trace, shape))


def shape_items(trace: Trace, shape: Any) -> list[Any]:
    """The items of a shape argument, which may be an array too."""
    if isinstance(shape, np.ndarray | TracedArray) and shape.ndim == 1:
        known = known_elements(trace, shape) if type(shape) is TracedArray else shape
        return list(shape) if known is None else known.tolist()
    return list(shape) if isinstance(shape, Sequence | Iterator) else [shape]


def as_size(trace: Trace, value: Any) -> DimLike:
    """An int argument that may be a size."""
    dim = as_dim(value)
    if dim is None and _is_integer(value):
        dim = fixed_number(trace, value)
    if dim is None:
        if type(value) in TRACED:
            return _computed_size(trace, value)
        raise TypeError(f"'{type(value).__name__}' object cannot be interpreted as an integer")
    if trace.holds(dim, "<", 0, "sign of a size"):
        raise ShapeError("negative dimensions are not allowed", code="E016", location=trace.location())
    return dim


def _is_integer(value: Any) -> bool:
    """Whether a traced number or scalar is one of integers."""
    return (
        value.type is int
        if type(value) is TracedNumber
        else type(value) in TRACED and value.dtype.kind in "iu"
    )


def as_dtype(trace: Trace, dtype: Any, default: DType) -> DType:
    """A dtype argument; None is the default."""
    return default if dtype is None else element_type(dtype, trace.location())


def filled(trace: Trace, shape: Shape, value: Expr) -> TracedArray:
    """A fresh array with one scalar everywhere."""
    return new_array(trace, trace.builder.broadcast(value, shape))


@implements(np.zeros, np.empty)
def zeros(trace: Trace, shape: Any, dtype: Any = None, order: str = "C") -> TracedArray:
    """Return a new array of given shape and type, filled with zeros."""
    return filled(trace, as_shape(trace, shape), trace.constant(0, as_dtype(trace, dtype, F64)))


@implements(np.ones)
def ones(trace: Trace, shape: Any, dtype: Any = None, order: str = "C") -> TracedArray:
    """Return a new array of given shape and type, filled with ones."""
    return filled(trace, as_shape(trace, shape), trace.constant(1, as_dtype(trace, dtype, F64)))


@implements(np.full)
def full(trace: Trace, shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> TracedArray:
    """Return a new array of given shape and type, filled with `fill_value`."""
    return _full(trace, as_shape(trace, shape), fill_value, dtype)


def _full(trace: Trace, shape: Shape, fill_value: Any, dtype: Any) -> TracedArray:
    one = operand(trace, fill_value)
    ty = as_dtype(trace, dtype, element_type(one.dtype, trace.location()))
    value = one.expr(trace, ty) if one.kind is int else cast(elements(trace, fill_value), ty)
    return new_array(trace, broadcast_to(trace, value, shape))


def _like(a: Any, trace: Trace, dtype: Any, shape: Any) -> tuple[Shape, DType]:
    one = operand(trace, a)
    return (one.shape if shape is None else as_shape(trace, shape)), as_dtype(
        trace, dtype, element_type(one.dtype)
    )


@implements(np.zeros_like, np.empty_like)
def zeros_like(
    trace: Trace, a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> TracedArray:
    """Return an array of zeros with the same shape and type as a given array."""
    size, ty = _like(a, trace, dtype, shape)
    return filled(trace, size, trace.constant(0, ty))


@implements(np.ones_like)
def ones_like(
    trace: Trace, a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> TracedArray:
    """Return an array of ones with the same shape and type as a given array."""
    size, ty = _like(a, trace, dtype, shape)
    return filled(trace, size, trace.constant(1, ty))


@implements(np.full_like)
def full_like(
    trace: Trace,
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
) -> TracedArray:
    """Return a full array with the same shape and type as a given array."""
    size, ty = _like(a, trace, dtype, shape)
    return _full(trace, size, fill_value, ty.numpy)


# ---------------------------------------------------------------- sequences of numbers


def _computed_size(trace: Trace, value: Any) -> DimLike:
    """A size that the program computes; raises TypeError for what is no integer, as NumPy does."""
    found = elements(trace, value)
    if found.dtype.kind not in "iu" or product(shape_of(found)) != 1:
        name = value.type.__name__ if type(value) is TracedNumber else f"numpy.{numpy_dtype(found.dtype)}"
        raise TypeError(f"'{name}' object cannot be interpreted as an integer")
    return trace.computed_size(cast(trace.builder.reshape(found, ()), I64))


def iota(trace: Trace, size: DimLike, dtype: DType) -> Expr:
    """0, 1, 2, ..."""
    return trace.expr(trace.emit("iota", [], {"size": size, "dtype": dtype}))


@implements(np.arange)
def arange(trace: Trace, start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> TracedArray:
    """Return evenly spaced values within a given interval."""
    if stop is None:
        start, stop = 0, start
    given = (start, stop, step)
    start, stop, step = (v if as_dim(v) is not None else fixed_number(trace, v) for v in given)
    dims = [as_dim(v) for v in (start, stop, step)]
    if start is None or stop is None or step is None:
        return _computed_range(trace, list(given), dtype)
    if None in dims or not isinstance(dims[2], int):
        known = [v if type(v) is not TracedNumber else v.__index__() for v in (start, stop, step)]
        return constant_array(trace, np.arange(*known, dtype=dtype))
    first, last, stride = dims
    assert first is not None
    assert last is not None
    assert isinstance(stride, int)
    ty = as_dtype(
        trace,
        dtype,
        element_type(np.result_type(*(v for v in (start, stop, step) if type(v) is not TracedNumber), int)),
    )
    span = (last - first) if stride > 0 else (first - last)
    count = floor_divide(span + (abs(stride) - 1), abs(stride))
    is_some = trace.known(span, ">", 0, "length of arange")
    count = count if is_some else 0 if is_some is False else maximum(count, 0)
    counted = iota(trace, count, I64)
    if stride != 1:
        counted = counted * stride
    if first != 0:
        counted = counted + trace.builder.broadcast(trace.size(first), (count,))
    return new_array(trace, cast(counted, ty))


def _computed_range(trace: Trace, bounds: list[Any], dtype: Any) -> TracedArray:
    """`np.arange` of numbers that the program computes: elements as NumPy fills them, of the first two."""
    if any(np.ndim(v) for v in bounds):
        raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
    kinds = [operand(trace, v).kind for v in bounds]
    common = element_type(common_dtype([np.dtype(np.int64), *kinds]), trace.location())
    ty = as_dtype(trace, dtype, common)
    start, stop, step = (trace.builder.reshape(elements(trace, v, common), ()) for v in bounds)
    if common == I64 and [type(v) for v in (bounds[0], bounds[2])] == [int, int] and bounds[::2] == [0, 1]:
        return new_array(trace, cast(iota(trace, trace.computed_size(stop, or_none=True), I64), ty))
    zero = "float division by zero" if common.is_float else "division by zero"
    trace.fail_unless(step.apply("not_equal", 0), ZeroDivisionError(zero))
    span = (cast(stop, F64) - cast(start, F64)) / cast(step, F64)
    trace.fail_unless(span.apply("equal", span), ValueError("arange: cannot compute length"))
    trace.fail_unless(span.apply("less", float(2**62)), ValueError("Maximum allowed size exceeded"))
    count = cast(span.apply("ceil").apply("maximum", 0.0), I64)
    size = trace.computed_size(count)
    first, second = cast(start, ty), cast(start + step, ty)
    wide = [trace.builder.broadcast(v, (size,)) for v in (first, second, second - first)]
    places = iota(trace, size, I64)
    made = wide[0] + cast(places, ty) * wide[2]
    is_second = places.apply("equal", 1)
    return new_array(trace, select(is_second, wide[1], made))


@implements(np.linspace)
def linspace(
    trace: Trace,
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Return evenly spaced numbers over a specified interval."""
    count = as_size(trace, num)
    common = element_type(common_dtype([operand(trace, v).kind for v in (start, stop)]), trace.location())
    common = common if common.kind in "fc" else F64
    low, high = (elements(trace, v, common) for v in (start, stop))
    parts = count - 1 if endpoint else count
    if not -1 <= operator.index(axis) < 1 and not (shape_of(low) or shape_of(high)):
        raise AxisError.of(axis, 1, trace.location())
    if shape_of(low) or shape_of(high):
        ends = [new_array(trace, v) for v in (low, high)]
        made, step = _between(trace, ends, (count, parts), endpoint, as_dtype(trace, dtype, common))
        made = trace.call(np.moveaxis, made, 0, axis)
        return (made, step) if retstep else made
    if isinstance(parts, int) and parts <= 0:
        one = full(trace, (count,), TracedScalar(trace, low.value), dtype)
        return (one, float("nan")) if retstep else one
    step = (high - low) / cast(trace.size(parts), common)
    counted = iota(trace, count, common)
    wide = [trace.builder.broadcast(v, (count,)) for v in (low, high, step)]
    values = counted * wide[2] + wide[0]
    if endpoint:
        last = iota(trace, count, I64).eq(trace.builder.broadcast(trace.size(parts), (count,)))
        values = select(last, wide[1], values)
    ty = as_dtype(trace, dtype, common)
    values = values.apply("floor") if ty.is_integer else values
    made = new_array(trace, cast(values, ty))
    return (made, TracedScalar(trace, step.value)) if retstep else made


def _between(
    trace: Trace, ends: Sequence[Any], sizes: tuple[DimLike, DimLike], endpoint: bool, ty: DType
) -> tuple[Any, Any]:
    """`count` arrays evenly between two, which broadcast together, on a new first axis, and the step."""
    low, high = ends
    count, parts = sizes
    delta = high - low
    if isinstance(parts, int) and parts <= 0:
        step: Any = delta * np.nan
        values: Any = trace.call(np.broadcast_to, low, (count, *delta.shape)).copy()
    else:
        step = delta / TracedScalar(trace, cast(trace.size(parts), F64).value).astype(delta.dtype)
        places = new_array(trace, iota(trace, count, F64)).astype(delta.real.dtype)
        values = low + places.reshape(-1, *(1,) * delta.ndim) * step
        if endpoint:
            values[-1] = high
    values = trace.call(np.floor, values) if ty.is_integer else values
    return values.astype(ty.numpy), step


@implements(np.eye)
def eye(trace: Trace, N: Any, M: Any = None, k: int = 0, dtype: Any = float, order: str = "C") -> TracedArray:  # noqa: N803
    """Return a 2-D array with ones on the diagonal and zeros elsewhere."""
    rows = as_size(trace, N)
    columns = rows if M is None else as_size(trace, M)
    return new_array(
        trace, cast(diagonal_mask(trace, rows, columns, k, "equal"), as_dtype(trace, dtype, F64))
    )


@implements(np.identity)
def identity(trace: Trace, n: Any, dtype: Any = None) -> TracedArray:
    """Return the identity array."""
    return eye(trace, n, dtype=float if dtype is None else dtype)


def diagonal_mask(trace: Trace, rows: DimLike, columns: DimLike, k: Any, relation: str) -> Expr:
    """Where column `relation` row + k."""
    builder, offset = trace.builder, as_dim(k)
    offset = operator.index(k) if offset is None else offset
    row = iota(trace, rows, I64) + builder.broadcast(trace.size(offset), (rows,))
    left = builder.broadcast(iota(trace, columns, I64), (rows, columns))
    return left.apply(relation, builder.broadcast(builder.reshape(row, (rows, 1)), (rows, columns)))


def counted(trace: Trace, value: Any) -> DimLike:
    """How many numbers `np.arange(value)` has."""
    known, dim = fixed_number(trace, value), as_dim(value)
    if isinstance(known, float):
        return max(math.ceil(known), 0)
    if dim is not None and trace.holds(dim, "<", 0, "sign of a size"):
        return 0
    return as_size(trace, value)


@implements(np.tri)
def tri(trace: Trace, N: Any, M: Any = None, k: Any = 0, dtype: Any = float) -> TracedArray:  # noqa: N803
    """An array with ones at and below the given diagonal and zeros elsewhere."""
    rows = counted(trace, N)
    columns = rows if M is None else counted(trace, M)
    return new_array(
        trace, cast(diagonal_mask(trace, rows, columns, k, "less_equal"), as_dtype(trace, dtype, F64))
    )


# ---------------------------------------------------------------- from values


def constant_array(trace: Trace, array: np.ndarray) -> TracedArray:
    """A fresh array of known elements."""
    ty = element_type(array.dtype, trace.location())
    if array.ndim == 0:
        return new_array(trace, trace.constant(array.item(), ty))
    return new_array(trace, trace.builder.constant(np.array(array), TensorType(ty, array.shape)))


def known_elements(trace: Trace, value: Any) -> np.ndarray | None:
    """The elements of an array or sequence whose numbers do not depend on the arguments; None for others."""
    if type(value) is TracedArray:
        return known_array(value.view.read(trace))
    if isinstance(value, list | tuple | range) and not _contains_traced(value):
        return np.asarray(value)
    return None


def items_of(trace: Trace, value: Any) -> list[Any]:
    """The items of a sequence; of a list that the program makes, whose length is fixed for that."""
    if not is_listed(value):
        return list(value)
    count = trace.pin(settled(trace, value).length, "length of a list")
    return [item_of(trace, value, k) for k in range(count)]


def _contains_traced(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return is_listed(value) or any(map(_contains_traced, value))
    return type(value) in TRACED or isinstance(value, np.ndarray)


@implements(np.asarray, np.asanyarray)
def asarray(trace: Trace, a: Any, dtype: Any = None, order: Any = None, copy: Any = None) -> TracedArray:
    """The array itself if it has the dtype and lies in memory in that order, else a new one."""
    if isinstance(a, np.ndarray):
        a = trace.adopt(a)
    if type(a) is TracedArray and copy is not True:
        if (dtype is None or a.dtype == np.dtype(dtype)) and has_order(trace, a, order):
            return a
        if copy is False:
            raise ValueError("Unable to avoid copy while creating an array as requested.")
    if type(a) is not TracedArray and copy is False:
        raise ValueError("Unable to avoid copy while creating an array as requested.")
    return array(trace, a, dtype)


def has_order(trace: Trace, a: TracedArray, order: Any) -> bool:
    """Whether the elements lie in memory without gaps, by rows for "C", by columns for "F"."""
    order = check_order(order)
    if order not in ("C", "F"):
        return True
    return (a if order == "C" else trace.call(np.transpose, a)).view.is_dense


@implements(np.array)
def array(
    trace: Trace,
    object: Any,
    dtype: Any = None,
    copy: bool | None = True,
    order: str = "K",
    subok: bool = False,
    ndmin: int = 0,
) -> TracedArray:
    """A new array of a value, of nested sequences of values too."""
    if isinstance(object, np.ndarray):
        object = trace.adopt(object)
    if isinstance(object, range):
        object = list(object)
    if copy is False or (copy is None and type(object) is TracedArray):
        return asarray(trace, object, dtype, order, copy)
    if is_listed(object):
        made = array_of(trace, object)
        made = made if dtype is None else made.astype(dtype)
    elif isinstance(object, list | tuple):
        made = _from_sequence(trace, object, dtype)
    elif type(object) in TRACED or is_number(object) or isinstance(object, np.generic):
        if dtype is not None and isinstance(object, int) and np.dtype(dtype).kind in "iu":
            np.array(object, dtype)  # raises for an int that the dtype cannot hold
        value = elements(trace, object)
        made = new_array(trace, cast(value, as_dtype(trace, dtype, value.dtype)))
    else:
        raise DTypeError(
            f"an array of {type(object).__name__!r} objects is not supported",
            code="E031",
            location=trace.location(),
            fix="use numbers, or arrays of numbers",
        )
    missing = ndmin - made.ndim
    return made if missing <= 0 else made.reshape((1,) * missing + made.shape)


def _from_sequence(trace: Trace, items: Any, dtype: Any) -> TracedArray:
    if not _contains_traced(items):
        try:
            found = np.array(items, dtype)
            is_swapped = found.dtype.kind in "iufc" and not found.dtype.isnative
            return constant_array(trace, found.astype(found.dtype.newbyteorder("=")) if is_swapped else found)
        except ValueError as error:
            fix = "give all rows one length"
            raise ShapeError(str(error), code="E017", location=trace.location(), fix=fix) from None
    leaves, shape = _flatten(trace, items)
    operands = [operand(trace, leaf) for leaf in leaves]
    ty = as_dtype(trace, dtype, element_type(common_dtype([o.dtype for o in operands]), trace.location()))
    inner = operands[0].shape
    if any(o.shape != inner for o in operands):
        shapes = " and ".join(show_shape(o.shape) for o in operands)
        raise ShapeError(
            f"an array of elements of shapes {shapes} is ragged", code="E017", location=trace.location()
        )
    builder = trace.builder
    parts = [builder.reshape(o.expr(trace, ty), (1, *inner)) for o in operands]
    whole = (
        parts[0]
        if len(parts) == 1
        else trace.expr(trace.emit("concatenate", [p.value for p in parts], {"axis": 0}))
    )
    return new_array(trace, builder.reshape(whole, (*shape, *inner)))


def _flatten(trace: Trace, items: Any) -> tuple[list[Any], tuple[int, ...]]:
    """The leaves of nested sequences, in order, and the shape of the nest."""
    if not isinstance(items, list | tuple):
        return [items], ()
    if is_listed(items):
        return [array_of(trace, typing.cast("list[Any]", items))], ()
    parts = [_flatten(trace, item) for item in items]
    shapes = {shape for _, shape in parts}
    if len(shapes) != 1:
        raise ShapeError(
            "nested sequences have different lengths",
            code="E017",
            location=trace.location(),
            fix="give all rows one length",
        )
    return [leaf for leaves, _ in parts for leaf in leaves], (len(items), *shapes.pop())


@implements(np.copy)
def copy(trace: Trace, a: Any, order: str = "K", subok: bool = False) -> TracedArray:
    """Return an array copy of the given object."""
    check_order(order)
    return new_array(trace, elements(trace, a))


def astype(
    value: Any, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
) -> Any:
    """`x.astype(dtype)`: an array for an array, a scalar for a scalar."""
    trace: Trace = value.trace
    check_order(order)
    if type(dtype) in TRACED or isinstance(dtype, np.ndarray):
        raise TypeError("Cannot construct a dtype from an array")
    ty = element_type(dtype, trace.location())
    if not np.can_cast(value.dtype, np.dtype(dtype), casting):  # pyright: ignore[reportArgumentType]
        raise DTypeError(
            f"cannot cast from {value.dtype} to {np.dtype(dtype)} by the rule {casting!r}",
            code="E032",
            location=trace.location(),
            fix="use casting='unsafe'",
        )
    if type(value) is TracedScalar:
        return TracedScalar(trace, cast(value.expr, ty).value)
    if not copy and ty == value.element and has_order(trace, value, order):
        return value
    return new_array(trace, cast(value.expr, ty))


def construct(dtype: np.dtype) -> Any:
    """`np.float32(x)` and the like: a scalar for a number, an array for an array."""

    def composition(trace: Trace, value: Any = 0) -> Any:
        if type(value) not in TRACED and not isinstance(value, list | tuple | np.ndarray):
            return dtype.type(value)
        ty = element_type(dtype, trace.location())
        if type(value) is TracedNumber:  # one that does not fit is an error
            return TracedScalar(trace, operand(trace, value).expr(trace, ty).value)
        made = cast(elements(trace, value), ty)
        return new_array(trace, made) if shape_of(made) else TracedScalar(trace, made.value)

    return composition


for _name in (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
    "longlong",
    "ulonglong",
):
    implements(np.dtype(_name).type)(construct(np.dtype(_name)))

__all__ = ["as_dtype", "as_shape", "as_size", "astype", "constant_array", "filled", "iota", "known_elements"]
