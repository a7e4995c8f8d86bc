"""The options: the only place that reads the environment, and the context manager `weft.options`.

Each variable has a typed field of `weft.ir.options`, a default, a sentence and a keyword. What the options
mean is decided where they are used; they are handed down as a frozen `Options`, never looked up from below.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import cast

from weft.ir import CodeOptions, Options, RunOptions, UserError
from weft.ir.dataclass import dataclass
from weft.runtime.forks import Lock

library: set[str] = set()
"""Top-level names of modules whose functions are called as they are and never rewritten; add to it freely."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One option: its field, its variable (empty: keyword only), its parser, its values in words."""

    field: str
    variable: str
    parse: Callable[[str], object]
    values: str
    sentence: str


def _flag(text: str) -> bool:
    """Return the truth value of `text`; raises ValueError for anything but the usual words."""
    word = text.strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError(text)


def _whole(minimum: int, maximum: int) -> Callable[[str], int | None]:
    """Return a parser of whole numbers from `minimum` to `maximum`; an empty text is None."""

    def parse(text: str) -> int | None:
        if not text.strip():
            return None
        number = int(text)
        if not minimum <= number <= maximum:
            raise ValueError(text)
        return number

    return parse


def _names(text: str) -> tuple[str, ...]:
    """Return the names in a list separated by commas, sorted so that equal sets are equal options."""
    return tuple(sorted({name.strip() for name in text.split(",") if name.strip()}))


def _one_of(*words: str) -> Callable[[str], str]:
    """Return a parser that takes one of `words`."""

    def parse(text: str) -> str:
        if text.strip().lower() not in words:
            raise ValueError(text)
        return text.strip().lower()

    return parse


# fmt: off
SETTINGS = (
    Setting("disable", "WEFT_DISABLE", _flag, "0 or 1",
            "Run the plain Python function instead of the compiled one, as `weft.disabled()` does."),
    Setting("dump", "WEFT_DUMP", str, "all, changed, or pass names separated by commas",
            "Write the program after these passes, as `step_07_fuse.ir`; `changed` prints differences."),
    Setting("function", "WEFT_FUNC", str, "a regular expression",
            "Limit dumps, times and explanations to the functions whose name it finds."),
    Setting("time", "WEFT_TIME", _flag, "0 or 1",
            "Print a table of milliseconds and op counts per pass after each compile."),
    Setting("pass_limit", "WEFT_PASS_LIMIT", _whole(0, 1_000_000), "a whole number",
            "Run only the first so many optimization passes, to bisect a miscompile."),
    Setting("interpret", "WEFT_INTERPRET", _flag, "0 or 1",
            "Run programs in the reference interpreter, without machine code."),
    Setting("explain", "WEFT_EXPLAIN", _flag, "0 or 1",
            "Print why each variant was compiled: the first part of its key that differs."),
    Setting("cache_dir", "WEFT_CACHE_DIR", str, "a folder, or off",
            "Where compiled programs are kept between runs; the default is a folder of the user's cache."),
    Setting("threads", "WEFT_THREADS", _whole(1, 1024), "a whole number from 1",
            "How many threads programs use, of one pool for the process; the default is the number of cores "
            "that it may use."),
    Setting("traceback", "WEFT_TRACEBACK", _one_of("user", "full"), "user or full",
            "Show the frames of Weft in tracebacks (full) or only the user's."),
    Setting("verify", "WEFT_VERIFY", _whole(0, 2), "0, 1 or 2",
            "Verify programs never, after each pass, or also after each rewrite."),
    Setting("passes_off", "WEFT_PASSES_OFF", _names, "pass names separated by commas",
            "Switch these optimization passes off; results must not change."),
    Setting("dump_folder", "", str, "a folder",
            "Where dumps are written; made when the first one is."),
    Setting("pin", "", _flag, "0 or 1",
            "Pin the threads of the pool to cores of the process's affinity mask."),
)
# fmt: on
"""Every option; at most twelve have a variable."""

_FIELDS = {setting.field: setting for setting in SETTINGS}
_CODE_FIELDS = frozenset(CodeOptions.__dataclass_fields__)
_overrides: ContextVar[Mapping[str, object]] = ContextVar("weft_options", default=MappingProxyType({}))
_base: list[Options] = []
_blocks_lock = Lock()
_open_blocks = 0
_listeners: list[Callable[[int], None]] = []


def environment_with(**changes: str) -> dict[str, str]:
    """Return the environment of this process with changes, for a child."""
    return {**os.environ, **changes}


def from_environment(environment: Mapping[str, str] | None = None) -> Options:
    """Return the options that the variables in `environment` give; the process's own if it is None.

    Raises UserError for a value that an option cannot take.
    """
    variables = os.environ if environment is None else environment
    found = {s.field: _read(s, variables[s.variable]) for s in SETTINGS if s.variable in variables}
    values = {name: value for name, value in found.items() if value is not None}
    return _apply(Options(), values)


