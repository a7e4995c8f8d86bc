"""Calls as users write them, with forms of arguments that generators rarely make; each against NumPy."""

import numpy as np
import pytest

import weft
from tests.surface.check import check

windows = np.lib.stride_tricks.sliding_window_view
RNG = np.random.default_rng(5)
N = RNG.normal(size=(2, 3, 4))
M = np.arange(6).reshape(3, 2)
NAN = np.array([1 + 1j, complex(np.nan, np.inf), complex(-np.inf, 2)])


def insertions(a, b):
    return (
        np.insert(a, [1], [1, 2, 3], axis=1),
        np.insert(a, 1, [1, 2, 3], axis=1),
        np.insert(a, [1], [[1], [2], [3]], axis=1),
        np.insert(a, [0, 2], [[5], [6]], axis=0),
        np.insert(b, [2, 2], [5, 6]),
        np.insert(b, slice(1, 4), [5, 6, 7]),
        np.delete(b, np.array([1, 3])),
        np.split(b, np.array([1, 3])),
        np.repeat(a, [1, 0, 2], axis=0),
        np.repeat(b, np.array([3])),
    )


def averages(x, w, held):
    return (
        np.average(x, weights=w, axis=(0, 1)),
        np.average(x, weights=w.T, axis=(1, 0)),
        np.average(x, returned=True),
        np.var(x, axis=1, where=held, ddof=1),
        np.std(x, where=held, keepdims=True),
        np.size(x, (0, 1)),
    )


def in_memory_order(a, b):
    return (
        a.T.ravel("A"),
        a.T.ravel("K"),
        b.transpose(1, 2, 0).ravel("K"),
        a.T.reshape(6, order="A"),
        a.T.flatten("K"),
        a[:, ::2].ravel("K"),
        np.reshape(a.T, 6, order="F", copy=True),
        np.reshape(a.T, 6, order="F", copy=False),
    )


def sliding(a, b):
    return (
        windows(a, 3),
        windows(b, (2, 2)),
        windows(b, (2, 3), (1, 1)),
        windows(a, 5)[:, ::2],
        windows(b + 1, (2,), (0,)),
        windows(b, 2, 1).sum(-1),
    )


def lines(a, b):
    return (
        np.linspace(a, b, 5),
        np.linspace(a, 2, 5, axis=-1, retstep=True),
        np.linspace(a, b, 5, endpoint=False, dtype=int),
        np.linspace(a, b, 1),
        np.linspace(a[0] + 1j, 3, 4),
    )


def unique_rows(a):
    asked = {"return_index": True, "return_inverse": True, "return_counts": True}
    return np.unique(a, axis=0), np.unique(a, axis=1, **asked), np.unique(a, axis=-1)


def common(a, b):
    return np.intersect1d(a, b, return_indices=True), np.intersect1d(a, b + 0.5)


def views(a, b):
    np.einsum("ii->i", a)[:] = 1
    np.einsum("kiji->jki", b)[:] = 7
    return np.einsum("iji->ji", b[0].transpose(0, 1, 2))


def steps(a, b, c):
    np.fill_diagonal(a, 4, wrap=True)
    np.fill_diagonal(b, [1, 2])
    np.fill_diagonal(c, [1, 2])


def written(a, b, v):
    np.place(a, a > 2, [44, 55])
    np.putmask(b, b > 2, v)
    np.nan_to_num(v, copy=False)


def without_edges(a, none):
    known = [[0, 1, 0.0, 2, 0], (0, 3, 0), [], [0, 0]]
    return (
        *(np.trim_zeros(a, trim, axis) + 0 for trim in ("fb", "f") for axis in (None, -1)),
        *(np.trim_zeros(one, trim) for one in known for trim in ("fb", "b")),
        np.trim_zeros([a[0, 0], a[1, 2], a[2, 2]])[0],
        np.ravel_multi_index(none.T.astype(int), (2, 1, 0), mode="wrap"),
        np.trim_zeros(none) + 0,
        np.trim_zeros(none, axis=1) + 0,
        np.trim_zeros(5),
        np.diff([1, 2.5], 0),
    )


