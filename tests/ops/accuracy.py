"""Measures the math functions: `python -m tests.ops.accuracy [op ...] [--points N] [--stride N]` prints all.

float32 is compared with float64 evaluated by NumPy, float64 with 80-bit NumPy where the platform has it and
with mpmath otherwise. Errors are in ulp of the exact result; the special values must be NumPy's.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import mpmath
import numpy as np

from tests.ops.lanes import Compiled
from weft.compiler.passes.lower_math import MATH
from weft.ir.types import DTYPES

mpmath.mp.prec = 120
Arrays = tuple[np.ndarray, ...]
BOUNDS = {"f32": 2.0, "f64": 4.0}
SIZE = 1 << 15
HAS_LONG = np.finfo(np.longdouble).nmant >= 63


# fmt: off
NUMPY: dict[str, Callable[..., np.ndarray]] = {
    "power_float": np.power, "fmod_float": np.fmod, "remainder_float": np.remainder,
    "floor_divide_float": np.floor_divide,
}
EXACT = {"fmod_float", "remainder_float", "floor_divide_float"}
BINARY = {"arctan2", "power_float", "hypot", "logaddexp", "logaddexp2", *EXACT}
MPMATH = {
    "arcsin": mpmath.asin, "arccos": mpmath.acos, "arctan": mpmath.atan, "arctan2": mpmath.atan2,
    "arcsinh": mpmath.asinh, "arccosh": mpmath.acosh, "arctanh": mpmath.atanh, "power_float": mpmath.power,
    "exp2": lambda x: mpmath.power(2, x), "log2": lambda x: mpmath.log(x) / mpmath.log(2),
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
    "logaddexp": lambda x, y: max(x, y) + mpmath.log1p(mpmath.exp(-abs(x - y))),
    "logaddexp2": lambda x, y: max(x, y) + mpmath.log1p(mpmath.power(2, -abs(x - y))) / mpmath.log(2),
}
# where results are of interest: intervals beside the random bit patterns
RANGES: dict[str, tuple[float, float]] = {
    "exp": (-110, 95), "exp2": (-155, 130), "expm1": (-20, 92), "log": (0, 4), "log2": (0, 4),
    "log10": (0, 12), "log1p": (-1, 4), "sin": (-40, 40), "cos": (-40, 40), "tan": (-40, 40),
    "tanh": (-10, 10), "sinh": (-92, 92), "cosh": (-92, 92), "arcsin": (-1, 1), "arccos": (-1, 1),
    "arctan": (-8, 8), "arcsinh": (-8, 8), "arccosh": (1, 6), "arctanh": (-1, 1), "cbrt": (-9, 9),
    "erf": (-7, 7),
}
WIDE = {"exp": (-750, 712), "exp2": (-1080, 1026), "expm1": (-40, 712),
        "sinh": (-712, 712), "cosh": (-712, 712)}
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 4.0, 8.0, 10.0, 27.0, 100.0, 1000.0, 1e5,
           np.inf, -np.inf, np.nan)  # fmt: skip
# fmt: on


def reference_function(op: str) -> Callable[..., np.ndarray]:
    """NumPy's function of that name, or SciPy's."""
    if op == "erf":
        import scipy.special

        return getattr(scipy.special, op)
    return NUMPY.get(op) or getattr(np, op)


def exact(op: str, arrays: Arrays) -> np.ndarray:
    """The result with at least 10 more bits than the arrays' format (80-bit numbers for float64)."""
    with np.errstate(all="ignore"):
        if arrays[0].dtype == np.float32 and op != "logaddexp" and op != "logaddexp2":
            return reference_function(op)(*(a.astype(np.float64) for a in arrays))
        if HAS_LONG and op not in ("erf", "logaddexp", "logaddexp2"):
            return reference_function(op)(*(a.astype(np.longdouble) for a in arrays))
        return by_mpmath(op, arrays)


def by_mpmath(op: str, arrays: Arrays) -> np.ndarray:
    """The result by mpmath in an 80-bit number where there are such; NumPy's where an operand is special."""
    function = MPMATH.get(op) or getattr(mpmath, op)
    plain = reference_function(op)(*(a.astype(np.float64) for a in arrays))
    out = plain.astype(np.longdouble)
    good = np.isfinite(plain) & np.logical_and.reduce(
        [np.isfinite(a) & ((a != 0) | op.startswith("logadd")) for a in arrays]
    )
    for i in np.flatnonzero(good):
        value = function(*(mpmath.mpf(float(a[i])) for a in arrays))
        high = float(value)
        out[i] = np.longdouble(high) + np.longdouble(float(value - high))
    return out


