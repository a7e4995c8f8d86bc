"""How structure is written in LLVM: loops, branches, kernels, parallel loops, and their stops for `poll`.

A kernel and the body of a parallel loop become functions of their own, which take what their region uses of
the values around it. Equal functions are written once. Not here: what the ops inside are (`spell.py`,
`access.py`), the program's frame (`emit.py`).
"""

from collections.abc import Callable, Mapping, Sequence

from weft.backends.cpu.access import buffer_type, write_alloc
from weft.backends.cpu.writer import FAILING, Outlined, Writer, type_text
from weft.ir import BufferType, InternalError, Op, Region, UnsupportedError, Value
from weft.ir.dims import symbols_of
from weft.ir.expr import is_index
from weft.ir.node import Attribute
from weft.ir.walk import dims_of_attribute, dims_of_type, free_values, values_of, walk
from weft.runtime.context import Context

RARE_OPS = 24
"""A rare side with more ops is a function of its own."""
UNROLL_LIMIT = 256
"""The most copies that a loop of kind "unrolled" becomes."""
SMALL_TRIPS = 16
"""A loop that is known to run no more often does not poll."""
_WIDE = 8
"""Accesses of an innermost loop from which on its index is hidden from LLVM's strength reduction."""
_PROGRAM_POLL, _SCALAR_POLL, _KERNEL_POLL = 1, 1024, 16
"""Iterations between polls: of a loop over kernels, of one without inner loops, of a kernel's outer loop."""

STATE = "{ i64, i64, i64, i64 }"
"""What `%errors` points to: the key of the recorded failure, a lock, whether to halt, if by poll."""
NO_KEY = (1 << 63) - 1
FIRST_KEY = -(1 << 63)
HALT, STOP = 16, 24


def context_field(writer: Writer, name: str, ty: str = "ptr") -> str:
    """The value of a field of the context."""
    place = writer.let(f"getelementptr inbounds i8, ptr %context, i64 {Context.offset(name)}")
    return writer.let(f"load {ty}, ptr {place}, align {4 if ty == 'i32' else 8}")


def state_word(writer: Writer, offset: int) -> str:
    """A word of the program's state."""
    place = writer.let(f"getelementptr inbounds i8, ptr %errors, i64 {offset}")
    return writer.let(f"load atomic i64, ptr {place} monotonic, align 8")


def check_halt(writer: Writer) -> None:
    """Leave the function if the program is to stop."""
    after = writer.new_label()
    writer.rarely(writer.let(f"icmp ne i64 {state_word(writer, HALT)}, 0"), writer.halt(), after)
    writer.start(after)


def call_poll(writer: Writer) -> None:
    """Ask whether to go on, and leave the function if not."""
    writer.module.helpers.add("poll")
    answer = writer.let(f"call i64 @weft.poll(ptr %context, ptr %errors, i64 {writer.participant})")
    after = writer.new_label()
    writer.rarely(writer.let(f"icmp ne i64 {answer}, 0"), writer.halt(), after)
    writer.start(after)


def _callback(writer: Writer, op: Op) -> None:
    """Call Python with the addresses of the operands and their sizes; leave if it raised."""
    if not writer.module.is_hosted:
        raise UnsupportedError("a program without Python calls a Python function", code="E051")
    texts = [writer.use(v) for v in op.operands]
    count = sum(isinstance(v.type, BufferType) for v in op.operands)
    pointers, numbers = _table(writer, "ptr", texts[:count]), _table(writer, "i64", texts[count:])
    function, site = context_field(writer, "callback"), op.attributes["site"]
    answer = writer.let(f"call i32 {function}(ptr %context, i64 {site}, ptr {pointers}, ptr {numbers})")
    raised, after = writer.new_label(), writer.new_label()
    writer.rarely(writer.let(f"icmp ne i32 {answer}, 0"), raised, after)
    writer.start(raised)
    for word in (HALT, STOP):
        place = writer.let(f"getelementptr inbounds i8, ptr %errors, i64 {word}")
        writer.line(f"store atomic i64 1, ptr {place} monotonic, align 8")
    writer.jump(writer.halt())
    writer.start(after)


