"""Calls of Python functions at run time: what they get, what they give, and the op that stands for one.

Arguments are a tree: traced leaves become operands, all else is what it was while tracing. The function gets
arrays of its own, which are read-only. Not here: `weft.callback` for users (`weft.calls`), prints and texts
(`text.py`), how a program calls (`weft.runtime.callback`).
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any, NamedTuple

import numpy as np

from weft.compiler.frontend.arguments import children, is_made_text, is_node, rebuild
from weft.compiler.frontend.control.joins import is_listed
from weft.compiler.frontend.control.tables import dict_maker, table_of
from weft.compiler.frontend.expression import HOOKS
from weft.compiler.frontend.hooks import Link
from weft.compiler.frontend.number import IR_TYPES, TracedNumber, as_expr
from weft.compiler.frontend.plain import PlainHooks
from weft.compiler.frontend.rewrite import is_rewritten
from weft.compiler.frontend.source import UserValue
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, Forwarded, TracedArray, TracedScalar, new_array
from weft.ir import DTypeError, Expr, Fact, Location, ShapeError, TensorType, UnsupportedError, Value
from weft.ir.dims import DimLike, show_dim
from weft.ir.memory import numpy_dtype
from weft.ir.rules import tensor_operand
from weft.ir.types import DType
from weft.runtime.callback import Array, Site, keep

_type: Callable[[Any], Any] = type  # typed so: of a value of any type
_FIX = "pass what it needs as arguments of weft.callback"


class Slot:
    """Where a traced leaf stands in the arguments: operand `number`, as an array, NumPy scalar or number."""

    __slots__ = ("kind", "number")  # no record: those are looked into

    def __init__(self, number: int, kind: str) -> None:
        self.number, self.kind = number, kind


class Text:
    """A text, or a list, that is made when the program runs, of the filled `parts`."""

    __slots__ = ("make", "parts")

    def __init__(self, make: Callable[..., Any], parts: Sequence[Any]) -> None:
        self.make, self.parts = make, parts


class Closure:
    """A function made inside of the traced one; `cells` are trees of its variables, or cells that stay."""

    __slots__ = ("cells", "function")

    def __init__(self, function: FunctionType, cells: Sequence[Any]) -> None:
        self.function, self.cells = function, cells

    def bind(self, values: Sequence[Any]) -> FunctionType:
        """The function with values for its variables."""
        old: Any = self.function
        cells = tuple(v if isinstance(v, CellType) else CellType(v) for v in values)
        made = FunctionType(old.__code__, old.__globals__, old.__name__, old.__defaults__, cells)
        made.__kwdefaults__, made.__qualname__ = old.__kwdefaults__, old.__qualname__
        return made


class Arguments:
    """Collects the operands of one call; `take` gives the tree to be filled when it is made."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.values: list[Value] = []
        self.making: list[Any] = []  # functions whose variables are being taken

    def take(self, value: UserValue) -> Any:
        """The tree of one argument."""
        trace = self.trace
        if isinstance(value, Forwarded):
            value = value.elements
        kind = _type(value)
        if kind in TRACED:
            return self._traced(value)
        if is_made_text(value):
            return Text(value.make, [self.take(part) for part in value.parts])
        if isinstance(value, FunctionType | partial):
            return standing_alone(self, value)
        held = trace.hold(value)
        if held is value and trace.is_outside(value):
            return held
        table = table_of(held)
        if table is not None:
            lists = [table.keys] if table.values is None else [table.keys, table.values]
            return Text(dict_maker(held), [self.take(one) for one in lists])
        if is_listed(held):
            from weft.compiler.frontend.chosen import in_arrays  # which imports this module

            make, parts = in_arrays(trace, held)
            return Text(make, [self.take(part) for part in parts])
        if is_node(held):
            return rebuild(held, [self.take(item) for _, item in children(held)])
        if any(_type(part) in TRACED for part in getattr(held, "__dict__", {}).values()):
            raise trace.refuse(
                f"an object with traced attributes, {kind.__name__}, is given to Python", _FIX, "E052"
            )
        return held

    def _traced(self, value: Any) -> Slot:
        if type(value) is TracedNumber:
            return self._slot(as_expr(self.trace, value, IR_TYPES[value.type]), value.type.__name__)
        return self._slot(value.expr, "array" if type(value) is TracedArray else "scalar")

    def _slot(self, value: Expr, kind: str) -> Slot:
        self.values.append(value.value)
        return Slot(len(self.values) - 1, kind)


