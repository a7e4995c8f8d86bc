"""Libraries for other machines: run under qemu, wine and Node.js where those are installed."""

import platform
import shutil
import tempfile
from pathlib import Path

import exported as e
import numpy as np
import pytest

import weft
from tests.export import models
from weft.backends.cpu import linking
from weft.backends.cpu.target import named_target

WINE = next((p for p in (shutil.which("wine64"), "/usr/lib/wine/wine64") if p and shutil.which(p)), None)
needs_linker = pytest.mark.skipif(linking.zig() is None, reason="needs the linkers of ziglang")
EMULATED = {
    "aarch64": ("aarch64-linux-gnu", "qemu-aarch64"),
    "armv7": ("arm-linux-gnueabihf", "qemu-arm"),
    "riscv64": ("riscv64-linux-gnu", "qemu-riscv64"),
}


@pytest.mark.parametrize("target", EMULATED)
def test_training_in_emulation(target, tmp_path):
    """All have fused multiply-add: the bits are those of this machine."""
    folder, qemu = EMULATED[target]
    compiler = f"{folder}-gcc"
    if not (shutil.which(compiler) and shutil.which(qemu)):
        pytest.skip(f"needs {compiler} and {qemu}")
    if target != "aarch64" and linking.zig() is None:
        pytest.skip("needs the linkers of ziglang")
    runner = (qemu, "-L", f"/usr/{folder}")
    assert e.run_training(tmp_path, target, compiler=(compiler,), runner=runner) == e.expected_training()


def test_training_with_another_libc(tmp_path):
    if not shutil.which("musl-gcc"):
        pytest.skip("needs musl-gcc")
    assert e.run_training(tmp_path, "x86-64-v3", compiler=("musl-gcc",)) == e.expected_training()


@pytest.mark.slow
@needs_linker
def test_training_on_windows(tmp_path, monkeypatch):
    report = e.Training((6, 8, 3)).export(tmp_path / "mlp.dll", target="x86_64-windows")
    assert report.library.read_bytes()[:2] == b"MZ"
    if not (WINE and shutil.which("x86_64-w64-mingw32-gcc")):
        pytest.skip("needs wine64 and x86_64-w64-mingw32-gcc to run it")
    monkeypatch.setenv("WINEDEBUG", "-all")
    monkeypatch.setenv("WINEPREFIX", str(Path(tempfile.gettempdir()) / "weft-wine"))
    found = e.run_training(
        tmp_path, "x86_64-windows:x86-64-v3", compiler=("x86_64-w64-mingw32-gcc",), runner=(WINE,)
    )
    assert found == e.expected_training()


@needs_linker
@pytest.mark.parametrize("name", ["mlp", "lstm"])
def test_training_in_javascript(name, tmp_path):
    """WebAssembly has no fused multiply-add: results within 1e-5."""
    if not models.node():
        pytest.skip("needs Node.js")
    report, found, wanted = models.check(name, tmp_path, "wasm32", steps=3)
    assert "model_save" not in report.header.read_text()
    assert models.near(found, wanted)


@needs_linker
def test_a_library_for_macos(tmp_path):
    path = tmp_path / "libsoft.dylib"
    content = weft.export(e.softmax, ["f32[n,m]"], path, target="arm64-apple-macos").library.read_bytes()
    assert content[:8] == b"\xcf\xfa\xed\xfe\x0c\x00\x00\x01"  # 64 bits, ARM
    assert int.from_bytes(content[12:16], "little") == 6  # a dynamic library
    assert b"_soft_arena_size\0" in content
    with pytest.raises(weft.UserError, match="is for aarch64 macos"):
        weft.load_library(path)


@e.needs_nm
def test_a_library_for_android(tmp_path):
    report = e.Training((6, 8, 3)).export(tmp_path / "libmlp.so", target="aarch64-linux-android")
    assert e.undefined(report.library, "-D") <= e.LIBC
    report = weft.export(
        e.softmax, ["f32[n,m]"], tmp_path / "libs.so", target="x86_64-linux-android:x86-64-v2"
    )
    assert report.library.read_bytes()[:4] == b"\x7fELF"


