"""The heap type CompiledEntry: its native methods, and its making by `PyType_FromSpec`.

An instance has a vectorcall pointer, a `__dict__`, weak references, and takes part in garbage collection; the
type can be subclassed in Python and binds as a method. Holds nothing about calls (`entry_run.py`).
"""

import ctypes
from typing import Any, cast

from weft.backends.cpu import entry_early, entry_lock
from weft.backends.cpu.elf import LoadedObject, process_symbol
from weft.backends.cpu.entry_early import dispatch, entry_early_call
from weft.backends.cpu.entry_match import entry_drop, entry_keep
from weft.backends.cpu.entry_records import Constants, EntryObject
from weft.backends.cpu.native import address_of, external, invoke_int, native, native_cold, static
from weft.runtime.layout import Pointer, i64

constants = static("weft_entry_constants", Constants)

generic_alloc = external("PyType_GenericAlloc", 2)
gc_untrack = external("PyObject_GC_UnTrack", 1)
gc_delete = external("PyObject_GC_Del", 1)
clear_weak_references = external("PyObject_ClearWeakRefs", 1)
method_new = external("PyMethod_New", 2)


@native_cold
def entry_new(type_: Pointer, args: Pointer, kwargs: Pointer) -> Pointer:
    """tp_new: all fields are zero but the vectorcall pointer."""
    entry = EntryObject.at(generic_alloc(type_, 0))
    if address_of(entry) != 0:
        entry.vectorcall = dispatch.call
        if dispatch.call == 0:
            entry.vectorcall = address_of(entry_early_call)
    return address_of(entry)


@native
def entry_bind(callable_: Pointer, instance: Pointer, type_: Pointer) -> Pointer:
    """tp_descr_get: a bound method, or the entry itself when it is read from the class."""
    if instance == 0 or instance == constants.none:
        entry_keep(callable_)
        return callable_
    return method_new(callable_, instance)


@native_cold
def entry_visit(item: Pointer, visit: Pointer, argument: Pointer) -> i64:
    """Py_VISIT."""
    if item == 0:
        return 0
    return invoke_int(visit, item, argument)


@native_cold
def entry_traverse(self: EntryObject, visit: Pointer, argument: Pointer) -> i64:
    """tp_traverse."""
    failed = entry_visit(self.type, visit, argument)
    if not failed:
        failed = entry_visit(self.dictionary, visit, argument)
    if not failed:
        failed = entry_visit(self.slow, visit, argument)
    if not failed:
        failed = entry_visit(self.owner, visit, argument)
    return failed


@native_cold
def entry_clear(self: EntryObject) -> i64:
    """tp_clear."""
    entry_publish(self, 0, 0)
    entry_set_slow(self, 0)
    dictionary = self.dictionary
    self.dictionary = 0
    if dictionary != 0:
        entry_drop(dictionary)
    return 0


@native_cold
def entry_dealloc(self: EntryObject) -> i64:
    """tp_dealloc; drops the type, as that of an instance of a heap type must."""
    gc_untrack(address_of(self))
    if self.weak_references != 0:
        clear_weak_references(address_of(self))
    entry_clear(self)
    type_ = self.type
    gc_delete(address_of(self))
    entry_drop(type_)
    return 0


@native_cold
def entry_publish(self: EntryObject, owner: Pointer, variants: Pointer) -> i64:
    """Replace the tables; `owner` is an object that keeps their memory, or 0."""
    old = self.owner
    if owner != 0:
        entry_keep(owner)
    self.owner = owner
    self.variants = variants
    if old != 0:
        entry_drop(old)
    return 0


@native_cold
def entry_set_slow(self: EntryObject, slow: Pointer) -> i64:
    """Replace the Python callable that serves what no variant does."""
    old = self.slow
    if slow != 0:
        entry_keep(slow)
    self.slow = slow
    if old != 0:
        entry_drop(old)
    return 0


@native_cold
def entry_constants() -> Pointer:
    """Where the constants lie."""
    return address_of(constants)


EXPORTS = (
    entry_new,
    entry_bind,
    entry_traverse,
    entry_clear,
    entry_dealloc,
    entry_publish,
    entry_set_slow,
    entry_constants,
    *entry_early.EXPORTS,
    *entry_lock.EXPORTS,
)


# ---- PyType_FromSpec ---------------------------------------------------------------------------------------


class _Member(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class _Accessor(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_void_p) for name in ("name", "get", "set", "doc", "closure"))


class _Slot(ctypes.Structure):
    _fields_ = (("slot", ctypes.c_int), ("function", ctypes.c_void_p))


class _Spec(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("basic_size", ctypes.c_int),
        ("item_size", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_Slot)),
    )


_SIGNED_SIZE, _READ_ONLY = 19, 1
_SLOTS = {
    "call": 50,
    "clear": 51,
    "dealloc": 52,
    "bind": 54,
    "new": 65,
    "traverse": 71,
    "members": 72,
    "getset": 73,
    "doc": 56,
}
_BASE_TYPE, _VECTORCALL, _GC, _METHOD, _DEFAULT = 1 << 10, 1 << 11, 1 << 14, 1 << 17, 1 << 18
_TYPE_FLAGS_OFFSET = 168  # of tp_flags in PyTypeObject
_kept: list[object] = []  # the type reads these for as long as the process lives


def make_type(code: LoadedObject) -> type[Any]:
    """CompiledEntry, its methods in `code`, which must stay loaded."""
    offsets = (("vectorcall", "vectorcall"), ("dict", "dictionary"), ("weaklist", "weak_references"))
    members = (_Member * 4)(
        *[
            _Member(f"__{name}offset__".encode(), _SIGNED_SIZE, EntryObject.offset(field), _READ_ONLY, None)
            for name, field in offsets
        ]
    )
    name = ctypes.c_char_p(b"__dict__")
    accessors = (_Accessor * 2)(
        _Accessor(
            ctypes.cast(name, ctypes.c_void_p),
            process_symbol("PyObject_GenericGetDict"),
            process_symbol("PyObject_GenericSetDict"),
            0,
            0,
        )
    )
    doc = ctypes.c_char_p(
        b"A callable that serves calls by compiled variants, and others by a Python function."
    )
    slots = {name: code.address("entry_" + name) for name in ("new", "bind", "traverse", "clear", "dealloc")}
    slots["call"] = process_symbol("PyVectorcall_Call")
    slots["members"], slots["getset"] = ctypes.addressof(members), ctypes.addressof(accessors)
    slots["doc"] = ctypes.cast(doc, ctypes.c_void_p).value or 0
    table = (_Slot * (len(slots) + 1))(*[_Slot(_SLOTS[name], address) for name, address in slots.items()])
    flags = _DEFAULT | _BASE_TYPE | _VECTORCALL | _GC | _METHOD
    spec = _Spec(b"weft.CompiledEntry", EntryObject.record_bytes, 0, flags, table)
    _kept.extend([members, name, accessors, doc, table, spec])
    make = ctypes.pythonapi.PyType_FromSpec
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p]
    return cast("type[Any]", make(ctypes.addressof(spec)))


def inherit_vectorcall(subclass: type[Any]) -> None:
    """Let a Python subclass be called as directly as CompiledEntry is; CPython 3.11 passes no flags on.

    Only for a subclass that defines neither `__call__` nor `__get__`.
    """
    flags = ctypes.c_ulong.from_address(id(subclass) + _TYPE_FLAGS_OFFSET)
    flags.value |= _VECTORCALL | _METHOD
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(subclass))
