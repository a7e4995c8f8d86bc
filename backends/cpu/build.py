"""`CpuBackend`: the CPU's answer to the `Backend` protocol, from a loop-level Func to object code.

Holds the order of the steps alone; loading and calling an artifact is the runtime's business and
`link.load`'s.
"""

from weft.backends.base import Artifact
from weft.backends.cpu.emit import emit_program
from weft.backends.cpu.link import assembly, compile_text
from weft.backends.cpu.target import host_target, machine_of
from weft.ir import CodeOptions, CompileError, Func
from weft.ir.dataclass import dataclass
from weft.ir.target import Target
from weft.runtime.interface import Interface


@dataclass(frozen=True, slots=True)
class CpuBackend:
    """Programs for CPUs by way of LLVM."""

    name: str = "cpu"

    def host(self) -> Target:
        """The machine we run on as a target."""
        return host_target()

    def emit(self, fn: Func, interface: Interface, target: Target, options: CodeOptions) -> str:
        """The program as LLVM IR text; requires stage "loops"."""
        return emit_program(fn, interface, target, options)

    def assembly(self, text: str, target: Target) -> str:
        """The text as assembly, to be read."""
        return assembly(text, machine_of(target))

    def build(self, text: str, interface: Interface, target: Target) -> Artifact:
        """The text as object code. Raises CompileError if LLVM refuses it."""
        try:
            return Artifact(compile_text(text, machine_of(target)), interface)
        except RuntimeError as problem:
            error = CompileError(f"LLVM does not take the code of {interface.name}: {problem}")
            error.source, error.log = text, str(problem)
            raise error from problem
