"""The arguments of one call: by position, with their paths, as arrays that programs take, and as specs.

Not here: guard tables (`guards.py`), variants (`function.py`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from weft.calls.history import MOST_INT, Place
from weft.compiler.frontend.arguments import (
    ArraySpec,
    IntSpec,
    ScalarSpec,
    StaticSpec,
    children,
    is_node,
    map_paths,
    rebuild,
    spec_of,
    step,
)
from weft.compiler.frontend.capture import is_compared
from weft.compiler.frontend.rewrite import resolve_callable
from weft.compiler.frontend.source import Argument, Attribute, Item, Source
from weft.ir import DTypeError, Location, UnsupportedError, UserError
from weft.ir.dataclass import dataclass
from weft.runtime.variables import Variable

_type: Callable[[Any], Any] = type  # typed so: of a value of any type

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

# typed so, what is tested stays a value of any type
_ARRAY: Any = np.ndarray
_KEPT: Any = (np.generic, type, Variable)
_SCALAR: Any = np.generic


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a callable: the Python function behind it, what it is bound to, its parameters."""

    fn: Callable[..., Any]
    function: Any  # a FunctionType or None; typed so, checkers take it for a method
    bound: tuple[Any, ...]
    bound_named: Mapping[str, Any]
    signature: inspect.Signature | None

    @staticmethod
    def of(fn: Callable[..., Any]) -> Shape:
        """Look at `fn`."""
        callee = resolve_callable(fn)
        try:
            signature = inspect.signature(fn)
        except (TypeError, ValueError):
            signature = None
        if callee is None:
            return Shape(fn, None, (), {}, signature)
        return Shape(fn, callee.function, callee.args, callee.kwargs, signature)

    @property
    def location(self) -> Location | None:
        """Where the function is defined."""
        if self.function is None:
            return None
        code = self.function.__code__
        return Location(code.co_filename, code.co_firstlineno, function=code.co_qualname)

    @property
    def name(self) -> str:
        """Of the user's function."""
        return getattr(self.fn, "__name__", None) or getattr(
            self.function, "__name__", type(self.fn).__name__
        )

    def parameter(self, position: int) -> str:
        """The name of the parameter of `function` at a position, "" for what `*args` takes."""
        if self.function is None:
            names = (
                []
                if self.signature is None
                else [p.name for p in self.signature.parameters.values() if p.kind not in _VARIADIC]
            )
            return names[position] if position < len(names) else ""
        code = self.function.__code__
        return code.co_varnames[position] if position < code.co_argcount else ""

    def by_keyword(self, position: int) -> str | None:
        """The keyword by which the argument at a position of a call may be given."""
        if self.signature is None:
            return None
        for k, one in enumerate(self.signature.parameters.values()):
            if k == position:
                return one.name if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD else None
        return None


