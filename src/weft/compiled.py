"""What users ask of a compiled function beside calling it.

Not here: calls (`function.py`).
"""

from __future__ import annotations

from typing import Any

from weft import config


def stats(self: Any) -> dict[str, Any]:
    """Counters: compiles, calls, variants, kernels of the variant called last, bytes of its arena, seconds spent compiling."""
    core = self._weft
    served = core.entries.variants(self)
    by_variant = {v.variant: v for v in core.versions}
    current = by_variant.get(served[0][0]) if served else None
    return {
        "compiles": core.compiles,
        "calls": sum(count for _, count in served),
        "variants": [
            {"key": str([str(p.spec) for p in by_variant[v].traced.parameters]), "guards": [str(g) for g in by_variant[v].traced.sizes],
             "reason": by_variant[v].reason, "calls": count} for v, count in served if v in by_variant
        ],
        "kernels": [dict(k) for k in current.built.kernels] if current else [],
        "arena_bytes": 0,
        "compile_seconds": core.compile_seconds,
    }  # fmt: skip


def ir(self: Any, stage: str = "tensor", *args: Any) -> str:
    """The program's text after a stage: tensor, fused, loops, llvm, asm; of the variant compiled last, or for `args`."""
    from weft.native import stage_text  # noqa: PLC0415

    core = self._weft
    version = core.compile_for(args, {}, config.current()) if args or not core.versions else core.versions[0]
    return stage_text(version.traced.func, version.sizes.guards, stage, config.current())


METHODS: dict[str, Any] = {"stats": stats, "ir": ir}
