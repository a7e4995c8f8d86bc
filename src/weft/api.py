"""The public functions that compile: `weft.compile` and the compiled function's class.

Not here: what happens at a call (`function.py`), the notation of types (`specs.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from weft import config


def compile(  # noqa: A001 -- the contract's name
    fn: Callable[..., Any] | None = None,
    *,
    device: str | None = None,
    static: Sequence[str | int] = (),
    dynamic: bool = True,
    signature: Sequence[Any] | None = None,
    max_variants: int = 8,
    fast_math: bool = False,
    check: str | None = None,
) -> Any:
    """Compile a function written with NumPy; also a decorator, with or without arguments.

    The result is called like `fn`. `static` names arguments whose values are compiled in; `dynamic=False` makes every size exact;
    `signature` is a list of specs (`weft.spec`): exactly one compile, other arguments are refused. At `max_variants` the least
    recently used variant is dropped. `fast_math` allows reassociation and contraction of floats.
    """
    settings = {
        "device": device, "static": tuple(static), "dynamic": dynamic, "signature": signature,
        "max_variants": max_variants, "fast_math": fast_math, "check": check,
    }  # fmt: skip
    if fn is None:
        return lambda function: _make(function, settings)
    return _make(fn, settings)


def _make(fn: Callable[..., Any], settings: dict[str, Any]) -> Any:
    from weft.function import Core  # noqa: PLC0415 -- the compiler is loaded when it is first used

    kind, entries = compiled_class()
    entry = kind()
    core = Core(fn, settings, entry, entries)
    entries.set_slow(entry, core.miss)
    entry._weft = core
    functools.update_wrapper(entry, fn, updated=())
    return entry


@functools.cache
def compiled_class() -> tuple[type[Any], Any]:
    """The class of compiled functions: the native callable with the methods of the contract."""
    from weft.backends.cpu import entry_type  # noqa: PLC0415
    from weft.backends.cpu.entry import process_entries  # noqa: PLC0415
    from weft.compiled import METHODS  # noqa: PLC0415
    from weft.native import disk_cache  # noqa: PLC0415

    disk = disk_cache()
    entries = process_entries(disk.fetch, disk.store, later=True)
    made = type("CompiledFunction", (entries.type,), {**METHODS, "__module__": "weft"})
    if hasattr(entry_type, "inherit_vectorcall"):
        entry_type.inherit_vectorcall(made)
    return made, entries


spec: Any = None
_ = config
