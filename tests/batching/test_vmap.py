"""`weft.vmap` against a Python loop over lanes whose results are stacked."""

import numpy as np
import pytest

import weft

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 3))
V = RNG.normal(size=5)


def stacked(fn, *stacks):
    """What `vmap` means."""
    rows = [fn(*lane) for lane in zip(*stacks, strict=True)]
    return tuple(map(np.stack, zip(*rows, strict=True))) if isinstance(rows[0], tuple) else np.stack(rows)


def newton(a):
    x = a
    while abs(x * x - a) > 1e-12:
        x = 0.5 * (x + a / x)
    return x


def branches(a):
    if a > 0:
        return np.sqrt(a) * 2
    return a * a


def recurrence(x):
    s, best = 0.0, -np.inf
    for i in range(x.shape[0]):
        s = 0.5 * s + x[i]
        if s > best:
            best = s
    return s, best


def written(x):
    y = np.zeros(4)
    y[1:] = x
    y[0] = y.max()
    y[y < 0] = -1
    return y


def early(x):
    for i in range(3):
        if x[i] > 0.3:
            return i * 10
    return -1


def shared_loop(x):
    total = np.zeros(3)
    k = 0
    while k < 4:
        total = total + x * k
        k += 1
    return total


ONE = [newton, branches]
ROWS = [
    recurrence, written, early, shared_loop,
    lambda x: np.sort(x)[::-1] + x.mean(), lambda x: (np.cumsum(x), np.argmax(x), np.var(x)),
    lambda x: np.linalg.solve(np.outer(x, x) + np.eye(3), x), lambda x: np.outer(x, X[0]) @ x,
    lambda x: np.concatenate([x, X[1], np.pad(x, 1)]), lambda x: X[np.argsort(x)],
    lambda x: np.where(x > 0, x, 0).sum(keepdims=True).T, lambda x: np.arange(3) * 2,
    lambda x: (x * (x > 0)).reshape(3, 1) @ np.ones((1, 2)), lambda x: x[x > 0].sum(),
]  # fmt: skip


@pytest.mark.parametrize("fn", ONE)
def test_numbers(fn):
    np.testing.assert_allclose(weft.vmap(fn)(np.abs(V) + 0.1), stacked(fn, np.abs(V) + 0.1))


@pytest.mark.parametrize("fn", [branches, *ROWS])
def test_rows(fn):
    want = stacked(fn, V if fn is branches else X)
    found = weft.vmap(fn)(V if fn is branches else X)
    for a, b in zip(found, want, strict=True):
        np.testing.assert_allclose(a, b)
        assert a.dtype == b.dtype


def test_axes():
    def fn(x, w, p):
        return x @ w + p["b"][0], p["c"]

    w, p = RNG.normal(size=(3, 2)), {"b": (RNG.normal(size=(2, 5)),), "c": 3.0}
    found, c = weft.vmap(fn, in_axes=(0, None, {"b": 1, "c": None}), out_axes=(1, None))(X, w, p)
    np.testing.assert_allclose(found, (X @ w + p["b"][0].T).T)
    assert c == 3.0
    assert weft.vmap(lambda x: x, in_axes=-1, out_axes=-1)(X).shape == X.shape


def test_nested_and_in_a_compiled_function():
    outer = weft.vmap(weft.vmap(lambda a, b: a * b if a > 1 else b, (None, 0)), (0, None))
    a, b = np.arange(3.0), np.arange(4.0)
    want = [[x * y if x > 1 else y for y in b] for x in a]
    np.testing.assert_allclose(outer(a, b), want)
    np.testing.assert_allclose(weft.compile(lambda a, b: outer(a, b).sum())(a, b), np.sum(want))


def test_gradients_of_examples():
    def loss(w, x):
        return np.sum(np.tanh(x @ w) ** 2)

    w = RNG.normal(size=(3, 2))
    each = weft.vmap(weft.grad(loss), (None, 0))(w, X)
    np.testing.assert_allclose(each, np.stack([weft.grad(loss)(w, x) for x in X]))
    whole = weft.grad(lambda w: np.sum(weft.vmap(loss, (None, 0))(w, X)))(w)
    np.testing.assert_allclose(whole, each.sum(axis=0))


def test_sizes_share_a_program():
    fn = weft.compile(lambda x: weft.vmap(recurrence)(x)[0])
    for n in (4, 5, 9, 12):
        x = RNG.normal(size=(n, n + 1))
        np.testing.assert_allclose(fn(x), stacked(recurrence, x)[0])
    assert fn.stats()["compiles"] == 2


def test_writes_reach_each_lane():
    def fn(x):
        x[0] = x[1:].sum()
        return x * 2

    ours, theirs = X.copy(), X.copy()
    np.testing.assert_allclose(weft.vmap(fn)(ours), stacked(fn, theirs))
    np.testing.assert_array_equal(ours, theirs)


def test_untaken_branches_raise_nothing():
    def fn(x):
        if x < 0:
            raise ValueError("negative")
        return np.sqrt(x)

    np.testing.assert_allclose(weft.vmap(fn)(np.arange(4.0)), np.sqrt(np.arange(4.0)))
    with pytest.raises(ValueError, match="negative"):
        weft.vmap(fn)(np.array([1.0, -1.0]))


def test_finished_lanes_stop():
    def fn(x):
        count = 0
        while x > 1:
            x = x / 2
            count += 1
        return count

    assert weft.vmap(fn)(np.array([1.0, 8.0, 1000.0])).tolist() == [0, 3, 10]


shared = np.zeros(3)


def writes_shared(x):
    shared[:] = x
    return x


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: weft.vmap(writes_shared)(X), weft.UnsupportedError, "share"),
        (lambda: weft.vmap(lambda x: x[x > 0])(X), weft.UnsupportedError, "different sizes"),
        (lambda: weft.vmap(lambda x, y: x)(X, V[:4]), weft.ShapeError, "lanes"),
        (lambda: weft.vmap(lambda x: x)(1.0), weft.UserError, "axis 0"),
        (lambda: weft.vmap(lambda x: x, in_axes=(0, 1))(X), weft.UserError, "2 entries"),
        (lambda: weft.vmap(lambda x: x, in_axes=None)(X), weft.UserError, "no argument with lanes"),
        (lambda: weft.vmap(lambda x: x, out_axes=None)(X), weft.UserError, "differs between lanes"),
        (lambda: weft.vmap(3), weft.UserError, "takes a function"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()
