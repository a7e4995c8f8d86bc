"""Places that are in an array by the way they were made are not tested; all others are."""

import numpy as np
import pytest

import weft
from weft.compiler.passes.inside import inside
from weft.ir.parse import parse
from weft.ir.walk import walk

X = np.random.default_rng(0).normal(size=50)
PLACES = np.arange(50) % 7
INSIDE = {
    "mask": lambda x, i: x[x > 0],
    "nonzero": lambda x, i: x[np.nonzero(x > 0)],
    "order": lambda x, i: x[np.argsort(x)],
    "remainder": lambda x, i: x[i % 50],
    "remainder of a size": lambda x, i: x[i % len(x)],
    "small ints": lambda x, i: np.concatenate([x] * 6)[i.astype("u1")],
    "constants": lambda x, i: x[[3, 1]],
    "search": lambda x, i: x[np.minimum(np.searchsorted(np.sort(x), x), 49)],
}
TESTED = {
    "argument": lambda x, i: x[i],
    "from below": lambda x, i: x[np.maximum(i, 0)],
    "from above": lambda x, i: x[np.minimum(i, 49)],
    "negative constants": lambda x, i: x[[3, -1]],
    "short": lambda x, i: x[:49][i % 50],
    "bits lost": lambda x, i: x[(i % 300).astype("i1").astype("i8") % 99],
    "search to the end": lambda x, i: x[np.searchsorted(np.sort(x), x) % 51],
    "sums may wrap": lambda x, i: x[np.minimum(np.maximum(i, 0) + 1, 49)],
}


def checked(fn):
    text = weft.compile(fn).ir("tensor", weft.spec("f64[50]"), weft.spec("i64[50]"))
    return [op.attributes.get("checked") for op in walk(inside(parse(text))) if op.name == "gather"]


@pytest.mark.parametrize("name", INSIDE)
def test_places_that_are_inside(name):
    fn = INSIDE[name]
    assert set(checked(fn)) == {"inside"}
    assert np.array_equal(weft.compile(fn)(X, PLACES), fn(X, PLACES))


@pytest.mark.parametrize("name", TESTED)
def test_places_that_may_be_outside(name):
    assert None in checked(TESTED[name])


def test_what_is_tested_fails():
    with pytest.raises(IndexError):
        weft.compile(TESTED["argument"])(X, PLACES + 44)


def test_writes():
    def fn(x, i):
        np.add.at(x, i % 50, 1.0)
        x[np.argsort(x)] = x + 1
        return x

    assert np.array_equal(weft.compile(fn)(X.copy(), PLACES - 3), fn(X.copy(), PLACES - 3))
