"""What NumPy refuses, with its class of error; outputs, dtypes and positions that look odd, and it takes."""

import numpy as np
import pytest

import weft
from tests.surface.check import check

X, V, N = np.arange(12.0).reshape(3, 4), np.array([0.6, 0.7, 2.5, 300.0]), np.array([1, 2, 300])


@pytest.mark.parametrize(("fn", "kind"), [
    (lambda x: np.split(x, 2, axis=9), IndexError), (lambda x: np.tensordot(x, x, 3), IndexError),
    (lambda x: np.take_along_axis(x, x, 0), IndexError), (lambda x: np.argsort(x, axis=True), TypeError),
    (lambda x: np.take_along_axis([1, 2], x, 0), AttributeError), (lambda x: x.sum(axis="a"), TypeError),
    (lambda x: np.apply_over_axes(np.sum, 3, 0), AttributeError), (lambda x: np.roots(2.5), TypeError),
    (lambda x: x.put([0], 1, mode="x"), ValueError), (lambda x: np.concat([x, x], axis=False), TypeError),
    (lambda x: np.nanvar(x, dtype=int), TypeError), (lambda x: np.geomspace(x, 2), ValueError),
    (lambda x: np.take(x, 0, axis=-9), ValueError), (lambda x: np.take(x, 0, axis=True), TypeError),
    (lambda x: np.ptp(x, axis=0, out=np.zeros((2, 4))), ValueError),
    (lambda x: np.compress([False] * 4 + [True], x, axis=0), IndexError), (lambda x: np.poly(2.5), TypeError),
    (lambda x: x.astype("u1").put([0], -1), OverflowError),
    (lambda x: np.percentile(x, 50, out=np.zeros((), int)), TypeError),
])  # fmt: skip
def test_the_class_is_that_of_numpy(fn, kind):
    with pytest.raises(kind):
        fn(X)
    with pytest.raises(kind) as caught:
        weft.compile(fn)(X)
    error = caught.value  # found while tracing, or when the program ran: either way with the user's line
    is_traced = caught.traceback[-1].path.name == "test_refused.py"
    assert is_traced or "test_refused.py" in "".join([str(error), *getattr(error, "__notes__", ())])


def read(x, i):
    return x[i]


def written(x, i):
    x[i] = 1


def test_positions_outside_of_an_array_whose_rest_is_empty():
    outside = np.array([5])
    for fn in (read, written, lambda x, i: x[i[0]], lambda x, i: np.take(x, i, 0), lambda x, i: x[i - 9]):
        assert check(fn, [np.zeros((3, 0)), outside], {}) == "raises"
    assert check(lambda x, i: x[i - 8], [np.zeros((3, 0)), outside], {}) == "same"
    assert check(lambda x, i: x[i[:0]], [np.zeros((3, 0)), outside], {}) == "same"


def of_other_dtypes(x, n):
    given = {"axis": 1, "ddof": 1}
    return (
        [np.var(x, dtype=d, **given) for d in ("c8", "i4", bool)],
        [np.std(n, dtype=d) for d in ("c16", int, "f4")],
        (np.var(x + 1j * x, dtype="f4"), np.std(x - 2j, dtype="c8", axis=0), np.nanvar(x + 1j * x)),
    )


def test_variances_of_other_dtypes():
    assert check(of_other_dtypes, [X, N], {}) == "same"
    assert check(lambda x: np.std(x, axis=0, dtype=int), [X], {}) == "raises"


def into(v, n, o, small, many):
    made = []
    for fn in (np.sum, np.prod, np.max, np.mean, np.var, np.median, np.trace, np.nansum, np.hypot.reduce):
        for given in (v, n) if fn is not np.trace else (np.outer(v, v),):
            for out in (o, small):
                fn(given, out=out)
                made.append(out + 0)
    np.cumsum(v, out=many)
    return made, np.all(v, out=o), np.multiply.accumulate(v, out=many.copy())


def test_reductions_into_outputs_of_narrower_dtypes():
    outputs = [np.zeros((), int), np.zeros((), "i1"), np.zeros(4, int)]
    assert check(into, [V, N, *outputs], {}) == "same"


def of_odd_sizes(x, i):
    return (
        (
            np.tri(-1, 2),
            np.tri(2.5),
            np.hamming(2.5),
            np.kaiser(-1, 3.0),
            np.take(x, 2.5),
            np.polymul([], [1, 2]),
        ),
        (
            np.unravel_index(i > 1, (3, 4)),
            np.unravel_index([i[0], 3], (3, 4)),
            np.array_equal(x, [[1], [2, 3]]),
        ),
        (np.unravel_index(int(i[1]), (3, 4)), np.hypot.reduce(-x, axis=()), np.nanmean(x.sum(), axis=-1)),
        (np.put(x, i > 1, 7, mode=1), np.compress([False, True, False, False, False], x, axis=0)),
    )


def test_odd_sizes_and_positions():
    assert check(of_odd_sizes, [X, np.array([0, 2, 3])], {}) == "same"


def by_flat(x):
    part = x.flat[::3]
    part[0] = 9
    x.flat[1::4] += 1
    return part, x.flat[1], [e for e in x.flat]


def test_parts_of_flat_are_copies():
    assert check(by_flat, [X], {}) == "same"
    assert check(by_flat, [X.T], {}) == "same"


def test_least_squares_of_real_matrices_and_complex_sides():
    for right in (X + 2j * X[::-1] ** 2, (X[:, 0] + 1j).astype("c8")):
        assert check(lambda a, b: np.linalg.lstsq(a, b), [X[:, :2] ** 2 + np.eye(3, 2), right], {}) == "same"
