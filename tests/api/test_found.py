"""Programs that random testing found wrong once, as a user would write them."""

import numpy as np
import pytest

import weft


def sum_of_no_rows(x):
    return x.T.sum(axis=0, keepdims=True)[:-1, :, ::-1].sum(axis=0, keepdims=True)


def write_over_what_another_result_reads(a, b):
    rounded = np.rint(a)
    larger = np.fmax(a, b)
    b[...] = rounded
    return larger


def cube(dtype):
    return np.arange(27).reshape(3, 3, 3).astype(dtype)


@pytest.mark.parametrize("dtype", ["i4", "f4", "f8"])
def test_sum_of_no_rows(dtype):
    x = cube(dtype)
    np.testing.assert_array_equal(weft.compile(sum_of_no_rows)(x), sum_of_no_rows(x))


@pytest.mark.parametrize("shape", [(64, 64), (5,), (3, 7), ()])
def test_a_result_over_an_operand_of_another(shape):
    a, b = np.random.default_rng(0).normal(size=(2, *shape)) * 100
    a, b, c = np.asarray(a), np.array(b), np.array(b)
    expected = write_over_what_another_result_reads(a, b)
    np.testing.assert_array_equal(weft.compile(write_over_what_another_result_reads)(a, c), expected)
    np.testing.assert_array_equal(b, c)
