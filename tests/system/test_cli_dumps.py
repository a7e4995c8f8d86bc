"""`weft run`, `diff`, `bisect` and `reduce` on dumps of real programs."""

import subprocess
import sys

import numpy as np
import pytest

import weft
from weft.cli import bisect, dumped, main
from weft.compiler.debug.reduce import minimize
from weft.compiler.passes import fold
from weft.ir import walk
from weft.ir.parse import parse


def chain(x, y):
    s = 0.0
    for k in range(len(x)):
        s += x[k] * 0.5
    y[1:] = np.tanh(x[:-1]) * s + np.exp(-np.abs(x[1:]))
    return np.where(y > 0.5, y, s), y.sum()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The dumps of one function with symbolic sizes."""
    place = tmp_path_factory.mktemp("dumps")
    with weft.options(dump="all", dump_folder=str(place), cache_dir="off"):
        weft.compile(chain).prepare(weft.spec("f64[n]"), weft.spec("f64[n]"))
    return place / "chain"


def file_of(folder, name):
    return next(folder.glob(f"step_*_{name}.ir"))


@pytest.mark.parametrize("name", ["traced", "fuse", "bufferize", "lower_tensor", "plan_memory"])
def test_a_dump_runs_from_its_stage(folder, name, capsys):
    file = file_of(folder, name)
    assert main(["run", str(file), "--compare", "--size", "n=9"]) == 0
    shown = capsys.readouterr().out
    assert "native code and the interpreter agree" in shown
    assert "result 0: float64[9]" in shown
    assert "argument 1 afterwards" in shown
    assert main(["run", str(file), "--interpret"]) == 0


def test_an_edited_dump_runs_as_edited(folder, tmp_path, capsys):
    text = file_of(folder, "traced").read_text()
    (tmp_path / "edited.ir").write_text(text.replace("exp(", "sin("))
    inputs = tmp_path / "inputs.npz"
    np.savez(inputs, np.zeros(4), np.zeros(4))
    outputs = []
    for file in (file_of(folder, "traced"), tmp_path / "edited.ir"):
        assert main(["run", str(file), "--inputs", str(inputs)]) == 0
        outputs.append(capsys.readouterr().out)
    assert "argument 1 afterwards: float64[4] [0. 1. 1. 1.]" in outputs[0]
    assert "argument 1 afterwards: float64[4] [0. 0. 0. 0.]" in outputs[1]


def test_a_wrong_pass_shows(folder, monkeypatch, capsys):
    broken = [step if step.name != "fold" else _broken(step) for step in dumped.PASSES]
    monkeypatch.setattr(dumped, "PASSES", tuple(broken))
    assert main(["run", str(file_of(folder, "traced")), "--compare"]) == 1
    assert "differs by" in capsys.readouterr().out


def _broken(step):
    from dataclasses import replace

    def run(fn, _setting):
        text = weft.ir.text.show(fold.fold(fn))
        return parse(text.replace("tanh(", "sin("))

    return replace(step, run=run)


def test_errors_of_run(folder, tmp_path, capsys):
    file = str(file_of(folder, "traced"))
    assert main(["run", str(tmp_path / "no.ir")]) == 2
    assert main(["run", file, "--size", "k=3"]) == 2
    assert main(["run", file, "--after", "nothing"]) == 2
    (tmp_path / "bad.ir").write_text("func @f(")
    assert main(["run", str(tmp_path / "bad.ir")]) == 2
    shown = capsys.readouterr().err
    for words in ("there is no file", "'k=3' sets no size", "there is no pass 'nothing'", "bad.ir:1:"):
        assert words in shown


def test_diff_of_dumps(folder, tmp_path, capsys):
    traced, fused = file_of(folder, "traced"), file_of(folder, "fuse")
    assert main(["diff", str(traced), str(fused)]) == 1
    shown = capsys.readouterr().out
    assert "fusion" in shown.splitlines()[0]
    assert "@@" in shown
    renumbered = tmp_path / "renumbered.ir"
    renumbered.write_text(traced.read_text().replace("%1_y", "%907_y"))
    assert main(["diff", str(traced), str(renumbered)]) == 0
    assert "equal" in capsys.readouterr().out
    (tmp_path / "a.ll").write_text("%1 = fadd\nret")
    (tmp_path / "b.ll").write_text("%2 = fadd\nbr")
    assert main(["diff", str(tmp_path / "a.ll"), str(tmp_path / "b.ll")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert {"-ret", "+br"} <= set(lines)
    assert not [line for line in lines if "fadd" in line and line[0] in "+-"]


def test_diff_shows_operands_that_alone_differ(tmp_path, capsys):
    head = 'func @f(%0_x: f64[3], %1_y: f64[3]) -> (f64[3]) stage "tensor" {\n'
    for name, operands in (("a", "%0_x, %1_y"), ("b", "%1_y, %0_x")):
        (tmp_path / name).write_text(head + f"  %2 = subtract({operands}) : f64[3]\n  return(%2)\n}}\n")
    assert main(["diff", str(tmp_path / "a"), str(tmp_path / "b")]) == 1
    assert "subtract" in capsys.readouterr().out


def test_bisect_finds_the_pass(tmp_path, capsys):
    script = tmp_path / "program.py"
    script.write_text(
        "import sys\nimport numpy as np\nimport weft\n"
        "f = weft.compile(lambda x: np.tanh(x) * 2 + 1)\nf(np.ones(8))\n"
        "sys.exit(len(f.stats()['kernels']) == 1)\n"
    )
    assert main(["bisect", str(script)]) == 0
    assert "the first optimization with which it fails is 'fuse'" in capsys.readouterr().out


def test_bisect_says_what_it_cannot_find():
    passes = ("a", "b", "c", "d", "e")
    assert bisect.verdict(lambda _limit: False, passes) == ("it does not fail with all optimizations", 1)
    text, status = bisect.verdict(lambda _limit: True, passes)
    assert "fails without optimizations" in text
    assert status == 1
    for first in range(1, 6):
        text, status = bisect.verdict(lambda limit, first=first: limit >= first, passes)
        assert (f"is {passes[first - 1]!r}" in text, status) == (True, 0)


def test_reduce_keeps_what_fails(folder, tmp_path, capsys):
    file, out = file_of(folder, "traced"), tmp_path / "small.ir"
    check = f"{sys.executable} -c \"import sys; sys.exit('tanh(' in open(sys.argv[1]).read())\""
    assert main(["reduce", str(file), "--check", check, "--out", str(out), "--most", "60"]) == 0
    small = dumped.read_program(out)
    assert len(list(walk(small))) <= 4
    assert any(op.name == "tanh" for op in walk(small))
    assert "ops before" in capsys.readouterr().out
    subprocess.run(
        [sys.executable, "-m", "weft", "run", str(out), "--compare"], check=True, capture_output=True
    )
    assert main(["reduce", str(file), "--check", "true"]) == 2


def test_reducing_goes_into_loops():
    text = """func @f(%0_x: f64[8]) -> (f64[8]) stage "tensor" {
  %1 = dim() {dim = 0} : index(0)
  %2 = dim() {dim = 5} : index(5)
  %3 = dim() {dim = 1} : index(1)
  %4 = for(%1, %2, %3, %0_x) {kind = "serial"} (%5: index(t), %6: f64[8]) {
    %7 = multiply(%6, %6) : f64[8]
    %8 = exp(%7) : f64[8]
    %9 = sin(%8) : f64[8]
    yield(%9)
  } : f64[8]
  return(%4)
}
"""
    small, tried = minimize(parse(text), lambda fn: {"for", "exp"} <= {op.name for op in walk(fn)})
    names = [op.name for op in walk(small)]
    assert "sin" not in names
    assert "multiply" not in names
    assert tried < 200
