"""Iterators, polynomials as objects, strided views, axes and signatures of ufuncs, each as plain NumPy."""

import numpy as np
import pytest

import weft
from tests.surface.check import check

X, V = np.arange(12.0).reshape(3, 4), np.arange(1.0, 6.0)
A, B = np.arange(24.0).reshape(2, 3, 4), np.arange(40.0).reshape(2, 4, 5)
as_strided = np.lib.stride_tricks.as_strided


def iterated(x, y):
    total, table = 0.0, np.zeros(x.shape)
    for (i, j), e in np.ndenumerate(x):
        if e > 9:
            break
        total += e * i + j
    for index in np.ndindex(x.shape):
        table[index] = x[index] - index[1]
    for a, b in np.nditer([x, y]):
        total = 0.5 * total + a * b
    for a in np.nditer(x.T):
        total = 0.5 * total + a
    with np.nditer(x, op_flags=["readwrite"]) as every:
        for e in every:
            e[...] = 2 * e
    return total, table, list(np.ndindex(1, 2)), [e for e in np.nditer(y)], list(np.ndindex(0, 2))


def test_iterators():
    assert check(iterated, [X, X[0].copy()], {}) == "same"
    assert check(iterated, [X[:2].copy(), X[0].copy()], {}) == "same"
    assert check(lambda x: list(np.nditer(x[:0])), [X], {}) == "raises"


def iterated_with_index(x):
    rows, places, total, count = np.zeros(x.shape), np.zeros(x.size), 0.0, 0
    it = np.nditer(x, flags=["multi_index"], op_flags=["readwrite"])
    while not it.finished:
        i, j = it.multi_index
        total = 0.5 * total + it[0]
        it[0][...] = 3 * i + j
        rows[i, j] = total
        it.iternext()
    it = np.nditer(x, flags=["f_index"])
    for e in it:
        places[it.index] = e
        if e > 7:
            break
        count += 1
    it = np.nditer(x)
    while not it.finished and it.value < 4:
        it.iternext()
    return rows, places, count, it.iterindex, it.itersize


def allocated(x, y):
    with np.nditer([x, None]) as it:
        for a, b in it:
            b[...] = a * a
        squares = it.operands[1]
    every = ["readonly"], ["readonly"], ["writeonly", "allocate"]
    outer = np.nditer([y, x[:, 0], None], op_flags=every, op_axes=[[0, -1], [-1, 0], None])
    for a, b, c in outer:
        c[...] = a - b
    modes = [["readonly"], ["readwrite", "allocate"]]
    total = np.nditer([x, None], flags=["reduce_ok"], op_flags=modes, op_axes=[None, [0, -1]])
    total.operands[1][...] = 1
    for a, b in total:
        b[...] += a
    rows = [c.sum() for c in np.nditer(x, flags=["external_loop"], order="F")]
    turned = 0j
    for e in np.nditer(x[::2], flags=["buffered"], op_dtypes=["c16"]):
        turned = turned * 1j + e
    return squares, outer.operands[2], total.operands[1], rows, turned


def test_nditer_with_flags():
    assert check(iterated_with_index, [X], {}) == "same"
    assert check(allocated, [X, V], {}) == "same"


@pytest.mark.parametrize("fn", [
    lambda x: np.nditer(x, flags=["none"]), lambda x: np.nditer(x, op_dtypes=["c16"]),
    lambda x: np.nditer(x, flags=["buffered"], op_dtypes=["i4"]), lambda x: np.nditer(x).multi_index,
    lambda x: np.nditer([x, x[0]], op_flags=[["readonly"], ["readwrite"]]),
    lambda x: np.nditer(x, flags=["multi_index", "external_loop"]), lambda x: np.nditer(x, order="Z"),
])  # fmt: skip
def test_what_nditer_refuses(fn):
    assert check(fn, [X], {}) == "raises"


def gathered(v):
    return (
        np.fromiter((e * 2 for e in v), np.int32),
        np.fromiter(range(4), float, count=3),
        np.fromiter([v[0], v[1]], "f4"),
    )


def test_arrays_from_iterators():
    assert check(gathered, [V], {}) == "same"
    assert check(lambda v: np.fromiter((e for e in v), float, count=9), [V], {}) == "raises"


