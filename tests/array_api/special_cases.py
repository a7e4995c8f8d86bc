"""The special cases that the array API standard lists (2023.12), and the inputs at which each is tried.

One line for each function, `condition of x -> result` or `of x1, of x2 -> result`, separated by semicolons; complex ones
give conditions of the real and imaginary part and both parts of the result, and hold for conjugates too. `~0` is either
zero, `~v` in a result an unspecified sign, `a|b` what libraries may also give. Not here: the checks of `checks.py`.
"""

import math
import warnings

import numpy as np

import weft

_ODD = "nan -> nan; 0 -> 0; -0 -> -0"
_ROUND = f"{_ODD}; inf -> inf; -inf -> -inf; whole -> x1"
_DIVIDE = """nan, any -> nan; any, nan -> nan; ~inf, ~inf -> nan; ~0, ~0 -> nan; 0, >0 -> 0; -0, >0 -> -0; 0, <0 -> -0; -0, <0 -> 0;
    >0, 0 -> inf; >0, -0 -> -inf; <0, 0 -> -inf; <0, -0 -> inf; pos, inf -> 0; neg, -inf -> 0"""

REAL = {
    "abs": "nan -> nan; -0 -> 0; -inf -> inf",
    "acos": "nan -> nan; >1 -> nan; <-1 -> nan; 1 -> 0",
    "acosh": "nan -> nan; <1 -> nan; 1 -> 0; inf -> inf",
    "asin": f"{_ODD}; >1 -> nan; <-1 -> nan",
    "asinh": f"{_ODD}; inf -> inf; -inf -> -inf",
    "atan": f"{_ODD}; inf -> pi/2; -inf -> -pi/2",
    "atanh": f"{_ODD}; <-1 -> nan; >1 -> nan; -1 -> -inf; 1 -> inf",
    "ceil": _ROUND, "floor": _ROUND, "trunc": _ROUND, "round": f"{_ROUND}; half -> even",
    "cos": "nan -> nan; ~0 -> 1; ~inf -> nan",
    "cosh": "nan -> nan; ~0 -> 1; ~inf -> inf",
    "exp": "nan -> nan; ~0 -> 1; inf -> inf; -inf -> 0",
    "expm1": f"{_ODD}; inf -> inf; -inf -> -1",
    "isfinite": "~inf -> 0; nan -> 0; finite -> 1", "isinf": "~inf -> 1; finite -> 0; nan -> 0", "isnan": "nan -> 1; any&!nan -> 0",
    "log": "nan -> nan; <0 -> nan; ~0 -> -inf; 1 -> 0; inf -> inf",
    "log1p": f"{_ODD}; <-1 -> nan; -1 -> -inf; inf -> inf",
    "log2": "nan -> nan; <0 -> nan; ~0 -> -inf; 1 -> 0; inf -> inf", "log10": "nan -> nan; <0 -> nan; ~0 -> -inf; 1 -> 0; inf -> inf",
    "reciprocal": "nan -> nan; 0 -> inf; -0 -> -inf; inf -> 0; -inf -> -0",
    "sign": "<0 -> -1; ~0 -> ~0; >0 -> 1; nan -> nan",
    "signbit": "0 -> 0; -0 -> 1; inf -> 0; -inf -> 1; pos -> 0; neg -> 1",
    "sin": f"{_ODD}; ~inf -> nan", "sinh": f"{_ODD}; inf -> inf; -inf -> -inf", "sqrt": f"{_ODD}; <0 -> nan; inf -> inf",
    "square": "nan -> nan; ~inf -> inf; ~0 -> 0", "tan": f"{_ODD}; ~inf -> nan", "tanh": f"{_ODD}; inf -> 1; -inf -> -1",
    "positive": "any -> x1", "negative": "0 -> -0; -0 -> 0; inf -> -inf; -inf -> inf; nan -> nan",
    "add": """nan, any -> nan; any, nan -> nan; inf, -inf -> nan; -inf, inf -> nan; inf, inf -> inf; -inf, -inf -> -inf; inf, finite -> inf;
        -inf, finite -> -inf; finite, inf -> inf; finite, -inf -> -inf; -0, -0 -> -0; -0, 0 -> 0; 0, -0 -> 0; 0, 0 -> 0;
        ~0, nonzero -> x2; nonzero, ~0 -> x1; nonzero, -x1 -> 0""",
    "subtract": """nan, any -> nan; any, nan -> nan; inf, inf -> nan; -inf, -inf -> nan; -0, 0 -> -0; 0, 0 -> 0; -0, -0 -> 0; nonzero, x1 -> 0;
        nonzero, ~0 -> x1; inf, finite -> inf; finite, inf -> -inf""",
    "atan2": """nan, any -> nan; any, nan -> nan; >0, ~0 -> pi/2; 0, >0 -> 0; 0, 0 -> 0; 0, -0 -> pi; 0, <0 -> pi; -0, >0 -> -0; -0, 0 -> -0;
        -0, -0 -> -pi; -0, <0 -> -pi; <0, ~0 -> -pi/2; pos, inf -> 0; pos, -inf -> pi; neg, inf -> -0; neg, -inf -> -pi; inf, finite -> pi/2;
        -inf, finite -> -pi/2; inf, inf -> pi/4; inf, -inf -> 3*pi/4; -inf, inf -> -pi/4; -inf, -inf -> -3*pi/4""",
    "copysign": "any&!nan, <0 -> -|x1|; any&!nan, -0 -> -|x1|; any&!nan, 0 -> |x1|; any&!nan, >0 -> |x1|; nan, any -> nan",
    "divide": f"""{_DIVIDE}; inf, pos -> inf; inf, neg -> -inf; -inf, pos -> -inf; -inf, neg -> inf; pos, -inf -> -0; neg, inf -> -0;
        pos, pos -> +; neg, neg -> +; pos, neg -> -; neg, pos -> -""",
    "floor_divide": f"{_DIVIDE}; inf, pos -> inf|nan; inf, neg -> -inf|nan; -inf, pos -> -inf|nan; -inf, neg -> inf|nan; pos, -inf -> -0|-1; neg, inf -> -0|-1; pos, pos -> +; neg, neg -> +; pos, neg -> -; neg, pos -> -",
    "hypot": "~inf, any -> inf; any, ~inf -> inf; ~0, any -> |x2|; any, ~0 -> |x1|; nan, finite -> nan; finite, nan -> nan; nan, nan -> nan",
    "logaddexp": "nan, any -> nan; any, nan -> nan; inf, !nan -> inf; !nan, inf -> inf",
    "maximum": "nan, any -> nan; any, nan -> nan", "minimum": "nan, any -> nan; any, nan -> nan",
    "multiply": """nan, any -> nan; any, nan -> nan; ~inf, ~0 -> nan; ~0, ~inf -> nan; pos, pos -> +; neg, neg -> +; pos, neg -> -; neg, pos -> -;
        inf, >0 -> inf; inf, <0 -> -inf; -inf, >0 -> -inf; -inf, <0 -> inf; >0, inf -> inf; <0, inf -> -inf; 0, neg -> -0; -0, neg -> 0; -0, pos -> -0""",
    "nextafter": "nan, any -> nan; any, nan -> nan; 0, -0 -> -0; -0, 0 -> 0",
    "pow": """!1, nan -> nan; any, ~0 -> 1; nan, !zero -> nan; |>1|, inf -> inf; |>1|, -inf -> 0; |1|, ~inf -> 1; 1, !nan -> 1; |<1|, inf -> 0;
        |<1|, -inf -> inf; inf, >0 -> inf; inf, <0 -> 0; -inf, >0&odd -> -inf; -inf, >0&!odd -> inf; -inf, <0&odd -> -0; -inf, <0&!odd -> 0;
        0, >0 -> 0; 0, <0 -> inf; -0, >0&odd -> -0; -0, >0&!odd -> 0; -0, <0&odd -> -inf; -0, <0&!odd -> inf; neg, finite&!whole -> nan""",
    "remainder": """nan, any -> nan; any, nan -> nan; ~inf, ~inf -> nan; ~0, ~0 -> nan; ~0, >0 -> 0; ~0, <0 -> -0; any, ~0 -> nan; ~inf, any -> nan;
        pos, inf -> x1; pos, -inf -> x2; neg, inf -> x2; neg, -inf -> x1""",
    "equal": "nan, any -> 0; any, nan -> 0; inf, inf -> 1; -inf, -inf -> 1; ~0, ~0 -> 1; finite, x1 -> 1; inf, -inf -> 0",
    "not_equal": "nan, any -> 1; any, nan -> 1; inf, -inf -> 1; -inf, inf -> 1; ~0, ~0 -> 0; finite, x1 -> 0",
}  # fmt: skip

