"""Move reshapes toward the inputs over elementwise ops, so that a chain of them has one shape.

    reshape(f(x, y)) == f(reshape(x), reshape(y))        for elementwise f whose result has no other use

Three sweeps, each linear: which results could take any shape at no cost, which shape is asked of each,
rewriting. What is reshaped in the end is a value that lies in memory (a parameter, a constant, the result of
a product or a reduction), or a scalar that is broadcast; where an operand would be re-indexed otherwise, the
reshape stays.
Not here: chains of reshapes (`canonicalize.py`).
"""

from collections.abc import Sequence

from weft.compiler.passes.canonicalize import RULES
from weft.compiler.passes.rules import Rewriter, scalar_of, shape_of
from weft.ir import REGISTRY, Builder, Func, Op, Region, TensorType, Value
from weft.ir.dims import Dim, DimLike, Symbol, symbols_of
from weft.ir.opdef import Scalar
from weft.ir.rewrite import remove_dead, rewrite
from weft.ir.walk import uses, walk, walk_regions

Shape = tuple[DimLike, ...]

IN_MEMORY = frozenset(
    {"constant", "reshape", "dot", "gather", "scatter", "sum", "prod", "max", "min", "variance"}
)
"""Ops whose result has a place of its own, so that another shape of it is free."""


def push_reshapes(fn: Func) -> Func:
    """The program with its reshapes as near to the inputs as is free."""
    count = {value: len(places) for value, places in uses(fn).items()}
    asked: dict[Value, Shape] = {}
    computed = {s.name for op in walk(fn.body) if op.name == "to_index" for s in _sizes(op.attributes["dim"])}
    for region in walk_regions(fn):
        _ask(region, _flexible(region, count), asked, computed)
    return remove_dead(rewrite(fn, _Pusher(asked).visit)) if asked else fn


def _is_elementwise(op: Op | None) -> bool:
    return (
        op is not None
        and isinstance(REGISTRY[op.name].form, Scalar)
        and isinstance(op.result.type, TensorType)
    )


def _flexible(region: Region, count: dict[Value, int]) -> set[Value]:
    """Results used once, of reshapes and of elementwise ops whose operands all take another shape freely."""
    flexible: set[Value] = set()
    for op in region.ops:
        if len(op.results) != 1 or count.get(op.result) != 1:
            continue
        free = _is_elementwise(op) and all(v in flexible or _is_free(v) for v in op.operands)
        if free or op.name == "reshape":
            flexible.add(op.result)
    return flexible


def _is_free(value: Value) -> bool:
    return value.op is None or value.op.name in IN_MEMORY or scalar_of(value) is not None


def _sizes(*shape: object) -> set[Symbol]:
    return {s for size in shape if isinstance(size, int | Dim) for s in symbols_of(size)}


def _ask(region: Region, flexible: set[Value], asked: dict[Value, Shape], computed: set[str]) -> None:
    """Find the shape in which each flexible value is wanted by a reshape after it.

    What does not have a size that the program computes may stand before it is known.
    """
    for op in reversed(region.ops):
        wanted = asked.get(op.results[0]) if op.results else None
        if wanted is None and op.name == "reshape":
            wanted = shape_of(op.result)
        if wanted is None:
            continue
        late = {s for s in _sizes(*wanted) if s.name in computed}
        asked.update(
            (v, wanted)
            for v in op.operands
            if v in flexible and shape_of(v) != wanted and late <= _sizes(*shape_of(v))
        )


class _Pusher:
    """Writes elementwise ops in the shapes that were asked for."""

    def __init__(self, asked: dict[Value, Shape]) -> None:
        self.asked = asked
        self.rewriter = Rewriter(RULES)

    def visit(self, builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        wanted = self.asked.get(op.results[0]) if len(op.results) == 1 else None
        self.rewriter.builder = builder
        if op.name == "reshape":
            return (self.rewriter.reshape(operands[0], shape_of(op.result) if wanted is None else wanted),)
        if wanted is None:
            return None
        reshaped = [self.rewriter.reshape(v, wanted) for v in operands]
        return (self.rewriter.emit(op.name, reshaped, op.attributes),)