def of_nothing(none, v, large):
    return (
        np.average(none, returned=True),
        np.average(none, axis=0, returned=True),
        np.percentile(v, np.zeros(0)),
        np.interp(v, [2.0], [7.0]),
        np.interp(v, [2.0], [7.0 + 1j]),
        [np.nanquantile(large, q, method=m) for q in (0, 0.9) for m in ("lower", "nearest", "inverted_cdf")],
        np.quantile(large[None], [0.2, 1], axis=1, method="higher"),
        np.quantile(large, 1),
        np.quantile(large, 0.5, method="inverted_cdf", weights=np.ones(4)),
    )


def numbers(a, z, e):
    return (
        np.nan_to_num(z),
        np.nan_to_num(z, nan=1.5, posinf=7),
        np.ldexp(5, e),
        np.ldexp(np.int8(3), e),
        np.array_equal(a, a, equal_nan=True),
        np.float_power(e, range(4)),
        np.hypot.reduceat(a, [3, 1]),
        np.hypot.reduce(a > 0),
        e**e,
    )


def statistics(z, x, w):
    return (
        np.cov(z),
        np.corrcoef(z),
        np.cov(z, fweights=[1, 2, 3, 1]),
        np.median(z, axis=1),
        np.nanmedian(z),
        np.histogram(x, 3, weights=w + 1j),
        np.histogram2d(x, x.astype("f4"), [[0, 1, 2], 2]),
        np.quantile(x.astype("f4"), np.float32(0.3), method="midpoint"),
        np.interp(x, [0, 1, 2], np.array([1j, 2, 3 + 1j])),
    )


def with_infinite_taps(x, w):
    modes = ("full", "same", "valid")
    return tuple(
        f(a, b, mode) for f in (np.convolve, np.correlate) for a, b in ((x, w), (w, x)) for mode in modes
    )


def smaller_integers(i, u):
    return (
        np.unravel_index(i, (3, 4)),
        np.unravel_index(u, (3, 4), order="F"),
        np.ravel_multi_index((i % 3, u % 4), (3, 4)),
        np.gradient(i.astype("f8"), u[::-1]),
        np.sinc(i.astype("f2")),
        np.sinc(i + 0j),
        np.round(i > 2),
        np.angle(i > 2),
        np.kaiser(5, i[1]),
    )


def copied(a, b, c, d):
    np.copyto(a, b)
    np.copyto(c, d, where=b > 0)
    np.add.at(a[:0], np.zeros(0, int), True)


def other_dtypes(a, b, c):
    a.view("i8")[1:] ^= 5
    a.view("u1")[..., ::8] = 0
    c.view("f4")[:, 1] = 7
    root = (np.int32(0x5F3759DF) - (b.view(np.int32) >> 1)).view(np.float32)
    return (
        a.view("u4"),
        a.view("c16"),
        a.T.view("i8"),
        b.view("u1"),
        b.view("f8"),
        c.view("f4"),
        c.view("u2"),
        root,
        (b > 0).view("u1"),
        b[0, 0].view("u4"),
    )


def of_complex(a, b, m):
    modes = ("full", "same", "valid")
    return (
        *(np.correlate(x, y, mode) for x, y in ((a, b), (b, a)) for mode in modes),
        np.vecmat(b, m),
        np.matvec(m, b),
        np.vecdot(m, b),
        np.isclose(a, a + 1e-9j),
        np.isclose(a[0], a[1]),
        np.allclose(a, a),
    )


def ends(a, f, x):
    return (
        np.clip(a, min=2),
        a.clip(2),
        a.clip(max=2),
        np.clip(a, None, 3),
        np.roll(x, 1, axis=(0, 0)),
        np.roll(x, (1, 2), axis=0),
        np.argwhere(a[0] > 0),
        np.isclose(f[0], 2, atol=0, rtol=0.4999999999999999),
        np.add(f[0], 1, out=...),
        np.bincount(a[:0], a[:0] * 1.5, 3),
        np.tensordot(a[0], 2, ((), ())),
        np.linspace(0, 3, 1, retstep=True),
    )


