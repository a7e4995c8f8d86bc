"""`custom`: an operation of the user's own, one element of whose result is a function of its operands.

The function is a program in the attribute `rule`, as text, so that programs with such an op print, are cached
and run anywhere. Its parameters are the operands, with a name of its own for each size; the names of the
positions in the result stand in `index`. Not here: how a user writes one (`weft.custom_op`).
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from weft.ir.builder import Builder
from weft.ir.dims import DimLike, substitute
from weft.ir.errors import ShapeError
from weft.ir.expr import Expr
from weft.ir.node import Attributes, Func, Op, Region, Value
from weft.ir.opdef import Arrays, Context, Element, OpDef, define
from weft.ir.parse import parse
from weft.ir.rewrite import inline, match_type
from weft.ir.rules import shape_attribute, tensor_operand
from weft.ir.types import I64, TensorType, Type


@lru_cache(maxsize=256)
def _parsed(text: str) -> Func:
    return parse(text)


def rule_of(attributes: Attributes) -> Func:
    """The program of one element."""
    text = attributes["rule"]
    assert isinstance(text, str)
    return _parsed(text)


def index_names(attributes: Attributes) -> tuple[str, ...]:
    """The symbols of the rule that stand for the position in the result."""
    names = attributes["index"]
    assert isinstance(names, tuple)
    return names  # pyright: ignore[reportReturnType] -- `index` holds names


def reads_of(attributes: Attributes, number: int) -> int:
    """How often the rule reads operand `number` for one element."""
    rule = rule_of(attributes)
    return sum(v is rule.params[number] for op in rule.body.ops for v in op.operands)


def _infer(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    rule = rule_of(attributes)
    expected = [tensor_operand([p.type]) for p in rule.params]
    given = [tensor_operand(types, k) for k in range(len(types))]
    if [(t.dtype, t.rank) for t in expected] != [(t.dtype, t.rank) for t in given]:
        raise ShapeError(f"{attributes['op']} takes {expected}, got {given}")
    return (TensorType(tensor_operand([rule.results[0].type]).dtype, shape_attribute(attributes, "shape")),)


def element_at(
    builder: Builder, attributes: Attributes, operands: Sequence[Value], index: Sequence[DimLike]
) -> Value:
    """Write the ops of the rule for one position; gives the element, a tensor of rank 0.

    Positions that are values become ops `place`, which have lanes where a position has.
    """

    def rule(b: Builder, op: Op, _operands: Sequence[Value]) -> Sequence[Value] | None:
        if op.name == "dim":
            return op.results
        if op.name != "from_index":
            return None
        source = op.operands[0].op
        assert source is not None
        place: DimLike = _substituted(source.attributes["dim"], known)
        return [b.emit("place", [], {"dim": place}).result]

    fn = rule_of(attributes)
    known = dict(zip(index_names(attributes), index, strict=True))
    for param, operand in zip(fn.params, operands, strict=True):
        known.update(match_type(param.type, operand.type))
    (found,) = inline(builder, fn, operands, dims=known, rule=rule)
    return found


def _substituted(dim: object, known: Mapping[str, DimLike]) -> DimLike:
    return substitute(dim, known)  # pyright: ignore[reportArgumentType] -- the attribute `dim` of `dim`


def _element(context: Context, op: Op, index: Sequence[DimLike]) -> Expr:
    builder = Builder(Region(), op.locations)
    return context.element(element_at(builder, op.attributes, op.operands, index))


def _evaluate(attributes: Attributes, *operands: np.ndarray) -> np.ndarray:
    from weft.ir.interp import interpret

    rule, names = rule_of(attributes), index_names(attributes)
    shape: tuple[int, ...] = attributes["shape"]  # pyright: ignore[reportAssignmentType] -- numbers by now
    found = np.empty(shape, tensor_operand([rule.results[0].type]).dtype.numpy)
    for place in np.ndindex(shape):
        found[place] = interpret(rule, *operands, sizes=dict(zip(names, place, strict=True)))[0]
    return found


_SAMPLE = """func @near[d0 >= 1, at0](%0: f64[d0]) -> (f64[]) into (-1,) stage "tensor" {
  %1 = slice(%0) {size = (1,), start = (at0,), step = (1,)} : f64[1]
  %2 = reshape(%1) {shape = ()} : f64[]
  %3 = dim() {dim = at0-1} : index(at0-1)
  %4 = from_index(%3) : i64[]
  %5 = gather(%0, %4) {axes = (0,)} : f64[]
  %6 = multiply(%2, %5) : f64[]
  return(%6)
}
"""


def _samples(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    for size in (1, 5, 33):
        facts: Attributes = {"op": "near", "rule": _SAMPLE, "index": ("at0",), "shape": (size,)}
        yield facts, (rng.normal(size=size),)


place = define(
    OpDef("place", "The position `dim` as an i64, inside of the rule of a custom op.",
          lambda types, attributes, regions: (TensorType(I64, ()),), lambda attributes: np.asarray(attributes["dim"]),
          lambda op, g, y, x: (), Element(lambda context, op, index: context.index_value(_substituted(op.attributes["dim"], {}))), 1,
          lambda rng: iter([({"dim": 7}, ()), ({"dim": -1}, ())]))
)  # fmt: skip
custom = define(
    OpDef("custom", "The user's `op`: the element at `index` of a result of `shape` is what `rule` gives.",
          _infer, _evaluate, None, Element(_element), 10, _samples, frozenset({"can_fail"}))
)  # fmt: skip
