"""The interface of a native program: what its pointers and numbers are, and what its companion computes.

A program is `int32_t NAME(context *, void *const *pointers, int64_t *numbers)` (DESIGN D16). Before it, the
caller binds the first numbers, calls `int32_t NAME_prepare(int64_t *numbers)`, which checks the guards and
computes sizes, and allocates results and arena. Facts alone: code generation reads them, the entry binds by
them, exports print them as a header. Not here: any of those three.
"""

from weft.ir import DType, Location
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike

FAILED = 1
"""The code that a program returns and records for a failure whose `Site.code` is not a number."""
INTERRUPTED = -1
"""The code for a program that `poll` asked to stop."""
WAITS_FOR_ITSELF = -2
"""The code for a call, made by Python code that a program calls, of variables which that program holds."""
OVERFLOWED = -1
"""What `prepare` returns when a size does not fit in 64 bits."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """One entry of `pointers`. `role` is argument, variable, constant or result, `number` counts in the role.

    `shape` is in the symbols that `Interface.numbers` names; None for a strided argument, whose strides are
    numbers of their own.
    """

    role: str
    number: int
    dtype: DType
    shape: tuple[DimLike, ...] | None


@dataclass(frozen=True, slots=True)
class Guard:
    """A relation of sizes (== != < <= > >=) without which the program may not run."""

    left: DimLike
    relation: str
    right: DimLike


@dataclass(frozen=True, slots=True)
class Site:
    """Where a program can fail, and as what. The record has the number of the site as `error_location`."""

    code: object
    locations: tuple[Location, ...] = ()


@dataclass(frozen=True, slots=True)
class Interface:
    """All that a caller of the program `name` must know.

    `numbers[i]` is the name of the symbol or stride in slot i, in the order of the program's scalar
    parameters. `computed` are pairs of a slot and the expression that `prepare` puts there: sizes of results,
    bytes of the arena (slot `arena_slot`, -1 if it has none). `prepare` gives 0, or k + 1 if guard k does not
    hold, or OVERFLOWED. `returned` are the slots of the counts that the program itself writes, in the order
    of its return's operands.
    """

    name: str
    pointers: tuple[Pointer, ...] = ()
    numbers: tuple[str, ...] = ()
    computed: tuple[tuple[int, DimLike], ...] = ()
    guards: tuple[Guard, ...] = ()
    sites: tuple[Site, ...] = ()
    returned: tuple[int, ...] = ()
    arena_slot: int = -1

    @property
    def prepare_name(self) -> str:
        """The symbol of the companion."""
        return f"{self.name}_prepare"

    @property
    def slots(self) -> int:
        """How many numbers the caller must provide room for."""
        return 1 + max(
            (len(self.numbers) - 1, self.arena_slot, *(slot for slot, _ in self.computed), *self.returned)
        )
