"""Random calls of the standard's functions: shapes, axes, dtypes that promote, Python numbers, keywords given or left out.

They follow the arguments that the public suite (data-apis/array-api-tests) draws. Not here: one call for each dtype (`checks.py`).
"""

import numpy as np

from tests.array_api.checks import square
from tests.array_api.specification import ALL, ELEMENTWISE, FLOATS, NUMERIC, OF_COMPLEX, OF_FLOATS, REAL

_PAIRS = [(a, b) for a in ALL for b in ALL if a[0] == b[0] or {a[0], b[0]} == {"f", "c"}]
"""dtypes that promote by the standard; signed with unsigned integers too, but for uint64."""
_PAIRS += [(a, b) for a in ("i1", "i2", "i4", "i8") for b in ("u1", "u2", "u4")]


class Draw:
    """One call's choices."""

    def __init__(self, seed, name, number):
        self.rng = np.random.default_rng([seed, number, *map(ord, name)])

    def pick(self, *options):
        """One of them."""
        return options[self.rng.integers(len(options))]

    def keywords(self, **options):
        """Some of them."""
        return {key: value for key, value in options.items() if self.rng.random() < 0.6}

    def shape(self, least=0, most=4, sides=(0, 1, 2, 3, 5)):
        """Sides of 0 too, but seldom."""
        ndim = self.rng.integers(least, most + 1)
        return tuple(int(s) for s in self.rng.choice(sides, ndim, p=_weights(sides)))

    def array(self, dtype, shape):
        """Whole range of integers at times, special values among floats."""
        dtype, rng = np.dtype(dtype), self.rng
        if dtype.kind == "b":
            return np.asarray(rng.random(shape) < 0.5)
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            low, high = (info.min, info.max) if rng.random() < 0.2 else (max(info.min, -9), 9)
            return np.asarray(rng.integers(low, high, shape, dtype, endpoint=True))
        value = rng.normal(size=shape) * rng.choice([0.1, 1, 30])
        value = np.where(
            rng.random(shape) < 0.1, rng.choice([0.0, -0.0, np.inf, -np.inf, np.nan], shape), value
        )
        return np.asarray(value + 1j * rng.normal(size=shape) if dtype.kind == "c" else value).astype(dtype)

    def finite(self, dtype, shape):
        """Without infinities and NaN."""
        x = self.array(dtype, shape)
        return np.where(np.isfinite(x), x, 1).astype(x.dtype)

    def axis(self, x, *, none=True, many=True):
        """An axis, several, all."""
        if x.ndim == 0:
            return None
        options = [int(self.rng.integers(-x.ndim, x.ndim))]
        options += [None] if none else []
        if many:
            axes = self.rng.permutation(x.ndim)[: self.rng.integers(1, x.ndim + 1)]
            options.append(tuple(int(a - x.ndim * self.pick(0, 1)) for a in axes))
        return self.pick(*options)

    def like(self, shape):
        """A shape that broadcasts with another."""
        kept = shape[self.rng.integers(0, len(shape) + 1) :]
        return tuple(1 if self.rng.random() < 0.2 else s for s in kept)


def _weights(sides):
    weights = np.where(np.asarray(sides) == 0, 0.3, 1.0)
    return weights / weights.sum()


def _elementwise(d, name, dtypes, arity):
    dtypes = [
        t
        for t in dtypes
        if (name not in OF_FLOATS or t[0] in "fc") and (name not in OF_COMPLEX or t[0] == "c")
    ]
    if arity == 1:
        return (d.array(d.pick(*dtypes), d.shape()),), {}
    first, second = d.pick(*[pair for pair in _PAIRS if set(pair) <= set(dtypes)])
    if d.pick(True, False):
        first, second = second, first
    shape = d.shape()
    a, b = d.array(first, shape), d.array(second, d.like(shape))
    if "shift" in name or (name == "pow" and b.dtype.kind in "iu"):
        b = (np.abs(b.astype("i8")) % 7).astype(b.dtype)
    if d.rng.random() < 0.25:  # a Python number of the same kind
        b = {"b": True, "i": 3, "u": 2, "f": 1.5, "c": 2 - 1j}[a.dtype.kind]
        return ((b, a) if d.pick(True, False) and "shift" not in name and name != "pow" else (a, b)), {}
    return ((a, b) if d.pick(True, False) or "shift" in name or name == "pow" else (b, a)), {}


