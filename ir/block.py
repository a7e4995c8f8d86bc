"""The threads of a block in the reference interpreter: they wait for one another and exchange values.

One thread runs at a time, up to the next op at which it meets others; the order may be any. What is not met
by all that must is an error here, where a machine would hang or go on with rubbish. Not here: what ops do
(`interp.py`), real threads of programs.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import field

import numpy as np

from weft.ir.dataclass import dataclass
from weft.ir.errors import InternalError, WeftError
from weft.ir.node import Op, Region
from weft.ir.walk import walk

MEETING = ("barrier", "exchange_down", "exchange_from")
"""The ops at which threads of a block meet."""


def has_meetings(body: Region) -> bool:
    """Whether the iterations of a loop over threads cannot run one after the other."""
    return any(op.name in MEETING for op in walk(body))


class _Abandoned(BaseException):
    """Ends a thread of a block that failed elsewhere."""


@dataclass(slots=True)
class Thread:
    """One iteration: where it waits, with what, and what it gets."""

    number: int
    hand_back: threading.Semaphore
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    op: Op | None = None
    value: np.ndarray | None = None
    is_done: bool = False
    is_abandoned: bool = False
    error: BaseException | None = None

    def meet(self, op: Op, value: np.ndarray | None) -> np.ndarray | None:
        """Wait until the others are here; gives what an exchange gives."""
        self.op, self.value = op, value
        self.hand_back.release()
        self.turn.acquire()
        if self.is_abandoned:
            raise _Abandoned
        return self.value

    def run(self, body: "Callable[[Thread], None]") -> None:
        """The whole life, on a thread of Python."""
        self.turn.acquire()
        try:
            if not self.is_abandoned:
                body(self)
        except _Abandoned:
            pass
        except BaseException as error:  # handed to the one who runs the block
            self.error = error
        self.is_done = True
        self.hand_back.release()


def run_block(count: int, order: Sequence[int], body: Callable[[Thread], None]) -> None:
    """Run `body` for threads 0 to count - 1 of one block, each time in the given order.

    Raises what a thread raised, that of the first thread if several did, and InternalError if threads wait
    for others that do not come.
    """
    control = threading.Semaphore(0)
    threads = [Thread(number, control) for number in range(count)]
    workers = [threading.Thread(target=t.run, args=(body,), daemon=True) for t in threads]
    for worker in workers:
        worker.start()
    try:
        while not all(t.is_done for t in threads):
            for number in order:
                _resume(threads[number], control)
            failed = [t.error for t in threads if t.error is not None]
            if failed:
                raise next((e for e in failed if not isinstance(e, WeftError)), failed[0])
            _release(threads)
    finally:
        for t in threads:
            if not t.is_done:
                t.is_abandoned = True
                t.turn.release()
        for worker in workers:
            worker.join()


def _resume(thread: Thread, control: threading.Semaphore) -> None:
    """Let a thread that is not waiting run on to where it waits, or to its end."""
    if thread.op is None and not thread.is_done:
        thread.turn.release()
        control.acquire()


def _release(threads: Sequence[Thread]) -> None:
    """Let every group go on whose threads are all at the same op; at least one must be."""
    found = False
    size = next(
        (_group_size(t.op, len(threads)) for t in threads if t.op is not None and t.op.name != "barrier"),
        len(threads),
    )
    for first in range(0, len(threads), size):
        group = threads[first : first + size]
        op = group[0].op
        if op is not None and op.name != "barrier" and all(t.op is op for t in group):
            _exchange(group, op)
            found = True
    op = threads[0].op
    if op is not None and op.name == "barrier" and all(t.op is op for t in threads):
        for t in threads:
            t.op = None
        found = True
    if not found and not all(t.is_done for t in threads):
        names = sorted({"the end" if t.op is None else t.op.name for t in threads})
        raise InternalError(f"threads of a block wait at different places: {', '.join(names)}")


def _group_size(op: Op, count: int) -> int:
    size = op.attributes.get("group", count)
    assert isinstance(size, int)
    return size


def _exchange(group: Sequence[Thread], op: Op) -> None:
    values = [t.value for t in group]
    for place, thread in enumerate(group):
        if op.name == "exchange_from":
            source = op.attributes["thread"]
        else:
            distance = op.attributes["distance"]
            assert isinstance(distance, int)
            source = place + distance if place + distance < len(group) else place
        assert isinstance(source, int)
        thread.value, thread.op = values[source], None
