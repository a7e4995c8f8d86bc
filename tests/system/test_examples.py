"""The scripts in `examples/` run, on small sizes, from another folder, and print something."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
SIZES = {"heat": ["80", "20"], "regression": ["500"], "nearest": ["400"], "custom_op": []}


def test_every_example_is_tested():
    assert {file.stem for file in FOLDER.glob("*.py")} == set(SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_example(name, tmp_path):
    command = [sys.executable, str(FOLDER / f"{name}.py"), *SIZES[name]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout
