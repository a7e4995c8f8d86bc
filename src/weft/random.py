"""Counter-based random numbers under the names of `numpy.random.Generator`.

    rng = weft.random.default_rng(0)
    mask = rng.random(x.shape) < 0.9       # in a compiled function or outside: the same numbers

Element e of a draw is one block of Philox4x32-10 at the generator's counter plus e, so it does not depend on
threads or on what is compiled; a draw of n elements moves the counter by n. The state is two variables.
Written as plain NumPy and traced like a user's code; what takes math functions (`normal`, `exponential`) runs
compiled everywhere, for equal bits.
Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". Not here: the streams of NumPy's
own generators.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from weft.ir import DTypeError, ShapeError, UserError
from weft.runtime.variables import Variable

_type: Callable[[Any], Any] = type  # typed so: of a value of any type

np: Any = numpy  # typed so: arrays here may be traced

_ARRAYS: Any = (np.ndarray, Variable)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_ROUNDS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
_STREAM, _SPLIT = np.uint64(0), np.uint64(1)
_FLOATS = {
    np.dtype(np.float32): (np.uint64(40), np.float32(2.0**-24)),
    np.dtype(np.float64): (np.uint64(11), np.float64(2.0**-53)),
}


def default_rng(seed: int | Sequence[int] | None = None) -> Generator:
    """A generator for a seed, as `numpy.random.default_rng`; None takes one from the system."""
    if isinstance(seed, Generator):
        return seed
    key = np.random.SeedSequence(seed).generate_state(2, np.uint32)
    return Generator(key)


class Generator:
    """A stream of random numbers; `weft.variables(rng)` is its state."""

    def __init__(self, key: Any, counter: int = 0) -> None:
        self.key = Variable(np.asarray(key, np.uint64), "key", trainable=False)
        self.counter = Variable(np.uint64(counter), "counter", trainable=False)
        self._compiled: dict[str, Any] = {}

    # ---- numbers of NumPy's names

    def random(self, size: Any = None, dtype: Any = np.float64) -> Any:
        """Uniform in [0, 1)."""
        shift, step = _float_facts(dtype)
        words = self._words(size)
        bits = (words[0] << _HALF) | words[1]
        return _shaped((bits >> shift).astype(np.int64).astype(dtype) * step, size)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Uniform in [low, high)."""
        size = _size_of(size, low, high)
        return low + (high - low) * self.random(size)

    def standard_normal(self, size: Any = None, dtype: Any = np.float64) -> Any:
        """Normal, of mean 0 and deviation 1."""
        return _Traced(self, "standard_normal", self._standard_normal)(size, dtype)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """Normal, of mean `loc` and deviation `scale`."""
        size = _size_of(size, loc, scale)
        return loc + scale * self.standard_normal(size)

    def standard_exponential(self, size: Any = None, dtype: Any = np.float64) -> Any:
        """Exponential, of mean 1."""
        return _Traced(self, "standard_exponential", self._standard_exponential)(size, dtype)

    def exponential(self, scale: Any = 1.0, size: Any = None) -> Any:
        """Exponential, of mean `scale`."""
        return scale * self.standard_exponential(_size_of(size, scale))

    def integers(
        self, low: Any, high: Any = None, size: Any = None, dtype: Any = np.int64, endpoint: bool = False
    ) -> Any:
        """Whole numbers in [low, high), or [0, low) without `high`; `endpoint` includes the end."""
        if high is None:
            low, high = 0, low
        size = _size_of(size, low, high)
        first, last = np.asarray(low).astype(np.int64), np.asarray(high).astype(np.int64)
        with np.errstate(over="ignore"):  # a range of 2 ** 64 counts as 0
            count = (last - first).astype(np.uint64)
            if endpoint:
                count = count + np.uint64(1)
        words = self._words(size)
        return _shaped((first + _scaled(words[0], words[1], count).astype(np.int64)).astype(dtype), size)

    def permutation(self, x: Any) -> Any:
        """The numbers before x in random order, or the rows of an array."""
        if isinstance(x, _ARRAYS):
            return x[self._order(x.shape[0])]
        return self._order(x)

    def shuffle(self, x: Any) -> None:
        """Put the rows of an array in random order, in place."""
        x[...] = x[self._order(x.shape[0])]

    def choice(self, a: Any, size: Any = None, replace: bool = True, p: Any = None) -> Any:
        """Elements of an array, or numbers before a; `p` gives their probabilities."""
        is_array = isinstance(a, (*_ARRAYS, list, tuple))
        values = np.asarray(a) if is_array else None
        count = len(a) if is_array else a
        if p is not None:
            if not replace:
                raise UserError(
                    "choice with p and without replacement is not built yet",
                    code="E051",
                    fix="leave p out, or draw with replacement",
                )
            bounds = np.cumsum(np.asarray(p))[:-1]
            found = np.sum(
                (self.random(size)[..., None] if size is not None else self.random(size)) >= bounds, axis=-1
            )
        elif replace:
            found = self.integers(0, count, size)
        else:
            found = self._order(count)
            found = found[0] if size is None else np.reshape(found[: _count(size)], size)
        return found if values is None else values[found]

    # ---- streams

    def split(self, n: int) -> list[Generator]:
        """New generators, whose streams have nothing to do with each other; outside of compiled functions."""
        start = int(self.counter)
        words = _philox(np.arange(start, start + n, dtype=np.uint64), _SPLIT, self.key.value)
        self.counter += np.uint64(n)
        return [Generator(pair) for pair in np.stack(words[:2], axis=1)]

    # ---- what is traced

    def _words(self, size: Any) -> tuple[Any, Any, Any, Any]:
        """Four words of 32 bits for each element, as uint64; the counter moves on."""
        shape = () if size is None else size
        count = _count(shape)
        places = self.counter + np.reshape(np.arange(count, dtype=np.uint64), shape)
        words = _philox(places, _STREAM, self.key)
        self.counter += (
            np.uint64(1) * count if isinstance(count, int) else np.asarray(count).astype(np.uint64)
        )
        return words

    def _order(self, count: Any) -> Any:
        words = self._words((count,))
        return np.argsort((words[0] << _HALF) | words[1], kind="stable")

    def _standard_normal(self, size: Any, dtype: Any) -> Any:
        """Method: Box and Muller 1958, the cosine alone."""
        shift, step = _float_facts(dtype)
        words = self._words(size)
        first = (((words[0] << _HALF) | words[1]) >> shift).astype(np.int64).astype(dtype) * step
        angle = (((words[2] << _HALF) | words[3]) >> shift).astype(np.int64).astype(dtype) * step
        radius = np.sqrt(-2 * np.log1p(-first))
        return _shaped(radius * np.cos(angle * np.asarray(2 * math.pi, dtype)), size)

    def _standard_exponential(self, size: Any, dtype: Any) -> Any:
        return -np.log1p(-self.random(size, dtype))


