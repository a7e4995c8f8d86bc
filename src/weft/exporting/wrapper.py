"""LLVM text of what C programs call: functions with typed parameters, sizes of arenas, messages.

Not here: variables (`state.py`), the programs themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from weft.backends.cpu.threads import DEFAULT_SPINS
from weft.exporting.records import (
    ARENA,
    ARENA_EXTRA,
    FIRST_SITE,
    MESSAGES,
    NULL,
    SIZE,
    STATE,
    STATE_HEADER,
    TOO_LARGE,
    UNFIT,
    Argument,
    Function,
    Library,
    Stored,
)
from weft.ir import DType
from weft.runtime.context import Context
from weft.runtime.interface import OVERFLOWED

# fmt: off
_VALUES = {"bool": "i8 zeroext", "i8": "i8 signext", "i16": "i16 signext", "i32": "i32", "i64": "i64",
           "u8": "i8 zeroext", "u16": "i16 zeroext", "u32": "i32", "u64": "i64", "f32": "float",
           "f64": "double"}
# fmt: on
ARENA_MARK = 0x57454654_4152454E
"""What `arena_init` writes, together with the arena's address."""
SMALL = "nounwind minsize optsize"
"""Of functions whose time does not count."""
_SITES = {"index": "an index is out of bounds", "zero": "division by zero"}


def value_type(dtype: DType) -> str:
    """The LLVM type of a number."""
    return _VALUES[dtype.name].split()[0]


class Text:
    """The lines of one LLVM function; values and labels are numbered, `label` is that of the last block."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.count = 0
        self.label = ".entry"

    def let(self, text: str) -> str:
        """A new value."""
        self.count += 1
        self.lines.append(f"  %.{self.count} = {text}")
        return f"%.{self.count}"

    def line(self, text: str) -> None:
        """An instruction without a value."""
        self.lines.append(f"  {text}")

    def leave_if(self, condition: str, code: int | str) -> None:
        """Return a code if a condition holds."""
        self.count += 1
        leave, stay = f".leave{self.count}", f".stay{self.count}"
        self.line(f"br i1 {condition}, label %{leave}, label %{stay}")
        self.lines += [f"{leave}:", f"  ret i32 {code}", f"{stay}:"]
        self.label = stay

    def at(self, base: str, offset: int) -> str:
        """An address."""
        return self.let(f"getelementptr inbounds i8, ptr {base}, i64 {offset}")

    def leave_if_null(self, pointers: Sequence[str]) -> None:
        """Return NULL's code if one of these is."""
        for pointer in pointers:
            self.leave_if(self.let(f"icmp eq ptr {pointer}, null"), NULL)

    def function(self, head: str) -> str:
        """The whole text."""
        return f"define {head} {{\n.entry:\n" + "\n".join(self.lines) + "\n}\n"


def text_of(library: Library) -> str:
    """The text of all functions of C but those of the state."""
    parts = [
        "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
        "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)",
        *(_constant(f"{library.name}_constant_{k}", one) for k, one in enumerate(library.constants)),
    ]
    if library.has_threads:
        parts.append(_threads(library))
    for function in library.built:
        parts.append(f"declare i32 @{function.interface.name}(ptr, ptr, ptr)")
        parts.append(f"declare i32 @{function.interface.prepare_name}(ptr)")
        parts.append(_function(library, function))
        if library.is_arena_static:
            size = function.arena_bytes
            assert isinstance(size, int)
            parts.append(
                f"@{function.symbol}_arena = internal global [{max(size, 1)} x i8] zeroinitializer, align 64"
            )
        else:
            parts.append(_arena_size(function))
    parts += [_chains(library, one) for one in library.versions or library.functions if one.variants]
    if not library.is_arena_static:
        parts.append(_arena_init(library.name))
    parts.append(_messages(library))
    return "\n".join(parts) + "\n"


def _constant(name: str, one: Stored) -> str:
    return f"@{name} = internal constant {literal(one.content)}, align 64"


def literal(content: bytes) -> str:
    """Bytes in LLVM's spelling."""
    if not any(content):
        return f"[{len(content)} x i8] zeroinitializer"
    escaped = "".join(f"\\{byte:02x}" for byte in content)
    return f'[{len(content)} x i8] c"{escaped}"'


