"""Runs the CUDA backend's kernels on the CPU through `cudacpu.h`. Not here: programs (`gpu_programs.py`)."""

import ctypes
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from gpu_programs import SM_90, lower, parameters

from weft.backends.cuda.emit import ARENA, emit_program
from weft.backends.cuda.nvrtc import prelude
from weft.compiler.passes.plan_memory import arena_bytes
from weft.ir import BufferType
from weft.ir.dims import evaluate_dim

HERE = Path(__file__).parent
COMPILER = next((c for c in (os.environ.get("CXX"), "g++", "clang++") if c and shutil.which(c)), None)
needs_compiler = pytest.mark.skipif(
    COMPILER is None, reason="no C++ compiler (g++ or clang++) to build the emulator with"
)
GUARD = 64


class EmulatorError(Exception):
    """What the emulator says of a launch."""


def build(source, folder):
    """The kernels of a `Source` as a shared library."""
    entries = []
    for launch in source.launches:
        params = source.text.split(f"{launch.name}(")[1].split(")")[0].split(", ")
        types = [p[: p.rindex("*") + 1] if "*" in p else p.rpartition(" ")[0] for p in params]
        passed = ", ".join(f"*({ty} *)p[{k}]" for k, ty in enumerate(types))
        entries.append(
            f'extern "C" const char *launch_{launch.name}(unsigned b, unsigned t, void **a, unsigned s) {{\n'
            f"    return emulator_launch([](void **p) {{ {launch.name}({passed}); }}, b, t, a, s);\n}}"
        )
    text = "\n".join(['#include "cudacpu.h"', source.text, *entries])
    folder.mkdir(exist_ok=True)
    (folder / "prelude.cuh").write_text(prelude())
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.so"
    if not path.exists():
        flags = [
            "-std=c++17",
            "-O1",
            "-ffp-contract=off",
            "-fwrapv",
            "-fno-strict-aliasing",
            "-shared",
            "-fPIC",
            f"-I{HERE}",
            f"-I{folder}",
        ]
        subprocess.run([COMPILER, *flags, "-x", "c++", "-", "-o", str(path)], input=text.encode(), check=True)
    return ctypes.CDLL(str(path))


class Emulated:
    """A program for a GPU, run on the CPU. `change` may spoil the text first."""

    def __init__(self, fn, folder, target=SM_90, change=lambda text: text):
        self.fn = lower(fn, target)
        source = emit_program(self.fn)
        self.source = type(source)(change(source.text), source.launches)
        self.library = build(self.source, folder)

    def __call__(self, *arrays, seed=0):
        known, memory, results = parameters(self.fn, arrays)
        guarded = [
            np.concatenate([a.view(np.uint8).reshape(-1), np.full(GUARD, 0x5A, np.uint8)])
            for a in map(np.ascontiguousarray, memory)
        ]
        size = evaluate_dim(arena_bytes(self.fn), known)
        arena = np.full(size + 64, 0xFF, np.uint8)
        values, place = {ARENA: ctypes.c_void_p((arena.ctypes.data + 63) // 64 * 64)}, 0
        for number, param in enumerate(self.fn.params):
            if isinstance(param.type, BufferType):
                values[number] = ctypes.c_void_p(guarded[place].ctypes.data)
                place += 1
            else:
                values[number] = ctypes.c_longlong(known[param.name])
        for launch in self.source.launches:
            blocks = (
                evaluate_dim(launch.blocks, known) if not isinstance(launch.blocks, int) else launch.blocks
            )
            addresses = (ctypes.c_void_p * len(launch.arguments))(
                *[ctypes.addressof(values[n]) for n in launch.arguments]
            )
            run = getattr(self.library, f"launch_{launch.name}")
            run.restype = ctypes.c_char_p
            problem = run(blocks, launch.threads, addresses, seed)
            if problem:
                raise EmulatorError(problem.decode())
        assert all((g[-GUARD:] == 0x5A).all() for g in guarded), "written outside of an array"
        for result, g in zip(results, guarded[len(memory) - len(results) :], strict=True):
            result[...] = g[:-GUARD].view(result.dtype).reshape(result.shape)
        return results
