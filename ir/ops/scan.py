"""Running combinations along one axis: cumulative sums, products, extremes.

The order is NumPy's: one element after the other along the axis, so that integers and floats have its very bits.
Not here: reductions, whose order is a tree (`reduce.py`).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from weft.ir.errors import DTypeError, ShapeError
from weft.ir.expr import Expr, cast, constant, select
from weft.ir.node import Attributes, Op, Region
from weft.ir.opdef import REGISTRY, Arrays, Expand, OpDef, Scalar, define, random_array
from weft.ir.rules import axis_of, places_along, tensor_operand
from weft.ir.types import I64, Type


def combined_by(attributes: Attributes) -> str:
    """The elementwise op that takes the value so far and the next element."""
    name = attributes["by"]
    assert isinstance(name, str)
    return name


def _infer(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    ty, name = tensor_operand(types), combined_by(attributes)
    if not 0 <= axis_of(attributes) < ty.rank:
        raise ShapeError(f"scan of {ty} has no axis {axis_of(attributes)}", code="E015")
    op = REGISTRY.get(name)
    if op is None or not isinstance(op.form, Scalar) or list(op.infer((ty, ty), {}, ())) != [ty]:
        raise DTypeError(f"{ty} cannot be combined by {name}")
    return (ty,)


def _evaluate(attributes: Attributes, x: np.ndarray) -> np.ndarray:
    combine = REGISTRY[combined_by(attributes)].evaluate
    assert combine is not None
    rows = np.moveaxis(x, axis_of(attributes), 0)
    result = np.array(x, order="C")
    written = np.moveaxis(result, axis_of(attributes), 0)
    with np.errstate(all="ignore"):
        for k in range(1, len(rows)):
            written[k] = combine({}, written[k - 1], rows[k])
    return result


# ---------------------------------------------------------------- derivatives


def flipped(x: Expr, axis: int) -> Expr:
    """`x` with one axis reversed."""
    ty = tensor_operand([x.value.type])
    if ty.shape[axis] == 0:
        return x
    start = tuple(d - 1 if k == axis else 0 for k, d in enumerate(ty.shape))
    step = tuple(-1 if k == axis else 1 for k in range(ty.rank))
    return x.builder.expr(
        x.builder.emit("slice", [x.value], {"start": start, "size": ty.shape, "step": step}).result
    )


def scan_of(x: Expr, axis: int, by: str) -> Expr:
    """A scan of `x`."""
    return x.builder.expr(x.builder.emit("scan", [x.value], {"axis": axis, "by": by}).result)


def total_from(x: Expr, axis: int) -> Expr:
    """At each place the sum of the elements from there on."""
    return flipped(scan_of(flipped(x, axis), axis, "add"), axis)


def _product_vjp(g: Expr, y: Expr, x: Expr, axis: int) -> Expr:
    """Before the first zero of a row: what comes later over x. At it: the same with this zero left out.

    After it that zero times the others, for second derivatives; from the second zero on 0.
    """
    zero, one, nothing = x.eq(0.0), constant(x, 1.0), constant(x, 0.0)
    zeros = scan_of(cast(zero, I64), axis, "add")
    first = zero & zeros.eq(1)
    rest = scan_of(select(first, one, x), axis, "multiply")
    before = total_from(g * y, axis) / select(zero, one, x)
    without = total_from(g * rest, axis)
    held = scan_of(select(first, x, nothing), axis, "add")  # the first zero, from there on
    after = select(zeros.eq(1), held * without / select(zero, one, x), nothing)
    return select(zeros.eq(0), before, select(first, without, after))


def _extreme_vjp(g: Expr, y: Expr, x: Expr, axis: int) -> Expr:
    """To the element that the running extreme was last reached at."""
    b, ty = g.builder, tensor_operand([x.value.type])
    line = b.expr(b.emit("iota", [], {"size": ty.shape[axis], "dtype": I64}).result)
    line = b.broadcast(b.reshape(line, (ty.shape[axis], *(1,) * (ty.rank - 1 - axis))), ty.shape)
    reached = scan_of(select(x.eq(y), line, constant(line, 0)), axis, "maximum")
    places = places_along(x, axis, reached.value)
    zero = b.full_like(ty, 0.0, g.dtype)
    facts = {"axes": tuple(range(ty.rank)), "mode": "add"}
    return b.expr(b.emit("scatter", [zero.value, g.value, *places], facts).result)


def _log_sum_vjp(g: Expr, y: Expr, x: Expr, axis: int, by: str) -> Expr:
    """The sum of g * exp(x - y) from each place on: each pair on its own, since exp(-y) alone may overflow.

    Quadratic in the size of the axis, but not in memory: the kernel of the sum computes the pairs.
    """
    b, shape = g.builder, tensor_operand([x.value.type]).shape
    size = shape[axis]
    pairs = (*shape[:axis], size, *shape[axis:])  # the earlier place, the later one

    def along(e: Expr, at: int) -> Expr:
        one = (*shape[:axis], *((size, 1) if at == axis else (1, size)), *shape[axis + 1 :])
        return b.broadcast(b.reshape(e, one), pairs)

    line = b.expr(b.emit("iota", [], {"size": size, "dtype": I64}).result)
    line = b.broadcast(b.reshape(line, (size, *(1,) * (len(shape) - 1 - axis))), shape)
    counts = along(line, axis).le(along(line, axis + 1)) & along(y, axis + 1).gt(-np.inf)
    difference = select(counts, along(x, axis) - along(y, axis + 1), constant(along(x, axis), 0.0))
    terms = difference.apply("exp" if by == "logaddexp" else "exp2") * along(g, axis + 1)
    terms = select(counts, terms, constant(terms, 0.0))
    return b.expr(b.emit("sum", [terms.value], {"axis": axis + 1}).result)


def _vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    axis = axis_of(op.attributes)
    match combined_by(op.attributes):
        case "add":
            return (total_from(g[0], axis),)
        case "multiply":
            return (_product_vjp(g[0], y[0], x[0], axis),)
        case "maximum" | "minimum":
            return (_extreme_vjp(g[0], y[0], x[0], axis),)
        case "logaddexp" | "logaddexp2" as by:
            return (_log_sum_vjp(g[0], y[0], x[0], axis, by),)
        case name:
            raise NotImplementedError(f"a scan by {name} has no derivative")


def _samples(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    kinds = (("float32", "add"), ("float64", "multiply"), ("int16", "add"), ("uint8", "maximum"), ("float64", "add"),
             ("float64", "minimum"), ("bool", "bitwise_and"), ("int16", "subtract"), ("float64", "logaddexp"),
             ("float64", "logaddexp2"))  # fmt: skip
    for dtype, by in kinds:
        for shape, axis in (((3, 5), 1), ((3, 5), 0), ((2, 7, 3), 1), ((9,), 0), ((2, 0), 1), ((1, 1), 0)):
            yield {"axis": axis, "by": by}, (random_array(rng, dtype, shape),)


scan = define(
    OpDef("scan", "Along `axis`, each element combined `by` an elementwise op with all before it, one after the other.",
          _infer, _evaluate, _vjp, Expand("scan"), 1, _samples)
)  # fmt: skip
