"""What each function takes: a generator of (arguments, keywords) by its name. Not here: arrays (`samples.py`), the check."""

import numpy as np

CALLS = {}
"""name -> (function, generator of a call)"""


def calls(names, prefix=""):
    """Enter a generator for functions of a namespace."""
    owner = np
    for part in prefix.split(".") if prefix else ():
        owner = getattr(owner, part)

    def register(generate):
        for name in names.split():
            CALLS[f"{prefix}.{name}" if prefix else name] = (getattr(owner, name), generate)
        return generate

    return register


def method(name):
    """A method as a function."""
    return lambda a, *args, **kwargs: getattr(a, name)(*args, **kwargs)


def methods(names):
    def register(generate):
        for name in names.split():
            CALLS[f"ndarray.{name}"] = (method(name), generate)
        return generate

    return register


def _ufunc(nin):
    def generate(m):
        first = m.a()
        args = [first]
        for _ in range(nin - 1):
            args.append(m.number() if m.chance(0.2) else m.a(m.with_shape(first.shape)))
        if nin == 2 and m.chance(0.2):
            args.reverse()
        return args, m.maybe(dtype=m.pick("f8", "f4")) if m.chance(0.1) else {}

    return generate


GENERALIZED = ("matmul", "vecdot", "matvec", "vecmat")
for _name in dir(np):
    _fn = getattr(np, _name)
    if (
        isinstance(_fn, np.ufunc)
        and _name not in GENERALIZED
        and "O" not in "".join(_fn.types[:1])
        and _name != "isnat"
    ):
        CALLS[_name] = (_fn, _ufunc(_fn.nin))


@calls(
    "bitwise_and bitwise_or bitwise_xor left_shift right_shift gcd lcm bitwise_left_shift bitwise_right_shift"
)
def _(m):
    a = m.a(dtype=m.pick("i8", "i4", "u1"))
    return [np.abs(a) % 7, np.abs(m.a(m.with_shape(a.shape), m.pick("i8", "i4", "u1"))) % 7], {}


@calls("invert bitwise_not bitwise_invert bitwise_count")
def _(m):
    return [m.a(dtype=m.pick("i8", "i4", "u1", "i2"))], {}


@calls("ldexp")
def _(m):
    a = m.f()
    return [a, m.a(a.shape, "i4")], {}


@calls("add multiply maximum minimum subtract")
def _(m):
    a = m.a()
    b = m.a(m.with_shape(a.shape))
    out = np.zeros(np.broadcast_shapes(a.shape, b.shape), m.pick("f8", "f4", "i8"))
    return [a, b], {"out": out, **m.maybe(where=m.a(a.shape, "?"))} if m.chance(
        0.5
    ) and a.shape == out.shape else {}


# ---------------------------------------------------------------- reductions


@calls("sum prod mean")
def _(m):
    a = m.a()
    return [a], {
        "axis": m.axes(a),
        **m.maybe(keepdims=True, dtype=m.pick("f8", "f4"), where=m.a(a.shape, "?")),
    }


@calls("max min amax amin ptp all any argmax argmin count_nonzero")
def _(m):
    a = m.a()
    return [a], {"axis": m.axis(a), **m.maybe(keepdims=True)}


@calls("var std")
def _(m):
    a = m.a()
    return [a], {"axis": m.axes(a), **m.maybe(keepdims=True, ddof=1)}


@calls("nansum nanprod nanmax nanmin nanmean nanvar nanstd nanmedian median")
def _(m):
    a = m.a()
    return [a], {"axis": m.axes(a), **m.maybe(keepdims=True)}


@calls("nanargmax nanargmin")
def _(m):
    a = m.f()
    return [a], {"axis": m.axis(a)}


@calls("quantile percentile nanquantile nanpercentile")
def _(m):
    a = m.a(m.pick((4,), (3, 2), (5, 1, 2)))
    q = m.pick(0.5, 0, 1, [0.25, 0.75], np.asarray([0.1, 0.2, 0.9]))
    methods = "linear lower higher nearest midpoint hazen weibull inverted_cdf averaged_inverted_cdf closest_observation".split()
    return [a, q], {"axis": m.axes(a), **m.maybe(keepdims=True, method=m.pick(*methods))}


