"""Results whose last axis has a few elements, results that are reshapes of others: values and any tail."""

import numpy as np
import pytest

import weft

rng = np.random.default_rng(11)


def thin(x, w):
    return (
        np.stack([x, x[::-1]], -1),
        np.repeat(x, 3),
        np.column_stack([x, x + x, x]),
        w + w[0],
        w[:, ::-1] | w[:, :1] if w.dtype.kind == "b" else w[:, ::-1] * w[:, :1],
        w[:, [1, 0, 2, 1, 2, 2, 0]],
        np.roll(w, 1, axis=1),
        w.T.copy().T.reshape(-1),
        np.concatenate([w[1:], w[:1]]),
        np.concatenate([w, w[:, :2]], axis=1),
        x[: len(x) // 2 * 2 : 2] | x[1::2] if x.dtype.kind == "b" else x[: len(x) // 2 * 2 : 2] - x[1::2],
        np.stack([w[:, 2], w[:, 0], w[:, 1]]),
        np.concatenate([x[:1], x[1::2], x[2::2]]),
        np.where((np.arange(len(x)) % 7 < 3)[:, None], np.concatenate([w[:5], w[4:-1]]), w[::-1]),
    )


def turned(x):
    return (
        x.T.ravel(),
        x.T.reshape(2, -1, 3),
        (x[1:-1, 1:-1] + x[:-2, 2:]).reshape(-1),
        np.tile(x, (2, 3)).ravel(),
    )


@pytest.mark.parametrize("dtype", ["f8", "f4", "u1", "?", "c16"])
def test_few_elements_in_a_row(dtype):
    compiled = weft.compile(thin)  # of the first size, then of any
    for n in (100, 17, 331, 4096):
        x, w = (rng.integers(0, 2 if dtype == "?" else 9, shape).astype(dtype) for shape in (n, (n, 3)))
        for got, expected in zip(compiled(x, w), thin(x, w), strict=True):
            assert got.dtype == expected.dtype
            assert np.array_equal(got, expected)


@pytest.mark.parametrize("dtype", ["f8", "u1"])
def test_reshapes_of_what_lies_otherwise(dtype):
    compiled = weft.compile(turned)
    for shape in ((30, 42), (36, 12), (6, 5)):
        x = rng.integers(0, 9, shape).astype(dtype)
        for got, expected in zip(compiled(x), turned(x), strict=True):
            assert np.array_equal(got, expected)


def test_parts_of_arrays_side_by_side():
    """insert, delete, resize, pad, frexp, packbits: any number of places, ends and bits left over."""

    def parts(x, bits):
        return (
            np.insert(x, [3, 1, 7], [5, 6, 7]), np.insert(x, -1, 4), np.delete(x, [0, 5, 6]),
            np.resize(x, 101),
            *(np.pad(x, (2, 5), mode=mode) for mode in ("edge", "wrap", "reflect", "symmetric")),
            *(np.pad(x[:3], 6, mode=mode) for mode in ("edge", "wrap", "reflect", "symmetric")),
            *np.frexp(x), np.packbits(bits), np.packbits(bits, bitorder="little"),
        )  # fmt: skip

    for dtype in ("f8", "f4", "f2"):
        x = np.array([0, -0.0, 1, -3.5, 0.5, 6e-8, 5e-324, 1e-310, 1e-40, 65504, 7]).astype(dtype)
        bits = rng.random(43) < 0.5
        for got, expected in zip(weft.compile(parts)(x, bits), parts(x, bits), strict=True):
            assert got.dtype == expected.dtype
            assert np.array_equal(got, expected)
    found = weft.compile(np.frexp)(np.array([np.inf, -np.inf, np.nan]))[0]
    assert np.array_equal(found, [np.inf, -np.inf, np.nan], equal_nan=True)
