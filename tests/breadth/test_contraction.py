"""einsum of any string, cross products."""

import numpy as np
import pytest

import weft
from tests.breadth.native import check

RNG = np.random.default_rng(13)
SIZES = dict(zip("ijklbpq", (3, 4, 5, 2, 6, 3, 4), strict=True))
STRINGS = [
    "ij,jk->ik", "ij,j->i", "i,i->", "i,i", "ij->ji", "ij->", "ij->i", "ij->j", "ii", "ii->i", "iji->j",
    "i,j->ij", "bij,bjk->bik",
    "bij,bkj->bik", "ij,ij->ij", "ij,ij->", "ij,kj->ik", "ij,jk,kl->il", "i,ij,j->", "ijk,jil->kl",
    "bij,b->ij", "ijk,ijk->k", "ij,k->kij",
    "ij,jk,ki->", "ij", "ba", "ij,jk", "...ij,...jk->...ik", "...i->...", "i...->...i", "ij...,jk...->ik...",
    "b...,b...->...", "bi,bj,bk->ijk",
    "ijkl->jl", "ij,jj->i", "bik,bjk,bk->bij", "i,i,i->i",
]  # fmt: skip


def arrays_for(text, dtype, rank=1):
    for one in text.split("->")[0].split(","):
        shape = []
        for c in one.replace("...", "."):
            shape += [7, 1][:rank] if c == "." else [SIZES.get(c, 3)]
        yield np.asarray(RNG.normal(size=shape) * 3).astype(dtype)


@pytest.mark.parametrize("text", STRINGS)
def test_strings(text):
    check(lambda *a: np.einsum(text, *a), *arrays_for(text, "f8"), tolerance=1e-12)


@pytest.mark.parametrize("dtype", ["f4", "i4", "i1", "?"])
@pytest.mark.parametrize("text", ["ij,jk->ik", "ij->i", "i,i", "bij,bjk->bik", "ij,ij->ij", "ijk->k"])
def test_dtypes(text, dtype):
    check(lambda *a: np.einsum(text, *a), *arrays_for(text, dtype), tolerance=1e-4 if dtype == "f4" else 0)


@pytest.mark.parametrize(
    "fn",
    [
        lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [0, 2]), lambda a, b: np.einsum(a, [0, 1], b, [1, 2]),
        lambda a, b: np.einsum("ij,jk->ik", a, b, out=np.zeros((3, 5))),
        lambda a, b: np.einsum("ij , jk -> ki", a, b, optimize=True),
        lambda a, b: np.einsum("ij,kj->ik", a, a[:1]), lambda a, b: np.einsum("ij,j->i", a, 2 * a[0]) + 1,
        lambda a, b: np.einsum("...,...->...", a, 2.0),
        lambda a, b: np.einsum("ij->ij", a[:, :0]), lambda a, b: np.einsum("ij,jk->ik", a[:, :0], b[:0]),
    ],
)  # fmt: skip
def test_forms(fn):
    check(fn, RNG.normal(size=(3, 4)), RNG.normal(size=(4, 5)), tolerance=1e-12)


def test_gradient_and_sizes():
    compiled = weft.compile(lambda a, b: np.einsum("ij,kj->ik", a, b))
    for n in (2, 5, 9, 33):
        a, b = RNG.normal(size=(n, n + 1)), RNG.normal(size=(n + 2, n + 1))
        np.testing.assert_allclose(compiled(a, b), a @ b.T, rtol=1e-12, atol=1e-12)
    assert compiled.stats()["compiles"] <= 2
    a, b = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2))
    np.testing.assert_allclose(
        weft.grad(lambda a: np.einsum("ij,jk->", a, b))(a), np.broadcast_to(b.sum(1), (3, 4))
    )


@pytest.mark.parametrize("shapes", [((3,), (3,)), ((5, 3), (5, 3)), ((5, 3), (3,)), ((4, 1, 3), (2, 3))])
def test_cross(shapes):
    check(lambda a, b: (np.cross(a, b), np.linalg.cross(a, b)), *(RNG.normal(size=s) for s in shapes))


def test_cross_along_other_axes():
    check(
        lambda a, b: (np.cross(a, b, axis=0), np.cross(a, b.T, axisa=0, axisb=1, axisc=0)),
        *RNG.normal(size=(2, 3, 5)),
    )


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("ij,jk", ((2, 3), (4, 5))),
        ("ij", ((2,),)),
        ("ij->ii", ((2, 2),)),
        ("i->k", ((2,),)),
        ("i,j", ((2,),)),
    ],
)
def test_errors(text, shapes):
    with pytest.raises(ValueError, match=r"."):
        weft.compile(lambda *a: np.einsum(text, *a))(*(np.ones(s) for s in shapes))
