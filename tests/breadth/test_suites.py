"""Calls that NumPy's own tests make and that once differed, each class reduced; against NumPy."""

import collections

import numpy as np
import pytest

import weft
from tests.surface.check import check

A = np.arange(6.0).reshape(2, 3)
V = np.array([1.0, 2, 3, 5])
K = np.array([3, 1, 1])
B = np.array([True, False, True])
Pair = collections.namedtuple("Pair", "x y")
NAN = np.array([[1, np.nan + 1j, 2j], [3, 4, complex(1, np.nan)]])
ENDS = np.sort(np.array([0, 1, 1j, 1 + 1j, complex(3, np.nan), complex(np.nan, 1), complex(np.nan, np.nan)]))


def halves_and_numbers(h):
    """A Python number is rounded to float16 before it is compared."""
    return h == 49950.0, h != 49950.0, h >= 0.1, 0.1 <= h, np.logical_and(h, 1e-10), h[0] == 49950.0


def orders_in_lower_case(a, k):
    return (
        (a.flatten("f"), a.ravel("f"), a.reshape((3, 2), order="f"), a.T.ravel("k"), a.T.ravel("a")),
        np.unravel_index(k, (2, 3), order="f"),
        np.ravel_multi_index((k % 2, k % 3), (2, 3), order="f"),
    )


def pieces(a):
    return (
        np.piecewise([1, 2], [True, False], [2, 3]),
        np.piecewise([0, 0], [True, False], [1]),
        np.piecewise(a, [a < 2, a >= 3], [lambda x: -x, 3, 7]),
        np.piecewise(a[0], [[True, False, True], [False, True, False]], [1, 3, 7]),
    )


def interpolations(a):
    x = [1, 2, 2.5, 3, 4]
    return (
        np.interp(x, [1, 2, 3, 4], [1, 2, np.inf, 4]),
        np.interp(x, [1, 2, 3, 4], [1, 2 + 1j, np.inf, 4]),
        np.interp(a, [0, 1], [1, 2], period=360),
    )


def of_nothing(a):
    return np.cov(a[:0]), np.corrcoef(a[:0]), np.bincount([], minlength=3), np.bincount([])


def indices_of_truth(a, b, k, v):
    return (
        (v[True], v[False], v[True, 1:], v[..., True], v[None, True], v[1:, True, None]),
        (a[:, True, 1], a[[0, 1], True], a[True, [0, 1]], a[True, False]),
        (
            a[np.array(True)],
            a[np.array(False)],
            a[b[0]],
            a[b[1], 1],
            a[..., b[0]],
            v[0][v[0] > 0],
            v[0][None],
        ),
        (a[[True, False], k % 3], a.T[b, k[:2] % 2], a.T[b, [0]], a.T[b, [[0]]]),
        (a[Pair(1, 2)], a.sum()[..., None]),
    )


def written_at_truths(a, b, k):
    a[True, 0] = 3
    a[0, b[0]] = [[1, 2, 3]]
    a[b[1]] = 9
    a.T[b, k[:2] % 2] = 7
    a[[False, True], [0]] += 5
    a[a > 100] = []
    return a


def written_with_a_cast(a, b, k):
    a[0, b] = k[:2]
    a[1, [True, False, True]] = k[:2]
    a.T[b] = k[:2, None]
    return a


def deleted_and_inserted(a, v, k):
    return (
        (np.insert(a, [k[1]], [[1.0, 2, 3]], axis=0), np.insert(a, k[1:2], [[1.0], [2]], axis=1)),
        (
            np.delete(v, k),
            np.delete(v, k.reshape(3, 1) - 4),
            np.delete(a, k % 2, 1),
            np.delete(a, [k[0] % 2], 1),
        ),
        (np.insert(v, k, 9), np.insert(v, k - 4, [7, 8, 9]), np.insert(a, k[1:], [[7], [8]], axis=1)),
        (np.insert(v, k[:1], [7, 8]), np.insert(v, [k[0]], 7)),
    )


