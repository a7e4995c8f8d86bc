"""What a trace takes in.

Arguments, and what the function reaches outside of them, with the guards that go with it. Arrays, floats and
NumPy scalars become parameters; ints become constants under a guard, or symbols; other values are known while
tracing, under a guard. Containers and objects are remembered with the path to them, so that what is read from
them has a path too. Not here: which load leads where (`tracing.py`).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Literal, cast

import numpy as np

from weft.compiler.frontend.arguments import (
    ArgumentSpec,
    ArraySpec,
    FloatSpec,
    IntSpec,
    ScalarSpec,
    StaticSpec,
    children,
    is_array,
    is_node,
    layout_of,
    map_paths,
    rebuild,
    step,
)
from weft.compiler.frontend.number import IR_TYPES, TracedNumber, size_number
from weft.compiler.frontend.promote import element_type
from weft.compiler.frontend.source import Attribute, Cell, Global, Pinned, Source
from weft.compiler.frontend.storage import Storage, Transpose, View, row_major
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, BoundMethod, TracedArray, TracedScalar, new_array
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, as_symbol, symbols_of
from weft.ir.node import Value
from weft.ir.types import IndexType, TensorType
from weft.runtime.variables import MEMORY, Variable

GuardKind = Literal["is", "equals", "type", "length", "keys", "same"]


@dataclass(frozen=True, slots=True)
class ObjectGuard:
    """What must hold for the value at a path.

    It `is` an object, `equals` a value, has a `type`, `length` or `keys`, or is the `same` object as that at
    another path.
    """

    source: Source
    kind: GuardKind
    value: Any


@dataclass(frozen=True, slots=True)
class Parameter:
    """Where a parameter of the function comes from.

    One of layout F has the type of the transpose, which is dense. One that `is_variable` is the memory of a
    Variable.
    """

    source: Source
    spec: ArgumentSpec
    hidden: bool = False
    is_variable: bool = False


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """What the caller decides.

    Sizes of the present call, which hidden ints and sizes are symbols, whose code is not traced. `arrays`
    leads from the id of an array among the arguments to its path. Results that are "views", or "all"
    that are memory of arguments, are copied where `copies` says so.
    """

    present: Mapping[str, int] = field(default_factory=dict[str, int])
    hidden_int: Callable[[Source, int], DimLike] = lambda _source, value: value
    hidden_shape: Callable[[Source, np.ndarray], tuple[DimLike, ...]] = lambda _source, array: array.shape
    arrays: Mapping[int, Source] = field(default_factory=dict[int, Source])
    read: Callable[[Source], Any] = lambda _source: None
    library: frozenset[str] = frozenset()
    copies: Literal["nothing", "views", "all"] = "nothing"


class Inputs:
    """The parameters, guards and known paths of one trace."""

    def __init__(self, trace: Trace, options: TraceOptions) -> None:
        self.trace, self.options = trace, options
        self.parameters: list[Parameter] = []
        self.guards: list[ObjectGuard] = []
        self.storages: list[Storage] = []
        self.unhooked: FunctionType | None = (
            None  # the traced function, if it has no source and runs as it is
        )
        self.before_copy: Callable[[Any], None] = lambda _: None  # told of a container before it is opened
        self._arrays: dict[int, tuple[Any, TracedArray]] = {}
        self._sources: dict[int, Source] = {}
        self._numbers: dict[str, Any] = {}
        self._aliases: dict[int, TracedArray] = {}
        self._at: dict[str, TracedArray] = {}
        self._paths: dict[int, tuple[Any, Source]] = {}
        self._copies: dict[int, tuple[Any, Any]] = {}
        self._opened: set[int] = set()
        self._appended: dict[int, list[Any]] = {}

    # ---- arguments

    def argument(self, source: Source, tree: Any) -> Any:
        """What the function gets for an argument that is described by a tree of specs."""
        self._guard_containers(source, tree)
        made = map_paths(lambda path, spec: self._leaf(path, spec, hidden=False), source, tree)
        self._remember_tree(source, made)
        return made

    def _guard_containers(self, source: Source, tree: Any) -> None:
        """Guard the structure of an argument, outer containers first.

        Items are read after their container's check.
        """
        if is_node(tree):
            self.guards.append(ObjectGuard(source, "type", type(tree)))
            self._guard_size(source, tree)
            for key, item in children(tree):
                self._guard_containers(step(source, tree, key), item)

    def _guard_size(self, source: Source, container: Any) -> None:
        """Guard the keys of a dict or the length of a list or tuple.

        The fields of a record are those of its type.
        """
        if type(container) is dict:
            keys = cast("dict[Any, Any]", container)
            self.guards.append(ObjectGuard(source, "keys", tuple(keys)))
        elif type(container) in (list, tuple):
            self.guards.append(ObjectGuard(source, "length", len(container)))

    def _remember_tree(self, source: Source, value: Any) -> None:
        if is_node(value):
            self.remember(value, source)
            self._opened.add(id(value))
            for key, item in children(value):
                self._remember_tree(step(source, value, key), item)

    def _leaf(self, source: Source, spec: ArgumentSpec, *, hidden: bool) -> Any:
        match spec:
            case ArraySpec():
                return self._array(source, spec, hidden=hidden)
            case IntSpec(value):
                return self._int(source, self.trace.assumptions.apply(value), spec, hidden=hidden)
            case FloatSpec() if str(source) in self.trace.assumptions.fixed:
                return self._static(source, self.trace.assumptions.fixed[str(source)])
            case FloatSpec(kind):
                value = self._parameter(source, spec, TensorType(IR_TYPES[kind]), hidden=hidden)
                present = self.options.read(source)
                if kind is float and type(present) is float and present == present:
                    self.trace.numbers[value] = (str(source), present)
                return TracedNumber(self.trace, kind, value=value)
            case ScalarSpec() if str(source) in self.trace.assumptions.fixed:
                fixed = self.trace.assumptions.fixed[str(source)]
                self.guards.append(ObjectGuard(source, "equals", fixed))
                return fixed
            case ScalarSpec(dtype):
                value = self._parameter(source, spec, TensorType(dtype), hidden=hidden)
                present = self.options.read(source)
                if isinstance(present, np.integer):
                    self.trace.numbers[value] = (str(source), present)
                return TracedScalar(self.trace, value)
            case StaticSpec(value):
                return self._static(source, value)

    def _array(self, source: Source, spec: ArraySpec, *, hidden: bool) -> TracedArray:
        if spec.alias is not None and spec.alias in self._aliases:
            return self._aliases[spec.alias]
        shape = self.trace.assumptions.apply_all(spec.shape)
        stored = shape[::-1] if spec.layout == "F" else shape
        strides = (None,) * len(stored) if spec.layout == "strided" else row_major(stored)
        number = len(self.parameters)
        value = self._parameter(source, spec, TensorType(spec.dtype, stored), hidden=hidden)
        storage = Storage(value, strides, number, spec.writeable, str(source), depth=1)
        self.storages.append(storage)
        view = View.of(storage)
        if spec.layout == "F" and len(shape) > 1:
            view = view.through(Transpose(tuple(reversed(range(len(shape))))))
        array = TracedArray(self.trace, view)
        self._at[str(source)] = array
        self.remember(array, source)
        if spec.alias is not None:
            self._aliases[spec.alias] = array
        return array

    def _int(self, source: Source, value: DimLike, spec: IntSpec, *, hidden: bool) -> Any:
        if as_symbol(spec.value) is not None:
            if as_symbol(value) is not None:
                self._parameter(source, spec, IndexType(value), hidden=hidden)
        else:
            self.guards.append(ObjectGuard(source, "equals", spec.value))
        return size_number(self.trace, value)

    def _parameter(
        self, source: Source, spec: ArgumentSpec, ty: TensorType | IndexType, *, hidden: bool
    ) -> Value:
        self.parameters.append(Parameter(source, spec, hidden))
        dims = (ty.dim,) if isinstance(ty, IndexType) else ty.shape
        self.trace.names.update(s.name for dim in dims for s in symbols_of(dim))
        return self.trace.func.body.add_param(ty, str(source))

    def _static(self, source: Source, value: Any) -> Any:
        if type(value) is Variable:
            return self._captured_variable(source, value)
        if type(value) is np.poly1d:
            self.guards.append(ObjectGuard(source, "type", np.poly1d))
            return self.trace.call(np.poly1d, self.capture(Attribute(source, "coeffs"), value.coeffs))
        if is_compared(value) or type(value) in (int, float, complex):  # a number that is static
            self.guards.append(ObjectGuard(source, "equals", value))
            return value
        if _has_identity(value):
            self.guards.append(ObjectGuard(source, "is", value))
        else:
            self.guards.append(ObjectGuard(source, "type", type(value)))
        return self.remember(value, source)

    # ---- what is reached outside the arguments

    def capture(self, source: Source, value: Any) -> Any:
        """What the function gets for a value that it loads from `source`."""
        if type(value) in TRACED or type(value) is BoundMethod or _is_builtin(value):
            return value
        if is_array(value):
            return self._captured_array(source, value)
        if type(value) is Variable:
            return self._captured_variable(source, value)
        if id(value) in self._copies and self._copies[id(value)][0] is value:
            return self._copies[id(value)][1]
        if isinstance(value, np.generic) or type(value) in (int, float, complex):
            return self._captured_number(source, value)
        if id(value) in self._paths:
            return value
        return self._static(source, value)

    def _captured_variable(self, source: Source, variable: Variable) -> TracedArray:
        """The memory of a variable; what the call returns as it is, is the variable itself."""
        if not isinstance(source, Pinned):
            self.guards.append(ObjectGuard(source, "type", Variable))
        memory = getattr(variable, MEMORY)
        is_new = id(memory) not in self._arrays
        array = self._captured_array(Attribute(source, MEMORY), memory)
        if is_new:
            array.view.storage.variable = variable
            number = array.view.storage.parameter
            if number is not None:
                self.parameters[number] = replace(self.parameters[number], is_variable=True)
            array.view.storage.name = variable.name
            self._paths[id(array)] = (array, source)
        return array

    def _captured_array(self, source: Source, array: np.ndarray) -> TracedArray:
        if id(array) in self._arrays:
            made = self._arrays[id(array)][1]
            first = self._sources.get(id(array))
            if first is not None and (first != source):  # either name may be bound to another array later
                self.guards.append(ObjectGuard(source, "same", first))
            return made
        path = self.options.arrays.get(id(array))
        if path is not None and str(path) in self._at:
            self.guards.append(ObjectGuard(source, "same", path))
            return self._at[str(path)]
        if not isinstance(array, np.memmap) and type(array) is not np.ndarray:
            kind = f"{type(array).__module__}.{type(array).__qualname__}"
            what = f"{source} is a {kind}: operations of such subclasses are not traced"
            raise self.trace.refuse(what, f"use np.asarray({source}), and a mask as another array", "E031")
        shape = self.options.hidden_shape(source, array)
        dtype = element_type(array.dtype, self.trace.location())
        spec = ArraySpec(dtype, shape, layout_of(array), array.flags.writeable)
        made = self._array(source, spec, hidden=True)
        self._arrays[id(array)] = (array, made)
        self._sources[id(array)] = source
        return made

    def _captured_number(self, source: Source, value: Any) -> Any:
        key = str(source) + repr(getattr(source, "owner", None))
        if key not in self._numbers:
            if type(value) is int:
                spec: ArgumentSpec = IntSpec(self.options.hidden_int(source, value))
            else:
                kind: Any = type(value)  # pyright: ignore[reportUnknownVariableType]
                spec = FloatSpec(kind) if kind in (float, complex) else ScalarSpec(element_type(value.dtype))
            self._numbers[key] = self._leaf(source, spec, hidden=True)
        return self._numbers[key]

    # ---- objects with a path

    def remember(self, value: Any, source: Source) -> Any:
        """Note the path of an object that outlives the call."""
        self._paths.setdefault(id(value), (value, source))
        return value

    def path(self, value: Any) -> Source | None:
        """The path of an object that outlives the call, None for one that the trace made."""
        known = self._paths.get(id(value))
        return None if known is None else known[1]

    def opened(self, value: Any) -> Any:
        """The trace's own copy of a container from outside, None if there is none."""
        if id(value) in self._opened:
            return value
        known = self._copies.get(id(value))
        return known[1] if known is not None and known[0] is value else None

    def is_appended(self, value: Any) -> bool:
        """Whether the trace has appended to a list from outside that it has not opened."""
        return id(value) in self._appended

    def appended(self, value: Any) -> list[Any]:
        """The items that a list from outside got, as one that grows."""
        return self._appended.setdefault(id(value), [])

    def is_tail(self, items: list[Any]) -> bool:
        """Whether these are such items, of a list that was not opened since."""
        return any(items is one for one in self._appended.values())

    def copies(self) -> list[Any]:
        """The trace's own containers that stand for some from outside."""
        return [self._paths[key][0] for key in self._opened]

    def append_later(self, value: Any, item: Any) -> None:
        """Note an item that the copy of a list will have once it is made."""
        self._appended.setdefault(id(value), []).append(item)

    def open(self, value: Any) -> Any:
        """A container from outside with its items captured, as a copy that the trace may change.

        Others as they are.
        """
        source, held = self.path(value), self.opened(value)
        if source is None or not is_node(value) or held is not None:
            return value if held is None else held
        self.before_copy(value)
        self._guard_size(source, value)
        items = [self.open(self.capture(step(source, value, key), item)) for key, item in children(value)]
        copy = rebuild(value, items + self._appended.pop(id(value), []))
        self._copies[id(value)] = (value, copy)
        self._opened.add(id(copy))
        return self.remember(copy, source)

    def hold(self, value: Any) -> Any:
        """What a callback gets for a value: an object from outside is itself, under a guard that it is.

        A container that the trace has opened is its copy.
        """
        if not self.is_outside(value):
            return self.open(value)
        source = self.path(value)
        if source is not None and not is_compared(value):
            self.guards.append(ObjectGuard(source, "is", value))
        return value

    def is_outside(self, value: Any) -> bool:
        """Whether a value is an object that outlives the call, of which the trace has no copy."""
        return self.path(value) is not None and self.opened(value) is None and not self.is_appended(value)

    def looked_at(self, value: Any, *, items: bool = False) -> Any:
        """A container whose truth, keys or items the function asks for: an answer that holds for its size.

        Any value may be given; what is no container from outside is given back.
        """
        source, held = self.path(value), self.opened(value)
        if source is None or held is not None:
            return value if held is None else held
        given: Any = value  # which the tests below do not narrow
        if type(given) is set:
            self.guards.append(ObjectGuard(source, "equals", set(cast("set[Any]", given))))
        elif (items and type(value) is list) or self.is_appended(value):
            return self.open(value)
        elif type(value) in (list, dict):
            self._guard_size(source, value)
        return value

    def forget_writes(self) -> None:
        """Give what came from outside the values back that it had at entry."""
        params = self.trace.func.params
        for storage in self.storages:
            if storage.parameter is not None:
                storage.value = params[storage.parameter]
                storage.version += 1

    def adopt(self, array: np.ndarray | Variable) -> TracedArray:
        """The traced array of an array object, or a variable, that no load brought.

        Code without source has it, or a library made it.
        """
        if type(array) is Variable:
            known = self._arrays.get(id(getattr(array, MEMORY)))
            return self._captured_variable(Pinned(array), array) if known is None else known[1]
        assert isinstance(array, np.ndarray)
        if id(array) in self._arrays:
            return self._arrays[id(array)][1]
        path = self.options.arrays.get(id(array)) or self._search(array)
        if path is not None:
            return self._captured_array(path, array)
        if array.flags.writeable and self.unhooked:
            raise self.trace.refuse(
                "an array of unknown origin would be frozen", "pass it as an argument", "E053"
            )
        ty = TensorType(element_type(array.dtype, self.trace.location()), array.shape)
        return new_array(self.trace, self.trace.builder.constant(np.array(array), ty))

    def _search(self, array: np.ndarray) -> Source | None:
        """The global or closure variable of the traced function that is this array."""
        if self.unhooked is None:
            return None
        for name, value in self.unhooked.__globals__.items():
            if value is array:
                return Global(name)
        for name, cell in zip(
            self.unhooked.__code__.co_freevars, self.unhooked.__closure__ or (), strict=True
        ):
            if cell.cell_contents is array:
                return Cell(name)
        return None


def _is_builtin(value: Any) -> bool:
    return isinstance(value, BuiltinFunctionType) and value.__module__ == "builtins"


_COMPARED = (bool, str, bytes, complex, np.dtype, slice, range, frozenset)


def is_compared(value: Any) -> bool:
    """Whether a value is compared by equality: its type has one that means being interchangeable."""
    if type(value) is tuple:
        items = cast("tuple[Any, ...]", value)
        return all(is_compared(v) or type(v) is int for v in items)
    return isinstance(value, _COMPARED) or value is None or value is ...


def _has_identity(value: Any) -> bool:
    """Whether a value is known by being that object: code, modules, enums.

    Methods are made anew at each load.
    """
    return isinstance(value, FunctionType | type | ModuleType | np.ufunc | BuiltinFunctionType | enum.Enum)
