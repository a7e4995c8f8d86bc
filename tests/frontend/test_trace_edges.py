"""Sizes 0 and 1, rank 0, overlapping writes, kinds at the edges."""

import numpy as np
import pytest

from tests.frontend.running import check

EMPTY = np.zeros((0, 3), "f4")
ONE = np.full((1, 3), 2.0, "f4")
ZERO_D = np.array(2.5, "f4")
X = np.arange(12.0).reshape(3, 4)
I = np.arange(12, dtype="i2").reshape(3, 4)  # noqa: E741


def zero_d_is_written(z):
    z += 1
    y = z[...]
    y[()] = y * 2
    return z, z[()], z + 0


def overlapping(x):
    x[1:] = x[:-1]
    x[:, ::-1] += x
    x[0], x[1] = x[1].copy(), x[0].copy()
    return x


def view_follows_base(x):
    row = x[1]
    first = row.sum()
    x[1, 2] = 100
    second = row.sum()
    row[0] = -1
    return first, second, x[1, 0], x.max()


def swapped_views(x):
    a, b = x[0], x[1]
    a[:], b[:] = b * 2, a * 3


def chained_lenses(x):
    y = x.T[::-1, 1:][..., None]
    y[1:3, 0] = 7
    y.reshape(-1)[0] = 9
    return y


def out_is_shared(x):
    y = np.add(x, 1, out=x[::-1])
    return y, x


def a_result_that_is_written_later(x):
    y = x * 2
    z = y[:2]
    y += 1
    return z, y


def kinds(x):
    s = x[0, 0]
    a = np.asarray(s)
    return s, a, s + 1, a + 1, s.astype("f4"), -s, s == 0, abs(a), [s][0], np.float64(3) * s, x.sum() / 2


def integer_kinds(x):
    s = x[0, 1]
    return (
        x * 2,
        x + np.int8(1),
        x * 1.5,
        x / 2,
        x // 3,
        x % 5,
        x**2,
        s + 1,
        s * 2.0,
        x.sum(),
        x.mean(),
        x > s,
        ~x,
        x << 2,
    )


def weak_numbers(x, a, n):
    return (
        x * a,
        x * n,
        x + (a + n),
        np.float32(a) * n,
        a * n,
        n // 3,
        x.astype("f4") * a,
        np.maximum(a, x),
        a**2,
        -n,
    )


@pytest.mark.parametrize("fn", [overlapping, view_follows_base, swapped_views, chained_lenses, out_is_shared,
                                a_result_that_is_written_later])  # fmt: skip
@pytest.mark.parametrize(
    "x", [X, np.asfortranarray(X), X[:, ::-1], X.astype("i4")], ids=["C", "F", "strided", "i4"]
)
def test_views(fn, x):
    check(fn, x)


def computed_ints_beside_others(x, places):
    cube, flag = x.reshape(2, 2, -1), x[0] > 2
    rows, one = (x > 0)[:, 0], cube[places[0], 1, :].copy()
    cube[places[0], :, 1] = 3
    cube[:, places[0], 0] += 2
    x[places[1], flag] *= 2
    x[rows, places[1]] -= 1
    for k in places:
        x[k, 1:] += x[k, 0]
        x[-1, k] = k
    view = x[places[1], 1:]
    view[0] = 5
    return (
        one,
        x[places[1], flag].sum(),
        x[..., places[1]],
        x[places[0], None, 1:],
        cube[1, flag[:2], places[1]].sum(),
        view,
    )


def test_computed_ints_beside_slices_ints_and_masks():
    check(computed_ints_beside_others, np.arange(16.0).reshape(4, 4), np.array([1, -2, 0]))


@pytest.mark.parametrize("fn", [zero_d_is_written])
def test_rank_0(fn):
    check(fn, ZERO_D.copy())


def test_kinds():
    check(kinds, X)
    check(integer_kinds, I)
    check(weak_numbers, X, 1.5, 7)
    check(weak_numbers, I, 2.5, 3)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: x + 1,
        lambda x: x.sum(axis=0),
        lambda x: x.sum(),
        lambda x: x.T @ x,
        lambda x: np.concatenate([x, x]),
        lambda x: x[:, 1:],
        lambda x: x.reshape(3, -1) if x.shape[0] else x.reshape(0, 1, 3),
        lambda x: x + np.ones((1, 3)),
        lambda x: x.all(),
        lambda x: x.prod(axis=1),
        lambda x: x[::-1],
        lambda x: x.copy(),
    ],
)
@pytest.mark.parametrize("x", [EMPTY, ONE], ids=["empty", "one"])
def test_sizes_0_and_1(fn, x):
    check(fn, x)


def test_sizes_that_meet_1_by_accident():
    def fn(x, y):
        return x[1:] + y

    check(fn, np.arange(2.0), np.arange(3.0))
    check(fn, np.arange(4.0), np.arange(3.0))


def test_relations_of_sizes():
    def fn(x, y):
        half = x.shape[0] // 2
        return (
            x[:half] + x[half : 2 * half],
            y[: x.shape[0]],
            x.shape[0] < y.shape[0],
            np.zeros((half, y.shape[0] % 3)),
        )

    check(fn, np.arange(6.0), np.arange(8.0))
    check(fn, np.arange(7.0), np.arange(11.0))


def test_stencil_in_place():
    def fn(u, steps):
        for _ in range(steps):
            u[1:-1, 1:-1] = (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]) / 4

    check(fn, np.arange(30.0).reshape(5, 6) ** 2, 3)


def test_backpropagation_written_by_hand():
    def step(params, x, labels, rate):
        hidden = np.maximum(x @ params["w1"] + params["b1"], 0)
        scores = hidden @ params["w2"] + params["b2"]
        scores -= scores.max(axis=1, keepdims=True)
        p = np.exp(scores)
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(labels)), labels]).mean()
        p[np.arange(len(labels)), labels] -= 1
        p /= len(labels)
        grad = (p @ params["w2"].T) * (hidden > 0)
        params["w2"] -= rate * (hidden.T @ p)
        params["b2"] -= rate * p.sum(axis=0)
        params["w1"] -= rate * (x.T @ grad)
        params["b1"] -= rate * grad.sum(axis=0)
        return loss

    rng = np.random.default_rng(0)
    params = {
        "w1": rng.normal(size=(8, 5)).astype("f4"), "b1": np.zeros(5, "f4"),
        "w2": rng.normal(size=(5, 3)).astype("f4"), "b2": np.zeros(3, "f4"),
    }  # fmt: skip
    check(step, params, rng.normal(size=(7, 8)).astype("f4"), rng.integers(0, 3, 7), 0.1, tolerance=1e-5)
