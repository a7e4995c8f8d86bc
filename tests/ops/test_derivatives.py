"""Every `vjp` rule against differences of its op's own evaluation, in float64, at points where the op is
smooth.

The derivative along a random direction v of <c, f(x)>, c a random cotangent, is compared with central
differences of fourth order; second derivatives likewise, of the program that the first differentiation gave.
"""

import numpy as np
import pytest

from weft.compiler.autodiff import differentiate
from weft.compiler.autodiff.flow import flow_of
from weft.compiler.autodiff.forward import Forward
from weft.compiler.autodiff.reverse import Names
from weft.ir import REGISTRY, Builder, Func, Region
from weft.ir.interp import interpret
from weft.ir.rewrite import Cloner
from weft.ir.types import F64, I64, TensorType, dtype_of, tensor
from weft.ir.verify import verify

SEED = 20240601
STEP = 2e-3

# where an op is smooth, if it is not everywhere on [-2, 2]
DOMAINS = {
    "log": (0.3, 3),
    "log2": (0.3, 3),
    "log10": (0.3, 3),
    "log1p": (-0.7, 2),
    "sqrt": (0.3, 3),
    "cbrt": (0.3, 2),
    "reciprocal": (0.4, 2),
    "divide": (0.4, 2),
    "arcsin": (-0.8, 0.8),
    "arccos": (-0.8, 0.8),
    "arctanh": (-0.8, 0.8),
    "arccosh": (1.3, 3),
    "tan": (-1, 1),
    "power": (0.4, 2),
    "hypot": (0.3, 2),
    "arctan2": (0.3, 2),
    "prod": (0.5, 1.5),
    "absolute": (0.2, 2),
    "sign": (0.2, 2),
    "copysign": (0.2, 2),
}
# ops whose smooth points are apart from integers or from each other's values: see `apart`
STEPPED = {"floor", "ceil", "trunc", "rint", "floor_divide", "remainder", "fmod"}
SORTED = {"minimum", "maximum", "fmin", "fmax", "max", "min", "scatter", "sort"}
PIECEWISE_LINEAR = {"floor", "ceil", "trunc", "rint", "floor_divide", "remainder", "fmod", *SORTED}


def apart(name, rng, shape):
    """Random elements at which `name` is smooth within several steps, as are all pairs of them."""
    low, high = DOMAINS.get(name, (-2, 2))
    x = rng.uniform(low, high, shape)
    if name in STEPPED:
        return rng.integers(-3, 3, shape) + rng.uniform(0.1, 0.4, shape)
    if name in SORTED:
        return rng.permutation(x.size).reshape(shape) * 0.37 + rng.uniform(0, 0.1)
    return x


def samples(name):
    """Samples of the op with their floats replaced by smooth float64 points; one for each signature."""
    rng, seen = np.random.default_rng(SEED), set()
    for attributes, operands in REGISTRY[name].samples(np.random.default_rng(SEED)):
        if not any(np.asarray(x).dtype.kind == "f" for x in operands):
            continue
        if "dtype" in attributes and attributes["dtype"].is_float:
            attributes = {**attributes, "dtype": F64}
        key = (str(attributes), tuple((x.shape, x.dtype.kind) for x in operands))
        if key in seen:
            continue
        seen.add(key)
        arrays = [np.asarray(x) for x in operands]
        total = sum(x.size for x in arrays if x.dtype.kind == "f")
        pool = apart(name, rng, (total,))  # all floats together, so that they are apart from one another too
        for k, x in enumerate(arrays):
            if x.dtype.kind == "f":
                arrays[k], pool = pool[: x.size].reshape(x.shape), pool[x.size :]
        if name in ("remainder", "fmod", "floor_divide"):
            # quotients are integers plus 0.1 to 0.4
            arrays[1] = rng.uniform(1, 2, arrays[1].shape)
            arrays[0] = arrays[0] * arrays[1]
        if name == "cholesky":  # of positive definite matrices alone
            arrays[0] = arrays[0] @ arrays[0].swapaxes(-1, -2) + 2 * np.eye(arrays[0].shape[-1])
        yield attributes, arrays


def function(name, attributes, arrays):
    """The op as a function of its operands."""
    region = Region([TensorType(dtype_of(x.dtype), x.shape) for x in arrays])
    builder = Builder(region)
    results = builder.emit(name, region.params, attributes).results
    builder.emit("return", results)
    return Func(name, region)


