"""Where in the user's source a traced operation stands, and which functions are the user's at all.

Taking a position costs a walk over our own frames; line and column are looked up only when they are printed.
"""

from __future__ import annotations

import dis
import linecache
import os
import stat
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Any, NamedTuple

from weft.compiler.frontend.source import UserValue
from weft.ir.source import LIBRARIES, Location

REGION_MARK = ".<region>"  # ends co_qualname of the code of a statement body that became a function


_ours: set[int] = set()  # where the globals of our modules are, which live as long as the process


class Position(NamedTuple):
    """An instruction of the user's; cheap to take and to keep."""

    code: CodeType
    lasti: int


def current_position(skip: Callable[[str], bool] | None = None) -> Position:
    """Give the instruction of the innermost frame outside our modules and those whose name `skip` takes."""
    frame = user_frame(skip)
    return Position(frame.f_code, frame.f_lasti)


def user_frame(skip: Callable[[str], bool] | None = None) -> FrameType:
    """Give that frame."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  there is no public way
    while frame.f_back is not None:
        place = id(frame.f_globals)
        if place not in _ours:
            module = frame.f_globals.get("__name__") or ""
            is_ours = module.startswith("weft.") or module in ("weft", "contextlib")  # which calls us back
            if not (is_ours or (skip is not None and skip(module))):
                break
            if is_ours and getattr(sys.modules.get(module), "__dict__", None) is frame.f_globals:
                _ours.add(place)
        frame = frame.f_back
    return frame


def is_caught() -> bool:
    """Whether a function that is traced has a handler for what is raised where it stands."""
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  there is no public way
    while frame is not None and frame.f_globals.get("__name__") != "weft.compiler.frontend.entry":
        module = str(frame.f_globals.get("__name__") or "")
        if not module.startswith("weft.") and _has_handler(frame.f_code, frame.f_lasti):
            return True
        frame = frame.f_back
    return False


def _has_handler(code: CodeType, lasti: int) -> bool:
    """Whether an `except` covers an instruction; `with` and `finally` have none that match exceptions."""
    entries: Any = getattr(dis, "_parse_exception_table")(code)  # noqa: B009 -- it is private
    targets = {one.target for one in entries if one.start <= lasti < one.end}
    names: list[str] = []
    for one in dis.get_instructions(code) if targets else ():
        if one.offset in targets or names:
            names.append(one.opname)
            if len(names) == 2 and one.opname == "POP_TOP":
                return True
            if one.opname in ("CHECK_EXC_MATCH", "CHECK_EG_MATCH"):
                return True
            if one.opname == "RERAISE":
                names = []
    return False


def resolve(code: CodeType, lasti: int) -> Location:
    """Give file, line and columns of an instruction."""
    first, last, start, end = next(islice(code.co_positions(), max(lasti, 0) // 2, None), (None,) * 4)
    line, file = first or code.co_firstlineno, code.co_filename
    if start is None or end is None or last != first:
        return Location(file, line, _characters(file, line, start), None, code.co_name)
    return Location(file, line, _characters(file, line, start), _characters(file, line, end), code.co_name)


def source_lines(file: str, module: dict[str, Any] | None = None) -> list[str]:
    """The lines of a source file, of the text of `python -c`, of `python < file`; none if there is no source.

    Other modules than the main one may have functions of "<string>" too: those of named tuples, for one.
    """
    if file not in ("<string>", "<stdin>"):
        return linecache.getlines(file, module)
    is_main = module is None or module.get("__name__") == "__main__"
    if is_main and file == "<stdin>":
        return linecache.getlines(file) or _standard_input()
    if is_main and "-c" in sys.orig_argv[:-1]:
        text = sys.orig_argv[sys.orig_argv.index("-c") + 1]
        return [f"{line}\n" for line in text.split("\n")]
    return []


def _standard_input() -> list[str]:
    """The script that Python reads as its standard input, if that is a file: a pipe cannot be read again."""
    try:
        status = os.fstat(0)
        text = os.pread(0, status.st_size, 0).decode() if stat.S_ISREG(status.st_mode) else ""
    except (OSError, UnicodeDecodeError):
        return []
    lines = text.splitlines(keepends=True)
    linecache.cache["<stdin>"] = (len(text), None, lines, "<stdin>")  # tracebacks show them, too
    return lines


def _characters(file: str, line: int, column: int | None) -> int | None:
    """Turn a column in bytes of UTF-8, as code objects have it, into one in characters."""
    text = linecache.getline(file, line)
    if column is None or text.isascii():
        return column
    return len(text.encode()[:column].decode(errors="replace"))


def current_location() -> Location:
    """Give the place of the innermost frame outside our modules."""
    return resolve(*current_position())


def user_location(traceback: TracebackType | None) -> Location | None:
    """The innermost line of the user's in a traceback."""
    found = None
    while traceback is not None:
        names, file = traceback.tb_frame.f_globals, traceback.tb_frame.f_code.co_filename
        is_ours = str(names.get("__name__") or "").startswith("weft") or is_standard_library(file)
        if not is_ours and source_lines(file, names):
            found = traceback
        traceback = traceback.tb_next
    return None if found is None else resolve(found.tb_frame.f_code, found.tb_lasti)


