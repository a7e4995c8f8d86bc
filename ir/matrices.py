"""Parts of rules of matrices: the last two axes exchanged, triangles, blocks of columns.

Not here: the operations (`ops/factor.py`, `ops/orthogonal.py`).
"""

from weft.ir.dims import DimLike
from weft.ir.expr import Expr, complex_of, constant, real, select
from weft.ir.rules import tensor_operand
from weft.ir.types import I64


def apply_op(x: Expr, name: str, *others: Expr, **attributes: object) -> Expr:
    """The result of an op on `x` and others."""
    op = x.builder.emit(name, [x.value, *(o.value for o in others)], attributes)  # pyright: ignore[reportArgumentType]
    return x.builder.expr(op.result)


def columns_between(x: Expr, start: DimLike, size: DimLike) -> Expr:
    """`size` columns of the matrices."""
    shape = tensor_operand([x.value.type]).shape
    first = (*(0 for _ in shape[:-1]), start)
    return apply_op(x, "slice", start=first, size=(*shape[:-1], size), step=(1,) * len(shape))


def swapped(x: Expr) -> Expr:
    """The last two axes exchanged."""
    rank = tensor_operand([x.value.type]).rank
    return apply_op(x, "transpose", axes=(*range(rank - 2), rank - 1, rank - 2))


def column_minus_row(x: Expr) -> Expr:
    """Column minus row at each place of the matrices."""
    b, shape = x.builder, tensor_operand([x.value.type]).shape
    lines = [b.expr(b.emit("iota", [], {"size": shape[k], "dtype": I64}).result) for k in (-2, -1)]
    row, column = b.broadcast(b.reshape(lines[0], (shape[-2], 1)), shape), b.broadcast(lines[1], shape)
    return column - row


def triangle(x: Expr, *, lower: bool, diagonal: bool = True) -> Expr:
    """One triangle, 0 elsewhere."""
    d = column_minus_row(x)
    keep = (d.le(0) if diagonal else d.lt(0)) if lower else (d.ge(0) if diagonal else d.gt(0))
    return select(keep, x, constant(x, 0.0))


def adjoint(x: Expr) -> Expr:
    """The conjugate with the last two axes exchanged."""
    return swapped(conjugate(x))


def conjugate(x: Expr) -> Expr:
    """The conjugate; of real numbers themselves."""
    return x.apply("conjugate") if x.dtype.is_complex else x


def with_real_diagonal(x: Expr) -> Expr:
    """Square matrices whose diagonal has lost its imaginary parts."""
    if not x.dtype.is_complex:
        return x
    return select(column_minus_row(x).eq(0), complex_of(real(x), 0), x)
