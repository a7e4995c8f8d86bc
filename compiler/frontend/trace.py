"""`Trace`: the function being built, its open regions, its storages, and what was assumed and captured on the way.

Not here: what values do (`values.py`), what a NumPy function means (`numpy/`), how a trace begins and ends (`entry.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from weft.compiler.frontend.assumption import Assumptions
from weft.compiler.frontend.location import current_position, resolve
from weft.compiler.frontend.storage import Storage, row_major
from weft.ir.builder import Builder
from weft.ir.dims import DimLike
from weft.ir.errors import UnsupportedError
from weft.ir.expr import Expr, Number
from weft.ir.node import Attributes, Func, Op, Region, Value
from weft.ir.source import LIBRARIES, Location
from weft.ir.types import I64, DType, TensorType

Call = Callable[..., Any]


@dataclass(slots=True, eq=False)
class Frame:
    """An open region. `before` holds the value that each outer storage had when the region first touched it.

    In a body that runs more than once (`repeats`) a touched storage starts with a provisional value, held in `start`,
    which becomes a parameter of the region if the body writes the storage, and else the value before.
    """

    region: Region
    repeats: bool = False
    before: dict[Storage, Value] = field(default_factory=dict[Storage, Value])
    start: dict[Storage, Value] = field(default_factory=dict[Storage, Value])


class Trace:
    """Builds one function.

    `call(fn, *args)` is how values reach the table of NumPy functions, `adopt(array)` how an array object that no load
    brought becomes a traced one.
    """

    def __init__(self, name: str, assumptions: Assumptions, call: Callable[..., Any]) -> None:
        self.func = Func(name, Region())
        self.frames = [Frame(self.func.body)]
        self.assumptions = assumptions
        self.log: list[str] = []
        self.adopt: Callable[[Any], Any] = _refuse_array
        self._call = call
        self._builder = Builder(self.func.body)
        self._locations: dict[tuple[int, int], Location] = {}

    # ---- where

    def location(self) -> Location:
        """The user's line that runs now."""
        code, lasti = current_position(_is_library)
        key = (id(code), lasti)
        if key not in self._locations:
            self._locations[key] = resolve(code, lasti)
        return self._locations[key]

    # ---- ops

    @property
    def region(self) -> Region:
        """The innermost open region."""
        return self.frames[-1].region

    def is_open(self, region: Region) -> bool:
        """Whether values of `region` are in scope."""
        return any(frame.region is region for frame in self.frames)

    @property
    def builder(self) -> Builder:
        """Writes ops at the user's present line into the innermost region."""
        if self._builder.region is not self.region:
            self._builder = Builder(self.region)
        self._builder.locations = (self.location(),)
        return self._builder

    def emit_op(
        self,
        name: str,
        operands: Sequence[Value] = (),
        attributes: Attributes | None = None,
        regions: Sequence[Region] = (),
    ) -> Op:
        """Append an op."""
        return self.builder.emit(name, operands, attributes, regions)

    def emit(self, name: str, operands: Sequence[Value] = (), attributes: Attributes | None = None) -> Value:
        """Append an op of one result, and give that."""
        return self.builder.emit(name, operands, attributes).result

    def expr(self, value: Value) -> Expr:
        """A handle for compositions."""
        return Expr(self.builder, value)

    def constant(self, number: Number, dtype: DType) -> Expr:
        """A rank-0 constant."""
        return self.builder.constant(number, TensorType(dtype))

    def size(self, dim: DimLike) -> Expr:
        """A size expression as an i64 scalar."""
        if isinstance(dim, int):
            return self.constant(dim, I64)
        return self.expr(self.emit("from_index", [self.emit("dim", [], {"dim": dim})]))

    # ---- sizes

    def holds(self, left: DimLike, relation: str, right: DimLike, reason: str) -> bool:
        """Whether a relation of sizes holds in this variant; it may become a guard."""
        return self.assumptions.holds(left, relation, right, reason, self.location())

    def pin(self, dim: DimLike, reason: str) -> int:
        """Fix a size to its present value."""
        return dim if isinstance(dim, int) else self.assumptions.pin(dim, reason, self.location())

    # ---- storages

    def new_storage(self, value: Value, name: str = "") -> Storage:
        """Fresh memory that holds `value`."""
        assert isinstance(value.type, TensorType)
        return Storage(value, row_major(value.type.shape), name=name, depth=len(self.frames))

    def current_value(self, storage: Storage) -> Value:
        """The value of a storage in the innermost region."""
        self._touch(storage, len(self.frames) - 1)
        return storage.value

    def set_value(self, storage: Storage, value: Value) -> None:
        """Write a whole storage."""
        self._touch(storage, len(self.frames) - 1)
        storage.value = value
        storage.version += 1

    def _touch(self, storage: Storage, number: int) -> None:
        """Note the value that `storage` has on entry to each open region younger than it, outer ones first."""
        frame = self.frames[number]
        if storage.depth > number or storage in frame.before:
            return
        self._touch(storage, number - 1)
        frame.before[storage] = storage.value
        if frame.repeats:
            storage.value = frame.start[storage] = Value(storage.type, frame.region, -1, storage.name)
            storage.version += 1

    # ---- calls

    def call(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Apply a NumPy function that the table knows; raises UnsupportedError for others."""
        return self._call(self, fn, *args, **kwargs)

    def refuse(self, sentence: str, fix: str, code: str = "E050") -> UnsupportedError:
        """The error for something not supported, at the user's line."""
        return UnsupportedError(sentence, code=code, location=self.location(), fix=fix)


def _refuse_array(array: Any) -> Any:
    raise TypeError("an array of unknown origin")


def _is_library(module: str) -> bool:
    return module.partition(".")[0] in LIBRARIES
