"""`weft passes`: list the passes in their order."""

from __future__ import annotations

import argparse

from weft.unbuilt import refuse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weft passes`."""


def run(arguments: argparse.Namespace) -> int:
    """Raise UnsupportedError."""
    refuse("the command `weft passes`")
