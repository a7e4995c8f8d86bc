"""The error classes and the one layout of their messages."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import weft
from weft.ir import CODES, PUBLIC_ERRORS, Fact, Location, describe, excerpt, is_user_module
from weft.ir.errors import AxisError

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = [
    path for f in ("src/weft", "ir", "compiler", "backends", "runtime") for path in (ROOT / f).rglob("*.py")
]


@pytest.mark.parametrize(
    ("name", "bases"),
    [
        ("ShapeError", (weft.UserError, ValueError)),
        ("IndexFault", (weft.UserError, IndexError)),
        ("DTypeError", (weft.UserError, TypeError)),
        ("AliasError", (weft.UserError, ValueError)),
        ("UnsupportedError", (weft.UserError, TypeError)),
        ("CompileError", (weft.WeftError,)),
        ("RuntimeFault", (weft.WeftError,)),
        ("OutOfMemoryError", (weft.RuntimeFault, MemoryError)),
        ("InternalError", (weft.WeftError, RuntimeError)),
    ],
)
def test_bases(name, bases):
    assert all(issubclass(getattr(weft, name), base) for base in bases)


def test_user_error_is_apart_from_the_others():
    for name in ("CompileError", "RuntimeFault", "InternalError"):
        assert not issubclass(getattr(weft, name), weft.UserError)


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "model.py"
    file.write_text("def step(acc, x):\n    acc = sin(x)\n    return acc * x.T\n")
    return str(file)


def test_layout(model):
    error = weft.ShapeError(
        "mul needs equal shapes, got f32[4,8] and f32[8,4]",
        code="E014",
        location=Location(model, 3, 11, 20, "step"),
        facts=[Fact("left", "f32[4,8]", Location(model, 2)), Fact("right", "f32[8,4]")],
        fix="transpose one operand, or reshape to a common shape.",
    )
    assert describe(error) == (
        "weft.ShapeError [E014]: mul needs equal shapes, got f32[4,8] and f32[8,4]\n"
        "  model.py:3, in step\n"
        "      return acc * x.T\n"
        "             ~~~~^~~~~\n"
        "  left : f32[4,8]  from model.py:2  acc = sin(x)\n"
        "  right: f32[8,4]\n"
        "  Fix: transpose one operand, or reshape to a common shape.   docs/errors.md#E014"
    )
    assert str(error).startswith("[E014] mul needs equal shapes")
    assert describe(error).split("\n")[1:] == str(error).split("\n")[1:]


def test_internal_error_asks_for_a_report():
    error = weft.InternalError("pass fuse failed", code="E092")
    error.repro = "repro/1"
    assert "Repro: repro/1" in describe(error)
    assert "Please report this" in describe(error)


@pytest.mark.parametrize("error_class", PUBLIC_ERRORS)
def test_pickle_keeps_everything(error_class):
    error = error_class("sentence", location=Location("f.py", 3), facts=[Fact("a", "b")], fix="none.")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.location) == (error_class, str(error), error.location)
    assert getattr(weft, error_class.__name__) is error_class


def test_axes_out_of_range_are_numpys_error():
    error = pickle.loads(pickle.dumps(AxisError.of(2, 1, Location("f.py", 3))))
    assert isinstance(error, weft.ShapeError)
    assert isinstance(error, np.exceptions.AxisError)
    assert (error.axis, error.ndim, error.location) == (2, 1, Location("f.py", 3))
    assert str(error).startswith("[E015] axis 2 is out of bounds for array of dimension 1")


def test_unknown_code_is_refused():
    with pytest.raises(ValueError, match="E999"):
        weft.ShapeError("x", code="E999")


def test_every_code_in_the_sources_is_known():
    for path in PRODUCT:
        unknown = set(re.findall(r'"(E\d\d\d)"', path.read_text(encoding="utf-8"))) - CODES.keys()
        assert not unknown, f"{path}: {unknown}"


def test_every_code_has_a_section():
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r'<a id="(E\d+)"></a>\n\n### E\d+: (.*)\n', page))
    assert sections == CODES


@pytest.mark.parametrize(
    ("line", "column", "end_column", "marks"),
    [
        ("    y = a + b", 8, 13, "    ~~^~~"),
        ("    y = (a) // (b)", 8, 18, "    ~~~~^^~~~~"),
        ("    y = np.sin(a)", 8, 17, "    ^^^^^^^^^"),
        ("    y = a + b", None, None, None),
        ("    y = a + b", 50, 60, None),
        ("    y = f(é) + b", 8, 16, "    ^^^^^^^^"),
    ],
)
def test_excerpt(tmp_path, line, column, end_column, marks):
    file = tmp_path / "excerpt.py"
    file.write_text(line + "\n", encoding="utf-8")
    shown = excerpt(Location(str(file), 1, column, end_column))
    assert shown == ((line.strip(),) if marks is None else (line.strip(), marks))


def test_excerpt_of_a_missing_file():
    assert excerpt(Location("<stdin>", 1, 0, 5)) == ()


@pytest.mark.parametrize(
    ("name", "is_user"),
    [("model", True), ("__main__", True), ("numpy.linalg", False), ("scipy", False), ("weft.ir.node", False),
     ("functools", False), ("theirs.deep", False), ("wefty", True)],
)  # fmt: skip
def test_user_modules(name, is_user):
    assert is_user_module(name, frozenset({"theirs"})) == is_user
