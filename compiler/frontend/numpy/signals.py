"""Samples in a row: gradient, trapezoid, convolve, correlate, interp, unwrap, ediff1d, windows, polynomials.

Not here: moments (`statistics.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.compiler.frontend.known import fixed_number
from weft.compiler.frontend.number import TracedNumber, as_dim, size_number
from weft.compiler.frontend.numpy.creation import as_size, constant_array, counted
from weft.compiler.frontend.numpy.manipulation import as_axes, as_axis
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.numpy.written import horner, windows_dot, without_outside
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray, TracedScalar, as_array, elements, operand
from weft.ir.errors import ShapeError


def _cut(axis: int, start: int | None, stop: int | None) -> tuple[Any, ...]:
    return (*(slice(None),) * axis, slice(start, stop))


def _floats(array: TracedArray) -> TracedArray:
    return array if array.dtype.kind in "fc" else array.astype(np.float64)


# ---------------------------------------------------------------- differences and integrals


@implements(np.gradient)
def gradient(trace: Trace, f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Return the gradient of an N-dimensional array: central differences, one-sided ones at the edges."""
    array = _floats(as_array(trace, f))
    axes = tuple(range(array.ndim)) if axis is None else as_axes(trace, axis, array.ndim)
    is_one = len(varargs) == 1 and not operand(trace, varargs[0]).shape
    if varargs and not is_one and len(varargs) != len(axes):
        raise TypeError("invalid number of arguments")
    for number, one in zip(axes, varargs, strict=False):
        _check_places(trace, array, number, one)
    spacings = list(varargs) * len(axes) if len(varargs) == 1 else list(varargs) or [1.0] * len(axes)
    found = [_slope(trace, array, number, h, edge_order) for number, h in zip(axes, spacings, strict=True)]
    return found[0] if len(axes) == 1 else tuple(found)


def _check_places(trace: Trace, f: TracedArray, axis: int, spacing: Any) -> None:
    shape = operand(trace, spacing).shape
    if len(shape) > 1:
        raise ValueError("distances must be either scalars or 1d")
    if shape and not trace.holds(shape[0], "==", f.view.shape[axis], "samples of a gradient"):
        raise ValueError("when 1d, distances must match the length of the corresponding dimension")


def _slope(trace: Trace, f: TracedArray, axis: int, spacing: Any, edge_order: int) -> Any:
    if edge_order not in (1, 2):
        raise ValueError("'edge_order' greater than 2 not supported")
    if trace.holds(f.view.shape[axis], "<", edge_order + 1, "samples of a gradient"):
        raise ValueError(
            "Shape of array too small to calculate a numerical gradient, "
            "at least (edge_order + 1) elements are required."
        )
    step = operand(trace, spacing)
    rank = f.ndim
    if not step.shape:
        h: Any = spacing
        middle = (f[_cut(axis, 2, None)] - f[_cut(axis, None, -2)]) / (2.0 * h)
        gaps = [h, h, h, h]
    else:
        places = as_array(trace, spacing)
        lengths = trace.call(np.diff, _floats(places) if places.dtype.kind in "iu" else places)
        wide = lengths.reshape(*(1,) * axis, -1, *(1,) * (rank - 1 - axis))
        before, after = wide[_cut(axis, None, -1)], wide[_cut(axis, 1, None)]
        a = -after / (before * (before + after))
        b = (after - before) / (before * after)
        c = before / (after * (before + after))
        middle = a * f[_cut(axis, None, -2)] + b * f[_cut(axis, 1, -1)] + c * f[_cut(axis, 2, None)]
        gaps = [
            lengths[0],
            lengths[1] if edge_order == 2 else None,
            lengths[-2] if edge_order == 2 else None,
            lengths[-1],
        ]
    first, last = _edges(f, axis, gaps, edge_order)
    return trace.call(np.concatenate, [first, middle, last], axis=axis).astype(f.dtype)


