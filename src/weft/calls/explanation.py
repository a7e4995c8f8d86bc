"""The facts behind `f.explain()` and `f.stats()`: what each variant is, its kernels and what they cost.

The passes are run again to look at the program after each stage; compiled programs keep no record of it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from weft.backends.cpu.target import host_target
from weft.calls.function import program_of
from weft.calls.generate import optimize
from weft.compiler.cost import KernelCost, kernel_costs
from weft.compiler.debug.describe import copies, kernels_apart
from weft.compiler.passes.plan_memory import arena_bytes
from weft.ir import Func
from weft.ir.dims import DimLike

if TYPE_CHECKING:
    from weft.calls.function import Core, Version


@functools.lru_cache(maxsize=32)
def _stages(version: Version) -> Mapping[str, Func]:
    """The program of a variant after each stage."""
    seen: dict[str, Func] = {}

    def watch(_name: str, _before: Func, after: Func, _seconds: float) -> None:
        seen[after.stage] = after

    optimize(program_of(version.traced, version.sizes), version.options, host_target(), watch)
    return seen


def _costs(version: Version) -> list[KernelCost]:
    return kernel_costs(_stages(version)["buffers"], _stages(version)["loops"])


def _size(value: DimLike) -> int | str:
    return value if isinstance(value, int) else str(value)


def stats_of(core: Core) -> dict[str, Any]:
    """Counters: compiles, calls, variants, kernels of the latest variant, bytes of its arena, seconds.

    Sizes, flops and bytes that follow from symbols are texts of expressions in them.
    """
    counts = core.counts()
    versions = [v for lane in core.lanes.values() for v in lane.versions]
    now = core.current()
    return {
        "compiles": core.compiles,
        "calls": sum(counts.values()) + core.retired_calls,
        "variants": [
            {
                "key": {name: part.text for name, part in v.key.items()},
                "guards": _guards(v),
                "reason": v.reason,
                "calls": counts.get(v.variant, 0),
            }
            for v in versions
        ],
        "kernels": [
            {
                "name": cost.name,
                "device": "cpu",
                "ops": list(cost.ops),
                "flops": _size(cost.flops),
                "bytes_read": _size(cost.bytes_read),
                "bytes_written": _size(cost.bytes_written),
                "source": [str(place) for place in cost.source],
            }
            for cost in (_costs(now) if now is not None else ())
        ],
        "arena_bytes": _size(arena_bytes(_stages(now)["loops"])) if now is not None else 0,
        "compile_seconds": core.compile_seconds,
    }


def _guards(version: Version) -> list[str]:
    traced = version.traced
    return [
        *(f"{guard} ({guard.reason}, {guard.location})" for guard in traced.sizes),
        *(f"{guard.source} {guard.kind} {guard.value!r}" for guard in traced.guards),
    ]


def explain_function(core: Core) -> str:
    """Why each variant was compiled, what it holds for, its kernels, why they are apart, copies."""
    versions = [v for lane in core.lanes.values() for v in lane.versions]
    if not versions:
        return f"{core.name} has not been compiled yet."
    head = f"{core.name}: {core.compiles} compiles, {len(versions)} variants (latest first)"
    parts = [f"variant {len(versions) - k}: {explain_version(v)}" for k, v in enumerate(versions)]
    return "\n\n".join([head, *parts])


def explain_version(version: Version) -> str:
    """The same for one variant."""
    traced = version.traced
    lines = [f"compiled because: {version.reason}"]
    lines += _section("key", (f"{name}: {part.text}" for name, part in version.key.items()))
    lines += _section(
        "pins", (f"{pin.left} is fixed to {pin.right}: {pin.reason}, {pin.location}" for pin in traced.pins)
    )
    lines += _section(
        "guards on sizes", (f"{g}: {g.reason}, {g.location}" for g in traced.sizes if not g.is_pin)
    )
    lines += _section("guards on objects", (f"{g.source} {g.kind} {g.value!r}" for g in traced.guards))
    lines += _section("kernels", (_kernel_line(cost) for cost in _costs(version)))
    lines += _section("not fused", kernels_apart(_stages(version)["fused"], _costs(version)))
    lines += _section("copies", copies(_stages(version)["buffers"]))
    return "\n".join(lines)


def _section(title: str, lines: Any) -> list[str]:
    found = list(lines)
    return [f"  {title}:", *(f"    {line}" for line in found)] if found else []


def _kernel_line(cost: KernelCost) -> str:
    lines = ", ".join(dict.fromkeys(str(place) for place in cost.source))
    moved = f"reads {cost.bytes_read} bytes, writes {cost.bytes_written}"
    return f"{cost.name}: {', '.join(cost.ops)}; {moved}; {lines}"
