"""Polynomials beyond their values: from roots, fitted, divided.

Functions of NumPy called on traced arrays are those of the table. Not here: values, sums, products,
derivatives (`signals.py`), roots, which are eigenvalues.
"""

from __future__ import annotations

from typing import Any

import numpy

from weft.compiler.frontend.numpy.creation import constant_array, known_elements
from weft.compiler.frontend.numpy.eigenvalues import eigvals
from weft.compiler.frontend.numpy.manipulation import as_axes
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.numpy.written import divided, from_roots
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import Made, as_array
from weft.ir.dims import product

np: Any = numpy  # typed so: it is called with traced arrays


@implements(np.poly)
def poly(trace: Trace, seq_of_zeros: Any) -> Any:
    """Find the coefficients of a polynomial with the given sequence of roots."""
    zeros: Any = as_array(trace, seq_of_zeros)
    if not zeros.ndim:
        raise TypeError("the zeros are an array or a list")
    if zeros.ndim == 2:
        rows, columns = zeros.view.shape
        if not trace.holds(rows, "==", columns, "matrices of np.poly"):
            raise ValueError("input must be 1d or non-empty square 2d array.")
        found = poly(trace, eigvals(trace, zeros))
        return found if zeros.dtype.kind == "c" else found.real.copy()
    if zeros.ndim != 1:
        raise ValueError("input must be 1d or non-empty square 2d array.")
    if zeros.dtype.kind != "f" or zeros.dtype == np.float16:
        zeros = zeros.astype(np.result_type(zeros.dtype, np.float64))
    if trace.holds(zeros.view.shape[0], "==", 0, "roots of a polynomial"):
        return 1.0
    return trace.run(from_roots, zeros)


@implements(np.polyfit)
def polyfit(
    trace: Trace,
    x: Any,
    y: Any,
    deg: Any,
    rcond: Any = None,
    full: bool = False,
    w: Any = None,
    cov: Any = False,
) -> Any:
    """Least squares polynomial fit."""
    order = int(deg) + 1
    at: Any = as_array(trace, x)
    at = at.astype(np.float64) if at.dtype.kind != "f" else at + 0.0
    right: Any = as_array(trace, y)
    right = right.astype(np.float64) if right.dtype.kind != "f" else right + 0.0
    _check_fit(trace, order, at, right)
    rcond = trace.call(np.multiply, at.shape[0], np.finfo(at.dtype).eps) if rcond is None else rcond
    left = np.vander(at, order)
    if w is not None:
        scale: Any = as_array(trace, w) + 0.0
        if scale.ndim != 1:
            raise TypeError("expected a 1-d array for weights")
        left, right = left * scale[:, None], right * (scale[:, None] if right.ndim == 2 else scale)
    lengths = np.sqrt(np.sum(left * left, axis=0))
    left = left / lengths
    c, residuals, rank, values = np.linalg.lstsq(left, right, rcond)
    c = (c.T / lengths).T
    if full:
        return c, residuals, rank, values, rcond
    if not cov:
        return c
    base = np.linalg.inv(left.T @ left) / np.outer(lengths, lengths)
    if cov == "unscaled":
        return c, base if right.ndim == 1 else base[:, :, None]
    spare = right.shape[0] - order
    if trace.known(right.view.shape[0] - order, "<=", 0, "points of a fit with cov"):
        raise ValueError("the number of data points must exceed order to scale the covariance matrix")
    rest = right - left @ (c.T * lengths).T
    factor = np.sum(rest * rest, axis=0) / spare
    return c, base * factor if right.ndim == 1 else base[:, :, None] * factor


def _check_fit(trace: Trace, order: int, at: Any, right: Any) -> None:
    if order < 1:
        raise ValueError("expected deg >= 0")
    if at.ndim != 1:
        raise TypeError("expected 1D vector for x")
    if at.view.shape[0] == 0:
        raise TypeError("expected non-empty vector for x")
    if right.ndim not in (1, 2):
        raise TypeError("expected 1D or 2D array for y")
    if not trace.holds(at.view.shape[0], "==", right.view.shape[0], "points of a fit"):
        raise TypeError("expected x and y to have same length")


