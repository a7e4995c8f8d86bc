"""The pass `promote_scalars`: in programs with loops, rank-0 buffers become values that regions carry.

Loop level to loop level, before math is expanded. Kernels without loops inside are dissolved into the region
around them, so that a loop nest of scalar statements is one piece of code whose variables are registers. A
kernel with loops that writes such a buffer gets one of its own, read after it. Programs without loops between
kernels stay as they are. Not here: which statements share a kernel (`fuse.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from weft.ir import BufferType, Builder, Func, Op, Region, Type, Value, VectorType
from weft.ir.rewrite import renewed, uses_any
from weft.ir.walk import Use, uses, walk

_LOOPS = ("for", "while")
_PARTS = ("load", "store", "copy", "for", "while", "if", "yield", "kernel", "callback")


def promote_scalars(fn: Func) -> Func:
    """The program with scalars in registers."""
    if not any(op.name in _LOOPS for op in outside_kernels(fn.body)):
        return fn
    return _Promotion(fn).run()


def outside_kernels(region: Region) -> Iterable[Op]:
    """Every op but those in kernels, one before the ops of its regions."""
    for op in region.ops:
        yield op
        if op.name != "kernel":
            for inner in op.regions:
                yield from outside_kernels(inner)


def _is_scalar(value: Value) -> bool:
    return isinstance(value.type, BufferType) and value.type.shape == () and not value.type.strided


def _is_memory(value: Value) -> bool:
    return isinstance(value.type, BufferType) and not _is_scalar(value)


def _is_single(value: Value, found: Mapping[Value, Sequence[Use]]) -> bool:
    """Whether memory has one element, which only scalar accesses reach."""
    ty = value.type
    if not isinstance(ty, BufferType) or ty.strided or any(d != 1 for d in ty.shape):
        return False
    for op, _ in found.get(value, ()):
        lanes = [v.type.lanes for v in (*op.results, *op.operands) if isinstance(v.type, VectorType)]
        if op.name not in ("load", "store") or max(lanes) > 1 or len(op.operands) > (2 if op.results else 3):
            return False
    return True


def _lane(value: Value) -> VectorType:
    assert isinstance(value.type, BufferType)
    return VectorType(value.type.dtype)


class _Promotion:
    """Rewrites one program. `contents` holds what each promoted buffer contains where rewriting stands."""

    def __init__(self, fn: Func) -> None:
        self.fn = fn
        self.values: dict[Value, Value] = {}
        self.contents: dict[Value, Value] = {}
        refused = {v for op in walk(fn) if op.name not in _PARTS for v in op.operands}
        uses_of = uses(fn)
        self.promoted = {
            op.result
            for op in outside_kernels(fn.body)
            if op.name == "alloc"
            and (_is_scalar(op.result) or _is_single(op.result, uses_of))
            and op.result not in refused
        }
        for op in outside_kernels(fn.body):
            if op.name in _LOOPS:
                params = [p for region in op.regions for p in region.params]
                self.promoted.update(p for p in (*params, *op.results) if _is_scalar(p))

    def run(self) -> Func:
        """The new program."""
        old = self.fn.body
        body = renewed(old)
        self.region(old, Builder(body))
        return replace(self.fn, body=body, symbols=dict(self.fn.symbols))

    def region(self, old: Region, builder: Builder) -> None:
        """Write the ops of a region."""
        for op in old.ops:
            builder.locations = op.locations
            self.op(builder, op)

    def op(self, builder: Builder, op: Op) -> None:
        """Write one op outside of kernels."""
        match op.name:
            case "alloc" if op.result in self.promoted:
                self.contents[op.result] = _zero(builder, op.result)
            case "load" if op.operands[0] in self.promoted:
                self.values[op.result] = self.contents[op.operands[0]]
            case "store" if op.operands[1] in self.promoted:
                self.contents[op.operands[1]] = self.value(op.operands[0])
            case "copy" if op.operands[0] in self.promoted or op.operands[1] in self.promoted:
                self.write(builder, op.operands[1], self.read(builder, op.operands[0]))
            case "kernel":
                self.kernel(builder, op)
            case "callback":
                self.callback(builder, op)
            case "if":
                self.branch(builder, op)
            case "for" | "while":
                self.loop(builder, op)
            case _:
                self.copy(builder, op)

    def value(self, old: Value) -> Value:
        """The new value for an old one that is no promoted buffer."""
        return self.values.get(old, old)

    def read(self, builder: Builder, buffer: Value) -> Value:
        """The content of a rank-0 buffer."""
        if buffer in self.promoted:
            return self.contents[buffer]
        return builder.emit("load", [self.value(buffer), builder.index(0).value]).result

    def write(self, builder: Builder, buffer: Value, content: Value) -> None:
        """Replace the content of a rank-0 buffer."""
        if buffer in self.promoted:
            self.contents[buffer] = content
        else:
            builder.emit("store", [content, self.value(buffer), builder.index(0).value])

    def copy(self, builder: Builder, op: Op) -> None:
        """An op that stays as it is, its regions copied if something in them is another value now."""
        if not uses_any(op, self.values) and not uses_any(op, self.promoted):
            builder.region.ops.append(op)
            return
        regions: list[Region] = []
        for old in op.regions:
            new = Region([p.type for p in old.params], [p.name for p in old.params])
            self.values.update(zip(old.params, new.params, strict=True))
            self.region_inside(old, Builder(new))
            regions.append(new)
        operands = [self.value(v) for v in op.operands]
        new_op = Op(op.name, operands, [r.type for r in op.results], op.attributes, regions, op.locations)
        builder.region.ops.append(new_op)
        self.values.update(zip(op.results, new_op.results, strict=True))

    # ---------------------------------------------------------------- kernels

    def region_inside(self, old: Region, builder: Builder) -> None:
        """Write the ops of a region of a kernel, where promoted buffers are only read."""
        for op in old.ops:
            builder.locations = op.locations
            if op.name == "load" and op.operands[0] in self.promoted:
                self.values[op.result] = self.contents[op.operands[0]]
            else:
                self.copy(builder, op)

    def kernel(self, builder: Builder, op: Op) -> None:
        """A kernel without loops becomes its ops; another keeps to itself what it writes."""
        (region,) = op.regions
        if not op.operands and not any(inner.regions for inner in region.ops) and not _has_scratch(region):
            for inner in region.ops[:-1]:
                builder.locations = inner.locations
                self.op(builder, inner)
            return
        written = [b for b in dict.fromkeys(_stored(op.regions)) if b in self.promoted]
        saved = {b: self.contents[b] for b in written}
        for buffer in written:
            assert isinstance(buffer.type, BufferType)
            own = builder.emit("alloc", (), {"type": buffer.type}).result
            builder.emit("store", [saved[buffer], own, builder.index(0).value])
            self.values[buffer] = own
            self.promoted.discard(buffer)
        self.copy(builder, op)
        for buffer in written:
            self.promoted.add(buffer)
            own = self.values.pop(buffer)
            self.contents[buffer] = builder.emit("load", [own, builder.index(0).value]).result

    def callback(self, builder: Builder, op: Op) -> None:
        """Python reads and writes memory: a promoted buffer gets some for the time of the call."""
        written, own = set(_written_by(op)), dict[Value, Value]()
        for buffer in dict.fromkeys(v for v in op.operands if v in self.promoted):
            own[buffer] = builder.emit("alloc", (), {"type": buffer.type}).result  # pyright: ignore[reportArgumentType] -- a type
            if buffer not in written:
                builder.emit("store", [self.contents[buffer], own[buffer], builder.index(0).value])
        builder.emit("callback", [own.get(v) or self.value(v) for v in op.operands], op.attributes)
        for buffer in (b for b in own if b in written):
            self.contents[buffer] = builder.emit("load", [own[buffer], builder.index(0).value]).result

    # ---------------------------------------------------------------- structure

    def branch(self, builder: Builder, op: Op) -> None:
        """A branch also gives the contents that its regions change."""
        changed = self._changed(op)
        before = {b: self.contents[b] for b in changed}
        regions: list[Region] = []
        for old in op.regions:
            self.contents.update(before)
            new = Region()
            inside = Builder(new)
            self.region(_open(old), inside)
            ends = [self.value(v) for v in old.terminator.operands]
            inside.emit("yield", [*ends, *(self.contents[b] for b in changed)])
            regions.append(new)
        types = [*(r.type for r in op.results), *(_lane(b) for b in changed)]
        new_op = Op("if", [self.value(op.operands[0])], types, op.attributes, regions, op.locations)
        builder.region.ops.append(new_op)
        self.values.update(zip(op.results, new_op.results, strict=False))
        self.contents.update(zip(changed, new_op.results[len(op.results) :], strict=True))

    def loop(self, builder: Builder, op: Op) -> None:
        """A loop carries contents instead of rank-0 buffers, and those that its body changes from outside.

        A buffer that stays what it is in all iterations is not carried.
        """
        first = 3 if op.name == "for" else 0
        skip = 1 if op.name == "for" else 0
        changed = self._changed(op)
        ends = op.regions[-1].terminator.operands
        kept: list[int] = []
        initial: list[Value] = [self.value(v) for v in op.operands[:first]]
        for k, value in enumerate(op.operands[first:]):
            if ends[k] is op.regions[-1].params[k + skip] and _is_memory(value):
                same = [*(region.params[k + len(region.params) - len(ends)] for region in op.regions)]
                self.values.update((v, self.value(value)) for v in (*same, op.results[k]))
                continue
            kept.append(k)
            initial.append(self.read(builder, value) if _is_scalar(value) else self.value(value))
        initial += [self.contents[b] for b in changed]
        types = [v.type for v in initial[first:]]
        regions = [self._loop_body(op, old, kept, types, changed) for old in op.regions]
        new_op = Op(op.name, initial, types, op.attributes, regions, op.locations)
        builder.region.ops.append(new_op)
        for k, result in zip(kept, new_op.results, strict=False):
            old_result = op.results[k]
            (self.contents if old_result in self.promoted else self.values)[old_result] = result
            if _is_scalar(old_result) and ends[k] is op.regions[-1].params[k + skip]:  # it stays in place
                self.write(builder, op.operands[first + k], result)
        self.contents.update(zip(changed, new_op.results[len(kept) :], strict=True))

    def _loop_body(
        self, op: Op, old: Region, kept: Sequence[int], types: Sequence[Type], changed: Sequence[Value]
    ) -> Region:
        """A region of a loop that carries what is `kept` and the contents of what is `changed`."""
        skip = len(old.params) - len(op.results)
        new = Region([*(p.type for p in old.params[:skip]), *types], [p.name for p in old.params[:skip]])
        self.values.update(zip(old.params[:skip], new.params, strict=False))
        for k, fresh in zip(kept, new.params[skip:], strict=False):
            fresh.name = old.params[k + skip].name
            (self.contents if old.params[k + skip] in self.promoted else self.values)[
                old.params[k + skip]
            ] = fresh
        self.contents.update(zip(changed, new.params[skip + len(kept) :], strict=True))
        inside = Builder(new)
        self.region(_open(old), inside)
        if old is not op.regions[-1]:
            inside.emit("yield", [self.value(v) for v in old.terminator.operands])
            return new
        ends = [old.terminator.operands[k] for k in kept]
        last = [self.read(inside, v) if _is_scalar(v) else self.value(v) for v in ends]
        inside.emit("yield", [*last, *(self.contents[b] for b in changed)])
        return new

    def _changed(self, op: Op) -> list[Value]:
        """Promoted buffers from outside of `op` that are written inside of it."""
        inside = {v for region in op.regions for v in _defined(region)}
        return [
            b
            for b in dict.fromkeys(_stored(op.regions))
            if b in self.promoted and b not in inside and b in self.contents
        ]


def _stored(regions: Sequence[Region]) -> Iterable[Value]:
    """Buffers that are written, those that a loop carries in place among them."""
    for region in regions:
        for op in walk(region):
            if op.name in ("store", "copy", "scatter_lanes"):
                yield op.operands[1]
            elif op.name == "callback":
                yield from _written_by(op)
            elif op.name in _LOOPS:
                yield from _in_place(op).values()


def _written_by(op: Op) -> Sequence[Value]:
    """The buffers that a callback writes."""
    count, ranks = op.attributes["inputs"], op.attributes["ranks"]
    assert isinstance(count, int)
    assert isinstance(ranks, tuple)
    return op.operands[count : len(ranks)]


def _in_place(op: Op) -> dict[int, Value]:
    """The rank-0 buffers that a loop works in, by number of the result."""
    first, skip = (3, 1) if op.name == "for" else (0, 0)
    body = op.regions[-1]
    return {
        k: op.operands[first + k]
        for k, end in enumerate(body.terminator.operands)
        if _is_scalar(op.results[k]) and end is body.params[k + skip]
    }


def _defined(region: Region) -> Iterable[Value]:
    yield from region.params
    for op in region.ops:
        yield from op.results
        for inner in op.regions:
            yield from _defined(inner)


def _has_scratch(region: Region) -> bool:
    return any(op.name == "alloc" for op in region.ops)


def _open(region: Region) -> Region:
    """The region without its terminator, sharing its ops."""
    new = Region()
    new.ops.extend(region.ops[:-1])
    return new


def _zero(builder: Builder, buffer: Value) -> Value:
    return builder.constant(0, _lane(buffer)).value
