"""`weft inspect`: print a function after every stage."""

from __future__ import annotations

import argparse

from weft.unbuilt import refuse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weft inspect`."""


def run(arguments: argparse.Namespace) -> int:
    """Raise UnsupportedError."""
    refuse("the command `weft inspect`")
