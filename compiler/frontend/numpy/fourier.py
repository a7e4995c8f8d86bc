"""`numpy.fft`: transforms of complex and real numbers over any axes, and what goes with them.

All are compositions of the op `fft`, which transforms the last axis. Not here: how it computes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.compiler.frontend.number import as_dim, size_number
from weft.compiler.frontend.numpy.manipulation import as_axes, as_axis
from weft.compiler.frontend.numpy.table import implements
from weft.compiler.frontend.promote import numpy_dtype
from weft.compiler.frontend.region import branch
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray, as_array, new_array, plain_int, shape_of
from weft.ir.dims import DimLike, decide, floor_divide
from weft.ir.errors import AxisError, ShapeError
from weft.ir.expr import Expr, cast, complex_of
from weft.ir.types import C64, C128, DType

_SCALES = {
    None: ("none", "count"),
    "backward": ("none", "count"),
    "ortho": ("root", "root"),
    "forward": ("count", "none"),
}
"""From `norm` to the factor of a forward and of an inverse transform."""


def _complex_type(dtype: DType) -> DType:
    """complex64 for float16, float32 and complex64, else complex128, as NumPy's loops."""
    return C64 if dtype.name in ("f16", "f32", "c64") else C128


def _checked(trace: Trace, n: Any, size: DimLike) -> DimLike:
    """The length of a transform: that of the axis for None."""
    length = size if n is None else as_dim(plain_int(n))
    if length is None:
        raise trace.refuse(
            "the length of a transform must be known when the program starts", "pass it as an int", "E051"
        )
    if trace.holds(length, "<", 1, "length of a transform"):
        raise ValueError(f"Invalid number of FFT data points ({length}) specified.")
    return length


def _resized(trace: Trace, x: Expr, axis: int, length: DimLike) -> Expr:
    """The first elements of an axis, or zeros after them."""
    shape = shape_of(x)
    if length == shape[axis]:
        return x
    rank, b = len(shape), x.builder
    if trace.holds(length, "<=", shape[axis], "length of a transform"):
        size = (*shape[:axis], length, *shape[axis + 1 :])
        places = {"start": (0,) * rank, "size": size, "step": (1,) * rank}
        return b.expr(b.emit("slice", [x.value], places).result)
    high = tuple(length - d if k == axis else 0 for k, d in enumerate(shape))
    zero = trace.constant(0, x.dtype)
    return b.expr(b.emit("pad", [x.value, zero.value], {"low": (0,) * rank, "high": high}).result)


def _to_last(x: Expr, axis: int) -> Expr:
    """The axis changed places with the last."""
    rank = len(shape_of(x))
    if axis == rank - 1:
        return x
    order = list(range(rank))
    order[axis], order[-1] = order[-1], order[axis]
    return x.builder.expr(x.builder.emit("transpose", [x.value], {"axes": tuple(order)}).result)


def _scale(norm: Any, *, inverse: bool) -> str:
    if norm not in _SCALES:
        raise ValueError(f'Invalid norm value {norm}; should be "backward", "ortho" or "forward".')
    return _SCALES[norm][inverse]


def transform(x: Expr, axis: int, norm: Any, *, inverse: bool) -> Expr:
    """The transform of complex numbers along an axis."""
    facts = {"inverse": inverse, "scale": _scale(norm, inverse=inverse)}
    found = x.builder.emit("fft", [_to_last(x, axis).value], facts).result
    return _to_last(x.builder.expr(found), axis)


def _read(trace: Trace, a: Any, axis: Any, *, real: bool = False) -> tuple[Expr, int]:
    """The operand, complex unless `real`, and the axis."""
    array = as_array(trace, a)
    if not array.view.shape:
        raise AxisError.of(-1 if axis is None else axis, 0, trace.location())
    if real and array.element.is_complex:
        raise TypeError("ufunc 'rfft_n_even' did not contain a loop with signature matching types")
    ty = _complex_type(array.element)
    return cast(array.expr, ty.part if real else ty), as_axis(trace, axis, len(array.view.shape))


