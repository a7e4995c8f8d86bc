"""The error for a NumPy function that the table lacks: it names all others that the functions around use."""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType
from typing import Any

from weft.compiler.frontend import builtin
from weft.compiler.frontend.numpy import is_known
from weft.compiler.frontend.numpy.table import INSTEAD, name_of
from weft.compiler.frontend.rewrite import unsupported_names
from weft.compiler.frontend.trace import Trace
from weft.ir.errors import Fact, UnsupportedError


def unsupported(trace: Trace, fn: Any, functions: Iterable[FunctionType]) -> UnsupportedError:
    """The error for `fn`, called by the last of `functions`, and for all others that these name."""
    names = [
        one
        for function in functions
        for one in unsupported_names(function, lambda f: is_known(f) or f in builtin.BUILTINS)
    ]
    error = trace.refuse(f"{name_of(fn)} is not supported", "see `weft ops --numpy` for what is", "E053")
    error.facts = tuple(
        Fact("not supported", f"{one.name}, line {one.line}{_instead(one.name)}")
        for one in dict.fromkeys(names)
    )
    return error


def _instead(name: str) -> str:
    """What to use for a function, by the name that the user calls it."""
    found = INSTEAD.get(name.partition(".")[2])
    return f": {found}" if found else ""
