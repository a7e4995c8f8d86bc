"""The math functions: within their bounds everywhere, NumPy's special values, exact where the result is.

`python -m tests.ops.accuracy` measures the same with more points and prints a table.
"""

import importlib.util
import sys
from pathlib import Path

import mpmath
import numpy as np
import pytest

from tests.ops import accuracy
from weft.compiler.math import coefficients, two_over_pi
from weft.compiler.passes.lower_math import MATH
from weft.ir import Builder, Region, VectorType
from weft.ir.types import DTYPES as TYPES

DTYPES = ("f32", "f64")
CASES = [(op, dtype) for op in MATH for dtype in DTYPES]
SLOW = {"erf", "logaddexp", "logaddexp2"}  # references by mpmath


@pytest.mark.parametrize(("op", "dtype"), CASES)
def test_error_is_within_the_bound(op, dtype):
    points = 1500 if op in SLOW or not accuracy.HAS_LONG else 30_000
    rng = np.random.default_rng(20)
    arrays = accuracy.inputs(op, dtype, points, rng)
    row = accuracy.measure(op, dtype, arrays, accuracy.compile_op(op, dtype))
    assert row.error <= accuracy.BOUNDS[dtype], row


@pytest.mark.parametrize("op", [op for op in MATH if op not in accuracy.BINARY])
def test_float32_at_every_4099th_bit_pattern(op):
    compiled = accuracy.compile_op(op, "f32")
    for block in accuracy.every_float32(4099):
        row = accuracy.measure(op, "f32", (block,), compiled)
        assert row.error <= 2.0, row


@pytest.mark.parametrize(("op", "dtype"), CASES)
def test_every_width_gives_the_same_bits(op, dtype):
    arrays = accuracy.inputs(op, dtype, 600, np.random.default_rng(3))
    results = [accuracy.compile_op(op, dtype, lanes)(*arrays) for lanes in (1, 4, 16)]
    bits = [np.where(np.isnan(r), 0, r.view(f"u{r.itemsize}")) for r in results]
    assert all(np.array_equal(bits[0], b) for b in bits[1:])


# multiples of pi/2 to about 2**-60: the arguments where most bits cancel
NEAR_MULTIPLES = {
    "f32": [5.3245154e6, 1.6367e4, 4.5e15, 2.1e30, 16367173 * 2.0**72, 52516.434],
    "f64": [
        6381956970095103 * 2.0**797,
        5319372648326541 * 2.0**113,
        1.2345e300,
        2.0**1000,
        885424.9,
        35.31231823,
    ],
}


@pytest.mark.parametrize("op", ["sin", "cos", "tan"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_angles_near_multiples_of_half_pi(op, dtype):
    kind = np.float32 if dtype == "f32" else np.float64
    multiples = np.array([float(mpmath.nint(mpmath.mpf(2) ** k) * mpmath.pi / 2) for k in range(1, 110)])
    x = np.concatenate([NEAR_MULTIPLES[dtype], multiples]).astype(kind)
    x = np.concatenate([x, -x])
    got = accuracy.compile_op(op, dtype)(x)
    with mpmath.workprec(1400):
        want = accuracy.by_mpmath(op, (x,))
    assert accuracy.ulps(got, want).max() <= accuracy.BOUNDS[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
def test_results_that_are_numbers_are_exact(dtype):
    kind = np.float32 if dtype == "f32" else np.float64
    least, most = (-149, 127) if dtype == "f32" else (-1074, 1023)
    powers = np.arange(least, most + 1)
    with np.errstate(over="ignore"):
        twos = np.exp2(powers.astype(np.float64)).astype(kind)
    assert np.array_equal(accuracy.compile_op("exp2", dtype)(powers), twos)
    assert np.array_equal(accuracy.compile_op("log2", dtype)(twos), powers)
    tens = np.array([float(10**k) for k in range(11 if dtype == "f32" else 23)])
    assert np.array_equal(accuracy.compile_op("log10", dtype)(tens), np.arange(len(tens)))
    whole = np.arange(-200, 201)
    assert np.array_equal(accuracy.compile_op("cbrt", dtype)(whole**3), whole)
    base, exponent = (a.ravel() for a in np.meshgrid(np.arange(-12, 13), np.arange(0, 7)))
    assert np.array_equal(accuracy.compile_op("power_float", dtype)(base, exponent), base**exponent)


def test_coefficients_are_what_the_tool_writes():
    path = Path(__file__).parents[2] / "tools" / "fit_polynomials.py"
    spec = importlib.util.spec_from_file_location("fit_polynomials", path)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = tool  # dataclasses look it up
    spec.loader.exec_module(tool)
    text = Path(coefficients.__file__).read_text()
    for fit in tool.fits():
        if fit.name in ("CBRT", "SIN", "EXPM1") and fit.dtype == "f32":
            assert tool.show(fit) in text
    text = Path(two_over_pi.__file__).read_text()
    assert tool.rows_of_two_over_pi() in text
    assert tool.limbs_of_two_over_pi() in text


@pytest.mark.parametrize("name", ["f16", "bf16"])
def test_16_bit_floats_are_computed_in_float32(name):
    region = Region([VectorType(TYPES[name], 8)])
    builder = Builder(region)
    result = MATH["exp"](builder.expr(region.params[0]))
    casts = [op.attributes["dtype"].name for op in region.ops if op.name == "cast"]
    assert casts == ["f32", name]
    assert result.dtype == TYPES[name]
