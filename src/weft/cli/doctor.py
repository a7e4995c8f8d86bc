"""`weft doctor`: what Weft finds on this machine, and what is wrong with it; changes nothing."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from weft.config import cache_folder, chosen, current, overriding_variables
from weft.ir.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `state` is ok, note or bad."""

    name: str
    state: str
    text: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weft doctor`."""
    parser.add_argument("--quiet", action="store_true", help="print only what is wrong")


def run(arguments: argparse.Namespace) -> int:
    """Print the report; return 1 if something is wrong."""
    findings = [finding for check in CHECKS for finding in check()]
    for finding in findings:
        if finding.state == "bad" or not arguments.quiet:
            print(f"{finding.state:<5} {finding.name:<14} {finding.text}")
    return int(any(finding.state == "bad" for finding in findings))


def _python() -> Iterator[Finding]:
    """Report the interpreter."""
    text = f"{platform.python_implementation()} {platform.python_version()} on {platform.platform()}"
    yield Finding("python", "ok", text)
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        yield Finding("entry", "note", "a build without the GIL: calls take the slower ctypes path")


def _packages() -> Iterator[Finding]:
    """Report the versions of what Weft needs and of what it can use."""
    for name in ("weft", "numpy", "llvmlite", "networkx"):
        found = _version(name)
        yield Finding(name, "ok" if found else "bad", found or f"is missing: pip install {name}")
    optional = [
        f"{name} {found}" for name in ("scikit-learn", "rich", "scipy", "cupy") if (found := _version(name))
    ]
    yield Finding("extras", "ok" if optional else "note", ", ".join(optional) or "none installed")


def _version(name: str) -> str:
    """Return the installed version of the distribution called `name`, or an empty text."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _processor() -> Iterator[Finding]:
    """Report the processor as LLVM sees it."""
    if find_spec("llvmlite") is None:
        return
    import llvmlite.binding as llvm

    yield Finding("llvm", "ok", ".".join(str(part) for part in llvm.llvm_version_info))
    features = llvm.get_host_cpu_features()
    wanted = ("sse4.2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bf16", "neon", "sve")
    present = [name for name in wanted if features.get(name)]
    yield Finding(
        "processor", "ok", f"{llvm.get_host_cpu_name()} ({', '.join(present) or 'no vector unit found'})"
    )


def _threads() -> Iterator[Finding]:
    """Report the cores that the process may use."""
    count = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else count
    chosen = current().run.threads
    text = f"{allowed} of {count} cores may be used"
    yield Finding("threads", "ok", text if chosen is None else f"{text}, {chosen} chosen by WEFT_THREADS")
    if chosen is not None and chosen > allowed:
        yield Finding("threads", "note", f"{chosen} threads on {allowed} cores take turns")


def _cache() -> Iterator[Finding]:
    """Report the folder for compiled programs and whether it can be written."""
    folder = cache_folder(current().run)
    if folder is None:
        yield Finding("cache", "note", "off: every process compiles anew")
        return
    nearest = next((place for place in (folder, *folder.parents) if place.exists()), Path(folder.anchor))
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        yield Finding("cache", "bad", f"{folder} cannot be written ({error.strerror}); set WEFT_CACHE_DIR")
        return
    if folder.exists() and hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
        yield Finding("cache", "bad", f"{folder} belongs to another user; set WEFT_CACHE_DIR")
        return
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()] if folder.exists() else []
    yield Finding("cache", "ok", f"{folder}: {len(sizes)} files, {sum(sizes) / 2**20:.1f} MiB")


def _huge_pages() -> Iterator[Finding]:
    """Report whether the kernel gives huge pages on request; fresh memory costs 8 times more without."""
    file = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not file.exists():
        return
    mode = file.read_text().partition("[")[2].partition("]")[0]
    state = "note" if mode == "never" else "ok"
    yield Finding("huge pages", state, f"{mode}{': large results cost more' if mode == 'never' else ''}")


def _tools() -> Iterator[Finding]:
    """Report compilers and NVRTC; none is needed to run on the CPU."""
    found = [name for name in ("cc", "gcc", "clang", "g++", "nvcc") if shutil.which(name)]
    yield Finding("compilers", "ok", ", ".join(found) or "none (none is needed)")
    library = _nvrtc()
    yield Finding("nvrtc", "ok" if library else "note", library or "not found (needed for GPU code only)")


def _nvrtc() -> str:
    """Return the name of an NVRTC library in this environment or on this system, or an empty text."""
    roots = [Path(entry) / "nvidia" for entry in sys.path if entry]
    roots += [Path("/usr/local/cuda/lib64"), Path("/usr/lib/x86_64-linux-gnu")]
    for root in roots:
        pattern = "*/lib/libnvrtc.so*" if root.name == "nvidia" else "libnvrtc.so*"
        for file in sorted(root.glob(pattern)):
            return str(file)
    return ""


def _variables() -> Iterator[Finding]:
    """Report options that differ from their defaults and variables of others that slow NumPy down."""
    for field, value in chosen().items():
        yield Finding("option", "note", f"{field} is {value!r}")
    for name in sorted(overriding_variables()):
        yield Finding("environment", "note", f"{name} is set: it changes how fast NumPy's own products are")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _python,
    _packages,
    _processor,
    _threads,
    _cache,
    _huge_pages,
    _tools,
    _variables,
)
"""The checks in the order of the report."""
