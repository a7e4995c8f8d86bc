"""Facts about a compiled program for people: its graph, why kernels are apart, which copies were placed.

Read off the program after the passes that decided; the passes themselves keep no record. Not here: dumps
(`dump.py`).
"""

from collections.abc import Sequence

from weft.compiler.cost import KernelCost
from weft.compiler.frontend.entry import Traced
from weft.compiler.frontend.source import UserValue
from weft.compiler.passes.fuse import MAX_OPS
from weft.ir import Func, Op, Value
from weft.ir.text import show
from weft.ir.walk import walk


def kernels_apart(fused: Func, costs: Sequence[KernelCost]) -> list[str]:
    """For each kernel that reads what another one wrote: why they are not one."""
    fusions = [op for op in walk(fused) if op.name == "fusion"]
    names = {op: cost.name for op, cost in zip(fusions, costs, strict=False)}
    found: list[str] = []
    for op in fusions:
        makers = dict.fromkeys(v.op for v in op.operands if v.op is not None)
        for maker in makers:
            if maker.name == "fusion":
                found.append(
                    f"{names.get(maker, 'a kernel')} and {names.get(op, 'a kernel')}: {_reason(maker, op)}"
                )
    return found


def _reason(maker: Op, reader: Op) -> str:
    """Why a kernel was not fused into the one that reads it."""
    first, second = maker.attributes["schedule"], reader.attributes["schedule"]
    if len(maker.regions[0].ops) + len(reader.regions[0].ops) > MAX_OPS:
        return f"together they would have more than {MAX_OPS} ops"
    shared = [v for v in reader.operands if v.op is maker]
    inner = [p for p, v in zip(reader.regions[0].params, reader.operands, strict=True) if v in shared]
    users = {op.name for op in reader.regions[0].ops for p in inner if p in op.operands}
    if "gather" in users or "scatter" in users:
        return "elements are read in an order known at run time alone, so all of them must be there before"
    if second == "dot":
        return "a matrix product reads its operands many times, so they are computed once, before it"
    if first == "dot":
        return "what follows a matrix product needs more than one element of it, or has another shape"
    if reader.attributes.get("in_place"):
        return "it is written in place, into memory that the first one reads"
    if {str(first), str(second)} == {"rows", "columns"}:
        return "they reduce over different axes"
    if first in ("rows", "columns"):
        return f"the first is complete only at its end, and the second does not loop over the same {first}"
    if any(op.name == "broadcast" for op in reader.regions[0].ops) and "broadcast" in users:
        return "the first would be computed again for each element that it is broadcast to"
    return "it is read in more than one place and they loop over different indices: computed once"


def copies(buffers: Func) -> list[str]:
    """The copies that bufferization placed: what would be overwritten, and where."""
    found: list[str] = []
    for op in walk(buffers):
        if op.name == "copy":
            where = str(op.locations[0]) if op.locations else "at the end of the function"
            source, target = (_name(v) for v in op.operands[:2])
            found.append(
                f"{source} to {target}, {where}: its memory is written while the old content is still needed"
            )
    return found


def _name(value: Value) -> str:
    if value.name:
        return {"a": f"argument {value.name[1:]}", "r": f"result {value.name[1:]}"}.get(
            value.name[:1], value.name
        )
    return f"a temporary {value.type}"


def graph_of(fn: Func, traced: Traced | None = None) -> UserValue:
    """Values and ops as a networkx DiGraph.

    Nodes have `kind` ("value" or "op"), `label`, `line` and `device`; values also `type`, ops `op` and
    `attributes`.
    """
    import networkx

    graph = networkx.DiGraph(name=fn.name)
    names: dict[Value, str] = {}
    lines = show(fn).splitlines()

    def add_value(value: Value, label: str, line: str) -> str:
        if value not in names:
            names[value] = f"%{len(names)}"
            size = str(value.type)
            graph.add_node(
                names[value], kind="value", label=label or names[value], type=size, line=line, device="cpu"
            )
        return names[value]

    for number, param in enumerate(fn.params):
        source = (
            str(traced.parameters[number].source)
            if traced is not None and number < len(traced.parameters)
            else param.name
        )
        add_value(param, source, "")
    for number, op in enumerate(walk(fn)):
        line = str(op.locations[0]) if op.locations else ""
        node = f"{op.name}#{number}"
        graph.add_node(
            node,
            kind="op",
            label=op.name,
            op=op.name,
            attributes=dict(op.attributes),
            line=line,
            device="cpu",
        )
        for operand in op.operands:
            graph.add_edge(add_value(operand, operand.name, line), node)
        for result in op.results:
            graph.add_edge(node, add_value(result, result.name, line))
    graph.graph["text"] = "\n".join(lines)
    return graph
