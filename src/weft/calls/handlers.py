"""What a program raises, where the functions that were traced have handlers for it.

A program has no handlers: it stops at the first failure. Its call is then made once more by plain Python,
with the caller's arrays as they were before, and the handlers run. Not so for programs that print, call back
or write arrays that are no arguments: what these raise comes to the caller. Not here: what a program records
when it fails (`function.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from weft.calls.binding import Call, Shape
from weft.compiler.frontend.source import Source
from weft.ir import IndexFault, WeftError

if TYPE_CHECKING:
    from weft.compiler.frontend.entry import Traced


class Handlers:
    """Of one compiled function: whether any `exist` that its variants have traced."""

    def __init__(self, fn: Callable[..., Any], shape: Shape) -> None:
        self.fn, self.shape = fn, shape
        self.exist = False
        self._is_open = True  # whether plain Python may make a call again
        self._is_told = False
        self._written: dict[str, Source] = {}
        self._thread = threading.local()

    def note(self, traced: Traced) -> None:
        """A variant is there."""
        if not traced.tries:
            return
        self.exist = True
        written = [traced.parameters[number] for number in traced.func.into if number >= 0]
        self._written.update((str(one.source), one.source) for one in written)
        raises = all(getattr(site.function, "name", "") == "raise" for site in traced.callbacks)
        self._is_open &= raises and not any(one.hidden for one in written)

    def save(self, call: Call) -> None:
        """Keep the arrays of a call that its variants write."""
        if self.exist and self._is_open and self._written:
            found = call.arrays()
            paths = {str(path): array for array, path in ((call.read(p), p) for p in found.values())}
            arrays = [paths[path] for path in self._written if path in paths]
            self._thread.saved = [(one, one.copy()) for one in arrays if isinstance(one, np.ndarray)]

    def call(self, entry: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The result of the entry, or of plain Python where a handler may want what the program raises."""
        if self._written:
            self.save(Call.of(self.shape, args, kwargs))
        try:
            return entry(*args, **kwargs)
        except Exception as error:
            is_users = isinstance(error, IndexFault) or not isinstance(error, WeftError | MemoryError)
            if not (self.exist and self._is_open and is_users):
                raise
            self._tell(error)
            saved: list[tuple[np.ndarray, np.ndarray]] = getattr(self._thread, "saved", [])
            for array, before in saved:
                array[...] = before
        finally:
            self._thread.saved = []
        return self.fn(*args, **kwargs)

    def _tell(self, error: Exception) -> None:
        """Say once that calls are made by plain Python."""
        if not self._is_told:
            from logging import getLogger  # takes 4 ms of `import weft`

            self._is_told = True
            text = "%s: a call that raised %r was made again by plain Python, for the handlers in it"
            getLogger("weft").warning(text, self.shape.name, error)
