"""The discrete Fourier transform of lines of complex numbers.

Not here: transforms of real numbers, several axes and norms, which are made of this one (frontend).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from weft.ir.errors import DTypeError, ShapeError
from weft.ir.expr import Expr
from weft.ir.node import Attributes, Op, Region
from weft.ir.opdef import Arrays, Expand, OpDef, define, random_array
from weft.ir.rules import tensor_operand
from weft.ir.types import Type

NORMS = {"none": "backward", "root": "ortho", "count": "forward"}
"""From attribute `scale` to what NumPy calls a forward transform with it."""


def _infer(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    ty = tensor_operand(types)
    if not ty.dtype.is_complex:
        raise DTypeError(f"fft does not take {ty}")
    if ty.rank < 1 or ty.shape[-1] == 0 or attributes.get("scale", "none") not in NORMS:
        raise ShapeError(f"fft of {ty}")
    return (ty,)


def _evaluate(attributes: Attributes, x: np.ndarray) -> np.ndarray:
    norm = NORMS[str(attributes.get("scale", "none"))]
    if not attributes.get("inverse"):
        return np.fft.fft(x, norm=norm)  # pyright: ignore[reportArgumentType] -- one of three texts
    inverse = {"backward": "forward", "ortho": "ortho", "forward": "backward"}[norm]
    return np.fft.ifft(x, norm=inverse)  # pyright: ignore[reportArgumentType]


def _vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    """The matrix of the transform is its own transpose."""
    return (g[0].builder.expr(g[0].builder.emit("fft", [g[0].value], op.attributes).result),)


def _samples(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    for dtype in ("complex64", "complex128"):
        for shape in ((1,), (8,), (3, 15), (2, 2, 74), (131,)):
            x = np.nan_to_num(random_array(rng, dtype, shape), posinf=1.0, neginf=-1.0)
            yield {"inverse": bool(rng.random() < 0.5), "scale": str(rng.choice(list(NORMS)))}, (x,)


fft = define(
    OpDef("fft", "Sums of x[k] e^(-2 pi i j k / n) over the last axis, with +i if `inverse`, times 1, n^-0.5 or 1/n as `scale` says.",
          _infer, _evaluate, _vjp, Expand("fft"), 20, _samples)
)  # fmt: skip