def _line(*, inverse: bool) -> Callable[..., Any]:
    def composition(
        trace: Trace, a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None
    ) -> Any:
        x, place = _read(trace, a, axis)
        x = _resized(trace, x, place, _checked(trace, n, shape_of(x)[place]))
        return _finish(trace, transform(x, place, norm, inverse=inverse), out)

    return composition


def _finish(trace: Trace, value: Expr, out: Any) -> Any:
    if out is None:
        return new_array(trace, value)
    if type(out) is not TracedArray:
        raise TypeError("return arrays must be of ArrayType")
    if not np.can_cast(numpy_dtype(value.dtype), out.dtype, "same_kind"):
        raise TypeError(f"Cannot cast ufunc 'fft' output from {value.dtype} to {out.dtype!r}")
    if tuple(out.view.shape) != shape_of(value):
        raise ShapeError("output array has wrong shape.", location=trace.location())
    out.write(cast(value, out.element))
    return out


fft = implements(np.fft.fft)(_line(inverse=False))
ifft = implements(np.fft.ifft)(_line(inverse=True))


# ---------------------------------------------------------------- real numbers

_SHARE = {"none": 1.0, "root": math.sqrt(0.5), "count": 0.5}
"""What is left of the factor of a transform when that of one of half the length is taken out."""


def _by_parity(trace: Trace, length: DimLike, even: Callable[[], Expr], odd: Callable[[], Expr]) -> Expr:
    """One of two ways; a length that only the program knows is looked at when it runs."""
    remainder = length - floor_divide(length, 2) * 2
    is_even = decide(remainder, "==", 0) if trace.known(length, ">=", 2, "length of a transform") else False
    if is_even is not None:
        return even() if is_even else odd()
    condition = new_array(trace, trace.size(remainder).apply("equal", trace.size(0)))
    sides = [lambda side=side: [new_array(trace, side())] for side in (even, odd)]
    return branch(trace, condition, *sides)[0].expr


def _angles(trace: Trace, half: DimLike, like: TracedArray) -> tuple[Any, Any]:
    """Cosine and sine of pi k / half for k below `half`, by the angle to the nearer end."""
    ends = size_number(trace, half)
    k = trace.call(np.arange, ends)
    is_near = k * 2 <= ends
    angle = trace.call(np.where, is_near, k, ends - k) * (math.pi / ends)
    cosine, sine = trace.call(np.cos, angle), trace.call(np.sin, angle)
    cosine = trace.call(np.where, is_near, cosine, -cosine)
    return cosine.astype(like.real.dtype), sine.astype(like.real.dtype)


def _part(x: Expr, start: DimLike, size: DimLike, step: int = 1) -> Expr:
    """Elements of the last axis."""
    shape = shape_of(x)
    rank = len(shape)
    places = {
        "start": (*(0,) * (rank - 1), start),
        "size": (*shape[:-1], size),
        "step": (*(1,) * (rank - 1), step),
    }
    return x.builder.expr(x.builder.emit("slice", [x.value], places).result)


def _of_real(trace: Trace, x: Expr, axis: int, norm: Any) -> Expr:
    """Half of the transform of real numbers, with the middle.

    An even number of them are transformed as half as many complex numbers: with Z the transform of
    x[2 j] + i x[2 j + 1] and Z' its conjugate, backwards, 2 X = Z + Z' - i e^(-i pi k / m) (Z - Z').
    """
    x = _to_last(x, axis)
    length, last = shape_of(x)[-1], len(shape_of(x)) - 1
    half = floor_divide(length, 2)

    def odd() -> Expr:
        whole = transform(cast(x, _complex_type(x.dtype)), last, norm, inverse=False)
        return _part(whole, 0, half + 1)

    def even() -> Expr:
        pairs = complex_of(_part(x, 0, half, 2), _part(x, 1, half, 2))
        found = transform(pairs, last, norm, inverse=False)
        first, z = new_array(trace, _part(found, 0, 1)), new_array(trace, _part(found, 1, half - 1))
        back = new_array(trace, _part(found, half - 1, half - 1, -1))
        cosine, sine = (e[1:] for e in _angles(trace, half, z))
        share = _SHARE[_scale(norm, inverse=False)]
        along, across = z.real - back.real, z.imag + back.imag
        re = (z.real + back.real - sine * along + cosine * across) * (0.5 * share)
        im = (z.imag - back.imag - sine * across - cosine * along) * (0.5 * share)
        ends = [((first.real + first.imag * sign) * share).astype(z.dtype) for sign in (1, -1)]
        middle = new_array(trace, complex_of(re.expr, im.expr))
        return trace.call(np.concatenate, [ends[0], middle, ends[1]], axis=-1).expr

    return _to_last(_by_parity(trace, length, even, odd), axis)