def ulps(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Error of `got` in units in the last place of the more precise `want`; inf where only one is special."""
    kind = got.dtype.type
    with np.errstate(all="ignore"):
        rounded = want.astype(kind)
        size = np.abs(rounded)
        step = np.spacing(np.where(np.isfinite(size), size, np.finfo(kind).max)).astype(want.dtype)
        error = np.abs(got.astype(want.dtype) - want) / step
        same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
        special = ~np.isfinite(rounded) | ~np.isfinite(got)
        error = np.where(special, np.where(same, 0.0, np.inf), error)
        return np.where((rounded == 0) & (got == 0) & (np.signbit(rounded) != np.signbit(got)), np.inf, error)


@dataclass(frozen=True, slots=True)
class Row:
    """Largest error of one op and dtype, and where it is."""

    op: str
    dtype: str
    error: float
    where: tuple[float, ...]
    points: int
    got: float
    want: float


def bit_patterns(dtype: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Random numbers, equally likely in all exponents."""
    bits = 32 if dtype == "f32" else 64
    return rng.integers(0, 1 << bits, count, dtype=f"u{bits // 8}").view(f"f{bits // 8}")


def inputs(op: str, dtype: str, count: int, rng: np.random.Generator) -> Arrays:
    """Special values, random bit patterns, and points of the interesting range."""
    kind = DTYPES[dtype].numpy
    if op in BINARY:
        return binary_inputs(op, dtype, count, rng)
    low, high = (WIDE.get(op) if dtype == "f64" else None) or RANGES[op]
    near = 1.0 + rng.normal(size=count // 8) * 2.0 ** -rng.integers(1, 50, count // 8)
    multiples = np.pi / 2 * rng.integers(-(1 << 20), 1 << 20, count // 8)
    parts = [
        np.array(SPECIAL, kind),
        bit_patterns(dtype, count // 4, rng),
        rng.uniform(low, high, count // 2).astype(kind),
        near.astype(kind),
        multiples.astype(kind),
        np.nextafter(multiples.astype(kind), kind.type(0)),
        (rng.normal(size=count // 8) * 2.0 ** rng.integers(-30, 5, count // 8)).astype(kind),
        edges(kind),
    ]
    return (np.concatenate(parts),)


def edges(kind: np.dtype) -> np.ndarray:
    """Numbers around the limits of the format and of exp."""
    info = np.finfo(kind)
    limits = np.array([info.max, info.tiny, info.smallest_subnormal], np.float64)
    others = [info.maxexp, info.minexp, info.minexp - info.nmant, np.log(2) / 2, 0.5, 0.55, 1.0, np.sqrt(2)]
    roots = [np.log(2), np.sqrt(0.5), np.pi / 4, np.pi / 2]
    centers = np.concatenate([limits, np.log(limits), others, roots]).astype(kind)
    with np.errstate(all="ignore"):
        up = np.nextafter(centers, kind.type(np.inf))
        low = np.nextafter(centers, kind.type(-np.inf))
        found = np.concatenate(
            [centers, up, np.nextafter(up, kind.type(np.inf)), low, np.nextafter(low, kind.type(-np.inf))]
        )
    return np.concatenate([found, -found])


def binary_inputs(op: str, dtype: str, count: int, rng: np.random.Generator) -> Arrays:
    """Pairs: all pairs of special values, random patterns, moderate numbers, near quotients."""
    kind = DTYPES[dtype].numpy
    first, second = (a.ravel() for a in np.meshgrid(np.array(SPECIAL, kind), np.array(SPECIAL, kind)))
    x, y = bit_patterns(dtype, count // 4, rng), bit_patterns(dtype, count // 4, rng)
    scale = 2.0 ** rng.integers(-20, 20, count // 2)
    u = (rng.normal(size=count // 2) * scale).astype(kind)
    v = (rng.normal(size=count // 2) * 4).astype(kind)
    whole = rng.integers(-40, 40, count // 8).astype(kind)
    base = rng.uniform(-20, 20, count // 8).astype(kind)
    p = np.concatenate([first, x, u, np.abs(u), base, np.round(base)])
    q = np.concatenate([second, y, v, v, whole, whole])
    if op == "power_float":
        big = rng.uniform(0.5, 2, count // 4).astype(kind)
        limit = (128 if dtype == "f32" else 1024) * 1.1
        with np.errstate(all="ignore"):
            target = rng.uniform(-limit * 1.2, limit, count // 4) / np.log2(big.astype(np.float64))
        p, q = np.concatenate([p, big]), np.concatenate([q, target.astype(kind)])
    return p, q


def measure(op: str, dtype: str, arrays: Arrays, compiled: Compiled) -> Row:
    """The largest error over the arrays."""
    got = compiled(*arrays)
    if op in EXACT:
        with np.errstate(all="ignore"):
            want = reference_function(op)(*arrays)
        same = (got.view(f"u{got.itemsize}") == want.view(f"u{got.itemsize}")) | (
            np.isnan(got) & np.isnan(want)
        )
        error = np.where(same, 0.0, np.inf)
    else:
        want = exact(op, arrays)
        error = ulps(got, want)
    worst = int(np.argmax(error))
    where = tuple(float(a[worst]) for a in arrays)
    return Row(op, dtype, float(error[worst]), where, got.size, float(got[worst]), float(want[worst]))


def compile_op(op: str, dtype: str, lanes: int | None = None) -> Compiled:
    """The op as a native loop."""
    count = 2 if op in BINARY else 1
    return Compiled(MATH[op], [DTYPES[dtype]] * count, lanes)


def every_float32(stride: int) -> Iterator[np.ndarray]:
    """Every `stride`-th of the 2**32 bit patterns, in blocks."""
    block = 1 << 24
    for start in range(0, 1 << 32, block * stride):
        yield np.arange(start, min(start + block * stride, 1 << 32), stride, dtype=np.uint32).view(np.float32)


def speed(op: str, dtype: str, compiled: Compiled) -> tuple[float, float]:
    """Nanoseconds for an element: ours and NumPy's, in cache, best of some runs."""
    rng = np.random.default_rng(0)
    kind = DTYPES[dtype].numpy
    low, high = RANGES.get(op, (0.1, 4.0))
    arrays = tuple(rng.uniform(low, high, SIZE).astype(kind) for _ in range(2 if op in BINARY else 1))
    out = np.empty(SIZE, kind)
    function = reference_function(op)

    def best(run: Callable[[], object]) -> float:
        times = []
        for _ in range(30):
            start = time.perf_counter_ns()
            run()
            times.append(time.perf_counter_ns() - start)
        return min(times) / SIZE

    addresses = [a.ctypes.data for a in arrays]
    ours = best(lambda: compiled.native(*addresses, out.ctypes.data, SIZE))
    with np.errstate(all="ignore"):
        return ours, best(lambda: function(*arrays))


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ops", nargs="*", default=[])
    parser.add_argument("--points", type=int, default=200_000)
    parser.add_argument("--dtype", choices=("f32", "f64"))
    parser.add_argument(
        "--stride", type=int, default=0, help="take every n-th of all float32 patterns (unary ops)"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    sys.stdout.write("op                 dtype   max ulp  ops instr   ns/el  NumPy  points where\n")
    for op in options.ops or MATH:
        for dtype in (options.dtype,) if options.dtype else ("f32", "f64"):
            compiled = compile_op(op, dtype)
            slow = (op in ("erf", "logaddexp", "logaddexp2") and dtype == "f64") or not HAS_LONG
            points = min(options.points, 20_000) if slow or op.startswith("logadd") else options.points
            rng = np.random.default_rng(options.seed)
            row = measure(op, dtype, inputs(op, dtype, points, rng), compiled)
            if options.stride and dtype == "f32" and op not in BINARY:
                rows = [measure(op, dtype, (x,), compiled) for x in every_float32(options.stride)]
                total = row.points + sum(r.points for r in rows)
                row = max([row, *rows], key=lambda r: r.error)
                row = Row(op, dtype, row.error, row.where, total, row.got, row.want)
            ours, theirs = speed(op, dtype, compiled)
            where = ", ".join(f"{w!r}" for w in row.where)
            detail = f"  got {row.got!r} want {row.want!r}" if row.error > BOUNDS[dtype] else ""
            sys.stdout.write(
                f"{op:18} {dtype:5} {row.error:9.3f} {compiled.ops:4} "
                f"{compiled.instructions():5} {ours:7.2f} {theirs:6.2f} {row.points:7} {where}{detail}\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
