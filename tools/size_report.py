"""Print the size of the product code against its limits; exit with 1 if a limit is broken.

Code lines are lines without blank lines, comments and docstrings. The budget is for all product folders
together; files and functions have hard limits; characters per line on average are only warned about.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src/weft", "ir", "compiler", "backends", "runtime")
BUDGET_LINES = 20_000
FILE_LINES = 600
FUNCTION_LINES = 80
MEAN_CHARACTERS = 45
_BLANK_TOKENS = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}


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
    tree = ast.parse(text)
    numbers = _code_lines(text) - _docstring_lines(tree)
    rows = text.splitlines()
    long_functions = tuple(
        f"{node.name} has {count} lines (line {node.lineno})"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (count := sum(node.lineno <= number <= (node.end_lineno or 0) for number in numbers))
        > FUNCTION_LINES
    )
    characters = sum(len(rows[number - 1].strip()) for number in numbers)
    return FileSize(path, len(numbers), characters, long_functions)


def _code_lines(text: str) -> set[int]:
    """Return the numbers of the lines that hold more than space and comment."""
    numbers: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _BLANK_TOKENS:
            numbers.update(range(token.start[0], token.end[0] + 1))
    return numbers


def _docstring_lines(tree: ast.Module) -> set[int]:
    """Return the numbers of the lines of docstrings and of other texts that stand alone."""
    return {
        number
        for node in ast.walk(tree)
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
