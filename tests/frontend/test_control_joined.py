"""Names that exchange arrays in a loop or branch inside of another one: what is written later is not lost."""

import numpy as np
import pytest

import weft


def branch_around_loop(x, y, m):
    z = np.zeros(3)
    if x.sum() > 1:
        y[1:] = y[:-1]
    else:
        for _ in range(m):
            y, z = z, y
    z[0] = 9
    return x


def loop_around_branch(x, y, m):
    z = np.zeros(3)
    for i in range(m):
        if i == 2:
            y, z = z, y
    z[0] = 9
    return x


@pytest.mark.parametrize("program", [branch_around_loop, loop_around_branch])
def test_a_write_to_what_may_be_an_argument_is_right_or_refused(program):
    plain, compiled = np.arange(3.0), np.arange(3.0)
    program(-np.ones(3), plain, 2)
    weft.compile(program)(-np.ones(3), compiled, 2)
    np.testing.assert_array_equal(compiled, plain)
    with pytest.raises(weft.UnsupportedError, match="may or may not be the memory"):
        weft.compile(program)(-np.ones(3), compiled, 5)
