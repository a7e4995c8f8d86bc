"""Callables that serve calls by compiled variants (DESIGN D17): the native type, and a portable one.

    entries = process_entries() f = entries.type()                       # or an instance of a Python subclass
    entries.set_slow(f, trace_and_compile)   # called with the call's own arguments when no variant serves
    them entries.publish(f, [variant, ...])       # at any time, from any thread; tried in this order, the
    latest that served first

The native half is `entry_type.py`, quick to build, and `entry_match.py` and `entry_run.py`, which are built
in the background while `entry_early.py` serves calls; both are kept in the product's cache. The portable half
is `entry_portable.py`. Which variants there are, and how many, is decided by the caller.
"""

import ctypes
import importlib
import platform
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from weft.backends.cpu import entry_early, entry_lock, entry_type
from weft.backends.cpu.elf import LoadedObject
from weft.backends.cpu.entry_pack import PackedTable, Published
from weft.backends.cpu.entry_portable import PortableEntries
from weft.backends.cpu.entry_records import Constants, EntryObject
from weft.backends.cpu.entry_run import entry_vectorcall
from weft.backends.cpu.later import Later
from weft.backends.cpu.link import (
    RUNTIME_PASSES,
    Fetch,
    Store,
    baseline_machine,
    cached_object,
    compile_text,
    host_architecture,
    load,
)
from weft.backends.cpu.memory import process_memory
from weft.backends.cpu.native_text import translate
from weft.backends.cpu.threads import process_pool
from weft.runtime import locks
from weft.runtime.forks import Lock
from weft.runtime.variant import Variant

# Indices in NumPy's table of C functions, part of its stable ABI.
_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_ENTRY_KEY = f"entry-{_VERSION}"
_NUMPY_FUNCTIONS = {"PyArray_NewFromDescr": 94, "PyArray_Scalar": 60, "PyArray_SetBaseObject": 282}


class Entries(Protocol):
    """What makes and changes callables.

    `type` is their class, to be subclassed or called without arguments.
    """

    type: type[Any]

    def set_slow(self, entry: object, slow: Callable[..., object]) -> None:
        """Set the Python callable that is given each call that no variant serves."""
        ...

    def publish(self, entry: object, variants: Sequence[Variant]) -> None:
        """Replace the variants.

        Calls under way end with those that they began with, which are freed after the last of them.
        """
        ...

    def variants(self, entry: object) -> list[tuple[Variant, int]]:
        """The variants with the number of calls that each has served, in the order in which they are tried.

        Latest first.
        """
        ...

    def settle(self) -> None:
        """Build at once what is built in the background otherwise; calls are as fast as can be after it."""
        ...


def has_native_entry() -> bool:
    """Whether this interpreter's object layouts are those that the native entry knows."""
    return (
        sys.implementation.name == "cpython"
        and (3, 11) <= sys.version_info[:2] <= (3, 14)
        and "t" not in sys.abiflags  # free-threaded
        and not hasattr(sys, "gettotalrefcount")  # debug builds add fields to objects
        and sys.platform == "linux"
        and platform.machine() in ("x86_64", "aarch64")
        and np.lib.NumpyVersion(np.__version__) >= "2.0.0"
    )


def build_entry() -> bytes:
    """The object code of the entry for this interpreter and machine.

    Names Python's functions, holds no address.
    """
    return _build((entry_vectorcall, entry_type.entry_constants), level=2)


def build_type() -> bytes:
    """The same of the type and of what runs programs before the entry is built."""
    return _build(entry_type.EXPORTS, level=0)


def _build(exports: Sequence[Callable[..., int]], *, level: int) -> bytes:
    constants = {"HAS_IMMORTALS": int(sys.version_info >= (3, 12))}
    text = translate(exports, architecture=host_architecture(), constants=constants)
    return compile_text(text, baseline_machine(), level=level, passes=RUNTIME_PASSES)