P = np.poly1d([1.0, -2, 3])


def described(x, v):
    both = np.broadcast(x, v[:4])
    return (
        (both.shape, both.size, both.nd, sum(a * b for a, b in both), np.min_scalar_type(x)),
        (np.polynomial.legendre.leggauss(3), np.binary_repr(5)),
    )


def test_shapes_together_and_points():
    assert check(described, [X, V], {}) == "same"
    for fn in (lambda v: np.array2string(v, precision=2), np.array_repr):
        assert weft.compile(fn)(V) == fn(V)


def polynomials(v):
    p, q = np.poly1d(v), np.poly1d([0, 1, 0, 2])
    return (
        (p(v), (p + q).c, (2 * p)(3), (p**2)(v), p.o, q.order, len(p), p[1], p[7], p.deriv()(1.5)),
        (p.integ(2)(v), (-p).coeffs, q(q)(0.5), (p / 2.0).c, np.polyval(q, v), (1 - q * q).c),
        (P(v), P.c[0], v + P.deriv()(v), p.roots.shape),
    )


def test_polynomials_as_objects():
    assert check(polynomials, [V], {}) == "same"
    assert check(polynomials, [np.array([0.0, 0, 1, 2, 3])], {}) == "same"
    found, given = weft.compile(lambda v, p: p * v)(V, P), P * V
    assert type(found) is np.poly1d
    assert found == given
    assert type(weft.compile(lambda v: np.polyadd(np.poly1d(v), 1))(V)) is np.ndarray
    assert check(lambda x: np.poly1d(x), [X], {}) == "raises"


def strided(x, v):
    step, width = x.strides, v.itemsize
    return (
        as_strided(x, (2, 3, 2, 2), step * 2).sum((2, 3)),
        as_strided(x, (1, 2, 2, 2), (step[0] * 2, step[1] * 2, *step)),
        as_strided(x, (3,), (step[0] + width,)),
        as_strided(v, (3, 2), (0, width)),
        as_strided(v, (2, 2), strides=(2 * width, width)),
    )


def test_strided_views():
    assert check(strided, [X, V], {}) == "same"
    for call in (
        lambda v: as_strided(v, (9,), (8,)),
        lambda v: as_strided(v, (3, 3), (8, 8)).__setitem__(0, 1),
    ):
        with pytest.raises(ValueError, match=r"beyond the array|read-only"):
            weft.compile(call)(V)


def products(a, b, v):
    return (
        np.matmul(a, b, axes=[(1, 2), (1, 2), (0, 1)]),
        np.matmul(a, b[0, :, 0], axes=[(-2, -1), (0,), (0,)]),
        np.matmul(a, b, signature="ff->f"),
        np.vecdot(a, a, axis=1, keepdims=True),
        np.vecdot(a + 1j, a, axes=[0, 0], dtype="c8"),
        np.matvec(a, v[:2], axes=[(2, 0), 0, 0]),
        np.add(v, v, signature="ff->f"),
        np.sqrt(v, sig=(None, "f4"), casting="unsafe"),
    )


def test_axes_and_signatures():
    assert check(products, [A, B, V], {}) == "same"
    for call in (
        lambda a, b: np.matmul(a, b, axes=[(-2, -1), 0]),
        lambda a, b: np.matmul(a, b, axis=1),
        lambda a, b: np.matmul(a, b, keepdims=True),
        lambda a, b: np.add(a, a, signature="d->d"),
        lambda a, b: np.add(a, a, signature="ii->i"),
    ):
        assert check(call, [A, B], {}) == "raises"


def rest(x, v):
    return (
        (round(v[1]), round(v.mean(), 2), round(v.astype(np.float32)[2]), round(v.astype(int)[1])),
        np.i0(np.array([np.nan, 1, 9]) * v[0]),
        (v.byteswap(), (v + 1j).byteswap(), x.astype("i2").byteswap(), v[1].byteswap()),
        (x.transpose(np.array([1, 0])), np.pad(v, np.array([1, 2])), v + np.longlong(2)),
        np.max(x, axis=0, where=np._NoValue),
    )


