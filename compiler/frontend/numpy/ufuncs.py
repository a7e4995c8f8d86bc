"""Ufuncs: a table from the ufunc to a composition on operands of its loop's dtypes, and how any is applied.

Not here: reductions (`reductions.py`), `matmul` and its kin (`products.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from weft.compiler.frontend.number import NUMBERS, TracedNumber, plain_product
from weft.compiler.frontend.numpy.broadcasting import broadcast_to, common_shape, fit
from weft.compiler.frontend.numpy.creation import known_elements
from weft.compiler.frontend.numpy.table import enter, implements
from weft.compiler.frontend.promote import element_type, loop_of, loop_signature
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import (
    Operand,
    TracedArray,
    TracedScalar,
    as_array,
    elements,
    operand,
    shape_of,
    wrap,
)
from weft.ir.dims import product as number_of
from weft.ir.errors import ShapeError
from weft.ir.expr import Expr, cast, constant, imag, real, select
from weft.ir.types import BOOL, I64, U8, U16, U32, U64, DType

Rule = Callable[..., Expr | tuple[Expr, ...]]


def _op(name: str) -> Rule:
    return lambda x, *others: x.apply(name, *others)


def truth(x: Expr) -> Expr:
    """x != 0."""
    return x if x.dtype == BOOL else x.ne(0)


def _on_bools(name: str, other: str) -> Rule:
    """`name`, which on truth values is the bit operation `other`."""
    return lambda x, y: x.apply(other if x.dtype == BOOL else name, y)


def _rounded(name: str) -> Rule:
    """Rounding; integers stay."""
    return lambda x: x.apply(name) if x.dtype.is_float else x


def _rint(x: Expr) -> Expr:
    if x.dtype.is_complex:
        return real(x).apply("rint").apply("complex", imag(x).apply("rint"))
    return x.apply("rint")


def _test(name: str, *, of_integers: bool) -> Rule:
    """A test of floats; of integers the answer is known."""
    return lambda x: x.apply(name) if x.dtype.kind in "fc" else constant(x, of_integers, BOOL)


def _absolute(x: Expr) -> Expr:
    if x.dtype.is_complex:
        return real(x).apply("hypot", imag(x))
    return x if x.dtype == BOOL else x.apply("absolute")


def _reciprocal(x: Expr) -> Expr:
    if x.dtype.kind in "fc":
        return x.apply("reciprocal")
    return constant(x, 1).apply("floor_divide", x) if x.dtype.kind == "u" else _truncated_reciprocal(x)


def _truncated_reciprocal(x: Expr) -> Expr:
    """1 / x toward zero: x itself for 1 and -1, else 0 (D15: also for 0)."""
    with np.errstate(all="ignore"):
        of_zero = np.reciprocal(np.zeros(1, x.dtype.numpy)).item()
    return select(x.eq(1) | x.eq(-1), x, select(x.eq(0), constant(x, of_zero), constant(x, 0)))


def _heaviside(x: Expr, y: Expr) -> Expr:
    positive = select(x.gt(0.0), constant(x, 1.0), constant(x, 0.0))
    return select(x.ne(x), x, select(x.eq(0.0), y, positive))


def _modf(x: Expr) -> tuple[Expr, Expr]:
    whole = x.apply("trunc")
    rest = select(x.apply("isinf"), constant(x, 0.0), x - whole)
    return rest.apply("copysign", x), whole


def _divmod(x: Expr, y: Expr) -> tuple[Expr, Expr]:
    return x.apply("floor_divide", y), x.apply("remainder", y)


def _lcm(x: Expr, y: Expr) -> Expr:
    divisor = x.apply("gcd", y)
    product = x.apply("floor_divide", divisor) * y  # 0 // 0 is 0
    return product if x.dtype.kind == "u" else product.apply("absolute")


def _bitwise_count(x: Expr) -> Expr:
    """Bits of the magnitude that are 1: of pairs, of fours, of bytes, and of these together."""
    if x.dtype == BOOL:
        return cast(x, U8)
    if x.dtype.kind == "i":
        x = x.apply("absolute")
    count = 8 * x.dtype.size_bytes
    x = cast(x, {8: U8, 16: U16, 32: U32, 64: U64}[count])

    def moved(places: int) -> Expr:
        return x.apply("right_shift", x.like(places))

    def mask(bits: int) -> Expr:
        return x.like(int.from_bytes(bytes([bits]) * (count // 8), "little"))

    x = x - (moved(1) & mask(0x55))
    x = (x & mask(0x33)) + (moved(2) & mask(0x33))
    x = (x + moved(4)) & mask(0x0F)
    for places in (8, 16, 32):
        x = x + moved(places) if places < count else x
    return cast(x & x.like(0x7F), U8)


def _compare(name: str) -> Rule:
    """A comparison; of i64 with u64 it is exact, as in NumPy 2."""
    mirrored = {
        "less": "greater",
        "less_equal": "greater_equal",
        "greater": "less",
        "greater_equal": "less_equal",
    }

    def rule(x: Expr, y: Expr) -> Expr:
        if x.dtype == y.dtype:
            return x.apply(name, y)
        if x.dtype.kind == "u":
            return _signed_first(mirrored.get(name, name), y, x)
        return _signed_first(name, x, y)

    return rule


def _signed_first(name: str, x: Expr, y: Expr) -> Expr:
    """x signed, y unsigned: below 0 the answer is known."""
    known = constant(x, name in ("less", "less_equal", "not_equal"), BOOL)
    return select(x.lt(0), known, cast(x, y.dtype).apply(name, y))


def _times(factor: float) -> Rule:
    return lambda x: x * factor


_SAME = (
    "add",
    "subtract",
    "negative",
    "floor_divide",
    "remainder",
    "fmod",
    "minimum",
    "maximum",
    "fmin",
    "fmax",
    "sign",
    "sqrt",
    "signbit",
    "copysign",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sin",
    "cos",
    "tan",
    "tanh",
    "sinh",
    "cosh",
    "arcsin",
    "arccos",
    "arctan",
    "arcsinh",
    "arccosh",
    "arctanh",
    "cbrt",
    "arctan2",
    "power",
    "hypot",
    "logaddexp",
    "logaddexp2",
    "nextafter",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "left_shift",
    "right_shift",
    "gcd",
    "invert",
)

RULES: dict[np.ufunc, Rule] = {
    **{getattr(np, name): _op(name) for name in _SAME if name != "add"},
    **{getattr(np, name): _compare(name)
       for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")},
    np.add: _on_bools("add", "bitwise_or"),
    np.multiply: _on_bools("multiply", "bitwise_and"),
    np.true_divide: _op("divide"),
    np.square: lambda x: x & x if x.dtype == BOOL else x.apply("square"),
    np.positive: lambda x: x,
    np.conjugate: lambda x: x.apply("conjugate") if x.dtype.is_complex else x,
    np.absolute: _absolute,
    np.fabs: _op("absolute"),
    np.reciprocal: _reciprocal,
    np.rint: _rint,
    np.floor: _rounded("floor"),
    np.ceil: _rounded("ceil"),
    np.trunc: _rounded("trunc"),
    np.isnan: _test("isnan", of_integers=False),
    np.isinf: _test("isinf", of_integers=False),
    np.isfinite: _test("isfinite", of_integers=True),
    np.logical_and: lambda x, y: truth(x) & truth(y),
    np.logical_or: lambda x, y: truth(x) | truth(y),
    np.logical_xor: lambda x, y: truth(x) ^ truth(y),
    np.logical_not: lambda x: truth(x).apply("logical_not"),
    np.float_power: _op("power"),
    np.heaviside: _heaviside,
    np.modf: _modf,
    np.divmod: _divmod,
    np.lcm: _lcm,
    np.bitwise_count: _bitwise_count,
    np.degrees: _times(180.0 / math.pi),
    np.rad2deg: _times(180.0 / math.pi),
    np.radians: _times(math.pi / 180.0),
    np.deg2rad: _times(math.pi / 180.0),
}  # fmt: skip


_COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")


def apply(
    trace: Trace,
    ufunc: np.ufunc,
    *inputs: Any,
    out: Any = None,
    where: Any = True,
    dtype: Any = None,
    casting: str = "same_kind",
    signature: Any = None,
) -> Any:
    """Call a ufunc on any operands; `out` may also follow the inputs."""
    if out is Ellipsis:
        found = apply(trace, ufunc, *inputs, where=where, dtype=dtype, casting=casting, signature=signature)
        return tuple(map(partial(as_array, trace), found)) if ufunc.nout > 1 else as_array(trace, found)
    inputs, outputs = _outputs(ufunc, inputs, out)
    operands = [operand(trace, x) for x in inputs]
    loop = loop_of(
        ufunc,
        [o.kind for o in operands],
        [None if o is None else o.dtype for o in outputs],
        signature=loop_signature(ufunc, dtype, signature),
        casting=casting,
        location=trace.location(),
    )
    types = [element_type(d, trace.location()) for d in loop]
    shape = common_shape(trace, [o.shape for o in operands])
    mask = None if where is True else operand(trace, where)
    if mask is not None:
        shape = common_shape(trace, [shape, mask.shape])
    known = _beyond(ufunc, operands)
    if known is not None:
        return wrap(trace, trace.builder.broadcast(trace.constant(known, BOOL), shape))
    types = _compared_as(ufunc, operands, types)
    has_array = any(type(x) not in (TracedScalar, TracedNumber, *NUMBERS) for x in inputs)
    values = _loop_values(trace, ufunc, operands, types, shape, has_array=has_array)
    results = [
        _finish(trace, broadcast_to(trace, value, shape), ty, target, mask)
        for value, ty, target in zip(values, types[ufunc.nin :], outputs, strict=True)
    ]
    return results[0] if ufunc.nout == 1 else tuple(results)


def _outputs(
    ufunc: np.ufunc, inputs: tuple[Any, ...], out: Any
) -> tuple[tuple[Any, ...], tuple[TracedArray | None, ...]]:
    if inputs[ufunc.nin :] and out is not None:
        raise TypeError("cannot specify 'out' as both a positional and keyword argument")
    if ufunc.nout > 1 and not isinstance(out, tuple | None):
        raise TypeError("'out' must be a tuple of arrays")
    if isinstance(out, tuple) and len(out) != ufunc.nout:
        raise ValueError("The 'out' tuple must have exactly one entry per ufunc output")
    given = inputs[ufunc.nin :] or (out if isinstance(out, tuple) else (out,))
    if len(inputs) < ufunc.nin or len(given) > ufunc.nout:
        raise TypeError(f"{ufunc.__name__}() takes {ufunc.nin} inputs and {ufunc.nout} outputs")
    given = (*given, *(None,) * (ufunc.nout - len(given)))
    for one in given:
        if one is not None and type(one) is not TracedArray:
            raise TypeError("return arrays must be of ArrayType")
    return inputs[: ufunc.nin], given


def _loop_values(
    trace: Trace, ufunc: np.ufunc, operands: list[Operand], types: list[DType], shape: Any, *, has_array: bool
) -> tuple[Expr, ...]:
    if ufunc is np.power and types[0].kind == "i":
        _check_power(trace, operands, types, shape)
    values = [
        broadcast_to(trace, one.expr(trace, ty), shape) for one, ty in zip(operands, types, strict=False)
    ]
    rule = RULES[ufunc]
    if ufunc in (np.multiply, np.square) and not has_array and types[0].is_complex:
        rule = _product_of_scalars
    result = rule(*values)
    return result if isinstance(result, tuple) else (result,)


def _product_of_scalars(x: Expr, *other: Expr) -> Expr:
    """Complex arrays are multiplied by fused multiply-adds, NumPy's scalars are not."""
    return plain_product(x, *other or (x,))


