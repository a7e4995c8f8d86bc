"""How memory and failure are written in LLVM: load, store, gather, scatter, alloc, view, copy, fail_if.

A bool is a byte in memory (not 0 is true) and one bit in a register. Arguments may lie at any address; arena
and scratch are aligned to their elements. Lanes that a mask leaves out touch no memory. Not here: arithmetic
(`spell.py`), loops (`control.py`).
"""

from collections.abc import Callable, Mapping, Sequence

from weft.backends.cpu.spell import any_lane, splat, vector_type
from weft.backends.cpu.writer import Writer, lanes_text, literal, memory_text, splat_text, suffix, vector_text
from weft.ir import BufferType, DType, InternalError, Op, UnsupportedError, Value, VectorType
from weft.ir.dims import DimLike, Symbol, as_symbol, fold_dim
from weft.ir.types import F64, U8, IndexType, is_static
from weft.runtime.context import Context
from weft.runtime.interface import FAILED

MOST_BYTES = float(1 << 46)
"""No memory has so many."""
SCRATCH_LIMIT_BYTES = 256 * 1024
"""The most that one `alloc` takes from the stack."""
_FACTS = 3


def buffer_type(value: Value) -> BufferType:
    """The type of a value that is memory."""
    ty = value.type
    if not isinstance(ty, BufferType):
        raise InternalError(f"expected a buffer, got {ty}")
    return ty


# ---------------------------------------------------------------- addresses


def _alignment(writer: Writer, buffer: Value) -> int:
    """Bytes that the address of an element is a multiple of."""
    root = writer.root(buffer)
    return buffer_type(buffer).dtype.size_bytes if root.op is not None and root.op.name == "alloc" else 1


def _address(writer: Writer, buffer: Value, offset: str, *, inbounds: bool = True) -> str:
    """The address of one element."""
    ty = buffer_type(buffer)
    if offset == "0":
        return writer.use(buffer)
    unit = "i8" if ty.strided else memory_text(ty.dtype)
    return writer.let(
        f"getelementptr {'inbounds ' if inbounds else ''}{unit}, ptr {writer.use(buffer)}, i64 {offset}"
    )


def _addresses(writer: Writer, buffer: Value, offsets: str, lanes: int) -> str:
    """A vector of addresses from a vector of offsets."""
    ty = buffer_type(buffer)
    unit = "i8" if ty.strided else memory_text(ty.dtype)
    return writer.let(f"getelementptr {unit}, ptr {writer.use(buffer)}, <{lanes} x i64> {offsets}")


def _moved(writer: Writer, offset: str, distance: int) -> str:
    """`offset` + `distance`."""
    if not distance:
        return offset
    if not offset.startswith("%"):
        return str(int(offset) + distance)
    return writer.let(f"add i64 {offset}, {distance}")


def _step(op: Op, buffer: Value) -> int:
    """The distance of two lanes in units of the buffer's offsets."""
    ty, stride = buffer_type(buffer), op.attributes.get("stride", 1)
    assert isinstance(stride, int)
    return stride * ty.dtype.size_bytes if ty.strided else stride


# ---------------------------------------------------------------- bools in memory


def _from_memory(writer: Writer, dtype: DType, lanes: int, text: str) -> str:
    """A loaded value as it is in registers."""
    if dtype.name != "bool":
        return text
    return writer.let(f"icmp ne {lanes_text('i8', lanes)} {text}, {splat_text('0', 'i8', lanes)}")


def _to_memory(writer: Writer, dtype: DType, lanes: int, text: str) -> str:
    """A value as it is stored."""
    if dtype.name != "bool":
        return text
    return writer.let(f"zext {lanes_text('i1', lanes)} {text} to {lanes_text('i8', lanes)}")


def _memory_suffix(dtype: DType, lanes: int) -> str:
    return suffix(VectorType(U8 if dtype.name == "bool" else dtype, lanes))


