"""Builtins of Python with a meaning for traced values.

`len`, `min`, `abs`, `isinstance`, `range` and the like. With ordinary arguments they are Python's own. Not
here: NumPy functions (`numpy/`).
"""

from __future__ import annotations

import bisect
import collections
import functools
import heapq
import operator
import sys
import typing
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.compiler.frontend.chosen import ChosenText
from weft.compiler.frontend.control.conditions import truth, truth_value
from weft.compiler.frontend.control.folding import (
    add_up,
    all_of,
    any_of,
    each,
    either,
    filtered,
    heap_pop,
    heap_push,
    heapify,
    insert_sorted,
    largest_by,
    mapped,
    mapped_together,
    place_after,
    place_before,
    power_modulo,
    smallest,
    smallest_by,
)
from weft.compiler.frontend.control.folding import largest as largest_of
from weft.compiler.frontend.control.generated import Generated
from weft.compiler.frontend.control.iterating import Stepping, filtered_later, mapped_later, step
from weft.compiler.frontend.control.joins import (
    Conflict,
    Maybe,
    Possible,
    Same,
    Scalar,
    given,
    is_listed,
    join,
)
from weft.compiler.frontend.control.keyed import make_counter, make_set
from weft.compiler.frontend.control.listed import copied, sort, sort_by, spread
from weft.compiler.frontend.control.methods import listed_array, needs_stack
from weft.compiler.frontend.control.queues import make_queue
from weft.compiler.frontend.control.sequences import (
    ByPosition,
    Sequence,
    as_sequence,
    in_order,
    make_enumerate,
    make_range,
    make_reversed,
    make_zip,
)
from weft.compiler.frontend.control.settling import (
    exact_length,
    settled,
)
from weft.compiler.frontend.control.slot_values import lower, wrap
from weft.compiler.frontend.control.tables import Items, keys_of, refuse_table, seen_now, unordered_keys
from weft.compiler.frontend.copying import COPYING
from weft.compiler.frontend.known import attribute_of
from weft.compiler.frontend.location import user_frame
from weft.compiler.frontend.mathematics import MATHEMATICS
from weft.compiler.frontend.number import (
    IR_TYPES,
    TracedNumber,
    as_dim,
    as_expr,
    check_integer,
    extreme,
    number,
    size_number,
)
from weft.compiler.frontend.text import TracedText, print_later, text
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, Forwarded, Made, TracedArray, TracedScalar
from weft.ir.dims import product
from weft.ir.expr import Expr, cast, complex_of, imag, real, select
from weft.ir.types import C128, F64, I64, U64
from weft.runtime.variables import Variable

BUILTINS: dict[Any, Callable[..., Any]] = {}


