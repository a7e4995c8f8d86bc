"""Steps on tables of which few rows are read: the same numbers as dense steps, at the cost of these rows."""

import numpy as np
import pytest

import weft
from weft import nn, optim


def train(optimizer_of, dense, steps=3):
    """A table after some steps on batches with repeated and negative indices, and the program."""
    rng = np.random.default_rng(0)
    table = weft.Variable(rng.standard_normal((50, 4)))
    optimizer = optimizer_of([table])

    def loss(i, j):
        rows = table * 1.0 if dense else table  # a product of the whole table has no row-sparse gradient
        return np.sum(np.sin(nn.embedding(rows, i))) + np.sum(rows[j] ** 3)

    step = weft.compile(lambda i, j: optimizer.minimize(loss, i, j))
    losses = [step(rng.integers(-50, 50, (3, 7)), rng.integers(0, 50, 6)) for _ in range(steps)]
    return table.numpy().copy(), losses, step


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adagrad])
def test_rows_alone_give_what_all_rows_give(kind):
    sparse, losses, step = train(lambda v: kind(v, lr=0.1), dense=False)
    dense, expected, _ = train(lambda v: kind(v, lr=0.1), dense=True)
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
    np.testing.assert_allclose(sparse, dense, rtol=1e-12)
    assert "scatter(%0" not in step.ir("tensor")
    assert all(" 50 " not in line for line in step.ir("tensor").splitlines() if "broadcast" in line)


@pytest.mark.parametrize("kind", [optim.Momentum, optim.RMSProp, optim.Adam])
def test_lazily_a_first_step_is_the_same_and_others_leave_rows_alone(kind):
    lazy, _, _ = train(lambda v: kind(v, lr=0.1, lazy=True), dense=False, steps=1)
    full, _, _ = train(lambda v: kind(v, lr=0.1), dense=True, steps=1)
    np.testing.assert_allclose(lazy, full, rtol=1e-12)
    table = weft.Variable(np.ones((5, 2)))
    optimizer = kind([table], lr=0.1, lazy=True)
    optimizer.minimize(lambda: np.sum(table[np.array([1])]))
    before = table.numpy().copy()
    optimizer.minimize(lambda: np.sum(table[np.array([3])]))
    np.testing.assert_array_equal(table.numpy()[[0, 1, 2, 4]], before[[0, 1, 2, 4]])


def test_a_step_on_a_large_table_touches_the_rows_read():
    table = weft.Variable(np.zeros((2_000_000, 4), np.float32))  # 32 MB
    optimizer = optim.Adagrad([table], lr=0.1)
    step = weft.compile(lambda i: optimizer.minimize(lambda: np.sum((table[i] - 1) ** 2)))
    rows = np.array([5, 1_999_999, 5, 77])
    for _ in range(3):
        step(rows)
    assert step.stats()["arena_bytes"] < 100_000
    assert set(np.flatnonzero(table.numpy().any(1))) == set(rows)
