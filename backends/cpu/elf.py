"""ELF relocatable objects as LLVM emits them, position independent: reading, and loading into the process.

A loaded object lies in one mapping: code and constants, then stubs and addresses of outside functions, then
data. Loading takes well under a millisecond and no LLVM, so a program that is found in the cache never loads
llvmlite. Knows x86-64 and aarch64. Does not do: thread-local storage, COMDAT merging, running constructors,
unwinding tables.
"""

import ctypes
import functools
import mmap
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from weft.ir.dataclass import dataclass

X86_64, AARCH64 = 62, 183
_SYMBOL_TABLE, _RELOCATIONS, _NO_BITS = 2, 4, 8
_WRITE, _ALLOCATE, _EXECUTE = 1, 2, 4
_ABSOLUTE_INDEX = 0xFFF1
STUB_BYTES = 16


class ObjectFormatError(Exception):
    """The object has something that this loader does not know."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol; `section` 0 means that it is defined elsewhere."""

    name: str
    section: int
    value: int
    is_visible: bool
    size_bytes: int = 0
    is_global: bool = False


@dataclass(frozen=True, slots=True)
class Relocation:
    """Where in its section an address is wanted, how it is written, and whose."""

    offset: int
    kind: int
    symbol: Symbol
    addend: int


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the object that takes memory."""

    index: int
    flags: int
    size_bytes: int
    alignment: int
    content: bytes
    relocations: tuple[Relocation, ...]
    is_constructors: bool = False

    @property
    def is_writable(self) -> bool:
        """Whether it is data that changes."""
        return bool(self.flags & _WRITE)


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """An object: its sections in memory and its symbols."""

    machine: int
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]


def read_object(data: bytes) -> ObjectFile:
    """Parse a relocatable object. Raises ObjectFormatError for other files."""
    if data[:6] != b"\x7fELF\x02\x01" or len(data) < 64:
        raise ObjectFormatError("not a 64-bit little-endian ELF object")
    machine = struct.unpack_from("<H", data, 18)[0]
    (table,) = struct.unpack_from("<Q", data, 40)
    _, count, _ = struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, table + 64 * i) for i in range(count)]
    symbols = [
        symbol
        for header in headers
        if header[1] == _SYMBOL_TABLE
        for symbol in _symbols(data, headers, header)
    ]
    relocations: dict[int, list[Relocation]] = {}
    for _, kind, _, _, offset, size, _, target, _, _ in headers:
        if kind == _RELOCATIONS:
            found = (struct.unpack_from("<QQq", data, at) for at in range(offset, offset + size, 24))
            relocations[target] = [Relocation(o, i & 0xFFFFFFFF, symbols[i >> 32], a) for o, i, a in found]
    sections = tuple(
        Section(
            index, flags, size, max(alignment, 1), b"" if kind == _NO_BITS else data[offset : offset + size],
            tuple(relocations.get(index, ())), kind == 14,
        )
        for index, (_, kind, flags, _, offset, size, _, _, alignment, _) in enumerate(headers)
        if flags & _ALLOCATE and size and kind != 0x70000001  # unwinding tables
    )  # fmt: skip
    return ObjectFile(machine, sections, tuple(symbols))


def _symbols(data: bytes, headers: list[tuple[int, ...]], header: tuple[int, ...]) -> list[Symbol]:
    names = headers[header[6]][4]
    found: list[Symbol] = []
    for at in range(header[4], header[4] + header[5], 24):
        name, info, other, section, value, size = struct.unpack_from("<IBBHQQ", data, at)
        text = data[names + name : data.index(b"\0", names + name)].decode()
        is_global = info >> 4 in (1, 2)
        found.append(Symbol(text, section, value, is_global and not other & 3, size, is_global))
    return found


def combine(objects: Sequence[ObjectFile]) -> ObjectFile:
    """One object of several for one machine, each of which may use global symbols of the others."""
    shifts = accumulate((o.sections[-1].index + 1 if o.sections else 0 for o in objects), initial=0)
    moved = [_move(o, shift) for o, shift in zip(objects, shifts, strict=False)]
    symbols = tuple(s for o in moved for s in o.symbols)
    defined = {s.name: s for s in symbols if s.is_global and s.section}
    sections = tuple(
        replace(
            section,
            relocations=tuple(
                r if r.symbol.section else replace(r, symbol=defined.get(r.symbol.name, r.symbol))
                for r in section.relocations
            ),
        )
        for o in moved
        for section in o.sections
    )
    return ObjectFile(objects[0].machine, sections, symbols)


def _move(obj: ObjectFile, shift: int) -> ObjectFile:
    """The same with other numbers of its sections."""
    new = {
        s: s if s.section in (0, _ABSOLUTE_INDEX) else replace(s, section=s.section + shift)
        for s in obj.symbols
    }
    sections = tuple(
        replace(
            section,
            index=section.index + shift,
            relocations=tuple(replace(r, symbol=new[r.symbol]) for r in section.relocations),
        )
        for section in obj.sections
    )
    return ObjectFile(obj.machine, sections, tuple(new.values()))


# ---- writing addresses -------------------------------------------------------------------------------------

_X86_CALLS, _X86_TABLE = (2, 4), (9, 41, 42)
_ARM_CALLS, _ARM_TABLE = (282, 283), (311, 312)
_ARM_LOW_BITS = {277: 0, 278: 0, 284: 1, 285: 2, 286: 3, 299: 4, 312: 3}  # kind -> scale of the 12-bit offset


def wants_table(machine: int, kind: int) -> bool:
    """Whether a relocation asks for the address of a word that holds the symbol's address."""
    return kind in (_X86_TABLE if machine == X86_64 else _ARM_TABLE)


