"""Traced Python numbers.

Ints that are sizes (backed by an expression), ints that the program computes, floats and truth values (backed
by a value). They are immutable and weak, and follow Python's rules among themselves; with arrays and NumPy
scalars they go the way of ufuncs. Not here: NumPy's promotion (`promote.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from weft.compiler.frontend.location import source_lines
from weft.compiler.frontend.trace import Trace
from weft.ir.dims import DimLike, floor_divide, maximum, minimum, modulo
from weft.ir.expr import Expr, absolute, cast, complex_of, imag, real, select
from weft.ir.node import Value
from weft.ir.types import BOOL, C128, F64, I64

IR_TYPES = {bool: BOOL, int: I64, float: F64, complex: C128}
NUMBERS = (bool, int, float, complex)
COMPARISONS = {
    "==": "equal", "!=": "not_equal", "<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal",
}  # fmt: skip
_PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "**": lambda a, b: a**b, "&": lambda a, b: a & b, "|": lambda a, b: a | b, "^": lambda a, b: a ^ b,
    "<<": lambda a, b: a << b, ">>": lambda a, b: a >> b,
}  # fmt: skip


class TracedNumber:
    """A Python int with a `dim`, or an int, float or bool with a `value`."""

    __slots__ = ("dim", "trace", "type", "value")

    def __init__(
        self, trace: Trace, type: type, *, value: Value | None = None, dim: DimLike | None = None
    ) -> None:
        self.trace, self.type, self.value, self.dim = trace, type, value, dim

    def __repr__(self) -> str:
        return f"<traced {self.type.__name__}{'' if self.dim is None else f' {self.dim}'}>"

    # fmt: off
    def __add__(self, other: Any) -> Any: return binary("+", np.add, self, other)
    def __radd__(self, other: Any) -> Any: return binary("+", np.add, other, self)
    def __sub__(self, other: Any) -> Any: return binary("-", np.subtract, self, other)
    def __rsub__(self, other: Any) -> Any: return binary("-", np.subtract, other, self)
    def __mul__(self, other: Any) -> Any: return multiply(self, other)
    def __rmul__(self, other: Any) -> Any: return multiply(self, other)
    def __truediv__(self, other: Any) -> Any: return binary("/", np.true_divide, self, other)
    def __rtruediv__(self, other: Any) -> Any: return binary("/", np.true_divide, other, self)
    def __floordiv__(self, other: Any) -> Any: return binary("//", np.floor_divide, self, other)
    def __rfloordiv__(self, other: Any) -> Any: return binary("//", np.floor_divide, other, self)
    def __mod__(self, other: Any) -> Any: return binary("%", np.remainder, self, other)
    def __rmod__(self, other: Any) -> Any: return binary("%", np.remainder, other, self)
    def __pow__(self, other: Any) -> Any: return binary("**", np.power, self, other)
    def __rpow__(self, other: Any) -> Any: return binary("**", np.power, other, self)
    def __and__(self, other: Any) -> Any: return binary("&", np.bitwise_and, self, other)
    def __rand__(self, other: Any) -> Any: return binary("&", np.bitwise_and, other, self)
    def __or__(self, other: Any) -> Any: return binary("|", np.bitwise_or, self, other)
    def __ror__(self, other: Any) -> Any: return binary("|", np.bitwise_or, other, self)
    def __xor__(self, other: Any) -> Any: return binary("^", np.bitwise_xor, self, other)
    def __rxor__(self, other: Any) -> Any: return binary("^", np.bitwise_xor, other, self)
    def __lshift__(self, other: Any) -> Any: return binary("<<", np.left_shift, self, other)
    def __rlshift__(self, other: Any) -> Any: return binary("<<", np.left_shift, other, self)
    def __rshift__(self, other: Any) -> Any: return binary(">>", np.right_shift, self, other)
    def __rrshift__(self, other: Any) -> Any: return binary(">>", np.right_shift, other, self)
    def __eq__(self, other: Any) -> Any: return binary("==", np.equal, self, other)
    def __ne__(self, other: Any) -> Any: return binary("!=", np.not_equal, self, other)
    def __lt__(self, other: Any) -> Any: return binary("<", np.less, self, other)
    def __le__(self, other: Any) -> Any: return binary("<=", np.less_equal, self, other)
    def __gt__(self, other: Any) -> Any: return binary(">", np.greater, self, other)
    def __ge__(self, other: Any) -> Any: return binary(">=", np.greater_equal, self, other)
    # fmt: on

    def __neg__(self) -> Any:
        if self.type is complex:
            return number(self.trace, -as_expr(self.trace, self, C128), complex)
        if self.type is not float:
            return self * -1
        return number(self.trace, -as_expr(self.trace, self, F64), float)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        if self.type is complex:
            value = as_expr(self.trace, self, C128)
            return number(self.trace, real(value).apply("hypot", imag(value)), float)
        if self.dim is None:
            kind = float if self.type is float else int
            return number(self.trace, as_expr(self.trace, self, IR_TYPES[kind]).apply("absolute"), kind)
        if self.trace.changes(self.dim):
            return size_number(self.trace, maximum(self.dim, -self.dim))
        return self if self.trace.holds(self.dim, ">=", 0, "abs of a size") else -self

    def __invert__(self) -> Any:
        return -self - 1

    def __index__(self) -> int:
        if self.dim is None:
            self._forced("an index")
        return self.trace.pin(self.dim, "used where Python needs a plain int")

    def __int__(self) -> int:
        return self.__index__() if self.dim is not None else self._forced("int()")

    def __hash__(self) -> int:
        return hash(self.__index__())

    def __bool__(self) -> bool:
        if self.dim is None:  # Python asks, as in `p in (1, 2)`: what numbers of the call decide is fixed
            found = None if self.value is None else self.trace.fix(self.value)
            return self._forced("a condition") if found is None else bool(found)
        return self.trace.holds(self.dim, "!=", 0, "truth of a size")

    def __str__(self) -> str:
        return str(self.__index__()) if self.dim is not None else self._forced("text")

    def __format__(self, specification: str) -> str:
        return format(self.__index__(), specification) if self.dim is not None else self._forced("text")

    def __float__(self) -> float:
        return self._forced("float()")

    def __complex__(self) -> complex:
        return self._forced("complex()")

    def __round__(self, digits: int | None = None) -> Any:
        if digits is not None and self.type is not complex:
            from weft.compiler.frontend.callback import Declared, call_python  # which imports this module

            kind = int if self.type is bool else self.type  # decimal digits are Python's own
            return call_python(self.trace, round, [self, digits], Declared(kind.__name__, IR_TYPES[kind], ()))
        if self.type is not float:
            return self + 0
        value = as_expr(self.trace, self, F64).apply("rint")
        check_integer(self.trace, value)
        return number(self.trace, cast(value, I64), int)

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        return self._forced("a NumPy array")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        return self.trace.call(ufunc if method == "__call__" else getattr(ufunc, method), *inputs, **keywords)

    def __array_function__(self, fn: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self.trace.call(fn, *args, **kwargs)

    def _forced(self, use: str) -> NoReturn:
        raise forced(self.trace, f"a traced {self.type.__name__}", use)

    def is_integer(self) -> Any:
        """Whether the number is whole, as Python's method says."""
        if self.type is not float:
            return True
        value = as_expr(self.trace, self, F64)
        whole = value.eq(value.apply("floor")) & (value - value).eq(self.trace.constant(0.0, F64))
        return number(self.trace, whole, bool)

    def conjugate(self) -> TracedNumber:
        """The number itself, but for the sign of an imaginary part."""
        if self.type is not complex:
            return self
        return number(self.trace, as_expr(self.trace, self, C128).apply("conjugate"), complex)

    @property
    def real(self) -> TracedNumber:
        """The real part: of a real number the number itself."""
        if self.type is not complex:
            return self
        return number(self.trace, real(as_expr(self.trace, self, C128)), float)

    @property
    def imag(self) -> Any:
        """The imaginary part: of a real number nothing."""
        if self.type is not complex:
            return self.type(0)
        return number(self.trace, imag(as_expr(self.trace, self, C128)), float)


