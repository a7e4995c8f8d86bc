"""NVRTC through ctypes: CUDA C to a cubin without a GPU, a driver or a toolkit; a wheel has the library.

Holds the flags that make a GPU's bits those of the CPU. Not here: what is compiled (`emit.py`), loading
cubins (a driver).
"""

import ctypes
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from weft.ir import CompileError, Fact, UnsupportedError
from weft.ir.target import Target

# Denormals stay, division and square root round to nearest, a multiply and an add stay two.
FLAGS = (
    "--std=c++17",
    "--ftz=false",
    "--prec-div=true",
    "--prec-sqrt=true",
    "--fmad=false",
    "--ptxas-options=-v",
)
_PACKAGE = "nvidia-cuda-nvrtc"


@dataclass(frozen=True, slots=True)
class Usage:
    """What one kernel takes, by the log of the compiler."""

    name: str
    registers: int
    stack_bytes: int
    spill_store_bytes: int
    spill_load_bytes: int
    shared_bytes: int


@dataclass(frozen=True, slots=True)
class Cubin:
    """Machine code for one architecture, and the log that came with it."""

    data: bytes
    log: str

    @property
    def kernels(self) -> tuple[Usage, ...]:
        """What each kernel takes, in the order of the log."""
        return tuple(map(_usage, _ENTRY.split(self.log)[1:]))


_ENTRY = re.compile(r"(?=Compiling entry function ')")


def _usage(part: str) -> Usage:
    def number(pattern: str) -> int:
        match = re.search(pattern, part)
        return int(match[1]) if match else 0

    name = re.match(r"Compiling entry function '([^']*)'", part)
    return Usage(
        name[1] if name else "", number(r"Used (\d+) registers"), number(r"(\d+) bytes stack frame"),
        number(r"(\d+) bytes spill stores"), number(r"(\d+) bytes spill loads"), number(r"(\d+) bytes smem"),
    )  # fmt: skip


def prelude() -> str:
    """The text of `prelude.cuh`."""
    return resources.files("weft.backends.cuda").joinpath("prelude.cuh").read_text()


def compile_text(text: str, target: Target, name: str = "program") -> Cubin:
    """The cubin of CUDA C text.

    Raises UnsupportedError without NVRTC, CompileError with source and log if it refuses the text.
    """
    library = load_nvrtc()
    program = ctypes.c_void_p()
    headers, names = (ctypes.c_char_p * 1)(prelude().encode()), (ctypes.c_char_p * 1)(b"prelude.cuh")
    _check(
        library,
        library.nvrtcCreateProgram(
            ctypes.byref(program), text.encode(), f"{name}.cu".encode(), 1, headers, names
        ),
    )
    try:
        flags = [f"--gpu-architecture={target.cpu}", *FLAGS]
        code = library.nvrtcCompileProgram(
            program, len(flags), (ctypes.c_char_p * len(flags))(*(f.encode() for f in flags))
        )
        log = _fetch(library, program, "ProgramLog").rstrip(b"\0").decode(errors="replace")
        if code:
            error = CompileError(
                f"NVRTC does not take the code of {name}: {_first_error(log)}",
                facts=[Fact("target", target.cpu)],
            )
            error.source, error.log = text, log
            raise error
        return Cubin(_fetch(library, program, "CUBIN"), log)
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


def _first_error(log: str) -> str:
    return next(
        (line for line in log.splitlines() if "error" in line), log.strip()[:200] or "it gives no reason"
    )


def _fetch(library: ctypes.CDLL, program: ctypes.c_void_p, what: str) -> bytes:
    size = ctypes.c_size_t()
    _check(library, getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
    memory = ctypes.create_string_buffer(size.value)
    _check(library, getattr(library, f"nvrtcGet{what}")(program, memory))
    return memory.raw


def _check(library: ctypes.CDLL, code: int) -> None:
    if code:
        library.nvrtcGetErrorString.restype = ctypes.c_char_p
        raise CompileError(f"NVRTC fails: {library.nvrtcGetErrorString(code).decode()}")


# ---------------------------------------------------------------- the library


def nvrtc_paths() -> list[str]:
    """Where NVRTC may be: in its wheel, in a toolkit, or where the system's loader finds it."""
    wheels = [
        str(p)
        for folder in sys.path
        for p in sorted(Path(folder or ".").glob("nvidia/*/lib/libnvrtc.so.*"), reverse=True)
    ]
    toolkits = [str(p) for p in sorted(Path("/usr/local").glob("cuda*/lib64/libnvrtc.so.*"), reverse=True)]
    return [p for p in wheels + toolkits if "alt" not in Path(p).name and "static" not in p] + ["libnvrtc.so"]


@cache
def load_nvrtc() -> ctypes.CDLL:
    """The library. Raises UnsupportedError if it is not there."""
    for path in nvrtc_paths():
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    raise UnsupportedError(
        f"NVRTC was not found, which compiles for GPUs; {_PACKAGE} has it", fix=f"pip install {_PACKAGE}"
    )
