"""The C header of a library, for C and C++.

Not here: the functions themselves (`wrapper.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from weft.calls.guards import MOST_BYTES
from weft.exporting.records import C_TYPES, Argument, Function, Library
from weft.exporting.wrapper import arena_parameters, messages_of
from weft.ir import DType
from weft.ir.dims import DimLike, show_dim

_WIDTH = 100
_FILES = """int {name}_save(const {name}_state *state, const char *path);
int {name}_load({name}_state *state, const char *path);"""


def header_text(library: Library, version: str) -> str:
    """The whole file."""
    name, guard = library.name, f"WEFT_{library.name.upper()}_H"
    codes = "\n".join(f" *   {code}: {message}" for code, message in messages_of(library).items())
    threads = "not reentrant" if library.is_arena_static else "may run at once with other arenas and states"
    lines = [
        f"/* {name}: made by {version} for {library.target}. Needs libc alone.",
        " *",
        " * Arrays are dense and row-major (the last axis is contiguous); results overlap nothing else.",
        f" * Functions allocate nothing; calls {threads}.",
        f" * They return 0 or a code, see {name}_strerror:",
        codes,
        " */",
        f"#ifndef {guard}",
        f"#define {guard}",
        "#include <stdbool.h>",
        "#include <stdint.h>",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
    ]
    if library.variables:
        lines += _state(library)
    if not library.is_arena_static:
        lines += [
            "/* Prepares memory as an arena; once, and again if it moves. */",
            f"int {name}_arena_init(void *arena, int64_t bytes);",
            "",
        ]
    if library.has_threads:
        lines += [
            "/* Threads for large loops, the caller's included; 1, as at the start, for none.",
            " * They are shared by all calls. Set 1 before the library is unloaded. */",
            f"int {name}_set_threads(int count);",
            "",
        ]
    for function in library.functions:
        lines += _function(library, function)
    lines += [
        f"const char *{name}_strerror(int code);",
        f"const char *{name}_version(void); /* with a hash of the content */",
        "",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "#endif",
        "",
    ]
    return "\n".join(lines)


def _state(library: Library) -> list[str]:
    name = library.name
    of_files = "; save and load use safetensors files" if library.has_files else ""
    lines = ["/* The variables, in memory of state_size bytes that the caller provides, aligned to 8 bytes:"]
    lines += [f" *   {one.name}: {_type(one.dtype, one.shape)}" for one in library.variables]
    return [
        *lines,
        f" * init sets the initial values{of_files}. */",
        f"typedef struct {name}_state {name}_state;",
        f"int64_t {name}_state_size(void);",
        f"int {name}_init({name}_state *state);",
        *(_FILES.format(name=name).splitlines() if library.has_files else []),
        "",
    ]


def _type(dtype: DType, shape: Sequence[DimLike]) -> str:
    pairs = " of pairs (real, imaginary)" if dtype.is_complex else ""
    return f"{dtype.name}[{', '.join(show_dim(d) for d in shape)}]{pairs}"


def _function(library: Library, function: Function) -> list[str]:
    lines = [f"/* {function.label}"]
    for argument in function.arguments:
        written = ", is written" if argument.is_written else ""
        kind = "an int" if argument.kind == "integer" else _type(argument.dtype, argument.shape)
        lines.append(
            f" *   {argument.name}: {kind if argument.kind != 'value' else argument.dtype.name}{written}"
        )
    lines += [f" *   {size.name}: a size from {size.lower}" for size in function.sizes]
    lines += [f" *   {relation}" for relation in _relations(function)]
    lines += [f" *   {one.name}: result, {_type(one.dtype, one.shape)}" for one in function.outputs]
    lines[-1] += " */"
    parameters = [
        *([f"{library.name}_state *state"] if function.uses_state else []),
        *([] if library.is_arena_static else ["void *arena"]),
        *map(_parameter, function.arguments),
        *(f"int64_t {size.name}" for size in function.sizes),
        *(f"{C_TYPES[one.dtype.name]} *{one.name}" for one in function.outputs),
    ]
    lines += _wrapped(f"int {function.symbol}(", parameters)
    if not library.is_arena_static:
        sizes = [f"int64_t {name}" for name in arena_parameters(function)]
        lines.append("/* Bytes of an arena for these sizes; 0: none is needed; below 0: minus a code. */")
        lines += _wrapped(f"int64_t {function.symbol}_arena_size(", sizes)
    return [*lines, ""]


def _relations(function: Function) -> list[str]:
    """What must hold between sizes, in words, where one program serves all that the function takes."""
    limits = [g for g in function.interface.guards if g.right != MOST_BYTES]
    if function.variants or not limits:
        return []
    return ["where " + " and ".join(f"{show_dim(g.left)} {g.relation} {show_dim(g.right)}" for g in limits)]


def _parameter(argument: Argument) -> str:
    kind = C_TYPES[argument.dtype.name]
    if argument.kind != "array":
        return f"{kind} {argument.name}"
    return f"{kind} *{argument.name}" if argument.is_written else f"const {kind} *{argument.name}"


def _wrapped(head: str, parameters: Sequence[str]) -> list[str]:
    """A declaration in lines of bounded length."""
    lines, line = list[str](), head
    for number, parameter in enumerate(parameters or ["void"]):
        text = parameter + (", " if number + 1 < len(parameters) else ");")
        if len(line) + len(text) > _WIDTH:
            lines.append(line.rstrip())
            line = "    "
        line += text
    return [*lines, line]
