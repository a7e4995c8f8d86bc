"""`weft.export`: checks what was asked, builds the library in memory, writes library and header.

Not here: programs (`program.py`), the C side (`wrapper.py`, `state.py`, `header.py`).
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from weft.backends.cpu.archive import static_library
from weft.backends.cpu.elf import ObjectFormatError, read_object
from weft.backends.cpu.link import compile_library
from weft.backends.cpu.linking import SUFFIXES, link_shared
from weft.backends.cpu.target import host_target, machine_of, named_target
from weft.backends.cpu.threads import SYSTEM_CALLS, pool_text
from weft.exporting.header import header_text
from weft.exporting.names import check_name, check_symbol
from weft.exporting.program import Collection, function_of
from weft.exporting.quantize import KINDS as QUANTIZATIONS
from weft.exporting.quantize import Layer, Request
from weft.exporting.records import FIRST_SITE, Function, Library
from weft.exporting.state import state_text
from weft.exporting.versions import LEVELS, detection_text, for_level, versioned
from weft.exporting.wrapper import state_mark, text_of, version_text
from weft.ir import UnsupportedError, UserError
from weft.ir.dataclass import dataclass
from weft.ir.dims import show_dim
from weft.ir.target import Target
from weft.library import MARK
from weft.version import VERSION

KINDS = ("so", "a", "o")
ANY = "x86-64-any"


@dataclass(frozen=True, slots=True)
class Report:
    """What was written: the files, bytes of the library and of the object in it, the functions of C.

    `sizes` are bytes by name, of kernels, weights and the rest, the largest first; empty where unknown.
    `layers` says what quantization cost.
    """

    library: Path
    header: Path
    library_bytes: int
    object_bytes: int
    functions: tuple[str, ...]
    sizes: tuple[tuple[str, int], ...] = ()
    layers: tuple[Layer, ...] = ()


def export(
    f: Any,
    specs: Any = None,
    path: str | os.PathLike[str] | None = None,
    *,
    name: str | None = None,
    target: str = "host",
    kind: str = "so",
    arena: str = "caller",
    optimize: str = "speed",
    quantize: str | None = None,
    calibration: Sequence[Any] | Mapping[str, Sequence[Any]] = (),
    max_error: float = 0.1,
    threads: bool = False,
) -> Report:
    """Write a function, or several by name, as a library that needs libc alone, and its C header beside it.

    `specs` are the types of the arguments, one for each, as in ["f32[n,784]"]; a dict gives keywords.
    `f` may be a dict from names to (function, specs): the functions share their variables. `path` is the
    library's file; `name`, the prefix in C, is its stem without `lib` unless it is given. `target` is "host",
    "x86-64", "x86-64-v2" to "-v4", "aarch64", "armv7", "riscv64", "wasm32", "x86_64-windows",
    "arm64-apple-macos", or "TRIPLE:CPU:+feature". `kind` is "so" (a shared library, whatever the system calls
    it), "a" or "o". `arena="static"` keeps scratch in the library: sizes must be numbers then.
    `optimize="size"` prefers short code. "x86-64-any" holds code for SSE2, AVX2 and AVX-512 and chooses when
    it is loaded. `quantize="int8"` rounds products and convolutions by what `calibration` holds, arguments of
    calls (by name of the function if there are several); "int8-weights" only their weights. A result may then
    be off by `max_error`: of its root mean square, or of the share of integers that differ.
    `threads=True` adds `NAME_set_threads`.
    Raises UserError for what cannot be exported, UnsupportedError for what is not built,
    OSError if a file cannot be written; no file is left half-written.
    """
    request = _request(quantize, calibration, max_error)
    _check_choice("optimize", optimize, ("speed", "size"))
    _check_choice("kind", kind, KINDS)
    _check_choice("arena", arena, ("caller", "static"))
    if path is None:
        raise UserError("weft.export needs a path", fix='name the file, as in path="libmlp.so"')
    file = Path(path)
    stem = file.name.partition(".")[0]
    chosen = check_name(name or stem.removeprefix("lib"), "the name of a library")
    _check_folder(file.parent)
    machine = _target(target)
    _check_threads(machine, has_threads=threads)
    collection = Collection(request)
    functions = _functions(f, specs, chosen, machine, collection, has_threads=threads)
    versions = _versions(f, specs, chosen, collection, functions, threads) if target == ANY else ()
    variables = collection.named_variables() if collection.variables else ()
    where = target if target != "host" else f"this machine ({machine.triple})"
    library = Library(
        chosen, functions, variables, tuple(collection.constants), arena == "static", where, machine.system,
        machine.pointer_bytes, threads, versions,
    )  # fmt: skip
    if library.is_arena_static:
        _check_static(library)
    exported = _exported(library)
    data, version = _object(library, machine, exported, is_small=optimize == "size")
    content = {
        "so": lambda: link_shared(data, machine, file.name, exported),
        "a": lambda: static_library(data, chosen, sorted(exported)),
        "o": lambda: data,
    }
    made = content[kind]()
    header = file.with_name(f"{stem}.h")
    _write(
        (file, made, 0o755 if kind == "so" else 0o644),
        (header, header_text(library, version).encode(), 0o644),
    )
    symbols = tuple(one.symbol for one in functions)
    return Report(
        file, header, len(made), len(data), symbols, code_sizes(data), tuple(dict.fromkeys(collection.layers))
    )


def _request(kind: str | None, calibration: Any, max_error: float) -> Request | None:
    if kind is None:
        return None
    _check_choice("quantize", kind, QUANTIZATIONS)
    if kind == "int8" and not calibration:
        raise UserError(
            'quantize="int8" needs calibration data: arguments of some typical calls',
            fix='write calibration=[(x,)], or use quantize="int8-weights"',
        )
    return Request("int8" if kind == "int8" else "int8-weights", calibration, max_error)


def _check_threads(machine: Target, *, has_threads: bool) -> None:
    if has_threads and (machine.system != "linux" or machine.architecture not in SYSTEM_CALLS):
        raise UnsupportedError(
            f"threads=True of weft.export is built for Linux on x86-64 and aarch64, not for {machine.triple}",
            code="E051",
            fix="leave it out, and call the library from threads of your own",
        )


def _versions(
    f: Any, specs: Any, name: str, collection: Collection, functions: tuple[Function, ...], threads: bool
) -> tuple[Function, ...]:
    """Each function for each level, its failures numbered after those of all before it."""
    found: list[Function] = []
    site = FIRST_SITE
    for level in LEVELS:
        made = functions
        if level != LEVELS[0]:
            made = _functions(f, specs, name, named_target(level), collection, has_threads=threads)
        for one in made:
            each = [_version(variant, level, site) for variant in one.built]
            site += sum(len(variant.interface.sites) for variant in each)
            symbol = versioned(one.symbol, level)
            found.append(replace(one, symbol=symbol, variants=tuple(each)) if one.variants else each[0])
    return tuple(found)


def _version(one: Function, level: str, site: int) -> Function:
    """The function for a level, its failures numbered from `site`."""
    symbol = versioned(one.symbol, level)
    interface = replace(one.interface, name=f"{symbol}_program")
    text = for_level(one.text.replace(f"{one.interface.name}", f"{symbol}_program"), level)
    return replace(one, symbol=symbol, interface=interface, text=text, first_site=site)


def _check_choice(keyword: str, value: object, values: Sequence[str]) -> None:
    if value not in values:
        words = ", ".join(f'"{v}"' for v in values)
        raise UserError(
            f"{keyword}= of weft.export cannot be {value!r}", code="E002", fix=f"use one of {words}"
        )


def _check_folder(folder: Path) -> None:
    """Raise before anything is compiled."""
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}", code="E005", fix="make it first")
    if not os.access(folder, os.W_OK):
        raise UserError(f"the folder {folder} cannot be written", code="E005", fix="choose another path")


def file_name(name: str, kind: str, target: str) -> str:
    """What systems call the file of a library."""
    system = _target(target).system if kind == "so" else ""
    start = "" if system in ("windows", "wasm") else "lib"
    return f"{start}{name}{SUFFIXES.get(system, f'.{kind}')}"


def _target(name: str) -> Target:
    if name == "host":
        return host_target()
    if name == ANY:
        return named_target(LEVELS[0])
    try:
        return named_target(name)
    except UnsupportedError as error:
        raise UserError(str(error.sentence), code="E002", fix=error.fix) from None


def _functions(
    f: Any, specs: Any, name: str, target: Target, collection: Collection, *, has_threads: bool
) -> tuple[Function, ...]:
    if not isinstance(f, Mapping):
        check_symbol(name)
        return (function_of(f, specs, name, name, target, collection, has_threads=has_threads),)
    several = cast("Mapping[Any, Any]", f)
    if specs is not None or not several:
        raise UserError(
            "several functions are given as a dict with their specs",
            fix='write weft.export({"train": (f, specs), "predict": (g, specs)}, path=path)',
        )
    reserved = {
        "set_threads",
        "arena_init",
        "strerror",
        "version",
        "metadata",
        "init",
        "save",
        "load",
        "state_size",
        "state",
    }
    found: list[Function] = []
    site = FIRST_SITE
    for label, value in several.items():
        check_name(label if isinstance(label, str) else repr(label), "the name of a function")
        if label in reserved or label.endswith("_arena_size"):
            raise UserError(
                f"a function cannot be called {label}: {name}_{label} is taken", fix="give it another name"
            )
        one, own = value if isinstance(value, tuple) and len(value) == 2 else (value, None)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        found.append(
            function_of(one, own, label, f"{name}_{label}", target, collection, site, has_threads=has_threads)
        )
        site += sum(len(each.interface.sites) for each in found[-1].built)
    return tuple(found)


def _check_static(library: Library) -> None:
    for function in library.functions:
        if not isinstance(function.arena_bytes, int):
            raise UserError(
                f'arena="static" needs constant sizes; the arena of {function.label} has '
                f"{show_dim(function.arena_bytes)} bytes",
                fix='give numbers in the specs, or leave arena="caller"',
            )


# ---------------------------------------------------------------- content


def _exported(library: Library) -> set[str]:
    """The names that programs see."""
    of_state = ("init", "state_size", *(("save", "load") if library.has_files else ()))
    of_threads = ("set_threads",) if library.has_threads else ()
    names = ("strerror", "version", "metadata", *of_threads, *(of_state if library.variables else ()))
    symbols = [one.symbol for one in library.functions]
    found = {*symbols, *(f"{library.name}_{what}" for what in names)}
    return found if library.is_arena_static else {
        *found, f"{library.name}_arena_init", *(f"{one}_arena_size" for one in symbols)
    }  # fmt: skip


def _object(library: Library, target: Target, exported: set[str], *, is_small: bool) -> tuple[bytes, str]:
    """The object with everything, and the version that it names."""
    texts = [*(one.text for one in library.built), text_of(library)]
    if library.versions:
        texts.append(detection_text(library))
    if library.has_threads:
        texts.append(pool_text(target.architecture))
    if library.variables:
        texts.append(state_text(library))
    facts = _metadata(library, target)
    digest = hashlib.sha256("\0".join((*texts, json.dumps(facts, sort_keys=True))).encode()).hexdigest()[:16]
    version = f"weft {VERSION} {digest}"
    metadata = MARK + json.dumps({**facts, "version": version}, separators=(",", ":"))
    texts.append(version_text(library.name, version, metadata))
    return compile_library(texts, exported, machine_of(target), is_small=is_small), version


def code_sizes(data: bytes) -> tuple[tuple[str, int], ...]:
    """Bytes by name, the largest first; nothing for objects that are not ELF."""
    try:
        symbols = read_object(data).symbols
        found = [(s.name, s.size_bytes) for s in symbols if s.name and s.section and s.size_bytes]
    except ObjectFormatError:
        found = _short_sizes(data) if data[:5] == b"\x7fELF\x01" else []
    return tuple(sorted(found, key=lambda pair: (-pair[1], pair[0])))


def _short_sizes(data: bytes) -> list[tuple[str, int]]:
    """The same of 32-bit ELF objects, unsorted."""
    table, count = struct.unpack_from("<I", data, 32)[0], struct.unpack_from("<H", data, 48)[0]
    sections = [struct.unpack_from("<10I", data, table + 40 * k) for k in range(count)]
    found: list[tuple[str, int]] = []
    for _, kind, _, _, offset, size, link, _, _, _ in sections:
        for at in range(offset, offset + size, 16) if kind == 2 else ():
            name, _, bytes_, _, _, home = struct.unpack_from("<IIIBBH", data, at)
            start = sections[link][4] + name
            if name and home and bytes_:
                found.append((data[start : data.index(b"\0", start)].decode(), bytes_))
    return found


def _metadata(library: Library, target: Target) -> dict[str, Any]:
    """What `weft.load_library` needs to know; the rows have the columns of `weft.library.ROWS`."""
    return {
        "name": library.name,
        "architecture": target.architecture,
        "system": target.system,
        "is_arena_static": library.is_arena_static,
        "has_threads": library.has_threads,
        "mark": state_mark(library) if library.variables else 0,
        "variables": [
            [v.name, v.dtype.name, list(v.shape), at]
            for v, at in zip(library.variables, library.offsets, strict=False)
        ],
        "functions": [_function_facts(one) for one in library.functions],
    }


def _function_facts(one: Function) -> dict[str, Any]:
    return {
        "label": one.label,
        "symbol": one.symbol,
        "uses_state": one.uses_state,
        "arguments": [
            [a.path, a.kind, a.dtype.name, [show_dim(d) for d in a.shape], a.symbol, int(a.is_written)]
            for a in one.arguments
        ],
        "sizes": [[size.name, size.symbol, size.lower] for size in one.sizes],
        "outputs": [[o.name, o.dtype.name, [show_dim(d) for d in o.shape]] for o in one.outputs],
        "tree": one.tree,
        "parameters": one.parameters,
    }  # fmt: skip


def _write(*files: tuple[Path, bytes, int]) -> None:
    """Write all beside, then rename: files appear whole or not at all."""
    made: list[tuple[str, Path]] = []
    try:
        for path, content, mode in files:
            handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            made.append((beside, path))
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(beside, mode)
        for beside, path in made:
            os.replace(beside, path)
    finally:
        for beside, _ in made:
            Path(beside).unlink(missing_ok=True)