@implements(np.fft.rfft)
def rfft(trace: Trace, a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> Any:
    """Compute the one-dimensional discrete Fourier Transform for real input."""
    x, place = _read(trace, a, axis, real=True)
    x = _resized(trace, x, place, _checked(trace, n, shape_of(x)[place]))
    return _finish(trace, _of_real(trace, x, place, norm), out)


def _to_real(trace: Trace, x: Expr, axis: int, length: DimLike, norm: Any) -> Expr:
    """The inverse transform of a spectrum whose second half is the conjugate of the first.

    Imaginary parts of the first element and, for even lengths, the middle do not count.
    """
    half = floor_divide(length, 2)
    x = _to_last(_resized(trace, x, axis, half + 1), axis)
    last = len(shape_of(x)) - 1

    def odd() -> Expr:
        first = new_array(trace, _part(x, 0, 1)).real.astype(numpy_dtype(x.dtype))
        back = new_array(trace, _part(x, length - half - 1, length - half - 1, -1)).conj()
        parts = [first, new_array(trace, _part(x, 1, half)), back]
        whole = trace.call(np.concatenate, parts, axis=-1).expr
        return new_array(trace, transform(whole, last, norm, inverse=True)).real.expr

    return _to_last(_by_parity(trace, length, lambda: _joined(trace, x, half, length, norm), odd), axis)


def _joined(trace: Trace, x: Expr, half: DimLike, length: DimLike, norm: Any) -> Expr:
    """An even number of real numbers: the way of `_of_real` back."""
    low, high = new_array(trace, _part(x, 0, half)), new_array(trace, _part(x, half, half, -1))
    is_inside = trace.call(np.arange, size_number(trace, half)) > 0
    low_im, high_im = (trace.call(np.where, is_inside, e.imag, 0) for e in (low, high))
    cosine, sine = _angles(trace, half, low)
    share = 0.5 / _SHARE[_scale(norm, inverse=False)]
    along, across = low.real - high.real, low_im + high_im
    re = (low.real + high.real - sine * along - cosine * across) * share
    im = (low_im - high_im + cosine * along - sine * across) * share
    last = len(low.view.shape) - 1
    found = new_array(trace, transform(complex_of(re.expr, im.expr), last, norm, inverse=True))
    pairs = trace.call(np.stack, [found.real, found.imag], axis=-1).expr
    b, shape = pairs.builder, (*shape_of(pairs)[:-2], half * 2)
    joined = b.expr(b.emit("reshape", [pairs.value], {"shape": shape}).result)
    if length == half * 2:
        return joined
    high = (*(0,) * last, length - half * 2)  # 0 where this is run
    zero = trace.constant(0, joined.dtype)
    return b.expr(b.emit("pad", [joined.value, zero.value], {"low": (0,) * (last + 1), "high": high}).result)


@implements(np.fft.irfft)
def irfft(trace: Trace, a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> Any:
    """Computes the inverse of `rfft`."""
    x, place = _read(trace, a, axis)
    length = _checked(trace, n, (shape_of(x)[place] - 1) * 2)
    return _finish(trace, _to_real(trace, x, place, length, norm), out)


_OPPOSITE = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


@implements(np.fft.hfft)
def hfft(trace: Trace, a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> Any:
    """Compute the FFT of a signal that has Hermitian symmetry, i.e., a real spectrum."""
    _scale(norm, inverse=False)
    return irfft(trace, trace.call(np.conjugate, as_array(trace, a)), n, axis, _OPPOSITE[norm], out)


@implements(np.fft.ihfft)
def ihfft(trace: Trace, a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> Any:
    """Compute the inverse FFT of a signal that has Hermitian symmetry."""
    _scale(norm, inverse=False)
    found = trace.call(np.conjugate, rfft(trace, a, n, axis, _OPPOSITE[norm]))
    return _finish(trace, found.expr, out)


# ---------------------------------------------------------------- several axes


def _lengths(
    trace: Trace, array: TracedArray, s: Any, axes: Any, *, real_result: bool = False
) -> list[tuple[Any, int]]:
    """Lengths and axes of a transform of several, in order."""
    rank = len(array.view.shape)
    if s is None:
        chosen = list(range(rank)) if axes is None else list(axes)
        sizes: Sequence[Any] = [None] * len(chosen)
    else:
        sizes = list(s)
        chosen = list(range(rank - len(sizes), rank)) if axes is None else list(axes)
    if len(sizes) != len(chosen):
        raise ValueError("Shape and axes have different lengths.")
    places = [as_axes(trace, (k,), rank)[0] for k in chosen]
    sizes = [None if n == -1 and type(n) is int else n for n in sizes]
    return list(zip(sizes, places, strict=True))


def _many(one: Callable[..., Any]) -> Callable[..., Any]:
    def composition(
        trace: Trace, a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None
    ) -> Any:
        array = as_array(trace, a)
        for n, axis in reversed(_lengths(trace, array, s, axes)):
            array = one(trace, array, n, axis, norm)
        if not array.element.is_complex:
            array = array.astype(np.complex128)
        return _finish(trace, array.expr, out)

    return composition


def _two(many: Callable[..., Any]) -> Callable[..., Any]:
    def composition(
        trace: Trace, a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None
    ) -> Any:
        return many(trace, a, s, axes, norm, out)

    return composition


fftn = implements(np.fft.fftn)(_many(fft))
ifftn = implements(np.fft.ifftn)(_many(ifft))
implements(np.fft.fft2)(_two(fftn))
implements(np.fft.ifft2)(_two(ifftn))


@implements(np.fft.rfftn)
def rfftn(trace: Trace, a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """Compute the N-dimensional discrete Fourier Transform for real input."""
    array = as_array(trace, a)
    pairs = _lengths(trace, array, s, axes)
    found = rfft(trace, array, pairs[-1][0], pairs[-1][1], norm)
    for n, axis in pairs[-2::-1]:
        found = fft(trace, found, n, axis, norm)
    return _finish(trace, found.expr, out)


@implements(np.fft.irfftn)
def irfftn(trace: Trace, a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """Computes the inverse of `rfftn`."""
    array = as_array(trace, a)
    pairs = _lengths(trace, array, s, axes)
    for n, axis in pairs[:-1]:
        array = ifft(trace, array, n, axis, norm)
    return irfft(trace, array, pairs[-1][0], pairs[-1][1], norm, out)


implements(np.fft.rfft2)(_two(rfftn))
implements(np.fft.irfft2)(_two(irfftn))


# ---------------------------------------------------------------- helpers


@implements(np.fft.fftfreq)
def fftfreq(trace: Trace, n: Any, d: Any = 1.0, device: Any = None) -> Any:
    """Return the Discrete Fourier Transform sample frequencies."""
    positive = (n - 1) // 2 + 1
    counts = [trace.call(np.arange, 0, positive), trace.call(np.arange, -(n // 2), 0)]
    return trace.call(np.concatenate, counts) * (1.0 / (n * d))


@implements(np.fft.rfftfreq)
def rfftfreq(trace: Trace, n: Any, d: Any = 1.0, device: Any = None) -> Any:
    """Return the sample frequencies of `rfft`."""
    return trace.call(np.arange, 0, n // 2 + 1) * (1.0 / (n * d))


def _shifted(*, back: bool) -> Callable[..., Any]:
    def composition(trace: Trace, x: Any, axes: Any = None) -> Any:
        array = as_array(trace, x)
        rank = array.ndim
        places = tuple(range(rank)) if axes is None else as_axes(trace, axes, rank)
        distances = tuple(-(array.shape[k] // 2) if back else array.shape[k] // 2 for k in places)
        return trace.call(np.roll, array, distances, places)

    return composition


implements(np.fft.fftshift)(_shifted(back=False))
implements(np.fft.ifftshift)(_shifted(back=True))
