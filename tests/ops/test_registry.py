"""What holds for every op record: types, text, forms, traits and derivatives agree with its NumPy meaning."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import weft.ir.ops
from weft.ir import UnsupportedError
from weft.ir.interp import interpret
from weft.ir.opdef import REGISTRY, Combine, Element, Scalar, define
from weft.ir.text import equal, parse, show
from weft.ir.types import DTYPES, F64
from weft.ir.verify import verify

sys.path.insert(0, str(Path(__file__).parent))
from forms import one_op, run_combine, run_element, run_scalar, symbolic

NAMES = sorted(REGISTRY)
TRAITS = {
    "commutative",
    "idempotent",
    "effect",
    "can_fail",
    "terminator",
    "loop",
    "memory",
    "reduction",
    "binds",
}


def samples_of(name, most=40):
    """Some samples, spread over all of them."""
    found = list(REGISTRY[name].samples(np.random.default_rng(0)))
    return found[:: max(1, len(found) // most)]


def having(predicate):
    return [name for name in NAMES if REGISTRY[name].samples is not None and predicate(REGISTRY[name])]


def is_meaningful(record):
    return record.evaluate is not None


@pytest.mark.parametrize("name", NAMES)
def test_record_is_complete(name):
    record = REGISTRY[name]
    assert record.name == name
    assert name.isidentifier() or name.isalpha()
    assert len(record.doc) > 3
    assert record.doc.rstrip()[-1] in ".)"
    assert record.flops >= 0
    assert record.traits <= TRAITS
    if record.evaluate is None:
        assert record.form is None or name == "each"  # the interpreter runs its region
        assert record.samples is None
        assert record.vjp is None or name == "known_gradient"  # the user's own
    else:
        assert record.form is not None
        assert record.samples is not None or record.has("loop")
        assert not record.has("terminator")
        assert not record.has("effect")


def test_an_op_is_defined_once():
    with pytest.raises(ValueError, match="already defined"):
        define(REGISTRY["sin"])


@pytest.mark.parametrize("name", having(is_meaningful))
def test_infer_agrees_with_evaluate(name):
    for attributes, arrays in samples_of(name, 200):
        before = [a.copy() for a in arrays]
        fn = one_op(name, attributes, arrays)
        results = REGISTRY[name].evaluate(attributes, *arrays)
        results = results if isinstance(results, tuple) else (results,)
        for value, result in zip(fn.results, results, strict=True):
            assert np.asarray(result).shape == value.type.shape, (attributes, arrays)
            assert np.asarray(result).dtype == value.type.dtype.numpy, (attributes, arrays)
        for old, new in zip(before, arrays, strict=True):
            np.testing.assert_array_equal(old, new, err_msg=f"{name} changes its operands")
        interpret(fn, *arrays)


@pytest.mark.parametrize("name", having(is_meaningful))
def test_print_and_parse(name):
    for attributes, arrays in samples_of(name):
        fn = one_op(name, attributes, arrays)
        if not REGISTRY[name].has("loop"):
            verify(fn)
        constants = {}
        assert equal(parse(show(fn, constants=constants), constants=constants), fn)


@pytest.mark.parametrize("name", having(lambda r: isinstance(r.form, Scalar | Combine) and not r.has("loop")))
def test_symbolic_sizes_mean_the_same(name):
    for attributes, arrays in samples_of(name, 6):
        fn = symbolic(name, attributes, arrays)
        verify(fn)
        for x, y in zip(
            interpret(fn, *arrays), interpret(one_op(name, attributes, arrays), *arrays), strict=True
        ):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", having(lambda r: isinstance(r.form, Scalar) and not r.has("loop")))
def test_operands_that_do_not_fit_are_refused(name):
    attributes, arrays = samples_of(name)[0]
    if len(arrays) < 2 or name == "select":
        return
    with pytest.raises(weft.ir.UserError):
        one_op(name, attributes, [arrays[0], arrays[1][..., None]])


# ---- traits


@pytest.mark.parametrize("name", having(lambda r: r.has("commutative") or r.has("idempotent")))
def test_algebraic_traits(name):
    evaluate = REGISTRY[name].evaluate
    for attributes, (x, y) in samples_of(name):
        if x.dtype.kind == "c" and name == "multiply":
            continue  # two fused multiply-adds, in which the operands differ
        if REGISTRY[name].has("commutative"):
            np.testing.assert_array_equal(evaluate(attributes, x, y), evaluate(attributes, y, x))
        if REGISTRY[name].has("idempotent"):
            np.testing.assert_array_equal(evaluate(attributes, x, x), x)


# ---- forms


def assert_same_bits(found, expected, message):
    """Equal to the bit, but any NaN is as good as another."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype, message
    if found.dtype.kind == "f":
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected), err_msg=message)
        number = ~np.isnan(expected)
        np.testing.assert_array_equal(
            np.signbit(found[number]), np.signbit(expected[number]), err_msg=message
        )
    np.testing.assert_array_equal(found, expected, err_msg=message)


@pytest.mark.parametrize("name", having(lambda r: isinstance(r.form, Scalar) and r.form.rule is not None))
def test_scalar_rule_agrees_with_evaluate(name):
    for attributes, arrays in samples_of(name, 130):
        if arrays[0].size and not any(a.dtype.kind == "c" for a in arrays):  # of pairs: test_complex.py
            expected = REGISTRY[name].evaluate(attributes, *arrays)
            message = f"{name} {attributes} of {[a.dtype.name for a in arrays]}"
            assert_same_bits(run_scalar(name, attributes, arrays), expected, message)