@calls("average")
def _(m):
    a = m.a()
    return [a], {"axis": m.axis(a), **m.maybe(weights=np.abs(m.f(a.shape)) + 1, returned=True, keepdims=True)}


@calls("cumsum cumprod nancumsum nancumprod")
def _(m):
    a = m.a()
    return [a], {"axis": m.axis(a), **m.maybe(dtype=m.pick("f8", "f4"))}


@calls("cumulative_sum cumulative_prod")
def _(m):
    a = m.a(low=1)
    return [a], {"axis": m.axis(a, none=a.ndim == 1), **m.maybe(include_initial=True)}


for _name in "add multiply maximum minimum logical_and logical_or logical_xor subtract hypot logaddexp fmax fmin".split():

    @calls("reduce accumulate", _name)
    def _(m):
        a = m.a(low=1)
        return [a], {"axis": m.axis(a, none=False)}

    @calls("outer", _name)
    def _(m):
        return [m.a(high=2), m.a(high=2)], {}

    @calls("reduceat", _name)
    def _(m):
        a = m.a((5, 3))
        return [a, m.pick([0, 2, 4], [3, 1], [0])], {}


@calls("at", "add")
def _(m):
    a = m.a(low=1, high=2)
    return [a.copy(), m.index(len(a), (4,)), m.pick(1, 2)], {}  # NumPy writes read-only memory here


@calls("diff")
def _(m):
    a = m.a(low=1)
    return [a], {"n": m.int(0, 2), "axis": m.axis(a, none=False)}


@calls("gradient")
def _(m):
    a = m.f((m.int(3, 6), m.int(3, 5))[: m.int(1, 2)])
    return [a, *m.pick((), (2.0,))], {"axis": m.axis(a), "edge_order": m.int(1, 2)}


@calls("trapezoid")
def _(m):
    a = m.f(low=1)
    return [a], {"axis": m.axis(a, none=False), **m.maybe(dx=0.5)}


@calls("ediff1d")
def _(m):
    return [m.f()], m.maybe(to_end=1.0, to_begin=2.0)


@calls("convolve correlate")
def _(m):
    return [m.a((m.int(1, 9),)), m.a((m.int(1, 5),))], {"mode": m.pick("full", "same", "valid")}


@calls("cov corrcoef")
def _(m):
    return [m.f((m.int(1, 4), m.int(2, 6)))], m.maybe(rowvar=False)


@calls("histogram histogram_bin_edges")
def _(m):
    a = m.f()
    bins = m.pick(4, 7, [-2.0, 0.0, 1.5, 3.0])
    return [a, bins], {**m.maybe(range=(-3, 4))} if isinstance(bins, int) else {}


@calls("histogram")
def _(m):
    a = m.f()
    return [a, m.pick(4, [-2.0, 0.0, 1.5, 3.0])], {
        **m.maybe(weights=m.f(a.shape).astype(a.dtype), density=True, range=(-3, 4))
    }


@calls("histogram2d")
def _(m):
    n = m.int(1, 9)
    return [m.f((n,)), m.f((n,))], {"bins": m.pick(3, [2, 4])}


@calls("histogramdd")
def _(m):
    return [m.f((m.int(1, 9), 2))], {"bins": m.pick(3, [2, 4])}


@calls("bincount")
def _(m):
    a = np.abs(m.a((m.int(0, 9),), "i8"))
    return [a], {"minlength": 12, **m.maybe(weights=m.f(a.shape).astype("f8"))}


@calls("digitize")
def _(m):
    bins = np.sort(m.f((m.int(1, 5),)))
    return [m.f(), bins[::-1].copy() if m.chance(0.3) else bins], m.maybe(right=True)


@calls("searchsorted")
def _(m):
    return [np.sort(m.a((m.int(0, 8),))), m.a()], m.maybe(side="right")


@calls("interp")
def _(m):
    n = m.int(1, 6)
    return [np.real(m.f()), np.real(np.sort(m.f((n,)))), m.f((n,))], m.maybe(left=-1.0, right=2.0)


# ---------------------------------------------------------------- order and sets


@calls("sort argsort")
def _(m):
    a = m.a()
    return [a], {"axis": m.axis(a, none=a.ndim > 0), "kind": "stable"}


