"""Ways through a program: every op, the uses of a value, the values that a region takes from around it.

Nothing here changes a program (that is `rewrite.py`), and all of it is linear in the number of ops.
"""

from collections.abc import Iterator

from weft.ir.dims import Dim, DimLike, Symbol, as_symbol
from weft.ir.node import Attribute, Func, Op, Region, Value
from weft.ir.opdef import REGISTRY
from weft.ir.types import IndexType, TokenType, Type, VectorType

Use = tuple[Op, int]
"""An op and the number of the operand by which it uses a value."""


def walk(where: Func | Region) -> Iterator[Op]:
    """Every op in program order, an op before the ops of its regions."""
    waiting = [iter((where.body if isinstance(where, Func) else where).ops)]
    while waiting:  # one generator, not one for each level: every op would pass through all of them
        for op in waiting[-1]:
            yield op
            if op.regions:
                waiting += [iter(region.ops) for region in reversed(op.regions)]
                break
        else:
            waiting.pop()


def walk_regions(where: Func | Region) -> Iterator[Region]:
    """Every region, an outer one before those in it."""
    region = where.body if isinstance(where, Func) else where
    yield region
    for op in region.ops:
        for inner in op.regions:
            yield from walk_regions(inner)


def values_of(where: Func | Region) -> Iterator[Value]:
    """Every value that is defined in it, parameters before results."""
    for region in walk_regions(where):
        yield from region.params
        for op in region.ops:
            yield from op.results


def uses(where: Func | Region) -> dict[Value, list[Use]]:
    """The uses of each value that has some, in program order, those in nested regions included."""
    found: dict[Value, list[Use]] = {}
    for op in walk(where):
        for number, value in enumerate(op.operands):
            found.setdefault(value, []).append((op, number))
    return found


def free_values(region: Region) -> list[Value]:
    """The values that `region` and the regions in it use and do not define, in order of first use."""
    defined = set(values_of(region))
    free = {v: None for op in walk(region) for v in op.operands if v not in defined}
    return list(free)


def has_effect(op: Op) -> bool:
    """Whether `op` or an op in its regions must stay even if no one uses its results; a load need not."""
    record = REGISTRY[op.name]
    can_fail = record.has("can_fail") and not op.attributes.get("checked")  # its indices were, before
    if record.has("effect") or can_fail or (record.has("memory") and not op.results):
        return True
    return any(
        has_effect(inner)
        for region in op.regions
        for inner in reversed(region.ops)  # what is stored is stored last
        if not REGISTRY[inner.name].has("terminator")
    )


def calls_python(op: Op) -> bool:
    """Whether `op` or an op in its regions calls a Python function, which sees what ran before."""
    return op.name == "callback" or any(inner.name == "callback" for r in op.regions for inner in walk(r))


def bound_symbol(value: Value) -> Symbol | None:
    """The symbol that a value of type `index(symbol)` stands for."""
    return as_symbol(value.type.dim) if isinstance(value.type, IndexType) else None


def dims_of_type(ty: Type) -> tuple[DimLike, ...]:
    """The sizes and expressions in a type."""
    if isinstance(ty, IndexType):
        return (ty.dim,)
    return () if isinstance(ty, VectorType | TokenType) else ty.shape


def dims_of_attribute(attribute: "Attribute | Type") -> Iterator[DimLike]:
    """The symbolic expressions in an attribute; numbers are left out."""
    if isinstance(attribute, tuple):
        for item in attribute:
            yield from dims_of_attribute(item)
    elif isinstance(attribute, Type):
        yield from dims_of_type(attribute)
    elif isinstance(attribute, Dim):
        yield attribute