# ---------------------------------------------------------------- functions


def _parameter(argument: Argument) -> str:
    if argument.kind == "integer":
        return f"i64 %{argument.name}"
    return (
        f"ptr %{argument.name}"
        if argument.kind == "array"
        else f"{_VALUES[argument.dtype.name]} %{argument.name}"
    )


def _bind(text: Text, function: Function) -> str:
    """Numbers, checked and completed; sizes are values `%NAME`."""
    numbers = text.let(f"alloca [{max(1, function.interface.slots)} x i64], align 8")
    for size in function.sizes:
        text.leave_if(text.let(f"icmp slt i64 %{size.name}, {size.lower}"), SIZE)
    values = {s.symbol: s.name for s in function.sizes}
    values |= {a.symbol: a.name for a in function.arguments if a.kind == "integer"}
    for argument in function.arguments:
        if argument.kind == "integer" and argument.lower is not None:
            text.leave_if(text.let(f"icmp slt i64 %{argument.name}, {argument.lower}"), SIZE)
    for slot, symbol in enumerate(function.interface.numbers):
        text.line(f"store i64 %{values[symbol]}, ptr {text.at(numbers, 8 * slot)}, align 8")
    code = text.let(f"call i32 @{function.interface.prepare_name}(ptr {numbers}) noinline")
    text.leave_if(text.let(f"icmp eq i32 {code}, {OVERFLOWED}"), TOO_LARGE)
    text.leave_if(text.let(f"icmp ne i32 {code}, 0"), UNFIT)
    return numbers


def _function(library: Library, function: Function) -> str:
    """The function of C around a program."""
    text = Text()
    pointers = text.let(f"alloca [{max(1, len(function.places))} x ptr], align 8")
    context = text.let(f"alloca [{Context.record_bytes} x i8], align 64")
    arrays = [f"%{a.name}" for a in function.arguments if a.kind == "array"]
    outputs = [f"%{o.name}" for o in function.outputs]
    text.leave_if_null([*(["%state"] if function.uses_state else []), *arrays, *outputs])
    if function.uses_state:
        check_state(text, library)
    numbers = _bind(text, function)
    text.line(
        f"call void @llvm.memset.p0.i64(ptr align 64 {context}, i8 0, i64 {Context.record_bytes}, i1 false)"
    )
    _give_arena(text, library, function, numbers, context)
    if library.has_threads:
        text.line(
            f"store ptr @weft_parallel_for, ptr {text.at(context, Context.offset('parallel_for'))}, align 8"
        )
    offsets = library.offsets
    for number, place in enumerate(function.places):
        match place.role:
            case "output":
                value = outputs[place.number]
            case "variable":
                value = text.at("%state", offsets[place.number])
            case "constant":
                value = f"@{library.name}_constant_{place.number}"
            case "argument":
                value = _argument(text, function.arguments[place.number])
        slot = text.let(f"getelementptr inbounds ptr, ptr {pointers}, i64 {number}")
        text.line(f"store ptr {value}, ptr {slot}")
    code = text.let(f"call i32 @{function.interface.name}(ptr {context}, ptr {pointers}, ptr {numbers})")
    text.leave_if(text.let(f"icmp eq i32 {code}, 0"), 0)
    site = text.let(f"load i32, ptr {text.at(context, Context.offset('error_location'))}, align 4")
    text.line(f"ret i32 {text.let(f'add i32 {site}, {function.first_site}')}")
    return text.function(f"i32 @{function.symbol}({', '.join(parameters_of(library, function))}) nounwind")