def _check_power(trace: Trace, operands: list[Operand], types: list[DType], shape: Any) -> None:
    """Integers to negative powers are an error, if there are elements."""
    exponent = operands[1].constant
    size = operands[1].dim
    if size is not None and not trace.changes(size):
        exponent = 0 if trace.holds(size, ">=", 0, "sign of an exponent") else -1
    what = ValueError("Integers to negative integer powers are not allowed.")
    if isinstance(exponent, int | float):
        if exponent < 0 and not trace.holds(number_of(shape), "==", 0, "elements of a power"):
            raise what
    elif types[1].kind == "i" and not trace.holds(number_of(shape), "==", 0, "elements of a power"):
        given = operands[1].expr(trace, types[1])
        fits = wrap(trace, given.apply("greater_equal", constant(given, 0)))
        trace.fail_unless(elements(trace, trace.call(np.all, fits)), what)


def _beyond(ufunc: np.ufunc, operands: list[Operand]) -> bool | None:
    """The answer of a comparison with a Python int that the other side's dtype cannot hold.

    None otherwise.
    """
    for number, (one, other) in enumerate(zip(operands, reversed(operands), strict=True)):
        if (
            len(operands) != 2
            or one.kind is not int
            or not isinstance(one.constant, int)
            or isinstance(other.kind, type)
        ):
            continue
        if other.dtype.kind not in "iu" or ufunc.__name__ not in _COMPARISONS:
            continue
        info = np.iinfo(other.dtype)
        if not info.min <= one.constant <= info.max:
            known = ufunc(*((one.constant, 0) if number == 0 else (0, one.constant)))
            return bool(known)
    return None


