"""Reductions over one axis, in the fixed order of DESIGN D19. Reductions over several are compositions of these.

The order is carried out by the schedules; a record says only how accumulators start, take an element, merge and end.
Not here: products of matrices (`linalg.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from weft.ir.dims import DimLike
from weft.ir.errors import DTypeError, ShapeError
from weft.ir.expr import Expr, Number, cast, constant, logical_not, select
from weft.ir.node import Attributes, Op, Region
from weft.ir.opdef import Arrays, Combine, OpDef, VjpRule, define, random_array
from weft.ir.rules import axis_of
from weft.ir.types import BOOL, I64, DType, TensorType, Type, VectorType

Accumulators = Sequence[Expr]


def _infer(name: str, kinds: str, result: DType | None) -> Callable[..., Sequence[Type]]:
    def infer(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
        ty, axis = types[0], axis_of(attributes)
        if not isinstance(ty, TensorType) or not 0 <= axis < ty.rank:
            raise ShapeError(f"{name} of {ty} has no axis {axis}", code="E015")
        if ty.dtype.kind not in kinds:
            raise DTypeError(f"{name} does not take {ty}")
        return (TensorType(result or ty.dtype, ty.shape[:axis] + ty.shape[axis + 1 :]),)

    return infer


def _samples(kinds: str) -> Callable[["np.random.Generator"], Iterator[tuple[Attributes, Arrays]]]:
    dtypes = {
        "b": ("bool",),
        "i": ("int8", "int64"),
        "u": ("uint16",),
        "f": ("float32", "float64"),
        "c": ("complex64",),
    }

    def make(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
        for kind in kinds:
            for dtype in dtypes[kind]:
                for shape, axis in (((3, 5), 1), ((3, 5), 0), ((200,), 0), ((2, 70, 3), 1)):
                    x = (
                        rng.normal(size=shape).astype(dtype)
                        if kind in "fc"
                        else random_array(rng, dtype, shape)
                    )
                    yield {"axis": axis}, (x,)

    return make


def expand_to(value: Expr, like: Expr, axis: int) -> Expr:
    """A reduced value put back along `axis` at `like`'s shape."""
    ty = like.type
    assert isinstance(ty, TensorType)
    kept: tuple[DimLike, ...] = (*ty.shape[:axis], 1, *ty.shape[axis + 1 :])
    return value.builder.broadcast(value.builder.reshape(value, kept), ty.shape)


def _float_count(count: Expr, like: Expr) -> Expr:
    """A count as a float, one scalar if it is the same in all lanes."""
    op = count.value.op
    if op is not None and op.name == "splat":
        count = Expr(count.builder, op.operands[0])
    return cast(count, like.dtype)


def _in_lanes(e: Expr, like: Expr) -> Expr:
    """A scalar in all lanes of `like`; what has lanes already stays."""
    lanes = like.type.lanes if isinstance(like.type, VectorType) else 1
    if lanes == 1 or not isinstance(e.type, VectorType) or e.type.lanes == lanes:
        return e
    return Expr(e.builder, e.builder.emit("splat", [e.value], {"lanes": lanes}).result)


def _fold(name: str, start: Callable[[DType], Number]) -> Combine:
    """A reduction with one accumulator and one elementwise op."""
    return Combine(
        initial=lambda dtype: ((dtype, start(dtype)),),
        step=lambda a, x, position, count: (a[0].apply(name, x),),
        merge=lambda a, b, count_a, count_b: (a[0].apply(name, b[0]),),
        finish=lambda attributes, accumulators, count: (accumulators[0],),
    )


def _one_nan(x: Expr) -> Expr:
    """Complex NaN as nan+nanj: which of several was first would hang on the order of the steps."""
    return select(x.apply("isnan"), constant(x, complex("nan+nanj")), x) if x.dtype.is_complex else x


def _extreme(name: str, start: Callable[[DType], Number]) -> Combine:
    fold = _fold(name, start)
    return replace(fold, finish=lambda attributes, accumulators, count: (_one_nan(accumulators[0]),))


