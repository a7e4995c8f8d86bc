"""The pass `unmask`: what is taken by a mask, changed and put back is computed in place, for all elements.

    part = gather(x, positions(mask)); ...; scatter(x, f(part), positions(mask))     becomes
    select(mask, f(x), x)

    sum(gather(x, positions(mask)))  of ints                                          becomes
    sum(select(mask, x, 0))

What a mask leaves out is computed and dropped, which costs less than counting, packing and unpacking, and one
kernel can do it. Only where every use of the packed elements is elementwise, or a reduction that ends in one
element; the count itself may be used for anything. Not here: what the frontend makes of masks.
"""

from collections.abc import Sequence
from dataclasses import field

from weft.ir import Builder, Func, IndexType, Op, TensorType, Value, record
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, Symbol, as_symbol, product, symbols_of
from weft.ir.opdef import Scalar
from weft.ir.rewrite import Cloner, remove_dead
from weft.ir.walk import dims_of_attribute, dims_of_type, walk

Shape = tuple[DimLike, ...]
_NEUTRAL = {"sum": 0, "prod": 1, "any": False, "all": True}


@dataclass(frozen=True, slots=True)
class _Mask:
    """A mask, the positions of it, and all ops that hold their number in a type."""

    mask: Value
    positions: Op
    ops: set[Op] = field(default_factory=set[Op])

    @property
    def shape(self) -> Shape:
        """Of the mask, before it was flattened."""
        assert isinstance(self.mask.type, TensorType)
        return self.mask.type.shape


def unmask(fn: Func) -> Func:
    """The program without positions that are only used to read and write through a mask."""
    found = [_plan(fn, op) for op in walk(fn) if op.name == "positions"]
    plans = [plan for plan in found if plan is not None]
    return remove_dead(_Unmask(plans).cloner.function(fn)) if plans else fn


def _plan(fn: Func, positions: Op) -> _Mask | None:
    """The ops that must be rewritten together, if all can be."""
    symbol = as_symbol(positions.attributes["size"])  # pyright: ignore[reportArgumentType] -- a size
    if symbol is None or symbol.lower > 0:
        return None
    (flat,) = positions.operands
    mask = flat.op.operands[0] if flat.op is not None and flat.op.name == "reshape" else flat
    plan = _Mask(mask, positions)
    counted = {op for op in walk(fn) if op.name == "to_index" and _binds(op, symbol)}
    is_used = False
    for op in walk(fn):
        if op in counted or (not _mentions(op, symbol) and positions.result not in op.operands):
            continue
        if op.name in ("dim", "from_index"):  # the count itself
            is_used = True
        elif op is positions or _is_reduction(op, symbol):
            plan.ops.add(op)
        elif _is_elementwise(op, symbol) or _is_access(op, positions):
            plan.ops.add(op)
        else:
            return None
    if not is_used:
        plan.ops.update(counted)
    return plan


def _binds(op: Op, symbol: Symbol) -> bool:
    bound = as_symbol(op.result.type.dim) if isinstance(op.result.type, IndexType) else None
    return bound is not None and bound.name == symbol.name


def _mentions(op: Op, symbol: Symbol) -> bool:
    """Whether the packed size is in a type or an attribute of an op."""
    dims = [d for v in (*op.operands, *op.results) for d in dims_of_type(v.type)]
    dims += [d for r in op.regions for p in r.params for d in dims_of_type(p.type)]
    dims += [d for a in op.attributes.values() for d in dims_of_attribute(a)]
    return any(s.name == symbol.name for d in dims for s in symbols_of(d))


def _is_packed(value: Value, symbol: Symbol) -> bool:
    ty = value.type
    bound = as_symbol(ty.shape[0]) if isinstance(ty, TensorType) and len(ty.shape) == 1 else None
    return bound is not None and bound.name == symbol.name