_NUMBERS: Mapping[str, Callable[[Any], Any]] = {"int": int, "float": float, "bool": bool, "complex": complex}


def filled(tree: Any, operands: Sequence[Any]) -> Any:
    """Arguments with what the operands are now."""
    kind = _type(tree)
    if kind is Slot:
        array = operands[tree.number]
        if tree.kind == "array":
            array.flags.writeable = False
            return array
        return array[()] if tree.kind == "scalar" else _NUMBERS[tree.kind](array)
    if kind is Text:
        return tree.make(*[filled(part, operands) for part in tree.parts])
    if kind is Closure:
        return tree.bind([filled(cell, operands) for cell in tree.cells])
    return (
        rebuild(tree, [filled(item, operands) for _, item in children(tree)])
        if is_node(tree) and has_slot(tree)
        else tree
    )


def has_slot(tree: Any) -> bool:
    """Whether operands are somewhere in a tree."""
    return _type(tree) in (Slot, Text, Closure) or (
        is_node(tree) and any(has_slot(item) for _, item in children(tree))
    )


class Declared:
    """One result: what it is for the user, and its type. In plain Python a size may be a name."""

    __slots__ = ("dtype", "kind", "shape")

    def __init__(self, kind: str, dtype: DType, shape: tuple[DimLike, ...]) -> None:
        self.kind, self.dtype, self.shape = kind, dtype, shape

    def __str__(self) -> str:
        if self.kind in _NUMBERS:
            return f"a Python {self.kind}"
        shape = f"[{','.join(map(show_dim, self.shape))}]" if self.kind == "array" else ""
        return f"{self.dtype}{shape}"


def checked(
    one: Declared, shape: Sequence[int], value: UserValue, name: str, location: Location | None
) -> Array:
    """What a function returned, as an array of a declared result; raises DTypeError and ShapeError."""
    made: Any = np.asarray(value)
    wanted = numpy_dtype(one.dtype)
    if _type(value) in (bool, int, float, complex) and np.can_cast(made.dtype, wanted, "same_kind"):
        made = made.astype(wanted)
    is_array = isinstance(value, np.ndarray)
    found = f"{made.dtype}{list(made.shape)}" if is_array else f"a {_type(value).__name__}"
    facts = [Fact("declared", str(one)), Fact("returned", found)]
    if made.dtype != wanted:
        raise DTypeError(
            f"a callback of {name} returned another type than its result declares",
            location=location,
            facts=facts,
            fix=f"convert it there, or declare {found} as its result",
        )
    if made.shape != tuple(shape):
        raise ShapeError(
            f"a callback of {name} returned another shape than its result declares",
            location=location,
            facts=[*facts, Fact("sizes now", str(list(shape)))],
            fix="return an array of the declared shape, or declare another",
        )
    return made


def in_order(tree: Any, like: Any, name: str, location: Location | None) -> list[Any]:
    """The leaves of what a function returned, in the structure that is declared."""
    if not is_node(like):
        return [tree]
    items = list(children(like))
    kinds = (dict,) if isinstance(like, dict) else (tuple, list)
    fits = issubclass(_type(tree), kinds) and len(tree) == len(items)
    if not fits or (kinds == (dict,) and any(key not in tree for key, _ in items)):
        raise ShapeError(
            f"a callback of {name} returned another structure than its result declares",
            location=location,
            facts=[
                Fact("declared", f"{_type(like).__name__} of {len(items)}"),
                Fact("returned", _type(tree).__name__),
            ],
            fix="return the structure that `result` has",
        )
    pairs = [(one, tree[key if kinds == (dict,) else k]) for k, (key, one) in enumerate(items)]
    return [leaf for one, item in pairs for leaf in in_order(item, one, name, location)]