def _extreme_of(reduce: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    def evaluate(x: np.ndarray, attributes: Attributes) -> np.ndarray:
        found = np.array(reduce(x, axis_of(attributes)))
        if x.dtype.kind == "c":
            found[np.isnan(found)] = complex("nan+nanj")
        return found

    return evaluate


def _least(dtype: DType) -> Number:
    if dtype.is_complex:
        return complex("-inf-infj")
    if dtype.is_float:
        return float("-inf")
    return False if dtype == BOOL else int(np.iinfo(dtype.numpy).min)


def _greatest(dtype: DType) -> Number:
    if dtype.is_complex:
        return complex("inf+infj")
    if dtype.is_float:
        return float("inf")
    return True if dtype == BOOL else int(np.iinfo(dtype.numpy).max)


def _sum_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    return (expand_to(g[0], x[0], axis_of(op.attributes)),)


def _along(name: str, x: Expr, axis: int) -> Expr:
    """A reduction of x put back at its shape."""
    b = x.builder
    return expand_to(b.expr(b.emit(name, [x.value], {"axis": axis}).result), x, axis)


def _prod_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    """Product of the others: that of all that are not 0, over x if it is one of them, times the other zeros.

    With one other zero the factor is that zero itself, with more of them 0, so that second derivatives are right too.
    """
    axis = axis_of(op.attributes)
    zero, one, nothing = x[0].eq(0.0), constant(x[0], 1.0), constant(x[0], 0.0)
    divisor = select(zero, one, x[0])
    rest = _along("prod", divisor, axis) / divisor
    zeros = select(zero, x[0], nothing)
    other_zeros = _along("sum", cast(zero, x[0].dtype), axis) - cast(zero, x[0].dtype)
    other = select(other_zeros.eq(1.0), _along("sum", zeros, axis) - zeros, nothing)
    factor = select(other_zeros.eq(0.0), one, other)
    return (expand_to(g[0], x[0], axis) * (rest * factor),)


def _extreme_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    """Shared equally among the elements that reach the extreme."""
    axis = axis_of(op.attributes)
    hit = cast(x[0].eq(expand_to(y[0], x[0], axis)), x[0].dtype)
    b = x[0].builder
    count = b.expr(b.emit("sum", [hit.value], {"axis": axis}).result)
    return (expand_to(g[0] / count, x[0], axis) * hit,)


def _define(
    name: str,
    doc: str,
    evaluate: Callable[..., np.ndarray],
    combine: Combine,
    *,
    kinds: str,
    vjp: VjpRule | None,
    result: DType | None = None,
    flops: float = 1,
) -> OpDef:
    def run(attributes: Attributes, x: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.asarray(evaluate(x, attributes))

    return define(
        OpDef(name, doc, _infer(name, kinds, result), run, vjp, combine, flops, _samples(kinds), frozenset({"reduction"}))
    )  # fmt: skip


# fmt: off
# starting at +0.0 makes a sum of negative zeros positive, as NumPy's is
sum_ = _define("sum", "Sum along `axis`; integers wrap.", lambda x, a: x.sum(axis_of(a), dtype=x.dtype),
               _fold("add", lambda dtype: 0), kinds="iufc", vjp=_sum_vjp)
prod = _define("prod", "Product along `axis`; integers wrap.", lambda x, a: x.prod(axis_of(a), dtype=x.dtype),
               _fold("multiply", lambda dtype: 1), kinds="iufc", vjp=_prod_vjp)
max_ = _define("max", "Maximum along `axis`; NaN if there is one.", _extreme_of(np.max),
               _extreme("maximum", _least), kinds="biufc", vjp=_extreme_vjp)
min_ = _define("min", "Minimum along `axis`; NaN if there is one.", _extreme_of(np.min),
               _extreme("minimum", _greatest), kinds="biufc", vjp=_extreme_vjp)
all_ = _define("all", "Whether every element along `axis` is true.", lambda x, a: x.all(axis_of(a)),
               _fold("bitwise_and", lambda dtype: True), kinds="b", vjp=lambda op, g, y, x: (None,))
any_ = _define("any", "Whether an element along `axis` is true.", lambda x, a: x.any(axis_of(a)),
               _fold("bitwise_or", lambda dtype: False), kinds="b", vjp=lambda op, g, y, x: (None,))
# fmt: on


def _position_of(name: str, better: str, worst: Callable[[DType], Number]) -> Combine:
    """First position of the extreme; NaN counts as the extreme.

    It starts as the worst value at position 0: if that is the extreme of all, then of every element, and the first is at 0.
    """
    no_better = {"greater": "less_equal", "less": "greater_equal"}[better]

    def wins(x: Expr, held: Expr) -> Expr:
        if x.dtype.kind not in "fc":
            return x.apply(better, held)
        return logical_not(x.apply(no_better, held)) & held.eq(held)

    def step(a: Accumulators, x: Expr, position: Expr, count: Expr) -> Accumulators:
        take = wins(x, a[0])
        return select(take, x, a[0]), select(take, position, a[1])

    def merge(a: Accumulators, b: Accumulators, count_a: Expr, count_b: Expr) -> Accumulators:
        same = a[0].eq(b[0]) | (a[0].ne(a[0]) & b[0].ne(b[0])) if a[0].dtype.kind in "fc" else a[0].eq(b[0])
        take = wins(b[0], a[0]) | (same & b[1].lt(a[1]))
        return select(take, b[0], a[0]), select(take, b[1], a[1])

    return Combine(
        initial=lambda dtype: ((dtype, worst(dtype)), (I64, 0)),
        step=step,
        merge=merge,
        finish=lambda attributes, a, count: (a[1],),
    )


# fmt: off
argmax = _define("argmax", "Position of the first maximum along `axis`.", lambda x, a: x.argmax(axis_of(a)),
                 _position_of("argmax", "greater", _least), kinds="biufc", result=I64, flops=2, vjp=lambda op, g, y, x: (None,))
argmin = _define("argmin", "Position of the first minimum along `axis`.", lambda x, a: x.argmin(axis_of(a)),
                 _position_of("argmin", "less", _greatest), kinds="biufc", result=I64, flops=2, vjp=lambda op, g, y, x: (None,))
# fmt: on


# ---------------------------------------------------------------- variance


def _variance_step(a: Accumulators, x: Expr, position: Expr, count: Expr) -> Accumulators:
    """Accumulators (shift, sum of d, sum of d*d) with d = x - shift, shift being the first element of the lane.

    The shift is a sample, so (mean - shift)^2 <= count * variance: the cancellation in `merge` is bounded by the lane.
    """
    shift = select(count.eq(1), x, a[0])
    d = x - shift
    return shift, a[1] + d, a[2] + d * d


def _mean_and_squares(a: Accumulators, count: Expr) -> tuple[Expr, Expr]:
    """Mean and sum of squared distances from it, of accumulators that hold `count` elements."""
    mean_distance = a[1] / _in_lanes(select(count.eq(0.0), constant(count, 1.0), count), a[1])
    return a[0] + mean_distance, a[2] - a[1] * mean_distance


def _variance_merge(a: Accumulators, b: Accumulators, count_a: Expr, count_b: Expr) -> Accumulators:
    """Chan, Golub, LeVeque 1979; the result has its mean as shift, so its sum of distances is 0."""
    n_a, n_b = _float_count(count_a, a[0]), _float_count(count_b, a[0])
    (mean_a, squares_a), (mean_b, squares_b) = _mean_and_squares(a, n_a), _mean_and_squares(b, n_b)
    n = n_a + n_b
    share = _in_lanes(n_b / select(n.eq(0.0), constant(n, 1.0), n), a[0])
    delta = mean_b - mean_a
    mean = mean_a + delta * share
    squares = squares_a + squares_b + delta * delta * _in_lanes(n_a, a[0]) * share
    empty_a, empty_b, zero = (_in_lanes(e, a[0]) for e in (n_a.eq(0.0), n_b.eq(0.0), constant(n, 0.0)))
    return (
        select(empty_a, mean_b, select(empty_b, mean_a, mean)),
        zero,
        select(empty_a, squares_b, select(empty_b, squares_a, squares)),
    )


def _variance_finish(attributes: Attributes, a: Accumulators, count: Expr) -> Accumulators:
    n = _float_count(count, a[0])
    _, squares = _mean_and_squares(a, n)
    ddof = attributes.get("ddof", 0)
    assert isinstance(ddof, int | float)
    rest = n - float(ddof)
    return (squares / _in_lanes(select(rest.gt(0.0), rest, constant(rest, 0.0)), squares),)


def _variance_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    """2 (x - mean) / (n - ddof)."""
    axis, b = axis_of(op.attributes), x[0].builder
    total = b.expr(b.emit("sum", [x[0].value], {"axis": axis}).result)
    n = _count_along(x[0], axis, total)
    ddof = op.attributes.get("ddof", 0)
    assert isinstance(ddof, int | float)
    rest = (n - float(ddof)).apply("maximum", 0.0)
    return (expand_to(g[0] * 2.0 / rest, x[0], axis) * (x[0] - expand_to(total / n, x[0], axis)),)


def _count_along(x: Expr, axis: int, like: Expr) -> Expr:
    """The size of an axis of x as floats of `like`'s type."""
    ty, b = like.type, like.builder
    assert isinstance(ty, TensorType)
    assert isinstance(x.type, TensorType)
    size = x.type.shape[axis]
    if isinstance(size, int):
        return constant(like, float(size))
    index = b.emit("dim", (), {"dim": size}).result
    return b.broadcast(cast(b.expr(b.emit("from_index", [index]).result), ty.dtype), ty.shape)


variance = _define(
    "variance", "Variance along `axis`: squared distances from the mean over count - `ddof`.",
    lambda x, a: x.var(axis_of(a), dtype=x.dtype, ddof=a.get("ddof", 0)),
    Combine(lambda dtype: ((dtype, 0.0),) * 3, _variance_step, _variance_merge, _variance_finish),
    kinds="f", vjp=_variance_vjp, flops=4,
)  # fmt: skip