def _is_elementwise(op: Op, symbol: Symbol) -> bool:
    rule = record(op)
    if len(op.results) != 1 or op.regions or rule.has("can_fail") or rule.has("effect"):
        return False
    if op.name == "broadcast":
        ty = op.operands[0].type
        return isinstance(ty, TensorType) and ty.shape == () and _is_packed(op.result, symbol)
    return isinstance(rule.form, Scalar) and all(_is_packed(v, symbol) for v in (*op.operands, op.result))


def _is_reduction(op: Op, symbol: Symbol) -> bool:
    """Whether an op makes one element of packed ones, to which neutral ones may be added: not of floats.

    These would be added in another order, so that the bits depended on this pass.
    """
    if op.name not in _NEUTRAL or not _is_packed(op.operands[0], symbol):
        return False
    ty = op.operands[0].type
    return op.name in ("any", "all") or (isinstance(ty, TensorType) and ty.dtype.kind in "biu")


def _is_access(op: Op, positions: Op) -> bool:
    """Whether an op reads or writes a flat array at the positions, and uses these for nothing else."""
    whole = positions.operands[0].type
    first = op.operands[0].type if op.operands else None
    if not isinstance(first, TensorType) or not isinstance(whole, TensorType) or first.shape != whole.shape:
        return False
    if op.name == "gather":
        return op.operands[1:] == (positions.result,)
    is_set = op.name == "scatter" and op.attributes["mode"] == "set"
    return is_set and op.operands[2:] == (positions.result,) and op.operands[1] is not positions.result


class _Unmask:
    """Writes the program anew. `full` holds for each packed value the values at all places."""

    def __init__(self, plans: Sequence[_Mask]) -> None:
        self.plan_of = {op: plan for plan in plans for op in plan.ops}
        self.full: dict[Value, Value] = {}
        self.cloner = Cloner(rule=self.visit)

    def visit(self, builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        """What stands for an op of a plan; packed results have no readers any more."""
        if op.name == "reshape":
            return self._reshape(operands[0], op)
        plan = self.plan_of.get(op)
        if plan is None:
            return None
        if op.name == "scatter":
            whole = _shaped(builder, operands[0], plan.shape)
            mask = self.cloner.value(plan.mask)
            chosen = builder.emit("select", [mask, self.full[op.operands[1]], whole]).result
            assert isinstance(op.result.type, TensorType)
            return (builder.reshape(builder.expr(chosen), op.result.type.shape).value,)
        if op.name in _NEUTRAL:
            return (self._reduced(builder, op, plan),)
        if op.name == "gather":
            self.full[op.result] = _shaped(builder, operands[0], plan.shape)
        elif op.name == "broadcast":
            self.full[op.result] = builder.emit("broadcast", operands, {"shape": plan.shape}).result
        elif op not in (plan.positions,) and op.name != "to_index":
            values = [self.full[v] for v in op.operands]
            self.full[op.result] = builder.emit(op.name, values, op.attributes).result
        return op.results

    def _reduced(self, builder: Builder, op: Op, plan: _Mask) -> Value:
        """A reduction of all places, where the mask does not hold of neutral elements."""
        whole = self.full[op.operands[0]]
        assert isinstance(whole.type, TensorType)
        one = builder.constant(_NEUTRAL[op.name], TensorType(whole.type.dtype))
        neutral = builder.broadcast(one, plan.shape)
        chosen = builder.emit("select", [self.cloner.value(plan.mask), whole, neutral.value]).result
        flat = builder.reshape(builder.expr(chosen), (product(plan.shape),))
        return builder.emit(op.name, [flat.value], op.attributes).result

    def _reshape(self, value: Value, op: Op) -> Sequence[Value] | None:
        """A reshape of a reshape back to where it came from."""
        source = value.op.operands[0] if value.op is not None and value.op.name == "reshape" else None
        return (source,) if source is not None and source.type == op.result.type else None


def _shaped(builder: Builder, value: Value, shape: Shape) -> Value:
    """A value at a shape of the same elements, without a detour."""
    while value.op is not None and value.op.name == "reshape":
        value = value.op.operands[0]
    return builder.reshape(builder.expr(value), shape).value
