"""`CudaBackend`: the GPU's answer to the `Backend` protocol, from a loop-level Func to a cubin.

Not here: devices, and the launches, which the runtime makes from `emit.Source.launches`.
"""

from dataclasses import dataclass

from weft.backends.base import Artifact
from weft.backends.cuda.emit import emit_program
from weft.backends.cuda.nvrtc import compile_text
from weft.ir import CodeOptions, Func, UnsupportedError
from weft.ir.target import Target
from weft.runtime.interface import Interface


@dataclass(frozen=True, slots=True)
class CudaBackend:
    """Kernels for NVIDIA's GPUs by way of CUDA C."""

    name: str = "cuda"

    def host(self) -> Target:
        """The GPU of this machine. Raises UnsupportedError: no driver is asked yet."""
        raise UnsupportedError(
            "GPUs are compiled for but not run on yet; name a target, as sm_90", code="E051"
        )

    def emit(self, fn: Func, interface: Interface, target: Target, options: CodeOptions) -> str:
        """The kernels as CUDA C; requires stage "loops", lowered for this target."""
        return emit_program(fn).text

    def build(self, text: str, interface: Interface, target: Target) -> Artifact:
        """The text as a cubin. Raises CompileError if NVRTC refuses it, UnsupportedError without NVRTC."""
        return Artifact(compile_text(text, target, interface.name).data, interface)
