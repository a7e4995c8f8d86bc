"""`weft.custom_op`: one element, or the whole result, in NumPy; fused, differentiated, batched, refused."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import weft
from weft.testing import check_op

SCALE = 2.0

mirrored = weft.custom_op(
    "mirrored",
    lambda x: x[::-1] * SCALE,
    shape=lambda x: x.shape,
    element=lambda x, i: x[x.shape[0] - 1 - i] * SCALE,
    derivative=lambda g, y, x: mirrored(g),
)
pairs = weft.custom_op(
    "pairs",
    lambda x, y, power=2: x[:, None] ** power * y,
    shape=lambda x, y, power=2: (x.shape[0], y.shape[0]),
    element=lambda x, y, i, j, power=2: x[i] ** power * y[j],
    derivative=lambda g, r, x, y, power=2: (
        power * x ** (power - 1) * (g @ y),
        np.sum(g * x[:, None] ** power, axis=0),
    ),
    samples=lambda rng: ((rng.normal(size=n), rng.normal(size=m)) for n, m in ((1, 2), (5, 17))),
)


@pytest.fixture(scope="module")
def example():
    path = Path(__file__).parents[2] / "examples" / "custom_op.py"
    specification = importlib.util.spec_from_file_location("custom_op_example", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_example(example):
    assert example.main() == 0


def test_rules_agree():
    check_op(pairs)
    check_op(pairs, np.arange(3.0), np.ones(4), power=3)
    check_op(mirrored, np.arange(5.0))
    check_op(mirrored, np.arange(5, dtype=np.float32))


def test_an_element_becomes_part_of_the_kernel_around_it():
    f = weft.compile(lambda x: np.exp(mirrored(np.sin(x))) + 1)
    x = np.linspace(0, 1, 1000, dtype=np.float32)
    np.testing.assert_allclose(f(x), np.exp(mirrored(np.sin(x))) + 1, rtol=1e-6)
    assert len(f.stats()["kernels"]) == 1
    f(x[:10])
    np.testing.assert_allclose(f(x[:20]), np.exp(mirrored(np.sin(x[:20]))) + 1, rtol=1e-6)
    assert f.stats()["compiles"] == 2


def test_what_is_read_often_is_computed_once(example):
    laplacian = example.laplacian
    u = np.random.default_rng(0).normal(size=(8, 9))

    def chain(u):
        for _ in range(4):
            u = u + 0.1 * laplacian(u)
        return u

    f = weft.compile(chain)
    np.testing.assert_allclose(f(u), chain(u), rtol=1e-12)
    assert len(f.stats()["kernels"]) == 4


def test_stacks_stay_one_kernel():
    f = weft.compile(weft.vmap(weft.vmap(mirrored)))
    x = np.random.default_rng(0).normal(size=(2, 3, 5))
    np.testing.assert_array_equal(f(x), x[..., ::-1] * SCALE)
    assert len(f.stats()["kernels"]) == 1
    g = weft.compile(weft.grad(lambda x: np.sum(weft.vmap(mirrored)(x) ** 2)))
    np.testing.assert_allclose(g(x[0]), 2 * SCALE**2 * x[0])


def test_derivatives_of_any_order_are_the_users():
    doubled = weft.custom_op(
        "doubled", lambda x: x * x, kernel=lambda x: x * x, derivative=lambda g, y, x: 3 * g * x
    )
    f = weft.grad(lambda x: np.sum(doubled(x)))
    np.testing.assert_allclose(f(np.ones(3)), 3 * np.ones(3))
    h = weft.hessian(lambda x: np.sum(doubled(doubled(x))))(np.full(1, 2.0))
    np.testing.assert_allclose(
        h, [[36 * 2.0**2]]
    )  # the gradient is 9 u x for u = x x, whose derivative is 3 x


def test_nothing_of_nothing():
    f = weft.compile(lambda x: mirrored(x))
    for dtype in (np.float32, np.float64):
        found = f(np.zeros(0, dtype))
        assert (found.shape, found.dtype) == ((0,), dtype)
    assert weft.compile(lambda x, y: pairs(x, y))(np.zeros(0), np.ones(3)).shape == (0, 3)


def test_exported(tmp_path):
    library = tmp_path / "mirrored.so"
    weft.export(lambda x: mirrored(x) + 1, [weft.spec("f32[n]")], library)
    x = np.arange(5, dtype=np.float32)
    np.testing.assert_array_equal(weft.load_library(library)(x), mirrored(x) + 1)


def test_loops_and_indices():
    taken = weft.custom_op(
        "taken", lambda t, k: t[k], shape=lambda t, k: (k.shape[0],), element=lambda t, k, i: t[k[i]],
        derivative=lambda g, y, t, k: (spread(g, t, k), None),
    )  # fmt: skip

    def spread(g, t, k):
        found = np.zeros(t.shape, t.dtype)
        np.add.at(found, k, g)
        return found

    table, k = np.random.default_rng(0).normal(size=9), np.array([0, 4, 4, -1])
    check_op(taken, table, k)

    def walk(op, t, n):
        for _ in range(n):
            t = t + 0.1 * np.sum(np.sin(op(t, k))) * t
        return np.sum(t * t)

    found = weft.compile(weft.grad(lambda t, n: walk(taken, t, n)))(table, 5)
    plain = weft.compile(weft.grad(lambda t, n: walk(lambda t, k: t[k], t, n)))(table, 5)
    np.testing.assert_allclose(found, plain, rtol=1e-12)


def test_numbers_from_outside_are_read_at_each_call(monkeypatch):
    f = weft.compile(lambda x: mirrored(x))
    np.testing.assert_array_equal(f(np.arange(3.0)), [4, 2, 0])
    monkeypatch.setitem(globals(), "SCALE", 10.0)
    np.testing.assert_array_equal(f(np.arange(3.0)), [20, 10, 0])


def test_an_index_out_of_range_is_an_error():
    wrong = weft.custom_op("wrong", lambda x: x, shape=lambda x: x.shape, element=lambda x, i: x[i + 1])
    with pytest.raises(IndexError, match="index 4 is out of bounds"):
        weft.compile(lambda x: wrong(x))(np.arange(4.0))


TABLE = np.arange(9.0)
REFUSED = {
    "sum": (lambda x, i: np.sum(x), "uses sum"),
    "array": (lambda x, i: x, "gives f64"),
    "size": (lambda x, i: x[i] if x.shape[0] > 50 else -x[i], "decides by a size"),
    "table": (lambda x, i: x[i] * TABLE[i], "none of the op"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_element_is_made_of_is_refused(case):
    element, message = REFUSED[case]
    op = weft.custom_op("refused", lambda x: x, shape=lambda x: x.shape, element=element)
    with pytest.raises(weft.UserError, match=message):
        weft.compile(lambda x: op(x)).ir("tensor", weft.spec("f64[n]"))


def test_rules_that_do_not_fit_are_refused():
    with pytest.raises(weft.UserError, match="needs either"):
        weft.custom_op("neither", np.sin)
    with pytest.raises(weft.UserError, match="no name"):
        weft.custom_op("a b", np.sin, kernel=np.sin)
    much = weft.custom_op("much", np.sin, shape=lambda x: (x.shape[0] - 9,), element=lambda x, i: x[i])
    with pytest.raises(weft.UserError, match="shape of custom_op much gives the size"):
        weft.compile(lambda x: much(x))(np.ones(4))
    bare = weft.custom_op("bare", np.sin, shape=lambda x: x.shape, element=lambda x, i: np.sin(x[i]))
    with pytest.raises(weft.UnsupportedError, match="bare has no derivative"):
        weft.grad(lambda x: np.sum(bare(x)))(np.ones(3))


PLANTED = {
    "value": {"element": lambda x, i: x[i] * 1.001},
    "shape": {"shape": lambda x: (x.shape[0], 1), "element": lambda x, i, j: x[i]},
    "derivative": {"derivative": lambda g, y, x: g * 1.01},
    "writes": {"reference": lambda x: x.__imul__(1.5)},
}


@pytest.mark.parametrize("fault", PLANTED)
def test_wrong_rules_are_found(fault):
    rules = {
        "reference": lambda x: x * 1.0, "shape": lambda x: x.shape, "element": lambda x, i: x[i] * 1.0,
        "derivative": lambda g, y, x: g,
    }  # fmt: skip
    check_op(weft.custom_op("right", **rules), np.arange(1.0, 4))
    with pytest.raises(AssertionError, match="custom op wrong"):
        check_op(weft.custom_op("wrong", **{**rules, **PLANTED[fault]}), np.arange(1.0, 4))
