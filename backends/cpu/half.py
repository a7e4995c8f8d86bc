"""How float16, 16 bits in a register, becomes float32 and back: an instruction, or integer arithmetic.

Not here: arithmetic on float16, of which programs have none (`compiler/passes/widen_half.py`).
"""

from weft.backends.cpu.expand import Lanes
from weft.backends.cpu.writer import Writer, lanes_text
from weft.ir import VectorType
from weft.ir.types import F32, U32


def widen(writer: Writer, lanes: int, text: str) -> str:
    """float32 of 16 bits."""
    if writer.module.target.has_half:
        half = writer.let(f"bitcast {lanes_text('i16', lanes)} {text} to {lanes_text('half', lanes)}")
        return writer.let(f"fpext {lanes_text('half', lanes)} {half} to {lanes_text('float', lanes)}")
    bits, floats = Lanes(writer, VectorType(U32, lanes)), Lanes(writer, VectorType(F32, lanes))
    wide = writer.let(f"zext {lanes_text('i16', lanes)} {text} to {bits.text}")
    size = bits.do("and", wide, bits.number(0x7FFF))
    moved = bits.do("shl", size, bits.number(13))
    # the exponent is 112 too low, which a product puts right for denormals too
    scaled = floats.do("fmul", bits.bitcast(floats, moved), floats.number(2.0**112))
    finite = floats.bitcast(bits, scaled)
    other = bits.do("or", moved, bits.number(0x7F800000))
    chosen = bits.select(bits.do("icmp uge", size, bits.number(0x7C00)), other, finite)
    sign = bits.do("shl", bits.do("and", wide, bits.number(0x8000)), bits.number(16))
    return bits.bitcast(floats, bits.do("or", chosen, sign))


def narrow(writer: Writer, lanes: int, text: str) -> str:
    """The 16 bits nearest to float32, halves to even. Source: Giesen 2012, "float->half variants"."""
    if writer.module.target.has_half:
        half = writer.let(f"fptrunc {lanes_text('float', lanes)} {text} to {lanes_text('half', lanes)}")
        return writer.let(f"bitcast {lanes_text('half', lanes)} {half} to {lanes_text('i16', lanes)}")
    bits, floats = Lanes(writer, VectorType(U32, lanes)), Lanes(writer, VectorType(F32, lanes))
    whole = floats.bitcast(bits, text)
    sign = bits.do("and", whole, bits.number(0x80000000))
    size = bits.do("xor", whole, sign)
    is_nan = bits.do("icmp ugt", size, bits.number(0x7F800000))
    special = bits.select(is_nan, bits.number(0x7E00), bits.number(0x7C00))
    # a float whose last bit is worth that of a denormal: the sum rounds
    aligned = floats.do("fadd", bits.bitcast(floats, size), floats.number(0.5))
    denormal = bits.do("sub", floats.bitcast(bits, aligned), bits.number(0x3F000000))
    odd = bits.do("and", bits.do("lshr", size, bits.number(13)), bits.number(1))
    rounded = bits.do("add", bits.do("add", size, bits.number(0xC8000FFF)), odd)
    normal = bits.do("lshr", rounded, bits.number(13))
    small = bits.do("icmp ult", size, bits.number(113 << 23))
    finite = bits.select(small, denormal, normal)
    chosen = bits.select(bits.do("icmp uge", size, bits.number(143 << 23)), special, finite)
    full = bits.do("or", chosen, bits.do("lshr", sign, bits.number(16)))
    return writer.let(f"trunc {bits.text} {full} to {lanes_text('i16', lanes)}")
