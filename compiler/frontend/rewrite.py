"""Rewritten functions: the user's code, whose loads, stores, calls and statements pass through hooks.

    rewritten = rewrite(function, hooks)          # None without source
    result = enter(hooks, callable, args, kwargs)  # calls any callable, rewritten if it is user code

A rewritten function has the original's globals, cells, defaults, names and line numbers; one closure cell
more, `__weft__`, holds the `Link` to the hooks. The syntax of a function is rewritten once; binding it to
hooks is cheap. Python itself branches, and asks the hook `truth` alone, in generators and coroutines, in
class bodies, in conditions of comprehensions and guards of `match`, and in functions that name `locals`,
`vars`, `dir`, `eval` or `exec`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import NamedTuple, cast

from weft.compiler.frontend.code import Definition, all_code, compile_function, find_definition
from weft.compiler.frontend.consuming import consuming
from weft.compiler.frontend.expression import HOOKS, Reference
from weft.compiler.frontend.hooks import Hooks, Link
from weft.compiler.frontend.location import is_user_code
from weft.compiler.frontend.recursion import mark
from weft.compiler.frontend.source import Cell, Global, UserValue
from weft.compiler.frontend.statement import CONSUMING, rewrite_definition
from weft.ir.dataclass import dataclass

NO_LIBRARY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The rewritten code of a function, fit for every function made from the same code object."""

    code: CodeType
    references: tuple[Reference, ...]

    def bind(self, function: FunctionType, hooks: Hooks) -> FunctionType:
        """Make the function that does what `function` does, through `hooks`."""
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        cells[HOOKS] = CellType(Link(hooks, function))
        closure = tuple(cells[name] for name in self.code.co_freevars)
        made = FunctionType(
            self.code, function.__globals__, function.__name__, function.__defaults__, closure
        )
        made.__kwdefaults__ = function.__kwdefaults__
        made.__qualname__, made.__module__ = function.__qualname__, function.__module__
        made.__doc__ = function.__doc__
        made.__dict__.update(function.__dict__)
        return made


FINISHED = Rewritten((lambda: None).__code__, ())
"""Stands for what became of code that is itself rewritten."""

_Known = dict[int, tuple[weakref.ref[CodeType], Rewritten | None]]
_known: _Known = {}
_consuming: _Known = {}  # generators, as functions that hand on what they yield


def rewritten_code(function: FunctionType) -> Rewritten | None:
    """Rewrite the code of `function`, once per code object; None if it has no source that fits it.

    Kept by identity: code objects of different files can be equal.
    """
    code = function.__code__
    known = _known.get(id(code))
    if known is not None and known[0]() is code:
        return known[1]
    made = _rewrite_code(function)
    _keep(code, made)
    _keep_inner(made)
    return made


def _keep_inner(made: Rewritten | None) -> None:
    for inner in () if made is None else all_code(made.code):
        _keep(inner, FINISHED)


def rewrite_consuming(function: FunctionType, hooks: Hooks) -> FunctionType | None:
    """Give a generator as a function that hands on what it yields; None if it cannot be one."""
    code = function.__code__
    if is_rewritten(function):
        return function.__dict__.get(CONSUMING)
    known = _consuming.get(id(code))
    if known is None or known[0]() is not code:
        made = _rewrite_code(function, as_consuming=True)
        _keep(code, made, _consuming)
        _keep_inner(made)
    else:
        made = known[1]
    return None if made is None else made.bind(function, hooks)


def rewrite_as_loop(function: FunctionType) -> bool:
    """Have a function that ends in calls of itself rewritten as a loop, if it was not before."""
    _known.pop(id(function.__code__), None)
    return mark(function, function.__code__.co_name)


def _keep(code: CodeType, made: Rewritten | None, table: _Known = _known) -> None:
    key = id(code)
    table[key] = (weakref.ref(code, lambda _, known=table: known.pop(key, None)), made)


def _rewrite_code(function: FunctionType, *, as_consuming: bool = False) -> Rewritten | None:
    definition = find_definition(function)
    if definition is not None and as_consuming:
        node = consuming(definition.node, definition.node.name)
        definition = None if node is None else Definition(node, definition.class_name)
    if definition is None:
        return None
    code = function.__code__
    try:
        references = rewrite_definition(definition, frozenset(code.co_freevars))
        return Rewritten(compile_function(definition, code, HOOKS), tuple(references))
    except RecursionError:  # nested too deeply to be rewritten; such a function runs as it is
        return None


def is_rewritten(function: FunctionType) -> bool:
    """Whether `function` was made here, by itself or inside of another rewritten function."""
    code = function.__code__
    known = _known.get(id(code))  # one that needs no hook does not hold them
    return HOOKS in code.co_freevars or (known is not None and known[1] is FINISHED and known[0]() is code)


def rewrite(function: FunctionType, hooks: Hooks) -> FunctionType | None:
    """Give `function` with its code passing through `hooks`; None if its source cannot be had."""
    if is_rewritten(function):
        return function
    made = rewritten_code(function)
    return None if made is None else made.bind(function, hooks)


class Callee(NamedTuple):
    """A Python function with the arguments that a call of some callable gives it."""

    function: UserValue  # a FunctionType; typed so, checkers take it for a method
    args: tuple[UserValue, ...]
    kwargs: dict[str, UserValue]


