"""The pass `bufferize`: give every tensor value its memory (DESIGN D20), in destination-passing style.

After it, fusions read and write buffers: operands are inputs, then `outputs` destinations. Results go
straight into the caller's memory, updates into the memory of the old value, values that a loop carries into
one buffer, or two that the loop swaps. A kernel writes over what it reads only where each read is of the
element being written. Not here: whose memory a value may take (`lives`), where an arena buffer lies
(`plan_memory`), loops (`lower_tensor`).
"""

from collections.abc import Sequence

from weft.compiler.passes.in_place import returning_parts, value_before
from weft.compiler.passes.in_step import reads_in_step, reads_only_written
from weft.compiler.passes.lives import Lives
from weft.ir import BufferType, Builder, Func, IndexType, Op, Region, TensorType, Value
from weft.ir.dataclass import dataclass
from weft.ir.dims import show_dim, symbols_of
from weft.ir.rules import tensor_operand
from weft.ir.types import INDEX, Type


def bufferize(fn: Func) -> Func:
    """Stage "fused" to "buffers".

    Parameters become argument buffers, result buffers, then an i64 for each symbol and stride.
    """
    return _Bufferizer(fn).run()


def buffer_type(ty: TensorType, *, strided: bool = False) -> BufferType:
    """Memory of a tensor."""
    return BufferType(ty.dtype, ty.shape, strided)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where the value of a carried result should be written, and whether it may overwrite the old content."""

    destination: Value
    holds: Value | None  # the value (of the old program) that lives there meanwhile


class _Bufferizer:
    def __init__(self, fn: Func) -> None:
        self.fn = fn
        self.memory: dict[Value, Value] = {}
        self.wanted: dict[Value, _Plan] = {}
        self.lives = Lives(fn)
        self.lies_in: dict[Value, frozenset[Value]] = {}  # where a result of a loop that turns buffers may be
        # updates that are written into the other one of two buffers, and later ones whose places it must hold
        self.doubled: dict[Value, list[Op]] = {}

    # ---------------------------------------------------------------- function

    def run(self) -> Func:
        fn = self.fn
        body = Region()
        self.builder = Builder(body)
        into = fn.into or (-1,) * len(fn.results)
        outputs = self._parameters(body, into)
        for result, output, target in zip(fn.results, outputs, into, strict=True):
            holds = fn.params[target] if target >= 0 else None
            if result not in self.wanted and result.op is not None:
                self.wanted[result] = _Plan(output, holds)
                first = self.lives.beginning(result)
                if holds is None and first.op is not None:
                    self.wanted.setdefault(first, self.wanted[result])
        self._region(fn.body)
        self._deliver(fn.results, outputs)
        self.builder.emit("return")
        return Func(fn.name, body, dict(fn.symbols), "buffers", (), fn.strided)

    def _parameters(self, body: Region, into: Sequence[int]) -> list[Value]:
        """Make the buffers of arguments and results, sizes, symbols and strides; those of the results."""
        fn, strided = self.fn, set(self.fn.strided)
        for k, param in enumerate(fn.params):
            if isinstance(param.type, TensorType):
                self.memory[param] = body.add_param(buffer_type(param.type, strided=k in strided), f"a{k}")
        outputs: list[Value] = []
        for k, (result, target) in enumerate(zip(fn.results, into, strict=True)):
            assert isinstance(result.type, TensorType)
            if target < 0:
                outputs.append(body.add_param(buffer_type(result.type), f"r{k}"))
            else:
                outputs.append(self.memory[fn.params[target]])
        self._numbers(body)
        return outputs

    def _numbers(self, body: Region) -> None:
        """Make the parameters that are numbers: sizes, symbols, strides."""
        fn = self.fn
        for param in fn.params:
            if isinstance(param.type, IndexType):
                self.memory[param] = body.add_param(INDEX, _symbol_name(param.type))
        bound = {p.name for p in body.params}
        for name in fn.symbols:
            if name not in bound:
                body.add_param(INDEX, name)
        for k in fn.strided:
            for axis in range(tensor_operand([fn.params[k].type]).rank):
                body.add_param(INDEX, f"a{k}_s{axis}")

    def _deliver(self, results: Sequence[Value], outputs: Sequence[Value]) -> None:
        """Copy what is not yet where it belongs; what would be overwritten first is kept aside."""
        moves = [
            (self.memory[r], o) for r, o in zip(results, outputs, strict=True) if self.memory[r] is not o
        ]
        kept: dict[Value, Value] = {}
        for source, target in moves:
            others = [o for _, o in moves if o is not target]
            if any(o in self._places(source) for o in others) and source not in kept:
                kept[source] = self._alloc_like(source)
                self._copy(source, kept[source])
        for source, output in moves:
            self._copy(kept.get(source, source), output)

    def _places(self, memory: Value) -> frozenset[Value]:
        """The buffers that may be behind a name of memory: after a loop that turns some, each of them."""
        return self.lies_in.get(memory, frozenset((memory,)))

    # ---------------------------------------------------------------- regions

    def _region(self, region: Region) -> None:
        for op in region.ops[:-1]:
            match op.name:
                case "fusion":
                    self._fusion(op)
                case "if":
                    self._if(op)
                case "for" | "while":
                    self._loop(op)
                case "check":
                    fails = self.builder.expr(self._scalar(op.operands[0])).apply("logical_not")
                    self.builder.locations = op.locations
                    facts = [self._scalar(v) for v in op.operands[1:]]
                    self.builder.emit("fail_if", [fails.value, *facts], op.attributes)
                case "callback":
                    self._callback(op)
                case _:
                    operands = [self.memory[v] for v in op.operands]
                    new = Op(op.name, operands, [r.type for r in op.results], op.attributes, (), op.locations)
                    self.builder.region.ops.append(new)
                    self.memory.update(zip(op.results, new.results, strict=True))

    def _callback(self, op: Op) -> None:
        """Operands as dense memory, then that of the results, then the sizes of all; `ranks` says whose."""
        operands: list[Value] = []
        for value in op.operands:
            memory = self.memory[value]
            if isinstance(memory.type, BufferType) and memory.type.strided:
                dense = self._alloc(value.type)
                self._copy(memory, dense)
                memory = dense
            operands.append(memory)
        results = [self._free_destination(r) or self._alloc(r.type) for r in op.results]
        shapes = [tensor_operand([v.type]).shape for v in (*op.operands, *op.results)]
        self.builder.locations = op.locations
        sizes = [self.builder.emit("dim", (), {"dim": d}).result for shape in shapes for d in shape]
        facts = {"site": op.attributes["site"], "inputs": len(operands), "ranks": tuple(map(len, shapes))}
        self.builder.emit("callback", [*operands, *results, *sizes], facts)
        self.memory.update(zip(op.results, results, strict=True))

    def _fusion(self, op: Op) -> None:
        if self.lives.is_unread(op):
            self.memory.update((result, self._alloc(result.type)) for result in op.results)
            return
        inputs = [self.memory[v] for v in op.operands]
        region = op.regions[0]
        partial = op.attributes.get("in_place", ())
        assert isinstance(partial, tuple)
        outputs: list[Value] = []
        later: dict[int, Value] = {}
        for number, result in enumerate(op.results):
            value = region.terminator.operands[number]
            if number in partial or op.attributes["schedule"] == "scatter":
                outputs.append(self._updated(op, value, number, later))
            else:
                outputs.append(self._destination(op, number))
            self.memory[result] = outputs[-1]
        facts = {
            **op.attributes,
            "outputs": len(outputs),
            "in_place": tuple(k for k in partial if k not in later),
        }
        regions = (returning_parts(region, later),) if later else op.regions
        kernel = Op("fusion", [*inputs, *outputs], (), facts, regions, op.locations)
        self.builder.region.ops.append(kernel)
        for number, memory in later.items():
            self._write_part(op, number, outputs[number], memory)
            self.memory[op.results[number]] = memory
        for result in op.results:
            for update in self.doubled.get(result, []):
                self._keep_place(update, self.memory[value_before(result)], self.memory[result])

    def _write_part(self, op: Op, number: int, part: Value, memory: Value) -> None:
        """A kernel of its own that puts a computed part where it belongs."""
        update = op.regions[0].terminator.operands[number].op
        assert update is not None
        region = Region([v.type for v in update.operands])
        inner = Builder(region, update.locations)
        inner.emit("return", [inner.emit("update", region.params, update.attributes).result])
        facts = {"schedule": "pointwise", "outputs": 1, "in_place": (0,)}
        self.builder.region.ops.append(
            Op("fusion", [memory, part, memory], (), facts, [region], update.locations)
        )

    def _keep_place(self, update: Op, old: Value, new: Value) -> None:
        """A kernel that copies what an update is going to write over."""
        region = Region([update.operands[0].type] * 2)
        inner = Builder(region, update.locations)
        part = update.operands[1].type
        assert isinstance(part, TensorType)
        kept = inner.emit("slice", region.params[:1], {**update.attributes, "size": part.shape})
        inner.emit(
            "return", [inner.emit("update", [region.params[1], kept.result], update.attributes).result]
        )
        facts = {"schedule": "pointwise", "outputs": 1, "in_place": (0,)}
        self.builder.region.ops.append(Op("fusion", [old, new, new], (), facts, [region], update.locations))

    def _updated(self, op: Op, value: Value, number: int, later: dict[int, Value]) -> Value:
        """Memory of an update's result: that of the old value, if the kernel does not read it elsewhere.

        If it does, but the old value ends here, the part is computed aside and put there afterwards
        (`later`).
        """
        if op.results[number] in self.doubled:
            return self.wanted[op.results[number]].destination
        update = value.op
        assert update is not None
        old_param = update.operands[0]
        owner = old_param.owner
        old = owner.params.index(old_param) if isinstance(owner, Region) else -1
        if old < 0:
            fresh = self._destination(op, number)
            return fresh
        outer = op.operands[old]
        memory = self.memory[outer]
        owner = self.lives.owns(outer, op)
        safe = owner and reads_only_written(op.regions[0], old_param, update)
        if safe:
            return memory
        if owner and update.name == "update":
            later[number] = memory
            return self._alloc(update.operands[1].type)
        fresh = self._alloc(op.results[number].type)
        self._copy(memory, fresh)
        return fresh

    def _destination(self, op: Op, number: int) -> Value:
        """Memory for a kernel's result: where it is wanted, if the kernel may write there already."""
        result = op.results[number]
        plan = self.wanted.get(result)
        if plan is not None and not self._live_other(plan, op):
            holds = plan.holds
            if holds is None:
                return plan.destination
            if self.lives.last_use.get(holds, -1) <= self.lives.end[op] and self._writes_over(
                op, number, plan.destination
            ):
                return plan.destination
        return self._alloc(result.type)

    def _live_other(self, plan: _Plan, op: Op) -> list[Value]:
        """Values but the planned old one that live in the destination and are read after `op`."""
        now = self.lives.end[op]
        return [
            v
            for v, m in self.memory.items()
            if plan.destination in self._places(m)
            and v is not plan.holds
            and self.lives.last_use.get(v, -1) > now
        ]

    def _writes_over(self, op: Op, number: int, destination: Value) -> bool:
        """Whether result `number` may be written to memory that operands of the kernel live in."""
        region = op.regions[0]
        value = region.terminator.operands[number]
        for param, outer in zip(region.params, op.operands, strict=True):
            if destination in self._places(self.memory[outer]) and not reads_in_step(op, param, value):
                return False
        return True

    # ---------------------------------------------------------------- branches and loops

    def _if(self, op: Op) -> None:
        tensors = [r for r in op.results if isinstance(r.type, TensorType)]
        places: dict[Value, Value] = {}
        for result in tensors:
            origin = self.lives.shared_origin(op, result.index)
            shared = None if origin is None else self.memory[origin]
            if shared is None or any(shared is place for place in places.values()):
                shared = self._free_destination(result) or self._alloc(result.type)
            places[result] = shared
        condition = self._scalar(op.operands[0])
        regions: list[Region] = []
        for old in op.regions:
            new = Region()
            self._inside(
                new,
                old,
                [
                    (y, places[r])
                    for r, y in zip(op.results, old.terminator.operands, strict=True)
                    if r in places
                ],
            )
            others = [
                self.memory[y]
                for r, y in zip(op.results, old.terminator.operands, strict=True)
                if r not in places
            ]
            Builder(new).emit("yield", others)
            regions.append(new)
        new_op = Op(
            "if",
            [condition],
            [r.type for r in op.results if r not in places],
            op.attributes,
            regions,
            op.locations,
        )
        self.builder.region.ops.append(new_op)
        self.memory.update(places)
        self.memory.update(zip([r for r in op.results if r not in places], new_op.results, strict=True))

    def _free_destination(self, result: Value) -> Value | None:
        """Where a result is wanted, if nothing lives there."""
        plan = self.wanted.get(result)
        return (
            plan.destination
            if plan is not None and plan.holds is None and not self._lives_in(plan.destination)
            else None
        )

    def _lives_in(self, memory: Value) -> bool:
        return any(memory in self._places(m) for m in self.memory.values())

    def _inside(self, new: Region, old: Region, moves: Sequence[tuple[Value, Value]]) -> None:
        """Write a region's ops; `moves` say in which memory yielded values must end."""
        outer, self.builder = self.builder, Builder(new)
        for value, place in moves:
            if value.op is not None and value.op in set(old.ops) and value not in self.wanted:
                self.wanted[value] = _Plan(place, None)
        self._region(old)
        self._deliver([v for v, _ in moves], [p for _, p in moves])
        self.builder = outer

    def _loop(self, op: Op) -> None:
        first = 3 if op.name == "for" else 0
        head = [self.memory[v] for v in op.operands[:first]]
        initial = op.operands[first:]
        carried: list[Value] = []
        for k, value in enumerate(initial):
            is_tensor = isinstance(value.type, TensorType)
            carried.append(self._carry_in(value, op, k) if is_tensor else self.memory[value])
        spare = [
            self._alloc_like(c) if self.lives.needs_spare(op, k, first) else None
            for k, c in enumerate(carried)
        ]
        for k, (buffer, other) in enumerate(zip(carried, spare, strict=True)):
            if other is not None and self.lives.written_aside(op, k) is not None:
                self._copy(buffer, other)  # what no iteration writes is the same in both
        operands = [*carried, *(s for s in spare if s is not None)]
        body = self._body(op, operands, [s is not None for s in spare], first)
        regions = [body] if op.name == "for" else [self._condition(op, operands), body]
        new = Op(
            op.name, [*head, *operands], [v.type for v in operands], op.attributes, regions, op.locations
        )
        self.builder.region.ops.append(new)
        self.memory.update(zip(op.results, new.results, strict=False))
        self._note_places(op, new, carried, spare)
        for k, result in enumerate(op.results):  # what stays in place is known by one name
            if (
                isinstance(result.type, TensorType)
                and spare[k] is None
                and self.lives.turns(op).get(k, k) == k
            ):
                self.memory[result] = carried[k]

    def _note_places(self, op: Op, new: Op, carried: Sequence[Value], spare: Sequence[Value | None]) -> None:
        """Each result of a loop lies in one of the buffers that its body turns around."""
        turned = self.lives.turns(op)
        for k in range(len(carried)):
            ring = [k]
            while (following := turned.get(ring[-1], k)) not in ring:
                ring.append(following)
            buffers = [b for j in ring for b in (carried[j], spare[j]) if b is not None]
            places = frozenset[Value]().union(*(self._places(b) for b in buffers))
            self.lies_in[new.results[k]] = places

    def _carry_in(self, value: Value, op: Op, number: int) -> Value:
        """A buffer of the loop's own with the initial value: the value's memory, if no one else reads it."""
        if self.lives.is_carried_in_place(value, op):
            return self.memory[value]
        stays = self.lives.turns(op).get(number, number) == number and not self.lives.needs_spare(
            op, number, len(op.operands) - len(op.results)
        )
        fresh = (self._free_destination(op.results[number]) if stays else None) or self._alloc(value.type)
        if not self.lives.is_filled(op, number):
            self._copy(self.memory[value], fresh)
        return fresh

    def _body(self, op: Op, operands: Sequence[Value], spares: Sequence[bool], first: int) -> Region:
        old = op.regions[-1]
        skip = 1 if op.name == "for" else 0
        new = Region([INDEX] if skip else [], [_symbol_name(old.params[0].type)] if skip else [])
        if skip:
            self.memory[old.params[0]] = new.params[0]
        now = [new.add_param(v.type) for v in operands]
        self.memory.update(zip(old.params[skip:], now, strict=False))
        count = len(old.params) - skip
        spare_of = dict(zip([k for k, s in enumerate(spares) if s], now[count:], strict=True))
        outer, self.builder = self.builder, Builder(new)
        yields = old.terminator.operands
        turned = self.lives.turns(op)
        for k, value in enumerate(yields):
            aside = self.lives.written_aside(op, k)
            if aside is not None:
                self.doubled[aside] = self.lives.stale(op, k)
                self.wanted[aside] = _Plan(spare_of[k], None)
            elif value.op is not None and value not in self.wanted and isinstance(value.type, TensorType):
                param = old.params[turned.get(k, k) + skip]
                self.wanted[value] = _Plan(
                    spare_of.get(k, now[turned.get(k, k)]), None if k in spare_of else param
                )
        self._region(old)
        places = [spare_of.get(k, now[turned.get(k, k)]) for k in range(count)]
        tensors = [k for k in range(count) if isinstance(yields[k].type, TensorType)]
        self._deliver([yields[k] for k in tensors], [places[k] for k in tensors])
        final = [places[k] if k in tensors else self.memory[yields[k]] for k in range(count)]
        self.builder.emit("yield", [*final, *(now[k] for k in spare_of)])
        self.builder = outer
        return new

    def _condition(self, op: Op, operands: Sequence[Value]) -> Region:
        old = op.regions[0]
        new = Region([v.type for v in operands])
        self.memory.update(zip(old.params, new.params, strict=False))
        outer, self.builder = self.builder, Builder(new)
        self._region(old)
        self.builder.emit("yield", [self._scalar(old.terminator.operands[0])])
        self.builder = outer
        return new

    # ---------------------------------------------------------------- memory

    def _scalar(self, value: Value) -> Value:
        """The content of a rank-0 tensor as a value of the loop level."""
        zero = self.builder.index(0)
        return self.builder.emit("load", [self.memory[value], zero.value]).result

    def _alloc(self, ty: object) -> Value:
        assert isinstance(ty, TensorType)
        return self.builder.emit("alloc", (), {"type": buffer_type(ty)}).result

    def _alloc_like(self, memory: Value) -> Value:
        ty = memory.type
        assert isinstance(ty, BufferType)
        return self.builder.emit("alloc", (), {"type": BufferType(ty.dtype, ty.shape)}).result

    def _copy(self, source: Value, target: Value) -> None:
        """Copy a buffer; one with strides or a computed size by a kernel, which knows these."""
        ty = source.type
        assert isinstance(ty, BufferType)
        computed = any(s.name not in self.fn.symbols for s in symbols_of(ty.size))
        if computed or ty.strided or (isinstance(target.type, BufferType) and target.type.strided):
            region = Region([TensorType(ty.dtype, ty.shape)])
            Builder(region).emit("return", region.params)
            self.builder.region.ops.append(
                Op("fusion", [source, target], (), {"schedule": "pointwise", "outputs": 1}, [region])
            )
        else:
            self.builder.emit("copy", [source, target])


def _symbol_name(ty: Type) -> str:
    assert isinstance(ty, IndexType)
    return show_dim(ty.dim)
