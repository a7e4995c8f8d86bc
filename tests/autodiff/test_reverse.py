"""Reverse mode on whole programs: compositions, symbolic sizes, writes, locations, errors, size."""

from functools import partial

import numpy as np
import pytest

import weft
from weft.compiler.autodiff import differentiate
from weft.ir import Builder, Func, Location, Region, ShapeError, UnsupportedError
from weft.ir.dims import Symbol, symbol
from weft.ir.expr import cast, select
from weft.ir.interp import interpret
from weft.ir.types import F32, F64, I64, IndexType, tensor
from weft.ir.verify import verify

N, M = symbol("n"), symbol("m")


def program(types, body, **options):
    """A function whose results are what `body(builder, *parameters)` gives."""
    region = Region(types)
    builder = Builder(region)
    results = body(builder, *[builder.expr(p) for p in region.params])
    builder.emit("return", [r.value for r in (results if isinstance(results, tuple) else (results,))])
    names = sorted(
        {d.terms[0][0][0].name for t in types for d in getattr(t, "shape", ()) if not isinstance(d, int)}
    )
    fn = Func("f", region, {name: Symbol(name) for name in names}, **options)
    verify(fn)
    return fn


def call(b, name, *operands, **attributes):
    return b.expr(b.emit(name, [x.value for x in operands], attributes).result)


def total(b, x):
    while x.type.shape:
        x = call(b, "sum", x, axis=len(x.type.shape) - 1)
    return x


def keep(b, name, x, axis, **attributes):
    """A reduction that keeps its axis, broadcast back."""
    shape = x.type.shape
    small = call(b, name, x, axis=axis, **attributes)
    return b.broadcast(b.reshape(small, (*shape[:axis], 1, *shape[axis + 1 :])), shape)


def check(fn, *arrays, tolerance=1e-7, step=1e-3):
    """Gradients of a scalar program in float64 against central differences of fourth order."""
    wrt = [k for k, a in enumerate(arrays) if np.asarray(a).dtype == np.float64]
    grad = differentiate(fn, wrt)
    verify(grad)
    results = interpret(grad, *arrays)
    rng = np.random.default_rng(7)
    for number, gradient in zip(wrt, results[len(fn.results) :], strict=True):
        direction = rng.normal(size=arrays[number].shape)

        def at(distance, number=number, direction=direction):
            moved = list(arrays)
            moved[number] = arrays[number] + distance * step * direction
            return interpret(fn, *moved)[0]

        expected = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step)
        found = np.sum(gradient * direction)
        assert abs(found - expected) <= tolerance * max(1.0, np.sum(np.abs(gradient * direction)))
    return grad


def softmax(b, x):
    e = (x - keep(b, "max", x, 1)).apply("exp")
    return e / keep(b, "sum", e, 1)


def layer_norm(b, x, scale, shift):
    mean = keep(b, "sum", x, 1) / float(8)
    centered = x - mean
    variance = keep(b, "variance", x, 1)
    shape = x.type.shape
    return centered / (variance + 1e-5).apply("sqrt") * b.broadcast(scale, shape) + b.broadcast(shift, shape)


