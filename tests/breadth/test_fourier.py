"""numpy.fft: lengths of all kinds, axes, norms, real and complex, known and unknown sizes, derivatives."""

import numpy as np
import pytest

import weft
from tests.breadth.native import check

RNG = np.random.default_rng(22)
F = np.fft


def numbers(*shape):
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


def exact(z):
    """The transform in long double."""
    n = z.shape[-1]
    steps = np.outer(np.arange(n), np.arange(n)) % n
    angle = -2 * np.arccos(np.longdouble(-1)) * steps / n
    return z.astype(np.clongdouble) @ (np.cos(angle) + 1j * np.sin(angle))


# 1, powers of two, every radix, a prime that is summed, primes and products that are convolved
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 12, 30, 64, 74, 77, 131, 1024, 1001])
def test_lengths(n):
    z = numbers(n)
    found, plain, right = weft.compile(lambda z: F.fft(z), dynamic=False)(z), F.fft(z), exact(z)
    scale = np.sqrt((np.abs(right) ** 2).sum())
    error, usual = (float(np.sqrt((np.abs(x - right) ** 2).sum()) / scale) for x in (found, plain))
    assert error <= max(2 * usual, 2.5e-16), (error, usual)


def test_a_length_that_only_the_program_knows():
    both = weft.compile(lambda z: (F.fft(z), F.ifft(z, norm="ortho"), F.rfft(z.real), F.irfft(z)))
    for n in (12, 13, 37, 64, 1000, 74, 5, 4001):
        z = numbers(n)
        for found, expected in zip(
            both(z), (F.fft(z), F.ifft(z, norm="ortho"), F.rfft(z.real), F.irfft(z)), strict=True
        ):
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14 * np.abs(expected).max())
    assert both.stats()["compiles"] == 2


def test_lengths_of_real_numbers_in_a_loop():
    def energies(x):
        found = np.zeros(len(x))
        for i in range(1, len(x)):
            found[i] = np.fft.irfft(np.fft.rfft(x[:i]) ** 2, i)[0]
        return found

    x = np.random.default_rng(5).normal(size=17)
    np.testing.assert_allclose(weft.compile(energies)(x), energies(x), rtol=0, atol=1e-13)


Z, X = numbers(4, 6, 10), RNG.normal(size=(4, 7, 9))


@pytest.mark.parametrize(
    ("fn", "x"),
    [
        (lambda z: (F.fft(z), F.fft(z, axis=0), F.fft(z, n=7), F.fft(z, n=16, axis=1)), Z),
        (lambda x: (F.rfft(x), F.rfft(x, axis=0), F.rfft(x, n=8), F.rfft(x, n=12, norm="forward")), X),
        (lambda x: (F.ihfft(x), F.ihfft(x, n=6, norm="ortho")), X),
        (lambda z: (F.irfft(z), F.irfft(z, n=17), F.irfft(z, n=9, axis=1), F.irfft(z, n=1)), Z),
        (lambda z: (F.hfft(z), F.hfft(z, n=11, norm="ortho"), F.ifft(z, norm="forward"), F.irfft(z, n=2)), Z),
        (lambda z: (F.fft2(z), F.ifft2(z, norm="ortho"), F.fft2(z, s=(3, 3), axes=(0, 1))), Z),
        (lambda z: (F.fftn(z), F.ifftn(z, axes=(0, 2)), F.fftn(z, s=(4, 8), axes=(1, 2))), Z),
        (lambda x: (F.rfft2(x), F.rfftn(x), F.rfftn(x, axes=(1, 0)), F.irfft2(F.rfft2(x), s=(7, 9))), X),
        (lambda x: F.irfftn(F.rfftn(x)), X),
        (lambda x: (F.fft(x), F.fft(x.astype("i4")), F.irfft(x)), X),
        (lambda x: (F.fftshift(x), F.ifftshift(x), F.fftshift(x, axes=1), F.fftfreq(9, 0.1)), X),
        (lambda x: (F.rfftfreq(10, 2.0), F.fftfreq(x.shape[0])), X),
        (lambda x: F.irfft(F.rfft(np.pad(x[0, 0], (0, 8))) * F.rfft(np.pad(x[1, 1], (0, 8))), n=17), X),
        (lambda z: (F.fft(z.T), F.fft(z[:, ::-1, ::2]), F.fft(z * 2 + 1j)), Z),
    ],
)  # fmt: skip
def test_functions(fn, x):
    check(fn, x, tolerance=1e-14)


def test_float32_is_as_exact_as_numpy():
    check(lambda x: (F.fft(x), F.rfft(x), F.fft(x.astype("f2")), F.irfft(x)), X.astype("f4"), tolerance=2e-6)
    z = numbers(1000).astype("c8")
    found = weft.compile(lambda z: F.fft(z))(z)
    assert np.abs(found - F.fft(z.astype("c16"))).max() <= 1.2e-7 * np.abs(found).max()


def test_many_rows_and_threads_give_the_same_bits():
    z = numbers(70, 60)
    whole = weft.compile(lambda z: F.fft(z))
    rows = whole(z)
    for k in (0, 33, 69):
        np.testing.assert_array_equal(whole(z[k : k + 1].repeat(2, 0))[1], rows[k])


@pytest.mark.parametrize("n", [8, 15, 17])
def test_derivative(n):
    x, w = RNG.normal(size=n), RNG.normal(size=n)

    def loss(x):
        return (np.abs(F.ifft(F.fft(x) * np.exp(-np.arange(n) / n), norm="ortho")) ** 2 * w).sum() + F.rfft(
            x
        ).real.sum()

    slope = weft.grad(loss)(x)
    step = 1e-6
    for k in (0, 1, n - 1):
        moved = np.zeros(n)
        moved[k] = step
        np.testing.assert_allclose(
            slope[k], (loss(x + moved) - loss(x - moved)) / (2 * step), rtol=1e-6, atol=1e-7
        )


def test_what_numpy_refuses():
    with pytest.raises(ValueError, match="Invalid number of FFT data points"):
        weft.compile(lambda z: F.fft(z, n=0))(Z)
    with pytest.raises(ValueError, match="Invalid norm value"):
        weft.compile(lambda z: F.fft(z, norm="half"))(Z)
    with pytest.raises(TypeError):
        weft.compile(lambda z: F.rfft(z))(Z)
    with pytest.raises(IndexError, match="axis 5 is out of bounds"):
        weft.compile(lambda z: F.fft(z, axis=5))(Z)
