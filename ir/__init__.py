"""What a program is: types, operations, functions, text, verifier, reference interpreter. Imports nothing of ours."""

if not __name__.startswith("weft."):
    raise ImportError("import weft.ir, not ir")

from weft.ir import ops as ops  # fills the registry
from weft.ir.builder import Builder
from weft.ir.expr import Expr
from weft.ir.node import Func, Op, Region, Value
from weft.ir.opdef import REGISTRY, record
from weft.ir.types import BufferType, DType, IndexType, TensorType, Type, VectorType

__all__ = [
    "REGISTRY", "BufferType", "Builder", "DType", "Expr", "Func", "IndexType", "Op", "Region", "TensorType", "Type", "Value",
    "VectorType", "record",
]  # fmt: skip
