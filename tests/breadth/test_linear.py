"""Linear algebra by factors, native, against NumPy."""

import numpy as np
import pytest

import weft
from tests.breadth.native import check

RNG = np.random.default_rng(17)


def matrices(shape, dtype="f8"):
    x = RNG.normal(size=shape)
    return (x + np.eye(shape[-1])).astype(dtype)


SHAPES = [(1, 1), (2, 2), (5, 5), (17, 17), (3, 4, 4), (2, 1, 3, 3), (64, 64)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_square(shape, dtype):
    a = matrices(shape, dtype)
    tolerance = 1e-9 if dtype == "f8" else 2e-2
    check(lambda a: (np.linalg.inv(a), np.linalg.det(a), np.linalg.slogdet(a)), a, tolerance=tolerance)
    check(
        lambda a, b: (np.linalg.solve(a, b), np.linalg.solve(a, b[..., :1])),
        a,
        matrices((*shape[:-1], shape[-1]), dtype),
        tolerance=tolerance,
    )
    s = a @ np.swapaxes(a, -1, -2) + np.eye(shape[-1], dtype=dtype)
    check(lambda s: (np.linalg.cholesky(s), np.linalg.cholesky(s, upper=True)), s, tolerance=tolerance)


def test_vectors_stacks_integers_and_views():
    a, b = matrices((6, 6)), RNG.normal(size=6)
    check(
        lambda a, b: (np.linalg.solve(a, b), np.linalg.solve(a.T, b), np.linalg.inv(a[::2, ::2])),
        a,
        b,
        tolerance=1e-9,
    )
    check(lambda a, b: np.linalg.solve(a, b), matrices((3, 4, 4)), RNG.normal(size=(4, 2)), tolerance=1e-9)
    check(lambda a: (np.linalg.det(a), np.linalg.inv(a)), np.array([[2, 1], [7, 4]]), tolerance=1e-12)
    check(lambda a: np.linalg.det(a), np.array([[0.0, 1.0, 0], [0, 0, 1.0], [1.0, 0, 0]]))
    check(lambda a: (np.linalg.det(a), np.linalg.slogdet(a)), np.ones((3, 3)))


def test_sizes_are_symbolic():
    compiled = weft.compile(lambda a, b: np.linalg.solve(a, b) + np.linalg.det(a))
    for n in (2, 3, 8, 33):
        a, b = matrices((n, n)), RNG.normal(size=(n, n + 1))
        np.testing.assert_allclose(
            compiled(a, b), np.linalg.solve(a, b) + np.linalg.det(a), rtol=1e-8, atol=1e-8
        )
    assert compiled.stats()["compiles"] <= 2


@pytest.mark.parametrize(
    "fn",
    [
        lambda a, v: (np.linalg.matrix_power(a, 3), np.linalg.matrix_power(a, 0),
            np.linalg.matrix_power(a, -2)),
        lambda a, v: (np.linalg.multi_dot([a, a[:, :2], a[:2]]), np.linalg.multi_dot([v, a, v]),
            np.linalg.multi_dot([a, v])),
        lambda a, v: (np.linalg.norm(a), np.linalg.norm(a, 1), np.linalg.norm(a, np.inf),
            np.linalg.norm(a, -1), np.linalg.norm(a, "fro")),
        lambda a, v: (np.linalg.norm(v, 3), np.linalg.norm(v, 0), np.linalg.norm(a, axis=0),
            np.linalg.norm(a, np.inf, axis=1, keepdims=True)),
        lambda a, v: (np.linalg.vector_norm(a), np.linalg.vector_norm(a, axis=0, ord=1),
            np.linalg.matrix_norm(a[None], ord=1)),
        lambda a, v: (np.linalg.diagonal(a), np.linalg.trace(a), np.linalg.outer(v, v),
            np.linalg.matmul(a, a), np.linalg.matrix_transpose(a)),
        lambda a, v: (np.linalg.vecdot(v, v), np.linalg.tensordot(a, a)),
    ],
)  # fmt: skip
def test_compositions(fn):
    check(fn, matrices((4, 4)), RNG.normal(size=4), tolerance=1e-10)


@pytest.mark.parametrize("fn",
    [np.linalg.det, lambda a: np.linalg.slogdet(a)[1], lambda a: np.linalg.inv(a)[0, 1],
        lambda a: np.linalg.solve(a, a[0] ** 2).sum(),
                                lambda a: np.linalg.cholesky(a @ a.T + np.eye(4)).sum()])  # fmt: skip
def test_gradients(fn):
    a, direction = matrices((4, 4)) + 2 * np.eye(4), RNG.normal(size=(4, 4))
    gradient = weft.grad(fn)(a)
    slope = (fn(a + 1e-6 * direction) - fn(a - 1e-6 * direction)) / 2e-6
    np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=1e-5)