_LOG = """finite, inf -> inf, pi/2; finite, nan -> nan, nan; -inf, pos -> inf, pi; inf, pos -> inf, 0; -inf, inf -> inf, 3*pi/4; inf, inf -> inf, pi/4;
    ~inf, nan -> inf, nan; nan, finite -> nan, nan; nan, inf -> inf, nan; nan, nan -> nan, nan"""
_EXP = "finite, inf -> nan, nan; finite, nan -> nan, nan; inf, 0 -> inf, 0; inf, inf -> ~inf, nan; inf, nan -> ~inf, nan; nan, 0 -> nan, 0; nan, nonzero -> nan, nan; nan, nan -> nan, nan"

COMPLEX = {
    "abs": "~inf, any -> inf, 0; any, ~inf -> inf, 0; ~0, any&!nan -> |x2|, 0; any&!nan, ~0 -> |x1|, 0; nan, finite -> nan, 0; finite, nan -> nan, 0; nan, nan -> nan, 0",
    "acos": """~0, 0 -> pi/2, -0; ~0, nan -> pi/2, nan; finite, inf -> pi/2, -inf; nonzero, nan -> nan, nan; -inf, pos -> pi, -inf; inf, pos -> 0, -inf;
        -inf, inf -> 3*pi/4, -inf; inf, inf -> pi/4, -inf; ~inf, nan -> nan, ~inf; nan, finite -> nan, nan; nan, inf -> nan, -inf; nan, nan -> nan, nan""",
    "acosh": """~0, 0 -> 0, pi/2; finite, inf -> inf, pi/2; nonzero, nan -> nan, nan; 0, nan -> nan, ~pi/2|nan; -inf, pos -> inf, pi; inf, pos -> inf, 0;
        -inf, inf -> inf, 3*pi/4; inf, inf -> inf, pi/4; ~inf, nan -> inf, nan; nan, finite -> nan, nan; nan, inf -> inf, nan; nan, nan -> nan, nan""",
    "asinh": """0, 0 -> 0, 0; pos, inf -> inf, pi/2; finite, nan -> nan, nan; inf, pos -> inf, 0; inf, inf -> inf, pi/4; inf, nan -> inf, nan; nan, 0 -> nan, 0;
        nan, nonzero -> nan, nan; nan, inf -> ~inf, nan; nan, nan -> nan, nan""",
    "atanh": """0, 0 -> 0, 0; 0, nan -> 0, nan; 1, 0 -> inf, 0; pos, inf -> 0, pi/2; nonzero, nan -> nan, nan; inf, pos -> 0, pi/2; inf, inf -> 0, pi/2; inf, nan -> 0, nan;
        nan, finite -> nan, nan; nan, inf -> ~0, pi/2; nan, nan -> nan, nan""",
    "cosh": """0, 0 -> 1, 0; 0, inf -> nan, ~0; 0, nan -> nan, ~0; nonzero, inf -> nan, nan; nonzero, nan -> nan, nan; inf, 0 -> inf, 0; inf, pos -> cis; inf, inf -> ~inf, nan;
        inf, nan -> inf, nan; nan, ~0 -> nan, ~0; nan, nonzero -> nan, nan; nan, nan -> nan, nan""",
    "exp": f"~0, 0 -> 1, 0; {_EXP}; -inf, finite -> 0cis; inf, nonzero -> cis; -inf, inf -> ~0, ~0; -inf, nan -> ~0, ~0",
    "expm1": f"~0, 0 -> ~0, 0; {_EXP}; -inf, pos -> -1, ~0; inf, nonzero -> cis; -inf, inf -> -1, ~0; -inf, nan -> -1, ~0",
    "log": f"-0, 0 -> -inf, pi; 0, 0 -> -inf, 0; {_LOG}", "log1p": f"-1, 0 -> -inf, 0; {_LOG}",
    "sign": "~0, ~0 -> ~0, ~0; nan, finite -> nan, nan; finite, nan -> nan, nan; nan, nan -> nan, nan",  # NumPy: infinite parts win
    "sinh": """0, 0 -> 0, 0; 0, inf -> ~0, nan; 0, nan -> ~0, nan; pos, inf -> nan, nan; pos, nan -> nan, nan; inf, 0 -> inf, 0; inf, pos -> cis; inf, inf -> ~inf, nan;
        inf, nan -> ~inf, nan; nan, 0 -> nan, 0; nan, nonzero -> nan, nan; nan, nan -> nan, nan""",
    "sqrt": """~0, 0 -> 0, 0; any, inf -> inf, inf; finite, nan -> nan, nan; -inf, pos -> 0, inf; inf, pos -> inf, 0; -inf, nan -> nan, ~inf; inf, nan -> inf, nan;
        nan, finite -> nan, nan; nan, nan -> nan, nan""",
    "tanh": """0, 0 -> 0, 0; nonzero, inf -> nan, nan; 0, inf -> 0|nan, nan; nonzero, nan -> nan, nan; 0, nan -> 0|nan, nan; inf, pos -> 1, ~0; inf, inf -> 1, ~0; inf, nan -> 1, ~0;
        nan, 0 -> nan, 0; nan, nonzero -> nan, nan; nan, nan -> nan, nan""",
    "isfinite": "nan, any -> 0, 0; any, nan -> 0, 0; ~inf, any -> 0, 0; any, ~inf -> 0, 0; finite, finite -> 1, 0",
    "isinf": "~inf, any -> 1, 0; any, ~inf -> 1, 0; finite, finite -> 0, 0; nan, finite -> 0, 0",
    "isnan": "nan, any -> 1, 0; any, nan -> 1, 0; finite, ~inf -> 0, 0", "conj": "any&!nan, 0 -> x1, -0; nan, 0 -> nan, -0; any&!nan, inf -> x1, -inf",
    "round": "inf, finite -> inf, even; nan, inf -> nan, inf; 0, -0 -> 0, -0; half, half -> x1even, even",
}  # fmt: skip

