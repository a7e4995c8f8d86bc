"""Golden tests of passes: each `PASS.test` beside this file holds cases, `[case name]` input `[out]` result,
both IR.

The result is compared as a program, so names and numbers of values do not matter, and both programs are run
on random arguments and must give the same bits. `pytest --bless` rewrites the results.
"""

from pathlib import Path

import numpy as np
import pytest

from weft.compiler.manager import run
from weft.compiler.pipeline import PASSES
from weft.ir.dims import evaluate_dim
from weft.ir.interp import interpret
from weft.ir.opdef import random_array
from weft.ir.text import first_difference, parse, show
from weft.ir.types import IndexType
from weft.ir.verify import verify

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("*.test"))
SIZE = {"n": 7, "m": 5, "k": 4}


def cases(file):
    """(name, input, expected or None) of each case of a file."""
    found = []
    for chunk in file.read_text().split("[case ")[1:]:
        name, _, rest = chunk.partition("]\n")
        text, mark, expected = rest.partition("[out]\n")
        found.append((name, text, expected if mark else None))
    return found


def apply(file, text):
    (step,) = [p for p in PASSES if p.name == file.stem]
    return run(parse(text), [step], verify=verify)


def arguments(fn, rng):
    """Random arguments with special values among their floats."""
    arrays = []
    for param in fn.params:
        if isinstance(param.type, IndexType):
            arrays.append(evaluate_dim(param.type.dim, SIZE))
            continue
        shape = tuple(evaluate_dim(d, SIZE) for d in param.type.shape)
        arrays.append(random_array(rng, param.type.dtype.numpy, shape))
    return arrays


def same_bits(a, b):
    """Equal to the bit; a NaN equals any other, since which one a NumPy loop gives is its own affair."""
    both = (a != a) & (b != b) if a.dtype.kind == "f" else np.zeros(a.shape, bool)
    return (
        a.dtype == b.dtype
        and a.shape == b.shape
        and np.where(both, 0, a).tobytes() == np.where(both, 0, b).tobytes()
    )


@pytest.mark.parametrize(
    ("file", "number"),
    [pytest.param(f, k, id=f"{f.stem}: {case[0]}") for f in FILES for k, case in enumerate(cases(f))],
)
def test_golden(file, number, bless):
    name, text, expected = cases(file)[number]
    found = apply(file, text)
    before, rng = parse(text), np.random.default_rng(number)
    for _ in range(3):
        values = arguments(before, rng)
        copies = [np.copy(v) if isinstance(v, np.ndarray) else v for v in values]
        for a, b in zip(interpret(before, *values), interpret(found, *copies), strict=True):
            assert same_bits(a, b), f"{name}: the pass changes the result\n{show(found)}"
    if bless:
        write(file, number, show(found))
        return
    assert expected is not None, f"{file.name}: case {name!r} has no [out]; write it with pytest --bless"
    difference = first_difference(found, parse(expected))
    assert difference is None, f"{name}: {difference}; found\n{show(found)}"


def write(file, number, result):
    head, *chunks = file.read_text().split("[case ")
    name, _, rest = chunks[number].partition("]\n")
    text = rest.partition("[out]\n")[0].rstrip("\n")
    chunks[number] = f"{name}]\n{text}\n[out]\n{result}\n"
    file.write_text("[case ".join([head, *chunks]).rstrip("\n") + "\n")