MAGIC = {
    "armv7": b"\x7fELF\x01", "riscv64": b"\x7fELF\x02", "wasm32": b"\0asm", "x86_64-windows": b"d\x86",
    "arm64-apple-macos": b"\xcf\xfa\xed\xfe", "aarch64-linux-gnu:cortex-a76": b"\x7fELF\x02",
    "x86_64-apple-macos:haswell": b"\xcf\xfa\xed\xfe", "riscv64::+v": b"\x7fELF\x02",
}  # fmt: skip


@pytest.mark.parametrize("target", MAGIC)
def test_objects_need_no_tool(target, tmp_path, monkeypatch):
    monkeypatch.setattr(linking, "zig", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    report = weft.export(lambda x: np.exp(x) + x.sum(), ["f32[n]"], tmp_path / "f.o", target=target, kind="o")
    assert report.library.read_bytes().startswith(MAGIC[target])
    assert ("f" in dict(report.sizes)) == (MAGIC[target][:4] == b"\x7fELF")
    if target == "armv7":
        with pytest.raises(weft.UnsupportedError, match=r"no linker for armv7.*is installed") as caught:
            weft.export(np.exp, ["f32[n]"], tmp_path / "g.so", target=target)
        assert "weft[export]" in caught.value.fix
        assert not (tmp_path / "g.so").exists()


FACTS = [
    ("x86_64-linux-gnu:znver4", (64, 32, True)), ("x86_64-linux-gnu:haswell", (32, 16, True)),
    ("x86_64-linux-gnu:nehalem", (16, 16, False)), ("x86-64-v4", (64, 32, True)),
    ("aarch64-linux-gnu:cortex-a76", (16, 32, True)), ("armv7:cortex-a9", (16, 16, False)),
    ("armv7:cortex-a15", (16, 16, True)), ("riscv64::+v", (16, 32, True)), ("wasm32", (16, 16, False)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "facts"), FACTS)
def test_facts_of_cpus(name, facts):
    """Schedules follow them."""
    target = named_target(name)
    assert (target.vector_bytes, target.vector_registers, target.has_fma) == facts
    assert target.ops


@pytest.mark.parametrize(
    "name", ["z80", "x86_64:foo", "riscv64:foo", "aarch64::+foo", "armv7-windows", "aarch64-plan9"]
)
def test_unknown_names(name):
    with pytest.raises(weft.UnsupportedError, match=f"there is no target {name!r}".replace("+", r"\+")):
        named_target(name)


@pytest.fixture(scope="module")
def any_x86(tmp_path_factory):
    """The MLP with code for all levels."""
    return e.Training().export(tmp_path_factory.mktemp("any") / "libmlp.so", target="x86-64-any")


@pytest.mark.skipif(not shutil.which("qemu-x86_64"), reason="needs qemu-x86_64")
@pytest.mark.parametrize("cpu", ["Nehalem", "Haswell", "SandyBridge"])
def test_code_for_the_cpu_is_chosen(cpu, any_x86, tmp_path):
    """Without AVX2 the first level serves; all give the same bits."""
    if platform.machine() != "x86_64" or not shutil.which("cc"):
        pytest.skip("needs a C compiler for x86-64")
    runner = ("qemu-x86_64", "-cpu", cpu)
    assert e.run_training(tmp_path, report=any_x86, runner=runner) == e.expected_training()


@e.needs_nm
def test_a_library_for_all_levels(any_x86):
    assert e.undefined(any_x86.library, "-D") <= e.LIBC
    names = {name.partition("_program.")[0] for name, _ in any_x86.sizes}
    assert {"mlp_train.v1", "mlp_train.v3", "mlp_train.v4"} <= names
    if platform.machine() == "x86_64":
        x, digits = e.batch()
        training, library = e.Training(), weft.load_library(any_x86.library)
        assert library.train(x, digits) == training.train(x, digits)
