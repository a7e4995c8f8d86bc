"""Programs for the tests of the CUDA backend: tensor ops, lowered for a GPU and for the CPU by all passes."""

import ctypes

import numpy as np

from weft.backends.cpu import link
from weft.backends.cpu.emit import emit_program
from weft.backends.cpu.target import host_target, machine_of
from weft.backends.cuda.target import named_target
from weft.compiler.manager import Setting, run
from weft.compiler.passes.plan_memory import arena_bytes
from weft.compiler.pipeline import PASSES
from weft.ir import BufferType, Builder, Func, Region, verify
from weft.ir.dims import evaluate_dim, symbols_of
from weft.ir.expr import constant
from weft.runtime.context import Context
from weft.runtime.interface import Interface

SM_90 = named_target("sm_90")


def program(types, write):
    """A tensor-level Func: `write(builder, *expressions)` gives its results."""
    region = Region(types, [f"x{k}" for k in range(len(types))])
    builder = Builder(region)
    results = write(builder, *map(builder.expr, region.params))
    results = results if isinstance(results, tuple) else (results,)
    builder.emit("return", [r.value for r in results])
    symbols = {s.name: s for ty in types for d in ty.shape for s in symbols_of(d)}
    return Func("program", region, symbols, into=(-1,) * len(results))


def chain(_builder, x, a, b):
    """tanh(x*a+b)*sigmoid(x)+exp(-x*x)."""
    sigmoid = constant(x, 1.0) / (constant(x, 1.0) + (-x).apply("exp"))
    return (x * a + b).apply("tanh") * sigmoid + (-(x * x)).apply("exp")


def reduce(builder, name, x):
    return builder.expr(builder.emit(name, [x.value], {"axis": x.type.rank - 1}).result)


def along(builder, reduced, x):
    """A result of a reduction, repeated along the last axis."""
    return builder.broadcast(builder.reshape(reduced, (*x.type.shape[:-1], 1)), x.type.shape)


def softmax(builder, x):
    e = (x - along(builder, reduce(builder, "max", x), x)).apply("exp")
    return e / along(builder, reduce(builder, "sum", e), x)


def lower(fn, target):
    """All passes, each followed by the verifier."""
    return run(fn, PASSES, Setting(target=target), verify=verify)


def parameters(fn, arrays):
    """Sizes by name, the memory of each pointer, and the results among them; `arrays` are the arguments."""
    known = {}
    buffers = [p for p in fn.params if isinstance(p.type, BufferType)]
    for param in buffers:
        if param.name.startswith("a"):
            for axis, (dim, size) in enumerate(
                zip(param.type.shape, arrays[int(param.name[1:])].shape, strict=True)
            ):
                known[str(dim)] = size
                known[f"{param.name}_s{axis}"] = arrays[int(param.name[1:])].strides[axis]
    memory, results = [], []
    for param in buffers:
        if param.name.startswith("a"):
            memory.append(arrays[int(param.name[1:])])
        else:
            shape = [evaluate_dim(d, known) for d in param.type.shape]
            results.append(np.full(shape, 99, param.type.dtype.numpy))
            memory.append(results[-1])
    return known, memory, results


def run_cpu(fn, *arrays):
    """The results of the CPU's native code."""
    lowered = lower(fn, host_target())
    known, memory, results = parameters(lowered, arrays)
    numbers = [p.name for p in lowered.params if not isinstance(p.type, BufferType)]
    text = emit_program(lowered, Interface("program", numbers=tuple(numbers)), host_target())
    code = link.load(link.compile_text(text, machine_of(host_target())))
    size = evaluate_dim(arena_bytes(lowered), known)
    arena = np.zeros(size + 64, np.uint8)
    place = (arena.ctypes.data + 63) // 64 * 64
    context = ctypes.create_string_buffer(bytes(Context.pack(arena=place, arena_bytes=size)))
    pointers = (ctypes.c_void_p * len(memory))(*[a.ctypes.data for a in memory])
    slots = (ctypes.c_int64 * (len(numbers) + 1))(*[known[n] for n in numbers])
    native = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 3)(code.address("program"))
    assert native(*[ctypes.addressof(x) for x in (context, pointers, slots)]) == 0
    return results


def same(a, b):
    """Equal bits, but any NaN is as good as another: devices make other ones."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    bits = f"u{a.dtype.itemsize}"
    return bool(((a.view(bits) == b.view(bits)) | (np.isnan(a) & np.isnan(b))).all())
