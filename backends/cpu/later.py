"""Work that is done in the background once the process has been quiet for a while.

Holds the thread that does it. The steps hold `link.exclusive()`, so that a fork waits for the present one; a
program that ends waits for the present one too, and the rest is not done.
"""

import os
import threading
from collections.abc import Callable, Sequence
from time import monotonic

from weft.backends.cpu.link import exclusive
from weft.runtime.forks import Lock

QUIET_SECONDS = 0.2


class Later:
    """Steps that are done once, in order."""

    def __init__(self, steps: Sequence[Callable[[], object]]) -> None:
        self._steps = list(steps)
        self._lock = Lock()
        self._thread: threading.Thread | None = None
        self._touched = 0.0
        os.register_at_fork(after_in_child=self._forget)

    def touch(self) -> None:
        """Begin, or begin anew, to wait for a quiet moment."""
        self._touched = monotonic()
        if self._steps and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="weft-later")
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is shutting down
                self._thread = None

    def finish(self) -> None:
        """Do now what is left."""
        while self._steps:
            self._step()

    def _run(self) -> None:
        main = threading.main_thread()
        while main.is_alive() and (left := self._touched + QUIET_SECONDS - monotonic()) > 0:
            main.join(left)  # returns at once when the program ends
        try:
            while self._steps and main.is_alive():
                self._step()
        except Exception:  # calls go on as before
            self._steps.clear()
            import logging  # takes 4 ms of `import weft`

            logging.getLogger("weft").exception("native code of calls cannot be built; calls stay slow")

    def _step(self) -> None:
        with self._lock:
            if self._steps:
                with exclusive():
                    self._steps[0]()
                self._steps.pop(0)

    def _forget(self) -> None:
        """In a child after fork: the thread is gone."""
        self._thread = None