def _compared_as(ufunc: np.ufunc, operands: list[Operand], types: list[DType]) -> list[DType]:
    """Types in which operands are compared: a Python int that only a run knows needs all 64 bits."""
    is_dynamic = [one.kind is int and one.constant is None for one in operands]
    integers = all(ty.is_integer for ty in types[: ufunc.nin])
    if ufunc.__name__ not in _COMPARISONS or not any(is_dynamic) or not integers:
        return types
    pairs = zip(types, is_dynamic, strict=False)
    inputs = [U64 if ty == U64 and not dynamic else I64 for ty, dynamic in pairs]
    return [*inputs, types[-1]]


def _finish(trace: Trace, value: Expr, ty: DType, target: TracedArray | None, mask: Operand | None) -> Any:
    """Store a result in `target`, only where the mask holds, or give it as a new value."""
    if target is None:
        if mask is not None:
            value = select(
                broadcast_to(trace, mask.expr(trace, BOOL), shape_of(value)), value, constant(value, 0)
            )
        return wrap(trace, value)
    shape = target.view.shape
    if len(shape_of(value)) > len(shape):
        raise ShapeError("the output has fewer axes than the result", code="E012", location=trace.location())
    value = fit(trace, cast(value, target.element), shape, "a result")
    if mask is not None:
        value = select(fit(trace, mask.expr(trace, BOOL), shape, "a mask"), value, target.expr)
    target.write(value)
    return target