def rand(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_softmax_cross_entropy():
    def loss(b, x, y):
        return total(b, (softmax(b, x) + 1e-9).apply("log") * y)

    check(program([tensor(F64, N, 5)] * 2, loss), rand(4, 5), rand(4, 5, seed=1))


def test_layer_norm():
    def loss(b, x, scale, shift, w):
        return total(b, layer_norm(b, x, scale, shift) * w)

    types = [tensor(F64, N, 8), tensor(F64, 8), tensor(F64, 8), tensor(F64, N, 8)]
    check(program(types, loss), rand(3, 8), rand(8), rand(8), rand(3, 8, seed=1))


def test_multilayer_perceptron():
    def loss(b, x, w1, b1, w2, b2, y):
        hidden = call(b, "dot", x, w1)
        hidden = (hidden + b.broadcast(b1, hidden.type.shape)).apply("tanh")
        out = call(b, "dot", hidden, w2)
        error = out + b.broadcast(b2, out.type.shape) - y
        return total(b, error * error) / float(3)

    types = [tensor(F64, *s) for s in ((N, 5), (5, M), (M,), (M, 2), (2,), (N, 2))]
    arrays = [rand(*s, seed=k) for k, s in enumerate(((4, 5), (5, 6), (6,), (6, 2), (2,), (4, 2)))]
    check(program(types, loss), *arrays)


def test_batched_products():
    def loss(b, x, y):
        return total(b, call(b, "dot", x, y).apply("sin"))

    check(program([tensor(F64, N, 3, 4), tensor(F64, N, 4, 5)], loss), rand(2, 3, 4), rand(2, 4, 5))


@pytest.mark.parametrize("axis", [0, 1])
def test_variance_with_symbolic_sizes(axis):
    def loss(b, x, w):
        return total(b, keep(b, "variance", x, axis, ddof=1) * w)

    check(program([tensor(F64, N, M)] * 2, loss), rand(4, 5), rand(4, 5, seed=1))


def test_broadcasts_of_every_kind():
    def loss(b, scalar, row, column, whole):
        shape = whole.type.shape
        x = b.broadcast(scalar, shape) * b.broadcast(row, shape) + b.broadcast(column, shape) * whole
        return total(b, x.apply("sin"))

    types = [tensor(F64), tensor(F64, M), tensor(F64, N, 1), tensor(F64, N, M)]
    check(program(types, loss), rand(), rand(5), rand(4, 1), rand(4, 5))


def test_slices_updates_and_concatenation():
    def loss(b, x, y):
        left = call(b, "slice", x, start=(1,), size=(N - 2,), step=(1,))
        back = call(b, "slice", x, start=(N - 1,), size=(N - 2,), step=(-1,))
        whole = call(b, "update", x, left * back, start=(2,), step=(1,))
        both = call(b, "concatenate", whole, y, whole, axis=0)
        padded = call(b, "pad", both, total(b, y), low=(2,), high=(1,))
        return total(b, padded.apply("sin") * padded)

    check(program([tensor(F64, N), tensor(F64, M)], loss), rand(7), rand(3))


@pytest.mark.parametrize("mode", ["set", "add", "maximum", "minimum"])
def test_gather_and_scatter_with_repeated_indices(mode):
    def loss(b, x, part, index):
        moved = call(b, "gather", x, index, axes=(0,)) * part
        return total(b, call(b, "scatter", x, moved, index, axes=(0,), mode=mode).apply("sin"))

    types = [tensor(F64, N, 3), tensor(F64, M, 3), tensor(I64, M)]
    check(program(types, loss), rand(5, 3), rand(4, 3, seed=1), np.array([1, 1, -1, 0]))


def test_select_and_casts():
    def loss(b, x):
        narrow = cast(cast(x, F32) * 2.0, F64)
        return total(b, select(x.gt(0.0), x * x, narrow * 0.0 + x))

    check(program([tensor(F64, N)], loss), rand(9), tolerance=1e-6)


def test_reductions_of_reshaped_transposes():
    def loss(b, x, w):
        flat = b.reshape(call(b, "transpose", x, axes=(1, 0)), (N * M,))
        return total(b, flat * w * flat)

    check(program([tensor(F64, N, M), tensor(F64, N * M)], loss), rand(3, 4), rand(12))


def test_hessian_vector_product():
    def loss(b, x):
        return total(b, softmax(b, x) * x * x)

    fn = program([tensor(F64, N, 4)], loss)
    once = differentiate(fn, [0])
    twice = differentiate(once, [0], cotangent_given=True, of=[1])
    verify(twice)
    x, v, step = rand(2, 4), rand(2, 4, seed=3), 1e-4
    found = interpret(twice, x, v)[-1]
    expected = (interpret(once, x + step * v)[1] - interpret(once, x - step * v)[1]) / (2 * step)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_no_path_gives_zeros():
    def loss(b, x, y):
        return total(b, x), y

    results = interpret(
        differentiate(program([tensor(F64, N), tensor(F64, M, 2)], loss), [1, 0]), rand(3), rand(2, 2)
    )
    assert results[2].shape == (2, 2)
    assert not results[2].any()
    assert (results[3] == 1).all()


def test_path_that_ends_in_integers_gives_zeros():
    def loss(b, x):
        return total(b, cast(cast(x, I64), F64) + x.apply("floor"))

    (_, gradient) = interpret(differentiate(program([tensor(F64, N)], loss), [0]), rand(3))
    assert not gradient.any()


def test_the_result_may_be_the_parameter():
    fn = program([tensor(F64)], lambda b, x: x)
    assert [float(v) for v in interpret(differentiate(fn, [0, 0]), np.array(3.0))] == [3, 1, 1]


def test_cotangents_of_several_results():
    fn = program([tensor(F64, N)], lambda b, x: (x * x, cast(x, I64), x.apply("exp")))
    pulled = differentiate(fn, [0], cotangent_given=True)
    verify(pulled)
    assert len(pulled.params) == 3
    x, c, d = rand(4), rand(4, seed=1), rand(4, seed=2)
    np.testing.assert_allclose(interpret(pulled, x, c, d)[-1], 2 * x * c + np.exp(x) * d)


def test_writes_happen_once_and_are_not_differentiated():
    fn = program(
        [tensor(F64, N), tensor(F64, N)], lambda b, x, state: (total(b, x * state), state + x), into=(-1, 1)
    )
    grad = differentiate(fn, [0, 1])
    verify(grad)
    assert grad.into == (-1, 1, -1, -1)
    x, state = rand(3), rand(3, seed=1)
    before = state.copy()
    results = interpret(grad, x, state)
    np.testing.assert_array_equal(results[2], before)  # at entry
    np.testing.assert_array_equal(results[3], x)
    np.testing.assert_array_equal(state, before + x)
    assert len(differentiate(fn, [0], cotangent_given=True).params) == 3


def test_gradients_carry_the_lines_of_their_ops():
    def loss(b, x):
        b.locations = (Location("model.py", 3),)
        y = x.apply("sin")
        b.locations = (Location("model.py", 4),)
        return total(b, y * y)

    grad = differentiate(program([tensor(F64, N)], loss), [0])
    (cosine,) = [op for op in grad.body.ops if op.name == "cos"]
    assert cosine.locations == (Location("model.py", 3),)
    assert all(op.locations for op in grad.body.ops if op.name not in ("constant", "broadcast", "return"))


# ---------------------------------------------------------------- errors


def test_op_without_derivative_is_named_with_its_line():
    def loss(b, x):
        b.locations = (Location("model.py", 8),)
        return total(b, x.apply("nextafter", x))

    with pytest.raises(UnsupportedError, match="nextafter has no derivative") as caught:
        differentiate(program([tensor(F64, 3)], loss), [0])
    assert caught.value.location == Location("model.py", 8)


def test_op_without_derivative_off_the_path_is_fine():
    def loss(b, x, y):
        return total(b, x * y.apply("nextafter", y)), x.apply("nextafter", x)

    results = interpret(differentiate(program([tensor(F64, 3)] * 2, loss), [0]), rand(3), rand(3, seed=1))
    np.testing.assert_array_equal(results[-1], np.nextafter(rand(3, seed=1), rand(3, seed=1)))


def test_rule_that_is_missing_for_an_attribute():
    def loss(b, x, index):
        b.locations = (Location("model.py", 5),)
        return total(b, call(b, "scatter", x, x, index, axes=(0,), mode="multiply"))

    with pytest.raises(UnsupportedError, match="scatter by multiply") as caught:
        differentiate(program([tensor(F64, 3), tensor(I64, 3)], loss), [0])
    assert caught.value.location == Location("model.py", 5)


def loop(b, x):
    """x doubled three times by a loop."""
    lower, upper, step = (b.emit("dim", (), {"dim": k}).result for k in (0, 3, 1))
    region = Region([IndexType(symbol("i", 0, 2)), x.type])
    inner = b.inside(region)
    inner.emit("yield", [(inner.expr(region.params[1]) * 2.0).value])
    return b.expr(b.emit("for", [lower, upper, step, x.value], {}, [region]).result)


def test_loop_on_the_path():
    check(program([tensor(F64, 3)], lambda b, x: total(b, loop(b, x) * x)), rand(3))


def test_loop_off_the_path_is_copied():
    fn = program([tensor(F64, 3)] * 2, lambda b, x, y: total(b, x * loop(b, y)))
    grad = differentiate(fn, [0])
    verify(grad)
    np.testing.assert_array_equal(interpret(grad, rand(3), rand(3, seed=1))[1], 8 * rand(3, seed=1))


def test_result_that_is_not_one_number():
    with pytest.raises(ShapeError, match=r"one number, got f64\[n\]"):
        differentiate(program([tensor(F64, N)], lambda b, x: x.apply("sin")), [0])


def test_result_of_integers():
    with pytest.raises(TypeError, match="result of floats"):
        differentiate(program([tensor(F64)], lambda b, x: cast(x, I64)), [0])


# ---------------------------------------------------------------- size


def count(fn, name):
    return sum(op.name == name for op in fn.body.ops)


def test_no_multiplication_by_ones_and_no_zeros_added():
    fn = program([tensor(F32, N, 8)] * 2, lambda b, x, w: total(b, (x + w) * w))
    grad = differentiate(fn, [0])
    assert [op.name for op in grad.body.ops] == ["add", "multiply", "sum", "sum", "return"]
    assert grad.results[1] is grad.params[1]


def test_size_is_linear_and_long_chains_do_not_recurse():
    def chain(b, x, length):
        for _ in range(length):
            x = (x * 1.5).apply("tanh")
        return total(b, x)

    sizes = [
        len(differentiate(program([tensor(F64, 4)], partial(chain, length=length)), [0]).body.ops)
        for length in (500, 1000, 2000)
    ]
    assert sizes[2] - sizes[1] == 2 * (sizes[1] - sizes[0])


def _gates(x, steps):
    """Four slices of a product, one of them used twice."""
    n = x.shape[1]
    w = np.cos(np.arange(n * 4 * n).reshape(n, 4 * n))
    total = 0.0
    for _ in range(steps):
        z = x @ w
        i, f, g, o = z[:, :n], z[:, n : 2 * n], z[:, 2 * n : 3 * n], z[:, 3 * n :]
        x = np.tanh(i) * f + np.tanh(g) + i * 0.1
        total = total + np.sum(o * x)
    return total


def _overlapping(x, steps):
    total = 0.0
    for _ in range(steps):
        x = np.sin(x)
        total = total + np.sum(x[:, :2] ** 2) + np.sum(x[:, 1:] * x[:, :1]) + np.sum(x.T[2:])
    return total


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("program", [_gates, _overlapping])
def test_gradients_of_slices_side_by_side_and_over_each_other(program, steps):
    x = np.random.default_rng(3).normal(size=(2, 3))
    gradient = weft.grad(partial(program, steps=steps))
    found = gradient(x)
    for place in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[place] += 1e-30j
        np.testing.assert_allclose(found[place], program(moved, steps).imag / 1e-30, rtol=1e-12)
    text = weft.compile(gradient).ir("fused", x)
    assert ("concatenate" in text) == (program is _gates)
