"""The command line: the table of commands and their dispatch; each is a module, loaded when used."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from weft.config import current
from weft.ir import WeftError, describe
from weft.ir.dataclass import dataclass
from weft.unbuilt import refuse


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its sentence in the help, and whether it is built."""

    sentence: str
    is_built: bool = True


class CommandModule(Protocol):
    """What the module of a command holds."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command to `parser`."""
        ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Do the work and return the exit status."""
        ...


# fmt: off
COMMANDS = {
    "bench":   Command("time Weft against NumPy"),
    "demo":    Command("train a network on real data: plain NumPy, compiled, with weft.grad"),
    "export":  Command("write a function as a shared library"),
    "inspect": Command("print a function after every stage"),
    "ops":     Command("list the operations and their rules"),
    "passes":  Command("list the passes in their order"),
    "doctor":  Command("check this environment"),
    "reduce":  Command("minimize a failing program"),
    "run":     Command("run a dumped program"),
    "bisect":  Command("find the pass that breaks a program"),
    "diff":    Command("compare two dumps"),
}
# fmt: on


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line with `arguments`, those of the process if None; return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(words)
    except WeftError as error:
        if error.code != "E002" and current().run.traceback == "full":  # E002: the options cannot be read
            raise
        print(describe(error), file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        sys.stderr.close()
        return 0


def _dispatch(words: list[str]) -> int:
    """Run the command that `words` name."""
    parser = argparse.ArgumentParser(
        prog="weft",
        description="Weft compiles NumPy functions into fused native kernels.",
        epilog="commands:\n" + "\n".join(f"  {name:<8} {c.sentence}" for name, c in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument("command", nargs="?", choices=COMMANDS, metavar="command", help="one of those below")
    top = parser.parse_args(words[:1])
    if top.version:
        print(f"weft {import_module('weft').__version__}")
        return 0
    if top.command is None:
        parser.print_help()
        return 0
    return _run_command(top.command, words[1:])


def _run_command(name: str, words: list[str]) -> int:
    """Load the module of the command called `name` and run it on `words`."""
    command = COMMANDS[name]
    if not command.is_built:
        refuse(f"the command `weft {name}`")
    module = cast(CommandModule, import_module(f"weft.cli.{name}"))
    parser = argparse.ArgumentParser(prog=f"weft {name}", description=f"{command.sentence.capitalize()}.")
    module.configure(parser)
    return module.run(parser.parse_args(words))
