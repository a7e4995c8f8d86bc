"""Complex numbers in every layer: arrays, NumPy scalars, Python numbers, views of parts, control flow."""

import cmath
import math

import numpy as np
import pytest

import weft
from tests.breadth.native import check
from tests.frontend.running import same

RNG = np.random.default_rng(4)


def numbers(shape, dtype=np.complex128):
    return np.asarray(RNG.normal(size=shape) + 1j * RNG.normal(size=shape)).astype(dtype)


SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 0.5, -2.5])
GRID = np.empty((SPECIAL.size, SPECIAL.size), complex)
GRID.real, GRID.imag = SPECIAL[:, None], SPECIAL


def mandelbrot_array(c):
    z, count = np.zeros_like(c), np.zeros(c.shape, np.int64)
    for _ in range(25):
        inside = np.abs(z) <= 2
        z[inside] = z[inside] ** 2 + c[inside]
        count[inside] += 1
    return count


def mandelbrot_scalar(c):
    z, n = 0j, 0
    while abs(z) <= 2 and n < 40:
        z = z * z + c
        n += 1
    return n, z


def write_parts(z):
    z.real = 3
    z.imag[1:] += 1
    z.imag *= 2
    z[0].real  # noqa: B018 -- a part of a scalar


# ---- the bits of NumPy


@pytest.mark.parametrize("dtype", ["c8", "c16"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (17,), (3, 5), (2, 1, 2, 1, 2, 3)])
def test_arithmetic_has_the_bits_of_numpy(dtype, shape):
    z, w = numbers(shape, dtype), numbers(shape, dtype)
    check(lambda z, w: (z + w, z - w, z * w, z / w, -z, z.conj(), z * 2 + 1j, 3 - z, 2 / z), z, w)
    check(lambda z, w: (z == w, z != w, z < w, z >= w, np.maximum(z, w), np.fmin(z, w)), z, w)
    check(lambda z, w: (z.real * 2, w.imag, z.astype("c8"), z.astype("c16"), z.real.astype(dtype), z.T), z, w)


@pytest.mark.parametrize("ufunc", [np.square, np.reciprocal, np.negative, np.conjugate, np.isnan, np.isinf,
                                   np.isfinite, np.sign, np.logical_not, np.positive])  # fmt: skip
def test_special_values_of_exact_functions(ufunc):
    for dtype in ("c8", "c16"):
        check(lambda z: ufunc(z), GRID.astype(dtype), tolerance=1e-7 if ufunc is np.sign else 0.0)


def test_order_with_nan_is_lexicographic():
    z = RNG.permutation(np.concatenate([GRID.ravel(), GRID.ravel()[::7]]))
    with_numbers = z[~np.isnan(z)]
    check(lambda z: (np.sort(z), np.argsort(z, kind="stable"), z.max(), z.min(), z.argmax(), np.nanmax(z)), z)
    check(
        lambda z: (np.sort(z), z.max(), z.min(), z.argmin(), np.unique(z), np.sort_complex(z)), with_numbers
    )
    check(lambda z, w: (z < w, z <= w, z > w, z >= w, np.maximum(z, w), np.fmax(z, w)), z, z[::-1].copy())


@pytest.mark.parametrize("layout", [lambda z: z[::2], lambda z: z[:, ::-1], lambda z: z.T,
                                    np.asfortranarray])  # fmt: skip
def test_layouts(layout):
    z = layout(numbers((5, 18)))
    check(lambda z: (z + 1j, z.sum(0), z.imag, z.T, z.conj(), z[1:]), z, tolerance=1e-15)
    check(lambda z: (z + 1j, z.real * 2), z.astype(">c16"))


# ---- functions


FUNCTIONS = (
    "sqrt exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh arcsin arccos arctan "
    "arcsinh arccosh arctanh absolute angle"
).split()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    fn = getattr(np, name)
    compiled = weft.compile(lambda z: fn(z))
    for dtype, wide, bound in (("c8", "c16", 4.0), ("c16", np.clongdouble, 4.0)):
        z = (numbers(300) * 10.0 ** RNG.integers(-3, 3, 300)).astype(dtype)
        found, exact = compiled(z), fn(z.astype(wide))
        assert found.dtype == fn(z[:1]).dtype
        with np.errstate(all="ignore"):
            usable = np.isfinite(fn(z)) & (np.abs(exact) > 1e-37)
        error = np.abs(found.astype(wide) - exact)[usable] / np.abs(exact[usable])
        limit = 150.0 if name in ("exp2",) else bound  # by e ** (z log 2), as NumPy does
        assert error.max() <= limit * np.finfo(found.dtype).eps, (name, dtype, error.max())


