"""NumPy functions by groups.

Each program is compared with NumPy in value, dtype, shape and kind, at two kinds of sizes.
"""

import math

import numpy as np
import pytest

from tests.frontend.running import check

RNG = np.random.default_rng(3)
F4 = RNG.normal(size=(3, 4)).astype("f4")
G4 = (RNG.normal(size=(3, 4)) * 3).astype("f4")
F8 = RNG.normal(size=(2, 3, 4))
V4 = RNG.normal(size=4).astype("f4")
I8 = RNG.integers(-100, 100, (3, 4)).astype("i1")
U8 = RNG.integers(0, 255, (3, 4)).astype("u1")
I4 = RNG.integers(-9, 9, (3, 4)).astype("i4")
J8 = RNG.integers(-9, 9, (3, 4))
U64 = RNG.integers(0, 9, (3, 4)).astype("u8")
B = RNG.random((3, 4)) < 0.5
SPECIAL = np.array([0.0, -0.0, 1.5, -2.5, np.inf, -np.inf, np.nan, 7.0])
ZERO_D = np.array(2.5, "f4")

UNARY = (
    "negative", "positive", "absolute", "fabs", "sign", "rint", "floor", "ceil", "trunc", "sqrt", "square",
    "cbrt",
    "reciprocal", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "arcsin",
    "arccos", "arctan",
    "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "degrees", "radians", "deg2rad", "rad2deg",
    "isnan", "isinf",
    "isfinite", "signbit", "logical_not", "conjugate", "modf", "invert",
)  # fmt: skip
BINARY = (
    "add", "subtract", "multiply", "true_divide", "floor_divide", "remainder", "fmod", "divmod", "power",
    "float_power", "maximum",
    "minimum", "fmax", "fmin", "arctan2", "hypot", "copysign", "nextafter", "logaddexp", "logaddexp2",
    "heaviside",
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or",
    "logical_xor",
    "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift",
)  # fmt: skip
ROUNDED = ("power", "float_power", "arctan2", "hypot", "logaddexp", "logaddexp2")
PAIRS = [
    (F4, G4),
    (F4, V4),
    (F8, V4),
    (J8, I4),
    (U8, I8),
    (F4, J8),
    (B, B),
    (B, I8),
    (U64, J8),
    (I8, U64),
    (U8, U8),
]


def plain(fn, *args):
    """What NumPy says, or None if it refuses or needs a dtype that is not built."""
    try:
        with np.errstate(all="ignore"):
            result = fn(*args)
    except (TypeError, ValueError):
        return None
    leaves = result if isinstance(result, tuple) else (result,)
    return None if any(np.asarray(v).dtype == np.float16 for v in leaves) else result


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    ufunc = getattr(np, name)
    for x in (F4, F8, SPECIAL, I4, J8, U64, B, U8, ZERO_D):
        if plain(ufunc, x) is None or (name == "reciprocal" and x.dtype.kind in "iu"):
            continue
        check(lambda a: getattr(np, name)(a), x, tolerance=1e-6 if x.dtype.kind == "f" else 1e-15)


