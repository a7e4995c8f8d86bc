"""`weft.load_library`: calls a library that `weft.export` wrote, with NumPy arrays, by the facts in it.

Needs NumPy alone. Not here: writing libraries (`weft.exporting`).
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from weft.ir import DTypeError, RuntimeFault, ShapeError, UserError
from weft.ir.dims import DimLike, as_symbol, evaluate_dim, symbols_of
from weft.ir.parse import parse_dim
from weft.ir.types import DTYPES

MARK = "weft-library-2\n"
"""What the metadata in a library begins with."""
ROWS = {
    "variables": ("name", "dtype", "shape", "offset"),
    "arguments": ("path", "kind", "dtype", "shape", "symbol", "is_written"),
    "outputs": ("name", "dtype", "shape"),
}
"""The columns of tables in the metadata, which are lists there: names would take most of the room."""
_SHARED = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\0asm")
"""What files of shared libraries begin with: ELF, Windows, macOS, WebAssembly."""
_NUMBERS: dict[str, Any] = {
    "bool": ctypes.c_bool, "i8": ctypes.c_int8, "i16": ctypes.c_int16, "i32": ctypes.c_int32,
    "i64": ctypes.c_int64, "u8": ctypes.c_uint8, "u16": ctypes.c_uint16, "u32": ctypes.c_uint32,
    "u64": ctypes.c_uint64, "f32": ctypes.c_float, "f64": ctypes.c_double,
}  # fmt: skip


def load_library(path: str | os.PathLike[str]) -> Library:
    """Load a shared library that `weft.export` wrote; its functions take and give NumPy arrays.

    Raises UserError if the file is no such library or is for another machine, OSError if it cannot be read.
    """
    file = Path(path)
    data = file.read_bytes()
    start = data.find(MARK.encode())
    is_object = data[:4] == b"\x7fELF" and data[16:18] != b"\x03\x00"
    if start < 0 or is_object or not data.startswith(_SHARED):
        raise UserError(f"{file} is not a shared library that weft.export wrote", fix='export with kind="so"')
    facts = json.loads(data[start + len(MARK) : data.index(b"\0", start)], object_hook=_with_names)
    machine = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    system = {"Darwin": "macos"}.get(platform.system(), platform.system().lower())
    given = {"arm64": "aarch64"}.get(facts["architecture"], facts["architecture"])
    if (given, facts["system"]) != (machine, system):
        raise UserError(
            f"{file} is for {given} {facts['system']}, this machine is {machine} {system}",
            fix="export for this target",
        )
    return Library(_loaded(file.resolve(), data, facts), facts)


def _with_names(facts: dict[str, Any]) -> dict[str, Any]:
    """With the rows of tables as dicts."""
    tables = {key: names for key, names in ROWS.items() if key in facts}
    return facts | {
        key: [dict(zip(names, row, strict=True)) for row in facts[key]] for key, names in tables.items()
    }


def _loaded(file: Path, data: bytes, facts: Mapping[str, Any]) -> ctypes.CDLL:
    """The code of a library. A file that was written anew since it was loaded is loaded from a copy."""
    code = ctypes.CDLL(str(file))
    version: Any = getattr(code, f"{facts['name']}_version", None)
    if version is not None:
        version.restype = ctypes.c_char_p
    if version is not None and version().decode() == facts["version"]:
        return code
    with tempfile.TemporaryDirectory() as folder:  # the system knows libraries by their path
        copy = Path(folder) / file.name
        copy.write_bytes(data)
        return ctypes.CDLL(str(copy))


class Library:
    """An exported library: each function is an attribute; one that holds a single function is callable.

    Functions that use variables share one state, made with the initial values.
    """

    def __init__(self, code: ctypes.CDLL, facts: Mapping[str, Any]) -> None:
        self._code, self._facts = code, facts
        self._name: str = facts["name"]
        self._message: Any = code[f"{self._name}_strerror"]
        self._message.restype = ctypes.c_char_p
        self._state = self._new_state()
        self.functions = {one["label"]: LibraryFunction(self, one) for one in facts["functions"]}

    @property
    def version(self) -> str:
        """Of Weft, with a hash of the content."""
        return self._facts["version"]

    def __getattr__(self, name: str) -> LibraryFunction:
        functions: dict[str, LibraryFunction] = self.__dict__.get("functions", {})
        if name not in functions:
            raise AttributeError(f"the library {self.__dict__.get('_name')} has no function {name!r}")
        return functions[name]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the only function."""
        if len(self.functions) != 1:
            raise UserError(
                f"the library has several functions: {', '.join(self.functions)}", fix="name one of them"
            )
        return next(iter(self.functions.values()))(*args, **kwargs)

    # ---- variables

    def _new_state(self) -> Any:
        if not self._facts["variables"]:
            return None
        size: Any = self._code[f"{self._name}_state_size"]
        size.restype = ctypes.c_int64
        state = _aligned(size())
        self.check(self._code[f"{self._name}_init"](_pointer(state)))
        return state

    def _with_state(self, what: str, *more: Any) -> None:
        if self._state is None:
            raise UserError(f"the library {self._name} has no variables")
        self.check(self._code[f"{self._name}_{what}"](_pointer(self._state), *more))

    def init(self) -> None:
        """Give all variables their initial values."""
        self._with_state("init")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the variables to a safetensors file."""
        self._with_state("save", os.fsencode(path))

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read the variables from such a file. Raises RuntimeFault if it has others."""
        self._with_state("load", os.fsencode(path))

    def set_threads(self, count: int) -> None:
        """Let large loops of all calls use this many threads; the library was exported with threads=True."""
        if not self._facts["has_threads"]:
            raise UserError(f"the library {self._name} has no threads", fix="export with threads=True")
        self.check(self._code[f"{self._name}_set_threads"](ctypes.c_int(count)))

    def variables(self) -> dict[str, Any]:
        """The variables by name, as arrays on the library's own memory."""
        found: dict[str, Any] = {}
        for one in self._facts["variables"]:
            found[one["name"]] = np.ndarray(
                tuple(one["shape"]), _dtype(one["dtype"]), self._state, one["offset"]
            )
        return found

    def check(self, code: int) -> None:
        """Raise RuntimeFault for a code other than 0."""
        if code:
            text = self._message(code)
            raise RuntimeFault(f"{self._name}: {text.decode()}", code="E080")

    @property
    def is_arena_static(self) -> bool:
        """Whether calls take no arena."""
        return self._facts["is_arena_static"]

    def arena(self, symbol: str, numbers: Sequence[int]) -> Any:
        """Memory for a call at these sizes; None for none."""
        size: Any = self._code[f"{symbol}_arena_size"]
        size.restype = ctypes.c_int64
        count = size(*map(ctypes.c_int64, numbers))
        self.check(max(0, -count))
        if not count:
            return None
        arena = _aligned(count)
        self.check(self._code[f"{self._name}_arena_init"](_pointer(arena), ctypes.c_int64(count)))
        return arena

    def run(self, symbol: str, *, uses_state: bool, arguments: Sequence[Any]) -> None:
        """Call a function of C."""
        state = [_pointer(self._state)] if uses_state else []
        self.check(self._code[symbol](*state, *arguments))


