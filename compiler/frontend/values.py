"""What the user's function holds while it is traced.

Arrays (mutable views) and NumPy scalars (immutable values). Every operator goes to the table of NumPy
functions through `Trace.call`; in-place operators write an array and rebind a scalar. Python numbers are in
`number.py`. Not here: what an operation computes (`numpy/`), indexing (`indexing.py`).
"""

from __future__ import annotations

import operator
import typing
from collections.abc import Callable, Iterator
from typing import Any
from weakref import ref

import numpy as np

from weft.compiler.frontend.number import TracedNumber, forced, number, size_number
from weft.compiler.frontend.promote import Kind, element_type, numpy_dtype
from weft.compiler.frontend.storage import Shape, View
from weft.compiler.frontend.trace import Trace
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike
from weft.ir.errors import DTypeError, UserError
from weft.ir.expr import Expr, Number, cast
from weft.ir.node import Value
from weft.ir.types import I64, DType, TensorType
from weft.runtime.variables import Variable

METHODS: dict[str, Callable[..., Any]] = {}
"""Methods and attributes of arrays and NumPy scalars by name, filled by `numpy/methods.py`.

Called with the value first.
"""

PROPERTIES: dict[str, Callable[[Any], Any]] = {}
"""Attributes that are computed, filled by `numpy/methods.py`."""

SETTERS: dict[str, Callable[[Any, Any], None]] = {}
"""Attributes that may be assigned to, filled by `numpy/methods.py`."""


