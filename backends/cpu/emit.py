"""Loop-level Funcs as LLVM IR text: the program's frame, its companion `prepare`, the helpers that they call.

    text = emit_program(fn, interface, target, options)

Symbols: the program `NAME` and `NAME_prepare`; everything else is internal. The text calls no C function but
memcpy and memset. Not here: how ops are written (`spell.py`, `access.py`, `control.py`), object code
(`link.py`).
"""

from collections.abc import Mapping, Sequence

from weft.backends.cpu.access import MEMORY
from weft.backends.cpu.beside import AWAIT, POLL_THROUGH, spell_beside
from weft.backends.cpu.control import CONTROL, FIRST_KEY, HALT, NO_KEY, STATE, STOP, state_word
from weft.backends.cpu.sizes import emit_prepare
from weft.backends.cpu.spell import ARITHMETIC
from weft.backends.cpu.writer import FAILING, Module, Speller, Writer
from weft.ir import BufferType, CodeOptions, Func, IndexType, InternalError, Op, VectorType
from weft.ir.target import Target
from weft.ir.types import I64
from weft.ir.walk import walk
from weft.runtime.context import Context
from weft.runtime.interface import INTERRUPTED, Interface, Site

SPELLERS: Mapping[str, Speller] = {**ARITHMETIC, **MEMORY, **CONTROL, "beside": spell_beside}
SPELLED: frozenset[str] = frozenset({*SPELLERS, "yield", "return"})
"""The loop-level operations that this backend spells."""


def failure_sites(fn: Func) -> tuple[Site, ...]:
    """Where `fn` can fail, in the order in which the program numbers it."""
    failing = [op for op in walk(fn) if op.name in FAILING or "unbounded" in op.attributes]
    return tuple(Site(_code(op), op.locations) for op in failing)


def _code(op: Op) -> object:
    """What a failure is: of an alloc, that there is no memory; of a size of memory, that it is too large."""
    is_size = op.name == "to_index" and "memory" in op.attributes
    return "memory" if op.name == "alloc" else op.attributes.get("code", "size" if is_size else None)


_PART_CHARACTERS = 60_000  # of LLVM's text: 0.1 s of its time
_PARTS_OF_A_THREAD = 3  # which is done before another takes the next one: not all take as long as their texts


def emit_program(
    fn: Func,
    interface: Interface,
    target: Target,
    options: CodeOptions | None = None,
    *,
    is_hosted: bool = True,
    has_threads: bool = True,
) -> str:
    """LLVM IR text of the program and its companion. One that is not hosted never calls `poll`.

    Requires stage "loops": parameters are buffers in the order of `pointers`, then i64 in the order of
    `interface.numbers`; a parameter has the name of the symbol that it binds. Raises UnsupportedError for an
    op or dtype that the CPU does not have.
    """
    module = _module(interface, target, options, is_hosted=is_hosted, has_threads=has_threads)
    return _text(module, _functions(module, fn, interface), target)


