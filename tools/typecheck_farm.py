"""Build `.typecheck/weft/`, the installed package as a folder of links, for tools that follow no import hook.

Links every entry of `src/weft/` and the four folders at the top. Run it again when an entry of `src/weft/` is
added.
"""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("backends", "compiler", "ir", "runtime")


def build(root: Path = ROOT) -> Path:
    """Make the links under `root` afresh and return the folder that holds the package."""
    farm = root / ".typecheck"
    package = farm / "weft"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    for entry in (root / "src" / "weft").iterdir():
        if entry.name != "__pycache__":
            (package / entry.name).symlink_to(Path("../../src/weft") / entry.name)
    for name in FOLDERS:
        (package / name).symlink_to(Path("../..") / name)
    return farm


if __name__ == "__main__":
    build()
