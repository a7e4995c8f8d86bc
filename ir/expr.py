"""`Expr`: a handle of a value with operators, in which rules are written.

It serves both levels: derivatives are written on tensors, scalar rules and math on the lanes of the loop
level. Every operation appends one op to the builder's region. Python numbers become constants of the other
operand's type. Not here: promotion (operands must have equal types already), nor anything a user sees.
"""

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from weft.ir.node import Value
from weft.ir.types import BOOL, I64, DType, TensorType, VectorType

if TYPE_CHECKING:
    from weft.ir.builder import Builder

Number = int | float | bool | complex


class Expr:
    """A value and the builder that continues from it."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: "Builder", value: Value) -> None:
        self.builder = builder
        self.value = value

    @property
    def type(self) -> TensorType | VectorType:
        """Type of the value, a tensor or lanes."""
        ty = self.value.type
        assert isinstance(ty, TensorType | VectorType), ty
        return ty

    @property
    def dtype(self) -> DType:
        """Type of one element."""
        return self.type.dtype

    def like(self, other: "Expr | Number") -> "Expr":
        """`other` as an expression of this one's type."""
        return other if isinstance(other, Expr) else constant(self, other)

    def apply(self, name: str, *others: "Expr | Number") -> "Expr":
        """The op `name` of this and others; an index that is known, or one of the two, takes no op."""
        if name in _INDEX_ARITHMETIC and len(others) == 1 and is_index(self.value):
            known = _known(name, self, others[0])
            if known is not None:
                return known
            return Expr(self.builder, self.builder.arithmetic(name, [self.value, self.like(others[0]).value]))
        operands = [self.value, *(self.like(o).value for o in others)]
        return Expr(self.builder, self.builder.emit(name, operands).result)

    # fmt: off
    def __add__(self, other: "Expr | Number") -> "Expr": return self.apply("add", other)
    def __radd__(self, other: Number) -> "Expr": return self.like(other).apply("add", self)
    def __sub__(self, other: "Expr | Number") -> "Expr": return self.apply("subtract", other)
    def __rsub__(self, other: Number) -> "Expr": return self.like(other).apply("subtract", self)
    def __mul__(self, other: "Expr | Number") -> "Expr": return self.apply("multiply", other)
    def __rmul__(self, other: Number) -> "Expr": return self.like(other).apply("multiply", self)
    def __truediv__(self, other: "Expr | Number") -> "Expr": return self.apply("divide", other)
    def __rtruediv__(self, other: Number) -> "Expr": return self.like(other).apply("divide", self)
    def __neg__(self) -> "Expr": return self.apply("negative")
    def __and__(self, other: "Expr | Number") -> "Expr": return self.apply("bitwise_and", other)
    def __or__(self, other: "Expr | Number") -> "Expr": return self.apply("bitwise_or", other)
    def __xor__(self, other: "Expr | Number") -> "Expr": return self.apply("bitwise_xor", other)
    def __invert__(self) -> "Expr": return self.apply("invert")
    def __lshift__(self, other: "Expr | Number") -> "Expr": return self.apply("shift_left_raw", other)
    def __rshift__(self, other: "Expr | Number") -> "Expr": return self.apply("shift_right_raw", other)
    # fmt: on

    def lt(self, other: "Expr | Number") -> "Expr":
        """Whether each lane is below that of `other`."""
        return self.apply("less", other)

    def le(self, other: "Expr | Number") -> "Expr":
        """Whether each lane is not above that of `other`."""
        return self.apply("less_equal", other)

    def gt(self, other: "Expr | Number") -> "Expr":
        """Whether each lane is above that of `other`."""
        return self.apply("greater", other)

    def ge(self, other: "Expr | Number") -> "Expr":
        """Whether each lane is not below that of `other`."""
        return self.apply("greater_equal", other)

    def eq(self, other: "Expr | Number") -> "Expr":
        """Whether each lane is equal to that of `other`."""
        return self.apply("equal", other)

    def ne(self, other: "Expr | Number") -> "Expr":
        """Whether each lane is not equal to that of `other`."""
        return self.apply("not_equal", other)


def is_index(value: Value) -> bool:
    """Whether a value is an i64 scalar of the loop level."""
    ty = value.type
    return type(ty) is VectorType and ty.lanes == 1 and ty.dtype is I64


def number_of(e: "Expr | Number") -> int | None:
    """A whole number that is known."""
    if isinstance(e, Expr):
        op = e.value.op
        e = op.attributes["value"] if op is not None and op.name == "constant" else 0.5  # pyright: ignore[reportAssignmentType]
    return int(e) if isinstance(e, int) else None


