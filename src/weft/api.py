"""The public functions that compile: `weft.compile` and `weft.spec`, and the compiled function's class.

Not here: what happens at a call (`function.py`), the methods of compiled functions (`compiled.py`), the
notation of types (`specs.py`).
"""

from __future__ import annotations

import functools
import inspect
import operator
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, cast

from weft.backends.cpu import entry_type
from weft.backends.cpu.entry import has_native_entry, process_entries
from weft.calls import specs
from weft.calls.compiled import METHODS, TOOLS
from weft.calls.function import Core, Settings
from weft.calls.native import runtime_fetch, runtime_store
from weft.calls.specs import Spec
from weft.ir import UnsupportedError, UserError

_type: Callable[[Any], Any] = type  # typed so: of a value of any type


def compile(
    fn: Callable[..., Any] | None = None,
    *,
    device: str | None = None,
    static: str | int | Sequence[str | int] = (),
    dynamic: bool = True,
    signature: Sequence[Any] | None = None,
    max_variants: int = 8,
    fast_math: bool = False,
    check: str | None = None,
) -> Any:
    """Compile a function written with NumPy; also a decorator, with or without arguments.

    The result is called like `fn`. `static` names arguments whose values are compiled in; `dynamic=False`
    makes every size exact; `signature` is a list of specs (`weft.spec`), one for each argument: exactly one
    compile, other arguments are refused. At `max_variants` the least recently used variant is dropped.
    `fast_math` allows reassociation and contraction of floats. `check="nan"` stops at the first operation
    that makes a NaN or an infinity of finite numbers, with its line, operands and loop index, for the price
    of a look at each result. Raises UserError for a value that a keyword cannot take, UnsupportedError for
    `device`, which is not built yet.
    """
    settings = _settings(device, static, dynamic, signature, max_variants, fast_math, check)
    if fn is None:
        return functools.partial(_make, settings=settings)
    return _make(fn, settings)


def spec(text: str | Spec) -> Spec:
    """Return the type that `text` names: "f32[n,784]", "f32[]", "f32" (a NumPy scalar), "int", "float".

    A name stands for any size from 1 up, the same wherever it is named. Specs nest in tuples, lists, dicts
    and dataclasses. Raises UserError [E003] if the text cannot be read.
    """
    return specs.spec(text)


def _settings(
    device: object,
    static: Any,
    dynamic: object,
    signature: Any,
    max_variants: object,
    fast_math: object,
    check: object,
) -> dict[str, Any]:
    """The keywords of `compile`, checked."""
    if device is not None:
        raise UnsupportedError(
            f"device={device!r}: devices are not built yet",
            code="E051",
            fix="leave device= out; see docs/status.md",
        )
    if check not in (None, "nan"):
        raise _bad("check", check, 'None or "nan"')
    several = isinstance(static, list | tuple | set | frozenset)
    names: tuple[Any, ...] = tuple(cast(Any, static)) if several else (static,)
    if not all(type(n) in (str, int) for n in names):
        raise _bad("static", static, 'names or positions of arguments, as in static=("n",)')
    if signature is not None and not isinstance(signature, list | tuple):
        raise _bad(
            "signature", signature, 'a list of specs, one for each argument, as in [weft.spec("f32[n]")]'
        )
    if type(max_variants) is not int or max_variants < 1:
        raise _bad("max_variants", max_variants, "a whole number from 1")
    for name, value in (("dynamic", dynamic), ("fast_math", fast_math)):
        if type(value) is not bool:
            raise _bad(name, value, "True or False")
    return {
        "static": names,
        "dynamic": dynamic,
        "max_variants": max_variants,
        "fast_math": fast_math,
        "check": check,
        "signature": None if signature is None else tuple(cast(Any, signature)),
    }


def _bad(name: str, value: object, values: str) -> UserError:
    return UserError(f"{name}= of weft.compile cannot be {value!r}", code="E002", fix=f"give it {values}")


def _make(fn: Any, settings: dict[str, Any]) -> Any:
    wrapper: Any = _type(fn)
    if any(wrapper is kind for kind in (staticmethod, classmethod)):
        return wrapper(_make(fn.__func__, settings))
    if isinstance(fn, type) or not callable(fn):
        what = repr(cast(object, fn))
        raise UserError(
            f"weft.compile takes a function, got {what}",
            fix="decorate a function, a method, or pass a callable object",
        )
    kind, entries = compiled_class()
    if wrapper is kind:
        fn = cast(Any, fn)._weft.fn
    _check_parameters(fn, settings)
    entry = kind()
    core = Core(fn, Settings(**settings), entry, entries, entries.type, TOOLS)
    entries.set_slow(entry, core.route)
    entry._weft = core
    functools.update_wrapper(entry, fn, updated=())
    if core.settings.signature is not None:
        core.signature_work()  # what cannot be read is said now
    return entry


def _check_parameters(fn: Callable[..., Any], settings: dict[str, Any]) -> None:
    """Raise UserError for names in `static` that are no parameters, and for a signature of another length."""
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        return
    name = getattr(fn, "__name__", type(fn).__name__)
    takes_any = {p.kind for p in parameters} & {
        inspect.Parameter.VAR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    }
    names = [p.name for p in parameters]
    for one in settings["static"]:
        known = one in names if isinstance(one, str) else 0 <= one < len(names)
        if not known and not takes_any:
            raise UserError(
                f"static={one!r} names no parameter of {name}",
                code="E002",
                fix=f"name some of {', '.join(names) or 'none'}",
            )
    signature = settings["signature"]
    if signature is not None:
        try:
            inspect.signature(fn).bind(*signature)
        except TypeError as error:
            raise UserError(
                f"signature= of {name} does not fit its parameters: {error}",
                code="E002",
                fix=f"give one spec for each of {', '.join(names) or 'none'}",
            ) from None


def _itself(entry: Any, _memo: object = None) -> Any:
    """A copy of a function is the function, as in Python."""
    return entry


def _pickled(entry: Any) -> str | tuple[Any, ...]:
    """The name under which its module has it, as of functions; without one, what it compiles, by its name."""
    try:
        if operator.attrgetter(entry.__qualname__)(sys.modules[entry.__module__]) is entry:
            return entry.__qualname__
    except (AttributeError, KeyError):
        pass
    settings = entry._weft.settings
    return _make, (entry._weft.fn, {field.name: getattr(settings, field.name) for field in fields(settings)})


@functools.cache
def compiled_class() -> tuple[type[Any], Any]:
    """The class of compiled functions: the native callable with the methods of the contract."""
    entries = process_entries(runtime_fetch, runtime_store, later=True)
    as_functions = {"__reduce__": _pickled, "__copy__": _itself, "__deepcopy__": _itself}
    made = type(
        "CompiledFunction",
        (entries.type,),
        {**METHODS, **as_functions, "__module__": "weft", "is_weft_function": True},
    )
    if has_native_entry():
        entry_type.inherit_vectorcall(made)
    return made, entries
