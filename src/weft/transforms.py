"""The public transformations of functions: `weft.grad` and `weft.value_and_grad`.

A gradient traces the function where it is called, and adds the way back to the program (DESIGN D27). Not
here: the rules (`weft.compiler.autodiff`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from weft.compiler.autodiff.inline import Transformed, gradients
from weft.compiler.frontend.arguments import map_tree
from weft.compiler.frontend.number import TracedNumber
from weft.compiler.frontend.values import TracedArray, TracedScalar, new_array
from weft.ir import UserError
from weft.runtime.variables import Variable

Wrt = int | str | Variable | Sequence[int | str | Variable]


def grad(fn: Callable[..., Any], wrt: Any = 0, aux: bool = False) -> Any:
    """Return a function that gives the gradient of `fn`'s result, one float, by an argument.

    `wrt` is the position or name of an argument, a Variable, or a list of these; the result has its
    structure, and that of the arguments. With `aux=True` `fn` returns (loss, anything), and the function
    (gradient, anything). Works inside and outside of `weft.compile`; writes and effects of `fn` happen once.
    Raises UserError for a `wrt` that names no argument.
    """
    return Gradient(fn, wrt, aux=aux, with_value=False)


def value_and_grad(fn: Callable[..., Any], wrt: Any = 0, aux: bool = False) -> Any:
    """Return a function that gives (value, gradient); with `aux=True` ((value, anything), gradient)."""
    return Gradient(fn, wrt, aux=aux, with_value=True)


class Gradient:
    """A function that gives gradients, compiled, or traced into the compiled function that calls it."""

    def __init__(self, fn: Callable[..., Any], wrt: Any, *, aux: bool, with_value: bool) -> None:
        if not callable(fn):
            raise UserError(
                f"weft.grad takes a function, got {fn!r}", fix="pass the function itself, not its result"
            )
        self.fn, self.aux, self.with_value = fn, aux, with_value
        self.__name__ = (
            f"{'value_and_grad' if with_value else 'grad'}_{getattr(fn, '__name__', type(fn).__name__)}"
        )
        self.__doc__, self.__wrapped__ = getattr(fn, "__doc__", None), fn
        try:
            self.__signature__ = inspect.signature(fn)
        except (TypeError, ValueError):
            self.__signature__ = None
        self.is_list = isinstance(wrt, list | tuple)
        self.like: Any = type(wrt)
        self.wrt: tuple[Any, ...] = tuple(self._checked(one) for one in (wrt if self.is_list else (wrt,)))
        self._compiled: Any = None

    def _checked(self, one: Any) -> Any:
        """An entry of `wrt`: a position, a name, or a variable."""
        if type(one) is Variable or (type(one) is TracedArray and one.view.storage.variable is not None):
            return one
        names = list(self.__signature__.parameters) if self.__signature__ is not None else None
        if type(one) not in (int, str):
            raise UserError(
                f"wrt={one!r} names no argument",
                code="E002",
                fix="give a position, a name, or a list of these",
            )
        if names is None or (isinstance(one, str) and one not in names and self._takes_any()):
            return one
        if isinstance(one, str) and one in names:
            return one
        if isinstance(one, int) and -len(names) <= one and (one < len(names) or self._takes_any()):
            return one if one >= 0 else one + len(names)
        raise UserError(
            f"wrt={one!r} names no argument of {self.__name__}",
            code="E002",
            fix=f"use one of {', '.join(names)} or a position",
        )

    def _takes_any(self) -> bool:
        kinds: set[Any] = (
            {p.kind for p in self.__signature__.parameters.values()}
            if self.__signature__ is not None
            else set()
        )
        return bool(kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Give the gradient; compiled at the first call."""
        if self._compiled is None:
            from weft.api import compile

            self._compiled = compile(self)
        return self._compiled(*args, **kwargs)

    def __repr__(self) -> str:
        """Return what it is a gradient of."""
        return f"<{self.__name__}>"

    def trace_call(
        self,
        trace: Any,
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        effects: list[Any],
    ) -> Any:
        """Trace a call of this function: `fn`, and the way back."""
        positional, named = list(args), dict(kwargs)
        places = [self._variable(trace, one, positional, named) for one in self.wrt]
        made: Transformed = gradients(
            trace, call, self.fn, positional, named, places, has_aux=self.aux, effects=effects
        )
        found = self.like(made.gradients) if self.is_list else made.gradients[0]
        if self.with_value:
            return ((made.value, made.aux) if self.aux else made.value), found
        return (found, made.aux) if self.aux else found

    def _variable(self, trace: Any, one: Any, positional: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """The place of an entry of `wrt`, or the traced variable."""
        if type(one) is TracedArray:
            return one
        return trace.adopt(one) if type(one) is Variable else self._place(one, positional, named)

    def _place(self, one: int | str, positional: Sequence[Any], named: Mapping[str, Any]) -> int | str:
        """Where the argument stands in this call."""
        names = list(self.__signature__.parameters) if self.__signature__ is not None else []
        position = names.index(one) if isinstance(one, str) and one in names else one
        if isinstance(position, int) and position < len(positional):
            return position
        name = one if isinstance(one, str) else names[one] if one < len(names) else ""
        if name in named:
            return name
        raise UserError(
            f"{self.__name__} differentiates {name or one!r}, which the call does not give",
            fix="pass it as an argument",
        )


class StopGradient:
    """`weft.stop_gradient(tree)`: the same values, taken to be constant by derivatives."""

    def __call__(self, tree: Any) -> Any:
        """Outside of a compiled function nothing is differentiated."""
        return tree

    def trace_call(
        self,
        trace: Any,
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        effects: list[Any],
    ) -> Any:
        """Trace a call."""
        return map_tree(lambda leaf: _constant_leaf(trace, leaf), args[0])


stop_gradient = StopGradient()


def _constant_leaf(trace: Any, leaf: Any) -> Any:
    if isinstance(leaf, Variable):
        leaf = trace.adopt(leaf)
    if isinstance(leaf, TracedArray | TracedScalar):
        value = trace.emit("stop_gradient", [leaf.expr.value])
        return (
            new_array(trace, trace.expr(value))
            if isinstance(leaf, TracedArray)
            else TracedScalar(trace, value)
        )
    if isinstance(leaf, TracedNumber) and leaf.dim is None and leaf.value is not None:
        return TracedNumber(trace, leaf.type, value=trace.emit("stop_gradient", [leaf.value]))
    return leaf


for _maker in (grad, value_and_grad):
    _maker.takes_traced = True  # pyright: ignore[reportFunctionMemberAccess] -- variables, in `wrt`
