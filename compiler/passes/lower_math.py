"""Which function replaces which op of mathematics, the same for every target (DESIGN D11).

Holds the table `MATH`, from the name of an op to the function that writes it, and `ANGLES`, the ops that
begin with the same reduction of their operand. Not here: the functions (`compiler/math`), and the pass that
applies them (`expand_math.py`).
"""

from collections.abc import Callable
from functools import wraps

from weft.compiler.math import exponential, hyperbolic, logarithm, power, special, trigonometric
from weft.ir import Expr
from weft.ir.expr import cast
from weft.ir.types import F32

Function = Callable[..., Expr]


def widened(function: Function) -> Function:
    """`function`, with 16-bit floats computed in float32 and rounded once (DESIGN D10)."""

    @wraps(function)
    def write(*operands: Expr) -> Expr:
        dtype = operands[0].dtype
        if dtype.bits > 16:
            return function(*operands)
        return cast(function(*(cast(x, F32) for x in operands)), dtype)

    return write


_FUNCTIONS: dict[str, Function] = {
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
MATH: dict[str, Function] = {name: widened(function) for name, function in _FUNCTIONS.items()}
ANGLES: dict[str, Function] = {name: _FUNCTIONS[name] for name in ("sin", "cos", "tan")}
