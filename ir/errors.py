"""The errors that users meet, their codes, and the one layout of a message.

Raising them is the work of whoever finds the mistake. Hiding our frames from tracebacks is done where calls
enter (`weft.api`); the sections that explain each code are in `docs/errors.md`.
"""

from __future__ import annotations

import builtins
import struct
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from weft.ir.dataclass import dataclass
from weft.ir.source import Location, excerpt, source_line

# fmt: off
CODES = {
    "E001": "A mistake in the use of Weft",
    "E002": "An option has a value that it cannot take",
    "E003": "A type specification cannot be read",
    "E004": "An argument does not fit the signature",
    "E005": "A name or file was not found",
    "E010": "Shapes do not fit",
    "E011": "The rank of an array does not fit",
    "E012": "Shapes cannot be broadcast together",
    "E013": "A reshape changes the number of elements",
    "E014": "Operands need equal shapes",
    "E015": "An axis is out of range or named twice",
    "E016": "A size or a product of sizes is too large or negative",
    "E017": "Nested sequences are ragged",
    "E020": "An index is out of range",
    "E021": "An array has more indices than dimensions",
    "E030": "A dtype does not fit",
    "E031": "A dtype is not supported",
    "E032": "A cast is not allowed by the casting rule",
    "E033": "An array is read-only",
    "E040": "Arguments overlap in part",
    "E050": "Not supported",
    "E051": "Not built yet",
    "E052": "A traced value was forced to a Python value",
    "E053": "A call that Weft cannot trace",
    "E054": "An argument or keyword of a NumPy function is not supported",
    "E055": "A Python object is changed where it cannot be",
    "E060": "A value escapes the region that made it",
    "E061": "A name has different types where paths join",
    "E062": "A name has no value in the first iteration",
    "E063": "The condition of a loop is known while tracing",
    "E064": "An array that may be one of two is written",
    "E070": "The toolchain refused the code",
    "E080": "A program failed while it ran",
    "E081": "Out of memory",
    "E082": "An operation made a NaN or an infinity",
    "E090": "An error inside Weft",
    "E091": "The verifier found an invalid program",
    "E092": "A pass failed",
}
# fmt: on
"""Each code with its title; each has a section in `docs/errors.md` and a test in `tests/errors/`."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the facts of a message: what it is called, what it is, and where it came from if known."""

    label: str
    text: str
    location: Location | None = None