def test_rounding_and_bytes_and_arrays_of_axes():
    assert check(rest, [X, V], {}) == "same"
    assert type(weft.compile(lambda v: np.longlong(v[1]))(V)) is np.int64
    for call in (lambda v: round(v), lambda v: round(v[0] > 0), lambda v: round(v[0] * np.nan)):
        assert check(call, [V], {}) == "raises"


def of_numbers_and_parts(s, v, i):
    return (
        (np.sum(s, axis=0), np.max(s, axis=-1), np.argmin(s, axis=0), np.cumsum(s, axis=0)),
        (np.add.accumulate(v, axis=None), np.maximum.reduceat(v, [0, 2], dtype="i4")),
        (np.add.reduceat(v, v > 2), np.bitwise_count(i, out=np.zeros(3)), v.mean(dtype=int)),
        (np.diff(v, n=np.int64(1)), np.less(3, 4), np.equal(3, 4), np.average(s + v, axis=[0])),
    )


def test_axes_of_numbers_and_parts_of_ufuncs():
    assert check(of_numbers_and_parts, [np.array(2.5), V, np.array([-3, 7, 255])], {}) == "same"


def changed(v, i):
    w, n, m = v.copy(), v.astype(int), np.outer(v, v)
    np.divide.at(w, i, 2)
    np.negative.at(w, i)
    np.bitwise_xor.at(n, i, [1, 3, 2])
    np.hypot.at(m, (i, slice(1, 3)), v[:2])
    np.fmax.at(w, v > 3, 4)
    np.add.at(n, i, -1.5)
    np.subtract.at(n, i, 0.5)
    return w, n, m


def test_any_ufunc_at():
    assert check(changed, [V, np.array([0, 2, 0])], {}) == "same"
    assert check(lambda v: np.bitwise_or.at(v.astype(int), [0], 2.5), [V], {}) == "raises"


def ends(v, i):
    return (
        (np.subtract.reduce(v, initial=5), np.hypot.reduce(3, axis=0), np.logaddexp.reduce(i, axis=())),
        (np.logical_xor.reduce(i, dtype=bool), np.logical_or.accumulate(i, dtype=bool), np.lexsort(v)),
        (np.bincount(v > 2, minlength=3), np.union1d(v.astype("f4"), 3)),
    )


def test_ends_of_reductions_and_sets():
    assert check(ends, [V, np.array([0, 2, 0])], {}) == "same"


@pytest.mark.parametrize("fn", [
    lambda v: np.add.at([1], [0], 1), lambda v: np.bincount(v.astype(int) - 9, minlength=4),
    lambda v: np.correlate(v, 2), lambda v: np.digitize(v, 2.0), lambda v: np.argsort(v[0], axis=2),
    lambda v: np.cov(v, dtype=int), lambda v: np.histogram2d(v, v[:, None]),
    lambda v: v.reshape(5, 1, order="x"), lambda v: v.ravel(1), lambda v: v.sort(axis=None),
    lambda v: v.astype(v), lambda v: np.linspace(0, 1, 5, axis=3), lambda v: np.indices(3),
    lambda v: np.round(v, 2.5), lambda v: np.dot(v, v, 1), lambda v: np.linalg.matmul(v, v, v),
    lambda v: np.choose(v.astype(int) - 2, [v, v]), lambda v: np.linalg.outer(v, v[0]),
    lambda v: np.linalg.multi_dot([v, v, v]), lambda v: np.linalg.solve(v[:1, None], v[0]),
    lambda v: np.matmul(v, v, dtype=int), lambda v: np.eye(3, k=0.5),
    lambda v: v.sum(axis=[0]), lambda v: v.max(axis=True),
    lambda v: np.sum(v, out=[1]), lambda v: np.cumsum(v, out=np.zeros((2, 5))),
    lambda v: np.modf(v, out=np.zeros(5)), lambda v: np.bitwise_count(v),
    lambda v: np.percentile(v, v + 1j), lambda v: np.add.reduceat(v, v), lambda v: np.add.reduceat(v[0], [0]),
    lambda v: np.add.accumulate(v, axis=(0, 0)), lambda v: np.mean(v[0], axis=0),
    lambda v: np.logical_and.accumulate(v, dtype="i4"),
])  # fmt: skip
def test_what_numpy_refuses(fn):
    assert check(fn, [V], {}) == "raises"


