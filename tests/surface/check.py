"""Runs one call compiled and as plain NumPy on copies: value, dtype, shape, kind, shared memory, arguments, errors. Not here: calls."""

import warnings

import numpy as np

import weft
from weft.calls.verification import copy_arguments
from weft.ir.errors import DTypeError, UnsupportedError

ROUNDED = {"f": {4: 3e-5, 8: 1e-11, 2: 1e-2}, "c": {8: 3e-5, 16: 1e-11}}


PRODUCTS = frozenset(
    "dot inner matmul vdot vecdot matvec vecmat tensordot einsum convolve correlate cov corrcoef".split()
    + [f"linalg.{name}" for name in "matmul vecdot tensordot multi_dot matrix_power".split()]
    + ["ndarray.dot"]
)
"""Functions whose sums of complex products are BLAS's, which gives NaN for infinite elements (docs/differences.md)."""


class Difference(AssertionError):
    """What NumPy and Weft do not have in common. `pair` are the values, if that is all."""

    def __init__(self, text, pair=None):
        super().__init__(text)
        self.pair = pair


def is_listed(difference, arrays):
    """Whether complex elements that are not finite went in, and only NaN of NumPy's differ."""
    if difference.pair is None or not any(a.dtype.kind == "c" and not np.isfinite(a).all() for a in arrays):
        return False
    found, want, equal = difference.pair
    return want.dtype.kind == "c" and bool((equal | (np.isnan(want) & ~np.isfinite(found))).all())


def bound(fn, args, kwargs):
    """A function of the arrays alone, and these."""
    arrays = [v for v in (*args, *kwargs.values()) if isinstance(v, np.ndarray)]

    def call(*given):
        rest = iter(given)
        taken = [next(rest) if isinstance(v, np.ndarray) else v for v in args]
        named = {}
        for key, v in kwargs.items():
            named[key] = next(rest) if isinstance(v, np.ndarray) else v
        return fn(*taken, **named)

    return call, arrays


def named_sizes(arrays):
    """Specs of arrays in which all sizes above 1 have names, equal ones the same."""
    kinds = {"f": "f", "i": "i", "u": "u", "c": "c"}
    specs = []
    for a in arrays:
        dtype = "bool" if a.dtype == bool else f"{kinds[a.dtype.kind]}{8 * a.dtype.itemsize}"
        sizes = ",".join(str(d) if d < 2 else f"s{d}" for d in a.shape)
        specs.append(weft.spec(f"{dtype}[{sizes}]"))
    return specs


def check(fn, args, kwargs, *, ignores_sharing=False, is_product=False, symbolic=False):
    """ "same", "refused" (by us), "raises" (both), "listed" (products of infinite numbers); raises Difference.

    If `symbolic`, what runs is compiled for any sizes, of contiguous arrays.
    """
    call, arrays = bound(fn, args, kwargs)
    if symbolic:
        arrays = [np.array(a, order="C") for a in arrays]
    plain, ours = copy_arguments(arrays), copy_arguments(arrays)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            want, failure = call(*plain), None
        except Exception as error:
            want, failure = None, error
        try:
            compiled = weft.compile(call)
            if symbolic:
                compiled.prepare(*named_sizes(arrays))
            found = compiled(*ours)
        except UnsupportedError:
            return "refused"
        except DTypeError as error:
            if "is not supported" in str(error):
                return "refused"
            if not isinstance(failure, TypeError):
                raise Difference(f"raises {str(error).splitlines()[0]}") from error
            return "raises"
        except Exception as error:
            if failure is None:
                raise Difference(f"raises {type(error).__name__}: {str(error).splitlines()[0]}") from error
            kinds = (TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError, AttributeError)
            base = next((k for k in kinds if isinstance(failure, k)), Exception)
            if not isinstance(error, base):
                raise Difference(f"raises {error!r:.150}, NumPy {failure!r:.150}") from error
            return "raises"
    if failure is not None:
        raise Difference(f"gives {found!r:.100}, NumPy raises {failure!r:.150}")
    coarse = max(
        (
            ROUNDED["f"].get(a.dtype.itemsize >> (a.dtype.kind == "c"), 0)
            for a in arrays
            if a.dtype.kind in "fc"
        ),
        default=0,
    )
    try:
        same(found, want, "result", coarse)
    except Difference as error:
        if is_product and is_listed(error, plain):
            return "listed"
        raise
    same(ours, plain, "arguments", coarse)
    if not ignores_sharing:
        _same_sharing(found, ours, want, plain)
    return "same"


def same(found, want, where, coarse=0):
    """Raise Difference; `coarse` is the rounding of the arguments."""
    if isinstance(want, tuple | list):
        if type(found) is not type(want) or len(found) != len(want):
            raise Difference(
                f"{where}: {type(found).__name__} {found!r:.60}, not {type(want).__name__} {want!r:.60}"
            )
        for k, (a, b) in enumerate(zip(found, want, strict=True)):
            same(a, b, f"{where}[{k}]", coarse)
        return
    if type(found) is not type(want):
        raise Difference(
            f"{where}: {type(found).__name__} {found!r:.60}, not {type(want).__name__} {want!r:.60}"
        )
    if not isinstance(want, np.ndarray | np.generic):
        if not (found == want or (found != found and want != want)):
            raise Difference(f"{where}: {found!r}, not {want!r}")
        return
    if found.dtype != want.dtype or found.shape != want.shape:
        raise Difference(f"{where}: {found.dtype}{found.shape}, not {want.dtype}{want.shape}")
    with np.errstate(all="ignore"):
        equal = (found == want) | ((found != found) & (want != want))
        tolerance = ROUNDED.get(want.dtype.kind, {}).get(want.dtype.itemsize, 0)
        tolerance = max(tolerance, coarse) if tolerance else 0
        if tolerance:
            finite = np.abs(np.where(np.isfinite(want), want, 0))
            scale = np.maximum(finite, max(float(finite.max(initial=0)) * 0.1, 1e-3))
            equal |= np.abs(found - want) <= tolerance * scale
    if not np.all(equal):
        text = f"{where}: {found!r:.100}, not {want!r:.100}".replace("\n", "")
        raise Difference(text, (found, want, equal))


def _leaves(value):
    if isinstance(value, tuple | list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value] if isinstance(value, np.ndarray) else []


def _same_sharing(found, ours, want, plain):
    for k, (a, b) in enumerate(zip(_leaves(found), _leaves(want), strict=True)):
        for i, (x, y) in enumerate(zip(ours, plain, strict=True)):
            if a.size and x.size and np.shares_memory(a, x) != np.shares_memory(b, y):
                raise Difference(
                    f"result {k} is a {'view' if np.shares_memory(a, x) else 'copy'} of argument {i}"
                )
            if (a is x) != (b is y):
                raise Difference(f"result {k} {'is' if a is x else 'is not'} argument {i} itself")