def _register(ufunc: np.ufunc) -> None:
    def composition(trace: Trace, *inputs: Any, out: Any = None, where: Any = True, dtype: Any = None,
                    casting: str = "same_kind", order: str = "K", subok: bool = True,
                    signature: Any = None, sig: Any = None) -> Any:  # fmt: skip
        if sig is not None and signature is not None:
            raise TypeError("cannot specify both 'sig' and 'signature'")
        chosen = sig if signature is None else signature
        return apply(
            trace, ufunc, *inputs, out=out, where=where, dtype=dtype, casting=casting, signature=chosen
        )

    enter(ufunc, composition)


for _ufunc in RULES:
    _register(_ufunc)


@implements(pow)
def power(trace: Trace, base: Any, exponent: Any, out: TracedArray | None = None) -> Any:
    """`base ** exponent`, for which NumPy takes shortcuts at some Python numbers as exponents."""
    shortcut = {2: np.square, 1: np.positive, 0.5: np.sqrt, -1: np.reciprocal}
    one = operand(trace, base)
    number = exponent if type(exponent) in (int, float) else None
    kinds = "fcbiu" if number == 2 and type(number) is int else "fc"  # of a base with a shortcut
    if number in shortcut and one.dtype.kind in kinds:
        return apply(trace, shortcut[number], base, out=out)
    return apply(trace, np.power, base, exponent, out=out)