def chosen(v, k):
    return (
        (k % 2).choose(v[:3], v[1:]),
        (k % 3).choose(v[:3], v[1:], v[1:], mode="wrap"),
        (k % 2).choose([v[:3], v[1:]]),
        np.roll(v, np.uint64(2)),
        v.clip(2, 3, casting="unsafe"),
        v[:3].clip(2, 3, out=k.copy(), casting="unsafe"),
    )


def put_by_mask(v):
    np.putmask(v, mask=v > 2, values=[-1, -2])
    return v


def searches(z, c):
    rows = (np.nancumsum(c), np.nancumprod(c, axis=1), np.nanargmin(c), np.nanargmax(c, axis=1))
    return z.searchsorted(z), z.searchsorted(z, side="right"), rows


def answers(k, i):
    return (
        np.equal.reduce(k, dtype=bool),
        np.greater.accumulate(k, dtype="?"),
        (np.iterable(k), np.iterable(i), np.mintypecode([k, "f"])),
        (np.isscalar(None), np.isscalar("a"), np.isscalar(slice(1)), np.isscalar(k[0]), np.isscalar(k)),
        (
            i.bit_count(),
            i.is_integer(),
            np.float32(i).is_integer(),
            i.reshape(()),
            i.squeeze(axis=()),
            i * [1],
            (1, 2) * -i,
        ),
    )


def paths(a):
    once = np.einsum_path("ij,jk,kl->il", a, a.T, a, optimize="greedy")[0]
    some = np.polynomial.polynomial.polyint(a, 2, [1, 2], axis=1), np.polynomial.chebyshev.chebder(a)
    made = np.arange(3, device="cpu"), np.zeros_like(a, device="cpu"), np.asfortranarray(a[0, 0])
    return made, once, np.einsum_path(a, [0, 1], a, [0, 2]), some


def complex_numbers(x, z):
    """A complex number of Python's and an np.float64, which is a float, make one of Python's."""
    return 1j * x, 1j + x, 1j - x, 1j / x, x * 1j, z * x, z - x, 2.0 * x


def spaces(b):
    grids = (np.logspace(1, 2, num=6, base=b), np.logspace(1, b, num=6, base=b, axis=1))
    return grids, np.geomspace(b, b + 3.0, num=3, axis=-1), np.geomspace(-1, 1, num=3, dtype=complex).round(9)


def joined_and_padded(s, v):
    sides = np.pad(v, (1, 2), "mean", stat_length=0), np.pad(v, (1, 2), "mean", stat_length=(1, 2))
    return np.concatenate([s, 1.0], axis=None), sides, np.histogramdd([0.9], bins=[[0.0, 0.5, 1.0]])[0]


def without_nan_at(x, w):
    return np.nanvar(x, where=w), np.nanstd(x, axis=0, where=w, keepdims=True)


@pytest.mark.parametrize(
    ("fn", "args"),
    [
        (halves_and_numbers, [np.array([49950, 0.1, 0], "f2")]),
        (orders_in_lower_case, [A, K]),
        (pieces, [A]),
        (interpolations, [A]),
        (of_nothing, [A]),
        (indices_of_truth, [A, B, K, V]),
        (written_at_truths, [A, B, K]),
        (written_with_a_cast, [A, B, K]),
        (deleted_and_inserted, [A, V, K]),
        (chosen, [V, K]),
        (put_by_mask, [V]),
        (searches, [ENDS, NAN]),
        (paths, [A]),
        (spaces, [np.array([2, 3])]),
        (lambda v: np.array([1.5, 2], dtype=">f8") + v[:2], [V]),
        (lambda v, i: v.reshape(i, -1), [np.arange(12.0), np.array(3)]),
        (lambda v, k: v[v > 2].reshape(int(k.max()), -1), [np.arange(12.0), K]),
        (without_nan_at, [np.where(A == 4, np.nan, A), A > 1]),
    ],
)
def test_values(fn, args):
    assert check(fn, args, {}) == "same"


def test_values_of_scalars():
    calls: list = [(answers, (K, np.int16(-3))), (joined_and_padded, (np.float32(2), V))]
    calls += [(complex_numbers, (x, 2 + 1j)) for x in (np.float64(2), np.float32(2))]
    for fn, args in calls:
        found, want = weft.compile(fn)(*args), fn(*args)
        assert repr(found) == repr(want)


