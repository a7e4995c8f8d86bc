"""Compares compiled functions with NumPy: value, dtype, shape, kind, and the arguments after the call."""

import copy

import numpy as np

import weft
from tests.frontend.running import same


def check(fn, *args, tolerance=0.0, times=1):
    """Run `fn` compiled and as plain Python on copies; all they give and write must be equal."""
    compiled = weft.compile(fn)
    for _ in range(times):
        ours, plain = copy.deepcopy(args), copy.deepcopy(args)
        with np.errstate(all="ignore"):
            expected = fn(*plain)
        found = compiled(*ours)
        same(found, expected, tolerance, "result")
        same(ours, plain, tolerance, "arguments")
    return compiled


def arrays(
    rng, dtypes=("f4", "f8", "i4", "i8", "u1", "?"), shapes=((), (0,), (1,), (7,), (3, 5), (2, 0), (2, 3, 33))
):
    """Arrays of mixed dtypes and shapes; floats with special values among them."""
    for dtype in dtypes:
        for shape in shapes:
            x = rng.normal(size=shape) * 20
            if np.dtype(dtype).kind == "f" and x.size > 4:
                x = np.where(
                    rng.random(shape) < 0.9, x, rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], shape)
                )
            yield np.asarray(x).astype(dtype)
