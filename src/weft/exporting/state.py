"""LLVM text of the functions of variables: `NAME_state_size`, `init`, `save`, `load`.

The state is a header of 64 bytes and the variables. A file has the format of safetensors, with the bytes that
Python's writer gives; `load` takes exactly that header, so it needs no parser. Not here: Python's side
(`weft.runtime.checkpoint`).
"""

from __future__ import annotations

import json

from weft.exporting.records import FILE, OTHER_FILE, Library, Stored
from weft.exporting.wrapper import SMALL, Text, check_state, literal, state_mark, string

# fmt: off
_FILE_TYPES = {"bool": "BOOL", "u8": "U8", "i8": "I8", "i16": "I16", "u16": "U16", "i32": "I32", "u32": "U32",
               "f32": "F32", "f64": "F64", "f16": "F16", "c64": "C64", "i64": "I64", "u64": "U64"}
# fmt: on
_ORDER = tuple(_FILE_TYPES)
_LONGEST_PATH = 4000
_LONGEST_PATH_OF_WINDOWS = 300  # of MoveFileExA; a stack frame below a page needs no probes there

_DECLARATIONS = """declare ptr @fopen(ptr, ptr)
declare WORD @fread(ptr, WORD, WORD, ptr)
declare WORD @fwrite(ptr, WORD, WORD, ptr)
declare i32 @fclose(ptr)
declare i32 @fgetc(ptr)
declare i32 @rename(ptr, ptr)
declare i32 @remove(ptr)
declare WORD @strlen(ptr)
"""
_MOVE = """declare dllimport i32 @MoveFileExA(ptr, ptr, i32)
define internal i32 @weft.rename(ptr %from, ptr %to) nounwind {
  %moved = call i32 @MoveFileExA(ptr %from, ptr %to, i32 1)
  %failed = icmp eq i32 %moved, 0
  %code = zext i1 %failed to i32
  ret i32 %code
}
"""
"""On Windows `rename` does not replace."""


def file_order(library: Library) -> list[int]:
    """The variables as they follow each other in a file: by type, then by name."""
    numbers = range(len(library.variables))
    return sorted(
        numbers, key=lambda k: (-_ORDER.index(library.variables[k].dtype.name), library.variables[k].name)
    )


def file_header(library: Library) -> bytes:
    """The first bytes of a file: the length of the table, and the table."""
    table: dict[str, object] = {}
    at = 0
    for number in file_order(library):
        one = library.variables[number]
        end = at + len(one.content)
        table[one.name] = {
            "dtype": _FILE_TYPES[one.dtype.name],
            "shape": list(one.shape),
            "data_offsets": [at, end],
        }
        at = end
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def state_text(library: Library) -> str:
    """The text of the functions, nothing without variables."""
    if not library.variables:
        return ""
    name, offsets = library.name, library.offsets
    header = file_header(library)
    parts = [_DECLARATIONS.replace("WORD", word_of(library))] if library.has_files else []
    if library.system == "windows":
        parts[0] = parts[0].replace("declare i32 @rename(ptr, ptr)\n", _MOVE)
    parts += [_initial(name, k, one) for k, one in enumerate(library.variables) if any(one.content)]
    parts.append(f"define i64 @{name}_state_size() nounwind {{\n  ret i64 {offsets[-1]}\n}}")
    parts.append(_init(library))
    if library.has_files:
        parts.append(f"@{name}_file_header = internal constant {literal(header)}")
        parts.append(f"@{name}_mode_read = internal constant {string('rb')}")
        parts.append(f"@{name}_mode_write = internal constant {string('wb')}")
        parts.append(f"@{name}_part = internal constant {string('.part')}")
        parts += [_places(library), _save(library, len(header)), _load(library, len(header))]
    return "\n".join(parts) + "\n"


def word_of(library: Library) -> str:
    """The type of C's size_t."""
    return f"i{8 * library.pointer_bytes}"


def _initial(name: str, number: int, one: Stored) -> str:
    return f"@{name}_initial_{number} = internal constant {literal(one.content)}, align 64"


def _init(library: Library) -> str:
    text = Text()
    text.leave_if_null(["%state"])
    for number, (one, offset) in enumerate(zip(library.variables, library.offsets, strict=False)):
        place, size = text.at("%state", offset), len(one.content)
        if any(one.content):
            source = f"@{library.name}_initial_{number}"
            text.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {place}, ptr {source}, i64 {size}, i1 false)")
        else:
            text.line(f"call void @llvm.memset.p0.i64(ptr {place}, i8 0, i64 {size}, i1 false)")
    text.line(f"store i64 {state_mark(library)}, ptr %state, align 8")
    text.line("ret i32 0")
    return text.function(f"i32 @{library.name}_init(ptr %state) {SMALL}")