def _table(writer: Writer, ty: str, texts: Sequence[str]) -> str:
    """Stack memory that holds some values."""
    array = f"[{max(len(texts), 1)} x {ty}]"
    table = writer.at_entry(f"alloca {array}, align 8")
    for number, text in enumerate(texts):
        place = writer.let(f"getelementptr inbounds {array}, ptr {table}, i64 0, i64 {number}")
        writer.line(f"store {ty} {text}, ptr {place}, align 8")
    return table


# ---------------------------------------------------------------- what a region takes


def _symbols(region: Region) -> list[str]:
    """Names of the symbols that the ops of a region compute with."""
    found: dict[str, None] = {}
    for op in walk(region):
        if op.name not in ("alloc", "dim", "copy"):
            continue
        used: list[Attribute] = [op.attributes.get(name) for name in ("arena_offset", "worker_bytes", "dim")]
        dims = [d for attribute in used for d in dims_of_attribute(attribute)]
        if op.name == "copy":
            dims += dims_of_type(op.operands[0].type)
        for dim in dims:
            found |= dict.fromkeys(s.name for s in symbols_of(dim))
    return list(found)


def _captured(writer: Writer, region: Region) -> list[Value]:
    """Values that the region uses and does not define, sizes that its attributes need included."""
    defined = set(values_of(region))
    symbols = [writer.module.symbols.get(name) for name in _symbols(region)]
    needed = [v for v in symbols if v is not None and v not in defined]
    return list(dict.fromkeys([*free_values(region), *needed]))


class Outliner:
    """Writes one region as a function. `inputs` are pairs of a value inside and the one around that it is."""

    def __init__(self, writer: Writer, region: Region, params: Sequence[tuple[Value, Value]] = ()) -> None:
        self.outer = writer
        self.region = region
        free = _captured(writer, region)
        self.inputs: list[tuple[Value, Value]] = []
        self.known: list[tuple[Value, str]] = []
        self.scratch: list[Op] = []
        for inner, outer in [*params, *((v, v) for v in free)]:
            text = writer.use(outer)
            if text.startswith("%"):
                self.inputs.append((inner, outer))
            else:
                self.known.append((inner, text))

    @property
    def types(self) -> list[str]:
        """LLVM types of what is passed in."""
        return [type_text(outer.type) for _, outer in self.inputs]

    @property
    def texts(self) -> list[str]:
        """What is passed in, at the place of the call."""
        return [self.outer.use(outer) for _, outer in self.inputs]

    def write(self, hint: str) -> Outlined:
        """Write the function, or find one that is equal."""
        writer = self.inner("%participant" if self.outer.in_parallel else "0", self.outer.key)
        writer.scratch = self.scratch
        params = ["ptr %context", "ptr %errors", *(f"{ty} %a{k}" for k, ty in enumerate(self.types))]
        writer.region(self.region)
        params += [f"ptr %s{number}" for number in range(len(self.scratch))]
        return finish(writer, f"({', '.join(params)}) noinline", hint)

    def write_body(self, hint: str, index: Value, lower: str, step: int) -> Outlined:
        """Write the body of a parallel loop as the function that the pool calls: it fetches what it uses."""
        writer = self.inner("%participant", "%index")
        record = environment_type(self, lower)
        fields = ["%context", "%errors", *(["%lower"] if lower.startswith("%") else [])]
        fields += [f"%a{number}" for number in range(len(self.inputs))]
        for number, (name, ty) in enumerate(zip(fields, environment_fields(self, lower), strict=True)):
            place = writer.let(f"getelementptr inbounds {record}, ptr %env, i64 0, i32 {number}")
            writer.line(f"{name} = load {ty}, ptr {place}")
        if writer.module.is_hosted:
            call_poll(writer)
        distance = "%number" if step == 1 else writer.let(f"mul i64 %number, {step}")
        start = "%lower" if lower.startswith("%") else lower
        writer.line(f"%index = add i64 {start}, {distance}")
        writer.names[index] = "%index"
        writer.region(self.region)
        return finish(writer, "(ptr %env, i64 %number, i64 %participant) noinline", hint)

    def inner(self, participant: str, key: str) -> Writer:
        """The writer of the new function, which knows constants, and what is passed as `%a0`, `%a1`, ..."""
        writer = Writer(self.outer.module, participant=participant, key=key)
        for inner, text in self.known:
            writer.names[inner] = text
        for number, (inner, outer) in enumerate(self.inputs):
            writer.names[inner] = f"%a{number}"
            if isinstance(outer.type, BufferType):
                writer.roots[inner] = self.outer.root(outer)
        return writer

    def write_pure(self, hint: str, types: Sequence[str]) -> tuple[str, str]:
        """A function without effects that returns what the region yields: its symbol and what it returns."""
        writer = self.inner("0", str(FIRST_KEY))
        params = [f"{ty} %a{number}" for number, ty in enumerate(self.types)]
        ends = writer.region(self.region)
        ty, last = f"{{ {', '.join(types)} }}", "poison"
        for number, (part, text) in enumerate(zip(types, ends, strict=True)):
            last = writer.let(f"insertvalue {ty} {last}, {part} {text}, {number}")
        lines = ["entry:", *writer.entry, *writer.lines, f"  ret {ty} {last}"]
        body = f"({', '.join(params)}) noinline cold #0 {{\n" + "\n".join(lines) + "\n}\n"
        return self.outer.module.function(ty, hint, body).name, ty