def _philox(places: Any, domain: Any, key: Any, last: Any = _STREAM) -> tuple[Any, Any, Any, Any]:
    """The block of Philox4x32-10 at each place: counter words are halves of the place, the domain, `last`."""
    c0, c1, c2, c3 = places & _LOW, places >> _HALF, domain, last
    k0, k1 = key[0], key[1]
    for _ in _ROUNDS:
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + _WEYL[0]) & _LOW, (k1 + _WEYL[1]) & _LOW
    return c0, c1, c2, c3


def _scaled(high: Any, low: Any, count: Any) -> Any:
    """The upper half of a word of 64 bits times `count`; the word itself for a count of 2 ** 64."""
    above, below = count >> _HALF, count & _LOW
    first = high * below + ((low * below) >> _HALF)
    second = low * above + (first & _LOW)
    product = high * above + (first >> _HALF) + (second >> _HALF)
    return np.where(count == np.uint64(0), (high << _HALF) | low, product)


def _float_facts(dtype: Any) -> tuple[Any, Any]:
    try:
        return _FLOATS[np.dtype(dtype)]
    except KeyError:
        raise DTypeError(
            f"random floats are float32 or float64, not {np.dtype(dtype)}",
            fix="convert the result with astype",
        ) from None


def _count(size: Any) -> Any:
    if _type(size) in (tuple, list):
        total: Any = 1
        for n in tuple(size):
            total = total * n
        return total
    return size


def _shaped(values: Any, size: Any) -> Any:
    """NumPy's kind of result: a scalar where no size was asked for."""
    return values[()] if size is None else values


def _size_of(size: Any, *operands: Any) -> Any:
    """The size asked for, or that of the operands together; raises ShapeError if they do not fit."""
    if size is not None:
        return size
    shapes = [x.shape for x in operands if isinstance(x, _ARRAYS)]
    if not shapes:
        return None
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ShapeError(str(error), fix="give parameters of shapes that broadcast") from None


class _Traced:
    """A method of a generator: traced where it is called, or compiled outside of a trace."""

    def __init__(self, generator: Generator, name: str, method: Callable[..., Any]) -> None:
        self.generator, self.name, self.method = generator, name, method

    def __call__(self, size: Any, dtype: Any) -> Any:
        """Run it compiled."""
        from weft.api import compile

        kind = getattr(Generator, self.method.__name__)
        if kind not in _compiled:
            _compiled[kind] = compile(kind, static=("dtype",))
        return _compiled[kind](self.generator, size, np.dtype(dtype))

    def trace_call(
        self,
        trace: Any,
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        effects: list[Any],
    ) -> Any:
        """Trace the method."""
        return call(self.method, *args, **kwargs)


_compiled: dict[Any, Any] = {}


def __dir__() -> list[str]:
    """List the public names."""
    return ["Generator", "default_rng"]
