"""The records of all operations; importing this package fills the registry."""

from weft.ir.ops import (
    control,
    conv,
    custom,
    elementwise,
    factor,
    fourier,
    index,
    integer,
    linalg,
    loop,
    orthogonal,
    reduce,
    scan,
    shape,
    sort,
)

__all__ = [
    "control",
    "conv",
    "custom",
    "elementwise",
    "factor",
    "fourier",
    "index",
    "integer",
    "linalg",
    "loop",
    "orthogonal",
    "reduce",
    "scan",
    "shape",
    "sort",
]
