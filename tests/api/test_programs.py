"""Whole programs as people write them, compiled and plain: values, types, views, arguments after the call.

Each runs for several sizes and then again, so that generalized and warm variants answer too. Objects whose
state the program changes are compared as well.
"""

import contextlib
import io
from dataclasses import dataclass

import numpy as np
import pytest

import weft
from tests.api import programs_loops, programs_numeric, programs_objects
from tests.api.programs import PROGRAMS, Keywords

assert programs_loops
assert programs_numeric
assert programs_objects


@dataclass(frozen=True)
class Raised:
    """What a call raised."""

    error: Exception


def leaves(value, path="", seen=()):
    """Paths and leaves of a tree of containers and objects."""
    if isinstance(value, np.ndarray | np.generic | int | float | str | type(None)):
        yield path, value
    elif any(value is one for one in seen):
        return
    elif isinstance(value, dict):
        yield path, tuple(value)
        for key, item in value.items():
            yield from leaves(item, f"{path}[{key!r}]", (*seen, value))
    elif isinstance(value, list | tuple):
        yield path, (type(value), len(value))
        for k, item in enumerate(value):
            yield from leaves(item, f"{path}[{k}]", (*seen, value))
    elif hasattr(value, "__dict__"):
        for name, item in vars(value).items():
            yield from leaves(item, f"{path}.{name}", (*seen, value))
    else:
        yield path, type(value)


def assert_same(plain, ours, tolerance):
    """Same structure, types, dtypes and shapes; values within so many ulp of the largest."""
    plain, ours = list(leaves(plain)), list(leaves(ours))
    assert [path for path, _ in plain] == [path for path, _ in ours]
    for (path, x), (_, y) in zip(plain, ours, strict=True):
        assert type(x) is type(y), path
        if not isinstance(x, np.ndarray | np.generic | float | complex):
            assert x == y, path
            continue
        a, b = np.asarray(x), np.asarray(y)
        assert (a.dtype, a.shape) == (b.dtype, b.shape), path
        if a.dtype.kind not in "fc":
            np.testing.assert_array_equal(a, b, err_msg=path)
            continue
        step = tolerance * np.finfo(a.dtype).eps
        largest = np.abs(a[np.isfinite(a)]).max(initial=0)
        np.testing.assert_allclose(b, a, rtol=step, atol=step * largest, err_msg=path)


def sharing(given, result):
    """Which arrays of a call are one object, and which share memory."""
    arrays = [
        (p, x) for p, x in (*leaves(given, "given"), *leaves(result, "result")) if isinstance(x, np.ndarray)
    ]
    pairs = ((a, b) for k, a in enumerate(arrays) for b in arrays[:k])
    return [(p, q, x is y, x.size > 0 and np.shares_memory(x, y)) for (p, x), (q, y) in pairs]


def call(fn, make):
    """Arguments, what a call gives or raises, and what it prints."""
    made = make()
    args, named = (made.args, made.named) if isinstance(made, Keywords) else (made, {})
    args = args if isinstance(args, tuple) else (args,)
    printed = io.StringIO()
    with np.errstate(all="ignore"), contextlib.redirect_stdout(printed):
        try:
            result = fn(*args, **named)
        except Exception as error:
            result = Raised(error)
    return (args, named), result, printed.getvalue()


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    one = PROGRAMS[name]
    compiled = weft.compile(one.fn)
    for make in (*one.calls, one.calls[0], one.calls[-1]):
        given, expected, text = call(one.fn, make)
        ours, result, our_text = call(compiled, make)
        if isinstance(expected, Raised):
            assert isinstance(result, Raised)
            assert isinstance(result.error, type(expected.error))
            assert str(expected.error) in str(result.error) or isinstance(result.error, weft.WeftError)
        else:
            if isinstance(result, Raised):
                raise result.error
            assert_same(expected, result, one.tolerance)
            assert sharing(given, expected) == sharing(ours, result)
        assert text == our_text
        assert_same(given, ours, one.tolerance)