def at(a, b, v):
    np.add.at(a, 0, v)
    np.add.at(a, a > 2, v)
    np.maximum.at(a, slice(1, 3), v)
    np.multiply.at(b, (slice(None), [0, 0]), v)
    return np.rint(a * (0.3 + 0.7j)), np.spacing((a - 3).astype("f2")), np.spacing(a - 3)


BORDERED = np.zeros((4, 5), int)
BORDERED[1:3, 2:4] = 1
CALLS = {
    "insertions": (insertions, M, np.arange(6)),
    "averages": (averages, N, RNG.random((2, 3)), N > 0),
    "in_memory_order": (in_memory_order, M.T.copy(), N),
    "sliding": (sliding, np.arange(8), np.arange(20).reshape(4, 5)),
    "lines": (lines, np.arange(3), np.arange(6).reshape(2, 3)),
    "unique_rows": (unique_rows, RNG.integers(0, 2, (7, 3))),
    "common": (common, np.array([1, 1, 2, 3, 4]), np.array([2, 1, 4, 6])),
    "views": (views, RNG.normal(size=(3, 3)), RNG.normal(size=(2, 3, 4, 3))),
    "steps": (steps, np.zeros((9, 2)), np.zeros((3, 5)), np.zeros((3, 3, 3))),
    "written": (written, np.arange(6), np.arange(6.0), np.array([1.0, np.nan, np.inf, 5.0])),
    "without_edges": (without_edges, BORDERED, np.zeros((0, 3))),
    "of_nothing": (
        of_nothing,
        np.zeros((0, 3)),
        np.array([1, np.nan, 2, 3]),
        (1 << 64) - 1 - np.arange(4, dtype="u8"),
    ),
    "statistics": (statistics, RNG.normal(size=(3, 4)) + 1j * RNG.normal(size=(3, 4)), N[0, 0], N[1, 0]),
    "with_infinite_taps": (with_infinite_taps, RNG.normal(size=9), np.array([1.0, np.nan, np.inf])),
    "smaller_integers": (smaller_integers, np.arange(6, dtype="i2"), np.arange(6, dtype="u1")),
    "copied": (
        copied,
        np.zeros(3, bool),
        np.array([0, 2, 1]) > 0,
        np.zeros(3, "i1"),
        np.arange(3, dtype="i4"),
    ),
    "other_dtypes": (other_dtypes, N[0].copy(), np.abs(N[1]).astype("f4"), (N[0] + 1j).astype("c8")),
    "of_complex": (of_complex, NAN[:1] * np.arange(1, 5), 1j * np.arange(1, 3) + 2, np.eye(2) + 1j),
    "ends": (ends, np.arange(5), np.arange(1, 4, dtype="f4"), M),
    "at": (at, np.arange(6.0), np.arange(6.0).reshape(2, 3), np.array(3.0)),
    "numbers": (numbers, np.array([1.0, -2.0, np.nan, -3.0]), NAN, np.arange(4)),
}


@pytest.mark.parametrize("name", CALLS)
def test_forms_of_arguments(name):
    fn, *args = CALLS[name]
    assert check(fn, args, {}) == "same"


