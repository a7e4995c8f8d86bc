"""`PlainHooks`: the hooks that answer as Python itself would, and Python's operators by their signs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from types import FunctionType

from weft.compiler.frontend.hooks import Thunk
from weft.compiler.frontend.source import UserValue, closure_cell

_OPERATORS: UserValue = operator  # typeshed leaves the operands of the in-place functions untyped

BINARY_NAMES = {
    "+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv",
    "%": "mod", "**": "pow", "@": "matmul", "&": "and", "|": "or", "^": "xor", "<<": "lshift", ">>": "rshift",
}  # fmt: skip
"""Of the special methods, without underscores."""
UNARY_NAMES = {"-": "neg", "+": "pos", "~": "invert"}

BINARY: dict[str, Callable[[UserValue, UserValue], UserValue]] = {
    symbol: getattr(_OPERATORS, f"__{name}__") for symbol, name in BINARY_NAMES.items()
}
UNARY: dict[str, Callable[[UserValue], UserValue]] = {
    symbol: getattr(_OPERATORS, name) for symbol, name in UNARY_NAMES.items()
}
IN_PLACE: dict[str, Callable[[UserValue, UserValue], UserValue]] = {
    f"{symbol}=": getattr(_OPERATORS, f"__i{name}__") for symbol, name in BINARY_NAMES.items()
}

COMPARISONS: dict[str, Callable[[UserValue, UserValue], UserValue]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "is": operator.is_,
    "is not": operator.is_not,
    "in": lambda left, right: left in right,
    "not in": lambda left, right: left not in right,
}

CONVERSIONS: dict[str, Callable[[UserValue], str]] = {
    "": lambda value: value,
    "s": str,
    "r": repr,
    "a": ascii,
}


class PlainHooks:
    """Python's own meaning: a function rewritten with these behaves as the original."""

    def load_global(self, function: FunctionType, name: str, value: UserValue, /) -> UserValue:
        """Give the value."""
        return value

    def load_cell(self, function: FunctionType, name: str, value: UserValue, /) -> UserValue:
        """Give the value."""
        return value

    def load_local(self, name: str, value: UserValue, /) -> UserValue:
        """Give the value."""
        return value

    def load_default(self, function: FunctionType, name: str, value: UserValue, /) -> UserValue:
        """Give the value."""
        return value

    def load_attribute(self, base: UserValue, name: str, /) -> UserValue:
        """Evaluate `base.name`."""
        return getattr(base, name)

    def load_item(self, base: UserValue, key: UserValue, /) -> UserValue:
        """Evaluate `base[key]`."""
        return base[key]

    def load_row(self, base: UserValue, key: UserValue, /) -> UserValue:
        """Evaluate `base[key]`, of which `append` or `extend` is called."""
        return base[key]

    def store_global(self, function: FunctionType, name: str, value: UserValue, /) -> UserValue:
        """Bind a global."""
        function.__globals__[name] = value
        return value

    def store_cell(self, function: FunctionType, name: str, value: UserValue, /) -> UserValue:
        """Bind a nonlocal."""
        closure_cell(function, name).cell_contents = value
        return value

    def store_attribute(self, base: UserValue, name: str, value: UserValue, /) -> None:
        """Do `base.name = value`."""
        setattr(base, name, value)

    def store_item(self, base: UserValue, key: UserValue, value: UserValue, /) -> None:
        """Do `base[key] = value`."""
        base[key] = value

    def delete_global(self, function: FunctionType, name: str, /) -> None:
        """Unbind a global."""
        if name not in function.__globals__:
            raise NameError(f"name {name!r} is not defined", name=name)
        del function.__globals__[name]

    def delete_cell(self, function: FunctionType, name: str, /) -> None:
        """Unbind a nonlocal."""
        del closure_cell(function, name).cell_contents

    def delete_attribute(self, base: UserValue, name: str, /) -> None:
        """Do `del base.name`."""
        delattr(base, name)

    def delete_item(self, base: UserValue, key: UserValue, /) -> None:
        """Do `del base[key]`."""
        del base[key]

    def comprehension(
        self,
        source: UserValue,
        loop: Callable[..., UserValue],
        plain: Callable[..., UserValue],
        chooses: bool,
        /,
    ) -> UserValue:
        """Do as it stands."""
        return plain(source)

    def collection(
        self, source: UserValue, loop: Callable[..., UserValue], plain: Callable[..., UserValue], /
    ) -> UserValue:
        """Do as it stands."""
        return plain(source)

    def reduction(
        self,
        fn: UserValue,
        source: UserValue,
        loop: Callable[..., UserValue],
        plain: Callable[..., UserValue],
        chooses: bool,
        /,
        *rest: UserValue,
    ) -> UserValue:
        """Do as it stands."""
        return self.call(fn, plain(source), *rest)

    def generate(
        self, source: UserValue, run: Callable[..., UserValue], plain: Callable[..., UserValue], /
    ) -> UserValue:
        """Do as it stands."""
        return plain(source)

    def consume(self, consumer: UserValue, value: UserValue, /) -> UserValue:
        """Call it."""
        return consumer(value)

    def operate(self, symbol: str, /, *operands: UserValue) -> UserValue:
        """Do it."""
        return (BINARY if len(operands) == 2 else UNARY)[symbol](*operands)

    def asked(self, value: UserValue, /) -> UserValue:
        """Leave it to Python."""
        return value

    def made_set(self, *items: UserValue) -> UserValue:
        """Make it."""
        return set(items)

    def display(self, value: UserValue, /) -> UserValue:
        """Leave it to Python."""
        return value

    def spread(self, value: UserValue, /) -> UserValue:
        """Leave it to Python."""
        return value

    def unpack(self, value: UserValue, /) -> UserValue:
        """Leave it to Python."""
        return value

    def augmented(self, symbol: str, old: UserValue, value: UserValue, /) -> UserValue:
        """Do the in-place operation."""
        return IN_PLACE[symbol](old, value)

    def call(self, fn: UserValue, /, *args: UserValue, **kwargs: UserValue) -> UserValue:
        """Call."""
        return fn(*args, **kwargs)

    def call_next(self, fn: UserValue, items: UserValue, /, *default: UserValue) -> UserValue:
        """Call."""
        return self.call(fn, items, *default)

    def truth(self, value: UserValue, /) -> bool:
        """Ask the value."""
        return bool(value)

    def not_(self, value: UserValue, /) -> UserValue:
        """Negate the truth."""
        return not self.truth(value)

    def and_(self, first: UserValue, /, *others: Thunk) -> UserValue:
        """Give the first that is false, or the last."""
        value = first
        for other in others:
            if not self.truth(value):
                break
            value = other()
        return value

    def or_(self, first: UserValue, /, *others: Thunk) -> UserValue:
        """Give the first that is true, or the last."""
        value = first
        for other in others:
            if self.truth(value):
                break
            value = other()
        return value

    def if_expression(self, test: UserValue, then: Thunk, orelse: Thunk, /) -> UserValue:
        """Evaluate one of the two."""
        return then() if self.truth(test) else orelse()

    def compare(self, symbol: str, left: UserValue, right: UserValue, /) -> UserValue:
        """Compare."""
        return COMPARISONS[symbol](left, right)

    def compare_chain(self, symbols: Sequence[str], first: UserValue, /, *others: Thunk) -> UserValue:
        """Compare neighbours until one is false."""
        left, value = first, None
        for index, (symbol, other) in enumerate(zip(symbols, others, strict=True), 1):
            right = other()
            value = self.compare(symbol, left, right)
            if index < len(others) and not self.truth(value):
                break
            left = right
        return value

    def iterate(self, iterable: UserValue, /) -> Iterable[UserValue]:
        """Give the iterable."""
        return iterable

    def format_value(self, value: UserValue, conversion: str, specification: UserValue, /) -> UserValue:
        """Format now."""
        return format(CONVERSIONS[conversion](value), specification)

    def join_string(self, *parts: UserValue) -> UserValue:
        """Join the texts."""
        return "".join(parts)

    def percent(self, left: UserValue, right: UserValue, /) -> UserValue:
        """Format the values."""
        return left % right

    def if_(
        self,
        test: UserValue,
        then: Thunk,
        orelse: Thunk | None,
        /,
        *,
        written: tuple[str, ...],
        live: tuple[str, ...],
    ) -> None:
        """Run one body."""
        if self.truth(test):
            then()
        elif orelse is not None:
            orelse()

    def while_(
        self,
        test: Thunk,
        body: Thunk,
        stop: Thunk | None,
        /,
        *,
        written: tuple[str, ...],
        carried: tuple[str, ...],
        live: tuple[str, ...],
    ) -> None:
        """Loop."""
        while self.truth(test()):
            body()
            if stop is not None and self.truth(stop()):
                break

    def for_(
        self,
        iterable: UserValue,
        body: Callable[[UserValue], UserValue],
        stop: Thunk | None,
        /,
        *,
        written: tuple[str, ...],
        carried: tuple[str, ...],
        live: tuple[str, ...],
    ) -> None:
        """Loop."""
        for item in self.iterate(iterable):
            body(item)
            if stop is not None and self.truth(stop()):
                break

    def tries(self) -> None:
        """Python runs its handlers."""

    def assert_(self, test: UserValue, message: Thunk | None, /) -> None:
        """Raise AssertionError unless the test holds."""
        if not self.truth(test):
            raise AssertionError(*(() if message is None else (message(),)))

    def raise_(self, exception: UserValue, /) -> UserValue:
        """Give the exception."""
        return exception