def _reduction(d, name):
    if name in ("argmax", "argmin"):
        x = d.array(d.pick(*REAL), d.shape(1, 4, (1, 2, 3, 5)))
        return (x,), d.keywords(axis=d.axis(x, many=False), keepdims=d.pick(True, False))
    dtypes = {
        "sum": NUMERIC,
        "prod": NUMERIC,
        "mean": FLOATS,
        "std": FLOATS,
        "var": FLOATS,
        "max": REAL,
        "min": REAL,
    }.get(name, ALL)
    x = d.array(d.pick(*dtypes), d.shape(0, 4, (1, 2, 3, 5)))
    options = {"axis": d.axis(x), "keepdims": d.pick(True, False)}
    if name in ("sum", "prod"):
        options["dtype"] = np.result_type(x.dtype, d.pick("f8", "c16") if x.dtype.kind in "fc" else x.dtype)
    if name in ("std", "var"):
        options["correction"] = d.pick(0, 1, 0.5)
    return (x,), d.keywords(**options)


def _matrices(d, dtype=None, low=0):
    """A stack of square matrices that can be inverted."""
    dtype, n, stack = (
        dtype or d.pick(*FLOATS, "c8", "c16"),
        int(d.rng.integers(low, 5)),
        d.shape(0, 2, (1, 2)),
    )
    return (
        np.broadcast_to(square(dtype, n), (*stack, n, n))
        + d.finite(dtype, (*stack, 1, 1)) * np.eye(n, dtype=dtype) * 0.01
    )


