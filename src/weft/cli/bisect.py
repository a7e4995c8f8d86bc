"""`weft bisect`: the first optimization pass with which a program fails.

The program is run again and again with only the first so many optimizations (WEFT_PASS_LIMIT). Not here:
which passes there are (`compiler/pipeline.py`).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable

from weft import config
from weft.compiler.pipeline import PASSES

OPTIMIZATIONS = tuple(step.name for step in PASSES if not step.required)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weft bisect`."""
    parser.add_argument(
        "program", help="a Python file whose exit status is not 0 when it fails, or a dump to run and compare"
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the program")


def run(arguments: argparse.Namespace) -> int:
    """Find the pass and print it; return 0 if one was found."""
    command = [sys.executable, arguments.program, *arguments.arguments]
    if arguments.program.endswith(".ir"):
        command = [
            sys.executable, "-m", "weft", "run", arguments.program, "--compare", *arguments.arguments,
        ]  # fmt: skip
    text, status = verdict(lambda limit: _fails(command, limit), OPTIMIZATIONS)
    print(text)
    return status


def _fails(command: list[str], limit: int) -> bool:
    """Whether the program fails with so many optimizations; says so."""
    environment = config.environment_with(WEFT_PASS_LIMIT=str(limit))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    last = (done.stderr.strip() or done.stdout.strip()).splitlines()
    shown = f"fails ({last[-1] if last else f'status {done.returncode}'})" if done.returncode else "works"
    print(f"{limit:>3} optimizations: {shown}", flush=True)
    return done.returncode != 0


def verdict(fails: Callable[[int], bool], passes: tuple[str, ...]) -> tuple[str, int]:
    """What is to blame, and the exit status."""
    if not fails(len(passes)):
        return "it does not fail with all optimizations", 1
    if fails(0):
        return "it fails without optimizations: look at a required pass, code generation, or the program", 1
    works, failing = 0, len(passes)
    while failing - works > 1:
        middle = (works + failing) // 2
        works, failing = (works, middle) if fails(middle) else (middle, failing)
    name = passes[failing - 1]
    return f"the first optimization with which it fails is {name!r} (WEFT_DUMP={name} shows it)", 0
