"""Fit every polynomial of `compiler/math` and write its tables, `coefficients.py` and `two_over_pi.py`.

Holds the Remez exchange, the list of fits and the printer. It does not hold the functions that use the
polynomials. Run `python tools/fit_polynomials.py` (needs mpmath, about a minute); `--only NAME` prints one
set without writing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mpmath as mp
import numpy as np

mp.mp.dps = 50
Real = Callable[[mp.mpf], mp.mpf]

ROOT_HALF = mp.sqrt(mp.mpf(1) / 2)
QUARTER_PI = mp.pi / 4 * mp.mpf("1.005")  # the reduction may round to the other side of pi/4
ATANH_LIMIT = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * mp.mpf("1.0001")


@dataclass(frozen=True, slots=True)
class Fit:
    """One polynomial q(v) of `degree` on [low, high], close to `target`; errors count times `weight`."""

    name: str
    dtype: str
    formula: str
    degree: int
    low: mp.mpf
    high: mp.mpf
    target: Real
    weight: Real


def solve(points: list[mp.mpf], target: list[mp.mpf], weight: list[mp.mpf], powers: range) -> list[mp.mpf]:
    """Coefficients whose weighted error has equal size and alternating sign at `points`."""
    count = len(points)
    matrix = mp.matrix(count, count)
    right = mp.matrix(count, 1)
    for row, (x, y, w) in enumerate(zip(points, target, weight, strict=True)):
        for column, power in enumerate(powers):
            matrix[row, column] = x**power
        matrix[row, count - 1] = (-1) ** row / w
        right[row] = y
    answer = mp.lu_solve(matrix, right)
    return [answer[i] for i in range(count - 1)]


def extremes(errors: list[mp.mpf], count: int) -> list[int]:
    """Indices of `count` errors that alternate in sign and are largest."""
    picked: list[int] = []
    for index, error in enumerate(errors):
        if picked and (error > 0) == (errors[picked[-1]] > 0):
            if abs(error) > abs(errors[picked[-1]]):
                picked[-1] = index
        else:
            picked.append(index)
    while len(picked) > count:
        picked.pop(0 if abs(errors[picked[0]]) < abs(errors[picked[-1]]) else -1)
    return picked


def remez(xs: list[mp.mpf], ys: list[mp.mpf], ws: list[mp.mpf], powers: range) -> list[mp.mpf]:
    """Minimax coefficients of the given powers on a grid (Remez 1934, exchange of all points)."""
    count = len(powers) + 1
    span = len(xs) - 1
    chosen = [round(span * (1 - mp.cos(mp.pi * i / (count - 1))) / 2) for i in range(count)]
    if powers.start:  # the weighted basis vanishes at 0: keep away from the ends
        chosen = [min(span - 1, max(1, i)) for i in chosen]
    best: list[mp.mpf] = []
    best_error = mp.inf
    for _ in range(30):
        part = solve([xs[i] for i in chosen], [ys[i] for i in chosen], [ws[i] for i in chosen], powers)
        errors = [(evaluate(part, x) * x**powers.start - y) * w for x, y, w in zip(xs, ys, ws, strict=True)]
        worst = max(abs(error) for error in errors)
        if worst < best_error:
            best, best_error = part, worst
        picked = extremes(errors, count)
        if len(picked) < count or picked == chosen:
            break
        chosen = picked
    return best


def evaluate(coefficients: list[mp.mpf], x: mp.mpf) -> mp.mpf:
    """The polynomial with ascending coefficients at `x`."""
    result = mp.mpf(0)
    for coefficient in reversed(coefficients):
        result = result * x + coefficient
    return result


def fit(spec: Fit) -> tuple[list[mp.mpf], mp.mpf]:
    """Rounded ascending coefficients and their largest weighted error.

    Coefficients are rounded one by one from the lowest, and the rest is fitted again to what is left.
    """
    grid = 24 * (spec.degree + 2)
    xs = [(spec.high + spec.low) / 2 - (spec.high - spec.low) / 2 * mp.cos(mp.pi * (i + mp.mpf("0.5")) / grid)
          for i in range(grid)]  # fmt: skip
    ys = [spec.target(x) for x in xs]
    ws = [abs(spec.weight(x)) for x in xs]
    kind = np.float32 if spec.dtype == "f32" else np.float64
    done: list[mp.mpf] = []
    rest = ys
    for power in range(spec.degree + 1):
        part = remez(xs, rest, ws, range(power, spec.degree + 1))
        rounded = mp.mpf(float(kind(float(part[0])))) if kind is np.float32 else mp.mpf(float(part[0]))
        done.append(rounded)
        rest = [y - rounded * x**power for x, y in zip(xs, rest, strict=True)]
    return done, max(abs(y * w) for y, w in zip(rest, ws, strict=True))


def log_ratio(z: mp.mpf) -> mp.mpf:
    """log((1+s)/(1-s)) / s for z = s*s."""
    s = mp.sqrt(z)
    return mp.log((1 + s) / (1 - s)) / s


def log_tail(z: mp.mpf) -> mp.mpf:
    """What is left of log((1+s)/(1-s)) / s after four terms of its series, over z**4."""
    return (((log_ratio(z) - 2) / z - mp.mpf(2) / 3) / z - mp.mpf(2) / 5) / z**2 - mp.mpf(2) / 7 / z


def exp2_tail(v: mp.mpf) -> mp.mpf:
    """(2**v - the terms of its series up to v**6) / v**7."""
    return mp.fsum(mp.log(2) ** (k + 7) * v**k / mp.factorial(k + 7) for k in range(40))


def fits() -> list[Fit]:
    """Every polynomial that the library uses."""
    root = mp.sqrt
    ln2 = mp.log(2)
    found: list[Fit] = []

    def add(
        name: str, formula: str, low: object, high: object, target: Real, weight: Real, **degrees: int
    ) -> None:
        for dtype, degree in degrees.items():
            found.append(Fit(name, dtype, formula, degree, mp.mpf(low), mp.mpf(high), target, weight))

    add("EXPM1", "expm1(v) = v + v*v*q(v)", -ln2 / 2 * 1.004, ln2 / 2 * 1.004,
        lambda v: (mp.expm1(v) - v) / v**2, lambda v: v**2 / mp.expm1(v), f32=4, f64=10)  # fmt: skip
    add("EXP_DOUBLE", "exp(2*v) = 1 + v*q(v), for tanh", -ln2 / 4 * 1.01, ln2 / 4 * 1.01,
        lambda v: mp.expm1(2 * v) / v, lambda v: v / mp.exp(2 * v), f32=5, f64=10)  # fmt: skip
    add("TANH", "tanh(a) = a + a*v*q(v), v = a*a", 0, 0.3026,
        lambda v: (mp.tanh(root(v)) / root(v) - 1) / v, lambda v: v * root(v) / mp.tanh(root(v)),
        f32=4, f64=9)  # fmt: skip
    add("SINH", "sinh(a) = a + a*v*q(v), v = a*a", 0, 1,
        lambda v: (mp.sinh(root(v)) / root(v) - 1) / v, lambda v: v * root(v) / mp.sinh(root(v)),
        f32=3, f64=6)  # fmt: skip
    add("EXP2", "2**v = 1 + v*q(v)", -0.501, 0.501,
        lambda v: mp.expm1(v * ln2) / v, lambda v: v / 2**v, f32=5, f64=11)  # fmt: skip
    add("EXP2_TAIL", "2**v = sum of the first terms + v**7*q(v), absolute", -0.501, 0.503, exp2_tail,
        lambda v: (abs(v) + 0.05) ** 7, f64=9)  # fmt: skip
    add("LOG", "log(1+v) = v + v*v*q(v)", ROOT_HALF - 1, 2 * ROOT_HALF - 1,
        lambda v: (mp.log1p(v) - v) / v**2, lambda v: v**2 / mp.log1p(v), f32=8)  # fmt: skip
    add("LOG", "log((1+s)/(1-s)) = 2*s + s*v*q(v), v = s*s", 0, ATANH_LIMIT,
        lambda v: (log_ratio(v) - 2) / v, lambda v: v / log_ratio(v), f64=6)  # fmt: skip
    add("LOG_TAIL", "log((1+s)/(1-s)) = 2*s + s*v*(2/3 + v*(2/5 + v*(2/7 + v*q(v)))), v = s*s", 0,
        ATANH_LIMIT, log_tail, lambda v: v**4, f64=5)  # fmt: skip
    add("LOG_WIDE", "log((1+s)/(1-s)) = 2*s + s*v*q(v), v = s*s, for power of f32", 0, ATANH_LIMIT,
        lambda v: (log_ratio(v) - 2) / v, lambda v: v / log_ratio(v), f64=3)  # fmt: skip
    add("SIN", "sin(r) = r + r*v*q(v), v = r*r", 0, QUARTER_PI**2,
        lambda v: (mp.sin(root(v)) / root(v) - 1) / v, lambda v: v * root(v) / mp.sin(root(v)),
        f32=2, f64=5)  # fmt: skip
    add("COS", "cos(r) = 1 - v/2 + v*v*q(v), v = r*r", 0, QUARTER_PI**2,
        lambda v: (mp.cos(root(v)) - 1 + v / 2) / v**2, lambda v: v**2 / mp.cos(root(v)),
        f32=2, f64=5)  # fmt: skip
    add("TAN", "tan(r) = r + r*v*q(v), v = r*r", 0, QUARTER_PI**2,
        lambda v: (mp.tan(root(v)) / root(v) - 1) / v, lambda v: v * root(v) / mp.tan(root(v)),
        f32=6)  # fmt: skip
    add("ASIN", "asin(s) = s + s*v*q(v), v = s*s", 0, 0.2501,
        lambda v: (mp.asin(root(v)) / root(v) - 1) / v, lambda v: v * root(v) / mp.asin(root(v)),
        f32=4, f64=11)  # fmt: skip
    add("ATAN", "atan(t) = t + t*v*q(v), v = t*t", 0, 1,
        lambda v: (mp.atan(root(v)) / root(v) - 1) / v, lambda v: v * root(v) / mp.atan(root(v)),
        f32=8, f64=19)  # fmt: skip
    add("CBRT", "cbrt(v), a first guess", 1, 2, mp.cbrt, lambda v: 1 / mp.cbrt(v), f32=3, f64=3)
    add("ERF", "erf(x) = x + x*q(v), v = x*x", 0, 1,
        lambda v: mp.erf(root(v)) / root(v) - 1, lambda v: root(v) / mp.erf(root(v)),
        f32=6, f64=12)  # fmt: skip
    add("ERFC", "log(erfc(a)) = q(a - 1)", 0, 3.1,
        lambda v: mp.log(mp.erfc(v + 1)), lambda v: mp.erfc(v + 1), f32=6)  # fmt: skip
    add("ERFC", "log(erfc(a)) = q(a - 1)", 0, 5,
        lambda v: mp.log(mp.erfc(v + 1)), lambda v: mp.erfc(v + 1), f64=17)  # fmt: skip
    return found


HEADER = '''"""Polynomial coefficients of the math functions: written by tools/fit_polynomials.py.