def _parted(fn):
    """What a partition promises: its element at k, and the same elements on both sides."""

    def parts(a, k):
        p = a[fn(a, k)] if fn is np.argpartition else fn(a, k)
        return p[k], np.sort(p[:k]), np.sort(p[k:])

    return parts


for _fn in (np.partition, np.argpartition):
    CALLS[_fn.__name__] = (_parted(_fn), lambda m: ([m.a((m.int(3, 8),)), m.int(0, 2)], {}))


@calls("sort_complex")
def _(m):
    return [m.f(low=1)], {}


@calls("lexsort")
def _(m):
    return [m.a((2, m.int(0, 8)), "i4")], {}


@calls("unique")
def _(m):
    return [m.a()], {k: True for k in ("return_index", "return_inverse", "return_counts") if m.chance(0.5)}


CALLS["unique_values"] = (
    lambda a: np.sort(np.unique_values(a)),
    lambda m: ([m.a(dtype="i8")], {}),
)  # in any order


@calls("unique_all unique_counts unique_inverse")
def _(m):
    a = m.a()
    return [np.sort(a.ravel()).reshape(a.shape)], {}


@calls("union1d intersect1d setdiff1d setxor1d isin")
def _(m):
    return [m.a((m.int(1, 8),), "i4"), m.a((m.int(1, 8),), m.pick("i4", "f8"))], {}


@calls("nonzero argwhere flatnonzero")
def _(m):
    return [m.a(low=1)], {}


@calls("extract compress")
def _(m):
    a = m.a(low=1, high=1)
    return [m.a(a.shape, "?"), a], {}


# ---------------------------------------------------------------- shapes


@calls("ravel squeeze transpose copy atleast_1d atleast_2d atleast_3d ndim shape size isreal iscomplex real imag fix nan_to_num "
       "isposinf isneginf sinc angle real_if_close iscomplexobj isrealobj ones_like zeros_like asarray array asanyarray unwrap i0 "
       "ascontiguousarray matrix_transpose permute_dims")  # fmt: skip
def _(m):
    return [m.a(low=m.pick(0, 2), high=3)], {}


@calls("unwrap matrix_transpose permute_dims")
def _(m):
    return [m.f(low=2)], {}


@calls("full_like")
def _(m):
    return [m.a(), m.number()], m.maybe(dtype="f4")


@calls("reshape")
def _(m):
    a = m.a()
    sizes = [n for n in m.rng.permutation([d for d in a.shape if d != 1]).tolist()]
    return [a, m.pick((-1,), tuple(sizes), (1, *sizes))], m.maybe(order=m.pick("C", "F"))


@calls("moveaxis rollaxis swapaxes")
def _(m):
    a = m.a(low=2)
    return [a, m.axis(a, none=False), m.int(0, a.ndim - 1)], {}


@calls("expand_dims")
def _(m):
    return [m.a(high=2), m.pick(0, -1, (0, 1))], {}


@calls("broadcast_to")
def _(m):
    a = m.a(high=2)
    return [a, (2, *a.shape)], {}


@calls("broadcast_arrays meshgrid")
def _(m):
    return [m.a((m.int(1, 4),)), m.a((1,))], {}


@calls("concatenate concat stack vstack hstack dstack column_stack block")
def _(m):
    a = m.a(low=1)
    return [[a, m.a(a.shape)]], {}


CALLS["concatenate"] = (lambda a, b, **k: np.concatenate([a, b], **k), lambda m: _two(m, axis=True))
CALLS["concat"] = (lambda a, b, **k: np.concat([a, b], **k), lambda m: _two(m, axis=True))
CALLS["stack"] = (lambda a, b, **k: np.stack([a, b], **k), lambda m: _two(m, axis=True))


def _joined(name):
    return lambda a, b: getattr(np, name)([a, b])


for _name in "vstack hstack dstack column_stack block".split():
    CALLS[_name] = (_joined(_name), lambda m: _two(m, axis=False))


def _two(m, *, axis):
    a = m.a(low=1)
    return [a, m.a(a.shape)], {"axis": m.axis(a, none=False)} if axis else {}


@calls("split array_split")
def _(m):
    a = m.a((m.pick(4, 6), 2))
    return [a, m.pick(2, [1, 3], 3)], m.maybe(axis=0)


@calls("hsplit vsplit")
def _(m):
    return [m.a((4, 4)), m.pick(2, [1, 3])], {}


