"""An ELF shared library from one object, in Python: for machines without a linker, for x86-64 and aarch64.

    library = shared_library(object bytes)

Three segments (constants, code, data), a dynamic symbol table with a hash, section headers for linkers that
read them. Names no library that it needs: what is undefined comes from the program that loads it. Not here:
reading objects (`elf.py`), several objects, thread-local storage.
"""

import struct
from collections.abc import Callable, Sequence

from weft.backends.cpu.elf import (
    STUB_BYTES,
    X86_64,
    ObjectFile,
    ObjectFormatError,
    Section,
    Symbol,
    is_call,
    read_object,
    relocate,
    stub,
    wants_table,
)
from weft.ir.dataclass import dataclass

LINKED = ("x86_64", "aarch64")
"""The architectures that are linked here."""
_WRITE, _EXECUTE = 1, 4
_KINDS = {True: (1, 6, 8), False: (257, 1025, 1027)}  # is x86-64 -> absolute, table entry, relative
_PAGES = {True: 0x1000, False: 0x10000}
_SEGMENTS = 5
_DYNAMIC_ENTRIES = 16
_HEADER = 64 + 56 * _SEGMENTS


def shared_library(data: bytes, name: str = "") -> bytes:
    """The library of an object; `name` is what programs linked with it ask for. Raises ObjectFormatError."""
    return _Linker(read_object(data), name).link()


@dataclass(frozen=True, slots=True)
class _Part:
    """A section of the library: where it lies in the file and in memory, and how it is described."""

    name: str
    kind: int
    flags: int
    offset: int
    address: int
    size_bytes: int
    entry_bytes: int = 0
    link: str = ""
    info: int = 0


