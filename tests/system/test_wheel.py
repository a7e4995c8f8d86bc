"""An sdist, the wheel made from it, and that wheel in a clean environment."""

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("src", "compiler", "ir", "backends", "runtime")
PROBE = """
import importlib.util, pathlib, sys
import weft, weft.config, weft.compiler, weft.runtime, weft.backends
from weft.ir import Options
assert pathlib.Path(weft.__file__).is_relative_to(sys.prefix), weft.__file__
for name in ("ir", "runtime", "compiler", "backends", "src", "tests"):
    assert importlib.util.find_spec(name) is None, name
assert weft.config.current() == Options()
"""

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(kind: str, source: Path, out: Path) -> Path:
    code = f"from setuptools.build_meta import {kind}; print(); print({kind}({str(out)!r}))"
    return out / run(sys.executable, "-c", code, cwd=source).split()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    base = tmp_path_factory.mktemp("wheel")
    source = base / "source"
    source.mkdir()
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    with tarfile.open(build("build_sdist", source, base)) as archive:
        archive.extractall(base / "sdist", **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (unpacked,) = (base / "sdist").iterdir()
    return build("build_wheel", unpacked, base)


def test_wheel_holds_every_file_and_no_compiled_code(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not [
        name for name in names if name.endswith((".so", ".o", ".a", ".pyd", ".dll", ".dylib", ".bc", ".pyc"))
    ]
    expected = {"weft/py.typed"}
    for folder in FOLDERS:
        base = ROOT / "src" / "weft" if folder == "src" else ROOT / folder
        prefix = "weft" if folder == "src" else f"weft/{folder}"
        expected |= {f"{prefix}/{p.relative_to(base)}" for p in base.rglob("*.py")}
    assert expected <= names
    assert {name.split("/")[0] for name in names - expected if ".dist-info/" not in name} <= {"weft"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_wheel_in_a_clean_environment(wheel, tmp_path):
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=tmp_path)
    python = environment / "bin" / "python"
    site = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip()
    )
    zipfile.ZipFile(wheel).extractall(site)
    # NumPy and llvmlite come from this environment by path alone: its editable install of Weft stays out.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    run(python, "-I", "-c", PROBE, cwd=tmp_path)
    assert "llvmlite" in run(python, "-I", "-m", "weft", "doctor", cwd=tmp_path)
