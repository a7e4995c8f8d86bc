"""What a function reaches outside of its arguments: later changes are seen, writes reach it."""

import numpy as np
import pytest

import weft

W = np.ones(3)
SCALE = 2
FACTOR = 1.5
TABLE = {"w": np.ones(3), "rows": [np.ones(3), np.zeros(3)]}
MODE = "plus"


def expected(x, w):
    return x * w[0] + np.sum(w)


def test_globals_follow_content_and_rebinding():
    global W
    W = np.ones(3)

    @weft.compile
    def f(x):
        return x * W[0] + np.sum(W)

    x = np.ones(2)
    assert np.array_equal(f(x), expected(x, W))
    W[0] = 5
    assert np.array_equal(f(x), expected(x, W))
    W = np.full(4, 2.0)
    assert np.array_equal(f(x), expected(x, W))
    W = np.full(6, 3.0)
    assert np.array_equal(f(x), expected(x, W))
    W = np.full(6, 3.0, "f4")
    assert np.array_equal(f(x), expected(x, W))


def test_closures():
    w = np.ones(3)

    @weft.compile
    def f(x):
        return x * w[0] + np.sum(w)

    x = np.ones(2)
    assert np.array_equal(f(x), expected(x, w))
    w[1] = 4
    assert np.array_equal(f(x), expected(x, w))
    w = np.zeros(5)
    assert np.array_equal(f(x), expected(x, w))


def test_attributes_defaults_and_dicts():
    class Holder:
        w = np.ones(3)

    holder = Holder()

    @weft.compile
    def attribute(x):
        return x * holder.w[0] + np.sum(holder.w)

    @weft.compile
    def item(x):
        return x * TABLE["w"][0] + np.sum(TABLE["rows"][1])

    default = np.ones(3)

    def by_default(x, w=default, *, v=default):
        return x * w[0] + np.sum(v)

    with_default = weft.compile(by_default)
    x = np.ones(2)
    assert attribute(x)[0] == 4
    holder.w = np.full(4, 2.0)
    assert attribute(x)[0] == 10
    holder.w[0] = 3
    assert attribute(x)[0] == 12
    assert item(x)[0] == 1
    TABLE["w"][0] = 6
    TABLE["rows"][1][0] = 1
    assert item(x)[0] == 7
    TABLE["w"] = np.full(5, 3.0)
    assert item(x)[0] == 4
    assert with_default(x)[0] == 4
    default[0] = 2
    assert with_default(x)[0] == 6
    by_default.__defaults__ = (np.full(3, 9.0),)
    assert with_default(x)[0] == 13
    assert with_default(x, np.full(3, 1.0))[0] == 5


def test_numbers_outside_are_like_arguments():
    global SCALE, FACTOR

    @weft.compile
    def f(x):
        return x * SCALE + FACTOR

    x = np.ones(2)
    for SCALE in range(3, 12):
        FACTOR = SCALE / 2
        assert f(x)[0] == SCALE + FACTOR
    assert f.stats()["compiles"] <= 2


def test_other_values_are_guards():
    global MODE

    @weft.compile
    def f(x):
        return x + 1 if MODE == "plus" else x - 1

    x = np.ones(2)
    MODE = "plus"
    assert f(x)[0] == 2
    MODE = "minus"
    assert f(x)[0] == 0
    MODE = "plus"
    assert f(x)[0] == 2
    assert f.stats()["compiles"] == 2
    assert "MODE" in f.explain()


def test_helpers_follow_rebinding():
    helper = lambda x: x + 1  # noqa: E731

    @weft.compile
    def f(x):
        return helper(x)

    assert f(np.ones(2))[0] == 2
    helper = lambda x: x * 10  # noqa: E731
    assert f(np.ones(2))[0] == 10


def test_writes_reach_what_is_outside():
    w = np.zeros(3)
    log, table = [], {}

    class State:
        count = 0

    state = State()

    @weft.compile
    def f(x):
        w[0] += 1
        w[1:] = x.sum()
        log.append(x.max())
        table["last"] = x + 1
        state.count = state.count + 1
        return x * w[0]

    x = np.array([1.0, 2.0])
    assert f(x)[0] == 1
    assert f(x)[0] == 2
    assert w.tolist() == [2, 3, 3]
    assert log == [2, 2]
    assert table["last"].tolist() == [2, 3]
    assert state.count == 2


def test_without_source_straight_lines_follow_too():
    space = {"np": np, "W": np.ones(3), "K": 2}
    exec("def f(x, d=W):\n    return x * W[0] * K + np.sum(d)", space)
    f = weft.compile(space["f"])
    x = np.ones(2)
    assert f(x)[0] == 5
    space["W"][0] = 5
    assert f(x)[0] == 17
    space["W"] = np.zeros(4)
    assert f(x)[0] == 7


