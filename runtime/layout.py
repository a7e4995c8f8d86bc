"""Layouts of native memory: records that Python packs and that native code reads.

Holds the integer widths and `Struct`, a base class that turns annotations into offsets as a C compiler would.
Both sides of the border use one definition: Python packs a record with `pack`, native functions
(`weft.backends.cpu.native`) read its fields by name. Holds no records of its own and no code generation.
"""

import inspect
import struct
from typing import Annotated, ClassVar, Self

from weft.ir.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Width:
    """The size of an integer field."""

    bits: int

    @property
    def size_bytes(self) -> int:
        """Bytes that the field takes; also its alignment."""
        return self.bits // 8


i8 = Annotated[int, Width(8)]
i32 = Annotated[int, Width(32)]
i64 = Annotated[int, Width(64)]
Pointer = Annotated[int, Width(64)]

_FORMATS = {8: "b", 32: "i", 64: "q"}


@dataclass(frozen=True, slots=True)
class Field:
    """Where a field lies and how wide it is."""

    offset: int
    bits: int


class Struct:
    """A native record, laid out as C does.

    Subclasses annotate fields with `i8`, `i32`, `i64` or `Pointer`, in order.
    There are no instances: in native functions a name annotated with the class is an address, and `at` gives
    an address this type. A subclass of a record starts with the fields of the record.
    """

    record_fields: ClassVar[dict[str, Field]] = {}
    record_bytes: ClassVar[int] = 0

    def __init_subclass__(cls) -> None:
        fields = dict(cls.record_fields)
        offset = max((field.offset + field.bits // 8 for field in fields.values()), default=0)
        for name, hint in inspect.get_annotations(cls).items():
            width: Width = hint.__metadata__[0]
            offset = -(-offset // width.size_bytes) * width.size_bytes
            fields[name] = Field(offset, width.bits)
            offset += width.size_bytes
        cls.record_fields = fields
        cls.record_bytes = -(-offset // 8) * 8

    @classmethod
    def at(cls, address: int) -> Self:
        """The record at `address`. Has a meaning in native functions alone."""
        raise TypeError(f"{cls.__name__}.at({address}) is for native functions; Python uses pack and offset")

    @classmethod
    def pack(cls, **values: int) -> bytes:
        """The bytes of a record; fields that are not named are zero."""
        memory = bytearray(cls.record_bytes)
        for name, value in values.items():
            field = cls.record_fields[name]
            struct.pack_into("<" + _FORMATS[field.bits], memory, field.offset, value)
        return bytes(memory)

    @classmethod
    def unpack(cls, memory: bytes) -> dict[str, int]:
        """The fields of a record by name."""
        return {
            name: struct.unpack_from("<" + _FORMATS[field.bits], memory, field.offset)[0]
            for name, field in cls.record_fields.items()
        }

    @classmethod
    def offset(cls, name: str) -> int:
        """Bytes from the start of the record to the field `name`."""
        return cls.record_fields[name].offset


class Words:
    """An array of 64-bit words. In native functions `words[i]` is a load and `words[i] = x` a store."""

    @classmethod
    def at(cls, address: int) -> Self:
        """The words at `address`. Has a meaning in native functions alone."""
        raise TypeError(f"Words.at({address}) is for native functions")

    def __getitem__(self, index: int) -> int:
        raise TypeError("Words are for native functions")

    def __setitem__(self, index: int, value: int) -> None:
        raise TypeError("Words are for native functions")