def forced(trace: Trace, what: str, use: str) -> Exception:
    """The error for a traced value of which Python wants the value now."""
    where = trace.location()
    fix = "keep it an array (np.where instead of if), pass it as a static argument, or compute it outside"
    if not source_lines(where.file):
        fix = f"put {where.function} into a file: its source cannot be read, so its branches are Python's"
    return trace.refuse(
        f"{what} was forced to a Python value, as {use}: it is known only when the program runs", fix, "E052"
    )


def check_integer(trace: Trace, value: Expr) -> None:
    """Have the program fail as Python does where a float becomes an int that it has not."""
    trace.fail_unless(value.eq(value), ValueError("cannot convert float NaN to integer"))
    fits = value.ne(value) | value.apply("absolute").lt(2.0**63)
    trace.fail_unless(fits, OverflowError("a float that does not fit 64 bits was converted to an int"))


def is_number(value: object) -> bool:
    """Whether it is a Python number, traced or not."""
    return type(value) is TracedNumber or type(value) in NUMBERS


def size_number(trace: Trace, dim: DimLike) -> Any:
    """A size as the user sees it: a plain int if it is one."""
    return dim if isinstance(dim, int) else TracedNumber(trace, int, dim=dim)


def number(trace: Trace, expr: Expr, kind: type) -> TracedNumber:
    """A traced float or bool."""
    return TracedNumber(trace, kind, value=expr.value)