class NativeEntries:
    """Entries as instances of the native heap type.

    Calls are served in Python until what is built in the background is there.
    """

    def __init__(self, fetch: Fetch | None, store: Store | None) -> None:
        self._fetch, self._store = fetch, store
        self._code = load(cached_object(f"type-{_VERSION}", build_type, fetch, store)).keep()
        _fill_constants(self._code)
        self.type: type[Any] = entry_type.make_type(self._code)
        self.run_early = entry_early.run_function(self._code)
        locks.use_native(*entry_lock.lock_functions(self._code))
        self.is_native = False
        prototype = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.py_object, ctypes.py_object, ctypes.c_int64)
        self._publish = prototype(self._code.address("entry_publish"))
        self._set_slow = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.py_object, ctypes.py_object)(
            self._code.address("entry_set_slow")
        )
        self._later = Later((self._load_pool, self._load_memory, self._load_entry))
        if fetch is not None and all(fetch(key) is not None for key in ("threads", "memory", _ENTRY_KEY)):
            self._later.finish()

    def _load_pool(self) -> None:
        process_pool(self._fetch, self._store)

    def _load_memory(self) -> None:
        process_memory(self._fetch, self._store)

    def _load_entry(self) -> None:
        pool, memory = process_pool(self._fetch, self._store), process_memory(self._fetch, self._store)
        symbols = {**memory.symbols, **numpy_symbols(), "weft_parallel_for": pool.parallel_for}
        code = load(cached_object(_ENTRY_KEY, build_entry, self._fetch, self._store), symbols=symbols).keep()
        _fill_constants(code)
        where = ctypes.CFUNCTYPE(ctypes.c_int64)(self._code.address("entry_dispatch"))()
        ctypes.c_int64.from_address(where).value = code.address("entry_vectorcall")
        self.is_native = True

    def settle(self) -> None:
        """See `Entries`."""
        self._later.finish()

    def set_slow(self, entry: object, slow: Callable[..., object]) -> None:
        """See `Entries`."""
        self._set_slow(entry, slow if self.is_native else entry_early.EarlyCall(self, entry, slow))

    def publish(self, entry: object, variants: Sequence[Variant]) -> None:
        """See `Entries`. A variant that stays keeps its table and its count."""
        if not self.is_native:
            self._later.touch()
        old = self.published(entry)
        tables = {table.variant: table for table in (old.in_order() if old else ())}
        published = Published([tables.get(variant) or PackedTable(variant) for variant in variants])
        self._publish(entry, published, published.address)

    def variants(self, entry: object) -> list[tuple[Variant, int]]:
        """See `Entries`."""
        published = self.published(entry)
        return [(table.variant, table.calls) for table in (published.in_order() if published else ())]

    def published(self, entry: object) -> Published | None:
        """The tables of an entry, None before the first."""
        address = ctypes.c_void_p.from_address(id(entry) + EntryObject.offset("owner")).value
        return ctypes.cast(address, ctypes.py_object).value if address else None


def _fill_constants(code: LoadedObject) -> None:
    where = ctypes.CFUNCTYPE(ctypes.c_int64)(code.address("entry_constants"))()
    items = {"array_type": np.ndarray, "int_type": int, "true": True, "false": False, "none": None}
    for name, item in items.items():
        ctypes.c_int64.from_address(where + Constants.offset(name)).value = id(item)


def numpy_symbols() -> dict[str, int]:
    """Addresses of NumPy's C functions that the entry calls."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    umath = importlib.import_module("numpy._core._multiarray_umath")  # the one way to its C functions
    table = get(umath._ARRAY_API, None)
    return {
        "weft_" + name: ctypes.c_int64.from_address(table + 8 * index).value
        for name, index in _NUMPY_FUNCTIONS.items()
    }


_lock = Lock()
_made: list[Entries] = []


def process_entries(
    fetch: Fetch | None = None, store: Store | None = None, *, later: bool = False
) -> Entries:
    """The entries of this process; the first call loads the native code, from the cache if one is given.

    `later` leaves what takes long to a thread in the background, unless the cache has it.
    """
    with _lock:
        if not _made:
            if has_native_entry():
                _made.append(NativeEntries(fetch, store))
            else:
                _made.append(PortableEntries(process_pool(fetch, store).parallel_for))
    if not later:
        _made[0].settle()
    return _made[0]
