"""Functions of the manipulation, logic and bit pages that are small compositions."""

import numpy as np
import pytest

import weft
from tests.breadth.native import check

RNG = np.random.default_rng(18)
X, Y = RNG.normal(size=(3, 4)), RNG.normal(size=(2, 3, 4))
K = RNG.integers(-50, 50, (3, 4))


@pytest.mark.parametrize(
    "fn",
    [
        lambda x, y, k: (np.angle(x), np.angle(x, deg=True), np.imag(x), np.isreal(x), np.iscomplex(k),
            np.real_if_close(x)),
        lambda x, y, k: (np.array_equiv(x, x[None]), np.array_equiv(x, y), np.array_equiv(x, x[:2, :3])),
        lambda x, y, k: (np.asfortranarray(x), np.astype(x, np.float32),
            np.broadcast_shapes(x.shape, (5, 1, 1))),
        lambda x, y, k: (np.rollaxis(y, 2), np.rollaxis(y, 0, 3), np.diagflat(x[0]),
            np.diagflat([[1, 2], [3, 4]], 1)),
        lambda x, y, k: (np.block([[x, x], [x * 2, x]]), np.block([x[0], 1.0]), np.block([[[y]], [[y]]])),
        lambda x, y, k: (np.delete(x, 1, 0), np.delete(x, [0, 2], axis=1), np.delete(x, slice(1, 3), 1),
            np.delete(x, -1), np.delete(x[0], [])),
        lambda x, y, k: (np.insert(x[0], 1, 5.0), np.insert(x, 1, 9, axis=1),
            np.insert(x, [1, 3], 7.0, axis=1), np.insert(x[0], [1, 1], [5, 6])),
        lambda x, y, k: np.insert(x, 2, x[0], axis=0), lambda x, y, k: np.delete(x[0], x[0] > 0),
        lambda x, y, k: (np.apply_along_axis(lambda r: r.sum(), 1, x),
            np.apply_along_axis(lambda r: r[::-1] * 2, 0, x), np.apply_over_axes(np.sum, y, [0, 2])),
        lambda x, y, k: np.piecewise(x, [x < -1, x > 1], [-1.0, lambda v: v * v, 0.5]),
        lambda x, y, k: np.piecewise(x, [x < 0], [lambda v: -v]),
        lambda x, y, k: (np.r_[x[0], 1, 2:5, x[1]], np.c_[x[0], x[1]], np.r_[0:1:3j, x[0]]),
        lambda x, y, k: (np.ldexp(x, k % 5), np.ldexp(1.5, -1074), np.bitwise_count(k),
            np.bitwise_count(k.astype("u1"))),
        lambda x, y, k: (np.gcd(k, 12), np.lcm(k, k.T.reshape(3, 4)),
            np.gcd(k.astype("i1"), k.astype("i1")[::-1]), np.gcd(k * 0, 0),
            np.gcd((k * 0 - 128).astype("i1"), k.astype("i1"))),
        lambda x, y, k: (np.matvec(y, x[0]), np.vecmat(x[0, :3], x), np.dsplit(y, 2)),
        lambda x, y, k: (np.packbits(k > 0), np.packbits(k > 0, axis=1, bitorder="little"),
            np.unpackbits(k.astype("u1"), axis=0), np.unpackbits(k.astype("u1"), count=9)),
        lambda x, y, k: (np.meshgrid(x[0], k[1]), np.meshgrid(x[0], k[1], indexing="ij", sparse=True),
            np.indices((2, 3)), np.indices((2, 3), sparse=True)),
        lambda x, y, k: (np.mgrid[0:3, 1:4] * 1.0, np.ogrid[0:3, 0:2],
            np.fromfunction(lambda i, j: i * 2 + j, (3, 2))),
        lambda x, y, k: (np.tril_indices(3), np.triu_indices(4, 1), np.triu_indices_from(x[:, :3]),
            np.diag_indices(3), np.mask_indices(3, np.triu, 1)),
        lambda x, y, k: (x[np.triu_indices(3)], np.take_along_axis(x, k % 4, 1),
            np.take_along_axis(x, k[:1] % 3, 0), np.take_along_axis(x, k[0] % 12, None)),
        lambda x, y, k: (np.put_along_axis(x, k[:, :1] % 4, 9.0, 1), np.fill_diagonal(k, 7),
            np.put(x, [0, 5], [1.0, 2.0]), np.put(x.T, [1, 2, 3], 8)),
        lambda x, y, k: (np.choose(k % 3, [x, 1.0, k]), np.choose([0, 1], [5, 6]), np.resize(x, (5, 3)),
            np.resize(x, 5)),
        lambda x, y, k: (np.unravel_index(k % 12, (3, 4)), np.unravel_index(7, (3, 4)),
            np.ravel_multi_index((k % 3, k % 4), (3, 4))),
        lambda x, y, k: x[np.unravel_index(np.argmax(x), x.shape)],
    ],
)  # fmt: skip
def test_functions(fn):
    check(fn, X, Y, K, tolerance=1e-15)


