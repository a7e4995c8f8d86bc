"""Random elements for arguments: small multiples of a quarter, whose sums are exact in any order, or the whole range of a dtype."""

import numpy as np

from weft.ir.opdef import random_array


def elements(rng, dtype, shape):
    """An array of a NumPy dtype; in most programs sums and products of its floats are exact."""
    dtype = np.dtype(dtype)
    if dtype.kind in "iu" and rng.random() < 0.5:
        return rng.integers(0 if dtype.kind == "u" else -9, 10, shape).astype(dtype)
    if dtype.kind == "c":
        part = f"f{dtype.itemsize // 2}"
        both = [elements(rng, part, shape) for _ in range(2)]
        return np.stack(both, axis=-1).view(dtype).reshape(shape)
    if dtype.kind != "f":
        return np.asarray(random_array(rng, dtype.name, shape), dtype)
    style = rng.random()
    if style < 0.6:
        return (rng.integers(-32, 33, shape) / 4).astype(dtype)
    if style < 0.85:
        return np.asarray(rng.normal(size=shape), dtype)
    return np.asarray(random_array(rng, dtype.name, shape), dtype)


def strided_copy(rng, array):
    """The same elements with strides of any sign and gaps between them."""
    steps = [int(rng.choice([1, 2, -1, -2, 3])) for _ in range(array.ndim)]
    order = rng.permutation(array.ndim)
    wide = np.zeros([array.shape[k] * abs(steps[k]) + 1 for k in order], array.dtype)
    view = wide.transpose(np.argsort(order))
    view = view[tuple(slice(None, None, s) if s > 0 else slice(-1, None, s) for s in steps)]
    view = view[tuple(slice(0, n) for n in array.shape)]
    view[...] = array
    return view