@pytest.mark.parametrize("name", having(lambda r: isinstance(r.form, Element) and r.name != "constant"))
def test_element_rule_agrees_with_evaluate(name):
    rng = np.random.default_rng(1)
    for attributes, arrays in samples_of(name):
        expected = np.asarray(REGISTRY[name].evaluate(attributes, *arrays))
        every = list(np.ndindex(expected.shape))
        chosen = [every[i] for i in rng.permutation(len(every))[:40]]
        found = run_element(name, attributes, arrays, chosen)
        for index, element in zip(chosen, found, strict=True):
            np.testing.assert_array_equal(element, expected[index], err_msg=f"{name} {attributes} at {index}")


@pytest.mark.parametrize("name", having(lambda r: isinstance(r.form, Combine)))
def test_combine_rules_agree_with_evaluate(name):
    for attributes, (x,) in samples_of(name):
        size = x.shape[attributes["axis"]]
        expected = np.asarray(REGISTRY[name].evaluate(attributes, x))
        for split in {0, 1, size // 2, size}:
            (found,) = run_combine(name, attributes, x, split)
            assert found.dtype == expected.dtype
            if expected.dtype.kind in "fc":
                tolerance = 1e-5 if expected.dtype in (np.float32, np.complex64) else 1e-12
                np.testing.assert_allclose(
                    found, expected, rtol=tolerance, atol=tolerance, err_msg=f"{name} split at {split}"
                )
            else:
                np.testing.assert_array_equal(
                    found, expected, err_msg=f"{name} of {x.dtype} split at {split}"
                )


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin", "sum", "variance", "prod"])
def test_combine_rules_with_nan_and_ties(name):
    for row in (
        [1, np.nan, 3, np.nan],
        [np.inf, 2, np.inf, 1],
        [-0.0, -0.0, -0.0, -0.0],
        [2, 1, 1, 2],
        [-np.inf, -np.inf, 0, -1],
    ):
        x = np.array(row, np.float64)
        expected = REGISTRY[name].evaluate({"axis": 0}, x)
        for split in range(5):
            (found,) = run_combine(name, {"axis": 0}, x, split)
            assert_same_bits(found, expected, f"{name} of {row} split at {split}")


# ---- derivatives


DOMAINS = (
    lambda rng, shape: rng.normal(size=shape),
    lambda rng, shape: rng.uniform(0.1, 0.9, shape),
    lambda rng, shape: rng.uniform(1.2, 3.0, shape),
)


def _float_operands(rng, name, attributes, arrays):
    """The operands with floats that are away from the edges of where the op is defined, in f64."""
    for domain in DOMAINS:
        moved = [domain(rng, a.shape) if a.dtype.kind == "f" else a for a in arrays]
        result = REGISTRY[name].evaluate(attributes, *moved)
        if np.isfinite(result).all():
            return moved
    return None


def _slope(name, attributes, arrays, direction, cotangent, step):
    evaluate = REGISTRY[name].evaluate
    ahead, behind = (
        evaluate(
            attributes,
            *[a + s * step * d if d is not None else a for a, d in zip(arrays, direction, strict=True)],
        )
        for s in (1, -1)
    )
    return float((cotangent * (ahead - behind)).sum() / (2 * step))


@pytest.mark.parametrize("name", having(lambda r: r.vjp is not None and not r.has("loop")))
def test_vjp_agrees_with_finite_differences(name):
    reverse = _differentiate()
    rng = np.random.default_rng(2)
    possible = compared = 0
    for attributes, sample in samples_of(name, 12):
        floats = [i for i, a in enumerate(sample) if a.dtype.kind == "f"]
        arrays = _float_operands(rng, name, attributes, sample) if floats else None
        if arrays is None or attributes.get("dtype", F64) != F64:
            continue
        fn = one_op(name, attributes, arrays)
        if fn.results[0].type.dtype != F64:
            continue
        possible += 1
        cotangent = rng.normal(size=fn.results[0].type.shape)
        try:
            both = reverse(fn, floats, cotangent_given=True)
        except NotImplementedError:
            continue
        verify(both)
        _, *gradients = interpret(both, *arrays, cotangent)
        direction = [rng.normal(size=a.shape) if i in floats else None for i, a in enumerate(arrays)]
        slope = sum(float((g * direction[i]).sum()) for i, g in zip(floats, gradients, strict=True))
        coarse, fine = (_slope(name, attributes, arrays, direction, cotangent, h) for h in (1e-5, 1e-6))
        scale = 1 + abs(fine)
        if abs(coarse - fine) < 1e-5 * scale:  # else a kink lies between
            compared += 1
            assert abs(slope - fine) < 1e-4 * scale, f"{name} {attributes}: {slope} and {fine}"
    assert compared or not possible


def _differentiate():
    try:
        return importlib.import_module("weft.compiler.autodiff.reverse").differentiate
    except ImportError as error:
        pytest.skip(f"reverse mode is not built: {error}")


def test_ops_without_vjp_say_so():
    reverse = _differentiate()
    fn = one_op("nextafter", {}, (np.ones(3), np.ones(3)))
    with pytest.raises(UnsupportedError):
        reverse(fn, [0], cotangent_given=True)


def test_every_dtype_is_sampled():
    seen = {a.dtype for name in having(is_meaningful) for _, arrays in samples_of(name) for a in arrays}
    expected = {
        d.numpy for d in DTYPES.values() if d.numpy is not None and d.kind in "biufc" and d.name != "f16"
    }
    assert expected <= seen