def _zero(lanes: int, dtype: DType) -> str:
    return "zeroinitializer" if lanes > 1 else "0" if dtype.name == "bool" else literal(0, dtype)


# ---------------------------------------------------------------- loads


def _load(writer: Writer, op: Op) -> None:
    buffer, offset = op.operands[0], writer.use(op.operands[1])
    mask = op.operands[2] if len(op.operands) > 2 else None
    ty = vector_type(op.result)
    step, stride = _step(op, buffer), op.attributes.get("stride", 1)
    if ty.lanes == 1:
        text = _load_one(writer, buffer, offset, mask)
    elif stride == 0 and mask is None:
        text = splat(writer, _load_one(writer, buffer, offset, None), memory_text(ty.dtype), ty.lanes)
    elif stride == 1:
        text = _load_dense(writer, buffer, offset, ty.lanes, mask and writer.use(mask))
    elif stride == -1:
        first = _moved(writer, offset, step * (ty.lanes - 1))
        flipped = mask and _reverse(writer, "i1", ty.lanes, writer.use(mask))
        text = _reverse(
            writer, memory_text(ty.dtype), ty.lanes, _load_dense(writer, buffer, first, ty.lanes, flipped)
        )
    elif mask is None:
        places = [_moved(writer, offset, step * i) for i in range(ty.lanes)]
        text = _collect(writer, ty, [_load_one(writer, buffer, place, None) for place in places])
    else:
        offsets = _spread(writer, offset, step, ty.lanes)
        text = _gather(writer, buffer, offsets, ty.lanes, writer.use(mask))
    writer.names[op.result] = _from_memory(writer, ty.dtype, ty.lanes, text)


def _load_one(writer: Writer, buffer: Value, offset: str, mask: Value | None) -> str:
    """One element; with a mask, 0 where it is not set."""
    ty = memory_text(buffer_type(buffer).dtype)
    align = _alignment(writer, buffer)
    if mask is None:
        place = _address(writer, buffer, offset)
        return writer.let(f"load {ty}, ptr {place}, align {align}{writer.scope(buffer)}")
    before, then, after = writer.label, writer.new_label(), writer.new_label()
    writer.branch(writer.use(mask), then, after)
    writer.start(then)
    text = writer.let(f"load {ty}, ptr {_address(writer, buffer, offset)}, align {align}")
    writer.jump(after)
    writer.start(after)
    return writer.let(f"phi {ty} [ {text}, %{then} ], [ {_zero(1, buffer_type(buffer).dtype)}, %{before} ]")


def _load_dense(writer: Writer, buffer: Value, offset: str, lanes: int, mask: str | None) -> str:
    """Neighbouring elements."""
    dtype, align = buffer_type(buffer).dtype, _alignment(writer, buffer)
    vector = lanes_text(memory_text(dtype), lanes)
    if mask is None:
        place = _address(writer, buffer, offset)
        return writer.let(f"load {vector}, ptr {place}, align {align}{writer.scope(buffer)}")
    name = f"@llvm.masked.load.{_memory_suffix(dtype, lanes)}.p0"
    writer.module.declarations.add(f"declare {vector} {name}(ptr, i32, <{lanes} x i1>, {vector})")
    place = _address(writer, buffer, offset, inbounds=False)
    return writer.let(
        f"call {vector} {name}(ptr {place}, i32 {align}, <{lanes} x i1> {mask}, {vector} zeroinitializer)"
    )


