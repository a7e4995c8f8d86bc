"""collections.deque in traced functions: a list, with the methods of a deque that a list lacks.

Not here: lists (`lists.py`, `methods.py`).
"""

from __future__ import annotations

from typing import Any, ClassVar

from weft.compiler.frontend.control.folding import each
from weft.compiler.frontend.control.sequences import in_order
from weft.compiler.frontend.trace import Trace
from weft.ir.dataclass import dataclass


def make_queue(trace: Trace, items: Any = (), maxlen: Any = None) -> list[Any]:
    """`collections.deque(items)`."""
    if maxlen is not None:
        fix = "use a list, and `del items[0]` or `items.pop(0)` where it is too long"
        raise trace.refuse("a deque of a limited length in a compiled function", fix, "E055")
    made: list[Any] = trace.run(each, in_order(trace, items))
    trace.queues[id(made)] = made
    return made


def is_queue(trace: Trace, value: Any) -> bool:
    """Whether a list stands for a deque."""
    return trace.queues.get(id(value)) is value and value is not None


@dataclass(frozen=True, slots=True, eq=False)
class QueueMethod:
    """A method of a deque that lists lack, not yet called."""

    takes_traced: ClassVar[bool] = True
    call: Any
    owner: list[Any]
    name: str

    def __call__(self, *args: Any) -> Any:
        """Do it."""
        match self.name:
            case "popleft":
                return self.call(self.owner.pop, 0)
            case "appendleft":
                return self.call(self.owner.insert, 0, *args)
            case _:
                for item in args[0]:
                    self.call(self.owner.insert, 0, item)
        return None


QUEUE_METHODS = frozenset({"popleft", "appendleft", "extendleft"})
