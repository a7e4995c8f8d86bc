"""`Builder`: appends ops to a region, inferring result types from the records.

Not here: rewriting (`rewrite.py`).
"""

from collections.abc import Callable, Sequence

import numpy as np

from weft.ir import opdef
from weft.ir.dims import DimLike
from weft.ir.expr import Expr, Number
from weft.ir.node import Attributes, Op, Region, Value
from weft.ir.source import Location
from weft.ir.types import INDEX, DType, TensorType, Type, VectorType


class Builder:
    """Writes ops at the end of `region`; new ops get `locations`.

    `outer` writes the region around it, if its index arithmetic may be used here.
    """

    def __init__(
        self, region: Region, locations: tuple[Location, ...] = (), outer: "Builder | None" = None
    ) -> None:
        self.region = region
        self.locations = locations
        self._outer = outer
        self._indices: dict[tuple[object, ...], Value] = {}

    def emit(
        self,
        name: str,
        operands: Sequence[Value] = (),
        attributes: Attributes | None = None,
        regions: Sequence[Region] = (),
    ) -> Op:
        """Append the op; its record gives the result types."""
        attributes = attributes or {}
        types = opdef.REGISTRY[name].infer([v.type for v in operands], attributes, regions)
        op = Op(name, operands, types, attributes, regions, self.locations)
        self.region.ops.append(op)
        return op

    def expr(self, value: Value) -> Expr:
        """A handle that continues here."""
        return Expr(self, value)  # pyright: ignore[reportArgumentType] -- the checker sees this class twice

    def inside(self, region: Region, outer: "Builder | None" = None) -> "Builder":
        """A builder of a nested region, which may use index arithmetic of `outer`."""
        return Builder(region, self.locations, outer)

    # ---- constants

    def constant(self, value: "np.ndarray | Number", type: Type) -> Expr:
        """A compile-time value: an array of a tensor type, or one number in all lanes of a vector."""
        if type == INDEX and value.__class__ is int:
            return self.index(value)  # pyright: ignore[reportArgumentType] -- an int
        return self.expr(self.emit("constant", (), {"value": value, "type": type}).result)

    def full_like(self, like: TensorType | VectorType, number: Number, dtype: DType) -> Expr:
        """One number everywhere."""
        if isinstance(like, VectorType):
            return self.constant(number, VectorType(dtype, like.lanes))
        scalar = self.constant(number, TensorType(dtype, ()))
        return scalar if not like.shape else self.broadcast(scalar, like.shape)

    # ---- tensor level

    def broadcast(self, value: Expr, shape: Sequence[DimLike]) -> Expr:
        """NumPy's broadcast to `shape`; no op if it has that shape."""
        shape = tuple(shape)
        if isinstance(value.type, TensorType) and value.type.shape == shape:
            return value
        return self.expr(self.emit("broadcast", [value.value], {"shape": shape}).result)

    def reshape(self, value: Expr, shape: Sequence[DimLike]) -> Expr:
        """The same elements in row-major order; no op if it has that shape."""
        shape = tuple(shape)
        if isinstance(value.type, TensorType) and value.type.shape == shape:
            return value
        return self.expr(self.emit("reshape", [value.value], {"shape": shape}).result)

    # ---- loop level

    def index(self, number: int) -> Expr:
        """An i64 scalar; the same one for the same number."""
        found = self._index("constant", number)
        if found is None:
            found = self.emit("constant", (), {"value": number, "type": INDEX}).result
            self._indices["constant", number] = found
        return self.expr(found)

    def arithmetic(self, name: str, operands: Sequence[Value]) -> Value:
        """An op on i64 scalars; the same one for the same operands."""
        found = self._index(name, *operands)
        if found is None:
            found = self._indices[name, *operands] = self.emit(name, operands).result
        return found

    def _index(self, *key: object) -> Value | None:
        builder: Builder | None = self
        while builder is not None:
            if key in builder._indices:
                return builder._indices[key]
            builder = builder._outer
        return None

    def loop(
        self,
        lower: Expr,
        upper: Expr,
        step: int,
        initial: Sequence[Expr],
        body: "Callable[[Builder, Expr, Sequence[Expr]], Sequence[Expr]]",
        *,
        kind: str = "serial",
        attributes: Attributes | None = None,
    ) -> list[Expr]:
        """A loop-level `for`: `body(builder, index, carried)` gives the next carried values."""
        types = [e.value.type for e in initial]
        region = Region([INDEX, *types])
        # the body of a parallel loop becomes a function, to which all it uses of others is handed
        inner = self.inside(region, outer=None if kind == "parallel" else self)
        params = [inner.expr(p) for p in region.params]
        results = body(inner, params[0], params[1:])
        inner.emit("yield", [r.value for r in results])
        facts = {"kind": kind, **(attributes or {})}
        operands = [lower.value, upper.value, self.index(step).value, *(e.value for e in initial)]
        op = self.emit("for", operands, facts, [region])
        return [self.expr(r) for r in op.results]

    def branch(
        self,
        condition: Expr,
        then: "Callable[[Builder], Sequence[Expr]]",
        otherwise: "Callable[[Builder], Sequence[Expr]]",
        attributes: Attributes | None = None,
    ) -> list[Expr]:
        """An `if` on a scalar bool; attribute `rare` says that it hardly ever holds.

        Both sides are written even if the condition is known: a schedule learns from them what is read.
        """
        regions: list[Region] = []
        for side in (then, otherwise):
            region = Region()
            inner = self.inside(region, outer=self)
            inner.emit("yield", [e.value for e in side(inner)])
            regions.append(region)
        return [self.expr(r) for r in self.emit("if", [condition.value], attributes or {}, regions).results]