_NUMPY_INTEGER: Any = np.integer


def as_dim(value: Any) -> DimLike | None:
    """The size that an int is, traced or not; None for all else, bools too."""
    if type(value) is TracedNumber:
        return value.dim
    if type(value) is int:
        return value
    return int(value) if isinstance(value, _NUMPY_INTEGER) else None


def as_expr(trace: Trace, value: Any, dtype: Any) -> Expr:
    """A Python number as a scalar of the IR; raises TypeError for a complex one where none fits."""
    if dtype is not C128 and complex in (type(value), getattr(value, "type", None)):
        raise TypeError("must be real number, not complex")
    if type(value) is not TracedNumber:
        return trace.constant(value, dtype)
    if value.dim is not None:
        return cast(trace.size(value.dim), dtype)
    assert value.value is not None
    return cast(trace.expr(value.value), dtype)


_REPEATED: Any = (list, tuple, str, bytes)


def multiply(number: TracedNumber, other: Any) -> Any:
    """A product; a list or string is repeated, for which its count must be known."""
    if isinstance(other, _REPEATED):
        made = number.trace.repeat(other, number)
        return number.__index__() * other if made is None else made
    return binary("*", np.multiply, number, other)


def binary(symbol: str, ufunc: np.ufunc, left: Any, right: Any) -> Any:
    """Apply Python's operator `symbol` to two numbers, NumPy's to anything else."""
    trace = (left if type(left) is TracedNumber else right).trace
    if not (is_number(left) and is_number(right)):
        if isinstance(left if type(right) is TracedNumber else right, np.ndarray | np.generic):
            return trace.call(ufunc, left, right)
        return NotImplemented
    kinds = {v.type if type(v) is TracedNumber else type(v) for v in (left, right)}
    if symbol in COMPARISONS:
        return _compare(trace, symbol, left, right, kinds)
    if kinds == {bool} and symbol in _BITS:
        return number(trace, _apply(trace, _BITS[symbol], left, right, BOOL), bool)
    left, right = (int(v) if type(v) is bool else v for v in (left, right))
    if complex in kinds:
        return _of_complex(trace, symbol, left, right)
    if not kinds <= {bool, int}:
        return _of_floats(trace, symbol, left, right)
    a, b = as_dim(left), as_dim(right)
    if a is not None and b is not None and _is_size_arithmetic(trace, symbol, a, b):
        return _of_sizes(trace, symbol, a, b)
    return _of_ints(trace, symbol, left, right)


def _apply(trace: Trace, name: str, left: Any, right: Any, dtype: Any) -> Expr:
    return as_expr(trace, left, dtype).apply(name, as_expr(trace, right, dtype))