def _prefetch(writer: Writer, op: Op) -> None:
    """Into all caches; the address may lie outside of the buffer."""
    buffer, offset = op.operands
    writer.module.declarations.add("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
    place = _address(writer, buffer, writer.use(offset), inbounds=False)
    writer.line(f"call void @llvm.prefetch.p0(ptr {place}, i32 0, i32 3, i32 1)")


def _reverse(writer: Writer, scalar: str, lanes: int, text: str) -> str:
    vector = f"<{lanes} x {scalar}>"
    order = ", ".join(f"i32 {i}" for i in reversed(range(lanes)))
    return writer.let(f"shufflevector {vector} {text}, {vector} poison, <{lanes} x i32> <{order}>")


def _collect(writer: Writer, ty: VectorType, texts: Sequence[str]) -> str:
    """A vector of scalars that are in memory's type."""
    scalar = memory_text(ty.dtype)
    vector, text = f"<{ty.lanes} x {scalar}>", "poison"
    for i, one in enumerate(texts):
        text = writer.let(f"insertelement {vector} {text}, {scalar} {one}, i64 {i}")
    return text


def _spread(writer: Writer, offset: str, step: int, lanes: int) -> str:
    """Offsets of lanes that are `step` apart."""
    distances = vector_text([str(step * i) for i in range(lanes)], "i64")
    return writer.let(f"add <{lanes} x i64> {splat(writer, offset, 'i64', lanes)}, {distances}")


def _gather(writer: Writer, buffer: Value, offsets: str, lanes: int, mask: str) -> str:
    dtype, align = buffer_type(buffer).dtype, _alignment(writer, buffer)
    return gather(writer, _addresses(writer, buffer, offsets, lanes), dtype, lanes, mask, align)


def gather(writer: Writer, addresses: str, dtype: DType, lanes: int, mask: str, align: int) -> str:
    """Elements at a vector of addresses; LLVM knows whether an instruction or single loads are faster."""
    vector = f"<{lanes} x {memory_text(dtype)}>"
    name = f"@llvm.masked.gather.{_memory_suffix(dtype, lanes)}.v{lanes}p0"
    writer.module.declarations.add(f"declare {vector} {name}(<{lanes} x ptr>, i32, <{lanes} x i1>, {vector})")
    operands = f"<{lanes} x ptr> {addresses}, i32 {align}, <{lanes} x i1> {mask}, {vector} zeroinitializer"
    return writer.let(f"call {vector} {name}({operands})")


def _gather_lanes(writer: Writer, op: Op) -> None:
    buffer, offsets = op.operands[:2]
    mask = op.operands[2] if len(op.operands) > 2 else None
    ty = vector_type(op.result)
    even = None if mask is not None else _even_distance(offsets)
    if ty.lanes == 1:
        text = _load_one(writer, buffer, writer.use(offsets), mask)
    elif even is not None:
        text = _load_apart(writer, buffer, ty, writer.use(even[0]), writer.use(even[1]))
    else:
        condition = "splat (i1 true)" if mask is None else writer.use(mask)
        text = _gather(writer, buffer, writer.use(offsets), ty.lanes, condition)
    writer.names[op.result] = _from_memory(writer, ty.dtype, ty.lanes, text)


def _even_distance(offsets: Value) -> tuple[Value, Value] | None:
    """The offset of lane 0, and from lane to lane, if it is the same everywhere."""
    op = offsets.op
    if op is None or op.name != "add":
        return None
    first, steps = (v.op for v in op.operands)
    if first is None or steps is None or (first.name, steps.name) != ("splat", "multiply"):
        return None
    parts = {one.name: one for v in steps.operands if (one := v.op) is not None}
    if set(parts) != {"lane_index", "splat"}:
        return None
    return first.operands[0], parts["splat"].operands[0]


def _load_apart(writer: Writer, buffer: Value, ty: VectorType, offset: str, step: str) -> str:
    """Lanes at equal distances, one load each: an instruction that gathers asks for more than these."""
    buffer_ty = buffer_type(buffer)
    unit, scalar = "i8" if buffer_ty.strided else memory_text(ty.dtype), memory_text(ty.dtype)
    align, scope = _alignment(writer, buffer), writer.scope(buffer)
    place, texts = _address(writer, buffer, offset), list[str]()
    for lane in range(ty.lanes):
        if lane:
            place = writer.let(f"getelementptr inbounds {unit}, ptr {place}, i64 {step}")
        texts.append(writer.let(f"load {scalar}, ptr {place}, align {align}{scope}"))
    return _collect(writer, ty, texts)


def _lookup(writer: Writer, op: Op) -> None:
    """An element of constant memory of the program."""
    (index,) = op.operands
    ty, table = vector_type(op.result), op.attributes["table"]
    assert isinstance(table, tuple)
    numbers = [literal(n, ty.dtype) for n in table]
    if ty.dtype.name == "bool":
        numbers = ["1" if n == "true" else "0" for n in numbers]
    scalar = memory_text(ty.dtype)
    array = f"[{len(numbers)} x {scalar}]"
    address = writer.module.constant_table(
        f"constant {array} [{', '.join(f'{scalar} {n}' for n in numbers)}]"
    )
    if ty.lanes == 1:
        place = writer.let(f"getelementptr inbounds {scalar}, ptr {address}, i64 {writer.use(index)}")
        text = writer.let(f"load {scalar}, ptr {place}, align {ty.dtype.size_bytes}")
    else:
        places = writer.let(f"getelementptr inbounds {scalar}, ptr {address}, {writer.typed(index)}")
        text = gather(writer, places, ty.dtype, ty.lanes, "splat (i1 true)", ty.dtype.size_bytes)
    writer.names[op.result] = _from_memory(writer, ty.dtype, ty.lanes, text)


# ---------------------------------------------------------------- stores


def _store(writer: Writer, op: Op) -> None:
    value, buffer, offset = op.operands[0], op.operands[1], writer.use(op.operands[2])
    mask = op.operands[3] if len(op.operands) > 3 else None
    ty = vector_type(value)
    step, stride = _step(op, buffer), op.attributes.get("stride", 1)
    text = _to_memory(writer, ty.dtype, ty.lanes, writer.use(value))
    scalar = memory_text(ty.dtype)
    if ty.lanes == 1:
        _store_one(writer, buffer, offset, text, mask and writer.use(mask))
    elif stride == 1 and mask is None and op.attributes.get("streamed") and ty.dtype.name != "bool":
        _store_streamed(writer, buffer, offset, text, ty)
    elif stride == 1:
        _store_dense(writer, buffer, offset, text, ty, mask and writer.use(mask))
    elif stride == -1:
        first = _moved(writer, offset, step * (ty.lanes - 1))
        flipped = mask and _reverse(writer, "i1", ty.lanes, writer.use(mask))
        _store_dense(writer, buffer, first, _reverse(writer, scalar, ty.lanes, text), ty, flipped)
    elif mask is None:
        for i in range(ty.lanes):
            one = writer.let(f"extractelement <{ty.lanes} x {scalar}> {text}, i64 {i}")
            _store_one(writer, buffer, _moved(writer, offset, step * i), one, None)
    else:
        _scatter(writer, buffer, _spread(writer, offset, step, ty.lanes), text, ty, writer.use(mask))


def _store_one(writer: Writer, buffer: Value, offset: str, text: str, mask: str | None) -> None:
    after = ""
    if mask is not None:
        then, after = writer.new_label(), writer.new_label()
        writer.branch(mask, then, after)
        writer.start(then)
    scalar = memory_text(buffer_type(buffer).dtype)
    place, align = _address(writer, buffer, offset), _alignment(writer, buffer)
    writer.line(f"store {scalar} {text}, ptr {place}, align {align}{writer.scope(buffer)}")
    if mask is not None:
        writer.jump(after)
        writer.start(after)


def _store_dense(
    writer: Writer, buffer: Value, offset: str, text: str, ty: VectorType, mask: str | None
) -> None:
    align, vector = _alignment(writer, buffer), lanes_text(memory_text(ty.dtype), ty.lanes)
    if mask is None:
        place = _address(writer, buffer, offset)
        writer.line(f"store {vector} {text}, ptr {place}, align {align}{writer.scope(buffer)}")
        return
    name = f"@llvm.masked.store.{_memory_suffix(ty.dtype, ty.lanes)}.p0"
    writer.module.declarations.add(f"declare void {name}({vector}, ptr, i32, <{ty.lanes} x i1>)")
    place = _address(writer, buffer, offset, inbounds=False)
    if "avx512f" in writer.module.target.flags and memory_text(ty.dtype) in ("i8", "i16", "i32"):
        mask = _unknown(writer, mask, ty.lanes)
    writer.line(f"call void {name}({vector} {text}, ptr {place}, i32 {align}, <{ty.lanes} x i1> {mask})")


def _unknown(writer: Writer, mask: str, lanes: int) -> str:
    """A mask that LLVM takes for any.

    If it knows that one lane is set and that the value is one of narrowed integers, LLVM 22 writes that lane
    before it is narrowed, over what comes after it (llvm/llvm-project#179489).
    """
    bits, words = min(max(lanes, 8), 64), max(lanes // 64, 1)
    text = writer.let(f"bitcast <{lanes} x i1> {mask} to i{lanes}")
    if bits > lanes:
        text = writer.let(f"zext i{lanes} {text} to i{bits}")
    vector = f"<{words} x i{bits}>"
    text = writer.let(f"bitcast i{bits * words} {text} to {vector}")
    for word in range(words):
        one = writer.let(f"extractelement {vector} {text}, i64 {word}")
        one = writer.let(f'call i{bits} asm "", "=r,0"(i{bits} {one})')
        text = writer.let(f"insertelement {vector} {text}, i{bits} {one}, i64 {word}")
    text = writer.let(f"bitcast {vector} {text} to i{bits * words}")
    if bits > lanes:
        text = writer.let(f"trunc i{bits} {text} to i{lanes}")
    return writer.let(f"bitcast i{lanes} {text} to <{lanes} x i1>")


def _store_streamed(writer: Writer, buffer: Value, offset: str, text: str, ty: VectorType) -> None:
    """Neighbouring elements, past the caches where the address allows it; the function ends with a fence."""
    unit = writer.module.target.vector_bytes
    place = _address(writer, buffer, offset)
    low = writer.let(f"and i64 {writer.let(f'ptrtoint ptr {place} to i64')}, {unit - 1}")
    past, through, after = writer.new_label(), writer.new_label(), writer.new_label()
    writer.branch(writer.let(f"icmp eq i64 {low}, 0"), past, through)
    vector = lanes_text(memory_text(ty.dtype), ty.lanes)
    writer.start(past)
    writer.line(f"store {vector} {text}, ptr {place}, align {unit}, !nontemporal !1")
    writer.jump(after)
    writer.start(through)
    writer.line(f"store {vector} {text}, ptr {place}, align {_alignment(writer, buffer)}")
    writer.jump(after)
    writer.start(after)
    writer.is_streaming = True


def _scatter(writer: Writer, buffer: Value, offsets: str, text: str, ty: VectorType, mask: str) -> None:
    """Lanes are stored in order, so that of two to one place the last stays."""
    lanes = ty.lanes
    vector = f"<{lanes} x {memory_text(ty.dtype)}>"
    name = f"@llvm.masked.scatter.{_memory_suffix(ty.dtype, lanes)}.v{lanes}p0"
    writer.module.declarations.add(f"declare void {name}({vector}, <{lanes} x ptr>, i32, <{lanes} x i1>)")
    places = _addresses(writer, buffer, offsets, lanes)
    align = _alignment(writer, buffer)
    writer.line(
        f"call void {name}({vector} {text}, <{lanes} x ptr> {places}, i32 {align}, <{lanes} x i1> {mask})"
    )


def _scatter_lanes(writer: Writer, op: Op) -> None:
    value, buffer, offsets = op.operands[:3]
    mask = writer.use(op.operands[3]) if len(op.operands) > 3 else None
    ty = vector_type(value)
    text = _to_memory(writer, ty.dtype, ty.lanes, writer.use(value))
    if ty.lanes == 1:
        _store_one(writer, buffer, writer.use(offsets), text, mask)
    else:
        _scatter(writer, buffer, writer.use(offsets), text, ty, mask or "splat (i1 true)")


# ---------------------------------------------------------------- buffers


def write_alloc(writer: Writer, op: Op) -> None:
    """From the arena at `arena_offset`, a part of `worker_bytes` for each worker; else from the stack.

    The arena's part is a parameter of a kernel, so that kernels which differ in it alone share a function.
    """
    ty = buffer_type(op.result)
    if "unbounded" in op.attributes:
        _allocate(writer, op)
        return
    offset = op.attributes.get("arena_offset")
    if offset is not None and writer.scratch is not None:
        writer.names[op.result] = f"%s{len(writer.scratch)}"
        writer.scratch.append(op)
        return
    if offset is not None:
        place = writer.dim(offset)  # pyright: ignore[reportArgumentType] -- a size
        each = op.attributes.get("worker_bytes")
        if each is not None and writer.participant != "0":
            part = writer.dim(each)  # pyright: ignore[reportArgumentType] -- a size
            mine = writer.let(f"mul i64 {writer.participant}, {part}")
            place = writer.let(f"add i64 {place}, {mine}")
        arena = writer.let("load ptr, ptr %context, align 8")
        writer.set(op, f"getelementptr inbounds i8, ptr {arena}, i64 {place}")
        return
    if not is_static(ty.shape):
        raise InternalError(f"scratch {ty} has no fixed size and no place in the arena")
    size = ty.size
    assert isinstance(size, int)
    if size * ty.dtype.size_bytes > SCRATCH_LIMIT_BYTES:
        raise InternalError(f"scratch {ty} is larger than {SCRATCH_LIMIT_BYTES} bytes")
    writer.names[op.result] = writer.at_entry(f"alloca [{size} x {memory_text(ty.dtype)}], align 64")


def _allocate(writer: Writer, op: Op) -> None:
    """Memory until the program returns, of a size that only it knows; it fails if there is none."""
    if not writer.module.is_hosted:
        raise UnsupportedError("a program without Python has memory of a size without a bound", code="E051")
    ty = buffer_type(op.result)
    place = writer.let(f"getelementptr inbounds i8, ptr %context, i64 {Context.offset('allocate')}")
    function = writer.let(f"load ptr, ptr {place}, align 8")
    # sizes with a bound have no name here: the most that they allow
    most: DimLike = op.attributes.get("most", ty.size)  # pyright: ignore[reportAssignmentType] -- a size
    size = writer.dim(most * ty.dtype.size_bytes)
    about = _about(writer, most * ty.dtype.size_bytes)  # the exact product may overflow
    fits = writer.let(f"fcmp olt double {about}, {literal(MOST_BYTES, F64)}")
    asked = writer.let(f"select i1 {fits}, i64 {size}, i64 -1")
    writer.set(op, f"call ptr {function}(ptr %context, i64 {asked})")
    fail, after = writer.new_label(), writer.new_label()
    writer.rarely(writer.let(f"icmp eq ptr {writer.use(op.result)}, null"), fail, after)
    writer.start(fail)
    record_failure(writer, op, [asked])
    writer.jump(writer.halt())
    writer.start(after)


def _about(writer: Writer, size: DimLike) -> str:
    """A size as a double, not below it by more than rounding."""

    def combine(kind: str, a: str, b: str) -> str:
        if kind in ("min", "max"):
            first = writer.let(f"fcmp {'olt' if kind == 'min' else 'ogt'} double {a}, {b}")
            return writer.let(f"select i1 {first}, double {a}, double {b}")
        if kind == "mod":
            return b
        return writer.let(f"{ {'add': 'fadd', 'mul': 'fmul', 'floordiv': 'fdiv'}[kind] } double {a}, {b}")

    def symbol(one: Symbol) -> str:
        return writer.let(f"sitofp i64 {writer.symbol(one)} to double")

    return fold_dim(size, lambda number: literal(float(number), F64), symbol, combine)


def _view(writer: Writer, op: Op) -> None:
    buffer = op.operands[0]
    offset = writer.use(op.operands[1]) if len(op.operands) > 1 else "0"
    writer.names[op.result] = _address(writer, buffer, offset)
    writer.roots[op.result] = writer.root(buffer)


def _copy(writer: Writer, op: Op) -> None:
    source, target = op.operands
    ty = buffer_type(source)
    if ty.strided or buffer_type(target).strided:
        raise UnsupportedError("copy of a strided buffer", code="E051")
    size = writer.dim(ty.size * ty.dtype.size_bytes)
    operands = f"ptr {writer.use(target)}, ptr {writer.use(source)}, i64 {size}, i1 false"
    writer.line(f"call void @llvm.memcpy.p0.p0.i64({operands})")


# ---------------------------------------------------------------- failure


def _fail_if(writer: Writer, op: Op) -> None:
    mask = op.operands[0]
    lanes = vector_type(mask).lanes
    fail, after = writer.new_label(), writer.new_label()
    writer.rarely(any_lane(writer, mask), fail, after)
    writer.start(fail)
    lane = ""
    if lanes > 1:
        bits = writer.let(f"bitcast {writer.typed(mask)} to i{lanes}")
        first = writer.let(f"call i{lanes} @llvm.cttz.i{lanes}(i{lanes} {bits}, i1 true)")
        lane = (
            first
            if lanes == 64
            else writer.let(f"{'zext' if lanes < 64 else 'trunc'} i{lanes} {first} to i64")
        )
    facts = [_fact(writer, v, lane) for v in op.operands[1 : 1 + _FACTS]]
    record_failure(writer, op, facts)
    writer.jump(writer.halt() if writer.is_program else after)
    writer.start(after)


def _fact(writer: Writer, value: Value, lane: str) -> str:
    if isinstance(value.type, IndexType) or vector_type(value).lanes == 1:
        return writer.use(value)
    return writer.let(f"extractelement {writer.typed(value)}, i64 {lane}")


def record_failure(writer: Writer, op: Op, facts: Sequence[str]) -> None:
    """Write the call that records a failure unless there is one before it in the program's order."""
    writer.module.helpers.add("fail")
    code = op.attributes.get("code")
    number = code if isinstance(code, int) and code > 0 else FAILED
    texts = ", ".join(f"i64 {f}" for f in [*facts, "0", "0", "0"][:_FACTS])
    site = writer.module.sites[op]
    what = f"i64 {writer.key}, i32 {number}, i32 {site}, {texts}"
    writer.line(f"call void @weft.fail(ptr %context, ptr %errors, {what})")


def _to_index(writer: Writer, op: Op) -> None:
    """Checks the range of the symbol that is bound."""
    (value,) = op.operands
    text, ty = writer.use(value), op.result.type
    writer.names[op.result] = text
    symbol = as_symbol(ty.dim) if isinstance(ty, IndexType) else None
    if symbol is None:
        return
    upper = symbol.upper if symbol.upper is not None else (1 << 63) - 1
    low = writer.let(f"icmp slt i64 {text}, {symbol.lower}")
    high = writer.let(f"icmp sgt i64 {text}, {upper}")
    fail, after = writer.new_label(), writer.new_label()
    writer.rarely(writer.let(f"or i1 {low}, {high}"), fail, after)
    writer.start(fail)
    record_failure(writer, op, [text, str(symbol.lower), str(upper)])
    writer.jump(writer.halt() if writer.is_program else after)
    writer.start(after)


MEMORY: Mapping[str, Callable[[Writer, Op], None]] = {
    "load": _load, "store": _store, "gather_lanes": _gather_lanes, "scatter_lanes": _scatter_lanes,
    "lookup": _lookup,
    "alloc": write_alloc, "view": _view, "copy": _copy, "prefetch": _prefetch, "fail_if": _fail_if,
    "to_index": _to_index,
}  # fmt: skip
