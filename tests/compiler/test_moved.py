"""What is read beside a result, at another place than its own, is not put into the kernel that makes it."""

import numpy as np
import pytest

import weft


def reversed_product(x, y):
    made = y @ x
    turned = made.copy()
    turned[::-1] = made
    return turned * made


def reversed_rows(x, y):
    made = y - y.sum(-1, keepdims=True)
    turned = made.copy()
    turned[::-1] = made
    return turned * made


def reversed_columns(x, y):
    made = y - y.sum(0)
    turned = made.copy()
    turned[:, ::-1] = made
    return turned * made


def moved_product(x, y):
    made = y @ y
    return np.pad(made[1:-1, 1:-1], 1) * made + np.concatenate([made[5:], made[:5]])


def rolled_rows(x, y):
    made = y - y.sum(-1, keepdims=True)
    return np.roll(made, 1, 0) * made + made[::-1]


@pytest.mark.parametrize(
    "fn", [reversed_product, reversed_rows, reversed_columns, moved_product, rolled_rows]
)
def test_results_read_at_other_places(fn):
    x, y = np.arange(10).reshape(10, 1), np.arange(100).reshape(10, 10) % 7
    assert np.array_equal(weft.compile(fn)(x, y), fn(x, y))
