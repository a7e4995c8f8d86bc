"""How arithmetic on lanes is written in LLVM: one entry per operation.

Integer arithmetic carries no flag that makes poison, float arithmetic no fast-math flag unless asked for. No
entry becomes a call of a C function on any target. Not here: memory and failure (`access.py`), what targets
without an instruction do instead (`expand.py`).
"""

from collections.abc import Callable, Mapping

import numpy as np

from weft.backends.cpu.expand import expand_fma, expand_rounding
from weft.backends.cpu.half import narrow, widen
from weft.backends.cpu.writer import (
    Speller,
    Writer,
    lanes_text,
    literal,
    scalar_text,
    splat_text,
    suffix,
    type_text,
    vector_text,
)
from weft.ir import DType, InternalError, Op, Value, VectorType
from weft.ir.dims import Dim
from weft.ir.rules import axes_attribute
from weft.ir.types import F16


def vector_type(value: Value) -> VectorType:
    """The type of a value that is lanes."""
    ty = value.type
    if not isinstance(ty, VectorType):
        raise InternalError(f"expected lanes, got {ty}")
    return ty


# ---------------------------------------------------------------- arithmetic


def _binary(integers: str, floats: str = "", unsigned: str = "") -> Speller:
    """One instruction by kind of dtype."""
    words = {"b": integers, "i": integers, "u": unsigned or integers, "f": floats}

    def spell(writer: Writer, op: Op) -> None:
        a, b = op.operands
        kind = vector_type(a).dtype.kind
        word = words[kind] + writer.module.flags if kind == "f" else words[kind]
        writer.set(op, f"{word} {type_text(a.type)} {writer.use(a)}, {writer.use(b)}")

    return spell


def _compare(integers: str, floats: str) -> Speller:
    """`integers` is the relation without its sign letter; equality has none."""

    def spell(writer: Writer, op: Op) -> None:
        a, b = op.operands
        ty = vector_type(a)
        if ty.dtype.is_float:
            word = f"fcmp {floats}"
        else:
            letter = "" if integers in ("eq", "ne") else "s" if ty.dtype.kind == "i" else "u"
            word = f"icmp {letter}{integers}"
        writer.set(op, f"{word} {type_text(ty)} {writer.use(a)}, {writer.use(b)}")

    return spell


def _less(writer: Writer, op: Op) -> None:
    """Lanes below a bound, as in the mask of a rest, are compared in narrow integers."""
    a, b = op.operands
    if a.op is None or b.op is None or (a.op.name, b.op.name) != ("lane_index", "splat"):
        _COMPARE_LESS(writer, op)
        return
    lanes = vector_type(a).lanes
    scalar = "i32" if lanes <= _WIDE_LANES else "i8" if lanes < 1 << 7 else "i64"
    bound = writer.let(f"call i64 @llvm.smax.i64(i64 {writer.use(b.op.operands[0])}, i64 0)")
    bound = writer.let(f"call i64 @llvm.smin.i64(i64 {bound}, i64 {lanes})")
    if scalar != "i64":
        bound = writer.let(f"trunc i64 {bound} to {scalar}")
    index = vector_text([str(i) for i in range(lanes)], scalar) if lanes > 1 else "0"
    writer.set(op, f"icmp ult {lanes_text(scalar, lanes)} {index}, {splat(writer, bound, scalar, lanes)}")


_COMPARE_LESS = _compare("lt", "olt")
_WIDE_LANES = 16


def _negative(writer: Writer, op: Op) -> None:
    (a,) = op.operands
    ty = vector_type(a)
    text = f"fneg {type_text(ty)} " if ty.dtype.is_float else f"sub {type_text(ty)} zeroinitializer, "
    if not ty.dtype.is_float and ty.lanes == 1:
        text = f"sub {type_text(ty)} 0, "
    writer.set(op, text + writer.use(a))


def _invert(writer: Writer, op: Op) -> None:
    (a,) = op.operands
    ty = vector_type(a)
    ones = splat_text(literal(-1, ty.dtype), scalar_text(ty.dtype), ty.lanes)
    writer.set(op, f"xor {type_text(ty)} {writer.use(a)}, {ones}")


def intrinsic(writer: Writer, name: str, ty: VectorType, *operands: str, more: str = "") -> str:
    """The text of a call of an LLVM intrinsic on operands of one type."""
    text = type_text(ty)
    return f"call {text} @llvm.{name}.{suffix(ty)}({', '.join(f'{text} {o}' for o in operands)}{more})"


def _intrinsic(name: str) -> Speller:
    def spell(writer: Writer, op: Op) -> None:
        operands = [writer.use(v) for v in op.operands]
        writer.set(op, intrinsic(writer, name, vector_type(op.operands[0]), *operands))

    return spell


