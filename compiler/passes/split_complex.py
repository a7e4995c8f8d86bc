"""The pass `split_complex`: complex lanes become pairs of real lanes, complex memory interleaved pairs (D10).

Loop level to loop level, before math is expanded; schedules treat complex elements as any others, and after
this pass there are none but in the types of the program's parameters, each of which is seen through a `view`
of twice the elements. Neighbouring elements are one load of twice the lanes and two shuffles. Not here: the
arithmetic (`compiler/math/pair.py`, `pair_functions.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from weft.compiler.math import pair, pair_functions
from weft.compiler.math.pair import Pair
from weft.ir import BufferType, Builder, DType, Expr, Func, InternalError, Op, Region, Type, Value, VectorType
from weft.ir.dims import DimLike
from weft.ir.expr import cast
from weft.ir.types import BOOL
from weft.ir.walk import values_of


def _same(a: Pair) -> Pair:
    return a


def _real(a: Pair) -> Expr:
    return a.re


def _imag(a: Pair) -> Expr:
    return a.im


PAIRS: Mapping[str, Callable[..., Pair | Expr]] = {
    "add": pair.add, "subtract": pair.subtract, "multiply": pair.multiply, "divide": pair.divide,
    "negative": pair.negative, "conjugate": pair.conjugate, "square": pair.square, "fma": pair.multiply_add,
    "reciprocal": pair.reciprocal, "sign": pair.sign, "stop_gradient": _same, "hold": _same,
    "real": _real, "imag": _imag, "complex": Pair,
    "equal": pair.equal, "not_equal": pair.not_equal,
    "less": pair.ordered("less", "less"), "less_equal": pair.LESS_EQUAL,
    "greater": pair.ordered("greater", "greater"), "greater_equal": pair.GREATER_EQUAL,
    "minimum": pair.extreme(pair.LESS_EQUAL), "maximum": pair.extreme(pair.GREATER_EQUAL),
    "fmin": pair.extreme_ignoring_nan(pair.LESS_EQUAL), "fmax": pair.extreme_ignoring_nan(pair.GREATER_EQUAL),
    "isnan": pair.is_nan, "isinf": pair.is_infinite, "isfinite": pair.is_finite, "select": pair.choose,
    "exp": pair_functions.exp, "exp2": pair_functions.exp2, "expm1": pair_functions.expm1,
    "log": pair_functions.log, "log1p": pair_functions.log1p,
    "log2": pair_functions.scaled_log(pair_functions.LOG2_E),
    "log10": pair_functions.scaled_log(pair_functions.LOG10_E),
    "sqrt": pair_functions.sqrt_, "power": pair_functions.power,
    "sin": pair_functions.sin, "cos": pair_functions.cos, "tan": pair_functions.tan,
    "sinh": pair_functions.sinh, "cosh": pair_functions.cosh, "tanh": pair_functions.tanh,
    "arcsin": pair_functions.arcsin, "arccos": pair_functions.arccos, "arctan": pair_functions.arctan,
    "arcsinh": pair_functions.arcsinh, "arccosh": pair_functions.arccosh, "arctanh": pair_functions.arctanh,
}  # fmt: skip
"""From an elementwise op to what it does with pairs."""


def split_complex(fn: Func) -> Func:
    """The program without complex lanes; as it is if it has none."""
    return _Split(fn).run() if any(map(_is_complex, values_of(fn))) else fn


def _is_complex(value: Value) -> bool:
    return isinstance(value.type, BufferType | VectorType) and value.type.dtype.is_complex


def _doubled(ty: BufferType) -> BufferType:
    """The memory of complex elements as that of their parts."""
    return replace(ty, dtype=ty.dtype.part, shape=(*ty.shape, 2))


def _types(ty: Type) -> tuple[Type, ...]:
    """What a value of this type becomes."""
    if isinstance(ty, VectorType) and ty.dtype.is_complex:
        return (VectorType(ty.dtype.part, ty.lanes),) * 2
    return (_doubled(ty),) if isinstance(ty, BufferType) and ty.dtype.is_complex else (ty,)


class _Split:
    """Rewrites one program. `values` are those that stay one, `pairs` those that became two."""

    def __init__(self, fn: Func) -> None:
        self.fn = fn
        self.values: dict[Value, Value] = {}
        self.pairs: dict[Value, tuple[Value, Value]] = {}

    def run(self) -> Func:
        """The new program; its parameters keep their types."""
        old = self.fn.body
        body = Region([p.type for p in old.params], [p.name for p in old.params])
        builder = Builder(body)
        for before, after in zip(old.params, body.params, strict=True):
            self.values[before] = after
            if isinstance(after.type, BufferType) and after.type.dtype.is_complex:
                self.values[before] = builder.emit("view", [after], {"type": _doubled(after.type)}).result
        self.ops(old, builder)
        return replace(self.fn, body=body, symbols=dict(self.fn.symbols))

    def region(self, old: Region) -> Region:
        """A region with its parameters split."""
        types = [(ty, p.name) for p in old.params for ty in _types(p.type)]
        new = Region([ty for ty, _ in types], [name for _, name in types])
        self.bind(old.params, new.params)
        self.ops(old, Builder(new))
        return new

    def bind(self, old: Sequence[Value], new: Sequence[Value]) -> None:
        """Say what became of values, given in order."""
        rest = iter(new)
        for value in old:
            if len(_types(value.type)) == 2:
                self.pairs[value] = next(rest), next(rest)
            else:
                self.values[value] = next(rest)

    def flat(self, values: Sequence[Value]) -> list[Value]:
        """The new values of old ones, in order."""
        return [new for v in values for new in (self.pairs[v] if v in self.pairs else (self.values[v],))]

    def ops(self, old: Region, builder: Builder) -> None:
        """Write the ops of a region."""
        for op in old.ops:
            builder.locations = op.locations
            if any(_is_complex(v) for v in (*op.operands, *op.results)) and op.name not in _CARRIERS:
                self.split(builder, op)
            else:
                self.copy(builder, op)

    def copy(self, builder: Builder, op: Op) -> None:
        """An op that stays, with pairs for what it carries."""
        types = [ty for r in op.results for ty in _types(r.type)]
        regions = [self.region(r) for r in op.regions]
        new = Op(op.name, self.flat(op.operands), types, op.attributes, regions, op.locations)
        builder.region.ops.append(new)
        self.bind(op.results, new.results)

    def split(self, builder: Builder, op: Op) -> None:
        """An op on complex elements."""
        rule = PAIRS.get(op.name)
        if rule is not None:
            self.define(op, rule(*(self.part(builder, v) for v in op.operands)))
        elif op.name in _RULES:
            _RULES[op.name](self, builder, op)
        else:
            raise InternalError(f"{op.name} of complex elements has no rule", code="E092")

    def part(self, builder: Builder, value: Value) -> Pair | Expr:
        """The new value of an operand."""
        both = self.pairs.get(value)
        if both is not None:
            return Pair(builder.expr(both[0]), builder.expr(both[1]))
        return builder.expr(self.values[value])

    def pair(self, builder: Builder, value: Value) -> Pair:
        """A complex operand."""
        found = self.part(builder, value)
        assert isinstance(found, Pair)
        return found

    def define(self, op: Op, result: "Pair | Expr") -> None:
        """Say what the result of an op is."""
        if isinstance(result, Pair):
            self.pairs[op.result] = result.re.value, result.im.value
        else:
            self.values[op.result] = result.value


# ---------------------------------------------------------------- memory


def _half(ty: BufferType, attributes: Mapping[str, object], lanes: int) -> int:
    """The stride of lanes, in elements; 1 for a single one."""
    stride = attributes.get("stride", 1) if lanes > 1 else 1
    assert isinstance(stride, int)
    return stride


def _offset(builder: Builder, buffer: Value, offset: Value) -> tuple[Expr, Expr]:
    """Offsets of the real and the imaginary part: bytes of strided memory, else elements."""
    e, ty = builder.expr(offset), buffer.type
    assert isinstance(ty, BufferType)
    if ty.strided:
        return e, e + ty.dtype.part.size_bytes
    return e * 2, e * 2 + 1


def _twice(builder: Builder, mask: Value, lanes: int) -> Value:
    """Each lane of a mask for both parts."""
    order = tuple(k // 2 for k in range(2 * lanes))
    return builder.emit("shuffle", [mask], {"order": order}).result


def _dense_start(ty: BufferType, at: Expr, stride: int, lanes: int) -> Expr:
    """Where the lowest of neighbouring elements lies: of lanes that go down, the last."""
    unit = ty.dtype.size_bytes if ty.strided else 2
    return at if stride > 0 else at - unit * (lanes - 1)


def _load(split: _Split, builder: Builder, op: Op) -> None:
    old, ty = op.operands[0], op.result.type
    assert isinstance(ty, VectorType)
    assert isinstance(old.type, BufferType)
    buffer, offset, *mask = split.flat(op.operands)
    stride, lanes = _half(old.type, op.attributes, ty.lanes), ty.lanes
    at_re, at_im = _offset(builder, old, offset)
    if lanes > 1 and stride in (1, -1):
        start = _dense_start(old.type, at_re, stride, lanes)
        if mask and stride < 0:
            mask = [builder.emit("shuffle", mask, {"order": tuple(reversed(range(lanes)))}).result]
        wide = [_twice(builder, m, lanes) for m in mask]
        facts = {"lanes": 2 * lanes, "stride": 1}
        both = builder.emit("load", [buffer, start.value, *wide], facts).result
        split.define(op, _apart(builder, both, lanes, stride))
        return
    facts = {"lanes": lanes, "stride": 2 * stride} if lanes > 1 else {}
    re, im = (
        builder.expr(builder.emit("load", [buffer, at.value, *mask], facts).result) for at in (at_re, at_im)
    )
    split.define(op, Pair(re, im))


def _apart(builder: Builder, both: Value, lanes: int, stride: int) -> Pair:
    """The even and the odd lanes, backwards for a stride below 0."""
    order = range(lanes) if stride > 0 else range(lanes - 1, -1, -1)
    re, im = (
        builder.emit("shuffle", [both], {"order": tuple(2 * k + odd for k in order)}).result for odd in (0, 1)
    )
    return Pair(builder.expr(re), builder.expr(im))


def _store(split: _Split, builder: Builder, op: Op) -> None:
    value, old = split.pair(builder, op.operands[0]), op.operands[1]
    assert isinstance(old.type, BufferType)
    buffer, offset, *mask = split.flat(op.operands[1:])
    ty = op.operands[0].type
    assert isinstance(ty, VectorType)
    stride, lanes = _half(old.type, op.attributes, ty.lanes), ty.lanes
    at_re, at_im = _offset(builder, old, offset)
    if lanes > 1 and stride in (1, -1):
        back = tuple(reversed(range(lanes)))
        order = tuple(k + odd * lanes for k in (range(lanes) if stride > 0 else back) for odd in (0, 1))
        both = builder.emit("shuffle", [value.re.value, value.im.value], {"order": order}).result
        if mask and stride < 0:
            mask = [builder.emit("shuffle", mask, {"order": back}).result]
        wide = [_twice(builder, m, lanes) for m in mask]
        start = _dense_start(old.type, at_re, stride, lanes)
        builder.emit("store", [both, buffer, start.value, *wide], {**op.attributes, "stride": 1})
        return
    facts = {"stride": 2 * stride} if lanes > 1 else {}
    for part, at in zip(value, (at_re, at_im), strict=True):
        builder.emit("store", [part.value, buffer, at.value, *mask], facts)


def _gather(split: _Split, builder: Builder, op: Op) -> None:
    buffer, offsets, *mask = split.flat(op.operands)
    places = _offset(builder, op.operands[0], offsets)
    re, im = (builder.expr(builder.emit(op.name, [buffer, at.value, *mask]).result) for at in places)
    split.define(op, Pair(re, im))


def _scatter(split: _Split, builder: Builder, op: Op) -> None:
    value = split.pair(builder, op.operands[0])
    buffer, offsets, *mask = split.flat(op.operands[1:])
    for part, at in zip(value, _offset(builder, op.operands[1], offsets), strict=True):
        builder.emit(op.name, [part.value, buffer, at.value, *mask])


def _alloc(split: _Split, builder: Builder, op: Op) -> None:
    ty = op.result.type
    assert isinstance(ty, BufferType)
    facts = {**op.attributes, "type": _doubled(ty)}
    most = facts.get("most")
    if most is not None:
        facts["most"] = _double(most)  # pyright: ignore[reportArgumentType] -- a size
    split.values[op.result] = builder.emit("alloc", [], facts).result


def _double(size: DimLike) -> DimLike:
    return size * 2


def _view(split: _Split, builder: Builder, op: Op) -> None:
    """The offset counts elements; a view never changes between complex and real elements before this pass."""
    ty = op.result.type
    assert isinstance(ty, BufferType)
    buffer, *offset = split.flat(op.operands)
    places = [_offset(builder, op.operands[0], o)[0].value for o in offset]
    split.values[op.result] = builder.emit("view", [buffer, *places], {"type": _doubled(ty)}).result


def _prefetch(split: _Split, builder: Builder, op: Op) -> None:
    buffer, offset = split.flat(op.operands)
    builder.emit("prefetch", [buffer, _offset(builder, op.operands[0], offset)[0].value])


# ---------------------------------------------------------------- lanes and conversion


def _parts_of(number: object) -> tuple[float, float]:
    assert isinstance(number, int | float | complex)
    return number.real, number.imag


def _constant(split: _Split, builder: Builder, op: Op) -> None:
    ty = op.result.type
    assert isinstance(ty, VectorType)
    re, im = _parts_of(op.attributes["value"])
    part = VectorType(ty.dtype.part, ty.lanes)
    split.define(op, Pair(builder.constant(float(re), part), builder.constant(float(im), part)))


def _lookup(split: _Split, builder: Builder, op: Op) -> None:
    table, dtype = op.attributes["table"], op.attributes["dtype"]
    assert isinstance(table, tuple)
    assert isinstance(dtype, DType)
    (index,) = split.flat(op.operands)
    tables = zip(*map(_parts_of, table), strict=True)
    facts = [{"table": tuple(map(float, half)), "dtype": dtype.part} for half in tables]
    re, im = (builder.expr(builder.emit("lookup", [index], fact).result) for fact in facts)
    split.define(op, Pair(re, im))


def _both(e: Pair | Expr) -> Pair:
    """What goes with either part."""
    return e if isinstance(e, Pair) else Pair(e, e)


def _each(split: _Split, builder: Builder, op: Op) -> None:
    """An op that only moves lanes does so to both parts."""
    parts = [_both(split.part(builder, v)) for v in op.operands]
    values = zip(*parts, strict=True)
    re, im = (
        builder.expr(builder.emit(op.name, [e.value for e in half], op.attributes).result) for half in values
    )
    split.define(op, Pair(re, im))


def _cast(split: _Split, builder: Builder, op: Op) -> None:
    """From real numbers with imaginary part 0; to them by the real part; to bool whether a part is not 0."""
    dtype, source = op.attributes["dtype"], split.part(builder, op.operands[0])
    assert isinstance(dtype, DType)
    if not isinstance(source, Pair):
        re = _convert(builder, source, dtype.part)
        split.define(op, Pair(re, re.like(0.0)))
    elif dtype.is_complex:
        split.define(op, Pair(cast(source.re, dtype.part), cast(source.im, dtype.part)))
    elif dtype == BOOL:
        split.define(op, source.re.ne(0.0) | source.im.ne(0.0))
    else:
        split.define(op, _convert(builder, source.re, dtype))


def _convert(builder: Builder, e: Expr, dtype: DType) -> Expr:
    """A conversion of real numbers, with what the record says of this one."""
    from weft.ir.opdef import REGISTRY, Scalar

    form = REGISTRY["cast"].form
    if e.dtype == dtype:
        return e
    assert isinstance(form, Scalar)
    assert form.rule is not None
    return form.rule({"dtype": dtype}, e)


_CARRIERS = ("for", "while", "if", "yield", "kernel", "copy", "return", "dim", "callback")
_RULES: Mapping[str, Callable[[_Split, Builder, Op], None]] = {
    "load": _load, "store": _store, "gather_lanes": _gather, "scatter_lanes": _scatter,
    "alloc": _alloc, "view": _view, "prefetch": _prefetch, "constant": _constant, "lookup": _lookup,
    "splat": _each, "shuffle": _each, "exchange_down": _each, "exchange_from": _each, "cast": _cast,
}  # fmt: skip
