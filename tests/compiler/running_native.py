"""Run a hand-built tensor-level Func natively, with no guard table: tests of passes and code generation."""

import ctypes
from dataclasses import dataclass

import numpy as np

from weft.backends.cpu.emit import emit_program
from weft.backends.cpu.link import compile_text, load
from weft.backends.cpu.target import host_target
from weft.calls.generate import interface_of, optimize
from weft.ir import BufferType, CodeOptions, Options, verify
from weft.ir.dims import evaluate_dim
from weft.runtime.context import Context

PROGRAM = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
POLL = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)


@dataclass
class Outcome:
    """What a run gave: its code, the results, and the error record."""

    code: int
    results: list[np.ndarray]
    record: dict[str, int]
    site: object


def lower(fn, *, off=()):
    """The loop-level program, verified after every pass."""
    verify(fn, "")
    lowered = optimize(fn, Options(CodeOptions(passes_off=tuple(off))), host_target())
    return lowered


def run_native(fn, *arguments, sizes=None, poll=None, off=()):
    """Compile and run; arguments that the program writes are changed in place."""
    lowered = lower(fn, off=off)
    interface = interface_of(lowered, (), ())
    code = load(compile_text(emit_program(lowered, interface, host_target()))).keep()
    known = dict(sizes or {})
    for param, argument in zip(fn.params, arguments, strict=True):
        for dim, size in zip(getattr(param.type, "shape", ()), np.shape(argument), strict=True):
            known.setdefault(str(dim), size)
    numbers = (ctypes.c_int64 * max(1, interface.slots))(*[known[n] for n in interface.numbers])
    prepare = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(code.address("weft_program_prepare"))
    assert prepare(numbers) == 0
    arena = np.zeros(numbers[interface.arena_slot] + 64, np.uint8)
    context = (ctypes.c_uint8 * 1024)()
    place = ctypes.addressof(context)
    ctypes.c_int64.from_address(place + Context.offset("arena")).value = -(-arena.ctypes.data // 64) * 64
    callback = POLL(poll) if poll else None
    if callback:
        ctypes.c_int64.from_address(place + Context.offset("poll")).value = ctypes.cast(
            callback, ctypes.c_void_p
        ).value
    results = []
    for param in lowered.params:
        if isinstance(param.type, BufferType) and param.name.startswith("r"):
            shape = tuple(evaluate_dim(d, known) for d in param.type.shape)
            results.append(np.empty(shape, param.type.dtype.numpy))
    memory = (ctypes.c_void_p * (len(arguments) + len(results) + 1))(
        *[x.ctypes.data for x in [*arguments, *results]]
    )
    status = PROGRAM(code.address("weft_program"))(place, memory, numbers)
    record = Context.unpack(bytes(context))
    site = interface.sites[record["error_location"]] if status > 0 else None
    return Outcome(status, results, record, site)
