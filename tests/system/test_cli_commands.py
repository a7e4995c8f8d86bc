"""The commands of the command line do what they say, in short settings."""

import json
import sys

import pytest

import weft
from weft.cli import bench, main
from weft.cli.inspect import parse_arguments
from weft.compiler.pipeline import PASSES
from weft.ir import REGISTRY

SOFTMAX = """import numpy as np
import weft

AXIS = 1


def softmax(x):
    e = np.exp(x - x.max(axis=AXIS, keepdims=True))
    return e / e.sum(axis=AXIS, keepdims=True)


@weft.compile
def scale(tree, by, *, twice=False):
    return tree["x"] * by * (2 if twice else 1)
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "user_functions.py"
    path.write_text(SOFTMAX)
    return path


# ---------------------------------------------------------------- ops, passes


def test_ops_lists_every_operation(capsys):
    assert main(["ops"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == sorted(REGISTRY)
    assert lines[-1].startswith(f"{len(REGISTRY)} operations")


def test_ops_of_one_name(capsys):
    assert main(["ops", "tanh"]) == 0
    assert "both     scalar    yes" in capsys.readouterr().out
    assert main(["ops", "tanhh"]) == 1
    assert "there is no operation 'tanhh'" in capsys.readouterr().out


def test_ops_numpy(capsys):
    assert main(["ops", "--numpy"]) == 0
    built = capsys.readouterr().out.split()
    assert {"tanh", "sum", "concatenate", "ndarray.mean"} <= set(built)
    assert main(["ops", "--numpy", "--missing"]) == 0
    missing = capsys.readouterr().out.split()
    assert not {"tanh", "sum"} & set(missing)
    assert main(["ops", "--numpy", "exp"]) == 0
    assert capsys.readouterr().out.split() == ["exp", "built"]


def test_passes_in_their_order(capsys):
    assert main(["passes"]) == 0
    lines = capsys.readouterr().out.splitlines()[1 : len(PASSES) + 1]
    assert [line.split()[1] for line in lines] == [p.name for p in PASSES]
    assert all(len(line.split()) > 5 for line in lines)


# ---------------------------------------------------------------- inspect


def test_inspect_prints_every_stage(file, capsys):
    assert main(["inspect", f"{file}:softmax", "f32[n,784]"]) == 0
    shown = capsys.readouterr().out
    for stage in ("tensor", "fused", "loops", "llvm", "asm"):
        assert f"--- {stage}: " in shown
    assert "%0_x: f32[n,784]" in shown
    assert shown.count("= fusion(") == 1
    assert "define" in shown


def test_inspect_one_stage_of_a_compiled_function(file, capsys):
    arguments = ["inspect", f"{file}:scale", "{'x': f64[3]}", "float", "twice=True", "--stage", "tensor"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "---" not in shown
    assert "f64[3]" in shown


def test_inspect_says_what_is_wrong(file, capsys):
    for words, message in (
        ([f"{file}:softmux", "f32[n]"], "no function 'softmux'"),
        ([f"{file}", "f32[n]"], "names no function"),
        ([f"{file}.no:f"], "there is no file"),
        ([f"{file}:softmax", "f33[n,n]"], "'f33[n,n]' is not a type"),
        ([f"{file}:softmax", "f32[n,n]", "--stage", "nothing"], "there is no stage 'nothing'"),
    ):
        assert main(["inspect", *words]) == 2
        shown = capsys.readouterr().err
        assert message in shown
        assert "Fix: " in shown


def test_specs_nest():
    positional, keywords = parse_arguments(
        ["[f32[n,4], (f64, 3)]", "{'w': i64[n]}", "axis=-1", "mode='same'"]
    )
    (first, (second, three)), tree = positional
    assert (str(first), str(second), three) == ("f32[n,4]", "f64", 3)
    assert str(tree["w"]) == "i64[n]"
    assert keywords == {"axis": -1, "mode": "same"}


# ---------------------------------------------------------------- demo, bench


def test_demo(capsys, tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("safetensors")
    file = tmp_path / "demo.safetensors"
    assert main(["demo", "--epochs", "30", "--save", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "Goes on" not in shown
    assert main(["demo", "--epochs", "5", "--save", str(file), "--quiet"]) == 0
    again = " ".join(capsys.readouterr().out.split())
    assert ": 30 epochs" in again
    assert int(weft.load(file)["epochs"]) == 35
    assert main(["demo", "--epochs", "25", "--save", str(file), "--quiet", "--fresh"]) == 0
    assert int(weft.load(file)["epochs"]) == 25
    capsys.readouterr()
    for words in (
        "plain NumPy",
        "@weft.compile",
        "accuracy",
        "steps/s",
        "kernels",
        "f.verify",
        "f.explain",
        "weft inspect",
    ):
        assert words in shown
    assert "f32[n,64]" in shown


def test_demo_without_its_packages(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setattr("weft.cli.demo.find_spec", lambda name: None if name == "sklearn" else True)
    assert main(["demo"]) == 2
    shown = capsys.readouterr().err
    assert "needs scikit-learn" in shown
    assert "pip install" in shown


def test_bench_writes_the_documented_file(tmp_path, capsys):
    file = tmp_path / "bench.json"
    rows = "disp_add8,mm_64,ew_4k"
    assert main(["bench", "--rows", rows, "--seconds", "0.005", "--json", str(file)]) == 0
    facts = json.loads(file.read_text())
    assert set(facts) == {"machine", "suite", "rows"}
    assert facts["suite"] == "core"
    assert [(r["row"], r["who"]) for r in facts["rows"]] == [
        (n, w) for n in rows.split(",") for w in ("weft", "numpy")
    ]
    for row in facts["rows"]:
        assert set(row) == {"row", "who", "median_s", "first_s", "error", "limit_share"}
        assert row["median_s"] > 0
        assert row["error"] < 1e-5
        assert (row["limit_share"] is None) == (row["row"] == "disp_add8")
    assert "numpy/weft" in capsys.readouterr().out


def test_bench_of_programs(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(bench.PEERS, "programs", ("weft", "numpy", "no_such_peer"))
    file = tmp_path / "bench.json"
    options = ["--suite", "programs", "--rows", "fibonacci,jacobi", "--seconds", "0.001", "--json", str(file)]
    assert main(["bench", *options]) == 0
    rows = json.loads(file.read_text())["rows"]
    assert [(r["row"], r["who"]) for r in rows] == [
        (n, w) for n in ("fibonacci", "jacobi") for w in ("weft", "numpy")
    ]
    assert all(r["error"] < 1e-10 for r in rows)
    shown = capsys.readouterr().out
    assert "no_such_peer is left out: it is not installed" in shown
    assert "BLAS           1 rows" in shown
    assert "first results, nothing cached:" in shown


def test_bench_says_what_is_wrong(capsys):
    assert main(["bench", "--rows", "nothing"]) == 2
    assert "has no row 'nothing'" in capsys.readouterr().err
    assert main(["bench", "--suite", "nothing"]) == 2
    assert "there is no suite 'nothing'" in capsys.readouterr().err


def test_bench_plot_without_matplotlib(monkeypatch, capsys):
    monkeypatch.setattr("weft.cli.benchmark.plot.find_spec", lambda _name: None)
    assert main(["bench", "--rows", "mm_64", "--plot"]) == 2
    assert "needs matplotlib" in capsys.readouterr().err


def test_bench_of_training_steps(tmp_path, capsys):
    file = tmp_path / "train.json"
    options = ["--suite", "train", "--rows", "widedeep_step", "--seconds", "0.001", "--json", str(file)]
    assert main(["bench", *options]) == 0
    assert "widedeep_step" in capsys.readouterr().out
    rows = json.loads(file.read_text())["rows"]
    assert rows[0]["who"] == "weft"
    assert rows[0]["error"] < 1e-3