VALUES = [
    math.nan,
    math.inf,
    -math.inf,
    0.0,
    -0.0,
    1,
    -1,
    0.5,
    -0.5,
    1.5,
    2,
    -2,
    2.5,
    -2.5,
    3,
    -3,
    1e30,
    -1e30,
]
_NAMED = {
    "any": lambda v: True, "zero": lambda v: v == 0, "finite": math.isfinite, "nonzero": lambda v: math.isfinite(v) and v != 0,
    "pos": lambda v: math.isfinite(v) and v > 0, "neg": lambda v: math.isfinite(v) and v < 0, "~inf": math.isinf, "~0": lambda v: v == 0,
    "whole": lambda v: math.isfinite(v) and v == math.floor(v), "half": lambda v: math.isfinite(v) and abs(v) % 1 == 0.5,
    "odd": lambda v: math.isfinite(v) and v % 2 == 1, "|>1|": lambda v: abs(v) > 1, "|<1|": lambda v: abs(v) < 1, "|1|": lambda v: abs(v) == 1,
}  # fmt: skip


def _number(text):
    return -0.0 if text == "-0" else float(eval(text, {"pi": math.pi, "inf": math.inf, "nan": math.nan}))


def _is(value, wanted):
    """Equal, signs of zeros too; what is not 0, infinite or NaN roughly."""
    if math.isnan(wanted) or wanted == 0 or math.isinf(wanted):
        return (value == wanted and math.copysign(1, value) == math.copysign(1, wanted)) or (
            value != value and wanted != wanted
        )
    return abs(value - wanted) < 1e-6 * abs(wanted)


