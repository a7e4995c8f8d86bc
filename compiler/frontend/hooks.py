"""What rewritten code asks: the `Hooks` protocol.

Rewritten code reaches its hooks through one closure cell, which holds a `Link`. Nothing here knows of
traced values. Not here: hooks that answer as Python would (`plain.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import CellType, FunctionType
from typing import Protocol, TypeAlias

from weft.compiler.frontend.source import UserValue

Thunk: TypeAlias = Callable[[], UserValue]


class Hooks(Protocol):
    """What a rewritten function asks for what Python does not ask of one operand.

    Values are the user's objects. A thunk is an expression, evaluated when it is called.
    `function` is always the original function, whose globals and cells the rewritten one shares.
    """

    # -- loads and stores ------------------------------------------------------------------------------------

    def load_global(self, function: FunctionType, name: str, value: UserValue, /) -> UserValue:
        """Take a global or builtin, already found by Python."""
        ...

    def load_cell(self, function: FunctionType, name: str, value: UserValue, /) -> UserValue:
        """Take a variable of a function around `function`, read from the cell in its closure."""
        ...

    def load_local(self, name: str, value: UserValue, /) -> UserValue:
        """Take a local that a statement body may have left undefined: called for such names only."""
        ...

    def load_default(self, function: FunctionType, name: str, value: UserValue, /) -> UserValue:
        """Take the default of a parameter that a call does not give."""
        ...

    def load_attribute(self, base: UserValue, name: str, /) -> UserValue:
        """Evaluate `base.name`."""
        ...

    def load_item(self, base: UserValue, key: UserValue, /) -> UserValue:
        """Evaluate `base[key]`; slices are slice objects."""
        ...

    def load_row(self, base: UserValue, key: UserValue, /) -> UserValue:
        """Evaluate `base[key]`, of which `append` or `extend` is called."""
        ...

    def store_global(self, function: FunctionType, name: str, value: UserValue, /) -> UserValue:
        """Bind a name that is declared global; gives `value`."""
        ...

    def store_cell(self, function: FunctionType, name: str, value: UserValue, /) -> UserValue:
        """Bind a nonlocal name of `function`'s own closure; gives `value`."""
        ...

    def store_attribute(self, base: UserValue, name: str, value: UserValue, /) -> None:
        """Do `base.name = value`."""
        ...

    def store_item(self, base: UserValue, key: UserValue, value: UserValue, /) -> None:
        """Do `base[key] = value`."""
        ...

    def delete_global(self, function: FunctionType, name: str, /) -> None:
        """Do `del name` of a global."""
        ...

    def delete_cell(self, function: FunctionType, name: str, /) -> None:
        """Do `del name` of a nonlocal."""
        ...

    def delete_attribute(self, base: UserValue, name: str, /) -> None:
        """Do `del base.name`."""
        ...

    def delete_item(self, base: UserValue, key: UserValue, /) -> None:
        """Do `del base[key]`."""
        ...

    def augmented(self, symbol: str, old: UserValue, value: UserValue, /) -> UserValue:
        """Give what `old += value` binds (`symbol` is `"+="`): an array, written, or a new scalar.

        `x[i] += v` is load_item, v, augmented, store_item, in this order; attributes likewise.
        """
        ...

    # -- expressions -----------------------------------------------------------------------------------------

    def operate(self, symbol: str, /, *operands: UserValue) -> UserValue:
        """Evaluate `left + right`, or `-operand`, and so on."""
        ...

    def asked(self, value: UserValue, /) -> UserValue:
        """Give something of the truth of a value that is an operand of `and` or `or` in a test."""
        ...

    def made_set(self, *items: UserValue) -> UserValue:
        """Evaluate `{a, b}`."""
        ...

    def display(self, value: UserValue, /) -> UserValue:
        """Give what `[*value]` goes over."""
        ...

    def spread(self, value: UserValue, /) -> UserValue:
        """Give what `*value` in a call or tuple goes over."""
        ...

    def unpack(self, value: UserValue, /) -> UserValue:
        """Give what `a, b = value` goes over."""
        ...

    def call(self, fn: UserValue, /, *args: UserValue, **kwargs: UserValue) -> UserValue:
        """Evaluate `fn(*args, **kwargs)`; `enter` of `rewrite.py` does it for user code."""
        ...

    def call_next(self, fn: UserValue, items: UserValue, /, *default: UserValue) -> UserValue:
        """Evaluate `next(items)`, where nothing else holds the items."""
        ...

    def truth(self, value: UserValue, /) -> bool:
        """Give the truth of a condition on which Python itself branches (see `rewrite.py` for where)."""
        ...

    def not_(self, value: UserValue, /) -> UserValue:
        """Evaluate `not value`."""
        ...

    def and_(self, first: UserValue, /, *others: Thunk) -> UserValue:
        """Evaluate `a and b and c`."""
        ...

    def or_(self, first: UserValue, /, *others: Thunk) -> UserValue:
        """Evaluate `a or b or c`."""
        ...

    def if_expression(self, test: UserValue, then: Thunk, orelse: Thunk, /) -> UserValue:
        """Evaluate `then if test else orelse`."""
        ...

    def compare(self, symbol: str, left: UserValue, right: UserValue, /) -> UserValue:
        """Evaluate a comparison; `==` and `<` with a constant go to their operands."""
        ...

    def compare_chain(self, symbols: Sequence[str], first: UserValue, /, *others: Thunk) -> UserValue:
        """Evaluate `a < b <= c`; any comparison may be in it."""
        ...

    def comprehension(
        self,
        source: UserValue,
        loop: Callable[..., UserValue],
        plain: Callable[..., UserValue],
        chooses: bool,
        /,
    ) -> UserValue:
        """Evaluate a list comprehension over `source`, as a function with loops or as it stands.

        One that `chooses` has conditions.
        """
        ...

    def collection(
        self, source: UserValue, loop: Callable[..., UserValue], plain: Callable[..., UserValue], /
    ) -> UserValue:
        """Evaluate a comprehension of a set or dict, as `comprehension`."""
        ...

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
        """Evaluate `fn(... for ... in source)`, where `fn` is named as a builtin that uses the items up."""
        ...

    def generate(
        self, source: UserValue, run: Callable[..., UserValue], plain: Callable[..., UserValue], /
    ) -> UserValue:
        """Make the generator of an expression over `source`; `run` hands its items on."""
        ...

    def consume(self, consumer: UserValue, value: UserValue, /) -> UserValue:
        """Hand on what a generator yields; gives whether no more is wanted."""
        ...

    def iterate(self, iterable: UserValue, /) -> Iterable[UserValue]:
        """Give what a `for` of a comprehension (or one that Python itself runs) goes over."""
        ...

    def format_value(self, value: UserValue, conversion: str, specification: UserValue, /) -> UserValue:
        """Format one `{value!conversion:specification}` of an f-string, at its place in the evaluation."""
        ...

    def join_string(self, *parts: UserValue) -> UserValue:
        """Make an f-string of its texts and formatted values."""
        ...

    def percent(self, left: UserValue, right: UserValue, /) -> UserValue:
        """Evaluate `left % right` where `left` is written as a text."""
        ...

    # -- statements ------------------------------------------------------------------------------------------
    #
    # Bodies are functions without arguments that share the local variables of the user's function as cells
    # (`variables`). Jumps are gone: break, continue and return became flags, which are variables like others.
    # `written` names what the bodies may bind, `live` those of them that are read after the statement,
    # `carried` those that the next iteration reads.

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
        """Run one of two bodies."""
        ...

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
        """Run `body` while `test()` holds; after each, `stop()` says whether a break or return was met."""
        ...

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
        """Run `body(item)` (which binds the loop's target) for each item; `stop` as in `while_`."""
        ...

    def tries(self) -> None:
        """Note that a `try` begins."""
        ...

    def assert_(self, test: UserValue, message: Thunk | None, /) -> None:
        """Do `assert test, message`."""
        ...

    def raise_(self, exception: UserValue, /) -> UserValue:
        """Give the exception (or class) that Python then raises, or raise one of its own."""
        ...