@calls("dsplit")
def _(m):
    return [m.a((2, 2, 4)), 2], {}


@calls("unstack")
def _(m):
    a = m.a(low=1)
    return [a], {"axis": m.axis(a, none=False)}


@calls("tile")
def _(m):
    return [m.a(high=2), m.pick(2, (2, 1), (1, 2, 2), 0)], {}


@calls("repeat")
def _(m):
    a = m.a()
    return [a, m.int(0, 3)], {"axis": m.axis(a)}


@calls("delete")
def _(m):
    a = m.a((5, 3))
    return [a, m.pick(1, [0, 2], slice(1, 4, 2), -1)], {"axis": m.pick(0, 0, None)}


@calls("insert")
def _(m):
    return [m.a((5, 3), "f8"), m.pick(1, [0, 2], -1), 7], {"axis": m.pick(0, 1, None)}


@calls("append")
def _(m):
    a = m.a(low=1)
    return [a, m.a(a.shape)], {"axis": m.axis(a)}


@calls("resize")
def _(m):
    return [m.a(), m.pick((2, 3), 5, (0,), (4, 2, 1))], {}


@calls("roll")
def _(m):
    a = m.a()
    return [a, m.pick(1, -2, 9)], {"axis": m.axis(a)}


@calls("flip")
def _(m):
    a = m.a()
    return [a], {"axis": m.axes(a)}


@calls("rot90 fliplr flipud tril triu")
def _(m):
    return [m.a(low=2)], {}


@calls("diag diagflat")
def _(m):
    return [m.a(low=1, high=2)], {"k": m.int(-1, 2)}


@calls("diagonal trace")
def _(m):
    return [m.a(low=2)], {"offset": m.int(-1, 1)}


@calls("pad")
def _(m):
    a = m.a((m.int(1, 4), m.int(1, 4))[: m.int(1, 2)])
    modes = "constant edge reflect symmetric wrap maximum minimum mean linear_ramp".split()
    return [a, m.pick(1, 2, (1, 2), ((1, 0),) * a.ndim)], {"mode": m.pick(*modes)}


@calls("trim_zeros")
def _(m):
    return [m.a((m.int(0, 8),), "i4") % 2], {}


# ---------------------------------------------------------------- indices


@calls("take")
def _(m):
    a = m.a((4, 3))
    return [a, m.index(3)], {"axis": m.pick(0, 1, None), **m.maybe(mode=m.pick("wrap", "clip"))}


@calls("take_along_axis")
def _(m):
    a = m.a((4, 3))
    return [a, m.index(4, (2, 3))], {"axis": 0}


@calls("put")
def _(m):
    return [m.a((4, 3)), m.index(12, (3,)), m.pick(1, 2)], {}


@calls("put_along_axis")
def _(m):
    return [m.a((4, 3), "f8"), m.index(4, (1, 3)), 2.5, 0], {}


@calls("choose")
def _(m):
    return [m.index(2, (3,), 0), [m.a((3,), "f8"), m.a((3,), "f8")]], {}


CALLS["choose"] = (
    lambda i, a, b: np.choose(i, [a, b]),
    lambda m: ([m.index(2, (3,), 0), m.a((3,)), m.a((3,))], {}),
)
CALLS["select"] = (lambda c, d, a, b: np.select([c, d], [a, b], -1), lambda m: (
    [m.a((3,), "?"), m.a((3,), "?"), m.a((3,), "f8"), m.a((3,), "i8")], {}))  # fmt: skip
CALLS["piecewise"] = (
    lambda x: np.piecewise(x, [x < 0, x >= 1], [-1, lambda v: v * 2]),
    lambda m: ([m.f()], {}),
)
CALLS["apply_along_axis"] = (
    lambda a, k: np.apply_along_axis(np.sum, k, a),
    lambda m: ([m.f((3, 4)), m.int(0, 1)], {}),
)
CALLS["apply_over_axes"] = (lambda a: np.apply_over_axes(np.sum, a, (0, 1)), lambda m: ([m.f((3, 4, 2))], {}))
CALLS["ix_"] = (
    lambda a, i, j: a[np.ix_(i, j)],
    lambda m: ([m.a((4, 4)), m.index(4, (2,)), m.index(4, (3,))], {}),
)
CALLS["lib.stride_tricks.sliding_window_view"] = (
    lambda a: np.lib.stride_tricks.sliding_window_view(a, 2, axis=0).copy(), lambda m: ([m.a((4, 3))], {}))  # fmt: skip


