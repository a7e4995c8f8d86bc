# ruff: noqa: B007, B905, E741, N803, N806, RUF007 -- written as people write them
"""Programs as people write them: objects with state, containers, views, odd inputs, errors.

Not here: how they are run (`test_programs.py`).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tests.api.programs import keywords, program, random


class Perceptron:
    def __init__(self, n):
        self.w = np.zeros(n)
        self.b = 0.0
        self.errors = 0
        self.lr = 0.1

    def fit(self, X, y):
        for xi, t in zip(X, y):
            pred = 1 if xi @ self.w + self.b >= 0 else 0
            u = self.lr * (t - pred)
            self.w += u * xi
            self.b += u
        return self


@program(
    lambda: (Perceptron(2), random().normal(size=(8, 2)), random(1).integers(0, 2, 8)),
    lambda: (Perceptron(2), random().normal(size=(5, 2)), random(1).integers(0, 2, 5)),
)
def ml_perceptron(p, X, y):
    p.fit(X, y)
    return p.w


class Linear:
    def __init__(self, r, i, o):
        self.w = r.normal(size=(i, o))
        self.b = np.zeros(o)

    def __call__(self, x):
        self.x = x
        return x @ self.w + self.b

    def backward(self, g, lr):
        gw = self.x.T @ g
        gx = g @ self.w.T
        self.w -= lr * gw
        self.b -= lr * g.sum(axis=0)
        return gx


class MLP:
    def __init__(self, *sizes):
        self.layers = [Linear(random(i), a, b) for i, (a, b) in enumerate(zip(sizes, sizes[1:]))]
        self.steps = 0

    def step(self, x, y, lr=0.05):
        acts = []
        h = x
        for k, l in enumerate(self.layers):
            h = l(h)
            if k < len(self.layers) - 1:
                acts.append(h > 0)
                h = h * acts[-1]
        g = 2 * (h - y) / y.size
        for l in reversed(self.layers):
            g = l.backward(g, lr)
            if acts:
                g = g * acts.pop()
        self.steps += 1
        return ((h - y) ** 2).mean()


@program(
    lambda: (MLP(3, 5, 2), random().normal(size=(6, 3)), random(1).normal(size=(6, 2))),
    lambda: (MLP(3, 5, 2), random().normal(size=(9, 3)), random(1).normal(size=(9, 2))),
    tol=1024,
)
def ml_mlp_class(net, x, y):
    return net.step(x, y)


class Adam:
    def __init__(self, params, lr=1e-2):
        self.params = params
        self.lr = lr
        self.t = 0
        self.m = [np.zeros_like(p) for p in params]
        self.v = [np.zeros_like(p) for p in params]

    def step(self, grads):
        self.t += 1
        for p, g, m, v in zip(self.params, grads, self.m, self.v):
            m[:] = 0.9 * m + 0.1 * g
            v[...] = 0.999 * v + 0.001 * g**2
            mh = m / (1 - 0.9**self.t)
            vh = v / (1 - 0.999**self.t)
            p -= self.lr * mh / (np.sqrt(vh) + 1e-8)


@program(
    lambda: (Adam([np.ones((2, 3)), np.zeros(3)]), [random().normal(size=(2, 3)), random(1).normal(size=3)]),
    lambda: (Adam([np.ones((4, 2)), np.zeros(2)]), [random().normal(size=(4, 2)), random(1).normal(size=2)]),
)
def ml_adam_class(opt, grads):
    for _ in range(3):
        opt.step(grads)
    return opt.params


@dataclass
class Kalman:
    x: np.ndarray
    P: np.ndarray
    F: np.ndarray
    H: np.ndarray
    Q: np.ndarray
    R: float
    n: int = 0

    def predict(self):
        self.x = self.F @ self.x
        self.P = self.F @ self.P @ self.F.T + self.Q
        self.n += 1

    def update(self, z):
        y = z - self.H @ self.x
        S = self.H @ self.P @ self.H.T + self.R
        K = self.P @ self.H.T / S
        self.x = self.x + K @ y
        self.P = (np.eye(len(self.x)) - K @ self.H) @ self.P
        return self.x[0]


def kalman():
    return Kalman(
        np.zeros(2), np.eye(2), np.array([[1.0, 1], [0, 1]]), np.array([[1.0, 0]]), np.eye(2) * 0.01, 0.5
    )


@program(lambda: (kalman(), random().normal(size=1)), tol=1024)
def cl_kalman_step(k, z):
    k.predict()
    return k.update(z)


class Counter:
    def __init__(self):
        self.total = np.zeros(3)
        self.calls = 0
        self.history = []

    def add(self, x):
        self.total += x
        self.calls += 1
        self.history.append(x.sum())
        return self.total


@program(lambda: (Counter(), np.arange(3.0)))
def cl_counter(c, x):
    c.add(x)
    c.add(2 * x)
    return c.total.mean()


class Point(NamedTuple):
    x: object
    y: object


@program(
    lambda: (Point(np.arange(3.0), 2.0), Point(np.ones(3), 1)),
    lambda: (Point(np.arange(5.0), 2.5), Point(np.ones(5), 3)),
)
def co_namedtuple(p, q):
    return Point(p.x + q.x, p.y * q.y), p._replace(x=q.x), p


@dataclass(frozen=True)
class Config:
    lr: float = 0.1
    name: str = "sgd"
    sizes: tuple = (2, 3)


@program(
    lambda: (Config(), np.ones(3)),
    lambda: (Config(lr=0.5, name="momentum"), np.ones(3)),
    lambda: (Config(0.2), np.ones(6)),
)
def co_config(cfg, w):
    if cfg.name == "sgd":
        w -= cfg.lr
    elif cfg.name == "momentum":
        w *= 1 - cfg.lr
    return {"w": w, "shape": cfg.sizes, "cfg": cfg.name}


@program(
    lambda: keywords(1, 2.5, np.arange(3.0), scale=2.0, shift=np.ones(3)),
    lambda: keywords(np.ones(2), scale=3),
    lambda: keywords(),
)
def co_varargs(*args, **kwargs):
    total = 0
    for a in args:
        total = total + a
    for k, v in kwargs.items():
        total = total * v if k == "scale" else total + v
    return total, len(args), sorted(kwargs)


@program(
    lambda: keywords(np.arange(6.0).reshape(2, 3), axis=1),
    lambda: keywords(np.arange(6.0).reshape(2, 3), axis=0),
    lambda: keywords(np.arange(6.0).reshape(2, 3), axis=None),
    lambda: keywords(np.arange(4.0), axis=-1, keepdims=True),
)
def co_axis(x, *, axis=None, keepdims=False):
    return x.sum(axis=axis, keepdims=keepdims), np.argmax(x, axis=axis), x.mean(axis, keepdims=keepdims)


@program(lambda: ({"a": [np.arange(3.0), {"b": np.ones(2)}], "c": (1, 2.0, True, None, "s")},))
def co_nested(t):
    t["a"][0] += 1
    t["new"] = t["a"][1]["b"] * t["c"][1]
    return [t["a"][0], t["c"], {"z": t["a"][0][1:]}]


@program(
    lambda: (np.arange(6.0), [2, 3]), lambda: (np.arange(6.0), (3, 2)), lambda: (np.arange(8.0), (2, 2, 2))
)
def co_shape_arg(x, shape):
    y = x.reshape(shape)
    return y, y.shape, y.ndim, y.size, y.T.shape


@program(lambda: np.arange(10.0), lambda: np.arange(20.0)[::2], lambda: np.arange(10.0)[::-1])
def vi_inplace_chain(x):
    y = x[2:]
    y += 1
    y *= 2
    x[0] = y[0]
    z = x[::-1]
    z[:3] -= 5
    return y, z


@program(
    lambda: np.arange(12.0).reshape(3, 4),
    lambda: np.arange(12.0).reshape(4, 3).T,
    lambda: np.arange(45.0).reshape(5, 9)[1:4, ::2],
)
def vi_transpose_write(x):
    t = x.T
    t[0] = -1
    t[:, 1] += 10
    r = x.ravel()
    return t, r, x.reshape(-1)


@program(lambda: (np.arange(5.0),) * 2, lambda: (np.arange(5.0), np.ones(5)), lambda: (np.arange(7.0),) * 2)
def vi_same_arg(a, b):
    a += b
    b += a
    return a, b, a is b


@program(
    lambda: (np.zeros((4, 4)), np.array([0, 1, 3]), np.array([1, 1, 2])),
    lambda: (np.zeros((5, 6)), np.array([0, 4]), np.array([1, 5])),
)
def vi_fancy_write(x, i, j):
    x[i, j] = np.arange(1.0, len(i) + 1)
    x[i] += 1
    x[:, j] *= 2
    x[i[:, None], j] -= 0.5
    return x[np.ix_(i, j)], x[i][:, j]


@program(lambda: (np.zeros(3), np.arange(3.0)), lambda: (np.zeros((2, 3)), np.ones((2, 3))))
def vi_out(out, x):
    np.add(x, 1, out=out)
    np.multiply(out, 2, out=out)
    r = np.exp(x, out=x)
    return r


@program(lambda: (np.array(3.0),), lambda: (np.array(4.0),), lambda: (np.array([1.0]),))
def od_zero_d(x):
    y = x + 1
    x += 2
    return y, x, x * x, x[()] if x.ndim == 0 else x[0], x.sum(), x.reshape(1), np.sqrt(x)


@program(lambda: np.zeros((0,)), lambda: np.zeros((3,)), lambda: np.zeros(1), lambda: np.zeros(0, dtype="f4"))
def od_empty(x):
    return (
        x.sum(),
        x + 1,
        x.prod(),
        x[:, None] * x,
        np.concatenate([x, x]),
        (x > 0).any(),
        (x > 0).all(),
        x[1:],
        x.cumsum(),
    )


@program(
    lambda: (np.ones((1, 4)), np.ones((3, 1))),
    lambda: (np.ones((2, 4)), np.ones((1, 1))),
    lambda: (np.ones((3, 4)), np.ones((3, 4))),
    lambda: (np.ones((1, 1)), np.ones((1, 7))),
)
def od_size_one(a, b):
    return a + b, (a * b).sum(0), np.broadcast_to(a, (a + b).shape)


@program(
    lambda: (np.arange(6, dtype="f4"), np.arange(6.0), np.arange(6), np.arange(6) > 2),
    lambda: (np.arange(9, dtype="f4")[::-1], np.arange(18.0)[::2], np.arange(9), np.arange(9) > 2),
)
def od_mixed(f4, f8, i8, b):
    return (
        f4 + f8,
        f4 * i8,
        f4 + 1,
        f4 * b,
        i8 + b,
        b + b,
        b & (i8 > 1),
        i8 / 2,
        f4 + np.float64(1),
        i8 * 2.5,
        f4**2,
        i8.mean(),
        b.sum(),
        f4.sum(),
    )


@program(
    lambda: (
        np.arange(6, dtype=np.int8),
        np.arange(6, dtype=np.uint8),
        np.arange(6, dtype=np.int16),
        np.arange(6, dtype=np.uint32),
    ),
    lambda: (
        np.arange(100, 110, dtype=np.int8),
        np.arange(250, 260).astype(np.uint8),
        np.arange(10, dtype=np.int16),
        np.arange(10, dtype=np.uint32),
    ),
)
def od_small_ints(a, b, c, d):
    return (
        a + a,
        a * b,
        a + c,
        b - 1,
        d * c,
        a.sum(),
        b.cumsum(),
        -b,
        a / b,
        b // 3,
        a % 4,
        a << 1,
        np.abs(a),
        a.mean(),
        b.max(),
        a.dtype == np.int8,
    )


@program(
    lambda: np.arange(24.0).reshape(4, 6)[::-1, ::2],
    lambda: np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    lambda: np.broadcast_to(np.arange(3.0), (4, 3)),
)
def od_strided_read(x):
    return x.sum(0), x @ x.T, x.cumsum(axis=1), np.sort(x, axis=0), x.argmax(1), x * 2, x.flatten(), x.copy()


@program(lambda: np.arange(9.0).reshape(3, 3), lambda: np.arange(16.0).reshape(4, 4))
def od_diag_ops(a):
    n = len(a)
    a[np.arange(n), np.arange(n)] = 0
    i = np.tril_indices(n)
    return np.trace(a), np.triu(a), a[i], np.diag(a), np.diag(np.arange(n))


@program(lambda: (np.arange(4.0), np.array([0, 1])), lambda: (np.arange(4.0), np.array([0, 9])))
def er_gather(x, i):
    return x[i] * 2


@program(lambda: (np.ones(3),), lambda: (np.array([1.0, -1.0, 2.0]),))
def er_traced_raise(x):
    if (x < 0).any():
        raise ValueError("negative values")
    return np.sqrt(x)


@program(lambda: (np.ones(3),), lambda: (-np.ones(4),))
def er_assert(x):
    assert x.sum() > 0, "sum must be positive"
    return x / x.sum()


@program(lambda: (4, 2), lambda: (4, 0), lambda: (5, 3))
def er_zerodiv(a, b):
    return a / b, a // b


@program(lambda: (np.arange(5.0),), lambda: (np.arange(9.0),))
def py_try(x):
    try:
        return x.reshape(5, 1)
    except ValueError:
        return x[:, None]


@program(lambda: (np.arange(5.0),), lambda: (np.arange(9.0),))
def py_zip_enumerate(x):
    out = np.zeros(len(x))
    for i, (a, b) in enumerate(zip(x, x[::-1])):
        out[i] = a * b if i % 2 == 0 else a - b
    return out


@program(lambda: (np.arange(6.0), slice(1, 4)), lambda: (np.arange(9.0), slice(None, None, 2)))
def py_slice_arg(x, s):
    return x[s], x[s].sum()


@program(lambda: ({"n": 0}, np.ones((3, 2))), lambda: ({"n": 0}, np.ones((20, 2))))
def co_count_in_dict(d, X):
    for x in X:
        d["n"] += 1
    d["n"] *= 2
    return d["n"], "n" in d, "m" in d


@program(lambda: ([0, 1.5], np.ones((3, 2))), lambda: ([0, 1.5], np.ones((20, 2))))
def co_count_in_list(items, X):
    for x in X:
        items[0] += 1
        items[1] = items[1] * 0.5
    return items[0]


@program(
    lambda: (Counter(), np.ones((3, 3))),
    lambda: (Counter(), np.ones((20, 3))),
    lambda: (Counter(), np.ones((30, 3))),
)
def cl_count_in_object(c, X):
    for x in X:
        c.calls += 1
        c.total = c.total + x
        c.history.append(c.calls)
    return c.history


@program(lambda: (np.arange(6.0),), lambda: (np.arange(7.0),), lambda: (np.arange(9.0),))
def py_text_of_sizes(x):
    name = f"n={len(x)}"
    return {name: x.sum(), f"{x.ndim}d": x.shape, "dtype": str(x.dtype)}


@program(*(lambda k=k: (np.arange(4, dtype=np.uint8), k) for k in (2, 3, 100, 300, -1, 5)))
def od_python_ints_and_small_dtypes(x, k):
    less, equal = x < k, k == x
    clipped = x.clip(-1, k + 300)
    chosen = np.where(x > 1, x, k) if 0 <= k < 256 else k  # for others NumPy 2.5 raises, older ones wrap
    wide = x.astype("i8") + k
    return less, equal, clipped, chosen, wide, x.astype("f4") * k


@program(*(lambda k=k: (np.arange(4, dtype=np.uint8), k) for k in (2, 3, 300, 7, -1, 5)))
def er_python_ints_beyond_the_dtype(x, k):
    return x + k


@program(*(lambda k=k: (np.arange(4, dtype=np.int8), k) for k in (2, 3, -1, 1)))
def er_negative_power(x, k):
    return x**k


@program(*(lambda n=n, v=v: (np.eye(1, n, 3)[0] * v,) for n in (20, 12, 9) for v in (0, 1)))
def er_returns_from_loops(x):
    for i in range(len(x)):
        if x[i] > 0.9:
            return {"place": i, "values": (x[i], x * 2)}, "found"
    return {"place": -1, "values": (x[0], x * 0)}, "found"


@program(lambda: (np.arange(9.0).reshape(3, 3),), lambda: (np.arange(20.0).reshape(4, 5),))
def vi_diagonals(a):
    d = np.diag(a)
    before = d * 2
    a[0, 0] = 7
    return d, before, d + 1, np.diagonal(a, 1), a.diagonal(-1), np.trace(a)


@program(lambda: (np.arange(4.0), 2), lambda: (np.arange(5, dtype="i4"), 1), lambda: (np.arange(6) > 2, -1))
def py_items(x, k):
    total = x.sum().item()
    return (
        total,
        x.item(k),
        x[None].item(0, k),
        x[k].item(),
        total * 2,
        x[k : k + 1].max().item() if k > 0 else k,
    )


@program(lambda: (np.arange(1.0),), lambda: (np.arange(4.0),), lambda: (np.arange(5.0),))
def er_item_of_many(x):
    return x.item() + 1