_INDEX_ARITHMETIC: dict[str, Callable[[int, int], int | bool | None]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide_raw": lambda a, b: None if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1),
    "minimum": min,
    "maximum": max,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
}
_NEUTRAL = {"add": 0, "subtract": 0, "multiply": 1, "divide_raw": 1}


def _known(name: str, a: Expr, b: "Expr | Number") -> Expr | None:
    """The result of index arithmetic if it is a number that fits, or one of the operands."""
    x, y = number_of(a), number_of(b)
    if x is not None and y is not None:
        found = _INDEX_ARITHMETIC[name](x, y)
        if found is None or not -(1 << 63) <= found < 1 << 63:
            return None
        return constant(a, found, BOOL if isinstance(found, bool) else None)
    if y is not None and y == _NEUTRAL.get(name):
        return Expr(a.builder, a.value)
    if isinstance(b, Expr) and x is not None and name in ("add", "multiply") and x == _NEUTRAL[name]:
        return Expr(a.builder, b.value)
    return constant(a, 0) if name == "multiply" and 0 in (x, y) else None


def constant(like: Expr, number: Number, dtype: DType | None = None) -> Expr:
    """A number in every lane or element of `like`'s type, of another dtype if given."""
    # the link farm of the checker shows this class twice
    return like.builder.full_like(like.type, number, dtype or like.dtype)  # pyright: ignore[reportReturnType]


def fma(a: Expr, b: Expr | Number, c: Expr | Number) -> Expr:
    """a * b + c with one rounding. Loop level only: math and dot."""
    return a.apply("fma", b, c)


def select(mask: Expr, a: Expr | Number, b: Expr | Number) -> Expr:
    """`a` where the mask is true, else `b`; at least one is an Expr."""
    if not isinstance(a, Expr):
        assert isinstance(b, Expr)
        a = b.like(a)
    op = mask.value.op
    if op is not None and op.name == "constant" and is_index(a.value):
        return Expr(mask.builder, (a if op.attributes["value"] else a.like(b)).value)
    return Expr(mask.builder, mask.builder.emit("select", [mask.value, a.value, a.like(b).value]).result)


# fmt: off
def sqrt(a: Expr) -> Expr: return a.apply("sqrt")  # noqa: D103
def absolute(a: Expr) -> Expr: return a.apply("absolute")  # noqa: D103
def floor(a: Expr) -> Expr: return a.apply("floor")  # noqa: D103
def ceil(a: Expr) -> Expr: return a.apply("ceil")  # noqa: D103
def trunc(a: Expr) -> Expr: return a.apply("trunc")  # noqa: D103
def rint(a: Expr) -> Expr: return a.apply("rint")  # noqa: D103
def copysign(a: Expr, b: Expr | Number) -> Expr: return a.apply("copysign", b)  # noqa: D103
def minimum(a: Expr, b: Expr | Number) -> Expr: return a.apply("minimum", b)  # noqa: D103
def maximum(a: Expr, b: Expr | Number) -> Expr: return a.apply("maximum", b)  # noqa: D103
# fmt: on


def real(a: Expr) -> Expr:
    """The real part; of real numbers themselves."""
    return a.apply("real") if a.dtype.is_complex else a


def imag(a: Expr) -> Expr:
    """The imaginary part; of real numbers 0."""
    return a.apply("imag") if a.dtype.is_complex else constant(a, 0)


def complex_of(re: Expr, im: "Expr | Number") -> Expr:
    """The complex numbers of these parts."""
    return re.apply("complex", im)


def cast(a: Expr, dtype: DType) -> Expr:
    """Convert elements as DESIGN D15 says; no op if the dtype is the same."""
    if a.dtype == dtype:
        return a
    return Expr(a.builder, a.builder.emit("cast", [a.value], {"dtype": dtype}).result)


def bitcast(a: Expr, dtype: DType) -> Expr:
    """The same bits as another dtype of the same width. Loop level only."""
    return Expr(a.builder, a.builder.emit("bitcast", [a.value], {"dtype": dtype}).result)


def lookup(table: Sequence[Number], dtype: DType, index: Expr) -> Expr:
    """Element `index` (i64, in range) of a small constant table. Loop level only."""
    attributes = {"table": tuple(table), "dtype": dtype}
    return Expr(index.builder, index.builder.emit("lookup", [index.value], attributes).result)


def logical_not(mask: Expr) -> Expr:
    """The other truth value."""
    assert mask.dtype == BOOL
    return mask.apply("logical_not")