class LibraryFunction:
    """One function of a library; takes what the Python function took."""

    def __init__(self, library: Library, facts: Mapping[str, Any]) -> None:
        self._library, self._facts = library, facts
        self.__name__: str = facts["label"]
        self._kept = threading.local()
        self._shapes = [[parse_dim(d) for d in a["shape"]] for a in facts["arguments"]]
        self._results = [[parse_dim(d) for d in o["shape"]] for o in facts["outputs"]]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function on arrays; gives new arrays. Raises ShapeError, DTypeError, RuntimeFault."""
        facts = self._facts
        values: dict[int, Any] = {}
        self._collect(args, kwargs, values)
        known: dict[str, int] = {}
        checked = [self._argument(k, a, values[k], known) for k, a in enumerate(facts["arguments"])]
        self._solve(checked, known)
        self._check_shapes(checked, known)
        sizes: list[int] = []
        for name, symbol, _ in facts["sizes"]:
            if symbol not in known:
                raise ShapeError(
                    f"{self.__name__}: the size {name} does not follow from the arrays", fix="call it from C"
                )
            sizes.append(known[symbol])
        ints = [known[a["symbol"]] for a in facts["arguments"] if a["kind"] == "integer"]
        arena: Any = None
        first: list[Any] = []
        if not self._library.is_arena_static:
            arena = self._arena([*ints, *sizes])
            first = [_pointer(arena)]
        outputs = [
            np.empty(tuple(evaluate_dim(d, known) for d in dims), _dtype(o["dtype"]))
            for dims, o in zip(self._results, facts["outputs"], strict=True)
        ]
        passed = [
            _pointer(v) if a["kind"] == "array" else _NUMBERS[a["dtype"]](v)
            for a, v in zip(facts["arguments"], checked, strict=True)
        ]
        numbers, results = map(ctypes.c_int64, sizes), map(_pointer, outputs)
        self._library.run(
            facts["symbol"], uses_state=facts["uses_state"], arguments=[*first, *passed, *numbers, *results]
        )
        paths = {a["path"]: v for a, v in zip(facts["arguments"], checked, strict=True)}
        return _result(facts["tree"], outputs, paths, known)

    def _arena(self, numbers: Sequence[int]) -> Any:
        """Scratch of this thread, kept for the next call with the same sizes."""
        kept = getattr(self._kept, "arena", None)
        if kept is None or kept[0] != numbers:
            self._kept.arena = kept = (numbers, self._library.arena(self._facts["symbol"], numbers))
        return kept[1]

    # ---- arguments

    def _collect(self, args: Sequence[Any], kwargs: Mapping[str, Any], values: dict[int, Any]) -> None:
        """The leaves of the arguments by number."""
        parameters = self._facts["parameters"]
        left = dict(kwargs)
        given = list(args)
        for _, name, tree in parameters:
            if given:
                value = given.pop(0)
            elif name in left:
                value = left.pop(name)
            else:
                raise UserError(f"{self.__name__} lacks the argument {name}", code="E004")
            _leaves(tree, value, name, values)
        if given or left:
            raise UserError(f"{self.__name__} takes {len(parameters)} arguments", code="E004")

    def _argument(self, number: int, facts: Mapping[str, Any], value: Any, known: dict[str, int]) -> Any:
        """One argument as C takes it; binds sizes."""
        path = facts["path"]
        if facts["kind"] == "integer":
            known[facts["symbol"]] = int(value)
            return int(value)
        dtype = _dtype(facts["dtype"])
        if facts["kind"] == "value":
            return dtype.type(value).item()
        if not self._shapes[number] and isinstance(value, np.generic | int | float | complex):
            value = np.asarray(value, dtype)
        if not isinstance(value, np.ndarray):
            raise DTypeError(f"{path} is of type {type(value).__name__}, not an array", fix="convert it")
        array: Any = cast("Any", value)
        if array.dtype != dtype:
            raise DTypeError(
                f"{path} is {array.dtype}, the library takes an array of {dtype}", fix="convert it"
            )
        if facts["is_written"] and not (array.flags.c_contiguous and array.flags.writeable):
            raise UserError(f"{path} is written, so it must be a dense array that may be written")
        shape = self._shapes[number]
        if array.ndim != len(shape):
            raise ShapeError(f"{path} has {array.ndim} axes, the library takes {len(shape)}")
        for dim, size in zip(shape, array.shape, strict=True):
            one = as_symbol(dim)
            if one is not None:
                known.setdefault(one.name, size)
        return np.asarray(array, order="C")

    def _solve(self, values: Sequence[Any], known: dict[str, int]) -> None:
        """Bind sizes that no axis has alone, from axes such as 2*n+1."""
        for facts, shape, value in zip(self._facts["arguments"], self._shapes, values, strict=True):
            pairs = zip(shape, value.shape, strict=True) if facts["kind"] == "array" else ()
            for dim, size in pairs:
                left = [s.name for s in symbols_of(dim) if s.name not in known]
                if len(left) == 1:
                    (name,) = left
                    at_0, at_1 = (evaluate_dim(dim, {**known, name: k}) for k in (0, 1))
                    if at_1 != at_0 and (size - at_0) % (at_1 - at_0) == 0:
                        known[name] = (size - at_0) // (at_1 - at_0)

    def _check_shapes(self, values: Sequence[Any], known: Mapping[str, int]) -> None:
        for facts, shape, value in zip(self._facts["arguments"], self._shapes, values, strict=True):
            if facts["kind"] == "array":
                wanted = tuple(_size(d, known) for d in shape)
                if any(w not in (None, n) for w, n in zip(wanted, value.shape, strict=True)):
                    raise ShapeError(
                        f"{facts['path']} has shape {list(value.shape)}, the library takes {list(wanted)}"
                    )


def _size(dim: DimLike, known: Mapping[str, int]) -> int | None:
    return evaluate_dim(dim, known) if all(s.name in known for s in symbols_of(dim)) else None


def _leaves(tree: Any, value: Any, path: str, values: dict[int, Any]) -> None:
    """Put the leaves of a value into `values`."""
    if "leaf" in tree:
        values[tree["leaf"]] = value
        return
    if "static" in tree:
        if repr(value) != tree["static"]:
            raise UserError(f"{path} is {value!r}; the library was made for {tree['static']}", code="E004")
        return
    kind = next(k for k in tree if k != "keys")
    items, keys = tree[kind], tree["keys"]
    parts: list[Any] | None
    if kind == "dict":
        by_name = {str(key): item for key, item in value.items()}
        parts = [by_name[key] for key in keys] if by_name.keys() == set(keys) else None
    elif kind == "record" and not isinstance(value, tuple):
        parts = [getattr(value, key) for key in keys]
    else:
        parts = list(cast("Sequence[Any]", value)) if isinstance(value, list | tuple) else None
        parts = parts if parts is not None and len(parts) == len(items) else None
    if parts is None:
        raise UserError(f"{path} does not have the structure that the library takes", code="E004")
    for key, item, part in zip(keys, items, parts, strict=True):
        _leaves(item, part, f"{path}[{key}]", values)


def _result(tree: Any, outputs: Sequence[Any], paths: Mapping[str, Any], known: Mapping[str, int]) -> Any:
    """The result that a tree describes; records come as dicts."""
    if "output" in tree:
        array = outputs[tree["output"]]
        if "counts" in tree:
            given = [slice(None) if n < 0 else slice(int(outputs[n])) for n in tree["counts"]]
            return array[tuple(given)].copy()
        return array if tree["kind"] == "array" else array[()] if tree["kind"] == "scalar" else array.item()
    if "size" in tree:
        return evaluate_dim(parse_dim(tree["size"]), known)
    if "argument" in tree:
        return paths[tree["argument"]]
    if "constant" in tree:
        return tree["constant"]
    if "choice" in tree:
        return _result(tree["choice"][0 if outputs[tree["flag"]] else 1], outputs, paths, known)
    if "items" in tree:
        count = _result(tree["count"], outputs, paths, known)
        items = _result(tree["items"], outputs, paths, known)[:count]
        return list(items) if tree["form"] in ("scalar", "array") else items.tolist()
    kind = next(k for k in tree if k != "keys")
    made = [_result(item, outputs, paths, known) for item in tree[kind]]
    return (
        tuple(made)
        if kind == "tuple"
        else made
        if kind == "list"
        else dict(zip(tree["keys"], made, strict=True))
    )


def _dtype(name: str) -> np.dtype[Any]:
    found = DTYPES[name].numpy
    assert found is not None
    return found


def _pointer(array: Any) -> Any:
    return ctypes.c_void_p(None if array is None else array.ctypes.data)


def _aligned(size_bytes: int) -> Any:
    """Zeroed memory at a multiple of 64 bytes."""
    raw = np.zeros(size_bytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size_bytes]
