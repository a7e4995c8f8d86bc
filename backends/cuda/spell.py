"""How every operation of the loop level is written in CUDA C: one entry per operation.

Float arithmetic is written as it stands and compiled without contraction; a fused multiply-add is asked for
by name. Not here: the loop over blocks, which is the kernel itself (`emit.py`).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from weft.backends.cuda.writer import INTEGER, Speller, Writer, literal, memory_text, scalar_text, type_text
from weft.ir import BufferType, DType, InternalError, Op, UnsupportedError, Value, VectorType

FULL_MASK = "0xffffffffu"
GROUP = 32


def _lane(value: Value) -> DType:
    ty = value.type
    if not isinstance(ty, VectorType):
        raise InternalError(f"expected a number, got {ty}")
    return ty.dtype


def _buffer(value: Value) -> BufferType:
    ty = value.type
    if not isinstance(ty, BufferType):
        raise InternalError(f"expected a buffer, got {ty}")
    return ty


# ---------------------------------------------------------------- arithmetic


def _operator(sign: str) -> Speller:
    return lambda writer, op: writer.set(
        op, f"{writer.use(op.operands[0])} {sign} {writer.use(op.operands[1])}"
    )


def _call(integers: str, floats: Mapping[int, str] | str = "") -> Speller:
    """A function by kind of dtype; for floats by width, or an operator."""

    def spell(writer: Writer, op: Op) -> None:
        dtype = _lane(op.operands[0])
        texts = [writer.use(v) for v in op.operands]
        if not dtype.is_float:
            writer.set(op, f"{integers}({', '.join(texts)})")
        elif isinstance(floats, str):
            writer.set(op, f" {floats} ".join(texts) if len(texts) > 1 else f"{floats}{texts[0]}")
        else:
            writer.set(op, f"{floats[dtype.bits]}({', '.join(texts)})")

    return spell


def _float(single: str, double: str) -> Speller:
    return _call("", {32: single, 64: double})


def _invert(writer: Writer, op: Op) -> None:
    sign = "!" if _lane(op.operands[0]).name == "bool" else "~"
    writer.set(op, f"{sign}{writer.use(op.operands[0])}")


def _select(writer: Writer, op: Op) -> None:
    mask, a, b = (writer.use(v) for v in op.operands)
    writer.set(op, f"{mask} ? {a} : {b}")


def _cast(writer: Writer, op: Op) -> None:
    """A float that becomes an integer is in range already."""
    source, target, text = _lane(op.operands[0]), _lane(op.result), writer.use(op.operands[0])
    if source == target:
        writer.names[op.result] = text
    elif target.name == "bool":
        writer.set(op, f"{text} != {literal(0, source)}")
    else:
        writer.set(op, f"({scalar_text(target)}){text}")


def _bitcast(writer: Writer, op: Op) -> None:
    source, target, text = _lane(op.operands[0]), _lane(op.result), writer.use(op.operands[0])
    if source == target:
        writer.names[op.result] = text
    elif target.is_float:
        writer.set(op, f"{'as_float' if target.bits == 32 else 'as_double'}({text})")
    else:
        writer.set(op, f"({scalar_text(target)}){f'as_integer({text})' if source.is_float else text}")


def _constant(writer: Writer, op: Op) -> None:
    """No line: the text of a constant stands where it is used."""
    number = np.asarray(op.attributes["value"]).reshape(-1)[0].item()
    ty = op.result.type
    writer.names[op.result] = literal(number, ty.dtype) if isinstance(ty, VectorType) else f"{int(number)}ll"


def _lookup(writer: Writer, op: Op) -> None:
    dtype, numbers = _lane(op.result), op.attributes["table"]
    assert isinstance(numbers, tuple)
    name = writer.table(scalar_text(dtype), [literal(n, dtype) for n in numbers])
    writer.set(op, f"{name}[{writer.use(op.operands[0])}]")


def _same(writer: Writer, op: Op) -> None:
    """With one lane these give their operand."""
    type_text(op.result.type)
    writer.names[op.result] = writer.use(op.operands[0])


def _lane_index(writer: Writer, op: Op) -> None:
    type_text(op.result.type)
    writer.names[op.result] = "0ll"


def _shuffle(writer: Writer, op: Op) -> None:
    order = op.attributes["order"]
    type_text(op.result.type)
    assert isinstance(order, tuple)
    assert isinstance(order[0], int)
    writer.names[op.result] = writer.use(op.operands[order[0]])


def _dim(writer: Writer, op: Op) -> None:
    writer.set(op, writer.dim(op.attributes["dim"]))  # pyright: ignore[reportArgumentType] -- a size


# ---------------------------------------------------------------- memory


def _place(writer: Writer, buffer: Value, offset: str) -> str:
    """An element; offsets are bytes in a strided buffer."""
    ty = _buffer(buffer)
    if ty.strided:
        return f"*({memory_text(ty.dtype)} *)((char *){writer.use(buffer)} + {offset})"
    return f"{writer.use(buffer)}[{offset}]"


def _load(writer: Writer, op: Op) -> None:
    buffer = op.operands[0]
    dtype, text = _lane(op.result), _place(writer, buffer, writer.use(op.operands[1]))
    if dtype.name == "bool":
        text = f"{text} != 0"
    if len(op.operands) > 2:
        text = f"{writer.use(op.operands[2])} ? {text} : {literal(0, dtype)}"
    writer.set(op, text)


def _store(writer: Writer, op: Op) -> None:
    value, buffer, offset, *mask = op.operands
    guard = f"if ({writer.use(mask[0])}) " if mask else ""
    type_text(value.type)
    writer.line(f"{guard}{_place(writer, buffer, writer.use(offset))} = {writer.use(value)};")


def _view(writer: Writer, op: Op) -> None:
    buffer, *offset = op.operands
    start = f" + {writer.use(offset[0])}" if offset else ""
    name, ty = writer.fresh(), type_text(op.result.type)
    writer.line(f"{ty}{name} = ({ty})({writer.use(buffer)}{start});")
    writer.names[op.result] = name


def _alloc(writer: Writer, op: Op) -> None:
    ty, name = _buffer(op.result), writer.fresh()
    text = memory_text(ty.dtype)
    offset = op.attributes.get("arena_offset")
    if offset is not None:
        writer.uses_arena = True
        writer.line(f"{text} *{name} = ({text} *)(arena + {writer.dim(offset)});")  # pyright: ignore[reportArgumentType] -- a size
    elif not isinstance(ty.size, int):
        raise UnsupportedError(f"a kernel allocates {ty}, whose size is not known", code="E051")
    else:
        is_shared = ty.space == "shared"
        if is_shared and writer.in_threads:
            raise InternalError("shared memory is allocated by one thread")
        writer.shared_bytes += ty.size * ty.dtype.size_bytes if is_shared else 0
        writer.line(f"{'__shared__ ' if is_shared else ''}{text} {name}[{max(ty.size, 1)}];")
    writer.names[op.result] = name


# ---------------------------------------------------------------- threads


def _barrier(writer: Writer, _op: Op) -> None:
    writer.line("__syncthreads();")


def _check_group(op: Op) -> None:
    if op.attributes.get("group") != GROUP:
        raise UnsupportedError(
            f"{op.name} in a group of {op.attributes.get('group')}, a warp has {GROUP} threads", code="E051"
        )


def _exchange_down(writer: Writer, op: Op) -> None:
    _check_group(op)
    writer.set(
        op, f"__shfl_down_sync({FULL_MASK}, {writer.use(op.operands[0])}, {op.attributes['distance']})"
    )


def _exchange_from(writer: Writer, op: Op) -> None:
    _check_group(op)
    writer.set(op, f"__shfl_sync({FULL_MASK}, {writer.use(op.operands[0])}, {op.attributes['thread']})")


# ---------------------------------------------------------------- structure


def _carry(writer: Writer, values: Sequence[Value], texts: Sequence[str]) -> list[str]:
    """Variables that a loop changes."""
    names: list[str] = []
    for value, text in zip(values, texts, strict=True):
        names.append(writer.fresh())
        writer.line(f"{_spaced(type_text(value.type))}{names[-1]} = {text};")
    return names


def _spaced(ty: str) -> str:
    return ty if ty.endswith("*") else f"{ty} "


def _assign(writer: Writer, values: Sequence[Value], names: Sequence[str], texts: Sequence[str]) -> None:
    """All at once: none reads what another just got."""
    moved = [(v, n, t) for v, n, t in zip(values, names, texts, strict=True) if n != t]
    if any(t in names for _, _, t in moved):
        moved = [(v, n, writer.let(type_text(v.type), t)) for v, n, t in moved]
    for _, name, text in moved:
        writer.line(f"{name} = {text};")


def _bind(writer: Writer, values: Sequence[Value], names: Sequence[str]) -> None:
    writer.names.update(zip(values, names, strict=True))


def _for(writer: Writer, op: Op) -> None:
    kind = op.attributes.get("kind", "serial")
    if kind == "thread":
        _threads(writer, op)
        return
    if kind in ("grid", "parallel"):
        raise UnsupportedError(f"a loop of kind {kind!r} inside of a kernel", code="E051")
    (region,) = op.regions
    lower, upper, step, *first = (writer.use(v) for v in op.operands)
    names, index = _carry(writer, op.results, first), writer.fresh()
    if step.startswith("-"):
        test = f"{index} > {upper}"
    elif step[0].isdigit():
        test = f"{index} < {upper}"
    else:
        test = f"{step} > 0 ? {index} < {upper} : {index} > {upper}"
    if kind == "unrolled":
        writer.line("#pragma unroll")
    with writer.block(f"for ({INTEGER} {index} = {lower}; {test}; {index} += {step})"):
        _bind(writer, region.params, [index, *names])
        _assign(writer, op.results, names, writer.region(region))
    _bind(writer, op.results, names)


def _threads(writer: Writer, op: Op) -> None:
    """Not a loop: every thread is one iteration."""
    lower, upper, step = (writer.use(v) for v in op.operands[:3])
    count = int(upper.removesuffix("ll"))
    if (
        (lower, step) != ("0ll", "1ll")
        or len(op.operands) > 3
        or writer.thread_count not in (0, count)
        or writer.in_threads
    ):
        raise InternalError(
            "a kernel has one loop over its threads, from 0 in steps of 1, that carries nothing"
        )
    writer.thread_count, writer.in_threads = count, True
    with writer.block(""):
        writer.names[op.regions[0].params[0]] = writer.let(INTEGER, "threadIdx.x")
        writer.region(op.regions[0])
    writer.in_threads = False


def _while(writer: Writer, op: Op) -> None:
    condition, body = op.regions
    names = _carry(writer, op.results, [writer.use(v) for v in op.operands])
    with writer.block("while (true)"):
        _bind(writer, condition.params, names)
        _bind(writer, body.params, names)
        (goes_on,) = writer.region(condition)
        writer.line(f"if (!{goes_on}) break;")
        _assign(writer, op.results, names, writer.region(body))
    _bind(writer, op.results, names)


def _if(writer: Writer, op: Op) -> None:
    names = [writer.fresh() for _ in op.results]
    for value, name in zip(op.results, names, strict=True):
        writer.line(f"{_spaced(type_text(value.type))}{name};")
    for head, region in zip((f"if ({writer.use(op.operands[0])})", "else"), op.regions, strict=True):
        if head != "else" or len(region.ops) > 1 or names:
            with writer.block(head):
                for name, text in zip(names, writer.region(region), strict=True):
                    writer.line(f"{name} = {text};")
    _bind(writer, op.results, names)


# fmt: off
SPELLERS: Mapping[str, Speller] = {
    "add": _call("wrap_add", "+"), "subtract": _call("wrap_subtract", "-"),
    "multiply": _call("wrap_multiply", "*"), "divide": _operator("/"), "divide_raw": _call("divide"),
    "negative": _call("wrap_negative", "-"),
    "absolute_raw": _call("wrap_absolute", {32: "fabsf", 64: "fabs"}),
    "sqrt": _float("__fsqrt_rn", "__dsqrt_rn"), "copysign": _float("copysignf", "copysign"),
    "fma": _float("__fmaf_rn", "__fma_rn"), "floor": _float("floorf", "floor"),
    "ceil": _float("ceilf", "ceil"), "trunc": _float("truncf", "trunc"), "rint": _float("rintf", "rint"),
    "equal": _operator("=="), "not_equal": _operator("!="), "less": _operator("<"),
    "less_equal": _operator("<="), "greater": _operator(">"), "greater_equal": _operator(">="),
    "logical_not": _invert, "invert": _invert, "bitwise_and": _operator("&"),
    "bitwise_or": _operator("|"), "bitwise_xor": _operator("^"), "shift_left_raw": _call("shift_left"),
    "shift_right_raw": _call("shift_right"), "select": _select, "cast": _cast, "bitcast": _bitcast,
    "bitcast_signed": _bitcast, "bitcast_unsigned": _bitcast, "bitcast_float": _bitcast,
    "constant": _constant, "lookup": _lookup, "splat": _same, "lane_index": _lane_index,
    "shuffle": _shuffle, "any_lane": _same, "dim": _dim, "from_index": _same, "load": _load,
    "store": _store, "gather_lanes": _load, "scatter_lanes": _store, "view": _view, "alloc": _alloc,
    "barrier": _barrier, "exchange_down": _exchange_down, "exchange_from": _exchange_from, "for": _for,
    "while": _while, "if": _if,
}
# fmt: on
