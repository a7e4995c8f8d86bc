"""Reductions of the last axis: values against NumPy, one set of bits for known and unknown extents."""

import numpy as np
import pytest
from kernels import Compiled, interpreted

from weft.backends.cpu.target import named_target
from weft.ir.dims import symbol
from weft.ir.types import DTYPES, F32, F64, tensor

rng = np.random.default_rng(5)
SIZES = (1, 7, 16, 17, 33, 64, 65, 1000, 4096, 4097, 9000)


def reduce(x, name, axis=-1):
    return x.builder.expr(x.builder.emit(name, [x.value], {"axis": axis % x.type.rank}).result)


def rows(name, dtype, *shape):
    """A kernel of one reduction of the last axis."""
    facts = {"space": shape, "axis": len(shape) - 1}
    return Compiled([tensor(dtype, *shape)], lambda x: reduce(x, name), "rows", facts=facts)


def numbers(dtype, *shape):
    """Few different values, so that the first of equals counts."""
    if dtype.kind == "f":
        return rng.integers(-5, 5, shape).astype(dtype.numpy)
    return rng.integers(0, 2 if dtype.kind == "b" else 9, shape).astype(dtype.numpy)


def positions(array, name):
    yield array
    if array.dtype.kind == "f":
        holed = array.copy()
        holed[-1, array.shape[1] // 2 :: 3] = np.nan
        yield holed
        yield np.full_like(array, -np.inf)
        yield np.full_like(array, np.inf)
    elif array.dtype.kind != "b":
        yield np.full_like(array, np.iinfo(array.dtype).min)
        yield np.full_like(array, np.iinfo(array.dtype).max)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("dtype", ["bool", "i8", "u16", "i32", "u64", "f32", "f64"])
def test_position_of_the_first(name, dtype):
    general = rows(name, DTYPES[dtype], symbol("m"), symbol("n"))
    for n in SIZES:
        special = rows(name, DTYPES[dtype], 3, n) if n in (7, 65, 1000) else None
        for x in positions(numbers(DTYPES[dtype], 3, n), name):
            expected = getattr(x, name)(axis=1)
            assert np.array_equal(general(x), expected), n
            assert special is None or np.array_equal(special(x), expected), n


@pytest.mark.parametrize("name", ["sum", "max", "min", "prod"])
@pytest.mark.parametrize("dtype", ["i8", "u16", "i64", "f32", "f64"])
def test_fold(name, dtype):
    general = rows(name, DTYPES[dtype], symbol("m"), symbol("n"))
    for n in SIZES:
        x = numbers(DTYPES[dtype], 3, n)
        result = general(x)
        if name != "prod" or DTYPES[dtype].kind != "f":
            assert np.array_equal(
                result, getattr(x, name)(axis=1, **({} if name in ("max", "min") else {"dtype": x.dtype}))
            ), n
        if n in (7, 65, 1000):
            assert np.array_equal(rows(name, DTYPES[dtype], 3, n)(x), result), n


@pytest.mark.parametrize("name", ["all", "any"])
def test_truth(name):
    general = rows(name, DTYPES["bool"], symbol("m"), symbol("n"))
    for n in SIZES:
        for x in (np.zeros((3, n), bool), np.ones((3, n), bool), np.eye(3, n, n - 1, dtype=bool)):
            assert np.array_equal(general(x), getattr(x, name)(axis=1)), n


def tree(x):
    """The order of DESIGN D19 for a sum: 64 lanes, joined by halves, blocks pairwise."""
    blocks = []
    for start in range(0, len(x), 4096):
        block = x[start : start + 4096]
        padded = np.zeros(-(-len(block) // 64) * 64, x.dtype)
        padded[: len(block)] = block
        lanes = np.zeros(64, x.dtype)
        for step in padded.reshape(-1, 64):
            lanes = lanes + step
        while len(lanes) > 1:
            lanes = lanes[: len(lanes) // 2] + lanes[len(lanes) // 2 :]
        blocks.append(lanes[0])
    while len(blocks) > 1:
        pairs = [a + b for a, b in zip(blocks[::2], blocks[1::2], strict=False)]
        blocks = pairs + blocks[2 * len(pairs) :]
    return blocks[0]


@pytest.mark.parametrize("dtype", [F32, F64])
def test_order_of_a_sum(dtype):
    general, long = rows("sum", dtype, symbol("m"), symbol("n")), rows("sum", dtype, symbol("n"))
    for n in (*SIZES, 20000):
        x = rng.normal(size=(3, n)).astype(dtype.numpy)
        expected = np.array([tree(row) for row in x])
        assert np.array_equal(general(x), expected), n
        assert np.array_equal(general(x, pool=False), expected), n
        assert long(x[1]) == expected[1], n


def softmax(x):
    space = x.type.shape
    spread = lambda e: x.builder.broadcast(x.builder.reshape(e, (*space[:-1], 1)), space)  # noqa: E731
    e = (x - spread(reduce(x, "max"))).apply("exp")
    return e / spread(reduce(e, "sum"))


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_softmax_of_any_extent(dtype):
    m, n = symbol("m"), symbol("n")
    general = Compiled([tensor(DTYPES[dtype], m, n)], softmax, "rows", facts={"space": (m, n), "axis": 1})
    for size in (*SIZES, 30000):
        x = rng.normal(size=(3, size)).astype(DTYPES[dtype].numpy)
        e = np.exp(x - x.max(axis=1, keepdims=True))
        result = general(x)
        assert np.allclose(result, e / e.sum(axis=1, keepdims=True), rtol=1e-5)
        if size in (7, 65, 1000, 30000):
            special = Compiled(
                [tensor(DTYPES[dtype], 3, size)], softmax, "rows", facts={"space": (3, size), "axis": 1}
            )
            assert np.array_equal(special(x), result), size


def moments(x):
    return reduce(x, "sum"), reduce(x, "variance")


@pytest.mark.parametrize("dtype", [F32, F64])
def test_variance(dtype):
    m, n = symbol("m"), symbol("n")
    general = Compiled([tensor(dtype, m, n)], moments, "rows", facts={"space": (m, n), "axis": 1})
    for size in SIZES:
        x = (rng.normal(size=(3, size)) + 10).astype(dtype.numpy)
        total, variance = general(x)
        assert np.allclose(variance, x.astype("f8").var(axis=1), rtol=1e-4, atol=1e-6)
        if size in (7, 65, 1000):
            special = Compiled(
                [tensor(dtype, 3, size)], moments, "rows", facts={"space": (3, size), "axis": 1}
            )
            assert all(np.array_equal(a, b) for a, b in zip(special(x), (total, variance), strict=True))


@pytest.mark.parametrize("name", ["sum", "argmax"])
def test_same_loops_in_the_interpreter_and_on_another_machine(name):
    x = rng.normal(size=(2, 150)).astype("f4")
    facts = {"space": (2, 150), "axis": 1}
    expected = rows(name, F32, 2, 150)(x)
    for level in ("x86-64", "x86-64-v3", "x86-64-v4"):
        arguments = ([tensor(F32, 2, 150)], lambda e: reduce(e, name), "rows", named_target(level), x)
        assert np.array_equal(interpreted(*arguments, facts=facts), expected)


def test_rows_of_nothing():
    x = np.zeros((3, 0), "f4")
    assert np.array_equal(rows("sum", F32, symbol("m"), symbol("n"))(x), np.zeros(3, "f4"))
    assert np.array_equal(rows("prod", F32, symbol("n"))(x[0]), np.float32(1))
