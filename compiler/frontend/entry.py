"""`trace`: from a Python function and specs of its arguments to a tensor-level program.

Not here: variants, caching and calls (`weft.compile`).
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import field, replace
from opcode import opmap
from types import CellType, CodeType, FunctionType
from typing import Any

import numpy as np

from weft.compiler.frontend import numpy as namespace
from weft.compiler.frontend.arguments import StaticSpec, spec_of
from weft.compiler.frontend.assumption import Assumptions, Restart, SizeGuard
from weft.compiler.frontend.capture import Inputs, ObjectGuard, Parameter, TraceOptions
from weft.compiler.frontend.chosen import begin_texts
from weft.compiler.frontend.code import all_code
from weft.compiler.frontend.control.statements import Raised
from weft.compiler.frontend.result import Effect, Outputs, ResultNode, settle_all
from weft.compiler.frontend.rewrite import resolve_callable, rewritten_code
from weft.compiler.frontend.source import Argument, Cell, Default, Global, Source
from weft.compiler.frontend.text import fail
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.tracing import TracingHooks
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, Symbol, symbols_of
from weft.ir.errors import DTypeError, InternalError, UnsupportedError
from weft.ir.node import Func
from weft.ir.rewrite import rewrite
from weft.ir.types import IndexType, TensorType
from weft.runtime.callback import Site
from weft.runtime.variables import tracing

_RESTARTS = 1000


@dataclass(frozen=True, slots=True)
class Traced:
    """A traced function.

    `func` is at stage "tensor": its parameters come from `parameters`, in order; its results are those that
    `result` and `effects` name by number, then one for each parameter that is written (`func.into`). The
    program holds for calls that satisfy `guards` and `sizes`; `replaced` are symbols that became numbers or
    expressions. `log` are facts for `explain()`.
    """

    func: Func
    parameters: tuple[Parameter, ...]
    result: ResultNode
    effects: tuple[Effect, ...]
    guards: tuple[ObjectGuard, ...]
    sizes: tuple[SizeGuard, ...]
    log: tuple[str, ...]
    replaced: Mapping[str, DimLike] = field(default_factory=dict[str, DimLike])
    raises: tuple[Any, ...] = ()  # exceptions, by the number in the code of an op `check`
    callbacks: tuple[Site, ...] = ()  # by attribute `site` of an op `callback`
    tries: bool = False  # whether the user's code has handlers that may catch what the program raises

    @property
    def pins(self) -> tuple[SizeGuard, ...]:
        """The sizes that the program fixes to a number."""
        return tuple(guard for guard in self.sizes if guard.is_pin)

    @property
    def hidden(self) -> tuple[Parameter, ...]:
        """The parameters that are not arguments."""
        return tuple(parameter for parameter in self.parameters if parameter.hidden)


def trace(
    fn: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    options: TraceOptions | None = None,
) -> Traced:
    """Trace `fn` for arguments described by trees of specs (`arguments.py`).

    Paths of parameters and guards are those of a call of the Python function behind `fn`, with what a method,
    partial or callable object is bound to as its first arguments. Raises UserError with the user's line for
    what cannot be traced, and what the function itself raises.
    """
    options = options or TraceOptions()
    assumptions = Assumptions(options.present)
    for _ in range(_RESTARTS):
        try:
            return _attempt(fn, args, kwargs or {}, options, assumptions)
        except Restart:
            continue
        except (UnsupportedError, DTypeError):
            if assumptions.by_value is None:
                raise
            assumptions = assumptions.by_value
    raise InternalError("the sizes of a function did not settle")


_unhooked: ContextVar[Trace | None] = ContextVar("weft_unhooked", default=None)


def unhooked_trace() -> Trace | None:
    """The trace of a function without source that runs now: what it calls is called by Python itself."""
    return _unhooked.get()


_warned: weakref.WeakSet[CodeType] = weakref.WeakSet()


def _warn_of_loops(fn: FunctionType) -> None:
    """Say once that a function without source has its loops unrolled, which may take without end."""
    code = fn.__code__
    if code not in _warned and opmap["FOR_ITER"] in code.co_code[::2]:
        from logging import getLogger  # takes 4 ms of `import weft`

        _warned.add(code)
        text = "%s: its source cannot be read, so that loops are unrolled; put it into a file"
        getLogger("weft").warning(text, fn.__qualname__)


def _attempt(
    fn: Any, args: Sequence[Any], kwargs: Mapping[str, Any], options: TraceOptions, assumptions: Assumptions
) -> Traced:
    callee = resolve_callable(fn)
    root = callee.function if callee is not None else None
    one = Trace(getattr(fn, "__name__", "function"), assumptions, namespace.call)
    inputs = Inputs(one, options)
    hooks = TracingHooks(one, inputs, root)
    one.adopt, one.forget_writes = inputs.adopt, inputs.forget_writes
    one.enter, one.hold, one.is_outside = hooks.call, inputs.hold, inputs.is_outside
    if root is not None and rewritten_code(root) is None:
        inputs.unhooked = root
        _warn_of_loops(root)
    names = () if root is None else root.__code__.co_varnames[: root.__code__.co_argcount]
    trees, named_trees = list(args), dict(kwargs)
    if callee is not None:
        trees = [*map(_bound_spec, callee.args), *args]
        named_trees = {**{key: _bound_spec(v) for key, v in callee.kwargs.items()}, **kwargs}
    given = [
        inputs.argument(Argument(k, names[k] if k < len(names) else ""), tree) for k, tree in enumerate(trees)
    ]
    named = {key: inputs.argument(Argument(key, key), tree) for key, tree in named_trees.items()}
    outer = tracing.set(one)
    try:
        if inputs.unhooked is not None:
            token = _unhooked.set(one)
            try:
                value = _without_source(inputs.unhooked, inputs)(*given, **named)
            finally:
                _unhooked.reset(token)
        else:
            value = hooks.call(fn if root is None else root, *given, **named)
    except Raised as raised:  # on all paths
        value = None
        if raised.exception is not None:
            fail(one, raised.exception, raised.location)
    finally:
        tracing.reset(outer)
    return _finish(one, inputs, hooks, value)


_ARRAYS: Any = (np.ndarray, np.generic)


def _without_source(function: FunctionType, inputs: Inputs) -> FunctionType:
    """A function no hooks can reach into, with captured values for the globals and cells that it names."""

    def taken(source: Source, value: Any) -> Any:
        is_data = isinstance(value, _ARRAYS) or type(value) in (int, float, complex, list, tuple, dict)
        return inputs.open(inputs.capture(source, value)) if is_data else value

    code = function.__code__
    names = {name for one in all_code(code) for name in one.co_names} & function.__globals__.keys()
    namespace = {
        **function.__globals__,
        **{name: taken(Global(name), function.__globals__[name]) for name in sorted(names)},
    }
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    closure = tuple(CellType(taken(Cell(name), cell.cell_contents)) for name, cell in cells)
    made = FunctionType(code, namespace, function.__name__, None, closure)
    defaults, first = function.__defaults__ or (), code.co_argcount - len(function.__defaults__ or ())
    made.__defaults__ = (
        tuple(taken(Default(code.co_varnames[first + k]), v) for k, v in enumerate(defaults)) or None
    )
    keyword_only = function.__kwdefaults__ or {}
    made.__kwdefaults__ = {name: taken(Default(name), value) for name, value in keyword_only.items()} or None
    return made


def _bound_spec(value: Any) -> Any:
    """The specs of what a callable is bound to: an object is looked into where it is, not taken apart."""
    plain = isinstance(value, _ARRAYS) or type(value) in (int, float, complex, tuple, list, dict)
    return spec_of(value) if plain else StaticSpec(value)


def _finish(one: Trace, inputs: Inputs, hooks: TracingHooks, value: Any) -> Traced:
    """Close the function: results as the return value and the effects name them, then written parameters."""
    hooks.effects[:] = hooks.outside.effects(hooks.effects)
    begin_texts(one)
    for item in [value, *(effect.value for effect in hooks.effects)]:
        settle_all(one, item)
    outputs = Outputs(one, inputs, [value, [effect.value for effect in hooks.effects]])
    result = outputs.describe(value)
    effects = tuple(replace(e, value=outputs.describe(e.value)) for e in hooks.effects)
    params = one.func.params
    written = [s for s in inputs.storages if s.parameter is not None and s.value is not params[s.parameter]]
    results = [*outputs.values, *(s.value for s in written)]
    one.emit_op("return", results)
    one.func.into = (
        *(-1 for _ in outputs.values),
        *(s.parameter for s in written if s.parameter is not None),
    )
    one.func.symbols = _bound_symbols(one.func)
    one.func.strided = tuple(
        k for k, p in enumerate(inputs.parameters) if getattr(p.spec, "layout", "C") == "strided"
    )
    log = [*one.log, *(f"{guard}: {guard.reason}, {guard.location}" for guard in one.assumptions.guards)]
    return Traced(
        without_custom(one.func) if one.marked else one.func,
        tuple(inputs.parameters),
        result,
        effects,
        _unique(inputs.guards),
        tuple(one.assumptions.guards),
        tuple(log),
        dict(one.assumptions.replaced),
        tuple(one.raises),
        tuple(one.callbacks),
        one.tries,
    )


def without_custom(fn: Func) -> Func:
    """The program with what ops that know their own derivative hand on in their place."""
    names = ("custom_gradient", "known_gradient")
    return rewrite(fn, lambda _b, op, operands: operands[: len(op.results)] if op.name in names else None)


def _unique(guards: Sequence[ObjectGuard]) -> tuple[ObjectGuard, ...]:
    """Each guard once; values need not be hashable."""
    return tuple({(repr(g.source), g.kind, repr(g.value)): g for g in guards}.values())


def _bound_symbols(func: Func) -> dict[str, Symbol]:
    found: dict[str, Symbol] = {}
    for param in func.params:
        dims = param.type.shape if isinstance(param.type, TensorType) else ()
        for dim in (param.type.dim,) if isinstance(param.type, IndexType) else dims:
            found.update({s.name: s for s in symbols_of(dim)})
    return found
