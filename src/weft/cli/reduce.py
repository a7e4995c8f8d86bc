"""`weft reduce`: the smallest program found that still fails. Not here: what is tried (`compiler/debug`)."""

from __future__ import annotations

import argparse
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from weft.cli.dumped import read_program
from weft.compiler.debug.reduce import minimize
from weft.ir import Func, UserError
from weft.ir.text import show
from weft.ir.walk import walk


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weft reduce`."""
    parser.add_argument("file", type=Path, help="a dump, as WEFT_DUMP writes them")
    parser.add_argument(
        "--check", required=True, metavar="COMMAND",
        help="gets the file of a program as its last word, or for {}; the exit status tells failures apart",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=None, help="where the result goes; default: NAME.small.ir"
    )
    parser.add_argument("--most", type=int, default=1000, metavar="N", help="programs to try (1000)")


def run(arguments: argparse.Namespace) -> int:
    """Reduce the program and write it; return 1 if it does not fail."""
    fn = read_program(arguments.file)
    out: Path = arguments.out or arguments.file.with_suffix(".small.ir")
    with TemporaryDirectory() as folder:
        trial = Path(folder) / arguments.file.name  # which says the last pass
        wanted = _status(arguments.check, fn, trial)
        if wanted == 0:
            raise UserError("the program does not fail", code="E003", fix="give a command that fails for it.")
        fails: Callable[[Func], bool] = lambda one: _status(arguments.check, one, trial) == wanted  # noqa: E731
        found, tried = minimize(fn, fails, arguments.most)
    out.write_text(show(found) + "\n")
    before, after = (sum(1 for _ in walk(one)) for one in (fn, found))
    print(f"{before} ops before, {after} after {tried} trials, in {out}\n\n{show(found)}")
    return 0


def _status(command: str, fn: Func, file: Path) -> int:
    """The exit status of a command for a program."""
    file.write_text(show(fn) + "\n")
    words = shlex.split(command)
    filled = [word.replace("{}", str(file)) for word in words]
    return subprocess.run(filled if filled != words else [*words, str(file)], capture_output=True).returncode
