"""One kernel for the tests of a schedule: tensor ops, made a program by the passes from `lower_tensor` on."""

import ctypes
import time

import numpy as np

from weft.backends.cpu import link
from weft.backends.cpu.emit import emit_program
from weft.backends.cpu.target import host_target, machine_of
from weft.backends.cpu.threads import process_pool
from weft.compiler.passes.expand_math import lower_math
from weft.compiler.passes.lower_tensor import lower_tensor
from weft.compiler.passes.plan_memory import arena_bytes, plan_memory
from weft.ir import BufferType, Builder, CodeOptions, Func, Op, Region
from weft.ir.dims import evaluate_dim, symbols_of
from weft.ir.interp import interpret
from weft.ir.types import INDEX
from weft.runtime.context import Context
from weft.runtime.interface import Interface


def kernel_func(types, write, schedule, strided=(), target=None, facts=None):
    """A loop-level Func: `write(*expressions)` gives the results. Parameters: inputs, results, sizes."""
    inner = Region(types)
    builder = Builder(inner)
    results = write(*map(builder.expr, inner.params))
    results = list(results) if isinstance(results, tuple) else [results]
    builder.emit("return", [r.value for r in results])
    buffers = [BufferType(t.dtype, t.shape, k in strided) for k, t in enumerate(types)]
    buffers += [BufferType(r.type.dtype, r.type.shape) for r in results]
    symbols = sorted({s.name for t in types for d in t.shape for s in symbols_of(d)})
    names = [f"p{k}" for k in range(len(buffers))]
    numbers = [f"p{k}_s{axis}" for k in strided for axis in range(types[k].rank)] + symbols
    body = Region([*buffers, *[INDEX] * len(numbers)], [*names, *numbers])
    attributes = {"schedule": schedule, "outputs": len(results), **(facts or {})}
    body.ops.append(Op("fusion", body.params[: len(buffers)], (), attributes, [inner]))
    Builder(body).emit("return")
    fn = lower_tensor(Func("program", body, {}, "buffers"), target or host_target())
    return fn, results, numbers


class Compiled:
    """Native code of one kernel."""

    def __init__(self, types, write, schedule, strided=(), target=None, facts=None):
        self.types = types
        self.target = target or host_target()
        began = time.perf_counter()
        fn, results, self.numbers = kernel_func(types, write, schedule, strided, target, facts)
        fn = plan_memory(lower_math(fn))
        self.results = [r.type for r in results]
        self.fn = fn
        self.text = emit_program(
            fn, Interface("program", numbers=tuple(self.numbers)), target or host_target(), CodeOptions()
        )
        self.lowered_s = time.perf_counter() - began
        machine = machine_of(target or host_target())
        began = time.perf_counter()
        data = link.compile_text(self.text, machine)
        self.compile_s = time.perf_counter() - began
        if target is not None:
            return  # made for another machine
        self.code = link.load(data)
        self.run = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 3)(self.code.address("program"))

    def assembly(self):
        """The code as text."""
        return link.assembly(self.text, machine_of(self.target))

    def sizes(self, arrays):
        """What symbols and strides are for these arguments."""
        known = {}
        for k, (ty, array) in enumerate(zip(self.types, arrays, strict=True)):
            for axis, (dim, size) in enumerate(zip(ty.shape, array.shape, strict=True)):
                known[str(dim)] = size
                known[f"p{k}_s{axis}"] = array.strides[axis]
        return known

    def prepare(self, *arrays, pool=True):
        """A function that runs the program on these arguments, and the results that it writes."""
        known = self.sizes(arrays)
        results = [
            np.full([evaluate_dim(d, known) for d in t.shape], 99, t.dtype.numpy) for t in self.results
        ]
        size = evaluate_dim(arena_bytes(self.fn), known)
        arena = np.zeros(size + 64, np.uint8)
        fields = {"arena": (arena.ctypes.data + 63) // 64 * 64, "arena_bytes": size}
        if pool:
            fields["parallel_for"] = process_pool().parallel_for
        context = ctypes.create_string_buffer(bytes(Context.pack(**fields)))
        memory = [*arrays, *results]
        pointers = (ctypes.c_void_p * len(memory))(*[a.ctypes.data for a in memory])
        slots = (ctypes.c_int64 * (len(self.numbers) + 1))(*[known[n] for n in self.numbers])
        where = [ctypes.addressof(x) for x in (context, pointers, slots)]

        def run(keep=(arena, memory, context, pointers, slots)):
            return self.run(*where)

        return run, results

    def __call__(self, *arrays, pool=True):
        run, results = self.prepare(*arrays, pool=pool)
        assert run() == 0
        return results if len(results) > 1 else results[0]


def interpreted(types, write, schedule, target, *arrays, facts=None):
    """What the reference interpreter makes of the same loops."""
    fn, *_ = kernel_func(types, write, schedule, target=target, facts=facts)
    return interpret(plan_memory(lower_math(fn)), *arrays)[0]