class WeftError(Exception):
    """The base of every error that Weft raises on its own account.

    `sentence` says what is wrong, `facts` what was found, `fix` what to write instead; `code` names the
    section of `docs/errors.md`. Raises ValueError if `code` is not in `CODES`.
    """

    default_code: ClassVar[str] = "E001"

    def __init__(
        self,
        sentence: str,
        *,
        code: str | None = None,
        location: Location | None = None,
        facts: Sequence[Fact] = (),
        fix: str = "",
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code or self.default_code
        self.location = location
        self.facts = tuple(facts)
        self.fix = fix
        if self.code not in CODES:
            raise ValueError(f"error code {self.code} is not in weft.ir.errors.CODES")

    def __str__(self) -> str:
        """Return the message without the class name, which a traceback prints in front."""
        return "\n".join((f"[{self.code}] {self.sentence}", *_body(self)))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with every attribute, so that errors cross process borders."""
        return (_rebuild, (type(self), self.sentence, self.__dict__.copy()))


class UserError(WeftError):
    """A mistake in a program or call; subclasses also derive from the builtin that NumPy raises."""


class ShapeError(UserError, ValueError):
    """Shapes, ranks, axes or sizes do not fit."""

    default_code = "E010"


class AxisError(ShapeError, np.exceptions.AxisError):
    """An axis is out of range: as NumPy's, a ValueError and an IndexError with `axis` and `ndim`."""

    default_code = "E015"
    axis: int | None = None
    ndim: int | None = None

    @classmethod
    def of(cls, axis: int, rank: int, location: Location | None) -> AxisError:
        """The error of an axis that an array of `rank` axes does not have."""
        error = cls(
            f"axis {axis} is out of bounds for array of dimension {rank}",
            location=location,
            fix=f"use an axis from {-rank} to {rank - 1}" if rank else "leave the axis out",
        )
        error.axis, error.ndim = axis, rank
        return error


class IndexFault(UserError, IndexError):
    """An index is out of range.

    An index below 0 that must not count from the end is tried as itself less `apart`, and shown as itself.
    """

    default_code = "E020"
    apart = 1 << 62


class DTypeError(UserError, TypeError):
    """A dtype does not fit or cannot be cast."""

    default_code = "E030"


class AliasError(UserError, ValueError):
    """Arguments share memory in a way that has no meaning."""

    default_code = "E040"


class UnsupportedError(UserError, TypeError):
    """Something that Weft does not do, or not yet."""

    default_code = "E050"


class CompileError(WeftError):
    """A toolchain refused the code that we made; holds the source and the log."""

    default_code = "E070"
    source: str = ""
    log: str = ""


class RuntimeFault(WeftError):
    """A device failed while a program ran."""

    default_code = "E080"


class OutOfMemoryError(RuntimeFault, MemoryError):
    """Memory of a device is exhausted."""

    default_code = "E081"


class NotFiniteError(RuntimeFault, FloatingPointError):
    """Under check="nan": an operation made a NaN or an infinity of finite numbers."""

    default_code = "E082"


def not_finite(code: str, facts: Sequence[int], location: Location | None) -> NotFiniteError:
    """The error of a check whose code is `nan OPERATION COUNT TYPES`.

    The facts are the place in the result or -1, the iteration of the loop around or -1, and the upper halves
    of the first operands as float64.
    """
    _, name, count, types = code.split(" ", 3)
    place, iteration, packed = facts
    told = [Fact("operands", types)]
    if place >= 0:
        told.append(Fact("element", f"{place} in row-major order"))
    if int(count):
        halves = struct.pack("<QQ", packed & (2**64 - 2**32), (packed << 32) & (2**64 - 2**32))
        told.append(Fact("of", ", ".join(f"{x:.5g}" for x in struct.unpack("<dd", halves)[: int(count)])))
    if iteration >= 0:
        told.append(Fact("loop index", str(iteration)))
    sentence = f"{name} gives NaN or an infinity, of operands that are finite"
    fix = "keep its operands where it is defined, or leave out check= if this is meant"
    return NotFiniteError(sentence, location=location, facts=told, fix=fix)


class InternalError(WeftError, RuntimeError):
    """An error of Weft itself; `repro` is the folder that reproduces it, if one was written."""

    default_code = "E090"
    repro: str = ""


PUBLIC_ERRORS = (
    WeftError, UserError, ShapeError, IndexFault, DTypeError, AliasError, UnsupportedError, CompileError,
    RuntimeFault, OutOfMemoryError, InternalError,
)  # fmt: skip
"""The classes that `weft` re-exports."""

for _error_class in PUBLIC_ERRORS:
    _error_class.__module__ = "weft"  # tracebacks and pickles then use the public name


def describe(error: WeftError) -> str:
    """Return the whole message of `error`: code and sentence, excerpt with a mark, facts, fix, link."""
    header = f"weft.{type(error).__name__} [{error.code}]: {error.sentence}"
    return "\n".join((header, *_body(error)))


def _body(error: WeftError) -> list[str]:
    """Return the lines under the sentence: where, the facts, the fix with the link."""
    lines = [] if error.location is None else _place(error.location)
    width = max((len(fact.label) for fact in error.facts), default=0)
    lines += [f"  {fact.label:<{width}}: {fact.text}{_origin(fact.location)}" for fact in error.facts]
    link = f"docs/errors.md#{error.code}"
    if isinstance(error, InternalError):
        lines += [f"  Repro: {error.repro}"] if error.repro else []
        lines.append(f"  Please report this: it is an error of Weft, not of your program.   {link}")
    elif error.fix:
        lines.append(f"  Fix: {error.fix}   {link}")
    else:
        lines.append(f"  See {link}")
    return lines


def _place(location: Location) -> list[str]:
    """Return the line that names the place and the excerpt under it."""
    function = f", in {location.function}" if location.function else ""
    return [f"  {location}{function}", *(f"      {line}" for line in excerpt(location))]


def _origin(location: Location | None) -> str:
    """Return where a fact came from, with its source line."""
    return "" if location is None else f"  from {location}  {source_line(location)}".rstrip()


def _rebuild(error_class: type[WeftError], sentence: str, state: dict[str, object]) -> WeftError:
    """Make the error that was pickled."""
    error = error_class(sentence)
    error.__dict__.update(state)
    return error


def failure(code: object, facts: Sequence[int], location: Location | None = None) -> Exception:
    """The error that `code` and facts stand for; the facts of an index are it, the size, the axis."""
    if code == "index":
        index, size, axis = [*facts, 0, 0, 0][:3]
        sentence = f"index {index} is out of bounds for axis {axis} with size {size}"
        return IndexFault(sentence, location=location)
    if isinstance(code, str) and code.startswith("nan "):
        return not_finite(code, facts, location)
    if isinstance(code, str) and code.startswith("raise "):
        name, _, text = code.split(" ", 2)[2].partition(": ")
        found = getattr(builtins, name, None)
        if isinstance(found, type) and issubclass(found, Exception):
            return found(*([text] if text else []))
    return RuntimeFault(f"the program failed with code {code} {tuple(facts)}", location=location)
