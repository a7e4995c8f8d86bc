"""The layout: packages are folders, layers point downwards, sizes stay in their limits, tools work."""

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOTS = {"weft": "src/weft", **{f"weft.{name}": name for name in ("compiler", "ir", "backends", "runtime")}}
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def load_tool(name):
    spec = importlib.util.spec_from_file_location(f"tool_{name}", ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def product_files() -> Iterator[tuple[str, Path]]:
    """Yield the module name and the path of every product file."""
    for package, folder in ROOTS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            yield ".".join((package, *parts)), path


MODULES = dict(product_files())


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield each module of ours that a file imports, with the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield (full if full in MODULES else str(node.module)), node.lineno
        elif isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)


def layers() -> list[list[str]]:
    contract = next(c for c in SETTINGS["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    return [re.findall(r"weft[\w.]*", layer) for layer in contract["layers"]]


def layer_of(module: str) -> tuple[int, str] | None:
    for depth, names in enumerate(layers()):
        for name in names:
            if module == name or module.startswith(f"{name}."):
                return depth, name
    return None


def test_every_folder_with_code_is_a_package():
    for folder in ROOTS.values():
        for path in (ROOT / folder).rglob("*.py"):
            assert (path.parent / "__init__.py").exists(), f"{path.parent} has no __init__.py"


def test_packages_are_the_folders():
    code = (
        "import setuptools as s; s.setup = lambda **k: print(*k['packages']); exec(open('setup.py').read())"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    folders = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert set(shown.split()) == folders


@pytest.mark.parametrize("folder", ["ir", "compiler", "backends", "runtime"])
def test_folder_is_not_importable_by_its_bare_name(folder):
    done = subprocess.run(
        [sys.executable, "-c", f"import {folder}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert f"import weft.{folder}, not {folder}" in done.stderr


def test_layers_point_downwards():
    wrong = []
    for module, path in MODULES.items():
        here = layer_of(module)
        for target, line in imports(path):
            there = layer_of(target)
            if here and there and here[1] != there[1] and here[0] >= there[0]:
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {here[1]} imports {there[1]}")
    assert not wrong, "\n".join(wrong)


def test_every_module_is_in_a_layer():
    outside = {"weft", "weft.__main__", "weft.calls", "weft.unbuilt"}
    assert {module for module in MODULES if layer_of(module) is None} <= outside


def test_operations_do_not_import_one_another():
    for module, path in MODULES.items():
        if module.startswith("weft.ir.ops."):
            siblings = [target for target, _ in imports(path) if target.startswith("weft.ir.ops.")]
            assert not siblings, f"{module} imports {siblings}"


def test_private_names_stay_in_their_folder():
    """Between folders modules are imported, and from them public names only (docs/decisions/005)."""
    wrong = []
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("weft."):
                continue
            folder = next(
                (name for name in ROOTS if name != "weft" and f"{node.module}.".startswith(f"{name}.")), None
            )
            inside = folder is None or f"{module}.".startswith(f"{folder}.")
            if not inside and any(alias.name.startswith("_") for alias in node.names):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: a private name of {node.module}")
    assert not wrong, "\n".join(wrong)


def test_sizes_stay_in_their_limits(capsys):
    report = load_tool("size_report")
    assert report.main() == 0, capsys.readouterr().out


def test_size_report_counts_code_alone(tmp_path):
    file = tmp_path / "sample.py"
    file.write_text(
        '"""Doc\nstring."""\n\n# comment\nx = 1\n\n\n'
        'def f():\n    """Doc."""\n    return (\n        x\n    )\n'
    )
    size = load_tool("size_report").measure(file)
    assert size.lines == 5
    assert not size.long_functions
    file.write_text("def f():\n" + "    x = 1\n" * 80)
    assert load_tool("size_report").measure(file).long_functions


def test_link_farm(tmp_path):
    for folder in ("src/weft", "ir", "compiler", "backends", "runtime"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "src" / "weft" / "config.py", tmp_path / "src" / "weft")
    farm = load_tool("typecheck_farm").build(tmp_path)
    assert (farm / "weft" / "ir").resolve() == tmp_path / "ir"
    assert (farm / "weft" / "config.py").read_bytes() == (tmp_path / "src/weft/config.py").read_bytes()


def test_ci_runs_the_command_of_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "pip install -e '.[demo]' && weft demo" in readme
    assert "pip install -e '.[test]' && pytest" in readme
    assert "pip install -e '.[test]' && pytest" in script


def test_links_of_the_documents_exist():
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", prose):
            assert (page.parent / target).exists(), f"{page}: {target}"
