"""The cost of kernels, from types alone: arithmetic and bytes moved, as numbers or expressions in symbols.

Bytes count each operand that a kernel reads and each result that it writes once; what a kernel keeps in
registers or reads again costs nothing here. Not here: cost models that decide (`passes/fuse.py`), measured
times.
"""

from collections.abc import Sequence
from typing import cast

from weft.ir import Func, Location, Op, TensorType, Value, record
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, product
from weft.ir.opdef import Combine
from weft.ir.walk import walk

_QUIET = frozenset(
    {"constant", "broadcast", "reshape", "transpose", "slice", "return", "dim", "from_index", "cast"}
)


@dataclass(frozen=True, slots=True)
class KernelCost:
    """One kernel: the ops in it, what it computes and moves, and the user's lines that it comes from."""

    name: str
    ops: tuple[str, ...]
    flops: DimLike
    bytes_read: DimLike
    bytes_written: DimLike
    source: tuple[Location, ...]


def kernel_name(fusion: Op, taken: dict[str, int]) -> str:
    """A name that tells what a kernel computes: its schedule and its last ops; `taken` counts the names."""
    words = [o.name for o in fusion.regions[0].ops[:-1] if o.name not in ("constant", "broadcast", "reshape")]
    base = "_".join([str(fusion.attributes["schedule"]), *words[-3:]])
    taken[base] = taken.get(base, 0) + 1
    return base if taken[base] == 1 else f"{base}_{taken[base]}"


def kernel_costs(buffers: Func, loops: Func) -> list[KernelCost]:
    """The kernels of a program, from its forms at stage "buffers" and "loops"."""
    taken: dict[str, int] = {}
    fusions = [op for op in walk(buffers) if op.name == "fusion"]
    costs = [fusion_cost(fusion, kernel_name(fusion, taken)) for fusion in fusions]
    by_name = {cost.name: cost for cost in costs}
    kernels = [op for op in walk(loops) if op.name == "kernel"]
    parts = [cast("tuple[str, ...]", op.attributes.get("parts", (op.attributes["name"],))) for op in kernels]
    if {name for names in parts for name in names} != by_name.keys():  # some became part of loops
        return costs
    return [
        _together(str(op.attributes["name"]), [by_name[name] for name in names])
        for op, names in zip(kernels, parts, strict=True)
    ]


def _together(name: str, costs: Sequence[KernelCost]) -> KernelCost:
    """The cost of one kernel that does the work of several."""
    flops: DimLike = 0
    read: DimLike = 0
    written: DimLike = 0
    for cost in costs:
        flops, read, written = flops + cost.flops, read + cost.bytes_read, written + cost.bytes_written
    source = tuple(dict.fromkeys(place for cost in costs for place in cost.source))
    return KernelCost(name, tuple(op for cost in costs for op in cost.ops), flops, read, written, source)


def fusion_cost(fusion: Op, name: str) -> KernelCost:
    """The cost of one fusion."""
    region = fusion.regions[0]
    ops = region.ops[:-1]
    shown = tuple(op.name for op in ops if op.name not in _QUIET) or tuple(op.name for op in ops)
    flops: DimLike = 0
    for op in ops:
        flops = flops + op_flops(op)
    read: DimLike = 0
    for param in region.params:
        read = read + _bytes_read(param, ops)
    written: DimLike = 0
    partial = fusion.attributes.get("in_place", ())
    assert isinstance(partial, tuple)
    for number, value in enumerate(region.terminator.operands):
        changed = (
            value.op.operands[1]
            if number in partial and value.op is not None and value.op.name == "update"
            else value
        )
        written = written + size_bytes(changed)
    return KernelCost(name, shown, flops, read, written, fusion.locations)


def size_bytes(value: Value) -> DimLike:
    """The bytes of a tensor, 0 for what is none."""
    ty = value.type
    return product(ty.shape) * ty.dtype.size_bytes if isinstance(ty, TensorType) else 0


def op_flops(op: Op) -> DimLike:
    """Operations of one op: per result element, or per element reduced; of a product, both kinds."""
    if op.name in _QUIET or not op.results or not isinstance(op.results[0].type, TensorType):
        return 0
    shape = op.results[0].type.shape
    if op.name == "dot":
        left, right = op.operands[0].type, op.operands[1].type
        assert isinstance(left, TensorType)
        assert isinstance(right, TensorType)
        return 2 * product(shape) * left.shape[-1]
    rules = record(op)
    if isinstance(rules.form, Combine) and isinstance(op.operands[0].type, TensorType):
        shape = op.operands[0].type.shape
    return product(shape) * int(rules.flops)


def _bytes_read(param: Value, ops: Sequence[Op]) -> DimLike:
    """Bytes of an operand that are read: of the slices alone if nothing reads the whole."""
    readers = [op for op in ops if param in op.operands]
    if readers and all(op.name == "slice" for op in readers):
        total: DimLike = 0
        for op in readers:
            total = total + size_bytes(op.results[0])
        whole = size_bytes(param)
        return min(total, whole) if isinstance(total, int) and isinstance(whole, int) else whole
    if readers and all(op.name == "update" and op.operands[0] is param for op in readers):
        return 0
    return size_bytes(param)
