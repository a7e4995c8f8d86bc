"""Saving and loading by name: `save`, `load`, `Checkpointer`, in the format of safetensors.

A tree is any object that holds variables and arrays (see `variables.py`); a name is the path to one, as in
"layers.0.w". Numbers in dicts and lists of the tree itself (an epoch, a best score) are saved, too; those in
attributes of objects are settings, which belong to the program. Files appear whole or not at all: written
beside, flushed to disk, renamed. The package safetensors is an extra, loaded when it is used; it checks
headers and offsets, so a foreign or hostile file is an error. Not here: pickles, or anything that runs code
when it is loaded.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np

from weft.ir import DTypeError, ShapeError, UnsupportedError, UserError
from weft.runtime.variables import Variable, named_leaves

log = logging.getLogger("weft")
Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]
Holder = Mapping[Any, Any] | list[Any] | tuple[Any, ...]
Rename = Mapping[str, str] | Callable[[str], str] | None


def save(path: str | os.PathLike[str], tree: object) -> None:
    """Write all variables and arrays of a tree to a file, by name; the file appears whole or not at all.

    Numbers in dicts, lists and tuples of the tree are saved as arrays without axes. Raises UserError if there
    is nothing to save or a text is among them, DTypeError for what the format cannot hold, OSError if it
    cannot be written; an old file then stays as it was.
    """
    _write(Path(path), snapshot(tree))


def load(
    path: str | os.PathLike[str], into: object = None, rename: Rename = None, strict: bool = True
) -> Arrays:
    """Read a file: a dict from name to array.

    With `into`, also assign to the variables and arrays of a tree, in place; its numbers are replaced, Python
    numbers by Python numbers.
    `rename` is a dict or function from the file's names to the tree's. With `strict` both must have the same
    names; without it what only one has is left alone. Shapes and dtypes must be equal; bfloat16 is read as
    float32. Nothing is assigned
    before all is checked. Raises UserError for names, ShapeError and DTypeError for arrays that do not fit,
    and for files that are not whole.
    """
    found = _renamed(_read(Path(path)), rename)
    if into is None:
        return found
    targets = _targets(into)
    missing, unknown = sorted(targets.keys() - found.keys()), sorted(found.keys() - targets.keys())
    if strict and (missing or unknown):
        facts = [f"the file lacks {', '.join(missing[:5])}"] * bool(missing)
        facts += [f"nothing in the tree is called {', '.join(unknown[:5])}"] * bool(unknown)
        raise UserError(
            f"{path} does not fit: {'; '.join(facts)}", fix="pass rename=, or strict=False to load what fits"
        )
    for name in targets.keys() & found.keys():
        _check(name, targets[name], found[name])
    for name in targets.keys() & found.keys():
        target = targets[name]
        if isinstance(target, (Variable, _Number)):
            target.assign(found[name])
        else:
            target[...] = found[name]
    return found


def snapshot(tree: object) -> Arrays:
    """Copies of all variables and arrays of a tree, by name."""
    found = {
        name: np.array(leaf.value if isinstance(leaf, (Variable, _Number)) else leaf, order="C")
        for name, leaf in _targets(tree).items()
    }
    if not found:
        raise UserError("there is no variable and no array to save", fix="pass the object that holds them")
    for name, array in found.items():
        if array.dtype.name not in _HELD:
            raise DTypeError(
                f"{name} has dtype {array.dtype}, which a file of safetensors cannot hold",
                fix="convert it, as in a.view(np.float64) for complex128, or leave it out",
            )
    return found


def unique_leaves(tree: object) -> dict[str, Any]:
    """Variables and arrays of a tree, each under the first name that leads to it."""
    names: dict[int, str] = {}
    leaves = named_leaves(tree)
    for name, leaf in leaves:
        names.setdefault(id(leaf), name)
    return _named((names[id(leaf)], leaf) for leaf in {id(leaf): leaf for _, leaf in leaves}.values())


def _named(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A dict of pairs, whose names must differ: in a file one would replace the other."""
    found: dict[str, Any] = {}
    for name, leaf in pairs:
        if name in found or name == "__metadata__":
            raise UserError(
                f"two parts of the tree are called {name}"
                if name in found
                else f"{name} is no name for an array: the format has another use for it",
                fix="rename a key of the dict that holds it",
            )
        found[name] = leaf
    return found


