"""Texts that the data choose: carried as numbers of a table (`weft.runtime.texts`), compared as numbers.

Where paths meet or iterations follow each other, a text becomes its number; one that the program makes gets
it when it is made. All else that asks for the characters calls Python when the program runs. Not here: texts
that are only shown (`text.py`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np

from weft.compiler.frontend.arguments import children, is_node, rebuild
from weft.compiler.frontend.callback import Declared, call_python
from weft.compiler.frontend.control.folding import picked
from weft.compiler.frontend.control.joins import (
    Array,
    Extended,
    Nullable,
    Number,
    Scalar,
    Slot,
    Tree,
    Undefined,
    is_listed,
)
from weft.compiler.frontend.control.lists import Row
from weft.compiler.frontend.control.settling import settled
from weft.compiler.frontend.control.slot_values import types
from weft.compiler.frontend.number import TracedNumber, as_dim, as_expr, forced, number, size_number
from weft.compiler.frontend.text import TracedText, at_run_time
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, Forwarded
from weft.ir.dataclass import dataclass
from weft.ir.expr import Expr
from weft.ir.node import Value
from weft.ir.types import BOOL, F64, I64, TensorType, Type
from weft.runtime.texts import TextTable

_KINDS = {"int": I64, "bool": BOOL, "float": F64}


class ChosenText(TracedText):
    """A str that is one of many: the text of a number."""

    __slots__ = ("code",)

    def __init__(self, trace: Trace, code: TracedNumber) -> None:
        super().__init__(trace, table_of_texts(trace).text, [code])
        self.code = code


@dataclass(frozen=True, slots=True)
class Chosen(Extended):
    """A text."""

    is_plain = True

    def types(self) -> list[Type]:
        """That of its number."""
        return [TensorType(I64)]

    def lower(self, trace: Trace, value: Any) -> list[Value]:
        """The number of a text."""
        if value is None or isinstance(value, Undefined):
            return [trace.constant(0, I64).value]
        return [code_of(trace, value).value]

    def wrap(self, trace: Trace, values: Iterator[Value]) -> Any:
        """The text."""
        return ChosenText(trace, TracedNumber(trace, int, value=next(values)))

    def at(self, trace: Trace, leaves: Iterator[Any]) -> Any:
        """The text whose number is an item of an array."""
        return self.wrap(trace, iter([next(leaves).expr.value]))

    def show(self) -> str:
        """In the user's words."""
        return "a str"


def table_of_texts(trace: Trace) -> TextTable:
    """The texts of the program that is traced."""
    if trace.texts is None:
        trace.texts = TextTable()
    return trace.texts


def code_of(trace: Trace, value: str | TracedText) -> Expr:
    """The number of a text."""
    if isinstance(value, ChosenText):
        return as_expr(trace, value.code, I64)
    table = table_of_texts(trace)
    if isinstance(value, str):
        return trace.constant(table.number(value), I64)
    table.makes_texts = True
    return as_expr(trace, asked(trace, table.keep, "int", value), I64)


def asked(trace: Trace, function: Callable[..., Any], kind: str, *parts: Any) -> Any:
    """What a function of texts gives when the program runs: a Python number."""
    return call_python(trace, function, parts, Declared(kind, _KINDS[kind], ()), name="a text")


def begin_texts(trace: Trace) -> None:
    """Have each call of the program forget the texts that an earlier one made."""
    if trace.texts is not None and trace.texts.makes_texts:
        call_python(trace, trace.texts.begin, [], name="a text")
        trace.region.ops.insert(0, trace.region.ops.pop())


def is_text(value: Any) -> bool:
    """Whether it is a text that the program knows, and not just made of numbers of iterations."""
    return isinstance(value, ChosenText) or (isinstance(value, TracedText) and not _is_of_sizes(value))


def _is_of_sizes(value: TracedText) -> bool:
    if any(map(_holds_listed, value.parts)):
        return False
    leaves = [leaf for part in value.parts for leaf in _leaves(part) if at_run_time(leaf)]
    return all(type(leaf) is TracedNumber and leaf.dim is not None for leaf in leaves)


def _holds_listed(value: Any) -> bool:
    if is_listed(value) or isinstance(value, TracedText):
        return is_listed(value) or any(map(_holds_listed, value.parts))
    return is_node(value) and any(_holds_listed(item) for _, item in children(value))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Forwarded):
        value = value.elements
    inside = value.parts if isinstance(value, TracedText) else None
    if inside is None and is_node(value):
        inside = [item for _, item in children(value)]
    if inside is None:
        yield value
        return
    for one in inside:
        yield from _leaves(one)


