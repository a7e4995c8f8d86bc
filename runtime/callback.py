"""Python functions that a running program calls: prints, callbacks (DESIGN D12).

A `Site` is one place of a program that calls Python. `serve` makes what the program's entry calls: it copies
the operands out of the program's memory, and the results into it. Not here: how arguments are put together
from operands, and what results must be (`weft.compiler.frontend.callback`).
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from math import prod
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from weft.ir import DType, Location, WeftError
from weft.ir.dataclass import dataclass
from weft.ir.memory import numpy_dtype

if TYPE_CHECKING:
    from collections.abc import Generator

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One place that calls Python.

    `function(operands, shapes)` gets arrays of its own and the shapes that its results must have; it gives
    arrays of these shapes and of the dtypes `results`. `ranks` are those of operands, then of results.
    """

    function: Callable[[Sequence[Array], Sequence[tuple[int, ...]]], Sequence[Array]]
    operands: tuple[DType, ...]
    results: tuple[DType, ...]
    ranks: tuple[int, ...]
    location: Location | None = None

    def __call__(self, operands: Sequence[Array], shapes: Sequence[tuple[int, ...]]) -> Sequence[Array]:
        """Call it; `operands` may be memory of the program, `shapes` are those of operands and results."""
        count = len(self.operands)
        given: list[Array] = []
        for array, dtype, shape in zip(operands, self.operands, shapes, strict=False):
            given.append(np.empty(shape, numpy_dtype(dtype)))
            given[-1].reshape(-1)[:] = np.reshape(array, -1).view(numpy_dtype(dtype))
        with _noted(self.location):
            return self.function(given, shapes[count:])

    def serve(self, pointers: int, numbers: int) -> None:
        """Call it for a program, with the addresses of its tables of addresses and of sizes."""
        sizes = iter((ctypes.c_int64 * max(sum(self.ranks), 1)).from_address(numbers))
        shapes = [tuple(next(sizes) for _ in range(rank)) for rank in self.ranks]
        places = (ctypes.c_void_p * max(len(shapes), 1)).from_address(pointers)
        dtypes = (*self.operands, *self.results)
        memory = [
            _memory(places[k], dtype, shape)
            for k, (dtype, shape) in enumerate(zip(dtypes, shapes, strict=True))
        ]
        found = self(memory[: len(self.operands)], shapes)
        for target, array in zip(memory[len(self.operands) :], found, strict=True):
            target[...] = array


class _Kept(threading.local):
    """Arrays that programs have handed over on this thread, and its calls of Python."""

    def __init__(self) -> None:
        self.arrays: dict[object, Array] = {}
        self.depth = 0


_kept = _Kept()


def depth_of_calls() -> int:
    """How many calls of Python by programs this thread is in."""
    return _kept.depth


def keep(key: object, array: Array) -> None:
    """Take a result of the call that this thread is in, for `delivered`."""
    array.setflags(write=True)  # it is a copy of its own
    _kept.arrays[key] = array


def delivered(key: object) -> Array:
    """The array that the call, which has just ended on this thread, has kept; raises KeyError for none."""
    return _kept.arrays.pop(key)


def _memory(address: int | None, dtype: DType, shape: tuple[int, ...]) -> Array:
    """The program's memory as an array."""
    count = prod(shape)
    if not count or not address:
        return np.empty(shape, numpy_dtype(dtype))
    raw: Any = (ctypes.c_uint8 * (count * dtype.size_bytes)).from_address(address)
    return np.frombuffer(raw, numpy_dtype(dtype), count).reshape(shape)


@contextmanager
def _noted(location: Location | None) -> Generator[None, None, None]:
    """Let an exception of the user's pass as it is, with the line of the call as a note."""
    _kept.depth += 1
    try:
        yield
    except BaseException as error:
        note = f"raised by a compiled program at {location}"
        is_ours = isinstance(error, WeftError) and error.location == location
        if location is not None and not is_ours and note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        raise error.with_traceback(_without_ours(error.__traceback__)) from error.__cause__
    finally:
        _kept.depth -= 1


def _without_ours(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame on that is not Weft's."""
    while traceback is not None:
        if not str(traceback.tb_frame.f_globals.get("__name__", "")).startswith("weft."):
            break
        traceback = traceback.tb_next
    return traceback


def server(sites: Sequence[Site]) -> Callable[[int, int, int], None] | None:
    """What `Variant.on_callback` is for these sites."""
    if not sites:
        return None
    return lambda site, pointers, numbers: sites[site].serve(pointers, numbers)