def holds(condition, value, first):
    """Whether a number meets a condition; `first` is the first of the two."""
    for part in condition.split("&"):
        negated, part = part.startswith("!"), part.removeprefix("!")
        if part in _NAMED:
            met = _NAMED[part](value)
        elif part in ("x1", "-x1"):
            met = value == (first if part == "x1" else -first)
        elif part[0] in "<>":
            met = value < float(part[1:]) if part[0] == "<" else value > float(part[1:])
        else:
            met = _is(value, _number(part))
        if met == negated:
            return False
    return True


def fits(result, value, first, second):
    """Whether a number is the result that a rule asks for."""
    known = {"x1": first, "x2": second, "|x1|": abs(first), "|x2|": abs(second), "-|x1|": -abs(first), "even": np.rint(second), "x1even": np.rint(first)}  # fmt: skip
    for part in [result] if result in known else result.split("|"):
        unsigned, part = part.startswith("~"), part.removeprefix("~")
        if part in "+-":
            if math.copysign(1, value) == (1 if part == "+" else -1):
                return True
            continue
        wanted = known[part] if part in known else _number(part)
        if _is(value, wanted) or (unsigned and _is(-value, wanted)) or value == wanted != 0:
            return True
    return False


def _rules(text):
    for rule in text.split(";"):
        before, _, after = rule.partition("->")
        yield [p.strip() for p in before.split(",")], [p.strip() for p in after.split(",")]


