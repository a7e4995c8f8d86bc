"""Operators, kinds of values, views, writes, aliases."""

import numpy as np
import pytest

from tests.frontend.running import check

F4 = np.linspace(-2, 3, 12, dtype="f4").reshape(3, 4)
F8 = np.linspace(-1, 5, 12).reshape(3, 4)
I4 = np.arange(12, dtype="i4").reshape(3, 4) - 4
V4 = np.linspace(0.5, 2, 4, dtype="f4")


def writes_view(x):
    y = x[1:]
    y[0] = 7
    x += 1
    return y, x


def transposed_write(x):
    t = x.T
    t[1] *= 2
    return t


def local_alias(x):
    a = np.zeros((3, 4))
    b = a
    b += x
    c = a[0]
    c[:] = 5
    return a, b, c


def copies(x):
    a = x.copy()
    a[0] = 1
    return a, np.array(x), np.asarray(x)


def scalar_rebinds(x):
    s = x.sum()
    t = s
    s += 1
    return s, t


def reshape_views(x):
    y = x.reshape(-1)
    y[0] = 3
    z = x.T.reshape(-1)
    z[1] = 100
    return y, z


@pytest.mark.parametrize(
    "fn",
    [
        lambda x, a: np.tanh(x * a + 1),
        lambda x, a: x + 1,
        lambda x, a: 2 * x - a,
        lambda x, a: x / 2 // 1 % 3,
        lambda x, a: x**2 + x**3,
        lambda x, a: (x > 0) & (x < a),
        lambda x, a: -x + abs(x),
        lambda x, a: x.sum() + a,
        lambda x, a: (x.sum(), a * 2, a, x.shape, len(x), x.ndim, x.size),
        lambda x, a: x,
        lambda x, a: (x, x, x[1:], x.T),
        lambda x, a: {"a": x[0], "b": [x[0, 0], None, "text"]},
        lambda x, a: x[..., None] * np.float32(a),
        lambda x, a: x + np.float64(2),
        lambda x, a: x.dtype == np.float32,
        lambda x, a: np.float32(a) + x[0, 0],
        lambda x, a: x.mean() + x.max(axis=0),
        lambda x, a: x.shape[0] // 2 + x.shape[1] * 2,
        lambda x, a: np.zeros((x.shape[0] + 1, x.shape[1])),
        lambda x, a: x.reshape(-1, 2),
        lambda x, a: x.ravel()[::3],
        lambda x, a: x.shape[0] / 2 + a,
        lambda x, a: 1.0 if x.shape[0] > 2 else x,
        lambda x, a: writes_view(x),
        lambda x, a: transposed_write(x),
        lambda x, a: local_alias(x),
        lambda x, a: copies(x),
        lambda x, a: scalar_rebinds(x),
        lambda x, a: reshape_views(x),
    ],
)
@pytest.mark.parametrize(
    "x", [F4, F8, np.asfortranarray(F4), F8[:, ::-1], I4], ids=["f4", "f8", "F", "strided", "i4"]
)
def test_small_programs(fn, x):
    check(fn, x, 1.5)
