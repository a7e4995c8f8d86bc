"""`einsum` of any string: pairs of operands meet in products of matrices, smallest results first.

An operand's repeated labels are its diagonal; labels that no one else has are summed at once. Not here:
`tensordot` and the other products (`products.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from weft.compiler.frontend.numpy.broadcasting import broadcast_to
from weft.compiler.frontend.numpy.creation import check_order
from weft.compiler.frontend.numpy.products import multiply_matrices, store
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.promote import common_dtype, element_type
from weft.compiler.frontend.storage import Diagonal
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray, as_array, new_array, operand, shape_of
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, product
from weft.ir.expr import Expr, cast
from weft.ir.types import BOOL

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Term:
    """An operand and the label of each of its axes."""

    value: Expr
    labels: str

    def sizes(self) -> dict[str, DimLike]:
        """The size of each label."""
        return dict(zip(self.labels, shape_of(self.value), strict=True))


@implements(np.einsum)
def einsum(
    trace: Trace,
    *operands: Any,
    out: Any = None,
    optimize: Any = False,
    dtype: Any = None,
    order: str = "K",
    casting: str = "safe",
) -> Any:
    """Evaluates the Einstein summation convention on the operands."""
    if casting not in ("no", "equiv", "safe", "same_kind", "unsafe"):
        raise ValueError(
            f"casting must be one of 'no', 'equiv', 'safe', 'same_kind', 'unsafe' (got {casting!r})"
        )
    check_order(order)
    subscripts, values = _arguments(operands)
    arrays = [as_array(trace, v) for v in values]
    inputs, result = _parse(subscripts, [a.ndim for a in arrays])
    if len(arrays) == 1 and out is None and dtype is None and set(inputs[0]) == set(result):
        return _seen(trace, arrays[0], inputs[0], result) if result else arrays[0][()]
    common = common_dtype([a.dtype for a in arrays]) if dtype is None else dtype
    ty = element_type(common, trace.location())
    terms = [
        Term(operand(trace, a).expr(trace, ty), labels) for a, labels in zip(arrays, inputs, strict=True)
    ]
    terms = _broadcast(trace, [_diagonal(trace, term) for term in terms])
    while len(terms) > 1:
        a, b = _next_pair(terms, result)
        needed = set(result).union(*(t.labels for k, t in enumerate(terms) if k not in (a, b)))
        joined = _contract(trace, terms[a], terms[b], needed)
        terms = [*(t for k, t in enumerate(terms) if k not in (a, b)), joined]
    final = _summed(trace, terms[0], set(result))
    found = _permuted(trace, final, result).value
    if out is not None and casting == "unsafe":
        found = cast(found, out.element)
    is_array = optimize is not False and not result and _shares_labels(inputs)
    return new_array(trace, found) if is_array and out is None else store(trace, found, out)


@implements(np.einsum_path)
def einsum_path(trace: Trace, *operands: Any, optimize: Any = "greedy", einsum_call: bool = False) -> Any:
    """The order of contractions that NumPy would choose for operands of these sizes."""
    is_text = bool(operands) and isinstance(operands[0], str)
    given: list[Any] = list(operands)
    find: Any = np.einsum_path
    for k in range(1, len(given)) if is_text else range(0, len(given) & ~1, 2):
        sizes = [trace.pin(d, "np.einsum_path") for d in as_array(trace, given[k]).view.shape]
        given[k] = np.broadcast_to(0.0, sizes)
    return find(*given, optimize=optimize, einsum_call=einsum_call)


def _shares_labels(inputs: Sequence[str]) -> bool:
    """Whether operands meet in a product of matrices, which gives an array without axes in NumPy's paths."""
    return any(set(a) & set(b) for a, b in combinations(inputs, 2))


