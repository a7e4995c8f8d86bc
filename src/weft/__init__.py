"""Weft: NumPy functions compiled into fused native kernels.

Holds the public names and nothing else. What a call needs is loaded with them: the first result shall
not wait for tracing, the disk cache and the call entry. Passes, code generation and llvmlite are loaded by
the first program that is not in the cache, the other names at their first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

import numpy as _numpy  # noqa: F401  # pyright: ignore[reportUnusedImport]  promise 5: NumPy alone is loaded

from weft.version import VERSION

if TYPE_CHECKING:
    from weft.callbacks import callback
    from weft.config import disabled, options
    from weft.control import cond, fori_loop, scan, while_loop
    from weft.custom import custom_op
    from weft.exporting.export import export
    from weft.ir import (
        AliasError,
        CompileError,
        DTypeError,
        IndexFault,
        InternalError,
        OutOfMemoryError,
        RuntimeFault,
        ShapeError,
        UnsupportedError,
        UserError,
        WeftError,
    )
    from weft.library import load_library
    from weft.runtime.checkpoint import Checkpointer, load, save
    from weft.runtime.variables import Module, Variable, variables
    from weft.transforms import (
        custom_gradient,
        grad,
        hessian,
        hvp,
        jacobian,
        jvp,
        remat,
        stop_gradient,
        value_and_grad,
        vjp,
    )

__version__ = VERSION

# fmt: off
_HOMES = {
    "weft.batched": ("vmap",),
    "weft.callbacks": ("callback",),
    "weft.config": ("disabled", "options"),
    "weft.ir": ("AliasError", "CompileError", "DTypeError", "IndexFault", "InternalError", "OutOfMemoryError",
                "RuntimeFault", "ShapeError", "UnsupportedError", "UserError", "WeftError"),
    "weft.exporting.export": ("export",),
    "weft.partial": ("name",),
    "weft.library": ("load_library",),
    "weft.runtime.checkpoint": ("Checkpointer", "load", "save"),
    "weft.runtime.variables": ("Module", "Variable", "variables"),
    "weft.custom": ("custom_op",),
    "weft.control": ("cond", "fori_loop", "scan", "while_loop"),
    "weft.transforms": ("custom_gradient", "grad", "hessian", "hvp", "jacobian", "jvp", "remat",
                        "stop_gradient", "value_and_grad", "vjp"),
}
_MODULES = ("config", "nn", "numpy", "optim", "random", "testing")
_UNBUILT = (
    "device",
    "devices",
)
# fmt: on

_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AliasError",
    "Checkpointer",
    "CompileError",
    "DTypeError",
    "IndexFault",
    "InternalError",
    "Module",
    "OutOfMemoryError",
    "RuntimeFault",
    "ShapeError",
    "UnsupportedError",
    "UserError",
    "Variable",
    "WeftError",
    "callback",
    "compile",
    "cond",
    "custom_gradient",
    "custom_op",
    "disabled",
    "export",
    "fori_loop",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "load",
    "load_library",
    "options",
    "remat",
    "save",
    "scan",
    "spec",
    "stop_gradient",
    "value_and_grad",
    "variables",
    "vjp",
    "while_loop",
]


def __getattr__(name: str) -> object:
    """Load the public name at its first use and keep it."""
    if name in _HOME_OF:
        value = getattr(import_module(_HOME_OF[name]), name)
    elif name in _MODULES:
        value = import_module(f"weft.{name}")
    elif name in _UNBUILT:
        value = import_module("weft.unbuilt").Unbuilt(f"weft.{name}")
    else:
        raise AttributeError(f"module 'weft' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, those not loaded yet included."""
    return sorted({*globals(), *_HOME_OF, *_MODULES, *_UNBUILT})


from weft.api import compile, spec  # last: what it loads takes names from here
