"""Variables: memory that lives across calls, shared by plain Python and compiled functions (DESIGN D28).

A `Variable` owns one block of memory for its whole life, so its address never changes. In plain Python it is
used like the array that it holds; inside of a compiled function the tracer takes its place. Here are also the
walk that finds variables in an object, and `Module`, which only collects attributes.
Not here: how a trace sees them (`compiler/frontend/capture.py`), locks of running programs (`locks.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from weft.ir import DTypeError, ShapeError, UnsupportedError
from weft.runtime.locks import HEADER_BYTES, held

_type: Callable[[Any], Any] = type  # typed so: of a value of any type

_count = itertools.count()
tracing: ContextVar[Any] = ContextVar("weft_tracing", default=None)
"""The trace that is made here, if one is: what it did not load itself computes in it all the same."""

MEMORY = "_memory"
"""The attribute that holds a variable's memory as an array; the guard tables read it."""


class Variable(NDArrayOperatorsMixin):
    """An array that lives across calls: `weft.Variable(value, name=None, trainable=True, device=None)`.

    Reads like an array, in plain Python and in compiled functions, which share it: operators, NumPy
    functions, indexing and array methods work. Writes go to its memory in place: `v.assign(x)`, `v += x`,
    `v[i] = x`. Shape and dtype never change. `v.value` and `v.numpy()` are copies, taken while no program
    writes it; an index such as `v[1:]` is a view, as with arrays. A compiled function that returns part of it
    returns a copy. Raises DTypeError for a value that is not of numbers or bools.
    """

    __slots__ = ("__weakref__", MEMORY, "name", "number", "trainable")

    def __init__(
        self, value: Any, name: str | None = None, trainable: bool = True, device: str | None = None
    ) -> None:
        if device is not None:
            raise UnsupportedError(
                f"device={device!r}: devices are not built yet", code="E051", fix="leave device= out"
            )
        given = np.asarray(value)
        if given.dtype.kind not in "biufc":
            raise DTypeError(
                f"a variable holds numbers or bools, got {given.dtype}",
                fix="convert the value to a numeric dtype",
            )
        self._memory = _own_memory(given)
        self.number = next(_count)
        self.name = f"variable{self.number}" if name is None else name
        self.trainable = trainable

    # ---- reading

    @property
    def value(self) -> Any:
        """A copy of the elements, taken while no program writes them."""
        with held(self._memory, exclusive=False):
            return self._memory.copy()

    def numpy(self) -> Any:
        """The same as `value`."""
        return self.value

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes; they never change."""
        return self._memory.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements; it never changes."""
        return self._memory.dtype

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"'Variable' object has no attribute {name!r}")
        return getattr(self._here(), name)

    def _here(self) -> Any:
        """The memory; while a function is traced, what stands for it there."""
        trace = tracing.get()
        return self._memory if trace is None else trace.adopt(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        with held(self._memory, exclusive=False):
            return np.array(self._memory, dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        out = keywords.get("out", ())
        if any(hasattr(_type(x), "__array_ufunc__") for x in inputs if not isinstance(x, _OURS)):
            return NotImplemented  # a traced value, or an array of another library, takes over
        trace = tracing.get()
        if trace is not None:
            return trace.call(ufunc if method == "__call__" else getattr(ufunc, method), *inputs, **keywords)
        plain = [x._memory if type(x) is Variable else x for x in inputs]
        written = [x._memory for x in out if type(x) is Variable]
        if out:
            keywords["out"] = tuple(x._memory if type(x) is Variable else x for x in out)
        with held(*(x._memory for x in inputs if type(x) is Variable), *written, exclusive=bool(written)):
            result = getattr(ufunc, method)(*plain, **keywords)
        if len(out) == 1 and type(out[0]) is Variable:
            return out[0]
        return result

    def __getitem__(self, key: Any) -> Any:
        return self._here()[_plain(key)]

    def __len__(self) -> int:
        return len(self._memory)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._here())

    def __contains__(self, item: Any) -> bool:
        return item in self._memory

    def __bool__(self) -> bool:
        return bool(self._memory)

    def __int__(self) -> int:
        return int(self._memory)

    def __float__(self) -> float:
        return float(self._memory)

    def __complex__(self) -> complex:
        return complex(self._memory)

    def __index__(self) -> int:
        return self._memory.__index__()

    def __format__(self, specification: str) -> str:
        return format(self._memory[()] if self._memory.ndim == 0 else self._memory, specification)

    def __repr__(self) -> str:
        kind = "" if self.trainable else ", trainable=False"
        elements = np.array2string(self._memory, threshold=20, separator=", ")
        return f"Variable({elements}, name={self.name!r}{kind}, dtype={self.dtype})"

    # variables are told apart by identity; == is elementwise
    __hash__ = object.__hash__  # pyright: ignore[reportAssignmentType] -- the mixin has none

    def __reduce__(self) -> tuple[Any, ...]:
        return (Variable, (self.value, self.name, self.trainable))

    # ---- writing

    def assign(self, value: Any) -> None:
        """Replace all elements by `value`, which has the variable's shape and a dtype that it holds exactly.

        Python numbers take the variable's dtype. Raises ShapeError or DTypeError otherwise, and nothing is
        written.
        """
        if tracing.get() is not None:
            self._here().assign(value)
            return
        given = check_assigned(self, _plain(value))
        with held(self._memory, exclusive=True):
            self._memory[...] = given

    def __setitem__(self, key: Any, value: Any) -> None:
        if tracing.get() is not None:
            self._here()[key] = value
            return
        key, value = _plain(key), _plain(value)
        with held(self._memory, exclusive=True):
            self._memory[key] = value


_OURS: Any = (Variable, np.ndarray, np.generic)
_SEQUENCES: Any = (list, tuple)


def check_assigned(variable: Any, value: Any) -> np.ndarray[Any, Any]:
    """The value as an array that may be assigned to the variable; raises ShapeError or DTypeError."""
    weak = type(value) in (int, float, complex, bool) or isinstance(value, _SEQUENCES)
    given: np.ndarray[Any, Any] = np.asarray(value)
    check_shape(variable.name, variable.shape, given.shape)
    kinds = "biufc"
    fits = np.can_cast(given.dtype, variable.dtype, "safe")
    if not fits and weak:
        fits = given.dtype.kind in kinds and kinds.index(given.dtype.kind) <= kinds.index(variable.dtype.kind)
    if not fits:
        raise assigned_dtype(variable.name, variable.dtype, given.dtype)
    return given


def check_shape(name: str, expected: tuple[Any, ...], shape: tuple[Any, ...]) -> None:
    """Raise ShapeError if a value of another shape is assigned."""
    if tuple(expected) != tuple(shape):
        sizes = [f"[{', '.join(map(str, dims))}]" for dims in (expected, shape)]
        raise ShapeError(f"the variable {name} has shape {sizes[0]}, the value assigned to it {sizes[1]}",
                         fix="reshape the value, or write part of it with v[...] = value")  # fmt: skip


def assigned_dtype(name: str, expected: Any, dtype: Any) -> DTypeError:
    """The error for a value of another dtype."""
    return DTypeError(f"the variable {name} has dtype {expected}, the value assigned to it {dtype}",
                      fix=f"convert the value, as in value.astype(np.{expected})")  # fmt: skip


def _plain(value: Any) -> Any:
    if _type(value) is tuple:
        return tuple(map(_plain, value))
    return getattr(value, MEMORY) if type(value) is Variable else value


def _own_memory(given: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A dense copy in memory of its own, aligned to 64 bytes, behind a header for the lock."""
    dtype = given.dtype.newbyteorder("=")
    size_bytes = given.size * dtype.itemsize
    raw = np.zeros(size_bytes + 2 * HEADER_BYTES, np.uint8)
    start = -raw.ctypes.data % HEADER_BYTES + HEADER_BYTES
    memory = np.ndarray(given.shape, dtype, raw, start)
    memory[...] = given
    return memory


# ---------------------------------------------------------------- collections


class Module:
    """Collects attributes: variables, modules, lists and dicts of these; has no behaviour of its own."""

    def variables(self, trainable: bool | None = None) -> list[Variable]:
        """The variables in it, in the order of its attributes; see `weft.variables`."""
        return variables(self, trainable)


def variables(tree: Any, trainable: bool | None = None) -> list[Variable]:
    """The variables in an object, each once.

    Looks into lists, tuples, dicts, dataclasses, modules and the attributes of other objects.
    `trainable` keeps those that are, or are not, trainable.
    """
    found = {id(v): v for _, v in named_variables(tree)}
    return [v for v in found.values() if trainable is None or v.trainable == trainable]


def named_variables(tree: Any) -> list[tuple[str, Variable]]:
    """The variables in an object with the path to each, as in "layers.0.w".

    An object that is met again is not looked into.
    """
    return [(name, leaf) for name, leaf in named_leaves(tree) if isinstance(leaf, Variable)]


def named_leaves(tree: Any) -> list[tuple[str, Any]]:
    """The same with arrays."""
    return list(_walk(tree, "", set()))


_LEAVES = (
    str,
    bytes,
    int,
    float,
    complex,
    type,
    FunctionType,
    MethodType,
    BuiltinFunctionType,
    ModuleType,
    np.generic,
)


def _walk(value: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, _OURS[:2]):
        yield path or getattr(value, "name", "value"), value
        return
    if (
        value is None
        or isinstance(value, _LEAVES)
        or id(value) in seen
        or hasattr(_type(value), "is_weft_function")
    ):
        return
    seen.add(id(value))
    for key, item in _items(value):
        yield from _walk(item, f"{path}.{key}" if path else str(key), seen)


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, _SEQUENCES[1]) and hasattr(value, "_fields"):
        yield from zip(value._fields, value, strict=True)
    elif isinstance(value, _SEQUENCES):
        yield from enumerate(value)
    elif is_dataclass(value):
        yield from ((f.name, getattr(value, f.name)) for f in fields(value))
    elif not isinstance(value, set | frozenset):
        yield from getattr(value, "__dict__", {}).items()
        names = [n for kind in type(value).__mro__ for n in _slots(kind)]
        yield from ((n, getattr(value, n)) for n in names if hasattr(value, n) and not n.startswith("__"))


def _slots(kind: type) -> tuple[str, ...]:
    names = kind.__dict__.get("__slots__", ())
    return (names,) if isinstance(names, str) else tuple(names)