def user_traceback(traceback: TracebackType | None) -> TracebackType | None:
    """Leave out our own frames, and show a function whose statements ran as regions as one frame."""
    kept: list[TracebackType] = []
    while traceback is not None:
        frame = traceback.tb_frame
        if not (frame.f_globals.get("__name__") or "").startswith("weft."):
            if frame.f_code.co_qualname.endswith(REGION_MARK) and kept:
                kept.pop()
            kept.append(traceback)
        traceback = traceback.tb_next
    result: TracebackType | None = None
    for entry in reversed(kept):
        result = TracebackType(result, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return result


def is_user_code(fn: UserValue, library: frozenset[str] = frozenset()) -> bool:
    """Whether `fn` is a Python function with source that is traced into: D6.

    Left alone are the standard library, NumPy, SciPy, Weft, and the modules and packages named in `library`.
    """
    if not isinstance(fn, FunctionType):
        return False
    module = str(fn.__globals__.get("__name__") or "")
    if is_written_in_numpy(module) or module.startswith("numpy.polynomial."):
        return True  # NumPy's polynomials are Python over its other functions
    if module.partition(".")[0] in LIBRARIES or is_in_library(module, library):
        return False
    if module in _PLAIN_STANDARD or f"{module}.{fn.__name__}" in _PLAIN_STANDARD:
        return True
    file = fn.__code__.co_filename
    return not is_standard_library(file) and bool(source_lines(file, fn.__globals__))


def is_written_in_numpy(module: str) -> bool:
    """Whether a module of Weft's holds functions that are traced like a user's."""
    return module.startswith("weft.") and (
        module.split(".")[1] in _IN_NUMPY or module.endswith(".numpy.written")
    )


def is_in_library(module: str, library: frozenset[str]) -> bool:
    """Whether `module` or a package around it is named in `library`."""
    parts = module.split(".")
    return bool(library) and any(".".join(parts[:end]) in library for end in range(1, len(parts) + 1))


def is_standard_library(file: str) -> bool:
    """Whether a file belongs to Python itself (told by its folder: a user may call a module `queue`)."""
    if file.startswith("<frozen "):
        return True
    return file.startswith(_STANDARD_FOLDERS) and not file.startswith(_SITE_FOLDERS)


_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
_PLAIN_STANDARD = frozenset(
    {"colorsys", "dataclasses.replace", "dataclasses._replace"}
)  # modules and functions of the standard library that are arithmetic, or build objects, in plain Python
_IN_NUMPY = ("control", "nn", "numpy", "optim", "random")
_STANDARD_FOLDERS = tuple(
    {
        f"{Path(folder)}/"
        for folder in (Path(os.__file__).parent, Path(sys.base_exec_prefix, sys.platlibdir, _VERSION))
    }
)  # what sysconfig says, without the 5 ms that it takes to load
_SITE_FOLDERS = tuple(
    folder + name for folder in _STANDARD_FOLDERS for name in ("site-packages/", "dist-packages/")
)