@calls("where")
def _(m):
    a = m.a()
    return [m.a(a.shape, "?"), a, m.number() if m.chance(0.3) else m.a(m.with_shape(a.shape))], {}


@calls("clip")
def _(m):
    return [m.a(), m.pick(-1, None, 0.5), m.pick(2, 3.5)], {}


@calls("unravel_index")
def _(m):
    return [m.index(12, None, 0), (3, 4)], {}


@calls("ravel_multi_index")
def _(m):
    return [(m.index(3, (2,), 0), m.index(4, (2,), 0)), (3, 4)], {}


CALLS["ravel_multi_index"] = (lambda i, j: np.ravel_multi_index((i, j), (3, 4)), lambda m: (
    [m.index(3, (2,), 0), m.index(4, (2,), 0)], {}))  # fmt: skip


@calls("fill_diagonal")
def _(m):
    return [m.a((m.int(1, 4),) * 2), 3], {}


@calls("copyto")
def _(m):
    a = m.a(dtype="f8")
    return [a, m.a(a.shape, "f4")], m.maybe(where=m.a(a.shape, "?"))


CALLS["place"] = (lambda a, m, v: np.place(a, m, v), lambda m: ([m.a((4,), "f8"), m.a((4,), "?"), 1.5], {}))


@calls("putmask")
def _(m):
    a = m.a((4,), "f8")
    return [a, m.a(a.shape, "?"), m.pick(2.0, m.a(a.shape, "f8"))], {}


@calls("packbits")
def _(m):
    a = m.a((m.int(1, 9), 2), "?")
    return [a], {"axis": m.axis(a), **m.maybe(bitorder="little")}


@calls("unpackbits")
def _(m):
    return [m.a((3, 2), "u1")], {"axis": m.pick(None, 0, 1)}


# ---------------------------------------------------------------- creation


@calls("zeros ones")
def _(m):
    return [m.shape()], m.maybe(dtype=m.pick("f4", "i8", "?"))


@calls("full")
def _(m):
    return [m.shape(), m.number()], m.maybe(dtype=m.pick("f4", "i8"))


@calls("eye tri")
def _(m):
    return [m.int(0, 4), m.int(0, 4), m.int(-1, 2)], m.maybe(dtype="f4")


@calls("identity")
def _(m):
    return [m.int(0, 4)], {}


@calls("arange")
def _(m):
    return m.pick([5], [1, 9, 2], [0.5, 3.0], [5, 0, -2], [3, 1]), m.maybe(dtype="f4")


@calls("linspace")
def _(m):
    return [m.pick(0, -1.5), m.pick(3, 2.5), m.int(0, 7)], m.maybe(endpoint=False, retstep=True)


@calls("logspace")
def _(m):
    return [0.0, 2.0, m.int(1, 5)], {}


@calls("geomspace")
def _(m):
    return [1.0, 64.0, m.int(1, 7)], {}


@calls("hamming hanning bartlett blackman")
def _(m):
    return [m.int(0, 9)], {}


@calls("kaiser")
def _(m):
    return [m.int(1, 9), 3.0], {}


@calls("indices diag_indices tril_indices triu_indices")
def _(m):
    return [m.int(1, 4)], {}


CALLS["indices"] = (np.indices, lambda m: ([(m.int(0, 3), m.int(1, 3))], m.maybe(sparse=True)))


@calls("tril_indices_from triu_indices_from diag_indices_from")
def _(m):
    return [m.a((m.int(2, 4),) * 2)], {}


@calls("vander")
def _(m):
    return [m.f((m.int(1, 4),))], m.maybe(N=3, increasing=True)


# ---------------------------------------------------------------- logic, polynomials


@calls("allclose isclose array_equal array_equiv")
def _(m):
    a = m.a()
    return [a, a.copy() if m.chance(0.5) else m.a(a.shape)], m.maybe(equal_nan=True) if m.chance(0.3) else {}


CALLS["array_equiv"] = (np.array_equiv, lambda m: ([m.a((3,)), m.a((2, 3))], {}))


