"""A few of the random programs of `random_programs.py`, which checks thousands by command."""

import pytest

import weft
from tests.autodiff.random_programs import check

SEED = 20261121


@pytest.mark.parametrize("number", range(8))
def test_reverse_against_complex_step(number):
    try:
        assert check(number, SEED) is None
    except weft.UnsupportedError as error:  # a name that may or may not be an array that is written
        assert error.code == "E064"  # noqa: PT017


def test_compiled():
    assert check(11, SEED, native=True) is None