def environment_fields(outliner: Outliner, lower: str) -> list[str]:
    """LLVM types of what the body of a parallel loop fetches: a first index that is known is not passed."""
    return ["ptr", "ptr", *(["i64"] if lower.startswith("%") else []), *outliner.types]


def environment_type(outliner: Outliner, lower: str) -> str:
    """The record of these."""
    return f"{{ {', '.join(environment_fields(outliner, lower))} }}"


def finish(writer: Writer, head: str, hint: str) -> Outlined:
    """The function that a writer has written; `head` are its parameters and attributes."""
    module = writer.module
    fence = ["  fence seq_cst"] if writer.is_streaming else []  # streamed stores are not ordered otherwise
    lines = ["entry:", *writer.entry, *writer.lines, *fence, "  ret void"]
    if writer.can_halt:
        lines += ["halt:", *fence, "  ret void"]
    body = f"{head} #0 {{\n" + "\n".join(lines) + "\n}\n"
    return module.function("void", hint, body, may_halt=writer.can_halt)


# ---------------------------------------------------------------- kernels


def _kernel(writer: Writer, op: Op) -> None:
    """A call of its function."""
    (region,) = op.regions
    name = str(op.attributes.get("name", "kernel"))
    outliner = Outliner(writer, region, list(zip(region.params, op.operands, strict=False)))
    done = outliner.write(name)
    texts = ["ptr %context", "ptr %errors"]
    texts += [f"{ty} {text}" for ty, text in zip(outliner.types, outliner.texts, strict=True)]
    for alloc in outliner.scratch:
        write_alloc(writer, alloc)
        texts.append(f"ptr {writer.names[alloc.result]}")
    writer.line(f'call void @"{done.name}"({", ".join(texts)})')
    if done.may_halt or _can_fail(region):
        check_halt(writer)


def _can_fail(region: Region) -> bool:
    return any(op.name in FAILING for op in walk(region))


# ---------------------------------------------------------------- loops


def _number(text: str) -> int | None:
    return None if text.startswith("%") else int(text)


def _trips(lower: str, upper: str, step: str) -> int | None:
    """How often a loop runs, if that is known."""
    numbers = [n for n in map(_number, (lower, upper, step)) if n is not None]
    if len(numbers) < 3 or numbers[2] == 0:
        return None
    return len(range(numbers[0], numbers[1], numbers[2]))


def _for(writer: Writer, op: Op) -> None:
    lower, upper, step = (writer.use(v) for v in op.operands[:3])
    kind, trips = op.attributes.get("kind", "serial"), _trips(lower, upper, step)
    if kind == "parallel" and writer.module.has_threads and not writer.in_parallel and trips != 1:
        _parallel(writer, op, lower, upper, step)
    elif kind == "unrolled" and trips is not None and trips <= UNROLL_LIMIT:
        _unrolled(writer, op, range(int(lower), int(upper), int(step)))
    else:
        _serial(writer, op, trips)


def _unrolled(writer: Writer, op: Op, indices: range) -> None:
    (region,) = op.regions
    texts = [writer.use(v) for v in op.operands[3:]]
    _bind_index(writer, region)
    for index in indices:
        writer.names[region.params[0]] = str(index)
        _bind(writer, region.params[1:], texts)
        texts = writer.region(region)
    _bind(writer, op.results, texts)