def test_quantiles_of_small_integers():
    assert weft.compile(np.percentile)(np.array([-128, 127], "i1"), 50) == -0.5


def test_products_of_polynomials_keep_leading_zeros():
    np.testing.assert_array_equal(weft.compile(np.polymul)(np.array([0.0, 1]), V[:2]), [0, 1, 2])


def at_computed_places(x, v, k):
    return (
        (np.delete(v, np.argmin(v)), np.delete(x, k, axis=1), np.insert(v, np.argmax(v), [7, 8])),
        (np.insert(x, k, 9, axis=1), np.insert(x, k - 3, v[:4], axis=0), np.insert(v, k + 4, 1)),
    )


def test_elements_at_computed_places_go_and_come():
    assert check(at_computed_places, [X, V, np.array(1)], {}) == "same"
    assert check(lambda v, k: np.delete(v, k), [V, np.array(5)], {}) == "raises"
    assert check(lambda v, k: np.insert(v, k, 0), [V, np.array(-6)], {}) == "raises"


def kinds_of_numbers(x, v, i):
    s = i.sum()
    return (
        (s.T, np.squeeze(s), np.imag(s), np.eye(3, k=np.int64(1)), np.take(v, v > 2)),
        (np.choose(i > 0, [v[:3], 7]), np.linalg.lstsq(x, v[:3], rcond=1)[0].round(9)),
        (np.linalg.vecdot(x, x, axis=0), np.linalg.outer(v, i), np.linalg.multi_dot([v[:3], x, v[:4]])),
    )


def test_kinds_of_numbers():
    assert check(kinds_of_numbers, [X, V, np.array([0, 2, 0])], {}) == "same"
    assert weft.compile(np.roots)(np.array([-0.3], "f2")).shape == (0,)
    assert check(np.roots, [V.astype("f2")], {}) == "raises"


AXIS = np.int64(1)


def test_numpy_ints_where_python_has_ints():
    global AXIS
    by_argument = weft.compile(lambda x, k: (x.sum(axis=k), np.partition(x, k), np.zeros(k), np.pad(x, k)))
    by_global = weft.compile(lambda x: x.sum(axis=AXIS))
    for k in (np.int64(0), np.int64(1), np.int32(0)):
        AXIS = k
        for found, want in zip(
            by_argument(X, k), (X.sum(k), np.partition(X, k), np.zeros(k), np.pad(X, k)), strict=True
        ):
            np.testing.assert_array_equal(found, want)
        np.testing.assert_array_equal(by_global(X), X.sum(k))


def put_in_nothing(x, i):
    x.reshape(-1)[i] = 1.0


def test_no_memory_is_written_where_there_is_none():
    memory = np.zeros(8)  # its end is the place of the empty part
    for whole in (memory[3:3], memory[:6].reshape(2, 3)[1:1]):
        for fn in (put_in_nothing, lambda x, i: np.put(x, i, 1.0), lambda x, i: np.add.at(x.ravel(), i, 1.0)):
            with pytest.raises(IndexError):
                weft.compile(fn)(whole, np.array([0, 1]))
    assert not memory.any()


KEPT = np.arange(4.0)


def spread(a):
    n = a.shape[0]
    return np.broadcast_to(KEPT[::2], (n, (n + 1) // 2)).copy(), np.broadcast_arrays(KEPT, a[:, 0])[0] + 1


def test_sizes_of_two_arrays_that_are_equal_are_broadcast(monkeypatch):
    compiled = weft.compile(spread)
    for n in (4, 65, 9, 5):
        monkeypatch.setitem(globals(), "KEPT", np.arange(float(n)))
        for one, other in zip(compiled(np.ones((n, n))), spread(np.ones((n, n))), strict=True):
            np.testing.assert_array_equal(one, other)
    monkeypatch.setitem(globals(), "KEPT", np.arange(7.0))
    with pytest.raises(ValueError, match="broadcast"):
        compiled(np.ones((9, 9)))
