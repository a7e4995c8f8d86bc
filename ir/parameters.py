"""What the parameters of a function stand for, by names and types: arguments, results, sizes and strides.

Not here: what they hold while a program runs (`interp.py`), nor the native interface.
"""

import re

import numpy as np

from weft.ir.dims import DimLike
from weft.ir.errors import ShapeError
from weft.ir.node import Func
from weft.ir.types import INDEX, BufferType, IndexType, TensorType, Type

_RESULT = re.compile(r"r\d+")
_ARGUMENT, STRIDE = re.compile(r"a(\d+)"), re.compile(r"a(\d+)_s(\d+)")


def argument_numbers(fn: Func, count: int) -> list[int | None]:
    """Which argument each parameter takes, None for those that are made here.

    A bufferized function says it by names: `a3` is argument 3, ints follow in order, the rest is made.
    """
    found = [_ARGUMENT.fullmatch(p.name) if isinstance(p.type, BufferType) else None for p in fn.params]
    if not any(found) and not any(
        isinstance(p.type, BufferType) and _RESULT.fullmatch(p.name) for p in fn.params
    ):
        return [number if number < count else None for number in range(len(fn.params))]
    numbers = [None if match is None else int(match[1]) for match in found]
    rest = iter(sorted({*range(count)} - {*numbers}))
    for place, param in enumerate(fn.params):
        if param.type == INDEX:
            numbers[place] = next(rest, None)
    return numbers


def sizes_of(ty: Type, argument: np.ndarray) -> list[tuple[DimLike, int]]:
    """Pairs of an expression and the number it has in an argument; raises ShapeError for another rank."""
    if isinstance(ty, IndexType):
        return [(ty.dim, int(argument))]
    if not isinstance(ty, TensorType | BufferType):
        return []
    if len(ty.shape) != argument.ndim:
        raise ShapeError(f"an argument is {ty}, got an array of shape {argument.shape}")
    return list(zip(ty.shape, argument.shape, strict=True))
