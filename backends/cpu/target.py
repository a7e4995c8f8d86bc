"""Recognizes CPUs: this machine, without loading LLVM, and named levels for exports and tests.

Holds what turns flags into facts and a `Target` into LLVM's `Machine`. Not here: the record itself
(`weft.ir.target`), machines of other systems (`cross.py`).
"""

import functools
from dataclasses import replace
from pathlib import Path

from weft.backends.cpu.link import Machine, host_architecture, host_machine
from weft.ir.target import Target

LINUX = "unknown-linux-gnu"
AVX512 = frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl"})
_CPU_INFO = Path("/proc/cpuinfo")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 1024, "M": 1024 * 1024}

# What the levels of the x86-64 ABI promise, as flags; LLVM knows the levels by name.
# fmt: off
LEVELS = {
    "x86-64":    frozenset({"sse2"}),
    "x86-64-v2": frozenset({"sse2", "sse4_1", "sse4_2"}),
    "x86-64-v3": frozenset({"sse2", "sse4_1", "sse4_2", "avx", "avx2", "fma", "f16c"}),
    "x86-64-v4": frozenset({"sse2", "sse4_1", "sse4_2", "avx", "avx2", "fma", "f16c"}) | AVX512,
}
# fmt: on


def x86(triple: str, cpu: str, flags: frozenset[str]) -> Target:
    """The facts about an x86-64 CPU with these flags."""
    wide = flags >= AVX512
    return Target(
        triple,
        cpu,
        flags=flags,
        vector_bytes=64 if wide else 32 if "avx2" in flags else 16,
        vector_registers=32 if wide else 16,
        has_fma="fma" in flags,
        has_masked_memory=wide or "avx2" in flags,
        has_gather=wide or "avx2" in flags,
        has_rounding="sse4_1" in flags,
        has_half="f16c" in flags,
    )


def aarch64(triple: str, cpu: str, flags: frozenset[str] = frozenset()) -> Target:
    """The facts about a 64-bit ARM CPU."""
    return Target(
        triple,
        cpu,
        flags=flags,
        vector_bytes=16,
        vector_registers=32,
        has_fma=True,
        has_rounding=True,
        has_half=True,
    )


def named_target(name: str) -> Target:
    """A level of x86-64 or "aarch64" on Linux, or what `weft.backends.cpu.cross` knows, in full.

    Raises UnsupportedError for another.
    """
    if name in LEVELS:
        return spelled(x86(f"x86_64-{LINUX}", name, LEVELS[name]))
    if name == "aarch64":
        return spelled(aarch64(f"aarch64-{LINUX}", "generic"))
    from weft.backends.cpu.cross import cross_target  # asks LLVM about CPUs: not where a level is enough

    return cross_target(name)


def spelled(target: Target) -> Target:
    """With the operations that this backend spells."""
    from weft.backends.cpu.emit import SPELLED

    return replace(target, ops=SPELLED)


@functools.cache
def host_target() -> Target:
    """The machine we run on. Loads LLVM only where the system does not list the CPU's flags."""
    return spelled(_host())


@functools.cache
def host_key() -> str:
    """The key of `host_target()`, without loading code generation."""
    return _host().key()


@functools.cache
def _host() -> Target:
    architecture = host_architecture()
    triple = f"{architecture}-{LINUX}"
    if architecture == "aarch64":
        return replace(aarch64(triple, "host", _flags("Features")), **_caches())
    flags = _flags("flags") or _flags_of_llvm()
    return replace(x86(triple, "host", flags), **_caches())


def machine_of(target: Target) -> Machine:
    """What LLVM needs to know. Loads LLVM for this machine."""
    if target.cpu == "host":
        return host_machine()
    return Machine(target.triple, target.cpu, target.features)


def _flags(label: str) -> frozenset[str]:
    """The CPU's flags as Linux lists them; empty elsewhere."""
    try:
        with _CPU_INFO.open() as lines:  # of the first CPU: there may be hundreds
            found = next((line for line in lines if line.startswith(label)), ":")
    except OSError:
        return frozenset()
    return frozenset(found.split(":")[1].split())


def _flags_of_llvm() -> frozenset[str]:
    features = host_machine().features.split(",")
    return frozenset(f[1:].replace("sse4.", "sse4_") for f in features if f.startswith("+"))


def _caches() -> dict[str, int]:
    """Bytes of the data caches of the first core; nothing where the system does not say."""
    sizes: dict[str, int] = {}
    for folder in sorted(_CACHES.glob("index*")):
        try:
            level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        if kind != "Instruction" and level in "123":
            sizes[f"l{level}_bytes"] = int(size.rstrip("KM")) * _UNITS.get(size[-1], 1)
    return sizes
