"""Which programs keep the GIL: an upper bound of their time."""

import numpy as np
import pytest

import weft


def compiled(function, *calls):
    f = weft.compile(function)
    for call in calls:
        f(*call)
    lane = next(lane for lane in f._weft.lanes.values() if lane.versions)
    return lane.versions[0].variant.program


def floats(*shape):
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("function", "calls", "is_short"),
    [
        (lambda a, b: a + b, [(floats(8), floats(8))], True),
        (lambda a, b: a + b, [(floats(100_000), floats(100_000))], False),
        (lambda a, b: a @ b, [(floats(8, 8), floats(8, 8))], True),
        (lambda a, b: a @ b, [(floats(64, 64), floats(64, 64))], False),
    ],
)
def test_known_sizes(function, calls, is_short):
    assert compiled(function, *calls).is_short is is_short


def test_symbolic_sizes():
    sizes = [(floats(n), floats(n)) for n in (8, 9)]
    program = compiled(lambda a, b: a + b, *sizes)
    assert not program.is_short
    assert program.short_size == 1024
    costly = compiled(lambda a, b: np.tanh(np.sin(a)) ** b, *sizes)
    assert 0 < costly.short_size < 1024
    assert compiled(lambda a, b: np.outer(a, b), *sizes).short_size == 64
