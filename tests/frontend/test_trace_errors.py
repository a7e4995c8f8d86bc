"""Mistakes of the user: the class that NumPy raises, the code, the line, the fix."""

import time

import numpy as np
import pytest

from tests.frontend.running import traced
from weft.ir.errors import WeftError

X = np.arange(12.0).reshape(3, 4)
V = np.arange(3.0)
INTEGERS = np.arange(12).reshape(3, 4)
OBJECTS = np.array([object()])


def ragged(x):
    return np.array([[x[0, 0], 1], [2]])


CASES = [
    (lambda x, v: x + v, ValueError, "E012"),
    (lambda x, v: x.reshape(5, 2), ValueError, "E013"),
    (lambda x, v: x @ v, ValueError, "E010"),
    (lambda x, v: x.sum(axis=2), np.exceptions.AxisError, "E015"),
    (lambda x, v: x.take(0, 2), np.exceptions.AxisError, "E015"),
    (lambda x, v: np.rollaxis(x, 1, 5), np.exceptions.AxisError, "E015"),
    (lambda x, v: np.linspace(0, 1, axis=1), np.exceptions.AxisError, "E015"),
    (lambda x, v: x[5], IndexError, "E020"),
    (lambda x, v: x[0, -5], IndexError, "E020"),
    (lambda x, v: x[0, 0, 0], IndexError, "E021"),
    (lambda x, v: x["a"], IndexError, "E020"),
    (lambda x, v: x[v], IndexError, "E020"),
    (lambda x, v: np.mask_indices(int(v[0]), np.triu), TypeError, "E051"),
    (lambda x, v: np.save("/tmp/never.npy", x), TypeError, "E053"),
    (lambda x, v: x.tobytes(), TypeError, "E053"),
    (lambda x, v: x.dumps(), TypeError, "E053"),
    (lambda x, v: x + np.random.rand(), TypeError, "E053"),
    (lambda x, v: x * time.time(), TypeError, "E053"),
    (lambda x, v: open("/tmp/never"), TypeError, "E053"),
    (lambda x, v: np.datetime_as_string(x), TypeError, "E053"),
    (lambda x, v: x.getfield("f4"), TypeError, "E053"),
    (lambda x, v: np.add(x, x, wrong=1), TypeError, "E054"),
    (lambda x, v: x & 1, TypeError, "E030"),
    (lambda x, v: x.astype("c32"), TypeError, "E031"),
    (lambda x, v: x.astype("U4"), TypeError, "E031"),
    (lambda x, v: OBJECTS[0], TypeError, "E031"),
    (lambda x, v: ragged(x), ValueError, "E017"),
    (lambda x, v: np.concatenate([x, v]), ValueError, "E010"),
    (lambda x, v: np.zeros((2, -3)), ValueError, "E016"),
    (lambda x, v: np.zeros(0).max(), ValueError, "E016"),
    (lambda x, v: np.add(x, x, out=np.zeros((3, 4), int)), TypeError, "E032"),
    (lambda x, v: np.add(x, "text"), TypeError, "E031"),
]


@pytest.mark.parametrize(("fn", "base", "code"), CASES)
def test_mistakes(fn, base, code):
    with pytest.raises(WeftError) as caught:
        traced(fn, X, V)
    assert isinstance(caught.value, base), type(caught.value)
    assert caught.value.code == code
    assert caught.value.location is not None
    assert caught.value.location.file == __file__
    assert (
        caught.value.location.line in range(fn.__code__.co_firstlineno - 12, fn.__code__.co_firstlineno + 1)
        or code == "E017"
    )


def augmented_cast(i):
    i += 1.5


@pytest.mark.parametrize(
    ("fn", "error"),
    [
        (augmented_cast, TypeError),
        (lambda i: i ** -1, ValueError),
        (lambda i: np.uint8(i) + 300, OverflowError),
        (lambda i: i.nothing, AttributeError),
        (lambda i: i.shape[0] / (i.shape[0] - 3), ZeroDivisionError),
        (lambda i: i[::0], ValueError),
        (lambda i: len(i[0, 0]), TypeError),
        (lambda i: i[0, 0][0], IndexError),
        (lambda i: np.broadcast_to(i, (2, 3, 4)).fill(1), ValueError),
    ],
)  # fmt: skip
@pytest.mark.parametrize("sizes", ["constant", "symbolic"])
def test_errors_of_numpy_and_python(fn, error, sizes):
    with pytest.raises(error):
        fn(INTEGERS.copy())
    with pytest.raises(error):
        traced(fn, INTEGERS, sizes=sizes)


def test_read_only_arguments_are_not_written():
    def fn(x):
        x[0] = 1

    x = X.copy()
    x.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        traced(fn, x)


def test_all_unsupported_names_are_reported_at_once():
    def fn(x):
        y = np.busday_count(x, x)
        return np.datetime_as_string(y) + np.memmap(x)

    with pytest.raises(WeftError) as caught:
        traced(fn, X)
    text = str(caught.value)
    assert all(name in text for name in ("np.busday_count", "np.datetime_as_string", "np.memmap"))


def test_the_message_shows_line_operands_and_fix():
    with pytest.raises(WeftError) as caught:
        traced(lambda x, v: x + v, X, V)
    text = str(caught.value)
    assert "x + v" in text
    assert "[3,4]" in text
    assert "Fix:" in text


def test_the_next_good_call_works():
    with pytest.raises(WeftError):
        traced(lambda x: x[9], X)
    assert traced(lambda x: x[1], X)