Holds tuples in ascending order; the functions that use them say how. Each set is a minimax fit (Remez
exchange at 50 digits), rounded to the dtype coefficient by coefficient with a new fit of the rest after
each. The error is that of the rounded polynomial in exact arithmetic, relative to the function; of a
logarithm, that of its exponential.
"""

'''


ROWS_HEADER = '''"""The bits of 2/pi for the reduction of large angles: written by tools/fit_polynomials.py.

Holds tables only; `trigonometric.py` says how they are used.
"""

'''


def show(spec: Fit) -> str:
    """Source text of one set with its comment."""
    coefficients, error = fit(spec)
    digits = ".9g" if spec.dtype == "f32" else ".17g"
    lines = "".join(f"    {float(c):{digits}},\n" for c in coefficients)
    low, high = float(spec.low), float(spec.high)
    return (
        f"# {spec.formula}\n"
        f"# v in [{low:.5g}, {high:.5g}]: error {float(error):.2g} (2^{float(mp.log(error, 2)):.1f}).\n"
        f"{spec.name}_{spec.dtype.upper()} = (\n{lines})\n"
    )


def head_of_exp2() -> str:
    """The first terms of the series of 2**v, each as a sum of two float64."""
    terms = [mp.log(2) ** k / mp.factorial(k) for k in range(1, 7)]
    pairs = [(float(t), float(t - mp.mpf(float(t)))) for t in terms]
    lines = "".join(f"    ({high:.17g}, {low:.17g}),\n" for high, low in pairs)
    return f"# 2**v = 1 + v*(...): log(2)**k / k! for k = 1 ... 6, high + low.\nEXP2_HEAD_F64 = (\n{lines})\n"


def rows_of_two_over_pi() -> str:
    """For each exponent of a large float32, 2**k * 2/pi modulo 4 as a float64 of 29 bits and the rest."""
    numbers: list[float] = []
    with mp.workprec(400):
        for k in range(15 - 23, 128 - 23):
            turn = mp.fmod(mp.ldexp(2 / mp.pi, k), 4)
            high = mp.floor(mp.ldexp(turn, 27))
            numbers += [float(mp.ldexp(high, -27)), float(turn - mp.ldexp(high, -27))]
    return (
        "# 2**k * 2/pi modulo 4 for k = -8 ... 104, each as 29 bits and 53 bits below (error 2^-80).\n"
        "TWO_OVER_PI_ROWS = (\n" + "".join(f"    {n:.17g},\n" for n in numbers) + ")\n\n"
    )


def limbs_of_two_over_pi() -> str:
    """2/pi in limbs of 28 bits after two zero limbs, for the reduction of large float64."""
    with mp.workprec(1400):
        digits = int(mp.floor(mp.ldexp(2 / mp.pi, 28 * 46)))
    limbs = [0, 0] + [(digits >> (28 * (45 - i))) & 0xFFFFFFF for i in range(46)]
    return (
        "# 2/pi: limb i of 28 bits has weight 2**(-28 * (i - 1)).\n"
        "TWO_OVER_PI_LIMBS = (\n" + "".join(f"    0x{n:07X},\n" for n in limbs) + ")\n"
    )


def main() -> None:
    """Write the module, or print one set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only")
    only = parser.parse_args().only
    texts = [show(spec) for spec in fits() if only in (None, spec.name)]
    if only:
        sys.stdout.write("\n".join(texts))
        return
    folder = Path(__file__).parent.parent / "compiler" / "math"
    (folder / "coefficients.py").write_text(HEADER + "\n".join([*texts, head_of_exp2()]).rstrip() + "\n")
    (folder / "two_over_pi.py").write_text(ROWS_HEADER + rows_of_two_over_pi() + limbs_of_two_over_pi())


if __name__ == "__main__":
    main()