class _Number:
    """A number of a tree, by the dict, list or tuple that holds it; one of no fixed dtype."""

    shape = ()

    def __init__(self, name: str, holder: Holder, key: object) -> None:
        self.name, self.holder, self.key = name, cast("dict[Any, Any]", holder), key

    @property
    def value(self) -> object:
        """The number."""
        return self.holder[self.key]

    def assign(self, array: Array) -> None:
        """Replace it, by a Python number where it is one."""
        if not _is_same(self.value, array):
            self.holder[self.key] = array.item() if isinstance(self.value, _PYTHON_NUMBERS) else array[()]


_PYTHON_NUMBERS = (int, float, complex)  # and bool, which is an int
_HELD = frozenset(
    "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64 complex64".split()
)
_KINDS = frozenset("BOOL I8 U8 I16 U16 I32 U32 I64 U64 F16 BF16 F32 F64 C64".split())  # that can be read


def _is_same(number: object, array: Array) -> bool:
    return bool(np.array_equal(np.asarray(number), array, equal_nan=array.dtype.kind in "fc"))


def _targets(tree: object) -> dict[str, Any]:
    numbers = ((number.name, number) for number in _numbers(tree, "", set()))
    return _named([*unique_leaves(tree).items(), *numbers])


def _numbers(tree: object, path: str, seen: set[int]) -> Iterator[_Number]:
    """The numbers in dicts, lists and tuples of a tree; objects are not looked into."""
    if not isinstance(tree, (Mapping, list, tuple)):
        return
    holder = cast("Holder", tree)
    if id(holder) in seen:
        return
    seen.add(id(holder))
    named = getattr(holder, "_fields", range(len(holder)))
    items = holder.items() if isinstance(holder, Mapping) else zip(named, holder, strict=True)
    for k, (key, item) in enumerate(items):
        name = f"{path}.{key}" if path else str(key)
        if isinstance(item, (*_PYTHON_NUMBERS, np.generic)):
            yield _Number(name, holder, key if isinstance(holder, Mapping) else k)
        elif isinstance(item, (str, bytes)):
            raise UserError(
                f"{name} is a text, which a file of arrays cannot hold", fix="leave it out of the tree"
            )
        else:
            yield from _numbers(item, name, seen)