class PythonCall(NamedTuple):
    """What a site runs: `function` with the filled arguments; `results` is the tree of declared results."""

    function: Callable[..., Any]
    arguments: Any
    results: Any
    leaves: Sequence[Declared]
    name: str
    location: Location | None

    def __call__(self, operands: Sequence[Array], shapes: Sequence[tuple[int, ...]]) -> Sequence[Array]:
        """One call."""
        arguments = filled(self.arguments, operands)
        copies = [one for one, tree in zip(arguments, self.arguments, strict=True) if one is not tree]
        before = [(one, _contents(one)) for one in copies if _type(one) in (list, dict)]
        returned = filled(self.function, operands)(*arguments)
        for one, items in before:
            if _contents(one) != items:
                kind = _type(one).__name__
                raise UnsupportedError(
                    f"a callback of {self.name} changes a {kind} that it was given, which is a copy",
                    code="E055",
                    location=self.location,
                    fix="return what it makes, or change an object from outside",
                )
        if not self.leaves:
            return ()
        found = in_order(returned, self.results, self.name, self.location)
        together = zip(self.leaves, shapes, found, strict=True)
        return [checked(one, shape, value, self.name, self.location) for one, shape, value in together]


def _contents(container: Any) -> list[int]:
    """The items of a list or the values of a dict, by identity."""
    return [id(item) for item in (container.values() if _type(container) is dict else container)]


def call_python(
    trace: Trace,
    function: Callable[..., Any],
    args: Sequence[Any],
    results: Any = None,
    name: str = "",
    location: Location | None = None,
) -> Any:
    """Write a call of `function` at this place; `results` is a tree of `Declared`, or None.

    `location` is the user's line, the present one if it is None.
    """
    location = location or trace.location()
    arguments = Arguments(trace)
    tree = [arguments.take(value) for value in args]
    leaves = _leaves(results)
    types = tuple(TensorType(one.dtype, one.shape) for one in leaves)
    called = PythonCall(
        standing_alone(arguments, function), tree, results, leaves, name or _name(function), location
    )
    operand_types = [tensor_operand([v.type]) for v in arguments.values]
    ranks = tuple(len(ty.shape) for ty in (*operand_types, *types))
    dtypes = (tuple(ty.dtype for ty in operand_types), tuple(ty.dtype for ty in types))
    site = Site(called, *dtypes, ranks, location)
    trace.callbacks.append(site)
    facts = {"site": len(trace.callbacks) - 1, "types": types}
    op = trace.emit_op("callback", arguments.values, facts)  # pyright: ignore[reportArgumentType] -- types nest
    made = iter([_wrapped(trace, one, value) for one, value in zip(leaves, op.results, strict=True)])
    return None if results is None else _rebuilt(results, made)


def _leaves(results: Any) -> list[Declared]:
    if type(results) is Declared:
        return [results]
    return [] if results is None else [leaf for _, item in children(results) for leaf in _leaves(item)]


def _rebuilt(results: Any, made: Any) -> Any:
    if type(results) is Declared:
        return next(made)
    return rebuild(results, [_rebuilt(item, made) for _, item in children(results)])


def _wrapped(trace: Trace, one: Declared, value: Value) -> Any:
    if one.kind == "array":
        return new_array(trace, trace.expr(value))
    if one.kind == "scalar":
        return TracedScalar(trace, value)
    kinds = {"int": int, "float": float, "bool": bool, "complex": complex}
    return TracedNumber(trace, kinds[one.kind], value=value)


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", None) or repr(function)


def deliver(trace: Trace, array: TracedArray) -> object:
    """Hand an array over at the end of the program; gives the key by which `delivered` finds it."""
    key = object()
    call_python(trace, partial(keep, key), [array], name="return")
    return key


