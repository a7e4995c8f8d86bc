"""Rows side by side: the values of NumPy, the bits of kernels apart, and lanes where one row had a scalar."""

import numpy as np
import pytest

import weft

FUNCTIONS = {
    "power": lambda x: ((x * x).sum(-1) + 0.1) ** -1.5,
    "log_sum_exp": lambda x: np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1)) + x.max(-1),
    "scaled": lambda x: x * (((x * x).sum(-1) + 0.1) ** -1.5)[..., None],
    "both": lambda x: (np.exp(-(x * x).sum(-1)), x / np.tanh(1 + abs(x).sum(-1, keepdims=True))),
    "short": lambda x: (x.sum(-1), x.max(-1) * 2, (x > 0).any(-1)),
    "product": lambda x: x.prod(-1),
}
SHAPES = [(70, 3), (5, 40, 7), (3, 2, 17, 1), (130, 20)]


def leaves(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_bits(name, shape):
    fn = FUNCTIONS[name]
    x = np.random.default_rng(0).normal(size=shape)
    x[0] = -0.0
    with weft.options(passes_off=("fuse",)):
        apart = weft.compile(fn)(x)
    for found, other, wanted in zip(*map(leaves, (weft.compile(fn)(x), apart, fn(x))), strict=True):
        assert found.tobytes() == other.tobytes()
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_sizes_may_be_unknown():
    compiled = weft.compile(FUNCTIONS["both"], dynamic=True)
    for shape in ((64, 30), (129, 5), (1, 9), (7, 5000)):
        x = np.random.default_rng(1).normal(size=shape)
        for found, wanted in zip(compiled(x), FUNCTIONS["both"](x), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-10)


@pytest.mark.parametrize("name", ["power", "scaled"])
def test_what_follows_a_reduction_is_computed_in_lanes(name):
    program = weft.compile(FUNCTIONS[name]).ir("loops", weft.spec("f64[200,3]"))
    assert program.count("kernel()") == 1
    assert not any("fma(" in line and line.endswith(": f64") for line in program.splitlines())
