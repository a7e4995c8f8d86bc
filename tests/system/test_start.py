"""What a fresh process pays. Processor time, the best of several processes: the machine may be busy."""

import subprocess
import sys

import pytest
import starting

HEAVY = {"llvmlite", "networkx", "cupy", "rich", "sklearn", "scipy", "numpy.random"}


@pytest.fixture(scope="module")
def reports():
    starting.starts(1)  # bytecode is written
    return starting.starts(3)


@pytest.mark.parametrize(
    ("kind", "name", "seconds"),
    [
        ("warm", "import", 0.15),
        ("cold", "first", 0.3),
        ("cold", "second", 0.3),
        ("warm", "first", 0.05),
        ("warm", "second", 0.05),
    ],
)
def test_seconds(reports, kind, name, seconds):
    """Limits are for a machine on which `import numpy` takes 0.1 s, as those of warm calls are for one."""
    slower = max(1, starting.best(reports["warm"], "numpy", 1) / 0.1)
    assert starting.best(reports[kind], name, 1) < seconds * slower


def test_what_is_loaded(reports):
    assert not HEAVY & set(reports["warm"][0]["loaded by import"])
    assert not HEAVY & set(reports["warm"][0]["loaded by results"]), "a cached program needs no LLVM"
    assert not [m for m in reports["warm"][0]["loaded by results"] if m.startswith("weft.compiler.passes")]
    assert HEAVY & set(reports["cold"][0]["loaded by results"]) == {"llvmlite"}


def test_warm_calls(tmp_path):
    """Against NumPy in the same run; absolute limits are for a machine whose `np.add` takes 0.25 us."""
    best = starting.run(starting.CALLS, str(tmp_path))
    numpy = best["np.add(a, b), f32[8]"]
    slower = max(1, numpy / 0.25e-6)
    assert best["a + b, f32[8]"] < min(numpy, 0.12e-6 * slower)
    assert best["a + b, f32[n]"] < numpy
    assert best["a list of 50 f32[8]"] < 0.8e-6 * slower


FROM_THE_SHELL = """
import numpy as np, weft
@weft.compile
def f(x):
    if x[0] > 0:
        return x.sum()
    return x.min()
print(f(np.ones(3)), weft.compile(lambda x: x if x > 0 else -x)(-4.0))
"""


def test_the_text_of_dash_c_is_read():
    made = subprocess.run([sys.executable, "-c", FROM_THE_SHELL], capture_output=True, text=True, check=True)
    assert made.stdout == "3.0 4.0\n"


def test_a_file_as_standard_input_is_read(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(FROM_THE_SHELL)
    with script.open() as file:
        made = subprocess.run([sys.executable], stdin=file, capture_output=True, text=True, check=True)
    assert made.stdout == "3.0 4.0\n"


def test_piped_text_cannot_be_read_and_the_error_says_so():
    made = subprocess.run([sys.executable], input=FROM_THE_SHELL, capture_output=True, text=True, check=False)
    assert "put f into a file: its source cannot be read" in made.stderr
