"""The documents say what is so: dumps of the tour are made anew, names exist, links lead somewhere.

`pytest tests/system/test_docs.py --bless` rewrites the dumps.
"""

import re
from pathlib import Path

import numpy as np
import pytest

import weft
from weft.backends.cpu.emit import emit_program
from weft.backends.cpu.target import named_target
from weft.calls.generate import interface_of, optimize
from weft.cli.files import load_file
from weft.ir import Options
from weft.ir.text import show

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(<!-- (file|dump|source|llvm) (.*?) -->\n```\w*\n)(.*?)(```)", re.DOTALL)
TARGET = named_target("x86-64-v3")  # the same text on every machine


def dumps(file):
    """The text of `f` of a file after tracing, after each pass, and as LLVM IR."""
    compiled = weft.compile(load_file(file).f)
    seen = {"trace": compiled.ir("tensor", weft.spec("f32[n]"), weft.spec("f32"), weft.spec("f32"))}

    def watch(name, _before, after, _seconds):
        seen[name] = show(after)

    from weft.ir.parse import parse

    program = optimize(parse(seen["trace"]), Options(), TARGET, watch)
    seen["llvm"] = emit_program(program, interface_of(program, (), ()), TARGET, Options().code)
    return seen


def excerpt(text, first, last):
    """The lines from one that `first` finds to before the next that `last` finds, a brace included."""
    lines = text.rstrip().splitlines()
    start = next(k for k, line in enumerate(lines) if re.search(first, line))
    stop = next(k for k, line in enumerate(lines) if k > start and re.search(last, line))
    taken = lines[start : stop + (lines[stop].strip() == "}")]
    while not taken[-1].strip():
        taken.pop()
    indent = min(len(line) - len(line.lstrip()) for line in taken if line.strip())
    return "\n".join(line[indent:] for line in taken)


def renumbered(text):
    """Values of an excerpt numbered from 0 in the order of their appearance: what is not shown may change."""
    names = dict.fromkeys(re.findall(r"%[vab]?\d+", text))
    numbers = {name: f"{name.rstrip('0123456789')}{k}" for k, name in enumerate(names)}
    return re.sub(r"%[vab]?\d+", lambda m: numbers[m[0]], text)


def make(kind, arguments, seen):
    """The text of one block."""
    words = arguments.split(" ")
    if kind == "dump" and len(words) == 1:
        return seen[arguments].rstrip()
    if kind == "dump":
        return renumbered(excerpt(seen[words[0]], words[1], " ".join(words[2:])))
    if kind == "llvm":
        return renumbered(excerpt(seen["llvm"], words[0], words[1]))
    first, last = re.split(r" (?=\^)", arguments.partition(" ")[2])
    return excerpt((ROOT / words[0]).read_text(), first, last)


def test_tour_shows_what_the_compiler_makes(tmp_path, bless):
    tour = ROOT / "docs" / "tour.md"
    text = tour.read_text()
    name, source = next((m[3], m[4]) for m in BLOCK.finditer(text) if m[2] == "file")
    (tmp_path / name).write_text(source)
    seen = dumps(tmp_path / name)
    fresh = BLOCK.sub(lambda m: m[0] if m[2] == "file" else f"{m[1]}{make(m[2], m[3], seen)}\n{m[5]}", text)
    if bless:
        tour.write_text(fresh)
    assert tour.read_text() == fresh, "the tour is out of date: pytest tests/system/test_docs.py --bless"


def readme_example():
    text = (ROOT / "README.md").read_text()
    return re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]


def test_example_of_the_readme_runs(tmp_path, capsys):
    source = readme_example()
    assert len(source.splitlines()) <= 20
    file = tmp_path / "example.py"
    file.write_text(source)
    load_file(file, "readme_example")
    assert capsys.readouterr().out


def test_readme_has_the_two_commands_on_its_first_screen():
    screen = (ROOT / "README.md").read_text().splitlines()[:40]
    assert "pip install -e '.[demo]' && weft demo" in screen
    assert "pip install -e '.[test]' && pytest" in screen


@pytest.mark.parametrize("file", DOCS, ids=lambda f: str(f.relative_to(ROOT)))
def test_links_and_names_lead_somewhere(file):
    text = re.sub(r"```.*?```|^    .*?$", "", file.read_text(), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        if "://" not in link:
            assert (file.parent / link).exists(), link
    for path in re.findall(r"`(tests/[\w/]+\.py)", text):
        assert (ROOT / path).exists(), path


def test_every_difference_names_tests_that_exist():
    names = set()
    for file in (ROOT / "tests").rglob("*.py"):
        names.update(re.findall(r"def (test_\w+)", file.read_text()))
    table = (ROOT / "docs" / "differences.md").read_text()
    rows = [
        line
        for line in table.splitlines()
        if line.startswith("| ") and not re.match(r"\| (what|where|input) \|", line)
    ]
    assert rows
    for row in rows:
        last = row.rstrip(" |").rpartition("|")[2]
        tests = re.findall(r"`(test_\w+)`", last)
        files = re.findall(r"`(tests/[\w/.]+)`", last)
        assert tests or files, row
        assert not set(tests) - names, row


def snippet(file, name):
    text = (ROOT / "docs" / file).read_text()
    return re.search(rf"<!-- test {name} -->\n```python\n(.*?)```", text, re.DOTALL)[1]


def test_op_of_the_walkthrough_works(tmp_path):
    from weft.backends.cpu.target import host_target
    from weft.ir import REGISTRY, interpret
    from weft.ir.parse import parse

    (tmp_path / "softsign.py").write_text(snippet("add-an-op.md", "op"))
    load_file(tmp_path / "softsign.py")
    try:
        head = 'func @f[n >= 1](%x: f32[n]) -> (f32[n]) stage "tensor" {\n'
        text = f"{head}  %0 = softsign(%x) : f32[n]\n  return(%0)\n}}\n"
        program = parse(text)
        x = np.linspace(-3, 3, 37, dtype=np.float32)
        (wanted,) = interpret(program, x)
        loops = optimize(program, Options(), host_target())
        np.testing.assert_array_equal(interpret(loops, x)[0], wanted)
        assert REGISTRY["softsign"].vjp is not None
    finally:
        REGISTRY.pop("softsign", None)


def test_pass_of_the_walkthrough_works(tmp_path):
    from weft.ir.parse import parse

    (tmp_path / "double.py").write_text(snippet("add-a-pass.md", "pass"))
    module = load_file(tmp_path / "double.py")
    program = parse(
        'func @f[n >= 1](%x: f32[n]) -> (f32[n]) stage "tensor" {\n'
        "  %0 = constant() {type = f32[], value = 2.0} : f32[]\n"
        "  %1 = broadcast(%0) {shape = (n,)} : f32[n]\n  %2 = multiply(%x, %1) : f32[n]\n  return(%2)\n}\n"
    )
    assert [op.name for op in module.double(program).body.ops] == ["add", "return"]