def resolve_callable(
    fn: UserValue, args: Sequence[UserValue] = (), kwargs: Mapping[str, UserValue] | None = None
) -> Callee | None:
    """Find the Python function behind a function, method, partial or callable object, if there is one."""
    given, named = tuple(args), dict(kwargs or {})
    if hasattr(type(fn), "trace_call"):  # pyright: ignore[reportUnknownArgumentType] -- the type of anything
        return None
    while not isinstance(fn, FunctionType):
        match fn:
            case MethodType():
                fn, given = fn.__func__, (fn.__self__, *given)
            case _ if getattr(type(fn), "is_weft_function", False):  # pyright: ignore[reportUnknownArgumentType] -- the type of anything
                fn = fn.__wrapped__
            case partial():
                fn, given, named = fn.func, (*fn.args, *given), {**fn.keywords, **named}
            case _:
                kind = type(cast(object, fn))
                method = None if isinstance(fn, type) else getattr(kind, "__call__", None)  # noqa: B004
                if not isinstance(method, FunctionType):
                    return None
                fn, given = method, (fn, *given)
    return Callee(fn, given, named)


def complete_arguments(
    callee: Callee, load_default: Callable[[FunctionType, str, UserValue], UserValue]
) -> tuple[tuple[UserValue, ...], dict[str, UserValue]]:
    """Give the arguments of a call with the defaults that it takes, each passed through `load_default`.

    Not those of what was made by the function that is traced, which made its defaults with it.
    """
    if is_rewritten(callee.function):
        load_default = _as_it_is
    args, kwargs = callee.args, callee.kwargs
    function: FunctionType = callee.function
    code, defaults = function.__code__, function.__defaults__ or ()
    first = code.co_argcount - len(defaults)
    filled = dict(kwargs)
    for index in range(max(first, len(args)), code.co_argcount):
        name = code.co_varnames[index]
        if index < code.co_posonlyargcount and index == len(args):
            args = (*args, load_default(function, name, defaults[index - first]))
        elif index >= code.co_posonlyargcount and name not in kwargs:
            filled[name] = load_default(function, name, defaults[index - first])
    for name, value in (function.__kwdefaults__ or {}).items():
        if name not in kwargs:
            filled[name] = load_default(function, name, value)
    return args, filled


def enter(
    hooks: Hooks,
    fn: UserValue,
    args: Sequence[UserValue],
    kwargs: Mapping[str, UserValue],
    library: frozenset[str] = NO_LIBRARY,
) -> UserValue:
    """Call `fn(*args, **kwargs)`, rewritten if it is user code: what a `call` hook does in the end.

    Making an object of a user's class runs its `__new__` and `__init__` through the hook `call`.
    """
    if isinstance(fn, type):
        return _construct(hooks, fn, args, kwargs, library)
    callee = resolve_callable(fn, args, kwargs)
    if callee is None or not (is_rewritten(callee.function) or is_user_code(callee.function, library)):
        return fn(*args, **kwargs)
    made = rewrite(callee.function, hooks)
    if made is None:
        return fn(*args, **kwargs)
    args, kwargs = complete_arguments(callee, hooks.load_default)
    return made(*args, **kwargs)


def _as_it_is(_function: FunctionType, _name: str, value: UserValue) -> UserValue:
    return value


def _construct(
    hooks: Hooks,
    made: UserValue,
    args: Sequence[UserValue],
    kwargs: Mapping[str, UserValue],
    library: frozenset[str],
) -> UserValue:
    makers = (made.__new__, made.__init__)
    ours = any(is_user_code(maker, library) or _is_inner(maker) for maker in makers)
    if type(made).__call__ is not type.__call__ or made is type or not ours:
        return made(*args, **kwargs)
    plain: UserValue = made.__new__ is object.__new__  # which drops the arguments
    if issubclass(made, BaseException) and not is_user_code(made.__new__, library):
        instance = made.__new__(made, *args, **kwargs)  # which keeps them
    else:
        instance = object.__new__(made) if plain else hooks.call(made.__new__, made, *args, **kwargs)
    if isinstance(instance, made):
        hooks.call(type(instance).__init__, instance, *args, **kwargs)
    return instance


def _is_inner(fn: UserValue) -> bool:
    return isinstance(fn, FunctionType) and is_rewritten(fn)


class Unsupported(NamedTuple):
    """A use of something of NumPy's that is not supported."""

    name: str
    line: int
    column: int


def unsupported_names(
    function: FunctionType, supported: Callable[[UserValue], bool], package: str = "numpy"
) -> list[Unsupported]:
    """Find what `function` names of `package` that `supported` does not take, before it runs, all at once.

    Looks at functions, classes and ufuncs that are reached from global or closure names by attributes; a name
    that the package does not have is left for Python to report.
    """
    made = rewritten_code(function)
    found: list[Unsupported] = []
    for reference in made.references if made is not None else ():
        value = _referred(function, reference, package)
        if value is not None and not supported(value):
            found.append(Unsupported(".".join(reference.path), reference.line, reference.column))
    return sorted(set(found), key=lambda one: (one.line, one.column))


def _referred(function: FunctionType, reference: Reference, package: str) -> UserValue:
    """Give the callable of `package` that a reference leads to, through modules only."""
    first, *rest = reference.path
    source = Cell(first) if reference.meaning == "cell" else Global(first)
    try:
        value = source.read(function, (), {})
        for name in rest:
            if not isinstance(value, ModuleType):
                return None
            value = getattr(value, name)
    except (NameError, AttributeError, ValueError):
        return None
    owner = getattr(value, "__module__", None) or type(value).__module__
    known = not isinstance(value, ModuleType) and callable(value) and str(owner).partition(".")[0] == package
    return value if known else None
