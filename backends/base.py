"""What every backend provides: the `Backend` protocol and the `Artifact` that it makes.

Not here: any backend. The compiler knows none of this; it takes a `Target` and gives loop-level Funcs.
"""

from typing import Protocol

from weft.ir import CodeOptions, Func
from weft.ir.dataclass import dataclass
from weft.ir.target import Target
from weft.runtime.interface import Interface


@dataclass(frozen=True, slots=True)
class Artifact:
    """A built program: code (an object, a cubin) without addresses of the process, and its interface."""

    data: bytes
    interface: Interface

    @property
    def symbols(self) -> tuple[str, str]:
        """The program and its companion."""
        return self.interface.name, self.interface.prepare_name


class Backend(Protocol):
    """A way to build programs: from a loop-level Func by way of a text that can be shown to an artifact."""

    @property
    def name(self) -> str:
        """The name in options and messages."""
        ...

    def host(self) -> Target:
        """The machine we run on as a target."""
        ...

    def emit(self, fn: Func, interface: Interface, target: Target, options: CodeOptions) -> str:
        """The program as text of the backend's language; requires stage "loops"."""
        ...

    def build(self, text: str, interface: Interface, target: Target) -> Artifact:
        """The text as object code. Raises CompileError, with source and log, if the toolchain refuses it."""
        ...
