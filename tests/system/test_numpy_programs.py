"""The programs of `examples/numpy`: compiled, they do what NumPy does, in two compiles for all sizes.

Not here: how fast they are (`weft bench --suite programs`).
"""

import copy
import inspect
from pathlib import Path

import pytest

import weft
from tests.api.test_programs import assert_same
from weft.cli.files import load_file

FOLDER = Path(__file__).parents[2] / "examples" / "numpy"
NAMES = sorted(file.stem for file in FOLDER.glob("*.py"))
TOLERANCE = 4096  # ulp of the largest element: sums and products have their own order, iterations amplify


def load(name):
    return load_file(FOLDER / f"{name}.py", f"numpy_program_{name}")


def test_the_list_is_complete_and_a_third_at_most_is_scalar():
    rows = [
        line.split("|") for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith("| `")
    ]
    listed = {row[1].strip(" `"): row[3].strip() for row in rows}
    assert sorted(listed) == NAMES
    assert len(NAMES) >= 30
    for name, words in listed.items():
        program = load(name)
        assert words == program.GROUP + (", BLAS" if getattr(program, "BLAS", False) else "")
    assert 3 * sum(words == "scalar" for words in listed.values()) <= len(listed)


@pytest.mark.parametrize("name", NAMES)
def test_program(name):
    program = load(name)
    compiled = weft.compile(program.run)
    for number, size in enumerate((*program.SIZES[:2], program.SIZES[0])):
        plain = program.inputs(size, number)
        ours = copy.deepcopy(plain)
        assert_same((program.run(*plain), plain), (compiled(*ours), ours), TOLERANCE)
    assert compiled.stats()["compiles"] <= 2


@pytest.mark.parametrize("name", [n for n in NAMES if hasattr(load(n), "STEPS")])
def test_the_program_does_not_grow_with_the_trip_count(name):
    program = load(name)
    arguments = list(program.inputs(program.SIZES[0], 0))
    place = list(inspect.signature(program.run).parameters).index(program.STEPS)
    lengths = []
    for trips in (10, 10_000):
        arguments[place] = trips
        lengths.append(weft.compile(program.run).ir("tensor", *arguments).count("\n"))
    assert lengths[0] == lengths[1]
