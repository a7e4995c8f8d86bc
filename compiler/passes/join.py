"""The pass `join`: independent elementwise kernels become one, whose work one parallel loop shares out.

As those that change an optimizer's variables, one for each. Loop level to loop level. A kernel waits for
others behind it as long as nothing between them touches its memory, fails or has an effect, and little memory
is kept for it. Parts that no thread shares are one index of the loop each, those with a parallel loop bring
its indices. Not here: ops that share a kernel because one needs the other, or both read the same (`fuse.py`).
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from weft.ir import BufferType, Builder, Expr, Func, Op, Region, Value
from weft.ir.dims import decide
from weft.ir.rewrite import Cloner, renewed
from weft.ir.walk import free_values, has_effect, walk

MAX_OPS = 4000  # of one kernel: LLVM takes more than linear time for a function
KEPT_BYTES = 1 << 20  # of memory that waiting kernels read and the caller does not own
SERIAL_BYTES = 1 << 20  # less is done by one thread before another is awake


def join(fn: Func) -> Func:
    """The program with independent elementwise kernels as one."""
    kernels = [op for op in fn.body.ops if _is_candidate(op)]
    if len(kernels) < 2:
        return fn
    known = {*fn.body.params, *(op.result for op in fn.body.ops if op.name == "alloc")}
    body, waiting = renewed(fn.body), _Waiting(known)
    for op in fn.body.ops:
        if _is_candidate(op) and known.issuperset(_memory(op)):
            if not waiting.takes(op):
                waiting.write(body)
            waiting.add(op)
            continue
        if waiting.kernels and not waiting.lets_pass(op):
            waiting.write(body)
        body.ops.append(op)
    return replace(fn, body=body, symbols=dict(fn.symbols))


def _is_candidate(op: Op) -> bool:
    return (
        op.name == "kernel"
        and str(op.attributes["name"]).startswith("pointwise")
        and not any(inner.name in ("alloc", "fail_if", "callback", "while") for inner in walk(op.regions[0]))
    )


def _memory(op: Op) -> set[Value]:
    """The buffers that an op, or the ops in it, name."""
    values = [*op.operands, *(v for region in op.regions for v in free_values(region))]
    return {v for v in values if isinstance(v.type, BufferType)}


def _written(op: Op) -> set[Value]:
    """Those that may be written."""
    ops = [op, *(inner for region in op.regions for inner in walk(region))]
    return {v for one in ops if one.name != "load" for v in one.operands if isinstance(v.type, BufferType)}


class _Waiting:
    """Kernels that become one. `known` is memory that has one name only."""

    def __init__(self, known: set[Value]) -> None:
        self.known = known
        self.kernels: list[Op] = []
        self.read: set[Value] = set()
        self.written: set[Value] = set()
        self.ops = 0

    def add(self, op: Op) -> None:
        self.kernels.append(op)
        self.read |= _memory(op)
        self.written |= _written(op)
        self.ops += sum(1 for _ in walk(op.regions[0]))

    def _is_apart(self, op: Op) -> bool:
        """Whether an op may run before or after these."""
        return self.written.isdisjoint(_memory(op)) and self.read.isdisjoint(_written(op))

    def takes(self, op: Op) -> bool:
        """Whether a kernel may be one of them."""
        return self._is_apart(op) and self.ops + sum(1 for _ in walk(op.regions[0])) <= MAX_OPS

    def lets_pass(self, op: Op) -> bool:
        """Whether an op may run before them though it comes after them."""
        if not op.regions and not _memory(op):
            return op.name != "return" and (op.name == "alloc" or not has_effect(op))
        fails = any(inner.name in ("fail_if", "callback") for r in op.regions for inner in walk(r))
        if op.name != "kernel" or fails or not self.known.issuperset(_memory(op)):
            return False
        return self._is_apart(op) and self._bytes(self.read - self.written) <= KEPT_BYTES

    @staticmethod
    def _bytes(buffers: set[Value]) -> int:
        """The bytes of memory that is only there between kernels; one of unknown size is large."""
        total = 0
        for value in buffers:
            ty = value.type
            if value.op is not None and isinstance(ty, BufferType):
                size = ty.size * ty.dtype.size_bytes
                total += size if isinstance(size, int) else KEPT_BYTES + 1
        return total

    def write(self, body: Region) -> None:
        """Write them, as one kernel if there are several."""
        if len(self.kernels) < 2:
            body.ops += self.kernels
        else:
            names = [str(op.attributes["name"]) for op in self.kernels]
            locations = tuple(dict.fromkeys(place for op in self.kernels for place in op.locations))
            region = Region()
            _write_parts(Cloner(), Builder(region, locations), self.kernels)
            name = f"{names[0]}_and_{len(names) - 1}"
            facts = {"name": name, "parts": tuple(names)}
            body.ops.append(Op("kernel", (), (), facts, [region], locations))
        self.kernels, self.read, self.written, self.ops = [], set(), set(), 0


def _write_parts(cloner: Cloner, builder: Builder, kernels: Sequence[Op]) -> None:
    """Their loops; those with one parallel loop, and others if there is much to do, share one."""
    loops = [_parallel_loop(op) for op in kernels]
    memory = set[Value]().union(*map(_memory, kernels))
    total = sum((b.type.size * b.type.dtype.size_bytes for b in memory if isinstance(b.type, BufferType)), 0)
    if not any(loops) and decide(total, "<=", SERIAL_BYTES) is not False:
        for op in kernels:
            cloner.ops(op.regions[0], builder, terminator=False)
        builder.emit("yield")
        return
    counts: list[Expr] = []
    for op, loop in zip(kernels, loops, strict=True):
        for inner in op.regions[0].ops if loop else ():
            if inner is loop:
                break
            cloner.op(builder, inner)
        counts.append(builder.expr(cloner.value(loop.operands[1])) if loop else builder.index(1))
    starts = list(accumulate(counts, initial=builder.index(0)))

    def task(inside: Builder, index: Expr, low: int, high: int) -> Sequence[Expr]:
        """The work at an index of the parts from `low` up to `high`."""
        if high - low > 1:
            middle = (low + high) // 2
            first = index.lt(inside.expr(starts[middle].value))
            inside.branch(
                first,
                lambda side: task(side, side.expr(index.value), low, middle),
                lambda side: task(side, side.expr(index.value), middle, high),
            )
            return []
        loop = loops[low]
        if loop is not None:
            own = index - inside.expr(starts[low].value)
            cloner.values[loop.regions[0].params[0]] = own.value
        cloner.ops((loop or kernels[low]).regions[0], inside, terminator=False)
        return []

    builder.loop(
        builder.index(0), starts[-1], 1, [],
        lambda inside, index, _carried: task(inside, index, 0, len(kernels)), kind="parallel",
    )  # fmt: skip
    builder.emit("yield")


def _parallel_loop(kernel: Op) -> Op | None:
    """The one parallel loop of a kernel that has nothing else but numbers before it."""
    ops = kernel.regions[0].ops[:-1]
    if not ops or ops[-1].name != "for" or ops[-1].attributes["kind"] != "parallel" or ops[-1].results:
        return None
    if any(op.regions or any(isinstance(v.type, BufferType) for v in op.operands) for op in ops[:-1]):
        return None
    return ops[-1]
