"""Reductions of an axis that is not the last: values against NumPy, the fixed order, one set of bits."""

import numpy as np
import pytest
from kernels import Compiled, interpreted

from weft.backends.cpu.target import named_target
from weft.ir.dims import symbol
from weft.ir.types import DTYPES, F32, F64, tensor

rng = np.random.default_rng(6)
SHAPES = ((1, 1), (1, 5), (2, 16), (7, 17), (63, 1), (64, 33), (65, 8), (66, 1100), (200, 3), (1000, 70))


def reduce(x, name, axis=0):
    return x.builder.expr(x.builder.emit(name, [x.value], {"axis": axis}).result)


def columns(write, dtype, *shape, axis=0):
    return Compiled([tensor(dtype, *shape)], write, "columns", facts={"space": shape, "axis": axis})


def numbers(dtype, *shape):
    if dtype.kind == "f":
        return rng.integers(-5, 5, shape).astype(dtype.numpy)
    return rng.integers(0, 2 if dtype.kind == "b" else 9, shape).astype(dtype.numpy)


def known(name, x, axis=0):
    return getattr(x, name)(axis=axis, **({"dtype": x.dtype} if name in ("sum", "prod") else {}))


@pytest.mark.parametrize("name", ["sum", "max", "argmax", "argmin"])
@pytest.mark.parametrize("dtype", ["i8", "u16", "i64", "f32", "f64"])
def test_values(name, dtype):
    general = columns(lambda x: reduce(x, name), DTYPES[dtype], symbol("m"), symbol("n"))
    for shape in SHAPES:
        x = numbers(DTYPES[dtype], *shape)
        assert np.array_equal(general(x), known(name, x)), shape
        if shape in ((7, 17), (65, 8), (66, 1100), (63, 1)):
            assert np.array_equal(
                columns(lambda e: reduce(e, name), DTYPES[dtype], *shape)(x), known(name, x)
            ), shape


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_position_of_a_nan(name):
    program = columns(lambda x: reduce(x, name), F32, symbol("m"), symbol("n"))
    x = rng.normal(size=(150, 40)).astype("f4")
    x[70:, 3] = x[2:9, 7] = np.nan
    x[:, 9], x[:, 10] = np.inf, -np.inf
    assert np.array_equal(program(x), getattr(x, name)(axis=0))


@pytest.mark.parametrize("name", ["all", "any"])
def test_truth(name):
    program = columns(lambda x: reduce(x, name), DTYPES["bool"], symbol("m"), symbol("n"))
    for shape in SHAPES:
        x = numbers(DTYPES["bool"], *shape)
        assert np.array_equal(program(x), getattr(x, name)(axis=0)), shape


@pytest.mark.parametrize("axis", [0, 1])
def test_three_axes(axis):
    k, m, n = map(symbol, "kmn")
    general = columns(lambda x: reduce(x, "sum", axis), F32, k, m, n, axis=axis)
    for shape in ((3, 4, 5), (70, 3, 20), (2, 130, 40), (1, 5, 1)):
        x = numbers(F32, *shape)
        assert np.array_equal(general(x), x.sum(axis=axis)), shape
        assert np.array_equal(
            columns(lambda e: reduce(e, "sum", axis), F32, *shape, axis=axis)(x), x.sum(axis=axis)
        ), shape


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows(rows):
    program = columns(lambda x: reduce(x, "sum"), F32, symbol("m"), symbol("n"))
    x = numbers(F32, rows, 20)
    assert np.array_equal(program(x), x.sum(axis=0))


def tree(x):
    """The order of DESIGN D19 for a sum: blocks of 64 rows, blocks pairwise."""
    blocks = []
    for start in range(0, len(x), 64):
        total = np.zeros(x.shape[1], x.dtype)
        for row in x[start : start + 64]:
            total = total + row
        blocks.append(total)
    while len(blocks) > 1:
        pairs = [a + b for a, b in zip(blocks[::2], blocks[1::2], strict=False)]
        blocks = pairs + blocks[2 * len(pairs) :]
    return blocks[0]


@pytest.mark.parametrize("dtype", [F32, F64], ids=lambda d: d.name)
def test_order_of_a_sum(dtype):
    general = columns(lambda x: reduce(x, "sum"), dtype, symbol("m"), symbol("n"))
    for shape in SHAPES:
        x = rng.normal(size=shape).astype(dtype.numpy)
        assert np.array_equal(general(x), tree(x)), shape
        assert np.array_equal(general(x, pool=False), tree(x)), shape
        assert np.array_equal(columns(lambda e: reduce(e, "sum"), dtype, *shape)(x), tree(x)), shape


def moments(x):
    return reduce(x, "sum"), reduce(x, "variance"), x * 2.0


def test_moments_and_a_result_of_the_whole_space():
    m, n = symbol("m"), symbol("n")
    general = columns(moments, F32, m, n)
    for shape in SHAPES[2:]:
        x = (rng.normal(size=shape) + 10).astype("f4")
        total, variance, twice = general(x)
        assert np.allclose(variance, x.astype("f8").var(axis=0), rtol=1e-4, atol=1e-6)
        assert np.array_equal(twice, x * 2)
        special = columns(moments, F32, *shape)
        assert all(np.array_equal(a, b) for a, b in zip(special(x), (total, variance, twice), strict=True))


@pytest.mark.parametrize("name", ["sum", "argmax", "variance"])
def test_same_loops_in_the_interpreter_and_on_another_machine(name):
    shape = (150, 19)
    x = rng.normal(size=shape).astype("f4")
    expected = columns(lambda e: reduce(e, name), F32, *shape)(x)
    facts = {"space": shape, "axis": 0}
    for level in ("x86-64", "x86-64-v3", "x86-64-v4"):
        result = interpreted(
            [tensor(F32, *shape)], lambda e: reduce(e, name), "columns", named_target(level), x, facts=facts
        )
        assert np.array_equal(result, expected)