@calls("round around")
def _(m):
    return [m.a(), m.int(-1, 2)], {}


@calls("poly")
def _(m):
    return [m.f((m.int(0, 4),))], {}


@calls("polyval")
def _(m):
    return [m.f((m.int(1, 4),)), m.f()], {}


@calls("polyadd polysub polymul")
def _(m):
    return [m.f((m.int(1, 4),)), m.f((m.int(1, 4),))], {}


@calls("polydiv")
def _(m):
    return [m.f((m.int(2, 5),)), m.f((m.int(1, 2),))], {}


@calls("polyder polyint")
def _(m):
    return [m.f((m.int(2, 5),))], {"m": m.int(1, 2)}


@calls("polyfit")
def _(m):
    n = m.int(4, 9)
    return [np.arange(n) * 1.5, np.real(m.f((n,))).astype("f8"), m.int(0, 2)], {}


# ---------------------------------------------------------------- products, linear algebra


@calls("dot inner matmul")
def _(m):
    n = m.int(1, 5)
    return m.pick([m.a((n,)), m.a((n,))], [m.a((2, n)), m.a((n,) if m.chance(0.5) else (n, n))]), {}


CALLS["inner"] = (np.inner, lambda m: ([m.f((2, 3)), m.f((4, 3))], {}))


@calls("vdot")
def _(m):
    a = m.a()
    return [a, m.a(a.shape)], {}


@calls("vecdot")
def _(m):
    n = m.int(1, 5)
    return [m.f((2, n)), m.f((n,))], {}


@calls("matvec")
def _(m):
    return [m.f((2, 3, 4)), m.f((4,))], {}


@calls("vecmat")
def _(m):
    return [m.f((3,)), m.f((2, 3, 4))], {}


@calls("outer kron")
def _(m):
    return [m.a(high=2), m.a(high=2)], {}


@calls("cross")
def _(m):
    return [m.f((4, 3)), m.f((3,))], {}


@calls("tensordot")
def _(m):
    return [m.f((2, 3, 4)), m.f((4, 3, 5))], {"axes": m.pick(((1, 2), (1, 0)), ([2], [0]), 0)}


CALLS["einsum"] = (lambda a, b, text: np.einsum(text, a, b), lambda m: ([m.f((3, 4)), m.f((4, 3)), m.pick(
    "ij,jk->ik", "ij,ji", "ij,jk", "ij,ji->ij", "ij,kl->ik", "...j,jk->...k", "ij,ji->", "ij,jl->lij")], {}))  # fmt: skip


def _square(m):
    n = m.int(1, 5)
    stack = m.pick((), (), (2,))
    made = m.f((*stack, n, n))
    return made + (6 * np.eye(n)).astype(made.dtype)


@calls(
    "inv det slogdet cond matrix_rank pinv eigvalsh svdvals trace diagonal matrix_transpose matrix_norm",
    "linalg",
)
def _(m):
    return [_square(m)], {}


@calls("cholesky", "linalg")
def _(m):
    a = _square(m)
    return [(a @ np.swapaxes(a.conj(), -1, -2)).astype(a.dtype)], m.maybe(upper=True)


@calls("solve tensorsolve", "linalg")
def _(m):
    a = _square(m)[..., :, :].reshape(-1, 1)
    n = int(np.sqrt(a.size)) if int(np.sqrt(a.size)) ** 2 == a.size else 1
    a = a.ravel()[: n * n].reshape(n, n) + np.eye(n)
    return [a, m.f((n,) if m.chance(0.5) else (n, 2)) if True else None], {}