def _align(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment


class _Linker:
    """Lays one object out as a library and writes its bytes."""

    def __init__(self, obj: ObjectFile, name: str) -> None:
        self.obj, self.name = obj, name
        self.is_x86 = obj.machine == X86_64
        self.absolute, self.entry, self.relative = _KINDS[self.is_x86]
        self.page = _PAGES[self.is_x86]
        self.outside = self._symbols_used(lambda s, _: not s.section and bool(s.name))
        self.stubs: list[Symbol] = self._symbols_used(
            lambda s, kind: not s.section and is_call(obj.machine, kind)
        )
        self.table = self._symbols_used(lambda s, kind: s in self.stubs or wants_table(obj.machine, kind))
        self.exported = [s for s in obj.symbols if s.is_visible and 0 < s.section < 0xFF00 and s.name]
        self.dynamic = [*self.outside, *self.exported]
        self.numbers = {s: 1 + k for k, s in enumerate(self.dynamic)}
        self.strings, self.string_at = bytearray(b"\0"), dict[str, int]()
        for text in (*(s.name for s in self.dynamic), *([name] if name else [])):
            self.string_at.setdefault(text, len(self.strings))
            self.strings += text.encode() + b"\0"
        self.addresses: dict[int, int] = {}  # of the object's sections
        self.offsets: dict[int, int] = {}  # in the file
        self.parts: dict[str, _Part] = {}
        self.relocations: list[tuple[int, int, int]] = []
        self.at = _HEADER

    def _symbols_used(self, choose: Callable[[Symbol, int], bool]) -> list[Symbol]:
        found = (r.symbol for s in self.obj.sections for r in s.relocations if choose(r.symbol, r.kind))
        return list(dict.fromkeys(found))

    # ---- layout

    def _part(self, name: str, kind: int, flags: int, size: int, **more: object) -> None:
        """A part of our own making at the next place."""
        self.at = _align(self.at, 16)
        shift = self.page * (1 if flags & 4 else 2 if flags & 1 else 0)
        self.parts[name] = _Part(name, kind, flags, self.at, self.at + shift, size, **more)  # pyright: ignore[reportArgumentType]
        self.at += size

    def _place(self, name: str, sections: Sequence[Section], flags: int, *, in_file: bool = True) -> None:
        """The object's sections of one kind, one after the other."""
        start = self.at = _align(self.at, max([16, *(s.alignment for s in sections)]))
        shift = self.page * (1 if flags & 4 else 2 if flags & 1 else 0)
        for section in sections:
            self.at = _align(self.at, section.alignment)
            self.addresses[section.index] = self.at + shift
            if in_file:
                self.offsets[section.index] = self.at
            self.at += section.size_bytes
        if sections:
            self.parts[name] = _Part(name, 1 if in_file else 8, flags, start, start + shift, self.at - start)

    def _lay_out(self) -> tuple[int, int, int, int, int]:
        """Give the end of constants, start and end of code, start of data and its end in the file."""
        sections = self.obj.sections
        count = len(self.dynamic) + 1
        wanted = sum(r.kind == self.absolute for s in sections for r in s.relocations) + len(self.table)
        self._part(".dynsym", 11, 2, 24 * count, entry_bytes=24, link=".dynstr", info=1)
        self._part(".hash", 5, 2, 4 * (2 + self._buckets + count), entry_bytes=4, link=".dynsym")
        self._part(".dynstr", 3, 2, len(self.strings))
        self._part(".rela.dyn", 4, 2, 24 * wanted, entry_bytes=24, link=".dynsym")
        self._place(".rodata", [s for s in sections if not s.flags & (_WRITE | _EXECUTE)], 2)
        constants = self.at
        code = self.at = _align(self.at, 64)
        self._place(".text", [s for s in sections if s.flags & _EXECUTE], 6)
        self._part(".plt", 1, 6, STUB_BYTES * len(self.stubs))
        code_end = self.at
        data = self.at = _align(self.at, 64)
        self._part(".dynamic", 6, 3, 16 * _DYNAMIC_ENTRIES, entry_bytes=16, link=".dynstr")
        self._part(".got", 1, 3, 8 * len(self.table))
        written = [s for s in sections if s.is_writable]
        self._place(".data", [s for s in written if s.content], 3)
        file_end = self.at
        self._place(".bss", [s for s in written if not s.content], 3, in_file=False)
        return constants, code, code_end, data, file_end

    @property
    def _buckets(self) -> int:
        return max(1, len(self.dynamic) // 2)

    # ---- addresses

    def _address(self, symbol: Symbol) -> int:
        if symbol.section == 0xFFF1:
            return symbol.value
        if symbol.section not in self.addresses:
            raise ObjectFormatError(f"{symbol.name or 'a section'} is not in the library")
        return self.addresses[symbol.section] + symbol.value

    def _slot(self, symbol: Symbol) -> int:
        return self.parts[".got"].address + 8 * self.table.index(symbol)

    def _stub(self, symbol: Symbol) -> int:
        return self.parts[".plt"].address + STUB_BYTES * self.stubs.index(symbol)

    # ---- bytes

    def link(self) -> bytes:
        """Write everything."""
        constants, code, code_end, data, file_end = self._lay_out()
        memory_end = self.at
        out = bytearray(file_end)
        for section in self.obj.sections:
            if section.index in self.offsets and section.content:
                start = self.offsets[section.index]
                out[start : start + section.size_bytes] = section.content
        self._write_table(out)
        for section in self.obj.sections:
            for relocation in section.relocations:
                self._apply(
                    out, section, relocation.offset, relocation.kind, relocation.symbol, relocation.addend
                )
        self._write_symbols(out)
        self._write_relocations(out)
        self._write_dynamic(out)
        page, size = self.page, self.parts[".dynamic"].size_bytes
        segments = [
            (1, 4, 0, 0, constants, constants, page),
            (1, 5, code, code + page, code_end - code, code_end - code, page),
            (1, 6, data, data + 2 * page, file_end - data, memory_end - data, page),
            (2, 6, data, data + 2 * page, size, size, 8),
            (0x6474E551, 6, 0, 0, 0, 0, 16),  # no executable stack
        ]
        for number, (kind, flags, offset, address, in_file, in_memory, alignment) in enumerate(segments):
            struct.pack_into(
                "<IIQQQQQQ", out, 64 + 56 * number, kind, flags, offset, address, address, in_file, in_memory,
                alignment,
            )  # fmt: skip
        return self._with_sections(out)

    def _write_table(self, out: bytearray) -> None:
        """Stubs, and the words that hold addresses."""
        for symbol in self.table:
            if symbol.section:
                self.relocations.append((self._slot(symbol), self.relative, self._address(symbol)))
            else:
                self.relocations.append((self._slot(symbol), self.numbers[symbol] << 32 | self.entry, 0))
        for symbol in self.stubs:
            place = self._stub(symbol)
            start = place - self.page
            out[start : start + STUB_BYTES] = stub(self.obj.machine, place, self._slot(symbol))

    def _apply(
        self, out: bytearray, section: Section, offset: int, kind: int, symbol: Symbol, addend: int
    ) -> None:
        place = self.addresses[section.index] + offset
        if kind == self.absolute:
            if not section.is_writable:
                raise ObjectFormatError("an address among constants: the object is not position independent")
            if symbol.section:
                self.relocations.append((place, self.relative, self._address(symbol) + addend))
            else:
                self.relocations.append((place, self.numbers[symbol] << 32 | self.absolute, addend))
            return
        if wants_table(self.obj.machine, kind):
            target = self._slot(symbol)
        elif symbol.section:
            target = self._address(symbol)
        elif is_call(self.obj.machine, kind):
            target = self._stub(symbol)
        else:
            raise ObjectFormatError(f"relocation {kind} of {symbol.name}, which is defined elsewhere")
        relocate(self.obj.machine, out, self.offsets[section.index] + offset, kind, place, target + addend)

    def _write_symbols(self, out: bytearray) -> None:
        start, hashes = self.parts[".dynsym"].offset, self.parts[".hash"].offset
        code = {s.index for s in self.obj.sections if s.flags & _EXECUTE}
        order = list(self.parts)
        for symbol, number in self.numbers.items():
            kind = 2 if symbol.section in code else 1 if symbol.section else 0
            home = order.index(self._home(symbol)) + 1 if symbol.section else 0
            value = self._address(symbol) if symbol.section else 0
            place, name = start + 24 * number, self.string_at[symbol.name]
            struct.pack_into("<IBBHQQ", out, place, name, 1 << 4 | kind, 0, home, value, 0)
        buckets, chains = [0] * self._buckets, [0] * (len(self.dynamic) + 1)
        for symbol, number in self.numbers.items():
            bucket = _hash(symbol.name) % self._buckets
            chains[number], buckets[bucket] = buckets[bucket], number
        struct.pack_into(
            f"<{2 + len(buckets) + len(chains)}I", out, hashes, len(buckets), len(chains), *buckets, *chains
        )
        strings = self.parts[".dynstr"].offset
        out[strings : strings + len(self.strings)] = self.strings

    def _home(self, symbol: Symbol) -> str:
        """The part that a symbol lies in."""
        place = self.addresses.get(symbol.section, 0)
        return next(
            n for n, p in self.parts.items()
            if p.address <= place < p.address + p.size_bytes and n not in (".got", ".dynamic", ".plt")
        )  # fmt: skip

    def _write_relocations(self, out: bytearray) -> None:
        self.relocations.sort(key=lambda r: r[1] & 0xFFFFFFFF != self.relative)
        for number, entry in enumerate(self.relocations):
            struct.pack_into("<QQq", out, self.parts[".rela.dyn"].offset + 24 * number, *entry)

    def _write_dynamic(self, out: bytearray) -> None:
        parts = self.parts
        relative = sum(kind == self.relative for _, kind, _ in self.relocations)
        entries = [(14, self.string_at[self.name])] if self.name else []
        entries += [
            (4, parts[".hash"].address), (5, parts[".dynstr"].address), (6, parts[".dynsym"].address),
            (10, len(self.strings)), (11, 24),
        ]  # fmt: skip
        if self.relocations:
            entries += [(7, parts[".rela.dyn"].address), (8, 24 * len(self.relocations)), (9, 24)]
            entries += [(0x6FFFFFF9, relative)]
        for section in (s for s in self.obj.sections if s.is_constructors):  # LLVM makes one at most
            entries += [(25, self.addresses[section.index]), (27, section.size_bytes)]
        entries += [(24, 0), (0x6FFFFFFB, 1)]  # bound at once
        for number, entry in enumerate(entries):
            struct.pack_into("<QQ", out, parts[".dynamic"].offset + 16 * number, *entry)

    def _with_sections(self, out: bytearray) -> bytes:
        """Append the section headers, which linkers read, and write the file's header."""
        names, name_at = bytearray(b"\0"), dict[str, int]()
        order = list(self.parts)
        for name in (*order, ".shstrtab"):
            name_at[name] = len(names)
            names += name.encode() + b"\0"
        strings = len(out)
        out += names
        out += bytes(_align(len(out), 8) - len(out))
        table = len(out)
        out += bytes(64)
        for part in self.parts.values():
            link = order.index(part.link) + 1 if part.link else 0
            out += struct.pack(
                "<IIQQQQIIQQ", name_at[part.name], part.kind, part.flags, part.address, part.offset,
                part.size_bytes, link, part.info, 16, part.entry_bytes,
            )  # fmt: skip
        out += struct.pack("<IIQQQQIIQQ", name_at[".shstrtab"], 3, 0, 0, strings, len(names), 0, 0, 1, 0)
        magic = b"\x7fELF\x02\x01\x01" + bytes(9)
        struct.pack_into(
            "<16sHHIQQQIHHHHHH", out, 0, magic, 3, self.obj.machine, 1, 0, 64, table, 0, 64, 56, _SEGMENTS,
            64, len(order) + 2, len(order) + 1,
        )  # fmt: skip
        return bytes(out)


def _hash(name: str) -> int:
    """The hash of the System V ABI."""
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte & 0xFFFFFFFF
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high & 0xFFFFFFFF
    return value
