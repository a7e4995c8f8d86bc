"""`weft ops`: list the operations and their rules."""

from __future__ import annotations

import argparse

from weft.unbuilt import refuse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weft ops`."""


def run(arguments: argparse.Namespace) -> int:
    """Raise UnsupportedError."""
    refuse("the command `weft ops`")