def _bind_index(writer: Writer, region: Region) -> None:
    """Sizes in the body may be written in the loop's index: its parameter has the name of the symbol."""
    index = region.params[0]
    if index.name:
        writer.module.symbols[index.name] = index


def _bind(writer: Writer, values: Sequence[Value], texts: Sequence[str]) -> None:
    for value, text in zip(values, texts, strict=True):
        writer.names[value] = text


class _Poll:
    """A count of iterations that asks every so often; 0 for a loop that does not ask."""

    def __init__(self, writer: Writer, every: int) -> None:
        self.writer = writer
        self.every = every
        self.count = writer.fresh() if every > 1 else ""
        self.next = ""

    def write(self) -> None:
        """At the end of the body."""
        writer = self.writer
        if self.every == 1:
            call_poll(writer)
        elif self.every > 1:
            self.next = writer.let(f"add i64 {self.count}, 1")
            low = writer.let(f"and i64 {self.next}, {self.every - 1}")
            ask, after = writer.new_label(), writer.new_label()
            writer.rarely(writer.let(f"icmp eq i64 {low}, 0"), ask, after)
            writer.start(ask)
            call_poll(writer)
            writer.jump(after)
            writer.start(after)

    def phis(self, before: str, latch: str) -> list[str]:
        """The count at the head of the loop."""
        return [f"{self.count} = phi i64 [ 0, %{before} ], [ {self.next}, %{latch} ]"] if self.count else []


def _poll_interval(writer: Writer, op: Op, trips: int | None) -> int:
    """How many iterations of a loop go between two polls."""
    if not writer.module.is_hosted or (trips is not None and trips <= SMALL_TRIPS):
        return 0
    inner = {o.name for region in op.regions for o in walk(region)}
    if writer.is_program:
        return _PROGRAM_POLL if inner & {"kernel", "copy", "callback"} else _SCALAR_POLL
    if op.name == "while":
        return _SCALAR_POLL
    is_outer = writer.loop_depth == 0 and not writer.in_parallel and bool(inner & {"for", "while"})
    return _KERNEL_POLL if is_outer else 0


def _phi(name: str, value: Value, first: str, before: str, again: str, latch: str) -> str:
    return f"{name} = phi {type_text(value.type)} [ {first}, %{before} ], [ {again}, %{latch} ]"


def _goes_on(writer: Writer, index: str, upper: str, step: str) -> str:
    """Whether an index is still inside."""
    number = _number(step)
    if number is not None:
        return writer.let(f"icmp {'slt' if number > 0 else 'sgt'} i64 {index}, {upper}")
    below = writer.let(f"icmp slt i64 {index}, {upper}")
    above = writer.let(f"icmp sgt i64 {index}, {upper}")
    up = writer.let(f"icmp sgt i64 {step}, 0")
    return writer.let(f"select i1 {up}, i1 {below}, i1 {above}")


def _is_wide(writer: Writer, region: Region) -> bool:
    """Whether an innermost loop has so many accesses that its index is hidden from LLVM's strength reduction.

    That takes half of the time of code generation, most of it in such loops, to save an addition or two
    beside much arithmetic. What comes out of an empty piece of assembly is an unknown number to it.
    """
    if len(region.params) > 1:  # sums in registers: the innermost loop of a product, whose every cycle counts
        return False
    if not writer.module.is_hosted:  # a library's code is to be small, the time of making it counts little
        return False
    accesses = 0
    for op in walk(region):
        if op.name in ("for", "while") and op.attributes.get("kind") != "unrolled":
            return False
        accesses += op.name in ("load", "store")
    return accesses >= _WIDE


