"""Rare keywords and forms against NumPy: reductions by any ufunc, variances about a mean, casts, texts."""

import numpy as np
import pytest

import weft
from tests.surface.check import check

RNG = np.random.default_rng(0)
X, A = RNG.normal(size=6), RNG.normal(size=(3, 4))
P = np.arange(1, 7).reshape(2, 3)
NAN = np.where(A > 1, np.nan, A)


def totals(p, x, held):
    return (
        np.gcd.reduce(-p, axis=None),
        np.gcd.accumulate(p, axis=1),
        np.lcm.reduce(p, axis=1, keepdims=True),
        np.lcm.accumulate(p, axis=1),
        np.copysign.reduce(x),
        np.nextafter.accumulate(x),
        np.left_shift.reduce(p),
        np.float_power.reduce(p % 3),
        np.heaviside.reduce(x),
        np.equal.reduce(held, axis=1),
        np.less.accumulate(held),
        np.fmax.reduce(p, axis=(0, 1)),
    )


def test_reductions_by_any_ufunc():
    assert check(totals, [P, X, P > 2], {}) == "same"
    with pytest.raises(TypeError):
        weft.compile(np.equal.reduce)(P)


def moments(a, n):
    return (
        np.var(a, axis=0, mean=a.mean(0, keepdims=True)),
        a.std(mean=0.5, where=a > 0),
        np.nanvar(n, axis=1, mean=np.nanmean(n, axis=1, keepdims=True), keepdims=True),
        np.var(a + 1j, mean=a.mean(keepdims=True)),
    )


def test_variances_about_a_mean():
    assert check(moments, [A, NAN], {}) == "same"


def joined(a, x):
    odd = {"mode": "reflect", "reflect_type": "odd"}
    return (
        np.stack([a, a], axis=-1, dtype="f4", casting="same_kind"),
        np.vstack([a, a], dtype="i4", casting="unsafe"),
        np.pad(a, ((1, 2), (0, 3)), **odd),
        np.pad(x, 2, mode="symmetric", reflect_type="odd"),
        (x == None, a != None, x[0] == "a", x != "a"),  # noqa: E711
    )


def test_joining_and_padding():
    assert check(joined, [A, X], {}) == "same"


@pytest.mark.parametrize("fn", [
    lambda x: np.concatenate([x, x], dtype="i4"),
    lambda x: np.concatenate([x, x], out=np.zeros(12, int)),
    lambda x: np.concatenate([x, x], out=np.zeros(12), dtype="f8"),
    lambda x: np.stack([x, x], dtype="i4"),
    lambda x: np.concatenate([x, [1]], casting="no"),
])  # fmt: skip
def test_casts_that_no_rule_allows(fn):
    assert check(fn, [X], {}) == "raises"


def test_texts_of_whole_arrays_are_results():
    assert weft.compile(lambda x: str(x))(X) == str(X)
    assert weft.compile(lambda x: {"t": f"{x[:2]} {x[0]}"})(X) == {"t": f"{X[:2]} {X[0]}"}


def without_nan(n, held):
    return (
        np.nansum(n, axis=0, where=held, initial=2),
        np.nanprod(n, initial=2),
        np.nanmax(n, axis=1, initial=0),
        np.nanmin(n, where=held, initial=9),
        np.nanmax(n, initial=np.nan),
        np.nanmean(n, axis=0, where=held),
    )


def test_reductions_without_nan_from_a_start_and_by_a_mask():
    assert check(without_nan, [NAN, A > -0.5], {}) == "same"
    assert check(lambda n, held: np.nanmax(n, where=held), [NAN, A > 0], {}) == "raises"
