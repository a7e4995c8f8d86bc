"""A program's object in a shared library, called by its C signature, gives the same bits as the JIT."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest
import running_native as running

from weft.backends.cpu.emit import emit_program
from weft.backends.cpu.link import compile_text
from weft.backends.cpu.target import host_target
from weft.calls.generate import interface_of
from weft.compiler.frontend.arguments import spec_of
from weft.compiler.frontend.entry import trace
from weft.runtime.context import Context

ALLOWED = {"memcpy", "memset", "memmove"}


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def statistics(x):
    return x.mean(axis=0), x.var(axis=0)


def dense(x):
    return np.maximum(x @ x.T, 0)


def object_of(fn, *arguments):
    func = trace(fn, [spec_of(a) for a in arguments]).func
    lowered = running.lower(func)
    interface = interface_of(lowered, (), ())
    return func, interface, compile_text(emit_program(lowered, interface, host_target()))


@pytest.mark.skipif(not (shutil.which("cc") and shutil.which("nm")), reason="needs a C compiler and nm")
@pytest.mark.parametrize("fn", [softmax, statistics, dense])
def test_object_by_its_c_signature(fn, tmp_path):
    x = np.random.default_rng(0).normal(size=(130, 70)).astype(np.float32)
    func, interface, data = object_of(fn, x)
    (tmp_path / "program.o").write_bytes(data)
    listing = subprocess.run(
        ["nm", "-u", tmp_path / "program.o"], capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[-1] for line in listing.splitlines()} <= ALLOWED
    library = tmp_path / "program.so"
    subprocess.run(["cc", "-shared", "-o", library, tmp_path / "program.o"], check=True)
    loaded = ctypes.CDLL(library)
    numbers = (ctypes.c_int64 * max(1, interface.slots))()
    assert loaded.weft_program_prepare(numbers) == 0
    arena = np.zeros(numbers[interface.arena_slot] + 64, np.uint8)
    context = (ctypes.c_uint8 * 1024)()  # no pool, no callbacks: as in an exported library
    start = -(-arena.ctypes.data // 64) * 64
    ctypes.c_int64.from_address(ctypes.addressof(context) + Context.offset("arena")).value = start
    expected = running.run_native(func, x).results
    results = [np.empty_like(r) for r in expected]
    pointers = (ctypes.c_void_p * (1 + len(results)))(*[a.ctypes.data for a in [x, *results]])
    assert loaded.weft_program(context, pointers, numbers) == 0
    for want, got in zip(expected, results, strict=True):
        assert want.tobytes() == got.tobytes()
