"""A sample of the checks against the array API standard; `python -m tests.array_api` makes all."""

import inspect

import numpy as np
import pytest

import weft
import weft.numpy as xp
from tests.array_api import special_cases
from tests.array_api.checks import calls, check, find, signature
from tests.array_api.draws import draw
from tests.array_api.specification import SIGNATURES
from tests.surface.check import Difference

PARTS = 8


def first_calls():
    """One call of each function."""
    found = {}
    for name, dtype, args, kwargs in calls():
        if name not in found or (dtype == "f8" and found[name][0] != "f8"):
            found[name] = (dtype, args, kwargs)
    return sorted(found.items())


@pytest.mark.parametrize("part", range(PARTS))
def test_a_call_of_each(part):
    differences = []
    for number, (name, (dtype, args, kwargs)) in enumerate(first_calls()[part::PARTS]):
        try:
            check(name, args, kwargs, compiled=number % 3 == 0)
        except Difference as error:
            differences.append(f"{name} {dtype}: {error}")
    assert not differences, "\n".join(differences)


def test_random_calls():
    for name, arity in (
        ("where", 3),
        ("concat", 1),
        ("linalg.vector_norm", 1),
        ("subtract", 2),
        ("cumulative_sum", 1),
    ):
        for number in range(3):
            args, kwargs = draw(name, arity, 1, number)
            check(name, args, kwargs, compiled=number == 0)


@pytest.mark.parametrize("names", ["pow remainder atan2", "expm1 sqrt log1p", "add floor_divide sign"])
def test_special_cases(names):
    tried, failures = special_cases.check(xp, names.split())
    assert tried > 20
    assert not failures, "\n".join(failures)


def test_all_names_are_there():
    for text in SIGNATURES:
        assert callable(find(xp, signature(text)[0])), text
    for name in ("e", "pi", "inf", "nan", "newaxis", "float32", "bool", "uint16"):
        assert getattr(xp, name) is getattr(np, name)


def test_what_it_says_of_itself():
    info = xp.__array_namespace_info__()
    assert info.capabilities()["data-dependent shapes"]
    assert info.default_dtypes()["real floating"] == np.float64
    assert set(info.dtypes(kind="integral")) >= {"int8", "uint64"}
    assert info.devices() == [info.default_device()]
    assert xp.__array_api_version__ >= "2024.12"


def test_calls_are_kept_and_work_inside_of_compiled_functions():
    x = np.arange(6.0).reshape(2, 3)
    for _ in range(3):
        xp.tanh(x)
    assert xp.tanh.compiled.stats()["compiles"] == 1
    found = weft.compile(lambda x: xp.sum(xp.sort(x, descending=True)[:, :2], axis=1))(x)
    np.testing.assert_array_equal(found, [3.0, 9.0])
    with pytest.raises(weft.ShapeError):
        xp.add(x, np.ones(2))
    assert inspect.isfunction(xp.__array_namespace_info__)
