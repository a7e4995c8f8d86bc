"""Native code of a tensor-level program, run as a C caller would: by pointers and numbers, in memory that is watched.

Results, arena and the bytes around every array are filled with garbage first; what lies around must stay. Not here: the
call path from Python (`weft.calls.function`), which the NumPy-level programs take.
"""

import ctypes

import numpy as np

from weft.backends.cpu.emit import emit_program
from weft.backends.cpu.link import compile_text, load
from weft.backends.cpu.target import host_target, machine_of
from weft.backends.cpu.threads import process_pool
from weft.calls.generate import SYMBOL, interface_of, optimize
from weft.ir import CodeOptions, Options, RunOptions
from weft.ir.types import IndexType
from weft.runtime.context import Context

FENCE = 128
GARBAGE = 0xA5
LOOP = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
BODY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)


class Overrun(AssertionError):
    """Bytes outside of an array were written, or an argument that is only read."""


class Memory:
    """An array between two fences."""

    def __init__(self, shape, dtype, offset=0):
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        self.raw = np.full(size + 2 * FENCE + 128, GARBAGE, np.uint8)
        first = (-self.raw.ctypes.data) % 64 + FENCE + offset
        self.low, self.high = first, first + size
        self.array = self.raw[first : first + size].view(dtype).reshape(shape)

    def check(self, name):
        if (self.raw[: self.low] != GARBAGE).any() or (self.raw[self.high :] != GARBAGE).any():
            raise Overrun(f"bytes around {name} were written")


def _reversed(body, env, count):
    run = BODY(body)
    for k in reversed(range(count)):
        run(env, k)


BACKWARDS = LOOP(_reversed)  # iterations of a parallel loop, last first


class Native:
    """One program, compiled; code of the same text is that of `known`."""

    def __init__(self, fn, *, off=(), level=1, known=None):
        self.fn = fn
        target = host_target()
        options = Options(CodeOptions(passes_off=tuple(off)), RunOptions(verify=1))
        self.lowered = optimize(fn, options, target)
        self.interface = interface_of(self.lowered, (), ())
        self.text = emit_program(self.lowered, self.interface, target, options.code)
        is_same = known is not None and known.text == self.text
        self.code = known.code if is_same else load(compile_text(self.text, machine_of(target), level=level))
        self.entry = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 3)(self.code.address(SYMBOL))
        self.prepare = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(
            self.code.address(f"{SYMBOL}_prepare")
        )

    def __call__(self, arguments, sizes, *, offset=0, threads=0):
        """The results, those written to arguments too. `threads`: 0 none, -1 one that walks backwards, else of the pool."""
        held = {}
        numbers = dict(sizes)
        for k, (p, a) in enumerate(zip(self.fn.params, arguments, strict=True)):
            if isinstance(p.type, IndexType):
                numbers[str(p.type.dim)] = int(a)
                continue
            held[k] = self._argument(k, a, offset, numbers)
        slots = (ctypes.c_int64 * max(self.interface.slots, 1))(*[numbers[n] for n in self.interface.numbers])
        status = self.prepare(ctypes.addressof(slots))
        assert status == 0, f"prepare gives {status}"
        pointers, made, place = [], {}, len(self.interface.numbers) + 1
        for one in self.interface.pointers:
            if one.role == "argument":
                pointers.append(held[one.number][1].ctypes.data)
                continue
            shape = [slots[place + k] for k in range(len(one.shape))]
            place += len(shape)
            made[one.number] = Memory(shape, one.dtype.numpy, offset)
            pointers.append(made[one.number].array.ctypes.data)
        self._run(slots, pointers, threads)
        return self._results(held, made, arguments)

    def _argument(self, k, a, offset, numbers):
        if k in self.fn.strided:
            low = sum(min(0, (n - 1) * s) for n, s in zip(a.shape, a.strides, strict=True)) if a.size else 0
            high = sum(max(0, (n - 1) * s) for n, s in zip(a.shape, a.strides, strict=True)) if a.size else 0
            memory = Memory((high - low + a.itemsize,), np.dtype(np.uint8), offset)
            view = np.ndarray(a.shape, a.dtype, memory.array.data, -low, a.strides)
            memory.array[...] = GARBAGE
            numbers.update({f"a{k}_s{axis}": s for axis, s in enumerate(a.strides)})
        else:
            memory = Memory(a.shape, a.dtype, offset)
            view = memory.array
        view[...] = a
        return memory, view, memory.raw.copy()

    def _run(self, slots, pointers, threads):
        size = slots[self.interface.arena_slot]
        arena = np.full(size + 256, 0xFB, np.uint8)
        base = (-arena.ctypes.data) % 64
        fields = {"arena": arena.ctypes.data + base, "arena_bytes": size}
        if threads == -1:
            fields["parallel_for"] = ctypes.cast(BACKWARDS, ctypes.c_void_p).value
        elif threads:
            process_pool().configure(threads, is_pinned=False)
            fields["parallel_for"] = process_pool().parallel_for
        context = ctypes.create_string_buffer(bytes(Context.pack(**fields)))
        table = (ctypes.c_void_p * max(len(pointers), 1))(*pointers)
        status = self.entry(ctypes.addressof(context), ctypes.addressof(table), ctypes.addressof(slots))
        if status:
            raise Overrun(f"the program fails with {status}")
        if (arena[:base] != 0xFB).any() or (arena[base + size :] != 0xFB).any():
            raise Overrun("bytes around the arena were written")

    def _results(self, held, made, arguments):
        for k, (memory, view, before) in held.items():
            memory.check(f"argument {k}")
            if k not in self.fn.into:
                if not np.array_equal(memory.raw, before):
                    raise Overrun(f"argument {k} was written")
            elif k in self.fn.strided:
                kept = view.copy()
                view[...] = arguments[k]
                if not np.array_equal(memory.raw, before):
                    raise Overrun(f"bytes between the elements of argument {k} were written")
                view[...] = kept
        for r, memory in made.items():
            memory.check(f"result {r}")
        into = self.fn.into or (-1,) * len(self.fn.results)
        return [made[r].array if t < 0 else held[t][1] for r, t in enumerate(into)]
