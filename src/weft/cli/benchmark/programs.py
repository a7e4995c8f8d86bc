"""The suite `programs` of `weft bench`: whole NumPy programs in files, and what other systems make of them.

A program is a file with `run`, `inputs(size, seed)`, `GROUP` and `SIZES`, as in `examples/numpy`. numba gets
its functions as they are; jax gets the version in `jax/versions.py` beside them, if there is one, which gives
the results and then what `run` leaves in its arguments. Not here: how rows are timed and checked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import weft.ir
from weft.cli.files import load_file
from weft.ir import UnsupportedError, UserError

FOLDER = Path(weft.ir.__file__ or "").resolve().parents[1] / "examples" / "numpy"  # of a checkout


@dataclass(frozen=True, slots=True)
class Program:
    """One program as a row; `group` is "vector", "scalar", or "BLAS" where NumPy's time is in BLAS."""

    name: str
    module: ModuleType
    bytes: int = 0
    flops: int = 0
    error: str = "mixed"
    tolerance: float = 1e-4
    writes: bool = True

    @property
    def fn(self) -> Callable[..., Any]:
        """The program."""
        return self.module.run

    @property
    def group(self) -> str:
        """Which mean it belongs to."""
        return "BLAS" if getattr(self.module, "BLAS", False) else self.module.GROUP

    def inputs(self) -> list[Any]:
        """The arguments, the same in every process."""
        return list(self.module.inputs(self.module.SIZES[-1], 0))


@cache
def load_programs() -> tuple[Program, ...]:
    """All programs of the checkout, by name."""
    files = sorted(FOLDER.glob("*.py"))
    if not files:
        raise UserError(
            "the programs are not installed",
            code="E003",
            fix="run it from a checkout, which has examples/numpy.",
        )
    return tuple(Program(file.stem, load_file(file, f"numpy_program_{file.stem}")) for file in files)


def with_numba(row: Any) -> Callable[..., Any]:
    """The program by numba: parallel, no fast math, each function of the file compiled as it is."""
    numba: Any = import_module("numba")
    if not isinstance(row, Program):
        return numba.njit(parallel=True)(row.fn)
    module = row.module
    for name, fn in list(vars(module).items()):
        if inspect.isfunction(fn) and fn.__module__ == module.__name__ and name != "inputs":
            setattr(module, name, numba.njit(parallel=True)(fn))
    return module.run


def with_jax(row: Any) -> Callable[..., Any]:
    """Our version of the program for jax, called with arrays of jax, its results waited for."""
    jax: Any = import_module("jax")
    jax.config.update("jax_enable_x64", True)
    file = FOLDER / "jax" / "versions.py"
    fn = vars(load_file(file, "jax_versions")).get(row.name) if isinstance(row, Program) else None
    if fn is None:
        raise UnsupportedError("there is no version for jax")

    def call(*arguments: Any) -> Any:
        return jax.block_until_ready(fn(*arguments))

    return call


def for_jax(arguments: Sequence[Any]) -> list[Any]:
    """Arguments as arrays of jax."""
    numpy: Any = import_module("jax.numpy")
    return [numpy.asarray(a) if isinstance(a, np.ndarray) else a for a in arguments]
