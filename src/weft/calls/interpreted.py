"""Calls in the reference interpreter: `WEFT_INTERPRET=1`; derivatives while compiled code is off.

Each call is traced for its own sizes and run op by op with NumPy. Not here: the interpreter
(`weft.ir.interp`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from weft.calls.binding import Call, key_of, plain
from weft.calls.finish import ResultMaker
from weft.compiler.frontend import result
from weft.compiler.frontend.arguments import ArraySpec
from weft.compiler.frontend.entry import Traced
from weft.ir.dims import evaluate_dim
from weft.ir.interp import interpret
from weft.ir.types import IndexType

if TYPE_CHECKING:
    from weft.calls.function import Core


def interpreted(core: Core, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The result of one call."""
    call = Call.of(core.shape, args, kwargs)
    made = plain(call, core.is_static)
    call = replace(call, positional=made.args, named=made.kwargs)
    with core.lock:
        work = core.work(call, note=False)
        traced, _ = core.trace(work)
    given = [_argument(traced, number, call.read(p.source)) for number, p in enumerate(traced.parameters)]
    with np.errstate(all="ignore"):
        results = interpret(traced.func, *given, sizes=work.present, callbacks=traced.callbacks)
    kinds = kinds_of(traced)
    raw = [_KINDS[kinds.get(number, "array")](value) for number, value in enumerate(results)]
    known = dict(work.present)
    objects = {key_of(p.source): call.read(p.source) for p in traced.parameters}
    maker = ResultMaker(
        traced,
        raw,
        call.read,
        lambda k: objects[key_of(traced.parameters[k].source)],
        lambda dim: evaluate_dim(dim, known),
        known,
    )
    try:
        return maker.finish(core.shape.function)
    finally:
        made.restore()


_KINDS: dict[str, Callable[[Any], Any]] = {
    "array": lambda v: v,
    "scalar": lambda v: v[()],
    "float": float,
    "complex": complex,
    "bool": bool,
    "int": int,
}


def _argument(traced: Traced, number: int, value: Any) -> Any:
    spec = traced.parameters[number].spec
    if isinstance(spec, ArraySpec) and spec.layout == "F":
        return value.T
    return np.int64(value) if isinstance(traced.func.params[number].type, IndexType) else value


def kinds_of(traced: Traced) -> dict[int, str]:
    """What each result of the program is to the user."""
    found: dict[int, str] = {}

    def visit(node: Any) -> None:
        if isinstance(node, result.ResultValue):
            found[node.number] = node.kind
        for item in result.inner_nodes(node):
            visit(item)

    for node in (traced.result, *(e.value for e in traced.effects)):
        visit(node)
    return found
