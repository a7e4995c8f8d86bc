"""What the rules of several operations read: attributes of a kind, types of operands, places along an axis.

Modules of operations do not import one another; what two of them need is here. Not here: the records
(`ops/`).
"""

from collections.abc import Sequence

from weft.ir.dims import DimLike
from weft.ir.errors import ShapeError
from weft.ir.expr import Expr
from weft.ir.node import Attributes, Value
from weft.ir.types import I64, TensorType, Type


def axis_of(attributes: Attributes) -> int:
    """The axis that is reduced, scanned or sorted along, never negative."""
    return integer_attribute(attributes, "axis")


def integer_attribute(attributes: Attributes, name: str) -> int:
    """A plain int."""
    value = attributes[name]
    assert isinstance(value, int)
    return value


def shape_attribute(attributes: Attributes, name: str) -> tuple[DimLike, ...]:
    """A tuple of sizes."""
    value = attributes[name]
    assert isinstance(value, tuple)
    return value  # pyright: ignore[reportReturnType] -- `name` holds sizes


def axes_attribute(attributes: Attributes, name: str = "axes") -> tuple[int, ...]:
    """A tuple of ints."""
    value = attributes[name]
    assert isinstance(value, tuple)
    return value  # pyright: ignore[reportReturnType] -- `name` holds ints


def tensor_operand(types: Sequence[Type], number: int = 0) -> TensorType:
    """The type of an operand that must be a tensor."""
    ty = types[number]
    if not isinstance(ty, TensorType):
        raise ShapeError(f"expected a tensor, got {ty}")
    return ty


def places_along(like: Expr, axis: int, along: Value) -> list[Value]:
    """Index arrays for each axis of `like`: positions on `axis` are `along`, on others the place itself."""
    builder, ty = like.builder, tensor_operand([like.value.type])
    found: list[Value] = []
    for k, size in enumerate(ty.shape):
        if k == axis:
            found.append(along)
            continue
        line = builder.expr(builder.emit("iota", [], {"size": size, "dtype": I64}).result)
        line = builder.reshape(line, (size, *(1,) * (ty.rank - 1 - k)))
        found.append(builder.broadcast(line, tensor_operand([along.type]).shape).value)
    return found