# ---------------------------------------------------------------- functions that are part of the traced one


def standing_alone(arguments: Arguments, function: UserValue) -> Any:
    """The function, or the tree of it, as it is to be called when the program runs.

    One made inside of the traced function keeps what its variables are now; traced ones become operands.
    Raises UnsupportedError for one that changes what the trace made.
    """
    trace = arguments.trace
    if isinstance(function, partial):
        given = [*function.args, *function.keywords.values()]
        if _holds_traced(given) or (is_rewritten_function(function.func) and not trace.is_outside(function)):
            raise trace.refuse("a partial function made in the compiled one is a callback", _FIX, "E052")
        return trace.hold(function)
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(function, type):
        return _method(arguments, function, owner)
    return _closure(arguments, function) if is_rewritten_function(function) else trace.hold(function)


def _closure(arguments: Arguments, function: Any) -> Closure:
    """The tree of a function that was made inside of the traced one."""
    trace = arguments.trace
    if function in arguments.making:
        raise trace.refuse("the function of a callback calls itself", "make it a global function", "E052")
    _refuse_binding(trace, function)
    if _holds_traced([function.__defaults__, function.__kwdefaults__]):
        raise trace.refuse("a default of a callback is a traced value", _FIX, "E052")
    names: Any = function.__code__.co_freevars
    cells: Any = function.__closure__ or ()
    root = cells[names.index(HOOKS)].cell_contents.function if HOOKS in names else None
    outside = () if root is None else root.__code__.co_freevars
    kept: list[Any] = []
    arguments.making.append(function)
    for name, cell in zip(names, cells, strict=True):
        if name == HOOKS:
            kept.append(Link(PlainHooks(), root))  # pyright: ignore[reportArgumentType] -- there is one
        elif name in outside or not _is_bound(cell):
            kept.append(cell)
        else:
            kept.append(_variable(arguments, name, cell.cell_contents))
    arguments.making.pop()
    return Closure(function, kept)


def is_rewritten_function(function: UserValue) -> bool:
    """Whether it was made inside of the traced function, or of another that is traced."""
    return isinstance(function, FunctionType) and is_rewritten(function)


def _method(arguments: Arguments, function: UserValue, owner: UserValue) -> Any:
    """A bound method: what it is bound to must be there when the program runs."""
    trace = arguments.trace
    held = trace.hold(owner)
    if _type(owner) in (list, dict, set) and (held is not owner or not trace.is_outside(owner)):
        raise trace.refuse(
            f"a callback changes a {_type(owner).__name__} made in the compiled function: a copy",
            "change an object from outside: a global, or an attribute",
            "E055",
        )
    if isinstance(function, MethodType) and is_rewritten_function(function.__func__):
        raise trace.refuse("a method of a class made in the compiled function is a callback", _FIX, "E055")
    return function


def _refuse_binding(trace: Trace, function: FunctionType) -> None:
    """Refuse a function that binds variables of the traced function, which are gone when it runs."""
    code = function.__code__
    for one in dis.get_instructions(code):
        if one.opname in ("STORE_DEREF", "DELETE_DEREF") and one.argval in code.co_freevars:
            raise trace.refuse(
                f"the function of a callback binds {one.argval!r}, a variable of the compiled function",
                "return the value from the callback", "E055",
            )  # fmt: skip


def _is_bound(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 -- raises if it is empty
    except ValueError:
        return False
    return True


def _variable(arguments: Arguments, name: str, value: UserValue) -> Any:
    """The tree of a variable of the traced function."""
    trace = arguments.trace
    if type(value) in (list, dict, set) and not trace.is_outside(value):
        kind = _type(value).__name__
        raise trace.refuse(
            f"the function of a callback uses {name!r}, a {kind} made in the compiled function", _FIX, "E055"
        )
    return arguments.take(value)


def _holds_traced(value: UserValue) -> bool:
    return _type(value) in TRACED or (
        is_node(value) and any(_holds_traced(item) for _, item in children(value))
    )