def emit_parts(
    fn: Func, interface: Interface, target: Target, options: CodeOptions, threads: int
) -> list[str]:
    """The same for the host, a large program in several texts for so many threads; they call each other."""
    module = _module(interface, target, options)
    functions = _functions(module, fn, interface)
    useful = sum(map(len, functions)) // _PART_CHARACTERS
    count = min(useful, min(useful // threads, _PARTS_OF_A_THREAD) * threads or useful)
    if threads == 1 or count < 2:
        return [_text(module, functions, target)]
    parts: list[list[str]] = [[] for _ in range(count)]
    for function in sorted(functions, key=len, reverse=True):
        min(parts, key=lambda part: sum(map(len, part))).append(function)
    return [_text(module, [*_declared(functions, part), *map(_shared, part)], target) for part in parts]


def _module(
    interface: Interface,
    target: Target,
    options: CodeOptions | None,
    *,
    is_hosted: bool = True,
    has_threads: bool = True,
) -> Module:
    fast = options is not None and options.fast_math
    flags = " reassoc nsz arcp contract" if fast else ""
    module = Module(interface.name, target, SPELLERS, flags, is_hosted=is_hosted, has_threads=has_threads)
    module.taken |= {interface.name, interface.prepare_name}
    return module


def _functions(module: Module, fn: Func, interface: Interface) -> list[str]:
    """The texts of all functions of a program."""
    module.scan(fn)
    body = _program(module, fn, interface)
    return [*module.functions, body, emit_prepare(interface)]


def _text(module: Module, functions: Sequence[str], target: Target) -> str:
    """A module of LLVM of these functions and what they may need."""
    parts = [
        *(f"{name} = internal unnamed_addr {content}, align 64" for content, name in module.globals.items())
    ]
    parts += sorted(module.declarations)
    parts += [text for name, text in _HELPERS.items() if name in module.helpers]
    return "\n".join([*parts, *functions, _attributes(target), *module.scope_texts()]) + "\n"


def _shared(function: str) -> str:
    """A function that other parts may call."""
    return function.replace("define internal ", "define hidden ", 1)


def _declared(functions: Sequence[str], part: Sequence[str]) -> list[str]:
    """Declarations of the functions that lie in other parts."""
    heads = (function.partition("\n")[0] for function in functions if function not in part)
    return [
        head[: head.rindex(")") + 1].replace("define internal", "declare", 1)
        for head in heads
        if head.startswith("define internal")
    ]


def _attributes(target: Target) -> str:
    width = f' "prefer-vector-width"="{8 * target.vector_bytes}"' if target.vector_bytes > 16 else ""
    weights = '!0 = !{!"branch_weights", i32 1, i32 2000}\n!1 = !{i32 1}'
    return f'attributes #0 = {{ nounwind "no-trapping-math"="true"{width} }}\n{weights}'


def _program(module: Module, fn: Func, interface: Interface) -> str:
    writer = Writer(module, is_program=True)
    _bind_params(writer, fn, interface)
    results = writer.region(fn.body)
    for slot, value, text in zip(interface.returned, fn.results, results, strict=True):
        if not _is_number(value.type):
            raise InternalError(f"a program returns numbers, not {value.type}")
        place = writer.let(f"getelementptr inbounds i64, ptr %numbers, i64 {slot}")
        writer.line(f"store i64 {text}, ptr {place}, align 8")
    lines = [
        "entry:",
        f"  %errors = alloca {STATE}, align 64",
        *_initial_state(),
        *writer.entry,
        *writer.lines,
    ]
    lines += ["  ret i32 0", *_halt(module)] if writer.can_halt else ["  ret i32 0"]
    head = f'define i32 @"{interface.name}"(ptr %context, ptr %pointers, ptr %numbers) #0 {{\n'
    return head + "\n".join(lines) + "\n}\n"


def _initial_state() -> list[str]:
    return [f"  store {STATE} {{ i64 {NO_KEY}, i64 0, i64 0, i64 0 }}, ptr %errors, align 64"]


def _halt(module: Module) -> list[str]:
    """Give the code of the failure, or say that the program was interrupted."""
    writer = Writer(module)
    writer.start("halt")
    place = writer.let(f"getelementptr inbounds i8, ptr %context, i64 {Context.offset('error_code')}")
    code = writer.let(f"load i32, ptr {place}, align 4")
    stopped = writer.let(f"icmp ne i64 {state_word(writer, STOP)}, 0")
    answer = writer.let(f"select i1 {stopped}, i32 {INTERRUPTED}, i32 {code}")
    writer.line(f"store i32 {answer}, ptr {place}, align 4")
    writer.line(f"ret i32 {answer}")
    return [line.replace("%v", "%h") for line in writer.lines]


def _is_number(ty: object) -> bool:
    return isinstance(ty, IndexType) or (isinstance(ty, VectorType) and ty.dtype == I64 and ty.lanes == 1)


def _bind_params(writer: Writer, fn: Func, interface: Interface) -> None:
    """Fetch pointers and numbers."""
    pointer = number = 0
    for param in fn.params:
        if isinstance(param.type, BufferType):
            place = writer.let(f"getelementptr inbounds ptr, ptr %pointers, i64 {pointer}")
            writer.names[param] = writer.let(
                f"load ptr, ptr {place}, align {writer.module.target.pointer_bytes}"
            )
            pointer += 1
        elif _is_number(param.type):
            place = writer.let(f"getelementptr inbounds i64, ptr %numbers, i64 {number}")
            writer.names[param] = writer.let(f"load i64, ptr {place}, align 8")
            number += 1
        else:
            raise InternalError(f"a program takes buffers and numbers, not {param.type}")
    if number != len(interface.numbers):
        raise InternalError(f"{fn.name} takes {number} numbers, its interface names {len(interface.numbers)}")


# ---------------------------------------------------------------- helpers in LLVM

_FACT_OFFSETS = [Context.offset(f"error_fact{i}") for i in range(3)]

# The failure with the smallest key stays; one without a parallel loop around it has the first key of all.
_FAIL = f"""define internal void @weft.fail(
  ptr %context, ptr %errors, i64 %key, i32 %code, i32 %site, i64 %a, i64 %b, i64 %c
) cold noinline #0 {{
entry:
  %lock = getelementptr inbounds i8, ptr %errors, i64 8
  br label %try
try:
  %pair = cmpxchg ptr %lock, i64 0, i64 1 acquire monotonic
  %taken = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %taken, label %compare, label %try
compare:
  %old = load i64, ptr %errors, align 8
  %is_first = icmp slt i64 %key, %old
  br i1 %is_first, label %record, label %done
record:
  store i64 %key, ptr %errors, align 8
  %code_place = getelementptr inbounds i8, ptr %context, i64 {Context.offset("error_code")}
  store i32 %code, ptr %code_place, align 4
  %site_place = getelementptr inbounds i8, ptr %context, i64 {Context.offset("error_location")}
  store i32 %site, ptr %site_place, align 4
  %a_place = getelementptr inbounds i8, ptr %context, i64 {_FACT_OFFSETS[0]}
  store i64 %a, ptr %a_place, align 8
  %b_place = getelementptr inbounds i8, ptr %context, i64 {_FACT_OFFSETS[1]}
  store i64 %b, ptr %b_place, align 8
  %c_place = getelementptr inbounds i8, ptr %context, i64 {_FACT_OFFSETS[2]}
  store i64 %c, ptr %c_place, align 8
  %halt = getelementptr inbounds i8, ptr %errors, i64 {HALT}
  store atomic i64 1, ptr %halt monotonic, align 8
  br label %done
done:
  store atomic i64 0, ptr %lock release, align 8
  ret void
}}
"""

# After a parallel loop: what failed in it comes before all that follows.
_SETTLE = f"""define internal void @weft.settle(ptr %errors) #0 {{
  %key = load i64, ptr %errors, align 8
  %is_none = icmp eq i64 %key, {NO_KEY}
  %settled = select i1 %is_none, i64 {NO_KEY}, i64 {FIRST_KEY}
  store i64 %settled, ptr %errors, align 8
  ret void
}}
"""

# Only the thread that called the program asks; the others see what it was told.
_POLL = f"""define internal i64 @weft.poll(ptr %context, ptr %errors, i64 %participant) noinline #0 {{
entry:
  %stop = getelementptr inbounds i8, ptr %errors, i64 {STOP}
  %seen = load atomic i64, ptr %stop monotonic, align 8
  %is_caller = icmp eq i64 %participant, 0
  %is_running = icmp eq i64 %seen, 0
  %asks = and i1 %is_caller, %is_running
  br i1 %asks, label %look, label %done
look:
  %place = getelementptr inbounds i8, ptr %context, i64 {Context.offset("poll")}
  %poll = load ptr, ptr %place, align 8
  %is_null = icmp eq ptr %poll, null
  br i1 %is_null, label %done, label %call
call:
  %answer = call i32 %poll(ptr %context)
  %goes_on = icmp eq i32 %answer, 0
  br i1 %goes_on, label %done, label %leave
leave:
  %halt = getelementptr inbounds i8, ptr %errors, i64 {HALT}
  store atomic i64 1, ptr %halt monotonic, align 8
  store atomic i64 1, ptr %stop monotonic, align 8
  br label %done
done:
  %result = phi i64 [ %seen, %entry ], [ 0, %look ], [ 0, %call ], [ 1, %leave ]
  ret i64 %result
}}
"""

_HELPERS = {"fail": _FAIL, "settle": _SETTLE, "poll": _POLL, "poll_through": POLL_THROUGH, "await": AWAIT}
