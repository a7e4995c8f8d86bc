"""Methods and attributes of arrays and NumPy scalars: a table from the name to the function that does it.

Methods that are functions with another name are one line each. Not here: operators (`values.py`).
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from weft.compiler.frontend.bits import converted
from weft.compiler.frontend.control.joins import Number as NumberSlot
from weft.compiler.frontend.control.joins import Slot
from weft.compiler.frontend.control.lists import Row
from weft.compiler.frontend.control.methods import listed_array
from weft.compiler.frontend.number import IR_TYPES, number, size_number
from weft.compiler.frontend.numpy.creation import as_shape, astype, check_order
from weft.compiler.frontend.promote import element_type
from weft.compiler.frontend.storage import Bits, Flat, Part, Reshape
from weft.compiler.frontend.values import (
    METHODS,
    PROPERTIES,
    SETTERS,
    TracedArray,
    TracedScalar,
    elements,
    new_array,
    operand,
    shape_of,
)
from weft.ir import UserError
from weft.ir.dims import modulo, product
from weft.ir.expr import cast
from weft.ir.types import I64, U64, DType
from weft.runtime.variables import assigned_dtype, check_shape


def _function(fn: Any) -> Callable[..., Any]:
    """A method that is a function of the table."""
    return lambda value, *args, **kwargs: value.trace.call(fn, value, *args, **kwargs)


for _name, _fn in {
    "sum": np.sum,
    "prod": np.prod,
    "max": np.max,
    "min": np.min,
    "all": np.all,
    "any": np.any,
    "mean": np.mean,
    "var": np.var,
    "std": np.std,
    "argmax": np.argmax,
    "argmin": np.argmin,
    "ravel": np.ravel,
    "squeeze": np.squeeze,
    "swapaxes": np.swapaxes,
    "dot": np.dot,
    "round": np.round,
    "repeat": np.repeat,
    "take": np.take,
    "diagonal": np.diagonal,
    "trace": np.trace,
    "cumsum": np.cumsum,
    "cumprod": np.cumprod,
    "argsort": np.argsort,
    "nonzero": np.nonzero,
    "searchsorted": np.searchsorted,
    "argpartition": np.argpartition,
    "put": np.put,
}.items():
    METHODS[_name] = _function(_fn)

METHODS["astype"] = astype


def _conjugate(value: Any, out: Any = None) -> Any:
    """Of real numbers the array itself."""
    if out is None and value.dtype.kind != "c":
        return value
    return value.trace.call(np.conjugate, value, out=out)


METHODS["conj"] = METHODS["conjugate"] = _conjugate


def _method(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(fn: Callable[..., Any]) -> Callable[..., Any]:
        METHODS[name] = fn
        return fn

    return register


def _one_or_many(values: tuple[Any, ...]) -> Any:
    """`x.reshape(2, 3)` and `x.reshape((2, 3))` are the same."""
    return values[0] if len(values) == 1 and isinstance(values[0], Sequence | TracedArray | None) else values


@_method("reshape")
def _reshape(value: Any, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
    return value.trace.call(np.reshape, value, _one_or_many(shape), order=order, copy=copy)


@_method("choose")
def _choose(value: Any, *choices: Any, out: Any = None, mode: str = "raise") -> Any:
    given = _one_or_many(choices)
    return value.trace.call(np.choose, value, given, out=out, mode=mode)


@_method("transpose")
def _transpose(value: Any, *axes: Any) -> Any:
    return value.trace.call(np.transpose, value, _one_or_many(axes) if axes else None)


@_method("copy")
def _copy(value: Any, order: str = "C") -> Any:
    check_order(order)
    return value if type(value) is TracedScalar else new_array(value.trace, value.expr)


@_method("flatten")
def _flatten(value: Any, order: str = "C") -> Any:
    return _copy(value.trace.call(np.ravel, value, order=order))


@_method("clip")
def _clip(value: Any, min: Any = None, max: Any = None, out: Any = None, **named: Any) -> Any:
    return value.trace.call(np.clip, value, min, max, out, **named)


@_method("sort")
def _sort(
    value: TracedArray, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> None:
    if axis is None:
        raise TypeError("'NoneType' object cannot be interpreted as an integer")
    value[...] = value.trace.call(np.sort, value, axis, kind, order, stable=stable)


@_method("partition")
def _partition(
    value: TracedArray, kth: Any, axis: int = -1, kind: str = "introselect", order: Any = None
) -> None:
    value[...] = value.trace.call(np.partition, value, kth, axis, kind, order)


@_method("compress")
def _compress(value: Any, condition: Any, axis: Any = None, out: Any = None) -> Any:
    return value.trace.call(np.compress, condition, value, axis, out)


@_method("fill")
def _fill(value: TracedArray, number: Any) -> None:
    value[...] = number


def _change(value: TracedArray, what: str) -> None:
    """Check that the shape of an array may change in place: an object that the trace made, here."""
    storage, trace = value.view.storage, value.trace
    fix = "write `x = x.reshape(...)`"
    if storage.parameter is not None and value.view.base is None:
        raise trace.refuse(f"{what} of an array that outlives the call is not supported", fix, "E055")
    if storage.depth != len(trace.frames):
        raise trace.refuse(
            f"{what} of an array from outside of a loop or branch is not supported", fix, "E055"
        )


def _set_shape(value: TracedArray, shape: Any) -> None:
    """`x.shape = ...`: from now on x is a view in that shape."""
    _change(value, "assignment to `shape`")
    found = value.trace.call(np.reshape, value, shape)
    if found.view.storage is not value.view.storage:
        raise AttributeError("Incompatible shape for in-place modification. Use `.reshape()` to make a copy")
    value.view = found.view


def _set_flat(value: TracedArray, new: Any) -> None:
    """`x.flat = v`: elements in order, repeated as often as needed."""
    flat = value.trace.call(np.ravel, new)
    size = PROPERTIES["size"](value)
    value[...] = value.trace.call(np.resize, flat, (size,)).reshape(value.shape)


SETTERS["shape"] = _set_shape
SETTERS["flat"] = _set_flat


@_method("resize")
def _resize(value: TracedArray, *shape: Any, refcheck: bool = True) -> None:
    """In place: cut off, or filled with 0."""
    _change(value, "`resize`")
    if value.view.base is not None:
        raise ValueError("cannot resize this array: it does not own its data")
    trace = value.trace
    target = as_shape(trace, _one_or_many(shape))
    size, have = product(target), product(value.view.shape)
    flat = trace.call(np.ravel, value)
    if trace.holds(have, "<", size, "size of a resized array"):
        missing = trace.call(np.zeros, size_number(trace, size - have), dtype=value.dtype)
        flat = trace.call(np.concatenate, [flat, missing])
    found = flat[: size_number(trace, size)].reshape(tuple(size_number(trace, d) for d in target))
    value.view = new_array(trace, found.expr).view


@_method("to_device")
def _to_device(value: Any, device: Any, /, *, stream: Any = None) -> Any:
    if stream is not None:
        raise ValueError("The stream argument to to_device() is not supported")
    if device != "cpu":
        raise ValueError(f"Unsupported device: {device}.")
    return value


@_method("view")
def _view(value: Any, dtype: Any = None, type: Any = None) -> Any:
    """The same memory, as elements of another dtype too."""
    for kind in (dtype, type):
        if isinstance(kind, builtins.type) and issubclass(kind, np.ndarray) and kind is not np.ndarray:
            what = f"a view as {kind.__name__}, a class of arrays of its own,"
            raise value.trace.refuse(f"{what} is not supported", "use arrays of np.ndarray", "E053")
    is_array = isinstance(dtype, builtins.type) and issubclass(dtype, np.ndarray)
    if not is_array and dtype is not None and not np.dtype(dtype).isnative:
        what = "a view of bytes in the other order of this machine"
        raise value.trace.refuse(f"{what} is not supported", "use x.byteswap()", "E053")
    if dtype is not None and not is_array:
        target = element_type(dtype, value.trace.location())
        if target != value.element:
            return _as_bits(value, target)
    if isinstance(value, TracedScalar):
        return value
    return TracedArray(value.trace, value.view.through(Reshape(value.view.shape, value.view.strides)))


@_method("byteswap")
def _byteswap(value: Any, inplace: bool = False) -> Any:
    """Elements with their bytes in the other order."""
    dtype, size = value.dtype, value.dtype.itemsize >> (value.dtype.kind == "c")
    if size == 1:
        return value if inplace else value.copy()
    flat = value.trace.call(np.ravel, value)
    swapped = METHODS["view"](flat, np.uint8).reshape(-1, size)[:, ::-1].copy()
    found = METHODS["view"](swapped.ravel(), dtype).reshape(value.shape)
    if inplace:
        value[...] = found
        return value
    return found if type(value) is TracedArray else found[()]


def _as_bits(value: Any, target: DType) -> Any:
    trace, given = value.trace, value.element.size_bytes
    wanted = target.size_bytes
    if isinstance(value, TracedScalar):
        if given != wanted or target.is_complex or value.element.is_complex:
            raise trace.refuse("a scalar as one of another size is not built", "use np.atleast_1d", "E054")
        return TracedScalar(trace, converted(value.expr, target).value)
    view = value.view
    if given != wanted or target.is_complex or value.element.is_complex:
        if not view.shape:
            raise ValueError(
                "Changing the dtype of a 0d array is only supported if the itemsize is unchanged"
            )
        if given != wanted and view.strides[-1] is None:
            raise trace.refuse(
                "a view of an array with gaps as a dtype of another size", "copy it first", "E054"
            )
        if given != wanted and view.shape[-1] != 1 and view.strides[-1] != 1:
            raise ValueError("To change to a dtype of a different size, the last axis must be contiguous")
        if wanted > given:
            rest = modulo(view.shape[-1], wanted // given)
            if not trace.holds(rest, "==", 0, "bytes of the last axis of a view"):
                raise ValueError(
                    "When changing to a larger dtype, its size must be a divisor of the total size in bytes "
                    "of the last axis of the array."
                )
    return TracedArray(trace, view.through(Bits(target, value.element)))


def part_of(value: Any, name: Literal["real", "imag"]) -> Any:
    """The real or imaginary parts: a view of a complex array; of real numbers themselves, or zeros."""
    if not value.element.is_complex:
        if name == "real":
            return value
        nothing = value.trace.call(np.zeros_like, value)
        return nothing[()] if type(value) is TracedScalar else nothing
    if type(value) is TracedScalar:
        return TracedScalar(value.trace, value.expr.apply(name).value)
    return TracedArray(value.trace, value.view.through(Part(name)))


@_method("bit_count")
def _bit_count(value: Any) -> Any:
    _check_scalar(value, "bit_count", "iu")
    trace = value.trace
    return number(trace, cast(elements(trace, trace.call(np.bitwise_count, value)), I64), int)


@_method("is_integer")
def _is_integer(value: Any) -> Any:
    _check_scalar(value, "is_integer", "iuf")
    if value.dtype.kind in "iu":
        return True
    trace = value.trace
    is_whole = (trace.call(np.floor, value) == value) & trace.call(np.isfinite, value)
    return number(trace, is_whole.expr, bool)


def _check_scalar(value: Any, name: str, kinds: str) -> None:
    """Raise AttributeError for what has no such method: arrays, and scalars of other kinds."""
    if type(value) is not TracedScalar or value.dtype.kind not in kinds:
        kind = f"numpy.{value.dtype}" if type(value) is TracedScalar else "numpy.ndarray"
        raise AttributeError(f"'{kind}' object has no attribute '{name}'")


@_method("item")
def _item(value: Any, *index: Any) -> Any:
    trace = value.trace
    if index:
        place = index[0] if isinstance(index[0], tuple) else index
        return _item(value[place] if len(place) == value.ndim else value.ravel()[place])
    if value.element == U64:
        raise trace.refuse("item() of a uint64 may not fit 64 signed bits", "index it with [()]", "E052")
    expr = elements(trace, value)
    if not trace.holds(product(shape_of(expr)), "==", 1, "size of an array that becomes a number"):
        raise ValueError("can only convert an array of size 1 to a Python scalar")
    expr = trace.builder.reshape(expr, ())
    kinds = {"b": bool, "f": float, "c": complex}
    kind = kinds.get(value.element.kind, int)
    return number(trace, cast(expr, IR_TYPES[kind]), kind)


@_method("tolist")
def _tolist(value: Any) -> Any:
    if type(value) is not TracedArray or not value.view.shape:
        return METHODS["item"](value)
    if value.element == U64:
        raise value.trace.refuse(
            "tolist() of uint64, which may not fit an int64", "convert it before", "E052"
        )
    kind = {"b": bool, "f": float, "c": complex}.get(value.element.kind, int)
    slot: Slot = NumberSlot(kind)
    for size in reversed(value.view.shape[1:]):
        slot = Row(slot, size)
    return listed_array(value.trace, new_array(value.trace, cast(value.expr, IR_TYPES[kind])), slot)


@_method("__array_namespace__")
def _namespace(value: Any, api_version: Any = None) -> Any:
    return np


def _variable(value: Any, name: str) -> Any:
    """The Variable whose memory a traced array is; raises AttributeError for others, as arrays do."""
    found = value.view.storage.variable if type(value) is TracedArray and value.view.base is None else None
    if found is None and type(value) is TracedArray and value.view.base is None:
        possible = value.view.storage.possible()[1:]
        if any(one.variable is not None for one in possible):
            value.trace.choose_names(*possible, value.view.storage)
            text = f"`{name}` of a variable that may be one of several"
            raise value.trace.refuse(text, "write `v[...] = x`, and read `v[...]`", "E064")
    if found is None:
        raise AttributeError(f"'numpy.ndarray' object has no attribute '{name}'")
    return found


@_method("assign")
def _assign(value: TracedArray, new: Any) -> None:
    """`v.assign(new)`: the same shape, and a dtype that the variable holds exactly."""
    variable = _variable(value, "assign")
    one = operand(value.trace, new)
    try:
        if len(one.shape) != len(value.view.shape) or not all(
            value.trace.holds(a, "==", b, "assign") for a, b in zip(one.shape, value.view.shape, strict=True)
        ):
            check_shape(variable.name, value.view.shape, one.shape)
        if not isinstance(one.kind, type) and not np.can_cast(one.dtype, value.dtype, "safe"):
            raise assigned_dtype(variable.name, value.dtype, one.dtype)
    except UserError as error:
        error.location = value.trace.location()
        raise
    value.write(one.expr(value.trace, value.element))


@_method("numpy")
def _numpy(value: TracedArray) -> Any:
    _variable(value, "numpy")
    return new_array(value.trace, value.expr)


def _property(name: str, fn: Callable[[Any], Any]) -> None:
    PROPERTIES[name] = fn


_property("T", lambda x: x if type(x) is TracedScalar else x.trace.call(np.transpose, x))
_property("mT", lambda x: x.trace.call(np.matrix_transpose, x))
_property("size", lambda x: size_number(x.trace, product(x.view.shape)) if type(x) is TracedArray else 1)
_property("itemsize", lambda x: x.dtype.itemsize)
_property(
    "flat",
    lambda x: TracedArray(
        x.trace, x.view.through(Flat((product(x.view.shape),), (1 if x.view.is_dense else None,)))
    ),
)
_property("nbytes", lambda x: PROPERTIES["size"](x) * x.dtype.itemsize)
_property("real", lambda x: part_of(x, "real"))
_property("imag", lambda x: part_of(x, "imag"))
_property("device", lambda _: "cpu")
_property("value", _numpy)
_property("name", lambda x: _variable(x, "name").name)
_property("trainable", lambda x: _variable(x, "trainable").trainable)