class Operators:
    """The operators that arrays and NumPy scalars share."""

    __slots__ = ()
    trace: Trace

    # fmt: off
    def __add__(self, other: Any) -> Any: return self.trace.call(np.add, self, other)
    def __radd__(self, other: Any) -> Any: return self.trace.call(np.add, other, self)
    def __sub__(self, other: Any) -> Any: return self.trace.call(np.subtract, self, other)
    def __rsub__(self, other: Any) -> Any: return self.trace.call(np.subtract, other, self)
    def __mul__(self, other: Any) -> Any: return self.trace.call(np.multiply, self, other)
    def __rmul__(self, other: Any) -> Any: return self.trace.call(np.multiply, other, self)
    def __truediv__(self, other: Any) -> Any: return self.trace.call(np.true_divide, self, other)
    def __rtruediv__(self, other: Any) -> Any: return self.trace.call(np.true_divide, other, self)
    def __floordiv__(self, other: Any) -> Any: return self.trace.call(np.floor_divide, self, other)
    def __rfloordiv__(self, other: Any) -> Any: return self.trace.call(np.floor_divide, other, self)
    def __mod__(self, other: Any) -> Any: return self.trace.call(np.remainder, self, other)
    def __rmod__(self, other: Any) -> Any: return self.trace.call(np.remainder, other, self)
    def __divmod__(self, other: Any) -> Any: return self.trace.call(np.divmod, self, other)
    def __rdivmod__(self, other: Any) -> Any: return self.trace.call(np.divmod, other, self)
    def __pow__(self, other: Any) -> Any: return self.trace.call(pow, self, other)
    def __rpow__(self, other: Any) -> Any: return self.trace.call(np.power, other, self)
    def __matmul__(self, other: Any) -> Any: return self.trace.call(np.matmul, self, other)
    def __rmatmul__(self, other: Any) -> Any: return self.trace.call(np.matmul, other, self)
    def __and__(self, other: Any) -> Any: return self.trace.call(np.bitwise_and, self, other)
    def __rand__(self, other: Any) -> Any: return self.trace.call(np.bitwise_and, other, self)
    def __or__(self, other: Any) -> Any: return self.trace.call(np.bitwise_or, self, other)
    def __ror__(self, other: Any) -> Any: return self.trace.call(np.bitwise_or, other, self)
    def __xor__(self, other: Any) -> Any: return self.trace.call(np.bitwise_xor, self, other)
    def __rxor__(self, other: Any) -> Any: return self.trace.call(np.bitwise_xor, other, self)
    def __lshift__(self, other: Any) -> Any: return self.trace.call(np.left_shift, self, other)
    def __rlshift__(self, other: Any) -> Any: return self.trace.call(np.left_shift, other, self)
    def __rshift__(self, other: Any) -> Any: return self.trace.call(np.right_shift, self, other)
    def __rrshift__(self, other: Any) -> Any: return self.trace.call(np.right_shift, other, self)
    def __eq__(self, other: Any) -> Any: return _compared(self, np.equal, other)
    def __ne__(self, other: Any) -> Any: return _compared(self, np.not_equal, other)
    def __lt__(self, other: Any) -> Any: return self.trace.call(np.less, self, other)
    def __le__(self, other: Any) -> Any: return self.trace.call(np.less_equal, self, other)
    def __gt__(self, other: Any) -> Any: return self.trace.call(np.greater, self, other)
    def __ge__(self, other: Any) -> Any: return self.trace.call(np.greater_equal, self, other)
    def __neg__(self) -> Any: return self.trace.call(np.negative, self)
    def __pos__(self) -> Any: return self.trace.call(np.positive, self)
    def __invert__(self) -> Any: return self.trace.call(np.invert, self)
    def __abs__(self) -> Any: return self.trace.call(np.absolute, self)
    def __getitem__(self, key: Any) -> Any: return self.trace.call(operator.getitem, self, key)
    def __bool__(self) -> bool: return self._forced("a condition")
    def __int__(self) -> int: return self._forced("int()")
    def __float__(self) -> float: return self._forced("float()")
    def __complex__(self) -> complex: return self._forced("complex()")
    def __index__(self) -> int: return self._forced("an index")
    def __str__(self) -> str: return self._forced("text")
    def __format__(self, specification: str) -> str: return self._forced("text")
    def __round__(self, digits: Any = None) -> Any: return self.trace.call(round, self, digits)
    # fmt: on

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        return self._forced("a NumPy array of known elements")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        return self.trace.call(ufunc if method == "__call__" else getattr(ufunc, method), *inputs, **keywords)

    def __array_function__(self, fn: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self.trace.call(fn, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in PROPERTIES:
            return PROPERTIES[name](self)
        if name in METHODS:
            return BoundMethod(name, self)
        is_special = name.startswith("__")  # asked of values that copies have not filled yet
        kind = self.dtype.type if type(self) is TracedScalar and not is_special else np.ndarray
        if is_special or not hasattr(kind, name):
            raise AttributeError(f"'numpy.ndarray' object has no attribute '{name}'")
        raise self.trace.refuse(
            f"the attribute {name!r} of arrays is not supported", "see `weft ops --numpy` for what is", "E053"
        )

    def _forced(self, use: str) -> Any:
        raise forced(
            self.trace, f"a traced {type(self).__name__.removeprefix('Traced').lower()} {self!r}", use
        )


class_of: Callable[[Any], Any] = type  # typed so: of a value of any type

_REFLECTED = {
    **{name: f"r{name}" for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow",
                                     "matmul", "and", "or", "xor", "lshift", "rshift")},
    "eq": "eq", "ne": "ne", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le",
}  # fmt: skip


def _compared(own: Any, ufunc: np.ufunc, other: Any) -> Any:
    """`==` and `!=`: no number is None or a text."""
    if isinstance(other, str | bytes | None):
        return own.trace.call(np.full_like, own, ufunc is np.not_equal, dtype=bool)[()]
    return own.trace.call(ufunc, own, other)


def leaves_to_other(own: Operators, other: Any, reflected: str) -> bool:
    """Whether an object of a user's class is asked first, by NumPy's rules: scalars always let it."""
    kind: Any = class_of(other)
    if kind.__module__ in ("builtins", "numpy") or not hasattr(kind, reflected) or hasattr(kind, "trace"):
        return False
    ufunc = getattr(kind, "__array_ufunc__", own)
    if ufunc is not own:
        return ufunc is None
    return isinstance(own, TracedScalar) or getattr(kind, "__array_priority__", 0) > 0


def _deferring(method: Callable[[Any, Any], Any], reflected: str) -> Callable[[Any, Any], Any]:
    def apply(self: Operators, other: Any) -> Any:
        if leaves_to_other(self, other, reflected):
            result = getattr(class_of(other), reflected)(other, self)
            if result is not NotImplemented:
                return result
        return method(self, other)

    return apply


for _name, _other in _REFLECTED.items():
    setattr(Operators, f"__{_name}__", _deferring(getattr(Operators, f"__{_name}__"), f"__{_other}__"))


@dataclass(frozen=True, slots=True)
class BoundMethod:
    """A method of a traced value, not yet called."""

    name: str
    owner: Any

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do it; of a scalar, an array without axes that a method makes becomes a scalar."""
        found = METHODS[self.name](self.owner, *args, **kwargs)
        is_scalar = type(self.owner) is TracedScalar and type(found) is TracedArray and not found.ndim
        return found[()] if is_scalar else found


class TracedArray(Operators):
    """A mutable array: a view of a storage."""

    __slots__ = ("trace", "view")

    def __init__(self, trace: Trace, view: View) -> None:
        self.trace, self.view = trace, view

    def __repr__(self) -> str:
        return str(TensorType(self.element, self.view.shape))

    __hash__ = None  # pyright: ignore[reportAssignmentType] -- arrays are not hashable

    @property
    def element(self) -> DType:
        """Element type in the IR."""
        return self.view.dtype

    @property
    def dtype(self) -> np.dtype:
        """As NumPy's."""
        return numpy_dtype(self.element)

    @property
    def shape(self) -> tuple[Any, ...]:
        """Sizes as the user sees them."""
        return tuple(size_number(self.trace, d) for d in self.view.shape)

    @shape.setter
    def shape(self, shape: Any) -> None:
        SETTERS["shape"](self, shape)

    @property
    def flat(self) -> TracedArray:
        """All elements in row-major order, as a view of one axis."""
        return PROPERTIES["flat"](self)

    @flat.setter
    def flat(self, value: Any) -> None:
        SETTERS["flat"](self, value)

    @property
    def real(self) -> Any:
        """The real parts: a view."""
        return PROPERTIES["real"](self)

    @real.setter
    def real(self, value: Any) -> None:
        self.real[...] = value

    @property
    def imag(self) -> Any:
        """The imaginary parts: a view."""
        return PROPERTIES["imag"](self)

    @imag.setter
    def imag(self, value: Any) -> None:
        if not self.element.is_complex:
            raise TypeError("array does not have imaginary part to set")
        self.imag[...] = value

    @property
    def ndim(self) -> int:
        """Rank."""
        return len(self.view.shape)

    @property
    def expr(self) -> Expr:
        """The elements now."""
        return self.trace.expr(self.view.read(self.trace))

    def write(self, value: Expr) -> None:
        """Replace all elements; `value` has this array's type."""
        if not self.view.is_writeable:
            raise ValueError("assignment destination is read-only")
        self.view.write(self.trace, value.value)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.trace.call(operator.setitem, self, key, value)

    def __len__(self) -> int:
        if not self.view.shape:
            raise TypeError("len() of unsized object")
        return self.trace.pin(self.view.shape[0], "len() as a plain int")

    def __iter__(self) -> Iterator[Any]:
        if not self.view.shape:
            raise TypeError("iteration over a 0-d array")
        for place in range(self.trace.pin(self.view.shape[0], "iteration over an array")):
            yield self[place]

    def __contains__(self, item: Any) -> Any:
        return self.trace.call(np.any, self == item)

    # fmt: off
    def __iadd__(self, other: Any) -> Any: return self._in_place(np.add, other)
    def __isub__(self, other: Any) -> Any: return self._in_place(np.subtract, other)
    def __imul__(self, other: Any) -> Any: return self._in_place(np.multiply, other)
    def __itruediv__(self, other: Any) -> Any: return self._in_place(np.true_divide, other)
    def __ifloordiv__(self, other: Any) -> Any: return self._in_place(np.floor_divide, other)
    def __imod__(self, other: Any) -> Any: return self._in_place(np.remainder, other)
    def __ipow__(self, other: Any) -> Any: return self._in_place(pow, other)
    def __imatmul__(self, other: Any) -> Any: return self._product_in_place(other)
    def __iand__(self, other: Any) -> Any: return self._in_place(np.bitwise_and, other)
    def __ior__(self, other: Any) -> Any: return self._in_place(np.bitwise_or, other)
    def __ixor__(self, other: Any) -> Any: return self._in_place(np.bitwise_xor, other)
    def __ilshift__(self, other: Any) -> Any: return self._in_place(np.left_shift, other)
    def __irshift__(self, other: Any) -> Any: return self._in_place(np.right_shift, other)
    # fmt: on

    def _product_in_place(self, other: Any) -> TracedArray:
        sizes = operand(self.trace, other).shape
        if len(sizes) < 2:
            raise ValueError("inplace matrix multiplication requires an operand with at least two dimensions")
        if not self.trace.holds(sizes[-1], "==", self.view.shape[-1], "columns of a product in place"):
            raise ValueError("matmul: Output operand 0 has a mismatch in its core dimension 1")
        return self._in_place(np.matmul, other)

    def _in_place(self, fn: Any, other: Any) -> TracedArray:
        self.trace.call(fn, self, other, out=self)
        return self


_REPEATED = (list, tuple, str)


class TracedScalar(Operators):
    """A NumPy scalar: immutable, of a strong dtype."""

    __slots__ = ("trace", "value")

    def __init__(self, trace: Trace, value: Value) -> None:
        self.trace, self.value = trace, value

    def __repr__(self) -> str:
        return str(self.value.type)

    def __hash__(self) -> int:
        return self._forced("a key")

    def __index__(self) -> int:
        found = plain_int(self)
        return self._forced("an index") if found is self else found

    __int__ = __index__

    def __mul__(self, other: Any) -> Any:
        return self._repeated(other) if type(other) in _REPEATED else super().__mul__(other)

    def __rmul__(self, other: Any) -> Any:
        if type(other) in _REPEATED:
            return self._repeated(other)
        return other * self._as_float() if self._is_added_to(other) else super().__rmul__(other)

    def __radd__(self, other: Any) -> Any:
        return other + self._as_float() if self._is_added_to(other) else super().__radd__(other)

    def __rsub__(self, other: Any) -> Any:
        return other - self._as_float() if self._is_added_to(other) else super().__rsub__(other)

    def __rtruediv__(self, other: Any) -> Any:
        return other / self._as_float() if self._is_added_to(other) else super().__rtruediv__(other)

    def _is_added_to(self, other: Any) -> bool:
        """Whether Python computes with itself as a float: `1j + x`, since np.float64 is one."""
        return (other.type if type(other) is TracedNumber else type(other)) is complex and self.dtype == float

    def _as_float(self) -> TracedNumber:
        return number(self.trace, self.expr, float)

    def _repeated(self, other: Any) -> Any:
        """A list, tuple or text times an integer is that often the same, as in Python."""
        if self.dtype.kind not in "iu":
            raise TypeError(f"can't multiply sequence by non-int of type 'numpy.{self.dtype}'")
        known = plain_int(self)
        return (number(self.trace, cast(self.expr, I64), int) if known is self else known) * other

    def __bool__(self) -> bool:
        found = self.trace.fix(self.value) if self.dtype.kind in "biu" else None
        return self._forced("a condition") if found is None else bool(found)

    def __iter__(self) -> Iterator[Any]:  # else NumPy takes what has items for an empty sequence
        raise TypeError(f"'{self.dtype.type.__module__}.{self.dtype.type.__name__}' object is not iterable")

    @property
    def element(self) -> DType:
        """Element type in the IR."""
        assert isinstance(self.value.type, TensorType)
        return self.value.type.dtype

    @property
    def dtype(self) -> np.dtype:
        """As NumPy's."""
        return numpy_dtype(self.element)

    @property
    def shape(self) -> tuple[int, ...]:
        """None."""
        return ()

    @property
    def ndim(self) -> int:
        """Rank."""
        return 0

    @property
    def expr(self) -> Expr:
        """The value."""
        return self.trace.expr(self.value)


def plain_int(value: Any) -> Any:
    """A NumPy int that the call decides, as Python's, to which it is fixed then; other values as they are."""
    if type(value) is not TracedScalar or value.dtype.kind not in "iu":
        return value
    found = value.trace.fix(value.value)
    return value if found is None else int(found)


TRACED = (TracedArray, TracedScalar, TracedNumber)


class Forwarded:
    """Stands for the array or number `elements`, to which every operator goes."""

    __slots__ = ()

    @property
    def elements(self) -> Any:
        """What it stands for."""
        raise NotImplementedError

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        return self.elements.__array_ufunc__(ufunc, method, *inputs, **keywords)

    def __array_function__(self, fn: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self.elements.__array_function__(fn, types, args, kwargs)

    __hash__ = None  # pyright: ignore[reportAssignmentType] -- arrays are not hashable


class Made(Forwarded):
    """What comes to the caller as an object that `make` makes of the elements; `len` gives `length`."""

    __slots__ = ()
    make: Callable[..., Any]
    length: Any


class MaskedElements(Forwarded):
    """`x[mask]`: a new array whose size the program computes, made when something asks for it.

    `x[mask] += v` never does: an in-place operator gives it back with the operation noted, for the assignment
    to `x[mask]` that follows. `make` gathers the elements that x had when it was indexed.
    """

    __slots__ = ("__weakref__", "_made", "array", "make", "mask", "operation", "other")

    def __init__(self, array: TracedArray, mask: Value | None, make: Callable[[], TracedArray]) -> None:
        self.array, self.mask, self.make = array, mask, make
        self.operation: Any = None
        self.other: Any = None
        self._made: TracedArray | None = None
        array.trace.put_off.append(ref(self))

    def do(self) -> None:
        """Make the array now: a branch or loop comes, which may use it on some paths only."""
        if self.operation is None:
            self._made = self.elements

    @property
    def elements(self) -> TracedArray:
        """The array."""
        if self._made is None:
            self._made = self.make()
            if self.operation is not None:
                self.array.trace.call(self.operation, self._made, self.other, out=self._made)
        return self._made

    # fmt: off
    def __iadd__(self, other: Any) -> Any: return self.in_place(np.add, other)
    def __isub__(self, other: Any) -> Any: return self.in_place(np.subtract, other)
    def __imul__(self, other: Any) -> Any: return self.in_place(np.multiply, other)
    def __itruediv__(self, other: Any) -> Any: return self.in_place(np.true_divide, other)
    def __ifloordiv__(self, other: Any) -> Any: return self.in_place(np.floor_divide, other)
    def __imod__(self, other: Any) -> Any: return self.in_place(np.remainder, other)
    def __ipow__(self, other: Any) -> Any: return self.in_place(pow, other)
    def __iand__(self, other: Any) -> Any: return self.in_place(np.bitwise_and, other)
    def __ior__(self, other: Any) -> Any: return self.in_place(np.bitwise_or, other)
    def __ixor__(self, other: Any) -> Any: return self.in_place(np.bitwise_xor, other)
    # fmt: on

    def in_place(self, operation: Any, other: Any) -> Any:
        """Note one operation for the assignment that follows; do any other at once."""
        if self._made is not None or self.operation is not None:
            self.array.trace.call(operation, self.elements, other, out=self.elements)
            return self.elements
        self.operation, self.other = operation, other
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.elements, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in MaskedElements.__slots__:
            setattr(self.elements, name, value)
        else:
            object.__setattr__(self, name, value)


def _forwarded(name: str) -> Callable[..., Any]:
    def method(self: Forwarded, *args: Any) -> Any:
        return getattr(self.elements, name)(*args)

    return method


for _name in (
    "add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod divmod rdivmod pow rpow "
    "matmul rmatmul and rand or ror xor rxor lshift rlshift rshift rrshift eq ne lt le gt ge neg pos invert "
    "abs getitem setitem len iter contains bool int float index round array call"
).split():
    setattr(Forwarded, f"__{_name}__", _forwarded(f"__{_name}__"))


@dataclass(frozen=True, slots=True)
class Operand:
    """Any operand of an operation: its kind, its shape, and how to have its elements as a value."""

    kind: Kind
    shape: Shape
    value: Value | None = None
    constant: Number | None = None
    dim: DimLike | None = None

    @property
    def dtype(self) -> np.dtype:
        """dtype that NumPy gives it on its own."""
        return np.dtype(self.kind)

    def expr(self, trace: Trace, dtype: DType) -> Expr:
        """The elements, converted to `dtype`."""
        if self.kind is int and self.constant is None:
            self._check_range(trace, dtype)
        if self.value is not None:
            return cast(trace.expr(self.value), dtype)
        if self.dim is not None:
            return cast(trace.size(self.dim), dtype)
        assert self.constant is not None
        return trace.constant(
            _converted(trace, self.constant, dtype, weak=isinstance(self.kind, type)), dtype
        )

    def _check_range(self, trace: Trace, dtype: DType) -> None:
        """Raise OverflowError, as NumPy does, for a Python int that `dtype` cannot hold.

        The program checks a number that it computes.
        """
        target = numpy_dtype(dtype)
        if not dtype.is_integer or dtype == I64:
            return
        info = np.iinfo(target)
        limits = [("greater_equal", ">=", int(info.min))]
        if info.max < np.iinfo(np.int64).max:
            limits.append(("less_equal", "<=", int(info.max)))
        for name, relation, limit in limits:
            if self.dim is not None and not trace.changes(self.dim):
                if not trace.holds(self.dim, relation, limit, f"range of {target}"):
                    given = trace.assumptions.now(self.dim)
                    raise OverflowError(f"Python integer {given} out of bounds for {target}")
                continue
            value = typing.cast(Value, self.value)
            whole = trace.expr(value) if self.dim is None else trace.size(self.dim)
            holds = whole.apply(name, trace.constant(limit, I64))
            trace.fail_unless(holds, OverflowError(f"Python integer out of bounds for {target}"))


def _converted(trace: Trace, constant: Number, dtype: DType, *, weak: bool) -> Number:
    """A constant as an element of `dtype`.

    Raises OverflowError for a Python int that does not fit, as NumPy does.
    """
    target = numpy_dtype(dtype)
    if weak:
        return target.type(constant).item()
    with np.errstate(all="ignore"):
        return np.asarray(constant).astype(target).item()


def operand(trace: Trace, value: Any) -> Operand:
    """Read any value that NumPy takes as an operand; raises UnsupportedError or DTypeError for others."""
    match value:
        case TracedArray():
            return Operand(value.dtype, value.view.shape, value.view.read(trace))
        case TracedScalar():
            return Operand(value.dtype, (), value.value)
        case TracedNumber():
            kind = np.dtype(np.bool_) if value.type is bool else value.type
            return Operand(kind, (), value.value, dim=value.dim)
        case bool() | np.bool_():
            return Operand(np.dtype(np.bool_), (), constant=bool(value))
        case np.generic():
            scalar = typing.cast("np.generic[Any]", value)
            element_type(scalar.dtype, trace.location())
            return Operand(scalar.dtype, (), constant=scalar.item())
        case int() | float() | complex():
            kind = complex if isinstance(value, complex) else float if isinstance(value, float) else int
            return Operand(kind, (), constant=value)
        case np.ndarray() | list() | tuple() | range():
            return operand(trace, trace.call(np.asarray, value))
        case Forwarded():
            return operand(trace, value.elements)
        case Variable():
            return operand(trace, trace.adopt(value))
        case _:
            raise _no_operand(trace, value)


def _no_operand(trace: Trace, value: Any) -> UserError:
    """The error for a value that is no operand."""
    return DTypeError(
        f"an object of type {type(value).__name__!r} is not an array or a number",
        code="E031",
        location=trace.location(),
        fix="pass arrays and numbers only",
    )


def new_array(trace: Trace, value: Expr) -> TracedArray:
    """A fresh array that holds `value`."""
    return TracedArray(trace, View.of(trace.new_storage(value.value)))


def wrap(trace: Trace, value: Expr) -> TracedArray | TracedScalar:
    """What NumPy returns from most functions: an array, or a NumPy scalar if the rank is 0."""
    assert isinstance(value.type, TensorType)
    return new_array(trace, value) if value.type.shape else TracedScalar(trace, value.value)


def elements(trace: Trace, value: Any, dtype: DType | None = None) -> Expr:
    """Any operand as a value, of its own dtype if none is given."""
    one = operand(trace, value)
    return one.expr(trace, dtype or element_type(one.dtype, trace.location()))


def as_array(trace: Trace, value: Any) -> TracedArray:
    """`np.asarray`."""
    return value if type(value) is TracedArray else new_array(trace, elements(trace, value))


def shape_of(value: Expr) -> Shape:
    """Shape of a tensor."""
    assert isinstance(value.type, TensorType)
    return value.type.shape


__all__ = [
    "METHODS", "PROPERTIES", "TRACED", "BoundMethod", "Forwarded", "Made", "MaskedElements",
    "Operand", "Operators", "TracedArray",
    "TracedScalar", "as_array", "elements", "new_array", "operand",
    "plain_int", "shape_of", "wrap",
]  # fmt: skip