def test_without_source_what_python_would_do_alone_is_refused():
    w = weft.Variable(np.ones(3))
    space = {"np": np, "w": w, "optimizer": weft.optim.SGD([w], 0.5)}
    exec("def f(n):\n    return np.zeros(n[0])", space)
    with pytest.raises(TypeError):
        weft.compile(space["f"])(np.array([3, 1]))
    exec("def step():\n    return optimizer.minimize(lambda: (w**2).sum())", space)
    with pytest.raises((weft.UnsupportedError, TypeError)):
        weft.compile(space["step"])()
    assert w.numpy().tolist() == [1, 1, 1]


# ---- aliasing


def test_one_array_twice():
    @weft.compile
    def f(x, y):
        x += 1
        return x + y

    a = np.ones(3)
    assert f(a, a).tolist() == [4, 4, 4]
    assert a.tolist() == [2, 2, 2]
    assert f(np.ones(3), np.ones(3)).tolist() == [3, 3, 3]
    assert f(a, a[:]).tolist() == [6, 6, 6]
    assert f(a, a).tolist() == [8, 8, 8]
    assert f(np.ones(3), np.ones(3)).tolist() == [3, 3, 3]
    assert f.stats()["compiles"] == 2


def test_partial_overlap():
    @weft.compile
    def f(x, y):
        x += y
        return x

    a = np.ones(5)
    f(np.ones(4), np.ones(4))
    with pytest.raises(weft.AliasError, match="x and y overlap") as caught:
        f(a[1:], a[:-1])
    assert caught.value.code == "E040"
    assert a.tolist() == [1] * 5
    assert f(np.ones(4), np.ones(4)).tolist() == [2] * 4

    @weft.compile
    def reads(x, y):
        return x + y

    assert reads(a[1:], a[:-1]).tolist() == [2] * 4
    assert reads.stats()["compiles"] == 1


def test_argument_that_is_captured_too():
    w = np.ones(3)

    @weft.compile
    def f(x):
        x += 1
        return x + w

    assert f(np.ones(3)).tolist() == [3, 3, 3]
    assert f(w).tolist() == [4, 4, 4]
    assert w.tolist() == [2, 2, 2]
    assert f(np.ones(3)).tolist() == [4, 4, 4]
    assert f(w[:]).tolist() == [6, 6, 6]


def test_overlap_of_a_view_with_a_captured_array():
    w = np.ones(3)

    @weft.compile
    def f(x):
        w[0] = 5
        return x + 1

    with pytest.raises(weft.AliasError):
        f(w[1:])
    assert f(np.ones(2)).tolist() == [2, 2]


def test_appending_compiles_once():
    log = []

    @weft.compile
    def f(x):
        log.append(x.sum())
        return x + 1

    for k in range(5):
        f(np.full(2, float(k)))
    assert log == [0, 2, 4, 6, 8]
    assert f.stats()["compiles"] == 1

    @weft.compile
    def g(x):
        log.append(x.max())
        return log[-1] + len(log)

    del log[:]
    assert g(np.ones(2)) == 2
    assert g(np.ones(2)) == 3


KEYS = {"n": 1}
ITEMS = [1, 2]
MEMBERS = {1, 2}


def test_what_is_in_a_container_from_outside_may_change():
    functions = [
        lambda x: x + 1 if "z" in KEYS else x,
        lambda x: x + 1 if 3 in ITEMS else x,
        lambda x: x + 1 if 3 in MEMBERS else x,
        lambda x: x + 1 if KEYS else x,
        lambda x: x + 1 if not ITEMS else x,
        lambda x: x + len(KEYS) * len(ITEMS),
    ]
    x = np.zeros(2)
    compiled = [weft.compile(f) for f in functions]

    def check():
        for f, g in zip(functions, compiled, strict=True):
            np.testing.assert_array_equal(g(x), f(x))
            np.testing.assert_array_equal(g(x), f(x))

    try:
        check()
        KEYS["z"] = 5
        ITEMS.append(3)
        MEMBERS.add(3)
        check()
        for one in (KEYS, ITEMS, MEMBERS):
            one.clear()
        check()
    finally:
        KEYS.clear()
        KEYS["n"] = 1
        ITEMS[:] = [1, 2]
        MEMBERS.clear()
        MEMBERS.update({1, 2})


def test_items_that_are_written_twice_through_two_names():
    def f(x):
        d = KEYS
        d["n"] += 1
        d["n"] += 1
        KEYS["n"] += 1
        d["new"] = 3
        return d["n"], KEYS["n"], "new" in d, x

    try:
        assert weft.compile(f)(np.zeros(1))[:3] == (4, 4, True)
        assert KEYS == {"n": 4, "new": 3}
    finally:
        KEYS.clear()
        KEYS["n"] = 1


def test_loops_without_source_are_said_to_be_unrolled(caplog):
    space = {"np": np}
    exec("def f(x, n):\n    for _ in range(n):\n        x = np.sin(x)\n    return x", space)
    assert space["f"].__module__ is None
    compiled = weft.compile(space["f"])
    for n in (2, 3, 4):
        np.testing.assert_allclose(compiled(np.ones(3), n), space["f"](np.ones(3), n))
    assert [r.message for r in caplog.records if "source cannot be read" in r.message] == [
        "f: its source cannot be read, so that loops are unrolled; put it into a file"
    ]