def _compare(trace: Trace, symbol: str, left: Any, right: Any, kinds: set[type]) -> Any:
    """A truth value; of sizes that no loop changes a plain one, which becomes a guard."""
    a, b = as_dim(left), as_dim(right)
    if a is not None and b is not None:
        answer = trace.known(a, symbol, b, "comparison of sizes")
        if answer is not None:
            return answer
    if complex in kinds and symbol not in ("==", "!="):
        names = " and ".join(
            f"'{(v.type if type(v) is TracedNumber else type(v)).__name__}'" for v in (left, right)
        )
        raise TypeError(f"'{symbol}' not supported between instances of {names}")
    dtype = C128 if complex in kinds else F64 if float in kinds else I64
    return number(trace, _apply(trace, COMPARISONS[symbol], left, right, dtype), bool)


def truth(trace: Trace, value: TracedNumber) -> bool | Expr:
    """Python's truth of a number: a plain one if it is known."""
    if value.dim is not None:
        answer = trace.known(value.dim, "!=", 0, "truth of a size")
        return as_expr(trace, value, I64).ne(0) if answer is None else answer
    if value.type is bool:
        return as_expr(trace, value, BOOL)
    return as_expr(trace, value, IR_TYPES[value.type]).ne(0)


def _is_size_arithmetic(trace: Trace, symbol: str, a: DimLike, b: DimLike) -> bool:
    """Whether a result is a size expression, or its operands can be pinned: no loop changes them."""
    if symbol in ("+", "-", "*"):
        return True
    if symbol in ("//", "%", "/") and trace.changes(a) and not trace.changes(b):
        return True
    if symbol in ("<<", ">>", "**") and isinstance(b, int):
        return not trace.changes(a) or 0 <= b <= 8
    return not (trace.changes(a) or trace.changes(b))


_BITS = {"&": "bitwise_and", "|": "bitwise_or", "^": "bitwise_xor"}
_INTS = {
    "+": "add", "-": "subtract", "*": "multiply", "**": "power", "//": "floor_divide", "%": "remainder",
    "<<": "left_shift", ">>": "right_shift", **_BITS,
}  # fmt: skip


def _zero_division(symbol: str, one: complex) -> ZeroDivisionError:
    """Python's own error, whose text differs between versions."""
    try:
        one / 0 if symbol == "/" else one.real // 0 if symbol == "//" else one.real % 0
    except ZeroDivisionError as error:
        return error
    raise AssertionError


def _of_ints(trace: Trace, symbol: str, left: Any, right: Any) -> Any:
    """Ints that the program computes, as 64-bit integers."""
    is_known = type(right) is int
    if symbol in ("/", "//", "%"):
        if is_known and right == 0:
            raise _zero_division(symbol, 1)
        if not is_known:
            trace.fail_unless(as_expr(trace, right, I64).ne(0), _zero_division(symbol, 1))
    if symbol == "/":
        return number(trace, _apply(trace, "divide", left, right, F64), float)
    if symbol == "**" and is_known and right < 0:
        return number(trace, _apply(trace, "power", left, right, F64), float)
    if symbol == "**" and not is_known:
        holds = as_expr(trace, right, I64).apply("greater_equal", trace.constant(0, I64))
        trace.fail_unless(
            holds, ValueError("a negative power of ints that a program computes is not built yet")
        )
    return number(trace, _apply(trace, _INTS[symbol], left, right, I64), int)


def _of_sizes(trace: Trace, symbol: str, a: DimLike, b: DimLike) -> Any:
    if symbol in ("+", "-", "*"):
        return size_number(trace, a + b if symbol == "+" else a - b if symbol == "-" else a * b)
    if symbol in ("//", "%"):
        return size_number(trace, _divide_sizes(trace, symbol, a, b))
    if symbol == "/":
        if trace.holds(b, "==", 0, "division by a size"):
            raise _zero_division(symbol, 1)
        return number(trace, cast(trace.size(a), F64) / cast(trace.size(b), F64), float)
    if symbol == "**" and isinstance(b, int) and 0 <= b <= 8:
        power: DimLike = 1
        for _ in range(b):
            power = power * a
        return size_number(trace, power)
    if symbol == "<<" and isinstance(b, int) and 0 <= b < 63:
        return size_number(trace, a * 2**b)
    if symbol == ">>" and isinstance(b, int) and 0 <= b < 63:
        return size_number(trace, floor_divide(a, 2**b))
    reason = f"operand of {symbol}"
    return _PLAIN[symbol](trace.pin(a, reason), trace.pin(b, reason))