def is_call(machine: int, kind: int) -> bool:
    """Whether a relocation may go through a stub."""
    return kind in (_X86_CALLS if machine == X86_64 else _ARM_CALLS)


def relocate(machine: int, memory: bytearray, offset: int, kind: int, place: int, target: int) -> None:
    """Write one address: `target` (symbol plus addend) as seen from `place`, at `offset` of `memory`."""
    if kind in ((1,) if machine == X86_64 else (257,)):
        struct.pack_into("<Q", memory, offset, target % 2**64)
    elif machine == X86_64:
        _relocate_x86(memory, offset, kind, target - place)
    elif machine == AARCH64:
        _relocate_arm(memory, offset, kind, place, target)
    else:
        raise ObjectFormatError(f"unknown machine {machine}")


def _relocate_x86(memory: bytearray, offset: int, kind: int, distance: int) -> None:
    if kind in (*_X86_CALLS, *_X86_TABLE):
        struct.pack_into("<i", memory, offset, distance)
    elif kind == 24:
        struct.pack_into("<q", memory, offset, distance)
    else:
        raise ObjectFormatError(f"unknown x86-64 relocation {kind}")


def _relocate_arm(memory: bytearray, offset: int, kind: int, place: int, target: int) -> None:
    if kind in (260, 261):
        struct.pack_into("<q" if kind == 260 else "<i", memory, offset, target - place)
        return
    (word,) = struct.unpack_from("<I", memory, offset)
    if kind in _ARM_CALLS:
        word |= (target - place) >> 2 & 0x3FFFFFF
    elif kind in (275, 311):
        pages = (target >> 12) - (place >> 12)
        word |= (pages & 3) << 29 | (pages >> 2 & 0x7FFFF) << 5
    elif kind in _ARM_LOW_BITS:
        word |= ((target & 0xFFF) >> _ARM_LOW_BITS[kind]) << 10
    else:
        raise ObjectFormatError(f"unknown aarch64 relocation {kind}")
    struct.pack_into("<I", memory, offset, word)


def stub(machine: int, place: int, word: int) -> bytes:
    """A jump through the address at `word`."""
    if machine == X86_64:
        return b"\xff\x25" + struct.pack("<i", word - place - 6) + b"\xcc" * 10
    pages = (word >> 12) - (place >> 12)
    page = 0x90000010 | (pages & 3) << 29 | (pages >> 2 & 0x7FFFF) << 5  # adrp x16, word
    return struct.pack("<IIII", page, 0xF9400210 | (word & 0xFFF) >> 3 << 10, 0xD61F0200, 0xD503201F)


# ---- loading -----------------------------------------------------------------------------------------------


@functools.cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_long,
    ]
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    return libc


def process_symbol(name: str) -> int:
    """The address of a C function of the process. Raises ObjectFormatError if there is none."""
    try:
        return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0
    except AttributeError:
        raise ObjectFormatError(f"the object needs {name}, which the process does not have") from None