@dataclass(frozen=True, slots=True)
class Call:
    """Arguments of one call, those that the callable is bound to left out."""

    shape: Shape
    positional: tuple[Any, ...]
    named: Mapping[str, Any]

    @staticmethod
    def of(shape: Shape, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call:
        """Keywords that name positional parameters become positional where nothing before them is missing.

        Raises TypeError as Python does for arguments that the function does not take.
        """
        positional, named = list(args), dict(kwargs)
        if shape.signature is None:
            return Call(shape, tuple(positional), named)
        try:
            shape.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{shape.name}() {error}") from None
        for k, parameter in enumerate(shape.signature.parameters.values()):
            if k < len(positional):
                continue
            if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD or parameter.name not in named:
                break
            positional.append(named.pop(parameter.name))
        return Call(shape, tuple(positional), named)

    def argument(self, key: int | str) -> Argument:
        """The path of an argument of this call, as the tracer counts: after what is bound."""
        if isinstance(key, str):
            return Argument(key, key)
        position = key + len(self.shape.bound)
        return Argument(position, self.shape.parameter(position))

    def items(self) -> list[tuple[int | str, Any]]:
        """Keys and values of the arguments given."""
        return [*enumerate(self.positional), *self.named.items()]

    @property
    def all_positional(self) -> tuple[Any, ...]:
        """Arguments of the Python function, with what is bound."""
        return (*self.shape.bound, *self.positional)

    @property
    def all_named(self) -> dict[str, Any]:
        """Keywords of the Python function, with what is bound."""
        return {**self.shape.bound_named, **self.named}

    def read(self, path: Source) -> Any:
        """The value at a path, as it is now."""
        return path.read(self.shape.function, self.all_positional, self.all_named)

    def arrays(self) -> dict[int, Source]:
        """Paths of the arrays among the arguments, by id."""
        found: dict[int, Source] = {}
        bound = [(Argument(k, self.shape.parameter(k)), v) for k, v in enumerate(self.shape.bound)]
        named = [(Argument(k, k), v) for k, v in self.shape.bound_named.items() if k not in self.named]
        for path, value in [*bound, *((self.argument(k), v) for k, v in self.items()), *named]:
            for place, leaf in leaves(path, value):
                if isinstance(leaf, _ARRAY):
                    found.setdefault(id(leaf), place)
        return found


def key_of(path: Source) -> str:
    """A text that tells a path from all others of a function; names of parameters play no part."""
    match path:
        case Argument(key):
            return f"argument {key!r}"
        case Attribute(base, name):
            return f"{key_of(base)}.{name}"
        case Item(base, key):
            return f"{key_of(base)}[{key!r}]"
        case _:
            return repr(path)


def leaves(path: Source, tree: Any) -> list[tuple[Source, Any]]:
    """Paths and leaves of a tree."""
    if not is_node(tree):
        return [(path, tree)]
    return [leaf for key, item in children(tree) for leaf in leaves(step(path, tree, key), item)]


# ---------------------------------------------------------------- values that programs take


@dataclass(frozen=True, slots=True)
class Plain:
    """Arguments as programs take them; `restore` hands changes of copies back."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    is_changed: bool
    restore: Callable[[], None]


def plain(call: Call, static: Callable[[int | str], bool]) -> Plain:
    """Exact ndarrays in native byte order: views of what gives its memory, copies of byte-swapped arrays.

    Raises UnsupportedError for masked arrays, matrices and other subclasses whose operations mean something
    else.
    """
    work = _Plain(call.shape.location)
    args = tuple(v if static(k) else work.tree(call.argument(k), v) for k, v in enumerate(call.positional))
    kwargs = {k: v if static(k) else work.tree(call.argument(k), v) for k, v in call.named.items()}
    return Plain(args, kwargs, work.is_changed, work.restore)


class _Plain:
    def __init__(self, location: Location | None) -> None:
        self.location = location
        self.is_changed = False
        self.swapped: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.containers: list[tuple[Any, Any, list[Any]]] = []

    def tree(self, path: Source, value: Any) -> Any:
        """The tree with leaves made plain; the same object if none changes."""
        if not is_node(value):
            return self.leaf(path, value)
        items = [item for _, item in children(value)]
        made = [self.tree(step(path, value, key), item) for key, item in children(value)]
        if all(a is b for a, b in zip(items, made, strict=True)):
            return value
        copy = rebuild(value, made)
        self.containers.append((value, copy, made))
        return copy

    def leaf(self, path: Source, value: Any) -> Any:
        """One value."""
        kind: Any = _type(value)
        if kind is np.ndarray:
            return value if value.dtype.isnative or value.dtype.kind not in "biufc" else self._swap(value)
        if isinstance(value, _SCALAR) and (usual := np.dtype(value.dtype.str).type) is not kind:
            self.is_changed = True  # of two C types with the same bits NumPy calls one by its size
            return usual(value)
        if kind in (int, float, bool, str, complex) or value is None or isinstance(value, _KEPT):
            return value
        if isinstance(value, _ARRAY):
            self.is_changed = True
            return self.leaf(path, _base_array(path, value, self.location))
        if kind is not np.poly1d and (hasattr(kind, "__array__") or hasattr(kind, "__dlpack__")):
            self.is_changed = True
            made = np.asarray(value) if hasattr(kind, "__array__") else np.from_dlpack(value)
            return self.leaf(path, made)
        return value

    def _swap(self, value: np.ndarray) -> np.ndarray:
        self.is_changed = True
        if id(value) not in self.swapped:
            native = value.astype(value.dtype.newbyteorder("="))
            native.flags.writeable = value.flags.writeable
            self.swapped[id(value)] = (value, native)
        return self.swapped[id(value)][1]

    def restore(self) -> None:
        """Hand changes of copies back."""
        for original, native in self.swapped.values():
            if original.flags.writeable and not np.array_equal(
                original, native, equal_nan=native.dtype.kind in "fc"
            ):
                original[...] = native
        for original, copy, before in self.containers:
            kind = _type(original)
            if kind is dict:
                old: dict[Any, Any] = dict(zip(original, before, strict=True))
                for key, item in copy.items():
                    if key not in old or old[key] is not item:
                        original[key] = item
            elif kind is list:
                for k, (item, old_item) in enumerate(zip(copy, before, strict=False)):
                    if item is not old_item:
                        original[k] = item
                original.extend(copy[len(before) :])


def _base_array(path: Source, value: np.ndarray, location: Location | None) -> np.ndarray:
    """A subclass's array, if its operations mean what those of an ndarray do."""
    kind = type(value)
    if isinstance(value, np.memmap):
        return np.asarray(value)
    fix = (
        f"pass {path}.filled(...) and the mask as arguments"
        if isinstance(value, np.ma.MaskedArray)
        else f"pass np.asarray({path})"
    )
    raise UnsupportedError(
        f"{path} is a {kind.__module__}.{kind.__qualname__}: operations of such subclasses are not traced",
        code="E031",
        location=location,
        fix=fix,
    )


# ---------------------------------------------------------------- specs


def spec_tree(path: Source, value: Any, *, static: bool, location: Location | None = None) -> Any:
    """The tree of specs of one argument; raises DTypeError naming it for what has no native form."""
    if static:
        return static_spec(path, value)

    def leaf(place: Source, item: Any) -> Any:
        try:
            return spec_of(item)
        except DTypeError as error:
            what = f"an array of dtype {item.dtype}" if isinstance(item, _ARRAY) else _type(item).__name__
            raise DTypeError(
                f"{place} is {what}: {error.sentence}", code=error.code, location=location, fix=error.fix
            ) from None

    return map_paths(leaf, path, value)


def static_spec(path: Source, value: Any) -> Any:
    """The spec of an argument that is compiled in."""
    if isinstance(value, np.ndarray):
        raise UserError(
            f"{path} is static, and an array", fix="leave it out of static=: arrays are read at every call"
        )
    return IntSpec(value) if type(value) is int else StaticSpec(value)


def places(path: Source, spec: Any) -> dict[Place, int]:
    """The sizes and ints of a tree of constant specs."""
    found: dict[Place, int] = {}
    for place, leaf in leaves(path, spec):
        if isinstance(leaf, ArraySpec):
            found.update(
                {
                    Place(str(place), axis): size
                    for axis, size in enumerate(leaf.shape)
                    if isinstance(size, int)
                }
            )
        elif isinstance(leaf, IntSpec) and isinstance(leaf.value, int) and abs(leaf.value) < MOST_INT:
            found[Place(str(place), -1)] = leaf.value
    return found


def class_of(trees: Sequence[tuple[int | str, Any]]) -> object:
    """What calls must have in common to share symbols: all but the sizes, and which sizes are 0 or 1."""
    return tuple((key, _class(tree)) for key, tree in trees)


def _class(tree: Any) -> object:
    if is_node(tree):
        return (_type(tree), tuple((_hashable(k), _class(v)) for k, v in children(tree)))
    match tree:
        case ArraySpec():
            small = tuple(d if d in (0, 1) else None for d in tree.shape)
            return ("array", tree.dtype.name, small, tree.layout, tree.writeable)
        case IntSpec():
            return "int"
        case StaticSpec(value):
            return ("static", _type(value), _hashable(value) if is_compared(value) else None)
        case ScalarSpec():
            return ("scalar", tree.dtype.name)
        case _:
            return _type(tree)


def _hashable(value: object) -> object:
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value


def with_alias(tree: Any, path: Source, numbers: Mapping[str, int]) -> Any:
    """The tree with alias numbers for the arrays at some paths."""

    def leaf(place: Source, spec: Any) -> Any:
        if isinstance(spec, ArraySpec) and str(place) in numbers:
            return replace(spec, alias=numbers[str(place)])
        return spec

    return map_paths(leaf, path, tree)
