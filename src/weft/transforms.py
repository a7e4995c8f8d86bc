"""The public transformations of functions: gradients, vector products with Jacobians, Jacobians, Hessians.

A derivative traces the function where it is called, and adds the way back to the program (DESIGN D27). Not
here: the rules (`weft.compiler.autodiff`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from weft.compiler.autodiff.inline import Transformed, gradients
from weft.compiler.autodiff.several import PullBack, computed_again, jacobians, push_forward, with_custom
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


def jacobian(fn: Callable[..., Any], wrt: Any = 0, aux: bool = False) -> Any:
    """Return a function that gives the derivatives of each float of `fn`'s result by an argument.

    Their shape is that of the result, then that of the argument; `wrt` and `aux` as for `grad`. The function
    runs once, the way back once for each element of the result.
    """
    return Jacobian(fn, wrt, aux=aux)


def hessian(fn: Callable[..., Any], wrt: Any = 0) -> Any:
    """Return a function that gives the second derivatives of `fn`'s result, one float.

    Their structure is that of the gradient, each array in it replaced by that of its derivatives: with
    `wrt=[0, 1]` a list of lists. Forward mode over the gradient, once for each element of the arguments.
    """
    return Jacobian(grad(fn, wrt), wrt, by_columns=True)


class Transform:
    """A function made of another, compiled, or traced into the compiled function that calls it."""

    def __init__(self, fn: Callable[..., Any], name: str, signature: inspect.Signature | None) -> None:
        if not callable(fn):
            raise UserError(
                f"weft.{name} takes a function, got {fn!r}", fix="pass the function itself, not its result"
            )
        self.fn = fn
        self.__name__ = f"{name}_{getattr(fn, '__name__', type(fn).__name__)}"
        self.__doc__, self.__wrapped__ = getattr(fn, "__doc__", None), fn
        self.__signature__ = signature
        self._compiled: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it, compiled at the first call."""
        if self._compiled is None:
            from weft.api import compile

            self._compiled = compile(self)
        return self._compiled(*args, **kwargs)

    def __repr__(self) -> str:
        """Return what it is made of."""
        return f"<{self.__name__}>"


