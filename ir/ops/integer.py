"""Whole numbers: the greatest common divisor.

Not here: arithmetic and bits (`elementwise.py`).
"""

import numpy as np

from weft.ir.expr import Expr, cast, select
from weft.ir.node import Region
from weft.ir.opdef import binary
from weft.ir.types import DTYPES


def _gcd(x: Expr, y: Expr) -> Expr:
    """Euclid's steps until all lanes are done. Magnitudes are unsigned, so that of the smallest integer is right too."""
    builder = x.builder
    if x.dtype.kind == "i":
        unsigned = DTYPES[f"u{x.dtype.bits}"]
        return cast(_gcd(*(cast(select(e.lt(0), -e, e), unsigned) for e in (x, y))), x.dtype)
    types = [x.value.type, y.value.type]
    condition, body = Region(types), Region(types)
    inner = builder.inside(condition)
    inner.emit("yield", [inner.emit("any_lane", [inner.expr(condition.params[1]).ne(0).value]).result])
    inner = builder.inside(body)
    a, b = (inner.expr(p) for p in body.params)
    done = b.eq(0)
    divisor = select(done, b.like(1), b)
    rest = a - a.apply("divide_raw", divisor) * divisor
    inner.emit("yield", [select(done, a, b).value, select(done, b, rest).value])
    return builder.expr(builder.emit("while", [x.value, y.value], {}, [condition, body]).results[0])


gcd = binary(
    "gcd", "Greatest common divisor, 0 of two zeros.", np.gcd, kinds="iu", scalar=_gcd, flops=100, vjp=None
)
