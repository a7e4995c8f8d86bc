"""Whole numbers: the greatest common divisor; elements as the bits that they are.

Not here: arithmetic and operations on bits (`elementwise.py`).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from weft.ir.errors import DTypeError
from weft.ir.expr import Expr, bitcast, cast, select
from weft.ir.node import Attributes, Region
from weft.ir.opdef import Arrays, OpDef, Scalar, binary, define, elements_of, random_array, with_dtype
from weft.ir.types import DTYPES, DType, Type


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


def _target(attributes: Attributes) -> DType:
    dtype = attributes["dtype"]
    assert isinstance(dtype, DType)
    return dtype


def _infer_reinterpret(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    given, wanted = elements_of(types[0]), _target(attributes)
    if given.kind not in "iuf" or wanted.kind not in "iuf" or given.bits != wanted.bits:
        raise DTypeError(f"the bits of {given} are not those of {wanted}")
    return (with_dtype(types[0], wanted),)


def _evaluate_reinterpret(attributes: Attributes, x: np.ndarray) -> np.ndarray:
    dtype = _target(attributes).numpy
    assert dtype is not None
    return np.asarray(x).view(dtype)


def _reinterpret_samples(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    for given, wanted in (
        ("float64", "i64"),
        ("float32", "u32"),
        ("int32", "f32"),
        ("uint64", "f64"),
        ("int8", "u8"),
    ):
        yield {"dtype": DTYPES[wanted]}, (random_array(rng, given, (3, 5)),)


reinterpret = define(
    OpDef("reinterpret", "The same bits as `dtype`, as wide.", _infer_reinterpret, _evaluate_reinterpret, None,
          Scalar(lambda attributes, x: bitcast(x, _target(attributes))), 0, _reinterpret_samples)
)  # fmt: skip
