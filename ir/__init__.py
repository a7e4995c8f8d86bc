"""What a program is: types, operations, functions, text, verifier, interpreter. Imports nothing of ours."""

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
from weft.ir.interp import interpret
from weft.ir.memory import Traffic
from weft.ir.node import Func, Op, Region, Value
from weft.ir.opdef import REGISTRY, record
from weft.ir.options import CodeOptions, Options, RunOptions
from weft.ir.parse import ParseError
from weft.ir.rewrite import Cloner, copy_function, fresh_name, inline, remove_dead, rewrite, symbol_names
from weft.ir.source import Location, excerpt, is_user_module, short_path, source_line
from weft.ir.text import equal, parse, show
from weft.ir.types import BufferType, DType, IndexType, TensorType, Type, VectorType
from weft.ir.verify import verify
from weft.ir.walk import free_values, uses, walk

__all__ = [
    "CODES",
    "PUBLIC_ERRORS",
    "REGISTRY",
    "AliasError",
    "BufferType",
    "Builder",
    "Cloner",
    "CodeOptions",
    "CompileError",
    "DType",
    "DTypeError",
    "Expr",
    "Fact",
    "Func",
    "IndexFault",
    "IndexType",
    "InternalError",
    "Location",
    "Op",
    "Options",
    "OutOfMemoryError",
    "ParseError",
    "Region",
    "RunOptions",
    "RuntimeFault",
    "ShapeError",
    "TensorType",
    "Traffic",
    "Type",
    "UnsupportedError",
    "UserError",
    "Value",
    "VectorType",
    "WeftError",
    "copy_function",
    "describe",
    "equal",
    "excerpt",
    "free_values",
    "fresh_name",
    "inline",
    "interpret",
    "is_user_module",
    "parse",
    "record",
    "remove_dead",
    "rewrite",
    "short_path",
    "show",
    "source_line",
    "symbol_names",
    "uses",
    "verify",
    "walk",
]  # fmt: skip