CALLS["linalg.eigvals"] = (lambda a: np.linalg.eigvals(a).astype("c16"), lambda m: ([_square(m)], {}))
CALLS["linalg.eig"] = (lambda a: np.linalg.eig(a)[0].astype("c16"), lambda m: ([_square(m)], {}))
CALLS["roots"] = (lambda p: np.roots(p).astype("c16"), lambda m: ([m.f((m.int(1, 5),))], {}))
CALLS["linalg.tensorsolve"] = (np.linalg.tensorsolve, lambda m: ([np.eye(6).reshape(6, 2, 3), m.f((6,))], {}))
CALLS["linalg.tensorinv"] = (np.linalg.tensorinv, lambda m: ([(np.eye(6) * 2).reshape(2, 3, 6)], {}))
CALLS["linalg.eigh"] = (lambda a: np.linalg.eigh(a)[0], lambda m: ([_square(m)], {}))
CALLS["linalg.svd"] = (lambda a: np.linalg.svd(a)[1], lambda m: ([m.f((m.int(1, 4), m.int(1, 4)))], {}))
CALLS["linalg.qr"] = (
    np.linalg.qr,
    lambda m: ([m.f((m.int(1, 5), m.int(1, 5)))], {"mode": m.pick("reduced", "complete", "r")}),
)
CALLS["linalg.lstsq"] = (np.linalg.lstsq, lambda m: ([m.f((5, 2)), m.f((5,))], {}))
CALLS["linalg.multi_dot"] = (lambda a, b, c: np.linalg.multi_dot([a, b, c]), lambda m: (
    [m.f((2, 3)), m.f((3, 4)), m.f((4, 2))], {}))  # fmt: skip
CALLS["linalg.matrix_power"] = (np.linalg.matrix_power, lambda m: ([_square(m), m.int(-1, 3)], {}))


@calls("norm", "linalg")
def _(m):
    a = m.f((3, 4)[: m.int(1, 2)])
    return [a], {"ord": m.pick(None, 1, np.inf, 2), **m.maybe(keepdims=True)}


@calls("vector_norm", "linalg")
def _(m):
    a = m.f(low=1)
    return [a], {"axis": m.axis(a), **m.maybe(keepdims=True, ord=m.pick(1, 3, np.inf))}


@calls("matmul outer vecdot tensordot cross", "linalg")
def _(m):
    return [m.f((3,)), m.f((3,))], {}


CALLS["linalg.tensordot"] = (np.linalg.tensordot, lambda m: ([m.f((2, 3, 4)), m.f((3, 4, 2))], {}))

# ---------------------------------------------------------------- methods


@methods("all any argmax argmin sum prod mean std var max min cumsum cumprod")
def _(m):
    a = m.a()
    return [a], {"axis": m.axis(a)}


CALLS["ndarray.argsort"] = (lambda a: a.argsort(kind="stable"), lambda m: ([m.a(low=1)], {}))


@methods("copy flatten ravel squeeze transpose conj conjugate nonzero view trace diagonal round")
def _(m):
    return [m.a(low=2)], {}


@methods("sort")
def _(m):
    a = m.a(low=1)
    return [a], {"axis": m.axis(a, none=False)}


@methods("astype")
def _(m):
    return [m.a(), m.pick("f8", "f4", "i8", "i4", "u1", "?")], m.maybe(copy=False)


@methods("reshape")
def _(m):
    return [m.a((2, 6)), m.pick((3, 4), -1, (4, -1))], {}


@methods("repeat")
def _(m):
    return [m.a(), 2], {}


@methods("take")
def _(m):
    return [m.a((5,)), m.index(5)], {}


@methods("clip")
def _(m):
    return [m.a(), -1, 2], {}


@methods("fill")
def _(m):
    return [m.a(), 1], {}


@methods("dot")
def _(m):
    return [m.f((2, 3)), m.f((3, 2))], {}


@methods("swapaxes")
def _(m):
    return [m.a(low=2), 0, 1], {}


@methods("searchsorted")
def _(m):
    return [np.sort(m.f((5,))), m.f()], {}


@methods("item")
def _(m):
    return [m.a((3, 2)), m.int(0, 5)], {}


@methods("compress")
def _(m):
    return [m.a((4,)), m.pick([True, False, True, True], [False] * 4)], {}


@methods("choose")
def _(m):
    return [m.index(2, (3,), 0), m.pick((5, 7), ([1, 2, 3], [4, 5, 6]))], {}


@methods("put")
def _(m):
    return [m.a((4,)), [0, 2], 1], {}


@methods("partition argpartition")
def _(m):
    return [np.sort(m.f((6,))), 2], {}


CALLS["ndarray.resize"] = (lambda a: _resized(a), lambda m: ([m.a((2, 3))], {}))
CALLS["ndarray.to_device"] = (method("to_device"), lambda m: ([m.a(), "cpu"], {}))


def _resized(a):
    b = a.copy()
    b.resize((2, 2), refcheck=False)
    return b
