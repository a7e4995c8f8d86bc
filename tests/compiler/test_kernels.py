"""Kernel counts and bytes moved of programs that users write, counted by the interpreter at loop level."""

import re

import numpy as np
import pytest

import weft
from weft.backends.cpu.target import host_target
from weft.calls.generate import optimize
from weft.compiler.frontend.arguments import spec_of
from weft.compiler.frontend.entry import trace
from weft.ir import Options, interpret
from weft.ir.memory import Traffic
from weft.ir.walk import walk

RNG = np.random.default_rng(0)


def f32(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def chain(x, a, b):
    return np.tanh(x * a + b) * sigmoid(x) + np.exp(-x * x)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def layer_norm(x, gamma, beta):
    mean = x.mean(axis=-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta


def layer_norm_var(x, gamma, beta):
    return (x - np.mean(x, axis=1, keepdims=True)) / np.sqrt(
        np.var(x, axis=1, keepdims=True) + 1e-5
    ) * gamma + beta


def logsumexp(x):
    top = np.max(x, axis=1)
    return np.log(np.sum(np.exp(x - top[:, None]), axis=1)) + top


def column_statistics(x):
    return x.mean(axis=0), x.var(axis=0)


def dense(x, w, b):
    return np.maximum(x @ w + b, 0)


def concat(x, y, z):
    return np.concatenate([x * 2, np.exp(y), z - 1])


def stencil(x):
    out = np.zeros_like(x)
    out[1:-1, 1:-1] = (x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:]) * 0.25
    return out


def stencil_in_place(x):
    x[1:-1, 1:-1] = (x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:]) * 0.25


def full_sum(x):
    return np.sum(np.exp(x) * x)


def scale_in_place(x):
    x *= 2
    x += 1


CASES = {
    "chain": (chain, (f32(1000), f32(1000), f32(1000)), 1),
    "chain of scalars": (chain, (f32(1000), 2.0, 1.0), 1),
    "softmax": (softmax, (f32(20, 100),), 1),
    "softmax, long rows": (softmax, (f32(3, 9000),), 1),
    "layer norm": (layer_norm, (f32(20, 100), f32(100), f32(100)), 1),
    "layer norm by var": (layer_norm_var, (f32(20, 100), f32(100), f32(100)), 1),
    "logsumexp": (logsumexp, (f32(20, 100),), 1),
    "mean and variance of columns": (column_statistics, (f32(200, 70),), 1),
    "concatenate": (concat, (f32(100), f32(33), f32(7)), 1),
    "stencil": (stencil, (f32(40, 50),), 1),
    "sum of all": (full_sum, (f32(70, 30),), 1),
    "in place": (scale_in_place, (f32(500),), 1),
}


def lowered(fn, arguments):
    specs = [spec_of(a) for a in arguments]
    return optimize(trace(fn, specs).func, Options(), host_target())


def kernels(program):
    return sum(op.name == "kernel" for op in walk(program)) + sum(op.name == "copy" for op in walk(program))


def run(program, arguments):
    """Bytes moved, and bytes of arguments and results."""
    traffic = Traffic()
    given = [np.array(a) for a in arguments]
    results = interpret(program, *given, traffic=traffic)
    return traffic.moved_bytes, sum(np.asarray(a).nbytes for a in given) + sum(r.nbytes for r in results)


@pytest.mark.parametrize("name", CASES)
def test_kernels_and_bytes(name):
    fn, arguments, expected = CASES[name]
    program = lowered(fn, arguments)
    assert kernels(program) == expected
    moved, least = run(program, arguments)
    if fn is scale_in_place:
        least *= 2  # the argument is a result too
    assert moved <= 1.1 * least + 64


def test_dense_is_one_kernel():
    assert kernels(lowered(dense, (f32(64, 100), f32(100, 32), f32(32)))) == 1


def test_stencil_in_place_is_one_kernel_and_the_copy_back():
    x = f32(40, 50)
    program = lowered(stencil_in_place, (x,))
    assert kernels(program) <= 2
    expected = x.copy()
    stencil_in_place(expected)
    interpret(program, x)
    np.testing.assert_array_equal(x, expected)


TWICE = {
    "rows, then columns": lambda x: x.sum(axis=1) @ x,
    "product with a vector and back": lambda x: (x @ x[0]) @ x,
    "rows divided, then columns": lambda x: (x / x.sum(axis=1, keepdims=True)).sum(axis=0),
    "columns, then rows": lambda x: np.exp(x - x.mean(axis=0)).sum(axis=1),
}


@pytest.mark.parametrize("name", TWICE)
def test_what_only_a_reduction_over_another_axis_reads_is_not_written(name):
    x = RNG.normal(size=(300, 200)).astype(np.float32) ** 2 + 1
    program = lowered(TWICE[name], (x,))
    moved, _ = run(program, (x,))
    assert moved <= 2.2 * x.nbytes
    np.testing.assert_allclose(interpret(program, x)[0], TWICE[name](x), rtol=2e-4)


@pytest.mark.parametrize("swapped", [False, True])
def test_products_of_a_transpose_read_rows_in_the_order_of_memory(swapped):
    def product(a, x):
        return x @ a.T if swapped else np.dot(a.T, x)

    a = RNG.normal(size=(60, 40))
    x = RNG.normal(size=40 if swapped else 60)
    program = lowered(product, (a, x))
    assert not any(op.attributes.get("stride", 1) > 1 for op in walk(program) if op.name == "load")
    assert not any(op.name == "gather_lanes" for op in walk(program))
    np.testing.assert_allclose(weft.compile(product)(a, x), product(a, x), rtol=1e-12, atol=1e-12)


