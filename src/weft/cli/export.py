"""`weft export FILE.py:function SPEC... -o DIR`: a function as a C library with its header.

Arguments are written as for `weft inspect`. Not here: the library (`weft.exporting`).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from weft.cli.files import load_function
from weft.cli.inspect import parse_arguments
from weft.exporting.export import KINDS, export, file_name
from weft.exporting.names import check_name
from weft.ir import UserError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weft export`."""
    parser.add_argument("function", metavar="FILE.py:function", help="the function, plain or compiled")
    parser.add_argument("specs", nargs="*", metavar="SPEC", help="an argument: f32[n,784], f32, int, float")
    parser.add_argument(
        "-o", "--output", default=".", metavar="DIR", help="the folder, made if it is not there"
    )
    parser.add_argument("--name", help="the prefix in C (default: the function's name)")
    parser.add_argument(
        "--target", default="host", help="host, x86-64-v3, aarch64, armv7, wasm32..., or TRIPLE:CPU:+feature"
    )
    parser.add_argument(
        "--kind", default="so", choices=KINDS, help="a shared or static library, or an object"
    )
    parser.add_argument(
        "--arena", default="caller", choices=("caller", "static"), help="who has scratch memory"
    )
    parser.add_argument("--optimize", default="speed", choices=("speed", "size"), help="what code is for")
    parser.add_argument("--quantize", choices=("int8-weights",), help="weights of int8, a scale per channel")
    parser.add_argument("--threads", action="store_true", help="add NAME_set_threads")
    parser.add_argument("--size", action="store_true", help="list the bytes of each kernel")


def run(arguments: argparse.Namespace) -> int:
    """Write the library and say where and how large it is."""
    function = load_function(arguments.function)
    name = check_name(
        arguments.name or arguments.function.rpartition(":")[2].replace(".", "_"), "the name of a library"
    )
    positional, keywords = parse_arguments(arguments.specs)
    folder = Path(arguments.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the folder {folder} cannot be made: {error.strerror}", code="E005") from None
    if positional and keywords:
        raise UserError("give all arguments by position, or all by name", code="E002")
    specs: Any = keywords or positional or None
    report = export(
        function, specs, folder / file_name(name, arguments.kind, arguments.target), name=name,
        target=arguments.target,
        kind=arguments.kind, arena=arguments.arena, optimize=arguments.optimize, quantize=arguments.quantize,
        threads=arguments.threads,
    )  # fmt: skip
    print(f"{report.library}  {report.library_bytes:,} bytes")
    print(f"{report.header}")
    for layer in report.layers:
        print(layer)
    for symbol, size in report.sizes if arguments.size else ():
        print(f"{size:>10,}  {symbol}")
    return 0