def _linalg(d, name):
    stack = d.shape(0, 2, (1, 2))
    x = d.finite(d.pick(*FLOATS, "c16"), (*stack, *d.shape(2, 2, (1, 2, 4))))
    if name in ("matmul", "vecdot", "tensordot", "outer", "matrix_transpose"):
        return _products(d, name)
    if name == "cross":
        first, second = d.pick(*[p for p in _PAIRS if set(p) <= set(NUMERIC)])
        return (d.array(first, (*stack, 3)), d.array(second, (3,))), d.keywords(axis=-1)
    if name == "solve":
        a = _matrices(d, d.pick(*FLOATS), 1)
        return (a, d.finite(a.dtype, d.pick((a.shape[-1],), (*a.shape[:-1], 2)))), {}
    table = {
        "cholesky": (_matrices(d, d.pick(*FLOATS)), d.keywords(upper=d.pick(True, False))), "det": (_matrices(d), {}), "inv": (_matrices(d), {}),
        "slogdet": (_matrices(d), {}), "eigvalsh": (_matrices(d, "f8", 1), {}), "eigh": (_matrices(d, "f8", 1), {}), "eig": (_matrices(d, "f8", 1), {}),
        "eigvals": (_matrices(d, "f8", 1), {}), "diagonal": (x, d.keywords(offset=int(d.rng.integers(-3, 4)))), "svdvals": (x, {}),
        "svd": (x, {"full_matrices": False}), "qr": (x, d.keywords(mode=d.pick("reduced", "complete"))), "matrix_rank": (x, {}),
        "pinv": (x, d.keywords(rtol=1e-5)), "trace": (x, d.keywords(offset=int(d.rng.integers(-3, 4)))),
        "matrix_norm": (x, d.keywords(keepdims=True, ord=d.pick("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf))),
        "vector_norm": (x, d.keywords(keepdims=True, axis=d.axis(x), ord=d.pick(0, 1, 2, 3, -1, np.inf, -np.inf, 0.5))),
    }  # fmt: skip
    if name == "matrix_power":
        return (_matrices(d), int(d.rng.integers(-3, 6))), {}
    return (table[name][0],), table[name][1]


def _products(d, name):
    first, second = d.pick(*[p for p in _PAIRS if set(p) <= set(NUMERIC)])
    stack, n = d.shape(0, 2, (1, 2)), int(d.rng.integers(0, 5))
    if name == "matrix_transpose":
        return (d.array(first, d.shape(2, 4)),), {}
    if name == "outer":
        return (d.finite(first, d.shape(1, 1)), d.finite(second, d.shape(1, 1))), {}
    if name == "vecdot":
        return (d.finite(first, (*stack, n)), d.finite(second, (n,))), d.keywords(axis=-1)
    if name == "tensordot":
        axes = d.pick(0, 1, 2, ((0, 1), (1, 0)))
        return (d.finite(first, (3, 2)), d.finite(second, (2, 3) if axes != 2 else (3, 2))), {"axes": axes}
    left, right = d.pick(
        ((*stack, 3, n), (n, 2)), ((n,), (*stack, n, 2)), ((*stack, 3, n), (n,)), ((n,), (n,))
    )
    return (d.finite(first, left), d.finite(second, right)), {}


def _fft(d, name):
    if name.endswith("freq"):
        return (int(d.rng.integers(1, 20)),), d.keywords(d=d.pick(1.0, 0.25))
    shape = d.shape(1, 3, (2, 3, 5, 7))
    x = d.finite("f8" if name in ("rfft", "rfftn", "ihfft") else "c16", shape)
    axes = tuple(int(a) for a in d.rng.permutation(len(shape))[: d.rng.integers(1, len(shape) + 1)])
    if name.endswith("shift"):
        return (x,), d.keywords(axes=d.pick(axes, axes[0]))
    norm = d.pick("backward", "ortho", "forward")
    if name.endswith("n"):
        options = d.keywords(axes=axes, norm=norm)
        return (x,), options | (
            {"s": tuple(int(d.rng.integers(2, 8)) for _ in axes)}
            if "axes" in options and d.pick(True, False)
            else {}
        )
    return (x,), d.keywords(n=int(d.rng.integers(2, 9)), axis=axes[0], norm=norm)


def _shapes(d, name):
    """Creation, and functions that move elements."""
    x = d.array(d.pick(*ALL), d.shape(1, 4, (1, 2, 3)))
    axis, size = int(d.rng.integers(-x.ndim, x.ndim)), x.size
    first, second = d.pick(*_PAIRS)
    order, dtype = tuple(int(a) for a in d.rng.permutation(x.ndim)), np.dtype(d.pick(*ALL))
    whole = (int(d.rng.integers(0, 6)), d.pick(None, int(d.rng.integers(0, 6))))
    table = {
        "astype": ((x, dtype if x.dtype.kind != "c" or dtype.kind == "c" else x.dtype), d.keywords(copy=d.pick(True, False))),
        "broadcast_arrays": ((x, d.array(second, d.like(x.shape))), {}), "broadcast_to": ((x, (*d.shape(0, 2, (1, 2)), *x.shape)), {}),
        "concat": (([x, d.array(second if x.dtype.kind == np.dtype(second).kind else x.dtype, x.shape), x],), d.keywords(axis=d.pick(axis, None))),
        "stack": (([x, x + x if x.dtype != bool else x],), d.keywords(axis=axis)), "expand_dims": ((x,), {"axis": int(d.rng.integers(-x.ndim - 1, x.ndim + 1))}),
        "flip": ((x,), d.keywords(axis=d.axis(x))), "moveaxis": ((x, axis, d.pick(0, -1)), {}), "permute_dims": ((x, order), {}),
        "repeat": ((x, d.pick(1, 3)), d.keywords(axis=axis)), "reshape": ((x, d.pick((size,), (-1,), (1, size), (*x.shape, 1))), d.keywords(copy=True)),
        "roll": ((x, int(d.rng.integers(-9, 9))), d.keywords(axis=axis)), "squeeze": ((x[None, :, None],), {"axis": d.pick(0, (0, 2), -x.ndim - 1 if x.ndim == 1 else 2)}),
        "tile": ((x, tuple(int(r) for r in d.rng.integers(0, 3, d.rng.integers(1, x.ndim + 2)))), {}), "unstack": ((x,), d.keywords(axis=axis)),
        "tril": ((d.array(first, d.shape(2, 4)),), d.keywords(k=int(d.rng.integers(-3, 4)))), "triu": ((d.array(first, d.shape(2, 4)),), d.keywords(k=int(d.rng.integers(-3, 4)))),
        "full": ((x.shape, x.ravel()[0].item()), d.keywords(dtype=x.dtype)), "full_like": ((x, x.ravel()[0].item()), d.keywords(dtype=x.dtype)),
        "ones": ((d.pick(x.shape, 3),), d.keywords(dtype=dtype)), "zeros": ((d.pick(x.shape, 3),), d.keywords(dtype=dtype)),
        "ones_like": ((x,), d.keywords(dtype=dtype)), "zeros_like": ((x,), d.keywords(dtype=dtype)), "eye": (whole, d.keywords(k=int(d.rng.integers(-3, 4)), dtype=np.dtype(first))),
        "linspace": ((d.pick(0, -2.5, 1e3), d.pick(7, 0.1, -3.0)), d.keywords(dtype=np.dtype(d.pick(*FLOATS)), endpoint=d.pick(True, False)) | {"num": int(d.rng.integers(0, 9))}),
        "arange": ((d.pick(0, -3, 2.5), d.pick(9, 4.5, -8), d.pick(1, 2, -3, 0.5)), {}), "meshgrid": ((d.array(first, (3,)), d.array(first, (2,)), d.array(first, (2,))), d.keywords(indexing=d.pick("xy", "ij"))),
    }  # fmt: skip
    return table.get(name)


def _others(d, name):
    x = d.array(d.pick(*REAL), d.shape(1, 3, (1, 2, 3, 5)))
    axis, any_x = int(d.rng.integers(-x.ndim, x.ndim)), d.array(d.pick(*ALL), x.shape)
    size = x.shape[axis]
    numeric = d.array(d.pick(*NUMERIC), x.shape)
    first, second = d.pick(*_PAIRS)
    flat, wanted = np.sort(d.finite("f8", (5,))), d.finite("f8", (4,))
    mixed = np.random.default_rng(3).permutation(5)
    table = {
        "clip": ((x, *d.pick((), (d.pick(0, 1),), (d.pick(None, 1), 3))), {}), "count_nonzero": ((any_x,), d.keywords(axis=d.axis(x), keepdims=True)),
        "cumulative_sum": ((numeric,), {"axis": axis} | d.keywords(include_initial=d.pick(True, False))), "cumulative_prod": ((numeric,), {"axis": axis} | d.keywords(include_initial=True)),
        "diff": ((numeric,), {"axis": axis} | d.keywords(n=d.pick(0, 1, 2), prepend=numeric[(slice(None),) * (axis % x.ndim) + (slice(0, 1),)], append=numeric)),
        "isin": ((x, d.array(x.dtype, (4,))), d.keywords(invert=True)), "nonzero": ((any_x,), {}), "take": ((any_x, d.rng.integers(-size, size, 3)), {"axis": axis}),
        "take_along_axis": ((any_x, d.rng.integers(-size, size, tuple(2 if k == axis % x.ndim else s for k, s in enumerate(x.shape)))), d.keywords(axis=axis) if axis == -1 else {"axis": axis}),
        "searchsorted": ((flat[mixed], wanted), {"sorter": np.argsort(flat[mixed])}) if d.pick(True, False) else ((flat, wanted), d.keywords(side="right")),
        "where": ((d.array("?", d.like(x.shape)), d.array(first, x.shape), d.pick(d.array(second, d.like(x.shape)), 2 if first[0] in "iufc" else True)), {}),
        "sort": ((x,), d.keywords(axis=axis, descending=d.pick(True, False), stable=d.pick(True, False))), "argsort": ((x,), d.keywords(axis=axis, stable=True)),
        "unique_all": ((x,), {}), "unique_counts": ((x,), {}), "unique_inverse": ((x,), {}), "unique_values": ((x,), {}),
    }  # fmt: skip
    return table.get(name)


def draw(name, arity, seed, number):
    """Arguments and keywords of one call; None for functions without any."""
    d = Draw(seed, name, number)
    kinds = {each: dtypes for names, dtypes in ELEMENTWISE.items() for each in names.split()}
    if name in kinds:
        return _elementwise(d, name, kinds[name], arity)
    if name in ("sum", "prod", "max", "min", "mean", "std", "var", "all", "any", "argmax", "argmin"):
        return _reduction(d, name)
    if name.startswith("linalg."):
        return _linalg(d, name.removeprefix("linalg."))
    if name.startswith("fft."):
        return _fft(d, name.removeprefix("fft."))
    if name in ("matmul", "vecdot", "tensordot", "matrix_transpose"):
        return _products(d, name)
    return _shapes(d, name) or _others(d, name)
