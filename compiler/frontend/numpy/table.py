"""The table of NumPy functions: from the function object, by identity, to a composition of builder calls.

A composition takes the trace first, then the function's arguments. Keywords that it does not name are
refused, not ignored. Not here: the compositions themselves, in the other files of this folder.
"""

from __future__ import annotations

import functools
import inspect
import operator
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from weft.compiler.frontend.numpy.refusal import MISTAKES, as_numpy_raises
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import BoundMethod, Forwarded, TracedArray

Composition = Callable[..., Any]
C = TypeVar("C", bound=Composition)

FUNCTIONS: dict[Any, Composition] = {}

INSTEAD = {
    "polynomial.Polynomial": "use the functions of np.polynomial.polynomial",
    "row_stack": "use np.vstack",
    "memmap": "use np.memmap outside of the compiled function, passed as an argument",
    "load": "load it outside of the compiled function, and pass the array",
    **dict.fromkeys(("save", "savez", "savez_compressed", "savetxt"), "save it by weft.callback"),
    "nested_iters": "use a loop over np.ndindex",
    "frombuffer": "pass the array, or use x.view(dtype)",
}
"""What to use for functions that the table lacks, by their names after `np.`."""

LATER: dict[str, Callable[[], None]] = {}
"""What enters the functions of a module that Weft does not load, once that is loaded."""


def implements(*functions: Any) -> Callable[[C], C]:
    """Register a composition as the meaning of some functions."""

    def register(composition: C) -> C:
        for fn in functions:
            enter(fn, composition)
        return composition

    return register


def enter(fn: Any, composition: Composition) -> None:
    """Register one composition; a second one for the same function is an error."""
    assert FUNCTIONS.get(fn, composition) is composition, fn
    FUNCTIONS[fn] = composition


@functools.cache
def _keywords(composition: Composition) -> frozenset[str] | None:
    """The keywords that a composition takes; None for any."""
    parameters = list(inspect.signature(composition).parameters.values())[1:]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    return None if takes_any else frozenset(p.name for p in parameters)


def is_known(fn: Any) -> bool:
    """Whether the table has it."""
    for name in [name for name in LATER if name in sys.modules]:
        LATER.pop(name)()
    try:
        return fn in FUNCTIONS
    except TypeError:
        return False


def name_of(fn: Any) -> str:
    """How a user calls it."""
    owner = getattr(fn, "__self__", None)
    if owner is not None and not inspect.ismodule(owner):
        return f"{name_of(owner)}.{fn.__name__}"
    module = getattr(fn, "__module__", None) or type(fn).__module__
    name = getattr(fn, "__qualname__", None) or getattr(fn, "__name__", repr(fn))
    return name if module == "builtins" else f"{module.replace('numpy', 'np', 1)}.{name}"


def _may_be_written(out: Any) -> bool:
    """Whether a value may be given as `out`."""
    if isinstance(out, tuple):
        return all(map(_may_be_written, out))
    return out is None or out is Ellipsis or isinstance(out, TracedArray | Forwarded)


_WITH_DEVICE: frozenset[Any] = frozenset((
    np.arange, np.asarray, np.asanyarray, np.empty, np.empty_like, np.eye, np.full, np.full_like, np.linspace,
    np.ones, np.ones_like, np.zeros, np.zeros_like, np.fft.fftfreq, np.fft.rfftfreq,
))  # fmt: skip
"""Functions that take the array API's `device`, which NumPy knows one of."""


def _check_device(device: Any) -> None:
    if device not in (None, "cpu"):
        raise ValueError(f'Device not understood. Only "cpu" is allowed, but received: {device}')


def call(trace: Trace, fn: Any, *args: Any, **kwargs: Any) -> Any:
    """Apply a function of the table; raises UnsupportedError for one that it does not have, or a keyword."""
    if not is_known(fn):
        raise trace.refuse(f"{name_of(fn)} is not supported", "see `weft ops --numpy` for what is", "E053")
    known = _keywords(FUNCTIONS[fn])
    if fn in _WITH_DEVICE and known is not None and "device" not in known:
        _check_device(kwargs.pop("device", None))
    for keyword in () if known is None else kwargs.keys() - known:
        fix = "leave it out, or write out what it does"
        raise trace.refuse(f"{name_of(fn)} does not take the keyword {keyword!r} yet", fix, "E054")
    if not _may_be_written(kwargs.get("out")):
        raise TypeError("return arrays must be of ArrayType")
    if fn is not operator.setitem:  # which knows `x[mask] += v`
        args = tuple(a.elements if isinstance(a, Forwarded) else a for a in args)
    return _tried(trace, FUNCTIONS[fn], (trace, *args), fn, args, kwargs)


def call_method(method: BoundMethod, *args: Any, **kwargs: Any) -> Any:
    """Call a method of a traced value."""

    def of_numpy(owner: Any, *given: Any, **named: Any) -> Any:
        asked = getattr(owner, method.name, None)  # arrays have no methods of variables
        return asked and asked(*given, **named)

    return _tried(method.owner.trace, method, args, of_numpy, (method.owner, *args), kwargs)


def _tried(trace: Trace, fn: Any, args: Any, asked: Any, given: Any, kwargs: dict[str, Any]) -> Any:
    """Call `fn`; if it finds a mistake, raise what `asked` of NumPy's would."""
    try:
        return fn(*args, **kwargs)
    except MISTAKES as error:
        failure = as_numpy_raises(trace, asked, given, kwargs, error)
        if failure is error:
            raise
        raise failure from None
