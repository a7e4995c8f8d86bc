"""Random numbers: the published blocks of Philox, equal streams compiled or not, and their distributions."""

import numpy as np
import pytest

import weft
from weft.random import _philox, default_rng


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # from Random123's kat_vectors
        ([0, 0, 0, 0], [0, 0], "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_known_blocks(counter, key, expected):
    place = np.uint64(counter[0] | counter[1] << 32)
    words = _philox(place, np.uint64(counter[2]), np.array(key, np.uint64), np.uint64(counter[3]))
    assert " ".join(f"{int(w):08x}" for w in words) == expected


def draw(rng, n):
    return (
        rng.random((3, n)), rng.random(), rng.random(n, dtype=np.float32), rng.uniform(-1, 1, (n, 2)),
        rng.integers(0, 10, n),
        rng.integers(-5, 5, (2, n), endpoint=True), rng.standard_normal(n), rng.normal(2.0, 3.0, (n,)),
        rng.standard_normal((n, 1), dtype=np.float32), rng.exponential(2.0, n), rng.permutation(n),
        rng.choice(n, 2),
    )  # fmt: skip


def test_compiled_or_not_the_numbers_are_the_same():
    plain, state = default_rng(7), default_rng(7)
    compiled = weft.compile(lambda n: draw(state, n))
    for n in (4, 5, 6):
        for a, b in zip(draw(plain, n), compiled(n), strict=True):
            np.testing.assert_array_equal(a, b)
            assert type(a) is type(b)
            assert a.dtype == b.dtype
        assert int(plain.counter) == int(state.counter)
    assert compiled.stats()["compiles"] <= 2


def test_the_state_moves_on_and_can_be_set_back():
    rng = default_rng(0)
    step = weft.compile(lambda: rng.random(4))
    first, second = step(), step()
    assert not np.array_equal(first, second)
    rng.counter.assign(np.uint64(0))
    np.testing.assert_array_equal(step(), first)
    np.testing.assert_array_equal(default_rng(0).random(4), first)
    assert not np.array_equal(default_rng(1).random(4), first)
    assert [v.name for v in weft.variables(rng)] == ["key", "counter"]


def test_distributions():
    rng = default_rng(3)
    n = 200_000
    u = rng.random(n)
    assert 0 <= u.min()
    assert u.max() < 1
    assert abs(u.mean() - 0.5) < 4 * np.sqrt(1 / 12 / n)
    counts = np.bincount((u * 64).astype(int), minlength=64)
    assert (
        (counts - n / 64) ** 2 / (n / 64)
    ).sum() < 120  # chi squared with 63 degrees of freedom: 1 in 50 000
    x = rng.standard_normal(n)
    assert abs(x.mean()) < 4 / np.sqrt(n)
    assert abs(x.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs((x**4).mean() - 3) < 4 * np.sqrt(96 / n)
    k = rng.integers(0, 7, n)
    assert set(np.unique(k)) == set(range(7))
    assert ((np.bincount(k) - n / 7) ** 2 / (n / 7)).sum() < 35
    assert abs(rng.standard_exponential(n).mean() - 1) < 4 / np.sqrt(n)
    p = rng.choice(3, n, p=[0.1, 0.2, 0.7])
    np.testing.assert_allclose(np.bincount(p) / n, [0.1, 0.2, 0.7], atol=0.01)
    assert rng.random(n, dtype=np.float32).max() < 1


def test_wide_ranges_of_integers():
    rng = default_rng(0)
    wide = rng.integers(-(2**63), 2**63 - 1, 1000, endpoint=True)
    assert wide.min() < -(2**62)
    assert wide.max() > 2**62
    assert rng.integers(5, 6, 10).tolist() == [5] * 10
    assert 0 <= rng.integers(3) < 3


def test_order():
    rng = default_rng(5)
    assert sorted(rng.permutation(20)) == list(range(20))
    x = np.arange(10.0)
    rng.shuffle(x)
    assert sorted(x) == list(range(10))
    assert x.tolist() != sorted(x)
    assert len(set(rng.choice(10, 6, replace=False).tolist())) == 6
    assert rng.choice(np.array([2.5, 3.5])) in (2.5, 3.5)


def test_streams_that_are_split_differ():
    rng = default_rng(0)
    a, b = rng.split(2)
    (c,) = rng.split(1)
    draws = [tuple(r.random(3)) for r in (a, b, c, rng, default_rng(0))]
    assert len(set(draws)) == 5


def test_a_mask_is_drawn_inside_of_its_kernel():
    rng = default_rng(0)
    x = np.ones((100, 100), np.float32)

    @weft.compile
    def drop(x):
        return np.where(rng.random(x.shape, dtype=np.float32) < 0.25, np.float32(0), x)

    y = drop(x)
    assert abs(y.mean() - 0.75) < 0.02
    assert len([k for k in drop.stats()["kernels"] if "where" in k["name"] or "select" in k["name"]]) == 1


def test_bad_input():
    rng = default_rng(0)
    with pytest.raises(weft.DTypeError, match="float32 or float64"):
        rng.random(3, dtype=np.int64)
    with pytest.raises(weft.UnsupportedError, match="impure"):
        weft.compile(lambda: default_rng(0).random())()


def test_drawing_other_shapes_warns_of_nothing(caplog):
    rng = weft.random.default_rng(0)
    for shape in ((2,), (3, 4), (5, 4), (6, 7), (2, 3, 4)):
        rng.standard_normal(shape)
    assert not [r for r in caplog.records if r.levelname == "WARNING"]
