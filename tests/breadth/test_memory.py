"""How arrays lie in memory, as the program asks; `np.r_` with a text; kinds and errors of rare keywords."""

import numpy as np
import pytest

import weft
from tests.surface.check import check

A = np.random.default_rng(0).normal(size=(3, 4))
V, P = A[0, :3].copy(), np.arange(3)


def layout(x):
    turned, made = x.T, x + 1
    return (
        (x.strides, turned.strides, made.strides, x[::2].strides, np.broadcast_to(x, (2, 3, 4)).strides),
        (x.flags.c_contiguous, turned.flags.f_contiguous, turned.flags["C"], x[:, 1].flags.forc),
        (
            made.flags.owndata,
            made.base is None,
            made.flags["WRITEABLE"],
            turned.flags.fnc,
            x[:0].flags.carray,
        ),
        (
            x[:0].flags.carray,
            x.nbytes,
            x.itemsize,
            x.sum().strides,
            np.broadcast_to(x, (2, 3, 4)).flags.writeable,
        ),
    )


def test_strides_and_flags():
    for x in (A, A.astype("f2")):
        assert check(layout, [x], {}) == "same"
    assert check(lambda a: (a.strides, a.flags.fnc), [np.asfortranarray(A)], {}) == "same"


@pytest.mark.parametrize("fn", [
    lambda x: x.base, lambda x: x.flags.owndata, lambda x: x.flags.__setattr__("writeable", False),
])  # fmt: skip
def test_what_is_known_only_when_the_program_runs(fn):
    with pytest.raises(weft.UnsupportedError):
        weft.compile(fn)(A)
    with pytest.raises(weft.UnsupportedError, match="strides"):
        weft.compile(lambda x: x.strides)(A[:, ::2])


def joined(x, y, p):
    return (
        np.r_["0,2", x, y],
        np.r_["1,2,0", x, y],
        np.r_["0,3,-2", y, y],
        np.r_["-1", x[None], x[None]],
        np.r_["1,2,0", 1:4, p],
        np.r_[p.astype("i2"), 1],
        np.r_[p.astype("f4"), 2.0],
        np.c_["0", x],
        np.c_[1:4, x],
    )


def test_texts_of_joined_arrays():
    assert check(joined, [V, A[:, :3].copy(), P], {}) == "same"
    for wrong in ("x", "0,y"):
        with pytest.raises(ValueError, match="directive"):
            check_wrong(wrong)


def check_wrong(text):
    weft.compile(lambda x: np.r_[text, x])(V)


def rare(x, v, p):
    out = np.zeros(1)
    return (
        np.einsum("i,i", v, v, optimize=True),
        np.einsum("i,->", v, 2.0, optimize=True),
        np.einsum("ij,ij->", x, x, optimize="greedy"),
        np.add.reduceat(v, []),
        np.add.reduceat(x, [], axis=1),
        np.percentile(v, 30, out=out),
        np.isin(p, p[:2], kind="table"),
    )


def test_rare_keywords():
    assert check(rare, [A, V, P], {}) == "same"
    with pytest.raises(ValueError, match="table"):
        weft.compile(lambda x: np.isin(x, x, kind="table"))(V)
    with pytest.raises(RuntimeError, match="table"):
        weft.compile(lambda p, q: np.isin(p, q, kind="table"))(P, np.array([-128, 127], "i1"))


def shared(x):
    y = x + 1
    return (
        (np.shares_memory(x, x.T), np.shares_memory(y, y[1:]), np.may_share_memory(x, y)),
        (np.shares_memory(x[:0], x), np.shares_memory(y, x[1:])),
    )


def test_what_memory_tells():
    assert check(shared, [A], {}) == "same"


@pytest.mark.parametrize("fn", [
    lambda x, y: x.tobytes(), lambda x, y: (x + 1).setflags(write=False), lambda x, y: x.tofile("f"),
    lambda x, y: x.data, lambda x, y: x.resize(9, 9), lambda x, y: np.shares_memory(x, y),
])  # fmt: skip
def test_what_memory_does_not_tell(fn):
    with pytest.raises(weft.UnsupportedError, match="Fix"):
        weft.compile(fn)(A.copy(), A.copy())