def equal_texts(left: TracedText, right: Any) -> Any:
    """`left == right`."""
    if not isinstance(right, str | TracedText):
        return False
    for one in (left, right):
        if isinstance(one, TracedText) and not is_text(one):
            raise forced(left.trace, "the text of a traced value", "characters that tracing depends on")
    trace = left.trace
    return number(trace, code_of(trace, left).eq(code_of(trace, right)), bool)


def differing_texts(left: TracedText, right: Any) -> Any:
    """`left != right`."""
    found = equal_texts(left, right)
    if found is False:
        return True
    return number(left.trace, as_expr(left.trace, found, BOOL).apply("logical_not"), bool)


def in_text(trace: Trace, part: Any, whole: Any) -> Any:
    """`part in whole`, of texts one of which the program makes; None for all else."""
    if not isinstance(whole, str | TracedText) or not isinstance(part, str | TracedText):
        return None
    if isinstance(whole, str) and isinstance(part, str):
        return None
    return asked(trace, operator.contains, "bool", whole, part)


def characters(trace: Trace, text: str, key: Any) -> Any:
    """`text[key]` by a position or slice that the program computes."""
    if type(key) is slice:
        parts: tuple[Any, Any] = (text, key)
        return TracedText(trace, operator.getitem, parts)
    codes = np.array([table_of_texts(trace).number(one) for one in text], np.int64)
    found = trace.call(np.array, codes)[key]
    return ChosenText(trace, number(trace, found.expr, int))


def item_of_texts(trace: Trace, base: Any, key: Any) -> Any:
    """`base[key]` of a text at a computed place, or of a dict by a chosen text; NotImplemented for others."""
    if type(base) is str and any(_is_computed(trace, part) for part in _parts(key)):
        return characters(trace, base, key)
    if type(base) is dict and isinstance(key, TracedText) and is_text(key):
        return trace.run(picked, base, tuple(cast("dict[str, Any]", base)), key, KeyError(key))
    return NotImplemented


def _parts(key: Any) -> tuple[Any, ...]:
    return (key.start, key.stop, key.step) if type(key) is slice else (key,)


def _is_computed(trace: Trace, part: Any) -> bool:
    return type(part) in TRACED and (as_dim(part) is None or trace.changes(as_dim(part) or 0))


# ---------------------------------------------------------------- lists, when the program runs


def holds_texts(slot: Slot) -> bool:
    """Whether items are texts, or hold some."""
    if isinstance(slot, Tree):
        return any(map(holds_texts, slot.items))
    if isinstance(slot, Row | Nullable):
        return holds_texts(slot.item if isinstance(slot, Row) else slot.slot)
    return isinstance(slot, Chosen)


def in_arrays(trace: Trace, items: list[Any]) -> tuple[ListMaker, list[Any]]:
    """What makes a list whose items lie in arrays, and of what."""
    stack = settled(trace, items)
    return ListMaker(trace, stack.slot), [size_number(trace, stack.length), *stack.arrays()]


class ListMaker:
    """Makes a list of the items that arrays hold, when the program runs."""

    def __init__(self, trace: Trace, slot: Slot) -> None:
        self.texts, self.slot = table_of_texts(trace), slot

    def __call__(self, count: int, *columns: Any) -> list[Any]:
        """The list."""
        return [self._item(self.slot, iter([column[k] for column in columns])) for k in range(count)]

    def _item(self, slot: Slot, leaves: Iterator[Any]) -> Any:
        match slot:
            case Chosen():
                return self.texts.text(int(next(leaves)))
            case Number(kind):
                return kind(next(leaves))
            case Scalar() | Array():
                found = next(leaves)
                return found.copy() if type(found) is np.ndarray else found
            case Tree(like, items):
                return rebuild(like, [self._item(one, leaves) for one in items])
            case Nullable(inner):
                made = self._item(inner, leaves)
                return made if next(leaves) else None
            case Row(inner, _):
                columns: Sequence[Any] = [next(leaves) for _ in types(inner)]
                return [self._item(inner, iter([one[k] for one in columns])) for k in range(len(columns[0]))]
            case _:
                raise TypeError(f"no items of {slot}")
