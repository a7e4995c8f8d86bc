"""A toy backend: prints a subset of the loop level as Python and runs it. It proves the `Backend` protocol.

Scalars alone (a target without vectors), dense buffers, no failure, nothing parallel. Not here: speed.
"""

from dataclasses import dataclass

import numpy as np

from weft.backends.base import Artifact
from weft.ir import BufferType, CodeOptions, Func, Op, Region, UnsupportedError, Value
from weft.ir.dims import DimLike, fold_dim
from weft.ir.target import Target
from weft.runtime.interface import Interface

_SIGNS = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "divide_raw": "//", "equal": "==",
    "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=",
    "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^",
    "shift_left_raw": "<<", "shift_right_raw": ">>",
}  # fmt: skip
_TEMPLATES = {
    **{name: f"{{0}} {sign} {{1}}" for name, sign in _SIGNS.items()},
    **{name: f"np.{name}({{0}})" for name in ("negative", "sqrt", "floor", "ceil", "trunc", "rint")},
    **{name: f"np.{name}({{0}})" for name in ("logical_not", "invert")},
    **dict.fromkeys(("bitcast", "bitcast_signed", "bitcast_unsigned", "bitcast_float"), "{0}.view({dtype})"),
    **dict.fromkeys(("any_lane", "splat", "from_index"), "{0}"),
    "absolute_raw": "np.abs({0})",
    "copysign": "np.copysign({0}, {1})",
    "fma": "fma({0}, {1}, {2})",
    "select": "{1} if {0} else {2}",
    "cast": "{0}.astype({dtype})",
    "lane_index": "np.int64(0)",
    "load": "{0}[{1}]",
}
OPS = frozenset(
    {*_TEMPLATES, "constant", "store", "alloc", "for", "while", "if", "kernel", "yield", "return"}
)


class _Printer:
    def __init__(self, fn: Func) -> None:
        self.names: dict[Value, str] = {}
        self.lines: list[str] = []
        self.depth = 0
        for number, param in enumerate(fn.params):
            self.names[param] = f"p{number}" if isinstance(param.type, BufferType) else param.name
        self.line(f"def run({', '.join(self.names[p] for p in fn.params)}):")
        self.block(fn.body)

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def block(self, region: Region, into: list[str] | None = None) -> list[str]:
        """The ops of a region, one level deeper; what it yields is assigned to `into` at once."""
        self.depth += 1
        for op in region.ops[:-1]:
            self.op(op)
        texts = [self.names[v] for v in region.ops[-1].operands]
        self.line(f"{', '.join(into)} = {', '.join(texts)}" if into else "pass")
        self.depth -= 1
        return texts

    def name(self, value: Value) -> str:
        return self.names.setdefault(value, f"v{len(self.names)}")

    def dim(self, value: DimLike) -> str:
        words = {"add": "({} + {})", "mul": "({} * {})", "floordiv": "({} // {})", "mod": "({} % {})"}
        return fold_dim(value, str, str, lambda kind, a, b: words.get(kind, kind + "({}, {})").format(a, b))

    def op(self, op: Op) -> None:
        texts = [self.names[v] for v in op.operands]
        writer = getattr(self, f"_{op.name}", None)
        if op.name in _TEMPLATES and len(texts) <= _TEMPLATES[op.name].count("{"):
            dtype = f"np.{op.result.type.dtype.numpy}"
            self.line(f"{self.name(op.result)} = {_TEMPLATES[op.name].format(*texts, dtype=dtype)}")
        elif writer is not None:
            writer(op, texts)
        else:
            raise UnsupportedError(f"the toy backend does not spell {op.name}", code="E051")

    def _constant(self, op: Op, _texts: list[str]) -> None:
        dtype = op.result.type.dtype.numpy
        bits = np.asarray(op.attributes["value"]).astype(dtype).reshape(-1)[:1].tobytes()
        self.line(f"{self.name(op.result)} = np.frombuffer({bits!r}, '{dtype}')[0]")

    def _store(self, _op: Op, texts: list[str]) -> None:
        self.line(f"{texts[1]}[{texts[2]}] = {texts[0]}")

    def _alloc(self, op: Op, _texts: list[str]) -> None:
        ty = op.result.type
        self.line(f"{self.name(op.result)} = np.empty({self.dim(ty.size)}, np.{ty.dtype.numpy})")

    def _kernel(self, op: Op, _texts: list[str]) -> None:
        self.line(f"if True:  # {op.attributes['name']}")
        self.block(op.regions[0])

    def _carry(self, op: Op, values: list[Value], texts: list[str]) -> list[str]:
        names = [self.name(v) for v in op.results]
        self.names.update(zip(values, names, strict=True))
        if names:
            self.line(f"{', '.join(names)} = {', '.join(texts)}")
        return names

    def _for(self, op: Op, texts: list[str]) -> None:
        index, *carried = op.regions[0].params
        names = self._carry(op, carried, texts[3:])
        self.line(f"for {self.name(index)} in np.arange({', '.join(texts[:3])}):")
        self.block(op.regions[0], names)

    def _while(self, op: Op, texts: list[str]) -> None:
        condition, body = op.regions
        names = self._carry(op, condition.params, texts)
        self.names.update(zip(body.params, names, strict=True))
        self.line("while True:")
        self.line(f"    if not {self.block(condition)[0]}: break")
        self.block(body, names)

    def _if(self, op: Op, texts: list[str]) -> None:
        names = [self.name(v) for v in op.results]
        for head, region in zip((f"if {texts[0]}:", "else:"), op.regions, strict=True):
            self.line(head)
            self.block(region, names)


@dataclass(frozen=True, slots=True)
class ToyBackend:
    """Programs as Python."""

    name: str = "toy"

    def host(self) -> Target:
        return Target("python", vector_bytes=0, has_fma=True, has_rounding=True, ops=OPS)

    def emit(self, fn: Func, interface: Interface, target: Target, options: CodeOptions) -> str:
        return "\n".join(_Printer(fn).lines) + "\n"

    def build(self, text: str, interface: Interface, target: Target) -> Artifact:
        compile(text, interface.name, "exec")
        return Artifact(text.encode(), interface)
