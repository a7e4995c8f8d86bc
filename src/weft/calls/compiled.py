"""What users ask of a compiled function beside calling it: prepare, ir, explain, stats, graph, verify.

Not here: calls (`function.py`), how facts about kernels are found (`weft.compiler.cost`,
`weft.compiler.debug`).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from weft import config
from weft.calls.binding import Call
from weft.calls.function import Core, Tools, Version, Work, program_of
from weft.calls.guards import sizes_of
from weft.calls.native import STAGES, stage_text
from weft.calls.specs import has_specs
from weft.ir import UserError
from weft.unbuilt import refuse

_UNBUILT_STAGES = ("cuda",)


def stats(self: Any) -> dict[str, Any]:
    """Counters: compiles, calls, variants, kernels of the latest variant, bytes of its arena, seconds.

    Sizes, flops and bytes that follow from symbols are texts of expressions in them.
    """
    from weft.calls.explanation import stats_of

    return stats_of(self._weft)


def ir(self: Any, stage: str = "tensor", *args: Any, **kwargs: Any) -> str:
    """The program's text after a stage: tensor, fused, loops, llvm, asm.

    Of the variant called last, or for the values or specs that are given.
    """
    if stage in _UNBUILT_STAGES:
        refuse(f"the stage {stage!r}")
    if stage not in STAGES:
        raise UserError(f"there is no stage {stage!r}", code="E002", fix=f"use one of {', '.join(STAGES)}")
    core: Core = self._weft
    options = config.current()
    if args or kwargs:
        traced, facts = core.trace(_work(core, args, kwargs))
        sizes = sizes_of(traced, facts.ints)
        return stage_text(program_of(traced, sizes), sizes.guards, stage, options)
    version = _latest(core)
    return stage_text(program_of(version.traced, version.sizes), version.sizes.guards, stage, version.options)


def _work(core: Core, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Work:
    """What to trace for values, or for specs."""
    if has_specs(list(args)) or has_specs(dict(kwargs)):
        return core.spec_work(args, kwargs)
    return core.work(Call.of(core.shape, args, kwargs), note=False)


def _latest(core: Core) -> Version:
    version = core.current()
    if version is None:
        if core.settings.signature is not None:
            return core.add(core.lane(config.current()), core.signature_work(), config.current())
        raise UserError(
            f"{core.name} has not been compiled yet",
            fix='call it first, or give specs, as in f.ir("tensor", weft.spec("f32[n]"))',
        )
    return version


def prepare(self: Any, *specs: Any, **keywords: Any) -> Any:
    """Compile for these specs without running; returns the function. Static arguments are given as values."""
    core: Core = self._weft
    options = config.current()
    if not specs and not keywords and core.settings.signature is not None:
        specs = core.settings.signature
    lane = core.lane(options)
    with core.lock:
        work = core.spec_work(specs, keywords)
        core.add(lane, work, options)
    return self


def explain(self: Any) -> str:
    """Why each variant was compiled, what it holds for, its kernels, why they are apart, copies."""
    from weft.calls.explanation import explain_function

    return explain_function(self._weft)


def graph(self: Any) -> Any:
    """The program called last as a networkx DiGraph: values and ops with their lines and devices."""
    from weft.compiler.debug.describe import graph_of

    version = _latest(self._weft)
    return graph_of(version.traced.func, version.traced)


def verify(self: Any, *args: Any, **kwargs: Any) -> bool:
    """Run plain Python and compiled code on copies, print the first difference; True if there is none."""
    from weft.calls.verification import verify_call

    return verify_call(self, args, kwargs)


def run(self: Any, *args: Any, fetch: Any, feed: Mapping[str, Any] | None = None, **kwargs: Any) -> Any:
    """Execute the part of the function that the named values need; the result has the structure of `fetch`.

    `fetch` is a name that `weft.name` gave, or a tree of names; `feed` gives values for named ones, of the
    same type, in place of what the function computes. Writes and effects that no fetch needs don't happen.
    Raises UserError for a name that the call does not meet.
    """
    return import_module("weft.partial").run(self._weft, args, kwargs, fetch, feed or {})


def signature_of(self: Any) -> inspect.Signature | None:
    """The signature of the user's function."""
    return self._weft.shape.signature


def represent(self: Any) -> str:
    """The function's name, and that it is compiled."""
    return f"<weft.compile({self._weft.name})>"


def _interpret(core: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    from weft.calls.interpreted import interpreted

    return interpreted(core, args, kwargs)


def _explain(version: Any) -> str:
    from weft.calls.explanation import explain_version

    return explain_version(version)


TOOLS = Tools(_interpret, _explain)
"""What compiled functions use when options ask for it; loaded then."""

METHODS: dict[str, Any] = {
    "stats": stats,
    "ir": ir,
    "prepare": prepare,
    "explain": explain,
    "graph": graph,
    "verify": verify,
    "run": run,
    "__repr__": represent,
}
"""The methods of compiled functions."""
