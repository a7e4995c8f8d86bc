"""`weft demo`: train a two-layer network on scikit-learn's digits in three ways."""

from __future__ import annotations

import argparse

from weft.unbuilt import refuse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weft demo`."""


def run(arguments: argparse.Namespace) -> int:
    """Raise UnsupportedError."""
    refuse("the command `weft demo`")
