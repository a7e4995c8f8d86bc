"""`weft bench`: time Weft against NumPy in one run."""

from __future__ import annotations

import argparse

from weft.unbuilt import refuse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weft bench`."""


def run(arguments: argparse.Namespace) -> int:
    """Raise UnsupportedError."""
    refuse("the command `weft bench`")