@pytest.mark.parametrize(
    "mode",
    [
        "constant",
        "edge",
        "reflect",
        "symmetric",
        "wrap",
        "maximum",
        "minimum",
        "mean",
        "median",
        "linear_ramp",
    ],
)
def test_pad(mode):
    for width in (1, (2, 3), ((1, 2), (0, 5)), ((2,), (1,)), 9, 0):
        check(
            lambda x, k, width=width: (np.pad(x, width, mode), np.pad(k, width, mode)), X, K, tolerance=1e-15
        )


def test_pad_by_keyword():
    check(
        lambda x: (
            np.pad(x, 2, constant_values=((1, 2), (3, 4))),
            np.pad(x, 1, "linear_ramp", end_values=(5, -4)),
        ),
        X,
        tolerance=1e-12,
    )
    check(
        lambda x: (
            np.pad(x, 2, "mean", stat_length=2),
            np.pad(x[0], (0, 2), constant_values=(4, 6)),
            np.pad(x, {1: (1, 2)}),
        ),
        X,
        tolerance=1e-12,
    )
    with pytest.raises(ValueError, match="unsupported keyword"):
        check(lambda x: np.pad(x, 1, "edge", constant_values=3), X)


def test_diff_with_ends():
    check(
        lambda x: (
            np.diff(x, prepend=0.0),
            np.diff(x, axis=0, append=x[:1]),
            np.diff(x[0], n=2, prepend=[1.0, 2.0], append=5),
        ),
        X,
    )


def test_wrong_widths_of_pad():
    x = np.arange(30).reshape(6, 5)
    with pytest.raises(ValueError, match="negative"):
        weft.compile(lambda x: np.pad(x, 2, "mean", stat_length=[3, -1]))(x)
    with pytest.raises(weft.UnsupportedError, match="widths that are computed"):
        weft.compile(lambda x, w: np.pad(x, w))(x, np.array([[2, 3], [3, 2]]))


MANY = {
    "vander": (np.vander, (300,)),
    "slices": (lambda x: np.apply_along_axis(lambda row: np.cumsum(row) / row.max(), 1, x), (300, 5)),
    "division": (lambda x: np.polydiv(x, x[:4] + 1), (200,)),
    "roots": (lambda x: np.poly(x / 8), (300,)),
    "polynomial": (lambda x: np.polyval(x / 8, x[:5]), (300,)),
    "rows": (lambda x: np.unique(np.floor(x), axis=0, return_inverse=True), (40, 200)),
    "parts": (lambda x: np.add.reduceat(x, np.arange(0, 290, 3)), (300,)),
    "places": (lambda x: np.delete(np.insert(x, np.arange(0, 300, 5), 7.0), np.arange(20) * 3), (300,)),
    "conditions": (lambda x: np.select([x > k / 40 for k in range(40)], [x * k for k in range(40)]), (9,)),
    "choices": (lambda x: np.choose(np.floor(30 * x).astype(int), [x * k for k in range(30)]), (9,)),
    "blocks": (lambda x: np.block([[x * k for k in range(20)] for _ in range(20)]), (2, 3)),
}


@pytest.mark.parametrize("name", MANY)
def test_as_many_as_there_are(name):
    """What was written once for each row, coefficient or item is a loop of the program if there are many."""
    fn, shape = MANY[name]
    x = np.random.default_rng(5).random(shape)
    expected, found = fn(x), weft.compile(fn)(x)
    pairs = zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)