def check_real(fn, text, dtype):
    """(rules tried, failures) of a function of floats at all values and pairs of values."""
    arity = max(len(conditions) for conditions, _ in _rules(text))
    grid = np.meshgrid(*[np.array(VALUES, dtype)] * arity, indexing="ij")
    found = np.asarray(fn(*(g.ravel() for g in grid)))
    tried, failures = 0, []
    inputs = [tuple(float(g.ravel()[k]) for g in grid) for k in range(found.size)]
    for conditions, (result,) in _rules(text):
        tried += 1
        for values, value in zip(inputs, found, strict=True):
            if all(holds(c, v, values[0]) for c, v in zip(conditions, values, strict=True)):
                if not fits(result, float(value), values[0], values[-1]):
                    failures.append(f"{dtype} {values} gives {value}, not {result}")
                    break
    return tried, failures


def check_complex(fn, text, dtype):
    """(rules tried, failures) of a function of complex numbers, at conjugates too."""
    part = np.dtype(dtype).type(0).real.dtype
    reals, imaginaries = np.meshgrid(np.array(VALUES, part), np.array(VALUES, part), indexing="ij")
    z = np.empty(reals.size, dtype)
    z.real, z.imag = reals.ravel(), imaginaries.ravel()
    results = {1: np.asarray(fn(z)), -1: np.asarray(fn(np.conj(z)))}
    tried, failures = 0, []
    for conditions, result in _rules(text):
        tried += 1
        for k, (a, b) in enumerate(zip(z.real.tolist(), z.imag.tolist(), strict=True)):
            if not (holds(conditions[0], a, a) and holds(conditions[1], b, a)):
                continue
            for sign, found in results.items():
                real, imaginary = float(found[k].real), sign * float(found[k].imag)
                if result[0].endswith("cis"):
                    scale = 0.0 if result[0] == "0cis" else math.inf
                    wanted = (scale * math.cos(b), scale * math.sin(b))
                    good = all(
                        _is(abs(v), abs(w)) and v * w >= 0
                        for v, w in zip((real, imaginary), wanted, strict=True)
                    )
                else:
                    of_bool = found.dtype.kind != "c" and fits(result[0], real, a, b)
                    good = of_bool or (fits(result[0], real, a, b) and fits(result[1], imaginary, a, b))
                if not good:
                    failures.append(f"{dtype} ({a}, {sign * b}) gives {found[k]}, not {' '.join(result)}")
                    break
            else:
                continue
            break
    return tried, failures


def check(namespace, names=None, *, compiled=False):
    """(rules tried, failures) of all functions in a namespace, eagerly or inside of a compiled function."""
    total, failures = 0, []
    for table, run, dtypes in ((REAL, check_real, ("f4", "f8")), (COMPLEX, check_complex, ("c8", "c16"))):
        for name in table.keys() & set(names or table):
            fn = getattr(namespace, name)
            if compiled:
                fn = weft.compile(lambda *args, fn=fn: fn(*args))
            for dtype in dtypes:
                with np.errstate(all="ignore"), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    tried, found = run(fn, table[name], dtype)
                total += tried
                failures += [f"{name}: {text}" for text in found]
    return total, failures