class AttributeTarget:
    """Stands for `base.name` where Python assigns: binding `.value` stores."""

    __slots__ = ("base", "hooks", "name", "old")

    def __init__(self, hooks: Hooks, base: UserValue, name: str, /) -> None:
        self.hooks, self.base, self.name = hooks, base, name

    def load(self) -> AttributeTarget:
        """Take the old value, before Python evaluates the operand."""
        self.old = self.hooks.load_attribute(self.base, self.name)
        return self

    def augment(self, symbol: str, value: UserValue) -> None:
        """Finish `base.name += value`."""
        self.value = self.hooks.augmented(symbol, self.old, value)

    def _store(self, value: UserValue) -> None:
        self.hooks.store_attribute(self.base, self.name, value)

    value = property(None, _store)


class ItemTarget:
    """Stands for `base[key]` where Python assigns: binding `.value` stores."""

    __slots__ = ("base", "hooks", "key", "old")

    def __init__(self, hooks: Hooks, base: UserValue, key: UserValue, /) -> None:
        self.hooks, self.base, self.key = hooks, base, key

    def load(self) -> ItemTarget:
        """Take the old value, before Python evaluates the operand."""
        self.old = self.hooks.load_item(self.base, self.key)
        return self

    def augment(self, symbol: str, value: UserValue) -> None:
        """Finish `base[key] += value`."""
        self.value = self.hooks.augmented(symbol, self.old, value)

    def _store(self, value: UserValue) -> None:
        self.hooks.store_item(self.base, self.key, value)

    value = property(None, _store)


