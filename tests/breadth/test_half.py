"""float16: all of its values in arithmetic, functions, conversions; sums in float32."""

import numpy as np

import weft
from tests.breadth.native import check
from weft.compiler.passes.widen_half import widen_half
from weft.ir import Builder, Func, Region
from weft.ir.interp import interpret
from weft.ir.types import F16, F64, VectorType

EVERY = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
RNG = np.random.default_rng(16)


def test_arithmetic_of_all_values_has_the_bits_of_numpy():
    other = RNG.permutation(EVERY)
    check(lambda x, y: (x + y, x - y, x * y, x / y, np.maximum(x, y), np.fmin(x, y)), EVERY, other)
    check(
        lambda x, y: (x < y, x == y, np.copysign(x, y), np.nextafter(x, y), x // y, np.fmod(x, y)),
        EVERY,
        other,
    )
    check(
        lambda x: (-x, abs(x), np.sqrt(x), x**2, 1 / x, np.floor(x), np.rint(x), np.sign(x), np.isnan(x)),
        EVERY,
    )


def test_functions_of_all_values():
    check(lambda x: (np.exp(x), np.log(x), np.sin(x), np.tanh(x), np.cbrt(x)), EVERY, tolerance=1e-3)


def test_conversions():
    finite = EVERY[np.isfinite(EVERY)]
    wide = finite.astype("f8")
    middle = np.sort(wide)
    middle = (middle[:-1] + middle[1:]) / 2  # between two neighbours: to the even one
    near = [middle, np.nextafter(middle, np.inf), np.nextafter(middle, -np.inf), 10.0 ** np.arange(-12, 12)]
    check(lambda x: x.astype("f2"), np.concatenate(near))
    check(lambda x: x.astype("f2"), np.concatenate(near).astype("f4"))
    check(lambda x: (x.astype("f4"), x.astype("f8"), x.astype("i4"), x.astype("u1")), finite)
    check(lambda x: (x.astype(bool), x.astype("c8")), finite)
    check(lambda n: n.astype("f2"), RNG.integers(-(10**6), 10**6, 1000))


def test_sums_are_as_accurate_as_those_of_float32():
    x = RNG.normal(size=(40, 33)).astype("f2")
    check(lambda x: (x.mean(1), x.std(), x.max(0), x.argmin(), np.sort(x), x.cumsum(0)), x, tolerance=2e-3)
    for fn in (lambda x: x.sum(0), lambda x: x @ x.T, lambda x: x @ x[0]):
        found, exact = weft.compile(fn)(x), fn(x.astype("f8"))
        assert found.dtype == np.float16
        assert (np.abs(found - exact) <= np.spacing(np.abs(found)).astype("f8") * 0.51 + 1e-4).all()


def test_kinds_and_promotion():
    x = np.arange(4, dtype="f2")
    check(lambda x: (x * 2.5, x + np.float32(1), x[1] + x[2], np.float16(2), np.zeros(3, "f2")), x)
    check(lambda x: np.sqrt(x), x.astype("i1"))
    check(lambda s: (s * 2, s + s, -s), np.float16(1.5))


def test_the_pass_keeps_the_meaning():
    region = Region([VectorType(F16, 8), VectorType(F64, 8)])
    builder = Builder(region)
    x, y = map(builder.expr, region.params)
    half = builder.emit("cast", [y.value], {"dtype": F16}).result
    builder.emit("return", [((x * 3.0) + builder.expr(half)).value])
    fn = Func("f", region, stage="loops")
    arguments = RNG.normal(size=8).astype("f2"), RNG.normal(size=8) * 1e-3
    np.testing.assert_array_equal(interpret(fn, *arguments)[0], interpret(widen_half(fn), *arguments)[0])
