"""LLVM text that chooses code for the CPU: `target="x86-64-any"` holds each function for several levels.

A constructor asks the CPU once, when the library is loaded, and notes the level; functions of C only read it.
Where constructors are not run, code for every x86-64 is taken. All levels give the same bits. Not here: the
functions themselves (`wrapper.py`).
"""

from __future__ import annotations

from weft.backends.cpu.helpers import machine_code_text
from weft.exporting.records import Function, Library
from weft.exporting.wrapper import arena_parameters, parameters_of

LEVELS = ("x86-64", "x86-64-v3", "x86-64-v4")
"""From the least; each function is compiled for all."""

# push rbx; mov eax, edi; mov r8, rsi; xor ecx, ecx; cpuid; mov [r8], eax; mov [r8+4], ebx; mov [r8+8], ecx;
# mov [r8+12], edx; pop rbx; ret
_CPUID = "5389f84989f031c90fa24189004189580441894808418950" + "0c5bc3"
# xor ecx, ecx; xgetbv; ret
_XGETBV = "31c90f01d0c3"
_FILL = """  store volatile i32 %leaf, ptr @weft.unknown
  %any = load volatile i128, ptr @weft.unknown
  store volatile i128 %any, ptr %answer
  ret void
"""
_GIVE = """  %any = load volatile i32, ptr @weft.unknown
  ret i32 %any
"""
_V3 = {"1": (1 << 12 | 1 << 22 | 1 << 27 | 1 << 28 | 1 << 29, 8), "7": (1 << 3 | 1 << 5 | 1 << 8, 4),
       "2147483649": (1 << 5, 8)}  # fmt: skip
_V4_BITS = 1 << 16 | 1 << 17 | 1 << 28 | 1 << 30 | 1 << 31
"""AVX-512 F, DQ, CD, BW and VL in leaf 7."""


def _bits(leaf: str, offset: int, bits: int) -> str:
    """Lines that set `%fit.LEAF.OFFSET.BITS` to whether the CPU says all these."""
    name = f"{leaf}.{offset}.{bits}"
    return f"""  call void @weft.cpuid(i32 {int(leaf) - (1 << 32) if int(leaf) >> 31 else leaf}, ptr %answer)
  %place.{name} = getelementptr i8, ptr %answer, i64 {offset}
  %word.{name} = load i32, ptr %place.{name}, align 4
  %these.{name} = and i32 %word.{name}, {bits}
  %fit.{name} = icmp eq i32 %these.{name}, {bits}
"""


def detection_text(library: Library) -> str:
    """The constructor, the level, 0 to 2, that it notes, and the functions that go by it."""
    three = [(leaf, offset, bits) for leaf, (bits, offset) in _V3.items()]
    fits = [f"%fit.{leaf}.{offset}.{bits}" for leaf, offset, bits in three]
    level = f"@{library.name}_level"
    functions = "\n".join(dispatch_text(library, one) for one in library.functions)
    calls = "\n".join(_declarations(library, one) for one in library.functions)
    return f"""{functions}
{calls}
{level} = internal global i32 0
@weft.constructor = internal global ptr @weft.detect, section ".init_array", align 8
@llvm.compiler.used = appending global [3 x ptr] [
  ptr @weft.constructor, ptr @weft.cpuid, ptr @weft.xgetbv], section "llvm.metadata"
@weft.unknown = internal global i128 0
{machine_code_text("internal void @weft.cpuid(i32 %leaf, ptr %answer)", _CPUID, _FILL)}
{machine_code_text("internal i32 @weft.xgetbv()", _XGETBV, _GIVE)}
define internal void @weft.detect() nounwind {{
entry:
  %answer = alloca [4 x i32], align 16
  call void @weft.cpuid(i32 0, ptr %answer)
  %most = load i32, ptr %answer, align 4
  %has_seven = icmp uge i32 %most, 7
  br i1 %has_seven, label %three, label %done
three:
{"".join(_bits(*one) for one in three)}  %both = and i1 {fits[0]}, {fits[1]}
  %all = and i1 %both, {fits[2]}
  br i1 %all, label %system, label %done
system:
  %saved = call i32 @weft.xgetbv()
  %saved3 = and i32 %saved, 6
  %keeps3 = icmp eq i32 %saved3, 6
  br i1 %keeps3, label %four, label %done
four:
  store i32 1, ptr {level}, align 4
{_bits("7", 4, _V4_BITS)}  %saved4 = and i32 %saved, 230
  %keeps4 = icmp eq i32 %saved4, 230
  %is4 = and i1 %keeps4, %fit.7.4.{_V4_BITS}
  br i1 %is4, label %wide, label %done
wide:
  store i32 2, ptr {level}, align 4
  br label %done
done:
  ret void
}}
"""


def for_level(text: str, cpu: str) -> str:
    """The text of a program with its functions marked for a CPU."""
    return text.replace("attributes #0 = {", f'attributes #0 = {{ "target-cpu"="{cpu}"', 1)


def dispatch_text(library: Library, function: Function) -> str:
    """The function of C, and that of its arena, which go on to those of the level."""
    parts = [_dispatch(library, function.symbol, "i32", parameters_of(library, function), "")]
    if not library.is_arena_static:
        names = [f"i64 %{name}" for name in arena_parameters(function)]
        parts.append(_dispatch(library, function.symbol, "i64", names, "_arena_size"))
    return "\n".join(parts)


def _declarations(library: Library, function: Function) -> str:
    types = ", ".join(one.split()[0] for one in parameters_of(library, function))
    sizes = ", ".join("i64" for _ in arena_parameters(function))
    names = [versioned(function.symbol, level) for level in LEVELS]
    lines = [f"declare i32 @{name}({types})" for name in names]
    if not library.is_arena_static:
        lines += [f"declare i64 @{name}_arena_size({sizes})" for name in names]
    return "\n".join(lines)


def versioned(symbol: str, level: str) -> str:
    """The name of a function's code for a level."""
    return f"{symbol}.{level.removeprefix('x86-64-')}" if level != LEVELS[0] else f"{symbol}.v1"


def _dispatch(library: Library, symbol: str, result: str, parameters: list[str], ending: str) -> str:
    given = ", ".join(parameters)
    calls = [
        f"level{k}:\n  %r{k} = tail call {result} @{versioned(symbol, one)}{ending}({given})\n"
        f"  ret {result} %r{k}"
        for k, one in enumerate(LEVELS)
    ]
    cases = " ".join(f"i32 {k}, label %level{k}" for k in range(1, len(LEVELS)))
    return (
        f"define {result} @{symbol}{ending}({given}) nounwind {{\n"
        f"  %level = load i32, ptr @{library.name}_level, align 4\n"
        f"  switch i32 %level, label %level0 [ {cases} ]\n" + "\n".join(calls) + "\n}\n"
    )