def _align(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment


class LoadedObject:
    """Code in the process; it stays while this lives, or for ever after `keep`."""

    __slots__ = ("_base", "_size", "_symbols", "_unmap")

    def __init__(self, base: int, size: int, symbols: dict[str, int]) -> None:
        self._base, self._size, self._symbols, self._unmap = base, size, symbols, _libc().munmap

    def address(self, name: str) -> int:
        """Where `name` lies. Raises KeyError if the object does not define it."""
        return self._symbols[name]

    def __contains__(self, name: str) -> bool:
        return name in self._symbols

    def keep(self) -> "LoadedObject":
        """Never unmap: for code that threads of its own or the C library may enter until the process ends."""
        self._size = 0
        return self

    def __del__(self) -> None:
        if self._size:
            self._unmap(self._base, self._size)


def load_object(*parts: bytes, symbols: Mapping[str, int] | None = None) -> LoadedObject:
    """Load an object, or several as one; outside functions come from `symbols`, then from the process.

    Raises ObjectFormatError if one is found in neither, OSError if the memory is refused.
    """
    objects = [read_object(part) for part in parts]
    return _Loader(combine(objects) if objects[1:] else objects[0], symbols or {}, process_symbol).load()


def _clear_instruction_cache(start: int, stop: int) -> None:
    """Make written code visible to instruction fetches.

    Linux does so itself when fresh pages are made executable; this is for pages that were used before.
    """
    try:
        clear = getattr(ctypes.CDLL("libgcc_s.so.1"), "__clear_cache")
    except (OSError, AttributeError):
        return
    clear(ctypes.c_void_p(start), ctypes.c_void_p(stop))


class _Loader:
    """Lays an object out at an address and writes its relocations."""

    def __init__(self, obj: ObjectFile, symbols: Mapping[str, int], find: Callable[[str], int]) -> None:
        self.obj, self.symbols, self.find = obj, symbols, find
        self.offsets: dict[int, int] = {}
        self.words: dict[Symbol, int] = {}
        self.stubs: dict[Symbol, int] = {}
        self.data_start, self.size_bytes = self.lay_out()
        self.base = 0

    def lay_out(self) -> tuple[int, int]:
        """Offsets of sections, stubs and address words.

        Gives the start of the writable part and the size of all.
        """
        at = 0
        for section in self.obj.sections:
            if not section.is_writable:
                at = self.offsets[section.index] = _align(at, section.alignment)
                at += section.size_bytes
        at = _align(at, 16)
        for section in self.obj.sections:
            for relocation in section.relocations:
                symbol, kind = relocation.symbol, relocation.kind
                is_stub = not symbol.section and is_call(self.obj.machine, kind)
                if is_stub and symbol not in self.stubs:
                    self.stubs[symbol] = at
                    at += STUB_BYTES
                if is_stub or wants_table(self.obj.machine, kind):
                    self.words.setdefault(symbol, 0)
        for symbol in self.words:
            self.words[symbol] = at
            at += 8
        data_start = at = _align(at, mmap.PAGESIZE)
        for section in self.obj.sections:
            if section.is_writable:
                at = self.offsets[section.index] = _align(at, section.alignment)
                at += section.size_bytes
        return data_start, _align(at, mmap.PAGESIZE)

    def load(self) -> LoadedObject:
        libc = _libc()
        self.base = libc.mmap(
            None,
            self.size_bytes,
            mmap.PROT_READ | mmap.PROT_WRITE,
            mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
            -1,
            0,
        )
        if self.base in (None, ctypes.c_void_p(-1).value):
            raise OSError(ctypes.get_errno(), "no memory for code")
        names = {s.name: self.address(s) for s in self.obj.symbols if s.is_visible and s.section and s.name}
        loaded = LoadedObject(self.base, self.size_bytes, names)
        memory = self.image()
        ctypes.memmove(self.base, bytes(memory), len(memory))
        if libc.mprotect(self.base, self.data_start, mmap.PROT_READ | mmap.PROT_EXEC):
            raise OSError(ctypes.get_errno(), "code may not be made executable")
        if self.obj.machine == AARCH64:  # data written is not yet seen as instructions there
            _clear_instruction_cache(self.base, self.base + self.data_start)
        return loaded

    def image(self) -> bytearray:
        """The bytes of the mapping, relocated."""
        memory = bytearray(self.size_bytes)
        for section in self.obj.sections:
            start = self.offsets[section.index]
            memory[start : start + len(section.content)] = section.content
        for symbol, at in self.words.items():
            struct.pack_into("<Q", memory, at, self.address(symbol))
        for symbol, at in self.stubs.items():
            memory[at : at + STUB_BYTES] = stub(
                self.obj.machine, self.base + at, self.base + self.words[symbol]
            )
        for section in self.obj.sections:
            for relocation in section.relocations:
                self.apply(memory, section, relocation)
        return memory

    def apply(self, memory: bytearray, section: Section, relocation: Relocation) -> None:
        symbol, kind, machine = relocation.symbol, relocation.kind, self.obj.machine
        if wants_table(machine, kind):
            target = self.base + self.words[symbol]
        elif symbol in self.stubs and is_call(machine, kind):
            target = self.base + self.stubs[symbol]
        else:
            target = self.address(symbol)
        offset = self.offsets[section.index] + relocation.offset
        relocate(machine, memory, offset, kind, self.base + offset, target + relocation.addend)

    def address(self, symbol: Symbol) -> int:
        if symbol.section == _ABSOLUTE_INDEX:
            return symbol.value
        if symbol.section:
            return self.base + self.offsets.get(symbol.section, 0) + symbol.value
        if symbol.name in self.symbols:
            return self.symbols[symbol.name]
        return self.find(symbol.name)
