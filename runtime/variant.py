"""A compiled variant: a guard table and the program that serves the calls that it describes.

Holds records; who interprets them is the call entry of the backend (`weft.backends.cpu.entry`).
"""

from collections.abc import Callable

from weft.ir.dataclass import dataclass
from weft.runtime.signature import Table


@dataclass(frozen=True, slots=True)
class Program:
    """Native code in the process (DESIGN D16).

    `address` is `int32_t program(context *, void *const *pointers, int64_t *numbers)`. `prepare`, if not 0,
    is `int32_t (int64_t *numbers)` and runs first: it computes sizes of results and the arena from the bound
    numbers; not 0 means that a guard on sizes failed. The arena is `arena_bytes`, or what number `arena_slot`
    says. `is_short` keeps the GIL: only for programs whose time is bounded and estimated below 5 us. So does
    `short_size`, if not 0, for calls whose sizes and ints are all in [-short_size, short_size]. `code` is
    what keeps the code in the process.
    """

    address: int
    prepare: int = 0
    arena_bytes: int = 0
    arena_slot: int | None = None
    is_short: bool = False
    driver: int = 0
    code: object = None
    short_size: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """What serves a call. Compared by identity.

    `on_error(code, location, fact0, fact1, fact2)` is called when the program fails and no Python error is
    set: it raises, or its value is the call's. `on_callback(site, pointers, numbers)` serves the program's
    prints and callbacks, with addresses of both arrays.
    """

    table: Table
    program: Program
    on_error: Callable[[int, int, int, int, int], object]
    on_callback: Callable[[int, int, int], object] | None = None
