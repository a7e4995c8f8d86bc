"""The array API namespace over NumPy's arrays, outside of `weft.compile`: calls are compiled and cached.

`import weft.numpy as xp`: functions by the names and signatures of the Python array API standard, taking and
giving NumPy arrays; inside of compiled functions they are NumPy's. Each keeps a program for each combination
of dtypes and ranks that it has seen. Not here: what functions mean (`weft.compiler.frontend.numpy`).
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy

from weft.api import compile
from weft.compiler.frontend.promote import BUILT
from weft.runtime.forks import Lock

np: Any = numpy  # typed so: it is called with traced arrays
_MOST_PROGRAMS = 256
_LOCK = Lock()


class Function:
    """A function of the namespace, compiled at its first use."""

    def __init__(self, name: str, fn: Callable[..., Any], static: tuple[str, ...] = ()) -> None:
        self.__name__ = self.__qualname__ = name
        self.__module__ = "weft.numpy"
        self.__doc__ = fn.__doc__
        self.fn, self.static = fn, static
        self._compiled: Any = None

    @property
    def compiled(self) -> Any:
        """The compiled function."""
        with _LOCK:
            if self._compiled is None:
                self._compiled = compile(self.fn, static=self.static, max_variants=_MOST_PROGRAMS)
            return self._compiled

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it, compiled."""
        return self.compiled(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<function weft.numpy.{self.__name__}>"

    def trace_call(self, trace: Any, call: Callable[..., Any], args: Any, kwargs: Any, effects: Any) -> Any:
        """Its meaning inside of a compiled function."""
        return call(self.fn, *args, **kwargs)


# ---------------------------------------------------------------- what NumPy has with fewer keywords


def _sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """Elements in ascending or descending order along an axis."""
    return np.flip(np.sort(x, axis=axis), axis=axis) if descending else np.sort(x, axis=axis)


def _argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """Indices that sort along an axis; equal elements keep their order, in descending order too."""
    if not descending:
        return np.argsort(x, axis=axis, stable=True)
    turned = np.argsort(np.flip(x, axis=axis), axis=axis, stable=True)
    return x.shape[axis] - 1 - np.flip(turned, axis=axis)


def _clip(x: Any, /, min: Any = None, max: Any = None) -> Any:
    """Elements below `min` become it, those above `max` that."""
    return np.clip(x, min, max)


# ---------------------------------------------------------------- the names

_COMPILED = """
abs acos acosh add all any argmax argmin asin asinh astype atan atan2 atanh bitwise_and bitwise_invert
bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor broadcast_arrays broadcast_to ceil
concat conj copysign cos cosh count_nonzero cumulative_prod cumulative_sum diff divide equal exp
expand_dims expm1 eye flip floor floor_divide full full_like greater greater_equal hypot imag isfinite
isin isinf isnan less less_equal linspace log log10 log1p log2 logaddexp logical_and logical_not
logical_or logical_xor matmul matrix_transpose max maximum mean meshgrid min minimum moveaxis multiply
negative nextafter nonzero not_equal ones ones_like permute_dims positive pow prod real reciprocal
remainder repeat reshape roll round searchsorted sign signbit sin sinh sqrt square squeeze stack std
subtract sum take take_along_axis tan tanh tensordot tile tril triu trunc unique_all unique_counts
unique_inverse unique_values unstack var vecdot where zeros zeros_like
""".split()
_LINALG = """
cholesky cross det diagonal eig eigh eigvals eigvalsh inv matmul matrix_norm matrix_power matrix_rank
matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm
""".split()
_FFT = """
fft fftfreq fftn fftshift hfft ifft ifftn ifftshift ihfft irfft irfftn rfft rfftfreq rfftn
""".split()
_AS_THEY_ARE = """
arange asarray broadcast_shapes can_cast empty empty_like finfo from_dlpack iinfo isdtype result_type
bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128 e inf nan
newaxis pi
""".split()
"""Without computation: of types, of memory."""

_STATIC = {
    "std": ("correction",),
    "var": ("correction",),
    "linalg.vector_norm": ("ord",),
    "linalg.matrix_norm": ("ord",),
}
"""Numbers that programs are made for."""

_functions: dict[str, Any] = {
    name: Function(name, getattr(np, name), _STATIC.get(name, ())) for name in _COMPILED
}
_functions |= {"sort": Function("sort", _sort), "argsort": Function("argsort", _argsort)}
_functions["clip"] = Function("clip", _clip)
_functions |= {name: getattr(np, name) for name in _AS_THEY_ARE}
for _owner, _names in (("linalg", _LINALG), ("fft", _FFT)):
    _home = getattr(np, _owner)
    _all = {name: f"{_owner}.{name}" for name in _names}
    _found = {
        name: Function(full, getattr(_home, name), _STATIC.get(full, ())) for name, full in _all.items()
    }
    _functions[_owner] = SimpleNamespace(**_found)
globals().update(_functions)

__array_api_version__ = "2024.12"


class _Info:
    """What `__array_namespace_info__` gives: the standard's questions about a namespace."""

    def capabilities(self) -> dict[str, Any]:
        """What is optional and there."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """Where arrays are made."""
        return "cpu"

    def devices(self) -> list[str]:
        """Where arrays may be."""
        return ["cpu"]

    def default_dtypes(self, *, device: str | None = None) -> dict[str, Any]:
        """dtypes of arrays of Python numbers."""
        return np.__array_namespace_info__().default_dtypes(device=device)

    def dtypes(self, *, device: str | None = None, kind: Any = None) -> dict[str, Any]:
        """dtypes of a kind that arrays may have."""
        built = {element.numpy for element in BUILT}
        found = np.__array_namespace_info__().dtypes(device=device, kind=kind)
        return {name: dtype for name, dtype in found.items() if dtype in built}


def __array_namespace_info__() -> _Info:  # noqa: N807 -- the standard's name
    """Answer questions about this namespace."""
    return _Info()
