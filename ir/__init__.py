"""What a program is: types, ops, functions, text, verifier, reference interpreter; imports nothing of ours.

Imported as weft.ir.
"""

if not __name__.startswith("weft."):
    raise ImportError("import weft.ir, not ir")

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
from weft.ir.options import CodeOptions, Options, RunOptions
from weft.ir.source import Location, excerpt, is_user_module, short_path, source_line

__all__ = [
    "CODES",
    "PUBLIC_ERRORS",
    "AliasError",
    "CodeOptions",
    "CompileError",
    "DTypeError",
    "Fact",
    "IndexFault",
    "InternalError",
    "Location",
    "Options",
    "OutOfMemoryError",
    "RunOptions",
    "RuntimeFault",
    "ShapeError",
    "UnsupportedError",
    "UserError",
    "WeftError",
    "describe",
    "excerpt",
    "is_user_module",
    "short_path",
    "source_line",
]