@implements(np.polydiv)
def polydiv(trace: Trace, u: Any, v: Any) -> tuple[Any, Any]:
    """Returns the quotient and remainder of polynomial division; leading zeros of the remainder go."""
    top, bottom = (np.atleast_1d(as_array(trace, one)) + 0.0 for one in (u, v))
    dtype = np.result_type(top.dtype, bottom.dtype)
    count = [trace.pin(one.view.shape[0], "coefficients of a polynomial") for one in (top, bottom)]
    steps = count[0] - count[1] + 1
    rest: Any = top.astype(dtype)
    if steps < 1:
        return trace.call(np.zeros, 1, dtype=dtype), _without_leading_zeros(trace, rest)
    quotient = trace.run(divided, rest, bottom, steps)
    return quotient, _without_leading_zeros(trace, rest)


def _without_leading_zeros(trace: Trace, rest: Any) -> Any:
    """From the first element that is not close to 0 on; the last stays."""
    counts = np.abs(rest) > 1e-8  # NumPy's np.allclose, with its absolute tolerance
    first = np.where(np.any(counts), np.argmax(counts), rest.shape[0] - 1)
    return rest[trace.call(np.arange, rest.shape[0]) >= first]


@implements(np.trim_zeros)
def trim_zeros(trace: Trace, filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """Remove values along a dimension which are zero along all other."""
    array: Any = as_array(trace, filt)
    if trim.lower() not in ("f", "b", "fb", "bf"):
        raise ValueError(f"unexpected character(s) in `trim`: {trim!r}")
    axes = range(array.ndim) if axis is None else as_axes(trace, axis, array.ndim)
    if not axes:
        return filt
    if isinstance(filt, list | tuple):
        if array.ndim > 1:
            raise TypeError(f"{type(filt).__name__} indices must be integers or slices, not tuple")
        known = known_elements(trace, filt)
        if known is not None:
            return filt[_known_part(known, trim.lower())]
    if trace.holds(product(array.view.shape), "==", 0, "elements of trim_zeros"):
        return array[tuple(slice(0, 0) if k in axes else slice(None) for k in range(array.ndim))]
    if array.ndim > 1:
        found = array
        for number in axes:  # all zeros, or none: what is kept on one axis does not depend on the others
            others = tuple(k for k in range(array.ndim) if k != number)
            found = np.compress(_untrimmed(trace, np.any(array != 0, axis=others), trim), found, axis=number)
        return found
    return array[_untrimmed(trace, array != 0, trim)]


def _known_part(known: Any, trim: str) -> slice:
    """The places that stay."""
    places = np.flatnonzero(known)
    if not places.size:
        return slice(0, 0)
    return slice(int(places[0]) if "f" in trim else None, int(places[-1]) + 1 if "b" in trim else None)


def _untrimmed(trace: Trace, kept: Any, trim: str) -> Any:
    """Where elements stay, of those that may."""
    last = kept.shape[0] - 1
    first = np.argmax(kept) if "f" in trim.lower() else 0
    end = last - np.argmax(kept[::-1]) if "b" in trim.lower() else last
    places = trace.call(np.arange, kept.shape[0])
    return (places >= first) & (places <= end) & np.any(kept)


# ---------------------------------------------------------------- polynomials as objects


class Poly1d(Made):
    """`np.poly1d`: coefficients, the highest power first, without leading zeros where they are asked for.

    To functions of NumPy it is its coefficients.
    """

    __slots__ = ("_given", "_trace")
    make = numpy.poly1d

    def __init__(self, trace: Trace, coefficients: Any) -> None:
        given: Any = np.atleast_1d(as_array(trace, coefficients))
        if given.ndim > 1:
            raise ValueError("Polynomial must be 1d only.")
        self._trace = trace
        self._given = given if given.shape[0] else trace.call(np.zeros, 1, dtype=given.dtype)

    @property
    def elements(self) -> Any:
        """The coefficients, leading zeros too."""
        return self._given

    @property
    def coeffs(self) -> Any:
        """The coefficients."""
        trace, given = self._trace, self._given
        known = known_elements(trace, given)
        if known is not None:
            trimmed = numpy.trim_zeros(known, "f")
            return constant_array(trace, trimmed if len(trimmed) else numpy.zeros(1, known.dtype))
        last = given.shape[0] - 1
        first = np.where(np.any(given != 0), np.argmax(given != 0), last)
        return given[trace.call(np.arange, given.shape[0]) >= first].elements

    c = coef = coefficients = coeffs

    @property
    def order(self) -> Any:
        """The highest power."""
        return self.coeffs.shape[0] - 1

    o = length = order

    @property
    def roots(self) -> Any:
        """Where it is 0."""
        return np.roots(self._given)

    r = roots

    def trace_call(self, trace: Trace, call: Any, args: Any, kwargs: Any, effects: Any) -> Any:
        """Its values, or another polynomial put in."""
        at = args[0] if args else kwargs["val"]
        if not isinstance(at, Poly1d):
            return trace.call(np.polyval, self._given, at)
        result: Any = Poly1d(trace, [0])
        for k in range(trace.pin(self._given.view.shape[0], "coefficients of a polynomial")):
            result = result * at + self._given[k]
        return result

    def __getitem__(self, power: int) -> Any:
        count = self._trace.pin(self._given.view.shape[0], "coefficients of a polynomial")
        return self._given[count - 1 - power] if 0 <= power < count else self._given.dtype.type(0)

    def _by(self, fn: Any, *operands: Any) -> Any:
        values = (one._given if isinstance(one, Poly1d) else one for one in operands)
        return Poly1d(self._trace, fn(*values))

    # fmt: off
    def __neg__(self) -> Any: return self._by(np.negative, self)
    def __pos__(self) -> Any: return self
    def __add__(self, other: Any) -> Any: return self._by(np.polyadd, self, other)
    def __radd__(self, other: Any) -> Any: return self._by(np.polyadd, self, other)
    def __sub__(self, other: Any) -> Any: return self._by(np.polysub, self, other)
    def __rsub__(self, other: Any) -> Any: return self._by(np.polysub, other, self)
    def __mul__(self, other: Any) -> Any: return self._by(np.polymul, self, other)
    def __rmul__(self, other: Any) -> Any: return self._by(np.polymul, self, other)
    # fmt: on

    def __truediv__(self, other: Any) -> Any:
        if np.ndim(other) == 0 and not isinstance(other, Poly1d):
            return self._by(np.divide, self, other)
        return tuple(Poly1d(self._trace, part) for part in np.polydiv(self.coeffs, other))

    __div__ = __truediv__

    def __pow__(self, power: int) -> Any:
        if power < 0:
            raise ValueError("Power to non-negative integers only.")
        result: Any = Poly1d(self._trace, [1])
        for _ in range(power):
            result = self * result
        return result

    def deriv(self, m: int = 1) -> Any:
        """The derivative."""
        return self._by(lambda c: np.polyder(c, m), self)

    def integ(self, m: int = 1, k: Any = 0) -> Any:
        """The integral."""
        return self._by(lambda c: np.polyint(c, m, k), self)

    deriv.takes_traced = integ.takes_traced = True  # pyright: ignore[reportFunctionMemberAccess]


@implements(np.poly1d)
def poly1d(trace: Trace, c_or_r: Any, r: bool = False, variable: Any = None) -> Any:
    """A polynomial from its coefficients, or its roots."""
    given = c_or_r.elements if isinstance(c_or_r, Poly1d) else c_or_r
    return Poly1d(trace, np.poly(as_array(trace, given)) if r else given)


__all__ = ["poly", "polydiv", "polyfit"]