def _chains(library: Library, function: Function) -> str:
    """The function of C, and that of its arena, that try variants: one that refuses changed nothing."""
    sizes = [f"i64 %{name}" for name in arena_parameters(function)]
    kinds = [("i32", "", 1), *([] if library.is_arena_static else [("i64", "_arena_size", -1)])]
    parts: list[str] = []
    for kind, ending, sign in kinds:
        text = Text()
        given = sizes if ending else parameters_of(library, function)
        for number, one in enumerate(function.variants):
            own = ", ".join(sizes if ending else parameters_of(library, one))
            code = text.let(f"call {kind} @{one.symbol}{ending}({own})")
            if number + 1 < len(function.variants):
                is_other = text.let(f"icmp eq {kind} {code}, {sign * UNFIT}")
                is_small = text.let(f"icmp eq {kind} {code}, {sign * SIZE}")
                goes_on = text.let(f"or i1 {is_other}, {is_small}")
                text.leave_if(text.let(f"xor i1 {goes_on}, true"), code)
            else:
                text.line(f"ret {kind} {code}")
        lines = text.function(f"{kind} @{function.symbol}{ending}({', '.join(given)}) nounwind")
        parts.append(lines.replace("  ret i32 ", f"  ret {kind} "))
    return "\n".join(parts)


def parameters_of(library: Library, function: Function) -> list[str]:
    """Types and names of what the function of C takes."""
    return [
        *(["ptr %state"] if function.uses_state else []),
        *([] if library.is_arena_static else ["ptr %arena"]),
        *map(_parameter, function.arguments),
        *(f"i64 %{size.name}" for size in function.sizes),
        *(f"ptr %{one.name}" for one in function.outputs),
    ]


def _threads(library: Library) -> str:
    """`NAME_set_threads(count)`; workers start with the next loop that is worth it. None is pinned."""
    text = Text()
    text.leave_if(text.let("icmp slt i32 %count, 1"), SIZE)
    count = text.let("sext i32 %count to i64")
    text.let(f"call i64 @weft_pool_set(i64 {count}, i64 {DEFAULT_SPINS}, i64 0)")
    text.line("ret i32 0")
    return (
        "declare i64 @weft_pool_set(i64, i64, i64)\ndeclare i64 @weft_parallel_for(i64, i64, i64)\n"
        + text.function(f"i32 @{library.name}_set_threads(i32 %count) nounwind")
    )


def _argument(text: Text, argument: Argument) -> str:
    """Where an argument lies."""
    if argument.kind == "array":
        return f"%{argument.name}"
    kind = value_type(argument.dtype)
    place = text.let(f"alloca {kind}, align 8")
    text.line(f"store {kind} %{argument.name}, ptr {place}, align 8")
    return place


def check_state(text: Text, library: Library) -> None:
    """Return STATE's code unless `init` or `load` has been called on the state."""
    mark = text.let("load i64, ptr %state, align 8")
    text.leave_if(text.let(f"icmp ne i64 {mark}, {state_mark(library)}"), STATE)


def state_mark(library: Library) -> int:
    """What the state of this library begins with: it follows from names, types and order."""
    facts = repr([(v.name, v.dtype.name, v.shape) for v in library.variables])
    return int.from_bytes(hashlib.sha256(facts.encode()).digest()[:8], "little", signed=True)


def _give_arena(text: Text, library: Library, function: Function, numbers: str, context: str) -> None:
    """Fill the arena's fields of the context; return ARENA's code if it is too small."""
    need = text.let(f"load i64, ptr {text.at(numbers, 8 * function.interface.arena_slot)}, align 8")
    text.line(f"store i64 {need}, ptr {text.at(context, Context.offset('arena_bytes'))}, align 8")
    place = text.at(context, Context.offset("arena"))
    if library.is_arena_static:
        text.line(f"store ptr @{function.symbol}_arena, ptr {place}, align 8")
        return
    wants = text.let(f"icmp sgt i64 {need}, 0")
    is_null = text.let("icmp eq ptr %arena, null")
    text.leave_if(text.let(f"and i1 {wants}, {is_null}"), NULL)
    check = f".check{text.count}"
    text.line(f"br i1 {wants}, label %{check}, label %.ready")
    text.lines.append(f"{check}:")
    address = text.let("ptrtoint ptr %arena to i64")
    first = text.let("load i64, ptr %arena, align 1")
    expected = text.let(f"xor i64 {address}, {ARENA_MARK}")
    text.leave_if(text.let(f"icmp ne i64 {first}, {expected}"), ARENA)
    size = text.let(f"load i64, ptr {text.at('%arena', 8)}, align 1")
    room = text.let(f"sub i64 {size}, {ARENA_EXTRA}")
    text.leave_if(text.let(f"icmp slt i64 {room}, {need}"), ARENA)
    start = text.let(f"and i64 {text.let(f'add i64 {address}, {ARENA_EXTRA - 1}')}, -64")
    text.line(f"store i64 {start}, ptr {place}, align 8")
    text.line("br label %.ready")
    text.lines.append(".ready:")


