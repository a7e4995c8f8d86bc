"""Whether a kernel reads an operand only where it writes, so that both may be one memory. For `bufferize`."""

from weft.compiler.passes.rules import shape_of
from weft.ir import Op, Region, TensorType, Value, record
from weft.ir.opdef import Scalar
from weft.ir.rules import tensor_operand
from weft.ir.walk import uses


def reads_in_step(fusion: Op, param: Value, root: Value) -> bool:
    """Whether every read of `param` is of the very element being written to `root`, and by its own loop."""
    region = fusion.regions[0]
    if fusion.attributes["schedule"] == "dot":
        return param not in uses(region) or _ends_a_product(region, param, root)
    if fusion.attributes["schedule"] != "pointwise":
        return param not in uses(region)
    if not isinstance(param.type, TensorType) or any(
        v.type != root.type and v is not root for v in region.terminator.operands
    ):
        return False
    if not isinstance(root.type, TensorType) or root.type.shape != param.type.shape:
        return False
    return all(_is_direct(op) for op, _ in uses(region).get(param, [])) and all(
        _is_direct(op) for op in region.ops if op.name != "constant" and not _is_number(op)
    )


def _ends_a_product(region: Region, param: Value, root: Value) -> bool:
    """Whether only elementwise ops behind the product of a kernel read `param`.

    They run where an element of the product is known, once for each.
    """
    (product,) = (op for op in region.ops if op.name == "dot")
    results = region.terminator.operands
    if any(shape_of(v) != shape_of(product.result) for v in (param, root, *results)):
        return False
    reads = {param}
    for op in region.ops[:-1]:
        if not reads.isdisjoint(op.operands):
            if op is product or not isinstance(record(op).form, Scalar):
                return False
            reads.update(op.results)
    return True


def _is_direct(op: Op) -> bool:
    """Whether the op reads its operands at the index of its result."""
    return op.name == "return" or isinstance(record(op).form, Scalar)


def _is_number(op: Op) -> bool:
    """A broadcast of something that is not the whole: it reads other memory."""
    return op.name in ("broadcast", "iota", "reshape") and isinstance(
        op.operands[0].type if op.operands else None, TensorType | None
    )


def reads_only_written(region: Region, old: Value, update: Op) -> bool:
    """Whether a kernel reads the updated value only at the elements it writes: by a slice of that place."""
    for op, number in uses(region).get(old, []):
        if op is update and number == 0:
            continue
        same_place = op.name == "slice" and all(
            op.attributes[k] == update.attributes.get(k) for k in ("start", "step")
        )
        if not same_place or op.result.type != update.operands[1].type:
            return False
        is_one = all(
            d == 1 for d in tensor_operand([op.result.type]).shape
        )  # which is read before it is written
        if not is_one and not _stays_in_step(region, op.result, update.operands[1]):
            return False
    return True


def _stays_in_step(region: Region, value: Value, target: Value) -> bool:
    """Whether `value` reaches `target` through elementwise ops alone."""
    if value is target:
        return True
    readers = uses(region).get(value, [])
    return all(
        isinstance(record(op).form, Scalar) and _stays_in_step(region, op.result, target) for op, _ in readers
    )
