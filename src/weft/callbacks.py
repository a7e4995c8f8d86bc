"""`weft.callback`: Python functions that compiled programs call.

Not here: how a call is traced (`weft.compiler.frontend.callback`), how a program makes it
(`weft.runtime.callback`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from weft.calls.specs import Spec, spec
from weft.compiler.frontend.arguments import children, is_node, map_tree, rebuild
from weft.compiler.frontend.callback import Declared, call_python, checked, in_order
from weft.compiler.frontend.number import TracedNumber
from weft.compiler.frontend.promote import element_type
from weft.compiler.frontend.source import UserValue
from weft.compiler.frontend.values import TRACED, Forwarded, TracedArray, TracedScalar
from weft.ir import TensorType, UserError
from weft.ir.dims import DimLike, as_symbol, evaluate_dim, show_dim, substitute, symbols_of
from weft.ir.types import BOOL, C128, F64, I64
from weft.runtime.variables import Variable

_type: Callable[[Any], Any] = type  # typed so: of a value of any type
_NUMBERS = {"int": I64, "float": F64, "bool": BOOL, "complex": C128}


class _Callback:
    """`weft.callback(fn, *args, result=None)`: call a Python function when the program runs.

    In plain Python it calls `fn(*args)`; in a compiled function it does so each time that the program comes
    to this place, in order with its other effects, on the thread that called it. `fn` gets arrays of its own,
    which are read-only, and NumPy scalars and Python numbers as they are; containers of these are copies.
    What it raises comes to the caller. `result` says what it returns: a spec (`weft.spec("f64[3]")` or its
    text), a type of Python numbers, an array or number of the same type and shape, or a tuple, list or dict
    of these; without it the result is None. Raises DTypeError and ShapeError if `fn` returns anything else. A
    function with a callback cannot be exported; its result has no derivative but that of
    `weft.custom_gradient`.
    """

    __name__ = __qualname__ = "callback"
    __module__ = "weft"

    def __call__(self, fn: Callable[..., Any], *args: Any, result: Any = None) -> Any:
        """Call it now, or trace it where the caller has no source and is not rewritten."""
        traced = [value for value in args if _type(value) in TRACED]
        if traced:
            return self.trace_call(traced[0].trace, self.__call__, (fn, *args), {"result": result}, [])
        _check(fn)
        name = getattr(fn, "__qualname__", None) or repr(fn)
        declared = _declared(result, lambda spec: spec.shape or ())
        returned = fn(*[map_tree(_own, value) for value in args])
        if result is None:
            return None
        leaves = _leaves(declared)
        sizes: dict[str, int] = {}
        made: list[Any] = []
        for one, value in zip(leaves, in_order(returned, declared, name, None), strict=True):
            shape = tuple(_size(dim, k, value, sizes) for k, dim in enumerate(one.shape))
            array = np.array(checked(one, shape, value, name, None))
            made.append(array if one.kind == "array" else array[()] if one.kind == "scalar" else array.item())
        rest = iter(made)
        return map_tree(lambda _: next(rest), _opaque(declared))

    def trace_call(
        self, trace: Any, call: Callable[..., Any], args: Sequence[Any], kwargs: Any, effects: list[Any]
    ) -> Any:
        """Trace a call."""
        fn, *values = args
        _check(fn)
        return call_python(trace, fn, values, _declared(kwargs.get("result"), lambda one: _shape(trace, one)))

    def __repr__(self) -> str:
        """Return its name."""
        return "<function weft.callback>"


callback = _Callback()


def _check(fn: Any) -> None:
    if not callable(fn):
        raise UserError(
            f"weft.callback takes a function, got {fn!r}", fix="pass the function itself, not its result"
        )


def _own(value: UserValue) -> Any:
    """What a callback gets for one leaf."""
    if not isinstance(value, np.ndarray | Variable):
        return value
    made: Any = np.array(cast(Any, value))
    made.flags.writeable = False
    return made


def _declared(result: Any, shape: Callable[[Spec], tuple[DimLike, ...]]) -> Any:
    """The tree of `Declared`; `shape` gives the sizes of a spec."""
    if is_node(result):
        return rebuild(result, [_declared(item, shape) for _, item in children(result)])
    if isinstance(result, Forwarded):
        result = result.elements
    if result is None:
        return None
    if isinstance(result, type) and result.__name__ in _NUMBERS:
        return Declared(result.__name__, _NUMBERS[result.__name__], ())
    match result:
        case TracedNumber():
            return Declared(result.type.__name__, _NUMBERS[result.type.__name__], ())
        case TracedArray() | TracedScalar():
            ty = result.expr.type
            assert isinstance(ty, TensorType)
            return Declared("array" if isinstance(result, TracedArray) else "scalar", ty.dtype, ty.shape)
        case np.ndarray() | np.generic():
            kind, one = "array" if isinstance(result, np.ndarray) else "scalar", cast(Any, result)
            return Declared(kind, element_type(one.dtype), one.shape)
        case bool() | int() | float() | complex():
            return Declared(type(result).__name__, _NUMBERS[type(result).__name__], ())
        case _:
            one = spec(cast(Any, result))
            if one.dtype is None:
                return Declared(one.name, _NUMBERS[one.name], ())
            return Declared("scalar" if one.shape is None else "array", one.dtype, shape(one))


def _shape(trace: Any, one: Spec) -> tuple[DimLike, ...]:
    """The sizes of a spec while tracing: its names are those of arguments."""
    params = [p.type for p in trace.func.body.params if isinstance(p.type, TensorType)]
    known: dict[str, DimLike] = {}
    for ty in params:
        known.update({s.name: d for d in ty.shape if (s := as_symbol(d)) is not None})
    for dim in one.shape or ():
        for symbol in symbols_of(dim):
            if symbol.name not in known:
                raise trace.refuse(
                    f"the size {symbol.name} in the result {one} of a callback is not known",
                    "give an array of the same shape and dtype as result, as in `np.empty((n, 3))`",
                    "E010",
                )
    return tuple(substitute(dim, known) for dim in one.shape or ())


def _leaves(declared: Any) -> list[Declared]:
    return (
        [declared]
        if type(declared) is Declared
        else [one for _, item in children(declared) for one in _leaves(item)]
    )


def _opaque(declared: Any) -> Any:
    """The tree with something at each leaf that is no container."""
    return (
        0
        if type(declared) is Declared
        else rebuild(declared, [_opaque(item) for _, item in children(declared)])
    )


def _size(dim: DimLike, axis: int, value: Any, sizes: dict[str, int]) -> int:
    """A size in plain Python: a name is what the first result has there."""
    symbol, shape = as_symbol(dim), np.shape(value)
    if symbol is not None and symbol.name not in sizes:
        sizes[symbol.name] = shape[axis] if axis < len(shape) else -1
    try:
        return dim if isinstance(dim, int) else evaluate_dim(dim, sizes)
    except KeyError:
        raise UserError(
            f"the size {show_dim(dim)} in the result of a callback is not known", fix="name it alone first"
        ) from None