def _rounding(name: str) -> Speller:
    def spell(writer: Writer, op: Op) -> None:
        (a,) = op.operands
        if writer.module.target.has_rounding:
            writer.set(
                op, intrinsic(writer, "roundeven" if name == "rint" else name, vector_type(a), writer.use(a))
            )
        else:
            writer.names[op.result] = expand_rounding(writer, name, vector_type(a), writer.use(a))

    return spell


def _absolute(writer: Writer, op: Op) -> None:
    (a,) = op.operands
    ty = vector_type(a)
    if ty.dtype.is_float:
        writer.set(op, intrinsic(writer, "fabs", ty, writer.use(a)))
    else:
        writer.set(op, intrinsic(writer, "abs", ty, writer.use(a), more=", i1 false"))


def _fma(writer: Writer, op: Op) -> None:
    ty = vector_type(op.operands[0])
    operands = [writer.use(v) for v in op.operands]
    if writer.module.target.has_fma:
        writer.set(op, intrinsic(writer, "fma", ty, *operands))
    else:
        writer.names[op.result] = expand_fma(writer, ty, *operands)


def _select(writer: Writer, op: Op) -> None:
    mask, a, b = op.operands
    writer.set(op, f"select {writer.typed(mask)}, {writer.typed(a)}, {writer.typed(b)}")


# ---------------------------------------------------------------- conversion


def _cast_word(source: DType, target: DType) -> str:
    """The instruction that converts; "" where the bits stay."""
    if target.is_float:
        if source.is_float:
            return "" if source.bits == target.bits else "fpext" if source.bits < target.bits else "fptrunc"
        return "sitofp" if source.kind == "i" else "uitofp"
    if source.is_float:
        return "fptoui" if target.kind == "u" else "fptosi"
    if source.name == "bool":
        return "zext"
    if source.bits == target.bits:
        return ""
    return "trunc" if source.bits > target.bits else "sext" if source.kind == "i" else "zext"


def _cast(writer: Writer, op: Op) -> None:
    """A float that becomes an integer is in range already."""
    (a,) = op.operands
    source, target = vector_type(a), vector_type(op.result)
    if source.dtype == target.dtype:
        writer.names[op.result] = writer.use(a)
    elif F16 in (source.dtype, target.dtype):  # the other is float32
        convert = widen if source.dtype == F16 else narrow
        writer.names[op.result] = convert(writer, source.lanes, writer.use(a))
    elif target.dtype.name == "bool":
        zero = splat_text(literal(0, source.dtype), scalar_text(source.dtype), source.lanes)
        writer.set(op, f"{'fcmp une' if source.dtype.is_float else 'icmp ne'} {writer.typed(a)}, {zero}")
    elif word := _cast_word(source.dtype, target.dtype):
        writer.set(op, f"{word} {writer.typed(a)} to {type_text(target)}")
    else:
        writer.names[op.result] = writer.use(a)


def _bitcast(writer: Writer, op: Op) -> None:
    (a,) = op.operands
    source, target = type_text(a.type), type_text(op.result.type)
    if source == target:
        writer.names[op.result] = writer.use(a)
    else:
        writer.set(op, f"bitcast {source} {writer.use(a)} to {target}")


# ---------------------------------------------------------------- constants and lanes


def _constant(writer: Writer, op: Op) -> None:
    """No instruction: the text of a constant stands where it is used."""
    ty = op.result.type
    if not isinstance(ty, VectorType):  # an index
        number = op.attributes["value"]
        assert isinstance(number, int)
        writer.names[op.result] = str(number)
        return
    value = op.attributes["value"]
    numbers = [value] if isinstance(value, int | float) else _numbers(np.asarray(value))
    scalar, texts = scalar_text(ty.dtype), [literal(n, ty.dtype) for n in numbers]
    if len(texts) == 1:
        writer.names[op.result] = splat_text(texts[0], scalar, ty.lanes)
    elif len(texts) == ty.lanes:
        writer.names[op.result] = vector_text(texts, scalar)
    else:
        raise InternalError(f"a constant {ty} of {len(texts)} numbers")


def _numbers(array: np.ndarray) -> list[int | float]:
    return array.reshape(-1).tolist()


def splat(writer: Writer, text: str, scalar: str, lanes: int) -> str:
    """A scalar in all lanes."""
    if lanes == 1:
        return text
    if not text.startswith("%"):
        return f"splat ({scalar} {text})"
    vector = lanes_text(scalar, lanes)
    first = writer.let(f"insertelement {vector} poison, {scalar} {text}, i64 0")
    return writer.let(f"shufflevector {vector} {first}, {vector} poison, <{lanes} x i32> zeroinitializer")


