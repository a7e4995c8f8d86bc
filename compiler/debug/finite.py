"""`compile(check="nan")`: after each operation that could, a test whether it made a NaN or an infinity.

An operation is at fault if what it read was finite and what it gave is not. An elementwise one is looked at
element by element; of others the first element of the result that is not finite is told.
Not here: how the error is worded (`weft.calls.function`).
"""

from collections.abc import Sequence

from weft.ir import Builder, DType, Expr, Func, IndexType, Op, Region, TensorType, Value, record
from weft.ir.dims import product
from weft.ir.expr import cast, logical_not, real
from weft.ir.opdef import Combine, Expand, Scalar
from weft.ir.rewrite import copy_function
from weft.ir.types import F64, I64, U64

CODE = "nan "
"""What the code of such a check begins with; then stands what the operation is of."""
_MOVES = ("stop_gradient", "hold", "select", "sort", "real", "imag", "conjugate", "reinterpret")


def check_finite(fn: Func) -> Func:
    """The program with a check after each operation on floats.

    Three numbers tell what failed: the place in the result, in row-major order, or -1; the iteration of the
    loop around it, or -1; the upper halves of the first two operands at that place as float64.
    """
    made = copy_function(fn)
    _region(made.body, None)
    return made


def _region(region: Region, iteration: Value | None) -> None:
    ops, region.ops = region.ops, []
    for op in ops:
        _inside(op, iteration, region)
        region.ops.append(op)
        if _may_fail(op):
            _check(Builder(region, op.locations), op, iteration)


def _inside(op: Op, iteration: Value | None, around: Region) -> None:
    """The regions of an op; a `while` gets a counter."""
    if op.name == "for":
        return _region(op.regions[0], op.regions[0].params[0])
    if op.name != "while":
        for region in op.regions:
            _region(region, iteration)
        return None
    zero = Builder(around, op.locations).constant(0, TensorType(I64))
    op.operands = (*op.operands, zero.value)
    op.results = (*op.results, Value(TensorType(I64), op, len(op.results)))
    for region in op.regions:
        _region(region, region.add_param(TensorType(I64), "iteration"))
    body = op.regions[1]
    end = body.ops.pop()
    inner = Builder(body, op.locations)
    counter = inner.expr(body.params[-1]) + 1
    inner.emit("yield", [*end.operands, counter.value])
    return None


def _floats(values: Sequence[Value]) -> list[Value]:
    return [v for v in values if isinstance(v.type, TensorType) and v.type.dtype.kind in "fc"]


def _may_fail(op: Op) -> bool:
    """Whether the op may give what is not finite for what is: it computes."""
    rule = record(op)
    computes = isinstance(rule.form, Scalar | Combine | Expand) or op.name in ("conv", "custom")
    return computes and not op.regions and op.name not in _MOVES and bool(op.operands and _floats(op.results))


def _check(builder: Builder, op: Op, iteration: Value | None) -> None:
    operands = _floats(op.operands)
    known = [v for v in operands if v.type != op.results[0].type]
    for result in _floats(op.results):
        if isinstance(record(op).form, Scalar) and not known:
            bad = logical_not(builder.expr(result).apply("isfinite"))
            for value in operands:
                bad = bad & builder.expr(value).apply("isfinite")
            _fail(builder, _any(builder, bad), op, iteration, bad, operands)
            continue
        bad = logical_not(builder.expr(result).apply("isfinite"))
        failed = _any(builder, bad)
        for value in operands:
            wrong = _any(builder, logical_not(builder.expr(value).apply("isfinite")))
            failed = failed & logical_not(wrong)
        _fail(builder, failed, op, iteration, bad, ())


def _flat(builder: Builder, value: Expr) -> Expr:
    ty = value.type
    assert isinstance(ty, TensorType)
    return builder.reshape(value, (product(ty.shape),))


def _any(builder: Builder, mask: Expr) -> Expr:
    ty = mask.type
    assert isinstance(ty, TensorType)
    if not ty.shape:
        return mask
    return builder.expr(builder.emit("any", [_flat(builder, mask).value], {"axis": 0}).result)


def _fail(
    builder: Builder, failed: Expr, op: Op, iteration: Value | None, bad: Expr, operands: Sequence[Value]
) -> None:
    """A branch that is taken when it failed; only there is it looked for where, and what `operands` were."""
    then, otherwise = Region(), Region()
    inner = builder.inside(then)
    nowhere = inner.constant(-1, TensorType(I64))
    place, packed = nowhere, inner.constant(0, TensorType(I64))
    ty = bad.type
    assert isinstance(ty, TensorType)
    if ty.shape:
        flat = _flat(inner, inner.expr(bad.value))
        place = inner.expr(inner.emit("argmax", [flat.value], {"axis": 0}).result)
    if operands:
        packed = _packed(inner, [inner.expr(v) for v in op.operands], place if ty.shape else None)
    step = nowhere
    if iteration is not None:
        is_index = isinstance(iteration.type, IndexType)
        step = inner.expr(inner.emit("from_index", [iteration]).result) if is_index else inner.expr(iteration)
    types = ", ".join(str(v.type) for v in op.operands)
    false = logical_not(inner.expr(failed.value))
    told = len(_floats(op.operands[:2])) if operands else 0
    code = f"{CODE}{op.attributes.get('op', op.name)} {told} {types}"
    inner.emit("check", [false.value, place.value, step.value, packed.value], {"code": code})
    inner.emit("yield", [])
    builder.inside(otherwise).emit("yield", [])
    builder.emit("if", [failed.value], {}, [then, otherwise])


def _packed(builder: Builder, operands: Sequence[Expr], place: Expr | None) -> Expr:
    """The upper halves of two float64, the first operand's above."""
    total = builder.constant(0, TensorType(U64))
    for k, operand in enumerate(operands[:2]):
        if operand.dtype.kind not in "fc":
            continue
        one = operand
        if place is not None:
            flat = _flat(builder, operand)
            one = builder.expr(builder.emit("gather", [flat.value, place.value], {"axes": (0,)}).result)
        bits = _as(cast(real(one), F64), U64)
        half = bits.apply("right_shift", 32)
        total = total | (half if k else half.apply("left_shift", 32))
    return _as(total, I64)


def _as(value: Expr, dtype: DType) -> Expr:
    emitted = value.builder.emit("reinterpret", [value.value], {"dtype": dtype})
    return value.builder.expr(emitted.result)