@pytest.mark.parametrize("name", BINARY)
def test_binary(name):
    ufunc = getattr(np, name)
    for x, y in PAIRS:
        if name == "power" and x.dtype.kind in "iu":
            y = np.abs(y)
        if name.endswith("shift"):
            y = (y % 7).astype(y.dtype) if y.dtype.kind in "iu" else y
        # the last bits of NumPy's own depend on the processor
        within = {"tolerance": 1e-15 if np.result_type(x, y) == "f8" else 1e-6} if name in ROUNDED else {}
        if plain(ufunc, x, y) is not None:
            check(lambda a, b: getattr(np, name)(a, b), x, y, **within)
        if plain(ufunc, x, 3) is not None:
            check(lambda a: getattr(np, name)(a, 3), x, **within)
        if plain(ufunc, x, 2.5) is not None:
            check(lambda a, b: (getattr(np, name)(a, b), getattr(np, name)(b, a)), x, 2.5, **within)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x, y: np.add(x, y, out=x),
        lambda x, y: np.add(x, y, x),
        lambda x, y: np.multiply(x, y, where=x > 0, out=y),
        lambda x, y: np.add(x, 1, dtype=np.float64),
        lambda x, y: np.add(x, y, dtype="f8", casting="unsafe"),
        lambda x, y: np.exp(x, out=np.empty_like(x)),
        lambda x, y: np.subtract(x[0], 1, out=y[1]),
        lambda x, y: np.add.outer(x[0], y[:, 0]),
        lambda x, y: np.maximum.reduce(x) + np.add.reduce(y, axis=1).sum(),
        lambda x, y: np.add.reduce(x, axis=None),
        lambda x, y: np.clip(x, -0.5, 0.5),
        lambda x, y: np.clip(x, None, y),
        lambda x, y: x.clip(0, out=x),
        lambda x, y: x.clip(min=0, max=1),
        lambda x, y: np.where(x > y, x, 0),
        lambda x, y: np.where(x > 0, 1, 2),
        lambda x, y: np.where(x[0] > 0, x, 1.0),
        lambda x, y: np.isclose(x, y),
        lambda x, y: np.allclose(x, x),
        lambda x, y: np.array_equal(x, y),
        lambda x, y: np.nan_to_num(x / 0),
        lambda x, y: np.round(x, 2),
        lambda x, y: (x.round(), np.fix(x)),
        lambda x, y: np.select([x > 0, y > 0], [x, y], 5),
        lambda x, y: np.copyto(x, y, where=x < 0),
        lambda x, y: (np.shape(x), np.ndim(y), np.size(x), np.size(x, 0)),
        lambda x, y: np.heaviside(x, 0.5),
        lambda x, y: (np.isposinf(x), np.isneginf(-y / 0)),
        lambda x, y: divmod(x, y),
        lambda x, y: (x == 300, x < -1000),
        lambda x, y: x ** 0.5 + x ** -1.0 + 2.0 ** x,
        lambda x, y: 1 / x + x.astype(np.float32) * np.float32(2),
        lambda x, y: x.astype("i4") // 2,
        lambda x, y: np.float32(x) + np.int64(3),
        lambda x, y: np.sinc(x),
    ],
)  # fmt: skip
@pytest.mark.parametrize("pair", [(F4, G4), (F4.astype("f8"), G4)], ids=["f4", "f8"])
def test_elementwise(fn, pair):
    check(fn, *pair, tolerance=1e-6)


REDUCTIONS = ("sum", "prod", "max", "min", "all", "any", "mean", "var", "std", "ptp", "count_nonzero",
    "nansum", "nanmax",
              "nanmin", "nanprod", "nanmean")  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1), (0, 2), (), 1], ids=str)