def _divide_sizes(trace: Trace, symbol: str, a: DimLike, b: DimLike) -> DimLike:
    if trace.holds(b, "==", 0, "division by a size"):
        raise _zero_division(symbol, 1)
    if trace.holds(b, ">", 0, "sign of a divisor"):
        return floor_divide(a, b) if symbol == "//" else modulo(a, b)
    if symbol == "//":
        return floor_divide(-a, -b)
    return -modulo(-a, -b)


_FLOATS = {
    "+": "add", "-": "subtract", "*": "multiply", "/": "divide",
    "//": "floor_divide", "%": "remainder", "**": "power",
}  # fmt: skip


def _of_floats(trace: Trace, symbol: str, left: Any, right: Any) -> Any:
    if symbol not in _FLOATS:
        raise TypeError(f"unsupported operand type(s) for {symbol}: float")
    if symbol in ("/", "//", "%") and type(right) is float and right == 0.0:
        raise _zero_division(symbol, 1.0)
    a, b = as_expr(trace, left, F64), as_expr(trace, right, F64)
    if symbol in ("/", "//", "%") and type(right) is TracedNumber:
        trace.fail_unless(b.ne(0.0), _zero_division(symbol, 1.0))
    return number(trace, a.apply(_FLOATS[symbol], b), float)


def plain_product(a: Expr, b: Expr) -> Expr:
    """The product of scalars, as Python and NumPy's scalars have it: four products, each rounded."""
    return complex_of(real(a) * real(b) - imag(a) * imag(b), real(a) * imag(b) + imag(a) * real(b))


def _plain_quotient(a: Expr, b: Expr) -> Expr:
    """Python's quotient. Source: Smith 1962, with both parts divided."""
    by_real = absolute(real(b)).ge(absolute(imag(b)))
    large, small = select(by_real, real(b), imag(b)), select(by_real, imag(b), real(b))
    ratio = small / large
    divisor = large + small * ratio
    re = select(by_real, real(a) + imag(a) * ratio, real(a) * ratio + imag(a))
    im = select(by_real, imag(a) - real(a) * ratio, imag(a) * ratio - real(a))
    return complex_of(re / divisor, im / divisor)


def _of_complex(trace: Trace, symbol: str, left: Any, right: Any) -> Any:
    """Python's arithmetic of complex numbers."""
    a, b = as_expr(trace, left, C128), as_expr(trace, right, C128)
    if symbol == "/":
        if type(right) is TracedNumber:
            trace.fail_unless(b.ne(0.0), _zero_division(symbol, 1j))
        elif right == 0:
            raise _zero_division(symbol, 1j)
        return number(trace, _plain_quotient(a, b), complex)
    rules: dict[str, Callable[[Expr, Expr], Expr]] = {
        "+": lambda x, y: x + y, "-": lambda x, y: x - y, "*": plain_product,
        "**": lambda x, y: x.apply("power", y),
    }  # fmt: skip
    if symbol not in rules:
        raise TypeError(f"unsupported operand type(s) for {symbol}: 'complex'")
    return number(trace, rules[symbol](a, b), complex)


def extreme(values: list[Any], *, largest: bool) -> Any:
    """Python's max or min of ints, some of which are sizes."""
    result = as_dim(values[0])
    trace = next(v.trace for v in values if type(v) is TracedNumber)
    for value in values[1:]:
        dim = as_dim(value)
        assert dim is not None
        assert result is not None
        result = (maximum if largest else minimum)(result, dim)
    assert result is not None
    return size_number(trace, result)
