"""Structure: return and yield, branches and loops, sizes as values, and the boxes that passes make (fusion, kernel).

Regions see outer values. A loop's parameters are its index and what it carries; at tensor level the index has type
`index(symbol)`, at loop level it is an i64. Not here: memory and lanes (`loop.py`).
"""

from collections.abc import Sequence
from typing import Any

from weft.ir.errors import ShapeError
from weft.ir.expr import Expr
from weft.ir.node import Attributes, Op, Region
from weft.ir.opdef import InferRule, OpDef, Scalar, define
from weft.ir.types import I64, IndexType, TensorType, Type


def _nothing(_t: Sequence[Type], _a: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    return ()


def _yielded(region: Region) -> tuple[Type, ...]:
    return tuple(v.type for v in region.terminator.operands)


def _infer_if(_t: Sequence[Type], _a: Attributes, regions: Sequence[Region]) -> Sequence[Type]:
    then, otherwise = _yielded(regions[0]), _yielded(regions[1])
    if then != otherwise:
        raise ShapeError(f"the branches of if yield {then} and {otherwise}", code="E061")
    return then


def _infer_for(types: Sequence[Type], _a: Attributes, regions: Sequence[Region]) -> Sequence[Type]:
    carried = tuple(types[3:])
    if _yielded(regions[0]) != carried or tuple(p.type for p in regions[0].params[1:]) != carried:
        raise ShapeError(f"for carries {carried}, its body yields {_yielded(regions[0])}", code="E061")
    return carried


def _infer_beside(_t: Sequence[Type], _a: Attributes, regions: Sequence[Region]) -> Sequence[Type]:
    return tuple(ty for region in regions for ty in _yielded(region))


def _infer_while(types: Sequence[Type], _a: Attributes, regions: Sequence[Region]) -> Sequence[Type]:
    if _yielded(regions[1]) != tuple(types):
        raise ShapeError(f"while carries {tuple(types)}, its body yields {_yielded(regions[1])}", code="E061")
    return tuple(types)


def _infer_box(_t: Sequence[Type], attributes: Attributes, regions: Sequence[Region]) -> Sequence[Type]:
    """After bufferization results are buffers among the operands: attribute `outputs` counts them."""
    return () if "outputs" in attributes else _yielded(regions[0])


def _infer_custom(_t: Sequence[Type], _a: Attributes, regions: Sequence[Region]) -> Sequence[Type]:
    return tuple(p.type for p in regions[0].params)


def _infer_callback(_t: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    """After bufferization results are buffers among the operands, and `types` is gone."""
    return attributes.get("types", ())  # pyright: ignore[reportReturnType]


def _infer_known(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    count = attributes["count"]
    assert isinstance(count, int)
    return tuple(types[:count])


def _known_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    pull: Any = op.attributes["pull"]
    found: Sequence[Expr] = pull.gradients(g[0].builder, [e.value for e in (*g, *y, *x[len(y) :])])
    return (*(None for _ in y), *found)


def _infer_dim(_t: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    return (IndexType(attributes["dim"]),)  # pyright: ignore[reportArgumentType]


def _infer_from_index(_t: Sequence[Type], _a: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    return (TensorType(I64, ()),)


def _define(name: str, doc: str, infer: InferRule, *traits: str) -> OpDef:
    return define(OpDef(name, doc, infer, None, None, None, 0, None, frozenset(traits)))


# fmt: off
return_ = _define("return", "Ends a function, or a fusion, with its results.", _nothing, "terminator")
yield_ = _define("yield", "Ends a region of a branch or loop with what it passes on.", _nothing, "terminator")
if_ = _define("if", "The first region if the bool scalar holds, else the second.", _infer_if)
for_ = _define("for", "Body for index = lower, lower+step, ... before upper. `kind`: serial, parallel, vector, unrolled, grid, thread.", _infer_for)
while_ = _define("while", "While the first region yields true, the second gives the next carried values.", _infer_while)
beside = _define("beside", "Regions that touch no memory of one another that one writes, run at once if the bool scalar holds, if there is one. Fails as the first that fails.",
                 _infer_beside, "loop")
fusion = _define("fusion", "Ops that become one kernel; `schedule` names how.", _infer_box)
each = define(OpDef("each", "The region, a loop whose elements do not read one another, run by each element on its own.",
                    _infer_box, None, None, Scalar(), 200, None))
kernel = _define("kernel", "One kernel `name` of the loop level; closes over buffers and sizes.", _nothing, "effect", "loop")
custom_gradient = _define("custom_gradient", "Its first operands; the region makes cotangents of the others from theirs. Only while tracing.", _infer_custom)
known_gradient = define(OpDef("known_gradient", "Its first `count` operands; the object `pull` writes cotangents of the others. Only while tracing.",
                              _infer_known, None, _known_vjp, None, 0, None))
dim = _define("dim", "The size expression `dim` as an index.", _infer_dim)
from_index = _define("from_index", "An index as an i64 scalar.", _infer_from_index)
check = _define("check", "Fails with error `code` unless the bool scalar holds; up to three i64 scalars tell more.", _nothing, "effect", "can_fail")
callback = _define("callback", "Calls the Python function number `site` with its operands, in order with other effects; results have `types`.",
                   _infer_callback, "effect")
to_index = _define("to_index", "An i64 scalar as the symbol `dim`; fails outside its range.", _infer_dim, "can_fail")
# fmt: on
