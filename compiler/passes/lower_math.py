"""Which function replaces which op of mathematics, the same for every target (DESIGN D11).

Holds the table `MATH`, from the name of an op to the function that writes it. Not here: the functions
(`compiler/math`), and the pass that applies them (`expand_math.py`).
"""

from collections.abc import Callable

from weft.compiler.math import exponential, hyperbolic, logarithm, power, special, trigonometric
from weft.ir import Expr

MATH: dict[str, Callable[..., Expr]] = {
    "exp": exponential.exp,
    "exp2": exponential.exp2,
    "expm1": exponential.expm1,
    "log": logarithm.log,
    "log2": logarithm.log2,
    "log10": logarithm.log10,
    "log1p": logarithm.log1p,
    "sin": trigonometric.sin,
    "cos": trigonometric.cos,
    "tan": trigonometric.tan,
    "arcsin": trigonometric.arcsin,
    "arccos": trigonometric.arccos,
    "arctan": trigonometric.arctan,
    "arctan2": trigonometric.arctan2,
    "tanh": hyperbolic.tanh,
    "sinh": hyperbolic.sinh,
    "cosh": hyperbolic.cosh,
    "arcsinh": hyperbolic.arcsinh,
    "arccosh": hyperbolic.arccosh,
    "arctanh": hyperbolic.arctanh,
    "power_float": power.power,
    "cbrt": power.cbrt,
    "hypot": power.hypot,
    "erf": special.erf,
    "logaddexp": special.logaddexp,
    "logaddexp2": special.logaddexp2,
    "fmod_float": special.fmod,
    "remainder_float": special.remainder,
    "floor_divide_float": special.floor_divide,
}