def _save(library: Library, header: int) -> str:
    """Write beside the file, then rename: an old file stays whole."""
    text, name, word = Text(), library.name, word_of(library)
    text.leave_if_null(["%state", "%path"])
    check_state(text, library)
    longest = _LONGEST_PATH_OF_WINDOWS if library.system == "windows" else _LONGEST_PATH
    length = text.let(f"call {word} @strlen(ptr %path)")
    text.leave_if(text.let(f"icmp ugt {word} {length}, {longest}"), FILE)
    wide = length if word == "i64" else text.let(f"zext {word} {length} to i64")
    beside = text.let(f"alloca [{longest + 16} x i8], align 16")
    text.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {beside}, ptr %path, i64 {wide}, i1 false)")
    end = text.let(f"getelementptr inbounds i8, ptr {beside}, i64 {wide}")
    text.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {end}, ptr @{name}_part, i64 6, i1 false)")
    file = text.let(f"call ptr @fopen(ptr {beside}, ptr @{name}_mode_write)")
    text.leave_if(text.let(f"icmp eq ptr {file}, null"), FILE)
    count = text.let(f"call {word} @fwrite(ptr @{name}_file_header, {word} 1, {word} {header}, ptr {file})")
    begun = text.let(f"icmp eq {word} {count}, {header}")
    fine = text.let(f"and i1 {begun}, {_each_place(text, library, 'fwrite', file)}")
    closed = text.let(f"icmp eq i32 {text.let(f'call i32 @fclose(ptr {file})')}, 0")
    fine = text.let(f"and i1 {fine}, {closed}")
    text.line(f"br i1 {fine}, label %finish, label %give_up")
    text.lines.append("finish:")
    rename = "weft.rename" if library.system == "windows" else "rename"
    renamed = text.let(f"call i32 @{rename}(ptr {beside}, ptr %path)")
    text.leave_if(text.let(f"icmp eq i32 {renamed}, 0"), 0)
    text.line("br label %give_up")
    text.lines.append("give_up:")
    text.let(f"call i32 @remove(ptr {beside})")
    text.line(f"ret i32 {FILE}")
    return text.function(f"i32 @{name}_save(ptr %state, ptr %path) {SMALL}")


def _places(library: Library) -> str:
    """The table of where each variable lies in the state and its bytes, in the order of the file."""
    word, offsets = word_of(library), library.offsets
    numbers = [n for k in file_order(library) for n in (offsets[k], len(library.variables[k].content))]
    listed = ", ".join(f"{word} {n}" for n in numbers)
    return f"@{library.name}_places = internal constant [{len(numbers)} x {word}] [{listed}]"


def _each_place(text: Text, library: Library, call: str, file: str) -> str:
    """A loop that reads or writes each variable; gives whether all bytes were."""
    name, word, before = library.name, word_of(library), text.label
    entry = f"getelementptr inbounds [2 x {word}], ptr @{name}_places, i64 %each.place"
    text.lines += [
        "  br label %each", "each:",
        f"  %each.place = phi i64 [ 0, %{before} ], [ %each.after, %each ]",
        f"  %each.fine = phi i1 [ true, %{before} ], [ %each.still, %each ]",
        f"  %each.where = {entry}, i64 0", f"  %each.offset = load {word}, ptr %each.where",
        f"  %each.much = {entry}, i64 1", f"  %each.bytes = load {word}, ptr %each.much",
        f"  %each.values = getelementptr inbounds i8, ptr %state, {word} %each.offset",
        f"  %each.count = call {word} @{call}(ptr %each.values, {word} 1, {word} %each.bytes, ptr {file})",
        f"  %each.whole = icmp eq {word} %each.count, %each.bytes",
        "  %each.still = and i1 %each.fine, %each.whole", "  %each.after = add i64 %each.place, 1",
        f"  %each.left = icmp ult i64 %each.after, {len(library.variables)}",
        "  br i1 %each.left, label %each, label %all", "all:",
    ]  # fmt: skip
    text.label = "all"
    return "%each.still"


def _load(library: Library, header: int) -> str:
    """Read a file with exactly our table; a state that was read in part is marked as none."""
    text, name = Text(), library.name
    text.leave_if_null(["%state", "%path"])
    file = text.let(f"call ptr @fopen(ptr %path, ptr @{name}_mode_read)")
    text.leave_if(text.let(f"icmp eq ptr {file}, null"), FILE)
    text.lines += [
        "  br label %compare", "compare:",
        f"  %number = phi i64 [ 0, %{text.label} ], [ %next, %equal ]",
        f"  %read = call i32 @fgetc(ptr {file})",
        f"  %place = getelementptr inbounds i8, ptr @{name}_file_header, i64 %number",
        "  %byte = load i8, ptr %place, align 1", "  %wanted = zext i8 %byte to i32",
        "  %same = icmp eq i32 %read, %wanted", "  br i1 %same, label %equal, label %refuse", "equal:",
        "  %next = add i64 %number, 1", f"  %more = icmp ult i64 %next, {header}",
        "  br i1 %more, label %compare, label %values", "refuse:",
        f"  %closed = call i32 @fclose(ptr {file})", f"  ret i32 {OTHER_FILE}", "values:",
    ]  # fmt: skip
    text.line("store i64 0, ptr %state, align 8")
    text.label = "values"
    fine = _each_place(text, library, "fread", file)
    at_end = text.let(f"icmp eq i32 {text.let(f'call i32 @fgetc(ptr {file})')}, -1")
    fine = text.let(f"and i1 {fine}, {at_end}")
    text.let(f"call i32 @fclose(ptr {file})")
    bad = text.let(f"xor i1 {fine}, true")
    text.leave_if(bad, OTHER_FILE)
    text.line(f"store i64 {state_mark(library)}, ptr %state, align 8")
    text.line("ret i32 0")
    return text.function(f"i32 @{name}_load(ptr %state, ptr %path) {SMALL}")