def test_reductions(name, axis):
    for x in (F8, F8.astype("f4"), (F8 * 3).astype("i2"), F8 > 0, (F8 * 3).astype("u4")):
        for keepdims in (False, True):
            if plain(lambda a, n=name, k=keepdims: getattr(np, n)(a, axis=axis, keepdims=k), x) is None:
                continue
            check(lambda a, k=keepdims: getattr(np, name)(a, axis=axis, keepdims=k), x, tolerance=1e-5)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: (x.argmax(), x.argmin(axis=0), np.argmax(x, axis=1, keepdims=True)),
        lambda x: x.sum(dtype=np.float64),
        lambda x: x.sum(axis=0, dtype="f4"),
        lambda x: np.sum(x, axis=1, out=np.zeros(3)),
        lambda x: np.sum(x, initial=5.0),
        lambda x: np.sum(x, where=x > 0),
        lambda x: np.mean(x, where=x > 0, axis=0),
        lambda x: np.max(x, initial=0.0, where=x < 0),
        lambda x: x.var(axis=1, ddof=1) + x.std(0).sum(),
        lambda x: np.average(x, axis=0, weights=[1.0, 2.0, 3.0]),
        lambda x: np.average(x),
        lambda x: x.mean(axis=0, keepdims=True) - x,
        lambda x: (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5),
        lambda x: (
            np.exp(x - x.max(-1, keepdims=True)) / np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)
        ),
        lambda x: np.log(np.sum(np.exp(x), axis=1)),
        lambda x: (np.linalg.norm(x), np.linalg.norm(x, axis=1), np.linalg.norm(x[0], 1)),
        lambda x: sum(x) + max(x.shape) + min(3, x.shape[0]),
        lambda x: np.trace(x),
    ],
)
@pytest.mark.parametrize("x", [F4, F4.astype("f8"), I4], ids=["f4", "f8", "i4"])
def test_reductions_by_keyword(fn, x):
    if plain(fn, x) is not None:
        check(fn, x, tolerance=1e-5)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x, a: x.reshape(2, 6), lambda x, a: x.reshape((4, -1)), lambda x, a: np.reshape(x, (-1,)),
        lambda x, a: x.reshape(x.shape[0], -1, 2), lambda x, a: x.flatten(), lambda x, a: x.T.ravel(),
        lambda x, a: np.ravel(x, order="F"), lambda x, a: x.reshape(6, 2, order="F"),
        lambda x, a: (x.T, np.transpose(a, (2, 0, 1)), a.transpose(1, 0, 2), a.transpose()),
        lambda x, a: (np.swapaxes(a, 0, 2), np.moveaxis(a, 0, -1), np.moveaxis(a, (0, 1), (1, 2))),
        lambda x, a: (np.expand_dims(x, 0), np.expand_dims(x, (0, -1)), x[:, None].squeeze(1),
            x[None].squeeze()),
        lambda x, a: np.broadcast_to(x, (5, 3, 4)), lambda x, a: np.broadcast_arrays(x, a),
        lambda x, a: (np.atleast_1d(x), np.atleast_2d(x[0]), np.atleast_3d(x), np.atleast_3d(x[0])),
        lambda x, a: np.concatenate([x, x * 2, x[:1]]), lambda x, a: np.concatenate((x, x), axis=1),
        lambda x, a: np.concatenate([x, x.astype("f8")], axis=None),
        lambda x, a: np.stack([x, x + 1]), lambda x, a: np.stack([x[0], x[1]], axis=-1),
        lambda x, a: np.hstack([x, x]), lambda x, a: np.hstack([x[0], x[1]]),
        lambda x, a: np.vstack([x[0], x]),
        lambda x, a: np.dstack([x, x]), lambda x, a: np.column_stack([x[:, 0], x]),
        lambda x, a: np.append(x, 3.0),
        lambda x, a: np.split(x, 2, axis=1), lambda x, a: np.array_split(x, 2),
        lambda x, a: np.split(x, [1, 2]),
        lambda x, a: np.hsplit(x, 2), lambda x, a: np.vsplit(x, 3),
        lambda x, a: (np.flip(x), np.flip(x, 0), np.flipud(x), np.fliplr(x), np.rot90(x), np.rot90(x, 3),
            np.rot90(x, 2)),
        lambda x, a: (np.roll(x, 1), np.roll(x, -1, axis=0), np.roll(x, 5, 1), np.roll(x, (1, 2), (0, 1))),
        lambda x, a: (np.repeat(x, 2), np.repeat(x, 3, axis=1), np.tile(x, 2), np.tile(x, (2, 1, 3))),
        lambda x, a: (np.tril(x), np.triu(x, 1), np.tril(a, -1)),
        lambda x, a: (np.diag(x[0]), np.diag(x[0], 1), np.diag(x[0], -2)),
        lambda x, a: np.pad(x, 1), lambda x, a: np.pad(x, ((0, 1), (2, 3)), constant_values=7),
        lambda x, a: (np.diff(x), np.diff(x, axis=0), np.diff(x, 2)),
        lambda x, a: (np.zeros((2, 3)), np.ones(3, "i4"), np.full((2,), 7), np.full(3, 1.5, "f4"),
            np.empty((0, 2))),
        lambda x, a: (np.zeros_like(x), np.ones_like(x, dtype=int), np.full_like(x, 3),
            np.zeros_like(x, shape=(2, 2))),
        lambda x, a: (np.arange(5), np.arange(1, 9, 2), np.arange(3.0), np.arange(0, 1, 0.25),
            np.arange(4, dtype="f4"), np.arange(5, 0, -1)),
        lambda x, a: (np.arange(x.shape[0]), np.arange(1, x.shape[1]), np.arange(x.shape[1], 0, -1)),
        lambda x, a: (np.linspace(0, 1, 5), np.linspace(0, x.sum(), 4), np.linspace(0, 1, 4, endpoint=False)),
        lambda x, a: (np.eye(3), np.eye(2, 4, 1, dtype="f4"), np.identity(3), np.tri(3)),
        lambda x, a: (np.array([1, 2, 3]), np.array([[1.0, 2], [3, 4]]), np.array([x[0, 0], 1.0, x.sum()]),
            np.array(2)),
        lambda x, a: np.array([[x[0, 0], 1], [2, x[1, 1]]]),
        lambda x, a: np.array([x[0], x[1]]),
        lambda x, a: np.kron(x, x[:2, :2]),
        lambda x, a: (np.take(x, [0, 2], axis=0), np.take(x, 1), np.take(x, np.array([3, 0]), 1)),
        lambda x, a: np.ascontiguousarray(x.T),
        lambda x, a: np.squeeze(a[:1]),
        lambda x, a: np.asarray([1, 2]) + x[0, :2],
        lambda x, a: np.outer(x[0], a[0, 0]),
        lambda x, a: x.copy().T,
    ],
)  # fmt: skip
def test_manipulation(fn):
    check(fn, F4, F8)


