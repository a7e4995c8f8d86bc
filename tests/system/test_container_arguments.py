"""Arguments that are containers: taken apart, written in place, guarded by their structure."""

import numpy as np
import pytest

import weft


def unpack(p, x):
    first, second = p
    return first * x + second


def subtract(p, x):
    p[0] -= x
    return p[1] * 2


X = np.arange(4, dtype=np.float32)


@pytest.mark.parametrize("kind", [list, tuple])
def test_sequences(kind):
    compiled = weft.compile(unpack)
    for _ in range(2):
        np.testing.assert_array_equal(compiled(kind([X + 1, X * 2]), X), unpack([X + 1, X * 2], X))
    assert compiled.stats()["compiles"] == 1


def test_items_are_written_in_place():
    compiled = weft.compile(subtract)
    for make in (list, lambda items: dict(enumerate(items))):
        first = X + 5
        np.testing.assert_array_equal(compiled(make([first, X]), X), X * 2)
        np.testing.assert_array_equal(first, np.full(4, 5, np.float32))


def test_nested_numbers_and_structure_are_guarded():
    def scale(tree):
        return tree["x"] * tree["by"][0] + len(tree["by"])

    compiled = weft.compile(scale)
    for by in ([2], [3], [3, 4], (3,), [5, 1]):
        np.testing.assert_array_equal(compiled({"x": X, "by": by}), scale({"x": X, "by": by}))
    np.testing.assert_array_equal(compiled({"by": [2], "x": X}), scale({"by": [2], "x": X}))


def test_captured_dict():
    table = {"w": X * 3, "n": 2}

    def apply(x):
        return x * table["w"] + table["n"]

    compiled = weft.compile(apply)
    np.testing.assert_array_equal(compiled(X), apply(X))
    table["w"] = X
    np.testing.assert_array_equal(compiled(X), apply(X))