def base() -> Options:
    """Return the options outside of every `options` block: those of the environment as first read."""
    if not _base:
        _base.append(from_environment())
    return _base[0]


def current() -> Options:
    """Return the options in force: the environment as first read, changed by the `options` blocks around."""
    overrides = _overrides.get()
    if not overrides and not library:
        return base()
    return _apply(base(), {**overrides, "library": frozenset(library)})


def chosen() -> dict[str, object]:
    """Return the options in force here that differ from their defaults, by field."""
    here, default = current(), Options()
    values = {**asdict(here.code), **asdict(here.run)}
    defaults = {**asdict(default.code), **asdict(default.run)}
    return {name: value for name, value in values.items() if value != defaults[name]}


@contextmanager
def options(**values: object) -> Generator[Options, None, None]:
    """Change options inside a `with` block, for this thread or task alone: `with weft.options(dump="fuse"):`.

    The keywords are the fields of `docs/options.md`; a text is read as in the environment.
    Raises UserError for an unknown option or a value that it cannot take.
    """
    checked = {name: _check(name, value) for name, value in values.items()}
    token = _overrides.set({**_overrides.get(), **checked})
    _count_block(+1)
    try:
        yield current()
    finally:
        _count_block(-1)
        _overrides.reset(token)


@contextmanager
def disabled() -> Generator[None, None, None]:
    """Run plain Python instead of compiled code inside a `with` block."""
    with options(disable=True):
        yield


def is_chosen(function: str, chosen: RunOptions) -> bool:
    """Whether `WEFT_FUNC` lets something be shown for a function; raises UserError for a wrong expression."""
    try:
        return re.search(chosen.function, function) is not None
    except re.error as error:
        raise UserError(
            f"WEFT_FUNC cannot be {chosen.function!r}: {error}",
            code="E002",
            fix="set it to a regular expression.",
        ) from None


def tell(text: str) -> None:
    """Write what an option asks to be shown to the standard error."""
    sys.stderr.write(text if text.endswith("\n") else f"{text}\n")


def subscribe(listener: Callable[[int], None]) -> None:
    """Call `listener` with the number of open `options` blocks of the process, now and whenever it changes.

    The native entry looks at no option; while a block is open anywhere, it must hand each call to Python.
    """
    _listeners.append(listener)
    listener(_open_blocks)


def reload() -> None:
    """Read the environment again at the next use; for tests."""
    _base.clear()


def cache_folder(chosen: RunOptions) -> Path | None:
    """Return the folder for compiled programs, or None if the cache is off; does not make it."""
    if chosen.cache_dir.lower() == "off":
        return None
    if chosen.cache_dir:
        return Path(chosen.cache_dir).expanduser()
    home = os.environ.get("XDG_CACHE_HOME", "")
    folder = Path(home) if home else _home_cache()
    return None if folder is None else folder / "weft"


def overriding_variables() -> dict[str, str]:
    """Return the variables of the environment that change how other numerical libraries run."""
    prefixes = ("OPENBLAS_", "MKL_", "OMP_", "NVPL_", "BLIS_")
    return {name: value for name, value in os.environ.items() if name.startswith(prefixes)}


def clean_environment() -> dict[str, str]:
    """Return the environment without `overriding_variables`, for the processes of a benchmark."""
    removed = overriding_variables()
    return {name: value for name, value in os.environ.items() if name not in removed}


def _home_cache() -> Path | None:
    """Return the usual cache folder of the user on this system, None where no home folder is known."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache"


def _count_block(change: int) -> None:
    """Count an `options` block that opens or closes and tell the listeners."""
    global _open_blocks
    with _blocks_lock:
        _open_blocks += change
        for listener in _listeners:
            listener(_open_blocks)


def _apply(base: Options, values: Mapping[str, object]) -> Options:
    """Return `base` with the fields named in `values` replaced, each in the part that it belongs to."""
    code = {name: value for name, value in values.items() if name in _CODE_FIELDS}
    run = {name: value for name, value in values.items() if name not in _CODE_FIELDS}
    return Options(replace(base.code, **code), replace(base.run, **run))


def _check(name: str, value: object) -> object:
    """Return `value` as the option called `name` holds it."""
    setting = _FIELDS.get(name)
    if setting is None:
        known = ", ".join(sorted(_FIELDS))
        raise UserError(f"there is no option {name!r}", code="E002", fix=f"use one of {known}.")
    if value is None:
        return getattr(CodeOptions() if name in _CODE_FIELDS else RunOptions(), name)
    if isinstance(value, bool):
        text = "1" if value else "0"
    elif isinstance(value, (list, tuple, set, frozenset)):
        text = ",".join(str(entry) for entry in cast(Iterable[object], value))
    else:
        text = str(value)
    return _read(setting, text)


def _read(setting: Setting, text: str) -> object:
    """Return the value that `text` gives `setting`."""
    try:
        return setting.parse(text)
    except ValueError:
        name = setting.variable or setting.field
        raise UserError(
            f"{name} cannot be {text!r}", code="E002", fix=f"set it to {setting.values}."
        ) from None
