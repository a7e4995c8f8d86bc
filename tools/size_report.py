"""Print the size of the product code against its limits; exit with 1 if a limit is broken.

Code lines are lines without blank lines, comments and docstrings. The budget is for all product folders
together; files and functions have hard limits; characters per line on average are only warned about.
"""

from __future__ import annotations

import ast
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src/weft", "ir", "compiler", "backends", "runtime")
BUDGET_LINES = 20_000
FILE_LINES = 600
FUNCTION_LINES = 80
MEAN_CHARACTERS = 45


@dataclass(frozen=True, slots=True)
class FileSize:
    """What one file measures: its code lines, their characters, and its functions that are too long."""

    path: Path
    lines: int
    characters: int
    long_functions: tuple[str, ...]


def measure(path: Path) -> FileSize:
    """Return the size of the Python file at `path`."""
    text = path.read_text(encoding="utf-8")
    nodes = list(ast.walk(ast.parse(text)))
    numbers = sorted(_code_lines(text, nodes) - _docstring_lines(nodes))
    rows = text.splitlines()
    long_functions = tuple(
        f"{node.name} has {count} lines (line {node.lineno})"
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (count := bisect_right(numbers, node.end_lineno or 0) - bisect_left(numbers, node.lineno))
        > FUNCTION_LINES
    )
    characters = sum(len(rows[number - 1].strip()) for number in numbers)
    return FileSize(path, len(numbers), characters, long_functions)


def _code_lines(text: str, nodes: Sequence[ast.AST]) -> set[int]:
    """Return the numbers of the lines that hold more than space and comment."""
    rows = enumerate(text.splitlines(), 1)
    numbers = {number for number, row in rows if row.strip() and not row.lstrip().startswith("#")}
    for node in nodes:  # what looks like a comment in a text is none
        if isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str)
        ):
            numbers.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return numbers


def _docstring_lines(nodes: Sequence[ast.AST]) -> set[int]:
    """Return the numbers of the lines of docstrings and of other texts that stand alone."""
    return {
        number
        for node in nodes
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def report(root: Path = ROOT) -> Iterator[str]:
    """Print the table and yield each broken limit."""
    total = characters = 0
    print(f"{'folder':<12} {'files':>5} {'lines':>6} {'characters per line':>20}")
    for folder in FOLDERS:
        sizes = [measure(path) for path in sorted((root / folder).rglob("*.py"))]
        lines = sum(size.lines for size in sizes)
        width = sum(size.characters for size in sizes)
        print(f"{folder:<12} {len(sizes):>5} {lines:>6} {width / max(lines, 1):>20.1f}")
        total, characters = total + lines, characters + width
        yield from (line for size in sizes for line in _broken(size, root))
    mean = characters / max(total, 1)
    print(f"{'together':<12} {'':>5} {total:>6} {mean:>20.1f}   (budget {BUDGET_LINES} lines)")
    if mean > MEAN_CHARACTERS:
        print(f"warning: {mean:.1f} characters per line on average, above {MEAN_CHARACTERS}")


def _broken(size: FileSize, root: Path) -> Iterator[str]:
    """Yield each limit that a file breaks."""
    name = size.path.relative_to(root)
    if size.lines > FILE_LINES:
        yield f"{name}: {size.lines} lines, above {FILE_LINES}"
    yield from (f"{name}: {function}, above {FUNCTION_LINES}" for function in size.long_functions)


def main() -> int:
    """Print the report; return 1 if a limit is broken."""
    broken = list(report())
    for line in broken:
        print(f"error: {line}")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