@pytest.mark.parametrize(
    "fn",
    [
        lambda a, b, v: a @ b, lambda a, b, v: a @ v, lambda a, b, v: v @ b, lambda a, b, v: v @ v,
        lambda a, b, v: np.dot(a, b), lambda a, b, v: a.dot(v), lambda a, b, v: np.dot(2, v),
        lambda a, b, v: np.inner(a, b.T),
        lambda a, b, v: np.outer(v, v), lambda a, b, v: np.vdot(v, v), lambda a, b, v: np.tensordot(a, b, 1),
        lambda a, b, v: np.tensordot(a, b, ([0, 1], [1, 0])), lambda a, b, v: a[None] @ np.stack([b, b]),
        lambda a, b, v: np.matmul(np.stack([a, a]), b), lambda a, b, v: np.stack([a, a]) @ v,
        lambda a, b, v: np.matmul(a, b, out=np.zeros((3, 3), a.dtype)),
        lambda a, b, v: np.maximum(a @ b + 1, 0),
        lambda a, b, v: np.dot(a, np.stack([b, b])),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "?"])
def test_products(fn, dtype):
    a = (RNG.normal(size=(3, 4)) * 3).astype(dtype)
    check(fn, a, np.ascontiguousarray(a.T), a[0], tolerance=1e-5)


INDEX = np.array([2, 0, -1, 1])