def _means(fn: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(meaning: Callable[..., Any]) -> Callable[..., Any]:
        BUILTINS[fn] = meaning
        return meaning

    return register


@_means(len)
def _len(trace: Trace, value: Any) -> Any:
    if isinstance(value, Forwarded):
        return value.length if isinstance(value, Made) else _len(trace, value.elements)
    if isinstance(value, TracedText):
        return value.asked(len, "int")
    if type(value) is TracedArray and value.view.shape:
        return size_number(trace, value.view.shape[0])
    if isinstance(value, Sequence):
        return size_number(trace, value.length)
    if is_listed(value):
        return _length(trace, typing.cast("list[Any]", value))
    return len(value)


def _length(trace: Trace, items: list[Any]) -> Any:
    """The number of items of a list with segments."""
    known = exact_length(items)
    return size_number(trace, settled(trace, items).length if known is None else known)


def _long(trace: Trace, values: Any) -> Sequence | Generated | None:
    """A sequence, or a generator, that a loop goes over rather than Python."""
    if isinstance(values, Generated):
        return values if values.is_function else None
    found = as_sequence(trace, given(values))
    if found is None or isinstance(values, range):
        return None
    return None if isinstance(found.length, int) and found.length <= 4 else found


@_means(isinstance)
def _isinstance(trace: Trace, value: Any, kinds: Any) -> bool:
    if type(value) not in _ASKED:
        return isinstance(value, kinds)
    return issubclass(type_of(value), kinds)


@_means(type)
def _type(trace: Trace, value: Any, *rest: Any) -> Any:
    return type(value, *rest) if rest or type(value) not in _ASKED else type_of(value)


_ASKED: Any = (*TRACED, TracedText, ChosenText)


def type_of(value: Any) -> type:
    """The type that a value has for Python."""
    if isinstance(value, TracedText):
        return str
    if type(value) is TracedArray:
        return np.ndarray if value.view.storage.variable is None or value.view.base is not None else Variable
    return value.dtype.type if type(value) is TracedScalar else value.type


@_means(float)
def _float(trace: Trace, value: Any = 0.0) -> Any:
    if isinstance(value, TracedText):
        return value.asked(float, "float")
    if type(value) is TracedNumber:
        return value if value.type is float else number(trace, as_expr(trace, value, F64), float)
    return number(trace, cast(_one(trace, value), F64), float) if type(value) in TRACED else float(value)


@_means(complex)
def _complex(trace: Trace, re: Any = 0.0, im: Any = None) -> Any:
    if type(re) not in TRACED and type(im) not in TRACED:
        return complex(re) if im is None else complex(re, im)
    parts = [_complex_value(trace, v) for v in (re, 0.0 if im is None else im)]
    if im is None:
        return number(trace, parts[0], complex)
    first, second = parts  # re + im * 1j, without arithmetic on parts that are not there
    made = complex_of(real(first) - imag(second), real(second) + imag(first))
    return number(trace, made, complex)


def _complex_value(trace: Trace, value: Any) -> Expr:
    is_one = type(value) in (TracedScalar, TracedArray)
    return cast(_one(trace, value), C128) if is_one else as_expr(trace, value, C128)


@_means(int)
def _int(trace: Trace, value: Any = 0, *rest: Any) -> Any:
    if isinstance(value, TracedText):
        return value.asked(int, "int", *rest)
    if type(value) not in TRACED or rest:
        return int(value, *rest)
    if type(value) is TracedNumber and value.type is int:
        return value
    expr = as_expr(trace, value, IR_TYPES[value.type]) if type(value) is TracedNumber else _one(trace, value)
    if expr.type.dtype.is_float:
        check_integer(trace, expr)
    if expr.type.dtype == U64:
        holds = expr.apply("less", trace.constant(2**63, U64))
        trace.fail_unless(holds, OverflowError("a uint64 that does not fit 64 bits was converted to an int"))
    return number(trace, cast(expr, I64), int)


def _text_by(fn: Callable[..., str]) -> Callable[..., Any]:
    def meaning(trace: Trace, *values: Any, **options: Any) -> Any:
        return text(trace, functools.partial(fn, **options), *values)

    return meaning


for _shown in (bin, chr, hex, oct, np.binary_repr, np.base_repr):
    BUILTINS[_shown] = _text_by(_shown)


@_means(ord)
def _ord(trace: Trace, value: Any) -> Any:
    return value.asked(ord, "int") if isinstance(value, TracedText) else ord(value)


@_means(bool)
def _bool(trace: Trace, value: Any = False) -> Any:
    return truth_value(trace, value)


def _one(trace: Trace, value: Any) -> Expr:
    """The element of an array of one, or of a scalar."""
    if type(value) is TracedScalar:
        return value.expr
    if value.ndim:
        float(np.zeros(1))  # raises from NumPy 2.4 on
    if not trace.holds(product(value.view.shape), "==", 1, "size of an array that becomes a number"):
        raise TypeError("only length-1 arrays can be converted to Python scalars")
    return trace.builder.reshape(value.expr, ())


def _extreme(fn: Callable[..., Any], *, largest: bool) -> None:
    def meaning(trace: Trace, *values: Any, key: Any = None, **default: Any) -> Any:
        if len(values) == 0 or default.keys() - {"default"} or (default and len(values) > 1):
            return fn(*values, key=key, **default)  # which raises
        items, empty = values if len(values) > 1 else given(values[0]), tuple(default.values())
        if key is not None:
            run = largest_by if largest else smallest_by
            return _certain(trace.run(run, _through(trace, items), empty, key), empty)
        found = _long(trace, items)
        if found is not None:
            return _certain(trace.run(largest_of if largest else smallest, found, empty), empty)
        items = list(spread(trace, items))
        if not items or not any(type(v) in TRACED for v in items):
            return fn(items, **default)
        if None not in [as_dim(v) for v in items]:
            return extreme(items, largest=largest)
        return functools.reduce(functools.partial(_of_two, trace, largest), items)

    BUILTINS[fn] = meaning


def _certain(value: Any, default: tuple[Any, ...]) -> Any:
    """An extreme, which is there, as the program fails before if it is not; unless the default is None."""
    return value.value if type(value) is Possible and None not in default else value


def _of_two(trace: Trace, largest: bool, a: Any, b: Any) -> Any:
    """Python's rule: the first, unless the second compares as better; joined as branches are."""
    better = truth(trace, b > a if largest else b < a)
    if isinstance(better, bool):
        return b if better else a
    try:
        slot = join(Same(a), Same(b))
    except Conflict as conflict:
        fix = "convert one of them, for example with np.float64(...)"
        raise trace.refuse(f"{'max' if largest else 'min'}: {conflict}", fix, "E061") from None
    pairs = zip(lower(trace, slot, b), lower(trace, slot, a), strict=True)
    return wrap(trace, slot, iter([select(better, trace.expr(x), trace.expr(y)).value for x, y in pairs]))


_extreme(max, largest=True)
_extreme(min, largest=False)


def _through(trace: Trace, values: Any) -> Any:
    """Values that a comprehension or a loop goes over: by position if they are many."""
    found = _long(trace, values)
    return in_order(trace, values) if found is None else found


@_means(map)
def _map(trace: Trace, fn: Any, *values: Any) -> Any:
    items = values[0] if len(values) == 1 else make_zip(trace, *values)
    if isinstance(items, Generated) and len(values) == 1:
        return trace.run(mapped_later, items, fn)
    return _lazily(trace, mapped if len(values) == 1 else mapped_together, items, fn)


@_means(filter)
def _filter(trace: Trace, fn: Any, items: Any) -> Any:
    if isinstance(items, Generated):
        return trace.run(filtered_later, items, bool if fn is None else fn)
    return _lazily(trace, filtered, items, bool if fn is None else fn)


def _lazily(trace: Trace, run: Any, items: Any, fn: Any) -> Any:
    """What `run` makes of all items, given one after the other."""
    if not isinstance(items, Sequence | TracedArray) and not hasattr(items, "__len__"):
        return (one for item in items for one in trace.run(run, [item], fn))  # an iterator, which may not end
    made = trace.run(run, _through(trace, items), fn)
    return made if is_listed(made) else iter(made)


@_means(sum)
def _sum(trace: Trace, values: Any, start: Any = 0) -> Any:
    found = _long(trace, values)
    if found is None:
        return functools.reduce(operator.add, spread(trace, values), start)
    return trace.run(add_up, found, start)


def _all_or_any(fn: Callable[..., Any], ufunc: Any, *, stop_at: bool) -> None:
    def meaning(trace: Trace, values: Any) -> Any:
        if type(values) is TracedArray and values.ndim == 1:
            return truth_value(trace, trace.call(ufunc, values))
        found = _long(trace, values)
        if found is not None:
            return trace.run(any_of if stop_at else all_of, found)
        result: Any = not stop_at
        for value in spread(trace, values):
            found = truth(trace, value)
            if isinstance(found, bool) and found is stop_at:
                return stop_at
            if not isinstance(found, bool):
                both = found if isinstance(result, bool) else (result | found if stop_at else result & found)
                result = both
        return result if isinstance(result, bool) else number(trace, result, bool)

    BUILTINS[fn] = meaning


_all_or_any(all, np.all, stop_at=False)
_all_or_any(any, np.any, stop_at=True)


@_means(divmod)
def _divmod(trace: Trace, a: Any, b: Any) -> Any:
    if type(a) is TracedNumber or type(b) is TracedNumber:
        return a // b, a % b
    return divmod(a, b)


@_means(pow)
def _pow(trace: Trace, base: Any, exp: Any, mod: Any = None) -> Any:
    if mod is None:
        return base**exp
    values = (base, exp, mod)
    if not any(type(value) in TRACED for value in values):
        return typing.cast(Any, pow)(*values)
    if all(type(value) is int or (type(value) is TracedNumber and value.type is int) for value in values):
        return trace.run(power_modulo, *values)
    raise TypeError("pow() 3rd argument not allowed unless all arguments are integers")


def _text(fn: Any) -> None:
    def meaning(trace: Trace, *values: Any) -> Any:
        return text(trace, fn, *values)

    BUILTINS[fn] = meaning


_text(str)
_text(repr)
_text(ascii)
_text(format)
BUILTINS[print] = print_later
_TEXTS = frozenset({str, repr, ascii, format, print})


@_means(breakpoint)
def _breakpoint(trace: Trace, *args: Any, **kwargs: Any) -> None:
    """Stop where the function is traced, in the user's frame."""
    if sys.breakpointhook is not sys.__breakpointhook__:
        sys.breakpointhook(*args, **kwargs)
        return
    import pdb  # loaded when it is asked for

    pdb.Pdb().set_trace(user_frame())


BUILTINS[range] = make_range
BUILTINS[enumerate] = make_enumerate
BUILTINS[reversed] = make_reversed


@_means(zip)
def _zip(trace: Trace, *values: Any, strict: bool = False) -> Any:
    if any(map(is_listed, values)) and None in [as_sequence(trace, value) for value in values]:
        values = tuple(spread(trace, value) for value in values)  # beside what Python goes over
    return make_zip(trace, *values, strict=strict)


@_means(iter)
def _iter(trace: Trace, value: Any, *sentinel: Any) -> Any:
    if isinstance(value, Stepping | Generated):
        return value
    found = as_sequence(trace, value) if not sentinel and type(value) is not list else None
    if found is None:
        return _as_it_is(iter)(trace, value, *sentinel)
    return Stepping(ByPosition(found), size_number(trace, found.length))


@_means(next)
def _next(trace: Trace, it: Any, *default: Any) -> Any:
    if isinstance(it, Stepping) and len(default) < 2:
        return trace.run(step, it, default)
    return next(it, *default)


@_means(sorted)
def _sorted(trace: Trace, values: Any, *, key: Any = None, reverse: bool = False) -> Any:
    if key is None and type(values) is TracedArray and values.ndim == 1:
        values = listed_array(trace, values, Scalar(values.element))
    elif key is None and isinstance(values, Sequence | Generated):
        values = trace.run(each, values)
    elif key is None and not is_listed(values):
        items = list(values)
        values = [settled(trace, items)] if needs_stack(trace, items, "sort", ()) else items
    if key is None and is_listed(values):
        return sort(trace, typing.cast("list[Any]", values), reverse=reverse)
    if key is None:
        return sorted(values, reverse=reverse)
    return sort_by(trace, trace.run(each, _through(trace, values)), key, reverse=reverse)


@_means(list)
def _list(trace: Trace, *values: Any) -> list[Any]:
    if len(values) == 1 and is_listed(values[0]):
        return copied(trace, values[0])
    found = _long(trace, values[0]) if len(values) == 1 else None
    return list(*values) if found is None else trace.run(each, found)


def in_list(trace: Trace, value: Any) -> Any:
    """What is gone over by position, or a generator, as a list; others as they are."""
    return _list(trace, value) if isinstance(value, Sequence | Generated) else value


def of_generator(trace: Trace, value: Any) -> Any:
    """What a generator gives that is used up at once, as a list."""
    return _list(trace, value) if isinstance(value, Generated) else value


def _bisect(fn: Any, place: Any) -> None:
    def meaning(trace: Trace, a: Any, x: Any, lo: Any = 0, hi: Any = None, *, key: Any = None) -> Any:
        return fn(a, x, lo, hi, key=key) if key is not None else trace.run(place, given(a), x, lo, hi)

    def insertion(trace: Trace, a: Any, x: Any, lo: Any = 0, hi: Any = None) -> None:
        trace.run(insert_sorted, a, meaning(trace, a, x, lo, hi), x)

    BUILTINS[fn] = meaning
    BUILTINS[bisect.insort_left if place is place_before else bisect.insort_right] = insertion


_bisect(bisect.bisect_left, place_before)
_bisect(bisect.bisect_right, place_after)


def _as_folded(fn: Any, meaning: Any) -> None:
    def run(trace: Trace, *values: Any) -> Any:
        return trace.run(meaning, *map(given, values))

    BUILTINS[fn] = run


BUILTINS[collections.deque] = make_queue
BUILTINS[collections.Counter] = make_counter
BUILTINS[set] = make_set
_UNORDERED = frozenset({len, bool, sorted, min, max, any, all, set, frozenset})
GOING_OVER = frozenset(
    {list, tuple, dict, set, frozenset, sum, min, max, any, all, sorted, enumerate, zip, map, filter}
)
"""Builtins that ask their arguments for items."""
_AS_THEY_ARE = frozenset({isinstance, type, id, callable, hasattr, getattr})


def opened(trace: Trace, fn: Any, value: Any) -> Any:
    """An argument of a builtin: the keys of a dict or set that the program computes."""
    if fn in _AS_THEY_ARE:
        return value
    value = seen_now(value)
    if isinstance(value, Items):
        return as_sequence(trace, value)
    if fn in _TEXTS:
        refuse_table(trace, value, "a text")
    elif fn is dict:
        refuse_table(trace, value, "a copy")
    return unordered_keys(value) if fn in _UNORDERED else keys_of(value)


_as_folded(heapq.heappush, heap_push)
_as_folded(heapq.heappop, heap_pop)
_as_folded(heapq.heapify, heapify)


_PLAIN = (
    abs, round,
    hash, callable, id, slice, issubclass,
)  # fmt: skip
"""Builtins that ask their arguments, which answer by themselves."""


def _as_it_is(fn: Any) -> Callable[..., Any]:
    def meaning(trace: Trace, *args: Any, **kwargs: Any) -> Any:
        return fn(*(spread(trace, value) for value in args), **kwargs)

    return meaning


def _of_all(fn: Any) -> Callable[..., Any]:
    def meaning(trace: Trace, *args: Any, **kwargs: Any) -> Any:
        args = tuple(of_generator(trace, one) for one in args)
        return _as_it_is(fn)(trace, *args, **kwargs)

    return meaning


BUILTINS.update({fn: _as_it_is(fn) for fn in _PLAIN})
BUILTINS.update({fn: _of_all(fn) for fn in (tuple, dict, frozenset)})

BUILTINS.update(MATHEMATICS)
BUILTINS.update(COPYING)


@_means(getattr)
def _getattr(trace: Trace, value: Any, name: str, *default: Any) -> Any:
    try:
        found = attribute_of(value, name)
    except AttributeError:
        if default:
            return default[0]
        raise
    if type(found) is not Maybe:
        return found
    if default:
        return trace.run(either, has_value(trace, found), found.value, default[0])
    return trace.load_attribute(value, name)


@_means(hasattr)
def _hasattr(trace: Trace, value: Any, name: str) -> bool:
    try:
        found = attribute_of(value, name)
    except AttributeError:
        return False
    return has_value(trace, found) if type(found) is Maybe else True


def has_value(trace: Trace, value: Maybe) -> Any:
    """Whether an attribute is there."""
    return truth_value(trace, value.defined())