def difference(evaluate, arrays, number, direction, cotangent):
    """Central difference of fourth order of <cotangent, f> along `direction` of operand `number`."""

    def at(distance):
        moved = list(arrays)
        moved[number] = arrays[number] + distance * STEP * direction
        return np.sum(evaluate(*moved) * cotangent)

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * STEP)


def check_vjp(fn, arrays, evaluate, rng, tolerance):
    """Compare the gradient of <c, f(x)> with differences, for each operand of floats."""
    wrt = [k for k, x in enumerate(arrays) if x.dtype == np.float64]
    pulled = differentiate(fn, wrt, cotangent_given=True)
    verify(pulled)
    value = evaluate(*arrays)
    cotangent = rng.normal(size=value.shape)
    results = interpret(pulled, *arrays, cotangent)
    np.testing.assert_array_equal(results[0], value)
    for number, gradient in zip(wrt, results[1:], strict=True):
        assert gradient.shape == arrays[number].shape
        direction = rng.normal(size=arrays[number].shape)
        expected = difference(evaluate, arrays, number, direction, cotangent)
        found = np.sum(gradient * direction)
        scale = max(1.0, np.sum(np.abs(gradient * direction)))
        assert abs(found - expected) <= tolerance * scale, (
            f"{fn.name}: operand {number} of {[x.shape for x in arrays]}"
        )


def op_of(name, attributes):
    return lambda *arrays: np.asarray(REGISTRY[name].evaluate(attributes, *arrays))


def gives_floats(name):
    attributes, arrays = next(iter(samples(name)), (None, None))
    return arrays is not None and function(name, attributes, arrays).results[0].type.dtype.is_float


NAMES = sorted(
    n for n, op in REGISTRY.items() if op.vjp is not None and op.samples is not None and gives_floats(n)
)


@pytest.mark.parametrize("name", NAMES)
def test_first_derivative(name):
    rng = np.random.default_rng(SEED)
    for attributes, arrays in samples(name):
        fn = function(name, attributes, arrays)
        check_vjp(fn, arrays, op_of(name, attributes), rng, 1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_forward_mode_is_reverse_mode_transposed(name):
    """<c, J v> is the same number, whichever way it is found."""
    rng = np.random.default_rng(SEED)
    attributes, arrays = next(iter(samples(name)))
    fn = function(name, attributes, arrays)
    wrt = [k for k, x in enumerate(arrays) if x.dtype == np.float64]
    cotangent = rng.normal(size=fn.results[0].type.shape)
    back = interpret(differentiate(fn, wrt, cotangent_given=True), *arrays, cotangent)[1:]
    directions = [rng.normal(size=arrays[k].shape) for k in wrt]
    region, cloner = Region(), Cloner()
    for param in fn.params:
        cloner.set([param], [region.add_param(param.type)])
    sources = [fn.params[k] for k in wrt]
    flow = flow_of(fn.body.ops[:-1], sources, fn.results)
    forward = Forward(fn.body.ops[:-1], flow, cloner, region, Names(set(), set()), in_place=False)
    forward.tangents = {source: region.add_param(source.type) for source in sources}
    forward.run()
    forward.builder.emit("return", [forward.tangent(fn.results[0])])
    pushed = Func("pushed", region)
    verify(pushed)
    (tangent,) = interpret(pushed, *arrays, *directions)
    expected = sum(np.sum(g * v) for g, v in zip(back, directions, strict=True))
    np.testing.assert_allclose(np.sum(tangent * cotangent), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in PIECEWISE_LINEAR])
def test_second_derivative(name):
    """The program of <gradient, direction> is differentiated once more."""
    rng = np.random.default_rng(SEED)
    attributes, arrays = next(iter(samples(name)))
    fn = function(name, attributes, arrays)
    wrt = [k for k, x in enumerate(arrays) if x.dtype == np.float64]
    pulled = differentiate(fn, wrt, cotangent_given=True)
    cotangent = rng.normal(size=fn.results[0].type.shape)
    arrays = [*arrays, cotangent]
    twice = differentiate(pulled, wrt, cotangent_given=True, of=[1])
    verify(twice)
    weights = rng.normal(size=arrays[wrt[0]].shape)
    results = interpret(twice, *arrays, weights)[len(pulled.results) :]

    def gradient(*values):
        return interpret(pulled, *values)[1]

    for number, found in zip(wrt, results, strict=True):
        direction = rng.normal(size=arrays[number].shape)
        expected = difference(gradient, arrays, number, direction, weights)
        scale = max(1.0, np.sum(np.abs(found * direction)))
        assert abs(np.sum(found * direction) - expected) <= 1e-6 * scale


