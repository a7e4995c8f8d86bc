"""Loop-level programs for the tests: building, compiling, running."""

import ctypes
from dataclasses import dataclass, field

import numpy as np

from weft.backends.cpu import link
from weft.backends.cpu.elf import read_object
from weft.backends.cpu.emit import SPELLED, emit_program, failure_sites
from weft.backends.cpu.target import host_target, machine_of
from weft.backends.cpu.threads import process_pool
from weft.ir import REGISTRY, BufferType, Builder, CodeOptions, Func, Region
from weft.ir.opdef import Scalar
from weft.ir.types import INDEX, VectorType, dtype_of
from weft.runtime.context import Context
from weft.runtime.interface import Interface


class Lowering(Builder):
    """A builder that writes ops with a scalar rule by that rule, as the math pass does."""

    def inside(self, region, outer=None):
        return Lowering(region, self.locations, outer)

    def emit(self, name, operands=(), attributes=None, regions=()):
        if name not in SPELLED and isinstance(REGISTRY[name].form, Scalar) and REGISTRY[name].form.rule:
            return self.rule(name, operands, attributes or {}).value.op
        return super().emit(name, operands, attributes, regions)

    def rule(self, name, operands, attributes):
        """The scalar rule of an op, also of one that is spelled."""
        rule = REGISTRY[name].form.rule
        if rule is None:
            return self.expr(super().emit(name, operands, attributes).result)
        return rule(attributes, *map(self.expr, operands))


class Program:
    """A loop-level Func that is being written: parameters first, then ops at program level."""

    def __init__(self, buffers=(), numbers=()):
        names = [name for name, _ in buffers] + list(numbers)
        self.region = Region([ty for _, ty in buffers] + [INDEX for _ in numbers], names)
        self.builder = Lowering(self.region)
        self.numbers = tuple(numbers)
        self.count = len(buffers)
        self.returned = ()

    @property
    def buffers(self):
        return self.region.params[: self.count]

    def number(self, name):
        return self.builder.expr(self.region.params[self.count + self.numbers.index(name)])

    def kernel(self, write, **attributes):
        """A kernel whose body is written by `write(builder)`."""
        region = Region()
        inner = self.builder.inside(region)
        write(inner)
        inner.emit("yield")
        self.builder.emit("kernel", [], {"name": "kernel", **attributes}, [region])

    def func(self, *results):
        self.builder.emit("return", [r.value for r in results])
        self.returned = tuple(len(self.numbers) + i for i in range(len(results)))
        return Func("program", self.region, stage="loops")

    def compile(self, *results, **more):
        return compile_func(self.func(*results), self.numbers, returned=self.returned, **more)


@dataclass
class Compiled:
    text: str
    interface: Interface
    code: object
    context: dict = field(default_factory=dict)

    def __call__(self, *arrays, numbers=(), arena_bytes=0, pool=True, poll=None):
        """Run; gives the code. Arrays that are written are written in place."""
        context = bytearray(Context.pack())
        arena = np.zeros(arena_bytes + 64, np.uint8)
        fields = {"arena": (arena.ctypes.data + 63) // 64 * 64, "arena_bytes": arena_bytes}
        if pool:
            fields["parallel_for"] = process_pool().parallel_for
        keep = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(poll) if poll else None
        if keep:
            fields["poll"] = ctypes.cast(keep, ctypes.c_void_p).value
        context[:] = Context.pack(**fields)
        memory = (ctypes.c_char * len(context)).from_buffer(context)
        pointers = (ctypes.c_void_p * (len(arrays) + 1))(*[a.ctypes.data for a in arrays])
        slots = (ctypes.c_int64 * (self.interface.slots + 1))(*numbers)
        run = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 3)(self.code.address(self.interface.name))
        result = run(ctypes.addressof(memory), ctypes.addressof(pointers), ctypes.addressof(slots))
        self.context = Context.unpack(bytes(context))
        self.numbers = list(slots)[: self.interface.slots]
        return result

    def prepare(self, *numbers):
        """Run `prepare`; gives its code and all slots."""
        slots = (ctypes.c_int64 * (self.interface.slots + 1))(*numbers)
        run = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(
            self.code.address(self.interface.prepare_name)
        )
        return run(ctypes.addressof(slots)), list(slots)[: self.interface.slots]

    @property
    def facts(self):
        return tuple(self.context[f"error_fact{i}"] for i in range(3))

    @property
    def site(self):
        return self.interface.sites[self.context["error_location"]]


def check_text(text):
    """LLVM's verifier."""
    import llvmlite.binding as llvm

    link.host_machine()
    llvm.parse_assembly(text).verify()


def compile_func(fn, numbers=(), *, target=None, options=None, passes=link.PROGRAM_PASSES, **interface):
    target = target or host_target()
    face = Interface("program", numbers=tuple(numbers), sites=failure_sites(fn), **interface)
    text = emit_program(fn, face, target, options or CodeOptions())
    check_text(text)
    return Compiled(text, face, link.load(link.compile_text(text, machine_of(target), passes=passes)))


def dense(array):
    return BufferType(dtype_of(array.dtype), array.shape)


def vector_load(builder, buffer, offset, lanes, *mask, **attributes):
    operands = [buffer, offset.value, *(m.value for m in mask)]
    return builder.expr(builder.emit("load", operands, {"lanes": lanes, **attributes}).result)


def vector_store(builder, value, buffer, offset, *mask, **attributes):
    builder.emit("store", [value.value, buffer, offset.value, *(m.value for m in mask)], attributes)


def tail_mask(builder, offset, size, lanes):
    """Lanes whose index is below `size`."""
    index = builder.expr(builder.emit("lane_index", (), {"lanes": lanes}).result)
    room = builder.expr(builder.emit("splat", [(size - offset).value], {"lanes": lanes}).result)
    return index.lt(room)


def constant_lanes(builder, number, dtype, lanes):
    return builder.constant(number, VectorType(dtype, lanes))


def same(a, b):
    """Equal bits, NaN being one value."""
    if a.dtype != b.dtype or not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
        return False
    return a.dtype.kind != "f" or bool(((np.signbit(a) == np.signbit(b)) | np.isnan(a)).all())


def outside_symbols(text, target):
    """Names that the object code for a target leaves to others."""
    data = link.compile_text(text, machine_of(target))
    found = read_object(data)
    return {s.name for s in found.symbols if s.section == 0 and s.name}
