"""Makes arguments: arrays of any dtype, shape and memory order, axes, and what else functions take. Not here: which function takes what."""

import numpy as np

DTYPES = tuple("f8 f8 f8 f4 f4 f4 i8 i8 i4 i2 u1 ? ? u4 i1 u2 u8 f2 c16 c8".split())
FLOATS = ("f8",) * 6 + ("f4",) * 4 + ("f2", "c16")
SIZES = (0, 1, 2, 3, 5, 8)
CHANCES = (0.04, 0.16, 0.25, 0.3, 0.15, 0.1)


class Maker:
    """Random arguments from one seed."""

    def __init__(self, *seed):
        self.rng = np.random.default_rng(seed)

    def chance(self, p):
        return bool(self.rng.random() < p)

    def pick(self, *items):
        return items[int(self.rng.integers(len(items)))]

    def int(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def shape(self, low=0, high=3):
        rank = self.int(low, high)
        if high == 3 and self.chance(0.04):
            return tuple(self.int(1, 3 if k < 2 else 2) for k in range(6))
        return tuple(int(n) for n in self.rng.choice(SIZES, rank, p=CHANCES))

    def a(self, shape=None, dtype=None, low=0, high=3):
        """Small numbers, that repeat, with special values among floats; sometimes not in C order."""
        shape = self.shape(low, high) if shape is None else shape
        dtype = np.dtype(dtype or self.pick(*DTYPES))
        if dtype.kind == "b":
            value = self.rng.random(shape) < 0.5
        elif dtype.kind in "iu":
            value = self.rng.integers(0 if dtype.kind == "u" else -9, 10, shape)
        else:
            value = np.round(self.rng.normal(size=shape) * 12) / 4
            if dtype.kind == "c":
                value = value + np.round(self.rng.normal(size=shape) * 4) * 0.5j
            elif self.chance(0.15):
                value = np.where(
                    self.rng.random(shape) < 0.2,
                    self.rng.choice([np.nan, np.inf, -np.inf, -0.0], shape),
                    value,
                )
        value = np.asarray(value).astype(dtype)
        return self._view(value)

    def _view(self, value):
        """The same, or of the same elements in another order of memory, sometimes one that is only read."""
        if value.ndim > 1 and self.chance(0.12):
            return np.asfortranarray(value)
        if value.ndim > 2 and self.chance(0.2):
            return np.ascontiguousarray(value.swapaxes(0, 1)).swapaxes(0, 1)
        if value.ndim and self.chance(0.08):
            return np.repeat(value, 2, axis=0)[::2]
        if value.ndim and self.chance(0.08):
            return np.ascontiguousarray(value[..., ::-1])[..., ::-1]
        if value.ndim and self.chance(0.03):
            value.flags.writeable = False
        return value

    def f(self, shape=None, low=0, high=3):
        """Floats without special values."""
        shape = self.shape(low, high) if shape is None else shape
        dtype = np.dtype(self.pick(*FLOATS))
        value = np.asarray(self.rng.normal(size=shape) * 3)
        return (value + 1j * self.rng.normal(size=shape) if dtype.kind == "c" else value).astype(dtype)

    def with_shape(self, shape):
        """One that broadcasts with a shape."""
        shape = tuple(shape[self.int(0, len(shape)) :] if self.chance(0.3) else shape)
        return tuple(1 if self.chance(0.15) else n for n in shape)

    def number(self):
        return self.pick(2, -1, 0.5, True, 3, np.float32(1.5), np.int8(3), 1.25)

    def axis(self, a, *, none=True):
        if none and (not a.ndim or self.chance(0.3)):
            return None
        return self.int(-a.ndim, a.ndim - 1) if a.ndim else 0

    def axes(self, a):
        """None, one, or some."""
        if a.ndim > 1 and self.chance(0.3):
            return tuple(int(k) for k in self.rng.permutation(a.ndim)[: self.int(1, a.ndim)])
        return self.axis(a)

    def index(self, n, shape=None, low=None):
        """Positions in an axis of n."""
        shape = self.shape(1, 2) if shape is None else shape
        return self.rng.integers(-n if low is None else low, max(n, 1), shape)

    def maybe(self, **choices):
        """Some of these keywords."""
        return {k: v() if callable(v) else v for k, v in choices.items() if self.chance(0.4)}