# ---------------------------------------------------------------- where an op is not smooth


def gradients(name, attributes, *arrays, cotangent=None):
    arrays = [np.asarray(x) for x in arrays]
    fn = function(name, attributes, arrays)
    wrt = [k for k, x in enumerate(arrays) if x.dtype.kind == "f"]
    ones = np.ones(fn.results[0].type.shape) if cotangent is None else np.asarray(cotangent, float)
    return interpret(differentiate(fn, wrt, cotangent_given=True), *arrays, ones)[1:]


@pytest.mark.parametrize("name", ["minimum", "maximum", "fmin", "fmax"])
def test_ties_are_halved(name):
    x, y = gradients(name, {}, [1.0, 2.0, 3.0], [1.0, 3.0, 2.0])
    assert x[0] == y[0] == 0.5
    assert list(x[1:] + y[1:]) == [1, 1]


@pytest.mark.parametrize("name", ["max", "min"])
def test_ties_of_reductions_are_shared(name):
    (x,) = gradients(name, {"axis": 0}, [2.0, 2.0, 2.0, 2.0], cotangent=3.0)
    np.testing.assert_array_equal(x, np.full(4, 0.75))


def test_ties_of_scatter_are_shared():
    attributes = {"axes": (0,), "mode": "maximum"}
    whole, part = gradients("scatter", attributes, [1.0, 5.0], [1.0, 1.0, 2.0], np.array([0, 0, 1]))
    np.testing.assert_allclose(whole, [1 / 3, 1])
    np.testing.assert_allclose(part, [1 / 3, 1 / 3, 0])


def test_last_writer_of_scatter_takes_all():
    attributes = {"axes": (0,), "mode": "set"}
    whole, part = gradients("scatter", attributes, [1.0, 5.0, 7.0], [1.0, 2.0, 3.0], np.array([0, 0, -1]))
    assert (list(whole), list(part)) == ([0, 1, 0], [0, 1, 1])


@pytest.mark.parametrize(
    ("name", "point", "expected"),
    [
        ("absolute", 0.0, 0.0), ("sign", 0.0, None), ("sqrt", 0.0, np.inf), ("square", 0.0, 0.0),
        ("floor", 1.0, None), ("log", 0.0, np.inf), ("cbrt", 0.0, np.inf),
    ],
)  # fmt: skip
def test_points_that_are_not_smooth(name, point, expected):
    assert gradients(name, {}, point)[0] == (expected or 0.0)


def test_power_at_zero():
    x, y = gradients("power", {}, [0.0, 0.0, 0.0, 2.0], [0.0, 2.0, 1.0, 0.0])
    assert (list(x), list(y)) == ([0, 0, 1, 0], [0, 0, 0, np.log(2.0)])
    x, y = gradients("power", {}, [-2.0], [3.0])
    assert x[0] == 12
    assert np.isnan(y[0])


def test_hypot_at_the_origin():
    assert [float(v) for v in gradients("hypot", {}, 0.0, 0.0)] == [0, 0]


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_product_with_zeros(zeros):
    x = np.array([3.0, 2.0, 5.0, 7.0, 0.5])
    x[:zeros] = 0
    (found,) = gradients("prod", {"axis": 0}, x)
    np.testing.assert_allclose(found, [np.prod(np.delete(x, k)) for k in range(5)])


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_second_derivative_of_product_with_zeros(zeros):
    x = np.array([3.0, 2.0, 5.0, 7.0])
    x[:zeros] = 0
    once = differentiate(function("prod", {"axis": 0}, [x]), [0])
    twice = differentiate(once, [0], cotangent_given=True, of=[1])
    for k in range(4):
        found = interpret(twice, x, np.eye(4)[k])[-1]
        np.testing.assert_allclose(found, [0 if i == k else np.prod(np.delete(x, [i, k])) for i in range(4)])


def test_integer_operands_have_no_cotangent():
    region = Region([tensor(F64, 4), tensor(I64, 2)])
    builder = Builder(region)
    builder.emit("return", [builder.emit("gather", region.params, {"axes": (0,)}).result])
    fn = Func("f", region)
    assert len(differentiate(fn, [0], cotangent_given=True).results) == 2
    with pytest.raises(TypeError, match="argument of floats"):
        differentiate(fn, [1], cotangent_given=True)
