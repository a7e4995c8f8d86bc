"""From an object to a shared library, for any system: by our own linker, or by one that is installed.

Linux and Android on x86-64 and aarch64 need nothing (`shared.py`). Others are linked by the linkers in the
`ziglang` package (extra `export`), or of the system. Not here: code.
"""

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from weft.backends.cpu.shared import LINKED, shared_library
from weft.ir import UnsupportedError, UserError
from weft.ir.target import Target

SUFFIXES = {"windows": ".dll", "macos": ".dylib", "wasm": ".wasm"}
"""Of shared libraries; elsewhere .so."""
_OF_WINDOWS = {
    "msvcrt.dll": ("fopen", "fread", "fwrite", "fclose", "fgetc", "remove", "strlen", "memcpy", "memset",
                   "memmove", "memcmp"),
    "KERNEL32.dll": ("MoveFileExA",),
}  # fmt: skip


def link_shared(data: bytes, target: Target, name: str, exported: Collection[str]) -> bytes:
    """The shared library of an object. Raises UnsupportedError where there is no linker, with the remedy."""
    if target.system in ("linux", "android") and target.architecture in LINKED:
        return shared_library(data, name)
    with tempfile.TemporaryDirectory(prefix="weft-link-") as folder:
        place = Path(folder)
        (place / "library.o").write_bytes(data)
        command = _COMMANDS[target.system](target, place, name, sorted(exported))
        _run(command, place)
        return (place / (name if target.system == "windows" else "library.out")).read_bytes()


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[:2000]
        raise UserError(f"the linker {command[0]} failed: {said}", code="E050", fix='export with kind="o"')


def zig() -> str | None:
    """The `zig` of the ziglang package, or on the PATH."""
    found = importlib.util.find_spec("ziglang")
    for folder in found.submodule_search_locations or () if found else ():
        if (Path(folder) / "zig").exists():
            return str(Path(folder) / "zig")
    return shutil.which("zig")


def _linker(tool: str, others: Sequence[str], target: Target) -> list[str]:
    """The words that start a linker: that of ziglang, or the first of some programs."""
    own = zig()
    if own:
        return [own, tool]
    found = next(filter(None, map(shutil.which, others)), None)
    if found is None:
        raise UnsupportedError(
            f"no linker for {target.triple} is installed",
            code="E050",
            fix='pip install "weft[export]", which brings one, or export with kind="o" and link it yourself',
        )
    return [found]


def _elf(target: Target, folder: Path, name: str, exported: Sequence[str]) -> list[str]:
    del folder, exported  # which names are seen is in the object
    short = {"armv7": "arm-linux-gnueabihf"}.get(target.architecture, f"{target.architecture}-linux-gnu")
    start = _linker("ld.lld", ["ld.lld", f"{short}-ld"], target)
    return [*start, "-shared", "-s", "--gc-sections", "--hash-style=both", "-z", "now", "-z",
            "max-page-size=65536", "-soname", name, "library.o", "-o", "library.out"]  # fmt: skip


def _wasm(target: Target, folder: Path, name: str, exported: Sequence[str]) -> list[str]:
    del folder, name
    start = _linker("wasm-ld", ["wasm-ld"], target)
    names = [f"--export={one}" for one in (*exported, "__heap_base")]
    stack = ["-z", "stack-size=262144", "--stack-first"]
    return [
        *start,
        "--no-entry",
        "--strip-all",
        "--gc-sections",
        *stack,
        *names,
        "library.o",
        "-o",
        "library.out",
    ]


def _windows(target: Target, folder: Path, name: str, exported: Sequence[str]) -> list[str]:
    start = _linker("lld-link", ["lld-link"], target)
    maker = [start[0], "dlltool"] if len(start) == 2 else _linker("dlltool", ["llvm-dlltool"], target)
    for library, names in _OF_WINDOWS.items():
        lines = "\n".join(("LIBRARY " + library, "EXPORTS", *names))
        (folder / f"{library}.def").write_text(lines + "\n")
        _run([*maker, "-m", "i386:x86-64", "-d", f"{library}.def", "-l", f"{library}.lib"], folder)
    return [
        *start, "/dll", "/noentry", "/machine:x64", "/nodefaultlib", "/opt:ref", "/Brepro", "/lldmingw",
        *(f"/export:{one}" for one in exported), "library.o", *(f"{one}.lib" for one in _OF_WINDOWS),
        f"/out:{name}", "/implib:none.lib",
    ]  # fmt: skip


def _macos(target: Target, folder: Path, name: str, exported: Sequence[str]) -> list[str]:
    del folder, exported
    own = zig()
    rest = ["-shared", "-nostdlib", "-Wl,-undefined,dynamic_lookup", f"-Wl,-install_name,@rpath/{name}", "-s",
            "library.o", "-o", "library.out"]  # fmt: skip
    if own:
        kind = "aarch64" if target.architecture == "arm64" else target.architecture
        return [own, "cc", "-target", f"{kind}-macos.11.0", *rest]
    return [*_linker("cc", ["o64-clang", "clang"], target), "-target", target.triple, *rest]


_COMMANDS: dict[str, Callable[[Target, Path, str, Sequence[str]], list[str]]] = {
    "linux": _elf, "android": _elf, "wasm": _wasm, "windows": _windows, "macos": _macos,
}  # fmt: skip