def outer(ufunc: np.ufunc) -> Callable[..., Any]:
    """`ufunc.outer`: all pairs."""

    def composition(trace: Trace, a: Any, b: Any, dtype: Any = None, out: Any = None) -> Any:
        x, y = (trace.call(np.asarray, v) for v in (a, b))
        return apply(trace, ufunc, x.reshape(*x.shape, *(1,) * y.ndim), y, dtype=dtype, out=out)

    return composition


for _ufunc in RULES:
    if _ufunc.nin == 2 and _ufunc.nout == 1:
        enter(_ufunc.outer, outer(_ufunc))


def _reduced_parts(ufunc: np.ufunc, array: Any, indices: Any, axis: int, dtype: Any) -> Any:
    """`ufunc.reduceat` at indices that the program knows, as a user would write it."""
    value = np.moveaxis(array, axis, 0)
    out = np.empty((len(indices), *value.shape[1:]), ufunc.reduce(value[:1], axis=0, dtype=dtype).dtype)
    for k in range(len(indices)):
        start = indices[k]
        if start < 0 or start >= len(value):
            raise IndexError(f"index out-of-bounds in {ufunc.__name__}.reduceat [0, {len(value)})")
        stop = indices[k + 1] if k + 1 < len(indices) else len(value)
        if stop <= start:
            out[k] = value[start]
        else:
            out[k] = ufunc.reduce(value[start:stop], axis=0, dtype=dtype)
    return np.moveaxis(out, 0, axis)


def _as_places(trace: Trace, indices: Any) -> Any:
    """The indices of `reduceat`: in one row, of integers."""
    if isinstance(indices, list | tuple | range):
        return indices
    array: Any = as_array(trace, indices)
    if array.ndim != 1:
        raise ValueError(f"object {'too deep' if array.ndim else 'of too small depth'} for desired array")
    if not np.can_cast(array.dtype, np.int64, "safe"):
        raise TypeError(
            f"Cannot cast array data from {array.dtype!r} to dtype('int64') according to the rule 'safe'"
        )
    return array if array.dtype == np.int64 else array.astype(np.int64)


_FEW_PARTS = 32


def _reduceat(ufunc: np.ufunc) -> Callable[..., Any]:
    """`ufunc.reduceat` at indices that are known while tracing: a reduction for each."""

    def composition(
        trace: Trace, array: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None
    ) -> Any:
        if not (value := as_array(trace, array)).ndim:
            raise TypeError("cannot reduceat on a scalar")
        indices = _as_places(trace, indices)
        known = known_elements(trace, indices)
        if type(indices) is TracedArray and (known is None or known.size > _FEW_PARTS):
            found = trace.run(_reduced_parts, ufunc, array, indices, axis, dtype)
            return found if out is None else trace.call(np.copyto, out, found) or out
        given = np.asarray([i.__index__() for i in indices] if known is None else known, np.int64)
        value = trace.call(np.moveaxis, value, axis, 0)
        length = trace.pin(value.view.shape[0], "axis of reduceat")
        parts: list[Any] = []
        for k, start in enumerate(given.tolist()):
            if not 0 <= start < length:
                raise IndexError(f"index {start} out-of-bounds in {ufunc.__name__}.reduceat [0, {length})")
            stop = int(given[k + 1]) if k + 1 < len(given) else length
            part = value[start : max(stop, start + 1)]
            reduced = trace.call(ufunc.reduce, part, axis=0, dtype=dtype)
            if ufunc is np.hypot and stop <= start + 1:  # the element itself, its sign too
                reduced = part[0].astype(reduced.dtype)
            parts.append(reduced)
        if not parts:
            parts = [trace.call(ufunc.reduce, value, axis=0, dtype=dtype)]
        result = trace.call(np.stack, parts)[: len(given)]
        result = trace.call(np.moveaxis, result, 0, axis)
        out = out[0] if isinstance(out, tuple) else out
        if out is None:
            return result.copy()
        if out.ndim != result.ndim:
            raise ValueError("operands could not be broadcast together with remapped shapes")
        out[...] = result
        return out

    return composition


for _ufunc in RULES:
    if _ufunc.nin == 2 and _ufunc.nout == 1:
        enter(_ufunc.reduceat, _reduceat(_ufunc))


__all__ = ["RULES", "apply", "power", "truth"]
