"""Variables of the environment that change how compiled functions run."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np, weft, sys

@weft.compile
def f(x):
    return np.tanh(x) + x.sum()

for n in (3, 3, 4):
    f(np.arange(float(n)))
print(f.stats()["compiles"], round(float(f(np.arange(3.0))[0]), 6))
"""


LOUD = PROGRAM.replace(
    "    return", "    sys.stderr.write('run\\n')\n    return"
)  # refused where it is traced


def run(program=PROGRAM, **variables):
    environment = {**os.environ, **{f"WEFT_{name}": value for name, value in variables.items()}}
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False
    )


def test_disable():
    done = run(LOUD, DISABLE="1")
    assert done.stdout == "0 3.0\n"
    assert done.stderr.count("run") == 4


def test_interpret():
    done = run(INTERPRET="1")
    assert done.stdout == "0 3.0\n", done.stderr


def test_explain_and_time_of_chosen_functions(tmp_path):
    done = run(EXPLAIN="1", TIME="1", FUNC="^f$", CACHE_DIR=str(tmp_path))
    assert done.stdout == "2 3.0\n", done.stderr
    assert "x.shape[0] varies (3, now 4)" in done.stderr
    assert "ms in passes" in done.stderr
    assert "compiled because" not in run(EXPLAIN="1", FUNC="^g$", CACHE_DIR=str(tmp_path)).stderr


@pytest.mark.parametrize(
    "variables", [{"DUMP": "nothing"}, {"FUNC": "(", "EXPLAIN": "1"}, {"PASSES_OFF": "bufferize"}]
)
def test_wrong_values_are_said(variables, tmp_path):
    done = run(CACHE_DIR=str(tmp_path), **variables)
    assert done.returncode != 0
    assert "E002" in done.stderr