class NameTarget:
    """Stands for a global or a nonlocal where Python assigns: binding `.value` stores."""

    __slots__ = ("name", "store")

    def __init__(self, store: Callable[[str, UserValue], UserValue], name: str, /) -> None:
        self.store, self.name = store, name

    def _store(self, value: UserValue) -> None:
        self.store(self.name, value)

    value = property(None, _store)


def _own_names(protocol: type) -> tuple[str, ...]:
    return tuple(name for name in vars(protocol) if not name.startswith("_"))


_OF_FUNCTION = tuple(f"{verb}_{kind}" for verb in ("load", "store", "delete") for kind in ("global", "cell"))
_DIRECT = tuple(name for name in _own_names(Hooks) if name not in (*_OF_FUNCTION, "load_default"))


class Link:
    """What the hook cell of a rewritten function holds: the hooks, bound to the original function.

    Each is an attribute that leads straight to the hooks' method, so that no frame of ours lies between.
    """

    slice = slice

    def __init__(self, hooks: Hooks, function: FunctionType) -> None:
        self.hooks, self.function = hooks, function
        values = vars(self)
        for name in _DIRECT:
            values[name] = getattr(hooks, name)
        for name in _OF_FUNCTION:
            values[name] = partial(getattr(hooks, name), function)
        self.attribute_target = partial(AttributeTarget, hooks)
        self.item_target = partial(ItemTarget, hooks)
        self.global_target = partial(NameTarget, values["store_global"])
        self.cell_target = partial(NameTarget, values["store_cell"])


def variables(*bodies: Callable[..., UserValue] | None) -> dict[str, CellType]:
    """Give the variables that statement bodies share with the function around them, by name.

    An empty cell is an unbound name; emptying one (`del cell.cell_contents`) unbinds it.
    """
    return {
        name: cell
        for body in bodies
        if isinstance(body, FunctionType)
        for name, cell in zip(body.__code__.co_freevars, body.__closure__ or (), strict=True)
    }