def test_conditions_of_singular_matrices():
    stack = np.ones((2, 2, 2)) + np.eye(2) * np.arange(2)[:, None, None]
    for order in (1, "fro", -np.inf):
        fn = weft.compile(lambda a: np.linalg.cond(a, order))  # noqa: B023 -- called at once
        np.testing.assert_allclose(fn(stack), np.linalg.cond(stack, order))
        assert fn(stack[0]) == np.inf
        assert np.isnan(fn(np.array([[1, np.nan], [2, 3]])))
    z = np.ones((2, 3)) + 1j * A
    z = z.astype("c8")
    factor = weft.compile(lambda z: np.linalg.cholesky(z @ z.conj().T + np.eye(2)))(z)
    assert not np.signbit(factor.imag[[0, 0, 1], [0, 1, 1]]).any()
    assert not factor.imag[[0, 1], [0, 1]].any()


def product_in_place(a, b):
    a @= b
    return a


def nothing_at_a_mask(v):
    v[v > 2] = []


@pytest.mark.parametrize(
    ("fn", "args"),
    [
        (product_in_place, [np.ones((3, 3)), np.ones((3, 1))]),
        (product_in_place, [np.ones(3), np.ones(3)]),
        (lambda v: float(v[:1]), [V]),
        (lambda v: np.array([v[0]], copy=False), [V]),
        (lambda v: np.array(3, copy=False) + v, [V]),
        (lambda v: np.interp(0, [0, 1], [1, 2], period=0) + v, [V]),
        (lambda v: np.nanvar(v, ddof=1, correction=0.5), [V]),
        (lambda c: np.nanargmin(c), [NAN * np.nan]),
        (lambda v: [1, 2] * v[0], [V]),
        (lambda v: np.array(128, dtype="b") + v, [V]),
        (lambda a: np.divide.reduce(a, axis=(0, 1)), [A]),
        (lambda a: np.einsum("ij->i", a, order="W"), [A]),
        (lambda a: np.einsum(a, [-1, 5], a, [-1, 2], [5, 2]), [A]),
        (lambda v, k: np.insert(v, k + 5, 9), [V, K]),
        (lambda v, k: np.delete(v, k + 5), [V, K]),
        (lambda a: np.piecewise(a, a < 2, [lambda x: -x, 3]), [A]),
        (lambda v: np.add(3.0, 4.0, dtype="float32", casting="equiv") + v, [V]),
        (lambda v, i: v.reshape(i, -1), [V, np.array(0)]),
        (lambda v: v.bit_count(), [V]),
        (nothing_at_a_mask, [V]),
    ],
)
def test_errors(fn, args):
    assert check(fn, args, {}) == "raises"


def test_views_that_would_be_of_another_kind_are_refused():
    class Own(np.ndarray):
        pass

    for kind in (Own, ">f8"):
        with pytest.raises(weft.UnsupportedError, match=r"byteswap|np\.ndarray"):
            weft.compile(lambda v: v.view(kind))(V)  # noqa: B023 -- called at once


def test_the_sum_of_one_zero_has_its_sign():
    """A sum starts from 0.0, with the pass that takes it for its element as without."""
    x = np.array([[-0.0, 1.5]])
    for off in ((), ("canonicalize",)):
        with weft.options(passes_off=off):
            found = weft.compile(lambda x: (np.sum(x[:, :1]), np.sum(x, axis=0), np.prod(x[0, :1])))(x)
        assert [str(one) for one in found] == [str(np.sum(x[:, :1])), "[0.  1.5]", "-0.0"]


def test_negative_powers_of_no_integers():
    none, some = np.zeros((0, 2), np.int32), np.array([[3, 4]])
    for fn in (lambda x, y: np.power(x, y), lambda x, y: x**-2 if len(x) == 0 else x**y):
        assert weft.compile(fn)(none, np.array([-9, 7])).shape == (0, 2)
        with pytest.raises(ValueError, match="negative integer powers"):
            weft.compile(fn)(some, np.array([-9, 7]))
