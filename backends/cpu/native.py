"""Native functions written in a subset of Python: the language.

The thread pool, the memory pool and the call entry are native code, yet not programs of a user. They are
written as Python functions in a subset that reads like C and maps to LLVM IR line by line. Every value is a
64-bit integer; an address is one too. A function marked `@native` is never run by Python. The subset:

* parameters and locals; annotate one with a `Struct` to reach fields as `record.field`, with `Words` to index
  64-bit words;
* `if`, `while`, `for ... in range(...)`, `match` on integer constants, `break`, `continue`, `return`, `pass`;
* `+ - * // % & | ^ << >>` (signed), comparisons, `and`, `or`, `not`; a condition is true when it is not 0;
* `a if c else b`, of which both sides are computed;
* calls of native functions, of C functions (`external`) and of the intrinsics below;
* constants: ints, bools and enum members of the module, names of functions (their address) and of `static`
  memory.

Holds the marks, the intrinsics and what names can stand for. The translation to LLVM IR is `native_text.py`.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar, cast

from weft.ir.dataclass import dataclass
from weft.runtime.layout import Struct, Words

Parameters = ParamSpec("Parameters")
Record = TypeVar("Record", bound=Struct)


class NativeSyntaxError(Exception):
    """A native function uses Python that the subset does not have."""


# ---- what native functions are made of ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class External:
    """A C function.

    All arguments and the result are words, unless `floats` (a double argument) or `bits` says otherwise.
    """

    name: str
    arity: int
    bits: int = 64
    floats: bool = False
    variadic: bool = False

    def __call__(self, *arguments: int) -> int:
        """What a native function writes; Python cannot."""
        raise TypeError(f"{self.name} can be called by native functions only")

    @property
    def declaration(self) -> str:
        """The `declare` line."""
        types = ", ".join(["double" if self.floats else "i64"] * self.arity)
        return f"declare i{self.bits} @{self.name}({types}{', ...' if self.variadic else ''})"


def external(
    name: str, arity: int, *, bits: int = 64, floats: bool = False, variadic: bool = False
) -> External:
    """The C function `name`; `bits` is the width of its result (32 for `int`, sign-extended at the call)."""
    return External(name, arity, bits, floats, variadic)


@dataclass(frozen=True, slots=True)
class Static:
    """Zero-initialized memory of the module, shared by its functions."""

    name: str
    record: type[Struct] | None
    size_bytes: int
    alignment: int


def static(name: str, record: type[Record], *, alignment: int = 128) -> Record:
    """One `record` in the module's memory.

    The name stands for its address. 128 bytes keep hot words on lines of their own.
    """
    return cast(Record, Static(name, record, record.record_bytes, alignment))


def static_words(name: str, count: int, *, alignment: int = 128) -> Words:
    """`count` words in the module's memory."""
    return cast(Words, Static(name, None, 8 * count, alignment))


@dataclass(frozen=True, slots=True)
class Native:
    """A function of the subset."""

    function: Callable[..., int]
    is_cold: bool

    @property
    def name(self) -> str:
        """The symbol."""
        return self.function.__name__

    @property
    def scope(self) -> Mapping[str, object]:
        """The globals that its names mean."""
        return inspect.unwrap(self.function).__globals__

    def tree(self) -> ast.FunctionDef:
        """The syntax tree; source is read when a module is translated, not at import."""
        tree = ast.parse(textwrap.dedent(inspect.getsource(self.function))).body[0]
        if not isinstance(tree, ast.FunctionDef):
            raise NativeSyntaxError(f"{self.name} is not a plain function")
        return tree


_REGISTRY: dict[int, Native] = {}


def find_native(item: object) -> Native | None:
    """What `@native` noted of a function; None for any other object."""
    return _REGISTRY.get(id(item))


def native(fn: Callable[Parameters, int]) -> Callable[Parameters, int]:
    """Mark a function of the subset."""
    _REGISTRY[id(fn)] = Native(fn, is_cold=False)
    return fn


def native_cold(fn: Callable[Parameters, int]) -> Callable[Parameters, int]:
    """Mark a function of the subset that is called rarely: it is not inlined."""
    _REGISTRY[id(fn)] = Native(fn, is_cold=True)
    return fn


# ---- intrinsics --------------------------------------------------------------------------------------------


def _intrinsic(name: str) -> TypeError:
    return TypeError(f"{name} is an intrinsic of native functions")


def address_of(place: object) -> int:
    """The address of a field, a function or a static; of a record, its address."""
    raise _intrinsic("address_of")


def stack(size_bytes: int) -> int:
    """The address of `size_bytes` (a constant) on the stack of the call, 64-byte aligned, not cleared."""
    raise _intrinsic("stack")


def load_byte(address: int) -> int:
    """The byte at `address`, zero-extended."""
    raise _intrinsic("load_byte")


def invoke(function: int, *arguments: int) -> int:
    """Call a function by its address; the result is a word."""
    raise _intrinsic("invoke")


def invoke_int(function: int, *arguments: int) -> int:
    """Call a function by its address; the result is a C `int`."""
    raise _intrinsic("invoke_int")


def atomic_load(address: int) -> int:
    """Load a word; all atomics are sequentially consistent."""
    raise _intrinsic("atomic_load")


def atomic_store(address: int, value: int) -> int:
    """Store a word."""
    raise _intrinsic("atomic_store")


def atomic_add(address: int, value: int) -> int:
    """Add to a word; gives the old value."""
    raise _intrinsic("atomic_add")


def atomic_exchange(address: int, value: int) -> int:
    """Replace a word; gives the old value."""
    raise _intrinsic("atomic_exchange")


def compare_exchange(address: int, expected: int, value: int) -> int:
    """Replace a word if it is `expected`.

    Gives the old value, which is `expected` exactly when it was replaced.
    """
    raise _intrinsic("compare_exchange")


def pause() -> int:
    """Tell the core that this is a spin loop."""
    raise _intrinsic("pause")
