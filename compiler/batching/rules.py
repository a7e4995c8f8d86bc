"""How an op looks when operands are stacks of lanes: the lanes are a new first axis.

A rule gets the op, its operands, which of them are stacks, and gives the result as a stack, or None where it
does not fit. An op without a rule is run lane by lane (`batch.py`), so that rules are for speed alone. Not
here: regions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from weft.ir.builder import Builder
from weft.ir.dims import DimLike, product, symbol, symbols_of
from weft.ir.expr import Expr
from weft.ir.node import Attribute, Func, Op, Region, Value
from weft.ir.opdef import REGISTRY, Combine, Scalar
from weft.ir.ops.custom import index_names
from weft.ir.ops.custom import rule_of as custom_rule
from weft.ir.rewrite import fresh_name, inline
from weft.ir.rules import tensor_operand
from weft.ir.text import show
from weft.ir.types import I64, TensorType

Rule = Callable[["Stacks", Op, Sequence[Expr], Sequence[bool]], "Expr | None"]


class Stacks:
    """Writes ops on stacks of `size` lanes."""

    def __init__(self, builder: Builder, size: DimLike) -> None:
        self.builder, self.size = builder, size

    def emit(self, name: str, *operands: Expr, **attributes: Attribute) -> Expr:
        """One op of one result."""
        return self.builder.expr(self.builder.emit(name, [o.value for o in operands], attributes).result)

    def stacked(self, x: Expr, is_stack: bool) -> Expr:
        """The operand as a stack: one that all lanes share is repeated."""
        return x if is_stack else self.builder.broadcast(x, (self.size, *shape_of(x)))

    def numbers(self, shape: Sequence[DimLike]) -> Expr:
        """The number of its lane at each place of a stack of this shape."""
        line = self.emit("iota", size=self.size, dtype=I64)
        ones = (1,) * (len(shape) - 1)
        return self.builder.broadcast(self.builder.reshape(line, (self.size, *ones)), tuple(shape))

    def merged(self, x: Expr) -> Expr:
        """The first axis of the lanes joined with that of the lanes' own."""
        shape = shape_of(x)
        return self.builder.reshape(x, (product(shape[:2]), *shape[2:]))

    def parted(self, x: Expr, count: DimLike) -> Expr:
        """The first axis parted again: `count` for each lane."""
        return self.builder.reshape(x, (self.size, count, *shape_of(x)[1:]))


def shape_of(x: Expr) -> tuple[DimLike, ...]:
    """The shape of a tensor."""
    return tensor_operand([x.value.type]).shape


def rule_of(name: str) -> Rule | None:
    """The rule for an op of this name."""
    if name in _RULES:
        return _RULES[name]
    form = REGISTRY[name].form
    if isinstance(form, Scalar):
        return _elementwise
    return _along if isinstance(form, Combine) else None


def _elementwise(stacks: Stacks, op: Op, operands: Sequence[Expr], flags: Sequence[bool]) -> Expr:
    return stacks.emit(op.name, *map(stacks.stacked, operands, flags), **op.attributes)


def _along(stacks: Stacks, op: Op, operands: Sequence[Expr], flags: Sequence[bool]) -> Expr:
    """Ops with an attribute `axis`, and matrices that may be stacks."""
    attributes = dict(op.attributes)
    if "axis" in attributes:
        attributes["axis"] = op.attributes["axis"] + 1  # pyright: ignore[reportOperatorIssue] -- an int
    return stacks.emit(op.name, *map(stacks.stacked, operands, flags), **attributes)


def _broadcast(stacks: Stacks, op: Op, operands: Sequence[Expr], _flags: Sequence[bool]) -> Expr:
    (x,), shape = operands, _dims(op, "shape")
    lane = shape_of(x)[1:]
    ones = (1,) * (len(shape) - len(lane))
    return stacks.builder.broadcast(
        stacks.builder.reshape(x, (stacks.size, *ones, *lane)), (stacks.size, *shape)
    )


def _reshape(stacks: Stacks, op: Op, operands: Sequence[Expr], _flags: Sequence[bool]) -> Expr:
    return stacks.builder.reshape(operands[0], (stacks.size, *_dims(op, "shape")))


def _transpose(stacks: Stacks, op: Op, operands: Sequence[Expr], _flags: Sequence[bool]) -> Expr:
    return stacks.emit("transpose", *operands, axes=(0, *(int(k) + 1 for k in _dims(op, "axes"))))  # pyright: ignore[reportArgumentType]


def _slice(stacks: Stacks, op: Op, operands: Sequence[Expr], _flags: Sequence[bool]) -> Expr:
    size = (stacks.size, *_dims(op, "size"))
    return stacks.emit(
        "slice", *operands, start=(0, *_dims(op, "start")), size=size, step=(1, *_dims(op, "step"))
    )


