"""The `Backend` protocol: what every backend has, and that a program needs no more of it."""

import numpy as np
import pytest
from gpu_programs import chain, lower, parameters, program, reduce, run_cpu, same, softmax
from toy import OPS, ToyBackend

from weft.backends.base import Backend
from weft.backends.cpu.build import CpuBackend
from weft.backends.cuda.build import CudaBackend
from weft.ir import CodeOptions, UnsupportedError, walk
from weft.ir.dims import symbol
from weft.ir.ops.loop import fma
from weft.ir.types import F32, tensor
from weft.runtime.interface import Interface

m, n = symbol("m", 2), symbol("n", 2)


def run_toy(fn, *arrays):
    backend: Backend = ToyBackend()
    target, interface = backend.host(), Interface("program")
    lowered = lower(fn, target)
    assert {op.name for op in walk(lowered)} <= OPS
    artifact = backend.build(backend.emit(lowered, interface, target, CodeOptions()), interface, target)
    names = {"np": np, "fma": lambda *x: fma.evaluate({}, *map(np.atleast_1d, x))[0]}
    exec(compile(artifact.data, "toy", "exec"), names)
    known, memory, results = parameters(lowered, arrays)
    values = iter([a.reshape(-1) for a in memory])
    with np.errstate(all="ignore"):
        names["run"](*[known[p.name] if p.name in known else next(values) for p in lowered.params])
    return results


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


@pytest.mark.parametrize("backend", [ToyBackend(), CpuBackend(), CudaBackend()], ids=lambda b: b.name)
def test_members(backend):
    assert isinstance(backend.name, str)
    for member in ("host", "emit", "build"):
        assert callable(getattr(backend, member))


def test_the_toy_gives_the_same_bits():
    fn = program([tensor(F32, n)] * 3, chain)
    arrays = [normal(37, seed=k) for k in range(3)]
    assert all(map(same, run_toy(fn, *arrays), run_cpu(fn, *arrays)))


@pytest.mark.parametrize("columns", [2, 70, 4100])
def test_the_toy_reduces_in_the_same_order(columns):
    for write in (softmax, lambda b, x: reduce(b, "sum", x)):
        fn = program([tensor(F32, m, n)], write)
        x = normal(2, columns)
        assert all(map(same, run_toy(fn, x), run_cpu(fn, x)))


def test_an_op_that_it_does_not_have_is_said():
    fn = program([tensor(F32, m, n)], lambda b, x: b.expr(b.emit("sum", [x.value], {"axis": 1}).result))
    backend = ToyBackend()
    lowered = lower(fn, backend.host())
    next(op for op in walk(lowered) if op.name == "store").name = "prefetch"
    with pytest.raises(UnsupportedError, match="does not spell prefetch"):
        backend.emit(lowered, Interface("program"), backend.host(), CodeOptions())
