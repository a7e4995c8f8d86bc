"""`weft inspect FILE.py:function SPEC...`: the text of a function after every stage, without running it.

Arguments are in the notation of `weft.spec`, in lists, tuples and dicts as the function takes them;
anything else is a Python value, known when it is compiled. Not here: the stages themselves (`f.ir`).
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Sequence
from typing import Any

import weft
from weft.calls.native import STAGES
from weft.cli.files import load_function
from weft.ir import UserError

_CLOSING = {"[": "]", "(": ")", "{": "}"}

TITLES = {
    "tensor": "what was traced: pure values, every operation on whole arrays",
    "fused": "one `fusion` for each kernel",
    "loops": "buffers, loops and vectors; memory planned",
    "llvm": "LLVM IR",
    "asm": "machine code of this processor",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weft inspect`."""
    parser.add_argument("function", metavar="FILE.py:function", help="the function, plain or compiled")
    parser.add_argument(
        "specs", nargs="*", metavar="SPEC",
        help="an argument: f32[n,784], f32 (a scalar), int, float, [f32[n], f32[n]], a value, name=SPEC",
    )  # fmt: skip
    parser.add_argument(
        "--stage", default="", metavar="STAGE,STAGE", help=f"only these of {', '.join(STAGES)}"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the function after each stage."""
    stages = [stage.strip() for stage in arguments.stage.split(",") if stage.strip()] or list(STAGES)
    for stage in stages:
        if stage not in STAGES:
            raise UserError(
                f"there is no stage {stage!r}", code="E002", fix=f"choose one of {', '.join(STAGES)}."
            )
    function = load_function(arguments.function)
    compiled: Any = function if hasattr(function, "ir") else weft.compile(function)
    positional, keywords = parse_arguments(arguments.specs)
    for number, stage in enumerate(stages):
        if len(stages) > 1:
            print(f"{'' if not number else chr(10)}--- {stage}: {TITLES.get(stage, '')}\n")
        print(compiled.ir(stage, *positional, **keywords).rstrip())
    return 0


def parse_arguments(texts: Sequence[str]) -> tuple[list[Any], dict[str, Any]]:
    """Positional arguments and keywords."""
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        if equals and name.strip().isidentifier():
            keywords[name.strip()] = parse_spec(rest)
        else:
            positional.append(parse_spec(text))
    return positional, keywords


def parse_spec(text: str) -> Any:
    """The argument that a text describes."""
    text = text.strip()
    inside = text[1:-1] if text[:1] in _CLOSING and text[-1:] == _CLOSING[text[:1]] else None
    if inside is not None and text[0] == "[":
        return [parse_spec(item) for item in split_items(inside)]
    if inside is not None and text[0] == "(":
        return tuple(parse_spec(item) for item in split_items(inside))
    if inside is not None:
        pairs = (item.partition(":") for item in split_items(inside))
        return {_value(key): parse_spec(item) for key, _, item in pairs}
    try:
        return weft.spec(text)
    except UserError:
        if re.fullmatch(r"\w+\s*\[.*\]", text):
            raise
        return _value(text)


def _value(text: str) -> Any:
    """A Python value; a bare word is refused, since it is likely a type misspelt."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return weft.spec(text)  # raises with the list of types


def split_items(text: str) -> list[str]:
    """Parts between the commas that are in no bracket."""
    items, depth, start = list[str](), 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "[({") - (letter in "])}")
        if letter == "," and depth == 0:
            items.append(text[start:place])
            start = place + 1
    return [item for item in (*items, text[start:]) if item.strip()]