def _update(stacks: Stacks, op: Op, operands: Sequence[Expr], flags: Sequence[bool]) -> Expr:
    both = map(stacks.stacked, operands, flags)
    return stacks.emit("update", *both, start=(0, *_dims(op, "start")), step=(1, *_dims(op, "step")))


def _pad(stacks: Stacks, op: Op, operands: Sequence[Expr], flags: Sequence[bool]) -> Expr | None:
    if flags[1]:
        return None
    return stacks.emit("pad", *operands, low=(0, *_dims(op, "low")), high=(0, *_dims(op, "high")))


def _search(stacks: Stacks, op: Op, operands: Sequence[Expr], flags: Sequence[bool]) -> Expr | None:
    return None if flags[0] else stacks.emit("search", *operands, **op.attributes)


def _dot(stacks: Stacks, op: Op, operands: Sequence[Expr], flags: Sequence[bool]) -> Expr:
    left, right = operands
    if flags == [True, False] and len(shape_of(left)) == 3:  # lanes are more rows
        return stacks.parted(stacks.emit("dot", stacks.merged(left), right), shape_of(left)[1])
    return _along(stacks, op, operands, flags)


def _gather(stacks: Stacks, op: Op, operands: Sequence[Expr], flags: Sequence[bool]) -> Expr:
    """The lanes' axis is one more that is indexed, unless one side has no lanes."""
    axes = tuple(int(k) for k in _dims(op, "axes"))  # pyright: ignore[reportArgumentType]
    table, *indices = operands
    if not flags[0]:
        return stacks.emit("gather", table, *map(stacks.stacked, indices, flags[1:]), axes=axes)
    indices = list(map(stacks.stacked, indices, flags[1:]))
    indices.insert(0, stacks.numbers(shape_of(indices[0])))
    return stacks.emit("gather", table, *indices, axes=(0, *(k + 1 for k in axes)))


def _scatter(stacks: Stacks, op: Op, operands: Sequence[Expr], flags: Sequence[bool]) -> Expr:
    axes = tuple(int(k) + 1 for k in _dims(op, "axes"))  # pyright: ignore[reportArgumentType]
    table, values, *indices = map(stacks.stacked, operands, flags)
    indices.insert(0, stacks.numbers(shape_of(indices[0])))
    return stacks.emit("scatter", table, values, *indices, axes=(0, *axes), mode=op.attributes["mode"])


def _custom(stacks: Stacks, op: Op, operands: Sequence[Expr], flags: Sequence[bool]) -> Expr:
    """The rule of a lane, which reads its own lane of each stack."""
    rule, names = custom_rule(op.attributes), index_names(op.attributes)
    taken, region = {*rule.symbols, *names}, Region()
    lane, lanes = symbol(fresh_name("lane", taken), 0), symbol(fresh_name("lanes", taken), 1)
    inside = Builder(region)
    values: list[Value] = []
    for param, is_stack in zip(rule.params, flags, strict=True):
        ty = tensor_operand([param.type])
        if not is_stack:
            values.append(region.add_param(ty))
            continue
        stack = region.add_param(TensorType(ty.dtype, (lanes, *ty.shape)))
        facts = {
            "start": (lane, *(0 for _ in ty.shape)),
            "size": (1, *ty.shape),
            "step": (1,) * (ty.rank + 1),
        }
        one = inside.expr(inside.emit("slice", [stack], facts).result)
        values.append(inside.reshape(one, ty.shape).value)
    inside.emit("return", inline(inside, rule, values))
    own = {s.name: s for d in (lane, lanes) for s in symbols_of(d)}
    text = show(Func(rule.name, region, {**rule.symbols, **own}, into=(-1,)), names=False)
    shape = (stacks.size, *_dims(op, "shape"))
    index = (next(iter(own)), *names)
    return stacks.emit("custom", *operands, op=op.attributes["op"], rule=text, index=index, shape=shape)


def _merged(stacks: Stacks, op: Op, operands: Sequence[Expr], flags: Sequence[bool]) -> Expr | None:
    """Ops whose first operand is a batch already."""
    if any(flags[1:]):
        return None
    made = stacks.emit(op.name, stacks.merged(operands[0]), *operands[1:], **op.attributes)
    return stacks.parted(made, shape_of(operands[0])[1])


def _dims(op: Op, name: str) -> tuple[DimLike, ...]:
    return op.attributes[name]  # pyright: ignore[reportReturnType] -- the record says so


_RULES: dict[str, Rule] = {
    "broadcast": _broadcast,
    "reshape": _reshape,
    "transpose": _transpose,
    "slice": _slice,
    "update": _update,
    "pad": _pad,
    "concatenate": _along,
    "scan": _along,
    "sort": _along,
    "argsort": _along,
    "search": _search,
    "dot": _dot,
    "gather": _gather,
    "scatter": _scatter,
    "custom": _custom,
    "lu": _along,
    "triangular": _along,
    "cholesky": _along,
    "fft": _along,
    "qr": _along,
    "rotate_rows": _along,
    "windows": _merged,
    "conv": _merged,
}
