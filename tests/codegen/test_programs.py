"""Loops, branches, kernels, memory, failure and stops, run as native code."""

import time

import numpy as np
import pytest
from loop_programs import (
    Program,
    compile_func,
    constant_lanes,
    dense,
    outside_symbols,
    same,
    tail_mask,
    vector_load,
    vector_store,
)

import weft
from weft.backends.cpu.build import CpuBackend
from weft.backends.cpu.elf import read_object
from weft.backends.cpu.emit import emit_program, failure_sites
from weft.backends.cpu.target import host_target, named_target
from weft.ir import BufferType, CodeOptions, CompileError, InternalError, Region, UnsupportedError
from weft.ir.dims import floor_divide, maximum, minimum, modulo, symbol
from weft.ir.interp import interpret
from weft.ir.opdef import random_array
from weft.ir.types import BF16, BOOL, F32, F64, I32, I64, INDEX, U8, VectorType
from weft.runtime.interface import FAILED, INTERRUPTED, OVERFLOWED, Guard, Interface

n = symbol("n")
TARGETS = ("x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64")


def floats(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def pointwise(lanes=8, dtype=F32, **attributes):
    """z = x + y over n elements: whole vectors, then a masked rest."""
    ty = BufferType(dtype, (n,))
    program = Program([("x", ty), ("y", ty), ("z", ty)], ["n"])
    x, y, z = program.buffers
    size = program.number("n")

    def step(b, i, *mask):
        value = vector_load(b, x, i, lanes, *mask) + vector_load(b, y, i, lanes, *mask)
        vector_store(b, value, z, i, *mask)
        return []

    def write(b):
        total = b.expr(size.value)
        whole = total - (total & (lanes - 1))
        b.loop(b.index(0), whole, lanes, [], lambda inner, i, c: step(inner, i), kind="vector")

        def rest(inner):
            start, stop = inner.expr(whole.value), inner.expr(total.value)
            return step(inner, start, tail_mask(inner, start, stop, lanes))

        b.branch(whole.lt(total), rest, lambda inner: [])

    program.kernel(write, **attributes)
    return program


@pytest.mark.parametrize(("dtype", "name"), [(F32, "f4"), (F64, "f8"), (U8, "u1"), (I32, "i4")])
def test_pointwise_with_a_masked_rest(dtype, name):
    run = pointwise(dtype=dtype).compile()
    for size in (0, 1, 7, 8, 9, 64, 1001):
        x, y = (random_array(np.random.default_rng(i), np.dtype(name).name, (size,)) for i in range(2))
        z = np.full(size + 3, 77, x.dtype)
        assert run(x, y, z[:size], numbers=[size]) == 0
        with np.errstate(all="ignore"):
            assert same(z[:size], x + y)
        assert (z[size:] == 77).all()


@pytest.mark.parametrize("rows", [2, 3, 5])
def test_a_last_lane_of_narrowed_numbers_writes_itself_alone(rows):
    def below_zero(a, b, out):
        out[...] = a @ b < 0

    around = np.full(64, True)
    weft.compile(below_zero)(floats(rows, 3) ** 2, floats(3, 1) ** 2, around[:rows].reshape(rows, 1))
    assert around[rows:].all()
    assert not around[:rows].any()


def test_a_count_that_many_loops_hand_on_costs_no_more_for_each():
    def grown(x, y, steps):  # LLVM's time doubled with each loop
        out = []
        for _ in range(steps):
            for _ in range(4):
                c = 0
                while c < 9 and x[0] > 1.0:
                    c += 1
                    out.append(1.0)
                    out.append(2.0)
                c = 0
                while c < 9 and y[0] > x[0]:
                    c += 1
                    out.append(3.0)
            c = 0
            while c < 3:
                c += 1
                if x[1] > 0.9:
                    return y, np.array(out)
        return x, np.array(out)

    x, y = np.array([0.3, 0.2]), np.array([0.5, 1.0])
    for one, other in zip(weft.compile(grown)(x, y, 4), grown(x, y, 4), strict=True):
        assert same(one, other)


def test_misaligned_arguments():
    run = pointwise().compile()
    memory = np.zeros(4 * 100 + 1, np.uint8)
    x = memory[1:].view(np.float32)
    x[:] = floats(100)
    z = np.zeros(100, np.float32)
    assert run(x, x, z, numbers=[100]) == 0
    assert same(z, x + x)


def test_the_interpreter_agrees():
    fn = pointwise().func()
    x, y = floats(37), floats(37, seed=1)
    expected = interpret(fn, x, y, np.zeros(37, np.float32), 37, sizes={"n": 37})
    z = np.zeros(37, np.float32)
    compile_func(fn, ["n"])(x, y, z, numbers=[37])
    assert expected == [] or same(expected[0], z)
    assert same(z, x + y)


def row_sums(rows, columns, *, kind):
    program = Program([("x", BufferType(F32, (rows, columns))), ("y", BufferType(F32, (rows,)))])
    x, y = program.buffers

    def row(b, r, _carried):
        start = r * columns

        def add(inner, j, carried):
            return [carried[0] + vector_load(inner, x, inner.expr(start.value) + j, 8)]

        (total,) = b.loop(b.index(0), b.index(columns), 8, [constant_lanes(b, 0.0, F32, 8)], add)
        for width in (4, 2, 1):
            halves = [
                b.expr(b.emit("shuffle", [total.value], {"order": tuple(range(k, k + width))}).result)
                for k in (0, width)
            ]
            total = halves[0] + halves[1]
        vector_store(b, total, y, r)
        return []

    program.kernel(lambda b: b.loop(b.index(0), b.index(rows), 1, [], row, kind=kind))
    return program.compile()


@pytest.mark.parametrize("kind", ["serial", "parallel", "unrolled"])
@pytest.mark.parametrize("pool", [True, False])
def test_rows(kind, pool):
    x, y = floats(33, 64), np.zeros(33, np.float32)
    assert row_sums(33, 64, kind=kind)(x, y, pool=pool) == 0
    lanes = x.reshape(33, 8, 8)
    total = np.zeros((33, 8), np.float32)
    for k in range(8):
        total += lanes[:, k]
    for width in (4, 2, 1):
        total = total[:, :width] + total[:, width : 2 * width]
    assert same(y, total[:, 0])


def test_parallel_loops_in_all_shapes():
    """Bounds at run time, a step above 1, a nested loop, one that does not run, a scalar bool captured."""
    program = Program([("y", BufferType(I64, (1000,)))], ["lower", "upper"])
    (y,) = program.buffers

    def write(b):
        lower, upper = b.expr(program.number("lower").value), b.expr(program.number("upper").value)
        flag = lower.lt(upper)

        def outer(c, i, _carried):
            def inner(d, j, _carried):
                value = d.expr(
                    d.emit("select", [flag.value, (d.expr(i.value) * 10 + j).value, d.index(-1).value]).result
                )
                vector_store(d, value, y, d.expr(i.value) + j)
                return []

            c.loop(c.index(0), c.index(3), 1, [], inner, kind="parallel")
            return []

        b.loop(lower, upper, 3, [], outer, kind="parallel")

    program.kernel(write)
    run = program.compile()
    for lower, upper in ((0, 0), (5, 4), (0, 1), (2, 3), (4, 200), (0, 997)):
        out = np.zeros(1000, np.int64)
        assert run(out, numbers=[lower, upper]) == 0
        right = np.zeros(1000, np.int64)
        for i in range(lower, upper, 3):
            right[i : i + 3] = [i * 10, i * 10 + 1, i * 10 + 2]
        assert same(out, right)


def test_program_level_loops_swap_buffers():
    """y = x doubled k times through two arena buffers that a loop carries."""
    size = symbol("n")
    program = Program([("x", BufferType(F32, (size,))), ("y", BufferType(F32, (size,)))], ["n", "k"])
    x, y = program.buffers
    b = program.builder
    ty = BufferType(F32, (size,))
    first, second = (
        b.emit("alloc", [], {"type": ty, "arena_offset": 64 + i * size * 4}).result for i in range(2)
    )
    b.emit("copy", [x, first])
    region = Region([INDEX, ty, ty])
    inner = b.inside(region)
    _, here, there = region.params
    kernel = Region()
    k = inner.inside(kernel)
    k.loop(
        k.index(0), k.expr(program.number("n").value), 1, [],
        lambda c, i, _: vector_store(c, vector_load(c, here, i, 1) * 2.0, there, i) or [],
    )  # fmt: skip
    k.emit("yield")
    inner.emit("kernel", [], {"name": "double"}, [kernel])
    inner.emit("yield", [there, here])
    loop = b.emit(
        "for",
        [b.index(0).value, program.number("k").value, b.index(1).value, first, second],
        {"kind": "serial"},
        [region],
    )
    b.emit("copy", [loop.results[0], y])
    run = program.compile()
    for k in (0, 1, 2, 5):
        data, out = floats(100), np.zeros(100, np.float32)
        assert run(data, out, numbers=[100, k], arena_bytes=64 + 800) == 0
        assert same(out, data * np.float32(2**k))


def test_while_and_if():
    """Steps of the Collatz sequence, counted and returned."""
    program = Program([], ["start"])
    b = program.builder
    condition, body = Region([INDEX, INDEX]), Region([INDEX, INDEX])
    c = b.inside(condition)
    c.emit("yield", [c.expr(condition.params[0]).ne(1).value])
    d = b.inside(body)
    value, count = map(d.expr, body.params)
    (after,) = d.branch(
        (value & 1).eq(0), lambda e: [e.expr(value.value) >> 1], lambda e: [e.expr(value.value) * 3 + 1]
    )
    d.emit("yield", [after.value, (count + 1).value])
    loop = b.emit("while", [program.number("start").value, b.index(0).value], {}, [condition, body])
    run = program.compile(b.expr(loop.results[1]))
    for start, steps in ((1, 0), (2, 1), (27, 111)):
        assert run(numbers=[start]) == 0
        assert run.numbers == [start, steps]


def test_loops_backward_and_of_unknown_step():
    program = Program([("y", BufferType(I64, (64,)))], ["lower", "upper", "step"])
    (y,) = program.buffers
    b = program.builder
    region = Region([INDEX, INDEX])
    inner = b.inside(region)
    index, count = map(inner.expr, region.params)
    vector_store(inner, index, y, count)
    inner.emit("yield", [(count + 1).value])
    operands = [program.number(name).value for name in ("lower", "upper", "step")]
    loop = b.emit("for", [*operands, b.index(0).value], {"kind": "serial"}, [region])
    run = program.compile(b.expr(loop.results[0]))
    for bounds in ((0, 10, 3), (10, 0, -3), (0, 0, 1), (5, 6, 7), (6, 5, -7), (3, 9, -1)):
        out = np.zeros(64, np.int64)
        run(out, numbers=bounds)
        right = list(range(*bounds))
        assert out[: len(right)].tolist() == right
        assert run.numbers[3] == len(right)


@pytest.mark.parametrize("dtype", ["float32", "bool", "int16", "float64"])
@pytest.mark.parametrize("stride", [1, -1, 2, -3, 0])
@pytest.mark.parametrize("masked", [False, True])
def test_strides(dtype, stride, masked):
    """Loads and stores of lanes that are apart, from dense memory and from a strided argument."""
    x = random_array(np.random.default_rng(0), dtype, (40,))
    start = 25 if stride < 0 else 3
    for source in (x, np.repeat(x, 2)[::2]):
        out, back = np.zeros(8, dtype), np.zeros(40, dtype)
        strided = not source.flags.c_contiguous
        ty = BufferType(dense(x).dtype, x.shape, strided)
        program = Program([("x", ty), ("out", dense(out)), ("back", dense(back))])
        a, o, k = program.buffers
        factor = (
            x.itemsize if strided else 1
        )  # lanes of a strided buffer are whole elements apart, its offsets are bytes
        memory = source if not strided else x
        place = start * factor

        def write(b, a=a, o=o, k=k, place=place):
            mask = [b.expr(b.emit("lane_index", (), {"lanes": 8}).result).lt(5)] if masked else []
            value = vector_load(b, a, b.index(place), 8, *mask, stride=stride)
            vector_store(b, value, o, b.index(0))
            if stride:
                vector_store(b, value, k, b.index(start), *mask, stride=stride)

        program.kernel(write)
        program.compile()(memory, out, back)
        lanes = start + stride * np.arange(8)
        right = x[lanes]
        if masked:
            right[5:] = 0
        assert same(out, right)
        if stride:
            expected = np.zeros(40, dtype)
            expected[lanes[: 5 if masked else 8]] = x[lanes[: 5 if masked else 8]]
            assert same(back, expected)


@pytest.mark.parametrize("dtype", ["float32", "bool", "uint8", "float64"])
@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("masked", [False, True])
def test_gather_and_scatter(dtype, lanes, masked):
    x = random_array(np.random.default_rng(0), dtype, (50,))
    index = np.random.default_rng(1).integers(0, 50, 64)
    index[-3:] = index[0]
    if masked:
        index[::3] = 1 << 40  # what is masked out is not touched
    y, z = np.zeros(64, dtype), np.zeros(50, dtype)
    program = Program([("x", dense(x)), ("index", dense(index)), ("y", dense(y)), ("z", dense(z))])
    a, ind, o, s = program.buffers

    def body(b, i, _):
        places = vector_load(b, ind, i, lanes)
        mask = [places.lt(50).value] if masked else []
        value = b.expr(b.emit("gather_lanes", [a, places.value, *mask]).result)
        vector_store(b, value, o, i)
        b.emit("scatter_lanes", [value.value, s, places.value, *mask])
        return []

    program.kernel(lambda b: b.loop(b.index(0), b.index(64), lanes, [], body))
    program.compile()(x, index, y, z)
    good = index < 50
    right = np.zeros(64, dtype)
    right[good] = x[index[good]]
    assert same(y, right)
    right = np.zeros(50, dtype)
    right[index[good]] = x[index[good]]
    assert same(z, right)


def test_byte_offsets_of_strided_buffers():
    x = floats(6, 10)[::-2, ::3]
    y = np.zeros(x.shape, np.float32)
    program = Program([("x", BufferType(F32, x.shape, strided=True)), ("y", dense(y))], ["s0", "s1"])
    a, o = program.buffers
    rows, columns = x.shape

    def write(b):
        s0, s1 = (b.expr(program.number(s).value) for s in ("s0", "s1"))

        def row(c, r, _):
            lane = c.expr(c.emit("lane_index", (), {"lanes": columns}).result)

            def one(e):
                return c.expr(c.emit("splat", [e.value], {"lanes": columns}).result)

            offsets = lane * one(c.expr(s1.value)) + one(r * c.expr(s0.value))
            vector_store(c, c.expr(c.emit("gather_lanes", [a, offsets.value]).result), o, r * columns)
            return []

        b.loop(b.index(0), b.index(rows), 1, [], row)

    program.kernel(write)
    program.compile()(x, y, numbers=x.strides)
    assert same(y, np.ascontiguousarray(x))


def checked_gather(*, kind, lanes):
    """y[i] = x[index[i]], failing outside of [0, 50); chunks of 16 run in a loop of `kind`."""
    program = Program(
        [("x", BufferType(F32, (50,))), ("index", BufferType(I64, (256,))), ("y", BufferType(F32, (256,)))]
    )
    x, index, y = program.buffers

    def chunk(b, k, _):
        def body(c, i, _):
            place = c.expr(k.value) * 16 + i
            found = vector_load(c, index, place, lanes)
            bad = found.lt(0) | found.ge(50)
            position = c.expr(c.emit("splat", [place.value], {"lanes": lanes}).result) if lanes > 1 else place
            c.emit("fail_if", [bad.value, found.value, c.index(50).value, position.value], {"code": "index"})
            value = c.expr(
                c.emit("gather_lanes", [x, found.value, c.emit("logical_not", [bad.value]).result]).result
            )
            vector_store(c, value, y, place)
            return []

        b.loop(b.index(0), b.index(16), lanes, [], body)
        return []

    program.kernel(lambda b: b.loop(b.index(0), b.index(16), 1, [], chunk, kind=kind))
    return program


@pytest.mark.parametrize("kind", ["serial", "parallel", "unrolled"])
@pytest.mark.parametrize("lanes", [1, 8])
def test_the_first_failure_is_recorded(kind, lanes):
    run = checked_gather(kind=kind, lanes=lanes).compile()
    x, y = floats(50), np.zeros(256, np.float32)
    index = np.arange(256) % 50
    assert run(x, index, y) == 0
    assert same(y, x[index])
    for places in ([3], [200, 90, 91, 255], [255], [17, 18, 19, 31]):
        bad = index.copy()
        bad[places] = [-1 - p for p in places]
        for _ in range(5):
            assert run(x, bad, y) == FAILED
            assert run.facts[:2] == (-1 - min(places), 50)
            assert run.site.code == "index"
            assert run.context["error_code"] == FAILED


def test_what_follows_a_failure_does_not_run():
    """Of two kernels that fail the first is recorded; the second does not run."""
    program = Program([("x", BufferType(I64, (4,))), ("y", BufferType(I64, (1,)))])
    x, y = program.buffers

    def write(b, limit, code):
        value = vector_load(b, x, b.index(0), 4)
        b.emit("fail_if", [value.gt(limit).value, value.value], {"code": code})

    program.kernel(lambda b: write(b, 10, 7))
    program.kernel(lambda b: write(b, 5, 8) or vector_store(b, b.index(1), y, b.index(0)))
    run = program.compile()
    for data, code, fact, wrote in (
        ([1, 2, 3, 4], 0, 0, 1),
        ([1, 6, 9, 4], 8, 6, 1),
        ([6, 1, 20, 30], 7, 20, 0),
    ):
        out = np.zeros(1, np.int64)
        assert run(np.array(data), out) == code
        assert run.facts[0] == fact
        assert out[0] == wrote


def test_failures_end_program_loops():
    """A count that fails in the fifth of a million iterations."""
    program = Program([("y", BufferType(I64, (1,)))])
    (y,) = program.buffers

    def body(b, i, _):
        def kernel(c):
            vector_store(c, c.expr(i.value), y, c.index(0))
            c.emit("fail_if", [c.expr(i.value).eq(4).value, i.value], {"code": 3})

        region = Region()
        inner = b.inside(region)
        kernel(inner)
        inner.emit("yield")
        b.emit("kernel", [], {"name": "k"}, [region])
        return []

    program.builder.loop(program.builder.index(0), program.builder.index(10**12), 1, [], body)
    out = np.zeros(1, np.int64)
    run = program.compile()
    assert run(out) == 3
    assert out[0] == 4


@pytest.mark.parametrize("place", ["program", "kernel", "parallel", "rows"])
def test_poll_stops_endless_loops(place):
    program = Program([("y", BufferType(I64, (64,)))])
    (y,) = program.buffers

    def forever(b):
        condition, body = Region([INDEX]), Region([INDEX])
        c = b.inside(condition)
        c.emit("yield", [c.expr(condition.params[0]).ge(0).value])
        d = b.inside(body)
        vector_store(d, d.expr(body.params[0]), y, d.index(0))
        d.emit("yield", [(d.expr(body.params[0]) + 1).value])
        b.emit("while", [b.index(0).value], {}, [condition, body])

    def rows(b):
        def row(c, i, _):
            c.loop(c.index(0), c.index(64), 1, [], lambda d, j, _: vector_store(d, j, y, j) or [])
            return []

        b.loop(b.index(0), b.index(10**15), 1, [], row)

    match place:
        case "program":
            forever(program.builder)
        case "kernel":
            program.kernel(forever)
        case "rows":
            program.kernel(rows)
        case _:
            program.kernel(
                lambda b: b.loop(
                    b.index(0), b.index(4), 1, [], lambda c, i, _: forever(c) or [], kind="parallel"
                )
            )
    run = program.compile()
    start = time.monotonic()
    calls = []

    def poll(_context):
        calls.append(1)
        return int(time.monotonic() - start > 0.02)

    assert run(np.zeros(64, np.int64), poll=poll) == INTERRUPTED
    assert time.monotonic() - start < 5
    assert calls


def test_arena_scratch_view_copy():
    """Scratch on the stack, a view of an arena buffer at an offset, workers' own parts of the arena."""
    program = Program([("x", BufferType(F32, (32,))), ("y", BufferType(F32, (32,)))])
    x, y = program.buffers
    arena = program.builder.emit("alloc", [], {"type": BufferType(F32, (64,)), "arena_offset": 128}).result

    def write(b):
        part = b.emit("view", [arena, b.index(8).value], {"type": BufferType(F32, (32,))}).result
        vector_store(b, vector_load(b, x, b.index(0), 32), part, b.index(0))
        scratch = b.emit("alloc", [], {"type": BufferType(F32, (40,), space="scratch")}).result
        vector_store(b, vector_load(b, arena, b.index(8), 32) * 2.0, scratch, b.index(4))

        def each(c, i, _):
            own = c.emit(
                "alloc", [], {"type": BufferType(F32, (16,)), "arena_offset": 1024, "worker_bytes": 64}
            ).result
            vector_store(c, vector_load(c, scratch, i + 4, 1), own, c.index(3))
            vector_store(c, vector_load(c, own, c.index(3), 1) + 1.0, y, i)
            return []

        b.loop(b.index(0), b.index(32), 1, [], each, kind="parallel")

    program.kernel(write)
    data, out = floats(32), np.zeros(32, np.float32)
    assert program.compile()(data, out, arena_bytes=1024 + 64 * 257) == 0
    assert same(out, data * 2 + 1)


def test_equal_kernels_are_written_once():
    program = Program([(name, BufferType(F32, (32,))) for name in "abc"])
    a, b_, c = program.buffers
    for source, target in ((a, b_), (b_, c)):

        def write(b, source=source, target=target):
            vector_store(b, vector_load(b, source, b.index(0), 32) * 2.0, target, b.index(0))

        program.kernel(write, name="double it")
    run = program.compile()
    assert run.text.count("define internal void") == 1
    assert '@"program.double_it"' in run.text
    x = floats(32)
    out = [np.zeros(32, np.float32) for _ in range(2)]
    run(x, *out)
    assert same(out[1], x * 4)


def test_prepare():
    m = symbol("m")
    computed = (
        (2, n * m - 1),
        (3, floor_divide(n - 5, 3)),
        (4, modulo(n - 5, 3)),
        (5, maximum(minimum(n, m), 4)),
        (6, n * n * m * 8),
    )
    guards = (Guard(n, ">=", 2), Guard(n * m, "<", 1000), Guard(modulo(m, 4), "==", 0))
    program = Program([], ["n", "m"])
    run = program.compile(computed=computed, guards=guards)
    assert run.interface.slots == 7
    for a, b in ((2, 4), (3, 8), (100, 4), (4, 100)):
        assert run.prepare(a, b) == (
            0,
            [a, b, a * b - 1, (a - 5) // 3, (a - 5) % 3, max(min(a, b), 4), a * a * b * 8],
        )
    assert run.prepare(1, 4)[0] == 1
    assert run.prepare(100, 40)[0] == 2
    assert run.prepare(3, 5)[0] == 3
    assert run.prepare(1, 5)[0] == 1  # the first that does not hold
    assert run.prepare(2**40, 4)[0] == OVERFLOWED


def everything(dtype):
    """A program of one element type that loads, stores, gathers and computes in most ways."""
    ty = BufferType(dtype, (64,))
    program = Program([("x", ty), ("y", ty), ("index", BufferType(I64, (64,)))])
    x, y, index = program.buffers

    def write(b):
        for lanes in (1, 8, 16):
            mask = (
                b.expr(b.emit("lane_index", (), {"lanes": lanes}).result).lt(3)
                if lanes > 1
                else b.index(1).lt(3)
            )
            places = vector_load(b, index, b.index(0), lanes)
            b.emit("fail_if", [places.lt(0).value, places.value])
            value = vector_load(b, x, b.index(0), lanes, mask)
            value = value + b.expr(b.emit("gather_lanes", [x, places.value, mask.value]).result)
            value = value * vector_load(b, x, b.index(40), lanes, mask, stride=-2)
            words = ["negative", "absolute_raw"] + (
                ["sqrt", "floor", "ceil", "trunc", "rint"] if dtype.is_float else []
            )
            for word in words:
                value = value.apply(word)
            if dtype.is_float:
                value = value.apply("fma", value, value).apply("divide", value)
            else:
                value = value.apply("floor_divide", value)
            for other in (BOOL, U8, I32, I64, F32, F64):
                back = b.emit("cast", [value.value], {"dtype": other}).result
                value = value + b.expr(b.emit("cast", [back], {"dtype": dtype}).result)
            for name in ("u64", "u32"):
                from weft.ir.types import DTYPES

                if not dtype.is_float:
                    back = b.emit(
                        "cast",
                        [b.emit("cast", [value.value], {"dtype": DTYPES[name]}).result],
                        {"dtype": F32},
                    ).result
                    value = value + b.expr(b.emit("cast", [back], {"dtype": dtype}).result)
            vector_store(b, value, y, b.index(0), mask)
            b.emit("scatter_lanes", [value.value, y, places.value, mask.value])

    program.kernel(
        lambda b: b.loop(b.index(0), b.index(64), 1, [], lambda c, i, _: write(c) or [], kind="parallel")
    )
    program.builder.emit("copy", [x, y])
    return program.func()


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("dtype", [F32, F64, I32, I64], ids=str)
def test_objects_need_nothing_but_memcpy(name, dtype):
    fn = everything(dtype)
    text = emit_program(fn, Interface("program", sites=failure_sites(fn)), named_target(name))
    assert outside_symbols(text, named_target(name)) <= {"memcpy", "memset"}


def test_results_do_not_depend_on_the_target():
    x, index = floats(64), np.random.default_rng(0).integers(0, 64, 64)
    fn, outs = checked_gather(kind="serial", lanes=8).func(), []
    index = np.resize(index, 256) % 50
    for name in ("x86-64", "x86-64-v2", "x86-64-v3"):
        outs.append(np.zeros(256, np.float32))
        assert compile_func(fn, target=named_target(name))(x, index, outs[-1]) == 0
    assert same(outs[0], outs[1])
    assert same(outs[0], outs[2])


def test_no_contraction_unless_asked():
    def program():
        p = Program([("x", BufferType(F32, (8,))), ("y", BufferType(F32, (8,)))])
        x, y = p.buffers
        p.kernel(
            lambda b: vector_store(b, (lambda v: v * v + v)(vector_load(b, x, b.index(0), 8)), y, b.index(0))
        )
        return p.func()

    x, y = floats(8), np.zeros(8, np.float32)
    compile_func(program())(x, y)
    assert same(y, x * x + x)
    assert "contract" in compile_func(program(), options=CodeOptions(fast_math=True)).text


def test_build():
    """The protocol: text, artifact, and what LLVM says to nonsense."""
    backend, fn = CpuBackend(), pointwise().func()
    face = Interface("program", numbers=("n",))
    text = backend.emit(fn, face, backend.host(), CodeOptions())
    artifact = backend.build(text, face, backend.host())
    assert artifact.symbols == ("program", "program_prepare")
    assert {s.name for s in read_object(artifact.data).symbols if s.section} >= set(artifact.symbols)
    assert "program_prepare:" in backend.assembly(text, backend.host())
    with pytest.raises(CompileError, match="does not take") as caught:
        backend.build("define nonsense", face, backend.host())
    assert caught.value.source == "define nonsense"
    assert caught.value.log


def test_host_target():
    target = host_target()
    assert target.vector_bytes in (16, 32, 64)
    assert target.key() == host_target().key()
    assert target.lanes(4) * 4 == target.vector_bytes
    with pytest.raises(UnsupportedError, match="there is no target"):
        named_target("vax")


def test_what_is_not_there():
    program = Program([("x", BufferType(BF16, (8,)))])
    program.kernel(lambda b: vector_load(b, program.buffers[0], b.index(0), 8))
    with pytest.raises(UnsupportedError, match="bf16"):
        program.compile()
    program = Program([])
    program.kernel(lambda b: b.emit("alloc", [], {"type": BufferType(F32, (1 << 17,), space="scratch")}))
    with pytest.raises(InternalError, match="larger than"):
        program.compile()
    program = Program([])
    program.kernel(lambda b: b.constant(1.0, VectorType(F32)).apply("exp"))
    with pytest.raises(UnsupportedError, match="exp"):
        program.compile()
