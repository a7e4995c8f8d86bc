"""Promise 3: one program for every size; and what is compiled when."""

import functools
import logging

import numpy as np
import pytest

import weft


def test_steps_compile_twice():
    @weft.compile
    def f(x, step):
        return x * step + 1

    for step in range(200):
        assert np.array_equal(f(np.ones(3), step), np.ones(3) * step + 1)
    assert f.stats()["compiles"] == 2


def test_sizes_that_are_also_ints():
    @weft.compile
    def f(x, n):
        return x + n

    for n in range(2, 62):
        assert np.array_equal(f(np.zeros(n), n), np.zeros(n) + n)
    assert f.stats()["compiles"] <= 2


def test_third_size_compiles_nothing_but_0_and_1_do():
    @weft.compile
    def f(x):
        return np.exp(x).sum()

    for n in (3, 4, 5, 6, 100):
        f(np.ones(n))
    assert f.stats()["compiles"] == 2
    assert np.isclose(f(np.ones(1)), np.exp(1))
    assert f(np.ones(0)) == 0
    assert f.stats()["compiles"] == 4
    f(np.ones(7))
    assert f.stats()["compiles"] == 4


def test_sizes_that_were_equal_share_a_symbol_until_they_differ():
    @weft.compile
    def f(x, y):
        return x.sum() + y.sum()

    for n, m in ((3, 3), (4, 4), (5, 5)):
        assert f(np.ones(n), np.ones(m)) == n + m
    assert f.stats()["compiles"] == 2
    assert f(np.ones(5), np.ones(6)) == 11
    assert f(np.ones(7), np.ones(9)) == 16
    assert f.stats()["compiles"] == 3


def test_messages_say_what_varies(caplog):
    @weft.compile
    def f(x):
        return x + 1

    with caplog.at_level(logging.INFO, "weft"):
        f(np.ones(3))
        assert not caplog.records
        f(np.ones(4))
        assert [r.levelname for r in caplog.records] == ["INFO"]
        assert "x.shape[0] varies" in caplog.text
        f(np.ones(4, "f4"))
        f(np.ones(4, "i4"))
    assert [r.levelname for r in caplog.records] == ["INFO", "WARNING", "WARNING"]
    assert "the dtype of x" in caplog.records[1].getMessage()
    assert "astype" in caplog.records[1].getMessage()
    assert "\n" not in caplog.records[1].getMessage()


def test_least_recently_used_is_dropped():
    @weft.compile(max_variants=2)
    def f(x):
        return x + 1

    one, two, three = np.ones(2, "f4"), np.ones(2, "f8"), np.ones(2, "i8")
    f(one), f(two), f(one)
    f(three)
    stats = f.stats()
    assert stats["compiles"] == 3
    assert len(stats["variants"]) == 2
    f(one)
    assert f.stats()["compiles"] == 3
    f(two)
    assert f.stats()["compiles"] == 4
    assert f.stats()["calls"] == 6


def test_pinned_ints_say_so(caplog):
    @weft.compile
    def f(x, axis):
        return x.sum(axis=axis)

    x = np.arange(24.0).reshape(2, 3, 4)
    with caplog.at_level(logging.WARNING, "weft"):
        for axis in (0, 1, 2, 1):
            assert np.array_equal(f(x, axis), x.sum(axis=axis))
    assert f.stats()["compiles"] == 3
    assert "axis is pinned to" in caplog.text
    assert "axis is fixed to" in f.explain()


def test_static_and_dynamic():
    @weft.compile(static=("mode", "n", "scale"))
    def f(x, mode, n, scale=1.0):
        return (x + 1 if mode == "plus" else x - 1) * n * scale

    x = np.ones(3)
    assert f(x, "plus", 2)[0] == 4
    assert f(x, "minus", 2)[0] == 0
    assert f(x, "plus", 3, 0.5)[0] == 3
    assert f(x, "plus", 3, 2.0)[0] == 12
    assert f(x, mode="plus", n=3, scale=2.0)[0] == 12
    assert f.stats()["compiles"] == 4

    @weft.compile(dynamic=False)
    def g(x):
        return x + 1

    for n in (2, 3, 4):
        g(np.ones(n))
    assert g.stats()["compiles"] == 3


def test_instances_of_a_class_share_a_variant():
    class Layer:
        def __init__(self, k):
            self.w, self.k = np.full(3, float(k)), k

        @weft.compile
        def forward(self, x):
            return x * self.w + self.k

    layers = [Layer(k) for k in range(100)]
    for layer in layers:
        assert np.array_equal(layer.forward(np.ones(3)), layer.w + layer.k)
    assert Layer.forward.stats()["compiles"] <= 2
    layers[0].w = np.full(3, 7.0)
    assert layers[0].forward(np.ones(3))[0] == 7


