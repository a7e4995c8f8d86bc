"""`weft passes`: the passes in the order in which they run.

Holds the listing only; the list itself is `compiler/pipeline.py`.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator
from importlib import import_module

from weft.compiler.pipeline import PASSES

_FILES = {
    "fuse": "group",
    "separate": "group",
    "lower_math": "expand_math",
}  # passes whose file is named otherwise


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weft passes`."""


def run(arguments: argparse.Namespace) -> int:
    """Print the listing."""
    del arguments
    print("\n".join(pass_lines()))
    return 0


def pass_lines() -> Iterator[str]:
    """One line for each pass: its number, whether it may be switched off, and what it does."""
    yield f"{'':<4}{'pass':<16}{'kind':<14}{'file':<34}what it does"
    for number, step in enumerate(PASSES, 1):
        kind = "lowering" if step.required else "optimization"
        module = import_module(f"weft.compiler.passes.{_FILES.get(step.name, step.name)}")
        file = f"compiler/passes/{module.__name__.rpartition('.')[2]}.py"
        doc = inspect.getdoc(getattr(module, step.name, module)) or inspect.getdoc(module) or ""
        head = f"{number:<4}{step.name:<16}{kind:<14}{file:<34}"
        yield head + doc.strip().partition("\n")[0]
    yield ""
    yield "WEFT_PASSES_OFF=name,name switches optimizations off; WEFT_DUMP=all writes the program after each."