def _serial(writer: Writer, op: Op, trips: int | None) -> None:
    """Test, then the body with the next test at its end: the form that LLVM's loop passes want."""
    (region,) = op.regions
    lower, upper, step, *first = (writer.use(v) for v in op.operands)
    if trips == 0:
        _bind(writer, op.results, first)
        return
    body, after = writer.new_label(), writer.new_label()
    before = writer.label
    if trips is None:
        writer.branch(_goes_on(writer, lower, upper, step), body, after)
    else:
        writer.jump(body)
    writer.start(body)
    hole, poll = writer.hole(), _Poll(writer, _poll_interval(writer, op, trips))
    names = [writer.fresh() for _ in region.params]
    _bind(writer, region.params, names)
    _bind_index(writer, region)
    writer.loop_depth += 1
    results = writer.region(region)
    writer.loop_depth -= 1
    poll.write()
    flag = (
        "nsw " if step in ("1", "-1") else ""
    )  # the index is short of `upper`, so that one more does not wrap
    index = writer.let(f"add {flag}i64 {names[0]}, {step}")
    if _is_wide(writer, region):
        index = writer.let(f'call i64 asm "", "=r,0"(i64 {index})')
    goes_on, latch = _goes_on(writer, index, upper, step), writer.label
    writer.branch(goes_on, body, after)
    phis = [_phi(names[0], region.params[0], lower, before, index, latch), *poll.phis(before, latch)]
    for name, value, start, again in zip(names[1:], region.params[1:], first, results, strict=True):
        phis.append(_phi(name, value, start, before, again, latch))
    writer.fill(hole, phis)
    writer.start(after)
    for value, start, again in zip(op.results, first, results, strict=True):
        writer.names[value] = again
        if trips is None:
            writer.names[value] = writer.let(
                f"phi {type_text(value.type)} [ {start}, %{before} ], [ {again}, %{latch} ]"
            )
    _hide_counts(writer, op)


def _while(writer: Writer, op: Op) -> None:
    condition, body = op.regions
    head, inside, after = writer.new_label(), writer.new_label(), writer.new_label()
    before, first = writer.label, [writer.use(v) for v in op.operands]
    writer.jump(head)
    writer.start(head)
    hole, poll = writer.hole(), _Poll(writer, _poll_interval(writer, op, None))
    names = [writer.fresh() for _ in op.operands]
    _bind(writer, condition.params, names)
    _bind(writer, body.params, names)
    (goes_on,) = writer.region(condition)
    writer.branch(goes_on, inside, after)
    writer.start(inside)
    writer.loop_depth += 1
    results = writer.region(body)
    writer.loop_depth -= 1
    poll.write()
    latch = writer.label
    writer.jump(head)
    phis = [
        _phi(n, v, f, before, r, latch) for n, v, f, r in zip(names, op.operands, first, results, strict=True)
    ]
    writer.fill(hole, phis + poll.phis(before, latch))
    writer.start(after)
    _bind(writer, op.results, names)
    _hide_counts(writer, op)


def _hide_counts(writer: Writer, op: Op) -> None:
    """Whole numbers that a loop hands on, as unknown ones.

    LLVM asks of a count that one loop begins and others go on with what it is known to be in each of them:
    twice as often for each more loop.
    """
    for value in op.results if writer.module.is_hosted else ():
        if is_index(value):
            writer.names[value] = writer.let(f'call i64 asm "", "=r,0"(i64 {writer.names[value]})')


def _if(writer: Writer, op: Op) -> None:
    after, ends = writer.new_label(), list[tuple[list[str], str]]()
    sides = [writer.new_label() for _ in op.regions]
    is_rare = bool(op.attributes.get("rare"))
    writer.branch(writer.use(op.operands[0]), *sides, weights=", !prof !0" if is_rare else "")
    for label, region in zip(sides, op.regions, strict=True):
        writer.start(label)
        is_called = is_rare and region is op.regions[0] and len(region.ops) > RARE_OPS
        results = _called(writer, region) if is_called else writer.region(region)
        ends.append((results, writer.label))
        writer.jump(after)
    writer.start(after)
    (then, then_end), (otherwise, otherwise_end) = ends
    for value, a, b in zip(op.results, then, otherwise, strict=True):
        text = f"phi {type_text(value.type)} [ {a}, %{then_end} ], [ {b}, %{otherwise_end} ]"
        writer.names[value] = a if a == b and not a.startswith("%") else writer.let(text)