def test_what_can_be_compiled():
    class Scale:
        def __init__(self):
            self.w = np.full(3, 2.0)

        def __call__(self, x):
            return x * self.w

        def method(self, x):
            return x + self.w

        @weft.compile
        @staticmethod
        def plain(x):
            return x - 1

    one = Scale()
    x = np.ones(3)
    called, bound = weft.compile(one), weft.compile(one.method)
    assert called(x)[0] == 2
    assert bound(x)[0] == 3
    one.w = np.full(3, 5.0)
    assert called(x)[0] == 5
    assert bound(x)[0] == 6
    assert weft.compile(lambda x: x + 1)(x)[0] == 2

    def f(a, x, k=1):
        return a * x + k

    assert weft.compile(functools.partial(f, x, k=2))(x)[0] == 3
    assert weft.compile(functools.partial(f, 2.5))(x, k=7)[0] == 9.5
    assert weft.compile(functools.partial(f, k=2))(x, x, k=4)[0] == 5

    def outer(scale):
        return weft.compile(lambda x: x * scale)

    assert outer(3)(x)[0] == 3
    assert weft.compile(weft.compile(f))(x, x)[0] == 2
    assert weft.compile()(f)(x, x)[0] == 2

    @weft.compile
    def calls(x):
        return called(x) + bound(x)

    assert calls(x)[0] == 11


def test_compiled_function_looks_like_the_function():
    def f(x, *, k=1):
        """Say what it does."""
        return x * k

    g = weft.compile(f)
    assert (g.__name__, g.__doc__, g.__wrapped__, g.__module__) == ("f", f.__doc__, f, __name__)
    assert "f" in repr(g)
    import inspect

    assert str(inspect.signature(g)) == "(x, *, k=1)"


def test_keywords_and_defaults():
    @weft.compile
    def f(x, *rest, k=3, **more):
        return x * k + sum(rest) + more.get("z", 0)

    x = np.ones(2)
    assert f(x)[0] == 3
    assert f(x, 1, 2, k=4, z=5)[0] == 12
    assert f(x=x)[0] == 3
    with pytest.raises(TypeError, match="argument"):
        weft.compile(lambda a, b: a)(1)
    with pytest.raises(TypeError, match="argument"):
        weft.compile(lambda a: a)(1, b=2)


@pytest.mark.parametrize(
    ("keywords", "error"),
    [
        ({"device": "gpu:0"}, weft.UnsupportedError),
        ({"check": "inf"}, weft.UserError),
        ({"static": "missing"}, weft.UserError),
        ({"static": 3.5}, weft.UserError),
        ({"max_variants": 0}, weft.UserError),
        ({"max_variants": True}, weft.UserError),
        ({"dynamic": 1}, weft.UserError),
        ({"fast_math": None}, weft.UserError),
        ({"signature": "f32[n]"}, weft.UserError),
        ({"signature": ["f32[n"]}, weft.UserError),
        ({"signature": ["f32[n]", "f32[n]", "int"]}, weft.UserError),
    ],
)
def test_bad_keywords(keywords, error):
    with pytest.raises(error):
        weft.compile(lambda x: x, **keywords)


def test_what_cannot_be_compiled():
    for one in (3, int, "f"):
        with pytest.raises(weft.UserError, match="takes a function"):
            weft.compile(one)


def test_huge_ints():
    @weft.compile
    def f(x, n):
        return x * n

    for n in (2, 3, 2**62, 2**63 - 1, -(2**63), 2**64, 5):
        assert f(np.ones(1), n)[0] == float(n)


def test_ints_in_other_places():
    def f(x, n):
        return x[:n] + 1, x.reshape(n, -1).sum(axis=1), 7 // n, 7 % n, n**2, -n

    g = weft.compile(f)
    x = np.arange(12.0)
    for n in (2, 3, 4, 6, 12):
        for ours, theirs in zip(g(x, n), f(x, n), strict=True):
            assert np.array_equal(ours, theirs)
            assert type(ours) is type(theirs)
    with pytest.raises(ValueError, match="reshape"):  # as plain Python does
        g(x, 0)


def test_values_known_at_compile_time():
    import enum

    class Mode(enum.Enum):
        ADD = 1
        TAKE = 2

    def f(x, mode, part, dtype, flag, name):
        y = x[part].astype(dtype)
        y = y + 1 if mode is Mode.ADD else y - 1
        return (y if flag else -y), name

    g = weft.compile(f, max_variants=100)
    x = np.arange(4.0)
    for mode in Mode:
        for part in (slice(1, 3), slice(None)):
            for dtype in ("f4", np.dtype("i4"), np.float64):
                for flag in (True, False):
                    ours, theirs = g(x, mode, part, dtype, flag, "a"), f(x, mode, part, dtype, flag, "a")
                    assert np.array_equal(ours[0], theirs[0])
                    assert ours[0].dtype == theirs[0].dtype
    assert g.stats()["compiles"] == 24


def test_dropped_functions_are_freed():
    import gc
    import weakref

    f = weft.compile(lambda x: x + 1)
    f(np.ones(2))
    known = weakref.ref(f)
    del f
    gc.collect()
    assert known() is None


def test_recursion():
    def power(x, n):
        return x if n <= 1 else x * power(x, n - 1)

    def endless(x):
        return endless(x)

    assert weft.compile(power)(np.full(2, 2.0), 5)[0] == 32
    with pytest.raises(weft.UnsupportedError, match="recurses too deeply") as caught:
        weft.compile(endless)(np.ones(2))
    assert "return endless(x)" in str(caught.value)


def test_scalars_of_c_types_with_two_names():
    f = weft.compile(lambda s: s + 1)
    for kind in (np.longlong, np.ulonglong, np.intc, np.int64):  # two of these have the bits of one
        assert f(kind(3)) == 4
        assert f(kind(3)).dtype == (kind(3) + 1).dtype
