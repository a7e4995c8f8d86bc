"""Rounding and fused multiply-add for targets without the instructions: x86-64 before SSE4.1 and FMA.

Not here: what targets with the instructions do (`spell.py`).
"""

from weft.backends.cpu.writer import Writer, lanes_text, literal, scalar_text, splat_text, suffix, type_text
from weft.ir import VectorType
from weft.ir.types import BOOL, F64, I64


class Lanes:
    """Short spellings for values of one type."""

    def __init__(self, writer: Writer, ty: VectorType) -> None:
        self.writer = writer
        self.ty = ty
        self.text = type_text(ty)
        self.mask = type_text(VectorType(BOOL, ty.lanes))

    def number(self, number: float) -> str:
        """A constant in all lanes."""
        return splat_text(literal(number, self.ty.dtype), scalar_text(self.ty.dtype), self.ty.lanes)

    def do(self, word: str, a: str, b: str) -> str:
        """One instruction on two operands."""
        return self.writer.let(f"{word} {self.text} {a}, {b}")

    def select(self, mask: str, a: str, b: str) -> str:
        """A choice by a mask."""
        return self.writer.let(f"select {self.mask} {mask}, {self.text} {a}, {self.text} {b}")

    def both(self, a: str, b: str) -> str:
        """Two masks."""
        return self.writer.let(f"and {self.mask} {a}, {b}")

    def bitcast(self, to: "Lanes", text: str) -> str:
        """The same bits as lanes of another type."""
        return self.writer.let(f"bitcast {self.text} {text} to {to.text}")

    def call(self, name: str, *operands: str) -> str:
        """An intrinsic."""
        texts = ", ".join(f"{self.text} {o}" for o in operands)
        return self.writer.let(f"call {self.text} @llvm.{name}.{suffix(self.ty)}({texts})")


def expand_rounding(writer: Writer, name: str, ty: VectorType, x: str) -> str:
    """floor, ceil, trunc or rint: numbers below 2^digits are rounded by adding and taking away that power."""
    lanes = Lanes(writer, ty)
    limit = lanes.number(2.0 ** (23 if ty.dtype.bits == 32 else 52))
    one = lanes.number(1.0)
    size = lanes.call("fabs", x)
    nearest = lanes.do("fsub", lanes.do("fadd", size, limit), limit)  # of |x|, half to even
    if name == "trunc":
        down = lanes.do("fsub", nearest, one)
        nearest = lanes.select(lanes.do("fcmp ogt", nearest, size), down, nearest)
    rounded = lanes.call("copysign", nearest, x)
    if name == "floor":
        rounded = lanes.select(lanes.do("fcmp ogt", rounded, x), lanes.do("fsub", rounded, one), rounded)
    elif name == "ceil":
        rounded = lanes.select(lanes.do("fcmp olt", rounded, x), lanes.do("fadd", rounded, one), rounded)
    signed = lanes.call("copysign", rounded, x)  # -0.0 stays, and ceil(-0.5) is -0.0
    return lanes.select(lanes.do("fcmp olt", size, limit), signed, x)  # NaN and large numbers are themselves


def expand_fma(writer: Writer, ty: VectorType, a: str, b: str, c: str) -> str:
    """a * b + c: exact for f32 by way of f64; for f64 up to the rounding of an error term."""
    return (
        _fma_single(writer, ty, a, b, c) if ty.dtype.bits == 32 else _fma_double(Lanes(writer, ty), a, b, c)
    )


def _fma_single(writer: Writer, ty: VectorType, a: str, b: str, c: str) -> str:
    """The product is exact in f64; the sum is rounded to odd, so that a second rounding is right.

    Source: Boldo and Melquiond 2008.
    """
    wide = Lanes(writer, VectorType(F64, ty.lanes))
    a, b, c = (writer.let(f"fpext {type_text(ty)} {x} to {wide.text}") for x in (a, b, c))
    product = wide.do("fmul", a, b)
    total, error = _two_sum(wide, product, c)
    integers = Lanes(writer, VectorType(I64, ty.lanes))
    bits = writer.let(f"bitcast {wide.text} {total} to {integers.text}")
    zero, one = (splat_text(n, "i64", ty.lanes) for n in ("0", "1"))
    is_even = integers.do("icmp eq", integers.do("and", bits, one), zero)
    is_inexact = wide.both(wide.do("fcmp one", error, wide.number(0.0)), is_even)
    is_up, is_negative = (
        wide.do(word, x, wide.number(0.0)) for word, x in (("fcmp ogt", error), ("fcmp olt", total))
    )
    grows = writer.let(f"xor {wide.mask} {is_up}, {is_negative}")
    up, down = integers.do("add", bits, one), integers.do("sub", bits, one)
    odd = integers.select(is_inexact, integers.select(grows, up, down), bits)
    total = writer.let(f"bitcast {integers.text} {odd} to {wide.text}")
    return writer.let(f"fptrunc {wide.text} {total} to {lanes_text('float', ty.lanes)}")


def _two_sum(lanes: Lanes, x: str, y: str) -> tuple[str, str]:
    """x + y rounded, and what the rounding lost. Knuth."""
    total = lanes.do("fadd", x, y)
    part = lanes.do("fsub", total, x)
    rest = lanes.do("fsub", x, lanes.do("fsub", total, part))
    return total, lanes.do("fadd", rest, lanes.do("fsub", y, part))


def _fma_double(lanes: Lanes, a: str, b: str, c: str) -> str:
    """By Dekker's product; where it overflows, a * b + c with two roundings."""
    product = lanes.do("fmul", a, b)
    (a_high, a_low), (b_high, b_low) = _split(lanes, a), _split(lanes, b)
    lost = lanes.do("fsub", lanes.do("fmul", a_high, b_high), product)
    lost = lanes.do("fadd", lost, lanes.do("fmul", a_high, b_low))
    lost = lanes.do("fadd", lost, lanes.do("fmul", a_low, b_high))
    lost = lanes.do("fadd", lost, lanes.do("fmul", a_low, b_low))
    total, error = _two_sum(lanes, product, c)
    error = lanes.do("fadd", error, lost)
    better = lanes.do("fadd", total, error)
    is_useful = lanes.do("fcmp one", error, lanes.number(0.0))  # false for NaN
    is_finite = lanes.do("fcmp olt", lanes.call("fabs", better), lanes.number(float("inf")))
    return lanes.select(lanes.both(is_useful, is_finite), better, total)


def _split(lanes: Lanes, x: str) -> tuple[str, str]:
    """x as a sum of two numbers of 26 digits. Veltkamp."""
    scaled = lanes.do("fmul", x, lanes.number(2.0**27 + 1.0))
    high = lanes.do("fsub", scaled, lanes.do("fsub", scaled, x))
    return high, lanes.do("fsub", x, high)
