"""`weft run`: run a dumped program from the stage it was dumped at, on random arguments or those of a file.

Not here: how (`dumped.py`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from weft.cli import dumped
from weft.ir.text import show


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weft run`."""
    parser.add_argument("file", type=Path, help="a dump, as WEFT_DUMP writes them; it may have been edited")
    parser.add_argument(
        "--size", action="append", default=[], metavar="N=5", help="the size that a symbol stands for"
    )
    parser.add_argument("--seed", type=int, default=0, help="of random arguments")
    parser.add_argument("--inputs", default="", metavar="FILE.npz", help="the arguments, in their order")
    parser.add_argument(
        "--after",
        default="",
        metavar="PASS",
        help="the last pass that the dump has seen; default: by its name",
    )
    parser.add_argument("--interpret", action="store_true", help="run it in the reference interpreter")
    parser.add_argument(
        "--compare", action="store_true", help="run both ways; the exit status is 1 if they differ"
    )
    parser.add_argument("--tolerance", type=float, default=1e-5, help="of floats, beside the largest (1e-5)")


def run(arguments: argparse.Namespace) -> int:
    """Run the program and print what it gives."""
    fn = dumped.read_program(arguments.file)
    sizes = dumped.sizes_of(fn, arguments.size)
    given = dumped.arguments_of(fn, sizes, arguments.seed, arguments.inputs)
    passes = dumped.rest_of_passes(fn, arguments.file, arguments.after)
    reference = dumped.interpreted(fn, given, sizes) if arguments.interpret or arguments.compare else []
    found = reference if arguments.interpret else dumped.compiled(fn, given, sizes, passes)
    count = len(found) - len(given)
    names = [*(f"result {k}" for k in range(count)), *(f"argument {k} afterwards" for k in range(len(given)))]
    print(show(fn).partition("\n")[0].removesuffix(" {"))
    for name, value in zip(names, found, strict=True):
        print(f"{name}: {value.dtype}{list(value.shape)} {np.array2string(value, threshold=40, precision=6)}")
    if not arguments.compare:
        return 0
    apart = [
        f"{name} differs by {far:.3g}"
        for name, a, b in zip(names, found, reference, strict=True)
        if (far := dumped.distance(a, b)) > arguments.tolerance
    ]
    print("\n".join(apart) or "native code and the interpreter agree")
    return int(bool(apart))
