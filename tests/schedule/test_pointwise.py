"""Elementwise kernels, above all over transposed and strided inputs: values against NumPy."""

import numpy as np
import pytest
from kernels import Compiled, interpreted

from weft.backends.cpu.target import named_target
from weft.compiler.schedule import pointwise
from weft.ir.dims import symbol
from weft.ir.types import DTYPES, F32, tensor

rng = np.random.default_rng(3)
SHAPES = ((1, 1), (2, 3), (7, 9), (8, 8), (16, 17), (64, 33), (63, 65), (129, 130), (31, 300))


def turned(x, axes=(1, 0)):
    return x.builder.expr(x.builder.emit("transpose", [x.value], {"axes": axes}).result)


def numbers(dtype, shape):
    return rng.integers(0, 2 if dtype.kind == "b" else 100, shape).astype(dtype.numpy)


@pytest.mark.parametrize(
    "dtype", [DTYPES[d] for d in ("bool", "i8", "u16", "i32", "f32", "i64", "f64")], ids=lambda d: d.name
)
def test_transposed(dtype):
    general = Compiled([tensor(dtype, symbol("m"), symbol("n"))], turned, "pointwise")
    for shape in SHAPES:
        x = numbers(dtype, shape)
        assert np.array_equal(general(x), x.T), shape
        assert np.array_equal(general(x, pool=False), x.T), shape
        special = Compiled([tensor(dtype, *shape)], turned, "pointwise")
        assert np.array_equal(special(x), x.T), shape


def test_one_input_across_and_one_along():
    def write(a, b, c):
        return a + turned(b) * turned(c), turned(b) - a

    m, n = symbol("m"), symbol("n")
    general = Compiled([tensor(F32, m, n), tensor(F32, n, m), tensor(F32, n, m)], write, "pointwise")
    for shape in SHAPES:
        a, b, c = numbers(F32, shape), numbers(F32, shape[::-1]), numbers(F32, shape[::-1])
        first, second = general(a, b, c)
        assert np.array_equal(first, a + b.T * c.T)
        assert np.array_equal(second, b.T - a)


@pytest.mark.parametrize("axes", [(0, 2, 1), (2, 1, 0), (2, 0, 1), (1, 2, 0), (1, 0, 2)])
def test_three_axes(axes):
    for shape in ((3, 40, 50), (17, 9, 65), (2, 3, 4)):
        x = numbers(F32, shape)
        program = Compiled([tensor(F32, *shape)], lambda e: turned(e, axes), "pointwise")
        assert np.array_equal(program(x), x.transpose(axes)), shape
        general = Compiled([tensor(F32, *map(symbol, "kmn"))], lambda e: turned(e, axes) + 1.0, "pointwise")
        assert np.array_equal(general(x), x.transpose(axes) + 1), shape


def test_transposed_of_mixed_types():
    def write(a, b):
        return turned(a).builder.expr(
            a.builder.emit("cast", [turned(a).value], {"dtype": F32}).result
        ) + turned(b)

    m, n = symbol("m"), symbol("n")
    program = Compiled([tensor(DTYPES["u8"], m, n), tensor(F32, m, n)], write, "pointwise")
    for shape in SHAPES:
        a, b = numbers(DTYPES["u8"], shape), numbers(F32, shape)
        assert np.array_equal(program(a, b), a.T.astype("f4") + b.T)


@pytest.mark.parametrize("level", ["x86-64", "x86-64-v3", "x86-64-v4"])
def test_same_loops_in_the_interpreter(level):
    for shape in ((20, 70), (64, 32), (70, 3)):
        x = numbers(F32, shape)
        result = interpreted([tensor(F32, *shape)], turned, "pointwise", named_target(level), x)
        assert np.array_equal(result, x.T)


@pytest.mark.parametrize("dtype", ["u8", "f32", "f64"])
def test_strided(dtype):
    """One program takes dense rows, gaps between elements, and either backwards."""
    dtype = DTYPES[dtype]
    program = Compiled([tensor(dtype, symbol("m"), symbol("n"))], lambda x: x + x, "pointwise", strided=(0,))
    base = numbers(dtype, (70, 200))
    views = (
        base,
        base[:, :33],
        base[:, ::3],
        base[::-2, 5:40],
        base[:, ::-1],
        base[::7, 100:0:-9],
        base.T,
        base.T[:, 3:],
        base[:1, :9],
    )
    for view in views:
        assert np.array_equal(program(view), view + view)
        assert np.array_equal(program(view, pool=False), view + view)


@pytest.mark.parametrize("schedule", ["rows", "columns"])
@pytest.mark.parametrize("name", ["sum", "argmax"])
def test_strided_reductions(schedule, name):
    m, n = symbol("m"), symbol("n")
    axis = 1 if schedule == "rows" else 0
    facts = {"space": (m, n), "axis": axis}

    def write(x):
        return x.builder.expr(x.builder.emit(name, [x.value], {"axis": axis}).result)

    program = Compiled([tensor(F32, m, n)], write, schedule, strided=(0,), facts=facts)
    base = numbers(F32, (200, 300))
    for view in (
        base,
        base[:, :133],
        base[:, ::3],
        base[::-2, 5:40],
        base.T,
        base[::7, 100:0:-9],
        base[:1, :9],
    ):
        assert np.array_equal(program(view), getattr(view, name)(axis=axis))


@pytest.mark.parametrize("dtype", ["u8", "i16", "f32", "f64"])
def test_results_too_large_for_the_caches(dtype, monkeypatch):
    """Streamed stores, at addresses that allow them and at others."""
    monkeypatch.setattr(pointwise.Nest, "_is_streamed", lambda nest, root: True)
    dtype = DTYPES[dtype]
    program = Compiled([tensor(dtype, symbol("m"), symbol("n"))] * 2, lambda x, y: x + y, "pointwise")
    assert "nontemporal" in program.text
    for shape in ((1, 5), (3, 64), (40, 100), (64, 300), (300, 1000)):
        x, y = numbers(dtype, shape), numbers(dtype, shape)
        assert np.array_equal(program(x, y), x + y), shape
        assert np.array_equal(program(x, y, pool=False), x + y), shape


def test_only_large_results_are_streamed():
    small, large = (Compiled([tensor(F32, n)], lambda x: x + 1.0, "pointwise").text for n in (4096, 1 << 28))
    assert "nontemporal" not in small
    assert "nontemporal" in large