NOT_DEFINED = {  # C99 leaves signs of zeros and infinities open here: inputs with parts that are not finite
    "exp", "expm1", "sin", "cos", "sinh", "cosh", "exp2", "tan",
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [n for n in FUNCTIONS if n not in ("expm1", "exp2", "log1p", "log2", "angle")]
)
def test_special_values(name):
    fn = getattr(np, name)
    z = GRID.ravel()
    z = z[np.isfinite(z)] if name in NOT_DEFINED else z
    with np.errstate(all="ignore"):
        expected = fn(z)
    found = weft.compile(lambda z: fn(z))(z)
    for a, b in ((found.real, expected.real), (found.imag, expected.imag)):
        np.testing.assert_allclose(a, b, rtol=1e-15, atol=0)
        np.testing.assert_array_equal(np.signbit(a)[b == b], np.signbit(b)[b == b])


@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_powers(dtype):
    z, w = numbers(40, dtype), numbers(40, dtype)
    tolerance = 2e-5 if dtype == "c8" else 1e-13
    check(
        lambda z, w: (z**w, z**2, z**0.5, z**-1, z**3, np.power(z, -5), 2**z, z**0, z**1.5),
        z,
        w,
        tolerance=tolerance,
    )
    check(lambda z: (z**2, z**0, np.power(z, 1 + 0j)), z * 0)


# ---- reductions, products, structure


@pytest.mark.parametrize("dtype", ["c8", "c16"])
@pytest.mark.parametrize("shape", [(1,), (200,), (7, 9), (2, 3, 70)])
def test_reductions(dtype, shape):
    z, tolerance = numbers(shape, dtype), 2e-5 if dtype == "c8" else 1e-13
    check(
        lambda z: (z.sum(), z.mean(0), z.std(-1), z.var(), z.cumsum(-1), z.sum(-1, keepdims=True)),
        z,
        tolerance=tolerance,
    )
    check(
        lambda z: (z.prod(-1), np.cumprod(z, 0), np.nansum(z), np.linalg.norm(z.ravel())),
        z,
        tolerance=tolerance,
    )
    check(lambda z: (z.any(), z.all(0), z.max(0), z.min(-1), z.argmax(-1), np.count_nonzero(z)), z)


@pytest.mark.parametrize("dtype", ["c8", "c16"])
@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (3, 5, 4), (17, 70, 9), (33, 300, 35), (130, 40, 64)])
def test_products(dtype, m, k, n):
    a, b, tolerance = numbers((m, k), dtype), numbers((k, n), dtype), 1e-4 if dtype == "c8" else 1e-12
    check(
        lambda a, b: (a @ b, a @ b[:, 0], a[0] @ b, np.vdot(a[0], b[:, 0]), a.conj() @ b.conj()),
        a,
        b,
        tolerance=tolerance,
    )
    check(
        lambda a, b: (np.einsum("ij,jk->ki", a, b), np.tensordot(a, b, 1), np.outer(a[0], b[0])),
        a,
        b,
        tolerance=tolerance,
    )


@pytest.mark.parametrize(
    "fn",
    [
        lambda z, k: (np.where(z.real > 0, z, 0), np.concatenate([z, z.conj()]), z[k], np.roll(z, 2)),
        lambda z, k: (np.zeros(3, complex), np.full(2, 1j), np.complex64(1j) * 2, np.eye(2, dtype="c8")),
        lambda z, k: (z.real @ z.imag, np.pad(z, 2), np.stack([z, z]).T, np.diff(z)),
        lambda z, k: (np.isreal(z), np.iscomplex(z), np.iscomplexobj(z), np.isclose(z, z + 1e-12)),
        lambda z, k: (z.real, z[2:5].imag, np.real(z[0]), np.imag(3.0), np.angle(z[:2], deg=True)),
        lambda z, k: (write_parts(z), z),
        lambda z, k: (np.add.at(z, k, 1j), z),
        lambda z, k: (np.add.reduce(z), np.add.outer(z, z)[0], np.multiply.outer(z, z)[1]),
    ],
)  # fmt: skip
def test_structure(fn):
    check(fn, numbers(7), np.array([1, 5, -1, 0]), tolerance=1e-14)


# ---- kinds and control flow


@pytest.mark.parametrize("s", [2.5 - 1j, np.complex64(1 + 2j), np.complex128(-1j)])
def test_scalars(s):
    z = numbers(5, "c8")
    check(lambda z, s: (s * s, s / 3, s.real, s.imag, s.conjugate(), -s, s == 1, s != 2, s + 1, 2 * s), z, s)
    check(
        lambda z, s: (z * s, abs(s), s**2, z[0] * z[1], z[0] / z[1], complex(z[0]), z[0].item()),
        z,
        s,
        tolerance=1e-6,
    )


def test_python_numbers_keep_python_rules():
    check(lambda a, b: (a * b, a / b, a + 1, complex(a.real, 2), complex(b), a == b), 1.5 + 2j, -0.25 - 3j)
    with pytest.raises(TypeError, match="not supported between"):
        weft.compile(lambda a: a < 1)(1j)
    with pytest.raises(ZeroDivisionError):
        weft.compile(lambda a, b: a / b)(1j, 0j)


