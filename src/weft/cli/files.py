"""Functions in files of the user: loads `FILE.py` as a module of its own, and finds `FILE.py:function` in it.

Not here: what is done with them.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from weft.ir import UserError


def load_file(path: Path, name: str = "") -> ModuleType:
    """The module that a file makes, imported as `name`; without one as its stem, its folder on the path."""
    if not path.is_file():
        raise UserError(f"there is no file {path}", code="E003", fix="name a Python file.")
    folder = str(path.resolve().parent)
    if not name and folder not in sys.path:
        sys.path.insert(0, folder)
    spec = spec_from_file_location(name or path.stem, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is not a Python file", code="E003", fix="name a file that ends in .py.")
    module = module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


def load_function(place: str) -> Any:
    """The function that `FILE.py:function` names; dots lead into classes and objects."""
    file, colon, name = place.rpartition(":")
    if not colon or not name:
        raise UserError(f"{place!r} names no function", code="E003", fix="write FILE.py:function.")
    found: Any = load_file(Path(file))
    for part in name.split("."):
        if not hasattr(found, part):
            functions = [n for n in dir(found) if callable(getattr(found, n)) and not n.startswith("_")]
            known = f"it has {', '.join(functions)}" if functions else "it has no functions"
            raise UserError(f"{file} has no function {name!r}", code="E003", fix=f"{known}.")
        found = getattr(found, part)
    return found
