"""Reductions of several axes at once, of what lies apart in memory: the bits are those of the same elements
side by side, whether the sizes are known or not."""

import numpy as np
import pytest

import weft

rng = np.random.default_rng(3)


def results(x):
    return x.sum(), x.max(), x.argmin(), x.var(), (x > 1).any(), np.abs(x - x[0]).mean(), x.sum(axis=(-2, -1))


def windows(shape):
    """Parts of an array, none of which lies in one piece."""
    x = rng.normal(size=(*shape[:-1], 2 * shape[-1] + 2)).astype("f4")
    yield from (x[..., 1 : shape[-1] + 1], x[..., : 2 * shape[-1] : 2], x[..., shape[-1] - 1 :: -1])
    yield np.ascontiguousarray(np.moveaxis(x[..., : shape[-1]], -1, 0)).transpose(*range(1, x.ndim), 0)


@pytest.mark.parametrize("shape", [(90, 103), (2, 37, 250), (700, 17), (3, 5000)])
def test_parts_of_arrays(shape):
    known, unknown = weft.compile(results), weft.compile(results)
    unknown(np.ones((2,) * len(shape), "f4"))
    unknown(np.ones((3,) * len(shape), "f4"))
    for x in windows(shape):
        expected = [np.asarray(v).tobytes() for v in known(x.copy())]
        for got in (known(x), unknown(x)):
            assert [np.asarray(v).tobytes() for v in got] == expected


def test_windows_of_computed_arrays():
    """Slices and broadcasts inside of the function, one of no elements."""

    def residual(u, v, k):
        part = np.abs(u[1:-1, 1:-1] - 0.25 * (u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2]))
        return part.max(), part.sum(), (u + v).max(), (u - u[:, :1]).min(), u[:, :k].sum(), u.T.sum()

    compiled = weft.compile(residual)
    for m, n, k in ((70, 90, 20), (71, 91, 0), (72, 92, 33), (99, 140, 0)):
        u, v = rng.normal(size=(m, n)), rng.normal(size=n)
        for got, expected in zip(compiled(u, v, k), residual(u, v, k), strict=True):
            assert np.isclose(got, expected, rtol=1e-12, atol=1e-12)
