"""The pass `widen_half`: arithmetic on float16 becomes float32 arithmetic, rounded after each op (D10).

Loop level to loop level, before math is expanded. What moves elements keeps them, 16 bits each, so
that a backend needs no more than the conversion from and to float32. Not here: bfloat16, nor how the
conversion is spelled (`backends/cpu/half.py`).
"""

from collections.abc import Sequence

from weft.compiler.math.parts import format_of, from_bits, to_bits
from weft.ir import Builder, DType, Expr, Func, Op, Value, VectorType, record
from weft.ir.expr import cast, constant, select
from weft.ir.opdef import Scalar
from weft.ir.rewrite import rewrite
from weft.ir.types import F16, F32, F64
from weft.ir.walk import values_of

_MOVED = frozenset({"constant", "splat", "shuffle", "select", "lookup", "bitcast", "bitcast_signed",
                    "bitcast_unsigned",
                    "bitcast_float", "hold", "stop_gradient", "any_lane"})  # fmt: skip


def widen_half(fn: Func) -> Func:
    """The program with no arithmetic on float16; as it is if it has none."""
    return rewrite(fn, _visit) if any(map(_is_half, values_of(fn))) else fn


def _is_half(value: Value) -> bool:
    return isinstance(value.type, VectorType) and value.type.dtype == F16


def _visit(builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
    if (
        not isinstance(record(op).form, Scalar)
        or op.name in _MOVED
        or not any(map(_is_half, (*operands, *op.results)))
    ):
        return None
    values = [builder.expr(v) for v in operands]
    if op.name == "cast":
        return [_convert(values[0], op.attributes["dtype"], op).value]  # pyright: ignore[reportArgumentType] -- a dtype
    wide = [cast(e, F32) if e.dtype == F16 else e for e in values]
    result = builder.expr(builder.emit(op.name, [e.value for e in wide], op.attributes).result)
    return [(cast(result, F16) if _is_half(op.result) else result).value]


def _convert(value: Expr, dtype: DType, op: Op) -> Expr:
    """A conversion from or to float16, by way of float32."""
    if dtype != F16:
        facts = {**op.attributes, "dtype": dtype}
        wide = cast(value, F32)
        return (
            wide
            if dtype == F32
            else Expr(value.builder, value.builder.emit("cast", [wide.value], facts).result)
        )
    return cast(_to_odd(value) if value.dtype == F64 else cast(value, F32), F16)


def _to_odd(x: Expr) -> Expr:
    """float64 as float32, rounded to odd: to round again is right then. Source: Boldo and Melquiond 2008."""
    form = format_of(x)
    bits, low = to_bits(x), (1 << (form.fraction_bits - 23)) - 1
    sticky = select((bits & low).ne(0), constant(bits, low + 1), constant(bits, 0))
    return cast(from_bits((bits & ((1 << 64) - 1 - low)) | sticky, form), F32)
