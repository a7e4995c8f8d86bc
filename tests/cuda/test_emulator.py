"""Kernels printed as CUDA C, run on the CPU thread by thread, give the bits of the CPU backend."""

import re

import numpy as np
import pytest
from emulator import Emulated, EmulatorError, needs_compiler
from gpu_programs import SM_90, chain, lower, program, reduce, run_cpu, same, softmax

from weft.ir import interpret
from weft.ir.dims import symbol
from weft.ir.types import F32, F64, I32, tensor

pytestmark = needs_compiler
m, n = symbol("m", 2), symbol("n", 2)
SEEDS = (0, 1, 2)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kernels")


def numbers(*shape, dtype="f4", seed=0):
    """Floats of many magnitudes, some of them special."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) * 10.0 ** rng.integers(-3, 3, shape)
    x = np.where(rng.random(shape) < 0.97, x, rng.choice([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40], shape))
    return x.astype(dtype)


def ordinary(*shape, dtype="f4", seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype) * 3


def check(emulated, fn, *arrays):
    expected = run_cpu(fn, *arrays)
    for seed in SEEDS:
        results = emulated(*arrays, seed=seed)
        assert all(map(same, results, expected)), f"seed {seed}"
    return expected


@pytest.mark.parametrize(("dtype", "name"), [(F32, "f4"), (F64, "f8")])
def test_chain(folder, dtype, name):
    fn = program([tensor(dtype, n)] * 3, chain)
    emulated = Emulated(fn, folder)
    assert len(emulated.source.launches) == 1
    for size in (2, 31, 32, 33, 255, 256, 257, 1000, 5000):
        check(emulated, fn, *(numbers(size, dtype=name, seed=k) for k in range(3)))


def test_chain_of_constant_size(folder):
    for size in (1, 256, 300):
        fn = program([tensor(F32, size)] * 3, chain)
        check(Emulated(fn, folder), fn, *(numbers(size, seed=k) for k in range(3)))


def test_broadcast_and_transpose(folder):
    def write(b, x, y, s):
        across = b.expr(b.emit("transpose", [y.value], {"axes": (1, 0)}).result)
        return x * across + b.broadcast(s, x.type.shape)

    fn = program([tensor(F32, m, n), tensor(F32, n, m), tensor(F32)], write)
    emulated = Emulated(fn, folder)
    for rows, columns in ((2, 2), (7, 100), (33, 65)):
        check(emulated, fn, numbers(rows, columns), numbers(columns, rows, seed=1), np.array(2.5, "f4"))


def test_concatenate(folder):
    def write(b, x, y):
        return b.expr(b.emit("concatenate", [(x * 2.0).value, (y + 1.0).value], {"axis": 0}).result)

    fn = program([tensor(F32, m), tensor(F32, n)], write)
    check(Emulated(fn, folder), fn, numbers(300), numbers(77, seed=1))


def test_integers_wrap(folder):
    fn = program(
        [tensor(I32, n)] * 2,
        lambda b, x, y: (x * y + x, x.apply("floor_divide", y), x.apply("left_shift", y)),
    )
    rng = np.random.default_rng(0)
    x, y = (rng.integers(-(2**31), 2**31, 500).astype("i4") for _ in range(2))
    y[::3] %= 40
    y[::7] = 0
    x[5], y[5] = -(2**31), -1
    check(Emulated(fn, folder), fn, x, y)


@pytest.mark.parametrize(
    ("rows", "columns"), [(5, 1), (1, 2), (4, 64), (9, 65), (6, 1000), (2, 4096), (3, 4097), (2, 10000)]
)
def test_softmax(folder, rows, columns):
    fn = program([tensor(F32, rows, columns)], softmax)
    emulated = Emulated(fn, folder)
    assert len(emulated.source.launches) == 1
    x = ordinary(rows, columns)
    (result,) = check(emulated, fn, x)
    e = np.exp(x.astype("f8") - x.max(1, keepdims=True))
    np.testing.assert_allclose(result, e / e.sum(1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize(("dtype", "name"), [(F32, "f4"), (F64, "f8")])
def test_softmax_of_any_size(folder, dtype, name):
    fn = program([tensor(dtype, m, n)], softmax)
    emulated = Emulated(fn, folder)
    assert len(emulated.source.launches) == 1
    for rows, columns in ((2, 2), (3, 33), (4, 257), (5, 1000), (2, 4095), (2, 4096), (3, 5000), (2, 40000)):
        check(emulated, fn, ordinary(rows, columns, dtype=name))


def test_softmax_of_special_numbers(folder):
    fn = program([tensor(F32, m, n)], softmax)
    check(Emulated(fn, folder), fn, numbers(8, 300))


@pytest.mark.parametrize("name", ["sum", "max", "argmax", "variance"])
def test_reductions(folder, name):
    fn = program([tensor(F32, m, n)], lambda b, x: reduce(b, name, x * 2.0))
    emulated = Emulated(fn, folder)
    for rows, columns in ((2, 3), (5, 100), (3, 4097), (2, 13000)):
        check(emulated, fn, ordinary(rows, columns))


@pytest.mark.parametrize(("rows", "columns"), [(3, 100), (1, 4200)])
def test_the_interpreter_agrees(folder, rows, columns):
    """Threads of the interpreter meet at barriers and exchanges as those of the emulator do, in any order."""
    fn = program([tensor(F32, rows, columns)], softmax)
    x = ordinary(rows, columns)
    (expected,) = Emulated(fn, folder)(x)
    for seed in (None, 7)[: 1 + (columns < 4096)]:
        (result,) = interpret(lower(fn, SM_90), x, seed=seed)
        assert same(result, expected)


# ---------------------------------------------------------------- planted mistakes


def without_barrier(number):
    def change(text):
        place = [match.start() for match in re.finditer("__syncthreads", text)][number]
        return text[:place] + "//" + text[place:]

    return change


@pytest.mark.parametrize("number", range(4))
def test_a_missing_barrier_is_found(folder, number):
    """Each of the barriers of a long row is needed: without it some order of the threads gives other bits."""
    fn = program([tensor(F32, 2, 70000)], softmax)
    x = ordinary(2, 70000)
    right = Emulated(fn, folder)
    wrong = Emulated(fn, folder, change=without_barrier(number))
    assert right.source.text.count("__syncthreads") == 4
    (expected,) = right(x)
    assert any(not same(wrong(x, seed=seed)[0], expected) for seed in range(6))


def test_a_barrier_that_some_threads_miss_is_reported(folder):
    fn = program([tensor(F32, 2, 9000)], softmax)
    spoiled = Emulated(
        fn,
        folder,
        change=lambda text: text.replace("__syncthreads();", "if (threadIdx.x < 40) __syncthreads();", 1),
    )
    with pytest.raises(EmulatorError, match="does not go on"):
        spoiled(ordinary(2, 9000))
