"""What an exported library holds, as facts: the header, the wrappers and the metadata are written from them.

Not here: how they are found (`program.py`).
"""

from __future__ import annotations

from typing import Any, Literal

from weft.ir import DType
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike
from weft.runtime.interface import Interface

# fmt: off
C_TYPES = {"bool": "bool", "i8": "int8_t", "i16": "int16_t", "i32": "int32_t", "i64": "int64_t",
           "u8": "uint8_t", "u16": "uint16_t", "u32": "uint32_t", "u64": "uint64_t",
           "f32": "float", "f64": "double",
           "f16": "uint16_t", "c64": "float", "c128": "double"}  # the bits of a half; pairs

# Codes that functions return, with what `NAME_strerror` says.
NULL, SIZE, UNFIT, TOO_LARGE, ARENA, STATE, FILE, OTHER_FILE = range(1, 9)
MESSAGES = {
    0: "success",
    NULL: "a pointer is NULL",
    SIZE: "a size is smaller than the function takes",
    UNFIT: "the sizes do not fit each other",
    TOO_LARGE: "a size does not fit in 64 bits",
    ARENA: "the arena is too small, or was not passed to arena_init",
    STATE: "the state was not initialized by this library",
    FILE: "the file cannot be read or written",
    OTHER_FILE: "the file holds other variables than this library",
}
# fmt: on
FIRST_SITE = 100
"""The code of the first place of a program that can fail."""
ARENA_EXTRA = 128
"""Bytes of an arena beside what a program uses: a header, and what alignment costs."""
STATE_HEADER = 64


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of the C function: an array by pointer, a number by value, or a Python int.

    `symbol` is the name of the number that an int binds, `lower` the least that it may be.
    """

    name: str
    path: str
    kind: Literal["array", "value", "integer"]
    dtype: DType
    shape: tuple[DimLike, ...] = ()
    is_written: bool = False
    symbol: str = ""
    lower: int | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """A size that is a parameter of the C function; `lower` is the least that the program takes."""

    name: str
    symbol: str
    lower: int


@dataclass(frozen=True, slots=True)
class Output:
    """A result, which the caller provides memory for."""

    name: str
    dtype: DType
    shape: tuple[DimLike, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """An array that the library holds: a variable, whose memory is in the state, or a constant."""

    name: str
    dtype: DType
    shape: tuple[int, ...]
    content: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """What a pointer of a program leads to: the role, and the number among those of the role."""

    role: Literal["argument", "output", "variable", "constant"]
    number: int


@dataclass(frozen=True, slots=True)
class Function:
    """One function of a library.

    `label` is its name in Python, `symbol` in C; `tree` and `parameters` are the structures of its result and
    arguments for `weft.load_library`. One with `variants` has no code of its own: it tries these in order,
    and the first that takes the sizes runs.
    """

    label: str
    symbol: str
    arguments: tuple[Argument, ...]
    sizes: tuple[Size, ...]
    outputs: tuple[Output, ...]
    places: tuple[Place, ...]
    interface: Interface
    text: str
    tree: Any
    parameters: Any
    first_site: int = FIRST_SITE
    variants: tuple[Function, ...] = ()

    @property
    def built(self) -> tuple[Function, ...]:
        """The functions that have code."""
        return self.variants or (self,)

    @property
    def uses_state(self) -> bool:
        """Whether it reads or writes variables."""
        return any(place.role == "variable" for one in self.built for place in one.places)

    @property
    def arena_bytes(self) -> DimLike:
        """Bytes of scratch."""
        return dict(self.interface.computed)[self.interface.arena_slot]


@dataclass(frozen=True, slots=True)
class Library:
    """Everything that goes into one library.

    With `versions` each of the `functions` goes on to the one of those that is for the CPU.
    """

    name: str
    functions: tuple[Function, ...]
    variables: tuple[Stored, ...]
    constants: tuple[Stored, ...]
    is_arena_static: bool
    target: str
    system: str = "linux"
    pointer_bytes: int = 8
    has_threads: bool = False
    versions: tuple[Function, ...] = ()

    @property
    def built(self) -> tuple[Function, ...]:
        """The functions that have code of their own."""
        return tuple(each for one in self.versions or self.functions for each in one.built)

    @property
    def has_files(self) -> bool:
        """Whether there are functions that save and load: not where no files are."""
        return bool(self.variables) and self.system != "wasm"

    @property
    def offsets(self) -> list[int]:
        """Where each variable lies in the state; after them its size."""
        found, at = list[int](), STATE_HEADER
        for one in self.variables:
            found.append(at)
            at += -(-len(one.content) // 64) * 64
        return [*found, at]
