"""`weft diff`: what differs between two dumps, without regard to how values are numbered.

Not here: dumps after each pass (`compiler/debug/dump.py`).
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path

from weft.ir import Func, UserError
from weft.ir.parse import ParseError, parse
from weft.ir.text import equal, first_difference, show
from weft.ir.walk import walk

_NUMBER = re.compile(r"%\d+")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weft diff`."""
    parser.add_argument("before", type=Path, help="a dump")
    parser.add_argument("after", type=Path, help="another")
    parser.add_argument("--context", type=int, default=2, metavar="LINES", help="equal lines around (2)")


def run(arguments: argparse.Namespace) -> int:
    """Print the differences; return 1 if there are any."""
    texts = [_read(arguments.before), _read(arguments.after)]
    programs = [_program(text) for text in texts]
    first, second = programs
    if first is not None and second is not None:
        if equal(first, second):
            print("the programs are equal")
            return 0
        texts = [show(first), show(second)]
        print(_counts(first, second))
    elif texts[0] == texts[1]:
        print("the files are equal")
        return 0
    lines = list(changed_lines(texts[0].splitlines(), texts[1].splitlines(), arguments.context))
    if not lines and first is not None and second is not None:
        lines = [f"the same lines, but {first_difference(first, second)}"]
    print("\n".join([f"--- {arguments.before}", f"+++ {arguments.after}", *lines]))
    return 1


def _read(file: Path) -> str:
    if not file.is_file():
        raise UserError(
            f"there is no file {file}", code="E003", fix="name two dumps, as WEFT_DUMP writes them."
        )
    return file.read_text()


def _program(text: str) -> Func | None:
    """The program that a text is; None for LLVM, assembly and the like."""
    try:
        return parse(text)
    except ParseError:
        return None


def _counts(before: Func, after: Func) -> str:
    """How the numbers of ops differ."""
    old, new = (Counter(op.name for op in walk(fn)) for fn in (before, after))
    changes = [f"{new[name] - old[name]:+} {name}" for name in sorted({*old, *new}) if old[name] != new[name]]
    return (
        f"{sum(old.values())} ops, then {sum(new.values())}: {', '.join(changes) or 'as many of each kind'}"
    )


def changed_lines(before: Sequence[str], after: Sequence[str], context: int) -> Iterator[str]:
    """Lines that differ in more than the numbers of values, with some around them."""
    plain = [[_NUMBER.sub("%", line) for line in lines] for lines in (before, after)]
    for group in SequenceMatcher(None, plain[0], plain[1], autojunk=False).get_grouped_opcodes(context):
        yield f"@@ line {group[0][1] + 1}, then {group[0][3] + 1} @@"
        for kind, i, j, k, m in group:
            if kind == "equal":
                yield from (f" {line}" for line in after[k:m])
            else:
                yield from (f"-{line}" for line in before[i:j])
                yield from (f"+{line}" for line in after[k:m])