def _signature(fn: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(fn)
    except (TypeError, ValueError):
        return None


class WithRespect(Transform):
    """A transform with an argument `wrt`."""

    def __init__(self, fn: Callable[..., Any], name: str, wrt: Any, *, aux: bool) -> None:
        super().__init__(fn, name, _signature(fn))
        self.aux = aux
        self.is_list = isinstance(wrt, list | tuple)
        self.like: Any = type(wrt)
        self.wrt: tuple[Any, ...] = tuple(self._checked(one) for one in (wrt if self.is_list else (wrt,)))

    def _places(self, trace: Any, positional: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
        """What each entry of `wrt` is in this call."""
        return [self._variable(trace, one, positional, named) for one in self.wrt]

    def _like_wrt(self, trees: Sequence[Any]) -> Any:
        """Trees in the structure of `wrt`."""
        return self.like(trees) if self.is_list else trees[0]

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


class Gradient(WithRespect):
    """A function that gives gradients."""

    def __init__(self, fn: Callable[..., Any], wrt: Any, *, aux: bool, with_value: bool) -> None:
        super().__init__(fn, "value_and_grad" if with_value else "grad", wrt, aux=aux)
        self.with_value = with_value

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
        places = self._places(trace, positional, named)
        made: Transformed = gradients(trace, call, self.fn, positional, named, places, has_aux=self.aux)
        found = self._like_wrt(made.gradients)
        if self.with_value:
            return ((made.value, made.aux) if self.aux else made.value), found
        return (found, made.aux) if self.aux else found


class Jacobian(WithRespect):
    """A function that gives derivatives of each float by each float."""

    def __init__(
        self, fn: Callable[..., Any], wrt: Any, *, aux: bool = False, by_columns: bool = False
    ) -> None:
        super().__init__(fn, "hessian" if by_columns else "jacobian", wrt, aux=aux)
        self.by_columns = by_columns

    def trace_call(
        self,
        trace: Any,
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        effects: list[Any],
    ) -> Any:
        """Trace a call of this function: `fn`, and a loop over its elements."""
        positional, named = list(args), dict(kwargs)
        places = self._places(trace, positional, named)
        rows, aux = jacobians(
            trace, call, self.fn, positional, named, places, by_columns=self.by_columns, has_aux=self.aux,
            like_wrt=self._like_wrt,
        )  # fmt: skip
        return (rows, aux) if self.aux else rows


class _Pushed(Transform):
    """`(primals, tangents) -> (result, its tangent)`."""

    def trace_call(
        self,
        trace: Any,
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        effects: list[Any],
    ) -> Any:
        """Trace a call."""
        primals, tangents = args
        return push_forward(trace, call, self.fn, primals, tangents)


class _Pulled(Transform):
    """`(primals, cotangent) -> gradients`, a tuple."""

    def trace_call(
        self,
        trace: Any,
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        effects: list[Any],
    ) -> Any:
        """Trace a call."""
        primals, cotangent = args
        return PullBack(trace, call, self.fn, primals).trace_call(trace, call, (cotangent,), {}, effects)


def _made(fn: Any, kind: Any, name: str) -> Any:
    """A transform of a function for calls from plain Python, one for each function."""
    try:
        return _MADE.setdefault(fn, {}).setdefault(kind, kind(fn, name, None))
    except TypeError:  # a function that no weak reference or key can hold
        return kind(fn, name, None)


_COMPILED: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
_MADE: WeakKeyDictionary[Any, dict[Any, Any]] = WeakKeyDictionary()


def _check_directions(name: str, primals: Any, tangents: Any) -> None:
    kinds: tuple[type, ...] = (list, tuple)
    if type(primals) not in kinds or type(tangents) not in kinds or len(primals) != len(tangents):
        raise UserError(
            f"weft.{name} takes a tuple of arguments and one of tangents, as many",
            code="E002",
            fix=f"call weft.{name}(fn, (x, y), (dx, dy))",
        )


class Jvp:
    """`weft.jvp(fn, primals, tangents)`: (fn(*primals), its derivative along the tangents).

    `tangents` is a tuple like `primals`, arrays of the same shapes and dtypes. What is no float in the result
    has the tangent None.
    """

    def __call__(self, fn: Callable[..., Any], primals: Any, tangents: Any) -> Any:
        """Run it, compiled once for each function."""
        _check_directions("jvp", primals, tangents)
        return _made(fn, _Pushed, "jvp")(tuple(primals), tuple(tangents))

    def trace_call(
        self,
        trace: Any,
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        effects: list[Any],
    ) -> Any:
        """Trace a call."""
        fn, primals, tangents = _named(args, kwargs, "fn", "primals", "tangents")
        _check_directions("jvp", primals, tangents)
        return push_forward(trace, call, fn, primals, tangents)


class Hvp:
    """`weft.hvp(fn, primals, tangents)`: the Hessian of `fn`'s result, one float, times the tangents.

    The result is a tuple like `primals`: the derivative of the gradient along the tangents.
    """

    def __call__(self, fn: Callable[..., Any], primals: Any, tangents: Any) -> Any:
        """Run it, compiled once for each function."""
        _check_directions("hvp", primals, tangents)
        return _made(fn, _HessianProduct, "hvp")(tuple(primals), tuple(tangents))

    def trace_call(
        self,
        trace: Any,
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        effects: list[Any],
    ) -> Any:
        """Trace a call."""
        fn, primals, tangents = _named(args, kwargs, "fn", "primals", "tangents")
        _check_directions("hvp", primals, tangents)
        return push_forward(trace, call, grad(fn, wrt=tuple(range(len(primals)))), primals, tangents)[1]


class _HessianProduct(Transform):
    """`(primals, tangents) -> Hessian times tangents`."""

    def trace_call(
        self,
        trace: Any,
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        effects: list[Any],
    ) -> Any:
        """Trace a call."""
        return hvp.trace_call(trace, call, (self.fn, *args), {}, effects)


class Vjp:
    """`weft.vjp(fn, *primals)`: (fn(*primals), pull); `pull(cotangent)` gives a tuple of gradients.

    The cotangent has the structure of the result. Inside of a compiled function the function runs once,
    however often `pull` is called; from plain Python each call of `pull` runs it again, for the arguments as
    they were.
    """

    def __call__(self, fn: Callable[..., Any], *primals: Any) -> Any:
        """Run the function, compiled."""
        from weft.api import compile

        def back(cotangent: Any) -> Any:
            return pull(before, cotangent)

        before = map_tree(lambda leaf: leaf.copy() if hasattr(leaf, "copy") else leaf, primals)
        pull = _made(fn, _Pulled, "vjp")
        value = (
            _COMPILED.setdefault(fn, compile(fn))(*primals) if hasattr(fn, "__weakref__") else fn(*primals)
        )
        return value, back

    def trace_call(
        self,
        trace: Any,
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        effects: list[Any],
    ) -> Any:
        """Trace a call."""
        fn, *primals = args
        pull = PullBack(trace, call, fn, primals)
        return pull.entered.returned, pull


def _named(args: Sequence[Any], kwargs: Mapping[str, Any], *names: str) -> list[Any]:
    """Arguments by position or name."""
    return [args[k] if k < len(args) else kwargs[name] for k, name in enumerate(names)]


def custom_gradient(fn: Callable[..., Any]) -> Any:
    """Give a function a derivative of its own; a decorator.

    `fn` returns (result, pull); `pull(cotangent)` gives the gradient of its argument, a tuple of them if
    there are several, None for zeros. The function that is made returns the result alone. Forward mode takes
    `pull` transposed, so it should be linear. Of keyword arguments there is no derivative.
    """
    return Custom(fn, "custom_gradient", _signature(fn))


def remat(fn: Callable[..., Any]) -> Any:
    """Let derivatives compute the values of a function again instead of keeping them; a decorator.

    A loop in it keeps 32 of its states, however long it is, and computes the others again from these.
    """
    return Remat(fn, "remat", _signature(fn))


class Custom(Transform):
    """A function whose derivative its author gives."""

    def trace_call(
        self,
        trace: Any,
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        effects: list[Any],
    ) -> Any:
        """Trace a call."""
        return with_custom(trace, call, self.fn, args, dict(kwargs))


class Remat(Transform):
    """A function whose values are computed again."""

    def trace_call(
        self,
        trace: Any,
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        effects: list[Any],
    ) -> Any:
        """Trace a call."""
        return computed_again(trace, call, self.fn, args, dict(kwargs))


jvp, hvp, vjp = Jvp(), Hvp(), Vjp()


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


for _maker in (grad, value_and_grad, jacobian, hessian):
    _maker.takes_traced = True  # pyright: ignore[reportFunctionMemberAccess] -- variables, in `wrt`
