"""What the math functions share: facts of float formats, polynomials, sums and products with their error.

Not here: any function of mathematics. Everything is written for lanes of any width and without branches, but
for `where_any` and `repeat`, which skip work that no lane needs.
"""

from collections.abc import Callable, Sequence

from weft.ir import Builder, DType, Expr, Region
from weft.ir.dataclass import dataclass
from weft.ir.expr import constant, fma, select
from weft.ir.types import F32, F64, I32, I64, U32, U64

INFINITY = float("inf")
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Format:
    """A binary float format: widths, and the numbers that its bit tricks need."""

    dtype: DType
    signed: DType
    unsigned: DType
    fraction_bits: int
    bias: int

    @property
    def name(self) -> str:
        """`f32` or `f64`."""
        return self.dtype.name

    @property
    def sign_mask(self) -> int:
        """The sign bit."""
        return 1 << (self.dtype.bits - 1)

    @property
    def fraction_mask(self) -> int:
        """The bits below the exponent."""
        return (1 << self.fraction_bits) - 1

    @property
    def shifter(self) -> float:
        """1.5 * 2**fraction_bits: adding it rounds to an integer, which then is the low bits of the sum."""
        return 1.5 * 2.0**self.fraction_bits

    @property
    def smallest_normal(self) -> float:
        """The smallest number with all its bits."""
        return 2.0 ** (1 - self.bias)

    @property
    def one_bits(self) -> int:
        """Bit pattern of 1.0."""
        return self.bias << self.fraction_bits


FORMATS = {"f32": Format(F32, I32, U32, 23, 127), "f64": Format(F64, I64, U64, 52, 1023)}


def format_of(x: Expr) -> Format:
    """The float format of `x`."""
    return FORMATS[x.dtype.name]


# ---------------------------------------------------------------- bits


def to_bits(x: Expr) -> Expr:
    """The bits as an unsigned integer."""
    return x.apply("bitcast_unsigned") if x.dtype.is_integer else _recast(x, format_of(x).unsigned)


def from_bits(bits: Expr, form: Format) -> Expr:
    """The float with these bits."""
    return _recast(bits, form.dtype)


def _recast(x: Expr, dtype: DType) -> Expr:
    return Expr(x.builder, x.builder.emit("bitcast", [x.value], {"dtype": dtype}).result)


def magnitude(x: Expr) -> Expr:
    """|x|, one instruction."""
    return x.apply("absolute_raw")


def sign_of(x: Expr) -> Expr:
    """The sign bit of `x`, all other bits 0."""
    return to_bits(x) & format_of(x).sign_mask


def with_sign(positive: Expr, sign: Expr) -> Expr:
    """`positive` (its sign bit clear) with the bits `sign` set."""
    return from_bits(to_bits(positive) | sign, format_of(positive))


def flip_sign(x: Expr, sign: Expr) -> Expr:
    """`x` with its sign bit flipped where `sign` has it."""
    return from_bits(to_bits(x) ^ sign, format_of(x))


def power_of_two(sum_with_shifter: Expr) -> Expr:
    """2**n as a float; the operand is n + bias + shifter (`Format.shifter`), n + bias a normal exponent."""
    form = format_of(sum_with_shifter)
    return from_bits(to_bits(sum_with_shifter) << form.fraction_bits, form)


# ---------------------------------------------------------------- choice and bounds


def clamp(x: Expr, low: float, high: float) -> Expr:
    """`x` within bounds; NaN stays (written so that it is one min and one max instruction)."""
    x = select(x.gt(high), constant(x, high), x)
    return select(x.lt(low), constant(x, low), x)


def larger(x: Expr, y: Expr) -> Expr:
    """The larger of two; y if either is NaN."""
    return select(x.gt(y), x, y)


def smaller(x: Expr, y: Expr) -> Expr:
    """The smaller of two; y if either is NaN."""
    return select(x.lt(y), x, y)


def where_any(
    mask: Expr, operands: Sequence[Expr], rare: Callable[..., Sequence[Expr]], usual: Sequence[Expr]
) -> list[Expr]:
    """`rare(*operands)` in the lanes of `mask`, `usual` in others; `rare` is skipped if no lane is set."""
    builder = mask.builder

    def then(inner: Builder) -> list[Expr]:
        found = rare(*(inner.expr(x.value) for x in operands))
        chosen = inner.expr(mask.value)
        return [select(chosen, a, inner.expr(b.value)) for a, b in zip(found, usual, strict=True)]

    def otherwise(inner: Builder) -> list[Expr]:
        return [inner.expr(x.value) for x in usual]

    return builder.branch(mask.apply("any_lane"), then, otherwise, {"rare": True})


def repeat(
    state: Sequence[Expr], condition: Callable[..., Expr], step: Callable[..., Sequence[Expr]]
) -> list[Expr]:
    """Each lane repeats `state = step(*state)` while `condition(*state)` holds for it."""
    builder = state[0].builder
    types = [x.value.type for x in state]
    test, body = Region(types), Region(types)
    inside = builder.inside(test)
    going = condition(*(inside.expr(p) for p in test.params)).apply("any_lane")
    inside.emit("yield", [going.value])
    inside = builder.inside(body)
    old = [inside.expr(p) for p in body.params]
    active = condition(*old)
    new = [select(active, a, b) for a, b in zip(step(*old), old, strict=True)]
    inside.emit("yield", [x.value for x in new])
    op = builder.emit("while", [x.value for x in state], {}, [test, body])
    return [builder.expr(r) for r in op.results]


# ---------------------------------------------------------------- arithmetic


def polynomial(x: Expr, coefficients: Sequence[float]) -> Expr:
    """The polynomial with ascending coefficients at `x`, by Horner's rule with fma: fewest instructions."""
    result = constant(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result = fma(result, x, coefficient)
    return result


def fast_sum(a: Expr, b: Expr) -> tuple[Expr, Expr]:
    """a + b and its rounding error, for |a| >= |b| or a == 0 (Dekker 1971)."""
    total = a + b
    return total, b - (total - a)


def exact_sum(a: Expr, b: Expr) -> tuple[Expr, Expr]:
    """a + b and its rounding error (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def exact_product(a: Expr, b: Expr) -> tuple[Expr, Expr]:
    """a * b and its rounding error."""
    product = a * b
    return product, fma(a, b, -product)