def _seen(trace: Trace, array: TracedArray, labels: str, result: str) -> TracedArray:
    """The view that one operand is where nothing is summed: diagonals of it, its axes in another order."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first, second = [k for k, one in enumerate(labels) if one == label][:2]
            _check_diagonal(trace, array.view.shape, first, second, label)
            moved = trace.call(np.moveaxis, array, (first, second), (-2, -1))
            array = TracedArray(trace, moved.view.through(Diagonal(moved.view.shape[-1], is_writeable=True)))
            labels = "".join(one for k, one in enumerate(labels) if k not in (first, second)) + label
    return array.transpose(*(labels.index(k) for k in result))


def _check_diagonal(trace: Trace, shape: Sequence[DimLike], first: int, second: int, label: str) -> None:
    if not trace.holds(shape[first], "==", shape[second], "sizes of one label of einsum"):
        raise ValueError(f"dimensions in single operand for collapsing index {label!r} don't match")


def _arguments(operands: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """The string and the operands; lists of numbers after each operand say the same as a string."""
    if not operands:
        raise ValueError(
            "must specify the einstein sum subscripts string and at least one operand, "
            "or at least one operand and its corresponding subscripts list"
        )
    if isinstance(operands[0], str):
        return operands[0], list(operands[1:])

    def text(labels: Sequence[Any]) -> str:
        if any(one is not Ellipsis and not 0 <= one.__index__() < len(LETTERS) for one in labels):
            raise ValueError(f"subscript is not within the valid range [0, {len(LETTERS)})")
        return "".join("..." if one is Ellipsis else LETTERS[one.__index__()] for one in labels)

    pairs = list(zip(operands[0::2], operands[1::2], strict=False))
    inputs = ",".join(text(labels) for _, labels in pairs)
    explicit = f"->{text(operands[-1])}" if len(operands) % 2 else ""
    return inputs + explicit, [value for value, _ in pairs]


def _parse(subscripts: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """Labels of each operand and of the result, an ellipsis spelled out in labels of its own."""
    text = subscripts.replace(" ", "")
    head, arrow, tail = text.partition("->")
    inputs = head.split(",")
    if len(inputs) != len(ranks):
        few = "fewer" if len(inputs) > len(ranks) else "more"
        raise ValueError(
            f"{few} operands provided to einstein sum function than specified in the subscripts string"
        )
    free = [c for c in reversed(LETTERS) if c not in text]
    hidden = [
        rank - len(one.replace("...", "")) if "..." in one else 0
        for one, rank in zip(inputs, ranks, strict=True)
    ]
    dots = "".join(free[: max(hidden, default=0)])
    found: list[str] = []
    for one, rank, count in zip(inputs, ranks, hidden, strict=True):
        labels = one.replace("...", dots[len(dots) - count :] if count > 0 else "")
        if len(labels) != rank or not all(c in LETTERS for c in labels):
            raise ValueError(
                f"einstein sum subscripts string {one!r} does not fit an operand with {rank} axes"
            )
        found.append(labels)
    every = "".join(found)
    if not arrow:
        tail = "..." + "".join(sorted(c for c in set(every) if every.count(c) == 1 and c not in dots))
    result = tail.replace("...", dots)
    if len(set(result)) != len(result):
        raise ValueError("einstein sum subscripts string includes output subscript multiple times")
    for label in result:
        if label not in every:
            raise ValueError(
                f"einstein sum subscripts string included output subscript {label!r} "
                "which never appeared in an input"
            )
    return found, result


def _diagonal(trace: Trace, term: Term) -> Term:
    """Axes with one label become one."""
    value, labels = term.value, term.labels
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first, second = [k for k, one in enumerate(labels) if one == label][:2]
            _check_diagonal(trace, shape_of(value), first, second, label)
            value = trace.call(np.diagonal, new_array(trace, value), axis1=first, axis2=second).expr
            labels = "".join(one for k, one in enumerate(labels) if k not in (first, second)) + label
    return Term(value, labels)


def _broadcast(trace: Trace, terms: Sequence[Term]) -> list[Term]:
    """Axes of size 1 stretched to what others have under the label."""
    sizes: dict[str, DimLike] = {}
    for term in terms:
        for label, size in term.sizes().items():
            known = sizes.setdefault(label, size)
            if known == size or size == 1:
                continue
            if known == 1:
                sizes[label] = size
            elif not trace.holds(known, "==", size, "sizes of one label of einsum"):
                raise ValueError(
                    f"operands could not be broadcast together: "
                    f"the label {label!r} has sizes {known} and {size}"
                )
    return [Term(broadcast_to(trace, t.value, tuple(sizes[c] for c in t.labels)), t.labels) for t in terms]


def _next_pair(terms: Sequence[Term], result: str) -> tuple[int, int]:
    """The two operands whose product is smallest; the first two of those whose sizes are not known."""

    def size(pair: tuple[int, int]) -> tuple[int, int]:
        a, b = terms[pair[0]], terms[pair[1]]
        needed = set(result).union(*(t.labels for k, t in enumerate(terms) if k not in pair))
        both = a.sizes() | b.sizes()
        kept = product(tuple(d for label, d in both.items() if label in needed))
        all_of = product(tuple(both.values()))
        return (kept if isinstance(kept, int) else 1 << 62, all_of if isinstance(all_of, int) else 1 << 62)

    return min(combinations(range(len(terms)), 2), key=size)


def _summed(trace: Trace, term: Term, needed: set[str]) -> Term:
    """Labels that nothing needs are summed over."""
    value, labels = term.value, term.labels
    for axis in reversed(range(len(labels))):
        if labels[axis] not in needed:
            name = "any" if value.dtype == BOOL else "sum"
            value = trace.expr(trace.emit(name, [value.value], {"axis": axis}))
            labels = labels[:axis] + labels[axis + 1 :]
    return Term(value, labels)


def _permuted(trace: Trace, term: Term, labels: str) -> Term:
    axes = tuple(term.labels.index(label) for label in labels)
    if axes == tuple(range(len(axes))):
        return term
    return Term(trace.expr(trace.emit("transpose", [term.value.value], {"axes": axes})), labels)


def _contract(trace: Trace, a: Term, b: Term, needed: set[str]) -> Term:
    """The product of two operands, summed over the labels that only they have."""
    a, b = _summed(trace, a, needed | set(b.labels)), _summed(trace, b, needed | set(a.labels))
    inner = "".join(c for c in a.labels if c in b.labels and c not in needed)
    batch = "".join(c for c in a.labels if c in b.labels and c in needed)
    rows = "".join(c for c in a.labels if c not in b.labels)
    columns = "".join(c for c in b.labels if c not in a.labels)
    if not inner or not rows or not columns:
        return _summed(trace, _elementwise(trace, a, b, batch + rows + columns + inner), needed)
    sizes = a.sizes() | b.sizes()

    def shape(*parts: str) -> tuple[DimLike, ...]:
        return (*(sizes[c] for c in batch), *(product(tuple(sizes[c] for c in part)) for part in parts))

    x = trace.builder.reshape(_permuted(trace, a, batch + rows + inner).value, shape(rows, inner))
    y = trace.builder.reshape(_permuted(trace, b, batch + inner + columns).value, shape(inner, columns))
    labels = batch + rows + columns
    found = multiply_matrices(trace, x, y)
    return Term(trace.builder.reshape(cast(found, a.value.dtype), tuple(sizes[c] for c in labels)), labels)


def _elementwise(trace: Trace, a: Term, b: Term, labels: str) -> Term:
    sizes = a.sizes() | b.sizes()
    shape = tuple(sizes[c] for c in labels)

    def wide(term: Term) -> Expr:
        ordered = _permuted(trace, term, "".join(c for c in labels if c in term.labels))
        kept = tuple(sizes[c] if c in term.labels else 1 for c in labels)
        return broadcast_to(trace, trace.builder.reshape(ordered.value, kept), shape)

    x, y = wide(a), wide(b)
    return Term(x & y if x.dtype == BOOL else x * y, labels)


# ---------------------------------------------------------------- vectors


def _crossed(trace: Trace, a: TracedArray, b: TracedArray) -> Any:
    """The cross product along the last axes, of two or three elements."""
    sizes = [trace.pin(x.view.shape[-1], "length of vectors of a cross product") for x in (a, b)]
    if any(size not in (2, 3) for size in sizes):
        raise ValueError("incompatible dimensions for cross product\n(dimension must be 2 or 3)")
    parts = [[x[..., k] for k in range(size)] for x, size in zip((a, b), sizes, strict=True)]
    (x, y, *z), (u, v, *w) = parts
    last = x * v - y * u
    if not z and not w:
        return last
    first = y * w[0] - z[0] * v if z and w else (y * w[0] if w else -(z[0] * v))
    second = z[0] * u - x * w[0] if z and w else (-(x * w[0]) if w else z[0] * u)
    return trace.call(np.stack, [first, second, last], axis=-1)


@implements(np.cross)
def cross(
    trace: Trace, a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """Return the cross product of two (arrays of) vectors."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = (trace.call(np.moveaxis, as_array(trace, v), k, -1) for v, k in ((a, axisa), (b, axisb)))
    result = _crossed(trace, x, y)
    threes = 3 in (trace.pin(x.view.shape[-1], "cross"), trace.pin(y.view.shape[-1], "cross"))
    result = trace.call(np.moveaxis, result, -1, axisc) if threes and axisc != -1 else result
    return as_array(trace, result)


@implements(np.linalg.cross)
def linalg_cross(trace: Trace, x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The cross product of 3-element vectors."""
    x, y = as_array(trace, x1), as_array(trace, x2)
    if any(trace.pin(v.view.shape[axis], "length of vectors") != 3 for v in (x, y)):
        raise ValueError("Both input arrays must be (arrays of) 3-dimensional vectors")
    return cross(trace, x, y, axis=axis)


__all__ = ["cross", "einsum"]