def _arena_size(function: Function) -> str:
    """`NAME_arena_size(sizes...)`: bytes, 0 for no arena, a code below 0."""
    text = Text()
    numbers = _bind(text, function)
    need = text.let(f"load i64, ptr {text.at(numbers, 8 * function.interface.arena_slot)}, align 8")
    total = text.let(f"add i64 {need}, {ARENA_EXTRA}")
    none = text.let(f"icmp sle i64 {need}, 0")
    text.line(f"ret i64 {text.let(f'select i1 {none}, i64 0, i64 {total}')}")
    lines = [line.replace("ret i32 ", "ret i64 -") for line in text.lines]
    text.lines = lines
    names = [f"i64 %{name}" for name in arena_parameters(function)]
    return text.function(f"i64 @{function.symbol}_arena_size({', '.join(names)}) {SMALL}")


def arena_parameters(function: Function) -> list[str]:
    """What the size of an arena follows from."""
    ints = [a.name for a in function.arguments if a.kind == "integer"]
    return [*ints, *(size.name for size in function.sizes)]


def _arena_init(name: str) -> str:
    """`NAME_arena_init(arena, bytes)`: notes the size in the arena."""
    text = Text()
    text.leave_if_null(["%arena"])
    text.leave_if(text.let(f"icmp slt i64 %bytes, {STATE_HEADER}"), ARENA)
    address = text.let("ptrtoint ptr %arena to i64")
    text.line(f"store i64 {text.let(f'xor i64 {address}, {ARENA_MARK}')}, ptr %arena, align 1")
    text.line(f"store i64 %bytes, ptr {text.at('%arena', 8)}, align 1")
    text.line("ret i32 0")
    return text.function(f"i32 @{name}_arena_init(ptr %arena, i64 %bytes) {SMALL}")


# ---------------------------------------------------------------- messages


def messages_of(library: Library) -> dict[int, str]:
    """What each code means."""
    found = dict(MESSAGES)
    for function in library.built:
        for number, site in enumerate(function.interface.sites):
            where = f" at {site.locations[0]}" if site.locations else ""
            code = str(site.code)
            found[function.first_site + number] = f"{_SITES.get(code, code)}{where}"
    return found


def _messages(library: Library) -> str:
    """`NAME_strerror(code)`."""
    messages = messages_of(library)
    parts = [f"@{library.name}_message_{k} = internal constant {string(m)}" for k, m in messages.items()]
    parts.append(f"@{library.name}_message_unknown = internal constant {string('unknown error')}")
    # Two tables: one of all codes would be mostly empty.
    failures = [k for k in messages if k >= FIRST_SITE]
    both = [
        _switch(library.name, "general", [k for k in messages if k < FIRST_SITE], "unknown"),
        _switch(library.name, "failure", failures, "general"),
    ]
    body = "\n".join(reversed(both)) + f"\nunknown:\n  ret ptr @{library.name}_message_unknown\n"
    parts.append(f"define ptr @{library.name}_strerror(i32 %code) nounwind {{\n{body}}}")
    return "\n".join(parts)


def _switch(name: str, label: str, codes: Sequence[int], other: str) -> str:
    """A block that gives the message of one of these codes, or goes on."""
    cases = " ".join(f"i32 {k}, label %case{k}" for k in codes)
    ends = "\n".join(f"case{k}:\n  ret ptr @{name}_message_{k}" for k in codes)
    return f"{label}:\n  switch i32 %code, label %{other} [ {cases} ]\n{ends}"


def version_text(name: str, version: str, metadata: str) -> str:
    """`NAME_version()` and the metadata."""
    return f"""@{name}_version_string = internal constant {string(version)}
@{name}_metadata = constant {string(metadata)}
define ptr @{name}_version() nounwind {{
  ret ptr @{name}_version_string
}}
"""


def string(text: str) -> str:
    """A C string in LLVM's spelling."""
    return literal(text.encode() + b"\0")