class Checkpointer:
    """Saves a tree to numbered files of a folder and restores the newest that is whole.

    `save(step, tree)` copies the tree and writes it in the background, unless `background` is False; `keep`
    is how many files stay. An error of a background write is raised by the next `save` or by `wait`.
    """

    def __init__(self, folder: str | os.PathLike[str], keep: int = 3, background: bool = True) -> None:
        if keep < 1:
            raise UserError(f"keep={keep} keeps no file", code="E002", fix="give a number from 1")
        self.folder, self.keep, self.background = Path(folder), keep, background
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def save(self, step: int, tree: object) -> None:
        """Save a tree as of a step, a whole number from 0."""
        self.wait()
        if not isinstance(step, (int, np.integer)) or step < 0:  # pyright: ignore[reportUnnecessaryIsInstance] -- callers' mistakes
            raise UserError(
                f"a step is a whole number from 0, got a {type(step).__name__}", fix="call save(step, tree)"
            )
        arrays = snapshot(tree)
        if not self.background:
            self._store(step, arrays)
            return
        self._thread = threading.Thread(target=self._try_store, args=(step, arrays), name="weft-checkpoint")
        self._thread.start()

    def wait(self) -> None:
        """Wait until nothing is being written; raises what went wrong."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def steps(self) -> list[int]:
        """The steps that have a file, oldest first."""
        if not self.folder.is_dir():
            return []
        found = (re.fullmatch(r"step_(\d+)\.safetensors", entry.name) for entry in self.folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def path(self, step: int) -> Path:
        """The file of a step."""
        return self.folder / f"step_{step:010d}.safetensors"

    def restore(self, tree: object) -> int | None:
        """Load the newest file that is whole into a tree; its step, or None if there is none."""
        self.wait()
        for step in reversed(self.steps()):
            try:
                _read(self.path(step))
            except UserError as error:
                log.warning("%s is skipped: %s", self.path(step), error.sentence)
                continue
            load(self.path(step), into=tree)
            return step
        return None

    def _try_store(self, step: int, arrays: Arrays) -> None:
        try:
            self._store(step, arrays)
        except BaseException as error:  # raised in the thread of the user
            self._error = error

    def _store(self, step: int, arrays: Arrays) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self.path(step), arrays)
        for old in self.steps()[: -self.keep]:
            self.path(old).unlink(missing_ok=True)


# ---------------------------------------------------------------- files


def _library(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError:
        raise UnsupportedError(
            "saving and loading need the package safetensors", code="E053", fix="pip install safetensors"
        ) from None


def _write(path: Path, arrays: Arrays) -> None:
    data: bytes = _library("safetensors.numpy").save(
        {name: np.ascontiguousarray(a).reshape(a.shape) for name, a in arrays.items()}
    )
    if path.exists() and not path.is_file():
        raise FileExistsError(f"{path} is there and no file, so it is not replaced")
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _read(path: Path) -> Arrays:
    library = _library("safetensors")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with library.safe_open(path, "np") as file:
            kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}
            _check_kinds(path, kinds)
            found = {name: file.get_tensor(name) for name, kind in kinds.items() if kind != "BF16"}
        if len(found) < len(kinds):
            parts = [part for part in library.deserialize(path.read_bytes()) if part[1]["dtype"] == "BF16"]
            found |= {name: _widened(part["data"], part["shape"]) for name, part in parts}
        return {name: found[name] for name in kinds}
    except (library.SafetensorError, ValueError) as error:
        raise UserError(
            f"{path} is not a whole file of safetensors: {error}", fix="use another checkpoint"
        ) from None


def _check_kinds(path: Path, kinds: Mapping[str, str]) -> None:
    for name, kind in kinds.items():
        if kind not in _KINDS:
            raise DTypeError(
                f"{name} in {path} has numbers of kind {kind}, which NumPy lacks",
                fix="convert the file with the library that wrote it",
            )


def _widened(data: bytes, shape: list[int]) -> Array:
    """Numbers of bfloat16, which NumPy lacks, as float32: the upper halves of these."""
    words = np.frombuffer(data, "<u2").astype(np.uint32) << np.uint32(16)
    return words.view(np.float32).reshape(shape)


def _renamed(arrays: Arrays, rename: Rename) -> Arrays:
    if rename is None:
        return arrays
    names: Mapping[str, str] = {} if callable(rename) else rename
    change: Callable[[str], str] = rename if callable(rename) else lambda name: names.get(name, name)
    found: Arrays = {}
    for name, array in arrays.items():
        if change(name) in found:
            raise UserError(
                f"rename= gives the name {change(name)} to two arrays", fix="give each a name of its own"
            )
        found[change(name)] = array
    return found


def _check(name: str, target: Array | Variable | _Number, array: Array) -> None:
    if target.shape != array.shape:
        raise ShapeError(
            f"{name} has shape {list(target.shape)}, the file has {list(array.shape)}",
            fix="load it under another name, or leave it out",
        )
    if isinstance(target, _Number):
        if isinstance(target.holder, tuple) and not _is_same(target.value, array):
            raise UserError(
                f"{name} is {target.value}, the file has {array}, and a tuple cannot be changed",
                fix="hold it in a list, a dict or a weft.Variable",
            )
    elif target.dtype != array.dtype:
        raise DTypeError(
            f"{name} has dtype {target.dtype}, the file has {array.dtype}",
            fix="load without into=, convert, and assign",
        )