def _edges(f: TracedArray, axis: int, gaps: Sequence[Any], edge_order: int) -> tuple[Any, Any]:
    def at(k: int) -> Any:
        return f[_cut(axis, k, k + 1 if k != -1 else None)]

    if edge_order == 1:
        return (at(1) - at(0)) / gaps[0], (at(-1) - at(-2)) / gaps[3]
    d1, d2 = gaps[0], gaps[1]
    first = (
        -(2.0 * d1 + d2) / (d1 * (d1 + d2)) * at(0)
        + (d1 + d2) / (d1 * d2) * at(1)
        + -d1 / (d2 * (d1 + d2)) * at(2)
    )
    d1, d2 = gaps[2], gaps[3]
    last = (
        d2 / (d1 * (d1 + d2)) * at(-3)
        + -(d2 + d1) / (d1 * d2) * at(-2)
        + (2.0 * d2 + d1) / (d2 * (d1 + d2)) * at(-1)
    )
    return first, last


@implements(np.trapezoid)
def trapezoid(trace: Trace, y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Integrate along the given axis using the composite trapezoidal rule."""
    values = as_array(trace, y)
    number = as_axis(trace, axis, values.ndim)
    width: Any = dx
    if x is not None:
        places = as_array(trace, x)
        width = trace.call(np.diff, places, axis=-1 if places.ndim == 1 else number)
        if places.ndim == 1:
            width = width.reshape(*(1,) * number, -1, *(1,) * (values.ndim - 1 - number))
    pairs = values[_cut(number, 1, None)] + values[_cut(number, None, -1)]
    return trace.call(np.sum, width * pairs / 2.0, axis=number)


@implements(np.ediff1d)
def ediff1d(trace: Trace, ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """The differences between consecutive elements of an array."""
    flat = as_array(trace, ary).ravel()
    for name, one in (("to_begin", to_begin), ("to_end", to_end)):
        if one is not None and not np.can_cast(as_array(trace, one).dtype, flat.dtype, "same_kind"):
            raise TypeError(
                f"dtype of `{name}` must be compatible with input `ary` under the `same_kind` rule."
            )
    parts = [trace.call(np.subtract, flat[1:], flat[:-1])]
    if to_begin is not None:
        parts.insert(0, as_array(trace, to_begin).ravel().astype(flat.dtype))
    if to_end is not None:
        parts.append(as_array(trace, to_end).ravel().astype(flat.dtype))
    return parts[0] if len(parts) == 1 else trace.call(np.concatenate, parts)


@implements(np.unwrap)
def unwrap(trace: Trace, p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    """Unwrap by taking the complement of large deltas with respect to the period."""
    array = as_array(trace, p)
    number = as_axis(trace, axis, array.ndim)
    steps = trace.call(np.diff, array, axis=number)
    dtype = trace.call(np.result_type, steps, period)
    limit = period / 2 if discont is None else discont
    if np.issubdtype(dtype, np.integer):
        high, odd = divmod(period, 2)
        at_edge = odd == 0
    else:
        high, at_edge = period / 2, True
    low = -high
    inside = trace.call(np.remainder, steps - low, period) + low
    if at_edge:
        inside = trace.call(np.where, (inside == low) & (steps > 0), high, inside)
    jump = trace.call(np.where, abs(steps) < limit, 0, inside - steps)
    first = array[_cut(number, None, 1)].astype(dtype)
    rest = array[_cut(number, 1, None)] + trace.call(np.cumsum, jump, axis=number)
    return trace.call(np.concatenate, [first, rest.astype(dtype)], axis=number)


# ---------------------------------------------------------------- convolution


def _slid(trace: Trace, a: Any, v: Any, mode: Any, *, flips: bool) -> Any:
    """Sums of products of `a` with `v` moved along it, reversed if it `flips`."""
    x, w = as_array(trace, a), as_array(trace, v)
    if x.ndim > 1 or w.ndim > 1:
        raise ValueError("object too deep for desired array")
    x, w = (one.reshape(1) if not one.ndim else one for one in (x, w))
    if mode is None:
        raise TypeError("convolve/correlate mode not understood")
    mode = ("valid", "same", "full")[mode] if type(mode) is int and 0 <= mode < 3 else mode
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")
    if any(one.view.shape[0] == 0 for one in (x, w)):
        raise ShapeError(
            "an array of a convolution cannot be empty",
            code="E016",
            location=trace.location(),
            fix="give elements",
        )
    is_swapped = trace.holds(w.view.shape[0], ">", x.view.shape[0], "lengths of a convolution")
    if is_swapped:
        x, w = w, x
    dtype = trace.call(np.result_type, x, w)
    x, w = x.astype(dtype), w.astype(dtype)
    reversed_result = is_swapped and not flips
    n, m = x.shape[0], w.shape[0]
    taps = w[::-1] if flips else w
    low, high = {"full": (m - 1, m - 1), "valid": (0, 0), "same": (m // 2, m - 1 - m // 2)}[mode]
    if flips and mode == "same":
        low, high = m - 1 - (m - 1) // 2, (m - 1) // 2
    count = n + low + high - m + 1
    padded = trace.call(
        np.concatenate, [trace.call(np.zeros, low, dtype=dtype), x, trace.call(np.zeros, high, dtype=dtype)]
    )
    result = _windows_dot(trace, padded, taps, count)
    if dtype.kind in "fc" and mode != "valid":  # 0 times an infinite tap is not what lies outside
        result = trace.enter(without_outside, result, padded, taps, count, m, low, n)
    return result[::-1].copy() if reversed_result else result


_FEW_TAPS = 16


def _windows_dot(trace: Trace, x: Any, taps: Any, count: Any) -> Any:
    """Dot products of `taps` with each window of `x`: few taps one by one, many in a loop."""
    size = taps.view.shape[0]
    if isinstance(size, int) and size <= _FEW_TAPS:
        total = x[:count] * taps[0]
        for k in range(1, size):
            total = total + x[k : k + count] * taps[k]
        return total
    whole = size // 8 if isinstance(size, int) else 0
    return trace.enter(windows_dot, x, taps, count, size_number(trace, size), whole)


@implements(np.convolve)
def convolve(trace: Trace, a: Any, v: Any, mode: str = "full") -> Any:
    """Returns the discrete, linear convolution of two one-dimensional sequences."""
    return _slid(trace, a, v, mode, flips=True)


@implements(np.correlate)
def correlate(trace: Trace, a: Any, v: Any, mode: str = "valid") -> Any:
    """Cross-correlation of two 1-dimensional sequences."""
    if not as_array(trace, a).ndim or not as_array(trace, v).ndim:
        raise ValueError("object of too small depth for desired array")
    return _slid(trace, a, as_array(trace, v).conj(), mode, flips=False)


@implements(np.interp)
def interp(
    trace: Trace, x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """One-dimensional linear interpolation for monotonically increasing sample points."""
    if "c" in (operand(trace, x).dtype.kind, operand(trace, xp).dtype.kind):
        raise TypeError("Cannot cast array data from complex numbers to dtype('float64') safely")
    if as_array(trace, fp).dtype.kind == "c":
        return _interp_complex(trace, x, xp, as_array(trace, fp), (left, right), period)
    at = _floats(as_array(trace, x)).astype(np.float64)
    places, values = (as_array(trace, v).astype(np.float64) for v in (xp, fp))
    if places.ndim != 1 or values.ndim != 1:
        raise ValueError("Data points must be 1-D sequences")
    if not trace.holds(places.view.shape[0], "==", values.view.shape[0], "lengths of interp"):
        raise ValueError("fp and xp are not of the same length.")
    if places.view.shape[0] == 0:
        raise ValueError("array of sample points is empty")
    if period is not None:
        if not isinstance(period, TracedNumber | TracedScalar) and period == 0:
            raise ValueError("period must be a non-zero value")
        period = abs(period)
        at, places = at % period, places % period
        order = trace.call(np.argsort, places)
        places, values = places[order], values[order]
        places = trace.call(np.concatenate, [places[-1:] - period, places, places[:1] + period])
        values = trace.call(np.concatenate, [values[-1:], values, values[:1]])
    low = values[0] if left is None else left
    high = values[-1] if right is None else right
    last = places.shape[0] - 1
    if as_dim(last) == 0:
        result = trace.call(
            np.where, at < places[0], low, trace.call(np.where, at > places[0], high, values[0])
        )
    else:
        result = _between(trace, at, places, values, last)
        result = trace.call(np.where, at > places[-1], high, result)
        result = trace.call(np.where, at == places[-1], values[-1], result)
        result = trace.call(np.where, at < places[0], low, result)
        result = trace.call(np.where, at != at, at, result)
    return result if operand(trace, x).shape else result[()]


def _interp_complex(trace: Trace, x: Any, xp: Any, fp: Any, ends: tuple[Any, Any], period: Any) -> Any:
    """The real and the imaginary parts each for itself."""
    found: Any = None
    for name in ("real", "imag"):
        outer = [None if v is None else getattr(as_array(trace, v), name) for v in ends]
        part = as_array(trace, interp(trace, x, xp, getattr(fp, name), outer[0], outer[1], period))
        found = trace.call(np.zeros, part.shape, dtype=np.complex128) if found is None else found
        getattr(found, name)[...] = part
    return found if operand(trace, x).shape else found[()]


def _between(trace: Trace, at: Any, places: Any, values: Any, last: Any) -> Any:
    """The line through the samples on both sides of each place."""
    segment = trace.call(np.clip, trace.call(np.searchsorted, places, at, side="right") - 1, 0, last - 1)
    x0, y0 = places[segment], values[segment]
    slopes = trace.call(np.diff, values) / trace.call(np.diff, places)
    slope = slopes[segment]
    result = slope * (at - x0) + y0
    other = slope * (at - places[segment + 1]) + values[segment + 1]
    result = trace.call(np.where, result != result, other, result)
    result = trace.call(np.where, (result != result) & (y0 == values[segment + 1]), y0, result)
    return trace.call(np.where, at == x0, y0, result)


# ---------------------------------------------------------------- polynomials


_MANY_COEFFICIENTS = 64


@implements(np.polyval)
def polyval(trace: Trace, p: Any, x: Any) -> Any:
    """Evaluate a polynomial at specific values."""
    coefficients = as_array(trace, p)
    at = as_array(trace, x)
    total: Any = trace.call(np.zeros_like, at)
    count = coefficients.view.shape[0]
    if trace.holds(count, ">", _MANY_COEFFICIENTS, "coefficients of a polynomial"):
        total = trace.run(horner, total * at + coefficients[0], at, coefficients)
    else:
        for k in range(trace.pin(count, "coefficients of a polynomial")):
            total = total * at + coefficients[k]
    return total if operand(trace, x).shape else total[()]


def _sum_of(ufunc: np.ufunc) -> Callable[..., Any]:
    def composition(trace: Trace, a1: Any, a2: Any) -> Any:
        first, second = (trace.call(np.atleast_1d, as_array(trace, v)) for v in (a1, a2))
        gap = first.shape[0] - second.shape[0]
        if gap:
            longer = gap > 0
            short = second if longer else first
            short = trace.call(np.concatenate, [trace.call(np.zeros, abs(gap), dtype=short.dtype), short])
            first, second = (first, short) if longer else (short, second)
        return trace.call(ufunc, first, second)

    return composition


implements(np.polyadd)(_sum_of(np.add))
implements(np.polysub)(_sum_of(np.subtract))


@implements(np.polymul)
def polymul(trace: Trace, a1: Any, a2: Any) -> Any:
    """Find the product of two polynomials."""
    factors = [as_array(trace, one) for one in (a1, a2)]
    if any(one.view.shape == (0,) for one in factors):  # which is 0 as a polynomial
        dtype = trace.call(np.result_type, *factors)
        factors = [trace.call(np.zeros, 1, dtype=dtype) if one.view.shape == (0,) else one for one in factors]
    return convolve(trace, *factors)


@implements(np.polyder)
def polyder(trace: Trace, p: Any, m: int = 1) -> Any:
    """Return the derivative of the specified order of a polynomial."""
    if m < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    result = as_array(trace, p)
    if m and result.ndim != 1:
        raise ValueError("operands could not be broadcast together with the exponents")
    for _ in range(m):
        degree = result.shape[0] - 1
        result = result[:-1] * trace.call(np.arange, degree, 0, -1)
    return result


@implements(np.polyint)
def polyint(trace: Trace, p: Any, m: int = 1, k: Any = None) -> Any:
    """Return an antiderivative (indefinite integral) of a polynomial."""
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    result = _floats(as_array(trace, p))
    added = [0] * m if k is None else list(k) if isinstance(k, Sequence) else [k] * m
    for constant in added[:m]:
        powers = trace.call(np.arange, result.shape[0], 0, -1)
        tail = as_array(trace, constant).reshape(1).astype(result.dtype)
        result = trace.call(np.concatenate, [result / powers, tail])
    return result


@implements(np.vander)
def vander(trace: Trace, x: Any, N: Any = None, increasing: bool = False) -> Any:  # noqa: N803
    """Generate a Vandermonde matrix."""
    line = as_array(trace, x)
    if line.ndim != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    count = line.view.shape[0] if N is None else as_size(trace, N)
    dtype = trace.call(np.result_type, line, int)
    if trace.holds(count, "<", 2, "columns of vander"):
        return trace.call(np.ones, (line.shape[0], size_number(trace, count)), dtype=dtype)
    wide = trace.call(
        np.broadcast_to, line.astype(dtype)[:, None], (line.shape[0], size_number(trace, count - 1))
    )
    one = trace.call(np.ones, (line.shape[0], 1), dtype=dtype)
    powers = trace.call(np.concatenate, [one, trace.call(np.multiply.accumulate, wide, axis=1)], axis=1)
    return powers if increasing else powers[:, ::-1].copy()


# ---------------------------------------------------------------- windows, of a length that is known


def _window(fn: Callable[..., Any]) -> Callable[..., Any]:
    def composition(trace: Trace, M: Any, *arguments: float) -> Any:  # noqa: N803
        known = fixed_number(trace, M)
        if not isinstance(known, float):
            known = trace.pin(counted(trace, M), f"length of {fn.__name__}")
        return constant_array(trace, fn(known, *arguments))

    return composition


for _fn in (np.bartlett, np.blackman, np.hamming, np.hanning):
    implements(_fn)(_window(_fn))


@implements(np.kaiser)
def kaiser(trace: Trace, M: Any, beta: Any) -> Any:  # noqa: N803
    """Return the Kaiser window."""
    size = counted(trace, M)
    if trace.holds(size, "<=", 1, "length of kaiser"):
        return trace.call(np.ones, size_number(trace, size))
    middle = (M - 1) / 2.0
    place = (trace.call(np.arange, size_number(trace, size)) - middle) / middle
    height = trace.call(np.i0, beta * trace.call(np.sqrt, 1 - place * place))
    known = isinstance(beta, int | float)
    return height / (float(np.i0(beta)) if known else trace.call(np.i0, trace.call(np.asarray, beta, float)))


@implements(np.logspace)
def logspace(
    trace: Trace,
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Return numbers spaced evenly on a log scale."""
    if operand(trace, base).shape:
        given = [as_array(trace, v) for v in (start, stop, base)]
        rank = max(v.ndim for v in given)
        start, stop, base = (v.reshape(*(1,) * (rank - v.ndim), *v.shape) for v in given)
        base = trace.call(np.expand_dims, base, axis)
    powers = trace.call(np.linspace, start, stop, num, endpoint=endpoint, axis=axis)
    result = trace.call(np.power, base, powers)
    return result if dtype is None else result.astype(dtype)


@implements(np.geomspace)
def geomspace(
    trace: Trace, start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None,
    axis: int = 0,
) -> Any:  # fmt: skip
    """Return numbers spaced evenly on a log scale (a geometric progression)."""
    ends = [as_array(trace, v) for v in (start, stop)]
    wide = trace.call(np.result_type, *ends, np.dtype(np.float64 if dtype is None else dtype), np.float64)
    ends = [v.astype(wide) for v in ends]
    some = trace.call(np.all, ends[0] != 0) & trace.call(np.all, ends[1] != 0)
    trace.fail_unless(elements(trace, some), ValueError("Geometric sequence cannot include zero"))
    sign = trace.call(np.sign, ends[0])
    low, high = (trace.call(np.log10, v / sign) for v in ends)
    result = logspace(trace, low, high, num, endpoint)
    count = result.shape[0]
    if trace.holds(as_size(trace, count), ">", 0, "length of geomspace"):
        result[0] = ends[0] / sign
        if endpoint and trace.holds(as_size(trace, count), ">", 1, "length of geomspace"):
            result[-1] = ends[1] / sign
    result = result * sign
    result = result if axis == 0 else trace.call(np.moveaxis, result, 0, axis)
    return result if dtype is None else result.astype(dtype)
