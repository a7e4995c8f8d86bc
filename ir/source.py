"""Where in the user's files something was written: a location, its source line and the mark under it.

Locations are plain facts. Resolving a code object and an instruction offset to one is the frontend's work;
attaching one to an op is the builder's.
"""

from __future__ import annotations

import ast
import linecache
import os
import sys

from weft.ir.dataclass import dataclass

LIBRARIES = frozenset({"numpy", "scipy", "weft"})
"""Top-level names of modules that are never user code, beside the standard library (decision D6)."""


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a user's file.

    `line` counts from 1; `column` and `end_column` count characters from 0, the end is exclusive, and both
    are None where only the line is known. `function` is the qualified name of the function around it, or
    empty.
    """

    file: str
    line: int
    column: int | None = None
    end_column: int | None = None
    function: str = ""

    def __str__(self) -> str:
        """Return `file:line`, the file as a short path."""
        return f"{short_path(self.file)}:{self.line}"


def short_path(file: str) -> str:
    """Return `file` relative to the working directory if it lies below it, otherwise as it is."""
    folder = os.getcwd() + os.sep
    return file[len(folder) :] if file.startswith(folder) else file


def source_line(location: Location) -> str:
    """Return the line at `location` without its indentation, or an empty text if it cannot be read."""
    return linecache.getline(location.file, location.line).strip()


def excerpt(location: Location) -> tuple[str, ...]:
    """Return the source line at `location` and, where the columns are known, the line of marks under it."""
    text = linecache.getline(location.file, location.line).rstrip()
    line = text.lstrip()
    if not line:
        return ()
    if location.column is None or location.end_column is None:
        return (line,)
    indent = len(text) - len(line)
    first, end = location.column - indent, min(location.end_column - indent, len(line))
    if not 0 <= first < end:
        return (line,)
    return (line, " " * first + _marks(line[first:end]))


def _marks(segment: str) -> str:
    """Return a mark per character of `segment`: carets under the operator if it is one binary operation."""
    try:
        tree = ast.parse(segment, mode="eval").body
    except SyntaxError:
        return "^" * len(segment)
    if not isinstance(tree, ast.BinOp) or not segment.isascii():
        return "^" * len(segment)
    between = segment[tree.left.end_col_offset : tree.right.col_offset]
    operator = between.lstrip(") \t")
    if not operator:
        return "^" * len(segment)
    first = (tree.left.end_col_offset or 0) + len(between) - len(operator)
    width = len(operator.rstrip("( \t"))
    return "~" * first + "^" * width + "~" * (len(segment) - first - width)


def is_user_module(name: str, library: frozenset[str] = frozenset()) -> bool:
    """Say whether the module called `name` is user code: not the standard library, not NumPy, not ours.

    `library` holds further top-level names that the user excluded (`weft.config.library`).
    """
    top = name.partition(".")[0]
    return top not in LIBRARIES and top not in library and top not in sys.stdlib_module_names