def test_errors():
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        weft.compile(np.linalg.inv)(np.ones((2, 2)))
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        weft.compile(lambda a: np.linalg.cholesky(a))(-np.eye(3))
    with pytest.raises(np.linalg.LinAlgError, match="square"):
        weft.compile(np.linalg.det)(np.ones((2, 3)))
    with pytest.raises(np.linalg.LinAlgError, match="two-dimensional"):
        weft.compile(np.linalg.inv)(np.ones(3))
    with pytest.raises(ValueError, match="rows"):
        weft.compile(np.linalg.solve)(np.eye(3), np.ones((2, 2)))


def test_large_matrices_are_halved():
    a, b = matrices((230, 230)), RNG.normal(size=(230, 9))
    s = a @ a.T + 230 * np.eye(230)
    check(lambda s, b: (np.linalg.solve(s, b), np.linalg.cholesky(s)), s, b, tolerance=1e-11)


def test_code_of_diagonals_and_pairs_is_short():
    """Indices that `iota` makes are not checked, neighbours are divided once, equal kernels are one."""
    x = np.random.default_rng(0).normal(size=(40, 40))
    det = weft.compile(np.linalg.det)
    assert not np.isnan(det(x))
    text = det.ir(stage="llvm")
    assert "sdiv <" not in text
    assert "call void @weft.fail" not in text
    far = weft.compile(lambda a, b: np.abs(a[:, None] - b[None]).sum())
    a, b = x[0, :30], x[1, :37]
    np.testing.assert_allclose(far(a, b), np.abs(a[:, None] - b[None]).sum(), rtol=1e-12)
    assert "sdiv <8 x i64>" not in far.ir(stage="llvm")
    thrice = weft.compile(lambda a: np.repeat(a, 3))
    np.testing.assert_array_equal(thrice(a), np.repeat(a, 3))
    assert "sdiv <8 x i64>" not in thrice.ir(stage="llvm")
    n = np.arange(200_000) % 999
    both = weft.compile(lambda a, b: np.sort(a)[::7] + np.sort(b)[::7])
    np.testing.assert_array_equal(both(n, n), np.sort(n)[::7] * 2)
    assert both.ir(stage="llvm").count('define internal void @"weft_program.sort') == 1


LEAST, SECOND = -np.inf, 2.0


def test_orders_of_norms_that_are_numbers_of_the_program():
    """A float that a name holds, or an argument, is fixed where Python asks for its value."""
    x = np.random.default_rng(1).normal(size=(3, 3))
    for fn in (
        lambda x: np.linalg.norm(x, LEAST),
        lambda x: np.linalg.norm(x, SECOND),
        lambda x: np.linalg.cond(x, LEAST),
    ):
        np.testing.assert_allclose(weft.compile(fn)(x), fn(x), rtol=1e-12)
    compiled = weft.compile(np.linalg.norm)
    for order in (np.inf, 1.0, 2.0, 3.0):
        np.testing.assert_allclose(compiled(x[0], order), np.linalg.norm(x[0], order), rtol=1e-12)
    assert weft.compile(lambda x: x + 1 if SECOND in (1, 2) else x)(1.0) == 2.0
    none = np.ones((0, 3))
    assert weft.compile(lambda a: np.linalg.matrix_norm(a, ord=2))(none) == 0
    assert weft.compile(lambda a: np.linalg.vector_norm(a, ord=np.inf))(none) == 0
    with pytest.raises(ValueError, match="Improper"):
        weft.compile(lambda a: np.linalg.norm(a, None, (0, 1, 2)))(np.ones((2, 3, 4)))
    with pytest.raises(ValueError, match="for vectors"):
        weft.compile(lambda a: np.linalg.norm(a, "fro", 0))(x)
    with pytest.raises(TypeError, match="exponent"):
        weft.compile(lambda a: np.linalg.matrix_power(a, [1]))(x)
