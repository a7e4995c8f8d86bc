"""From a Python function to a tensor-level program.

`trace`, specs of arguments, what a traced program consists of.
"""

from weft.compiler.frontend.arguments import (
    ArgumentSpec,
    ArraySpec,
    FloatSpec,
    IntSpec,
    ScalarSpec,
    StaticSpec,
    spec_of,
)
from weft.compiler.frontend.assumption import SizeGuard
from weft.compiler.frontend.capture import ObjectGuard, Parameter, TraceOptions
from weft.compiler.frontend.entry import Traced, trace
from weft.compiler.frontend.result import (
    Effect,
    Picked,
    ResultConstant,
    ResultNode,
    ResultObject,
    ResultSize,
    ResultTree,
    ResultValue,
    ResultView,
)

__all__ = [
    "ArgumentSpec",
    "ArraySpec",
    "Effect",
    "FloatSpec",
    "IntSpec",
    "ObjectGuard",
    "Parameter",
    "Picked",
    "ResultConstant",
    "ResultNode",
    "ResultObject",
    "ResultSize",
    "ResultTree",
    "ResultValue",
    "ResultView",
    "ScalarSpec",
    "SizeGuard",
    "StaticSpec",
    "TraceOptions",
    "Traced",
    "spec_of",
    "trace",
]
