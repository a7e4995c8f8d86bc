"""What a program is: types, operations, functions, text, verifier, reference interpreter. Imports nothing of ours."""

if not __name__.startswith("weft."):
    raise ImportError("import weft.ir, not ir")

from weft.ir import ops as ops  # fills the registry
from weft.ir.builder import Builder
from weft.ir.errors import (
    CODES,
    PUBLIC_ERRORS,
    AliasError,
    CompileError,
    DTypeError,
    Fact,
    IndexFault,
    InternalError,
    OutOfMemoryError,
    RuntimeFault,
    ShapeError,
    UnsupportedError,
    UserError,
    WeftError,
    describe,
)
from weft.ir.expr import Expr
from weft.ir.node import Func, Op, Region, Value
from weft.ir.opdef import REGISTRY, record
from weft.ir.options import CodeOptions, Options, RunOptions
from weft.ir.source import Location, excerpt, is_user_module, short_path, source_line
from weft.ir.types import BufferType, DType, IndexType, TensorType, Type, VectorType

__all__ = [
    "REGISTRY", "BufferType", "Builder", "DType", "Expr", "Func", "IndexType", "Op", "Region", "TensorType", "Type", "Value",
    "VectorType", "record",
    "CODES", "PUBLIC_ERRORS", "AliasError", "CodeOptions", "CompileError", "DTypeError", "Fact", "IndexFault",
    "InternalError", "Location", "Options", "OutOfMemoryError", "RunOptions", "RuntimeFault", "ShapeError",
    "UnsupportedError", "UserError", "WeftError", "describe", "excerpt", "is_user_module", "short_path", "source_line",
]  # fmt: skip