@pytest.mark.parametrize(
    "fn",
    [
        lambda x, i: x[0], lambda x, i: x[-1, 2], lambda x, i: x[1:], lambda x, i: x[:, 1:-1],
        lambda x, i: x[::-1, ::2],
        lambda x, i: x[..., 0], lambda x, i: x[None, :, None], lambda x, i: x[()], lambda x, i: x[...],
        lambda x, i: x[2:1],
        lambda x, i: x[-100:100], lambda x, i: x[5:], lambda x, i: x[1, None, 2], lambda x, i: x[1, ..., 1],
        lambda x, i: x[i[:2]], lambda x, i: x[:, i], lambda x, i: x[i[:2], i[1:3]], lambda x, i: x[[0, 2], 1],
        lambda x, i: x[i[:2] % 3, 1:3], lambda x, i: x[1:3][:, [0, 0, 3]], lambda x, i: x[i[0]],
        lambda x, i: x[i[0], i[1]],
        lambda x, i: x[i[1] + 1, 1:], lambda x, i: x[x.argmax(axis=0)[0]],
        lambda x, i: x[np.arange(3), i[:3]],
        lambda x, i: x[:, None, i], lambda x, i: x[None, i[:2], :, None],
        lambda x, i: x[i[:2][:, None], i[None, :]],
        lambda x, i: np.stack([x, x])[0, :, i], lambda x, i: np.stack([x, x])[:, i[:2], i[:2]],
        lambda x, i: np.stack([x, x])[i[3], 1:, i[:2]],
        lambda x, i: x[2], lambda x, i: x[x.shape[0] - 1], lambda x, i: x[: x.shape[1] // 2],
        lambda x, i: x[np.int64(1)],
        lambda x, i: x[[]],
    ],
)  # fmt: skip
def test_reads_by_index(fn):
    check(fn, F4, INDEX)


def writes(key, value):
    def program(x, i):
        x[key(x, i)] = value(x, i)

    return program


def augments(key):
    def program(x, i):
        x[key(x, i)] += 2
        x[key(x, i)] *= x[0, 0]

    return program


KEYS = [
    lambda x, i: 0, lambda x, i: (0, 1), lambda x, i: slice(1, None), lambda x, i: (slice(None), 2),
    lambda x, i: (slice(None, None, -1), slice(1, None, 2)), lambda x, i: (Ellipsis, -1),
    lambda x, i: Ellipsis,
    lambda x, i: i[:2], lambda x, i: (slice(None), i), lambda x, i: (i[:3], i[1:]),
    lambda x, i: (i[0], i[1]), lambda x, i: i[0],
    lambda x, i: x > 0, lambda x, i: x[:, 0] > 0, lambda x, i: (slice(None), x[0] > 0),
    lambda x, i: (0, x[0] > 0),
    lambda x, i: [0, 2],
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "value", [lambda x, i: 7, lambda x, i: 2.5, lambda x, i: x[0, 0] * 2], ids=["int", "float", "scalar"]
)
@pytest.mark.parametrize(
    "x", [F4, I4, np.asfortranarray(F4), F8[0][:, ::-1]], ids=["f4", "i4", "F", "strided"]
)
def test_writes_by_index(key, value, x):
    check(writes(key, value), x, INDEX)


@pytest.mark.parametrize("key", KEYS)
def test_augmented_writes_by_index(key):
    check(augments(key), F4, INDEX)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x, i: np.add.at(x, i, 1.0),
        lambda x, i: np.maximum.at(x[0], i, x[1]),
        lambda x, i: x[1:].T.reshape(-1).fill(3),
        lambda x, i: x[:, 1].fill(3),
        lambda x, i: x.reshape(2, 8)[1].fill(3),
        lambda x, i: x.T[1:].fill(2),
    ],
)
def test_other_writes(fn):
    check(fn, F4[[0, 1, 2, 0]].copy(), np.array([2, 0, -1, 0]))


def test_value_with_axes_at_a_mask():
    def program(x, row):
        x[x[:, 0] > 0] = row
        x[x > 1] = row[0]

    check(program, F4, V4)


def test_python_numbers():
    def program(x, a, n):
        b = a * 2 + 1
        return (
            b,
            -a,
            a / 3,
            n + 1,
            n // 2,
            n * x.shape[0],
            n / 2,
            a + n,
            x * n,
            np.float32(a),
            np.add(a, 1),
            a > 0,
        )

    check(program, F4, 1.5, 7)


def test_constants_stay_python():
    def program(x):
        return math.sqrt(2.0), [1, 2.0, "a"], (x.shape[0] == 3), None, np.pi

    check(program, F4)


def test_loops_over_known_counts_unroll():
    def program(x):
        total = np.zeros(4, x.dtype)
        for row in x:
            total += row
        for k in range(x.shape[1]):
            total[k] *= k
        return total, [row * 2 for row in x[:2]], {k: x[k] for k in range(2)}

    check(program, F4)
