"""The hooks of a trace: what rewritten code's loads, stores and calls mean while a function is traced.

What traced values answer by themselves (operators, truth, iteration) is left to Python through `PlainHooks`.
Not here: values and their operations; regions for statements come with control flow.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from functools import partial
from types import BuiltinMethodType, FunctionType, MethodType, ModuleType
from typing import Any, cast

import numpy as np

from weft.compiler.frontend import builtin, impure, text
from weft.compiler.frontend.assumption import Restart
from weft.compiler.frontend.capture import Inputs
from weft.compiler.frontend.comparing import Comparing
from weft.compiler.frontend.control.attributes import has_attributes
from weft.compiler.frontend.control.conditions import truth_value
from weft.compiler.frontend.control.either import choose_arrays
from weft.compiler.frontend.control.generated import Generated, is_generator
from weft.compiler.frontend.control.generating import Generating
from weft.compiler.frontend.control.grouped import Grouping, one_of_many
from weft.compiler.frontend.control.hooks import ControlHooks
from weft.compiler.frontend.control.joins import Maybe, Possible, given, given_key, is_listed
from weft.compiler.frontend.control.keyed import (
    call_table,
    is_computed,
    item_of_table,
    make_set,
    missing_item,
    needs_table,
    set_item_of_table,
    table_for,
)
from weft.compiler.frontend.control.listed import (
    JOINING,
    as_listed,
    by_position,
    copied,
    item_of,
    kept,
    repeated,
    set_item,
    spread,
)
from weft.compiler.frontend.control.listed import joined as joined_items
from weft.compiler.frontend.control.methods import IN_PLACE, METHODS, needs_stack
from weft.compiler.frontend.control.places import MUTATORS, TRACED_AS_USER_CODE, Journal
from weft.compiler.frontend.control.queues import QUEUE_METHODS, QueueMethod, is_queue
from weft.compiler.frontend.control.settling import Restack, has_rows, settled
from weft.compiler.frontend.control.statements import unwrapped
from weft.compiler.frontend.control.tables import keys_of, refuse_table, table_of
from weft.compiler.frontend.deleting import Deleting
from weft.compiler.frontend.hooks import Hooks
from weft.compiler.frontend.known import attribute_of
from weft.compiler.frontend.location import is_user_code, is_written_in_numpy
from weft.compiler.frontend.numpy import is_known
from weft.compiler.frontend.numpy.assorted import BY_INDEX, by_index
from weft.compiler.frontend.numpy.table import call_method, name_of
from weft.compiler.frontend.operators import Operating
from weft.compiler.frontend.outside import Outside
from weft.compiler.frontend.plain import PlainHooks
from weft.compiler.frontend.result import Effect
from weft.compiler.frontend.rewrite import (
    complete_arguments,
    enter,
    is_rewritten,
    resolve_callable,
    rewrite,
    rewrite_as_loop,
)
from weft.compiler.frontend.source import Attribute, Cell, Default, Global, Item, Source
from weft.compiler.frontend.special_methods import CALLED, method_of
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.unsupported import unsupported
from weft.compiler.frontend.values import TRACED, BoundMethod, TracedArray, class_of
from weft.ir.errors import WeftError
from weft.ir.source import is_user_module
from weft.runtime.variables import Variable

_MISSING = object()
_RECURSIONS = 6
"""Calls of a function by itself, each under another condition that the program decides."""
_type: Any = type  # typed so: of a value of any type
_METHODS: Any = (MethodType, BuiltinMethodType, type("".join), type([].__len__))


class TracingHooks(Operating, Comparing, Deleting, Grouping, Generating):
    """Hooks of one trace of `root`; effects on objects that outlive the call are collected, not done."""

    def __init__(self, trace: Trace, inputs: Inputs, root: FunctionType | None) -> None:
        self.trace, self.inputs, self.root = trace, inputs, root
        self.effects: list[Effect] = []
        self.written: dict[tuple[int, Any], Any] = {}
        self._functions: list[FunctionType] = [] if root is None else [root]
        self._depths: list[int] = [1 for _ in self._functions]
        self._plain = PlainHooks()
        self.journal = Journal(self._shared_refused)
        self.outside = Outside(trace, inputs, self.journal, self.written)
        self.journal.roots, inputs.before_copy = self.outside.roots, self.outside.before_copy
        trace.share, trace.gather = self.journal.share, partial(settled, trace)
        trace.note, trace.is_outer = self.journal.note, self.journal.is_outer
        trace.is_opened = lambda owner: inputs.opened(owner) is owner
        trace.references = lambda owner: self.journal.references()[id(owner)]
        trace.load_attribute = self.load_attribute
        trace.run, trace.repeat = self._run, partial(repeated, trace)
        if trace.assumptions.chosen:
            choose_arrays(trace)
        self.control = ControlHooks(self)  # pyright: ignore[reportArgumentType] -- this very class, found by two paths

    def __getattr__(self, name: str) -> Any:
        return getattr(self.control, name)

    @property
    def hooks(self) -> Hooks:
        """Itself, as the protocol that the rewriter asks for."""
        return cast(Hooks, self)

    def _run(self, function: Any, *args: Any) -> Any:
        if is_generator(function):
            return self._generated(function, args, {})
        made = rewrite(function, self.hooks)
        assert made is not None
        return unwrapped(made(*args))

    def _shared_refused(self) -> Exception:
        return self.trace.refuse(
            "a list, dict or object is changed that may or may not be another one: both names would see it",
            "make one of them anew before, for example by `items = list(items)`", "E064",
        )  # fmt: skip

    def _owner(self, function: FunctionType) -> FunctionType | None:
        return None if function is self.root else function

    # ---- loads

    def load_global(self, function: FunctionType, name: str, value: Any, /) -> Any:
        """Capture a global; builtins, and what Weft's own modules hold, are taken as they are."""
        if is_written_in_numpy(function.__globals__.get("__name__") or ""):
            return value
        written = self.written.get((id(function.__globals__), name), _MISSING)
        if written is not _MISSING:
            return written
        if name not in function.__globals__:
            return value
        return self.inputs.capture(Global(name, self._owner(function)), value)

    def load_cell(self, function: FunctionType, name: str, value: Any, /) -> Any:
        """Capture a variable of an enclosing function."""
        source = Cell(name, self._owner(function))
        written = self.written.get((id(source.cell(function)), None), _MISSING)
        return self.inputs.capture(source, value) if written is _MISSING else written

    def load_default(self, function: FunctionType, name: str, value: Any, /) -> Any:
        """Capture a default."""
        if is_written_in_numpy(function.__globals__.get("__name__") or ""):
            return value
        return self.inputs.capture(Default(name, self._owner(function)), value)

    def _call_stack(self, owner: list[Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A method of a list whose items lie in arrays."""
        if name not in METHODS:
            raise self.trace.refuse(
                f"list.{name} of a list that a compiled loop appended to is not supported",
                "make it an array first: `a = np.array(items)`", "E055",
            )  # fmt: skip
        self.journal.check(owner)
        if name not in IN_PLACE:
            self.note_change(owner, f"list.{name}")
        return METHODS[name](self.trace, owner, *map(self.inputs.open, args), **kwargs)

    def asked(self, value: Any, /) -> Any:
        """Give the truth of traced values, and of lists whose items lie in arrays; others as they are."""
        is_traced = type(value) in TRACED or type(value) is Possible
        is_held = is_listed(value) or table_of(value) is not None
        return truth_value(self.trace, value) if is_traced or is_held else value

    def display(self, value: Any, /) -> Any:
        """Give what `[*value]` goes over."""
        value = builtin.of_generator(self.trace, self.inputs.open(given(self.gone_over(value))))
        return copied(self.trace, value) if is_listed(value) else value

    def made_set(self, *items: Any) -> Any:
        """Make the set of a display."""
        return make_set(self.trace, items)

    def spread(self, value: Any, /) -> Any:
        """Give what `*value` goes over in a call or a tuple, or `**value` takes."""
        refuse_table(self.trace, value, "an unpacking")
        return spread(
            self.trace, builtin.of_generator(self.trace, self.inputs.open(given(self.gone_over(value))))
        )

    unpack = spread

    def augmented(self, symbol: str, old: Any, value: Any, /) -> Any:
        """As Python does; a list is extended."""
        if type(old) is list and symbol == "+=":
            self.call(cast("list[Any]", old).extend, value)
            return cast(Any, old)
        if isinstance(old, list | dict | set):
            self.note_change(old, symbol)
        old, value = given(old), given(value)
        found = self.operate_in_place(symbol[:-1], old, value)
        return self._plain.augmented(symbol, old, value) if found is NotImplemented else found

    def load_attribute(self, base: Any, name: str, /) -> Any:
        """Capture an attribute of what has a path; a property of user code is called."""
        base = given(base)
        written = self.written.get((id(base), name), _MISSING)
        if written is not _MISSING:
            return written
        if type(base) in TRACED or type(base) is BoundMethod:
            return attribute_of(base, name)
        if name in QUEUE_METHODS and is_queue(self.trace, base):
            return QueueMethod(self.call, base, name)
        if isinstance(base, ModuleType):
            return self._load_from_module(base, name)
        getter = inspect.getattr_static(type(base), name, None)  # pyright: ignore[reportUnknownArgumentType] -- the type of anything
        asks = getter.fget if isinstance(getter, property) else None
        if isinstance(asks, FunctionType) and not _is_numpy(asks):
            return self.call(asks, base)
        value = getattr(base, name)
        source = self.inputs.path(base)
        if type(value) is Maybe:
            text = f"'{_type(base).__name__}' object has no attribute '{name}'"
            return self.control.certain(value, AttributeError(text, name=name, obj=base))
        if source is None or isinstance(value, _METHODS):
            return value
        return self.inputs.capture(Attribute(source, name), value)

    def _load_from_module(self, module: ModuleType, name: str) -> Any:
        value = getattr(module, name)
        source = self.inputs.path(module)
        if source is None or not is_user_module(module.__name__, self.inputs.options.library):
            return value
        return self.inputs.capture(Attribute(source, name), value)

    def load_item(self, base: Any, key: Any, /) -> Any:
        """Capture an item of what has a path."""
        if any(base is one for one in BY_INDEX):
            return by_index(self.trace, base, key)
        base, key = given(base), given_key(key)
        method = method_of(base, "getitem")
        if method is not None:
            return self.call(method, base, key)
        source = None if type(base) in TRACED else self.inputs.path(base)
        if source is None:
            return self._item(base, key)
        held = self.inputs.opened(base)
        if held is not None or isinstance(key, slice) or type(key) in TRACED or self.inputs.is_appended(base):
            return self._item(self.inputs.open(base), key)
        return self.inputs.capture(Item(source, key), base[key])

    def _item(self, base: Any, key: Any) -> Any:
        table = table_of(base) or missing_item(self.trace, base, key)
        if table is not None:
            return item_of_table(self.trace, base, table, key)
        found = one_of_many(self.trace, base, key)
        if found is not NotImplemented:
            return found
        try:
            base, key = as_listed(self.trace, base, key)
            if not is_listed(base) and not by_position(self.trace, base, key):
                return base[key]
        except Restack as wanted:
            if not self.journal.began_empty(wanted.owner) or wanted.owner is not base:
                raise
            base = list(base)  # once the list is known to grow, it is traced again
            if has_rows(settled(self.trace, base).slot):
                raise
        return item_of(self.trace, base, key)

    # ---- stores

    def store_global(self, function: FunctionType, name: str, value: Any, /) -> Any:
        """Note the binding, for this trace and to be replayed."""
        if self._is_there(Global(name, self._owner(function)), value):
            return value
        source, key = Global(name, self._owner(function)), (id(function.__globals__), name)
        if self._is_in_statement(key) and name in function.__globals__:
            load = partial(self.inputs.capture, source, function.__globals__[name])
            self.outside.assign(key, Effect("global", source), value, load)
            return value
        self.written[key] = value
        self._effect("global", source, None, value)
        return value

    def store_cell(self, function: FunctionType, name: str, value: Any, /) -> Any:
        """Note the binding."""
        source = Cell(name, self._owner(function))
        if self._is_there(source, value):
            return value
        cell = source.cell(function)
        if self._is_in_statement((id(cell), None)):
            load = partial(self.inputs.capture, source, cell.cell_contents)
            self.outside.assign((id(cell), None), Effect("cell", source), value, load)
            return value
        self.written[id(cell), None] = value
        self._effect("cell", source, None, value)
        return value

    def _is_in_statement(self, key: tuple[int, Any]) -> bool:
        return self.outside.in_statement or key in self.outside.names

    def is_made(self, value: Any) -> bool:
        """Whether it is an object of the user's that the trace made, which may get attributes later."""
        own = str(class_of(value).__module__).startswith(("weft.", "builtins", "numpy"))
        return has_attributes(value) and not own and self.inputs.path(value) is None

    def store_attribute(self, base: Any, name: str, value: Any, /) -> None:
        """Set it on what the trace made; note it for what outlives the call."""
        source = None if type(base) in TRACED else self.inputs.path(base)
        holder: Any = inspect.getattr_static(class_of(base), name, None)
        if isinstance(holder, property) and type(base) not in TRACED and is_user_code(holder.fset):
            return self.call(holder.fset, base, value)
        if source is None:
            self.journal.note(base)
            setattr(base, name, value)
            return None
        if name in getattr(base, "__dict__", ()) and self._is_there(Attribute(source, name), value):
            return
        if self._is_in_statement((id(base), name)) and name in getattr(base, "__dict__", ()):
            effect, place = Effect("setattr", source, name), Attribute(source, name)
            load = partial(self.inputs.capture, place, getattr(base, name))
            return self.outside.assign((id(base), name), effect, value, load)
        self.written[id(base), name] = value
        return self._effect("setattr", source, name, value)

    def store_item(self, base: Any, key: Any, value: Any, /) -> None:
        """Write an array; set it in what the trace made; note it for what outlives the call."""
        base, key = given(base), given_key(key)
        method = method_of(base, "setitem")
        if method is not None:
            return self.call(method, base, key, value)
        source = None if type(base) in TRACED else self.inputs.path(base)
        if source is not None and self._is_there(Item(source, key), value):
            return
        if source is not None and isinstance(base, list | dict):
            is_known = type(key) not in TRACED and not isinstance(key, slice)
            is_known = is_known and not is_computed(self.trace, key)
            if self.outside.in_statement or not is_known or is_listed(self.inputs.open(base)):
                base = self.outside.opened(base, source)
            else:
                base = self.inputs.open(base)
                self._effect("setitem", source, key, value)
        elif source is not None:
            base = self.inputs.open(base)
            self._effect("setitem", source, key, value)
        if is_listed(base) or by_position(self.trace, base, key):
            self.journal.check(base)
            return set_item(self.trace, base, key, value)
        if type(base) not in TRACED:
            table = table_for(self.trace, base, key, value)
            self.journal.note(base)
            if table is not None:
                return set_item_of_table(self.trace, table, key, value)
        base[key] = value
        return None

    def _is_there(self, source: Source, value: Any) -> bool:
        """Whether an array is what its place held at entry: storing it, as `v += x` does, changes nothing."""
        return type(value) is TracedArray and not self.effects and self.inputs.path(value) == source

    def _effect(self, kind: Any, source: Source, key: Any, value: Any) -> None:
        self.effects.append(Effect(kind, source, key, value))

    def format_value(self, value: Any, conversion: str, specification: Any, /) -> Any:
        """Format what is known, the rest when the program runs. A size in a text is pinned."""
        method = method_of(value, "format") if not conversion else None
        if method is not None:
            return self.call(method, value, specification)
        method = method_of(value, *(("repr",) if conversion == "r" else ("str", "repr")))
        if method is not None:
            value, conversion = self.call(method, value), ""
        refuse_table(self.trace, value, "a text")
        return text.formatted(self.trace, self.inputs.open(given(value)), conversion, specification)

    def join_string(self, *parts: Any) -> Any:
        """Make an f-string, now or when the program runs."""
        return text.joined(self.trace, *parts)

    def percent(self, left: Any, right: Any, /) -> Any:
        """Format values, each now or when the program runs."""
        return text.percent(self.trace, left, self.inputs.open(given(right)))

    # ---- calls

    def iterate(self, iterable: Any, /) -> Iterable[Any]:
        """What Python itself goes over: a container with its items captured."""
        self.check_iterators([iterable])
        opened = keys_of(self.inputs.open(given(self.gone_over(iterable))))
        return opened if isinstance(opened, Generated) else self.spread(opened)

    def call(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Apply a NumPy function or builtin by its meaning for traced values, trace into user code.

        What may not see traced values, or is impure, is refused.
        """
        if type(fn) is BoundMethod:
            return call_method(fn, *map(self.inputs.open, args), **kwargs)
        if (
            isinstance(getattr(fn, "__self__", None), list | dict)
            and self.inputs.path(fn.__self__) is not None
        ):
            return self._call_method(fn, args, kwargs)
        if not isinstance(fn, FunctionType | MethodType | type) and not _collects(fn):
            args = tuple(given(value) for value in args)
            kwargs = {name: given(value) for name, value in kwargs.items()}
        owner: Any = getattr(fn, "__self__", None)
        if type(owner) is str and fn.__name__ in (*text.METHODS, *text.ASKING):  # options are no lists
            opened = (self.inputs.open(builtin.in_list(self.trace, one)) for one in args)
            return text.method(self.trace, owner, fn.__name__, *opened, **kwargs)
        if _hashable(fn) and fn in CALLED and args:
            method = method_of(args[0], *CALLED[fn])
            if method is not None:
                return (self.next_of if fn is next else partial(self.call, method))(*args, **kwargs)
        if _hashable(fn) and fn in builtin.BUILTINS:
            return self._call_builtin(fn, args, kwargs)
        if is_known(fn):
            if fn in JOINING and args and is_listed(args[0]):
                return joined_items(self.trace, fn, args, kwargs)
            opened = {name: self.inputs.open(value) for name, value in kwargs.items()}
            return self.trace.call(fn, *map(self.inputs.open, args), **opened)
        return self._call_other(fn, args, kwargs)

    def _call_builtin(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.check_iterators(args)
        if fn in builtin.GOING_OVER:
            args = tuple(map(self.gone_over, args))
        args = tuple(builtin.opened(self.trace, fn, value) for value in args)
        return builtin.BUILTINS[fn](self.trace, *map(self.inputs.open, args), **kwargs)

    def _call_method(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A method of a list or dict from outside, on the copy that the trace may change."""
        owner, name = fn.__self__, fn.__name__
        source, inside = self.inputs.path(owner), self.outside.in_statement
        assert source is not None
        if name == "append" and type(owner) is list:
            tail = self.outside.tail(cast("list[Any]", owner), source)
            if not inside and (tail is not None or not is_listed(self.inputs.open(owner))):
                self._effect("append", source, None, args[0])
            if tail is not None:  # its items need not be known
                self.journal.note(tail)
                return tail.append(kept(self.trace, self.inputs.open(args[0]), name))
            if not inside and not is_listed(self.inputs.open(owner)):
                return self.inputs.open(owner).append(*args)
        held = self.outside.opened(owner, source) if name in MUTATORS else self.inputs.open(owner)
        return self._call_library(getattr(held, name), args, kwargs)

    def _chosen(self, fn: Any, args: tuple[Any, ...]) -> Any:
        """The function that an `np.vectorize` made outside, or a `functools.singledispatch`, stands for."""
        if type(fn) is np.vectorize:
            return self.trace.call(np.vectorize, fn.pyfunc, fn.otypes, None, fn.excluded, False, fn.signature)
        if hasattr(fn, "dispatch") and hasattr(fn, "registry") and args:
            return fn.dispatch(builtin.type_of(given(args[0])))
        return fn

    def _call_other(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        fn = self._chosen(fn, args)
        if getattr(fn, "__module__", None) in TRACED_AS_USER_CODE:
            return self._run(fn, *args)
        # a transformation of a function
        if hasattr(type(fn), "trace_call"):  # pyright: ignore[reportUnknownArgumentType] -- the type of anything
            return fn.trace_call(self.trace, self.call, args, kwargs, self.effects)
        callee = resolve_callable(fn, args, kwargs)
        function = None if callee is None else callee.function
        if function is not None and (
            is_rewritten(function) or is_user_code(function, self.inputs.options.library)
        ):
            if callee is not None and is_generator(function):
                return self._generated(function, *complete_arguments(callee, self.load_default))
            with self.inside(function):
                return unwrapped(enter(self.hooks, fn, args, kwargs, self.inputs.options.library))
        if fn is Variable:
            raise self.trace.refuse(
                "a Variable made inside of a compiled function would be made anew at each compile",
                "make it before, and use it here", "E053",
            )  # fmt: skip
        if fn in (setattr, delattr):
            return (self.store_attribute if fn is setattr else self.delete_attribute)(*args)
        advice = impure.advice(fn)
        if advice is not None:
            raise self.trace.refuse(f"{name_of(fn)} is impure: its result would be frozen", advice, "E053")
        if isinstance(fn, type) and not issubclass(fn, np.generic | np.ndarray):
            return enter(self.hooks, fn, args, kwargs, self.inputs.options.library)
        if _is_numpy(fn):
            raise unsupported(self.trace, fn, self._functions)
        return self._call_library(fn, args, kwargs)

    @contextmanager
    def inside(self, function: FunctionType) -> Generator[None, None, None]:
        """Note a call of a function, until it ends."""
        self._enter(function)
        try:
            yield
        except WeftError as error:  # a library function's own: the user's line is that of the call
            error.location = error.location or self.trace.location()
            raise
        finally:
            self._functions.pop()
            self._depths.pop()

    def _enter(self, function: FunctionType) -> None:
        """Note a call; a function that calls itself again and again under traced conditions is a loop."""
        self._functions.append(function)
        self._depths.append(len(self.trace.frames))
        depths = [d for d, one in zip(self._depths, self._functions, strict=True) if one is function]
        is_decided = len(depths) > _RECURSIONS and sorted(set(depths[1:])) == depths[1:]
        if is_decided and rewrite_as_loop(function):
            raise Restart

    def _call_library(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Anything else, which must not look into traced values."""
        owner, name = getattr(fn, "__self__", None), name_of(fn).rpartition(".")[2]
        if is_listed(owner) and name == "copy":
            return copied(self.trace, cast("list[Any]", owner))
        if isinstance(owner, dict | set):
            opened = tuple(map(self.inputs.open, args))
            if needs_table(self.trace, owner, name, opened):
                self.journal.check(owner)
                return call_table(self.trace, owner, name, opened, kwargs)
        if name not in ("append", "extend") and needs_stack(self.trace, owner, name, args, kwargs):
            return self._call_stack(cast("list[Any]", owner), name, args, kwargs)
        if isinstance(owner, list | dict | set) and name in MUTATORS:
            self.note_change(owner, f"{_type(owner).__name__}.{name}")
            if name == "extend":
                args = tuple(builtin.of_generator(self.trace, self.gone_over(one)) for one in args)
            if isinstance(owner, list) and args:
                args = (*args[:-1], kept(self.trace, self.inputs.open(args[-1]), name))
        return self._call_foreign(fn, owner, args, kwargs)

    def _call_foreign(self, fn: Any, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.check_iterators(args)
        for value in () if isinstance(owner, list | dict | tuple) else (*args, *kwargs.values()):
            refuse_table(self.trace, value, name_of(fn))
        if (
            isinstance(owner, list | tuple | dict | str | set | BaseException)
            or getattr(fn, "__module__", None) in _TRANSPARENT
        ):
            collects = isinstance(owner, list | dict | set)
            return fn(*(self.inputs.open(v) if collects else self.spread(v) for v in args), **kwargs)
        if getattr(fn, "takes_traced", False):
            return fn(
                *map(self.inputs.open, args), **{name: self.inputs.open(v) for name, v in kwargs.items()}
            )
        if any(
            (type(v) in TRACED and not _is_size(v)) or isinstance(v, text.TracedText)
            for v in (*args, *kwargs.values())
        ):
            fix = "call it by weft.callback, outside of the compiled function, or write it with NumPy"
            raise self.trace.refuse(f"{name_of(fn)} cannot take a traced value", fix, "E053")
        return self._adopted(fn(*args, **kwargs))

    def _adopted(self, result: Any) -> Any:
        """What a library gave, its variables as they are in the trace: `weft.variables`, say."""
        if type(result) is Variable:
            return self.inputs.adopt(result)
        if type(result) in (list, tuple) and any(type(item) is Variable for item in result):
            return type(result)(map(self._adopted, result))
        return result


def _collects(fn: Any) -> bool:
    """Whether a call only keeps its arguments: a method of a container."""
    return isinstance(getattr(fn, "__self__", None), list | dict | set)


_TRANSPARENT = frozenset(
    {"builtins", "itertools", "functools", "operator", "_operator", "_functools", "collections"}
)


def _is_size(value: Any) -> bool:
    return getattr(value, "dim", None) is not None


def _hashable(fn: Any) -> bool:
    return getattr(type(fn), "__hash__", None) is not None  # pyright: ignore[reportUnknownArgumentType] -- the type of anything


def _is_numpy(fn: Any) -> bool:
    module = getattr(fn, "__module__", None) or type(fn).__module__
    return module.partition(".")[0] == "numpy"