def test_cmath():
    check(
        lambda z: (cmath.sqrt(z), cmath.exp(z), cmath.log(z), cmath.log(z, 2), cmath.sin(z)),
        1 - 2j,
        tolerance=1e-14,
    )
    check(
        lambda z: (cmath.atanh(z), cmath.phase(z), cmath.polar(z), cmath.rect(z.real, 2)),
        1.5 - 2j,
        tolerance=1e-14,
    )
    check(lambda z: (cmath.isnan(z), cmath.isfinite(z)), 1 - 2j)
    for fn, value in (
        (lambda z: cmath.log(z), 0j),
        (lambda z: cmath.exp(z), 800 + 0j),
        (lambda z: math.sin(z), 1j),
    ):
        with pytest.raises((ValueError, OverflowError, TypeError)) as expected:
            fn(value)
        with pytest.raises(expected.type):
            weft.compile(fn)(value)


def test_loops_carry_complex_values():
    c = numbers((6, 7))
    check(mandelbrot_array, c)
    for one in (-0.1 + 0.65j, 0.3 + 0j, 2 + 2j):
        check(mandelbrot_scalar, one)


def test_variables_and_errors():
    v = weft.Variable(np.zeros(3, complex))

    @weft.compile
    def step(x):
        v[...] = v + x * 1j
        return v.value

    step(np.arange(3.0))
    same(v.numpy(), np.arange(3.0) * 1j, 0.0, "variable")
    with pytest.raises(TypeError):
        weft.compile(lambda x: np.floor(x))(np.ones(2, complex))
    with pytest.raises(TypeError, match="imaginary"):
        weft.compile(lambda x: setattr(x, "imag", 1.0))(np.ones(2))


@pytest.mark.parametrize(
    "loss",
    [
        lambda z: (z * np.conj(z)).real.sum(),
        lambda z: (np.abs(np.exp(z) * z**2 / (z + 1j)) ** 2).sum(),
        lambda z: (np.sin(z).real * np.log(z).imag + np.sqrt(z).real * abs(z)).sum(),
    ],
)
def test_derivatives_are_those_of_jax(loss):
    """d/dx - i d/dy of a real result, z = x + iy."""
    z, h = np.array([0.5 + 0.25j]), 1e-6
    slope = (loss(z + h) - loss(z - h)) - 1j * (loss(z + 1j * h) - loss(z - 1j * h))
    np.testing.assert_allclose(weft.grad(loss)(z), [slope / (2 * h)], rtol=1e-7)


def test_derivative_by_a_python_number():
    assert weft.grad(lambda z: (z * z.conjugate()).real)(1 + 2j) == 2 - 4j


def test_linear_systems():
    rng = np.random.default_rng(3)
    a, b, c = (rng.random((4, 4)) + 1j * rng.random((4, 4)) for _ in range(3))

    def systems(a, b):
        single = np.linalg.solve(a.astype("c8"), b[:, 0].real)
        return np.linalg.solve(a, b), np.linalg.inv(np.stack([a, b])), np.linalg.det(a), single

    for found, want in zip(weft.compile(systems)(a, b), systems(a, b), strict=True):
        assert found.dtype == want.dtype
        np.testing.assert_allclose(found, want, rtol=1e-4)
    sign, size = weft.compile(np.linalg.slogdet)(a)
    np.testing.assert_allclose(sign * np.exp(size), np.linalg.det(a))
    np.testing.assert_allclose(weft.compile(np.linalg.svdvals)(a), np.linalg.svdvals(a))
    left, _, right = np.linalg.svd(a)  # a change moves the sum by Re(sum(conj(left @ right) * change))
    gradient = weft.grad(lambda a: np.sum(np.linalg.svdvals(a)))(a)
    np.testing.assert_allclose(gradient, (left @ right).conj(), rtol=1e-9)

    def loss(a):  # its gradient by JAX's convention: by the real part, less i times that by the imaginary one
        return np.sum((np.linalg.solve(a, b) * c).real)

    found, step = weft.grad(loss)(a), 1e-6
    for place in ((0, 0), (2, 1)):
        one = np.zeros_like(a)
        one[place] = step
        slopes = [(loss(a + d * one) - loss(a - d * one)) / (2 * step) for d in (1, 1j)]
        np.testing.assert_allclose(found[place], slopes[0] - 1j * slopes[1], rtol=1e-5)


@pytest.mark.parametrize("ufunc", [np.minimum, np.maximum])
def test_the_first_nan_wins_in_scatters_and_scans(ufunc):
    def f(x, places, updates):
        ufunc.at(x, places, updates)
        return ufunc.accumulate(updates)

    updates = np.array([3 + 1j, complex(-1, np.nan), -3 + 2j, 5, complex(np.nan, 0)])
    places = np.array([0, 1, 1, 1, 0])
    for order in (slice(None), slice(None, None, -1)):
        arguments = (places, updates[order].copy())
        compiled, plain = np.array([1 + 1j, 0j]), np.array([1 + 1j, 0j])
        found, want = weft.compile(f)(compiled, *arguments), f(plain, *arguments)
        for one, other in ((compiled, plain), (found, want)):
            np.testing.assert_array_equal([one.real, one.imag], [other.real, other.imag])  # which NaN it is
