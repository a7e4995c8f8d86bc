"""Machines of other systems by name: `TRIPLE:CPU:+feature,-feature`, in LLVM's spelling, and short names.

    armv7   riscv64-linux-gnu:sifive-u74   x86_64-linux-gnu:znver4   aarch64-linux-gnu::+sve

What a CPU can do is asked of LLVM: code for a probe is read. Not here: the levels of x86-64 and this machine
(`target.py`).
"""

import functools
from dataclasses import replace

from weft.backends.cpu.link import Machine, machine_code
from weft.backends.cpu.target import AVX512, LEVELS, aarch64, spelled, x86
from weft.ir import UnsupportedError
from weft.ir.target import Target

# fmt: off
SHORT = {
    "armv7": "armv7-linux-gnueabihf", "riscv64": "riscv64-linux-gnu", "wasm32": "wasm32-unknown-unknown",
    "x86_64-windows": "x86_64-windows-gnu", "aarch64-windows": "aarch64-windows-gnu",
}
_ARCHITECTURES = {
    "x86_64": "x86_64", "amd64": "x86_64", "x64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64",
    "arm": "armv7", "armv7": "armv7", "armv7a": "armv7", "riscv64": "riscv64", "wasm32": "wasm32",
}
# What an architecture has where no CPU is named; VFPv4 and dividers came with Cortex-A7 and A15.
_FEATURES = {
    "armv7": "+neon,+vfp4,+hwdiv-arm,+hwdiv", "riscv64": "+m,+a,+f,+d,+c", "wasm32": "+simd128,+bulk-memory",
}
_CPUS = {"x86_64": "x86-64", "aarch64": "generic", "armv7": "generic", "riscv64": "generic-rv64",
         "wasm32": "generic"}
# fmt: on
_PROBE = """
define <16 x float> @add(<16 x float> %x, <16 x float> %y, <16 x float> %z) {
  %r = call <16 x float> @llvm.fma.v16f32(<16 x float> %x, <16 x float> %y, <16 x float> %z)
  ret <16 x float> %r
}
define <64 x i8> @bytes(<64 x i8> %x, <64 x i8> %y) {
  %r = add <64 x i8> %x, %y
  ret <64 x i8> %r
}
define <8 x i64> @shift(<8 x i64> %x, <8 x i64> %y) {
  %r = ashr <8 x i64> %x, %y
  ret <8 x i64> %r
}
define <4 x float> @floor(<4 x float> %x) {
  %r = call <4 x float> @llvm.floor.v4f32(<4 x float> %x)
  ret <4 x float> %r
}
declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)
declare <4 x float> @llvm.floor.v4f32(<4 x float>)
"""


def cross_target(name: str) -> Target:
    """The target of a name. Raises UnsupportedError for one that LLVM or we do not know."""
    triple, _, rest = name.partition(":")
    cpu, _, features = rest.partition(":")
    if cpu[:1] in ("+", "-"):
        cpu, features = "", cpu
    architecture, system = _parts(SHORT.get(triple, triple), name)
    if architecture == "x86_64" and triple in LEVELS:
        cpu = cpu or triple
    own = ",".join(part for part in (_FEATURES.get(architecture, "") if not cpu else "", features) if part)
    machine = Machine(_spelling(architecture, system), cpu or _CPUS[architecture], own)
    return spelled(_facts(machine, name))


def names() -> str:
    """Which targets there are, to be read."""
    short = ", ".join(["host", *LEVELS, "x86-64-any", "aarch64", *SHORT])
    return f"{short}, arm64-apple-macos, aarch64-linux-android, or TRIPLE:CPU:+feature"


def _unknown(name: str, why: str) -> UnsupportedError:
    return UnsupportedError(f"there is no target {name!r}: {why}", code="E051", fix=f"use one of {names()}")


def _parts(triple: str, name: str) -> tuple[str, str]:
    """Architecture and system."""
    first, *rest = ("x86_64-linux-gnu" if triple in LEVELS else triple).lower().split("-")
    if first not in _ARCHITECTURES:
        raise _unknown(name, f"the architecture {first!r} is not known")
    architecture, text = _ARCHITECTURES[first], "-".join(rest)
    known = {
        "android": "android", "windows": "windows", "mingw": "windows", "macos": "macos", "darwin": "macos",
        "linux": "linux", "musl": "linux",
    }  # fmt: skip
    system = next((v for k, v in known.items() if k in text), "")
    if architecture == "wasm32":
        return architecture, "wasm"
    if not system and text not in ("", "unknown", "unknown-unknown"):
        raise _unknown(name, f"the system {text!r} is not known")
    if system in ("windows", "macos") and architecture not in ("x86_64", "aarch64"):
        raise _unknown(name, f"{system} does not run on {architecture}")
    return architecture, system or "linux"


def _spelling(architecture: str, system: str) -> str:
    """The triple in full."""
    is_arm = architecture == "armv7"
    return {
        "linux": f"{architecture}-unknown-linux-gnu{'eabihf' if is_arm else ''}",
        "android": f"{architecture}-unknown-linux-android{'eabi' if is_arm else ''}21",
        "windows": f"{architecture}-pc-windows-gnu",
        "macos": f"{'arm64' if architecture == 'aarch64' else architecture}-apple-macosx11.0.0",
        "wasm": "wasm32-unknown-unknown",
    }[system]


@functools.cache
def _probed(machine: Machine) -> tuple[str, str]:
    """Assembly of the probe and what LLVM complained about.

    LLVM ends the process for an unknown CPU of a 64-bit machine, unless 64 bits are asked for.
    """
    is_named = machine.architecture in ("x86_64", "riscv64")
    features = ",".join(part for part in ("+64bit" if is_named else "", machine.features) if part)
    return machine_code(_PROBE, replace(machine, features=features))


def _facts(machine: Machine, name: str) -> Target:
    """The facts that schedules need."""
    text, complaint = _probed(machine)
    if complaint:
        raise _unknown(name, complaint.splitlines()[0])
    triple, cpu, features = machine.triple, machine.cpu, machine.features
    match machine.architecture:
        case "x86_64":
            flags = {"sse2"} | ({"fma"} if "vfmadd" in text else set[str]())
            flags |= {"sse4_1"} if "roundps" in text else set[str]()  # and vroundps
            flags |= {"avx", "avx2"} if "vpaddb\t%ymm" in text or "vpaddb\t%zmm" in text else set[str]()
            flags |= AVX512 if "zmm" in text and "vpsravq" in text and "vpaddb\t%zmm" in text else set[str]()
            found = x86(triple, cpu, frozenset(flags | ({"sse4_1"} if "avx" in flags else set[str]())))
        case "aarch64" | "arm64":
            found = aarch64(triple, cpu)
        case "armv7":
            found = Target(triple, cpu, has_fma="vfma" in text, vector_bytes=16, vector_registers=16)
        case "riscv64":
            wide = "vsetivli" in text or "vsetvli" in text
            found = Target(
                triple, cpu, has_fma="fmadd" in text or wide,
                vector_bytes=16 if wide else 8, vector_registers=32 if wide else 16,
            )  # fmt: skip
        case _:
            found = Target(
                triple, cpu, vector_bytes=16, vector_registers=16, has_rounding="floor" in text,
                has_fused_products=False,
            )  # fmt: skip
    return replace(found, features=features)