def test_a_sum_that_a_loop_carries_beside_an_array_written_in_place():
    def carried(x):
        total, weights, last = np.sum(x, axis=1), np.full(x.shape[0], 3.0), np.zeros(x.shape[0])
        for _ in range(5):
            weights = weights * 0.5
            last = total
        return last, weights

    x = RNG.normal(size=(4, 6))
    for got, expected in zip(weft.compile(carried)(x), carried(x), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-14)


def pieces_turned(x, y, z):
    whole = np.pad(y, ((0, 0), (2, 0), (0, 0))) + np.pad(z, ((0, 0), (0, 2), (0, 0)))
    return x - whole[:, 1:25].transpose(0, 2, 1)


READ_ALONG_MEMORY = {
    "five operands, turned": (
        lambda x, a, b, c, d, e: x + (a + b * c - d / e).transpose(0, 2, 1),
        [(16, 32, 24), *[(16, 24, 32)] * 5],
    ),
    "pieces, turned": (pieces_turned, [(16, 32, 24), (16, 24, 32), (16, 24, 32)]),
    "pixels as rows": (
        lambda x, w: x.transpose(0, 2, 3, 1).reshape(-1, 64).T @ w, [(16, 64, 28, 28), (12544, 48)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READ_ALONG_MEMORY)
def test_what_is_turned_is_read_along_memory(name):
    """What cannot be turned tile by tile is made in the order of its operands first."""
    fn, shapes = READ_ALONG_MEMORY[name]
    arrays = [f32(*shape) + 9 for shape in shapes]
    program = lowered(fn, tuple(arrays))
    assert not any(op.attributes.get("stride", 1) > 1 for op in walk(program) if op.name == "load")
    assert not any(op.name == "gather_lanes" for op in walk(program))
    np.testing.assert_allclose(weft.compile(fn)(*arrays), fn(*arrays), rtol=1e-3)


@pytest.mark.parametrize("sizes", [(40, 30, 20), (300, 257, 130), (3, 64, 50)])
def test_a_product_changes_in_place_what_its_elements_are_combined_with(sizes):
    """A step of an optimizer with slots, of which each result is computed before one is written."""
    k, m, n = sizes
    w, slot, x, g = f32(m, n), f32(m, n), f32(k, m), f32(k, n)

    def step(w, slot, x, g):
        product = x.T @ g
        before = slot.copy()
        slot[...] = np.float32(0.9) * slot + product
        w[...] = w - np.float32(0.1) * (slot + before)

    fn = weft.compile(step, dynamic=False)
    assert "copy(" not in fn.ir("loops", w, slot, x, g)
    expected = w.copy(), slot.copy()
    step(*expected, x, g)
    fn(w, slot, x, g)
    np.testing.assert_allclose(w, expected[0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(slot, expected[1], rtol=1e-4, atol=1e-4)


def test_a_product_is_not_written_over_what_is_read_elsewhere():
    x, y = f32(64, 64), f32(64, 64)
    for fn in (lambda x, y: y @ x + x, lambda x, y: y @ y + x.T, lambda x, y: y @ y + x[::-1] + x):

        def changed(x, y, fn=fn):
            x[...] = fn(x, y)

        expected, found = x.copy(), x.copy()
        changed(expected, y)
        weft.compile(changed)(found, y)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_borders_along_two_axes():
    def framed(x, part):
        x[1:, 1:, ::2][:, :, :2] = part
        return np.pad(x, ((2, 0), (2, 1), (0, 0)), constant_values=-13.0)

    x, part = np.arange(125.0).reshape(5, 5, 5), np.full((4, 4, 2), -1.0)
    np.testing.assert_array_equal(weft.compile(framed, dynamic=False)(x.copy(), part), framed(x.copy(), part))


def test_what_a_scatter_starts_from_is_made_before_it_though_another_kernel_makes_it_too():
    @weft.compile
    def mark(x, i):
        y = x[::-1].copy()
        y[i] = i * 2
        return y, x[::-1] + x

    mark.verify(np.arange(8.0), np.array([1, 1, 2]))


def test_text_has_index_arithmetic_once_and_hides_the_index_of_a_loop_with_many_accesses():
    x = np.ones((300, 700), np.float32)
    text = weft.compile(lambda x: np.tanh(x.T @ x)).ir("llvm", x)
    for block in re.split(r"\n(?=\w+:)", text):
        made = re.findall(r"= ((?:add|mul|sdiv|getelementptr) .*)", block)
        assert len(made) == len(set(made))
    assert 'asm "", "=r,0"' in weft.compile(lambda *many: sum(many)).ir("llvm", *[x] * 12)
    assert "asm" not in weft.compile(lambda *many: sum(many)).ir("llvm", *[x] * 3)


def test_steps_that_ask_where_an_element_lies_are_not_all_one_kernel():
    """Each writes what it reads for both answers: the code of 15 of them in one kernel took minutes."""

    def step(x, y):
        x = np.minimum(x + y, 50.0)
        y[1:] = np.clip(x[:-1] + 0.5, -50.0, 50.0)
        return y, x

    def four(x, y):
        return step(*step(*step(*step(x, y))))

    def steps(x, y):
        x, y = four(*four(*four(x, y)))
        return x * 1.0, y * 1.0

    fn = optimize(trace(steps, [spec_of(np.ones(7))] * 2).func, Options(), host_target())
    assert sum(1 for _ in walk(fn)) < 10_000  # 9 steps in one kernel had 5 000