def _called(writer: Writer, region: Region) -> list[str]:
    """The same as `Writer.region`, by a call: equal rare sides, as of all sines, are written once.

    The selections at its end stay here, so that the mask and the usual values are not passed.
    """
    ops = list(region.ops[:-1])
    chosen: list[Op] = []
    while ops and ops[-1].name == "select":
        chosen.insert(0, ops.pop())
    if any(op.regions for op in ops):
        return writer.region(region)
    made = {v for op in ops for v in op.results}
    ends = list(dict.fromkeys(v for op in (*chosen, region.terminator) for v in op.operands if v in made))
    inner = Region()
    inner.ops = [*ops, Op("yield", ends, [])]
    outliner = Outliner(writer, inner)
    name, ty = outliner.write_pure("rare", [type_text(v.type) for v in ends])
    texts = ", ".join(f"{a} {b}" for a, b in zip(outliner.types, outliner.texts, strict=True))
    found = writer.let(f'call {ty} @"{name}"({texts})')
    for number, value in enumerate(ends):
        writer.names[value] = writer.let(f"extractvalue {ty} {found}, {number}")
    for op in chosen:
        writer.module.spellers[op.name](writer, op)
    return [writer.use(v) for v in region.terminator.operands]


# ---------------------------------------------------------------- parallel loops


def _parallel(writer: Writer, op: Op, lower: str, upper: str, step: str) -> None:
    """The body as a function of an index, run by the pool; here and now if there is one index or no pool."""
    (region,) = op.regions
    if len(op.operands) > 3 or (_number(step) or 0) <= 0:
        raise InternalError("a parallel loop carries nothing and has a constant step above 0")
    outliner = Outliner(writer, region)
    name = str(op.attributes.get("name", "loop"))
    body = f'@"{outliner.write_body(name, region.params[0], lower, int(step)).name}"'
    env = _environment(writer, outliner, lower)
    count = _count(writer, lower, upper, int(step))
    pool, is_many = context_field(writer, "parallel_for"), writer.let(f"icmp sgt i64 {count}, 1")
    has_pool = writer.let(f"icmp ne ptr {pool}, null")
    spread, single, after = writer.new_label(), writer.new_label(), writer.new_label()
    writer.branch(writer.let(f"and i1 {is_many}, {has_pool}"), spread, single)
    writer.start(spread)
    writer.line(f"call void {pool}(ptr {body}, ptr {env}, i64 {count})")
    writer.jump(after)
    writer.start(single)
    _run_here(writer, body, env, count, after)
    writer.start(after)
    if _can_fail(region):
        writer.line("call void @weft.settle(ptr %errors)")
        writer.module.helpers.add("settle")
    if writer.is_program and (writer.module.is_hosted or _can_fail(region)):
        check_halt(writer)
    writer.can_halt = True  # the body polls


def _count(writer: Writer, lower: str, upper: str, step: int) -> str:
    """The number of iterations, 0 or less for none."""
    span = writer.let(f"sub i64 {upper}, {lower}")
    if step == 1:
        return span
    return writer.let(f"sdiv i64 {writer.let(f'add i64 {span}, {step - 1}')}, {step}")


def _run_here(writer: Writer, body: str, env: str, count: str, after: str) -> None:
    """All iterations one after the other on this thread."""
    loop, before = writer.new_label(), writer.label
    writer.branch(writer.let(f"icmp sgt i64 {count}, 0"), loop, after)
    writer.start(loop)
    number, again = writer.fresh(), writer.fresh()
    writer.line(f"{number} = phi i64 [ 0, %{before} ], [ {again}, %{loop} ]")
    writer.line(f"call void {body}(ptr {env}, i64 {number}, i64 {writer.participant})")
    writer.line(f"{again} = add nsw i64 {number}, 1")
    writer.branch(writer.let(f"icmp slt i64 {again}, {count}"), loop, after)


def _environment(writer: Writer, outliner: Outliner, lower: str) -> str:
    """The stack memory through which the body gets what it uses."""
    record = environment_type(outliner, lower)
    env = writer.at_entry(f"alloca {record}, align 64")
    texts = ["%context", "%errors", *([lower] if lower.startswith("%") else []), *outliner.texts]
    for number, (ty, text) in enumerate(zip(environment_fields(outliner, lower), texts, strict=True)):
        place = writer.let(f"getelementptr inbounds {record}, ptr {env}, i64 0, i32 {number}")
        writer.line(f"store {ty} {text}, ptr {place}")
    return env


CONTROL: Mapping[str, Callable[[Writer, Op], None]] = {
    "for": _for, "while": _while, "if": _if, "kernel": _kernel, "callback": _callback,
}  # fmt: skip

__all__ = ["CONTROL", "buffer_type"]
