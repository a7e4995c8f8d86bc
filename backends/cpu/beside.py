"""How regions that run beside each other are written in LLVM: one function each, dealt out by the pool.

Each task has a state of failures and a context of its own, in which there is no pool: what would be shared
among threads runs on the task's. After all have ended, the failure of the first task that has one is the
program's. The thread that called the program asks `poll` also while it waits for others, since tasks may be
long. Where there is no pool, or too little to do, the tasks run here, one after the other.
"""

from collections.abc import Sequence

from weft.backends.cpu.control import (
    HALT,
    NO_KEY,
    STATE,
    STOP,
    Outliner,
    check_halt,
    context_field,
    finish,
)
from weft.backends.cpu.writer import Outlined, Writer, type_text
from weft.ir import Op, Region
from weft.runtime.context import Context

_OWN = 32  # bytes of a task's state of failures; its context is behind it
_THROUGH = _OWN + -(-Context.record_bytes // 8) * 8
_RECORD_BYTES = -(-(_THROUGH + 8) // 128) * 128
_REPORT = Context.offset("error_code"), Context.offset("parallel_for")
_PATIENCE = 4096
"""Looks at a task that no one has begun before it is taken that this thread may have to."""

POLL_THROUGH = f"""define internal i32 @weft.poll_through(ptr %context) #0 {{
  %place = getelementptr inbounds i8, ptr %context, i64 {_THROUGH - _OWN}
  %outer = load ptr, ptr %place, align 8
  %poll_place = getelementptr inbounds i8, ptr %outer, i64 {Context.offset("poll")}
  %poll = load ptr, ptr %poll_place, align 8
  %is_null = icmp eq ptr %poll, null
  br i1 %is_null, label %none, label %ask
none:
  ret i32 0
ask:
  %answer = call i32 %poll(ptr %outer)
  ret i32 %answer
}}
"""

# %team: how many tasks have begun, how many have ended.
AWAIT = f"""define internal void @weft.await(ptr %context, ptr %errors, ptr %team, i64 %count) noinline #0 {{
entry:
  %ended_place = getelementptr inbounds i64, ptr %team, i64 1
  br label %look
look:
  %looks = phi i64 [ 0, %entry ], [ %more, %again ], [ 0, %ask ]
  %ended = load atomic i64, ptr %ended_place acquire, align 8
  %is_over = icmp sge i64 %ended, %count
  br i1 %is_over, label %done, label %wait
wait:
  %begun = load atomic i64, ptr %team monotonic, align 8
  %have_all = icmp sge i64 %begun, %count
  br i1 %have_all, label %ask, label %again
again:
  %more = add i64 %looks, 1
  %goes_on = icmp slt i64 %more, {_PATIENCE}
  br i1 %goes_on, label %look, label %done
ask:
  %stop = call i64 @weft.poll(ptr %context, ptr %errors, i64 0)
  br label %look
done:
  ret void
}}
"""


def spell_beside(writer: Writer, op: Op) -> None:
    """The op `beside`."""
    if not writer.module.has_threads:
        texts = [text for region in op.regions for text in writer.region(region)]
        writer.names.update(zip(op.results, texts, strict=True))
        return
    outliners = [Outliner(writer, region) for region in op.regions]
    tasks = [_task(writer, outliner, region) for outliner, region in zip(outliners, op.regions, strict=True)]
    captured = dict.fromkeys(
        pair for outliner in outliners for pair in zip(outliner.types, outliner.texts, strict=True)
    )
    results = [type_text(v.type) for v in op.results]
    fields = ["i64", "i64", "ptr", "ptr", f"[{len(tasks)} x [{_RECORD_BYTES} x i8]]"]
    team = f"{{ {', '.join([*fields, *(ty for ty, _ in captured), *results])} }}"
    env = writer.at_entry(f"alloca {team}, align 128")
    places = [
        writer.let(f"getelementptr inbounds {team}, ptr {env}, i64 0, i32 {5 + len(captured) + k}")
        for k in range(len(results))
    ]
    outs = _split(places, [len(region.terminator.operands) for region in op.regions])
    numbers = {text: 5 + k for k, (_, text) in enumerate(captured)}
    body = _body(writer, tasks, outliners, team, numbers, [len(part) for part in outs])
    pool = context_field(writer, "parallel_for")
    together = writer.let(f"icmp ne ptr {pool}, null")
    if op.operands:
        together = writer.let(f"and i1 {together}, {writer.use(op.operands[0])}")
    spread, single, after = writer.new_label(), writer.new_label(), writer.new_label()
    writer.branch(together, spread, single)
    writer.start(spread)
    for number, (ty, text) in enumerate([("ptr", "%context"), ("ptr", "%errors"), *captured]):
        place = writer.let(
            f"getelementptr inbounds {team}, ptr {env}, i64 0, i32 {number + (2 if number < 2 else 3)}"
        )
        writer.line(f"store {ty} {text}, ptr {place}")
    _run(writer, env, team, pool, body, len(tasks))
    writer.jump(after)
    writer.start(single)
    for task, outliner, out in zip(tasks, outliners, outs, strict=True):
        texts = [f"{ty} {text}" for ty, text in zip(outliner.types, outliner.texts, strict=True)]
        texts += [f"ptr {place}" for place in out]
        writer.line(f'call void @"{task.name}"({", ".join(["ptr %context", "ptr %errors", *texts])})')
        if task.may_halt:
            check_halt(writer)
    writer.jump(after)
    writer.start(after)
    for value, ty, place in zip(op.results, results, places, strict=True):
        writer.names[value] = writer.let(f"load {ty}, ptr {place}")


def _split(items: Sequence[str], counts: Sequence[int]) -> list[list[str]]:
    rest = iter(items)
    return [[next(rest) for _ in range(count)] for count in counts]


def _task(writer: Writer, outliner: Outliner, region: Region) -> Outlined:
    """The function of one task: takes what it uses, and where its results go."""
    inner = Writer(writer.module, key=writer.key, is_program=True)
    inner.names.update(outliner.known)
    params = ["ptr %context", "ptr %errors"]
    for number, (value, outer) in enumerate(outliner.inputs):
        inner.names[value] = f"%a{number}"
        inner.roots[value] = writer.root(outer)
        params.append(f"{type_text(outer.type)} %a{number}")
    for number, text in enumerate(inner.region(region)):
        inner.line(f"store {type_text(region.terminator.operands[number].type)} {text}, ptr %r{number}")
        params.append(f"ptr %r{number}")
    return finish(inner, f"({', '.join(params)}) noinline", "task")


def _body(
    writer: Writer,
    tasks: Sequence[Outlined],
    outliners: Sequence[Outliner],
    team: str,
    numbers: dict[str, int],
    results: Sequence[int],
) -> str:
    """The function that the pool calls with the number of a task."""
    count, module = len(tasks), writer.module
    targets = " ".join(f"i64 {k}, label %task{k}" for k in range(count))
    lines = [
        "%begun = atomicrmw add ptr %env, i64 1 seq_cst, align 8",
        "%ended_place = getelementptr inbounds i64, ptr %env, i64 1",
        f"%record = getelementptr inbounds {team}, ptr %env, i64 0, i32 4, i64 %number",
        f"%own = getelementptr inbounds i8, ptr %record, i64 {_OWN}",
        f"switch i64 %number, label %end [ {targets} ]",
    ]
    slot = 5 + len(numbers)
    for k, (task, outliner) in enumerate(zip(tasks, outliners, strict=True)):
        lines.append(f"task{k}:")
        texts = ["ptr %own", "ptr %record"]
        for ty, text in zip(outliner.types, outliner.texts, strict=True):
            name = f"%f{len(lines)}"
            lines.append(f"{name}p = getelementptr inbounds {team}, ptr %env, i64 0, i32 {numbers[text]}")
            lines.append(f"{name} = load {ty}, ptr {name}p")
            texts.append(f"{ty} {name}")
        for _ in range(results[k]):
            name = f"%r{slot}"
            lines.append(f"{name} = getelementptr inbounds {team}, ptr %env, i64 0, i32 {slot}")
            texts.append(f"ptr {name}")
            slot += 1
        lines += [f'call void @"{task.name}"({", ".join(texts)})', "br label %end"]
    lines += ["end:", "%ended = atomicrmw add ptr %ended_place, i64 1 seq_cst, align 8"]
    if module.is_hosted:
        module.helpers |= {"poll", "await"}
        for name, field in (("context", 2), ("errors", 3)):
            lines.append(f"%{name}_place = getelementptr inbounds {team}, ptr %env, i64 0, i32 {field}")
            lines.append(f"%{name} = load ptr, ptr %{name}_place")
        lines += ["%is_caller = icmp eq i64 %participant, 0", "br i1 %is_caller, label %stay, label %done"]
        lines += ["stay:", f"call void @weft.await(ptr %context, ptr %errors, ptr %env, i64 {count})"]
        lines += ["br label %done", "done:"]
    lines.append("ret void")
    text = "\n".join(line if line.endswith(":") else f"  {line}" for line in lines)
    body = f"(ptr %env, i64 %number, i64 %participant) #0 {{\nentry:\n{text}\n}}\n"
    return f'@"{module.function("void", "beside", body, may_halt=True).name}"'


def _run(writer: Writer, env: str, team: str, pool: str, body: str, count: int) -> None:
    """Give each task its state and context, run them, and take the failure of the first that has one."""
    for word in range(2):
        place = writer.let(f"getelementptr inbounds i64, ptr {env}, i64 {word}")
        writer.line(f"store i64 0, ptr {place}, align 8")
    records = [
        writer.let(f"getelementptr inbounds {team}, ptr {env}, i64 0, i32 4, i64 {k}") for k in range(count)
    ]
    for record in records:
        _prepare(writer, record)
    writer.line(f"call void {pool}(ptr {body}, ptr {env}, i64 {count})")
    if writer.module.is_hosted:
        check_halt(writer)
    for record in records:
        _report(writer, record)


def _prepare(writer: Writer, record: str) -> None:
    writer.line(f"store {STATE} {{ i64 {NO_KEY}, i64 0, i64 0, i64 0 }}, ptr {record}, align 64")
    own = writer.let(f"getelementptr inbounds i8, ptr {record}, i64 {_OWN}")
    size = Context.record_bytes
    writer.line(
        f"call void @llvm.memcpy.p0.p0.i64(ptr align 8 {own}, ptr align 8 %context, i64 {size}, i1 false)"
    )
    poll = "null"
    if writer.module.is_hosted:
        poll = "@weft.poll_through"
        writer.module.helpers.add("poll_through")
    for offset, text in (
        (Context.offset("parallel_for"), "null"),
        (Context.offset("poll"), poll),
        (_THROUGH - _OWN, "%context"),
    ):
        place = writer.let(f"getelementptr inbounds i8, ptr {own}, i64 {offset}")
        writer.line(f"store ptr {text}, ptr {place}, align 8")


def _report(writer: Writer, record: str) -> None:
    """Leave the program if this task failed or was told to stop."""
    failed, after = writer.new_label(), writer.new_label()
    place = writer.let(f"getelementptr inbounds i8, ptr {record}, i64 {HALT}")
    halted = writer.let(f"load i64, ptr {place}, align 8")
    writer.rarely(writer.let(f"icmp ne i64 {halted}, 0"), failed, after)
    writer.start(failed)
    first, last = _REPORT
    source = writer.let(f"getelementptr inbounds i8, ptr {record}, i64 {_OWN + first}")
    target = writer.let(f"getelementptr inbounds i8, ptr %context, i64 {first}")
    writer.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {last - first}, i1 false)")
    for word in (HALT, STOP):
        place = writer.let(f"getelementptr inbounds i8, ptr {record}, i64 {word}")
        text = writer.let(f"load i64, ptr {place}, align 8")
        target = writer.let(f"getelementptr inbounds i8, ptr %errors, i64 {word}")
        writer.line(f"store i64 {text}, ptr {target}, align 8")
    writer.jump(writer.halt())
    writer.start(after)