def _splat(writer: Writer, op: Op) -> None:
    ty = vector_type(op.result)
    writer.names[op.result] = splat(writer, writer.use(op.operands[0]), scalar_text(ty.dtype), ty.lanes)


def _lane_index(writer: Writer, op: Op) -> None:
    lanes = vector_type(op.result).lanes
    writer.names[op.result] = "0" if lanes == 1 else vector_text([str(i) for i in range(lanes)], "i64")


def _as_vector(writer: Writer, value: Value, lanes: int) -> str:
    """A value of any number of lanes widened to `lanes`, the new ones undefined."""
    ty, text = vector_type(value), writer.use(value)
    scalar = scalar_text(ty.dtype)
    if ty.lanes == 1:
        return writer.let(f"insertelement <{lanes} x {scalar}> poison, {scalar} {text}, i64 0")
    if ty.lanes == lanes:
        return text
    order = ", ".join(f"i32 {i}" if i < ty.lanes else "i32 poison" for i in range(lanes))
    return writer.let(
        f"shufflevector {type_text(ty)} {text}, {type_text(ty)} poison, <{lanes} x i32> <{order}>"
    )


def _shuffle(writer: Writer, op: Op) -> None:
    """Operands may differ in lanes; `order` counts through the lanes of the first, then of the second."""
    order = axes_attribute(op.attributes, "order")
    widths = [vector_type(v).lanes for v in op.operands]
    scalar = scalar_text(vector_type(op.operands[0]).dtype)
    if len(order) == 1:
        number = 0 if order[0] < widths[0] else 1
        lane = order[0] - (widths[0] if number else 0)
        value = op.operands[number]
        if widths[number] == 1:
            writer.names[op.result] = writer.use(value)
        else:
            writer.set(op, f"extractelement {writer.typed(value)}, i64 {lane}")
        return
    wide = max(widths)
    texts = [_as_vector(writer, v, wide) for v in op.operands]
    vector = f"<{wide} x {scalar}>"
    lanes = ", ".join(f"i32 {i if i < widths[0] else i - widths[0] + wide}" for i in order)
    second = texts[1] if len(texts) > 1 else "poison"
    writer.set(op, f"shufflevector {vector} {texts[0]}, {vector} {second}, <{len(order)} x i32> <{lanes}>")


def any_lane(writer: Writer, mask: Value) -> str:
    """Whether a lane of a mask is set, as an i1."""
    lanes = vector_type(mask).lanes
    if lanes == 1:
        return writer.use(mask)
    return writer.let(f"call i1 @llvm.vector.reduce.or.v{lanes}i1({writer.typed(mask)})")


def _any_lane(writer: Writer, op: Op) -> None:
    writer.names[op.result] = any_lane(writer, op.operands[0])


# ---------------------------------------------------------------- sizes


def _dim(writer: Writer, op: Op) -> None:
    size = op.attributes["dim"]
    assert isinstance(size, int | Dim)
    writer.names[op.result] = writer.dim(size)


def _same(writer: Writer, op: Op) -> None:
    writer.names[op.result] = writer.use(op.operands[0])


# fmt: off
ARITHMETIC: Mapping[str, Callable[[Writer, Op], None]] = {
    "add": _binary("add", "fadd"), "subtract": _binary("sub", "fsub"), "multiply": _binary("mul", "fmul"),
    "divide": _binary("", "fdiv"), "divide_raw": _binary("sdiv", unsigned="udiv"),
    "negative": _negative, "absolute_raw": _absolute, "copysign": _intrinsic("copysign"),
    "sqrt": _intrinsic("sqrt"), "fma": _fma,
    "floor": _rounding("floor"), "ceil": _rounding("ceil"),
    "trunc": _rounding("trunc"), "rint": _rounding("rint"),
    "equal": _compare("eq", "oeq"), "not_equal": _compare("ne", "une"), "less": _less,
    "less_equal": _compare("le", "ole"),
    "greater": _compare("gt", "ogt"), "greater_equal": _compare("ge", "oge"),
    "logical_not": _invert, "invert": _invert,
    "bitwise_and": _binary("and"), "bitwise_or": _binary("or"), "bitwise_xor": _binary("xor"),
    "shift_left_raw": _binary("shl"), "shift_right_raw": _binary("ashr", unsigned="lshr"),
    "select": _select, "cast": _cast,
    "bitcast": _bitcast, "bitcast_signed": _bitcast, "bitcast_unsigned": _bitcast, "bitcast_float": _bitcast,
    "constant": _constant, "splat": _splat, "lane_index": _lane_index,
    "shuffle": _shuffle, "any_lane": _any_lane,
    "dim": _dim, "from_index": _same,
}
# fmt: on