@pytest.mark.parametrize(
    ("fn", "args"),
    [
        (lambda a, b: a**b, (np.arange(5), np.arange(5) - 2)),
        (lambda a, w: np.average(a, weights=w), (N, RNG.random((2, 3)))),
        (lambda a: np.average(a[:0], axis=1), (N[0],)),
        (lambda a: np.isin(a, a, kind="table"), (np.array([-1, (1 << 63) - 1]),)),
        (lambda a: np.ravel_multi_index((a, a), (1 << 62, 2)), (np.arange(2),)),
        (lambda a: np.unravel_index(a, (1 << 62, 2)), (np.arange(2),)),
        (lambda a: np.unravel_index(a, ()), (np.arange(1),)),
        (lambda a: np.unravel_index([], (2, 3)), (N,)),
        (lambda a: np.percentile(a, np.zeros((2, 0))), (N,)),
        (lambda a: np.trim_zeros([[0, 1], [1, 0]]), (N,)),
        (lambda a: np.insert(a, 9, 1), (np.arange(6),)),
        (lambda a: np.reshape(a, -1, order="F", copy=False), (N,)),
        (lambda a: np.insert(a, [-9], [1, 2]), (np.arange(6),)),
        (lambda a: np.place(a, a > 2, []), (np.arange(6),)),
        (lambda a, v: np.putmask(a, a > 2, v), (np.arange(6), np.arange(4.0))),
        (lambda a: np.tril_indices_from(a), (np.arange(6),)),
        (lambda a: np.split(a, 4), (np.arange(6),)),
        (lambda a: np.sum(a, axis=1.5), (np.arange(6),)),
        (lambda a: np.unravel_index(a, (3, 4)), (np.arange(6.0),)),
        (lambda a: np.percentile(a, 50), (NAN,)),
        (lambda a, b: np.copyto(a, b), (np.arange(3), np.arange(3.0))),
        (lambda a: np.cov(a, fweights=[1.5, 1, 2]), (NAN,)),
        (lambda a: np.gradient(a, a[0]), (N[0],)),
        (lambda a: np.diag_indices_from(a), (N[0],)),
        (lambda a: a.T.view("i4"), (N[0],)),
        (lambda a: a.view("c16"), (N[0, :, :3].copy(),)),
        (lambda a, w: np.average(a, weights=w), (np.arange(3), np.zeros(3))),
        (lambda a: a.T.reshape(6, copy=False), (M,)),
        (lambda a: np.clip(a, 2), (M,)),
        (lambda a: np.var(a, ddof=1, correction=0), (M,)),
        (lambda a, o: np.sum(a, out=o), (M, np.zeros(3, int))),
        (lambda a: np.vecdot(a, a[:, :1]), (M,)),
        (lambda a, o: np.fft.fft(a, out=o), (np.arange(8.0), np.zeros(8))),
        (lambda a: np.linalg.inv(a), (np.eye(2, dtype="f2"),)),
        (lambda a: np.frexp(a), (NAN,)),
        (lambda a: np.searchsorted(a, 0, sorter=[1, 2]), (np.arange(3),)),
        (lambda a: np.partition(a, 0, kind="x"), (np.arange(3),)),
        (lambda a: np.putmask(a, [True], 5), (np.arange(3),)),
        (lambda a: np.select([a, a], [a, a]), (np.arange(6),)),
    ],
)
def test_errors_are_numpys(fn, args):
    assert check(fn, list(args), {}) == "raises"


def test_arguments_are_not_overwritten():
    given = np.array([3.0, 1.0, 2.0])
    assert weft.compile(lambda a: np.median(a, overwrite_input=True))(given) == 2.0
    assert given.tolist() == [3.0, 1.0, 2.0]


def test_polynomials_of_complex_roots():
    found = weft.compile(np.poly)(np.array([1j, -1j]))
    assert found.dtype == np.complex128
    assert np.allclose(found, [1, 0, 1])


def test_at_of_a_read_only_array():
    a = np.arange(3.0)
    a.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        weft.compile(lambda a: np.add.at(a, [0], 1))(a)
    assert a[0] == 0


def test_squares_and_signs_by_dtype():
    for dtype in "?bBhHiIqQefdFD":
        x = np.array([0, 1, 3], dtype)
        assert check(lambda x: x**2, (x,), {}) == "same"
        if dtype != "?":
            assert check(lambda x: np.abs(-x), (x,), {}) == "same"


@pytest.mark.parametrize("join", [np.concatenate, np.dstack, np.hstack])
def test_pieces_in_strided_memory_keep_their_own_axes(join):
    small, turned = np.arange(12, dtype=np.uint8).reshape(3, 2, 2), np.arange(12, dtype=np.float32)
    turned = turned.reshape(3, 2, 2)
    for other in (turned[..., ::-1], turned[:, ::-1], turned.transpose(0, 2, 1)):
        assert check(lambda *a: join(a), [small, other], {}) == "same"
        assert check(lambda *a: join(a), [other, small], {}) == "same"
